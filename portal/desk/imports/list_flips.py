"""The students that an uploaded full list would change, and those whose step is decided, which it does not change."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from config.tables.sources import Source
from portal.desk.context.desk_context import DeskContext
from portal.i18n import labels
from portal.page.context import SignedIn
from status_db.decisions.batch_rows import RowCheck
from status_db.model import Verdict
from status_db.queries.lists import Filter, ListedStudent, ListSelection

#: Students that a group names.
NAMED = 50

#: Students without a row that are looked at, at most.
_LOOKED_AT = 2_000

#: What the words of a status list mean.
_MEANT: Mapping[str, Verdict] = {"done": Verdict.CLEARED, "exempt": Verdict.EXEMPT, "not_done": Verdict.HELD}

_CLEAR = (Verdict.CLEARED, Verdict.EXEMPT)


@dataclass(frozen=True, slots=True)
class ListFlips:
    """The students whose step would change from one state to another, or whose step is decided."""

    word: str
    tone: str
    count: int
    #: More students than were looked at.
    more: bool
    #: The first ones: number and name.
    first: tuple[tuple[str, str], ...]


async def flips(
    context: SignedIn, at: DeskContext, source: Source, rows: Sequence[RowCheck], words: Mapping[int, str]
) -> list[ListFlips]:
    """Return the changes that a list would make, and the decided students in it. `words` are the words by line.

    Where the step has other sources, a list can release only with them, so that only changes to not cleared are named.
    """
    alone = len(context.settings.sources_of(at.step)) == 1
    listed = [row for row in rows if row.found is not None]
    decided = [(row.imported.student, row.name) for row in listed if row.effective is not None]
    meant = {row.imported.student: _meaning(source, words.get(row.imported.line, "")) for row in listed}
    free = [row for row in listed if row.effective is None]
    held = [row for row in free if meant[row.imported.student] is Verdict.HELD and row.found in _CLEAR]
    released = [row for row in free if alone and meant[row.imported.student] in _CLEAR and row.found not in _CLEAR]
    gone, more = await _without_row(context, at, source, set(meant), alone=alone)
    to_held, to_clear = (gone, []) if source.absent_means == "held" else ([], gone)
    language = at.reader.language
    groups = (
        (_becomes(at, Verdict.HELD), "bad", _pairs(held) + to_held, more and bool(to_held)),
        (_becomes(at, Verdict.CLEARED), "good", _pairs(released) + to_clear, more and bool(to_clear)),
        (language.gettext("已有人工办理，名单不改变办理结果"), "todo", decided, False),
    )
    return [ListFlips(word, tone, len(own), cut, tuple(own[:NAMED])) for word, tone, own, cut in groups if own]


async def _without_row(
    context: SignedIn, at: DeskContext, source: Source, listed: set[str], *, alone: bool
) -> tuple[list[tuple[str, str]], bool]:
    """Return the undecided students without a row whose step would change, and whether there are more."""
    if source.absent_means not in ("cleared", "held") or (source.absent_means == "cleared" and not alone):
        return [], False
    wanted = ListSelection.CLEAR if source.absent_means == "held" else ListSelection.NOT_CLEAR
    chosen = Filter(wanted, at.step)

    def first() -> list[ListedStudent]:
        return list(islice(context.services.lists.whole(at.visibility, chosen, at.reader.now), _LOOKED_AT + 1))

    found = await context.ask_long(first)
    own = [
        (one.student, one.name)
        for one in found[:_LOOKED_AT]
        if one.student not in listed
        and any(status.step == at.step and not status.at(at.reader.now).by_decision for status in one.steps)
    ]
    return own, len(found) > _LOOKED_AT


def _meaning(source: Source, word: str) -> Verdict | None:
    """Return what a row means. None if that depends on more than its word."""
    if source.means == "items":
        return Verdict.HELD
    meant = {one: meaning for meaning, words in source.words.items() for one in words}
    return _MEANT.get(meant.get(word, "")) if source.means == "status" else None


def _becomes(at: DeskContext, verdict: Verdict) -> str:
    state = labels.state_of(verdict)
    return at.reader.language.gettext("将变为“%(word)s”", word=labels.say(at.reader.language, labels.STATES, state))


def _pairs(rows: Iterable[RowCheck]) -> list[tuple[str, str]]:
    return [(row.imported.student, row.name) for row in rows]
