"""Fingerprints that a database computes over a query's result: a count and a strong digest, in any order of the rows.

Each row is converted to text and hashed with SHA-256, and the hashes are added in four pieces of sixty bits. Added,
removed, changed and duplicate rows give another sum, and nothing is sorted. The functions are those of the databases'
documentation: `sha256` (PostgreSQL 11), `SHA2` (MySQL, MariaDB), `STANDARD_HASH` (Oracle 12.1); SQLite gets one from
this module.
"""

import hashlib
import sqlite3
from collections.abc import Callable, Mapping, Sequence

#: Start of each piece of a hash's 64 hexadecimal digits; a piece of fifteen digits fits a 64-bit number.
_PIECES = (1, 16, 31, 46)

#: Shorter pieces, for Oracle: their sums stay exact in 64 bits.
_SHORT_PIECES = (1, 13, 25, 37, 49)

_ABSENT = "-"


def _postgresql(query: str, _columns: Sequence[str]) -> str:
    sums = ", ".join(f"sum(('x' || substr(h, {at}, 15))::bit(60)::bigint)" for at in _PIECES)
    hashed = f"SELECT encode(sha256(convert_to(q::text, 'UTF8')), 'hex') AS h FROM ({query}\n) q"  # noqa: S608 - the configured query
    return f"SELECT count(*), {sums} FROM ({hashed}) hashed"  # noqa: S608 - the configured query


def _mysql(query: str, columns: Sequence[str]) -> str:
    names = (f"`{column.replace('`', '``')}`" for column in columns)
    # In hexadecimal no value can contain the separator.
    text = ", ".join(f"COALESCE(HEX(CAST(q.{name} AS BINARY)), '{_ABSENT}')" for name in names)
    sums = ", ".join(f"SUM(CAST(CONV(SUBSTR(h, {at}, 15), 16, 10) AS DECIMAL(20)))" for at in _PIECES)
    hashed = f"SELECT SHA2(CONCAT_WS('|', {text}), 256) AS h FROM ({query}\n) q"  # noqa: S608 - the configured query
    return f"SELECT COUNT(*), {sums} FROM ({hashed}) hashed"  # noqa: S608 - the configured query


def _oracle(query: str, columns: Sequence[str]) -> str:
    names = (f'q."{column}"' for column in columns)
    # A length before each value, so that no value can run into the next one; '' is NULL in Oracle.
    text = " || ".join(f"COALESCE(TO_CHAR(LENGTH({name})), '{_ABSENT}') || ':' || TO_CHAR({name})" for name in names)
    sums = ", ".join(f"SUM(TO_NUMBER(SUBSTR(h, {at}, 12), 'XXXXXXXXXXXX'))" for at in _SHORT_PIECES)
    hashed = f"SELECT RAWTOHEX(STANDARD_HASH({text}, 'SHA256')) AS h FROM ({query}\n) q"  # noqa: S608 - the configured query
    return f"SELECT COUNT(*), {sums} FROM ({hashed}) hashed"  # noqa: S608 - the configured query


def _sqlite(query: str, columns: Sequence[str]) -> str:
    names = ", ".join('q."' + column.replace('"', '""') + '"' for column in columns)
    return f"SELECT COUNT(*), clearance_digest({names}) FROM ({query}\n) q"  # noqa: S608 - the configured query


_STATEMENTS: Mapping[str, Callable[[str, Sequence[str]], str]] = {
    "postgresql": _postgresql,
    "mysql": _mysql,
    "mariadb": _mysql,
    "oracle": _oracle,
    "sqlite": _sqlite,
}


def statement(database: str, query: str, columns: Sequence[str]) -> str | None:
    """Return the statement for the fingerprint of `query`, whose result has these columns; None if there is none."""
    make = _STATEMENTS.get(database)
    return make(query, columns) if make else None


class _Digest:
    """An aggregate for SQLite: the sum of the rows' hashes, as hexadecimal text."""

    def __init__(self) -> None:
        self._sum = 0

    def step(self, *cells: object) -> None:
        """Add a row."""
        self._sum += int.from_bytes(hashlib.sha256(repr(cells).encode("utf-8", "surrogatepass")).digest())

    def finalize(self) -> str:
        """Return the sum."""
        return f"{self._sum:x}"


def lend_to_sqlite(raw: sqlite3.Connection) -> None:
    """Register the aggregate of the SQLite statement on a connection."""
    raw.create_aggregate("clearance_digest", -1, _Digest)  # type: ignore[arg-type]  # the stubs require a fixed number of cells
