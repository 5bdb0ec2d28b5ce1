"""Match and compare: whose each row is, and which records an answer changes. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from connectors.port import Cell, Snapshot, SourceGarbled, table_of
from status_db.model import Record, normalise_number
from sync.plan.gather import GatheredState, Groups
from sync.plan.matching import resolve
from sync.rule import reconcile
from sync.rule.answer import Answer, ResolvedKeys, differences
from sync.rule.moved import with_moved
from sync.rule.records import Rows, SourceRule


@dataclass(frozen=True, slots=True)
class RowMatches:
    """Whose the rows are."""

    groups: Groups
    resolved: ResolvedKeys


@dataclass(frozen=True, slots=True)
class Comparison:
    """Where an answer differs from what is stored."""

    matched: RowMatches
    answer: Answer
    #: Student → new record; None for one that goes.
    new: Mapping[str, Record | None]
    #: The number cells whose rows are kept with an answer that waits: those about somebody on the roster.
    known: frozenset[Cell]


def match(
    rule: SourceRule, snapshot: Snapshot, groups: Groups, gathered: GatheredState, student: str | None
) -> RowMatches:
    """Find out whose the rows are; for a recheck, keep those that mean this `student`, or may."""
    digests = gathered.digests
    resolved = resolve(gathered.people, snapshot.fields, groups, digests, own_numbers=rule.own_numbers)
    return RowMatches(groups if student is None else _only(student, groups, digests, resolved), resolved)


def compare(
    rule: SourceRule, snapshot: Snapshot, matched: RowMatches, gathered: GatheredState, student: str | None
) -> Comparison:
    """Return the records that an answer changes. Raises SourceGarbled for a first answer that is about nobody."""
    groups, resolved, digests = matched.groups, matched.resolved, gathered.digests
    answer = differences(rule, groups, digests, resolved, gathered.outside, gathered.later, gathered.fresh)
    if student is not None:
        # A key in doubt means others, too. What this answer says of them, only one about everybody may write.
        changed = {who: said for who, said in answer.changed.items() if who == student}
        answer = replace(answer, changed=changed, vanished=answer.vanished & {student})
    if "reference" in snapshot.fields and (answer.unmatched or student is not None):
        said = gathered.marks.records
        before = {s: said[rule.source, s] for s in (*answer.changed, *answer.vanished) if s in digests}
        answer = with_moved(rule, snapshot.fields, groups, answer, resolved, before, whole=student is None)
    if gathered.headcount is not None and _about_nobody(snapshot, answer, gathered, resolved):
        if not gathered.headcount:
            raise SourceGarbled(
                f"{rule.source} brought {answer.rows} rows, and nobody is on the roster whom they could be about",
                "Sync the roster first: clearance sync roster",
            )
        raise about_nobody(rule.source, answer.rows)
    new = reconcile.records_of(rule, snapshot.fields, answer)
    return Comparison(matched, answer, new, _known_keys(matched, answer, digests))


def about_nobody(name: str, rows: int) -> SourceGarbled:
    """Return the refusal of a first answer whose rows are about nobody."""
    return SourceGarbled(
        f"{name} returned {rows} rows, and not one is about anybody on the roster",
        f"See columns.student in {table_of(name)}: it must name the column with the student numbers. Where the "
        "office's students simply owe nothing, let the source name its population, too.",
    )


def _known_keys(matched: RowMatches, answer: Answer, digests: Mapping[str, bytes]) -> frozenset[Cell]:
    resolved, moved_to = matched.resolved, answer.moved_to
    return frozenset(k for k in matched.groups if k in digests or _is_known(k, digests, resolved, moved_to))


def _about_nobody(snapshot: Snapshot, answer: Answer, gathered: GatheredState, resolved: ResolvedKeys) -> bool:
    """Say whether an answer has rows, and neither a row nor its population is about anybody on the roster."""
    if not answer.rows or answer.roster_rows or answer.staying:
        return False
    if any(row[0] is not None and normalise_number(row[0]) in resolved.doubtful for row in snapshot.rows):
        return False
    return not gathered.knows_somebody


def _is_known(key: Cell, digests: Mapping[str, bytes], resolved: ResolvedKeys, moved_to: frozenset[str]) -> bool:
    number = "" if key is None else normalise_number(key)
    # Under an unmatched key may be what a student owes: without those rows an approval would clear the student.
    return number in digests or number in resolved.students or number in resolved.doubtful or number in moved_to


def _only(student: str, groups: Groups, digests: Mapping[str, bytes], resolved: ResolvedKeys) -> dict[Cell, Rows]:
    """Keep the rows that mean this student, or may: an office may answer with more than it was asked."""
    kept: dict[Cell, Rows] = {}
    for key, rows in groups.items():
        number = "" if key is None else normalise_number(key)
        whom = [number] if number in digests else [resolved.students.get(number, "")]
        if student in (whom if number not in resolved.doubtful else resolved.doubtful[number][0]):
            kept[key] = rows
    return kept
