"""Accounts and grants: who may do what. Administrators change it, auditors read it, and the log tells every change."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from config.settings import Settings
from portal import admin_words, cards, cohorts, scopes, words
from portal.auth import forms
from portal.entrance import for_visitors
from portal.house import House, Visitor, see_other
from portal.languages import Language
from portal.words import later
from status_db.accounts import AccountRefused, Act, Grant, LastManager
from status_db.audit import Deed
from status_db.codes import CodeKind
from status_db.directory import Listed
from status_db.factors import Held, asked_of
from status_db.reviewers import ENOUGH, covers

_PAGE = 50
_LONGEST_FORM = 160 * 1024
_MOST_FIELDS = 1_000

#: A one-time code opens an account for so long.
_CODE_LASTS = timedelta(days=3)

#: These reach everything, so that no step and no scope makes them smaller.
_WHOLE = (Act.MANAGE, Act.AUDIT)

#: Why a change is not made, each with the way out.
NO_ACT = later("请选择可以做什么。")
NO_STEP = later("没有这个事项或这一届。请重新选一次。")
NO_SCOPE = later("选的范围里有名单上没有的值，可能名单刚更新过。请重新选一次。")
WHOLE = later("“管理”和“审计”管到全部，不能限定事项或范围。请把事项和范围都空着。")
LAST = later("这是最后一个能管理的账号，这样做之后就没有人能管理了。请先给另一个人“管理”权限。")
OWN = later("不能停用自己正在用的账号。请另一位管理员来做。")
NOT_THERE = later("这一项权限已经不在了。")
NO_TARGET = later("没有这样一个启用的账号。请核对账号名。")
NOTHING = later("没有可移交的权限。")
SHUT = later("账号已停用，不能生成代码。请先启用。")
HAS_IT = later("已经有这一项权限了。")
NO_FACTOR = later("没有生成：这个账号不要求两步验证，或者已经设置过。已经设置过的，请先重置。")
OWN_FACTOR = later("不能重置自己的两步验证。请在“两步验证”页上更换，或者请另一位管理员来做。")


@dataclass(frozen=True, slots=True)
class Sent:
    """What was sent and not taken, so that nothing is lost."""

    wrong: str = ""
    act: str = ""
    step: str = ""
    cohort: str = ""
    scope: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    target: str = ""


async def page(request: Request, house: House, _visitor: Visitor) -> Response:
    """Show the staff, or whoever a search finds, and the colleges that too few people review."""
    language, asked = house.language(request), request.query_params
    text, after = asked.get("q", "").strip()[:100], asked.get("after", "")[:100]
    if text:
        found = await house.ask_long(house.directory.found, text, _PAGE + 1)
    else:
        found = await house.ask_long(partial(house.directory.staff, after=after, limit=_PAGE + 1))
    staff, students = await house.ask_long(house.directory.counted)
    return house.page(
        request,
        "accounts.html",
        accounts=await _with_factors(language, house, found[:_PAGE]),
        text=text,
        more=found[_PAGE - 1].account if len(found) > _PAGE and not text else "",
        too_many=len(found) > _PAGE and bool(text),
        first=not after,
        staff=staff,
        students=students,
        few=await house.ask_long(too_few_reviewers, house, language),
    )


async def one(request: Request, house: House, visitor: Visitor) -> Response:
    """Show one account with its grants."""
    return await _show(request, house, visitor, await _found(request, house))


async def grant(request: Request, house: House, visitor: Visitor) -> Response:
    """Give an account a grant."""
    fields = await _sent(request, house, visitor)
    found = await _found(request, house)
    values = await house.ask_long(scopes.values_of, house)
    scope = scopes.read(fields.get("scope", ()), values)
    act, step, during = (fields.get(name, [""])[-1] for name in ("act", "step", "cohort"))
    sent = Sent(act=act, step=step, cohort=during, scope=scope or {})
    wrong = NO_SCOPE if scope is None else _wrong(house.settings, sent)
    if wrong:
        return await _show(request, house, visitor, found, replace(sent, wrong=wrong))
    wanted = Grant(Act(act), step or None, scope or {}, during or None)
    given = await house.ask_long(house.desk.grant, found.account, [wanted])
    if not given:
        return await _show(request, house, visitor, found, replace(sent, wrong=HAS_IT))
    await house.note(request, Deed.GRANTED, to=found.account, **_noted(wanted))
    return see_other(cohorts.same(request, house.settings, _address(found.account)))


async def take(request: Request, house: House, visitor: Visitor) -> Response:
    """Take a grant away."""
    fields = await _sent(request, house, visitor)
    found, number = await _found(request, house), fields.get("grant", [""])[-1]
    own = next((held.id for held in found.grants if str(held.id) == number), None)
    if own is None:
        return await _show(request, house, visitor, found, Sent(NOT_THERE))
    try:
        _, taken = await house.ask_long(house.desk.take_grant, own)
    except LastManager:
        return await _show(request, house, visitor, found, Sent(LAST))
    except AccountRefused:
        return await _show(request, house, visitor, found, Sent(NOT_THERE))
    await house.note(request, Deed.GRANT_TAKEN, to=found.account, **_noted(taken))
    return see_other(cohorts.same(request, house.settings, _address(found.account)))


async def hand_over(request: Request, house: House, visitor: Visitor) -> Response:
    """Move all grants to another account."""
    fields = await _sent(request, house, visitor)
    found, target = await _found(request, house), fields.get("target", [""])[-1].strip()[:100]
    other = await house.ask_long(house.directory.one, target)
    if other is None or not other.active or other.account == found.account:
        return await _show(request, house, visitor, found, Sent(NO_TARGET, target=target))
    try:
        moved = await house.ask_long(house.desk.hand_over, found.account, other.account)
    except AccountRefused:
        return await _show(request, house, visitor, found, Sent(NOTHING, target=target))
    await house.note(
        request,
        Deed.HANDED_OVER,
        held_by=found.account,
        to=other.account,
        grants=[_plain(held) for held in moved],
    )
    return see_other(cohorts.same(request, house.settings, _address(other.account)))


async def switch(request: Request, house: House, visitor: Visitor) -> Response:
    """Shut an account, or open it again."""
    fields = await _sent(request, house, visitor)
    found, active = await _found(request, house), fields.get("active", [""])[-1] == "1"
    if not active and found.account == visitor.account.account:
        return await _show(request, house, visitor, found, Sent(OWN))
    try:
        await house.ask_long(house.desk.activate if active else house.desk.deactivate, found.account)
    except LastManager:
        return await _show(request, house, visitor, found, Sent(LAST))
    await house.note(request, Deed.ACCOUNT_CHANGED, to=found.account, what="activated" if active else "deactivated")
    return see_other(cohorts.same(request, house.settings, _address(found.account)))


async def code(request: Request, house: House, visitor: Visitor) -> Response:
    """Make a one-time code and show it, this once."""
    await _sent(request, house, visitor)
    found, now = await _found(request, house), house.clock()
    make = partial(house.codes.make, made_by=visitor.account.account, now=now, lasts=_CODE_LASTS)
    try:
        made = await house.ask_long(make, found.account)
    except AccountRefused:
        return await _show(request, house, visitor, found, Sent(SHUT))
    await house.note(request, Deed.CODES_MADE, to=found.account)
    return await _show(request, house, visitor, found, made=made, until=now + _CODE_LASTS)


async def factor_code(request: Request, house: House, visitor: Visitor) -> Response:
    """Make a code to set up the first second factor, and show it, this once."""
    await _sent(request, house, visitor)
    found, now = await _found(request, house), house.clock()
    held = await house.ask_long(house.factors.held, found.account)
    if held.any or not asked_of(house.settings.auth, found):
        return await _show(request, house, visitor, found, Sent(NO_FACTOR))
    make = partial(house.codes.make, made_by=visitor.account.account, now=now, lasts=_CODE_LASTS, kind=CodeKind.FACTOR)
    try:
        made = await house.ask_long(make, found.account)
    except AccountRefused:
        return await _show(request, house, visitor, found, Sent(SHUT))
    await house.note(request, Deed.CODES_MADE, to=found.account, kind="second factor")
    return await _show(request, house, visitor, found, made=made, until=now + _CODE_LASTS, kind=CodeKind.FACTOR)


async def reset_factor(request: Request, house: House, visitor: Visitor) -> Response:
    """Take away every second factor of an account, and end its sessions."""
    await _sent(request, house, visitor)
    found = await _found(request, house)
    if found.account == visitor.account.account:
        return await _show(request, house, visitor, found, Sent(OWN_FACTOR))
    if await house.ask_long(house.factors.reset, found.account):
        await house.note(request, Deed.SECOND_FACTOR_RESET, to=found.account)
    return see_other(cohorts.same(request, house.settings, _address(found.account)))


async def _sent(request: Request, house: House, visitor: Visitor) -> dict[str, list[str]]:
    """Read a form of somebody who manages. Raises HTTPException."""
    return await forms.read_lists(
        request, house.settings.portal.public_url, visitor.token, longest=_LONGEST_FORM, most=_MOST_FIELDS
    )


async def _found(request: Request, house: House) -> Listed:
    found = await house.ask_long(house.directory.one, request.path_params["account"])
    if found is None:
        raise HTTPException(404)
    return found


def _wrong(settings: Settings, sent: Sent) -> str:
    """Return what is wrong with a grant that was sent; empty when nothing is."""
    if sent.act not in set(Act):
        return NO_ACT
    if sent.step not in {"", *(step.key for step in settings.step)}:
        return NO_STEP
    if sent.cohort not in {"", *settings.cohort_keys()}:
        return NO_STEP
    return WHOLE if sent.act in _WHOLE and (sent.step or sent.scope) else ""


def _noted(held: Grant) -> dict[str, Any]:
    return {
        "act": held.act.value,
        "step": held.step or "",
        "scope": [f"{column}={value}" for column, values in held.scope.items() for value in values],
        "during": held.cohort or "",
    }


def _plain(held: Grant) -> str:
    return " ".join(part for part in (held.act.value, held.step or "", held.cohort or "") if part)


def _address(account: str) -> str:
    return f"/accounts/{quote(account, safe='')}"


def too_few_reviewers(house: House, language: Language) -> list[tuple[str, str, int]]:
    """Return review, college and how many may give it, where that is fewer than two people."""
    settings = house.settings
    held = house.directory.holders(Act.REVIEW)
    titles = cards.step_titles(language, settings)
    # Of several open cohorts, the one with the fewest.
    few: dict[tuple[str, str], int] = {}
    for cohort in settings.open_cohorts():
        colleges = house.roster.colleges(cohort)
        wanted = {
            (entry.step, college)
            for flow in settings.flow
            for entry in flow.entries
            if entry.kind == "review"
            for college in colleges.get(flow.key, ())
        }
        for step, college in wanted:
            able = {account for account, grant in held if covers(grant, cohort, college, (step,))}
            few[step, college] = min(len(able), few.get((step, college), ENOUGH))
    return [(titles[step], college, able) for (step, college), able in sorted(few.items()) if able < ENOUGH]


async def _show(
    request: Request,
    house: House,
    visitor: Visitor,
    found: Listed,
    sent: Sent | None = None,
    *,
    made: str = "",
    until: datetime | None = None,
    kind: CodeKind = CodeKind.PASSWORD,
) -> Response:
    language, now, sent = house.language(request), house.clock(), sent or Sent()
    writes = visitor.account.may(Act.MANAGE)
    values = await house.ask_long(scopes.values_of, house) if writes else {}
    (listed,) = await _with_factors(language, house, [found])
    return house.page(
        request,
        "account.html",
        status=422 if sent.wrong else 200,
        found=listed,
        made_at=language.moment(found.created_at, now),
        writes=writes,
        own=found.account == visitor.account.account,
        sent=sent,
        wrong=language.gettext(sent.wrong) if sent.wrong else "",
        code=made,
        code_kind=kind.value,
        code_until=language.moment(until, now) if until else "",
        acts=[(act.value, words.say(language, admin_words.ACTS, act)) for act in Act],
        steps=list(cards.step_titles(language, house.settings).items()),
        cohorts=[(c.key, c.name) for c in house.settings.cohort],
        columns=scopes.columns(language, values, sent.scope),
    )


async def _with_factors(language: Language, house: House, found: Sequence[Listed]) -> list[dict[str, Any]]:
    held = await house.ask_long(house.factors.held_by, [one.account for one in found])
    return [_listed(language, house, one, held.get(one.account, Held())) for one in found]


def _listed(language: Language, house: House, found: Listed, factors: Held) -> dict[str, Any]:
    auth = house.settings.auth
    asked = asked_of(auth, found)
    return {
        "account": found.account,
        "address": _address(found.account),
        "name": found.name,
        "student": found.student or "",
        "active": found.active,
        "has_password": found.has_password,
        "grants": [(held.id, grant_said(language, house.settings, held)) for held in found.grants],
        "factors": factors,
        "factor_asked": asked,
        # It would be asked for one, were it not the demo's.
        "factor_let_off": not asked and found.demo and asked_of(auth, replace(found, demo=False)),
    }


def grant_said(language: Language, settings: Settings, held: Grant) -> str:
    """Say a grant in words: what, for which step, whom, and in which cohort."""
    names = {c.key: c.name for c in settings.cohort}
    parts = [words.say(language, admin_words.ACTS, held.act)]
    if held.act not in _WHOLE:
        titles = cards.step_titles(language, settings)
        parts.append(titles.get(held.step, held.step) if held.step else language.gettext("所有事项"))
        parts.append(scopes.said(language, held.scope) or language.gettext("全体学生"))
    if held.cohort:
        over = held.cohort not in names
        name = names.get(held.cohort, held.cohort)
        parts.append(language.gettext("%(cohort)s（已结束）", cohort=name) if over else name)
    return " · ".join(parts)


ROUTES = (
    Route("/accounts", for_visitors(page, Act.MANAGE, Act.AUDIT)),
    Route("/accounts/{account:name}", for_visitors(one, Act.MANAGE, Act.AUDIT)),
    Route("/accounts/{account:name}/grants", for_visitors(grant, Act.MANAGE), methods=["POST"]),
    Route("/accounts/{account:name}/take", for_visitors(take, Act.MANAGE), methods=["POST"]),
    Route("/accounts/{account:name}/hand-over", for_visitors(hand_over, Act.MANAGE), methods=["POST"]),
    Route("/accounts/{account:name}/active", for_visitors(switch, Act.MANAGE), methods=["POST"]),
    Route("/accounts/{account:name}/code", for_visitors(code, Act.MANAGE), methods=["POST"]),
    Route("/accounts/{account:name}/factor-code", for_visitors(factor_code, Act.MANAGE), methods=["POST"]),
    Route("/accounts/{account:name}/reset-factor", for_visitors(reset_factor, Act.MANAGE), methods=["POST"]),
)
