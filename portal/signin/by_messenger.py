"""Sign-in by WeCom and DingTalk."""

import hashlib
import secrets

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from foundation.translation import tr
from portal.access.requires import for_anybody, recognise, safe_next
from portal.auth.providers.messenger import Messenger
from portal.auth.refusals import SignInCode, SignInRefused
from portal.auth.sso_state import SignInState
from portal.page.context import Context
from portal.signin import external_sign_in
from portal.signin.external_sign_in import ExternalSignIn
from portal.signin.providers import leave_for
from portal.web.links import public_link, see_other

#: A code is never longer.
_LONGEST_CODE = 1024


async def to_messenger(context: Context) -> Response:
    """Send a browser to the messenger's page."""
    messenger = _messenger(context)
    goal = safe_next(context.request.query_params.get("next", "/"))
    if await recognise(context) is not None:
        return see_other(goal)
    # WeCom accepts letters and digits only.
    sign_in_state = SignInState(goal, state=secrets.token_hex(32))
    agent = context.request.headers.get("user-agent", "")
    back = public_link(context.settings.portal.public_url, f"/sign-in/{messenger.method}/back")
    response = leave_for(messenger.login_address(back, sign_in_state.state, agent))
    context.services.sign_in_states.begin(response, messenger.method, sign_in_state, context.now)
    return response


async def from_messenger(context: Context) -> Response:
    """Admit a person with a code that the messenger exchanges for a member. Each sign-in ends once."""
    messenger, now = _messenger(context), context.now
    method = messenger.method
    sign_in_state = context.services.sign_in_states.resume(context.request, method, now)
    if sign_in_state is None:
        raise SignInRefused(method, SignInCode.LATE, tr("no recent sign-in began in this browser. Sign in again."))
    used = hashlib.sha256(f"{method} state {sign_in_state.state}".encode()).digest()
    if not await context.ask_long(context.services.tickets.use, used, now):
        raise SignInRefused(method, SignInCode.LATE, tr("this sign-in has already ended. Sign in again."))
    code = context.request.query_params.get(messenger.code, "")
    if not code or len(code) > _LONGEST_CODE:
        raise SignInRefused(
            method, SignInCode.REFUSED, tr("the person did not allow the sign-in, so no code came back. Sign in again.")
        )
    name = await context.ask_long(messenger.redeem, code, now)
    response = await external_sign_in.sign_in(context, ExternalSignIn(method, name), sign_in_state.goal)
    context.services.sign_in_states.end(response, method)
    return response


def _messenger(context: Context) -> Messenger:
    name = context.request.url.path.split("/sign-in/", 1)[-1].split("/")[0]
    found = context.services.providers.messengers.get(name)
    if found is None:
        raise HTTPException(404)
    return found


ROUTES = tuple(
    Route(f"/sign-in/{method}{path}", for_anybody(page), methods=["GET"])
    for method in ("wecom", "dingtalk")
    for path, page in (("", to_messenger), ("/back", from_messenger))
)
