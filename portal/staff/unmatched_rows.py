"""Strangers: rows about somebody who is not on the roster, those near to a student first."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from portal.access.requires import for_visitors
from portal.auth.permissions import oversees
from portal.i18n import admin_labels, labels
from portal.page import cohorts
from portal.page.context import House, Visitor
from portal.present import run_lines
from portal.web import bounds

_PAGE = 100
#: Nobody turns over more pages than a number of six digits says.
_PAGE_DIGITS = 6


async def page(request: Request, house: House, visitor: Visitor) -> Response:
    """Show what is listed of one source, or of all, a page at a time."""
    if not oversees(visitor.account):
        raise HTTPException(403)
    language, asked = house.language(request), request.query_params
    cohort = cohorts.chosen(request, house.settings).key
    source = asked.get("source") if asked.get("source") in house.settings.source else None
    number = max(1, bounds.number(asked.get("page", ""), _PAGE_DIGITS) or 1)
    found = await house.ask(house.runs.strangers, cohort, source, offset=(number - 1) * _PAGE, limit=_PAGE + 1)
    counted = await house.ask(house.runs.strangers_counted, cohort)
    views = {view.source: view.strangers for view in await house.ask(house.reader.sources, cohort)}
    return house.page(
        request,
        "strangers.html",
        sources=[
            {
                "name": name,
                "title": run_lines.title(language, house, name),
                "all": views.get(name, 0),
                "listed": sum(counted.get(name, {}).values()),
                "near": sum(count for near, count in counted.get(name, {}).items() if near),
                "chosen": name == source,
            }
            for name in house.settings.source
        ],
        strangers=[
            {
                "key": one.key,
                "source": run_lines.title(language, house, one.source),
                "near": labels.say(language, admin_labels.NEAR, one.near),
                "student": one.student,
                "close": bool(one.near),
            }
            for one in found[:_PAGE]
        ],
        source=source,
        number=number,
        before=number - 1,
        after=number + 1 if len(found) > _PAGE else 0,
    )


ROUTES = (Route("/strangers", for_visitors(page, long=True)),)
