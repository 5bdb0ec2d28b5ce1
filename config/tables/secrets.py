"""References from the settings file to values elsewhere, and secrets, which can only be references.

`env:NAME` reads an environment variable, `env:NAME:-FALLBACK` has a fallback that is not secret, and `file:PATH` reads
a file without its last line break.

A secret is stored as its reference and read each time it is used: a process needs only the secrets that it uses, and a
changed file is read at the next use. Addresses and paths are not secrets: they are read with the settings, and a
missing one becomes a placeholder, with the reason in `unset`.
"""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, GetCoreSchemaHandler, ValidationInfo
from pydantic_core import CoreSchema, core_schema

from config.database_urls import checked_url
from config.tables.plain_text import unprintable_in
from foundation.refusals import Refused
from foundation.translation import tr

if TYPE_CHECKING:
    from sqlalchemy import URL


class SettingsCode(StrEnum):
    """Why settings cannot be used."""

    #: The file cannot be read, or contains mistakes.
    MISTAKES = "mistakes"
    #: A secret is missing or cannot be used.
    SECRET = "secret"  # noqa: S105 - a reason, not a secret


class SecretUnusable(Refused[SettingsCode], ValueError):  # noqa: N818 - named by what is so
    """A secret that is missing or cannot be used; the text ends with the fix and contains no secret."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where settings come from: relative paths start at `folder`, variables are read from `environ`.

    With `unset`, an address that cannot be read is listed there, reference → reason, and replaced by a placeholder:
    the settings can be shown and compared, but not used.

    With a `suffix`, `env:NAME` reads the variable NAME with that suffix, and no other: each institution has its own.
    """

    folder: Path
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    unset: dict[str, str] | None = None
    suffix: str = ""


def _origin(info: ValidationInfo) -> Origin:
    context = info.context
    return context if isinstance(context, Origin) else Origin(Path.cwd())


#: Replaces a text that could not be read; no server has this address.
PLACEHOLDER = "http://unset.invalid"


def is_reference(value: object) -> bool:
    """Return whether a value of the settings file is a reference."""
    return isinstance(value, str) and value.startswith(("env:", "file:"))


def _resolve_or_placeholder(value: str, origin: Origin, placeholder: str = PLACEHOLDER) -> str:
    """Return the value of an `env:` or `file:` reference; any other value is returned as it is."""
    if origin.unset is None:
        return _resolve_text(value, origin)
    try:
        return _resolve_text(value, origin)
    except ValueError as error:
        origin.unset[value] = str(error)
        return placeholder


#: The form of an environment variable's name.
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def _resolve_text(value: str, origin: Origin) -> str:
    """Return the value of a reference. Raises ValueError if it is not text."""
    found = _resolve_reference(value, origin)
    if found is not value and (harmful := unprintable_in(found)):
        raise ValueError(
            tr("{value} contains {harmful}, which is not text: write it again, as UTF-8", value=value, harmful=harmful)
        )
    return found


def _resolve_reference(value: str, origin: Origin) -> str:
    if value.startswith("env:"):
        name, fallback = _parse_variable(value)
        name += origin.suffix
        if found := origin.environ.get(name):
            return found
        if fallback is not None:
            return fallback
        raise ValueError(
            tr("the environment variable {name} is not set: set it before starting, or use file:PATH", name=name)
        )
    if value.startswith("file:"):
        path = origin.folder / value.removeprefix("file:")
        try:
            return path.read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(
                tr("{path} could not be read ({error}): create it, readable only by this user", path=path, error=error)
            ) from error
    return value


def _parse_variable(value: str) -> tuple[str, str | None]:
    """Return the name in an `env:` value and its fallback, if any. Raises ValueError for an invalid name."""
    name, has_fallback, fallback = value.removeprefix("env:").partition(":-")
    if not has_fallback and not _VARIABLE.fullmatch(name):
        # The text can be the secret itself, so the message does not repeat it.
        raise ValueError(
            tr("the text after env: is not a variable's name: write letters, digits and _, as in env:NAME")
        )
    return name, fallback if has_fallback else None


class Secret:
    """A secret value, stored as the reference to it: `env:NAME` or `file:PATH`.

    Two secrets are equal if they have the same reference. Printing one shows only the reference.
    """

    __slots__ = ("_given", "_origin", "_reference")

    def __init__(self, reference: str, origin: Origin) -> None:
        self._reference = reference
        self._origin = origin
        self._given: str | None = None

    @classmethod
    def given(cls, value: str) -> Self:
        """Return a secret that contains its value itself, for use inside the program."""
        made = cls("given", Origin(Path()))
        made._given = value
        return made

    @property
    def reference(self) -> str:
        """Where the value is, as written in the settings file."""
        return self._reference

    def reveal(self) -> str:
        """Return the current value. Raises SecretUnusable."""
        try:
            return self._check_value(self._resolve())
        except ValueError as error:
            raise SecretUnusable(SettingsCode.SECRET, str(error)) from None

    def _resolve(self) -> str:
        """Return the value as it is written. Raises ValueError."""
        return _resolve_text(self._reference, self._origin) if self._given is None else self._given

    def _check_value(self, value: str) -> str:
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
    def _from_setting(cls, value: object, info: ValidationInfo) -> Self:
        if isinstance(value, cls):
            return value
        if not isinstance(value, str):
            raise ValueError(tr('this is not text: write "env:NAME" or "file:PATH"'))  # noqa: TRY004 - pydantic's own
        return cls._from_text(value, _origin(info))

    @classmethod
    def _from_text(cls, value: str, origin: Origin) -> Self:
        if not is_reference(value):
            raise ValueError(tr('a secret must not be in the settings file: write "env:NAME" or "file:PATH"'))
        if value.startswith("env:"):
            _parse_variable(value)
        return cls(value, origin)

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:  # noqa: ANN401 - as pydantic calls it
        return core_schema.with_info_plain_validator_function(
            cls._from_setting, serialization=core_schema.plain_serializer_function_ser_schema(str, when_used="json")
        )


class DatabaseUrl(Secret):
    """An SQLAlchemy URL; a reference if it has a password. An SQLite path starts at the settings file's folder."""

    __slots__ = ("_schema",)

    def __init__(self, reference: str, origin: Origin) -> None:
        super().__init__(reference, origin)
        self._schema = ""

    def in_schema(self, name: str) -> "DatabaseUrl":
        """Return the same URL whose PostgreSQL connections use this schema alone."""
        copied = type(self)(self._reference, self._origin)
        copied._given, copied._schema = self._given, name  # noqa: SLF001 - of its own class
        return copied

    def __eq__(self, other: object) -> bool:
        equal = super().__eq__(other)
        return equal if not isinstance(other, DatabaseUrl) else bool(equal) and self._schema == other._schema

    __hash__ = Secret.__hash__

    @classmethod
    def _from_text(cls, value: str, origin: Origin) -> Self:
        if is_reference(value):
            return super()._from_text(value, origin)
        if checked_url(value).password:
            raise ValueError(
                tr('a URL with a password must not be in the settings file: write "env:NAME" or "file:PATH"')
            )
        return cls(value, origin)

    def file_as_written(self) -> str:
        """Return the URL as written if it is an SQLite file relative to the settings' folder, else an empty text.

        Raises SecretUnusable.
        """
        try:
            written = self._resolve()
        except ValueError as error:
            raise SecretUnusable(SettingsCode.SECRET, str(error)) from None
        scheme, _, path = written.partition(":///")
        is_file = scheme.startswith("sqlite") and not path.startswith((":memory:", "file:"))
        return written if is_file and starts_at_the_settings(path) else ""

    @property
    def in_the_file(self) -> bool:
        """Whether the settings file contains the URL itself, so that it is not secret."""
        return not is_reference(self._reference)

    def _check_value(self, value: str) -> str:
        url = checked_url(value)
        is_file = url.get_backend_name() == "sqlite" and url.database not in (None, "", ":memory:")
        if is_file and not str(url.database).startswith("file:"):
            url = url.set(database=str((self._origin.folder / str(url.database)).resolve()))
        if self._schema and url.get_backend_name() == "postgresql":
            url = with_schema(url, self._schema)
        return url.render_as_string(hide_password=False)


#: How a URL names the schema of its connections. Temporary tables come last, so that none hides a table of the program.
_SEARCH_PATH = re.compile(r"-c\s*search_path=([a-z_][a-z0-9_]*)")


def with_schema(url: "URL", schema: str) -> "URL":
    """Return a PostgreSQL URL whose connections use this schema alone."""
    own = url.query.get("options", ())
    options = [*((own,) if isinstance(own, str) else own), f"-csearch_path={schema},pg_temp"]
    return url.update_query_dict({"options": " ".join(options)})


def schema_of(url: "URL") -> str:
    """Return the schema that a URL names for its connections; empty if the role or the database decides it."""
    own = url.query.get("options", ())
    named = _SEARCH_PATH.findall(own if isinstance(own, str) else " ".join(own))
    return named[-1] if named else ""


def secrets_in(value: object, place: str = "") -> Iterator[tuple[str, Secret]]:
    """Yield each secret in a part of the settings, with its key."""
    if isinstance(value, Secret):
        yield place, value
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from secrets_in(getattr(value, name), f"{place}.{name}".lstrip("."))
    elif isinstance(value, Mapping):
        for name, inside in value.items():
            yield from secrets_in(inside, f"{place}.{name}".lstrip("."))


def unusable_in(value: object) -> Iterator[tuple[str, str]]:
    """Yield the key of each secret that cannot be read now, with the reason and the fix."""
    for place, secret in secrets_in(value):
        try:
            secret.reveal()
        except SecretUnusable as error:
            yield place, str(error)


def _resolve_setting(value: object, info: ValidationInfo) -> object:
    return _resolve_or_placeholder(value, _origin(info)) if isinstance(value, str) else value


def _resolve_path(value: object, info: ValidationInfo) -> object:
    if isinstance(value, str | Path):
        origin = _origin(info)
        # A path below /dev/null can be neither written nor read.
        missing = os.path.join(os.devnull, "unset")  # noqa: PTH118 - a text, as in the settings
        return (origin.folder / Path(_resolve_or_placeholder(str(value), origin, missing)).expanduser()).resolve()
    return value


def starts_at_the_settings(path: object) -> bool:
    """Return whether a path in the settings file is relative to that file's folder; a reference is not."""
    if not isinstance(path, str) or not path or is_reference(path):
        return False
    try:
        return not Path(path).expanduser().is_absolute()
    except (ValueError, RuntimeError):
        return False


#: Text, or a reference to one by `env:` or `file:`.
Text = Annotated[str, BeforeValidator(_resolve_setting)]

#: A file or folder; a relative path starts at the settings file's folder.
FilePath = Annotated[Path, BeforeValidator(_resolve_path)]
