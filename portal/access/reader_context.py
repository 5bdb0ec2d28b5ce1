"""The context of a page for leaders: its cohort, what the account can read of it, and the age of the data."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from config.settings import Settings
from config.tables.cohorts import Cohort
from portal.auth.permissions import readable
from portal.i18n import labels
from portal.i18n.labels import N_
from portal.i18n.languages import Language
from portal.page import cohorts
from portal.page.context import SignedIn
from status_db.effective.visible import Visibility
from status_db.model import State
from status_db.queries.lists import ListSelection
from status_db.views import StepSource, Where

#: The roster columns by which a list can be narrowed, in the order of its form.
COLUMNS: Mapping[str, str] = {
    "college": N_("学院"),
    "class": N_("班级"),
    "level": N_("培养层次"),
    "campus": N_("校区"),
    "building": N_("楼栋"),
    "category": N_("学籍类别"),
}

#: The states counted separately, in the order of the columns.
STATES = (
    State.CLEARED,
    State.HELD,
    State.NOT_DONE,
    State.PENDING,
    State.OPEN,
    State.CLOSED,
    State.UNKNOWN,
    State.EXEMPT,
)

#: The overall state of students: its word, colour, pattern and list.
WHERE: Mapping[Where, tuple[str, str, str, ListSelection]] = {
    Where.CLEAR: (N_("全部办结"), "good", "", ListSelection.CLEAR),
    Where.WAITING: (N_("等待学校处理"), "wait", "lines", ListSelection.WAITS),
    Where.NOT_DONE: (N_("只有未办理"), "todo", "dots", ListSelection.UNDONE),
    Where.HELD: (N_("有不通过"), "bad", "hatch", ListSelection.OWES),
}

#: In an address: students with an empty roster column, such as no class.
NONE = "-"


@dataclass(frozen=True, slots=True)
class ReaderContext:
    """A request to read figures or lists."""

    settings: Settings
    language: Language
    now: datetime
    cohort: Cohort
    visibility: Visibility

    def speaking(self, language: Language) -> "ReaderContext":
        """Return the same context in another language."""
        return replace(self, language=language)

    @property
    def steps(self) -> tuple[str, ...]:
        """The readable steps, in the settings' order."""
        return tuple(step.key for step in self.settings.step if step.key in self.visibility.steps)

    @property
    def titles(self) -> dict[str, str]:
        """Each step's title."""
        return labels.step_titles(self.language, self.settings)

    @property
    def levels(self) -> dict[str, str]:
        """Each level's word: the registrar's own in Chinese, the key otherwise."""
        words: dict[str, list[str]] = {}
        for theirs, ours in self.settings.roster.levels.items():
            words.setdefault(ours, []).append(theirs)
        if self.language.code == "en":
            return {ours: ours for ours in words}
        return {ours: self.language.listed(theirs) for ours, theirs in words.items()}

    def address(self, path: str, **wanted: str) -> str:
        """Return the address of a page of this cohort. Empty values are left out; `class_` becomes class."""
        return cohorts.address(self.settings, self.cohort.key, path, **wanted)

    def windows(self) -> tuple[str, ...]:
        """Return a sentence for each level whose window is not open yet or has closed."""
        today = self.now.astimezone(self.language.zone).date()
        notes: list[str] = []
        for level, window in self.cohort.windows.items():
            word = self.levels.get(level, level)
            if today < window.opens:
                day = self.language.day(window.opens, self.now)
                notes.append(
                    self.language.gettext(
                        "%(level)s的办理时间从 %(day)s 开始，目前的数字仅供准备。", level=word, day=day
                    )
                )
            elif today > window.closes:
                day = self.language.day(window.closes, self.now)
                notes.append(self.language.gettext("%(level)s的办理时间已于 %(day)s 结束。", level=word, day=day))
        return tuple(notes)

    def closings(self) -> tuple[str, ...]:
        """Return the closing date of each level's window that is not over."""
        today = self.now.astimezone(self.language.zone).date()
        return tuple(
            f"{self.levels.get(level, level)} {self.language.day(window.closes, self.now)}"
            for level, window in self.cohort.windows.items()
            if today <= window.closes
        )

    def stale(self, freshness: Mapping[str, StepSource]) -> tuple[str, ...]:
        """Return a sentence for each readable step whose data are out of date, with their time."""
        return tuple(
            self.language.gettext(
                "%(step)s：数据过期（截至 %(moment)s）",
                step=self.titles[step],
                moment=self.language.moment(source.as_of, self.now) if source.as_of else "–",
            )
            for step in self.steps
            if (source := freshness.get(step)) is not None and source.stale(self.now)
        )

    def as_of(self, freshness: Mapping[str, StepSource]) -> str:
        """Return the time of the oldest data. Empty if the readable steps have no source."""
        known = [source.as_of for step in self.steps if (source := freshness.get(step)) is not None and source.as_of]
        return self.language.moment(min(known), self.now) if known else ""

    def scope(self) -> str:
        """Return the readable scope in words, for the header of exports."""
        together: dict[str, list[str]] = {}
        for step in self.steps:
            together.setdefault(self._scopes(step), []).append(self.titles[step])
        if len(together) == 1 and len(self.steps) == len(self.settings.step):
            return next(iter(together))
        parts = (f"{self.language.listed(titles)} ({words})" for words, titles in together.items())
        return "; ".join(parts)

    def _scopes(self, step: str) -> str:
        notes = dict.fromkeys(self._scope(scope) for scope in self.visibility.steps[step])
        return " / ".join(notes)

    def _scope(self, scope: Mapping[str, Iterable[str]]) -> str:
        if not scope:
            return self.language.gettext("全校")
        return self.language.listed(
            f"{self.language.gettext(COLUMNS[column])} {self.language.listed(self.word(column, v) for v in values)}"
            for column, values in scope.items()
        )

    def word(self, column: str, value: str) -> str:
        """Return how a page writes a roster column's value."""
        return self.levels.get(value, value) if column == "level" else value


def reader_context(context: SignedIn) -> ReaderContext:
    """Return the context of a leaders' page: what the account can read of its cohort."""
    cohort = context.cohort
    steps = readable(context.account, [step.key for step in context.settings.step], cohort.key)
    return ReaderContext(context.settings, context.language, context.now, cohort, Visibility(cohort.key, steps))
