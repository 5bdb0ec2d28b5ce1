"""Global options, and how a command ends: exit codes and messages for errors."""

import functools
import getpass
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, ParamSpec, TypeVar

import typer

from clearance.output import tables
from clearance.output.code_words import joined
from clearance.services import Program
from clearance.settings_file import chosen_file, clock_of, load_settings
from config.institutions import InstitutionFile, institution_in, institutions_in
from config.load import SettingsError
from config.processes import Process, missing
from config.settings import Settings
from config.tables.plain_text import plain
from connectors.port import SourceCode, SourceError
from foundation.refusals import Refused
from foundation.translation import tr

if TYPE_CHECKING:
    from sync.run.season import Season

P = ParamSpec("P")
R = TypeVar("R")

# The documented exit codes.
#: Success.
SUCCESS = 0
#: An error, or a source whose answer cannot be read.
ERROR = 1
#: The command line is invalid.
USAGE = 2
#: `clearance plan`: there are changes to apply.
PENDING = 3
#: A run is suspended.
SUSPENDED = 4
#: A source is unavailable or refuses, even if another one's answer cannot be read.
UNAVAILABLE = 5
#: `clearance verify`: something stored is not as it was written.
VERIFY_FAILED = 6

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@dataclass(frozen=True, slots=True)
class GlobalOptions:
    """The options before the command's name."""

    config: Path | None
    cohort: str | None
    verbose: bool
    #: Registers a call for the end of the command.
    at_the_end: Callable[[Callable[[], None]], object] = lambda _call: None
    #: The folder of the institutions, where there are several, and the key of one.
    institutions: Path | None = None
    institution: str | None = None

    @property
    def file(self) -> Path:
        """The settings file. Where there are several, a command must name its institution."""
        one = self.one
        return chosen_file(self.config) if one is None else one.file

    @property
    def one(self) -> InstitutionFile | None:
        """The institution of --institution; None where there is a single one."""
        if self.config is not None and (self.institutions is not None or self.institution is not None):
            fail(tr("--config is for a single institution: leave it out, or leave out --institution."), USAGE)
        if self.institutions is None:
            if self.institution is not None:
                fail(tr("--institution needs the folder of the institutions: add --institutions FOLDER."), USAGE)
            return None
        keys = self.institution_keys()
        if self.institution in keys:
            return institution_in(self.institutions, self.institution or "")
        return _no_such_institution(self.institutions, self.institution, keys)

    def institution_keys(self) -> list[str]:
        """Return the keys of all institutions in the folder. Raises OSError."""
        return [one.key for one in institutions_in(self.institutions)] if self.institutions is not None else []

    @property
    def several(self) -> bool:
        """Whether the command is about all institutions of a folder."""
        return self.institutions is not None and self.institution is None and self.config is None

    def words(self) -> list[str]:
        """Return the options for a process that this command starts for the same settings."""
        if self.institutions is None or self.config is not None:
            words = ["--config", str(self.file)]
        else:
            words = ["--institutions", str(self.institutions)]
            words += ["--institution", self.institution] if self.institution else []
        return [*words, *(["--cohort", self.cohort] if self.cohort else [])]

    def refuse_cohort(self) -> None:
        """End a command about all institutions that names a cohort, which belongs to one of them."""
        if self.cohort is not None:
            fail(tr("--cohort is for one institution: add --institution KEY."), USAGE)

    def of(self, key: str) -> "GlobalOptions":
        """Return the same options for one institution."""
        return replace(self, institution=key)

    def program(self, process: Process | None = None, *, service: bool = False) -> Program:
        """Load the settings, and return the program. A service writes a log; a command prints its result.

        The cohort is the one of --cohort, or the first open one. Raises SettingsError when a value that this process
        needs is missing; any other missing value is reported when it is used.
        """
        return self._programs(process, service=service)[0]

    def season(self, process: Process | None = None, *, service: bool = False) -> "ServedCohorts":
        """Return the cohort of --cohort, or all open cohorts, to be served together. Raises SettingsError."""
        served = ServedCohorts(self._programs(process, service=service))
        if len(served.programs) > 1:
            # A message about all cohorts suggests a command for all of them.
            tables.set_cohort_naming()
        return served

    def _programs(self, process: Process | None, *, service: bool) -> tuple[Program, ...]:
        from config import logs  # noqa: PLC0415 - needed with settings alone
        from config.renames import log_former_keys  # noqa: PLC0415 - likewise
        from status_db.desk.key import DeskKey  # noqa: PLC0415 - likewise

        settings = load_settings(self.file, self.one)
        if process is not None and (lines := missing(settings, process)):
            raise SettingsError(self.file, lines)
        quiet = not (service or self.verbose or settings.log.format == "json")
        log = settings.log.model_copy(update={"level": "error"}) if quiet else settings.log
        logs.configure(log, DeskKey(settings.portal.key_file).log_key)
        log_former_keys(settings)
        return self.programs_of(settings)

    def programs_of(self, settings: Settings) -> tuple[Program, ...]:
        """Return the program of each cohort that the command is for, with these settings."""
        keys = settings.cohort_keys()
        if self.cohort is not None and self.cohort not in keys:
            fail(
                tr(
                    'there is no cohort "{cohort}" in {file}: write one of {known}, or add it as [[cohort]].',
                    cohort=self.cohort,
                    file=self.file,
                    known=", ".join(keys),
                )
            )
        first, *others = (self.cohort,) if self.cohort else settings.open_cohorts() or keys[:1]
        program = Program(settings.of_cohort(first), first, clock_of(settings))
        self.at_the_end(program.close)
        tables.set_cohort_naming(program.naming)
        return (program, *(program.of_cohort(key) for key in others))


@dataclass(frozen=True)
class ServedCohorts:
    """The cohorts that a command serves, one by one or together."""

    programs: tuple[Program, ...]

    @functools.cached_property
    def season(self) -> "Season":
        """All cohorts together. This opens the status database."""
        return self.first.season(self.programs)

    def each(self) -> Iterator[Program]:
        """Yield the programs one by one. Messages that are printed meanwhile name that cohort."""
        for program in self.programs:
            tables.set_cohort_naming(program.naming)
            yield program
        if len(self.programs) > 1:
            tables.set_cohort_naming()

    @property
    def first(self) -> Program:
        """The first program, for what all cohorts share."""
        return self.programs[0]


def _no_such_institution(folder: Path, key: str | None, keys: Sequence[str]) -> NoReturn:
    known = joined(keys) or tr("none yet")
    if key is None:
        fail(tr("There are several institutions: add --institution KEY, with one of {known}.", known=known), USAGE)
    fail(
        tr(
            'There is no institution "{key}" in {folder}. There are: {known}. To add it, write its settings file '
            "{file}, then run: clearance institutions add {key}",
            key=key,
            folder=folder,
            known=known,
            file=institution_in(folder, plain(key)).file,
        ),
        USAGE,
    )


def chosen(context: typer.Context) -> GlobalOptions:
    """Return the global options."""
    found = context.find_root().obj
    assert isinstance(found, GlobalOptions)  # noqa: S101 - the app's callback puts it there
    return found


def fail(message: str, code: int = ERROR, *, about: Sequence[str] = ()) -> NoReturn:
    """Print a message on stderr, followed by a line for each item of `about`, and exit with this code."""
    for line in (message, *(f"  {each}" for each in about)):
        tables.ERR.print(line)
    raise typer.Exit(code)


def code_of(error: Refused[Any]) -> int:
    """Return the documented exit code. An unavailable source, and one that refuses, have their own."""
    return UNAVAILABLE if isinstance(error, SourceError) and error.code is not SourceCode.GARBLED else ERROR


def ends_well(command: Callable[P, R]) -> Callable[P, R]:
    """Print errors as messages with a fix, and exit with the documented code."""

    @functools.wraps(command)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except SettingsError as error:
            fail(error.head, about=error.mistakes)
        except Refused as error:
            fail(str(error), code_of(error))
        except KeyboardInterrupt:
            fail(tr("Interrupted. The change in progress was not written. Run the command again."))
        except BrokenPipeError:
            # The reader of the output has closed it.
            end_output()
            raise typer.Exit(0) from None
        except Exception as error:
            if unusable := _file_of(error):
                where, why = unusable
                fail(
                    tr(
                        "{where} cannot be read or written ({why}). Check its name, its folder, and their owner.",
                        where=where,
                        why=why,
                    )
                )
            raise

    return guarded


def _file_of(error: Exception) -> tuple[str, str] | None:
    """Return the file that the system refused, and why; None for other errors. Libraries wrap system errors."""
    found = error.args[0] if error.args and isinstance(error.args[0], OSError) else error
    if not isinstance(found, OSError) or not found.filename:
        return None
    return os.fsdecode(found.filename), found.strerror or type(found).__name__


def system_user() -> str:
    """Return the name of the user that runs this; the number when there is no name, as in a container."""
    try:
        return plain(getpass.getuser())[:_LONGEST_USER]
    except (KeyError, OSError, ImportError):
        return f"uid {os.getuid()}"


#: The longest name that is stored with a run.
_LONGEST_USER = 100


def end_output() -> None:
    """Discard what is still to be written to standard output."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def stop_like_ctrl_c() -> threading.Event:
    """Make SIGTERM end a command as Ctrl-C does: the transaction in progress is rolled back.

    The returned event is set as well, because an exception that a signal handler raises in a finalizer is lost.
    """
    stopped = threading.Event()

    def stop(_signal: int, _frame: object) -> NoReturn:
        stopped.set()
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    return stopped
