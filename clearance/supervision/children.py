"""Child processes of a command: they are started again when they end, and none outlives it."""

import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Thread
from typing import IO, TypeAlias

from foundation.service_manager import VARIABLES, ServiceManager
from foundation.translation import tr

Process: TypeAlias = subprocess.Popen[bytes]

#: A child that ends is started again after this long, in seconds; doubled each time, up to the longest.
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 60.0

#: A child that has run this long, in seconds, begins again with the first pause.
_STABLE = 60.0

#: Children have this long to end after SIGTERM, in seconds. Then they are killed.
STOPS_WITHIN = 45.0

#: How often to look whether the children serve, in seconds, until they do.
_LOOKS = 0.5

#: How long what a child has written before its end is waited for, in seconds.
_LAST_WORDS = 5.0

_STOP = frozenset({signal.SIGTERM, signal.SIGINT})


def start(words: Sequence[str], output: int | IO[bytes]) -> Process:
    """Start `clearance WORDS…` with its output there. It ends when this process ends.

    Call it in the main thread: the child ends with the thread that started it.
    """
    return subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-m", "clearance.supervision.child", str(os.getpid()), *words],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        env={name: value for name, value in os.environ.items() if name not in VARIABLES},
        # Ctrl-C reaches only this process, which ends the others in order.
        process_group=0,
    )


def stop(process: Process, within: float = STOPS_WITHIN) -> bool:
    """End a child, and kill it if it takes longer than `within` seconds. Return whether it ended by itself."""
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(within)
    ended = process.poll() is not None
    _kill_group(process)
    process.wait()
    return ended


def _kill_group(process: Process) -> None:
    """Kill a child, and what is left of the processes that it started."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


@dataclass(eq=False, slots=True)
class Child:
    """One child, which is started again whenever it ends."""

    name: str
    words: Sequence[str]
    #: Host and port on which it serves; None for one that does not.
    serves: tuple[str, int] | None = None
    process: Process | None = None
    pause: float = FIRST_PAUSE
    began: float = 0.0
    #: When it is started next; None while it runs.
    due: float | None = 0.0
    _printing: Thread | None = None

    def start(self, show: Callable[[str, bytes], None], now: float) -> None:
        """Start it, and print each line that it writes."""
        self.process = start(self.words, subprocess.PIPE)
        self.due, self.began = None, now
        out = self.process.stdout
        assert out is not None  # noqa: S101 - a pipe, as asked for

        def print_all() -> None:
            with out:
                for line in out:
                    show(self.name, line.rstrip(b"\n"))

        self._printing = Thread(target=print_all, name=self.name, daemon=True)
        self._printing.start()

    def ended(self, now: float) -> int | None:
        """Return the exit code if it has ended since the last call, and say when it is started again; else None."""
        code = self.process.poll() if self.process is not None and self.due is None else None
        if code is None or self.process is None:
            return None
        # The workers of a server that was killed would keep its port.
        _kill_group(self.process)
        self.last_words()
        if now - self.began >= _STABLE:
            self.pause = FIRST_PAUSE
        self.due, self.pause = now + self.pause, min(2 * self.pause, LONGEST_PAUSE)
        return code

    @property
    def runs(self) -> bool:
        """Whether its process has not ended yet."""
        return self.process is not None and self.process.poll() is None

    def last_words(self) -> None:
        """Wait until what it has written is printed."""
        if self._printing is not None:
            self._printing.join(_LAST_WORDS)

    def is_reachable(self) -> bool:
        """Return whether it runs and, if it serves, accepts connections."""
        if self.due is not None:
            return False
        if self.serves is None:
            return True
        with suppress(OSError), socket.create_connection(self.serves, _LOOKS):
            return True
        return False


@dataclass(slots=True)
class Supervisor:
    """Keeps children running until SIGTERM or Ctrl-C. Passes SIGHUP on to them."""

    children: Sequence[Child]
    #: Prints a line of a child, by its name.
    show: Callable[[str, bytes], None]
    manager: ServiceManager
    stops_within: float = STOPS_WITHIN
    _ready: bool = False
    _beat_at: float = 0.0

    def run(self) -> bool:
        """Run until stopped. Return whether every child ended by itself when asked to."""
        with _caught_signals() as woken:
            while True:
                self._start_due()
                self._report()
                caught = _signals_since(woken, self._patience())
                if caught & _STOP:
                    return self._stop(woken)
                if signal.SIGHUP in caught:
                    self._send(signal.SIGHUP)
                self._note_ended()

    def _start_due(self) -> None:
        now = time.monotonic()
        for child in self.children:
            if child.due is not None and child.due <= now:
                child.start(self.show, now)
                assert child.process is not None  # noqa: S101 - it was just started
                self._say(child, tr("started as process {number}", number=child.process.pid))
                if child.serves is not None:
                    self._say(child, tr("opens at {address}", address=_address(*child.serves)))

    def _note_ended(self) -> None:
        for child in self.children:
            code = child.ended(now := time.monotonic())
            if code is None or child.due is None:
                continue
            how = signal.Signals(-code).name if code < 0 else str(code)
            pause = round(child.due - now)
            self._say(child, tr("ended ({how}); it is started again in {seconds} s", how=how, seconds=pause))

    def _report(self) -> None:
        """Report to the service manager."""
        if not self._ready and all(child.is_reachable() for child in self.children):
            self._ready = True
            self.manager.ready()
        now, beat = time.monotonic(), self.manager.beat
        if beat is not None and now >= self._beat_at:
            self.manager.alive()
            self._beat_at = now + beat.total_seconds()

    def _patience(self) -> float | None:
        """Return after how many seconds there is something to do; None if only a signal can bring it."""
        now = time.monotonic()
        waits = [child.due - now for child in self.children if child.due is not None]
        waits += [self._beat_at - now] if self.manager.beat is not None else []
        waits += [_LOOKS] if not self._ready else []
        return max(0.0, min(waits)) if waits else None

    def _send(self, number: signal.Signals) -> None:
        for child in self.children:
            if child.process is not None and child.runs:
                child.process.send_signal(number)

    def _stop(self, woken: socket.socket) -> bool:
        """End every child at once; kill those that take too long, or all at a second request to stop."""
        self.manager.stopping()
        self._send(signal.SIGTERM)
        deadline, in_time = time.monotonic() + self.stops_within, True
        while left := [child for child in self.children if child.runs]:
            caught = _signals_since(woken, max(0.0, deadline - time.monotonic()))
            if caught & _STOP or time.monotonic() >= deadline:
                in_time = False
                for child in left:
                    self._say(child, tr("killed, because it did not end in time"))
                break
        for child in self.children:
            if child.process is not None:
                _kill_group(child.process)
                child.process.wait()
            child.last_words()
        return in_time

    def _say(self, child: Child, text: str) -> None:
        self.show("up", f"{child.name}: {text}".encode())


def _address(host: str, port: int) -> str:
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


@contextmanager
def _caught_signals() -> Iterator[socket.socket]:
    """Have signals arrive at a socket, each as one byte, until this ends."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(0)
        theirs.settimeout(0)
        numbers = (*_STOP, signal.SIGHUP, signal.SIGCHLD)
        # Without a handler of Python's own, no byte would arrive.
        before = {number: signal.signal(number, lambda _number, _frame: None) for number in numbers}
        woken_before = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
        try:
            yield ours
        finally:
            signal.set_wakeup_fd(woken_before)
            for number, handler in before.items():
                signal.signal(number, handler)


def _signals_since(woken: socket.socket, patience: float | None) -> set[int]:
    """Wait for a signal; return those that have arrived."""
    select.select([woken], [], [], patience)
    with suppress(BlockingIOError):
        return set(woken.recv(4096))
    return set()
