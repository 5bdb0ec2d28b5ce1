"""Rows as they are stored, undecoded, for sealing and for checking seals.

A seal covers the values as the driver accepts and returns them, so that any altered value shows.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from sqlalchemy import Column, ColumnElement, Connection, DefaultClause, Select, Table, exists, select

from foundation.chunks import chunked
from status_db import tables
from status_db.model import RunState

Values: TypeAlias = tuple[Any, ...]

#: How many students, or rows of a history, are read at once.
_AT_ONCE = 4_000

#: How many values fit into one IN on every database; more students than `_MOST_NAMED` are read without naming them.
_CHUNK = 5_000
_MOST_NAMED = 20_000


def _covered_columns(table: Table, *but: str) -> tuple[str, ...]:
    return tuple(column.key for column in table.columns if column.name not in but)


def _default_value(column: Column[Any]) -> int | str | None:
    """Return the default of a column, as the driver returns it."""
    if not isinstance(column.server_default, DefaultClause):
        return None
    text = str(column.server_default.arg)
    return int(text) if text.isdigit() else text


#: The columns of each table that a seal or a link covers, in this order.
RECORD = _covered_columns(tables.record, "mac")
STUDENT = _covered_columns(tables.student, "mac")
DECISION = _covered_columns(tables.decision, "mac")
CERTIFICATE = _covered_columns(tables.certificate, "mac")
LINK = _covered_columns(tables.ledger, "mac")
APPLIED = _covered_columns(tables.applied_settings, "mac")
#: The database assigns a flip's number; its order is checked separately.
FLIP = _covered_columns(tables.flip, "flip")
RUN = _covered_columns(tables.run)
#: A lease changes between links, and the step comes from the settings at the beginning of each run. Name any other
#: column here that must change without a link.
STATE = _covered_columns(tables.source_state, "step", "lease_run", "lease_until", "lease_owner")
#: A source's own row without its key, before its first good answer: its columns' defaults.
BLANK_STATE = tuple(_default_value(tables.source_state.c[name]) for name in STATE[2:])

EXPECTED_CHANGE = _covered_columns(tables.expected_change, "mac")
APPROVAL_VOTE = _covered_columns(tables.approval_vote, "mac")
BATCH = _covered_columns(tables.batch, "mac")

SEALED: Mapping[str, tuple[str, ...]] = {
    "record": RECORD,
    "student": STUDENT,
    "decision": DECISION,
    "certificate": CERTIFICATE,
    "wave": EXPECTED_CHANGE,
    "opinion": APPROVAL_VOTE,
    "batch": BATCH,
}


def of_cohort(table: Table, cohort: str) -> ColumnElement[bool]:
    """Return the condition for a cohort's rows; for a table with a run and no cohort, by that run."""
    if "cohort" in table.c:
        return table.c.cohort == cohort
    run = tables.run
    return table.c.run.in_(select(run.c.run).where(run.c.cohort == cohort))


@dataclass(frozen=True, slots=True)
class SealedRow:
    """A row's values that its seal covers, and that seal."""

    values: Values
    mac: bytes | None


@dataclass(frozen=True, slots=True)
class NumberRange:
    """Everything about the students in one range of numbers, including numbers that are not on the roster."""

    #: A student's aliases follow the columns.
    people: list[SealedRow]
    records: list[SealedRow]
    decisions: list[SealedRow]
    certificates: list[SealedRow]
    statuses: list[Values]
    #: (flip, *FLIP), in the order in which they were made.
    flips: list[Values]
    #: Aliases of numbers that belong to no student.
    astray: list[tuple[str, str]]


def fetched(connection: Connection, query: Select[Any]) -> list[Values]:
    """Return a query's rows as the driver returns them."""
    with connection.execute(query) as result:
        return [tuple(row) for row in result.cursor.fetchall()]


def rows(connection: Connection, table: Table, columns: Sequence[str], *where: ColumnElement[bool]) -> list[Values]:
    """Return these columns of a table's rows."""
    return fetched(connection, select(*(table.c[name] for name in columns)).where(*where))


def sealed(
    connection: Connection, table: Table, columns: Sequence[str], *where: ColumnElement[bool]
) -> list[SealedRow]:
    """Return rows with their seals."""
    return [SealedRow(values[:-1], values[-1]) for values in rows(connection, table, [*columns, "mac"], *where)]


def macs(
    connection: Connection, table: Table, students: Collection[str], *where: ColumnElement[bool]
) -> list[bytes | None]:
    """Return the seals of the rows about these students."""
    if len(students) > _MOST_NAMED:
        wanted = set(students)
        return [mac for student, mac in rows(connection, table, ("student", "mac"), *where) if student in wanted]
    found: list[bytes | None] = []
    for chunk in chunked(sorted(students), _CHUNK):
        named = table.c.student.in_(chunk)
        found += [mac for _, mac in rows(connection, table, ("student", "mac"), *where, named)]
    return found


def people(connection: Connection, cohort: str, students: Collection[str]) -> dict[str, SealedRow]:
    """Return student → row, followed by the aliases, which its seal covers too."""
    person, alias = tables.student, tables.alias
    found: dict[str, SealedRow] = {}
    for chunk in chunked(sorted(students), _CHUNK):
        found |= _with_aliases(
            sealed(connection, person, STUDENT, person.c.cohort == cohort, person.c.student.in_(chunk)),
            _aliases_by_student(connection, alias.c.cohort == cohort, alias.c.student.in_(chunk)),
        )
    return found


def aliases_covered(aliases: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """Return a student's aliases as the seal covers them: number and kind alternately, in the numbers' order."""
    return tuple(word for pair in sorted(aliases) for word in pair)


def _aliases_by_student(connection: Connection, *where: ColumnElement[bool]) -> dict[str, list[tuple[str, str]]]:
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for student, alias, kind in rows(connection, tables.alias, ("student", "alias", "kind"), *where):
        found[student].append((alias, kind))
    return found


def _with_aliases(found: list[SealedRow], aliases: Mapping[str, list[tuple[str, str]]]) -> dict[str, SealedRow]:
    at = STUDENT.index("student")
    return {
        row.values[at]: SealedRow((*row.values, *aliases_covered(aliases.get(row.values[at], ()))), row.mac)
        for row in found
    }


def states(connection: Connection, cohort: str, sources: Collection[str]) -> list[tuple[str, Values]]:
    """Return each of these sources' own row, in the sources' order."""
    state = tables.source_state
    if not sources:
        return []
    where = (state.c.cohort == cohort, state.c.source.in_(list(sources)))
    return sorted((values[1], values) for values in rows(connection, state, STATE, *where))


def any_sealed(connection: Connection, cohort: str) -> bool:
    """Return whether any row of the cohort has a seal."""
    return any(
        connection.execute(select(exists().where(table.c.cohort == cohort, table.c.mac.is_not(None)))).scalar_one()
        for table in (tables.decision, tables.student, tables.record, tables.certificate)
    )


def pages(
    connection: Connection, table: Table, columns: Sequence[str], key: Column[int], *where: ColumnElement[bool]
) -> Iterator[Values]:
    """Yield rows in the order of `key`, the first of the columns, some at a time."""
    query = select(*(table.c[name] for name in columns)).where(*where).order_by(key).limit(_AT_ONCE)
    page = fetched(connection, query)
    while page:
        yield from page
        page = fetched(connection, query.where(key > page[-1][0])) if len(page) == _AT_ONCE else []


def past_runs(cohort: str, newest: int) -> tuple[ColumnElement[bool], ...]:
    """Return the condition for runs up to this one that were applied or confirmed, and have no link of their own."""
    run, ledger = tables.run, tables.ledger
    own_link = exists().where(ledger.c.cohort == cohort, ledger.c.run == run.c.run, ledger.c.kind == "run")
    done = run.c.state.in_((RunState.APPLIED, RunState.UNCHANGED))
    return run.c.cohort == cohort, run.c.run <= newest, done, ~own_link


def shares(connection: Connection, cohort: str) -> Iterator[tuple[str | None, str | None]]:
    """Yield ranges of student numbers (above the first, up to the second), each with a bounded number of students.

    Every row about any number is in exactly one of them.
    """
    person, low = tables.student, None
    while True:
        query = select(person.c.student).where(person.c.cohort == cohort)
        if low is not None:
            query = query.where(person.c.student > low)
        high = connection.execute(query.order_by(person.c.student).offset(_AT_ONCE - 1).limit(1)).scalar()
        yield low, high
        if high is None:
            return
        low = high


def share(connection: Connection, cohort: str, low: str | None, high: str | None) -> NumberRange:
    """Return everything about the students in one range."""

    def within(table: Table) -> list[ColumnElement[bool]]:
        number = table.c.student
        bounds = [number > low] if low is not None else []
        return [table.c.cohort == cohort, *bounds, *([number <= high] if high is not None else [])]

    person, record, decision, status, flip = (
        tables.student, tables.record, tables.decision, tables.status, tables.flip,
    )  # fmt: skip
    aliases = _aliases_by_student(connection, *within(tables.alias))
    found = _with_aliases(sealed(connection, person, STUDENT, *within(person)), aliases)
    flips = rows(connection, flip, ("flip", *FLIP), *within(flip))
    return NumberRange(
        people=list(found.values()),
        records=sealed(connection, record, RECORD, *within(record)),
        decisions=sealed(connection, decision, DECISION, *within(decision)),
        certificates=sealed(connection, tables.certificate, CERTIFICATE, *within(tables.certificate)),
        statuses=rows(connection, status, _covered_columns(status), *within(status)),
        flips=sorted(flips, key=lambda values: int(values[0])),
        astray=[(student, alias) for student, pairs in aliases.items() if student not in found for alias, _ in pairs],
    )
