"""Asking the sources again: whether it is offered on a student's page, and what the page says of the last time.

Pure: it is told the time, and what was asked last.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from config.tables.portal import Portal
from portal.i18n.languages import Language
from status_db.inbox.requests import Request, RequestOutcome
from status_db.model import StepKind
from status_db.views import StudentView

#: A request that nobody has served for so long is not being asked just now.
_LONG = timedelta(minutes=2)

#: What came of a request is told for so long, and is "just now" for so long.
_TOLD = timedelta(hours=1)
_JUST_NOW = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class RecheckOffer:
    """What stands on the page about asking again."""

    #: The button is there.
    button: bool
    #: It is being asked: a link leads to the page as it will be.
    waiting: bool
    #: What came of it, or when it may be asked again; empty for nothing to tell.
    said: str
    tone: str


def waits_on_a_source(student: StudentView, now: datetime) -> bool:
    """Say whether a source could change anything: a synced step that does not count as clear."""
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
    """Return what the page offers and says; None where no source could change anything and nothing was asked."""
    said, tone = _recheck_text(language, last, now)
    if not waits_on_a_source(student, now):
        return RecheckOffer(button=False, waiting=False, said=said, tone=tone) if said else None
    if last is not None and last.served_at is None:
        return RecheckOffer(button=False, waiting=True, said=said, tone=tone)
    again = now + refused if refused is not None else last.at + portal.recheck_pause if last is not None else now
    if again <= now:
        return RecheckOffer(button=True, waiting=False, said=said, tone=tone)
    # Rounded up to the minute, for before it the answer would be the same.
    minute = again + timedelta(minutes=1) - timedelta(seconds=again.second or 60, microseconds=again.microsecond)
    local, today = minute.astimezone(language.zone), now.astimezone(language.zone).date()
    moment = f"{local:%H:%M}" if local.date() == today else language.moment(minute, now)
    later = language.gettext("%(moment)s 之后可以再查。", moment=moment)
    return RecheckOffer(button=False, waiting=False, said=f"{said} {later}".strip(), tone=tone)


def _recheck_text(language: Language, last: Request | None, now: datetime) -> tuple[str, str]:
    if last is None:
        return "", "wait"
    if last.served_at is None:
        if now - last.at < _LONG:
            return language.gettext("正在向各部门的系统重新查询，几秒钟后就有结果。"), "wait"
        moment = language.moment(last.at, now)
        return language.gettext("%(moment)s 要求的重新查询还没有轮到，请过一会儿再看。", moment=moment), "todo"
    if now - last.served_at >= _TOLD:
        return "", "wait"
    moment = f"{last.served_at.astimezone(language.zone):%H:%M}"
    match last.outcome:
        case RequestOutcome.DONE:
            if now - last.served_at < _JUST_NOW:
                return language.gettext("刚刚重新查询过（%(moment)s）。", moment=moment), "good"
            return language.gettext("%(moment)s 重新查询过。", moment=moment), "good"
        case RequestOutcome.FAILED:
            said = language.gettext(
                "有部门的系统没有回应（%(moment)s），它的结果还是上次的。请稍后再试。", moment=moment
            )
            return said, "todo"
        case _:
            return language.gettext("这次没有查成（%(moment)s），各项仍按上次的数据。", moment=moment), "todo"
