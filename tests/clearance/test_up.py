"""`clearance up` with real processes: what ends is started again, and nothing outlives it."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from clearance.supervision.children import FIRST_PAUSE, LONGEST_PAUSE, Child
from tests.patience import PATIENCE, until
from tests.services.small import Small
from tests.services.university import ROOT, free_port

#: What `up` starts where there is a desk.
NAMES = ("schedule", "pages", "desk")

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")


def command(university: Small) -> list[str]:
    """Return the command line of the program, without the command."""
    return [sys.executable, "-m", "clearance", "--config", str(university.file)]


class Up:
    """A running `clearance up`, with what it has printed so far."""

    def __init__(self, university: Small, *options: str, **environ: str) -> None:
        self.ports = {"pages": free_port(), "desk": free_port()}
        ports = ["--port", str(self.ports["pages"]), "--desk-port", str(self.ports["desk"])]
        self.process = subprocess.Popen(
            [*command(university), "up", *ports, *options],
            env=university.environ | {"PYTHONPATH": str(ROOT)} | environ,
            cwd=university.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        self.lines: list[str] = []
        self._reading = threading.Thread(target=self._read)
        self._reading.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as out:
            self.lines.extend(line.decode().rstrip("\n") for line in iter(out.readline, b""))

    def of(self, name: str) -> list[str]:
        """Return what a process has printed."""
        return [line for line in list(self.lines) if line.startswith(f"{name:<8} | ")]

    def started(self, name: str) -> list[int]:
        """Return the numbers of the processes that it has started under a name."""
        begin = f"{name}: started as process "
        return [int(line.rpartition(" ")[2]) for line in self.of("up") if begin in line]

    def serves(self, name: str) -> bool:
        """Return whether the pages of a process answer."""
        with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{self.ports[name]}/healthz", timeout=5):
            return True
        return False

    def wait_until_whole(self) -> None:
        """Wait until all of it works."""
        until(lambda: self.serves("pages") and self.serves("desk"))
        until(lambda: any("schedule started" in line for line in self.of("schedule")))

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send it a signal, and return its exit code."""
        self.process.send_signal(number)
        code = self.process.wait(PATIENCE)
        self._reading.join(PATIENCE)
        return code


def lives(process: int) -> bool:
    """Return whether a process works: it is there, and not only waits for its parent to notice its end."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def family(process: int) -> list[int]:
    """Return a process and all that come from it."""
    children = Path(f"/proc/{process}/task/{process}/children")
    with suppress(OSError):
        return [process, *(one for child in children.read_text().split() for one in family(int(child)))]
    return []


@pytest.fixture
def up(university_of_three: Small) -> Iterator[Up]:
    """One that works."""
    made = Up(university_of_three)
    try:
        made.wait_until_whole()
        yield made
    finally:
        if made.process.poll() is None:
            made.end()


@linux_only
def test_what_is_killed_is_started_again_and_sigterm_ends_all_of_it_with_0(up: Up) -> None:
    for count, name in enumerate(NAMES, 1):
        os.kill(up.started(name)[0], signal.SIGKILL)
        until(lambda name=name: len(up.started(name)) == 2)  # type: ignore[misc]  # the name as it is now
        assert any(f"{name}: ended (SIGKILL)" in line for line in up.of("up"))
        assert [len(up.started(other)) for other in NAMES] == [2] * count + [1] * (3 - count), "the others go on"
    up.wait_until_whole()
    until(lambda: sum("schedule started" in line for line in up.of("schedule")) == 2)
    for name in ("pages", "desk"):
        assert any(f"{name}: opens at http://127.0.0.1:{up.ports[name]}/" in line for line in up.of("up"))
    everybody = family(up.process.pid)
    assert len(everybody) >= 6, "three children, and a worker of each server"
    assert up.end() == 0
    assert not any(map(lives, everybody))
    assert any("schedule stopped" in line for line in up.of("schedule")), "its last words are printed"
    assert all(line.partition(" | ")[0].strip() in (*NAMES, "up") for line in up.lines)


@linux_only
def test_nothing_outlives_it_when_it_is_killed(up: Up) -> None:
    everybody = family(up.process.pid)
    up.end(signal.SIGKILL)
    until(lambda: not any(map(lives, everybody)))


def test_sighup_reaches_the_children(up: Up) -> None:
    """The servers replace their workers; the schedule begins again."""
    before = family(up.started("pages")[0])
    up.process.send_signal(signal.SIGHUP)
    until(lambda: not set(before[1:]) & set(family(before[0])))
    up.wait_until_whole()
    assert up.started("pages") == before[:1], "the same server, with another worker"
    assert up.end(signal.SIGINT) == 0, "Ctrl-C ends it as SIGTERM does"


def test_a_json_log_stays_one_and_names_the_process(university_of_three: Small) -> None:
    university_of_three.change("[status_db]", '[log]\nformat = "json"\n\n[status_db]')
    up = Up(university_of_three)
    until(lambda: any('"schedule started"' in line for line in up.lines))
    up.end()
    lines = [json.loads(line) for line in up.lines]
    assert {line["process"] for line in lines} >= {"up", "schedule"}
    assert all("event" in line for line in lines)


def test_without_a_desk_one_process_serves_all_pages(university_of_three: Small) -> None:
    university_of_three.change("[status_db]", "[desk]\nenabled = false\n\n[status_db]")
    up = Up(university_of_three)
    until(lambda: up.serves("pages"))
    assert [bool(up.started(name)) for name in NAMES] == [True, True, False]
    with urllib.request.urlopen(f"http://127.0.0.1:{up.ports['pages']}/api/v1/openapi.json") as answer:
        assert answer.status == 200, "staff are served there, too"
    assert up.end() == 0


@linux_only
def test_what_does_not_end_in_time_is_killed_and_the_exit_code_states_so(university_of_three: Small) -> None:
    up = Up(university_of_three, "--stop-within", "1")
    up.wait_until_whole()
    everybody = family(up.process.pid)
    # A stopped process cannot end by itself.
    os.kill(up.started("schedule")[0], signal.SIGSTOP)
    assert up.end() == 1
    assert not any(map(lives, everybody))
    assert any("schedule: killed" in line for line in up.of("up"))
    assert "the rest was killed" in up.lines[-1]


class TestBeforeAnythingStarts:
    def test_a_mistake_in_the_settings_ends_it(self, university_of_three: Small) -> None:
        university_of_three.change('every = "1 d"', 'every = "never"')
        up = Up(university_of_three)
        assert up.process.wait(PATIENCE) == 1
        assert not up.started("schedule")

    def test_a_database_that_is_not_prepared_ends_it(self, university_of_three: Small) -> None:
        up = Up(university_of_three, STATUS_URL="sqlite:///nowhere.db")
        assert up.process.wait(PATIENCE) == 1
        up._reading.join(PATIENCE)
        assert "clearance db upgrade" in "\n".join(up.lines)

    def test_a_port_in_use_ends_it(self, university_of_three: Small) -> None:
        with closing(socket.create_server(("127.0.0.1", 0))) as taken:
            number = taken.getsockname()[1]
            ended = subprocess.run(
                [*command(university_of_three), "up", "--port", str(free_port()), "--desk-port", str(number)],
                env=university_of_three.environ | {"PYTHONPATH": str(ROOT)},
                capture_output=True,
                check=False,
                text=True,
            )
        assert ended.returncode == 1
        assert f"port {number}" in ended.stderr
        assert "Traceback" not in ended.stderr

    def test_one_port_for_both_is_refused(self, university_of_three: Small) -> None:
        said = university_of_three.run("up", "--port", "8000", "--desk-port", "8000", code=1)
        assert "choose another one" in said


@linux_only
class TestAServiceManager:
    """systemd's part is played by a socket: that is all of it that a process sees."""

    @pytest.mark.parametrize("words", [["schedule"], ["serve", "pages"], ["serve", "desk"], ["serve"], ["up"]])
    def test_is_notified_when_it_serves_that_it_lives_and_that_it_stops(
        self, university_of_three: Small, tmp_path: Path, words: list[str]
    ) -> None:
        ports = [] if words == ["schedule"] else ["--port", str(free_port())]
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(str(tmp_path / "notify"))
            manager.settimeout(PATIENCE)
            environ = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "400000"}
            process = subprocess.Popen(
                [*command(university_of_three), *words, *ports],
                env=university_of_three.environ | {"PYTHONPATH": str(ROOT)} | environ,
                stderr=subprocess.DEVNULL,
            )
            told = [manager.recv(100)]
            while told[-1] != b"READY=1":
                told.append(manager.recv(100))
            # `up` lives before its children serve; the others are alive from then on.
            assert set(told[:-1]) <= ({b"WATCHDOG=1"} if words == ["up"] else set())
            assert [manager.recv(100) for _ in range(3)] == [b"WATCHDOG=1"] * 3
            process.terminate()
            assert process.wait(PATIENCE) == 0
            if words[0] in ("schedule", "up"):
                while told[-1] != b"STOPPING=1":
                    told.append(manager.recv(100))

    def test_a_server_whose_workers_hang_is_silent(self, university_of_three: Small, tmp_path: Path) -> None:
        port = free_port()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(str(tmp_path / "notify"))
            manager.settimeout(PATIENCE)
            process = subprocess.Popen(
                [*command(university_of_three), "serve", "pages", "--port", str(port)],
                env=university_of_three.environ
                | {"PYTHONPATH": str(ROOT), "NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "100000"},
                stderr=subprocess.DEVNULL,
            )
            while manager.recv(100) != b"READY=1":
                pass
            workers = family(process.pid)[1:]
            for worker in workers:
                os.kill(worker, signal.SIGSTOP)
            manager.settimeout(2)
            # What was sent before is still read.
            with pytest.raises(TimeoutError):
                _read_all(manager)
            for worker in workers:
                os.kill(worker, signal.SIGCONT)
            process.terminate()
            process.wait(PATIENCE)


def _read_all(manager: socket.socket) -> None:
    while manager.recv(100):
        pass


def test_the_pause_doubles_up_to_a_minute_and_begins_again_after_a_stable_one() -> None:
    child = Child("x", ["--version"])
    now, pauses = 0.0, list[float]()
    for runs in (0, 0, 0, 0, 0, 0, 0, 0, 61):
        child.process = subprocess.Popen(["true"], process_group=0)
        child.process.wait()
        child.due, child.began = None, now
        now += runs
        assert child.ended(now) == 0
        assert child.due is not None
        pauses.append(child.due - now)
    assert pauses == [FIRST_PAUSE, 2, 4, 8, 16, 32, LONGEST_PAUSE, LONGEST_PAUSE, FIRST_PAUSE]
