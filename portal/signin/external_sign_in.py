"""Arrivals: whom a provider has vouched for, and who that is here.

A name that has an account enters as that account. A student number that the roster of any cohort has had gets an
account without a password. For anybody else nothing is made.
"""

import hashlib
import unicodedata
from dataclasses import dataclass
from functools import partial

from starlette.responses import Response

from portal.auth.domains import split
from portal.auth.refusals import SignInCode, SignInRefused, printable
from portal.page.context import Context
from portal.signin import admission
from status_db.accounts.accounts import Account, AccountRefused, normalise_account
from status_db.model import normalise_number

_LONGEST_NAME = 100

#: A student number begins with at most this many zeros.
_MOST_ZEROS = 6


@dataclass(frozen=True, slots=True)
class ExternalSignIn:
    """Somebody whom a provider has vouched for."""

    #: cas, oidc or ldap
    method: str
    #: Their name at the provider.
    name: str
    #: The digest of what the provider may end the session by; None where it cannot.
    provider_session: bytes | None = None
    #: The provider sent a number instead of text, so its leading zeros are lost.
    as_number: bool = False
    #: The provider has asked for a second factor itself.
    second_factor: bool = False


def provider_session(method: str, provider: str, key: str) -> bytes:
    """Return what a session is known by that a provider opened under this key."""
    return hashlib.sha256(f"{method}\n{provider}\n{key}".encode()).digest()


async def account_of(context: Context, external: ExternalSignIn) -> Account:
    """Return who this is here, with a fresh account for a student who has none. Raises SignInRefused."""
    name = _plain(external)
    if external.as_number:
        await _refuse_lost_zeros(context, external, name)
    account = await context.ask(context.services.accounts.find, name) or await _student(context, external, name)
    if not account.active:
        why = "the account was made by the demo and opens nothing here" if account.demo else "the account has been shut"
        raise SignInRefused(external.method, SignInCode.INACTIVE, why, external.name)
    return account


async def by_password(context: Context, known: Account | None, name: str, password: str) -> Account | None:
    """Return whom the directory says this password belongs to; None where it is not asked, or says nobody.

    It is asked about everybody who has no password of our own, and about everybody where those do not count.
    Raises SignInRefused.
    """
    directory = context.services.ways.directory
    ours = context.settings.auth.local and known is not None and known.password_hash is not None
    if directory is None or ours:
        return None
    found = await context.ask_long(directory.name_of, name, password)
    return await account_of(context, ExternalSignIn("ldap", found)) if found is not None else None


async def enter(context: Context, external: ExternalSignIn, goal: str) -> Response:
    """Open a session under a fresh token, and lead on. Raises SignInRefused."""
    account = await account_of(context, external)
    account, vouched = account.during(context.settings.cohort_keys()), external.second_factor
    narrowed = admission.narrowing(context.settings.auth, account, context.now, external.method, vouched=vouched)
    answer = await admission.admit(
        context,
        account,
        goal=goal,
        method=external.method,
        narrowed=narrowed,
        provider_session=external.provider_session,
        vouched=vouched,
    )
    if answer is None:
        raise SignInRefused(external.method, SignInCode.INACTIVE, "the account was shut just now", external.name)
    return answer


def _plain(external: ExternalSignIn) -> str:
    """Return the sign-in name; refuse one that would only become somebody's by being tidied."""
    name = external.name.strip()
    tidied = normalise_account(name)
    same = unicodedata.normalize("NFKC", name) == name and name.lower() == tidied and name.isprintable()
    if not tidied or not same or len(tidied) > _LONGEST_NAME:
        raise SignInRefused(
            external.method,
            SignInCode.UNKNOWN,
            f"no account can have the name {external.name[:_LONGEST_NAME]!a}: it is too long, or holds letters that "
            "only look like others. Have the provider send the name that the university gave out.",
            external.name,
        )
    return tidied


async def _student(context: Context, external: ExternalSignIn, name: str) -> Account:
    number = normalise_number(name)
    listed = await context.ask(context.services.reader.listed_name, number)
    if listed is None:
        raise SignInRefused(external.method, SignInCode.UNKNOWN, await _unknown(context, external), external.name)
    try:
        return await context.ask_long(
            partial(context.services.desk.add, student=number, now=context.now), name, listed, None
        )
    except AccountRefused:
        # Another of their windows was quicker.
        account = await context.ask(context.services.accounts.find, name)
        if account is None:
            raise
        return account


async def _unknown(context: Context, external: ExternalSignIn) -> str:
    """Say that nobody here has this name, and what may help."""
    said = f'"{printable(external.name, _LONGEST_NAME)}" is neither an account nor a student number on any roster. '
    parts = split(external.name)
    if parts is None:
        return (
            f"{said}Sync the roster, or add the account: clearance accounts add. If people have other names at the "
            f"provider, set the attribute or claim with the name used here in [auth.{external.method}]."
        )
    own, domain = parts
    what = "known here" if await _is_somebody(context, own) else "not known here either"
    return (
        f'{said}"{printable(own, _LONGEST_NAME)}" is {what}. If the part before the @ is everybody\'s name '
        f'here, write strip_domain = "{printable(domain, _LONGEST_NAME)}" in '
        f"[auth.{external.method}]."
    )


async def _refuse_lost_zeros(context: Context, external: ExternalSignIn, name: str) -> None:
    """Refuse a number that is also somebody else's with zeros before it. Raises SignInRefused."""
    for zeros in range(1, _MOST_ZEROS + 1):
        other = "0" * zeros + name
        if await _is_somebody(context, other):
            raise SignInRefused(
                external.method,
                SignInCode.REFUSED,
                f"the provider sends {name} as a number, which loses leading zeros, and {other} is somebody here. Have "
                "it send that claim as text.",
                external.name,
            )


async def _is_somebody(context: Context, name: str) -> bool:
    if await context.ask(context.services.accounts.find, name) is not None:
        return True
    return await context.ask(context.services.reader.listed_name, normalise_number(name)) is not None
