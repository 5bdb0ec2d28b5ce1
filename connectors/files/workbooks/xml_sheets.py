"""Lists in an XML spreadsheet (2003), often named .xls, row by row."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import IO
from xml.etree.ElementTree import Element

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import iterparse

from connectors.files.tables.table import MOST_COLUMNS, MOST_ROWS, SAVE_XLSX, FileRow, ListAsked, Page, trim
from connectors.files.workbooks.merges import Merge, Merges
from connectors.files.workbooks.number_formats import shown_number
from connectors.port import Cell, SourceGarbled
from foundation.translation import tr

#: How many bytes are read to find out a file's encoding, or its first character.
HEAD = 4_096

#: The exceptions of the XML parser for a file that is broken or malicious.
_NOT_WHOLE = (SyntaxError, ValueError, LookupError)

#: The XML parser's error code for exhausted memory.
_XML_OUT_OF_MEMORY = 1


def xml_pages_of(path: Path, asked: ListAsked) -> list[Page]:
    """Return the worksheets of an XML spreadsheet (2003). Raises SourceGarbled, OSError."""
    titles = _titles(path, asked)
    return [
        Page(title, visible=not hidden, lines=lambda at=at: _xml_lines(path, at, asked))  # type: ignore[misc]
        for at, (title, hidden) in enumerate(titles)
    ]


def _titles(path: Path, asked: ListAsked) -> list[tuple[str, bool]]:
    titles: list[tuple[str, bool]] = []
    try:
        with path.open("rb") as file:
            for event, element in iterparse(_without_blanks(file), events=("start", "end")):
                name = _local(element.tag)
                if event == "start" and name == "Worksheet":
                    titles.append((_attribute(element, "Name") or f"{len(titles) + 1}", False))
                elif event == "end" and name == "Visible" and titles and (element.text or "").startswith("SheetHidden"):
                    titles[-1] = titles[-1][0], True
                elif event == "end" and name == "Row":
                    element.clear()
    except _NOT_WHOLE as error:
        raise _xml_error(error, asked) from error
    if not titles:
        raise asked.garbled(tr("it is an XML file without a worksheet"), tr(SAVE_XLSX))
    return titles


def _xml_lines(path: Path, wanted: int, asked: ListAsked) -> Iterator[FileRow]:
    try:
        with path.open("rb") as file:
            yield from _xml_rows(file, wanted, asked)
    except _NOT_WHOLE as error:
        raise _xml_error(error, asked) from error


def _xml_rows(file: IO[bytes], wanted: int, asked: ListAsked) -> Iterator[FileRow]:
    sheet, number, style = -1, 0, ""
    formats: dict[str, str] = {}
    merges = Merges()
    for event, element in iterparse(_without_blanks(file), events=("start", "end")):
        name = _local(element.tag)
        if event == "start":
            if name == "Worksheet":
                sheet, number = sheet + 1, 0
            elif name == "Style":
                style = _attribute(element, "ID")
            continue
        if name == "NumberFormat":
            formats[style] = _attribute(element, "Format")
        if name != "Row":
            continue
        if sheet == wanted:
            at = _index(element, number + 1, MOST_ROWS, asked)
            if at <= number:
                raise asked.garbled(tr("its row {at} is after row {number}", at=at, number=number), tr(SAVE_XLSX))
            number = at
            cells, begun = _xml_cells(element, number, formats, asked)
            yield merges.row_with_merges(number, cells)
            for merge in begun:
                merges.begin(merge, cells)
            number += whole_number(_attribute(element, "Span"), 0, MOST_ROWS)
        element.clear()


def _xml_cells(
    row: Element, number: int, formats: dict[str, str], asked: ListAsked
) -> tuple[tuple[Cell, ...], list[Merge]]:
    cells: list[Cell] = []
    merges: list[Merge] = []
    following = 0
    for element in row:
        if _local(element.tag) != "Cell":
            continue
        at = _index(element, following + 1, MOST_COLUMNS, asked) - 1
        if at < following:
            raise asked.garbled(tr("the cells of row {number} are out of order", number=number), tr(SAVE_XLSX))
        cells.extend([None] * (at + 1 - len(cells)))
        cells[at] = _xml_cell(element, formats.get(_attribute(element, "StyleID"), ""), number, asked)
        across = whole_number(_attribute(element, "MergeAcross"), 0, MOST_COLUMNS)
        down = whole_number(_attribute(element, "MergeDown"), 0, MOST_ROWS)
        if down:
            merges.append(Merge(number, number + down, at, at + across))
        following = at + 1 + across
    return tuple(cells), merges


def _xml_cell(cell: Element, number_format: str, row: int, asked: ListAsked) -> Cell:
    data = next((element for element in cell if _local(element.tag) == "Data"), None)
    if data is None:
        if _attribute(cell, "Formula"):
            raise asked.garbled(
                tr(
                    "row {number} has a formula without its value ({formula})",
                    number=row,
                    formula=_attribute(cell, "Formula")[:60],
                ),
                tr(SAVE_XLSX),
            )
        return None
    text = "".join(data.itertext())
    match _attribute(data, "Type"):
        case "Number":
            value = _parse_number(text)
            return value if isinstance(value, str) else shown_number(value, number_format)
        case "DateTime":
            try:
                return datetime.fromisoformat(text.strip())
            except ValueError:
                return trim(text)
        case "Boolean":
            return text.strip() == "1"
        case _:
            return trim(text)


def _parse_number(text: str) -> int | float | str:
    """Return a number in the types of Excel's own files: int or float; else the text."""
    try:
        return int(text) if text.strip().lstrip("-").isdigit() and len(text) < _DIGITS else float(text)
    except ValueError:
        return text


#: More digits than any number has.
_DIGITS = 400


def _index(element: Element, following: int, most: int, asked: ListAsked) -> int:
    """Return the position of a row or a cell, from 1: its own index, or after the one before it."""
    at = whole_number(_attribute(element, "Index"), following, most + 1)
    if at > most:
        raise asked.garbled(tr("it has more rows or columns than Excel can have"), tr(SAVE_XLSX))
    return at


def whole_number(text: str, otherwise: int, most: int) -> int:
    """Return the number in an attribute, at most `most`; `otherwise` where it has none."""
    given = text.strip()
    return min(int(given), most) if given.isascii() and given.isdigit() and len(given) <= len(str(most)) else otherwise


def _without_blanks(file: IO[bytes]) -> IO[bytes]:
    """Return the file from its first non-blank on: some systems write a line break before the XML declaration."""
    head = file.read(HEAD)
    file.seek(len(head) - len(head.lstrip(b"\r\n\t ")))
    return file


def _xml_error(error: Exception, asked: ListAsked) -> SourceGarbled:
    """Return the error; raise MemoryError where memory was exhausted."""
    if isinstance(error, SyntaxError) and getattr(error, "code", None) == _XML_OUT_OF_MEMORY:
        raise MemoryError from error
    if isinstance(error, DefusedXmlException):
        return asked.garbled(tr("its XML declares entities of its own, which no spreadsheet writes"), tr(SAVE_XLSX))
    text = " ".join(str(error).split())[:200]
    return asked.garbled(
        tr("its XML cannot be read to its end ({text}): the file may have been cut off there", text=text), tr(SAVE_XLSX)
    )


def _local(tag: object) -> str:
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def _attribute(element: Element, name: str) -> str:
    return next((value for own, value in element.items() if _local(own) == name), "")
