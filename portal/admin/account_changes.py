"""Changes to accounts that need two people: one administrator requests a change, another confirms or refuses it.

`status_db.inbox.pending_changes` decides which changes need two and who may confirm them; it also writes the audit log.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Annotated

from starlette.responses import Response
from starlette.routing import Route

from config.settings import Settings
from portal.access import forms, scope_picker
from portal.access.form_fields import Line, Number, OrNone, Ticked
from portal.access.requires import for_visitors
from portal.admin.accounts import LAST, WHOLE_ACTS, ManagersForm, SentForm, back_to, found_in, show
from portal.i18n.labels import N_
from portal.page.context import SignedIn
from portal.web import addresses
from status_db.accounts.accounts import Act, Grant, LastManager
from status_db.accounts.audit_log import AuditEvent
from status_db.accounts.directory import ListedAccount
from status_db.inbox.pending_changes import (
    CODE_LASTS,
    AccountChange,
    ChangeCode,
    ChangeKind,
    ChangeRefused,
    ChangeResult,
)
from status_db.sign_in.one_time_codes import CodeKind

#: Why a change is refused, each with the fix.
NO_ACT = N_("请选择要授予的权限。")
NO_STEP = N_("没有这个环节或这一届。请重新选择。")
NO_SCOPE = N_("所选范围含有离校名单中没有的值，名单可能刚更新。请重新选择。")
WHOLE = N_("“管理”和“审计”适用于全部环节和学生，不能限定。请将环节和范围留空。")
OWN = N_("不能停用本人正在使用的账号。请由另一位管理员办理。")
NO_TARGET = N_("没有这个账号，或账号已停用。请核对账号名。")
_WHY: Mapping[ChangeCode, str] = {
    ChangeCode.OWN: N_("不能给本人的账号授权，也不能将权限移交给本人。请由另一位管理员办理。"),
    ChangeCode.OWN_FACTOR: N_("不能重置本人的两步验证。请在“两步验证”页更换，或由另一位管理员重置。"),
    ChangeCode.HAS_IT: N_("该账号已有这项权限。"),
    ChangeCode.SHUT: N_("账号已停用，不能生成一次性密码。请先启用。"),
    ChangeCode.NO_TARGET: NO_TARGET,
    ChangeCode.NO_GRANTS: N_("没有可移交的权限。"),
    ChangeCode.NO_FACTOR: N_("未生成：该账号不要求两步验证，或已设置。已设置的，请先重置。"),
    ChangeCode.WAITS: N_("相同的申请正在等待另一位管理员确认，无需重复提交。"),
    ChangeCode.OVER: N_("该申请已处理或已失效。仍需要的，请重新提交。"),
    ChangeCode.NOT_AS_ASKED: N_("未执行：提交后，账号或提交人的权限有变动。请拒绝该申请，再重新提交。"),
    ChangeCode.SAME_PERSON: N_("提交人和账号本人不能确认。请由另一位管理员确认。"),
}


class GrantForm(ManagersForm):
    """A new grant: the act, the step, the cohort and the scope."""

    act: Annotated[Act | None, OrNone] = None
    step: str = ""
    cohort: str = ""
    scope: tuple[str, ...] = ()


class HandOverForm(ManagersForm):
    """The account that receives the grants."""

    target: Line = ""


class ActiveForm(ManagersForm):
    """Whether an account is to be active."""

    active: Ticked = False


class ChangeForm(ManagersForm):
    """The number of a pending change."""

    change: Number = None


async def grant(context: SignedIn) -> Response:
    """Give an account a grant."""
    form = await forms.read_form(context, GrantForm)
    found = await found_in(context)
    values = await context.ask_long(scope_picker.values_of, context)
    scope = scope_picker.read_scope(form.scope, values)
    sent = SentForm(act=form.act or "", step=form.step, cohort=form.cohort, scope=scope or {})
    wrong = NO_SCOPE if scope is None else _grant_error(context.settings, sent)
    if wrong or form.act is None:
        return await show(context, found, replace(sent, wrong=wrong))
    wanted = Grant(form.act, form.step or None, scope or {}, form.cohort or None)
    return await _carry_out(context, found, AccountChange(ChangeKind.GRANT, found.account, wanted), sent)


async def hand_over_grants(context: SignedIn) -> Response:
    """Move all grants to another account."""
    form = await forms.read_form(context, HandOverForm)
    found, target = await found_in(context), form.target[:100]
    sent, other = SentForm(target=target), await context.ask_long(context.services.directory.one, target)
    if other is None:
        return await show(context, found, replace(sent, wrong=NO_TARGET))
    change = AccountChange(ChangeKind.HAND_OVER, found.account, target=other.account)
    return await _carry_out(context, found, change, sent)


async def switch(context: SignedIn) -> Response:
    """Deactivate an account, which needs only one administrator, or activate it again."""
    form = await forms.read_form(context, ActiveForm)
    found = await found_in(context)
    if form.active:
        change = AccountChange(ChangeKind.OPEN, found.account)
        return await _carry_out(context, found, change)
    if found.account == context.account.account:
        return await show(context, found, SentForm(OWN))
    try:
        await context.ask_long(context.services.desk.deactivate, found.account)
    except LastManager:
        return await show(context, found, SentForm(LAST))
    await context.audit(AuditEvent.ACCOUNT_CHANGED, to=found.account, what="deactivated")
    return back_to(context, found.account)


async def code(context: SignedIn) -> Response:
    """Create a one-time code and show it once."""
    return await _change_of_kind(context, ChangeKind.CODE)


async def factor_code(context: SignedIn) -> Response:
    """Create a code to set up the first second factor, and show it once."""
    return await _change_of_kind(context, ChangeKind.FACTOR_CODE)


async def reset_factor(context: SignedIn) -> Response:
    """Remove every second factor of an account, and end its sessions."""
    return await _change_of_kind(context, ChangeKind.RESET_FACTOR)


async def confirm(context: SignedIn) -> Response:
    """Carry out a change that another administrator has requested."""
    form = await forms.read_form(context, ChangeForm)
    found = await found_in(context)
    number, now = form.change or 0, context.now
    asked = next(
        (
            one
            for one in await context.ask_long(context.services.changes.waiting, now, found.account)
            if one.id == number
        ),
        None,
    )
    if asked is not None and (wanted := asked.change.grant) is not None:
        sent = SentForm(
            act=wanted.act,
            step=wanted.step or "",
            cohort=wanted.cohort or "",
            scope={column: tuple(values) for column, values in wanted.scope.items()},
        )
        if wrong := _grant_error(context.settings, sent):
            return await show(context, found, SentForm(wrong))
    make = partial(context.services.changes.confirm, number, found.account, context.account.account, now)
    return await _change_or_wait(context, found, make, SentForm())


async def refuse(context: SignedIn) -> Response:
    """Refuse another administrator's request, or withdraw one's own."""
    form = await forms.read_form(context, ChangeForm)
    found = await found_in(context)
    number = form.change or 0
    make = partial(context.services.changes.refuse, number, found.account, context.account.account, context.now)
    try:
        await context.ask_long(make, address=addresses.of(context.request.scope))
    except ChangeRefused as refused:
        return await show(context, found, SentForm(_WHY[refused.code]))
    return back_to(context, found.account)


async def _change_of_kind(context: SignedIn, kind: ChangeKind) -> Response:
    await forms.read_form(context, ManagersForm)
    found = await found_in(context)
    return await _carry_out(context, found, AccountChange(kind, found.account))


async def _carry_out(
    context: SignedIn, found: ListedAccount, change: AccountChange, sent: SentForm | None = None
) -> Response:
    make = partial(context.services.changes.carry_out, change, context.account.account, context.now)
    return await _change_or_wait(context, found, make, sent or SentForm())


async def _change_or_wait(
    context: SignedIn,
    found: ListedAccount,
    make: Callable[..., ChangeResult],
    sent: SentForm,
) -> Response:
    """Make a change or queue it for confirmation. Show its code once, or return to the account that it is about."""
    now = context.now
    try:
        done = await context.ask_long(make, address=addresses.of(context.request.scope))
    except ChangeRefused as refused:
        return await show(context, found, replace(sent, wrong=_WHY[refused.code]))
    change = done.change
    if done.code:
        kind = CodeKind.FACTOR if change.kind is ChangeKind.FACTOR_CODE else CodeKind.PASSWORD
        return await show(context, found, made=done.code, until=now + CODE_LASTS, kind=kind)
    return back_to(context, found.account if done.waits else change.target or change.account)


def _grant_error(settings: Settings, sent: SentForm) -> str:
    """Return the error in a grant that was sent; empty if there is none."""
    if sent.act not in set(Act):
        return NO_ACT
    if sent.step not in {"", *(step.key for step in settings.step)}:
        return NO_STEP
    if sent.cohort not in {"", *settings.cohort_keys()}:
        return NO_STEP
    return WHOLE if sent.act in WHOLE_ACTS and (sent.step or sent.scope) else ""


ROUTES = (
    Route("/accounts/{account:name}/grants", for_visitors(grant, Act.MANAGE), methods=["POST"]),
    Route("/accounts/{account:name}/hand-over", for_visitors(hand_over_grants, Act.MANAGE), methods=["POST"]),
    Route("/accounts/{account:name}/active", for_visitors(switch, Act.MANAGE), methods=["POST"]),
    Route("/accounts/{account:name}/code", for_visitors(code, Act.MANAGE), methods=["POST"]),
    Route("/accounts/{account:name}/factor-code", for_visitors(factor_code, Act.MANAGE), methods=["POST"]),
    Route("/accounts/{account:name}/reset-factor", for_visitors(reset_factor, Act.MANAGE), methods=["POST"]),
    Route("/accounts/{account:name}/confirm", for_visitors(confirm, Act.MANAGE), methods=["POST"]),
    Route("/accounts/{account:name}/refuse", for_visitors(refuse, Act.MANAGE), methods=["POST"]),
)
