"""A connection is kept for the next read, and never one that a fault has touched."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import URL, Engine, create_engine, make_url, text
from sqlalchemy.pool import NullPool

from connectors.databases import kept_engines
from connectors.databases.kept_engines import KEPT
from connectors.port import SourceError
from connectors.sql import Sql
from tests.connectors.database_office import ask
from tests.connectors.databases.test_sql_broken import kill_others
from tests.services import databases

#: A query whose answer is the number of the session that gives it.
_SESSION = {
    "postgresql": "SELECT '1' AS number, CAST(pg_backend_pid() AS text) AS title",
    "mysql": "SELECT '1' AS number, CAST(CONNECTION_ID() AS CHAR) AS title",
}
_COLUMNS = {"student": "number", "title": "title"}


@pytest.fixture
def url(served: str) -> URL:
    """A database on each server that keeps sessions."""
    return make_url(served)


@pytest.fixture
def own_engine(url: URL) -> Iterator[Engine]:
    """Its administrator."""
    engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    yield engine
    engine.dispose()


def connector_of(url: URL, **own: Any) -> Sql:
    """Return a new connector, as each run makes one, that answers with the number of its session."""
    query = _SESSION[url.get_backend_name()]
    return ask(url, query, _COLUMNS, allows=["pg_backend_pid"], **own)


def session(url: URL, **own: Any) -> str:
    """Ask about one student; return the session that answered."""
    ((_, found),) = connector_of(url, **own).pull_one("1").rows
    return str(found)


def sessions(engine: Engine) -> int:
    """Return the number of other sessions in the database."""
    questions = {
        "postgresql": "SELECT COUNT(*) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'",
        "mysql": "SELECT COUNT(*) FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()",
    }
    with engine.connect() as connection:
        return int(connection.execute(text(questions[engine.dialect.name])).scalar_one())


def eventually(number: Callable[[], int], wanted: int) -> bool:
    """Return whether the server comes to count so many: it learns of a closed connection a little later."""
    return any(number() == wanted for _ in range(200))


def test_rechecks_share_one_connection(url: URL, own_engine: Engine) -> None:
    assert len({session(url) for _ in range(3)}) == 1
    assert sessions(own_engine) == 1


def test_a_connection_killed_between_two_rechecks_is_replaced(url: URL) -> None:
    first = session(url)
    assert kill_others(url) == 1
    assert session(url) != first


def test_no_connection_is_kept_after_an_error(url: URL, own_engine: Engine) -> None:
    session(url)
    with pytest.raises(SourceError):
        ask(url, "SELECT number, title FROM nowhere", _COLUMNS).pull()
    assert eventually(lambda: sessions(own_engine), 0)


def test_closing_leaves_no_connection_open(url: URL, own_engine: Engine) -> None:
    session(url)
    KEPT.close()
    assert eventually(lambda: sessions(own_engine), 0)


def test_other_settings_of_the_same_source_replace_the_connection(url: URL, own_engine: Engine) -> None:
    first = session(url)
    changed = session(url, connect_timeout="7 s")
    assert changed != first
    assert session(url, connect_timeout="7 s") == changed
    assert eventually(lambda: sessions(own_engine), 1)


def test_a_rotated_password_opens_a_connection_with_it_and_closes_the_old_one(url: URL, own_engine: Engine) -> None:
    user, postgres = f"reader_{uuid4().hex[:8]}", own_engine.dialect.name == "postgresql"
    account = f'"{user}"' if postgres else f"'{user}'@'localhost'"
    named = "PASSWORD" if postgres else "IDENTIFIED BY"
    kind = "ROLE" if postgres else "USER"

    def say(statement: str) -> None:
        with own_engine.connect() as connection:
            connection.exec_driver_sql(statement)

    def address(password: str) -> URL:
        return url.set(username=user, password=password)

    say(f"CREATE {kind} {account} {'LOGIN ' if postgres else ''}{named} 'before'")
    try:
        if not postgres:
            say(f"GRANT SELECT ON `{url.database}`.* TO {account}")
        before = session(address("before"))
        say(f"ALTER {kind} {account} {named} 'after'")
        assert session(address("after")) != before
        assert eventually(lambda: sessions(own_engine), 1)
    finally:
        KEPT.close()
        say(f"DROP {kind} {account}")


def test_as_many_engines_are_kept_as_the_limit_allows(
    url: URL, own_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_engines, "MOST", 2)
    for number in range(5):
        connector = connector_of(url)
        connector._question = replace(connector._question, source=f"source_{number}")
        connector.pull()
    assert eventually(lambda: sessions(own_engine), 2)


def test_a_connection_that_was_idle_for_a_minute_is_not_used_again(url: URL, monkeypatch: pytest.MonkeyPatch) -> None:
    first = session(url)
    monkeypatch.setattr(kept_engines, "IDLE", 0.0)
    assert session(url) != first


def test_idle_connections_are_closed_while_nothing_is_asked(
    url: URL, own_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_engines, "IDLE", 0.01)
    session(url)
    assert eventually(lambda: sessions(own_engine), 0)


def test_a_server_restarted_between_two_rechecks_is_asked_again() -> None:
    with databases.carried_postgres(databases.MEMORY) as server:
        server.hurry()
        first = session(server.url)
        server.kill()
        server.start_again()
        assert session(server.url) != first
        KEPT.close()
