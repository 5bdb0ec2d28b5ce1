"""Warnings about the rows that a check has read: what a sync would refuse, and what it would doubt.

A sync reads rows with `keyed`, `record_from_rows` and, for the roster, `entries`; this module does the same.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime

from config.settings import Settings
from connectors.port import Cell, Sample, Snapshot, table_of
from foundation.translation import N_, tr, tr_n
from status_db.marks.current import CurrentState
from status_db.model import ROSTER, Means, Verdict, normalise_number
from sync import rule_settings
from sync.plan.compare import no_roster_rows
from sync.plan.matching import resolve
from sync.plan.people import read_people
from sync.pull.as_of import stamped
from sync.rule import roster
from sync.rule.cells import Unreadable, amount_in_yuan
from sync.rule.doubts import doubt_text
from sync.rule.records import Rows, SourceRule, due_of, record_from_rows, text_of
from sync.rule.row_keys import keyed

#: How many different doubts are named.
_MOST_DOUBTS = 3

#: How many letters of a cell are shown.
_LETTERS = 40


def refuse_and_warn(
    settings: Settings, name: str, sample: Sample, now: datetime, stored: CurrentState | None = None
) -> tuple[str, ...]:
    """Return warnings about the rows of a check, each ending with the fix.

    Raises SourceError where a sync would refuse the answer for one of these rows. A whole answer without rows is one of
    the warnings; with `stored`, that no row is about a roster student is another.
    """
    answer = sample.answer(now)
    if answer is None:
        return (_no_rows_warning(settings, name),) if sample.whole and sample.row is None else ()
    if name == ROSTER:
        roster.entries(rule_settings.roster_rule(settings), answer)
        return ()
    answer = stamped(settings, name, answer, now)
    rule = rule_settings.source_rule(settings, name)
    answer, groups = keyed(rule, answer)
    warnings = (*_doubt_warnings(rule, answer.fields, groups), *_cell_warnings(rule, answer))
    if stored is None or not groups:
        return warnings
    if not stored.headcount(rule_settings.flows_with(settings, rule.step)):
        return (*warnings, tr("No student on the roster has its step. Sync the roster first: clearance sync roster"))
    if not _has_no_roster_rows(rule, answer, groups, stored):
        return warnings
    if (
        sample.whole
        and not _has_population(settings, name)
        and not rule.is_known_as(stored.source(name).settings_digest)
    ):
        raise no_roster_rows(name, len(answer.rows))
    return (*warnings, _no_match_warning(name, len(answer.rows), whole=sample.whole))


def _no_rows_warning(settings: Settings, name: str) -> str:
    """Return the warning about a whole answer without rows: what a sync takes it to mean, and what to check."""
    if name == ROSTER:
        return tr(
            "The source has 0 rows. A roster without rows has no students. Check that this is the right list, and that "
            "the account can read its rows."
        )
    means = tr(_NO_ROWS_MEAN[Verdict(settings.source[name].absent_means)])
    return tr(
        "The source has 0 rows. {means} If the office does have such data, check the table or view and its conditions, "
        "and that the account can read its rows.",
        means=means,
    )


_NO_ROWS_MEAN = {
    Verdict.CLEARED: N_("A sync takes this as: no student has an open item here."),
    Verdict.HELD: N_("A sync takes this as: the step is not yet done for any student."),
    Verdict.UNKNOWN: N_("A sync takes this as: the data of every student are pending."),
    Verdict.EXEMPT: N_("A sync takes this as: the step is not required of any student."),
}


def _no_match_warning(name: str, rows: int, *, whole: bool) -> str:
    if whole:
        text = N_(
            "None of the rows is about a student on the roster. Compare the first row with the roster, and correct "
            "columns.student in {table} if it is wrong."
        )
    else:
        text = N_(
            "None of the first {rows} rows is about a student on the roster. Compare the first row with the roster, "
            "and correct columns.student in {table} if it is wrong."
        )
    return tr(text, rows=rows, table=table_of(name))


def _has_population(settings: Settings, name: str) -> bool:
    return bool(getattr(settings.source[name].own, "population", None))


def _has_no_roster_rows(rule: SourceRule, answer: Snapshot, groups: Mapping[Cell, Rows], stored: CurrentState) -> bool:
    """Return whether none of the rows is about a roster student."""
    people = read_people(stored, answer.fields, groups, {}, own_numbers=rule.own_numbers)
    resolved = resolve(people, answer.fields, groups, {}, own_numbers=rule.own_numbers)
    keys = {normalise_number(key) for key in groups if key is not None}
    return not (resolved.students or resolved.staying or resolved.doubtful.keys() & keys)


def _doubt_warnings(rule: SourceRule, fields: Sequence[str], groups: Mapping[Cell, Rows]) -> Iterator[str]:
    """Yield a warning for each doubt that would leave students unknown, the most frequent first."""
    records = (record_from_rows(rule, fields, "", rows, b"") for rows in groups.values())
    doubts = Counter(record.doubt for record in records if record.verdict is Verdict.UNKNOWN).most_common()
    for doubt, count in doubts[:_MOST_DOUBTS]:
        yield tr_n(
            "{number} number would be unknown: {doubt}. {fix}",
            "{number} numbers would be unknown: {doubt}. {fix}",
            count,
            doubt=doubt_text(doubt),
            fix=tr(_FIXES[rule.means], table=table_of(rule.source)),
        )
    if more := sum(count for _, count in doubts[_MOST_DOUBTS:]):
        yield tr_n(
            "{number} number would be unknown for other reasons. See them with: clearance plan {source}",
            "{number} numbers would be unknown for other reasons. See them with: clearance plan {source}",
            more,
            source=rule.source,
        )


_FIXES = {
    Means.ITEMS: N_("Check columns in {table}."),
    Means.BALANCE: N_("Check columns.amount in {table}, or have the office write a plain number in each row."),
    Means.STATUS: N_("Add the word to words in {table}, as done, not_done or exempt."),
}


def _cell_warnings(rule: SourceRule, answer: Snapshot) -> Iterator[str]:
    """Yield a warning for the due dates, and one for the amounts, that a sync would leave out as unreadable."""
    unreadable: dict[str, Callable[[Cell], bool]] = {"due": lambda cell: due_of(rule, cell)[1]}
    if rule.means is Means.ITEMS:
        unreadable["amount"] = lambda cell: _is_no_amount(rule, cell)
    for field, fails in unreadable.items():
        if field not in answer.fields:
            continue
        at = answer.fields.index(field)
        found = [row[at] for row in answer.rows if fails(row[at])]
        if found:
            yield _cell_warning(field, len(found), text_of(found[0])[:_LETTERS], table_of(rule.source))


def _cell_warning(field: str, count: int, shown: str, table: str) -> str:
    """Return the warning about cells that cannot be read, with the fix; `shown` is the first of them."""
    if field == "due":
        return tr_n(
            "{number} row has a due date that cannot be read, such as {shown!r}. Set date_order in {table} to the "
            "office's order, or correct columns.due.",
            "{number} rows have a due date that cannot be read, such as {shown!r}. Set date_order in {table} to the "
            "office's order, or correct columns.due.",
            count,
            shown=shown,
            table=table,
        )
    return tr_n(
        "{number} row has an amount that cannot be read, such as {shown!r}. Correct columns.amount in {table}, or have "
        "the office write plain numbers.",
        "{number} rows have an amount that cannot be read, such as {shown!r}. Correct columns.amount in {table}, or "
        "have the office write plain numbers.",
        count,
        shown=shown,
        table=table,
    )


def _is_no_amount(rule: SourceRule, cell: Cell) -> bool:
    try:
        amount_in_yuan(cell, rule.yuan)
    except Unreadable:
        return True
    return False
