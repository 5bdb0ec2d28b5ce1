"""The cohorts that are served together: each with its own roster and marks, each source asked once for all of them.

An office is asked once, however many cohorts are open. Each cohort's run gets its answer, judges it and applies it on
its own. A source that is asked by number is asked about the students of all cohorts, and each run sees the revision of
its own roster at which they were read.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

from config.cohorts import binds_cohort
from config.settings import Settings
from config.timetable import Timetable, timetable_of
from connectors.port import (
    Candidates,
    Connector,
    Fingerprint,
    Fingerprinted,
    Progress,
    Sample,
    Snapshot,
    SourceError,
    no_progress,
)
from status_db.model import ROSTER
from sync.run.outcome import Outcome
from sync.run.run import Sync

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class CohortMember:
    """One open cohort."""

    cohort: str
    #: With this cohort's roster.
    settings: Settings
    sync: Sync
    #: Reads the students that a source is asked about by number.
    candidates: Callable[[str], Candidates] = lambda _name: Candidates()
    #: Returns whether any student of the cohort has the step that a source decides, as far as the roster is known.
    uses: Callable[[str], bool] = lambda _name: True


@dataclass(frozen=True, slots=True)
class CohortTurn:
    """One cohort's run of a source, in the order of the cohorts."""

    cohort: str
    sync: Sync
    #: The connector that asks for all cohorts, where there are several; None where the cohort's own connector asks.
    shared: Connector | None = None

    def run(
        self,
        name: str,
        *,
        by: str,
        slot: datetime | None = None,
        progress: Progress = no_progress,
        again: bool = False,
    ) -> Outcome:
        """Run it, as `Sync.run` does."""
        return self.sync.run(name, by=by, slot=slot, progress=progress, shared=self.shared, again=again)


class Season:
    """The cohorts that are served together."""

    def __init__(
        self,
        members: Sequence[CohortMember],
        connect: Callable[[str, Callable[[], Candidates]], Connector] | None = None,
    ) -> None:
        """`connect` makes a source's connector for all members, given how to read the students to ask about."""
        self._members = tuple(members)
        self._connect = connect

    @property
    def cohorts(self) -> tuple[str, ...]:
        """The members' keys."""
        return tuple(member.cohort for member in self._members)

    def timetables(self) -> Mapping[tuple[str, str], Timetable]:
        """Return the timetables: (source, "") for all cohorts, and (roster, cohort) for each cohort's own list."""
        rosters = {(ROSTER, m.cohort): timetable_of(m.settings, m.settings.roster) for m in self._members}
        shared = self._members[0].settings if self._members else None
        sources = {(name, ""): timetable_of(shared, source) for name, source in shared.source.items()} if shared else {}
        return rosters | sources

    def open_cohorts(self, *, by: str = "settings") -> list[Outcome]:
        """Make each cohort's row, close suspensions that were not decided in time, and apply changed settings.

        Return how changes of settings ended.
        """
        ended = [member.sync.open_cohort(by=by) for member in self._members]
        return [outcome for outcome in ended if outcome is not None]

    def turns(self, name: str, cohort: str = "") -> list[CohortTurn]:
        """Return the runs that a source, or the roster, needs now; of one cohort only where it is named.

        The source is asked by the first run that needs its answer, and by no other.
        """
        asked = [m for m in self._members if cohort in ("", m.cohort)]
        if name == ROSTER:
            return [CohortTurn(m.cohort, m.sync) for m in asked]
        using = [m for m in asked if m.uses(name)]
        if len(using) < 2 or self._connect is None or binds_cohort(using[0].settings.source[name]):
            return [CohortTurn(m.cohort, m.sync) for m in using]
        once = _Once(name, using, self._connect)
        return [CohortTurn(m.cohort, m.sync, _Share(once, m.cohort)) for m in using]


def for_each(calls: Iterable[Callable[[], T]]) -> list[T]:
    """Make each call, also after an earlier one failed; then raise the first fault, if any."""
    results: list[T] = []
    faults: list[Exception] = []
    for call in calls:
        try:
            results.append(call())
        except Exception as fault:  # noqa: BLE001 - it is raised again, once the other cohorts have had their turn
            faults.append(fault)
    if faults:
        raise faults[0]
    return results


class _Once:
    """A source that is asked once; every later caller gets the same answer, or the same fault."""

    def __init__(
        self, name: str, members: Sequence[CohortMember], connect: Callable[[str, Callable[[], Candidates]], Connector]
    ) -> None:
        self._name = name
        self._members = members
        self._connect = connect
        self._revisions: dict[str, int | None] = {}
        self._connector: Connector | None = None
        self._answer: Snapshot | SourceError | None = None
        self._fingerprint: list[Fingerprint | None] = []

    def connector(self) -> Connector:
        """Return the connector that asks about the students of all cohorts. Raises SourceError."""
        if self._connector is None:
            self._connector = self._connect(self._name, self._candidates)
        return self._connector

    def _candidates(self) -> Candidates:
        numbers: dict[str, tuple[str, ...]] = {}
        for member in self._members:
            found = member.candidates(self._name)
            # The answer is judged by the first reading: students that join later are not in it.
            self._revisions.setdefault(member.cohort, found.revision)
            for student, theirs in found.numbers.items():
                numbers[student] = tuple(dict.fromkeys((*numbers.get(student, ()), *theirs)))
        # Each run is given the revision of its own roster in place of this one.
        return Candidates(numbers, 0)

    def snapshot(self, cohort: str, progress: Progress) -> Snapshot:
        """Return the answer, as one cohort's run sees it. Raises SourceError."""
        if self._answer is None:
            try:
                self._answer = self.connector().pull(progress)
            except SourceError as error:
                self._answer = error
        if isinstance(self._answer, SourceError):
            raise self._answer
        if self._answer.candidates is None:
            return self._answer
        return replace(self._answer, candidates=self._revisions[cohort])

    def fingerprint(self) -> Fingerprint | None:
        """Return the source's own fingerprint of its answer. Raises SourceError."""
        if not self._fingerprint:
            connector = self.connector()
            self._fingerprint.append(connector.fingerprint() if isinstance(connector, Fingerprinted) else None)
        return self._fingerprint[0]


class _Share:
    """The connector that one cohort's run asks."""

    def __init__(self, once: _Once, cohort: str) -> None:
        self._once = once
        self._cohort = cohort

    def pull(self, progress: Progress = no_progress) -> Snapshot:
        """Return the answer for all cohorts."""
        return self._once.snapshot(self._cohort, progress)

    def pull_one(self, student: str) -> Snapshot:
        """Ask about one student; no other cohort shares this answer."""
        return self._once.connector().pull_one(student)

    def check(self) -> Sample:
        """Read one row."""
        return self._once.connector().check()

    def fingerprint(self) -> Fingerprint | None:
        """Return the source's own fingerprint of its answer; None where it has none."""
        return self._once.fingerprint()
