"""What every command shares: the settings file and the cohort that were chosen, and how a command ends."""

import functools
import getpass
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, ParamSpec, TypeVar

import typer

from clearance.output import tables
from clearance.services import Program
from clearance.settings_file import chosen_file, clock_of, load_settings
from config.load import SettingsError
from config.processes import Process, missing
from config.tables.plain_text import plain
from connectors.port import SourceCode, SourceError
from foundation.refusals import Refused

if TYPE_CHECKING:
    from sync.run.season import Season

P = ParamSpec("P")
R = TypeVar("R")

#: The documented exit codes; 0 is all well.
ERROR, USAGE, PENDING, SUSPENDED, UNAVAILABLE, VERIFY_FAILED = 1, 2, 3, 4, 5, 6

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


@dataclass(frozen=True, slots=True)
class GlobalOptions:
    """What was chosen before the command's own name."""

    config: Path | None
    cohort: str | None
    verbose: bool
    #: Takes what is to be done when the command has ended.
    at_the_end: Callable[[Callable[[], None]], object] = lambda _call: None

    @property
    def file(self) -> Path:
        """The settings file."""
        return chosen_file(self.config)

    def program(self, process: Process | None = None, *, service: bool = False) -> Program:
        """Load the settings and put the rooms together. A service tells what it does; a command shows its result.

        The cohort is the one that was named, else the first open one. Raises SettingsError where something that this
        process needs is missing; anything else that is missing is reported when it is used.
        """
        return self._programs(process, service=service)[0]

    def season(self, process: Process | None = None, *, service: bool = False) -> "ServedCohorts":
        """Return the cohort that was named, else every open one, to be served together. Raises SettingsError."""
        served = ServedCohorts(self._programs(process, service=service))
        if len(served.programs) > 1:
            # What is about all of them suggests what is for all of them.
            tables.speak_of()
        return served

    def _programs(self, process: Process | None, *, service: bool) -> tuple[Program, ...]:
        from config import logs  # noqa: PLC0415 - only a command that reads settings writes a log
        from status_db.desk.key import DeskKey  # noqa: PLC0415 - likewise

        settings = load_settings(self.file)
        if process is not None and (lines := missing(settings, process)):
            raise SettingsError(self.file, lines)
        quiet = not (service or self.verbose or settings.log.format == "json")
        log = settings.log.model_copy(update={"level": "error"}) if quiet else settings.log
        logs.configure(log, DeskKey(settings.portal.key_file).log_key)
        keys = settings.cohort_keys()
        if self.cohort is not None and self.cohort not in keys:
            fail(
                f'there is no cohort "{self.cohort}" in {self.file}: write one of {", ".join(keys)}. '
                "Or add it as [[cohort]]."
            )
        first, *others = (self.cohort,) if self.cohort else settings.open_cohorts() or keys[:1]
        program = Program(settings.of_cohort(first), first, clock_of(settings))
        self.at_the_end(program.close)
        tables.speak_of(program.naming)
        return (program, *(program.of_cohort(key) for key in others))


@dataclass(frozen=True)
class ServedCohorts:
    """The cohorts a command serves: each by itself, and together."""

    programs: tuple[Program, ...]

    @functools.cached_property
    def season(self) -> "Season":
        """All of them together. Asks the status database: a command that can do without it leaves this alone."""
        return self.first.season(self.programs)

    def each(self) -> Iterator[Program]:
        """Give one after the other; what is printed meanwhile, and why it ended there, speaks of that cohort."""
        for program in self.programs:
            tables.speak_of(program.naming)
            yield program
        if len(self.programs) > 1:
            tables.speak_of()

    @property
    def first(self) -> Program:
        """The first, for what all have in common."""
        return self.programs[0]


def chosen(context: typer.Context) -> GlobalOptions:
    """Return what was chosen."""
    found = context.find_root().obj
    assert isinstance(found, GlobalOptions)  # noqa: S101 - the app's callback puts it there
    return found


def fail(message: str, code: int = ERROR, *, about: Sequence[str] = ()) -> NoReturn:
    """End with a message, and with what it is about, each on a line of its own."""
    for line in (message, *(f"  {each}" for each in about)):
        tables.ERR.print(line)
    raise typer.Exit(code)


def code_of(error: Refused[Any]) -> int:
    """Return the documented exit code: a source that does not answer, or refuses, has its own."""
    return UNAVAILABLE if isinstance(error, SourceError) and error.code is not SourceCode.GARBLED else ERROR


def ends_well(command: Callable[P, R]) -> Callable[P, R]:
    """Turn what can go wrong into a message with the way out, and the documented exit code."""

    @functools.wraps(command)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except SettingsError as error:
            fail(error.head, about=error.mistakes)
        except Refused as error:
            fail(str(error), code_of(error))
        except KeyboardInterrupt:
            fail("Stopped. Nothing of what was under way was written; run it again when you like.")
        except BrokenPipeError:
            # Whoever read our output has seen enough.
            end_output()
            raise typer.Exit(0) from None
        except Exception as error:
            if unusable := _file_of(error):
                where, why = unusable
                fail(f"{where} cannot be read or written ({why}). Look at its name, its folder, and whose they are.")
            raise

    return guarded


def _file_of(error: Exception) -> tuple[str, str] | None:
    """Return the file that the system refused, and why; None for any other error. Libraries wrap the system's."""
    found = error.args[0] if error.args and isinstance(error.args[0], OSError) else error
    if not isinstance(found, OSError) or not found.filename:
        return None
    return os.fsdecode(found.filename), found.strerror or type(found).__name__


def system_user() -> str:
    """Return who runs this, as the system names them; by number where it has no name for them, as in a container."""
    try:
        return plain(getpass.getuser())[:_LONGEST_USER]
    except (KeyError, OSError, ImportError):
        return f"uid {os.getuid()}"


#: So much of a name is kept with a run.
_LONGEST_USER = 100


def end_output() -> None:
    """Have standard output take what is still to be written, and lose it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def stop_like_ctrl_c() -> threading.Event:
    """Have SIGTERM end a command as Ctrl-C does: whatever is under way is given up in order.

    The event that is returned is set as well: an exception that a signal handler raises inside a finalizer is lost.
    """
    stopped = threading.Event()

    def stop(_signal: int, _frame: object) -> NoReturn:
        stopped.set()
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    return stopped
