"""Whether a run can be taken back by somebody: an approved one of a source, by who may approve."""

from portal.house import House
from status_db.accounts import Account, Act
from status_db.model import RunState
from status_db.views import RunView


async def offered(house: House, account: Account, run: RunView) -> bool:
    """Say whether an account may take a run back, and the run keeps what it replaced."""
    fits = account.may(Act.MANAGE) and run.state is RunState.APPLIED and run.source in house.settings.source
    return fits and await house.ask(house.runs.has_way_back, run.run)


async def taken_back_by(house: House, cohort: str, run: RunView) -> RunView | None:
    """Return the newest run that takes a run back, or would once it is approved; None for most runs."""
    fits = run.state is RunState.APPLIED and await house.ask(house.runs.has_way_back, run.run)
    return await house.ask(house.runs.reverting, cohort, run.source, run.run) if fits else None
