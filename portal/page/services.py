"""The services of one process: what the pages read and write by, and the threads that they ask in."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ParamSpec, TypeVar

from anyio import to_thread
from jinja2 import Environment
from sqlalchemy import Engine

from config.settings import Settings
from portal.auth.known_devices import Devices
from portal.auth.providers.ways import Providers
from portal.auth.refused_tries import RefusedTries
from portal.auth.sessions import Cookie
from portal.auth.sso_state import SignInStates
from portal.auth.throttle import Throttle
from portal.i18n.languages import Language
from portal.web.faults import FaultLog
from portal.web.hashing import Hashing
from portal.web.long_questions import LongQuestions
from status_db.accounts.accounts import Accounts
from status_db.accounts.api_tokens import Tokens
from status_db.accounts.audit_log import Audit
from status_db.accounts.directory import AccountDirectory
from status_db.accounts.own_account import OwnAccount
from status_db.desk.key import DeskKey
from status_db.desk.retention import RetentionRuns
from status_db.inbox.announcements import Announcements
from status_db.inbox.appeals import Appeals
from status_db.inbox.pending_changes import PendingChanges
from status_db.inbox.requests import Requests
from status_db.queries.appeal_report import AppealReports
from status_db.queries.lists import Lists
from status_db.queries.named_students import NamedStudents
from status_db.queries.report import Reports
from status_db.queries.roster import RosterReader
from status_db.queries.runs import RunReader
from status_db.queries.student import Reader
from status_db.sign_in.identity_numbers import Identities
from status_db.sign_in.one_time_codes import Codes
from status_db.sign_in.passkeys import Passkeys
from status_db.sign_in.recovery_codes import RecoveryCodes
from status_db.sign_in.second_factor import SecondFactors
from status_db.sign_in.used_tickets import Tickets
from status_db.store.deadlines import within
from status_db.store.engine import StoreError

#: A question that is answered on the event loop is cancelled after this long.
_LONGEST_INLINE = timedelta(seconds=2)

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Services:
    """All services that the pages share; made once for each process."""

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
    #: Runs, what waits for a person, and strangers.
    runs: RunReader
    roster: RosterReader
    lists: Lists
    #: The report of a cohort: all but what was objected, and that.
    reports: Reports
    appeal_reports: AppealReports
    #: Students whom somebody names, several at once.
    named: NamedStudents
    #: For looking up sessions and accounts: it cannot write.
    accounts: Accounts
    #: For signing in and out, and for what changes accounts.
    desk: Accounts
    #: For finding accounts.
    directory: AccountDirectory
    #: One-time codes.
    codes: Codes
    #: For what changes accounts and may take two administrators.
    changes: PendingChanges
    #: The page of somebody's own account.
    own: OwnAccount
    #: Other programs' keys to the API.
    token_reading: Tokens
    token_writing: Tokens
    #: Who did what; what was asked for.
    audit: Audit
    #: The audit log, read-only.
    audit_log: Audit
    requests: Requests
    #: The runs of retention.
    retention_runs: RetentionRuns
    #: What is announced to students.
    board: Announcements
    #: What students object to, and what reviewers send back.
    raised_appeals: Appeals
    #: Providers to sign in by, who is on the way to one, and what they gave out that has been used.
    ways: Providers
    sign_in_states: SignInStates
    tickets: Tickets
    #: What keyed hashes and slips are made with.
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
    #: Large lists are written out here.
    exporting: ThreadPoolExecutor
    #: Overviews, lists, exports and PDFs wait their turn here.
    long: LongQuestions
    #: What breaks is noted here.
    faults: FaultLog
    languages: Mapping[str, Language]
    environments: Mapping[str, Environment]
    #: The marks are in one file on this machine: reading them is quicker than handing the question to a thread.
    inline: bool
    #: What this process has opened, the desk's included.
    engines: Sequence[Engine]

    async def ask(self, question: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Ask the database something short: at once where it is a file here, in a thread where it is far away."""
        if self.inline:
            with within(_LONGEST_INLINE):
                return question(*args, **kwargs)
        return await self.ask_long(question, *args, **kwargs)

    async def ask_long(self, question: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Ask something that takes its time, in a thread, so that others are served meanwhile."""
        return await to_thread.run_sync(lambda: question(*args, **kwargs))

    async def export(self, writing: Callable[[], T]) -> T:
        """Write out something large, one at a time in each process: the pages go on meanwhile."""
        return await asyncio.get_running_loop().run_in_executor(self.exporting, writing)

    def close(self) -> None:
        """Let go of the database and of the threads."""
        self.long.close()
        with suppress(StoreError):
            self.refused_tries.close()
        self.hashing.close()
        self.exporting.shutdown()
        self.faults.close()
        for engine in self.engines:
            engine.dispose()
