"""Letters that did not survive the way here: bytes that nobody decoded, broken letters, letters replaced by "?".

A broken letter in a title is replaced, counted, and reported with its row. In a student number it is never let through:
which student was meant cannot be known. An amount, a status or a day with a broken letter stays as it came, and is read
as doubt.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeAlias

from connectors.port import Candidates, Cell, SourceGarbled, table_of
from status_db.model import normalise_number

#: What stands for a byte that is no letter.
BROKEN = "\ufffd"

#: What databases and drivers put in place of a letter that a charset lacks: "?", Oracle also "¿", FreeTDS "?".
_REPLACED = re.compile(r"[?¿？\ufffd]")

#: So many broken letters are reported with their row; the others are counted.
_LISTED = 10

#: The types in which drivers give bytes.
BYTES = (bytes, bytearray, memoryview)

Row: TypeAlias = tuple[Cell, ...]


def decoded(cell: Cell, charset: str) -> Cell:
    """Return bytes as text of this charset, what is no letter of it replaced; any other cell as it is.

    A fixed-length binary column pads with zero bytes, which are no part of its text.
    """
    return bytes(cell).decode(charset, "replace").rstrip("\0") if isinstance(cell, BYTES) else cell


class Letters:
    """Looks at the text of one answer, and keeps what it finds for the run's record."""

    def __init__(self, source: str, columns: Mapping[str, str], fix: str, raw_text: str = "") -> None:
        """`columns` maps our field to the source's column; `fix` is what to do about a charset.

        `raw_text` is the database's expression for the bytes behind a column, with {0} for it; empty where it has none.
        """
        self._raw_text = raw_text
        self._source = source
        self._fields = tuple(columns)
        self._columns = tuple(columns.values())
        self._fix = fix
        self._key = self._fields.index("student")
        self._broken_rows = 0
        self._warnings: list[str] = []

    def look(self, rows: Sequence[Row], first: int) -> None:
        """Look at some rows; `first` is the place of the first of them in the answer, from 0.

        Raises SourceGarbled for bytes that nobody decoded, and for a broken letter in a student number.
        """
        # Only the types are looked at, so that an answer of millions costs little.
        for at, column in enumerate(zip(*rows, strict=True)):
            if not set(map(type, column)).isdisjoint(BYTES):
                self._refuse_bytes(at, first + next(i for i, c in enumerate(column) if isinstance(c, BYTES)))
        if BROKEN not in "".join([cell for row in rows for cell in row if type(cell) is str]):
            return
        for number, row in enumerate(rows, first + 1):
            found = [at for at, cell in enumerate(row) if isinstance(cell, str) and BROKEN in cell]
            if self._key in found:
                raise SourceGarbled(
                    f"{self._source}: row {number}, {self._columns[self._key]}: a letter of the student number could "
                    "not be decoded, so whom the row is about is unknown",
                    self._fix,
                )
            self._broken_rows += bool(found)
            self._warnings += [f"row {number}, {self._fields[at]}: a letter could not be decoded" for at in found]

    def _refuse_bytes(self, at: int, row: int) -> None:
        raise SourceGarbled(
            f"{self._source}: row {row + 1}: the column {self._columns[at]} ({self._fields[at]}) holds bytes, not text",
            f'Say what they are in {table_of(self._source)}, such as bytes_as = "utf-8", or convert the column to text '
            "in the query.",
        )

    def finish(self, rows: Sequence[Row], candidates: Callable[[], Candidates]) -> None:
        """Look at the answer as a whole. Raises SourceGarbled where its charset is wrong, or a number lost letters."""
        if self._broken_rows and 2 * self._broken_rows > len(rows):
            letters = "".join([cell for row in rows for cell in row if isinstance(cell, str) and not cell.isascii()])
            broken = letters.count(BROKEN)
            if broken > sum(1 for letter in letters if letter > "\x7f") - broken:
                raise SourceGarbled(
                    f"{self._source}: most text could not be decoded, in {self._broken_rows} of {len(rows)} rows",
                    self._fix,
                )
        self._refuse_lost_numbers(rows, candidates)
        self._refuse_or_note_mojibake(rows)

    def _refuse_lost_numbers(self, rows: Iterable[Row], candidates: Callable[[], Candidates]) -> None:
        """Refuse a number with "?" in place of letters that fits a number on the roster."""
        lost: dict[str, int] = {}
        for number, row in enumerate(rows, 1):
            cell = row[self._key]
            if isinstance(cell, str) and _REPLACED.search(cell):
                lost.setdefault(cell, number)
        if not lost:
            return
        known = candidates().every_number()
        for cell, number in lost.items():
            parts = (re.escape(normalise_number(part)) for part in _REPLACED.split(cell.strip()))
            fits = re.compile(".".join(parts))
            if any(fits.fullmatch(one) for one in known):
                raise SourceGarbled(
                    f'{self._source}: row {number}, {self._columns[self._key]}: "{cell}" has "?" where a letter or '
                    "digit was, and fits a number on the roster",
                    f"{self._fix} If it is stored so, have the office correct the row.",
                )

    def _refuse_or_note_mojibake(self, rows: Sequence[Row]) -> None:
        """Note text that was read in a Latin charset and is another; refuse it in a number."""
        found: dict[str, int] = {}
        for number, row in enumerate(rows, 1):
            for at, cell in enumerate(row):
                if isinstance(cell, str) and not cell.isascii() and (truly := _mojibake(cell)):
                    if at == self._key:
                        raise SourceGarbled(
                            f"{self._source}: row {number}, {self._columns[at]}: the text is {truly} that was read as "
                            "Latin-1",
                            self._ask_for_bytes(at, truly),
                        )
                    found.setdefault(f"{self._fields[at]}: the text is {truly} that was read as Latin-1", number)
        self._warnings += [f"row {number}, {what}, and so may others" for what, number in found.items()]

    def _ask_for_bytes(self, at: int, charset: str) -> str:
        if not self._raw_text:
            return f'Write bytes_as = "{charset}", or have the office put its text in anew, in its own charset.'
        bytes_of = self._raw_text.format(self._columns[at])
        return f'Select {bytes_of} in its place, and write bytes_as = "{charset}" in {table_of(self._source)}.'

    def warnings(self) -> tuple[str, ...]:
        """Return what was replaced, with its row: the first ones by name, the others counted."""
        rest = len(self._warnings) - _LISTED
        more = (f"and {rest} more letters could not be decoded",) if rest > 0 else ()
        return (*self._warnings[:_LISTED], *more)

    @property
    def sane(self) -> bool:
        """Return whether every letter arrived as the office has it, as far as that can be seen."""
        return not self._warnings


#: Letters that UTF-8 and GBK bytes become when they are read as Latin-1 or Windows-1252.
_HIGH = re.compile(r"[^\x00-\x7f]+")


def _mojibake(cell: str) -> str:
    """Return the charset that a text truly is in, when it was read in a Latin one; empty where it was not."""
    for latin in ("cp1252", "latin-1"):
        try:
            raw = cell.encode(latin)
        except UnicodeEncodeError:
            continue
        try:
            raw.decode("utf-8")
        except UnicodeDecodeError:
            pass
        else:
            return "utf-8"
        # In GBK each letter is two bytes: runs of even length, all of them Chinese.
        runs = _HIGH.findall(cell)
        if sum(map(len, runs)) >= 4 and all(len(run) % 2 == 0 for run in runs):
            try:
                truly = raw.decode("gbk")
            except UnicodeDecodeError:
                continue
            if all("\u3000" <= letter <= "\u9fff" or letter > "\uff00" for letter in truly if letter > "\x7f"):
                return "gbk"
    return ""
