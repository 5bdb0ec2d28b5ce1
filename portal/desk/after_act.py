"""The line after an act at the desk: what happened, how to undo it, and who is next."""

from dataclasses import dataclass
from datetime import timedelta

from portal.desk.context.desk_context import DeskContext
from portal.i18n import labels
from portal.i18n.labels import N_
from portal.page.context import SignedIn
from portal.web import bounds
from status_db.model import Decision, State
from status_db.queries.dossier import Dossier
from status_db.queries.lists import Filter, ListSelection, Order

#: How long the address of a page shows what happened: a bookmark of it does not.
_FRESH = timedelta(hours=1)

#: The reason of a decision that its author takes back at once.
AT_ONCE = N_("办理有误，随即撤回")

_DECIDED = N_("已办理：%(name)s（%(number)s），%(step)s环节%(verdict)s。")
_WITHDRAWN = N_("已撤回：%(name)s（%(number)s），%(step)s环节的办理。")


@dataclass(frozen=True, slots=True)
class AfterAct:
    """What happened to a student's step."""

    text: str
    #: How many appeals it answered, in words. Empty if none.
    answered: str
    #: Whether the account can take it back with one click.
    undoes: bool
    #: The next student of the queue: name and address. Both empty if none is left.
    next_name: str
    next_address: str


async def after_act(context: SignedIn, at: DeskContext, dossier: Dossier, *, may_undo: bool) -> AfterAct | None:
    """Return what the address of a record reports, read from the database. None if it reports nothing, or too late."""
    number, answered = bounds.number(context.asked("done")), bounds.number(context.asked("answered")) or 0
    done = next((one for one in dossier.decisions if one.id == number and one.step == at.step), None)
    now = at.reader.now
    if done is not None and now - (done.withdrawn_at or done.entered_at) > _FRESH:
        done = None
    if done is None and not answered:
        return None
    name, address = await next_student(context, at, dossier.student.student)
    undoes = done is not None and may_undo and done.author == at.account and done.active(now)
    return AfterAct(_text(at, dossier, done), _answered(at, answered), undoes, name, address)


async def next_student(context: SignedIn, at: DeskContext, number: str) -> tuple[str, str]:
    """Return the name and the record of the next student that waits at the step: after this number, else the first."""
    wanted = State.OPEN if at.reviews else ListSelection.NOT_CLEAR
    chosen = Filter(wanted, at.step, order=Order.NUMBER)
    for after in ([number], None):
        leaf = await context.ask_long(context.services.lists.leaf, at.visibility, chosen, at.reader.now, 2, after=after)
        for listed in leaf.rows:
            if listed.student != number:
                return listed.name, at.record(listed.student)
    return "", ""


def _text(at: DeskContext, dossier: Dossier, done: Decision | None) -> str:
    if done is None:
        return ""
    language, student = at.reader.language, dossier.student
    return language.gettext(
        _DECIDED if done.withdrawn_at is None else _WITHDRAWN,
        name=student.name,
        number=student.student,
        step=at.reader.titles[at.step],
        verdict=labels.say(language, labels.STATES, labels.state_of(done.verdict)),
    )


def _answered(at: DeskContext, number: int) -> str:
    return at.reader.language.ngettext("已答复异议 %(num)s 条。", number) if number else ""
