"""The row of a list that names its columns, found by the columns that are mapped.

Names are compared without blanks, line breaks, width and case; of two that differ in these alone, the one that is
written exactly so is meant. Under a merged head, a column is `head/name`.
"""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from connectors.files.tables.table import FileRow, ListAsked
from connectors.port import Cell

#: The header is looked for in so many rows.
HEADER_WITHIN = 30

#: A head may be so many rows above the names.
_HEADS = 2

#: A message shows at most so many letters of what a file holds.
_MOST_SHOWN = 1_000


@dataclass(frozen=True, slots=True)
class Header:
    """The names that the columns have, and where ours are."""

    names: tuple[str, ...]
    #: The place of each mapped column, from 0.
    at: tuple[int, ...]
    #: For each mapped column, every name that its cells have in the header, folded; and nothing.
    wanted: tuple[frozenset[str], ...]


def folded(cell: Cell) -> str:
    """Return a name as names are compared."""
    return _bare(cell).casefold()


def header_of(lines: Iterator[FileRow], asked: ListAsked) -> Header:
    """Read up to the row that names the columns, and return it. Raises SourceGarbled."""
    header, best = header_if_any(lines, asked)
    if header is not None:
        return header
    raise asked.garbled(*_no_header(best, asked))


def header_if_any(
    lines: Iterator[FileRow], asked: ListAsked, *, once: bool = True
) -> tuple[Header | None, tuple[str, ...]]:
    """Return the row that names the columns, and the names of the row that came nearest to it.

    `once`: a column that is there twice is refused.
    """
    wanted = [_bare(column) for column in asked.columns]
    best: tuple[str, ...] = ()
    above: list[tuple[str, ...]] = []
    for line in lines:
        if asked.header_row is not None and line.number < asked.header_row - _HEADS:
            continue
        own = _trimmed(tuple(_bare(cell) for cell in line.cells))
        if asked.header_row is None or line.number >= asked.header_row:
            for names in (own, *_beneath(above, own)):
                fitting = _as_wanted(names, wanted)
                if _score(fitting, wanted) > _score(best, wanted) or (not best and any(fitting)):
                    best = fitting
                if set(wanted) <= set(fitting):
                    return _header(fitting, wanted, [*above, own], line.number, asked, once=once), fitting
        if line.number == asked.header_row or line.number >= HEADER_WITHIN:
            break
        above = [*above, own][-_HEADS:]
    return None, best


def _score(names: tuple[str, ...], wanted: list[str]) -> int:
    # A name that is there under several heads is nearer than one that is not there.
    beneath = {name.rpartition("/")[2] for name in names if "/" in name}
    return 2 * len(set(wanted) & set(names)) + len(set(wanted) & beneath)


def _header(
    names: tuple[str, ...], wanted: list[str], rows: list[tuple[str, ...]], number: int, asked: ListAsked, *, once: bool
) -> Header:
    twice = sorted({name for name in wanted if names.count(name) > 1})
    if twice and once:
        raise asked.garbled(
            f'the column "{twice[0]}" stands twice in row {number}',
            f'Give each column its own name; under a head in the row above, write it as "HEAD/{twice[0]}" in '
            f"columns in {asked.told_in}.",
        )
    at = tuple(names.index(name) for name in wanted)
    words = tuple(
        frozenset({"", names[place].casefold(), *(row[place].casefold() for row in rows if place < len(row))})
        for place in at
    )
    return Header(names, at, words)


def _beneath(above: list[tuple[str, ...]], own: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Give the names of a row beneath the heads of the rows above it: each as `head/name`, then as the name alone."""
    names = own
    for heads in reversed(above):
        if not any(heads):
            return
        width = max(len(names), len(heads))
        spread, head = [], ""
        for at in range(width):
            name, over = (row[at] if at < len(row) else "" for row in (names, heads))
            # A head is in the first of its columns; the others are blank beneath the merge.
            head = over or (head if name else "")
            spread.append(head if not name or name == head else f"{head}/{name}" if head else name)
        names = tuple(spread)
        yield names
        # A name that only one column has needs no head.
        yield tuple(
            own[at] if at < len(own) and own[at] and own.count(own[at]) == 1 else name for at, name in enumerate(names)
        )


def _as_wanted(names: tuple[str, ...], wanted: list[str]) -> tuple[str, ...]:
    """Write names as they are wanted where they differ only in case, and from no other name in the row."""
    fold = [name.casefold() for name in names]
    known = {name.casefold(): name for name in wanted if name not in names}
    return tuple(
        known[folding] if folding in known and fold.count(folding) == 1 else name
        for name, folding in zip(names, fold, strict=True)
    )


def _no_header(best: tuple[str, ...], asked: ListAsked) -> tuple[str, str]:
    wanted = [_bare(column) for column in asked.columns]
    missing = [name for name in wanted if name not in best]
    found = ", ".join(name for name in best if name)[:_MOST_SHOWN] or "nothing at all"
    beneath = next((name for name in best if missing and name.endswith(f"/{missing[0]}")), "")
    if beneath:
        return (
            f'the column "{missing[0]}" is there under several heads (found: {found})',
            f'Write it in columns in {asked.told_in} with its head, such as "{beneath}".',
        )
    return (
        f'no row names the column "{missing[0] if missing else wanted[0]}" (found: {found})',
        f"Correct columns in {asked.told_in}, or give header_row.",
    )


def _trimmed(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return names without the blank ones at the end."""
    width = max((at + 1 for at, name in enumerate(names) if name), default=0)
    return names[:width]


def _bare(cell: Cell) -> str:
    """Return a name without width, and without the blanks and line breaks that fit it into a narrow column."""
    if cell is None:
        return ""
    text = unicodedata.normalize("NFKC", str(getattr(cell, "text", cell)))
    return "".join(
        letter for letter in text if not letter.isspace() and unicodedata.category(letter) not in ("Cf", "Cc")
    )
