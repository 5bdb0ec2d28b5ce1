"""Enter decisions from a paper sheet: one table for one sheet, previewed first, then confirmed.

The table, its preview and its confirmation are one form: after an error, all that was typed is still there.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from portal.access import forms
from portal.access.form_fields import Form, Line, Text, Ticked
from portal.access.requires import for_visitors
from portal.desk import settling
from portal.desk.context.desk_context import DeskContext, desk_context
from portal.desk.context.refusals import PAPER, unfilled
from portal.desk.imports import result_words
from portal.desk.paper import words as paper_words
from portal.desk.paper.sheets import by_building, by_college, narrowed
from portal.desk.paper.table import TypedSheet, entered_lines, typed_lines
from portal.documents.sheet_numbers import LONGEST, typed
from portal.i18n.labels import N_, say
from portal.page.context import Context, SignedIn
from portal.web import bounds
from portal.web.links import see_other
from status_db.accounts.accounts import Act
from status_db.accounts.audit_log import AuditEvent
from status_db.decisions.batch_rows import RowKind, SheetPreview
from status_db.decisions.batches import Batch, BatchKind
from status_db.decisions.refusals import DecisionCode, DecisionRefused
from status_db.model import Decision, normalise_number
from status_db.queries.lists import Filter, ListSelection

#: The most rows of one sheet, or of a class.
_ROWS = 200

#: Fields and bytes of a form with that many rows. A browser encodes a Chinese character as nine bytes.
_FIELDS, _BYTES = 4 * _ROWS + 50, 400_000

_LONGEST_WORDS, _LONGEST_BECAUSE = 500, 500

#: The oldest decision that can be entered, to catch a mistyped year.
_OLDEST = timedelta(days=366)

_DECIDING = (Act.DECIDE,)

#: Errors of the fields above the table, each with the fix.
NO_SHEET = N_("请填写纸质单号，印在纸质单右上角。没有单号的，请写日期和经手人。")
LONG_SHEET = N_("纸质单号不超过 100 字。请缩短。")
NO_TIME = N_("请填写纸质单上的办理时间，例如 2019-06-05T14:30。")
FUTURE = N_("办理时间晚于现在。请核对纸质单上的日期。")
LONG_AGO = N_("办理时间早于一年前。请核对纸质单上的年份。")
LONG_WORDS = N_("“告知学生”不超过 500 字。请缩短。")
LONG_FILE = N_("文号不超过 100 字。请缩短。")
NOTHING_TICKED = N_("未勾选任何一行。请勾选纸质单上已打勾的学生。")
NO_NUMBERS = N_("未找到学号。请每行填一个学号，或用空格、逗号隔开。")
TOO_MANY = N_("一次最多录入 200 名学生。请按纸质单分次录入。")
NO_BECAUSE = N_("请写明撤回原因。")


class SheetForm(Form):
    """The table of a sheet as typed, or pasted numbers from which to make a table."""

    longest = _BYTES
    most = _FIELDS

    pasted: str | None = None
    #: One of each for every line.
    number: tuple[str, ...] = ()
    reason: tuple[str, ...] = ()
    file: tuple[str, ...] = ()
    #: The numbers of the ticked lines.
    done: tuple[str, ...] = ()
    sheet: Text = ""
    decided: Text = ""
    words: Text = ""
    with_conflicts: Ticked = False
    without_wrong: Ticked = False
    digest: Text = ""
    act: str = ""


class TakeBackForm(Form):
    """Why the decisions of a sheet are withdrawn."""

    longest = _BYTES

    because: Line = ""


async def paper_entry_page(context: SignedIn) -> Response:
    """Show the table of a class or a building with its open students, or ask for the class or building."""
    at = desk_context(context, _DECIDING)
    columns = narrowed(context)
    if not columns:
        return await _ask_which(context, at)
    chosen = Filter(ListSelection.NOT_CLEAR, at.step, columns)
    leaf = await context.ask_long(context.services.lists.leaf, at.visibility, chosen, at.reader.now, _ROWS)
    if not leaf.rows:
        return await _ask_which(context, at, no_students=True)
    return await _table(
        context, at, TypedSheet(tuple(one.student for one in leaf.rows)), wrong=TOO_MANY if leaf.more else ""
    )


async def enter_paper(context: SignedIn) -> Response:
    """Make a table from pasted numbers, preview it, or enter it."""
    at = desk_context(context, _DECIDING)
    form = await forms.read_form(context, SheetForm)
    if form.pasted is not None:
        return await _pasted(context, at, form.pasted)
    draft = _check_form(form)
    wrong, decided_at = _wrong_above(at, draft)
    if wrong or decided_at is None:
        return await _table(context, at, draft, wrong=wrong, status=422)
    rows = draft.import_rows(decided_at)
    preview = await context.ask_in_turn(at.stores.batches.preview, at.step, rows, at.reader.now, at.scopes)
    if form.act != "confirm":
        return await _table(context, at, draft, preview)
    if wrong := _wrong_in(draft, preview):
        return await _table(context, at, draft, preview, wrong=wrong, status=409)
    door = partial(
        at.stores.batches.enter_all,
        BatchKind.PAPER,
        at.step,
        rows,
        preview.digest,
        at.account,
        at.reader.now,
        at.scopes,
        title=draft.sheet,
        with_conflicts=draft.with_conflicts,
        without_wrong=draft.without_wrong,
    )
    try:
        entered = await context.ask_in_turn(door)
    except DecisionRefused as refused:
        new_preview = await context.ask_in_turn(at.stores.batches.preview, at.step, rows, at.reader.now, at.scopes)
        why = unfilled(refused.code, PAPER)
        return await _table(context, at, draft, new_preview, wrong=why, status=409)
    await context.audit(
        AuditEvent.ENTERED_PAPER,
        cohort=at.reader.cohort.key,
        step=at.step,
        sheet=draft.sheet,
        batch=entered.batch.id,
        students=len(entered.decisions),
    )
    await settling.settle(context, at, {one.student: one.id for one in entered.decisions})
    return see_other(at.reader.address(f"/desk/paper/entered/{entered.batch.id}"))


def _wrong_in(draft: TypedSheet, preview: SheetPreview) -> str:
    """Return why a preview cannot be confirmed. Empty if it can."""
    if draft.digest != preview.digest.hex():
        return unfilled(DecisionCode.OVERTAKEN, PAPER)
    if preview.count(RowKind.WRONG) and not draft.without_wrong:
        return unfilled(DecisionCode.WRONG_ROWS, PAPER)
    entered = preview.count(RowKind.NEW) + (preview.count(RowKind.CONFLICT) if draft.with_conflicts else 0)
    return "" if entered else unfilled(DecisionCode.NO_CHANGE, PAPER)


async def _pasted(context: Context, at: DeskContext, text: str) -> Response:
    apart = "".join(" " if character in ",;，；、" else character for character in text).split()
    numbers = tuple(dict.fromkeys(number for one in apart if (number := normalise_number(one))))
    if not numbers or len(numbers) > _ROWS:
        return await _ask_which(context, at, pasted=text, wrong=TOO_MANY if numbers else NO_NUMBERS)
    return await _table(context, at, TypedSheet(numbers))


def _check_form(form: SheetForm) -> TypedSheet:
    """Check the form and return what was typed. Raise HTTPException if no page of the portal can have sent it."""
    numbers = [normalise_number(one) for one in form.number]
    reasons, files = form.reason, form.file
    if not numbers or len(numbers) > _ROWS or len(set(numbers)) < len(numbers):
        raise HTTPException(400)
    if len(reasons) != len(numbers) or len(files) != len(numbers):
        raise HTTPException(400)
    return TypedSheet(
        numbers=tuple(numbers),
        reasons={number: one.strip() for number, one in zip(numbers, reasons, strict=True)},
        files={number: one.strip() for number, one in zip(numbers, files, strict=True)},
        done=frozenset(map(normalise_number, form.done)) & frozenset(numbers),
        sheet=typed(form.sheet),
        decided=form.decided,
        words=form.words,
        with_conflicts=form.with_conflicts,
        without_wrong=form.without_wrong,
        digest=form.digest,
    )


def _wrong_above(at: DeskContext, draft: TypedSheet) -> tuple[str, datetime | None]:
    """Return the error of the fields above the table. If there is none, return the time of the decision."""
    if not draft.sheet or len(draft.sheet) > LONGEST:
        return (LONG_SHEET if draft.sheet else NO_SHEET), None
    zone = at.reader.settings.institution.timezone
    try:
        decided_at = bounds.moment(draft.decided, zone).astimezone(UTC)
    except ValueError:
        return NO_TIME, None
    if decided_at > at.reader.now:
        return FUTURE, None
    if decided_at < at.reader.now - _OLDEST:
        return LONG_AGO, None
    if len(draft.words) > _LONGEST_WORDS:
        return LONG_WORDS, None
    if any(len(one) > LONGEST for one in draft.files.values()):
        return LONG_FILE, None
    return ("" if draft.done else NOTHING_TICKED), decided_at


async def _ask_which(
    context: Context, at: DeskContext, *, no_students: bool = False, pasted: str = "", wrong: str = ""
) -> Response:
    classes = await context.ask_long(context.services.lists.groups, at.visibility, ("college", "class"))
    buildings = await context.ask_long(context.services.lists.groups, at.visibility, ("building",))
    return context.page(
        "desk/paper_which.html",
        status=422 if wrong else 200,
        reader=at.reader,
        at=at,
        colleges=by_college(at, "/desk/paper/entry", classes),
        buildings=by_building(at, "/desk/paper/entry", buildings),
        no_students=no_students,
        pasted=pasted,
        wrong=at.reader.language.gettext(wrong) if wrong else "",
    )


async def _table(
    context: Context,
    at: DeskContext,
    draft: TypedSheet,
    preview: SheetPreview | None = None,
    *,
    wrong: str = "",
    status: int = 200,
) -> Response:
    reader = at.reader
    chosen = Filter(ListSelection.ALL, at.step, numbers=draft.numbers)
    leaf = await context.ask_long(context.services.lists.leaf, at.visibility, chosen, reader.now, _ROWS)
    people = {one.student: one for one in leaf.rows}
    earlier = await context.ask_long(_earlier, at, draft.sheet) if preview is not None else ()
    lines = typed_lines(at, draft, people, preview)
    return context.page(
        "desk/paper_entry.html",
        status=status,
        reader=reader,
        at=at,
        draft=draft,
        lines=lines,
        has_results=any(line.why or line.kind for line in lines),
        reasons=list(enumerate(reader.settings.step_named(at.step).reasons, start=1)),
        wrong=reader.language.gettext(wrong) if wrong else "",
        previewed=preview is not None,
        digest=preview.digest.hex() if preview is not None else "",
        counts=[
            (say(reader.language, paper_words.KINDS, kind), preview.count(kind), result_words.TONES[kind])
            for kind in map(RowKind, paper_words.KINDS)
            if preview is not None and preview.count(kind)
        ],
        wrongs=preview.count(RowKind.WRONG) if preview is not None else 0,
        conflicts=preview.count(RowKind.CONFLICT) if preview is not None else 0,
        earlier=[(reader.address(f"/desk/paper/entered/{one.id}"), one.title) for one in earlier],
        latest=f"{reader.now.astimezone(reader.language.zone):%Y-%m-%dT%H:%M}",
        stale=reader.stale(leaf.freshness),
    )


def _earlier(at: DeskContext, sheet: str) -> tuple[Batch, ...]:
    """Return the earlier entries of the same sheet that are not withdrawn."""
    batches = at.stores.batches.batches(at.step)
    return tuple(one for one in batches if one.kind is BatchKind.PAPER and one.title == sheet and one.undone_at is None)


async def entered(context: SignedIn) -> Response:
    """Show the decisions entered from a sheet, with the form to withdraw them."""
    at, batch, decisions = await _find_paper_batch(context)
    return await _entered(context, at, batch, decisions)


async def undo(context: SignedIn) -> Response:
    """Withdraw the decisions entered from a sheet."""
    form = await forms.read_form(context, TakeBackForm)
    at, batch, decisions = await _find_paper_batch(context)
    because = form.because[:_LONGEST_BECAUSE]
    if not because:
        return await _entered(context, at, batch, decisions, wrong=NO_BECAUSE, status=422)
    try:
        undone = await context.ask_in_turn(
            at.stores.batches.undo, batch.id, at.account, because, at.reader.now, at.scopes
        )
    except DecisionRefused as refused:
        return await _entered(context, at, batch, decisions, wrong=unfilled(refused.code, PAPER), status=409)
    await context.audit(
        AuditEvent.PAPER_TAKEN_BACK,
        cohort=at.reader.cohort.key,
        step=at.step,
        sheet=batch.title,
        batch=batch.id,
        students=len(undone.withdrawn),
    )
    return see_other(at.reader.address(f"/desk/paper/entered/{batch.id}"))


async def _find_paper_batch(context: SignedIn) -> tuple[DeskContext, Batch, tuple[Decision, ...]]:
    """Return a batch of the context's step whose students are all inside its scopes. Raise 404 for any other."""
    first = desk_context(context, _DECIDING)
    found = await context.ask_long(first.stores.batches.batch, context.request.path_params["sheet"])
    if found is None or found[0].kind is not BatchKind.PAPER:
        raise HTTPException(404)
    batch, decisions = found
    at = desk_context(context, _DECIDING, batch.step)
    people = await context.ask_long(at.stores.batches.people, [one.student for one in decisions], at.scopes)
    if any(one.student not in people for one in decisions):
        raise HTTPException(404)
    return at, batch, decisions


async def _entered(
    context: Context,
    at: DeskContext,
    batch: Batch,
    decisions: Sequence[Decision],
    *,
    wrong: str = "",
    status: int = 200,
) -> Response:
    reader, language = at.reader, at.reader.language
    people = await context.ask_long(at.stores.batches.people, [one.student for one in decisions], at.scopes)
    return context.page(
        "desk/paper_entered.html",
        status=status,
        reader=reader,
        at=at,
        batch=batch,
        lines=entered_lines(reader, decisions, people),
        left_out=batch.counts.not_entered,
        entered_at=language.dated(batch.at),
        undone_at=language.dated(batch.undone_at) if batch.undone_at else "",
        wrong=language.gettext(wrong) if wrong else "",
    )


ROUTES = (
    Route("/desk/paper/entry", for_visitors(paper_entry_page, *_DECIDING)),
    Route("/desk/paper/entry", for_visitors(enter_paper, *_DECIDING), methods=["POST"]),
    Route("/desk/paper/entered/{sheet:id}", for_visitors(entered, *_DECIDING)),
    Route("/desk/paper/entered/{sheet:id}/undo", for_visitors(undo, *_DECIDING), methods=["POST"]),
)
