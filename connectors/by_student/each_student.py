"""A source that is asked about each student of the roster, and what all its answers show together.

Such a source is never asked about anybody else, so its snapshot names the roster's revision: an answer about the
students of a roster that has changed meanwhile clears nobody. The population is whoever it answered about.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import datetime
from typing import ClassVar, Protocol, Self

from connectors.http.worker_pool import Pause, PerStudent, Timer, walk
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
from status_db.model import normalise_number

#: A check looks for a record with so many students.
_SAMPLED = 10


class AsksAboutOne(Protocol):
    """What can be asked about one student at a time."""

    def asking(self, pause: Pause = ...) -> AbstractContextManager[Callable[[str], Snapshot]]:
        """Open what asks about one number after the other, each answer whole and proven.

        The population of an answer is that number, or nobody where the source does not know it.
        """
        ...

    def check_one(self, student: str) -> Sample:
        """Look at the answer about one student."""
        ...

    def fresh(self) -> Self:
        """Return one that asks the same and takes no answer out of a cache."""
        ...


class EachStudent:
    """Asks about every number of every student on the roster."""

    #: What to do where an answer is about somebody else.
    asked_wrongly: ClassVar[str] = (
        "A system overlooks parameters it does not know: look at one and one_url; if its records carry a number of its "
        'own or none, write columns.student = "{student}".'
    )

    def __init__(
        self, about_one: AsksAboutOne, limits: PerStudent, question: Question, watch: Timer | None = None
    ) -> None:
        self._about_one = about_one
        self._limits = limits
        self._question = question
        self._watch = watch

    def pull(self, progress: Progress = no_progress) -> Snapshot:
        """Return what it says about everybody on the roster; `progress` is told numbers."""
        began, candidates = self._question.clock(), on_the_roster(self._question)
        answers = self._asked(candidates.every_number(), candidates, self._about_one, progress)
        return joined(self._question, candidates, tuple(answers.values()), began)

    def pull_these(self, numbers: Sequence[str], progress: Progress = no_progress) -> Snapshot:
        """Return what it says now about these numbers, each asked about alone and never out of a cache."""
        began = self._question.clock()
        answers = self._asked(numbers, self._question.candidates(), self._about_one.fresh(), progress)
        return about_these(self._question, tuple(answers.values()), began)

    def _asked(
        self, numbers: Sequence[str], candidates: Candidates, about_one: AsksAboutOne, progress: Progress
    ) -> dict[str, Snapshot]:
        owners = owners_of(candidates)

        @contextmanager
        def opening(pause: Pause) -> Iterator[Callable[[str], Snapshot]]:
            with about_one.asking(pause) as ask:
                yield lambda number: self._theirs(ask(number), owners.get(number) or {normalise_number(number)})

        return walk(numbers, opening, self._limits, self._question.source, progress, self._watch)

    def pull_one(self, student: str) -> Snapshot:
        """Return what it says about one number; it may name any other of the same student's."""
        owners = owners_of(self._question.candidates())
        with self._about_one.asking() as ask:
            answer = self._theirs(ask(student), owners.get(student, frozenset()) | {normalise_number(student)})
        if any(proof.kind is ProofKind.END_REACHED for proof in answer.proofs):
            return answer
        # What it says of a number that it does not know has no total: all its answers must have a proof in common.
        end = Proof(ProofKind.END_REACHED, "one number, and everything about it")
        return replace(answer, proofs=(*answer.proofs, end))

    def check(self) -> Sample:
        """Ask about the first students of the roster, until a record shows itself."""
        numbers = on_the_roster(self._question).every_number()[:_SAMPLED]
        for number in numbers[:-1]:
            sample = self._about_one.check_one(number)
            if sample.row is not None:
                return sample
        return self._about_one.check_one(numbers[-1])

    def _theirs(self, answer: Snapshot, owned: AbstractSet[str]) -> Snapshot:
        """Return an answer that is about nobody else; else it is about whomever the system likes."""
        for row in answer.rows:
            if row[0] is None or normalise_number(row[0]) not in owned:
                raise SourceGarbled(
                    f"{self._question.source}: asked about one student, it answered with a record about "
                    f"{'nobody' if row[0] is None else 'somebody else'}",
                    self.asked_wrongly,
                )
        return answer


def on_the_roster(question: Question) -> Candidates:
    """Return whom a source may be asked about. Raises SourceUnavailable where nobody is on the roster."""
    candidates = question.candidates()
    if not candidates.numbers:
        raise SourceUnavailable(
            f"{question.source} is asked about each student, and nobody is on the roster",
            "Sync the roster first: clearance sync roster.",
        )
    return candidates


def about_these(question: Question, answers: Sequence[Snapshot], began: datetime) -> Snapshot:
    """Return the answers about some numbers as one; it shows that each of them was asked about."""
    fields = tuple(question.columns)
    end = Proof(ProofKind.END_REACHED, f"{_counted(len(answers), 'number')}, each asked about alone")
    if not answers:
        return Snapshot(fields, [], began, question.clock(), (end,), [])
    whole = together(answers)
    # What it says of a number that it does not know shows nothing else than that.
    proofs = (*(proof for proof in whole.proofs if proof.kind is not ProofKind.END_REACHED), end)
    return replace(whole, began=min(began, *(answer.began for answer in answers)), proofs=proofs)


def joined(
    question: Question, candidates: Candidates, answers: Sequence[Snapshot], began: datetime, also: str = ""
) -> Snapshot:
    """Return all answers as one that shows what each of them shows, and that every number was asked about once.

    Raises SourceGarbled when the source knows none of the numbers.
    """
    numbers = len(candidates.every_number())
    asked = f"{_counted(len(candidates.numbers), 'student')}, {_counted(numbers, 'number')}, each asked once{also}"
    # An answer that the source knows nobody of that number shows nothing else; the longest speaks for all.
    known = sorted((answer for answer in answers if answer.population), key=lambda answer: -len(answer.rows))
    if not known:
        raise SourceGarbled(
            f"{question.source} knows nobody on the roster ({asked})",
            "Look at the address, and whether it is asked with the numbers that it knows.",
        )
    whole = together(known)
    own = {ProofKind.NO_PAGE_LOST, ProofKind.END_REACHED}
    proofs = (
        Proof(ProofKind.NO_PAGE_LOST, asked),
        Proof(ProofKind.END_REACHED, f"{_counted(len(answers), 'answer')}, up to the roster's last number"),
        *(
            Proof(proof.kind, f"in each of {_counted(len(known), 'answer')}; in the longest: {proof.detail}")
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


def _counted(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"
