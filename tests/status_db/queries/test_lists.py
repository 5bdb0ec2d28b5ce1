"""Lists, figures and each student's own page tell the same of everybody, decided, stale and reviewed as they may be."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta

import pytest
from sqlalchemy import insert, select

from status_db import tables
from status_db.decisions.certificates import Issue
from status_db.decisions.writer import DecisionRequest
from status_db.effective.visible import Visibility, everything
from status_db.effective_status import EffectiveStatus, StepStatus
from status_db.model import State, Verdict
from status_db.queries.counts import overview
from status_db.queries.lists import Filter, Lists, ListSelection, Order
from status_db.store.engine import writing
from status_db.views import Scope, Where
from tests.cast import EVERYBODY, GEOLOGY_LOAN, LEAVING, LI, LIN, POETRY_LOAN, QIAN, SUN, ZHAO
from tests.world import COHORT, World

RESOURCES: Scope = {"college": ("资源学院",)}
STEPS = ("library", "finance", "dorm", "college_items", "final_review")


@pytest.fixture
def season(world: World) -> World:
    """Debts, an unreadable word, decisions that ended, were outgrown or are disputed, reviews, a certificate."""
    world.reach("the season of lists", lambda: _lived(world))
    return world


def _lived(world: World) -> None:
    world.says["loans"] = [GEOLOGY_LOAN]
    world.says["fines"] = [{"CARD": LIN.number, "AMOUNT": "3.20"}]
    world.says["fees"] = [{"XH": QIAN.number, "QFJE": "5850.00", "XM": "学费"}]
    done = [{"学号": p.number, "清退状态": "已清退", "房间": "1"} for p in (SUN, LI)]
    unsure = {"学号": QIAN.number, "清退状态": "待定", "房间": "3"}
    world.says["checkouts"] = [{"学号": LIN.number, "清退状态": "未清退", "房间": "2"}, unsure, *done]
    world.run_all()
    for person in (SUN, LI, ZHAO):
        world.decisions.enter(
            DecisionRequest(person.number, "college_items", Verdict.CLEARED, "无借阅"), "college", world.now
        )
    world.decisions.enter(DecisionRequest(QIAN.number, "college_items", Verdict.HELD, "未还"), "college", world.now)
    soon = world.now + timedelta(minutes=30)
    world.decisions.enter(
        DecisionRequest(QIAN.number, "finance", Verdict.CLEARED, "缓交批准", until=soon), "x", world.now
    )
    world.decisions.enter(DecisionRequest(QIAN.number, "library", Verdict.CLEARED, "现场归还"), "x", world.now)
    world.decisions.enter(DecisionRequest(LIN.number, "library", Verdict.CLEARED, "赔书"), "x", world.now)
    for person in (SUN, LI):
        review = DecisionRequest(person.number, "final_review", Verdict.CLEARED, "通过")
        world.reviews.review(review, "secretary", world.now)
    world.register.issue(Issue(SUN.number, "CERT-1", "毕业证书", "self"), "secretary", world.now)
    # Outgrown: something new after the decision. Disputed only: what it answered is gone.
    world.says["loans"] = [{**POETRY_LOAN, "CARD": QIAN.number}, {**POETRY_LOAN, "CARD": SUN.number, "BARCODE": "B9"}]
    world.run("loans")


def lists_of(world: World) -> Lists:
    return Lists(world.reading, world.settings)


def pages(world: World) -> dict[str, tuple[StepStatus, ...]]:
    """Return what each leaving student's own page reports."""
    return {person.number: world.student(person.number).steps for person in LEAVING}


def must_go(effective: EffectiveStatus) -> bool:
    """Say it as the student's own page does."""
    return effective.state in (State.HELD, State.NOT_DONE) or effective.overtaken_by_debt


def looked_at(world: World) -> list[timedelta]:
    """The moments to look: now, past a decision's end, and past every source's freshness."""
    return [timedelta(0), timedelta(hours=1), timedelta(hours=6)]


def listed(world: World, chosen: Filter, visibility: Visibility | None = None) -> list[str]:
    found = lists_of(world).leaf(visibility or everything(world.settings, COHORT), chosen, world.now, 100)
    return [row.student for row in found.rows]


def test_a_row_states_of_each_step_what_the_students_own_page_states(season: World) -> None:
    seen: set[State] = set()
    for later in looked_at(season):
        season.now += later
        leaf = lists_of(season).leaf(everything(season.settings, COHORT), Filter(ListSelection.ALL), season.now, 100)
        own = pages(season)
        assert {row.student for row in leaf.rows} == set(own)
        for row in leaf.rows:
            assert [s.step for s in row.steps] == [s.step for s in own[row.student]]
            for ours, theirs in zip(row.steps, own[row.student], strict=True):
                assert ours.at(season.now) == theirs.at(season.now), (row.student, ours.step)
                assert ours.finding.keys == theirs.finding.keys
                assert ours.waits_for == theirs.waits_for
                seen.add(ours.at(season.now).state)
    assert {State.CLEARED, State.HELD, State.NOT_DONE, State.PENDING, State.CLOSED, State.EXEMPT} <= seen


@pytest.mark.parametrize("step", [None, *STEPS])
def test_every_filter_lists_exactly_those_whose_pages_say_so(season: World, step: str | None) -> None:
    met: Counter[str] = Counter()
    for later in looked_at(season):
        season.now += later
        own = {
            number: [s.at(season.now) for s in steps if step in (None, s.step)]
            for number, steps in pages(season).items()
        }
        own = {number: steps for number, steps in own.items() if steps}
        to_do = {n: {s.state for s in steps if must_go(s)} for n, steps in own.items()}
        clear = {n for n, steps in own.items() if all(s.clear for s in steps)}
        expected: dict[ListSelection | State, set[str]] = {
            ListSelection.ALL: set(own),
            ListSelection.TO_DO: {n for n, states in to_do.items() if states},
            ListSelection.OWES: {n for n, states in to_do.items() if states - {State.NOT_DONE}},
            ListSelection.UNDONE: {n for n, states in to_do.items() if states == {State.NOT_DONE}},
            ListSelection.WAITS: {n for n, states in to_do.items() if not states} - clear,
            ListSelection.NOT_CLEAR: {n for n, steps in own.items() if not all(s.clear for s in steps)},
            ListSelection.CLEAR: clear,
            ListSelection.STALE: {n for n, steps in own.items() if any(s.stale for s in steps)},
            ListSelection.DISPUTED: {n for n, steps in own.items() if any(s.disputed for s in steps)},
            ListSelection.DOUBTFUL: {n for n, steps in own.items() if any(s.doubtful for s in steps)},
            ListSelection.REVIEWED: clear - {SUN.number},
            ListSelection.ISSUED: own.keys() & {SUN.number},
        }
        expected |= {state: {n for n, steps in own.items() if any(s.state is state for s in steps)} for state in State}
        for wanted, students in expected.items():
            chosen = Filter(wanted, step, order=Order.NUMBER)
            assert listed(season, chosen) == sorted(students), (wanted, season.now)
            assert lists_of(season).count(everything(season.settings, COHORT), chosen, season.now, 100) == len(students)
            met[wanted] += len(students)
    if step is None:
        assert all(met[wanted] for wanted in ListSelection), met


def test_figures_are_the_sum_over_students_pages(season: World) -> None:
    for later in looked_at(season):
        season.now += later
        found = overview(season.reading, season.settings, everything(season.settings, COHORT), season.now, classes=True)
        states: dict[tuple[str, str], Counter[State]] = {}
        classes: dict[tuple[str, str], Counter[Where]] = {}
        going: dict[tuple[str, str], Counter[str]] = {}
        for person in LEAVING:
            group = (person.college, person.class_name)
            at = {s.step: s.at(season.now) for s in season.student(person.number).steps}
            for step, effective in at.items():
                states.setdefault((person.college, step), Counter())[effective.state] += 1
            to_do = {n: s for n, s in at.items() if must_go(s)}
            where = Where.CLEAR if all(s.clear for s in at.values()) else Where.WAITING
            if to_do:
                plain = all(s.state is State.NOT_DONE for s in to_do.values())
                where = Where.NOT_DONE if plain else Where.HELD
            classes.setdefault(group, Counter())[where] += 1
            going.setdefault(group, Counter()).update(to_do.keys())
        assert {(c, s): t.by_state for c, steps in found.by_college.items() for s, t in steps.items()} == states
        assert {(g.college, g.class_name): g.by_where for g in found.classes} == classes
        assert {(g.college, g.class_name): g.to_do for g in found.classes} == going


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        (dict.fromkeys(STEPS, (RESOURCES,)), {QIAN.number, SUN.number, LI.number}),
        ({step: ({"class": ("011151",)},) for step in STEPS}, {LIN.number, ZHAO.number}),
        ({step: ({"college": ("资源学院",), "class": ("011151",)},) for step in STEPS}, set()),
        ({"library": ({},)}, {p.number for p in LEAVING}),
        ({"library": ({},), "dorm": (RESOURCES,)}, {p.number for p in LEAVING}),
        ({}, set()),
    ],
)
def test_no_one_and_no_step_outside_the_scopes_is_listed_or_counted(
    season: World, steps: Mapping[str, Sequence[Scope]], expected: set[str]
) -> None:
    visibility = Visibility(COHORT, steps)
    leaf = lists_of(season).leaf(visibility, Filter(ListSelection.ALL), season.now, 100)
    assert {row.student for row in leaf.rows} == expected
    colleges = {person.number: person.college for person in EVERYBODY}
    for row in leaf.rows:
        own = {step for step in STEPS if step in steps}
        if colleges[row.student] != "资源学院" and steps.get("dorm") == (RESOURCES,):
            own -= {"dorm"}
        assert {s.step for s in row.steps} == own
    found = overview(season.reading, season.settings, visibility, season.now, classes=True)
    assert found.students == len(expected)
    assert sum(group.students for group in found.classes) == len(expected)
    assert set(found.by_step) <= set(steps)
    if "finance" not in steps:
        assert lists_of(season).leaf(visibility, Filter(ListSelection.ALL, "finance"), season.now, 100).rows == ()
        # What hides behind a step that may not be read lists nobody.
        assert QIAN.number not in listed(season, Filter(State.NOT_DONE, "dorm"), visibility)


@pytest.mark.parametrize("order", Order)
def test_a_list_is_turned_over_by_key_forth_and_back_without_loss(season: World, order: Order) -> None:
    visibility, lists = everything(season.settings, COHORT), lists_of(season)
    chosen = Filter(ListSelection.ALL, "library" if order is Order.SINCE else None, order=order)
    whole = [row.student for row in lists.whole(visibility, chosen, season.now)]
    assert sorted(whole) == sorted(p.number for p in LEAVING)
    first = lists.leaf(visibility, chosen, season.now, 2)
    assert not first.earlier
    leaves, leaf = [first], first
    while leaf.more:
        leaf = lists.leaf(visibility, chosen, season.now, 2, after=leaf.rows[-1].key)
        assert leaf.earlier
        leaves.append(leaf)
    assert [row.student for one in leaves for row in one.rows] == whole
    back = lists.leaf(visibility, chosen, season.now, 2, before=leaves[-1].rows[0].key)
    assert back.rows == leaves[-2].rows
    assert lists.leaf(visibility, chosen, season.now, 2, before=leaves[1].rows[0].key).earlier is False


def test_by_age_those_stand_first_whose_step_has_been_found_so_the_longest(season: World) -> None:
    ages = {one: next(s.since for s in steps if s.step == "library") for one, steps in pages(season).items()}
    assert len(set(ages.values())) > 1
    found = listed(season, Filter(ListSelection.ALL, "library", order=Order.SINCE))
    assert found == sorted(ages, key=lambda one: (ages[one], one))


def test_a_list_is_searched_by_the_beginning_of_a_number_or_a_part_of_a_name(season: World) -> None:
    assert listed(season, Filter(ListSelection.ALL, text=" ２０１５１ ")) == [LIN.number, ZHAO.number]
    assert listed(season, Filter(ListSelection.ALL, text="若楠")) == [SUN.number]
    assert listed(season, Filter(ListSelection.ALL, text="%")) == []
    assert listed(season, Filter(ListSelection.ALL, text="_")) == []
    assert listed(season, Filter(ListSelection.ALL, columns={"class": "011151"}, order=Order.NUMBER)) == [
        LIN.number,
        ZHAO.number,
    ]


def test_counting_ends_at_the_most_that_is_asked_for(season: World) -> None:
    visibility, chosen = everything(season.settings, COHORT), Filter(ListSelection.ALL)
    assert [lists_of(season).count(visibility, chosen, season.now, most) for most in (2, 4, 5, 6)] == [3, 5, 5, 5]


def test_choices_are_those_within_the_scopes_and_none_when_too_many(season: World) -> None:
    lists = lists_of(season)
    own = Visibility(COHORT, {"library": (RESOURCES,)})
    assert lists.choices(own, "college", {}, 10) == ("资源学院",)
    assert lists.choices(own, "class", {"college": "地球科学学院"}, 10) == ()
    assert lists.choices(everything(season.settings, COHORT), "class", {}, 2) == ()


def test_a_whole_list_is_one_state_of_the_database_however_long_it_takes_to_read(season: World) -> None:
    visibility = everything(season.settings, COHORT)
    with writing(season.engine, COHORT) as connection:
        row = connection.execute(select(tables.student).where(tables.student.c.student == SUN.number)).one()
        status = connection.execute(select(tables.status).where(tables.status.c.student == SUN.number)).all()
        for at in range(1200):
            number = {"student": f"9{at:05}"}
            connection.execute(insert(tables.student).values(**(row._asdict() | number)))
            connection.execute(insert(tables.status), [one._asdict() | number for one in status])
    rows = lists_of(season).whole(visibility, Filter(ListSelection.ALL, order=Order.NUMBER), season.now)
    first = next(rows)
    with writing(season.engine, COHORT) as connection:
        connection.execute(tables.student.update().where(tables.student.c.student == "901199").values(active=False))
    read = [first, *rows]
    assert len(read) == 1205
    assert read[-1].student == "901199"
