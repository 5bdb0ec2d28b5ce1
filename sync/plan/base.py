"""Proposals: what one answer would change. A source's answer and the registrar's list have the same form.

A proposal is decided in full on one read of the marks, contains the guard's reasons, and is written whole.
"""

from dataclasses import dataclass
from typing import Protocol, TypeVar

from sqlalchemy import Connection

from connectors.port import Snapshot
from status_db.guard_reasons import GuardReason
from status_db.marks.runs import Lease, Pull, RunEnding
from status_db.marks.settings import SettingsMarks
from status_db.model import Flip
from status_db.stored_counts import RunCounts


class PlannedChange(Protocol):
    """A difference from the marks, and the revision it was made on."""

    @property
    def base(self) -> int:
        """The cohort's revision it was made on."""
        ...

    @property
    def empty(self) -> bool:
        """Nothing would change."""
        ...

    @property
    def digest(self) -> bytes:
        """What an approval approves."""
        ...


@dataclass(frozen=True, slots=True)
class Withholding:
    """Why a proposal is neither applied nor kept for approval."""

    message: str
    fault: str | None = None


class Proposal(Protocol):
    """A plan, with all that is needed to judge it and to carry it out."""

    @property
    def plan(self) -> PlannedChange:
        """What would change."""
        ...

    @property
    def clears(self) -> bool:
        """Whether it makes anything clear that was not."""
        ...

    @property
    def flips(self) -> tuple[Flip, ...]:
        """What counts before and after, for all students for whom that changes."""
        ...

    @property
    def reasons(self) -> tuple[GuardReason, ...]:
        """Why the guard suspends it; empty when it passes."""
        ...

    @property
    def counts(self) -> RunCounts:
        """The counts of the run."""
        ...

    @property
    def pull(self) -> Pull:
        """What the snapshot stores on its source."""
        ...

    @property
    def snapshot(self) -> Snapshot:
        """The snapshot it was made of."""
        ...

    @property
    def held(self) -> Withholding | None:
        """Why it is neither applied nor kept for approval; None where it can be applied."""
        ...

    def kept(self) -> Snapshot:
        """Return the snapshot as it is kept: without unmatched rows."""
        ...

    def apply(self, marks: SettingsMarks, lease: Lease, ending: RunEnding, *, approved: bool) -> None:
        """Write it whole. Raises BaseMoved or LeaseLost."""
        ...


ReadT = TypeVar("ReadT")


class Stages(Protocol[ReadT]):
    """The stages from an answer to a proposal: everything is read once, then decided without the database."""

    @property
    def snapshot(self) -> Snapshot:
        """The answer, as far as it is known now."""
        ...

    def gather(self, connection: Connection) -> ReadT:
        """Read everything that the answer is planned on, in one consistent read. Raises SourceError."""
        ...

    def decide(self, read: ReadT) -> Proposal:
        """Match, compare, confirm, plan and judge, where this kind of answer has these stages. Raises SourceError."""
        ...
