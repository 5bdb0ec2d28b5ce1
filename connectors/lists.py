"""What every list that an office keeps as a file has in common, whichever kind of file it is.

The row that names the columns is found; what spreadsheets are known to ruin is refused with the row's number: long
numbers in scientific notation, formulas without a value. A closing row of totals is left out, and its count, where it
has one, is held against the rows.
"""

import math
import re
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from connectors.port import Cell, SourceGarbled

#: Excel's own limits.
MOST_ROWS = 1_048_576
MOST_COLUMNS = 16_384

#: The header is looked for in so many rows.
_HEADER_WITHIN = 30

#: Words that name a closing row of totals.
_TOTALS = frozenset({"合计", "总计", "小计", "total"})

#: What Excel writes where a formula has failed, without its mark of exclamation or question.
_FORMULA_ERRORS = frozenset({"#N/A", "#REF", "#VALUE", "#NAME", "#DIV/0", "#NUM", "#NULL"})

_SCIENTIFIC = re.compile(r"\d(\.\d+)?[eE]\+?\d+")

#: Excel keeps so many digits of a number, and writes noughts for the rest.
_KEPT_DIGITS = 15


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
    #: No more are given, and one beyond it to say that there are more.
    most_rows: int = MOST_ROWS

    def garbled(self, what: str, way_out: str) -> SourceGarbled:
        """Return a refusal of this list."""
        return SourceGarbled(f"{self.named}: {what}", way_out)


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the file and its number, counted from 1."""

    number: int
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class _Header:
    """The names that the columns have, and where ours stand."""

    names: tuple[str, ...]
    at: tuple[int, ...]


#: The columns' names, and the total that the list itself gives, if it does.
Ending = tuple[tuple[str, ...], int | None]


def rows_of(lines: Iterator[Line], asked: ListAsked, *, text: bool) -> Generator[tuple[Cell, ...], None, Ending]:
    """Give each row below the header by our fields. `text`: a row with too few cells has been cut off."""
    header = _header(lines, asked)
    columns, count = header.names, 0
    total: int | None = None
    for line in lines:
        cells = line.cells
        if all(_is_nothing(cell) for cell in cells):
            continue
        if any(not _is_nothing(cell) for cell in cells[len(columns) :]):
            raise asked.garbled(
                f"row {line.number} has more cells than the header",
                "Look for a separator inside a text, and put that text in quotes.",
            )
        if text and len(cells) < len(columns):
            raise asked.garbled(
                f"row {line.number} has {len(cells)} of {len(columns)} cells: the file may have been cut off there",
                "Have the office export it anew.",
            )
        row = tuple(cells[i] if i < len(cells) else None for i in header.at)
        if _is_total(row[0], cells):
            total = _total_held_against(count, line, asked)
            continue
        _refuse_ruined(row, line.number, asked)
        count += 1
        if count >= MOST_ROWS:
            raise asked.garbled(
                "it goes on beyond Excel's last row", "Split it, or ask the office for a database view."
            )
        yield row
    return columns, total


def whole_rows_of(lines: Iterator[Line], asked: ListAsked, *, text: bool) -> Generator[tuple[Cell, ...], None, Ending]:
    """Give each row below the header whole: its number, then a cell for every column that the header has.

    Ruined numbers are given as they stand: whoever asked looks at each row by itself. No header gives no columns;
    one that names a column twice has both.
    `text`: a row with too many cells or too few is broken, and no note beside the list.
    """
    header, _best = _header_if_any(lines, asked, once=False)
    if header is None:
        return (), None
    columns, count = header.names, 0
    for line in lines:
        cells = line.cells
        if all(_is_nothing(cell) for cell in cells[: len(columns)]) and not (text and any(cells)):
            continue
        if text and (len(cells) < len(columns) or any(not _is_nothing(cell) for cell in cells[len(columns) :])):
            raise asked.garbled(
                f"row {line.number} has {len(cells)} cells, and the header {len(columns)}",
                "Look for a separator inside a text, and put that text in quotes.",
            )
        row = (*cells[: len(columns)], *(None for _ in range(len(columns) - len(cells))))
        if _is_total(row[header.at[0]], cells):
            _total_held_against(count, line, asked)
            continue
        _refuse_broken_text(row, line.number, asked)
        count += 1
        yield (line.number, *row)
        if count > asked.most_rows:
            break
    return columns, None


def plain(cell: Cell) -> Cell:
    """Return a cell without what only tells a spreadsheet to keep it as text: ="…", or an apostrophe before it."""
    if not isinstance(cell, str):
        return cell
    text = cell.strip()
    if text.startswith('="') and text.endswith('"') and len(text) > 2:
        text = text[2:-1]
    return text.removeprefix("'").strip() or None


def _header(lines: Iterator[Line], asked: ListAsked) -> _Header:
    """Find the row that names the columns."""
    header, best = _header_if_any(lines, asked)
    if header is not None:
        return header
    wanted = [_name(column) for column in asked.columns]
    missing = [name for name in wanted if name not in best]
    found = ", ".join(name for name in best if name)[:_MOST_SHOWN] or "nothing at all"
    raise asked.garbled(
        f'no row names the column "{missing[0] if missing else wanted[0]}" (found: {found})',
        f"Mend columns in {asked.told_in}, or give header_row.",
    )


def _header_if_any(
    lines: Iterator[Line], asked: ListAsked, *, once: bool = True
) -> tuple[_Header | None, tuple[str, ...]]:
    """Return the row that names the columns, and the names of the row that came nearest to it.

    `once`: a column that stands there twice is refused.
    """
    wanted = [_name(column) for column in asked.columns]
    told = asked.header_row
    best: tuple[str, ...] = ()
    for line in lines:
        if told is not None and line.number < told:
            continue
        names = _as_wanted(tuple(_name(cell) for cell in line.cells), wanted)
        if len(set(wanted) & set(names)) > len(set(wanted) & set(best)) or (not best and any(names)):
            best = names
        if set(wanted) <= set(names):
            twice = sorted({name for name in wanted if names.count(name) > 1})
            if twice and once:
                raise asked.garbled(
                    f'the column "{twice[0]}" stands twice in row {line.number}', "Give each column its own name."
                )
            return _Header(names, tuple(names.index(name) for name in wanted)), names
        if line.number == told or line.number >= _HEADER_WITHIN:
            break
    return None, best


def _as_wanted(names: tuple[str, ...], wanted: list[str]) -> tuple[str, ...]:
    """Write names as they are wanted where they differ only in case, and from no other name in the row."""
    folded = [name.casefold() for name in names]
    known = {name.casefold(): name for name in wanted if name not in names}
    return tuple(
        known[fold] if fold in known and folded.count(fold) == 1 else name
        for name, fold in zip(names, folded, strict=True)
    )


#: A message shows at most so many letters of what a file holds.
_MOST_SHOWN = 1_000


def _total_held_against(count: int, line: Line, asked: ListAsked) -> int | None:
    """Compare a closing row's count of people with the rows read; one that holds sums says nothing here."""
    said = " ".join(str(cell) for cell in line.cells if not _is_nothing(cell))
    match = re.search(r"(\d+)\s*(?:人|行|条|rows)", said)
    if match is None:
        return None
    if int(match[1]) != count:
        raise asked.garbled(
            f"row {line.number} says {match[1]} rows, and {count} stand above it", "Have the office export it anew."
        )
    return count


def _refuse_ruined(row: tuple[Cell, ...], number: int, asked: ListAsked) -> None:
    """Refuse what a spreadsheet has made of a number or of a formula, before it is taken for the office's word."""
    student = row[0]
    if _is_ruined(student):
        raise asked.garbled(
            f"the student number in row {number} has been ruined by a spreadsheet ({student!r})",
            "Format the column as text, paste the numbers again, and save it anew.",
        )
    if isinstance(student, str) and student.startswith("="):
        raise asked.garbled(
            f"the student number in row {number} is a formula ({student[:60]})",
            "Paste the column as values, and save it anew.",
        )
    if isinstance(student, str) and student.startswith("#") and student.rstrip("!?").upper() in _FORMULA_ERRORS:
        raise asked.garbled(
            f"the student number in row {number} is the formula error {student}", "Mend the formula, and save it anew."
        )
    # A formula that has failed elsewhere is a word that nobody told: it makes its own student unknown.
    _refuse_broken_text(row, number, asked)


def _refuse_broken_text(row: tuple[Cell, ...], number: int, asked: ListAsked) -> None:
    for cell in row:
        if isinstance(cell, str) and ("\ufffd" in cell or "\0" in cell):
            raise asked.garbled(
                f"row {number} holds broken text",
                "Have it saved anew as UTF-8, or tell its encoding in the settings.",
            )


def _is_ruined(student: Cell) -> bool:
    if isinstance(student, bool | datetime | date | time | timedelta):
        return True
    if isinstance(student, float) and not math.isfinite(student):
        return True
    if isinstance(student, int | float):
        return student != int(student) or len(str(abs(int(student)))) > _KEPT_DIGITS
    return isinstance(student, str) and _SCIENTIFIC.fullmatch(student.strip()) is not None


def _is_nothing(cell: Cell) -> bool:
    return cell is None or (isinstance(cell, str) and not cell.strip())


def _is_total(student: Cell, cells: tuple[Cell, ...]) -> bool:
    """Say whether a row closes a list: its first word, or what stands for the student, names a total."""
    first = next((cell for cell in cells if not _is_nothing(cell)), None)
    return any(isinstance(cell, str) and _bare(cell) in _TOTALS for cell in (student, first))


def _bare(text: str) -> str:
    return "".join(text.split()).strip(":：").lower()


def _name(cell: Cell) -> str:
    """Return a column's name without the blanks and line breaks that fit it into a narrow column."""
    return "" if cell is None else "".join(str(cell).split())
