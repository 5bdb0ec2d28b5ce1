"""Pages to sign in and out."""

from datetime import timedelta

from pydantic import Field
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from portal.access import forms
from portal.access.form_fields import Form, Hidden
from portal.access.requires import for_anybody, recognise, safe_next
from portal.auth import sessions
from portal.auth.passwords import hash_password, verify_password, wants_new_hash
from portal.auth.refusals import SignInRefused
from portal.page.context import Context
from portal.signin import admission, external_sign_in, providers
from portal.web import addresses
from portal.web.links import see_other
from status_db.accounts.accounts import Account, normalise_account
from status_db.accounts.audit_log import AuditEvent


class PasswordForm(Form):
    """An account, its password, and the page to show after sign-in."""

    account: str = ""
    password: Hidden = ""
    goal: str = Field("/", alias="next")


async def sign_in_page(context: Context) -> Response:
    """Show the form. Redirect a visitor who has signed in already."""
    if await recognise(context) is not None:
        return see_other(safe_next(context.request.query_params.get("next", "/")))
    return _sign_in_form(context, goal=context.request.query_params.get("next", "/"))


async def sign_in(context: Context) -> Response:
    """Open a session if the password is right. All failures get the same answer."""
    if not context.settings.auth.takes_passwords:
        raise HTTPException(404)
    form = await forms.read_form(context, PasswordForm)
    async with context.services.hashing.place():
        return await _sign_in(context, form)


async def _sign_in(context: Context, form: PasswordForm) -> Response:
    name, goal = normalise_account(form.account), safe_next(form.goal)
    now = context.now
    device = context.services.devices.known(context.request, name)
    tried = await context.ask_long(
        context.services.throttle.password, name, addresses.of(context.request.scope), device, now
    )
    if tried.wait:
        return _sign_in_form(context, goal=goal, name=name, wait=tried.wait)
    try:
        account = await _check_password(context, name, form.password)
        answer = None
        if account is not None:
            method = _method(context, account)
            narrowed = admission.narrowing(context.settings.auth, account, now, method)
            answer = await admission.admit(context, account, goal=goal, method=method, narrowed=narrowed)
    except SignInRefused:
        # The password was right, or the directory could not compare it: this was not a guess.
        await context.ask_long(context.services.throttle.succeeded, tried)
        raise
    if answer is None:
        await refused(context, name, _method(context, await context.ask(context.services.accounts.find, name)))
        return _sign_in_form(context, goal=goal, name=name, failed=True)
    await context.ask_long(context.services.throttle.succeeded, tried)
    return answer


def _method(context: Context, account: Account | None) -> str:
    """Return who checks this account's password: the directory, if there is one and we have no password for it."""
    ours = context.services.providers.directory is None or (account is not None and account.password_hash is not None)
    return "local" if context.settings.auth.local and ours else "ldap"


async def leave(context: Context) -> Response:
    """End the session."""
    await forms.read_form(context, Form)
    session = await context.ask(
        sessions.find, context.services.accounts, context.settings.auth, context.token, context.now
    )
    await context.ask_long(context.services.desk.close_session, sessions.hash_of(context.token))
    if session is not None:
        await context.audit(AuditEvent.SIGNED_OUT, account=session.account.account, method=session.method)
    response = see_other(providers.after_sign_out(session))
    context.services.cookie.drop(response)
    return response


async def refused(context: Context, name: str, method: str) -> None:
    """Count a refused sign-in. An unknown name is not kept: it may be a password in the wrong field."""
    account = await context.ask(context.services.accounts.find, name)
    named = account.account if account is not None else ""
    await context.services.refused_tries.note(name, named, addresses.of(context.request.scope), method=method)


async def _check_password(context: Context, name: str, password: str) -> Account | None:
    """Return the active account with this password, or None. Both take the same work here."""
    account = await context.ask(context.services.accounts.find, name)
    kept = account.password_hash if account is not None else None
    fits = await context.services.hashing.run(verify_password, password, kept)
    if account is None or kept is None or not fits or not context.settings.auth.local:
        account = await external_sign_in.by_password(context, account, name, password)
    elif wants_new_hash(kept):
        renewed = await context.services.hashing.run(hash_password, password)
        await context.ask_long(context.services.desk.renew_hash, account.account, kept, renewed)
    return account.during(context.settings.cohort_keys()) if account is not None and account.active else None


def _sign_in_form(
    context: Context, *, goal: str, name: str = "", failed: bool = False, wait: timedelta = timedelta(0)
) -> Response:
    return forms.shown(
        context,
        "sign_in.html",
        failed=failed,
        wait=wait,
        goal=safe_next(goal),
        name=name,
        local=context.settings.auth.local,
        passwords=context.settings.auth.takes_passwords,
        buttons=providers.buttons(context, goal),
        elsewhere=context.services.elsewhere,
        students_only=not context.services.for_staff,
    )


ROUTES = (
    Route("/sign-in", for_anybody(sign_in_page), methods=["GET"]),
    Route("/sign-in", for_anybody(sign_in), methods=["POST"]),
    Route("/sign-out", for_anybody(leave), methods=["POST"]),
)
