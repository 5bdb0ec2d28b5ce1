"""A walk over many questions, with time that passes without anybody waiting: rounds, pace, and how it ends."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, ClassVar

import pytest
from pydantic import ValidationError

from connectors.http.worker_pool import Pause, PerStudent, Timer, ask_each
from connectors.port import Progress, SourceError, SourceGarbled, SourceRefused, SourceUnavailable, no_progress
from tests.patience import PATIENCE

NUMBERS = [f"2015{number:04d}" for number in range(30)]


class Time:
    """Time that passes at once; every wait is noted."""

    def __init__(self, *, stands: bool = False) -> None:
        self.seconds = 0.0
        self.waits: list[float] = []
        self._stands = stands
        self._lock = threading.Lock()

    def now(self) -> float:
        return self.seconds

    def wait(self, over: threading.Event, seconds: float) -> bool:
        with self._lock:
            self.waits.append(round(seconds, 6))
            if not self._stands:
                self.seconds += max(seconds, 0)
        return over.is_set()

    @property
    def pauses(self) -> list[float]:
        """The waits between rounds."""
        return [seconds for seconds in self.waits if seconds >= 1]


class System:
    """A system that answers about one number at a time, or fails as a test asks it to."""

    def __init__(self, fault: Callable[[str, int], BaseException | None] = lambda _number, _time: None) -> None:
        self._fault = fault
        self._lock = threading.Lock()
        self.asked: list[str] = []
        self.opened = 0
        self.closed = 0

    @contextmanager
    def opening(self, _pause: Pause) -> Iterator[Callable[[str], str]]:
        with self._lock:
            self.opened += 1
        try:
            yield self.ask
        finally:
            with self._lock:
                self.closed += 1

    def ask(self, number: str) -> str:
        with self._lock:
            self.asked.append(number)
            times = self.asked.count(number)
        fault = self._fault(number, times)
        if fault is not None:
            raise fault
        return f"about {number}"


def unavailable() -> SourceUnavailable:
    return SourceUnavailable("loans: http://office answered HTTP 500", "Try later.")


def go(system: System, time: Time | None = None, progress: Progress = no_progress, **limits: Any) -> dict[str, str]:
    """Walk over the numbers."""
    time = time or Time()
    return ask_each(NUMBERS, system.opening, PerStudent(**limits), "loans", progress, Timer(time.now, time.wait))


def test_every_question_has_its_answer_in_their_order() -> None:
    system = System()
    answers = go(system)
    assert list(answers) == NUMBERS
    assert answers["20150007"] == "about 20150007"
    assert Counter(system.asked) == Counter(NUMBERS)


def test_a_number_named_twice_is_asked_about_once() -> None:
    system = System()
    assert (
        len(ask_each(["1", "2", "1"], system.opening, PerStudent(), "loans", timer=Timer(Time().now, Time().wait))) == 2
    )
    assert sorted(system.asked) == ["1", "2"]


def test_no_one_to_ask_about_opens_nothing() -> None:
    system = System()
    assert ask_each([], system.opening, PerStudent(), "loans") == {}
    assert system.opened == 0


def test_four_questions_are_under_way_at_once_and_never_five() -> None:
    together, lock, now, most = threading.Barrier(4, timeout=PATIENCE), threading.Lock(), [0], [0]

    def meet(_number: str, _time: int) -> None:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        # Nobody goes on until four are there.
        together.wait()
        with lock:
            now[0] -= 1

    system = System(meet)
    numbers = NUMBERS[:28]
    assert len(ask_each(numbers, system.opening, PerStudent(at_once=4, per_second=1_000), "loans")) == 28
    assert most == [4]


def test_each_worker_has_one_session_for_all_its_questions() -> None:
    system = System()
    go(system, at_once=3)
    assert system.opened == system.closed == 3


def test_all_workers_stand_in_one_line() -> None:
    time = Time(stands=True)
    go(System(), time, at_once=4, per_second=10)
    assert sorted(time.waits) == [round(turn / 10, 6) for turn in range(30)]


def test_what_no_one_answered_is_asked_again_and_nothing_else() -> None:
    ailing = {"20150003", "20150017"}
    system, time = System(lambda n, times: unavailable() if n in ailing and times < 3 else None), Time()
    assert len(go(system, time, rounds=3, pause=timedelta(seconds=10))) == 30
    assert {number for number, times in Counter(system.asked).items() if times > 1} == ailing
    assert time.pauses == [10, 20]


def test_one_question_that_is_never_answered_leaves_nothing() -> None:
    system = System(lambda n, _times: unavailable() if n == "20150003" else None)
    with pytest.raises(SourceUnavailable, match=r"HTTP 500; 1 of 30 questions .* in 3 rounds") as caught:
        go(system)
    assert Counter(system.asked)["20150003"] == 3
    assert caught.value.fix_text.endswith(".")
    assert system.opened == system.closed


@pytest.mark.parametrize(
    "end", [SourceRefused("no", "Call."), SourceGarbled("what", "Mend."), ValueError("a slip of ours")]
)
def test_what_will_not_pass_ends_the_walk_at_once(end: Exception) -> None:
    system = System(lambda n, _times: end if n == "20150003" else None)
    with pytest.raises(type(end)) as caught:
        go(system, at_once=1)
    assert caught.value is end
    assert len(system.asked) <= 30
    assert Counter(system.asked)["20150003"] == 1
    assert system.opened == system.closed == 1


def test_a_system_that_is_down_is_not_asked_about_everybody() -> None:
    system = System(lambda _n, _times: unavailable())
    with pytest.raises(SourceUnavailable, match="30 of 30"):
        go(system, Time(), at_once=1, rounds=2)
    assert len(system.asked) < 30


def test_whom_it_never_answers_about_do_not_keep_the_others_waiting() -> None:
    ailing = set(NUMBERS[:5])
    system = System(lambda n, times: unavailable() if n in ailing and times < 3 else None)
    assert len(go(system, at_once=1, rounds=3)) == 30
    # They ended the first round; in the second all others come before them.
    assert system.asked[5:30] == NUMBERS[5:]


def test_a_login_that_fails_is_tried_again_in_the_next_round() -> None:
    system, logins = System(), [0]

    @contextmanager
    def opening(pause: Pause) -> Iterator[Callable[[str], str]]:
        logins[0] += 1
        if logins[0] == 1:
            raise unavailable()
        with system.opening(pause) as ask:
            yield ask

    time = Time()
    assert len(ask_each(NUMBERS, opening, PerStudent(at_once=1), "loans", timer=Timer(time.now, time.wait))) == 30


def test_a_walk_that_takes_too_long_is_given_up() -> None:
    with pytest.raises(SourceUnavailable, match=r"took longer than 0:00:02; \d+ of 30") as caught:
        go(System(), per_second=5, longest=timedelta(seconds=2))
    assert "Raise longest" in caught.value.fix_text


def test_no_pause_between_rounds_goes_beyond_the_longest_time() -> None:
    time = Time()
    with pytest.raises(SourceUnavailable, match="took longer than"):
        go(System(lambda n, _t: unavailable() if n == "20150003" else None), time, longest=timedelta(seconds=10))
    assert not time.pauses


def test_progress_reports_how_many_have_been_answered() -> None:
    seen: list[tuple[int, int | None]] = []
    go(System(), progress=lambda *figures: seen.append(figures))
    assert seen == [(done, 30) for done in range(1, 31)]


class Thread(threading.Thread):
    """A thread that knows whether somebody has waited for its end."""

    made: ClassVar[list["Thread"]] = []

    def start(self) -> None:
        self.made.append(self)
        self.awaited = False
        super().start()

    def join(self, timeout: float | None = None) -> None:
        super().join(timeout)
        self.awaited = True


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> list[Thread]:
    monkeypatch.setattr(Thread, "made", [])
    monkeypatch.setattr("connectors.http.worker_pool.Thread", Thread)
    return Thread.made


@pytest.mark.parametrize("thrown", [KeyboardInterrupt(), SystemExit(), RuntimeError()])
def test_no_thread_outlives_a_walk_that_is_broken_off(thrown: BaseException, threads: list[Thread]) -> None:
    def progress(done: int, _expected: int | None) -> None:
        if done == 5:
            raise thrown

    system = System()
    with pytest.raises(type(thrown)):
        go(system, progress=progress)
    assert [thread.awaited for thread in threads] == [True] * 4
    assert system.opened == system.closed


@pytest.mark.parametrize("thrown", [SourceRefused("no", "Call."), KeyboardInterrupt(), SystemExit()])
def test_no_thread_outlives_a_walk_that_a_worker_ends(thrown: BaseException, threads: list[Thread]) -> None:
    system = System(lambda n, _times: thrown if n == "20150003" else None)
    with pytest.raises(type(thrown)):
        go(system)
    assert [thread.awaited for thread in threads] == [True] * 4
    assert system.opened == system.closed


def test_a_worker_that_pauses_is_woken_when_the_walk_ends() -> None:
    pausing = threading.Event()

    @contextmanager
    def opening(pause: Pause) -> Iterator[Callable[[str], str]]:
        def ask(number: str) -> str:
            if number == "1":
                pausing.set()
                pause(600)
            pausing.wait(20)
            raise SourceRefused("no", "Call.")

        yield ask

    with pytest.raises(SourceRefused):
        ask_each(["1", "2"], opening, PerStudent(at_once=2), "loans")


def test_as_many_as_are_spared_may_stay_without_an_answer_unless_no_one_answers() -> None:
    mute = System(lambda number, _time: unavailable() if number in NUMBERS[:2] else None)
    time = Time()
    limits = PerStudent(rounds=2)
    answers = ask_each(NUMBERS, mute.opening, limits, "loans", timer=Timer(time.now, time.wait), spare=2)
    assert list(answers) == NUMBERS[2:]
    assert Counter(mute.asked)[NUMBERS[0]] == 2
    for system, spare in ((mute, 1), (System(lambda _number, _time: unavailable()), len(NUMBERS))):
        with pytest.raises(SourceUnavailable, match="were not answered"):
            ask_each(NUMBERS, system.opening, limits, "loans", timer=Timer(time.now, time.wait), spare=spare)


@pytest.mark.parametrize("limits", [{"at_once": 0}, {"per_second": 0}, {"rounds": 0}, {"hurry": True}])
def test_limits_that_make_no_sense_are_refused(limits: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        PerStudent.model_validate(limits)


def test_a_failure_of_the_walk_is_one_that_a_run_understands() -> None:
    with pytest.raises(SourceError) as caught:
        go(System(lambda _n, _t: unavailable()), rounds=1)
    assert type(caught.value) is SourceUnavailable
