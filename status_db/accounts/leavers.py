"""The students who leave with a cohort, for making an account or a one-time code for each. Read-only."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Engine, select

from status_db import tables
from status_db.store.engine import reading


@dataclass(frozen=True, slots=True)
class Leaver:
    """A student who leaves."""

    student: str
    name: str
    college: str
    class_name: str


class Leavers:
    """Lists leavers. An engine of `open_reading` is enough. Raises StoreError if the database fails."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def listed(self, cohort: str, inside: Mapping[str, str]) -> tuple[Leaver, ...]:
        """Return the leavers with these values in their roster columns, by college, class and number."""
        person = tables.student
        query = (
            select(person.c.student, person.c.name, person.c.college, person.c["class"])
            .where(person.c.cohort == cohort, person.c.active, person.c.flow.is_not(None))
            .where(*(person.c[column] == value for column, value in inside.items()))
            .order_by(person.c.college, person.c["class"], person.c.student)
        )
        with reading(self._engine) as connection:
            return tuple(Leaver(*row) for row in connection.execute(query))

    def values(self, cohort: str, column: str) -> set[str]:
        """Return the values of one roster column of a cohort's leavers."""
        person = tables.student
        query = select(person.c[column]).where(person.c.cohort == cohort, person.c.active, person.c.flow.is_not(None))
        with reading(self._engine) as connection:
            return set(connection.execute(query.distinct()).scalars())
