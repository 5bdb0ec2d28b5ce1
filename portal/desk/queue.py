"""The queue of one step: students to handle, with the date, and a list of all others."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from starlette.responses import Response
from starlette.routing import Route

from portal.access import list_filters
from portal.access.requires import for_visitors
from portal.desk.context.desk_context import AT_THE_DESK, DeskContext, desk_context
from portal.desk.context.head import desk_page
from portal.i18n import labels
from portal.i18n.labels import N_
from portal.page.context import Context, SignedIn
from portal.present.list_rows import Cell, row
from status_db.accounts.audit_log import AuditEvent
from status_db.model import State, StepKind
from status_db.queries.lists import Filter, ListedStudent, ListSelection, Order

#: Rows on one page.
_ROWS = 50

#: The selections of the queue, in the order of its tabs.
TABS: Mapping[ListSelection, str] = {
    ListSelection.NOT_CLEAR: N_("未办结"),
    ListSelection.DISPUTED: N_("人工办理后数据有变动"),
    ListSelection.DOUBTFUL: N_("数据存疑"),
    ListSelection.CLEAR: N_("已办结"),
    ListSelection.ALL: N_("全部"),
}

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
    #: None if the student does not have the step.
    cell: Cell | None
    #: Since when the sources report this finding, and for how many days.
    since: str
    days: str


async def queue_page(context: SignedIn) -> Response:
    """Show the queue of a step."""
    at = desk_context(context, AT_THE_DESK)
    reader, chosen = at.reader, _queue_filter(context, at)
    after, before = (list_filters.key(context, name, chosen) for name in ("after", "before"))
    leaf = await context.ask_long(
        context.services.lists.leaf, at.visibility, chosen, reader.now, _ROWS, after=after, before=before
    )
    fields = await context.ask_long(list_filters.fields, reader, at.visibility, context.services.lists, chosen)
    counts = {
        tab: await context.ask_long(
            context.services.lists.count,
            at.visibility,
            Filter(tab, at.step, columns=chosen.columns, text=chosen.text),
            reader.now,
            _COUNTED,
        )
        for tab in TABS
    }
    await context.audit(AuditEvent.SAW_LIST, cohort=reader.cohort.key, step=at.step, students=len(leaf.rows))
    address = _queue_address(at, chosen, chosen.wanted)
    kind = _kind(at)
    return await desk_page(
        context,
        at,
        "desk/queue.html",
        chosen=chosen,
        older=reader.cohort.key != reader.settings.default_cohort(),
        tabs=[
            {
                "word": reader.language.gettext(word),
                "address": _queue_address(at, chosen, tab),
                "count": f"{_COUNTED}+" if counts[tab] > _COUNTED else str(counts[tab]),
                "current": tab is chosen.wanted,
            }
            for tab, word in TABS.items()
        ],
        fields=fields,
        wanted=[(tab.value, reader.language.gettext(word)) for tab, word in TABS.items()],
        wanted_word=list_filters.wanted_word(chosen.wanted),
        states=[
            (list_filters.wanted_word(state), labels.say(reader.language, labels.STATES, state))
            for state in _STATES[kind]
        ],
        orders=[(key, reader.language.gettext(word)) for key, word in _ORDERS.items()],
        narrowed=chosen != Filter(ListSelection.NOT_CLEAR, at.step, order=Order.NUMBER),
        rows=[_queue_line(at, listed) for listed in leaf.rows],
        is_review=kind is StepKind.REVIEW,
        first=address if leaf.earlier else "",
        earlier=list_filters.turned(address, "before", leaf.rows[0].key) if leaf.earlier and leaf.rows else "",
        later=list_filters.turned(address, "after", leaf.rows[-1].key) if leaf.more and leaf.rows else "",
        stale=reader.stale({step: fresh for step, fresh in leaf.freshness.items() if step == at.step}),
    )


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
        address=at.address(f"/desk/students/{quote(listed.student, safe='')}"),
        cell=shown.cells[reader.steps.index(at.step)],
        since=language.moment(status.since, reader.now) if status is not None else "",
        days=language.ngettext("%(num)s 天", days) if days else "",
    )


def _kind(at: DeskContext) -> StepKind:
    entries = [entry for flow in at.reader.settings.flow for entry in flow.entries if entry.step == at.step]
    return StepKind(entries[0].kind) if entries else StepKind.SYNCED


def _queue_filter(context: Context, at: DeskContext) -> Filter:
    order = context.asked("order")
    return Filter(
        list_filters.wanted(context.asked("tab"), TABS, ListSelection.NOT_CLEAR),
        at.step,
        columns=list_filters.columns(context),
        text=context.asked("text"),
        order=Order(order) if order in _ORDERS else Order.NUMBER,
    )


def _queue_address(at: DeskContext, chosen: Filter, wanted: ListSelection | State) -> str:
    return at.address(
        "/desk",
        tab="" if wanted is ListSelection.NOT_CLEAR else list_filters.wanted_word(wanted),
        **list_filters.in_address(chosen.columns),
        text=chosen.text,
        order="" if chosen.order is Order.NUMBER else chosen.order.value,
    )


ROUTES = (Route("/desk", for_visitors(queue_page, *AT_THE_DESK, long=True)),)
