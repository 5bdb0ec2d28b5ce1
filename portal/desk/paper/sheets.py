"""Print sheets of paper on demand: the students of a class or a building, and slips."""

from dataclasses import dataclass
from functools import partial
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from portal.access.reader_context import NONE
from portal.access.requires import for_visitors
from portal.auth.permissions import inside
from portal.desk.context.desk_context import AT_THE_DESK, DeskContext, acts_at, desk_context
from portal.documents import paper_pdf
from portal.documents.paper_pdf import PrintSet
from portal.documents.paper_sets import PaperWriter, visibility_of
from portal.page.context import Context, SignedIn
from status_db.accounts.accounts import Act
from status_db.accounts.audit_log import AuditEvent
from status_db.decisions.batches import Batch, BatchKind
from status_db.effective.visible import Visibility
from status_db.model import normalise_number

#: Entered sheets that the page lists.
_LISTED = 20


@dataclass(frozen=True, slots=True)
class EnteredSheet:
    """One sheet that was entered."""

    title: str
    address: str
    at: str
    author: str
    entered: int
    undone: bool


async def paper_page(context: SignedIn) -> Response:
    """Show the sheets of each class and building inside the scopes, and of slips."""
    return await _show_sheets(context, desk_context(context, AT_THE_DESK))


async def _show_sheets(context: SignedIn, at: DeskContext, missing: str = "") -> Response:
    classes = await context.ask_long(context.services.lists.groups, at.visibility, ("college", "class"))
    buildings = await context.ask_long(context.services.lists.groups, at.visibility, ("building",))
    fresh = await context.ask_long(context.services.lists.freshness, at.reader.cohort.key)
    enters = at.step in acts_at(context, (Act.DECIDE,))
    return context.page(
        "desk/paper.html",
        status=404 if missing else 200,
        reader=at.reader,
        at=at,
        colleges=by_college(at, "/desk/paper.pdf", classes),
        buildings=by_building(at, "/desk/paper.pdf", buildings),
        enters=enters,
        entered=await context.ask_long(_entered, at) if enters else (),
        stale=at.reader.stale(fresh),
        missing=missing,
    )


def by_college(at: DeskContext, path: str, classes: tuple[tuple[str, ...], ...]) -> dict[str, list[tuple[str, str]]]:
    """Return college → its classes, each a name and an address about it."""
    found: dict[str, list[tuple[str, str]]] = {}
    for college, name in classes:
        found.setdefault(college, []).append((name, at.address(path, college=college, class_=name or NONE)))
    return found


def by_building(at: DeskContext, path: str, buildings: tuple[tuple[str, ...], ...]) -> list[tuple[str, str]]:
    """Return the buildings, each a name and an address about it."""
    return [(name, at.address(path, building=name or NONE)) for (name,) in buildings]


def narrowed(context: Context) -> dict[str, str]:
    """Return the class or the building in the address, by roster column. Empty for all students."""
    names = ("college", "class", "building")
    return {name: "" if value == NONE else value for name in names if (value := context.asked(name))}


def _entered(at: DeskContext) -> list[EnteredSheet]:
    """Return the last entered sheets: the account's own, or all for an account that decides without a limit."""
    unlimited = any(not scope for scope in at.scopes)
    batches = (one for one in at.stores.batches.batches(at.step) if one.kind is BatchKind.PAPER)
    own = [one for one in batches if unlimited or one.author == at.account]
    return [_entered_sheet(at, one) for one in own[:_LISTED]]


def _entered_sheet(at: DeskContext, batch: Batch) -> EnteredSheet:
    return EnteredSheet(
        title=batch.title,
        address=at.reader.address(f"/desk/paper/entered/{batch.id}"),
        at=at.reader.language.moment(batch.at, at.reader.now),
        author=batch.author,
        entered=batch.counts.entered,
        undone=batch.undone_at is not None,
    )


async def pdf(context: SignedIn) -> Response:
    """Return the sheets of a step: for a class, a building, or all students inside the scopes."""
    at = desk_context(context, AT_THE_DESK)
    columns = narrowed(context)
    visibility = visibility_of(context.settings, at.reader.cohort.key, at.step, at.scopes)
    content = await context.export(lambda: _printed(_papers(context, at).of_step(at.step, visibility, columns)))
    if content is None:
        raise HTTPException(404)
    title = " ".join((at.reader.titles[at.step], *(value or NONE for value in columns.values())))
    await context.audit(AuditEvent.PRINTED_SHEETS, cohort=at.reader.cohort.key, filter=title)
    return _sent(content, "-".join(("sheets", at.step, *(value or NONE for value in columns.values()))))


async def slip(context: SignedIn) -> Response:
    """Return the slip of one student. Without a number, return a blank one."""
    at = desk_context(context, AT_THE_DESK)
    number = normalise_number(context.asked("number"))
    papers = _papers(context, at)
    if not number:
        blank = await context.export(partial(paper_pdf.write, papers.blank_slip()))
        await context.audit(AuditEvent.PRINTED_SHEETS, cohort=at.reader.cohort.key, filter="blank slip")
        return _sent(blank, "slip")
    student = await context.ask_long(context.services.reader.student, at.reader.cohort.key, number, at.reader.now)
    own: dict[str, Visibility] = {
        step: visibility_of(context.settings, at.reader.cohort.key, step, scopes)
        for step, scopes in at.reader.visibility.steps.items()
        if student is not None and inside(student, scopes)
    }
    if student is None or not student.active or at.step not in own:
        return await _show_sheets(context, at, missing=number)
    readable = {step: scopes for visibility in own.values() for step, scopes in visibility.steps.items()}
    made = await context.ask_long(papers.slip, student, Visibility(at.reader.cohort.key, readable))
    content = await context.export(partial(paper_pdf.write, made))
    await context.audit(AuditEvent.PRINTED_SHEETS, cohort=at.reader.cohort.key, student=student.student)
    return _sent(content, f"slip-{student.student}")


def _papers(context: Context, at: DeskContext) -> PaperWriter:
    return PaperWriter(
        context.services.lists, context.settings, at.reader.language, at.reader.cohort.key, at.reader.now
    )


def _printed(made: PrintSet | None) -> bytes | None:
    return paper_pdf.write(made) if made is not None else None


def _sent(content: bytes, name: str) -> Response:
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "_" for c in name)
    disposition = f"attachment; filename=\"{plain}.pdf\"; filename*=UTF-8''{quote(name, safe='')}.pdf"
    headers = {"Content-Disposition": disposition, "Vary": "Cookie"}
    return Response(content, media_type="application/pdf", headers=headers)


ROUTES = (
    Route("/desk/paper", for_visitors(paper_page, *AT_THE_DESK, long=True)),
    Route("/desk/paper.pdf", for_visitors(pdf, *AT_THE_DESK, long=True)),
    Route("/desk/paper/slip.pdf", for_visitors(slip, *AT_THE_DESK, long=True)),
)
