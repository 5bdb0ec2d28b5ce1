"""Overviews, lists, exports and PDFs: one bounded queue, apart from the short questions, and helpers that answer it."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from clearance.web import application
from config.tables.limits import PortalLimits
from portal.web.apart import Apart, HelperLost
from portal.web.limits import NotNow
from portal.web.long_questions import LongQuestions
from tests import own_loop
from tests.cast import LIN
from tests.portal.api.conftest import bearing, give_token
from tests.portal.conftest import enter
from tests.portal.whole import whole_app
from tests.world import World

FEW = PortalLimits(long_at_once=1, long_waiting=1, long_of_one=1)

#: What takes long, and who may ask for it.
LONG = {
    "dean": ["/overview", "/overview.xlsx", "/lists", "/lists.xlsx", "/lists/reminder", "/report", "/report.xlsx"],
    "auditor": ["/audit", "/audit.xlsx"],
    "admin": ["/unmatched"],
    LIN.number: ["/slip.pdf"],
    "librarian": ["/desk", "/desk/paper", "/desk/paper.pdf", "/desk/paper/slip.pdf", "/desk/import/template.xlsx"],
    "reviewer": ["/desk/classes", "/desk/classes/review", "/desk/certificates.xlsx", "/desk/review-again"],
}


def limited(world: World, limits: PortalLimits = FEW) -> Starlette:
    """Return the whole application with these limits."""
    portal = world.settings.portal.model_copy(update={"limits": limits})
    world.settings = world.settings.model_copy(update={"portal": portal})
    return whole_app(world)


def asking(receive: Callable[[], Awaitable[Any]] | None = None) -> Request:
    """Return a request whose visitor stays, or does as `receive` says."""

    async def stays() -> Any:
        await asyncio.Event().wait()

    return Request({"type": "http", "headers": []}, receive or stays)


@asynccontextmanager
async def occupied(long: LongQuestions, people: int) -> AsyncIterator[Callable[[], None]]:
    """Have so many people ask something that is answered when the caller says so."""
    said = asyncio.Event()

    async def here() -> Response:
        await said.wait()
        return Response()

    asked = [asyncio.ensure_future(long.answer(asking(), f"person {n}", here)) for n in range(people)]
    await asyncio.sleep(0)
    yield said.set
    said.set()
    await asyncio.gather(*asked)


def run(what: Coroutine[Any, Any, None]) -> None:
    """Run it on a loop of its own."""
    own_loop.run(what)


def cookies(app: Starlette, account: str) -> dict[str, str]:
    """Sign somebody in."""
    browser = TestClient(app, base_url="http://testserver", follow_redirects=False)
    assert enter(browser, account).status_code == 303
    return dict(browser.cookies)


def browser(app: Starlette, kept: dict[str, str]) -> httpx.AsyncClient:
    """Return a browser that asks on the loop's own thread."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://testserver", cookies=kept)


def test_a_full_queue_refuses_every_long_page_and_no_short_one(university: World) -> None:
    app = limited(university)
    who = {account: cookies(app, account) for account in LONG}

    async def ask() -> None:
        async with occupied(app.state.services.long, 2):
            for account, paths in LONG.items():
                async with browser(app, who[account]) as made:
                    for path in paths:
                        answer = await made.get(path)
                        assert (answer.status_code, answer.headers.get("retry-after")) == (503, "30"), path
                        assert "查询和导出的人过多" in answer.text
            async with browser(app, who["dean"]) as made:
                assert "Try again in half a minute" in (await made.get("/overview?lang=en")).text
            async with browser(app, who[LIN.number]) as made:
                assert (await made.get("/")).status_code == 200
        async with browser(app, who["dean"]) as made:
            assert (await made.get("/overview")).status_code == 200

    run(ask())
    app.state.services.close()


def test_programs_wait_in_the_same_queue(university: World) -> None:
    app = limited(university)
    token, _ = give_token(university, "dean")

    async def ask() -> None:
        async with occupied(app.state.services.long, 2), browser(app, {}) as made:
            made.headers.update(bearing(token))
            for path in ("/api/v1/overview", "/api/v1/students"):
                answer = await made.get(path)
                assert (answer.status_code, answer.json()["status"]) == (503, 503)
                assert answer.headers["retry-after"] == "30"
            assert (await made.get("/api/v1/sources")).status_code == 200

    run(ask())
    app.state.services.close()


def test_no_account_fills_the_queue_alone() -> None:
    long = LongQuestions(PortalLimits(long_at_once=1, long_waiting=20, long_of_one=2))

    async def ask() -> None:
        said = asyncio.Event()

        async def here() -> Response:
            await said.wait()
            return Response()

        own = [asyncio.ensure_future(long.answer(asking(), "dean", here)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(NotNow) as refused:
            await long.answer(asking(), "dean", here)
        assert (refused.value.status_code, refused.value.why) == (429, "own_queue")
        other = asyncio.ensure_future(long.answer(asking(), "counsellor", here))
        said.set()
        await asyncio.gather(*own, other)
        await long.answer(asking(), "dean", here)

    run(ask())


def test_who_goes_away_keeps_no_place() -> None:
    long = LongQuestions(FEW)

    async def goes() -> Any:
        return {"type": "http.disconnect"}

    async def never() -> Response:
        raise AssertionError("nobody is there to read it")

    async def ask() -> None:
        async with occupied(long, 1):
            with pytest.raises(ClientDisconnect):
                await long.answer(asking(goes), "dean", never)
            assert (long.answered, long.waiting) == (1, 0)
        assert (long.answered, long.waiting) == (0, 0)

    run(ask())


def test_whoever_waits_is_answered_in_turn_and_never_more_at_once_than_allowed() -> None:
    long, order, most = LongQuestions(PortalLimits(long_at_once=2, long_waiting=20)), [], 0

    async def ask() -> None:
        async def here(number: int) -> Response:
            nonlocal most
            most = max(most, long.answered)
            order.append(number)
            await asyncio.sleep(0)
            return Response()

        await asyncio.gather(*(long.answer(asking(), str(n), lambda n=n: here(n)) for n in range(20)))  # type: ignore[misc]

    run(ask())
    assert (order, most, long.answered) == (list(range(20)), 2, 0)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The commands of the processes that are started."""
    found: list[Any] = []
    popen = subprocess.Popen

    def start(command: Any, **options: Any) -> Any:
        found.append(command)
        return popen(command, **options)

    monkeypatch.setattr(subprocess, "Popen", start)
    return found


class TestHelpers:
    def test_a_helper_answers_as_the_pages_would(self, university: World, started: list[Any]) -> None:
        command = (sys.executable, "-m", "tests.services.helper")
        own = (str(university.file), university.url, university.now.isoformat())
        apart = Apart((*command, *own), 1, timedelta(minutes=5))
        app = application(university.settings, clock=university.clock, apart=apart)
        plain = application(university.settings, clock=university.clock)
        kept = cookies(app, "dean")

        async def ask() -> None:
            async with browser(app, kept) as helped, browser(plain, kept) as alone:
                for path in ("/overview", "/lists?wanted=all", "/overview?college=none"):
                    one, other = await helped.get(path), await alone.get(path)
                    assert (one.status_code, one.text) == (other.status_code, other.text)
                sheet = await helped.get("/lists.xlsx")
                assert sheet.content.startswith(b"PK")
                assert sheet.headers["content-disposition"].startswith("attachment")

        run(ask())
        assert len(started) == 1
        app.state.services.close()
        plain.state.services.close()

    def test_a_long_answer_comes_whole_and_leaves_nothing_behind(self, tmp_path: Path) -> None:
        does = (
            "import sys; from portal.web.apart import answer_all; from starlette.responses import Response; "
            "answer_all(Response(b'x' * 3_000_000, headers={'x-kept': 'yes'}), int(sys.argv[1]))"
        )
        apart = Apart((sys.executable, "-c", does), 1, timedelta(minutes=5), tmp_path)

        async def ask() -> None:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(asked), base_url="http://testserver") as made:
                answer = await made.get("/")
                assert (len(answer.content), answer.headers["x-kept"]) == (3_000_000, "yes")
                assert (await made.get("/", headers={"Range": "bytes=3000000-"})).status_code == 416

        async def asked(scope: Scope, receive: Receive, send: Send) -> None:
            await (await apart.answer(Request(scope, receive)))(scope, receive, send)

        run(ask())
        assert not [path for path in tmp_path.rglob("*") if path.is_file()]
        apart.close()
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize(
        ("does", "why"), [("import time; time.sleep(3600)", NotNow), ("pass", HelperLost)], ids=["hangs", "ends"]
    )
    def test_a_helper_that_hangs_or_ends_is_replaced(self, does: str, why: type[Exception], started: list[Any]) -> None:
        apart = Apart((sys.executable, "-c", does), 1, timedelta(seconds=1))

        async def ask() -> None:
            for count in (1, 2):
                with pytest.raises(why):
                    await apart.answer(asking())
                assert len(started) == count

        run(ask())
        apart.close()

    def test_the_helper_of_one_who_goes_away_is_ended_and_the_place_is_free(self) -> None:
        apart = Apart((sys.executable, "-c", "import time; time.sleep(3600)"), 1, timedelta(hours=1))
        long = LongQuestions(FEW, apart)

        async def goes() -> Any:
            return {"type": "http.disconnect"}

        async def never() -> Response:
            raise AssertionError("a helper answers")

        async def ask() -> None:
            with pytest.raises(ClientDisconnect):
                await long.answer(asking(goes), "dean", never)

        run(ask())
        assert long.answered == 0
        apart.close()
