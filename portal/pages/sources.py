"""Sources and runs: for administrators, and for leaders who read everything."""

from datetime import datetime

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from portal import cards, reasons, words
from portal.entrance import for_visitors
from portal.house import House, Visitor
from portal.languages import Language
from status_db.accounts import Account, Act
from status_db.model import ROSTER, RunState
from status_db.views import FlipView, RunView, SourceView

_RUNS = 50
_FLIPS = 200


def _may_see(account: Account) -> bool:
    reading = [grant for grant in account.grants if grant.act in (Act.READ, Act.AUDIT)]
    return account.may(Act.MANAGE) or any(grant.step is None and not grant.scope for grant in reading)


async def page(request: Request, house: House, visitor: Visitor) -> Response:
    """Show every source as it stands, and the newest runs."""
    if not _may_see(visitor.account):
        raise HTTPException(403)
    language, now, cohort = house.language(request), house.clock(), house.settings.cohort_keys()[0]
    views = await house.ask(house.reader.sources, cohort)
    runs = await house.ask(house.reader.runs, cohort, None, _RUNS)
    titles = _titles(language, house)
    return house.page(
        request,
        "sources.html",
        sources=[_source(language, titles, view, now) for view in views],
        runs=[_run(language, titles, view, now) for view in runs],
    )


async def run(request: Request, house: House, visitor: Visitor) -> Response:
    """Show one run: what happened, its figures and proofs, and the changes it made."""
    if not _may_see(visitor.account):
        raise HTTPException(403)
    language, now, cohort = house.language(request), house.clock(), house.settings.cohort_keys()[0]
    number = int(request.path_params["run"])
    found = await house.ask(house.reader.run, cohort, number)
    if found is None:
        raise HTTPException(404)
    flips = await house.ask(house.reader.flips_of_run, cohort, number, _FLIPS)
    return house.page(
        request,
        "run.html",
        run=_run(language, _titles(language, house), found, now),
        counts=[
            (words.say(language, words.COUNTS, key), "✓" if value is True else value)
            for key, value in found.counts.items()
        ],
        proofs=[(words.say(language, words.PROOFS, kind), detail) for kind, detail in found.proofs],
        flips=[_flip(language, house, flip) for flip in flips],
        more=len(flips) == _FLIPS,
    )


def _titles(language: Language, house: House) -> dict[str, str]:
    titles = {name: language.pick(s.title, s.title_en) or name for name, s in house.settings.source.items()}
    return {ROSTER: language.gettext("离校名单")} | titles


def _source(language: Language, titles: dict[str, str], view: SourceView, now: datetime) -> dict[str, object]:
    return {
        "title": titles.get(view.source, view.source),
        "name": view.source,
        "as_of": language.moment(view.as_of, now) if view.as_of else "",
        "stale": view.stale(now),
        "weaker": [words.say(language, words.WEAKER, name) for name in view.weaker_proofs],
        "held": view.held,
        "unknown": view.unknown,
        "strangers": view.strangers,
        "last": _run(language, titles, view.last_run, now) if view.last_run else None,
        "waits": view.suspended.run if view.suspended else None,
    }


def _run(language: Language, titles: dict[str, str], view: RunView, now: datetime) -> dict[str, object]:
    return {
        "number": view.run,
        "title": titles.get(view.source, view.source),
        "state": words.say(language, words.RUN_STATES, view.state),
        "tone": words.RUN_TONES.get(view.state, "wait"),
        "began": language.moment(view.began, now),
        "seconds": f"{(view.ended - view.began).total_seconds():.1f}" if view.ended else "",
        "by": view.by,
        "student": view.student or "",
        "message": view.message,
        "flips": view.counts.get("flips", 0) if view.state is RunState.APPLIED else 0,
        "rows": view.counts.get("rows", ""),
        "decided_by": view.decided_by or "",
    }


def _flip(language: Language, house: House, flip: FlipView) -> dict[str, str]:
    evidence = reasons.owed(language, flip.evidence, flip.at)
    return {
        "student": flip.student,
        "title": cards.step_titles(language, house.settings).get(flip.step, flip.step),
        "before": words.say(language, words.STATES, words.state_of(flip.before)),
        "after": words.say(language, words.STATES, words.state_of(flip.after, flip.reason)),
        "evidence": language.listed(owed.what for owed in evidence),
    }


ROUTES = (Route("/sources", for_visitors(page)), Route("/runs/{run:int}", for_visitors(run)))
