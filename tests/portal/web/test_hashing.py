"""Many sign-ins at once: few are under way, some wait, the rest is refused and not counted as a failure."""

import asyncio
import os
import sys
import threading
from contextlib import AsyncExitStack

import pytest

from config.tables.limits import PortalLimits
from portal.web.hashing import Hashing
from portal.web.limits import NotNow
from tests import own_loop
from tests.cast import LIN
from tests.portal.web.test_long_questions import browser, cookies, limited
from tests.world import World


def test_a_full_queue_refuses_sign_ins_in_words_and_counts_no_failure(university: World) -> None:
    app = limited(university, PortalLimits(passwords_waiting=1))
    hashing: Hashing = app.state.services.hashing
    signed_in = cookies(app, LIN.number)

    async def ask() -> None:
        full = asyncio.Event()

        async def occupy() -> None:
            async with hashing.place():
                await full.wait()

        waiting = [asyncio.ensure_future(occupy()) for _ in range(5)]
        await asyncio.sleep(0)
        async with browser(app, {}) as made:
            page = await made.get("/sign-in")
            token = page.text.partition('name="form_token" value="')[2].partition('"')[0]
            for _ in range(10):
                form = {"account": LIN.number, "password": "a guess", "form_token": token}
                refused = await made.post("/sign-in", data=form)
                assert (refused.status_code, refused.headers["retry-after"]) == (503, "15")
                assert "不计为失败" in refused.text
        async with browser(app, signed_in) as made:
            assert (await made.get("/")).status_code == 200
        full.set()
        await asyncio.gather(*waiting)

    own_loop.run(ask())
    assert hashing.inside == 0
    assert cookies(app, LIN.number)
    app.state.services.close()


def test_no_more_than_four_sign_ins_are_under_way_and_each_of_the_others_has_its_turn() -> None:
    hashing, most, now, done = Hashing(100), 0, 0, 0

    async def one() -> None:
        nonlocal most, now, done
        async with hashing.place():
            now += 1
            most = max(most, now)
            await asyncio.sleep(0)
            now -= 1
            done += 1

    async def ask() -> None:
        await asyncio.gather(*(one() for _ in range(104)))

    own_loop.run(ask())
    assert (most, done) == (4, 104)
    hashing.close()


def test_who_gives_up_waiting_leaves_the_place_to_others() -> None:
    hashing = Hashing(1)

    async def ask() -> None:
        async with AsyncExitStack() as under_way:
            for _ in range(4):
                await under_way.enter_async_context(hashing.place())
            waits = asyncio.ensure_future(under_way.enter_async_context(hashing.place()))
            await asyncio.sleep(0)
            with pytest.raises(NotNow):
                await under_way.enter_async_context(hashing.place())
            waits.cancel()
            await asyncio.wait({waits})
            assert hashing.inside == 4
        assert hashing.inside == 0

    own_loop.run(ask())
    hashing.close()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has priorities of threads")
def test_threads_that_hash_have_lower_priority_than_the_pages() -> None:
    hashing = Hashing(1)

    def priority() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    async def ask() -> None:
        assert await hashing.run(priority) == min(priority() + 15, 19)

    own_loop.run(ask())
    hashing.close()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux gives a thread its cores")
def test_threads_that_hash_leave_half_of_the_cores_to_the_pages() -> None:
    hashing = Hashing(1)

    def cores() -> int:
        return len(os.sched_getaffinity(threading.get_native_id()))

    async def ask() -> None:
        assert await hashing.run(cores) == (cores() // 2 or 1)

    own_loop.run(ask())
    hashing.close()
