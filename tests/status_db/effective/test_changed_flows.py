"""Steps that the settings have and the database lacks: no one is clear there, whoever asks, and without any sync."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import update
from typer.testing import CliRunner

import clearance.context
from clearance.main import app
from clearance.services import Program
from config.meaning import meaning_of
from config.settings import Settings
from portal.present.headline import is_clear
from status_db import tables
from status_db.accounts.accounts import Act, Grant
from status_db.decisions.batch_rows import ImportRow, RowFault
from status_db.decisions.batches import Batches
from status_db.decisions.certificates import Issue
from status_db.decisions.class_review import ChosenStudent, ClassReviews, NonePassed
from status_db.decisions.refusals import DecisionCode, DecisionRefused, Overtaken
from status_db.decisions.reviews import seen_by_review
from status_db.decisions.writer import DecisionRequest
from status_db.effective.visible import everything
from status_db.effective_status import StepStatus
from status_db.model import FIRST_FINDING, State, StepKind, Verdict
from status_db.queries.classes import Classes, Stage
from status_db.queries.lists import Filter, Lists, ListSelection, Order
from status_db.queries.report import Reports
from status_db.views import EVERYBODY, Where
from tests.cast import GEOLOGY_LOAN, LEAVING, LIN, QIAN, SUN
from tests.world import COHORT, SETTINGS, World

REVIEW = "final_review"
OFFICE = 'office = { name = "办公室" }'
BEFORE_REVIEW = '{ step = "final_review", kind = "review" }'


def another_step(key: str, kind: str = "synced") -> str:
    """Return the settings with one more step, which every flow has before its review."""
    text = SETTINGS.replace("[[flow]]", f'[[step]]\nkey = "{key}"\ntitle = "{key}"\n{OFFICE}\n\n[[flow]]', 1)
    return text.replace(BEFORE_REVIEW, f'{{ step = "{key}", kind = "{kind}" }}, {BEFORE_REVIEW}')


NEW_SOURCE = """
[source.books]
step = "textbook"
connector = "memory"
means = "balance"
every = "1 h"
first = "apply"
columns = { student = "XH", amount = "QFJE" }
"""
ITEMS = '{ step = "college_items", kind = "manual" }'
NOBODY_ASKS_THE_LIBRARY = SETTINGS[: SETTINGS.index("[source.loans]")] + SETTINGS[SETTINGS.index("[source.fees]") :]


@dataclass(frozen=True, slots=True)
class Change:
    """Settings of the season, changed under way, and the step of which the database knows nothing."""

    settings: str
    step: str
    kind: StepKind = StepKind.SYNCED


CHANGES: Mapping[str, Change] = {
    "a renamed step": Change(SETTINGS.replace('"library"', '"books"'), "books"),
    "a new manual step": Change(another_step("archive", "manual"), "archive", StepKind.MANUAL),
    "a new synced step": Change(another_step("textbook") + NEW_SOURCE, "textbook"),
    "a source with a step of its own": Change(
        another_step("fines").replace('[source.fines]\nstep = "library"', '[source.fines]\nstep = "fines"'), "fines"
    ),
    "a step that an operator decides now": Change(
        NOBODY_ASKS_THE_LIBRARY.replace('{ step = "library" }', '{ step = "library", kind = "manual" }'),
        "library",
        StepKind.MANUAL,
    ),
}


@pytest.fixture
def season(status_url: str, tmp_path: Path) -> str:
    """A season under the settings of before: Lin owes a book, Sun is clear up to the review, and Qian reviewed too."""
    with World(status_url, tmp_path) as world:
        world.says["loans"] = [GEOLOGY_LOAN]
        world.says["checkouts"] = [{"学号": p.number, "清退状态": "已清退", "房间": "412"} for p in LEAVING]
        world.run_all()
        for person in LEAVING:
            world.decisions.enter(
                DecisionRequest(person.number, "college_items", Verdict.CLEARED, "已还"), "clerk", world.now
            )
        world.reviews.review(DecisionRequest(QIAN.number, REVIEW, Verdict.CLEARED, "齐备"), "reviewer", world.now)
    return status_url


Reopened = Callable[[str], World]


@pytest.fixture
def reopened(season: str, tmp_path: Path) -> Iterator[Reopened]:
    """Return what opens that season again with other settings, a quarter of an hour later."""
    opened: list[World] = []

    def reopen(settings: str) -> World:
        world = World(season, tmp_path, settings)
        opened.append(world)
        world.later(minutes=15)
        return world

    yield reopen
    for world in opened:
        world.__exit__(None, None, None)


def review_of(world: World, number: str) -> StepStatus:
    return next(step for step in world.student(number).steps if step.kind is StepKind.REVIEW)


def chosen(world: World, *numbers: str) -> list[ChosenStudent]:
    return [
        ChosenStudent(number, seen_by_review(review_of(world, number)), f"C-{at}")
        for at, number in enumerate(numbers, start=1)
    ]


def record_as_applied(world: World) -> None:
    """Have the database say that the world's settings are applied, though no step was derived by them."""
    table = tables.applied_settings
    with world.engine.begin() as connection:
        digest = meaning_of(world.settings.of_cohort(COHORT)).digest
        connection.execute(update(table).where(table.c.cohort == COHORT).values(digest=digest))


def hold(world: World, *numbers: str) -> object:
    class_reviews = ClassReviews(world.writer)
    who = chosen(world, *numbers)
    return class_reviews.give(REVIEW, who, "reviewer", world.now, title="021152", kind="毕业证书", reason="齐备")


def clear_in_lists(world: World) -> list[str]:
    lists, visibility = Lists(world.reading, world.settings), everything(world.settings, COHORT)
    return [one.student for one in lists.whole(visibility, Filter(ListSelection.CLEAR), world.now)]


def commands(world: World, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str]]:
    """Return what runs a command over the world's settings file, on the world's clock: its code and what it reports."""
    made: list[Program] = []

    def program(settings: Settings, cohort: str, _: object) -> Program:
        made.append(Program(settings, cohort, world.clock))
        return made[-1]

    def run(*words: str) -> tuple[int, str]:
        options = ["--config", str(world.file), *words]
        done = CliRunner().invoke(app, options, env={"STATUS_URL": world.url, "COLUMNS": "400"})
        while made:
            made.pop().close()
        return done.exit_code, done.output

    monkeypatch.setattr(clearance.context, "Program", program)
    return run


def test_with_the_settings_of_before_all_of_it_would_go_through(reopened: Reopened) -> None:
    world = reopened(SETTINGS)
    assert [p.number for p in LEAVING if is_clear(world.student(p.number), world.now)] == [QIAN.number]
    assert clear_in_lists(world) == [QIAN.number]
    assert world.reader.trend(everything(world.settings, COHORT), world.now).days[-1].clear == 1
    hold(world, SUN.number, QIAN.number)
    assert {c.student for c in world.reader.certificates(COHORT)} == {SUN.number, QIAN.number}


@pytest.mark.parametrize("change", CHANGES)
class TestAStepOfWhichNothingIsStored:
    def test_blocks_the_review_and_what_was_given_before_it(
        self, reopened: Reopened, change: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        wanted = CHANGES[change]
        world = reopened(wanted.settings)
        # A change that is not applied is one reason to refuse, and does not hide the other.
        with pytest.raises(DecisionRefused, match="not the ones that are applied"):
            world.reviews.review(DecisionRequest(SUN.number, REVIEW, Verdict.CLEARED, "齐备"), "reviewer", world.now)
        with pytest.raises(DecisionRefused, match="not the ones that are applied"):
            world.register.issue(Issue(QIAN.number, "C-1", "毕业证书"), "reviewer", world.now)
        record_as_applied(world)
        for person in (SUN, QIAN):
            student = world.student(person.number)
            status = next(step for step in student.steps if step.step == wanted.step)
            assert (status.kind, status.finding) == (wanted.kind, FIRST_FINDING[wanted.kind])
            review = review_of(world, person.number)
            assert (review.at(world.now).state, review.waits_for) == (State.CLOSED, (wanted.step,))
            assert not is_clear(student, world.now)
            with pytest.raises(DecisionRefused, match=f"{wanted.step} does not count as clear") as refused:
                world.reviews.review(
                    DecisionRequest(person.number, REVIEW, Verdict.CLEARED, "齐备"), "reviewer", world.now
                )
            assert refused.value.about == (wanted.step,)
            with pytest.raises(DecisionRefused) as refused:
                world.register.issue(Issue(person.number, "C-1", "毕业证书"), "reviewer", world.now)
            assert refused.value.code is DecisionCode.NOT_REVIEWED
        with pytest.raises(NonePassed) as nobody:
            hold(world, SUN.number, QIAN.number)
        left = [(one.student, one.reviewed, getattr(one.why, "about", None)) for one in nobody.value.left_out]
        assert left == [(SUN.number, False, (wanted.step,)), (QIAN.number, False, (wanted.step,))]
        world.accounts.add(
            "dean", "dean", None, grants=(Grant(Act.REVIEW, REVIEW), Grant(Act.ISSUE, REVIEW)), now=world.now
        )
        command = commands(world, monkeypatch)
        given = command("reviews", "give", SUN.number, REVIEW, "cleared", "--as", "dean", "--reason", "齐备")
        assert given[0] == 1, given
        assert f"{wanted.step} does not count as clear" in given[1]
        issued = command("certificates", "issue", QIAN.number, "C-1", "--as", "dean")
        assert issued[0] == 1, issued
        assert "has no valid review" in issued[1]
        assert world.reader.certificates(COHORT) == ()
        shown = command("status", QIAN.number)
        assert shown[0] == 0
        assert FIRST_FINDING[wanted.kind].reason in next(x for x in shown[1].splitlines() if wanted.step in x)

    def test_is_unknown_in_every_count_and_list_until_somebody_decides(self, reopened: Reopened, change: str) -> None:
        wanted = CHANGES[change]
        world = reopened(wanted.settings)
        visibility = everything(world.settings, COHORT)
        state = State.PENDING if wanted.kind is StepKind.MANUAL else State.UNKNOWN
        overview = world.reader.seen(visibility, world.now)
        assert overview.by_step[wanted.step].by_state == {state: 5}
        assert overview.by_step[REVIEW].by_state == {State.CLOSED: 5}
        assert {where for group in overview.classes for where in group.by_where} <= {Where.WAITING, Where.HELD}
        assert (
            Reports(world.reading, world.settings).report(visibility, world.now).whole.by_where.get(Where.CLEAR, 0) == 0
        )
        lists = Lists(world.reading, world.settings)
        assert clear_in_lists(world) == []
        by_age = lists.leaf(visibility, Filter(state, wanted.step, order=Order.SINCE), world.now, 10)
        assert {one.student for one in by_age.rows} == {p.number for p in LEAVING}
        exported = list(lists.whole(visibility, Filter(ListSelection.ALL), world.now, [wanted.step]))
        assert [s.at(world.now).state for one in exported for s in one.steps if s.step == wanted.step] == [state] * 5
        today = world.reader.trend(visibility, world.now).days[-1]
        assert (today.clear, today.by_step[wanted.step]) == (0, 0)
        counts, _ = Classes(world.reading, world.settings, COHORT).counted(REVIEW, world.now, EVERYBODY)
        assert {stage for one in counts for stage in one.by_stage} == {Stage.OPEN}
        batches = Batches(world.writer)
        (row,) = batches.preview(
            wanted.step, [ImportRow(1, SUN.number, None, Verdict.CLEARED, "现场归还")], world.now
        ).rows
        first = FIRST_FINDING[wanted.kind]
        assert (row.wrong, row.found, row.found_because, row.version_tag) == (None, first.verdict, first.reason, "0:0")
        wish = DecisionRequest(SUN.number, wanted.step, Verdict.CLEARED, "现场归还", saw="0:0")
        with pytest.raises(Overtaken):
            world.decisions.enter(
                DecisionRequest(SUN.number, wanted.step, Verdict.HELD, "现场归还", saw="2:0"), "x", world.now
            )
        decision = world.decisions.enter(wish, "librarian", world.now)
        assert (decision.answered_verdict, decision.answered_keys) == (Verdict.UNKNOWN, ())
        assert review_of(world, SUN.number).at(world.now).state is State.OPEN
        world.decisions.withdraw(SUN.number, wanted.step, "librarian", world.now)
        assert review_of(world, SUN.number).at(world.now).state is State.CLOSED
        last = world.student(SUN.number).flips[0]
        assert (last.step, last.before, last.after) == (wanted.step, Verdict.CLEARED, Verdict.UNKNOWN)


def test_what_is_stored_of_a_step_that_the_flow_has_no_longer_is_not_there(reopened: Reopened) -> None:
    gone = NOBODY_ASKS_THE_LIBRARY.replace('{ step = "library" }, ', "")
    world = reopened(gone)
    # Lin's book holds her no longer: those who took the step out of her flow have said so.
    assert [s.step for s in world.student(LIN.number).steps] == ["finance", "dorm", "college_items", REVIEW]
    assert review_of(world, LIN.number).at(world.now).state is State.OPEN
    overview = world.reader.seen(everything(world.settings, COHORT), world.now)
    assert "library" not in overview.by_step
    assert overview.by_step[REVIEW].by_state == {State.OPEN: 4, State.CLEARED: 1}
    with pytest.raises(DecisionRefused, match="has no step library"):
        world.decisions.enter(
            DecisionRequest(LIN.number, "library", Verdict.CLEARED, "现场归还"), "librarian", world.now
        )


def test_a_decision_is_kept_where_a_step_is_synced_that_was_not(reopened: Reopened) -> None:
    synced = SETTINGS.replace(ITEMS, '{ step = "college_items" }') + NEW_SOURCE.replace('"textbook"', '"college_items"')
    world = reopened(synced)
    world.decisions.withdraw(QIAN.number, "college_items", "clerk", world.now)
    state = {p.number: world.student(p.number).steps for p in (SUN, QIAN)}
    items = {n: next(s for s in steps if s.step == "college_items") for n, steps in state.items()}
    assert {n: (s.kind, s.finding, s.at(world.now).state) for n, s in items.items()} == {
        SUN.number: (StepKind.SYNCED, FIRST_FINDING[StepKind.SYNCED], State.CLEARED),
        QIAN.number: (StepKind.SYNCED, FIRST_FINDING[StepKind.SYNCED], State.UNKNOWN),
    }
    assert review_of(world, SUN.number).at(world.now).state is State.OPEN
    assert review_of(world, QIAN.number).at(world.now).state is State.CLOSED
    overview = world.reader.overview(COHORT, world.now)
    assert overview.by_step["college_items"].by_state == {State.CLEARED: 4, State.UNKNOWN: 1}


def test_what_a_source_found_states_nothing_once_an_operator_decides_the_step(reopened: Reopened) -> None:
    world = reopened(CHANGES["a step that an operator decides now"].settings)
    library = next(s for s in world.student(LIN.number).steps if s.step == "library")
    assert (library.finding, library.run, library.as_of) == (FIRST_FINDING[StepKind.MANUAL], None, None)
    # So neither does what it held the student for outgrow a decision.
    world.decisions.enter(DecisionRequest(LIN.number, "library", Verdict.CLEARED, "现场归还"), "librarian", world.now)
    assert review_of(world, LIN.number).at(world.now).state is State.OPEN
    overview = world.reader.overview(COHORT, world.now)
    assert overview.by_step["library"].by_state == {State.PENDING: 4, State.CLEARED: 1}


def test_who_goes_by_a_flow_that_is_not_configured_has_no_steps_and_is_not_clear(
    reopened: Reopened, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = reopened(SETTINGS.replace('key = "undergraduate"', 'key = "bachelor"'))
    visibility = everything(world.settings, COHORT)
    assert world.student(QIAN.number).steps == ()
    assert not is_clear(world.student(QIAN.number), world.now)
    assert clear_in_lists(world) == []
    overview = world.reader.seen(visibility, world.now)
    assert (overview.students, overview.by_step[REVIEW].by_state) == (5, {State.OPEN: 1})
    lists = Lists(world.reading, world.settings)
    assert [one.student for one in lists.leaf(visibility, Filter(ListSelection.ALL), world.now, 10).rows] == [
        "1201610005"
    ]
    assert world.reader.trend(visibility, world.now).students == 1
    assert Reports(world.reading, world.settings).report(visibility, world.now).whole.students == 1
    refusal = f'{QIAN.number} has the flow "undergraduate", which is not configured'
    with pytest.raises(DecisionRefused, match=refusal):
        world.reviews.review(DecisionRequest(QIAN.number, REVIEW, Verdict.CLEARED, "齐备"), "reviewer", world.now)
    with pytest.raises(DecisionRefused, match=refusal):
        world.register.issue(Issue(QIAN.number, "C-1", "毕业证书"), "reviewer", world.now)
    with pytest.raises(DecisionRefused, match=refusal):
        world.decisions.enter(
            DecisionRequest(QIAN.number, "library", Verdict.CLEARED, "现场归还"), "librarian", world.now
        )
    class_reviews = ClassReviews(world.writer)
    assert class_reviews.status_of([QIAN.number], world.now) == {}
    batches = Batches(world.writer)
    (row,) = batches.preview("library", [ImportRow(1, SUN.number, None, Verdict.CLEARED, "现场归还")], world.now).rows
    assert row.wrong is RowFault.NO_STEP
    # What was decided can be taken back; a review stays the reviewer's.
    with pytest.raises(DecisionRefused, match="is a review"):
        world.decisions.withdraw(QIAN.number, REVIEW, "clerk", world.now)
    assert world.decisions.withdraw(QIAN.number, "college_items", "clerk", world.now).student == QIAN.number
    code, shown = commands(world, monkeypatch)("status", SUN.number)
    assert code == 0, shown
    assert f'{SUN.number} has the flow "undergraduate", which is not configured' in shown


def test_a_review_that_comes_before_a_step_does_not_make_anybody_clear_there(reopened: Reopened) -> None:
    moved = SETTINGS.replace(f"{ITEMS}, {BEFORE_REVIEW}", f"{BEFORE_REVIEW}, {ITEMS}")
    world = reopened(moved)
    assert [s.step for s in world.student(QIAN.number).steps][-2:] == [REVIEW, "college_items"]
    world.decisions.withdraw(QIAN.number, "college_items", "clerk", world.now)
    assert not is_clear(world.student(QIAN.number), world.now)
    assert clear_in_lists(world) == []
    assert review_of(world, LIN.number).waits_for == ("library",)


def test_a_holder_of_a_certificate_is_listed_with_a_step_that_came_later(reopened: Reopened) -> None:
    world = reopened(SETTINGS)
    world.register.issue(Issue(QIAN.number, "C-1", "毕业证书"), "reviewer", world.now)
    assert world.reader.opened_after_issue(COHORT, world.now) == ()
    for change, step in (("a new manual step", "archive"), ("a renamed step", "books")):
        later = reopened(CHANGES[change].settings)
        assert later.reader.opened_after_issue(COHORT, later.now) == ((QIAN.number, step),)
        # The certificate freezes the review, but nobody is called clear for it.
        assert review_of(later, QIAN.number).at(later.now).state is State.CLEARED
        assert not is_clear(later.student(QIAN.number), later.now)
        assert later.reader.overview(COHORT, later.now).by_step[REVIEW].by_state == {State.CLOSED: 4, State.CLEARED: 1}
