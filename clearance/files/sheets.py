"""Sheets uploaded at the desk: their kind, and their cells as text, read in a separate process."""

import tempfile
import threading
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from pathlib import Path

from clearance.output.code_words import joined
from config.tables.desk import Desk
from connectors.files import reader
from connectors.files.reader import FileKind, kind_of
from connectors.files.sandbox import FileDescription, Row, SandboxLimits, read_apart
from connectors.files.tables.table import ListAsked
from connectors.port import Cell, SourceError, SourceUnavailable
from foundation.translation import tr
from portal.desk.context.services import SheetCode, SheetRead, SheetUnreadable

#: Limits for reading one sheet.
_LIMITS = SandboxLimits(memory=512_000_000, longest=timedelta(minutes=1), settings_table="[desk]")
_MOST_UNPACKED = 300_000_000

#: The number of sheets that are read at a time; the next one waits.
_AT_A_TIME = 2

_NAMES_OF_TEXT = (".csv", ".tsv", ".txt", ".xls")
#: Error codes of kinds that cannot be read; other kinds are broken files.
_CODES = {FileKind.OLD_WORKBOOK: SheetCode.XLS, FileKind.WEB_PAGE: SheetCode.WEB, FileKind.XML: SheetCode.XML}
#: The first bytes of a file, which show its kind.
_HEAD = 4_096
#: The first bytes of a web page that is saved with its pictures as one file (.mht).
_WEB_ARCHIVE = b"mime-version:"
#: A workbook with a password has the format of an old one, and contains this text.
_LOCKED = "EncryptedPackage".encode("utf-16-le")
#: The first entry of an OpenDocument file, uncompressed.
_OPEN_DOCUMENT = b"mimetypeapplication/vnd.oasis.opendocument"

#: Excel keeps this many digits of a number, and writes zeros for the rest.
_KEPT_DIGITS = 15


class Sheets:
    """A reader of sheets within the desk's limits. It finds the kind of a file by its content, not by its name."""

    def __init__(self, limits: Desk) -> None:
        self._limits = limits
        self._turns = threading.BoundedSemaphore(_AT_A_TIME)

    def __call__(self, content: bytes, name: str, needed: Sequence[str], *, most: int | None = None) -> SheetRead:
        """Find the header by the needed columns, the student's first; return the rows below it.

        `most` replaces the limit of rows for a sheet of results. Whole numbers keep every digit of the file, and days
        are ISO 8601. Raises SheetUnreadable.
        """
        self._refuse_unsupported(content, name)
        most = most or self._limits.most_rows
        columns, rows = self._read_separately(content, name, needed, most)
        if not columns:
            raise SheetUnreadable(
                SheetCode.COLUMNS,
                tr(
                    "{name} has no row with the columns {columns}. Use the template, and keep its header.",
                    name=name,
                    columns=joined(needed),
                ),
            )
        if not rows:
            raise SheetUnreadable(
                SheetCode.EMPTY, tr("{name} has no rows below its header. Fill it in and save it first.", name=name)
            )
        if len(rows) > most:
            raise SheetUnreadable(
                SheetCode.ROWS,
                tr(
                    "{name} has more than {most} rows. Split it, or increase most_rows in [desk] of the settings.",
                    name=name,
                    most=most,
                ),
            )
        return SheetRead(columns, tuple((int(str(row[0])), tuple(map(_cell_text, row[1:]))) for row in rows))

    def _refuse_unsupported(self, content: bytes, name: str) -> None:
        """Refuse files that cannot be a list, each by its own code. Raises SheetUnreadable."""
        if not content.strip():
            raise SheetUnreadable(SheetCode.EMPTY, tr("{name} is empty. Fill it in and save it first.", name=name))
        if len(content) > self._limits.most_bytes:
            raise SheetUnreadable(
                SheetCode.LARGE,
                tr(
                    "{name} has {bytes} bytes, more than {most}. Remove pictures and unneeded columns, or increase "
                    "most_bytes in [desk] of the settings.",
                    name=name,
                    bytes=len(content),
                    most=self._limits.most_bytes,
                ),
            )
        kind, what = kind_of(content[:_HEAD])
        if kind is FileKind.OLD_WORKBOOK and _LOCKED in content:
            raise SheetUnreadable(
                SheetCode.PASSWORD, tr("{name} has a password. Save it without one, and upload that.", name=name)
            )
        if kind is FileKind.WORKBOOK and _OPEN_DOCUMENT in content[:200]:
            raise SheetUnreadable(
                SheetCode.KIND, tr("{name} is not an Excel workbook. Save it as .xlsx, and upload that.", name=name)
            )
        if kind is FileKind.OTHER or (kind is FileKind.TEXT and not name.lower().endswith(_NAMES_OF_TEXT)):
            code = SheetCode.WEB if content[:_HEAD].lower().startswith(_WEB_ARCHIVE) else SheetCode.KIND
            what = what or tr("neither an Excel workbook nor CSV")
            raise SheetUnreadable(
                code,
                tr(
                    "{name} is {what}. Open it in Excel and save it as .xlsx (另存为 .xlsx), and upload that.",
                    name=name,
                    what=what,
                ),
            )

    def _read_separately(
        self, content: bytes, name: str, needed: Sequence[str], most: int
    ) -> tuple[tuple[str, ...], list[Row]]:
        """Read the sheet in a separate process. Raises SheetUnreadable."""
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
                    reader.read_whole, path, asked, limits=_LIMITS, file=FileDescription(name, "Save it again.")
                )
            except SourceUnavailable as error:
                raise SheetUnreadable(SheetCode.BUSY, tr("{what}. Try again in a minute.", what=error.what)) from error
            except SourceError as error:
                # The fix for a source's settings does not help a user of the desk.
                raise SheetUnreadable(
                    _CODES.get(kind_of(content[:_HEAD])[0], SheetCode.BROKEN),
                    tr(
                        "{what}. Open it in Excel, fix that, save it as .xlsx (另存为 .xlsx), and upload that.",
                        what=error.what,
                    ),
                ) from error
        return columns, rows


def _cell_text(cell: Cell) -> str | None:
    """Return a cell as a person would type it; None for an empty cell."""
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
    # Every kind of blank becomes a space, and invisible characters are removed. Line breaks stay.
    text = "".join(c if c.isprintable() or c == "\n" else " " if c.isspace() else "" for c in str(cell))
    return text.strip() or None
