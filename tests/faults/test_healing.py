"""Promise 12: when the faults end, the next slots heal what they left, without a person."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from sqlalchemy import select

from connectors.port import (
    Connector,
    Progress,
    Proof,
    ProofKind,
    Sample,
    Snapshot,
    SourceError,
    SourceGarbled,
    SourceRefused,
    SourceUnavailable,
    no_progress,
)
from status_db import tables
from status_db.model import ROSTER, RunState
from sync.run import process_id
from sync.run.lease import LEASE_FOR
from sync.run.run import Sync
from sync.service.schedule import Schedule
from tests.faults.seeds import case, seeds
from tests.faults.trial import MANY, Big, listed, loan
from tests.world import COHORT, SETTINGS, World, season_of

CASES = 20

#: The roster is asked as often as a source, so that a case is short.
OFTEN = SETTINGS.replace('every = "1 d"', 'every = "1 h"')

STUDENTS = MANY[:140]

SLOT = timedelta(minutes=15)

#: The longest gap between two slots of a source in these settings.
LONGEST = timedelta(hours=1)

VoteKind = dict[str, list[dict[str, Any]]]


class Truth:
    """What is so at the offices; it changes a little from slot to slot, always within the guard's limits."""

    def __init__(self) -> None:
        self.roster = [*STUDENTS[:130]]
        self.loans = {s: [loan(s, 10 * i + n) for n in range(1 + i % 3)] for i, s in enumerate(STUDENTS[:40])}
        self.fines = {s: f"{i % 7 + 1}.50" for i, s in enumerate(STUDENTS[30:60])}
        self.fees = dict.fromkeys(STUDENTS[60:100], "5850.00")
        self.rooms = {s: "未清退" if i < 50 else "已清退" for i, s in enumerate(STUDENTS)}
        self._moves = 0

    def move(self, chance: Random) -> bool:
        """Let something happen in one office; in all, less than the guard lets pass at once."""
        if self._moves >= 15 or chance.random() < 0.3:
            return False
        self._moves += 1
        someone = chance.choice(STUDENTS)
        match chance.randrange(5):
            case 0:
                self.loans.pop(chance.choice(list(self.loans)))
            case 1:
                self.loans.setdefault(someone, []).append(loan(someone, 7000 + self._moves))
            case 2:
                self.fines.pop(someone, None)
                self.fees.setdefault(chance.choice(STUDENTS), "12.00")
            case 3:
                self.rooms[someone] = "已清退"
            case _:
                joins = [s for s in STUDENTS if s not in self.roster]
                if joins:
                    self.roster.append(joins[0])
                    self.roster.remove(chance.choice(self.roster[:-1]))
        return True

    def said(self) -> VoteKind:
        """Return it in the offices' own rows."""
        return {
            ROSTER: [listed(number) for number in self.roster],
            "loans": [row for rows in self.loans.values() for row in rows],
            "fines": [{"CARD": s, "AMOUNT": amount} for s, amount in self.fines.items()],
            "fees": [{"XH": s, "QFJE": amount, "XM": "学费"} for s, amount in self.fees.items()],
            "checkouts": [{"学号": s, "清退状态": word, "房间": "412"} for s, word in self.rooms.items()],
        }


class Scheduled(Big):
    """A world whose sources are asked by the schedule itself, slot by slot, on the world's clock."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        super().__init__(folder, STUDENTS, OFTEN)
        self.schedule = Schedule(self.settings, season_of(self), self.clock, self.writer.sweep, lambda: 0)

    def slot(self, at: datetime) -> None:
        """Let the schedule serve every source at this time."""
        for name in self.sync.names():
            self.now = at
            self.schedule.serve(name)


def _fails(error: type[SourceError]) -> Callable[["Faulty", str], None]:
    def fault(world: "Faulty", name: str) -> None:
        world.fails[name] = error("out of order", "Try again later.")

    return fault


def _lies_with_nothing(world: "Faulty", name: str) -> None:
    """Say that there is nothing at all: whole, proven and false."""
    world.says[name] = []


def _lies_with_almost_nothing(world: "Faulty", name: str) -> None:
    """Say a tenth of what is so."""
    world.says[name] = world.says[name][::10]


def _holds_everybody(world: "Faulty", name: str) -> None:
    """Say that everybody owes something."""
    own: dict[str, Callable[[str], dict[str, Any]]] = {
        "loans": lambda s: loan(s, 1),
        "fines": lambda s: {"CARD": s, "AMOUNT": "1.00"},
        "fees": lambda s: {"XH": s, "QFJE": "1.00", "XM": "学费"},
        "checkouts": lambda s: {"学号": s, "清退状态": "未清退", "房间": "412"},
    }
    if name in own:
        world.says[name] = [own[name](s) for s in STUDENTS]


def _gives_no_proof(world: "Faulty", name: str) -> None:
    world.real[name] = Unproven(World.connect(world, name))


def _stops_in_the_middle(world: "Faulty", name: str) -> None:
    """Leave a run under way, and the source held, as a process does that has gone without a word."""
    world.leave_running(name)


def _breaks(world: "Faulty", name: str) -> None:
    world.real[name] = Broken()


def _wakes_late(world: "Faulty", name: str) -> None:
    """Stall past the lease, while another asks and applies; then come back with an answer of long ago."""
    world.real[name] = WakesLate(world, name)


@dataclass(frozen=True, slots=True)
class RowFault:
    """Something wrong with an office, and how the run ends that meets it: so it is seen to have met it."""

    befall: Callable[["Faulty", str], None]
    ends: tuple[RunState, ...]


WAITS = (RunState.SUSPENDED, RunState.SKIPPED)

FAULTS: dict[str, RowFault] = {
    "unavailable": RowFault(_fails(SourceUnavailable), (RunState.FAILED,)),
    "refused": RowFault(_fails(SourceRefused), (RunState.FAILED,)),
    "garbled": RowFault(_fails(SourceGarbled), (RunState.FAILED,)),
    "breaks": RowFault(_breaks, (RunState.FAILED,)),
    "no proof": RowFault(_gives_no_proof, (RunState.FAILED,)),
    "nothing": RowFault(_lies_with_nothing, WAITS),
    "almost nothing": RowFault(_lies_with_almost_nothing, WAITS),
    "everybody": RowFault(_holds_everybody, WAITS),
    "gone": RowFault(_stops_in_the_middle, (RunState.SKIPPED,)),
    "wakes late": RowFault(_wakes_late, (RunState.ABANDONED,)),
}

#: The sources whose lies the guard can tell.
GUARDED = ("loans", "fines", "fees")


class Faulty(Scheduled):
    """The same world where offices fail, lie and stall."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        #: What stood when a run came back that had been taken for dead.
        self.stood = ""

    def slot(self, at: datetime) -> None:
        """Serve each source; hold what a late one wrote, which must be nothing, against what was stored."""
        for name in self.sync.names():
            self.now, self.stood = at, ""
            self.schedule.serve(name)
            assert not self.stood or self.dump() == self.stood

    def break_some(self, chance: Random) -> None:
        """Choose what is wrong with each source now."""
        self.mend()
        for name in self.sync.names():
            if chance.random() < 0.6:
                FAULTS[chance.choice(list(FAULTS))].befall(self, name)

    def mend(self) -> None:
        """Let every office answer well again, a slot later: by then each lease of before is over."""
        self.end_leases()
        self.fails.clear()
        self.real.clear()

    def leave_running(self, name: str) -> None:
        """Open a run that no one will end."""
        step = self.settings.source[name].step if name != ROSTER else ""
        self.sync._marks.begin(
            name,
            step,
            now=self.now,
            by="a schedule that has gone",
            owner="elsewhere process 1",
            lease_for=LEASE_FOR,
            gone=process_id.is_gone,
        )

    def states(self, name: str, since: datetime) -> set[str]:
        """Return how a source's runs stand that began since then; what was held off by another one is skipped."""
        run = tables.run
        began = run.c.source == name, run.c.began >= since, run.c.by == "schedule"
        with self.engine.connect() as connection:
            return set(connection.execute(select(run.c.state).where(*began)).scalars()) or {RunState.SKIPPED}


class Odd:
    """A connector that no one should write; it is only ever asked for everybody."""

    def pull_one(self, student: str) -> Snapshot:
        """Never asked here."""
        raise NotImplementedError

    def check(self) -> Sample:
        """Never asked here."""
        raise NotImplementedError


class Unproven(Odd):
    """Answers without any proof that it is all."""

    def __init__(self, honest: Connector) -> None:
        self._honest = honest

    def pull(self, progress: Progress = no_progress) -> Snapshot:
        """Leave out half, and the proofs."""
        said = self._honest.pull(progress)
        proofs = (Proof(ProofKind.COLUMNS_PRESENT, "all"),)
        return Snapshot(said.fields, said.rows[::2], said.began, said.ended, proofs)


class Broken(Odd):
    """Breaks with what no connector should raise."""

    def pull(self, progress: Progress = no_progress) -> Snapshot:
        """Raise it."""
        raise RuntimeError("a mistake in a connector")


class WakesLate(Odd):
    """Answers when its lease is long over and another has asked."""

    def __init__(self, world: Faulty, name: str) -> None:
        self._world, self._name = world, name

    def pull(self, progress: Progress = no_progress) -> Snapshot:
        """Return part of what was so before the other run."""
        world = self._world
        said = World.connect(world, self._name).pull(progress)
        world.later(minutes=5)
        world.end_leases()
        other = Sync(
            world.settings, COHORT, world.engine, lambda name: World.connect(world, name), world.clock, world.ledger
        )
        other.run(self._name, by="another schedule")
        world.stood = world.dump()
        return Snapshot(said.fields, said.rows[::2], said.began, said.ended, said.proofs)


@pytest.mark.parametrize("seed", seeds(CASES))
def test_when_the_faults_end_two_slots_heal_everything(seed: int, tmp_path: Path) -> None:
    with case(seed) as chance, Faulty(tmp_path / "faulty") as faulty, Scheduled(tmp_path / "twin") as twin:
        truth = Truth()
        at = faulty.now
        for world in (faulty, twin):
            world.says = truth.said()
            world.slot(at)
        first = faulty.marks()
        assert first == twin.marks()
        for _ in range(chance.randrange(2, 6)):
            at += chance.choice((SLOT, SLOT, LONGEST, timedelta(hours=7)))
            moved = truth.move(chance)
            faulty.now, faulty.says = at, truth.said()
            faulty.break_some(chance)
            faulty.slot(at)
            if moved:
                twin.says = truth.said()
                twin.slot(at)
        # In the last slot before the end one fault surely falls, and is seen to: each kind in its turn.
        at += LONGEST
        wrong, name = list(FAULTS.values())[seed % len(FAULTS)], GUARDED[seed % len(GUARDED)]
        faulty.mend()
        faulty.now, faulty.says = at, truth.said()
        wrong.befall(faulty, name)
        faulty.slot(at)
        assert faulty.states(name, at) & set(wrong.ends)
        faulty.mend()
        for _ in range(2):
            at += LONGEST
            for world in (faulty, twin):
                world.says = truth.said()
                world.slot(at)
        assert faulty.marks() == twin.marks()
        assert faulty.under_way() == twin.under_way() == []
        for number in truth.roster[::20]:
            assert not any(step.at(faulty.now).stale for step in faulty.student(number).steps)
