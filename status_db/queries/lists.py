"""Lists of students within an account's visibility: filtered, sorted, and paged by key, never by offset.

Lists use the same statement as the counts to select students. The steps of a row are computed as on the student's own
page.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeAlias

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Row,
    Select,
    and_,
    exists,
    func,
    literal,
    or_,
    select,
    true,
    tuple_,
)

from config.settings import Settings
from status_db import tables
from status_db.effective.step_rows import since
from status_db.effective.step_status import by_keys, evidence_of, freshness, steps_of_many
from status_db.effective.visible import Visibility, any_step, inside, leaving
from status_db.effective_status import StepStatus
from status_db.model import State, normalise_number
from status_db.store.engine import reading
from status_db.views import StepSource

#: The number of students that an export reads at a time.
_CHUNK = 500


class ListSelection(StrEnum):
    """Which students a list shows; a list can also select a step's state."""

    #: Students who have something to do.
    TO_DO = "to_do"
    #: Of these, students with a step not cleared; students with only steps not yet done.
    OWES = "owes"
    UNDONE = "undone"
    #: Students who have nothing to do and are not all clear.
    WAITS = "waits"
    #: Students who are not all clear.
    NOT_CLEAR = "not_clear"
    #: Students who are all clear.
    CLEAR = "clear"
    #: Students with a step whose answer is too old.
    STALE = "stale"
    #: Students with a decided step whose finding has changed since.
    DISPUTED = "disputed"
    #: Students with doubtful records, which have no result.
    DOUBTFUL = "doubtful"
    #: Students who are all clear and have no certificate; students who have one.
    REVIEWED = "reviewed"
    ISSUED = "issued"
    ALL = "all"


class Order(StrEnum):
    """The order of a list; ties are sorted by number."""

    CLASS = "class"
    NUMBER = "number"
    NAME = "name"
    #: The step's finding that is unchanged for the longest time first; by number if the filter has no step.
    SINCE = "since"


@dataclass(frozen=True, slots=True)
class Filter:
    """The filter of a list. An empty text and an empty mapping do not filter."""

    wanted: ListSelection | State = ListSelection.TO_DO
    #: The step to which `wanted` applies; None for any step.
    step: str | None = None
    #: Roster column → the value it must have.
    columns: Mapping[str, str] = field(default_factory=dict)
    #: The beginning of a number, or a part of a name.
    text: str = ""
    order: Order = Order.CLASS
    #: Only these numbers, in normal form; None does not filter.
    numbers: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class ListedStudent:
    """One row of a list."""

    student: str
    name: str
    level: str
    college: str
    class_name: str
    campus: str
    building: str
    category: str
    #: The visible steps in the order of the flow. Their obligations have only keys.
    steps: tuple[StepStatus, ...]
    #: The row's sort key.
    key: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ListPage:
    """One page of a list."""

    rows: tuple[ListedStudent, ...]
    #: Whether there are rows after it, and before it.
    more: bool
    earlier: bool
    freshness: Mapping[str, StepSource]


_LISTED = tables.student.alias("listed")
_HELD = tables.certificate.alias("held")

_Condition: TypeAlias = Callable[[Mapping[str, ColumnElement[Any]]], ColumnElement[bool]]


def _to_do(seen: Mapping[str, ColumnElement[Any]]) -> ColumnElement[bool]:
    return seen["to_do"] == 1


def _is_owed(seen: Mapping[str, ColumnElement[Any]]) -> ColumnElement[bool]:
    return and_(seen["to_do"] == 1, seen["state"] != State.NOT_DONE)


def _not_clear(seen: Mapping[str, ColumnElement[Any]]) -> ColumnElement[bool]:
    return seen["clear"] == 0


#: The condition that at least one step must meet, and the condition that no step is allowed to meet.
_CONDITIONS: Mapping[ListSelection, tuple[_Condition, _Condition | None]] = {
    ListSelection.TO_DO: (_to_do, None),
    ListSelection.OWES: (_is_owed, None),
    ListSelection.UNDONE: (_to_do, _is_owed),
    ListSelection.WAITS: (_not_clear, _to_do),
    ListSelection.NOT_CLEAR: (_not_clear, None),
    ListSelection.CLEAR: (lambda _: true(), _not_clear),
    ListSelection.STALE: (lambda seen: seen["stale"] == 1, None),
    ListSelection.DISPUTED: (lambda seen: seen["disputed"] == 1, None),
    ListSelection.DOUBTFUL: (lambda seen: seen["doubtful"] == 1, None),
    ListSelection.REVIEWED: (lambda _: true(), _not_clear),
    ListSelection.ISSUED: (lambda _: true(), None),
    ListSelection.ALL: (lambda _: true(), None),
}


class Lists:
    """Reads lists of students. An engine of `open_reading` is enough. Raises StoreError."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self._engine = engine
        self._settings = settings

    def leaf(
        self,
        visibility: Visibility,
        chosen: Filter,
        now: datetime,
        limit: int,
        *,
        after: Sequence[str] | None = None,
        before: Sequence[str] | None = None,
    ) -> ListPage:
        """Return the rows after a key, those before one, or the first ones."""
        with reading(self._engine) as connection:
            fresh = freshness(connection, self._settings, visibility.cohort)
            query = self._list_query(visibility, chosen, fresh, now)
            key = self._key(chosen)
            if before is not None:
                query = query.where(tuple_(*key) < _key_values(key, before))
                query = query.order_by(*(column.desc() for column in key))
            else:
                query = query if after is None else query.where(tuple_(*key) > _key_values(key, after))
                query = query.order_by(*key)
            found = connection.execute(query.limit(limit + 1)).all()
            people = found[:limit] if before is None else found[:limit][::-1]
            rows = self._listed_students(connection, visibility, chosen, people, fresh, now)
        beyond = len(found) > limit
        if before is not None:
            return ListPage(rows, more=True, earlier=beyond, freshness=fresh)
        return ListPage(rows, more=beyond, earlier=after is not None, freshness=fresh)

    def count(self, visibility: Visibility, chosen: Filter, now: datetime, most: int) -> int:
        """Return the number of students of a list, at most `most` + 1, because counting all would take long."""
        with reading(self._engine) as connection:
            fresh = freshness(connection, self._settings, visibility.cohort)
            listed = self._list_query(visibility, chosen, fresh, now).limit(most + 1).subquery()
            return connection.execute(select(func.count()).select_from(listed)).scalar_one()

    def whole(
        self, visibility: Visibility, chosen: Filter, now: datetime, detailed: Collection[str] = ()
    ) -> Iterator[ListedStudent]:
        """Yield every row of a list in its order, from one snapshot of the database, with few rows in memory.

        The steps of `detailed` have full obligations: titles, amounts, dates.
        """
        with reading(self._engine) as connection:
            fresh = freshness(connection, self._settings, visibility.cohort)
            query = self._list_query(visibility, chosen, fresh, now).order_by(*self._key(chosen))
            for people in connection.execute(query, execution_options={"yield_per": _CHUNK}).partitions():
                yield from self._listed_students(connection, visibility, chosen, people, fresh, now, detailed)

    def choices(self, visibility: Visibility, column: str, within: Mapping[str, str], most: int) -> tuple[str, ...]:
        """Return the values of a roster column among the visible students; empty if there are more than `most`."""
        person = tables.student
        query = (
            select(person.c[column])
            .where(leaving(visibility), *(person.c[name] == value for name, value in within.items()))
            .distinct()
            .order_by(person.c[column])
            .limit(most + 1)
        )
        with reading(self._engine) as connection:
            values = connection.execute(query).scalars().all()
        return tuple(value for value in values if value) if len(values) <= most else ()

    def groups(self, visibility: Visibility, columns: Sequence[str]) -> tuple[tuple[str, ...], ...]:
        """Return the distinct combinations of values in these roster columns, in order, among the visible students.

        Only students whose flow has one of the steps are included.
        """
        wanted = [tables.student.c[column] for column in columns]
        flows = [flow.key for flow in self._settings.flow if any(e.step in visibility.steps for e in flow.entries)]
        own = (leaving(visibility), tables.student.c.flow.in_(flows))
        with reading(self._engine) as connection:
            found = connection.execute(select(*wanted).where(*own).distinct().order_by(*wanted))
            return tuple(tuple(row) for row in found)

    def freshness(self, cohort: str) -> dict[str, StepSource]:
        """Return the freshness of each synced step."""
        with reading(self._engine) as connection:
            return freshness(connection, self._settings, cohort)

    def _list_query(
        self, visibility: Visibility, chosen: Filter, fresh: Mapping[str, StepSource], now: datetime
    ) -> Select[Any]:
        query = select(_LISTED, *self._key(chosen)[:1]) if _by_age(chosen) else select(_LISTED)
        query = query.where(
            leaving(visibility, _LISTED), *(_LISTED.c[name] == value for name, value in chosen.columns.items())
        )
        if chosen.text:
            number, name = normalise_number(chosen.text), chosen.text.strip()
            query = query.where(
                or_(
                    _LISTED.c.student.startswith(number, autoescape=True),
                    _LISTED.c.name.contains(name, autoescape=True),
                )
            )
        if chosen.wanted in (ListSelection.REVIEWED, ListSelection.ISSUED):
            held = exists(select(_HELD.c.certificate).where(_HELD.c.revoked_at.is_(None), *_same(_HELD)))
            query = query.where(held if chosen.wanted is ListSelection.ISSUED else ~held)
        if chosen.numbers is not None:
            query = query.where(_LISTED.c.student.in_(chosen.numbers))
        own = visibility if chosen.step is None else visibility.only(chosen.step)
        some, none = self._conditions(chosen.wanted)
        query = query.where(any_step(self._settings, own, fresh, now, _LISTED, some))
        return query if none is None else query.where(~any_step(self._settings, own, fresh, now, _LISTED, none))

    def _key(self, chosen: Filter) -> tuple[Any, ...]:
        number = _LISTED.c.student
        match chosen.order:
            case Order.CLASS:
                return (_LISTED.c.college, _LISTED.c["class"], number)
            case Order.NAME:
                return (_LISTED.c.name, number)
            case Order.SINCE if chosen.step is not None:
                return (since(self._settings, _LISTED, chosen.step).label("since"), number)
            case Order.NUMBER | Order.SINCE:
                return (number,)

    def _conditions(self, wanted: ListSelection | State) -> tuple[_Condition, _Condition | None]:
        if isinstance(wanted, State):
            return lambda seen: seen["state"] == wanted, None
        return _CONDITIONS[wanted]

    def _listed_students(
        self,
        connection: Connection,
        visibility: Visibility,
        chosen: Filter,
        people: Sequence[Row[Any]],
        fresh: Mapping[str, StepSource],
        now: datetime,
        detailed: Collection[str] = (),
    ) -> tuple[ListedStudent, ...]:
        flows = {row.student: flow for row in people if (flow := self._settings.flow_named(row.flow)) is not None}
        evidence = evidence_of(connection, self._settings, visibility.cohort, flows, detailed) if detailed else by_keys
        steps = steps_of_many(connection, visibility.cohort, flows, fresh, now, evidence)
        own = self._readable(connection, visibility, list(flows))
        names = [column.name for column in self._key(chosen)]
        return tuple(
            ListedStudent(
                student=row.student,
                name=row.name,
                level=row.level,
                college=row.college,
                class_name=row._mapping["class"],  # noqa: SLF001 - SQLAlchemy's public name for a row by column
                campus=row.campus,
                building=row.building,
                category=row.category,
                steps=tuple(status for status in steps.get(row.student, ()) if (row.student, status.step) in own),
                key=tuple(_in_key(row._mapping[name]) for name in names),  # noqa: SLF001
            )
            for row in people
        )

    def _readable(
        self, connection: Connection, visibility: Visibility, students: Sequence[str]
    ) -> set[tuple[str, str]]:
        """Return the visible steps of each of these students; steps with the same scopes share a query."""
        person = tables.student
        together: dict[str, tuple[Any, list[str]]] = {}
        for step, scopes in visibility.steps.items():
            together.setdefault(repr(scopes), (scopes, []))[1].append(step)
        found: set[tuple[str, str]] = set()
        for scopes, steps in together.values():
            query = select(person.c.student).where(
                person.c.cohort == visibility.cohort, person.c.student.in_(students), inside(scopes)
            )
            found |= {(student, step) for student in connection.execute(query).scalars() for step in steps}
        return found


def _same(table: Any) -> tuple[ColumnElement[bool], ColumnElement[bool]]:  # noqa: ANN401 - an alias of a table
    """Return the conditions that a row of a table is about the listed student."""
    return table.c.cohort == _LISTED.c.cohort, table.c.student == _LISTED.c.student


def _by_age(chosen: Filter) -> bool:
    return chosen.order is Order.SINCE and chosen.step is not None


def _in_key(value: Any) -> str:  # noqa: ANN401 - a column of the key
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _key_values(key: tuple[Any, ...], values: Sequence[str]) -> Any:  # noqa: ANN401 - SQLAlchemy's own
    """Return a sort key, each value with the type of its column."""
    parts = zip(key, values, strict=True)
    return tuple_(*(literal(datetime.fromisoformat(v) if c.name == "since" else v, c.type) for c, v in parts))
