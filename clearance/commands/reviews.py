"""Commands `reviews` and `certificates`."""

from datetime import datetime
from typing import Annotated, Literal, TypeAlias

import typer

from clearance.actor import note, note_decision
from clearance.completion import StepKey
from clearance.context import Json, chosen, ends_well, fail
from clearance.granted import granted_inside
from clearance.output import tables
from clearance.output.code_words import joined, word
from clearance.output.step_names import step_name
from clearance.services import Program
from foundation.translation import N_, tr
from status_db.accounts.accounts import Act
from status_db.accounts.audit_log import AuditEvent
from status_db.decisions.certificates import Handover, Issue
from status_db.decisions.writer import DecisionRequest
from status_db.model import Certificate, StepKind, Verdict, normalise_number
from status_db.views import Scope

#: How a certificate is collected.
Leaves: TypeAlias = Literal["self", "agent", "post"]
_COLLECTED = {"self": N_("self"), "agent": N_("agent"), "post": N_("post")}

Reviewer = Annotated[str, typer.Option("--as", help="Act as this reviewer, with a grant that covers the student.")]


@ends_well
def give(
    context: typer.Context,
    student: str,
    step: StepKey,
    verdict: Annotated[Verdict, typer.Argument(help="cleared (it passes) or held (it does not)")],
    *,
    reviewer: Reviewer,
    reason: Annotated[str, typer.Option("--reason", help="Give this reason from the step's list.")],
    words: Annotated[str, typer.Option("--words", help="Add a text for the student.")] = "",
    note: Annotated[str, typer.Option("--note", help="Add a note for the college alone.")] = "",
    over_old_answers: Annotated[
        bool,
        typer.Option("--over-old-answers", help="Ignore steps that only lack newer data; needs --note."),
    ] = False,
) -> None:
    """Give a student's final review. Every step before it must count as clear."""
    program = chosen(context).program()
    number = normalise_number(student)
    author, scopes = granted_inside(program, reviewer, Act.REVIEW, number, step)
    request = DecisionRequest(number, step, verdict, reason, words, note)
    decision = program.reviews.review(request, author, program.clock(), scopes, over_old_answers=over_old_answers)
    note_decision(program, AuditEvent.REVIEWED, author, decision)
    tables.OUT.print(
        tr(
            "decision {decision}: the review of {student} is {verdict} ({reason}, by {author})",
            decision=decision.id,
            student=number,
            verdict=word(decision.verdict),
            reason=decision.reason,
            author=author,
        )
    )


@ends_well
def withdraw(context: typer.Context, student: str, step: StepKey, *, reviewer: Reviewer) -> None:
    """Withdraw a review, unless a certificate depends on it."""
    program = chosen(context).program()
    number = normalise_number(student)
    author, scopes = granted_inside(program, reviewer, Act.REVIEW, number, step)
    decision = program.reviews.take_back(number, step, author, program.clock(), scopes)
    note_decision(program, AuditEvent.REVIEW_WITHDRAWN, author, decision)
    tables.OUT.print(
        tr(
            "decision {decision} is withdrawn: {number} waits for {step} again",
            decision=decision.id,
            number=number,
            step=step,
        )
    )


@ends_well
def issue(
    context: typer.Context,
    student: str,
    number: Annotated[str, typer.Argument(help="The number printed on the certificate.")],
    *,
    reviewer: Reviewer,
    kind: Annotated[str, typer.Option("--kind", help="The kind of certificate.")] = "毕业证书",
    waits: Annotated[bool, typer.Option("--waits", help="Record it as not collected yet.")] = False,
    collected: Annotated[
        Leaves, typer.Option("--collected", help="How it is collected: self, agent or post.")
    ] = "self",
    collector: Annotated[str, typer.Option("--collector", help="The person that collects it, and their mandate.")] = "",
) -> None:
    """Issue a certificate. The student's review must be cleared."""
    program = chosen(context).program()
    student_number = normalise_number(student)
    author, step, scopes = _issuing_account(program, reviewer, student_number)
    if collected == "agent" and not collector and not waits:
        fail(tr("another person collects it: give the name and the mandate with --collector."))
    request = Issue(student_number, number, kind, "" if waits else collected, "" if waits else collector)
    made = program.register.issue(request, author, program.clock(), scopes, step=step)
    note(
        program,
        AuditEvent.ISSUED,
        author,
        cohort=program.cohort,
        student=student_number,
        number=made.number,
        kind=made.kind,
    )
    text = (
        N_("certificate {number} ({kind}) is issued to {student}, by {author}, to be collected")
        if waits
        else N_("certificate {number} ({kind}) is issued to {student}, by {author}")
    )
    tables.OUT.print(tr(text, number=made.number, kind=made.kind, student=student_number, author=author))


@ends_well
def hand_over(
    context: typer.Context,
    number: str,
    *,
    reviewer: Reviewer,
    collected: Annotated[
        Leaves, typer.Option("--collected", help="How it is collected: self, agent or post.")
    ] = "self",
    collector: Annotated[
        str, typer.Option("--collector", help="The person that collects it and their mandate, or the carrier.")
    ] = "",
    when: Annotated[
        datetime | None,
        typer.Option("--when", help="The local time of collection (default: now).", show_default=False),
    ] = None,
) -> None:
    """Record that a waiting certificate is collected."""
    program = chosen(context).program()
    author, _, scopes = _issuing_account(program, reviewer, _holder_of(program, number))
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
    tables.OUT.print(
        tr(
            "certificate {number} of {student} is collected ({how})",
            number=number,
            student=left.student,
            how=tr(_COLLECTED[collected]),
        )
    )


@ends_well
def revoke(
    context: typer.Context,
    number: str,
    *,
    reviewer: Reviewer,
    reason: Annotated[str, typer.Option("--reason", help="Record this reason.")],
) -> None:
    """Revoke a certificate. Its issuer can do so within 30 minutes, while it is not collected."""
    program = chosen(context).program()
    student_number = _holder_of(program, number)
    author, _, scopes = _issuing_account(program, reviewer, student_number)
    program.register.revoke(number, author, reason, program.clock(), scopes)
    note(
        program, AuditEvent.REVOKED, author, cohort=program.cohort, student=student_number, number=number, reason=reason
    )
    tables.OUT.print(
        tr(
            "certificate {number} is revoked: the findings of {student_number} count again",
            number=number,
            student_number=student_number,
        )
    )


def _holder_of(program: Program, number: str) -> str:
    found = next((c for c in program.reader.certificates(program.cohort) if c.number == number), None)
    if found is None:
        fail(tr("there is no certificate {number}. See: clearance certificates list", number=number))
    return found.student


def _issuing_account(program: Program, name: str, student: str) -> tuple[str, str | None, tuple[Scope, ...]]:
    """Return the account, the review that certificates depend on, and the scopes of its grants; else exit."""
    found = program.reader.student(program.cohort, student, program.clock())
    reviews = [status.step for status in found.steps if status.kind is StepKind.REVIEW] if found else []
    step = reviews[-1] if reviews else None
    author, scopes = granted_inside(program, name, Act.ISSUE, student, step)
    return author, step, scopes


@ends_well
def list_certificates(
    context: typer.Context,
    student: Annotated[str | None, typer.Argument(help="Show this student only.", show_default=False)] = None,
    *,
    waiting: Annotated[bool, typer.Option("--waiting", help="Show only certificates that are not collected.")] = False,
    json: Json = False,
) -> None:
    """List certificates, the newest first, with steps that are no longer clear."""
    program = chosen(context).program()
    found = program.reader.certificates(program.cohort, normalise_number(student) if student else None)
    if waiting:
        found = tuple(c for c in found if not c.collected and c.revoked_at is None)
    since: dict[str, list[str]] = {}
    for student_number, step in program.reader.opened_after_issue(program.cohort, program.clock()):
        since.setdefault(student_number, []).append(step)
    if json:
        tables.as_json([{"certificate": c, "not_clear_since": since.get(c.student, [])} for c in found])
        return
    zone = program.settings.institution.timezone

    def row(c: Certificate) -> tuple[str, ...]:
        revoked = tables.moment_by(c.revoked_at, c.revoked_by, zone)
        if c.revoked_at:
            revoked = tr("{event}: {reason}", event=revoked, reason=c.revoked_because)
        how = _COLLECTED.get(c.collected, c.collected) if c.collected else N_("not collected")
        collected_by = f"{tr(how)} {c.collector}".strip()
        issued = tables.moment_by(c.issued_at, c.issued_by, zone)
        return (
            c.number,
            c.kind,
            c.student,
            issued,
            collected_by,
            revoked,
            joined(step_name(program.settings, step) for step in since.get(c.student, [])),
        )

    tables.table(
        (tr("number"), tr("kind"), tr("student"), tr("issued"), tr("collected"), tr("revoked"), tr("not clear since")),
        (row(c) for c in found),
        none=tr("There are no certificates."),
    )
