"""A class teacher's page: who is open with what, a reminder to copy, and one to send where mail is set up."""

from dataclasses import dataclass
from functools import partial
from typing import Annotated
from urllib.parse import quote

from pydantic import Field
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from portal.access import forms
from portal.access.form_fields import Form
from portal.access.reader_context import NONE, ReaderContext, reader_context
from portal.access.requires import for_visitors
from portal.auth.permissions import classes_of
from portal.documents import reminders
from portal.page.context import SignedIn
from portal.present import list_rows
from portal.web import own_script
from portal.web.links import own_address, public_link
from status_db.accounts.accounts import Act
from status_db.accounts.audit_log import AuditEvent
from status_db.queries.lists import Filter, ListedStudent, ListPage, ListSelection

#: The most students in a reminder. A class has fewer.
_MOST = 500


class ReminderForm(Form):
    """Which class is reminded."""

    college: Annotated[str, Field(max_length=200)] = ""
    class_: Annotated[str, Field(max_length=200, alias="class")] = ""


@dataclass(frozen=True, slots=True)
class _SchoolClass:
    """One class, as its address names it."""

    college: str
    #: As in the address: `NONE` for students without a class.
    name: str

    @property
    def columns(self) -> dict[str, str]:
        """The roster columns that select its students."""
        college = {"college": self.college} if self.college else {}
        return {"class": self.class_name} | college

    @property
    def class_name(self) -> str:
        """The name on the roster."""
        return "" if self.name == NONE else self.name


@dataclass(frozen=True, slots=True)
class _OpenStudent:
    """One student of the class with something to do."""

    name: str
    address: str
    #: Each open step with its word and tone.
    steps: tuple[tuple[str, str, str], ...]


async def remind(context: SignedIn) -> Response:
    """Show one class. Without a class in the address, show the teacher's own one, or the choice of own classes."""
    reader = reader_context(context)
    chosen = _SchoolClass(context.asked("college"), context.asked("class"))
    own = classes_of(context.account, reader.cohort.key)
    if not chosen.name and len(own) == 1:
        chosen = _SchoolClass("", own[0])
    if not chosen.name and own:
        choices = [(name, reader.address("/lists/reminder", class_=name)) for name in own]
        return context.page("reminder_classes.html", reader=reader, choices=choices)
    count, leaf = await _open_students(context, reader, chosen)
    language, rows = context.language, leaf.rows
    where = public_link(context.services.students_url or own_address(context.request), "/").rstrip("/")
    texts = [
        (one, reminders.text(reader.speaking(one), chosen.class_name, rows, leaf.freshness, where))
        for one in context.services.languages.values()
    ]
    sending, sent = context.services.reminders, 0
    if sending.enabled:
        today = context.now.astimezone(language.zone).date()
        sent = await context.ask(sending.sent, reader.cohort.key, [row.student for row in rows], today)
    return context.page(
        "reminder.html",
        reader=reader,
        chosen=chosen,
        count=min(count, _MOST),
        people=[_open_student(reader, row) for row in rows],
        more=leaf.more,
        texts=texts,
        own=own,
        sends=sending.enabled,
        sent=sent,
        deadlines=reminders.closings(reader, rows),
        stale=reader.stale(leaf.freshness),
        whole_list=reader.address("/lists", college=chosen.college, class_=chosen.name, wanted="all"),
        script=own_script.COPY.text,
    )


async def send(context: SignedIn) -> Response:
    """Send every student of the class with something to do one message, once a day."""
    sent = await forms.read_form(context, ReminderForm)
    reader = reader_context(context)
    chosen = _SchoolClass(sent.college, sent.class_)
    sending = context.services.reminders
    back = context.redirect("/lists/reminder", college=chosen.college, class_=chosen.name)
    if not sending.enabled:
        return back
    _count, leaf = await _open_students(context, reader, chosen)
    numbers, today = [row.student for row in leaf.rows], context.now.astimezone(context.language.zone).date()
    new = await context.ask_long(partial(sending.send, reader.cohort.key, numbers, today, context.now))
    await context.audit(
        AuditEvent.SENT_REMINDER, cohort=reader.cohort.key, filter=chosen.class_name or NONE, students=new
    )
    return back


async def _open_students(context: SignedIn, reader: ReaderContext, chosen: _SchoolClass) -> tuple[int, ListPage]:
    """Return the size of a class and its students with something to do, and note that they were read.

    Raises HTTPException 404 for a class outside the account's scopes, as for one that does not exist.
    """
    lists = context.services.lists
    everybody = Filter(ListSelection.ALL, columns=chosen.columns)
    count = 0
    if chosen.name:
        count = await context.ask_long(lists.count, reader.visibility, everybody, reader.now, _MOST)
    if not count:
        raise HTTPException(404)
    open_ones = Filter(ListSelection.TO_DO, columns=chosen.columns)
    leaf = await context.ask_long(lists.leaf, reader.visibility, open_ones, reader.now, _MOST)
    await context.audit(
        AuditEvent.SAW_LIST, cohort=reader.cohort.key, filter=chosen.class_name or NONE, students=len(leaf.rows)
    )
    return count, leaf


def _open_student(reader: ReaderContext, row: ListedStudent) -> _OpenStudent:
    steps = []
    for status in row.steps:
        if status.step in reader.titles and list_rows.must_go(reader, status):
            cell = list_rows.cell(reader, status)
            steps.append((reader.titles[status.step], " ".join(filter(None, (cell.word, cell.things))), cell.tone))
    address = reader.address(f"/students/{quote(row.student, safe='')}")
    return _OpenStudent(row.name, address, tuple(steps))


ROUTES = (
    Route("/lists/reminder", for_visitors(remind, Act.READ, long=True)),
    Route("/lists/reminder", for_visitors(send, Act.READ), methods=["POST"]),
)
