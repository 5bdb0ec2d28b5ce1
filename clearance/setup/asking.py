"""Asks a person one question until the answer can be used; each refusal has its reason."""

import re
import sys
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, TypeVar

import typer

from clearance.output import tables
from clearance.setup.recognise.views import FoundList
from config.load import SettingsError
from foundation.refusals import Refused
from foundation.translation import tr, tr_n

#: Asks one question: the text, the default. Returns the answer.
Ask = Callable[[str, str], str]

_Value = TypeVar("_Value")

#: Lists and columns that are shown of what was found.
_MOST_LISTS, _MOST_COLUMNS = 8, 20

_DAY = re.compile(r"(\d{4})(?:[-/.]|\s*年\s*)(\d{1,2})(?:[-/.]|\s*月\s*)(\d{1,2})\s*日?")


class WrongAnswerError(Exception):
    """An answer that cannot be used; the text is the reason, with the fix."""


def has_terminal() -> bool:
    """Return whether a person can be asked."""
    return sys.stdin.isatty()


def ask_person(text: str, default: str) -> str:
    """Ask on the terminal; an empty answer is the default."""
    answer: str = typer.prompt(text, default=default, show_default=bool(default))
    return answer.strip()


def until_valid(ask: Ask, text: str, default: str, read: Callable[[str], _Value]) -> _Value:
    """Return what `read` makes of the answer. It raises WrongAnswerError for one to be asked again."""
    while True:
        try:
            return read(ask(text, default))
        except WrongAnswerError as error:
            tables.OUT.print(str(error), style="yellow")


def one_of(ask: Ask, text: str, choices: Mapping[str, str], default: str) -> str:
    """Return the key of a choice. It is chosen by its number, its key or its title."""
    listed = [f"{number} {title}" for number, title in enumerate(choices.values(), 1)]
    tables.OUT.print(tr("{question} {choices}", question=text, choices=tr("; ").join(listed)))
    by_word = {str(number): key for number, key in enumerate(choices, 1)}
    by_word |= {title.casefold(): key for key, title in choices.items()} | {key.casefold(): key for key in choices}

    def read(answer: str) -> str:
        if (key := by_word.get(answer.casefold())) is None:
            raise WrongAnswerError(
                tr('"{answer}" is not a choice: enter a number from 1 to {most}.', answer=answer, most=len(choices))
            )
        return key

    keys = list(choices)
    return until_valid(ask, tr("Number"), str(keys.index(default) + 1), read)


def some_text(answer: str) -> str:
    """Return an answer that is not empty."""
    if not answer:
        raise WrongAnswerError(tr("This answer is needed: enter it."))
    return answer


def day(answer: str) -> date | None:
    """Return a day written as 2026-12-20, 2026/12/20 or 2026年12月20日; None for an empty answer."""
    if not answer:
        return None
    found = _DAY.fullmatch(answer)
    try:
        return date(*map(int, found.groups())) if found else _no_day(answer)
    except ValueError:
        return _no_day(answer)


def _no_day(answer: str) -> date:
    raise WrongAnswerError(
        tr('"{answer}" is not a day: write it as 2026-12-20, 2026/12/20 or 2026年12月20日.', answer=answer)
    )


def refused_as_wrong(error: Refused[Any]) -> WrongAnswerError:
    """Return the reason of a refusal as that of an answer."""
    return WrongAnswerError("; ".join(error.mistakes) if isinstance(error, SettingsError) else str(error))


def show_found(lists: list[FoundList]) -> None:
    """Print what a probe found: the rows that were read, the header, the columns."""
    for found in lists[:_MOST_LISTS]:
        columns = ", ".join(found.columns[:_MOST_COLUMNS])
        rows = tr_n("{number} row was read", "{number} rows were read", len(found.rows))
        header = tr("column names in row {number}, ", number=found.header) if found.header else ""
        tables.OUT.print(
            tr("Found {name}: {header}{rows}, columns: {columns}", name=found.name, header=header, rows=rows,
               columns=columns),
            style="green",
        )  # fmt: skip
    if len(lists) > _MOST_LISTS:
        tables.OUT.print(tr("… and {more} more", more=len(lists) - _MOST_LISTS))
