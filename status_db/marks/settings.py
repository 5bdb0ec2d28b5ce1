"""Writes of a change of settings: other steps for students, marks of removed sources retired, settings recorded."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, literal, select, update

from config.meaning import Meaning
from foundation.translation import tr
from status_db import tables
from status_db.effective.history import write_flips
from status_db.ledger import raw_rows
from status_db.ledger.chain import LinkKind, PendingLink
from status_db.ledger.sets import ROSTER_SET, records_of
from status_db.marks import applied_settings
from status_db.marks.apply import write_findings
from status_db.marks.roster import RosterMarks
from status_db.marks.runs import Lease, RunEnding
from status_db.model import ROSTER, SETTINGS, Cause, Finding, Flip, RunState
from status_db.store import bulk
from status_db.store.engine import writing


@dataclass(frozen=True, slots=True)
class SettingsWrites:
    """A settings plan, spelled out as rows."""

    base: int
    meaning: Meaning
    #: (student, flow), (student, step, finding), (student, step)
    flows: Sequence[tuple[str, str]]
    added: Sequence[tuple[str, str, Finding]]
    removed: Sequence[tuple[str, str]]
    findings: Sequence[tuple[str, str, Finding]]
    flips: Sequence[Flip]
    retired: Sequence[str]


class SettingsMarks(RosterMarks):
    """Writes a change of settings to one cohort."""

    def begin_settings(self, meaning: Meaning, now: datetime) -> None:
        """Record the settings of a cohort that has no student yet; nothing where there are some already."""
        person = tables.student
        with self._ledger.linking(self._engine, at=now, kind=LinkKind.SETTINGS) as (connection, entry):
            anybody = select(person.c.student).where(person.c.cohort == self._cohort).limit(1)
            if (
                applied_settings.digest(connection, self._cohort) is None
                and connection.execute(anybody).first() is None
            ):
                applied_settings.write(connection, entry, self._cohort, meaning, now, None)

    def apply_settings(self, lease: Lease, writes: SettingsWrites, ending: RunEnding) -> None:
        """Write a settings plan whole, and close its run, in one transaction. Raises BaseMoved or LeaseLost."""
        cohort, now = lease.cohort, ending.at
        with self._linking(lease, ending) as (connection, entry):
            entry.watch_states(self._source_names(connection))
            self._move(connection, writes.base)
            self._close(connection, lease, ending)
            self._give_flows(connection, entry, cohort, writes.flows)
            self._write_steps(connection, cohort, writes, now, lease.run)
            write_flips(connection, entry, cohort, writes.flips, now, Cause.SETTINGS, run=lease.run)
            for source in writes.retired:
                self._retire(connection, entry, source)
            self._give_steps(connection, writes.meaning)
            self._recount(connection, entry, cohort)
            applied_settings.write(connection, entry, cohort, writes.meaning, now, lease.run)
            self._end_waiting(
                connection,
                tr("Superseded: run {run} changed the settings. Original reason: ", run=lease.run),
                but=writes.meaning,
            )
            self._drop_pending(connection, [lease.run])

    def drop_waiting_settings(self, because: str) -> None:
        """Close a waiting change of settings that is no longer needed."""
        with writing(self._engine, self._cohort) as connection:
            self._end_waiting(connection, because)

    def _source_names(self, connection: Connection) -> Sequence[str]:
        state = tables.source_state
        return connection.execute(select(state.c.source).where(state.c.cohort == self._cohort)).scalars().all()

    def _give_flows(
        self, connection: Connection, entry: PendingLink, cohort: str, flows: Sequence[tuple[str, str]]
    ) -> None:
        at_flow, rows = raw_rows.STUDENT.index("flow"), []
        given = dict(flows)
        # The values that the seal covers beyond a student's own columns follow them.
        for student, stored in raw_rows.people(connection, cohort, list(given)).items():
            after = list(stored.values)
            after[at_flow] = given[student]
            rows.append((cohort, student, given[student], entry.seal_again("student", ROSTER_SET, stored, after)))
        bulk.update(connection, tables.student, ("cohort", "student", "flow", "mac"), rows)

    def _write_steps(
        self, connection: Connection, cohort: str, writes: SettingsWrites, now: datetime, run: int
    ) -> None:
        gone = ((cohort, student, step) for student, step in sorted(writes.removed))
        bulk.delete(connection, tables.status, ("cohort", "student", "step"), gone)
        columns = ("cohort", "student", "step", "verdict", "reason", "evidence_keys", "since", "run")
        rows = (
            (cohort, student, step, str(f.verdict), str(f.reason), list(f.keys) if f.evidence else None, now, run)
            for student, step, f in sorted(writes.added, key=lambda a: a[:2])
        )
        bulk.insert(connection, tables.status, columns, rows)
        write_findings(connection, cohort, writes.findings, now, run)

    def _retire(self, connection: Connection, entry: PendingLink, source: str) -> None:
        """Drop the records of a removed source; if it is added again, its first answer waits as a new source's does."""
        record, state, unmatched_key = tables.record, tables.source_state, tables.unmatched_key
        gone = connection.execute(
            delete(record).where(record.c.cohort == self._cohort, record.c.source == source).returning(record.c.mac)
        )
        entry.gone(records_of(source), gone.scalars().all())
        connection.execute(
            delete(unmatched_key).where(unmatched_key.c.cohort == self._cohort, unmatched_key.c.source == source)
        )
        blank: dict[str, Any] = dict(zip(raw_rows.STATE[2:], raw_rows.BLANK_STATE, strict=True)) | {"recent_rows": []}
        connection.execute(
            update(state)
            .where(state.c.cohort == self._cohort, state.c.source == source)
            .values(**blank | {"revision": state.c.revision + 1})
        )

    def _give_steps(self, connection: Connection, meaning: Meaning) -> None:
        state = tables.source_state
        for name, source in meaning.sources.items():
            connection.execute(
                update(state)
                .where(state.c.cohort == self._cohort, state.c.source == name, state.c.step != source.step)
                .values(step=source.step)
            )

    def _end_waiting(self, connection: Connection, because: str, *, but: Meaning | None = None) -> None:
        """Close waiting changes of settings; with settings given, waiting runs of sources that they do not have."""
        run = tables.run
        waiting = (run.c.cohort == self._cohort, run.c.state == RunState.SUSPENDED)
        stays = set() if but is None else {ROSTER, *but.sources}
        which = run.c.source == SETTINGS if but is None else run.c.source.not_in(stays)
        old = connection.execute(select(run.c.run).where(*waiting, which)).scalars().all()
        if old:
            self._drop_pending(connection, old)
            over = literal(because) + run.c.message
            connection.execute(update(run).where(run.c.run.in_(old)).values(state=RunState.SUPERSEDED, message=over))
