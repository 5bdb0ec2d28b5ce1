"""A small university for many short-lived processes: its answers, its sync, and its stored marks."""

import os
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeAlias

from sqlalchemy import Engine, select

from config.load import load
from connectors import memory
from connectors.port import Connector, Question
from status_db import tables
from status_db.ledger.chain import Ledger
from status_db.model import ROSTER, RunState
from status_db.store.engine import open_writing, writing
from sync.run.lease import LEASE_FOR
from sync.run.run import Sync
from tests.cast import LIN, MORNING
from tests.world import COHORT, World

#: Table → its rows, in the order of their keys.
Dump: TypeAlias = Mapping[str, Sequence[tuple[Any, ...]]]


def seeded() -> random.Random:
    """Return chance, with its seed printed: CLEARANCE_TEST_SEED plays the same again."""
    seed = int(os.environ.get("CLEARANCE_TEST_SEED") or random.SystemRandom().randrange(1_000_000))
    print(f"CLEARANCE_TEST_SEED={seed}")  # noqa: T201 - shown by pytest when the test fails
    return random.Random(seed)


def number(who: int) -> str:
    """Return one student's number."""
    return f"2015{who:04d}"


def loan(who: int, book: int = 0) -> dict[str, str]:
    """Return one book on loan, as the library has it."""
    return {
        "CARD": number(who),
        "TITLE": f"构造地质学 {book}",
        "DUE": "2019-05-30",
        "BARCODE": f"B{who:04d}-{book}",
    }


def roster(students: int) -> list[dict[str, str]]:
    """Return the registrar's list."""
    return [LIN.listed() | {"学号": number(who), "姓名": f"学生{who}", "一卡通": ""} for who in range(students)]


@dataclass(frozen=True, slots=True)
class Stage:
    """What a process needs to sync: it can be sent to another."""

    url: str
    file: Path
    says: Mapping[str, Sequence[Mapping[str, Any]]]
    now: datetime = MORNING + timedelta(hours=1)
    lease_for: timedelta = LEASE_FOR
    environ: Mapping[str, str] = field(default_factory=dict)

    def on(self, url: str) -> "Stage":
        """Return the same on another database."""
        return replace(self, url=url)

    def later(self, **span: float) -> "Stage":
        """Return the same, later."""
        return replace(self, now=self.now + timedelta(**span))

    def saying(self, source: str, rows: Sequence[Mapping[str, Any]]) -> "Stage":
        """Return the same with one source saying something else."""
        return replace(self, says={**self.says, source: rows})

    @contextmanager
    def sync(self) -> Iterator[Sync]:
        """Give what runs the sources, and let go of the database afterwards."""
        settings = load(self.file, {"memory": memory.Settings}.get, {"STATUS_URL": self.url})

        def connect(name: str) -> Connector:
            asked = settings.roster if name == ROSTER else settings.source[name]
            own = memory.Settings.model_validate({"rows": self.says[name]})
            return memory.connect(own, Question(name, asked.columns, lambda: self.now))

        with opened(self.url) as engine:
            ledger = Ledger(settings.status_db.ledger_key_file, COHORT)
            yield Sync(settings, COHORT, engine, connect, lambda: self.now, ledger, self.lease_for)


@contextmanager
def opened(url: str) -> Iterator[Engine]:
    """Open a status database, and let go of it afterwards."""
    engine = open_writing(url)
    try:
        yield engine
    finally:
        engine.dispose()


def set_up(url: str, folder: Path, students: int) -> Stage:
    """Make a university whose every source has been asked once, and whose library then has news.

    Ten bring a book back, fifteen borrow one, two have another one, three rows are about unmatched people: every way of
    writing a record, and little enough for the guard.
    """
    with World(url, folder) as world:
        world.says |= {ROSTER: roster(students), "loans": [loan(who) for who in range(20)]}
        outcomes = world.run_all()
        assert {outcome.state for outcome in outcomes.values()} <= {RunState.APPLIED, RunState.UNCHANGED}
        stage = Stage(url, world.file, dict(world.says))
    return stage.saying("loans", news())


def news() -> list[dict[str, str]]:
    """Return what the library reports after the first time."""
    kept = [loan(who) for who in range(10, 20)]
    more = [loan(who, 1) for who in (*range(18, 20), *range(20, 35))]
    return [*kept, *more, *(loan(9000 + who) for who in range(3))]


def dump(url: str) -> Dump:
    """Return every row of the marks, but for when and whose a lease is: only whether there is one.

    Waits its turn as a writer does, so that a transaction whose process has been killed is over, one way or the other.
    """
    state = tables.source_state.c
    at = [list(state).index(column) for column in (state.lease_until, state.lease_owner)]
    with opened(url) as engine, writing(engine, COHORT) as connection:
        rows = {
            table.name: [tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key))]
            for table in tables.marks.sorted_tables
        }
    rows["source_state"] = [
        tuple(cell is not None if n in at else cell for n, cell in enumerate(row)) for row in rows["source_state"]
    ]
    return rows


def said(rows: Dump) -> Mapping[str, set[str]]:
    """Return what a dump reports about students and sources, whichever runs it took."""
    without: dict[str, set[str]] = {
        "record": {"asked_at", "run", "mac"},
        "status": {"since", "run"},
        "flip": {"flip", "run", "at", "link"},
        "stranger": {"run"},
        "source_state": {
            "began",
            "ended",
            "recent_rows",
            "revision",
            "fingerprint",
            "told",
            "compared_at",
            "lease_run",
        },
        "student": {"mac"},
        "alias": set(),
        "decision": {"mac"},
    }
    kept: dict[str, set[str]] = {}
    for name, left_out in without.items():
        columns = tables.marks.tables[name].c.keys()
        kept[name] = {
            repr([cell for column, cell in zip(columns, row, strict=True) if column not in left_out])
            for row in rows[name]
        }
    return kept


def runs(rows: Dump) -> dict[int, RunState]:
    """Return the state of each run."""
    table = tables.run.c
    at = list(table).index(table.state)
    return {row[0]: RunState(row[at]) for row in rows["run"]}


def difference(one: Dump, other: Dump) -> str:
    """Name the tables that differ, with the first row that does."""
    lines = []
    for name, rows in one.items():
        if list(rows) != list(other[name]):
            odd = next((r for r in [*rows, *other[name]] if (r in rows) != (r in other[name])), None)
            lines.append(f"{name}: {len(rows)} and {len(other[name])} rows, such as {odd}")
    return "; ".join(lines)


def copy_of(stage: Stage, file: Path) -> Stage:
    """Return the stage on a copy of its SQLite file, which no one has open."""
    original = Path(stage.url.removeprefix("sqlite:///"))
    for tail in ("", "-wal", "-shm"):
        with suppress(FileNotFoundError):
            Path(f"{file}{tail}").unlink()
    file.write_bytes(original.read_bytes())
    return stage.on(f"sqlite:///{file}")
