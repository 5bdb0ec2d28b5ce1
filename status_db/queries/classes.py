"""Classes between review and certificate: counts by stage, and the students.

Read-only. Each student has flags for "can be reviewed" and "can be issued"; the writers check both again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Engine, Row, Select, and_, case, func, literal, select

from config.settings import Settings
from config.tables.steps import Flow
from foundation.chunks import chunked
from status_db import tables
from status_db.effective.step_status import certificate_from, freshness, steps_of_many
from status_db.effective.visible import Visibility, inside, steps_seen
from status_db.effective_status import StepStatus
from status_db.model import Certificate, State, StepKind, first_waiting
from status_db.store.engine import reading
from status_db.views import Scope, StepSource

#: The largest number of students that is read of a class; also of the students without a class.
MOST = 2_000


class Stage(StrEnum):
    """A student's stage between review and certificate."""

    #: All steps before the review count as clear, and there is no review.
    CLEAR = "clear"
    #: They would count as clear if some answers were not too old.
    OLD = "old"
    #: The review is valid, and there is no certificate.
    REVIEWED = "reviewed"
    #: There is a certificate: it waits to be collected, or was collected.
    WAITING = "waiting"
    LEFT = "left"
    #: A step is still open, or the review did not pass.
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class ClassCount:
    """The counts of one class by stage."""

    college: str
    #: Empty for students without a class.
    class_name: str
    by_stage: Mapping[Stage, int]

    @property
    def students(self) -> int:
        """The number of students."""
        return sum(self.by_stage.values())


@dataclass(frozen=True, slots=True)
class ClassMember:
    """One student of a class."""

    student: str
    name: str
    college: str
    class_name: str
    steps: tuple[StepStatus, ...]
    #: The certificates that the student has, at most one of each kind.
    certificates: tuple[Certificate, ...]
    #: In the scopes for reviews.
    may_review: bool
    #: In the scopes for certificates, and the review is the last one before it.
    may_issue: bool

    @property
    def certificate(self) -> Certificate | None:
        """The first certificate that waits to be collected, or the first one if all were; None without one."""
        return first_waiting(self.certificates)

    def review(self, step: str) -> StepStatus:
        """Return the status of the review."""
        return next(one for one in self.steps if one.step == step)

    def stage(self, step: str, now: datetime) -> Stage:
        """Return the student's stage at `now`."""
        if self.certificate is not None:
            return Stage.LEFT if self.certificate.collected else Stage.WAITING
        review = self.review(step)
        effective = review.at(now)
        if effective.clear:
            return Stage.REVIEWED
        if effective.state is State.HELD or set(review.waits_for) - review.waits_for_news.keys():
            return Stage.OPEN
        return Stage.OLD if review.waits_for else Stage.CLEAR


@dataclass(frozen=True, slots=True)
class Roll:
    """The students of a class, by number."""

    members: tuple[ClassMember, ...]
    freshness: Mapping[str, StepSource]


class Classes:
    """Reads one cohort's classes. An engine of `open_reading` is enough. Raises StoreError."""

    def __init__(self, engine: Engine, settings: Settings, cohort: str) -> None:
        self._engine = engine
        self._settings = settings
        self._cohort = cohort

    def counted(
        self, step: str, now: datetime, scopes: Sequence[Scope]
    ) -> tuple[tuple[ClassCount, ...], Mapping[str, StepSource]]:
        """Count the students of each class with this review in the scopes; also return the freshness of each step."""
        person, certificate = tables.student, tables.certificate
        visibility = Visibility(self._cohort, {step: scopes})
        held = and_(
            certificate.c.cohort == self._cohort,
            certificate.c.student == person.c.student,
            certificate.c.revoked_at.is_(None),
        )
        # A subquery for each student, found by its index. The least value is empty while a certificate waits.
        left = select(func.min(certificate.c.collected)).where(held).scalar_subquery().label("collected")
        with reading(self._engine) as connection:
            fresh = freshness(connection, self._settings, self._cohort)
            seen = steps_seen(
                self._settings, visibility, fresh, now, person.c.college, person.c["class"], left, where=self._has(step)
            ).subquery()
            stage: ColumnElement[str] = case(
                (seen.c.collected == "", literal(Stage.WAITING.value)),
                (seen.c.collected.is_not(None), literal(Stage.LEFT.value)),
                (seen.c.clear == 1, literal(Stage.REVIEWED.value)),
                (seen.c.state == State.OPEN, literal(Stage.CLEAR.value)),
                else_=literal(Stage.OPEN.value),
            )
            each = select(seen.c.college, seen.c["class"], stage.label("stage")).subquery()
            keys = (each.c.college, each.c["class"], each.c.stage)
            rows = connection.execute(select(*keys, func.count()).group_by(*keys)).all()
        found: dict[tuple[str, str], dict[Stage, int]] = {}
        for college, class_name, word, count in rows:
            found.setdefault((college, class_name), {})[Stage(word)] = count
        return tuple(ClassCount(*key, stages) for key, stages in sorted(found.items())), fresh

    def roll(
        self,
        step: str,
        now: datetime,
        college: str,
        class_name: str,
        review_scopes: Sequence[Scope],
        issue_scopes: Sequence[Scope],
    ) -> Roll:
        """Return the students of a class with this review, in either of the scopes; empty for another class."""
        person = tables.student
        return self._roll(
            step, now, review_scopes, issue_scopes, person.c.college == college, person.c["class"] == class_name
        )

    def member(
        self,
        step: str,
        now: datetime,
        student: str,
        review_scopes: Sequence[Scope],
        issue_scopes: Sequence[Scope],
    ) -> ClassMember | None:
        """Return one such student; None if they are not on the roster or outside the scopes."""
        found = self._roll(step, now, review_scopes, issue_scopes, tables.student.c.student == student).members
        return found[0] if found else None

    def used(self, numbers: Sequence[str]) -> set[str]:
        """Return those of these numbers that certificates already have, also revoked ones."""
        table = tables.certificate
        found: set[str] = set()
        with reading(self._engine) as connection:
            for chunk in chunked(numbers, MOST):
                query = select(table.c.number).where(table.c.cohort == self._cohort, table.c.number.in_(chunk))
                found |= set(connection.execute(query).scalars())
        return found

    def _roll(
        self,
        step: str,
        now: datetime,
        review_scopes: Sequence[Scope],
        issue_scopes: Sequence[Scope],
        *conditions: ColumnElement[bool],
    ) -> Roll:
        person, table = tables.student, tables.certificate
        last = person.c.flow.in_([flow.key for flow in self._settings.flow if _reviews(flow)[-1:] == [step]])
        may = (
            case((inside(review_scopes), 1), else_=0).label("may_review"),
            case((and_(inside(issue_scopes), last), 1), else_=0).label("may_issue"),
        )
        query: Select[Any] = (
            select(person.c.student, person.c.name, person.c.college, person.c["class"], person.c.flow, *may)
            .where(
                person.c.cohort == self._cohort,
                person.c.active,
                self._has(step),
                inside((*review_scopes, *issue_scopes)),
                *conditions,
            )
            .order_by(person.c.student)
            .limit(MOST)
        )
        with reading(self._engine) as connection:
            fresh = freshness(connection, self._settings, self._cohort)
            people = connection.execute(query).all()
            flows = {row.student: flow for row in people if (flow := self._settings.flow_named(row.flow)) is not None}
            steps = steps_of_many(connection, self._cohort, flows, fresh, now)
            held = select(table).where(
                table.c.cohort == self._cohort, table.c.student.in_(list(flows)), table.c.revoked_at.is_(None)
            )
            certificates: dict[str, list[Certificate]] = {}
            for row in connection.execute(held.order_by(table.c.certificate)):
                certificates.setdefault(row.student, []).append(certificate_from(row))
        members = (_member(row, steps[row.student], tuple(certificates.get(row.student, ()))) for row in people)
        return Roll(tuple(members), fresh)

    def _has(self, step: str) -> ColumnElement[bool]:
        return tables.student.c.flow.in_([flow.key for flow in self._settings.flow if step in _reviews(flow)])


def _member(row: Row[Any], steps: tuple[StepStatus, ...], certificates: tuple[Certificate, ...]) -> ClassMember:
    return ClassMember(
        student=row.student,
        name=row.name,
        college=row.college,
        class_name=row._mapping["class"],  # noqa: SLF001 - SQLAlchemy's public name for a row by column
        steps=steps,
        certificates=certificates,
        may_review=bool(row.may_review),
        may_issue=bool(row.may_issue),
    )


def _reviews(flow: Flow) -> list[str]:
    return [entry.step for entry in flow.entries if entry.kind == StepKind.REVIEW.value]
