"""Revert of a wrongly approved run: the records that it replaced are restored, where no later answer changed them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from config.settings import Settings
from status_db.guard_reasons import GuardReason
from status_db.ledger.seals import Seals
from status_db.marks.current import CurrentState
from status_db.marks.expected_changes import expected
from status_db.marks.reversals import Reversal
from status_db.marks.runs import Pull
from status_db.model import Record
from status_db.stored_counts import RunCounts
from sync import rule_settings
from sync.plan import history as pasts
from sync.plan.gather import GatherRequest, StepMarks, step_marks
from sync.plan.snapshot_codec import RevertSnapshot
from sync.plan.source import SourceProposal
from sync.rule import guard, reconcile
from sync.rule.answer import Answer

_NO_ANSWER = Answer({}, frozenset(), (), 0, 0, 0, 0, 0)


class RevertMoved(Exception):  # noqa: N818 - named by what is so
    """The revert of a run would change something else than what was checked."""


@dataclass(frozen=True, slots=True)
class RevertRead:
    """The marks that the revert of a run is planned on."""

    marks: StepMarks
    #: Student → the record that the run replaced, where no later answer has changed it.
    untouched: Mapping[str, Record | None]
    reversal: Reversal
    asked_later: frozenset[str]


class RevertStages:
    """The stages of the revert of an approved run. No office is asked, and there are no rows."""

    def __init__(
        self,
        settings: Settings,
        cohort: str,
        name: str,
        snapshot: RevertSnapshot,
        reversal: Callable[[Connection], Reversal],
        seals: Callable[[Connection], Seals],
    ) -> None:
        """`reversal` reads what the run replaced. With `seals`, an altered expected change raises no limit."""
        self._settings = settings
        self._cohort = cohort
        self._rule = rule_settings.source_rule(settings, name)
        self.snapshot = snapshot
        self._reversal = reversal
        self._seals = seals

    def gather(self, connection: Connection) -> RevertRead:
        """Read the replaced records that have not changed since, and the marks about their students."""
        rule, snapshot, stored = self._rule, self.snapshot, CurrentState(connection, self._cohort)
        reversal = self._reversal(connection)
        state, digests = stored.source(rule.source), stored.digests(rule.source)
        untouched = {r.student: r.before for r in reversal.replaced if digests.get(r.student, b"") == r.after}
        expected_changes = expected(
            connection, self._cohort, rule.source, snapshot.ended, lambda: self._seals(connection)
        )
        question = GatherRequest(self._settings, rule, None)
        marks = step_marks(stored, question, state, expected_changes, snapshot, untouched.keys())
        asked_later = stored.runs.asked_later(rule.source, state.began or snapshot.began)
        return RevertRead(marks, untouched, reversal, asked_later)

    def decide(self, read: RevertRead) -> SourceProposal:
        """Plan to restore the records, and judge the moves as those of any run.

        A student that has left the roster, or joined again, is left alone. Raises RevertMoved.
        """
        rule, snapshot, marks, state = self._rule, self.snapshot, read.marks, read.marks.state
        known = {
            person.student
            for person in marks.touched
            if person.student in read.untouched and person.joined_at <= read.reversal.at
        }
        back = {student: before for student, before in read.untouched.items() if student in known}
        began = state.began or snapshot.began
        plan = reconcile.plan(
            self._cohort,
            marks.base,
            state.revision,
            rule,
            began,
            _NO_ANSWER,
            [person for person in marks.touched if person.student in back],
            back,
            marks.records,
            marks.others,
            state.began,
        )
        if snapshot.checked_digest not in (None, plan.digest):
            raise RevertMoved
        pull = Pull(
            began=began,
            ended=snapshot.ended,
            fresh_for=rule_settings.fresh_for(self._settings, self._settings.source[rule.source]),
            settings_digest=rule.digest,
            fingerprint=None,
            reported_fingerprint=None,
            compared_at=None,
            roster_rows=None,
            source_base=state.revision,
            asked_later=read.asked_later,
        )
        reasons, counted = self._guard_result(plan, marks)
        return SourceProposal(
            plan,
            reasons,
            pull,
            snapshot,
            frozenset(),
            rule.absent,
            None,
            counted,
            RunCounts(
                reverts=read.reversal.run,
                left_alone=len(read.reversal.replaced) - len(back),
                because=snapshot.because,
            ),
        )

    def _guard_result(
        self, plan: reconcile.Plan, marks: StepMarks
    ) -> tuple[tuple[GuardReason, ...], guard.GuardCounts]:
        """Return why the guard suspends the change, and what it counts; a change that moves no student passes."""
        if not plan.changes and not plan.findings:
            return (), guard.NO_MOVES
        rule = self._rule
        limits = rule_settings.limits(self._settings.source[rule.source])
        before = pasts.history(marks.past, self._settings, rule, marks.state, self.snapshot)
        groups = pasts.groups(marks.past, rule, limits, plan, before.held, pasts.NO_BRANCHES)
        history = pasts.without_rows(before, groups)
        reasons = guard.judge(plan, rule.means, limits, history, first_applies=False)
        return reasons, guard.count(plan, rule.means, history)


def at(moment: datetime, run: int) -> RevertSnapshot:
    """Return the snapshot that replaces an answer where a run is reverted."""
    return RevertSnapshot((), (), moment, moment, (), reverts=run)
