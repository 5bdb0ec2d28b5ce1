"""A library that can only be asked about one patron at a time, and what it means that it does not know somebody.

A student that the library does not know is outside the population, so unknown; with `unknown = "clear"` they are known
to owe it nothing. That holds only where it knows somebody at all: a wrong kind of number would clear everybody.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Literal, TypeAlias

from connectors.by_student.each_student import AsksAboutOne, EachStudent
from connectors.http.settings import HttpTimeouts
from connectors.http.worker_pool import PerStudent, Timer
from connectors.own_keys.questions import KnownQuestions
from connectors.port import Progress, Question, Snapshot, SourceGarbled, SourceUnavailable, no_progress
from status_db.model import normalise_number

#: What it means that the library does not know a student.
Strangers: TypeAlias = Literal["unknown", "clear"]

#: Columns that each record has. Such systems leave out what is empty; what is owed is never left out.
_NEVER_MISSING = frozenset({"student", "amount"})


class EachPatronSettings(KnownQuestions, HttpTimeouts):
    """Keys of every library that is asked so."""

    #: What it means that the library does not know a student.
    unknown: Strangers = "unknown"
    per_student: PerStudent = PerStudent()


def optional(fields: Iterable[str]) -> tuple[str, ...]:
    """Return the fields that a record may leave out."""
    return tuple(field for field in fields if field not in _NEVER_MISSING)


def changed_on_the_way(source: str, system: str, what: str) -> SourceGarbled:
    """Return the error for an answer that the system does not give of itself."""
    return SourceGarbled(
        f"{source}: {system} answered with {what}",
        f"Look at what is between here and {system}: answers must be passed on as they are.",
    )


class EachPatron(EachStudent):
    """Asks about every number of every student on the roster."""

    asked_wrongly = (
        'Take student out of columns, or write columns.student = "{student}": a record then belongs to the student '
        "that was asked about."
    )

    def __init__(
        self,
        about_one: AsksAboutOne,
        limits: PerStudent,
        question: Question,
        unmatched_keys: Strangers,
        watch: Timer | None = None,
    ) -> None:
        super().__init__(about_one, limits, question, watch)
        self._patrons_of = question
        self._clears = unmatched_keys == "clear"

    def pull(self, progress: Progress = no_progress) -> Snapshot:
        """Return what it says about everybody on the roster. Raises SourceGarbled where it knows none of them."""
        numbers: tuple[str, ...] = ()
        revision = None
        if self._clears:
            with suppress(SourceUnavailable):
                candidates = self._patrons_of.candidates()
                numbers, revision = candidates.every_number(), candidates.revision
        snapshot = super().pull(progress)
        # If the roster has changed in between, these are not the numbers that it was asked about.
        return _all_known(snapshot, numbers) if numbers and revision == snapshot.candidates else snapshot

    def pull_these(self, numbers: Sequence[str], progress: Progress = no_progress) -> Snapshot:
        """Return what it says now about these numbers, each asked about alone and never out of a cache."""
        snapshot = super().pull_these(numbers, progress)
        return _all_known(snapshot, numbers) if self._clears else snapshot

    def pull_one(self, student: str) -> Snapshot:
        """Return what it says about one number."""
        snapshot = super().pull_one(student)
        return _all_known(snapshot, [student]) if self._clears else snapshot


def _all_known(snapshot: Snapshot, numbers: Sequence[str]) -> Snapshot:
    """Return an answer that knows all of these numbers, but for those that it is in doubt about."""
    doubtful = {normalise_number(cell) for cell in snapshot.unsettled}
    known = {normalise_number(cell) for cell in snapshot.population or ()}
    more = [n for n in numbers if normalise_number(n) not in doubtful | known]
    return replace(snapshot, population=[*(snapshot.population or ()), *more])
