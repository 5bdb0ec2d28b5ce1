"""Commands of reviewers: the final review, and the certificates."""

from datetime import datetime
from typing import Annotated, Literal, TypeAlias

import typer

from clearance.actor import note, note_decision
from clearance.completion import StepKey
from clearance.context import Json, chosen, ends_well, fail
from clearance.granted import granted_inside
from clearance.output import tables
from clearance.services import Program
from status_db.accounts.accounts import Act
from status_db.accounts.audit_log import AuditEvent
from status_db.decisions.certificates import Handover, Issue
from status_db.decisions.writer import DecisionRequest
from status_db.model import Certificate, StepKind, Verdict, normalise_number
from status_db.views import Scope

#: How a certificate leaves.
Leaves: TypeAlias = Literal["self", "agent", "post"]

Reviewer = Annotated[
    str, typer.Option("--as", help="The reviewer's account; it needs a grant that covers the student.")
]


@ends_well
def give(
    context: typer.Context,
    student: str,
    step: StepKey,
    verdict: Annotated[Verdict, typer.Argument(help="cleared (it passes) or held (it does not)")],
    *,
    reviewer: Reviewer,
    reason: Annotated[str, typer.Option("--reason", help="A reason from the step's list.")],
    words: Annotated[str, typer.Option("--words", help="For the student to read.")] = "",
    note: Annotated[str, typer.Option("--note", help="For the college alone.")] = "",
    over_old_answers: Annotated[
        bool,
        typer.Option("--over-old-answers", help="Pass over steps that lack only a newer answer; --note says why."),
    ] = False,
) -> None:
    """Give a student's final review; it opens when every step before it counts as clear."""
    program = chosen(context).program()
    number = normalise_number(student)
    author, scopes = granted_inside(program, reviewer, Act.REVIEW, number, step)
    wish = DecisionRequest(number, step, verdict, reason, words, note)
    decision = program.reviews.review(wish, author, program.clock(), scopes, over_old_answers=over_old_answers)
    note_decision(program, AuditEvent.REVIEWED, author, decision)
    tables.OUT.print(
        f"decision {decision.id}: the review of {number} is {decision.verdict} ({decision.reason}, by {author})"
    )


@ends_well
def withdraw(context: typer.Context, student: str, step: StepKey, *, reviewer: Reviewer) -> None:
    """Take a review back, as long as no certificate rests on it."""
    program = chosen(context).program()
    number = normalise_number(student)
    author, scopes = granted_inside(program, reviewer, Act.REVIEW, number, step)
    decision = program.reviews.take_back(number, step, author, program.clock(), scopes)
    note_decision(program, AuditEvent.REVIEW_WITHDRAWN, author, decision)
    tables.OUT.print(f"decision {decision.id} is withdrawn: {number} waits for {step} again")


@ends_well
def issue(
    context: typer.Context,
    student: str,
    number: Annotated[str, typer.Argument(help="The number printed on the certificate.")],
    *,
    reviewer: Reviewer,
    kind: Annotated[str, typer.Option("--kind", help="What it is.")] = "毕业证书",
    waits: Annotated[bool, typer.Option("--waits", help="It is not collected yet; hand it over later.")] = False,
    collected: Annotated[Leaves, typer.Option("--collected", help="How it leaves: self, agent, post.")] = "self",
    collector: Annotated[str, typer.Option("--collector", help="Who takes it, and on what mandate.")] = "",
) -> None:
    """Issue a certificate, if the student's review stands at this moment."""
    program = chosen(context).program()
    whose = normalise_number(student)
    author, step, scopes = _may_issue(program, reviewer, whose)
    if collected == "agent" and not collector and not waits:
        fail("an agent has a name and a mandate. Give --collector.")
    wish = Issue(whose, number, kind, "" if waits else collected, "" if waits else collector)
    made = program.register.issue(wish, author, program.clock(), scopes, step=step)
    note(program, AuditEvent.ISSUED, author, cohort=program.cohort, student=whose, number=made.number, kind=made.kind)
    how = ", and waits to be collected" if waits else ""
    tables.OUT.print(f"certificate {made.number} ({made.kind}) is issued to {whose}, by {author}{how}")


@ends_well
def hand_over(
    context: typer.Context,
    number: str,
    *,
    reviewer: Reviewer,
    collected: Annotated[Leaves, typer.Option("--collected", help="How it leaves: self, agent, post.")] = "self",
    collector: Annotated[
        str, typer.Option("--collector", help="Who takes it, and on what mandate; or what it went by.")
    ] = "",
    when: Annotated[
        datetime | None,
        typer.Option(
            "--when", help="When it left, on the institution's clocks; now when left out.", show_default=False
        ),
    ] = None,
) -> None:
    """Note that a certificate that was waiting has left."""
    program = chosen(context).program()
    author, _, scopes = _may_issue(program, reviewer, _holder(program, number))
    at = when.replace(tzinfo=program.settings.institution.timezone) if when else None
    handed = Handover(number, collected, collector, at)
    left = program.register.hand_over(handed, author, program.clock(), scopes)
    note(
        program,
        AuditEvent.CERTIFICATE_HANDED_OVER,
        author,
        cohort=program.cohort,
        student=left.student,
        number=number,
        collected=collected,
    )
    tables.OUT.print(f"certificate {number} of {left.student} has left ({collected})")


@ends_well
def revoke(
    context: typer.Context,
    number: str,
    *,
    reviewer: Reviewer,
    reason: Annotated[str, typer.Option("--reason", help="Why.")],
) -> None:
    """Revoke a certificate; somebody else than who issued it must."""
    program = chosen(context).program()
    whose = _holder(program, number)
    author, _, scopes = _may_issue(program, reviewer, whose)
    program.register.revoke(number, author, reason, program.clock(), scopes)
    note(program, AuditEvent.REVOKED, author, cohort=program.cohort, student=whose, number=number, reason=reason)
    tables.OUT.print(f"certificate {number} is revoked: what is found about {whose} counts again")


def _holder(program: Program, number: str) -> str:
    found = next((c for c in program.reader.certificates(program.cohort) if c.number == number), None)
    if found is None:
        fail(f"there is no certificate {number}. See: clearance certificates list")
    return found.student


def _may_issue(program: Program, name: str, student: str) -> tuple[str, str | None, tuple[Scope, ...]]:
    """Return the account, the review its certificates hang on, and in which scopes it may issue them."""
    found = program.reader.student(program.cohort, student, program.clock())
    reviews = [status.step for status in found.steps if status.kind is StepKind.REVIEW] if found else []
    step = reviews[-1] if reviews else None
    author, scopes = granted_inside(program, name, Act.ISSUE, student, step)
    return author, step, scopes


@ends_well
def list_certificates(
    context: typer.Context,
    student: Annotated[str | None, typer.Argument(help="Of this student only.", show_default=False)] = None,
    *,
    waiting: Annotated[bool, typer.Option("--waiting", help="Only those that nobody has collected.")] = False,
    json: Json = False,
) -> None:
    """List certificates, the newest first, and what has been found about their holders since."""
    program = chosen(context).program()
    found = program.reader.certificates(program.cohort, normalise_number(student) if student else None)
    if waiting:
        found = tuple(c for c in found if not c.collected and c.revoked_at is None)
    since: dict[str, list[str]] = {}
    for whose, step in program.reader.opened_after_issue(program.cohort, program.clock()):
        since.setdefault(whose, []).append(step)
    if json:
        tables.as_json([{"certificate": c, "not_clear_since": since.get(c.student, [])} for c in found])
        return
    zone = program.settings.institution.timezone

    def row(c: Certificate) -> tuple[str, ...]:
        revoked = f"{tables.moment(c.revoked_at, zone)} by {c.revoked_by}: {c.revoked_because}" if c.revoked_at else ""
        taken = f"{c.collected or 'waits'} {c.collector}".strip()
        issued = f"{tables.moment(c.issued_at, zone)} by {c.issued_by}"
        return c.number, c.kind, c.student, issued, taken, revoked, ", ".join(since.get(c.student, []))

    tables.table(
        ("number", "kind", "student", "issued", "collected", "revoked", "not clear since"), (row(c) for c in found)
    )
