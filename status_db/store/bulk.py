"""Fast writes of many rows: COPY on PostgreSQL, prepared executemany on SQLite.

Rows are tuples in the order of the named columns; values are those that the columns' types accept. On PostgreSQL an
update, an upsert or a delete of many rows is staged by COPY into a temporary table and then done by one statement.

With a `seal`, each new row is passed to it before the driver, and the result is stored as the row's `mac`, where the
table has this column.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeAlias

from sqlalchemy import Connection, LargeBinary, Table

from status_db.tables.types import Checked

Values: TypeAlias = tuple[Any, ...]

Seal: TypeAlias = Callable[[Values], bytes]

#: Fewer rows than this do not change a query plan.
_MANY = 1_000

#: Rows that are converted together.
_BATCH = 1_000


def insert(
    connection: Connection, table: Table, columns: Sequence[str], rows: Iterable[Values], seal: Seal | None = None
) -> None:
    """Insert new rows."""
    rows = _bind_rows(connection, table, columns, rows)
    if seal is not None:
        columns, rows = _with_seals(table, columns, rows, seal)
    if connection.dialect.name == "postgresql":
        name = _quoted_table(connection, table)
        _analyze_if_grown(connection, name, _copy(connection, name, columns, rows))
        return
    marks = ", ".join("?" * len(columns))
    _execute_many(
        connection, f"INSERT INTO {_quoted_table(connection, table)} ({_column_list(columns)}) VALUES ({marks})", rows
    )


def upsert(
    connection: Connection, table: Table, columns: Sequence[str], rows: Iterable[Values], seal: Seal | None = None
) -> None:
    """Insert rows, or replace these columns where a row with the same primary key exists."""
    rows = _bind_rows(connection, table, columns, rows)
    if seal is not None:
        columns, rows = _with_seals(table, columns, rows, seal)
    keys = [c.name for c in table.primary_key]
    news = ", ".join(f"{_quoted_column(c)} = excluded.{_quoted_column(c)}" for c in columns if c not in keys)
    name = _quoted_table(connection, table)
    conflict = f"ON CONFLICT ({_column_list(keys)}) DO UPDATE SET {news}"
    if connection.dialect.name == "postgresql":
        staged = _stage(connection, table, columns, rows)
        done = connection.exec_driver_sql(
            f"INSERT INTO {name} ({_column_list(columns)}) SELECT {_column_list(columns)} FROM {staged} {conflict}"
        )
        _drop_staged(connection, staged)
        _analyze_if_grown(connection, name, done.rowcount)
        return
    marks = ", ".join("?" * len(columns))
    _execute_many(connection, f"INSERT INTO {name} ({_column_list(columns)}) VALUES ({marks}) {conflict}", rows)


def update(connection: Connection, table: Table, columns: Sequence[str], rows: Iterable[Values]) -> None:
    """Set these columns in the rows with the given primary keys, which are the first of the columns."""
    keys = [c.name for c in table.primary_key]
    news = [c for c in columns if c not in keys]
    name = _quoted_table(connection, table)
    rows = _bind_rows(connection, table, columns, rows)
    if connection.dialect.name == "postgresql":
        staged = _stage(connection, table, columns, rows)
        sets = ", ".join(f"{_quoted_column(c)} = {staged}.{_quoted_column(c)}" for c in news)
        same = " AND ".join(f"{name}.{_quoted_column(k)} = {staged}.{_quoted_column(k)}" for k in keys)
        connection.exec_driver_sql(f"UPDATE {name} SET {sets} FROM {staged} WHERE {same}")
        _drop_staged(connection, staged)
        return
    sets = ", ".join(f"{_quoted_column(c)} = ?" for c in news)
    same = " AND ".join(f"{_quoted_column(k)} = ?" for k in keys)
    turned = (values[len(keys) :] + values[: len(keys)] for values in rows)
    _execute_many(connection, f"UPDATE {name} SET {sets} WHERE {same}", turned)


def delete(connection: Connection, table: Table, columns: Sequence[str], rows: Iterable[Values]) -> None:
    """Delete the rows with these values in the named columns."""
    name = _quoted_table(connection, table)
    rows = _bind_rows(connection, table, columns, rows)
    if connection.dialect.name == "postgresql":
        staged = _stage(connection, table, columns, rows)
        same = " AND ".join(f"{name}.{_quoted_column(c)} = {staged}.{_quoted_column(c)}" for c in columns)
        connection.exec_driver_sql(f"DELETE FROM {name} USING {staged} WHERE {same}")
        _drop_staged(connection, staged)
        return
    same = " AND ".join(f"{_quoted_column(c)} = ?" for c in columns)
    _execute_many(connection, f"DELETE FROM {name} WHERE {same}", rows)


def _quoted_column(column: str) -> str:
    return f'"{column}"'


def _column_list(columns: Iterable[str]) -> str:
    return ", ".join(map(_quoted_column, columns))


def _quoted_table(connection: Connection, table: Table) -> str:
    return connection.dialect.identifier_preparer.format_table(table)


def _bind_rows(
    connection: Connection, table: Table, columns: Sequence[str], rows: Iterable[Values]
) -> Iterable[Values]:
    """Convert values for the driver, where a column's type requires it."""
    dialect = connection.dialect
    turns: list[tuple[int, Checked | None, Callable[[Any], Any]]] = []
    for at, column in enumerate(columns):
        kind = table.c[column].type
        processor = kind.dialect_impl(dialect).bind_processor(dialect)
        # Both drivers accept bytes; only our own types (Instant, Json, Obligations, texts) need a conversion.
        if processor is not None and not isinstance(kind, LargeBinary):
            turns.append((at, kind if isinstance(kind, Checked) else None, processor))
    if not turns:
        return rows
    return _turn_values(rows, turns)


def _turn_values(
    rows: Iterable[Values], turns: Sequence[tuple[int, Checked | None, Callable[[Any], Any]]]
) -> Iterator[Values]:
    """Yield the rows with converted values. Texts are only checked: a batch of them at once, which is much faster."""
    remaining = iter(rows)
    while batch := list(islice(remaining, _BATCH)):
        columns: list[Sequence[Any]] = list(zip(*batch, strict=True))
        for at, text, turn in turns:
            if text is None or not text.accepts_all(columns[at]):
                columns[at] = _turned(columns[at], turn)
        yield from zip(*columns, strict=True)


def _turned(values: Sequence[Any], turn: Callable[[Any], Any]) -> list[Any]:
    """Return the converted values. Neighbours that are the same object, such as a moment, are converted once."""
    found: list[Any] = []
    last: Any = values[0]
    converted = turn(last)
    for value in values:
        if value is not last:
            last, converted = value, turn(value)
        found.append(converted)
    return found


def _with_seals(
    table: Table, columns: Sequence[str], rows: Iterable[Values], seal: Seal
) -> tuple[Sequence[str], Iterable[Values]]:
    if "mac" in table.c:
        return (*columns, "mac"), ((*row, seal(row)) for row in rows)
    return columns, _pass_to_seal(rows, seal)


def _pass_to_seal(rows: Iterable[Values], seal: Seal) -> Iterator[Values]:
    for row in rows:
        seal(row)
        yield row


def _execute_many(connection: Connection, statement: str, rows: Iterable[Values]) -> None:
    cursor = connection.connection.cursor()
    try:
        cursor.executemany(statement, rows)  # type: ignore[arg-type]  # sqlite3 accepts any iterable
    finally:
        cursor.close()


def _copy(connection: Connection, into: str, columns: Sequence[str], rows: Iterable[Values]) -> int:
    cursor: Any = connection.connection.cursor()
    try:
        with cursor.copy(f"COPY {into} ({_column_list(columns)}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
        return int(cursor.rowcount)
    finally:
        cursor.close()


def _analyze_if_grown(connection: Connection, name: str, written: int) -> None:
    """Analyze a PostgreSQL table that these rows have enlarged considerably.

    Until autovacuum analyzes it, the planner would assume an empty table, and scan it for each row.
    """
    if written < _MANY:
        return
    known = connection.exec_driver_sql("SELECT reltuples FROM pg_class WHERE oid = %s::regclass", (name,)).scalar_one()
    if written > known / 2:
        connection.exec_driver_sql(f"ANALYZE {name}")


def _stage(connection: Connection, table: Table, columns: Sequence[str], rows: Iterable[Values]) -> str:
    staged = f"staged_{table.name}"
    name = _quoted_table(connection, table)
    connection.exec_driver_sql(
        f"CREATE TEMPORARY TABLE {staged} ON COMMIT DROP AS SELECT {_column_list(columns)} FROM {name} WITH NO DATA"
    )
    _copy(connection, staged, columns, rows)
    connection.exec_driver_sql(f"ANALYZE {staged}")
    return staged


def _drop_staged(connection: Connection, staged: str) -> None:
    connection.exec_driver_sql(f"DROP TABLE {staged}")
