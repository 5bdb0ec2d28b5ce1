"""The clearance slip of a clear student: to print, as a PDF, and for any person to check."""

from datetime import datetime
from io import BytesIO

import segno
from markupsafe import Markup
from segno import QRCode
from starlette.responses import Response
from starlette.routing import Route

from portal.access.requires import for_anybody, for_visitors
from portal.documents import clearance_slip, slip_pdf
from portal.i18n import labels
from portal.i18n.labels import step_titles
from portal.i18n.languages import Language
from portal.page.context import Context, SignedIn
from portal.page.own_student import own_view
from portal.present.headline import is_clear
from portal.present.masking import mask_name, mask_number
from portal.web.links import own_address, public_link
from status_db.accounts.audit_log import AuditEvent
from status_db.views import StudentView


async def slip_page(context: SignedIn) -> Response:
    """Show the slip for printing. Redirect a student that is not clear to the page with the reason."""
    made = await _find_slip(context, "page")
    if made is None:
        return context.redirect("/")
    student, paper = made
    code = Markup(paper.code.svg_inline(scale=4, border=2, dark="#000", light="#fff", omitsize=True))  # noqa: S704 - squares alone
    return context.page("slip.html", student=student, paper=paper, code=code)


async def slip_code(context: SignedIn) -> Response:
    """Return the slip's QR code as an image, which the page of a clear student shows."""
    made = await _find_slip(context, "code")
    if made is None:
        return context.redirect("/")
    image = BytesIO()
    made[1].code.save(image, kind="svg", xmldecl=False, scale=4, border=2, dark="#000", light="#fff", omitsize=True)
    return Response(image.getvalue(), media_type="image/svg+xml", headers={"Vary": "Cookie"})


async def pdf(context: SignedIn) -> Response:
    """Return the slip as a PDF."""
    made = await _find_slip(context, "pdf")
    if made is None:
        return context.redirect("/")
    student, paper = made
    content = await context.ask_long(slip_pdf.write, paper)
    name = f"slip-{student.cohort}-{student.student}.pdf"
    ascii_name = "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "_" for c in name)
    return Response(
        content,
        media_type="application/pdf",
        headers={"Content-Disposition": f'attachment; filename="{ascii_name}"', "Vary": "Cookie"},
    )


async def verify_slip(context: Context) -> Response:
    """Show any visitor whether a slip is valid, with the masked name and the date. Invalid tokens get one answer."""
    services, language, now = context.services, context.language, context.now
    try:
        slip = clearance_slip.unseal(context.request.path_params["token"], services.key.of(clearance_slip.USE))
    except clearance_slip.NotASlip:
        return context.page("verify.html", status=404, slip=None)
    known = slip.cohort in context.settings.cohort_keys()
    student = await context.ask(services.reader.student, slip.cohort, slip.student, now) if known else None
    if student is None:
        return context.page("verify.html", status=404, slip=None)
    return context.page(
        "verify.html",
        slip=slip,
        holds=clearance_slip.still_holds(slip, student, now),
        stale=_stale(language, student, now) if clearance_slip.awaits_sources(student, now) else "",
        name=mask_name(student.name),
        number=mask_number(student.student),
        cohort=context.settings.cohort_named(slip.cohort).name,
        made=language.dated(slip.made_at),
        checked=language.dated(now),
    )


async def _find_slip(context: SignedIn, form: str) -> tuple[StudentView, slip_pdf.SlipTexts] | None:
    """Return the slip. None if the student is not clear: the student's first page shows why."""
    now = context.now
    student = await own_view(context)
    if student is None or not is_clear(student, now):
        return None
    await context.audit(AuditEvent.MADE_SLIP, cohort=student.cohort, student=student.student, form=form)
    slip = clearance_slip.make(student, now)
    base = context.services.students_url or own_address(context.request)
    address = public_link(base, f"/verify/{clearance_slip.seal(slip, context.services.key.of(clearance_slip.USE))}")
    return student, _paper(context, student, slip, address)


def _paper(
    context: Context, student: StudentView, slip: clearance_slip.VerifiedSlip, address: str
) -> slip_pdf.SlipTexts:
    titles, now = step_titles(context.language, context.settings), slip.made_at
    cohort = context.settings.cohort_named(student.cohort).name
    lines: list[tuple[str, str, str]] = []
    for status in student.steps:
        effective = status.at(now)
        word = labels.say(context.language, labels.STATES, effective.state)
        since = status.decision.decided_at if effective.by_decision and status.decision else status.since
        lines.append((titles[status.step], word, context.language.dated(since)))
    facts = (
        (context.language.gettext("姓名"), student.name),
        (context.language.gettext("学号"), student.student),
        (context.language.gettext("学院"), labels.written_word(context.language, context.settings, student.college)),
        (context.language.gettext("班级"), student.class_name),
        (context.language.gettext("届别"), cohort),
    )
    return slip_pdf.SlipTexts(
        title=context.language.gettext("离校单"),
        institution=context.settings.institution.name,
        facts=tuple((word, value) for word, value in facts if value),
        columns=(
            context.language.gettext("环节"),
            context.language.gettext("状态"),
            context.language.gettext("办结时间"),
        ),
        lines=lines,
        statement=context.language.gettext("截至 %(moment)s，离校手续已全部办结。", moment=context.language.dated(now)),
        how_to_check=context.language.gettext("扫码或打开以下地址，任何人均可核验此单是否有效："),
        address=address,
        code=_qr_code(address),
        made_at=now,
        language=context.language.tag,
        lacks=context.language.gettext("字库缺字以〓代替，依次是："),
    )


def _stale(language: Language, student: StudentView, now: datetime) -> str:
    """Return the time of the oldest data that are out of date."""
    oldest = min(step.as_of for step in student.steps if step.at(now).stale and step.as_of is not None)
    return language.gettext("数据过期（截至 %(moment)s）", moment=language.moment(oldest, now))


def _qr_code(address: str) -> QRCode:
    return segno.make_qr(address, error="m")


ROUTES = (
    Route("/slip", for_visitors(slip_page, own=True)),
    Route("/slip.svg", for_visitors(slip_code, own=True)),
    Route("/slip.pdf", for_visitors(pdf, long=True, own=True)),
    Route("/verify/{token:name}", for_anybody(verify_slip)),
)
