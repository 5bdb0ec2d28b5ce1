"""The test server against the real python-oracledb thin driver and SQLAlchemy."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import oracledb
import pytest
from sqlalchemy import column, create_engine, func, inspect, select, table, text
from sqlalchemy.exc import DatabaseError, OperationalError
from sqlalchemy.pool import NullPool

from tests.oracle_listener.library import TABLES, cards, fill, loans, reader_no, readers
from tests.oracle_listener.sql import OraError, OraType, Schema, format_date, format_number, load, parse_date
from tests.oracle_listener.wire import Account, Fault, OracleListener, decode_number, encode_number

# Refused or reset, the driver leaves its socket to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

ROOT = Path(__file__).parents[2]
COUNT, BIG = 1000, 50_000
USERS = {
    "CLEARANCE": Account("s3cret中"),
    "LOCKED": Account("x", "locked"),
    "EXPIRED": Account("x", "expired"),
    "GRACE": Account("x", "grace"),
    "OLD": Account("Old中", verifier="11g"),
    "TEN": Account("x", verifier="10g"),
}
CLOCK = datetime(2026, 6, 1, 12, 34, 56, 789012)


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Schema]:
    path = tmp_path_factory.mktemp("db") / "library.sqlite"
    schema = fill(path, COUNT)
    extra = Schema.of(
        {
            "BIG": {"ID": "NUMBER(9) NOT NULL", "K": "CHAR(12)", "T": "VARCHAR2(40)", "D": "DATE"},
            "KINDS": {
                "ID": "NUMBER",
                "C": "CHAR(8)",
                "CC": "CHAR(8 CHAR)",
                "NC": "NCHAR(4)",
                "V": "VARCHAR2(4000)",
                "NV": "NVARCHAR2(50)",
                "I": "NUMBER(10)",
                "P": "NUMBER(12,3)",
                "N": "NUMBER",
                "F": "BINARY_DOUBLE",
                "D": "DATE",
                "TS": "TIMESTAMP(6)",
                "L": "LONG",
                "CL": "CLOB",
                "BL": "BLOB",
                "R": "RAW(16)",
            },
            "EMPTY": {"ID": "NUMBER(9)", "NAME": "VARCHAR2(10)"},
        }
    )
    when = datetime(1999, 12, 31, 23, 59, 58)
    load(
        path,
        extra,
        {
            "BIG": ((i, f"K{i:07}", f"第{i}行", datetime(2020, 1, 1 + i % 28)) for i in range(BIG)),
            "KINDS": [
                (
                    1,
                    "ab",
                    "中",
                    "国",
                    "中文" * 1000,
                    "繁體字😀",
                    42,
                    -1234.567,
                    1e15,
                    -2.5,
                    when,
                    when.replace(microsecond=654321),
                    "长" * 5000,
                    "大" * 20_000 + "😀",
                    bytes(range(256)) * 40,
                    b"\x00\xff",
                ),
                (2,) + (None,) * 15,
                (3, "", "", "", "", "", 0, 0, -0.001, 0.0, date(2000, 2, 29), when, "", "", b"", None),
            ],
        },
    )
    return path, Schema({**schema.tables, **extra.tables}, schema.owner)


@pytest.fixture(params=[True, False], ids=["break", "plain"])
def breaks(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def server(database: tuple[Path, Schema]) -> Iterator[OracleListener]:
    with OracleListener(*database, users=USERS, clock=lambda: CLOCK) as wire:
        yield wire


def connect(server: OracleListener, user: str = "clearance", password: str = "s3cret中", **more: Any) -> Any:
    return oracledb.connect(user=user, password=password, dsn=more.pop("dsn", server.dsn), **more)


@pytest.fixture
def conn(server: OracleListener) -> Iterator[Any]:
    with connect(server) as connection:
        yield connection


def ask(conn: Any, sql: str, binds: Any = None) -> list[tuple[Any, ...]]:
    with conn.cursor() as cursor:
        return list(cursor.execute(sql, binds) if binds is not None else cursor.execute(sql))


def code_of(call: Callable[[], object]) -> str:
    with pytest.raises(oracledb.Error) as caught:
        call()
    return str(caught.value.args[0].full_code)


def engine_url(server: OracleListener) -> str:
    return f"oracle+oracledb://clearance:s3cret%E4%B8%AD@127.0.0.1:{server.port}/?service_name={server.service}"


# -- connecting


def test_connection_facts(conn: Any) -> None:
    assert conn.thin
    assert conn.version == "19.0.0.0.0"
    assert (conn.service_name, conn.username, conn.max_identifier_length) == ("LIBSYS", "clearance", 128)
    conn.ping()
    conn.commit()
    conn.rollback()
    assert conn.is_healthy()


@pytest.mark.parametrize(
    ("user", "password", "code"),
    [
        ("clearance", "wrong", "ORA-01017"),
        ("nobody", "s3cret中", "ORA-01017"),
        ("clearance", "S3CRET中", "ORA-01017"),
        ("locked", "x", "ORA-28000"),
        ("expired", "x", "ORA-28001"),
        ("old", "old中", "ORA-01017"),
        ("ten", "x", "DPY-3015"),
    ],
)
def test_refused_logon(database: tuple[Path, Schema], breaks: bool, user: str, password: str, code: str) -> None:
    with OracleListener(*database, users=USERS, break_on_error=breaks) as server:
        assert code_of(lambda: connect(server, user, password)) == code
        with connect(server) as conn:
            assert ask(conn, "SELECT 1 FROM DUAL") == [(1,)]


def test_password_about_to_expire_is_a_warning(server: OracleListener) -> None:
    with connect(server, "grace", "x") as conn:
        assert conn.warning.full_code == "ORA-28002"


def test_older_servers(database: tuple[Path, Schema], server: OracleListener) -> None:
    with connect(server, "old", "Old中") as conn:  # an 11g password verifier
        assert ask(conn, "SELECT USER FROM DUAL") == [("OLD",)]
    with OracleListener(*database, users=USERS, protocol_version=314) as eleven:  # a server before 12.1
        with pytest.raises(oracledb.Error, match="DPY-3010"):
            connect(eleven)
    for version in (315, 317):  # 12.1, 12.2
        with OracleListener(*database, users=USERS, protocol_version=version) as wire, connect(wire) as conn:
            assert ask(conn, "SELECT COUNT(*) FROM BIG") == [(BIG,)]


def test_unknown_service_and_sid(server: OracleListener) -> None:
    with pytest.raises(oracledb.OperationalError, match="DPY-6005.*\n.*DPY-6001.*NOPE.*ORA-12514"):
        connect(server, dsn=f"127.0.0.1:{server.port}/NOPE")
    with pytest.raises(oracledb.OperationalError, match="DPY-6005.*\n.*DPY-6003.*NOPE.*ORA-12505"):
        connect(server, dsn=oracledb.makedsn("127.0.0.1", server.port, sid="NOPE"))
    with connect(server, dsn=oracledb.makedsn("127.0.0.1", server.port, sid="orcl")) as conn:
        assert ask(conn, "select 'ok' from dual") == [("ok",)]


def test_listener_faults(server: OracleListener) -> None:
    server.inject(Fault("refuse", code=12516))
    with pytest.raises(oracledb.Error, match="12516"):
        connect(server)
    server.inject(Fault("logon", code=1033))
    assert code_of(lambda: connect(server)) == "ORA-01033"
    server.inject(Fault("silent", seconds=5))
    started = time.monotonic()
    dead = (
        f"(DESCRIPTION=(ADDRESS=(PROTOCOL=tcp)(HOST=127.0.0.1)(PORT={server.port}))(CONNECT_DATA="
        f"(SERVICE_NAME={server.service})))"
    )
    worker = threading.Thread(target=lambda: code_of(lambda: connect(server, dsn=dead)), daemon=True)
    worker.start()
    worker.join(0.5)
    assert worker.is_alive()
    assert time.monotonic() - started < 3
    with connect(server) as conn:
        conn.ping()


def test_long_connect_descriptor_and_large_sdu(server: OracleListener) -> None:
    long = oracledb.ConnectParams(
        host="127.0.0.1", port=server.port, service_name="LIBSYS", sdu=60_000, program="p" * 200, machine="m" * 200
    )
    with oracledb.connect(user="clearance", password="s3cret中", params=long) as conn:
        assert len(ask(conn, "SELECT * FROM BIG WHERE ID < 5000")) == 5000


# -- queries


@pytest.mark.parametrize("arraysize", [1, 2, 100])
@pytest.mark.parametrize("prefetch", [0, 2, 1000])
def test_fetching(conn: Any, arraysize: int, prefetch: int) -> None:
    expected = [(reader_no(i).ljust(20), row[1]) for i, row in enumerate(readers(257))]
    for _ in range(2):  # the second time re-executes the cursor
        with conn.cursor() as cursor:
            cursor.arraysize, cursor.prefetchrows = arraysize, prefetch
            cursor.execute("SELECT CERT_ID_F, NAME FROM READER WHERE ROWNUM <= 257")
            got = cursor.fetchmany(3)
            assert len(got) == 3
            assert cursor.rowcount == 3
            got += [cursor.fetchone()]
            got += cursor.fetchall()
            assert got == expected
            assert cursor.rowcount == 257
            assert cursor.fetchone() is None


@pytest.mark.parametrize(("arraysize", "prefetch"), [(2, 2), (100, 2), (100, 0), (1000, 1000), (5000, 2)])
def test_fifty_thousand_rows(conn: Any, arraysize: int, prefetch: int) -> None:
    count = BIG if arraysize > 2 else BIG // 10
    with conn.cursor() as cursor:
        cursor.arraysize, cursor.prefetchrows = arraysize, prefetch
        total = 0
        for i, (number, key, words, when) in enumerate(cursor.execute("SELECT * FROM BIG WHERE ID < :n", n=count)):
            assert (number, key, words) == (i, f"K{i:07}    ", f"第{i}行")
            assert when.day == 1 + i % 28
            total += 1
        assert total == count == cursor.rowcount


@pytest.mark.parametrize("edge", [0, 1, 2, 3, 100, 101, 102])
def test_batch_edges(conn: Any, edge: int) -> None:
    with conn.cursor() as cursor:
        cursor.prefetchrows, cursor.arraysize = 2, 100
        assert len(cursor.execute("SELECT ID FROM BIG WHERE ID < :1", [edge]).fetchall()) == edge


def test_every_type(conn: Any) -> None:
    row, nulls, zero = ask(conn, "SELECT ID,C,CC,NC,V,NV,I,P,N,F,D,TS,R FROM KINDS ORDER BY ID")
    when = datetime(1999, 12, 31, 23, 59, 58)
    assert row == (
        1,
        "ab      ",
        "中       ",
        "国   ",
        "中文" * 1000,
        "繁體字😀",
        42,
        -1234.567,
        10**15,
        -2.5,
        when,
        when.replace(microsecond=654321),
        b"\x00\xff",
    )
    assert nulls == (2, *[None] * 12)
    assert zero == (3, None, None, None, None, None, 0, 0.0, -0.001, 0.0, datetime(2000, 2, 29), when, None)


def test_description(conn: Any) -> None:
    with conn.cursor() as cursor:
        cursor.execute("SELECT ID,C,CC,NV,I,P,D,TS,CL FROM KINDS")
        kinds = [
            (d.name, d.type_code.name, d.display_size, d.internal_size, d.precision, d.scale, d.null_ok)
            for d in cursor.description
        ]
    assert kinds == [
        ("ID", "DB_TYPE_NUMBER", 127, None, 0, -127, True),
        ("C", "DB_TYPE_CHAR", 8, 8, None, None, True),
        ("CC", "DB_TYPE_CHAR", 8, 32, None, None, True),
        ("NV", "DB_TYPE_NVARCHAR", 50, 100, None, None, True),
        ("I", "DB_TYPE_NUMBER", 11, None, 10, 0, True),
        ("P", "DB_TYPE_NUMBER", 17, None, 12, 3, True),
        ("D", "DB_TYPE_DATE", 23, None, None, None, True),
        ("TS", "DB_TYPE_TIMESTAMP", 23, None, 0, 6, True),
        ("CL", "DB_TYPE_CLOB", None, None, None, None, True),
    ]
    with conn.cursor() as cursor:
        cursor.execute('SELECT COUNT(*), max( name ) x, "ID" "Low", NAME||\'a\' FROM EMPTY GROUP BY ID, NAME')
        assert [d.name for d in cursor.description] == ["COUNT(*)", "X", "Low", "NAME||'a'"]
    with conn.cursor() as cursor:
        cursor.execute("SELECT * FROM READER")
        assert [d.name for d in cursor.description] == list(TABLES["READER"])
        assert [d.null_ok for d in cursor.description] == [False] + [True] * 7


def test_parse_only_and_scrolling(conn: Any) -> None:
    with conn.cursor() as cursor:
        sql = "SELECT NAME FROM READER WHERE SEX = :sex AND ROWNUM < :n"
        cursor.parse(sql)
        assert cursor.bindnames() == ["SEX", "N"]
        assert len(cursor.execute(sql, sex="M", n=4).fetchall()) == 3
    with conn.cursor(scrollable=True) as cursor, pytest.raises(oracledb.Error, match="ORA-03001"):
        cursor.execute("SELECT 1 FROM DUAL")


def test_data_frames(conn: Any) -> None:
    frame = conn.fetch_df_all("SELECT ID, T, D FROM BIG WHERE ID < 300")
    assert frame.num_rows() == 300
    assert frame.column_names() == ["ID", "T", "D"]


def test_lobs(conn: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (clob, blob), (none, _), (empty, _) = ask(conn, "SELECT CL, BL FROM KINDS ORDER BY ID")
    words, octets = "大" * 20_000 + "😀", bytes(range(256)) * 40
    assert clob.read() == words
    assert blob.read() == octets
    assert none is None
    assert empty is None
    assert clob.size() == 20_002
    assert clob.read(19_999, 2) == "大大"
    assert blob.read(257, 3) == b"\0\1\2"
    assert blob.getchunksize() > 0
    assert not blob.isopen()
    monkeypatch.setattr(oracledb.defaults, "fetch_lobs", False)
    for prefetch in (0, 2, 100):
        with conn.cursor() as cursor:
            cursor.prefetchrows = prefetch
            for _ in range(2):
                rows = cursor.execute("SELECT ID, CL, BL FROM KINDS ORDER BY ID").fetchall()
                assert rows[0] == (1, words, octets)
                assert rows[1] == (2, None, None)
    assert ask(conn, "SELECT L FROM KINDS ORDER BY ID") == [("长" * 5000,), (None,), (None,)]


def test_binds(conn: Any) -> None:
    sql = "SELECT CERT_ID_F FROM READER WHERE NAME = :name AND DEPT = :dept AND CREATED >= :since AND SEX = :sex"
    rows = list(readers(COUNT))
    wanted = {"name": rows[7][1], "dept": rows[7][3], "since": datetime(2020, 9, 1), "sex": rows[7][2]}
    expected = [(str(r[0]).ljust(20),) for r in rows if (r[1], r[3], r[2]) == (rows[7][1], rows[7][3], rows[7][2])]
    assert expected
    assert ask(conn, sql, wanted) == expected
    assert (
        ask(
            conn,
            sql.replace(":name", ":1").replace(":dept", ":2").replace(":since", ":3").replace(":sex", ":4"),
            list(wanted.values()),
        )
        == expected
    )
    assert ask(conn, "SELECT :a, :b, :a FROM DUAL", {"a": "重复", "b": -1.25}) == [("重复", -1.25, "重复")]
    assert ask(conn, "SELECT :1, :2, :3, :4 FROM DUAL", [None, 10**18, Decimal("0.001"), date(2024, 2, 29)]) == [
        (None, 10**18, 0.001, datetime(2024, 2, 29))
    ]
    assert ask(conn, 'SELECT \':no\', ":b" FROM (SELECT :b ":b" FROM DUAL) -- :not\n', {"b": 1}) == [(":no", 1)]
    assert ask(conn, "SELECT LENGTH(:1), :2 FROM DUAL", ["长" * 3000, 7]) == [(3000, 7)]
    assert code_of(lambda: ask(conn, "SELECT :1 FROM DUAL", [])) in ("DPY-4009", "DPY-4010")


def test_cursor_is_re_executed_with_other_values_and_types(conn: Any, server: OracleListener) -> None:
    with conn.cursor() as cursor:
        for prefetch in (2, 0):
            cursor.prefetchrows = prefetch
            for value in (5, 50, "7", None, 3.5, 1):
                cursor.execute("SELECT COUNT(*) FROM BIG WHERE ID < :n", n=value)
                assert cursor.fetchall() == [(0 if value is None else int(-(-float(value) // 1)),)]
        for answer in (5, "五", datetime(2024, 1, 2), None, 6, "六"):
            cursor.execute("SELECT :a, 1 FROM DUAL", [answer])
            assert cursor.fetchall() == [(answer, 1)]
    assert [e.binds for e in server.executed][:3] == [[5], [50], ["7"]]
    last = server.executed[-1]
    assert (last.user, last.rows, last.binds) == ("CLEARANCE", 1, ["六"])


def test_char_keys_compare_as_in_oracle(conn: Any) -> None:
    key = reader_no(3)
    count = "SELECT COUNT(*) FROM READER WHERE CERT_ID_F "
    assert ask(conn, f"{count} = '{key}'") == [(1,)]  # a literal is CHAR: blank-padded
    assert ask(conn, f"{count} IN ('{key}', 'x', '{reader_no(4)}  ')") == [(2,)]
    assert ask(conn, f"{count} = :1", [key]) == [(0,)]  # a str is bound as VARCHAR2: not padded
    assert ask(conn, f"{count} = :1", [key.ljust(20)]) == [(1,)]
    assert ask(conn, "SELECT COUNT(*) FROM READER WHERE TRIM(CERT_ID_F) = :1", [key]) == [(1,)]
    assert ask(conn, f"SELECT LENGTH(CERT_ID_F), CERT_ID_F||'|' FROM READER WHERE CERT_ID_F='{key}'") == [
        (20, key.ljust(20) + "|")
    ]


def test_joins_old_and_new(conn: Any) -> None:
    lent = {str(row[0]) for row in loans(COUNT)}
    new = ask(
        conn,
        "SELECT r.CERT_ID_F, COUNT(l.PROP_NO_F) n FROM LIBSYS.READER r LEFT JOIN LEND_LST l ON "
        "l.CERT_ID_F = r.CERT_ID_F GROUP BY r.CERT_ID_F ORDER BY r.CERT_ID_F",
    )
    old = ask(
        conn,
        "SELECT r.CERT_ID_F, COUNT(l.PROP_NO_F) n FROM READER r, LEND_LST l WHERE "
        "l.CERT_ID_F (+) = r.CERT_ID_F GROUP BY r.CERT_ID_F ORDER BY 1",
    )
    assert new == old
    assert len(new) == COUNT
    assert sum(n > 0 for _, n in new) == len(lent)
    rows = ask(
        conn,
        """
        SELECT TRIM(c.REDR_CERT_ID) card, r.NAME, m.M_TITLE, m.M_AUTHOR, l.NORM_RET_DATE, i.PRICE
          FROM LEND_LST l, ITEM i, MARC m, READER r, READER_CERT c
         WHERE l.PROP_NO_F = i.PROP_NO_F AND i.MARC_REC_NO = m.MARC_REC_NO AND r.CERT_ID_F = l.CERT_ID_F
           AND c.CERT_ID_F = r.CERT_ID_F AND TO_DATE(l.NORM_RET_DATE, 'YYYY-MM-DD') < TRUNC(SYSDATE)
         ORDER BY l.NORM_RET_DATE, card""",
    )
    late = [row for row in loans(COUNT) if str(row[3]) < "2026-06-01"]
    assert len(rows) == len(late)
    assert rows[0][2].startswith("第")
    assert all(r[4] < "2026-06-01" for r in rows)


def test_numbers_of_cards(conn: Any) -> None:
    expected = {str(row[0]): (row[6], round(float(str(row[7])), 2)) for row in cards(COUNT)}
    for card, lent, debt in ask(conn, "SELECT REDR_CERT_ID, TOTAL_LEND_QTY, DEBT FROM READER_CERT"):
        assert (lent, debt) == expected[card.strip()]
        assert isinstance(lent, int)
        assert isinstance(debt, float)


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("TO_CHAR(SYSDATE, 'YYYY-MM-DD HH24:MI:SS')", "2026-06-01 12:34:56"),
        ("TO_CHAR(SYSDATE)", "01-JUN-26"),
        ("TO_CHAR(DATE '2024-02-09', 'fmMonth DD, YYYY')", "February 9, 2024"),
        ("TRUNC(SYSDATE)", datetime(2026, 6, 1)),
        ("TRUNC(SYSDATE, 'MM') - 1", datetime(2026, 5, 31)),
        ("SYSDATE - DATE '2026-05-30'", 2.524259259259259),
        ("ADD_MONTHS(DATE '2024-01-31', 1)", datetime(2024, 2, 29)),
        ("SYSDATE + INTERVAL '1' DAY", datetime(2026, 6, 2, 12, 34, 56)),
        ("TO_DATE('20240229', 'YYYYMMDD')", datetime(2024, 2, 29)),
        ("NVL(NULL, 'x')", "x"),
        ("NVL('', 5)", 5),
        ("NVL2('a', 1, 2)", 1),
        ("DECODE('b', 'a', 1, 'b', 2, 3)", 2),
        ("DECODE(NULL, NULL, 'n', 'o')", "n"),
        ("CASE WHEN '' IS NULL THEN 'null' END", "null"),
        ("'a'||NULL||'b'", "ab"),
        ("SUBSTR('中文字', -2, 1)", "文"),
        ("SUBSTR('abc', 0, 2)", "ab"),
        ("INSTR('banana', 'a', 1, 2)", 4),
        ("LPAD(7, 3, '0')", "007"),
        ("LENGTHB('中')", 3),
        ("TO_CHAR(1234.5, 'FM9,990.00')", "1,234.50"),
        ("TO_CHAR(0.5)", ".5"),
        ("TO_NUMBER(' 12.50 ')", 12.5),
        ("5/2", 2.5),
        ("6/2", 3),
        ("ROUND(2.345, 2)", 2.35),
        ("TRUNC(-2.7)", -2),
        ("MOD(7, 3)", 1),
        ("USER", "CLEARANCE"),
        ("SYS_CONTEXT('USERENV', 'CURRENT_SCHEMA')", "CLEARANCE"),
        ("GREATEST(1, 3, 2)", 3),
        ("REPLACE('abc', 'b')", "ac"),
        ("UPPER('abc') || LOWER('X')", "ABCx"),
        ("CAST('12' AS NUMBER(5))", 12),
        ("CAST('ab' AS CHAR(4))", "ab  "),
        ("EXTRACT(YEAR FROM SYSDATE)", 2026),
        ("q'[it's]'", "it's"),
        ("N'国'", "国"),
        ("TRIM('  ')", None),
        ("TRIM(LEADING '0' FROM '007')", "7"),
        ("COALESCE(NULL, 3)", 3),
        ("(SELECT MAX(ID) FROM BIG)", BIG - 1),
        ("REGEXP_REPLACE('a1b2', '[0-9]')", "ab"),
        ("NULLIF(1, 1)", None),
    ],
)
def test_expressions(conn: Any, sql: str, expected: object) -> None:
    ((got,),) = ask(conn, f"SELECT {sql} FROM DUAL")
    assert got == pytest.approx(expected) if isinstance(expected, float) else got == expected


def test_shapes_of_queries(conn: Any) -> None:
    paged = """SELECT * FROM (SELECT a.*, ROWNUM rn FROM (SELECT ID FROM BIG ORDER BY ID DESC) a
               WHERE ROWNUM <= 20) WHERE rn > 17"""
    assert ask(conn, paged) == [(BIG - 18, 18), (BIG - 19, 19), (BIG - 20, 20)]
    assert ask(conn, "SELECT ID FROM BIG ORDER BY ID OFFSET 5 ROWS FETCH NEXT 2 ROWS ONLY") == [(5,), (6,)]
    assert ask(conn, "SELECT COUNT(*) FROM BIG WHERE ROWNUM <= 10") == [(10,)]
    assert ask(conn, "SELECT ID FROM BIG WHERE ROWNUM = 1") == [(0,)]
    assert ask(conn, "SELECT ID FROM BIG WHERE ROWNUM > 1") == []
    assert ask(
        conn,
        "WITH a (x) AS (SELECT 1 FROM DUAL UNION ALL SELECT 2 FROM DUAL) SELECT x FROM a "
        "WHERE x IN (SELECT 2 FROM DUAL) MINUS SELECT 3 FROM DUAL",
    ) == [(2,)]
    assert ask(
        conn, "SELECT LISTAGG(SEX, ',') WITHIN GROUP (ORDER BY SEX DESC) FROM (SELECT DISTINCT SEX FROM READER)"
    ) == [("M,F",)]
    assert ask(conn, "SELECT I FROM KINDS ORDER BY I") == [(0,), (42,), (None,)]
    assert ask(conn, "SELECT I FROM KINDS ORDER BY I DESC") == [(None,), (42,), (0,)]
    assert ask(
        conn,
        "SELECT DEPT, COUNT(*) FROM READER r WHERE EXISTS (SELECT 1 FROM LEND_LST l WHERE l.CERT_ID_F = "
        "r.CERT_ID_F) GROUP BY DEPT HAVING COUNT(*) > 0 ORDER BY 2 DESC, DEPT",
    )
    assert ask(
        conn,
        "SELECT /*+ FULL(b) */ ID, ROW_NUMBER() OVER (PARTITION BY MOD(ID, 2) ORDER BY ID DESC) n, "
        "COUNT(*) OVER () c FROM BIG b WHERE ID < 4 ORDER BY ID",
    ) == [(0, 2, 4), (1, 2, 4), (2, 1, 4), (3, 1, 4)]
    assert ask(conn, "SELECT COUNT(*) FROM BIG WHERE K LIKE 'k%' OR T LIKE '第1_行' AND ID BETWEEN 10 AND 12") == [(3,)]
    assert ask(
        conn,
        "SELECT c.SEX, d FROM READER c JOIN (SELECT DISTINCT DEPT d FROM READER) x ON x.d = c.DEPT "
        "WHERE (c.SEX, c.NAME) IN (SELECT SEX, NAME FROM READER WHERE ROWNUM = 1) AND ROWNUM < 2",
    ) == [("M", "文学院")]
    assert ask(conn, "SELECT TABLE_NAME FROM ALL_TABLES WHERE OWNER = 'LIBSYS' AND TABLE_NAME = 'ITEM'") == [("ITEM",)]


def test_session_settings(conn: Any) -> None:
    with conn.cursor() as cursor:
        cursor.execute("ALTER SESSION SET NLS_DATE_FORMAT = 'YYYY-MM-DD'")
        cursor.execute("SET TRANSACTION READ ONLY")
    assert ask(conn, "SELECT TO_CHAR(SYSDATE) FROM DUAL WHERE SYSDATE > '2026-05-31'") == [("2026-06-01",)]
    conn.current_schema, conn.module, conn.action, conn.client_identifier = "LIBSYS", "clearance", "读", "me"
    assert ask(conn, "SELECT SYS_CONTEXT('USERENV', 'CURRENT_SCHEMA') FROM DUAL") == [("LIBSYS",)]


# -- errors


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("SELECT * FROM NOPE", 942),
        ("SELECT * FROM OTHER.READER", 942),
        ("SELECT NOPE FROM READER", 904),
        ("SELECT x.NAME FROM READER r", 904),
        ("SELECT NOPE(1) FROM DUAL", 904),
        ('SELECT "name" FROM READER', 904),
        ("SELECT NAME FROM READER WHERE X = 1", 904),
        ("SELECT NAME FROM READER ORDER BY X", 904),
        ("SELECT CERT_ID_F FROM READER, READER_CERT", 918),
        ("SELECT 1", 923),
        ("SELECT 1 FROM", 903),
        ("SELECT 1 FROM DUAL WHERE", 936),
        ("SELECT 1 FROM DUAL;", 933),
        ("SELECT NAME FROM READER LIMIT 5 5", 933),
        ("SELECT (1 FROM DUAL", 907),
        ("SELECT 1/0 FROM DUAL", 1476),
        ("SELECT TO_NUMBER('x') FROM DUAL", 1722),
        ("SELECT NAME FROM READER WHERE NAME > 5", 1722),
        ("SELECT TO_DATE('2024-13-01','YYYY-MM-DD') FROM DUAL", 1843),
        ("SELECT TO_DATE('2024-02-30','YYYY-MM-DD') FROM DUAL", 1839),
        ("SELECT TO_DATE('2024-01-01 00','YYYY-MM-DD') FROM DUAL", 1830),
        ("SELECT NAME FROM READER WHERE CREATED > '2024-01-01'", 1861),
        ("SELECT NAME, COUNT(*) FROM READER", 937),
        ("SELECT NAME, COUNT(*) FROM READER GROUP BY DEPT", 979),
        ("DELETE FROM READER", 1031),
        ("INSERT INTO READER (NAME) VALUES ('x')", 1031),
        ("UPDATE READER SET NAME='x'", 1031),
        ("CREATE TABLE X (A NUMBER)", 1031),
        ("DROP TABLE READER", 1031),
        ("BEGIN NULL; END;", 1031),
        ("SELECT NAME FROM READER FOR UPDATE", 1031),
        ("FROB", 900),
        ("SELECT 1 FROM DUAL CONNECT BY LEVEL < 3", 3001),
        ("SELECT DBMS_LOB.GETLENGTH(NOTE) FROM READER", 3001),
        ("SELECT NUMTODSINTERVAL(1, 'DAY') FROM DUAL", 3001),
    ],
)
def test_errors(database: tuple[Path, Schema], breaks: bool, sql: str, code: int) -> None:
    with OracleListener(*database, users=USERS, break_on_error=breaks) as server, connect(server) as conn:
        with pytest.raises(oracledb.DatabaseError) as caught:
            ask(conn, sql)
        assert caught.value.args[0].code == code, caught.value
        assert ask(conn, "SELECT COUNT(*) FROM READER") == [(COUNT,)]  # the session goes on


def test_error_position_and_changed_data(conn: Any) -> None:
    with pytest.raises(oracledb.DatabaseError) as caught:
        ask(conn, "SELECT NAME FROM READER WHERE WRONG = 1")
    assert caught.value.args[0].offset == 30
    assert '"WRONG": invalid identifier' in str(caught.value)
    with conn.cursor() as cursor, pytest.raises(oracledb.DatabaseError, match="ORA-01031"):
        cursor.executemany("INSERT INTO READER (NAME, NOTE) VALUES (:1, :2)", [("a", "x" * 5000)] * 300)
    assert ask(conn, "SELECT COUNT(*) FROM READER") == [(COUNT,)]


def test_owner_needed_without_synonyms(database: tuple[Path, Schema]) -> None:
    with OracleListener(*database, users=USERS, require_owner=True) as server, connect(server) as conn:
        assert code_of(lambda: ask(conn, "SELECT 1 FROM ITEM WHERE ROWNUM = 1")) == "ORA-00942"
        assert ask(conn, "SELECT 1 FROM LIBSYS.ITEM WHERE ROWNUM = 1") == [(1,)]
        with conn.cursor() as cursor:
            cursor.execute("ALTER SESSION SET CURRENT_SCHEMA = LIBSYS")
        assert ask(conn, "SELECT 1 FROM ITEM WHERE ROWNUM = 1") == [(1,)]


def test_text_that_is_not_utf8(server: OracleListener, database: tuple[Path, Schema], tmp_path: Path) -> None:
    """As from a US7ASCII database that holds GBK bytes: the driver gets what is no UTF-8."""
    schema = Schema.of({"T": {"V": "VARCHAR2(20)"}})
    load(tmp_path / "x.sqlite", schema, {"T": [("中文".encode("gbk"),)]})
    with OracleListener(tmp_path / "x.sqlite", schema, users=USERS) as wire, connect(wire) as conn:
        with pytest.raises(UnicodeDecodeError):
            ask(conn, "SELECT V FROM T")
        assert ask(conn, "SELECT 1 FROM DUAL") == [(1,)]


def test_reads_stay_consistent_while_the_data_change(conn: Any, server: OracleListener) -> None:
    with conn.cursor() as cursor:
        cursor.execute("SELECT ID FROM EMPTY UNION ALL SELECT ID FROM BIG WHERE ID < 1000")
        cursor.fetchmany(5)
        with sqlite3.connect(server.path) as db:
            db.execute("INSERT INTO EMPTY VALUES (1, 'x')")
        assert len(cursor.fetchall()) == 995
    assert ask(conn, "SELECT NAME FROM EMPTY") == [("x",)]
    with sqlite3.connect(server.path) as db:
        db.execute("DELETE FROM EMPTY")


# -- faults


@pytest.mark.parametrize(
    "fault",
    [Fault("drop", rows=250), Fault("drop", octets=5000), Fault("drop", rows=0), Fault("error", rows=250, code=3113)],
)
def test_connection_lost_while_fetching(server: OracleListener, conn: Any, fault: Fault) -> None:
    server.inject(Fault(**vars(fault)))
    got = []

    def run() -> None:
        with conn.cursor() as cursor:
            for row in cursor.execute("SELECT * FROM BIG"):
                got.append(row)

    assert code_of(run) == "DPY-4011"
    assert len(got) <= 250
    assert not conn.is_healthy()
    with connect(server) as again:
        assert len(ask(again, "SELECT * FROM BIG WHERE ID < 300")) == 300


def test_error_while_fetching_leaves_the_session_usable(database: tuple[Path, Schema], breaks: bool) -> None:
    with OracleListener(*database, users=USERS, break_on_error=breaks) as server, connect(server) as conn:
        server.inject(Fault("error", rows=150, code=1555, sql="FROM BIG"))
        assert ask(conn, "SELECT 1 FROM DUAL") == [(1,)]
        got: list[Any] = []
        with conn.cursor() as cursor, pytest.raises(oracledb.DatabaseError, match="ORA-01555"):
            cursor.execute("SELECT ID FROM BIG")
            got.extend(iter(cursor))
        assert 100 <= len(got) <= 150
        assert ask(conn, "SELECT COUNT(*) FROM BIG") == [(BIG,)]


def test_stall_drip_and_call_timeout(server: OracleListener, conn: Any) -> None:
    server.inject(Fault("stall", rows=5, seconds=0.4))
    started = time.monotonic()
    assert len(ask(conn, "SELECT ID FROM BIG WHERE ID < 10")) == 10
    assert time.monotonic() - started > 0.35
    server.inject(Fault("drip", octets=100, seconds=0.005))
    started = time.monotonic()
    assert len(ask(conn, "SELECT ID FROM BIG WHERE ID < 500")) == 500
    assert time.monotonic() - started > 0.1
    server.inject(Fault("stall", rows=5, seconds=30))
    conn.call_timeout = 300
    assert code_of(lambda: ask(conn, "SELECT ID FROM BIG WHERE ID < 10")) == "DPY-4024"
    conn.call_timeout = 0
    assert ask(conn, "SELECT 1 FROM DUAL") == [(1,)]


def test_cancel_from_another_thread(server: OracleListener, conn: Any) -> None:
    server.inject(Fault("stall", rows=0, seconds=30))
    threading.Timer(0.3, conn.cancel).start()
    assert code_of(lambda: ask(conn, "SELECT ID FROM BIG")) == "ORA-01013"
    assert ask(conn, "SELECT 1 FROM DUAL") == [(1,)]


def test_sessions_killed(server: OracleListener, conn: Any) -> None:
    with conn.cursor() as cursor:
        cursor.execute("SELECT * FROM BIG")
        cursor.fetchmany(10)
        assert server.kill_sessions() == 1
        assert code_of(cursor.fetchall) == "DPY-4011"


# -- several connections


def test_two_connections_at_once(server: OracleListener) -> None:
    with connect(server) as one, connect(server) as two:
        a, b = one.cursor(), two.cursor()
        c = one.cursor()
        for cursor in (a, b, c):
            cursor.arraysize = 7
            cursor.execute("SELECT ID FROM BIG WHERE ID < 500")
        pairs = list(zip(a, b, c, strict=True))
        assert pairs == [((i,),) * 3 for i in range(500)]


def test_pool_in_threads(server: OracleListener) -> None:
    pool = oracledb.create_pool(user="clearance", password="s3cret中", dsn=server.dsn, min=2, max=4, increment=1)
    results: list[int] = []

    def work() -> None:
        for _ in range(5):
            with pool.acquire() as conn:
                results.append(len(ask(conn, "SELECT * FROM BIG WHERE ID < :n", [700])))

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [700] * 30
    assert pool.opened <= 4
    server.kill_sessions()
    time.sleep(0.1)
    with pool.acquire() as conn:  # the pool replaces the dead ones
        assert ask(conn, "SELECT 1 FROM DUAL") == [(1,)]
    pool.close(force=True)


def test_asyncio(server: OracleListener) -> None:
    async def run() -> int:
        async with oracledb.connect_async(user="clearance", password="s3cret中", dsn=server.dsn) as conn:
            with conn.cursor() as cursor:
                await cursor.execute("SELECT * FROM BIG WHERE ID < :1", [3000])
                count = len(await cursor.fetchall())
            with pytest.raises(oracledb.DatabaseError, match="ORA-00942"):
                await conn.fetchall("SELECT * FROM NOPE")
            return count

    # a browser that an earlier test left open holds this thread's event loop
    with ThreadPoolExecutor(1) as thread:
        assert thread.submit(asyncio.run, run()).result() == 3000


# -- SQLAlchemy


def test_sqlalchemy(server: OracleListener) -> None:
    engine = create_engine(engine_url(server))
    with engine.connect() as conn:
        assert (engine.dialect.server_version_info or ())[:2] == (19, 0)
        assert engine.dialect.default_schema_name == "clearance"
        found = (
            conn.execute(
                text("SELECT name, dept FROM libsys.reader WHERE trim(cert_id_f) = :key"), {"key": reader_no(12)}
            )
            .mappings()
            .one()
        )
        assert dict(found) == {"name": list(readers(13))[12][1], "dept": "图书馆"}
        streaming = conn.execution_options(stream_results=True, yield_per=1000)
        sizes = [len(part) for part in streaming.execute(text("SELECT * FROM big")).partitions()]
        assert sizes == [100] * (BIG // 100)  # of text() the option yield_per is ignored: the arraysize holds
        sizes = [len(part) for part in streaming.execute(text("SELECT * FROM big")).yield_per(1000).partitions()]
        assert sizes == [1000] * (BIG // 1000)
        big = table("big", column("id"))
        sizes = [len(part) for part in streaming.execute(select(big.c.id)).partitions()]
        assert sizes == [1000] * (BIG // 1000)
        debt = conn.scalar(text("SELECT SUM(debt) FROM reader_cert"))
        assert round(float(debt), 2) == round(sum(float(str(row[7])) for row in cards(COUNT)), 2)
        assert conn.scalar(text("SELECT note FROM reader WHERE cert_id_f = 'S2025000005'")) == "备注。" * 5
        reader = table("reader", column("name"), column("dept"), schema="libsys")
        query = select(reader.c.dept, func.count().label("n")).group_by(reader.c.dept).order_by(reader.c.dept).limit(2)
        assert [row.n for row in conn.execute(query)] == [COUNT // 5] * 2
        page = select(reader.c.name).order_by(reader.c.name).offset(3).limit(4)
        assert len(conn.execute(page).all()) == 4
        with pytest.raises(DatabaseError, match="ORA-00942"):
            conn.execute(text("SELECT 1 FROM nope"))
    engine.dispose()


def test_sqlalchemy_inspection(server: OracleListener) -> None:
    engine = create_engine(engine_url(server))
    inspector = inspect(engine)
    assert set(inspector.get_table_names(schema="libsys")) >= {name.lower() for name in TABLES}
    assert inspector.has_table("reader", schema="libsys")
    assert not inspector.has_table("nope", schema="libsys")
    found = {c["name"]: repr(c["type"]) for c in inspector.get_columns("reader_cert", schema="libsys")}
    assert found["redr_cert_id"] == "CHAR(length=20)"
    assert len(found) == 8
    assert found["debt"] == "NUMBER(precision=10, scale=2, asdecimal=True)"
    engine.dispose()


def test_sqlalchemy_refusals_and_loss(server: OracleListener) -> None:
    wrong = create_engine(engine_url(server).replace("s3cret", "no"), poolclass=NullPool)
    with pytest.raises(DatabaseError, match="ORA-01017"):
        wrong.connect()
    with pytest.raises(DatabaseError, match="DPY-6001"):
        create_engine(engine_url(server).replace("LIBSYS", "NOPE"), poolclass=NullPool).connect()
    engine = create_engine(engine_url(server), pool_pre_ping=True)
    with engine.connect() as conn:
        server.inject(Fault("drop", rows=20_000, sql="big"))
        stream = conn.execution_options(yield_per=500).execute(text("SELECT * FROM big"))
        with pytest.raises((OperationalError, DatabaseError)) as caught:
            stream.fetchall()
        assert caught.value.connection_invalidated
    with engine.connect() as conn:
        assert conn.scalar(text("SELECT COUNT(*) FROM big")) == BIG
    server.kill_sessions()
    with engine.connect() as conn:  # pre-ping finds the dead connection and replaces it
        assert conn.scalar(text("SELECT 1 FROM dual")) == 1
    engine.dispose()


# -- the parts on their own


def test_numbers_round_trip() -> None:
    for value in (0, 1, -1, 10, 99, 100, 101, 123456789, -100, 0.01, -0.01, 0.1, 12.345, 1e20, -9.99e-10, 2**62):
        assert decode_number(encode_number(Decimal(str(value)))) == pytest.approx(value, rel=1e-15)
    assert encode_number(Decimal(-1)).hex() == "3e6466"
    assert encode_number(Decimal(100)).hex() == "c202"


def test_formats() -> None:
    when = datetime(2024, 3, 5, 15, 4, 9, 120000)
    assert format_date(when, 'DD-Mon-YYYY HH:MI AM "at" FF3 DY') == "05-Mar-2024 03:04 PM at 120 TUE"
    assert parse_date("05-Mar-24 03:04 pm", "DD-MON-RR HH:MI AM") == datetime(2024, 3, 5, 15, 4)
    assert format_number(-1234.567, "9,999.99") == "-1,234.57"
    assert format_number(5, "000") == " 005"
    with pytest.raises(OraError, match="ORA-01821"):
        format_date(when, "YYYY-ZZ")
    assert OraType.parse("number(10, 2) not null") == OraType("NUMBER", precision=10, scale=2, nullable=False)
    with pytest.raises(ValueError, match="not an Oracle type|unsupported"):
        OraType.parse("GEOMETRY")


def test_command_line(database: tuple[Path, Schema], tmp_path: Path) -> None:
    schema = tmp_path / "schema.json"
    schema.write_text(json.dumps(TABLES), encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "tests.oracle_listener.wire",
        "--db",
        str(database[0]),
        "--schema",
        str(schema),
        "--user",
        "clearance",
        "--password",
        "secret",
        "--service",
        "LIBSYS",
        "--port",
        "0",
    ]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline())
            with oracledb.connect(user="clearance", password="secret", dsn=f"127.0.0.1:{port}/LIBSYS") as conn:
                assert ask(conn, "SELECT COUNT(*) FROM LIBSYS.READER") == [(COUNT,)]
        finally:
            process.terminate()
