"""What the sources know of a cohort's students: for each synced step how many are known, who is unknown, and why."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Engine, and_, func, select

from config.settings import Settings
from status_db import tables
from status_db.model import Verdict
from status_db.store.engine import reading

#: The reason of a step without a stored finding.
NO_FINDING = "no_finding"


@dataclass(frozen=True, slots=True)
class StepCoverage:
    """One synced step, and its students."""

    step: str
    #: The students that have this step in their flow.
    students: int
    #: Verdict → how many; the unknown ones are in `unknown`.
    known: Mapping[str, int]
    #: Reason → how many are unknown for it.
    unknown: Mapping[str, int]

    @property
    def unknown_students(self) -> int:
        """How many students are unknown."""
        return sum(self.unknown.values())


@dataclass(frozen=True, slots=True)
class UnknownStudent:
    """A student of whom a step knows nothing, and the reason."""

    step: str
    student: str
    name: str
    college: str
    reason: str


class CoverageReader:
    """Reads the coverage of a cohort. Raises StoreError."""

    def __init__(self, engine: Engine, settings: Settings, cohort: str) -> None:
        self._engine = engine
        self._settings = settings
        self._cohort = cohort

    def steps(self) -> tuple[StepCoverage, ...]:
        """Return each step that a source decides, in the settings' order."""
        person, status = tables.student, tables.status
        found = []
        with reading(self._engine) as connection:
            for step, flows in self._synced():
                here = (person.c.cohort == self._cohort, person.c.active, person.c.flow.in_(flows))
                students = int(connection.scalar(select(func.count()).select_from(person).where(*here)) or 0)
                counted = (
                    select(status.c.verdict, status.c.reason, func.count())
                    .join(person, and_(person.c.cohort == status.c.cohort, person.c.student == status.c.student))
                    .where(*here, status.c.step == step)
                    .group_by(status.c.verdict, status.c.reason)
                )
                known: dict[str, int] = {}
                unknown: dict[str, int] = {}
                for verdict, reason, count in connection.execute(counted):
                    into, key = (unknown, reason) if verdict == Verdict.UNKNOWN else (known, verdict)
                    into[key] = into.get(key, 0) + count
                if missing := students - sum(known.values()) - sum(unknown.values()):
                    unknown[NO_FINDING] = missing
                found.append(StepCoverage(step, students, known, unknown))
        return tuple(found)

    def unknown(self, most: int) -> tuple[UnknownStudent, ...]:
        """Return the students that are unknown, by step and number; at most this many of each step."""
        person, status = tables.student, tables.status
        found: list[UnknownStudent] = []
        with reading(self._engine) as connection:
            for step, flows in self._synced():
                of_step = and_(
                    status.c.cohort == person.c.cohort, status.c.student == person.c.student, status.c.step == step
                )
                rows = connection.execute(
                    select(person.c.student, person.c.name, person.c.college, status.c.reason)
                    .outerjoin(status, of_step)
                    .where(
                        person.c.cohort == self._cohort,
                        person.c.active,
                        person.c.flow.in_(flows),
                        (status.c.verdict == Verdict.UNKNOWN) | status.c.verdict.is_(None),
                    )
                    .order_by(person.c.student)
                    .limit(most)
                )
                found += [
                    UnknownStudent(step, number, name, college, reason or NO_FINDING)
                    for number, name, college, reason in rows
                ]
        return tuple(found)

    def _synced(self) -> Sequence[tuple[str, list[str]]]:
        settings = self._settings
        flows = {
            step.key: [
                flow.key
                for flow in settings.flow
                if any(entry.step == step.key and entry.kind == "synced" for entry in flow.entries)
            ]
            for step in settings.step
        }
        return [(step, keys) for step, keys in flows.items() if keys]
