"""A sync on SQLite, killed, starved or cut off at each single call by which it changes a file.

What is left must be one of the states between its transactions, which an unharmed run has shown before.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from status_db.model import RunState
from sync.run import process_id
from tests import sizes
from tests.crash import actors, stage, syscalls
from tests.crash.power import Disk
from tests.crash.processes import Actor, acting
from tests.crash.stage import Dump, Stage

STUDENTS = 40

#: So many points are tried in daily tests; of more, an even choice.
MOST = 40


@dataclass(frozen=True, slots=True)
class Play:
    """A sync that is about to happen, and what an unharmed one has shown."""

    stage: Stage
    folder: Path
    #: Before it, after its beginning, after its end.
    states: tuple[Dump, Dump, Dump]
    #: Every changing call, in order: its name, and how many of that name have come.
    points: list[tuple[str, int]]
    #: The calls' lines with whole strings.
    lines: list[str]
    #: How many of the lines there are when the run is acknowledged.
    acknowledged: int

    def fresh(self) -> Stage:
        """Return the stage on a database that nothing has happened to."""
        return stage.copy_of(self.stage, self.folder / "tried.db")

    def state(self, rows: Dump) -> int:
        """Return which of the states this is. Fails when it is none."""
        for number, known in enumerate(self.states):
            if rows == known:
                return number
        pytest.fail(
            "this is a state that no transaction leaves: "
            + " | ".join(stage.difference(known, rows) for known in self.states)
        )

    def chosen(self, most: int) -> list[tuple[str, int]]:
        """Return at most so many points, evenly spread by chance; all of them in a soak."""
        if sizes.SOAK or len(self.points) <= most:
            return self.points
        chance, step = stage.seeded(), len(self.points) / most
        return [self.points[int((n + chance.random()) * step)] for n in range(most)]


@pytest.fixture(scope="module")
def play(tmp_path_factory: pytest.TempPathFactory) -> Play:
    """Play it once unharmed: it changes records, findings and flips."""
    folder = tmp_path_factory.mktemp("calls")
    about = stage.set_up(f"sqlite:///{folder / 'clearance.db'}", folder, STUDENTS)
    before = stage.dump(about.url)
    begun = stage.copy_of(about, folder / "begun.db")
    with begun.sync() as sync:
        sync._marks.begin(
            "loans",
            "library",
            now=begun.now,
            by="test",
            owner=process_id.next_turn(),
            lease_for=begun.lease_for,
            gone=lambda _: False,
        )
    whole = stage.copy_of(about, folder / "tried.db")
    disk = Disk(folder / "tried.db")
    log = folder / "calls"
    with acting(actors.sync_once, whole, "loans") as actor, syscalls.traced(actor, log, whole=True):
        actor.go()
        assert actor.hear() == actors.DONE
        assert actor.ended() == 0
    after = stage.dump(whole.url)
    assert {"record", "status", "flip", "stranger", "run"} <= {t for t in before if before[t] != after[t]}
    lines = [line for _, line in syscalls.calls(log)]
    said = next(n for n, line in enumerate(lines) if actors.DONE.encode().hex(":").replace(":", r"\x") in line)
    for line in lines:
        disk.see(line)
    disk.cut(stage.seeded(), folder / "rebuilt.db")
    assert stage.dump(f"sqlite:///{folder / 'rebuilt.db'}") == after, "the log tells every change of the file"
    return Play(about, folder, (before, stage.dump(begun.url), after), syscalls.points(log), lines, said)


def looked_at(about: Stage) -> Dump:
    """Open what is left, have SQLite check it, and return what is stored there."""
    rows = stage.dump(about.url)
    with sqlite3.connect(about.url.removeprefix("sqlite:///")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    connection.close()
    return rows


def heals(play: Play, about: Stage, state: int | None = None) -> None:
    """Have the next run bring it to what the unharmed one left, and the broken one learn of it."""
    with about.later(hours=1).sync() as sync:
        assert sync.run("loans", by="test").state in (RunState.APPLIED, RunState.UNCHANGED)
    rows = stage.dump(about.url)
    assert stage.said(rows) == stage.said(play.states[2])
    assert RunState.RUNNING not in stage.runs(rows).values()
    if state == 1:
        assert RunState.ABANDONED in stage.runs(rows).values()


class TestKilled:
    def test_at_any_call_it_leaves_the_old_state_or_the_new_and_the_next_run_heals_it(self, play: Play) -> None:
        last, seen = 0, set[int]()
        for name, number in play.chosen(MOST):
            about = play.fresh()
            with struck(play, about, f"{name}:signal=KILL:when={number}") as actor:
                actor.go()
                assert actor.ended() == -9, f"no kill at {name} {number}"
            state = play.state(looked_at(about))
            assert state >= last, "what was acknowledged is gone"
            last = state
            seen.add(state)
            heals(play, about, state)
        assert seen == {0, 1, 2}

    def test_by_a_power_cut_at_any_call_it_leaves_a_whole_state_and_keeps_what_was_acknowledged(
        self, play: Play
    ) -> None:
        """Unlike a kill, a cut takes with it what was written but not synced: here, half of it by chance."""
        chance, seen = stage.seeded(), set[int]()
        play.fresh()
        disk = Disk(play.folder / "tried.db")
        about = play.stage.on(f"sqlite:///{play.folder / 'cut.db'}")
        for number, line in enumerate(play.lines, 1):
            disk.see(line)
            for _ in range(sizes.times(1)):
                disk.cut(chance, play.folder / "cut.db")
                state = play.state(looked_at(about))
                seen.add(state)
                assert state == 2 or number < play.acknowledged, "what was acknowledged is gone"
        heals(play, about)
        assert seen == {0, 1, 2}


class TestStarved:
    def test_of_room_from_any_call_on_it_reports_it_and_keeps_the_old_state(self, play: Play) -> None:
        told = set[str]()
        for name, number in play.chosen(12):
            if name in ("pwrite64", "ftruncate", "fallocate"):
                told.add(self.said(play, f"{name}:error=ENOSPC:when={number}+"))
        assert any("Free space there, then run this again." in text for text in told)

    def test_by_a_disk_that_fails_once_it_reports_it_and_keeps_the_old_state(self, play: Play) -> None:
        told = set[str]()
        for name, number in play.chosen(12):
            if name != "write":  # by which the process itself tells how it went
                told.add(self.said(play, f"{name}:error=EIO:when={number}"))
        assert any("its disk is full or failing" in text for text in told)

    def said(self, play: Play, fault: str) -> str:
        about = play.fresh()
        with struck(play, about, fault) as actor:
            actor.go()
            text: str = actor.hear()
            assert actor.ended() == 0
        assert "INJECTED" in (play.folder / "struck").read_text(encoding="utf-8")
        rows = looked_at(about)
        if text == actors.DONE:
            assert play.state(rows) == 2, "acknowledged, and not there"
        else:
            assert text.startswith("The status database failed: its disk is full or failing"), text
            before = play.states[0]
            assert rows != play.states[2], "refused, and there all the same"
            *runs, last = rows["run"] if rows != before else (*before["run"], None)
            assert runs == list(before["run"])
            if last is not None and stage.runs(rows)[last[0]] is not RunState.FAILED:
                assert play.state(rows) == 1
            else:
                assert {**rows, "run": before["run"]} == before
        heals(play, about)
        return text


@contextmanager
def struck(play: Play, about: Stage, fault: str) -> Iterator[Actor]:
    """Give a process about to sync, with a fault that waits for it."""
    with acting(actors.sync_once, about, "loans") as actor, syscalls.traced(actor, play.folder / "struck", fault):
        yield actor
