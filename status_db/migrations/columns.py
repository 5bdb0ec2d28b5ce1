"""Frozen column types of the migrations: a change of `status_db.tables` does not change earlier migrations."""

from typing import Any

from sqlalchemy import DateTime, Dialect, String, Text
from sqlalchemy.types import TypeDecorator, TypeEngine


class Instant(TypeDecorator[Any]):
    """A time: timestamptz on PostgreSQL, text of 32 characters on SQLite."""

    impl = String(32)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return the column type for this database."""
        kind: TypeEngine[Any] = DateTime(timezone=True) if dialect.name == "postgresql" else String(32)
        return dialect.type_descriptor(kind)


class Json(TypeDecorator[Any]):
    """Compact JSON as text."""

    impl = Text
    cache_ok = True


class Obligations(TypeDecorator[Any]):
    """Obligations as JSON text."""

    impl = Text
    cache_ok = True
