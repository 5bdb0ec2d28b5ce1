"""Errors for a row of text with too few cells: cut off, broken by a line break, or a note. Pure."""

import re
from collections.abc import Sequence

from connectors.files.tables.completeness import one_line
from connectors.files.tables.row_words import is_like_number
from connectors.files.tables.table import CUT_OFF, FileRow, is_nothing
from connectors.port import Cell
from foundation.translation import N_, tr


def cut_off(number: int, cells: int, width: int) -> tuple[str, str]:
    """Return the error for a row within which the file may end, and the fix."""
    return (
        tr(
            "row {number} has {cells} of {width} cells and no line break, so the file may have been cut off there",
            number=number,
            cells=cells,
            width=width,
        ),
        tr(CUT_OFF),
    )


def broken(line: FileRow, width: int) -> tuple[str, str]:
    """Return the error for a short row that may not be a note, and the fix."""
    if (words := _words_alone(line.cells)) and is_like_number(words):
        return _maybe_note(line.number, words, open_ended=line.open_ended)
    return (cut_off if line.open_ended else too_short)(line.number, len(line.cells), width)


def _words_alone(cells: Sequence[Cell]) -> str:
    """Return the only cell of a row, where it is text and not only a number; else an empty text."""
    filled = [cell for cell in cells if not is_nothing(cell)]
    words = filled[0] if len(filled) == 1 and isinstance(filled[0], str) else ""
    return words if re.search(r"[^\W\d_]", words) and not words.isascii() else ""


def _maybe_note(number: int, words: str, *, open_ended: bool) -> tuple[str, str]:
    what = N_(
        'row {number} is a note with a number in it ("{words}"), or the rest of a text with a line break that is not '
        "in quotes"
    )
    if open_ended:
        what = N_(
            'row {number} is a note with a number in it ("{words}"), or the rest of a text with a line break that is '
            "not in quotes, or the file has been cut off there"
        )
    what = tr(what, number=number, words=one_line(words))
    return what, (
        tr(
            "Remove the note, or begin it with 注：without a number as long as a student's; put a text with "
            "a line break in quotes."
        )
    )


def too_short(number: int, cells: int, width: int) -> tuple[str, str]:
    """Return the error for a row without its end, and the fix."""
    what = tr(
        "row {number} has {cells} of {width} cells: a text with a line break is not in quotes, or the "
        "file may have been cut off there",
        number=number,
        cells=cells,
        width=width,
    )
    return what, tr("Put that text in quotes in the file, and the next run reads it. {cut_off}", cut_off=tr(CUT_OFF))
