"""Handing out jobs: each slot once, one waiting pull of a source at most, and a fair share for each institution."""

import logging
import threading
from datetime import timedelta

import procrastinate
import structlog
from procrastinate.exceptions import AlreadyEnqueued
from psycopg import Connection
from psycopg.types.json import Jsonb
from psycopg_pool import ConnectionPool

from sync.jobs.cluster.address import TASK, QueueAddress, queue_errors
from sync.jobs.job import Job, JobKind

#: Seconds to wait for a connection.
_PATIENCE = 10.0

#: The priority of a job of an institution with no other; each that waits already lowers it by one.
_FIRST, _LAST = 0, -1000

#: A newer slot takes the place of the older one that still waits, and moves ahead by one: it has waited before.
_RENEW = """
UPDATE procrastinate_jobs SET args = %(args)s, queueing_lock = %(key)s, priority = least(priority + 1, %(first)s)
WHERE status = 'todo' AND lock = %(lock)s AND args ->> 'slot' < %(slot)s
"""

_WAITING = """
SELECT count(*) FROM procrastinate_jobs
WHERE status = 'todo' AND queue_name = %(queue)s AND args ->> 'institution' = %(institution)s
"""

_LENGTH = """
SELECT count(*), coalesce(extract(epoch FROM now() - min(event.at)), 0) FROM procrastinate_jobs AS job
JOIN procrastinate_events AS event ON event.job_id = job.id AND event.type = 'deferred' WHERE job.status = 'todo'
"""


class ClusterQueue:
    """Hands out jobs from any number of processes. Safe for threads."""

    def __init__(self, address: QueueAddress) -> None:
        self._address = address
        self._turn = threading.Lock()
        self._opened: ConnectionPool | None = None
        # With a connection of its own for each call, it uses none of its connector's.
        self._app = procrastinate.App(connector=procrastinate.SyncPsycopgConnector())
        logging.getLogger("procrastinate").setLevel(logging.WARNING)
        logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
        self._log = structlog.get_logger("clearance.schedule")

    @property
    def _pool(self) -> ConnectionPool:
        with self._turn:
            if self._opened is None:
                self._opened = ConnectionPool(
                    kwargs=self._address.connect_arguments,
                    min_size=1,
                    max_size=4,
                    open=True,
                    timeout=_PATIENCE,
                    reconnect_timeout=_PATIENCE,
                    check=ConnectionPool.check_connection,
                )
            return self._opened

    def close(self) -> None:
        """Disconnect; the next call connects again."""
        with self._turn:
            opened, self._opened = self._opened, None
        if opened is not None:
            opened.close()

    def defer(self, job: Job) -> bool:
        """Hand out a job; return False if its slot was handed out before, or the same job waits.

        A pull that still waits for a worker becomes one of the newer slot. Raises QueueUnavailable.
        """
        with queue_errors(), self._pool.connection() as connection:
            try:
                with connection.transaction():
                    return self._defer(connection, job)
            except AlreadyEnqueued:
                # The same request, handed out by another process at this moment.
                return False

    def _defer(self, connection: Connection, job: Job) -> bool:
        connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (job.lock,))
        known = "SELECT 1 FROM procrastinate_jobs WHERE queueing_lock = %s"
        if job.kind is not JobKind.PULL:
            known += " AND status = 'todo'"
        if connection.execute(known.encode(), (job.key,)).fetchone() is not None:
            return False
        named = {"args": Jsonb(job.to_json()), "key": job.key, "lock": job.lock, "first": _FIRST}
        if job.slot is not None:
            renewed = connection.execute(_RENEW, {**named, "slot": job.to_json()["slot"]})
            if renewed.rowcount:
                self._log.info("waiting slot replaced", source=job.source, slot=job.slot.isoformat())
                return True
        (count,) = connection.execute(
            _WAITING, {"queue": job.lane.value, "institution": job.institution}
        ).fetchone() or (0,)
        self._app.configure_task(
            TASK,
            allow_unknown=True,
            queue=job.lane.value,
            lock=job.lock,
            queueing_lock=job.key,
            priority=max(_FIRST - count, _LAST),
            connection=connection,
        ).defer(**job.to_json())
        return True

    def waiting(self) -> tuple[int, timedelta]:
        """Return how many jobs wait for a worker, and for how long the oldest has waited. Raises QueueUnavailable."""
        with queue_errors(), self._pool.connection() as connection:
            count, seconds = connection.execute(_LENGTH).fetchone() or (0, 0)
        return count, timedelta(seconds=float(seconds))
