"""A sync on PostgreSQL whose process, or whose server, is killed: what is left is a state between transactions."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import URL, make_url, text

from status_db.model import RunState
from sync.run import process_id
from tests import sizes
from tests.crash import actors, stage
from tests.crash.processes import acting
from tests.crash.stage import Dump, Stage
from tests.services import databases
from tests.services.databases import CarriedPostgres

#: So many points are tried in daily tests.
MOST = 16


@dataclass(frozen=True, slots=True)
class Play:
    """A sync that is about to happen on one server, and what an unharmed one has shown."""

    server: URL
    stage: Stage
    #: Before it, after its beginning, after its end.
    states: tuple[Dump, Dump, Dump]
    #: How many statements and commits it takes.
    statements: int

    @contextmanager
    def fresh(self) -> Iterator[Stage]:
        """Give the stage on a database that nothing has happened to."""
        with copied(self.server, self.stage) as about:
            yield about

    def state(self, rows: Dump) -> int:
        """Return which of the states this is. Fails when it is none."""
        for number, known in enumerate(self.states):
            if rows == known:
                return number
        pytest.fail(" | ".join(stage.difference(known, rows) for known in self.states))

    def heals(self, about: Stage) -> None:
        """Have the next run bring it to what the unharmed one left."""
        with about.later(hours=1).sync() as sync:
            assert sync.run("loans", by="test").state in (RunState.APPLIED, RunState.UNCHANGED)
        rows = stage.dump(about.url)
        assert stage.said(rows) == stage.said(self.states[2])
        assert RunState.RUNNING not in stage.runs(rows).values()


@contextmanager
def copied(server: URL, about: Stage) -> Iterator[Stage]:
    """Give the stage on a copy of its database."""
    with databases.fresh_database(server, like=make_url(about.url).database or "") as url:
        yield about.on(url.render_as_string(hide_password=False))


@contextmanager
def played(server: URL, folder: Path) -> Iterator[Play]:
    """Play it once unharmed: it changes records, findings and flips."""
    with databases.fresh_database(server) as url:
        about = stage.set_up(url.render_as_string(hide_password=False), folder, 40)
        before = stage.dump(about.url)
        with copied(server, about) as begun:
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
            middle = stage.dump(begun.url)
        with copied(server, about) as whole:
            with acting(actors.die_at_statement, whole, "loans", 0) as actor:
                actor.go()
                statements = actor.hear()
            after = stage.dump(whole.url)
        assert {"record", "status", "flip", "stranger", "run"} <= {t for t in before if before[t] != after[t]}
        yield Play(server, about, (before, middle, after), statements)


def test_a_process_killed_at_any_statement_leaves_a_whole_state_and_the_next_run_heals_it(
    postgres_server: URL, tmp_path: Path
) -> None:
    seen, last = set[int](), 0
    with played(postgres_server, tmp_path) as play:
        points = list(range(1, play.statements + 1))
        if not sizes.SOAK and len(points) > MOST:
            # The first one lies before any commit; the last ones are those that write.
            points = sorted({1, *stage.seeded().sample(points[: -MOST // 2], MOST // 2), *points[-MOST // 2 :]})
        for number in points:
            with play.fresh() as about:
                with acting(actors.die_at_statement, about, "loans", number) as actor:
                    actor.go()
                    assert actor.ended() == -signal.SIGKILL
                state = play.state(stage.dump(about.url))
                assert state >= last
                last = state
                seen.add(state)
                play.heals(about)
        with play.fresh() as about, acting(actors.sync_once, about, "loans") as actor:
            actor.go()
            assert actor.hear() == actors.DONE
            assert play.state(stage.dump(about.url)) == 2
    assert seen == {0, 1}, "the last point lies before the last commit"


@pytest.fixture(scope="module")
def own_server() -> Iterator[CarriedPostgres]:
    """A server that only this module has."""
    with databases.carried_postgres() as server:
        yield server


@pytest.fixture(scope="module")
def play(own_server: CarriedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Play]:
    """A sync that is about to happen on that server."""
    with played(own_server.url, tmp_path_factory.mktemp("own")) as made:
        yield made


@contextmanager
def safe(play: Play) -> Iterator[Stage]:
    """Give a copy that the server has written out.

    The numbers a sequence has given since it was copied would otherwise come again after a crash: PostgreSQL logs them
    32 at a time, and takes the copy's for logged already.
    """
    with play.fresh() as about:
        with stage.opened(about.url) as engine, engine.begin() as connection:
            connection.execute(text("CHECKPOINT"))
        yield about


@pytest.mark.parametrize("at", ["pull", "_move", "_write_findings", "_note_pull"])
def test_a_server_killed_in_the_midst_of_a_run_has_the_old_state_when_it_is_back(
    own_server: CarriedPostgres, play: Play, at: str
) -> None:
    with safe(play) as about:
        with acting(actors.pause_in_a_run, about, "loans", at, stop=False) as actor:
            actor.go()
            assert actor.hear() == "paused"
            own_server.kill()
            actor.here.send("go on")
            assert actor.hear() == "StoreError"
        own_server.start_again()
        assert play.state(stage.dump(about.url)) == 1
        play.heals(about)


def test_a_server_killed_right_after_its_word_has_kept_it(own_server: CarriedPostgres, play: Play) -> None:
    for _ in range(sizes.times(1)):
        with safe(play) as about:
            with acting(actors.sync_once, about, "loans") as actor:
                actor.go()
                assert actor.hear() == actors.DONE
                own_server.kill()
            own_server.start_again()
            assert play.state(stage.dump(about.url)) == 2
