"""Reads an untrusted file in a separate process.

A file can be broken or malicious: it unpacks without end, or crashes the library that reads it. So one importable
function reads it in a child process with limited memory and time, and only plain rows are returned. The child is a new
interpreter (a fork would copy the threads' locks), has none of the parent's secrets, and ends before the parent: when
its input closes, and at the latest by its own alarm.

Where the system has no `resource` (Windows), only the time is limited; macOS accepts the memory limit but does not
enforce it.
"""

import errno
import io
import math
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import IO, Any, NoReturn, TypeAlias, TypeVar, cast

from connectors.port import (
    Cell,
    Progress,
    SourceError,
    SourceGarbled,
    SourceRefused,
    SourceUnavailable,
    no_progress,
)
from foundation.translation import LANGUAGE_VARIABLE, language, tr

if sys.platform != "win32":
    import resource

Asked = TypeVar("Asked")

Row: TypeAlias = tuple[Cell, ...]

#: Reads a path: yields rows one by one, and returns the other results as plain values. Raises SourceError.
Reader: TypeAlias = Callable[[Path, Asked], Generator[Row, None, Any]]

#: How many rows are sent at a time; progress is reported after each batch.
_BATCH = 1_000

#: The approximate memory of a row and of a cell besides its value, in bytes.
_ROW_TAKES, _CELL_TAKES = 64, 56

#: The number of bytes for the length before each message.
_LENGTH = 8

#: The folder of the packages, for the child's import path.
_ROOT = Path(__file__).resolve().parents[2]

#: The environment variables that a child needs to start. Secrets are not among them.
_NEEDED = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT", "TEMP", "TMP", "TZ")

_CHILD = "import sys; sys.path[:0] = sys.argv[1:]; from connectors.files.sandbox import be_the_child; be_the_child()"

#: The classes that a row can have besides the built-in types.
_PLAIN = frozenset(
    {
        ("decimal", "Decimal"),
        ("datetime", "date"),
        ("datetime", "datetime"),
        ("datetime", "time"),
        ("datetime", "timedelta"),
        ("datetime", "timezone"),
    }
)

_FAILURES = {failure.__name__: failure for failure in (SourceUnavailable, SourceRefused, SourceGarbled)}


@dataclass(frozen=True, slots=True)
class SandboxLimits:
    """The limits of reading one file."""

    #: Bytes of address space for the child; also the approximate limit of its rows in this process.
    memory: int
    #: In wall-clock time.
    longest: timedelta
    #: The table of `most_memory` and `longest`, for the fix: `[source.NAME]`.
    settings_table: str

    @property
    def seconds(self) -> int:
        """The time, in whole seconds, one at least."""
        return max(1, math.ceil(self.longest.total_seconds()))


@dataclass(frozen=True, slots=True)
class FileDescription:
    """The texts about a file in messages."""

    #: The beginning of each message, such as `fees: the list /srv/fees.xlsx`.
    name: str
    #: The fix when the file crashes its reader.
    fix_text: str


def read_apart(
    reader: Reader[Asked],
    path: Path,
    asked: Asked,
    *,
    limits: SandboxLimits,
    file: FileDescription,
    progress: Progress = no_progress,
) -> tuple[list[Row], Any]:
    """Return the rows that `reader(path, asked)` yields, and its return value; it runs in a child process.

    `reader` is a function of a module. Cells keep their types: text, number, bool, Decimal, date, datetime, time,
    timedelta, bytes or None. Raises the SourceError of the reader; SourceGarbled when it exceeds `limits` or crashes;
    SourceRefused and SourceUnavailable when the file cannot be opened or the child cannot run.
    """
    job = pickle.dumps((reader.__module__, reader.__qualname__, path, asked, limits))
    rows: list[Row] = []
    with _start_child(limits, file) as child:
        # A child that has already ended is detected by the end of its answers.
        with suppress(BrokenPipeError):
            child.jobs.write(job)
            child.jobs.flush()
        for kind, value in _messages(child.answers, limits, file):
            if kind == "rows":
                rows.extend(value)
                progress(len(rows), None)
            elif kind == "end":
                return rows, value
            else:
                raise _reported_error(kind, value, limits, file)
        raise _exit_error(child.process.wait(), limits, file, overdue=child.overdue.is_set())


@dataclass(frozen=True, slots=True)
class _Child:
    """A child process that waits for its job."""

    process: subprocess.Popen[bytes]
    #: Stays open until the end: a child ends when its input closes.
    jobs: IO[bytes]
    answers: IO[bytes]
    #: Set when the child was ended because its time was over.
    overdue: threading.Event


@contextmanager
def _start_child(limits: SandboxLimits, file: FileDescription) -> Iterator[_Child]:
    """Start a child that is killed when its time is over, and always at the end."""
    paths = [str(_ROOT), *(path for path in sys.path if path)]
    try:
        process = subprocess.Popen(  # noqa: S603 - this interpreter and this module, and nothing from outside
            [sys.executable, "-I", "-S", "-X", "utf8", "-W", "ignore", "-c", _CHILD, *paths],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            # One arena: each further one would reserve much address space without using it.
            env={name: os.environ[name] for name in _NEEDED if name in os.environ}
            | {"MALLOC_ARENA_MAX": "1", LANGUAGE_VARIABLE: language()},
            # Ctrl-C reaches only this process, which then ends the child.
            start_new_session=True,
        )
    except OSError as error:
        raise SourceUnavailable(
            tr("{name} could not be read: no process could be started for it ({error})", name=file.name, error=error),
            tr("The next run tries again. Check this machine's memory and processes."),
        ) from error
    child = _Child(process, cast("IO[bytes]", process.stdin), cast("IO[bytes]", process.stdout), threading.Event())

    def end_it() -> None:
        child.overdue.set()
        process.kill()

    clock = threading.Timer(limits.longest.total_seconds(), end_it)
    clock.daemon = True
    try:
        clock.start()
        yield child
    finally:
        clock.cancel()
        process.kill()
        process.wait()
        child.answers.close()
        # Input that an ended child has not read cannot be flushed.
        with suppress(OSError):
            child.jobs.close()


class _PlainUnpickler(pickle.Unpickler):
    """Reads only plain values: a file that controls the child must not control this process by its answer."""

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401 - as the base class has it
        if (module, name) in _PLAIN:
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"{module}.{name} is not a plain value")


def _messages(answers: IO[bytes], limits: SandboxLimits, file: FileDescription) -> Iterator[tuple[str, Any]]:
    """Yield the child's messages until it ends; refuse more than the memory limit."""
    received = 0
    while len(head := answers.read(_LENGTH)) == _LENGTH:
        size = int.from_bytes(head)
        received += size
        if received > limits.memory:
            raise _memory_error(limits, file)
        message = answers.read(size)
        if len(message) < size:
            return
        try:
            kind, what = _PlainUnpickler(io.BytesIO(message)).load()
        except (pickle.UnpicklingError, EOFError, ValueError, TypeError) as error:
            raise _crash_error(f"{type(error).__name__}: {error}", file) from error
        if kind == "rows":
            # A repeated cell is short in the message, but not in memory.
            received += sum(_ROW_TAKES + _CELL_TAKES * len(row) for row in what)
        yield kind, what


def _reported_error(kind: str, value: Any, limits: SandboxLimits, file: FileDescription) -> SourceError:  # noqa: ANN401 - by its kind
    """Return the failure that the child reports, as an error."""
    match kind:
        case "failed":
            failure, what, fix_text = value
            return _FAILURES.get(failure, SourceGarbled)(what, fix_text)
        case "memory":
            return _memory_error(limits, file)
        case "forbidden":
            return SourceRefused(
                tr("{name} cannot be read by this user", name=file.name), tr("Give this user the right to read it.")
            )
        case "unreadable":
            return SourceUnavailable(
                tr("{name} could not be read ({reason})", name=file.name, reason=value),
                tr("The next run tries again. Check that it exists and that its drive is mounted."),
            )
        case _:
            return _crash_error(str(value), file)


def _exit_error(code: int, limits: SandboxLimits, file: FileDescription, *, overdue: bool) -> SourceError:
    """Return the error for a child that ended without a message."""
    # A negative code is the signal's number; Windows has neither signals nor these names.
    name = signal.Signals(-code).name if code < 0 else ""
    if overdue or name in ("SIGXCPU", "SIGALRM"):
        return SourceGarbled(
            tr("{name} takes more than {seconds} s to read", name=file.name, seconds=limits.seconds),
            tr(
                "Empty formatted cells below and beside the list need time too. If it is the right file, "
                "raise longest in {table}, or have the office's system leave these cells out.",
                table=limits.settings_table,
            ),
        )
    if name in ("SIGKILL", "SIGTERM"):
        return SourceUnavailable(
            tr("{name} could not be read: another process ended the reader", name=file.name),
            tr("The next run tries again. Check this machine's free memory."),
        )
    return _crash_error(name or tr("exit code {code}", code=code), file)


def _memory_error(limits: SandboxLimits, file: FileDescription) -> SourceGarbled:
    return SourceGarbled(
        tr(
            "{name} takes more than {megabytes} MB of memory to read",
            name=file.name,
            megabytes=limits.memory // 1_000_000,
        ),
        tr(
            "Empty formatted cells below and beside the list need memory too. If it is the right file, "
            "raise most_memory in {table}, or have the office's system leave these cells out.",
            table=limits.settings_table,
        ),
    )


def _crash_error(how: str, file: FileDescription) -> SourceGarbled:
    what = tr("{name} crashes the program that reads it ({how})", name=file.name, how=how)
    return SourceGarbled(what, file.fix_text)


def be_the_child() -> NoReturn:
    """Read one job from the standard input, answer on the standard output, and end."""
    answers = os.fdopen(os.dup(1), "wb")
    # The output of a library must not be mixed with the answers.
    os.dup2(2, 1)
    module, name, path, asked, limits = pickle.load(sys.stdin.buffer)  # noqa: S301 - written by our own parent
    reader: Reader[Any] = getattr(import_module(module), name)
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    _set_limits(limits)

    def send(kind: str, what: object) -> None:
        message = pickle.dumps((kind, what), pickle.HIGHEST_PROTOCOL)
        try:
            answers.write(len(message).to_bytes(_LENGTH))
            answers.write(message)
            answers.flush()
        except BrokenPipeError:
            os._exit(1)

    # The result is sent outside of the except clauses: inside, the exhausted memory is still in use.
    send(*_outcome(reader, path, asked, send))
    os._exit(0)


def _outcome(
    reader: Reader[Asked], path: Path, asked: Asked, send: Callable[[str, object], None]
) -> tuple[str, object]:
    """Read the file and send its rows; return the result."""
    try:
        return "end", _send_rows(reader(path, asked), send)
    except SourceError as error:
        return "failed", (type(error).__name__, error.what, error.fix_text)
    except MemoryError:
        return "memory", None
    except PermissionError:
        return "forbidden", None
    except OSError as error:
        return ("memory", None) if error.errno == errno.ENOMEM else ("unreadable", error.strerror or str(error))
    except Exception as error:  # noqa: BLE001 - the file is the cause of any error, and the parent reports it
        return "broken", f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"


def _send_rows(rows: Generator[Row, None, Any], send: Callable[[str, object], None]) -> Any:  # noqa: ANN401 - the reader's own
    """Send the rows in batches; return the reader's return value."""
    batch: list[Row] = []
    while True:
        try:
            batch.append(next(rows))
        except StopIteration as end:
            if batch:
                send("rows", batch)
            return end.value
        if len(batch) == _BATCH:
            send("rows", batch)
            batch = []


def _end_with_the_parent() -> NoReturn:
    """Wait for the end of the input: the parent keeps it open and writes nothing more."""
    while os.read(0, 1):
        pass
    os._exit(1)


def _set_limits(limits: SandboxLimits) -> None:
    """Limit this process: memory, time, no written file, no core dump."""
    if sys.platform == "win32":
        return
    bounds = (
        (resource.RLIMIT_AS, limits.memory),
        (resource.RLIMIT_CPU, limits.seconds),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    )
    for what, most in bounds:
        _soft, hard = resource.getrlimit(what)
        allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
        # macOS refuses a limit of address space below what is already mapped.
        with suppress(ValueError, OSError):
            # At the hard time limit the kernel kills with SIGKILL; only at the soft limit is the signal SIGXCPU.
            beyond = allowed + 1 if what == resource.RLIMIT_CPU and hard == resource.RLIM_INFINITY else allowed
            resource.setrlimit(what, (allowed, beyond))
    # The parent ends a late child. The alarm is for the case that the parent has ended.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(limits.seconds + 1)
