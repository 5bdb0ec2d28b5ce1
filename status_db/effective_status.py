"""One student's step as people see it: the finding, the decision that overrides it, and the effective status. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from status_db.model import (
    CLEAR,
    Decision,
    Finding,
    Reason,
    State,
    StepKind,
    Verdict,
    as_of_text,
    is_stale,
    version_tag_of,
)


@dataclass(frozen=True, slots=True)
class StepStatus:
    """One student's step: the finding, and the decision that overrides it, if there is one."""

    step: str
    kind: StepKind
    finding: Finding
    #: When the finding last changed.
    since: datetime
    #: When the step's sources last answered (the oldest of them); None before that and for manual steps.
    as_of: datetime | None = None
    #: Until when that answer is fresh; None for manual steps and reviews, which are never stale.
    fresh_until: datetime | None = None
    #: When the newest of those answers began. A time in the future comes from a wrong clock.
    latest: datetime | None = None
    decision: Decision | None = None
    #: The run of the finding; None before the first.
    run: int | None = None
    #: For a review: the steps before it that do not count as clear now.
    waits_for: tuple[str, ...] = ()
    #: For a review: step → the current version tag of each step before it.
    reviewable_versions: Mapping[str, str] = field(default_factory=dict)
    #: For a review: those of `waits_for` that need only a newer answer → the time of the last one.
    waits_for_news: Mapping[str, datetime] = field(default_factory=dict)
    #: For a review: the student has a certificate, so the review no longer lapses.
    issued: bool = False

    def at(self, now: datetime) -> "EffectiveStatus":
        """Return the effective status at `now`."""
        decision = self._decided(now)
        verdict = decision.verdict if decision else self.finding.verdict
        return EffectiveStatus(
            verdict=verdict,
            state=self._state(verdict, decision),
            by_decision=decision is not None,
            stale=decision is None and is_stale(self.fresh_until, self.latest, now),
            disputed=decision is not None and decision.disputed_by(self.finding),
            overtaken_by_debt=decision is not None and decision.new_debt_of(self.finding),
            lapsed=decision is None and self.decision is not None and self.decision.active(now),
            doubtful=decision is None and self.finding.reason is Reason.DOUBTFUL,
        )

    def version_tag(self, now: datetime) -> str:
        """Return the version tag that a review given now stores: the finding's run, and the decision that counts."""
        return version_tag_of(self.run, self._decided(now))

    def _decided(self, now: datetime) -> Decision | None:
        """Return the decision that counts. A passing review counts while the steps it reviewed are unchanged and clear.

        An answer that was too old and was accepted counts until there is a newer one. After a certificate is issued,
        the review no longer lapses.
        """
        decision = self.decision
        if decision is None or not decision.active(now):
            return None
        passes = self.kind is StepKind.REVIEW and decision.verdict is Verdict.CLEARED
        moved = any(
            decision.reviewed_versions.get(step) != version_tag
            for step, version_tag in self.reviewable_versions.items()
        )
        if (
            passes
            and not self.issued
            and (moved or not all(map(self._accepted(decision).__contains__, self.waits_for)))
        ):
            return None
        return decision

    def _accepted(self, decision: Decision) -> frozenset[str]:
        """Return the steps whose old answer the review accepted and that have no newer answer since."""
        return frozenset(
            step for step, as_of in self.waits_for_news.items() if decision.accepts.get(step) == as_of_text(as_of)
        )

    def counts_as_clear(self, now: datetime) -> bool:
        """Return whether the step counts as clear at `now`, for reviews, headline, slip and export."""
        return self.at(now).clear

    def _state(self, verdict: Verdict, decision: Decision | None) -> State:
        match verdict:
            case Verdict.CLEARED:
                return State.CLEARED
            case Verdict.EXEMPT:
                return State.EXEMPT
            case Verdict.HELD:
                ordinary = decision is None and self.finding.reason is Reason.NOT_DONE
                return State.NOT_DONE if ordinary else State.HELD
            case Verdict.UNKNOWN:
                if self.kind is StepKind.REVIEW:
                    return State.CLOSED if self.waits_for else State.OPEN
                return State.PENDING if self.kind is StepKind.MANUAL else State.UNKNOWN


@dataclass(frozen=True, slots=True)
class EffectiveStatus:
    """The effective status of one step at one time."""

    verdict: Verdict
    state: State
    by_decision: bool
    #: The last successful answer of a source is too old.
    stale: bool
    #: The finding has changed since the decision.
    disputed: bool
    #: The student has debt that did not exist when the decision was made.
    overtaken_by_debt: bool
    #: A step has changed since its review, or no longer counts as clear.
    lapsed: bool = False
    #: The office's data are doubtful, so the step has no result.
    doubtful: bool = False

    @property
    def clear(self) -> bool:
        """Cleared or exempt, not stale, and not overtaken by a new obligation."""
        return self.verdict in CLEAR and not self.stale and not self.overtaken_by_debt

    @property
    def wants_news(self) -> bool:
        """It would count as clear if its answer were not too old."""
        return self.verdict in CLEAR and self.stale and not self.overtaken_by_debt
