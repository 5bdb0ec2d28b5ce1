"""One run: ask, decide, judge, apply. A run changes everything its plan says, or nothing at all.

Nothing is held open while a source is asked. The plan is made on one consistent read of the marks and applied on that
revision only; if the marks have moved meanwhile, the same snapshot is planned and judged again.
"""

import gc
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import structlog
from sqlalchemy import Connection, Engine

from config.cohorts import naming
from config.settings import Settings
from config.tables.sources import Asked
from connectors.port import (
    Connector,
    Fingerprinted,
    Progress,
    Proof,
    ProofKind,
    Snapshot,
    SourceError,
    SourceGarbled,
    SourceRefused,
    SourceUnavailable,
    no_progress,
    together,
)
from status_db.guard_reasons import Objection, packed
from status_db.ledger.chain import Ledger
from status_db.ledger.key import LedgerRefused
from status_db.marks.applied_settings import SettingsDiffer
from status_db.marks.apply import BaseMoved, Ending, Lease, LeaseLost, Overtaken, RunUnderWay
from status_db.marks.approvals import Opinion, Opinions, missing
from status_db.marks.current import Stored
from status_db.marks.impact import Look
from status_db.marks.reversals import Reversal, ReversalCode, ReversalRefused, given_since
from status_db.marks.revert_plans import GivenSince, WayBackPlan
from status_db.marks.settings import SettingsMarks
from status_db.model import ROSTER, SETTINGS, Flip, RunState, Says
from status_db.store.engine import StoreError, reading
from sync import rules
from sync.plan import snapshot_codec
from sync.plan.as_of import stamped
from sync.plan.base import Proposal
from sync.plan.impact import look_at
from sync.plan.roster import propose_roster
from sync.plan.second_look import Doubts, reads_all_for_one
from sync.plan.settings import propose_settings
from sync.plan.source import SourceProposal, propose_source, propose_untouched, question_of
from sync.run import process_id
from sync.run.settings_gate import SettingsGate, waits_already
from sync.run.way_back import propose_way_back

#: A lease lasts this long and is renewed in the background three times as often.
LEASE_FOR = timedelta(minutes=2)

#: So often a snapshot is planned again when the marks move under it.
_ATTEMPTS = 8

#: One of these must show that a snapshot is whole.
_WHOLE = {ProofKind.TOTAL_AGREES, ProofKind.END_REACHED, ProofKind.SECOND_PASS_AGREES}

_FAULTS = {SourceUnavailable: "unavailable", SourceRefused: "refused", SourceGarbled: "garbled"}


class _Collector:
    """The collector of cyclic garbage, paused while runs are under way.

    A run makes hundreds of thousands of small values, and no cycles; looking for some among them, again and again,
    would take up to a third of its time.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._runs = 0
        self._was_on = False

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Pause it until the last of the runs under way has ended."""
        with self._lock:
            if not self._runs:
                self._was_on = gc.isenabled()
                gc.disable()
            self._runs += 1
        try:
            yield
        finally:
            with self._lock:
                self._runs -= 1
                if not self._runs and self._was_on:
                    gc.enable()


_COLLECTOR = _Collector()


class _WayBackMoved(Exception):  # noqa: N818 - named by what is so
    """Taking a run back would change something else than what was looked at."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one run ended."""

    source: str
    state: RunState
    #: None when nothing was opened at all: a plan, or a source held by another run.
    run: int | None = None
    message: str = ""
    fault: str | None = None
    counts: dict[str, Any] = field(default_factory=dict)
    flips: tuple[Flip, ...] = ()
    #: Of which cohort, where there are several.
    cohort: str = ""


@dataclass(frozen=True, slots=True)
class Preview:
    """What a sync of one source would change now."""

    source: str
    #: Why it cannot be told: the source failed; else empty.
    fault: str | None
    message: str
    counts: dict[str, Any]
    flips: tuple[Flip, ...]
    #: Why the guard would hold it back.
    reasons: tuple[Objection, ...]
    #: For a change of settings: what differs, key by key, and what it does to steps.
    changes: tuple[str, ...] = ()
    #: Nothing else is planned or applied before it.
    blocks: bool = False
    #: Of which cohort, where there are several.
    cohort: str = ""

    @property
    def pending(self) -> bool:
        """Say whether there is something to apply."""
        return bool(self.changes) or (
            self.fault is None
            and any(self.counts.get(key) for key in ("records", "flips", "joined", "changed", "left"))
        )


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
        self._marks = SettingsMarks(engine, cohort, ledger, self._gate.meaning)
        self._log = structlog.get_logger("clearance.sync")
        #: Where there are several cohorts, outcomes and suggested commands name theirs.
        self._named = cohort if len(settings.cohort) > 1 else ""

    @property
    def named(self) -> str:
        """The cohort, where there are several; else empty."""
        return self._named

    def names(self) -> tuple[str, ...]:
        """Return the roster and every source, in the order in which they are best asked."""
        return (ROSTER, *self._settings.source)

    def open_cohort(self, *, by: str = "settings") -> Outcome | None:
        """Make the cohort's row, close suspensions that nobody decided in time, and apply a change of settings.

        Return how the change of settings ended: None where the settings are the applied ones.
        """
        name = next(c.name for c in self._settings.cohort if c.key == self._cohort)
        self._marks.open_cohort(name)
        self._marks.open_ledger(self._clock())
        self._marks.expire(self._clock())
        return self._settle(by)

    def _settle(self, by: str) -> Outcome | None:
        """Bring the marks to these settings: at once where no student's steps change, else once a person approves."""
        proposal = self._gate.proposal()
        if proposal is None:
            return None
        if proposal.plan.before is None and not proposal.plan.students:
            self._marks.begin_settings(self._gate.meaning, self._clock())
            return None
        waiting = self._gate.waiting()
        kept = self._kept(waiting) if waiting is not None else None
        if proposal.plan.empty:
            if waiting is not None:
                self._marks.drop_waiting_settings("The settings are the applied ones again. It had said: ")
            return None
        if waiting is not None and kept is not None and kept[0] == proposal.plan.digest:
            message = self._suggest(waits_already(waiting))
            return Outcome(SETTINGS, RunState.SKIPPED, waiting, message, "suspended", cohort=self._named)
        if waiting is not None:
            self._marks.drop_waiting_settings("The settings have changed once more. It had said: ")
        return self._run(SETTINGS, by=by, slot=None, student=None, progress=no_progress)

    def preview_change(self) -> Preview | None:
        """Say what applying these settings would change; None where they are the applied ones."""
        pending = self._gate.pending()
        if pending is None:
            return None
        change = pending.proposal
        return Preview(
            SETTINGS, None, "", dict(change.counts), change.flips, change.reasons, pending.lines,
            blocks=not change.plan.empty, cohort=self._named,
        )  # fmt: skip

    def preview(self, name: str, progress: Progress = no_progress, shared: Connector | None = None) -> Preview:
        """Ask a source and say what a sync would change; write nothing. `shared` as for `run`."""
        try:
            snapshot = self._asked(name, shared or self._connect(name), None, progress)
            with reading(self._engine) as connection:
                proposal = self._propose(connection, name, snapshot, None)
        except SourceError as error:
            said = self._suggest(str(error))
            return Preview(name, _FAULTS[type(error)], said, {}, (), (), cohort=self._named)
        return Preview(name, None, "", dict(proposal.counts), proposal.flips, proposal.reasons, cohort=self._named)

    def run(
        self,
        name: str,
        *,
        by: str,
        slot: datetime | None = None,
        progress: Progress = no_progress,
        shared: Connector | None = None,
    ) -> Outcome:
        """Ask a source about everybody and apply what it says.

        `shared` asks once for several cohorts and is asked in place of the cohort's own connector.
        Raises SlotTaken when the slot has its run, StoreError when the marks cannot be written.
        """
        return self._run(name, by=by, slot=slot, student=None, progress=progress, shared=shared)

    def recheck(self, name: str, student: str, *, by: str) -> Outcome:
        """Ask a source about one student. It may hold at any time; it may clear only if the last full run stands."""
        return self._run(name, by=by, slot=None, student=student, progress=no_progress)

    def _run(
        self,
        name: str,
        *,
        by: str,
        slot: datetime | None,
        student: str | None,
        progress: Progress,
        back: snapshot_codec.WayBack | None = None,
        shared: Connector | None = None,
    ) -> Outcome:
        step = self._settings.source[name].step if name not in (ROSTER, SETTINGS) else ""
        if name != SETTINGS:
            try:
                with reading(self._engine) as connection:
                    self._gate.demand(connection)
            except SettingsDiffer as differ:
                message = self._suggest(str(differ))
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
            )
        except RunUnderWay as busy:
            return Outcome(
                name, RunState.SKIPPED, message=self._suggest(str(busy)), fault="under_way", cohort=self._named
            )
        log = self._log.bind(source=name, run=lease.run)
        log.info("run started", by=by, **({"slot": slot.isoformat()} if slot else {}))
        for weaker in self._weaker_connection(name):
            log.warning("weaker connection", because=weaker)
        with _COLLECTOR.paused(), self._closing(lease):
            if back is None:
                outcome = self._carried_out(lease, student, progress, shared)
            else:
                outcome = self._taken_back(lease, back)
        _logged(log, outcome)
        return outcome

    def approve(self, number: int, name: str, *, by: str, said_of: bytes | None = None) -> Outcome:
        """Apply a suspended run's own snapshot, if what it would change is still exactly what was approved.

        Where the marks have moved so that it would change something else, nothing is applied: the run waits on, with
        what it would change now. `said_of` is the digest of the change that people spoke of; a run that has come to
        another one since is left alone.
        """
        message = self._suggest(f"run {number} does not wait for approval any more. See: clearance runs show {number}")
        not_waiting = Outcome(name, RunState.SKIPPED, number, message, "not_waiting", cohort=self._named)
        kept = self._kept(number)
        if kept is None or said_of not in (None, kept[0]):
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
        digest, packed = kept
        log = self._log.bind(source=name, run=number)
        log.info("run approved", by=by)
        with _COLLECTOR.paused(), self._closing(lease):
            try:
                outcome = self._applied(lease, snapshot_codec.unpack(packed), None, approved=digest)
            except SourceError as error:
                outcome = self._ended(lease, RunState.FAILED, str(error), fault=_FAULTS[type(error)])
            except SettingsDiffer as differ:
                outcome = self._ended(lease, RunState.SKIPPED, str(differ), fault="suspended")
        _logged(log, outcome)
        return outcome

    def way_back(self, number: int, name: str) -> tuple[Preview, Reversal]:
        """Say what taking an approved run back would change, and what is kept of it; write nothing.

        Raises ReversalRefused when the run keeps nothing, LedgerRefused when what it keeps was altered.
        """
        with reading(self._engine) as connection:
            reversal, proposal = self._back(connection, number, name)
        return Preview(name, None, "", dict(proposal.counts), proposal.flips, proposal.reasons), reversal

    def plan_way_back(self, number: int, name: str) -> WayBackPlan:
        """Return the same for a page, with what was given since; write nothing. Raises as `way_back` does."""
        with reading(self._engine) as connection:
            reversal, proposal = self._back(connection, number, name)
            look = look_at(Stored(connection, self._cohort), number, proposal)
        reviews, certificates = self.given_since(reversal)
        return WayBackPlan(
            proposal.plan.digest, proposal.plan.empty, look, int(proposal.counts["left_alone"]),
            reviews, certificates, len(reviews), len(certificates),
        )  # fmt: skip

    def revert(self, number: int, name: str, *, by: str, because: str = "", looked_at: bytes | None = None) -> Outcome:
        """Take an approved run of a source back, in a run of that source: applied, or suspended by the guard.

        What a later answer has changed since stays. The next full pull of the source speaks again as always; until
        then nobody is cleared by a recheck. `looked_at` is the digest of a plan: where it would change something else
        by now, nothing is done. Raises as `way_back` does.
        """
        with reading(self._engine) as connection:
            self._reversal(connection, number, name)
        back = replace(self._to_take_back(number), because=because, looked_at=looked_at)
        return self._run(name, by=by, slot=None, student=None, progress=no_progress, back=back)

    def _taken_back(self, lease: Lease, back: snapshot_codec.WayBack) -> Outcome:
        try:
            return self._applied(lease, back, None)
        except _WayBackMoved:
            message = (
                "the marks have moved since this way back was looked at, and it would change something else. Look at "
                "it again."
            )
            return self._ended(lease, RunState.SKIPPED, message, fault="moved")
        except SettingsDiffer as differ:
            return self._ended(lease, RunState.SKIPPED, str(differ), fault="suspended")

    def _back(self, connection: Connection, number: int, name: str) -> tuple[Reversal, Proposal]:
        return self._reversal(connection, number, name), self._propose(
            connection, name, self._to_take_back(number), None
        )

    def _reversal(self, connection: Connection, number: int, name: str) -> Reversal:
        reversal = self._marks.reversal(connection, number)
        if name not in self._settings.source:
            raise ReversalRefused(
                ReversalCode.NO_SOURCE,
                f"run {number} cannot be taken back: the settings have no [source.{name}] any more. Put it back, apply "
                "the settings, then run this again.",
            )
        return reversal

    def given_since(self, reversal: Reversal) -> tuple[tuple[GivenSince, ...], tuple[GivenSince, ...]]:
        """Return the reviews and the certificates that students have been given since a run had cleared them."""
        review_steps = {e.step for flow in self._settings.flow for e in flow.entries if e.kind == "review"}
        with reading(self._engine) as connection:
            return given_since(connection, self._cohort, reversal.cleared, review_steps, reversal.at)

    def _to_take_back(self, number: int) -> snapshot_codec.WayBack:
        now = self._clock()
        return snapshot_codec.WayBack((), (), now, now, (), reverts=number)

    def look(self, number: int, name: str) -> Look | None:
        """Return what a suspended run would do now; None when its answer is not kept any more. Raises SourceError."""
        kept = self._kept(number)
        if kept is None:
            return None
        with reading(self._engine) as connection:
            proposal = self._propose(connection, name, snapshot_codec.unpack(kept[1]), None)
            return look_at(Stored(connection, self._cohort), number, proposal)

    def carry_out(self) -> list[Outcome]:
        """Approve and reject the suspended runs of which enough has been said; return how each ended."""
        said: dict[int, list[Opinion]] = {}
        for opinion in Opinions(self._engine, self._cohort, self._ledger).waiting():
            said.setdefault(opinion.run, []).append(opinion)
        ended: list[Outcome] = []
        for run, opinions in said.items():
            source, last = opinions[0].source, opinions[-1]
            asked = self._asked_of(source)
            against = next((o for o in opinions if o.says is Says.REJECT), None)
            if against is not None:
                if self.reject(run, by=against.author, reason=against.reason):
                    why = f"rejected: {against.reason}"
                    ended.append(Outcome(source, RunState.REJECTED, run, why, cohort=self._named))
            elif not missing(opinions, asked.guard if asked is not None else None):
                ended.append(self.approve(run, source, by=last.author, said_of=last.digest))
        return ended

    def _asked_of(self, source: str) -> Asked | None:
        """Return the settings of a source or of the roster; None for a change of settings, or a source of the past."""
        return self._settings.roster if source == ROSTER else self._settings.source.get(source)

    def reject(self, number: int, *, by: str, reason: str) -> bool:
        """Close a suspended run for good: nothing of it is applied. False when it does not wait any more."""
        if not self._marks.reject(number, by, reason, self._clock()):
            return False
        self._log.info("run rejected", run=number, by=by)
        return True

    @contextmanager
    def _closing(self, lease: Lease) -> Iterator[None]:
        """Keep the lease while the run goes on; when it is broken off, say so in the run and let go of the source."""
        with _renewed(self._marks, lease, self._lease_for):
            try:
                yield
            except StoreError as error:
                # The database may take this one small write where it had no room for the whole; if not, the lease ends.
                self._give_up(lease, "store", str(error))
                raise
            except BaseException as error:
                what = "it was stopped" if isinstance(error, KeyboardInterrupt | SystemExit) else f"it broke: {error!r}"
                self._give_up(lease, "interrupted", f"{what}. Nothing of it was written; run it again.")
                raise

    def _give_up(self, lease: Lease, fault: str, message: str) -> None:
        try:
            self._marks.fail(lease, Ending(RunState.FAILED, self._clock(), message, fault))
        except (StoreError, LeaseLost) as error:
            self._log.warning("run not closed", source=lease.source, run=lease.run, because=str(error))

    def _carried_out(
        self, lease: Lease, student: str | None, progress: Progress, shared: Connector | None = None
    ) -> Outcome:
        try:
            if lease.source == SETTINGS:
                return self._applied(lease, self._gate.nothing_asked(), None)
            connector = self._connect(lease.source)
            if student is None and (untouched := self._untouched(lease, shared or connector)):
                return untouched
            snapshot = self._asked(lease.source, shared or connector, student, progress)
            return self._applied(lease, snapshot, student, connector=connector)
        except SourceError as error:
            return self._ended(lease, RunState.FAILED, str(error), fault=_FAULTS[type(error)])
        except SettingsDiffer as differ:
            return self._ended(lease, RunState.SKIPPED, str(differ), fault="suspended")

    def _untouched(self, lease: Lease, connector: Connector) -> Outcome | None:
        """End a run without a pull, where the source tells that its answer is the one that is stored."""
        if lease.source == ROSTER or self._settings.source[lease.source].as_of:
            # The moment that its data reach up to may have moved, though its rows have not.
            return None
        fingerprint = connector.fingerprint() if isinstance(connector, Fingerprinted) else None
        if fingerprint is None:
            return None
        for _ in range(_ATTEMPTS):
            with reading(self._engine) as connection:
                proposal = propose_untouched(
                    connection, self._settings, self._cohort, lease.source, fingerprint, self._clock()
                )
            if proposal is None:
                return None
            with suppress(BaseMoved):
                weaker = self._weaker_connection(lease.source)
                counts = {"not_pulled": True} | ({"warnings": list(weaker)} if weaker else {})
                return self._unchanged(lease, proposal, counts)
        return None

    def _unchanged(self, lease: Lease, proposal: Proposal, counts: dict[str, Any]) -> Outcome:
        proofs = [(proof.kind.value, proof.detail) for proof in proposal.snapshot.proofs]
        ending = Ending(RunState.UNCHANGED, self._clock(), counts=counts, proofs=proofs)
        self._marks.unchanged(lease, proposal.plan.base, proposal.pull, ending)
        return Outcome(lease.source, RunState.UNCHANGED, lease.run, counts=counts, cohort=self._named)

    def _asked(self, name: str, connector: Connector, student: str | None, progress: Progress) -> Snapshot:
        snapshot = connector.pull(progress) if student is None else self._asked_by_every_number(connector, student)
        snapshot = stamped(self._settings, name, snapshot, self._clock())
        shown = {proof.kind for proof in snapshot.proofs}
        if not shown & _WHOLE or ProofKind.COLUMNS_PRESENT not in shown:
            raise SourceGarbled(
                f"{name} gave no proof that its answer is whole (shown: {', '.join(sorted(shown)) or 'nothing'})",
                "Let it tell a total, or accept another proof in its settings; see docs/connectors.md.",
            )
        weaker = self._settings.source[name].weaker_proofs if name != ROSTER else ()
        accepted = tuple(Proof(ProofKind.ACCEPTED, f"{proof}, in place of a total") for proof in weaker)
        warnings = (*self._weaker_connection(name), *snapshot.warnings)
        return replace(snapshot, proofs=(*snapshot.proofs, *accepted), warnings=warnings)

    def _weaker_connection(self, name: str) -> tuple[str, ...]:
        asked = self._asked_of(name)
        return asked.weaker_connection if asked is not None else ()

    def _asked_by_every_number(self, connector: Connector, student: str) -> Snapshot:
        with reading(self._engine) as connection:
            aliases = Stored(connection, self._cohort).aliases_of(student)
        return together([connector.pull_one(number) for number in (student, *aliases)])

    def _propose(self, connection: Connection, name: str, snapshot: Snapshot, student: str | None) -> Proposal:
        if name == SETTINGS:
            return propose_settings(connection, self._settings, self._cohort, snapshot)
        self._gate.demand(connection)
        if name == ROSTER:
            return propose_roster(connection, self._settings, self._cohort, snapshot, self._clock())
        seals = partial(self._ledger.seals, connection)
        if isinstance(snapshot, snapshot_codec.WayBack):
            reversal = self._marks.reversal(connection, snapshot.reverts)
            proposal = propose_way_back(connection, self._settings, self._cohort, name, snapshot, reversal, seals)
            if snapshot.looked_at not in (None, proposal.plan.digest):
                raise _WayBackMoved
            return proposal
        return propose_source(connection, self._settings, self._cohort, name, snapshot, student, self._clock(), seals)

    def _applied(
        self,
        lease: Lease,
        snapshot: Snapshot,
        student: str | None,
        approved: bytes | None = None,
        connector: Connector | None = None,
    ) -> Outcome:
        doubts = Doubts(self._settings, connector) if connector is not None and student is None else None
        for _ in range(_ATTEMPTS):
            with reading(self._engine) as connection:
                proposal = self._propose(connection, lease.source, snapshot, student)
                stored = Stored(connection, self._cohort)
                asking = doubts.about(proposal, stored) if doubts and isinstance(proposal, SourceProposal) else None
                unproven = student is not None and not self._one_is_proven(stored, lease.source, connector)
                last_full = stored.last_full_run(lease.source) if student else None
                granted = approved is not None and approved == proposal.plan.digest
                moved = approved is not None and not granted
                held_back = (bool(proposal.reasons) or moved) and student is None and not granted
                seen = look_at(stored, lease.run, proposal) if held_back else None
            if asking is not None:
                # The office is asked outside the read; then the plan is made again on what it said.
                snapshot = asking(snapshot)
                continue
            counts = dict(proposal.counts) | ({"approved": True} if granted else {})
            counts |= {"warnings": list(snapshot.warnings)} if snapshot.warnings else {}
            counts |= (
                {"because": snapshot.because}
                if isinstance(snapshot, snapshot_codec.WayBack) and snapshot.because
                else {}
            )
            counts |= {"objections": packed(proposal.reasons)} if proposal.reasons else {}
            proofs = [(proof.kind.value, proof.detail) for proof in snapshot.proofs]
            if proposal.plan.empty:
                try:
                    return self._unchanged(lease, proposal, counts)
                except BaseMoved:
                    continue
                except Overtaken:
                    return self._overtaken(lease, counts)
            stands = last_full in (RunState.APPLIED, RunState.UNCHANGED)
            if student is not None and proposal.clears and not stands:
                message = (
                    f"{lease.source} would clear {student}, but its last full run {last_full or 'has yet to come'}. "
                    f"Sync {lease.source} first; then ask again."
                )
                return self._ended(lease, RunState.SKIPPED, message, counts=counts)
            if student is not None and proposal.clears and unproven:
                message = (
                    f"{lease.source} would clear {student}, but asking about one student has not been shown to give "
                    f"what the whole answer gives, and so never clears. Sync {lease.source}: a full run shows it, or "
                    "says what differs."
                )
                return self._ended(lease, RunState.SKIPPED, message, counts=counts)
            if proposal.reasons and student is not None:
                message = f"{_said(proposal.reasons)}. Look at the source, then sync {lease.source} as a whole."
                return self._ended(lease, RunState.SKIPPED, message, fault="suspended", counts=counts)
            if seen is not None:
                return self._held_back(lease, proposal, seen, counts, proofs)
            ending = Ending(
                RunState.APPLIED, self._clock(), counts=counts, proofs=proofs, plan_digest=proposal.plan.digest
            )
            try:
                proposal.apply(self._marks, lease, ending, approved=granted)
            except BaseMoved:
                continue
            except Overtaken:
                return self._overtaken(lease, counts)
            return Outcome(
                lease.source, RunState.APPLIED, lease.run, counts=counts, flips=proposal.flips, cohort=self._named
            )
        message = "the marks kept changing while this was planned. Run it again."
        return self._ended(lease, RunState.FAILED, message, fault="busy")

    def _one_is_proven(self, stored: Stored, name: str, connector: Connector | None) -> bool:
        if connector is None or reads_all_for_one(connector):
            return True
        rule, wheres = rules.source_rule(self._settings, name), rules.locations(self._settings.source[name])
        return stored.source(name).one_proven in {question_of(rule, where) for where in wheres}

    def _overtaken(self, lease: Lease, counts: dict[str, Any]) -> Outcome:
        message = (
            f"{lease.source} was asked again while this answer about {lease.student} was on its way, and the later "
            "answer stands. Ask again if it is not what you expect."
        )
        return self._ended(lease, RunState.SKIPPED, message, counts=counts)

    def _held_back(
        self, lease: Lease, proposal: Proposal, seen: Look, counts: dict[str, Any], proofs: list[tuple[str, str]]
    ) -> Outcome:
        why = (
            _said(proposal.reasons)
            or "the marks have moved since this was looked at, and it would change something else"
        )
        waiting = self._waiting(lease.source, lease.run)
        if waiting is not None:
            message = (
                f"{why}. Run {waiting} waits already: look at the source, then `clearance runs approve {waiting}`."
            )
            return self._ended(lease, RunState.SKIPPED, message, fault="suspended", counts=counts)
        what = "the change with `clearance runs show {0}`" if lease.source == SETTINGS else "the source"
        message = (
            f"{why}: look at {what.format(lease.run)}, then `clearance runs approve {lease.run}`, or "
            f'`clearance runs reject {lease.run} --reason "…"`.'
        )
        message = self._suggest(message)
        ending = Ending(RunState.SUSPENDED, self._clock(), message, "suspended", counts, proofs, proposal.plan.digest)
        self._marks.suspend(lease, ending, snapshot_codec.pack(proposal.kept()), seen)
        return Outcome(lease.source, RunState.SUSPENDED, lease.run, message, "suspended", counts, cohort=self._named)

    def _kept(self, number: int) -> tuple[bytes, bytes] | None:
        """Return what a suspended run would change, and its answer. Raises LedgerRefused when they were altered."""
        try:
            return self._marks.kept_snapshot(number)
        except LedgerRefused as refused:
            raise LedgerRefused(self._suggest(str(refused))) from refused

    def _suggest(self, message: str) -> str:
        return naming(self._settings, self._cohort, message)

    def _waiting(self, source: str, but: int) -> int | None:
        with reading(self._engine) as connection:
            return Stored(connection, self._cohort).suspended(source, but)

    def _ended(
        self,
        lease: Lease,
        state: RunState,
        message: str,
        *,
        fault: str | None = None,
        counts: dict[str, Any] | None = None,
    ) -> Outcome:
        message = self._suggest(message)
        self._marks.fail(lease, Ending(state, self._clock(), message, fault, counts or {}))
        return Outcome(lease.source, state, lease.run, message, fault, counts or {}, cohort=self._named)


def _said(reasons: Iterable[Objection]) -> str:
    return "; ".join(map(str, reasons))


def _logged(log: Any, outcome: Outcome) -> None:  # noqa: ANN401 - structlog's bound logger has no static type
    # Why it is held back stands in the message.
    figures = {k: v for k, v in outcome.counts.items() if v and k != "objections"}
    tell = log.warning if outcome.fault else log.info
    tell(
        "run finished",
        state=outcome.state.value,
        **figures,
        **({"message": outcome.message} if outcome.message else {}),
    )


@contextmanager
def _renewed(marks: SettingsMarks, lease: Lease, lease_for: timedelta) -> Iterator[None]:
    """Renew the lease in the background; a recheck holds none."""
    if lease.student is not None:
        yield
        return
    over = threading.Event()

    def beat() -> None:
        while not over.wait(lease_for.total_seconds() / 3):
            try:
                if not marks.renew(lease, lease_for):
                    return
            except StoreError:
                # The next beat tries again; until then the lease holds.
                continue

    thread = threading.Thread(target=beat, name=f"lease of {lease.source}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(timeout=5)
