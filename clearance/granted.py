"""Checks that an account has the grant that a command needs."""

from clearance.context import fail
from clearance.output.code_words import word
from clearance.services import Program
from foundation.translation import tr
from status_db.accounts.accounts import Account, Act
from status_db.accounts.authority import allowed
from status_db.views import Scope


def granted(program: Program, name: str, act: Act, student: str, step: str | None = None) -> str:
    """Return the account when one of its grants covers this act, student and step; else exit."""
    return granted_inside(program, name, act, student, step)[0]


def granted_inside(
    program: Program, name: str, act: Act, student: str, step: str | None = None
) -> tuple[str, tuple[Scope, ...]]:
    """Return the account, and the scopes of its grants, which the store checks again; else exit."""
    account = active(program, name)
    steps = [step] if step else [one.key for one in program.settings.step]
    scopes = tuple(s for found in allowed(account.grants, (act,), steps, program.cohort).values() for s in found)
    if not scopes or not program.reader.within(program.cohort, student, scopes):
        fail(
            tr(
                "{account} has no grant to {what} for {student}. Ask an administrator for one: "
                "clearance accounts grant",
                account=account.account,
                what=f"{word(act)} {step}" if step else word(act),
                student=student,
            )
        )
    return account.account, scopes


def scopes_of(program: Program, account: Account, act: Act, step: str) -> tuple[Scope, ...]:
    """Return the scopes in which an account may do this at a step; else exit."""
    scopes = allowed(account.grants, (act,), (step,), program.cohort).get(step, ())
    if not scopes:
        fail(
            tr(
                "{account} has no grant to {act} {step}. Ask an administrator for one: clearance accounts grant",
                account=account.account,
                act=word(act),
                step=step,
            )
        )
    return scopes


def active(program: Program, name: str) -> Account:
    """Return the active account of this name; else exit."""
    account = program.accounts.find(name)
    refuse_demo(program, account)
    if account is None or not account.active:
        fail(tr('there is no active account "{name}". See: clearance accounts list', name=name))
    return account.during(program.settings.cohort_keys())


def refuse_demo(program: Program, account: Account | None) -> None:
    """Exit when the demo created the account and this is not the demo."""
    if account is not None and account.demo and not program.settings.is_demo:
        fail(
            tr(
                '"{account}" was made by the demo: its password is public, so it cannot be used here. '
                "Choose another account: clearance accounts list",
                account=account.account,
            )
        )
