"""A page of the desk under its head, which tells how many objections wait at the step for whoever reads it."""

from collections.abc import Sequence

from starlette.responses import Response

from portal.desk.context.desk_context import DeskContext
from portal.page.context import Context
from status_db.inbox.appeals import Inside
from status_db.views import Scope


async def desk_page(
    context: Context, at: DeskContext, template: str, *, status: int = 200, **values: object
) -> Response:
    """Render a page of the desk; `here` and `at` are given to its template with what its head tells."""
    cohort, waiting = at.reader.cohort.key, 0
    if at.answers:
        counted = context.services.raised_appeals.count_waiting
        waiting = await context.ask_long(counted, cohort, (at.step,), inside_of(context, cohort, at.answers))
    return context.page(template, status=status, reader=at.reader, at=at, objections_waiting=waiting, **values)


def inside_of(context: Context, cohort: str, scopes: Sequence[Scope]) -> Inside:
    """Return what says which students of a cohort stand inside these scopes."""
    return lambda numbers: context.services.named.inside(cohort, numbers, scopes)
