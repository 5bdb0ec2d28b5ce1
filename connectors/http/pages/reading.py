"""What has been read of a JSON API's pages, and what can end a reading early."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from connectors.port import Cell


class UnknownStudent(Exception):  # noqa: N818 - named by what was said
    """The system says that it does not know the student."""


class PagesMoved(Exception):  # noqa: N818 - named by what has happened
    """The data moved while the pages were read: read them again."""


class Doubled(PagesMoved):
    """The same came twice, which also happens when paging is set wrongly."""


@dataclass(frozen=True, slots=True)
class PageQuestion:
    """What is asked: for everybody's records, or for those of one student."""

    url: str
    params: Mapping[str, Any]
    student: str | None = None


@dataclass(frozen=True, slots=True)
class TaggedPage:
    """One question of a reading, and the ETag that its answer had."""

    url: str
    params: Mapping[str, Any]
    tag: str


@dataclass(slots=True)
class Reading:
    """What has been read so far."""

    #: The number that was asked about, if it was one.
    student: str | None = None
    rows: list[tuple[Cell, ...]] = field(default_factory=list)
    pages: int = 0
    total: int | None = None
    #: The number of the last page, where the system tells it.
    last: int | None = None
    #: How many records the first page held, and which page held fewer.
    size: int = 0
    short: int = 0
    #: Which page each page's records, and each record that can be told apart, came on; by hash, to be small.
    seen_pages: dict[int, int] = field(default_factory=dict)
    seen: dict[int, int] = field(default_factory=dict)
    #: The keys that came, where a page begins after a key.
    keys: set[object] = field(default_factory=set)
    last_key: object = None
    #: Places of letters that could not be read.
    broken: list[str] = field(default_factory=list)
    #: For how many seconds an answer has been in a cache, at most.
    oldest: float = 0.0
    #: Each question, with the ETag of its answer.
    tagged: list[TaggedPage] = field(default_factory=list)
