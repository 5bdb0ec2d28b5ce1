"""A reader in a process of its own: what comes back, and what cannot."""

import os
import select
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.files.sandbox import FileDescription, Reader, Row, SandboxLimits, read_apart
from connectors.port import Progress, SourceError, SourceGarbled, SourceRefused, SourceUnavailable, no_progress
from tests.connectors import readers
from tests.services.university import ROOT

FILE = FileDescription("fees: the list fees.xlsx", "Save it anew.")

only_posix = pytest.mark.skipif(sys.platform == "win32", reason="this system bounds no memory and knows no signals")
only_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a stranger wait for a process's end")


def apart(
    reader: Reader[Any],
    path: Path = Path("fees.xlsx"),
    asked: object = None,
    *,
    memory: int = 100_000_000,
    longest: timedelta = timedelta(minutes=1),
    progress: Progress = no_progress,
) -> tuple[list[Row], Any]:
    limits = SandboxLimits(memory, longest, "[source.fees]")
    return read_apart(reader, path, asked, limits=limits, file=FILE, progress=progress)


def has_ended(process: int) -> bool:
    """Wait for the end of a process that is not ours, or find it gone already."""
    try:
        handle = os.pidfd_open(process)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], 60)[0])
    finally:
        os.close(handle)


class TestWhatComesBack:
    def test_every_cell_keeps_its_type(self) -> None:
        rows, _ending = apart(readers.every_type)
        assert rows == [readers.EVERY_TYPE]
        assert [type(cell) for cell in rows[0]] == [type(cell) for cell in readers.EVERY_TYPE]

    def test_what_the_reader_returns_at_its_end_comes_too(self) -> None:
        assert apart(readers.every_type)[1] == ("columns", 1)

    @pytest.mark.parametrize("count", [0, 1, 999, 1_000, 1_001, 2_500])
    def test_no_row_is_lost_between_two_batches(self, count: int) -> None:
        assert apart(readers.many, asked=count)[0] == [(number,) for number in range(count)]

    def test_progress_grows_while_rows_arrive(self) -> None:
        seen: list[int] = []
        apart(readers.many, asked=2_500, progress=lambda done, _expected: seen.append(done))
        assert seen == [1_000, 2_000, 2_500]

    def test_what_the_reader_prints_is_no_part_of_its_answer(self) -> None:
        assert apart(readers.chatty)[0] == [("said",)]

    def test_several_files_are_read_at_once(self) -> None:
        with ThreadPoolExecutor(4) as pool:
            counts = list(pool.map(lambda count: len(apart(readers.many, asked=count)[0]), range(1_000, 1_004)))
        assert counts == [1_000, 1_001, 1_002, 1_003]


class TestWhatTheReaderRaises:
    @pytest.mark.parametrize(
        ("reader", "kind", "words"),
        [
            (readers.unavailable, SourceUnavailable, "it is away. Try again."),
            (readers.refused, SourceRefused, "it says no. Call someone."),
            (readers.garbled, SourceGarbled, "it makes no sense. Mend it."),
        ],
    )
    def test_a_failure_comes_back_as_itself(self, reader: Reader[Any], kind: type[SourceError], words: str) -> None:
        with pytest.raises(kind) as caught:
            apart(reader)
        assert str(caught.value) == words

    def test_a_reader_that_breaks_states_on_what_and_the_fix(self) -> None:
        with pytest.raises(SourceGarbled, match="ZeroDivisionError: nothing to share") as caught:
            apart(readers.mistaken)
        assert str(caught.value).endswith("Save it anew.")

    def test_a_file_that_is_not_there_is_unavailable(self, tmp_path: Path) -> None:
        with pytest.raises(SourceUnavailable, match="No such file"):
            apart(readers.opening, tmp_path / "nowhere")


class TestTheLimits:
    @only_posix
    def test_more_memory_than_allowed_is_refused_with_the_fix(self) -> None:
        with pytest.raises(SourceGarbled, match="more than 100 MB of memory") as caught:
            apart(readers.greedy)
        assert "raise most_memory in [source.fees]," in caught.value.fix_text

    def test_an_answer_without_end_is_refused_as_too_much_memory(self) -> None:
        with pytest.raises(SourceGarbled, match="more than 100 MB of memory"):
            apart(readers.generous)

    @pytest.mark.parametrize("reader", [readers.busy, readers.idle])
    def test_more_time_than_allowed_is_refused_with_the_fix(self, reader: Reader[Any]) -> None:
        with pytest.raises(SourceGarbled, match="more than 1 s to read") as caught:
            apart(reader, longest=timedelta(seconds=1))
        assert "raise longest in [source.fees]," in caught.value.fix_text

    @only_posix
    def test_a_reader_writes_no_file(self, tmp_path: Path) -> None:
        with pytest.raises(SourceUnavailable, match="File too large"):
            apart(readers.writing, tmp_path / "file")

    def test_no_secret_of_this_process_reaches_the_child(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("LIBRARY_PASSWORD", "secret")
        assert "LIBRARY_PASSWORD" not in apart(readers.surroundings)[0][0]

    def test_only_plain_values_are_taken_from_the_child(self) -> None:
        with pytest.raises(SourceGarbled, match="is not a plain value"):
            apart(readers.smuggling)


@only_posix
class TestAChildThatDies:
    def test_by_a_crash_is_the_files_fault(self) -> None:
        with pytest.raises(SourceGarbled, match="SIGABRT"):
            apart(readers.aborting)

    def test_without_a_word_never_makes_a_part_the_whole(self) -> None:
        with pytest.raises(SourceGarbled, match="exit code 0"):
            apart(readers.leaving)

    def test_killed_from_outside_is_no_ones_fault(self) -> None:
        with pytest.raises(SourceUnavailable, match="another process ended the reader"):
            apart(readers.killed)


@only_linux
class TestNoChildIsLeftBehind:
    def test_when_the_one_who_waits_is_interrupted(self, monkeypatch: pytest.MonkeyPatch) -> None:
        started: list[subprocess.Popen[bytes]] = []

        class Launched(subprocess.Popen[bytes]):
            def __init__(self, *arguments: Any, **own: Any) -> None:
                super().__init__(*arguments, **own)
                started.append(self)

        def interrupt(_done: int, _expected: int | None) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(subprocess, "Popen", Launched)
        with pytest.raises(KeyboardInterrupt):
            apart(readers.endless, progress=interrupt)
        assert started[0].returncode == -signal.SIGKILL

    def test_when_the_parent_is_killed(self) -> None:
        with subprocess.Popen([sys.executable, "-c", PARENT], cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
            assert parent.stdout is not None
            child = int(parent.stdout.readline())
            parent.send_signal(signal.SIGKILL)
        assert has_ended(child)


#: A program that tells its child's number when the child is at work, and waits for it for ten minutes.
PARENT = """
import subprocess
from datetime import timedelta
from pathlib import Path
from connectors.files.sandbox import FileDescription, SandboxLimits, read_apart
from tests.connectors import readers

children = []

class Kept(subprocess.Popen):
    def __init__(self, *arguments, **own):
        super().__init__(*arguments, **own)
        children.append(self.pid)

def tell(_done, _expected):
    print(children[0], flush=True)

subprocess.Popen = Kept
limits = SandboxLimits(100_000_000, timedelta(minutes=10), "[source.fees]")
file = FileDescription("fees", "Save it anew.")
read_apart(readers.endless, Path("fees.xlsx"), None, limits=limits, file=file, progress=tell)
"""


def test_what_reads_text_starts_without_the_libraries_for_workbooks() -> None:
    code = "import sys, connectors.files.reader; print({'openpyxl', 'python_calamine', 'pydantic'} & set(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout == "set()\n"
