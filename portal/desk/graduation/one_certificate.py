"""One certificate: hand it over, revoke it, or issue one to a single student."""

from collections.abc import Sequence
from functools import partial
from typing import Annotated

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from portal.access import forms
from portal.access.form_fields import Form, Line, OrNone, at_most
from portal.access.requires import for_visitors
from portal.desk.context.desk_context import DeskContext, desk_context
from portal.desk.context.refusals import sentence
from portal.desk.graduation import certificate_lines, numbers
from portal.desk.graduation.certificate_lines import COLLECTION_LABELS, SELECTION_LABELS
from portal.desk.graduation.classes import REVIEWING, powers
from portal.i18n.labels import N_
from portal.page.account_names import names_of_accounts
from portal.page.context import Context, SignedIn
from portal.web import bounds
from portal.web.links import see_other
from status_db.accounts.accounts import Act
from status_db.accounts.audit_log import AuditEvent
from status_db.decisions.certificates import OWN_MISTAKE, Collected, Handover, Issue, revocable_by_issuer
from status_db.decisions.refusals import DecisionRefused
from status_db.model import normalise_number
from status_db.queries.certificates import CertificateSelection, ListedCertificate
from status_db.queries.classes import ClassMember
from status_db.views import Scope

#: Certificates on a page of the list.
ROWS = 50

#: A form of one certificate, or the ticks of one page.
_LONGEST_FORM = 32 * 1024
_MOST_FIELDS = ROWS + 20

_NOT_NOW = N_("时间无法识别。请写成 2019-06-19T09:30，留空为现在。")
_NO_WAY = N_("请选择领取方式。")
_LONG = N_("内容过长：代领人或邮寄单号不超过 300 字，原因不超过 500 字，证书编号不超过 100 字。")
_NO_STUDENT = N_("没有该学生，或不在办理范围内。请核对学号。")

_LONGEST_COLLECTOR = 300
_LONGEST_REASON = 500


class CertificateForm(Form):
    """A form about certificates at one step."""

    longest = _LONGEST_FORM
    most = _MOST_FIELDS

    step: Line = ""


class HandingForm(CertificateForm):
    """How a certificate is collected, or why it is revoked, as typed."""

    collected: Annotated[Collected | None, OrNone] = None
    collector: Annotated[Line, at_most(_LONGEST_COLLECTOR)] = ""
    when: Line = ""
    because: Annotated[Line, at_most(_LONGEST_REASON)] = ""


class IssueForm(CertificateForm):
    """A certificate to issue to one student, as typed."""

    student: Line = ""
    number: Annotated[Line, at_most(numbers.LONGEST)] = ""
    kind: Line = ""
    collected: Annotated[Collected | None, OrNone] = ""
    collector: Annotated[Line, at_most(_LONGEST_COLLECTOR)] = ""


async def certificate_page(context: SignedIn) -> Response:
    """Show one certificate and its forms."""
    at = desk_context(context, REVIEWING)
    listed = await _find_certificate(context, at, powers(context, at).issue)
    return await _show_certificate(context, at, listed, HandingForm(collected="self"))


async def hand_over_one(context: SignedIn) -> Response:
    """Record how a certificate was collected."""
    typed = await forms.read_form(context, HandingForm)
    at = desk_context(context, (Act.ISSUE,), typed.step or None)
    listed = await _find_certificate(context, at, at.scopes)
    language, zone = at.reader.language, context.settings.institution.timezone
    try:
        when = bounds.moment(typed.when, zone) if typed.when else None
    except ValueError:
        return await _show_certificate(context, at, listed, typed, language.gettext(_NOT_NOW))
    if not typed.collected:
        return await _show_certificate(context, at, listed, typed, language.gettext(_NO_WAY))
    if "collector" in typed.too_long:
        return await _show_certificate(context, at, listed, typed, language.gettext(_LONG))
    handed = Handover(listed.certificate.number, typed.collected, typed.collector, when)
    try:
        await note_handed_over(context, at, listed, handed)
    except DecisionRefused as refused:
        reason = sentence(language, at.reader.titles, refused)
        return await _show_certificate(context, at, listed, typed, reason)
    return see_other(at.address(f"/desk/certificates/{listed.certificate.id}", done="collected"))


async def revoke(context: SignedIn) -> Response:
    """Revoke a certificate. This needs a reason and, except for a fresh mistake of one's own, a second person."""
    typed = await forms.read_form(context, HandingForm)
    at = desk_context(context, (Act.ISSUE,), typed.step or None)
    listed = await _find_certificate(context, at, at.scopes)
    number = listed.certificate.number
    if "because" in typed.too_long:
        return await _show_certificate(context, at, listed, typed, at.reader.language.gettext(_LONG))
    try:
        await context.ask_long(
            at.stores.register.revoke, number, context.account.account, typed.because, at.reader.now, at.scopes
        )
    except DecisionRefused as refused:
        reason = sentence(at.reader.language, at.reader.titles, refused)
        return await _show_certificate(context, at, listed, typed, reason)
    await context.audit(
        AuditEvent.REVOKED,
        cohort=at.reader.cohort.key,
        student=listed.certificate.student,
        number=number,
        reason=typed.because,
    )
    return see_other(at.address(f"/desk/certificates/{listed.certificate.id}", done="revoked"))


async def issue_page(context: SignedIn) -> Response:
    """Show the form to issue a certificate to one reviewed student. The address can name the student."""
    at = desk_context(context, (Act.ISSUE,))
    student = normalise_number(context.asked("student"))
    member = await _member(context, at, student) if student else None
    wrong = at.reader.language.gettext(_NO_STUDENT) if student and member is None else ""
    return _show_issue_form(context, at, student, member, IssueForm(), wrong)


async def issue(context: SignedIn) -> Response:
    """Issue one certificate."""
    typed = await forms.read_form(context, IssueForm)
    at = desk_context(context, (Act.ISSUE,), typed.step or None)
    student, language = normalise_number(typed.student), at.reader.language
    member = await _member(context, at, student)
    if member is None:
        return _show_issue_form(context, at, student, None, typed, language.gettext(_NO_STUDENT))
    kinds = context.settings.desk.certificates
    if typed.kind not in kinds or typed.collected is None:
        return _show_issue_form(context, at, student, member, typed, language.gettext(_NO_WAY))
    if typed.too_long:
        return _show_issue_form(context, at, student, member, typed, language.gettext(_LONG))
    wish = Issue(student, numbers.printed(typed.number), typed.kind, typed.collected, typed.collector)
    try:
        made = await context.ask_in_turn(
            partial(at.stores.register.issue, wish, context.account.account, at.reader.now, at.scopes, step=at.step),
        )
    except DecisionRefused as refused:
        reason = sentence(language, at.reader.titles, refused)
        return _show_issue_form(context, at, student, member, typed, reason)
    await context.audit(
        AuditEvent.ISSUED, cohort=at.reader.cohort.key, student=student, number=made.number, kind=made.kind
    )
    return see_other(at.address(f"/desk/certificates/{made.id}", done="issued"))


async def _find_certificate(context: Context, at: DeskContext, issue_scopes: Sequence[Scope]) -> ListedCertificate:
    """Return the certificate that the address names. Raise 404 if it is missing or outside the scopes."""
    number = context.request.path_params["certificate"]
    listed = await context.ask_long(at.stores.certificates.find, at.step, at.scopes, number, issue_scopes)
    if listed is None:
        raise HTTPException(404)
    return listed


async def _show_certificate(
    context: SignedIn,
    at: DeskContext,
    listed: ListedCertificate,
    typed: HandingForm,
    wrong: str = "",
) -> Response:
    account, certificate = context.account.account, listed.certificate
    issues, effective, language = listed.may_issue, certificate.revoked_at is None, at.reader.language
    names = await names_of_accounts(context, certificate_lines.accounts_in([listed]))
    alone = certificate.issued_by == account and revocable_by_issuer(certificate, at.reader.now)
    return context.page(
        "desk/certificate.html",
        status=422 if wrong else 200,
        at=at,
        row=certificate_lines.certificate_line(at, listed, names),
        certificate=certificate,
        typed=typed,
        wrong=wrong,
        ways=_ways(at),
        hands_over=issues and effective and not certificate.collected,
        revokes=issues and effective and (certificate.issued_by != account or alone),
        alone_until=language.moment(certificate.issued_at + OWN_MISTAKE, at.reader.now) if alone else "",
        own=issues and effective and certificate.issued_by == account and not alone,
        done=context.asked("done"),
    )


async def _member(context: Context, at: DeskContext, student: str) -> ClassMember | None:
    found = await context.ask_long(at.stores.classes.member, at.step, at.reader.now, student, (), at.scopes)
    return found if found is not None and found.may_issue else None


def _show_issue_form(
    context: Context,
    at: DeskContext,
    student: str,
    member: ClassMember | None,
    typed: IssueForm,
    wrong: str,
) -> Response:
    language = at.reader.language
    own = {one.kind for one in member.certificates} if member else set()
    kinds = [kind for kind in context.settings.desk.certificates if kind not in own]
    reviewed = bool(member and member.review(at.step).counts_as_clear(at.reader.now))
    return context.page(
        "desk/issue.html",
        status=422 if wrong else 200,
        at=at,
        student=student,
        member=member,
        reviewed=reviewed,
        held=member.certificates if member else (),
        typed=typed,
        kinds=kinds,
        ways=[("", language.gettext(SELECTION_LABELS[CertificateSelection.WAITING])), *_ways(at)],
        wrong=wrong,
    )


def _ways(at: DeskContext) -> list[tuple[str, str]]:
    return [(key, at.reader.language.gettext(word)) for key, word in COLLECTION_LABELS.items()]


async def note_handed_over(context: SignedIn, at: DeskContext, listed: ListedCertificate, handed: Handover) -> None:
    """Record that a certificate was collected, and by whom it was recorded. Raise DecisionRefused."""
    await context.ask_long(at.stores.register.hand_over, handed, context.account.account, at.reader.now, at.scopes)
    await context.audit(
        AuditEvent.CERTIFICATE_HANDED_OVER,
        cohort=at.reader.cohort.key,
        student=listed.certificate.student,
        number=handed.number,
        collected=handed.collected,
    )


ROUTES = (
    Route("/desk/certificates/issue", for_visitors(issue_page, Act.ISSUE)),
    Route("/desk/certificates/issue", for_visitors(issue, Act.ISSUE), methods=["POST"]),
    Route("/desk/certificates/{certificate:id}", for_visitors(certificate_page, *REVIEWING)),
    Route("/desk/certificates/{certificate:id}/hand-over", for_visitors(hand_over_one, Act.ISSUE), methods=["POST"]),
    Route("/desk/certificates/{certificate:id}/revoke", for_visitors(revoke, Act.ISSUE), methods=["POST"]),
)
