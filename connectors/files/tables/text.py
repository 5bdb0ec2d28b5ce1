"""A list as text in columns (.csv, .tsv, .txt, or .xls by name alone), row by row."""

import codecs
import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from connectors.files.tables.header import HEADER_WITHIN, header_if_any
from connectors.files.tables.table import CUT_OFF, OTHER_KIND, FileRow, ListAsked, Page, trim
from connectors.port import Cell
from foundation.translation import tr

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

#: Separators, in the order in which they are tried.
_SEPARATORS = ",\t;|，"

#: How many letters are read to find the separator.
_HEAD = 200_000

#: How many bytes are read to guess the encoding.
_GUESSED_FROM = 1_000_000

#: The most letters of a line.
_LONGEST_LINE = 1_000_000

#: The most lines, and the most letters, of a cell in quotes.
_MOST_LINES = 1_000
_LONGEST_CELL = 131_072

#: The least digits of a student number.
_LIKE_NUMBER = 5

#: At most one letter in this many can be unreadable.
_ONE_BROKEN_IN = 20


def pages_of(path: Path, asked: ListAsked) -> list[Page]:
    """Return the file as one page. Raises SourceGarbled, OSError."""
    encoding, errors = _find_encoding(path, asked)
    delimiter = asked.delimiter or _delimiter(path, encoding, errors, asked)

    def lines() -> Iterator[FileRow]:
        with path.open(encoding=encoding, errors=errors, newline="") as text:
            yield from _records(text, delimiter, asked)

    return [Page("", visible=True, lines=lines, text=True)]


def _records(text: TextIO, delimiter: str, asked: ListAsked) -> Iterator[FileRow]:
    lines = _bounded(text, asked)
    number = 0
    for line in lines:
        number += 1
        if '"' not in line:
            yield _file_row(number, line.rstrip("\r\n").split(delimiter), line)
            continue
        cells, last, taken = _quoted_row(line, number, delimiter, lines, asked)
        number += taken
        yield _file_row(number, cells, last)


def _file_row(number: int, cells: list[str], last: str) -> FileRow:
    # bcp writes a zero byte for an empty text.
    given: tuple[Cell, ...] = tuple(None if cell == "\0" else trim(cell.removeprefix("\ufeff")) for cell in cells)
    return FileRow(number, given, open_ended=not last.endswith(("\n", "\r")))


def _quoted_row(
    first: str, number: int, delimiter: str, lines: Iterator[str], asked: ListAsked
) -> tuple[list[str], str, int]:
    """Return the cells of a row with quotation marks, its last line, and the number of further lines."""
    record, last, taken = first, first, 0
    while True:
        try:
            return _split(record, delimiter), last, taken
        except csv.Error as error:
            what = str(error)
        if "unexpected end" not in what:
            if taken:
                raise _not_closed(number, asked)
            # A single quotation mark within a text: the line is a row if it has a cell for each column.
            return first.rstrip("\r\n").split(delimiter), first, 0
        while True:
            following = next(lines, None)
            if following is None or taken >= _MOST_LINES:
                raise _not_closed(number, asked)
            _refuse_swallowed(following, first, (number, number + taken + 1), delimiter, asked)
            record, last, taken = record + following, following, taken + 1
            if len(record) > _LONGEST_CELL:
                raise _not_closed(number, asked)
            if '"' in following:
                break


def _split(record: str, delimiter: str) -> list[str]:
    # Only line feeds and carriage returns end a row, and not Unicode's other line separators.
    rows = list(csv.reader(io.StringIO(record, newline=""), delimiter=delimiter, strict=True))
    return rows[0] if rows else []


def _refuse_swallowed(line: str, first: str, numbers: tuple[int, int], delimiter: str, asked: ListAsked) -> None:
    """Refuse a quotation mark that includes the rows below in its cell: they would be lost without an error."""
    cells = line.rstrip("\r\n").split(delimiter)
    if len(cells) == 1 or cells[0].endswith('"'):
        return
    whole = len(cells) >= len(first.split(delimiter))
    if whole or any(cell.strip(' "').isdigit() and len(cell.strip(' "')) >= _LIKE_NUMBER for cell in cells):
        raise asked.garbled(
            tr(
                "line {first} opens a quotation mark that is not closed before line {second}, which is "
                "likely a separate row; or the file may have been cut off there",
                first=numbers[0],
                second=numbers[1],
            ),
            tr(
                "Delete or double the quotation mark in line {number}, and the next run reads the file. {cut_off}",
                number=numbers[0],
                cut_off=tr(CUT_OFF),
            ),
        )


def _not_closed(number: int, asked: ListAsked) -> Exception:
    return asked.garbled(
        tr(
            "line {number} cannot be read: a quotation mark is opened there and never closed, or closed "
            "within a text; or the file may have been cut off there",
            number=number,
        ),
        tr(
            "Delete or double the quotation mark in line {number}, and the next run reads the file. {cut_off}",
            number=number,
            cut_off=tr(CUT_OFF),
        ),
    )


def _bounded(text: TextIO, asked: ListAsked) -> Iterator[str]:
    """Yield the lines. Raises SourceGarbled for a line that is too long."""
    number = 0
    while line := text.readline(_LONGEST_LINE + 1):
        number += 1
        if len(line) > _LONGEST_LINE:
            raise asked.garbled(
                tr(
                    "line {number} has more than {most} letters: it is not a list in rows",
                    number=number,
                    most=_LONGEST_LINE,
                ),
                tr(OTHER_KIND),
            )
        yield line


def _delimiter(path: Path, encoding: str, errors: str, asked: ListAsked) -> str:
    """Return the separator with which the header is found, or else the most frequent one."""
    head = _read_head(path, encoding, errors)
    return _by_header(head, asked) or max(_SEPARATORS, key=head.count)


def _read_head(path: Path, encoding: str, errors: str) -> str:
    with path.open(encoding=encoding, errors=errors, newline="") as text:
        return text.read(_HEAD)


def _by_header(head: str, asked: ListAsked) -> str:
    """Return the separator with which the header is found; of several, that of the widest header; else empty."""
    lines = head.splitlines(keepends=True)[:HEADER_WITHIN]
    widest, found = 0, ""
    for separator in (asked.delimiter,) if asked.delimiter else _SEPARATORS:
        rows = (
            FileRow(number, tuple(trim(cell) for cell in _rough(line, separator)))
            for number, line in enumerate(lines, 1)
        )
        header, _best = header_if_any(rows, asked, once=False)
        if header is not None and len(header.names) > widest:
            widest, found = len(header.names), separator
    return found


def _rough(line: str, separator: str) -> list[str]:
    try:
        return _split(line, separator)
    except csv.Error:
        return line.rstrip("\r\n").split(separator)


def _find_encoding(path: Path, asked: ListAsked) -> tuple[str, str]:
    """Return the first encoding in which the file, or nearly all of it, is text, and how errors are handled."""
    for encoding in _encodings(path, asked):
        if _is_text(path, encoding):
            return encoding, "strict"
    # A system that cuts texts after a number of bytes leaves half letters: each is a broken letter, and reported.
    shares = [(share, encoding) for encoding in _encodings(path, asked) if (share := _broken_share(path, encoding))]
    for share, encoding in sorted(shares):
        if share * _ONE_BROKEN_IN <= 1 and _by_header(_read_head(path, encoding, "replace"), asked):
            return encoding, "replace"
    guess = None if asked.encoding else _guess_encoding(path)
    if guess is not None and _is_text(path, guess):
        return guess, "strict"
    raise asked.garbled(
        tr("its text is not {encoding}", encoding=asked.encoding) if asked.encoding else tr("its encoding is unknown"),
        tr("Set encoding in {table} to the right one, such as gb18030.", table=asked.settings_table),
    )


def _is_text(path: Path, encoding: str) -> bool:
    try:
        with path.open(encoding=encoding, newline="") as text:
            while text.read(1 << 20):
                pass
    except (ValueError, LookupError):
        return False
    return True


def _broken_share(path: Path, encoding: str) -> float | None:
    """Return the share of unreadable letters; None where the encoding does not exist."""
    letters = broken = 0
    try:
        with path.open(encoding=encoding, errors="replace", newline="") as text:
            while part := text.read(1 << 20):
                letters += len(part)
                broken += part.count("\ufffd")
    except (ValueError, LookupError):
        return None
    return broken / max(letters, 1)


def _encodings(path: Path, asked: ListAsked) -> Iterator[str]:
    """Yield the encodings to try, in order: the setting, the byte-order mark, and those of Chinese offices."""
    if asked.encoding:
        yield asked.encoding
        return
    with path.open("rb") as file:
        head = file.read(_GUESSED_FROM)
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            yield encoding
            return
    if half := unmarked_utf16(head):
        yield half
        return
    yield from ("utf-8", "gb18030")


def _guess_encoding(path: Path) -> str | None:
    # This library needs much memory, and few lists need it.
    from charset_normalizer import from_bytes  # noqa: PLC0415

    with path.open("rb") as file:
        head = file.read(_GUESSED_FROM)
    # The last letter that was read may be cut off, so only whole lines are used.
    guess = from_bytes(head[: head.rfind(b"\n") + 1] or head).best()
    return None if guess is None else guess.encoding


def unmarked_utf16(head: bytes) -> str:
    """Return the kind of UTF-16 without a mark, by its line breaks and separators; else an empty text."""
    for encoding, ends in (("utf-16-le", (b",\0", b"\t\0", b"\n\0")), ("utf-16-be", (b"\0,", b"\0\t", b"\0\n"))):
        if head[:4096].count(b"\0") > 2 and sum(head.count(end) for end in ends) > 2:
            try:
                head[: len(head) & ~1].decode(encoding)
            except ValueError:
                continue
            return encoding
    return ""
