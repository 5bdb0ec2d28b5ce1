"""A student's steps as lines: what is to do first, then what waits, then what is settled.

Pure: the time and the language are passed in.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum

from config.settings import Settings
from config.tables.steps import Office, OfficePlace, Step
from portal.i18n import labels
from portal.i18n.labels import step_title, step_titles
from portal.i18n.languages import Language
from portal.present import opening_hours as hours
from portal.present import reasons
from portal.present.reasons import ObligationLine
from status_db.effective_status import EffectiveStatus, StepStatus
from status_db.inbox.announcements import Announcement
from status_db.model import Decision, Obligation, Reason, State, StepKind, Verdict
from status_db.views import FlipView, StudentView

#: The states in which the student must go to the office.
_GO = (State.HELD, State.NOT_DONE)


@dataclass(frozen=True, slots=True)
class PlaceLine:
    """Where to go."""

    where: str
    hours: str
    #: Whether it is open now, and until or from when. Empty if the settings give no opening hours.
    door: str
    open: bool
    phone: str
    url: str


@dataclass(frozen=True, slots=True)
class Note:
    """An announcement."""

    title: str
    body: str
    contact: str
    at: str
    #: The browser has shown it before: it is folded.
    read: bool = False


class StepGroup(IntEnum):
    """The groups of steps on the page, in this order."""

    #: The student must go to the office.
    TO_DO = 0
    #: The university acts next, or the data are missing or out of date.
    WAITING = 1
    CLEAR = 2
    EXEMPT = 3


@dataclass(frozen=True, slots=True)
class StepLine:
    """One step."""

    step: str
    title: str
    #: The office. Empty if the step has its name.
    office: str
    #: Where the line belongs on the page.
    group: "StepGroup"
    #: The status word, with "人工办理" if it was decided by staff, or with the number of steps before a review.
    word: str
    mark: str
    tone: str
    #: "数据过期（截至 …）". Empty while fresh.
    stale: str
    #: Whether there is a new obligation since the decision.
    overtaken_by_debt: bool
    #: The reason and what to do, as one paragraph.
    sentence: str
    #: The operator's note to the student.
    operator_note: str
    #: The condition of a pass and its end. Empty for a pass without a condition.
    condition: str
    #: Until when the decision counts. Empty if it has no end, or if the condition states it.
    until: str
    #: Each obligation. Empty if the sentence has them all.
    owed: tuple[ObligationLine, ...]
    total: str
    #: Where to go. None if the student need not go, or the settings give no place.
    place: PlaceLine | None
    #: How soon the page is updated. Empty if the student need not go.
    updates: str
    #: Time of the data. Empty for steps without a source.
    as_of: str
    #: The office's announcements for this step.
    notes: tuple[Note, ...]
    #: For staff: author and reason of the decision, and whether the finding has changed since.
    decided_by: str
    disputed: bool


@dataclass(frozen=True, slots=True)
class HistoryLine:
    """One change in the student's history."""

    at: str
    title: str
    before: str
    after: str
    cause: str


def step_lines(
    language: Language,
    settings: Settings,
    student: StudentView,
    now: datetime,
    only: Collection[str] | None = None,
    announced: Iterable[Announcement] = (),
    bare: Collection[str] = (),
) -> tuple[StepLine, ...]:
    """Return a line for each step: by group, and in each group in the order of the flow.

    `only` leaves out every other step. Announcements for a step are on its line. A step of `bare` has the number of
    things owed, without their titles and amounts.
    """
    pinned = tuple(announced)
    lines = [
        _step_line(language, settings, student, status, now, pinned, bare=status.step in bare)
        for status in student.steps
        if only is None or status.step in only
    ]
    return tuple(sorted(lines, key=lambda line: line.group))


def history(
    language: Language,
    settings: Settings,
    flips: Iterable[FlipView],
    now: datetime,
    only: Collection[str] | None = None,
) -> tuple[HistoryLine, ...]:
    """Return the changes in the given order, the newest first."""
    titles, kinds = step_titles(language, settings), kinds_of(settings)
    last: dict[str, tuple[Verdict, str]] = {}
    lines: list[HistoryLine] = []
    for flip in reversed(tuple(flips)):
        if only is not None and flip.step not in only:
            continue
        verdict, reason = last.get(flip.step, (flip.before, ""))
        kind = kinds.get(flip.step, StepKind.SYNCED)
        before = labels.state_of(flip.before, reason if verdict is flip.before else "", kind)
        after = labels.state_of(flip.after, flip.reason)
        last[flip.step] = (flip.after, flip.reason)
        lines.append(
            HistoryLine(
                at=language.moment(flip.at, now),
                title=titles.get(flip.step, flip.step),
                before=labels.say(language, labels.STATES, before),
                after=labels.say(language, labels.STATES, after),
                cause=labels.say(language, labels.CAUSES, flip.cause),
            )
        )
    return tuple(reversed(lines))


def note(language: Language, announcement: Announcement, now: datetime, *, read: bool = False) -> Note:
    """Return an announcement in this language."""
    return Note(
        title=language.pick(announcement.title, announcement.title_en),
        body=language.pick(announcement.body, announcement.body_en),
        contact=announcement.contact,
        at=language.moment(announcement.opens, now),
        read=read,
    )


def _step_line(
    language: Language,
    settings: Settings,
    student: StudentView,
    status: StepStatus,
    now: datetime,
    pinned: tuple[Announcement, ...],
    *,
    bare: bool,
) -> StepLine:
    step = settings.step_named(status.step)
    effective = status.at(now)
    decision = status.decision if effective.by_decision else None
    go = must_go(effective)
    evidence = reasons.owing(status.finding.verdict, status.finding.evidence) if go and not bare else ()
    title, office = step_title(language, step), office_name(language, step.office)
    group = _group(effective)
    amount = reasons.total(evidence)
    return StepLine(
        step=status.step,
        title=title,
        office="" if title == office else office,
        group=group,
        word=_state_word(language, status, effective),
        mark=labels.MARKS[effective.state],
        tone="bad" if effective.overtaken_by_debt else labels.TONES[effective.state],
        stale=_stale(language, status, now) if effective.stale else "",
        overtaken_by_debt=effective.overtaken_by_debt,
        sentence=_sentence(language, settings, status, effective, now, bare=bare),
        operator_note=decision.words if decision else "",
        condition=_condition(language, decision, now) if decision and decision.condition else "",
        until=language.moment(decision.until, now) if decision and decision.until and not decision.condition else "",
        owed=reasons.owed(language, evidence, now) if len(evidence) > 1 else (),
        total=language.money(amount) if amount is not None and sum(o.amount is not None for o in evidence) > 1 else "",
        place=_place_line(language, settings, step.office.place(student.campus), now) if go else None,
        updates=_updates(language, settings, step) if go else "",
        as_of=language.moment(status.as_of, now) if status.as_of and not effective.stale else "",
        notes=tuple(note(language, one, now) for one in pinned if one.step == status.step and group < StepGroup.CLEAR),
        decided_by=_decided_by(language, decision, now),
        disputed=effective.disputed,
    )


def _place_line(language: Language, settings: Settings, place: OfficePlace | None, now: datetime) -> PlaceLine | None:
    if place is None:
        return None
    door, is_open = "", False
    if place.open is not None:
        door, is_open = hours.say_door(language, place.open, settings.calendar, now)
    own = language.pick(place.hours, place.hours_en)
    written = own or (hours.say_hours(language, place.open) if place.open is not None else "")
    return PlaceLine(language.pick(place.where, place.where_en), written, door, is_open, place.phone, place.url)


def must_go(effective: EffectiveStatus) -> bool:
    """Return whether the student must go to the office for the step."""
    return effective.state in _GO or effective.overtaken_by_debt


def _group(effective: EffectiveStatus) -> StepGroup:
    if must_go(effective):
        return StepGroup.TO_DO
    if not effective.clear:
        return StepGroup.WAITING
    return StepGroup.EXEMPT if effective.state is State.EXEMPT else StepGroup.CLEAR


def _state_word(language: Language, status: StepStatus, effective: EffectiveStatus) -> str:
    word = labels.say(language, labels.STATES, effective.state)
    if effective.by_decision:
        return "·".join((word, language.gettext("人工办理")))
    if effective.state is State.CLOSED:
        before = language.ngettext("前面还有 %(num)s 项", len(status.waits_for))
        return f"{word} ({before})" if language.code == "en" else f"{word}（{before}）"
    return word


def _sentence(
    language: Language,
    settings: Settings,
    status: StepStatus,
    effective: EffectiveStatus,
    now: datetime,
    *,
    bare: bool,
) -> str:
    step, finding = settings.step_named(status.step), status.finding
    office = office_name(language, step.office)
    match effective.state:
        case State.PENDING:
            return language.gettext("等待%(office)s审核。", office=office)
        case State.CLOSED:
            return language.gettext("前面各环节办结后自动进入终审。")
        case State.OPEN:
            return language.gettext("前面各环节已办结，等待%(office)s终审。", office=office)
        case State.HELD | State.NOT_DONE:
            undone = finding.reason is Reason.NOT_DONE
            owing = reasons.owing(finding.verdict, finding.evidence)
            sentence = _owing_sentence(language, owing, now, undone=undone, bare=bare)
            if effective.by_decision:
                # The operator's note gives the reason. Remaining obligations are still to do.
                sentence = spaced(language, _decided_held(language, settings, status), sentence)
            elif not sentence:
                sentence = reasons.plain(language, finding.reason)
            return spaced(language, sentence, language.pick(step.advice, step.advice_en))
    if effective.overtaken_by_debt:
        owing = reasons.owing(finding.verdict, finding.evidence)
        sentence = _owing_sentence(language, owing, now, undone=False, bare=bare)
        return spaced(language, sentence, language.pick(step.advice, step.advice_en))
    if effective.by_decision:
        return ""
    sentence = reasons.plain(language, finding.reason)
    if finding.reason is Reason.REFUND_DUE and not bare:
        sentence = spaced(language, sentence, reasons.refund(language, finding.evidence))
    return sentence


def _owing_sentence(
    language: Language, owing: tuple[Obligation, ...], now: datetime, *, undone: bool, bare: bool
) -> str:
    if bare:
        return language.sentence([language.ngettext("%(num)s 项未结", len(owing))] if owing else [])
    return reasons.sentence(language, owing, now, undone=undone, named=len(owing) == 1)


def _decided_held(language: Language, settings: Settings, status: StepStatus) -> str:
    decision = status.decision
    if not decision or not decision.reason or decision.words:
        return ""
    return f"{labels.written_word(language, settings, decision.reason)}{language.stop}"


def spaced(language: Language, *sentences: str) -> str:
    """Join sentences as the language does."""
    return (" " if language.code == "en" else "").join(s for s in sentences if s)


def _stale(language: Language, status: StepStatus, now: datetime) -> str:
    if status.as_of is None:
        return language.gettext("数据过期")
    return language.gettext("数据过期（截至 %(moment)s）", moment=language.moment(status.as_of, now))


def _updates(language: Language, settings: Settings, step: Step) -> str:
    """Return how soon the page is updated. Empty if a source does not have a fixed interval."""
    spans = [settings.source[name].every for name in settings.sources_of(step.key)]
    known = [span for span in spans if span is not None]
    if not known or len(known) < len(spans):
        return ""
    longest = max(known)
    if longest < timedelta(hours=1):
        minutes = max(1, round(longest.total_seconds() / 60))
        return language.ngettext("办理后约 %(num)s 分钟更新", minutes)
    return language.ngettext("办理后约 %(num)s 小时更新", round(longest.total_seconds() / 3600))


def _condition(language: Language, decision: Decision, now: datetime) -> str:
    if decision.until is None:
        return language.gettext("有条件通过：%(condition)s", condition=decision.condition)
    return language.gettext(
        "有条件通过：%(condition)s，有效期至 %(moment)s",
        condition=decision.condition,
        moment=language.moment(decision.until, now),
    )


def _decided_by(language: Language, decision: Decision | None, now: datetime) -> str:
    if decision is None:
        return ""
    return language.listed(
        part for part in (decision.author, decision.reason, language.moment(decision.decided_at, now)) if part
    )


def office_name(language: Language, office: Office) -> str:
    """Return an office's name in this language."""
    return language.pick(office.name, office.name_en)


def kinds_of(settings: Settings) -> dict[str, StepKind]:
    """Return each step's kind, as in the first flow that has it."""
    kinds: dict[str, StepKind] = {}
    for flow in settings.flow:
        for entry in flow.entries:
            kinds.setdefault(entry.step, StepKind(entry.kind))
    return kinds
