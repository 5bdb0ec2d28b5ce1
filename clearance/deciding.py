"""Commands of operators and administrators: override, accounts."""

import secrets
import sys
from datetime import datetime
from typing import Annotated

import typer

from clearance import show
from clearance.context import Json, chosen, ends_well, fail
from clearance.granted import granted
from portal.auth.passwords import hash_password
from status_db.accounts import Act, Grant
from status_db.decisions import Wish
from status_db.model import Verdict, normalise_number

Operator = Annotated[str, typer.Option("--as", help="The operator's account; it needs a grant to decide this step.")]


@ends_well
def set_override(
    context: typer.Context,
    student: str,
    step: str,
    verdict: Annotated[Verdict, typer.Argument(help="cleared, held or exempt")],
    *,
    operator: Operator,
    reason: Annotated[str, typer.Option("--reason", help="A reason from the step's list.")],
    words: Annotated[str, typer.Option("--words", help="For the student to read.")] = "",
    note: Annotated[str, typer.Option("--note", help="For the office alone.")] = "",
    until: Annotated[
        datetime | None, typer.Option("--until", help="When it ends, on the institution's clocks.")
    ] = None,
) -> None:
    """Decide one student's step; it stands above whatever the sources say until it is withdrawn or ends."""
    program = chosen(context).program()
    number, zone = normalise_number(student), program.settings.institution.timezone
    author = granted(program, operator, Act.DECIDE, number, step)
    end = until.replace(tzinfo=until.tzinfo or zone) if until else None
    wish = Wish(number, step, verdict, reason, words, note, end)
    decision = program.decisions.enter(wish, author, program.clock())
    show.OUT.print(f"decision {decision.id}: {number} {step} is {decision.verdict} ({decision.reason}, by {author})")


@ends_well
def withdraw_override(context: typer.Context, student: str, step: str, *, operator: Operator) -> None:
    """Take a decision back; what the sources say counts again."""
    program = chosen(context).program()
    number = normalise_number(student)
    author = granted(program, operator, Act.DECIDE, number, step)
    decision = program.decisions.withdraw(number, step, author, program.clock())
    show.OUT.print(f"decision {decision.id} is withdrawn: what the sources say about {step} counts again for {number}")


@ends_well
def list_overrides(
    context: typer.Context,
    student: Annotated[str | None, typer.Argument(help="Of this student only.", show_default=False)] = None,
    *,
    json: Json = False,
) -> None:
    """List decisions, the newest first, withdrawn ones too."""
    program = chosen(context).program()
    found = program.reader.decisions(program.cohort, normalise_number(student) if student else None)
    if json:
        show.as_json(found)
        return
    zone = program.settings.institution.timezone
    show.table(
        ("decision", "student", "step", "verdict", "reason", "by", "entered", "until", "withdrawn"),
        (
            (
                d.id,
                d.student,
                d.step,
                d.verdict.value,
                d.reason,
                d.author,
                show.moment(d.entered_at, zone),
                show.moment(d.until, zone) if d.until else "",
                f"{show.moment(d.withdrawn_at, zone)} by {d.withdrawn_by}" if d.withdrawn_at else "",
            )
            for d in found
        ),
    )


@ends_well
def add_account(
    context: typer.Context,
    account: str,
    name: Annotated[str, typer.Option("--name", help="The person's name.")],
    *,
    student: Annotated[str, typer.Option("--student", help="The student number, when this is a student.")] = "",
    grant: Annotated[
        list[str] | None,
        typer.Option("--grant", help="ACT, ACT:STEP, or ACT:STEP:COLUMN=VALUE; * for every step. May be given again."),
    ] = None,
    password_from_input: Annotated[
        bool, typer.Option("--password-from-input", help="Read the password's line from standard input.")
    ] = False,
) -> None:
    """Make an account. Without a password given, one is made up and printed this once."""
    program = chosen(context).program()
    grants = [_grant(text) for text in grant or ()]
    password = sys.stdin.readline().rstrip("\r\n") if password_from_input else secrets.token_urlsafe(12)
    if len(password) < 8:
        fail("the password is shorter than 8 characters. Give a longer one.")
    made = program.accounts.add(
        account, name, hash_password(password), student=student or None, grants=grants, now=program.clock()
    )
    show.OUT.print(f"account {made.account} is made for {made.name}", markup=False)
    if not password_from_input:
        show.OUT.print(f"password, shown this once: {password}", markup=False)


@ends_well
def list_accounts(context: typer.Context, *, json: Json = False) -> None:
    """List accounts and what each may do."""
    program = chosen(context).program()
    listed = program.accounts.listed()
    if json:
        shown = [
            {"account": a.account, "name": a.name, "student": a.student, "active": a.active, "grants": a.grants}
            for a in listed
        ]
        show.as_json(shown)
        return
    show.table(
        ("account", "name", "student", "active", "grants"),
        ((a.account, a.name, a.student or "", "yes" if a.active else "no", _described(a.grants)) for a in listed),
    )


def _grant(text: str) -> Grant:
    act, _, rest = text.partition(":")
    step, _, scope = rest.partition(":")
    try:
        allowed = Act(act)
    except ValueError:
        raise typer.BadParameter(f'"{act}" is no act: known are {", ".join(Act)}') from None
    column, equals, value = scope.partition("=")
    if scope and not (equals and value):
        raise typer.BadParameter(f'"{scope}" is no scope: write COLUMN=VALUE, such as college=资源学院')
    return Grant(allowed, None if step in ("", "*") else step, {column: (value,)} if scope else {})


def _described(grants: tuple[Grant, ...]) -> str:
    return "; ".join(
        " ".join([g.act.value, g.step or "every step", *(f"{c}={','.join(v)}" for c, v in g.scope.items())])
        for g in grants
    )
