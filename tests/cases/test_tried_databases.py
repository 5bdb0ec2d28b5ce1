"""What databases hold and refuse as people report it, by the real command; docs/connectors/tried.md has it in words."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import create_engine, make_url
from sqlalchemy.pool import NullPool

from tests.cases.tried import Tried, held_to

SOURCE = """connector = "sql"
url = "env:OFFICE_URL"
means = "balance"
query = "SELECT {columns} FROM f"
columns = {{ student = "xh", title = "xm", amount = "qf"{due} }}
"""


def have(url: str, *statements: str) -> None:
    """Run these statements, each by itself."""
    engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def asked(folder: Path, url: str, columns: str = "xh, xm, qf", due: str = "") -> Tried:
    """Return a university that asks this database."""
    return Tried(folder, SOURCE.format(columns=columns, due=due), OFFICE_URL=url)


#: A table of PostgreSQL's, and what is right.
POSTGRES = {
    "a domain and an enum": (
        (
            "CREATE DOMAIN number AS varchar(20)",
            "CREATE TYPE kind AS ENUM ('学费', '书费')",
            "CREATE TABLE f (xh number, xm kind, qf numeric)",
            "INSERT INTO f VALUES ('2015150001', '学费', 5000)",
        ),
        "hcccc",
    ),
    "amounts of the type money": (
        ("CREATE TABLE f (xh text, xm text, qf money)", "INSERT INTO f VALUES ('2015150001', '学费', 5000)"),
        "ucccc",
    ),
    "NaN and infinity for an amount": (
        (
            "CREATE TABLE f (xh text, xm text, qf float8)",
            "INSERT INTO f VALUES ('2015150001', '学费', 'NaN'), ('2015150002', '学费', 'Infinity')",
        ),
        "uuccc",
    ),
    "numbers in a column of the type real": (
        (
            "CREATE TABLE f (xh real, xm text, qf numeric)",
            "INSERT INTO f VALUES (2015150001, '学费', 5000), (2015150002, '学费', 1)",
        ),
        "1: a floating-point column of single precision",
    ),
    "scientific notation as text": (
        (
            "CREATE TABLE f (xh text, xm text, qf numeric)",
            "INSERT INTO f VALUES ('2015150001', '学费', 5000), ('2.01515E+09', '学费', 700)",
        ),
        "1: student numbers in scientific notation (2.01515E+09)",
    ),
    "several numbers in an array": (
        (
            "CREATE TABLE f (xh text[], xm text, qf numeric)",
            "INSERT INTO f VALUES ('{2015150001,2015150002}', '学费', 5000)",
        ),
        "1: Map columns.student to a column that holds one number as text",
    ),
    "division by zero": (
        ("CREATE VIEW f AS SELECT '2015150001' AS xh, '学费' AS xm, qf / 0 AS qf FROM (VALUES (1)) v(qf)",),
        "1: division by zero",
    ),
}


@pytest.mark.parametrize(("statements", "right"), POSTGRES.values(), ids=POSTGRES)
def test_postgresql_is_read_as_it_is_meant_or_refused_by_its_cause(
    tmp_path: Path, postgres_url: str, statements: tuple[str, ...], right: str
) -> None:
    have(postgres_url, *statements)
    held_to(asked(tmp_path, postgres_url), right)


def test_days_that_python_has_no_date_for_stop_no_one(tmp_path: Path, postgres_url: str) -> None:
    have(
        postgres_url,
        "CREATE TABLE f (xh text, xm text, qf numeric, hk timestamptz)",
        "INSERT INTO f VALUES ('2015150001', '学费', 1, 'infinity'), ('2015150002', '学费', 1, '0044-03-15 BC'), "
        "('2015150003', '学费', 1, '99999-01-01'), ('2015150004', '学费', 1, '2019-05-31 12:00+08')",
    )
    tried = asked(tmp_path, postgres_url, "xh, xm, qf, hk", ', due = "hk"')
    assert tried.synced()[0] == 0
    owed = [tried.finding(f"201515000{last}")["evidence"][0] for last in (1, 2, 3, 4)]
    assert [(one["due"], one["due_unreadable"]) for one in owed] == [
        (None, False), (None, True), (None, True), ("2019-05-31", False),
    ]  # fmt: skip


@contextmanager
def account(url: str, create: str, drop: str) -> Iterator[tuple[str, str]]:
    """Give an account of the server's, as name and url, for as long as this lasts."""
    name = f"tried_{uuid4().hex[:8]}"
    have(url, *create.format(name).split(";"))
    try:
        yield name, make_url(url).set(username=name, password="pw").render_as_string(hide_password=False)
    finally:
        have(url, *drop.format(name).split(";"))


def test_rows_that_a_policy_hides_clear_no_one_until_the_settings_allow_it(tmp_path: Path, postgres_url: str) -> None:
    have(
        postgres_url,
        "CREATE TABLE f (xh text, xm text, qf numeric)",
        "INSERT INTO f VALUES ('2015150001', '学费', 5000)",
        "ALTER TABLE f ENABLE ROW LEVEL SECURITY",
    )
    create = "CREATE ROLE {0} LOGIN PASSWORD 'pw';GRANT SELECT ON f TO {0}"
    with account(postgres_url, create, "DROP OWNED BY {0};DROP ROLE {0}") as (name, url):
        tried = asked(tmp_path, url)
        held_to(tried, "5: A policy on that table hides rows from this account")
        have(postgres_url, f"CREATE POLICY p ON f USING (true); ALTER ROLE {name} SET row_security = on")
        held_to(tried, "hcccc")
        have(postgres_url, f"ALTER ROLE {name} RESET row_security; ALTER ROLE {name} BYPASSRLS; DROP POLICY p ON f")
        held_to(tried, "hcccc")


def test_a_role_without_a_connection_left_is_asked_again_and_one_without_login_is_not(
    tmp_path: Path, postgres_url: str
) -> None:
    have(postgres_url, "CREATE TABLE f (xh text, xm text, qf numeric)")
    create = "CREATE ROLE {0} LOGIN PASSWORD 'pw' CONNECTION LIMIT 0"
    with account(postgres_url, create, "DROP ROLE {0}") as (name, url):
        tried = asked(tmp_path, url)
        held_to(tried, "5: did not answer: connection failed")
        have(postgres_url, f"ALTER ROLE {name} NOLOGIN")
        held_to(tried, "5: refused: connection failed")


def test_mariadb_with_a_float_for_numbers_is_refused_and_a_double_is_read(tmp_path: Path, mariadb_url: str) -> None:
    have(
        mariadb_url,
        "CREATE TABLE f (fl FLOAT, db DOUBLE, xm ENUM('学费') CHARACTER SET utf8mb4, qf DECIMAL(10,2))",
        "INSERT INTO f VALUES (2015150001, 2015150001, '学费', 5000)",
    )
    (tmp_path / "double").mkdir()
    held_to(asked(tmp_path / "double", mariadb_url, "db AS xh, xm, qf"), "hcccc")
    held_to(asked(tmp_path, mariadb_url, "fl AS xh, xm, qf"), "1: a floating-point column of single precision")


def test_days_of_zeros_in_mariadb_are_no_days(tmp_path: Path, mariadb_url: str) -> None:
    have(
        mariadb_url,
        "SET SESSION sql_mode = ''",
        "CREATE TABLE f (xh CHAR(20), xm TEXT CHARACTER SET utf8mb4, qf DECIMAL(10,2), hk DATETIME)",
        "INSERT INTO f VALUES ('2015150001', '学费', 1, '0000-00-00'), ('2015150002', '学费', 1, '2019-00-00')",
    )
    tried = asked(tmp_path, mariadb_url, "xh, xm, qf, hk", ', due = "hk"')
    assert tried.synced()[0] == 0
    assert [tried.finding(f"201515000{last}")["evidence"][0]["due"] for last in (1, 2)] == [None, None]


def test_accounts_of_mariadb_are_refused_by_their_cause(tmp_path: Path, mariadb_url: str) -> None:
    have(mariadb_url, "CREATE TABLE f (xh CHAR(20), xm TEXT, qf DECIMAL(10,2))")
    create = "CREATE USER {0}@localhost IDENTIFIED BY 'pw';GRANT SELECT ON *.* TO {0}@localhost"
    with account(mariadb_url, create, "DROP USER {0}@localhost") as (name, url):
        tried = asked(tmp_path, url)
        have(mariadb_url, f"ALTER USER {name}@localhost ACCOUNT LOCK")
        held_to(tried, "5: The account is locked")
        have(mariadb_url, f"ALTER USER {name}@localhost ACCOUNT UNLOCK PASSWORD EXPIRE")
        held_to(tried, "5: The password has expired")
        have(
            mariadb_url,
            f"ALTER USER {name}@localhost PASSWORD EXPIRE NEVER",
            f"SET PASSWORD FOR {name}@localhost = PASSWORD('pw')",
        )
        have(mariadb_url, f"GRANT USAGE ON *.* TO {name}@localhost WITH MAX_QUERIES_PER_HOUR 1")
        held_to(tried, "5: 1226")
