"""Reading a file that somebody else wrote, in a process of its own.

A file may be broken or made to hurt: it unpacks without end, or breaks the very library that reads it. So one
importable function reads it in a child process with bounded memory and time, and only plain rows come back. The child
is a fresh interpreter (a fork would copy the threads' locks), gets none of the parent's secrets, and never outlives the
parent: it ends when its input closes, and at the latest by its own alarm.

Where the system has no `resource` (Windows), only the time is bounded; macOS takes the bound of memory without keeping
it.
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

if sys.platform != "win32":
    import resource

Asked = TypeVar("Asked")

Row: TypeAlias = tuple[Cell, ...]

#: Reads a path: gives rows one by one, and returns what else it found, in plain values. Raises SourceError.
Reader: TypeAlias = Callable[[Path, Asked], Generator[Row, None, Any]]

#: So many rows come back at a time, and progress is told as often.
_BATCH = 1_000

#: What a row and a cell take here besides what they say, in bytes, roughly.
_ROW_TAKES, _CELL_TAKES = 64, 56

#: The length of a message stands before it, in so many bytes.
_LENGTH = 8

#: Where the rooms lie: the child finds them there, however this process found them.
_ROOT = Path(__file__).resolve().parents[2]

#: What a child needs of the environment to start at all. Its secrets are none of the child's business.
_NEEDED = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT", "TEMP", "TMP", "TZ")

_CHILD = "import sys; sys.path[:0] = sys.argv[1:]; from connectors.files.sandbox import be_the_child; be_the_child()"

#: The classes that a row may hold besides what every pickle can.
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
    """What reading one file may take."""

    #: Bytes of address space for the child; and, counted roughly, the most that its rows may take here.
    memory: int
    #: By the clock on the wall.
    longest: timedelta
    #: Where `most_memory` and `longest` are told, for the way out: `[source.NAME]`.
    told_in: str

    @property
    def seconds(self) -> int:
        """The time, in whole seconds, one at least."""
        return max(1, math.ceil(self.longest.total_seconds()))


@dataclass(frozen=True, slots=True)
class FileDescription:
    """What messages say about a file."""

    #: Begins each sentence, such as `fees: the list /srv/fees.xlsx`.
    name: str
    #: The way out when the file breaks whatever reads it.
    mend: str


def read_apart(
    reader: Reader[Asked],
    path: Path,
    asked: Asked,
    *,
    limits: SandboxLimits,
    file: FileDescription,
    progress: Progress = no_progress,
) -> tuple[list[Row], Any]:
    """Return the rows that `reader(path, asked)` gives, and what it returns at its end; it runs in a child process.

    `reader` is a module's own function. Cells keep their types: text, number, bool, Decimal, date, datetime, time,
    timedelta, bytes or None. Raises the SourceError that the reader raised; SourceGarbled when it takes more than
    `limits` or breaks; SourceRefused and SourceUnavailable when the file cannot be opened or the child cannot run.
    """
    job = pickle.dumps((reader.__module__, reader.__qualname__, path, asked, limits))
    rows: list[Row] = []
    with _started(limits, file) as child:
        # A child that is already dead says so by the end of its answers.
        with suppress(BrokenPipeError):
            child.jobs.write(job)
            child.jobs.flush()
        for kind, said in _messages(child.answers, limits, file):
            if kind == "rows":
                rows.extend(said)
                progress(len(rows), None)
            elif kind == "end":
                return rows, said
            else:
                raise _failure(kind, said, limits, file)
        raise _death(child.process.wait(), limits, file, overdue=child.overdue.is_set())


@dataclass(frozen=True, slots=True)
class _Child:
    """A child process that waits for its job."""

    process: subprocess.Popen[bytes]
    #: Stays open until the end: a child whose input closes knows that nobody waits for it.
    jobs: IO[bytes]
    answers: IO[bytes]
    #: Set when it was ended because its time was over.
    overdue: threading.Event


@contextmanager
def _started(limits: SandboxLimits, file: FileDescription) -> Iterator[_Child]:
    """Start a child that is killed when its time is over, and in any case at the end."""
    paths = [str(_ROOT), *(place for place in sys.path if place)]
    try:
        process = subprocess.Popen(  # noqa: S603 - this interpreter and this module, and nothing from outside
            [sys.executable, "-I", "-S", "-X", "utf8", "-W", "ignore", "-c", _CHILD, *paths],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            # One arena: each further one would take a good part of the address space without using it.
            env={name: os.environ[name] for name in _NEEDED if name in os.environ} | {"MALLOC_ARENA_MAX": "1"},
            # Ctrl-C reaches this process alone, which then ends the child.
            start_new_session=True,
        )
    except OSError as error:
        raise SourceUnavailable(
            f"{file.name} could not be read: no process could be started for it ({error})",
            "Look what this machine is short of; the next slot tries again.",
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
        # What a dead child has not read cannot be flushed.
        with suppress(OSError):
            child.jobs.close()


class _PlainUnpickler(pickle.Unpickler):
    """Reads plain values only: a file that took the child over must not reach this process through its answer."""

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401 - as the base class has it
        if (module, name) in _PLAIN:
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"{module}.{name} is no plain value")


def _messages(answers: IO[bytes], limits: SandboxLimits, file: FileDescription) -> Iterator[tuple[str, Any]]:
    """Give what the child says until it ends; refuse more than may come back."""
    received = 0
    while len(head := answers.read(_LENGTH)) == _LENGTH:
        size = int.from_bytes(head)
        received += size
        if received > limits.memory:
            raise _too_much(limits, file)
        said = answers.read(size)
        if len(said) < size:
            return
        try:
            kind, what = _PlainUnpickler(io.BytesIO(said)).load()
        except (pickle.UnpicklingError, EOFError, ValueError, TypeError) as error:
            raise _broken(f"{type(error).__name__}: {error}", file) from error
        if kind == "rows":
            # A cell that repeats is short in the message, and a row of them is not in memory.
            received += sum(_ROW_TAKES + _CELL_TAKES * len(row) for row in what)
        yield kind, what


def _failure(kind: str, said: Any, limits: SandboxLimits, file: FileDescription) -> SourceError:  # noqa: ANN401 - by its kind
    """Return what the child said of its failure, as an error."""
    match kind:
        case "failed":
            failure, what, fix_text = said
            return _FAILURES.get(failure, SourceGarbled)(what, fix_text)
        case "memory":
            return _too_much(limits, file)
        case "forbidden":
            return SourceRefused(f"{file.name} may not be read by this user", "Give this user the right to read it.")
        case "unreadable":
            return SourceUnavailable(
                f"{file.name} could not be read ({said})",
                "See that it is there, and its drive in reach; the next slot looks again.",
            )
        case _:
            return _broken(str(said), file)


def _death(code: int, limits: SandboxLimits, file: FileDescription, *, overdue: bool) -> SourceError:
    """Return why a child ended without a word."""
    # A negative code is the signal's number; Windows has neither signals nor these names.
    name = signal.Signals(-code).name if code < 0 else ""
    if overdue or name in ("SIGXCPU", "SIGALRM"):
        return SourceGarbled(
            f"{file.name} takes more than {limits.seconds} s to read",
            f"If it is the right file, raise longest in {limits.told_in}. Cells that are empty and formatted, below "
            "and beside the list, take time too: have the office's system leave them out.",
        )
    if name in ("SIGKILL", "SIGTERM"):
        return SourceUnavailable(
            f"{file.name} could not be read: the process that read it was ended from outside",
            "Look whether this machine is short of memory; the next slot tries again.",
        )
    return _broken(name or f"exit code {code}", file)


def _too_much(limits: SandboxLimits, file: FileDescription) -> SourceGarbled:
    return SourceGarbled(
        f"{file.name} takes more than {limits.memory // 1_000_000} MB of memory to read",
        f"If it is the right file, raise most_memory in {limits.told_in}. Cells that are empty and formatted, below "
        "and beside the list, take memory too: have the office's system leave them out.",
    )


def _broken(how: str, file: FileDescription) -> SourceGarbled:
    return SourceGarbled(f"{file.name} breaks what reads it ({how})", file.mend)


def be_the_child() -> NoReturn:
    """Take one job from the standard input, answer on the standard output, and end."""
    answers = os.fdopen(os.dup(1), "wb")
    # What a library prints must not stand among the answers.
    os.dup2(2, 1)
    module, name, path, asked, limits = pickle.load(sys.stdin.buffer)  # noqa: S301 - written by our own parent
    reader: Reader[Any] = getattr(import_module(module), name)
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    _bound(limits)

    def tell(kind: str, what: object) -> None:
        said = pickle.dumps((kind, what), pickle.HIGHEST_PROTOCOL)
        try:
            answers.write(len(said).to_bytes(_LENGTH))
            answers.write(said)
            answers.flush()
        except BrokenPipeError:
            os._exit(1)

    # The last word is told outside of the except clauses: until they are left, they hold the memory that ran out.
    tell(*_outcome(reader, path, asked, tell))
    os._exit(0)


def _outcome(
    reader: Reader[Asked], path: Path, asked: Asked, tell: Callable[[str, object], None]
) -> tuple[str, object]:
    """Read, telling the rows; return how it ended."""
    try:
        return "end", _told(reader(path, asked), tell)
    except SourceError as error:
        return "failed", (type(error).__name__, error.what, error.fix_text)
    except MemoryError:
        return "memory", None
    except PermissionError:
        return "forbidden", None
    except OSError as error:
        return ("memory", None) if error.errno == errno.ENOMEM else ("unreadable", error.strerror or str(error))
    except Exception as error:  # noqa: BLE001 - whatever it is, the file brought it about, and the parent says so
        return "broken", f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"


def _told(rows: Generator[Row, None, Any], tell: Callable[[str, object], None]) -> Any:  # noqa: ANN401 - the reader's own
    """Tell the rows in batches; return what the reader returns."""
    batch: list[Row] = []
    while True:
        try:
            batch.append(next(rows))
        except StopIteration as end:
            if batch:
                tell("rows", batch)
            return end.value
        if len(batch) == _BATCH:
            tell("rows", batch)
            batch = []


def _end_with_the_parent() -> NoReturn:
    """Wait for the end of the input: the parent holds the other end and writes no more to it."""
    while os.read(0, 1):
        pass
    os._exit(1)


def _bound(limits: SandboxLimits) -> None:
    """Bound this process: memory, time, no file written, no core left behind."""
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
        # macOS refuses a bound of address space below what is already mapped.
        with suppress(ValueError, OSError):
            # At the hard bound of time the kernel kills without a word: only at the soft one does it say what for.
            beyond = allowed + 1 if what == resource.RLIMIT_CPU and hard == resource.RLIM_INFINITY else allowed
            resource.setrlimit(what, (allowed, beyond))
    # The parent ends a child that is late. This is for a parent that is no longer there.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(limits.seconds + 1)
