"""Every database that a source may be in: which one a URL means, and one reading of it."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import URL, Connection
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError

from connectors.databases.base import BATCH, LATER, Backend, DatabaseTimeouts, Options, masked, short, shown
from connectors.databases.dameng import Dameng
from connectors.databases.mysql import Mysql
from connectors.databases.postgres import Postgres
from connectors.databases.sqlite import Sqlite
from connectors.databases.sqlserver import SqlServer
from connectors.port import SourceError, SourceRefused, SourceUnavailable

#: Drivers that come only when they are asked for: the driver in the url → our extra that brings it.
_EXTRAS = {"cx_oracle": "cx-oracle", "mysqldb": "mysqlclient", "pymssql": "mssql"}


_DEFAULTS = Options()


@contextmanager
def reading(
    url: URL,
    source: str,
    patience: DatabaseTimeouts,
    options: Options = _DEFAULTS,
) -> Iterator[tuple[Connection, "Backend"]]:
    """Give a connection whose transaction sees one state and cannot write, and what is particular about its database.

    The connection is closed at the end. Whatever the driver raises, in here or in the body, comes out as
    SourceUnavailable, SourceRefused or SourceGarbled.
    """
    backend = _backend(url.get_backend_name())(source, shown(url), patience, options)
    try:
        engine = backend.engine(url)
    except OSError as error:
        raise SourceUnavailable(
            f"{source}: {backend.where} could not be looked at ({error.strerror})", LATER
        ) from error
    except (NoSuchModuleError, ImportError, ArgumentError) as error:
        extra = _EXTRAS.get(url.drivername.partition("+")[2])
        install = f"Install it with the extra {extra}" if extra else "Install it into this environment"
        raise SourceRefused(
            f"{source}: there is no driver here for {url.drivername} ({short(str(error))})",
            f"{install}, or name another driver in the url; see docs/databases.md.",
        ) from error
    try:
        with engine.connect() as connection:
            try:
                with backend.watched(connection):
                    backend.begin(connection)
                    yield connection.execution_options(stream_results=True, max_row_buffer=BATCH), backend
            except BaseException:
                # A stream broken off leaves a connection that nobody can use again; some drivers hang on its close.
                connection.invalidate()
                raise
            connection.rollback()
    except SourceError:
        raise
    except DBAPIError as error:
        raise masked(backend.explained(error.orig or error), url) from error
    except SQLAlchemyError as error:
        raise masked(backend.explained(error), url) from error
    except Exception as error:
        # Rows come from the driver's own cursor, so its errors come bare.
        if isinstance(error, engine.dialect.loaded_dbapi.Error | UnicodeError | OSError):
            raise masked(backend.explained(error), url) from error
        raise
    finally:
        engine.dispose()


def _backend(name: str) -> type[Backend]:
    """Return what is particular about a database. One that speaks another's protocol is treated as that other."""
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
            from connectors.databases.oracle import Oracle  # noqa: PLC0415 - its driver is loaded only where it is needed

            return Oracle
        case _:
            return Backend
