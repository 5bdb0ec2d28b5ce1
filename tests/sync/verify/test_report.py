"""Verify, on SQLite and on PostgreSQL: what no one has altered agrees, and what somebody alters is found and named."""

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Boolean, Column, Connection, Integer, LargeBinary, Table, delete, func, insert, select, update

from config.load import load
from connectors import memory
from status_db import tables
from status_db.decisions.refusals import DecisionRefused
from status_db.decisions.writer import DecisionRequest
from status_db.ledger import key as ledger_key
from status_db.ledger.reader import LedgerReader
from status_db.ledger.seals import Seals
from status_db.model import ROSTER, Obligation, RunState, Verdict
from status_db.store.engine import reading
from status_db.tables import Instant, Json, Obligations
from sync.verify.report import VerifyReport, verify
from tests.cast import EVERYBODY, GEOLOGY_LOAN, LI, LIN, MORNING, POETRY_LOAN, QIAN, SUN, ZHAO, ZHOU
from tests.world import COHORT, SETTINGS, World

SEED = 20190525


def seals_of(world: World) -> Seals:
    """Return what seals with the world's key."""
    found = ledger_key.read(world.settings.status_db.ledger_key_file)
    assert found is not None
    return found


def verified(world: World, heads: dict[int, str] | None = None) -> VerifyReport:
    """Verify a world as it is."""
    with reading(world.reading) as connection:
        return verify(connection, world.settings, COHORT, seals_of(world), world.now, heads)


def listed(**changes: dict[str, str]) -> list[dict[str, str]]:
    """Return the registrar's list with some students' columns changed."""
    return [person.listed() | changes.get(f"n{person.number}", {}) for person in EVERYBODY]


@pytest.fixture
def lived(world: World) -> World:
    """A world with some days behind it, on both databases."""
    return live(world)


@pytest.fixture
def sqlite_lived(sqlite_world: World) -> World:
    """The same on SQLite alone, for what does not depend on the database."""
    return live(sqlite_world)


def live(world: World) -> World:
    """Have every kind of write there is happen in a world."""
    world.says["loans"] = [GEOLOGY_LOAN, POETRY_LOAN]
    world.says["fines"] = [{"CARD": QIAN.number, "AMOUNT": "3.20"}]
    world.says["fees"] = [
        {"XH": LIN.number, "QFJE": "1200.00", "XM": "学费"},
        {"XH": SUN.number, "QFJE": 5, "XM": "卡费"},
        *({"XH": SUN.number, "QFJE": "0.00", "XM": f"第{i}学期"} for i in range(3)),
    ]
    world.says["checkouts"] = [{"学号": LIN.number, "清退状态": "未清退", "房间": "412"}]
    world.run_all()
    world.decisions.enter(
        DecisionRequest(LIN.number, "library", Verdict.CLEARED, "现场归还", "书已收到", "柜台"), "librarian", world.now
    )
    world.decisions.enter(DecisionRequest(QIAN.number, "finance", Verdict.HELD, "数据有误"), "cashier", world.now)
    world.later(minutes=5)
    world.decisions.withdraw(QIAN.number, "finance", "cashier", world.now)
    world.decisions.enter(
        DecisionRequest(SUN.number, "finance", Verdict.EXEMPT, "缓交批准", until=world.now + timedelta(days=9)),
        "cashier",
        world.now,
    )
    world.says["loans"] = [POETRY_LOAN, {**GEOLOGY_LOAN, "BARCODE": "B0009"}]
    world.run("loans")
    world.run("loans")
    world.says[ROSTER] = [row for row in listed(n20152004={"楼栋": "西区4栋"}) if row["学号"] != LI.number]
    world.run(ROSTER)
    world.says[ROSTER] = listed(n20152004={"楼栋": "西区4栋", "一卡通": "C-2004"})
    world.run(ROSTER)
    world.says["fees"] = []
    held_back = world.run("fees")
    assert held_back.state is RunState.SUSPENDED
    assert held_back.run is not None
    world.later(minutes=5)
    assert world.sync.approve(held_back.run, "fees", by="admin").state is RunState.APPLIED
    world.says["loans"] = [POETRY_LOAN]
    world.later(minutes=1)
    world.sync.recheck("loans", LIN.number, by=LIN.number)
    world.says[ROSTER] = [row for row in world.says[ROSTER] if row["学号"] != ZHAO.number]
    world.run(ROSTER)
    return world


def test_what_no_one_has_altered_agrees(lived: World) -> None:
    report = verified(lived)
    assert report.disagreements == ()
    assert report.looked_at["students"] == len(EVERYBODY)
    assert report.looked_at["links"] > 12


def test_a_world_that_has_hardly_begun_agrees(world: World) -> None:
    assert verified(world).sound
    world.run(ROSTER)
    assert verified(world).sound


def test_settings_that_change_are_reported_and_are_no_tampering(sqlite_world: World, tmp_path: Path) -> None:
    sqlite_world.run_all()
    file = tmp_path / "changed.toml"
    text = SETTINGS.replace('exempt = [{ building = ["校外走读"] }]', 'exempt = [{ building = ["东区12栋"] }]')
    file.write_text(text, encoding="utf-8")
    changed = load(file, {"memory": memory.Settings}.get, {"STATUS_URL": sqlite_world.url})
    with reading(sqlite_world.reading) as connection:
        report = verify(connection, changed, COHORT, seals_of(sqlite_world), sqlite_world.now)
    assert report.disagreements == ()
    assert any("the settings file differs from the settings that are applied" in note for note in report.notes)
    assert any("exempt of dorm" in note for note in report.notes)
    assert not any("library" in note for note in report.notes)


class TestAnyHistory:
    """Nothing that the program does itself may look like tampering."""

    @pytest.mark.parametrize("seed", range(3))
    def test_after_every_step_of_it_everything_agrees(self, sqlite_world: World, seed: int) -> None:
        walk = Walk(sqlite_world, random.Random(seed))
        sqlite_world.run(ROSTER)
        for number in range(60):
            done = walk.step()
            report = verified(sqlite_world)
            assert report.disagreements == (), f"step {number}: {done}"


class Walk:
    """Does one thing after another, as offices, operators and administrators do."""

    def __init__(self, world: World, chance: random.Random) -> None:
        self.world = world
        self.chance = chance
        self.people = [person.number for person in EVERYBODY]

    def step(self) -> str:
        """Do one thing; return what it was."""
        world, chance = self.world, self.chance
        world.later(minutes=chance.randint(1, 90))
        who, source = chance.choice(self.people), chance.choice(["loans", "fines", "fees", "checkouts"])
        what = chance.choice(
            [self.sync, self.sync, self.recheck, self.decide, self.withdraw, self.roster, self.approve]
        )
        try:
            return f"{what.__name__} {who} {source}: {what(who, source)}"
        except DecisionRefused as error:
            return str(error)

    def sync(self, who: str, source: str) -> object:
        """Change what a source reports about somebody, and run it."""
        rows = self.world.says[source]
        key = {"fees": "XH", "checkouts": "学号"}.get(source, "CARD")
        kept = [row for row in rows if row[key] != who]
        made: dict[str, dict[str, Any]] = {
            "loans": {**GEOLOGY_LOAN, "CARD": who, "BARCODE": f"B{self.chance.randint(1, 3)}"},
            "fines": {"CARD": who, "AMOUNT": self.chance.choice(["0.00", "1.50", "x", -2])},
            "fees": {"XH": who, "QFJE": self.chance.randint(-2, 3) * 100, "XM": "学费"},
            "checkouts": {"学号": who, "清退状态": self.chance.choice(["已清退", "未清退", "外宿", "?"]), "房间": "1"},
        }
        self.world.says[source] = [*kept, made[source]] if self.chance.random() < 0.7 else kept
        return self.world.run(source).state

    def recheck(self, who: str, source: str) -> object:
        """Ask about one student."""
        return self.world.sync.recheck(source, who, by=who).state

    def decide(self, who: str, source: str) -> object:
        """Decide a step, sometimes for some hours only."""
        step = self.chance.choice(["library", "finance", "dorm", "college_items"])
        reason = {"library": "赔书", "finance": "数据有误"}.get(step, "办理")
        verdict = self.chance.choice([Verdict.CLEARED, Verdict.HELD, Verdict.EXEMPT])
        until = self.chance.choice([None, self.world.now + timedelta(hours=2)])
        return self.world.decisions.enter(
            DecisionRequest(who, step, verdict, reason, until=until), "op", self.world.now
        ).id

    def withdraw(self, who: str, source: str) -> object:
        """Take a decision back."""
        step = self.chance.choice(["library", "finance", "dorm", "college_items"])
        return self.world.decisions.withdraw(who, step, "op", self.world.now).id

    def roster(self, who: str, source: str) -> object:
        """Have somebody leave the list, come back, or stand on it otherwise."""
        rows = [row for row in self.world.says[ROSTER] if row["学号"] != who]
        person = next(person for person in EVERYBODY if person.number == who)
        change = self.chance.choice(
            [{}, {"楼栋": "校外走读"}, {"类别": "延期"}, {"培养层次": "硕士"}, {"一卡通": "NEW"}]
        )
        self.world.says[ROSTER] = rows if self.chance.random() < 0.3 else [*rows, person.listed() | change]
        return self.world.run(ROSTER).state

    def approve(self, who: str, source: str) -> object:
        """Approve the newest run that waits."""
        waiting = [r for r in self.world.reader.runs(COHORT) if r.state is RunState.SUSPENDED]
        return [self.world.sync.approve(r.run, r.source, by="admin").state for r in waiting[:1]]


#: Where tampering with a table may be told: a student's other numbers are sealed with the student.
NAMED = {"alias": "student"}
TAMPERED = (
    tables.record, tables.student, tables.alias, tables.decision, tables.status, tables.flip, tables.ledger,
    tables.source_state, tables.run,
)  # fmt: skip
#: A lease comes and goes; whoever alters it only delays the next run.
LEFT_OPEN = {"lease_run", "lease_until", "lease_owner"}


class Tampering:
    """Alters a database behind its program's back, and takes it back again."""

    def __init__(self, world: World, chance: random.Random) -> None:
        self.world = world
        self.chance = chance

    @contextmanager
    def undone(self) -> Iterator[Connection]:
        """Give a connection whose changes do not stay."""
        with self.world.engine.connect() as connection:
            sqlite = connection.dialect.name == "sqlite"
            if sqlite:
                connection.exec_driver_sql("BEGIN")
            yield connection
            if sqlite:
                connection.exec_driver_sql("ROLLBACK")
            connection.rollback()

    def report(self, connection: Connection, heads: dict[int, str] | None = None) -> VerifyReport:
        """Verify what the connection sees."""
        return verify(connection, self.world.settings, COHORT, seals_of(self.world), self.world.now, heads)

    def rows(self, connection: Connection, table: Table) -> list[dict[str, Any]]:
        """Return the rows worth altering: those of students who are still listed, and of runs that changed marks."""
        keys = [column.key for column in table.columns]
        rows = [dict(zip(keys, row, strict=True)) for row in connection.execute(select(table))]
        match table.name:
            case "status":
                rows = [row for row in rows if row["student"] not in (ZHAO.number, ZHOU.number)]
            case "run":
                rows = [row for row in rows if row["state"] in ("applied", "unchanged")]
        return sorted(rows, key=repr)

    def where(self, table: Table, row: dict[str, Any]) -> list[Any]:
        """Find this row."""
        return [column == row[column.key] for column in table.primary_key]

    def other(self, column: Column[Any], value: Any) -> Any:
        """Return another value that the column takes."""
        kind = column.type
        if column.key in ("verdict", "before", "after", "answered_verdict"):
            return self.chance.choice([str(v) for v in Verdict if v != value])
        match kind:
            case Instant():
                return (value or self.world.now) + timedelta(seconds=1)
            case Obligations():
                return (*(value or ()), Obligation("loan", "another"))
            case Json():
                return [*value, "x"] if isinstance(value, list) else {**(value or {}), "x": "y"}
            case Boolean():
                return not value
            case LargeBinary():
                return bytes([(value or b"\0")[0] ^ 1]) + (value or b"\0")[1:]
            case Integer():
                return (value or 0) + 1000
            case _:
                return f"{value or ''}x"[-40:]

    def edits(self) -> Iterator[tuple[str, Table, Callable[[Connection], Any]]]:
        """Give one edit of each column of each table."""
        for table in TAMPERED:
            for column in table.columns:
                if column.key not in LEFT_OPEN:
                    yield f"edit {table.name}.{column.key}", table, self.edit(table, column)

    def edit(self, table: Table, column: Column[Any]) -> Callable[[Connection], Any]:
        def do(connection: Connection) -> None:
            rows = self.rows(connection, table)
            if column is tables.flip.c.flip:
                # A number that only grows at the very end is in order still, and says nothing else.
                rows = [row for row in rows if row["link"] < max(other["link"] for other in rows)]
            row = self.chance.choice(rows)
            changed = {column.key: self.other(column, row[column.key])}
            connection.execute(update(table).where(*self.where(table, row)).values(changed))

        return do

    def others(self) -> Iterator[tuple[str, Table, Callable[[Connection], Any]]]:
        """Give what is done with whole rows of each table."""
        for table in TAMPERED:
            yield f"delete from {table.name}", table, self.deleted(table)
            yield f"add to {table.name}", table, self.added(table)
            yield f"swap in {table.name}", table, self.swapped(table)

    def deleted(self, table: Table) -> Callable[[Connection], Any]:
        def do(connection: Connection) -> None:
            # The newest link is a cut tail, which is another story.
            row = self.chance.choice(
                [r for r in self.rows(connection, table) if r.get("link") != self.newest(connection)]
            )
            if table is tables.run:
                # What hangs on a run goes with it.
                connection.execute(delete(tables.pending))
                connection.execute(delete(tables.reversal).where(tables.reversal.c.run == row["run"]))
            connection.execute(delete(table).where(*self.where(table, row)))

        return do

    def newest(self, connection: Connection) -> int:
        """Return the newest link's number."""
        number: int = connection.execute(select(func.max(tables.ledger.c.link))).scalar_one()
        return number

    def added(self, table: Table) -> Callable[[Connection], Any]:
        def do(connection: Connection) -> None:
            row = self.chance.choice(self.rows(connection, table))
            for name in ("flip", "decision", "run") if table.name in ("flip", "decision", "run") else ():
                if name == table.name:
                    row[name] = 99_000
            match table.name:
                case "ledger":
                    row["link"] = self.newest(connection) + 1
                case "source_state":
                    row |= {"source": "ghost", "held": 3}
                case "status":
                    row["step"] = "ghost"
                case "run":
                    row["slot"] = None
                case "decision":
                    row["step"] = "college_items"
                case "record" | "student":
                    row["student"] = "20999999"
                case "alias":
                    row["alias"] = "GHOST"
            connection.execute(insert(table).values(row))

        return do

    def swapped(self, table: Table) -> Callable[[Connection], Any]:
        def do(connection: Connection) -> None:
            keys = {c.key for c in table.primary_key} | ({"slot"} if table is tables.run else set())
            rows = self.rows(connection, table)
            one, two = self.chance.choice(
                [(a, b) for a in rows for b in rows if _rest(a, keys) != _rest(b, keys) and self._apart(table, a, b)]
            )
            if table is tables.decision:
                # Only one may stand for a step at any moment, in between as well.
                connection.execute(update(table).where(*self.where(table, one)).values(step="between"))
            connection.execute(update(table).where(*self.where(table, two)).values(_rest(one, keys)))
            connection.execute(update(table).where(*self.where(table, one)).values(_rest(two, keys)))

        return do

    def _apart(self, table: Table, one: dict[str, Any], two: dict[str, Any]) -> bool:
        # Who is told the same by the same run is told the same if swapped.
        return table is not tables.status or (one["verdict"], one["step"]) != (two["verdict"], two["step"])


def _rest(row: dict[str, Any], keys: set[str]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in keys}


class TestTampering:
    def test_each_edit_addition_deletion_and_swap_is_found_in_its_table(self, lived: World) -> None:
        tampering = Tampering(lived, random.Random(SEED))
        missed: list[str] = []
        cases = [*tampering.edits(), *tampering.others()]
        assert len(cases) > 100
        for what, table, tamper in cases:
            with tampering.undone() as connection:
                tamper(connection)
                report = tampering.report(connection)
            told = {found.table for found in report.disagreements}
            if NAMED.get(table.name, table.name) not in told:
                missed.append(f"{what}: {report.disagreements or 'nothing'}")
        assert missed == []
        assert verified(lived).sound, "what was taken back again leaves no trace"

    def test_the_first_bad_row_is_named_and_the_others_counted(self, sqlite_lived: World) -> None:
        tampering = Tampering(sqlite_lived, random.Random(SEED))
        with tampering.undone() as connection:
            connection.execute(update(tables.student).values(name="somebody"))
            (found,) = [f for f in tampering.report(connection).disagreements if f.table == "student"]
        assert found.key == LI.number
        assert found.more == len(EVERYBODY) - 1

    def test_a_cleared_record_is_found_although_the_finding_was_altered_to_fit(self, sqlite_lived: World) -> None:
        tampering = Tampering(sqlite_lived, random.Random(SEED))
        with tampering.undone() as connection:
            connection.execute(delete(tables.record).where(tables.record.c.student == QIAN.number))
            mine = (tables.status.c.student == QIAN.number, tables.status.c.step == "library")
            connection.execute(
                update(tables.status).where(*mine).values(verdict="cleared", reason="nothing_owed", evidence_keys=None)
            )
            told = {(f.table, f.key) for f in tampering.report(connection).disagreements}
        assert ("record", "records:fines") in told
        assert ("status", f"{QIAN.number} library") in told, "its flips end in held"

    def test_links_that_change_places_are_found(self, sqlite_lived: World) -> None:
        tampering, link = Tampering(sqlite_lived, random.Random(SEED)), tables.ledger.c.link
        with tampering.undone() as connection:
            for number, becomes in ((5, 9_005), (6, 5), (9_005, 6)):
                connection.execute(update(tables.ledger).where(link == number).values(link=becomes))
            (found,) = [f for f in tampering.report(connection).disagreements if f.table == "ledger"]
        assert found.key == "link 5"

    def test_a_row_put_back_as_it_once_was_is_found(self, sqlite_world: World) -> None:
        """Its seal is a true one, of another day."""
        sqlite_world.says["loans"] = [GEOLOGY_LOAN, POETRY_LOAN]
        sqlite_world.run_all()
        table = tables.record
        with sqlite_world.engine.connect() as connection:
            once = dict(connection.execute(select(table).where(table.c.student == LIN.number)).one()._mapping)
        sqlite_world.says["loans"] = [{**GEOLOGY_LOAN, "BARCODE": "B0009"}, POETRY_LOAN]
        sqlite_world.run("loans")
        with sqlite_world.engine.begin() as connection:
            connection.execute(update(table).where(table.c.student == LIN.number).values(once))
        assert ("record", "records:loans") in {(f.table, f.key) for f in verified(sqlite_world).disagreements}

    def test_what_was_altered_stays_found_after_the_program_has_written_on(self, sqlite_world: World) -> None:
        """A new seal over an altered row would cover up that it was altered."""
        sqlite_world.says["loans"] = [GEOLOGY_LOAN]
        sqlite_world.run_all()
        table = tables.student
        with sqlite_world.engine.begin() as connection:
            connection.execute(update(table).where(table.c.student == LIN.number).values(joined_at=sqlite_world.now))
        sqlite_world.says[ROSTER] = listed(n20151001={"班级": "011152"})
        assert sqlite_world.run(ROSTER).state is RunState.APPLIED
        assert LIN.number in {f.key for f in verified(sqlite_world).disagreements if f.table == "student"}

    @pytest.mark.parametrize(
        ("column", "value"), [("recent_rows", [2]), ("approved_at", MORNING), ("held", 9), ("settings_digest", b"x")]
    )
    def test_what_the_guard_goes_by_stays_found_after_the_next_run(
        self, sqlite_world: World, column: str, value: object
    ) -> None:
        """The run writes it on, and its link reports that it was not as it had been left."""
        sqlite_world.says["loans"] = [GEOLOGY_LOAN]
        sqlite_world.run_all()
        table = tables.source_state
        with sqlite_world.engine.begin() as connection:
            connection.execute(update(table).where(table.c.source == "loans").values({column: value}))
        sqlite_world.says["loans"] = [GEOLOGY_LOAN, POETRY_LOAN]
        after = sqlite_world.run("loans")
        if after.state is RunState.SUSPENDED:
            # Another digest is another question, whose first answer waits.
            assert after.run is not None
            assert sqlite_world.sync.approve(after.run, "loans", by="admin").state is RunState.APPLIED
        told = [found for found in verified(sqlite_world).disagreements if found.table == "source_state"]
        assert any(found.key == "loans" and "was altered before link" in found.what for found in told)

    def test_a_source_that_counts_wrongly_is_found_by_counting(self, sqlite_world: World) -> None:
        """Even where its row is sealed so: the run added to a count that was wrong already."""
        sqlite_world.run_all()
        table = tables.source_state
        with sqlite_world.engine.begin() as connection:
            connection.execute(update(table).where(table.c.source == "loans").values(held=9))
        sqlite_world.says["loans"] = [GEOLOGY_LOAN]
        sqlite_world.run("loans")
        told = {found.what for found in verified(sqlite_world).disagreements}
        assert "counts 10 records as held, but there are 1" in told

    def test_the_first_answer_cannot_be_made_to_look_like_a_later_one(self, sqlite_world: World) -> None:
        sqlite_world.run(ROSTER)
        table = tables.source_state
        with sqlite_world.engine.begin() as connection:
            row = {"cohort": COHORT, "source": "loans", "step": "library", "settings_digest": b"known"}
            connection.execute(insert(table).values(row))
        sqlite_world.run("loans")
        assert "loans" in {found.key for found in verified(sqlite_world).disagreements}

    def test_another_key_is_found(self, sqlite_lived: World, tmp_path: Path) -> None:
        other = ledger_key.make(tmp_path / "other.key")
        with reading(sqlite_lived.reading) as connection:
            report = verify(connection, sqlite_lived.settings, COHORT, other, sqlite_lived.now)
        (found,) = report.disagreements
        assert (found.table, found.key) == ("ledger", "link 1")
        assert "another ledger" in found.what


class TestTheTail:
    def heads(self, world: World) -> dict[int, str]:
        """Return every head that the log has had."""
        with reading(world.reading) as connection:
            return {row.values[1]: (row.mac or b"").hex() for row in LedgerReader(connection, COHORT).links()}

    def test_a_ledger_that_was_cut_is_found_with_a_head_out_of_the_log(self, tmp_path: Path) -> None:
        """An old copy of the whole database agrees with itself; only the log knows that there was more."""
        database = tmp_path / "clearance.db"
        with World(f"sqlite:///{database}", tmp_path) as world:
            world.run_all()
            with world.engine.connect() as connection:
                connection.exec_driver_sql(f"VACUUM INTO '{tmp_path / 'old.db'}'")
            world.says["loans"] = [GEOLOGY_LOAN]
            world.run("loans")
            heads = self.heads(world)
            assert verified(world, heads).sound
            now = world.now
        (tmp_path / "old.db").replace(database)
        for left in tmp_path.glob("clearance.db-*"):
            left.unlink()
        with World(f"sqlite:///{database}", tmp_path) as world:
            world.now = now
            assert verified(world).sound
            (found,) = verified(world, heads).disagreements
            assert found.table == "ledger"
            assert found.key == f"link {max(heads)}"
            assert "cut off" in found.what
            world.says["fees"] = [{"XH": LIN.number, "QFJE": 1, "XM": "学费"}]
            world.run("fees")
            (found,) = verified(world, heads).disagreements
            assert found.key == f"link {max(heads)}"
            assert "does not match the seal in the log" in found.what

    def test_links_cut_off_alone_are_found_without_the_log_too(self, sqlite_lived: World) -> None:
        tampering, table = Tampering(sqlite_lived, random.Random(SEED)), tables.ledger
        with tampering.undone() as connection:
            connection.execute(delete(table).where(table.c.link == tampering.newest(connection)))
            told: Sequence[str] = [f.table for f in tampering.report(connection).disagreements]
            cut = tampering.report(connection, self.heads(sqlite_lived)).disagreements[0]
        assert "run" in told
        assert cut.table == "ledger"

    def test_a_ledger_taken_away_is_found(self, sqlite_lived: World) -> None:
        tampering = Tampering(sqlite_lived, random.Random(SEED))
        with tampering.undone() as connection:
            connection.execute(delete(tables.ledger))
            (found,) = tampering.report(connection).disagreements
        assert "was removed" in found.what
