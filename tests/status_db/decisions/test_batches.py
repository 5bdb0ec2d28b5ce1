"""Batches: each row does what the preview showed, all of them or none; and taken back, all is as before."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from status_db.decisions.batch_rows import ImportRow, RowFault, RowKind, SheetPreview
from status_db.decisions.batches import Batches, BatchKind, BatchResult, UndoResult
from status_db.decisions.certificates import Issue
from status_db.decisions.refusals import DecisionRefused, Overtaken
from status_db.decisions.writer import DecisionRequest
from status_db.model import Decision, RunState, State, Verdict
from status_db.stored_counts import BatchCounts
from tests.cast import EVERYBODY, GEOLOGY_LOAN, LI, LIN, MORNING, POETRY_LOAN, QIAN, SUN, ZHAO, ZHOU, Person
from tests.sync.verify.test_report import verified
from tests.world import COHORT, World

ANOTHER_LOAN = {**GEOLOGY_LOAN, "BARCODE": "B0009"}

CLEARED, HELD, EXEMPT = Verdict.CLEARED, Verdict.HELD, Verdict.EXEMPT


@pytest.fixture
def ready(world: World) -> World:
    """A world in which Lin and Qian have each a book to bring back."""
    world.says["loans"] = [GEOLOGY_LOAN, POETRY_LOAN]
    world.run_all()
    world.later(minutes=1)
    return world


@pytest.fixture
def batches(ready: World) -> Batches:
    """The door for batches."""
    return Batches(ready.writer)


def row(person: Person, verdict: Verdict | None = CLEARED, reason: str = "现场归还", **more: Any) -> ImportRow:
    told = ImportRow(more.pop("line", 2), person.number, person.name, verdict, reason if verdict else "")
    return replace(told, **more)


#: A row, and what is wrong with it.
WRONG = (
    (row(replace(LIN, number="20990009")), RowFault.NO_SUCH_STUDENT),
    (row(LIN, student=""), RowFault.NO_SUCH_STUDENT),
    (row(replace(LIN, name="林小曼")), RowFault.NAME),
    (row(replace(LIN, name="")), RowFault.NAME),
    (row(ZHOU), RowFault.NO_STEP),
    (row(LIN, None, wrong=RowFault.RESULT, detail="已还"), RowFault.RESULT),
    (row(LIN, reason="不知道"), RowFault.REASON),
    (row(LIN, reason=""), RowFault.REASON),
    (row(LIN, wrong=RowFault.DATE, detail="明天"), RowFault.DATE),
    (row(LIN, wrong=RowFault.LONG, detail="words"), RowFault.LONG),
    (row(LIN, HELD, condition="6月30日前补交"), RowFault.REFUSED),
    (row(LIN, until=MORNING), RowFault.REFUSED),
)


def look(world: World, batches: Batches, *rows: ImportRow, scopes: Any = ({},)) -> SheetPreview:
    return batches.preview("library", rows, world.now, scopes)


def enter(world: World, batches: Batches, *rows: ImportRow, by: str = "librarian", **how: Any) -> BatchResult:
    digest = look(world, batches, *rows).digest
    return batches.enter_all(BatchKind.IMPORT, "library", rows, digest, by, world.now, title="结果.xlsx", **how)


def undo(world: World, batches: Batches, batch: int, scopes: Any = ({},)) -> UndoResult:
    world.later(minutes=1)
    return batches.undo(batch, "librarian", "传错了表", world.now, scopes)


def decided(world: World, person: Person, verdict: Verdict = CLEARED, reason: str = "赔书", **more: Any) -> Decision:
    world.later(minutes=1)
    return world.decisions.enter(
        DecisionRequest(person.number, "library", verdict, reason, **more), "somebody", world.now
    )


def kinds(preview: SheetPreview) -> list[tuple[RowKind, RowFault | None]]:
    return [(one.kind, one.wrong) for one in preview.rows]


def effective(world: World, person: Person) -> Decision | None:
    """Return the decision that counts."""
    step = next(s for s in world.student(person.number).steps if s.step == "library")
    return step.decision if step.at(world.now).by_decision else None


class TestWhatARowWouldDo:
    def test_each_kind_is_distinguished(self, ready: World, batches: Batches) -> None:
        decided(ready, QIAN)
        decided(ready, SUN, reason="现场归还")
        preview = look(ready, batches, row(LIN), row(SUN), row(QIAN), row(ZHAO, None))
        assert [kind for kind, _ in kinds(preview)] == [RowKind.NEW, RowKind.SAME, RowKind.CONFLICT, RowKind.BLANK]
        lin, _, qian, _ = preview.rows
        assert (lin.name, lin.class_name, lin.found) == (LIN.name, LIN.class_name, HELD)
        assert qian.effective is not None
        assert (qian.effective.author, qian.effective.reason) == ("somebody", "赔书")

    def test_each_thing_that_may_be_wrong_is_reported(self, ready: World, batches: Batches) -> None:
        for told, wrong in WRONG:
            assert kinds(look(ready, batches, told)) == [(RowKind.WRONG, wrong)], told

    def test_a_number_that_appears_twice_is_wrong_both_times_unless_one_states_nothing(
        self, ready: World, batches: Batches
    ) -> None:
        assert kinds(look(ready, batches, row(LIN), row(LIN, HELD))) == [(RowKind.WRONG, RowFault.TWICE)] * 2
        assert kinds(look(ready, batches, row(LIN), row(LIN, None))) == [(RowKind.NEW, None), (RowKind.BLANK, None)]

    def test_a_row_that_states_nothing_is_blank_whoever_it_is_about(self, ready: World, batches: Batches) -> None:
        nobody = replace(LIN, number="20990009")
        assert kinds(look(ready, batches, row(nobody, None), row(ZHOU, None))) == [(RowKind.BLANK, None)] * 2

    def test_dots_of_every_kind_are_one_name(self, ready: World, batches: Batches) -> None:
        ready.says["roster"] = [p.listed() | ({"姓名": "阿依古丽·买买提"} if p is LIN else {}) for p in EVERYBODY]
        ready.run("roster")
        for name in ("阿依古丽·买买提", "阿依古丽•买买提", "阿依古丽．买买提", "阿依古丽 ‧ 买买提"):
            assert kinds(look(ready, batches, row(replace(LIN, name=name)))) == [(RowKind.NEW, None)], name

    def test_who_is_outside_is_as_unknown_as_nobody(self, ready: World, batches: Batches) -> None:
        inside = ({"college": (QIAN.college,)},)
        preview = look(ready, batches, row(LIN), row(QIAN), scopes=inside)
        assert kinds(preview) == [(RowKind.WRONG, RowFault.NO_SUCH_STUDENT), (RowKind.NEW, None)]
        assert (preview.rows[0].name, preview.rows[0].found) == ("", None)

    def test_more_than_what_is_stored_is_no_longer_the_same(self, ready: World, batches: Batches) -> None:
        end = ready.now + timedelta(days=5)
        decided(ready, LIN, reason="现场归还", words="已还清", until=end)
        same = (row(LIN), row(LIN, words="已还清"), row(LIN, until=end))
        more = (row(LIN, words="另行通知"), row(LIN, until=end + timedelta(days=1)), row(LIN, condition="补交押金"))
        assert [look(ready, batches, one).rows[0].kind for one in same] == [RowKind.SAME] * 3
        assert [look(ready, batches, one).rows[0].kind for one in more] == [RowKind.CONFLICT] * 3

    def test_nothing_is_written_by_looking(self, ready: World, batches: Batches) -> None:
        look(ready, batches, row(LIN), row(QIAN))
        assert ready.reader.decisions(COHORT) == ()
        assert batches.batches() == ()


class TestEntering:
    def test_it_decides_the_named_rows_and_no_others(self, ready: World, batches: Batches) -> None:
        entered = enter(ready, batches, row(LIN, words="已还", file_number="图〔2019〕3号"), row(QIAN, None))
        assert [d.student for d in entered.decisions] == [LIN.number]
        now = effective(ready, LIN)
        assert now is not None
        assert (now.words, now.file_number, now.batch) == ("已还", "图〔2019〕3号", entered.batch.id)
        assert ready.verdict(QIAN.number, "library") is HELD
        assert entered.batch.counts == BatchCounts(new=1, blank=1, entered=1)
        assert verified(ready).sound

    def test_wrong_rows_stop_all_until_the_operator_leaves_them_out(self, ready: World, batches: Batches) -> None:
        rows = (row(LIN), row(replace(QIAN, name="钱成")))
        with pytest.raises(DecisionRefused, match="1 rows are invalid"):
            enter(ready, batches, *rows)
        assert effective(ready, LIN) is None
        entered = enter(ready, batches, *rows, without_wrong=True)
        assert [d.student for d in entered.decisions] == [LIN.number]
        assert effective(ready, QIAN) is None

    def test_a_conflict_is_left_as_it_is_unless_the_operator_replaces_it(self, ready: World, batches: Batches) -> None:
        before = decided(ready, QIAN)
        enter(ready, batches, row(LIN), row(QIAN))
        assert effective(ready, QIAN) == before
        enter(ready, batches, row(LIN), row(QIAN), with_conflicts=True)
        now = effective(ready, QIAN)
        assert now is not None
        assert (now.reason, now.author) == ("现场归还", "librarian")

    def test_a_sheet_that_changes_nothing_is_refused(self, ready: World, batches: Batches) -> None:
        enter(ready, batches, row(LIN))
        with pytest.raises(DecisionRefused, match="no row would change anything"):
            enter(ready, batches, row(LIN), row(QIAN, None))
        assert len(batches.batches()) == 1

    @pytest.mark.parametrize(
        "meanwhile",
        [
            lambda world: decided(world, QIAN),
            lambda world: (world.says["loans"].append(ANOTHER_LOAN), world.run("loans")),
        ],
        ids=["a decision", "a source"],
    )
    def test_what_moves_after_the_preview_is_looked_at_again(
        self, ready: World, batches: Batches, meanwhile: Callable[[World], object]
    ) -> None:
        rows = (row(LIN), row(QIAN))
        digest = look(ready, batches, *rows).digest
        meanwhile(ready)
        with pytest.raises(Overtaken, match="Check the new preview"):
            batches.enter_all(BatchKind.IMPORT, "library", rows, digest, "librarian", ready.now, title="")
        assert effective(ready, LIN) is None

    def test_it_is_one_digest_that_is_confirmed(self, ready: World, batches: Batches) -> None:
        """The same sheet with one word more is another one."""
        digest = look(ready, batches, row(LIN)).digest
        for other in (row(LIN, words="另行通知"), row(LIN, EXEMPT), row(QIAN), row(LIN, line=3)):
            with pytest.raises(Overtaken):
                batches.enter_all(BatchKind.IMPORT, "library", [other], digest, "librarian", ready.now, title="")


class TestTakingItBack:
    def test_everything_is_as_it_was(self, ready: World, batches: Batches) -> None:
        before = decided(ready, QIAN, words="按价赔偿", note="柜台", condition="补交押金")
        was = ready.verdicts()
        batch = enter(ready, batches, row(LIN, HELD), row(QIAN, HELD), with_conflicts=True).batch
        undone = undo(ready, batches, batch.id)
        assert set(undone.withdrawn) == {LIN.number, QIAN.number}
        assert (undone.issued, undone.moved) == ((), ())
        assert ready.verdicts() == was
        now = effective(ready, QIAN)
        assert now is not None
        assert (now.reason, now.words, now.condition) == (before.reason, before.words, before.condition)
        assert now.decided_at == before.decided_at
        assert "somebody" in now.note
        assert verified(ready).sound

    def test_what_it_replaced_stays_ended_when_its_time_has_come(self, ready: World, batches: Batches) -> None:
        decided(ready, QIAN, until=ready.now + timedelta(hours=1))
        batch = enter(ready, batches, row(QIAN, HELD), with_conflicts=True).batch
        ready.later(hours=2)
        undo(ready, batches, batch.id)
        assert effective(ready, QIAN) is None

    def test_what_has_moved_since_is_left_and_listed(self, ready: World, batches: Batches) -> None:
        end = ready.now + timedelta(hours=1)
        batch = enter(ready, batches, row(LIN), row(QIAN), row(SUN, until=end), row(ZHAO)).batch
        ready.later(hours=2)
        ready.decisions.withdraw(LIN.number, "library", "somebody", ready.now)
        later = decided(ready, QIAN, HELD)
        undone = undo(ready, batches, batch.id)
        assert undone.withdrawn == (ZHAO.number,)
        assert set(undone.moved) == {LIN.number, QIAN.number, SUN.number}
        assert effective(ready, QIAN) == later

    def test_who_has_the_certificate_keeps_it_and_is_listed(self, ready: World, batches: Batches) -> None:
        all_but_library(ready)
        batch = enter(ready, batches, row(LIN), row(QIAN)).batch
        review(ready)
        ready.register.issue(Issue(LIN.number, "C-1", "毕业证书"), "reviewer", ready.now)
        undone = undo(ready, batches, batch.id)
        assert (undone.issued, undone.withdrawn) == ((LIN.number,), (QIAN.number,))
        kept = effective(ready, LIN)
        assert kept is not None
        assert kept.batch == batch.id
        assert kinds(look(ready, batches, row(LIN, HELD))) == [(RowKind.WRONG, RowFault.ISSUED)]
        assert verified(ready).sound

    def test_who_does_not_leave_any_more_is_taken_back_too(self, ready: World, batches: Batches) -> None:
        decided(ready, QIAN)
        batch = enter(ready, batches, row(QIAN, HELD), with_conflicts=True).batch
        ready.says["roster"] = [p.listed() | ({"类别": "延期"} if p is QIAN else {}) for p in EVERYBODY]
        ready.run("roster")
        assert undo(ready, batches, batch.id).withdrawn == (QIAN.number,)
        assert all(d.withdrawn_at for d in ready.reader.decisions(COHORT, QIAN.number))
        assert verified(ready).sound

    def test_nothing_is_decided_again_about_a_student_who_left_the_roster(self, ready: World, batches: Batches) -> None:
        decided(ready, QIAN, EXEMPT)
        batch = enter(ready, batches, row(LIN), row(QIAN), with_conflicts=True).batch
        ready.says["roster"] = [one for one in ready.says["roster"] if one["学号"] != QIAN.number]
        ready.run("roster")
        assert set(undo(ready, batches, batch.id).withdrawn) == {LIN.number, QIAN.number}
        known = ready.reader.decisions(COHORT, QIAN.number)
        assert [(one.verdict, one.withdrawn_at is not None) for one in known] == [(CLEARED, True), (EXEMPT, True)]

    def test_it_is_done_once_for_a_reason_and_by_who_may_for_all(self, ready: World, batches: Batches) -> None:
        batch = enter(ready, batches, row(LIN), row(QIAN)).batch
        with pytest.raises(DecisionRefused, match="needs a reason"):
            batches.undo(batch.id, "librarian", " ", ready.now)
        with pytest.raises(DecisionRefused, match="is not allowed to decide about"):
            undo(ready, batches, batch.id, ({"college": (QIAN.college,)},))
        assert effective(ready, QIAN) is not None
        undo(ready, batches, batch.id)
        with pytest.raises(DecisionRefused, match="already withdrew"):
            undo(ready, batches, batch.id)
        with pytest.raises(DecisionRefused, match="no batch 999"):
            undo(ready, batches, 999)

    def test_the_batch_reports_it(self, ready: World, batches: Batches) -> None:
        batch = enter(ready, batches, row(LIN)).batch
        undo(ready, batches, batch.id)
        (listed,) = batches.batches("library")
        assert (listed.undone_by, listed.undone_because) == ("librarian", "传错了表")
        assert batches.batches("finance") == ()
        found = batches.batch(batch.id)
        assert found is not None
        assert [d.withdrawn_at for d in found[1]] == [listed.undone_at]
        assert batches.batch(999) is None


def all_but_library(world: World) -> None:
    """Have Lin be clear in everything before the review but the library."""
    world.says["checkouts"] = [{"学号": p.number, "清退状态": "已清退", "房间": "412"} for p in EVERYBODY]
    world.run("checkouts")
    world.later(minutes=1)
    world.decisions.enter(DecisionRequest(LIN.number, "college_items", CLEARED, "已还"), "clerk", world.now)


def review(world: World) -> None:
    world.later(minutes=1)
    world.reviews.review(DecisionRequest(LIN.number, "final_review", CLEARED, "齐备"), "reviewer", world.now)


def both(first: Callable[[], Any], second: Callable[[], Any]) -> list[Any]:
    """Do two things at the same moment; return what each gave or raised."""
    gate = threading.Barrier(2)

    def go(act: Callable[[], Any]) -> Any:
        gate.wait(10)
        try:
            return act()
        except DecisionRefused as refused:
            return refused

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(go, (first, second)))


class TestTwoAtOnce:
    @pytest.fixture(autouse=True)
    def sound(self, ready: World) -> Iterator[None]:
        """Whoever was first, nothing disagrees afterwards."""
        yield
        assert verified(ready).sound

    def test_one_preview_is_entered_by_one_of_two_operators(self, ready: World, batches: Batches) -> None:
        rows = (row(LIN), row(QIAN))
        digest = look(ready, batches, *rows).digest

        def entering(by: str) -> Callable[[], Any]:
            return lambda: batches.enter_all(BatchKind.IMPORT, "library", rows, digest, by, ready.now, title=by)

        done = both(entering("librarian"), entering("second"))
        assert sorted(type(one).__name__ for one in done) == ["BatchResult", "Overtaken"]
        (only,) = batches.batches()
        assert {d.author for d in ready.reader.decisions(COHORT)} == {only.author}
        assert len(ready.reader.decisions(COHORT)) == 2

    def test_a_sync_that_changes_a_finding_comes_before_or_after_the_import(
        self, ready: World, batches: Batches
    ) -> None:
        rows = (row(LIN), row(QIAN))
        digest = look(ready, batches, *rows).digest
        ready.says["loans"] = [GEOLOGY_LOAN, ANOTHER_LOAN, POETRY_LOAN]
        # The clock stands still here: only the order of the two is open.
        imported, synced = both(
            lambda: batches.enter_all(BatchKind.IMPORT, "library", rows, digest, "librarian", ready.now, title=""),
            lambda: ready.sync.run("loans", by="test"),
        )
        assert synced.state is RunState.APPLIED
        lin = next(s for s in ready.student(LIN.number).steps if s.step == "library").at(ready.now)
        if isinstance(imported, Overtaken):
            assert (lin.by_decision, lin.verdict) == (False, HELD)
            assert batches.batches() == ()
        else:
            # What came after the decision is told: the student owes something that it never saw.
            assert (lin.by_decision, lin.overtaken_by_debt) == (True, True)

    def test_who_is_issued_the_certificate_while_a_batch_is_undone_has_one_or_the_other(
        self, ready: World, batches: Batches
    ) -> None:
        all_but_library(ready)
        batch = enter(ready, batches, row(LIN), row(QIAN)).batch
        review(ready)
        ready.later(minutes=1)
        undone, issued = both(
            lambda: batches.undo(batch.id, "librarian", "传错了表", ready.now),
            lambda: ready.register.issue(Issue(LIN.number, "C-1", "毕业证书"), "reviewer", ready.now),
        )
        assert isinstance(undone, UndoResult)
        steps = {s.step: s.at(ready.now) for s in ready.student(LIN.number).steps}
        if isinstance(issued, DecisionRefused):
            assert set(undone.withdrawn) == {LIN.number, QIAN.number}
            assert (steps["library"].state, steps["final_review"].state) == (State.HELD, State.CLOSED)
        else:
            assert (undone.withdrawn, undone.issued) == ((QIAN.number,), (LIN.number,))
            assert (steps["library"].state, steps["final_review"].state) == (State.CLEARED, State.CLEARED)


def test_people_are_those_inside(ready: World, batches: Batches) -> None:
    found = batches.people([LIN.number, QIAN.number, "20990009"], ({"college": (QIAN.college,)},))
    assert {number: (one.name, one.class_name) for number, one in found.items()} == {
        QIAN.number: (QIAN.name, QIAN.class_name)
    }
    assert set(batches.people([LI.number, LIN.number])) == {LI.number, LIN.number}
