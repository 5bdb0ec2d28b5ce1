"""One run: pull, gather, match, compare, confirm, plan, guard, apply. A run changes all of its plan, or nothing.

No transaction is open while a source is asked. The plan is made on one consistent read of the marks and applied on
that revision only; if the marks have moved meanwhile, the same snapshot is planned and judged again.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import Engine

from config.settings import Settings
from connectors.port import Connector, Fingerprinted, Progress, Snapshot, SourceError, no_progress
from foundation.tracing import span
from foundation.translation import tr
from status_db.failing import REVERT_MOVED
from status_db.ledger.chain import Ledger
from status_db.ledger.key import LedgerRefused
from status_db.marks.applied_settings import SettingsDiffer
from status_db.marks.current import CurrentState
from status_db.marks.impact import Impact
from status_db.marks.runs import BaseMoved, Lease, LeaseLost, RunEnding, RunUnderWay
from status_db.marks.settings import SettingsMarks
from status_db.model import ROSTER, SETTINGS, RunState
from status_db.store.engine import StoreError, reading
from status_db.stored_counts import NO_COUNTS, RunCounts
from sync import rule_settings
from sync.plan import revert, snapshot_codec
from sync.plan.base import Stages
from sync.plan.recheck import RecheckStages
from sync.plan.revert import RevertMoved, RevertStages
from sync.plan.roster import RosterStages
from sync.plan.same_answer import untouched
from sync.plan.settings import SettingsStages
from sync.plan.source import SourceStages, of_same_answer
from sync.pull.pull import pull, pull_one, weaker_connection
from sync.run import process_id
from sync.run.applying import ATTEMPTS, AnswerRunner
from sync.run.impact import impact_of
from sync.run.lease import COLLECTOR, LEASE_FOR, observed, renewed
from sync.run.outcome import Outcome, RunPreview, fault_of
from sync.run.reverting import Reverting
from sync.run.settings_gate import SettingsGate, waits_already


class Sync:
    """Runs a cohort's sources against its marks."""

    def __init__(
        self,
        settings: Settings,
        cohort: str,
        engine: Engine,
        connect: Callable[[str], Connector],
        clock: Callable[[], datetime],
        ledger: Ledger,
        lease_for: timedelta = LEASE_FOR,
    ) -> None:
        """`connect` makes the connector of a source (or of the roster) by name."""
        self._settings = settings
        self._cohort = cohort
        self._engine = engine
        self._connect = connect
        self._clock = clock
        self._lease_for = lease_for
        self._ledger = ledger
        self._gate = SettingsGate(engine, settings, cohort, clock)
        self._marks = SettingsMarks(engine, cohort, ledger, self._gate.meaning, rule_settings.notices(settings))
        self._applying = AnswerRunner(settings, cohort, engine, self._marks, self._gate, clock)
        self._log = structlog.get_logger("clearance.sync")
        self._named = self._applying.named
        #: Plans the revert of approved runs.
        self.reverting = Reverting(settings, cohort, engine, self._marks, self._applying, self._stages, clock)

    @property
    def named(self) -> str:
        """The cohort, where there are several; else empty."""
        return self._named

    def names(self) -> tuple[str, ...]:
        """Return the roster and every source, in the order in which they are best asked."""
        return (ROSTER, *self._settings.source)

    def open_cohort(self, *, by: str = "settings") -> Outcome | None:
        """Make the cohort's row, close suspensions that were not decided in time, and apply a change of settings.

        Return how the change of settings ended: None where the settings are the applied ones.
        """
        name = next(c.name for c in self._settings.cohort if c.key == self._cohort)
        self._marks.open_cohort(name)
        self._marks.open_ledger(self._clock())
        self._marks.expire(self._clock())
        return self._settle(by)

    def _settle(self, by: str) -> Outcome | None:
        """Apply these settings to the marks: at once where no student's steps change, else after a person approves."""
        proposal = self._gate.proposal()
        if proposal is None:
            return None
        if proposal.plan.before is None and not proposal.plan.students:
            self._marks.begin_settings(self._gate.meaning, self._clock())
            return None
        waiting = self._gate.waiting()
        kept = self._kept_answer(waiting) if waiting is not None else None
        if proposal.plan.empty:
            if waiting is not None:
                self._marks.drop_waiting_settings(
                    tr("Superseded: the settings are the applied ones again. Original reason: ")
                )
            return None
        if waiting is not None and kept is not None and kept[0] == proposal.plan.digest:
            message = self._applying.suggest(waits_already(waiting))
            return Outcome(SETTINGS, RunState.SKIPPED, waiting, message, "suspended", cohort=self._named)
        if waiting is not None:
            self._marks.drop_waiting_settings(tr("Superseded: the settings have changed again. Original reason: "))
        return self._run(SETTINGS, by=by, slot=None, student=None, progress=no_progress)

    def preview_change(self) -> RunPreview | None:
        """Return what applying these settings would change; None where they are the applied ones."""
        pending = self._gate.pending()
        if pending is None:
            return None
        change = pending.proposal
        return RunPreview(
            SETTINGS, None, "", change.counts, change.flips, change.reasons, pending.lines,
            blocks=not change.plan.empty, cohort=self._named,
        )  # fmt: skip

    def preview(self, name: str, progress: Progress = no_progress, shared: Connector | None = None) -> RunPreview:
        """Ask a source and return what a sync would change; write nothing. `shared` as for `run`."""
        try:
            snapshot = pull(self._settings, name, shared or self._connect(name), progress, self._clock())
            proposal = self._applying.propose(name, self._stages(name, snapshot))
        except SourceError as error:
            message = self._applying.suggest(str(error))
            return RunPreview(name, fault_of(error), message, NO_COUNTS, (), (), cohort=self._named)
        return RunPreview(name, None, "", proposal.counts, proposal.flips, proposal.reasons, cohort=self._named)

    def run(
        self,
        name: str,
        *,
        by: str,
        slot: datetime | None = None,
        progress: Progress = no_progress,
        shared: Connector | None = None,
        again: bool = False,
    ) -> Outcome:
        """Ask a source about all students and apply its answer.

        `shared` asks once for several cohorts and replaces the cohort's own connector. With `again`, a slot with an
        abandoned run is run once more.
        Raises SlotTaken when the slot has its run, StoreError when the marks cannot be written.
        """
        return self._run(name, by=by, slot=slot, student=None, progress=progress, shared=shared, again=again)

    def recheck(self, name: str, student: str, *, by: str) -> Outcome:
        """Ask a source about one student. It can hold at any time; it can clear only after a valid full run."""
        return self._run(name, by=by, slot=None, student=student, progress=no_progress)

    def _run(
        self,
        name: str,
        *,
        by: str,
        slot: datetime | None,
        student: str | None,
        progress: Progress,
        back: snapshot_codec.RevertSnapshot | None = None,
        shared: Connector | None = None,
        again: bool = False,
    ) -> Outcome:
        step = self._settings.source[name].step if name not in (ROSTER, SETTINGS) else ""
        if name != SETTINGS:
            try:
                with reading(self._engine) as connection:
                    self._gate.demand(connection)
            except SettingsDiffer as differ:
                message = self._applying.suggest(str(differ))
                return Outcome(name, RunState.SKIPPED, message=message, fault="suspended", cohort=self._named)
        try:
            lease = self._marks.begin(
                name,
                step,
                now=self._clock(),
                by=by,
                owner=process_id.next_turn(),
                lease_for=self._lease_for,
                gone=process_id.is_gone,
                slot=slot,
                student=student,
                again=again,
            )
        except RunUnderWay as busy:
            return Outcome(
                name, RunState.SKIPPED, message=self._applying.suggest(str(busy)), fault="under_way", cohort=self._named
            )
        # Entered at once: whatever interrupts it from here on closes the run.
        with self._closing(lease), COLLECTOR.paused(), observed(lease) as add:
            log = self._log.bind(source=name, run=lease.run)
            log.info("run started", by=by, **({"slot": slot.isoformat()} if slot else {}))
            for weaker in weaker_connection(self._settings, name) if name != SETTINGS else ():
                log.warning("weaker connection", because=weaker)
            outcome = self._run_to_end(lease, lambda: self._carry_out(lease, student, progress, back, shared))
            add(state=outcome.state.value)
        _log_outcome(log, outcome)
        return outcome

    def approve(self, number: int, name: str, *, by: str, voted_on: bytes | None = None) -> Outcome:
        """Apply a suspended run's own snapshot, if what it would change is still exactly what was approved.

        Where the marks have moved so that it would change something else, nothing is applied: the run still waits, with
        what it would change now. `voted_on` is the digest of the change that people voted on; a run whose change has
        become another is left alone.
        """
        message = self._applying.suggest(
            tr("run {number} no longer waits for approval. See: clearance runs show {number}", number=number)
        )
        not_waiting = Outcome(name, RunState.SKIPPED, number, message, "not_waiting", cohort=self._named)
        kept = self._kept_answer(number)
        if kept is None or voted_on not in (None, kept[0]):
            return not_waiting
        lease = self._marks.take_up(
            number,
            name,
            by=by,
            now=self._clock(),
            owner=process_id.next_turn(),
            lease_for=self._lease_for,
            gone=process_id.is_gone,
        )
        if lease is None:
            return not_waiting
        digest, packed, pulled = kept
        with self._closing(lease), COLLECTOR.paused():
            log = self._log.bind(source=name, run=number)
            log.info("run approved", by=by)
            stages = self._stages(name, snapshot_codec.unpack(packed))
            outcome = self._run_to_end(
                lease, lambda: self._applying.carry(lease, stages, approved=digest, pulled=pulled)
            )
        _log_outcome(log, outcome)
        return outcome

    def revert(
        self, number: int, name: str, *, by: str, because: str = "", checked_digest: bytes | None = None
    ) -> Outcome:
        """Revert an approved run of a source, in a run of that source: applied, or suspended by the guard.

        A record that a later answer has changed stays. The next full pull of the source decides again as usual; until
        then no recheck clears a student. `checked_digest` is the digest of a plan: where the revert would now change
        something else, nothing is done. Raises as `Reverting.preview` does.
        """
        self.reverting.reversal(number, name)
        back = replace(revert.at(self._clock(), number), because=because, checked_digest=checked_digest)
        return self._run(name, by=by, slot=None, student=None, progress=no_progress, back=back)

    def look(self, number: int, name: str) -> Impact | None:
        """Return what a suspended run would do now; None when its answer is no longer kept. Raises SourceError."""
        kept = self._kept_answer(number)
        if kept is None:
            return None
        proposal = self._applying.propose(name, self._stages(name, snapshot_codec.unpack(kept[1])))
        with reading(self._engine) as connection:
            return impact_of(CurrentState(connection, self._cohort), number, proposal)

    def reject(self, number: int, *, by: str, reason: str) -> bool:
        """Close a suspended run for good: nothing of it is applied. False when it no longer waits."""
        if not self._marks.reject(number, by, reason, self._clock()):
            return False
        self._log.info("run rejected", run=number, by=by)
        return True

    @contextmanager
    def _closing(self, lease: Lease) -> Iterator[None]:
        """Keep the lease while the run continues; when it is interrupted, record that and release the source."""
        with renewed(self._marks, lease, self._lease_for):
            try:
                yield
            except StoreError as error:
                # The database may have room for this small write when it had none for the whole; else the lease ends.
                self._give_up(lease, "store", str(error))
                raise
            except BaseException as error:
                stopped = isinstance(error, KeyboardInterrupt | SystemExit)
                if stopped:
                    message = tr("Interrupted. No changes were written. It is safe to run again.")
                else:
                    message = tr(
                        "Failed with an internal error: {error!r}. No changes were written. It is safe to run again.",
                        error=error,
                    )
                self._give_up(lease, "interrupted", message)
                raise

    def _give_up(self, lease: Lease, fault: str, message: str) -> None:
        try:
            self._marks.fail(lease, RunEnding(RunState.FAILED, self._clock(), message, fault))
        except (StoreError, LeaseLost) as error:
            self._log.warning("run not closed", source=lease.source, run=lease.run, because=str(error))

    def _run_to_end(self, lease: Lease, carry: Callable[[], Outcome]) -> Outcome:
        """Carry a run out, and end it also where the source failed, or the marks or the settings have changed."""
        try:
            return carry()
        except SourceError as error:
            return self._applying.ended(lease, RunState.FAILED, str(error), fault=fault_of(error))
        except SettingsDiffer as differ:
            return self._applying.ended(lease, RunState.SKIPPED, str(differ), fault="suspended")
        except RevertMoved:
            message = tr(
                "the marks have moved since this revert was planned, and it would change something else. Plan it again."
            )
            return self._applying.ended(lease, RunState.SKIPPED, message, fault=REVERT_MOVED)

    def _carry_out(
        self,
        lease: Lease,
        student: str | None,
        progress: Progress,
        back: snapshot_codec.RevertSnapshot | None,
        shared: Connector | None,
    ) -> Outcome:
        name = lease.source
        if back is not None or name == SETTINGS:
            return self._applying.carry(lease, self._stages(name, back or self._gate.nothing_asked()))
        connector = self._connect(name)
        if student is None and (outcome := self._end_untouched(lease, shared or connector)):
            return outcome
        if student is None:
            with span("pull", source=name):
                snapshot = pull(self._settings, name, shared or connector, progress, self._clock())
        else:
            snapshot = pull_one(self._settings, name, connector, self._numbers_of(student), self._clock())
        return self._applying.carry(lease, self._stages(name, snapshot, student, connector))

    def _stages(
        self, name: str, snapshot: Snapshot, student: str | None = None, connector: Connector | None = None
    ) -> Stages[Any]:
        """Return the stages of this kind of answer; with a connector, the office is asked again before a release."""
        settings, cohort, seals = self._settings, self._cohort, self._ledger.seals
        if name == SETTINGS:
            return SettingsStages(settings, cohort, snapshot)
        if name == ROSTER:
            return RosterStages(settings, cohort, snapshot, self._clock)
        if isinstance(snapshot, snapshot_codec.RevertSnapshot):
            reverted = snapshot.reverts
            return RevertStages(settings, cohort, name, snapshot, lambda c: self._marks.reversal(c, reverted), seals)
        if student is not None and connector is not None:
            return RecheckStages(settings, cohort, name, snapshot, self._clock, seals, student, connector)
        return SourceStages(settings, cohort, name, snapshot, self._clock, seals, connector)

    def _end_untouched(self, lease: Lease, connector: Connector) -> Outcome | None:
        """End a run without a pull, where the source reports that its answer is the one that is stored."""
        name = lease.source
        if name == ROSTER or self._settings.source[name].as_of:
            # The `as_of` of its data may have moved, though its rows have not.
            return None
        fingerprint = connector.fingerprint() if isinstance(connector, Fingerprinted) else None
        if fingerprint is None:
            return None
        for _ in range(ATTEMPTS):
            with reading(self._engine) as connection:
                found = untouched(connection, self._settings, self._cohort, name, fingerprint, self._clock())
            if found is None:
                return None
            proposal = of_same_answer(self._cohort, rule_settings.source_rule(self._settings, name), *found)
            with suppress(BaseMoved):
                weaker = weaker_connection(self._settings, name)
                counts = RunCounts(not_pulled=True, warnings=tuple(weaker))
                return self._applying.unchanged(lease, proposal, counts)
        return None

    def _numbers_of(self, student: str) -> tuple[str, ...]:
        with reading(self._engine) as connection:
            return (student, *CurrentState(connection, self._cohort).numbers.aliases_of(student))

    def _kept_answer(self, number: int) -> tuple[bytes, bytes, RunCounts] | None:
        """Return a suspended run's plan digest, answer and counts. Raises LedgerRefused for an altered answer."""
        try:
            return self._marks.kept_snapshot(number)
        except LedgerRefused as refused:
            raise LedgerRefused(self._applying.suggest(str(refused))) from refused


def _log_outcome(log: Any, outcome: Outcome) -> None:  # noqa: ANN401 - structlog's bound logger has no static type
    # The message contains the guard reasons.
    figures = {k: v for k, v in replace(outcome.counts, reasons=()).stored().items() if v}
    write_log = log.warning if outcome.fault else log.info
    write_log(
        "run finished",
        state=outcome.state.value,
        **figures,
        **({"message": outcome.message} if outcome.message else {}),
    )
