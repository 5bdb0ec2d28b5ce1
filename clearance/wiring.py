"""Putting the rooms together: settings with the connectors' own keys, engines, and what works on them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache, cached_property, partial
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any, Protocol, cast

from pydantic import BaseModel

import connectors
from config.settings import Asked, Settings, load
from connectors.port import Candidates, Connector, Question
from status_db.model import ROSTER

if TYPE_CHECKING:
    # Each part of a program is imported when a command first asks for it: most ask for few.
    from sqlalchemy import Engine

    from status_db.accounts import Accounts
    from status_db.audit import Audit
    from status_db.batches import Batches
    from status_db.codes import Codes
    from status_db.decisions import Decisions
    from status_db.desk_key import DeskKey
    from status_db.leavers import Leavers
    from status_db.ledger import Ledger
    from status_db.migrate import Part
    from status_db.objection_report import ObjectionReports
    from status_db.opinions import Opinions
    from status_db.reader import Reader
    from status_db.report import Reports
    from status_db.reviews import Reviews
    from status_db.tokens import Tokens
    from status_db.waves import Waves
    from sync.run import Sync
    from sync.serving import Serving
    from sync.verify import Report

#: Names the settings file where the command line does not.
CONFIG_VARIABLE = "CLEARANCE_CONFIG"


class _Module(Protocol):
    """A connector's module."""

    Settings: type[BaseModel]

    def connect(self, settings: Any, question: Question) -> Connector:  # noqa: ANN401 - each connector's own keys
        """Make the connector."""
        ...


@cache
def _connector(name: str) -> _Module | None:
    """Return a connector, a module of that room that can connect; None when there is none of that name."""
    if name not in {each.name for each in iter_modules(connectors.__path__)}:
        return None
    module = import_module(f"connectors.{name}")
    return cast("_Module", module) if hasattr(module, "connect") else None


def schema_of(connector: str) -> type[BaseModel] | None:
    """Return the schema of a connector's own keys; None when there is no connector of that name."""
    module = _connector(connector)
    return module.Settings if module else None


def load_settings(file: Path) -> Settings:
    """Return the settings in a file, with the environment's on top. Raises SettingsError."""
    return load(file, schema_of)


def chosen_file(file: Path | None) -> Path:
    """Return the settings file: the one given, the environment's, or the one in this folder."""
    return file or Path(os.environ.get(CONFIG_VARIABLE, "clearance.toml"))


def now() -> datetime:
    """Tell the time."""
    return datetime.now(UTC)


def clock_of(settings: Settings) -> Callable[[], datetime]:
    """Return the clock that everything goes by: the real one, but for the demo."""
    from demo.clock import DemoClock

    return DemoClock(settings.demo.clock_file) if settings.demo.clock_file is not None else now


@dataclass(frozen=True)
class Program:
    """One settings file at work on one cohort. Databases are opened when first needed."""

    settings: Settings
    cohort: str
    clock: Callable[[], datetime] = now
    _opened: list[Engine] = field(default_factory=list)

    def close(self) -> None:
        """Let go of the databases."""
        for engine in self._opened:
            engine.dispose()

    def _checked(self, engine: Engine, part: Part) -> Engine:
        """Keep an engine until the end. Raises StoreError unless its database has this program's tables."""
        from status_db.migrate import check

        self._opened.append(engine)
        check(engine, part)
        return engine

    def asked(self, name: str) -> Asked:
        """Return the settings of a source, or of the roster."""
        return self.settings.roster if name == ROSTER else self.settings.source[name]

    def connect(self, name: str) -> Connector:
        """Make the connector of a source, or of the roster."""
        asked, windows = self.asked(name), self.settings.cohort_named(self.cohort).windows.values()
        question = Question(
            name,
            asked.columns,
            self.clock,
            partial(self.candidates, name),
            opens=min((w.opens for w in windows), default=None),
            closes=max((w.closes for w in windows), default=None),
        )
        module = _connector(asked.connector)
        assert module is not None  # noqa: S101 - the settings were read with its schema
        return module.connect(asked.own, question)

    def candidates(self, name: str) -> Candidates:
        """Read whom a source may be asked about by number; the roster itself is asked about nobody."""
        from status_db.engine import reading
        from status_db.stored import Stored

        if name == ROSTER:
            return Candidates()
        with reading(self.writing) as connection:
            stored = Stored(connection, self.cohort)
            return Candidates(stored.numbers_with(self.settings.source[name].step), stored.source(ROSTER).revision)

    @cached_property
    def writing(self) -> Engine:
        """The marks, to write. Raises StoreError unless they have this program's tables."""
        from status_db.engine import open_writing

        return self._checked(open_writing(self.settings.status_db.url.get_secret_value()), "marks")

    @cached_property
    def ledger(self) -> Ledger:
        """What seals every write. The pages never ask for it."""
        from status_db.ledger import Ledger

        return Ledger(self.settings.status_db.ledger_key_file, self.cohort)

    @cached_property
    def sync(self) -> Sync:
        """What runs the sources."""
        from sync.run import Sync

        return Sync(self.settings, self.cohort, self.writing, self.connect, self.clock, self.ledger)

    @cached_property
    def decisions(self) -> Decisions:
        """The door for operators' decisions."""
        from status_db.decisions import Decisions

        return Decisions(self.writing, self.settings, self.cohort, self.ledger)

    @cached_property
    def batches(self) -> Batches:
        """The same door for many at once, from a sheet."""
        from status_db.batches import Batches

        return Batches(self.writing, self.settings, self.cohort, self.ledger)

    @cached_property
    def reading(self) -> Engine:
        """The marks, to read alone. Raises StoreError unless they have this program's tables."""
        from status_db.engine import open_reading

        return self._checked(open_reading(self.settings.status_db.url.get_secret_value()), "marks")

    @cached_property
    def reviews(self) -> Reviews:
        """The same door for reviewers: reviews, and certificates."""
        from status_db.reviews import Reviews

        return Reviews(self.writing, self.settings, self.cohort, self.ledger)

    @cached_property
    def opinions(self) -> Opinions:
        """The door for what people say about suspended runs."""
        from status_db.opinions import Opinions

        return Opinions(self.writing, self.cohort)

    @cached_property
    def serving(self) -> Serving:
        """What serves the requests of the pages."""
        from status_db.requests import Requests
        from status_db.uploads import Uploads
        from sync.serving import Serving

        return Serving(
            self.settings,
            self.cohort,
            self.sync,
            self.reader,
            self.opinions,
            Requests(self.desk),
            Uploads(self.desk),
            self.clock,
        )

    @cached_property
    def waves(self) -> Waves:
        """The door for what offices announce."""
        from status_db.waves import Waves

        return Waves(self.writing, self.cohort)

    @cached_property
    def reader(self) -> Reader:
        """What answers questions; it cannot write."""
        from status_db.reader import Reader

        return Reader(self.reading, self.settings)

    @cached_property
    def reports(self) -> Reports:
        """What makes the report of a cohort."""
        from status_db.report import Reports

        return Reports(self.reading, self.settings)

    @cached_property
    def objection_reports(self) -> ObjectionReports:
        """What counts objections for it."""
        from status_db.objection_report import ObjectionReports

        return ObjectionReports(self.desk, self.reading)

    def verified(self, heads: Mapping[int, str]) -> Report:
        """Look whether what stands agrees with the ledger, and with these heads of it. Raises LedgerRefused."""
        from status_db import ledger_key
        from status_db.engine import reading
        from sync.verify import verify

        file = self.settings.status_db.ledger_key_file
        seals = ledger_key.read(file)
        if seals is None:
            raise ledger_key.LedgerRefused(
                f"The ledger's key {file} is not there, and nothing can be verified without it. "
                "Put that file back from where you keep it, or sync first: that begins a ledger."
            )
        with reading(self.reading) as connection:
            return verify(connection, self.settings, self.cohort, seals, self.clock(), heads)

    def risks(self) -> tuple[str, ...]:
        """Say what of the status database's own settings puts at risk what was acknowledged. Raises StoreError."""
        from status_db import durable
        from status_db.engine import open_reading

        engine = open_reading(self.settings.status_db.url.get_secret_value())
        try:
            return durable.warnings(engine)
        finally:
            engine.dispose()

    @cached_property
    def accounts(self) -> Accounts:
        """Accounts, to read and write."""
        from status_db.accounts import Accounts

        return Accounts(self.desk)

    @cached_property
    def key(self) -> DeskKey:
        """What keyed hashes and sealed secrets are made with."""
        from status_db.desk_key import DeskKey

        return DeskKey(self.settings.portal.key_file)

    @cached_property
    def codes(self) -> Codes:
        """One-time codes."""
        from status_db.codes import Codes

        return Codes(self.desk, self.key)

    @cached_property
    def leavers(self) -> Leavers:
        """Who leaves."""
        from status_db.leavers import Leavers

        return Leavers(self.reading)

    @cached_property
    def audit(self) -> Audit:
        """The audit log."""
        from status_db.audit import Audit

        return Audit(self.desk)

    @cached_property
    def tokens(self) -> Tokens:
        """Other programs' keys to the API."""
        from status_db.tokens import Tokens

        return Tokens(self.desk)

    @cached_property
    def desk(self) -> Engine:
        """Accounts, requests and the audit log, to read and write. Raises StoreError unless they have their tables."""
        from status_db.accounts import desk_url
        from status_db.engine import open_writing

        return self._checked(open_writing(desk_url(self.settings.status_db)), "desk")
