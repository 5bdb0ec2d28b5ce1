"""Walking over many questions, for a source that can only be asked about one student at a time.

It knows no protocol: it takes what is to be asked about and a way to open an asker, one for each worker, and brings
back an answer to every single question, or raises. Answers that were got are kept until the walk ends; a question that
nobody answered is put back and asked again in a later round, after a pause that grows. No thread outlives a walk.
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

Answer = TypeVar("Answer")

#: Waits so many seconds; ends early, by an exception of the walk's own, when the walk is over.
Pause: TypeAlias = Callable[[float], None]

#: Opens what one worker asks with, over and over: a session of its own, logged in once. It is told how to wait.
Opening: TypeAlias = Callable[[Pause], AbstractContextManager[Callable[[str], Answer]]]

#: So many failures for each worker, with no answer among them, and nobody is there: the round is over.
_SILENCE = 5


class PerStudent(Table):
    """How a source is walked over that is asked about one student at a time."""

    #: Whether the source's table has these keys, so that a message may advise them.
    in_settings: ClassVar[bool] = True
    #: All of its keys say how patiently is asked, and none of them what.
    only_how: ClassVar[bool] = True

    #: Questions under way at the same time, each with a session of its own.
    at_once: Annotated[int, Field(ge=1, le=32)] = 4
    #: Questions a second, of all workers together.
    per_second: Annotated[float, Field(gt=0, le=1_000)] = 20
    #: How often a question is asked that nobody answers.
    rounds: Annotated[int, Field(ge=1, le=10)] = 3
    #: Before the second round; it doubles with each.
    pause: Span = timedelta(seconds=10)
    #: For the whole walk.
    longest: Span = timedelta(hours=1)


class OwnPace(PerStudent):
    """The pace of a connector that has no keys for it."""

    in_settings = False


@dataclass(frozen=True, slots=True)
class Timer:
    """What tells the time and lets it pass; a test brings one that does not wait."""

    #: Seconds, from any beginning.
    now: Callable[[], float] = time.monotonic
    #: Waits for the event, at most so many seconds; says whether it came.
    wait: Callable[[Event, float], bool] = Event.wait


def walk(
    questions: Iterable[str],
    opening: Opening[Answer],
    limits: PerStudent,
    source: str,
    progress: Progress = no_progress,
    watch: Timer | None = None,
    spare: int = 0,
) -> dict[str, Answer]:
    """Return the answer to every question, in their order; `progress` is told how many have been answered.

    Up to `spare` of them may stay without an answer, as long as one is answered; they are left out. Raises
    SourceUnavailable when more are never answered or the time is over. What an asker raises besides, such as
    SourceRefused or SourceGarbled, ends the walk at once.
    """
    every = tuple(dict.fromkeys(questions))
    return _Walk(every, opening, limits, source, progress, watch or Timer()).walked(spare)


class _Over(Exception):  # noqa: N818 - named by what has happened
    """The walk is over: a worker need not go on."""


@dataclass(frozen=True, slots=True)
class _Answered(Generic[Answer]):
    question: str
    answer: Answer


@dataclass(frozen=True, slots=True)
class _Failed:
    """A question was not answered; None for the login before any."""

    question: str | None
    error: SourceUnavailable


@dataclass(frozen=True, slots=True)
class _Left:
    """A worker has gone home, or was thrown out."""

    error: BaseException | None = None


class _Walk(Generic[Answer]):
    """One walk; its workers tell it what has come, and it alone keeps the answers."""

    def __init__(
        self,
        questions: tuple[str, ...],
        opening: Opening[Answer],
        limits: PerStudent,
        source: str,
        progress: Progress,
        watch: Timer,
    ) -> None:
        self._questions = questions
        self._opening = opening
        self._limits = limits
        self._source = source
        self._progress = progress
        self._watch = watch
        self._deadline = watch.now() + limits.longest.total_seconds()
        self._answers: dict[str, Answer] = {}
        self._unanswered: set[str] = set()
        self._failure: SourceUnavailable | None = None
        self._over = Event()
        self._told: SimpleQueue[_Answered[Answer] | _Failed | _Left] = SimpleQueue()
        self._lock = Lock()
        self._turn = watch.now()
        #: Failures since the last answer. Workers may miscount it by one or two, which does no harm.
        self._silence = 0

    def walked(self, spare: int) -> dict[str, Answer]:
        """Go round until every question is answered, or all but `spare` of them in the last round."""
        pause = self._limits.pause.total_seconds()
        for number in range(self._limits.rounds):
            left = [question for question in self._questions if question not in self._answers]
            if not left:
                break
            if number:
                if self._watch.now() + pause > self._deadline:
                    raise self._too_long()
                self._watch.wait(self._over, pause)
                pause *= 2
            # Who was not asked at all comes first: some whom it never answers about must not keep the others waiting.
            self._round(sorted(left, key=self._unanswered.__contains__))
        missing = len(self._questions) - len(self._answers)
        if missing > spare or (missing and not self._answers):
            failure = self._failure.what if self._failure else f"{self._source} did not answer"
            keys = " (at_once and per_second in its per_student)" if self._limits.in_settings else ""
            rounds = f"{self._limits.rounds} round{'s' if self._limits.rounds != 1 else ''}"
            raise SourceUnavailable(
                f"{failure}; {missing} of {len(self._questions)} questions about single students stayed without an "
                f"answer in {rounds}",
                f"See that it runs and bears so many questions{keys}; nothing of the others is kept, and the next slot "
                "tries again.",
            )
        return {question: self._answers[question] for question in self._questions if question in self._answers}

    def _round(self, left: list[str]) -> None:
        waiting, self._silence = deque(left), 0
        workers = [Thread(target=self._work, args=(waiting,)) for _ in range(min(self._limits.at_once, len(left)))]
        try:
            for worker in workers:
                worker.start()
            self._gather(len(workers))
        except BaseException:
            self._over.set()
            raise
        finally:
            for worker in workers:
                if worker.ident is not None:
                    worker.join()

    def _gather(self, at_work: int) -> None:
        """Take in what the workers tell, until the last has left."""
        while at_work:
            match self._told.get():
                case _Answered(question=question, answer=answer):
                    self._answers[question] = answer
                    self._progress(len(self._answers), len(self._questions))
                case _Failed(question=unanswered, error=error):
                    self._failure = error
                    if unanswered is not None:
                        self._unanswered.add(unanswered)
                case _Left(error=None):
                    at_work -= 1
                case _Left(error=thrown) if thrown is not None:
                    raise thrown

    def _work(self, waiting: deque[str]) -> None:
        left = _Left()
        try:
            with self._opening(self._wait) as ask:
                self._ask_all(ask, waiting)
        except _Over:
            pass
        except SourceUnavailable as error:
            self._told.put(_Failed(None, error))
        except BaseException as error:  # noqa: BLE001 - it is raised again where the walk was begun
            left = _Left(error)
        self._told.put(left)

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
                self._told.put(_Failed(question, error))
                self._silence += 1
                if self._silence >= _SILENCE * self._limits.at_once:
                    waiting.clear()
            else:
                self._told.put(_Answered(question, answer))
                self._silence = 0

    def _await_turn(self) -> None:
        """Wait until one more question may be asked; all workers stand in the same line."""
        with self._lock:
            now = self._watch.now()
            turn = max(self._turn, now)
            if turn > self._deadline:
                self._told.put(_Left(self._too_long()))
                raise _Over
            self._turn = turn + 1 / self._limits.per_second
        self._wait(turn - now)

    def _wait(self, seconds: float) -> None:
        if self._watch.now() + seconds > self._deadline:
            raise self._too_long()
        if self._watch.wait(self._over, seconds):
            raise _Over

    def _too_long(self) -> SourceUnavailable:
        raised = "Raise longest, at_once or per_second in its per_student"
        if not self._limits.in_settings:
            raised = "Ask at a quieter hour, or have the office look why it is slow"
        return SourceUnavailable(
            f"{self._source}: asking about each student was not done within {self._limits.longest}; "
            f"{len(self._answers)} of {len(self._questions)} questions were answered",
            f"Nothing of it is kept, and the next slot tries again. {raised}.",
        )
