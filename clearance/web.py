"""What the web server imports: the pages, the desk, or both, with the settings that the environment names."""

import sys

from starlette.applications import Starlette

from clearance.sheets import Sheets
from clearance.wiring import chosen_file, clock_of, load_settings
from config import logs
from portal.apart import Apart
from portal.app import create_app
from portal.desk import doors
from portal.desk.pages import ROUTES


def pages(*, apart: bool = True) -> Starlette:
    """Return the pages that only read: no key of the ledger is near. `apart` answers long questions in helpers."""
    return _made("pages", desk=False, apart=apart)


def desk(*, apart: bool = True) -> Starlette:
    """Return the desk alone."""
    return _made("desk", pages=False, apart=apart)


def both(*, apart: bool = True) -> Starlette:
    """Return the pages and the desk, where one process is enough."""
    return _made("all", apart=apart)


def _made(what: str, *, desk: bool = True, pages: bool = True, apart: bool) -> Starlette:
    settings = load_settings(chosen_file(None))
    logs.configure(settings.log)
    opened = doors.build(settings, Sheets(settings.desk), ROUTES) if desk and settings.desk.enabled else None
    limits, command = settings.portal.limits, (sys.executable, "-m", "clearance.apart", what)
    helpers = Apart(command, limits.long_at_once, limits.long_within) if apart else None
    return create_app(settings, clock=clock_of(settings), desk=opened, pages=pages, apart=helpers)
