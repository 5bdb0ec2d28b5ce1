"""The whole application over a world: the pages and the desk, as `clearance serve` has them."""

from starlette.applications import Starlette

from clearance.files.sheets import Sheets
from portal.app import create_app
from portal.desk.context import services
from portal.desk.pages import ROUTES
from tests.world import World


def whole_app(world: World) -> Starlette:
    """Return the pages and the desk of a world."""
    desk = services.build(world.settings, Sheets(world.settings.desk), ROUTES)
    return create_app(world.settings, clock=world.clock, desk=desk)
