"""What procrastinate keeps about jobs, fenced: a worker ends a job only while the job is still its own.

Without the fence, a worker that was suspended would end the job of the worker that has taken it over.
"""

import asyncio
import time
from collections.abc import Iterable, Mapping
from datetime import timedelta

import structlog
from procrastinate import jobs, manager
from procrastinate.connector import BaseConnector
from procrastinate.exceptions import ConnectorException, UniqueViolation
from psycopg_pool import PoolTimeout

#: How often a stalled job is tried again. A job that ends its worker each time would otherwise go on for ever.
MOST_TRIES = 1

#: Seconds between two attempts to end a job while its database does not respond: from, and at most.
_AGAIN, _LONGEST = 0.5, 10.0

_FINISH = """
WITH mine AS (
    SELECT id FROM procrastinate_jobs
    WHERE id = %(job)s AND worker_id = %(worker)s AND attempts = %(attempts)s AND status = 'doing' FOR UPDATE
)
SELECT procrastinate_finish_job_v1(id, %(status)s::procrastinate_job_status, false) FROM mine
"""

#: A job is put back unless its try is used up, or a job that does the same waits. One in each transaction.
_PUT_BACK = """
WITH stalled AS (
    SELECT job.id FROM procrastinate_jobs AS job
    LEFT JOIN procrastinate_workers AS worker ON worker.id = job.worker_id
    WHERE job.status = 'doing' AND {which}
    ORDER BY job.id LIMIT 1 FOR UPDATE OF job SKIP LOCKED
)
UPDATE procrastinate_jobs AS job SET
    status = CASE WHEN job.attempts < %(most)s AND NOT EXISTS (
        SELECT FROM procrastinate_jobs AS other WHERE other.lock = job.lock AND other.status = 'todo'
    ) THEN 'todo' ELSE 'failed' END::procrastinate_job_status,
    attempts = job.attempts + 1, worker_id = NULL
FROM stalled WHERE job.id = stalled.id
RETURNING job.id, job.status::text AS status, job.args
"""

_OF_DEAD = "(worker.id IS NULL OR worker.last_heartbeat < now() - make_interval(secs => %(seconds)s))"
_LOST = "job.id = ANY(%(lost)s) AND job.worker_id = ANY(%(workers)s)"
_OF_WORKERS = (
    "SELECT id FROM procrastinate_jobs WHERE status = 'doing' AND worker_id = ANY(%(workers)s) AND id <> ALL(%(held)s)"
)

#: Those that ended long ago, a part at a time.
_REMOVE = """
DELETE FROM procrastinate_jobs WHERE id IN (
    SELECT job.id FROM procrastinate_jobs AS job WHERE job.status NOT IN ('todo', 'doing') AND NOT EXISTS (
        SELECT FROM procrastinate_events AS event
        WHERE event.job_id = job.id AND event.at > now() - make_interval(secs => %(seconds)s)
    ) ORDER BY job.id LIMIT 1000
) RETURNING id
"""


class FencedJobs(manager.JobManager):
    """Takes jobs, ends them, puts stalled ones back, and removes old ones."""

    def __init__(self, connector: BaseConnector) -> None:
        super().__init__(connector)
        #: The jobs that this process carries out, and the numbers of its workers.
        self._held: set[int] = set()
        self._workers: set[int] = set()
        #: Jobs that are marked as this process's, and that it does not carry out: seen at the last look.
        self._lost: set[int] = set()
        #: When the database last responded to a report.
        self.reported = time.monotonic()
        self._log = structlog.get_logger("clearance.worker")

    async def register_worker(self) -> int:
        """Register a worker of this process."""
        number = await super().register_worker()
        self._workers.add(number)
        self.reported = time.monotonic()
        return number

    async def unregister_worker(self, worker_id: int) -> None:
        """Remove a worker that has ended."""
        self._workers.discard(worker_id)
        await super().unregister_worker(worker_id)

    async def update_heartbeat(self, worker_id: int) -> None:
        """Report that a worker is alive. A database that does not respond is tried again at the next report."""
        try:
            await super().update_heartbeat(worker_id)
        except (ConnectorException, PoolTimeout) as error:
            self._log.warning("not reported", because=_reason(error))
        else:
            self.reported = time.monotonic()

    async def report(self) -> None:
        """Report that this process's workers are alive, also while a lane ends or begins again."""
        for number in sorted(self._workers):
            await self.update_heartbeat(number)

    async def fetch_job(self, queues: Iterable[str] | None, worker_id: int) -> jobs.Job | None:
        """Take a job."""
        job = await super().fetch_job(queues, worker_id)
        if job is not None and job.id is not None:
            self._held.add(job.id)
        return job

    async def finish_job(self, job: jobs.Job, status: jobs.Status, delete_job: bool) -> None:  # noqa: ARG002, FBT001 - as the base
        """End a job that is still this worker's, however long the database takes to respond."""
        values = {"job": job.id, "worker": job.worker_id, "attempts": job.attempts, "status": status.value}
        pause = _AGAIN
        try:
            while True:
                try:
                    ended = await self.connector.execute_query_all_async(_FINISH, **values)
                except (ConnectorException, PoolTimeout) as error:
                    self._log.warning("job not ended", job=job.id, because=_reason(error))
                    await asyncio.sleep(pause)
                    pause = min(pause * 2, _LONGEST)
                    continue
                if not ended:
                    self._log.warning("job was taken over", job=job.id, **job.task_kwargs)
                return
        finally:
            if job.id is not None:
                self._held.discard(job.id)

    async def put_back(self, dead_after: timedelta) -> int:
        """Put back the jobs of dead workers, and those that this process was given and never got; return how many."""
        values = {"seconds": dead_after.total_seconds(), "most": MOST_TRIES}
        count = await self._put_back(_OF_DEAD, "worker dead", values)
        found = await self.connector.execute_query_all_async(
            _OF_WORKERS, workers=sorted(self._workers), held=sorted(self._held)
        )
        lost = {int(row["id"]) for row in found}
        # Seen at two looks: a job may be on its way here.
        again = sorted(lost & self._lost)
        self._lost = lost
        if again:
            of_mine = {"lost": again, "workers": sorted(self._workers), "most": MOST_TRIES}
            count += await self._put_back(_LOST, "answer lost", of_mine)
        return count

    async def _put_back(self, which: str, why: str, values: Mapping[str, object]) -> int:
        count = 0
        while True:
            try:
                rows = await self.connector.execute_query_all_async(_PUT_BACK.format(which=which), **values)
            except UniqueViolation:
                # The same job was handed out at this moment; the next pass ends this one.
                return count
            if not rows:
                return count
            for row in rows:
                count += 1
                if row["status"] == "todo":
                    self._log.warning("job put back", job=row["id"], because=why, **row["args"])
                else:
                    self._log.warning("job given up", job=row["id"], because=why, **row["args"])

    async def remove_old(self, kept_for: timedelta) -> int:
        """Remove jobs that ended long ago; return how many."""
        removed = 0
        while True:
            rows = await self.connector.execute_query_all_async(_REMOVE, seconds=kept_for.total_seconds())
            removed += len(rows)
            if not rows:
                return removed


def _reason(error: Exception) -> str:
    return str(error.__cause__ or error).strip().partition("\n")[0]
