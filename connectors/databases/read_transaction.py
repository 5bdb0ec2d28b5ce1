"""One read of a database: several SELECTs in the same read-only transaction, over the columns that the settings map."""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, CursorResult, bindparam, text

from connectors.cells.letters import BYTES, Letters, decoded
from connectors.databases.as_of import CLOCKS_DIFFER, moment_of
from connectors.databases.base import BATCH, Backend
from connectors.databases.sql_settings import Settings
from connectors.databases.statements import by_number, fingerprints
from connectors.databases.statements.queries import binds, own_limits
from connectors.port import SAMPLE_ROWS, Cell, Question, SourceGarbled, table_of
from status_db.model import digest_of


class ReadTransaction:
    """Answers the questions of one read over an open connection; every answer is of the same state.

    An answer that cannot be whole, or is not what the settings describe, raises SourceGarbled.
    """

    def __init__(self, connection: Connection, backend: Backend, settings: Settings, question: Question) -> None:
        self.backend = backend
        self.connection = connection
        self._settings = settings
        self._question = question

    def letters(self) -> Letters:
        """Return what looks for broken text in the rows, with what is known of this database's charset."""
        return Letters(self._question.source, self._question.columns, self.backend.charset_fix, self.backend.raw_text)

    def charset(self, query: str, part: Mapping[str, Any]) -> str:
        """Return the charset of the columns' text. Raises SourceGarbled for one that loses letters."""
        return self.backend.charset(self.connection, partial(self._of_each_column, query, part))

    def count(self, query: str, parts: Sequence[Mapping[str, Any]]) -> int:
        """Return how many rows the query has. Refuses more than the limit, and rows that may have been cut off."""
        counts = [self._count(query, part) for part in parts]
        if (expected := sum(counts)) > self._settings.limit:
            raise SourceGarbled(
                f"{self._question.source}: the query would bring {expected} rows, more than its limit of "
                f"{self._settings.limit}",
                "Look whether the query has lost a condition; if not, raise limit in "
                f"{table_of(self._question.source)}.",
            )
        for count in counts:
            self._refuse_cut_off(query, count)
        return expected

    def _count(self, query: str, part: Mapping[str, Any]) -> int:
        counted = self._execute(f"SELECT COUNT(*) FROM ({query}\n) counted", part)  # noqa: S608 - the configured query
        return int(counted.scalar_one())

    def _refuse_cut_off(self, query: str, rows: int) -> None:
        """Refuse an answer that the query's own limit may have cut off: counted, it would be cut off as well."""
        for limit in own_limits(query, self._settings.parameters):
            if limit.reached(rows):
                how = f"and {rows} rows came" if limit.whole else "in a part of it"
                raise SourceGarbled(
                    f"{self._question.source}: the query has its own {limit.words}, {how}, so nothing shows that no "
                    "row was cut off",
                    f"Take {limit.words} out of the query; limit in {table_of(self._question.source)} guards against "
                    "too many rows.",
                )

    def rows(
        self,
        query: str,
        extra: Mapping[str, Any],
        rows: list[tuple[Cell, ...]],
        letters: Letters,
        tell: Callable[[int], None],
        most: int = sys.maxsize,
    ) -> tuple[str, ...]:
        """Add what a query brings to `rows`, up to about `most` of them; return its columns."""
        result = self._execute(query, extra)
        try:
            columns = _names(result)
            pick, charset = self._picker(columns), self._settings.bytes_as
            self._refuse_single_precision(result)
            while len(rows) < most and (batch := result.fetchmany(min(BATCH, most))):
                picked = [self._decoded(pick(row)) for row in batch] if charset else [pick(row) for row in batch]
                letters.look(picked, len(rows))
                rows += picked
                tell(len(rows))
        except BaseException:
            self.backend.abandon(self.connection, result.cursor)
            raise
        if len(rows) < most:
            result.close()
        else:
            # Whatever rows are left are not waited for.
            self.backend.abandon(self.connection, result.cursor)
        if not rows:
            tell(0)
        return columns

    def population(self, query: str | None, parts: Sequence[Mapping[str, Any]]) -> list[Cell] | None:
        """Return everybody whom the office knows; None where no query lists them."""
        if query is None:
            return None
        known: list[Cell] = []
        for part in parts if binds(query, "numbers") or binds(query, "these") else parts[:1]:
            known += self._numbers_of(self._execute(query, part))
        return known

    def check_population(self, query: str, part: Mapping[str, Any]) -> None:
        """Read the first numbers of a population, and leave the others."""
        known = self._execute(query, part)
        self._numbers_of(known.fetchmany(SAMPLE_ROWS))
        self.backend.abandon(self.connection, known.cursor)

    def _numbers_of(self, rows: Iterable[Any]) -> list[Cell]:
        """Return the numbers that a population lists."""
        known = [cell for row in rows for cell in self._decoded((row[0],)) if cell is not None]
        if any(isinstance(cell, BYTES) for cell in known):
            raise SourceGarbled(
                f"{self._question.source}: the population is numbers in bytes, not text",
                f'Say what they are in {table_of(self._question.source)}, such as bytes_as = "utf-8".',
            )
        return known

    def as_of(self) -> datetime | None:
        """Ask up to which moment the data reach, in the same read."""
        question = self._question
        if not question.as_of:
            return None
        row = self._execute(question.as_of, {}).first()
        return moment_of(row[0] if row else None, question.zone, question.clock(), question.source)

    def fingerprint(self, parts: Sequence[Mapping[str, Any]]) -> bytes:
        """Return the fingerprint, as it stands in this read: of the query, and of the population where there is one."""
        settings, told = self._settings, list[bytes]()
        for query in (settings.query, settings.population) if settings.fingerprint is True else (settings.fingerprint,):
            if not query:
                continue
            for part in parts if binds(query, "numbers") else parts[:1]:
                question = self._ready_made(query, part) if settings.fingerprint is True else query
                told += [repr(tuple(map(str, row))).encode() for row in self._execute(question, part)]
        return digest_of(sorted(told))

    def about_these(self, query: str, column: str | None) -> str | None:
        """Return a query as a question about `:these` numbers; None where the column cannot be compared."""
        described, _ = self._columns_of(query, {})
        names = tuple(str(each[0]) for each in described)
        at = self._find("student", column, names) if column is not None else 0
        if any(word in str(described[at][1]) for word in ("RAW", "BLOB")):
            # Oracle would write such bytes out as hexadecimal digits.
            return None
        quoted = self.connection.dialect.identifier_preparer.quote_identifier(names[at])
        return by_number.statement(self.connection.dialect.name, query, quoted)

    def warnings(self) -> tuple[str, ...]:
        """Return what should be looked at: the account's rights, and a clock that differs from ours."""
        return (*self.backend.warnings(self.connection), *self._clock_warnings())

    def _clock_warnings(self) -> tuple[str, ...]:
        """Compare the server's clock with ours."""
        theirs, ours = self.backend.utc(self.connection), self._question.clock()
        if theirs is None or abs(theirs - ours) <= CLOCKS_DIFFER:
            return ()
        warning = (
            f"the database's clock says {theirs:%Y-%m-%d %H:%M:%S} UTC, and this machine's {ours:%Y-%m-%d %H:%M:%S} "
            "UTC: set the wrong one right, by NTP."
        )
        return (warning,)

    def _of_each_column(self, query: str, part: Mapping[str, Any], expression: str) -> Sequence[object]:
        """Evaluate an expression for each mapped column of the query, whether it has rows or not."""
        _, names = self._columns_of(query, part)
        at = [self._find(field, column, names) for field, column in self._question.columns.items()]
        quote = self.connection.dialect.identifier_preparer.quote_identifier
        asked = ", ".join(expression.format(f"q.{quote(names[each])}") for each in at)
        question = f"SELECT {asked} FROM (SELECT 1 AS one) o LEFT JOIN ({query}\n) q ON 1 = 1 LIMIT 1"  # noqa: S608 - the configured query
        return tuple(self._execute(question, part).one())

    def _refuse_single_precision(self, result: CursorResult[Any]) -> None:
        """Refuse a column of student numbers that keeps seven digits: a number of more has become another's."""
        at = self._find("student", self._question.columns["student"], _names(result))
        if result.cursor.description[at][1] in self.backend.single_precision:
            raise SourceGarbled(
                f"{self._question.source}: the student numbers are in a floating-point column of single precision, "
                "which keeps seven digits of them",
                "Have the office keep them as text, or name another column that has them whole; a CAST in the query "
                "brings no digit back.",
            )

    def _decoded(self, row: tuple[Cell, ...]) -> tuple[Cell, ...]:
        """Turn bytes into text, where the settings say what they are."""
        charset = self._settings.bytes_as
        return tuple(decoded(cell, charset) for cell in row) if charset else row

    def _ready_made(self, query: str, part: Mapping[str, Any]) -> str:
        described, _ = self._columns_of(query, part)
        names = [str(column[0]) for column in described]
        question = fingerprints.statement(self.connection.dialect.name, query, names)
        if question is None:
            raise SourceGarbled(
                f"{self._question.source}: no fingerprint is ready-made for {self.connection.dialect.name}",
                f"Write a query of your own as fingerprint in {table_of(self._question.source)}, or leave it out.",
            )
        if self.connection.dialect.name == "sqlite":
            fingerprints.lend_to_sqlite(self.connection.connection.driver_connection)  # type: ignore[arg-type]  # it is sqlite3's
        return question

    def _columns_of(self, query: str, part: Mapping[str, Any]) -> tuple[list[Any], tuple[str, ...]]:
        """Return a query's columns without its rows: as the driver describes them, and as SQLAlchemy names them."""
        nothing = self._execute(f"SELECT * FROM ({query}\n) q WHERE 1 = 0", part)  # noqa: S608 - the configured query
        described, names = list(nothing.cursor.description), _names(nothing)
        nothing.close()
        return described, names

    def _execute(self, query: str, extra: Mapping[str, Any]) -> CursorResult[Any]:
        statement, question = text(query), self._question
        named = set(statement.compile().params)
        days = {name: day for name, day in (("opens", question.opens), ("closes", question.closes)) if day is not None}
        theirs = {"cohort": question.cohort} if question.cohort else {}
        values = {**self._settings.parameters, **days, **theirs, **extra}
        if missing := sorted(named - values.keys()):
            fix_text = f"Add it to parameters in {table_of(question.source)}; a colon in a text is written \\:."
            if missing[0] in ("opens", "closes"):
                fix_text = "It is a day of the cohort's windows: add windows to its [[cohort]]."
            raise SourceGarbled(
                f"{question.source}: the query names :{', :'.join(missing)}, and no value is given", fix_text
            )
        for many in named & {"numbers", "these"}:
            statement = statement.bindparams(bindparam(many, expanding=True))
        return self.connection.execute(statement, {name: values[name] for name in named})

    def _picker(self, columns: tuple[str, ...]) -> Callable[[Any], tuple[Cell, ...]]:
        """Return what takes our fields, in order, out of a row of the driver's."""
        at = [self._find(field, column, columns) for field, column in self._question.columns.items()]
        if at == list(range(len(columns))):
            return tuple
        if len(at) == 1:
            only = at[0]
            return lambda row: (row[only],)
        return itemgetter(*at)

    def _find(self, field: str, column: str, columns: tuple[str, ...]) -> int:
        """Find a mapped column: as written, else regardless of case, as databases themselves see it."""
        if columns.count(column) == 1:
            return columns.index(column)
        fitting = [i for i, name in enumerate(columns) if name.casefold() == column.casefold()]
        if len(fitting) == 1:
            return fitting[0]
        what = "has two columns called" if fitting else "has no column"
        raise SourceGarbled(
            f'{self._question.source}: the answer {what} "{column}" (it has {", ".join(columns)})',
            f"Correct columns.{field} in {table_of(self._question.source)}, or name the column so in the query, with "
            "AS.",
        )


def _names(result: CursorResult[Any]) -> tuple[str, ...]:
    return tuple(str(name) for name in result.keys())  # noqa: SIM118 - a result's keys are its columns, not its rows
