"""Whether an account may do what a command is to do in its name."""

from clearance.context import fail
from clearance.services import Program
from status_db.accounts.accounts import Account, Act
from status_db.accounts.authority import allowed
from status_db.accounts.demo_accounts import REFUSED
from status_db.views import Scope

ASK_FOR_A_GRANT = "Ask an administrator for one: clearance accounts grant"


def granted(program: Program, name: str, act: Act, student: str, step: str | None = None) -> str:
    """Return the account, if a grant of theirs for this act covers the student, and the step; else end the command."""
    return granted_inside(program, name, act, student, step)[0]


def granted_inside(
    program: Program, name: str, act: Act, student: str, step: str | None = None
) -> tuple[str, tuple[Scope, ...]]:
    """Return the account likewise, and the scopes in which it may, for the door to look at once more."""
    account = active(program, name)
    steps = [step] if step else [one.key for one in program.settings.step]
    scopes = tuple(s for found in allowed(account.grants, (act,), steps, program.cohort).values() for s in found)
    if not scopes or not program.reader.within(program.cohort, student, scopes):
        what = f"{act} {step}" if step else act
        fail(f"{account.account} has no grant to {what} for {student}. {ASK_FOR_A_GRANT}")
    return account.account, scopes


def scopes_of(program: Program, account: Account, act: Act, step: str) -> tuple[Scope, ...]:
    """Return in which scopes an account may do this at a step; else end the command."""
    scopes = allowed(account.grants, (act,), (step,), program.cohort).get(step, ())
    if not scopes:
        fail(f"{account.account} has no grant to {act} {step}. {ASK_FOR_A_GRANT}")
    return scopes


def active(program: Program, name: str) -> Account:
    """Return the account of that name that may act at all; else end the command."""
    account = program.accounts.find(name)
    refuse_demo(program, account)
    if account is None or not account.active:
        fail(f'there is no active account "{name}". See: clearance accounts list')
    return account.during(program.settings.cohort_keys())


def refuse_demo(program: Program, account: Account | None) -> None:
    """End the command where an account was made by the demo and this is none."""
    if account is not None and account.demo and not program.settings.is_demo:
        fail(f'"{account.account}" {REFUSED}')
