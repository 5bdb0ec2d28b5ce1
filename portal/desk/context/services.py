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

    EMPTY = "empty"
    #: Too many bytes, or too many rows.
    LARGE = "large"
    ROWS = "rows"
    #: Not a table: an old workbook, a web page or XML.
    KIND = "kind"
    XLS = "xls"
    WEB = "web"
    XML = "xml"
    PASSWORD = "password"  # noqa: S105 - a reason, no secret
    #: Missing columns, or a duplicate column.
    COLUMNS = "columns"
    TWICE = "twice"
    BROKEN = "broken"
    #: No sheet can be read at the moment.
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
