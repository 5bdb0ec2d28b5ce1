"""Settings: everything the program is told, as one frozen value. `config.load` reads them."""

from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import (
    Field,
)

from config.tables.base import Table, Zone
from config.tables.cohorts import Cohort
from config.tables.desk import Desk
from config.tables.opening_hours import Calendar
from config.tables.portal import Api, Auth, Portal
from config.tables.retention import Retention
from config.tables.secrets import DatabaseUrl, FilePath
from config.tables.sources import Asked, Roster, Source
from config.tables.steps import Flow, Step


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

    def zone_of(self, asked: Asked) -> ZoneInfo:
        """Return the time zone of what a source, or the roster, gives without one."""
        return asked.timezone or self.institution.timezone

    def step_named(self, key: str) -> Step:
        """Return the step with this key."""
        return next(s for s in self.step if s.key == key)

    def flow_named(self, key: str | None) -> Flow | None:
        """Return the flow with this key; None where the settings do not have it, as after its key was changed."""
        return next((f for f in self.flow if f.key == key), None)

    def sources_of(self, step: str) -> tuple[str, ...]:
        """Return the names of the sources that decide a step, in the file's order."""
        return tuple(name for name, source in self.source.items() if source.step == step)
