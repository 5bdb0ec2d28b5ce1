"""The report is the sum over the students' own pages, at every moment and in any scope; nothing else is in it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from portal.auth.permissions import inside
from status_db import tables
from status_db.decisions.certificates import Issue
from status_db.decisions.writer import DecisionRequest
from status_db.effective.visible import Visibility, everything
from status_db.effective_status import EffectiveStatus
from status_db.model import State, Verdict
from status_db.queries.counts import overview
from status_db.queries.report import CohortReport, CollegeCounts, DecidedFor, Reports
from status_db.store.engine import writing
from status_db.views import Scope, StudentView, Where
from tests.cast import EVERYBODY, GEOLOGY_LOAN, LEAVING, LI, LIN, POETRY_LOAN, QIAN, SUN, ZHAO
from tests.world import COHORT, World

RESOURCES: Scope = {"college": ("资源学院",)}
STEPS = ("library", "finance", "dorm", "college_items", "final_review")

#: The moments to look: now, past a decision's end, and past every source's freshness.
MOMENTS = (timedelta(0), timedelta(hours=1), timedelta(hours=6))

#: One line of decisions: in force, with a condition, from paper, in batches, disputed, lapsed, ended, withdrawn.
_Line = tuple[int, ...]


@pytest.fixture
def season(world: World) -> World:
    """Debts, every kind of decision there is, a review that lapses, certificates of each kind, somebody who stays."""
    world.says["loans"] = [GEOLOGY_LOAN]
    world.says["fines"] = [{"CARD": LIN.number, "AMOUNT": "3.20"}]
    world.says["fees"] = [{"XH": QIAN.number, "QFJE": "5850.00", "XM": "学费"}]
    done = [{"学号": p.number, "清退状态": "已清退", "房间": "1"} for p in (SUN, LI)]
    unsure = {"学号": QIAN.number, "清退状态": "待定", "房间": "3"}
    world.says["checkouts"] = [{"学号": LIN.number, "清退状态": "未清退", "房间": "2"}, unsure, *done]
    world.run_all()
    for person in (SUN, LI, ZHAO):
        decide(world, DecisionRequest(person.number, "college_items", Verdict.CLEARED, "无借阅"))
    decide(world, DecisionRequest(QIAN.number, "college_items", Verdict.HELD, "未还"))
    soon = world.now + timedelta(minutes=30)
    decide(
        world, DecisionRequest(QIAN.number, "finance", Verdict.CLEARED, "缓交批准", until=soon, condition="九月前缴清")
    )
    decide(world, DecisionRequest(QIAN.number, "library", Verdict.CLEARED, "现场归还"))
    decide(world, DecisionRequest(LIN.number, "library", Verdict.CLEARED, "赔书", sheet="P-7", condition="周五前送来"))
    decide(world, DecisionRequest(ZHAO.number, "finance", Verdict.HELD, "数据有误"))
    world.decisions.withdraw(ZHAO.number, "finance", "x", world.now)
    for person in (SUN, LI, ZHAO):
        world.reviews.review(
            DecisionRequest(person.number, "final_review", Verdict.CLEARED, "通过"), "secretary", world.now
        )
    world.register.issue(Issue(SUN.number, "CERT-1", "毕业证书", "self"), "secretary", world.now)
    world.register.issue(Issue(LI.number, "CERT-2", "毕业证书", "post"), "secretary", world.now)
    world.register.revoke("CERT-2", "dean", "误印", world.now)
    world.register.issue(Issue(LI.number, "CERT-3", "毕业证书", ""), "secretary", world.now)
    with writing(world.engine, COHORT) as connection:
        chosen = (tables.decision.c.student == LI.number, tables.decision.c.step == "college_items")
        connection.execute(update(tables.decision).where(*chosen).values(batch=1))
    # Outgrown, disputed, and what a review rested on moves.
    world.says["loans"] = [{**POETRY_LOAN, "CARD": QIAN.number}, {**POETRY_LOAN, "CARD": SUN.number, "BARCODE": "B9"}]
    world.says["fees"].append({"XH": ZHAO.number, "QFJE": "10.00", "XM": "补考费"})
    world.run("loans")
    world.run("fees")
    return world


def decide(world: World, wish: DecisionRequest) -> None:
    world.decisions.enter(wish, "somebody", world.now)


def report(world: World, visibility: Visibility | None = None) -> CohortReport:
    return Reports(world.reading, world.settings).report(visibility or everything(world.settings, COHORT), world.now)


def seen(world: World, visibility: Visibility) -> dict[str, tuple[StudentView, dict[str, EffectiveStatus]]]:
    """Return what each leaving student's own page reports of the steps that may be read of them."""
    found: dict[str, tuple[StudentView, dict[str, EffectiveStatus]]] = {}
    for person in LEAVING:
        page = world.student(person.number)
        steps = {s.step: s.at(world.now) for s in page.steps if inside(page, visibility.steps.get(s.step, ()))}
        if steps:
            found[person.number] = page, steps
    return found


def where(steps: Mapping[str, EffectiveStatus]) -> Where:
    """Say it as the head of the student's own page does."""
    to_do = [s for s in steps.values() if s.state in (State.HELD, State.NOT_DONE) or s.overtaken_by_debt]
    if to_do:
        return Where.NOT_DONE if all(s.state is State.NOT_DONE for s in to_do) else Where.HELD
    return Where.CLEAR if all(s.clear for s in steps.values()) else Where.WAITING


def colleges(world: World, visibility: Visibility) -> dict[str, dict[str, Any]]:
    """Count the pages by college; all of them stand under "*"."""
    counts: dict[str, dict[str, Any]] = {}

    def of(college: str) -> list[dict[str, Any]]:
        new = ("wheres", "staying", "states", "decided", "disputed", "certificates")
        return [counts.setdefault(name, {key: Counter() for key in new}) for name in (college, "*")]

    for page, steps in seen(world, visibility).values():
        for one in of(page.college):
            one["wheres"][where(steps)] += 1
            for step, effective in steps.items():
                one["states"][step, effective.state] += 1
                one["decided"][step] += effective.by_decision and effective.state is State.CLEARED
                one["disputed"][step] += effective.disputed
    for person in EVERYBODY:
        page = world.student(person.number)
        if page.flow is None and inside(page, visibility.scopes()):
            for one in of(page.college):
                one["staying"][page.category] += 1
        for certificate in world.reader.certificates(COHORT, person.number):
            if inside(page, visibility.steps.get("final_review", ())):
                for one in of(page.college):
                    one["certificates"]["revoked" if certificate.revoked_at else certificate.collected] += 1
    return counts


def plain(one: CollegeCounts) -> dict[str, Any]:
    """Return a college's figures as `colleges` counts them."""
    left = one.certificates
    states = {(step, state): n for step, step_counts in one.steps.items() for state, n in step_counts.by_state.items()}
    assert one.students == sum(one.by_where.values())
    assert one.exempt == sum(n for (_, state), n in states.items() if state is State.EXEMPT)
    assert left.issued == left.unclaimed + sum(left.collected.values())
    return {
        "wheres": Counter(one.by_where),
        "staying": Counter(one.staying),
        "states": Counter(states),
        "decided": Counter({step: step_counts.cleared_by_decision for step, step_counts in one.steps.items()}),
        "disputed": Counter({step: step_counts.disputed for step, step_counts in one.steps.items()}),
        "certificates": Counter({"": left.unclaimed, "revoked": left.revoked, **left.collected}),
    }


def decisions(world: World, visibility: Visibility) -> dict[tuple[str, Verdict, str], _Line]:
    """Count the decisions about whom the pages show, by step, verdict and reason."""
    pages = seen(world, visibility)
    counts: dict[tuple[str, Verdict, str], Counter[int]] = {}
    for one in world.reader.decisions(COHORT):
        _, steps = pages.get(one.student, (None, {}))
        if one.step not in steps:
            continue
        active, counted = one.active(world.now), steps[one.step].by_decision
        stands = active and counted
        marks = (
            stands,
            stands and bool(one.condition),
            stands and bool(one.sheet),
            stands and one.batch is not None,
            stands and steps[one.step].disputed,
            active and not counted,
            one.withdrawn_at is None and not active,
            one.withdrawn_at is not None,
        )
        line = counts.setdefault((one.step, one.verdict, one.reason), Counter())
        line.update({at: int(so) for at, so in enumerate(marks)})
    return {key: tuple(line[at] for at in range(8)) for key, line in counts.items()}


def line_of(one: DecidedFor) -> _Line:
    return (
        one.stand, one.conditional, one.on_paper, one.in_batches, one.disputed, one.lapsed, one.ended, one.withdrawn,
    )  # fmt: skip


def agrees(world: World, visibility: Visibility) -> CohortReport:
    """See that a report is what the pages add up to."""
    found, expected = report(world, visibility), colleges(world, visibility)
    everybody = expected.pop("*", None)
    if everybody is None:
        assert (found.whole.students, found.colleges, found.decisions) == (0, (), ())
        return found
    assert {one.college: plain(one) for one in found.colleges} == expected
    assert [one.college for one in found.colleges] == sorted(expected)
    assert plain(found.whole) == everybody
    assert {(d.step, d.verdict, d.reason): line_of(d) for d in found.decisions} == decisions(world, visibility)
    return found


def test_every_figure_is_the_sum_over_the_students_own_pages(season: World) -> None:
    met: Counter[int] = Counter()
    for later in MOMENTS:
        season.now += later
        found = agrees(season, everything(season.settings, COHORT))
        for line in map(line_of, found.decisions):
            met.update({at: count for at, count in enumerate(line) if count})
    # The season has met every kind of decision there is.
    assert set(met) == set(range(8))


@pytest.mark.parametrize(
    "steps",
    [
        dict.fromkeys(STEPS, (RESOURCES,)),
        {step: ({"class": ("011151",)},) for step in STEPS},
        {step: ({"category": ("延期",)},) for step in STEPS},
        {step: ({"college": ("资源学院",), "class": ("011151",)},) for step in STEPS},
        {"library": ({},)},
        {"library": ({},), "final_review": (RESOURCES,)},
        {},
    ],
)
def test_no_one_and_nothing_outside_the_scopes_is_in_it(season: World, steps: Mapping[str, Sequence[Scope]]) -> None:
    for later in MOMENTS:
        season.now += later
        found = agrees(season, Visibility(COHORT, steps))
        assert set(found.whole.steps) <= set(steps)
        assert {one.step for one in found.decisions} <= set(steps)


def test_it_states_what_happened_in_this_season(season: World) -> None:
    """Said by hand, so that a mistake which report and pages share would show."""
    found = report(season)
    assert found.whole.students == 5
    assert found.whole.exempt == 1
    assert found.whole.staying == {"延期": 1}
    left = found.whole.certificates
    assert (left.issued, left.unclaimed, left.collected, left.revoked) == (2, 1, {"self": 1}, 1)
    library = found.whole.steps["library"]
    # Lin's and Qian's were decided; Zhao's and Li's are clear by the data, Sun has a book again.
    assert (library.by_state[State.CLEARED], library.cleared_by_decision) == (4, 2)
    assert library.by_state[State.HELD] == 1
    said = {(d.step, d.reason): d for d in found.decisions}
    assert (said["library", "赔书"].on_paper, said["library", "赔书"].conditional) == (1, 1)
    assert (said["college_items", "无借阅"].stand, said["college_items", "无借阅"].in_batches) == (3, 1)
    assert (said["final_review", "通过"].stand, said["final_review", "通过"].lapsed) == (2, 1)
    assert (said["finance", "数据有误"].stand, said["finance", "数据有误"].withdrawn) == (0, 1)


def test_it_never_contradicts_the_overview(season: World) -> None:
    for later in MOMENTS:
        season.now += later
        visibility = everything(season.settings, COHORT)
        found, beside = report(season), overview(season.reading, season.settings, visibility, season.now, classes=True)
        assert found.whole.steps == beside.by_step
        assert {one.college: one.steps for one in found.colleges} == beside.by_college
        assert found.whole.students == beside.students
        assert found.freshness == beside.freshness


def test_one_college_is_distinguished_from_the_others(season: World) -> None:
    whole = report(season)
    for one in whole.colleges:
        alone = report(season, everything(season.settings, COHORT).within("college", one.college))
        assert [other.college for other in alone.colleges] == [one.college]
        assert plain(alone.whole) == plain(one)


def test_a_college_outside_the_scopes_cannot_be_asked_for(season: World) -> None:
    own = Visibility(COHORT, dict.fromkeys(STEPS, (RESOURCES,)))
    assert report(season, own.within("college", "资源学院")) == report(season, own)
    assert report(season, own.within("college", "地球科学学院")).colleges == ()


def test_who_left_the_list_is_not_due_and_keeps_the_certificate(season: World) -> None:
    season.says["roster"] = [row for row in season.says["roster"] if row["学号"] != SUN.number]
    season.run("roster")
    found = agrees(season, everything(season.settings, COHORT))
    assert found.whole.students == 4
    assert found.whole.certificates.collected == {"self": 1}


def test_an_empty_cohort_has_an_empty_report(world: World) -> None:
    found = report(world)
    assert (found.whole.students, found.colleges, found.decisions) == (0, (), ())
    assert found.whole.certificates.issued == 0
