"""Changing where an account receives notifications: its owner does, or an administrator. Both are in the audit log."""

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from portal.access import forms
from portal.access.form_fields import Form, Line
from portal.access.requires import for_visitors
from portal.admin.accounts import SentForm, back_to, found_in, show
from portal.admin.address_fields import OTHER_DOMAIN, WRONG_ADDRESS
from portal.admin.own_account import show_own
from portal.page.context import SignedIn
from status_db.accounts.accounts import Act
from status_db.accounts.audit_log import AuditEvent
from status_db.accounts.grants import AccountCode, AccountRefused


class AddressForm(Form):
    """The addresses; an empty one is removed."""

    mail: Line = ""
    wecom: Line = ""
    dingtalk: Line = ""


async def change_own(context: SignedIn) -> Response:
    """Change the visitor's own addresses."""
    if context.account.student is not None or not context.services.for_staff:
        raise HTTPException(404)
    if why := await _change(context, context.account.account):
        return await show_own(context, why)
    return context.redirect("/own")


async def change_of_account(context: SignedIn) -> Response:
    """Change the addresses of an account."""
    found = await found_in(context)
    if why := await _change(context, found.account):
        return await show(context, found, SentForm(why))
    return back_to(context, found.account)


async def _change(context: SignedIn, account: str) -> str:
    """Change the addresses as the form has them; return why nothing was changed, or an empty text."""
    form = await forms.read_form(context, AddressForm)
    wanted = {"mail": form.mail, "wecom": form.wecom, "dingtalk": form.dingtalk}
    try:
        _, changed = await context.ask_long(context.services.addresses.change, account, wanted)
    except AccountRefused as refused:
        return OTHER_DOMAIN if refused.code is AccountCode.MAIL_DOMAIN else WRONG_ADDRESS
    if changed:
        await context.audit(AuditEvent.ADDRESSES_CHANGED, of=account, fields=changed)
    return ""


ROUTES = (
    Route("/own/addresses", for_visitors(change_own), methods=["POST"]),
    Route("/accounts/{account:name}/addresses", for_visitors(change_of_account, Act.MANAGE), methods=["POST"]),
)
