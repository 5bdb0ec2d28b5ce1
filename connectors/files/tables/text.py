"""A list as text in columns (.csv, .tsv, .txt, or .xls by name alone), row by row."""

import codecs
import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from connectors.files.tables.header import HEADER_WITHIN, header_if_any
from connectors.files.tables.table import CUT_OFF, OTHER_KIND, FileRow, ListAsked, Page, plain
from connectors.port import Cell

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

#: Separators, in the order they are tried.
_SEPARATORS = ",\t;|，"

#: The separator is looked for in so many letters.
_HEAD = 200_000

#: The encoding, where nothing names it, is guessed from so many bytes.
_GUESSED_FROM = 1_000_000

#: A line of more letters is no row of a list.
_LONGEST_LINE = 1_000_000

#: A cell in quotes goes on over at most so many lines, and so many letters.
_MOST_LINES = 1_000
_LONGEST_CELL = 131_072

#: Digits of the shortest number that is taken for a student's.
_LIKE_NUMBER = 5

#: At most one letter in so many may be unreadable.
_ONE_BROKEN_IN = 20


def pages_of(path: Path, asked: ListAsked) -> list[Page]:
    """Return the file as one page. Raises SourceGarbled, OSError."""
    encoding, errors = _encoding(path, asked)
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
            yield _line(number, line.rstrip("\r\n").split(delimiter), line)
            continue
        cells, last, taken = _quoted(line, number, delimiter, lines, asked)
        number += taken
        yield _line(number, cells, last)


def _line(number: int, cells: list[str], last: str) -> FileRow:
    # bcp writes a zero byte for a text that is empty.
    given: tuple[Cell, ...] = tuple(None if cell == "\0" else plain(cell.removeprefix("\ufeff")) for cell in cells)
    return FileRow(number, given, open_ended=not last.endswith(("\n", "\r")))


def _quoted(
    first: str, number: int, delimiter: str, lines: Iterator[str], asked: ListAsked
) -> tuple[list[str], str, int]:
    """Return the cells of a row that has quotation marks, its last line, and how many lines it goes on for."""
    record, last, taken = first, first, 0
    while True:
        try:
            return _split(record, delimiter), last, taken
        except csv.Error as error:
            what = str(error)
        if "unexpected end" not in what:
            if taken:
                raise _not_closed(number, asked)
            # A quotation mark within a text that is not doubled: the line is a row if it has a cell for each column.
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
    # Line feeds and carriage returns alone end a row, and no other sign that Unicode has for it.
    rows = list(csv.reader(io.StringIO(record, newline=""), delimiter=delimiter, strict=True))
    return rows[0] if rows else []


def _refuse_swallowed(line: str, first: str, numbers: tuple[int, int], delimiter: str, asked: ListAsked) -> None:
    """Refuse a quotation mark that takes the rows below it into its cell: they would be lost in silence."""
    cells = line.rstrip("\r\n").split(delimiter)
    if len(cells) == 1 or cells[0].endswith('"'):
        return
    whole = len(cells) >= len(first.split(delimiter))
    if whole or any(cell.strip(' "').isdigit() and len(cell.strip(' "')) >= _LIKE_NUMBER for cell in cells):
        raise asked.garbled(
            f"line {numbers[0]} opens a quotation mark that is not closed before line {numbers[1]}, which looks like "
            "a row of its own; or the file may have been cut off there",
            f"Delete or double the quotation mark in line {numbers[0]}, and the next run reads the file. {CUT_OFF}",
        )


def _not_closed(number: int, asked: ListAsked) -> Exception:
    return asked.garbled(
        f"line {number} cannot be read: a quotation mark is opened there and never closed, or closed within a text; "
        "the file may have been cut off there",
        f"Delete or double the quotation mark in line {number}, and the next run reads the file. {CUT_OFF}",
    )


def _bounded(text: TextIO, asked: ListAsked) -> Iterator[str]:
    """Give the lines, none of them without end."""
    number = 0
    while line := text.readline(_LONGEST_LINE + 1):
        number += 1
        if len(line) > _LONGEST_LINE:
            raise asked.garbled(
                f"line {number} has more than {_LONGEST_LINE} letters: it is no list in rows",
                OTHER_KIND,
            )
        yield line


def _delimiter(path: Path, encoding: str, errors: str, asked: ListAsked) -> str:
    """Return the separator by which the header is found, or else the one that is there most."""
    head = _head(path, encoding, errors)
    return _by_header(head, asked) or max(_SEPARATORS, key=head.count)


def _head(path: Path, encoding: str, errors: str) -> str:
    with path.open(encoding=encoding, errors=errors, newline="") as text:
        return text.read(_HEAD)


def _by_header(head: str, asked: ListAsked) -> str:
    """Return the separator by which the header is found, that of the widest where several do; or nothing."""
    lines = head.splitlines(keepends=True)[:HEADER_WITHIN]
    widest, found = 0, ""
    for separator in (asked.delimiter,) if asked.delimiter else _SEPARATORS:
        rows = (
            FileRow(number, tuple(plain(cell) for cell in _rough(line, separator)))
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


def _encoding(path: Path, asked: ListAsked) -> tuple[str, str]:
    """Return the first encoding in which the whole file is text, or nearly all of it, and how errors are handled."""
    for encoding in _encodings(path, asked):
        if _is_text(path, encoding):
            return encoding, "strict"
    # A system that cuts texts after so many bytes leaves half letters: each is one broken letter, and reported.
    shares = [(share, encoding) for encoding in _encodings(path, asked) if (share := _broken_share(path, encoding))]
    for share, encoding in sorted(shares):
        if share * _ONE_BROKEN_IN <= 1 and _by_header(_head(path, encoding, "replace"), asked):
            return encoding, "replace"
    guess = None if asked.encoding else _guessed(path)
    if guess is not None and _is_text(path, guess):
        return guess, "strict"
    told = asked.encoding
    raise asked.garbled(
        f"its text is not {told}" if told else "its encoding cannot be found",
        f"Give the right one as encoding in {asked.told_in}, such as gb18030.",
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
    """Return how many of the letters cannot be read; None where the encoding does not exist."""
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
    """Give what to try, in order: what is set, the byte-order mark, and what Chinese offices write."""
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


def _guessed(path: Path) -> str | None:
    # A library of much memory, which few lists need.
    from charset_normalizer import from_bytes  # noqa: PLC0415

    with path.open("rb") as file:
        head = file.read(_GUESSED_FROM)
    # A letter may have been cut at the end of what was read; a line was not.
    guess = from_bytes(head[: head.rfind(b"\n") + 1] or head).best()
    return None if guess is None else guess.encoding


def unmarked_utf16(head: bytes) -> str:
    """Return UTF-16 without its mark by its line breaks and separators, or nothing."""
    for encoding, ends in (("utf-16-le", (b",\0", b"\t\0", b"\n\0")), ("utf-16-be", (b"\0,", b"\0\t", b"\0\n"))):
        if head[:4096].count(b"\0") > 2 and sum(head.count(end) for end in ends) > 2:
            try:
                head[: len(head) & ~1].decode(encoding)
            except ValueError:
                continue
            return encoding
    return ""
