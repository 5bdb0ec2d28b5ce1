"""The student's own page: the state of each step, its obligations, and where to go."""

from collections.abc import Mapping
from datetime import timedelta

from starlette.responses import Response
from starlette.routing import Route

from portal.access.requires import for_visitors
from portal.auth.permissions import classes_of, inside
from portal.i18n import labels
from portal.page.account_names import names_of
from portal.page.context import Context, SignedIn
from portal.page.own_student import own_view
from portal.present import appeals, cards, headline, rechecks, trip
from portal.student import notices
from status_db.accounts.accounts import Act
from status_db.inbox.announcements import Announcement
from status_db.views import StudentView


async def home(context: SignedIn) -> Response:
    """Show a student's own page. Redirect staff to the first page that they can read."""
    account = context.account
    if account.student is None or not context.services.for_students:
        if context.settings.desk.enabled and any(map(account.may, (Act.DECIDE, Act.REVIEW, Act.ISSUE))):
            return context.redirect("/desk")
        if classes_of(account, context.cohort.key):
            return context.redirect("/lists/reminder")
        if account.may(Act.READ):
            return context.redirect("/overview")
        if account.may(Act.MANAGE):
            return context.redirect("/sources")
        return context.page("no_grants.html", status=403)
    return await own(context)


async def own(context: SignedIn, *, refused: timedelta | None = None, status: int = 200) -> Response:
    """Show the visiting student's page. `refused` is how long the student must wait before another recheck."""
    now = context.now
    student = await own_view(context)
    if student is None:
        announced = await context.ask(context.services.announcements.effective, context.settings.default_cohort(), now)
        return context.page(
            "not_listed.html",
            number=context.account.student,
            announced=notices.notes(context, (one for one in announced if one.step is None and not one.scope)),
        )
    announced = await announced_to(context, student)
    last = await context.ask(context.services.requests.last_recheck, student.cohort, student.student)
    raised = await context.ask(context.services.raised_appeals.of_student, student.cohort, student.student)
    language, portal = context.language, context.settings.portal
    return show(
        context,
        student,
        announced=announced,
        recheck=rechecks.offer(language, portal, student, last, now, refused),
        raised=appeals.on_cards(language, context.settings, student, raised, await names_of(context, raised), now),
        status=status,
    )


async def announced_to(context: Context, student: StudentView) -> tuple[Announcement, ...]:
    """Return the student's current announcements, the newest first."""
    effective = await context.ask(context.services.announcements.effective, student.cohort, context.now)
    return tuple(one for one in effective if inside(student, (one.scope,)))


def show(
    context: Context,
    student: StudentView,
    only: frozenset[str] | None = None,
    *,
    bare: frozenset[str] = frozenset(),
    announced: tuple[Announcement, ...] = (),
    recheck: rechecks.RecheckOffer | None = None,
    raised: Mapping[str, tuple[appeals.CardAppeal, ...]] | None = None,
    staff: bool = False,
    status: int = 200,
) -> Response:
    """Render one student's page, in a context about their cohort.

    `only` names the steps that staff can read, `bare` those of which they read no titles and amounts.
    """
    language, settings = context.language, context.settings
    steps = [status for status in student.steps if only is None or status.step in only]
    # Only by the student, and only for steps with an office that answers.
    objecting = not staff and settings.desk.enabled
    whole = len(steps) == len(student.steps)
    shown = (
        headline.headline(language, settings, student, context.now)
        if whole
        else headline.of_some_steps(language, settings, steps, context.now)
    )
    lines = cards.step_lines(language, settings, student, context.now, only, announced, bare)
    concerning = notices.concerning(announced, lines, student)
    response = context.page(
        "student.html",
        status=status,
        student=student,
        who=[labels.written_word(language, settings, word) for word in (student.college, student.class_name) if word],
        category=labels.written_word(language, settings, student.category),
        cohort=labels.written_word(language, settings, context.cohort.name),
        announced=notices.notes(context, concerning),
        # Once a certificate is ready, the days of the window no longer matter.
        deadline=headline.deadline(language, context.cohort, student.level, context.now) if shown.steps else None,
        headline=shown,
        groups=[(group, [line for line in lines if line.group is group]) for group in cards.StepGroup],
        trip=None if staff else trip.trip(language, settings, student, context.now),
        history=cards.history(language, settings, student.flips, context.now, only),
        slip=not staff and headline.is_clear(student, context.now),
        recheck=recheck,
        raised=raised or {},
        objects=[one.step for one in steps if objecting and appeals.may_object(one, context.now)],
        staff=staff,
    )
    return response if staff else notices.remember(context, response, concerning)


async def trip_calendar(context: SignedIn) -> Response:
    """Return the way to the offices as a calendar file. Without one, redirect to the page with the reason."""
    student = await own_view(context)
    language, settings, now = context.language, context.settings, context.now
    planned = trip.trip(language, settings, student, now) if student is not None else None
    if student is None or planned is None:
        return context.redirect("/")
    headers = {"Content-Disposition": 'attachment; filename="clearance.ics"', "Vary": "Cookie"}
    content = trip.calendar(language, student, planned, now)
    return Response(content, media_type="text/calendar", headers=headers)


ROUTES = (
    Route("/", for_visitors(home, own=True)),
    Route("/trip.ics", for_visitors(trip_calendar, own=True)),
)
