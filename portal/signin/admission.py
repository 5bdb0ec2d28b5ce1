"""Admission: opens a session for an identified person, narrowed if a password or a second factor is still due.

A visitor with a one-time code must set a password first. In the strict profile, so must one with an old password. The
second factor comes after that, if the settings require one and the provider has not asked for its own.
"""

from datetime import datetime
from typing import Any

from starlette.responses import Response

from config.tables.portal import Auth
from foundation.translation import tr
from portal.access.requires import NARROWED, safe_next
from portal.auth import sessions
from portal.auth.refusals import SignInCode, SignInRefused
from portal.page.context import Context
from portal.web.links import link, see_other
from status_db.accounts.accounts import Account, AccountRefused
from status_db.accounts.audit_log import AuditEvent
from status_db.sign_in.second_factor import asked_of, is_staff

#: Sign-in methods without a password.
_WITHOUT_PASSWORD = ("code", "identity")
#: Sign-in methods with a password that is not ours.
_ELSEWHERE = ("cas", "oidc")


def narrowing(auth: Auth, account: Account, now: datetime, method: str, *, vouched: bool = False) -> str | None:
    """Return what is due before an account with this sign-in method is admitted; None if nothing is.

    `vouched`: the provider has asked for a second factor of its own.
    """
    if method in _WITHOUT_PASSWORD:
        return "password"
    ages = auth.profile == "strict" and account.password_hash is not None and method not in _ELSEWHERE
    if ages and (account.password_at is None or now - account.password_at >= auth.password_lasts):
        return "password"
    return "factor" if asked_of(auth, account) and not vouched else None


async def admit(
    context: Context,
    account: Account,
    *,
    goal: str = "/",
    method: str = "local",
    narrowed: str | None = None,
    provider_session: bytes | None = None,
    vouched: bool = False,
) -> Response | None:
    """Open a session in place of the one before, and redirect; None if the account was deactivated meanwhile.

    `vouched`: the provider has asked for a second factor of its own, so the session counts as having shown one.
    Raises SignInRefused if another process serves this account's pages.
    """
    refuse_elsewhere(context, account, method)
    token, now = sessions.new_token(), context.now
    longest = context.settings.auth.session_longest
    try:
        await context.ask_long(
            context.services.desk.open_session,
            sessions.hash_of(token),
            account.account,
            now,
            longest=longest,
            method=method,
            narrowed=narrowed,
            provider_session=provider_session,
        )
    except AccountRefused:
        return None
    if vouched and is_staff(account):
        await context.ask_long(
            context.services.factors.show, sessions.hash_of(token), account.account, now, longest=longest
        )
    await context.ask_long(
        context.services.desk.close_session, sessions.hash_of(context.services.cookie.read(context.request))
    )
    due: dict[str, Any] = {"narrowed": narrowed} if narrowed else {}
    if vouched:
        due["second_factor"] = "provider"
    await context.audit(AuditEvent.SIGNED_IN, account=account.account, method=method, **due)
    response = see_other(first_address(narrowed, goal))
    context.services.cookie.set(response, token)
    if method not in _WITHOUT_PASSWORD:
        context.services.devices.remember(context.request, response, account.account)
    return response


def refuse_elsewhere(context: Context, account: Account, method: str) -> None:
    """Raise SignInRefused if another process serves this account's pages."""
    if not context.services.for_staff and account.student is None:
        raise SignInRefused(
            method, SignInCode.STAFF, tr("staff must sign in at the desk's own address"), account.account
        )
    if not context.services.for_students and not is_staff(account):
        raise SignInRefused(
            method, SignInCode.STUDENT, tr("students must sign in at their own address"), account.account
        )


def first_address(narrowed: str | None, goal: str) -> str:
    """Return the address of a session's first page. The requested one is kept in `next` for later."""
    wanted = safe_next(goal)
    if narrowed is None:
        return wanted
    return link(NARROWED[narrowed], next=wanted if wanted != link("/") else "")
