"""The page of the second factor: to set one up, to use it after the password, and to change it.

It is one page, because only one page may run the script that passkeys need. The session's stage decides what it shows
and which forms it accepts:

* code: the account has no second factor; it needs the set-up code from an administrator;
* set_up: the code was right; the owner sets up the first second factor;
* ask: the account has one, and must use it;
* manage: one was used in the last minutes; the owner adds and removes.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeAlias

from pydantic import Field
from starlette.responses import Response
from starlette.routing import Route

from portal.access import forms
from portal.access.form_fields import Form, Hidden, Number
from portal.access.requires import for_visitors, safe_next
from portal.auth import passkeys, sessions, totp
from portal.auth.refusals import printable
from portal.i18n.labels import N_
from portal.i18n.languages import Language
from portal.page.context import SignedIn
from portal.signin.factor_stage import FactorTurn, Stage, concerns, turn_of
from portal.signin.sign_in import refused
from portal.web import own_script
from portal.web.links import link, see_other
from status_db.accounts.audit_log import AuditEvent
from status_db.sign_in.one_time_codes import CodeKind
from status_db.sign_in.passkeys import LONGEST_NAME, MOST, Passkey, Purpose

#: Why a form was refused, each with the fix.
_WHY: Mapping[str, str] = {
    "code": N_("设置码不正确、已使用、已失效或已由新码替代。请核对；需要新的设置码，请联系管理员。"),
    "app": N_("动态口令不正确、已使用或已失效。请用下一个口令再试，并核对手机时间。"),
    "recovery": N_("恢复码不正确或已使用。请换一个再试。"),
    "passkey": N_("通行密钥验证未通过。请再试一次，或换一种方式。"),
    "late": N_("页面打开过久，已失效。请在下面重新设置。"),
    "broken": N_("该账号的动态口令已失效。请换一种方式，或请管理员重置后重新登录。"),
    "known": N_("未添加：该通行密钥已在使用，或数量已达上限。"),
    "last": N_("未移除：这是最后一种两步验证。请先添加另一种；设备丢失的，请管理员重置。"),
}


class FactorForm(Form):
    """Any of the page's forms: `do` names which one."""

    #: A passkey's answer may include certificates.
    longest = 32 * 1024

    do: str = ""
    goal: str = Field("/", alias="next")
    code: Hidden = ""
    digits: Hidden = ""
    recovery: Hidden = ""
    credential: Hidden = ""
    #: The secret of a new app, sealed by this portal.
    sealed: Hidden = ""
    name: str = ""
    passkey: Number = None


Taking: TypeAlias = Callable[[FactorTurn, FactorForm], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class PasskeyLine:
    """One passkey."""

    id: int
    name: str
    made: str
    used: str


async def second_factor_page(context: SignedIn) -> Response:
    """Show the page at the session's stage."""
    goal = safe_next(context.request.query_params.get("next", "/"))
    if not concerns(context):
        return see_other(goal)
    return await _factor_page(await turn_of(context, goal))


async def process_form(context: SignedIn) -> Response:
    """Process one of the page's forms. A form of another stage changes nothing."""
    sent = await forms.read_form(context, FactorForm)
    goal = safe_next(sent.goal)
    if not concerns(context):
        return see_other(goal)
    turn = await turn_of(context, goal)
    taken = _FORMS[turn.stage].get(sent.do)
    return await taken(turn, sent) if taken is not None else await _factor_page(turn)


async def _give_code(turn: FactorTurn, sent: FactorForm) -> Response:
    """Check the code that allows the first second factor to be set up."""

    async def fits() -> bool:
        return await turn.context.ask_long(
            turn.services.codes.use, turn.account, sent.code, turn.context.now, CodeKind.FACTOR
        )

    failure = await _count_try(turn, "code", fits)
    if failure is not None:
        return failure
    await turn.context.ask_long(turn.services.factors.allow_set_up, turn.token_hash, turn.account, turn.context.now)
    return see_other(_page_address(turn.goal))


async def _show_app(turn: FactorTurn, sent: FactorForm) -> Response:
    """Check the app's digits. Each are valid only once."""
    sealed = turn.context.account.second_factor
    secret = totp.unseal(turn.services.key, turn.account, sealed) if sealed is not None else None
    if secret is None:
        return await _factor_page(turn, failed="broken")

    async def fits() -> bool:
        step = totp.step_of(secret, sent.digits, turn.context.now)
        return step is not None and await turn.context.ask_long(turn.services.factors.use, turn.account, step)

    return await _count_try(turn, "app", fits) or await _admit(turn, "app")


async def _show_recovery(turn: FactorTurn, sent: FactorForm) -> Response:
    """Check a recovery code, and lead to the page that replaces the lost factor."""

    async def fits() -> bool:
        return await turn.context.ask_long(turn.services.recovery.use, turn.account, sent.recovery, turn.context.now)

    failure = await _count_try(turn, "recovery", fits)
    if failure is not None:
        return failure
    await turn.context.audit(AuditEvent.RECOVERY_CODE_USED, left=turn.held.recovery - 1)
    return await _admit(turn, "recovery", _page_address(turn.goal))


async def _show_passkey(turn: FactorTurn, sent: FactorForm) -> Response:
    """Check a passkey's answer to this session's challenge."""

    async def fits() -> bool:
        challenge = await _challenge(turn, Purpose.SIGN)
        had = await turn.context.ask(turn.services.passkeys.of, turn.account)
        if turn.party is None or challenge is None:
            return False
        shown = passkeys.signed(turn.party, sent.credential, challenge, had)
        if shown is None:
            return False
        passkey, count = shown
        return await turn.context.ask_long(turn.services.passkeys.use, passkey.id, count, turn.context.now)

    return await _count_try(turn, "passkey", fits) or await _admit(turn, "passkey")


async def _add_app(turn: FactorTurn, sent: FactorForm) -> Response:
    """Set up the app if its current digits are right."""
    offered = sent.sealed.encode()
    secret = totp.unseal(turn.services.key, turn.account, offered, turn.context.now)
    if secret is None:
        return await _factor_page(turn, failed="late")

    async def fits() -> bool:
        step = totp.step_of(secret, sent.digits, turn.context.now)
        return step is not None and await turn.context.ask_long(
            turn.services.factors.enrol, turn.account, offered, step
        )

    failure = await _count_try(turn, "app", fits, offered)
    if failure is not None:
        return failure
    await turn.context.audit(AuditEvent.SECOND_FACTOR_SET, kind="app")
    return await _after_adding(turn)


async def _add_passkey(turn: FactorTurn, sent: FactorForm) -> Response:
    """Add a new passkey that was made for this session's challenge."""
    name = printable(sent.name, LONGEST_NAME - 1) or turn.context.language.gettext("通行密钥")
    made: list[passkeys.RegisteredPasskey] = []

    async def fits() -> bool:
        challenge = await _challenge(turn, Purpose.REGISTER)
        if turn.party is None or challenge is None:
            return False
        found = passkeys.registered(turn.party, sent.credential, challenge)
        made.extend([found] if found is not None else [])
        return found is not None

    failure = await _count_try(turn, "passkey", fits)
    if failure is not None:
        return failure
    (one,) = made
    add = partial(turn.services.passkeys.add, name=name, transports=one.transports, now=turn.context.now)
    if not await turn.context.ask_long(add, turn.account, one.credential_id, one.public_key, one.sign_count):
        return await _factor_page(turn, failed="known")
    await turn.context.audit(AuditEvent.SECOND_FACTOR_SET, kind="passkey", name=name)
    return await _after_adding(turn)


async def _remove_app(turn: FactorTurn, _sent: FactorForm) -> Response:
    """Remove the app."""
    if not await turn.context.ask_long(turn.services.factors.remove_app, turn.account):
        return await _factor_page(turn, failed="last")
    await turn.context.audit(AuditEvent.SECOND_FACTOR_REMOVED, kind="app")
    return see_other(_page_address(turn.goal))


async def _remove_passkey(turn: FactorTurn, sent: FactorForm) -> Response:
    """Remove one passkey."""
    number = sent.passkey
    if number is None or number not in {
        one.id for one in await turn.context.ask(turn.services.passkeys.of, turn.account)
    }:
        return see_other(_page_address(turn.goal))
    name = await turn.context.ask_long(turn.services.passkeys.remove, turn.account, number)
    if name is None:
        return await _factor_page(turn, failed="last")
    await turn.context.audit(AuditEvent.SECOND_FACTOR_REMOVED, kind="passkey", name=name)
    return see_other(_page_address(turn.goal))


async def _new_codes(turn: FactorTurn, _sent: FactorForm) -> Response:
    """Make new recovery codes, and show them once."""
    return await _show_codes(turn)


_ADDING: Mapping[str, Taking] = {"add-app": _add_app, "add-passkey": _add_passkey}

#: Stage → the forms that it accepts.
_FORMS: Mapping[Stage, Mapping[str, Taking]] = {
    "code": {"code": _give_code},
    "set_up": _ADDING,
    "ask": {"app": _show_app, "passkey": _show_passkey, "recovery": _show_recovery},
    "manage": {
        **_ADDING,
        "remove-app": _remove_app,
        "remove-passkey": _remove_passkey,
        "new-codes": _new_codes,
    },
}


async def _count_try(
    turn: FactorTurn, what: str, fits: Callable[[], Awaitable[bool]], offered: bytes = b""
) -> Response | None:
    """Count a try before comparing it. Return the page again if it must wait or is wrong; None if it is right."""
    tried = await turn.context.ask_long(turn.services.throttle.factor, turn.account, turn.context.now)
    if tried.wait:
        return await _factor_page(turn, offered=offered, wait=tried.wait)
    if not await fits():
        await refused(turn.context, turn.account, "factor")
        return await _factor_page(turn, offered=offered, failed=what)
    await turn.context.ask_long(turn.services.throttle.succeeded, tried)
    return None


async def _challenge(turn: FactorTurn, purpose: Purpose) -> bytes | None:
    return await turn.context.ask_long(
        turn.services.passkeys.take_challenge, turn.token_hash, turn.account, purpose, turn.context.now
    )


async def _admit(turn: FactorTurn, kind: str, goal: str = "") -> Response:
    """Lift the session's narrowing. In an open session, only store that a second factor was used again."""
    token = await _open_session(turn)
    if token is None:
        return see_other(link("/sign-in"))
    if turn.context.visitor.narrowed is None:
        return see_other(_page_address(turn.goal))
    await turn.context.audit(AuditEvent.SIGNED_IN, second_factor=kind)
    response = see_other(goal or turn.goal)
    turn.services.cookie.set(response, token)
    return response


async def _open_session(turn: FactorTurn) -> str | None:
    """Store that a second factor was used; return the session's token, a fresh one if its narrowing is lifted."""
    factors, longest = turn.services.factors, turn.context.settings.auth.session_longest
    if turn.context.visitor.narrowed is None:
        await turn.context.ask_long(factors.show, turn.token_hash, turn.account, turn.context.now, longest=longest)
        return turn.context.visitor.token
    token = sessions.new_token()
    after = sessions.hash_of(token)
    opened = await turn.context.ask_long(
        factors.pass_on, turn.token_hash, after, turn.account, turn.context.now, longest=longest
    )
    return token if opened else None


async def _after_adding(turn: FactorTurn) -> Response:
    """Answer after a second factor was added: the first one shows recovery codes, and opens the session."""
    return await _show_codes(turn) if turn.stage == "set_up" else see_other(_page_address(turn.goal))


async def _show_codes(turn: FactorTurn) -> Response:
    token = await _open_session(turn) if turn.stage == "set_up" else turn.context.visitor.token
    if token is None:
        return see_other(link("/sign-in"))
    codes = await turn.context.ask_long(turn.services.recovery.make, turn.account, turn.context.now)
    await turn.context.audit(AuditEvent.RECOVERY_CODES_MADE, count=len(codes))
    # The page belongs to the session as it is now.
    context = replace(turn.context, visitor=replace(turn.context.visitor, token=token))
    response = context.page("recovery_codes.html", codes=codes, goal=turn.goal)
    turn.services.cookie.set(response, token)
    return response


def _page_address(goal: str) -> str:
    return link(own_script.PASSKEYS.page, next=goal if goal != link("/") else "")


async def _factor_page(
    turn: FactorTurn, *, failed: str = "", offered: bytes = b"", wait: timedelta = timedelta(0)
) -> Response:
    language = turn.context.language
    adding = turn.stage in ("set_up", "manage")
    values = _app(turn, offered) if adding and not turn.held.app else {"secret": ""}
    had = await turn.context.ask(turn.services.passkeys.of, turn.account) if turn.held.passkeys else ()
    return forms.shown(
        turn.context,
        "second_factor.html",
        failed=bool(failed),
        wait=wait,
        why=language.gettext(_WHY[failed]) if failed else "",
        goal=turn.goal,
        stage=turn.stage,
        held=turn.held,
        app_used=language.moment(turn.held.app_used_at, turn.context.now) if turn.held.app_used_at else "",
        passkeys=[_passkey_line(language, one, turn.context.now) for one in had],
        options=await _options(turn, had),
        longest_name=LONGEST_NAME,
        script=own_script.PASSKEYS.text,
        **values,
    )


def _passkey_line(language: Language, one: Passkey, now: datetime) -> PasskeyLine:
    used = language.moment(one.used_at, now) if one.used_at else ""
    return PasskeyLine(id=one.id, name=one.name, made=language.moment(one.made_at, now), used=used)


def _app(turn: FactorTurn, offered: bytes) -> dict[str, Any]:
    """Return a secret to set up, as text and as a picture; the same one until it is set up."""
    secret = totp.unseal(turn.services.key, turn.account, offered, turn.context.now) or totp.new_secret()
    address = totp.address(secret, turn.account, turn.context.settings.institution.name)
    return {
        "secret": " ".join(secret[at : at + 4] for at in range(0, len(secret), 4)),
        "sealed": totp.seal(turn.services.key, turn.account, secret, turn.context.now).decode(),
        "picture": totp.picture(address),
    }


async def _options(turn: FactorTurn, had: tuple[Passkey, ...]) -> str:
    """Return the options for the browser, with a fresh challenge; empty if passkeys do not work or none applies."""
    adding, party = turn.stage in ("set_up", "manage"), turn.party
    if party is None or turn.stage == "code" or (len(had) >= MOST if adding else not had):
        return ""
    account, institution = turn.context.account, turn.context.settings.institution.name
    asked = (
        passkeys.to_register(party, institution, turn.services.key, account.account, account.name, had)
        if adding
        else passkeys.to_sign(party, had)
    )
    purpose = Purpose.REGISTER if adding else Purpose.SIGN
    await turn.context.ask_long(
        turn.services.passkeys.challenge,
        turn.token_hash,
        turn.account,
        purpose,
        asked.challenge,
        turn.context.now,
    )
    return asked.options


ROUTES = (
    Route(own_script.PASSKEYS.page, for_visitors(second_factor_page, narrowed="factor"), methods=["GET"]),
    Route(own_script.PASSKEYS.page, for_visitors(process_form, narrowed="factor"), methods=["POST"]),
)
