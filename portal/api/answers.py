"""The schemas of the API's answers. Times are in UTC; amounts are in yuan, as text."""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, Field, PlainSerializer

from status_db.model import State, StepKind, yuan

#: An amount in yuan, as text with two decimals.
Yuan = Annotated[Decimal, PlainSerializer(yuan, return_type=str)]


class WindowAnswer(BaseModel):
    """The first and last day of clearance for one level."""

    opens: date
    closes: date


class CohortAnswer(BaseModel):
    """One leaving season."""

    cohort: str
    name: str
    windows: dict[str, WindowAnswer] = Field(description="By level; one without a window is open all the time.")


class CohortsAnswer(BaseModel):
    """Every cohort, the newest first."""

    cohorts: list[CohortAnswer]


class OwedAnswer(BaseModel):
    """One thing owed or undone."""

    kind: str
    title: str
    amount: Yuan | None = Field(description="Null where the amount does not matter.")
    due: date | None
    due_unreadable: bool = Field(description="The office sent a due date that cannot be read.")
    overdue: bool
    reference: str


class PlaceAnswer(BaseModel):
    """Where to go."""

    where: str
    hours: str
    phone: str
    url: str


class StatusAnswer(BaseModel):
    """The status of one step."""

    step: str
    title: str
    kind: StepKind
    state: State
    word: str = Field(description="The state in words, as on the pages.")
    clear: bool = Field(
        description="Whether it counts as clear: cleared or exempt, not stale, not overtaken by new debt."
    )
    stale: bool = Field(description="The last good answer of its sources is too old: show it as stale.")
    stale_word: str = Field(description="The staleness in words, as on the pages; empty while fresh.")
    as_of: datetime | None = Field(description="When its sources were last read successfully; null for other kinds.")
    by_decision: bool = Field(description="A person decided it.")
    overtaken_by_debt: bool = Field(description="There is new debt since a person decided.")


class StepAnswer(StatusAnswer):
    """One step, with the reason and the evidence."""

    office: str
    sentence: str = Field(description="The reason, and what to do.")
    said: str = Field(description="The operator's note to the student.")
    condition: str = Field(description="What the pass depends on; empty for a pass without a condition.")
    until: datetime | None = Field(description="When the decision ends.")
    owed: list[OwedAnswer]
    total: Yuan | None
    place: PlaceAnswer | None = Field(description="Where to go; null if there is no need to go anywhere.")
    updates: str = Field(description="When the status updates after a visit there.")
    waits_for: int = Field(description="For a review: the number of steps before it that do not count as clear.")


class HeadlineAnswer(BaseModel):
    """One sentence about all steps."""

    text: str
    detail: str


class CertificateAnswer(BaseModel):
    """The student's certificate."""

    number: str
    kind: str
    issued_at: datetime


class StudentAnswer(BaseModel):
    """One student."""

    cohort: str
    number: str
    name: str
    level: str
    college: str
    class_name: str = Field(serialization_alias="class")
    campus: str
    category: str
    leaving: bool = Field(description="Whether this student leaves with the cohort. A student who stays has no steps.")
    whole: bool = Field(description="Whether every step is included. If not, headline and certificate are null.")
    headline: HeadlineAnswer | None
    steps: list[StepAnswer]
    certificate: CertificateAnswer | None


class LineAnswer(BaseModel):
    """One student of a list."""

    number: str
    name: str
    level: str
    college: str
    class_name: str = Field(serialization_alias="class")
    steps: list[StatusAnswer]


class ListAnswer(BaseModel):
    """Some students, in the order of their numbers."""

    cohort: str
    students: list[LineAnswer]
    next: str | None = Field(description="The value of `after` for the next page; null on the last page.")


class StepCountsAnswer(BaseModel):
    """The number of students in each state, for one step."""

    step: str
    title: str
    total: int
    by_state: Mapping[State, int]
    settled: int = Field(description="Of the total: cleared or exempt.")
    by_decision: int = Field(description="Of the total: decided by a person.")
    disputed: int = Field(description="Of by_decision: the finding has changed since.")
    as_of: datetime | None
    stale: bool


class CollegeAnswer(BaseModel):
    """One college, step by step."""

    college: str
    steps: list[StepCountsAnswer]


class OverviewAnswer(BaseModel):
    """The number of students in each state, within the token's grants."""

    cohort: str
    steps: list[StepCountsAnswer]
    colleges: list[CollegeAnswer]


class SourceState(StrEnum):
    """How often a source is asked."""

    REGULAR = "regular"
    BACKING_OFF = "backing_off"
    QUARANTINED = "quarantined"
    PAUSED = "paused"


class SourceAnswer(BaseModel):
    """The freshness of one source."""

    source: str
    step: str | None = Field(description="Null for the roster.")
    title: str
    as_of: datetime | None = Field(description="When it was last read successfully; null before the first time.")
    fresh_until: datetime | None
    stale: bool
    state: SourceState = Field(
        description="regular: asked in every slot; backing_off, quarantined: asked less often, because its runs fail; "
        "paused: an administrator has paused it."
    )
    failing_since: datetime | None = Field(description="When the first run since its last good answer failed.")
    not_before: datetime | None = Field(description="It is not asked before this time, because its runs fail.")


class SourcesAnswer(BaseModel):
    """The roster, and the sources of the steps within the token's grants."""

    cohort: str
    sources: list[SourceAnswer]
