"""The list of certificates: filter it, hand over several, export it, and print the sign sheet of a class."""

import tempfile
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path

from anyio import to_thread
from pydantic import Field
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from portal.access import forms
from portal.access.form_fields import Line
from portal.access.reader_context import NONE
from portal.access.requires import for_visitors
from portal.desk.context.desk_context import DeskContext, desk_context
from portal.desk.context.refusals import sentence
from portal.desk.graduation import certificate_lines
from portal.desk.graduation.certificate_lines import SELECTION_LABELS
from portal.desk.graduation.classes import REVIEWING, class_address, class_asked, powers
from portal.desk.graduation.one_certificate import ROWS, CertificateForm, note_handed_over
from portal.documents import xlsx
from portal.i18n.labels import N_
from portal.page.account_names import names_of_accounts
from portal.page.context import Context, SignedIn
from portal.web import bounds
from portal.web.sent_files import SentOnce
from status_db.accounts.accounts import Act
from status_db.accounts.audit_log import AuditEvent
from status_db.decisions.certificates import Handover
from status_db.decisions.refusals import DecisionRefused
from status_db.queries.certificates import CertificateFilter, CertificateSelection, ListedCertificate

_EXPORTED = (
    N_("学号"),
    N_("姓名"),
    N_("学院"),
    N_("班级"),
    N_("证书"),
    N_("证书编号"),
    N_("发证时间"),
    N_("发证人"),
    N_("状态"),
    N_("领取时间"),
    N_("代领人、邮寄单号或作废原因"),
)

_UNTICKED = N_("未选证书。请至少勾选一本。")


class SeveralForm(CertificateForm):
    """The ticked certificates, and the filter of their list."""

    certificate: tuple[str, ...] = ()
    held: Line = ""
    college: Line = ""
    class_name: Line = Field("", alias="class")
    text: Line = ""

    def filter(self) -> dict[str, str]:
        """Return the filter as address parameters."""
        return {"held": self.held, "college": self.college, "class": self.class_name, "text": self.text}


async def certificate_list_page(context: SignedIn) -> Response:
    """Show certificates, filtered. Those that wait can be handed over here."""
    at = desk_context(context, REVIEWING)
    return await _show_list(context, at, _filter_from_address(context))


async def _show_list(
    context: SignedIn,
    at: DeskContext,
    chosen: CertificateFilter,
    *,
    wrong: Sequence[str] = (),
    done: int = 0,
    ticked: Sequence[str] = (),
) -> Response:
    after = context.asked("after")
    found = await context.ask_long(
        at.stores.certificates.listed,
        at.step,
        at.scopes,
        chosen,
        powers(context, at).issue,
        limit=ROWS + 1,
        after=bounds.number(after) or 0,
    )
    shown = found[:ROWS]
    own, names = certificate_lines.in_address(chosen), await _names(context, shown)
    filter_text = certificate_lines.in_words(at.reader.language, chosen)
    await context.audit(
        AuditEvent.SAW_LIST, cohort=at.reader.cohort.key, step=at.step, filter=filter_text, students=len(shown)
    )
    return context.page(
        "desk/certificates.html",
        status=409 if wrong else 200,
        at=at,
        chosen=chosen,
        class_field=NONE if chosen.class_name == "" else chosen.class_name or "",
        tabs=[
            certificate_lines.Tab(
                word=at.reader.language.gettext(word),
                address=at.address("/desk/certificates", **own | {"held": held.value}),
                current=held is chosen.held,
            )
            for held, word in SELECTION_LABELS.items()
        ],
        rows=[certificate_lines.certificate_line(at, listed, names) for listed in shown],
        issues=bool(powers(context, at).issue),
        waiting=any(
            listed.may_issue and certificate_lines.held_of(listed) is CertificateSelection.WAITING for listed in shown
        ),
        wrong=wrong,
        done=done,
        ticked=ticked,
        export=at.address("/desk/certificates.xlsx", **own),
        later=at.address("/desk/certificates", **own, after=str(shown[-1].certificate.id)) if len(found) > ROWS else "",
        first=at.address("/desk/certificates", **own) if after else "",
        signs=class_address(at, "/desk/certificates/sign-off", chosen.college or "", chosen.class_name or "")
        if chosen.class_name is not None and chosen.college is not None
        else "",
    )


async def hand_over_several(context: SignedIn) -> Response:
    """Record each ticked certificate as collected by the student. Show those that fail with the reason."""
    form = await forms.read_form(context, SeveralForm)
    at = desk_context(context, (Act.ISSUE,), form.step or None)
    ticked = [key for one in dict.fromkeys(form.certificate) if (key := bounds.number(one)) is not None]
    found = [await context.ask_long(at.stores.certificates.find, at.step, at.scopes, key) for key in ticked]
    wrong, done = [], 0
    language = at.reader.language
    for listed in found:
        if listed is None:
            raise HTTPException(404)
    for listed in filter(None, found):
        number = listed.certificate.number
        try:
            await note_handed_over(context, at, listed, Handover(number, "self"))
            done += 1
        except DecisionRefused as refused:
            wrong.append(f"{number} {listed.name}{language.comma}{sentence(language, at.reader.titles, refused)}")
    if not ticked:
        wrong.append(language.gettext(_UNTICKED))
    return await _show_list(context, at, certificate_lines.filter_of(form.filter()), wrong=wrong, done=done)


async def sign_off(context: SignedIn) -> Response:
    """Show the sign sheet of a class, for printing."""
    at = desk_context(context, REVIEWING)
    college, class_name = class_asked(context)
    found = await context.ask_long(at.stores.certificates.of_class, at.step, at.scopes, college, class_name)
    if not found:
        raise HTTPException(404)
    filter_text, names = f"{college} {class_name or NONE}", await _names(context, found)
    await context.audit(
        AuditEvent.EXPORTED, cohort=at.reader.cohort.key, what="sign-off", filter=filter_text, students=len(found)
    )
    return context.page(
        "desk/sign_off.html",
        at=at,
        college=college,
        class_name=class_name,
        rows=[certificate_lines.certificate_line(at, listed, names) for listed in found],
        back=class_address(at, "/desk/classes/review", college, class_name),
        printed_by=f"{context.account.name}（{context.account.account}）",
        printed_at=at.reader.language.dated(at.reader.now),
        waiting=sum(certificate_lines.held_of(listed) is CertificateSelection.WAITING for listed in found),
    )


async def export(context: SignedIn) -> Response:
    """Return the filtered list as an Excel file."""
    at = desk_context(context, REVIEWING)
    chosen, language = _filter_from_address(context), at.reader.language
    title = f"{at.reader.cohort.name} {language.gettext('证书')}"
    head = [
        (language.gettext("时间"), f"{at.reader.now.astimezone(language.zone):%Y-%m-%d %H:%M}"),
        (language.gettext("筛选"), certificate_lines.in_words(language, chosen)),
        (language.gettext("导出人"), f"{context.account.name} ({context.account.account})"),
    ]
    columns = [language.gettext(word) for word in _EXPORTED]
    found = await context.ask_long(at.stores.certificates.listed, at.step, at.scopes, chosen)
    folder = await to_thread.run_sync(lambda: tempfile.TemporaryDirectory(prefix="certificates-"))
    try:
        file = Path(folder.name) / "certificates.xlsx"
        written = await context.export(partial(xlsx.write, file, title, head, columns, _texts(at, found)))
        await context.audit(
            AuditEvent.EXPORTED,
            cohort=at.reader.cohort.key,
            what="certificates",
            filter=certificate_lines.in_words(language, chosen),
            students=written,
        )
    except BaseException:
        folder.cleanup()
        raise
    name = f"{title.replace(' ', '-')}-{at.reader.now.astimezone(language.zone):%Y%m%d-%H%M}.xlsx"
    return SentOnce(folder, file, name)


def _texts(at: DeskContext, found: Sequence[ListedCertificate]) -> Iterator[tuple[str, ...]]:
    for listed in found:
        row = certificate_lines.certificate_line(at, listed, {})
        certificate = listed.certificate
        yield (
            certificate.student,
            listed.name,
            listed.college,
            listed.class_name,
            certificate.kind,
            certificate.number,
            _minute_text(at, certificate.issued_at),
            certificate.issued_by,
            row.state,
            _minute_text(at, certificate_lines.left_at(listed)),
            certificate.revoked_because or certificate.collector,
        )


def _minute_text(at: DeskContext, moment: datetime | None) -> str:
    return f"{moment.astimezone(at.reader.language.zone):%Y-%m-%d %H:%M}" if moment else ""


async def _names(context: Context, listed: Sequence[ListedCertificate]) -> dict[str, str]:
    return await names_of_accounts(context, certificate_lines.accounts_in(listed))


def _filter_from_address(context: Context) -> CertificateFilter:
    """Return the filter in the address. Values that are not valid are ignored."""
    return certificate_lines.filter_of({name: context.asked(name) for name in ("held", "college", "class", "text")})


ROUTES = (
    Route("/desk/certificates", for_visitors(certificate_list_page, *REVIEWING, long=True)),
    Route("/desk/certificates.xlsx", for_visitors(export, *REVIEWING, long=True)),
    Route("/desk/certificates/hand-over", for_visitors(hand_over_several, Act.ISSUE), methods=["POST"]),
    Route("/desk/certificates/sign-off", for_visitors(sign_off, *REVIEWING, long=True)),
)
