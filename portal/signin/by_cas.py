"""Signing in by CAS: there, back with a ticket, and out again."""

import hashlib
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from portal.access.requires import recognise, safe_next
from portal.auth.providers import cas
from portal.auth.providers.cas import CasServer, Untrusted
from portal.auth.refusals import SignInCode, SignInRefused
from portal.auth.sso_state import Journey
from portal.page.context import House, house_of, see_other
from portal.signin import external_sign_in
from portal.signin.external_sign_in import Arrival
from portal.signin.providers import end_session, goodbye, leave_for, own_address, sign_out_refused, word_of


async def to_cas(request: Request) -> Response:
    """Send a browser to the CAS server."""
    house, server = _cas(request)
    goal = safe_next(request.query_params.get("next", "/"))
    if await recognise(request, house) is not None:
        return see_other(goal)
    journey = Journey(goal)
    response = leave_for(server.login_address(_service(house, journey)))
    house.journeys.begin(response, cas.METHOD, journey, house.clock())
    return response


async def from_cas(request: Request) -> Response:
    """Let in whoever comes back with a ticket that the server vouches for; a ticket opens once."""
    house, server = _cas(request)
    journey = house.journeys.resume(request, cas.METHOD, house.clock())
    if journey is None:
        raise SignInRefused(cas.METHOD, SignInCode.LATE, "somebody came who had not left from this browser lately")
    ticket = request.query_params.get("ticket", "")
    said = await house.ask_long(server.validated, ticket, _service(house, journey))
    if not await house.ask_long(house.tickets.use, hashlib.sha256(ticket.encode()).digest(), house.clock()):
        raise SignInRefused(cas.METHOD, SignInCode.REFUSED, "the ticket has been used before", said.name)
    key = external_sign_in.provider_session(cas.METHOD, server.url, ticket)
    arrival = Arrival(cas.METHOD, said.name, key, second_factor=said.second_factor)
    response = await external_sign_in.enter(request, house, arrival, journey.goal)
    house.journeys.end(response, cas.METHOD)
    return response


async def ended_by_cas(request: Request) -> Response:
    """End the session that the server says has ended. Whoever knows the ticket may say so; the answer tells nothing."""
    house, server = _cas(request)
    try:
        ticket = cas.read_logout((await word_of(request)).get("logoutRequest", ""))
    except Untrusted as error:
        sign_out_refused(house, cas.METHOD, error)
        raise HTTPException(400) from None
    key = external_sign_in.provider_session(cas.METHOD, server.url, ticket)
    await end_session(request, house, cas.METHOD, key)
    return Response(status_code=204)


async def out_of_cas(request: Request) -> Response:
    """Lead on to the CAS server, whose own session is still open."""
    house, server = _cas(request)
    return goodbye(request, house, server.logout_address(own_address(house, "/sign-in")))


def _cas(request: Request) -> tuple[House, CasServer]:
    house = house_of(request)
    if house.ways.cas is None:
        raise HTTPException(404)
    return house, house.ways.cas


def _service(house: House, journey: Journey) -> str:
    # The server compares this with what it gave the ticket for: so the ticket belongs to this browser's journey.
    return own_address(house, f"/sign-in/cas/back?{urlencode({'state': journey.state})}")


ROUTES = (
    Route("/sign-in/cas", to_cas, methods=["GET"]),
    Route("/sign-in/cas/back", from_cas, methods=["GET"]),
    Route("/sign-in/cas/back", ended_by_cas, methods=["POST"]),
    Route("/sign-out/cas", out_of_cas, methods=["GET"]),
)
