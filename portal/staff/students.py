"""Looking up one student: for staff, within their scopes, and only the steps they may read."""

from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from portal.access.requires import for_visitors
from portal.auth.permissions import inside, readable
from portal.page import cohorts
from portal.page.context import House, Visitor, see_other
from portal.page.own_student import newest
from portal.student import card
from status_db.accounts.accounts import Act
from status_db.accounts.audit_log import Deed
from status_db.model import normalise_number


async def find(request: Request, house: House, _visitor: Visitor) -> Response:
    """Show the form, or go to the student whose number was typed."""
    number = normalise_number(request.query_params.get("number", ""))
    if number:
        return see_other(cohorts.same(request, house.settings, f"/students/{quote(number, safe='')}"))
    return house.page(request, "find.html", missing="")


async def page(request: Request, house: House, visitor: Visitor) -> Response:
    """Show one student; who is outside the scopes looks like one who does not exist."""
    number, now = normalise_number(request.path_params["number"]), house.clock()
    named = request.query_params.get("cohort", "")
    listing = await house.ask(house.roster.cohorts_of, number, house.settings.newest_first())
    asked = (named,) if named in house.settings.cohort_keys() else ()
    found = await house.ask(newest, house.reader, (*asked, *listing), number, now)
    steps: frozenset[str] = frozenset()
    if found is not None:
        allowed = readable(visitor.account, [step.key for step in house.settings.step], found.cohort)
        steps = frozenset(step for step, scopes in allowed.items() if inside(found, scopes))
    if found is None or not steps:
        return house.page(request, "find.html", status=404, missing=number)
    await house.note(request, Deed.SAW_STUDENT, cohort=found.cohort, student=found.student)
    announced = await card.said_to(house, found, now)
    request.state.listing = listing
    return card.show(request, house, found, now, steps, announced=announced, staff=True)


ROUTES = (
    Route("/students", for_visitors(find, Act.READ)),
    Route("/students/{number:name}", for_visitors(page, Act.READ)),
)
