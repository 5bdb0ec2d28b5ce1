"""The overview: counts by step, college and class, inside the account's grants."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from portal.access.reader_context import NONE, STATES, WHERE, ReaderContext, reader_context
from portal.access.requires import for_visitors
from portal.i18n import labels
from portal.page.context import SignedIn
from portal.present.charts import Amount, Bars, SegmentKind, bars
from status_db.accounts.accounts import Act
from status_db.model import State
from status_db.queries.lists import ListSelection
from status_db.views import Overview, StepCounts, StudentGroup, Where

#: The order in a bar from left to right: settled first, still to do last.
_DRAWN = (
    State.CLEARED,
    State.EXEMPT,
    State.OPEN,
    State.PENDING,
    State.CLOSED,
    State.UNKNOWN,
    State.NOT_DONE,
    State.HELD,
)

#: Patterns over the colours, so that colour alone never carries a meaning.
_PATTERNS: Mapping[State, str] = {
    State.HELD: "hatch",
    State.NOT_DONE: "dots",
    State.PENDING: "lines",
    State.OPEN: "bars",
    State.CLOSED: "cross",
    State.UNKNOWN: "dots",
}

#: Classes shown on the overview. A page of their own lists all of them.
_WORST = 10


@dataclass(frozen=True, slots=True)
class OverviewRow:
    """The counts of one step."""

    title: str
    address: str
    total: int
    counts: tuple[int, ...]
    #: Cleared and exempt.
    settled: int
    share: str
    by_decision: int
    disputed: int
    as_of: str
    stale: bool


@dataclass(frozen=True, slots=True)
class CollegeLine:
    """One college: for each step the settled students and the total. None if it does not have the step."""

    college: str
    address: str
    cells: tuple[tuple[int, int] | None, ...]


@dataclass(frozen=True, slots=True)
class GroupLine:
    """One college or class, with each student counted once."""

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


@dataclass(frozen=True, slots=True)
class Total:
    """One figure at the top of the page."""

    word: str
    tone: str
    count: int
    share: str
    address: str


async def overview_page(context: SignedIn) -> Response:
    """Show a whole cohort, or the college in the address."""
    reader = reader_context(context)
    college = context.asked("college")
    found = await context.ask_long(context.services.reader.seen, reader.visibility, reader.now, college or None)
    if college and not found.students:
        raise HTTPException(404)
    order = [step for step in reader.steps if step in found.by_step]
    worst = _worst(found.classes)
    every = college or context.asked("classes") == "all"
    shown = worst if every else worst[:_WORST]
    colleges = _colleges(found.classes)
    classes = [_class_line(reader, group) for group in shown]
    return context.page(
        "overview.html",
        reader=reader,
        college=college,
        students=found.students,
        totals=_totals(reader, found, college),
        columns=[labels.say(reader.language, labels.STATES, state) for state in STATES],
        wheres=[reader.language.gettext(word) for word, *_ in WHERE.values()],
        lines=[_step_counts_line(reader, step, found, college) for step in order],
        steps_chart=_steps_chart(reader, order, found.by_step),
        colleges=[
            CollegeLine(
                name, reader.address("/overview", college=name), tuple(_count_cell(tallies.get(s)) for s in order)
            )
            for name, tallies in found.by_college.items()
        ],
        college_lines=[_college_line(reader, group) for group in colleges],
        colleges_chart=_groups_chart(reader, "colleges", reader.language.gettext("各学院的学生"), colleges),
        classes=classes,
        classes_chart=_groups_chart(reader, "classes", reader.language.gettext("各班的学生"), shown),
        more_classes=0 if every else max(0, len(worst) - _WORST),
        all_classes=reader.address("/overview", classes="all"),
        days_address=reader.address("/overview/days", college=college),
        list_address=reader.address("/lists", college=college),
        at=reader.language.moment(reader.now, reader.now),
        as_of=reader.as_of(found.freshness),
        notes=reader.windows(),
        stale=reader.stale(found.freshness),
    )


def _totals(reader: ReaderContext, found: Overview, college: str) -> list[Total]:
    sums = {where: sum(group.by_where.get(where, 0) for group in found.classes) for where in Where}
    return [
        Total(
            reader.language.gettext(word),
            tone,
            sums[where],
            reader.language.percent(sums[where], found.students),
            reader.address("/lists", wanted=wanted, college=college),
        )
        for where, (word, tone, _, wanted) in reversed(tuple(WHERE.items()))
    ]


def _step_counts_line(reader: ReaderContext, step: str, found: Overview, college: str) -> OverviewRow:
    step_counts, fresh = found.by_step[step], found.freshness.get(step)
    settled, _ = _count_cell(step_counts) or (0, 0)
    return OverviewRow(
        title=reader.titles[step],
        address=reader.address("/lists", step=step, wanted=ListSelection.NOT_CLEAR, college=college),
        total=step_counts.total,
        counts=tuple(step_counts.by_state.get(state, 0) for state in STATES),
        settled=settled,
        share=reader.language.percent(settled, step_counts.total),
        by_decision=step_counts.by_decision,
        disputed=step_counts.disputed,
        as_of=reader.language.moment(fresh.as_of, reader.now) if fresh and fresh.as_of else "",
        stale=fresh is not None and fresh.stale(reader.now),
    )


def _count_cell(step_counts: StepCounts | None) -> tuple[int, int] | None:
    if step_counts is None:
        return None
    return step_counts.by_state.get(State.CLEARED, 0) + step_counts.by_state.get(State.EXEMPT, 0), step_counts.total


def _worst(classes: Sequence[StudentGroup]) -> list[StudentGroup]:
    """Sort classes by the share of students with something to do, the largest first.

    With equal shares, the larger share of students with obligations comes first, because until late in a season nearly
    all students still have to check out. Then the larger class.
    """
    return sorted(
        classes,
        key=lambda g: (
            -g.open / g.students, -g.by_where.get(Where.HELD, 0) / g.students, -g.open, g.college, g.class_name,
        ),
    )  # fmt: skip


def _colleges(classes: Sequence[StudentGroup]) -> list[StudentGroup]:
    found: dict[str, tuple[dict[Where, int], dict[str, int]]] = {}
    for group in classes:
        by_where, to_do = found.setdefault(group.college, ({}, {}))
        for where, count in group.by_where.items():
            by_where[where] = by_where.get(where, 0) + count
        for step, count in group.to_do.items():
            to_do[step] = to_do.get(step, 0) + count
    return [StudentGroup(college, "", by_where, to_do) for college, (by_where, to_do) in sorted(found.items())]


def _college_line(reader: ReaderContext, group: StudentGroup) -> GroupLine:
    return _group_line(reader, group, group.college, reader.address("/overview", college=group.college), {})


def _class_line(reader: ReaderContext, group: StudentGroup) -> GroupLine:
    own = {"class_": group.class_name or NONE}
    address = reader.address("/lists", wanted=ListSelection.ALL, college=group.college, **own)
    return _group_line(reader, group, group.class_name or reader.language.gettext("未分班"), address, own)


def _group_line(
    reader: ReaderContext, group: StudentGroup, title: str, address: str, own: Mapping[str, str]
) -> GroupLine:
    # Of two equal steps, the earlier one.
    most = sorted(group.to_do.items(), key=lambda item: (-item[1], reader.steps.index(item[0])))[:2]
    return GroupLine(
        title=title,
        college=group.college,
        address=address,
        open_address=reader.address("/lists", college=group.college, **own),
        students=group.students,
        counts=tuple(group.by_where.get(where, 0) for where in WHERE),
        open=group.open,
        share=reader.language.percent(group.open, group.students),
        stuck=reader.language.listed(f"{reader.titles[step]} {count}" for step, count in most),
    )


def _steps_chart(reader: ReaderContext, order: Sequence[str], tallies: Mapping[str, StepCounts]) -> Bars:
    language = reader.language
    kinds = [
        SegmentKind(labels.say(language, labels.STATES, state), labels.TONES[state], _PATTERNS.get(state, ""))
        for state in _DRAWN
    ]
    amounts = [
        Amount(
            reader.titles[step],
            tuple(tallies[step].by_state.get(state, 0) for state in _DRAWN),
            language.percent((_count_cell(tallies[step]) or (0, 0))[0], tallies[step].total),
        )
        for step in order
    ]
    title = language.gettext("各环节的状态")
    return bars("steps", title, language.gettext("每条为一个环节的全部学生，数字同下表。"), kinds, amounts)


def _groups_chart(reader: ReaderContext, name: str, title: str, groups: Sequence[StudentGroup]) -> Bars:
    language = reader.language
    kinds = [SegmentKind(language.gettext(word), tone, pattern) for word, tone, pattern, _ in WHERE.values()]
    amounts = [
        Amount(
            group.class_name or (language.gettext("未分班") if name == "classes" else group.college),
            tuple(group.by_where.get(where, 0) for where in WHERE),
            language.percent(group.by_where.get(Where.CLEAR, 0), group.students),
        )
        for group in groups
    ]
    return bars(name, title, language.gettext("每条为一个单位的全部学生，数字同下表。"), kinds, amounts)


ROUTES = (Route("/overview", for_visitors(overview_page, Act.READ, long=True)),)
