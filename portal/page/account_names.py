"""The names of accounts, for pages that must not show sign-in names."""

from collections.abc import Iterable

from portal.page.context import Context
from status_db.inbox.appeal_rows import Appeal, AppealKind


async def names_of(context: Context, raised: Iterable[Appeal]) -> dict[str, str]:
    """Return account → name, for the staff who answered these appeals, and the reviewers who sent one back."""
    own = tuple(raised)
    accounts = {one.answered_by for one in own if one.answered_by}
    accounts |= {one.raised_by for one in own if one.kind is AppealKind.SENT_BACK}
    return await names_of_accounts(context, accounts)


async def names_of_accounts(context: Context, accounts: Iterable[str | None]) -> dict[str, str]:
    """Return account → name. Accounts that do not exist any more are left out."""
    wanted = sorted({account for account in accounts if account})
    found = {account: await context.ask(context.services.accounts.find, account) for account in wanted}
    return {account: who.name for account, who in found.items() if who is not None}
