"""The schedule: one job per source, each slot run once, a missed slot run at the start."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Protocol

import structlog
from apscheduler.events import EVENT_JOB_MAX_INSTANCES, EVENT_JOB_MISSED, JobEvent
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger

from config.settings import Settings
from config.timetable import Timetable
from foundation.acting import same_context
from status_db.desk.retention import RetentionRunner
from status_db.model import ROSTER
from status_db.store.engine import StoreError
from sync.jobs.in_process import InProcess
from sync.jobs.job import Job, JobKind, JobQueue
from sync.run.season import Season
from sync.service.job_runner import JobRunner, Wait, never_waits
from sync.service.polling import Polling, WakeUps, serve_requests

#: A job that could not start in time (the machine slept, all workers were busy) still runs within this time.
_GRACE = timedelta(hours=6)

_WORKERS = 4

#: The most missed slots that are counted for the log.
_MOST_MISSED = 1000

#: Poll interval of the inbox (requests from the pages, votes on suspended runs), in seconds.
_SERVES = 2

#: Poll interval for decisions that have ended, in seconds.
_SWEEPS = 60

#: The job that prints sheets.
_PAPER = "paper"

#: The job that removes rows whose retention period is over.
_RETENTION = "retention"


class Background(Protocol):
    """What runs in a thread of its own beside the schedule. A stop is bounded in time."""

    def start(self) -> None:
        """Begin."""

    def stop(self) -> None:
        """End."""


class SlotTrigger(BaseTrigger):  # type: ignore[misc]  # the library has no types
    """Fires at a timetable's slots; counted from local midnight, not from the process's start."""

    def __init__(self, timetable: Timetable) -> None:
        self._timetable = timetable

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime:
        """Return the next slot, in UTC."""
        return self._timetable.after(max(previous_fire_time, now) if previous_fire_time else now)


class Schedule:
    """Asks the sources of the open cohorts: each roster by its own timetable, each source once for all cohorts."""

    def __init__(
        self,
        settings: Settings,
        season: Season,
        clock: Callable[[], datetime],
        sweep: Callable[[datetime], int],
        serving: Callable[[], int],
        printing: Callable[[datetime], int] | None = None,
        retention: Callable[[], RetentionRunner] | None = None,
        wait: Wait = never_waits,
        beside: Callable[[], Sequence[Background]] = tuple,
        queue: Callable[[JobRunner], JobQueue] | None = None,
        wake_ups: WakeUps | None = None,
        institution: str = "",
    ) -> None:
        """`sweep` records the decisions that have ended by the given moment; `serving` serves the pages' requests.

        `printing` writes the sheets of a night's slot, unless they exist, and returns how many it wrote; it runs where
        the settings name a folder. `retention` returns the runner of the retention rules, which runs once a day.
        `wait` returns why a slot is left out, for a cohort, a source and a time: see `sync.service.gate`. `beside`
        makes what runs in threads of its own as long as the schedule does. `queue` makes the queue that slots are
        handed out by; by default each is carried out at once, in this process. `wake_ups` reports new requests.
        """
        #: Makes another schedule of the same, because one that was stopped cannot start again.
        self.again = partial(
            type(self), settings, season, clock, sweep, serving, printing, retention, wait, beside, queue, wake_ups,
            institution,
        )  # fmt: skip
        self._season = season
        self._settings = settings
        self._sweep = sweep
        self._serving = serving
        self._printing = printing if settings.desk.paper.folder is not None else None
        self._nights = Timetable(None, settings.desk.paper.cron, settings.institution.timezone)
        self._retention = retention
        self._retention_times = Timetable(None, settings.retention.cron, settings.institution.timezone)
        self._clock = clock
        self._institution = institution
        self._runner = JobRunner(season, clock, wait)
        self._queue = queue(self._runner) if queue is not None else InProcess(self._runner.carry)
        self._wake_ups = wake_ups
        self._requests = self._make_polling()
        self._make_beside = beside
        self._beside: Sequence[Background] = ()
        #: Source → its last slot that was served, and the sources for whose slot the queue did not respond.
        self._last: dict[str, datetime] = {}
        self._not_handed_out: set[str] = set()
        self._log = structlog.get_logger("clearance.schedule")
        #: Name of the job → source, cohort (empty for all), timetable.
        self._jobs = {
            self._runner.name_of(source, cohort): (source, cohort, timetable)
            for (source, cohort), timetable in self._runner.timetables.items()
        }
        self._scheduler = BackgroundScheduler(
            timezone=UTC,
            executors={"default": ThreadPoolExecutor(_WORKERS, {"initializer": same_context()})},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": int(_GRACE.total_seconds())},
        )

    def start(self) -> None:
        """Start asking: first the slots that were missed, then each at its time."""
        for changed in self._season.open_cohorts(by="schedule"):
            write_log = self._log.warning if changed.fault else self._log.info
            write_log("settings changed", state=changed.state.value, message=changed.message)
        self._log_unusable()
        # Its own lines have no source, and come every two seconds while a request is served.
        logging.getLogger("apscheduler.scheduler").setLevel(logging.ERROR)
        self._scheduler.add_listener(self._log_missed_job, EVENT_JOB_MISSED | EVENT_JOB_MAX_INSTANCES)
        for name, (_, _, timetable) in self._jobs.items():
            self._scheduler.add_job(self.serve, SlotTrigger(timetable), args=[name], id=name, name=name)
        self._scheduler.add_job(self.sweep, "interval", seconds=_SWEEPS, id="sweep", name="sweep")
        self._scheduler.start()
        self._log.info("schedule started", sources=len(self._jobs), cohorts=", ".join(self._season.cohorts))
        for name in self._jobs:
            self.serve(name)
        # Also at once: what no process has done in the slot before. A job that runs once alone is not used, because
        # APScheduler fails to remove it while it is shut down.
        at_once = datetime.now(UTC)
        if self._printing is not None:
            self._add_slots(self.print_sheets, self._nights, _PAPER, at_once)
        if self._retention is not None:
            self._add_slots(self.retain, self._retention_times, _RETENTION, at_once)
        self._requests.start()
        self._beside = self._make_beside()
        for service in self._beside:
            service.start()

    def _make_polling(self) -> Polling:
        """Return the thread that serves the requests: a vote must not wait until a pull ends."""
        within = self._settings.schedule.stop_within.total_seconds()
        return Polling(self._serving, _SERVES, within, self._wake_ups, "requests")

    def _add_slots(self, work: Callable[[], None], times: Timetable, name: str, first: datetime) -> None:
        self._scheduler.add_job(work, SlotTrigger(times), id=name, name=name, next_run_time=first)

    def repeat(self, call: Callable[[], None], every: timedelta) -> None:
        """Call this at an interval while the schedule works, and not by the workers, which can all be busy."""
        self._scheduler.add_executor(ThreadPoolExecutor(1), "beats")
        self._scheduler.add_job(call, "interval", seconds=every.total_seconds(), executor="beats", id="beats")

    def stop(self) -> bool:
        """Stop after the runs under way have ended; return False if they have not ended within `stop_within`.

        Nothing of a run that has not ended is written when the process ends: the database rolls its transaction back,
        and the next schedule records it as abandoned.
        """
        bound = self._settings.schedule.stop_within.total_seconds()
        until, ended = time.monotonic() + bound, True
        if self._scheduler.running:
            waiting = threading.Thread(target=self._scheduler.shutdown, daemon=True)
            waiting.start()
            waiting.join(bound)
            ended = not waiting.is_alive()
        ended = self._requests.end(max(0.0, until - time.monotonic())) and ended
        if not ended:
            self._log.warning("runs not ended", sources=sorted(self._runner.under_way), after_seconds=bound)
        for service in self._beside:
            service.stop()
        self._log.info("schedule stopped")
        return ended

    @property
    def alive(self) -> bool:
        """Whether the schedule runs."""
        return bool(self._scheduler.running)

    def _log_missed_job(self, event: JobEvent) -> None:
        """Log a slot that could not be served in time, or while the run before it was under way."""
        if event.job_id in self._jobs:
            busy = event.code == EVENT_JOB_MAX_INSTANCES
            why = "the run before it was under way" if busy else "the process was suspended or busy"
            self._log.warning("slot missed", source=event.job_id, because=why)

    def _log_missed_slots(self, name: str, slot: datetime, timetable: Timetable) -> None:
        """Log the slots since the last one that this process has served: only the newest of them is run."""
        missed, before = 0, self._last.get(name)
        if before is not None:
            between = timetable.after(before)
            while between < slot and missed < _MOST_MISSED:
                missed, between = missed + 1, timetable.after(between)
        if missed:
            self._log.warning("slots coalesced", source=name, missed=missed, slot=slot.isoformat())
        self._last[name] = slot

    def _log_unusable(self) -> None:
        """Log the sources that this process cannot ask; it asks the others."""
        rosters = {f"{ROSTER} {key}": roster for key, roster in self._settings.rosters.items()}
        for name, one in {**(rosters or {ROSTER: self._settings.roster}), **self._settings.source}.items():
            for why in one.unusable:
                self._log.error("source cannot be asked", source=name, message=why)

    def serve(self, name: str) -> None:
        """Hand out the current slot, for every cohort where it has not been run."""
        source, cohort, timetable = self._jobs[name]
        now = self._clock()
        try:
            if timetable.quiet_at(now):
                self._log.debug("quiet hours", source=name)
                return
            slot = timetable.at(now)
            self._log_missed_slots(name, slot, timetable)
            self._not_handed_out.discard(name)
            self._queue.defer(Job(JobKind.PULL, self._institution, cohort, source, slot))
        except StoreError as error:
            self._not_handed_out.add(name)
            self._log.error("slot not handed out", source=name, message=str(error))
        except Exception:  # noqa: BLE001 - as with a run that fails: the schedule continues
            self._log.exception("run not begun", source=name)

    def hand_out_again(self) -> None:
        """Hand out the slots for which the queue did not respond."""
        for name in tuple(self._not_handed_out):
            self.serve(name)

    def answer(self) -> None:
        """Serve the requests of the pages, and carry out votes."""
        serve_requests(self._serving)

    def sweep(self) -> None:
        """Record the decisions that have ended; they stopped counting at that moment."""
        self.hand_out_again()
        try:
            if ended := self._sweep(self._clock()):
                self._log.info("decisions ended", count=ended)
        except StoreError as error:
            self._log.error("decisions not swept", message=str(error))
        except Exception:  # noqa: BLE001 - as with a run that fails: the schedule continues
            self._log.exception("sweep broke")

    def print_sheets(self) -> None:
        """Write the sheets of the current night, for an outage; no source is asked."""
        if self._printing is None:
            return
        slot = self._nights.at(self._clock())
        try:
            if written := self._printing(slot):
                self._log.info("sheets printed", slot=slot.isoformat(), files=written)
        except (StoreError, OSError) as error:
            self._log.error("sheets not printed", slot=slot.isoformat(), message=str(error))
        except Exception:  # noqa: BLE001 - as with a run that fails: the schedule continues
            self._log.exception("printing broke", slot=slot.isoformat())

    def retain(self) -> None:
        """Carry out each retention rule that is due."""
        if self._retention is None:
            return
        try:
            retention = self._retention()
            due = retention.due(self._retention_times.at(self._clock()))
        except StoreError as error:
            self._log.error("retention not carried out", message=str(error))
            return
        except Exception:  # noqa: BLE001 - as with a run that fails: the schedule continues
            self._log.exception("retention broke")
            return
        for rule in due:
            try:
                run = retention.carry_out(rule, self._clock(), "schedule")
                if run.removed or run.unfinished:
                    self._log.info(
                        "rows removed",
                        rule=rule,
                        count=run.removed,
                        cutoff=run.cutoff.isoformat(),
                        unfinished=run.unfinished,
                    )
            except StoreError as error:
                self._log.error("retention not carried out", rule=rule, message=str(error))
            except Exception:  # noqa: BLE001 - as with a run that fails: the other rules continue
                self._log.exception("retention broke", rule=rule)
