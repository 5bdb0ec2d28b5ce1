"""What comes out of a column is what the office has in it, digit by digit and letter by letter."""

from decimal import Decimal
from zoneinfo import ZoneInfo

from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from status_db.model import normalise_number
from sync.rule.cells import day
from tests.connectors.database_office import DatabaseOffice, ask

DIGITS = Decimal("12345678901234567890.0123456789")


def test_a_row_without_a_number_is_kept_for_the_reconciler_to_count(office: DatabaseOffice) -> None:
    rows = ask(office.url, "SELECT NULL AS NUMBER, title AS TITLE FROM loans", {"student": "NUMBER"}).pull().rows
    assert list(rows) == [(None,)] * 4


def test_a_text_of_a_megabyte_comes_whole(office: DatabaseOffice) -> None:
    kind = {"mysql": "LONGTEXT"}.get(office.engine.dialect.name, "TEXT")
    with office.engine.begin() as connection:
        connection.execute(text(f"CREATE TABLE notes (number VARCHAR(20), note {kind})"))
        connection.execute(text("INSERT INTO notes VALUES ('20151001', :note)"), {"note": "注" * 350_000})
    ((_, note),) = ask(office.url, "SELECT number, note FROM notes", {"student": "number", "title": "note"}).pull().rows
    assert note == "注" * 350_000


def test_every_digit_of_a_sum_is_kept(served: str) -> None:
    engine = create_engine(served, poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE owed (card VARCHAR(20), amount NUMERIC(30, 10), fen BIGINT)"))
        connection.execute(text(f"INSERT INTO owed VALUES ('20151001', {DIGITS}, 9007199254740993)"))
    columns = {"student": "card", "amount": "amount", "reference": "fen"}
    ((_, amount, fen),) = ask(served, "SELECT card, amount, fen FROM owed", columns).pull().rows
    assert amount == DIGITS
    assert isinstance(amount, Decimal)
    assert fen == 9007199254740993


def test_a_number_kept_in_a_char_is_still_the_students(served: str) -> None:
    """PostgreSQL gives the blanks too, MySQL leaves them out; asked for alone, the student is found in both."""
    engine = create_engine(served, poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE lent (card CHAR(20), title CHAR(20))"))
        connection.execute(text("INSERT INTO lent VALUES ('20151001', '唐诗选')"))
    connector = ask(served, "SELECT card, title FROM lent", {"student": "card", "title": "title"})
    ((card, _),) = connector.pull().rows
    assert normalise_number(card) == "20151001"
    assert len(connector.pull_one("20151001").rows) == 1


class TestMariadbAsItIs:
    """Zero dates, and text in charsets of their own."""

    COLUMNS = {"student": "card", "title": "title", "due": "due"}  # noqa: RUF012 - never changed

    def table(self, url: str, charset: str) -> None:
        engine = create_engine(url, poolclass=NullPool)
        with engine.begin() as connection:
            connection.execute(text("SET SESSION sql_mode = ''"))
            connection.execute(
                text(f"CREATE TABLE lent (card VARCHAR(20), title VARCHAR(60), due DATETIME) CHARACTER SET {charset}")
            )
            connection.execute(text("INSERT INTO lent VALUES ('20151001', '', '0000-00-00 00:00:00')"))

    def test_a_zero_date_is_no_day_and_breaks_nothing(self, mysql: str) -> None:
        self.table(mysql, "utf8mb4")
        ((_, _, due),) = ask(mysql, "SELECT card, title, due FROM lent", self.COLUMNS).pull().rows
        assert day(due, ZoneInfo("Asia/Shanghai"), ZoneInfo("Asia/Shanghai")) is None

    def test_a_gbk_column_comes_as_text(self, mysql: str) -> None:
        self.table(mysql, "gbk")
        engine = create_engine(mysql, poolclass=NullPool)
        with engine.begin() as connection:
            connection.execute(text("UPDATE lent SET title = '构造地质学'"))
        ((_, title, _),) = ask(mysql, "SELECT card, title, due FROM lent", self.COLUMNS).pull().rows
        assert title == "构造地质学"

    def test_gbk_in_a_column_that_believes_itself_latin(self, mysql: str) -> None:
        """Asked for as bytes, and declared as what they are, it is text again; its keys match either way."""
        self.table(mysql, "latin1")
        engine = create_engine(mysql, poolclass=NullPool)
        with engine.begin() as connection:
            connection.execute(text("UPDATE lent SET title = UNHEX(:raw)"), {"raw": "构造地质学".encode("gbk").hex()})
        plain = ask(mysql, "SELECT card, title, due FROM lent", self.COLUMNS).pull().rows
        assert plain[0][0] == "20151001"
        query = "SELECT card, CAST(title AS BINARY) AS title, due FROM lent"
        ((_, title, _),) = ask(mysql, query, self.COLUMNS, bytes_as="gbk").pull().rows
        assert title == "构造地质学"
