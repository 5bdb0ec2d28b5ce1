"""The help of the command line in the language of the process. `make messages` collects its texts from the commands."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from typer import Context

from foundation.translation import N_, tr

#: Typer's own texts, which it translates with gettext.
TYPER_TEXTS = (
    N_("Options"),
    N_("Arguments"),
    N_("Commands"),
    N_("Error"),
    N_("Aborted."),
    N_("(deprecated) "),
    N_("(dynamic)"),
    N_("[default: {}]"),
    N_("[env var: {}]"),
    N_("[required]"),
    N_("required"),
    N_("default: {default}"),
    N_("env var: {var}"),
    N_("Missing command."),
    N_("Try [blue]'{command_path} {help_option}'[/] for help."),
    N_("Show this message and exit."),
)

#: Typer's own texts, which it does not translate.
_USAGE, _OPTIONS, _COMMAND = N_("Usage: "), N_("[OPTIONS]"), N_("COMMAND [ARGS]...")


def translate(command: Any) -> None:  # noqa: ANN401 - Typer's own copy of click has no public types
    """Translate the help of a command or group, of its options, and of the commands that it already has."""
    _translate(command, "help", "epilog")
    command.format_usage = partial(_format_usage, command)
    for parameter in (*command.params, command.get_help_option(Context(command))):
        if hasattr(parameter, "help"):
            _translate(parameter, "help")
    for each in _commands_of(command):
        translate(each)


def _format_usage(command: Any, context: Context, formatter: Any) -> None:  # noqa: ANN401 - as above
    """Write the line that shows how a command is called."""
    own = {_OPTIONS: tr(_OPTIONS), _COMMAND: tr(_COMMAND)}
    pieces = (own.get(piece, piece) for piece in command.collect_usage_pieces(context))
    formatter.write_usage(context.command_path, " ".join(pieces), tr(_USAGE))


def english(holder: Any, name: str) -> str | None:  # noqa: ANN401 - as above
    """Return a text of a command or an option as the code has it."""
    text: str | None = holder.__dict__.get(f"english_{name}", getattr(holder, name, None))
    return text


def _translate(holder: Any, *names: str) -> None:  # noqa: ANN401 - as above
    """Translate these texts, always from the English ones, because a process can change its language."""
    for name in names:
        text = english(holder, name)
        setattr(holder, f"english_{name}", text)
        setattr(holder, name, tr(text) if text else text)


def _commands_of(command: Any) -> Iterator[Any]:  # noqa: ANN401 - as above
    """Yield the commands of a plain group. A group of `clearance.lazy` translates each when it is imported."""
    commands = getattr(command, "commands", None)
    if isinstance(commands, dict):
        yield from commands.values()
