"""A JSON answer: where its list of records is, where its total, how it shows success, and how it can page."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from connectors.http.records import paths, value_at

#: Names of totals, without `_` and in lower case; an earlier one is preferred.
_TOTALS = (
    "total", "totalrecords", "totalcount", "totalrecordcount", "totalelements", "totalnum", "totalrows", "recordstotal",
    "rowcount", "count", "zs", "totalpage",
)[:-1]  # fmt: skip

TOTAL_HEADERS = ("X-Total-Count", "Total-Count", "X-Total")

#: What numbered pages are called in requests: the number, the size.
PAGE_NAMES = (
    ("page", "page_size"), ("page", "per_page"), ("page", "size"), ("page", "limit"), ("page", "rows"),
    ("pageNum", "pageSize"), ("pageNo", "pageSize"), ("pageIndex", "pageSize"), ("page", "pageSize"),
    ("current", "size"), ("curPage", "pageSize"),
)  # fmt: skip

OFFSET_NAMES = (("offset", "limit"), ("start", "limit"), ("skip", "take"))

#: The depth to which an answer is searched.
_DEEPEST = 4


@dataclass(frozen=True, slots=True)
class FoundRecords:
    """The records of an answer."""

    #: The path of the list; empty where the answer itself is the list.
    path: str
    records: tuple[Mapping[str, object], ...]
    #: The path of the total, and its value; empty and None without one.
    total_path: str = ""
    total: int | None = None
    #: The path and the value that show success; empty without one.
    ok_path: str = ""
    ok_value: object = None

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the dotted paths of the values in the records."""
        return tuple(dict.fromkeys(path for record in self.records for path in paths(record)))

    def rows(self) -> list[dict[str, object]]:
        """Return the records as flat rows, by path."""
        return [{path: value_at(record, path) for path in paths(record)} for record in self.records]


def records_in(body: object) -> FoundRecords | None:
    """Return the records of an answer: the longest list of objects in it; None where there is no such list."""
    lists = list(_lists(body, "", 0))
    if not lists:
        return None
    path, records = max(lists, key=lambda each: len(each[1]))
    ok_path, ok_value = _ok(body)
    totals = sorted(_totals(body, "", 0), key=lambda each: each[0])
    # A total is never smaller than what arrived.
    fitting = [(where, value) for _, where, value in totals if value >= len(records)]
    total_path, total = fitting[0] if fitting else ("", None)
    return FoundRecords(path, tuple(records), total_path, total, ok_path, ok_value)


def _lists(body: object, path: str, depth: int) -> Iterator[tuple[str, Sequence[Mapping[str, object]]]]:
    if isinstance(body, list):
        if all(isinstance(each, dict) for each in body):
            yield path, body
    elif isinstance(body, dict) and depth < _DEEPEST:
        for name, value in body.items():
            yield from _lists(value, f"{path}.{name}".lstrip("."), depth + 1)


def _totals(body: object, path: str, depth: int) -> Iterator[tuple[int, str, int]]:
    if not isinstance(body, dict) or depth >= _DEEPEST:
        return
    for name, value in body.items():
        where = f"{path}.{name}".lstrip(".")
        plain = name.replace("_", "").casefold()
        if plain in _TOTALS and isinstance(value, int | str) and not isinstance(value, bool) and str(value).isdigit():
            yield _TOTALS.index(plain), where, int(value)
        yield from _totals(value, where, depth + 1)


def _ok(body: object) -> tuple[str, object]:
    if isinstance(body, dict):
        for name in ("code", "errcode", "success", "status", "ret"):
            value = next((each for key, each in body.items() if key.casefold() == name), None)
            key = next((key for key in body if key.casefold() == name), "")
            if isinstance(value, bool | int | str) and str(value) != "":
                return key, value
    return "", None
