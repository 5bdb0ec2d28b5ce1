"""Sign-ins that a provider has confirmed, and the account that each belongs to.

A name with an account signs in as that account. A student number on the roster of any cohort gets an account without
a password. For every other name the sign-in is refused, and no account is created.
"""

import hashlib
import unicodedata
from dataclasses import dataclass
from functools import partial

from starlette.responses import Response

from foundation.translation import tr
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
    """A person whose identity a provider has confirmed."""

    #: cas, oidc or ldap
    method: str
    #: Their name at the provider.
    name: str
    #: The digest of the key by which the provider can end the session; None if it cannot.
    provider_session: bytes | None = None
    #: The provider sent a number instead of text, so its leading zeros are lost.
    as_number: bool = False
    #: The provider has asked for a second factor itself.
    second_factor: bool = False


def provider_session(method: str, provider: str, key: str) -> bytes:
    """Return the digest that identifies the session that a provider opened under this key."""
    return hashlib.sha256(f"{method}\n{provider}\n{key}".encode()).digest()


async def account_of(context: Context, external: ExternalSignIn) -> Account:
    """Return the account of this person; create one for a student without an account. Raises SignInRefused."""
    name = _account_name(external)
    if external.as_number:
        await _refuse_lost_zeros(context, external, name)
    account = await context.ask(context.services.accounts.find, name) or await _student_account(context, external, name)
    if not account.active:
        why = (
            tr("the account was created by the demo and cannot be used here. Add another one: clearance accounts add.")
            if account.demo
            else tr("the account is deactivated. Have an administrator activate it.")
        )
        raise SignInRefused(external.method, SignInCode.INACTIVE, why, external.name)
    return account


async def by_password(context: Context, known: Account | None, name: str, password: str) -> Account | None:
    """Return the account that the directory confirms for this password; None if it is not asked, or confirms none.

    It is asked about every account without a password of ours, and about all accounts if those are switched off.
    Raises SignInRefused.
    """
    directory = context.services.providers.directory
    ours = context.settings.auth.local and known is not None and known.password_hash is not None
    if directory is None or ours:
        return None
    found = await context.ask_long(directory.name_of, name, password)
    return await account_of(context, ExternalSignIn("ldap", found)) if found is not None else None


async def sign_in(context: Context, external: ExternalSignIn, goal: str) -> Response:
    """Open a session with a fresh token, and redirect. Raises SignInRefused."""
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
        raise SignInRefused(external.method, SignInCode.INACTIVE, tr("the account was just deactivated"), external.name)
    return answer


def _account_name(external: ExternalSignIn) -> str:
    """Return the sign-in name; refuse a name that only matches an account after normalisation."""
    name = external.name.strip()
    tidied = normalise_account(name)
    same = unicodedata.normalize("NFKC", name) == name and name.lower() == tidied and name.isprintable()
    if not tidied or not same or len(tidied) > _LONGEST_NAME:
        raise SignInRefused(
            external.method,
            SignInCode.UNKNOWN,
            tr(
                "no account can have the name {name!a}: it is too long, or has characters that only "
                "resemble others. Have the provider send the name that the university assigned.",
                name=external.name[:_LONGEST_NAME],
            ),
            external.name,
        )
    return tidied


async def _student_account(context: Context, external: ExternalSignIn, name: str) -> Account:
    number = normalise_number(name)
    listed = await context.ask(context.services.reader.listed_name, number)
    if listed is None:
        raise SignInRefused(
            external.method, SignInCode.UNKNOWN, await _unknown_name_text(context, external), external.name
        )
    try:
        return await context.ask_long(
            partial(context.services.desk.add, student=number, now=context.now), name, listed, None
        )
    except AccountRefused:
        # The same person signed in at the same moment in another window.
        account = await context.ask(context.services.accounts.find, name)
        if account is None:
            raise
        return account


async def _unknown_name_text(context: Context, external: ExternalSignIn) -> str:
    """Return a message about a name that is unknown here, with the fix."""
    name, method, parts = printable(external.name, _LONGEST_NAME), external.method, split(external.name)
    if parts is None:
        return tr(
            '"{name}" is neither an account nor a student number on any roster. Sync the roster, or add the account: '
            "clearance accounts add. If people have other names at the provider, set the attribute or claim with the "
            "name used here in [auth.{method}].",
            name=name,
            method=method,
        )
    own, domain = (printable(part, _LONGEST_NAME) for part in parts)
    if await _is_somebody(context, parts[0]):
        return tr(
            '"{name}" is neither an account nor a student number on any roster. "{own}" is known here. If people\'s '
            'names here are the part before the @, set strip_domain = "{domain}" in [auth.{method}].',
            name=name,
            own=own,
            domain=domain,
            method=method,
        )
    return tr(
        '"{name}" is neither an account nor a student number on any roster. "{own}" is not known here either. If '
        'people\'s names here are the part before the @, set strip_domain = "{domain}" in [auth.{method}].',
        name=name,
        own=own,
        domain=domain,
        method=method,
    )


async def _refuse_lost_zeros(context: Context, external: ExternalSignIn, name: str) -> None:
    """Refuse a number that, with leading zeros, is another person's. Raises SignInRefused."""
    for zeros in range(1, _MOST_ZEROS + 1):
        other = "0" * zeros + name
        if await _is_somebody(context, other):
            raise SignInRefused(
                external.method,
                SignInCode.REFUSED,
                tr(
                    "the provider sends {name} as a number, which loses leading zeros, and {other} is a person "
                    "here. Have it send that claim as text.",
                    name=name,
                    other=other,
                ),
                external.name,
            )


async def _is_somebody(context: Context, name: str) -> bool:
    if await context.ask(context.services.accounts.find, name) is not None:
        return True
    return await context.ask(context.services.reader.listed_name, normalise_number(name)) is not None
