"""A worker: takes jobs from the queue and carries each out in a thread, until it is stopped.

Pulls and requests have lanes of their own, each with its threads: a click never waits for a slow office. The event loop
runs nothing else, so that the worker goes on reporting while its threads are busy.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import procrastinate
import structlog
from procrastinate.exceptions import ConnectorException
from procrastinate.worker import Worker as LaneWorker
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from foundation.refusals import Refused
from sync.jobs.cluster.address import TASK, QueueAddress
from sync.jobs.cluster.fenced import FencedJobs
from sync.jobs.job import Carry, Lane, job_from_json

#: Seconds until a lane that has lost its database begins again: from, and at most.
_AGAIN, _LONGEST = 1.0, 15.0

#: Seconds until a job is begun again because the status database did not respond; after the last one it ends.
_STORE_AGAIN = (2.0, 5.0, 15.0, 30.0)

#: How long an ended job is kept: a slot is not handed out again meanwhile.
_KEPT_FOR = timedelta(hours=6)
_REMOVE_EVERY = timedelta(minutes=10)

#: Seconds between the reports of a lane itself. They end while it waits for its last jobs, so the worker reports.
_NEVER = 3600.0


@dataclass(frozen=True, slots=True)
class WorkerSizes:
    """How many jobs a worker carries out at once, and how long a stop waits for them."""

    pulls: int
    requests: int
    stop_within: timedelta

    def of(self, lane: Lane) -> int:
        """Return the number of a lane."""
        return self.pulls if lane is Lane.PULLS else self.requests


class Worker:
    """Carries out jobs in threads of its own. Started once; `again` makes another one."""

    def __init__(self, address: QueueAddress, sizes: WorkerSizes, carry: Carry) -> None:
        """`carry` carries out a job; True for a job that a worker began and did not end."""
        #: Makes another worker of the same.
        self.again = partial(type(self), address, sizes, carry)
        self._address = address
        self._sizes = sizes
        self._carry = carry
        self._repeated: tuple[Callable[[], None], float] | None = None
        self._thread = threading.Thread(target=self._run, name="worker", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._begun = threading.Event()
        self._lanes: dict[Lane, LaneWorker] = {}
        self._jobs: FencedJobs | None = None
        self._log = structlog.get_logger("clearance.worker")

    def start(self) -> None:
        """Begin. A database that does not respond is tried until it does."""
        logging.getLogger("procrastinate").setLevel(logging.CRITICAL)
        logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
        self._thread.start()
        self._begun.wait()
        self._log.info("worker started", pulls=self._sizes.pulls, requests=self._sizes.requests)

    def stop(self) -> bool:
        """Take no more jobs; return whether those under way have ended within `stop_within`.

        One that has not ended is taken over by another worker, once this process has ended.
        """
        if self._loop is None or self._stopping is None:
            return True
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(self._sizes.stop_within.total_seconds())
        ended = not self._thread.is_alive()
        if not ended:
            self._log.warning("jobs not ended", after_seconds=self._sizes.stop_within.total_seconds())
        self._log.info("worker stopped")
        return ended

    @property
    def alive(self) -> bool:
        """Whether it runs, and has reported to the queue lately."""
        if not self._thread.is_alive() or self._jobs is None:
            return False
        return time.monotonic() - self._jobs.reported < 2 * self._address.dead_after.total_seconds()

    def repeat(self, call: Callable[[], None], every: timedelta) -> None:
        """Call this at an interval as long as the worker is alive."""
        self._repeated = (call, every.total_seconds())

    def _run(self) -> None:
        try:
            asyncio.run(self._main())
        except Exception:  # noqa: BLE001 - the process sees that it has ended, and ends too
            self._log.exception("worker broke")
        finally:
            self._begun.set()

    async def _main(self) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        connector = procrastinate.PsycopgConnector(
            pool_factory=partial(AsyncConnectionPool, kwargs=self._connect_arguments),
            min_size=1,
            max_size=len(Lane) + 4,
            timeout=10.0,
            reconnect_timeout=5.0,
        )
        app = procrastinate.App(connector=connector)
        app.job_manager = self._jobs = FencedJobs(connector)
        pools = {lane: ThreadPoolExecutor(self._sizes.of(lane), thread_name_prefix=lane.value) for lane in Lane}

        @app.task(name=TASK, pass_context=True)
        async def carry(context: procrastinate.JobContext, /, **values: str) -> None:
            job = job_from_json(values)
            again, run = context.job.attempts > 0, asyncio.get_running_loop().run_in_executor
            for pause in _STORE_AGAIN:
                if await run(pools[job.lane], self._carry, job, again) or self._is_stopping():
                    return
                again = True
                await self._wait(pause)

        await self._open(connector)
        side = [asyncio.create_task(self._upkeep()), asyncio.create_task(self._repeat()), self._stop_task()]
        self._begun.set()
        try:
            await asyncio.gather(*(self._serve(app, lane) for lane in Lane))
        finally:
            for task in side:
                task.cancel()
            await asyncio.gather(*side, return_exceptions=True)
            await connector.close_async()
            for pool in pools.values():
                pool.shutdown(wait=False)

    async def _connect_arguments(self) -> dict[str, object]:
        return self._address.connect_arguments()

    async def _open(self, connector: procrastinate.PsycopgConnector) -> None:
        pause = _AGAIN
        while not self._is_stopping():
            try:
                await connector.open_async()
            except (ConnectorException, PoolTimeout, Refused) as error:
                self._log.warning("queue not reached", because=str(error))
                await connector.close_async()
                await self._wait(pause)
                pause = min(pause * 2, _LONGEST)
            else:
                return

    async def _serve(self, app: procrastinate.App, lane: Lane) -> None:
        """Run a lane; begin again when it has lost its database."""
        pause = _AGAIN
        while not self._is_stopping():
            began = time.monotonic()
            worker = LaneWorker(
                app,
                queues=[lane.value],
                name=lane.value,
                concurrency=self._sizes.of(lane),
                install_signal_handlers=False,
                update_heartbeat_interval=_NEVER,
                stalled_worker_timeout=self._address.dead_after.total_seconds(),
            )
            self._lanes[lane] = worker
            try:
                await worker.run()  # type: ignore[no-untyped-call]
                why = "its connection was lost"
            except Exception as error:  # noqa: BLE001 - whatever it is, the lane begins again
                why = str(error.__cause__ or error).strip().partition("\n")[0]
            if self._is_stopping():
                return
            pause = _AGAIN if time.monotonic() - began > _LONGEST else min(pause * 2, _LONGEST)
            self._log.warning("lane begins again", lane=lane.value, because=why)
            await self._wait(pause)

    async def _upkeep(self) -> None:
        """Report, put back the jobs of dead workers, and remove old ones."""
        assert self._jobs is not None  # noqa: S101 - made before
        removed = 0.0
        while True:
            await self._jobs.report()
            try:
                await self._jobs.put_back(self._address.dead_after)
                if time.monotonic() - removed > _REMOVE_EVERY.total_seconds():
                    await self._jobs.remove_old(_KEPT_FOR)
                    removed = time.monotonic()
            except (ConnectorException, PoolTimeout) as error:
                self._log.warning("jobs not looked at", because=str(error.__cause__ or error).partition("\n")[0])
            except Exception:  # noqa: BLE001 - the next look follows
                self._log.exception("upkeep broke")
            await self._wait(self._address.report_every.total_seconds())

    async def _repeat(self) -> None:
        while True:
            call, every = self._repeated or (None, 1.0)
            if call is not None and self.alive:
                call()
            await asyncio.sleep(every)

    def _stop_task(self) -> asyncio.Task[None]:
        """Return the task that stops the lanes, also one that begins at that moment."""

        async def stop_lanes() -> None:
            assert self._stopping is not None  # noqa: S101 - made before
            await self._stopping.wait()
            while True:
                for worker in self._lanes.values():
                    worker.stop()  # type: ignore[no-untyped-call]
                await asyncio.sleep(0.2)

        return asyncio.create_task(stop_lanes())

    def _is_stopping(self) -> bool:
        return self._stopping is not None and self._stopping.is_set()

    async def _wait(self, seconds: float) -> None:
        """Wait so long, or until it is stopped."""
        assert self._stopping is not None  # noqa: S101 - made before
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            return
        # While it stops, who repeats must not spin.
        await asyncio.sleep(min(seconds, 0.2))
