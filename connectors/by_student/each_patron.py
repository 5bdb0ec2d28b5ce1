"""A library that answers about one patron at a time, and the meaning of an unknown patron.

A student that the library does not know is outside the population, so unknown; with `unknown = "clear"` the student
owes nothing. That applies only where the library knows at least one student: a wrong kind of number would clear all.
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
from foundation.translation import N_, tr
from status_db.model import normalise_number

#: The meaning of a student that the library does not know.
UnknownMeaning: TypeAlias = Literal["unknown", "clear"]

#: Columns that each record has. Such systems leave out empty values; an amount is never left out.
_NEVER_MISSING = frozenset({"student", "amount"})


class EachPatronSettings(KnownQuestions, HttpTimeouts):
    """Keys of every library that answers about one patron at a time."""

    #: The meaning of a student that the library does not know.
    unknown: UnknownMeaning = "unknown"
    per_student: PerStudent = PerStudent()


def optional(fields: Iterable[str]) -> tuple[str, ...]:
    """Return the fields that a record can leave out."""
    return tuple(field for field in fields if field not in _NEVER_MISSING)


def changed_on_the_way(source: str, system: str, what: str) -> SourceGarbled:
    """Return the error for an answer that the system itself does not send."""
    return SourceGarbled(
        tr("{source}: {system} answered with {what}", source=source, system=system, what=what),
        tr("Check the proxies between here and {system}: they must forward answers unchanged.", system=system),
    )


class EachPatron(EachStudent):
    """A connector that asks about every number of every student on the roster."""

    wrong_student_fix = N_(
        "A record must belong to the student that was asked about. Remove student from columns, or "
        'write columns.student = "{student}".'
    )

    def __init__(
        self,
        about_one: AsksAboutOne,
        limits: PerStudent,
        question: Question,
        unmatched_keys: UnknownMeaning,
        timer: Timer | None = None,
    ) -> None:
        super().__init__(about_one, limits, question, timer)
        self._roster_question = question
        self._clears = unmatched_keys == "clear"

    def pull(self, progress: Progress = no_progress) -> Snapshot:
        """Return the answers about all students on the roster. Raises SourceGarbled where it knows none of them."""
        numbers: tuple[str, ...] = ()
        revision = None
        if self._clears:
            with suppress(SourceUnavailable):
                candidates = self._roster_question.candidates()
                numbers, revision = candidates.every_number(), candidates.revision
        snapshot = super().pull(progress)
        # If the roster has changed in between, the question was about other numbers.
        return _all_known(snapshot, numbers) if numbers and revision == snapshot.candidates else snapshot

    def pull_these(self, numbers: Sequence[str], progress: Progress = no_progress) -> Snapshot:
        """Return the answers about these numbers, each asked separately and never answered from a cache."""
        snapshot = super().pull_these(numbers, progress)
        return _all_known(snapshot, numbers) if self._clears else snapshot

    def pull_one(self, student: str) -> Snapshot:
        """Return the answer about one number."""
        snapshot = super().pull_one(student)
        return _all_known(snapshot, [student]) if self._clears else snapshot


def _all_known(snapshot: Snapshot, numbers: Sequence[str]) -> Snapshot:
    """Return an answer with all of these numbers in its population, except the doubtful ones."""
    doubtful = {normalise_number(cell) for cell in snapshot.unsettled}
    known = {normalise_number(cell) for cell in snapshot.population or ()}
    more = [n for n in numbers if normalise_number(n) not in doubtful | known]
    return replace(snapshot, population=[*(snapshot.population or ()), *more])
