"""A source's answer: gathered, matched, compared, confirmed, planned and judged, each stage once."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

from sqlalchemy import Connection

from config.settings import Settings
from connectors.port import AsksByNumber, Cell, Connector, ProofKind, Snapshot, SourceUnavailable, reads_all_for_one
from foundation.translation import tr
from status_db.guard_reasons import GuardReason
from status_db.ledger.seals import Seals
from status_db.marks.current import CurrentState
from status_db.marks.expected_changes import expected
from status_db.marks.reversals import ReplacedRecord
from status_db.marks.runs import Lease, Pull, RunEnding, Writes
from status_db.marks.settings import SettingsMarks
from status_db.model import CLEAR, ROSTER, Flip, RunState, Verdict
from status_db.stored_counts import NO_COUNTS, RunCounts
from sync import rule_settings
from sync.plan import history as pasts
from sync.plan.base import Withholding
from sync.plan.compare import Comparison, compare, match
from sync.plan.confirm import Confirmation, confirm
from sync.plan.gather import GatheredState, GatherRequest, Groups, gather
from sync.plan.same_answer import SameAnswer, fingerprint_of, question_of, same_answer, source_fingerprint
from sync.plan.snapshot_codec import RevertSnapshot, StoredSnapshot, kept_of
from sync.rule import guard, quality, reconcile
from sync.rule.answer import UnmatchedKey
from sync.rule.quality import Quality
from sync.rule.records import SourceRule
from sync.rule.row_keys import keyed


@dataclass(frozen=True, slots=True)
class SourceProposal:
    """A source's answer, planned."""

    plan: reconcile.Plan
    reasons: tuple[GuardReason, ...]
    pull: Pull
    snapshot: Snapshot
    known: frozenset[Cell]
    #: The meaning of no row.
    absent: Verdict
    #: The quality of its rows; None where the answer is not whole.
    quality: Quality | None = None
    #: The students that count in the guard's sums.
    counted: guard.GuardCounts = guard.NO_MOVES
    #: The counts of a run that reverts another one.
    revert: RunCounts = NO_COUNTS
    #: Why a recheck applies nothing; None where it can.
    held: Withholding | None = None

    @property
    def clears(self) -> bool:
        """Whether it makes anything clear that was not."""
        return self.plan.clears > 0

    @property
    def flips(self) -> tuple[Flip, ...]:
        """What counts before and after."""
        return self.plan.flips

    @property
    def counts(self) -> RunCounts:
        """The counts of the run."""
        plan = self.plan
        return replace(
            self.revert,
            rows=plan.rows,
            roster_rows=plan.roster_rows,
            unmatched_keys=plan.unmatched_key_count,
            staying=plan.staying,
            no_amount=self.quality.no_amount if self.quality else 0,
            nameless=plan.nameless,
            records=len(plan.changes),
            released=plan.count(Verdict.HELD, Verdict.CLEARED) + plan.count(Verdict.HELD, Verdict.EXEMPT),
            newly_held=plan.count(Verdict.CLEARED, Verdict.HELD) + plan.count(Verdict.EXEMPT, Verdict.HELD),
            newly_unknown=self.counted.unknown,
            counted_cleared=self.counted.cleared,
            counted_held=self.counted.held,
            flips=len(plan.flips),
        )

    def kept(self) -> Snapshot:
        """Return the snapshot without the unmatched rows, but with their list."""
        if isinstance(self.snapshot, RevertSnapshot):
            return self.snapshot
        rows = [row for row in self.snapshot.rows if row[0] in self.known]
        plan = self.plan
        return kept_of(self.snapshot, rows, unmatched_of(plan), plan.unmatched_key_count, self.quality)

    def apply(self, marks: SettingsMarks, lease: Lease, ending: RunEnding, *, approved: bool) -> None:
        """Write it whole."""
        plan = self.plan
        moves: dict[Verdict, int] = dict.fromkeys(Verdict, 0)
        for change in plan.changes:
            if change.concerned:
                if change.before is not None:
                    moves[change.before.verdict] -= 1
                if change.after is not None:
                    moves[change.after.verdict] += 1
        writes = Writes(
            base=plan.base,
            step=plan.step,
            records=[c.after for c in plan.changes if c.after is not None] + list(plan.respelled),
            removed=[c.student for c in plan.changes if c.after is None],
            findings=plan.findings,
            flips=plan.flips,
            moves=moves,
            replaced=[_replaced_record(change) for change in plan.changes] if approved else (),
        )
        marks.apply(lease, writes, self.pull, ending, approved=approved)


def _replaced_record(change: reconcile.Change) -> ReplacedRecord:
    cleared = change.concerned and change.verdict_before not in CLEAR and change.verdict_after in CLEAR
    return ReplacedRecord(change.student, change.before, change.after.digest if change.after else b"", cleared)


def unmatched_of(plan: reconcile.Plan) -> list[tuple[str, str, str]]:
    """Return the listed unmatched rows of a plan: key, match hint, and the student it may mean; in key order."""
    return sorted((s.key, s.near, s.student) for s in plan.unmatched_keys)


class SourceStages:
    """The stages of one answer of a source about all students; `recheck` has those of an answer about one student."""

    student: str | None = None

    def __init__(
        self,
        settings: Settings,
        cohort: str,
        name: str,
        snapshot: Snapshot,
        clock: Callable[[], datetime],
        seals: Callable[[Connection], Seals],
        connector: Connector | None = None,
    ) -> None:
        """`connector` confirms the answer; an answer that waited for approval has none.

        With the ledger's `seals`, an expected change with a wrong seal raises no limit.
        """
        self._settings = settings
        self._cohort = cohort
        self._rule = rule_settings.source_rule(settings, name)
        self._source = settings.source[name]
        self._where = rule_settings.location(self._source)
        self._snapshot = snapshot
        self._clock = clock
        self._seals = seals
        self._connector = connector
        self._confirmed = Confirmation(tried_one=connector is None or reads_all_for_one(connector))

    @property
    def snapshot(self) -> Snapshot:
        """The answer, with the result of the confirmation."""
        confirmed = self._confirmed
        return replace(
            self._snapshot,
            unsettled=(*self._snapshot.unsettled, *sorted(confirmed.kept)),
            warnings=(*self._snapshot.warnings, *confirmed.warnings),
            proofs=(*self._snapshot.proofs, *confirmed.proofs),
        )

    @cached_property
    def _keyed(self) -> tuple[Snapshot, Groups]:
        return keyed(self._rule, self._snapshot)

    def gather(self, connection: Connection) -> "Read":
        """Read everything that the answer is planned on.

        Raises SourceGarbled when the answer cannot be about this roster, SourceUnavailable when the question was about
        another revision of it.
        """
        rule, name, snapshot, clock = self._rule, self._rule.source, self.snapshot, self._clock()
        stored = CurrentState(connection, self._cohort, self._settings.open_beside(self._cohort))
        state = stored.source(name)
        if self.student is None and snapshot.candidates not in (None, stored.source(ROSTER).revision):
            # Students that joined since, and numbers that were added since, were not in the question.
            raise SourceUnavailable(
                tr("{name} was asked about the students of a roster that has changed since", name=name),
                tr("Wait for the next slot, or ask it again: clearance sync {name}", name=name),
            )
        rosters = stored.roster_revisions()
        reported_fingerprint = source_fingerprint(rule, self._where, rosters, snapshot.fingerprint)
        fingerprint = fingerprint_of(rule, rosters, self._snapshot) if self.student is None else None
        if fingerprint is not None and fingerprint == state.fingerprint and not snapshot.unsettled:
            same = same_answer(stored, self._settings, rule, state, snapshot, clock)
            pull = replace(
                same.pull,
                reported_fingerprint=reported_fingerprint,
                compared_at=snapshot.began,
                location=self._where,
                one_proven=self._proven(snapshot),
                as_of=snapshot.as_of,
            )
            return replace(same, pull=pull)
        one_proven = state.one_proven in {question_of(rule, at) for at in rule_settings.locations(self._source)}
        question = GatherRequest(
            self._settings,
            rule,
            clock,
            self.student,
            asks_again=isinstance(self._connector, AsksByNumber),
            tries_one=not self._confirmed.tried_one and not one_proven,
        )
        keyed_snapshot, groups = self._keyed
        expected_changes = expected(connection, self._cohort, name, snapshot.ended, lambda: self._seals(connection))
        gathered = gather(stored, question, state, expected_changes, keyed_snapshot, groups)
        return AnswerRead(clock, fingerprint, reported_fingerprint, gathered, one_proven)

    def decide(self, read: "Read") -> SourceProposal:
        """Match, compare, confirm, plan and judge. This asks the office again, but uses no database."""
        if isinstance(read, SameAnswer):
            return of_same_answer(self._cohort, self._rule, read, self.snapshot)
        keyed_snapshot, groups = self._keyed
        matched = match(self._rule, keyed_snapshot, groups, read.gathered, self.student)
        compared = compare(self._rule, keyed_snapshot, matched, read.gathered, self.student)
        self._confirm_releases(read, compared)
        plan = self._plan(read.gathered, compared)
        return self._proposal(read, compared, plan)

    def _proven(self, snapshot: Snapshot) -> bytes | None:
        """Return the question for which the answer proves that asking about one student agrees with it."""
        shown = any(proof.kind is ProofKind.ONE_AGREES for proof in snapshot.proofs)
        return question_of(self._rule, self._where) if shown else None

    def _confirm_releases(self, read: "AnswerRead", compared: Comparison) -> None:
        if self._connector is None:
            return
        rule, gathered, marks = self._rule, read.gathered, read.gathered.marks
        if read.one_proven:
            self._confirmed = replace(self._confirmed, tried_one=True)
        if self._confirmed.tried_one and not isinstance(self._connector, AsksByNumber):
            # Nothing is left to ask, so the changes are not needed yet.
            return
        people = {person.student: person for person in marks.touched}
        new = reconcile.kept_back(rule, compared.new, marks.records, gathered.unsettled)
        changes, _ = reconcile.changes_of(rule, new, marks.records, people, marks.state.began)
        self._confirmed = confirm(rule, self._connector, changes, gathered.numbers, gathered.held, self._confirmed)

    def _plan(self, gathered: GatheredState, compared: Comparison) -> reconcile.Plan:
        rule, marks = self._rule, gathered.marks
        unsettled = self._unsettled(gathered)
        new = reconcile.kept_back(rule, compared.new, marks.records, unsettled)
        plan = reconcile.plan(
            self._cohort,
            marks.base,
            marks.state.revision,
            rule,
            self._snapshot.began,
            compared.answer,
            marks.touched,
            new,
            marks.records,
            marks.others,
            marks.state.began,
        )
        return _with_what_was_kept(plan, self._snapshot) if isinstance(self._snapshot, StoredSnapshot) else plan

    def _unsettled(self, gathered: GatheredState) -> frozenset[str]:
        """Return the students that must not be released: their readings differ, or they were not confirmed."""
        kept = self._confirmed.kept
        contested = {owner for student in kept for owner in gathered.people.contested.get(student, ())}
        return gathered.unsettled | ((kept | contested) - gathered.later)

    def _proposal(self, read: "AnswerRead", compared: Comparison, plan: reconcile.Plan) -> SourceProposal:
        rule, gathered = self._rule, read.gathered
        measured, history = self._measured(gathered, compared, plan)
        unmatched_keys = unmatched_of(plan)
        whole = self.student is None
        settled = not (gathered.later or self._unsettled(gathered))
        snapshot = self.snapshot
        pull = Pull(
            began=snapshot.began,
            ended=snapshot.ended,
            fresh_for=rule_settings.fresh_for(self._settings, self._source),
            settings_digest=rule.digest,
            fingerprint=read.fingerprint if settled else None,
            reported_fingerprint=read.reported_fingerprint if settled else None,
            compared_at=snapshot.began,
            roster_rows=plan.roster_rows if whole else None,
            unmatched_keys=unmatched_keys if whole and unmatched_keys != list(gathered.unmatched) else None,
            unmatched_key_count=plan.unmatched_key_count,
            source_base=gathered.marks.state.revision,
            asked_later=gathered.asked_later,
            location=self._where,
            one_proven=self._proven(snapshot),
            quality=quality.to_json(measured) if measured else None,
            judged_at=read.clock,
            as_of=snapshot.as_of,
        )
        reasons: tuple[GuardReason, ...] = ()
        counted = guard.NO_MOVES
        if history is not None:
            limits, first_applies = rule_settings.limits(self._source), self._source.first == "apply"
            reasons = guard.judge(plan, rule.means, limits, history, first_applies=first_applies, quality=measured)
            counted = guard.count(plan, rule.means, history)
        elif gathered.marks.state.settings_digest is None and self._source.first != "apply":
            # An answer without changes, before the roster or while another source waits, is not the first one: it
            # stores nothing that could clear a student later.
            pull = replace(pull, roster_rows=None)
        keyed_snapshot = replace(snapshot, rows=self._keyed[0].rows, places=self._keyed[0].places)
        return SourceProposal(plan, reasons, pull, keyed_snapshot, compared.known, rule.absent, measured, counted)

    def _measured(
        self, gathered: GatheredState, compared: Comparison, plan: reconcile.Plan
    ) -> tuple[Quality | None, guard.History | None]:
        """Return the quality of an answer's rows, and the history that judges its changes; None without a change.

        An answer about one student has no quality; one that waited for approval has the quality measured at that time.
        """
        rule, snapshot, marks = self._rule, self._keyed[0], gathered.marks
        if isinstance(self._snapshot, StoredSnapshot) or self.student is not None:
            kept = self._snapshot.quality if isinstance(self._snapshot, StoredSnapshot) else None
            return kept, self._history(gathered, plan, pasts.NO_BRANCHES)
        groups, resolved, digests = compared.matched.groups, compared.matched.resolved, gathered.digests
        people, near = pasts.students_of_keys(groups, digests, resolved), pasts.hinted(groups, digests, resolved)
        branches = pasts.at_branches(marks.past, marks.state, snapshot, people, plan)
        history = self._history(gathered, plan, branches)
        measured = quality.quality_of(
            rule, snapshot.fields, snapshot.rows, near, compared.answer.roster_rows, branches.after
        )
        return measured, history

    def _history(
        self, gathered: GatheredState, plan: reconcile.Plan, branches: pasts.AtBranches
    ) -> guard.History | None:
        if not plan.changes and not plan.findings:
            return None
        rule, marks = self._rule, gathered.marks
        history = pasts.history(marks.past, self._settings, rule, marks.state, self._snapshot)
        if self.student is not None:
            # One student's rows do not show how many there are in all.
            return pasts.without_rows(history)
        limits = rule_settings.limits(self._source)
        return replace(history, groups=pasts.groups(marks.past, rule, limits, plan, history.held, branches))


@dataclass(frozen=True, slots=True)
class AnswerRead:
    """One read of the marks, for an answer that differs from the last one."""

    #: The current time.
    clock: datetime
    fingerprint: bytes | None
    reported_fingerprint: bytes | None
    gathered: GatheredState
    #: Whether it is proven that asking about one student agrees with the whole answer.
    one_proven: bool
    #: For a recheck: how the last full run ended; None where there was none.
    last_full: RunState | None = None


Read = AnswerRead | SameAnswer


def of_same_answer(cohort: str, rule: SourceRule, read: SameAnswer, snapshot: Snapshot) -> SourceProposal:
    """Return an empty proposal, for the same answer that the stored records came from."""
    plan = reconcile.Plan(
        cohort=cohort,
        source=rule.source,
        step=rule.step,
        base=read.base,
        source_base=read.state.revision,
        changes=(),
        respelled=(),
        findings=(),
        flips=(),
        unmatched_keys=(),
        unmatched_key_count=read.state.unmatched_keys,
        staying=0,
        rows=len(snapshot.rows),
        roster_rows=read.state.recent_rows[-1],
        nameless=0,
    )
    return SourceProposal(plan, (), read.pull, snapshot, frozenset(), rule.absent)


def _with_what_was_kept(plan: reconcile.Plan, kept: StoredSnapshot) -> reconcile.Plan:
    """Return the plan of a kept answer with the list of unmatched rows of the whole answer."""
    found = {key: UnmatchedKey(key, hint, student) for key, hint, student in kept.unmatched}
    found |= {one.key: one for one in plan.unmatched_keys}
    return replace(plan, unmatched_keys=tuple(found.values()), unmatched_key_count=kept.unmatched_count)
