"""The schedule and the worker of a settings file, put together: what each serves, and by which queue."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cache, partial
from typing import TYPE_CHECKING

import structlog

from clearance.jobs.cluster import queue_of
from clearance.jobs.sheets import nightly
from clearance.notify.assembly import notify_service
from foundation.acting import acting_for
from foundation.refusals import Refused
from status_db.inbox.wake_ups import can_listen
from sync.jobs.job import Job, JobKind
from sync.run.season import for_each
from sync.service.handing_out import HandingOut, RequestJobs
from sync.service.inbox import OTHERS, RECHECKS, SYNCS, VOTES
from sync.service.job_metrics import measuring
from sync.service.job_runner import JobRunner
from sync.service.listening import RequestListener
from sync.service.polling import RECHECKS_EVERY, Polling
from sync.service.schedule import Background, Schedule

if TYPE_CHECKING:
    from clearance.context import ServedCohorts
    from status_db.inbox.requests import RequestKind
    from sync.jobs.cluster.queue import ClusterQueue
    from sync.jobs.job import Carry

#: Job → the kinds of requests that it serves.
_SERVED = {JobKind.RECHECKS: RECHECKS, JobKind.VOTES: VOTES, JobKind.SYNCS: SYNCS}


def schedule_of(served: ServedCohorts, institution: str = "") -> Schedule:
    """Return the schedule of an institution: it carries out its jobs, or hands them out where [cluster] has a url.

    Raises StoreError.
    """
    programs, first = served.programs, served.first
    listener = RequestListener(first.desk) if can_listen(first.desk) else None
    queue = queue_of(first.settings)
    if queue is None:
        serving: Callable[[], int] = partial(_serve, served, OTHERS)
    else:
        serving = RequestJobs(queue, institution, partial(_waiting, served)).hand_out
    return Schedule(
        first.settings,
        served.season,
        first.clock,
        lambda at: sum(for_each(partial(program.decision_writer.sweep, at) for program in programs)),
        serving,
        lambda slot: sum(for_each(partial(nightly(program), slot) for program in programs)),
        lambda: first.retention,
        first.gate.wait,
        lambda: _beside(served, listener, queue),
        None if queue is None else partial(HandingOut, queue),
        listener,
        institution,
    )


def _serve(served: ServedCohorts, kinds: frozenset[RequestKind]) -> int:
    """Serve the requests of these kinds, of each cohort; return how many."""
    return sum(for_each(partial(program.serving.serve, kinds) for program in served.programs))


def _waiting(served: ServedCohorts) -> Iterable[JobKind]:
    """Return the jobs for the requests that wait, and for votes that were entered elsewhere."""
    kinds = served.first.requests.kinds_waiting([program.cohort for program in served.programs])
    found = [job for job, of in _SERVED.items() if kinds & of]
    if JobKind.VOTES not in found and any(program.votes.waiting() for program in served.programs):
        found.append(JobKind.VOTES)
    return found


def _beside(
    served: ServedCohorts, listener: RequestListener | None, queue: ClusterQueue | None
) -> Sequence[Background]:
    """Return what runs beside the schedule: rechecks, and the notifications where the settings have a channel."""
    within = served.first.settings.schedule.stop_within.total_seconds()
    found: list[Background] = []
    if queue is None:
        found.append(Polling(partial(_serve, served, RECHECKS), RECHECKS_EVERY, within, listener))
    else:
        found.append(_Closing(queue.close))
    if listener is not None:
        found.append(listener)
    notifying = notify_service(served.first)
    return [*found, notifying] if notifying is not None else found


class _Closing:
    """Closes what the schedule has opened, at its end."""

    def __init__(self, close: Callable[[], None]) -> None:
        self._close = close

    def start(self) -> None:
        """Do nothing."""

    def stop(self) -> None:
        """Close."""
        self._close()


def carry_of(served_of: Callable[[str], ServedCohorts | None]) -> Carry:
    """Return what carries out a worker's jobs; `served_of` returns an institution's cohorts, None if there is none."""

    @cache
    def runner_of(institution: str) -> JobRunner | None:
        served = served_of(institution)
        return _runner(served) if served is not None else None

    log = structlog.get_logger("clearance.worker")

    def carry(job: Job, again: bool) -> bool:  # noqa: FBT001 - the port's own form
        with acting_for(job.institution), measuring(job, again=again):
            try:
                runner = runner_of(job.institution)
            except (Refused, OSError) as error:
                # Its settings or its database: the job is tried again a few times.
                log.error("institution not opened", message=str(error))  # noqa: TRY400 - the message is complete
                return False
            if runner is None:
                # It was added after this worker has started: the next slot finds another one, or this one reloaded.
                log.error("institution not in the settings")
                return True
            return runner.carry(job, again)

    return carry


def _runner(served: ServedCohorts) -> JobRunner:
    serving = {job: partial(_serve, served, kinds) for job, kinds in _SERVED.items()}
    return JobRunner(served.season, served.first.clock, served.first.gate.wait, serving)
