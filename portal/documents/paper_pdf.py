"""Paper sheets for work without the system: print sets of students, and slips of one student.

Each group of a set begins a new page. Each page states its title, group, time of data and number.
Colour carries no meaning. Characters that the font lacks become 〓, and the foot of that page lists them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import cast

from fpdf import FPDF
from fpdf.fonts import TTFFont

from portal.documents.sheet_numbers import sheet_number
from portal.documents.slip_pdf import FONT, Ink

_FAMILY = "paper"
_MARGIN = 10.0
_FOOT = 12.0

#: Font sizes in points, and the height of a line in that size, in mm.
_SMALL, _TEXT, _LARGE = 8.0, 9.5, 15.0
_LINE = 4.2

#: Room to write: the least height of a row, in mm.
_ROW = 9.0
_PAD = 1.2
_TICK = 4.6

#: Room for a number to write in, in mm.
_NUMBER = 55.0

#: Where the facts about a slip's student begin, in mm.
_FACTS = 36.0

#: The most lines of a cell. A longer text is cut off and ends in ….
_LINES = 4

#: Printed in cells that must stay empty.
_NOTHING_TO_DO = "–"


class Fill(Enum):
    """The content of a column."""

    #: Printed text.
    TEXT = "text"
    #: A box to tick.
    TICK = "tick"
    #: Empty, to write in.
    BLANK = "blank"


@dataclass(frozen=True, slots=True)
class PaperColumn:
    """One column. `width` is in mm; with 0 it shares the remaining width."""

    title: str
    width: float = 0
    fill: Fill = Fill.TEXT


@dataclass(frozen=True, slots=True)
class PaperRow:
    """One row: its printed texts in the order of the text columns, and whether it has a box to tick."""

    texts: Sequence[str]
    open: bool = True


@dataclass(frozen=True, slots=True)
class PaperSection:
    """A part that begins a new page: a class, a building, or one student."""

    title: str
    #: The common part of its page numbers. Empty for a line to write the number on.
    number: str
    columns: Sequence[PaperColumn]
    lines: Sequence[PaperRow]
    #: Labels and values above the table. An empty value is a line to write on.
    facts: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True, slots=True)
class Wording:
    """The words that every sheet has, in one language."""

    #: "纸号"
    number: str
    #: "第 %(page)s 页 / 共 %(pages)s 页"
    page: str
    #: The text before the characters that the font lacks.
    lacks: str
    language: str


@dataclass(frozen=True, slots=True)
class PrintSet:
    """What is printed together."""

    institution: str
    #: Time of the data, a note if they are out of date, and time of printing, one below the other.
    notices: Sequence[str]
    parts: Sequence[PaperSection]
    #: The foot of each page: how to fill it in.
    how: Sequence[str]
    wording: Wording
    printed_at: datetime
    #: Portrait for few columns, otherwise landscape.
    upright: bool


def write(made: PrintSet) -> bytes:
    """Return the PDF."""
    press = _Press(made)
    for part in made.parts:
        press.print(part)
    return press.done()


@dataclass(frozen=True, slots=True)
class _CutRow:
    """A row ready to be drawn: the lines of each cell, and its height."""

    cells: Sequence[Sequence[str]]
    height: float
    open: bool


class _Press:
    """One PDF while it is made."""

    def __init__(self, made: PrintSet) -> None:
        self._made = made
        self._pdf = pdf = FPDF(orientation="portrait" if made.upright else "landscape", format="A4")
        pdf.set_margin(_MARGIN)
        pdf.set_auto_page_break(auto=False)
        pdf.c_margin = 0
        pdf.add_font(_FAMILY, fname=FONT)
        pdf.set_author(made.institution)
        pdf.set_lang(made.wording.language)
        pdf.set_creation_date(made.printed_at)
        if made.parts:
            pdf.set_title(made.parts[0].title)
        pdf.set_font(_FAMILY, size=_TEXT)
        pdf.set_draw_color(90)
        pdf.set_line_width(0.2)
        self._known = cast("TTFFont", pdf.fonts[_FAMILY]).cmap
        self._ink = Ink(self._known)
        self._widths: dict[tuple[str, float], float] = {}

    def done(self) -> bytes:
        return bytes(self._pdf.output())

    def print(self, part: PaperSection) -> None:
        """Print a part, on as many pages as it needs."""
        widths = self._column_widths(part.columns)
        # The foot lists missing characters per page, so texts are measured with one ink and drawn with another.
        pages = list(self._pages(part, widths))
        for at, lines in enumerate(pages, start=1):
            self._ink = Ink(self._known)
            self._draw_head(part, at)
            y = self._row_of_titles(part, widths)
            for line in lines:
                self._draw_row(part.columns, line, widths, y)
                y += line.height
            self._foot(at, len(pages))

    def _pages(self, part: PaperSection, widths: Sequence[float]) -> Iterator[Sequence[_CutRow]]:
        room = self._pdf.h - _FOOT - self._how_height() - self._top(part) - self._titles_height(part, widths)
        page: list[_CutRow] = []
        used = 0.0
        for row in part.lines:
            line = self._cut_row(part.columns, row, widths)
            if page and used + line.height > room:
                yield page
                page, used = [], 0.0
            page.append(line)
            used += line.height
        yield page

    def _column_widths(self, columns: Sequence[PaperColumn]) -> list[float]:
        left = self._pdf.epw - sum(column.width for column in columns)
        shares = sum(1 for column in columns if not column.width)
        return [column.width or left / shares for column in columns]

    def _draw_head(self, part: PaperSection, page: int) -> None:
        pdf, made = self._pdf, self._made
        pdf.add_page()
        shown = f"{made.wording.number} {sheet_number(part.number, page) if part.number else ''}"
        taken = self._width(shown, _LARGE) + (0 if part.number else _NUMBER)
        self._draw_text(_MARGIN, _MARGIN + 4, self._cut(made.institution, pdf.epw - taken - 4, _TEXT)[0], _TEXT)
        self._draw_text(pdf.w - _MARGIN - taken, _MARGIN + 5, shown, _LARGE)
        if not part.number:
            pdf.line(pdf.w - _MARGIN - _NUMBER, _MARGIN + 6, pdf.w - _MARGIN, _MARGIN + 6)
        y = _MARGIN + 12
        for text in self._cut(part.title, pdf.epw, _LARGE)[:2]:
            self._draw_text(_MARGIN, y, text, _LARGE)
            y += 7
        y -= 2
        for text in self._notice_lines():
            self._draw_text(_MARGIN, y, text, _SMALL)
            y += 4
        for word, value in part.facts:
            y += 7
            self._draw_text(_MARGIN, y - 2, word, _TEXT)
            if value:
                self._draw_text(_FACTS, y - 2, value, _TEXT)
            else:
                pdf.line(_FACTS, y - 1, _FACTS + 84, y - 1)

    def _notice_lines(self) -> list[str]:
        return [text for notice in self._made.notices for text in self._cut(notice, self._pdf.epw, _SMALL)]

    def _top(self, part: PaperSection) -> float:
        """Return where the table begins on each page of a part."""
        titles = len(self._cut(part.title, self._pdf.epw, _LARGE)[:2])
        facts = 7 * len(part.facts) + 3 if part.facts else 0
        return _MARGIN + 10 + 7 * titles + 4 * len(self._notice_lines()) + facts

    def _titles_height(self, part: PaperSection, widths: Sequence[float]) -> float:
        cut = [self._cut(c.title, w - 2 * _PAD, _SMALL) for c, w in zip(part.columns, widths, strict=True)]
        return max(map(len, cut)) * 3.6 + 2 * _PAD

    def _row_of_titles(self, part: PaperSection, widths: Sequence[float]) -> float:
        y, height, x = self._top(part), self._titles_height(part, widths), _MARGIN
        for column, width in zip(part.columns, widths, strict=True):
            self._pdf.rect(x, y, width, height)
            for at, text in enumerate(self._cut(column.title, width - 2 * _PAD, _SMALL)):
                self._draw_text(x + _PAD, y + _PAD + 2.9 + at * 3.6, text, _SMALL)
            x += width
        return y + height

    def _cut_row(self, columns: Sequence[PaperColumn], row: PaperRow, widths: Sequence[float]) -> _CutRow:
        texts = iter(row.texts)
        cells = [
            self._cut(next(texts), width - 2 * _PAD, _TEXT) if column.fill is Fill.TEXT else []
            for column, width in zip(columns, widths, strict=True)
        ]
        return _CutRow(cells, max(_ROW, max(map(len, cells)) * _LINE + 2 * _PAD), row.open)

    def _draw_row(self, columns: Sequence[PaperColumn], line: _CutRow, widths: Sequence[float], y: float) -> None:
        pdf, x, height = self._pdf, _MARGIN, line.height
        for column, width, cell in zip(columns, widths, line.cells, strict=True):
            pdf.rect(x, y, width, height)
            top = y + (height - len(cell) * _LINE) / 2
            for at, text in enumerate(cell):
                self._draw_text(x + _PAD, top + 3.3 + at * _LINE, text, _TEXT)
            if column.fill is Fill.TICK and line.open:
                pdf.rect(x + (width - _TICK) / 2, y + (height - _TICK) / 2, _TICK, _TICK)
            elif column.fill is Fill.TICK:
                self._draw_text(x + width / 2 - 1, y + height / 2 + 1, _NOTHING_TO_DO, _TEXT)
            x += width

    def _how_height(self) -> float:
        return 4 * len(self._how())

    def _how(self) -> list[str]:
        return [text for line in self._made.how for text in self._cut(line, self._pdf.epw, _SMALL)]

    def _foot(self, page: int, pages: int) -> None:
        pdf, y = self._pdf, self._pdf.h - _FOOT - self._how_height() + 4
        for text in self._how():
            self._draw_text(_MARGIN, y, text, _SMALL)
            y += 4
        page_text = self._made.wording.page % {"page": page, "pages": pages}
        place = pdf.w - _MARGIN - self._width(page_text, _SMALL)
        if self._ink.missing:
            numbers = " ".join(f"U+{ord(character):04X}" for character in dict.fromkeys(self._ink.missing))
            room = place - _MARGIN - 4
            self._draw_text(_MARGIN, y, self._cut(f"{self._made.wording.lacks} {numbers}", room, _SMALL)[0], _SMALL)
        self._draw_text(place, y, page_text, _SMALL)

    def _draw_text(self, x: float, y: float, text: str, size: float) -> None:
        if text:
            self._pdf.set_font_size(size)
            self._pdf.text(x, y, self._ink.of(text))

    def _cut(self, text: str, room: float, size: float) -> list[str]:
        """Break a text into lines that fit, preferably at a blank. A text too long for its cell ends in …."""
        lines: list[str] = []
        line = ""
        for character in text:
            if line and self._width(line + character, size) > room:
                head, _, tail = line.rpartition(" ")
                # Only words in Latin letters stay together. Chinese breaks anywhere.
                whole = head and (tail + character).isascii() and character != " "
                lines.append(head if whole else line)
                line = tail if whole else ""
            line = (line + character).lstrip(" ")
        lines = [*lines, line] if line else lines
        if len(lines) <= _LINES:
            return lines or [""]
        last = lines[_LINES - 1]
        while last and self._width(f"{last}…", size) > room:
            last = last[:-1]
        return [*lines[: _LINES - 1], f"{last}…"]

    def _width(self, text: str, size: float) -> float:
        return sum(self._width_of(character, size) for character in text)

    def _width_of(self, character: str, size: float) -> float:
        found = self._widths.get((character, size))
        if found is None:
            self._pdf.set_font_size(size)
            # Another ink: text that is only measured is not on a page.
            found = self._pdf.get_string_width(Ink(self._known).of(character))
            self._widths[character, size] = found
        return found
