"""From a proposal to the end of its run: applied, unchanged, waiting for a person, or skipped."""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Engine

from config.cohorts import naming
from config.settings import Settings
from foundation.tracing import span
from foundation.translation import N_, tr
from status_db.guard_reasons import GuardReason
from status_db.marks.current import CurrentState
from status_db.marks.runs import AnswerOvertaken, BaseMoved, Lease, RunEnding
from status_db.marks.settings import SettingsMarks
from status_db.model import SETTINGS, RunState
from status_db.store.engine import reading
from status_db.stored_counts import NO_COUNTS, RunCounts
from sync.plan import snapshot_codec
from sync.plan.base import Proposal, Stages
from sync.run.impact import impact_of
from sync.run.outcome import Outcome
from sync.run.settings_gate import SettingsGate

#: How many times an answer is planned when the marks move meanwhile. Each time, one of the runs that plan at the same
#: moment is applied; so with as many attempts, a run of ten processes is left out once in 30,000 runs.
ATTEMPTS = 100

#: How long a run waits for other runs of this process that plan again, in seconds: one of them may ask a slow office.
_TURN_WAITS = 30

#: The fault of a recheck where a later answer about the student is stored already: the request has its answer.
OVERTAKEN = "overtaken"


class AnswerRunner:
    """Plans and applies answers, and ends their runs."""

    def __init__(
        self,
        settings: Settings,
        cohort: str,
        engine: Engine,
        marks: SettingsMarks,
        gate: SettingsGate,
        clock: Callable[[], datetime],
    ) -> None:
        self._settings = settings
        self._cohort = cohort
        self._engine = engine
        self._marks = marks
        self._gate = gate
        self._clock = clock
        #: Where there are several cohorts, outcomes and suggested commands name theirs.
        self.named = cohort if len(settings.cohort) > 1 else ""
        self._turn = threading.Lock()

    def propose(self, name: str, stages: Stages[Any]) -> Proposal:
        """Return what an answer would change. Raises SourceError; SettingsDiffer while changed settings are pending."""
        with span("gather", source=name), reading(self._engine) as connection:
            if name != SETTINGS:
                self._gate.demand(connection)
            read = stages.gather(connection)
        with span("decide", source=name):
            return stages.decide(read)

    def carry(
        self, lease: Lease, stages: Stages[Any], approved: bytes | None = None, pulled: RunCounts = NO_COUNTS
    ) -> Outcome:
        """End a run by what its answer would change; `approved` is the digest of the change that a person approved.

        `pulled` are the counts of the run when it was pulled: an answer that waited is stored without the rows that
        match no student, and they still count as rows of this run.

        Raises as `propose` does.
        """
        for attempt in range(ATTEMPTS):
            with suppress(BaseMoved), self._turn_of(attempt):
                return self._plan_and_apply(lease, stages, approved, pulled)
        message = tr("the marks changed during every planning attempt. Run it again.")
        return self.ended(lease, RunState.FAILED, message, fault="busy")

    @contextmanager
    def _turn_of(self, attempt: int) -> Iterator[None]:
        """Plan again one run after the other, so that the runs of one process do not overtake each other for ever."""
        in_turn = attempt > 0 and self._turn.acquire(timeout=_TURN_WAITS)
        try:
            yield
        finally:
            if in_turn:
                self._turn.release()

    def _plan_and_apply(self, lease: Lease, stages: Stages[Any], approved: bytes | None, pulled: RunCounts) -> Outcome:
        """Plan once, and end the run. Raises BaseMoved where another run changed the marks meanwhile."""
        proposal = self.propose(lease.source, stages)
        granted = approved is not None and approved == proposal.plan.digest
        moved = approved is not None and not granted
        counts = _with_rows_of(pulled, _run_counts(proposal, stages, granted=granted))
        try:
            if proposal.plan.empty:
                return self.unchanged(lease, proposal, counts)
            if proposal.held is not None:
                held = proposal.held
                return self.ended(lease, RunState.SKIPPED, held.message, fault=held.fault, counts=counts)
            if moved or (proposal.reasons and not granted):
                return self._suspend(lease, proposal, counts)
            digest = proposal.plan.digest
            ending = RunEnding(
                RunState.APPLIED, self._clock(), counts=counts, proofs=_proofs(proposal), plan_digest=digest
            )
            with span("apply", source=lease.source):
                proposal.apply(self._marks, lease, ending, approved=granted)
        except AnswerOvertaken:
            return self._end_overtaken(lease, counts)
        return Outcome(
            lease.source, RunState.APPLIED, lease.run, counts=counts, flips=proposal.flips, cohort=self.named
        )

    def unchanged(self, lease: Lease, proposal: Proposal, counts: RunCounts) -> Outcome:
        """End a run that changes nothing. Raises BaseMoved, AnswerOvertaken."""
        ending = RunEnding(RunState.UNCHANGED, self._clock(), counts=counts, proofs=_proofs(proposal))
        self._marks.unchanged(lease, proposal.plan.base, proposal.pull, ending)
        return Outcome(lease.source, RunState.UNCHANGED, lease.run, counts=counts, cohort=self.named)

    def ended(
        self,
        lease: Lease,
        state: RunState,
        message: str,
        *,
        fault: str | None = None,
        counts: RunCounts = NO_COUNTS,
        plan_digest: bytes | None = None,
    ) -> Outcome:
        """End a run that applies nothing; `plan_digest` names what it would have changed."""
        message = self.suggest(message)
        self._marks.fail(lease, RunEnding(state, self._clock(), message, fault, counts, plan_digest=plan_digest))
        return Outcome(lease.source, state, lease.run, message, fault, counts, cohort=self.named)

    def suggest(self, message: str) -> str:
        """Return a message in which each suggested command names this cohort, where there are several."""
        return naming(self._settings, self._cohort, message)

    def _end_overtaken(self, lease: Lease, counts: RunCounts) -> Outcome:
        message = tr(
            "{source} has already given a later answer about {student}, and the later answer is kept. Ask "
            "again if it is not what you expect.",
            source=lease.source,
            student=lease.student,
        )
        return self.ended(lease, RunState.SKIPPED, message, fault=OVERTAKEN, counts=counts)

    def _suspend(self, lease: Lease, proposal: Proposal, counts: RunCounts) -> Outcome:
        """Keep an answer until a person approves or rejects it; where another one waits, skip this one."""
        why = _joined_reasons(proposal.reasons) or tr(
            "the marks have moved since this was checked, and it would change something else"
        )
        with reading(self._engine) as connection:
            stored = CurrentState(connection, self._cohort)
            waiting = stored.runs.suspended(lease.source, lease.run)
            seen = impact_of(stored, lease.run, proposal)
        if waiting is not None:
            message = tr(
                "{why}. Run {waiting} waits already. Check it with `clearance runs show {waiting}`, then run "
                '`clearance runs approve {waiting}` or `clearance runs reject {waiting} --reason "…"`.',
                why=why,
                waiting=waiting,
            )
            digest = proposal.plan.digest
            return self.ended(lease, RunState.SKIPPED, message, fault="suspended", counts=counts, plan_digest=digest)
        message = self.suggest(_waits_text(lease, why))
        ending = RunEnding(
            RunState.SUSPENDED, self._clock(), message, "suspended", counts, _proofs(proposal), proposal.plan.digest
        )
        self._marks.suspend(lease, ending, snapshot_codec.pack(proposal.kept()), seen)
        return Outcome(lease.source, RunState.SUSPENDED, lease.run, message, "suspended", counts, cohort=self.named)


def _waits_text(lease: Lease, why: str) -> str:
    """Return that a run waits for a person, with what to check and the commands."""
    if lease.source == SETTINGS:
        text = N_(
            "{why}. Check the change with `clearance runs show {run}`, then run `clearance runs approve {run}` or "
            '`clearance runs reject {run} --reason "…"`.'
        )
    else:
        text = N_(
            "{why}. Check the source, then run `clearance runs approve {run}` or "
            '`clearance runs reject {run} --reason "…"`.'
        )
    return tr(text, why=why, run=lease.run)


def _run_counts(proposal: Proposal, stages: Stages[Any], *, granted: bool) -> RunCounts:
    warnings = tuple(stages.snapshot.warnings)
    return replace(proposal.counts, approved=granted, warnings=warnings, reasons=tuple(proposal.reasons))


def _with_rows_of(pulled: RunCounts, counts: RunCounts) -> RunCounts:
    """Return the counts with the numbers of rows that were pulled, where those were counted."""
    if pulled.rows is None:
        return counts
    return replace(counts, rows=pulled.rows, staying=pulled.staying, nameless=pulled.nameless)


def _proofs(proposal: Proposal) -> list[tuple[str, str]]:
    return [(proof.kind.value, proof.detail) for proof in proposal.snapshot.proofs]


def _joined_reasons(reasons: Iterable[GuardReason]) -> str:
    return tr("; ").join(map(str, reasons))
