"""Students by their numbers: own numbers, aliases such as cards, and numbers that two students share."""

from collections.abc import Collection, Iterator

from sqlalchemy import ColumnElement, Connection, and_, func, select

from foundation.chunks import chunked
from status_db import tables
from status_db.model import (
    RENUMBERED,
)  # fmt: skip

#: How many values fit into one IN on every database.
_CHUNK = 5_000


class RosterNumbers:
    """The numbers of one cohort's roster in one consistent read."""

    def __init__(self, connection: Connection, cohort: str, others: Collection[str] = ()) -> None:
        """`others` are the other open cohorts: a source can contain rows about their students too."""
        self._connection = connection
        self._cohort = cohort
        self._others = tuple(others)

    def listed(self, numbers: Collection[str]) -> dict[str, bool]:
        """Return those of the numbers that are students on the roster, and whether each is leaving."""
        table = tables.student
        found: dict[str, bool] = {}
        for chunk in chunked(sorted(numbers), _CHUNK):
            for student, flow in self._connection.execute(
                select(table.c.student, table.c.flow).where(
                    table.c.cohort == self._cohort, table.c.student.in_(chunk), table.c.active
                )
            ):
                found[student] = flow is not None
        return found

    def leaving(self, numbers: Collection[str]) -> set[str]:
        """Return those of the numbers that are leaving students on the roster."""
        return {student for student, leaves in self.listed(numbers).items() if leaves}

    def lengths(self) -> frozenset[int]:
        """Return how many characters the leaving students' own numbers have."""
        table = tables.student
        return frozenset(
            self._connection.execute(
                select(func.length(table.c.student))
                .where(table.c.cohort == self._cohort, table.c.active, table.c.flow.is_not(None))
                .distinct()
            ).scalars()
        )

    def ends(self) -> frozenset[tuple[int, str, str]]:
        """Return length, first and last character of the own numbers of all on the roster, leaving or not."""
        number = tables.student.c.student
        query = (
            select(func.length(number), func.substr(number, 1, 1), func.substr(number, func.length(number), 1))
            .where(tables.student.c.cohort == self._cohort, tables.student.c.active)
            .distinct()
        )
        return frozenset((length, first, last) for length, first, last in self._connection.execute(query))

    def named(self, names: Collection[str]) -> dict[str, list[str]]:
        """Return each of the names that leaving students bear, with the students, in order."""
        table = tables.student
        found: dict[str, list[str]] = {}
        for chunk in chunked(sorted(names), _CHUNK):
            for student, name in self._connection.execute(
                select(table.c.student, table.c.name)
                .where(
                    table.c.cohort == self._cohort,
                    table.c.name.in_(chunk),
                    table.c.active,
                    table.c.flow.is_not(None),
                )
                .order_by(table.c.student)
            ):
                found.setdefault(name, []).append(student)
        return found

    def owners(self, numbers: Collection[str]) -> dict[str, list[str]]:
        """Return alias → the leaving students on the roster who have it, in order."""
        alias, person = tables.alias, tables.student
        found: dict[str, list[str]] = {}
        for chunk in chunked(sorted(numbers), _CHUNK):
            for row in self._connection.execute(
                select(alias.c.alias, alias.c.student)
                .join(person, and_(person.c.cohort == alias.c.cohort, person.c.student == alias.c.student))
                .where(
                    alias.c.cohort == self._cohort,
                    alias.c.alias.in_(chunk),
                    person.c.active,
                    person.c.flow.is_not(None),
                )
                .order_by(alias.c.alias, alias.c.student)
            ):
                found.setdefault(row.alias, []).append(row.student)
        return found

    def punctuated(self, *, own: bool = False) -> dict[str, set[str]]:
        """Return each number with other characters than digits and Latin letters, with the leaving students it means.

        `own`: of their own numbers only, not of their aliases.
        """
        alias, person = tables.alias, tables.student
        leaving = (person.c.cohort == self._cohort, person.c.active, person.c.flow.is_not(None))
        same = and_(person.c.cohort == alias.c.cohort, person.c.student == alias.c.student)
        queries = [select(person.c.student, person.c.student).where(*leaving, self._is_punctuated(person.c.student))]
        if not own:
            others = select(alias.c.alias, alias.c.student).join(person, same)
            queries.append(others.where(*leaving, self._is_punctuated(alias.c.alias)))
        found: dict[str, set[str]] = {}
        for query in queries:
            for number, student in self._connection.execute(query):
                found.setdefault(number, set()).add(student)
        return found

    def _is_punctuated(self, column: ColumnElement[str]) -> ColumnElement[bool]:
        if self._connection.dialect.name == "postgresql":
            return column.regexp_match("[^0-9A-Za-z]")
        return column.op("GLOB", is_comparison=True)("*[^0-9A-Za-z]*")

    def aliases_of(self, student: str) -> tuple[str, ...]:
        """Return a student's other numbers, in order."""
        table = tables.alias
        return tuple(
            self._connection.execute(
                select(table.c.alias)
                .where(table.c.cohort == self._cohort, table.c.student == student)
                .order_by(table.c.alias)
            ).scalars()
        )

    def numbers_with(self, students: Collection[str]) -> dict[str, tuple[str, ...]]:
        """Return each of these students with every number of theirs, their own first. All aliases are read."""
        table = tables.alias
        found: dict[str, list[str]] = {student: [student] for student in sorted(students)}
        rows = self._connection.execute(
            select(table.c.student, table.c.alias).where(table.c.cohort == self._cohort).order_by(table.c.alias)
        )
        for student, alias in rows:
            if student in found:
                found[student].append(alias)
        return {student: tuple(numbers) for student, numbers in found.items()}

    def contested(self) -> dict[str, list[str]]:
        """Return every number that is one student's own and another's alias: it is unclear whom it means."""
        alias, person = tables.alias, tables.student
        rows = self._connection.execute(
            select(alias.c.alias, alias.c.student)
            .join(person, and_(person.c.cohort == alias.c.cohort, person.c.student == alias.c.alias))
            .where(alias.c.cohort == self._cohort, alias.c.student != alias.c.alias)
            .order_by(alias.c.alias, alias.c.student)
        ).all()
        found: dict[str, list[str]] = {}
        for number, owner in rows:
            found.setdefault(number, [number]).append(owner)
        for number, owner in self._contested_with_others():
            found.setdefault(number, []).append(owner)
        return found

    def _contested_with_others(self) -> Iterator[tuple[str, str]]:
        """Yield every own number of one open cohort that is an alias in another, with its student here."""
        if not self._others:
            return
        alias, person, bearer = tables.alias, tables.student, tables.student.alias("bearer")
        pairs = (
            select(alias.c.alias, alias.c.student, alias.c.cohort)
            .join(person, and_(person.c.student == alias.c.alias, person.c.cohort != alias.c.cohort))
            .join(bearer, and_(bearer.c.cohort == alias.c.cohort, bearer.c.student == alias.c.student))
            .where(person.c.active, bearer.c.active)
            .order_by(alias.c.alias, alias.c.student)
        )
        others = list(self._others)
        theirs = pairs.where(alias.c.cohort == self._cohort, person.c.cohort.in_(others))
        for number, owner, _ in self._connection.execute(theirs):
            yield number, owner
        ours = pairs.where(alias.c.cohort.in_(others), person.c.cohort == self._cohort)
        for number, _, _ in self._connection.execute(ours):
            yield number, number

    def elsewhere(self, numbers: Collection[str]) -> frozenset[str]:
        """Return those of the numbers that are a student's own or other number in another open cohort."""
        found: set[str] = set()
        alias, person, others = tables.alias, tables.student, list(self._others)
        if not others:
            return frozenset()
        for chunk in chunked(sorted(numbers), _CHUNK):
            own = select(person.c.student).where(person.c.cohort.in_(others), person.c.student.in_(chunk))
            found.update(self._connection.execute(own.where(person.c.active)).scalars())
            other = (
                select(alias.c.alias)
                .join(person, and_(person.c.cohort == alias.c.cohort, person.c.student == alias.c.student))
                .where(alias.c.cohort.in_(others), alias.c.alias.in_(chunk), person.c.active)
            )
            found.update(self._connection.execute(other).scalars())
        return frozenset(found)

    def numbers_of(self, students: Collection[str]) -> dict[str, tuple[str, ...]]:
        """Return each student with every number of theirs, the student's own first."""
        table = tables.alias
        found: dict[str, list[str]] = {student: [student] for student in students}
        for chunk in chunked(sorted(students), _CHUNK):
            for student, alias in self._connection.execute(
                select(table.c.student, table.c.alias)
                .where(table.c.cohort == self._cohort, table.c.student.in_(chunk))
                .order_by(table.c.alias)
            ):
                found[student].append(alias)
        return {student: tuple(numbers) for student, numbers in found.items()}

    def renumbered(self) -> dict[str, str]:
        """Return each number that was corrected, with the number in its place."""
        table = tables.alias
        corrected = select(table.c.alias, table.c.student).where(
            table.c.cohort == self._cohort, table.c.kind == RENUMBERED
        )
        return {row.alias: row.student for row in self._connection.execute(corrected)}

    def aliases(self) -> set[tuple[str, str, str]]:
        """Return every alias: alias, student, kind."""
        table = tables.alias
        return {
            (row.alias, row.student, row.kind)
            for row in self._connection.execute(select(table).where(table.c.cohort == self._cohort))
        }
