"""The overview: the answer in one sentence, the season, classes to look at, and colleges by step.

All of it is inside the account's grants.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from portal.access.reader_context import STATES, WHERE, ReaderContext, reader_context
from portal.access.requires import for_visitors
from portal.documents import overview_sheets
from portal.i18n import labels
from portal.page.context import SignedIn
from portal.present.charts import Amount, Bars, SegmentKind, bars
from portal.staff import groups, season
from status_db.accounts.accounts import Act
from status_db.accounts.audit_log import AuditEvent
from status_db.model import State
from status_db.queries.lists import ListSelection
from status_db.views import Overview, StepCounts, Where

#: The order in a bar from left to right: settled first, still to do last.
_DRAWN = (
    State.CLEARED,
    State.EXEMPT,
    State.OPEN,
    State.PENDING,
    State.CLOSED,
    State.UNKNOWN,
    State.NOT_DONE,
    State.HELD,
)

#: Patterns over the colours, so that colour alone never carries a meaning.
_PATTERNS: Mapping[State, str] = {
    State.HELD: "hatch",
    State.NOT_DONE: "dots",
    State.PENDING: "lines",
    State.OPEN: "bars",
    State.CLOSED: "cross",
    State.UNKNOWN: "dots",
}

#: Classes shown on the overview. A page of their own lists all of them.
_SHOWN_CLASSES = 10


@dataclass(frozen=True, slots=True)
class OverviewRow:
    """The counts of one step."""

    title: str
    address: str
    total: int
    counts: tuple[int, ...]
    #: Cleared and exempt.
    settled: int
    share: str
    by_decision: int
    disputed: int
    as_of: str
    stale: bool


@dataclass(frozen=True, slots=True)
class Total:
    """One figure at the top of the page."""

    word: str
    tone: str
    count: int
    share: str
    address: str


@dataclass(frozen=True, slots=True)
class Read:
    """What the page and its file show."""

    reader: ReaderContext
    college: str
    overview: Overview
    season: season.SeasonTrends

    @property
    def order(self) -> list[str]:
        """The readable steps that a student has."""
        return [step for step in self.reader.steps if step in self.overview.by_step]

    @property
    def not_clear(self) -> int:
        """How many students are not all clear."""
        return self.overview.students - sum(g.by_where.get(Where.CLEAR, 0) for g in self.overview.classes)


async def overview_page(context: SignedIn) -> Response:
    """Show a whole cohort, or the college in the address."""
    read = await _read(context)
    reader, found, college, order = read.reader, read.overview, read.college, read.order
    trend, language = read.season.trend, reader.language
    lagging = groups.by_number_open(found.classes)
    every = college or context.asked("classes") == "all"
    shown = lagging if every else lagging[:_SHOWN_CLASSES]
    forecast = season.forecast_of(reader, trend, read.not_clear)
    return context.page(
        "overview.html",
        reader=reader,
        college=college,
        answer=_answer(read, forecast),
        forecast=forecast,
        windows=season.window_lines(reader),
        students=found.students,
        totals=_totals(reader, found, college),
        chart=season.chart_of(reader, read.season, forecast),
        cohort_before=read.season.cohort_before.name if read.season.cohort_before else "",
        look_at=[groups.class_line(reader, group) for group in groups.to_look_at(found.classes)],
        heat=None if college else groups.heat_map(reader, order, found, context.asked("sort")),
        columns=[labels.say(language, labels.STATES, state) for state in STATES],
        wheres=[language.gettext(word) for word, *_ in WHERE.values()],
        lines=[_step_counts_line(reader, step, found, college) for step in order],
        steps_chart=_steps_chart(reader, order, found.by_step),
        classes=[groups.class_line(reader, group) for group in shown],
        more_classes=0 if every else max(0, len(lagging) - _SHOWN_CLASSES),
        all_classes=reader.address("/overview", classes="all"),
        day_titles=[reader.titles[step] for step in order if step in trend.with_step],
        days=season.day_lines(reader, trend, [step for step in order if step in trend.with_step]),
        spans=season.span_lines(reader, trend.spans),
        list_address=reader.address("/lists", college=college),
        report_address=reader.address("/report", college=college),
        export=reader.address("/overview.xlsx", college=college),
        at=language.moment(reader.now, reader.now),
        as_of=reader.as_of(found.freshness),
        stale=reader.stale(found.freshness),
    )


async def export(context: SignedIn) -> Response:
    """Return the overview as an Excel file. If the audit event cannot be recorded, no file is sent."""
    read = await _read(context)
    who = f"{context.account.name} ({context.account.account})"
    book = await context.ask_long(
        overview_sheets.workbook, read.reader, read.order, read.overview, read.season.trend, who
    )
    await context.audit(
        AuditEvent.EXPORTED,
        cohort=read.reader.cohort.key,
        what="overview",
        scope=read.reader.scope(),
        students=read.overview.students,
    )
    name = quote(overview_sheets.file_name(read.reader))
    return Response(
        book,
        media_type="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        headers={"Content-Disposition": f"attachment; filename*=utf-8''{name}"},
    )


async def _read(context: SignedIn) -> Read:
    """Read the cohort, or the college in the address. Raise 404 for a college that is not readable."""
    reader = reader_context(context)
    college = context.asked("college")
    found = await context.ask_long(context.services.reader.seen, reader.visibility, reader.now, college or None)
    if college and not found.students:
        raise HTTPException(404)
    return Read(reader, college, found, await season.read_season(context, reader, college))


def _answer(read: Read, forecast: tuple[object, int] | None) -> str:
    """Return how many are not settled, where most of them must go, and what the forecast is, in one sentence."""
    reader, language, open_now = read.reader, read.reader.language, read.not_clear
    everybody = f"{read.overview.students:,}"
    if not open_now:
        return language.gettext("%(students)s 人，已全部办结。", students=everybody)
    stuck = groups.most_stuck(reader, read.overview.classes)
    parts = [
        language.ngettext("%(students)s 人，%(open)s 人还没办结", open_now, students=everybody, open=f"{open_now:,}")
    ]
    waiting = sum(group.by_where.get(Where.WAITING, 0) for group in read.overview.classes)
    if waiting:
        parts.append(language.ngettext("其中 %(count)s 人等待学校处理", waiting, count=f"{waiting:,}"))
    if stuck:
        parts.append(
            language.gettext("主要卡在%(step)s %(count)s", step=reader.titles[stuck[0]], count=f"{stuck[1]:,}")
        )
    text = language.comma.join(parts)
    if forecast is None:
        return text + language.stop
    closes, left = season.last_day(reader.cohort), forecast[1]
    assert closes is not None  # noqa: S101 - there is no forecast without it
    ahead = language.gettext(
        "按现在的速度 %(day)s 还剩约 %(left)s", day=language.day(closes, reader.now), left=f"{left:,}"
    )
    between = "; " if language.code == "en" else "；"
    return text + between + ahead + language.stop


def _totals(reader: ReaderContext, found: Overview, college: str) -> list[Total]:
    sums = {where: sum(group.by_where.get(where, 0) for group in found.classes) for where in Where}
    return [
        Total(
            reader.language.gettext(word),
            tone,
            sums[where],
            reader.language.percent(sums[where], found.students),
            reader.address("/lists", wanted=wanted, college=college),
        )
        for where, (word, tone, _, wanted) in reversed(tuple(WHERE.items()))
    ]


def _step_counts_line(reader: ReaderContext, step: str, found: Overview, college: str) -> OverviewRow:
    step_counts, fresh = found.by_step[step], found.freshness.get(step)
    settled = step_counts.total - groups.not_clear(step_counts.by_state)
    return OverviewRow(
        title=reader.titles[step],
        address=reader.address("/lists", step=step, wanted=ListSelection.NOT_CLEAR, college=college),
        total=step_counts.total,
        counts=tuple(step_counts.by_state.get(state, 0) for state in STATES),
        settled=settled,
        share=reader.language.percent(settled, step_counts.total),
        by_decision=step_counts.by_decision,
        disputed=step_counts.disputed,
        as_of=reader.language.moment(fresh.as_of, reader.now) if fresh and fresh.as_of else "",
        stale=fresh is not None and fresh.stale(reader.now),
    )


def _steps_chart(reader: ReaderContext, order: Sequence[str], tallies: Mapping[str, StepCounts]) -> Bars:
    language = reader.language
    kinds = [
        SegmentKind(labels.say(language, labels.STATES, state), labels.TONES[state], _PATTERNS.get(state, ""))
        for state in _DRAWN
    ]
    amounts = [
        Amount(
            reader.titles[step],
            tuple(tallies[step].by_state.get(state, 0) for state in _DRAWN),
            language.percent(tallies[step].total - groups.not_clear(tallies[step].by_state), tallies[step].total),
        )
        for step in order
    ]
    title = language.gettext("各环节的状态")
    return bars("steps", title, language.gettext("每条为一个环节的全部学生，数字同下表。"), kinds, amounts)


ROUTES = (
    Route("/overview", for_visitors(overview_page, Act.READ, long=True)),
    Route("/overview.xlsx", for_visitors(export, Act.READ, long=True)),
)
