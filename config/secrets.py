"""Where a setting's value may come from, other than the file itself.

`env:NAME` reads an environment variable, `env:NAME:-FALLBACK` falls back to a value that is no secret, and `file:PATH`
reads a file and drops its last line break. Secrets may come only so; they are held as `SecretStr` and never printed.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, SecretStr, ValidationInfo

from config.database_urls import checked_url
from config.plain_text import unprintable_in


@dataclass(frozen=True, slots=True)
class Origin:
    """Where settings come from: relative paths start at `folder`, variables are read from `environ`.

    With `unset`, a value that cannot be looked up is listed there and replaced by a placeholder: what is read can be
    looked at and compared, but not used.
    """

    folder: Path
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    unset: list[str] | None = None


def _origin(info: ValidationInfo) -> Origin:
    context = info.context
    return context if isinstance(context, Origin) else Origin(Path.cwd())


#: Stands for a text, and for a database, that could not be looked up: nothing answers there.
_PLACEHOLDER, _PLACEHOLDER_URL = "http://unset.invalid", "sqlite://"


def _looked_up(value: str, origin: Origin, placeholder: str = _PLACEHOLDER) -> str:
    """Return what an `env:` or `file:` value stands for, and any other value as it is."""
    if origin.unset is None:
        return _sound(value, origin)
    try:
        return _sound(value, origin)
    except ValueError as error:
        origin.unset.append(str(error))
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
        name, has_fallback, fallback = value.removeprefix("env:").partition(":-")
        found = origin.environ.get(name)
        if found:
            return found
        if has_fallback:
            return fallback
        if not _VARIABLE.fullmatch(name):
            # It may be the secret itself, and is not repeated.
            raise ValueError(
                "what follows env: is not the name of a variable: write letters, digits and _, as in env:NAME"
            )
        raise ValueError(f"the environment variable {name} is not set: set it before starting, or use file:PATH")
    if value.startswith("file:"):
        path = origin.folder / value.removeprefix("file:")
        try:
            return path.read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"{path} could not be read ({error}): create it, readable by this user alone") from error
    return value


def _text(value: object, info: ValidationInfo) -> object:
    return _looked_up(value, _origin(info)) if isinstance(value, str) else value


def _secret(value: object, info: ValidationInfo) -> object:
    if isinstance(value, str):
        if not value.startswith(("env:", "file:")):
            raise ValueError('secrets do not stand in the file: write "env:NAME" or "file:PATH"')
        return _looked_up(value, _origin(info))
    return value


def _path(value: object, info: ValidationInfo) -> object:
    if isinstance(value, str | Path):
        origin = _origin(info)
        return (origin.folder / Path(_looked_up(str(value), origin)).expanduser()).resolve()
    return value


def _database_url(value: object, info: ValidationInfo) -> object:
    if not isinstance(value, str):
        return value
    origin = _origin(info)
    looked_up = _looked_up(value, origin, _PLACEHOLDER_URL)
    url = checked_url(looked_up)
    if url.password and looked_up == value:
        raise ValueError('a URL with a password does not stand in the file: write "env:NAME" or "file:PATH"')
    is_file = url.get_backend_name() == "sqlite" and url.database not in (None, "", ":memory:")
    if is_file and not str(url.database).startswith("file:"):
        url = url.set(database=str((origin.folder / str(url.database)).resolve()))
    return url.render_as_string(hide_password=False)


def written_file(value: object, origin: Origin) -> str:
    """Return a path, or an SQLite file's URL, that starts at the settings' folder, as it is written; else nothing."""
    try:
        text = _sound(value, origin) if isinstance(value, str) else ""
        scheme, slashes, path = text.partition(":///")
        if not slashes:
            scheme, path = "sqlite", text
        if not scheme.startswith("sqlite") or not path or Path(path).expanduser().is_absolute():
            return ""
    except (ValueError, RuntimeError):
        return ""
    return "" if "://" in path or path.startswith((":memory:", "file:")) else text


#: Text that may also be named by `env:` or `file:`.
Text = Annotated[str, BeforeValidator(_text)]

#: A secret: only by `env:` or `file:`.
Secret = Annotated[SecretStr, BeforeValidator(_secret)]

#: A file or folder; relative ones start at the settings file's folder.
FilePath = Annotated[Path, BeforeValidator(_path)]

#: An SQLAlchemy URL, hidden when printed; with a password only by `env:` or `file:`. Relative SQLite files start at
#: the settings file's folder.
DatabaseUrl = Annotated[SecretStr, BeforeValidator(_database_url)]
