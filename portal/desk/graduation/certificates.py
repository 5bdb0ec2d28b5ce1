"""Certificates: who holds which, handing over and revoking them, one for a late comer, and the sheet a class signs."""

import tempfile
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Annotated

from anyio import to_thread
from pydantic import Field
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from portal.access import forms
from portal.access.form_fields import Form, Line, OrNone, at_most
from portal.access.requires import for_visitors
from portal.access.scenes import NONE
from portal.desk.context.refusals import sentence
from portal.desk.context.scene import DeskPlace, place
from portal.desk.graduation import certificate_lines, numbers
from portal.desk.graduation.certificate_lines import HELD, WAYS
from portal.desk.graduation.classes import REVIEWING, class_address, class_asked, powers
from portal.documents import xlsx
from portal.i18n.labels import later
from portal.page.context import Context, SignedIn
from portal.web import bounds
from portal.web.links import see_other
from portal.web.sent_files import SentOnce
from status_db.accounts.accounts import Act
from status_db.accounts.audit_log import Deed
from status_db.decisions.certificates import Collected, HandedOver, Issue
from status_db.decisions.refusals import DecisionRefused
from status_db.model import normalise_number
from status_db.queries.certificates import CertificateFilter, CertificateSelection, ListedCertificate
from status_db.queries.classes import ClassMember, Stage
from status_db.views import Scope

_ROWS = 50

#: A form of one certificate, or the ticks of a page of them.
_LONGEST_FORM = 32 * 1024
_MOST_FIELDS = _ROWS + 20

_EXPORTED = (
    later("学号"),
    later("姓名"),
    later("学院"),
    later("班级"),
    later("证书"),
    later("证书号"),
    later("发证时间"),
    later("发证人"),
    later("状态"),
    later("领取时间"),
    later("代领人、单号或撤销原因"),
)

_NOT_NOW = later("时间读不懂。请写成 2019-06-19T09:30 这样，或者留空表示现在。")
_NO_WAY = later("请选择怎样领走。")
_LONG = later("写得太长了：代领人或单号不超过 300 字，原因不超过 500 字，证书号不超过 100 字。")
_UNTICKED = later("一本证书也没有选。请至少勾选一本。")
_NO_STUDENT = later("没有这样一名学生，或者不在你的范围内。请核对学号。")

_LONGEST_COLLECTOR = 300
_LONGEST_REASON = 500


class CertificateForm(Form):
    """A form about certificates, at one step."""

    longest = _LONGEST_FORM
    most = _MOST_FIELDS

    step: Line = ""


class SeveralForm(CertificateForm):
    """Certificates that were ticked, and the filter of the list they were ticked in."""

    certificate: tuple[str, ...] = ()
    held: Line = ""
    college: Line = ""
    class_name: Line = Field("", alias="class")
    text: Line = ""

    def filter(self) -> dict[str, str]:
        """Return the filter as an address has it."""
        return {"held": self.held, "college": self.college, "class": self.class_name, "text": self.text}


class HandingForm(CertificateForm):
    """What has been typed of how a certificate leaves, or why it is revoked."""

    collected: Annotated[Collected | None, OrNone] = None
    collector: Annotated[Line, at_most(_LONGEST_COLLECTOR)] = ""
    when: Line = ""
    because: Annotated[Line, at_most(_LONGEST_REASON)] = ""


class IssueForm(CertificateForm):
    """What has been typed of a certificate that is issued to one student."""

    student: Line = ""
    number: Annotated[Line, at_most(numbers.LONGEST)] = ""
    kind: Line = ""
    collected: Annotated[Collected | None, OrNone] = ""
    collector: Annotated[Line, at_most(_LONGEST_COLLECTOR)] = ""


async def page(context: SignedIn) -> Response:
    """Show certificates, filtered; those that wait can be handed over here."""
    at = place(context, REVIEWING)
    return await _list(context, at, _chosen(context))


async def _list(
    context: SignedIn,
    at: DeskPlace,
    chosen: CertificateFilter,
    *,
    wrong: Sequence[str] = (),
    done: int = 0,
    ticked: Sequence[str] = (),
) -> Response:
    after = context.asked("after")
    found = await context.ask_long(
        at.doors.certificates.listed,
        at.step,
        at.scopes,
        chosen,
        powers(context, at).issue,
        limit=_ROWS + 1,
        after=bounds.number(after) or 0,
    )
    shown = found[:_ROWS]
    own = certificate_lines.in_address(chosen)
    said = certificate_lines.in_words(at.here.language, chosen)
    await context.audit(Deed.SAW_LIST, cohort=at.here.cohort.key, step=at.step, filter=said, students=len(shown))
    return context.page(
        "desk/certificates.html",
        status=409 if wrong else 200,
        at=at,
        chosen=chosen,
        class_field=NONE if chosen.class_name == "" else chosen.class_name or "",
        tabs=[
            certificate_lines.Tab(
                word=at.here.language.gettext(word),
                address=at.address("/desk/certificates", **own | {"held": held.value}),
                current=held is chosen.held,
            )
            for held, word in HELD.items()
        ],
        rows=[certificate_lines.line(at, listed) for listed in shown],
        issues=bool(powers(context, at).issue),
        waiting=any(
            listed.may_issue and certificate_lines.held_of(listed) is CertificateSelection.WAITING for listed in shown
        ),
        wrong=wrong,
        done=done,
        ticked=ticked,
        export=at.address("/desk/certificates.xlsx", **own),
        later=at.address("/desk/certificates", **own, after=str(shown[-1].certificate.id))
        if len(found) > _ROWS
        else "",
        first=at.address("/desk/certificates", **own) if after else "",
        signs=class_address(at, "/desk/certificates/sign-off", chosen.college or "", chosen.class_name or "")
        if chosen.class_name is not None and chosen.college is not None
        else "",
    )


async def hand_over_several(context: SignedIn) -> Response:
    """Note of every certificate ticked that the student has taken it; those that cannot are named."""
    form = await forms.read_form(context, SeveralForm)
    at = place(context, (Act.ISSUE,), form.step or None)
    ticked = [key for one in dict.fromkeys(form.certificate) if (key := bounds.number(one)) is not None]
    found = [await context.ask_long(at.doors.certificates.find, at.step, at.scopes, key) for key in ticked]
    wrong, done = [], 0
    language = at.here.language
    for listed in found:
        if listed is None:
            raise HTTPException(404)
    for listed in filter(None, found):
        number = listed.certificate.number
        try:
            await _handed_over(context, at, listed, HandedOver(number, "self"))
            done += 1
        except DecisionRefused as refused:
            wrong.append(f"{number} {listed.name}{language.comma}{sentence(language, at.here.titles, refused)}")
    if not ticked:
        wrong.append(language.gettext(_UNTICKED))
    return await _list(context, at, certificate_lines.filter_of(form.filter()), wrong=wrong, done=done)


async def one(context: SignedIn) -> Response:
    """Show one certificate, and what may be done with it."""
    at = place(context, REVIEWING)
    listed = await _found(context, at, powers(context, at).issue)
    return await _one_page(context, at, listed, HandingForm(collected="self"))


async def hand_over(context: SignedIn) -> Response:
    """Note how a certificate has left."""
    typed = await forms.read_form(context, HandingForm)
    at = place(context, (Act.ISSUE,), typed.step or None)
    listed = await _found(context, at, at.scopes)
    language, zone = at.here.language, context.settings.institution.timezone
    try:
        when = bounds.moment(typed.when, zone) if typed.when else None
    except ValueError:
        return await _one_page(context, at, listed, typed, language.gettext(_NOT_NOW))
    if not typed.collected:
        return await _one_page(context, at, listed, typed, language.gettext(_NO_WAY))
    if "collector" in typed.too_long:
        return await _one_page(context, at, listed, typed, language.gettext(_LONG))
    handed = HandedOver(listed.certificate.number, typed.collected, typed.collector, when)
    try:
        await _handed_over(context, at, listed, handed)
    except DecisionRefused as refused:
        said = sentence(language, at.here.titles, refused)
        return await _one_page(context, at, listed, typed, said)
    return see_other(at.address(f"/desk/certificates/{listed.certificate.id}"))


async def revoke(context: SignedIn) -> Response:
    """Revoke a certificate, by a second person and for a reason."""
    typed = await forms.read_form(context, HandingForm)
    at = place(context, (Act.ISSUE,), typed.step or None)
    listed = await _found(context, at, at.scopes)
    number = listed.certificate.number
    if "because" in typed.too_long:
        return await _one_page(context, at, listed, typed, at.here.language.gettext(_LONG))
    try:
        await context.ask_long(
            at.doors.register.revoke, number, context.account.account, typed.because, at.here.now, at.scopes
        )
    except DecisionRefused as refused:
        said = sentence(at.here.language, at.here.titles, refused)
        return await _one_page(context, at, listed, typed, said)
    await context.audit(
        Deed.REVOKED,
        cohort=at.here.cohort.key,
        student=listed.certificate.student,
        number=number,
        reason=typed.because,
    )
    return see_other(at.address(f"/desk/certificates/{listed.certificate.id}"))


async def new(context: SignedIn) -> Response:
    """Show the form for one student whose review stands; the address may name the student."""
    at = place(context, (Act.ISSUE,))
    student = normalise_number(context.asked("student"))
    member = await _member(context, at, student) if student else None
    wrong = at.here.language.gettext(_NO_STUDENT) if student and member is None else ""
    return _new_page(context, at, student, member, IssueForm(), wrong)


async def issue(context: SignedIn) -> Response:
    """Issue one certificate."""
    typed = await forms.read_form(context, IssueForm)
    at = place(context, (Act.ISSUE,), typed.step or None)
    student, language = normalise_number(typed.student), at.here.language
    member = await _member(context, at, student)
    if member is None:
        return _new_page(context, at, student, None, typed, language.gettext(_NO_STUDENT))
    kinds = context.settings.desk.certificates
    if typed.kind not in kinds or typed.collected is None:
        return _new_page(context, at, student, member, typed, language.gettext(_NO_WAY))
    if typed.too_long:
        return _new_page(context, at, student, member, typed, language.gettext(_LONG))
    wish = Issue(student, numbers.printed(typed.number), typed.kind, typed.collected, typed.collector)
    try:
        made = await context.ask_in_turn(
            partial(at.doors.register.issue, wish, context.account.account, at.here.now, at.scopes, step=at.step),
        )
    except DecisionRefused as refused:
        said = sentence(language, at.here.titles, refused)
        return _new_page(context, at, student, member, typed, said)
    await context.audit(Deed.ISSUED, cohort=at.here.cohort.key, student=student, number=made.number, kind=made.kind)
    return see_other(at.address(f"/desk/certificates/{made.id}"))


async def sign_off(context: SignedIn) -> Response:
    """Show the sheet that a class signs as it takes its certificates, ready to be printed."""
    at = place(context, REVIEWING)
    college, class_name = class_asked(context)
    found = await context.ask_long(at.doors.certificates.of_class, at.step, at.scopes, college, class_name)
    if not found:
        raise HTTPException(404)
    said = f"{college} {class_name or NONE}"
    await context.audit(Deed.EXPORTED, cohort=at.here.cohort.key, what="sign-off", filter=said, students=len(found))
    return context.page(
        "desk/sign_off.html",
        at=at,
        college=college,
        class_name=class_name,
        rows=[certificate_lines.line(at, listed) for listed in found],
        back=class_address(at, "/desk/classes/morning", college, class_name),
        printed_by=f"{context.account.name}（{context.account.account}）",
        printed_at=at.here.language.dated(at.here.now),
        waiting=sum(certificate_lines.held_of(listed) is CertificateSelection.WAITING for listed in found),
    )


async def export(context: SignedIn) -> Response:
    """Send the list that the address asks for as an Excel file."""
    at = place(context, REVIEWING)
    chosen, language = _chosen(context), at.here.language
    title = f"{at.here.cohort.name} {language.gettext('证书')}"
    head = [
        (language.gettext("时间"), f"{at.here.now.astimezone(language.zone):%Y-%m-%d %H:%M}"),
        (language.gettext("筛选"), certificate_lines.in_words(language, chosen)),
        (language.gettext("导出人"), f"{context.account.name} ({context.account.account})"),
    ]
    columns = [language.gettext(word) for word in _EXPORTED]
    found = await context.ask_long(at.doors.certificates.listed, at.step, at.scopes, chosen)
    folder = await to_thread.run_sync(lambda: tempfile.TemporaryDirectory(prefix="certificates-"))
    try:
        file = Path(folder.name) / "certificates.xlsx"
        written = await context.export(partial(xlsx.write, file, title, head, columns, _texts(at, found)))
        await context.audit(
            Deed.EXPORTED,
            cohort=at.here.cohort.key,
            what="certificates",
            filter=certificate_lines.in_words(language, chosen),
            students=written,
        )
    except BaseException:
        folder.cleanup()
        raise
    name = f"{title.replace(' ', '-')}-{at.here.now.astimezone(language.zone):%Y%m%d-%H%M}.xlsx"
    return SentOnce(folder, file, name)


def _texts(at: DeskPlace, found: Sequence[ListedCertificate]) -> Iterator[tuple[str, ...]]:
    for listed in found:
        row = certificate_lines.line(at, listed)
        certificate = listed.certificate
        yield (
            certificate.student,
            listed.name,
            listed.college,
            listed.class_name,
            certificate.kind,
            certificate.number,
            _plain(at, certificate.issued_at),
            certificate.issued_by,
            row.state,
            _plain(at, certificate_lines.left_at(listed)),
            certificate.revoked_because or certificate.collector,
        )


def _plain(at: DeskPlace, moment: datetime | None) -> str:
    return f"{moment.astimezone(at.here.language.zone):%Y-%m-%d %H:%M}" if moment else ""


async def _found(context: Context, at: DeskPlace, issue_scopes: Sequence[Scope]) -> ListedCertificate:
    """Return the certificate that the address names; one outside the scopes looks like one that does not exist."""
    number = context.request.path_params["certificate"]
    listed = await context.ask_long(at.doors.certificates.find, at.step, at.scopes, number, issue_scopes)
    if listed is None:
        raise HTTPException(404)
    return listed


async def _handed_over(context: SignedIn, at: DeskPlace, listed: ListedCertificate, handed: HandedOver) -> None:
    await context.ask_long(at.doors.register.hand_over, handed, context.account.account, at.here.now, at.scopes)
    await context.audit(
        Deed.CERTIFICATE_HANDED_OVER,
        cohort=at.here.cohort.key,
        student=listed.certificate.student,
        number=handed.number,
        collected=handed.collected,
    )


async def _one_page(
    context: SignedIn,
    at: DeskPlace,
    listed: ListedCertificate,
    typed: HandingForm,
    wrong: str = "",
) -> Response:
    account, certificate = context.account.account, listed.certificate
    issues, standing = listed.may_issue, certificate.revoked_at is None
    return context.page(
        "desk/certificate.html",
        status=422 if wrong else 200,
        at=at,
        row=certificate_lines.line(at, listed),
        certificate=certificate,
        typed=typed,
        wrong=wrong,
        ways=_ways(at),
        hands_over=issues and standing and not certificate.collected,
        revokes=issues and standing and certificate.issued_by != account,
        own=issues and standing and certificate.issued_by == account,
    )


async def _member(context: Context, at: DeskPlace, student: str) -> ClassMember | None:
    found = await context.ask_long(at.doors.classes.member, at.step, at.here.now, student, (), at.scopes)
    return found if found is not None and found.may_issue else None


def _new_page(
    context: Context,
    at: DeskPlace,
    student: str,
    member: ClassMember | None,
    typed: IssueForm,
    wrong: str,
) -> Response:
    language = at.here.language
    stage = member.stage(at.step, at.here.now) if member else None
    return context.page(
        "desk/issue.html",
        status=422 if wrong else 200,
        at=at,
        student=student,
        member=member,
        stands=stage is Stage.REVIEWED,
        held=member.certificate if member else None,
        typed=typed,
        kinds=context.settings.desk.certificates,
        ways=[("", language.gettext(HELD[CertificateSelection.WAITING])), *_ways(at)],
        wrong=wrong,
    )


def _ways(at: DeskPlace) -> list[tuple[str, str]]:
    return [(key, at.here.language.gettext(word)) for key, word in WAYS.items()]


def _chosen(context: Context) -> CertificateFilter:
    """Read the filter out of the address; what makes no sense narrows nothing."""
    return certificate_lines.filter_of({name: context.asked(name) for name in ("held", "college", "class", "text")})


ROUTES = (
    Route("/desk/certificates", for_visitors(page, *REVIEWING, long=True)),
    Route("/desk/certificates.xlsx", for_visitors(export, *REVIEWING, long=True)),
    Route("/desk/certificates/hand-over", for_visitors(hand_over_several, Act.ISSUE), methods=["POST"]),
    Route("/desk/certificates/issue", for_visitors(new, Act.ISSUE)),
    Route("/desk/certificates/issue", for_visitors(issue, Act.ISSUE), methods=["POST"]),
    Route("/desk/certificates/sign-off", for_visitors(sign_off, *REVIEWING, long=True)),
    Route("/desk/certificates/{certificate:id}", for_visitors(one, *REVIEWING)),
    Route("/desk/certificates/{certificate:id}/hand-over", for_visitors(hand_over, Act.ISSUE), methods=["POST"]),
    Route("/desk/certificates/{certificate:id}/revoke", for_visitors(revoke, Act.ISSUE), methods=["POST"]),
)
