"""Groups of commands that import a command when it is called."""

from collections.abc import Iterator, Mapping, MutableMapping
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_command, get_group

from clearance.help_texts import translate
from clearance.output import usage_errors
from clearance.output.tables import ERR
from foundation.translation import tr


class _Commands(MutableMapping[str, Any]):
    """Commands by name. A command is given as `module:function` and imported when it is called."""

    def __init__(self, places: Mapping[str, str], known: Mapping[str, Any]) -> None:
        self._made: dict[str, Any] = {}
        #: In the order of the help.
        self._names = dict.fromkeys((*places, *known))
        self._places = places
        self._made.update(known)

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401 - what Typer's own copy of click calls a command
        if name not in self._made:
            module, _, function = self._places[name].partition(":")
            self._made[name] = _command(name, getattr(import_module(f"clearance.commands.{module}"), function))
        translate(self._made[name])
        return self._made[name]

    def __setitem__(self, name: str, command: Any) -> None:  # noqa: ANN401 - as above
        self._names[name] = None
        self._made[name] = command

    def __delitem__(self, name: str) -> None:
        del self._names[name]
        self._made.pop(name, None)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def _command(name: str, found: Any) -> Any:  # noqa: ANN401 - as above
    """Return the command of a function, or of a whole Typer."""
    if isinstance(found, typer.Typer):
        command: Any = get_group(found)
        command.name = name
        return command
    single = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)
    single.command(name)(found)
    return get_command(single)


def group(places: Mapping[str, str], renamed: Mapping[str, str], name: str = "") -> type[TyperGroup]:
    """Return a class of groups with these commands: name → `module:function` in `clearance.commands`.

    `renamed` has old → new names of commands, each with the name of its group.
    """

    class Group(TyperGroup):
        def __init__(self, *, commands: Any = None, **rest: Any) -> None:  # noqa: ANN401 - Typer's own arguments
            super().__init__(commands=None, **rest)
            self.commands = _Commands(places, commands or {})

        def get_params(self, ctx: Any) -> list[Any]:  # noqa: ANN401 - as above
            """Return the options, translated here because Typer adds those of completion after the group is made."""
            translate(self)
            params: list[Any] = super().get_params(ctx)
            return params

        def make_context(self, *args: Any, **rest: Any) -> Any:  # noqa: ANN401 - Typer's own arguments
            """Read the words of the group, with translated errors."""
            with usage_errors.translated():
                return super().make_context(*args, **rest)

        def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 - as above
            """Run a command of the group, with translated errors."""
            with usage_errors.translated():
                return super().invoke(ctx)

        def resolve_command(self, ctx: Any, args: list[str]) -> Any:  # noqa: ANN401 - as above
            """Run a renamed command under its new name, with a notice on stderr."""
            old = f"{name} {args[0]}".strip()
            if new := renamed.get(old):
                if not ctx.resilient_parsing:
                    notice = tr("'{old}' is now '{new}'. The old name works until the next release.", old=old, new=new)
                    ERR.print(notice)
                args = [new.split()[-1], *args[1:]]
            return super().resolve_command(ctx, args)

        def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:  # noqa: ANN401 - as above
            """Return the names of matching commands. Their help texts would import each of them."""
            from typer._click.shell_completion import CompletionItem  # noqa: PLC0415 - needed for completion alone

            if incomplete.startswith("-"):
                return super().shell_complete(ctx, incomplete)
            return [CompletionItem(name) for name in self.commands if name.startswith(incomplete)]

    return Group
