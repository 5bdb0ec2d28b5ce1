"""A pool of workers for a source that answers about one student at a time.

It knows no protocol: it gets the questions and a function that opens a session for each worker, and returns an answer
to every question, or raises. Answers are kept until the end; an unanswered question is asked again in a later round,
after a pause that grows. All threads end before the call returns.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from queue import SimpleQueue
from threading import Event, Lock, Thread
from typing import Annotated, ClassVar, Generic, TypeAlias, TypeVar

from pydantic import Field

from config.tables.base import Span, Table
from connectors.port import Progress, SourceUnavailable, no_progress
from foundation.translation import tr, tr_n

Answer = TypeVar("Answer")

#: Waits for a number of seconds; raises an exception of the pool when the pool has ended.
Pause: TypeAlias = Callable[[float], None]

#: Opens one worker's session, logged in once, and returns the function that asks. It gets the function that waits.
Opening: TypeAlias = Callable[[Pause], AbstractContextManager[Callable[[str], Answer]]]

#: After this many failures for each worker without an answer, the round ends.
_SILENCE = 5


class PerStudent(Table):
    """The pace of a source that is asked about one student at a time."""

    #: Whether the source's table has these keys, so that a message can name them.
    in_settings: ClassVar[bool] = True
    #: All of its keys are about how to ask, and none is about what.
    only_how: ClassVar[bool] = True

    #: Questions at the same time, each with its own session.
    at_once: Annotated[int, Field(ge=1, le=32)] = 4
    #: Questions per second, of all workers together.
    per_second: Annotated[float, Field(gt=0, le=1_000)] = 20
    #: How many times an unanswered question is asked.
    rounds: Annotated[int, Field(ge=1, le=10)] = 3
    #: The pause before the second round; it doubles with each round.
    pause: Span = timedelta(seconds=10)
    #: For all questions together.
    longest: Span = timedelta(hours=1)


class OwnPace(PerStudent):
    """The pace of a connector that has no keys for it."""

    in_settings = False


@dataclass(frozen=True, slots=True)
class Timer:
    """Reads the time and waits; a test uses one that does not wait."""

    #: Seconds, from any start.
    now: Callable[[], float] = time.monotonic
    #: Waits for the event, at most for these seconds; returns whether it was set.
    wait: Callable[[Event, float], bool] = Event.wait


def ask_each(
    questions: Iterable[str],
    opening: Opening[Answer],
    limits: PerStudent,
    source: str,
    progress: Progress = no_progress,
    timer: Timer | None = None,
    spare: int = 0,
) -> dict[str, Answer]:
    """Return the answer to every question, in their order; `progress` gets the number of answers.

    Up to `spare` questions can stay without an answer, if at least one is answered; they are left out. Raises
    SourceUnavailable when more are not answered or the time is over. Any other error of a question, such as
    SourceRefused or SourceGarbled, ends the pool at once.
    """
    every = tuple(dict.fromkeys(questions))
    return _WorkerPool(every, opening, limits, source, progress, timer or Timer()).run(spare)


class _PoolEnd(Exception):  # noqa: N818 - named by what has happened
    """The pool has ended: a worker stops."""


@dataclass(frozen=True, slots=True)
class _AnswerReport(Generic[Answer]):
    question: str
    answer: Answer


@dataclass(frozen=True, slots=True)
class _FailureReport:
    """A failed question; None for the login before the first question."""

    question: str | None
    error: SourceUnavailable


@dataclass(frozen=True, slots=True)
class _WorkerEnd:
    """The end of a worker, with the error that ended it."""

    error: BaseException | None = None


class _WorkerPool(Generic[Answer]):
    """One pool; its workers report to it, and only the pool keeps the answers."""

    def __init__(
        self,
        questions: tuple[str, ...],
        opening: Opening[Answer],
        limits: PerStudent,
        source: str,
        progress: Progress,
        timer: Timer,
    ) -> None:
        self._questions = questions
        self._opening = opening
        self._limits = limits
        self._source = source
        self._progress = progress
        self._timer = timer
        self._deadline = timer.now() + limits.longest.total_seconds()
        self._answers: dict[str, Answer] = {}
        self._unanswered: set[str] = set()
        self._failure: SourceUnavailable | None = None
        self._over = Event()
        self._reports: SimpleQueue[_AnswerReport[Answer] | _FailureReport | _WorkerEnd] = SimpleQueue()
        self._lock = Lock()
        self._turn = timer.now()
        #: Failures since the last answer. Workers can miscount it by one or two, which does no harm.
        self._silence = 0

    def run(self, spare: int) -> dict[str, Answer]:
        """Run rounds until every question is answered, or all but `spare` after the last round."""
        pause = self._limits.pause.total_seconds()
        for number in range(self._limits.rounds):
            left = [question for question in self._questions if question not in self._answers]
            if not left:
                break
            if number:
                if self._timer.now() + pause > self._deadline:
                    raise self._too_long()
                self._timer.wait(self._over, pause)
                pause *= 2
            # Questions that were not asked yet come first: unanswerable ones must not delay the others.
            self._round(sorted(left, key=self._unanswered.__contains__))
        missing = len(self._questions) - len(self._answers)
        if missing > spare or (missing and not self._answers):
            failure = self._failure.what if self._failure else tr("{source} did not answer", source=self._source)
            fix_text = tr(
                "No answer is kept; the next run tries again. Check that the system runs and can handle this number of "
                "questions."
            )
            if self._limits.in_settings:
                fix_text = tr(
                    "No answer is kept; the next run tries again. Check that the system runs and can handle this "
                    "number of questions (at_once and per_second in its per_student)."
                )
            raise SourceUnavailable(
                tr_n(
                    "{failure}; {missing} of {questions} questions about single students were not answered in "
                    "{number} round",
                    "{failure}; {missing} of {questions} questions about single students were not answered in "
                    "{number} rounds",
                    self._limits.rounds,
                    failure=failure,
                    missing=missing,
                    questions=len(self._questions),
                ),
                fix_text,
            )
        return {question: self._answers[question] for question in self._questions if question in self._answers}

    def _round(self, left: list[str]) -> None:
        waiting, self._silence = deque(left), 0
        workers = [
            Thread(target=self._run_worker, args=(waiting,)) for _ in range(min(self._limits.at_once, len(left)))
        ]
        try:
            for worker in workers:
                worker.start()
            self._collect_reports(len(workers))
        except BaseException:
            self._over.set()
            raise
        finally:
            for worker in workers:
                if worker.ident is not None:
                    worker.join()

    def _collect_reports(self, at_work: int) -> None:
        """Read the workers' reports until the last worker has ended."""
        while at_work:
            match self._reports.get():
                case _AnswerReport(question=question, answer=answer):
                    self._answers[question] = answer
                    self._progress(len(self._answers), len(self._questions))
                case _FailureReport(question=unanswered, error=error):
                    self._failure = error
                    if unanswered is not None:
                        self._unanswered.add(unanswered)
                case _WorkerEnd(error=None):
                    at_work -= 1
                case _WorkerEnd(error=thrown) if thrown is not None:
                    raise thrown

    def _run_worker(self, waiting: deque[str]) -> None:
        left = _WorkerEnd()
        try:
            with self._opening(self._wait) as ask:
                self._ask_all(ask, waiting)
        except _PoolEnd:
            pass
        except SourceUnavailable as error:
            self._reports.put(_FailureReport(None, error))
        except BaseException as error:  # noqa: BLE001 - it is raised again in the calling thread
            left = _WorkerEnd(error)
        self._reports.put(left)

    def _ask_all(self, ask: Callable[[str], Answer], waiting: deque[str]) -> None:
        while waiting:
            try:
                question = waiting.popleft()
            except IndexError:
                return
            self._await_turn()
            try:
                answer = ask(question)
            except SourceUnavailable as error:
                self._reports.put(_FailureReport(question, error))
                self._silence += 1
                if self._silence >= _SILENCE * self._limits.at_once:
                    waiting.clear()
            else:
                self._reports.put(_AnswerReport(question, answer))
                self._silence = 0

    def _await_turn(self) -> None:
        """Wait until the next question can be asked; all workers share one queue."""
        with self._lock:
            now = self._timer.now()
            turn = max(self._turn, now)
            if turn > self._deadline:
                self._reports.put(_WorkerEnd(self._too_long()))
                raise _PoolEnd
            self._turn = turn + 1 / self._limits.per_second
        self._wait(turn - now)

    def _wait(self, seconds: float) -> None:
        if self._timer.now() + seconds > self._deadline:
            raise self._too_long()
        if self._timer.wait(self._over, seconds):
            raise _PoolEnd

    def _too_long(self) -> SourceUnavailable:
        fix_text = tr(
            "No answer is kept; the next run tries again. Raise longest, at_once or per_second in its per_student."
        )
        if not self._limits.in_settings:
            fix_text = tr(
                "No answer is kept; the next run tries again. Ask at a quieter hour, or have the office check why "
                "it is slow."
            )
        return SourceUnavailable(
            tr(
                "{source}: the questions about each student took longer than {longest}; {answers} of "
                "{questions} questions were answered",
                source=self._source,
                longest=self._limits.longest,
                answers=len(self._answers),
                questions=len(self._questions),
            ),
            fix_text,
        )
