"""Opening the status database: the same code for SQLite and PostgreSQL.

SQLite: WAL, synchronous FULL, foreign keys on; a writer begins with BEGIN IMMEDIATE. PostgreSQL: the writers of a
cohort use one advisory lock, for a limited time. Each writer checks the version of the tables first, so that a process
from before an upgrade writes nothing after it. `open_reading` returns an engine that cannot write.
"""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any
from zlib import crc32

from sqlalchemy import (
    URL,
    Connection,
    Engine,
    Select,
    String,
    column,
    create_engine,
    event,
    make_url,
    select,
    table,
    text,
)
from sqlalchemy.exc import (
    ArgumentError,
    DataError,
    DBAPIError,
    InternalError,
    OperationalError,
    ProgrammingError,
    StatementError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import QueuePool

from config.tables.plain_text import plain
from config.tables.secrets import DatabaseUrl, SecretUnusable
from foundation.private_files import make_file, make_folder
from foundation.refusals import Refused
from foundation.translation import tr
from status_db.store import fault_texts, pools, schema_version
from status_db.store.deadlines import limit_statements
from status_db.store.schema_version import Part
from status_db.tables.types import TextError

_BUSY_SECONDS = 30

#: An error's text leaves out the values of its statement: names, numbers and hashes must not be logged.
_HIDDEN: dict[str, Any] = {"hide_parameters": True}

#: The advisory lock of the tables' version, in PostgreSQL's space of two numbers, separate from the cohorts' locks; the
#: second number is the schema's. Writers share it; a change of the tables holds it exclusively.
VERSION_LOCK = int.from_bytes(b"clea")
#: PostgreSQL ends the session of a writer that is idle this long in its transaction, so that others can write.
_STALLED_SECONDS = 300


class StoreCode(StrEnum):
    """Why the status database failed."""

    #: The database refused or did not answer.
    FAILED = "failed"
    #: The database did not answer in time.
    TOO_SLOW = "too_slow"
    #: A value that no column accepts.
    VALUE = "value"
    #: The key cannot be read or created.
    KEY = "key"
    #: The ledger cannot be read or written.
    LEDGER = "ledger"
    #: A sealed row was altered by another program.
    ALTERED = "altered"
    #: A backup cannot be made or restored.
    BACKUP = "backup"
    #: A student number that cannot be corrected.
    NUMBER = "number"


class StoreError(Refused[StoreCode]):
    """The status database failed; nothing of the transaction is kept. The text ends with the fix."""

    code = StoreCode.FAILED

    def __init__(self, text: str) -> None:
        super().__init__(self.code, text)


class TookTooLong(StoreError):  # noqa: N818 - named by what is so
    """A statement exceeded its time limit, and was interrupted."""

    code = StoreCode.TOO_SLOW


class ValueRefused(StoreError):  # noqa: N818 - named by the reaction
    """A value that no column accepts: too large, too long, or not text. The database itself works."""

    code = StoreCode.VALUE


def open_writing(url: str, *, create: bool = False, secret: DatabaseUrl | None = None) -> Engine:
    """Return an engine for transactions that write. Opens no connection yet.

    With a `secret`, each new PostgreSQL connection uses the user and the password that the secret contains then.

    A missing SQLite file is created only with `create`, together with its folder, for this user alone: an empty file in
    place of a lost one would look like a season that has not begun.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        limits = {"lock_timeout": _BUSY_SECONDS, "idle_in_transaction_session_timeout": _STALLED_SECONDS}
        options = _with_options(parsed, [f"-c {name}={seconds}s" for name, seconds in limits.items()])
        server = _create_engine(
            parsed,
            poolclass=QueuePool,
            **pools.sizes(4),
            pool_pre_ping=True,
            connect_args={"options": options},
            **_HIDDEN,
        )
        return _with_current_password(server, secret)
    file = sqlite_file(url)
    if create and file is not None:
        make_folder(file.parent)
        # Its log and its index get the permissions of the database file.
        make_file(file)
    # Kept open between transactions: closing the last connection would copy the whole log back each time.
    arguments = {"timeout": _BUSY_SECONDS, "check_same_thread": False}
    engine = _create_engine(parsed, poolclass=QueuePool, pool_size=4, connect_args=arguments, **_HIDDEN)
    if not create and file is not None:
        event.listen(engine, "do_connect", partial(_require_file, file))
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "checkin", _release_memory)
    return engine


def _with_options(url: URL, options: list[str]) -> str:
    """Return these options of a connection with the URL's own, such as its schema, which they would replace."""
    own = url.query.get("options", ())
    return " ".join([*options, *([own] if isinstance(own, str) else own)])


def sqlite_file(url: str) -> Path | None:
    """Return the file of an SQLite database; None for any other, and for one in memory."""
    parsed = make_url(url)
    name = parsed.database
    if parsed.get_backend_name() != "sqlite" or not name or name == ":memory:" or name.startswith("file:"):
        return None
    return Path(name)


def _require_file(file: Path, *_connecting: object) -> None:
    if not file.exists():
        raise StoreError(
            tr(
                "The status database {file} does not exist. If it was lost, restore a backup: clearance "
                "restore FOLDER. If it is new, create it: clearance db upgrade",
                file=file,
            )
        )


def _with_current_password(engine: Engine, secret: DatabaseUrl | None) -> Engine:
    """Read the password for each new connection: it may have changed since the engine was made."""
    if secret is None:
        return engine

    def look_up(_dialect: object, _record: object, _arguments: object, named: dict[str, Any]) -> None:
        try:
            now = make_url(secret.reveal())
        except SecretUnusable as error:
            raise StoreError(tr("The status database cannot be connected to: {error}", error=error)) from None
        named.update({"user": now.username, "password": now.password})

    event.listen(engine, "do_connect", look_up)
    return engine


def _create_engine(url: URL, **options: Any) -> Engine:  # noqa: ANN401 - as SQLAlchemy accepts them
    """Return an engine. Raises StoreError for a database or a driver that the program does not support."""
    fix = tr("Write postgresql+psycopg://USER:PASSWORD@HOST/DATABASE, or sqlite:///FILE, as the url in [status_db].")
    if url.get_backend_name() not in ("sqlite", "postgresql"):
        raise StoreError(
            tr("The status database cannot be {backend}. {fix}", backend=plain(url.get_backend_name()[:40]), fix=fix)
        )
    try:
        return create_engine(url, **options)
    except (ArgumentError, ImportError):
        raise StoreError(
            tr(
                "There is no driver {driver} for the status database. {fix}",
                driver=plain(url.drivername[:60]),
                fix=fix,
            )
        ) from None


def open_reading(url: str, *, at_most: timedelta | None = None, secret: DatabaseUrl | None = None) -> Engine:
    """Return an engine that cannot write: SQLite read-only behind an authorizer, PostgreSQL in read-only transactions.

    On PostgreSQL only the role's grants stop a deliberate attack; the read-only default protects against mistakes of
    this program. A statement that runs longer than `at_most` is interrupted, and raises TookTooLong: the visitor may no
    longer wait.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        limits = ["-c default_transaction_read_only=on"]
        if at_most is not None:
            limits.append(f"-c statement_timeout={round(at_most.total_seconds() * 1000)}")
        options = _with_options(parsed, limits)
        server = _create_engine(
            parsed, **pools.sizes(8), pool_pre_ping=True, connect_args={"options": options}, **_HIDDEN
        )
        return _with_current_password(server, secret)
    read_only = parsed.set(database=f"file:{parsed.database}", query={"mode": "ro", "uri": "true"})
    arguments = {"check_same_thread": False}
    engine = _create_engine(read_only, poolclass=QueuePool, pool_size=8, connect_args=arguments, **_HIDDEN)
    if (file := sqlite_file(url)) is not None:
        event.listen(engine, "do_connect", partial(_require_file, file))
    event.listen(engine, "connect", _forbid_writing)
    if at_most is None:
        # Pages, which have a limit, read the same rows again and again.
        event.listen(engine, "checkin", _release_memory)
    limit_statements(engine, at_most)
    return engine


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    _add_functions(connection)
    # The driver's own transactions begin deferred, and a deferred transaction that begins to write can fail at once.
    connection.isolation_level = None
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "cache_size = -32000"):
        connection.execute(f"PRAGMA {pragma}").close()


def _release_memory(connection: sqlite3.Connection | None, _record: object) -> None:
    """Free the pages that a connection has cached; the pool keeps it open, for months in a schedule.

    Each connection would otherwise grow with its database, up to `cache_size`. The file is still in the system's cache.
    """
    if connection is not None:
        connection.execute("PRAGMA shrink_memory").close()


def _add_functions(connection: sqlite3.Connection) -> None:
    connection.create_function("keys_within", 2, _keys_within, deterministic=True)


def _keys_within(keys: str, among: str | None) -> bool:
    """Return whether the second JSON list contains every key of the first."""
    return among is not None and set(json.loads(keys)) <= set(json.loads(among))


_READS = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
#: They return a value, or free memory; with an argument they would set a value.
_READ_PRAGMAS = {"query_only", "data_version", "shrink_memory"}


def _forbid_writing(connection: sqlite3.Connection, _record: object) -> None:
    _add_functions(connection)
    connection.execute("PRAGMA query_only = ON").close()

    def allow(action: int, first: str | None, second: str | None, *_rest: Any) -> int:  # noqa: ANN401 - as sqlite3 calls it
        if action in _READS or action == sqlite3.SQLITE_TRANSACTION:
            return sqlite3.SQLITE_OK
        if action == sqlite3.SQLITE_PRAGMA and (first == "table_info" or (first in _READ_PRAGMAS and second is None)):
            return sqlite3.SQLITE_OK
        return sqlite3.SQLITE_DENY

    connection.set_authorizer(allow)


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Yield a connection that sees one consistent state from its first read to its end."""
    with store_errors(engine), engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN")
        else:
            connection.execution_options(isolation_level="REPEATABLE READ")
        try:
            yield connection
        finally:
            roll_back(connection, sqlite=engine.dialect.name == "sqlite")


@contextmanager
def writing(engine: Engine, cohort: str, part: Part = "marks") -> Iterator[Connection]:
    """Yield the only connection for writes to this cohort; commit at the end, or keep nothing.

    Raises StoreError when the database cannot store it, or its tables no longer match this program.
    """
    sqlite = engine.dialect.name == "sqlite"
    with store_errors(engine), engine.connect() as connection:
        if sqlite:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            connection.execute(_WRITERS_TURN, {"key": crc32(cohort.encode())})
        try:
            _confirm_version(connection, part)
            yield connection
            if sqlite:
                connection.exec_driver_sql("COMMIT")
            connection.commit()
        except BaseException:
            roll_back(connection, sqlite=sqlite)
            raise


# The version is read in a statement of its own: a statement's snapshot is made before it waits for a lock.
#: The lock's number within a schema. Locks are a database's own, so those of institutions in two schemas must differ.
OF_SCHEMA = "CASE current_schema() WHEN 'public' THEN 0 ELSE hashtext(current_schema()) END"
_WRITERS_TURN = text(
    f"SELECT pg_advisory_xact_lock_shared({VERSION_LOCK}, schema), "  # noqa: S608 - only constants
    "pg_advisory_xact_lock((schema::bigint << 32) | CAST(:key AS bigint)) "
    f"FROM (SELECT {OF_SCHEMA} AS schema) AS own"
)
_VERSIONS: dict[Part, Select[str]] = {
    part: select(column("version_num", String)).select_from(table(schema_version.version_table(part)))
    for part in schema_version.PARTS
}


def hold_version(connection: Connection) -> None:
    """Block every PostgreSQL writer until this transaction ends, which changes the tables."""
    connection.execute(text(f"SELECT pg_advisory_xact_lock({VERSION_LOCK}, {OF_SCHEMA})"))


def _confirm_version(connection: Connection, part: Part) -> None:
    try:
        version: str | None = connection.execute(_VERSIONS[part]).scalar()
    except ProgrammingError:
        # PostgreSQL's error for a missing table.
        version = None
    if wrong := schema_version.unlike(part, version, connection.engine.url.render_as_string(hide_password=True)):
        raise StoreError(wrong)


def roll_back(connection: Connection, *, sqlite: bool) -> None:
    """End a transaction, keeping nothing of it."""
    try:
        if sqlite:
            connection.exec_driver_sql("ROLLBACK")
        connection.rollback()
    except DBAPIError:
        # SQLite has already rolled back by itself (as with a full disk); the connection cannot be used again.
        connection.invalidate()


@contextmanager
def store_errors(engine: Engine) -> Iterator[None]:
    """Turn the database's own errors into StoreError with the fix."""
    # Bulk writes use the driver directly, so its own errors are caught too.
    driver = engine.dialect.loaded_dbapi
    try:
        yield
    except PoolTimeout:
        raise TookTooLong(
            tr("All connections of this process to the status database are in use. Try again in a moment.")
        ) from None
    except TextError as error:
        raise ValueRefused(str(error)) from None
    except (DataError, driver.DataError, OverflowError) as error:
        raise ValueRefused(fault_texts.value_refusal(error)) from None
    except DBAPIError as error:
        if not isinstance(error, OperationalError | InternalError) and not fault_texts.damaged(engine, str(error.orig)):
            raise
        raise _store_error(engine, str(error.orig)) from error
    except StatementError as error:
        # The refusal of a column's own type is wrapped in a statement error.
        if not isinstance(error.orig, TextError):
            raise
        raise ValueRefused(str(error.orig)) from None
    except driver.DatabaseError as error:
        if not isinstance(error, driver.OperationalError | driver.InternalError) and not fault_texts.damaged(
            engine, str(error)
        ):
            raise
        raise _store_error(engine, str(error)) from error


def _store_error(engine: Engine, reported: str) -> StoreError:
    kind = TookTooLong if fault_texts.interrupted(reported) else StoreError
    return kind(fault_texts.failure(engine, reported, busy_seconds=_BUSY_SECONDS, stalled_seconds=_STALLED_SECONDS))
