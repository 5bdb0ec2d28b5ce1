"""Sign-in and sign-out by OpenID Connect."""

import hashlib

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from foundation.translation import tr
from portal.access.requires import for_anybody, recognise, safe_next
from portal.auth.providers.oidc import OidcProvider
from portal.auth.providers.oidc_published import METHOD
from portal.auth.providers.oidc_words import why_no_code
from portal.auth.refusals import SignInCode, SignInRefused, printable
from portal.auth.sealed_cookie import seal, unseal
from portal.auth.sso_state import SignInState
from portal.page.context import Context
from portal.signin import external_sign_in
from portal.signin.external_sign_in import ExternalSignIn
from portal.signin.providers import end_session, goodbye, leave_for, provider_form, sign_out_refused
from portal.web.links import cookie_path, public_link, see_other

#: Browsers do not keep a longer cookie. Without the token in it, the provider asks whether to sign out.
_LONGEST_HINT = 3800

_BACK = "/sign-in/oidc/back"
#: The hint is sent to the pages below this one alone.
_OUT = "/sign-out"
_HINT = "hint for signing out"


async def to_provider(context: Context) -> Response:
    """Send a browser to the provider."""
    provider = _oidc(context)
    goal = safe_next(context.request.query_params.get("next", "/"))
    if await recognise(context) is not None:
        return see_other(goal)
    sign_in_state = SignInState(goal)
    back = _return_address(context)
    response = leave_for(await context.ask_long(provider.login_address, back, sign_in_state, context.now))
    context.services.sign_in_states.begin(response, METHOD, sign_in_state, context.now)
    return response


async def from_provider(context: Context) -> Response:
    """Admit a person with a code that the provider exchanges for an ID token. Each sign-in ends once."""
    provider = _oidc(context)
    answer, now = context.request.query_params, context.now
    sign_in_state = context.services.sign_in_states.resume(context.request, METHOD, context.now)
    if sign_in_state is None:
        raise SignInRefused(METHOD, SignInCode.LATE, tr("no recent sign-in began in this browser. Sign in again."))
    if not await context.ask_long(context.services.tickets.use, _ticket_digest(f"state {sign_in_state.state}"), now):
        raise SignInRefused(METHOD, SignInCode.LATE, tr("this sign-in has already ended. Sign in again."))
    if "iss" in answer and not await context.ask_long(provider.is_from, answer["iss"], now):
        raise SignInRefused(
            METHOD,
            SignInCode.REFUSED,
            tr(
                'the answer names another issuer, "{issuer}". If that is your provider, set issuer in '
                "[auth.oidc] to it.",
                issuer=printable(answer["iss"], 200),
            ),
        )
    if "code" not in answer:
        raise SignInRefused(METHOD, SignInCode.REFUSED, why_no_code(answer))
    signed = await context.ask_long(provider.redeem, answer["code"], _return_address(context), sign_in_state, now)
    key = external_sign_in.provider_session(METHOD, provider.issuer, signed.key)
    external = ExternalSignIn(METHOD, signed.name, key, signed.as_number, signed.second_factor)
    response = await external_sign_in.sign_in(context, external, sign_in_state.goal)
    context.services.sign_in_states.end(response, METHOD)
    _keep_hint(context, response, signed.id_token)
    return response


async def ended_by_provider(context: Context) -> Response:
    """End the session that a logout token of the provider names."""
    provider = _oidc(context)
    token = (await provider_form(context.request)).get("logout_token", "")
    try:
        key, own = await context.ask_long(provider.ended, token, context.now)
    except SignInRefused as error:
        sign_out_refused(context, METHOD, error)
        raise HTTPException(503 if error.code is SignInCode.UNAVAILABLE else 400) from None
    if not await context.ask_long(context.services.tickets.use, _ticket_digest(f"logout {own}"), context.now):
        raise HTTPException(400)
    await end_session(context, METHOD, external_sign_in.provider_session(METHOD, provider.issuer, key))
    return Response(status_code=200)


async def out_of_provider(context: Context) -> Response:
    """Lead on to the provider's sign-out, because its own session is still open."""
    provider = _oidc(context)
    kept = context.request.cookies.get(_hint_name(context), "")
    hint = unseal(context.services.key.of(_HINT), kept, context.now) if kept else None
    signed_out = public_link(context.settings.portal.public_url, "/sign-in")
    try:
        token = hint["id_token"] if hint else ""
        address = await context.ask_long(provider.logout_address, signed_out, token, context.now)
    except SignInRefused:
        address = ""
    response = goodbye(context, address)
    secure, path = context.services.cookie.secure, cookie_path(_OUT)
    response.delete_cookie(_hint_name(context), path=path, secure=secure, httponly=True, samesite="lax")
    return response


def _return_address(context: Context) -> str:
    return public_link(context.settings.portal.public_url, _BACK)


def _hint_name(context: Context) -> str:
    return "__Secure-clearance-hint" if context.services.cookie.secure else "clearance-hint"


def _keep_hint(context: Context, response: Response, id_token: str) -> None:
    until = context.now + context.settings.auth.session_longest
    sealed = seal(context.services.key.of(_HINT), {"id_token": id_token}, until)
    if len(sealed) <= _LONGEST_HINT:
        secure, path = context.services.cookie.secure, cookie_path(_OUT)
        response.set_cookie(_hint_name(context), sealed, path=path, secure=secure, httponly=True, samesite="lax")


def _oidc(context: Context) -> OidcProvider:
    if context.services.providers.oidc is None:
        raise HTTPException(404)
    return context.services.providers.oidc


def _ticket_digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


ROUTES = (
    Route("/sign-in/oidc", for_anybody(to_provider), methods=["GET"]),
    Route(_BACK, for_anybody(from_provider), methods=["GET"]),
    Route("/sign-in/oidc/ended", for_anybody(ended_by_provider), methods=["POST"]),
    Route("/sign-out/oidc", for_anybody(out_of_provider), methods=["GET"]),
)
