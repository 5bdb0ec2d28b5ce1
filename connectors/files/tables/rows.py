"""The rows of a list below its header, whichever kind of file it is in.

Values that a spreadsheet has damaged are refused with the row's number: long numbers in scientific notation, formulas
without a value. Rows of totals, repeated headers, headings and notes are left out; the count of a total is compared
with the rows. A row with a student number is never left out.
"""

import re
import unicodedata
from collections.abc import Generator, Iterator

from connectors.files.tables.completeness import ALL_OF_IT, SurroundingWords, one_line
from connectors.files.tables.damage import LongNumbers, is_broken, refuse_ruined
from connectors.files.tables.header import Header, folded, header_if_any, header_of
from connectors.files.tables.row_words import is_labelled, is_like_amount, is_like_number, is_result, is_rule, is_total
from connectors.files.tables.short_rows import broken, cut_off, too_short
from connectors.files.tables.table import (
    CUT_OFF,
    MOST_ROWS,
    FileRow,
    ListAsked,
    ListEnding,
    Page,
    cell_value,
    is_nothing,
)
from connectors.port import Cell
from foundation.translation import tr

#: The most rows with broken text that are named.
_ROWS_NAMED = 10

#: A longer text is a note, and not a number within words.
_LONG_NOTE = 100

#: A possible number within a text.
_TOKEN = re.compile(r"[0-9A-Za-z]+")

#: More broken rows than this, and than one in a hundred, mean a wrong encoding.
_FEW_BROKEN = 20


def rows_of(page: Page, asked: ListAsked) -> Generator[tuple[Cell, ...], None, ListEnding]:
    """Yield the number of each row below the header, then its cells by our fields. Raises SourceGarbled.

    Rows of totals, repeated headers, headings and notes are left out: none of them has a student number.
    """
    lines = page.lines()
    header = header_of(lines, asked)
    table = _RowReader(page, header, asked)
    for line in lines:
        yield from table.rows(line)
    return table.ending()


class _RowReader:
    """The rows below one header, checked one after another."""

    def __init__(self, page: Page, header: Header, asked: ListAsked) -> None:
        self._page, self._header, self._asked = page, header, asked
        #: The columns that are not repeated over a merge: an amount counts once.
        self._once = frozenset(
            at for at, field in zip(header.at, asked.fields, strict=False) if field in ("amount", "reference")
        )
        self._notes: list[tuple[int, tuple[Cell, ...], str]] = []
        self._count = 0
        self._totals = _Totals(asked)
        self._words = SurroundingWords()
        self._broken = 0
        self._broken_first: list[int] = []
        self._long = LongNumbers()
        #: The lengths of the student numbers in the rows before.
        self._lengths: set[int] = set()

    def rows(self, line: FileRow) -> Iterator[tuple[Cell, ...]]:
        """Yield the row of this line, and rows before it that are not notes after all."""
        width = len(self._header.names)
        cells = line.cells
        if self._is_beside(line):
            return
        self._refuse_extra(line, width)
        row = tuple(self._cell_at(line, at, field) for field, at in enumerate(self._header.at))
        if self._is_header(row):
            return
        if is_total(row[0], tuple(cell for at, cell in enumerate(cells) if at not in line.filled)):
            self._totals.compare_count(line)
            return
        short = self._missing(line) if self._page.text else ""
        if line.open_ended and isinstance(cells[-1], str) and cells[-1].endswith("\ufffd"):
            raise self._asked.garbled(
                tr("row {number} ends within a letter, so the file may have been cut off there", number=line.number),
                tr(CUT_OFF),
            )
        is_note = self._is_note(row, line)
        if is_note or short:
            self._refuse_part(line)
        if is_note and self._words.of_pages:
            return
        if is_note:
            # A file that is cut off within its last row can end in such a cell, unless it begins like a note.
            if short and line.open_ended and not is_labelled(cells):
                raise self._asked.garbled(*cut_off(line.number, len(cells), width))
            self._notes.append((line.number, row, short))
            return
        if short:
            raise self._asked.garbled(*broken(line, width))
        for number, note, is_short in self._notes:
            if is_short:
                raise self._asked.garbled(*too_short(number, 1, width))
            yield from self._checked_row(number, note)
        self._notes.clear()
        yield from self._checked_row(line.number, row)

    def ending(self) -> ListEnding:
        """Return the facts about the whole list. Raises SourceGarbled."""
        self._long.refuse_rounded(self._asked)
        if text := self._words.missing:
            raise self._asked.garbled(
                tr('its text states that there are other pages ("{text}")', text=text), tr(ALL_OF_IT)
            )
        if self._broken > max(_FEW_BROKEN, self._count // 100):
            raise self._asked.garbled(
                tr(
                    "{broken} of {count} rows have broken text, row {first} first",
                    broken=self._broken,
                    count=self._count,
                    first=self._broken_first[0],
                ),
                tr(
                    "Set encoding in {table}, such as gb18030, or save the file as UTF-8.",
                    table=self._asked.settings_table,
                ),
            )
        return self._header.names, self._totals.total, self._broken, tuple(self._broken_first)

    def _is_beside(self, line: FileRow) -> bool:
        """Return whether a line is blank, drawn, or a database client's count, which is compared with the rows."""
        if all(is_nothing(cell) or at in line.filled for at, cell in enumerate(line.cells)) or is_rule(line.cells):
            return True
        if is_result(line.cells):
            self._totals.compare_count(line)
            return True
        return False

    def _cell_at(self, line: FileRow, at: int, field: int) -> Cell:
        if at >= len(line.cells):
            return None
        if field == 0 and at in line.covered:
            raise self._asked.garbled(
                tr("the merged cell of the student number covers another number in row {number}", number=line.number),
                tr("Remove the merge in the column of the student number."),
            )
        if at in self._once and at in line.filled:
            return None
        return cell_value(line.cells[at], student=field == 0)

    def _refuse_extra(self, line: FileRow, width: int) -> None:
        if line.number == self._page.last_row:
            raise self._asked.garbled(
                tr("it ends at row {number}, the last row of such a file, so rows may be missing", number=line.number),
                tr("Have it exported as .csv, in several files, or ask the office for a database view."),
            )
        # Cells beside a grid are notes; in text, a separator within a cell shifts all cells after it.
        if self._page.text and any(not is_nothing(cell) for cell in line.cells[width:]):
            raise self._asked.garbled(
                tr(
                    "row {number} has more cells than the header ({cells} and {width}): a text or an amount "
                    "contains the separator",
                    number=line.number,
                    cells=len(line.cells),
                    width=width,
                ),
                tr(
                    "Put that text in quotes, export the list with another separator, or as .xlsx; if a column "
                    "has no name, name it, or set header_row in {table}.",
                    table=self._asked.settings_table,
                ),
            )

    def _refuse_part(self, line: FileRow) -> None:
        """Refuse a list with a text below it that the list broke off."""
        text = " ".join(
            str(cell) for at, cell in enumerate(line.cells) if not is_nothing(cell) and at not in line.filled
        )
        if self._words.broke_off(text):
            raise self._asked.garbled(
                tr(
                    'row {number} states that the list is not whole ("{text}")', number=line.number, text=one_line(text)
                ),
                tr(ALL_OF_IT),
            )

    def _missing(self, line: FileRow) -> str:
        """Return what a short line lacks: a spreadsheet leaves out empty cells at a row's end, but no mapped ones."""
        if len(line.cells) >= len(self._header.names):
            return ""
        return "ours" if line.open_ended or max(self._header.at) >= len(line.cells) else ""

    def _is_header(self, row: tuple[Cell, ...]) -> bool:
        wanted = self._header.wanted
        return not all(map(is_nothing, row)) and all(
            folded(cell) in names for cell, names in zip(row, wanted, strict=True)
        )

    def _is_note(self, row: tuple[Cell, ...], line: FileRow) -> bool:
        """Return whether a row is one cell of text, or the labels below a list, without a student's data."""
        filled = [at for at, cell in enumerate(line.cells) if not is_nothing(cell) and at not in line.filled]
        others = [cell for at, cell in zip(self._header.at[1:], row[1:], strict=True) if at not in line.filled]
        if len(filled) == 1:
            cell = line.cells[filled[0]]
            if is_nothing(row[0]):
                # A row that continues the one above it has a cell in some mapped column.
                return len(row) > 1 and all(is_nothing(other) for other in row[1:])
            at_number = filled[0] == self._header.at[0]
            return at_number and (not is_like_number(cell) or self._is_remark(cell, line))
        return (
            filled[0] not in self._header.at[1:]
            and is_labelled(line.cells)
            and (is_nothing(row[0]) or not is_like_number(row[0]))
            and not any(is_like_amount(cell) for cell in others)
        )

    def _is_remark(self, cell: Cell, line: FileRow) -> bool:
        """Return whether the only cell of a row is a note: no number in it is as long as a student number."""
        if not isinstance(cell, str) or not (is_labelled(line.cells) or len(cell) > _LONG_NOTE) or not self._lengths:
            return False
        return not any(len(token) in self._lengths for token in _TOKEN.findall(unicodedata.normalize("NFKC", cell)))

    def _checked_row(self, number: int, row: tuple[Cell, ...]) -> Iterator[tuple[Cell, ...]]:
        asked, student = self._asked, row[0]
        self._lengths.add(len(str(student)))
        refuse_ruined(student, number, asked)
        if self._page.zeros_lost and isinstance(student, int | float):
            raise asked.garbled(
                tr(
                    "the student number in row {number} is a number ({student}), but the file shows some numbers "
                    "with leading zeros ({format}), which cannot be read from this kind of file",
                    number=number,
                    student=student,
                    format=self._page.zeros_lost,
                ),
                tr("Have the list exported as .xlsx or .csv, or format the column of the student number as text."),
            )
        if any(is_broken(cell) for cell in row[1:]):
            self._broken += 1
            if len(self._broken_first) < _ROWS_NAMED:
                self._broken_first.append(number)
            row = (student, *(cell.replace("\0", "\ufffd") if isinstance(cell, str) else cell for cell in row[1:]))
        self._long.add(student, number)
        self._totals.count(student)
        self._count += 1
        if self._count >= MOST_ROWS:
            raise asked.garbled(
                tr("it has more rows than Excel can have"), tr("Split it, or ask the office for a database view.")
            )
        yield (number, *row)


class _Totals:
    """Counts rows and students, and compares the counts in rows of totals with them."""

    def __init__(self, asked: ListAsked) -> None:
        self._asked = asked
        self._rows = self._rows_before = 0
        self._students: set[str] = set()
        self._students_since: set[str] = set()
        #: The list's own total; None before a row of totals.
        self.total: int | None = None

    def count(self, student: Cell) -> None:
        """Count a row of this student."""
        self._rows += 1
        self._students.add(str(student))
        self._students_since.add(str(student))

    def compare_count(self, line: FileRow) -> None:
        """Compare a total with all rows above it, a subtotal with those since the last. Raises SourceGarbled."""
        text = " ".join(str(cell_value(cell, student=False)) for cell in line.cells if not is_nothing(cell))
        match = re.search(r"(\d+)\s*(?:人|行|条|rows)", text)
        if match is not None:
            if int(match[1]) in (self._rows, len(self._students)):
                self.total = self._rows
            elif int(match[1]) not in (self._rows - self._rows_before, len(self._students_since)):
                raise self._asked.garbled(
                    tr(
                        "row {number} reports {reported} rows, but {rows} are above it: rows are missing",
                        number=line.number,
                        reported=match[1],
                        rows=self._rows,
                    ),
                    tr(CUT_OFF),
                )
        self._rows_before = self._rows
        self._students_since = set()


def whole_rows_of(page: Page, asked: ListAsked) -> Generator[tuple[Cell, ...], None, ListEnding]:
    """Yield each row below the header whole: its number, then a cell for every column in the header.

    Damaged numbers are returned unchanged: the caller checks each row. Without a header there are no columns; of a
    duplicate column, both are returned. In text, a row with too many or too few cells is broken, and not a note.
    """
    lines = page.lines()
    header, _best = header_if_any(lines, asked, once=False)
    if header is None:
        return (), None, 0, ()
    columns, count, totals = header.names, 0, _Totals(asked)
    for line in lines:
        cells = line.cells
        own = [None if at in line.filled else cell for at, cell in enumerate(cells)]
        if all(is_nothing(cell) for cell in own[: len(columns)]) and not (page.text and any(cells)):
            continue
        if len([cell for cell in own if not is_nothing(cell)]) == 1 and is_labelled(cells):
            continue
        if page.text and (len(cells) < len(columns) or any(not is_nothing(cell) for cell in cells[len(columns) :])):
            raise asked.garbled(
                tr(
                    "row {number} has {cells} cells, but the header has {columns}",
                    number=line.number,
                    cells=len(cells),
                    columns=len(columns),
                ),
                tr("Put any text that contains the separator in quotes."),
            )
        student = header.at[0]
        row = tuple(
            cell_value(cells[at], student=at == student) if at < len(cells) else None for at in range(len(columns))
        )
        if is_total(row[student], cells):
            totals.compare_count(line)
            continue
        if page.zeros_lost and isinstance(row[student], int | float):
            raise asked.garbled(
                tr(
                    "the student number in row {number} may have lost leading zeros ({format})",
                    number=line.number,
                    format=page.zeros_lost,
                ),
                tr("Save the list as .xlsx."),
            )
        if any(is_broken(cell) for cell in row):
            raise asked.garbled(
                tr("row {number} has broken text", number=line.number),
                tr("Save the file as UTF-8, or set its encoding in the settings."),
            )
        count += 1
        totals.count(row[student])
        yield (line.number, *row)
        if count > asked.most_rows:
            break
    return columns, None, 0, ()
