"""The back end of SQLite: a file, opened read-only, and the few error messages of SQLite."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.pool import NullPool

from connectors.databases.base import Backend, Undecodable
from connectors.port import SourceError, SourceGarbled, SourceRefused, SourceUnavailable
from foundation.translation import N_, tr

#: SQLite's message → the cause and the fix.
_FIXES = (
    (
        "is not a database",
        N_("The file is not an SQLite database, or is encrypted: check the url, and have the office check the file."),
    ),
    (
        "malformed",
        N_("The file is damaged, or was being copied: the next slot tries again; have the office copy it whole."),
    ),
    ("unable to open", N_("Give this user the right to read the file and its folder.")),
    ("locked", N_("Another program writes to it: ask at a quieter hour. The next slot tries again.")),
    ("busy", N_("Another program writes to it: ask at a quieter hour. The next slot tries again.")),
    ("interrupted", N_("The query took longer than timeout: raise it, or make the query cheaper.")),
    ("disk I/O", N_("Check the disk or the network drive of the file. The next slot tries again.")),
    ("readonly", N_("The query writes: write a single SELECT.")),
    ("no such table", N_("There is no such table or view: correct the query, or the url if it is another file.")),
    ("no such column", N_("There is no such column: correct the query.")),
    ("syntax error", N_("The query has a syntax error for SQLite: correct it, then run: clearance check.")),
)


class Sqlite(Backend):
    """An SQLite file, opened read-only."""

    def engine(self, url: URL) -> Engine:
        """Return an engine that opens the file read-only; a missing file is not created."""
        file = url.database or ""
        if not file or file == ":memory:":
            raise SourceRefused(
                tr("{source}: an SQLite url needs a file", source=self.source), tr("Write sqlite:///path/to/file.db.")
            )
        if not Path(file).is_file():
            raise SourceUnavailable(
                tr("{source}: there is no file {file}", source=self.source, file=file),
                tr("Check that the office has put it there."),
            )
        read_only = url.set(database=f"file:{file}", query={"mode": "ro", "uri": "true"})
        engine = create_engine(
            read_only, poolclass=NullPool, connect_args={"timeout": self.timeouts.connect.total_seconds()}
        )
        event.listen(engine, "connect", lambda raw, _: setattr(raw, "isolation_level", None))
        return engine

    def begin(self, connection: Connection) -> None:
        """Begin a transaction; the first read fixes its state."""
        connection.exec_driver_sql("BEGIN")
        if self.options.lenient:
            raw: Any = connection.connection.driver_connection
            raw.text_factory = self._decode

    def _decode(self, raw: bytes) -> str:
        """Decode text of the file: as UTF-8, else in the charset of the settings."""
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            return raw.decode(self.options.bytes_as or "utf-8", "replace")

    def charset(self, _connection: Connection, _ask: Callable[[str], Sequence[object]]) -> str:
        """Return that text is read as it is stored."""
        return tr("read as it is stored")

    def to_source_error(self, error: BaseException) -> SourceError:
        """Return a SourceError; Undecodable for text that is not UTF-8."""
        general = super().to_source_error(error)
        return Undecodable(general.what, self.charset_fix) if "Could not decode to UTF-8" in str(error) else general

    @contextmanager
    def watched(self, connection: Connection) -> Iterator[None]:
        """Interrupt a statement that runs too long."""
        deadline = time.monotonic() + self.timeouts.statement.total_seconds()
        raw: Any = connection.connection.driver_connection
        raw.set_progress_handler(lambda: time.monotonic() > deadline, 100_000)
        yield

    def kind(self, error: BaseException) -> type[SourceError]:
        """Return the class of an error by its message."""
        text = str(error)
        if "readonly" in text or "unable to open" in text:
            return SourceRefused
        if any(word in text for word in ("locked", "busy", "interrupted", "disk I/O", "malformed")):
            return SourceUnavailable
        return SourceGarbled

    def fix(self, error: BaseException) -> str:
        """Return the fix for an error of the file or of the query."""
        return tr(next((fix for part, fix in _FIXES if part in str(error)), ""))
