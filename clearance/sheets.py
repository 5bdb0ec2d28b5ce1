"""Reading a sheet that somebody brought to the desk: what it is, and its cells as text, in a process of its own."""

import tempfile
import threading
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from pathlib import Path

from config.desk import Desk
from connectors import lists_excel, lists_text
from connectors.lists import ListAsked
from connectors.port import Cell, SourceError, SourceUnavailable
from connectors.sandbox import FileNamed, Limits, Reader, Row, read_apart
from portal.desk.doors import SheetRead, SheetUnreadable

#: What reading one sheet may take.
_LIMITS = Limits(memory=512_000_000, longest=timedelta(minutes=1), told_in="[desk]")
_MOST_UNPACKED = 300_000_000

#: So many are read at a time; the next one waits.
_AT_A_TIME = 2

_OLD_EXCEL, _ZIP = b"\xd0\xcf\x11\xe0", b"PK\x03\x04"
_MARKS_OF_TEXT = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
_NAMES_OF_TEXT = (".csv", ".tsv", ".txt", ".xls")
#: A workbook with a password is packed like an old one, and says so within.
_LOCKED = "EncryptedPackage".encode("utf-16-le")
#: What the first entry of an OpenDocument file says, uncompressed.
_OPEN_DOCUMENT = b"mimetypeapplication/vnd.oasis.opendocument"

#: Excel keeps so many digits of a number, and writes noughts for the rest.
_KEPT_DIGITS = 15


class Sheets:
    """Reads sheets within the desk's limits. A file is known by what it holds, whatever its name says."""

    def __init__(self, limits: Desk) -> None:
        self._limits = limits
        self._turns = threading.BoundedSemaphore(_AT_A_TIME)

    def __call__(self, content: bytes, name: str, needed: Sequence[str], *, most: int | None = None) -> SheetRead:
        """Find the header by the columns that are needed, the student's first; return all that stands beneath it.

        `most` is how many rows that may be, where it is not as many as a sheet of results may have. Whole numbers keep
        every digit that the file has, and days are ISO 8601. Raises SheetUnreadable.
        """
        reader, end = self._kind(content, name)
        most = most or self._limits.most_rows
        columns, rows = self._read(reader, content, name, end, needed, most)
        if not columns:
            raise SheetUnreadable(
                "columns",
                f"{name} has no row with the columns {', '.join(needed)}. Use the template, and leave its header.",
            )
        if not rows:
            raise SheetUnreadable("empty", f"{name} has nothing beneath its header. Fill it in and save it first.")
        if len(rows) > most:
            raise SheetUnreadable(
                "rows", f"{name} has more than {most} rows. Split it, or raise most_rows in [desk] of the settings."
            )
        return SheetRead(columns, tuple((int(str(row[0])), tuple(map(_text, row[1:]))) for row in rows))

    def _kind(self, content: bytes, name: str) -> tuple[Reader[ListAsked], str]:
        """Return what reads such a file, and the end of its name. Raises SheetUnreadable."""
        save = "Open it in Excel and save it as .xlsx (另存为 .xlsx)"
        if not content.strip():
            raise SheetUnreadable("empty", f"{name} is empty. Fill it in and save it first.")
        if len(content) > self._limits.most_bytes:
            raise SheetUnreadable(
                "large",
                f"{name} has {len(content)} bytes, more than {self._limits.most_bytes}. Take out pictures and what is "
                "not asked for, or raise most_bytes in [desk] of the settings.",
            )
        if content.startswith(_OLD_EXCEL):
            if _LOCKED in content:
                raise SheetUnreadable("password", f"{name} has a password. Save it without one, and bring that.")
            raise SheetUnreadable("xls", f"{name} is an old .xls workbook. {save}, and bring that.")
        if content.startswith(_ZIP):
            if _OPEN_DOCUMENT in content[:200]:
                raise SheetUnreadable("kind", f"{name} is no Excel workbook. Save it as .xlsx, and bring that.")
            return lists_excel.read_whole, ".xlsx"
        head = _head(content)
        if head.startswith("<"):
            word, is_one = ("xml", "XML") if "<workbook" in head and "<html" not in head else ("web", "a web page")
            raise SheetUnreadable(word, f"{name} is {is_one} by another name. {save}, and bring that.")
        if head.startswith("mime-version:"):
            raise SheetUnreadable("web", f"{name} is a web page by another name. {save}, and bring that.")
        if not name.lower().endswith(_NAMES_OF_TEXT) or ("\0" in head and not content.startswith(_MARKS_OF_TEXT)):
            raise SheetUnreadable("kind", f"{name} is neither an Excel workbook nor CSV. {save}, and bring that.")
        return lists_text.read_whole, ".csv"

    def _read(
        self, reader: Reader[ListAsked], content: bytes, name: str, end: str, needed: Sequence[str], most: int
    ) -> tuple[tuple[str, ...], list[Row]]:
        """Read it apart. Raises SheetUnreadable."""
        asked = ListAsked(
            named=name,
            told_in="[desk]",
            columns=tuple(needed),
            sheet="",
            header_row=None,
            encoding="",
            delimiter="",
            most_unpacked=_MOST_UNPACKED,
            most_rows=most,
        )
        with self._turns, tempfile.TemporaryDirectory(prefix="sheet-") as folder:
            path = Path(folder) / f"sheet{end}"
            path.write_bytes(content)
            try:
                rows, (columns, _total) = read_apart(
                    reader, path, asked, limits=_LIMITS, file=FileNamed(name, "Save it anew.")
                )
            except SourceUnavailable as error:
                raise SheetUnreadable("busy", f"{error.what}. Try again in a minute.") from error
            except SourceError as error:
                # What the settings would do about a source is no way out for who stands at the desk.
                raise SheetUnreadable(
                    "broken",
                    f"{error.what}. Open it in Excel, mend that, save it as .xlsx (另存为 .xlsx), and bring that.",
                ) from error
        return columns, rows


def _head(content: bytes) -> str:
    """Return the beginning of a file as small letters, whichever way they are written."""
    head = content[:4096]
    for mark in _MARKS_OF_TEXT:
        head = head.removeprefix(mark)
    if content.startswith(_MARKS_OF_TEXT[1:]):
        head = head.replace(b"\0", b"")
    return head.decode("latin-1").lstrip().lower()


def _text(cell: Cell) -> str | None:
    """Write a cell as a person would have typed it; nothing where nothing stands."""
    match cell:
        case None:
            return None
        case datetime() if cell.time() == time():
            return cell.date().isoformat()
        case datetime():
            return cell.isoformat(" ", "minutes")
        case date() | time():
            return cell.isoformat()
        case float() if cell.is_integer() and abs(cell) < 10**_KEPT_DIGITS:
            return str(int(cell))
    # Blanks of every width are one; what cannot be seen is nothing. Lines of a text stay lines.
    text = "".join(c if c.isprintable() or c == "\n" else " " if c.isspace() else "" for c in str(cell))
    return text.strip() or None
