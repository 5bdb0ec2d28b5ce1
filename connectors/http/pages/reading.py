"""One reading of a JSON API's pages, and the exceptions that end it early."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from connectors.port import Cell


class UnknownStudent(Exception):  # noqa: N818 - named by its cause
    """The system does not know the student."""


class PagesMoved(Exception):  # noqa: N818 - named by its cause
    """The data changed while the pages were read: read them again."""


class Doubled(PagesMoved):
    """A duplicate record or page, which also happens when paging is wrong."""


@dataclass(frozen=True, slots=True)
class PageQuestion:
    """A question for all records, or for those of one student."""

    url: str
    params: Mapping[str, Any]
    student: str | None = None


@dataclass(frozen=True, slots=True)
class TaggedPage:
    """One request of a reading, and the ETag of its answer."""

    url: str
    params: Mapping[str, Any]
    tag: str


@dataclass(slots=True)
class Reading:
    """The pages that have been read."""

    #: The number that was asked about; None for all records.
    student: str | None = None
    rows: list[tuple[Cell, ...]] = field(default_factory=list)
    pages: int = 0
    total: int | None = None
    #: The number of the last page, where the system reports it.
    last: int | None = None
    #: How many records the first page has, and which page has fewer.
    size: int = 0
    short: int = 0
    #: The page of each page's records, and of each record; by hash, to save memory.
    seen_pages: dict[int, int] = field(default_factory=dict)
    seen: dict[int, int] = field(default_factory=dict)
    #: The keys, where a page begins after a key.
    keys: set[object] = field(default_factory=set)
    last_key: object = None
    #: Places of letters that could not be read.
    broken: list[str] = field(default_factory=list)
    #: The longest time of an answer in a cache, in seconds.
    oldest: float = 0.0
    #: Each request, with the ETag of its answer.
    tagged: list[TaggedPage] = field(default_factory=list)
