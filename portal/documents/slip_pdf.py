"""The slip as a PDF: one page of A4 with an embedded font. Missing characters are listed, not dropped."""

import unicodedata
from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import cast

from fpdf import FPDF
from fpdf.enums import WrapMode
from fpdf.fonts import FontFace, TTFFont
from segno import QRCode

FONT = Path(__file__).parents[1] / "fonts" / "NotoSansSC-subset.ttf"

#: Replaces each character that the font does not have.
MISSING = "〓"

_FAMILY = "slip"
_MARGIN = 20.0
_CODE_SIZE = 42.0

#: Width of the labels before the facts, in mm.
_WORD = 34.0


@dataclass(frozen=True, slots=True)
class SlipTexts:
    """The printed texts, all in the reader's language."""

    title: str
    institution: str
    #: Labels and values, one below the other.
    facts: Sequence[tuple[str, str]]
    #: A header, then a line for each step.
    columns: Sequence[str]
    lines: Sequence[Sequence[str]]
    statement: str
    how_to_check: str
    address: str
    code: QRCode
    made_at: datetime
    language: str
    #: The text before the characters that the font lacks.
    lacks: str


@dataclass(slots=True)
class Ink:
    """Makes texts that the font can print, and collects the characters that it lacks."""

    #: The characters of the font, by number.
    known: Container[int]
    missing: list[str] = field(default_factory=list)

    def of(self, text: str) -> str:
        """Return a text as printed: missing characters become 〓, invisible ones are removed."""
        shown: list[str] = []
        for character in unicodedata.normalize("NFC", text):
            if character == "\n" or ord(character) in self.known:
                shown.append(character)
            elif not _silent(character):
                shown.append(MISSING)
                self.missing.append(character)
        return "".join(shown)


def write(paper: SlipTexts) -> bytes:
    """Return the PDF."""
    pdf = FPDF(format="A4")
    pdf.set_margin(_MARGIN)
    pdf.set_auto_page_break(True, _MARGIN)  # noqa: FBT003 - fpdf2's own signature
    pdf.add_font(_FAMILY, fname=FONT)
    pdf.set_title(paper.title)
    pdf.set_author(paper.institution)
    pdf.set_lang(paper.language)
    pdf.set_creation_date(paper.made_at)
    pdf.add_page()
    ink = Ink(cast("TTFFont", pdf.fonts[_FAMILY]).cmap)
    _draw_head(pdf, paper, ink)
    _table(pdf, paper, ink)
    _foot(pdf, paper, ink)
    return bytes(pdf.output())


def _draw_head(pdf: FPDF, paper: SlipTexts, ink: Ink) -> None:
    pdf.set_font(_FAMILY, size=12)
    pdf.cell(text=ink.of(paper.institution), new_x="LMARGIN", new_y="NEXT")
    pdf.set_font(_FAMILY, size=20)
    pdf.cell(text=ink.of(paper.title), h=14, new_x="LMARGIN", new_y="NEXT")
    pdf.ln(2)
    pdf.set_font(_FAMILY, size=11)
    with pdf.table(
        col_widths=(_WORD, pdf.epw - _WORD),
        text_align="LEFT",
        v_align="TOP",
        borders_layout="NONE",
        line_height=7,
        first_row_as_headings=False,
    ) as table:
        for fact in paper.facts:
            table.row([ink.of(text) for text in fact])
    pdf.ln(4)


def _table(pdf: FPDF, paper: SlipTexts, ink: Ink) -> None:
    pdf.set_font(_FAMILY, size=10.5)
    pdf.set_draw_color(150)
    # The headings keep the style of the rows: the font has one weight.
    with pdf.table(
        text_align="LEFT", borders_layout="HORIZONTAL_LINES", line_height=7, headings_style=FontFace()
    ) as table:
        for line in (paper.columns, *paper.lines):
            table.row([ink.of(cell) for cell in line])
    pdf.ln(6)


def _foot(pdf: FPDF, paper: SlipTexts, ink: Ink) -> None:
    if pdf.will_page_break(_CODE_SIZE + 20):
        pdf.add_page()
    top = pdf.get_y()
    _draw_code(pdf, paper.code, pdf.w - _MARGIN - _CODE_SIZE, top)
    width = pdf.w - 2 * _MARGIN - _CODE_SIZE - 6
    pdf.set_font(_FAMILY, size=11)
    pdf.multi_cell(width, 7, ink.of(paper.statement), align="L", new_x="LMARGIN", new_y="NEXT")
    pdf.ln(2)
    pdf.set_font(_FAMILY, size=9)
    pdf.multi_cell(width, 5, ink.of(paper.how_to_check), align="L", new_x="LMARGIN", new_y="NEXT")
    pdf.multi_cell(width, 5, paper.address, align="L", new_x="LMARGIN", new_y="NEXT", wrapmode=WrapMode.CHAR)
    if ink.missing:
        pdf.set_y(max(pdf.get_y(), top + _CODE_SIZE) + 2)
        numbers = " ".join(f"U+{ord(character):04X}" for character in dict.fromkeys(ink.missing))
        pdf.multi_cell(0, 5, f"{paper.lacks} {numbers}", align="L", new_x="LMARGIN", new_y="NEXT")


def _draw_code(pdf: FPDF, code: QRCode, left: float, top: float) -> None:
    """Draw the code as squares: sharp at any size, without an embedded image."""
    rows = [tuple(row) for row in code.matrix_iter(border=2)]
    side = _CODE_SIZE / len(rows)
    pdf.set_fill_color(0)
    for down, row in enumerate(rows):
        for across, dark in enumerate(row):
            if dark:
                # Slightly too wide, so that no white shows between neighbours.
                pdf.rect(left + across * side, top + down * side, side + 0.02, side + 0.02, style="F")


def _silent(character: str) -> bool:
    """Return whether a character is invisible by itself: direction marks and variant selectors."""
    return unicodedata.category(character) in ("Cf", "Cc") or unicodedata.name(character, "").startswith("VARIATION ")
