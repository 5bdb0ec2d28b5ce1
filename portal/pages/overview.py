"""The overview: how many stand where, step by step and college by college, within what an account may read."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from config.settings import Settings
from portal import cards, words
from portal.auth.rights import readable
from portal.entrance import for_visitors
from portal.house import House, Visitor
from portal.languages import Language
from status_db.accounts import Act
from status_db.model import State
from status_db.reader import Reader
from status_db.views import Scope, StepSource, Tally

#: The states counted apart, in the order of the columns.
COLUMNS = (
    State.CLEARED,
    State.HELD,
    State.NOT_DONE,
    State.PENDING,
    State.OPEN,
    State.CLOSED,
    State.UNKNOWN,
    State.EXEMPT,
)


@dataclass(frozen=True, slots=True)
class Line:
    """One step, counted."""

    title: str
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
class CollegeLine:
    """One college: for each step how many are settled, of how many; None where it has no such step."""

    college: str
    cells: tuple[tuple[int, int] | None, ...]


@dataclass(frozen=True, slots=True)
class Counted:
    """Everything an account may read of a cohort, counted."""

    by_step: Mapping[str, Tally]
    by_college: Mapping[str, Mapping[str, Tally]]
    freshness: Mapping[str, StepSource]


def counted(reader: Reader, cohort: str, now: datetime, steps: Mapping[str, Sequence[Scope]]) -> Counted:
    """Count each step within the scopes it may be read in; steps with the same scopes are counted together."""
    together: dict[str, tuple[Sequence[Scope], list[str]]] = {}
    for step, scopes in steps.items():
        together.setdefault(repr(scopes), (scopes, []))[1].append(step)
    by_step: dict[str, Tally] = {}
    by_college: dict[str, dict[str, Tally]] = defaultdict(dict)
    freshness: Mapping[str, StepSource] = {}
    for scopes, own in together.values():
        found = reader.overview(cohort, now, scopes)
        freshness = found.freshness
        by_step |= {step: found.by_step[step] for step in own if step in found.by_step}
        for college, tallies in found.by_college.items():
            by_college[college] |= {step: tallies[step] for step in own if step in tallies}
    return Counted(by_step, dict(sorted(by_college.items())), freshness)


async def page(request: Request, house: House, visitor: Visitor) -> Response:
    """Show the newest cohort, or the one that the address names."""
    settings, language, now = house.settings, house.language(request), house.clock()
    keys = settings.cohort_keys()
    asked = request.query_params.get("cohort", keys[0])
    cohort = settings.cohort_named(asked if asked in keys else keys[0])
    steps = readable(visitor.account, [step.key for step in settings.step], cohort.key)
    found = await house.ask_long(counted, house.reader, cohort.key, now, steps)
    order = [step.key for step in settings.step if step.key in found.by_step]
    return house.page(
        request,
        "overview.html",
        cohort=cohort,
        cohorts=[c for c in settings.cohort if c.key != cohort.key],
        columns=[words.say(language, words.STATES, state) for state in COLUMNS],
        lines=[_line(language, settings, step, found, now) for step in order],
        colleges=[
            CollegeLine(c, tuple(_cell(tallies.get(s)) for s in order)) for c, tallies in found.by_college.items()
        ],
        at=language.moment(now, now),
    )


def _line(language: Language, settings: Settings, step: str, found: Counted, now: datetime) -> Line:
    tally, fresh = found.by_step[step], found.freshness.get(step)
    settled, _ = _cell(tally) or (0, 0)
    return Line(
        title=cards.step_titles(language, settings)[step],
        total=tally.total,
        counts=tuple(tally.by_state.get(state, 0) for state in COLUMNS),
        settled=settled,
        share=language.percent(settled, tally.total),
        by_decision=tally.by_decision,
        disputed=tally.disputed,
        as_of=language.moment(fresh.as_of, now) if fresh and fresh.as_of else "",
        stale=fresh is not None and fresh.stale(now),
    )


def _cell(tally: Tally | None) -> tuple[int, int] | None:
    if tally is None:
        return None
    return tally.by_state.get(State.CLEARED, 0) + tally.by_state.get(State.EXEMPT, 0), tally.total


ROUTES = (Route("/overview", for_visitors(page, Act.READ)),)
