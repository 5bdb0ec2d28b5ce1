"""Lists of students inside an account's grants: as a page, and as an Excel file."""

import tempfile
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from anyio import to_thread
from starlette.responses import Response
from starlette.routing import Route

from portal.access import list_filters
from portal.access.reader_context import COLUMNS, NONE, ReaderContext, reader_context
from portal.access.requires import for_visitors
from portal.documents import xlsx
from portal.i18n import labels
from portal.i18n.labels import N_
from portal.page.context import Context, SignedIn
from portal.present import list_rows
from portal.web.sent_files import SentOnce
from status_db.accounts.accounts import Act
from status_db.accounts.audit_log import AuditEvent
from status_db.model import State
from status_db.queries.lists import Filter, Lists, ListSelection, Order

_ROWS = 50

#: Lists are counted up to this. The overview has larger counts.
_COUNTED = 2000

_WANTED: Mapping[str, str] = {
    ListSelection.TO_DO: N_("有环节要办（不通过、未办理）"),
    ListSelection.OWES: N_("有不通过"),
    ListSelection.UNDONE: N_("只有未办理"),
    ListSelection.WAITS: N_("等待学校处理"),
    ListSelection.NOT_CLEAR: N_("未全部办结"),
    ListSelection.CLEAR: N_("全部办结"),
    ListSelection.STALE: N_("数据过期"),
    ListSelection.DISPUTED: N_("人工办理后数据有变动"),
    ListSelection.ALL: N_("全部学生"),
}

_ORDERS: Mapping[str, str] = {
    Order.CLASS: N_("按学院和班级"),
    Order.NUMBER: N_("按学号"),
    Order.NAME: N_("按姓名"),
}


async def student_list_page(context: SignedIn) -> Response:
    """Show one page of the list in the address."""
    reader = reader_context(context)
    chosen = _list_filter(context, reader)
    after, before = (list_filters.key(context, name, chosen) for name in ("after", "before"))
    leaf = await context.ask_long(
        context.services.lists.leaf, reader.visibility, chosen, reader.now, _ROWS, after=after, before=before
    )
    count = await context.ask_long(context.services.lists.count, reader.visibility, chosen, reader.now, _COUNTED)
    fields = await context.ask_long(list_filters.fields, reader, reader.visibility, context.services.lists, chosen)
    await context.audit(
        AuditEvent.SAW_LIST, cohort=reader.cohort.key, filter=_filter_text(reader, chosen), students=len(leaf.rows)
    )
    own = _address_of(chosen)
    address = reader.address("/lists", **own)
    return context.page(
        "lists.html",
        reader=reader,
        chosen=chosen,
        count=min(count, _COUNTED),
        uncounted=count > _COUNTED,
        rows=[list_rows.row(reader, listed) for listed in leaf.rows],
        titles=[reader.titles[step] for step in reader.steps],
        fields=fields,
        steps=[(step, reader.titles[step]) for step in reader.steps],
        wanted=[(key, reader.language.gettext(word)) for key, word in _WANTED.items()],
        wanted_word=list_filters.wanted_word(chosen.wanted),
        states=[
            (list_filters.wanted_word(state), labels.say(reader.language, labels.STATES, state)) for state in State
        ],
        orders=[(key, reader.language.gettext(word)) for key, word in _ORDERS.items()],
        filter_text=_filter_text(reader, chosen),
        narrowed=chosen != Filter(),
        first=address if leaf.earlier else "",
        earlier=list_filters.turned(address, "before", leaf.rows[0].key) if leaf.earlier and leaf.rows else "",
        later=list_filters.turned(address, "after", leaf.rows[-1].key) if leaf.more and leaf.rows else "",
        export=reader.address("/lists.xlsx", **own),
        reminder=_reminder(reader, chosen),
        at=reader.language.moment(reader.now, reader.now),
        as_of=reader.as_of(leaf.freshness),
        stale=reader.stale(leaf.freshness),
        notes=reader.windows(),
    )


async def export(context: SignedIn) -> Response:
    """Return the list in the address as an Excel file."""
    reader = reader_context(context)
    chosen = _list_filter(context, reader)
    fresh = await context.ask_long(context.services.lists.freshness, reader.cohort.key)
    language = reader.language
    title = " ".join((reader.cohort.name, language.gettext("名单")))
    data = (language.gettext("数据截至 %(moment)s", moment=reader.as_of(fresh) or "–"), *reader.stale(fresh))
    head = [
        (language.gettext("时间"), f"{reader.now.astimezone(language.zone):%Y-%m-%d %H:%M}"),
        (language.gettext("数据"), "; ".join(data)),
        (language.gettext("范围"), reader.scope()),
        (language.gettext("筛选"), _filter_text(reader, chosen)),
        (language.gettext("导出人"), f"{context.account.name} ({context.account.account})"),
    ]
    columns = [
        language.gettext("学号"),
        language.gettext("姓名"),
        *(language.gettext(word) for word in (COLUMNS[name] for name in _EXPORTED)),
        *(reader.titles[step] for step in reader.steps),
    ]
    folder = await to_thread.run_sync(lambda: tempfile.TemporaryDirectory(prefix="list-"))
    try:
        file = Path(folder.name) / "list.xlsx"
        texts = _texts(reader, context.services.lists, chosen)
        written = await context.export(partial(xlsx.write, file, title, head, columns, texts))
        await context.audit(
            AuditEvent.EXPORTED, cohort=reader.cohort.key, filter=_filter_text(reader, chosen), students=written
        )
    except BaseException:
        folder.cleanup()
        raise
    name = f"{title.replace(' ', '-')}-{reader.now.astimezone(language.zone):%Y%m%d-%H%M}.xlsx"
    return SentOnce(folder, file, name)


_EXPORTED = ("level", "college", "class", "campus", "building", "category")


def _texts(reader: ReaderContext, lists: Lists, chosen: Filter) -> Iterator[tuple[str, ...]]:
    for listed in lists.whole(reader.visibility, chosen, reader.now):
        row = list_rows.row(reader, listed)
        yield (row.student, row.name, *row.columns, *(cell.text if cell else "" for cell in row.cells))


def _list_filter(context: Context, reader: ReaderContext) -> Filter:
    """Return the filter in the address. Values that are not valid are ignored."""
    step, order = context.asked("step"), context.asked("order")
    return Filter(
        wanted=list_filters.wanted(context.asked("wanted"), _WANTED, ListSelection.TO_DO),
        step=step if step in reader.steps else None,
        columns=list_filters.columns(context),
        text=context.asked("text"),
        order=Order(order) if order in _ORDERS else Order.CLASS,
    )


def _address_of(chosen: Filter) -> dict[str, str]:
    return {
        "wanted": "" if chosen.wanted is ListSelection.TO_DO else list_filters.wanted_word(chosen.wanted),
        "step": chosen.step or "",
        **list_filters.in_address(chosen.columns),
        "text": chosen.text,
        "order": "" if chosen.order is Order.CLASS else chosen.order.value,
    }


def _filter_text(reader: ReaderContext, chosen: Filter) -> str:
    """Return a filter in words."""
    language = reader.language
    wanted = (
        labels.say(language, labels.STATES, chosen.wanted)
        if isinstance(chosen.wanted, State)
        else language.gettext(_WANTED[chosen.wanted])
    )
    parts = [f"{reader.titles[chosen.step]}: {wanted}" if chosen.step else wanted]
    parts += [
        f"{language.gettext(COLUMNS[name])} {reader.word(name, value) or NONE}"
        for name, value in chosen.columns.items()
    ]
    if chosen.text:
        parts.append(language.gettext("学号或姓名 “%(part)s”", part=chosen.text))
    return "; ".join(parts)


def _reminder(reader: ReaderContext, chosen: Filter) -> str:
    if "class" not in chosen.columns:
        return ""
    return reader.address(
        "/lists/reminder", college=chosen.columns.get("college", ""), class_=chosen.columns["class"] or NONE
    )


ROUTES = (
    Route("/lists", for_visitors(student_list_page, Act.READ, long=True)),
    Route("/lists.xlsx", for_visitors(export, Act.READ, long=True)),
)
