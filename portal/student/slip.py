"""The slip of a student who is clear with everybody: to print, as a PDF, and for anyone to check."""

from datetime import datetime

import segno
from markupsafe import Markup
from segno import QRCode
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from portal.access.requires import for_visitors
from portal.documents import clearance_slip, slip_pdf
from portal.i18n import labels
from portal.i18n.labels import step_titles
from portal.i18n.languages import Language
from portal.page.context import House, Visitor, see_other
from portal.page.own_student import own_view
from portal.present.headline import is_clear
from portal.present.masking import mask_name, mask_number
from status_db.accounts.audit_log import Deed
from status_db.views import StudentView


async def page(request: Request, house: House, visitor: Visitor) -> Response:
    """Show the slip, ready to be printed; who is not clear is sent to the page that says why."""
    made = await _made(request, house, visitor, "page")
    if isinstance(made, str):
        return see_other(made)
    student, paper = made
    code = Markup(paper.code.svg_inline(scale=4, border=2, dark="#000", light="#fff", omitsize=True))  # noqa: S704 - squares alone
    return house.page(request, "slip.html", student=student, paper=paper, code=code)


async def pdf(request: Request, house: House, visitor: Visitor) -> Response:
    """Give the slip as a PDF."""
    made = await _made(request, house, visitor, "pdf")
    if isinstance(made, str):
        return see_other(made)
    student, paper = made
    content = await house.ask_long(slip_pdf.write, paper)
    name = f"slip-{student.cohort}-{student.student}.pdf"
    ascii_name = "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "_" for c in name)
    return Response(
        content,
        media_type="application/pdf",
        headers={"Content-Disposition": f'attachment; filename="{ascii_name}"', "Vary": "Cookie"},
    )


async def verify(request: Request) -> Response:
    """Say to anyone whether a slip still holds: who, masked, and as of when. Whatever is no slip gets one answer."""
    house: House = request.app.state.house
    now = house.clock()
    try:
        slip = clearance_slip.unseal(request.path_params["token"], house.key.of(clearance_slip.USE))
    except clearance_slip.NotASlip:
        return house.page(request, "verify.html", status=404, slip=None)
    known = slip.cohort in house.settings.cohort_keys()
    student = await house.ask(house.reader.student, slip.cohort, slip.student, now) if known else None
    if student is None:
        return house.page(request, "verify.html", status=404, slip=None)
    language = house.language(request)
    return house.page(
        request,
        "verify.html",
        slip=slip,
        holds=clearance_slip.still_holds(slip, student, now),
        stale=_stale(language, student, now) if clearance_slip.awaits_sources(student, now) else "",
        name=mask_name(student.name),
        number=mask_number(student.student),
        cohort=house.settings.cohort_named(slip.cohort).name,
        made=language.dated(slip.made_at),
        checked=language.dated(now),
    )


async def _made(
    request: Request, house: House, visitor: Visitor, form: str
) -> tuple[StudentView, slip_pdf.Paper] | str:
    """Return the slip; for who is not clear, the address of the page that says why."""
    now = house.clock()
    found = await own_view(request, house, visitor, now)
    if found is None:
        return "/"
    student, own = found
    if not is_clear(student, now):
        return own.address("/")
    await house.note(request, Deed.MADE_SLIP, cohort=student.cohort, student=student.student, form=form)
    slip = clearance_slip.make(student, now)
    base = house.students_url or str(request.base_url)
    address = f"{base.rstrip('/')}/verify/{clearance_slip.seal(slip, house.key.of(clearance_slip.USE))}"
    return student, _paper(house, house.language(request), student, slip, address)


def _paper(
    house: House, language: Language, student: StudentView, slip: clearance_slip.Slip, address: str
) -> slip_pdf.Paper:
    titles, now = step_titles(language, house.settings), slip.made_at
    cohort = house.settings.cohort_named(student.cohort).name
    lines: list[tuple[str, str, str]] = []
    for status in student.steps:
        standing = status.at(now)
        word = labels.say(language, labels.STATES, standing.state)
        since = status.decision.decided_at if standing.by_decision and status.decision else status.since
        lines.append((titles[status.step], word, language.dated(since)))
    facts = (
        (language.gettext("姓名"), student.name),
        (language.gettext("学号"), student.student),
        (language.gettext("学院"), student.college),
        (language.gettext("班级"), student.class_name),
        (language.gettext("届别"), cohort),
    )
    return slip_pdf.Paper(
        title=language.gettext("离校手续单"),
        institution=house.settings.institution.name,
        facts=tuple((word, value) for word, value in facts if value),
        columns=(language.gettext("事项"), language.gettext("状态"), language.gettext("自何时起")),
        lines=lines,
        statement=language.gettext("截至 %(moment)s，离校手续已全部办妥。", moment=language.dated(now)),
        how_to_check=language.gettext("扫码或打开下面的地址，任何人都可以核对此单是否仍然有效："),
        address=address,
        code=_code(address),
        made_at=now,
        language=language.tag,
        lacks=language.gettext("〓 处的字本单的字库没有，依次是："),
    )


def _stale(language: Language, student: StudentView, now: datetime) -> str:
    """Say of when the oldest answer is that has grown too old."""
    oldest = min(step.as_of for step in student.steps if step.at(now).stale and step.as_of is not None)
    return language.gettext("数据过期（截至 %(moment)s）", moment=language.moment(oldest, now))


def _code(address: str) -> QRCode:
    return segno.make_qr(address, error="m")


ROUTES = (
    Route("/slip", for_visitors(page)),
    Route("/slip.pdf", for_visitors(pdf, long=True)),
    Route("/verify/{token:name}", verify),
)
