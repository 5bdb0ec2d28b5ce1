"""Leavers: who leaves with a cohort, for what is made for each: an account, a one-time code. It writes nothing."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Engine, select

from status_db import tables
from status_db.store.engine import reading


@dataclass(frozen=True, slots=True)
class Leaver:
    """One student who leaves."""

    student: str
    name: str
    college: str
    class_name: str


class Leavers:
    """Lists them. An engine of `open_reading` will do. Raises StoreError when the database fails."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def listed(self, cohort: str, inside: Mapping[str, str]) -> tuple[Leaver, ...]:
        """Return those with these values in their roster columns, by college, class and number."""
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
        """Return what stands in one roster column of a cohort's leavers."""
        person = tables.student
        query = select(person.c[column]).where(person.c.cohort == cohort, person.c.active, person.c.flow.is_not(None))
        with reading(self._engine) as connection:
            return set(connection.execute(query.distinct()).scalars())
