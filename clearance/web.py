"""What the web server imports: the pages, the desk, or both, with the settings that the environment names."""

import sys

from starlette.applications import Starlette

from clearance.files.sheets import Sheets
from clearance.services import chosen_file, clock_of, load_settings
from config import logs
from portal.app import create_app
from portal.desk.context import services
from portal.desk.pages import ROUTES
from portal.web.apart import Apart
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


def _made(what: str, *, students: bool = True, staff: bool = True, apart: bool) -> Starlette:
    settings = load_settings(chosen_file(None))
    logs.configure(settings.log, DeskKey(settings.portal.key_file).log_key)
    opened = services.build(settings, Sheets(settings.desk), ROUTES) if staff and settings.desk.enabled else None
    limits, command = settings.portal.limits, (sys.executable, "-m", "clearance.apart", what)
    helpers = Apart(command, limits.long_at_once, limits.long_within) if apart else None
    return create_app(settings, clock=clock_of(settings), desk=opened, students=students, staff=staff, apart=helpers)
