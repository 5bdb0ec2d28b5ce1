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

from status_db.engine import open_reading
from status_db.migrate import upgrade
from status_db.role_checks import warnings
from status_db.roles import Roles, apply, planned
from tests.four_roles import FourRoles, four_roles
from tests.services import databases

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

#: What no role may do, whoever it is.
NOBODY = """
CREATE TABLE mine (a int)
CREATE TABLE public.status_of_mine AS SELECT * FROM pg_class
CREATE UNLOGGED TABLE mine (a int)
CREATE SCHEMA mine
CREATE SCHEMA AUTHORIZATION CURRENT_USER
CREATE VIEW mine AS SELECT 1
CREATE MATERIALIZED VIEW mine AS SELECT 1 AS a
CREATE SEQUENCE mine
CREATE TYPE mine AS (a int)
CREATE DOMAIN mine AS int
CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'
CREATE FUNCTION mine() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'
CREATE FUNCTION mine() RETURNS int LANGUAGE c AS 'libc.so.6', 'system'
CREATE PROCEDURE mine() LANGUAGE sql AS 'SELECT 1'
CREATE AGGREGATE mine(int) (SFUNC = int4pl, STYPE = int)
CREATE OPERATOR public.=== (LEFTARG = int, RIGHTARG = int, FUNCTION = int4eq)
CREATE COLLATION mine FROM "C"
CREATE TEXT SEARCH CONFIGURATION mine (COPY = simple)
CREATE EXTENSION dblink
CREATE EXTENSION pg_trgm
CREATE EXTENSION plpython3u
CREATE LANGUAGE plpython3u
CREATE FOREIGN DATA WRAPPER mine
CREATE SERVER mine FOREIGN DATA WRAPPER postgres_fdw
CREATE EVENT TRIGGER mine ON ddl_command_start EXECUTE FUNCTION suppress_redundant_updates_trigger()
CREATE PUBLICATION mine FOR ALL TABLES
CREATE SUBSCRIPTION mine CONNECTION 'host=127.0.0.1 dbname=x' PUBLICATION x
CREATE DATABASE mine
CREATE ROLE mine SUPERUSER
CREATE TABLESPACE mine LOCATION '/tmp'
CREATE INDEX ON status (verdict)
CREATE STATISTICS mine ON verdict, reason FROM status
CREATE POLICY mine ON account USING (true)
CREATE RULE mine AS ON UPDATE TO status DO INSTEAD NOTHING
CREATE TRIGGER mine BEFORE INSERT ON decision EXECUTE FUNCTION suppress_redundant_updates_trigger()
ALTER TABLE status ADD COLUMN more int
ALTER TABLE status DISABLE TRIGGER ALL
ALTER TABLE status DISABLE ROW LEVEL SECURITY
ALTER TABLE ledger DROP CONSTRAINT ledger_pkey
ALTER TABLE certificate OWNER TO CURRENT_USER
ALTER SCHEMA public RENAME TO other
ALTER DATABASE {database} SET search_path TO mine
ALTER ROLE CURRENT_USER SUPERUSER
ALTER ROLE CURRENT_USER CREATEROLE
ALTER ROLE CURRENT_USER BYPASSRLS
ALTER ROLE CURRENT_USER REPLICATION
ALTER ROLE {owner} PASSWORD 'x'
ALTER SYSTEM SET fsync = off
ALTER DEFAULT PRIVILEGES FOR ROLE {owner} GRANT ALL ON TABLES TO PUBLIC
GRANT {owner} TO CURRENT_USER
GRANT pg_write_server_files TO CURRENT_USER
SET ROLE {owner}
SET SESSION AUTHORIZATION {owner}
SET session_replication_role = replica
SET allow_system_table_mods = on
SET log_statement = 'none'
REASSIGN OWNED BY {owner} TO CURRENT_USER
DROP OWNED BY {owner}
DROP TABLE status CASCADE
DROP SCHEMA public CASCADE
TRUNCATE status
TRUNCATE ledger
TRUNCATE audit
COPY status TO PROGRAM 'cat'
COPY (SELECT 1) TO PROGRAM 'sh -c true'
COPY (SELECT 1) TO '/tmp/clearance-mine'
COPY cohort FROM '/etc/passwd'
COPY ledger FROM PROGRAM 'true'
SELECT pg_read_file('/etc/passwd')
SELECT pg_read_binary_file('postgresql.conf')
SELECT pg_ls_dir('.')
SELECT pg_ls_waldir()
SELECT pg_stat_file('postgresql.conf')
SELECT lo_import('/etc/passwd')
SELECT lo_export(1, '/tmp/clearance-mine')
SELECT lo_creat(-1)
SELECT lo_create(4711)
SELECT lo_from_bytea(0, 'x')
SELECT lo_put(1, 0, 'x')
SELECT lo_unlink(1)
SELECT lo_open(1, 131072)
SELECT lowrite(0, 'x')
SELECT * FROM pg_authid
SELECT * FROM pg_shadow
SELECT * FROM pg_user_mapping
SELECT * FROM pg_largeobject
SELECT * FROM pg_statistic
SELECT * FROM pg_hba_file_rules
SELECT * FROM pg_file_settings
SELECT pg_reload_conf()
SELECT pg_rotate_logfile()
SELECT pg_switch_wal()
SELECT pg_create_restore_point('x')
SELECT pg_create_physical_replication_slot('mine')
SELECT pg_logical_emit_message(false, 'x', 'x') FROM pg_create_logical_replication_slot('mine', 'test_decoding')
SELECT pg_advisory_lock(1)
SELECT pg_try_advisory_lock(1)
SELECT pg_advisory_lock(1668048225, 0)
SELECT pg_advisory_xact_lock(1668048225, 0)
SELECT pg_try_advisory_xact_lock(1668048225, 0)
UPDATE pg_class SET relacl = NULL WHERE relname = 'status'
UPDATE pg_authid SET rolsuper = true
DELETE FROM pg_proc WHERE proname = 'now'
COMMENT ON TABLE status IS 'x'
UPDATE ledger SET mac = ''
DELETE FROM ledger
UPDATE flip SET after = 'cleared'
DELETE FROM flip
DELETE FROM decision
DELETE FROM certificate
DELETE FROM student
DELETE FROM cohort
UPDATE audit SET account = 'x'
UPDATE version_marks SET version_num = '0'
DELETE FROM version_desk
UPDATE decision SET student = 'S2'
UPDATE decision SET verdict = 'cleared'
UPDATE certificate SET student = 'S2'
UPDATE certificate SET number = 'x'
UPDATE student SET student = 'S2'
UPDATE record SET student = 'S2'
UPDATE status SET student = 'S2'
UPDATE run SET "by" = 'x'
UPDATE account SET account = 'x'
UPDATE account SET student = 'S1'
UPDATE account SET demo = true
UPDATE token SET account = 'x'
UPDATE request SET account = 'x'
UPDATE request SET kind = 'opinion'
UPDATE upload SET account = 'x'
UPDATE objection SET student = 'S2'
UPDATE announcement SET body = 'x'
LOCK TABLE ledger IN ACCESS EXCLUSIVE MODE
LOCK TABLE decision IN ACCESS EXCLUSIVE MODE
LOCK TABLE run IN EXCLUSIVE MODE
LOCK TABLE cohort IN EXCLUSIVE MODE
SELECT setval('run_run_seq', 1)
SELECT setval('decision_decision_seq', 1)
""".strip().splitlines()

#: What the sync alone may do: it removes what retention lets go.
REMOVES = """
DELETE FROM audit
DELETE FROM account
DELETE FROM token
DELETE FROM request
LOCK TABLE audit IN EXCLUSIVE MODE
""".strip().splitlines()

#: What each may not do besides: it is another's work.
OTHERS = {
    "students": """
SELECT * FROM student
SELECT * FROM decision
SELECT * FROM staff_session
SELECT * FROM token
SELECT * FROM passkey
SELECT * FROM recovery_code
SELECT * FROM factor_step
SELECT * FROM upload
SELECT * FROM retention_run
SELECT * FROM pending_change
INSERT INTO staff_session DEFAULT VALUES
INSERT INTO "grant" DEFAULT VALUES
UPDATE "grant" SET act = 'manage'
DELETE FROM "grant"
INSERT INTO code DEFAULT VALUES
INSERT INTO announcement DEFAULT VALUES
UPDATE announcement SET body = 'x'
UPDATE request SET served_at = now()
UPDATE account SET mac = ''
UPDATE account SET active = true
UPDATE account SET second_factor = ''
UPDATE code SET until = now()
UPDATE objection SET mac = ''
INSERT INTO account (account, name, active, created_at) VALUES ('boss', 'x', true, now())
INSERT INTO audit (at, account, deed, detail, address, chain) VALUES (now(), 'x', 'x', '{}', '', 'desk')
""",
    "portal": """
INSERT INTO status VALUES ('2019', 'S9', 'library', 'cleared', 'x', NULL, now(), 1)
UPDATE status SET verdict = 'cleared'
INSERT INTO decision DEFAULT VALUES
INSERT INTO ledger DEFAULT VALUES
SELECT * FROM student FOR UPDATE
SELECT * FROM status FOR KEY SHARE
SELECT * FROM account
SELECT * FROM session
SELECT nextval('run_run_seq')
CREATE TEMPORARY TABLE status (a int)
LOCK TABLE status IN SHARE MODE
LOCK TABLE status IN ROW EXCLUSIVE MODE
SELECT pg_advisory_xact_lock(1)
SELECT pg_advisory_xact_lock_shared(1668048225, 0)
""",
    "desk": """
SELECT * FROM student
SELECT * FROM status
SELECT * FROM decision
SELECT * FROM ledger
INSERT INTO decision DEFAULT VALUES
UPDATE status SET verdict = 'cleared'
UPDATE request SET served_at = now()
UPDATE request SET outcome = 'done'
CREATE TEMPORARY TABLE account (a int)
SELECT nextval('decision_decision_seq')
INSERT INTO cohort VALUES ('x', 'x', 1)
LOCK TABLE student IN ACCESS SHARE MODE
""",
    "operator": """
SELECT * FROM account
SELECT * FROM session
SELECT * FROM audit
INSERT INTO account DEFAULT VALUES
UPDATE status SET verdict = 'cleared'
DELETE FROM status
INSERT INTO record DEFAULT VALUES
INSERT INTO student DEFAULT VALUES
INSERT INTO run DEFAULT VALUES
INSERT INTO opinion DEFAULT VALUES
INSERT INTO applied_settings DEFAULT VALUES
UPDATE applied_settings SET digest = ''
UPDATE cohort SET name = 'x'
UPDATE decision SET reason = 'x'
UPDATE certificate SET decision = 1
UPDATE certificate SET issued_by = 'x'
UPDATE batch SET author = 'x'
CREATE TEMPORARY TABLE status (a int)
LOCK TABLE decision IN SHARE MODE
""",
    "sync": """
INSERT INTO pending_change DEFAULT VALUES
UPDATE pending_change SET outcome = NULL
INSERT INTO decision DEFAULT VALUES
INSERT INTO certificate DEFAULT VALUES
INSERT INTO batch DEFAULT VALUES
UPDATE decision SET withdrawn_at = now()
UPDATE certificate SET revoked_at = now()
UPDATE batch SET undone_at = now()
UPDATE alias SET student = 'S2'
UPDATE stranger SET student = 'S2'
UPDATE opinion SET says = 'approve'
UPDATE reversal SET records = ''
UPDATE wave SET most = 9999
UPDATE pending SET snapshot = ''
DELETE FROM run
DELETE FROM opinion
DELETE FROM reversal
DELETE FROM wave
DELETE FROM applied_settings
INSERT INTO account DEFAULT VALUES
UPDATE account SET password_hash = 'x'
UPDATE "grant" SET act = 'manage'
INSERT INTO "grant" DEFAULT VALUES
INSERT INTO request DEFAULT VALUES
INSERT INTO upload DEFAULT VALUES
SELECT setval('audit_line_seq', 1)
LOCK TABLE decision IN SHARE MODE
LOCK TABLE wave IN EXCLUSIVE MODE
""",
}

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
    """Give a connection of one of the four on which each statement stands by itself."""
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
    assert "may store large objects" in said
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
