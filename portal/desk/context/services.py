"""What stands behind the desk's pages: for each cohort the doors through which decisions go, and what reads sheets.

The pages for students and leaders never reach this room: it holds the ledger's key.
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
    #: Too many bytes; too many rows.
    LARGE = "large"
    ROWS = "rows"
    #: No list; an old workbook, a web page, XML.
    KIND = "kind"
    XLS = "xls"
    WEB = "web"
    XML = "xml"
    PASSWORD = "password"  # noqa: S105 - a reason, no secret
    #: Columns are missing; one is there twice.
    COLUMNS = "columns"
    TWICE = "twice"
    BROKEN = "broken"
    #: Nothing can be read now, whatever the sheet.
    BUSY = "busy"


class SheetUnreadable(Refused[SheetCode]):
    """A sheet that cannot be read."""


@dataclass(frozen=True, slots=True)
class SheetRead:
    """A sheet's cells as text: the columns of its header, and its rows, each with its number in the sheet."""

    columns: tuple[str, ...]
    rows: tuple[tuple[int, tuple[str | None, ...]], ...]


class ReadsSheets(Protocol):
    """Reads a sheet that somebody brought, in a process of its own. Raises SheetUnreadable."""

    def __call__(self, content: bytes, name: str, needed: Sequence[str], *, most: int | None = None) -> SheetRead:
        """Find the header by the columns that are needed, and return everything below it: at most so many rows."""
        ...


@dataclass(frozen=True, slots=True)
class DeskStores:
    """One cohort's doors."""

    #: Decisions of operators, alone and in batches.
    overrides: Overrides
    batches: Batches
    #: Reviews and certificates, of one student and of a class.
    reviews: Reviews
    register: CertificateRegister
    class_reviews: ClassReviews
    #: Classes on their way out, and their certificates: to read.
    classes: Classes
    certificates: CertificateReader


@dataclass(frozen=True, slots=True)
class DeskServices:
    """All that the desk's pages need beside the shared services; made once for each process."""

    stores: Mapping[str, DeskStores]
    uploads: Uploads
    read_sheet: ReadsSheets
    routes: tuple[BaseRoute, ...]


def desk_of(request: Request) -> DeskServices:
    """Return the desk a request came to."""
    desk: DeskServices = request.app.state.desk
    return desk
