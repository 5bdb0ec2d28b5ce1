"""What a student reads: the state of each own step, what is owed, and where to go."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from portal.access.requires import for_visitors
from portal.auth.permissions import inside
from portal.page import cohorts
from portal.page.account_names import names_of
from portal.page.context import House, Visitor, see_other
from portal.page.own_student import own_view
from portal.present import appeals, cards, headline, rechecks
from status_db.accounts.accounts import Act
from status_db.inbox.announcements import Announcement
from status_db.views import StudentView


async def home(request: Request, house: House, visitor: Visitor) -> Response:
    """Show a student's own page; send everybody else to the first page they may read."""
    account = visitor.account
    if account.student is None or not house.for_students:
        to = partial(cohorts.same, request, house.settings)
        if house.settings.desk.enabled and any(map(account.may, (Act.DECIDE, Act.REVIEW, Act.ISSUE))):
            return see_other(to("/desk"))
        if account.may(Act.READ):
            return see_other(to("/overview"))
        if account.may(Act.MANAGE):
            return see_other(to("/sources"))
        return house.page(request, "no_grants.html", status=403)
    return await own(request, house, visitor)


async def own(
    request: Request, house: House, visitor: Visitor, *, refused: timedelta | None = None, status: int = 200
) -> Response:
    """Show the page of the student who asks; `refused` says how long a new recheck has to wait."""
    now = house.clock()
    found = await own_view(request, house, visitor, now)
    if found is None:
        announced = await house.ask(house.board.standing, house.settings.default_cohort(), now)
        return house.page(
            request,
            "not_listed.html",
            number=visitor.account.student,
            announced=[
                cards.note(house.language(request), one, now) for one in announced if one.step is None and not one.scope
            ],
        )
    student, _ = found
    announced = await said_to(house, student, now)
    last = await house.ask(house.requests.last_recheck, student.cohort, student.student)
    raised = await house.ask(house.student_objections.of_student, student.cohort, student.student)
    language, portal = house.language(request), house.settings.portal
    return show(
        request,
        house,
        student,
        now,
        announced=announced,
        recheck=rechecks.offer(language, portal, student, last, now, refused),
        raised=appeals.on_cards(language, house.settings, student, raised, await names_of(house, raised), now),
        status=status,
    )


async def said_to(house: House, student: StudentView, now: datetime) -> tuple[Announcement, ...]:
    """Return what is announced to a student now, the newest first."""
    standing = await house.ask(house.board.standing, student.cohort, now)
    return tuple(one for one in standing if inside(student, (one.scope,)))


def show(
    request: Request,
    house: House,
    student: StudentView,
    now: datetime,
    only: frozenset[str] | None = None,
    *,
    announced: tuple[Announcement, ...] = (),
    recheck: rechecks.Offer | None = None,
    raised: Mapping[str, tuple[appeals.OnCard, ...]] | None = None,
    staff: bool = False,
    status: int = 200,
) -> Response:
    """Render one student's page; `only` names the steps that staff may read."""
    language, settings = house.language(request), house.settings
    cohort = settings.cohort_named(student.cohort)
    steps = [status for status in student.steps if only is None or status.step in only]
    # By the student alone, and where somebody answers.
    objecting = not staff and settings.desk.enabled
    whole = len(steps) == len(student.steps)
    return house.page(
        request,
        "student.html",
        status=status,
        about_cohort=student.cohort,
        student=student,
        cohort=cohort.name,
        announced=[cards.note(language, one, now) for one in announced if one.step is None],
        season=headline.season(language, cohort, student.level, now),
        headline=(
            headline.headline(language, settings, student, now)
            if whole
            else headline.of_some_steps(language, settings, steps, now)
        ),
        cards=cards.cards(language, settings, student, now, only, announced),
        history=cards.history(language, settings, student.flips, now, only),
        slip=not staff and headline.is_clear(student, now),
        recheck=recheck,
        raised=raised or {},
        objects=[one.step for one in steps if objecting and appeals.may_object(one, now)],
        staff=staff,
    )


ROUTES = (Route("/", for_visitors(home)),)
