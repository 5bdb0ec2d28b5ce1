"""What a sync would make of the rows that a check has read: what it would refuse, and what it would doubt.

A sync keys and reads rows by `keyed`, `record_from_rows` and, of the roster, `entries`; so does this.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime

from config.settings import Settings
from connectors.port import Cell, Sample, Snapshot, table_of
from status_db.marks.current import CurrentState
from status_db.model import ROSTER, Means, Verdict, normalise_number
from sync import rule_settings
from sync.plan.compare import about_nobody
from sync.plan.matching import resolve
from sync.plan.people import read_people
from sync.pull.as_of import stamped
from sync.rule import roster
from sync.rule.cells import Unreadable, amount_in_yuan
from sync.rule.records import Rows, SourceRule, due_of, record_from_rows, text_of
from sync.rule.row_keys import keyed

#: At most so many different doubts are named.
_NAMED = 3

#: So many letters of a cell are shown.
_LETTERS = 40


def refuse_and_warn(
    settings: Settings, name: str, sample: Sample, now: datetime, stored: CurrentState | None = None
) -> tuple[str, ...]:
    """Return warnings about the rows of a check, each ending with the fix.

    Raises SourceError where a sync would refuse the answer for one of these rows. With `stored`, one of the warnings is
    that no row is about anybody on the roster.
    """
    answer = sample.answer(now)
    if answer is None:
        return ()
    if name == ROSTER:
        roster.entries(rule_settings.roster_rule(settings), answer)
        return ()
    answer = stamped(settings, name, answer, now)
    rule = rule_settings.source_rule(settings, name)
    answer, groups = keyed(rule, answer)
    warnings = (*_doubts(rule, answer.fields, groups), *_of_cells(rule, answer))
    if stored is None or not groups:
        return warnings
    if not stored.headcount(rule_settings.flows_with(settings, rule.step)):
        return (*warnings, "Nobody with its step is on the roster. Sync the roster first: clearance sync roster")
    if not _about_nobody(rule, answer, groups, stored):
        return warnings
    if (
        sample.whole
        and not _has_population(settings, name)
        and not rule.is_known_as(stored.source(name).settings_digest)
    ):
        raise about_nobody(name, len(answer.rows))
    looked = "of the rows" if sample.whole else f"of the first {len(answer.rows)} rows"
    fix = f"Compare the first row with the roster, and correct columns.student in {table_of(name)} if it is wrong."
    return (*warnings, f"None {looked} is about anybody on the roster. {fix}")


def _has_population(settings: Settings, name: str) -> bool:
    return bool(getattr(settings.source[name].own, "population", None))


def _about_nobody(rule: SourceRule, answer: Snapshot, groups: Mapping[Cell, Rows], stored: CurrentState) -> bool:
    """Say whether none of the rows is about anybody on the roster."""
    people = read_people(stored, answer.fields, groups, {}, own_numbers=rule.own_numbers)
    resolved = resolve(people, answer.fields, groups, {}, own_numbers=rule.own_numbers)
    keys = {normalise_number(key) for key in groups if key is not None}
    return not (resolved.students or resolved.staying or resolved.doubtful.keys() & keys)


def _doubts(rule: SourceRule, fields: Sequence[str], groups: Mapping[Cell, Rows]) -> Iterator[str]:
    """Give a warning for each doubt that would leave students unknown, the most frequent first."""
    records = (record_from_rows(rule, fields, "", rows, b"") for rows in groups.values())
    doubts = Counter(record.doubt for record in records if record.verdict is Verdict.UNKNOWN).most_common()
    for doubt, many in doubts[:_NAMED]:
        yield f"{_numbers(many)} would be unknown: {doubt}. {_FIXES[rule.means].format(table_of(rule.source))}"
    if more := sum(many for _, many in doubts[_NAMED:]):
        yield f"{_numbers(more)} would be unknown for other reasons. See them with: clearance plan {rule.source}"


_FIXES = {
    Means.ITEMS: "See columns in {}.",
    Means.BALANCE: "See columns.amount in {}, or have the office write a plain number in each row.",
    Means.STATUS: "Add the word to words in {}, as done, not_done or exempt.",
}


def _of_cells(rule: SourceRule, answer: Snapshot) -> Iterator[str]:
    """Give a warning for the due dates, and one for the amounts, that a sync would leave out as unreadable."""
    unreadable: dict[str, Callable[[Cell], bool]] = {"due": lambda cell: due_of(rule, cell)[1]}
    if rule.means is Means.ITEMS:
        unreadable["amount"] = lambda cell: _is_no_amount(rule, cell)
    for field, fails in unreadable.items():
        if field not in answer.fields:
            continue
        at = answer.fields.index(field)
        found = [row[at] for row in answer.rows if fails(row[at])]
        if found:
            rows = "1 row has" if len(found) == 1 else f"{len(found)} rows have"
            shown = text_of(found[0])[:_LETTERS]
            what, fix = _CELLS[field]
            yield f"{rows} {what} that cannot be read, such as {shown!r}. {fix.format(table_of(rule.source))}"


#: Field → what it holds, and the fix where that cannot be read.
_CELLS = {
    "due": ("a due date", "Set date_order in {} to how they are written, or correct columns.due."),
    "amount": ("an amount", "Correct columns.amount in {}, or have the office write plain numbers."),
}


def _is_no_amount(rule: SourceRule, cell: Cell) -> bool:
    try:
        amount_in_yuan(cell, rule.yuan)
    except Unreadable:
        return True
    return False


def _numbers(many: int) -> str:
    return "1 number" if many == 1 else f"{many} numbers"
