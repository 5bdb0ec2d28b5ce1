"""The upgrade of a status database to this program's tables, and the refusal of a newer or older one."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.schema import CreateSchema

from config.tables.secrets import schema_of
from foundation.translation import tr
from status_db.store import schema_version
from status_db.store.engine import StoreError, hold_version, open_writing, roll_back, store_errors
from status_db.store.schema_version import Part

__all__ = ["Part", "check", "upgrade", "version"]


def upgrade(url: str, part: Part) -> tuple[str | None, str]:
    """Upgrade one part to the newest tables; return its version before and after. Raises StoreError.

    It is one transaction without concurrent writers: the next writer finds the old tables, or the new ones with their
    version.
    """
    from alembic import command  # noqa: PLC0415 - every command checks the version, and only this one needs Alembic

    engine = open_writing(url, create=True)
    try:
        with _exclusive(engine) as connection:
            before = _read_version(connection, part)
            if too_new := schema_version.newer(part, before):
                raise StoreError(too_new)
            if before == schema_version.newest(part):
                return before, before
            config = schema_version.migrations(part)
            config.attributes["connection"] = connection
            config.attributes["version_table"] = schema_version.version_table(part)
            command.upgrade(config, "head")
            return before, schema_version.newest(part)
    finally:
        engine.dispose()


@contextmanager
def _exclusive(engine: Engine) -> Iterator[Connection]:
    sqlite = engine.dialect.name == "sqlite"
    with store_errors(engine), engine.connect() as connection:
        if sqlite:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            _create_schema(connection)
            hold_version(connection)
        try:
            yield connection
            if sqlite:
                connection.exec_driver_sql("COMMIT")
            connection.commit()
        except BaseException:
            roll_back(connection, sqlite=sqlite)
            raise


def _create_schema(connection: Connection) -> None:
    """Create the schema that the URL names, if it is missing. Raises StoreError if the role has no right to."""
    schema = schema_of(connection.engine.url)
    # Not by current_schema(): without the schema, that is the one of temporary tables.
    there = text("SELECT 1 FROM pg_namespace WHERE nspname = :schema")
    if not schema or connection.execute(there, {"schema": schema}).first() is not None:
        return
    try:
        connection.execute(CreateSchema(schema, if_not_exists=True))
    except ProgrammingError as error:
        raise StoreError(
            tr(
                "The schema {schema} could not be created ({reported}). Have the database's owner run: CREATE SCHEMA "
                "{schema} AUTHORIZATION {role};",
                schema=schema,
                reported=str(error.orig).strip().splitlines()[0],
                role=connection.engine.url.username or "ROLE",
            )
        ) from error
    # Its lock depends on the schema, and is taken by the transaction that follows.
    connection.commit()


def version(engine: Engine, part: Part) -> str | None:
    """Return the version of a part's tables; None without tables. Raises StoreError."""
    with store_errors(engine), engine.connect() as connection:
        return _read_version(connection, part)


def check(engine: Engine, part: Part) -> None:
    """Raise StoreError unless the tables have exactly this program's version."""
    found = version(engine, part)
    if wrong := schema_version.unlike(part, found, engine.url.render_as_string(hide_password=True)):
        raise StoreError(wrong)


def _read_version(connection: Connection, part: Part) -> str | None:
    table = schema_version.version_table(part)
    if not inspect(connection).has_table(table):
        return None
    found: str | None = connection.exec_driver_sql(f"SELECT version_num FROM {table}").scalar()  # noqa: S608 - our own name
    return found
