"""Handing out jobs to workers: what the schedule does where several machines share the work."""

from collections.abc import Callable, Iterable

from sync.jobs.job import Job, JobKind, JobQueue
from sync.service.job_runner import JobRunner


class HandingOut:
    """Hands out a pull unless each of its runs is left out now. The worker asks again before each run."""

    def __init__(self, queue: JobQueue, runner: JobRunner) -> None:
        self._queue = queue
        self._runner = runner

    def defer(self, job: Job) -> bool:
        """Hand out a job; return False if the same one was handed out before, or waits. Raises StoreError."""
        return bool(self._runner.open_turns(job)) and self._queue.defer(job)


class RequestJobs:
    """Hands out a job for each kind of request that waits."""

    def __init__(self, queue: JobQueue, institution: str, waiting: Callable[[], Iterable[JobKind]]) -> None:
        """`waiting` returns the kinds of requests that wait."""
        self._queue = queue
        self._institution = institution
        self._waiting = waiting

    def hand_out(self) -> int:
        """Hand out the jobs; return how many. Raises StoreError."""
        return sum(self._queue.defer(Job(kind, self._institution)) for kind in self._waiting())
