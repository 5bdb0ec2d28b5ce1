"""Whether a run can be taken back by somebody: an approved one of a source, by who may approve."""

from portal.page.context import House
from status_db.accounts.accounts import Account, Act
from status_db.model import RunState
from status_db.views import RunView


async def kept(house: House, run: RunView) -> bool:
    """Say whether a run has been applied and keeps what it replaced."""
    return run.state is RunState.APPLIED and await house.ask(house.runs.has_way_back, run.run)


def may_revert(house: House, account: Account, run: RunView) -> bool:
    """Say whether an account may take back a run that keeps what it replaced."""
    return account.may(Act.MANAGE) and run.source in house.settings.source
