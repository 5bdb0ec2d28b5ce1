"""The services of the desk's pages: the stores of each cohort, and the reader of uploaded sheets.

Pages for students and leaders never have access to them, because they contain the ledger's key.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from starlette.requests import Request
from starlette.routing import BaseRoute

from foundation.refusals import Refused
from status_db.decisions.batches import Batches
from status_db.decisions.certificates import CertificateRegister
from status_db.decisions.class_review import ClassReviews
from status_db.decisions.overrides import Overrides
from status_db.decisions.reviews import Reviews
from status_db.inbox.uploads import Uploads
from status_db.queries.certificates import CertificateReader
from status_db.queries.classes import Classes


class SheetCode(StrEnum):
    """Why a sheet cannot be read."""

    #: The sheet has no rows.
    EMPTY = "empty"
    #: The file has too many bytes.
    LARGE = "large"
    #: The sheet has too many rows.
    ROWS = "rows"
    #: The file is not a table.
    KIND = "kind"
    #: The file is a workbook in the old format of Excel.
    XLS = "xls"
    #: The file is a web page.
    WEB = "web"
    #: The file is XML.
    XML = "xml"
    #: The workbook is protected by a password.
    PASSWORD = "password"  # noqa: S105 - a reason, no secret
    #: Required columns are missing.
    COLUMNS = "columns"
    #: A column appears more than once.
    TWICE = "twice"
    #: The file is damaged.
    BROKEN = "broken"
    #: Too many sheets are being read. Try again later.
    BUSY = "busy"


class SheetUnreadable(Refused[SheetCode]):
    """A sheet that cannot be read."""


@dataclass(frozen=True, slots=True)
class SheetRead:
    """A sheet's cells as text: the columns of its header, and its rows with their numbers in the sheet."""

    columns: tuple[str, ...]
    rows: tuple[tuple[int, tuple[str | None, ...]], ...]


class ReadsSheets(Protocol):
    """Reads an uploaded sheet in a separate process. Raises SheetUnreadable."""

    def __call__(self, content: bytes, name: str, needed: Sequence[str], *, most: int | None = None) -> SheetRead:
        """Find the header by the `needed` columns and return the rows below it, at most `most`."""
        ...


@dataclass(frozen=True, slots=True)
class DeskStores:
    """One cohort's stores."""

    #: Decisions of operators, single and in batches.
    overrides: Overrides
    batches: Batches
    #: Reviews and certificates, of one student and of a class.
    reviews: Reviews
    register: CertificateRegister
    class_reviews: ClassReviews
    #: Read only: classes and their certificates.
    classes: Classes
    certificates: CertificateReader


@dataclass(frozen=True, slots=True)
class DeskServices:
    """What the desk's pages need besides the shared services. Made once in each process."""

    stores: Mapping[str, DeskStores]
    uploads: Uploads
    read_sheet: ReadsSheets
    routes: tuple[BaseRoute, ...]


def desk_of(request: Request) -> DeskServices:
    """Return the desk services of a request's application."""
    desk: DeskServices = request.app.state.desk
    return desk
