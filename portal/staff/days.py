"""The trend of the season: how many students were clear at the end of each day, and how many days it took them."""

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from portal.access.reader_context import ReaderContext, reader_context
from portal.access.requires import for_visitors
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
    """How many days the students of one college, or of all of them, needed."""

    title: str
    students: int
    clear: int
    #: Days until a quarter, half and three quarters of the clear students were clear. Empty while there are none.
    quartiles: tuple[str, ...]


async def trend_page(context: SignedIn) -> Response:
    """Show the season of a cohort, or of the college in the address."""
    reader = reader_context(context)
    college = context.asked("college")
    found = await context.ask_long(context.services.reader.trend, reader.visibility, reader.now, college or None)
    if college and not found.students:
        raise HTTPException(404)
    fresh = await context.ask_long(context.services.lists.freshness, reader.cohort.key)
    order = [step for step in reader.steps if step in found.with_step]
    return context.page(
        "days.html",
        reader=reader,
        college=college,
        back=reader.address("/overview", college=college),
        curves=_curves(reader, found, order) if found.days and found.students else [],
        titles=[reader.titles[step] for step in order],
        days=[_day_line(reader, found, day, order) for day in reversed(found.days)],
        spans=[_span_line(reader, span) for span in found.spans],
        at=reader.language.moment(reader.now, reader.now),
        notes=reader.windows(),
        stale=reader.stale(fresh),
    )


def _curves(reader: ReaderContext, found: Trend, order: Sequence[str]) -> list[Curve]:
    days = found.days
    clear = _curve(reader, "clear", reader.language.gettext("全部办结"), days, [d.clear for d in days], found.students)
    return [
        clear,
        *(
            _curve(
                reader, f"step-{at}", reader.titles[step], days, [d.by_step[step] for d in days], found.with_step[step]
            )
            for at, step in enumerate(order)
        ),
    ]


def _curve(
    reader: ReaderContext, name: str, title: str, days: Sequence[Day], counts: Sequence[int], whole: int
) -> Curve:
    language = reader.language
    first, last = (language.day(one.day, reader.now) for one in (days[0], days[-1]))
    end = f"{counts[-1]} / {whole} · {language.percent(counts[-1], whole)}"
    description = language.gettext("%(first)s—%(last)s，每日结束时的人数，数字同下表。", first=first, last=last)
    return curve(name, title, description, counts, whole, first, last, end)


def _day_line(reader: ReaderContext, found: Trend, day: Day, order: Sequence[str]) -> DayLine:
    return DayLine(
        reader.language.day(day.day, reader.now),
        day.clear,
        reader.language.percent(day.clear, found.students),
        tuple(day.by_step[step] for step in order),
    )


def _span_line(reader: ReaderContext, span: Span) -> SpanLine:
    days = tuple(str(count) for count in span.quartiles or ())
    return SpanLine(span.college or reader.language.gettext("合计"), span.students, span.clear, days)


ROUTES = (Route("/overview/days", for_visitors(trend_page, Act.READ, long=True)),)
