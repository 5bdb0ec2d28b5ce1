"""What reverting an approved run would change; nothing is written here."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy import Engine

from config.settings import Settings
from connectors.port import Snapshot
from foundation.translation import tr
from status_db.marks.current import CurrentState
from status_db.marks.reversals import Reversal, ReversalCode, ReversalRefused, given_since
from status_db.marks.revert_plans import LaterReview, WayBackPlan
from status_db.marks.settings import SettingsMarks
from status_db.store.engine import reading
from sync.plan import revert
from sync.plan.base import Proposal, Stages
from sync.run.applying import AnswerRunner
from sync.run.impact import impact_of
from sync.run.outcome import RunPreview


class Reverting:
    """Plans the revert of approved runs of one cohort."""

    def __init__(
        self,
        settings: Settings,
        cohort: str,
        engine: Engine,
        marks: SettingsMarks,
        applying: AnswerRunner,
        stages: Callable[[str, Snapshot], Stages[Any]],
        clock: Callable[[], datetime],
    ) -> None:
        """`stages` returns the stages of an answer of a source."""
        self._settings = settings
        self._cohort = cohort
        self._engine = engine
        self._marks = marks
        self._applying = applying
        self._stages = stages
        self._clock = clock

    def preview(self, number: int, name: str) -> tuple[RunPreview, Reversal]:
        """Return what reverting an approved run would change, and the records that it replaced.

        Raises ReversalRefused when the run keeps nothing, LedgerRefused when the kept records were altered.
        """
        reversal, proposal = self._propose(number, name)
        return RunPreview(name, None, "", proposal.counts, proposal.flips, proposal.reasons), reversal

    def plan(self, number: int, name: str) -> WayBackPlan:
        """Return the same for a page, with the reviews and certificates given since. Raises as `preview` does."""
        reversal, proposal = self._propose(number, name)
        with reading(self._engine) as connection:
            impact = impact_of(CurrentState(connection, self._cohort), number, proposal)
        reviews, certificates = self.given_since(reversal)
        return WayBackPlan(
            proposal.plan.digest, proposal.plan.empty, impact, proposal.counts.left_alone or 0,
            reviews, certificates, len(reviews), len(certificates),
        )  # fmt: skip

    def reversal(self, number: int, name: str) -> Reversal:
        """Return what an approved run replaced. Raises as `preview` does."""
        with reading(self._engine) as connection:
            reversal = self._marks.reversal(connection, number)
        if name not in self._settings.source:
            raise ReversalRefused(
                ReversalCode.NO_SOURCE,
                tr(
                    "run {number} cannot be reverted: the settings no longer have [source.{name}]. Add it, apply "
                    "the settings, then run this again.",
                    number=number,
                    name=name,
                ),
            )
        return reversal

    def given_since(self, reversal: Reversal) -> tuple[tuple[LaterReview, ...], tuple[LaterReview, ...]]:
        """Return the reviews and certificates that students were given after a run cleared them."""
        review_steps = {e.step for flow in self._settings.flow for e in flow.entries if e.kind == "review"}
        with reading(self._engine) as connection:
            return given_since(connection, self._cohort, reversal.cleared, review_steps, reversal.at)

    def _propose(self, number: int, name: str) -> tuple[Reversal, Proposal]:
        reversal = self.reversal(number, name)
        return reversal, self._applying.propose(name, self._stages(name, revert.at(self._clock(), number)))
