"""A class reviewed and issued by one word: who is left out, what stays as it is, and what races leave behind."""

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import func, select

from connectors.port import SourceUnavailable
from status_db import tables
from status_db.decisions.batches import Batches, UndoResult
from status_db.decisions.certificates import Handover, Issue
from status_db.decisions.class_review import ChosenStudent, ClassReview, ClassReviews, Exclusion, NonePassed
from status_db.decisions.refusals import DecisionCode, DecisionRefused
from status_db.decisions.reviews import seen_by_review
from status_db.decisions.writer import DecisionRequest
from status_db.effective_status import StepStatus
from status_db.model import ROSTER, Decision, RunState, Verdict
from status_db.queries.certificates import CertificateFilter as PrintSelection
from status_db.queries.certificates import CertificateReader
from status_db.queries.classes import Classes, Stage
from status_db.store.engine import reading
from status_db.views import EVERYBODY, Scope
from sync.run.outcome import Outcome
from tests.cast import LIN
from tests.forty import CLASS, COLLEGE, FORTY, forty
from tests.sync.verify.test_report import verified
from tests.world import COHORT, World

STEP = "final_review"
OWN: tuple[Scope, ...] = ({"college": (COLLEGE,)},)
OTHERS: tuple[Scope, ...] = ({"college": (LIN.college,)},)


@pytest.fixture
def ready(world: World) -> World:
    """The class of forty, all of it clear, on both databases."""
    world.reach("forty are ready", lambda: forty(world))
    return world


def class_reviews(world: World) -> ClassReviews:
    return ClassReviews(world.writer)


def chosen(world: World, students: Sequence[str], first: int | None = 1) -> list[ChosenStudent]:
    """Choose students as a reviewer sees them now, each with a number from the first on; None for none."""
    effective = class_reviews(world).status_of(students, world.now)
    found: list[ChosenStudent] = []
    for at, student in enumerate(students):
        review = next((s for s in effective[student] if s.step == STEP), None)
        assert review is not None
        found.append(ChosenStudent(student, seen_by_review(review), "" if first is None else f"C{first + at:03}"))
    return found


def hold(world: World, who: Sequence[ChosenStudent], author: str = "reviewer", **more: Any) -> ClassReview:
    told = {"title": CLASS, "kind": "毕业证书", "reason": "齐备"} | more
    return class_reviews(world).give(STEP, who, author, world.now, **told)


def words(left: Sequence[Exclusion]) -> dict[str, str]:
    return {one.student: one.why.code for one in left}


def holders(world: World) -> set[str]:
    return {c.student for c in world.reader.certificates(COHORT) if c.revoked_at is None}


def review(world: World, student: str) -> StepStatus:
    return next(one for one in world.student(student).steps if one.step == STEP)


def written(world: World) -> list[int]:
    """Count what a class review writes."""
    written = (tables.batch, tables.decision, tables.certificate, tables.ledger)
    with reading(world.engine) as connection:
        return [connection.execute(select(func.count()).select_from(table)).scalar_one() for table in written]


def lends(world: World, *students: str) -> None:
    """Have the library find a book on each, beside what others hold."""
    world.says["loans"] += [
        {"CARD": student, "TITLE": "唐诗选", "DUE": "2019-06-02", "BARCODE": f"B{student}"} for student in students
    ]


class TestOneWord:
    def test_a_class_of_forty_is_reviewed_and_issued_with_three_left_out_by_name(self, ready: World) -> None:
        who = chosen(ready, FORTY)
        lends(ready, FORTY[1])
        ready.run("loans")
        ready.decisions.withdraw(FORTY[2], "college_items", "college", ready.now)
        ready.decisions.enter(
            DecisionRequest(FORTY[3], "college_items", Verdict.EXEMPT, "另行处理"), "college", ready.now
        )
        before = written(ready)
        held = hold(ready, who)
        assert words(held.left_out) == {
            FORTY[1]: DecisionCode.NOT_OPEN, FORTY[2]: DecisionCode.NOT_OPEN, FORTY[3]: DecisionCode.OVERTAKEN,
        }  # fmt: skip
        assert not any(one.reviewed for one in held.left_out)
        first = held.left_out[0].why
        assert isinstance(first, DecisionRefused)
        assert first.about == ("library",)
        assert len(held.reviews) == len(held.certificates) == 37
        assert holders(ready) == set(FORTY) - {FORTY[1], FORTY[2], FORTY[3]}
        assert [a - b for a, b in zip(written(ready), before, strict=True)] == [1, 37, 37, 1], "one link for all"
        assert verified(ready).sound

    def test_a_valid_review_stays_its_givers(self, ready: World) -> None:
        given = ready.reviews.review(DecisionRequest(FORTY[0], STEP, Verdict.CLEARED, "齐备"), "earlier", ready.now)
        held = hold(ready, chosen(ready, FORTY[:2]))
        assert [one.student for one in held.reviews] == [FORTY[1]]
        effective = review(ready, FORTY[0]).decision
        assert effective is not None
        assert (effective.id, effective.author) == (given.id, "earlier")
        assert holders(ready) == set(FORTY[:2])

    def test_a_number_used_twice_is_given_once_and_the_review_stays(self, ready: World) -> None:
        hold(ready, chosen(ready, FORTY[:1]))
        held = hold(ready, [*chosen(ready, FORTY[1:3]), *chosen(ready, FORTY[3:4], first=2)])
        assert words(held.left_out) == {FORTY[1]: DecisionCode.USED, FORTY[3]: DecisionCode.USED}
        assert all(one.reviewed for one in held.left_out)
        assert holders(ready) == {FORTY[0], FORTY[2]}
        assert review(ready, FORTY[3]).counts_as_clear(ready.now)
        assert verified(ready).sound

    def test_where_no_one_passes_nothing_is_kept_and_everybody_is_named(self, ready: World) -> None:
        hold(ready, chosen(ready, FORTY[:2]))
        before = written(ready)
        with pytest.raises(NonePassed) as refused:
            hold(ready, chosen(ready, FORTY[:2], first=50))
        assert words(refused.value.left_out) == dict.fromkeys(FORTY[:2], DecisionCode.ISSUED)
        with pytest.raises(NonePassed):
            hold(ready, chosen(ready, FORTY[:2], first=None))
        with pytest.raises(DecisionRefused, match="no student is chosen"):
            hold(ready, [])
        assert written(ready) == before

    def test_it_waits_to_be_collected_and_is_then_handed_over_once(self, ready: World) -> None:
        hold(ready, chosen(ready, FORTY[:1]))
        left = ready.register.hand_over(Handover("C001", "post", "EMS 7"), "clerk", ready.now)
        assert (left.collected, left.collector, left.handed_over_by) == ("post", "EMS 7", "clerk")
        with pytest.raises(DecisionRefused) as refused:
            ready.register.hand_over(Handover("C001", "self"), "clerk", ready.now)
        assert refused.value.code is DecisionCode.LEFT
        assert verified(ready).sound


class TestScopes:
    def test_who_is_outside_is_as_unknown_as_who_is_no_student(self, ready: World) -> None:
        who = [*chosen(ready, FORTY[:1]), ChosenStudent("20990009", "", "C900"), ChosenStudent(LIN.number, "", "C901")]
        held = class_reviews(ready).give(
            STEP, who, "reviewer", ready.now, OWN, OWN, title=CLASS, kind="毕业证书", reason="齐备"
        )
        assert words(held.left_out) == dict.fromkeys(("20990009", LIN.number), DecisionCode.NO_SUCH_STUDENT)

    def test_who_issues_alone_issues_on_reviews_of_others_and_reviews_no_one(self, ready: World) -> None:
        ready.reviews.review(DecisionRequest(FORTY[0], STEP, Verdict.CLEARED, "齐备"), "earlier", ready.now)
        told: dict[str, Any] = {"title": CLASS, "kind": "毕业证书", "reason": "齐备"}
        held = class_reviews(ready).give(STEP, chosen(ready, FORTY[:2]), "issuer", ready.now, (), OWN, **told)
        assert words(held.left_out) == {FORTY[1]: DecisionCode.NO_SUCH_STUDENT}
        assert holders(ready) == {FORTY[0]}

    def test_who_reviews_alone_issues_nothing(self, ready: World) -> None:
        told: dict[str, Any] = {"title": CLASS, "kind": "毕业证书", "reason": "齐备"}
        held = class_reviews(ready).give(STEP, chosen(ready, FORTY[:2]), "reviewer", ready.now, OWN, (), **told)
        assert words(held.left_out) == dict.fromkeys(FORTY[:2], DecisionCode.NO_SUCH_STUDENT)
        assert all(one.reviewed for one in held.left_out)
        assert holders(ready) == set()

    def test_a_certificate_hangs_on_the_review_that_its_issuer_may_issue_on(self, ready: World) -> None:
        ready.reviews.review(DecisionRequest(FORTY[0], STEP, Verdict.CLEARED, "齐备"), "reviewer", ready.now)
        with pytest.raises(DecisionRefused) as refused:
            ready.register.issue(Issue(FORTY[0], "X1", "毕业证书"), "other", ready.now, step="graduate_check")
        assert refused.value.code is DecisionCode.NO_SUCH_STUDENT
        assert ready.register.issue(Issue(FORTY[0], "X1", "毕业证书"), "own", ready.now, step=STEP).number == "X1"

    def test_lists_show_nothing_of_others(self, ready: World) -> None:
        hold(ready, chosen(ready, FORTY[:2]))
        lists, classes = CertificateReader(ready.reading, COHORT), Classes(ready.reading, ready.settings, COHORT)
        (number, _) = (one.certificate.id for one in lists.listed(STEP, OWN, PrintSelection()))
        assert lists.find(STEP, OWN, number) is not None
        assert lists.find(STEP, OTHERS, number) is None
        assert lists.find("library", OWN, number) is None
        assert lists.listed(STEP, OTHERS, PrintSelection()) == ()
        assert lists.of_class(STEP, OTHERS, COLLEGE, CLASS) == ()
        assert classes.roll(STEP, ready.now, COLLEGE, CLASS, OTHERS, OTHERS).members == ()
        assert {one.college for one in classes.counted(STEP, ready.now, OWN)[0]} == {COLLEGE}
        lends(ready, FORTY[0])
        ready.run("loans")
        assert ready.reader.opened_after_issue(COHORT, ready.now, OWN, STEP) == ((FORTY[0], "library"),)
        assert ready.reader.opened_after_issue(COHORT, ready.now, OTHERS, STEP) == ()
        assert ready.reader.opened_after_issue(COHORT, ready.now, OWN, "graduate_check") == ()


def test_figures_count_everybody_where_the_class_lists_them(ready: World) -> None:
    """One is counted in SQL, the other worked out of each student's steps."""
    classes = Classes(ready.reading, ready.settings, COHORT)
    hold(ready, chosen(ready, FORTY[:4]))
    ready.register.hand_over(Handover("C001", "self"), "clerk", ready.now)
    hold(ready, chosen(ready, FORTY[4:9], first=None))
    ready.reviews.review(DecisionRequest(FORTY[9], STEP, Verdict.HELD, "档案未转"), "reviewer", ready.now)
    ready.register.revoke("C002", "second", "印错", ready.now)
    lends(ready, FORTY[0], FORTY[4], FORTY[20])
    ready.run("loans")
    for hours in (0, 5):
        ready.later(hours=hours)
        members = classes.roll(STEP, ready.now, COLLEGE, CLASS, EVERYBODY, EVERYBODY).members
        listed = Counter(member.stage(STEP, ready.now) for member in members)
        (counted,) = (one for one in classes.counted(STEP, ready.now, EVERYBODY)[0] if one.class_name == CLASS)
        assert bool(listed[Stage.OLD]) is bool(hours)
        listed[Stage.OPEN] += listed.pop(Stage.OLD, 0)
        assert dict(counted.by_stage) == {stage: n for stage, n in listed.items() if n}
        assert counted.students == 40


class TestOldAnswers:
    @pytest.fixture
    def down(self, ready: World) -> World:
        """The library has not answered for five hours; everybody else has just now."""
        ready.fails["loans"] = SourceUnavailable("the library does not answer", "Wait.")
        ready.later(hours=5)
        for name in (ROSTER, "fines", "fees", "checkouts"):
            ready.run(name)
        return ready

    def accepted(self, world: World) -> ClassReview:
        """Accept the old answer for three, and give the first of them a certificate."""
        who = [*chosen(world, FORTY[:1]), *chosen(world, FORTY[1:3], first=None)]
        return hold(world, who, note="图书馆系统检修", over_old_answers=True)

    def to_look_at(self, world: World) -> list[str]:
        return [d.student for d, _ in class_reviews(world).given_over_old_answers(STEP, world.now, OWN)]

    def back(self, world: World) -> None:
        world.fails.clear()
        world.run("loans")

    def test_they_are_accepted_only_by_word_and_with_a_reason(self, down: World) -> None:
        with pytest.raises(NonePassed) as refused:
            hold(down, chosen(down, FORTY[:1]))
        assert words(refused.value.left_out) == {FORTY[0]: DecisionCode.TOO_OLD}
        with pytest.raises(NonePassed) as refused:
            hold(down, chosen(down, FORTY[:1]), over_old_answers=True)
        assert words(refused.value.left_out) == {FORTY[0]: DecisionCode.NO_NOTE}
        assert self.accepted(down).left_out == ()
        assert review(down, FORTY[1]).counts_as_clear(down.now)

    def test_when_the_source_is_back_and_reports_the_same_the_review_is_valid_and_no_one_is_listed(
        self, down: World
    ) -> None:
        self.accepted(down)
        assert self.to_look_at(down) == list(FORTY[:3])
        self.back(down)
        assert self.to_look_at(down) == []
        assert all(review(down, student).counts_as_clear(down.now) for student in FORTY[:3])

    def test_when_it_holds_the_review_lapses_and_after_issue_is_listed(self, down: World) -> None:
        self.accepted(down)
        lends(down, *FORTY[:2])
        self.back(down)
        assert self.to_look_at(down) == list(FORTY[:2])
        assert review(down, FORTY[1]).at(down.now).lapsed
        assert review(down, FORTY[0]).counts_as_clear(down.now), "a certificate freezes it"
        assert down.reader.opened_after_issue(COHORT, down.now, OWN, STEP) == ((FORTY[0], "library"),)
        with pytest.raises(NonePassed):
            hold(down, chosen(down, FORTY[1:2], first=70))
        assert class_reviews(down).given_over_old_answers(STEP, down.now, OTHERS) == ()
        assert verified(down).sound


def at_once(*acts: Callable[[], Any]) -> list[Any]:
    """Do several things at the same moment, each in a thread of its own; what each gave or raised, in their order."""
    start = Barrier(len(acts))

    def act(one: Callable[[], Any]) -> Any:
        start.wait()
        try:
            return one()
        except DecisionRefused as refused:
            return refused

    with ThreadPoolExecutor(len(acts)) as threads:
        return list(threads.map(act, acts))


class TestRaces:
    def test_two_reviewers_review_the_same_class_and_each_student_passes_once(self, ready: World) -> None:
        one, other = chosen(ready, FORTY[:20]), chosen(ready, FORTY[:20], first=500)
        first, second = at_once(lambda: hold(ready, one, "one"), lambda: hold(ready, other, "other"))
        won, lost = (first, second) if isinstance(first, ClassReview) else (second, first)
        assert isinstance(won, ClassReview)
        assert isinstance(lost, NonePassed)
        assert len(won.reviews) == len(won.certificates) == 20
        assert words(lost.left_out) == dict.fromkeys(FORTY[:20], DecisionCode.ISSUED)
        assert holders(ready) == set(FORTY[:20])
        assert {d.author for d in ready.reader.decisions(COHORT) if d.step == STEP} == {won.reviews[0].author}
        assert verified(ready).sound

    def test_the_sheet_is_taken_back_while_the_class_passes(self, ready: World) -> None:
        """Whoever has a certificate keeps the decision under it; from everybody else it is taken."""
        batches = Batches(ready.writer)
        (sheet,) = batches.batches("college_items")
        who = chosen(ready, FORTY[:20])
        undone, held = at_once(
            lambda: batches.undo(sheet.id, "college", "传错了文件", ready.now), lambda: hold(ready, who)
        )
        assert isinstance(undone, UndoResult)
        if isinstance(held, ClassReview):
            assert held.left_out == ()
            assert set(undone.issued) == set(FORTY[:20])
        else:
            assert words(held.left_out) == dict.fromkeys(FORTY[:20], DecisionCode.NOT_OPEN)
            assert undone.issued == ()
        assert holders(ready) == set(undone.issued)
        assert set(undone.withdrawn) == set(FORTY) - holders(ready)
        assert verified(ready).sound

    def test_a_source_finds_a_book_while_the_class_passes(self, ready: World) -> None:
        """Each of the three is either left out, or has the certificate and is listed to look again."""
        who = chosen(ready, FORTY[:20])
        lends(ready, *FORTY[:3])
        ready.later(minutes=1)
        ran, held = at_once(lambda: ready.sync.run("loans", by="test"), lambda: hold(ready, who))
        assert isinstance(ran, Outcome)
        assert ran.state is RunState.APPLIED
        assert isinstance(held, ClassReview)
        out = words(held.left_out)
        listed = {student for student, _ in ready.reader.opened_after_issue(COHORT, ready.now, OWN, STEP)}
        assert (set(out), listed) in ((set(FORTY[:3]), set()), (set(), set(FORTY[:3])))
        assert holders(ready) == set(FORTY[:20]) - set(out)
        assert verified(ready).sound

    def test_a_clerk_decides_while_the_class_passes(self, ready: World) -> None:
        wish = DecisionRequest(FORTY[0], "college_items", Verdict.HELD, "又发现一本")
        who = chosen(ready, FORTY[:5])
        entered, held = at_once(lambda: ready.decisions.enter(wish, "college", ready.now), lambda: hold(ready, who))
        assert isinstance(held, ClassReview)
        assert isinstance(entered, Decision)
        out = words(held.left_out)
        listed = {student for student, _ in ready.reader.opened_after_issue(COHORT, ready.now, OWN, STEP)}
        assert (set(out), listed) in (({FORTY[0]}, set()), (set(), {FORTY[0]}))
        assert verified(ready).sound
