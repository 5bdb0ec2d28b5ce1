"""Reading the ledger: the rows that match their seals, and what `verify` needs, some rows at a time."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy import ColumnElement, Connection, Table, and_, select

from status_db import tables
from status_db.ledger import raw_rows
from status_db.ledger.seals import Seals
from status_db.model import RunState


@dataclass(frozen=True, slots=True)
class AppliedRun:
    """What a finding can name about the run that found it."""

    source: str
    #: As the driver returns it.
    ended: Any
    student: str | None


class LedgerReader:
    """Reads one cohort in one consistent read."""

    def __init__(self, connection: Connection, cohort: str) -> None:
        self._connection = connection
        self._cohort = cohort

    def links(self) -> Iterator[raw_rows.SealedRow]:
        """Yield every link in order."""
        table = tables.ledger
        columns = ("link", *raw_rows.LINK, "mac")
        for values in raw_rows.pages(self._connection, table, columns, table.c.link, table.c.cohort == self._cohort):
            yield raw_rows.SealedRow(values[1:-1], values[-1])

    def last_two(self) -> list[raw_rows.SealedRow]:
        """Return the newest link and the one before it."""
        table = tables.ledger
        query = select(*(table.c[name] for name in (*raw_rows.LINK, "mac"))).where(table.c.cohort == self._cohort)
        found = raw_rows.fetched(self._connection, query.order_by(table.c.link.desc()).limit(2))
        return [raw_rows.SealedRow(values[:-1], values[-1]) for values in found]

    def applied_settings(self) -> raw_rows.SealedRow | None:
        """Return the row of the applied settings; None where none are recorded."""
        table = tables.applied_settings
        found = raw_rows.sealed(self._connection, table, raw_rows.APPLIED, table.c.cohort == self._cohort)
        return found[0] if found else None

    def flips(self) -> Iterator[raw_rows.Values]:
        """Yield every flip, its number first, in the order in which they were made."""
        table = tables.flip
        columns = ("flip", *raw_rows.FLIP)
        return raw_rows.pages(self._connection, table, columns, table.c.flip, table.c.cohort == self._cohort)

    def runs(self, numbers: Collection[int]) -> dict[int, raw_rows.Values]:
        """Return run → row for the named ones."""
        run = tables.run
        found = raw_rows.rows(self._connection, run, raw_rows.RUN, run.c.run.in_(list(numbers)))
        return {values[0]: values for values in found}

    def past_runs(self, newest: int) -> Iterator[raw_rows.Values]:
        """Yield the runs applied or confirmed before the ledger was begun."""
        run = tables.run
        return raw_rows.pages(self._connection, run, raw_rows.RUN, run.c.run, *raw_rows.past_runs(self._cohort, newest))

    def unlinked_runs(self, after: int) -> list[int]:
        """Return runs later than `after` that are marked as applied or confirmed without a link; at most 100."""
        run, ledger = tables.run, tables.ledger
        query = (
            select(run.c.run)
            .outerjoin(
                ledger,
                and_(ledger.c.cohort == run.c.cohort, ledger.c.run == run.c.run, ledger.c.kind == "run"),
            )
            .where(
                run.c.cohort == self._cohort,
                run.c.run > after,
                run.c.state.in_((RunState.APPLIED, RunState.UNCHANGED)),
                ledger.c.link.is_(None),
            )
        )
        return [values[0] for values in raw_rows.fetched(self._connection, query.order_by(run.c.run).limit(100))]

    def applied(self) -> dict[int, AppliedRun]:
        """Return every run that was applied."""
        run = tables.run
        columns = ("run", "source", "ended", "student")
        where = (run.c.cohort == self._cohort, run.c.state == RunState.APPLIED)
        return {v[0]: AppliedRun(*v[1:]) for v in raw_rows.rows(self._connection, run, columns, *where)}

    def rechecked(self) -> dict[str, set[str]]:
        """Return student → the sources with a good recheck of that student."""
        run = tables.run
        where = (
            run.c.cohort == self._cohort,
            run.c.student.is_not(None),
            run.c.state.in_((RunState.APPLIED, RunState.UNCHANGED)),
        )
        found: dict[str, set[str]] = {}
        for student, source in raw_rows.rows(self._connection, run, ("student", "source"), *where):
            found.setdefault(student, set()).add(source)
        return found

    def states(self) -> dict[str, raw_rows.Values]:
        """Return source → its own row."""
        state = tables.source_state
        found = raw_rows.rows(self._connection, state, raw_rows.STATE, state.c.cohort == self._cohort)
        return {values[1]: values for values in found}

    def steps(self) -> dict[str, str]:
        """Return source → the step its row has."""
        state = tables.source_state
        return dict(raw_rows.rows(self._connection, state, ("source", "step"), state.c.cohort == self._cohort))

    def shares(self) -> Iterator[raw_rows.NumberRange]:
        """Yield everything about all students, some students at a time."""
        for low, high in raw_rows.shares(self._connection, self._cohort):
            yield raw_rows.share(self._connection, self._cohort, low, high)

    def behind(self, name: str) -> list[raw_rows.SealedRow]:
        """Return the sealed rows of expected changes, approvals or batches."""
        table = tables.marks.tables[name]
        return raw_rows.sealed(self._connection, table, raw_rows.SEALED[name], raw_rows.of_cohort(table, self._cohort))

    def any_sealed(self) -> bool:
        """Return whether any row has a seal."""
        return raw_rows.any_sealed(self._connection, self._cohort)


def vouched(
    connection: Connection, table: Table, columns: Sequence[str], seals: Seals, *where: ColumnElement[bool]
) -> frozenset[int]:
    """Return the numbers (first columns) of the rows that match their seals; log the others."""
    found: set[int] = set()
    for row in raw_rows.sealed(connection, table, columns, *where):
        if row.mac is not None and seals.row(table.name, row.values) == row.mac:
            found.add(row.values[0])
        else:
            structlog.get_logger("clearance.ledger").error(
                "stored row altered", table=table.name, key=str(row.values[0])
            )
    return frozenset(found)
