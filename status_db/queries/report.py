"""The report of a cohort: students and steps by college, decisions by reason, and certificates.

Students and steps are counted by the statement of counts and lists, so that a report never contradicts them. A report
is one snapshot of the database.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from sqlalchemy import ColumnElement, Connection, Engine, and_, case, func, select

from config.settings import Settings
from status_db import tables
from status_db.effective.clear_sql import active
from status_db.effective.step_status import freshness
from status_db.effective.visible import Visibility, inside, may_read, steps_seen
from status_db.model import State, Verdict
from status_db.queries.counts import counted
from status_db.store.engine import reading
from status_db.views import Overview, StepCounts, StepSource, Where


@dataclass(frozen=True, slots=True)
class CertificateCounts:
    """The certificates of one college or of all, of all students that are or were on the roster."""

    #: Issued and not revoked.
    issued: int
    #: Of these, those that wait to be collected.
    unclaimed: int
    #: How the others were collected (self, agent, post) → count.
    collected: Mapping[str, int]
    revoked: int


@dataclass(frozen=True, slots=True)
class CollegeCounts:
    """The counts of one college, or of all colleges."""

    #: Empty for all colleges, and for students without one.
    college: str
    #: Students who leave and have a visible step.
    students: int
    #: These students by overall state, as in the overview.
    by_where: Mapping[Where, int]
    #: Step → its counts by state.
    steps: Mapping[str, StepCounts]
    #: The number of exempt steps: a student who is exempt from two steps counts as two.
    exempt: int
    #: Category → students on the roster who do not leave.
    staying: Mapping[str, int]
    certificates: CertificateCounts


@dataclass(frozen=True, slots=True)
class DecidedFor:
    """The counts of decisions on one step with the same verdict and reason, about students who leave."""

    step: str
    verdict: Verdict
    reason: str
    #: The decisions that count now.
    stand: int
    #: Of these: with a condition, from paper, from a batch, and with a finding that has changed since.
    conditional: int
    on_paper: int
    in_batches: int
    disputed: int
    #: The decisions that no longer count: lapsed reviews, expired, withdrawn.
    lapsed: int
    ended: int
    withdrawn: int


@dataclass(frozen=True, slots=True)
class CohortReport:
    """The report of a cohort at one time."""

    cohort: str
    at: datetime
    #: Step → freshness; without manual steps and reviews.
    freshness: Mapping[str, StepSource]
    whole: CollegeCounts
    #: By name; only colleges with a count.
    colleges: tuple[CollegeCounts, ...]
    #: In the order of the settings' steps, and of the verdicts; the most frequent reason first.
    decisions: tuple[DecidedFor, ...]


class Reports:
    """Makes reports. An engine of `open_reading` is enough. Raises StoreError."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self._engine = engine
        self._settings = settings

    def report(self, visibility: Visibility, now: datetime) -> CohortReport:
        """Return the report of the visible steps at `now`."""
        with reading(self._engine) as connection:
            fresh = freshness(connection, self._settings, visibility.cohort)
            found = counted(connection, self._settings, visibility, fresh, now, classes=True)
            staying = _staying(connection, visibility)
            certificates = _certificates(connection, visibility)
            decisions = self._decisions(connection, visibility, fresh, now)
        wheres: dict[str, Counter[Where]] = defaultdict(Counter)
        for group in found.classes:
            wheres[group.college].update(group.by_where)
        names = sorted({*wheres, *staying, *certificates})
        return CohortReport(
            cohort=visibility.cohort,
            at=now,
            freshness=fresh,
            whole=_whole(found, wheres, staying, certificates),
            colleges=tuple(
                _figures(name, wheres[name], found.by_college.get(name, {}), staying[name], certificates[name])
                for name in names
            ),
            decisions=decisions,
        )

    def _decisions(
        self, connection: Connection, visibility: Visibility, fresh: Mapping[str, StepSource], now: datetime
    ) -> tuple[DecidedFor, ...]:
        decision = tables.decision
        seen = steps_seen(self._settings, visibility, fresh, now).cte("seen")
        counts_now = and_(active(decision, now), seen.c.by_decision == 1)
        taken_back = decision.c.withdrawn_at.is_not(None)
        keys = (decision.c.step, decision.c.verdict, decision.c.reason)
        rows = connection.execute(
            select(
                *keys,
                _many(counts_now),
                _many(and_(counts_now, func.coalesce(decision.c.condition, "") != "")),
                _many(and_(counts_now, func.coalesce(decision.c.sheet, "") != "")),
                _many(and_(counts_now, decision.c.batch.is_not(None))),
                _many(and_(counts_now, seen.c.disputed == 1)),
                _many(and_(active(decision, now), seen.c.by_decision == 0)),
                _many(and_(~taken_back, ~active(decision, now))),
                _many(taken_back),
            )
            .join(seen, and_(seen.c.student == decision.c.student, seen.c.step == decision.c.step))
            .where(decision.c.cohort == visibility.cohort)
            .group_by(*keys)
        ).all()
        lines = (DecidedFor(row[0], Verdict(row[1]), row[2], *map(int, row[3:])) for row in rows)
        steps, verdicts = [step.key for step in self._settings.step], list(Verdict)
        return tuple(sorted(lines, key=lambda d: (steps.index(d.step), verdicts.index(d.verdict), -d.stand, d.reason)))


def _many(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.sum(case((condition, 1), else_=0))


def _staying(connection: Connection, visibility: Visibility) -> dict[str, Counter[str]]:
    """Count the students on the roster who do not leave: college → category → count."""
    person = tables.student
    keys = (person.c.college, person.c.category)
    query = (
        select(*keys, func.count())
        .where(
            person.c.cohort == visibility.cohort, person.c.active, person.c.flow.is_(None), inside(visibility.scopes())
        )
        .group_by(*keys)
    )
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for college, category, count in connection.execute(query):
        found[college][category] += count
    return found


#: How a certificate was collected, and whether it was revoked.
_Collection: TypeAlias = tuple[str, bool]


def _certificates(connection: Connection, visibility: Visibility) -> dict[str, Counter[_Collection]]:
    """Count the certificates whose review is visible: college → collection → count."""
    person, certificate, review = tables.student, tables.certificate, tables.decision
    held = certificate.c.revoked_at.is_(None).label("held")
    keys = (person.c.college, certificate.c.collected, held)
    query = (
        select(*keys, func.count())
        .select_from(
            certificate.join(
                person, and_(person.c.cohort == certificate.c.cohort, person.c.student == certificate.c.student)
            ).join(review, review.c.decision == certificate.c.decision)
        )
        .where(certificate.c.cohort == visibility.cohort, may_read(visibility, review.c.step))
        .group_by(*keys)
    )
    found: dict[str, Counter[_Collection]] = defaultdict(Counter)
    for college, collected, is_held, count in connection.execute(query):
        found[college][collected, bool(is_held)] += count
    return found


def _whole(
    found: Overview,
    wheres: Mapping[str, Counter[Where]],
    staying: Mapping[str, Counter[str]],
    certificates: Mapping[str, Counter[_Collection]],
) -> CollegeCounts:
    return _figures(
        "",
        sum(wheres.values(), Counter()),
        found.by_step,
        sum(staying.values(), Counter()),
        sum(certificates.values(), Counter()),
    )


def _figures(
    college: str,
    by_where: Mapping[Where, int],
    steps: Mapping[str, StepCounts],
    staying: Mapping[str, int],
    left: Mapping[_Collection, int],
) -> CollegeCounts:
    held = {collected: count for (collected, is_held), count in left.items() if is_held}
    return CollegeCounts(
        college=college,
        students=sum(by_where.values()),
        by_where=dict(by_where),
        steps=steps,
        exempt=sum(step_counts.by_state.get(State.EXEMPT, 0) for step_counts in steps.values()),
        staying=dict(staying),
        certificates=CertificateCounts(
            issued=sum(held.values()),
            unclaimed=held.get("", 0),
            collected={how: count for how, count in held.items() if how},
            revoked=sum(left.values()) - sum(held.values()),
        ),
    )
