"""Writing many rows at the database's own speed: COPY on PostgreSQL, prepared executemany on SQLite.

Rows are tuples in the order of the named columns; values are what the columns' types take. On PostgreSQL an update, an
upsert or a delete of many rows is staged by COPY into a temporary table and then done by one statement.

Given a `seal`, each new row passes through it as it goes to the driver, and what it returns is stored as the row's
`mac`, where the table has one.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeAlias

from sqlalchemy import Connection, LargeBinary, Table

Values: TypeAlias = tuple[Any, ...]

Seal: TypeAlias = Callable[[Values], bytes]

#: Fewer rows than this change no plan.
_MANY = 1_000


def insert(
    connection: Connection, table: Table, columns: Sequence[str], rows: Iterable[Values], seal: Seal | None = None
) -> None:
    """Insert rows that are not there yet."""
    rows = _bound(connection, table, columns, rows)
    if seal is not None:
        columns, rows = _sealed(table, columns, rows, seal)
    if connection.dialect.name == "postgresql":
        name = _quoted(connection, table)
        _learn(connection, name, _copy(connection, name, columns, rows))
        return
    marks = ", ".join("?" * len(columns))
    _execute_many(connection, f"INSERT INTO {_quoted(connection, table)} ({_list(columns)}) VALUES ({marks})", rows)


def upsert(
    connection: Connection, table: Table, columns: Sequence[str], rows: Iterable[Values], seal: Seal | None = None
) -> None:
    """Insert rows, or replace these columns where a row of the same primary key stands."""
    rows = _bound(connection, table, columns, rows)
    if seal is not None:
        columns, rows = _sealed(table, columns, rows, seal)
    keys = [c.name for c in table.primary_key]
    news = ", ".join(f"{_name(c)} = excluded.{_name(c)}" for c in columns if c not in keys)
    name = _quoted(connection, table)
    conflict = f"ON CONFLICT ({_list(keys)}) DO UPDATE SET {news}"
    if connection.dialect.name == "postgresql":
        staged = _stage(connection, table, columns, rows)
        done = connection.exec_driver_sql(
            f"INSERT INTO {name} ({_list(columns)}) SELECT {_list(columns)} FROM {staged} {conflict}"
        )
        _drop(connection, staged)
        _learn(connection, name, done.rowcount)
        return
    marks = ", ".join("?" * len(columns))
    _execute_many(connection, f"INSERT INTO {name} ({_list(columns)}) VALUES ({marks}) {conflict}", rows)


def update(connection: Connection, table: Table, columns: Sequence[str], rows: Iterable[Values]) -> None:
    """Set these columns in the rows that the primary key, named first among the columns, finds."""
    keys = [c.name for c in table.primary_key]
    news = [c for c in columns if c not in keys]
    name = _quoted(connection, table)
    rows = _bound(connection, table, columns, rows)
    if connection.dialect.name == "postgresql":
        staged = _stage(connection, table, columns, rows)
        sets = ", ".join(f"{_name(c)} = {staged}.{_name(c)}" for c in news)
        same = " AND ".join(f"{name}.{_name(k)} = {staged}.{_name(k)}" for k in keys)
        connection.exec_driver_sql(f"UPDATE {name} SET {sets} FROM {staged} WHERE {same}")
        _drop(connection, staged)
        return
    sets = ", ".join(f"{_name(c)} = ?" for c in news)
    same = " AND ".join(f"{_name(k)} = ?" for k in keys)
    turned = (values[len(keys) :] + values[: len(keys)] for values in rows)
    _execute_many(connection, f"UPDATE {name} SET {sets} WHERE {same}", turned)


def delete(connection: Connection, table: Table, columns: Sequence[str], rows: Iterable[Values]) -> None:
    """Delete the rows whose named columns have these values."""
    name = _quoted(connection, table)
    rows = _bound(connection, table, columns, rows)
    if connection.dialect.name == "postgresql":
        staged = _stage(connection, table, columns, rows)
        same = " AND ".join(f"{name}.{_name(c)} = {staged}.{_name(c)}" for c in columns)
        connection.exec_driver_sql(f"DELETE FROM {name} USING {staged} WHERE {same}")
        _drop(connection, staged)
        return
    same = " AND ".join(f"{_name(c)} = ?" for c in columns)
    _execute_many(connection, f"DELETE FROM {name} WHERE {same}", rows)


def _name(column: str) -> str:
    return f'"{column}"'


def _list(columns: Iterable[str]) -> str:
    return ", ".join(map(_name, columns))


def _quoted(connection: Connection, table: Table) -> str:
    return connection.dialect.identifier_preparer.format_table(table)


def _bound(connection: Connection, table: Table, columns: Sequence[str], rows: Iterable[Values]) -> Iterable[Values]:
    """Turn values into what the driver takes, where a column's type asks for it."""
    dialect = connection.dialect
    turns: list[tuple[int, Callable[[Any], Any]]] = []
    for at, column in enumerate(columns):
        kind = table.c[column].type
        processor = kind.dialect_impl(dialect).bind_processor(dialect)
        # Both drivers take bytes as they are; only our own types (Instant, Json, Obligations) need turning.
        if processor is not None and not isinstance(kind, LargeBinary):
            turns.append((at, processor))
    if not turns:
        return rows
    return _turned(rows, turns)


def _turned(rows: Iterable[Values], turns: Sequence[tuple[int, Callable[[Any], Any]]]) -> Iterator[Values]:
    last: dict[int, tuple[Any, Any]] = {}
    for row in rows:
        values = list(row)
        for at, turn in turns:
            # Neighbouring rows mostly share their moment; turning it once is enough.
            value = values[at]
            known = last.get(at)
            if known is not None and known[0] is value:
                values[at] = known[1]
            else:
                values[at] = turn(value)
                last[at] = (value, values[at])
        yield tuple(values)


def _sealed(
    table: Table, columns: Sequence[str], rows: Iterable[Values], seal: Seal
) -> tuple[Sequence[str], Iterable[Values]]:
    if "mac" in table.c:
        return (*columns, "mac"), ((*row, seal(row)) for row in rows)
    return columns, _seen(rows, seal)


def _seen(rows: Iterable[Values], seal: Seal) -> Iterator[Values]:
    for row in rows:
        seal(row)
        yield row


def _execute_many(connection: Connection, statement: str, rows: Iterable[Values]) -> None:
    cursor = connection.connection.cursor()
    try:
        cursor.executemany(statement, rows)  # type: ignore[arg-type]  # sqlite3 takes any iterable
    finally:
        cursor.close()


def _copy(connection: Connection, into: str, columns: Sequence[str], rows: Iterable[Values]) -> int:
    cursor: Any = connection.connection.cursor()
    try:
        with cursor.copy(f"COPY {into} ({_list(columns)}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
        return int(cursor.rowcount)
    finally:
        cursor.close()


def _learn(connection: Connection, name: str, written: int) -> None:
    """Have PostgreSQL look at a table that these rows have made another one.

    Until its own housekeeping comes by, it would plan as if the table were empty, and read it row by row for each row.
    """
    if written < _MANY:
        return
    known = connection.exec_driver_sql("SELECT reltuples FROM pg_class WHERE oid = %s::regclass", (name,)).scalar_one()
    if written > known / 2:
        connection.exec_driver_sql(f"ANALYZE {name}")


def _stage(connection: Connection, table: Table, columns: Sequence[str], rows: Iterable[Values]) -> str:
    staged = f"staged_{table.name}"
    name = _quoted(connection, table)
    connection.exec_driver_sql(
        f"CREATE TEMPORARY TABLE {staged} ON COMMIT DROP AS SELECT {_list(columns)} FROM {name} WITH NO DATA"
    )
    _copy(connection, staged, columns, rows)
    connection.exec_driver_sql(f"ANALYZE {staged}")
    return staged


def _drop(connection: Connection, staged: str) -> None:
    connection.exec_driver_sql(f"DROP TABLE {staged}")
