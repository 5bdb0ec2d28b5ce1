"""Match and compare: the student of each row, and the records that an answer changes. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from connectors.port import Cell, Snapshot, SourceGarbled, table_of
from foundation.translation import tr
from status_db.model import Record, normalise_number
from sync.plan.gather import GatheredState, Groups
from sync.plan.matching import resolve
from sync.rule import reconcile
from sync.rule.answer import Answer, ResolvedKeys, differences
from sync.rule.moved import with_moved
from sync.rule.records import Rows, SourceRule


@dataclass(frozen=True, slots=True)
class RowMatches:
    """The rows by key, and the students of the keys."""

    groups: Groups
    resolved: ResolvedKeys


@dataclass(frozen=True, slots=True)
class Comparison:
    """Where an answer differs from what is stored."""

    matched: RowMatches
    answer: Answer
    #: Student → new record; None for one that is removed.
    new: Mapping[str, Record | None]
    #: The number cells of the rows that are kept with a suspended answer: those about roster students.
    known: frozenset[Cell]


def match(
    rule: SourceRule, snapshot: Snapshot, groups: Groups, gathered: GatheredState, student: str | None
) -> RowMatches:
    """Match the rows to students; for a recheck, keep the rows that mean or may mean this `student`."""
    digests = gathered.digests
    resolved = resolve(gathered.people, snapshot.fields, groups, digests, own_numbers=rule.own_numbers)
    return RowMatches(groups if student is None else _rows_about(student, groups, digests, resolved), resolved)


def compare(
    rule: SourceRule, snapshot: Snapshot, matched: RowMatches, gathered: GatheredState, student: str | None
) -> Comparison:
    """Return the records that an answer changes. Raises SourceGarbled for a first answer without roster students."""
    groups, resolved, digests = matched.groups, matched.resolved, gathered.digests
    answer = differences(rule, groups, digests, resolved, gathered.outside, gathered.later, gathered.fresh)
    if student is not None:
        # A key in doubt means others, too. Only an answer about all students writes their records.
        changed = {number: record for number, record in answer.changed.items() if number == student}
        answer = replace(answer, changed=changed, vanished=answer.vanished & {student})
    if "reference" in snapshot.fields and (answer.unmatched or student is not None):
        records = gathered.marks.records
        before = {s: records[rule.source, s] for s in (*answer.changed, *answer.vanished) if s in digests}
        answer = with_moved(rule, snapshot.fields, groups, answer, resolved, before, whole=student is None)
    if gathered.headcount is not None and _has_no_roster_rows(snapshot, answer, gathered, resolved):
        if not gathered.headcount:
            raise SourceGarbled(
                tr(
                    "{source} returned {rows} rows, and no student on the roster has its step",
                    source=rule.source,
                    rows=answer.rows,
                ),
                tr("Sync the roster first: clearance sync roster"),
            )
        raise no_roster_rows(rule.source, answer.rows)
    new = reconcile.records_of(rule, snapshot.fields, answer)
    return Comparison(matched, answer, new, _known_keys(matched, answer, digests))


def no_roster_rows(name: str, rows: int) -> SourceGarbled:
    """Return the refusal of a first answer without rows about roster students."""
    return SourceGarbled(
        tr("{name} returned {rows} rows, and none is about a student on the roster", name=name, rows=rows),
        tr(
            "Check columns.student in {table}: it must name the column with the student numbers. If no "
            "roster student owes anything there, configure the source's population too.",
            table=table_of(name),
        ),
    )


def _known_keys(matched: RowMatches, answer: Answer, digests: Mapping[str, bytes]) -> frozenset[Cell]:
    resolved, moved_to = matched.resolved, answer.moved_to
    return frozenset(k for k in matched.groups if k in digests or _is_kept_key(k, digests, resolved, moved_to))


def _has_no_roster_rows(snapshot: Snapshot, answer: Answer, gathered: GatheredState, resolved: ResolvedKeys) -> bool:
    """Return whether an answer has rows, and neither a row nor its population is about a roster student."""
    if not answer.rows or answer.roster_rows or answer.staying:
        return False
    if any(row[0] is not None and normalise_number(row[0]) in resolved.doubtful for row in snapshot.rows):
        return False
    return not gathered.knows_students


def _is_kept_key(key: Cell, digests: Mapping[str, bytes], resolved: ResolvedKeys, moved_to: frozenset[str]) -> bool:
    number = "" if key is None else normalise_number(key)
    # An unmatched key may hide a student's debt: without its rows, an approval would clear that student.
    return number in digests or number in resolved.students or number in resolved.doubtful or number in moved_to


def _rows_about(student: str, groups: Groups, digests: Mapping[str, bytes], resolved: ResolvedKeys) -> dict[Cell, Rows]:
    """Keep the rows that mean or may mean this student: an office may return more than was asked."""
    kept: dict[Cell, Rows] = {}
    for key, rows in groups.items():
        number = "" if key is None else normalise_number(key)
        students = [number] if number in digests else [resolved.students.get(number, "")]
        if student in (students if number not in resolved.doubtful else resolved.doubtful[number][0]):
            kept[key] = rows
    return kept
