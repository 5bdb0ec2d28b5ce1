"""What the web server imports: the pages, the desk, or both, with the settings that the environment names."""

from starlette.applications import Starlette

from clearance.sheets import Sheets
from clearance.wiring import chosen_file, clock_of, load_settings
from config import logs
from portal.app import create_app
from portal.desk import doors
from portal.desk.pages import ROUTES
from status_db.desk_key import DeskKey


def pages() -> Starlette:
    """Return the students' pages: no key of the ledger is near."""
    return _made(staff=False)


def desk() -> Starlette:
    """Return the pages of staff alone, with the desk."""
    return _made(students=False)


def both() -> Starlette:
    """Return the pages and the desk, where one process is enough."""
    return _made()


def _made(*, students: bool = True, staff: bool = True) -> Starlette:
    settings = load_settings(chosen_file(None))
    logs.configure(settings.log, DeskKey(settings.portal.key_file).log_key)
    opened = doors.build(settings, Sheets(settings.desk), ROUTES) if staff and settings.desk.enabled else None
    return create_app(settings, clock=clock_of(settings), desk=opened, students=students, staff=staff)
