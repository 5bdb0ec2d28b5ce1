"""Queries of several students by their numbers: which of them are in a scope, and their steps."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from sqlalchemy import Engine, select

from config.settings import Settings
from foundation.chunks import chunked
from status_db import tables
from status_db.effective.step_status import evidence_of, freshness, steps_of_many, student_from
from status_db.effective.visible import inside
from status_db.store.engine import reading
from status_db.views import Scope, StudentView

#: The number of student numbers in one query.
_CHUNK = 500


class NamedStudents:
    """Reads students by their numbers. An engine of `open_reading` is enough. Raises StoreError."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self._engine = engine
        self._settings = settings

    def inside(self, cohort: str, numbers: Collection[str], scopes: Sequence[Scope]) -> frozenset[str]:
        """Return those of these numbers that are on the cohort's roster and in one of the scopes."""
        person = tables.student
        found: set[str] = set()
        with reading(self._engine) as connection:
            for chunk in chunked(sorted(set(numbers)), _CHUNK):
                meant = (person.c.cohort == cohort, person.c.student.in_(chunk), inside(scopes))
                found.update(connection.execute(select(person.c.student).where(*meant)).scalars())
        return frozenset(found)

    def known_as(self, cohort: str, number: str) -> frozenset[str]:
        """Return the students of the cohort's roster that have this number, or a card with it."""
        person, alias = tables.student, tables.alias
        with reading(self._engine) as connection:
            own = select(person.c.student).where(person.c.cohort == cohort, person.c.student == number)
            cards = select(alias.c.student).where(alias.c.cohort == cohort, alias.c.alias == number)
            return frozenset(connection.execute(own.union(cards)).scalars())

    def students(self, cohort: str, numbers: Collection[str], now: datetime) -> Mapping[str, StudentView]:
        """Return number → the student at `now`, without history and certificate, for the rows of one page.

        Numbers that were never on the roster are left out.
        """
        person, listed = tables.student, list(numbers)
        with reading(self._engine) as connection:
            rows = connection.execute(
                select(person).where(person.c.cohort == cohort, person.c.student.in_(listed))
            ).all()
            flows = {
                row.student: flow
                for row in rows
                if row.active and (flow := self._settings.flow_named(row.flow)) is not None
            }
            evidence = evidence_of(connection, self._settings, cohort, flows)
            fresh = freshness(connection, self._settings, cohort)
            steps = steps_of_many(connection, cohort, flows, fresh, now, evidence)
        return {row.student: student_from(row, steps.get(row.student, ())) for row in rows}
