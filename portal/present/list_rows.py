"""The rows of lists as text: the student, and the state of each readable step.

Titles and amounts of obligations are left out: they are for the student and the office alone.
"""

from dataclasses import dataclass

from portal.access.reader_context import ReaderContext
from portal.i18n import labels
from status_db.effective_status import StepStatus
from status_db.model import State, Verdict
from status_db.queries.lists import ListedStudent


@dataclass(frozen=True, slots=True)
class Cell:
    """One step of one student."""

    word: str
    mark: str
    tone: str
    #: The number of obligations, as "2 项". Empty if the state does not depend on them.
    things: str
    #: Notes: decided by staff, overtaken by new debt, out of date, disputed.
    besides: tuple[str, ...]

    @property
    def text(self) -> str:
        """The whole cell as one line."""
        state_text = " ".join(part for part in (self.word, self.things) if part)
        return " · ".join((state_text, *self.besides))


@dataclass(frozen=True, slots=True)
class StudentRow:
    """One student."""

    student: str
    name: str
    #: The roster columns: level, college, class, campus, building, category.
    columns: tuple[str, ...]
    college: str
    class_name: str
    #: One per step of the context. None if the student does not have the step, or it is not readable.
    cells: tuple[Cell | None, ...]


def row(reader: ReaderContext, listed: ListedStudent) -> StudentRow:
    """Return a listed student as text."""
    by_step = {status.step: status for status in listed.steps}
    return StudentRow(
        student=listed.student,
        name=listed.name,
        columns=(
            reader.word("level", listed.level),
            listed.college,
            listed.class_name,
            listed.campus,
            listed.building,
            listed.category,
        ),
        college=listed.college,
        class_name=listed.class_name,
        cells=tuple(cell(reader, by_step[step]) if step in by_step else None for step in reader.steps),
    )


def cell(reader: ReaderContext, status: StepStatus) -> Cell:
    """Return the state of a step in the words of the student's own page."""
    language, effective = reader.language, status.at(reader.now)
    besides: list[str] = []
    if effective.by_decision:
        besides.append(language.gettext("人工办理"))
    if effective.overtaken_by_debt:
        besides.append(language.gettext("有新的未结事项"))
    elif effective.disputed:
        besides.append(language.gettext("数据此后有变动"))
    if effective.stale:
        besides.append(language.gettext("数据过期"))
    owing = status.finding.verdict is Verdict.HELD and (effective.state is State.HELD or effective.overtaken_by_debt)
    number = len(status.finding.keys) if owing else 0
    return Cell(
        word=labels.say(language, labels.STATES, effective.state),
        mark=labels.MARKS[effective.state],
        tone="bad" if effective.overtaken_by_debt else labels.TONES[effective.state],
        things=language.ngettext("%(num)s 项", number) if number else "",
        besides=tuple(besides),
    )


def must_go(reader: ReaderContext, status: StepStatus) -> bool:
    """Return whether the student must go to the step's office."""
    effective = status.at(reader.now)
    return effective.overtaken_by_debt or effective.state in (State.HELD, State.NOT_DONE)


def to_do(reader: ReaderContext, listed: ListedStudent) -> tuple[tuple[str, str], ...]:
    """Return the steps for which the student must go to an office, each with its word."""
    found: list[tuple[str, str]] = []
    for status in listed.steps:
        effective = status.at(reader.now)
        if effective.overtaken_by_debt:
            found.append((reader.titles[status.step], reader.language.gettext("有新的未结事项")))
        elif effective.state in (State.HELD, State.NOT_DONE):
            found.append((reader.titles[status.step], labels.say(reader.language, labels.STATES, effective.state)))
    return tuple(found)
