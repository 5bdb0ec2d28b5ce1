"""Reads what an office's database offers: its tables and views, and the beginning of those that name students.

Everything is read in one transaction that cannot write, with the time limits of a source. Only the rows of tables with
a column that can be a student's number are read, at most 200 of each.
"""

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from contextlib import nullcontext, suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

from sqlalchemy import Connection, Dialect, column, inspect, make_url, or_, select, table
from sqlalchemy.engine.reflection import Inspector
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from clearance.setup.proposal import SetupCode, SetupRefused
from clearance.setup.recognise import columns as names_of
from clearance.setup.recognise.tables import FoundDatabase, FoundTable, Row
from clearance.setup.recognise.views import FoundList
from connectors.databases.backends import reading
from connectors.databases.base import DatabaseTimeouts
from foundation.translation import tr

_TIMEOUTS = DatabaseTimeouts(timedelta(seconds=10), timedelta(seconds=30))

#: Rows of each table that are read, and the most tables whose rows are.
_ROWS, _READ = 200, 60

#: Schemas of the database itself.
_OF_THE_SERVER = frozenset(
    {
        "information_schema", "mysql", "performance_schema", "sys", "pg_catalog", "pg_toast", "system", "xdb", "mdsys",
        "ctxsys", "wmsys", "olapsys", "ordsys", "dbsnmp", "outln", "guest", "db_owner", "db_datareader",
    }
)  # fmt: skip

#: Tables that are read for what is known of a system, and their columns that can have a student's number.
_HOLDERS = frozenset({"cardnumber", "userid", "sort1", "sort2", "attribute"})
_KNOWN = frozenset({"borrowers", "borrower_attributes", "issues", "accountlines"})


def probe(address: str, wanted: str = "", label: str = "", roster: AbstractSet[str] = frozenset()) -> FoundDatabase:
    """Return what the database at this address offers. Raises SourceError, SetupRefused.

    With `wanted`, only the table or view of that name. `label` begins the messages. Of a known system's readers, those
    with a number of the `roster` are read, where there are any.
    """
    try:
        url = make_url(address)
    except ArgumentError:
        raise SetupRefused(
            SetupCode.ANSWERS,
            tr("{label}: this is not the address of a database. Write one as in docs/databases.md.", label=label),
        ) from None
    with reading(url, label or url.get_backend_name(), _TIMEOUTS) as (connection, backend):
        # Lists of tables are short; a stream would stop at the first of two open ones.
        connection = connection.execution_options(stream_results=False)  # noqa: PLW2901 - the same one
        tables = _tables(inspect(connection))
        if wanted:
            schema, _, name = wanted.rpartition(".")
            tables = [t for t in tables if t.folded == name.casefold() and (not schema or t.schema == schema)]
            if not tables:
                raise SetupRefused(
                    SetupCode.NOTHING_FOUND,
                    tr(
                        "{label}: {where} has no table or view {name} that this account may see. Correct its name, or "
                        "have the office grant SELECT on it.",
                        label=label,
                        where=backend.where,
                        name=wanted,
                    ),
                )
        budget = iter(range(_READ))
        numbers = sorted(roster)[:_ROWS]
        found = []
        for each in tables:
            mapped = _interesting(each)
            reads = each.folded in _KNOWN or (mapped and next(budget, None) is not None)
            found.append(replace(each, rows=_rows(connection, each, numbers)) if reads else each)
        return FoundDatabase(url.get_backend_name(), backend.where, tuple(found), _select(connection.dialect))


def lists_of(database: FoundDatabase, url: str) -> list[FoundList]:
    """Return the tables and views with rows of students. Views come first: an office makes them for others to read.

    `url` is the reference to the address, for the settings file.
    """
    return [
        FoundList(
            each.name,
            each.columns,
            each.rows,
            {"connector": "sql", "url": url},
            partial(database.select, each),
        )
        for each in sorted(database.tables, key=lambda t: not t.is_view)
        if _interesting(each)
    ]


def _interesting(found: FoundTable) -> bool:
    mapped = names_of.guess(found.columns, found.rows, ("student", *_OWED, "level"))
    return "student" in mapped and len(mapped) > 1


_OWED = ("amount", "payable", "status", "due", "title")


def _tables(inspector: Inspector) -> list[FoundTable]:
    own = inspector.default_schema_name
    found: list[FoundTable] = []
    for schema in _schemas(inspector, own):
        # A schema that may be listed and not read does not end the probe.
        with suppress(SQLAlchemyError):
            views = set(inspector.get_view_names(schema))
            for name in sorted({*inspector.get_table_names(schema), *views}):
                with suppress(SQLAlchemyError):
                    read = inspector.get_columns(name, schema)
                    listed = tuple(str(each["name"]) for each in read)
                    found.append(FoundTable(name, listed, name in views, "" if schema == own else str(schema or "")))
    return found


def _schemas(inspector: Inspector, own: str | None) -> list[str | None]:
    if inspector.dialect.name in ("mysql", "mariadb", "sqlite"):
        # The url names the database, and others are for others.
        return [own]
    try:
        every = inspector.get_schema_names()
    except SQLAlchemyError:
        return [own]
    others = [name for name in every if name != own and name.casefold() not in _OF_THE_SERVER and "apex" not in name]
    return [own, *others[:20]]


def _rows(connection: Connection, found: FoundTable, numbers: list[str]) -> list[Row]:
    holders = [name for name in found.columns if name.casefold() in _HOLDERS]
    if numbers and holders and found.folded in _KNOWN:
        of_students = or_(*(column(name).in_(numbers) for name in holders))
        if rows := _read(connection, _selected(found).where(of_students).limit(_ROWS)):
            return rows
    return _read(connection, _selected(found).limit(_ROWS))


def _read(connection: Connection, asked: Any) -> list[Row]:  # noqa: ANN401 - as _selected returns it
    # After an error, PostgreSQL goes on only from a savepoint.
    apart = connection.begin_nested() if connection.dialect.name == "postgresql" else nullcontext()
    try:
        with apart:
            return [dict(row) for row in connection.execute(asked).mappings()]
    except DBAPIError:
        # A view that fails, or may not be read, offers nothing.
        return []


def _selected(found: FoundTable) -> Any:  # noqa: ANN401 - SQLAlchemy's own type has the columns' types
    named: list[Any] = [column(name) for name in found.columns]
    return select(*named).select_from(table(found.name, *named, schema=found.schema or None))


def _select(dialect: Dialect) -> Callable[[FoundTable, Sequence[str]], str]:
    """Return what writes a SELECT in the quoting of this database."""
    quote = dialect.identifier_preparer.quote

    def select_of(found: FoundTable, columns: Sequence[str]) -> str:
        name = ".".join(quote(part) for part in (found.schema, found.name) if part)
        return f"SELECT {', '.join(map(quote, columns))} FROM {name}"  # noqa: S608 - the names are the database's own, quoted

    return select_of
