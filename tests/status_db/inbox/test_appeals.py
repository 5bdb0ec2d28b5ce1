"""Objections on both databases: raised once, so many at a time, answered once, and seen inside scopes alone."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta
from decimal import Decimal
from threading import Barrier

import pytest

from status_db.decisions.writer import Wish
from status_db.inbox import appeals
from status_db.inbox.appeal_rows import AppealKind, AppealOutcome, SeenThen, StudentObjection, item_of
from status_db.inbox.appeals import AppealCode, Inside, ObjectionRefused, StudentObjections
from status_db.model import Obligation, State, Verdict
from status_db.queries import named_students
from status_db.queries.named_students import NamedStudents
from status_db.views import EVERYBODY, Scope
from tests.cast import EVERYBODY as CAST
from tests.cast import GEOLOGY_LOAN, LIN, MORNING, QIAN, SUN, ZHAO
from tests.world import COHORT, World

HOUR = timedelta(hours=1)
RESOURCES: Scope = {"college": ("资源学院",)}
BOOK = Obligation("loan", "构造地质学", None, date(2019, 5, 30), "B0001")
SEEN = SeenThen(Verdict.HELD, State.HELD, "owed", (BOOK,), MORNING, run=3)


@pytest.fixture
def objections(world: World) -> StudentObjections:
    return StudentObjections(world.desk)


@pytest.fixture
def named(world: World) -> NamedStudents:
    world.run("roster")
    return NamedStudents(world.reading, world.settings)


def everybody(numbers: object) -> frozenset[str]:
    assert isinstance(numbers, list)
    return frozenset(numbers)


def raised(
    objections: StudentObjections,
    student: str = LIN.number,
    step: str = "library",
    item: str = "",
    text: str = "书已经还了。",
    *,
    at: datetime = MORNING,
    due: datetime = MORNING + 8 * HOUR,
    limit: int = 5,
    cohort: str = COHORT,
) -> StudentObjection:
    return objections.raise_(
        cohort, student, step, item, text, account=student, seen=SEEN, due=due, now=at, limit=limit
    )


def sent_back(
    objections: StudentObjections, student: str = LIN.number, step: str = "library", *, due: datetime = MORNING + HOUR
) -> StudentObjection:
    return objections.send_back(
        COHORT, student, step, "请再核对。", account="reviewer", seen=SEEN, due=due, now=MORNING
    )


class TestRaising:
    def test_what_is_raised_is_read_back_whole(self, objections: StudentObjections) -> None:
        fine = Obligation("fine", "滞纳金", Decimal("3.20"))
        seen = SeenThen(
            Verdict.HELD, State.HELD, "owed", (BOOK, fine), MORNING, stale=True, outgrown=True, run=3, decision=7
        )
        made = objections.raise_(
            COHORT, LIN.number, "library", item_of(BOOK), " 书已还。 ", account="lin", seen=seen,
            due=MORNING + HOUR, now=MORNING, limit=5,
        )  # fmt: skip
        assert objections.one(COHORT, made.objection) == made
        assert objections.of_student(COHORT, LIN.number) == (made,)
        assert made.seen == seen
        assert (made.kind, made.item, made.text, made.raised_by) == (
            AppealKind.OBJECTION,
            "loan:B0001",
            "书已还。",
            "lin",
        )
        assert (made.at, made.due, made.waits, made.outcome) == (MORNING, MORNING + HOUR, True, None)

    def test_what_stood_there_is_what_the_student_saw(self, world: World) -> None:
        world.says["loans"] = [GEOLOGY_LOAN]
        world.run_all()
        status = world.student(LIN.number).steps[0]
        seen = SeenThen.of(status, world.now)
        assert (seen.verdict, seen.state, seen.reason) == (Verdict.HELD, State.HELD, "owed")
        assert (seen.obligations, seen.as_of, seen.run, seen.stale) == ((BOOK,), status.as_of, status.run, False)
        assert SeenThen.of(status, world.now + timedelta(days=9)).stale
        wish = Wish(LIN.number, "library", Verdict.CLEARED, "现场归还")
        world.decisions.enter(wish, "librarian", world.now)
        decided = SeenThen.of(world.student(LIN.number).steps[0], world.now)
        assert (decided.verdict, decided.reason, decided.obligations) == (Verdict.CLEARED, "现场归还", ())
        assert decided.decision is not None

    def test_the_same_thing_is_raised_once_while_it_waits(self, objections: StudentObjections) -> None:
        first = raised(objections, item="loan:B0001")
        with pytest.raises(ObjectionRefused, match="Wait for the answer") as refused:
            raised(objections, item="loan:B0001", at=MORNING + HOUR)
        assert (refused.value.code, refused.value.standing) == (AppealCode.WAITS, first)
        raised(objections, item="loan:B0002")
        raised(objections, item="")
        raised(objections, step="dorm", item="loan:B0001")
        raised(objections, QIAN.number, item="loan:B0001")
        objections.answer(first.objection, AppealOutcome.EXPLAINED, "没有还。", account="librarian", now=MORNING)
        raised(objections, item="loan:B0001")

    def test_so_many_wait_at_a_time_and_an_answer_makes_room(self, objections: StudentObjections) -> None:
        made = [raised(objections, item=f"loan:{i}", limit=3) for i in range(3)]
        sent_back(objections)
        with pytest.raises(ObjectionRefused) as refused:
            raised(objections, item="loan:9", limit=3)
        assert refused.value.code is AppealCode.TOO_MANY
        raised(objections, QIAN.number, item="loan:9", limit=3)
        raised(objections, item="loan:9", limit=3, cohort="2020")
        objections.withdraw(made[0].objection, LIN.number, account=LIN.number, now=MORNING)
        raised(objections, item="loan:9", limit=3)

    def test_what_a_reviewer_sends_back_leaves_the_students_limit_alone(self, objections: StudentObjections) -> None:
        for step in ("library", "finance", "dorm"):
            sent_back(objections, step=step)
        raised(objections, limit=1)

    def test_two_at_once_make_one(self, world: World, objections: StudentObjections) -> None:
        barrier = Barrier(2)

        def raise_one(_: int) -> AppealCode | None:
            barrier.wait()
            try:
                raised(StudentObjections(world.desk))
            except ObjectionRefused as refused:
                return refused.code
            return None

        with ThreadPoolExecutor(2) as threads:
            assert sorted(map(str, threads.map(raise_one, range(2)))) == ["None", "waits"]
        assert len(objections.of_student(COHORT, LIN.number)) == 1

    @pytest.mark.parametrize(
        ("text", "refusal"),
        [(" \n", AppealCode.NO_TEXT), ("长" * 501, AppealCode.LONG_TEXT)],
        ids=["nothing", "too much"],
    )
    def test_it_says_something_and_not_too_much(
        self, objections: StudentObjections, text: str, refusal: AppealCode
    ) -> None:
        with pytest.raises(ObjectionRefused) as refused:
            raised(objections, text=text)
        assert refused.value.code is refusal
        assert objections.of_student(COHORT, LIN.number) == ()
        raised(objections, text="长" * 500)

    def test_a_thing_with_a_long_name_can_be_objected_to(self, objections: StudentObjections) -> None:
        item = item_of(Obligation("loan", "长" * 900))
        assert raised(objections, item=item).item == item


class TestSendingBack:
    def test_it_waits_beside_the_students_own(self, objections: StudentObjections) -> None:
        own, back = raised(objections), sent_back(objections)
        assert (back.kind, back.item, back.raised_by) == (AppealKind.SENT_BACK, "", "reviewer")
        assert objections.of_student(COHORT, LIN.number) == (back, own)

    def test_a_step_is_sent_back_once_while_it_waits(self, objections: StudentObjections) -> None:
        first = sent_back(objections)
        with pytest.raises(ObjectionRefused) as refused:
            sent_back(objections)
        assert (refused.value.code, refused.value.standing) == (AppealCode.WAITS, first)
        sent_back(objections, step="dorm")
        sent_back(objections, SUN.number)
        objections.answer(first.objection, AppealOutcome.RECHECKED, "", account="librarian", now=MORNING)
        sent_back(objections)

    def test_a_student_cannot_take_it_back(self, objections: StudentObjections) -> None:
        back = sent_back(objections)
        with pytest.raises(KeyError):
            objections.withdraw(back.objection, LIN.number, account=LIN.number, now=MORNING)
        assert objections.one(COHORT, back.objection) == back


class TestAnswering:
    def test_the_answer_stands_beside_what_was_raised(self, objections: StudentObjections) -> None:
        made = raised(objections)
        objections.answer(
            made.objection, AppealOutcome.DECIDED, " 已核销。 ", account="librarian", now=MORNING + HOUR, decision=7
        )
        found = objections.one(COHORT, made.objection)
        assert found is not None
        assert (found.outcome, found.answer, found.answered_by) == (AppealOutcome.DECIDED, "已核销。", "librarian")
        assert (found.answered_at, found.decision, found.waits) == (MORNING + HOUR, 7, False)
        assert (found.text, found.seen) == (made.text, made.seen)

    def test_only_a_decision_is_kept_with_a_decision(self, objections: StudentObjections) -> None:
        made = raised(objections)
        answered = objections.answer(
            made.objection, AppealOutcome.EXPLAINED, "没有还。", account="librarian", now=MORNING, decision=7
        )
        assert answered.decision is None

    def test_the_second_is_told_who_was_first_and_changes_nothing(self, objections: StudentObjections) -> None:
        made = raised(objections)
        first = objections.answer(made.objection, AppealOutcome.EXPLAINED, "没有还。", account="librarian", now=MORNING)
        with pytest.raises(ObjectionRefused, match="librarian was first") as refused:
            objections.answer(made.objection, AppealOutcome.RECHECKED, "", account="second", now=MORNING + HOUR)
        assert (refused.value.code, refused.value.standing) == (AppealCode.ANSWERED, first)
        assert objections.one(COHORT, made.objection) == first

    def test_of_two_who_answer_at_once_one_is_first(self, world: World, objections: StudentObjections) -> None:
        made, barrier, names = raised(objections), Barrier(4), ("a", "b", "c", "d")

        def answer(name: str) -> str:
            barrier.wait()
            try:
                own = StudentObjections(world.desk)
                own.answer(made.objection, AppealOutcome.EXPLAINED, f"{name} 说。", account=name, now=MORNING)
            except ObjectionRefused as refused:
                return refused.standing.answered_by if refused.standing else "nobody"
            return name

        with ThreadPoolExecutor(4) as threads:
            told = set(threads.map(answer, names))
        found = objections.one(COHORT, made.objection)
        assert found is not None
        assert told == {found.answered_by}
        assert found.answer == f"{found.answered_by} 说。"

    @pytest.mark.parametrize(
        ("outcome", "text", "refusal"),
        [
            (AppealOutcome.EXPLAINED, "", AppealCode.NO_TEXT),
            (AppealOutcome.DECIDED, "", AppealCode.NO_DECISION),
            (AppealOutcome.RECHECKED, "长" * 501, AppealCode.LONG_TEXT),
        ],
    )
    def test_an_answer_that_lacks_something_is_none(
        self, objections: StudentObjections, outcome: AppealOutcome, text: str, refusal: AppealCode
    ) -> None:
        made = raised(objections)
        with pytest.raises(ObjectionRefused) as refused:
            objections.answer(made.objection, outcome, text, account="librarian", now=MORNING)
        assert refused.value.code is refusal
        assert objections.one(COHORT, made.objection) == made

    def test_nobody_answers_by_taking_it_back(self, objections: StudentObjections) -> None:
        made = raised(objections)
        with pytest.raises(ValueError, match="only the student"):
            objections.answer(made.objection, AppealOutcome.WITHDRAWN, "", account="librarian", now=MORNING)
        with pytest.raises(KeyError):
            objections.answer(made.objection + 1, AppealOutcome.RECHECKED, "", account="librarian", now=MORNING)


class TestTakingBack:
    def test_the_own_one_once(self, objections: StudentObjections) -> None:
        made = raised(objections)
        taken = objections.withdraw(made.objection, LIN.number, account=LIN.number, now=MORNING + HOUR)
        assert (taken.outcome, taken.answered_by, taken.waits) == (AppealOutcome.WITHDRAWN, LIN.number, False)
        with pytest.raises(ObjectionRefused) as refused:
            objections.withdraw(made.objection, LIN.number, account=LIN.number, now=MORNING + HOUR)
        assert refused.value.code is AppealCode.ANSWERED
        with pytest.raises(ObjectionRefused):
            objections.answer(made.objection, AppealOutcome.EXPLAINED, "晚了。", account="librarian", now=MORNING)

    def test_anothers_is_none(self, objections: StudentObjections) -> None:
        made = raised(objections)
        with pytest.raises(KeyError):
            objections.withdraw(made.objection, QIAN.number, account=QIAN.number, now=MORNING)
        assert objections.one(COHORT, made.objection) == made
        assert objections.one("2020", made.objection) is None


class TestTheQueue:
    def test_whichever_is_due_first_stands_first_and_answered_ones_are_gone(
        self, objections: StudentObjections
    ) -> None:
        late = raised(objections, due=MORNING + 5 * HOUR)
        soon = sent_back(objections, QIAN.number, due=MORNING + HOUR)
        same = raised(objections, SUN.number, due=MORNING + 5 * HOUR)
        raised(objections, ZHAO.number, step="dorm")
        raised(objections, ZHAO.number, cohort="2020")
        assert objections.waiting(COHORT, ("library",), everybody, 10) == (soon, late, same)
        assert objections.waiting(COHORT, ("library",), everybody, 2) == (soon, late)
        assert objections.count_waiting(COHORT, ("library",), everybody) == 3
        assert objections.count_waiting(COHORT, ("library", "dorm"), everybody) == 4
        objections.answer(soon.objection, AppealOutcome.RECHECKED, "", account="librarian", now=MORNING)
        objections.withdraw(late.objection, LIN.number, account=LIN.number, now=MORNING)
        assert objections.waiting(COHORT, ("library",), everybody, 10) == (same,)
        assert objections.count_waiting(COHORT, ("library",), everybody) == 1

    def test_only_students_inside_the_scopes(self, objections: StudentObjections, named: NamedStudents) -> None:
        def inside(*scopes: Scope) -> Inside:
            return lambda numbers: named.inside(COHORT, numbers, scopes)

        lin, qian = raised(objections), raised(objections, QIAN.number)
        again = raised(objections, QIAN.number, item="loan:B0002")
        raised(objections, "20990009")
        steps = ("library",)
        assert objections.waiting(COHORT, steps, inside(RESOURCES), 10) == (qian, again)
        assert objections.count_waiting(COHORT, steps, inside(RESOURCES)) == 2
        assert objections.waiting(COHORT, steps, inside(*EVERYBODY), 10) == (lin, qian, again)
        assert objections.waiting(COHORT, steps, inside({"college": ("没有",)}), 10) == ()
        assert objections.count_waiting(COHORT, steps, inside({"building": (LIN.building,)}, RESOURCES)) == 3
        back = [sent_back(objections, who.number) for who in (LIN, QIAN, SUN)]
        assert objections.sent_back(COHORT, steps, inside(RESOURCES), 10) == (back[2], back[1])
        assert objections.sent_back(COHORT, steps, inside(RESOURCES), 1) == (back[2],)

    def test_what_is_outside_does_not_hide_what_is_behind_it(
        self, objections: StudentObjections, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It is read piece by piece until the page is full."""
        monkeypatch.setattr(appeals, "_CHUNK", 2)
        made = [raised(objections, who.number, item=str(i)) for who in (LIN, ZHAO, QIAN) for i in range(3)]

        def qian_alone(numbers: object) -> list[str]:
            return [QIAN.number] if QIAN.number in everybody(numbers) else []

        assert objections.waiting(COHORT, ("library",), qian_alone, 2) == tuple(made[6:8])
        assert objections.waiting(COHORT, ("library",), everybody, 99) == tuple(made)
        assert objections.count_waiting(COHORT, ("library",), qian_alone) == 3
        back = [sent_back(objections, who.number) for who in (QIAN, LIN, ZHAO, SUN)]
        assert objections.sent_back(COHORT, ("library",), qian_alone, 9) == (back[0],)


class TestNamedStudents:
    def test_they_stand_as_on_their_own_pages(self, world: World, named: NamedStudents) -> None:
        world.says["loans"] = [GEOLOGY_LOAN]
        world.says["fines"] = [{"CARD": LIN.number, "AMOUNT": "3.20"}]
        world.run_all()
        world.decisions.enter(Wish(QIAN.number, "library", Verdict.HELD, "数据有误"), "librarian", world.now)
        found = named.students(COHORT, [who.number for who in CAST] + ["20990009"], world.now)
        assert set(found) == {who.number for who in CAST}
        for number, student in found.items():
            whole = world.student(number)
            assert student.steps == whole.steps
            assert (student.name, student.class_name, student.flow) == (whole.name, whole.class_name, whole.flow)

    def test_numbers_are_looked_up_however_many_there_are(
        self, named: NamedStudents, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(named_students, "_CHUNK", 2)
        numbers = [who.number for who in CAST]
        assert named.inside(COHORT, numbers, EVERYBODY) == frozenset(numbers)
        assert named.inside(COHORT, numbers, ()) == frozenset()
        assert named.inside("2020", numbers, EVERYBODY) == frozenset()
