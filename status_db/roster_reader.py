"""What is read of the roster as a whole: which values its columns have, and which colleges are in which flow."""

from collections.abc import Mapping

from sqlalchemy import Engine, select

from status_db import tables
from status_db.engine import reading
from status_db.grants import SCOPE_COLUMNS


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
