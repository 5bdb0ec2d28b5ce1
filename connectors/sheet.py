"""A list that an office keeps as a file: an Excel workbook, a web page or XML named .xls, or text in columns.

The header row, the encoding and the separator are found where the settings do not tell them. The file is read in a
process of its own, within bounded memory and time. One that is still being written is no answer.
"""

import getpass
import hashlib
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from config.tables.base import Span, Table
from config.tables.secrets import FilePath
from connectors.files import reader
from connectors.files.newest import is_pattern, newest
from connectors.files.sandbox import FileDescription, Row, SandboxLimits, read_apart
from connectors.files.tables.table import CUT_OFF, MOST_ROWS, SAVE_ANEW, ListAsked, RunEnding
from connectors.port import (
    Fingerprint,
    Progress,
    Proof,
    ProofKind,
    Question,
    Sample,
    Snapshot,
    SourceGarbled,
    SourceRefused,
    SourceUnavailable,
    no_progress,
    table_of,
)
from status_db.model import digest_of


class Settings(Table):
    """Where the list lies, and what is particular about it."""

    #: The file; with `*` or `?` in its name, the newest file of that pattern.
    path: FilePath
    #: The worksheet; left out, the only visible one.
    sheet: str = ""
    #: The row with the column names, counted from 1; left out, the first that holds every mapped column.
    header_row: Annotated[int, Field(ge=1, le=MOST_ROWS)] | None = None
    #: Left out, it is found: by its byte-order mark, else UTF-8, else GB18030, else by what the letters look like.
    encoding: str = ""
    #: Left out, it is found by the header: comma, tab, semicolon, bar or full-width comma.
    delimiter: Annotated[str, Field(max_length=1)] = ""
    #: Everybody the office knows is on the list: who is not on it is unknown, not clear.
    population: bool = False
    #: The list ends with a row of totals that counts its people: without it, it has been cut off.
    closing_count: bool = False
    #: A list older than this is no answer; left out, any age will do.
    older_than: Span | None = None
    #: The office has no system that writes it: its operator brings the list to the desk, and the schedule puts it here.
    brought: bool = False
    #: A file with the same size, time and content as the last one is not taken apart again.
    fingerprint: bool = False
    #: The largest file, in bytes, and the most it may unpack to.
    most_bytes: Annotated[int, Field(ge=1)] = 50_000_000
    most_unpacked: Annotated[int, Field(ge=1)] = 500_000_000
    #: What reading it may take: bytes of memory, and time.
    most_memory: Annotated[int, Field(ge=100_000_000)] = 512_000_000
    longest: Annotated[Span, Field(ge=timedelta(seconds=1))] = timedelta(minutes=5)

    @model_validator(mode="after")
    def _an_uploaded_list_has_one_name(self) -> Self:
        if self.brought and is_pattern(self.path):
            raise ValueError("path: a list that the desk uploads needs one name: write path without * and ?")
        return self


RIGHT_TO_READ = "Give this user the right to read it, and to enter its folder."
IN_REACH = "See that it is there, and its drive in reach; the next slot looks again."


def _user() -> str:
    """Return the name of whoever runs this program."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return f"user {os.getuid()}" if hasattr(os, "getuid") else "unnamed"


class Sheet:
    """Reads one list, whole."""

    #: One student's rows are kept out of the whole answer.
    one_reads_all = True

    def __init__(self, settings: Settings, question: Question) -> None:
        self._settings = settings
        self._question = question

    def pull(self, progress: Progress = no_progress) -> Snapshot:
        """Return every row of the list."""
        began = self._question.clock()
        path = self._path()
        fingerprint = self._fingerprint(path)
        (columns, total, broken, broken_rows), numbered = self._read(path, progress)
        rows = [row[1:] for row in numbered]
        places = [int(str(row[0])) for row in numbered]
        mapped = self._question.columns
        ending = "the file's own end" + (f", and its total of {total}" if total is not None else "")
        chosen = f" of {path.name}" if is_pattern(self._settings.path) else ""
        sane = Proof(ProofKind.CHARSET_SANE, f"{len(columns)} columns of text without replacement characters")
        proofs = (
            Proof(ProofKind.END_REACHED, f"{len(rows)} rows{chosen} to {ending}"),
            Proof(ProofKind.COLUMNS_PRESENT, ", ".join(mapped.values())),
            Proof(ProofKind.LIMIT_NOT_HIT, f"{len(rows)} rows of at most {MOST_ROWS}"),
            *(() if broken else (sane,)),
        )
        population = [row[0] for row in rows if row[0] is not None] if self._settings.population else None
        return Snapshot(
            tuple(mapped),
            rows,
            began,
            self._question.clock(),
            proofs,
            population,
            fingerprint=fingerprint.value if fingerprint else None,
            places=places,
            warnings=self._warnings(broken, broken_rows),
        )

    def fingerprint(self) -> Fingerprint | None:
        """Return what tells the file's content from another one: its size, its time, and SHA-256 of all of it."""
        return self._fingerprint(self._path()) if self._settings.fingerprint else None

    def _fingerprint(self, path: Path) -> Fingerprint | None:
        if not self._settings.fingerprint:
            return None
        began, seen = self._question.clock(), self._seen(path)
        try:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256")
        except OSError as error:
            raise SourceUnavailable(f"{self._named(path)} could not be read ({error.strerror})", IN_REACH) from error
        self._refuse_changed(path, seen)
        value = digest_of([str(seen).encode(), digest.digest()])
        return Fingerprint(value, began, f"{seen[0]} bytes, SHA-256 {digest.hexdigest()[:16]}…")

    def pull_one(self, student: str) -> Snapshot:
        """Return the rows about one student; the list is read whole all the same."""
        return self.pull().about(student)

    def check(self) -> Sample:
        """Read the list, and show its columns and first row."""
        path = self._path()
        (columns, _total, broken, broken_rows), rows = self._read(path, no_progress)
        row = dict(zip(self._question.columns, rows[0][1:], strict=True)) if rows else None
        places = [int(str(row[0])) for row in rows]
        cells = [row[1:] for row in rows]
        return Sample(
            str(path), columns, row, self._warnings(broken, broken_rows), rows=cells, places=places, whole=True
        )

    def _named(self, path: Path) -> str:
        return f"{self._question.source}: the list {path}"

    def _path(self) -> Path:
        """Return the file: the one that is set, or the newest of the pattern."""
        path = self._settings.path
        if not is_pattern(path):
            return path
        return newest(path, now=self._question.clock(), source=self._question.source, told_in=self._told_in)

    def _warnings(self, broken: int, rows: tuple[int, ...]) -> tuple[str, ...]:
        if not broken:
            return ()
        what = f"{broken} rows hold letters that cannot be read (row {', '.join(map(str, rows))}), shown as \ufffd"
        return (f"{what}. Correct them in the office's system, or give encoding in {self._told_in}.",)

    @property
    def _told_in(self) -> str:
        return f"{table_of(self._question.source)}"

    def _seen(self, path: Path) -> tuple[int, int, int]:
        """Return what changes when the file does: size, time and the file itself. Refuse one that is too old or big."""
        settings, named = self._settings, self._named(path)
        try:
            found = path.stat()
        except FileNotFoundError:
            raise SourceUnavailable(
                f"{named} is not there",
                f"See that the office has put it there; the next slot looks again. Or correct path in {self._told_in}.",
            ) from None
        except PermissionError:
            raise SourceRefused(f"{named} may not be read by this user ({_user()})", RIGHT_TO_READ) from None
        except OSError as error:
            # A drive that is gone says so in one of many ways.
            raise SourceUnavailable(f"{named} could not be looked at ({error.strerror})", IN_REACH) from error
        if not path.is_file():
            raise SourceRefused(f"{named} is no file", f"Correct path in {self._told_in}.")
        if found.st_size > settings.most_bytes:
            raise SourceGarbled(
                f"{named} has {found.st_size} bytes, more than {settings.most_bytes}",
                f"Look whether it is the right file; if so, raise most_bytes in {self._told_in}.",
            )
        changed = datetime.fromtimestamp(found.st_mtime, UTC)
        if settings.older_than is not None and self._question.clock() - changed > settings.older_than:
            raise SourceUnavailable(
                f"{named} is of {changed:%Y-%m-%d %H:%M} UTC, older than {settings.older_than}",
                "Have the office look at the job that writes it: it has not run, or its list has not arrived; the next "
                f"slot looks again. Or raise older_than in {self._told_in}.",
            )
        return found.st_size, found.st_mtime_ns, found.st_ino

    def _read(self, path: Path, progress: Progress) -> tuple[RunEnding, list[Row]]:
        """Return what is known of the whole list; and its rows: each one's number, then its cells by our fields."""
        settings, named = self._settings, self._named(path)
        before = self._seen(path)
        try:
            rows, ending = read_apart(
                reader.read,
                path,
                self._asked(path),
                limits=SandboxLimits(settings.most_memory, settings.longest, self._told_in),
                file=FileDescription(named, SAVE_ANEW),
                progress=progress,
            )
        except SourceGarbled:
            # Half a file is what a list looks like while it is being written.
            self._refuse_changed(path, before)
            raise
        progress(len(rows), len(rows))
        self._refuse_changed(path, before)
        if settings.closing_count and ending[1] is None:
            raise SourceGarbled(
                f"{named}: no closing row tells how many rows there are, so it may have been cut off",
                f"{CUT_OFF} If its lists end without such a row, take closing_count out of {self._told_in}.",
            )
        return ending, rows

    def _refuse_changed(self, path: Path, before: tuple[int, int, int]) -> None:
        if self._seen(path) != before:
            raise SourceUnavailable(
                f"{self._named(path)} was changed while it was read",
                "Let whoever writes it put the finished file in its place in one move; the next slot tries again.",
            )

    def _asked(self, path: Path) -> ListAsked:
        settings = self._settings
        return ListAsked(
            named=self._named(path),
            told_in=self._told_in,
            columns=tuple(self._question.columns.values()),
            sheet=settings.sheet,
            header_row=settings.header_row,
            encoding=settings.encoding,
            delimiter=settings.delimiter,
            most_unpacked=settings.most_unpacked,
            fields=tuple(self._question.columns),
        )


def connect(settings: Settings, question: Question) -> Sheet:
    """Return the connector; it opens nothing yet."""
    return Sheet(settings, question)
