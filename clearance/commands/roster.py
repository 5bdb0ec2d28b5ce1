"""Command `roster renumber`: correct a student number."""

from typing import Annotated

import typer

from clearance.actor import Author, author_of, note
from clearance.context import chosen, ends_well
from clearance.output import tables
from foundation.translation import tr
from status_db.accounts.audit_log import AuditEvent


@ends_well
def renumber(
    context: typer.Context,
    old: Annotated[str, typer.Argument(help="The number on the roster now.")],
    new: Annotated[str, typer.Argument(help="The correct number.")],
    *,
    author: Author = "",
) -> None:
    """Correct a student number, with its decisions, certificates, appeals, history and account."""
    program = chosen(context).program()
    by = author_of(program, author)
    done = program.renumbering.renumber(old, new, program.clock())
    note(program, AuditEvent.RENUMBERED, by, cohort=program.cohort, student=done.new, old=done.old, new=done.new)
    if not done.moved:
        tables.OUT.print(
            tr("{old} was already corrected to {new}; accounts and appeals are updated.", old=done.old, new=done.new)
        )
        return
    tables.OUT.print(
        tr(
            "{old} is now {new}: {decisions} decisions and {certificates} certificates are moved, and rows "
            "under {old} still count for {new}.",
            old=done.old,
            new=done.new,
            decisions=done.decisions,
            certificates=done.certificates,
        ),
        markup=False,
    )
    tables.OUT.print(
        tr("Query the sources again, so that their rows are compared under the new number: clearance sync")
    )
