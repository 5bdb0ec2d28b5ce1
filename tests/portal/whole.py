"""The whole application over a world: the pages and the desk, as `clearance serve` has them."""

from starlette.applications import Starlette

from clearance.files.sheets import Sheets
from clearance.portal_services import desk_services
from clearance.web import application
from portal.desk.pages import ROUTES
from tests.world import World


def whole_app(world: World) -> Starlette:
    """Return the pages and the desk of a world."""
    desk = desk_services(world.settings, Sheets(world.settings.desk), ROUTES)
    return application(world.settings, clock=world.clock, desk=desk)
