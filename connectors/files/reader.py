"""Reads a list of any kind: the first bytes decide what a file is, and never its name.

The kinds are Excel workbooks (.xlsx, also strict ones), old workbooks (.xls), web pages and XML tables named .xls, and
text in columns. Sources, the roster and the desk use this reader; it runs in the sandbox.
"""

import re
from collections.abc import Generator
from dataclasses import replace
from enum import StrEnum
from pathlib import Path

from connectors.files.tables import text as lists_text
from connectors.files.tables.header import header_if_any
from connectors.files.tables.rows import rows_of, whole_rows_of
from connectors.files.tables.table import CUT_OFF, OTHER_KIND, ListAsked, ListEnding, Page, is_nothing
from connectors.port import Cell, SourceGarbled
from foundation.translation import N_, tr

#: How many bytes show what a file is.
_HEAD = 4_096

_MARKS_OF_TEXT = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")

#: The first bytes of other files that people upload.
_OTHERS = (
    (b"%PDF", N_("a PDF document")),
    (b"\x89PNG", N_("a picture")),
    (b"\xff\xd8\xff", N_("a picture")),
    (b"GIF8", N_("a picture")),
    (b"Rar!", N_("a RAR archive")),
    (b"7z\xbc\xaf", N_("a 7z archive")),
    (b"\x1f\x8b", N_("a gzip archive")),
    (b"{\\rtf", N_("an RTF document")),
    (b"SQLite format 3", N_("a database")),
    (b"\x00\x01\x00\x00Standard ", N_("an Access database")),
    (b"$FL2", N_("an SPSS file")),
    (b"<stata_dta>", N_("a Stata file")),
    (b"PAR1", N_("a Parquet file")),
)

#: A table of dBase or FoxPro: its kind, then the date of its last change, with a year counted from 1900 or 2000.
_DBASE = re.compile(rb"[\x02\x03\x30\x31\x32\x83\x8b\xf5][\x00-\xff][\x01-\x0c][\x01-\x1f]", re.DOTALL)

#: A zero byte that is the whole of a cell, quotes aside.
_EMPTY_CELL = re.compile(rb"(?:(?<=[,;\t|\r\n\"])|^)\0(?=[,;\t|\r\n\"]|$)")

#: Records as programs exchange them.
_JSON = re.compile(r'(?:\[\s*)?\{\s*"')


class FileKind(StrEnum):
    """What a file is."""

    WORKBOOK = "workbook"
    OLD_WORKBOOK = "old_workbook"
    WEB_PAGE = "web_page"
    XML = "xml"
    TEXT = "text"
    #: Any other file, which is not a list.
    OTHER = "other"


def kind_of(head: bytes) -> tuple[FileKind, str]:
    """Return the kind of a file with this beginning, and for OTHER its description."""
    if head.startswith(b"PK\x03\x04"):
        return FileKind.WORKBOOK, ""
    if head.startswith(b"\xd0\xcf\x11\xe0"):
        return FileKind.OLD_WORKBOOK, ""
    for start, name in _OTHERS:
        if head.startswith(start):
            return FileKind.OTHER, tr(name)
    text = _as_latin(head)
    if text.startswith("mime-version:"):
        return FileKind.OTHER, tr("a web page archive (.mht)")
    if text.startswith("<"):
        is_table = "schemas-microsoft-com:office:spreadsheet" in text or "<workbook" in text
        return (FileKind.XML if is_table and "<html" not in text else FileKind.WEB_PAGE), ""
    # Files of old spreadsheet programs begin with these bytes; only UTF-16 text has a byte of zero.
    if head[:2] in (b"\x09\x00", b"\x09\x02", b"\x09\x04", b"\x09\x08"):
        return FileKind.OTHER, tr("a workbook of Excel 95 or before")
    if b"\0" in head and _DBASE.match(head):
        return FileKind.OTHER, tr("a table of dBase or FoxPro")
    if b"\0" in _EMPTY_CELL.sub(b"", head) and not head.startswith(_MARKS_OF_TEXT) and not _is_wide(head):
        return FileKind.OTHER, tr("no text and no workbook")
    if _JSON.match(text):
        return FileKind.OTHER, "JSON"
    return FileKind.TEXT, ""


def read(path: Path, asked: ListAsked) -> Generator[tuple[Cell, ...], None, ListEnding]:
    """Yield each row: its number in the file, then its cells by our fields. Raises SourceGarbled, OSError."""
    page, asked = _choose_page(_read_pages(path, asked), asked)
    return (yield from rows_of(page, asked))


def read_whole(path: Path, asked: ListAsked) -> Generator[tuple[Cell, ...], None, ListEnding]:
    """Yield each row whole, its number first; return the columns. Raises SourceGarbled, OSError.

    The list is the one visible worksheet with the header; where several have rows below it, the file is refused.
    """
    ending: ListEnding = ((), None, 0, ())
    holds: list[str] = []
    for page in _read_pages(path, asked):
        if not page.visible:
            continue
        rows = whole_rows_of(page, asked)
        try:
            row = next(rows)
        except StopIteration as end:
            ending = ending if ending[0] else end.value
            continue
        holds.append(page.title)
        if len(holds) > 1:
            raise asked.garbled(
                tr("several of its worksheets have such a list ({names})", names=tr(", ").join(holds)),
                tr("Keep one of them in the file."),
            )
        yield row
        ending = yield from rows
    return ending


def _read_pages(path: Path, asked: ListAsked) -> list[Page]:
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if not head.strip(b"\0 \t\r\n"):
        raise asked.garbled(tr("it is empty"), tr(CUT_OFF))
    kind, name = kind_of(head)
    match kind:
        case FileKind.WORKBOOK:
            # Importing this library takes longer than reading a text file.
            from connectors.files.workbooks import excel  # noqa: PLC0415

            return excel.pages_of(path, asked)
        case FileKind.OLD_WORKBOOK:
            from connectors.files.workbooks import xls  # noqa: PLC0415 - as above

            return xls.pages_of(path, asked)
        case FileKind.WEB_PAGE | FileKind.XML:
            from connectors.files.workbooks import markup, xml_sheets  # noqa: PLC0415 - as above

            return (markup.web_pages_of if kind is FileKind.WEB_PAGE else xml_sheets.xml_pages_of)(path, asked)
        case FileKind.OTHER:
            raise asked.garbled(tr("it is {kind}, whatever its file name", kind=name), tr(OTHER_KIND))
        case _:
            return lists_text.pages_of(path, asked)


def _choose_page(pages: list[Page], asked: ListAsked) -> tuple[Page, ListAsked]:
    """Return the selected worksheet, and the question with its name in the messages."""
    if len(pages) == 1 and not pages[0].title:
        return pages[0], asked
    titles = [page.title for page in pages]
    visible = [page for page in pages if page.visible]
    named = [page for page in pages if page.title == asked.sheet] if asked.sheet else visible
    if len(named) != 1:
        raise _page_choice_error(titles, visible, asked)
    page = named[0]
    if not asked.sheet and (hidden := next((other for other in pages if _holds_such_rows(other, asked)), None)):
        raise asked.garbled(
            tr('its worksheet "{title}" is hidden and also has such a list', title=hidden.title),
            tr(
                'Set the right one in {table}, such as sheet = "{title}", or delete the other.',
                table=asked.settings_table,
                title=page.title,
            ),
        )
    return page, asked if len(pages) == 1 else replace(
        asked, named=tr('{named}, worksheet "{title}"', named=asked.named, title=page.title)
    )


def _holds_such_rows(page: Page, asked: ListAsked) -> bool:
    """Return whether a hidden worksheet has the header, and a student below it."""
    if page.visible:
        return False
    lines = page.lines()
    try:
        header, _best = header_if_any(lines, asked, once=False)
        if header is None:
            return False
        at = header.at[0]
        return any(len(line.cells) > at and not is_nothing(line.cells[at]) for line in lines)
    except SourceGarbled:
        # A worksheet that cannot be read is not such a list.
        return False


def _page_choice_error(titles: list[str], visible: list[Page], asked: ListAsked) -> SourceGarbled:
    if asked.sheet:
        what = N_('it has no worksheet "{sheet}" ({names})')
    else:
        what = N_("it has several worksheets ({names})") if visible else N_("it has no visible worksheet ({names})")
    return asked.garbled(
        tr(what, sheet=asked.sheet, names=tr(", ").join(titles)),
        tr("Set sheet in {table} to the right one.", table=asked.settings_table),
    )


def _as_latin(head: bytes) -> str:
    """Return the beginning of a file as lower-case letters, whether it is UTF-16 or not."""
    wide = head.startswith(_MARKS_OF_TEXT[1:]) or _is_wide(head)
    for mark in _MARKS_OF_TEXT:
        while head.startswith(mark):
            head = head.removeprefix(mark)
    if wide:
        head = head.replace(b"\0", b"")
    return head.decode("latin-1").lstrip().lower()


def _is_wide(head: bytes) -> bool:
    """Return whether a file may be UTF-16 without its mark: every other byte of its separators is zero."""
    return lists_text.unmarked_utf16(head) != ""
