"""Reading a sheet that somebody brought to the desk: what it is, and its cells as text, in a process of its own."""

import tempfile
import threading
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from pathlib import Path

from config.tables.desk import Desk
from connectors.files import reader
from connectors.files.reader import FileKind, kind_of
from connectors.files.sandbox import FileDescription, Row, SandboxLimits, read_apart
from connectors.files.tables.table import ListAsked
from connectors.port import Cell, SourceError, SourceUnavailable
from portal.desk.context.services import SheetCode, SheetRead, SheetUnreadable

#: What reading one sheet may take.
_LIMITS = SandboxLimits(memory=512_000_000, longest=timedelta(minutes=1), settings_table="[desk]")
_MOST_UNPACKED = 300_000_000

#: So many are read at a time; the next one waits.
_AT_A_TIME = 2

_NAMES_OF_TEXT = (".csv", ".tsv", ".txt", ".xls")
#: What is wrong with a file of a kind that cannot be read after all; any other is broken.
_CODES = {FileKind.OLD_WORKBOOK: SheetCode.XLS, FileKind.WEB_PAGE: SheetCode.WEB, FileKind.XML: SheetCode.XML}
#: So much of a file shows what it is.
_HEAD = 4_096
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
        self._refuse_others(content, name)
        most = most or self._limits.most_rows
        columns, rows = self._read(content, name, needed, most)
        if not columns:
            raise SheetUnreadable(
                SheetCode.COLUMNS,
                f"{name} has no row with the columns {', '.join(needed)}. Use the template, and leave its header.",
            )
        if not rows:
            raise SheetUnreadable(
                SheetCode.EMPTY, f"{name} has nothing beneath its header. Fill it in and save it first."
            )
        if len(rows) > most:
            raise SheetUnreadable(
                SheetCode.ROWS,
                f"{name} has more than {most} rows. Split it, or raise most_rows in [desk] of the settings.",
            )
        return SheetRead(columns, tuple((int(str(row[0])), tuple(map(_text, row[1:]))) for row in rows))

    def _refuse_others(self, content: bytes, name: str) -> None:
        """Refuse what no list is kept in, each by its own code. Raises SheetUnreadable."""
        save = "Open it in Excel and save it as .xlsx (另存为 .xlsx)"
        if not content.strip():
            raise SheetUnreadable(SheetCode.EMPTY, f"{name} is empty. Fill it in and save it first.")
        if len(content) > self._limits.most_bytes:
            raise SheetUnreadable(
                SheetCode.LARGE,
                f"{name} has {len(content)} bytes, more than {self._limits.most_bytes}. Take out pictures and what is "
                "not asked for, or raise most_bytes in [desk] of the settings.",
            )
        kind, what = kind_of(content[:_HEAD])
        if kind is FileKind.OLD_WORKBOOK and _LOCKED in content:
            raise SheetUnreadable(SheetCode.PASSWORD, f"{name} has a password. Save it without one, and bring that.")
        if kind is FileKind.WORKBOOK and _OPEN_DOCUMENT in content[:200]:
            raise SheetUnreadable(SheetCode.KIND, f"{name} is no Excel workbook. Save it as .xlsx, and bring that.")
        if kind is FileKind.OTHER or (kind is FileKind.TEXT and not name.lower().endswith(_NAMES_OF_TEXT)):
            code = SheetCode.WEB if "web page" in what else SheetCode.KIND
            raise SheetUnreadable(
                code, f"{name} is {what or 'neither an Excel workbook nor CSV'}. {save}, and bring that."
            )

    def _read(self, content: bytes, name: str, needed: Sequence[str], most: int) -> tuple[tuple[str, ...], list[Row]]:
        """Read it apart. Raises SheetUnreadable."""
        asked = ListAsked(
            named=name,
            settings_table="[desk]",
            columns=tuple(needed),
            sheet="",
            header_row=None,
            encoding="",
            delimiter="",
            most_unpacked=_MOST_UNPACKED,
            most_rows=most,
        )
        with self._turns, tempfile.TemporaryDirectory(prefix="sheet-") as folder:
            path = Path(folder) / "sheet"
            path.write_bytes(content)
            try:
                rows, (columns, *_counts) = read_apart(
                    reader.read_whole, path, asked, limits=_LIMITS, file=FileDescription(name, "Save it anew.")
                )
            except SourceUnavailable as error:
                raise SheetUnreadable(SheetCode.BUSY, f"{error.what}. Try again in a minute.") from error
            except SourceError as error:
                # What the settings would do about a source is no way out for who stands at the desk.
                raise SheetUnreadable(
                    _CODES.get(kind_of(content[:_HEAD])[0], SheetCode.BROKEN),
                    f"{error.what}. Open it in Excel, mend that, save it as .xlsx (另存为 .xlsx), and bring that.",
                ) from error
        return columns, rows


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
