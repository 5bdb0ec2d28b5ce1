"""The author of a change made on the command line, and its line in the audit log."""

from typing import Annotated

import typer

from clearance.context import system_user
from clearance.granted import refuse_demo
from clearance.services import Program
from status_db.accounts.audit_log import COMMAND_LINE, AuditEvent
from status_db.model import Decision, VoteKind
from status_db.views import RunView

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
        address=COMMAND_LINE,
        **detail,
    )


def note_vote(program: Program, found: RunView, vote: VoteKind, author: str, reason: str = "") -> None:
    """Add the line that the pages add when a person votes on a suspended run."""
    program.audit.note(
        AuditEvent.SPOKE_ON_RUN,
        account=author,
        now=program.clock(),
        cohort=program.cohort,
        run=found.run,
        address=COMMAND_LINE,
        source=found.source,
        says=vote.value,
        change=found.digest.hex() if found.digest else "",
        reason=reason,
    )


def note_decision(program: Program, event: AuditEvent, author: str, decision: Decision) -> None:
    """Add the line that the desk's pages add when a decision is entered or withdrawn."""
    program.audit.note(
        event,
        account=author,
        now=program.clock(),
        cohort=program.cohort,
        student=decision.student,
        address=COMMAND_LINE,
        step=decision.step,
        verdict=decision.verdict,
        # The command line asks for no reason to withdraw.
        reason=decision.reason if event in (AuditEvent.DECIDED, AuditEvent.REVIEWED) else "",
        decision=decision.id,
    )
