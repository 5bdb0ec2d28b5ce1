"""One read of a database: several SELECTs in the same read-only transaction, for the columns that the settings map."""

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
from foundation.translation import N_, tr
from status_db.model import digest_of


class ReadTransaction:
    """The queries of one read, over an open connection; every answer is of the same state.

    Raises SourceGarbled for an answer that can be incomplete, or that does not match the settings.
    """

    def __init__(self, connection: Connection, backend: Backend, settings: Settings, question: Question) -> None:
        self.backend = backend
        self.connection = connection
        self._settings = settings
        self._question = question

    def letters(self) -> Letters:
        """Return the check for broken text in the rows, with the facts about this database's charset."""
        return Letters(self._question.source, self._question.columns, self.backend.charset_fix, self.backend.raw_text)

    def charset(self, query: str, part: Mapping[str, Any]) -> str:
        """Return the charset of the columns' text. Raises SourceGarbled for one that loses characters."""
        return self.backend.charset(self.connection, partial(self._evaluate_for_columns, query, part))

    def count(self, query: str, parts: Sequence[Mapping[str, Any]]) -> int:
        """Return the number of rows of the query. Raises SourceGarbled if it exceeds the limit or can be cut off."""
        counts = [self._count_part(query, part) for part in parts]
        if (expected := sum(counts)) > self._settings.limit:
            raise SourceGarbled(
                tr(
                    "{source}: the query would return {expected} rows, more than its limit of {limit}",
                    source=self._question.source,
                    expected=expected,
                    limit=self._settings.limit,
                ),
                tr(
                    "Check whether the query has lost a condition; if not, raise limit in {table}.",
                    table=table_of(self._question.source),
                ),
            )
        for count in counts:
            self._refuse_cut_off(query, count)
        return expected

    def _count_part(self, query: str, part: Mapping[str, Any]) -> int:
        counted = self._execute(f"SELECT COUNT(*) FROM ({query}\n) counted", part)  # noqa: S608 - the configured query
        return int(counted.scalar_one())

    def _refuse_cut_off(self, query: str, rows: int) -> None:
        """Refuse an answer that the query's own limit could have cut off, because its count is cut off as well."""
        for limit in own_limits(query, self._settings.parameters):
            if limit.reached(rows):
                what = tr(
                    "{source}: the query has its own {words}, in a part of it, so rows could be cut off unnoticed",
                    source=self._question.source,
                    words=limit.words,
                )
                if limit.whole:
                    what = tr(
                        "{source}: the query has its own {words}, and {rows} rows came, so rows could be cut off "
                        "unnoticed",
                        source=self._question.source,
                        words=limit.words,
                        rows=rows,
                    )
                raise SourceGarbled(
                    what,
                    tr(
                        "Remove {words} from the query, and set limit in {table} against too many rows.",
                        words=limit.words,
                        table=table_of(self._question.source),
                    ),
                )

    def rows(
        self,
        query: str,
        extra: Mapping[str, Any],
        rows: list[tuple[Cell, ...]],
        letters: Letters,
        report: Callable[[int], None],
        most: int = sys.maxsize,
    ) -> tuple[str, ...]:
        """Add the rows of a query to `rows`, up to about `most` of them; return its columns."""
        result = self._execute(query, extra)
        try:
            columns = _column_names(result)
            pick, charset = self._field_picker(columns), self._settings.bytes_as
            self._refuse_single_precision(result)
            while len(rows) < most and (batch := result.fetchmany(min(BATCH, most))):
                picked = [self._decode_row(pick(row)) for row in batch] if charset else [pick(row) for row in batch]
                letters.look(picked, len(rows))
                rows += picked
                report(len(rows))
        except BaseException:
            self.backend.abandon(self.connection, result.cursor)
            raise
        if len(rows) < most:
            result.close()
        else:
            # The remaining rows are not read.
            self.backend.abandon(self.connection, result.cursor)
        if not rows:
            report(0)
        return columns

    def population(self, query: str | None, parts: Sequence[Mapping[str, Any]]) -> list[Cell] | None:
        """Return all numbers that the office knows; None without a query for them."""
        if query is None:
            return None
        known: list[Cell] = []
        for part in parts if binds(query, "numbers") or binds(query, "these") else parts[:1]:
            known += self._numbers_of(self._execute(query, part))
        return known

    def check_population(self, query: str, part: Mapping[str, Any]) -> None:
        """Read only the first numbers of a population."""
        known = self._execute(query, part)
        self._numbers_of(known.fetchmany(SAMPLE_ROWS))
        self.backend.abandon(self.connection, known.cursor)

    def _numbers_of(self, rows: Iterable[Any]) -> list[Cell]:
        """Return the numbers in the rows of a population."""
        known = [cell for row in rows for cell in self._decode_row((row[0],)) if cell is not None]
        if any(isinstance(cell, BYTES) for cell in known):
            raise SourceGarbled(
                tr("{source}: the numbers of the population are bytes, not text", source=self._question.source),
                tr('Set their charset in {table}, such as bytes_as = "utf-8".', table=table_of(self._question.source)),
            )
        return known

    def as_of(self) -> datetime | None:
        """Return the moment up to which the data reach, asked in the same read."""
        question = self._question
        if not question.as_of:
            return None
        row = self._execute(question.as_of, {}).first()
        return moment_of(row[0] if row else None, question.zone, question.clock(), question.source)

    def fingerprint(self, parts: Sequence[Mapping[str, Any]]) -> bytes:
        """Return the fingerprint in this read: of the query, and of the population if there is one."""
        settings, lines = self._settings, list[bytes]()
        for query in (settings.query, settings.population) if settings.fingerprint is True else (settings.fingerprint,):
            if not query:
                continue
            for part in parts if binds(query, "numbers") else parts[:1]:
                question = self._fingerprint_statement(query, part) if settings.fingerprint is True else query
                lines += [repr(tuple(map(str, row))).encode() for row in self._execute(question, part)]
        return digest_of(sorted(lines))

    def about_these(self, query: str, column: str | None) -> str | None:
        """Return a query for `:these` numbers; None if the column cannot be compared."""
        described, _ = self._columns_of(query, {})
        names = tuple(str(each[0]) for each in described)
        at = self._find_column("student", column, names) if column is not None else 0
        if any(word in str(described[at][1]) for word in ("RAW", "BLOB")):
            # Oracle would convert such bytes to hexadecimal digits.
            return None
        quoted = self.connection.dialect.identifier_preparer.quote_identifier(names[at])
        return by_number.statement(self.connection.dialect.name, query, quoted)

    def warnings(self) -> tuple[str, ...]:
        """Return warnings about the account's rights, and about a clock that differs from this machine's."""
        return (*self.backend.warnings(self.connection), *self._clock_warnings())

    def _clock_warnings(self) -> tuple[str, ...]:
        """Return a warning if the server's clock differs from this machine's."""
        theirs, ours = self.backend.utc(self.connection), self._question.clock()
        if theirs is None or abs(theirs - ours) <= CLOCKS_DIFFER:
            return ()
        warning = tr(
            "the database's clock shows {theirs:%Y-%m-%d %H:%M:%S} UTC, and this machine's {ours:%Y-%m-%d "
            "%H:%M:%S} UTC: correct the wrong one, with NTP.",
            theirs=theirs,
            ours=ours,
        )
        return (warning,)

    def _evaluate_for_columns(self, query: str, part: Mapping[str, Any], expression: str) -> Sequence[object]:
        """Evaluate an expression for each mapped column of the query, also if it has no rows."""
        _, names = self._columns_of(query, part)
        at = [self._find_column(field, column, names) for field, column in self._question.columns.items()]
        quote = self.connection.dialect.identifier_preparer.quote_identifier
        asked = ", ".join(expression.format(f"q.{quote(names[each])}") for each in at)
        question = f"SELECT {asked} FROM (SELECT 1 AS one) o LEFT JOIN ({query}\n) q ON 1 = 1 LIMIT 1"  # noqa: S608 - the configured query
        return tuple(self._execute(question, part).one())

    def _refuse_single_precision(self, result: CursorResult[Any]) -> None:
        """Refuse a column of student numbers that keeps seven digits: a longer number has become another one."""
        at = self._find_column("student", self._question.columns["student"], _column_names(result))
        if result.cursor.description[at][1] in self.backend.single_precision:
            raise SourceGarbled(
                tr(
                    "{source}: the student numbers are in a floating-point column of single precision, which "
                    "keeps only seven digits, and no CAST restores the others",
                    source=self._question.source,
                ),
                tr("Have the office store them as text, or use another column that has them complete."),
            )

    def _decode_row(self, row: tuple[Cell, ...]) -> tuple[Cell, ...]:
        """Decode bytes to text if the settings have a charset for them."""
        charset = self._settings.bytes_as
        return tuple(decoded(cell, charset) for cell in row) if charset else row

    def _fingerprint_statement(self, query: str, part: Mapping[str, Any]) -> str:
        described, _ = self._columns_of(query, part)
        names = [str(column[0]) for column in described]
        question = fingerprints.statement(self.connection.dialect.name, query, names)
        if question is None:
            raise SourceGarbled(
                tr(
                    "{source}: there is no built-in fingerprint for {name}",
                    source=self._question.source,
                    name=self.connection.dialect.name,
                ),
                tr(
                    "Set fingerprint in {table} to a query of your own, or remove it.",
                    table=table_of(self._question.source),
                ),
            )
        if self.connection.dialect.name == "sqlite":
            fingerprints.lend_to_sqlite(self.connection.connection.driver_connection)  # type: ignore[arg-type]  # it is sqlite3's
        return question

    def _columns_of(self, query: str, part: Mapping[str, Any]) -> tuple[list[Any], tuple[str, ...]]:
        """Return a query's columns without its rows: as the driver describes them, and as SQLAlchemy names them."""
        nothing = self._execute(f"SELECT * FROM ({query}\n) q WHERE 1 = 0", part)  # noqa: S608 - the configured query
        described, names = list(nothing.cursor.description), _column_names(nothing)
        nothing.close()
        return described, names

    def _execute(self, query: str, extra: Mapping[str, Any]) -> CursorResult[Any]:
        statement, question = text(query), self._question
        named = set(statement.compile().params)
        days = {name: day for name, day in (("opens", question.opens), ("closes", question.closes)) if day is not None}
        theirs = {"cohort": question.cohort} if question.cohort else {}
        values = {**self._settings.parameters, **days, **theirs, **extra}
        if missing := sorted(named - values.keys()):
            fix_text = tr(
                "Add it to parameters in {table}, or write \\: for a colon in a text.", table=table_of(question.source)
            )
            if missing[0] in ("opens", "closes"):
                fix_text = tr("It is a day of the cohort's windows: add windows to its [[cohort]].")
            raise SourceGarbled(
                tr(
                    "{source}: the query names :{missing}, which has no value",
                    source=question.source,
                    missing=", :".join(missing),
                ),
                fix_text,
            )
        for many in named & {"numbers", "these"}:
            statement = statement.bindparams(bindparam(many, expanding=True))
        return self.connection.execute(statement, {name: values[name] for name in named})

    def _field_picker(self, columns: tuple[str, ...]) -> Callable[[Any], tuple[Cell, ...]]:
        """Return a function that selects the mapped fields, in order, from a row of the driver."""
        at = [self._find_column(field, column, columns) for field, column in self._question.columns.items()]
        if at == list(range(len(columns))):
            return tuple
        if len(at) == 1:
            only = at[0]
            return lambda row: (row[only],)
        return itemgetter(*at)

    def _find_column(self, field: str, column: str, columns: tuple[str, ...]) -> int:
        """Return the index of a mapped column: as written, else ignoring case, as databases do."""
        if columns.count(column) == 1:
            return columns.index(column)
        fitting = [i for i, name in enumerate(columns) if name.casefold() == column.casefold()]
        if len(fitting) == 1:
            return fitting[0]
        what = N_('{source}: the answer has no column "{column}" (it has {columns})')
        if fitting:
            what = N_('{source}: the answer has two columns called "{column}" (it has {columns})')
        raise SourceGarbled(
            tr(what, source=self._question.source, column=column, columns=tr(", ").join(columns)),
            tr(
                "Correct columns.{field} in {table}, or give the column this name in the query, with AS.",
                field=field,
                table=table_of(self._question.source),
            ),
        )


def _column_names(result: CursorResult[Any]) -> tuple[str, ...]:
    return tuple(str(name) for name in result.keys())  # noqa: SIM118 - a result's keys are its columns, not its rows
