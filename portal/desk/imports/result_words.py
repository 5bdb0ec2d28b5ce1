"""Messages about sheets of results and their rows, each with the fix; in Chinese, as in `portal.i18n.labels`."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from config.tables.desk import Desk
from portal.desk.context.refusals import EMPTY_CELL, LIST, SHEET, unfilled
from portal.desk.context.services import SheetCode
from portal.desk.imports.results import COLUMNS, LONGEST, RESULTS
from portal.i18n import labels
from portal.i18n.labels import N_
from portal.i18n.languages import Language
from status_db.decisions.batch_rows import ImportRow, RowCheck, RowFault, RowKind
from status_db.decisions.batches import BatchKind
from status_db.decisions.refusals import DecisionCode
from status_db.model import Decision, StepKind, Verdict

KINDS: Mapping[str, str] = {
    RowKind.WRONG: N_("有错"),
    RowKind.CONFLICT: N_("与现有人工办理不一致"),
    RowKind.NEW: N_("新办理"),
    RowKind.SAME: N_("与现有人工办理一致"),
    RowKind.BLANK: N_("未填结果"),
}

#: The symbol before each word, and its class in the stylesheet.
MARKS: Mapping[str, str] = {
    RowKind.WRONG: "✕",
    RowKind.CONFLICT: "!",
    RowKind.NEW: "✓",
    RowKind.SAME: "=",
    RowKind.BLANK: "–",
}
TONES: Mapping[str, str] = {
    RowKind.WRONG: "bad",
    RowKind.CONFLICT: "todo",
    RowKind.NEW: "good",
    RowKind.SAME: "none",
    RowKind.BLANK: "none",
}

BATCHES: Mapping[str, str] = {
    BatchKind.IMPORT: N_("导入"),
    BatchKind.PAPER: N_("纸面补录"),
    BatchKind.CLASS: N_("按班终审"),
}

_CLEAR = (Verdict.CLEARED, Verdict.EXEMPT)

_BECAME: Mapping[str, str] = {
    RowKind.NEW: N_("已办理"),
    RowKind.SAME: N_("与现有人工办理一致，未更改"),
    RowKind.BLANK: N_("未填结果，未更改"),
}
_REPLACED = N_("已办理，替换原办理：%(before)s")
_NOT_REPLACED = N_("未替换现有人工办理：%(before)s")
_NOT_ENTERED = N_("未导入：%(why)s")


def unreadable(language: Language, code: SheetCode, limits: Desk, listed: Collection[str] = ()) -> str:
    """Return why a sheet cannot be read, with the fix. `listed` are the columns of an office's full list."""
    size, surface = f"{limits.most_bytes / 1_000_000:g}", LIST if listed else SHEET
    most = limits.most_listed if listed else limits.most_rows
    return language.gettext(unfilled(code, surface), size=size, most=most, columns=language.listed(listed))


def result(language: Language, imported: ImportRow) -> str:
    """Return a row's result as a word. Empty if the row has none."""
    return language.gettext(RESULTS[imported.verdict][0]) if imported.verdict is not None else ""


def decided(language: Language, decision: Decision, now: datetime) -> str:
    """Return a decision as text: verdict, reason, author and time."""
    word = labels.say(language, labels.STATES, labels.state_of(decision.verdict))
    parts = (word, decision.reason, decision.author, language.moment(decision.entered_at, now))
    return language.listed(part for part in parts if part)


def current_status(language: Language, row: RowCheck, now: datetime, kind: StepKind) -> str:
    """Return the current status of the row's student as text. Empty if there is no such student."""
    if row.effective is not None:
        return decided(language, row.effective, now)
    if row.found is None:
        return ""
    return labels.say(language, labels.STATES, labels.state_of(row.found, row.found_because, kind))


def flips(row: RowCheck) -> bool | None:
    """Return whether the row releases the student or, if False, holds them. None if neither, or it enters nothing."""
    before = row.effective.verdict if row.effective is not None else row.found
    if row.kind not in (RowKind.NEW, RowKind.CONFLICT) or row.imported.verdict is None or before is None:
        return None
    clear = row.imported.verdict in _CLEAR
    return None if clear is (before in _CLEAR) else clear


def change(language: Language, row: RowCheck, kind: StepKind) -> str:
    """Return how the state changes if the row is entered. Empty if it stays clear, or not clear."""
    before, after = row.effective, row.imported.verdict
    if flips(row) is None or after is None:
        return ""
    state = labels.state_of(before.verdict) if before is not None else None
    if state is None and row.found is not None:
        state = labels.state_of(row.found, row.found_because, kind)
    words = (labels.say(language, labels.STATES, one) for one in (state, labels.state_of(after)) if one is not None)
    return " → ".join(words)


def why(language: Language, row: RowCheck, reasons: Sequence[str], now: datetime) -> str:
    """Return what is wrong with a row, with the fix. Empty if the row is valid."""
    if row.wrong is None:
        return ""
    imported, text = row.imported, row.detail
    if row.wrong is RowFault.LONG:
        sentence = unfilled(RowFault.LONG, SHEET)
        return language.gettext(sentence, column=language.gettext(COLUMNS[text][0]), most=LONGEST.get(text, 0))
    code: RowFault | DecisionCode = row.wrong
    if row.wrong is RowFault.REFUSED:
        past = imported.until is not None and imported.until <= now
        if not past and not imported.condition:
            # Refusals of decisions have their own sentences.
            return text
        code = DecisionCode.END_IN_PAST if past else DecisionCode.CONDITION_WITHOUT_PASS
    sentence = unfilled(code, SHEET if text else EMPTY_CELL)
    return language.gettext(sentence, name=row.name, said=text, reasons=language.listed(reasons))


def became(language: Language, row: RowCheck, reasons: Sequence[str], now: datetime, *, replaced: bool) -> str:
    """Return the result of a row in an entered batch. `replaced` is whether conflicting decisions were replaced."""
    if row.kind is RowKind.WRONG:
        return language.gettext(_NOT_ENTERED, why=why(language, row, reasons, now))
    if row.kind is RowKind.CONFLICT and row.effective is not None:
        before = decided(language, row.effective, now)
        return language.gettext(_REPLACED if replaced else _NOT_REPLACED, before=before)
    return language.gettext(_BECAME[row.kind])
