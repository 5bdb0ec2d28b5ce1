"""What the pages of all providers share: buttons, redirects, sign-out, and the page of a refused sign-in."""

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

#: A form that a provider itself sends is never longer, in bytes.
_LONGEST_WORD = 16 * 1024

_STATUS = dict.fromkeys(SignInCode, 403) | {SignInCode.LATE: 400, SignInCode.UNAVAILABLE: 503}


@dataclass(frozen=True, slots=True)
class Button:
    """The button of one provider on the sign-in form."""

    address: str
    title: str


def buttons(context: Context, goal: str) -> list[Button]:
    """Return the buttons of the providers; after sign-in they lead back to a page of ours."""
    pick, auth = context.language.pick, context.settings.auth
    return [
        Button(link(f"/sign-in/{method}", next=safe_next(goal)), pick(provider.title, provider.title_en))
        for method, provider in (("cas", auth.cas), ("oidc", auth.oidc))
        if provider is not None
    ]


def after_sign_out(session: Session | None) -> str:
    """Return the address to show after a session has ended."""
    elsewhere = session is not None and session.method in ("cas", "oidc")
    return link(f"/sign-out/{session.method}" if session is not None and elsewhere else "/sign-in")


async def refused(request: Request, error: Exception) -> Response:
    """Show why the sign-in is refused, whom to ask, and how to sign in as another person."""
    if not isinstance(error, SignInRefused):
        raise error
    context = context_of(request)
    structlog.get_logger("clearance.portal").warning(
        "sign-in refused",
        method=error.method,
        provider=_provider_address(context, error.method),
        why=error.code,
        name=StudentNo(printable(error.name, 100)),
        message=str(error),
    )
    # Everyone can request this page without having been at the provider, so it must not fill the audit log.
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
    """Log why a provider's sign-out request is refused."""
    structlog.get_logger("clearance.portal").warning(
        "sign-out refused", method=method, provider=_provider_address(context, method), message=str(error)
    )


def _provider_address(context: Context, method: str) -> str:
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

    The sign-out form must not be answered by a redirect to another site: Chromium and Safari apply `form-action` to
    every redirect after a form, and the provider's further redirects cannot be listed there. A page that refreshes
    itself starts a navigation of its own.
    """
    response = context.page("signed_out.html", address=address)
    if address:
        response.headers["Refresh"] = f"0; url={address}"
    return response


async def provider_form(request: Request) -> dict[str, str]:
    """Return the form that a provider itself sent, each field once."""
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
    """End the sessions that a provider opened under this digest, if there are any."""
    for account in await context.ask_long(context.services.desk.close_provider_session, key):
        await context.audit(AuditEvent.SIGNED_OUT, account=account, method=method, by="provider")
