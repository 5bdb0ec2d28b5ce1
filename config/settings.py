"""Settings: one TOML file plus the environment becomes one frozen value, or one error that names every mistake.

A variable `CLEARANCE__PORTAL__PORT=9000` stands for the key `port` in `[portal]`; it wins over the file.
Keys of a connector's own are checked by that connector's schema, which the caller hands in.
"""

import difflib
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    PlainSerializer,
    SkipValidation,
    ValidationError,
)
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict

from config import renames
from config.cohorts import first_roster, split_rosters
from config.cohorts import mistakes as cohort_mistakes
from config.tables.base import STRICT, CronLine, Span
from config.tables.desk import Desk
from config.tables.limits import Limits
from config.tables.opening_hours import Calendar, OpenHours
from config.tables.plain_text import plain, unprintable_in
from config.tables.providers import PROVIDERS, Cas, Ldap, Oidc, providers_contradict
from config.tables.retention import Retention
from config.tables.secrets import DatabaseUrl, FilePath, Origin, Text, is_reference, starts_at_the_settings, unusable_in


class SettingsError(Exception):
    """The settings cannot be used; the text lists every mistake with its file, key and way out."""

    def __init__(self, file: Path, mistakes: list[str]) -> None:
        self.file = file
        self.mistakes = mistakes
        count = f"{len(mistakes)} mistakes" if len(mistakes) != 1 else "1 mistake"
        super().__init__(f"{file}: {count} in the settings:\n" + "\n".join(f"  {m}" for m in mistakes))


def _zone(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        raise ValueError(f'"{value}" is no time zone: write one such as "Asia/Shanghai"') from None


Zone = Annotated[ZoneInfo, BeforeValidator(_zone), PlainSerializer(str)]
Words = Annotated[dict[str, str], Field(min_length=1)]


def _student_first(columns: dict[str, str]) -> dict[str, str]:
    """Put the student first, where every row is known by: a file may name the columns in any order."""
    return {"student": columns["student"], **columns} if "student" in columns else columns


#: A word that the status database keeps as a key.
ShortKey = Annotated[str, Field(min_length=1, max_length=40)]


class Table(BaseModel):
    """One table of the settings file: frozen, and strict about its keys."""

    model_config = STRICT


class Institution(Table):
    """Who runs this, where, and in which languages."""

    name: str
    timezone: Zone = ZoneInfo("Asia/Shanghai")
    languages: list[Literal["zh", "en"]] = ["zh", "en"]
    #: Who helps when a page cannot: shown at the foot of every page.
    contact: str = ""


class StatusDb(Table):
    """Where the marks live, and where accounts and sessions live (by default beside them)."""

    url: DatabaseUrl
    desk_url: DatabaseUrl | None = None
    #: What the portal reads the marks with, when that is a role of its own; `url` otherwise.
    portal_url: DatabaseUrl | None = None
    #: The marks, as the role that enters decisions and no more; left out, the desk writes as the sync does.
    operator_url: DatabaseUrl | None = None
    #: The folder of pg_dump, pg_restore and psql, where those on the PATH are none or too old.
    postgres_tools: FilePath | None = None
    #: What seals the ledger; made when it is first needed. Only what writes the marks, and verify, ever read it.
    ledger_key_file: FilePath = Field(default=Path("ledger.key"), validate_default=True)


class Window(Table):
    """First and last day on which a level is cleared."""

    opens: date
    closes: date


class Collect(Table):
    """Where and when a student takes the certificate, and what to bring."""

    where: str
    where_en: str = ""
    when: str = ""
    when_en: str = ""
    bring: str = ""
    bring_en: str = ""


class Cohort(Table):
    """One leaving season."""

    key: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,40}$")]
    name: Annotated[str, Field(max_length=100)]
    #: The key of its [roster.KEY], where there are several.
    roster: str | None = None
    #: It is over: no command asks for it unless it is named, and its pages go on.
    closed: bool = False
    #: level → window; a level without one is open all the time.
    windows: dict[str, Window] = {}
    #: college → where its students take their certificates; "*" for any other.
    collect: dict[str, Collect] = {}

    def collected_at(self, college: str) -> Collect | None:
        """Return where a student of this college takes the certificate."""
        return self.collect.get(college) or self.collect.get("*")


class Place(Table):
    """Where to go, on one campus."""

    where: str
    #: In words of its own; said from `open` where it is left out.
    hours: str = ""
    #: The same for the page to reckon with: open now, or when next.
    open: OpenHours | None = None
    phone: str = ""
    url: str = ""


class Office(Table):
    """Who answers for a step: its name, and a place for each campus ("*" for any other)."""

    name: str
    name_en: str = ""
    places: dict[str, Place] = {}

    def place(self, campus: str) -> Place | None:
        """Return where a student of this campus goes."""
        return self.places.get(campus) or self.places.get("*")


class Step(Table):
    """One line of a flow."""

    key: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
    #: The key under which it was stored so far, where it was renamed.
    was: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")] | None = None
    title: str
    title_en: str = ""
    #: The card it is shown on; steps with the same word share one.
    card: str = ""
    office: Office
    #: What an operator may give as the reason of a decision.
    reasons: list[Annotated[str, Field(max_length=100)]] = []
    #: Who need not do it: each table holds roster columns and the values that match; one matching table is enough.
    exempt: list[dict[str, list[str]]] = []
    #: Words for the student while the step is held or not yet done.
    advice: str = ""
    advice_en: str = ""


class Entry(Table):
    """A step's place in a flow."""

    step: str
    kind: Literal["synced", "manual", "review"] = "synced"
    #: For a review: the steps that must count as clear before it opens; every earlier entry when left out.
    after: list[str] | None = None


class Flow(Table):
    """The steps of some students, in the order shown."""

    key: ShortKey
    levels: list[ShortKey]
    #: Only students of these categories; the first flow that fits a student is theirs.
    categories: list[str] | None = None
    entries: Annotated[list[Entry], Field(min_length=1)]

    def after(self, step: str) -> tuple[str, ...]:
        """Return the steps that a review of this flow waits for."""
        earlier: list[str] = []
        for entry in self.entries:
            if entry.step == step:
                return tuple(entry.after if entry.after is not None else earlier) if entry.kind == "review" else ()
            earlier.append(entry.step)
        raise KeyError(step)


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


class Portal(Table):
    """Where the pages are served."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] = 8000
    workers: Annotated[int, Field(ge=1, le=64)] = 1
    #: The address people type; needed behind a proxy, and the reason cookies are marked Secure when it is https.
    public_url: Text = ""
    #: The address that staff type, where `serve desk` is a process of its own; the students' where it is empty.
    desk_public_url: Text = ""
    #: The addresses of proxies that say for whom they ask (X-Forwarded-For); nobody else is believed.
    proxies: list[str] = []
    #: What keyed hashes, sealed secrets and slips are made with; made when it is first needed.
    key_file: FilePath = Field(default=Path("desk.key"), validate_default=True)
    #: A student may have the sources asked again after this long, and so many times in 24 hours.
    recheck_pause: Span = timedelta(minutes=10)
    recheck_day_limit: Annotated[int, Field(ge=1)] = 10
    #: What one process takes at once.
    limits: Limits = Limits()

    @property
    def warnings(self) -> tuple[str, ...]:
        """Say what of these settings lets visitors be counted as somebody else, each with the fix."""
        name_it = 'Name the proxy, such as proxies = ["127.0.0.1"]'
        if "*" in self.proxies:
            return (
                f'[portal] proxies = ["*"]: every visitor chooses the address that guesses are counted by. {name_it}',
            )
        if self.public_url and not self.proxies:
            # Behind a proxy everybody has its address.
            return (f"[portal] proxies is not set: guesses are not slowed down by address behind a proxy. {name_it}",)
        return ()


class Auth(Table):
    """How people sign in."""

    local: bool = True
    #: How long a one-time code, with which somebody sets a password, is good for.
    code_lasts: Span = timedelta(days=14)
    #: A student may set the first password, or a forgotten one too, with the number of the identity document.
    identity: Literal["off", "first", "forgotten"] = "off"
    #: "strict" locks accounts after failures, has passwords changed, and asks all staff for a second factor.
    profile: Literal["ordinary", "strict"] = "ordinary"
    #: Who shows a second factor: whoever may manage, review or issue; all staff, and whoever has a grant; or nobody.
    second_factor: Literal["privileged", "staff", "off"] = "privileged"
    #: Grants to decide, review, issue and manage, and codes for whoever has one, take two administrators on the pages.
    second_administrator: bool = True
    #: Of the strict profile: so many failures in a row lock an account, for so long; a password ends after so long.
    lock_after: Annotated[int, Field(ge=3)] = 10
    lock_for: Span = timedelta(minutes=30)
    password_lasts: Span = timedelta(days=90)
    #: A session ends after this long without a click, and after `session_longest` in any case.
    session_idle: Span = timedelta(minutes=30)
    session_longest: Span = timedelta(hours=12)
    #: Providers of the institution; each stands beside the others.
    cas: Cas | None = None
    oidc: Oidc | None = None
    ldap: Ldap | None = None

    @property
    def asks_second_factor_of(self) -> Literal["privileged", "staff", "off"]:
        """Who shows a second factor; the strict profile asks all staff."""
        return "staff" if self.profile == "strict" else self.second_factor

    @property
    def takes_passwords(self) -> bool:
        """Say whether there is a form for a password: of our own, or of the directory."""
        return self.local or self.ldap is not None


class Api(Table):
    """What other programs may read, each with a token."""

    enabled: bool = True
    #: Pages of these origins may ask from a browser; nobody else's.
    origins: list[Annotated[str, Field(pattern=r"^https?://[^/?#\s*]+$")]] = []
    #: So many requests a minute for each token.
    rate: Annotated[int, Field(ge=1)] = 600


class Log(Table):
    """What is logged, and how."""

    format: Literal["people", "json"] = "people"
    level: Literal["debug", "info", "warning", "error"] = "info"


class Demo(Table):
    """The demo university alone: no real one has this table."""

    #: By how many days its clock is behind; the file is made when the demo is built.
    clock_file: FilePath | None = None


class Settings(Table):
    """Everything the program is told, checked."""

    institution: Institution
    status_db: StatusDb
    cohort: Annotated[list[Cohort], Field(min_length=1)]
    #: The roster of the one cohort; of several, the first open one's, see `of_cohort`.
    roster: Roster
    #: Of several cohorts, each roster by its key.
    rosters: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,40}$")], Roster] = {}
    step: Annotated[list[Step], Field(min_length=1)]
    flow: Annotated[list[Flow], Field(min_length=1)]
    source: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")], Source]
    calendar: Calendar = Calendar()
    desk: Desk = Desk()
    portal: Portal = Portal()
    auth: Auth = Auth()
    api: Api = Api()
    retention: Retention = Retention()
    log: Log = Log()
    demo: Demo = Demo()
    #: Name in the file → the name that it is stored under, for what `was` renames; never written in a file.
    renamed: Annotated[dict[str, str], Field(exclude=True, max_length=0)] = {}
    #: Addresses and paths that could not be looked up, as (table, key, reason): see `config.processes`.
    unset: Annotated[tuple[tuple[str, str, str], ...], Field(exclude=True, max_length=0)] = ()

    @property
    def is_demo(self) -> bool:
        """Whether these are a demo's settings: they have its clock."""
        return self.demo.clock_file is not None

    def cohort_keys(self) -> tuple[str, ...]:
        """Return the cohorts' keys, in the file's order."""
        return tuple(c.key for c in self.cohort)

    def cohort_named(self, key: str) -> Cohort:
        """Return the cohort with this key."""
        return next(c for c in self.cohort if c.key == key)

    def open_cohorts(self) -> tuple[str, ...]:
        """Return the keys of the cohorts that are not closed, in the file's order."""
        return tuple(c.key for c in self.cohort if not c.closed)

    def default_cohort(self) -> str:
        """Return the key of the cohort that is meant where none is named: the first open one, else the file's first."""
        return next(iter(self.open_cohorts()), self.cohort[0].key)

    def newest_first(self) -> tuple[str, ...]:
        """Return every cohort's key: the open ones first, each in the file's order."""
        return tuple(dict.fromkeys((*self.open_cohorts(), *self.cohort_keys())))

    def open_beside(self, key: str) -> tuple[str, ...]:
        """Return the keys of the other cohorts that are open."""
        return tuple(other for other in self.open_cohorts() if other != key)

    def of_cohort(self, key: str) -> "Settings":
        """Return the same settings with this cohort's roster as the roster."""
        roster = self.rosters.get(self.cohort_named(key).roster or "", self.roster)
        return self if roster is self.roster else self.model_copy(update={"roster": roster})

    def step_named(self, key: str) -> Step:
        """Return the step with this key."""
        return next(s for s in self.step if s.key == key)

    def flow_named(self, key: str | None) -> Flow | None:
        """Return the flow with this key; None where the settings do not have it, as after its key was changed."""
        return next((f for f in self.flow if f.key == key), None)

    def sources_of(self, step: str) -> tuple[str, ...]:
        """Return the names of the sources that decide a step, in the file's order."""
        return tuple(name for name, source in self.source.items() if source.step == step)


class _Environment(BaseSettings):
    """The tables that `CLEARANCE__…` variables may reach into."""

    model_config = SettingsConfigDict(env_prefix="CLEARANCE__", env_nested_delimiter="__", extra="ignore")

    institution: dict[str, Any] = {}
    status_db: dict[str, Any] = {}
    roster: dict[str, Any] = {}
    source: dict[str, Any] = {}
    desk: dict[str, Any] = {}
    portal: dict[str, Any] = {}
    auth: dict[str, Any] = {}
    api: dict[str, Any] = {}
    log: dict[str, Any] = {}


#: Returns the schema of a connector's own keys, or None when there is no connector of that name.
Schemas = Callable[[str], type[BaseModel] | None]


def load(file: Path, schemas: Schemas, environ: Mapping[str, str] | None = None) -> Settings:
    """Return the settings in `file`, with the environment's on top.

    `schemas` gives the schema for a connector's own keys. Raises SettingsError with every mistake found.
    """
    origin = Origin(file.resolve().parent) if environ is None else Origin(file.resolve().parent, environ)
    try:
        raw = tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise SettingsError(file, ["there is no such file: name another with --config FILE"]) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(file, [f"the file could not be read ({error}): save it as UTF-8, readable here"]) from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(file, [f"this is not TOML ({error}): correct that line"]) from None
    _overlay(raw, _from_environment(origin.environ))

    if unreadable := [f"{place}: holds {found}, which is not text: remove it" for place, found in _harmful(raw)]:
        raise SettingsError(file, unreadable)
    # A table that is left out is an empty one: what it names by default lies beside this file, too.
    raw.setdefault("portal", {})
    mistakes = split_rosters(raw, Roster.model_fields)
    mistakes += _take_own(raw, schemas, origin)
    if "rosters" in raw:
        raw["roster"] = raw["rosters"][first_roster(raw)]
    unset: dict[str, str] = {}
    try:
        settings = Settings.model_validate(raw, context=replace(origin, unset=unset))
    except ValidationError as error:
        # Of several rosters, one is read twice; what is wrong with it is said once.
        mistakes += [
            _mistake(e, raw)
            for e in error.errors(include_url=False, include_input=False)
            if e["loc"][:1] != ("roster",) or "rosters" not in raw
        ]
        raise SettingsError(file, mistakes) from None
    mistakes += _contradictions(settings)
    if mistakes:
        raise SettingsError(file, mistakes)
    missing = tuple((*_table_and_key(path), why) for path, why in _places(raw, unset))
    return renames.applied(settings.model_copy(update={"unset": missing}))


def _places(value: object, unset: Mapping[str, str], place: str = "") -> Iterator[tuple[str, str]]:
    """Give the key of each reference that could not be looked up, with the reason."""
    if isinstance(value, dict | list):
        for name, inside in value.items() if isinstance(value, dict) else enumerate(value, 1):
            yield from _places(inside, unset, f"{place}.{name}".lstrip("."))
    elif is_reference(value) and str(value) in unset:
        yield place, unset[str(value)]


def _table_and_key(path: str) -> tuple[str, str]:
    """Split the path of a key into its table as the file writes it, such as `auth.oidc`, and the key within it."""
    table, _, key = path.partition(".")
    provider, _, rest = key.partition(".")
    return (f"{table}.{provider}", rest) if table == "auth" and rest else (table, key)


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    source = EnvSettingsSource(_Environment)
    source.env_vars = {key.lower(): value for key, value in environ.items()}
    return source()


def _harmful(value: object, place: str = "") -> Iterator[tuple[str, str]]:
    """Give each key and text that holds a control character or half of a character, with what it holds.

    Marks of direction are text, as in a name that mixes scripts; wherever it is printed they are written out.
    """
    if isinstance(value, str):
        if found := unprintable_in(value):
            yield place, found
    elif isinstance(value, dict):
        for key, inside in value.items():
            here = f"{place}.{_shown(key)}" if place else _shown(key)
            if found := unprintable_in(key):
                yield here, found
            yield from _harmful(inside, here)
    elif isinstance(value, list):
        for number, inside in enumerate(value, 1):
            yield from _harmful(inside, f"{place}[{number}]")


def _overlay(below: dict[str, Any], above: Mapping[str, Any]) -> None:
    for key, value in above.items():
        if isinstance(value, dict) and isinstance(below.get(key), dict):
            _overlay(below[key], value)
        else:
            below[key] = value


#: What of a source's table is written by this module, and never in a file.
_OURS = frozenset({"own", "table", "unread", "path_as_written"})


def _take_own(raw: dict[str, Any], schemas: Schemas, origin: Origin) -> list[str]:
    """Move each connector's own keys, read by its schema, under `own`; return the mistakes found in them."""
    mistakes: list[str] = []
    sources = raw.get("source")
    rosters = raw.get("rosters")
    asked = [("roster", None if rosters else raw.get("roster"), Roster.model_fields)]
    asked += [(f"roster.{key}", table, Roster.model_fields) for key, table in (rosters or {}).items()]
    asked += [
        (f"source.{name}", t, Source.model_fields) for name, t in (sources.items() if isinstance(sources, dict) else ())
    ]
    for where, table, common in asked:
        if not isinstance(table, dict):
            continue
        own = {key: table.pop(key) for key in list(table) if key not in common or key in _OURS}
        table["own"], table["table"] = None, where
        try:
            schema = schemas(str(table.get("connector", "")))
        except ImportError as error:
            name = table["connector"]
            missing = f"[{where}] connector: {name} needs a module that is not installed here ({error}): install it"
            table["unread"] = (missing,)
            continue
        if schema is None:
            if "connector" in table:
                mistakes.append(
                    f'[{where}] connector: there is no connector "{table["connector"]}": see docs/connectors.md'
                )
            continue
        defaults = getattr(schema, "default_columns", None)
        if defaults is not None and "columns" not in table and (columns := defaults(own)):
            # A connector for one system knows that system's columns.
            table["columns"] = dict(columns)
        unset: dict[str, str] = {}
        try:
            # What cannot be looked up stops this source alone, when it is asked.
            table["own"] = schema.model_validate(own, context=replace(origin, unset=unset))
            table["unread"] = tuple(f"[{where}] {key}: {why}" for key, why in _places(own, unset))
            table["path_as_written"] = path if starts_at_the_settings(path := own.get("path")) else ""
        except ValidationError as error:
            known = sorted({*common, *schema.model_fields} - _OURS)
            mistakes += [
                f"[{where}] {_key(e['loc'])}: {_why(e, known)}" if e["loc"] else f"[{where}] {_why(e, known)}"
                for e in error.errors(include_url=False, include_input=False)
            ]
    return mistakes


def _key(loc: tuple[int | str, ...]) -> str:
    return ".".join(_shown(str(part)) for part in loc)


def _shown(key: str) -> str:
    """Return a key on one line."""
    return plain(key).replace("\n", "\\n").replace("\t", "\\t")


def _mistake(error: Any, raw: Mapping[str, Any]) -> str:  # noqa: ANN401 - pydantic's own dict
    loc = tuple(part for part in error["loc"] if part != "[key]")
    where, known = _table_of(loc, raw)
    return f"{where}: {_why(error, known)}"


def _table_of(loc: tuple[int | str, ...], raw: Mapping[str, Any]) -> tuple[str, list[str]]:
    """Name the place of a mistake as the file writes it, and the keys known in its table."""
    tables: dict[str, type[BaseModel]] = {
        "institution": Institution, "status_db": StatusDb, "cohort": Cohort, "roster": Roster, "rosters": Roster,
        "step": Step, "flow": Flow, "source": Source, "calendar": Calendar, "desk": Desk, "portal": Portal,
        "auth": Auth, "api": Api, "retention": Retention, "log": Log, "demo": Demo,
    }  # fmt: skip
    if len(loc) < 2 or str(loc[0]) not in tables:
        return _key(loc) or "the file", list(Settings.model_fields)
    head, known = str(loc[0]), list(tables[str(loc[0])].model_fields)
    if isinstance(loc[1], int):
        entry = raw[head][loc[1]] if isinstance(raw.get(head), list) else {}
        name = entry.get("key", loc[1] + 1) if isinstance(entry, dict) else loc[1] + 1
        return f'[[{head}]] "{name}" {_key(loc[2:])}'.rstrip(), known
    if head == "rosters":
        return f"[roster.{loc[1]}] {_key(loc[2:])}".rstrip(), list(Roster.model_fields)
    if head == "source":
        return f"[source.{loc[1]}] {_key(loc[2:])}".rstrip(), known
    if head == "auth" and str(loc[1]) in PROVIDERS:
        return f"[auth.{loc[1]}] {_key(loc[2:])}".rstrip(), list(PROVIDERS[str(loc[1])].model_fields)
    return f"[{head}] {_key(loc[1:])}", known


def _why(error: Any, known: list[str]) -> str:  # noqa: ANN401 - pydantic's own dict
    match error["type"]:
        case "extra_forbidden":
            close = difflib.get_close_matches(str(error["loc"][-1]), known, n=1)
            hint = f'write "{close[0]}", if you mean that' if close else f"write one of {', '.join(known)}"
            return f"unknown key: {hint}, or take it out"
        case "missing":
            return "is missing: add it"
        case "value_error":
            return str(error["ctx"]["error"])
        case _:
            message = str(error["msg"])
            return f"{message[0].lower()}{message[1:]}: correct this value"


#: How columns with the number of an identity document are called: in Chinese, English, the initials of data standards.
_IDENTITY = re.compile(
    "身份证|证件号|护照|identity|passport|(?<![a-z])id_?card|national_?id|sfzh|sfzjh|zjhm", re.IGNORECASE
)


def _identities(where: str, columns: Mapping[str, str]) -> list[str]:
    """Find columns that would bring numbers of identity documents in: where none comes in, none can leak."""
    return [
        f'[{where}] columns: {key} = "{column}" is the number of an identity document, and none is ever kept here: '
        "take it out, and know people by their student number or card"
        for key, column in columns.items()
        if _IDENTITY.search(key) or _IDENTITY.search(column)
    ]


def _of_no_use(where: str, roster: Roster, settings: Settings) -> list[str]:
    """Find roster columns that serve nothing: what serves nothing is not kept."""
    used = {"student", "name", "level", "college", "class", "campus", "building", "category", *roster.aliases}
    used |= {column for step in settings.step for condition in step.exempt for column in condition}
    return [
        f"[{where}] columns: {key} serves nothing here, and what serves nothing is not kept: take it out, "
        "or name it in aliases or in a step's exempt"
        for key in roster.columns
        if key not in used
    ]


def _contradictions(settings: Settings) -> list[str]:
    """Find what is wrong between tables, each with its way out."""
    found: list[str] = []
    steps = [s.key for s in settings.step]
    for what, keys in (
        ("step", steps),
        ("flow", [f.key for f in settings.flow]),
        ("cohort", [c.key for c in settings.cohort]),
    ):
        found += [
            f'[[{what}]] "{k}": stands twice: give each its own key'
            for k in sorted({k for k in keys if keys.count(k) > 1})
        ]
    synced: set[str] = set()
    for flow in settings.flow:
        seen: list[str] = []
        for entry in flow.entries:
            at = f'[[flow]] "{flow.key}" entry "{entry.step}"'
            if entry.step not in steps:
                found.append(f"{at}: there is no such step: write one of {', '.join(steps)}")
            if entry.step in seen:
                found.append(f"{at}: stands twice: take one out")
            if entry.after is not None and entry.kind != "review":
                found.append(f'{at}: only a review waits: set kind = "review", or take `after` out')
            found += [
                f'{at}: waits for "{a}", which does not stand before it: move it'
                for a in entry.after or ()
                if a not in seen
            ]
            if entry.kind == "synced":
                synced.add(entry.step)
            seen.append(entry.step)
    used = {s.step for s in settings.source.values()}
    found += [
        f'[[step]] "{k}": is synced, but no source decides it: add a [source.NAME] with step = "{k}"'
        for k in sorted(synced - used)
    ]
    found += renames.mistakes(settings)
    auth = settings.auth
    found += providers_contradict(auth.cas, auth.oidc, auth.ldap, settings.portal.public_url)
    found += cohort_mistakes(settings)
    rosters = {f"roster.{key}": roster for key, roster in settings.rosters.items()} or {"roster": settings.roster}
    for where, roster in rosters.items():
        found += _roster_contradictions(where, roster, settings)
    for name, source in settings.source.items():
        found += _source_contradictions(name, source, steps, synced)
    return found


def _roster_contradictions(where: str, roster: Roster, settings: Settings) -> list[str]:
    levels = {level for flow in settings.flow for level in flow.levels}
    found: list[str] = []
    found += [
        f'[{where}] levels: "{word}" stands for "{level}", which no flow has: write one of {", ".join(sorted(levels))}'
        for word, level in roster.levels.items()
        if level not in levels
    ]
    found += [
        f'[{where}] aliases: "{name}" is no mapped column: add it to columns'
        for name in roster.aliases
        if name not in roster.columns
    ]
    found += [
        f"[{where}] columns: {key} is missing: say which column holds it"
        for key in ("student", "name", "level", "college")
        if key not in roster.columns
    ]
    found += _identities(where, roster.columns) + _of_no_use(where, roster, settings)
    return found + _schedule_mistakes(where, roster)


def _source_contradictions(name: str, source: Source, steps: list[str], synced: set[str]) -> list[str]:
    at = f"[source.{name}]"
    found = _schedule_mistakes(f"source.{name}", source)
    if name in ("roster", "settings"):
        found.append(f"{at}: this name belongs to the {name}: choose another")
    if source.step not in steps:
        found.append(f'{at} step: there is no step "{source.step}": write one of {", ".join(steps)}')
    elif source.step not in synced:
        found.append(
            f'{at} step: "{source.step}" is not synced in any flow: set its entry\'s kind, or take the source out'
        )
    needed = {"items": ["student"], "balance": ["student", "amount"], "status": ["student", "status"]}[source.means]
    found += [
        f"{at} columns: {key} is missing, and {source.means} needs it: say which column holds it"
        for key in needed
        if key not in source.columns
    ]
    of_sums = ("paid", "waived", "refunded")
    known = ("student", "title", "amount", *of_sums, "due", "reference", "status", "name", "kind", "branch")
    found += [
        f'{at} columns: {key} lessens or raises a sum: it goes with means = "balance" alone, take it out'
        for key in of_sums
        if key in source.columns and source.means != "balance"
    ]
    found += [
        f"{at} columns: {key} is no field of ours: write one of {', '.join(known)}"
        for key in source.columns
        if key not in known
    ]
    found += _identities(f"source.{name}", source.columns) + _as_of_mistakes(at, source)
    if source.unique_reference and "reference" not in source.columns:
        found.append(f"{at} unique_reference: no reference is mapped: add it to columns, or take the key out")
    if source.date_order != "ymd" and "due" not in source.columns:
        found.append(f"{at} date_order: no due date is mapped: add it to columns, or take the key out")
    if source.absent == "held" and source.means != "status":
        found.append(f'{at} absent: only for a status can no row mean held: write "cleared" or "unknown"')
    if source.means == "status" and not source.words.get("done"):
        found.append(f'{at} words: "done" is missing: list the words that say it is done')
    if source.means != "status" and source.words:
        found.append(f'{at} words: only a source that means "status" has words: take them out')
    every_word = [w for words in source.words.values() for w in words]
    found += [
        f'{at} words: "{w}" stands twice: let it mean one thing'
        for w in sorted({w for w in every_word if every_word.count(w) > 1})
    ]
    return found


def _as_of_mistakes(at: str, source: Source) -> list[str]:
    if not source.as_of:
        return []
    found: list[str] = []
    if not source.as_of.strip():
        found.append(f"{at} as_of: is blank: name a column or a query, or take it out")
    if source.fresh_for is None:
        # Derived from the schedule it would call an export of last night stale by noon.
        found.append(f'{at} as_of: needs fresh_for: say how old the data may be, such as fresh_for = "26 h"')
    if source.as_of_is_query and not getattr(source.own, "asks_database", False):
        found.append(f"{at} as_of: only a database can be asked by a query: name a column of the answer")
    if source.as_of_is_query and ";" in source.as_of:
        found.append(f"{at} as_of: write one SELECT, without a semicolon")
    return found


def _schedule_mistakes(where: str, asked: Asked) -> list[str]:
    if (asked.every is None) == (asked.cron is None):
        return [f'[{where}] every: give either every = "15 min" or cron = "0 7 * * *", not both and not neither']
    if asked.every is not None and asked.every < timedelta(seconds=30):
        return [f"[{where}] every: less than 30 s would ask the office without pause: give it longer"]
    if asked.every is not None and asked.every > timedelta(days=1):
        return [f'[{where}] every: longer than a day has no midnight to count from: write it as cron = "0 7 */2 * *"']
    return []
