"""What one answer would change, whoever gave it: a source's answer and the registrar's list are proposed alike.

A proposal was decided in full on one read of the marks, says whether the guard lets it go, and is written whole.
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
    """A difference from the marks, and what it was made on."""

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
    """Why a proposal is neither applied nor kept for a person."""

    message: str
    fault: str | None = None


class Proposal(Protocol):
    """A plan with what it takes to judge and to carry it out."""

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
        """What counts before and after, for everybody for whom that changes."""
        ...

    @property
    def reasons(self) -> tuple[GuardReason, ...]:
        """Why the guard holds it back; empty when it does not."""
        ...

    @property
    def counts(self) -> RunCounts:
        """Figures for the run."""
        ...

    @property
    def pull(self) -> Pull:
        """What the snapshot leaves on its source."""
        ...

    @property
    def snapshot(self) -> Snapshot:
        """What it was made of."""
        ...

    @property
    def held(self) -> Withholding | None:
        """Why it is neither applied nor kept for a person; None where it may be applied."""
        ...

    def kept(self) -> Snapshot:
        """Return the snapshot as far as it may be kept: without strangers."""
        ...

    def apply(self, marks: SettingsMarks, lease: Lease, ending: RunEnding, *, approved: bool) -> None:
        """Write it whole. Raises BaseMoved or LeaseLost."""
        ...


ReadT = TypeVar("ReadT")


class Stages(Protocol[ReadT]):
    """The way from an answer to a proposal: everything is read once, then decided without the database."""

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
