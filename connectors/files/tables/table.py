"""What all lists that offices keep as files have in common, whichever kind of file it is: their pages and rows."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from connectors.port import Cell, SourceGarbled

#: Excel's own limits.
MOST_ROWS = 1_048_576
MOST_COLUMNS = 16_384


@dataclass(frozen=True, slots=True)
class ListAsked:
    """What is asked of a list, and what is known about it beforehand."""

    #: Begins each message: the source and the file.
    named: str
    #: Where the settings tell about it: `[source.NAME]`.
    told_in: str
    #: The list's columns in our order, the student's first.
    columns: tuple[str, ...]
    #: The rest as in the connector's settings.
    sheet: str
    header_row: int | None
    encoding: str
    delimiter: str
    most_unpacked: int
    #: Our names of the columns, in the same order; left out where all columns are alike.
    fields: tuple[str, ...] = ()
    #: No more are given, and one beyond it to say that there are more.
    most_rows: int = MOST_ROWS

    def garbled(self, what: str, fix_text: str) -> SourceGarbled:
        """Return a refusal of this list."""
        return SourceGarbled(f"{self.named}: {what}", fix_text)


@dataclass(frozen=True, slots=True)
class FileRow:
    """One row of the file and its number, counted from 1."""

    number: int
    cells: tuple[Cell, ...]
    #: The columns, from 0, that are blank here and have the value of the first cell of their merge.
    filled: frozenset[int] = frozenset()
    #: The columns whose own value is covered by another value of their merge.
    covered: frozenset[int] = frozenset()
    #: Text that ends without a line break: the file may end within this row.
    open_ended: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """One worksheet, or the whole of a file that has none."""

    title: str
    visible: bool
    #: Reads the rows, each time from the first. Raises SourceGarbled.
    lines: Callable[[], Iterator[FileRow]]
    #: Text: a row with too few cells or too many may be broken.
    text: bool = False
    #: The file has number formats with leading zeros and its reader cannot say which cells they belong to.
    zeros_lost: str = ""
    #: The last row that such a file can hold; 0 where there is no such limit.
    last_row: int = 0


#: The way out where a file ends too early. Nobody exports a list anew at the hour at which it is read.
CUT_OFF = (
    "A file that is still being copied is read at the next run. If it stays so, have the office look at the job that "
    "writes the list, which breaks off; until then nothing of this one counts."
)

#: … and where a file can be opened by hand, but not by us.
SAVE_ANEW = (
    "Open it in Excel and save it in its place as .xlsx (另存为 .xlsx), and the next run reads it; if each list is so, "
    "have the office change what its system writes: .xlsx or .csv."
)


#: … and where it is no list at all.
OTHER_KIND = (
    "Look whether path names the right file; a list is read from .xlsx, .xls, .csv and tables of web pages. If it is "
    "the right one, have the office change what its system writes."
)


@dataclass(frozen=True, slots=True)
class ShownNumber:
    """A number and what its cell shows, where that is not the bare number: leading zeros, letters, hyphens."""

    value: Cell
    text: str


#: The columns' names; the list's own total, if it has one; how many rows hold broken text, and the first of them.
RunEnding = tuple[tuple[str, ...], int | None, int, tuple[int, ...]]


def plain(cell: Cell) -> Cell:
    """Return a cell without what only tells a spreadsheet to keep it as text: ="…", or an apostrophe before it."""
    if not isinstance(cell, str):
        return cell
    text = cell.strip()
    if text.startswith('="') and text.endswith('"') and len(text) > 2:
        text = text[2:-1]
    return text.removeprefix("'").strip() or None


def settled(cell: Cell, *, student: bool) -> Cell:
    """Return what a cell says: a student number is what the cell shows, another number is its value.

    Elsewhere only leading zeros and dates written as digits are kept: a sign of currency is none of an amount.
    """
    if not isinstance(cell, ShownNumber):
        return cell
    kept = r"[A-Za-z\d\-_ /.]*" if student else r"[\d\- /.]*"
    return cell.text if re.fullmatch(kept, cell.text) else cell.value


def is_nothing(cell: Cell) -> bool:
    """Say whether a cell is empty, or holds blanks alone."""
    return cell is None or (isinstance(cell, str) and not cell.strip())
