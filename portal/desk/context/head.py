"""Render a desk page with its head, which shows the number of waiting appeals."""

from collections.abc import Sequence

from starlette.responses import Response

from portal.desk.context.desk_context import DeskContext
from portal.page.context import Context
from status_db.inbox.appeals import Inside
from status_db.views import Scope


async def desk_page(
    context: Context, at: DeskContext, template: str, *, status: int = 200, **values: object
) -> Response:
    """Render a desk page. Its template receives `reader`, `at` and the values of the head."""
    cohort, waiting = at.reader.cohort.key, 0
    if at.answers:
        counted = context.services.raised_appeals.count_waiting
        waiting = await context.ask_long(counted, cohort, (at.step,), inside_of(context, cohort, at.answers))
    return context.page(template, status=status, reader=at.reader, at=at, appeals_waiting=waiting, **values)


def inside_of(context: Context, cohort: str, scopes: Sequence[Scope]) -> Inside:
    """Return a function that returns which students of a cohort are inside these scopes."""
    return lambda numbers: context.services.named.inside(cohort, numbers, scopes)
