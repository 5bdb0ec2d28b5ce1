"""The command that corrects a student number in the season."""

from typing import Annotated

import typer

from clearance.actor import Author, author_of, note
from clearance.context import chosen, ends_well
from clearance.output import tables
from status_db.accounts.audit_log import AuditEvent


@ends_well
def renumber(
    context: typer.Context,
    old: Annotated[str, typer.Argument(help="The number on the roster now.")],
    new: Annotated[str, typer.Argument(help="The right one.")],
    *,
    author: Author = "",
) -> None:
    """Correct a student number: decisions, certificates, appeals, history and the account go on under the new one."""
    program = chosen(context).program()
    by = author_of(program, author)
    done = program.renumbering.renumber(old, new, program.clock())
    note(program, AuditEvent.RENUMBERED, by, cohort=program.cohort, student=done.new, old=done.old, new=done.new)
    if not done.moved:
        tables.OUT.print(f"{done.old} had become {done.new} already; accounts and appeals follow it.")
        return
    tables.OUT.print(
        f"{done.old} is {done.new} now: {done.decisions} decisions and {done.certificates} certificates went over, and "
        f"rows under {done.old} still count for {done.new}.",
        markup=False,
    )
    tables.OUT.print("Ask the sources again, so that their answers are compared under the new number: clearance sync")
