"""Answers: the shapes of everything the API says. Times are in UTC, amounts are yuan as text."""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, Field, PlainSerializer

from status_db.model import State, StepKind, yuan

#: An amount in yuan, as text with two decimals.
Yuan = Annotated[Decimal, PlainSerializer(yuan, return_type=str)]


class WindowAnswer(BaseModel):
    """First and last day on which a level is cleared."""

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
    due_unreadable: bool = Field(description="The office gives a due date, and it cannot be read.")
    overdue: bool
    reference: str


class PlaceAnswer(BaseModel):
    """Where to go."""

    where: str
    hours: str
    phone: str
    url: str


class StatusAnswer(BaseModel):
    """Where one step stands."""

    step: str
    title: str
    kind: StepKind
    state: State
    word: str = Field(description="The state, as the pages say it.")
    clear: bool = Field(description="Whether it counts as clear: cleared or exempt, not stale, not outgrown.")
    stale: bool = Field(description="The last good answer of its sources is too old: show it as stale.")
    stale_word: str = Field(description="That, as the pages say it; empty while fresh.")
    as_of: datetime | None = Field(description="When its sources were last asked with success; null for other kinds.")
    by_decision: bool = Field(description="A person decided it.")
    overtaken_by_debt: bool = Field(description="Something new is owed since a person decided.")


class StepAnswer(StatusAnswer):
    """One step, with the reason and the evidence."""

    office: str
    sentence: str = Field(description="Why, and what to do.")
    said: str = Field(description="What the operator says to the student.")
    condition: str = Field(description="What the pass depends on; empty for a pass without a condition.")
    until: datetime | None = Field(description="When the decision ends.")
    owed: list[OwedAnswer]
    total: Yuan | None
    place: PlaceAnswer | None = Field(description="Where to go; null where there is nothing to go for.")
    updates: str = Field(description="How soon this follows what is done there.")
    waits_for: int = Field(description="For a review: how many steps before it do not count as clear.")


class HeadlineAnswer(BaseModel):
    """The one sentence about all steps."""

    text: str
    detail: str


class CertificateAnswer(BaseModel):
    """What the student leaves with."""

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
    leaving: bool = Field(description="Whether this student leaves with the cohort; who does not has no steps.")
    whole: bool = Field(description="Whether every step is told. Headline and certificate are null when not.")
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
    next: str | None = Field(description="Ask for those `after` this; null when nobody follows.")


class StepCountsAnswer(BaseModel):
    """How many stand where, for one step."""

    step: str
    title: str
    total: int
    by_state: Mapping[State, int]
    settled: int = Field(description="Of all: cleared or exempt.")
    by_decision: int = Field(description="Of all: decided by a person.")
    disputed: int = Field(description="Of those: the finding has changed since.")
    as_of: datetime | None
    stale: bool


class CollegeAnswer(BaseModel):
    """One college, step by step."""

    college: str
    steps: list[StepCountsAnswer]


class OverviewAnswer(BaseModel):
    """How many stand where, within what may be read."""

    cohort: str
    steps: list[StepCountsAnswer]
    colleges: list[CollegeAnswer]


class SourceAnswer(BaseModel):
    """How fresh one source is."""

    source: str
    step: str | None = Field(description="Null for the roster.")
    title: str
    as_of: datetime | None = Field(description="When it was last asked with success; null before that.")
    fresh_until: datetime | None
    stale: bool


class SourcesAnswer(BaseModel):
    """The roster and the sources of the steps that may be read."""

    cohort: str
    sources: list[SourceAnswer]
