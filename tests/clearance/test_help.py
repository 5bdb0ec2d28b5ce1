"""The help of every command: one line with what it does, and all of it is shown."""

from collections.abc import Iterator
from typing import Any

import pytest
from typer.main import get_command

from clearance.main import app


def _within(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    yield name, command
    for inside, one in getattr(command, "commands", {}).items():
        yield from _within(one, f"{name} {inside}")


COMMANDS = dict(_within(get_command(app), "clearance"))


@pytest.mark.parametrize("name", COMMANDS)
def test_its_first_line_is_short_and_a_sentence(name: str) -> None:
    first, _, rest = COMMANDS[name].help.partition("\n")
    assert len(first) <= 110
    assert first.endswith(".")
    assert rest == "" or rest.startswith("\n")


@pytest.mark.parametrize("name", COMMANDS)
def test_no_text_has_square_brackets_which_help_leaves_out_as_markup(name: str) -> None:
    texts = [COMMANDS[name].help, *(getattr(param, "help", None) or "" for param in COMMANDS[name].params)]
    assert [text for text in texts if "[" in text] == []
