"""The season on the overview: one large curve, the last cohort's beside it, each day, and the days that it took."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from config.settings import Settings
from config.tables.cohorts import Cohort
from portal.access.reader_context import ReaderContext
from portal.auth.permissions import readable
from portal.page.context import SignedIn
from portal.present.charts import ChartMark, SeasonChart, season_chart
from portal.staff.forecast import open_at_close
from status_db.effective.visible import Visibility
from status_db.queries.trends import Span, Trend


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


@dataclass(frozen=True, slots=True)
class SeasonTrends:
    """The season of a cohort, and of the one before it where the account can read both."""

    trend: Trend
    before: Trend | None
    #: The cohort before it; None if there is none.
    cohort_before: Cohort | None


async def read_season(context: SignedIn, reader: ReaderContext, college: str) -> SeasonTrends:
    """Read the season of the cohort, or of one college. A trend is kept until a run or a decision changes it."""
    trend = await _trend(context, reader.visibility, college)
    cohort = cohort_before(context.settings, reader.cohort)
    if cohort is None:
        return SeasonTrends(trend, None, None)
    steps = readable(context.account, [step.key for step in context.settings.step], cohort.key)
    before = await _trend(context, Visibility(cohort.key, steps), college) if steps else None
    return SeasonTrends(trend, before if before is not None and before.students else None, cohort)


async def _trend(context: SignedIn, visibility: Visibility, college: str) -> Trend:
    services = context.services
    link = await context.ask(services.runs.ledger_link, visibility.cohort)
    return await context.ask_long(services.trends.of, visibility, context.now, college or None, link)


def cohort_before(settings: Settings, cohort: Cohort) -> Cohort | None:
    """Return the newest cohort whose windows have closed before this one's open; None if there is none."""
    opens = min((window.opens for window in cohort.windows.values()), default=None)
    if opens is None:
        return None
    earlier = [(last_day(one), one) for one in settings.cohort if one.key != cohort.key and one.windows]
    over = [(day, one) for day, one in earlier if day is not None and day < opens]
    return max(over, key=lambda pair: pair[0])[1] if over else None


def last_day(cohort: Cohort) -> date | None:
    """Return the day on which the last window of a cohort closes; None without windows."""
    return max((window.closes for window in cohort.windows.values()), default=None)


def today_of(reader: ReaderContext) -> date:
    """Return today in the institution's time zone."""
    return reader.now.astimezone(reader.language.zone).date()


def forecast_of(reader: ReaderContext, trend: Trend, open_now: int) -> tuple[date, int] | None:
    """Return the last closing day of the season, and about how many students are open then; None without a pace."""
    closes, today = last_day(reader.cohort), today_of(reader)
    if closes is None:
        return None
    left = open_at_close(trend.days, trend.students, open_now, closes, today)
    return None if left is None else (closes, left)


def chart_of(reader: ReaderContext, season: SeasonTrends, forecast: tuple[date, int] | None) -> SeasonChart | None:
    """Return the curve of the season; None before there is a roster."""
    trend = season.trend
    if not trend.days or not trend.students:
        return None
    closes = last_day(reader.cohort)
    opens = min((window.opens for window in reader.cohort.windows.values()), default=trend.days[0].day)
    first = min(opens, trend.days[-1].day)
    last = max(closes or trend.days[-1].day, trend.days[-1].day)
    language, newest = reader.language, trend.days[-1]
    ahead = (
        [(newest.day, newest.clear / trend.students), (forecast[0], 1 - forecast[1] / trend.students)]
        if forecast is not None and forecast[0] > newest.day
        else []
    )
    return season_chart(
        "season",
        language.gettext("全部办结的学生"),
        language.gettext(
            "%(first)s—%(last)s，每日结束时全部办结的比例，数字见“每日进度”。",
            first=language.day(first, reader.now),
            last=language.day(newest.day, reader.now),
        ),
        first=first,
        last=last,
        points=[(day.day, day.clear / trend.students) for day in trend.days if day.day >= first],
        beside=[
            (day.day, sum(day.by_step.values()) / sum(trend.with_step.values()))
            for day in trend.days
            if day.day >= first
        ]
        if len(trend.with_step) > 1
        else [],
        before=_points_before(season, closes),
        ahead=ahead,
        marks=_marks(reader),
        ticks=(language.day(first, reader.now), language.day(last, reader.now)),
        end=language.percent(newest.clear, trend.students),
    )


def _points_before(season: SeasonTrends, closes: date | None) -> list[tuple[date, float]]:
    """Return the cohort before, moved so that both close on the same day."""
    before, cohort = season.before, season.cohort_before
    closed = last_day(cohort) if cohort is not None else None
    if before is None or closes is None or closed is None:
        return []
    moved = closes - closed
    return [(day.day + moved, day.clear / before.students) for day in before.days]


def _marks(reader: ReaderContext) -> list[ChartMark]:
    """Return the closing days, each with its levels."""
    by_day: dict[date, list[str]] = {}
    for level, window in reader.cohort.windows.items():
        by_day.setdefault(window.closes, []).append(reader.levels.get(level, level))
    several = len(by_day) > 1
    language = reader.language
    return [
        ChartMark(
            day,
            language.gettext(
                "%(levels)s截止 %(day)s", levels=language.listed(levels), day=language.day(day, reader.now)
            )
            if several
            else language.gettext("截止 %(day)s", day=language.day(day, reader.now)),
        )
        for day, levels in sorted(by_day.items())
    ]


def window_lines(reader: ReaderContext) -> list[tuple[str, str]]:
    """Return each level's window with the days left or past, and its tone."""
    language, today = reader.language, today_of(reader)
    lines: list[tuple[str, str]] = []
    for level, window in reader.cohort.windows.items():
        values = {
            "level": reader.levels.get(level, level),
            "opens": language.day(window.opens, reader.now),
            "closes": language.day(window.closes, reader.now),
        }
        if today < window.opens:
            text = language.ngettext(
                "%(level)s办理时间：%(opens)s—%(closes)s，还有 %(num)s 天开始", (window.opens - today).days, **values
            )
            lines.append((text, "wait"))
        elif today > window.closes:
            text = language.ngettext(
                "%(level)s办理时间：%(opens)s—%(closes)s，已结束 %(num)s 天", (today - window.closes).days, **values
            )
            lines.append((text, "bad"))
        elif today == window.closes:
            text = language.gettext("%(level)s办理时间：%(opens)s—%(closes)s，今天截止", **values)
            lines.append((text, "todo"))
        else:
            text = language.ngettext(
                "%(level)s办理时间：%(opens)s—%(closes)s，还剩 %(num)s 天", (window.closes - today).days, **values
            )
            lines.append((text, "wait"))
    return lines


def day_lines(reader: ReaderContext, trend: Trend, order: Sequence[str]) -> list[DayLine]:
    """Return each day, the newest first."""
    return [
        DayLine(
            reader.language.day(day.day, reader.now),
            day.clear,
            reader.language.percent(day.clear, trend.students),
            tuple(day.by_step[step] for step in order),
        )
        for day in reversed(trend.days)
    ]


def span_lines(reader: ReaderContext, spans: Sequence[Span]) -> list[SpanLine]:
    """Return how many days each college needed, all students first."""
    return [
        SpanLine(
            span.college or reader.language.gettext("合计"),
            span.students,
            span.clear,
            tuple(str(count) for count in span.quartiles or ()),
        )
        for span in spans
    ]
