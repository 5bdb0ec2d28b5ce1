"""A list as text in columns (.csv, .tsv, .txt), row by row."""

import codecs
import csv
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TextIO

from charset_normalizer import from_bytes

from connectors.lists import Ending, Line, ListAsked, plain, rows_of, whole_rows_of
from connectors.port import Cell

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

#: The separator is looked for in so many letters.
_HEAD = 20_000

#: The encoding, where nothing names it, is guessed from so many bytes.
_GUESSED_FROM = 1_000_000

#: A line of more letters is no row of a list.
_LONGEST_LINE = 1_000_000


def read(path: Path, asked: ListAsked) -> Generator[tuple[Cell, ...], None, Ending]:
    """Give each row by our fields; return the columns and the list's own total. Raises SourceGarbled, OSError."""
    with path.open(encoding=_encoding(path, asked), newline="") as text:
        return (yield from rows_of(_lines(text, asked), asked, text=True))


def read_whole(path: Path, asked: ListAsked) -> Generator[tuple[Cell, ...], None, Ending]:
    """Give each row whole, its number first; return the columns. Raises SourceGarbled, OSError."""
    with path.open(encoding=_encoding(path, asked), newline="") as text:
        return (yield from whole_rows_of(_lines(text, asked), asked, text=True))


def _lines(text: TextIO, asked: ListAsked) -> Iterator[Line]:
    head = text.read(_HEAD)
    if head.lstrip()[:1] == "<":
        raise asked.garbled("it is a web page by another name", "Have the list exported as .csv or .xlsx.")
    text.seek(0)
    delimiter = asked.delimiter or max("\t,;", key=head.count)
    reader = csv.reader(_bounded(text, asked), delimiter=delimiter, strict=True)
    try:
        for row in reader:
            yield Line(reader.line_num, tuple(plain(cell) for cell in row))
    except csv.Error as error:
        raise asked.garbled(
            f"line {reader.line_num} cannot be read ({error}): the file may have been cut off there",
            "Have the office export it anew.",
        ) from error


def _bounded(text: TextIO, asked: ListAsked) -> Iterator[str]:
    """Give the lines, none of them without end."""
    number = 0
    while line := text.readline(_LONGEST_LINE + 1):
        number += 1
        if len(line) > _LONGEST_LINE:
            raise asked.garbled(
                f"line {number} has more than {_LONGEST_LINE} letters: it is no list in rows",
                "Have the office export it anew, one row a line.",
            )
        yield line


def _encoding(path: Path, asked: ListAsked) -> str:
    """Return the first encoding in which the whole file is text."""
    for encoding in _encodings(path, asked):
        try:
            with path.open(encoding=encoding, newline="") as text:
                while text.read(1 << 20):
                    pass
        except (ValueError, LookupError):
            continue
        return encoding
    told = asked.encoding
    raise asked.garbled(
        f"its text is not {told}" if told else "its encoding cannot be found",
        f"Tell the right one as encoding in {asked.told_in}, such as gb18030.",
    )


def _encodings(path: Path, asked: ListAsked) -> Iterator[str]:
    """Give what to try, in order: what is told, the byte-order mark, and what Chinese offices write."""
    if asked.encoding:
        yield asked.encoding
        return
    with path.open("rb") as file:
        head = file.read(_GUESSED_FROM)
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            yield encoding
            return
    yield from ("utf-8", "gb18030")
    # A letter may have been cut at the end of what was read; a line was not.
    guess = from_bytes(head[: head.rfind(b"\n") + 1] or head).best()
    if guess is not None:
        yield guess.encoding
