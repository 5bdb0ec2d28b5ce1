"""Import batches: their decisions, the result of each row, and undoing a batch."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

from anyio import to_thread
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from portal.access import forms
from portal.access.form_fields import Form, Line, at_most
from portal.access.requires import for_visitors
from portal.desk.context.desk_context import DeskContext, desk_context
from portal.desk.context.refusals import SHEET, unfilled
from portal.desk.context.services import desk_of
from portal.desk.imports import result_words, results
from portal.documents import xlsx
from portal.i18n import labels
from portal.i18n.labels import N_
from portal.i18n.languages import Language
from portal.page.context import Context, SignedIn
from portal.web.links import see_other
from portal.web.sent_files import SentOnce
from status_db.accounts.accounts import Act
from status_db.accounts.audit_log import AuditEvent
from status_db.decisions.batches import Batch, BatchKind, RosterName
from status_db.decisions.refusals import DecisionCode, DecisionRefused
from status_db.model import Decision
from status_db.stored_counts import BatchCounts

_LISTED = 100
_LONGEST_REASON = 500

#: Why a batch cannot be undone, each with the fix.
NO_REASON = N_("整批撤回须写明原因。请填写后再提交。")
LONG_REASON = N_("原因不超过 500 字。请缩短。")

#: The current state of a decision of a batch.
_IN_FORCE, _WITHDRAWN, _ISSUED, _MOVED, _ENDED = "stands", "withdrawn", "issued", "moved", "ended"

_FATES: Mapping[str, tuple[str, str]] = {
    _IN_FORCE: (N_("有效"), "good"),
    _WITHDRAWN: (N_("已随整批撤回"), "none"),
    _ISSUED: (N_("已发证，不变"), "todo"),
    _MOVED: (N_("此前已替换、撤回或失效"), "none"),
    _ENDED: (N_("已替换、撤回或失效"), "none"),
}

_DECISION_COLUMNS = (N_("学号"), N_("姓名"), N_("班级"), N_("办理结果"), N_("办理依据"), N_("处理结果"))

_COUNTS: Sequence[tuple[Callable[[BatchCounts], int], str]] = (
    (lambda counts: counts.entered, N_("已导入")),
    (lambda counts: counts.wrong, N_("有错，未导入")),
    (lambda counts: counts.conflict, N_("与现有人工办理不一致")),
    (lambda counts: counts.same, N_("与现有人工办理一致，未更改")),
    (lambda counts: counts.blank, N_("未填结果，未更改")),
)


class UndoForm(Form):
    """Why a batch is undone."""

    reason: Annotated[Line, at_most(_LONGEST_REASON)] = ""


@dataclass(frozen=True, slots=True)
class BatchLine:
    """One batch."""

    number: int
    title: str
    kind: str
    author: str
    at: str
    entered: int
    undone: str
    address: str


@dataclass(frozen=True, slots=True)
class DecisionLine:
    """One decision of a batch and its current state."""

    student: str
    name: str
    class_name: str
    result: str
    reason: str
    became: str
    tone: str

    @property
    def cells(self) -> tuple[str, ...]:
        """The same as a sheet has it."""
        return self.student, self.name, self.class_name, self.result, self.reason, self.became


async def batch_list_page(context: SignedIn) -> Response:
    """Show the batches of a step, the newest first."""
    at = desk_context(context, (Act.DECIDE,))
    found = await context.ask_long(at.stores.batches.batches, at.step, _LISTED)
    return context.page(
        "desk/import_batches.html",
        reader=at.reader,
        at=at,
        batches=[_batch_line(at, one) for one in found if _may_see(at, one)],
        back=at.address("/desk/import"),
    )


async def batch_page(context: SignedIn) -> Response:
    """Show a batch: its decisions and their current state."""
    at, batch, decisions = await _find_batch(context)
    return await _show_batch(context, at, batch, decisions)


async def _show_batch(
    context: Context,
    at: DeskContext,
    batch: Batch,
    decisions: tuple[Decision, ...],
    refused: str = "",
    reason: str = "",
) -> Response:
    language, now = at.reader.language, at.reader.now
    people = await context.ask_long(at.stores.batches.people, [d.student for d in decisions], at.scopes)
    fates = {d.id: _fate(d, batch, at) for d in decisions}
    return context.page(
        "desk/import_batch.html",
        status=409 if refused else 200,
        reader=at.reader,
        at=at,
        batch=_batch_line(at, batch),
        counts=[(language.gettext(word), number) for count, word in _COUNTS if (number := count(batch.counts))],
        undone=batch.undone_at is not None,
        because=batch.undone_because,
        fates=[
            (language.gettext(word), tone, sum(fate == key for fate in fates.values()))
            for key, (word, tone) in _FATES.items()
            if any(fate == key for fate in fates.values())
        ],
        rows=[
            _decision_line(language, d, people.get(d.student), fates[d.id]) for d in decisions if d.student in people
        ],
        hidden=sum(d.student not in people for d in decisions),
        may_undo=batch.undone_at is None and batch.kind is not BatchKind.CLASS,
        address=at.address(f"/desk/import/batches/{batch.id}"),
        action=at.address(f"/desk/import/batches/{batch.id}/undo"),
        file=at.address(f"/desk/import/batches/{batch.id}/result.xlsx"),
        back=at.address("/desk/import/batches"),
        refused=refused,
        reason=reason,
        at_moment=language.moment(now, now),
    )


async def undo(context: SignedIn) -> Response:
    """Undo a batch. Decisions of students with a certificate stay, and the page lists them."""
    form = await forms.read_form(context, UndoForm)
    at, batch, decisions = await _find_batch(context)
    reason = form.reason
    refused = ""
    if batch.undone_at is not None:
        refused = unfilled(DecisionCode.UNDONE, SHEET)
    elif not reason:
        refused = NO_REASON
    elif form.too_long:
        refused = LONG_REASON
    if not refused:
        try:
            undone = await context.ask_in_turn(
                at.stores.batches.undo, batch.id, at.account, reason, at.reader.now, at.scopes
            )
        except DecisionRefused as error:
            at, batch, decisions = await _find_batch(context)
            refused = unfilled(error.code, SHEET)
        else:
            await context.audit(
                AuditEvent.IMPORT_UNDONE,
                cohort=at.reader.cohort.key,
                step=at.step,
                batch=batch.id,
                withdrawn=len(undone.withdrawn),
                issued=list(undone.issued),
                reason=reason,
            )
            return see_other(at.address(f"/desk/import/batches/{batch.id}"))
    return await _show_batch(context, at, batch, decisions, at.reader.language.gettext(refused), reason)


async def result(context: SignedIn) -> Response:
    """Return the sheet with the result of each row, or the decisions of a batch without a sheet."""
    at, batch, decisions = await _find_batch(context)
    language, now = at.reader.language, at.reader.now
    upload = await context.ask_long(desk_of(context.request).uploads.of_batch, batch.id, at.account)
    if upload is not None:
        sheet = results.again(upload.rows)
        columns = [language.gettext("行"), *sheet.columns, language.gettext("处理结果")]
        table = [
            (
                str(row.line),
                *(cell or "" for cell in row.cells),
                _outcome_text(row.became, language),
            )
            for row in sheet.rows
        ]
    else:
        people = await context.ask_long(at.stores.batches.people, [d.student for d in decisions], at.scopes)
        columns = [language.gettext(word) for word in _DECISION_COLUMNS]
        table = [
            _decision_line(language, d, people[d.student], _IN_FORCE).cells for d in decisions if d.student in people
        ]
    title = " ".join((at.reader.cohort.name, at.reader.titles[at.step], language.gettext("导入结果"), str(batch.id)))
    head = [
        (language.gettext("文件"), batch.title),
        (language.gettext("时间"), f"{batch.at.astimezone(language.zone):%Y-%m-%d %H:%M}"),
        (language.gettext("导入人"), batch.author),
    ]
    if undone := _undone(language, batch):
        head.append((language.gettext("撤回情况"), undone))
    folder = await to_thread.run_sync(lambda: tempfile.TemporaryDirectory(prefix="result-"))
    try:
        file = Path(folder.name) / "result.xlsx"
        written = await context.export(partial(xlsx.write, file, title, head, columns, table))
        await context.audit(AuditEvent.EXPORTED, cohort=at.reader.cohort.key, filter=title, students=written)
    except BaseException:
        folder.cleanup()
        raise
    name = f"{title.replace(' ', '-')}-{now.astimezone(language.zone):%Y%m%d-%H%M}.xlsx"
    return SentOnce(folder, file, name)


async def _find_batch(context: SignedIn) -> tuple[DeskContext, Batch, tuple[Decision, ...]]:
    """Return the batch that the address names. Raise 404 if it is missing or not visible."""
    at = desk_context(context, (Act.DECIDE,))
    number = context.request.path_params["batch"]
    found = await context.ask_long(at.stores.batches.batch, number)
    if found is None or found[0].step not in at.steps:
        raise HTTPException(404)
    at = desk_context(context, (Act.DECIDE,), found[0].step)
    if not _may_see(at, found[0]):
        raise HTTPException(404)
    return at, *found


def _outcome_text(became: Mapping[str, str], language: Language) -> str:
    """Return the sentence in this language, or in another one if this language was added later."""
    return became.get(language.code) or next(iter(became.values()), "")


def _may_see(at: DeskContext, batch: Batch) -> bool:
    """Return whether a batch is visible: to its author, and to accounts that decide the step without a limit."""
    return batch.author == at.account or any(not scope for scope in at.scopes)


def _batch_line(at: DeskContext, batch: Batch) -> BatchLine:
    language, now = at.reader.language, at.reader.now
    return BatchLine(
        number=batch.id,
        title=batch.title,
        kind=labels.say(language, result_words.BATCHES, batch.kind),
        author=batch.author,
        at=language.moment(batch.at, now),
        entered=batch.counts.entered,
        undone=_undone(language, batch),
        address=at.address(f"/desk/import/batches/{batch.id}"),
    )


def _undone(language: Language, batch: Batch) -> str:
    """Return who undid a batch, when and why. Empty if it is not undone."""
    if batch.undone_at is None:
        return ""
    who, moment, why = batch.undone_by, language.dated(batch.undone_at), batch.undone_because
    return language.gettext("%(who)s 于 %(moment)s 整批撤回：%(why)s", who=who, moment=moment, why=why)


def _fate(decision: Decision, batch: Batch, at: DeskContext) -> str:
    """Return the current state of a decision of a batch."""
    if batch.undone_at is None:
        return _IN_FORCE if decision.active(at.reader.now) else _ENDED
    if decision.withdrawn_at == batch.undone_at:
        return _WITHDRAWN
    # A decision withdrawn later than the batch was kept by its certificate at that time.
    kept = decision.withdrawn_at is None or decision.withdrawn_at > batch.undone_at
    return _ISSUED if kept and (decision.until is None or decision.until > batch.undone_at) else _MOVED


def _decision_line(language: Language, decision: Decision, person: RosterName | None, fate: str) -> DecisionLine:
    word, tone = _FATES[fate]
    return DecisionLine(
        student=decision.student,
        name=person.name if person else "",
        class_name=person.class_name if person else "",
        result=labels.say(language, labels.STATES, labels.state_of(decision.verdict)),
        reason=decision.reason,
        became=language.gettext(word),
        tone=tone,
    )


ROUTES = (
    Route("/desk/import/batches", for_visitors(batch_list_page, Act.DECIDE)),
    Route("/desk/import/batches/{batch:id}", for_visitors(batch_page, Act.DECIDE)),
    Route("/desk/import/batches/{batch:id}/result.xlsx", for_visitors(result, Act.DECIDE, long=True)),
    Route("/desk/import/batches/{batch:id}/undo", for_visitors(undo, Act.DECIDE), methods=["POST"]),
)
