"""An Oracle for tests: a real one where ORACLE_TEST_URL names it, else a listener that speaks its wire.

The variable holds an SQLAlchemy URL of an account with an empty schema that may create tables and hold some megabytes.
The tables are made there, and dropped again; one that is there already is never touched: the test fails instead.
"""

import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import URL, Engine, create_engine, make_url, text
from sqlalchemy.pool import NullPool

from tests.oracle_listener.sql import Schema, load
from tests.oracle_listener.wire import Account, OracleListener

VARIABLE = "ORACLE_TEST_URL"
WORD = "hidden-word"
SERVICE = "LIBSYS"

#: For what no real server does on demand: faults, accounts in every state, a charset of its own.
listener_alone = pytest.mark.skipif(
    bool(os.environ.get(VARIABLE)),
    reason=f"needs what only the listener does on demand; {VARIABLE} names a real server",
)

Tables = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True)
class Place:
    """Where tables are, and the account that asks for them."""

    url: URL
    #: The schema that the tables are in.
    owner: str
    #: The listener; None where the server is a real one.
    wire: OracleListener | None = None

    def address(self, user: str = "", word: str = "", service: str = "") -> str:
        """Return the url as text, with another account, password or service where they are given."""
        url = self.url.set(username=user or None, password=word or None)
        if service:
            url = url.set(database="", query={"service_name": service})
        return url.render_as_string(hide_password=False)

    def refill(self, table: str, rows: Sequence[Mapping[str, object]]) -> None:
        """Have a table hold exactly these rows."""
        if self.wire is None:
            engine = create_engine(self.url, poolclass=NullPool)
            with engine.begin() as connection:
                connection.execute(text(f"DELETE FROM {table}"))
            _insert(engine, table, rows)
            return
        with closing(sqlite3.connect(self.wire.path)) as file:
            file.execute(f"DELETE FROM {table}")
            kinds = self.wire.schema.tables[table]
            file.executemany(
                f"INSERT INTO {table} ({', '.join(kinds)}) VALUES ({', '.join('?' * len(kinds))})",
                # A CHAR is stored with its blanks, as Oracle would.
                [
                    [value if value is None else kinds[name].pad(str(value)) for name, value in row.items()]
                    for row in rows
                ],
            )
            file.commit()


def listening(wire: OracleListener) -> Place:
    """Return a listener as a place."""
    url = URL.create(
        "oracle+oracledb", "clearance", WORD, "127.0.0.1", wire.port, "", query={"service_name": wire.service}
    )
    return Place(url, wire.schema.owner, wire)


@contextmanager
def oracle(
    path: Path,
    tables: Tables,
    rows: Mapping[str, Iterable[tuple[object, ...]]],
    users: Mapping[str, Account],
    *,
    require_owner: bool = False,
) -> Iterator[Place]:
    """Give tables in an Oracle: in the real one that is named, else behind a listener that keeps them at `path`."""
    named = os.environ.get(VARIABLE)
    if not named:
        schema = Schema.of(tables, "LIBSYS")
        load(path, schema, rows)
        with OracleListener(path, schema, users=users, require_owner=require_owner) as wire:
            yield listening(wire)
        return
    url = make_url(named)
    engine = create_engine(url, poolclass=NullPool)
    made: list[str] = []
    try:
        for table, columns in tables.items():
            with engine.begin() as connection:
                connection.execute(text(f"CREATE TABLE {table} ({', '.join(f'{n} {t}' for n, t in columns.items())})"))
            made.append(table)
            _insert(engine, table, [dict(zip(columns, row, strict=True)) for row in rows[table]])
        yield Place(url, str(url.username).upper())
    finally:
        for table in made:
            with engine.begin() as connection:
                connection.execute(text(f"DROP TABLE {table} PURGE"))
        engine.dispose()


def _insert(engine: Engine, table: str, rows: Sequence[Mapping[str, object]]) -> None:
    if not rows:
        return
    names = ", ".join(rows[0])
    # NUMBER_ and its like are no names for a bind, so they are counted.
    binds = ", ".join(f":b{i}" for i in range(len(rows[0])))
    with engine.begin() as connection:
        connection.execute(
            text(f"INSERT INTO {table} ({names}) VALUES ({binds})"),
            [{f"b{i}": value for i, value in enumerate(row.values())} for row in rows],
        )
