"""Finds the row of a list that names its columns, by the mapped columns.

Names are compared without blanks, line breaks, width and case; of two names that differ only in these, the exact one is
used. Under a merged head, a column is `head/name`.
"""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from connectors.files.tables.table import FileRow, ListAsked
from connectors.port import Cell
from foundation.translation import tr

#: The header must be in the first rows, up to this number.
HEADER_WITHIN = 30

#: How many rows above the names can be heads.
_HEADS = 2

#: The most letters of a file that a message shows.
_MOST_SHOWN = 1_000


@dataclass(frozen=True, slots=True)
class Header:
    """The names of the columns, and the positions of the mapped ones."""

    names: tuple[str, ...]
    #: The position of each mapped column, from 0.
    at: tuple[int, ...]
    #: For each mapped column, the folded texts of its cells in the header, and the empty text.
    wanted: tuple[frozenset[str], ...]


def folded(cell: Cell) -> str:
    """Return a name in the form for comparison."""
    return _compact_name(cell).casefold()


def header_of(lines: Iterator[FileRow], asked: ListAsked) -> Header:
    """Read up to the row that names the columns, and return it. Raises SourceGarbled."""
    header, best = header_if_any(lines, asked)
    if header is not None:
        return header
    raise asked.garbled(*_missing_header(best, asked))


def header_if_any(
    lines: Iterator[FileRow], asked: ListAsked, *, once: bool = True
) -> tuple[Header | None, tuple[str, ...]]:
    """Return the row that names the columns, and the names of the most similar row.

    With `once`, a duplicate column is refused.
    """
    wanted = [_compact_name(column) for column in asked.columns]
    best: tuple[str, ...] = ()
    above: list[tuple[str, ...]] = []
    for line in lines:
        if asked.header_row is not None and line.number < asked.header_row - _HEADS:
            continue
        own = _trimmed(tuple(_compact_name(cell) for cell in line.cells))
        if asked.header_row is None or line.number >= asked.header_row:
            for names in (own, *_names_under_heads(above, own)):
                fitting = _match_case(names, wanted)
                if _score(fitting, wanted) > _score(best, wanted) or (not best and any(fitting)):
                    best = fitting
                if set(wanted) <= set(fitting):
                    return _make_header(fitting, wanted, [*above, own], line.number, asked, once=once), fitting
        if line.number == asked.header_row or line.number >= HEADER_WITHIN:
            break
        above = [*above, own][-_HEADS:]
    return None, best


def _score(names: tuple[str, ...], wanted: list[str]) -> int:
    # A name under several heads is more similar than a missing name.
    under_heads = {name.rpartition("/")[2] for name in names if "/" in name}
    return 2 * len(set(wanted) & set(names)) + len(set(wanted) & under_heads)


def _make_header(
    names: tuple[str, ...], wanted: list[str], rows: list[tuple[str, ...]], number: int, asked: ListAsked, *, once: bool
) -> Header:
    duplicates = sorted({name for name in wanted if names.count(name) > 1})
    if duplicates and once:
        raise asked.garbled(
            tr('the column "{name}" is duplicate in row {number}', name=duplicates[0], number=number),
            tr(
                "Give each column its own name; under a head in the row above, write it as "
                '"HEAD/{name}" in columns in {table}.',
                name=duplicates[0],
                table=asked.settings_table,
            ),
        )
    at = tuple(names.index(name) for name in wanted)
    words = tuple(
        frozenset({"", names[position].casefold(), *(row[position].casefold() for row in rows if position < len(row))})
        for position in at
    )
    return Header(names, at, words)


def _names_under_heads(above: list[tuple[str, ...]], own: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Yield the names of a row with the heads of the rows above: each as `head/name`, then without unneeded heads."""
    names = own
    for heads in reversed(above):
        if not any(heads):
            return
        width = max(len(names), len(heads))
        spread, head = [], ""
        for at in range(width):
            name, over = (row[at] if at < len(row) else "" for row in (names, heads))
            # A head is in the first of its columns; the others are blank in the merge.
            head = over or (head if name else "")
            spread.append(head if not name or name == head else f"{head}/{name}" if head else name)
        names = tuple(spread)
        yield names
        # A name that only one column has needs no head.
        yield tuple(
            own[at] if at < len(own) and own[at] and own.count(own[at]) == 1 else name for at, name in enumerate(names)
        )


def _match_case(names: tuple[str, ...], wanted: list[str]) -> tuple[str, ...]:
    """Return the names in the mapped spelling where they differ only in case and are unique in the row."""
    fold = [name.casefold() for name in names]
    known = {name.casefold(): name for name in wanted if name not in names}
    return tuple(
        known[folding] if folding in known and fold.count(folding) == 1 else name
        for name, folding in zip(names, fold, strict=True)
    )


def _missing_header(best: tuple[str, ...], asked: ListAsked) -> tuple[str, str]:
    wanted = [_compact_name(column) for column in asked.columns]
    missing = [name for name in wanted if name not in best]
    found = tr(", ").join(name for name in best if name)[:_MOST_SHOWN] or tr("nothing at all")
    with_head = next((name for name in best if missing and name.endswith(f"/{missing[0]}")), "")
    if with_head:
        return (
            tr('the column "{name}" is under several heads (found: {found})', name=missing[0], found=found),
            tr(
                'Write it in columns in {table} with its head, such as "{with_head}".',
                table=asked.settings_table,
                with_head=with_head,
            ),
        )
    return (
        tr('no row names the column "{name}" (found: {found})', name=missing[0] if missing else wanted[0], found=found),
        tr("Correct columns in {table}, or set header_row.", table=asked.settings_table),
    )


def _trimmed(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return names without the blank ones at the end."""
    width = max((at + 1 for at, name in enumerate(names) if name), default=0)
    return names[:width]


def _compact_name(cell: Cell) -> str:
    """Return a name in normal width, without the blanks and line breaks of a narrow column."""
    if cell is None:
        return ""
    text = unicodedata.normalize("NFKC", str(getattr(cell, "text", cell)))
    return "".join(
        letter for letter in text if not letter.isspace() and unicodedata.category(letter) not in ("Cf", "Cc")
    )
