"""Text columns that take the same on every database, and refuse the rest in the same words.

SQLite keeps a text of any length, PostgreSQL no more than its column says; PostgreSQL takes no NUL, and neither takes
half of a surrogate pair. What is asked for is another matter: a text that no row can have finds no row.
"""

import re
from typing import Any

from sqlalchemy import Dialect, Operators, String, Text
from sqlalchemy.types import TypeDecorator, TypeEngine

from config.plain_text import plain

#: So much of a refused text is shown.
_SHOWN = 40


class TextError(Exception):
    """A text that cannot be stored. The message ends with the fix."""


def storable(value: str, most: int | None = None) -> str:
    """Return the text. Raises TextError where it is longer than `most`, or no database stores it."""
    if most is not None and len(value) > most:
        raise TextError(
            f'"{plain(value[:_SHOWN])}…" has {len(value):,} characters, and at most {most} are kept of such a text. '
            "Make it shorter."
        )
    if not value.isascii() and value != _whole(value):
        raise TextError(f'"{plain(value[:_SHOWN])}" has half of a character, which no database stores. Write it again.')
    if "\0" in value:
        raise TextError(f'"{plain(value[:_SHOWN])}" holds a NUL, which not every database stores. Take it out.')
    return value


def storable_json(text: str) -> str:
    """Return JSON text of the same value that every database stores."""
    return text if text.isascii() else _HALVES.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


_HALVES = re.compile("[\ud800-\udfff]")


def _whole(value: str) -> str:
    return value.encode("utf-8", "replace").decode("utf-8")


class _Sought(TypeDecorator[str]):
    """A text that rows are compared with."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:  # noqa: ANN401, ARG002 - as SQLAlchemy has it
        """Put a replacement character where no row can have what is asked for."""
        return _whole(value).replace("\0", "\ufffd") if isinstance(value, str) else value


class _Checked(TypeDecorator[str]):
    """What both kinds of text share."""

    impl: type[TypeEngine[str]] = Text
    cache_ok = True
    most: int | None = None

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:  # noqa: ANN401, ARG002 - as SQLAlchemy has it
        """Refuse what not every database takes."""
        return storable(value, self.most) if isinstance(value, str) else value

    def coerce_compared_value(self, op: Operators | None, value: Any) -> TypeEngine[Any]:  # type: ignore[override]  # noqa: ANN401, ARG002 - as SQLAlchemy has it
        """Compare with a text that may be anything."""
        return _Sought()


class Line(_Checked):
    """A text of at most so many characters."""

    impl = String
    cache_ok = True

    def __init__(self, most: int) -> None:
        super().__init__(most)
        self.most = most


class Prose(_Checked):
    """A text of any length."""

    # SQLAlchemy asks each class itself.
    cache_ok = True
