"""Runs as pages show them: a line of a list, why a run ended, and what it would change or has changed."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from portal.i18n import admin_labels, labels
from portal.i18n.labels import later
from portal.i18n.languages import Language
from portal.page.context import House
from portal.present import guard_reasons, reasons
from status_db.guard_reasons import Objection
from status_db.marks.impact import Look, Looked
from status_db.model import ROSTER, SETTINGS, RunState, State, Verdict
from status_db.views import FlipView, RunView

#: At most this many unmatched rows are listed.
_UNMATCHED = 50

#: What runs are about that are not a source's.
_OWN_TITLES = {ROSTER: later("离校名单"), SETTINGS: later("设置变更")}


def title(language: Language, house: House, source: str) -> str:
    """Return what people call a source: its name where the settings no longer have it."""
    if (own := house.settings.source.get(source)) is not None:
        return language.pick(own.title, own.title_en) or source
    return language.gettext(_OWN_TITLES[source]) if source in _OWN_TITLES else source


def line(language: Language, house: House, view: RunView, now: datetime) -> dict[str, object]:
    """Return a run as lists show it."""
    return {
        "number": view.run,
        "title": title(language, house, view.source),
        "state": labels.say(language, labels.RUN_STATES, view.state),
        "tone": labels.RUN_TONES.get(view.state, "wait"),
        "began": language.moment(view.began, now),
        "seconds": f"{(view.ended - view.began).total_seconds():.1f}" if view.ended else "",
        "by": view.by,
        "student": view.student or "",
        "why": why(language, house, view),
        "message": view.message,
        "flips": view.counts.get("flips", 0) if view.state is RunState.APPLIED else 0,
        "decided_by": view.decided_by or "",
    }


def why(language: Language, house: House, view: RunView) -> tuple[str, ...]:
    """Return in plain words why a run ended as it did: its end, its fault, and the reasons of the guard."""
    said = [admin_labels.ENDINGS[view.state]] if view.state in admin_labels.ENDINGS else []
    fault = admin_labels.FAULTS.get(view.fault or "")
    if fault and view.state is not RunState.SUSPENDED and not view.objections:
        said.append(fault)
    return (*map(language.gettext, said), *(held_back(language, house, view.source, one) for one in view.objections))


def held_back(language: Language, house: House, source: str, reason: Objection) -> str:
    """Return in words why the guard holds back a change of a source."""
    return guard_reasons.said(language, reason, undone=_lists_acts(house, source))


def _lists_acts(house: House, source: str) -> bool:
    """Return whether a source lists who has done something: anyone not listed has not done it, and owes nothing."""
    known = house.settings.source.get(source)
    return known is not None and known.means == "status"


def looked_at(language: Language, house: House, look: Look, now: datetime) -> dict[str, object]:
    """Return what a run would do, as a page shows it."""
    return {
        "roster": look.source == ROSTER,
        "changes": look.changes,
        "moved": [
            (m.college, _state(language, house, look, m.before), _state(language, house, look, m.after), m.students)
            for m in look.moved
        ],
        "students": sum(m.students for m in look.moved),
        "sample": [_person(language, house, look, one, now) for one in look.sample],
        "spot_check": [_person(language, house, look, one, now) for one in look.spot_check],
        "unmatched": [
            (one.key, labels.say(language, admin_labels.NEAR, one.hint), bool(one.hint), one.student)
            for one in look.unmatched[:_UNMATCHED]
        ],
        "unmatched_count": look.unmatched_count,
    }


def _state(language: Language, house: House, look: Look, verdict: Verdict) -> str:
    """Say a source's own verdict."""
    undone = verdict is Verdict.HELD and _lists_acts(house, look.source)
    return labels.say(language, labels.STATES, State.NOT_DONE if undone else labels.state_of(verdict))


def _person(language: Language, house: House, look: Look, one: Looked, now: datetime) -> dict[str, str]:
    owed = reasons.sentence(language, one.evidence, now)
    if owed and one.before is Verdict.HELD and one.after is not Verdict.HELD:
        # The evidence is of the debt that ends with this change.
        owed = language.gettext("原先：%(owed)s", owed=owed)
    return {
        "student": one.student,
        "name": one.name,
        "college": one.college,
        "class_name": one.class_name,
        "before": _state(language, house, look, one.before),
        "after": _state(language, house, look, one.after),
        "evidence": owed,
    }


def flip_lines(language: Language, house: House, flips: Sequence[FlipView]) -> list[dict[str, str]]:
    """Return the changes of a run as its page shows them."""
    titles = labels.step_titles(language, house.settings)
    return [_flip_line(language, titles, flip) for flip in flips]


def _flip_line(language: Language, titles: Mapping[str, str], flip: FlipView) -> dict[str, str]:
    evidence = reasons.owed(language, flip.evidence, flip.at)
    return {
        "student": flip.student,
        "title": titles.get(flip.step, flip.step),
        "before": labels.say(language, labels.STATES, labels.state_of(flip.before)),
        "after": labels.say(language, labels.STATES, labels.state_of(flip.after, flip.reason)),
        "evidence": language.listed(owed.what for owed in evidence),
    }
