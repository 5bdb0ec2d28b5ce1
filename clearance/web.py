"""The applications that the web server imports: the pages, the desk, or both, by the environment's settings."""

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

import structlog
from starlette.applications import Starlette
from starlette.types import ASGIApp

from clearance.institutions.claims import host_of, hosts_of
from clearance.institutions.folder import InstitutionFolder, log_faults
from clearance.monitoring.observed import trace
from clearance.portal_services import desk_services, portal_services
from clearance.settings_file import INSTITUTION_VARIABLE, chosen_file, clock_of, institution_folder, load_settings
from clearance.stores.shared import Stores
from config import logs
from config.institutions import institution_in
from config.log_names import use_key
from config.processes import Process, missing
from config.renames import log_former_keys
from config.settings import ProcessSettings, Settings
from config.tables.limits import PortalLimits
from foundation import metrics
from foundation.acting import acting_for
from portal.app import create_app
from portal.by_host import ByHost, HostedPages
from portal.web.apart import Apart
from portal.web.links import prefix_of, set_prefix, with_prefix
from portal.web.long_questions import Elsewhere
from status_db.desk.key import DeskKey
from status_db.store import pools
from status_db.store.engine import StoreError


def pages(*, apart: bool = True) -> ASGIApp:
    """Return the students' pages, without the ledger's key. With `apart`, helpers answer long queries."""
    return _application_of("pages", staff=False, apart=apart)


def desk(*, apart: bool = True) -> ASGIApp:
    """Return the pages of staff, with the desk."""
    return _application_of("desk", students=False, apart=apart)


def both(*, apart: bool = True) -> ASGIApp:
    """Return the pages and the desk in one process."""
    return _application_of("all", apart=apart)


def application(
    settings: Settings,
    *,
    clock: Callable[[], datetime],
    desk: bool = False,
    students: bool = True,
    staff: bool = True,
    apart: Elsewhere | None = None,
) -> Starlette:
    """Return the pages of one settings file, for students, for staff, or for both, with the `desk` or without.

    Databases are opened at their first query. Long queries are answered by `apart`, or in this process.
    """
    process = Process.ALL if students and staff else Process.PAGES if students else Process.DESK
    stores = Stores(settings, web=process)
    return create_app(portal_services(stores, clock, apart), desk_services(stores) if desk else None)


def _application_of(what: str, *, students: bool = True, staff: bool = True, apart: bool) -> ASGIApp:
    folder = institution_folder()
    key = os.environ.get(INSTITUTION_VARIABLE)
    if folder is not None and not key:
        return _by_host(folder, what, students=students, staff=staff, apart=apart)
    one = institution_in(folder.folder, key) if folder is not None and key else None
    settings = load_settings(one.file if one is not None else chosen_file(None), one)
    portal = settings.portal
    set_prefix(portal.public_url if students else portal.desk_public_url or portal.public_url)
    logs.configure(settings.log, DeskKey(settings.portal.key_file).log_key)
    log_former_keys(settings)
    _observe(settings, what)
    helpers = _helpers(settings.portal.limits, what) if apart else None
    desk, clock = staff and settings.desk.enabled, clock_of(settings)
    return application(settings, clock=clock, desk=desk, students=students, staff=staff, apart=helpers)


def _observe(settings: Settings | ProcessSettings, what: str) -> None:
    if settings.metrics.port is not None and os.environ.get(metrics.FOLDER_VARIABLE):
        metrics.enable()
    trace(settings.tracing, {"pages": Process.PAGES, "desk": Process.DESK}.get(what, Process.ALL))


def _helpers(limits: PortalLimits, what: str) -> Apart:
    return Apart((sys.executable, "-m", "clearance.apart", what), limits.long_at_once, limits.long_within)


def _by_host(folder: InstitutionFolder, what: str, *, students: bool, staff: bool, apart: bool) -> ByHost:
    """Return the pages of all institutions. One that cannot be served is logged, and does not stop the others."""
    # A helper answers with the settings of the process that it helps.
    found = folder.read() if apart else folder.again()
    logs.configure(found.process.log)
    log_faults(found)
    _observe(found.process, what)
    pools.share(len(found.settings), found.process.connections)
    helpers = _helpers(found.process.portal.limits, what) if apart else None
    process = Process.ALL if students and staff else Process.PAGES if students else Process.DESK
    served: list[HostedPages] = []
    usable = found.usable()
    for key, settings in found.settings.items():
        with acting_for(key):
            if lacking := missing(settings, process):
                usable[key] = False
                structlog.get_logger("clearance.portal").error("institution not served", message="; ".join(lacking))
            elif students or settings.desk.enabled:
                served.append(_hosted(settings, students=students, staff=staff, helpers=helpers))
    return ByHost(served, usable)


def _hosted(settings: Settings, *, students: bool, staff: bool, helpers: Apart | None) -> HostedPages:
    portal = settings.portal
    public_url = portal.public_url if students else portal.desk_public_url or portal.public_url
    use_key(DeskKey(portal.key_file).log_key, settings.key)
    log_former_keys(settings)
    desk, clock, prefix = staff and settings.desk.enabled, clock_of(settings), prefix_of(public_url)
    with with_prefix(prefix):
        app = application(settings, clock=clock, desk=desk, students=students, staff=staff, apart=helpers)
    services = app.state.services

    def responds() -> bool:
        with acting_for(settings.key), suppress(StoreError):
            services.reader.check()
            services.accounts.check()
            return True
        return False

    hosts = frozenset({host_of(public_url)}) if not (students and staff) else frozenset(hosts_of(settings))
    return HostedPages(settings.key, hosts, prefix, app, responds)
