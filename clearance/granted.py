"""Whether an account may do what a command is to do in its name."""

from clearance.context import fail
from clearance.wiring import Program
from status_db.accounts import Account, Act


def granted(program: Program, name: str, act: Act, student: str, step: str | None = None) -> str:
    """Return the account, if a grant of theirs for this act covers the student, and the step; else end the command."""
    account = active(program, name)
    scopes = [g.scope for g in account.grants if g.act is act and (step is None or g.step in (None, step))]
    if not scopes or not program.reader.within(program.cohort, student, scopes):
        what = f"{act} {step}" if step else act
        fail(f"{account.account} has no grant to {what} for {student}. An administrator gives one.")
    return account.account


def active(program: Program, name: str) -> Account:
    """Return the account of that name that may act at all; else end the command."""
    account = program.accounts.find(name)
    if account is None or not account.active:
        fail(f'there is no active account "{name}". See: clearance accounts list')
    return account.during(program.settings.cohort_keys())
