"""Signing in by providers, and out again: there, back, and what they tell us by themselves."""

import hashlib
from dataclasses import dataclass
from urllib.parse import parse_qs, urlencode, urlsplit

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from portal.auth import arrivals, cas, journeys
from portal.auth.arrivals import Arrival
from portal.auth.cas import CasServer, Untrusted
from portal.auth.journeys import Journey
from portal.auth.refusals import SignInRefused, Why
from portal.entrance import recognise, safe_next
from portal.house import House, house_of, see_other
from status_db.accounts import Session
from status_db.audit import Deed

#: What a provider tells us by itself is never longer, in bytes.
_LONGEST_WORD = 16 * 1024

_STATUS = {Why.UNKNOWN: 403, Why.INACTIVE: 403, Why.LATE: 400, Why.REFUSED: 403, Why.UNAVAILABLE: 503}


@dataclass(frozen=True, slots=True)
class Button:
    """A way to sign in, as the form shows it."""

    address: str
    title: str


def buttons(request: Request, house: House, goal: str) -> list[Button]:
    """Return the providers that people leave for, to come back to a page of ours."""
    pick, auth = house.language(request).pick, house.settings.auth
    asked = urlencode({"next": safe_next(goal)})
    return [
        Button(f"/sign-in/{method}?{asked}", pick(provider.title, provider.title_en))
        for method, provider in (("cas", auth.cas), ("oidc", auth.oidc))
        if provider is not None
    ]


def way_out(session: Session | None) -> str:
    """Return where somebody goes whose session has just ended."""
    return f"/sign-out/{session.method}" if session is not None and session.method in ("cas", "oidc") else "/sign-in"


def own_address(house: House, path: str) -> str:
    """Return one of our own pages as the provider is told it: never after what a request says of its host."""
    public = urlsplit(house.settings.portal.public_url)
    return f"{public.scheme}://{public.netloc}{path}"


async def to_cas(request: Request) -> Response:
    """Send a browser to the CAS server."""
    house, server = _cas(request)
    goal = safe_next(request.query_params.get("next", "/"))
    if await recognise(request, house) is not None:
        return see_other(goal)
    journey = Journey(goal)
    response = _leaving(server.login_address(_service(house, journey)))
    journeys.begin(house, response, cas.METHOD, journey)
    return response


async def from_cas(request: Request) -> Response:
    """Let in whoever comes back with a ticket that the server vouches for; a ticket opens once."""
    house, server = _cas(request)
    journey = journeys.resume(house, request, cas.METHOD, request.query_params.get("state", ""))
    if journey is None:
        raise SignInRefused(cas.METHOD, Why.LATE, "somebody came who had not left from this browser lately")
    ticket = request.query_params.get("ticket", "")
    name = await house.ask_long(server.name_of, ticket, _service(house, journey))
    if not await house.ask_long(house.tickets.use, hashlib.sha256(ticket.encode()).digest(), house.clock()):
        raise SignInRefused(cas.METHOD, Why.REFUSED, "the ticket has been used before", name)
    key = arrivals.provider_session(cas.METHOD, server.url, ticket)
    response = await arrivals.enter(request, house, Arrival(cas.METHOD, name, key), journey.goal)
    journeys.end(house, response, cas.METHOD)
    return response


async def ended_by_cas(request: Request) -> Response:
    """End the session that the server says has ended. Whoever knows the ticket may say so; the answer tells nothing."""
    house, server = _cas(request)
    try:
        ticket = cas.read_logout((await _word(request)).get("logoutRequest", ""))
    except Untrusted:
        raise HTTPException(400) from None
    key = arrivals.provider_session(cas.METHOD, server.url, ticket)
    await _end(request, house, cas.METHOD, key)
    return Response(status_code=204)


async def out_of_cas(request: Request) -> Response:
    """Lead on to the CAS server, whose own session is still open."""
    house, server = _cas(request)
    return _goodbye(request, house, server.logout_address(own_address(house, "/sign-in")))


async def refused(request: Request, error: Exception) -> Response:
    """Say why somebody is not let in, whom to ask, and how to come in as somebody else."""
    if not isinstance(error, SignInRefused):
        raise error
    house = house_of(request)
    structlog.get_logger("clearance.portal").warning(
        "sign-in refused", method=error.method, why=error.why, message=str(error)
    )
    # A page that anybody can ask for without ever having been at the provider writes no lines.
    if error.why is not Why.LATE:
        await house.note(
            request, Deed.SIGN_IN_REFUSED, method=error.method, reason=error.why.value, name=error.name[:100]
        )
    response = house.page(
        request, "sign_in_refused.html", status=_STATUS[error.why], why=error.why, name=error.name, method=error.method
    )
    if error.why is Why.UNAVAILABLE:
        response.headers["Retry-After"] = "30"
    return response


def _cas(request: Request) -> tuple[House, CasServer]:
    house = house_of(request)
    if house.ways.cas is None:
        raise HTTPException(404)
    return house, house.ways.cas


def _service(house: House, journey: Journey) -> str:
    # The server compares this with what it gave the ticket for: so the ticket belongs to this browser's journey.
    return own_address(house, f"/sign-in/cas/back?{urlencode({'state': journey.state})}")


def _leaving(address: str) -> Response:
    return RedirectResponse(address, 303)


def _goodbye(request: Request, house: House, address: str) -> Response:
    """Show that the session here has ended, and lead on to the provider's own sign-out.

    The form to sign out must not be answered by a redirect to another site: Chromium and Safari hold every redirect
    after a form to `form-action`, and where the provider sends people from there nobody can list. A page that leads on
    by itself is a navigation of its own.
    """
    response = house.page(request, "signed_out.html", address=address)
    if address:
        response.headers["Refresh"] = f"0; url={address}"
    return response


async def _word(request: Request) -> dict[str, str]:
    """Return the form that a provider sends by itself, each field once."""
    if request.headers.get("content-type", "").split(";")[0].strip() != "application/x-www-form-urlencoded":
        raise HTTPException(415)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _LONGEST_WORD:
            raise HTTPException(413)
    try:
        fields = parse_qs(body.decode("ascii"), keep_blank_values=True, max_num_fields=5, errors="strict")
    except ValueError:
        raise HTTPException(400) from None
    if any(len(values) != 1 for values in fields.values()):
        raise HTTPException(400)
    return {name: values[0] for name, values in fields.items()}


async def _end(request: Request, house: House, method: str, key: bytes) -> None:
    for account in await house.ask_long(house.desk.close_provider_session, key):
        await house.note(request, Deed.SIGNED_OUT, account=account, method=method, by="provider")


ROUTES = (
    Route("/sign-in/cas", to_cas, methods=["GET"]),
    Route("/sign-in/cas/back", from_cas, methods=["GET"]),
    Route("/sign-in/cas/back", ended_by_cas, methods=["POST"]),
    Route("/sign-out/cas", out_of_cas, methods=["GET"]),
)
