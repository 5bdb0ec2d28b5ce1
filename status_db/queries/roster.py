"""What is read of the roster as a whole: which values its columns have, and which colleges are in which flow."""

from collections.abc import Mapping, Sequence

from sqlalchemy import Engine, select

from status_db import tables
from status_db.accounts.grants import SCOPE_COLUMNS
from status_db.store.engine import reading


class RosterReader:
    """Answers questions about a cohort's roster. Raises StoreError."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def values(self, cohort: str) -> Mapping[str, tuple[str, ...]]:
        """Return scope column → the values that students on the roster have, in order; empty ones left out."""
        person = tables.student
        found: dict[str, tuple[str, ...]] = {}
        with reading(self._engine) as connection:
            for name in SCOPE_COLUMNS:
                column = person.c[name]
                here = (person.c.cohort == cohort, person.c.active, column != "")
                values = connection.execute(select(column).where(*here).distinct()).scalars()
                # Sorted here: databases disagree on the order of Chinese words.
                found[name] = tuple(sorted(values))
        return found

    def cohorts_of(self, student: str, among: Sequence[str]) -> tuple[str, ...]:
        """Return which of these cohorts have a student on the roster, in their order.

        One whose roster the student has left counts only where every roster has been left.
        """
        person = tables.student
        here = (person.c.cohort.in_(among), person.c.student == student)
        with reading(self._engine) as connection:
            rows = connection.execute(select(person.c.cohort, person.c.active).where(*here)).all()
        found = {cohort for cohort, active in rows if active} or {cohort for cohort, _ in rows}
        return tuple(cohort for cohort in among if cohort in found)

    def colleges(self, cohort: str) -> Mapping[str, tuple[str, ...]]:
        """Return flow → the colleges of its students, in order."""
        person = tables.student
        here = (person.c.cohort == cohort, person.c.active, person.c.flow.is_not(None))
        found: dict[str, list[str]] = {}
        with reading(self._engine) as connection:
            rows = connection.execute(select(person.c.flow, person.c.college).where(*here).distinct()).all()
        for flow, college in sorted(rows):
            found.setdefault(flow, []).append(college)
        return {flow: tuple(colleges) for flow, colleges in found.items()}
