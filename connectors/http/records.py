"""Records of a JSON API: the values of the mapped columns."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from connectors.http.answers import MISSING
from connectors.http.settings import column_key
from connectors.port import Cell, SourceGarbled
from foundation.translation import tr

#: As a column, it means the number that was asked about.
ASKED_NUMBER = "{student}"

#: The value for a name that two names of a record match except for case.
AMBIGUOUS = object()


def value_at(record: object, path: str) -> Any:  # noqa: ANN401 - whatever JSON holds
    """Return a record's value; None also where a parent is null, MISSING where a name is absent.

    An exact name is preferred to one that differs only in case; of two such names, neither is used.
    """
    # Some systems have dots in their names; an exact name is preferred to a path.
    value = _value_by_name(record, path)
    above, _, last = path.rpartition(".")
    if value is not MISSING or not above:
        return value
    parent = value_at(record, above)
    return parent if parent is None or parent is AMBIGUOUS else _value_by_name(parent, last)


def _value_by_name(record: object, name: str) -> Any:  # noqa: ANN401 - whatever JSON holds
    if not isinstance(record, dict):
        return MISSING
    if name in record:
        return record[name]
    fitting = [own for own in record if own.casefold() == name.casefold()]
    if len(fitting) > 1:
        return AMBIGUOUS
    return record[fitting[0]] if fitting else MISSING


def _is_broken(text: str) -> bool:
    """Return whether text has a replacement character, or half of a surrogate pair, which cannot be stored."""
    return "\ufffd" in text or any("\ud800" <= letter <= "\udfff" for letter in text)


def paths(record: object, prefix: str = "") -> Iterator[str]:
    """Yield the dotted path of each value in a record."""
    if isinstance(record, dict):
        for name, value in record.items():
            if isinstance(value, dict):
                yield from paths(value, f"{prefix}{name}.")
            else:
                yield f"{prefix}{name}"


def described(body: object) -> str:
    """Return the structure of an answer or a record, without its values."""
    if isinstance(body, dict):
        return tr(", ").join(str(name) for name in list(body)[:12]) or tr("nothing")
    return tr("a list of {number}", number=len(body)) if isinstance(body, list) else type(body).__name__


@dataclass(frozen=True, slots=True)
class MappedRecord:
    """The mapping from a record to our fields."""

    #: The beginning of each message: the source and its address.
    named: str
    #: Its table in the settings: `[source.NAME]`.
    table: str
    #: Our field → the path of its value.
    columns: Mapping[str, str]
    #: Fields that a record may leave out.
    optional: Collection[str]
    #: Returns advice that names keys, where the source's table has them: `HttpSettings.fix`.
    fix: Callable[..., str]
    #: The field that identifies the person of a record.
    about: str = "student"

    def cells(self, record: object, number: int, student: str | None, broken: list[str]) -> tuple[Cell, ...]:
        """Return a record's values by our fields; `number` counts records from 1. Raises SourceGarbled.

        Letters that cannot be read are replaced by U+FFFD, and their place is added to `broken`. In the field that
        identifies the person they are refused with the whole answer: the owner of the record is unknown.
        """
        return tuple(self._cell(record, number, student, name, path, broken) for name, path in self.columns.items())

    def _cell(self, record: object, number: int, student: str | None, name: str, path: str, broken: list[str]) -> Cell:
        cell = student if path == ASKED_NUMBER and student is not None else value_at(record, path)
        mapped = column_key(name, path)
        if cell is AMBIGUOUS:
            raise SourceGarbled(
                tr(
                    '{named}: record {number} has two names that differ from "{path}" only in case (it has {found})',
                    named=self.named,
                    number=number,
                    path=path,
                    found=described(record),
                ),
                self.fix(tr("Write the exact name as {{column}} in {table}.", table=self.table), mapped),
            )
        if cell is MISSING and name in self.optional:
            return None
        if cell is MISSING:
            raise SourceGarbled(
                tr(
                    '{named}: record {number} has no "{path}" (it has {found})',
                    named=self.named,
                    number=number,
                    path=path,
                    found=described(record),
                ),
                self._fix_missing(name, mapped),
            )
        if name == "due" and isinstance(cell, list) and (moment := _date_text(cell)):
            return moment
        if isinstance(cell, dict | list):
            raise SourceGarbled(
                tr(
                    '{named}: "{path}" in record {number} is not a single value',
                    named=self.named,
                    path=path,
                    number=number,
                ),
                self.fix(tr("Correct {column}: name a value inside it."), mapped),
            )
        if isinstance(cell, str) and _is_broken(cell):
            if name == self.about:
                raise SourceGarbled(
                    tr(
                        '{named}: "{path}" in record {number} has broken text, so its student is unknown',
                        named=self.named,
                        path=path,
                        number=number,
                    ),
                    tr("Have the office correct that record, or the charset of its system."),
                )
            broken.append(
                tr(
                    'record {number}: "{path}" has letters that cannot be read; they are shown as �.',
                    number=number,
                    path=path,
                )
            )
            return _readable(cell)
        return cell

    def _fix_missing(self, name: str, mapped: str) -> str:
        correct = self.fix(tr("Correct {{column}} in {table}.", table=self.table), mapped)
        if name == self.about:
            # The field that identifies the person cannot be optional.
            return correct
        return self.fix(
            tr(
                'Correct {{column}} in {table}; if records leave it out when it is empty, add "{name}" to optional.',
                table=self.table,
                name=name,
            ),
            mapped,
            "optional",
            otherwise=correct,
        )


def _date_text(parts: list[Any]) -> str:
    """Return the text of a date or time that is a list of parts (as Jackson writes java.time); else an empty text."""
    if not 3 <= len(parts) <= 7 or not all(type(part) is int for part in parts):
        return ""
    year, month, day, hour, minute, second, *_ = [*parts, 0, 0, 0]
    on = f"{year:04}-{month:02}-{day:02}"
    return on if len(parts) == 3 else f"{on}T{hour:02}:{minute:02}:{second:02}"


def _readable(text: str) -> str:
    """Return text with U+FFFD for halves of surrogate pairs, and whole pairs as their letter."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
