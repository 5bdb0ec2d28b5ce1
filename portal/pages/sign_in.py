"""Signing in and out."""

import asyncio
import math
from datetime import datetime, timedelta
from functools import partial

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from portal.auth import arrivals, forms, sessions
from portal.auth.passwords import verify_password
from portal.entrance import recognise, safe_next
from portal.house import House, house_of, see_other
from portal.pages import providers
from status_db.accounts import Account, AccountRefused, normalise_account
from status_db.audit import Deed


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
    old = house.cookie.read(request)
    fields = await forms.read(request, house.settings.portal.public_url, old)
    name, goal = normalise_account(fields.get("account", "")), safe_next(fields.get("next", "/"))
    address = request.client.host if request.client else ""
    now = house.clock()
    wait = house.slowdown.wait(name, address, now)
    if wait:
        return _form(request, house, goal=goal, name=name, wait=wait)
    account = await _known(house, name, fields.get("password", ""))
    token = sessions.new_token()
    if account is None or not await _opened(house, account, token, now):
        house.slowdown.failed(name, address, now)
        return _form(request, house, goal=goal, name=name, failed=True)
    house.slowdown.succeeded(name, address)
    await house.note(request, Deed.SIGNED_IN, account=account.account, method=_method(house, account))
    await house.ask_long(house.desk.close_session, sessions.hash_of(old))
    response = see_other(goal)
    house.cookie.set(response, token)
    return response


async def _opened(house: House, account: Account, token: str, now: datetime) -> bool:
    """Open the session; False when the account was shut in the meantime."""
    opening = partial(
        house.desk.open_session, longest=house.settings.auth.session_longest, method=_method(house, account)
    )
    try:
        await house.ask_long(opening, sessions.hash_of(token), account.account, now)
    except AccountRefused:
        return False
    return True


def _method(house: House, account: Account) -> str:
    return "local" if house.settings.auth.local and account.password_hash is not None else "ldap"


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


async def _known(house: House, name: str, password: str) -> Account | None:
    """Return the active account this password opens; the work is the same when there is none."""
    account = await house.ask(house.accounts.find, name)
    kept = account.password_hash if account is not None else None
    fits = await asyncio.get_running_loop().run_in_executor(house.hashing, verify_password, password, kept)
    if fits and house.settings.auth.local:
        return account if account is not None and account.active else None
    return await arrivals.by_password(house, account, name, password)


def _form(
    request: Request, house: House, *, goal: str, name: str = "", failed: bool = False, wait: timedelta = timedelta(0)
) -> Response:
    # A form is bound to a cookie, so whoever has none gets one that opens nothing.
    token = house.cookie.read(request) or sessions.new_token()
    response = house.page(
        request,
        "sign_in.html",
        status=429 if wait else 401 if failed else 200,
        goal=safe_next(goal),
        name=name,
        failed=failed,
        wait=math.ceil(wait.total_seconds()),
        passwords=house.settings.auth.takes_passwords,
        buttons=providers.buttons(request, house, goal),
        form_token=sessions.form_token(token),
    )
    if wait:
        response.headers["Retry-After"] = str(math.ceil(wait.total_seconds()))
    house.cookie.set(response, token)
    return response


ROUTES = (
    Route("/sign-in", show, methods=["GET"]),
    Route("/sign-in", enter, methods=["POST"]),
    Route("/sign-out", leave, methods=["POST"]),
)
