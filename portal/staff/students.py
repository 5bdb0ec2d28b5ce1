"""Find one student: for staff, inside their scopes, with only the steps that they can read."""

from urllib.parse import quote

from starlette.responses import Response
from starlette.routing import Route

from portal.access.requires import for_visitors
from portal.auth.permissions import detailed, inside, readable
from portal.page.context import SignedIn
from portal.page.own_student import newest
from portal.student import card
from status_db.accounts.accounts import Act
from status_db.accounts.audit_log import AuditEvent
from status_db.model import normalise_number


async def find(context: SignedIn) -> Response:
    """Show the form, or redirect to the student with the typed number."""
    number = normalise_number(context.request.query_params.get("number", ""))
    if number:
        return context.redirect(f"/students/{quote(number, safe='')}")
    return context.page("find.html", missing="")


async def student_page(context: SignedIn) -> Response:
    """Show one student. Raise 404 for a student outside the scopes, as for an unknown one."""
    number, now = normalise_number(context.request.path_params["number"]), context.now
    named = context.request.query_params.get("cohort", "")
    listing = await context.ask(context.services.roster.cohorts_of, number, context.settings.newest_first())
    asked = (named,) if named in context.settings.cohort_keys() else ()
    found = await context.ask(newest, context.services.reader, (*asked, *listing), number, now)
    steps: frozenset[str] = frozenset()
    bare: frozenset[str] = frozenset()
    if found is not None:
        allowed = readable(context.account, [step.key for step in context.settings.step], found.cohort)
        steps = frozenset(step for step, scopes in allowed.items() if inside(found, scopes))
        details = detailed(context.account, steps, found.cohort)
        bare = steps - {step for step, scopes in details.items() if inside(found, scopes)}
    if found is None or not steps:
        return context.page("find.html", status=404, missing=number)
    await context.audit(AuditEvent.SAW_STUDENT, cohort=found.cohort, student=found.student)
    announced = await card.announced_to(context, found)
    return card.show(context.about(found.cohort, listing), found, steps, bare=bare, announced=announced, staff=True)


ROUTES = (
    Route("/students", for_visitors(find, Act.READ)),
    Route("/students/{number:name}", for_visitors(student_page, Act.READ)),
)
