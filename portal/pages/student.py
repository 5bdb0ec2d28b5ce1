"""What a student reads: the state of each own step, what is owed, and where to go."""

from datetime import datetime

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from portal import cards
from portal.entrance import for_visitors
from portal.house import House, Visitor, see_other
from status_db.accounts import Act
from status_db.reader import Reader
from status_db.views import StudentView


async def home(request: Request, house: House, visitor: Visitor) -> Response:
    """Show a student's own page; send everybody else to the first page they may read."""
    account, now = visitor.account, house.clock()
    if account.student is None:
        if account.may(Act.READ):
            return see_other("/overview")
        if account.may(Act.MANAGE):
            return see_other("/sources")
        return house.page(request, "no_grants.html", status=403)
    student = await house.ask(newest, house.reader, house.settings.cohort_keys(), account.student, now)
    if student is None:
        return house.page(request, "not_listed.html", number=account.student)
    return show(request, house, student, now)


def newest(reader: Reader, cohorts: tuple[str, ...], number: str, now: datetime) -> StudentView | None:
    """Return a student in the first of these cohorts whose roster has the number."""
    found = (reader.student(cohort, number, now) for cohort in cohorts)
    return next((student for student in found if student is not None), None)


def show(
    request: Request,
    house: House,
    student: StudentView,
    now: datetime,
    only: frozenset[str] | None = None,
    *,
    staff: bool = False,
) -> Response:
    """Render one student's page; `only` names the steps that staff may read."""
    language, settings = house.language(request), house.settings
    steps = [status for status in student.steps if only is None or status.step in only]
    return house.page(
        request,
        "student.html",
        student=student,
        cohort=settings.cohort_named(student.cohort).name,
        headline=cards.headline(language, settings, steps, now),
        cards=cards.cards(language, settings, student, now, only),
        history=cards.history(language, settings, student.flips, now, only),
        staff=staff,
    )


ROUTES = (Route("/", for_visitors(home)),)
