"""The services of one process: the objects that pages read and write with, and their threads."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ParamSpec, TypeVar

from anyio import to_thread
from jinja2 import Environment
from sqlalchemy import Engine

from config.settings import Settings
from portal.auth.known_devices import Devices
from portal.auth.providers.providers import Providers
from portal.auth.refused_tries import RefusedTries
from portal.auth.sessions import Cookie
from portal.auth.sso_state import SignInStates
from portal.auth.throttle import Throttle
from portal.i18n.languages import Language
from portal.web.faults import FaultLog
from portal.web.hashing import Hashing
from portal.web.long_questions import LongQuestions
from status_db.accounts.accounts import Accounts
from status_db.accounts.addresses import Addresses
from status_db.accounts.api_tokens import Tokens
from status_db.accounts.audit_log import Audit
from status_db.accounts.directory import AccountDirectory
from status_db.accounts.own_account import OwnAccount
from status_db.desk.key import DeskKey
from status_db.desk.retention import RetentionRuns
from status_db.inbox.announcements import Announcements
from status_db.inbox.appeals import Appeals
from status_db.inbox.drafts import Drafts
from status_db.inbox.pauses import Pauses
from status_db.inbox.pending_changes import PendingChanges
from status_db.inbox.reminders import Reminders
from status_db.inbox.requests import Requests
from status_db.queries.appeal_report import AppealReports
from status_db.queries.lists import Lists
from status_db.queries.named_students import NamedStudents
from status_db.queries.report import Reports
from status_db.queries.roster import RosterReader
from status_db.queries.runs import RunReader
from status_db.queries.student import Reader
from status_db.queries.trends import Trends
from status_db.sign_in.identity_numbers import Identities
from status_db.sign_in.one_time_codes import Codes
from status_db.sign_in.passkeys import Passkeys
from status_db.sign_in.recovery_codes import RecoveryCodes
from status_db.sign_in.second_factor import SecondFactors
from status_db.sign_in.used_tickets import Tickets
from status_db.store.deadlines import within
from status_db.store.engine import StoreError

#: A query that runs on the event loop is cancelled after this long.
_LONGEST_INLINE = timedelta(seconds=2)

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Services:
    """All services that the pages share; created once for each process."""

    settings: Settings
    clock: Callable[[], datetime]
    #: Whether this process serves students' pages, and staff's, which need the ledger's key.
    for_students: bool
    for_staff: bool
    #: The students' address; empty if the settings do not name one.
    students_url: str
    #: The address of the other process; empty if there is none.
    elsewhere: str
    reader: Reader
    #: Runs, runs that wait for approval, and unmatched rows.
    runs: RunReader
    roster: RosterReader
    lists: Lists
    #: The course of a season, day by day.
    trends: Trends
    #: The report of a cohort: all except appeals, and appeals.
    reports: Reports
    appeal_reports: AppealReports
    #: Several students, looked up by their numbers.
    named: NamedStudents
    #: Looks up sessions and accounts. It cannot write.
    accounts: Accounts
    #: Signs in and out, and changes accounts.
    desk: Accounts
    #: Finds accounts.
    directory: AccountDirectory
    #: One-time codes.
    codes: Codes
    #: Changes of accounts that can need two administrators.
    changes: PendingChanges
    #: Where accounts receive notifications.
    addresses: Addresses
    #: The visitor's own account.
    own: OwnAccount
    #: Tokens of other programs for the API.
    token_reading: Tokens
    token_writing: Tokens
    #: Writes the audit log.
    audit: Audit
    #: The audit log, read-only.
    audit_log: Audit
    requests: Requests
    #: Paused sources.
    pauses: Pauses
    #: The runs of retention.
    retention_runs: RetentionRuns
    #: Announcements to students.
    announcements: Announcements
    #: Students' appeals, and steps that reviewers have sent back.
    raised_appeals: Appeals
    #: Forms that were being filled when a session ended.
    drafts: Drafts
    #: Reminders that class teachers send.
    reminders: Reminders
    #: Sign-in providers, the states of sign-ins there, and their used tickets.
    providers: Providers
    sign_in_states: SignInStates
    tickets: Tickets
    #: The key of keyed hashes and slips.
    key: DeskKey
    cookie: Cookie
    devices: Devices
    throttle: Throttle
    refused_tries: RefusedTries
    identities: Identities
    #: Second factors and recovery codes.
    factors: SecondFactors
    passkeys: Passkeys
    recovery: RecoveryCodes
    hashing: Hashing
    #: Large files are written here.
    exporting: ThreadPoolExecutor
    #: Overviews, lists, exports and PDFs wait their turn here.
    long: LongQuestions
    #: Faults are logged here.
    faults: FaultLog
    languages: Mapping[str, Language]
    environments: Mapping[str, Environment]
    #: The marks are in one file on this machine: a query takes less time than handing it to a thread.
    inline: bool
    #: The databases that this process has opened, including the desk's.
    engines: Sequence[Engine]

    async def ask(self, question: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a short query: directly if the database is a local file, otherwise in a thread."""
        if self.inline:
            with within(_LONGEST_INLINE):
                return question(*args, **kwargs)
        return await self.ask_long(question, *args, **kwargs)

    async def ask_long(self, question: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a slow query in a thread, so that other visitors are served meanwhile."""
        return await to_thread.run_sync(lambda: question(*args, **kwargs))

    async def export(self, writing: Callable[[], T]) -> T:
        """Write a large file, one at a time in each process. Pages are served meanwhile."""
        return await asyncio.get_running_loop().run_in_executor(self.exporting, copy_context().run, writing)

    def close(self) -> None:
        """Close the databases and stop the threads."""
        self.long.close()
        with suppress(StoreError):
            self.refused_tries.close()
        self.hashing.close()
        self.exporting.shutdown()
        self.faults.close()
        for engine in self.engines:
            engine.dispose()
