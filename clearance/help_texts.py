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

#: Types of values, as Typer shows them.
_TYPES = (
    N_("<str>"),
    N_("<int>"),
    N_("<int range>"),
    N_("<float>"),
    N_("<float range>"),
    N_("<bool>"),
    N_("<path>"),
    N_("<file>"),
    N_("<datetime>"),
    N_("<list[str]>"),
    N_("<list[int]>"),
    N_("<list[path]>"),
)


def translate(command: Any) -> None:  # noqa: ANN401 - Typer's own copy of click has no public types
    """Translate the help of a command or group, of its options, and of the commands that it already has."""
    _translate(command, "help", "epilog")
    command.format_usage = partial(_format_usage, command)
    command.format_help = partial(_format_help, command)
    for parameter in (*command.params, command.get_help_option(Context(command))):
        parameter.display_type = partial(_display_type, parameter)
        if hasattr(parameter, "help"):
            _translate(parameter, "help")
    for each in _commands_of(command):
        translate(each)


def _format_usage(command: Any, context: Context, formatter: Any) -> None:  # noqa: ANN401 - as above
    """Write the line that shows how a command is called."""
    own = {_OPTIONS: tr(_OPTIONS), _COMMAND: tr(_COMMAND)}
    pieces = (own.get(piece, piece) for piece in command.collect_usage_pieces(context))
    formatter.write_usage(context.command_path, " ".join(pieces), tr(_USAGE))


def _format_help(command: Any, context: Context, formatter: Any) -> None:  # noqa: ANN401 - as above
    """Write the help. Chinese has no blanks between words; unless folded, Rich cuts a text at the end of its column."""
    from typer import rich_utils  # noqa: PLC0415 - Rich is slow to import, and only the help needs it

    made = rich_utils._make_rich_text  # noqa: SLF001 - Typer has no setting for it

    def folded(**parts: Any) -> Any:  # noqa: ANN401 - as above
        text: Any = made(**parts)
        text.overflow = "fold"
        return text

    rich_utils._make_rich_text = folded  # noqa: SLF001 - as above
    try:
        type(command).format_help(command, context, formatter)
    finally:
        rich_utils._make_rich_text = made  # noqa: SLF001 - as above


def _display_type(parameter: Any, context: Context) -> Any:  # noqa: ANN401 - as above
    """Return the type of an option's value, as the help shows it."""
    shown = type(parameter).display_type(parameter, context)
    return tr(shown) if shown in _TYPES else shown


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
