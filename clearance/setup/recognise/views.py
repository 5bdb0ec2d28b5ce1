"""Tables and views of any office: what they are about, by their columns and the beginning of their rows."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from clearance.setup.proposal import Proposal
from clearance.setup.recognise import columns, words
from clearance.setup.recognise.masks import masked
from clearance.setup.recognise.tables import Row
from foundation.translation import tr

#: The fields of the roster, and of a source; the student first.
_ROSTER = ("student", "name", "level", "college", "class", "campus", "building", "category")
_SOURCE = (
    "student", "amount", "payable", "paid", "waived", "refunded", "status", "due", "reference", "title",
)  # fmt: skip

#: A part of the list's name, or of a column's → the step that it is about.
_ABOUT: tuple[tuple[str, str], ...] = (
    (r"宿|寝|公寓|清退|退宿|dorm|room|sushe|gongyu|(^|_)ss(_|$|ld|fj)|qtzt|tszt", "dorm"),
    (r"教材|textbook|jiaocai|(^|_)jc(_|$|f)", "textbook"),
    (r"图书|借阅|借书|读者|loan|lend|book|borrow|jieyue|barcode|题名|书名|(^|_)ts(_|$)", "library"),
    (r"收费|欠费|缴|财务|费|fee|finance|charge|tuition|sfqf|caiwu|(^|_)cw(_|$)|qf", "finance"),
)


@dataclass(frozen=True, slots=True)
class FoundList:
    """A list of rows with named columns, whatever it is read from."""

    #: Its name: of the table or view, of the file.
    name: str
    columns: tuple[str, ...]
    rows: Sequence[Row]
    #: How it is read: the connector's keys …
    connector: Mapping[str, object]
    #: … and, for a database, the query for the columns that are mapped, and for no others.
    query: Callable[[Sequence[str]], str] | None = None
    #: The number of the row that names the columns; 0 where they are not named in a row.
    header: int = 0

    def keys(self, mapped: Mapping[str, str]) -> dict[str, object]:
        """Return the connector's keys for these columns."""
        asked = {} if self.query is None else {"query": self.query(list(mapped.values()))}
        return {**self.connector, **asked}


def roster_of(found: FoundList) -> Proposal | None:
    """Return the roster that a list can be; None where a column that a roster needs is missing."""
    mapped = columns.guess(found.columns, found.rows, _ROSTER)
    if not {"student", "name", "level", "college"} <= mapped.keys():
        return None
    levels, unknown = words.sorted_into(columns.cells_of(mapped["level"], found.rows), words.LEVELS)
    doubts = [
        tr('No level is known for "{word}": add it to levels, or its students are not on the roster.', word=word)
        for word in unknown
    ]
    more: dict[str, object] = {"levels": levels or {"本科": "undergraduate", "硕士研究生": "postgraduate"}}
    if "category" in mapped:
        categories, others = words.sorted_into(columns.cells_of(mapped["category"], found.rows), words.CATEGORIES)
        if categories and not others:
            more["categories"] = categories
        else:
            doubts += [
                tr('"{word}": is a student of this category leaving? Add it to categories.', word=word)
                for word in (others or categories)
            ]
    return Proposal(
        tr("The roster, from {name}.", name=found.name),
        "roster",
        "",
        found.keys(mapped),
        mapped,
        more={**more, "cron": "30 6 * * *"},
        doubts=(*doubts, *_identity_doubts(found)),
        sample=_sample(found.rows, mapped),
    )


def source_of(found: FoundList, step: str = "", name: str = "") -> Proposal | None:
    """Return the source that a list can be; None where it has no student, or nothing that one could owe.

    A list with a state is read as states, one with amounts as a balance, and any other as things owed.
    """
    mapped = columns.guess(found.columns, found.rows, _SOURCE)
    if "student" not in mapped or not mapped.keys() & {"amount", "payable", "status", "due", "reference", "title"}:
        return None
    step = step or about(found)
    if "status" in mapped and (step == "dorm" or not mapped.keys() & {"amount", "payable"}):
        return _state(found, mapped, step or "dorm", name)
    if mapped.keys() & {"amount", "payable"}:
        return _balance(found, mapped, step or "finance", name)
    return _items(found, mapped, step or "library", name)


def about(found: FoundList) -> str:
    """Return the step that a list is about, by its name, then by its columns; empty where neither shows it."""
    for text in (found.name, *found.columns):
        for pattern, step in _ABOUT:
            if re.search(pattern, text, re.IGNORECASE):
                return step
    return ""


def _balance(found: FoundList, mapped: dict[str, str], step: str, name: str) -> Proposal:
    doubts: list[str] = []
    kept = {"student": mapped["student"]}
    if "amount" in mapped:
        # What is left to pay; parts of the sum would be subtracted once more.
        kept["amount"] = mapped["amount"]
    else:
        kept["amount"] = mapped["payable"]
        kept |= {field: mapped[field] for field in ("paid", "waived", "refunded") if field in mapped}
        if "paid" not in mapped:
            doubts.append(
                tr(
                    "{column} is what had to be paid, and no column shows what was paid: everybody would owe it. Name "
                    "the column as columns.paid.",
                    column=mapped["payable"],
                )
            )
    kept |= {field: mapped[field] for field in ("title", "reference") if field in mapped}
    more: dict[str, object] = {"obligation": {"textbook": "textbook", "library": "fine"}.get(step, "fee")}
    column = kept["amount"]
    if columns.looks_like_fen(column, columns.cells_of(column, found.rows)):
        more = {"unit": "fen", **more}
        doubts.append(
            tr(
                "The amounts in {column} look like fen (分): 123456 is 1,234.56 yuan. If they are yuan, remove "
                'unit = "fen".',
                column=column,
            )
        )
    found_as = tr("What is owed, from {name}: {column} is summed for each student.", name=found.name, column=column)
    return _source(found, kept, (found_as, name or _NAMES.get(step, step), step, "balance"), more, doubts)


def _state(found: FoundList, mapped: dict[str, str], step: str, name: str) -> Proposal:
    kept: dict[str, str] = {field: mapped[field] for field in ("student", "status", "title") if field in mapped}
    cells = columns.cells_of(mapped["status"], found.rows)
    meanings, unknown = words.sorted_into(cells, words.STATES)
    sorted_words = {
        meaning: [word for word, its in meanings.items() if its == meaning]
        for meaning in ("done", "not_done", "exempt")
        if meaning in meanings.values()
    }
    doubts = [
        tr('What does "{word}" in {column} mean? Add it to words.', word=word, column=mapped["status"])
        for word in unknown[:10]
    ]
    if digits := [word for word in meanings if word.isdigit()]:
        doubts.append(tr("{words}: the meaning of a code is a guess. Ask the office.", words=", ".join(digits)))
    more: dict[str, object] = {
        "obligation": "room" if step == "dorm" else "item",
        "words": sorted_words or {"done": ["已办理"]},
    }
    found_as = tr("States, from {name}: {column} has the office's word.", name=found.name, column=mapped["status"])
    return _source(found, kept, (found_as, name or _NAMES.get(step, step), step, "status"), more, doubts)


def _items(found: FoundList, mapped: dict[str, str], step: str, name: str) -> Proposal:
    wanted = ("student", "title", "due", "reference")
    kept: dict[str, str] = {field: mapped[field] for field in wanted if field in mapped}
    more: dict[str, object] = {"obligation": "loan" if step == "library" else "item"}
    found_as = tr("Things owed, from {name}: each row is one.", name=found.name)
    doubt = tr(
        "Each row counts as something owed. If {name} has returned things too, add a condition.", name=found.name
    )
    return _source(found, kept, (found_as, name or _NAMES.get(step, step), step, "items"), more, [doubt])


_NAMES = {"library": "loans", "finance": "fees", "dorm": "rooms", "textbook": "textbooks"}


def _source(
    found: FoundList,
    mapped: dict[str, str],
    what: tuple[str, str, str, str],
    more: dict[str, object],
    doubts: list[str],
) -> Proposal:
    found_as, name, step, means = what
    return Proposal(
        found_as,
        name,
        step,
        found.keys(mapped),
        mapped,
        means,
        more={**more, "every": "1 h"},
        doubts=(*doubts, *_identity_doubts(found)),
        sample=_sample(found.rows, mapped),
    )


def _identity_doubts(found: FoundList) -> tuple[str, ...]:
    return tuple(
        tr(
            "{name} has numbers of identity documents in {column}. Nothing reads them; have the office leave the "
            "column out.",
            name=found.name,
            column=column,
        )
        for column in columns.identity_columns(found.columns, found.rows)
    )


def _sample(rows: Sequence[Row], mapped: Mapping[str, str]) -> dict[str, str] | None:
    row = next((row for row in rows if row.get(mapped["student"]) not in (None, "")), None)
    return None if row is None else masked({field: row.get(column) for field, column in mapped.items()})
