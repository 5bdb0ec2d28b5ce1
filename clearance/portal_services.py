"""The services of the pages and of the desk, on the stores of one process."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial

from clearance.files.sheets import Sheets
from clearance.stores.cohort import CohortStores
from clearance.stores.shared import Stores
from config.processes import Process
from config.tables.notify import NotifyEvent
from portal.auth.known_devices import Devices
from portal.auth.providers.providers import Providers
from portal.auth.refused_tries import RefusedTries
from portal.auth.sessions import Cookie
from portal.auth.sso_state import SignInStates
from portal.auth.throttle import Throttle
from portal.desk.context.services import DeskServices, DeskStores
from portal.desk.pages import ROUTES
from portal.i18n import languages
from portal.page.services import Services
from portal.page.templates import environment
from portal.web.faults import FaultLog
from portal.web.hashing import Hashing
from portal.web.long_questions import Elsewhere, LongQuestions
from status_db.accounts.directory import AccountDirectory
from status_db.accounts.own_account import OwnAccount
from status_db.inbox.appeals import Appeals
from status_db.inbox.drafts import Drafts
from status_db.inbox.reminders import Reminders
from status_db.queries.named_students import NamedStudents
from status_db.queries.roster import RosterReader
from status_db.queries.runs import RunReader
from status_db.queries.trends import Trends
from status_db.sign_in.passkeys import Passkeys
from status_db.sign_in.recovery_codes import RecoveryCodes
from status_db.sign_in.used_tickets import Tickets

#: A full list takes a minute or more; the next export waits for it.
_EXPORTING_THREADS = 1


def portal_services(stores: Stores, clock: Callable[[], datetime], apart: Elsewhere | None = None) -> Services:
    """Return the services of the pages. A database is opened when a page first needs it.

    The students' process does not read the ledger's key, and cannot write sealed rows.
    """
    students, staff = stores.web is not Process.DESK, stores.web is not Process.PAGES
    settings = stores.settings
    students_url = settings.portal.public_url
    elsewhere = settings.portal.desk_public_url if not staff else students_url if not students else ""
    if not students and settings.portal.desk_public_url:
        portal = settings.portal.model_copy(update={"public_url": settings.portal.desk_public_url})
        settings = settings.model_copy(update={"portal": portal})
    key, loaded_languages = stores.key, languages.load(settings.institution.languages, settings.institution.timezone)
    cookie = Cookie.of(settings.portal, desk=not students)
    return _with_stores(stores)(
        settings=settings,
        clock=clock,
        for_students=students,
        for_staff=staff,
        students_url=students_url,
        elsewhere=elsewhere,
        cookie=cookie,
        devices=Devices.of(key, cookie),
        throttle=Throttle.of(stores.attempts, settings.auth, settings.portal),
        refused_tries=RefusedTries(stores.audit, clock),
        providers=Providers.of(settings.auth),
        sign_in_states=SignInStates(key, cookie),
        hashing=Hashing(settings.portal.limits.passwords_waiting),
        exporting=ThreadPoolExecutor(_EXPORTING_THREADS, "exporting"),
        long=LongQuestions(settings.portal.limits, apart),
        faults=FaultLog(),
        languages=loaded_languages,
        environments={code: environment(language, settings) for code, language in loaded_languages.items()},
        inline=stores.reading.dialect.name == "sqlite",
        engines=stores.engines,
    )


def _with_stores(stores: Stores) -> partial[Services]:
    """Return the services with their stores; the other fields are still missing."""
    return partial(
        Services,
        reader=stores.reader,
        runs=RunReader(stores.reading),
        roster=RosterReader(stores.reading),
        lists=stores.lists,
        trends=Trends(stores.reading, stores.settings),
        reports=stores.reports,
        appeal_reports=stores.appeal_reports,
        named=NamedStudents(stores.reading, stores.settings),
        accounts=stores.accounts_reading,
        desk=stores.accounts,
        directory=AccountDirectory(stores.desk_reading, demo=stores.settings.is_demo),
        audit=stores.audit,
        audit_log=stores.audit_reading,
        requests=stores.requests,
        pauses=stores.pauses,
        retention_runs=stores.retention_runs,
        announcements=stores.announcements,
        raised_appeals=Appeals(
            stores.desk_store,
            notify_students=NotifyEvent.APPEAL_ANSWERED in stores.settings.notify.student_events,
        ),
        reminders=Reminders(stores.desk_store, enabled=NotifyEvent.REMINDER in stores.settings.notify.student_events),
        key=stores.key,
        codes=stores.codes,
        changes=stores.changes,
        addresses=stores.addresses,
        own=OwnAccount(stores.desk_store),
        token_reading=stores.tokens_reading,
        token_writing=stores.tokens,
        identities=stores.identities,
        factors=stores.factors,
        passkeys=Passkeys(stores.desk_store),
        recovery=RecoveryCodes(stores.desk_store, stores.key),
        tickets=Tickets(stores.desk),
        drafts=Drafts(stores.desk),
    )


def desk_services(stores: Stores) -> DeskServices:
    """Return the services of the desk."""
    settings = stores.settings
    cohorts = {key: CohortStores(settings, key, web=stores.web, beside=stores) for key in settings.cohort_keys()}
    return DeskServices(
        stores={key: _desk_stores(cohort) for key, cohort in cohorts.items()},
        uploads=stores.uploads,
        read_sheet=Sheets(settings.desk),
        routes=ROUTES,
    )


def _desk_stores(cohort: CohortStores) -> DeskStores:
    return DeskStores(
        overrides=cohort.overrides,
        batches=cohort.batches,
        reviews=cohort.reviews,
        register=cohort.register,
        class_reviews=cohort.class_reviews,
        classes=cohort.classes,
        certificates=cohort.certificates,
    )
