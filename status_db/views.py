"""The frozen values that queries return, for pages, the command line and exports."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

from status_db.effective_status import StepStatus
from status_db.failing import REGULAR, Attempts
from status_db.guard_reasons import GuardReason
from status_db.model import Certificate, Obligation, RunState, State, Verdict, first_waiting, is_stale
from status_db.stored_counts import RunCounts

#: Roster column → its values; an empty mapping includes all students. Several scopes are combined with OR.
Scope: TypeAlias = Mapping[str, Sequence[str]]
EVERYBODY: tuple[Scope, ...] = ({},)


@dataclass(frozen=True, slots=True)
class FlipView:
    """One entry of a student's history."""

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
    """One student of a cohort, with the steps in the order of the flow."""

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
    #: On the roster as of its last sync.
    active: bool
    #: None for a student who does not leave this year: then there are no steps.
    flow: str | None
    steps: tuple[StepStatus, ...]
    #: Newest first.
    flips: tuple[FlipView, ...]
    #: The certificates that the student has, at most one of each kind, in the order of their issue.
    certificates: tuple[Certificate, ...] = ()

    @property
    def certificate(self) -> Certificate | None:
        """The first certificate that waits to be collected, or the first one if all were; None without one."""
        return first_waiting(self.certificates)


@dataclass(frozen=True, slots=True)
class StepSource:
    """The freshness of a step's answers, over all its sources."""

    step: str
    #: When its sources last answered (the oldest of them); None while one has never answered.
    as_of: datetime | None
    fresh_until: datetime | None
    #: When the newest of their last answers began.
    latest: datetime | None = None

    def stale(self, now: datetime) -> bool:
        """Return whether the last answer is too old, or its time is in the future."""
        return is_stale(self.fresh_until, self.latest, now)


@dataclass(frozen=True, slots=True)
class StepCounts:
    """The number of students in each state of one step."""

    by_state: Mapping[State, int]
    #: Of these, the students decided by an operator, and the students cleared by an operator.
    by_decision: int = 0
    cleared_by_decision: int = 0
    #: Decisions whose finding has changed since.
    disputed: int = 0

    @property
    def total(self) -> int:
        """All students whose flow has the step."""
        return sum(self.by_state.values())


class Where(StrEnum):
    """A student's overall state, from the steps that the account can read; the first that applies."""

    #: A step is not cleared.
    HELD = "held"
    #: A step is not yet done.
    NOT_DONE = "not_done"
    #: Nothing for the student to do: the university acts next, or data are missing or too old.
    WAITING = "waiting"
    #: Every step counts as clear.
    CLEAR = "clear"


@dataclass(frozen=True, slots=True)
class StudentGroup:
    """The counts of the students of one college, or of one of its classes."""

    college: str
    #: Empty for a whole college, and for students without a class.
    class_name: str
    by_where: Mapping[Where, int]
    #: Step → the number of students who have something to do there.
    to_do: Mapping[str, int]

    @property
    def students(self) -> int:
        """The number of students."""
        return sum(self.by_where.values())

    @property
    def open(self) -> int:
        """The number of students who have something to do."""
        return self.by_where.get(Where.HELD, 0) + self.by_where.get(Where.NOT_DONE, 0)


@dataclass(frozen=True, slots=True)
class Overview:
    """A cohort by step, and by college and step."""

    cohort: str
    students: int
    #: Step → freshness; without manual steps and reviews.
    freshness: Mapping[str, StepSource]
    by_step: Mapping[str, StepCounts]
    #: College → step → counts, colleges in name order.
    by_college: Mapping[str, Mapping[str, StepCounts]]
    #: Each class, in the order of college and name; only if requested.
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
    #: Digest of the changes of a suspended run; votes name it.
    digest: bytes | None
    #: Why the guard suspended it.
    reasons: tuple[GuardReason, ...] = ()


@dataclass(frozen=True, slots=True)
class SourceView:
    """The current state of one source (or the roster)."""

    source: str
    step: str | None
    title: str
    #: When the last successful snapshot began; None before the first.
    as_of: datetime | None
    fresh_until: datetime | None
    #: Students with an open item.
    held: int
    unknown: int
    exempt: int
    unmatched_keys: int
    last_run: RunView | None
    #: The suspended run that waits for approval.
    suspended: RunView | None
    #: Proofs that the settings accept instead of a total.
    weaker_proofs: tuple[str, ...] = ()
    #: How its settings weaken the connection's security.
    weaker_connection: tuple[str, ...] = ()
    #: The run that is reading it now.
    running: RunView | None = None
    #: The number of rows about roster students in each successful pull since the last approval, newest last.
    recent_rows: tuple[int, ...] = ()
    #: How often it is asked, by its last runs.
    attempts: Attempts = REGULAR
    #: Students for whom the office has not recorded the step as done. They are not in `held`.
    not_done: int = 0

    def stale(self, now: datetime) -> bool:
        """Return whether the last answer is too old, or its time is in the future."""
        return is_stale(self.fresh_until, self.as_of, now)


@dataclass(frozen=True, slots=True)
class UnmatchedKeyView:
    """The key of a row that matches no student on the roster."""

    source: str
    key: str
    near: str
    student: str
