"""Unmatched rows: rows that do not match a student on the roster. Rows with a match hint come first."""

from dataclasses import dataclass

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from portal.access.requires import for_visitors
from portal.auth.permissions import oversees
from portal.i18n import admin_labels, labels
from portal.page.context import SignedIn
from portal.present import run_lines
from portal.web import bounds

_PAGE = 100
#: The largest page number is six digits long.
_PAGE_DIGITS = 6


@dataclass(frozen=True, slots=True)
class SourceCount:
    """How many unmatched rows a source has."""

    name: str
    title: str
    all: int
    listed: int
    near: int
    chosen: bool


@dataclass(frozen=True, slots=True)
class UnmatchedRow:
    """One row that does not match a student on the roster."""

    key: str
    source: str
    near: str
    student: str
    close: bool


async def unmatched_rows_page(context: SignedIn) -> Response:
    """Show the unmatched rows of one source or of all, page by page."""
    if not oversees(context.account):
        raise HTTPException(403)
    language, asked = context.language, context.request.query_params
    cohort = context.cohort.key
    source = asked.get("source") if asked.get("source") in context.settings.source else None
    number = max(1, bounds.number(asked.get("page", ""), _PAGE_DIGITS) or 1)
    found = await context.ask(
        context.services.runs.unmatched_keys, cohort, source, offset=(number - 1) * _PAGE, limit=_PAGE + 1
    )
    counted = await context.ask(context.services.runs.unmatched_keys_counted, cohort)
    views = {view.source: view.unmatched_keys for view in await context.ask(context.services.reader.sources, cohort)}
    return context.page(
        "unmatched_rows.html",
        sources=[
            SourceCount(
                name=name,
                title=run_lines.title(context, name),
                all=views.get(name, 0),
                listed=sum(counted.get(name, {}).values()),
                near=sum(count for near, count in counted.get(name, {}).items() if near),
                chosen=name == source,
            )
            for name in context.settings.source
        ],
        unmatched_keys=[
            UnmatchedRow(
                key=one.key,
                source=run_lines.title(context, one.source),
                near=labels.say(language, admin_labels.HINT, one.near),
                student=one.student,
                close=bool(one.near),
            )
            for one in found[:_PAGE]
        ],
        source=source,
        number=number,
        before=number - 1,
        after=number + 1 if len(found) > _PAGE else 0,
    )


ROUTES = (Route("/unmatched", for_visitors(unmatched_rows_page, long=True)),)
