"""A list that an office keeps as a file: an Excel workbook (.xlsx), or text in columns (.csv, .tsv).

The header row, the encoding and the separator are found where the settings do not tell them. The file is read in a
process of its own, within bounded memory and time. One that is still being written is no answer.
"""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import Field

from config.secrets import FilePath
from config.settings import Table
from config.table import Span
from connectors import lists_excel, lists_text
from connectors.lists import MOST_ROWS, Ending, ListAsked
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
)
from connectors.sandbox import FileNamed, Limits, Reader, Row, read_apart
from status_db.model import digest_of

#: What reads a file, by the end of its name.
_READERS: dict[str, Reader[ListAsked]] = {
    **dict.fromkeys((".xlsx", ".xlsm"), lists_excel.read),
    **dict.fromkeys((".csv", ".tsv", ".txt"), lists_text.read),
}


class Settings(Table):
    """Where the list lies, and what is particular about it."""

    path: FilePath
    #: The worksheet; left out, the only visible one.
    sheet: str = ""
    #: The row with the column names, counted from 1; left out, the first that holds every mapped column.
    header_row: Annotated[int, Field(ge=1, le=MOST_ROWS)] | None = None
    #: Left out, it is found: by its byte-order mark, else UTF-8, else GB18030, else by what the letters look like.
    encoding: str = ""
    #: Left out, it is found: tab, comma or semicolon.
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
        told = self.fingerprint()
        (columns, totals), rows = self._read(progress)
        mapped = self._question.columns
        ending = "the file's own end" + (f", and its total of {totals}" if totals is not None else "")
        proofs = (
            Proof(ProofKind.END_REACHED, f"{len(rows)} rows to {ending}"),
            Proof(ProofKind.COLUMNS_PRESENT, ", ".join(mapped.values())),
            Proof(ProofKind.LIMIT_NOT_HIT, f"{len(rows)} rows of at most {MOST_ROWS}"),
            Proof(ProofKind.CHARSET_SANE, f"{len(columns)} columns of text without replacement characters"),
        )
        population = [row[0] for row in rows if row[0] is not None] if self._settings.population else None
        fingerprint = told.value if told else None
        return Snapshot(tuple(mapped), rows, began, self._question.clock(), proofs, population, fingerprint=fingerprint)

    def fingerprint(self) -> Fingerprint | None:
        """Return what tells the file's content from another one: its size, its time, and SHA-256 of all of it."""
        if not self._settings.fingerprint:
            return None
        began, seen = self._question.clock(), self._seen()
        try:
            with self._settings.path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256")
        except OSError as error:
            raise SourceUnavailable(
                f"{self._named} could not be read ({error.strerror})", "See that it is there, and its drive in reach."
            ) from error
        self._refuse_changed(seen)
        value = digest_of([str(seen).encode(), digest.digest()])
        return Fingerprint(value, began, f"{seen[0]} bytes, SHA-256 {digest.hexdigest()[:16]}…")

    def pull_one(self, student: str) -> Snapshot:
        """Return the rows about one student; the list is read whole all the same."""
        return self.pull().about(student)

    def check(self) -> Sample:
        """Read the list, and show its columns and first row."""
        (columns, _totals), rows = self._read(no_progress)
        row = dict(zip(self._question.columns, rows[0], strict=True)) if rows else None
        return Sample(str(self._settings.path), columns, row)

    @property
    def _named(self) -> str:
        return f"{self._question.source}: the list {self._settings.path}"

    @property
    def _told_in(self) -> str:
        return f"[source.{self._question.source}]"

    def _seen(self) -> tuple[int, int, int]:
        """Return what changes when the file does: size, time and the file itself. Refuse one that is too old or big."""
        path, settings = self._settings.path, self._settings
        try:
            found = path.stat()
        except FileNotFoundError:
            raise SourceUnavailable(f"{self._named} is not there", "See that the office has put it there.") from None
        except PermissionError:
            raise SourceRefused(
                f"{self._named} may not be read by this user", "Give this user the right to read it."
            ) from None
        if not path.is_file():
            raise SourceRefused(f"{self._named} is no file", f"Mend path in {self._told_in}.")
        if found.st_size > settings.most_bytes:
            raise SourceGarbled(
                f"{self._named} has {found.st_size} bytes, more than {settings.most_bytes}",
                f"Look whether it is the right file; if so, raise most_bytes in {self._told_in}.",
            )
        changed = datetime.fromtimestamp(found.st_mtime, UTC)
        if settings.older_than is not None and self._question.clock() - changed > settings.older_than:
            raise SourceUnavailable(
                f"{self._named} is of {changed:%Y-%m-%d %H:%M} UTC, older than {settings.older_than}",
                "Have the office export it anew.",
            )
        return found.st_size, found.st_mtime_ns, found.st_ino

    def _read(self, progress: Progress) -> tuple[Ending, list[Row]]:
        """Return the columns and the total that the list itself gives, if it does; and the rows by our fields."""
        path, settings = self._settings.path, self._settings
        before = self._seen()
        reader = _READERS.get(path.suffix.lower())
        if reader is None:
            raise SourceGarbled(
                f'{self._named}: "{path.suffix.lower()}" is no kind of list that can be read',
                "Save it as .xlsx (Excel: 另存为 .xlsx) or .csv.",
            )
        try:
            rows, ending = read_apart(
                reader,
                path,
                self._asked(),
                limits=Limits(settings.most_memory, settings.longest, self._told_in),
                file=FileNamed(self._named, "Open it in Excel and save it anew (另存为 .xlsx)."),
                progress=progress,
            )
        except SourceGarbled:
            # Half a file is what a list looks like while it is being written.
            self._refuse_changed(before)
            raise
        progress(len(rows), len(rows))
        self._refuse_changed(before)
        if settings.closing_count and ending[1] is None:
            raise SourceGarbled(
                f"{self._named}: no closing row tells how many rows there are, so it may have been cut off",
                "Have the office export it anew; if its lists end without such a row, take closing_count out of "
                f"{self._told_in}.",
            )
        return ending, rows

    def _refuse_changed(self, before: tuple[int, int, int]) -> None:
        if self._seen() != before:
            raise SourceUnavailable(
                f"{self._named} was changed while it was read",
                "Let whoever writes it put the finished file in its place in one move; the next slot tries again.",
            )

    def _asked(self) -> ListAsked:
        settings = self._settings
        return ListAsked(
            named=self._named,
            told_in=self._told_in,
            columns=tuple(self._question.columns.values()),
            sheet=settings.sheet,
            header_row=settings.header_row,
            encoding=settings.encoding,
            delimiter=settings.delimiter,
            most_unpacked=settings.most_unpacked,
        )


def connect(settings: Settings, question: Question) -> Sheet:
    """Return the connector; it opens nothing yet."""
    return Sheet(settings, question)
