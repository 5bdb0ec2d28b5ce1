"""The settings of the program as one frozen value. `config.load` reads them."""

from pathlib import Path
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import (
    Field,
    model_validator,
)

from config.tables.base import Table, Zone
from config.tables.cohorts import Cohort
from config.tables.desk import Desk
from config.tables.notify import Notify
from config.tables.opening_hours import Calendar
from config.tables.operations import Cluster, Metrics, Schedule, Tracing
from config.tables.portal import Api, Auth, Portal
from config.tables.retention import Retention
from config.tables.secrets import DatabaseUrl, FilePath
from config.tables.sources import Asked, Roster, Source
from config.tables.steps import Flow, Step


class Institution(Table):
    """The institution, its time zone and the languages of its pages."""

    #: The name of the institution, shown on every page.
    name: str
    #: The time zone of schedules, dates and pages.
    timezone: Zone = ZoneInfo("Asia/Shanghai")
    #: The languages of the pages; the first is the default.
    languages: list[Literal["zh", "en"]] = ["zh", "en"]
    #: Where users get help; shown at the foot of every page.
    contact: str = ""
    #: The colour of links and buttons, as `"#rrggbb"`. It is darkened or lightened until words in it are readable.
    colour: Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")] | None = None
    #: Chinese words of the roster and of `reasons`, and what English pages for students show for them: colleges,
    #: categories, reasons of decisions, such as `{ "资源学院" = "School of Resources" }`.
    words_en: dict[str, str] = {}
    #: The emblem beside the name on every page: an SVG, PNG, WebP or JPEG file, shown 28 pixels high.
    emblem: FilePath | None = None


class StatusDb(Table):
    """The database of the marks, and the one of accounts and sessions (by default the same)."""

    #: The database of the marks: `sqlite:///file.db`, or `postgresql+psycopg://…` by `env:`.
    url: DatabaseUrl
    #: The database of accounts and sessions. By default a file beside `url`, or the same database.
    desk_url: DatabaseUrl | None = None
    #: The address with which the pages read the marks, when they have a [role](running.md#roles) of their own. By
    #: default `url`.
    portal_url: DatabaseUrl | None = None
    #: The address with which the desk reads the marks and enters decisions, when it has a role of its own. By default
    #: `url`.
    operator_url: DatabaseUrl | None = None
    #: The PostgreSQL schema of the tables, for several institutions in one database: see
    #: [several institutions](how-to/several-institutions.md). By default the first one of the role's `search_path`.
    postgres_schema: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")] | None = None
    #: The folder of `pg_dump`, `pg_restore` and `psql`, for [backups](backup.md). By default those on the PATH.
    postgres_tools: FilePath | None = None
    #: The key that seals the ledger, created when first needed; see [The ledger](running.md#the-ledger).
    ledger_key_file: FilePath = Field(default=Path("ledger.key"), validate_default=True)

    @model_validator(mode="after")
    def _use_schema(self) -> Self:
        """Have each URL name the schema, so that no connection is made without it."""
        if self.postgres_schema is not None:
            for name in ("url", "desk_url", "portal_url", "operator_url"):
                if (url := getattr(self, name)) is not None:
                    self.__dict__[name] = url.in_schema(self.postgres_schema)
        return self


class Log(Table):
    """The format and the level of the log."""

    #: `"people"`: lines to read. `"json"`: one object a line.
    format: Literal["people", "json"] = "people"
    #: The least severity that is written.
    level: Literal["debug", "info", "warning", "error"] = "info"


class ProcessSettings(Table):
    """What several institutions on one installation share, in `_process.toml` beside their files."""

    #: Where the pages of all institutions are served.
    portal: Portal = Portal()
    #: Where the metrics of all institutions are served.
    metrics: Metrics = Metrics()
    #: Where the traces are sent.
    tracing: Tracing = Tracing()
    #: The format and the level of the log.
    log: Log = Log()
    #: The most connections to PostgreSQL that one process opens for all institutions together.
    connections: Annotated[int, Field(ge=8)] = 200


class Demo(Table):
    """Settings of the demo university; a real one omits this table."""

    #: For the demo only: the number of days by which its clock is behind, so that its season is now. Without it
    #: `clearance demo` is refused.
    clock_file: FilePath | None = None


class Settings(Table):
    """All settings of the program, validated."""

    institution: Institution
    status_db: StatusDb
    cohort: Annotated[list[Cohort], Field(min_length=1)]
    #: The roster of the only cohort, or of the first open one: see `of_cohort`.
    roster: Roster
    #: The rosters of several cohorts, by key.
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
    notify: Notify = Notify()
    schedule: Schedule = Schedule()
    cluster: Cluster = Cluster()
    metrics: Metrics = Metrics()
    tracing: Tracing = Tracing()
    log: Log = Log()
    demo: Demo = Demo()
    #: The institution's key where one installation has several, else empty; a file cannot set it.
    key: Annotated[str, Field(exclude=True, max_length=0)] = ""
    #: Name in the file → stored name, for what `was` renames; a file cannot set it.
    renamed: Annotated[dict[str, str], Field(exclude=True, max_length=0)] = {}
    #: A notice for each former key in the file, see `config.renames`; a file cannot set it.
    former_keys: Annotated[tuple[str, ...], Field(exclude=True, max_length=0)] = ()
    #: Addresses and paths that could not be read, as (table, key, reason): see `config.processes`.
    unset: Annotated[tuple[tuple[str, str, str], ...], Field(exclude=True, max_length=0)] = ()

    @property
    def is_demo(self) -> bool:
        """Whether these are the settings of a demo, which has its own clock."""
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
        """Return the key of the default cohort: the first open one, or the first in the file."""
        return next(iter(self.open_cohorts()), self.cohort[0].key)

    def newest_first(self) -> tuple[str, ...]:
        """Return the keys of all cohorts: open ones first, each group in the file's order."""
        return tuple(dict.fromkeys((*self.open_cohorts(), *self.cohort_keys())))

    def open_beside(self, key: str) -> tuple[str, ...]:
        """Return the keys of the other cohorts that are open."""
        return tuple(other for other in self.open_cohorts() if other != key)

    def of_cohort(self, key: str) -> "Settings":
        """Return these settings with this cohort's roster as `roster`."""
        roster = self.rosters.get(self.cohort_named(key).roster or "", self.roster)
        return self if roster is self.roster else self.model_copy(update={"roster": roster})

    def zone_of(self, asked: Asked) -> ZoneInfo:
        """Return the time zone of times that a source, or the roster, gives without a zone."""
        return asked.timezone or self.institution.timezone

    def step_named(self, key: str) -> Step:
        """Return the step with this key."""
        return next(s for s in self.step if s.key == key)

    def flow_named(self, key: str | None) -> Flow | None:
        """Return the flow with this key; None if the settings do not have it, for example after a change of its key."""
        return next((f for f in self.flow if f.key == key), None)

    def sources_of(self, step: str) -> tuple[str, ...]:
        """Return the names of the sources that decide a step, in the file's order."""
        return tuple(name for name, source in self.source.items() if source.step == step)
