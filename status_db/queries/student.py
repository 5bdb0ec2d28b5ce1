"""Queries for the pages, the command line and exports. Read-only.

Each query is one method and returns frozen values; the current time is passed in.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Row, and_, bindparam, func, select, true

from config.settings import Settings
from status_db import tables
from status_db.effective.clear_sql import active, counts_as_clear
from status_db.effective.step_rows import steps_beside
from status_db.effective.step_status import (
    certificate_from,
    freshness,
    held_certificates,
    steps_of,
    student_from,
)
from status_db.effective.visible import Visibility, everything, inside
from status_db.failed_runs import failed_runs
from status_db.failing import attempts, is_answer
from status_db.model import (
    RENUMBERED,
    ROSTER,
    Certificate,
    Decision,
    RunState,
    StepKind,
    Verdict,
)
from status_db.queries.counts import overview
from status_db.queries.dossier import Dossier, decisions_of, dossier_of
from status_db.queries.runs import run_views, unmatched_rows
from status_db.queries.trends import Trend, trend
from status_db.store.engine import reading
from status_db.views import (
    EVERYBODY,
    FlipView,
    Overview,
    RunView,
    Scope,
    SourceView,
    StudentView,
    UnmatchedKeyView,
)

#: The newest changes of a student or a run that are shown.
_MOST_FLIPS = 200

# Built once, because every page of a student asks them.
_STUDENT = select(tables.student).where(
    tables.student.c.cohort == bindparam("cohort"), tables.student.c.student == bindparam("student")
)
_FLIPS = (
    select(tables.flip)
    .where(
        tables.flip.c.cohort == bindparam("cohort"), tables.flip.c.student.in_(bindparam("students", expanding=True))
    )
    .order_by(tables.flip.c.flip.desc())
    .limit(_MOST_FLIPS)
)
_FORMER = select(tables.alias.c.alias).where(
    tables.alias.c.cohort == bindparam("cohort"),
    tables.alias.c.student == bindparam("student"),
    tables.alias.c.kind == RENUMBERED,
)


class Reader:
    """Reads a cohort from the status database."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self._engine = engine
        self._settings = settings

    def check(self) -> None:
        """Raise StoreError unless the database answers and has its tables."""
        with reading(self._engine) as connection:
            connection.execute(select(tables.cohort.c.cohort).limit(1)).all()

    def student(self, cohort: str, number: str, now: datetime) -> StudentView | None:
        """Return one student at `now`, or None if the roster never had that number."""
        with reading(self._engine) as connection:
            return self._student(connection, cohort, number, now)

    def dossier(self, cohort: str, number: str, now: datetime) -> Dossier | None:
        """Return the dossier of one student at `now`, or None if the roster never had that number."""
        with reading(self._engine) as connection:
            student = self._student(connection, cohort, number, now)
            return dossier_of(connection, self._settings, student) if student is not None else None

    def _student(self, connection: Connection, cohort: str, number: str, now: datetime) -> StudentView | None:
        row = connection.execute(_STUDENT, {"cohort": cohort, "student": number}).one_or_none()
        if row is None:
            return None
        flow = self._settings.flow_named(row.flow) if row.active else None
        fresh = freshness(connection, self._settings, cohort)
        steps = steps_of(connection, self._settings, cohort, number, flow, fresh, now) if flow else ()
        certificates = held_certificates(connection, cohort, number)
        numbers = _numbers_of(connection, cohort, number)
        flips = _flips_from(connection.execute(_FLIPS, {"cohort": cohort, "students": numbers}))
        return student_from(row, steps, flips, certificates)

    def listed_name(self, number: str) -> str | None:
        """Return the name of a student from the newest roster that has had the number; None if no roster has."""
        person = tables.student
        # The key of students begins with the cohort, so the index is used only if the cohorts are given.
        query = (
            select(person.c.name)
            .where(person.c.cohort.in_(select(tables.cohort.c.cohort)), person.c.student == number)
            .order_by(person.c.joined_at.desc())
            .limit(1)
        )
        with reading(self._engine) as connection:
            name: str | None = connection.scalar(query)
            return name

    def within(self, cohort: str, number: str, scopes: Sequence[Scope]) -> bool:
        """Return whether a student is in one of the scopes."""
        person = tables.student
        with reading(self._engine) as connection:
            found = connection.execute(
                select(person.c.student).where(person.c.cohort == cohort, person.c.student == number, inside(scopes))
            ).first()
        return found is not None

    def overview(self, cohort: str, now: datetime, scopes: Sequence[Scope] = EVERYBODY) -> Overview:
        """Count the students in `scopes` by step, college and state at `now`."""
        return overview(self._engine, self._settings, everything(self._settings, cohort, scopes), now)

    def seen(self, visibility: Visibility, now: datetime, college: str | None = None) -> Overview:
        """Count the visible steps at `now`, of one college or of all, by step, college and class."""
        return overview(self._engine, self._settings, visibility, now, college=college, classes=True)

    def trend(self, visibility: Visibility, now: datetime, college: str | None = None) -> Trend:
        """Return the progress of the season by day, within the visibility, of one college or of all."""
        return trend(self._engine, self._settings, visibility, now, college)

    def sources(self, cohort: str) -> tuple[SourceView, ...]:
        """Return the roster and every source, in the settings' order, also sources that never ran."""
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
            last = {r.source: r for r in run_views(connection, tables.run.c.run.in_(newest))}
            waiting = {
                r.source: r
                for r in run_views(connection, tables.run.c.cohort == cohort, tables.run.c.state == RunState.SUSPENDED)
            }
            under_way = (tables.run.c.state == RunState.RUNNING, tables.run.c.student.is_(None))
            # A source whose newest run was answered has not failed since.
            asked = [s for s, r in last.items() if not is_answer(r.state, r.fault, r.counts.reverts)]
            failed = {s: failed_runs(connection, cohort, s) for s in asked}
            running = {r.source: r for r in run_views(connection, tables.run.c.cohort == cohort, *under_way)}
            without_row = self._without_row(connection, cohort, states)
        named = {ROSTER: (None, "")} | {n: (s.step, s.title) for n, s in self._settings.source.items()}
        configured = cohort in self._settings.cohort_keys()
        roster = (self._settings.of_cohort(cohort) if configured else self._settings).roster
        weaker = {name: source.weaker_proofs for name, source in self._settings.source.items()}
        connection_of = {name: source.weaker_connection for name, source in self._settings.source.items()}
        connection_of[ROSTER] = roster.weaker_connection
        return tuple(
            replace(
                self._counted(
                    _source_view(name, step, title, states.get(name), last.get(name), waiting.get(name)),
                    without_row.get(name, 0),
                ),
                weaker_proofs=weaker.get(name, ()),
                weaker_connection=connection_of[name],
                running=running.get(name),
                attempts=attempts(failed.get(name), self._settings.schedule),
            )
            for name, (step, title) in named.items()
        )

    def _counted(self, view: SourceView, without_row: int) -> SourceView:
        """Return the view with the students that its office has not recorded as done apart from those held there."""
        source = self._settings.source.get(view.source)
        if source is None or source.means != "status":
            return view
        return replace(view, held=0, not_done=view.held + without_row)

    def _without_row(self, connection: Connection, cohort: str, states: Mapping[str, Row[Any]]) -> dict[str, int]:
        """Return, for each source that lists only students that are done, how many students it does not list."""
        found: dict[str, int] = {}
        status = tables.status
        for name, source in self._settings.source.items():
            state = states.get(name)
            if source.means != "status" or source.absent_means != "held" or state is None or state.began is None:
                continue
            number = select(func.count()).where(status.c.cohort == cohort, status.c.step == source.step)
            listed = state.held + state.done + state.unknown + state.exempt
            found[name] = max(0, connection.execute(number).scalar_one() - int(listed))
        return found

    def runs(self, cohort: str, source: str | None = None, limit: int = 50) -> tuple[RunView, ...]:
        """Return the newest runs first."""
        conditions = [tables.run.c.cohort == cohort]
        if source is not None:
            conditions.append(tables.run.c.source == source)
        with reading(self._engine) as connection:
            return run_views(connection, *conditions, limit=limit)

    def run(self, cohort: str, number: int) -> RunView | None:
        """Return one run."""
        with reading(self._engine) as connection:
            found = run_views(connection, tables.run.c.cohort == cohort, tables.run.c.run == number)
        return found[0] if found else None

    def flips_of_run(self, cohort: str, number: int, limit: int = 1000) -> tuple[FlipView, ...]:
        """Return the flips of a run, newest first."""
        with reading(self._engine) as connection:
            return self._flips(connection, tables.flip.c.cohort == cohort, tables.flip.c.run == number, limit=limit)

    def unmatched_keys(self, cohort: str, source: str | None = None) -> tuple[UnmatchedKeyView, ...]:
        """Return unmatched keys, those with a match hint first."""
        with reading(self._engine) as connection:
            return unmatched_rows(connection, cohort, source)

    def decisions(self, cohort: str, number: str | None = None) -> tuple[Decision, ...]:
        """Return decisions, also withdrawn ones, newest first."""
        with reading(self._engine) as connection:
            return decisions_of(connection, cohort, number)

    def certificates(self, cohort: str, number: str | None = None) -> tuple[Certificate, ...]:
        """Return certificates, also revoked ones, newest first."""
        table = tables.certificate
        query = select(table).where(table.c.cohort == cohort)
        if number is not None:
            query = query.where(table.c.student == number)
        with reading(self._engine) as connection:
            rows = connection.execute(query.order_by(table.c.certificate.desc()))
            return tuple(certificate_from(row) for row in rows)

    def opened_after_issue(
        self, cohort: str, now: datetime, scopes: Sequence[Scope] = EVERYBODY, review: str | None = None
    ) -> tuple[tuple[str, str], ...]:
        """Return (student, step) where a student with a certificate has a step that no longer counts as clear.

        Only students in the scopes; with `review`, only certificates that were issued on that review.

        It does not re-open anything: it is a list for manual follow-up.
        """
        certificate, decision, person = tables.certificate, tables.decision.alias(), tables.student
        status = steps_beside(self._settings, person)
        here = and_(
            decision.c.cohort == status.c.cohort,
            decision.c.student == status.c.student,
            decision.c.step == status.c.step,
            active(decision, now),
        )
        issued_on = select(tables.decision.c.step).where(tables.decision.c.decision == certificate.c.decision)
        own = true() if review is None else issued_on.scalar_subquery() == review
        with reading(self._engine) as connection:
            # Staleness is not a debt: it does not count against students who have left.
            query = (
                select(status.c.student, status.c.step)
                .select_from(
                    status.source.join(
                        certificate, and_(certificate.c.cohort == cohort, certificate.c.student == status.c.student)
                    ).outerjoin(decision, here)
                )
                .where(
                    status.c.cohort == cohort,
                    inside(scopes),
                    own,
                    certificate.c.revoked_at.is_(None),
                    status.c.kind != StepKind.REVIEW,
                    ~counts_as_clear(status, decision, ()),
                )
                .order_by(status.c.student, status.c.step)
            )
            return tuple((row.student, row.step) for row in connection.execute(query))

    def _flips(
        self, connection: Connection, *conditions: ColumnElement[bool], limit: int = _MOST_FLIPS
    ) -> tuple[FlipView, ...]:
        table = tables.flip
        return _flips_from(
            connection.execute(select(table).where(*conditions).order_by(table.c.flip.desc()).limit(limit))
        )


def _flips_from(rows: Iterable[Row[Any]]) -> tuple[FlipView, ...]:
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


def _source_view(
    name: str, step: str | None, title: str, state: Row[Any] | None, last: RunView | None, suspended: RunView | None
) -> SourceView:
    since = (state.as_of or state.began) if state else None
    return SourceView(
        source=name,
        step=step,
        title=title or name,
        as_of=since,
        fresh_until=since + timedelta(seconds=state.fresh_for_seconds) if state and since else None,
        held=state.held if state else 0,
        unknown=state.unknown if state else 0,
        exempt=state.exempt if state else 0,
        unmatched_keys=state.unmatched_keys if state else 0,
        last_run=last,
        suspended=suspended,
        recent_rows=tuple(state.recent_rows) if state else (),
    )


def _numbers_of(connection: Connection, cohort: str, number: str) -> list[str]:
    """Return a student's number and its earlier numbers: the history keeps the number of its time."""
    return [number, *connection.execute(_FORMER, {"cohort": cohort, "student": number}).scalars()]
