"""The reviewer's check list: reviews given with old data, and students with new obligations after their certificate."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from starlette.responses import Response
from starlette.routing import Route

from portal.access.requires import for_visitors
from portal.desk.context.desk_context import DeskContext, desk_context
from portal.desk.graduation.classes import REVIEWING
from portal.page.account_names import names_of_accounts
from portal.page.context import SignedIn
from portal.present import list_rows
from status_db.accounts.audit_log import AuditEvent
from status_db.decisions.batches import RosterName
from status_db.effective_status import StepStatus
from status_db.model import Decision, as_of_text


@dataclass(frozen=True, slots=True)
class OpenedLine:
    """A student whose steps have a new obligation since the certificate was issued."""

    student: str
    name: str
    record: str
    class_name: str
    steps: str


@dataclass(frozen=True, slots=True)
class ReviewLine:
    """A review that was given with data out of date."""

    student: str
    name: str
    record: str
    class_name: str
    by: str
    at: str
    note: str
    answered: bool
    issued: bool
    steps: tuple[tuple[str, list_rows.Cell], ...]


async def review_again_page(context: SignedIn) -> Response:
    """Show both lists, inside the scopes."""
    at = desk_context(context, REVIEWING)
    cohort, now = at.reader.cohort.key, at.reader.now
    given = await context.ask_long(at.stores.class_reviews.given_over_old_answers, at.step, now, at.scopes)
    opened = await context.ask_long(context.services.reader.opened_after_issue, cohort, now, at.scopes, at.step)
    students = {decision.student for decision, _ in given} | {student for student, _ in opened}
    people = await context.ask_long(at.stores.batches.people, sorted(students), at.scopes)
    fresh = await context.ask_long(context.services.lists.freshness, cohort)
    names = await names_of_accounts(context, {decision.author for decision, _ in given})
    reviews = [_review(at, decision, steps, people, names) for decision, steps in given]
    await context.audit(AuditEvent.SAW_LIST, cohort=cohort, step=at.step, students=len(people))
    by_student: dict[str, list[str]] = {}
    for student, step in opened:
        by_student.setdefault(student, []).append(at.reader.titles.get(step, step))
    return context.page(
        "desk/review_again.html",
        at=at,
        answered=[one for one in reviews if one.answered],
        waiting=[one for one in reviews if not one.answered],
        opened=[
            OpenedLine(
                student=student,
                name=people[student].name,
                record=_record_address(at, student),
                class_name=people[student].class_name,
                steps=at.reader.language.listed(titles),
            )
            for student, titles in by_student.items()
            if student in people
        ],
        stale=at.before.stale(fresh),
    )


def _review(
    at: DeskContext,
    decision: Decision,
    steps: Sequence[StepStatus],
    people: Mapping[str, RosterName],
    names: Mapping[str, str],
) -> ReviewLine:
    reader = at.reader
    person = people.get(decision.student, RosterName("", ""))
    name, class_name = person.name, person.class_name
    accepted = [step for step in steps if step.step in decision.accepts and not step.counts_as_clear(reader.now)]
    newer = [step for step in accepted if step.as_of is None or as_of_text(step.as_of) != decision.accepts[step.step]]
    return ReviewLine(
        student=decision.student,
        name=name,
        record=_record_address(at, decision.student),
        class_name=class_name,
        by=names.get(decision.author, decision.author),
        at=reader.language.moment(decision.entered_at, reader.now),
        note=decision.note,
        answered=bool(newer),
        issued=any(step.issued for step in steps),
        steps=tuple((reader.titles[step.step], list_rows.cell(reader, step)) for step in newer or accepted),
    )


def _record_address(at: DeskContext, student: str) -> str:
    return at.address(f"/desk/students/{quote(student)}")


ROUTES = (Route("/desk/review-again", for_visitors(review_again_page, *REVIEWING, long=True)),)
