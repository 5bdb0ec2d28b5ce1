"""The services of commands and the schedule: connectors, the sync and the checks, on one cohort's stores."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property, partial
from typing import TYPE_CHECKING

from clearance.settings_file import connector_module, now
from clearance.stores.cohort import CohortStores
from config.cohorts import naming
from config.tables.sources import Asked, Source
from connectors.port import Candidates, Connector, Question, SourceRefused
from foundation.translation import tr
from status_db.model import CLOCKS_DIFFER, ROSTER

if TYPE_CHECKING:
    # Each part is imported at its first use, because most commands use few of them.

    from config.processes import Process
    from status_db.desk.retention import RetentionRunner
    from status_db.ledger.seals import Seals
    from sync.run.approve import Approvals
    from sync.run.run import Sync
    from sync.run.season import Season
    from sync.service.gate import SourceGate
    from sync.service.inbox import Serving
    from sync.verify.desk import DeskReport
    from sync.verify.report import VerifyReport


@dataclass(frozen=True)
class Program(CohortStores):
    """The services of one cohort of a settings file."""

    clock: Callable[[], datetime] = now

    def of_cohort(self, key: str) -> Program:
        """Return the same program for another cohort, on the same databases."""
        return (
            self
            if key == self.cohort
            else replace(self, settings=self.settings.of_cohort(key), cohort=key, beside=self)
        )

    @property
    def suffix(self) -> str:
        """The cohort in brackets, to follow a source's name; empty when there is one cohort."""
        return f" ({self.cohort})" if len(self.settings.cohort) > 1 else ""

    def naming(self, text: str) -> str:
        """Return a message in which each suggested command names this cohort, when there are several."""
        return naming(self.settings, self.cohort, text)

    def asked(self, name: str) -> Asked | None:
        """Return the settings of a source or the roster; None for a change of settings, or a removed source."""
        return self.settings.roster if name == ROSTER else self.settings.source.get(name)

    def connect(self, name: str) -> Connector:
        """Return the connector of a source or the roster. Raises SourceRefused when the settings forbid it."""
        return self._make_connector(name, (self.cohort,), partial(self.candidates, name))

    def connect_for(self, cohorts: tuple[str, ...], name: str, candidates: Callable[[], Candidates]) -> Connector:
        """Return the connector that queries a source once for several cohorts."""
        return self._make_connector(name, cohorts, candidates)

    def _make_connector(self, name: str, cohorts: tuple[str, ...], candidates: Callable[[], Candidates]) -> Connector:
        from sync.pull.as_of import FIELD

        asked = self.settings.roster if name == ROSTER else self.settings.source[name]
        if why := asked.unusable:
            raise SourceRefused(
                tr("{name} cannot be queried: {why}", name=name, why="; ".join(why)),
                tr("run clearance check {name}.", name=name),
                has_fix=True,
            )
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
        assert module is not None  # noqa: S101 - the settings were checked with its schema
        return module.connect(asked.own, question)

    def candidates(self, name: str) -> Candidates:
        """Return the students about whom a source is queried by number; none for the roster."""
        from status_db.marks.current import CurrentState
        from status_db.store.engine import reading

        if name == ROSTER:
            return Candidates()
        with reading(self.writing) as connection:
            stored = CurrentState(connection, self.cohort)
            students = stored.with_step(self.settings.source[name].step)
            return Candidates(stored.numbers.numbers_with(students), stored.source(ROSTER).revision)

    def uses(self, name: str) -> bool:
        """Return whether a student of the cohort has the source's step; True while the roster is empty."""
        from status_db.marks.current import CurrentState
        from status_db.store.engine import reading
        from sync import rule_settings

        flows = {flow.key for flow in self.settings.flow}
        with reading(self.writing) as connection:
            stored = CurrentState(connection, self.cohort)
            own = stored.headcount(rule_settings.flows_with(self.settings, self.settings.source[name].step))
            return bool(own) or not stored.headcount(flows)

    def season(self, programs: Sequence[Program]) -> Season:
        """Return these cohorts, to be served together. Each source is queried once for all of them."""
        from sync.run.season import CohortMember, Season

        members = [CohortMember(p.cohort, p.settings, p.sync, p.candidates, p.uses) for p in programs]
        return Season(members, partial(self.connect_for, tuple(p.cohort for p in programs)))

    def look_at_marks(self, process: Process) -> None:
        """Check the tables of the marks that this process's pages read. Raises StoreError."""
        from config.processes import reading_url
        from status_db.store.engine import open_reading

        self._kept(open_reading(reading_url(self.settings.status_db, process).reveal()), "marks")

    @cached_property
    def sync(self) -> Sync:
        """The runs of the sources."""
        from sync.run.run import Sync

        cluster = self.settings.cluster
        # Where a dead worker's jobs are taken over, its leases have ended by then.
        lasting = {"lease_for": cluster.lease_for} if cluster.enabled else {}
        return Sync(self.settings, self.cohort, self.writing, self.connect, self.clock, self.ledger, **lasting)

    @cached_property
    def approvals(self) -> Approvals:
        """Votes on suspended runs, and their effects."""
        from sync.run.approve import Approvals

        return Approvals(self.settings, self.sync, self.votes)

    @cached_property
    def serving(self) -> Serving:
        """The service of requests from the pages."""
        from sync.service.inbox import Serving

        return Serving(
            self.settings,
            self.cohort,
            self.sync,
            self.reader,
            self.approvals,
            self.requests,
            self.uploads,
            self.clock,
            self.pauses.current,
        )

    @cached_property
    def gate(self) -> SourceGate:
        """The pauses and back-offs of sources, for all cohorts."""
        from status_db.queries.runs import RunReader
        from sync.service.gate import SourceGate

        return SourceGate(self.settings.schedule, RunReader(self.reading), self.pauses.current)

    def _existing_seals(self) -> Seals:
        """Return the seals of the ledger. Raises LedgerRefused when its key is missing."""
        from status_db.ledger import key as ledger_key

        file = self.settings.status_db.ledger_key_file
        seals = ledger_key.read(file)
        if seals is None:
            raise ledger_key.LedgerRefused(
                tr(
                    "The ledger's key {file} is missing, and rows cannot be verified without it. Restore that file "
                    "from your copy, or sync first to start a ledger.",
                    file=file,
                )
            )
        return seals

    def verified(self, heads: Mapping[int, str]) -> VerifyReport:
        """Compare the stored rows with the ledger, and with these heads of it. Raises LedgerRefused."""
        from status_db.store.engine import reading
        from sync.verify.report import verify

        seals = self._existing_seals()
        with reading(self.reading) as connection:
            return verify(connection, self.settings, self.cohort, seals, self.clock(), heads)

    def desk_verified(self, heads: Mapping[tuple[str, int], str]) -> DeskReport:
        """Check that the desk's rows and the audit log are unaltered. Raises LedgerRefused, KeyRefused."""
        from status_db.ledger.seals import Seals
        from status_db.store.engine import reading
        from sync.verify.desk import verify_desk

        seals = self._existing_seals()
        of_pages = Seals(key) if (key := self.key.existing("audit chain")) is not None else None
        with reading(self.desk) as connection:
            return verify_desk(connection, seals, of_pages, heads)

    def risks(self) -> tuple[str, ...]:
        """Return warnings about settings of the status database that risk data loss. Raises StoreError."""
        from status_db.store import durability, role_checks
        from status_db.store.engine import open_reading

        engine = open_reading(self.settings.status_db.url.reveal())
        try:
            return (*durability.warnings(engine), *role_checks.warnings(engine))
        finally:
            engine.dispose()

    def clock_warnings(self) -> tuple[str, ...]:
        """Return warnings about stored times in the future, and about a different clock of the status database."""
        from status_db.marks.current import CurrentState
        from status_db.store.clock import time_there
        from status_db.store.engine import reading

        now = self.clock()
        with reading(self.reading) as connection:
            ahead = CurrentState(connection, self.cohort).ahead_of(now)
            there = time_there(connection) if not self.settings.is_demo else now
        lines = [
            tr(
                "{source}{suffix} was stored as of {moment:%Y-%m-%d %H:%M} UTC, later than now: a clock was wrong. "
                "Correct the clock, then run: clearance sync {source}.",
                source=name,
                suffix=self.suffix,
                moment=moment,
            )
            for name, moment in sorted(ahead.items())
        ]
        difference = there - self.clock()
        if abs(difference) > CLOCKS_DIFFER:
            lines.append(
                tr(
                    "the status database's clock is at {there:%Y-%m-%d %H:%M:%S} UTC and this machine's at "
                    "{now:%Y-%m-%d %H:%M:%S}: correct the wrong one, preferably by NTP on both.",
                    there=there,
                    now=now,
                )
            )
        return tuple(map(self.naming, lines))

    @cached_property
    def retention(self) -> RetentionRunner:
        """The removal of rows that are older than [retention] allows, for every cohort."""
        from status_db.desk.retention import RetentionRunner
        from status_db.desk.store import DeskStore

        settings = self.settings
        spans = settings.retention.spans(session_longest=settings.auth.session_longest)
        pages = DeskStore(self.desk, key=self.key)
        return RetentionRunner(self.desk_store, self.writing, settings.cohort_keys(), spans, pages)
