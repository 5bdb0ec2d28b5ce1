"""Objections on both databases: raised once, so many at a time, answered once, and seen inside scopes alone."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta
from decimal import Decimal
from threading import Barrier

import pytest

from status_db.decisions.writer import DecisionRequest
from status_db.inbox import appeals
from status_db.inbox.appeal_rows import Appeal, AppealEvidence, AppealKind, AppealOutcome, item_of
from status_db.inbox.appeals import AppealCode, AppealRefused, Appeals, Inside
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
SEEN = AppealEvidence(Verdict.HELD, State.HELD, "owed", (BOOK,), MORNING, run=3)


@pytest.fixture
def appeals_(world: World) -> Appeals:
    return Appeals(world.desk)


@pytest.fixture
def named(world: World) -> NamedStudents:
    world.run("roster")
    return NamedStudents(world.reading, world.settings)


def everybody(numbers: object) -> frozenset[str]:
    assert isinstance(numbers, list)
    return frozenset(numbers)


def raised(
    appeals_: Appeals,
    student: str = LIN.number,
    step: str = "library",
    item: str = "",
    text: str = "书已经还了。",
    *,
    at: datetime = MORNING,
    due: datetime = MORNING + 8 * HOUR,
    limit: int = 5,
    cohort: str = COHORT,
) -> Appeal:
    return appeals_.raise_(cohort, student, step, item, text, account=student, seen=SEEN, due=due, now=at, limit=limit)


def sent_back(
    appeals_: Appeals, student: str = LIN.number, step: str = "library", *, due: datetime = MORNING + HOUR
) -> Appeal:
    return appeals_.send_back(COHORT, student, step, "请再核对。", account="reviewer", seen=SEEN, due=due, now=MORNING)


class TestRaising:
    def test_what_is_raised_is_read_back_whole(self, appeals_: Appeals) -> None:
        fine = Obligation("fine", "滞纳金", Decimal("3.20"))
        seen = AppealEvidence(
            Verdict.HELD,
            State.HELD,
            "owed",
            (BOOK, fine),
            MORNING,
            stale=True,
            overtaken_by_debt=True,
            run=3,
            decision=7,
        )
        made = appeals_.raise_(
            COHORT, LIN.number, "library", item_of(BOOK), " 书已还。 ", account="lin", seen=seen,
            due=MORNING + HOUR, now=MORNING, limit=5,
        )  # fmt: skip
        assert appeals_.one(COHORT, made.appeal) == made
        assert appeals_.of_student(COHORT, LIN.number) == (made,)
        assert made.seen == seen
        assert (made.kind, made.item, made.text, made.raised_by) == (
            AppealKind.APPEAL,
            "loan:B0001",
            "书已还。",
            "lin",
        )
        assert (made.at, made.due, made.waits, made.outcome) == (MORNING, MORNING + HOUR, True, None)

    def test_what_was_there_is_what_the_student_saw(self, world: World) -> None:
        world.says["loans"] = [GEOLOGY_LOAN]
        world.run_all()
        status = world.student(LIN.number).steps[0]
        seen = AppealEvidence.of(status, world.now)
        assert (seen.verdict, seen.state, seen.reason) == (Verdict.HELD, State.HELD, "owed")
        assert (seen.obligations, seen.as_of, seen.run, seen.stale) == ((BOOK,), status.as_of, status.run, False)
        assert AppealEvidence.of(status, world.now + timedelta(days=9)).stale
        wish = DecisionRequest(LIN.number, "library", Verdict.CLEARED, "现场归还")
        world.decisions.enter(wish, "librarian", world.now)
        decided = AppealEvidence.of(world.student(LIN.number).steps[0], world.now)
        assert (decided.verdict, decided.reason, decided.obligations) == (Verdict.CLEARED, "现场归还", ())
        assert decided.decision is not None

    def test_the_same_thing_is_raised_once_while_it_waits(self, appeals_: Appeals) -> None:
        first = raised(appeals_, item="loan:B0001")
        with pytest.raises(AppealRefused, match="Wait for the answer") as refused:
            raised(appeals_, item="loan:B0001", at=MORNING + HOUR)
        assert (refused.value.code, refused.value.effective) == (AppealCode.WAITS, first)
        raised(appeals_, item="loan:B0002")
        raised(appeals_, item="")
        raised(appeals_, step="dorm", item="loan:B0001")
        raised(appeals_, QIAN.number, item="loan:B0001")
        appeals_.answer(first.appeal, AppealOutcome.EXPLAINED, "没有还。", account="librarian", now=MORNING)
        raised(appeals_, item="loan:B0001")

    def test_so_many_wait_at_a_time_and_an_answer_makes_room(self, appeals_: Appeals) -> None:
        made = [raised(appeals_, item=f"loan:{i}", limit=3) for i in range(3)]
        sent_back(appeals_)
        with pytest.raises(AppealRefused) as refused:
            raised(appeals_, item="loan:9", limit=3)
        assert refused.value.code is AppealCode.TOO_MANY
        raised(appeals_, QIAN.number, item="loan:9", limit=3)
        raised(appeals_, item="loan:9", limit=3, cohort="2020")
        appeals_.withdraw(made[0].appeal, LIN.number, account=LIN.number, now=MORNING)
        raised(appeals_, item="loan:9", limit=3)

    def test_what_a_reviewer_sends_back_leaves_the_students_limit_alone(self, appeals_: Appeals) -> None:
        for step in ("library", "finance", "dorm"):
            sent_back(appeals_, step=step)
        raised(appeals_, limit=1)

    def test_two_at_once_make_one(self, world: World, appeals_: Appeals) -> None:
        barrier = Barrier(2)

        def raise_one(_: int) -> AppealCode | None:
            barrier.wait()
            try:
                raised(Appeals(world.desk))
            except AppealRefused as refused:
                return refused.code
            return None

        with ThreadPoolExecutor(2) as threads:
            assert sorted(map(str, threads.map(raise_one, range(2)))) == ["None", "waits"]
        assert len(appeals_.of_student(COHORT, LIN.number)) == 1

    @pytest.mark.parametrize(
        ("text", "refusal"),
        [(" \n", AppealCode.NO_TEXT), ("长" * 501, AppealCode.LONG_TEXT)],
        ids=["nothing", "too much"],
    )
    def test_it_has_a_text_and_not_too_much(self, appeals_: Appeals, text: str, refusal: AppealCode) -> None:
        with pytest.raises(AppealRefused) as refused:
            raised(appeals_, text=text)
        assert refused.value.code is refusal
        assert appeals_.of_student(COHORT, LIN.number) == ()
        raised(appeals_, text="长" * 500)

    def test_a_thing_with_a_long_name_can_be_objected_to(self, appeals_: Appeals) -> None:
        item = item_of(Obligation("loan", "长" * 900))
        assert raised(appeals_, item=item).item == item


class TestSendingBack:
    def test_it_waits_beside_the_students_own(self, appeals_: Appeals) -> None:
        own, back = raised(appeals_), sent_back(appeals_)
        assert (back.kind, back.item, back.raised_by) == (AppealKind.SENT_BACK, "", "reviewer")
        assert appeals_.of_student(COHORT, LIN.number) == (back, own)

    def test_a_step_is_sent_back_once_while_it_waits(self, appeals_: Appeals) -> None:
        first = sent_back(appeals_)
        with pytest.raises(AppealRefused) as refused:
            sent_back(appeals_)
        assert (refused.value.code, refused.value.effective) == (AppealCode.WAITS, first)
        sent_back(appeals_, step="dorm")
        sent_back(appeals_, SUN.number)
        appeals_.answer(first.appeal, AppealOutcome.RECHECKED, "", account="librarian", now=MORNING)
        sent_back(appeals_)

    def test_a_student_cannot_take_it_back(self, appeals_: Appeals) -> None:
        back = sent_back(appeals_)
        with pytest.raises(KeyError):
            appeals_.withdraw(back.appeal, LIN.number, account=LIN.number, now=MORNING)
        assert appeals_.one(COHORT, back.appeal) == back


class TestAnswering:
    def test_the_answer_is_beside_what_was_raised(self, appeals_: Appeals) -> None:
        made = raised(appeals_)
        appeals_.answer(
            made.appeal, AppealOutcome.DECIDED, " 已核销。 ", account="librarian", now=MORNING + HOUR, decision=7
        )
        found = appeals_.one(COHORT, made.appeal)
        assert found is not None
        assert (found.outcome, found.answer, found.answered_by) == (AppealOutcome.DECIDED, "已核销。", "librarian")
        assert (found.answered_at, found.decision, found.waits) == (MORNING + HOUR, 7, False)
        assert (found.text, found.seen) == (made.text, made.seen)

    def test_only_a_decision_is_kept_with_a_decision(self, appeals_: Appeals) -> None:
        made = raised(appeals_)
        answered = appeals_.answer(
            made.appeal, AppealOutcome.EXPLAINED, "没有还。", account="librarian", now=MORNING, decision=7
        )
        assert answered.decision is None

    def test_the_second_learns_who_was_first_and_changes_nothing(self, appeals_: Appeals) -> None:
        made = raised(appeals_)
        first = appeals_.answer(made.appeal, AppealOutcome.EXPLAINED, "没有还。", account="librarian", now=MORNING)
        with pytest.raises(AppealRefused, match="librarian was first") as refused:
            appeals_.answer(made.appeal, AppealOutcome.RECHECKED, "", account="second", now=MORNING + HOUR)
        assert (refused.value.code, refused.value.effective) == (AppealCode.ANSWERED, first)
        assert appeals_.one(COHORT, made.appeal) == first

    def test_of_two_who_answer_at_once_one_is_first(self, world: World, appeals_: Appeals) -> None:
        made, barrier, names = raised(appeals_), Barrier(4), ("a", "b", "c", "d")

        def answer(name: str) -> str:
            barrier.wait()
            try:
                own = Appeals(world.desk)
                own.answer(made.appeal, AppealOutcome.EXPLAINED, f"{name} 说。", account=name, now=MORNING)
            except AppealRefused as refused:
                return refused.effective.answered_by if refused.effective else "nobody"
            return name

        with ThreadPoolExecutor(4) as threads:
            told = set(threads.map(answer, names))
        found = appeals_.one(COHORT, made.appeal)
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
        self, appeals_: Appeals, outcome: AppealOutcome, text: str, refusal: AppealCode
    ) -> None:
        made = raised(appeals_)
        with pytest.raises(AppealRefused) as refused:
            appeals_.answer(made.appeal, outcome, text, account="librarian", now=MORNING)
        assert refused.value.code is refusal
        assert appeals_.one(COHORT, made.appeal) == made

    def test_no_one_answers_by_taking_it_back(self, appeals_: Appeals) -> None:
        made = raised(appeals_)
        with pytest.raises(ValueError, match="only the student"):
            appeals_.answer(made.appeal, AppealOutcome.WITHDRAWN, "", account="librarian", now=MORNING)
        with pytest.raises(KeyError):
            appeals_.answer(made.appeal + 1, AppealOutcome.RECHECKED, "", account="librarian", now=MORNING)


class TestTakingBack:
    def test_the_own_one_once(self, appeals_: Appeals) -> None:
        made = raised(appeals_)
        taken = appeals_.withdraw(made.appeal, LIN.number, account=LIN.number, now=MORNING + HOUR)
        assert (taken.outcome, taken.answered_by, taken.waits) == (AppealOutcome.WITHDRAWN, LIN.number, False)
        with pytest.raises(AppealRefused) as refused:
            appeals_.withdraw(made.appeal, LIN.number, account=LIN.number, now=MORNING + HOUR)
        assert refused.value.code is AppealCode.ANSWERED
        with pytest.raises(AppealRefused):
            appeals_.answer(made.appeal, AppealOutcome.EXPLAINED, "晚了。", account="librarian", now=MORNING)

    def test_anothers_is_none(self, appeals_: Appeals) -> None:
        made = raised(appeals_)
        with pytest.raises(KeyError):
            appeals_.withdraw(made.appeal, QIAN.number, account=QIAN.number, now=MORNING)
        assert appeals_.one(COHORT, made.appeal) == made
        assert appeals_.one("2020", made.appeal) is None


class TestTheQueue:
    def test_whichever_is_due_first_is_first_and_answered_ones_are_gone(self, appeals_: Appeals) -> None:
        late = raised(appeals_, due=MORNING + 5 * HOUR)
        soon = sent_back(appeals_, QIAN.number, due=MORNING + HOUR)
        same = raised(appeals_, SUN.number, due=MORNING + 5 * HOUR)
        raised(appeals_, ZHAO.number, step="dorm")
        raised(appeals_, ZHAO.number, cohort="2020")
        assert appeals_.waiting(COHORT, ("library",), everybody, 10) == (soon, late, same)
        assert appeals_.waiting(COHORT, ("library",), everybody, 2) == (soon, late)
        assert appeals_.count_waiting(COHORT, ("library",), everybody) == 3
        assert appeals_.count_waiting(COHORT, ("library", "dorm"), everybody) == 4
        appeals_.answer(soon.appeal, AppealOutcome.RECHECKED, "", account="librarian", now=MORNING)
        appeals_.withdraw(late.appeal, LIN.number, account=LIN.number, now=MORNING)
        assert appeals_.waiting(COHORT, ("library",), everybody, 10) == (same,)
        assert appeals_.count_waiting(COHORT, ("library",), everybody) == 1

    def test_only_students_inside_the_scopes(self, appeals_: Appeals, named: NamedStudents) -> None:
        def inside(*scopes: Scope) -> Inside:
            return lambda numbers: named.inside(COHORT, numbers, scopes)

        lin, qian = raised(appeals_), raised(appeals_, QIAN.number)
        again = raised(appeals_, QIAN.number, item="loan:B0002")
        raised(appeals_, "20990009")
        steps = ("library",)
        assert appeals_.waiting(COHORT, steps, inside(RESOURCES), 10) == (qian, again)
        assert appeals_.count_waiting(COHORT, steps, inside(RESOURCES)) == 2
        assert appeals_.waiting(COHORT, steps, inside(*EVERYBODY), 10) == (lin, qian, again)
        assert appeals_.waiting(COHORT, steps, inside({"college": ("没有",)}), 10) == ()
        assert appeals_.count_waiting(COHORT, steps, inside({"building": (LIN.building,)}, RESOURCES)) == 3
        back = [sent_back(appeals_, who.number) for who in (LIN, QIAN, SUN)]
        assert appeals_.sent_back(COHORT, steps, inside(RESOURCES), 10) == (back[2], back[1])
        assert appeals_.sent_back(COHORT, steps, inside(RESOURCES), 1) == (back[2],)

    def test_what_is_outside_does_not_hide_what_is_behind_it(
        self, appeals_: Appeals, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It is read piece by piece until the page is full."""
        monkeypatch.setattr(appeals, "_CHUNK", 2)
        made = [raised(appeals_, who.number, item=str(i)) for who in (LIN, ZHAO, QIAN) for i in range(3)]

        def qian_alone(numbers: object) -> list[str]:
            return [QIAN.number] if QIAN.number in everybody(numbers) else []

        assert appeals_.waiting(COHORT, ("library",), qian_alone, 2) == tuple(made[6:8])
        assert appeals_.waiting(COHORT, ("library",), everybody, 99) == tuple(made)
        assert appeals_.count_waiting(COHORT, ("library",), qian_alone) == 3
        back = [sent_back(appeals_, who.number) for who in (QIAN, LIN, ZHAO, SUN)]
        assert appeals_.sent_back(COHORT, ("library",), qian_alone, 9) == (back[0],)


class TestNamedStudents:
    def test_they_stand_as_on_their_own_pages(self, world: World, named: NamedStudents) -> None:
        world.says["loans"] = [GEOLOGY_LOAN]
        world.says["fines"] = [{"CARD": LIN.number, "AMOUNT": "3.20"}]
        world.run_all()
        world.decisions.enter(DecisionRequest(QIAN.number, "library", Verdict.HELD, "数据有误"), "librarian", world.now)
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
