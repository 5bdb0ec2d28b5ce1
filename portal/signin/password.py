"""Setting a password: the first one or a forgotten one with a one-time code, and a new one in place of one known."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from portal.access import forms
from portal.access.requires import for_visitors, recognise, safe_next
from portal.auth.passwords import SHORTEST, Weakness, hash_password, verify_password, weakness
from portal.i18n.labels import later
from portal.page import cohorts
from portal.page.context import House, Visitor, house_of, see_other
from portal.signin import admission
from portal.signin.sign_in import refused
from portal.web import addresses
from status_db.accounts.accounts import Account, normalise_account
from status_db.accounts.audit_log import Deed

#: Why a password will not do, and what would.
_WHY: Mapping[str, tuple[str, str]] = {
    Weakness.SHORT: (later("密码太短。"), later("请用至少 10 个字符，例如把几个互不相干的词连在一起。")),
    Weakness.LONG: (later("密码太长。"), later("请用最多 128 个字符。")),
    Weakness.DIGITS: (
        later("密码全是数字：电话、生日、证件号码和学号，别人都可能知道。"),
        later("请加上几个词。"),
    ),
    Weakness.OWN: (
        later("密码里主要是学号、姓名或学校的名字，别人会最先试这些。"),
        later("请换成与自己无关的词。"),
    ),
    Weakness.COMMON: (
        later("这个密码在泄露过的常见密码名单里，或者与它们太像。"),
        later("把字母换成 @、0、1，或者在后面加上年份和感叹号，都没有用。请换成几个互不相干的词。"),
    ),
    Weakness.KEYBOARD: (later("密码主要是键盘上连着的键，很容易猜到。"), later("请换成几个互不相干的词。")),
    Weakness.REPEATED: (
        later("密码主要是重复的字符，重复再多也只算一次。"),
        later("请换成几个互不相干的词。"),
    ),
    Weakness.SEQUENCE: (later("密码主要是顺着数的字符，很容易猜到。"), later("请换成几个互不相干的词。")),
    Weakness.DATE: (later("密码主要是一个日期或年份，很容易猜到。"), later("请换成几个互不相干的词。")),
    Weakness.GUESSABLE: (later("这个密码太容易猜到。"), later("请再长一些，例如再加一两个互不相干的词。")),
    "differ": (later("两次输入的新密码不一样。"), later("请重新输入两次。")),
    "same": (later("新密码与现在的密码相同。"), later("请换一个新的。")),
    "current": (later("现在的密码不对。"), ""),
}


async def ask(request: Request) -> Response:
    """Show the form for a one-time code; whoever has signed in changes the password they know."""
    house = _house(request)
    if await recognise(request, house) is not None:
        return see_other("/new-password")
    return _asking(request, house)


async def with_code(request: Request) -> Response:
    """Open a session that leads to a new password, for the right one-time code; answer everything else alike."""
    house = _house(request)
    fields = await forms.read(request, house.settings.portal.public_url, house.cookie.read(request))
    async with house.hashing.place():
        return await _with_code(request, house, fields)


async def _with_code(request: Request, house: House, fields: dict[str, str]) -> Response:
    name, now = normalise_account(fields.get("account", "")), house.clock()
    tried = await house.ask_long(house.slowdown.code, addresses.of(request.scope), now)
    if tried.wait:
        return _asking(request, house, name=name, wait=tried.wait)
    fits = await house.ask_long(house.codes.use, name, fields.get("code", ""), now)
    account = await house.ask(house.accounts.find, name)
    answer = await _admitted(request, house, account, "code") if fits else None
    if answer is None:
        await refused(request, house, name, "code")
        return _asking(request, house, name=name, failed="code")
    await house.ask_long(house.slowdown.succeeded, tried)
    return answer


async def with_identity(request: Request) -> Response:
    """The same for a student's number and that of the identity document, where the settings allow it."""
    house = _house(request)
    if house.settings.auth.identity == "off":
        raise HTTPException(404)
    fields = await forms.read(request, house.settings.portal.public_url, house.cookie.read(request))
    async with house.hashing.place():
        return await _with_identity(request, house, fields)


async def _with_identity(request: Request, house: House, fields: dict[str, str]) -> Response:
    name, now = normalise_account(fields.get("account", "")), house.clock()
    tried = await house.ask_long(house.slowdown.identity, name, addresses.of(request.scope), now)
    if tried.wait:
        return _asking(request, house, name=name, wait=tried.wait)
    fits = await house.ask_long(house.identities.fits, name, fields.get("document", ""))
    account = await house.ask(house.accounts.find, name)
    allowed = fits and account is not None and _may_use_identity(house, account)
    answer = await _admitted(request, house, account, "identity") if allowed else None
    if answer is None:
        await refused(request, house, name, "identity")
        return _asking(request, house, name=name, failed="identity")
    await house.ask_long(house.slowdown.succeeded, tried)
    return answer


def _may_use_identity(house: House, account: Account) -> bool:
    """Say whether so little is enough for this account: never for one that may do anything about others."""
    still_without = account.password_hash is None
    return not account.grants and (still_without or house.settings.auth.identity == "forgotten")


async def _admitted(request: Request, house: House, account: Account | None, method: str) -> Response | None:
    if account is None or not account.active:
        return None
    return await admission.admit(request, house, account, method=method, narrowed="password")


async def form(request: Request, house: House, visitor: Visitor) -> Response:
    """Show the form for a new password."""
    _refuse_strangers(house, visitor)
    home = cohorts.same(request, house.settings, "/")
    return _setting(request, house, visitor, goal=request.query_params.get("next", home))


async def save(request: Request, house: House, visitor: Visitor) -> Response:
    """Set the new password, end every other session of the account, and go on with a fresh one."""
    _refuse_strangers(house, visitor)
    fields = await forms.read(request, house.settings.portal.public_url, visitor.token)
    async with house.hashing.place():
        return await _save(request, house, visitor, fields)


async def _save(request: Request, house: House, visitor: Visitor, fields: dict[str, str]) -> Response:
    goal, now, account = safe_next(fields.get("next", "/")), house.clock(), visitor.account
    if visitor.narrowed is None:
        device = house.devices.known(request, account.account)
        tried = await house.ask_long(house.slowdown.password, account.account, addresses.of(request.scope), device, now)
        if tried.wait:
            return _setting(request, house, visitor, goal=goal, wait=tried.wait)
        current = fields.get("current", "")
        if not await house.hashing.run(verify_password, current, account.password_hash):
            return _setting(request, house, visitor, goal=goal, why="current")
        await house.ask_long(house.slowdown.succeeded, tried)
    typed = fields.get("password", "")
    why = await house.hashing.run(_fault, typed, fields.get("again", ""), account, tuple(_own(house, account)))
    if why:
        return _setting(request, house, visitor, goal=goal, why=why)
    hashed = await house.hashing.run(hash_password, typed)
    await house.ask_long(lambda: house.desk.set_password(account.account, hashed, now=now))
    await house.note(request, Deed.PASSWORD_SET, student=account.student)
    renewed = await house.ask(house.accounts.find, account.account)
    answer = None
    if renewed is not None:
        renewed = renewed.during(house.settings.cohort_keys())
        narrowed = admission.narrowing(house.settings.auth, renewed, now, "local")
        answer = await admission.admit(request, house, renewed, goal=goal, narrowed=narrowed)
    return answer or see_other("/sign-in")


def _fault(typed: str, again: str, account: Account, own: tuple[str, ...]) -> str:
    """Return what is wrong with a new password; empty when it will do."""
    if typed != again:
        return "differ"
    if found := weakness(typed, own):
        return found
    return "same" if verify_password(typed, account.password_hash) else ""


def _own(house: House, account: Account) -> Iterator[str]:
    """Give the words that lead to this account at this university."""
    yield from (account.account, account.name, account.student or "")
    yield house.settings.institution.name
    yield from (urlsplit(house.settings.portal.public_url).hostname or "").split(".")


def _house(request: Request) -> House:
    house = house_of(request)
    if not house.settings.auth.local:
        raise HTTPException(404)
    return house


def _refuse_strangers(house: House, visitor: Visitor) -> None:
    """Have nobody set a password here who signs in elsewhere."""
    without = visitor.account.password_hash is None and visitor.narrowed is None
    if without or not house.settings.auth.local:
        raise HTTPException(404)


def _asking(
    request: Request, house: House, *, name: str = "", failed: str = "", wait: timedelta = timedelta(0)
) -> Response:
    identity = house.settings.auth.identity
    return forms.shown(request, house, "first_password.html", failed=failed, wait=wait, name=name, identity=identity)


def _setting(
    request: Request, house: House, visitor: Visitor, *, goal: str, why: str = "", wait: timedelta = timedelta(0)
) -> Response:
    reason, way_out = _WHY[why] if why else ("", "")
    narrowed = visitor.narrowed is not None
    aged = admission.narrowing(house.settings.auth, visitor.account, house.clock(), "local") == "password"
    return forms.shown(
        request,
        house,
        "new_password.html",
        failed=bool(why),
        wait=wait,
        goal=safe_next(goal),
        due=("age" if aged else "code") if narrowed else "wish",
        why=reason,
        how=way_out,
        shortest=SHORTEST,
    )


ROUTES = (
    Route("/first-password", ask, methods=["GET"]),
    Route("/first-password", with_code, methods=["POST"]),
    Route("/first-password/identity", with_identity, methods=["POST"]),
    Route("/new-password", for_visitors(form, narrowed="password"), methods=["GET"]),
    Route("/new-password", for_visitors(save, narrowed="password"), methods=["POST"]),
)
