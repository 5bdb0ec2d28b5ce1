"""Appeals as pages show them: on the student's card, in the office's queue, and on paper.

Pure: the time, the language and the names are passed in. For the guard, see `portal.present.guard_reasons`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from config.settings import Settings
from portal.i18n import labels
from portal.i18n.labels import N_
from portal.i18n.languages import Language
from portal.present import cards, reasons
from portal.present.reasons import ObligationLine
from status_db.effective_status import StepStatus
from status_db.inbox.appeal_rows import Appeal, AppealEvidence, AppealKind, AppealOutcome, item_of
from status_db.inbox.appeals import AppealCode, AppealRefused
from status_db.model import Finding, Reason, State, StepKind, Verdict
from status_db.views import StudentView

#: The states that a student can appeal. With nothing to do, or before a review opens, there is nothing to appeal.
_OBJECTED_TO = (State.HELD, State.NOT_DONE, State.UNKNOWN, State.PENDING)

#: The newest entries on a card.
_ON_A_CARD = 3

_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)

OUTCOMES: Mapping[str, str] = {
    AppealOutcome.RECHECKED: N_("已重新查询"),
    AppealOutcome.DECIDED: N_("已人工办理"),
    AppealOutcome.EXPLAINED: N_("已说明情况"),
    AppealOutcome.WITHDRAWN: N_("已撤回"),
}

#: The same for the student, with what to do next.
_ANSWERS: Mapping[str, str] = {
    AppealOutcome.RECHECKED: N_("已重新查询部门系统，结果以本页为准。"),
    AppealOutcome.DECIDED: N_("已人工办理，结果以本页为准。"),
    AppealOutcome.EXPLAINED: N_("经核对，说明如下。"),
}

#: For a step that a reviewer sent back: the answer is between the two offices.
_LOOKED_AT = N_("已核对，状态不变。")

KINDS: Mapping[str, str] = {
    AppealKind.APPEAL: N_("学生异议"),
    AppealKind.SENT_BACK: N_("终审退回"),
}

#: Each refusal with its fix.
REFUSALS: Mapping[str, str] = {
    AppealCode.NO_TEXT: N_("请写明情况。"),
    AppealCode.LONG_TEXT: N_("最多 500 字。请缩短。"),
    AppealCode.WAITS: N_("该项已提出异议，请等待答复。"),
    AppealCode.TOO_MANY: N_("待答复的异议已达上限。请等待答复，或先撤回一条。"),
    AppealCode.NO_DECISION: N_("异议提出后，本环节尚未人工办理。请先办理，再答复。"),
    AppealCode.ANSWERED: N_("该异议已答复或撤回，不能更改。"),
}


@dataclass(frozen=True, slots=True)
class AppealStep:
    """The status of a step at one moment, as shown."""

    word: str
    mark: str
    tone: str
    #: The reason, if no obligation states it.
    why: str
    things: tuple[ObligationLine, ...]
    #: Time of the data, with "数据过期" if they are out of date. Empty if the step has no source.
    as_of: str
    stale: bool

    @property
    def bare(self) -> "AppealStep":
        """The same without obligations: their titles and amounts are for the student and the office alone."""
        return replace(self, why="", things=())


@dataclass(frozen=True, slots=True)
class AppealChoice:
    """One thing that a student can appeal."""

    #: The value that the form sends. Empty for the step as a whole.
    item: str
    #: None for the step as a whole.
    thing: ObligationLine | None


@dataclass(frozen=True, slots=True)
class CardAppeal:
    """One appeal on the student's card."""

    number: int
    #: Whether a reviewer sent the step back. The texts are then between the two offices.
    sent_back: bool
    waits: bool
    tone: str
    #: When it was raised, what it is about, and by when the office answers.
    summary: str
    #: The student's own text.
    text: str
    #: The answer with its author, time and outcome. Empty while it waits.
    answered: str
    answer: str


@dataclass(frozen=True, slots=True)
class OfficeAppeal:
    """One appeal as an office sees it."""

    number: int
    student: str
    #: Empty if the student is not on any roster.
    name: str
    class_name: str
    kind: str
    by: str
    item: str
    text: str
    at: str
    #: How long it has waited, or waited until the answer.
    age: str
    due: str
    overdue: bool
    then: AppealStep
    #: None if the step is no longer in the student's flow.
    now: AppealStep | None
    #: Whether the sources no longer have the obligation that it is about.
    gone: bool
    answered_at: str
    answered_by: str
    outcome: str
    answer: str
    #: The decision that settled it. None if there is none.
    decision: int | None

    @property
    def bare(self) -> "OfficeAppeal":
        """The same without obligations, for the reviewer that sent it back."""
        return replace(self, then=self.then.bare, now=self.now.bare if self.now is not None else None)


@dataclass(frozen=True, slots=True)
class AppealRecord:
    """An appeal as printed."""

    title: str
    facts: tuple[tuple[str, str], ...]
    case: OfficeAppeal
    #: The time of printing.
    printed: str


def may_object(status: StepStatus, now: datetime) -> bool:
    """Return whether a student can appeal the status of a step."""
    effective = status.at(now)
    return effective.overtaken_by_debt or effective.state in _OBJECTED_TO


def choices(language: Language, seen: AppealEvidence, now: datetime) -> tuple[AppealChoice, ...]:
    """Return what can be appealed at a step: each obligation once, and the step as a whole."""
    things = {item_of(thing): thing for thing in seen.obligations}
    each = (AppealChoice(item, reasons.owed(language, [thing], now)[0]) for item, thing in things.items())
    return (*each, AppealChoice("", None))


def on_cards(
    language: Language,
    settings: Settings,
    student: StudentView,
    raised: Iterable[Appeal],
    names: Mapping[str, str],
    now: datetime,
) -> dict[str, tuple[CardAppeal, ...]]:
    """Return step → the entries of its card, the newest first. Withdrawn appeals are left out."""
    found: dict[str, list[CardAppeal]] = {status.step: [] for status in student.steps}
    # A step that is no longer in the flow has no card.
    for one in (each for each in raised if each.step in found):
        entries = found[one.step]
        if one.outcome is not AppealOutcome.WITHDRAWN and (one.waits or len(entries) < _ON_A_CARD):
            entries.append(_on_card(language, settings, student, one, names, now))
    return {step: tuple(entries) for step, entries in found.items()}


def refusal(language: Language, refused: AppealRefused) -> str:
    """Return why an appeal is refused, with the fix."""
    return language.gettext(REFUSALS[refused.code])


def case(
    language: Language,
    one: Appeal,
    student: StudentView | None,
    names: Mapping[str, str],
    now: datetime,
    *,
    dated: bool = False,
) -> OfficeAppeal:
    """Return an appeal as its office sees it, with the status then and now.

    `dated` writes times with their year.
    """

    def written(at: datetime) -> str:
        return language.dated(at) if dated else language.moment(at, now)

    status = next((s for s in student.steps if s.step == one.step), None) if student is not None else None
    current = AppealEvidence.of(status, now) if status is not None else None
    until = one.answered_at or now
    return OfficeAppeal(
        number=one.appeal,
        student=one.student,
        name=student.name if student is not None else "",
        class_name=student.class_name if student is not None else "",
        kind=language.gettext(KINDS[one.kind]),
        by=names.get(one.raised_by, one.raised_by) if one.kind is AppealKind.SENT_BACK else "",
        item=item_word(language, one, now),
        text=one.text,
        at=written(one.at),
        age=age(language, until - one.at),
        due=written(one.due),
        overdue=one.overdue(now),
        # Judged by the day on which it was raised: a book due later was not overdue then.
        then=shown(language, one.seen, one.at),
        now=shown(language, current, now) if current is not None else None,
        gone=status is not None and _gone(one.item, status.finding),
        answered_at=written(one.answered_at) if one.answered_at else "",
        answered_by=names.get(one.answered_by, one.answered_by) if one.outcome is not AppealOutcome.WITHDRAWN else "",
        outcome=language.gettext(OUTCOMES[one.outcome]) if one.outcome else "",
        answer=one.answer,
        decision=one.decision,
    )


def record(
    language: Language,
    settings: Settings,
    one: Appeal,
    student: StudentView,
    names: Mapping[str, str],
    now: datetime,
) -> AppealRecord:
    """Return an appeal as printed."""
    step = settings.step_named(one.step)
    facts = (
        (language.gettext("姓名"), student.name),
        (language.gettext("学号"), student.student),
        (language.gettext("学院"), student.college),
        (language.gettext("班级"), student.class_name),
        (language.gettext("届别"), settings.cohort_named(student.cohort).name),
        (language.gettext("环节"), labels.step_titles(language, settings)[one.step]),
        (language.gettext("部门"), cards.office_name(language, step.office)),
        (language.gettext("编号"), str(one.appeal)),
    )
    return AppealRecord(
        title=language.gettext("异议核对记录"),
        facts=tuple((word, value) for word, value in facts if value),
        case=case(language, one, student, names, now, dated=True),
        printed=language.dated(now),
    )


def shown(language: Language, seen: AppealEvidence, now: datetime) -> AppealStep:
    """Return the status of a step at the time of the appeal, as pages show it."""
    word = labels.say(language, labels.STATES, seen.state)
    by_decision = seen.decision is not None
    as_of = language.moment(seen.as_of, now) if seen.as_of is not None else ""
    if seen.stale:
        as_of_text = language.gettext("数据过期（截至 %(moment)s）", moment=as_of)
    else:
        as_of_text = language.gettext("数据截至 %(moment)s", moment=as_of) if as_of else ""
    return AppealStep(
        word="·".join((word, language.gettext("人工办理"))) if by_decision else word,
        mark=labels.MARKS[seen.state],
        tone="bad" if seen.overtaken_by_debt else labels.TONES[seen.state],
        why=_why(language, seen, by_decision=by_decision),
        things=reasons.owed(language, seen.obligations, now),
        as_of=as_of_text,
        stale=seen.stale,
    )


def item_word(language: Language, one: Appeal, now: datetime) -> str:
    """Return what an appeal is about: the obligation as it was then, or the step as a whole."""
    if not one.item:
        return language.gettext("整个环节")
    thing = next((o for o in one.seen.obligations if item_of(o) == one.item), None)
    if thing is None:
        return one.item
    owed = reasons.owed(language, [thing], now)[0]
    return language.listed(part for part in (owed.what, owed.amount, owed.due) if part)


def age(language: Language, span: timedelta) -> str:
    """Return how long something has waited: in hours, and from two days on in days."""
    if span < _HOUR:
        return language.gettext("不到 1 小时")
    if span < 2 * _DAY:
        return language.ngettext("%(num)s 小时", span // _HOUR)
    return language.ngettext("%(num)s 天", span // _DAY)


def _gone(item: str, finding: Finding) -> bool:
    """Return whether the sources no longer have an obligation. False while the finding is in doubt."""
    owed = finding.evidence if finding.verdict is Verdict.HELD else ()
    return bool(item) and finding.verdict is not Verdict.UNKNOWN and item not in map(item_of, owed)


def _why(language: Language, seen: AppealEvidence, *, by_decision: bool) -> str:
    if seen.overtaken_by_debt:
        return language.gettext("人工办理后有新的未结事项：")
    if by_decision:
        return seen.reason
    if seen.obligations or seen.verdict is Verdict.EXEMPT or seen.reason not in set(Reason):
        return ""
    return reasons.plain(language, Reason(seen.reason))


def _on_card(
    language: Language,
    settings: Settings,
    student: StudentView,
    one: Appeal,
    names: Mapping[str, str],
    now: datetime,
) -> CardAppeal:
    office = cards.office_name(language, settings.step_named(one.step).office)
    sent_back, overdue = one.kind is AppealKind.SENT_BACK, one.overdue(now)
    values = {"at": language.moment(one.at, now), "office": office, "due": language.moment(one.due, now)}
    if sent_back:
        values["college"] = _reviewing_office(language, settings, student)
        summary = language.gettext("%(college)s已退回%(office)s核对（%(at)s）。", **values)
    else:
        values["item"] = item_word(language, one, now)
        summary = language.gettext("异议已提交（%(at)s）：%(item)s。", **values)
    clear = any(status.step == one.step and status.counts_as_clear(now) for status in student.steps)
    answered = ""
    if one.outcome is not None and one.answered_at is not None:
        name = names.get(one.answered_by, "")
        who = language.gettext("%(office)s（%(name)s）", office=office, name=name) if name else office
        moment = language.moment(one.answered_at, now)
        answered = _spaced(
            language,
            language.gettext("%(moment)s %(who)s答复：", moment=moment, who=who),
            language.gettext(
                _LOOKED_AT if sent_back and one.outcome is AppealOutcome.EXPLAINED else _ANSWERS[one.outcome]
            ),
        )
    elif clear:
        summary = _spaced(language, summary, language.gettext("本环节现已办结。"))
    elif overdue:
        late = language.gettext("应于 %(due)s 前答复，现已逾期。请直接联系%(office)s。", **values)
        summary = _spaced(language, summary, late)
    else:
        summary = _spaced(language, summary, language.gettext("%(office)s最迟 %(due)s 答复。", **values))
    return CardAppeal(
        number=one.appeal,
        sent_back=sent_back,
        waits=one.waits,
        tone="good" if clear or not one.waits else "todo" if overdue else "wait",
        summary=summary,
        text="" if sent_back else one.text,
        answered=answered,
        answer="" if sent_back else one.answer,
    )


def _reviewing_office(language: Language, settings: Settings, student: StudentView) -> str:
    """Return the reviewer of a student."""
    review = next((s.step for s in student.steps if s.kind is StepKind.REVIEW), None)
    if review is None:
        return language.gettext("学院")
    return cards.office_name(language, settings.step_named(review).office)


def _spaced(language: Language, *sentences: str) -> str:
    return (" " if language.code == "en" else "").join(s for s in sentences if s)
