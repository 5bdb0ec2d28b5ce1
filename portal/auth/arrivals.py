"""Arrivals: whom a provider has vouched for, and who that is here.

A name that has an account enters as that account. A student number that the roster of any cohort has had gets an
account without a password. For anybody else nothing is made.
"""

import hashlib
import unicodedata
from dataclasses import dataclass
from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from portal.auth import admission
from portal.auth.refusals import SignInRefused, Why
from portal.house import House
from status_db.accounts import Account, AccountRefused, normalise_account
from status_db.model import normalise_number

_LONGEST_NAME = 100


@dataclass(frozen=True, slots=True)
class Arrival:
    """Somebody whom a provider has vouched for."""

    #: cas, oidc or ldap
    method: str
    #: Their name at the provider.
    name: str
    #: The digest of what the provider may end the session by; None where it cannot.
    provider_session: bytes | None = None


def provider_session(method: str, provider: str, key: str) -> bytes:
    """Return what a session is known by that a provider opened under this key."""
    return hashlib.sha256(f"{method}\n{provider}\n{key}".encode()).digest()


async def account_of(house: House, arrival: Arrival) -> Account:
    """Return who this is here, with a fresh account for a student who has none. Raises SignInRefused."""
    name = _plain(arrival)
    account = await house.ask(house.accounts.find, name) or await _student(house, arrival, name)
    if not account.active:
        raise SignInRefused(arrival.method, Why.INACTIVE, "the account has been shut", arrival.name)
    return account


async def by_password(house: House, known: Account | None, name: str, password: str) -> Account | None:
    """Return whom the directory says this password belongs to; None where it is not asked, or says nobody.

    It is asked about everybody who has no password of our own, and about everybody where those do not count.
    Raises SignInRefused.
    """
    directory = house.ways.directory
    ours = house.settings.auth.local and known is not None and known.password_hash is not None
    if directory is None or ours:
        return None
    found = await house.ask_long(directory.name_of, name, password)
    return await account_of(house, Arrival("ldap", found)) if found is not None else None


async def enter(request: Request, house: House, arrival: Arrival, goal: str) -> Response:
    """Open a session under a fresh token, and lead on. Raises SignInRefused."""
    account = await account_of(house, arrival)
    narrowed = admission.narrowing(house.settings.auth, account, house.clock(), arrival.method)
    answer = await admission.admit(
        request,
        house,
        account,
        goal=goal,
        method=arrival.method,
        narrowed=narrowed,
        provider_session=arrival.provider_session,
    )
    if answer is None:
        raise SignInRefused(arrival.method, Why.INACTIVE, "the account was shut just now", arrival.name)
    return answer


def _plain(arrival: Arrival) -> str:
    """Return the sign-in name; refuse one that would only become somebody's by being tidied."""
    name = arrival.name.strip()
    tidied = normalise_account(name)
    same = unicodedata.normalize("NFKC", name) == name and name.lower() == tidied and name.isprintable()
    if not tidied or not same or len(tidied) > _LONGEST_NAME:
        raise SignInRefused(arrival.method, Why.UNKNOWN, "no account can have this name", arrival.name)
    return tidied


async def _student(house: House, arrival: Arrival, name: str) -> Account:
    number = normalise_number(name)
    listed = await house.ask(house.reader.listed_name, number)
    if listed is None:
        raise SignInRefused(arrival.method, Why.UNKNOWN, "nobody here has this name", arrival.name)
    try:
        return await house.ask_long(partial(house.desk.add, student=number, now=house.clock()), name, listed, None)
    except AccountRefused:
        # Another of their windows was quicker.
        account = await house.ask(house.accounts.find, name)
        if account is None:
            raise
        return account
