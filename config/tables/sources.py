"""Tables of the roster and the sources: what is asked, and when."""

from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    Field,
    SkipValidation,
)

from config.tables.base import CronLine, ShortKey, Span, Table, Words, Zone
from config.tables.secrets import unusable_in


def _student_first(columns: dict[str, str]) -> dict[str, str]:
    """Put the student first, where every row is known by: a file may name the columns in any order."""
    return {"student": columns["student"], **columns} if "student" in columns else columns


class Guard(Table):
    """When a change is held back for a person to look at: percent and count, both must be passed."""

    #: Rows about roster students fall by more than both, against the median of the last five good pulls …
    rows_fall_percent: Decimal = Decimal(30)
    rows_fall_count: int = 10
    #: … or are all gone, where there were so many or more.
    no_rows_after: int = 5
    #: held → cleared: more than the larger of the count and this part of those it now holds.
    clear_count: int = 20
    clear_percent: Decimal = Decimal(10)
    #: cleared → held, likewise, of those it now clears.
    hold_count: int = 50
    hold_percent: Decimal = Decimal(10)
    #: known → unknown, likewise, of all about whom it says anything now.
    unknown_count: int = 50
    unknown_percent: Decimal = Decimal(10)
    #: The same limits for the sum since the last approval or 24 hours.
    sum_percent: Decimal = Decimal(30)
    #: After so long without a good pull, the limit of the sum alone applies to what moves at once.
    night: Span = timedelta(hours=12)
    #: So many held, or more, are never all released by one answer.
    all_of: int = 5
    #: Of so many held students who share a college, campus, building or branch, at least this part are released at
    #: once, at so many times the share of everybody else, or more.
    group_count: int = 10
    group_percent: Decimal = Decimal(80)
    group_times: Decimal = Decimal(3)
    #: The share of rows with a match hint, without an amount or unreadable grows by these points and by so many rows.
    quality_points: Decimal = Decimal(5)
    quality_rows: int = 20
    #: A suspended run is approved only after the office itself has said that it is plausible …
    office_first: bool = False
    #: … and only by two different people.
    two_approve: bool = False

    def limits(self) -> dict[str, Any]:
        """Return what a change is compared with, by its key."""
        return self.model_dump(exclude={"office_first", "two_approve"})


class Asked(Table):
    """What a source and the roster share: a connector, its columns, and when to ask."""

    connector: str
    columns: Annotated[Words, AfterValidator(_student_first)]
    every: Span | None = None
    cron: CronLine | None = None
    #: How long an answer counts as fresh; by default the longer of 4 h and three times the schedule's longest gap.
    fresh_for: Span | None = None
    timezone: Zone | None = None
    guard: Guard = Guard()

    #: The connector's own keys, as its schema read them; they stand beside the others in the file.
    own: SkipValidation[Any]
    #: How the file calls its table.
    table: SkipValidation[str] = ""
    #: Why it cannot be asked by this process: an address that is not set, a module that is not there. Its `own` then
    #: holds placeholders, or nothing.
    unread: SkipValidation[tuple[str, ...]] = ()
    #: Its own key `path` as it is written, where it starts at the settings' folder.
    path_as_written: SkipValidation[str] = ""

    @property
    def unusable(self) -> tuple[str, ...]:
        """Why it cannot be asked by this process as it is now: what could not be read, and each secret's reason."""
        return (*self.unread, *dict.fromkeys(f"[{self.table}] {key}: {why}" for key, why in unusable_in(self.own)))

    @property
    def weaker_connection(self) -> tuple[str, ...]:
        """In which way the settings let the connection be weaker than usual, each with what to ask the office for."""
        return tuple(getattr(self.own, "weaker_connection", ()))


class Roster(Asked):
    """Who leaves: the registrar's list, asked like a source."""

    #: The registrar's word for a level → ours.
    levels: Words
    #: The registrar's word for a category → "leaving", or "staying" for who is not on this year's list.
    categories: dict[str, Literal["leaving", "staying"]] = {}
    #: Roster fields that hold another number of the same student, such as a card or a former number.
    aliases: list[ShortKey] = []


class Source(Asked):
    """One question to one office system."""

    step: str
    #: The name under which it was stored so far, where it was renamed.
    was: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")] | None = None
    title: str = ""
    title_en: str = ""
    means: Literal["items", "balance", "status"]
    absent: Literal["cleared", "unknown", "held"] | None = None
    #: What kind of thing a row is: loan, fine, fee, textbook, room …
    obligation: str = "item"
    #: A title for rows that bring none.
    item_title: str = ""
    #: Sums up to this are let go, in yuan.
    tolerance: Annotated[Decimal, Field(ge=0)] = Decimal(0)
    #: What amounts are counted in.
    unit: Literal["yuan", "fen"] = "yuan"
    #: For `status`: the office's words.
    words: dict[Literal["done", "not_done", "exempt"], list[str]] = {}
    #: "student": it sends students' own numbers only, never a card, so that no key can be another's card.
    keys: Literal["any", "student"] = "any"
    #: What a row without a number is: a reason to refuse the answer, a row about whom the row above is, or nothing.
    nameless: Literal["refuse", "above", "ignore"] = "refuse"
    #: A reference names one thing only, so that a row that repeats another is that row again.
    unique_reference: bool = False
    #: How dates are written whose year stands behind: 30/05/2019 is "dmy".
    date_order: Literal["ymd", "dmy", "mdy"] = "ymd"
    #: "suspend" has a person look at the first answer before it counts; "apply" does not.
    first: Literal["suspend", "apply"] = "suspend"
    #: Where the source tells a fingerprint: so often its answer is read whole all the same.
    full_every: Span = timedelta(days=1)
    #: The column, or for a database the query, that gives the moment up to which the source's data reach.
    as_of: str = ""

    @property
    def as_of_is_query(self) -> bool:
        """Whether `as_of` is a query, and not a column of the answer."""
        return self.as_of.split(maxsplit=1)[0].upper() in ("SELECT", "WITH") if self.as_of.strip() else False

    @property
    def weaker_proofs(self) -> tuple[str, ...]:
        """What the settings accept, by name, in place of a total; each run and the sources' page show it."""
        return tuple(name for name in getattr(self.own, "proofs", ()) if name != "total")

    @property
    def absent_means(self) -> str:
        """What no row means."""
        return self.absent or ("unknown" if self.means == "status" else "cleared")
