"""The guard through whole runs, on both databases: what small offices, branches and untidy answers would clear."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from connectors.port import Connector, ProofKind, Question, Snapshot
from status_db import tables
from status_db.model import ROSTER, RunState, Verdict
from status_db.store.engine import reading
from sync.plan import snapshot_codec
from tests.sync.verify.test_report import verified
from tests.trust.town import applied, held_back, lent, listed, marks, numbers, settle, without
from tests.world import COHORT, SETTINGS, VoteKind, World

BRANCHES = SETTINGS.replace('reference = "BARCODE" }', 'reference = "BARCODE", branch = "BRANCH" }')


@contextmanager
def world_of(url: str, folder: Path, settings: str = SETTINGS) -> Iterator[World]:
    with World(url, folder, settings) as made:
        yield made


def owing(people: list[str], amount: str | None = "300.00") -> list[dict[str, Any]]:
    return [{"XH": who, "QFJE": amount, "XM": "学费"} for who in people]


def unmatched(world: World, source: str) -> list[tuple[str, str, str]]:
    return [(s.key, s.near, s.student) for s in world.reader.unmatched_keys(COHORT, source)]


def colleges(people: list[str], small: int) -> list[dict[str, str]]:
    return [*listed(people[:small], 学院="文学院"), *listed(people[small:], 学院="理学院")]


class TestAFew:
    @pytest.mark.parametrize("amount", [None, "0", "0.00"])
    def test_eighteen_who_are_all_released_because_the_amounts_are_gone_stay_held(
        self, world: World, amount: str | None
    ) -> None:
        settle(world, numbers(60))
        world.says["fees"] = owing(numbers(18))
        applied(world, "fees")
        world.says["fees"] = owing(numbers(18), amount)
        stood = marks(world)
        outcome = world.run("fees")
        assert outcome.state in (RunState.SUSPENDED, RunState.APPLIED)
        if outcome.state is RunState.SUSPENDED:
            assert "all 18 held students would be" in outcome.message
            assert marks(world) == stood
        assert {world.verdict(who, "finance") for who in numbers(18)} != {Verdict.CLEARED}

    def test_four_who_pay_on_one_day_are_cleared(self, sqlite_world: World) -> None:
        settle(sqlite_world, numbers(60))
        sqlite_world.says["fees"] = owing(numbers(4))
        applied(sqlite_world, "fees")
        sqlite_world.says["fees"] = []
        assert applied(sqlite_world, "fees").counts.released == 4


class TestAGroup:
    def test_a_college_of_95_that_is_missing_from_a_list_of_1000_is_named(self, world: World) -> None:
        people = numbers(1_000)
        world.says[ROSTER] = colleges(people, 95)
        world.says["fees"] = owing(people)
        world.run_all()
        world.says["fees"] = owing(people[95:])
        outcome = held_back(world, "fees", 95)
        assert "95 of the 95 held students of the college 文学院 would be cleared at once, and 0 of the 905" in (
            outcome.message
        )

    def test_a_college_of_95_that_is_missing_from_the_roster_is_named(self, world: World) -> None:
        people = numbers(1_000)
        world.says[ROSTER] = colleges(people, 95)
        world.run_all()
        world.says[ROSTER] = colleges(people, 95)[95:]
        stood = marks(world)
        outcome = world.run(ROSTER)
        assert outcome.state is RunState.SUSPENDED
        assert marks(world) == stood
        assert "95 of the 95 students of the college 文学院 would no longer leave this year" in outcome.message

    def test_a_branch_that_is_missing_is_named_though_its_readers_are_of_all_colleges(
        self, status_url: str, tmp_path: Path
    ) -> None:
        people = numbers(300)
        with world_of(status_url, tmp_path, BRANCHES) as world:
            world.says[ROSTER] = [
                row for i, row in enumerate(listed(people)) if row.update(学院=f"学院{i % 7}") is None
            ]
            books = [{**row, "BRANCH": "未来城馆" if i % 20 == 0 else "总馆"} for i, row in enumerate(lent(people))]
            world.says["loans"] = books
            world.run_all()
            world.says["loans"] = [row for row in books if row["BRANCH"] == "总馆"]
            outcome = held_back(world, "loans", 15)
            assert "15 of the 15 held students of the branch 未来城馆 would be cleared" in outcome.message
            # Half of it is an ordinary day, and what is left is what the next answer is compared with.
            left = [row for i, row in enumerate(books) if i not in {0, 20, 40}]
            world.says["loans"] = left
            applied(world, "loans")
            world.says["loans"] = [row for row in left if row["BRANCH"] == "总馆"]
            assert "12 of the 12 held students of the branch" in held_back(world, "loans", 12).message

    def test_a_branch_is_shown_to_no_one(self, tmp_path: Path) -> None:
        with world_of(f"sqlite:///{tmp_path / 'b.db'}", tmp_path, BRANCHES) as world:
            world.says[ROSTER] = listed(numbers(3))
            world.says["loans"] = [{**row, "BRANCH": "未来城馆"} for row in lent(numbers(1))]
            world.run_all()
            stands = next(s for s in world.student(numbers(1)[0]).steps if s.step == "library")
            assert "未来城馆" not in repr(stands)
            for row in world.says["loans"]:
                row["BRANCH"] = "总馆"
            assert world.run("loans").counts.flips == 0


class TestWhoseRows:
    @pytest.fixture
    def new(self, status_url: str, tmp_path: Path) -> Iterator[World]:
        with world_of(status_url, tmp_path, SETTINGS.replace('first = "apply"', 'first = "suspend"')) as world:
            world.says[ROSTER] = listed(numbers(10))
            world.run(ROSTER)
            yield world

    @pytest.mark.parametrize("rows", [1, 19, 20])
    def test_a_first_answer_about_no_one_is_refused_at_any_size(self, new: World, rows: int) -> None:
        new.says["loans"] = lent([f"X{i}" for i in range(rows)])
        outcome = new.run("loans")
        assert (outcome.state, outcome.fault) == (RunState.FAILED, "garbled")
        assert "none is about a student on the roster" in outcome.message
        assert "columns.student" in outcome.message

    def test_readers_who_are_on_the_roster_are_enough(self, new: World) -> None:
        new.says["loans"] = lent(["X1"])
        new.population["loans"] = ["X1", numbers(10)[9]]
        assert new.run("loans").state is RunState.SUSPENDED
        new.population["loans"] = ["X1", "X2"]
        new.later(hours=80)
        assert new.run("loans").fault == "garbled"

    def test_first_apply_does_not_waive_it(self, sqlite_world: World) -> None:
        sqlite_world.says["loans"] = lent(["X1"])
        sqlite_world.run(ROSTER)
        assert sqlite_world.run("loans").fault == "garbled"

    def test_after_a_changed_question_it_is_refused_and_with_somebody_it_waits(self, tmp_path: Path) -> None:
        url = f"sqlite:///{tmp_path / 'q.db'}"
        with world_of(url, tmp_path) as world:
            settle(world, numbers(10), numbers(2))
            now, says = world.now, world.says
        changed = SETTINGS.replace('title = "TITLE", due', 'title = "BARCODE", due')
        with world_of(url, tmp_path, changed) as world:
            world.now, world.says = now, says
            world.says["loans"] = lent(["X1"])
            assert world.run("loans").fault == "garbled"
            world.says["loans"] = lent(numbers(2))
            stood = marks(world)
            outcome = world.run("loans")
            assert outcome.state is RunState.SUSPENDED, "first = apply waives the first answer only"
            assert "the settings of loans have changed" in outcome.message
            assert marks(world) == stood

    def test_a_contested_number_that_no_row_has_does_not_make_an_answer_one_about_the_roster(self, new: World) -> None:
        """One student's card is another's number: that proves nothing about what the library sends."""
        new.says[ROSTER][0]["一卡通"] = numbers(2)[1]
        new.run(ROSTER)
        new.says["loans"] = lent(["X1"])
        assert new.run("loans").fault == "garbled"

    def test_later_on_only_the_juniors_rows_are_left_and_that_is_no_fault(self, sqlite_world: World) -> None:
        settle(sqlite_world, numbers(10))
        juniors = lent([f"J{i}" for i in range(25)])
        sqlite_world.says["loans"] = [*juniors, *lent(numbers(3))]
        applied(sqlite_world, "loans")
        sqlite_world.says["loans"] = juniors
        applied(sqlite_world, "loans")
        assert sqlite_world.verdict(numbers(1)[0], "library") is Verdict.CLEARED


class TestLastYearsFile:
    def test_of_a_small_roster_it_is_looked_at(self, world: World) -> None:
        world.says[ROSTER] = listed(numbers(18))
        world.run_all()
        world.says[ROSTER] = listed([*numbers(18)[:2], *(f"2014{i:04}" for i in range(16))])
        stood = marks(world)
        outcome = world.run(ROSTER)
        assert outcome.state is RunState.SUSPENDED
        assert "16 of 18 students would no longer leave this year: this may be another year's list" in outcome.message
        assert marks(world) == stood

    def test_of_an_office_with_four_debtors_it_is_looked_at(self, world: World) -> None:
        settle(world, numbers(40))
        world.says["fees"] = owing(numbers(4))
        applied(world, "fees")
        world.says["fees"] = owing([f"2014{i:04}" for i in range(6)])
        outcome = held_back(world, "fees", 4)
        assert "0 of 6 rows are about students on the roster, where 4 of 4 were" in outcome.message


class TestQuality:
    def test_twenty_more_rows_without_an_amount_are_looked_at(self, world: World) -> None:
        world.says["fees"] = [*owing(numbers(150)), *owing(numbers(150), "1.00")]
        settle(world, numbers(200))
        world.says["fees"] = [*owing(numbers(150)), *owing(numbers(150)[:130], "1.00")]
        world.says["fees"] += owing(numbers(150)[130:], None)
        outcome = held_back(world, "fees")
        assert "20 of 300 rows have only a match hint (0), no amount (20) or nothing readable" in outcome.message
        assert "where 0 of 300 did (limit 5 points and 20 rows)" in outcome.message
        for row in world.says["fees"][-1:]:
            row["QFJE"] = "1.00"
        applied(world, "fees")
        with reading(world.engine) as connection:
            state = tables.source_state
            kept = connection.execute(select(state.c.quality).where(state.c.source == "fees")).scalar_one()
        assert (kept["rows"], kept["no_amount"], kept["poor"]) == (300, 19, 19)
        assert verified(world).sound

    def test_twenty_numbers_that_are_nearly_right_are_looked_at(self, sqlite_world: World) -> None:
        world = sqlite_world
        settle(world, numbers(300), numbers(250))
        mistyped = [f"{who[:-1]}O" for who in numbers(300) if who.endswith("0")][:20]
        world.says["loans"] = lent([*without(numbers(250), [who[:-1] + "0" for who in mistyped]), *mistyped])
        outcome = held_back(world, "loans")
        assert "have only a match hint (20)" in outcome.message

    def test_words_that_no_one_knows_count(self, sqlite_world: World) -> None:
        world = sqlite_world
        settle(world, numbers(200))
        world.says["checkouts"] = [{"学号": who, "清退状态": "已清退", "房间": "x"} for who in numbers(200)]
        applied(world, "checkouts")
        for row in world.says["checkouts"][:20]:
            row["清退状态"] = "封楼"
        assert "nothing readable (20)" in held_back(world, "checkouts").message


class TestNights:
    def test_a_nightly_source_has_an_ordinary_night_and_an_hourly_one_is_looked_at(self, sqlite_world: World) -> None:
        world = sqlite_world
        settle(world, numbers(400), numbers(200))
        world.says["loans"] = lent(numbers(200)[60:])
        outcome = held_back(world, "loans", 60)
        assert "60 of 200 held students would be cleared at once (limit 10 % and 20)" in outcome.message
        world.says["loans"] = lent(numbers(200))
        world.run("loans")
        world.later(hours=12)
        world.says["loans"] = lent(numbers(200)[60:])
        applied(world, "loans")

    def test_after_exactly_twelve_hours_it_is_not_a_night_yet(self, sqlite_world: World) -> None:
        world = sqlite_world
        settle(world, numbers(400), numbers(200))
        world.run("loans")
        began = world.now
        world.says["loans"] = lent(numbers(200)[60:])
        world.now = began + timedelta(hours=12) - timedelta(minutes=1)
        assert "at once" in held_back(world, "loans", 60).message

    def test_two_nights_are_not_summed_up_because_one_began_a_little_earlier(self, sqlite_world: World) -> None:
        world = sqlite_world
        settle(world, numbers(400), numbers(200))
        for left in (160, 128):
            world.later(hours=23, minutes=50)
            world.says["loans"] = lent(numbers(200)[200 - left :])
            applied(world, "loans")


class TestWhatIsShown:
    STRANGERS = ("ABCDEFGH", "99999999")

    def waiting(self, world: World) -> int:
        settle(world, numbers(200), numbers(60))
        world.says["loans"] = [*lent(numbers(60)[30:]), *lent(["2O150003", *self.STRANGERS])]
        run = held_back(world, "loans").run
        assert run is not None
        return run

    def test_the_unmatched_rows_of_the_very_answer_that_waits_are_shown(self, world: World) -> None:
        run = self.waiting(world)
        seen = world.sync.look(run, "loans")
        assert seen is not None
        assert seen.unmatched_count == 3
        assert next((u.key, u.hint, u.student) for u in seen.unmatched) == ("2O150003", "one_character", "20150003")
        assert {u.key for u in seen.unmatched} == {"2O150003", *self.STRANGERS}
        kept = world.reader.run(COHORT, run)
        assert kept is not None
        assert unmatched(world, "loans") == [], "nothing of it stands before it is approved"

    def test_approving_keeps_them_and_what_was_measured(self, world: World) -> None:
        run = self.waiting(world)
        before = world.sync.look(run, "loans")
        assert world.sync.approve(run, "loans", by="admin").state is RunState.APPLIED
        assert before is not None
        assert {key for key, _, _ in unmatched(world, "loans")} == {u.key for u in before.unmatched}
        with reading(world.engine) as connection:
            state = tables.source_state
            row = connection.execute(select(state).where(state.c.source == "loans")).one()
        assert row.unmatched_keys == 3
        assert (row.quality["rows"], row.quality["about"], row.quality["hinted"]) == (33, 30, 1)
        assert verified(world).sound

    def test_it_keeps_no_row_of_theirs(self, sqlite_world: World) -> None:
        run = self.waiting(sqlite_world)
        kept = sqlite_world.sync._marks.kept_snapshot(run)
        assert kept is not None

        assert {row[0] for row in snapshot_codec.unpack(kept[1]).rows} == set(numbers(60)[30:])


class TestApproval:
    def test_what_has_come_to_another_change_is_not_applied_even_within_the_limits(self, world: World) -> None:
        """An approval is of that very change, or of nothing."""
        settle(world, numbers(200), numbers(40))
        world.says["loans"] = lent(numbers(40)[21:], each=2)
        run = held_back(world, "loans", 21).run
        assert run is not None
        world.says["loans"] += lent(numbers(41)[40:])
        world.later(minutes=1)
        assert world.sync.recheck("loans", numbers(41)[40], by="student").state is RunState.APPLIED
        world.expected_changes.announce(
            "loans", Verdict.CLEARED, 30, world.now + timedelta(hours=5), author="x", note="", now=world.now
        )
        stood = marks(world)
        outcome = world.sync.approve(run, "loans", by="admin")
        assert outcome.state is RunState.SUSPENDED
        assert "the marks have moved since this was checked" in outcome.message
        assert marks(world) == stood
        assert world.sync.approve(run, "loans", by="admin").state is RunState.APPLIED

    def test_of_a_change_without_a_vote_nothing_is_applied(self, sqlite_world: World) -> None:
        settle(sqlite_world, numbers(200), numbers(40))
        sqlite_world.says["loans"] = lent(numbers(40)[21:])
        run = held_back(sqlite_world, "loans", 21).run
        assert run is not None
        stood = marks(sqlite_world)
        assert sqlite_world.sync.approve(run, "loans", by="admin", voted_on=b"another").fault == "not_waiting"
        assert marks(sqlite_world) == stood

    def test_it_restarts_the_sum(self, sqlite_world: World) -> None:
        settle(sqlite_world, numbers(400), numbers(100))
        sqlite_world.says["loans"] = lent(numbers(100)[20:])
        applied(sqlite_world, "loans")
        sqlite_world.says["loans"] = lent(numbers(100)[45:], each=2)
        run = held_back(sqlite_world, "loans", 25).run
        assert run is not None
        sqlite_world.sync.approve(run, "loans", by="admin")
        sqlite_world.says["loans"] = lent(numbers(100)[61:], each=3)
        applied(sqlite_world, "loans")

    def test_a_missing_proof_leaves_nothing_that_could_be_approved(self, sqlite_world: World) -> None:
        world = sqlite_world
        settle(world, numbers(60), numbers(30))

        class Unproven(VoteKind):
            def pull(self, *_: Any) -> Snapshot:
                snapshot = super().pull()
                return replace(
                    snapshot, proofs=tuple(p for p in snapshot.proofs if p.kind is ProofKind.COLUMNS_PRESENT)
                )

        def connect(name: str) -> Connector:
            return Unproven(world, name, Question(name, world.settings.source[name].columns, world.clock))

        world.sync._connect = connect
        world.says["loans"] = []
        outcome = world.run("loans")
        assert (outcome.state, outcome.fault) == (RunState.FAILED, "garbled")
        assert outcome.run is not None
        assert world.sync.approve(outcome.run, "loans", by="admin").fault == "not_waiting"
