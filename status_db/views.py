"""What the reader answers with: frozen values, as pages, the command line and exports show them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

from status_db.effective_status import StepStatus
from status_db.guard_reasons import GuardReason
from status_db.model import Certificate, Obligation, RunState, State, Verdict, is_stale
from status_db.stored_counts import RunCounts

#: Roster column → the values inside; an empty mapping is everybody. Several scopes add up.
Scope: TypeAlias = Mapping[str, Sequence[str]]
EVERYBODY: tuple[Scope, ...] = ({},)


@dataclass(frozen=True, slots=True)
class FlipView:
    """One line of a history."""

    student: str
    step: str
    before: Verdict
    after: Verdict
    reason: str
    cause: str
    at: datetime
    run: int | None
    decision: int | None
    evidence: tuple[Obligation, ...]


@dataclass(frozen=True, slots=True)
class StudentView:
    """One student of a cohort, with each step in the order of the flow."""

    cohort: str
    student: str
    name: str
    level: str
    college: str
    class_name: str
    campus: str
    building: str
    category: str
    #: Every other mapped roster column.
    extra: Mapping[str, str]
    #: On the registrar's list as of its last sync.
    active: bool
    #: None for who is listed but not leaving this year: then there are no steps.
    flow: str | None
    steps: tuple[StepStatus, ...]
    #: Newest first.
    flips: tuple[FlipView, ...]
    #: The one that the student holds.
    certificate: Certificate | None = None


@dataclass(frozen=True, slots=True)
class StepSource:
    """How fresh a step's answers are, over all its sources."""

    step: str
    #: When its sources were last asked with success: the oldest of them; None while one has never answered.
    as_of: datetime | None
    fresh_until: datetime | None
    #: When the newest of their last answers began.
    latest: datetime | None = None

    def stale(self, now: datetime) -> bool:
        """Say whether the last answer is too old, or is said to be later than now."""
        return is_stale(self.fresh_until, self.latest, now)


@dataclass(frozen=True, slots=True)
class StepCounts:
    """How many students stand where, for one step."""

    by_state: Mapping[State, int]
    #: Of these, decided by an operator; and of those who are cleared.
    by_decision: int = 0
    cleared_by_decision: int = 0
    #: Decisions whose finding has changed since.
    disputed: int = 0

    @property
    def total(self) -> int:
        """Everybody whose flow has the step."""
        return sum(self.by_state.values())


class Where(StrEnum):
    """Where a student stands as a whole, of all that may be read of them; the first that fits."""

    #: Something is owed or was refused.
    HELD = "held"
    #: Nothing is, but an ordinary act is not done yet.
    NOT_DONE = "not_done"
    #: Nothing to go for; somebody else's turn, or data are missing or too old.
    WAITING = "waiting"
    #: Every step counts as clear.
    CLEAR = "clear"


@dataclass(frozen=True, slots=True)
class StudentGroup:
    """The students of one college, or of one class of it, each counted once."""

    college: str
    #: Empty for a whole college, and for who has no class.
    class_name: str
    by_where: Mapping[Where, int]
    #: Step → how many have to go there.
    to_do: Mapping[str, int]

    @property
    def students(self) -> int:
        """Everybody in it."""
        return sum(self.by_where.values())

    @property
    def open(self) -> int:
        """Those who have to go somewhere."""
        return self.by_where.get(Where.HELD, 0) + self.by_where.get(Where.NOT_DONE, 0)


@dataclass(frozen=True, slots=True)
class Overview:
    """A cohort by step, and by college and step."""

    cohort: str
    students: int
    #: Step → how fresh; manual steps and reviews are not in it.
    freshness: Mapping[str, StepSource]
    by_step: Mapping[str, StepCounts]
    #: College → step → tally, colleges in name order.
    by_college: Mapping[str, Mapping[str, StepCounts]]
    #: Each class, in the order of college and name; only where it was asked for.
    classes: tuple[StudentGroup, ...] = ()


@dataclass(frozen=True, slots=True)
class RunView:
    """One run as lists and pages show it."""

    run: int
    source: str
    slot: datetime | None
    state: RunState
    began: datetime
    ended: datetime | None
    by: str
    student: str | None
    message: str
    fault: str | None
    counts: RunCounts
    #: [kind, detail] for each proof of the snapshot.
    proofs: Sequence[Sequence[str]]
    decided_by: str | None
    decided_at: datetime | None
    #: Of what it would change: what is said of a suspended run is said of that change.
    digest: bytes | None
    #: Why the guard held it back.
    reasons: tuple[GuardReason, ...] = ()


@dataclass(frozen=True, slots=True)
class SourceView:
    """One source (or the roster) as it stands."""

    source: str
    step: str | None
    title: str
    #: The last good snapshot's beginning; None before the first.
    as_of: datetime | None
    fresh_until: datetime | None
    held: int
    unknown: int
    exempt: int
    unmatched_keys: int
    last_run: RunView | None
    #: The suspended run that waits for a person, if there is one.
    suspended: RunView | None
    #: What the settings accept in place of a total.
    weaker_proofs: tuple[str, ...] = ()
    #: In which way its settings let its connection be weaker than usual.
    weaker_connection: tuple[str, ...] = ()
    #: The run that asks it now, if there is one.
    running: RunView | None = None
    #: Rows about roster students in the last good pulls since an approval, newest last.
    recent_rows: tuple[int, ...] = ()

    def stale(self, now: datetime) -> bool:
        """Say whether the last answer is too old, or is said to be later than now."""
        return is_stale(self.fresh_until, self.as_of, now)


@dataclass(frozen=True, slots=True)
class UnmatchedKeyView:
    """A row about somebody not on the roster, by its key alone."""

    source: str
    key: str
    near: str
    student: str
