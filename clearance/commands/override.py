"""Commands `override`: decisions of operators on single steps."""

from datetime import datetime
from typing import Annotated

import typer

from clearance.actor import note_decision
from clearance.completion import StepKey
from clearance.context import Json, chosen, ends_well
from clearance.granted import active, scopes_of
from clearance.output import tables
from clearance.output.code_words import word
from clearance.output.step_names import step_name
from config.renames import stored_name
from foundation.translation import tr
from foundation.zones import in_zone
from status_db.accounts.accounts import Act
from status_db.accounts.audit_log import AuditEvent
from status_db.decisions.writer import DecisionRequest
from status_db.model import Verdict, normalise_number

Operator = Annotated[str, typer.Option("--as", help="Act as this operator, with a grant to decide the step.")]


@ends_well
def set_override(
    context: typer.Context,
    student: str,
    step: StepKey,
    verdict: Annotated[Verdict, typer.Argument(help="cleared, held or exempt")],
    *,
    operator: Operator,
    reason: Annotated[str, typer.Option("--reason", help="Give this reason from the step's list.")],
    words: Annotated[str, typer.Option("--words", help="Add a text for the student.")] = "",
    note: Annotated[str, typer.Option("--note", help="Add a note for the office alone.")] = "",
    until: Annotated[datetime | None, typer.Option("--until", help="End it at this local time.")] = None,
    file_number: Annotated[str, typer.Option("--file", help="The office's own file number.")] = "",
    condition: Annotated[str, typer.Option("--condition", help="Add a condition that the student sees.")] = "",
    decided_at: Annotated[
        datetime | None,
        typer.Option("--decided-at", help="The local time of the decision on paper."),
    ] = None,
    sheet: Annotated[str, typer.Option("--sheet", help="The number of the paper sheet.")] = "",
) -> None:
    """Decide one student's step. It overrides the sources until it is withdrawn or ends."""
    program = chosen(context).program()
    step = stored_name(program.settings, step)
    number, zone = normalise_number(student), program.settings.institution.timezone
    account = active(program, operator)
    scopes, author = scopes_of(program, account, Act.DECIDE, step), account.account
    request = DecisionRequest(
        number,
        step,
        verdict,
        reason,
        words,
        note,
        until=in_zone(until, zone) if until else None,
        decided_at=in_zone(decided_at, zone) if decided_at else None,
        sheet=sheet,
        file_number=file_number,
        condition=condition,
    )
    decision = program.overrides.enter(request, author, program.clock(), scopes)
    note_decision(program, AuditEvent.DECIDED, author, decision)
    tables.OUT.print(
        tr(
            "decision {decision}: {student} {step} is {verdict} ({reason}, by {author})",
            decision=decision.id,
            student=number,
            step=step,
            verdict=word(decision.verdict),
            reason=decision.reason,
            author=author,
        )
    )


@ends_well
def withdraw_override(context: typer.Context, student: str, step: StepKey, *, operator: Operator) -> None:
    """Withdraw a decision. The result of the sources counts again."""
    program = chosen(context).program()
    number, step = normalise_number(student), stored_name(program.settings, step)
    account = active(program, operator)
    scopes, author = scopes_of(program, account, Act.DECIDE, step), account.account
    decision = program.overrides.withdraw(number, step, author, program.clock(), scopes)
    note_decision(program, AuditEvent.DECISION_WITHDRAWN, author, decision)
    tables.OUT.print(
        tr(
            "decision {decision} is withdrawn: the result of the sources for {step} counts again for {number}",
            decision=decision.id,
            step=step,
            number=number,
        )
    )


@ends_well
def list_overrides(
    context: typer.Context,
    student: Annotated[str | None, typer.Argument(help="Show this student only.", show_default=False)] = None,
    *,
    json: Json = False,
) -> None:
    """List decisions, the newest first, including withdrawn ones."""
    program = chosen(context).program()
    found = program.reader.decisions(program.cohort, normalise_number(student) if student else None)
    if json:
        tables.as_json(found)
        return
    zone = program.settings.institution.timezone
    tables.table(
        (
            tr("decision"),
            tr("student"),
            tr("step"),
            tr("verdict"),
            tr("reason"),
            tr("by"),
            tr("entered"),
            tr("until"),
            tr("withdrawn"),
        ),
        (
            (
                d.id,
                d.student,
                step_name(program.settings, d.step),
                word(d.verdict),
                d.reason,
                d.author,
                tables.moment(d.entered_at, zone),
                tables.moment(d.until, zone) if d.until else "",
                tables.moment_by(d.withdrawn_at, d.withdrawn_by, zone),
            )
            for d in found
        ),
        none=tr("There are no decisions."),
    )
