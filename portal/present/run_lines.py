"""Runs as pages show them: a line of a list, why a run ended, and what it would change or has changed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from portal.i18n import admin_labels, labels
from portal.i18n.labels import N_
from portal.i18n.languages import Language
from portal.page.account_names import People
from portal.page.context import Context
from portal.present import guard_reasons, reasons
from status_db.guard_reasons import GuardReason, GuardReasonKind
from status_db.marks.impact import Impact, ImpactPerson
from status_db.model import ROSTER, SETTINGS, RunState, State, Verdict
from status_db.stored_counts import RunCounts
from status_db.views import FlipView, RunView

#: The most unmatched rows listed.
_UNMATCHED = 50

#: Titles of runs that do not belong to a source.
_OWN_TITLES = {ROSTER: N_("离校名单"), SETTINGS: N_("设置变更")}


@dataclass(frozen=True, slots=True)
class RunLine:
    """A run, as lists show it."""

    number: int
    title: str
    state: str
    tone: str
    began: str
    seconds: str
    by: str
    student: str
    why: tuple[str, ...]
    message: str
    flips: int
    decided_by: str


@dataclass(frozen=True, slots=True)
class PersonLine:
    """One student whose status a run would change."""

    student: str
    name: str
    college: str
    class_name: str
    before: str
    after: str
    evidence: str


@dataclass(frozen=True, slots=True)
class ImpactShown:
    """What a run would do."""

    roster: bool
    changes: tuple[str, ...]
    moved: tuple[tuple[str, str, str, int], ...]
    students: int
    sample: tuple[PersonLine, ...]
    spot_check: tuple[PersonLine, ...]
    unmatched: tuple[tuple[str, str, bool, str], ...]
    unmatched_count: int


@dataclass(frozen=True, slots=True)
class FlipLine:
    """One change that a run made."""

    student: str
    title: str
    before: str
    after: str
    evidence: str


def title(context: Context, source: str) -> str:
    """Return a source's title. A source no longer in the settings has its name."""
    if (own := context.settings.source.get(source)) is not None:
        return context.language.pick(own.title, own.title_en) or source
    return context.language.gettext(_OWN_TITLES[source]) if source in _OWN_TITLES else source


def run_line(context: Context, view: RunView, people: People | None = None) -> RunLine:
    """Return a run as lists show it; with `people`, by their names."""
    name = people.name if people is not None else str
    return RunLine(
        number=view.run,
        title=title(context, view.source),
        state=labels.say(context.language, labels.RUN_STATES, view.state),
        tone=labels.RUN_TONES.get(view.state, "wait"),
        began=context.language.moment(view.began, context.now),
        seconds=f"{(view.ended - view.began).total_seconds():.1f}" if view.ended else "",
        by=name(view.by),
        student=view.student or "",
        why=why(context, view),
        message=view.message,
        flips=view.counts.flips or 0 if view.state is RunState.APPLIED else 0,
        decided_by=name(view.decided_by) if view.decided_by else "",
    )


#: What the run of a state did, where no reason says more.
_DID: Mapping[RunState, str] = {
    RunState.RUNNING: N_("同步进行中，学生状态还没有变。"),
    RunState.UNCHANGED: N_("数据与上次相同，学生状态未变。"),
    RunState.SKIPPED: N_("已跳过，学生状态未变。"),
    RunState.SUSPENDED: N_("变动须批准后生效。"),
}

#: Guard reasons of a source that returned nothing.
_NOTHING = (GuardReasonKind.NO_ROWS, GuardReasonKind.ROSTER_EMPTY)


def lead(context: Context, view: RunView) -> str:
    """Return the sentence that matters of a run: why it waits or ended, else what it did."""
    if view.state is RunState.APPLIED:
        flips = view.counts.flips or 0
        if not flips:
            return context.language.gettext("已生效，没有状态变更。")
        return context.language.ngettext("已生效，%(num)s 项状态变更。", flips)
    sentences = why(context, view)
    if sentences:
        return sentences[0]
    return context.language.gettext(_DID[view.state]) if view.state in _DID else ""


def returned_nothing(view: RunView) -> bool:
    """Return whether the source of a run returned no row, or none about a student of the roster."""
    nothing = 0 in (view.counts.rows, view.counts.roster_rows)
    return nothing or any(reason.kind in _NOTHING for reason in view.reasons)


def counts(language: Language, counted: RunCounts) -> list[tuple[str, object]]:
    """Return the counts of a run with their words. Counts that do not apply to its kind are left out."""
    listed = ((language.gettext(word), count(counted)) for count, word in labels.COUNTS)
    return [(word, "✓" if value is True else value) for word, value in listed if value is not None]


def why(context: Context, view: RunView) -> tuple[str, ...]:
    """Return why a run ended as it did: its state, its fault, and the guard reasons."""
    sentences = [admin_labels.ENDINGS[view.state]] if view.state in admin_labels.ENDINGS else []
    fault = admin_labels.FAULTS.get(view.fault or "")
    if fault and view.state is not RunState.SUSPENDED and not view.reasons:
        sentences.append(fault)
    # That nothing came matters more than what would follow from it.
    reasons_first = sorted(view.reasons, key=lambda reason: reason.kind not in _NOTHING)
    return (*map(context.language.gettext, sentences), *(held_back(context, view.source, one) for one in reasons_first))


def held_back(context: Context, source: str, reason: GuardReason) -> str:
    """Return the guard reasons of a source's run as text."""
    return guard_reasons.reason_text(context.language, reason, undone=_lists_acts(context, source))


def _lists_acts(context: Context, source: str) -> bool:
    """Return whether a source lists completed acts: a student not listed has not done the act, but has no debt."""
    known = context.settings.source.get(source)
    return known is not None and known.means == "status"


def looked_at(context: Context, look: Impact) -> ImpactShown:
    """Return what a run would do, as a page shows it."""
    return ImpactShown(
        roster=look.source == ROSTER,
        changes=look.changes,
        moved=tuple(
            (m.college, _state(context, look, m.before), _state(context, look, m.after), m.students) for m in look.moved
        ),
        students=sum(m.students for m in look.moved),
        sample=tuple(_person(context, look, one) for one in look.sample),
        spot_check=tuple(_person(context, look, one) for one in look.spot_check),
        unmatched=tuple(
            (one.key, labels.say(context.language, admin_labels.HINT, one.hint), bool(one.hint), one.student)
            for one in look.unmatched[:_UNMATCHED]
        ),
        unmatched_count=look.unmatched_count,
    )


def _state(context: Context, look: Impact, verdict: Verdict) -> str:
    """Return a source's own verdict as text."""
    undone = verdict is Verdict.HELD and _lists_acts(context, look.source)
    return labels.say(context.language, labels.STATES, State.NOT_DONE if undone else labels.state_of(verdict))


def _person(context: Context, look: Impact, one: ImpactPerson) -> PersonLine:
    owed = reasons.sentence(context.language, one.evidence, context.now)
    if owed and one.before is Verdict.HELD and one.after is not Verdict.HELD:
        # The evidence belongs to the debt that this change removes.
        owed = context.language.gettext("原有：%(owed)s", owed=owed)
    return PersonLine(
        student=one.student,
        name=one.name,
        college=one.college,
        class_name=one.class_name,
        before=_state(context, look, one.before),
        after=_state(context, look, one.after),
        evidence=owed,
    )


def flip_lines(context: Context, flips: Sequence[FlipView]) -> list[FlipLine]:
    """Return the changes of a run as its page shows them."""
    titles = labels.step_titles(context.language, context.settings)
    return [_flip_line(context.language, titles, flip) for flip in flips]


def _flip_line(language: Language, titles: Mapping[str, str], flip: FlipView) -> FlipLine:
    evidence = reasons.owed(language, flip.evidence, flip.at)
    return FlipLine(
        student=flip.student,
        title=titles.get(flip.step, flip.step),
        before=labels.say(language, labels.STATES, labels.state_of(flip.before)),
        after=labels.say(language, labels.STATES, labels.state_of(flip.after, flip.reason)),
        evidence=language.listed(owed.what for owed in evidence),
    )
