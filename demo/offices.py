"""The four offices and the registrar, each with a system of its own, with the data of one day of the story.

library.sqlite (or the database in DEMO_LIBRARY_URL): tables with the names and columns of Koha's public schema.
finance.sqlite: the data that the finance office's own program serves over HTTP. textbook.sqlite: a view with balances.
dorm.xlsx: the dormitory office's list. roster.csv: the registrar's list, in GB18030.
"""

import contextlib
import csv
import io
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import xlsxwriter
from sqlalchemy import (
    Column,
    Connection,
    Date,
    Engine,
    Integer,
    MetaData,
    Numeric,
    String,
    Table,
    create_engine,
    insert,
    make_url,
    text,
)
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from demo.story import FIRST_DAY, Debt, Life, lives

SEED = 2019

#: Readers of the library who do not leave. Their loans are only counted.
_OTHER_READERS = 1_500

_CATALOGUE = MetaData()
_BORROWERS = Table(
    "borrowers",
    _CATALOGUE,
    Column("borrowernumber", Integer, primary_key=True, autoincrement=False),
    Column("cardnumber", String(32), unique=True),
    Column("surname", String(100)),
    Column("categorycode", String(10)),
)
_BIBLIO = Table(
    "biblio",
    _CATALOGUE,
    Column("biblionumber", Integer, primary_key=True, autoincrement=False),
    Column("title", String(200)),
)
_ITEMS = Table(
    "items",
    _CATALOGUE,
    Column("itemnumber", Integer, primary_key=True, autoincrement=False),
    Column("biblionumber", Integer),
    Column("barcode", String(20), unique=True),
)
_ISSUES = Table(
    "issues",
    _CATALOGUE,
    Column("issue_id", Integer, primary_key=True, autoincrement=False),
    Column("borrowernumber", Integer, index=True),
    Column("itemnumber", Integer, unique=True),
    Column("issuedate", Date),
    Column("date_due", Date),
)
_ACCOUNTLINES = Table(
    "accountlines",
    _CATALOGUE,
    Column("accountlines_id", Integer, primary_key=True, autoincrement=False),
    Column("borrowernumber", Integer, index=True),
    Column("description", String(200)),
    Column("debit_type_code", String(20)),
    Column("credit_type_code", String(20)),
    Column("amountoutstanding", Numeric(28, 6)),
)


@dataclass(frozen=True, slots=True)
class Offices:
    """The folder and databases of one demo's offices."""

    folder: Path
    #: An SQLAlchemy URL for the library; its own file when empty.
    library_url: str = ""

    @property
    def library(self) -> str:
        """Return the library's database as a URL."""
        return self.library_url or f"sqlite:///{self.folder / 'library.sqlite'}"

    @property
    def finance(self) -> Path:
        """Return the finance office's own database."""
        return self.folder / "finance.sqlite"

    @property
    def finance_password(self) -> Path:
        """Return the file with the password for the finance office."""
        return self.folder / "finance-password"

    def day(self) -> int | None:
        """Return the day of the offices' data; None before they are built."""
        try:
            return int((self.folder / "day").read_text(encoding="ascii"))
        except (FileNotFoundError, ValueError):
            return None

    def write(self, day: int, seed: int = SEED) -> None:
        """Write every office's data of this day of the story."""
        self.folder.mkdir(parents=True, exist_ok=True)
        people = lives(seed)
        self._write_library(people, day, seed)
        self._write_finance(people, day)
        self._write_textbook(people, day)
        _replace(self.folder / "dorm.xlsx", _dorm_list(people, day))
        _replace(self.folder / "roster.csv", _roster(people, day))
        if not self.finance_password.exists():
            self.finance_password.write_text(f"demo-{Random(seed).randrange(10**8):08d}\n", encoding="ascii")
            self.finance_password.chmod(0o600)
        _replace(self.folder / "day", str(day).encode())

    def _write_library(self, people: Sequence[Life], day: int, seed: int) -> None:
        engine = _library_engine(self.library)
        try:
            _CATALOGUE.create_all(engine)
            with engine.begin() as connection:
                for table in reversed(_CATALOGUE.sorted_tables):
                    connection.execute(table.delete())
                _fill_library(connection, people, day, seed)
        finally:
            engine.dispose()

    def _write_finance(self, people: Sequence[Life], day: int) -> None:
        rows = [
            (
                debt.reference,
                life.student.number,
                life.student.name,
                debt.title,
                str(debt.amount),
                "0.00",
                str(debt.amount),
            )
            for life in people
            for debt in _open_on(life.fees, day)
        ]
        with _open_sqlite(self.finance) as connection:
            connection.execute(
                "CREATE TABLE IF NOT EXISTS arrears (bill TEXT PRIMARY KEY, number TEXT, name TEXT, item TEXT, "
                "payable TEXT, paid TEXT, owed TEXT)"
            )
            connection.execute("DELETE FROM arrears")
            connection.executemany("INSERT INTO arrears VALUES (?, ?, ?, ?, ?, ?, ?)", rows)

    def _write_textbook(self, people: Sequence[Life], day: int) -> None:
        rows = [
            (life.student.number, debt.title, str(debt.amount))
            for life in people
            for debt in (*_open_on(life.textbooks, day), *life.refunds)
        ]
        with _open_sqlite(self.folder / "textbook.sqlite") as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS book_account (number TEXT, term TEXT, balance TEXT)")
            connection.execute(
                "CREATE VIEW IF NOT EXISTS v_textbook_balance AS "
                "SELECT number AS XH, term AS XQ, balance AS YE FROM book_account"
            )
            connection.execute("DELETE FROM book_account")
            connection.executemany("INSERT INTO book_account VALUES (?, ?, ?)", rows)


def _open_on(debts: Iterable[Debt], day: int) -> Iterator[Debt]:
    return (debt for debt in debts if debt.from_day <= day < debt.until_day)


@contextlib.contextmanager
def _open_sqlite(path: Path) -> Iterator[sqlite3.Connection]:
    """Open an SQLite file to write in one transaction."""
    with contextlib.closing(sqlite3.connect(path, timeout=30)) as connection, connection:
        yield connection


def _library_engine(url: str) -> Engine:
    """Open the library's database; create it if the server has none of that name."""
    engine = create_engine(url, poolclass=NullPool)
    if engine.dialect.name != "mysql":
        return engine
    try:
        engine.connect().close()
    except OperationalError:
        parsed = make_url(url)
        server = create_engine(parsed._replace(database=None), poolclass=NullPool, isolation_level="AUTOCOMMIT")
        with server.connect() as connection:
            name = connection.dialect.identifier_preparer.quote_identifier(parsed.database or "demo_library")
            connection.execute(text(f"CREATE DATABASE IF NOT EXISTS {name} CHARACTER SET utf8mb4"))
        server.dispose()
    return engine


def _fill_library(connection: Connection, people: Sequence[Life], day: int, seed: int) -> None:
    borrowers: list[dict[str, Any]] = []
    titles: dict[str, int] = {}
    items: list[dict[str, Any]] = []
    issues: list[dict[str, Any]] = []
    lines: list[dict[str, Any]] = []

    def lend(borrower: int, barcode: str, title: str, **dates: object) -> None:
        number = len(items) + 1
        items.append(
            {"itemnumber": number, "biblionumber": titles.setdefault(title, len(titles) + 1), "barcode": barcode}
        )
        issues.append({"issue_id": number, "borrowernumber": borrower, "itemnumber": number, **dates})

    def charge(borrower: int, what: str, amount: Decimal) -> None:
        code = {"debit_type_code": "OVERDUE", "credit_type_code": None}
        if amount < 0:
            code = {"debit_type_code": None, "credit_type_code": "PAYMENT"}
        lines.append(
            {
                "accountlines_id": borrower,
                "borrowernumber": borrower,
                "description": what,
                "amountoutstanding": amount,
                **code,
            }
        )

    for number, life in enumerate(people, 1):
        student = life.student
        borrowers.append(
            {"borrowernumber": number, "cardnumber": student.card, "surname": student.name, "categorycode": "ST"}
        )
        for loan in life.loans:
            if loan.from_day <= day < loan.until_day:
                lend(number, loan.barcode, loan.title, issuedate=loan.issued, date_due=loan.due)
        for fine in _open_on(life.fines, day):
            charge(number, fine.title, fine.amount)
    random = Random(f"{seed}/others")
    for number in range(len(people) + 1, len(people) + 1 + _OTHER_READERS):
        borrowers.append(
            {"borrowernumber": number, "cardnumber": f"2017{number:06d}", "surname": "读者", "categorycode": "ST"}
        )
        if random.random() < 0.4:
            due = FIRST_DAY + timedelta(days=random.randint(0, 40))
            lend(number, f"B9{number:08d}", "大学英语", issuedate=due - timedelta(days=60), date_due=due)
    connection.execute(insert(_BORROWERS), borrowers)
    connection.execute(insert(_BIBLIO), [{"biblionumber": n, "title": title} for title, n in titles.items()])
    connection.execute(insert(_ITEMS), items)
    connection.execute(insert(_ISSUES), issues)
    if lines:
        connection.execute(insert(_ACCOUNTLINES), lines)


def _dorm_list(people: Sequence[Life], day: int) -> bytes:
    """Return the dormitory office's workbook: numbers as text, a title above the header, a count at the end."""
    residents = [life for life in people if not life.student.commuter]
    file = io.BytesIO()
    workbook = xlsxwriter.Workbook(file, {"in_memory": True})
    sheet = workbook.add_worksheet("退宿登记")
    as_text = workbook.add_format({"num_format": "@"})
    sheet.write_string(0, 0, "2019届毕业生退宿登记表")
    header = ("学号", "姓名", "班级", "宿舍楼栋", "宿舍房间号", "是否已清退", "清退日期")
    sheet.write_row(1, 0, header)
    for row, life in enumerate(residents, 2):
        student, done = life.student, life.checked_out_on <= day
        when = (FIRST_DAY + timedelta(days=life.checked_out_on)).isoformat() if done else ""
        cells = (student.number, student.name, student.class_name, student.building, student.room)
        for column, cell in enumerate((*cells, "已清退" if done else "未清退", when)):
            sheet.write_string(row, column, cell, as_text)
    sheet.write_row(len(residents) + 2, 0, ("合计", f"{len(residents)} 人"))
    workbook.close()
    return file.getvalue()


def _roster(people: Sequence[Life], day: int) -> bytes:
    """Return the registrar's list. In the course of the season two of its students are put off."""
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow(("学号", "姓名", "培养层次", "学生类别", "学院", "班级", "校区", "宿舍楼栋", "图书证号", "原学号"))
    put_off = _put_off(people, day)
    for life in people:
        s = life.student
        category = "延期" if s.number in put_off else s.category
        writer.writerow(
            (s.number, s.name, s.level, category, s.college, s.class_name, s.campus, s.building, s.card, s.former)
        )
    return file.getvalue().encode("gb18030")


def _put_off(people: Sequence[Life], day: int) -> frozenset[str]:
    graduates = [life.student.number for life in people if life.student.category == "毕业"]
    return frozenset(graduates[index] for index in (700, 2800)[: day // 4])


def _replace(path: Path, content: bytes) -> None:
    """Replace a file by a finished one in one step, so that no reader sees half of it."""
    new = path.with_name(path.name + ".new")
    new.write_bytes(content)
    new.replace(path)
