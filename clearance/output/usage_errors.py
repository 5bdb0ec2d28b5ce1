"""Errors in the words of a command, in the language of the process.

Typer translates few of them, so each is recognised by its English text. Another text stays as it is.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from typer._click.exceptions import UsageError

from foundation.translation import N_, tr

#: The texts of Typer and of pydantic, which checks the values. The first that fits is used.
TEXTS = (
    N_("Missing argument {parameter}."),
    N_("Missing argument {parameter}. Choose from:{known}"),
    N_("Missing option {parameter}."),
    N_("Missing option {parameter}. Choose from:{known}"),
    N_("Invalid value for {parameter}: {reason}"),
    N_("Invalid value: {reason}"),
    N_("No such option: {option} (Possible options: {known})"),
    N_("No such option: {option}"),
    N_("Option {option} requires an argument."),
    N_("Option {option} does not take a value."),
    N_("Got unexpected extra argument(s) ({words})"),
    N_("No such command {name}. Did you mean {known}?"),
    N_("No such command {name}."),
    N_("Value error, {value} is not one of {known}."),
    N_("Input should be a valid integer, unable to parse string as an integer"),
    N_("Input should be greater than or equal to {least}"),
    N_("Input should be less than or equal to {most}"),
    N_("Input should be a valid datetime or date, {reason}"),
    N_("file {path} does not exist."),
    N_("file {path} is a directory."),
    N_("file {path} is not readable."),
)


@contextmanager
def translated() -> Iterator[None]:
    """Translate the text of a usage error that is raised meanwhile."""
    try:
        yield
    except UsageError as error:
        text = _translation(error.format_message())
        _set_text(error, text)
        raise


def _set_text(error: Any, text: str) -> None:  # noqa: ANN401 - the method of one object is replaced
    error.format_message = lambda: text


def _translation(text: str) -> str:
    for known in TEXTS:
        if found := pattern(known).fullmatch(text):
            values = found.groupdict()
            if "reason" in values:
                values["reason"] = _translation(values["reason"])
            return tr(known, **values)
    return text


@cache
def pattern(text: str) -> re.Pattern[str]:
    """Return the expression of a text: each {value} stands for any text."""
    pieces = re.split(r"\{(\w+)\}", text)
    parts = (f"(?P<{piece}>.+?)" if at % 2 else re.escape(piece) for at, piece in enumerate(pieces))
    return re.compile("".join(parts), re.DOTALL)
