"""Votes on suspended runs: recorded, and carried out as soon as there are enough.

The pages (through the inbox) and the command line (directly) use the same function here.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from config.settings import Settings
from foundation.translation import tr
from status_db.marks.approvals import ApprovalVote, ApprovalVotes, Missing, VoteRefused, missing
from status_db.model import ROSTER, RunState, VoteKind
from sync.run.outcome import Outcome
from sync.run.run import Sync


@dataclass(frozen=True, slots=True)
class VoteResult:
    """The result of a vote."""

    #: How the run ended; None where it still waits.
    outcome: Outcome | None
    #: What is still missing before it is approved.
    missing: tuple[Missing, ...] = ()


class Approvals:
    """Records votes on one cohort's suspended runs, and carries them out."""

    def __init__(self, settings: Settings, sync: Sync, votes: ApprovalVotes) -> None:
        self._settings = settings
        self._sync = sync
        self._votes = votes

    def vote(
        self, run: int, kind: VoteKind, *, author: str, reason: str = "", now: datetime, voted_on: bytes | None = None
    ) -> VoteResult:
        """Record a vote on a suspended run; approve or reject the run where there are enough votes.

        A vote that is recorded already is carried out again: the process that recorded it may have stopped before that.
        Otherwise raises VoteRefused as `ApprovalVotes.record` does; RunUnderWay when the vote is recorded and the
        source is busy.
        """
        try:
            self._votes.record(run, kind, author=author, reason=reason, now=now, voted_on=voted_on)
        except VoteRefused:
            if all(vote.author != author or vote.kind is not kind for vote in self._votes.of_run(run)):
                raise
        votes = [vote for vote in self._votes.waiting() if vote.run == run]
        ended = next(iter(self._carry_out_votes({run: votes} if votes else {})), None)
        return VoteResult(ended, self._missing_votes(votes) if ended is None and votes else ())

    def carry_out(self) -> list[Outcome]:
        """Approve and reject every suspended run with enough votes; return how each ended."""
        votes: dict[int, list[ApprovalVote]] = {}
        for vote in self._votes.waiting():
            votes.setdefault(vote.run, []).append(vote)
        return list(self._carry_out_votes(votes))

    def _carry_out_votes(self, by_run: dict[int, list[ApprovalVote]]) -> Iterable[Outcome]:
        for run, votes in by_run.items():
            source, last = votes[0].source, votes[-1]
            against = next((vote for vote in votes if vote.kind is VoteKind.REJECT), None)
            if against is not None:
                if self._sync.reject(run, by=against.author, reason=against.reason):
                    why = tr("rejected: {reason}", reason=against.reason)
                    yield Outcome(source, RunState.REJECTED, run, why, cohort=self._sync.named)
            elif not self._missing_votes(votes):
                yield self._sync.approve(run, source, by=last.author, voted_on=last.digest)

    def _missing_votes(self, votes: list[ApprovalVote]) -> tuple[Missing, ...]:
        source = votes[0].source
        asked = self._settings.roster if source == ROSTER else self._settings.source.get(source)
        # A change of settings, or a source of the past, needs one approval.
        return missing(votes, asked.guard if asked is not None else None)
