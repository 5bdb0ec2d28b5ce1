"""Tables of steps, offices and flows."""

from typing import Annotated, Literal

from pydantic import (
    Field,
)

from config.tables.base import ShortKey, Table
from config.tables.opening_hours import OpenHours


class OfficePlace(Table):
    """Where to go, on one campus."""

    where: str
    #: Opening hours as text; made from `open` if omitted.
    hours: str = ""
    #: Opening hours from which the page computes whether the office is open now, or when next.
    open: OpenHours | None = None
    phone: str = ""
    url: str = ""


class Office(Table):
    """The office responsible for a step: its name, and a location for each campus ("*" for any other)."""

    name: str
    name_en: str = ""
    places: dict[str, OfficePlace] = {}

    def place(self, campus: str) -> OfficePlace | None:
        """Return where a student of this campus goes."""
        return self.places.get(campus) or self.places.get("*")


class Step(Table):
    """One line of a flow."""

    key: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
    #: Its stored key, if it was renamed.
    was: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")] | None = None
    title: str
    title_en: str = ""
    #: The card it is shown on; steps with the same value share one.
    card: str = ""
    office: Office
    #: Reasons that an operator can choose for a decision.
    reasons: list[Annotated[str, Field(max_length=100)]] = []
    #: Students that are exempt: each table has roster columns and the values that match; one matching table is enough.
    exempt: list[dict[str, list[str]]] = []
    #: A text for the student while the step is held or not yet done.
    advice: str = ""
    advice_en: str = ""


class FlowEntry(Table):
    """A step in a flow."""

    step: str
    kind: Literal["synced", "manual", "review"] = "synced"
    #: For a review: the steps that must count as clear before it opens; all earlier entries if omitted.
    after: list[str] | None = None


class Flow(Table):
    """The steps of a group of students, in the order shown."""

    key: ShortKey
    levels: list[ShortKey]
    #: Only students of these categories; a student has the first flow that matches.
    categories: list[str] | None = None
    entries: Annotated[list[FlowEntry], Field(min_length=1)]

    def after(self, step: str) -> tuple[str, ...]:
        """Return the steps that a review of this flow waits for."""
        earlier: list[str] = []
        for entry in self.entries:
            if entry.step == step:
                return tuple(entry.after if entry.after is not None else earlier) if entry.kind == "review" else ()
            earlier.append(entry.step)
        raise KeyError(step)
