"""SQLite for the connectors that ask a database: a file, opened read-only, and the few words it has for errors."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.pool import NullPool

from connectors.databases.base import Backend, Undecodable
from connectors.port import SourceError, SourceGarbled, SourceRefused, SourceUnavailable

#: What SQLite says → the way out.
_SQLITE = (
    (
        "is not a database",
        "The file is no SQLite database, or an encrypted one: look at the url, and have the office look.",
    ),
    (
        "malformed",
        "The file is damaged, or was being copied: the next slot tries again; have the office copy it whole.",
    ),
    ("unable to open", "Give this user the right to read the file and its folder."),
    ("locked", "Another program writes into it: the next slot tries again; ask at a quieter hour."),
    ("busy", "Another program writes into it: the next slot tries again; ask at a quieter hour."),
    ("interrupted", "Raise timeout, or make the query cheaper: it took longer than that."),
    ("disk I/O", "Look at the disk or the network drive that the file is on; the next slot tries again."),
    ("readonly", "The query writes: write a SELECT alone."),
    ("no such table", "There is no such table or view: correct the query, or the url if it is another file."),
    ("no such column", "There is no such column: correct the query."),
    ("syntax error", "The query is not written as SQLite wants it: correct it, then run: clearance check."),
)


class Sqlite(Backend):
    """An SQLite file, opened read-only."""

    def engine(self, url: URL) -> Engine:
        """Open the file read-only: it is never made where it is missing."""
        file = url.database or ""
        if not file or file == ":memory:":
            raise SourceRefused(f"{self.source}: an SQLite url needs a file", "Write sqlite:///path/to/file.db.")
        if not Path(file).is_file():
            raise SourceUnavailable(f"{self.source}: there is no file {file}", "See that the office has put it there.")
        read_only = url.set(database=f"file:{file}", query={"mode": "ro", "uri": "true"})
        engine = create_engine(
            read_only, poolclass=NullPool, connect_args={"timeout": self.patience.connect.total_seconds()}
        )
        event.listen(engine, "connect", lambda raw, _: setattr(raw, "isolation_level", None))
        return engine

    def begin(self, connection: Connection) -> None:
        """Begin; the first read fixes what is seen."""
        connection.exec_driver_sql("BEGIN")
        if self.options.lenient:
            raw: Any = connection.connection.driver_connection
            raw.text_factory = self._text

    def _text(self, raw: bytes) -> str:
        """Decode what the file holds as text: UTF-8, else what the settings name."""
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            return raw.decode(self.options.bytes_as or "utf-8", "replace")

    def charset(self, _connection: Connection, _ask: Callable[[str], Sequence[object]]) -> str:
        """Read text as it is stored."""
        return "read as it is stored"

    def explained(self, error: BaseException) -> SourceError:
        """Know text that is not UTF-8."""
        plain = super().explained(error)
        return Undecodable(plain.what, self.charset_fix) if "Could not decode to UTF-8" in str(error) else plain

    @contextmanager
    def watched(self, connection: Connection) -> Iterator[None]:
        """Interrupt a statement that runs too long."""
        deadline = time.monotonic() + self.patience.statement.total_seconds()
        raw: Any = connection.connection.driver_connection
        raw.set_progress_handler(lambda: time.monotonic() > deadline, 100_000)
        yield

    def kind(self, error: BaseException) -> type[SourceError]:
        """Sort by the few words SQLite has."""
        said = str(error)
        if "readonly" in said or "unable to open" in said:
            return SourceRefused
        if any(word in said for word in ("locked", "busy", "interrupted", "disk I/O", "malformed")):
            return SourceUnavailable
        return SourceGarbled

    def fix(self, error: BaseException) -> str:
        """Know what is wrong with the file itself, and what with the query."""
        return next((fix for words, fix in _SQLITE if words in str(error)), "")
