"""The words of each event, in the language of [notify]. Group messages have counts and links, and no student."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

from config.cohorts import naming
from config.settings import Settings
from config.tables.notify import NotifyEvent
from foundation.translation import N_, in_language, tr, tr_n
from status_db.guard_reasons import GuardReason, GuardReasonKind
from status_db.marks.approvals import APPROVAL_OPEN_FOR
from status_db.model import ROSTER, SETTINGS
from status_db.outbox.rows import Notice
from sync.notify.channels.port import EventText

#: How verdicts are named to students and administrators.
_VERDICTS: Mapping[str, str] = {
    "cleared": N_("cleared"),
    "held": N_("not cleared"),
    "unknown": N_("no result yet"),
    "exempt": N_("not needed"),
}

_FAULTS: Mapping[str, str] = {
    "unavailable": N_("it cannot be reached"),
    "refused": N_("it refuses the request"),
    "garbled": N_("its answer cannot be read"),
}

_WORDED: dict[NotifyEvent, Callable[["Wording", Notice, datetime], EventText]] = {}


class Wording:
    """Words the events of one institution."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        #: `zh` or `en`.
        self.language = settings.notify.language or settings.institution.languages[0]

    def of(self, notice: Notice, entered: datetime) -> EventText:
        """Return an event's text. `entered` is when it was entered."""
        with in_language(self.language):
            return _WORDED[notice.event](self, notice, entered)

    def source(self, name: str | None) -> str:
        """Return a source's title."""
        if name in (None, ROSTER, SETTINGS):
            return tr("roster") if name == ROSTER else tr("settings")
        found = self.settings.source.get(name or "")
        if found is None:
            return name or ""
        step = self.step(found.step)
        return (found.title_en or name or step) if self.language == "en" else (found.title or step)

    def step(self, key: str) -> str:
        """Return a step's title."""
        found = next((step for step in self.settings.step if step.key == key), None)
        if found is None:
            return key
        return (found.title_en or found.title) if self.language == "en" else found.title

    def moment(self, at: datetime) -> str:
        """Return a moment in the institution's time zone."""
        return f"{at.astimezone(self.settings.institution.timezone):%Y-%m-%d %H:%M}"

    def staff_link(self, path: str, cohort: str | None) -> str:
        """Return the address of a page of staff; empty where the settings have no public address."""
        portal = self.settings.portal
        return self._link(portal.desk_public_url or portal.public_url, path, cohort)

    def student_link(self, cohort: str | None) -> str:
        """Return the address of a student's own page."""
        return self._link(self.settings.portal.public_url, "/", cohort)

    def _link(self, base: str, path: str, cohort: str | None) -> str:
        if not base:
            return ""
        beside = cohort is not None and cohort != self.settings.default_cohort()
        return f"{base.rstrip('/')}{path}{f'?cohort={quote(cohort)}' if beside and cohort else ''}"

    def command(self, notice: Notice, text: str) -> str:
        """Return the line with the command that helps."""
        return tr("On the server: {command}", command=naming(self.settings, notice.cohort or "", text))


def _verdict(word: str) -> str:
    return tr(_VERDICTS[word])


def _suspended(words: Wording, notice: Notice, entered: datetime) -> EventText:
    run, students = notice.data["run"], notice.data["students"]
    count = tr_n("{number} student", "{number} students", students)
    first = notice.event is NotifyEvent.FIRST_ANSWER
    about = (
        N_("{source}: the first answer waits for approval, {count}")
        if first
        else N_("{source}: run {run} is suspended and waits for approval, {count}")
    )
    moved = [
        tr(
            "{college}: {students} from {before} to {after}",
            college=college or "–",
            students=number,
            before=_verdict(before),
            after=_verdict(after),
        )
        for college, before, after, number in notice.data["moved"]
    ]
    lines = (
        *(str(GuardReason(GuardReasonKind(kind), figures)) for kind, figures in notice.data["reasons"]),
        *moved,
        tr("Without approval it expires at {moment}.", moment=words.moment(entered + APPROVAL_OPEN_FOR)),
        words.command(notice, f"clearance runs show {run}"),
        words.command(notice, f"clearance runs approve {run}"),
    )
    title = tr(about, source=words.source(notice.source), run=run, count=count)
    return _text(words, notice, title, lines, f"/runs/{run}")


def _lapses(words: Wording, notice: Notice, _entered: datetime) -> EventText:
    run = notice.data["run"]
    title = tr(
        "{source}: run {run} expires at {moment} if nobody approves it",
        source=words.source(notice.source),
        run=run,
        moment=words.moment(datetime.fromisoformat(notice.data["expires"])),
    )
    return _text(words, notice, title, (words.command(notice, f"clearance runs approve {run}"),), f"/runs/{run}")


def _failing(words: Wording, notice: Notice, _entered: datetime) -> EventText:
    tries, fault = notice.data["tries"], notice.data["fault"]
    title = tr_n(
        "{source} fails since {since}: {number} try, {why}",
        "{source} fails since {since}: {number} tries, {why}",
        tries,
        source=words.source(notice.source),
        since=words.moment(datetime.fromisoformat(notice.data["since"])),
        why=tr(_FAULTS[fault]),
    )
    lines = (
        tr(
            "Its last answer stays until it is out of date. It is asked again as scheduled. A message follows when "
            "it is back."
        ),
        words.command(notice, f"clearance check {notice.source}"),
    )
    return _text(words, notice, title, lines, "/sources")


def _back(words: Wording, notice: Notice, _entered: datetime) -> EventText:
    title = tr(
        "{source} answers again; it had failed since {since}",
        source=words.source(notice.source),
        since=words.moment(datetime.fromisoformat(notice.data["since"])),
    )
    return _text(words, notice, title, (), "/sources")


def _stale(words: Wording, notice: Notice, _entered: datetime) -> EventText:
    title = tr(
        "{source}: its data are out of date (as of {moment})",
        source=words.source(notice.source),
        moment=words.moment(datetime.fromisoformat(notice.data["as_of"])),
    )
    lines = (
        tr("Its steps count as clear for nobody until it answers. Check whether the schedule runs and a run waits."),
        words.command(notice, f"clearance sync {notice.source}"),
    )
    return _text(words, notice, title, lines, "/sources")


def _verify(words: Wording, notice: Notice, _entered: datetime) -> EventText:
    title = tr_n(
        "clearance verify found {number} fault: rows were altered or lost",
        "clearance verify found {number} faults: rows were altered or lost",
        notice.data["faults"],
    )
    return _text(words, notice, title, (words.command(notice, "clearance verify"),), "")


def _backup(words: Wording, notice: Notice, _entered: datetime) -> EventText:
    newest = notice.data.get("newest")
    title = (
        tr("The newest backup is of {moment}", moment=words.moment(datetime.fromisoformat(newest)))
        if newest
        else tr("There is no backup in the folder of [notify] backups")
    )
    return _text(words, notice, title, (words.command(notice, "clearance backup FOLDER"),), "")


def _step(words: Wording, notice: Notice, _entered: datetime) -> EventText:
    title = tr(
        "{step}: {before} → {after}",
        step=words.step(notice.data["step"]),
        before=_verdict(notice.data["before"]),
        after=_verdict(notice.data["after"]),
    )
    return EventText(notice.event, notice.key, title, (), words.student_link(notice.cohort))


def _appeal(words: Wording, notice: Notice, _entered: datetime) -> EventText:
    title = tr("{step}: your appeal is answered", step=words.step(notice.data["step"]))
    return EventText(notice.event, notice.key, title, (), words.student_link(notice.cohort))


def _reminder(words: Wording, notice: Notice, _entered: datetime) -> EventText:
    title = tr("You still have clearance steps to do")
    lines = (tr("What to do, where, and until when is on your page."),)
    return EventText(notice.event, notice.key, title, lines, words.student_link(notice.cohort))


def _text(words: Wording, notice: Notice, title: str, lines: tuple[str, ...], path: str) -> EventText:
    data: dict[str, Any] = {"cohort": notice.cohort, "source": notice.source, "data": dict(notice.data)}
    link = words.staff_link(path, notice.cohort) if path else ""
    return EventText(notice.event, notice.key, title, lines, link, tuple(data.items()))


_WORDED |= {
    NotifyEvent.RUN_SUSPENDED: _suspended,
    NotifyEvent.FIRST_ANSWER: _suspended,
    NotifyEvent.APPROVAL_LAPSES: _lapses,
    NotifyEvent.SOURCE_FAILING: _failing,
    NotifyEvent.SOURCE_BACK: _back,
    NotifyEvent.SOURCE_STALE: _stale,
    NotifyEvent.VERIFY_FAILED: _verify,
    NotifyEvent.BACKUP_OLD: _backup,
    NotifyEvent.STEP_CHANGED: _step,
    NotifyEvent.APPEAL_ANSWERED: _appeal,
    NotifyEvent.REMINDER: _reminder,
}
