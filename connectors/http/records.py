"""Records of a JSON API: a mapped column's value out of each, in the words of the settings."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from connectors.http.answers import MISSING
from connectors.http.settings import column_key
from connectors.port import Cell, SourceGarbled

#: Stands, as a column, for the number that was asked about.
ASKED_NUMBER = "{student}"

#: Stands for a name that two names of a record differ from only in case.
AMBIGUOUS = object()


def found(record: object, path: str) -> Any:  # noqa: ANN401 - whatever JSON holds
    """Return a record's value; None also where something on the way to it is null, MISSING where a name is absent.

    A name as it is written goes before one that differs only in case; of two such, neither is taken.
    """
    # Some systems have dots in their names; a name as it stands goes before a path.
    value = _named(record, path)
    above, _, last = path.rpartition(".")
    if value is not MISSING or not above:
        return value
    parent = found(record, above)
    return parent if parent is None or parent is AMBIGUOUS else _named(parent, last)


def _named(record: object, name: str) -> Any:  # noqa: ANN401 - whatever JSON holds
    if not isinstance(record, dict):
        return MISSING
    if name in record:
        return record[name]
    fitting = [own for own in record if own.casefold() == name.casefold()]
    if len(fitting) > 1:
        return AMBIGUOUS
    return record[fitting[0]] if fitting else MISSING


def _is_broken(text: str) -> bool:
    """Say whether text holds a replacement character, or half of a surrogate pair, which nothing can store."""
    return "\ufffd" in text or any("\ud800" <= letter <= "\udfff" for letter in text)


def paths(record: object, prefix: str = "") -> Iterator[str]:
    """Give the dotted path of each value that a record holds."""
    if isinstance(record, dict):
        for name, value in record.items():
            if isinstance(value, dict):
                yield from paths(value, f"{prefix}{name}.")
            else:
                yield f"{prefix}{name}"


def described(body: object) -> str:
    """Say in a few words what an answer or a record is, without telling what it holds."""
    if isinstance(body, dict):
        return ", ".join(str(name) for name in list(body)[:12]) or "nothing"
    return f"a list of {len(body)}" if isinstance(body, list) else type(body).__name__


@dataclass(frozen=True, slots=True)
class MappedRecord:
    """What is taken out of a record."""

    #: Begins each message: the source and its address.
    named: str
    #: Its table in the settings: `[source.NAME]`.
    table: str
    #: Our field → the path of its value.
    columns: Mapping[str, str]
    #: Fields that a record may leave out.
    optional: Collection[str]
    #: Returns advice that names keys, where the source's table has them: `HttpSettings.fix`.
    fix: Callable[..., str]
    #: The field that says whom a record is about.
    about: str = "student"

    def cells(self, record: object, number: int, student: str | None, broken: list[str]) -> tuple[Cell, ...]:
        """Return a record's values by our fields; `number` counts records from 1. Raises SourceGarbled.

        Letters that cannot be read are replaced by U+FFFD, and `broken` is given the place; not in what says whom a
        record is about: nobody can tell whose it is then, so that the whole answer is refused.
        """
        return tuple(self._cell(record, number, student, name, path, broken) for name, path in self.columns.items())

    def _cell(self, record: object, number: int, student: str | None, name: str, path: str, broken: list[str]) -> Cell:
        cell = student if path == ASKED_NUMBER and student is not None else found(record, path)
        mapped = column_key(name, path)
        if cell is AMBIGUOUS:
            raise SourceGarbled(
                f'{self.named}: record {number} has two names that differ from "{path}" only in case '
                f"(it has {described(record)})",
                self.fix(f"Write {{column}} in {self.table} as the one that is meant.", mapped),
            )
        if cell is MISSING and name in self.optional:
            return None
        if cell is MISSING:
            raise SourceGarbled(
                f'{self.named}: record {number} has no "{path}" (it has {described(record)})',
                self._fix_missing(name, mapped),
            )
        if name == "due" and isinstance(cell, list) and (moment := _moment(cell)):
            return moment
        if isinstance(cell, dict | list):
            raise SourceGarbled(
                f'{self.named}: "{path}" in record {number} is no single value',
                self.fix("Correct {column}: name a value within.", mapped),
            )
        if isinstance(cell, str) and _is_broken(cell):
            if name == self.about:
                raise SourceGarbled(
                    f'{self.named}: "{path}" in record {number} holds broken text, so nobody can tell whom it is about',
                    "Have the office correct that record, or the charset of its system.",
                )
            broken.append(f'record {number}: "{path}" holds letters that cannot be read; they are shown as \ufffd.')
            return _readable(cell)
        return cell

    def _fix_missing(self, name: str, mapped: str) -> str:
        correct = self.fix(f"Correct {{column}} in {self.table}.", mapped)
        if name == self.about:
            # A record may not leave out whom it is about.
            return correct
        return self.fix(
            f"Correct {{column}} in {self.table}; if records leave it out when there is nothing, add "
            f'"{name}" to optional.',
            mapped,
            "optional",
            otherwise=correct,
        )


def _moment(parts: list[Any]) -> str:
    """Return a day, or a time, that is a list of its parts (as Jackson writes java.time); empty for any other list."""
    if not 3 <= len(parts) <= 7 or not all(type(part) is int for part in parts):
        return ""
    year, month, day, hour, minute, second, *_ = [*parts, 0, 0, 0]
    on = f"{year:04}-{month:02}-{day:02}"
    return on if len(parts) == 3 else f"{on}T{hour:02}:{minute:02}:{second:02}"


def _readable(text: str) -> str:
    """Return text with the replacement character for halves of surrogate pairs; whole pairs become their letter."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
