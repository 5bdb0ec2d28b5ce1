"""Carrying out jobs: the same for the schedule's own process and for a worker on another machine."""

from collections.abc import Callable, Mapping
from datetime import datetime

import structlog

from config.timetable import Timetable
from status_db.marks.runs import LeaseLost, SlotTaken
from status_db.store.engine import StoreError
from sync.jobs.job import Job, JobKind
from sync.run.season import CohortTurn, Season
from sync.service.gate import SlotWait
from sync.service.polling import serve_requests

#: Returns why a slot is left out, for a cohort, a source and a time: see `sync.service.gate`.
Wait = Callable[[str, str, datetime], SlotWait | None]


def never_waits(_cohort: str, _source: str, _now: datetime) -> SlotWait | None:
    """Leave out no slot."""
    return None


class JobRunner:
    """Carries out the jobs of one institution."""

    def __init__(
        self,
        season: Season,
        clock: Callable[[], datetime],
        wait: Wait = never_waits,
        serving: Mapping[JobKind, Callable[[], int]] | None = None,
    ) -> None:
        """`serving` serves the requests of a kind, and returns how many."""
        self._season = season
        self._clock = clock
        self._wait = wait
        self._serving = serving or {}
        #: The sources that are being asked now.
        self.under_way: set[str] = set()
        self._log = structlog.get_logger("clearance.schedule")
        #: Source and cohort (empty for all) → timetable.
        self.timetables: Mapping[tuple[str, str], Timetable] = season.timetables()

    def name_of(self, source: str, cohort: str) -> str:
        """Return the name of a source in the log: with the cohort, where there are several."""
        return f"{source} {cohort}" if cohort and len(self._season.cohorts) > 1 else source

    def carry(self, job: Job, again: bool = False) -> bool:  # noqa: FBT001, FBT002 - the port's own form
        """Carry out a job. It raises nothing: what fails is logged, and the next slot or poll tries again.

        With `again`, the job was begun before and not ended: a slot with an abandoned run is run once more. Return
        False where the status database did not respond.
        """
        if job.kind is not JobKind.PULL:
            return serve_requests(self._serving[job.kind])
        name = self.name_of(job.source, job.cohort)
        try:
            turns = self.open_turns(job)
        except StoreError as error:
            self._log.error("run not begun", source=name, message=str(error))
            return False
        except Exception:  # noqa: BLE001 - as with a run that fails: the schedule continues
            self._log.exception("run not begun", source=name)
            return True
        self.under_way.add(name)
        stored = True
        try:
            for turn in turns:
                stored = self._run_turn(name, job, turn, again=again) and stored
        finally:
            self.under_way.discard(name)
        return stored

    def open_turns(self, job: Job) -> list[CohortTurn]:
        """Return the runs of a pull that begin now; log those that are left out. Raises StoreError."""
        timetable = self.timetables.get((job.source, job.cohort))
        name, now = self.name_of(job.source, job.cohort), self._clock()
        if timetable is None:
            # It was removed from the settings while the job waited.
            self._log.warning("source not in the settings", source=name)
            return []
        if timetable.quiet_at(now):
            self._log.debug("quiet hours", source=name)
            return []
        turns = self._season.turns(job.source, job.cohort)
        return [turn for turn in turns if self._may_ask(name, job.source, turn, now)]

    def _may_ask(self, name: str, source: str, turn: CohortTurn, now: datetime) -> bool:
        """Return whether a cohort's run of a source is begun now; log why not."""
        wait = self._wait(turn.cohort, source, now)
        if wait is not None:
            until = {"until": wait.until.isoformat(), "failures": wait.failures} if wait.until else {}
            self._log.info(
                "slot left out", source=name, cohort=turn.cohort, why=wait.code, because=wait.reason, **until
            )
        return wait is None

    def _run_turn(self, name: str, job: Job, turn: CohortTurn, *, again: bool) -> bool:
        """Run a cohort's turn; return False where the status database did not respond."""
        slot = {"slot": job.slot.isoformat()} if job.slot is not None else {}
        try:
            turn.run(job.source, by="schedule", slot=job.slot, again=again)
        except SlotTaken:
            self._log.debug("slot taken", source=name, **slot)
        except LeaseLost as error:
            self._log.warning("run overtaken", source=name, message=str(error), **slot)
        except StoreError as error:
            self._log.error("run not stored", source=name, message=str(error), **slot)
            return False
        except Exception:  # noqa: BLE001 - see below
            # One source that fails must not end the others' schedule; the next slot tries again.
            self._log.exception("run broke", source=name, **slot)
        return True
