"""The whole application over a world: the pages and the desk, as `clearance serve` has them."""

from starlette.applications import Starlette

from clearance.web import application
from tests.world import World


def whole_app(world: World) -> Starlette:
    """Return the pages and the desk of a world."""
    return application(world.settings, clock=world.clock, desk=True)
