"""The filters and pages of lists, as their addresses contain them: states, roster columns, and the next row."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlencode

from portal.access.reader_context import COLUMNS, NONE, ReaderContext
from portal.page.context import Context
from status_db.effective.visible import Visibility
from status_db.model import State
from status_db.queries.lists import Filter, Lists, ListSelection, Order

#: With more values than this, the field is a text field instead of a choice.
_CHOICES = 200

#: The prefix of a state in an address: some states have the same name as other words.
_STATE = "state-"


@dataclass(frozen=True, slots=True)
class Field:
    """One filter of the form: a choice, or a text field if there are too many values."""

    name: str
    title: str
    value: str
    #: Values and their labels; empty for a text field.
    choices: tuple[tuple[str, str], ...]


def wanted(word: str, offered: Container[str], otherwise: ListSelection | State) -> ListSelection | State:
    """Return the selection that a word of the address means: one of those offered, or a state."""
    state = word.removeprefix(_STATE)
    if word.startswith(_STATE) and state in set(State):
        return State(state)
    return ListSelection(word) if word in set(ListSelection) and word in offered else otherwise


def wanted_word(chosen: ListSelection | State) -> str:
    """Return the word for a selection in an address."""
    return f"{_STATE}{chosen}" if isinstance(chosen, State) else chosen.value


def columns(context: Context) -> dict[str, str]:
    """Return roster column → value, as the address filters by them."""
    values = {name: context.asked(name) for name in COLUMNS}
    return {name: "" if value == NONE else value for name, value in values.items() if value}


def in_address(chosen: Mapping[str, str]) -> dict[str, str]:
    """Return these columns as arguments of `ReaderContext.address`."""
    return {f"{name}_" if name == "class" else name: value or NONE for name, value in chosen.items()}


def fields(reader: ReaderContext, visibility: Visibility, lists: Lists, chosen: Filter) -> list[Field]:
    """Return the fields of the form. A column with a single value is left out, except college and class."""
    found: list[Field] = []
    for name, title in COLUMNS.items():
        within = {"college": chosen.columns["college"]} if name == "class" and "college" in chosen.columns else {}
        values = lists.choices(visibility, name, within, _CHOICES)
        value = chosen.columns.get(name)
        shown = NONE if value == "" else value or ""
        known = [*values, *([shown] if shown and shown not in values else [])] if values else []
        choices = tuple((one, reader.word(name, one)) for one in known)
        if len(values) > 1 or shown or name in ("college", "class"):
            found.append(Field(name, reader.language.gettext(title), shown, choices))
    return found


def key(context: Context, name: str, chosen: Filter) -> list[str] | None:
    """Return the key of the row where the page begins; None for the first page."""
    parts = context.request.query_params.getlist(name)
    wanted_parts = {Order.CLASS: 3, Order.NUMBER: 1, Order.NAME: 2, Order.SINCE: 2}[chosen.order]
    if len(parts) != wanted_parts or not all(part.isprintable() for part in parts):
        return None
    return parts if chosen.order is not Order.SINCE or _is_moment(parts[0]) else None


def turned(address: str, name: str, at: Sequence[str]) -> str:
    """Return the address of the list's page before or after a row."""
    return f"{address}{'&' if '?' in address else '?'}{urlencode([(name, part) for part in at])}"


def _is_moment(text: str) -> bool:
    try:
        moment = datetime.fromisoformat(text)
        return moment.tzinfo is not None and moment.astimezone(UTC) == moment
    except (ValueError, OverflowError):
        return False
