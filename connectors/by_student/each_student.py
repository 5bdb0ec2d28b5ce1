"""A source that is asked about each student on the roster, and the combined answer.

Such a source is asked only about the roster's students, so its snapshot has the roster's revision: if the roster has
changed since, the answer clears no student. The population is all students that the source answered about.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import datetime
from typing import ClassVar, Protocol, Self

from connectors.http.worker_pool import Pause, PerStudent, Timer, ask_each
from connectors.port import (
    Candidates,
    Progress,
    Proof,
    ProofKind,
    Question,
    Sample,
    Snapshot,
    SourceGarbled,
    SourceUnavailable,
    no_progress,
    together,
)
from foundation.translation import N_, tr, tr_n
from status_db.model import normalise_number

#: The most students that a check asks about to find a record.
_SAMPLED = 10


class AsksAboutOne(Protocol):
    """A reader that asks about one student at a time."""

    def asking(self, pause: Pause = ...) -> AbstractContextManager[Callable[[str], Snapshot]]:
        """Open a session and return a function that asks about one number; each answer is whole and proven.

        The population of an answer is that number; it is empty where the source does not know the number.
        """
        ...

    def check_one(self, student: str) -> Sample:
        """Return a sample of the answer about one student."""
        ...

    def fresh(self) -> Self:
        """Return a reader with the same question that accepts no answer from a cache."""
        ...


class EachStudent:
    """A connector that asks about every number of every student on the roster."""

    #: The fix where an answer is about another student.
    wrong_student_fix: ClassVar[str] = N_(
        "A system ignores parameters that it does not know. Check one and one_url; if its records "
        'have another number or none, write columns.student = "{student}".'
    )

    def __init__(
        self, about_one: AsksAboutOne, limits: PerStudent, question: Question, timer: Timer | None = None
    ) -> None:
        self._about_one = about_one
        self._limits = limits
        self._question = question
        self._timer = timer

    def pull(self, progress: Progress = no_progress) -> Snapshot:
        """Return the answers about all students on the roster; `progress` counts numbers."""
        began, candidates = self._question.clock(), roster_candidates(self._question)
        answers = self._ask_each(candidates.every_number(), candidates, self._about_one, progress)
        return joined(self._question, candidates, tuple(answers.values()), began)

    def pull_these(self, numbers: Sequence[str], progress: Progress = no_progress) -> Snapshot:
        """Return the answers about these numbers, each asked separately and never answered from a cache."""
        began = self._question.clock()
        answers = self._ask_each(numbers, self._question.candidates(), self._about_one.fresh(), progress)
        return about_these(self._question, tuple(answers.values()), began)

    def _ask_each(
        self, numbers: Sequence[str], candidates: Candidates, about_one: AsksAboutOne, progress: Progress
    ) -> dict[str, Snapshot]:
        owners = owners_of(candidates)

        @contextmanager
        def opening(pause: Pause) -> Iterator[Callable[[str], Snapshot]]:
            with about_one.asking(pause) as ask:
                yield lambda number: self._check_owner(ask(number), owners.get(number) or {normalise_number(number)})

        return ask_each(numbers, opening, self._limits, self._question.source, progress, self._timer)

    def pull_one(self, student: str) -> Snapshot:
        """Return the answer about one number; it can name another number of the same student."""
        owners = owners_of(self._question.candidates())
        with self._about_one.asking() as ask:
            answer = self._check_owner(ask(student), owners.get(student, frozenset()) | {normalise_number(student)})
        if any(proof.kind is ProofKind.END_REACHED for proof in answer.proofs):
            return answer
        # The answer about an unknown number has no total, and all answers must have a proof in common.
        end = Proof(ProofKind.END_REACHED, tr("one number, and everything about it"))
        return replace(answer, proofs=(*answer.proofs, end))

    def check(self) -> Sample:
        """Ask about the first students on the roster until one has a record."""
        numbers = roster_candidates(self._question).every_number()[:_SAMPLED]
        for number in numbers[:-1]:
            sample = self._about_one.check_one(number)
            if sample.row is not None:
                return sample
        # Several students without a record are not a whole answer without rows.
        return replace(self._about_one.check_one(numbers[-1]), whole=False)

    def _check_owner(self, answer: Snapshot, owned: AbstractSet[str]) -> Snapshot:
        """Return an answer. Raise SourceGarbled where it is about another student."""
        for row in answer.rows:
            if row[0] is None or normalise_number(row[0]) not in owned:
                what = N_("{source}: the answer about one student has a record about another student")
                if row[0] is None:
                    what = N_("{source}: the answer about one student has a record without a student")
                raise SourceGarbled(
                    tr(what, source=self._question.source),
                    tr(self.wrong_student_fix),
                )
        return answer


def roster_candidates(question: Question) -> Candidates:
    """Return the students that a source is asked about. Raises SourceUnavailable where the roster is empty."""
    candidates = question.candidates()
    if not candidates.numbers:
        raise SourceUnavailable(
            tr("{source} is asked about each student, but the roster is empty", source=question.source),
            tr("Sync the roster first: clearance sync roster."),
        )
    return candidates


def about_these(question: Question, answers: Sequence[Snapshot], began: datetime) -> Snapshot:
    """Return the answers about some numbers as one, with the proof that each number was asked about."""
    fields = tuple(question.columns)
    asked = tr_n("{number} number, each asked separately", "{number} numbers, each asked separately", len(answers))
    end = Proof(ProofKind.END_REACHED, asked)
    if not answers:
        return Snapshot(fields, [], began, question.clock(), (end,), [])
    whole = together(answers)
    # The answer about an unknown number proves nothing else.
    proofs = (*(proof for proof in whole.proofs if proof.kind is not ProofKind.END_REACHED), end)
    return replace(whole, began=min(began, *(answer.began for answer in answers)), proofs=proofs)


def joined(
    question: Question, candidates: Candidates, answers: Sequence[Snapshot], began: datetime, also: str = ""
) -> Snapshot:
    """Return all answers as one, with the proofs that each of them has, and that every number was asked about once.

    Raises SourceGarbled when the source knows none of the numbers.
    """
    numbers = len(candidates.every_number())
    asked = tr(
        "{students}, {numbers}, each asked once",
        students=tr_n("{number} student", "{number} students", len(candidates.numbers)),
        numbers=tr_n("{number} number", "{number} numbers", numbers),
    )
    asked = tr("{asked}; {also}", asked=asked, also=also) if also else asked
    # The answer about an unknown number proves nothing else; the details are those of the longest answer.
    known = sorted((answer for answer in answers if answer.population), key=lambda answer: -len(answer.rows))
    if not known:
        raise SourceGarbled(
            tr("{source} knows no student on the roster ({asked})", source=question.source, asked=asked),
            tr("Check the address, and that the roster has the numbers that the source knows."),
        )
    whole = together(known)
    own = {ProofKind.NO_PAGE_LOST, ProofKind.END_REACHED}
    proofs = (
        Proof(ProofKind.NO_PAGE_LOST, asked),
        Proof(
            ProofKind.END_REACHED,
            tr_n(
                "{number} answer, up to the roster's last number",
                "{number} answers, up to the roster's last number",
                len(answers),
            ),
        ),
        *(
            Proof(
                proof.kind,
                tr_n(
                    "in each of {number} answer; in the longest: {detail}",
                    "in each of {number} answers; in the longest: {detail}",
                    len(known),
                    detail=proof.detail,
                ),
            )
            for proof in whole.proofs
            if proof.kind not in own
        ),
    )
    began = min(began, *(answer.began for answer in answers))
    return replace(whole, began=began, ended=question.clock(), proofs=proofs, candidates=candidates.revision)


def owners_of(candidates: Candidates) -> Mapping[str, frozenset[str]]:
    """Return, for each number, all numbers of the student it belongs to."""
    owners: dict[str, frozenset[str]] = {}
    for numbers in candidates.numbers.values():
        theirs = frozenset(normalise_number(number) for number in numbers)
        for number in numbers:
            owners[number] = owners.get(number, frozenset()) | theirs
    return owners
