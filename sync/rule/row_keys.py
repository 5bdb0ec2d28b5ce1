"""The student cell of each row, before it is matched: cells that are not a number, and missing ones. Pure."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal

from connectors.port import Cell, Snapshot, SourceGarbled
from foundation.translation import tr, tr_n
from status_db.student_numbers import is_empty
from sync.rule.cells import Unreadable, amount_in_yuan
from sync.rule.records import Rows, SourceRule, group, text_of

#: How many rows a message names, with how many cells each, and how many letters of a cell.
_MOST_ROWS = 3
_CELLS = 3
_LETTERS = 20

#: From here on, a binary float no longer keeps every digit of a whole number.
_EXACT = 2.0**53

#: The words of a totals row.
_TOTALS = frozenset(
    {
        "合计", "总计", "小计", "共计", "累计", "总合计", "本页合计", "本页小计", "合计金额", "总计金额", "合计人数",
        "total", "totals", "subtotal", "sub-total", "grandtotal", "sum",
    }
)  # fmt: skip
#: A number in scientific notation, as a spreadsheet or a program writes it: 2.01515E+09, 2.01515×10^9.
_SCIENTIFIC = re.compile(r"\d\.\d+E\+?\d+|\d+(?:\.\d+)?(?:E\+|\s*[×*X]\s*10\s*\^?\s*)\d+", re.IGNORECASE | re.ASCII)

_COUNT = re.compile(r"共?\d+(?:人|条|行|笔|项|rows?)", re.IGNORECASE)


def keyed(rule: SourceRule, snapshot: Snapshot) -> tuple[Snapshot, dict[Cell, Rows]]:
    """Return the answer with missing student cells filled as the settings define, and its rows by that cell.

    Totals rows are left out. Raises SourceGarbled for a cell that cannot be a number, and for rows without a number
    unless the settings define what such a row is.
    """
    groups = group(snapshot)
    refuse_what_is_no_number(rule.source, groups)
    if snapshot.population is not None:
        refuse_what_is_no_number(rule.source, snapshot.population)
    if not any(is_empty(key) for key in groups):
        return snapshot, groups
    snapshot = _filled(snapshot) if rule.nameless == "above" else _without_totals(snapshot)
    nameless = [at for at, row in enumerate(snapshot.rows) if is_empty(row[0])]
    if nameless and rule.nameless != "ignore":
        raise SourceGarbled(_nameless_message(rule, snapshot, nameless), _nameless_fix(rule))
    return snapshot, group(snapshot)


def refuse_what_is_no_number(source: str, keys: Iterable[Cell]) -> None:
    """Raise SourceGarbled where a key is bytes, or a number that has lost digits."""
    at = "[roster]" if source == "roster" else f"[source.{source}]"
    for key in keys:
        if isinstance(key, bytes | bytearray | memoryview):
            raise SourceGarbled(
                tr(
                    "{source} returned student numbers as bytes ({key!r}), which cannot be read as numbers",
                    source=source,
                    key=bytes(key)[:20],
                ),
                tr("Set bytes_as in {at}, or convert the column in the query.", at=at),
            )
        if _is_scientific(key):
            raise SourceGarbled(
                tr(
                    "{source} returned student numbers in scientific notation ({key}), so digits have been lost",
                    source=source,
                    key=key,
                ),
                tr("Have the office send the column as text, from a source with all digits."),
            )
        if isinstance(key, float) and abs(key) >= _EXACT:
            raise SourceGarbled(
                tr(
                    "{source} returned student numbers as floating-point numbers, and {key!r} has lost digits",
                    source=source,
                    key=key,
                ),
                tr("Have the office send the column as text."),
            )


def _is_scientific(key: Cell) -> bool:
    if isinstance(key, Decimal):
        # A JSON number that was written with more digits than it has: 2.01515E9.
        exponent = key.as_tuple().exponent
        return isinstance(exponent, int) and exponent > 0
    return isinstance(key, str) and not key.isdigit() and _SCIENTIFIC.fullmatch(key.strip()) is not None


def _filled(snapshot: Snapshot) -> Snapshot:
    """Fill missing keys with the key of the row above; not below a totals row."""
    rows: Rows = []
    kept: list[int] = []
    above: Cell = None
    for at, row in enumerate(snapshot.rows):
        if not is_empty(row[0]):
            above = row[0]
        elif _is_total(row):
            above = None
            continue
        rows.append(row if above is None else (above, *row[1:]))
        kept.append(at)
    return replace(snapshot, rows=rows, places=_row_places(snapshot, kept))


def _without_totals(snapshot: Snapshot) -> Snapshot:
    kept = [at for at, row in enumerate(snapshot.rows) if not (is_empty(row[0]) and _is_total(row))]
    return replace(snapshot, rows=[snapshot.rows[at] for at in kept], places=_row_places(snapshot, kept))


def _row_places(snapshot: Snapshot, kept: Sequence[int]) -> Sequence[int]:
    """Return the places of the kept rows in the office's list; their row numbers where no places are known."""
    return [at + 1 if snapshot.places is None else snapshot.places[at] for at in kept]


def _is_total(row: tuple[Cell, ...]) -> bool:
    """Return whether a row without a key is a totals row: it has a word for totals, and otherwise only figures."""
    words = [word for cell in row[1:] if isinstance(cell, str) and (word := _bare_word(cell))]
    return any(word in _TOTALS for word in words) and all(word in _TOTALS or _is_figure(word) for word in words)


def _bare_word(cell: str) -> str:
    return "".join(unicodedata.normalize("NFKC", cell).split()).strip(":").lower()


def _is_figure(word: str) -> bool:
    if _COUNT.fullmatch(word):
        return True
    try:
        amount_in_yuan(word)
    except Unreadable:
        return not any(c.isalnum() for c in word)
    return True


def _nameless_message(rule: SourceRule, snapshot: Snapshot, nameless: Sequence[int]) -> str:
    places = snapshot.places
    named = "; ".join(
        tr("row {place} ({row})", place=places[at] if places is not None else at + 1, row=_row_text(snapshot.rows[at]))
        for at in nameless[:_MOST_ROWS]
    )
    if len(nameless) > _MOST_ROWS:
        named = tr("{rows}; and {count} more", rows=named, count=len(nameless) - _MOST_ROWS)
    if rule.nameless == "above":
        return tr_n(
            "{source}: {number} row without a student number, and no number in a row above: {rows}",
            "{source}: {number} rows without a student number, and no number in a row above: {rows}",
            len(nameless),
            source=rule.source,
            rows=named,
        )
    return tr_n(
        "{source}: {number} row without a student number: {rows}",
        "{source}: {number} rows without a student number: {rows}",
        len(nameless),
        source=rule.source,
        rows=named,
    )


def _row_text(row: tuple[Cell, ...]) -> str:
    written = [text for cell in row[1:] if (text := text_of(cell))]
    return ", ".join(text[:_LETTERS] for text in written[:_CELLS]) or tr("no other cell is filled")


def _nameless_fix(rule: SourceRule) -> str:
    if rule.nameless == "above":
        return tr("Have the office complete the numbers, or send the list in its original order.")
    return tr(
        'Have the office complete the numbers, or set nameless in [source.{source}]: "above" gives '
        'such a row the number of the row above it, "ignore" leaves it out.',
        source=rule.source,
    )
