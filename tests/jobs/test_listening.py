"""Requests on PostgreSQL are reported at once, also after the connection was cut."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.pool import NullPool

from status_db.inbox.requests import Requests
from status_db.inbox.wake_ups import announce, can_listen
from status_db.store.engine import open_writing
from status_db.store.migrate import upgrade
from sync.service.listening import RequestListener
from sync.service.polling import Polling
from tests.patience import PATIENCE

NOW = datetime(2019, 6, 6, 9, tzinfo=UTC)


@pytest.fixture
def desk(postgres_url: str) -> Iterator[Engine]:
    upgrade(postgres_url, "desk")
    engine = open_writing(postgres_url)
    yield engine
    engine.dispose()


class Served:
    """What serves requests, and counts."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.times = threading.Semaphore(0)

    def __call__(self) -> int:
        self.times.release()
        return 0

    def again(self) -> bool:
        """Wait until it has served once more."""
        return self.times.acquire(timeout=PATIENCE)


@pytest.fixture
def served(desk: Engine) -> Iterator[Served]:
    """A poll that comes round once an hour, woken by a listener."""
    listener, made = RequestListener(desk), Served(desk)
    polling = Polling(made, 3600, PATIENCE, listener)
    polling.start()
    listener.start()
    # What came before it listened.
    assert made.again()
    yield made
    polling.stop()
    listener.stop()


def cut(url: str) -> int:
    """End every connection that listens; return how many."""
    engine = create_engine(url, poolclass=NullPool)
    with engine.begin() as connection:
        ended = connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
                "AND pid <> pg_backend_pid()"
            )
        ).all()
    return len(ended)


def test_a_request_is_served_long_before_the_next_poll(served: Served) -> None:
    Requests(served.engine).ask_sync("2019", "loans", account="lin", now=NOW)
    assert served.again()


def test_one_that_comes_while_another_is_served_is_served_too(served: Served) -> None:
    for source in ("loans", "fees"):
        Requests(served.engine).ask_sync("2019", source, account="lin", now=NOW)
        assert served.again()


def test_a_refused_request_wakes_nobody(served: Served, desk: Engine) -> None:
    with desk.connect() as connection:
        announce(connection)
        connection.rollback()
    Requests(served.engine).ask_sync("2019", "loans", account="lin", now=NOW)
    assert served.again()
    assert not served.times.acquire(blocking=False)


def test_after_a_cut_connection_it_looks_at_once_and_listens_again(served: Served, postgres_url: str) -> None:
    assert cut(postgres_url) >= 1
    # When it is cut off, and when it is connected again.
    assert served.again()
    assert served.again()
    Requests(served.engine).ask_sync("2019", "loans", account="lin", now=NOW)
    assert served.again()


def test_an_institution_in_another_schema_is_not_woken(served: Served, postgres_url: str) -> None:
    engine = create_engine(postgres_url, poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(text("CREATE SCHEMA other"))
        connection.execute(text("SET search_path = other"))
        connection.execute(text("SELECT pg_notify('clearance_requests', current_schema())"))
    Requests(served.engine).ask_sync("2019", "loans", account="lin", now=NOW)
    assert served.again()
    assert not served.times.acquire(blocking=False)


def test_sqlite_reports_nothing_and_is_polled() -> None:
    engine = create_engine("sqlite://")
    assert not can_listen(engine)
    made = Served(engine)
    polling = Polling(made, 0.01, PATIENCE)
    polling.start()
    assert made.again()
    assert made.again()
    polling.stop()
