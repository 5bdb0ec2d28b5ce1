"""What counts as clear, in SQL for many students at once: the twin of `StepStatus` and `EffectiveStatus`.

A property test compares the two for every kind of finding, decision, freshness, review and certificate.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Boolean,
    ColumnElement,
    String,
    Text,
    and_,
    case,
    cast,
    exists,
    false,
    func,
    literal,
    or_,
    select,
    type_coerce,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from config.tables.steps import Flow
from status_db import tables
from status_db.effective.step_rows import steps_before
from status_db.model import CLEAR, Reason, State, StepKind, Verdict


class _KeysWithin(FunctionElement[bool]):
    """Whether every key of the first JSON list is in the second."""

    type = Boolean()
    inherit_cache = True
    name = "keys_within"


@compiles(_KeysWithin, "postgresql")
def _keys_within_postgresql(element: _KeysWithin, compiler: SQLCompiler, **kw: Any) -> str:  # noqa: ANN401 - as SQLAlchemy calls it
    keys, among = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"(COALESCE({keys}, '[]')::jsonb <@ {among}::jsonb)"


@compiles(_KeysWithin, "sqlite")
def _keys_within_sqlite(element: _KeysWithin, compiler: SQLCompiler, **kw: Any) -> str:  # noqa: ANN401 - as SQLAlchemy calls it
    # status_db.store.engine defines this function: a read-only handle cannot create the virtual table json_each.
    keys, among = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"keys_within(COALESCE({keys}, '[]'), {among})"


class _Member(FunctionElement[str]):
    """The value of a name in a JSON object; NULL if there is none."""

    type = String()
    inherit_cache = True
    name = "member"


@compiles(_Member, "postgresql")
def _member_postgresql(element: _Member, compiler: SQLCompiler, **kw: Any) -> str:  # noqa: ANN401 - as SQLAlchemy calls it
    body, member = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"({body}::jsonb ->> {member})"


@compiles(_Member, "sqlite")
def _member_sqlite(element: _Member, compiler: SQLCompiler, **kw: Any) -> str:  # noqa: ANN401 - as SQLAlchemy calls it
    body, member = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"json_extract({body}, '$.' || {member})"


def active(decision: Any, now: datetime) -> ColumnElement[bool]:  # noqa: ANN401 - a table or an alias of it
    """Return whether a decision is neither withdrawn nor expired."""
    return and_(decision.c.withdrawn_at.is_(None), or_(decision.c.until.is_(None), decision.c.until > now))


def counts_as_clear(status: Any, decision: Any, stale: Iterable[str]) -> ColumnElement[bool]:  # noqa: ANN401 - tables or aliases
    """Return whether a step that is not a review counts as clear.

    `decision` is the active decision on the step, from an outer join: NULL if there is none. `stale` names the steps
    whose sources' last answer is too old.
    """
    decided = and_(decision.c.verdict.in_(CLEAR), ~overtaken_by_debt(status, decision))
    found = and_(status.c.verdict.in_(CLEAR), status.c.step.not_in(sorted(stale)))
    return case((decision.c.decision.is_not(None), decided), else_=found)


def overtaken_by_debt(status: Any, decision: Any) -> ColumnElement[bool]:  # noqa: ANN401 - tables or aliases
    """Return whether a student has debt that did not exist at the active decision; false if there is no decision."""
    known = and_(
        decision.c.answered_verdict == Verdict.HELD, _KeysWithin(status.c.evidence_keys, decision.c.answered_keys)
    )
    return and_(decision.c.decision.is_not(None), status.c.verdict == Verdict.HELD, ~known)


def disputed(status: Any, decision: Any) -> ColumnElement[bool]:  # noqa: ANN401 - tables or aliases
    """Return whether the finding has changed since the active decision; false if there is no decision."""
    # The same code writes both lists, sorted, so the same keys are the same text.
    keys = func.coalesce(type_coerce(status.c.evidence_keys, Text), literal("[]", Text))
    moved = or_(status.c.verdict != decision.c.answered_verdict, keys != type_coerce(decision.c.answered_keys, Text))
    return and_(decision.c.decision.is_not(None), moved)


def state_of(status: Any, decision: Any) -> ColumnElement[str]:  # noqa: ANN401 - tables or aliases
    """Return the state of a step that is not a review; `decision` is the active one, from an outer join."""
    # A state has the same code as its verdict, except the two below.
    found = case(
        (and_(status.c.verdict == Verdict.HELD, status.c.reason == Reason.NOT_DONE), literal(State.NOT_DONE.value)),
        (
            and_(status.c.verdict == Verdict.UNKNOWN, status.c.reason == Reason.AWAITING_DECISION),
            literal(State.PENDING.value),
        ),
        else_=status.c.verdict,
    )
    return case((decision.c.decision.is_not(None), decision.c.verdict), else_=found)


def version_tag(status: Any, decision: Any) -> ColumnElement[str]:  # noqa: ANN401 - tables or aliases
    """Return the twin of `StepStatus.version_tag`."""
    run = cast(func.coalesce(status.c.run, 0), String)
    return run.concat(":").concat(cast(func.coalesce(decision.c.decision, 0), String))


def review_conditions(
    cohort: str,
    student: ColumnElement[str],
    flow: Flow,
    step: str,
    review: Any,  # noqa: ANN401 - a table or an alias of it
    stale: Mapping[str, str],
    now: datetime,
) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """Return whether a student's review can be given now, and whether a review that was given is valid.

    `review` is the active decision on the review, from an outer join. It is valid while every step before it counts as
    clear and has the version that was reviewed, and always once a certificate is issued. `stale` maps the steps whose
    last answer is too old to the time of that answer: an answer that the review accepted does not invalidate it.

    The conditions count the steps that fulfil them. So a step that the statement does not find keeps the review closed.
    """
    after = flow.after(step)
    reviews = [entry.step for entry in flow.entries if entry.step in after and entry.kind == StepKind.REVIEW.value]
    status, decision, certificate = (
        steps_before(flow, step, cohort, student),
        tables.decision.alias(),
        tables.certificate,
    )
    here = and_(
        decision.c.cohort == cohort,
        decision.c.student == student,
        decision.c.step == status.c.step,
        active(decision, now),
    )

    def all_are(condition: ColumnElement[bool]) -> ColumnElement[bool]:
        found = select(func.count()).select_from(status.source.outerjoin(decision, here)).where(condition)
        return found.correlate_except(decision).scalar_subquery() == len(after) - len(reviews)

    clear = counts_as_clear(status, decision, stale)
    accepted = or_(
        false(),
        *(
            and_(status.c.step == step, func.coalesce(_Member(review.c.accepts, literal(step)), "") == as_of)
            for step, as_of in stale.items()
            if step in after
        ),
    )
    enough = all_are(or_(clear, and_(accepted, counts_as_clear(status, decision, ()))))
    unmoved = all_are(_reviewed_version(review, status.c.step) == version_tag(status, decision))
    issued = exists(
        select(certificate.c.certificate)
        .where(certificate.c.cohort == cohort, certificate.c.student == student, certificate.c.revoked_at.is_(None))
        .correlate_except(certificate)
    )
    others = [_review_before(cohort, student, flow, one, review, stale, now) for one in reviews]
    is_open = and_(all_are(clear), *(passed for passed, _ in others))
    valid = and_(enough, unmoved, *(condition for both in others for condition in both))
    return is_open, or_(review.c.verdict != Verdict.CLEARED, issued, valid)


def _review_before(
    cohort: str,
    student: ColumnElement[str],
    flow: Flow,
    step: str,
    waits: Any,  # noqa: ANN401 - a table or an alias of it
    stale: Mapping[str, str],
    now: datetime,
) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """Return whether a review that `waits` depends on counts as clear, and has the version that `waits` reviewed."""
    before = tables.decision.alias()
    _, valid = review_conditions(cohort, student, flow, step, before, stale, now)
    counts = (
        before.c.cohort == cohort,
        before.c.student == student,
        before.c.step == step,
        active(before, now),
        valid,
    )
    named = select(literal("0:", String).concat(cast(before.c.decision, String))).where(*counts)
    given = func.coalesce(named.correlate_except(before).scalar_subquery(), literal("0:0", String))
    passed = exists(select(before.c.decision).where(*counts, before.c.verdict.in_(CLEAR)).correlate_except(before))
    return passed, _reviewed_version(waits, literal(step)) == given


def _reviewed_version(review: Any, step: ColumnElement[str]) -> ColumnElement[str]:  # noqa: ANN401 - a table or an alias of it
    """Return the version of a step that a review was given on; empty if the review does not contain the step."""
    return func.coalesce(_Member(review.c.reviewed_versions, step), literal(""))
