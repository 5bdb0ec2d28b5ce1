"""Queries of runs: paged lists, suspended runs with their votes, and unmatched keys."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Row, func, or_, select, type_coerce, union_all
from sqlalchemy.types import Text

from status_db import tables
from status_db.failed_runs import failed_runs
from status_db.failing import FailedRuns
from status_db.marks.approvals import ApprovalVote, ApprovalVotes
from status_db.marks.impact import Impact, impact_from_text
from status_db.model import RunState
from status_db.store.engine import reading
from status_db.stored_counts import RunCounts, reverting_in_json
from status_db.views import RunView, UnmatchedKeyView


class RunReader:
    """Reads a cohort's runs and unmatched keys. Raises StoreError."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def listed(
        self,
        cohort: str,
        *,
        sources: Collection[str] | None = None,
        state: RunState | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> tuple[RunView, ...]:
        """Return runs, the newest first; filtered by sources, state and run number."""
        run = tables.run
        conditions = [run.c.cohort == cohort]
        if sources is not None:
            conditions.append(run.c.source.in_(list(sources)))
        if state is not None:
            conditions.append(run.c.state == state)
        if before is not None:
            conditions.append(run.c.run < before)
        with reading(self._engine) as connection:
            return run_views(connection, *conditions, limit=limit)

    def recent(self, cohort: str, sources: Collection[str], each: int) -> tuple[RunView, ...]:
        """Return the newest runs of each of these sources that read all of it, the newest first.

        One statement, which the index of cohort and source answers: a long season makes it no slower.
        """
        run = tables.run
        newest = [
            select(
                select(run.c.run)
                .where(run.c.cohort == cohort, run.c.source == source, run.c.student.is_(None))
                .order_by(run.c.run.desc())
                .limit(each)
                .subquery()
                .c.run
            )
            for source in sources
        ]
        with reading(self._engine) as connection:
            return run_views(connection, run.c.run.in_(union_all(*newest)), limit=each * len(newest))

    def look(self, cohort: str, run: int) -> Impact | None:
        """Return the impact of a suspended run; None if it is no longer suspended or its impact is not stored."""
        pending, known = tables.pending, tables.run
        with reading(self._engine) as connection:
            text = connection.execute(
                select(pending.c.look)
                .join(known, known.c.run == pending.c.run)
                # The impact must belong to the change that people vote on.
                .where(pending.c.run == run, known.c.cohort == cohort, known.c.plan_digest == pending.c.digest)
            ).scalar()
        return impact_from_text(text) if text is not None else None

    def newest_pull(self, cohort: str, source: str, run: int) -> RunView | None:
        """Return the newest pull of a source after a run, if it has ended; its digest names what it would change."""
        table = tables.run
        later = (table.c.cohort == cohort, table.c.source == source, table.c.run > run, table.c.student.is_(None))
        with reading(self._engine) as connection:
            return next(iter(run_views(connection, *later, table.c.ended.is_not(None), limit=1)), None)

    def has_way_back(self, run: int) -> bool:
        """Return whether the records that a run replaced are stored, so that it can be reverted."""
        kept = tables.reversal
        with reading(self._engine) as connection:
            return connection.execute(select(kept.c.run).where(kept.c.run == run)).first() is not None

    def reverting(self, cohort: str, source: str, run: int) -> RunView | None:
        """Return the newest run that reverts a run of a source, or would revert it after approval."""
        table = tables.run
        counts = type_coerce(table.c.counts, Text)
        names = or_(*(counts.contains(text) for text in reverting_in_json(run)))
        later = (table.c.cohort == cohort, table.c.source == source, table.c.run > run)
        with reading(self._engine) as connection:
            return next(iter(run_views(connection, *later, names, limit=1)), None)

    def votes(self, cohort: str, run: int) -> tuple[ApprovalVote, ...]:
        """Return the votes on a run's current digest, in order."""
        return ApprovalVotes(self._engine, cohort).of_run(run)

    def failed(self, cohort: str, source: str) -> FailedRuns | None:
        """Return the runs of a source that have failed since its last good answer; None if there is none."""
        with reading(self._engine) as connection:
            return failed_runs(connection, cohort, source)

    def ledger_link(self, cohort: str) -> int:
        """Return the number of the ledger's newest link; 0 before the first."""
        table = tables.ledger
        with reading(self._engine) as connection:
            newest = connection.execute(select(func.max(table.c.link)).where(table.c.cohort == cohort)).scalar()
        return newest or 0

    def unmatched_keys(
        self,
        cohort: str,
        source: str | None = None,
        *,
        text: str = "",
        hinted: bool = False,
        offset: int = 0,
        limit: int | None = 100,
    ) -> tuple[UnmatchedKeyView, ...]:
        """Return unmatched keys, those with a match hint first.

        `hinted` returns only these; `text` only those with this text in the key or in the student's number.
        """
        with reading(self._engine) as connection:
            return unmatched_rows(connection, cohort, source, text=text, hinted=hinted, offset=offset, limit=limit)

    def unmatched_keys_counted(self, cohort: str) -> Mapping[str, Counter[str]]:
        """Return source → the number of unmatched keys by match hint."""
        table = tables.unmatched_key
        query = select(table.c.source, table.c.near, func.count()).where(table.c.cohort == cohort)
        counted: dict[str, Counter[str]] = {}
        with reading(self._engine) as connection:
            for source, near, count in connection.execute(query.group_by(table.c.source, table.c.near)):
                counted.setdefault(source, Counter())[near] += count
        return counted


def unmatched_rows(
    connection: Connection,
    cohort: str,
    source: str | None = None,
    *,
    text: str = "",
    hinted: bool = False,
    offset: int = 0,
    limit: int | None = None,
) -> tuple[UnmatchedKeyView, ...]:
    """Return the unmatched rows of one source or all, those with a match hint first."""
    table = tables.unmatched_key
    query = select(table).where(table.c.cohort == cohort)
    if source is not None:
        query = query.where(table.c.source == source)
    if hinted:
        query = query.where(table.c.near != "")
    if text:
        query = query.where(
            or_(table.c.key.contains(text, autoescape=True), table.c.student.contains(text, autoescape=True))
        )
    query = query.order_by(table.c.near == "", table.c.source, table.c.key)
    if limit is not None:
        query = query.offset(offset).limit(limit)
    return tuple(UnmatchedKeyView(r.source, r.key, r.near, r.student) for r in connection.execute(query))


def run_views(connection: Connection, *conditions: ColumnElement[bool], limit: int = 200) -> tuple[RunView, ...]:
    """Return runs, the newest first."""
    table = tables.run
    rows = connection.execute(select(table).where(*conditions).order_by(table.c.run.desc()).limit(limit))
    return tuple(_run_view(row) for row in rows)


def _run_view(row: Row[Any]) -> RunView:
    counts = RunCounts.from_stored(row.counts)
    return RunView(
        run=row.run,
        source=row.source,
        slot=row.slot,
        state=RunState(row.state),
        began=row.began,
        ended=row.ended,
        by=row.by,
        student=row.student,
        message=row.message,
        fault=row.fault,
        counts=replace(counts, reasons=()),
        proofs=row.proofs,
        decided_by=row.decided_by,
        decided_at=row.decided_at,
        digest=row.plan_digest,
        reasons=counts.reasons,
    )
