"""Whether a run can be taken back by somebody: an approved one of a source, by who may approve."""

from portal.page.context import Context, SignedIn
from status_db.accounts.accounts import Act
from status_db.model import RunState
from status_db.views import RunView


async def kept(context: Context, run: RunView) -> bool:
    """Say whether a run has been applied and keeps what it replaced."""
    return run.state is RunState.APPLIED and await context.ask(context.services.runs.has_way_back, run.run)


def may_revert(context: SignedIn, run: RunView) -> bool:
    """Say whether the account may take back a run that keeps what it replaced."""
    return context.account.may(Act.MANAGE) and run.source in context.settings.source
