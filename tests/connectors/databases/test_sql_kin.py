"""Databases that speak another's wire under a name of their own: openGauss, Kingbase, OceanBase, TiDB.

None of them runs here. What they tell of themselves is reported by a real PostgreSQL, and by a socket in their stead.
"""

import socket
import struct
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from connectors.databases.base import DatabaseTimeouts, Options
from connectors.databases.dameng import Dameng
from connectors.databases.mysql import beginning
from connectors.port import SourceError, SourceGarbled, SourceRefused, SourceUnavailable
from tests.connectors.database_office import DatabaseOffice, ask, but_clocks
from tests.contract import ROWS

PATIENCE = DatabaseTimeouts(timedelta(seconds=10), timedelta(seconds=90))


@pytest.mark.parametrize(
    "version",
    [
        "(openGauss 5.0.3 build 89d144c2) compiled at 2024-07-31 20:59:31 commit 0 last mr on x86_64-unknown-linux-gnu",
        "gaussdb (GaussDB Kernel 505.2.0 build 4c0c5c5a) compiled at 2024-11-20",
        "KingbaseES V008R006C008B0014 on x86_64-pc-linux-gnu, compiled by gcc (GCC) 4.1.2 20080704, 64-bit",
    ],
    ids=["openGauss", "GaussDB", "Kingbase"],
)
def test_a_postgresql_by_another_name_is_read_like_one(postgres_url: str, version: str) -> None:
    office = DatabaseOffice(postgres_url, postgres_url)
    office.fill(ROWS)
    engine = create_engine(postgres_url, poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(
            text(f"CREATE OR REPLACE FUNCTION pg_catalog.version() RETURNS text LANGUAGE sql AS $$SELECT '{version}'$$")
        )
    sample = ask(postgres_url).check()
    assert len(but_clocks(sample.warnings)) == 1
    assert len(ask(postgres_url).pull().rows) == 4


def test_rights_that_are_reported_otherwise_are_no_failure(postgres_url: str) -> None:
    """What keeps its roles elsewhere cannot be asked, and the check goes on in the same transaction."""
    office = DatabaseOffice(postgres_url, postgres_url)
    office.fill(ROWS)
    engine = create_engine(postgres_url, poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(text("ALTER VIEW pg_catalog.pg_roles RENAME TO sys_roles"))
    sample = ask(postgres_url).check()
    assert but_clocks(sample.warnings) == []
    assert sample.row is not None


@pytest.fixture
def handshake_of_its_own() -> Iterator[int]:
    """A server that asks for the password as openGauss does when it keeps no MD5 of it: request 10, and no SASL."""

    def serve() -> None:
        with suppress(OSError):
            while True:
                end, _ = server.accept()
                with closing(end):
                    (size,) = struct.unpack(">I", end.recv(4))
                    (asked,) = struct.unpack(">I", end.recv(size - 4)[:4])
                    if asked in (80877103, 80877104):  # encryption of one kind or another: not here
                        end.sendall(b"N")
                        (size,) = struct.unpack(">I", end.recv(4))
                        end.recv(size - 4)
                    # The way it is kept, a salt of 64 letters, a token of 8, and how often it is hashed.
                    body = struct.pack(">II", 10, 2) + b"a" * 64 + b"b" * 8 + struct.pack(">I", 10000)
                    end.sendall(b"R" + struct.pack(">I", len(body) + 4) + body)
                    end.recv(4096)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_a_password_kept_in_opengausss_own_way_has_its_way_out(handshake_of_its_own: int) -> None:
    url = f"postgresql+psycopg://reader:hidden-word@127.0.0.1:{handshake_of_its_own}/library"
    with pytest.raises(SourceRefused) as caught:
        ask(url, connect_timeout="2 s").pull()
    assert "password_encryption_type" in caught.value.fix_text
    assert "hidden-word" not in str(caught.value)


@pytest.mark.parametrize(
    ("version", "limit", "start"),
    [
        ("8.0.36", "max_execution_time = 90000", "WITH CONSISTENT SNAPSHOT, READ ONLY"),
        ("10.11.6-MariaDB-0+deb12u1", "max_statement_time = 90.0", "WITH CONSISTENT SNAPSHOT, READ ONLY"),
        ("8.0.11-TiDB-v8.5.1", "max_execution_time = 90000", "WITH CONSISTENT SNAPSHOT"),
        ("5.7.25-OceanBase-v4.3.5.1", "ob_query_timeout = 90000000", "WITH CONSISTENT SNAPSHOT, READ ONLY"),
    ],
)
def test_each_that_speaks_mysqls_wire_begins_in_its_own_words(version: str, limit: str, start: str) -> None:
    told = beginning(version, PATIENCE)
    assert told[0] == f"SET SESSION {limit}"
    assert told[-1] == f"START TRANSACTION {start}"


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("[CODE:-70028]Create SOCKET connection failure", SourceUnavailable),
        ("[CODE:-2501]Invalid username or password", SourceRefused),
        ("[CODE:-6506]Readonly transaction", SourceRefused),
        ("[CODE:-2106]Invalid table or view name [V_SFQF]", SourceGarbled),
    ],
)
def test_dameng_is_sorted_by_the_number_in_its_text(said: str, kind: type[SourceError]) -> None:
    office = Dameng("fees", "dm://reader:***@finance:5236/", PATIENCE, Options())
    assert type(office.to_source_error(type("DatabaseError", (Exception,), {})(said))) is kind


@pytest.mark.parametrize(
    ("flag", "local", "shown"),
    [
        (0, 1, "GB18030 in the database, UTF-8 on the connection"),
        (1, 1, "UTF-8 in the database, UTF-8 on the connection"),
        # GBK, which lacks letters of both; and a server that reports nothing.
        (0, 10, ""),
        (None, 1, ""),
        (7, 1, ""),
    ],
)
def test_damengs_letters_are_called_sane_where_both_sides_are_known_to_hold_them(
    flag: int | None, local: int, shown: str
) -> None:
    office = Dameng("fees", "dm://reader:***@finance:5236/", PATIENCE, Options())
    connection: Any = SimpleNamespace(
        exec_driver_sql=lambda _statement: SimpleNamespace(scalar_one_or_none=lambda: flag),
        connection=SimpleNamespace(driver_connection=SimpleNamespace(local_code=local)),
        dialect=SimpleNamespace(loaded_dbapi=SimpleNamespace(PG_UTF8=1)),
    )
    assert office.charset(connection, lambda _expression: ()) == shown


def test_dameng_is_connected_in_utf_8_unless_the_url_names_another() -> None:
    office = Dameng("fees", "dm://reader:***@finance:5236/", PATIENCE, Options())
    told: list[dict[str, Any]] = []

    def connect(**how: Any) -> object:
        told.append(how)
        return object()

    driver = SimpleNamespace(PG_UTF8=1, connect=connect)
    for given in ({}, {"local_code": 10}):
        office._connect_in_utf_8(SimpleNamespace(loaded_dbapi=driver), None, (), dict(given))
    assert [how["local_code"] for how in told] == [1, 10]


@pytest.mark.parametrize(
    ("url", "extra"),
    [("mysql+mysqldb", "mysqlclient"), ("oracle+cx_oracle", "cx-oracle"), ("mssql+pymssql", "mssql")],
)
def test_a_driver_that_is_an_extra_of_ours_is_named(url: str, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = {"mysqldb": "MySQLdb", "cx_oracle": "cx_Oracle", "pymssql": "pymssql"}[url.partition("+")[2]]
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(SourceRefused) as caught:
        ask(f"{url}://reader@127.0.0.1:1/library").pull()
    assert f"the extra {extra}," in caught.value.fix_text
    assert url in caught.value.what
