"""A source's answer about one student. It can hold at any time, and clears only what a full answer would clear."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection

from config.settings import Settings
from connectors.port import Connector, Snapshot, reads_all_for_one
from foundation.translation import N_, tr
from status_db.code_words import code_word
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
        """Read the same as for a full answer, about one student, and how the last full run ended."""
        read = super().gather(connection)
        assert isinstance(read, AnswerRead)  # noqa: S101 - an answer about one student has no fingerprint
        return replace(read, last_full=CurrentState(connection, self._cohort).runs.last_full_run(self._rule.source))

    def decide(self, read: Read) -> SourceProposal:
        """Decide as for a full answer, and add the reason where nothing must be applied."""
        proposal = super().decide(read)
        return proposal if isinstance(read, SameAnswer) else replace(proposal, held=self._withholding(read, proposal))

    def _withholding(self, read: AnswerRead, proposal: SourceProposal) -> Withholding | None:
        name, student = self._rule.source, self.student
        if proposal.clears and read.last_full not in (RunState.APPLIED, RunState.UNCHANGED):
            if not read.last_full:
                text = N_(
                    "{name} would clear {student}, but it has no full run yet. Sync {name} first, then ask again."
                )
                return Withholding(tr(text, name=name, student=student))
            text = N_(
                "{name} would clear {student}, but its last full run is {state}. Sync {name} first, then ask again."
            )
            return Withholding(tr(text, name=name, student=student, state=code_word(read.last_full)))
        if proposal.clears and not (self._needs_no_proof or read.one_proven):
            return Withholding(
                tr(
                    "{name} would clear {student}, but it is not proven that asking about one student agrees with "
                    "the whole answer. Sync {name}: a full run proves it, or reports the difference.",
                    name=name,
                    student=student,
                )
            )
        if proposal.reasons:
            reasons = "; ".join(map(str, proposal.reasons))
            return Withholding(
                tr("{reasons}. Check the source, then sync {name} as a whole.", reasons=reasons, name=name), "suspended"
            )
        return None
