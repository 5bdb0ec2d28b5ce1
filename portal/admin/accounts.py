"""Accounts and their grants. Administrators change them, auditors read them, and the audit log has every change."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Any
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from config.settings import Settings
from portal.access import forms, scope_picker
from portal.access.form_fields import Form, Number
from portal.access.requires import for_visitors
from portal.admin.address_fields import address_fields
from portal.admin.own_account import recent_changes
from portal.i18n import admin_labels, labels
from portal.i18n.labels import N_
from portal.i18n.languages import Language
from portal.page.account_names import people_of
from portal.page.context import Context, SignedIn
from status_db.accounts.accounts import AccountRefused, Act, Grant, LastManager
from status_db.accounts.audit_log import AuditEvent
from status_db.accounts.directory import ListedAccount
from status_db.accounts.grants import BY_TWO
from status_db.decisions.reviewer_coverage import ENOUGH, covers
from status_db.inbox.pending_changes import ADMINISTRATORS, AccountChange
from status_db.sign_in.one_time_codes import CodeKind
from status_db.sign_in.second_factor import AccountFactors, asked_of

_PAGE = 50

#: Grants for these acts have no step and no scope: they are always for everything.
WHOLE_ACTS = (Act.MANAGE, Act.AUDIT)

#: Why a change is refused, each with the fix.
LAST = N_("这是最后一个有“管理”权限的账号。请先将“管理”权限授予另一人。")
NOT_THERE = N_("该权限已收回。")


@dataclass(frozen=True, slots=True)
class SentForm:
    """A form that was sent and refused, to be shown again."""

    wrong: str = ""
    act: str = ""
    step: str = ""
    cohort: str = ""
    scope: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    target: str = ""


class ManagersForm(Form):
    """A form of an administrator. It can contain every value of the roster."""

    longest = 160 * 1024
    most = 1_000


class RevokeForm(ManagersForm):
    """The number of the grant to revoke."""

    grant: Number = None


@dataclass(frozen=True, slots=True)
class WaitingChange:
    """A change that waits for a second administrator."""

    id: int
    account: str
    address: str
    what: str
    asked_by: str
    asked_at: str
    until: str
    own: bool
    confirms: bool


@dataclass(frozen=True, slots=True)
class AccountLine:
    """One account."""

    account: str
    address: str
    name: str
    student: str
    active: bool
    has_password: bool
    #: Each with its number.
    grants: tuple[tuple[int | None, str], ...]
    acts: bool
    factors: AccountFactors
    factor_asked: bool
    factor_let_off: bool


async def account_list(context: SignedIn) -> Response:
    """Show the staff, or the results of a search, and the colleges with too few reviewers."""
    asked = context.request.query_params
    text, after = asked.get("q", "").strip()[:100], asked.get("after", "")[:100]
    if text:
        found = await context.ask_long(context.services.directory.found, text, _PAGE + 1)
    else:
        found = await context.ask_long(partial(context.services.directory.staff, after=after, limit=_PAGE + 1))
    staff, students = await context.ask_long(context.services.directory.counted)
    return context.page(
        "accounts.html",
        accounts=await _with_factors(context, found[:_PAGE]),
        text=text,
        more=found[_PAGE - 1].account if len(found) > _PAGE and not text else "",
        too_many=len(found) > _PAGE and bool(text),
        first=not after,
        staff=staff,
        students=students,
        few=await context.ask_long(too_few_reviewers, context),
        writes=context.account.may(Act.MANAGE),
        pending=await waiting(context),
        **await second_administrator(context),
    )


async def one(context: SignedIn) -> Response:
    """Show one account with its grants."""
    return await show(context, await found_in(context))


async def revoke_grant(context: SignedIn) -> Response:
    """Revoke a grant."""
    form = await forms.read_form(context, RevokeForm)
    found = await found_in(context)
    own = next((held.id for held in found.grants if held.id == form.grant), None)
    if own is None:
        return await show(context, found, SentForm(NOT_THERE))
    try:
        _, taken = await context.ask_long(context.services.desk.take_grant, own)
    except LastManager:
        return await show(context, found, SentForm(LAST))
    except AccountRefused:
        return await show(context, found, SentForm(NOT_THERE))
    await context.audit(AuditEvent.GRANT_TAKEN, to=found.account, **_audit_detail(taken))
    return back_to(context, found.account)


async def found_in(context: Context) -> ListedAccount:
    """Return the account in the address. Raises HTTPException, 404."""
    found = await context.ask_long(context.services.directory.one, context.request.path_params["account"])
    if found is None:
        raise HTTPException(404)
    return found


def _audit_detail(held: Grant) -> dict[str, Any]:
    return {
        "act": held.act.value,
        "step": held.step or "",
        "scope": [f"{column}={value}" for column, values in held.scope.items() for value in values],
        "during": held.cohort or "",
    }


def address_of(account: str) -> str:
    """Return the address of an account's page."""
    return f"/accounts/{quote(account, safe='')}"


def back_to(context: Context, account: str) -> Response:
    """Redirect the browser to an account's page, about the same cohort."""
    return context.redirect(address_of(account))


def too_few_reviewers(context: Context) -> list[tuple[str, str, int]]:
    """Return review step, college and number of reviewers, where there are fewer than two."""
    settings = context.settings
    held = context.services.directory.holders(Act.REVIEW)
    titles = labels.step_titles(context.language, settings)
    # Of several open cohorts, the one with the fewest.
    few: dict[tuple[str, str], int] = {}
    for cohort in settings.open_cohorts():
        colleges = context.services.roster.colleges(cohort)
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


async def second_administrator(context: Context) -> dict[str, Any]:
    """Return whether changes need two administrators, and whether there is only one."""
    two = context.settings.auth.second_administrator
    return {
        "two": two,
        "alone": two and await context.ask_long(context.services.changes.administrators) < ADMINISTRATORS,
    }


async def waiting(context: SignedIn, account: str | None = None) -> list[WaitingChange]:
    """Return the changes that wait for a second administrator, as the pages show them."""
    language, now, own = context.language, context.now, context.account.account
    found = await context.ask_long(context.services.changes.waiting, now, account)
    people = await people_of(context, (one.asked_by for one in found))
    return [
        WaitingChange(
            id=one.id,
            account=one.change.account,
            address=address_of(one.change.account),
            what=_change_text(language, context.settings, one.change),
            asked_by=people.name(one.asked_by),
            asked_at=language.moment(one.asked_at, now),
            until=language.moment(one.until, now),
            own=one.asked_by == own,
            confirms=one.confirmed_by(own),
        )
        for one in found
    ]


def _change_text(language: Language, settings: Settings, change: AccountChange) -> str:
    what = labels.say(language, admin_labels.CHANGES, change.kind)
    detail = grant_text(language, settings, change.grant) if change.grant is not None else change.target
    return f"{what} · {detail}" if detail else what


async def show(
    context: SignedIn,
    found: ListedAccount,
    sent: SentForm | None = None,
    *,
    made: str = "",
    until: datetime | None = None,
    kind: CodeKind = CodeKind.PASSWORD,
) -> Response:
    """Show one account; `made` is a new code of this kind, shown once."""
    language, now, sent = context.language, context.now, sent or SentForm()
    writes = context.account.may(Act.MANAGE)
    values = await context.ask_long(scope_picker.values_of, context) if writes else {}
    pending = await waiting(context, found.account)
    (listed,) = await _with_factors(context, [found])
    return context.page(
        "account.html",
        status=422 if sent.wrong else 200,
        found=listed,
        made_at=language.moment(found.created_at, now),
        writes=writes,
        own=found.account == context.account.account,
        sent=sent,
        wrong=language.gettext(sent.wrong) if sent.wrong else "",
        code=made,
        code_kind=kind.value,
        code_until=language.moment(until, now) if until else "",
        acts=[(act.value, labels.say(language, admin_labels.ACTS, act)) for act in Act],
        steps=list(labels.step_titles(language, context.settings).items()),
        cohorts=[(c.key, c.name) for c in context.settings.cohort],
        columns=scope_picker.columns(language, values, sent.scope),
        pending=pending,
        recent_changes=await recent_changes(context, found.account) if pending else [],
        **await address_fields(context, found.account, found.student, f"{listed.address}/addresses"),
        **await second_administrator(context),
    )


async def _with_factors(context: Context, found: Sequence[ListedAccount]) -> list[AccountLine]:
    held = await context.ask_long(context.services.factors.held_by, [one.account for one in found])
    return [_account_line(context, one, held.get(one.account, AccountFactors())) for one in found]


def _account_line(context: Context, found: ListedAccount, factors: AccountFactors) -> AccountLine:
    auth = context.settings.auth
    asked = asked_of(auth, found)
    return AccountLine(
        account=found.account,
        address=address_of(found.account),
        name=found.name,
        student=found.student or "",
        active=found.active,
        has_password=found.has_password,
        grants=tuple((held.id, grant_text(context.language, context.settings, held)) for held in found.grants),
        acts=any(held.act in BY_TWO for held in found.grants),
        factors=factors,
        factor_asked=asked,
        # Exempt only because it is an account of the demo.
        factor_let_off=not asked and found.demo and asked_of(auth, replace(found, demo=False)),
    )


def grant_text(language: Language, settings: Settings, held: Grant) -> str:
    """Return a grant in words: the act, the step, the scope and the cohort."""
    names = {c.key: c.name for c in settings.cohort}
    parts = [labels.say(language, admin_labels.ACTS, held.act)]
    if held.act not in WHOLE_ACTS:
        titles = labels.step_titles(language, settings)
        parts.append(titles.get(held.step, held.step) if held.step else language.gettext("所有环节"))
        parts.append(scope_picker.scope_text(language, held.scope) or language.gettext("全体学生"))
    if held.cohort:
        over = held.cohort not in names
        name = names.get(held.cohort, held.cohort)
        parts.append(language.gettext("%(cohort)s（已结束）", cohort=name) if over else name)
    return " · ".join(parts)


ROUTES = (
    Route("/accounts", for_visitors(account_list, Act.MANAGE, Act.AUDIT)),
    Route("/accounts/{account:name}", for_visitors(one, Act.MANAGE, Act.AUDIT)),
    Route("/accounts/{account:name}/revoke-grant", for_visitors(revoke_grant, Act.MANAGE), methods=["POST"]),
)
