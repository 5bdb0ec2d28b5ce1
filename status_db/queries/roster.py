"""Queries of the roster as a whole: the values of its columns, and the colleges of each flow."""

from collections.abc import Mapping, Sequence

from sqlalchemy import Engine, bindparam, select

from status_db import tables
from status_db.accounts.grants import SCOPE_COLUMNS
from status_db.store.engine import reading

# Built once, because every page of a student asks it.
_COHORTS = select(tables.student.c.cohort, tables.student.c.active).where(
    tables.student.c.cohort.in_(bindparam("cohorts", expanding=True)), tables.student.c.student == bindparam("student")
)


class RosterReader:
    """Reads a cohort's roster. Raises StoreError."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def values(self, cohort: str) -> Mapping[str, tuple[str, ...]]:
        """Return scope column → its values on the roster, in order, without empty ones."""
        person = tables.student
        found: dict[str, tuple[str, ...]] = {}
        with reading(self._engine) as connection:
            for name in SCOPE_COLUMNS:
                column = person.c[name]
                here = (person.c.cohort == cohort, person.c.active, column != "")
                values = connection.execute(select(column).where(*here).distinct()).scalars()
                # Sorted in Python: databases sort Chinese text differently.
                found[name] = tuple(sorted(values))
        return found

    def cohorts_of(self, student: str, among: Sequence[str]) -> tuple[str, ...]:
        """Return those of these cohorts whose roster has a student, in their order.

        Cohorts whose roster the student has left are returned only if the student has left all of them.
        """
        with reading(self._engine) as connection:
            rows = connection.execute(_COHORTS, {"cohorts": list(among), "student": student}).all()
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
