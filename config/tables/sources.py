"""Tables of the roster and the sources: what to ask, and when."""

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
from foundation.translation import tr


def _student_first(columns: dict[str, str]) -> dict[str, str]:
    """Put the student column first, because rows are identified by it; a file can name columns in any order."""
    return {"student": columns["student"], **columns} if "student" in columns else columns


class Guard(Table):
    """Limits above which a change is suspended until a person approves it."""

    #: Rows about roster students fall by more than both, compared with the median of the last five good pulls …
    rows_fall_percent: Decimal = Decimal(30)
    rows_fall_count: int = 10
    #: … or none are left, if there were at least this many.
    no_rows_after: int = 5
    #: held → cleared: more than the larger of the count and this percentage of the held students.
    clear_count: int = 20
    clear_percent: Decimal = Decimal(10)
    #: cleared → held: likewise, of the cleared students.
    hold_count: int = 50
    hold_percent: Decimal = Decimal(10)
    #: known → unknown: likewise, of the students whose verdict is known.
    unknown_count: int = 50
    unknown_percent: Decimal = Decimal(10)
    #: The same limits for the sum of changes since the last approval or in 24 hours.
    sum_percent: Decimal = Decimal(30)
    #: After this time without a good pull, only the limit of the sum applies.
    night: Span = timedelta(hours=12)
    #: One answer never releases all held students if there are at least this many.
    all_of: int = 5
    #: A group of at least this many held students with the same college, campus, building or branch: at least this
    #: percentage is released at once, and at least this many times the share of all other students.
    group_count: int = 10
    group_percent: Decimal = Decimal(80)
    group_times: Decimal = Decimal(3)
    #: The share of rows with a match hint, without an amount or unreadable grows by these points and this many rows.
    quality_points: Decimal = Decimal(5)
    quality_rows: int = 20
    #: A suspended run can be approved only after the office has confirmed it …
    office_first: bool = False
    #: … and only by two different people.
    two_approve: bool = False

    def limits(self) -> dict[str, Any]:
        """Return the limits by key."""
        return self.model_dump(exclude={"office_first", "two_approve"})


class Asked(Table):
    """Keys that a source and the roster share: a connector, its columns, and when to ask."""

    connector: str
    columns: Annotated[Words, AfterValidator(_student_first)]
    every: Span | None = None
    cron: CronLine | None = None
    #: How long an answer counts as fresh; by default 4 h or three times the schedule's longest gap, if that is longer.
    fresh_for: Span | None = None
    timezone: Zone | None = None
    guard: Guard = Guard()

    #: The connector's own keys, parsed by its schema; in the file they are in the same table.
    own: SkipValidation[Any]
    #: The name of its table in the file.
    table: SkipValidation[str] = ""
    #: Why this process cannot ask it: an address that is not set, a module that is not installed. `own` then contains
    #: placeholders, or is None.
    unread: SkipValidation[tuple[str, ...]] = ()
    #: The connector's key `path` as written, if it is relative to the settings' folder.
    path_as_written: SkipValidation[str] = ""

    @property
    def unusable(self) -> tuple[str, ...]:
        """Why this process cannot ask it now: keys and secrets that could not be read, each with the reason."""
        return (
            *self.unread,
            *dict.fromkeys(
                tr("{place}: {why}", place=f"[{self.table}] {key}", why=why) for key, why in unusable_in(self.own)
            ),
        )

    @property
    def weaker_connection(self) -> tuple[str, ...]:
        """How the settings make the connection weaker than the default, each with what to ask the office for."""
        return tuple(getattr(self.own, "weaker_connection", ()))


class Roster(Asked):
    """The registrar's list of leaving students, asked like a source."""

    #: The registrar's word for a level → the level in this file.
    levels: Words
    #: The registrar's word for a category → "leaving", or "staying" for students that are not on this year's list.
    categories: dict[str, Literal["leaving", "staying"]] = {}
    #: Roster fields with another number of the same student, such as a card number or a former number.
    aliases: list[ShortKey] = []


class Source(Asked):
    """One question to one office system."""

    step: str
    #: Its stored name, if it was renamed.
    was: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")] | None = None
    title: str = ""
    title_en: str = ""
    means: Literal["items", "balance", "status"]
    absent: Literal["cleared", "unknown", "held"] | None = None
    #: The kind of each row: loan, fine, fee, textbook, room …
    obligation: str = "item"
    #: The title of rows without a title.
    item_title: str = ""
    #: Sums up to this amount in yuan do not hold a student.
    tolerance: Annotated[Decimal, Field(ge=0)] = Decimal(0)
    #: The unit of amounts.
    unit: Literal["yuan", "fen"] = "yuan"
    #: For `status`: the office's words.
    words: dict[Literal["done", "not_done", "exempt"], list[str]] = {}
    #: "student": the source sends only student numbers, never card numbers, so no key can be another student's card.
    keys: Literal["any", "student"] = "any"
    #: A row without a number: "refuse" the answer, use the number of the row "above", or "ignore" the row.
    nameless: Literal["refuse", "above", "ignore"] = "refuse"
    #: A reference is unique, so a row with the same reference as another is a repetition.
    unique_reference: bool = False
    #: The order of dates that do not begin with the year: 30/05/2019 is "dmy".
    date_order: Literal["ymd", "dmy", "mdy"] = "ymd"
    #: "suspend": a person approves the first answer; "apply": the first answer counts at once.
    first: Literal["suspend", "apply"] = "suspend"
    #: With a fingerprint: the longest time between two complete reads of the answer.
    full_every: Span = timedelta(days=1)
    #: The column, or for a database the query, that returns the moment up to which the source's data reach.
    as_of: str = ""

    @property
    def as_of_is_query(self) -> bool:
        """Whether `as_of` is a query rather than a column of the answer."""
        return self.as_of.split(maxsplit=1)[0].upper() in ("SELECT", "WITH") if self.as_of.strip() else False

    @property
    def weaker_proofs(self) -> tuple[str, ...]:
        """Names of proofs that the settings accept in place of a total; each run and the sources' page show them."""
        return tuple(name for name in getattr(self.own, "proofs", ()) if name != "total")

    @property
    def absent_means(self) -> str:
        """The verdict for a student without a row."""
        return self.absent or ("unknown" if self.means == "status" else "cleared")
