"""Whether an account can revert a run: an applied run of a source, by accounts that can approve it."""

from portal.page.context import Context, SignedIn
from status_db.accounts.accounts import Act
from status_db.model import RunState
from status_db.views import RunView


async def kept(context: Context, run: RunView) -> bool:
    """Return whether a run was applied and keeps what it replaced."""
    return run.state is RunState.APPLIED and await context.ask(context.services.runs.has_way_back, run.run)


def may_revert(context: SignedIn, run: RunView) -> bool:
    """Return whether the account can revert a run that keeps what it replaced."""
    return context.account.may(Act.MANAGE) and run.source in context.settings.source
