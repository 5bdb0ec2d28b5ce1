"""Pages and rows, which all kinds of list files have in common."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from connectors.port import Cell, SourceGarbled
from foundation.translation import N_, tr

#: Excel's own limits.
MOST_ROWS = 1_048_576
MOST_COLUMNS = 16_384


@dataclass(frozen=True, slots=True)
class ListAsked:
    """The question to a list, and the settings for it."""

    #: The beginning of each message: the source and the file.
    named: str
    #: Its table in the settings: `[source.NAME]`.
    settings_table: str
    #: The list's columns in our order, the student's first.
    columns: tuple[str, ...]
    #: The rest as in the connector's settings.
    sheet: str
    header_row: int | None
    encoding: str
    delimiter: str
    most_unpacked: int
    #: Our names of the columns, in the same order; empty where all columns are treated the same.
    fields: tuple[str, ...] = ()
    #: The most rows that are returned; one more row shows that there are more.
    most_rows: int = MOST_ROWS

    def garbled(self, what: str, fix_text: str) -> SourceGarbled:
        """Return the error for this list."""
        return SourceGarbled(tr("{named}: {what}", named=self.named, what=what), fix_text)


@dataclass(frozen=True, slots=True)
class FileRow:
    """One row of the file and its number, counted from 1."""

    number: int
    cells: tuple[Cell, ...]
    #: The columns, from 0, that are blank here and have the value of the first cell of their merge.
    filled: frozenset[int] = frozenset()
    #: The columns with a value of their own that the merge covers.
    covered: frozenset[int] = frozenset()
    #: Text that ends without a line break: the file may end within this row.
    open_ended: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """One worksheet, or the whole of a file without worksheets."""

    title: str
    visible: bool
    #: Reads the rows, each time from the first. Raises SourceGarbled.
    lines: Callable[[], Iterator[FileRow]]
    #: Text in columns: a row with too few or too many cells may be broken.
    text: bool = False
    #: A number format with leading zeros, where the reader cannot know its cells; else empty.
    zeros_lost: str = ""
    #: The last row that such a file can have; 0 without a limit.
    last_row: int = 0


#: The fix where a file ends too early. No one can export the list again at the time of the run.
CUT_OFF = N_(
    "Nothing of this file counts; a file that is still being copied is read at the next run. If "
    "this repeats, have the office check the job that writes the list."
)

#: … and where Excel can open a file, but the reader cannot.
SAVE_XLSX = N_(
    "Open it in Excel and save it in the same folder as .xlsx (另存为 .xlsx), and the next run reads "
    "it; if every list is like this, have the office's system write .xlsx or .csv."
)


#: … and where it is not a list at all.
OTHER_KIND = N_(
    "A list can be .xlsx, .xls, .csv or a table of a web page. Check that path names the right "
    "file; if it does, have the office change what its system writes."
)


@dataclass(frozen=True, slots=True)
class ShownNumber:
    """A number and the text that its cell shows, if it differs: leading zeros, letters, hyphens."""

    value: Cell
    text: str


#: The columns' names; the list's own total, or None; the number of rows with broken text, and the first of them.
ListEnding = tuple[tuple[str, ...], int | None, int, tuple[int, ...]]


def trim(cell: Cell) -> Cell:
    """Return a cell without the marks that make a spreadsheet keep it as text: ="…", or an apostrophe before it."""
    if not isinstance(cell, str):
        return cell
    text = cell.strip()
    if text.startswith('="') and text.endswith('"') and len(text) > 2:
        text = text[2:-1]
    return text.removeprefix("'").strip() or None


def cell_value(cell: Cell, *, student: bool) -> Cell:
    """Return the value of a cell: a student number is the text that the cell shows, another number is its value.

    In other columns only leading zeros and dates in digits are kept: a currency sign is not part of an amount.
    """
    if not isinstance(cell, ShownNumber):
        return cell
    kept = r"[A-Za-z\d\-_ /.]*" if student else r"[\d\- /.]*"
    return cell.text if re.fullmatch(kept, cell.text) else cell.value


def is_nothing(cell: Cell) -> bool:
    """Return whether a cell is empty, or has only blanks."""
    return cell is None or (isinstance(cell, str) and not cell.strip())
