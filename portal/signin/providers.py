"""What the pages of all providers share: their buttons, the way there and out again, and who is not let in."""

from dataclasses import dataclass
from urllib.parse import parse_qs

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from config.log_names import StudentNo
from portal.access import forms
from portal.access.requires import safe_next
from portal.auth.refusals import SignInCode, SignInRefused, printable
from portal.page.context import Context, context_of
from portal.web import addresses
from portal.web.links import link
from status_db.accounts.accounts import Session
from status_db.accounts.audit_log import AuditEvent

#: What a provider tells us by itself is never longer, in bytes.
_LONGEST_WORD = 16 * 1024

_STATUS = dict.fromkeys(SignInCode, 403) | {SignInCode.LATE: 400, SignInCode.UNAVAILABLE: 503}


@dataclass(frozen=True, slots=True)
class Button:
    """A way to sign in, as the form shows it."""

    address: str
    title: str


def buttons(context: Context, goal: str) -> list[Button]:
    """Return the providers that people leave for, to come back to a page of ours."""
    pick, auth = context.language.pick, context.settings.auth
    return [
        Button(link(f"/sign-in/{method}", next=safe_next(goal)), pick(provider.title, provider.title_en))
        for method, provider in (("cas", auth.cas), ("oidc", auth.oidc))
        if provider is not None
    ]


def fix_text(session: Session | None) -> str:
    """Return where somebody goes whose session has just ended."""
    elsewhere = session is not None and session.method in ("cas", "oidc")
    return link(f"/sign-out/{session.method}" if session is not None and elsewhere else "/sign-in")


async def refused(request: Request, error: Exception) -> Response:
    """Say why somebody is not let in, whom to ask, and how to come in as somebody else."""
    if not isinstance(error, SignInRefused):
        raise error
    context = context_of(request)
    structlog.get_logger("clearance.portal").warning(
        "sign-in refused",
        method=error.method,
        provider=_address(context, error.method),
        why=error.code,
        name=StudentNo(printable(error.name, 100)),
        message=str(error),
    )
    # A page that anybody can ask for without ever having been at the provider writes no lines.
    if error.code is not SignInCode.LATE:
        address, name = addresses.of(request.scope), error.name[:100]
        await context.services.refused_tries.note(
            name, "", address, method=error.method, reason=error.code.value, name=name
        )
    response = context.page(
        "sign_in_refused.html",
        status=_STATUS[error.code],
        why=error.code,
        name=error.name,
        method=error.method,
        elsewhere=context.services.elsewhere,
    )
    if error.code is SignInCode.UNAVAILABLE:
        response.headers["Retry-After"] = "30"
    return response


def sign_out_refused(context: Context, method: str, error: Exception) -> None:
    """Write why what a provider said about a session that has ended does not count."""
    structlog.get_logger("clearance.portal").warning(
        "sign-out refused", method=method, provider=_address(context, method), message=str(error)
    )


def _address(context: Context, method: str) -> str:
    auth = context.settings.auth
    known = {
        "cas": auth.cas.url if auth.cas else "",
        "oidc": auth.oidc.issuer if auth.oidc else "",
        "ldap": auth.ldap.url if auth.ldap else "",
    }
    return known.get(method, "")


def leave_for(address: str) -> Response:
    """Send a browser to a provider."""
    return RedirectResponse(address, 303)


def goodbye(context: Context, address: str) -> Response:
    """Show that the session here has ended, and lead on to the provider's own sign-out.

    The form to sign out must not be answered by a redirect to another site: Chromium and Safari hold every redirect
    after a form to `form-action`, and where the provider sends people from there nobody can list. A page that leads on
    by itself is a navigation of its own.
    """
    response = context.page("signed_out.html", address=address)
    if address:
        response.headers["Refresh"] = f"0; url={address}"
    return response


async def word_of(request: Request) -> dict[str, str]:
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
    found = {name: values[0] for name, values in fields.items()}
    forms.refuse_nul(text for pair in found.items() for text in pair)
    return found


async def end_session(context: Context, method: str, key: bytes) -> None:
    """End what a provider opened under this digest; nothing where it opened nothing."""
    for account in await context.ask_long(context.services.desk.close_provider_session, key):
        await context.audit(AuditEvent.SIGNED_OUT, account=account, method=method, by="provider")
