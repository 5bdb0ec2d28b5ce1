"""The applications that the web server imports: the pages, the desk, or both, by the environment's settings."""

import os
import sys
from collections.abc import Callable
from datetime import datetime

from starlette.applications import Starlette

from clearance.monitoring.observed import trace
from clearance.portal_services import desk_services, portal_services
from clearance.settings_file import chosen_file, clock_of, load_settings
from clearance.stores.shared import Stores
from config import logs
from config.processes import Process
from config.renames import log_former_keys
from config.settings import Settings
from foundation import metrics
from portal.app import create_app
from portal.web.apart import Apart
from portal.web.long_questions import Elsewhere
from status_db.desk.key import DeskKey


def pages(*, apart: bool = True) -> Starlette:
    """Return the students' pages, without the ledger's key. With `apart`, helpers answer long queries."""
    return _application_of("pages", staff=False, apart=apart)


def desk(*, apart: bool = True) -> Starlette:
    """Return the pages of staff, with the desk."""
    return _application_of("desk", students=False, apart=apart)


def both(*, apart: bool = True) -> Starlette:
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


def _application_of(what: str, *, students: bool = True, staff: bool = True, apart: bool) -> Starlette:
    settings = load_settings(chosen_file(None))
    logs.configure(settings.log, DeskKey(settings.portal.key_file).log_key)
    log_former_keys(settings)
    if settings.metrics.port is not None and os.environ.get(metrics.FOLDER_VARIABLE):
        metrics.enable()
    trace(settings, {"pages": Process.PAGES, "desk": Process.DESK}.get(what, Process.ALL))
    limits, command = settings.portal.limits, (sys.executable, "-m", "clearance.apart", what)
    helpers = Apart(command, limits.long_at_once, limits.long_within) if apart else None
    desk, clock = staff and settings.desk.enabled, clock_of(settings)
    return application(settings, clock=clock, desk=desk, students=students, staff=staff, apart=helpers)
