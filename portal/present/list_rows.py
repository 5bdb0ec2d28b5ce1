"""The rows of lists, in words: who, and how each step that may be read stands. No titles and no amounts: those are for
the student and for the office alone."""

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
    #: How many things are owed, as "2 项"; empty where that is not what it is about.
    things: str
    #: What else there is to know: decided by a person, outgrown, too old, disputed.
    besides: tuple[str, ...]

    @property
    def text(self) -> str:
        """All of it, as one line."""
        said = " ".join(part for part in (self.word, self.things) if part)
        return " · ".join((said, *self.besides))


@dataclass(frozen=True, slots=True)
class StudentRow:
    """One student."""

    student: str
    name: str
    #: As the roster has them: level, college, class, campus, building, category.
    columns: tuple[str, ...]
    college: str
    class_name: str
    #: For each step of the scene; None where the student has no such step, or it may not be read.
    cells: tuple[Cell | None, ...]


def row(reader: ReaderContext, listed: ListedStudent) -> StudentRow:
    """Return a listed student in words."""
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
    """Return how a step stands in words, as the student's own page has them."""
    language, effective = reader.language, status.at(reader.now)
    besides: list[str] = []
    if effective.by_decision:
        besides.append(language.gettext("人工办理"))
    if effective.overtaken_by_debt:
        besides.append(language.gettext("又有新的未结事项"))
    elif effective.disputed:
        besides.append(language.gettext("数据此后已变化"))
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


def to_do(reader: ReaderContext, listed: ListedStudent) -> tuple[tuple[str, str], ...]:
    """Return the steps that the student has to go for, each with its word."""
    found: list[tuple[str, str]] = []
    for status in listed.steps:
        effective = status.at(reader.now)
        if effective.overtaken_by_debt:
            found.append((reader.titles[status.step], reader.language.gettext("又有新的未结事项")))
        elif effective.state in (State.HELD, State.NOT_DONE):
            found.append((reader.titles[status.step], labels.say(reader.language, labels.STATES, effective.state)))
    return tuple(found)
