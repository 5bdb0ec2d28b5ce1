"""Rechecks: whether a student's page offers one, and the result of the last one.

Pure: the time and the last request are passed in.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from config.tables.portal import Portal
from portal.i18n.languages import Language
from status_db.inbox.requests import Request, RequestOutcome
from status_db.model import StepKind
from status_db.views import StudentView

#: A request not served for this long is not in progress.
_LONG = timedelta(minutes=2)

#: How long a result is shown, and how long it is "just now".
_SHOWN_FOR = timedelta(hours=1)
_JUST_NOW = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class RecheckOffer:
    """The recheck section of the page."""

    #: Whether the button is shown.
    button: bool
    #: Whether a recheck is in progress: a link reloads the page.
    waiting: bool
    #: The result, or when the next recheck is possible. Empty if there is nothing to report.
    text: str
    tone: str


def waits_on_a_source(student: StudentView, now: datetime) -> bool:
    """Return whether a source could change anything: a synced step that does not count as clear."""
    steps = student.steps if student.active else ()
    return any(step.kind is StepKind.SYNCED and not step.counts_as_clear(now) for step in steps)


def offer(
    language: Language,
    portal: Portal,
    student: StudentView,
    last: Request | None,
    now: datetime,
    refused: timedelta | None = None,
) -> RecheckOffer | None:
    """Return the recheck section. None if no source could change anything and no recheck was requested."""
    text, tone = _recheck_text(language, last, now)
    if not waits_on_a_source(student, now):
        return RecheckOffer(button=False, waiting=False, text=text, tone=tone) if text else None
    if last is not None and last.served_at is None:
        return RecheckOffer(button=False, waiting=True, text=text, tone=tone)
    again = now + refused if refused is not None else last.at + portal.recheck_pause if last is not None else now
    if again <= now:
        return RecheckOffer(button=True, waiting=False, text=text, tone=tone)
    # Rounded up to the minute: a recheck before then would still be refused.
    minute = again + timedelta(minutes=1) - timedelta(seconds=again.second or 60, microseconds=again.microsecond)
    local, today = minute.astimezone(language.zone), now.astimezone(language.zone).date()
    moment = f"{local:%H:%M}" if local.date() == today else language.moment(minute, now)
    later = language.gettext("%(moment)s 后可再次查询。", moment=moment)
    return RecheckOffer(button=False, waiting=False, text=f"{text} {later}".strip(), tone=tone)


def _recheck_text(language: Language, last: Request | None, now: datetime) -> tuple[str, str]:
    if last is None:
        return "", "wait"
    if last.served_at is None:
        if now - last.at < _LONG:
            return language.gettext("正在重新查询各部门的系统，几秒内有结果。"), "wait"
        moment = language.moment(last.at, now)
        return language.gettext("%(moment)s 提出的重新查询尚未开始，请稍后再看。", moment=moment), "todo"
    if now - last.served_at >= _SHOWN_FOR:
        return "", "wait"
    moment = f"{last.served_at.astimezone(language.zone):%H:%M}"
    match last.outcome:
        case RequestOutcome.DONE:
            if now - last.served_at < _JUST_NOW:
                return language.gettext("已重新查询（%(moment)s）。", moment=moment), "good"
            return language.gettext("%(moment)s 已重新查询。", moment=moment), "good"
        case RequestOutcome.FAILED:
            text = language.gettext("有部门的系统没有响应（%(moment)s），其数据仍为上次的。请稍后再试。", moment=moment)
            return text, "todo"
        case _:
            return language.gettext("重新查询未成功（%(moment)s），各环节仍为上次的数据。", moment=moment), "todo"
