"""What the web server imports: the pages, the desk, or both, with the settings that the environment names."""

import sys
from collections.abc import Callable
from datetime import datetime

from starlette.applications import Starlette

from clearance.files.sheets import Sheets
from clearance.portal_services import desk_services, portal_services
from clearance.settings_file import chosen_file, clock_of, load_settings
from config import logs
from config.processes import Process
from config.settings import Settings
from portal.app import DeskPages, create_app
from portal.desk.pages import ROUTES
from portal.web.apart import Apart
from portal.web.long_questions import Elsewhere
from status_db.desk.key import DeskKey


def pages(*, apart: bool = True) -> Starlette:
    """Return the students' pages: no key of the ledger is near. `apart` answers long questions in helpers."""
    return _made("pages", staff=False, apart=apart)


def desk(*, apart: bool = True) -> Starlette:
    """Return the pages of staff alone, with the desk."""
    return _made("desk", students=False, apart=apart)


def both(*, apart: bool = True) -> Starlette:
    """Return the pages and the desk, where one process is enough."""
    return _made("all", apart=apart)


def application(
    settings: Settings,
    *,
    clock: Callable[[], datetime],
    desk: DeskPages | None = None,
    students: bool = True,
    staff: bool = True,
    apart: Elsewhere | None = None,
) -> Starlette:
    """Return the pages of one settings file, for students, for staff, or for both.

    The databases are opened when first asked. Long questions are answered `apart`, or else in this process.
    """
    process = Process.ALL if students and staff else Process.PAGES if students else Process.DESK
    return create_app(portal_services(settings, clock, process, apart), desk)


def _made(what: str, *, students: bool = True, staff: bool = True, apart: bool) -> Starlette:
    settings = load_settings(chosen_file(None))
    logs.configure(settings.log, DeskKey(settings.portal.key_file).log_key)
    opened = desk_services(settings, Sheets(settings.desk), ROUTES) if staff and settings.desk.enabled else None
    limits, command = settings.portal.limits, (sys.executable, "-m", "clearance.apart", what)
    helpers = Apart(command, limits.long_at_once, limits.long_within) if apart else None
    return application(settings, clock=clock_of(settings), desk=opened, students=students, staff=staff, apart=helpers)
