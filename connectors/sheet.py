"""A list that an office keeps as a file: an Excel workbook, a web page or XML named .xls, or text in columns.

The header row, the encoding and the separator are detected where the settings do not set them. The file is read in a
separate process with limited memory and time. A file that is still being written is not accepted.
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
from connectors.files.tables.table import CUT_OFF, MOST_ROWS, SAVE_XLSX, ListAsked, ListEnding
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
from foundation.translation import N_, tr
from status_db.model import digest_of


class Settings(Table):
    """Where the list is, and what is special about it."""

    #: The file; with `*` or `?` in its name, the newest file of that pattern.
    path: FilePath
    #: The worksheet; left out, the only visible one.
    sheet: str = ""
    #: The row with the column names, counted from 1; left out, the first that holds every mapped column.
    header_row: Annotated[int, Field(ge=1, le=MOST_ROWS)] | None = None
    #: Left out, it is detected: by its byte-order mark, else UTF-8, else GB18030, else from its letters.
    encoding: str = ""
    #: Left out, it is detected from the header: comma, tab, semicolon, bar or full-width comma.
    delimiter: Annotated[str, Field(max_length=1)] = ""
    #: All students that the office knows are on the list: a student that is missing is unknown, not clear.
    population: bool = False
    #: The list ends with a row of totals that counts its rows: a list without that row has been cut off.
    closing_count: bool = False
    #: A list older than this is not accepted; left out, any age is accepted.
    older_than: Span | None = None
    #: No system writes the list: its operator uploads it at the desk, and the scheduler stores it here.
    uploaded: bool = False
    #: A file with the same size, time and content as the last one is not read again.
    fingerprint: bool = False
    #: The largest file, and its largest unpacked size, in bytes.
    most_bytes: Annotated[int, Field(ge=1)] = 50_000_000
    most_unpacked: Annotated[int, Field(ge=1)] = 500_000_000
    #: The most that reading can use: bytes of memory, and time.
    most_memory: Annotated[int, Field(ge=100_000_000)] = 512_000_000
    longest: Annotated[Span, Field(ge=timedelta(seconds=1))] = timedelta(minutes=5)

    @model_validator(mode="after")
    def _an_uploaded_list_has_one_name(self) -> Self:
        if self.uploaded and is_pattern(self.path):
            raise ValueError(tr("path: a list that is uploaded at the desk needs one name: write path without * and ?"))
        return self


RIGHT_TO_READ = N_("Give this user the right to read it, and to enter its folder.")
IN_REACH = N_("The next run tries again. Check that it exists and that its drive is mounted.")


def _user() -> str:
    """Return the name of the user that runs this program."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return tr("user {number}", number=os.getuid()) if hasattr(os, "getuid") else tr("unnamed")


class Sheet:
    """A connector that reads one list, whole."""

    #: For one student, the whole list is read and filtered.
    one_reads_all = True

    def __init__(self, settings: Settings, question: Question) -> None:
        self._settings = settings
        self._question = question

    def pull(self, progress: Progress = no_progress) -> Snapshot:
        """Return every row of the list."""
        began = self._question.clock()
        path = self._path()
        fingerprint = self._fingerprint(path)
        (columns, total, broken, broken_rows), numbered = self._read_rows(path, progress)
        rows = [row[1:] for row in numbered]
        places = [int(str(row[0])) for row in numbered]
        mapped = self._question.columns
        counted = tr("{count} rows", count=len(rows))
        if is_pattern(self._settings.path):
            counted = tr("{count} rows of {name}", count=len(rows), name=path.name)
        ending = tr("{rows} to the file's own end", rows=counted)
        if total is not None:
            ending = tr("{rows} to the file's own end, and its total of {total}", rows=counted, total=total)
        sane = Proof(
            ProofKind.CHARSET_SANE, tr("{number} columns of text without replacement characters", number=len(columns))
        )
        proofs = (
            Proof(ProofKind.END_REACHED, ending),
            Proof(ProofKind.COLUMNS_PRESENT, tr(", ").join(mapped.values())),
            Proof(ProofKind.LIMIT_NOT_HIT, tr("{count} rows of at most {limit}", count=len(rows), limit=MOST_ROWS)),
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
        """Return the fingerprint of the file: its size, its time, and the SHA-256 of its content."""
        return self._fingerprint(self._path()) if self._settings.fingerprint else None

    def _fingerprint(self, path: Path) -> Fingerprint | None:
        if not self._settings.fingerprint:
            return None
        began, seen = self._question.clock(), self._file_state(path)
        try:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256")
        except OSError as error:
            raise SourceUnavailable(
                tr("{name} could not be read ({reason})", name=self._message_prefix(path), reason=error.strerror),
                tr(IN_REACH),
            ) from error
        self._refuse_changed(path, seen)
        value = digest_of([str(seen).encode(), digest.digest()])
        return Fingerprint(
            value, began, tr("{size} bytes, SHA-256 {digest}…", size=seen[0], digest=digest.hexdigest()[:16])
        )

    def pull_one(self, student: str) -> Snapshot:
        """Return the rows about one student; the whole list is read."""
        return self.pull().about(student)

    def check(self) -> Sample:
        """Read the list, and return its columns and first row."""
        path = self._path()
        (columns, _total, broken, broken_rows), rows = self._read_rows(path, no_progress)
        row = dict(zip(self._question.columns, rows[0][1:], strict=True)) if rows else None
        places = [int(str(row[0])) for row in rows]
        cells = [row[1:] for row in rows]
        return Sample(
            str(path), columns, row, self._warnings(broken, broken_rows), rows=cells, places=places, whole=True
        )

    def _message_prefix(self, path: Path) -> str:
        return tr("{source}: the list {path}", source=self._question.source, path=path)

    def _path(self) -> Path:
        """Return the file: the one that is set, or the newest of the pattern."""
        path = self._settings.path
        if not is_pattern(path):
            return path
        return newest(
            path, now=self._question.clock(), source=self._question.source, settings_table=self._settings_table
        )

    def _warnings(self, broken: int, rows: tuple[int, ...]) -> tuple[str, ...]:
        if not broken:
            return ()
        return (
            tr(
                "{number} rows have letters that cannot be read (row {rows}), shown as �. Correct them in the "
                "office's system, or set encoding in {table}.",
                number=broken,
                rows=tr(", ").join(map(str, rows)),
                table=self._settings_table,
            ),
        )

    @property
    def _settings_table(self) -> str:
        return f"{table_of(self._question.source)}"

    def _file_state(self, path: Path) -> tuple[int, int, int]:
        """Return the size, the time and the inode of the file. Refuse a file that is too old or too large."""
        settings, named = self._settings, self._message_prefix(path)
        try:
            found = path.stat()
        except FileNotFoundError:
            raise SourceUnavailable(
                tr("{named} does not exist", named=named),
                tr(
                    "The next run tries again. Check that the office has put it there, or correct path in {table}.",
                    table=self._settings_table,
                ),
            ) from None
        except PermissionError:
            raise SourceRefused(
                tr("{named} cannot be read by this user ({user})", named=named, user=_user()), tr(RIGHT_TO_READ)
            ) from None
        except OSError as error:
            # A drive that is not mounted gives one of many errors.
            raise SourceUnavailable(
                tr("{named} could not be opened ({error})", named=named, error=error.strerror), tr(IN_REACH)
            ) from error
        if not path.is_file():
            raise SourceRefused(
                tr("{named} is not a file", named=named), tr("Correct path in {table}.", table=self._settings_table)
            )
        if found.st_size > settings.most_bytes:
            raise SourceGarbled(
                tr(
                    "{named} has {size} bytes, more than {most}",
                    named=named,
                    size=found.st_size,
                    most=settings.most_bytes,
                ),
                tr(
                    "Check that it is the right file; if it is, raise most_bytes in {table}.",
                    table=self._settings_table,
                ),
            )
        changed = datetime.fromtimestamp(found.st_mtime, UTC)
        if settings.older_than is not None and self._question.clock() - changed > settings.older_than:
            raise SourceUnavailable(
                tr(
                    "{named} was written at {changed:%Y-%m-%d %H:%M} UTC and is older than {older_than}",
                    named=named,
                    changed=changed,
                    older_than=settings.older_than,
                ),
                tr(
                    "The job that writes it has not run, or its list has not arrived; the next run tries again. "
                    "Have the office check the job, or raise older_than in {table}.",
                    table=self._settings_table,
                ),
            )
        return found.st_size, found.st_mtime_ns, found.st_ino

    def _read_rows(self, path: Path, progress: Progress) -> tuple[ListEnding, list[Row]]:
        """Return the facts about the whole list, and its rows: each with its number, then its cells by our fields."""
        settings, named = self._settings, self._message_prefix(path)
        before = self._file_state(path)
        try:
            rows, ending = read_apart(
                reader.read,
                path,
                self._list_question(path),
                limits=SandboxLimits(settings.most_memory, settings.longest, self._settings_table),
                file=FileDescription(named, tr(SAVE_XLSX)),
                progress=progress,
            )
        except SourceGarbled:
            # A list that is still being written is half a file.
            self._refuse_changed(path, before)
            raise
        progress(len(rows), len(rows))
        self._refuse_changed(path, before)
        if settings.closing_count and ending[1] is None:
            raise SourceGarbled(
                tr("{named}: no closing row counts the rows, so the list may have been cut off", named=named),
                tr(
                    "{cut_off} If its lists end without such a row, remove closing_count from {table}.",
                    cut_off=tr(CUT_OFF),
                    table=self._settings_table,
                ),
            )
        return ending, rows

    def _refuse_changed(self, path: Path, before: tuple[int, int, int]) -> None:
        if self._file_state(path) != before:
            raise SourceUnavailable(
                tr("{named} was changed while it was read", named=self._message_prefix(path)),
                tr("The next run tries again. Have the job that writes it move the finished file here in one step."),
            )

    def _list_question(self, path: Path) -> ListAsked:
        settings = self._settings
        return ListAsked(
            named=self._message_prefix(path),
            settings_table=self._settings_table,
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
