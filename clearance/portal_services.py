"""What the pages and the desk of one process are given: every store, opened once."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial

from starlette.routing import BaseRoute

from config.processes import Process, reading_url, writing_url
from config.settings import Settings
from portal.auth.known_devices import Devices
from portal.auth.providers.ways import Ways
from portal.auth.refused_tries import RefusedTries
from portal.auth.sessions import Cookie
from portal.auth.sso_state import Journeys
from portal.auth.throttle import Slowdown
from portal.desk.context.services import DeskServices, Doors, ReadsSheets
from portal.i18n import languages
from portal.page.services import Services
from portal.page.templates import environment
from portal.web.faults import FaultLog
from portal.web.hashing import Hashing
from portal.web.long_questions import Elsewhere, LongQuestions
from status_db.accounts.accounts import Accounts
from status_db.accounts.api_tokens import Tokens
from status_db.accounts.audit_log import Audit
from status_db.accounts.authority import Authority
from status_db.accounts.directory import AccountDirectory
from status_db.accounts.own_account import OwnAccount
from status_db.decisions.batches import Batches
from status_db.decisions.certificates import CertificateRegister
from status_db.decisions.class_review import ClassReviews
from status_db.decisions.overrides import Overrides
from status_db.decisions.reviews import Reviews
from status_db.decisions.writer import DecisionWriter
from status_db.desk.address import desk_secret, desk_url
from status_db.desk.key import DeskKey
from status_db.desk.retention import RetentionRuns
from status_db.desk.store import DeskStore
from status_db.inbox.announcements import Board
from status_db.inbox.appeals import StudentObjections
from status_db.inbox.pending_changes import PendingChanges
from status_db.inbox.requests import Requests
from status_db.inbox.uploads import Uploads
from status_db.ledger.chain import Ledger
from status_db.queries.appeal_report import ObjectionReports
from status_db.queries.certificates import CertificateReader
from status_db.queries.classes import Classes
from status_db.queries.lists import Lists
from status_db.queries.named_students import NamedStudents
from status_db.queries.report import Reports
from status_db.queries.roster import RosterReader
from status_db.queries.runs import RunReader
from status_db.queries.student import Reader
from status_db.sign_in.identity_numbers import Identities
from status_db.sign_in.login_attempts import Attempts
from status_db.sign_in.one_time_codes import Codes
from status_db.sign_in.passkeys import Passkeys
from status_db.sign_in.recovery_codes import RecoveryCodes
from status_db.sign_in.second_factor import Factors
from status_db.sign_in.used_tickets import Tickets
from status_db.store.engine import open_reading, open_writing

#: A list of everybody takes a minute or more; the next one waits for it.
_EXPORTING_THREADS = 1


def portal_services(
    settings: Settings, clock: Callable[[], datetime], process: Process, apart: Elsewhere | None = None
) -> Services:
    """Open what the pages of this process need. The databases themselves are opened when first asked.

    For students alone the ledger's key is not read, and nothing that is sealed with it can be written.
    """
    students, staff = process is not Process.DESK, process is not Process.PAGES
    students_url = settings.portal.public_url
    elsewhere = settings.portal.desk_public_url if not staff else students_url if not students else ""
    if not students and settings.portal.desk_public_url:
        portal = settings.portal.model_copy(update={"public_url": settings.portal.desk_public_url})
        settings = settings.model_copy(update={"portal": portal})
    secret, key = reading_url(settings.status_db, process), DeskKey(settings.portal.key_file)
    longest = settings.portal.limits.long_within
    marks = open_reading(secret.reveal(), at_most=longest, secret=secret)
    desk, secret = desk_url(settings.status_db), desk_secret(settings.status_db)
    desk_reading, desk_writing = open_reading(desk, at_most=longest, secret=secret), open_writing(desk, secret=secret)
    ledger_key_file = settings.status_db.ledger_key_file if staff else None
    read, write = (DeskStore(engine, ledger_key_file, key) for engine in (desk_reading, desk_writing))
    spoken = languages.load(settings.institution.languages, settings.institution.timezone)
    cookie = Cookie.of(settings.portal, desk=not students)
    codes = Codes(write, key, demo=settings.is_demo)
    return Services(
        settings=settings,
        clock=clock,
        for_students=students,
        for_staff=staff,
        students_url=students_url,
        elsewhere=elsewhere,
        reader=Reader(marks, settings),
        runs=RunReader(marks),
        roster=RosterReader(marks),
        lists=Lists(marks, settings),
        reports=Reports(marks, settings),
        objection_reports=ObjectionReports(desk_reading, marks),
        named=NamedStudents(marks, settings),
        accounts=Accounts(read, demo=settings.is_demo),
        desk=Accounts(write, demo=settings.is_demo),
        directory=AccountDirectory(desk_reading, demo=settings.is_demo),
        audit=Audit(write),
        audit_log=Audit(read),
        requests=Requests(write),
        retention_runs=RetentionRuns(desk_reading),
        board=Board(write),
        student_objections=StudentObjections(write),
        key=key,
        cookie=cookie,
        devices=Devices.of(key, cookie),
        slowdown=Slowdown.of(Attempts(desk_writing, key), settings.auth, settings.portal),
        refused_tries=RefusedTries(Audit(write), clock),
        codes=codes,
        changes=PendingChanges(write, codes, settings.auth, settings.cohort_keys(), demo=settings.is_demo),
        own=OwnAccount(write),
        token_reading=Tokens(read, demo=settings.is_demo),
        token_writing=Tokens(write, demo=settings.is_demo),
        identities=Identities(write, key),
        factors=Factors(write),
        passkeys=Passkeys(write),
        recovery=RecoveryCodes(write, key),
        ways=Ways.of(settings.auth),
        tickets=Tickets(desk_writing),
        journeys=Journeys(key, cookie),
        hashing=Hashing(settings.portal.limits.passwords_waiting),
        exporting=ThreadPoolExecutor(_EXPORTING_THREADS, "exporting"),
        long=LongQuestions(settings.portal.limits, apart),
        faults=FaultLog(),
        languages=spoken,
        environments={code: environment(language, settings) for code, language in spoken.items()},
        inline=marks.dialect.name == "sqlite",
        engines=(marks, desk_reading, desk_writing),
    )


def desk_services(settings: Settings, read_sheet: ReadsSheets, routes: Sequence[BaseRoute]) -> DeskServices:
    """Open what the desk needs. The databases themselves are opened when first asked."""
    secret, own = writing_url(settings.status_db, Process.DESK), settings.status_db
    marks = open_writing(secret.reveal(), secret=secret)
    desk = open_writing(desk_url(own), secret=desk_secret(own))
    ledger = partial(Ledger, settings.status_db.ledger_key_file)
    sealed = DeskStore(desk, settings.status_db.ledger_key_file)
    may = partial(Authority, Accounts(sealed, demo=settings.is_demo))
    return DeskServices(
        doors={
            key: _doors(DecisionWriter(marks, settings, key, ledger(key), may(key))) for key in settings.cohort_keys()
        },
        uploads=Uploads(sealed),
        read_sheet=read_sheet,
        routes=tuple(routes),
        engines=(marks, desk),
    )


def _doors(writer: DecisionWriter) -> Doors:
    return Doors(
        overrides=Overrides(writer),
        batches=Batches(writer),
        reviews=Reviews(writer),
        register=CertificateRegister(writer),
        class_reviews=ClassReviews(writer),
        classes=Classes(writer.engine, writer.settings, writer.cohort),
        certificates=CertificateReader(writer.engine, writer.cohort),
    )
