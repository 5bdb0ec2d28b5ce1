"""Tables of steps, offices and flows."""

from typing import Annotated, Literal

from pydantic import (
    Field,
)

from config.tables.base import ShortKey, Table
from config.tables.opening_hours import OpenHours


class OfficePlace(Table):
    """Where to go, on one campus."""

    #: The building and the room.
    where: str
    #: The same in English.
    where_en: str = ""
    #: Opening hours as a text of your own. By default written out from `open`.
    hours: str = ""
    #: The same in English.
    hours_en: str = ""
    #: Opening hours, from which the page shows whether the office is open now, or when it opens next.
    open: OpenHours | None = None
    #: The telephone number.
    phone: str = ""
    #: A web page of the office.
    url: str = ""


class Office(Table):
    """The office responsible for a step: its name, and a location for each campus ("*" for any other)."""

    #: The name of the office.
    name: str
    #: The name of the office, in English.
    name_en: str = ""
    #: Campus → where to go; `"*"` for any other campus.
    places: dict[str, OfficePlace] = {}

    def place(self, campus: str) -> OfficePlace | None:
        """Return where a student of this campus goes."""
        return self.places.get(campus) or self.places.get("*")


class Step(Table):
    """One line of a flow."""

    #: Identifies the step, such as `"library"`: lower-case letters, digits, `_`.
    key: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
    #: Its former key, when you rename it; decisions and history are kept. See
    #: [running.md](running.md#change-the-settings-in-a-season).
    was: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")] | None = None
    #: The name on the pages.
    title: str
    #: The name on the pages, in English.
    title_en: str = ""
    #: Steps with the same word share one card on the student's page. By default a step has its own.
    card: str = ""
    #: The office responsible for the step.
    office: Office
    #: The reasons that an operator can choose for a decision. By default any text.
    reasons: list[Annotated[str, Field(max_length=100)]] = []
    #: Roster columns and values that make a student exempt, such as `[{ building = ["校外走读"] }]`. One matching
    #: table is enough.
    exempt: list[dict[str, list[str]]] = []
    #: What the student should do while the step is open.
    advice: str = ""
    #: The same advice, in English.
    advice_en: str = ""


class FlowEntry(Table):
    """A step in a flow."""

    #: The key of a step.
    step: str
    #: `"synced"`: sources decide. `"manual"`: only an operator decides. `"review"`: opens when the steps in `after`
    #: count as clear.
    kind: Literal["synced", "manual", "review"] = "synced"
    #: For a review: the steps that must count as clear before it opens. By default all earlier ones.
    after: list[str] | None = None


class Flow(Table):
    """The steps of a group of students, in the order shown."""

    #: Identifies the flow.
    key: ShortKey
    #: The levels of the students that have this flow.
    levels: list[ShortKey]
    #: Only students of these categories have this flow. A student has the first flow that matches. By default all
    #: categories.
    categories: list[str] | None = None
    #: The steps in the order shown.
    entries: Annotated[list[FlowEntry], Field(min_length=1)]

    def after(self, step: str) -> tuple[str, ...]:
        """Return the steps that a review of this flow waits for."""
        earlier: list[str] = []
        for entry in self.entries:
            if entry.step == step:
                return tuple(entry.after if entry.after is not None else earlier) if entry.kind == "review" else ()
            earlier.append(entry.step)
        raise KeyError(step)
