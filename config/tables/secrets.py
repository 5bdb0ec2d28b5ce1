"""Where a setting's value may come from, other than the file itself.

`env:NAME` reads an environment variable, `env:NAME:-FALLBACK` falls back to a value that is no secret, and `file:PATH`
reads a file and drops its last line break. Secrets may come only so.

A secret is kept as its reference, and looked up by whoever uses it, each time it is used: a process needs those secrets
alone that it uses, and a file that was exchanged is read with the next use. Addresses and paths are no secrets: they
are looked up when the settings are read, and one that is not there keeps a placeholder, and the reason in `unset`.
"""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, GetCoreSchemaHandler, ValidationInfo
from pydantic_core import CoreSchema, core_schema

from config.database_urls import checked_url
from config.tables.plain_text import unprintable_in
from foundation.refusals import Refused


class SettingsCode(StrEnum):
    """Why settings cannot be used."""

    #: The file cannot be read, or holds mistakes.
    MISTAKES = "mistakes"
    SECRET = "secret"  # noqa: S105 - a reason, no secret


class SecretUnusable(Refused[SettingsCode], ValueError):  # noqa: N818 - named by what is so
    """What a secret refers to is missing, or cannot be used; the text ends with the fix and holds no secret."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where settings come from: relative paths start at `folder`, variables are read from `environ`.

    With `unset`, an address that cannot be looked up is listed there, reference → reason, and replaced by a
    placeholder: what is read can be looked at and compared, but not used.
    """

    folder: Path
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    unset: dict[str, str] | None = None


def _origin(info: ValidationInfo) -> Origin:
    context = info.context
    return context if isinstance(context, Origin) else Origin(Path.cwd())


#: Stands for a text that could not be looked up: nothing answers there.
PLACEHOLDER = "http://unset.invalid"


def is_reference(value: object) -> bool:
    """Say whether a value of the settings file refers to one elsewhere."""
    return isinstance(value, str) and value.startswith(("env:", "file:"))


def _looked_up(value: str, origin: Origin, placeholder: str = PLACEHOLDER) -> str:
    """Return what an `env:` or `file:` value stands for, and any other value as it is."""
    if origin.unset is None:
        return _sound(value, origin)
    try:
        return _sound(value, origin)
    except ValueError as error:
        origin.unset[value] = str(error)
        return placeholder


#: How a variable of the environment may be called.
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def _sound(value: str, origin: Origin) -> str:
    """Return what a value refers to. Raises ValueError where that is not text."""
    found = _found(value, origin)
    if found is not value and (harmful := unprintable_in(found)):
        raise ValueError(f"{value} holds {harmful}, which is not text: write it again, as UTF-8")
    return found


def _found(value: str, origin: Origin) -> str:
    if value.startswith("env:"):
        name, fallback = _variable(value)
        if found := origin.environ.get(name):
            return found
        if fallback is not None:
            return fallback
        raise ValueError(f"the environment variable {name} is not set: set it before starting, or use file:PATH")
    if value.startswith("file:"):
        path = origin.folder / value.removeprefix("file:")
        try:
            return path.read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"{path} could not be read ({error}): create it, readable by this user alone") from error
    return value


def _variable(value: str) -> tuple[str, str | None]:
    """Return the name in an `env:` value and its fallback, None without one. Raises ValueError for no such name."""
    name, has_fallback, fallback = value.removeprefix("env:").partition(":-")
    if not has_fallback and not _VARIABLE.fullmatch(name):
        # It may be the secret itself, and is not repeated.
        raise ValueError("what follows env: is not the name of a variable: write letters, digits and _, as in env:NAME")
    return name, fallback if has_fallback else None


class Secret:
    """A value that nobody may read, kept as the reference to it: `env:NAME` or `file:PATH`.

    Two are equal where they refer to the same place. Printed, it shows the reference alone.
    """

    __slots__ = ("_given", "_origin", "_reference")

    def __init__(self, reference: str, origin: Origin) -> None:
        self._reference = reference
        self._origin = origin
        self._given: str | None = None

    @classmethod
    def given(cls, value: str) -> Self:
        """Return one that holds its value itself, as a program hands it to another part of itself."""
        made = cls("given", Origin(Path()))
        made._given = value
        return made

    @property
    def reference(self) -> str:
        """Where the value is, as the settings file has it."""
        return self._reference

    def reveal(self) -> str:
        """Return the value, as it is now. Raises SecretUnusable."""
        try:
            return self._checked(self._value())
        except ValueError as error:
            raise SecretUnusable(SettingsCode.SECRET, str(error)) from None

    def _value(self) -> str:
        """Return the value as it is written. Raises ValueError."""
        return _sound(self._reference, self._origin) if self._given is None else self._given

    def _checked(self, value: str) -> str:
        return value

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._reference})"

    def __str__(self) -> str:
        return self._reference

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return (self._reference, self._given) == (other._reference, other._given)

    def __hash__(self) -> int:
        return hash((self._reference, self._given))

    @classmethod
    def _read(cls, value: object, info: ValidationInfo) -> Self:
        if isinstance(value, cls):
            return value
        if not isinstance(value, str):
            raise ValueError('this is not text: write "env:NAME" or "file:PATH"')  # noqa: TRY004 - pydantic's own
        return cls._of_text(value, _origin(info))

    @classmethod
    def _of_text(cls, value: str, origin: Origin) -> Self:
        if not is_reference(value):
            raise ValueError('secrets do not stand in the file: write "env:NAME" or "file:PATH"')
        if value.startswith("env:"):
            _variable(value)
        return cls(value, origin)

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:  # noqa: ANN401 - as pydantic calls it
        return core_schema.with_info_plain_validator_function(
            cls._read, serialization=core_schema.plain_serializer_function_ser_schema(str, when_used="json")
        )


class DatabaseUrl(Secret):
    """An SQLAlchemy URL; with a password only by `env:` or `file:`. An SQLite file starts at the settings file's."""

    __slots__ = ()

    @classmethod
    def _of_text(cls, value: str, origin: Origin) -> Self:
        if is_reference(value):
            return super()._of_text(value, origin)
        if checked_url(value).password:
            raise ValueError('a URL with a password does not stand in the file: write "env:NAME" or "file:PATH"')
        return cls(value, origin)

    def file_as_written(self) -> str:
        """Return the URL of an SQLite file that starts at the settings' folder, as it is written; else nothing.

        Raises SecretUnusable.
        """
        try:
            written = self._value()
        except ValueError as error:
            raise SecretUnusable(SettingsCode.SECRET, str(error)) from None
        scheme, _, path = written.partition(":///")
        is_file = scheme.startswith("sqlite") and not path.startswith((":memory:", "file:"))
        return written if is_file and starts_at_the_settings(path) else ""

    @property
    def in_the_file(self) -> bool:
        """Whether the settings file holds the URL itself, so that it may be looked at by anybody."""
        return not is_reference(self._reference)

    def _checked(self, value: str) -> str:
        url = checked_url(value)
        is_file = url.get_backend_name() == "sqlite" and url.database not in (None, "", ":memory:")
        if is_file and not str(url.database).startswith("file:"):
            url = url.set(database=str((self._origin.folder / str(url.database)).resolve()))
        return url.render_as_string(hide_password=False)


def secrets_in(value: object, place: str = "") -> Iterator[tuple[str, Secret]]:
    """Give each secret in a part of the settings, with its key."""
    if isinstance(value, Secret):
        yield place, value
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from secrets_in(getattr(value, name), f"{place}.{name}".lstrip("."))
    elif isinstance(value, Mapping):
        for name, inside in value.items():
            yield from secrets_in(inside, f"{place}.{name}".lstrip("."))


def unusable_in(value: object) -> Iterator[tuple[str, str]]:
    """Give the key of each secret that cannot be looked up now, with the reason and the fix."""
    for place, secret in secrets_in(value):
        try:
            secret.reveal()
        except SecretUnusable as error:
            yield place, str(error)


def _text(value: object, info: ValidationInfo) -> object:
    return _looked_up(value, _origin(info)) if isinstance(value, str) else value


def _path(value: object, info: ValidationInfo) -> object:
    if isinstance(value, str | Path):
        origin = _origin(info)
        # Nothing is ever written to, or read from, a path that could not be looked up.
        missing = os.path.join(os.devnull, "unset")  # noqa: PTH118 - a text, as the settings have it
        return (origin.folder / Path(_looked_up(str(value), origin, missing)).expanduser()).resolve()
    return value


def starts_at_the_settings(path: object) -> bool:
    """Say whether a path, as the settings file has it, starts at that file's folder; a reference does not."""
    if not isinstance(path, str) or not path or is_reference(path):
        return False
    try:
        return not Path(path).expanduser().is_absolute()
    except (ValueError, RuntimeError):
        return False


#: Text that may also be named by `env:` or `file:`.
Text = Annotated[str, BeforeValidator(_text)]

#: A file or folder; relative ones start at the settings file's folder.
FilePath = Annotated[Path, BeforeValidator(_path)]
