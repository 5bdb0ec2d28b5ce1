"""Make an account of staff, with a one-time password to hand over. Its grants follow on its own page."""

from functools import partial
from typing import Annotated

from starlette.responses import Response
from starlette.routing import Route

from portal.access import forms
from portal.access.form_fields import Form, Line, at_most
from portal.access.requires import for_visitors
from portal.admin.accounts import address_of, show
from portal.i18n.labels import N_
from portal.page.context import SignedIn
from portal.web import addresses
from status_db.accounts.accounts import AccountRefused, Act
from status_db.accounts.audit_log import AuditEvent
from status_db.accounts.grants import AccountCode
from status_db.inbox.pending_changes import CODE_LASTS, AccountChange, ChangeKind

_LONGEST = 100

_NO_NAME = N_("请填写账号和姓名，各不超过 100 字。")
_TAKEN = N_("账号 %(account)s 已存在。请换一个账号，或打开现有账号。")


class NewAccountForm(Form):
    """Who the account is for."""

    account: Annotated[Line, at_most(_LONGEST)] = ""
    name: Annotated[Line, at_most(_LONGEST)] = ""


async def new_account_page(context: SignedIn) -> Response:
    """Show the form."""
    return _show_form(context, NewAccountForm())


async def make_account(context: SignedIn) -> Response:
    """Make the account, and show it with its one-time password, which is shown once."""
    form = await forms.read_form(context, NewAccountForm)
    by, now, language = context.account.account, context.now, context.language
    if form.too_long or not form.account or not form.name:
        return _show_form(context, form, language.gettext(_NO_NAME))
    try:
        made = await context.ask_long(partial(context.services.desk.add, form.account, form.name, None, now=now))
    except AccountRefused as refused:
        wrong = _TAKEN if refused.code is AccountCode.TAKEN else _NO_NAME
        return _show_form(context, form, language.gettext(wrong, account=form.account))
    await context.audit(AuditEvent.ACCOUNT_MADE, of=made.account, grants=[])
    found = await context.ask_long(context.services.directory.one, made.account)
    assert found is not None  # noqa: S101 - it has just been made
    if not context.settings.auth.local:
        return await show(context, found)
    change = AccountChange(ChangeKind.CODE, made.account)
    carry_out = partial(context.services.changes.carry_out, change, by, now)
    done = await context.ask_long(partial(carry_out, address=addresses.of(context.request.scope)))
    return await show(context, found, made=done.code, until=now + CODE_LASTS)


def _show_form(context: SignedIn, form: NewAccountForm, wrong: str = "") -> Response:
    return context.page(
        "new_account.html",
        status=422 if wrong else 200,
        typed=form,
        wrong=wrong,
        longest=_LONGEST,
        taken=address_of(form.account) if wrong and form.account else "",
        local=context.settings.auth.local,
    )


ROUTES = (
    Route("/new-account", for_visitors(new_account_page, Act.MANAGE)),
    Route("/new-account", for_visitors(make_account, Act.MANAGE), methods=["POST"]),
)
