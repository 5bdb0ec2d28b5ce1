"""Whether the store and the plain model say the same, asked in the ways in which pages, lists and exports ask."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import select

from status_db import tables
from status_db.effective_status import StepStatus
from status_db.store.engine import reading
from tests.trust.plain_model import REVIEW, STEPS, Model, Paper, SourceRecord, Stands
from tests.world import COHORT, World


def everybody_stands_where_the_model_says(world: World, model: Model, numbers: Iterable[str]) -> None:
    """Student by student and step by step."""
    now = world.now
    for number in numbers:
        view = world.reader.student(COHORT, number, now)
        if number not in model.people:
            assert view is None
            continue
        assert view is not None
        assert view.active == model.people[number].active
        found = {status.step: as_read(status, now) for status in view.steps}
        leaves = model.people[number].leaving
        assert found == ({step: model.stands(number, step, now) for step in STEPS} if leaves else {}), number
        paper = model.certificate(number)
        assert (view.certificate and view.certificate.number) == (paper and paper.number)
        for status in view.steps:
            told = model.found[number, status.step]
            assert (status.finding.reason, status.finding.keys) == (told.reason, told.keys), (number, status.step)
            if status.step == REVIEW:
                assert set(status.waits_for) == set(model.waits_for(number, now))


def every_decision_is_what_it_was(world: World, model: Model) -> None:
    """Row by row: nothing lost, nothing changed but its withdrawal and its noted end."""
    with reading(world.reading) as connection:
        rows = connection.execute(select(tables.decision).order_by(tables.decision.c.decision)).all()
        papers = connection.execute(select(tables.certificate)).all()
    found = [
        SourceRecord(
            r.decision,
            r.student,
            r.step,
            r.verdict,
            r.author,
            r.reason,
            r.words,
            r.until,
            r.entered_at,
            (r.answered_verdict, tuple(r.answered_keys)),
            r.reviewed_versions,
            (r.withdrawn_at, r.withdrawn_by) if r.withdrawn_at else None,
            r.ended_at,
            {step: datetime.fromisoformat(at) for step, at in (r.accepts or {}).items()},
            r.batch,
        )
        for r in rows
    ]
    assert found == [said for _, said in sorted(model.decisions.items())]
    revoked = [
        Paper(
            p.certificate,
            p.student,
            p.number,
            p.issued_by,
            (p.revoked_at, p.revoked_by, p.revoked_because) if p.revoked_at else None,
            p.collected,
            (p.collected_at, p.handed_over_by) if p.collected_at else None,
        )
        for p in papers
    ]
    assert sorted(revoked, key=lambda p: p.id) == sorted(model.papers.values(), key=lambda p: p.id)


def overview_is_the_sum_over_students(world: World, model: Model) -> None:
    """What leaders read is counted in another way than what students read."""
    overview = world.reader.overview(COHORT, world.now)
    assert overview.students == len(model.leaving())
    found = {
        (college, step): (Counter({s.value: n for s, n in t.by_state.items()}), t.by_decision, t.disputed)
        for college, steps in overview.by_college.items()
        for step, t in steps.items()
        if t.total
    }
    assert found == model.tallies(world.now)


def as_read(status: StepStatus, now: datetime) -> Stands:
    """Put what the reader returns into the model's words."""
    at = status.at(now)
    return Stands(
        verdict=at.verdict.value,
        state=at.state.value,
        by_decision=at.by_decision,
        stale=at.stale,
        disputed=at.disputed,
        overtaken_by_debt=at.overtaken_by_debt,
        lapsed=at.lapsed,
        clear=at.clear,
    )
