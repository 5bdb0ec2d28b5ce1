"""Colleges and classes on the overview: a heat map of college and step, classes to look at, and all classes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from portal.access.reader_context import NONE, WHERE, ReaderContext
from status_db.model import State
from status_db.queries.lists import ListSelection
from status_db.views import Overview, StepCounts, StudentGroup, Where

#: A class of fewer students never leads: one student is all or nothing of it.
LEAST_OF_CLASS = 5

#: The classes that the overview names first.
_TO_LOOK_AT = 3

#: From this share on, in percent, a cell has the tint of its number: 1 to 5. None open is 0.
_TINTS = (0, 3, 10, 25, 50)

#: Sorts colleges by their name, by the students that are not settled, and by their share.
BY_NAME, BY_OPEN, BY_SHARE = "name", "open", "share"


@dataclass(frozen=True, slots=True)
class HeatCell:
    """How many students of one college are not settled in one step."""

    count: int
    share: str
    #: 0 for none, to 5.
    tint: int
    address: str


@dataclass(frozen=True, slots=True)
class HeatRow:
    """One college. None for a step that it does not have."""

    title: str
    address: str
    students: int
    open: HeatCell
    cells: tuple[HeatCell | None, ...]


@dataclass(frozen=True, slots=True)
class HeatColumn:
    """The head of a column: the address that sorts by it, and how it is sorted now, as ARIA names it."""

    title: str
    address: str
    sorted: str


@dataclass(frozen=True, slots=True)
class HeatMap:
    """Colleges and steps, with the sums."""

    columns: tuple[HeatColumn, ...]
    rows: tuple[HeatRow, ...]
    sums: HeatRow


@dataclass(frozen=True, slots=True)
class GroupLine:
    """One class, with each student counted once."""

    title: str
    college: str
    address: str
    #: The address of the list of students with something to do.
    open_address: str
    students: int
    counts: tuple[int, ...]
    open: int
    share: str
    #: The step for which most of them must go.
    stuck: str


def not_clear(counts: Mapping[State, int]) -> int:
    """Return how many are neither cleared nor exempt."""
    return sum(count for state, count in counts.items() if state not in (State.CLEARED, State.EXEMPT))


def heat_map(reader: ReaderContext, order: Sequence[str], found: Overview, sort: str) -> HeatMap:
    """Return the colleges sorted by a column: by name upwards, by a number downwards; equal ones by name."""
    students: dict[str, int] = {}
    clear: dict[str, int] = {}
    for group in found.classes:
        students[group.college] = students.get(group.college, 0) + group.students
        clear[group.college] = clear.get(group.college, 0) + group.by_where.get(Where.CLEAR, 0)
    rows = [
        _heat_row(reader, college, order, found.by_college[college], students[college], clear[college])
        for college in sorted(students)
    ]
    sort = sort if sort in (BY_NAME, BY_SHARE, *order) else BY_OPEN
    rows.sort(key=lambda row: _heat_key(row, order, sort))
    sums = _heat_row(reader, "", order, found.by_step, sum(students.values()), sum(clear.values()))
    return HeatMap(_columns(reader, order, sort), tuple(rows), sums)


def _columns(reader: ReaderContext, order: Sequence[str], sort: str) -> tuple[HeatColumn, ...]:
    language = reader.language
    titles = {
        BY_NAME: language.gettext("学院"),
        BY_OPEN: language.gettext("未办结人数"),
        BY_SHARE: language.gettext("未办结比例"),
        **{step: reader.titles[step] for step in order},
    }
    return tuple(
        HeatColumn(
            title,
            reader.address("/overview", sort="" if name == BY_OPEN else name) + "#colleges",
            "" if name != sort else "ascending" if name == BY_NAME else "descending",
        )
        for name, title in titles.items()
    )


def _heat_key(row: HeatRow, order: Sequence[str], sort: str) -> tuple[float, str]:
    if sort == BY_NAME:
        return 0, row.title
    if sort == BY_OPEN:
        return -row.open.count, row.title
    if sort == BY_SHARE:
        return -row.open.count / (row.students or 1), row.title
    cell = row.cells[order.index(sort)]
    return -(cell.count if cell else -1), row.title


def _heat_row(
    reader: ReaderContext,
    college: str,
    order: Sequence[str],
    counts: Mapping[str, StepCounts],
    students: int,
    clear: int,
) -> HeatRow:
    own = {"college": college} if college else {}
    wanted = ListSelection.NOT_CLEAR
    return HeatRow(
        title=college or reader.language.gettext("合计"),
        address=reader.address("/overview", **own) if college else "",
        students=students,
        open=_heat_cell(reader, students - clear, students, reader.address("/lists", wanted=wanted, **own)),
        cells=tuple(
            _heat_cell(
                reader,
                not_clear(counts[step].by_state),
                counts[step].total,
                reader.address("/lists", step=step, wanted=wanted, **own),
            )
            if step in counts
            else None
            for step in order
        ),
    )


def _heat_cell(reader: ReaderContext, count: int, whole: int, address: str) -> HeatCell:
    tint = sum(100 * count > limit * whole for limit in _TINTS) if count else 0
    return HeatCell(count, reader.language.percent(count, whole), tint, address)


def by_number_open(classes: Sequence[StudentGroup]) -> list[StudentGroup]:
    """Sort classes by the number of students with something to do, the largest first; small classes come last.

    With equal numbers, the larger share comes first, then the larger share of students with obligations.
    """
    return sorted(
        classes,
        key=lambda g: (
            g.students < LEAST_OF_CLASS,
            -g.open,
            -g.open / g.students,
            -g.by_where.get(Where.HELD, 0) / g.students,
            g.college,
            g.class_name,
        ),
    )


def to_look_at(classes: Sequence[StudentGroup]) -> list[StudentGroup]:
    """Return the classes that lag most; none that is small, or that has nothing to do."""
    lagging = [group for group in by_number_open(classes) if group.open and group.students >= LEAST_OF_CLASS]
    return lagging[:_TO_LOOK_AT]


def most_stuck(reader: ReaderContext, classes: Sequence[StudentGroup]) -> tuple[str, int] | None:
    """Return the step where most students have something to do, and their number; of equal ones the first."""
    sums: dict[str, int] = {}
    for group in classes:
        for step, count in group.to_do.items():
            sums[step] = sums.get(step, 0) + count
    stuck = [(step, sums[step]) for step in reader.steps if sums.get(step)]
    return max(stuck, key=lambda pair: pair[1]) if stuck else None


def class_line(reader: ReaderContext, group: StudentGroup) -> GroupLine:
    """Return one class as the overview shows it."""
    own = {"class_": group.class_name or NONE}
    # Of two equal steps, the earlier one.
    most = sorted(group.to_do.items(), key=lambda item: (-item[1], reader.steps.index(item[0])))[:2]
    return GroupLine(
        title=group.class_name or reader.language.gettext("未分班"),
        college=group.college,
        address=reader.address("/lists", wanted=ListSelection.ALL, college=group.college, **own),
        open_address=reader.address("/lists", college=group.college, **own),
        students=group.students,
        counts=tuple(group.by_where.get(where, 0) for where in WHERE),
        open=group.open,
        share=reader.language.percent(group.open, group.students),
        stuck=reader.language.listed(f"{reader.titles[step]} {count}" for step, count in most),
    )
