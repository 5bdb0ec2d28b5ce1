"""The queue of one step: who is still to be handled there, and who else there is."""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from portal import words
from portal.desk.scenes import AT_THE_DESK, Place, place
from portal.entrance import for_visitors
from portal.house import House, Visitor
from portal.rows import row
from portal.scenes import asked
from portal.words import later
from status_db.lists import Filter, Order, Wanted

#: So many rows stand on one page.
_ROWS = 50

#: What the queue may show, in the order of its tabs.
TABS: Mapping[Wanted, str] = {
    Wanted.NOT_CLEAR: later("未办妥"),
    Wanted.DISPUTED: later("人工办理后数据有变化"),
    Wanted.DOUBTFUL: later("数据存疑"),
    Wanted.CLEAR: later("已办妥"),
    Wanted.ALL: later("全部"),
}

#: Nobody counts further.
_COUNTED = 999


async def page(request: Request, house: House, visitor: Visitor) -> Response:
    """Show the queue of a step."""
    at = place(request, house, visitor, AT_THE_DESK)
    chosen = _chosen(request)
    after, before = _key(request, "after"), _key(request, "before")
    leaf = await house.ask_long(house.lists.leaf, at.sight, chosen, at.here.now, _ROWS, after=after, before=before)
    counts = {
        tab: await house.ask_long(
            house.lists.count, at.sight, Filter(tab, at.step, text=chosen.text), at.here.now, _COUNTED
        )
        for tab in TABS
    }
    return house.page(
        request,
        "desk/queue.html",
        here=at.here,
        at=at,
        chosen=chosen,
        tabs=[
            {
                "word": at.here.language.gettext(word),
                "address": at.address("/desk", tab=tab.value, text=chosen.text),
                "count": f"{_COUNTED}+" if counts[tab] > _COUNTED else str(counts[tab]),
                "current": tab is chosen.wanted,
            }
            for tab, word in TABS.items()
        ],
        rows=[row(at.here, listed) for listed in leaf.rows],
        cell=at.here.steps.index(at.step),
        earlier=_turned(at, chosen, "before", leaf.rows[0].key) if leaf.earlier and leaf.rows else "",
        later=_turned(at, chosen, "after", leaf.rows[-1].key) if leaf.more and leaf.rows else "",
        stale=at.here.stale(leaf.freshness),
        word=words.say(at.here.language, words.STATES, "open"),
    )


def _chosen(request: Request) -> Filter:
    tab = asked(request, "tab")
    wanted = Wanted(tab) if tab in set(Wanted) and Wanted(tab) in TABS else Wanted.NOT_CLEAR
    return Filter(wanted, asked(request, "step") or None, text=asked(request, "text"), order=Order.NUMBER)


def _key(request: Request, name: str) -> list[str] | None:
    value = asked(request, name)
    return [value] if value else None


def _turned(at: Place, chosen: Filter, name: str, key: tuple[str, ...]) -> str:
    values: dict[str, Any] = {name: key[0]}
    return at.address("/desk", tab=str(chosen.wanted.value), text=chosen.text, **values)


ROUTES = (Route("/desk", for_visitors(page, *AT_THE_DESK)),)
