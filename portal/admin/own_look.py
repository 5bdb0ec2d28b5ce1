"""The institution's emblem and colour as files, and in the demo a page that shows every component of the pages."""

from decimal import Decimal

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from config.settings import Settings
from portal.access.requires import for_anybody
from portal.i18n import labels
from portal.page.context import Context
from portal.page.look import COLOURS, EMBLEM, look_of
from status_db.model import State


def routes(settings: Settings) -> tuple[Route, ...]:
    """Return the routes of the files that the settings name, and in the demo the one of the style guide."""
    look = look_of(settings.institution)

    async def emblem(_request: Request) -> Response:
        return Response(look.emblem, media_type=look.emblem_type)

    async def colours(_request: Request) -> Response:
        return Response(look.colours, media_type="text/css")

    return (
        *((Route(EMBLEM, emblem),) if look.emblem else ()),
        *((Route(COLOURS, colours),) if look.colours else ()),
        *((Route("/styleguide", for_anybody(styleguide)),) if settings.is_demo else ()),
    )


async def styleguide(context: Context) -> Response:
    """Show every component."""
    states = [
        (labels.TONES[state], labels.MARKS[state], labels.say(context.language, labels.STATES, state))
        for state in State
    ]
    return context.page(
        "styleguide.html", states=states, colours=_COLOURS, amount=context.language.money(Decimal("3.50"))
    )


#: The tokens that are colours, as the stylesheet names them.
_COLOURS = ("brand", "brand-soft", "good", "bad", "todo", "wait", "none", "fill-good", "fill-bad", "fill-todo",
            "fill-wait", "fill-none", "ground", "surface", "line", "edge")  # fmt: skip
