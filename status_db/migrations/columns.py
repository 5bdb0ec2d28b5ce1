"""Column types of the migrations, frozen: a change of `status_db.tables` changes no migration of the past."""

from typing import Any

from sqlalchemy import DateTime, Dialect, String, Text
from sqlalchemy.types import TypeDecorator, TypeEngine


class Instant(TypeDecorator[Any]):
    """A moment: timestamptz on PostgreSQL, text of 32 characters on SQLite."""

    impl = String(32)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose the column type of this database."""
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
