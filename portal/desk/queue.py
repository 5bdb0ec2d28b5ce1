"""The queue of one step: what is owed, the students to handle, and a search over all others."""

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.responses import Response
from starlette.routing import Route

from portal.access import list_filters
from portal.access.requires import for_visitors
from portal.desk.context.desk_context import AT_THE_DESK, DeskContext, acts_at, desk_context
from portal.desk.context.head import desk_page, inside_of
from portal.desk.decision_form import DECIDED, LONGEST_WORD
from portal.desk.graduation.classes import ReadyClasses, ready_classes
from portal.desk.search import cleaned, record_address
from portal.i18n import labels
from portal.i18n.labels import N_
from portal.page.context import Context, SignedIn
from portal.present import appeals
from portal.present.appeals import OfficeAppeal
from portal.present.list_rows import Cell, row
from portal.web import bounds
from portal.web.links import see_other
from status_db.accounts.accounts import Act
from status_db.accounts.audit_log import AuditEvent
from status_db.model import State, StepKind
from status_db.queries.lists import Filter, ListedStudent, ListSelection, Order

#: Rows on one page.
_ROWS = 50

#: The selections of the queue, in the order of its tabs; the first one is shown first.
TABS: Mapping[ListSelection | State, str] = {
    ListSelection.NOT_CLEAR: N_("未办结"),
    ListSelection.DISPUTED: N_("人工办理后数据有变动"),
    ListSelection.DOUBTFUL: N_("数据存疑"),
    ListSelection.CLEAR: N_("已办结"),
    ListSelection.ALL: N_("全部"),
}

#: The same at a review: what can be reviewed comes first.
REVIEW_TABS: Mapping[ListSelection | State, str] = {
    State.OPEN: N_("待终审"),
    State.CLOSED: N_("未到此步"),
    ListSelection.REVIEWED: N_("已终审"),
    ListSelection.ISSUED: N_("已发证"),
    ListSelection.DISPUTED: N_("终审后数据有变动"),
    ListSelection.ALL: N_("全部"),
}

#: Tabs that are left out while they are empty.
_SELDOM = (ListSelection.DISPUTED, ListSelection.DOUBTFUL)

#: Appeals and classes that the page names before the list.
_FIRST = 3

_ORDERS: Mapping[str, str] = {
    Order.NUMBER: N_("按学号"),
    Order.SINCE: N_("等待最久的在前"),
    Order.CLASS: N_("按学院和班级"),
    Order.NAME: N_("按姓名"),
}

#: The possible states of each kind of step.
_STATES: Mapping[StepKind, tuple[State, ...]] = {
    StepKind.SYNCED: (State.HELD, State.NOT_DONE, State.UNKNOWN, State.CLEARED, State.EXEMPT),
    StepKind.MANUAL: (State.PENDING, State.HELD, State.CLEARED, State.EXEMPT),
    StepKind.REVIEW: (State.OPEN, State.CLOSED, State.HELD, State.CLEARED),
}

#: Counts stop here.
_COUNTED = 999


@dataclass(frozen=True, slots=True)
class QueueRow:
    """One student of the queue. Number, college and class distinguish students of the same name."""

    student: str
    name: str
    college: str
    class_name: str
    address: str
    #: The student with the version tag that a ticked row sends. Empty if it cannot be ticked.
    pick: str
    #: None if the student does not have the step.
    cell: Cell | None
    #: Since when the sources report this finding, and for how many days.
    since: str
    days: str


async def queue_page(context: SignedIn) -> Response:
    """Show the queue of a step. An exact number opens the record."""
    at = desk_context(context, AT_THE_DESK)
    if found := await record_address(context, at, cleaned(context.asked("text"))):
        return see_other(found)
    return await show_queue(context, at)


async def show_queue(context: SignedIn, at: DeskContext, *, wrong: str = "", status: int = 200) -> Response:
    """Show the queue, with what is wrong with the ticked rows if there is anything."""
    reader, chosen = at.reader, _queue_filter(context, at)
    after, before = (list_filters.key(context, name, chosen) for name in ("after", "before"))
    leaf = await context.ask_long(
        context.services.lists.leaf, at.visibility, chosen, reader.now, _ROWS, after=after, before=before
    )
    fields = await context.ask_long(list_filters.fields, reader, at.visibility, context.services.lists, chosen)
    await context.audit(AuditEvent.SAW_LIST, cohort=reader.cohort.key, step=at.step, students=len(leaf.rows))
    address, tabs, kind = _queue_address(at, chosen, chosen.wanted), _tabs(at), _kind(at)
    decides = not at.reviews and bool(acts_at(context, (Act.DECIDE,)).get(at.step))
    return await desk_page(
        context,
        at,
        "desk/queue.html",
        status=status,
        wrong=wrong,
        chosen=chosen,
        older=reader.cohort.key != reader.settings.default_cohort(),
        tabs=await _counted_tabs(context, at, chosen),
        fields=fields,
        wanted=[(list_filters.wanted_word(tab), reader.language.gettext(word)) for tab, word in tabs.items()],
        wanted_word=list_filters.wanted_word(chosen.wanted),
        states=[
            (list_filters.wanted_word(state), labels.say(reader.language, labels.STATES, state))
            for state in _STATES[kind]
            if state not in tabs
        ],
        orders=[(key, reader.language.gettext(word)) for key, word in _ORDERS.items()],
        narrowed=bool(chosen.columns) or chosen.order is not Order.NUMBER,
        rows=[_queue_line(at, listed) for listed in leaf.rows],
        decides=decides,
        verdicts=[(verdict.value, reader.language.gettext(word)) for verdict, word in DECIDED.items()],
        reasons=reader.settings.step_named(at.step).reasons,
        longest_word=LONGEST_WORD,
        batch=bounds.number(context.asked("batch")),
        decided=bounds.number(context.asked("decided")) or 0,
        unchanged=bounds.number(context.asked("unchanged")) or 0,
        appeals_first=await _appeals_first(context, at),
        classes=await _classes_first(context, at, chosen),
        here=address,
        is_review=kind is StepKind.REVIEW,
        first=address if leaf.earlier else "",
        earlier=list_filters.turned(address, "before", leaf.rows[0].key) if leaf.earlier and leaf.rows else "",
        later=list_filters.turned(address, "after", leaf.rows[-1].key) if leaf.more and leaf.rows else "",
        stale=reader.stale({step: fresh for step, fresh in leaf.freshness.items() if step == at.step}),
    )


async def _counted_tabs(context: SignedIn, at: DeskContext, chosen: Filter) -> list[dict[str, object]]:
    """Return the tabs with their counts. Seldom ones are left out while they are empty."""
    found: list[dict[str, object]] = []
    for tab, word in _tabs(at).items():
        wanted = Filter(tab, at.step, columns=chosen.columns, text=chosen.text)
        count = await context.ask_long(context.services.lists.count, at.visibility, wanted, at.reader.now, _COUNTED)
        if count or tab not in _SELDOM or tab == chosen.wanted:
            found.append(
                {
                    "word": at.reader.language.gettext(word),
                    "address": _queue_address(at, chosen, tab),
                    "count": f"{_COUNTED}+" if count > _COUNTED else str(count),
                    "current": tab == chosen.wanted,
                }
            )
    return found


async def _appeals_first(context: SignedIn, at: DeskContext) -> list[OfficeAppeal]:
    """Return the first appeals that wait, the earliest deadline first."""
    if not at.answers:
        return []
    cohort, reader = at.reader.cohort.key, at.reader
    inside = inside_of(context, cohort, at.answers)
    waiting = await context.ask_long(context.services.raised_appeals.waiting, cohort, (at.step,), inside, _FIRST)
    numbers = {one.student for one in waiting}
    students = await context.ask_long(context.services.named.students, cohort, numbers, reader.now) if waiting else {}
    return [appeals.case(reader.language, one, students.get(one.student), {}, reader.now) for one in waiting]


async def _classes_first(context: SignedIn, at: DeskContext, chosen: Filter) -> ReadyClasses | None:
    """Return the classes with the most students to review. None where nothing is reviewed, or the list is narrowed."""
    if not at.reviews or chosen != Filter(State.OPEN, at.step, order=Order.NUMBER):
        return None
    counted, _ = await context.ask_long(at.stores.classes.counted, at.step, at.reader.now, at.scopes)
    return ready_classes(at, counted, 2 * _FIRST)


def _queue_line(at: DeskContext, listed: ListedStudent) -> QueueRow:
    reader, language = at.reader, at.reader.language
    shown = row(reader, listed)
    status = next((status for status in listed.steps if status.step == at.step), None)
    days = (reader.now - status.since).days if status is not None else 0
    return QueueRow(
        student=listed.student,
        name=listed.name,
        college=listed.college,
        class_name=listed.class_name,
        address=at.record(listed.student),
        pick=f"{listed.student} {status.version_tag(reader.now)}" if status is not None and not status.issued else "",
        cell=shown.cells[reader.steps.index(at.step)],
        since=language.moment(status.since, reader.now) if status is not None else "",
        days=language.ngettext("%(num)s 天", days) if days else "",
    )


def _kind(at: DeskContext) -> StepKind:
    entries = [entry for flow in at.reader.settings.flow for entry in flow.entries if entry.step == at.step]
    return StepKind(entries[0].kind) if entries else StepKind.SYNCED


def _tabs(at: DeskContext) -> Mapping[ListSelection | State, str]:
    return REVIEW_TABS if at.reviews else TABS


def _queue_filter(context: Context, at: DeskContext) -> Filter:
    """Return the filter of the address. A search without a tab looks in all states."""
    order, text, tabs = context.asked("order"), cleaned(context.asked("text")), _tabs(at)
    otherwise = ListSelection.ALL if text else next(iter(tabs))
    return Filter(
        list_filters.wanted(context.asked("tab"), tabs, otherwise),
        at.step,
        columns=list_filters.columns(context),
        text=text,
        order=Order(order) if order in _ORDERS else Order.NUMBER,
    )


def _queue_address(at: DeskContext, chosen: Filter, wanted: ListSelection | State) -> str:
    usual = ListSelection.ALL if chosen.text else next(iter(_tabs(at)))
    return at.address(
        "/desk",
        tab="" if wanted == usual else list_filters.wanted_word(wanted),
        **list_filters.in_address(chosen.columns),
        text=chosen.text,
        order="" if chosen.order is Order.NUMBER else chosen.order.value,
    )


ROUTES = (Route("/desk", for_visitors(queue_page, *AT_THE_DESK, long=True)),)
