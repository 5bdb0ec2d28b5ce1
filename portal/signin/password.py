"""Pages to set a password: a first or forgotten one with a one-time code, and a new one in place of the current one."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from urllib.parse import urlsplit

from pydantic import Field
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from portal.access import forms
from portal.access.form_fields import Form, Hidden
from portal.access.requires import for_anybody, for_visitors, recognise, safe_next
from portal.auth.passwords import SHORTEST, Weakness, hash_password, verify_password, weakness
from portal.i18n.labels import N_
from portal.page.context import Context, SignedIn
from portal.signin import admission
from portal.signin.sign_in import refused
from portal.web import addresses
from portal.web.links import link, see_other
from status_db.accounts.accounts import Account, normalise_account
from status_db.accounts.audit_log import AuditEvent

#: Why a password is not accepted, and the fix.
_WHY: Mapping[str, tuple[str, str]] = {
    Weakness.SHORT: (N_("密码太短。"), N_("请至少用 10 个字符，例如几个互不相干的词。")),
    Weakness.LONG: (N_("密码太长。"), N_("请最多用 128 个字符。")),
    Weakness.DIGITS: (
        N_("密码全是数字：电话、生日、证件号码和学号可能为他人所知。"),
        N_("请加上几个词。"),
    ),
    Weakness.OWN: (
        N_("密码主要是学号、姓名或校名，最先会有人尝试这些。"),
        N_("请换成与自己无关的词。"),
    ),
    Weakness.COMMON: (
        N_("该密码是已泄露的常见密码，或与之相近。"),
        N_("将字母换成 @、0、1，或在后面加年份和感叹号，并不安全。请换成几个互不相干的词。"),
    ),
    Weakness.KEYBOARD: (N_("密码主要是键盘上相邻的键，容易猜到。"), N_("请换成几个互不相干的词。")),
    Weakness.REPEATED: (
        N_("密码主要是重复的字符，重复不增加强度。"),
        N_("请换成几个互不相干的词。"),
    ),
    Weakness.SEQUENCE: (N_("密码主要是连续的字符，容易猜到。"), N_("请换成几个互不相干的词。")),
    Weakness.DATE: (N_("密码主要是日期或年份，容易猜到。"), N_("请换成几个互不相干的词。")),
    Weakness.GUESSABLE: (N_("该密码太容易猜到。"), N_("请加长，例如再加一两个互不相干的词。")),
    "differ": (N_("两次输入的新密码不一致。"), N_("请重新输入两次。")),
    "same": (N_("新密码与现在的密码相同。"), N_("请更换新密码。")),
    "current": (N_("现在的密码不正确。"), ""),
}


class CodeForm(Form):
    """An account and its one-time code."""

    account: str = ""
    code: Hidden = ""


class IdentityForm(Form):
    """A student number, and the number of the identity document."""

    account: str = ""
    document: Hidden = ""


class NewPasswordForm(Form):
    """A new password, and the current one if the page asks for it."""

    goal: str = Field("/", alias="next")
    current: Hidden = ""
    password: Hidden = ""
    again: Hidden = ""


async def ask(context: Context) -> Response:
    """Show the form for a one-time code. A visitor who has signed in changes the current password instead."""
    _refuse_without_passwords(context)
    if await recognise(context) is not None:
        return see_other(link("/new-password"))
    return _first_password_page(context)


async def with_code(context: Context) -> Response:
    """Open a session that leads to a new password if the one-time code is right. All failures get the same answer."""
    _refuse_without_passwords(context)
    form = await forms.read_form(context, CodeForm)
    async with context.services.hashing.place():
        return await _with_code(context, form)


async def _with_code(context: Context, form: CodeForm) -> Response:
    name, now = normalise_account(form.account), context.now
    tried = await context.ask_long(context.services.throttle.code, addresses.of(context.request.scope), now)
    if tried.wait:
        return _first_password_page(context, name=name, wait=tried.wait)
    fits = await context.ask_long(context.services.codes.fits, name, form.code, now)
    account = await context.ask(context.services.accounts.find, name)
    if fits and account is not None:
        # A person at the wrong address needs the code at the right one.
        admission.refuse_elsewhere(context, account, "code")
        fits = await context.ask_long(context.services.codes.use, name, form.code, now)
    answer = await _admitted(context, account, "code") if fits else None
    if answer is None:
        await refused(context, name, "code")
        return _first_password_page(context, name=name, failed="code")
    await context.ask_long(context.services.throttle.succeeded, tried)
    return answer


async def with_identity(context: Context) -> Response:
    """Do the same with a student number and an identity number, if the settings allow it."""
    _refuse_without_passwords(context)
    if context.settings.auth.identity == "off":
        raise HTTPException(404)
    form = await forms.read_form(context, IdentityForm)
    async with context.services.hashing.place():
        return await _with_identity(context, form)


async def _with_identity(context: Context, form: IdentityForm) -> Response:
    name, now = normalise_account(form.account), context.now
    tried = await context.ask_long(context.services.throttle.identity, name, addresses.of(context.request.scope), now)
    if tried.wait:
        return _first_password_page(context, name=name, wait=tried.wait)
    fits = await context.ask_long(context.services.identities.fits, name, form.document)
    account = await context.ask(context.services.accounts.find, name)
    allowed = fits and account is not None and _may_use_identity(context, account)
    answer = await _admitted(context, account, "identity") if allowed else None
    if answer is None:
        await refused(context, name, "identity")
        return _first_password_page(context, name=name, failed="identity")
    await context.ask_long(context.services.throttle.succeeded, tried)
    return answer


def _may_use_identity(context: Context, account: Account) -> bool:
    """Return whether an identity number is enough for this account: never for an account with grants."""
    still_without = account.password_hash is None
    return not account.grants and (still_without or context.settings.auth.identity == "forgotten")


async def _admitted(context: Context, account: Account | None, method: str) -> Response | None:
    if account is None or not account.active:
        return None
    return await admission.admit(context, account, method=method, narrowed="password")


async def new_password_page(context: SignedIn) -> Response:
    """Show the form for a new password."""
    _refuse_unmatched(context)
    home = context.at_cohort("/")
    return _new_password_page(context, goal=context.request.query_params.get("next", home))


async def save(context: SignedIn) -> Response:
    """Set the new password, end every other session of the account, and continue with a fresh one."""
    _refuse_unmatched(context)
    form = await forms.read_form(context, NewPasswordForm)
    async with context.services.hashing.place():
        return await _save(context, form)


async def _save(context: SignedIn, form: NewPasswordForm) -> Response:
    goal, now, account = safe_next(form.goal), context.now, context.account
    if context.visitor.narrowed is None:
        device = context.services.devices.known(context.request, account.account)
        tried = await context.ask_long(
            context.services.throttle.password, account.account, addresses.of(context.request.scope), device, now
        )
        if tried.wait:
            return _new_password_page(context, goal=goal, wait=tried.wait)
        current = form.current
        if not await context.services.hashing.run(verify_password, current, account.password_hash):
            return _new_password_page(context, goal=goal, why="current")
        await context.ask_long(context.services.throttle.succeeded, tried)
    typed = form.password
    why = await context.services.hashing.run(
        _password_error, typed, form.again, account, tuple(_own_words(context, account))
    )
    if why:
        return _new_password_page(context, goal=goal, why=why)
    hashed = await context.services.hashing.run(hash_password, typed)
    await context.ask_long(lambda: context.services.desk.set_password(account.account, hashed, now=now))
    await context.audit(AuditEvent.PASSWORD_SET, student=account.student)
    renewed = await context.ask(context.services.accounts.find, account.account)
    answer = None
    if renewed is not None:
        renewed = renewed.during(context.settings.cohort_keys())
        narrowed = admission.narrowing(context.settings.auth, renewed, now, "local")
        answer = await admission.admit(context, renewed, goal=goal, narrowed=narrowed)
    return answer or see_other(link("/sign-in"))


def _password_error(typed: str, again: str, account: Account, own: tuple[str, ...]) -> str:
    """Return the error in a new password; empty if it is accepted."""
    if typed != again:
        return "differ"
    if found := weakness(typed, own):
        return found
    return "same" if verify_password(typed, account.password_hash) else ""


def _own_words(context: Context, account: Account) -> Iterator[str]:
    """Return the words that others connect with this account and this university."""
    yield from (account.account, account.name, account.student or "")
    yield context.settings.institution.name
    yield from (urlsplit(context.settings.portal.public_url).hostname or "").split(".")


def _refuse_without_passwords(context: Context) -> None:
    if not context.settings.auth.local:
        raise HTTPException(404)


def _refuse_unmatched(context: SignedIn) -> None:
    """Refuse the page to a person who signs in elsewhere. Raises HTTPException, 404."""
    without = context.account.password_hash is None and context.visitor.narrowed is None
    if without or not context.settings.auth.local:
        raise HTTPException(404)


def _first_password_page(
    context: Context, *, name: str = "", failed: str = "", wait: timedelta = timedelta(0)
) -> Response:
    identity = context.settings.auth.identity
    return forms.shown(context, "first_password.html", failed=failed, wait=wait, name=name, identity=identity)


def _new_password_page(context: SignedIn, *, goal: str, why: str = "", wait: timedelta = timedelta(0)) -> Response:
    reason, fix_text = _WHY[why] if why else ("", "")
    narrowed = context.visitor.narrowed is not None
    aged = admission.narrowing(context.settings.auth, context.account, context.now, "local") == "password"
    return forms.shown(
        context,
        "new_password.html",
        failed=bool(why),
        wait=wait,
        goal=safe_next(goal),
        due=("age" if aged else "code") if narrowed else "wish",
        why=reason,
        how=fix_text,
        shortest=SHORTEST,
    )


ROUTES = (
    Route("/first-password", for_anybody(ask), methods=["GET"]),
    Route("/first-password", for_anybody(with_code), methods=["POST"]),
    Route("/first-password/identity", for_anybody(with_identity), methods=["POST"]),
    Route("/new-password", for_visitors(new_password_page, narrowed="password"), methods=["GET"]),
    Route("/new-password", for_visitors(save, narrowed="password"), methods=["POST"]),
)
