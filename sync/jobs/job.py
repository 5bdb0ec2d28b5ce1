"""A job as a value, and the port of a queue. A queue carries out nothing itself: it hands jobs to one function."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol


class JobKind(StrEnum):
    """What a job does."""

    #: Ask a source, or the roster, in a slot.
    PULL = "pull"
    #: Serve the rechecks of single students that wait.
    RECHECKS = "rechecks"
    #: Serve the votes that wait, and the reverts of runs.
    VOTES = "votes"
    #: Serve the requests to ask sources, and to use an uploaded list.
    SYNCS = "syncs"


class Lane(StrEnum):
    """A queue with workers of its own, so that one kind of job never waits for another."""

    PULLS = "pulls"
    REQUESTS = "requests"


#: The jobs of people's requests.
REQUESTS = (JobKind.RECHECKS, JobKind.VOTES, JobKind.SYNCS)


@dataclass(frozen=True, slots=True)
class Job:
    """One thing to do for one institution."""

    kind: JobKind
    #: The institution's key; empty where there is one institution.
    institution: str = ""
    #: The cohort; empty for all open cohorts.
    cohort: str = ""
    source: str = ""
    #: The slot of a pull.
    slot: datetime | None = None

    @property
    def lane(self) -> Lane:
        """The lane that it waits in."""
        return Lane.PULLS if self.kind is JobKind.PULL else Lane.REQUESTS

    @property
    def lock(self) -> str:
        """One text for all jobs of which one is carried out at a time."""
        return json.dumps([self.institution, self.kind, self.source, self.cohort], ensure_ascii=False)

    @property
    def key(self) -> str:
        """One text for the same job: it waits once, and a slot is handed out once."""
        slot = self.slot.isoformat() if self.slot is not None else ""
        return json.dumps([self.institution, self.kind, self.source, self.cohort, slot], ensure_ascii=False)

    def to_json(self) -> dict[str, str]:
        """Return the job as JSON."""
        return {
            "kind": self.kind.value,
            "institution": self.institution,
            "cohort": self.cohort,
            "source": self.source,
            "slot": self.slot.isoformat() if self.slot is not None else "",
        }


def job_from_json(values: dict[str, Any]) -> Job:
    """Return the job of `Job.to_json`. Raises KeyError, ValueError where another program wrote the values."""
    slot = values["slot"]
    return Job(
        JobKind(values["kind"]),
        values["institution"],
        values["cohort"],
        values["source"],
        datetime.fromisoformat(slot) if slot else None,
    )


#: Carries out a job; True for a job that was begun before and not ended. It returns whether what happened could be
#: stored, and raises nothing.
Carry = Callable[[Job, bool], bool]


class JobQueue(Protocol):
    """Hands out jobs."""

    def defer(self, job: Job) -> bool:
        """Hand out a job; return False if the same one was handed out before. Raises StoreError."""
