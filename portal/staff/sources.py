"""The sources and their state, for administrators, auditors, and leaders that can read everything."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from config.timetable import timetable_of
from portal.access.requires import for_visitors
from portal.auth.permissions import oversees
from portal.i18n import admin_labels, labels
from portal.i18n.labels import N_
from portal.i18n.languages import Language
from portal.page.account_names import People, people_of
from portal.page.context import Context, SignedIn
from portal.present import run_lines
from portal.staff.run_bars import BARS, RunBars, bars_of
from status_db.accounts.accounts import Act
from status_db.failing import AttemptState
from status_db.inbox.pauses import Pause
from status_db.inbox.requests import Request, RequestOutcome
from status_db.model import ROSTER, SETTINGS, RunState
from status_db.stored_counts import NO_COUNTS
from status_db.views import RunView, SourceView

_RUNS = 10

#: How long the result of a requested sync is shown.
_ASKED_SHOWN = timedelta(hours=1)

#: Row counts below this part of the usual count are highlighted.
_FEW = 0.7

#: From this part of the limit on, in percent, data are old.
_OLD = 80

#: From here on, a time span is in hours (minutes) and in days (hours).
_HOURS_FROM, _DAYS_FROM = 120, 72


@dataclass(frozen=True, slots=True)
class Health:
    """The state of a source, with its word and mark, the most serious first."""

    rank: int
    tone: str
    mark: str
    word: str


WAITS = Health(0, "todo", "!", N_("待批准"))
STALE = Health(1, "bad", "✕", N_("数据过期"))
FAILING = Health(2, "todo", "!", N_("最近一次同步失败，数据未过期"))
SILENT = Health(3, "wait", "?", N_("暂无数据"))
WELL = Health(4, "good", "✓", N_("正常"))
QUARANTINED = Health(0, "bad", "✕", N_("已隔离：一直失败，只偶尔重试"))
PAUSED = Health(2, "wait", "‖", N_("已停查，不按计划查询"))

_FAILED = (RunState.FAILED, RunState.ABANDONED)


@dataclass(frozen=True, slots=True)
class PauseLine:
    """A pause: who paused the source, since when, and why."""

    who: str
    at: str
    reason: str


@dataclass(frozen=True, slots=True)
class FailingLine:
    """The failed runs of a source since its last good answer."""

    count: int
    since: str
    why: str
    message: str


@dataclass(frozen=True, slots=True)
class AgeLine:
    """The age of a source's data against their limit."""

    text: str
    #: Of the limit, as a width; at most all of it.
    percent: str
    tone: str


@dataclass(frozen=True, slots=True)
class SourceLine:
    """One source and its state."""

    title: str
    name: str
    tone: str
    mark: str
    health: str
    as_of: str
    fresh_until: str
    stale: bool
    weaker: tuple[str, ...]
    rows: int | None
    usual: str
    few: bool
    held: int
    not_done: int
    unknown: int
    unmatched_keys: int
    next: str
    last: run_lines.RunLine | None
    running: int | None
    waits: int | None
    pause: PauseLine | None
    failing: FailingLine | None
    #: How old the data are, and the last runs as bars. None before the first.
    age: AgeLine | None
    bars: RunBars | None
    #: The hours without scheduled pulls.
    quiet: str
    #: The newest request to sync it now: its time, and how it ended; empty while it waits.
    asked: tuple[str, str] | None


def health_of(view: SourceView, now: datetime, pause: Pause | None = None) -> Health:
    """Return the state of one source."""
    if view.attempts.state is AttemptState.QUARANTINED:
        return QUARANTINED
    if pause is not None:
        return PAUSED
    if view.suspended is not None:
        return WAITS
    if view.as_of is None:
        return SILENT
    if view.stale(now):
        return STALE
    # After a revert, the newest run is well although the pulls before it have failed.
    failed = view.attempts.failed is not None or (view.last_run is not None and view.last_run.state in _FAILED)
    return FAILING if failed else WELL


async def sources_page(context: SignedIn) -> Response:
    """Show all sources, those that wait for a person first, and the newest runs."""
    return await show_sources(context)


async def show_sources(context: SignedIn, *, refused: str = "", source: str = "", reason: str = "") -> Response:
    """Show the page. `refused` is why a form about a source is refused; `reason` is what was written there."""
    if not oversees(context.account):
        raise HTTPException(403)
    language, now, cohort = context.language, context.now, context.cohort.key
    services = context.services
    views = await context.ask(services.reader.sources, cohort)
    newest = await context.ask(services.runs.recent, cohort, (*(view.source for view in views), SETTINGS), BARS)
    paused = await context.ask(services.pauses.current)
    asked = await context.ask(services.requests.last_syncs, cohort, now - _ASKED_SHOWN)
    people = await people_of(context, (pause.account for pause in paused.values()))
    runs_of: dict[str, list[RunView]] = {}
    for run in newest:
        runs_of.setdefault(run.source, []).append(run)
    ordered = sorted(views, key=lambda view: health_of(view, now, paused.get(view.source)).rank)
    return context.page(
        "sources.html",
        status=409 if refused else 200,
        sources=[
            _source(
                context, view, paused.get(view.source), asked.get(view.source), people, runs_of.get(view.source, ())
            )
            for view in ordered
        ],
        manages=context.account.may(Act.MANAGE),
        refused=(source, refused, reason),
        waiting=sum(1 for view in views if view.suspended is not None),
        runs=[run_lines.run_line(context, view) for view in newest[:_RUNS]],
        at=language.moment(now, now),
    )


#: The results of a request to sync a source, on its card.
_RESULTS = {
    RequestOutcome.DONE: N_("已完成"),
    RequestOutcome.REFUSED: N_("没有执行"),
    RequestOutcome.FAILED: N_("失败，原因见最近一次同步"),
}


def _failing(context: Context, view: SourceView) -> FailingLine | None:
    failed = view.attempts.failed
    if failed is None:
        return None
    fault = admin_labels.FAULTS.get(failed.fault, "")
    since = context.language.moment(failed.since, context.now)
    return FailingLine(failed.count, since, context.language.gettext(fault) if fault else "", failed.message)


def _asked(context: Context, request: Request | None) -> tuple[str, str] | None:
    if request is None:
        return None
    ended = context.language.gettext(_RESULTS[request.outcome]) if request.outcome else ""
    return context.language.moment(request.at, context.now), ended


def _age(context: Context, view: SourceView) -> AgeLine | None:
    """Return how old the data are against their limit; None before the first answer."""
    if view.as_of is None or view.fresh_until is None:
        return None
    age, limit = context.now - view.as_of, view.fresh_until - view.as_of
    language, share = context.language, 100 * max(age, timedelta()) / limit if limit else 100.0
    return AgeLine(
        text=language.gettext("%(age)s，有效 %(limit)s", age=_span(language, age), limit=_span(language, limit)),
        percent=f"{min(100.0, share):.0f}%",
        tone="bad" if view.stale(context.now) else "todo" if share > _OLD else "good",
    )


def _span(language: Language, span: timedelta) -> str:
    """Return a time span in its largest fitting unit."""
    minutes = max(0, round(span / timedelta(minutes=1)))
    if minutes < _HOURS_FROM:
        return language.ngettext("%(num)s 分钟", minutes)
    hours = minutes // 60
    return (
        language.ngettext("%(num)s 小时", hours) if hours < _DAYS_FROM else language.ngettext("%(num)s 天", hours // 24)
    )


def _source(
    context: Context,
    view: SourceView,
    pause: Pause | None,
    request: Request | None,
    people: People,
    runs: Sequence[RunView],
) -> SourceLine:
    health = health_of(view, context.now, pause)
    next_from = max(context.now, view.attempts.not_before or context.now)
    asked = context.settings.roster if view.source == ROSTER else context.settings.source[view.source]
    usual = f"{median(view.recent_rows):g}" if view.recent_rows else ""
    rows = _newest_row_count(view)
    return SourceLine(
        title=run_lines.title(context, view.source),
        name=view.source,
        tone=health.tone,
        mark=health.mark,
        health=context.language.gettext(health.word),
        as_of=context.language.moment(view.as_of, context.now) if view.as_of else "",
        fresh_until=context.language.moment(view.fresh_until, context.now) if view.fresh_until else "",
        stale=view.stale(context.now),
        weaker=(
            *(labels.say(context.language, labels.WEAKER, name) for name in view.weaker_proofs),
            *([context.language.gettext(labels.WEAKER_CONNECTION)] if view.weaker_connection else []),
        ),
        rows=rows,
        usual=usual,
        few=rows is not None and bool(view.recent_rows) and rows < _FEW * median(view.recent_rows),
        held=view.held,
        not_done=view.not_done,
        unknown=view.unknown,
        unmatched_keys=view.unmatched_keys,
        next=""
        if pause
        else context.language.moment(timetable_of(context.settings, asked).after(next_from), context.now),
        last=run_lines.run_line(context, view.last_run) if view.last_run else None,
        running=view.running.run if view.running else None,
        waits=view.suspended.run if view.suspended else None,
        pause=PauseLine(people.name(pause.account), context.language.moment(pause.at, context.now), pause.reason)
        if pause
        else None,
        age=_age(context, view),
        bars=bars_of(context, runs),
        failing=_failing(context, view),
        quiet=context.language.listed(map(str, asked.quiet)),
        asked=_asked(context, request),
    )


def _newest_row_count(view: SourceView) -> int | None:
    """Return how many rows the newest answer had, whether it was applied or not."""
    counts = view.last_run.counts if view.last_run else NO_COUNTS
    rows = counts.rows if view.source == ROSTER else counts.roster_rows
    if rows is not None:
        return rows
    return view.recent_rows[-1] if view.recent_rows else None


ROUTES = (Route("/sources", for_visitors(sources_page)),)
