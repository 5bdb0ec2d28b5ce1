"""A library's table in a real database, and a connector that asks it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import URL, Engine, create_engine, text
from sqlalchemy.pool import NullPool

from connectors import sql
from connectors.port import Connector, Question
from tests.contract import COLUMNS, Ticking

QUERY = "SELECT number AS NUMBER, title AS TITLE, barcode AS BARCODE FROM loans"


def ask(url: str | URL, query: str = QUERY, columns: Mapping[str, str] = COLUMNS, **own: Any) -> sql.Sql:
    """Return a connector for this url."""
    shown = url if isinstance(url, str) else url.render_as_string(hide_password=False)
    settings = sql.Settings.model_validate({"url": "env:URL:-" + shown, "query": query, **own})
    return sql.connect(settings, Question("loans", columns, Ticking()))


def but_clocks(warnings: Sequence[str]) -> list[str]:
    """Leave out that the server's clock differs from the tests', which stand still in a year of their own."""
    return [warning for warning in warnings if "clock" not in warning]


class DatabaseOffice:
    """A library's table in a real database."""

    secret = ""

    def __init__(self, url: str, nowhere: str) -> None:
        self.url = url
        self.nowhere = nowhere
        self.engine: Engine = create_engine(url, poolclass=NullPool)
        with self.engine.begin() as connection:
            connection.execute(
                text("CREATE TABLE loans (number VARCHAR(40), title VARCHAR(200), barcode VARCHAR(40) PRIMARY KEY)")
            )

    def fill_with_moment(self, row: Mapping[str, str | None], moment: datetime) -> None:
        """Hold one row with a moment for its title; only PostgreSQL has a type for it."""
        if self.engine.dialect.name != "postgresql":
            pytest.skip("this database has no type for a moment with its zone")
        with self.engine.begin() as connection:
            connection.execute(text("DROP TABLE loans"))
            connection.execute(text("CREATE TABLE loans (number TEXT, title TIMESTAMPTZ, barcode TEXT)"))
            own = {**row, "TITLE": moment}
            connection.execute(text("INSERT INTO loans VALUES (:NUMBER, :TITLE, :BARCODE)"), own)

    def fill(self, rows: Sequence[Mapping[str, str | None]]) -> None:
        with self.engine.begin() as connection:
            connection.execute(text("DELETE FROM loans"))
            if rows:
                connection.execute(
                    text("INSERT INTO loans VALUES (:NUMBER, :TITLE, :BARCODE)"), [dict(r) for r in rows]
                )

    def fill_with_bytes(self, rows: Sequence[Mapping[str, str | None]]) -> None:
        """Hold these rows with their numbers as bytes."""
        kind = {"postgresql": "BYTEA", "sqlite": "BLOB"}.get(self.engine.dialect.name, "VARBINARY(40)")
        with self.engine.begin() as connection:
            connection.execute(text("DROP TABLE loans"))
            connection.execute(text(f"CREATE TABLE loans (number {kind}, title VARCHAR(200), barcode VARCHAR(40))"))
            for row in rows:
                own = {**row, "NUMBER": str(row["NUMBER"]).encode()}
                connection.execute(text("INSERT INTO loans VALUES (:NUMBER, :TITLE, :BARCODE)"), own)

    def connector(self, columns: Mapping[str, str] = COLUMNS) -> Connector:
        return ask(self.url, columns=columns)

    def out_of_reach(self) -> Connector:
        return ask(self.nowhere, connect_timeout="2 s")
