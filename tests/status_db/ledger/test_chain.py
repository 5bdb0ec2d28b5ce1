"""The ledger: one chain, one key outside the database, and nothing written without either."""

import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from sqlalchemy import delete, select, text, update

from status_db import tables
from status_db.decisions.certificates import Handover, Issue
from status_db.decisions.writer import DecisionRequest
from status_db.ledger import key as ledger_key
from status_db.ledger.chain import Ledger, LedgerHead, PendingLink
from status_db.ledger.key import LedgerRefused
from status_db.ledger.seals import NOTHING, Seals, canonical, moved
from status_db.model import ROSTER, SETTINGS, RunState, Verdict
from status_db.store.engine import StoreError, reading
from status_db.store.keys import KeyRefused
from status_db.store.migrate import upgrade
from sync.verify.report import VerifyReport, verify
from tests.cast import GEOLOGY_LOAN, GEOLOGY_LOANS, LIN, POETRY_LOAN, QIAN, SUN, ZHAO
from tests.world import COHORT, World

REASON = "现场归还"


def links(world: World) -> list[tuple[int, str]]:
    """Return each link's number and kind."""
    table = tables.ledger
    with world.engine.connect() as connection:
        return [(r.link, r.kind) for r in connection.execute(select(table).order_by(table.c.link))]


def verified(world: World) -> VerifyReport:
    """Verify a world as it is."""
    seals = ledger_key.read(world.settings.status_db.ledger_key_file)
    assert seals is not None
    with reading(world.reading) as connection:
        return verify(connection, world.settings, COHORT, seals, world.now)


def decided(world: World, student: str) -> None:
    """Decide a student's library step."""
    world.decisions.enter(DecisionRequest(student, "library", Verdict.CLEARED, REASON), "librarian", world.now)


class TestLinks:
    def test_each_write_that_counts_has_one_and_others_have_none(self, world: World) -> None:
        world.run(ROSTER)
        world.run("loans")
        world.run("loans")
        decided(world, LIN.number)
        world.decisions.withdraw(LIN.number, "library", "librarian", world.now)
        world.says["loans"] = [{**GEOLOGY_LOAN, "CARD": ""}] * 2
        world.sync.open_cohort()
        kinds = ["checkpoint", "settings", "run", "run", "run", "decision", "decision"]
        assert links(world) == list(enumerate(kinds, start=1))

    def test_a_run_that_is_held_back_or_fails_has_none_until_it_is_approved(self, world: World) -> None:
        world.says["loans"] = list(GEOLOGY_LOANS)
        world.run_all()
        before = len(links(world))
        world.says["loans"] = []
        outcome = world.run("loans")
        assert outcome.state is RunState.SUSPENDED
        assert outcome.run is not None
        assert len(links(world)) == before
        world.sync.approve(outcome.run, "loans", by="admin")
        assert len(links(world)) == before + 1

    def test_the_head_goes_to_the_log_once_it_is_committed(self, sqlite_world: World) -> None:
        with structlog.testing.capture_logs() as logged:
            sqlite_world.run(ROSTER)
        (head,) = [entry for entry in logged if entry["event"] == "ledger head"]
        report = verified(sqlite_world)
        assert report.head == (head["link"], head["mac"])

    def test_a_crash_before_the_commit_leaves_no_link_and_the_old_state(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world.run_all()
        before, close = links(world), PendingLink.close

        def crash(entry: PendingLink) -> LedgerHead:
            close(entry)
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(PendingLink, "close", crash)
            with pytest.raises(KeyboardInterrupt):
                decided(world, LIN.number)
            world.says["loans"] = [GEOLOGY_LOAN]
            with pytest.raises(KeyboardInterrupt):
                world.run("loans")
        assert links(world) == before
        assert verified(world).sound
        assert world.run("loans").state is RunState.APPLIED

    def test_two_writers_at_once_keep_one_chain(self, world: World, tmp_path: Path) -> None:
        world.run_all()
        before = len(links(world))
        with World(world.url, tmp_path) as other:
            together, failures = threading.Barrier(2), list[BaseException]()

            def work(mine: World, student: str) -> None:
                try:
                    together.wait(10)
                    for _ in range(5):
                        mine.decisions.enter(DecisionRequest(student, "library", Verdict.HELD, REASON), "op", world.now)
                        mine.decisions.withdraw(student, "library", "op", world.now)
                except BaseException as error:  # noqa: BLE001 - told to the test below
                    failures.append(error)

            threads = [threading.Thread(target=work, args=pair) for pair in ((world, LIN.number), (other, SUN.number))]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(60)
        assert failures == []
        assert [number for number, _ in links(world)] == list(range(1, before + 21))
        assert verified(world).sound


class TestTheKey:
    def file(self, world: World) -> Path:
        return world.settings.status_db.ledger_key_file

    def test_it_is_made_once_for_this_user_alone(self, sqlite_world: World) -> None:
        file = self.file(sqlite_world)
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert len(bytes.fromhex(file.read_text(encoding="ascii").strip())) == 32
        assert [left.name for left in file.parent.glob("ledger.key*")] == ["ledger.key"]

    def test_whoever_is_quicker_makes_it(self, tmp_path: Path) -> None:
        file = tmp_path / "keys" / "ledger.key"
        first = ledger_key.make(file).row("record", ("x",))
        assert ledger_key.make(file).row("record", ("x",)) == first

    def test_it_is_in_no_table_and_in_no_log(self, sqlite_world: World, tmp_path: Path) -> None:
        with structlog.testing.capture_logs() as logged:
            sqlite_world.run_all()
            decided(sqlite_world, LIN.number)
        key = self.file(sqlite_world).read_text(encoding="ascii").strip()
        stored = b"".join(file.read_bytes() for file in tmp_path.glob("clearance.db*"))
        for secret in (key.encode(), bytes.fromhex(key)):
            assert secret not in stored
        assert key not in repr(logged) + repr(sqlite_world.ledger) + repr(ledger_key.read(self.file(sqlite_world)))

    @pytest.fixture
    def begun(self, sqlite_world: World) -> World:
        sqlite_world.run_all()
        sqlite_world.ledger = Ledger(self.file(sqlite_world), COHORT)
        sqlite_world.writer._ledger = sqlite_world.ledger
        return sqlite_world

    def test_without_it_nothing_is_written_any_more(self, begun: World) -> None:
        self.file(begun).unlink()
        before = links(begun)
        with pytest.raises(LedgerRefused, match=r"is missing. Restore that file"):
            decided(begun, LIN.number)
        assert not self.file(begun).exists(), "a new one would seal over what the old one vouched for"
        assert links(begun) == before
        assert begun.reader.decisions(COHORT) == ()

    def test_with_another_one_nothing_is_written_either(self, begun: World) -> None:
        self.file(begun).unlink()
        ledger_key.make(self.file(begun))
        with pytest.raises(LedgerRefused, match="is not the key of this ledger"):
            decided(begun, LIN.number)

    @pytest.mark.parametrize("said", ["", "abcd", "not hex at all", "é"])
    def test_what_is_no_key_is_refused_and_not_repeated(self, begun: World, said: str) -> None:
        self.file(begun).write_text(said, encoding="utf-8")
        with pytest.raises(KeyRefused, match="ledger's key") as refused:
            decided(begun, LIN.number)
        assert not said or said not in str(refused.value)

    def test_a_folder_that_cannot_be_written_reports_it(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("", encoding="ascii")
        with pytest.raises(StoreError, match="ledger_key_file"):
            ledger_key.make(tmp_path / "file" / "ledger.key")

    def test_a_ledger_that_was_taken_away_is_not_begun_again(self, begun: World) -> None:
        """A new checkpoint would vouch for whatever somebody has altered."""
        with begun.engine.begin() as connection:
            connection.execute(delete(tables.ledger))
        with pytest.raises(LedgerRefused, match="is missing"):
            decided(begun, LIN.number)
        assert links(begun) == []


class TestWhatIsKeptForApproval:
    def held_back(self, world: World) -> int:
        world.says["loans"] = list(GEOLOGY_LOANS)
        world.run_all()
        world.says["loans"] = []
        outcome = world.run("loans")
        assert outcome.run is not None
        return outcome.run

    @pytest.mark.parametrize(
        ("column", "value"),
        [("digest", b"0" * 16), ("snapshot", b"0" * 16), ("mac", b"0" * 16), ("look", "{}"), ("look", None)],
    )
    def test_an_answer_that_was_exchanged_cannot_be_approved(
        self, world: World, column: str, value: bytes | str | None
    ) -> None:
        run, table = self.held_back(world), tables.pending
        with world.engine.begin() as connection:
            connection.execute(update(table).values({column: value}))
        with pytest.raises(LedgerRefused, match="was altered after it was suspended"):
            world.sync.approve(run, "loans", by="admin")
        assert world.verdict(LIN.number, "library") is Verdict.HELD


class TestADatabaseFromBefore:
    @pytest.fixture
    def old(self, status_url: str, tmp_path: Path) -> Iterator[World]:
        """A world of the first version, as the program of then left it."""
        with World(status_url, tmp_path) as world:
            world.says["loans"] = [*GEOLOGY_LOANS, POETRY_LOAN]
            world.run_all()
            decided(world, ZHAO.number)
            world.says["loans"] = []
            assert world.run("loans").state is RunState.SUSPENDED
            with world.engine.begin() as connection:
                connection.execute(text("DROP TABLE ledger"))
                for table in ("record", "student", "decision", "certificate", "pending", "wave", "opinion"):
                    connection.execute(text(f"ALTER TABLE {table} DROP COLUMN mac"))
                connection.execute(text("ALTER TABLE flip DROP COLUMN link"))
                connection.execute(text("ALTER TABLE pending DROP COLUMN look"))
                connection.execute(text("DROP TABLE batch"))
                for table in ("applied_settings", "reversal", "outbox"):
                    connection.execute(text(f"DROP TABLE {table}"))
                for column in ("location_digest", "one_proven", "as_of", "quality"):
                    connection.execute(text(f"ALTER TABLE source_state DROP COLUMN {column}"))
                connection.execute(text("DROP INDEX ix_decision_batch"))
                for column in ("file_number", "condition", "sheet", "batch", "accepts"):
                    connection.execute(text(f"ALTER TABLE decision DROP COLUMN {column}"))
                for column in ("collected_at", "handed_over_by"):
                    connection.execute(text(f"ALTER TABLE certificate DROP COLUMN {column}"))
                connection.execute(text("UPDATE version_marks SET version_num = '0004'"))
            now = world.now
        assert upgrade(status_url, "marks")[0] == "0004"
        with World(status_url, tmp_path) as world:
            world.now = now
            yield world

    def test_its_ledger_begins_with_a_checkpoint_over_what_is_stored(self, old: World) -> None:
        # Settings were not recorded then: the first run is the one that does.
        assert links(old) == [(1, "checkpoint"), (2, "run")]
        assert [run.source for run in old.reader.runs(COHORT, limit=1)] == [SETTINGS]
        assert verified(old).sound
        old.says["loans"] = [GEOLOGY_LOAN]
        old.run("fines")
        old.decisions.withdraw(ZHAO.number, "library", "librarian", old.now)
        assert verified(old).sound

    def test_what_was_suspended_can_still_be_approved(self, old: World) -> None:
        (waiting,) = [run for run in old.reader.runs(COHORT) if run.state is RunState.SUSPENDED]
        assert old.sync.approve(waiting.run, "loans", by="admin").state is RunState.APPLIED
        assert old.verdict(QIAN.number, "library") is Verdict.CLEARED
        assert verified(old).sound

    @pytest.mark.parametrize("table", [tables.flip, tables.run, tables.record, tables.student])
    def test_what_was_then_is_vouched_for_from_then_on(self, old: World, table: object) -> None:
        named = {"flip": "reason", "run": "by", "record": "reason", "student": "name"}
        assert isinstance(table, type(tables.flip))
        with old.engine.begin() as connection:
            connection.execute(update(table).values({named[table.name]: "x"}))
        assert table.name in {found.table for found in verified(old).disagreements}


class TestSeals:
    def test_no_two_rows_have_one_form(self) -> None:
        rows = [("a", "b"), ("ab", ""), ("a", None, "b"), ("1",), (1,), (b"1",), (b"\x31", None), (None,), ()]
        assert len({canonical(row) for row in rows}) == len(rows)

    def test_a_set_comes_to_the_same_in_whatever_order_its_rows_came(self) -> None:
        seals = Seals(bytes(range(32)))
        weights = [seals.weight(seals.row("record", (i,))) for i in range(5)]
        one_way = two_way = NOTHING
        for weight in weights:
            one_way = moved(one_way, weight)
        for weight in reversed(weights):
            two_way = moved(two_way, weight)
        assert one_way == two_way
        for weight in weights:
            one_way = moved(one_way, -weight)
        assert one_way == NOTHING

    def test_a_seal_is_of_its_table_and_its_key(self) -> None:
        one, other = Seals(bytes(32)), Seals(b"k" * 32)
        seals = {one.row("record", ("x",)), one.row("student", ("x",)), other.row("record", ("x",))}
        assert len(seals) == 3


class TestYoungerColumns:
    """Decisions and certificates have got columns since they were first sealed."""

    def test_a_row_from_before_them_still_agrees_with_its_seal(self) -> None:
        seals, row = Seals(bytes(32)), ("2019", 1, "x", None)
        assert seals.row("decision", (*row, None, None, None, None, None)) == seals.row("decision", (*row, *[None] * 5))
        older = Seals(bytes(32))._rows["decision"].copy()
        older.update(canonical(row))
        assert seals.row("decision", (*row, *[None] * 5)) == older.digest()

    @pytest.mark.parametrize("at", range(5))
    def test_what_holds_something_is_sealed_wherever_it_is(self, at: int) -> None:
        seals, row = Seals(bytes(32)), ("2019", 1, "x", None)
        blank = seals.row("decision", (*row, *[None] * 5))
        said = [None] * at + ["x"] + [None] * (4 - at)
        assert seals.row("decision", (*row, *said)) != blank
        shifted = {seals.row("decision", (*row, *[None] * i, "x", *[None] * (4 - i))) for i in range(5)}
        assert len(shifted) == 5

    @pytest.mark.parametrize("column", ["file_number", "condition", "sheet", "batch", "accepts"])
    def test_no_one_adds_to_a_decision_unseen(self, sqlite_world: World, column: str) -> None:
        sqlite_world.run(ROSTER)
        decided(sqlite_world, LIN.number)
        assert verified(sqlite_world).sound
        value = {"batch": 1, "accepts": {"library": "x"}}.get(column, "x")
        with sqlite_world.engine.begin() as connection:
            connection.execute(update(tables.decision).values({column: value}))
        assert not verified(sqlite_world).sound

    def test_no_one_has_a_certificate_leave_unseen(self, sqlite_world: World) -> None:
        sqlite_world.says["checkouts"] = [{"学号": SUN.number, "清退状态": "已清退", "房间": "1"}]
        sqlite_world.run_all()
        now = sqlite_world.now
        sqlite_world.decisions.enter(
            DecisionRequest(SUN.number, "college_items", Verdict.CLEARED, "无借阅"), "college", now
        )
        sqlite_world.reviews.review(
            DecisionRequest(SUN.number, "final_review", Verdict.CLEARED, "通过"), "secretary", now
        )
        sqlite_world.register.issue(Issue(SUN.number, "CERT-1", "毕业证书", ""), "secretary", now)
        sqlite_world.register.hand_over(Handover("CERT-1", "agent", "王芳，委托书 7 号"), "secretary", now)
        assert verified(sqlite_world).sound
        with sqlite_world.engine.begin() as connection:
            connection.execute(update(tables.certificate).values(handed_over_by="dean"))
        assert not verified(sqlite_world).sound
