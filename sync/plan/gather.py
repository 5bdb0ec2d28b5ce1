"""Gather: read all marks that one answer is planned on, in one consistent read.

Cost follows change: the stored records of a source are read as student and digest; everything else is read for the
students that the answer may change.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeAlias

from config.meaning import Meaning
from config.settings import Settings
from connectors.port import Cell, Snapshot
from status_db.marks.current import CurrentPerson, CurrentState, SourceState
from status_db.marks.expected_changes import ExpectedChange
from status_db.model import Record, Verdict, normalise_number
from sync import rule_settings
from sync.plan.confirm import PROVEN_BY
from sync.plan.history import NO_PAST, SourceHistory, read_past
from sync.plan.people import People, read_people
from sync.rule import reconcile, roster
from sync.rule.answer import outside_digest
from sync.rule.records import Rows, SourceRule, digest_of_rows

Groups: TypeAlias = Mapping[Cell, Rows]


@dataclass(frozen=True, slots=True)
class StepMarks:
    """One source's marks, and those of its step, about the students that a change may affect."""

    #: The cohort's revision: a plan is applied on this one only.
    base: int
    state: SourceState
    #: Students with a step that may change, and all students for whom it has not been asked about yet.
    touched: tuple[reconcile.AffectedStudent, ...]
    #: (source, student) → stored record, of all the step's sources.
    records: Mapping[tuple[str, str], Record]
    #: The step's other sources.
    others: Mapping[str, reconcile.SourceAnswered]
    past: SourceHistory


@dataclass(frozen=True, slots=True)
class GatheredState:
    """The marks that an answer of a source is matched, compared, confirmed, planned and judged on."""

    marks: StepMarks
    #: Student → digest of every stored record of the source; for a recheck, of one student's.
    digests: Mapping[str, bytes]
    #: Student → rows and their digest, where one key alone has the student's rows.
    fresh: Mapping[str, tuple[Rows, bytes]]
    people: People
    #: Roster students that a source with a population does not know.
    outside: frozenset[str]
    #: Students with a recheck since the answer began.
    asked_later: frozenset[str]
    #: Those, and the students that joined since: this answer is not about them.
    later: frozenset[str]
    #: Students with different readings in one pull.
    unsettled: frozenset[str]
    #: The listed unmatched rows of the source.
    unmatched: Sequence[tuple[str, str, str]]
    #: How many students have the step; None where an answer was applied under these settings.
    headcount: int | None
    #: Whether the answer's population contains a roster student; read with `headcount`.
    knows_students: bool
    #: For asking about some students again: all numbers of each, and students that the source holds.
    numbers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    held: Mapping[str, Record] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class GatherRequest:
    """What to gather: for which source, and for what purpose."""

    settings: Settings
    rule: SourceRule
    #: The current time; an answer may be read long before.
    clock: datetime | None
    #: The student of a recheck.
    student: str | None = None
    #: Whether the source can be asked about some numbers again.
    asks_again: bool = False
    #: Whether it has to be proven, and can be, that asking about one student agrees with the whole answer.
    tries_one: bool = False


def gather(
    stored: CurrentState,
    question: GatherRequest,
    state: SourceState,
    expected_changes: Iterable[ExpectedChange],
    snapshot: Snapshot,
    groups: Groups,
) -> GatheredState:
    """Read what one answer is planned on; `groups` are its rows by their number cell."""
    settings, rule, student = question.settings, question.rule, question.student
    name = rule.source
    digests = stored.digests(name) if student is None else stored.digest_of(name, student)
    people = read_people(stored, snapshot.fields, groups, digests, own_numbers=rule.own_numbers)
    # An answer from before a student joined, as one that waited for approval, is not about that student.
    asked_later = stored.runs.asked_later(name, snapshot.began, question.clock) if student is None else frozenset()
    later = asked_later | stored.runs.joined_later(snapshot.began)
    unsettled = students_of(stored, snapshot.unsettled, student) - later
    outside = _outside(stored, rule, snapshot, student, people.contested)
    fresh, may_change = _may_change(rule, groups, digests, people, outside)
    may_change |= unsettled
    if student is not None:
        may_change = {student}
    elif state.settings_digest not in (None, rule.digest):
        # With other settings the same rows, or no row, may result in another verdict.
        may_change |= stored.with_step(rule.step)
    marks = step_marks(stored, question, state, expected_changes, snapshot, may_change)
    held = {s for s in may_change if _may_be_held(rule, marks, s)}
    first = student is None and not rule.is_known_as(state.settings_digest)
    some_held = stored.some_held(name, len(may_change & digests.keys()) + PROVEN_BY) if question.tries_one else {}
    return GatheredState(
        marks=marks,
        digests=digests,
        fresh=fresh,
        people=people,
        outside=outside,
        asked_later=asked_later,
        later=later,
        unsettled=unsettled,
        unmatched=stored.unmatched_keys(name) if student is None else (),
        headcount=stored.headcount(rule_settings.flows_with(settings, rule.step)) if first else None,
        knows_students=first and _knows_students(stored, snapshot),
        numbers=stored.numbers.numbers_of(
            {*may_change, *some_held} if question.tries_one else held if question.asks_again else ()
        ),
        held=some_held,
    )


def step_marks(
    stored: CurrentState,
    question: GatherRequest,
    state: SourceState,
    expected_changes: Iterable[ExpectedChange],
    snapshot: Snapshot,
    students: Collection[str],
) -> StepMarks:
    """Read the marks of a source's step about these students."""
    settings, rule = question.settings, question.rule
    others = others_of(stored, settings, rule.step, rule.source, stored.meaning())
    touched = tuple(
        person
        for person in _touched(stored, settings, rule.step, students, snapshot.ended)
        if question.student in (None, person.student)
    )
    named = {*students, *(person.student for person in touched)}
    records = stored.records([rule.source, *others], named) if named else {}
    marks = StepMarks(stored.revision(), state, touched, records, others, NO_PAST)
    if not named:
        return marks
    held = [s for s in named if _may_be_held(rule, marks, s)]
    return replace(
        marks, past=read_past(stored, expected_changes, settings, rule, state, snapshot, question.clock, held)
    )


def _may_change(
    rule: SourceRule, groups: Groups, digests: Mapping[str, bytes], people: People, outside: frozenset[str]
) -> tuple[dict[str, tuple[Rows, bytes]], set[str]]:
    """Return rows and digest of each student that one key names, and all students with a record that may change."""
    fresh: dict[str, tuple[Rows, bytes]] = {}
    several: set[str] = set()
    for key, rows in groups.items():
        number = str(key) if key in digests else "" if key is None else normalise_number(key)
        if number not in digests:
            continue
        if number in fresh:
            several.add(number)
        else:
            fresh[number] = rows, digest_of_rows(rule.digest, rows)
    unknown_there = outside_digest(rule)
    changed = several | {number for number, (_, digest) in fresh.items() if digests[number] != digest}
    changed |= {s for s in digests.keys() - fresh.keys() if s not in outside or digests[s] != unknown_there}
    changed |= {s for s in outside if digests.get(s) != unknown_there}
    return fresh, changed | people.meant


def _may_be_held(rule: SourceRule, marks: StepMarks, student: str) -> bool:
    record = marks.records.get((rule.source, student))
    return (rule.absent if record is None else record.verdict) is Verdict.HELD


def students_of(stored: CurrentState, cells: Iterable[Cell], student: str | None) -> frozenset[str]:
    """Return the roster students that have these numbers, own or alias; with `student`, at most that one."""
    numbers = {normalise_number(cell) for cell in cells if cell is not None}
    if not numbers:
        return frozenset()
    found = stored.numbers.leaving(numbers) | {
        owner for owners in stored.numbers.owners(numbers).values() for owner in owners
    }
    return frozenset(found) if student is None else frozenset(found) & {student}


def _knows_students(stored: CurrentState, snapshot: Snapshot) -> bool:
    numbers = {normalise_number(cell) for cell in snapshot.population or () if cell is not None}
    return bool(stored.numbers.listed(numbers) or stored.numbers.owners(numbers))


def _outside(
    stored: CurrentState,
    rule: SourceRule,
    snapshot: Snapshot,
    student: str | None,
    contested: Mapping[str, Sequence[str]],
) -> frozenset[str]:
    """Return the roster students that a source with a population does not know.

    A contested number, one student's own and another's card, does not prove that the source knows either.
    """
    if snapshot.population is None:
        return frozenset()
    known = {normalise_number(cell) for cell in snapshot.population if cell is not None}
    if rule.own_numbers:
        return stored.with_step(rule.step, student) - known
    known -= contested.keys()
    with_step = stored.with_step(rule.step, student)
    owners = stored.numbers.owners(known - with_step)
    return with_step - known - {owner for listed in owners.values() if len(listed) == 1 for owner in listed}


def _touched(
    stored: CurrentState, settings: Settings, step: str, students: Collection[str], now: datetime
) -> list[reconcile.AffectedStudent]:
    """Return these students, where they have the step, and all students for whom it has not been asked about yet."""
    conditions = rule_settings.exemptions(settings, step)
    columns = (*roster.COLUMNS, "extra") if conditions else ()
    people = stored.people(step, students, columns, now)
    return [
        reconcile.AffectedStudent(
            p.student,
            p.joined_at,
            bool(conditions) and roster.exempt(conditions, _roster_columns(p)),
            p.finding,
            p.decided,
        )
        for p in people
    ]


def _roster_columns(person: CurrentPerson) -> dict[str, str]:
    return dict(zip(roster.COLUMNS, person.columns, strict=False)) | dict(person.columns[-1])


def others_of(
    stored: CurrentState, settings: Settings, step: str, name: str, meaning: Meaning | None
) -> dict[str, reconcile.SourceAnswered]:
    """Return the step's sources besides `name`, as stored; `meaning` is that of the applied settings.

    The meaning of no row in another source follows from the settings with which its own answer was applied.
    """
    return {
        other: reconcile.SourceAnswered(_absent(settings, other, meaning), stored.source(other).began)
        for other in settings.sources_of(step)
        if other != name
    }


def _absent(settings: Settings, source: str, meaning: Meaning | None) -> Verdict:
    applied = meaning.sources.get(source) if meaning is not None else None
    return Verdict(applied.absent if applied is not None else settings.source[source].absent_means)
