"""The author of a change made on the command line, and its line in the audit log."""

from typing import Annotated

import typer

from clearance.context import system_user
from clearance.granted import refuse_demo
from clearance.services import Program
from status_db.accounts.audit_log import AuditEvent
from status_db.model import Decision

Author = Annotated[
    str, typer.Option("--as", help="Act as this account (default: the user of this machine).", show_default=False)
]


def author_of(program: Program, named: str) -> str:
    """Return the given account, or the user of this machine. Exit when only a demo has the account."""
    if named:
        refuse_demo(program, program.accounts.find(named))
    return named or system_user()


def note(
    program: Program,
    event: AuditEvent,
    author: str,
    *,
    cohort: str | None = None,
    student: str | None = None,
    **detail: str | int | list[str],
) -> None:
    """Add a line to the audit log, with the command line as its address."""
    program.audit.note(
        event,
        account=author,
        now=program.clock(),
        cohort=cohort,
        student=student,
        run=None,
        address="command line",
        **detail,
    )


def note_decision(program: Program, event: AuditEvent, author: str, decision: Decision) -> None:
    """Add the line that the desk's pages add when a decision is entered or withdrawn."""
    program.audit.note(
        event,
        account=author,
        now=program.clock(),
        cohort=program.cohort,
        student=decision.student,
        address="command line",
        step=decision.step,
        verdict=decision.verdict,
        # The command line asks for no reason to withdraw.
        reason=decision.reason if event in (AuditEvent.DECIDED, AuditEvent.REVIEWED) else "",
        decision=decision.id,
    )
