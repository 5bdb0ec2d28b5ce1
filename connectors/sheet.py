"""A list that an office keeps as a file: an Excel workbook (.xlsx), or text in columns (.csv, .tsv).

The header row, the encoding and the separator are found where the settings do not tell them. What spreadsheets are
known to ruin is refused with the row's number: long numbers in scientific notation, formulas without a value; and so is
a file that is still being written. A closing row of totals is left out, and
its count, where it has one, is held against the rows.
"""

import codecs
import csv
import io
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any

import openpyxl
from charset_normalizer import from_bytes
from openpyxl.utils.exceptions import InvalidFileException
from pydantic import Field

from config.secrets import FilePath
from config.settings import Span, Table
from connectors.port import (
    Cell,
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

#: The header is looked for in so many rows.
_HEADER_WITHIN = 30

#: Excel's own limit.
_MOST_ROWS = 1_048_576

#: Words that name a closing row of totals.
_TOTALS = frozenset({"合计", "总计", "小计", "total"})

_TEXT = frozenset({".csv", ".tsv", ".txt"})
_EXCEL = frozenset({".xlsx", ".xlsm"})

_PROGRESS_EVERY = 1_000


class Settings(Table):
    """Where the list lies, and what is particular about it."""

    path: FilePath
    #: The worksheet; left out, the only visible one.
    sheet: str = ""
    #: The row with the column names, counted from 1; left out, the first that holds every mapped column.
    header_row: Annotated[int, Field(ge=1, le=_MOST_ROWS)] | None = None
    #: Left out, it is found: by its byte-order mark, else UTF-8, else GB18030, else by what the letters look like.
    encoding: str = ""
    #: Left out, it is found: tab, comma or semicolon.
    delimiter: Annotated[str, Field(max_length=1)] = ""
    #: Everybody the office knows is on the list: who is not on it is unknown, not clear.
    population: bool = False
    #: A list older than this is no answer; left out, any age will do.
    older_than: Span | None = None
    #: The largest file, in bytes, and the most it may unpack to.
    most_bytes: Annotated[int, Field(ge=1)] = 50_000_000
    most_unpacked: Annotated[int, Field(ge=1)] = 500_000_000


@dataclass(frozen=True, slots=True)
class _Line:
    """One row of the file and its number, counted from 1."""

    number: int
    cells: tuple[Cell, ...]


class Sheet:
    """Reads one list, whole."""

    def __init__(self, settings: Settings, question: Question) -> None:
        self._settings = settings
        self._question = question

    def pull(self, progress: Progress = no_progress) -> Snapshot:
        """Return every row of the list."""
        began = self._question.clock()
        before = self._seen()
        columns, rows, totals = self._read(progress)
        if self._seen() != before:
            raise SourceUnavailable(
                f"{self._named} was changed while it was read",
                "Let whoever writes it put the finished file in its place in one move; the next slot tries again.",
            )
        mapped = self._question.columns
        ending = "the file's own end" + (f", and its total of {totals}" if totals is not None else "")
        proofs = (
            Proof(ProofKind.END_REACHED, f"{len(rows)} rows to {ending}"),
            Proof(ProofKind.COLUMNS_PRESENT, ", ".join(mapped.values())),
            Proof(ProofKind.LIMIT_NOT_HIT, f"{len(rows)} rows of at most {_MOST_ROWS}"),
            Proof(ProofKind.CHARSET_SANE, f"{len(columns)} columns of text without replacement characters"),
        )
        population = [row[0] for row in rows if row[0] is not None] if self._settings.population else None
        return Snapshot(tuple(mapped), rows, began, self._question.clock(), proofs, population)

    def pull_one(self, student: str) -> Snapshot:
        """Return the rows about one student; the list is read whole all the same."""
        return self.pull().about(student)

    def check(self) -> Sample:
        """Read the list, and show its columns and first row."""
        columns, rows, _totals = self._read(no_progress)
        row = dict(zip(self._question.columns, rows[0], strict=True)) if rows else None
        return Sample(str(self._settings.path), columns, row)

    @property
    def _named(self) -> str:
        return f"{self._question.source}: the list {self._settings.path}"

    def _seen(self) -> tuple[int, int, int]:
        """Return what changes when the file does: size, time and the file itself. Refuse one that is too old or big."""
        path, settings = self._settings.path, self._settings
        try:
            found = path.stat()
        except FileNotFoundError:
            raise SourceUnavailable(f"{self._named} is not there", "See that the office has put it there.") from None
        except PermissionError:
            raise self._forbidden() from None
        if not path.is_file():
            raise SourceRefused(f"{self._named} is no file", f"Mend path in [source.{self._question.source}].")
        if found.st_size > settings.most_bytes:
            raise SourceGarbled(
                f"{self._named} has {found.st_size} bytes, more than {settings.most_bytes}",
                f"Look whether it is the right file; if so, raise most_bytes in [source.{self._question.source}].",
            )
        changed = datetime.fromtimestamp(found.st_mtime, UTC)
        if settings.older_than is not None and self._question.clock() - changed > settings.older_than:
            raise SourceUnavailable(
                f"{self._named} is of {changed:%Y-%m-%d %H:%M} UTC, older than {settings.older_than}",
                "Have the office export it anew.",
            )
        return found.st_size, found.st_mtime_ns, found.st_ino

    def _forbidden(self) -> SourceRefused:
        return SourceRefused(f"{self._named} may not be read by this user", "Give this user the right to read it.")

    def _garbled(self, what: str, way_out: str) -> SourceGarbled:
        return SourceGarbled(f"{self._named}: {what}", way_out)

    def _read(self, progress: Progress) -> tuple[tuple[str, ...], list[tuple[Cell, ...]], int | None]:
        """Return the columns, the rows by our fields, and the total that the list itself gives, if it does."""
        self._seen()
        suffix = self._settings.path.suffix.lower()
        try:
            if suffix in _EXCEL:
                return self._taken(self._workbook_lines(), progress, text=False)
            if suffix in _TEXT:
                return self._taken(self._text_lines(), progress, text=True)
        except PermissionError:
            raise self._forbidden() from None
        raise self._garbled(
            f'"{suffix}" is no kind of list that can be read',
            "Save it as .xlsx (Excel: 另存为 .xlsx) or .csv.",
        )

    def _taken(
        self, lines: Iterator[_Line], progress: Progress, *, text: bool
    ) -> tuple[tuple[str, ...], list[tuple[Cell, ...]], int | None]:
        columns, at = self._header(lines)
        rows: list[tuple[Cell, ...]] = []
        total: int | None = None
        for line in lines:
            cells = line.cells
            if all(_is_nothing(cell) for cell in cells):
                continue
            if any(not _is_nothing(cell) for cell in cells[len(columns) :]):
                raise self._garbled(
                    f"row {line.number} has more cells than the header",
                    "Look for a separator inside a text, and put that text in quotes.",
                )
            if text and len(cells) < len(columns):
                raise self._garbled(
                    f"row {line.number} has {len(cells)} of {len(columns)} cells: the file may have been cut off there",
                    "Have the office export it anew.",
                )
            row = tuple(cells[i] if i < len(cells) else None for i in at)
            if _is_total(row[0], cells):
                total = self._total_held_against(len(rows), cells, line.number)
                continue
            self._refuse_ruined(row, line.number)
            rows.append(row)
            if len(rows) % _PROGRESS_EVERY == 0:
                progress(len(rows), None)
            if len(rows) >= _MOST_ROWS:
                raise self._garbled(
                    "it goes on beyond Excel's last row", "Split it, or ask the office for a database view."
                )
        progress(len(rows), len(rows))
        return columns, rows, total

    def _header(self, lines: Iterator[_Line]) -> tuple[tuple[str, ...], list[int]]:
        """Find the row that names the columns; return the names and where our fields stand."""
        wanted = [_name(column) for column in self._question.columns.values()]
        told = self._settings.header_row
        best: tuple[str, ...] = ()
        for line in lines:
            if told is not None and line.number < told:
                continue
            names = tuple(_name(cell) for cell in line.cells)
            if len(set(wanted) & set(names)) > len(set(wanted) & set(best)) or (not best and any(names)):
                best = names
            if set(wanted) <= set(names):
                twice = sorted({name for name in wanted if names.count(name) > 1})
                if twice:
                    raise self._garbled(
                        f'the column "{twice[0]}" stands twice in row {line.number}', "Give each column its own name."
                    )
                return names, [names.index(name) for name in wanted]
            if line.number == told or line.number >= _HEADER_WITHIN:
                break
        missing = [name for name in wanted if name not in best]
        found = ", ".join(name for name in best if name) or "nothing at all"
        raise self._garbled(
            f'no row names the column "{missing[0] if missing else wanted[0]}" (found: {found})',
            f"Mend columns in [source.{self._question.source}], or give header_row.",
        )

    def _total_held_against(self, count: int, cells: tuple[Cell, ...], number: int) -> int | None:
        """Compare a closing row's count of people with the rows read; one that holds sums says nothing here."""
        said = " ".join(str(cell) for cell in cells if not _is_nothing(cell))
        match = re.search(r"(\d+)\s*(?:人|行|条|rows)", said)
        if match is None:
            return None
        if int(match[1]) != count:
            raise self._garbled(
                f"row {number} says {match[1]} rows, and {count} stand above it", "Have the office export it anew."
            )
        return count

    def _refuse_ruined(self, row: tuple[Cell, ...], number: int) -> None:
        """Refuse what a spreadsheet has made of a number or of a formula, before it is taken for the office's word."""
        student = row[0]
        if _is_ruined(student):
            raise self._garbled(
                f"the student number in row {number} has been ruined by a spreadsheet ({student!r})",
                "Format the column as text, paste the numbers again, and save it anew.",
            )
        for cell in row:
            if isinstance(cell, str) and cell.startswith("#") and cell.rstrip("!?").upper() in _FORMULA_ERRORS:
                raise self._garbled(
                    f"row {number} holds the formula error {cell}", "Mend the formula, and save it anew."
                )
            if isinstance(cell, str) and ("\ufffd" in cell or "\0" in cell):
                raise self._garbled(
                    f"row {number} holds broken text",
                    "Have it saved anew as UTF-8, or tell its encoding in the settings.",
                )

    def _workbook_lines(self) -> Iterator[_Line]:
        with self._settings.path.open("rb") as file:
            self._refuse_what_is_no_workbook(file)
            try:
                workbook = openpyxl.load_workbook(file, read_only=True, data_only=True)
            except (InvalidFileException, zipfile.BadZipFile, KeyError, ValueError, OSError, SyntaxError) as error:
                raise self._no_workbook(error) from error
            try:
                sheet = self._worksheet(workbook)
                # Some programs write a sheet's extent wrongly, and rows beyond it would vanish in silence.
                sheet.reset_dimensions()
                if _has_formulas(file, sheet):
                    yield from self._calculated(file, sheet)
                    return
                for number, row in enumerate(sheet.iter_rows(values_only=True), 1):
                    yield _Line(number, tuple(_plain(cell) for cell in row))
            except (zipfile.BadZipFile, KeyError, ValueError, EOFError, SyntaxError) as error:
                raise self._no_workbook(error) from error
            finally:
                workbook.close()

    def _calculated(self, file: io.BufferedReader, sheet: Any) -> Iterator[_Line]:  # noqa: ANN401 - see _worksheet
        """Read a sheet that calculates: a formula whose value was never stored would look like an empty cell."""
        written = openpyxl.load_workbook(file, read_only=True, data_only=False)
        try:
            formulas = written[sheet.title]
            formulas.reset_dimensions()
            both = zip(sheet.iter_rows(values_only=True), formulas.iter_rows(values_only=True), strict=True)
            for number, (row, as_written) in enumerate(both, 1):
                for value, formula in zip(row, as_written, strict=True):
                    if value is None and formula is not None:
                        raise self._garbled(
                            f"row {number} holds a formula without its value ({str(formula)[:60]})",
                            "Open it in Excel and save it anew, or paste the column as values.",
                        )
                yield _Line(number, tuple(_plain(cell) for cell in row))
        finally:
            written.close()

    def _no_workbook(self, error: Exception) -> SourceGarbled:
        return self._garbled(
            f"it is no whole Excel workbook ({' '.join(str(error).split())[:200]})",
            "Open it in Excel and save it anew (另存为 .xlsx).",
        )

    def _refuse_what_is_no_workbook(self, file: io.BufferedReader) -> None:
        head = file.read(2048)
        file.seek(0)
        if head.startswith(b"\xd0\xcf\x11\xe0"):
            raise self._garbled(
                "it is an old .xls workbook, or one with a password", "Save it as .xlsx without one (另存为 .xlsx)."
            )
        if head.lstrip()[:1] == b"<":
            raise self._garbled(
                "it is a web page by another name", "Open it in Excel and save it as .xlsx (另存为 .xlsx)."
            )
        try:
            with zipfile.ZipFile(file) as packed:
                unpacked = sum(entry.file_size for entry in packed.infolist())
        except zipfile.BadZipFile as error:
            raise self._no_workbook(error) from error
        finally:
            file.seek(0)
        if unpacked > self._settings.most_unpacked:
            raise self._garbled(
                f"it would unpack to {unpacked} bytes, more than {self._settings.most_unpacked}",
                f"Look whether it is the right file; if so, raise most_unpacked in [source.{self._question.source}].",
            )

    def _worksheet(self, workbook: Any) -> Any:  # noqa: ANN401 - openpyxl's read-only sheet has no type of its own
        sheets = {sheet.title: sheet for sheet in workbook.worksheets}
        visible = [title for title, sheet in sheets.items() if sheet.sheet_state == "visible"]
        wanted = self._settings.sheet or (visible[0] if len(visible) == 1 else "")
        if wanted not in sheets:
            what = f'it has no worksheet "{wanted}"' if wanted else "it has several worksheets"
            raise self._garbled(
                f"{what} ({', '.join(sheets)})", f"Name the right one as sheet in [source.{self._question.source}]."
            )
        return sheets[wanted]

    def _text_lines(self) -> Iterator[_Line]:
        text = self._decoded(self._settings.path.read_bytes())
        if text.lstrip()[:1] == "<":
            raise self._garbled("it is a web page by another name", "Have the list exported as .csv or .xlsx.")
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=self._delimiter(text), strict=True)
        try:
            for row in reader:
                yield _Line(reader.line_num, tuple(_plain(cell) for cell in row))
        except csv.Error as error:
            raise self._garbled(
                f"line {reader.line_num} cannot be read ({error}): the file may have been cut off there",
                "Have the office export it anew.",
            ) from error

    def _decoded(self, raw: bytes) -> str:
        for encoding in self._encodings(raw):
            try:
                return raw.decode(encoding)
            except (UnicodeDecodeError, LookupError):
                continue
        told = self._settings.encoding
        raise self._garbled(
            f"its text is not {told}" if told else "its encoding cannot be found",
            f"Tell the right one as encoding in [source.{self._question.source}], such as gb18030.",
        )

    def _encodings(self, raw: bytes) -> Iterator[str]:
        """Give what to try, in order: what is told, the byte-order mark, and what Chinese offices write."""
        if self._settings.encoding:
            yield self._settings.encoding
            return
        for mark, encoding in _MARKS:
            if raw.startswith(mark):
                yield encoding
                return
        yield from ("utf-8", "gb18030")
        guess = from_bytes(raw).best()
        if guess is not None:
            yield guess.encoding

    def _delimiter(self, text: str) -> str:
        if self._settings.delimiter:
            return self._settings.delimiter
        head = text[:20_000]
        return max("\t,;", key=head.count)


_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

#: What Excel writes where a formula has failed, without its mark of exclamation or question.
_FORMULA_ERRORS = frozenset({"#N/A", "#REF", "#VALUE", "#NAME", "#DIV/0", "#NUM", "#NULL"})

_SCIENTIFIC = re.compile(r"\d(\.\d+)?[eE]\+?\d+")

_FORMULA = re.compile(rb"<f[\s>/]")

#: Excel keeps so many digits of a number, and writes noughts for the rest.
_KEPT_DIGITS = 15


def _is_ruined(student: Cell) -> bool:
    if isinstance(student, bool | datetime | date | timedelta):
        return True
    if isinstance(student, int | float):
        return student != int(student) or len(str(abs(int(student)))) > _KEPT_DIGITS
    return isinstance(student, str) and _SCIENTIFIC.fullmatch(student.strip()) is not None


def _has_formulas(file: io.BufferedReader, sheet: Any) -> bool:  # noqa: ANN401 - openpyxl's read-only sheet
    """Look for a formula in the sheet's own XML; most lists have none, and need not be read twice."""
    tail = b""
    with zipfile.ZipFile(file) as packed, packed.open(sheet._worksheet_path) as xml:  # noqa: SLF001 - told nowhere else
        while chunk := xml.read(1 << 16):
            if _FORMULA.search(tail + chunk):
                return True
            tail = chunk[-2:]
    return False


def _is_nothing(cell: Cell) -> bool:
    return cell is None or (isinstance(cell, str) and not cell.strip())


def _is_total(student: Cell, cells: tuple[Cell, ...]) -> bool:
    """Say whether a row closes a list: its first word, or what stands for the student, names a total."""
    first = next((cell for cell in cells if not _is_nothing(cell)), None)
    return any(isinstance(cell, str) and _bare(cell) in _TOTALS for cell in (student, first))


def _bare(text: str) -> str:
    return "".join(text.split()).strip(":：").lower()


def _plain(cell: Cell) -> Cell:
    """Return a cell without what only tells a spreadsheet to keep it as text: ="…", or an apostrophe before it."""
    if not isinstance(cell, str):
        return cell
    text = cell.strip()
    if text.startswith('="') and text.endswith('"') and len(text) > 2:
        text = text[2:-1]
    return text.removeprefix("'").strip() or None


def _name(cell: Cell) -> str:
    """Return a column's name without the blanks and line breaks that fit it into a narrow column."""
    return "" if cell is None else "".join(str(cell).split())


def connect(settings: Settings, question: Question) -> Sheet:
    """Return the connector; it opens nothing yet."""
    return Sheet(settings, question)
