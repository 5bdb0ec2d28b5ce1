"""How a JSON API is paged: the settings, and the parameters of each page."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from config.tables.base import Table


class NoPaging(Table):
    """One answer has everything."""

    kind: Literal["none"] = "none"


class PagePaging(Table):
    """Pages are numbered."""

    kind: Literal["page"]
    page: str = "page"
    size: str = "page_size"
    per_page: Annotated[int, Field(ge=1)] = 100
    first: int = 1
    #: The path of the number of the last page in each answer; reading then continues up to that page.
    last: str = ""


class OffsetPaging(Table):
    """A page begins after a number of records."""

    kind: Literal["offset"]
    offset: str = "offset"
    limit: str = "limit"
    per_page: Annotated[int, Field(ge=1)] = 100


class LinkPaging(Table):
    """Each answer's Link header names the next page (RFC 8288)."""

    kind: Literal["link"]
    #: Whether the system guarantees that a page continues from a record, and not from a position.
    steady: bool = False
    #: The parameter for the size of a page; left out, the system chooses.
    size: str = ""
    per_page: Annotated[int, Field(ge=1)] = 100


class CursorPaging(Table):
    """Each answer has a cursor for the next page; the last answer has none."""

    kind: Literal["cursor"]
    #: Whether the system guarantees that a page continues from a record, and not from a position.
    steady: bool = False
    #: The parameter that the cursor is sent as.
    cursor: str = "cursor"
    #: The path of the cursor in the answer.
    next: str = "next"
    size: str = ""
    per_page: Annotated[int, Field(ge=1)] = 100


class KeyPaging(Table):
    """A page begins after a record's key, so that no record is missed when others change; the last page is empty."""

    kind: Literal["key"]
    #: The parameter that the last record's key is sent as …
    after: str = "after"
    #: … and its form, with {key} for the key and {student} for the number, where one student is asked about.
    expression: str = "{key}"
    #: What a total counts: all records, or the records after the key.
    counts: Literal["all", "rest"] = "all"
    #: The path of the key in a record; records are sorted by it.
    key: str = "id"
    size: str = ""
    per_page: Annotated[int, Field(ge=1)] = 100


Paging = Annotated[
    NoPaging | PagePaging | OffsetPaging | LinkPaging | CursorPaging | KeyPaging, Field(discriminator="kind")
]


def first_page(paging: Paging, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of the first page."""
    match paging:
        case PagePaging(page=page, size=size, per_page=per_page, first=first):
            return {**params, page: first} | ({size: per_page} if size else {})
        case OffsetPaging(offset=offset, limit=limit, per_page=per_page):
            return {**params, offset: 0, limit: per_page}
        case (
            LinkPaging(size=size, per_page=per_page)
            | CursorPaging(size=size, per_page=per_page)
            | KeyPaging(size=size, per_page=per_page)
        ) if size:
            return {**params, size: per_page}
        case _:
            return dict(params)


def after(paging: KeyPaging, key: object, student: str | None) -> dict[str, Any]:
    """Return the parameter for the records after a key."""
    if paging.expression == "{key}":
        return {paging.after: key}
    words = {"{key}": str(key), "{student}": student or ""}
    return {paging.after: re.sub(r"\{key\}|\{student\}", lambda found: words[found[0]], paging.expression)}


def may_slip(paging: Paging) -> bool:
    """Return whether a record can move to another page, and be missed, while others are added or removed."""
    match paging:
        case KeyPaging() | LinkPaging(steady=True) | CursorPaging(steady=True):
            return False
        case _:
            return True
