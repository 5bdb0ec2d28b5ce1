"""Everything that is read: for the pages, the command line and exports. It writes nothing and judges only what counts.

Each question is one method and gives frozen values; the time at which it is answered is passed in.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Row, and_, case, func, or_, select, true

from config.settings import Settings
from status_db import tables
from status_db.counting import active, counts_as_clear, review_stands
from status_db.engine import reading
from status_db.model import (
    ROSTER,
    Certificate,
    Decision,
    Finding,
    Reason,
    RunState,
    State,
    StepKind,
    StepStatus,
    Verdict,
)
from status_db.standing import certificate_from, decision_from, freshness, held_certificate, steps_of
from status_db.views import (
    EVERYBODY,
    FlipView,
    Overview,
    RunView,
    Scope,
    SourceView,
    StepSource,
    StrangerView,
    StudentView,
    Tally,
)


class Reader:
    """Answers questions about a cohort out of the status database."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self._engine = engine
        self._settings = settings

    def check(self) -> None:
        """Raise StoreError unless the database answers and has its tables."""
        with reading(self._engine) as connection:
            connection.execute(select(tables.cohort.c.cohort).limit(1)).all()

    def student(self, cohort: str, number: str, now: datetime) -> StudentView | None:
        """Return one student as they stand at `now`, or None when the roster never had that number."""
        person = tables.student
        with reading(self._engine) as connection:
            row = connection.execute(
                select(person).where(person.c.cohort == cohort, person.c.student == number)
            ).one_or_none()
            if row is None:
                return None
            flow = self._settings.flow_named(row.flow) if row.flow and row.active else None
            fresh = freshness(connection, self._settings, cohort)
            steps = steps_of(connection, self._settings, cohort, number, flow, fresh, now) if flow else ()
            certificate = held_certificate(connection, cohort, number)
            flips = self._flips(connection, tables.flip.c.cohort == cohort, tables.flip.c.student == number)
        values = row._mapping  # noqa: SLF001 - SQLAlchemy's public name for a row by column
        return StudentView(
            cohort=cohort,
            student=number,
            name=row.name,
            level=row.level,
            college=row.college,
            class_name=values["class"],
            campus=row.campus,
            building=row.building,
            category=row.category,
            extra=row.extra,
            active=row.active,
            flow=row.flow,
            steps=steps,
            flips=flips,
            certificate=certificate,
        )

    def within(self, cohort: str, number: str, scopes: Sequence[Scope]) -> bool:
        """Say whether a student stands inside one of the scopes."""
        person = tables.student
        with reading(self._engine) as connection:
            found = connection.execute(
                select(person.c.student).where(person.c.cohort == cohort, person.c.student == number, inside(scopes))
            ).first()
        return found is not None

    def overview(self, cohort: str, now: datetime, scopes: Sequence[Scope] = EVERYBODY) -> Overview:
        """Count the students inside `scopes` by step, college and state at `now`."""
        with reading(self._engine) as connection:
            fresh = freshness(connection, self._settings, cohort)
            people = _people(cohort, scopes)
            students = connection.execute(select(func.count()).select_from(people.subquery())).scalar_one()
            decided = self._decided(connection, cohort, people, fresh, now)
            counts = self._undecided_counts(connection, cohort, people, set(decided))
            reviews = self._review_counts(connection, cohort, people, fresh, now)
        tallies: dict[tuple[str, str], Counter[State]] = defaultdict(Counter)
        by_decision: Counter[tuple[str, str]] = Counter()
        for (college, step, state, given), count in reviews.items():
            tallies[college, step][state] += count
            by_decision[college, step] += count if given else 0
        for (college, step, state), count in counts.items():
            tallies[college, step][state] += count
        disputed: Counter[tuple[str, str]] = Counter()
        for (_, step), (college, status) in decided.items():
            standing = status.at(now)
            tallies[college, step][standing.state] += 1
            by_decision[college, step] += 1
            disputed[college, step] += standing.disputed
        return _overview(cohort, students, fresh, tallies, by_decision, disputed)

    def sources(self, cohort: str) -> tuple[SourceView, ...]:
        """Return the roster and every source in the settings' order, asked or not."""
        with reading(self._engine) as connection:
            states = {
                row.source: row
                for row in connection.execute(select(tables.source_state).where(tables.source_state.c.cohort == cohort))
            }
            newest = (
                select(func.max(tables.run.c.run))
                .where(tables.run.c.cohort == cohort, tables.run.c.student.is_(None))
                .group_by(tables.run.c.source)
            )
            last = {r.source: r for r in self._runs(connection, tables.run.c.run.in_(newest))}
            waiting = {
                r.source: r
                for r in self._runs(connection, tables.run.c.cohort == cohort, tables.run.c.state == RunState.SUSPENDED)
            }
        named = {ROSTER: (None, "")} | {n: (s.step, s.title) for n, s in self._settings.source.items()}
        weaker = {name: source.weaker_proofs for name, source in self._settings.source.items()}
        return tuple(
            replace(
                _source_view(name, step, title, states.get(name), last.get(name), waiting.get(name)),
                weaker_proofs=weaker.get(name, ()),
            )
            for name, (step, title) in named.items()
        )

    def runs(self, cohort: str, source: str | None = None, limit: int = 50) -> tuple[RunView, ...]:
        """Return the newest runs first."""
        conditions = [tables.run.c.cohort == cohort]
        if source is not None:
            conditions.append(tables.run.c.source == source)
        with reading(self._engine) as connection:
            return self._runs(connection, *conditions, limit=limit)

    def run(self, cohort: str, number: int) -> RunView | None:
        """Return one run."""
        with reading(self._engine) as connection:
            found = self._runs(connection, tables.run.c.cohort == cohort, tables.run.c.run == number)
        return found[0] if found else None

    def flips_of_run(self, cohort: str, number: int, limit: int = 1000) -> tuple[FlipView, ...]:
        """Return the flips a run made, newest first."""
        with reading(self._engine) as connection:
            return self._flips(connection, tables.flip.c.cohort == cohort, tables.flip.c.run == number, limit=limit)

    def strangers(self, cohort: str, source: str | None = None) -> tuple[StrangerView, ...]:
        """Return the listed strangers, those near to a roster student first."""
        table = tables.stranger
        query = select(table).where(table.c.cohort == cohort)
        if source is not None:
            query = query.where(table.c.source == source)
        with reading(self._engine) as connection:
            rows = connection.execute(query.order_by(table.c.near == "", table.c.source, table.c.key)).all()
        return tuple(StrangerView(r.source, r.key, r.near, r.student) for r in rows)

    def decisions(self, cohort: str, number: str | None = None) -> tuple[Decision, ...]:
        """Return decisions, withdrawn ones too, newest first."""
        table = tables.decision
        query = select(table).where(table.c.cohort == cohort)
        if number is not None:
            query = query.where(table.c.student == number)
        with reading(self._engine) as connection:
            return tuple(decision_from(row) for row in connection.execute(query.order_by(table.c.decision.desc())))

    def certificates(self, cohort: str, number: str | None = None) -> tuple[Certificate, ...]:
        """Return certificates, revoked ones too, newest first."""
        table = tables.certificate
        query = select(table).where(table.c.cohort == cohort)
        if number is not None:
            query = query.where(table.c.student == number)
        with reading(self._engine) as connection:
            rows = connection.execute(query.order_by(table.c.certificate.desc()))
            return tuple(certificate_from(row) for row in rows)

    def opened_after_issue(self, cohort: str, now: datetime) -> tuple[tuple[str, str], ...]:
        """Return (student, step) where somebody holds a certificate, and a step does not count as clear any more.

        It re-opens nothing: it is a list for whoever looks after such cases.
        """
        certificate, status, decision = tables.certificate, tables.status, tables.decision
        here = and_(
            decision.c.cohort == status.c.cohort,
            decision.c.student == status.c.student,
            decision.c.step == status.c.step,
            active(decision, now),
        )
        with reading(self._engine) as connection:
            # Staleness is nobody's debt: a source that is down says nothing against who has left.
            query = (
                select(status.c.student, status.c.step)
                .join(certificate, and_(certificate.c.cohort == cohort, certificate.c.student == status.c.student))
                .outerjoin(decision, here)
                .where(
                    status.c.cohort == cohort,
                    certificate.c.revoked_at.is_(None),
                    status.c.reason != Reason.AWAITING_REVIEW,
                    ~counts_as_clear(status, decision, ()),
                )
                .order_by(status.c.student, status.c.step)
            )
            return tuple((row.student, row.step) for row in connection.execute(query))

    def _decided(
        self,
        connection: Connection,
        cohort: str,
        people: Any,  # noqa: ANN401 - a Select whose columns SQLAlchemy cannot name
        freshness: Mapping[str, StepSource],
        now: datetime,
    ) -> dict[tuple[str, str], tuple[str, StepStatus]]:
        """Return (student, step) → college and status for every decision that counts now, reviews apart: few."""
        person, status, decision = people.subquery(), tables.status, tables.decision
        rows = connection.execute(
            select(
                person.c.college,
                person.c.flow,
                status.c.verdict.label("found"),
                status.c.reason.label("found_reason"),
                status.c.evidence_keys,
                status.c.since,
                decision,
            )
            .join(decision, and_(decision.c.cohort == cohort, decision.c.student == person.c.student))
            .join(
                status,
                and_(
                    status.c.cohort == cohort,
                    status.c.student == decision.c.student,
                    status.c.step == decision.c.step,
                ),
            )
            .where(decision.c.withdrawn_at.is_(None), or_(decision.c.until.is_(None), decision.c.until > now))
        ).all()
        decided: dict[tuple[str, str], tuple[str, StepStatus]] = {}
        for row in rows:
            flow = self._settings.flow_named(row.flow)
            kind = next((StepKind(e.kind) for e in flow.entries if e.step == row.step), StepKind.MANUAL)
            if kind is StepKind.REVIEW:
                continue
            fresh = freshness.get(row.step)
            finding = Finding(
                Verdict(row.found), Reason(row.found_reason), tables.obligations_of_keys(row.evidence_keys)
            )
            decided[row.student, row.step] = (
                row.college,
                StepStatus(
                    row.step,
                    kind,
                    finding,
                    row.since,
                    as_of=fresh.as_of if fresh else None,
                    fresh_until=fresh.fresh_until if fresh else None,
                    decision=decision_from(row),
                ),
            )
        return decided

    def _undecided_counts(
        self,
        connection: Connection,
        cohort: str,
        people: Any,  # noqa: ANN401 - a Select whose columns SQLAlchemy cannot name
        decided: Iterable[tuple[str, str]],
    ) -> Counter[tuple[str, str, State]]:
        """Count synced and manual steps by college and state, without those decided."""
        person, status = people.subquery(), tables.status
        joined = and_(status.c.cohort == cohort, status.c.student == person.c.student)
        columns = (person.c.college, status.c.step, status.c.verdict, status.c.reason)
        counts: Counter[tuple[str, str, State]] = Counter()
        rows = connection.execute(
            select(*columns, func.count().label("students"))
            .join(status, joined)
            .where(status.c.reason != Reason.AWAITING_REVIEW)
            .group_by(*columns)
        )
        for row in rows:
            counts[row.college, row.step, _state(row.verdict, row.reason)] += row.students
        taken_out = list(decided)
        for start in range(0, len(taken_out), 500):
            students = {student for student, _ in taken_out[start : start + 500]}
            steps = set(taken_out[start : start + 500])
            for row in connection.execute(
                select(status.c.student, *columns).join(status, joined).where(status.c.student.in_(students))
            ):
                if (row.student, row.step) in steps and row.reason != Reason.AWAITING_REVIEW:
                    counts[row.college, row.step, _state(row.verdict, row.reason)] -= 1
        return counts

    def _review_counts(
        self,
        connection: Connection,
        cohort: str,
        people: Any,  # noqa: ANN401 - a Select whose columns SQLAlchemy cannot name
        fresh: Mapping[str, StepSource],
        now: datetime,
    ) -> Counter[tuple[str, str, State, bool]]:
        """Count reviews by college and state, and whether one was given that stands."""
        person, review = people.subquery(), tables.decision
        stale = [step for step, source in fresh.items() if source.stale(now)]
        counts: Counter[tuple[str, str, State, bool]] = Counter()
        for flow in self._settings.flow:
            for entry in flow.entries:
                if entry.kind != "review":
                    continue
                given = and_(
                    review.c.cohort == cohort,
                    review.c.student == person.c.student,
                    review.c.step == entry.step,
                    active(review, now),
                )
                is_open, stands = review_stands(cohort, person.c.student, flow, entry.step, review, stale, now)
                columns = (
                    person.c.college,
                    case((and_(review.c.decision.is_not(None), stands), review.c.verdict)).label("given"),
                    is_open.label("open"),
                )
                each = (
                    select(*columns)
                    .select_from(person.outerjoin(review, given))
                    .where(person.c.flow == flow.key)
                    .subquery()
                )
                query = select(each.c.college, each.c.given, each.c.open, func.count()).group_by(*each.c)
                for college, verdict, may, count in connection.execute(query):
                    undecided = State.OPEN if may else State.CLOSED
                    state = undecided if verdict is None else State(Verdict(verdict))
                    counts[college, entry.step, state, verdict is not None] += count
        return counts

    def _flips(
        self, connection: Connection, *conditions: ColumnElement[bool], limit: int = 200
    ) -> tuple[FlipView, ...]:
        table = tables.flip
        rows = connection.execute(select(table).where(*conditions).order_by(table.c.flip.desc()).limit(limit))
        return tuple(
            FlipView(
                r.student,
                r.step,
                Verdict(r.before),
                Verdict(r.after),
                r.reason,
                r.cause,
                r.at,
                r.run,
                r.decision,
                r.evidence,
            )
            for r in rows
        )

    def _runs(self, connection: Connection, *conditions: ColumnElement[bool], limit: int = 200) -> tuple[RunView, ...]:
        table = tables.run
        rows = connection.execute(select(table).where(*conditions).order_by(table.c.run.desc()).limit(limit))
        return tuple(
            RunView(
                run=r.run,
                source=r.source,
                slot=r.slot,
                state=RunState(r.state),
                began=r.began,
                ended=r.ended,
                by=r.by,
                student=r.student,
                message=r.message,
                fault=r.fault,
                counts=r.counts,
                proofs=r.proofs,
                decided_by=r.decided_by,
                decided_at=r.decided_at,
                digest=r.plan_digest,
            )
            for r in rows
        )


def _people(cohort: str, scopes: Sequence[Scope]) -> Any:  # noqa: ANN401 - a Select whose columns SQLAlchemy cannot name
    person = tables.student
    return select(person.c.student, person.c.college, person.c.flow).where(
        person.c.cohort == cohort, person.c.active, person.c.flow.is_not(None), inside(scopes)
    )


def inside(scopes: Sequence[Scope]) -> ColumnElement[bool]:
    """Say, in a question about `student`, whether somebody stands inside one of the scopes."""
    return or_(
        *(
            and_(true(), *(tables.student.c[column].in_(list(values)) for column, values in scope.items()))
            for scope in scopes
        )
    )


def _state(verdict: str, reason: str) -> State:
    match verdict:
        case Verdict.HELD:
            return State.NOT_DONE if reason == Reason.NOT_DONE else State.HELD
        case Verdict.UNKNOWN:
            return State.PENDING if reason == Reason.AWAITING_DECISION else State.UNKNOWN
        case _:
            return State(verdict)


def _overview(
    cohort: str,
    students: int,
    freshness: Mapping[str, StepSource],
    tallies: Mapping[tuple[str, str], Counter[State]],
    by_decision: Mapping[tuple[str, str], int],
    disputed: Mapping[tuple[str, str], int],
) -> Overview:
    by_college: dict[str, dict[str, Tally]] = defaultdict(dict)
    by_step: dict[str, tuple[Counter[State], list[int]]] = defaultdict(lambda: (Counter(), [0, 0]))
    for (college, step), states in sorted(tallies.items()):
        decisions, disputes = by_decision.get((college, step), 0), disputed.get((college, step), 0)
        by_college[college][step] = Tally(+states, decisions, disputes)
        total, extras = by_step[step]
        total.update(states)
        extras[0] += decisions
        extras[1] += disputes
    return Overview(
        cohort=cohort,
        students=students,
        freshness=freshness,
        by_step={step: Tally(+total, *extras) for step, (total, extras) in by_step.items()},
        by_college=by_college,
    )


def _source_view(
    name: str, step: str | None, title: str, state: Row[Any] | None, last: RunView | None, suspended: RunView | None
) -> SourceView:
    began = state.began if state else None
    return SourceView(
        source=name,
        step=step,
        title=title or name,
        as_of=began,
        fresh_until=began + timedelta(seconds=state.fresh_for_seconds) if state and began else None,
        held=state.held if state else 0,
        unknown=state.unknown if state else 0,
        exempt=state.exempt if state else 0,
        strangers=state.strangers if state else 0,
        last_run=last,
        suspended=suspended,
    )
