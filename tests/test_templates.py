"""A world reaches a state once in each process, and copied from then on; else the suite takes twice as long."""

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from sqlalchemy import URL, text

from connectors.port import Connector
from tests.services.databases import fresh_database
from tests.world import World


def _times_taken(urls: list[str], folder: Path) -> int:
    """Return in how many of these new worlds the steps to a state were taken."""
    taken = 0

    def steps(world: World) -> None:
        nonlocal taken
        taken += 1
        world.run_all()

    for index, url in enumerate(urls):
        own = folder / str(index)
        own.mkdir()
        with World(url.format(folder=own), own) as world:
            world.reach("a state of this test", partial(steps, world))
            with world.reading.connect() as connection:
                assert connection.execute(text("SELECT count(*) FROM run")).scalar_one() > 1
    return taken


def test_the_third_sqlite_world_of_a_state_is_a_copy(tmp_path: Path) -> None:
    assert _times_taken(["sqlite:///{folder}/clearance.db"] * 4, tmp_path) == 2


def test_the_third_postgresql_world_of_a_state_is_a_copy(postgres_server: URL, tmp_path: Path) -> None:
    with ExitStack() as servers:
        urls = [servers.enter_context(fresh_database(postgres_server)) for _ in range(4)]
        assert _times_taken([url.render_as_string(hide_password=False) for url in urls], tmp_path) == 2


def test_a_world_with_other_sources_is_not_a_copy(tmp_path: Path) -> None:
    asked: list[str] = []
    for index in range(3):
        own = tmp_path / str(index)
        own.mkdir()
        with World(f"sqlite:///{own}/clearance.db", own) as world:
            plain = world.connect

            def other(name: str, plain: Callable[[str], Connector] = plain) -> Connector:
                asked.append(name)
                return plain(name)

            if index == 2:
                world.sync._connect = other
            world.run_all()
    assert set(asked) == {"roster", "loans", "fines", "fees", "checkouts"}


def test_a_world_whose_sources_have_other_rows_is_not_a_copy(tmp_path: Path) -> None:
    found: list[int] = []
    for index in range(4):
        own = tmp_path / str(index)
        own.mkdir()
        with World(f"sqlite:///{own}/clearance.db", own) as world:
            if index == 3:
                del world.says["roster"][0]
            world.reach("everything was asked", partial(World.run_all, world))
            with world.reading.connect() as connection:
                found.append(connection.execute(text("SELECT count(*) FROM student")).scalar_one())
    assert found == [found[0]] * 3 + [found[0] - 1]
