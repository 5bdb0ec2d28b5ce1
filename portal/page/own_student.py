"""The student whose own pages are shown, in the cohort that the address names where several rosters list them."""

from collections.abc import Iterable
from datetime import datetime

from starlette.exceptions import HTTPException
from starlette.requests import Request

from portal.page.cohorts import Own
from portal.page.context import House, Visitor
from status_db.queries.student import Reader
from status_db.views import StudentView


async def own_view(request: Request, house: House, visitor: Visitor, now: datetime) -> tuple[StudentView, Own] | None:
    """Return the student who asks, in the cohort that the address names, else in the first open one that lists them.

    None for a number on no roster. Raises HTTPException 404 for an account that is not a student's.
    """
    number = visitor.account.student
    if number is None:
        raise HTTPException(404)
    asked = request.query_params.get("cohort", "")
    cohorts = await house.ask(house.roster.cohorts_of, number, house.settings.newest_first())
    if not cohorts:
        return None
    own = Own(asked if asked in cohorts else cohorts[0], cohorts)
    student = await house.ask(house.reader.student, own.cohort, number, now)
    if student is None:
        return None
    request.state.own = own
    return student, own


def newest(reader: Reader, cohorts: Iterable[str], number: str, now: datetime) -> StudentView | None:
    """Return a student in the first of these cohorts that has the number."""
    found = (reader.student(cohort, number, now) for cohort in cohorts)
    return next((student for student in found if student is not None), None)
