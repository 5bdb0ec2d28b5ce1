"""Refusals of a row of text that has too few cells: cut off, broken by a line break, or a note. Pure."""

import re
from collections.abc import Sequence

from connectors.files.tables.completeness import shown
from connectors.files.tables.row_words import is_like_number
from connectors.files.tables.table import CUT_OFF, FileRow, is_nothing
from connectors.port import Cell


def cut(number: int, cells: int, width: int) -> tuple[str, str]:
    """Return what is wrong with a row within which the file may end, and the fix."""
    return (
        f"row {number} has {cells} of {width} cells, and no line break ends it: the file may have been cut off there",
        CUT_OFF,
    )


def broken(line: FileRow, width: int) -> tuple[str, str]:
    """Return what is wrong with a short row that may not be a note, and the fix."""
    if (words := _words_alone(line.cells)) and is_like_number(words):
        return _maybe_note(line.number, words, open_ended=line.open_ended)
    return (cut if line.open_ended else too_short)(line.number, len(line.cells), width)


def _words_alone(cells: Sequence[Cell]) -> str:
    """Return the only cell of a row, where it is words and not a number alone; else nothing."""
    filled = [cell for cell in cells if not is_nothing(cell)]
    words = filled[0] if len(filled) == 1 and isinstance(filled[0], str) else ""
    return words if re.search(r"[^\W\d_]", words) and not words.isascii() else ""


def _maybe_note(number: int, words: str, *, open_ended: bool) -> tuple[str, str]:
    or_cut = ", or the file has been cut off there" if open_ended else ""
    what = (
        f'row {number} is a note with a number in it ("{shown(words)}"), or the rest of a text whose line break is not '
        f"in quotes{or_cut}"
    )
    return what, (
        "Have a note left out, or begin with 注：and name no number as long as a student's; put a text with a line "
        "break in quotes."
    )


def too_short(number: int, cells: int, width: int) -> tuple[str, str]:
    """Return what is wrong with a row that has lost its end, and the fix."""
    what = (
        f"row {number} has {cells} of {width} cells: a text with a line break is not in quotes, or the file may have "
        "been cut off there"
    )
    return what, f"Put that text in quotes in the file, and the next run reads it. {CUT_OFF}"
