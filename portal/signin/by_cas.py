"""Sign-in and sign-out by CAS."""

import hashlib

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from foundation.translation import tr
from portal.access.requires import for_anybody, recognise, safe_next
from portal.auth.providers import cas
from portal.auth.providers.cas import CasServer, Untrusted
from portal.auth.refusals import SignInCode, SignInRefused
from portal.auth.sso_state import SignInState
from portal.page.context import Context
from portal.signin import external_sign_in
from portal.signin.external_sign_in import ExternalSignIn
from portal.signin.providers import end_session, goodbye, leave_for, provider_form, sign_out_refused
from portal.web.links import public_link, see_other


async def to_cas(context: Context) -> Response:
    """Send a browser to the CAS server."""
    server = _cas(context)
    goal = safe_next(context.request.query_params.get("next", "/"))
    if await recognise(context) is not None:
        return see_other(goal)
    sign_in_state = SignInState(goal)
    response = leave_for(server.login_address(_service(context, sign_in_state)))
    context.services.sign_in_states.begin(response, cas.METHOD, sign_in_state, context.now)
    return response


async def from_cas(context: Context) -> Response:
    """Admit a person with a ticket that the server confirms. Each ticket is valid once."""
    server = _cas(context)
    sign_in_state = context.services.sign_in_states.resume(context.request, cas.METHOD, context.now)
    if sign_in_state is None:
        raise SignInRefused(cas.METHOD, SignInCode.LATE, tr("no recent sign-in began in this browser. Sign in again."))
    ticket = context.request.query_params.get("ticket", "")
    user = await context.ask_long(server.validated, ticket, _service(context, sign_in_state))
    if not await context.ask_long(context.services.tickets.use, hashlib.sha256(ticket.encode()).digest(), context.now):
        raise SignInRefused(cas.METHOD, SignInCode.REFUSED, tr("the ticket was used before. Sign in again."), user.name)
    key = external_sign_in.provider_session(cas.METHOD, server.url, ticket)
    external = ExternalSignIn(cas.METHOD, user.name, key, second_factor=user.second_factor)
    response = await external_sign_in.sign_in(context, external, sign_in_state.goal)
    context.services.sign_in_states.end(response, cas.METHOD)
    return response


async def ended_by_cas(context: Context) -> Response:
    """End the session that the server's request names. Knowing the ticket is enough; the answer reveals nothing."""
    server = _cas(context)
    try:
        ticket = cas.read_logout((await provider_form(context.request)).get("logoutRequest", ""))
    except Untrusted as error:
        sign_out_refused(context, cas.METHOD, error)
        raise HTTPException(400) from None
    key = external_sign_in.provider_session(cas.METHOD, server.url, ticket)
    await end_session(context, cas.METHOD, key)
    return Response(status_code=204)


async def out_of_cas(context: Context) -> Response:
    """Lead on to the CAS server's sign-out, because its own session is still open."""
    server = _cas(context)
    return goodbye(context, server.logout_address(public_link(context.settings.portal.public_url, "/sign-in")))


def _cas(context: Context) -> CasServer:
    if context.services.providers.cas is None:
        raise HTTPException(404)
    return context.services.providers.cas


def _service(context: Context, sign_in_state: SignInState) -> str:
    # The server compares this with the service that the ticket is for, which ties the ticket to this browser's sign-in.
    return public_link(context.settings.portal.public_url, "/sign-in/cas/back", state=sign_in_state.state)


ROUTES = (
    Route("/sign-in/cas", for_anybody(to_cas), methods=["GET"]),
    Route("/sign-in/cas/back", for_anybody(from_cas), methods=["GET"]),
    Route("/sign-in/cas/back", for_anybody(ended_by_cas), methods=["POST"]),
    Route("/sign-out/cas", for_anybody(out_of_cas), methods=["GET"]),
)
