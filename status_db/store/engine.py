"""Opening the status database: one code for SQLite and PostgreSQL.

SQLite: WAL, synchronous FULL, foreign keys on; whoever writes begins with BEGIN IMMEDIATE. PostgreSQL: writers of a
cohort take one advisory lock, and no longer than they may. Whoever writes looks at the version of the tables first, so
that a process that was started before an upgrade writes nothing after it. `open_reading` gives a handle that cannot
write.
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
from sqlalchemy.pool import QueuePool

from config.tables.plain_text import plain
from config.tables.secrets import DatabaseUrl, SecretUnusable
from foundation.private_files import make_file, make_folder
from foundation.refusals import Refused
from status_db.store import schema_version
from status_db.store.deadlines import limit_statements
from status_db.store.schema_version import Part
from status_db.tables.types import TextError

_BUSY_SECONDS = 30

#: An error's text leaves out the values of its statement: names, numbers and hashes must not get into a log.
_HIDDEN: dict[str, Any] = {"hide_parameters": True}

#: The advisory lock of the tables' version, in PostgreSQL's space of two numbers, apart from the cohorts' locks.
#: Writers share it; who changes the tables has it alone.
VERSION_LOCK = (int.from_bytes(b"clea"), 0)
#: PostgreSQL ends the session of a writer that stands still for so long in its transaction: then it is others' turn.
_STALLED_SECONDS = 300

#: What the databases say of a statement that took too long.
_BROKEN_OFF = ("statement timeout", "interrupted")


class StoreCode(StrEnum):
    """What the status database could not do."""

    FAILED = "failed"
    TOO_SLOW = "too_slow"
    #: A value that no column takes.
    VALUE = "value"
    #: A key that cannot be read or made; the ledger cannot be written with what there is.
    KEY = "key"
    LEDGER = "ledger"
    #: A sealed row was altered past this program.
    ALTERED = "altered"
    BACKUP = "backup"
    #: A student's number cannot be corrected so.
    NUMBER = "number"


class StoreError(Refused[StoreCode]):
    """The status database could not do its part; nothing of the transaction is kept. The text ends with the way out."""

    code = StoreCode.FAILED

    def __init__(self, text: str) -> None:
        super().__init__(self.code, text)


class TookTooLong(StoreError):  # noqa: N818 - named by what is so
    """A statement took longer than it may, and was broken off."""

    code = StoreCode.TOO_SLOW


class ValueRefused(StoreError):  # noqa: N818 - named by the reaction
    """A value was given that no column takes: too large, too long, or no text. The database itself is well."""

    code = StoreCode.VALUE


def open_writing(url: str, *, create: bool = False, secret: DatabaseUrl | None = None) -> Engine:
    """Return an engine whose transactions may write. Opens nothing yet.

    With its `secret`, each new connection of a PostgreSQL is made with the user and the password that it holds then.

    An SQLite file that is not there is made only with `create`, and its folder with it, for this user alone: an empty
    one in the place of a lost one would be taken for a season that has not begun.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        limits = {"lock_timeout": _BUSY_SECONDS, "idle_in_transaction_session_timeout": _STALLED_SECONDS}
        own = parsed.query.get("options", ())
        options = " ".join(
            [*(f"-c {name}={seconds}s" for name, seconds in limits.items()), *([own] if isinstance(own, str) else own)]
        )
        server = _engine(
            parsed, poolclass=QueuePool, pool_size=4, pool_pre_ping=True, connect_args={"options": options}, **_HIDDEN
        )
        return _with_current_password(server, secret)
    file = sqlite_file(url)
    if create and file is not None:
        make_folder(file.parent)
        # Its log and its index get the rights of the database.
        make_file(file)
    # Kept open between transactions: the last connection to close would copy the whole log back each time.
    arguments = {"timeout": _BUSY_SECONDS, "check_same_thread": False}
    engine = _engine(parsed, poolclass=QueuePool, pool_size=4, connect_args=arguments, **_HIDDEN)
    if not create and file is not None:
        event.listen(engine, "do_connect", partial(_see_that_it_is_there, file))
    event.listen(engine, "connect", _prepare_sqlite)
    return engine


def sqlite_file(url: str) -> Path | None:
    """Return the file of an SQLite database; None for any other, and for one in memory."""
    parsed = make_url(url)
    name = parsed.database
    if parsed.get_backend_name() != "sqlite" or not name or name == ":memory:" or name.startswith("file:"):
        return None
    return Path(name)


def _see_that_it_is_there(file: Path, *_connecting: object) -> None:
    if not file.exists():
        raise StoreError(
            f"The status database {file} is not there. If it was lost, put a backup in its place: "
            "clearance restore FOLDER. If it has yet to be made: clearance db upgrade"
        )


def _with_current_password(engine: Engine, secret: DatabaseUrl | None) -> Engine:
    """Have each new connection look its password up: it may have been changed since the engine was made."""
    if secret is None:
        return engine

    def look_up(_dialect: object, _record: object, _arguments: object, named: dict[str, Any]) -> None:
        try:
            now = make_url(secret.reveal())
        except SecretUnusable as error:
            raise StoreError(f"The status database cannot be connected to: {error}") from None
        named.update({"user": now.username, "password": now.password})

    event.listen(engine, "do_connect", look_up)
    return engine


def _engine(url: URL, **options: Any) -> Engine:  # noqa: ANN401 - as SQLAlchemy takes them
    """Return an engine. Raises StoreError for a kind of database, or a driver, that the program does not use."""
    fix = "Write postgresql+psycopg://USER:PASSWORD@HOST/DATABASE, or sqlite:///FILE, as the url in [status_db]."
    if url.get_backend_name() not in ("sqlite", "postgresql"):
        raise StoreError(f"The status database cannot be one of {plain(url.get_backend_name()[:40])}. {fix}")
    try:
        return create_engine(url, **options)
    except (ArgumentError, ImportError):
        raise StoreError(f"There is no driver {plain(url.drivername[:60])} for the status database. {fix}") from None


def open_reading(url: str, *, at_most: timedelta | None = None, secret: DatabaseUrl | None = None) -> Engine:
    """Return an engine that cannot write: SQLite read-only behind an authorizer, PostgreSQL in read-only transactions.

    On PostgreSQL only the role's grants hold against somebody who means it; the read-only default protects against
    our own mistakes. A statement that takes longer than `at_most` is broken off, and raises TookTooLong: its asker may
    be long gone.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        options = "-c default_transaction_read_only=on"
        if at_most is not None:
            options += f" -c statement_timeout={round(at_most.total_seconds() * 1000)}"
        server = _engine(parsed, pool_size=8, pool_pre_ping=True, connect_args={"options": options}, **_HIDDEN)
        return _with_current_password(server, secret)
    read_only = parsed.set(database=f"file:{parsed.database}", query={"mode": "ro", "uri": "true"})
    arguments = {"check_same_thread": False}
    engine = _engine(read_only, poolclass=QueuePool, pool_size=8, connect_args=arguments, **_HIDDEN)
    if (file := sqlite_file(url)) is not None:
        event.listen(engine, "do_connect", partial(_see_that_it_is_there, file))
    event.listen(engine, "connect", _forbid_writing)
    limit_statements(engine, at_most)
    return engine


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    _lend_functions(connection)
    # The driver's own transactions begin deferred, and a deferred transaction that turns into a writer fails at once.
    connection.isolation_level = None
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "cache_size = -32000"):
        connection.execute(f"PRAGMA {pragma}").close()


def _lend_functions(connection: sqlite3.Connection) -> None:
    connection.create_function("keys_within", 2, _keys_within, deterministic=True)


def _keys_within(keys: str, among: str | None) -> bool:
    """Say whether every key of the first JSON list stands in the second."""
    return among is not None and set(json.loads(keys)) <= set(json.loads(among))


_READS = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
#: Each tells something; two would set something when given a value.
_READ_PRAGMAS = {"query_only", "data_version"}


def _forbid_writing(connection: sqlite3.Connection, _record: object) -> None:
    _lend_functions(connection)
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
    """Give a connection that sees one consistent state from its first read to its end."""
    isolated = (
        engine if engine.dialect.name == "sqlite" else engine.execution_options(isolation_level="REPEATABLE READ")
    )
    with store_errors(engine), isolated.connect() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN")
        try:
            yield connection
        finally:
            roll_back(connection, sqlite=engine.dialect.name == "sqlite")


@contextmanager
def writing(engine: Engine, cohort: str, part: Part = "marks") -> Iterator[Connection]:
    """Give the only connection that may write this cohort now; commit at the end, or keep nothing.

    Raises StoreError when the database cannot take it, or its tables are not this program's any more.
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


# The version is read in a statement of its own: what a statement sees is settled before it waits for a lock.
_WRITERS_TURN = text("SELECT pg_advisory_xact_lock_shared({}, {}), pg_advisory_xact_lock(:key)".format(*VERSION_LOCK))
_VERSIONS: dict[Part, Select[str]] = {
    part: select(column("version_num", String)).select_from(table(schema_version.version_table(part)))
    for part in schema_version.PARTS
}


def hold_version(connection: Connection) -> None:
    """Keep every writer of a PostgreSQL out until this transaction ends: it changes the tables."""
    connection.execute(text("SELECT pg_advisory_xact_lock({}, {})".format(*VERSION_LOCK)))


def _confirm_version(connection: Connection, part: Part) -> None:
    try:
        version: str | None = connection.execute(_VERSIONS[part]).scalar()
    except ProgrammingError:
        # PostgreSQL's word for a table that is not there.
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
        # SQLite has already rolled back by itself (a full disk does that); the connection is of no more use.
        connection.invalidate()


@contextmanager
def store_errors(engine: Engine) -> Iterator[None]:
    """Turn the database's own errors into StoreError with the way out."""
    # Rows written in bulk go through the driver itself, so its own errors come as well.
    driver = engine.dialect.loaded_dbapi
    try:
        yield
    except TextError as error:
        raise ValueRefused(str(error)) from None
    except (DataError, driver.DataError, OverflowError) as error:
        raise ValueRefused(_beyond(error)) from None
    except DBAPIError as error:
        if not isinstance(error, OperationalError | InternalError) and not _damaged(engine, str(error.orig)):
            raise
        raise _failed(engine, str(error.orig)) from error
    except StatementError as error:
        # What a column's own type refuses comes wrapped in the statement.
        if not isinstance(error.orig, TextError):
            raise
        raise ValueRefused(str(error.orig)) from None
    except driver.DatabaseError as error:
        if not isinstance(error, driver.OperationalError | driver.InternalError) and not _damaged(engine, str(error)):
            raise
        raise _failed(engine, str(error)) from error


def _failed(engine: Engine, said: str) -> StoreError:
    kind = TookTooLong if any(word in said for word in _BROKEN_OFF) else StoreError
    return kind(_explained(engine, said))


def _beyond(error: Exception) -> str:
    said = str(error.orig if isinstance(error, DBAPIError) else error).strip().splitlines()
    return (
        f"The status database takes no such value ({said[0] if said else type(error).__name__}). Look at the numbers "
        "and texts that were given: one is larger than any that is kept."
    )


def _damaged(engine: Engine, said: str) -> bool:
    """Say whether SQLite means that the file itself is no sound database; it says so by a kind of error of its own."""
    return engine.dialect.name == "sqlite" and ("malformed" in said or "not a database" in said)


def _explained(engine: Engine, said: str) -> str:
    where = engine.url.render_as_string(hide_password=True)
    said = said.strip().splitlines()[0] if said.strip() else "no reason given"
    if _damaged(engine, said):
        what = "its file is damaged"
        fix_text = (
            "Stop the services, keep that file, and put a backup in its place: clearance restore FOLDER --replace"
        )
    elif "full" in said or "No space" in said or "disk I/O" in said:
        what, fix_text = "its disk is full or failing", "Make room there, then run this again."
    elif "idle-in-transaction" in said:
        what, fix_text = f"this process stood still for {_STALLED_SECONDS} s in a transaction", "Run this again."
    elif any(word in said for word in _BROKEN_OFF):
        what, fix_text = "a question took too long", "Run ANALYZE on the database, then try again."
    elif "locked" in said or "busy" in said or "lock timeout" in said:
        what, fix_text = f"another writer has held it for {_BUSY_SECONDS} s", "Try again when that one has ended."
    elif 'database "' in said and "does not exist" in said:
        what, fix_text = "there is no database of that name", "Create it on the server, then run this again."
    elif "no such table" in said or "does not exist" in said:
        what, fix_text = "it has not all its tables yet", "Run: clearance db upgrade"
    elif "unable to open" in said:
        what, fix_text = "it cannot be opened", "Run `clearance db upgrade` as the user that owns its folder."
    else:
        what, fix_text = "it did not answer", "See that it runs, and that [status_db] url is right."
    return f"The status database failed: {what} ({said}; {where}). {fix_text}"
