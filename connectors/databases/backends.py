"""Connections to any supported database: selects the back end by the URL, and opens a connection for one read."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import URL, Connection
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError

from connectors.databases.base import (
    BATCH,
    LATER,
    Backend,
    DatabaseTimeouts,
    Options,
    short,
    url_for_messages,
    without_passwords,
)
from connectors.databases.dameng import Dameng
from connectors.databases.mysql import Mysql
from connectors.databases.postgres import Postgres
from connectors.databases.sqlite import Sqlite
from connectors.databases.sqlserver import SqlServer
from connectors.port import SourceError, SourceRefused, SourceUnavailable
from foundation.translation import tr

#: Optional drivers: the driver in the url → the extra that installs it.
_EXTRAS = {"cx_oracle": "cx-oracle", "mysqldb": "mysqlclient", "pymssql": "mssql"}

#: Addresses as other programs write them: the scheme without a driver → the scheme that is always installed.
_NAMED = {
    "mysql": "mysql+pymysql",
    "mariadb": "mysql+pymysql",
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "oracle": "oracle+oracledb",
}

_DEFAULTS = Options()


@contextmanager
def reading(
    url: URL,
    source: str,
    timeouts: DatabaseTimeouts,
    options: Options = _DEFAULTS,
) -> Iterator[tuple[Connection, "Backend"]]:
    """Yield a connection whose transaction sees one state and cannot write, and the back end of its database.

    The connection is closed at the end. Errors of the driver, here or in the body, are raised as SourceUnavailable,
    SourceRefused or SourceGarbled.
    """
    backend = _backend_for(url.get_backend_name())(source, url_for_messages(url), timeouts, options)
    try:
        engine = backend.engine(url)
    except OSError as error:
        raise SourceUnavailable(
            tr(
                "{source}: {where} could not be opened ({error})",
                source=source,
                where=backend.where,
                error=error.strerror,
            ),
            tr(LATER),
        ) from error
    except (NoSuchModuleError, ImportError, ArgumentError) as error:
        extra = _EXTRAS.get(url.drivername.partition("+")[2])
        named = _NAMED.get(url.drivername)
        fix_text = tr("Install it into this environment, or name another driver in the url; see docs/databases.md.")
        if named:
            fix_text = tr("Begin the url with {named}:// instead.", named=named)
        elif extra:
            fix_text = tr(
                "Install it with the extra {extra}, or name another driver in the url; see docs/databases.md.",
                extra=extra,
            )
        raise SourceRefused(
            tr(
                "{source}: no driver for {driver} is installed ({message})",
                source=source,
                driver=url.drivername,
                message=short(str(error)),
            ),
            fix_text,
        ) from error
    try:
        with engine.connect() as connection:
            try:
                with backend.watched(connection):
                    backend.begin(connection)
                    yield connection.execution_options(stream_results=True, max_row_buffer=BATCH), backend
            except BaseException:
                # After an aborted stream the connection cannot be used again, and some drivers hang when closing it.
                connection.invalidate()
                raise
            connection.rollback()
    except SourceError:
        raise
    except DBAPIError as error:
        raise without_passwords(backend.to_source_error(error.orig or error), url) from error
    except SQLAlchemyError as error:
        raise without_passwords(backend.to_source_error(error), url) from error
    except Exception as error:
        # Rows come from the driver's own cursor, so SQLAlchemy does not wrap its errors.
        if isinstance(error, engine.dialect.loaded_dbapi.Error | UnicodeError | OSError):
            raise without_passwords(backend.to_source_error(error), url) from error
        raise
    finally:
        engine.dispose()


def _backend_for(name: str) -> type[Backend]:
    """Return the back end of a database; one that uses another's protocol has that other's back end."""
    match name:
        case "sqlite":
            return Sqlite
        case "postgresql" | "opengauss" | "gaussdb" | "kingbase":
            return Postgres
        case "mysql" | "mariadb":
            return Mysql
        case "mssql":
            return SqlServer
        case "dm":
            return Dameng
        case "oracle":
            from connectors.databases.oracle import Oracle  # noqa: PLC0415 - its driver is loaded only when needed

            return Oracle
        case _:
            return Backend
