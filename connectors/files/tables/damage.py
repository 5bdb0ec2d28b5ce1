"""Student numbers that a spreadsheet has damaged."""

import math
import re
from datetime import date, datetime, time, timedelta

from connectors.files.tables.table import ListAsked
from connectors.port import Cell
from foundation.translation import tr

#: Excel's formula errors, without the final ! or ?.
_FORMULA_ERRORS = frozenset({"#N/A", "#REF", "#VALUE", "#NAME", "#DIV/0", "#NUM", "#NULL"})

_SCIENTIFIC = re.compile(r"\d(\.\d+)?([eE]\+?|\s*[×*xX]\s*10\s*\^?\s*)\d+")

#: Excel keeps this number of digits, and writes zeros for the rest.
_KEPT_DIGITS = 15

#: From this many on, long numbers that end in zeros are not a coincidence.
_TOO_MANY_ROUND = 2


class LongNumbers:
    """Long numbers in text: a spreadsheet that saved them as numbers wrote zeros after the fifteenth digit."""

    def __init__(self) -> None:
        self._long = self._rounded = self._first = 0

    def add(self, student: Cell, number: int) -> None:
        """Note the student number of a row."""
        if isinstance(student, str) and len(student) > _KEPT_DIGITS and student.isascii() and student.isdigit():
            self._long += 1
            if not student[_KEPT_DIGITS:].strip("0"):
                self._rounded += 1
                self._first = self._first or number

    def refuse_rounded(self, asked: ListAsked) -> None:
        """Raise SourceGarbled where every long number ends in zeros."""
        # One long number in a thousand ends in three zeros by itself.
        if self._rounded >= _TOO_MANY_ROUND and self._rounded == self._long:
            raise asked.garbled(
                tr(
                    "{number} student numbers of more than {digits} digits end in zeros (row {first} "
                    "first): a spreadsheet has damaged them",
                    number=self._rounded,
                    digits=_KEPT_DIGITS,
                    first=self._first,
                ),
                tr("Have the list exported by the system itself, or the column formatted as text before it is filled."),
            )


def refuse_ruined(student: Cell, number: int, asked: ListAsked) -> None:
    """Refuse a student number that a spreadsheet has damaged, or that is a formula."""
    if _is_ruined(student):
        raise asked.garbled(
            tr(
                "a spreadsheet has damaged the student number in row {number} ({student!r})",
                number=number,
                student=student,
            ),
            tr("Format the column as text and paste the numbers again, or map a column that has them as text."),
        )
    if isinstance(student, str) and student.startswith("="):
        raise asked.garbled(
            tr("the student number in row {number} is a formula ({student})", number=number, student=student[:60]),
            tr("Paste the column as values, and save the list."),
        )
    if isinstance(student, str) and student.startswith("#") and student.rstrip("!?").upper() in _FORMULA_ERRORS:
        raise asked.garbled(
            tr("the student number in row {number} is the formula error {student}", number=number, student=student),
            tr("Correct the formula, and save the list."),
        )
    if is_broken(student):
        raise asked.garbled(
            tr("the student number in row {number} has broken text ({student!r:.60})", number=number, student=student),
            tr(
                "Correct that cell, or set encoding in {table} to the encoding of the list.", table=asked.settings_table
            ),
        )


def is_broken(cell: Cell) -> bool:
    """Return whether a cell has a letter that could not be read."""
    return isinstance(cell, str) and ("\ufffd" in cell or "\0" in cell)


def _is_ruined(student: Cell) -> bool:
    if isinstance(student, bool | datetime | date | time | timedelta):
        return True
    if isinstance(student, float) and not math.isfinite(student):
        return True
    if isinstance(student, int | float):
        return student != int(student) or len(str(abs(int(student)))) > _KEPT_DIGITS
    return isinstance(student, str) and _SCIENTIFIC.fullmatch(student.strip()) is not None
