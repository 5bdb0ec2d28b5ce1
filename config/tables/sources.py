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
from config.tables.operations import Quiet
from config.tables.secrets import unusable_in
from foundation.translation import tr


def _student_first(columns: dict[str, str]) -> dict[str, str]:
    """Put the student column first, because rows are identified by it; a file can name columns in any order."""
    return {"student": columns["student"], **columns} if "student" in columns else columns


class Guard(Table):
    """Limits above which a change is suspended until a person approves it."""

    #: Rows about roster students, against the median of the last five good pulls: fewer by more than this
    #: percentage, and by more than `rows_fall_count` rows.
    rows_fall_percent: Decimal = Decimal(30)
    #: See `rows_fall_percent`.
    rows_fall_count: int = 10
    #: No row about a roster student, where there were at least this many.
    no_rows_after: int = 5
    #: Students that change from held to cleared or exempt in one run: more than this number, and more than
    #: `clear_percent` of the held students.
    clear_count: int = 20
    #: See `clear_count`.
    clear_percent: Decimal = Decimal(10)
    #: Students that change from cleared or exempt to held in one run: more than this number, and more than
    #: `hold_percent` of the cleared students.
    hold_count: int = 50
    #: See `hold_count`.
    hold_percent: Decimal = Decimal(10)
    #: Students that change from known to unknown in one run: more than this number, and more than `unknown_percent`
    #: of the known students. A student that was held counts as cleared, too.
    unknown_count: int = 50
    #: See `unknown_count`.
    unknown_percent: Decimal = Decimal(10)
    #: Each of the three changes, in sum since the last approval or within 24 hours: more than this percentage.
    sum_percent: Decimal = Decimal(30)
    #: After this long without a good pull, only `sum_percent` limits the changes: the normal night of a source that is
    #: asked once a day.
    night: Span = timedelta(hours=12)
    #: One answer releases all held students, where there are at least this many.
    all_of: int = 5
    #: A college, campus, building or `branch` with at least this many held students, of which one answer releases at
    #: least `group_percent`, and `group_times` the share of all others. For the roster: leaving students that are
    #: dropped.
    group_count: int = 10
    #: See `group_count`.
    group_percent: Decimal = Decimal(80)
    #: See `group_count`.
    group_times: Decimal = Decimal(3)
    #: The share of rows with only a match hint, without an amount or unreadable: higher than in the last good pull
    #: by this many percentage points, and by `quality_rows` rows.
    quality_points: Decimal = Decimal(5)
    #: See `quality_points`.
    quality_rows: int = 20
    #: `true`: the office must confirm a suspended run (`runs confirm`) before it can be approved.
    office_first: bool = False
    #: `true`: two different people must approve it.
    two_approve: bool = False

    def limits(self) -> dict[str, Any]:
        """Return the limits by key."""
        return self.model_dump(exclude={"office_first", "two_approve"})


class Asked(Table):
    """Keys that a source and the roster share: a connector, its columns, and when to ask."""

    #: The name of a [connector](connectors.md). Its own keys are in the same table.
    connector: str
    #: Our field → the source's column.
    columns: Annotated[Words, AfterValidator(_student_first)]
    #: The interval between two pulls, counted from local midnight. Give either `every` or `cron`.
    every: Span | None = None
    #: Five fields as in crontab, such as `"0 7 * * 1-5"`: 0 and 7 are Sunday, `1-5` is Monday to Friday, names are
    #: allowed. Day of month together with day of week, `@daily`, six fields and impossible dates are refused. A time
    #: that the clocks skip runs once at the next valid moment; a repeated time runs once, unless minute or hour begins
    #: with `*`.
    cron: CronLine | None = None
    #: Hours of each day without scheduled pulls, in its `timezone`: `"08:00-12:00"`, or several in a list;
    #: `"22:00-06:00"` goes over midnight.
    quiet: Quiet = ()
    #: How long an answer counts as fresh. By default 4 h, or three times the schedule's longest gap, with its quiet
    #: hours, if that is longer.
    fresh_for: Span | None = None
    #: The time zone of the schedule, and of times in the data without a zone. By default the institution's.
    timezone: Zone | None = None
    #: The limits above which a change is suspended.
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
    #: The registrar's word → `"leaving"`, or `"staying"` for students that are not on this year's list. By default all
    #: students leave.
    categories: dict[str, Literal["leaving", "staying"]] = {}
    #: Columns with another number of the same student: card, former number.
    aliases: list[ShortKey] = []


class Source(Asked):
    """One question to one office system."""

    #: The step that it helps to decide; a step can have several sources.
    step: str
    #: Its former name, when you rename it.
    was: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")] | None = None
    #: The name for staff. By default the table's name.
    title: str = ""
    #: The name for staff, in English.
    title_en: str = ""
    #: `"items"`: each row is something owed; `"balance"`: amounts are summed, and a sum above `tolerance` is held;
    #: `"status"`: a row is done, not done or exempt.
    means: Literal["items", "balance", "status"]
    #: What it means when a student has no row; `"held"` for a list that names only students that are done. By default
    #: `"cleared"`; for `status` `"unknown"`.
    absent: Literal["cleared", "unknown", "held"] | None = None
    #: The kind of what is owed. `loan`, `fine`, `fee`, `textbook` and `room` have their own words on the pages.
    obligation: str = "item"
    #: A title for rows without one.
    item_title: str = ""
    #: For `balance`: a sum up to this many yuan does not hold a student.
    tolerance: Annotated[Decimal, Field(ge=0)] = Decimal(0)
    #: The unit of amounts.
    unit: Literal["yuan", "fen"] = "yuan"
    #: For `status`: the office's words that mean `done`, `not_done` and `exempt`.
    words: dict[Literal["done", "not_done", "exempt"], list[str]] = {}
    #: `"student"`: the source sends students' own numbers only, never a card. Otherwise a number that is one student's
    #: own and another's card makes both unknown.
    keys: Literal["any", "student"] = "any"
    #: For a row without a student number (blank, or a word such as `NULL`): `"refuse"` refuses the answer and names the
    #: row, `"above"` uses the number of the row above, `"ignore"` skips and counts the row. Rows of totals are always
    #: left out.
    nameless: Literal["refuse", "above", "ignore"] = "refuse"
    #: `true`: a reference names one thing only, so a duplicate row counts once. Otherwise every row of a balance
    #: counts, and identical payments do not clear a student.
    unique_reference: bool = False
    #: How due dates that end with the year are written: `"dmy"` for 30/05/2019, `"mdy"` for 05/30/2019.
    date_order: Literal["ymd", "dmy", "mdy"] = "ymd"
    #: `"apply"`: the first answer is applied without approval; the first one after a changed query is still suspended.
    first: Literal["suspend", "apply"] = "suspend"
    #: For a connector with a fingerprint: the answer is read completely at least this often.
    full_every: Span = timedelta(days=1)
    #: The column, or for a database the query, with the time up to which the data are complete; needs `fresh_for`, see
    #: [sources](sources.md#data-as-of-an-earlier-moment).
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
