"""Promise 10: what a role of a real PostgreSQL tries beyond its work is refused by the server, or changes nothing.

The tables' owner is an ordinary role, as docs/running.md has it; the superuser's statements have been run once.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields

import pytest
from sqlalchemy import URL, Connection, Engine, create_engine, make_url, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from status_db.store.engine import open_reading
from status_db.store.migrate import upgrade
from status_db.store.role_checks import warnings
from status_db.store.roles import Roles, apply, planned
from tests.four_roles import FourRoles, four_roles
from tests.services import databases
from tests.status_db.escalations import NOBODY, OTHERS, REMOVES

WHICH = [field.name for field in fields(Roles)]


@dataclass(frozen=True, slots=True)
class Guarded:
    """A database with this program's tables, an ordinary role that owns them, and its four roles."""

    four: FourRoles
    server: str
    owner: str

    def engine(self, which: str) -> Engine:
        """Return an engine of one of the four."""
        return self.four.engine(self.server, getattr(self.four.named, which))


@pytest.fixture(scope="module")
def guarded(postgres_server: URL) -> Iterator[Guarded]:
    """Tables by an ordinary owner, one row in each that is attacked; rights as `db roles` gives them."""
    owner, word = f"owner-{secrets.token_hex(4)}", secrets.token_hex(8)
    server = create_engine(postgres_server, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.exec_driver_sql(f"CREATE ROLE \"{owner}\" LOGIN PASSWORD '{word}'")
    with four_roles(postgres_server) as four, databases.fresh_database(postgres_server) as url:
        with server.connect() as connection:
            connection.exec_driver_sql(f'ALTER DATABASE "{url.database}" OWNER TO "{owner}"')
        whole = url.render_as_string(hide_password=False)
        own = make_url(whole).set(username=owner, password=word).render_as_string(hide_password=False)
        upgrade(own, "marks")
        upgrade(own, "desk")
        done, left = apply(own, four.named, ("marks", "desk"))
        assert (done > 100, left > 100) == (True, True)
        for statement in planned(own, four.named, ("marks", "desk")).superusers:
            _run(whole, statement)
        for statement in ROWS:
            _run(own, statement)
        yield Guarded(four, whole, own)
        # An upgrade takes its turn by the functions that nobody else may call now, and gives the rights again.
        upgrade(own, "marks")
        assert apply(own, four.named, ("marks", "desk")) == (done, left)
    with server.connect() as connection:
        connection.exec_driver_sql(f'DROP ROLE "{owner}"')
    server.dispose()


def _run(url: str, statement: str) -> None:
    engine = create_engine(url, poolclass=NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql(statement.replace("%", "%%"))
    engine.dispose()


NOW = "TIMESTAMPTZ '2019-06-01 08:00+08'"
ROWS = (
    "INSERT INTO cohort VALUES ('2019', 'x', 1)",
    (
        "INSERT INTO student (cohort, student, name, level, college, class, campus, building, category, extra, active, "
        f"joined_at, digest) VALUES ('2019', 'S1', 'x', 'u', 'c', 'k', '', '', '', '{{}}', true, {NOW}, '')"
    ),
    f"INSERT INTO status VALUES ('2019', 'S1', 'library', 'held', 'owes', NULL, {NOW}, 1)",
    f"INSERT INTO account (account, name, password_hash, active, created_at) VALUES ('dean', 'x', 'h', true, {NOW})",
    f"INSERT INTO audit (at, account, deed, detail, address) VALUES ({NOW}, 'dean', 'signed_in', '{{}}', '')",
)

#: How a server refuses what a role has no right to; what is not installed, or not there, cannot be done either.
_REFUSED = ("InsufficientPrivilege", "UndefinedFile", "FeatureNotSupported", "UndefinedObject", "InvalidName")


def _attempts(which: str) -> list[str]:
    removes = [] if which == "sync" else REMOVES
    return NOBODY + removes + OTHERS[which].strip().splitlines()


def _let_through(guarded: Guarded, connection: Connection, statement: str) -> str:
    """Return how a statement ended that was not refused; empty where it was, by the server."""
    database, owner = make_url(guarded.server).database, make_url(guarded.owner).username
    asked = statement.replace("{database}", f'"{database}"').replace("{owner}", f'"{owner}"')
    if asked.startswith("LOCK"):
        # Only within a transaction.
        asked = f"DO 'BEGIN {asked}; END'"
    try:
        connection.exec_driver_sql(asked.replace("%", "%%"))
    except DBAPIError as error:
        kind = type(error.orig).__name__
        return "" if kind in _REFUSED else f"{kind}: {error.orig}".splitlines()[0]
    return "was done"


@contextmanager
def _asking(guarded: Guarded, which: str) -> Iterator[Connection]:
    """Give a connection of one of the four on which each statement is a transaction of its own."""
    with guarded.engine(which).connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        yield connection


@pytest.mark.parametrize("which", WHICH)
def test_sixty_escalations_and_more_are_refused_by_the_server(guarded: Guarded, which: str) -> None:
    before = _everything(guarded)
    attempts = _attempts(which)
    assert len(set(attempts)) > 60
    with _asking(guarded, which) as connection:
        ended = {each: how for each in attempts if (how := _let_through(guarded, connection, each))}
    assert ended == {}
    assert _everything(guarded) == before


def test_the_students_pages_see_no_account_of_staff_and_change_none(guarded: Guarded) -> None:
    before = _everything(guarded)
    with _asking(guarded, "students") as connection:
        assert connection.exec_driver_sql("SELECT * FROM account").all() == []
        assert connection.exec_driver_sql("SELECT * FROM audit").all() == []
        assert connection.exec_driver_sql("UPDATE account SET password_hash = 'mine'").rowcount == 0
    assert _everything(guarded) == before


def test_the_sync_removes_no_account_of_staff(guarded: Guarded) -> None:
    with _asking(guarded, "sync") as connection:
        assert connection.exec_driver_sql("DELETE FROM account").rowcount == 0


@pytest.mark.parametrize("which", WHICH)
def test_what_the_server_lets_everybody_say_changes_nothing(guarded: Guarded, which: str) -> None:
    """Some statements are refused by a warning, or are about the role's own session alone."""
    before = _everything(guarded)
    said = (
        "GRANT ALL ON status TO PUBLIC",
        "REVOKE ALL ON status FROM PUBLIC",
        "ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO PUBLIC",
        "SET search_path TO mine, pg_temp",
        "SET row_security = off",
        "SET default_transaction_read_only = off",
        "ANALYZE ledger",
        "VACUUM ledger",
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'postgres'",
        "LISTEN mine",
    )
    with _asking(guarded, which) as connection:
        for statement in said:
            _let_through(guarded, connection, statement)
    assert _everything(guarded) == before


@pytest.mark.parametrize("which", WHICH)
def test_nothing_shadows_a_table_of_the_programs(guarded: Guarded, which: str) -> None:
    with guarded.engine(which).connect() as connection:
        path = connection.execute(text("SHOW search_path")).scalar_one()
        assert path == "public, pg_temp"
        if which == "sync":
            connection.exec_driver_sql("CREATE TEMPORARY TABLE decision (a int)")
            found = connection.execute(
                text("SELECT relnamespace::regnamespace::text FROM pg_class WHERE oid = 'decision'::regclass")
            )
            assert found.scalar_one() == "public"


def test_roles_made_so_have_nothing_to_be_warned_of(guarded: Guarded) -> None:
    engine = open_reading(guarded.four.url(guarded.server, guarded.four.named.sync))
    assert warnings(engine) == ()
    _run(guarded.server, "GRANT EXECUTE ON FUNCTION lo_create(oid) TO PUBLIC")
    (said,) = warnings(engine)
    _run(guarded.server, "REVOKE EXECUTE ON FUNCTION lo_create(oid) FROM PUBLIC")
    engine.dispose()
    assert "can store large objects" in said
    assert said.endswith("clearance db roles --print.")


def _everything(guarded: Guarded) -> dict[str, list[tuple[str, ...]]]:
    """Return what an escalation would change: every row of ours, every right, every object, every setting."""
    engine = create_engine(guarded.server, poolclass=NullPool)

    def listed(connection: Connection, query: str) -> list[tuple[str, ...]]:
        return sorted(tuple(map(str, row)) for row in connection.exec_driver_sql(query))

    with engine.connect() as connection:
        names = connection.execute(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")).scalars().all()
        found = {name: listed(connection, f'SELECT * FROM "{name}"') for name in names}
        found |= {
            "rights": listed(
                connection, "SELECT relname, relacl FROM pg_class WHERE relnamespace = 'public'::regnamespace"
            ),
            "columns": listed(
                connection, "SELECT attrelid::regclass, attname, attacl FROM pg_attribute WHERE attacl IS NOT NULL"
            ),
            "functions": listed(connection, "SELECT oid::regprocedure, proacl FROM pg_proc"),
            "schemas": listed(connection, "SELECT nspname, nspacl FROM pg_namespace WHERE nspname NOT LIKE 'pg_t%%'"),
            "roles": listed(connection, "SELECT * FROM pg_roles"),
            "members": listed(connection, "SELECT roleid::regrole, member::regrole FROM pg_auth_members"),
            "settings": listed(connection, "SELECT * FROM pg_db_role_setting"),
            "large objects": listed(connection, "SELECT oid FROM pg_largeobject_metadata"),
        }
    engine.dispose()
    return found
