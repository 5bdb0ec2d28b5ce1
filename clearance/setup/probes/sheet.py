"""Reads the beginning of a list: its worksheets, the row that names the columns, and the first rows below it."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from clearance.setup.proposal import SetupCode, SetupRefused
from clearance.setup.recognise import columns
from clearance.setup.recognise.views import FoundList
from connectors.files import reader
from connectors.files.newest import is_pattern, newest
from connectors.files.sandbox import FileDescription, SandboxLimits, read_apart
from connectors.files.tables.header import HEADER_WITHIN
from connectors.files.tables.table import SAVE_XLSX, ListAsked
from connectors.port import Clock, SourceRefused
from foundation.translation import tr

#: Rows of each worksheet that are read.
_ROWS = 300

#: A row with fewer names than this is a title.
_LEAST_NAMES = 2


def probe(path: Path, written: str, clock: Clock, sheet: str = "") -> FoundList:
    """Return the list in a file. Raises SourceError, SetupRefused.

    `path` can be a pattern; `written` is the path for the settings file. Of several worksheets with a list, one must
    be named.
    """
    file = newest(path, now=clock(), source=written, settings_table="") if is_pattern(path) else path
    if not file.is_file():
        raise SourceRefused(
            tr("{file} is not a file", file=file), tr("Correct its name, or copy the list there first.")
        )
    asked = ListAsked(str(file), "", (), sheet, None, "", "", 500_000_000, most_rows=_ROWS)
    rows, _delimiter = read_apart(
        reader.read_beginning,
        file,
        asked,
        limits=SandboxLimits(512_000_000, timedelta(minutes=1), ""),
        file=FileDescription(str(file), tr(SAVE_XLSX)),
    )
    pages: dict[str, list[tuple[int, tuple[object, ...]]]] = {}
    for title, number, *cells in rows:
        pages.setdefault(str(title), []).append((int(str(number)), tuple(cells)))
    found = {title: headed for title, lines in pages.items() if (headed := header_of(lines)) is not None}
    found = {title: headed for title, headed in found.items() if sheet in ("", title)}
    if not found:
        raise SetupRefused(
            SetupCode.NOTHING_FOUND,
            tr(
                "{file}: no row among the first {rows} names columns such as 学号. Put the names of the columns above "
                "the rows, one in each column.",
                file=file,
                rows=HEADER_WITHIN,
            ),
        )
    if len(found) > 1:
        raise SetupRefused(
            SetupCode.ANSWERS,
            tr(
                "{file} has several worksheets with a list ({names}). Name one with --sheet-name, or as sheet_name in "
                "the answers.",
                file=file,
                names=", ".join(found),
            ),
        )
    title, (number, names, body) = next(iter(found.items()))
    own: dict[str, object] = {"connector": "sheet", "path": written}
    if len(pages) > 1:
        own["sheet"] = title
    return FoundList(file.name, names, body, own, header=number)


def header_of(
    lines: Sequence[tuple[int, tuple[object, ...]]],
) -> tuple[int, tuple[str, ...], list[dict[str, object]]] | None:
    """Return the row that names the columns, the names, and the rows below by name; None where no row does.

    It is the row among the first 30 whose cells are the most known names of columns, the student's among them.
    """
    best: tuple[int, int] | None = None
    for at, (number, cells) in enumerate(lines):
        if number > HEADER_WITHIN:
            break
        known = columns.guess([name for name in _names(cells) if name], (), tuple(columns.NAMES))
        if "student" in known and len(known) >= _LEAST_NAMES and (best is None or len(known) > best[0]):
            best = len(known), at
    if best is None:
        return None
    number, cells = lines[best[1]]
    names = tuple(name for name in _names(cells) if name)
    at_column = [at for at, name in enumerate(_names(cells)) if name]
    body = [
        {name: row[at] if at < len(row) else None for name, at in zip(names, at_column, strict=True)}
        for _, row in lines[best[1] + 1 :]
        if any(cell not in (None, "") for cell in row)
    ]
    return number, names, body


def _names(cells: Sequence[object]) -> list[str]:
    return ["" if cell is None else "".join(str(cell).split()) for cell in cells]
