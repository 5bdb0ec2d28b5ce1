"""Putting the rooms together: settings with the connectors' own keys, engines, and what works on them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property, partial
from typing import TYPE_CHECKING

from config.cohorts import naming
from config.settings import Settings
from config.tables.sources import Asked, Source
from connectors.port import Candidates, Connector, Question, SourceRefused
from status_db.model import CLOCKS_DIFFER, ROSTER

if TYPE_CHECKING:
    # Each part of a program is imported when a command first asks for it: most ask for few.
    from sqlalchemy import Engine

    from config.processes import Process
    from status_db.accounts.accounts import Accounts
    from status_db.accounts.api_tokens import Tokens
    from status_db.accounts.audit_log import Audit
    from status_db.accounts.leavers import Leavers
    from status_db.decisions.batches import Batches
    from status_db.decisions.certificates import CertificateRegister
    from status_db.decisions.overrides import Overrides
    from status_db.decisions.reviews import Reviews
    from status_db.decisions.writer import DecisionWriter
    from status_db.desk.key import DeskKey
    from status_db.desk.retention import RetentionRunner
    from status_db.desk.store import DeskStore
    from status_db.ledger.chain import Ledger
    from status_db.ledger.seals import Seals
    from status_db.marks.approvals import ApprovalVotes
    from status_db.marks.expected_changes import Waves
    from status_db.marks.renumber import Renumbering
    from status_db.queries.appeal_report import ObjectionReports
    from status_db.queries.report import Reports
    from status_db.queries.student import Reader
    from status_db.sign_in.one_time_codes import Codes
    from status_db.store.migrate import Part
    from sync.run.approve import Approvals
    from sync.run.run import Sync
    from sync.run.season import Season
    from sync.service.inbox import Serving
    from sync.verify.desk import DeskReport
    from sync.verify.report import VerifyReport
from clearance.settings_file import connector_module, now


@dataclass(frozen=True)
class Program:
    """One settings file at work on one cohort. Databases are opened when first needed."""

    #: With this cohort's roster.
    settings: Settings
    cohort: str
    clock: Callable[[], datetime] = now
    _opened: list[Engine] = field(default_factory=list)
    #: What has the databases open, where this is another cohort of the same settings file.
    _beside: Program | None = None

    def of_cohort(self, key: str) -> Program:
        """Return the same program at work on another cohort, on the same databases."""
        return (
            self
            if key == self.cohort
            else replace(self, settings=self.settings.of_cohort(key), cohort=key, _beside=self)
        )

    @property
    def suffix(self) -> str:
        """What a line says after a source: its cohort, where there are several."""
        return f" ({self.cohort})" if len(self.settings.cohort) > 1 else ""

    def naming(self, text: str) -> str:
        """Return a message in which each suggested command names this cohort, where there are several."""
        return naming(self.settings, self.cohort, text)

    def close(self) -> None:
        """Let go of the databases."""
        for engine in self._opened:
            engine.dispose()

    def _checked(self, engine: Engine, part: Part) -> Engine:
        """Keep an engine until the end. Raises StoreError unless its database has this program's tables."""
        from status_db.store.migrate import check

        self._opened.append(engine)
        check(engine, part)
        return engine

    def asked(self, name: str) -> Asked | None:
        """Return the settings of a source, or of the roster; None for a change of settings, or a source of the past."""
        return self.settings.roster if name == ROSTER else self.settings.source.get(name)

    def connect(self, name: str) -> Connector:
        """Make the connector of a source, or of the roster. Raises SourceRefused where the settings do not allow it."""
        return self._connected(name, (self.cohort,), partial(self.candidates, name))

    def connect_for(self, cohorts: tuple[str, ...], name: str, candidates: Callable[[], Candidates]) -> Connector:
        """Make the connector that asks a source once for several cohorts."""
        return self._connected(name, cohorts, candidates)

    def _connected(self, name: str, cohorts: tuple[str, ...], candidates: Callable[[], Candidates]) -> Connector:
        from sync.pull.as_of import FIELD

        asked = self.settings.roster if name == ROSTER else self.settings.source[name]
        if why := asked.unusable:
            raise SourceRefused(f"{name} cannot be asked: {'; '.join(why)}", f"Then try: clearance check {name}.")
        windows = [w for key in cohorts for w in self.settings.cohort_named(key).windows.values()]
        columns, query = asked.columns, ""
        if isinstance(asked, Source) and asked.as_of:
            columns, query = (columns, asked.as_of) if asked.as_of_is_query else ({**columns, FIELD: asked.as_of}, "")
        question = Question(
            name,
            columns,
            self.clock,
            candidates,
            opens=min((w.opens for w in windows), default=None),
            closes=max((w.closes for w in windows), default=None),
            cohort=cohorts[0] if len(cohorts) == 1 else "",
            as_of=query,
            zone=self.settings.zone_of(asked),
        )
        module = connector_module(asked.connector)
        assert module is not None  # noqa: S101 - the settings were read by its schema
        return module.connect(asked.own, question)

    def candidates(self, name: str) -> Candidates:
        """Read whom a source may be asked about by number; the roster itself is asked about nobody."""
        from status_db.marks.current import Stored
        from status_db.store.engine import reading

        if name == ROSTER:
            return Candidates()
        with reading(self.writing) as connection:
            stored = Stored(connection, self.cohort)
            students = stored.with_step(self.settings.source[name].step)
            return Candidates(stored.numbers.numbers_with(students), stored.source(ROSTER).revision)

    def uses(self, name: str) -> bool:
        """Say whether a student here has the step that a source decides; so while nobody is on the roster yet."""
        from status_db.marks.current import Stored
        from status_db.store.engine import reading
        from sync import rule_settings

        flows = {flow.key for flow in self.settings.flow}
        with reading(self.writing) as connection:
            stored = Stored(connection, self.cohort)
            own = stored.headcount(rule_settings.flows_with(self.settings, self.settings.source[name].step))
            return bool(own) or not stored.headcount(flows)

    def season(self, programs: Sequence[Program]) -> Season:
        """Return these cohorts, to be served together; each source is asked once for all of them."""
        from sync.run.season import CohortMember, Season

        members = [CohortMember(p.cohort, p.settings, p.sync, p.candidates, p.uses) for p in programs]
        return Season(members, partial(self.connect_for, tuple(p.cohort for p in programs)))

    @cached_property
    def writing(self) -> Engine:
        """The marks, to write. Raises StoreError unless they have this program's tables."""
        from status_db.store.engine import open_writing

        if self._beside is not None:
            return self._beside.writing
        secret = self.settings.status_db.url
        return self._checked(open_writing(secret.reveal(), secret=secret), "marks")

    def look_at_marks(self, process: Process) -> None:
        """Check the tables of the database that this process's pages read the marks from. Raises StoreError."""
        from config.processes import reading_url
        from status_db.store.engine import open_reading

        self._checked(open_reading(reading_url(self.settings.status_db, process).reveal()), "marks")

    @cached_property
    def ledger(self) -> Ledger:
        """What seals every write. The pages never ask for it."""
        from status_db.ledger.chain import Ledger

        return Ledger(self.settings.status_db.ledger_key_file, self.cohort)

    @cached_property
    def sync(self) -> Sync:
        """What runs the sources."""
        from sync.run.run import Sync

        return Sync(self.settings, self.cohort, self.writing, self.connect, self.clock, self.ledger)

    @cached_property
    def decision_writer(self) -> DecisionWriter:
        """The writer of every decision."""
        from status_db.decisions.writer import DecisionWriter

        return DecisionWriter(self.writing, self.settings, self.cohort, self.ledger)

    @cached_property
    def overrides(self) -> Overrides:
        """Operators' decisions on single steps."""
        from status_db.decisions.overrides import Overrides

        return Overrides(self.decision_writer)

    @cached_property
    def batches(self) -> Batches:
        """Operators' decisions from a sheet."""
        from status_db.decisions.batches import Batches

        return Batches(self.decision_writer)

    @cached_property
    def reading(self) -> Engine:
        """The marks, to read alone. Raises StoreError unless they have this program's tables."""
        from status_db.store.engine import open_reading

        if self._beside is not None:
            return self._beside.reading
        secret = self.settings.status_db.url
        return self._checked(open_reading(secret.reveal(), secret=secret), "marks")

    @cached_property
    def reviews(self) -> Reviews:
        """Reviewers' decisions."""
        from status_db.decisions.reviews import Reviews

        return Reviews(self.decision_writer)

    @cached_property
    def register(self) -> CertificateRegister:
        """Certificates: issued, handed over and revoked."""
        from status_db.decisions.certificates import CertificateRegister

        return CertificateRegister(self.decision_writer)

    @cached_property
    def votes(self) -> ApprovalVotes:
        """The votes on suspended runs."""
        from status_db.marks.approvals import ApprovalVotes

        return ApprovalVotes(self.writing, self.cohort, self.ledger)

    @cached_property
    def approvals(self) -> Approvals:
        """What takes votes on suspended runs and carries them out."""
        from sync.run.approve import Approvals

        return Approvals(self.settings, self.sync, self.votes)

    @cached_property
    def serving(self) -> Serving:
        """What serves the requests of the pages."""
        from status_db.inbox.requests import Requests
        from status_db.inbox.uploads import Uploads
        from sync.service.inbox import Serving

        return Serving(
            self.settings,
            self.cohort,
            self.sync,
            self.reader,
            self.approvals,
            Requests(self.desk_store),
            Uploads(self.desk_store),
            self.clock,
        )

    @cached_property
    def renumbering(self) -> Renumbering:
        """What corrects student numbers."""
        from status_db.marks.renumber import Renumbering

        return Renumbering(self.writing, self.desk_store, self.cohort, self.ledger)

    @cached_property
    def waves(self) -> Waves:
        """The door for what offices announce."""
        from status_db.marks.expected_changes import Waves

        return Waves(self.writing, self.cohort, self.ledger)

    @cached_property
    def reader(self) -> Reader:
        """What answers questions; it cannot write."""
        from status_db.queries.student import Reader

        return Reader(self.reading, self.settings)

    @cached_property
    def reports(self) -> Reports:
        """What makes the report of a cohort."""
        from status_db.queries.report import Reports

        return Reports(self.reading, self.settings)

    @cached_property
    def objection_reports(self) -> ObjectionReports:
        """What counts objections for it."""
        from status_db.queries.appeal_report import ObjectionReports

        return ObjectionReports(self.desk, self.reading)

    def _existing_seals(self) -> Seals:
        """Return what the ledger's rows were sealed with. Raises LedgerRefused where its key is not there."""
        from status_db.ledger import key as ledger_key

        file = self.settings.status_db.ledger_key_file
        seals = ledger_key.read(file)
        if seals is None:
            raise ledger_key.LedgerRefused(
                f"The ledger's key {file} is not there, and nothing can be verified without it. "
                "Put that file back from where you keep it, or sync first: that begins a ledger."
            )
        return seals

    def verified(self, heads: Mapping[int, str]) -> VerifyReport:
        """Look whether what stands agrees with the ledger, and with these heads of it. Raises LedgerRefused."""
        from status_db.store.engine import reading
        from sync.verify.report import verify

        seals = self._existing_seals()
        with reading(self.reading) as connection:
            return verify(connection, self.settings, self.cohort, seals, self.clock(), heads)

    def desk_verified(self, heads: Mapping[tuple[str, int], str]) -> DeskReport:
        """Check that the desk's rows and the audit log are as they were written. Raises LedgerRefused, KeyRefused."""
        from status_db.ledger.seals import Seals
        from status_db.store.engine import reading
        from sync.verify.desk import verify_desk

        seals = self._existing_seals()
        of_pages = Seals(key) if (key := self.key.existing("audit chain")) is not None else None
        with reading(self.desk) as connection:
            return verify_desk(connection, seals, of_pages, heads)

    def risks(self) -> tuple[str, ...]:
        """Say what of the status database's own settings puts at risk what was acknowledged. Raises StoreError."""
        from status_db.store import durability, role_checks
        from status_db.store.engine import open_reading

        engine = open_reading(self.settings.status_db.url.reveal())
        try:
            return (*durability.warnings(engine), *role_checks.warnings(engine))
        finally:
            engine.dispose()

    def clock_warnings(self) -> tuple[str, ...]:
        """Say which stored moments are later than now, and whether the status database's clock is another one."""
        from status_db.marks.current import Stored
        from status_db.store.clock import time_there
        from status_db.store.engine import reading

        now = self.clock()
        with reading(self.reading) as connection:
            ahead = Stored(connection, self.cohort).ahead_of(now)
            there = time_there(connection) if not self.settings.is_demo else now
        lines = [
            f"{name}{self.suffix} was stored as of {moment:%Y-%m-%d %H:%M} UTC, later than now: a clock was wrong. "
            f"Set the clock right, then: clearance sync {name}."
            for name, moment in sorted(ahead.items())
        ]
        apart = there - self.clock()
        if abs(apart) > CLOCKS_DIFFER:
            lines.append(
                f"the status database's clock says {there:%Y-%m-%d %H:%M:%S} UTC and this machine's "
                f"{now:%Y-%m-%d %H:%M:%S}: set the wrong one right, best by NTP on both."
            )
        return tuple(map(self.naming, lines))

    @cached_property
    def accounts(self) -> Accounts:
        """Accounts, to read and write."""
        from status_db.accounts.accounts import Accounts

        return Accounts(self.desk_store, demo=self.settings.is_demo)

    @cached_property
    def key(self) -> DeskKey:
        """What keyed hashes and sealed secrets are made with."""
        from status_db.desk.key import DeskKey

        return DeskKey(self.settings.portal.key_file)

    @cached_property
    def codes(self) -> Codes:
        """One-time codes."""
        from status_db.sign_in.one_time_codes import Codes

        return Codes(self.desk_store, self.key, demo=self.settings.is_demo)

    @cached_property
    def leavers(self) -> Leavers:
        """Who leaves."""
        from status_db.accounts.leavers import Leavers

        return Leavers(self.reading)

    @cached_property
    def audit(self) -> Audit:
        """The audit log."""
        from status_db.accounts.audit_log import Audit

        return Audit(self.desk_store)

    @cached_property
    def retention(self) -> RetentionRunner:
        """Removes what [retention] no longer keeps, of every cohort."""
        from status_db.desk.retention import RetentionRunner
        from status_db.desk.store import DeskStore

        settings = self.settings
        spans = settings.retention.spans(session_longest=settings.auth.session_longest)
        pages = DeskStore(self.desk, key=self.key)
        return RetentionRunner(self.desk_store, self.writing, settings.cohort_keys(), spans, pages)

    @cached_property
    def tokens(self) -> Tokens:
        """Other programs' keys to the API."""
        from status_db.accounts.api_tokens import Tokens

        return Tokens(self.desk_store, demo=self.settings.is_demo)

    @cached_property
    def desk(self) -> Engine:
        """Accounts, requests and the audit log, to read and write. Raises StoreError unless they have their tables."""
        from status_db.desk.address import desk_secret, desk_url
        from status_db.store.engine import open_writing

        if self._beside is not None:
            return self._beside.desk
        own = self.settings.status_db
        return self._checked(open_writing(desk_url(own), secret=desk_secret(own)), "desk")

    @cached_property
    def desk_store(self) -> DeskStore:
        """The same database, with the ledger's key to seal rows."""
        from status_db.desk.store import DeskStore

        return DeskStore(self.desk, self.settings.status_db.ledger_key_file)
