"""How the season goes: how many were all clear at the end of each day, and how many days that took them."""

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from portal.access.requires import for_visitors
from portal.access.scenes import ReaderContext, scene
from portal.page.context import SignedIn
from portal.present.charts import Curve, curve
from status_db.accounts.accounts import Act
from status_db.queries.trends import Day, Span, Trend


@dataclass(frozen=True, slots=True)
class DayLine:
    """One day of the table."""

    day: str
    clear: int
    share: str
    by_step: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class SpanLine:
    """How long it took the students of one college, or all of them."""

    title: str
    students: int
    clear: int
    #: A quarter, half, three quarters of those who are all clear; empty while nobody is.
    quartiles: tuple[str, ...]


async def page(context: SignedIn) -> Response:
    """Show the season of a cohort, or of one college that the address names."""
    here = scene(context)
    college = context.asked("college")
    found = await context.ask_long(context.services.reader.trend, here.visibility, here.now, college or None)
    if college and not found.students:
        raise HTTPException(404)
    fresh = await context.ask_long(context.services.lists.freshness, here.cohort.key)
    order = [step for step in here.steps if step in found.with_step]
    return context.page(
        "days.html",
        here=here,
        college=college,
        back=here.address("/overview", college=college),
        curves=_curves(here, found, order) if found.days and found.students else [],
        titles=[here.titles[step] for step in order],
        days=[_day(here, found, day, order) for day in reversed(found.days)],
        spans=[_span(here, span) for span in found.spans],
        at=here.language.moment(here.now, here.now),
        notes=here.windows(),
        stale=here.stale(fresh),
    )


def _curves(here: ReaderContext, found: Trend, order: Sequence[str]) -> list[Curve]:
    days = found.days
    clear = _curve(here, "clear", here.language.gettext("全部办妥"), days, [d.clear for d in days], found.students)
    return [
        clear,
        *(
            _curve(here, f"step-{at}", here.titles[step], days, [d.by_step[step] for d in days], found.with_step[step])
            for at, step in enumerate(order)
        ),
    ]


def _curve(here: ReaderContext, name: str, title: str, days: Sequence[Day], counts: Sequence[int], whole: int) -> Curve:
    language = here.language
    first, last = (language.day(one.day, here.now) for one in (days[0], days[-1]))
    end = f"{counts[-1]} / {whole} · {language.percent(counts[-1], whole)}"
    said = language.gettext("从 %(first)s 到 %(last)s，每天结束时的人数，数字同下表。", first=first, last=last)
    return curve(name, title, said, counts, whole, first, last, end)


def _day(here: ReaderContext, found: Trend, day: Day, order: Sequence[str]) -> DayLine:
    return DayLine(
        here.language.day(day.day, here.now),
        day.clear,
        here.language.percent(day.clear, found.students),
        tuple(day.by_step[step] for step in order),
    )


def _span(here: ReaderContext, span: Span) -> SpanLine:
    days = tuple(str(count) for count in span.quartiles or ())
    return SpanLine(span.college or here.language.gettext("合计"), span.students, span.clear, days)


ROUTES = (Route("/overview/days", for_visitors(page, Act.READ, long=True)),)
