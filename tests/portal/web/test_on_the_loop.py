"""Nothing without a bound is done on the event loop: the detector itself, which every test of the pages runs under."""

import asyncio
import traceback
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from portal.auth.passwords import hash_password, weakness
from status_db.accounts.audit_log import Audit, AuditEvent
from tests import own_loop
from tests.portal.on_the_loop import BLOCKING, OnTheLoop
from tests.world import World


async def _hash() -> None:
    hash_password("a-long-enough-word")


async def _judge() -> None:
    weakness("a-long-enough-word", ())


async def _trace() -> None:
    traceback.format_exception(ValueError("x"))


@pytest.mark.parametrize("handler", [_hash, _judge, _trace])
def test_what_has_no_bound_refuses_on_the_loop_and_nowhere_else(
    handler: Callable[[], Coroutine[Any, Any, None]],
) -> None:
    with pytest.raises(OnTheLoop):
        own_loop.run(handler())

    async def in_a_thread() -> str:
        return await asyncio.to_thread(hash_password, "a-long-enough-word")

    assert own_loop.run(in_a_thread())


def test_a_write_to_the_database_refuses_on_the_loop(university: World) -> None:
    async def handler() -> None:
        Audit(university.desk_engine).note(AuditEvent.SAW_LIST, account="x", now=university.now)

    with pytest.raises(OnTheLoop):
        own_loop.run(handler())


@pytest.mark.parametrize(("place", "name"), BLOCKING)
def test_each_that_is_watched_refuses_on_the_loop(place: Any, name: str) -> None:
    async def handler() -> None:
        getattr(place, name)()

    with pytest.raises(OnTheLoop, match=name):
        own_loop.run(handler())
