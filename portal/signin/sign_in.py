"""Signing in and out."""

from datetime import timedelta

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from portal.access import forms
from portal.access.requires import recognise, safe_next
from portal.auth import sessions
from portal.auth.passwords import hash_password, verify_password, wants_new_hash
from portal.auth.refusals import SignInRefused
from portal.page.context import House, house_of, see_other
from portal.signin import admission, external_sign_in, providers
from portal.web import addresses
from status_db.accounts.accounts import Account, normalise_account
from status_db.accounts.audit_log import Deed


async def show(request: Request) -> Response:
    """Show the form; send on who has signed in already."""
    house = house_of(request)
    if await recognise(request, house) is not None:
        return see_other(safe_next(request.query_params.get("next", "/")))
    return _form(request, house, goal=request.query_params.get("next", "/"))


async def enter(request: Request) -> Response:
    """Open a session for the right password; answer everything else alike."""
    house = house_of(request)
    if not house.settings.auth.takes_passwords:
        raise HTTPException(404)
    fields = await forms.read(request, house.settings.portal.public_url, house.cookie.read(request))
    async with house.hashing.place():
        return await _enter(request, house, fields)


async def _enter(request: Request, house: House, fields: dict[str, str]) -> Response:
    name, goal = normalise_account(fields.get("account", "")), safe_next(fields.get("next", "/"))
    now = house.clock()
    device = house.devices.known(request, name)
    tried = await house.ask_long(house.slowdown.password, name, addresses.of(request.scope), device, now)
    if tried.wait:
        return _form(request, house, goal=goal, name=name, wait=tried.wait)
    try:
        account = await _known(house, name, fields.get("password", ""))
        answer = None
        if account is not None:
            method = _method(house, account)
            narrowed = admission.narrowing(house.settings.auth, account, now, method)
            answer = await admission.admit(request, house, account, goal=goal, method=method, narrowed=narrowed)
    except SignInRefused:
        # The password was right, or nobody was there to compare it with: that is no guess.
        await house.ask_long(house.slowdown.succeeded, tried)
        raise
    if answer is None:
        await refused(request, house, name, _method(house, await house.ask(house.accounts.find, name)))
        return _form(request, house, goal=goal, name=name, failed=True)
    await house.ask_long(house.slowdown.succeeded, tried)
    return answer


def _method(house: House, account: Account | None) -> str:
    """Return who is asked about this account's password: the directory, where there is one and no password of ours."""
    ours = house.ways.directory is None or (account is not None and account.password_hash is not None)
    return "local" if house.settings.auth.local and ours else "ldap"


async def leave(request: Request) -> Response:
    """End the session."""
    house = house_of(request)
    token = house.cookie.read(request)
    await forms.read(request, house.settings.portal.public_url, token)
    session = await house.ask(sessions.find, house.accounts, house.settings.auth, token, house.clock())
    await house.ask_long(house.desk.close_session, sessions.hash_of(token))
    if session is not None:
        await house.note(request, Deed.SIGNED_OUT, account=session.account.account, method=session.method)
    response = see_other(providers.way_out(session))
    house.cookie.drop(response)
    return response


async def refused(request: Request, house: House, name: str, method: str) -> None:
    """Note that somebody was not let in. A name that is no account's may be a password in the wrong field."""
    account = await house.ask(house.accounts.find, name)
    named = account.account if account is not None else ""
    await house.refused_tries.note(name, named, addresses.of(request.scope), method=method)


async def _known(house: House, name: str, password: str) -> Account | None:
    """Return the active account this password opens; the work here is the same when there is none."""
    account = await house.ask(house.accounts.find, name)
    kept = account.password_hash if account is not None else None
    fits = await house.hashing.run(verify_password, password, kept)
    if account is None or kept is None or not fits or not house.settings.auth.local:
        account = await external_sign_in.by_password(house, account, name, password)
    elif wants_new_hash(kept):
        renewed = await house.hashing.run(hash_password, password)
        await house.ask_long(house.desk.renew_hash, account.account, kept, renewed)
    return account.during(house.settings.cohort_keys()) if account is not None and account.active else None


def _form(
    request: Request, house: House, *, goal: str, name: str = "", failed: bool = False, wait: timedelta = timedelta(0)
) -> Response:
    return forms.shown(
        request,
        house,
        "sign_in.html",
        failed=failed,
        wait=wait,
        goal=safe_next(goal),
        name=name,
        local=house.settings.auth.local,
        passwords=house.settings.auth.takes_passwords,
        buttons=providers.buttons(request, house, goal),
        elsewhere=house.elsewhere,
        students_only=not house.for_staff,
    )


ROUTES = (
    Route("/sign-in", show, methods=["GET"]),
    Route("/sign-in", enter, methods=["POST"]),
    Route("/sign-out", leave, methods=["POST"]),
)
