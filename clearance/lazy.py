"""Commands that are imported when they are called: each pays for itself alone."""

from collections.abc import Iterator, Mapping, MutableMapping
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_command, get_group


class _Commands(MutableMapping[str, Any]):
    """Commands by name; where a command's function is, as `module:function`, is enough until it is called."""

    def __init__(self, places: Mapping[str, str], known: Mapping[str, Any]) -> None:
        self._made: dict[str, Any] = {}
        #: In the order in which the help lists them.
        self._names = dict.fromkeys((*places, *known))
        self._places = places
        self._made.update(known)

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401 - what Typer's own copy of click calls a command
        if name not in self._made:
            module, _, function = self._places[name].partition(":")
            self._made[name] = _command(name, getattr(import_module(f"clearance.commands.{module}"), function))
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
    """Return the command that a function or a whole Typer is."""
    if isinstance(found, typer.Typer):
        command: Any = get_group(found)
        command.name = name
        return command
    alone = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)
    alone.command(name)(found)
    return get_command(alone)


def group(places: Mapping[str, str]) -> type[TyperGroup]:
    """Return a class of groups with these commands: name → `module:function` in `clearance.commands`."""

    class Group(TyperGroup):
        def __init__(self, *, commands: Any = None, **rest: Any) -> None:  # noqa: ANN401 - whatever Typer gives
            super().__init__(commands=None, **rest)
            self.commands = _Commands(places, commands or {})

        def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:  # noqa: ANN401 - as above
            """Return what may stand here. Names alone: the text of a command would have each imported."""
            from typer._click.shell_completion import CompletionItem  # noqa: PLC0415 - only a shell asks

            if incomplete.startswith("-"):
                return super().shell_complete(ctx, incomplete)
            return [CompletionItem(name) for name in self.commands if name.startswith(incomplete)]

    return Group
