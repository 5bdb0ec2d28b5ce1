"""An answer that breaks off is no answer: a session killed, a server that falls silent in the middle."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import URL, create_engine, make_url, text
from sqlalchemy.pool import NullPool

from connectors.databases.read_transaction import ReadTransaction
from connectors.port import SourceUnavailable
from tests.connectors.database_office import ask
from tests.services.halting import Halting

#: Rows enough that they do not fit into what lies between two sockets.
MANY = 60_000
QUERIES = {
    "postgresql": f"SELECT CAST(n AS text) AS number, repeat('x', 400) AS title FROM generate_series(1, {MANY}) n",
    "mysql": f"SELECT seq AS number, REPEAT('x', 400) AS title FROM seq_1_to_{MANY}",
}
COLUMNS = {"student": "number", "title": "title"}


@pytest.fixture
def url(served: str) -> URL:
    """A database on each server that keeps sessions."""
    return make_url(served)


def kill_others(url: URL) -> int:
    """End every other session in this database; return how many there were."""
    engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        if url.get_backend_name() == "postgresql":
            killed = connection.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            ).all()
            return len(killed)
        sessions = connection.execute(
            text("SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()")
        ).scalars()
        return len([connection.exec_driver_sql(f"KILL {session}") for session in list(sessions)])


def test_a_session_killed_in_the_middle_is_no_answer_and_the_next_is_whole(url: URL) -> None:
    killed: list[int] = []

    def kill(done: int, expected: int | None) -> None:
        assert expected == MANY
        if not killed:
            assert done < MANY
            killed.append(kill_others(url))

    connector = ask(url, QUERIES[url.get_backend_name()], COLUMNS)
    with pytest.raises(SourceUnavailable):
        connector.pull(kill)
    assert killed == [1]
    assert len(connector.pull().rows) == MANY


@pytest.mark.slow
def test_a_server_that_falls_silent_in_the_middle_is_given_up(url: URL) -> None:
    with Halting(url, after=2_000_000) as halting:
        connector = ask(halting.url, QUERIES[url.get_backend_name()], COLUMNS, timeout="1 s")
        with pytest.raises(SourceUnavailable):
            connector.pull()
        assert halting.halted
    assert len(ask(url, QUERIES[url.get_backend_name()], COLUMNS).pull().rows) == MANY


def test_what_goes_on_far_too_long_is_cut_off_from_outside(url: URL, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the clock does in the end is done here at once, in another thread, as the clock would."""
    connector = ask(url, QUERIES[url.get_backend_name()], COLUMNS)
    original, reached = connector._reading, []

    @contextmanager
    def reading() -> Iterator[ReadTransaction]:
        with original() as read:
            reached.append((read.backend, read.connection.connection.driver_connection))
            yield read

    def cut(_done: int, _expected: int | None) -> None:
        (backend, raw), *_ = reached
        thread = threading.Thread(target=backend.cut, args=[raw])
        thread.start()
        thread.join()

    monkeypatch.setattr(connector, "_reading", reading)
    with pytest.raises(SourceUnavailable):
        connector.pull(cut)
    assert len(connector.pull().rows) == MANY


def test_a_check_leaves_a_large_answer_unread(url: URL) -> None:
    """Most of the 24 million letters never set out."""
    with Halting(url, after=10**9) as halting:
        sample = ask(halting.url, QUERIES[url.get_backend_name()], COLUMNS).check()
        assert halting.carried < MANY * 200
    assert sample.row is not None
    assert sample.row["student"] in (1, "1")
