"""Real offices behind a proxy that can break: a JSON API, databases, and what speaks Oracle's wire."""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, create_engine, text
from sqlalchemy.pool import NullPool

from connectors import rest, sql
from connectors.port import Connector, Question
from tests.faults.trial import Loan
from tests.oracle_listener.sql import Schema, load
from tests.oracle_listener.wire import Account, OracleListener
from tests.services.fault_proxy import Address, FaultProxy
from tests.services.http_office import HttpOffice

#: What every database holds, and is asked for.
TABLE = "CREATE TABLE loans (card VARCHAR(40), title VARCHAR(200), due VARCHAR(10), barcode VARCHAR(40) PRIMARY KEY)"
QUERY = "SELECT card AS CARD, title AS TITLE, due AS DUE, barcode AS BARCODE FROM loans"

Fill = Callable[[Sequence[Loan]], None]


@dataclass
class Office:
    """A real office behind a proxy."""

    proxy: FaultProxy
    fill: Fill
    #: A connector with these keys of its own.
    ask: Callable[..., Connector]
    #: Keys for one that does not wait long for a server that has stopped talking.
    hasty: dict[str, Any]
    #: One case in so many is a stall: each costs as long as the connector waits.
    stalls: int
    #: A pull is one connection, so that what breaks it ends it; over HTTP a new one may go on.
    one_connection: bool
    #: Runs a statement on another session of the same database.
    aside: Callable[[str], Any]


@contextmanager
def http() -> Iterator[Office]:
    """Give a JSON API with numbered pages."""
    with HttpOffice() as served, FaultProxy(("127.0.0.1", int(served.root.rpartition(":")[2]))) as proxy:

        def fill(rows: Sequence[Loan]) -> None:
            served.rows = [dict(row) for row in rows]

        def ask(question: Question, **own: Any) -> Connector:
            keys = {
                "url": f"http://127.0.0.1:{proxy.port}/api/loans",
                "records": "data.rows",
                "total": "data.total",
                "paging": {"kind": "page", "per_page": 20},
                "retries": 0,
            }
            return rest.connect(rest.Settings.model_validate({**keys, **own}), question)

        yield Office(proxy, fill, ask, {"timeout": "1 s", "connect_timeout": "1 s"}, 50, False, lambda _: None)


@contextmanager
def database(url: URL, table: str = TABLE, query: str = QUERY) -> Iterator[Office]:
    """Give a library's table in a real database."""
    engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection, FaultProxy(_server(url)) as proxy:
        connection.execute(text(table))

        def fill(rows: Sequence[Loan]) -> None:
            _replace(connection, rows)

        def ask(question: Question, **own: Any) -> Connector:
            reached = url.set(host="127.0.0.1", port=proxy.port, query={}).render_as_string(hide_password=False)
            keys = {"url": "env:URL:-" + reached, "query": query, "allows": ["sleep"], **own}
            return sql.connect(sql.Settings.model_validate(keys), question)

        def aside(statement: str) -> Any:
            return connection.execute(text(statement))

        hasty = {"timeout": "1 s", "connect_timeout": "1 s"}
        # PostgreSQL's client waits without end; only our own watch ends that, and it is patient.
        yield Office(proxy, fill, ask, hasty, 100 if url.get_backend_name() == "postgresql" else 50, True, aside)
    engine.dispose()


def _replace(connection: Connection, rows: Sequence[Loan]) -> None:
    connection.execute(text("DELETE FROM loans"))
    connection.execute(text("INSERT INTO loans VALUES (:CARD, :TITLE, :DUE, :BARCODE)"), [dict(row) for row in rows])


def _server(url: URL) -> Address:
    """Return where a database listens: a port, or a socket in the file system."""
    query = {name: value if isinstance(value, str) else value[0] for name, value in url.query.items()}
    if "unix_socket" in query:
        return query["unix_socket"]
    host = url.host or query.get("host", "127.0.0.1")
    if host.startswith("/"):
        return f"{host}/.s.PGSQL.{url.port or query.get('port', 5432)}"
    return host, url.port or (3306 if url.get_backend_name() == "mysql" else 5432)


@contextmanager
def oracle(folder: Path) -> Iterator[Office]:
    """Give the same table behind Oracle's wire."""
    schema = Schema.of({"LOANS": dict.fromkeys(("CARD", "TITLE", "DUE", "BARCODE"), "VARCHAR2(200)")}, "LIBSYS")
    load(folder / "loans.sqlite", schema, {"LOANS": []})
    with (
        OracleListener(folder / "loans.sqlite", schema, users={"CLEARANCE": Account("hidden-word")}) as server,
        FaultProxy(("127.0.0.1", server.port)) as proxy,
    ):

        def fill(rows: Sequence[Loan]) -> None:
            with closing(sqlite3.connect(server.path)) as file:
                file.execute("DELETE FROM LOANS")
                file.executemany("INSERT INTO LOANS VALUES (?, ?, ?, ?)", [tuple(row.values()) for row in rows])
                file.commit()

        def ask(question: Question, **own: Any) -> Connector:
            url = f"oracle+oracledb://clearance:hidden-word@127.0.0.1:{proxy.port}/?service_name=LIBSYS"
            keys = {"url": "env:URL:-" + url, "query": "SELECT CARD, TITLE, DUE, BARCODE FROM LOANS", **own}
            return sql.connect(sql.Settings.model_validate(keys), question)

        yield Office(proxy, fill, ask, {"timeout": "1 s", "connect_timeout": "1 s"}, 50, True, lambda _: None)
