"""The names of people: pages show names, not sign-in names."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from portal.i18n.labels import N_
from portal.i18n.languages import Language
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


#: What acts without an account: the scheduler, and the demo.
_PROGRAMS: Mapping[str, str] = {"schedule": N_("定时调度"), "demo": N_("演示程序")}


@dataclass(frozen=True, slots=True)
class People:
    """The names of some accounts."""

    language: Language
    names: Mapping[str, str]

    def name(self, account: str) -> str:
        """Return an account's name; of the command line's users, whom no account names, what they are called there."""
        if account in self.names:
            return self.names[account]
        return self.language.gettext(_PROGRAMS[account]) if account in _PROGRAMS else account


async def people_of(context: Context, accounts: Iterable[str | None]) -> People:
    """Return the names of these accounts, read in one statement."""
    wanted = {account for account in accounts if account} - _PROGRAMS.keys()
    return People(context.language, await context.ask(context.services.directory.names, wanted) if wanted else {})
