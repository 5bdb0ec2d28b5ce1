"""Column types that accept and return the same values on every database, with the same error messages.

SQLite stores a text of any length, PostgreSQL only up to the column's length. PostgreSQL does not accept NUL, and
neither accepts half of a surrogate pair. Queries do not raise errors: a text that no row can have finds no row.
"""

import json
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import BigInteger, DateTime, Dialect, Integer, Operators, String, Text
from sqlalchemy.types import TypeDecorator, TypeEngine

from config.tables.plain_text import plain
from foundation.translation import tr
from status_db.model import Obligation

#: The number of characters of a refused text in its message.
_SHOWN = 40


class TextError(Exception):
    """A text that cannot be stored. The message ends with the fix."""


def storable(value: str, most: int | None = None) -> str:
    """Return the text. Raises TextError if it is longer than `most` or cannot be stored in every database."""
    if most is not None and len(value) > most:
        raise TextError(
            tr(
                '"{value}…" has {length:,} characters; the limit is {most}. Make it shorter.',
                value=plain(value[:_SHOWN]),
                length=len(value),
                most=most,
            )
        )
    if not value.isascii() and value != _whole(value):
        raise TextError(
            tr(
                '"{value}" contains half of a character, which no database stores. Enter it again.',
                value=plain(value[:_SHOWN]),
            )
        )
    if "\0" in value:
        raise TextError(
            tr('"{value}" contains a NUL, which not every database stores. Remove it.', value=plain(value[:_SHOWN]))
        )
    return value


def storable_json(text: str) -> str:
    """Return JSON text of the same value that every database can store."""
    return text if text.isascii() else _HALVES.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


_HALVES = re.compile("[\ud800-\udfff]")


def _whole(value: str) -> str:
    return value.encode("utf-8", "replace").decode("utf-8")


class _Sought(TypeDecorator[str]):
    """A text in a comparison with rows."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:  # noqa: ANN401, ARG002 - as SQLAlchemy has it
        """Replace characters that no row can contain by the replacement character."""
        return _whole(value).replace("\0", "\ufffd") if isinstance(value, str) else value


class Checked(TypeDecorator[str]):
    """The base of both kinds of text."""

    impl: type[TypeEngine[str]] = Text
    cache_ok = True
    most: int | None = None

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:  # noqa: ANN401, ARG002 - as SQLAlchemy has it
        """Refuse text that not every database accepts."""
        return storable(value, self.most) if isinstance(value, str) else value

    def accepts_all(self, values: Sequence[Any]) -> bool:
        """Return whether all of these texts, None among them, can be stored as they are. False means: try each."""
        texts = [value for value in values if value is not None]
        try:
            together = "".join(texts)
            if not together.isascii():
                together.encode()
        except (TypeError, UnicodeEncodeError):
            return False
        return "\0" not in together and (self.most is None or max(map(len, texts), default=0) <= self.most)

    def coerce_compared_value(self, op: Operators | None, value: Any) -> TypeEngine[Any]:  # type: ignore[override]  # noqa: ANN401, ARG002 - as SQLAlchemy has it
        """Allow comparison with any text."""
        return _Sought()


class Line(Checked):
    """A text with a largest number of characters."""

    impl = String
    cache_ok = True

    def __init__(self, most: int) -> None:
        super().__init__(most)
        self.most = most


class Prose(Checked):
    """A text of any length."""

    # SQLAlchemy reads this from each class itself.
    cache_ok = True


class Instant(TypeDecorator[datetime]):
    """An aware time: timestamptz on PostgreSQL; on SQLite UTC text of fixed width, so that text order is time order."""

    impl = String(32)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return the column type for this database."""
        kind: TypeEngine[Any] = DateTime(timezone=True) if dialect.name == "postgresql" else String(32)
        return dialect.type_descriptor(kind)

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:  # noqa: ANN401 - as SQLAlchemy has it
        """Refuse naive times; convert to UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone cannot be stored. Pass an aware datetime.")
        utc = value.astimezone(UTC)
        return utc if dialect.name == "postgresql" else utc.isoformat(timespec="microseconds")

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:  # noqa: ANN401 - as SQLAlchemy has it
        """Return an aware time in UTC."""
        if value is None:
            return None
        return value.astimezone(UTC) if dialect.name == "postgresql" else datetime.fromisoformat(value)


#: Made once: `json.dumps` makes one for each call with such options.
_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def json_text(value: object) -> str:
    """Return compact JSON; half of a character, which no database stores, is escaped."""
    return storable_json(_JSON.encode(value))


class Json(TypeDecorator[Any]):
    """Small structured values as compact JSON text, the same on every database."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:  # noqa: ANN401, ARG002 - as SQLAlchemy has it
        """Return compact JSON."""
        return None if value is None else json_text(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:  # noqa: ANN401, ARG002 - as SQLAlchemy has it
        """Return the value."""
        return None if value is None else json.loads(value)


#: Stored for a due date that cannot be read.
_UNREADABLE = "?"


def obligations_to_text(obligations: Iterable[Obligation]) -> str | None:
    """Return obligations as JSON text: one list each, in the order kind, title, amount, due, reference.

    A due date that cannot be read is "?".
    """
    listed = [
        [
            o.kind,
            o.title,
            None if o.amount is None else str(o.amount),
            o.due.isoformat() if o.due else _UNREADABLE if o.due_unreadable else None,
            o.reference,
        ]
        for o in obligations
    ]
    return json_text(listed) if listed else None


def obligations_from_text(value: str | None) -> tuple[Obligation, ...]:
    """Return the obligations from their `obligations_to_text` form."""
    if not value:
        return ()
    return tuple(
        Obligation(
            kind=kind,
            title=title,
            amount=None if amount is None else Decimal(amount),
            due=date.fromisoformat(due) if due and due != _UNREADABLE else None,
            reference=reference,
            due_unreadable=due == _UNREADABLE,
        )
        for kind, title, amount, due, reference in json.loads(value)
    )


def obligations_of_keys(keys: Iterable[str] | None) -> tuple[Obligation, ...]:
    """Return obligations that have only these keys."""
    return tuple(Obligation(kind=kind, reference=rest) for kind, _, rest in (key.partition(":") for key in keys or ()))


class Obligations(TypeDecorator[tuple[Obligation, ...]]):
    """A tuple of obligations."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: tuple[Obligation, ...] | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """Return JSON text; NULL for an empty tuple."""
        return obligations_to_text(value) if value else None

    def process_result_value(self, value: str | None, dialect: Dialect) -> tuple[Obligation, ...]:  # noqa: ARG002
        """Return the obligations."""
        return obligations_from_text(value)


#: The names of constraints, the same on every database.
NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
#: A student number, or another key of an office.
Number = Line(64)
#: A key of the settings, or a code of this program.
Word = Line(40)
# SQLite numbers rows itself only in a column of exactly this type.
Id = BigInteger().with_variant(Integer, "sqlite")
