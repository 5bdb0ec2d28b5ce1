"""A source's answer about one student. It may hold at any time, and clears only what a full answer would clear."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection

from config.settings import Settings
from connectors.port import Connector, Snapshot, reads_all_for_one
from status_db.ledger.seals import Seals
from status_db.marks.current import CurrentState
from status_db.model import RunState
from sync.plan.base import Withholding
from sync.plan.same_answer import SameAnswer
from sync.plan.source import AnswerRead, Read, SourceProposal, SourceStages


class RecheckStages(SourceStages):
    """The stages of an answer about one student."""

    def __init__(
        self,
        settings: Settings,
        cohort: str,
        name: str,
        snapshot: Snapshot,
        clock: Callable[[], datetime],
        seals: Callable[[Connection], Seals],
        student: str,
        connector: Connector,
    ) -> None:
        super().__init__(settings, cohort, name, snapshot, clock, seals)
        self.student = student
        self._needs_no_proof = reads_all_for_one(connector)

    def gather(self, connection: Connection) -> Read:
        """Read the same as for everybody, about one student, and how the last full run ended."""
        read = super().gather(connection)
        assert isinstance(read, AnswerRead)  # noqa: S101 - an answer about one student has no fingerprint
        return replace(read, last_full=CurrentState(connection, self._cohort).runs.last_full_run(self._rule.source))

    def decide(self, read: Read) -> SourceProposal:
        """Decide as for everybody, and say why nothing is applied where it must not be."""
        proposal = super().decide(read)
        return proposal if isinstance(read, SameAnswer) else replace(proposal, held=self._held(read, proposal))

    def _held(self, read: AnswerRead, proposal: SourceProposal) -> Withholding | None:
        name, student = self._rule.source, self.student
        if proposal.clears and read.last_full not in (RunState.APPLIED, RunState.UNCHANGED):
            return Withholding(
                f"{name} would clear {student}, but its last full run {read.last_full or 'has yet to come'}. "
                f"Sync {name} first; then ask again."
            )
        if proposal.clears and not (self._needs_no_proof or read.one_proven):
            return Withholding(
                f"{name} would clear {student}, but asking about one student has not been shown to give "
                f"what the whole answer gives, and so never clears. Sync {name}: a full run shows it, or "
                "says what differs."
            )
        if proposal.reasons:
            said = "; ".join(map(str, proposal.reasons))
            return Withholding(f"{said}. Look at the source, then sync {name} as a whole.", "suspended")
        return None
