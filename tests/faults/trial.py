"""A university of three hundred, one source of which is a real office, asked again and again from the same state."""

import hashlib
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy import event, select

from connectors.port import Connector, Question, no_progress
from status_db import tables
from status_db.model import ROSTER, RunState
from sync.run.outcome import Outcome
from tests.cast import EVERYBODY, SUN
from tests.world import SETTINGS, World

#: The columns of a library's loans, as every office of these tests has them.
COLUMNS = ("CARD", "TITLE", "DUE", "BARCODE")

Loan = dict[str, str]

MANY = tuple(f"2016{n:04}" for n in range(300))

#: What a run may not touch unless it applies a whole answer. Of a source's state the lease is a run's own.
_STATE = (
    tables.record,
    tables.status,
    tables.flip,
    tables.decision,
    tables.student,
    tables.alias,
    tables.unmatched_key,
)
_LEASE = {"lease_run", "lease_until", "lease_owner"}

#: How a run ends that has changed nothing.
NOTHING_CHANGED = {RunState.FAILED, RunState.SUSPENDED, RunState.SKIPPED}


def loan(student: str, number: int) -> Loan:
    """Return a book on loan."""
    return {"CARD": student, "TITLE": f"普通地质学（第 {number} 册）", "DUE": "2019-05-30", "BARCODE": f"B{number:06}"}


#: Sixty students owe two or three books each …
BEFORE: tuple[Loan, ...] = tuple(loan(s, 10 * i + n) for i, s in enumerate(MANY[:60]) for n in range(2 + i % 2))

#: … and then eight have brought theirs back, eight have borrowed, and four owe other books than before.
AFTER: tuple[Loan, ...] = (
    *(row for row in BEFORE if row["CARD"] not in MANY[:12]),
    *(loan(s, 5000 + i) for i, s in enumerate(MANY[8:12])),
    *(loan(s, 6000 + i) for i, s in enumerate(MANY[60:68])),
)


def listed(number: str) -> dict[str, str]:
    """Return a student as the registrar lists them."""
    return {**SUN.listed(), "学号": number, "姓名": f"学生{number[-3:]}"}


class Big(World):
    """The cast and three hundred more; a source that has a `real` connector is asked through it."""

    def __init__(self, folder: Path, students: Sequence[str] = MANY, settings: str = SETTINGS) -> None:
        self.real: dict[str, Connector] = {}
        super().__init__(f"sqlite:///{folder / 'clearance.db'}", folder, settings)
        self.path = folder / "clearance.db"
        # Power does not fail here, and thousands of runs need not wait for the disk.
        event.listen(self.engine, "connect", lambda raw, _: raw.execute("PRAGMA synchronous = OFF").close())
        self.engine.dispose()
        self.says[ROSTER] = [person.listed() for person in EVERYBODY] + [listed(number) for number in students]

    def connect(self, name: str) -> Connector:
        """Return the real connector, where there is one."""
        return self.real.get(name) or super().connect(name)

    def question(self, name: str) -> Question:
        """Return what a source is asked."""
        return Question(name, self.settings.source[name].columns, self.clock)

    def dump(self, *, freshness: bool = True) -> str:
        """Digest every row that only a whole answer may change; without `freshness`, that alone a changed one may."""
        hasher = hashlib.blake2b()
        with self.engine.connect() as connection:
            for table in _STATE:
                rows = connection.execute(select(table).order_by(*table.primary_key)).all()
                hasher.update(repr([tuple(row) for row in rows]).encode())
            hasher.update(repr(connection.execute(select(tables.cohort)).all()).encode())
            if freshness:
                state = tables.source_state
                kept = [column for column in state.c if column.name not in _LEASE]
                rows = connection.execute(select(*kept).order_by(*state.primary_key)).all()
                hasher.update(repr([tuple(row) for row in rows]).encode())
        return hasher.hexdigest()

    def marks(self) -> dict[tuple[str, ...], tuple[object, ...]]:
        """Return what is stored, without when and by which run it was stored: records, findings, who is listed."""
        record, status, student = tables.record, tables.status, tables.student
        found: dict[tuple[str, ...], tuple[object, ...]] = {}
        with self.engine.connect() as connection:
            for r in connection.execute(select(record)):
                found["record", r.source, r.student] = (r.verdict, r.reason, r.obligations, r.doubt)
            for s in connection.execute(select(status)):
                found["status", s.step, s.student] = (s.verdict, s.reason, tuple(s.evidence_keys or ()))
            for p in connection.execute(select(student)):
                found["student", p.student] = (p.active, p.flow)
        return found

    def cleared(self, step: str) -> set[str]:
        """Return the students whom the step's finding clears."""
        return {key[2] for key, value in self.marks().items() if key[:2] == ("status", step) and value[0] == "cleared"}

    def under_way(self) -> list[tuple[str, str]]:
        """Return the runs that are running or wait for a person, and the sources that somebody holds."""
        run, state = tables.run, tables.source_state
        open_states = (RunState.RUNNING, RunState.SUSPENDED)
        with self.engine.connect() as connection:
            runs = connection.execute(select(run.c.source, run.c.state).where(run.c.state.in_(open_states))).all()
            held = connection.execute(select(state.c.source).where(state.c.lease_run.is_not(None))).scalars().all()
        return [(source, str(stands)) for source, stands in runs] + [(source, "held") for source in held]

    def keep(self, at: Path) -> None:
        """Copy the marks as they are."""
        with closing(sqlite3.connect(self.path)) as live, closing(sqlite3.connect(at)) as kept:
            live.backup(kept)

    def put_back(self, at: Path) -> None:
        """Have the marks stand as they were kept."""
        with closing(sqlite3.connect(at)) as kept, closing(sqlite3.connect(self.path)) as live:
            live.execute("PRAGMA synchronous = OFF").close()
            kept.backup(live)


class Trial:
    """The loans of a real office, which reports AFTER to a sync that has BEFORE: whole, or not at all."""

    def __init__(
        self, folder: Path, connect: Callable[[Question], Connector], fill: Callable[[Sequence[Loan]], None]
    ) -> None:
        """Run the control: without a fault the connector brings BEFORE and then AFTER, and the marks change."""
        self.world = Big(folder)
        self.question = self.world.question("loans")
        self.world.real["loans"] = connect(self.question)
        self._kept = folder / "kept.db"
        fill(BEFORE)
        for name, outcome in self.world.run_all().items():
            assert outcome.state in (RunState.APPLIED, RunState.UNCHANGED), (name, outcome.message)
        self.before, self._dump = self.world.marks(), self.world.dump()
        self.cleared_before = self.world.cleared("library")
        self.world.keep(self._kept)
        fill(AFTER)
        outcome = self.world.run("loans")
        assert outcome.state is RunState.APPLIED, outcome.message
        self.after = self.world.marks()
        assert self.world.dump() != self._dump
        assert len(self.world.cleared("library") - self.cleared_before) == 8
        assert len(self.cleared_before - self.world.cleared("library")) == 8
        self.world.put_back(self._kept)
        assert self.world.dump() == self._dump
        #: How the cases ended.
        self.ended: dict[str, int] = {}

    def through(self, connector: Connector) -> None:
        """Have the loans be asked through this from now on."""
        self.world.real["loans"] = connector

    def ask(self, *, may_wait: bool = False, progress: Any = no_progress) -> Outcome:
        """Ask once, in whatever is broken; hold the outcome against the promise.

        Either nothing at all has changed, or the whole of AFTER is. Whether the guard may be what holds it back
        is reported by `may_wait`: where a proof is what must, it may not be needed.
        """
        world = self.world
        world.later(minutes=1)
        outcome = world.sync.run("loans", by="test", progress=progress)
        how = f"{outcome.state}: {outcome.message}"
        self.ended[outcome.state] = self.ended.get(outcome.state, 0) + 1
        if outcome.state is RunState.APPLIED:
            assert world.marks() == self.after, how
        else:
            assert outcome.state in (NOTHING_CHANGED if may_wait else {RunState.FAILED}), how
            assert world.cleared("library") == self.cleared_before, how
            assert world.dump() == self._dump, how
        assert [entry for entry in world.under_way() if entry[1] != "suspended"] == []
        if outcome.state is not RunState.FAILED:
            world.put_back(self._kept)
        return outcome
