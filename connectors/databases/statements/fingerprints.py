"""Fingerprints that a database computes over a query's result: a count and a strong digest, whatever the rows' order.

Each row is written as text, hashed with SHA-256, and the hashes are added up in four pieces of sixty bits: rows that
come, go, change or come twice give another sum, and nothing is sorted. The functions are those of the databases' own
documentation: `sha256` (PostgreSQL 11), `SHA2` (MySQL, MariaDB), `STANDARD_HASH` (Oracle 12.1); SQLite is lent one.
"""

import hashlib
import sqlite3
from collections.abc import Callable, Mapping, Sequence

#: Where each piece of a hash's 64 hexadecimal digits begins; a piece of fifteen fits a 64-bit number.
_PIECES = (1, 16, 31, 46)

#: Shorter ones, for Oracle: sums of them stay exact in whatever counts with 64 bits on the way.
_SHORT_PIECES = (1, 13, 25, 37, 49)

_ABSENT = "-"


def _postgresql(query: str, _columns: Sequence[str]) -> str:
    sums = ", ".join(f"sum(('x' || substr(h, {at}, 15))::bit(60)::bigint)" for at in _PIECES)
    hashed = f"SELECT encode(sha256(convert_to(q::text, 'UTF8')), 'hex') AS h FROM ({query}\n) q"  # noqa: S608 - the configured query
    return f"SELECT count(*), {sums} FROM ({hashed}) hashed"  # noqa: S608 - the configured query


def _mysql(query: str, columns: Sequence[str]) -> str:
    names = (f"`{column.replace('`', '``')}`" for column in columns)
    # In hexadecimal no value can hold the separator.
    text = ", ".join(f"COALESCE(HEX(CAST(q.{name} AS BINARY)), '{_ABSENT}')" for name in names)
    sums = ", ".join(f"SUM(CAST(CONV(SUBSTR(h, {at}, 15), 16, 10) AS DECIMAL(20)))" for at in _PIECES)
    hashed = f"SELECT SHA2(CONCAT_WS('|', {text}), 256) AS h FROM ({query}\n) q"  # noqa: S608 - the configured query
    return f"SELECT COUNT(*), {sums} FROM ({hashed}) hashed"  # noqa: S608 - the configured query


def _oracle(query: str, columns: Sequence[str]) -> str:
    names = (f'q."{column}"' for column in columns)
    # A length before each value, so that no value can run into its neighbour; '' is NULL there.
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
    """Return the question for the fingerprint of `query`, whose result has these columns; None where none is ready."""
    make = _STATEMENTS.get(database)
    return make(query, columns) if make else None


class _Digest:
    """SQLite's aggregate: the sum of the rows' hashes, as hexadecimal text."""

    def __init__(self) -> None:
        self._sum = 0

    def step(self, *cells: object) -> None:
        """Add a row."""
        self._sum += int.from_bytes(hashlib.sha256(repr(cells).encode("utf-8", "surrogatepass")).digest())

    def finalize(self) -> str:
        """Return the sum."""
        return f"{self._sum:x}"


def lend_to_sqlite(raw: sqlite3.Connection) -> None:
    """Give an SQLite connection the aggregate that its statement names."""
    raw.create_aggregate("clearance_digest", -1, _Digest)  # type: ignore[arg-type]  # the stubs want a fixed number of cells
