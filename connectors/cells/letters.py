"""Letters that were damaged: bytes without a charset, broken letters, letters replaced by "?".

A broken letter in a title is replaced, counted, and reported with its row. In a student number it is always refused:
the student is unknown. An amount, a status or a date with a broken letter stays unchanged, and is read as doubt.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeAlias

from connectors.port import Candidates, Cell, SourceGarbled, table_of
from foundation.translation import tr
from status_db.model import normalise_number

#: The replacement for a byte that is not a letter.
BROKEN = "\ufffd"

#: What databases and drivers write for a letter that a charset lacks: "?", Oracle also "¿", FreeTDS "?".
_REPLACED = re.compile(r"[?¿？\ufffd]")

#: The most broken letters that are reported with their row; the others are counted.
_MOST_LISTED = 10

#: The types that drivers return for bytes.
BYTES = (bytes, bytearray, memoryview)

Row: TypeAlias = tuple[Cell, ...]


def decoded(cell: Cell, charset: str) -> Cell:
    """Return bytes as text of this charset, with U+FFFD for broken letters; any other cell unchanged.

    A fixed-length binary column pads with zero bytes, which are not part of its text.
    """
    return bytes(cell).decode(charset, "replace").rstrip("\0") if isinstance(cell, BYTES) else cell


class Letters:
    """Checks the text of one answer, and collects warnings for the run's record."""

    def __init__(self, source: str, columns: Mapping[str, str], fix: str, raw_text: str = "") -> None:
        """`columns` maps our field to the source's column; `fix` is the fix for a wrong charset.

        `raw_text` is the database's expression for a column's bytes, with {0} for the column; empty where it has none.
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
        """Check some rows; `first` is the position of the first of them in the answer, from 0.

        Raises SourceGarbled for bytes without a charset, and for a broken letter in a student number.
        """
        # Only the types are checked, so that an answer of millions of rows costs little.
        for at, column in enumerate(zip(*rows, strict=True)):
            if not set(map(type, column)).isdisjoint(BYTES):
                self._refuse_bytes(at, first + next(i for i, c in enumerate(column) if isinstance(c, BYTES)))
        if BROKEN not in "".join([cell for row in rows for cell in row if type(cell) is str]):
            return
        for number, row in enumerate(rows, first + 1):
            found = [at for at, cell in enumerate(row) if isinstance(cell, str) and BROKEN in cell]
            if self._key in found:
                raise SourceGarbled(
                    tr(
                        "{source}: row {number}, {column}: a letter of the student number could not be decoded, so "
                        "the student is unknown",
                        source=self._source,
                        number=number,
                        column=self._columns[self._key],
                    ),
                    self._fix,
                )
            self._broken_rows += bool(found)
            self._warnings += [
                tr("row {number}, {field}: a letter could not be decoded", number=number, field=self._fields[at])
                for at in found
            ]

    def _refuse_bytes(self, at: int, row: int) -> None:
        raise SourceGarbled(
            tr(
                "{source}: row {row}: the column {column} ({field}) has bytes, not text",
                source=self._source,
                row=row + 1,
                column=self._columns[at],
                field=self._fields[at],
            ),
            tr(
                'Set their charset in {table}, such as bytes_as = "utf-8", or convert the column to text in the query.',
                table=table_of(self._source),
            ),
        )

    def finish(self, rows: Sequence[Row], candidates: Callable[[], Candidates]) -> None:
        """Check the answer as a whole. Raises SourceGarbled where its charset is wrong, or a number lost letters."""
        if self._broken_rows and 2 * self._broken_rows > len(rows):
            letters = "".join([cell for row in rows for cell in row if isinstance(cell, str) and not cell.isascii()])
            broken = letters.count(BROKEN)
            if broken > sum(1 for letter in letters if letter > "\x7f") - broken:
                raise SourceGarbled(
                    tr(
                        "{source}: most text could not be decoded, in {broken} of {rows} rows",
                        source=self._source,
                        broken=self._broken_rows,
                        rows=len(rows),
                    ),
                    self._fix,
                )
        self._refuse_lost_numbers(rows, candidates)
        self._refuse_or_note_mojibake(rows)

    def _refuse_lost_numbers(self, rows: Iterable[Row], candidates: Callable[[], Candidates]) -> None:
        """Refuse a number with "?" in place of letters that matches a number on the roster."""
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
                    tr(
                        '{source}: row {number}, {column}: "{cell}" has "?" in place of a letter or digit, and '
                        "matches a number on the roster",
                        source=self._source,
                        number=number,
                        column=self._columns[self._key],
                        cell=cell,
                    ),
                    tr("{fix} If it is stored with the ?, have the office correct the row.", fix=self._fix),
                )

    def _refuse_or_note_mojibake(self, rows: Sequence[Row]) -> None:
        """Note text that was read in a wrong Latin charset; refuse it in a number."""
        found: dict[str, int] = {}
        for number, row in enumerate(rows, 1):
            for at, cell in enumerate(row):
                if isinstance(cell, str) and not cell.isascii() and (truly := _mojibake_charset(cell)):
                    if at == self._key:
                        raise SourceGarbled(
                            tr(
                                "{source}: row {number}, {column}: the text is {charset}, but was read as Latin-1",
                                source=self._source,
                                number=number,
                                column=self._columns[at],
                                charset=truly,
                            ),
                            self._ask_for_bytes(at, truly),
                        )
                    found.setdefault(
                        tr(
                            "{field}: the text is {charset}, but was read as Latin-1",
                            field=self._fields[at],
                            charset=truly,
                        ),
                        number,
                    )
        self._warnings += [
            tr("row {number}, {what}; other rows may be the same", number=number, what=what)
            for what, number in found.items()
        ]

    def _ask_for_bytes(self, at: int, charset: str) -> str:
        if not self._raw_text:
            return tr(
                'Write bytes_as = "{charset}", or have the office store its text again, in its own charset.',
                charset=charset,
            )
        bytes_of = self._raw_text.format(self._columns[at])
        return tr(
            'Select {bytes_of} in its place, and write bytes_as = "{charset}" in {table}.',
            bytes_of=bytes_of,
            charset=charset,
            table=table_of(self._source),
        )

    def warnings(self) -> tuple[str, ...]:
        """Return the broken letters: the first ones with their rows, the others counted."""
        rest = len(self._warnings) - _MOST_LISTED
        more = (tr("and {number} more letters could not be decoded", number=rest),) if rest > 0 else ()
        return (*self._warnings[:_MOST_LISTED], *more)

    @property
    def sane(self) -> bool:
        """Return whether no broken letter was found."""
        return not self._warnings


#: The letters of UTF-8 and GBK bytes that are read as Latin-1 or Windows-1252.
_HIGH = re.compile(r"[^\x00-\x7f]+")


#: A letter that neither Latin charset has, as in nearly every Chinese text.
_NOT_LATIN = re.compile("[\u2123-\U0010ffff]")


def _mojibake_charset(cell: str) -> str:
    """Return the true charset of a text that was read in a Latin charset; empty where it was read correctly."""
    if _NOT_LATIN.search(cell):
        return ""
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
