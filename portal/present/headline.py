"""The headline of a student's page: steps to do, waiting, ready to collect, or collected.

Pure: the time and the language are passed in.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from config.settings import Settings
from config.tables.cohorts import Cohort
from portal.i18n.languages import Language
from portal.present.cards import must_go, office_name, spaced
from portal.present.masking import mask_number
from status_db.effective_status import StepStatus
from status_db.model import Certificate, State
from status_db.views import StudentView

#: With no more days than this left, the deadline is in the colour of what is to do.
_SOON = 3


@dataclass(frozen=True, slots=True)
class Collecting:
    """Where and when to collect the certificate, and what to bring. Empty fields are not in the settings."""

    where: str
    when: str
    bring: str


@dataclass(frozen=True, slots=True)
class Headline:
    """The headline, its kind, and where to collect the certificate once it is ready."""

    text: str
    detail: str
    tone: str
    collecting: Collecting | None = None
    #: How many steps are settled, of how many; 0 of 0 once a certificate is ready.
    settled: int = 0
    steps: int = 0


@dataclass(frozen=True, slots=True)
class Deadline:
    """The window of the student's level: its last day with the days left, and its dates."""

    text: str
    detail: str
    tone: str


def headline(language: Language, settings: Settings, student: StudentView, now: datetime) -> Headline:
    """Return the headline for a student's own page."""
    to_do = sum(must_go(step.at(now)) for step in student.steps)
    certificate = student.certificate
    if certificate is not None and certificate.collected:
        return _collected(language, student.certificates, to_do, now)
    if certificate is None and (to_do or not is_clear(student, now)):
        return _of_steps(language, settings, student.steps, now)
    collecting = _collecting(language, settings, student)
    if certificate is not None:
        return Headline(
            language.gettext("可领证"), _waiting(language, student.certificates, collecting, to_do), "good", collecting
        )
    if collecting is None:
        detail = language.gettext("离校手续已全部办结。领取时间和地点请咨询学院。")
        return Headline(language.gettext("可领证"), detail, "good")
    return Headline(language.gettext("可领证"), language.gettext("离校手续已全部办结。"), "good", collecting)


def of_some_steps(language: Language, settings: Settings, steps: Sequence[StepStatus], now: datetime) -> Headline:
    """Return the headline for the steps that a staff member can read. It does not mention other steps."""
    if steps and all(step.counts_as_clear(now) for step in steps):
        return Headline(language.gettext("所示环节均已办结"), language.gettext("其他环节不在查看范围内。"), "good")
    return _of_steps(language, settings, steps, now)


def is_clear(student: StudentView, now: datetime) -> bool:
    """Return whether every step of a student that is due to leave counts as clear."""
    leaves = student.active and student.flow is not None
    return leaves and bool(student.steps) and all(step.counts_as_clear(now) for step in student.steps)


def deadline(language: Language, cohort: Cohort, level: str, now: datetime) -> Deadline | None:
    """Return the last day of the window and the days left. None if the level has no window."""
    window, today = cohort.windows.get(level), now.astimezone(language.zone).date()
    if window is None:
        return None
    opens, closes = language.day(window.opens, now), language.day(window.closes, now)
    dates = language.gettext("办理时间 %(opens)s—%(closes)s", opens=opens, closes=closes)
    left = (window.closes - today).days
    if today < window.opens:
        text = language.gettext("%(day)s开始办理，现在可先查看", day=opens)
        return Deadline(text, dates, "wait")
    if left < 0:
        text = language.gettext("已于 %(day)s截止，未办结的仍可办理", day=closes)
        return Deadline(text, dates, "bad")
    if left == 0:
        return Deadline(language.gettext("今天截止（%(day)s）", day=closes), dates, "bad")
    text = language.ngettext("%(day)s截止，还剩 %(num)s 天", left, day=closes)
    return Deadline(text, dates, "todo" if left <= _SOON else "wait")


def _collecting(language: Language, settings: Settings, student: StudentView) -> Collecting | None:
    """Return where and when the student collects the certificate. None if the settings do not give it."""
    collect = settings.cohort_named(student.cohort).collected_at(student.college)
    if collect is None:
        return None
    return Collecting(
        language.pick(collect.where, collect.where_en),
        language.pick(collect.when, collect.when_en),
        language.pick(collect.bring, collect.bring_en),
    )


def _waiting(language: Language, certificates: Sequence[Certificate], collecting: Collecting | None, to_do: int) -> str:
    """Return which certificates are ready, and what has changed since they were issued."""
    sentences = [
        language.gettext("%(kind)s %(number)s 待领取。", kind=one.kind, number=mask_number(one.number))
        for one in certificates
        if not one.collected
    ]
    if collecting is None:
        sentences.append(language.gettext("领取时间和地点请咨询学院。"))
    if to_do:
        sentences.append(language.ngettext("发证后有 %(num)s 项新的未结事项，见下。", to_do))
    return spaced(language, *sentences)


def _collected(language: Language, certificates: Sequence[Certificate], to_do: int, now: datetime) -> Headline:
    each = (
        language.gettext(
            "%(kind)s %(number)s，%(day)s 发放。",
            kind=one.kind,
            number=mask_number(one.number),
            day=language.day(one.issued_at.astimezone(language.zone).date(), now),
        )
        for one in certificates
    )
    detail = spaced(language, *each)
    if to_do:
        detail = spaced(language, detail, language.ngettext("领证后有 %(num)s 项新的未结事项，见下。", to_do))
    return Headline(language.gettext("已领证"), detail, "good")


def _of_steps(language: Language, settings: Settings, steps: Sequence[StepStatus], now: datetime) -> Headline:
    effective_statuses = [(step, step.at(now)) for step in steps]
    to_do = sum(must_go(effective) for _, effective in effective_statuses)
    settled, whole = sum(effective.clear for _, effective in effective_statuses), len(steps)
    waiting = whole - settled - to_do
    review = next((step.step for step, effective in effective_statuses if effective.state is State.OPEN), None)
    if to_do:
        text = language.ngettext("还有 %(num)s 项要办", to_do)
        detail = language.ngettext("另有 %(num)s 项等待学校处理。", waiting) if waiting else ""
        return Headline(text, detail, "todo", settled=settled, steps=whole)
    if not effective_statuses:
        return Headline(language.gettext("名单刚更新，暂无数据"), language.gettext("无需前往，请稍后再看。"), "wait")
    if review is not None:
        office = office_name(language, settings.step_named(review).office)
        text = language.gettext("等待%(office)s终审", office=office)
        detail = language.gettext("其他环节均已办结。无需前往，终审后本页自动更新。")
        if waiting > 1:
            detail = language.gettext("无需前往，有结果后本页自动更新。")
    else:
        text = language.ngettext("%(num)s 项等待学校处理", waiting)
        detail = language.gettext("无需前往，有结果后本页自动更新。")
    return Headline(text, detail, "wait", settled=settled, steps=whole)
