"""Hashing passwords: in threads of low priority, a few sign-ins at once, a bounded number waiting.

Each hash takes 64 MiB and a tenth of a second on four cores. A hundred at once would leave nothing for the pages.
"""

import asyncio
import os
import sys
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from contextvars import copy_context
from typing import TypeVar

from portal.web.limits import NotNow

#: Hashes computed at once, at most. One hash computes in four threads.
_THREADS = max(1, (os.cpu_count() or 1) // 4)

#: Sign-ins under way at once, at most: while some are hashed, others look up accounts and open sessions.
_UNDER_WAY = 4

#: Added to the `nice` value of the threads that hash.
_NICE = 15

#: Retry after this long, in seconds, when the queue is full.
_RETRY_AFTER = 15

T = TypeVar("T")


class Hashing:
    """The queue of one process for all work that hashes passwords."""

    def __init__(self, waiting: int) -> None:
        self._most = waiting + _UNDER_WAY
        self._inside = 0
        self._closed = False
        self._under_way = asyncio.Semaphore(_UNDER_WAY)
        self._threads = ThreadPoolExecutor(_THREADS, "hashing", initializer=_give_way)

    @property
    def inside(self) -> int:
        """How many sign-ins wait or are under way."""
        return self._inside

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Wait for a turn and hold it. Raises NotNow when too many wait: then no try is counted or compared."""
        if self._inside >= self._most:
            raise NotNow(503, "passwords", _RETRY_AFTER)
        self._inside += 1
        try:
            async with self._under_way:
                yield
        finally:
            self._inside -= 1

    async def run(self, work: Callable[..., T], *args: object) -> T:
        """Hash in a thread; the caller holds a place. Raises NotNow when this process is stopping."""
        if self._closed:
            raise NotNow(503, "passwords", _RETRY_AFTER)
        return await asyncio.get_running_loop().run_in_executor(self._threads, copy_context().run, work, *args)

    def close(self) -> None:
        """Stop the threads."""
        self._closed = True
        self._threads.shutdown()


def _give_way() -> None:
    """Lower the priority of this thread and of those it starts, and leave them half of the cores.

    A hash fills the memory bus and the caches of its cores, which a low priority alone does not prevent: with 200
    sign-ins, a page on PostgreSQL kept 0.76 of its idle rate by priority, and 0.92 with a core of its own. Only Linux
    sets both for a thread.
    """
    if sys.platform == "linux":
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + _NICE)
        cores = sorted(os.sched_getaffinity(thread))
        os.sched_setaffinity(thread, cores[: len(cores) // 2 or 1])
