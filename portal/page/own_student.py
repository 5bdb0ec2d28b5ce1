"""The student whose own pages are shown."""

from collections.abc import Iterable
from datetime import datetime

from starlette.exceptions import HTTPException

from portal.page.context import SignedIn
from status_db.queries.student import Reader
from status_db.views import StudentView


async def of_own_cohort(context: SignedIn) -> SignedIn:
    """Return the context of a student's own page: about the cohort in the address, else the newest one that lists the
    student. A student on no roster, and an account that is not a student's, keep their context.
    """
    number = context.account.student
    if number is None or not context.services.for_students:
        return context
    listing = await context.ask(context.services.roster.cohorts_of, number, context.services.settings.newest_first())
    if not listing:
        return context
    asked = context.request.query_params.get("cohort", "")
    return context.about(asked if asked in listing else listing[0], listing, own=True)


async def own_view(context: SignedIn) -> StudentView | None:
    """Return the visitor as a student; None for a number on no roster.

    Raises HTTPException 404 for an account that is not a student's.
    """
    number = context.account.student
    if number is None:
        raise HTTPException(404)
    if not context.own:
        return None
    return await context.ask(context.services.reader.student, context.cohort.key, number, context.now)


def newest(reader: Reader, cohorts: Iterable[str], number: str, now: datetime) -> StudentView | None:
    """Return a student in the first of these cohorts that has the number."""
    found = (reader.student(cohort, number, now) for cohort in cohorts)
    return next((student for student in found if student is not None), None)
