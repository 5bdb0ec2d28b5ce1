"""Commands of reviewers: the final review, and the certificates."""

from typing import Annotated, Literal

import typer

from clearance import show
from clearance.context import Json, chosen, ends_well, fail
from clearance.granted import granted
from status_db.accounts import Act
from status_db.decisions import Wish
from status_db.model import Certificate, Verdict, normalise_number
from status_db.reviews import Issue

Reviewer = Annotated[
    str, typer.Option("--as", help="The reviewer's account; it needs a grant that covers the student.")
]


@ends_well
def give(
    context: typer.Context,
    student: str,
    step: str,
    verdict: Annotated[Verdict, typer.Argument(help="cleared (it passes) or held (it does not)")],
    *,
    reviewer: Reviewer,
    reason: Annotated[str, typer.Option("--reason", help="A reason from the step's list.")],
    words: Annotated[str, typer.Option("--words", help="For the student to read.")] = "",
    note: Annotated[str, typer.Option("--note", help="For the college alone.")] = "",
) -> None:
    """Give a student's final review; it opens when every step before it counts as clear."""
    program = chosen(context).program()
    number = normalise_number(student)
    author = granted(program, reviewer, Act.REVIEW, number, step)
    decision = program.reviews.review(Wish(number, step, verdict, reason, words, note), author, program.clock())
    show.OUT.print(
        f"decision {decision.id}: the review of {number} is {decision.verdict} ({decision.reason}, by {author})"
    )


@ends_well
def withdraw(context: typer.Context, student: str, step: str, *, reviewer: Reviewer) -> None:
    """Take a review back, as long as no certificate rests on it."""
    program = chosen(context).program()
    number = normalise_number(student)
    author = granted(program, reviewer, Act.REVIEW, number, step)
    decision = program.reviews.take_back(number, step, author, program.clock())
    show.OUT.print(f"decision {decision.id} is withdrawn: {number} waits for {step} again")


@ends_well
def issue(
    context: typer.Context,
    student: str,
    number: Annotated[str, typer.Argument(help="The number printed on the certificate.")],
    *,
    reviewer: Reviewer,
    kind: Annotated[str, typer.Option("--kind", help="What it is.")] = "毕业证书",
    collected: Annotated[
        Literal["self", "agent", "post"], typer.Option("--collected", help="How it leaves: self, agent, post.")
    ] = "self",
    collector: Annotated[str, typer.Option("--collector", help="Who takes it, and on what mandate.")] = "",
) -> None:
    """Issue a certificate, if the student's review stands at this moment."""
    program = chosen(context).program()
    whose = normalise_number(student)
    author = granted(program, reviewer, Act.ISSUE, whose)
    if collected == "agent" and not collector:
        fail("an agent has a name and a mandate. Give --collector.")
    made = program.reviews.issue(Issue(whose, number, kind, collected, collector), author, program.clock())
    show.OUT.print(f"certificate {made.number} ({made.kind}) is issued to {whose}, by {author}", markup=False)


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
    found = next((c for c in program.reader.certificates(program.cohort) if c.number == number), None)
    if found is None:
        fail(f"there is no certificate {number}. See: clearance certificates list")
    author = granted(program, reviewer, Act.ISSUE, found.student)
    program.reviews.revoke(number, author, reason, program.clock())
    show.OUT.print(f"certificate {number} is revoked: what is found about {found.student} counts again")


@ends_well
def list_certificates(
    context: typer.Context,
    student: Annotated[str | None, typer.Argument(help="Of this student only.", show_default=False)] = None,
    *,
    json: Json = False,
) -> None:
    """List certificates, the newest first, and what has been found about their holders since."""
    program = chosen(context).program()
    found = program.reader.certificates(program.cohort, normalise_number(student) if student else None)
    since: dict[str, list[str]] = {}
    for whose, step in program.reader.opened_after_issue(program.cohort, program.clock()):
        since.setdefault(whose, []).append(step)
    if json:
        show.as_json([{"certificate": c, "not_clear_since": since.get(c.student, [])} for c in found])
        return
    zone = program.settings.institution.timezone

    def row(c: Certificate) -> tuple[str, ...]:
        revoked = f"{show.moment(c.revoked_at, zone)} by {c.revoked_by}: {c.revoked_because}" if c.revoked_at else ""
        taken = f"{c.collected} {c.collector}".strip()
        issued = f"{show.moment(c.issued_at, zone)} by {c.issued_by}"
        return c.number, c.kind, c.student, issued, taken, revoked, ", ".join(since.get(c.student, []))

    show.table(
        ("number", "kind", "student", "issued", "collected", "revoked", "not clear since"), (row(c) for c in found)
    )
