"""Signing in by OpenID Connect: there, back with a code, and out again."""

import hashlib

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from portal.access.requires import recognise, safe_next
from portal.auth.providers import oidc
from portal.auth.providers.oidc import OidcProvider
from portal.auth.providers.oidc_words import why_no_code
from portal.auth.refusals import SignInCode, SignInRefused, printable
from portal.auth.sealed_cookie import seal, unseal
from portal.auth.sso_state import Journey
from portal.page.context import House, house_of, see_other
from portal.signin import external_sign_in
from portal.signin.external_sign_in import Arrival
from portal.signin.providers import end_session, goodbye, leave_for, own_address, sign_out_refused, word_of

#: Browsers keep no longer cookie; without its token the provider asks whether to sign out.
_LONGEST_HINT = 3800

_BACK = "/sign-in/oidc/back"
_HINT = "hint for signing out"


async def to_provider(request: Request) -> Response:
    """Send a browser to the provider."""
    house, provider = _oidc(request)
    goal = safe_next(request.query_params.get("next", "/"))
    if await recognise(request, house) is not None:
        return see_other(goal)
    journey = Journey(goal)
    back = own_address(house, _BACK)
    response = leave_for(await house.ask_long(provider.login_address, back, journey, house.clock()))
    house.journeys.begin(response, oidc.METHOD, journey, house.clock())
    return response


async def from_provider(request: Request) -> Response:
    """Let in whoever comes back with a code that the provider gives an ID token for; a journey ends once."""
    house, provider = _oidc(request)
    said, now = request.query_params, house.clock()
    journey = house.journeys.resume(request, oidc.METHOD, house.clock())
    if journey is None:
        raise SignInRefused(oidc.METHOD, SignInCode.LATE, "somebody came who had not left from this browser lately")
    if not await house.ask_long(house.tickets.use, _digest(f"state {journey.state}"), now):
        raise SignInRefused(oidc.METHOD, SignInCode.LATE, "this journey has ended before")
    if "iss" in said and not await house.ask_long(provider.is_from, said["iss"], now):
        raise SignInRefused(
            oidc.METHOD,
            SignInCode.REFUSED,
            f'the answer names another issuer, "{printable(said["iss"], 200)}". If that is the provider, write it as '
            "issuer in [auth.oidc].",
        )
    if "code" not in said:
        raise SignInRefused(oidc.METHOD, SignInCode.REFUSED, why_no_code(said))
    signed = await house.ask_long(provider.redeem, said["code"], own_address(house, _BACK), journey, now)
    key = external_sign_in.provider_session(oidc.METHOD, provider.issuer, signed.key)
    arrival = Arrival(oidc.METHOD, signed.name, key, signed.as_number, signed.second_factor)
    response = await external_sign_in.enter(request, house, arrival, journey.goal)
    house.journeys.end(response, oidc.METHOD)
    _keep_hint(house, response, signed.id_token)
    return response


async def ended_by_provider(request: Request) -> Response:
    """End the session that a logout token of the provider names."""
    house, provider = _oidc(request)
    token = (await word_of(request)).get("logout_token", "")
    try:
        key, own = await house.ask_long(provider.ended, token, house.clock())
    except SignInRefused as error:
        sign_out_refused(house, oidc.METHOD, error)
        raise HTTPException(503 if error.code is SignInCode.UNAVAILABLE else 400) from None
    if not await house.ask_long(house.tickets.use, _digest(f"logout {own}"), house.clock()):
        raise HTTPException(400)
    await end_session(request, house, oidc.METHOD, external_sign_in.provider_session(oidc.METHOD, provider.issuer, key))
    return Response(status_code=200)


async def out_of_provider(request: Request) -> Response:
    """Lead on to the provider, whose own session is still open."""
    house, provider = _oidc(request)
    kept = request.cookies.get(_hint_name(house), "")
    hint = unseal(house.key.of(_HINT), kept, house.clock()) if kept else None
    try:
        token = hint["id_token"] if hint else ""
        address = await house.ask_long(provider.logout_address, own_address(house, "/sign-in"), token, house.clock())
    except SignInRefused:
        address = ""
    response = goodbye(request, house, address)
    response.delete_cookie(
        _hint_name(house), path="/sign-out", secure=house.cookie.secure, httponly=True, samesite="lax"
    )
    return response


def _hint_name(house: House) -> str:
    return "__Secure-clearance-hint" if house.cookie.secure else "clearance-hint"


def _keep_hint(house: House, response: Response, id_token: str) -> None:
    until = house.clock() + house.settings.auth.session_longest
    sealed = seal(house.key.of(_HINT), {"id_token": id_token}, until)
    if len(sealed) <= _LONGEST_HINT:
        response.set_cookie(
            _hint_name(house), sealed, path="/sign-out", secure=house.cookie.secure, httponly=True, samesite="lax"
        )


def _oidc(request: Request) -> tuple[House, OidcProvider]:
    house = house_of(request)
    if house.ways.oidc is None:
        raise HTTPException(404)
    return house, house.ways.oidc


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


ROUTES = (
    Route("/sign-in/oidc", to_provider, methods=["GET"]),
    Route(_BACK, from_provider, methods=["GET"]),
    Route("/sign-in/oidc/ended", ended_by_provider, methods=["POST"]),
    Route("/sign-out/oidc", out_of_provider, methods=["GET"]),
)
