"""Any database that SQLAlchemy speaks to, asked one question: a SELECT whose columns are mapped to our fields.

The whole answer is read in one read-only transaction that sees one state, streamed, under a statement timeout. In that
same transaction the database counts the rows of the very same query; unless as many arrive, there is no snapshot.
"""

import codecs
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from operator import itemgetter
from typing import Annotated, Any, ClassVar, Self, TypeVar

from pydantic import AfterValidator, Field, model_validator
from sqlalchemy import URL, Connection, CursorResult, bindparam, make_url, text

from config.tables.base import Span
from config.tables.secrets import FilePath, Text
from connectors.cells.letters import BYTES, Letters, decoded
from connectors.databases import by_number, fingerprints
from connectors.databases.as_of import CLOCKS_DIFFER, moment_of
from connectors.databases.backends import reading
from connectors.databases.base import BATCH, Backend, Options, Patience, Undecodable
from connectors.databases.queries import OwnLimit, Query, binds, own_limits
from connectors.databases.query_guard import refuse, refuse_everywhere
from connectors.databases.tokens import QueryRefused
from connectors.http.tls import DatabaseTls
from connectors.own_keys.secrets import reveal
from connectors.port import (
    SAMPLE_ROWS,
    Cell,
    Fingerprint,
    Progress,
    Proof,
    ProofKind,
    Question,
    Sample,
    Snapshot,
    SourceError,
    SourceGarbled,
    SourceRefused,
    SourceUnavailable,
    no_progress,
    table_of,
)
from status_db.model import digest_of, normalise_number

#: So often an answer whose count does not fit is asked for once more.
_ATTEMPTS = 2

#: So many numbers are bound into one statement: Oracle takes a thousand, SQL Server two thousand.
_NUMBERS_AT_ONCE = 500

_Answer = TypeVar("_Answer")

#: As SQLAlchemy's text() has it.
_ESCAPED_COLON = re.compile(r"\\(:[\w$]*)(?![:\w$])")

#: Bound by us, where a query names them.
_OURS = frozenset({"student", "numbers", "these", "opens", "closes", "cohort"})


def _charset(name: str) -> str:
    try:
        return codecs.lookup(name).name if name else ""
    except LookupError:
        raise ValueError(f'"{name}" is no charset: write one such as "gbk"') from None


class Settings(DatabaseTls):
    """Where the database is, and what is asked."""

    #: A source of these keys may name a query as `as_of`.
    asks_database: ClassVar[bool] = True
    #: What may be called changes no answer.
    how: ClassVar[frozenset[str]] = frozenset({"allows"})

    query: Query
    #: Values for the `:names` in the queries; they are bound, never pasted in.
    parameters: dict[str, Text | int | float] = {}  # noqa: RUF012 - pydantic copies a field's default
    #: A query whose first column lists everybody the office knows.
    population: Query | None = None
    #: The same question about one student, `:student`; without it everybody is asked for and one is kept.
    one: Query | None = None
    #: Whether the answer is still the last one is told by the database itself: true for a count and digest that are
    #: ready-made, or a query of its own whose every row is part of it.
    fingerprint: bool | Query = False
    #: A statement that takes longer is given up.
    timeout: Span = timedelta(minutes=2)
    connect_timeout: Span = timedelta(seconds=10)
    #: The charset of text that comes as bytes: from columns of bytes, and from a database that believes itself ASCII.
    bytes_as: Annotated[str, AfterValidator(_charset)] = ""
    #: The folder of Oracle's client; named, its thick mode is used, by the whole program.
    oracle_client: FilePath | None = None
    #: Functions that a query may call although they are refused by name: the office's own that only read.
    allows: frozenset[str] = frozenset()
    #: More rows than this are no answer: the query is likely to have lost its condition.
    limit: Annotated[int, Field(ge=1)] = 5_000_000

    @model_validator(mode="after")
    def _only_reads(self) -> Self:
        for query in self.queries():
            if self.url.in_the_file:
                refuse(query, make_url(self.url.reveal()).get_backend_name(), self.allows)
            else:
                refuse_everywhere(query, self.allows)
        return self

    def queries(self) -> tuple[str, ...]:
        """Return every query that may be sent."""
        asked = (self.query, self.population, self.one, self.fingerprint)
        return tuple(query for query in asked if isinstance(query, str) and query)

    @model_validator(mode="after")
    def _binds_safely(self) -> Self:
        if taken := sorted(_OURS & self.parameters.keys()):
            raise ValueError(f":{taken[0]} is bound by the program itself: give the parameter another name")
        if binds(self.query, "numbers") and self.population is None:
            raise ValueError(
                "a query that binds :numbers misses whoever the office spells otherwise: name a population, which may "
                "bind them too, so that who is not found is unknown and not clear"
            )
        return self


class Sql:
    """Asks one database one question."""

    def __init__(self, settings: Settings, question: Question) -> None:
        self._settings = settings
        self._question = question
        #: Whether broken letters are replaced: only once some were met, for drivers are quicker without.
        self._lenient = False

    def pull(self, progress: Progress = no_progress) -> Snapshot:
        """Return every row of the query, counted by the database itself in the same read."""
        parts, revision = self._parts()
        snapshot = self._asked(self._settings.query, self._settings.population, parts, progress, whole=True)
        return replace(snapshot, candidates=revision)

    def _parts(self) -> tuple[list[dict[str, Any]], int | None]:
        """Return what is bound for each part of the question, and the roster's revision where its numbers are bound."""
        if not binds(self._settings.query, "numbers"):
            return [{}], None
        candidates = self._question.candidates()
        if not (chunks := candidates.chunks(_NUMBERS_AT_ONCE)):
            raise SourceUnavailable(
                f"{self._question.source} is asked by number, and nobody is on the roster",
                "Sync the roster first: clearance sync roster",
            )
        return [{"numbers": chunk} for chunk in chunks], candidates.revision

    @property
    def one_reads_all(self) -> bool:
        """Say whether one student's rows are kept out of the whole answer."""
        return self._settings.one is None and not binds(self._settings.query, "numbers")

    def pull_one(self, student: str) -> Snapshot:
        """Return the rows about one student: by the query `one`, else by reading all and keeping theirs.

        The database is not left to compare numbers by itself: its blanks and its case are not ours.
        """
        settings = self._settings
        if self.one_reads_all:
            return self.pull().about(student)
        asked = {"student": student, "numbers": (student,)}
        return self._asked(settings.one or settings.query, settings.population, [asked], no_progress).about(student)

    def pull_these(self, numbers: Sequence[str], progress: Progress = no_progress) -> Snapshot:
        """Return the rows about these numbers: the query as a derived table, with every spelling of them bound.

        Where the database cannot be asked so, the whole answer is read, and theirs is kept.
        """
        settings, about = self._settings, by_number.About(numbers)
        chunks = by_number.chunks(numbers, _NUMBERS_AT_ONCE)
        if binds(settings.query, "numbers"):
            # It compares by itself, as it does for the whole answer.
            parts = [{"numbers": chunk} for chunk in chunks]
            snapshot = self._asked(settings.query, settings.population, parts, progress)
        elif self._limits(settings.query) or (wrapped := self._wrapped()) is None:
            snapshot = self._asked(settings.query, settings.population, [{}], progress)
        else:
            snapshot = self._asked(*wrapped, [{"these": chunk} for chunk in chunks], progress)
        known = snapshot.population
        return replace(
            snapshot,
            rows=[row for row in snapshot.rows if about(row[0])],
            population=None if known is None else [cell for cell in known if about(cell)],
        )

    def _wrapped(self) -> tuple[str, str | None] | None:
        """Return the query and the population as questions about `:these` numbers; None where they cannot be asked."""
        settings = self._settings
        with self._reading() as (connection, _backend):
            asked = [self._about_these(connection, settings.query, self._question.columns["student"])]
            if settings.population is not None:
                asked.append(self._about_these(connection, settings.population, None))
        query, *population = asked
        if query is None or None in population:
            return None
        return query, population[0] if population else None

    def _about_these(self, connection: Connection, query: str, column: str | None) -> str | None:
        nothing = self._execute(connection, f"SELECT * FROM ({query}\n) q WHERE 1 = 0", {})  # noqa: S608 - the configured query
        described = list(nothing.cursor.description)
        nothing.close()
        names = tuple(str(each[0]) for each in described)
        at = self._find("student", column, names) if column is not None else 0
        if any(word in str(described[at][1]) for word in ("RAW", "BLOB")):
            # Oracle would write such bytes out as hexadecimal digits.
            return None
        quoted = connection.dialect.identifier_preparer.quote_identifier(names[at])
        return by_number.statement(connection.dialect.name, query, quoted)

    def _limits(self, query: str) -> tuple[OwnLimit, ...]:
        return own_limits(query, self._settings.parameters)

    def fingerprint(self) -> Fingerprint | None:
        """Return the database's own word on whether the answer is another one; None where the settings want none."""
        if not self._settings.fingerprint:
            return None
        parts, _ = self._parts()
        began = self._question.clock()
        with self._reading() as (connection, _backend):
            value = self._told(connection, parts)
        return Fingerprint(value, began, "a count and a digest, computed by the database")

    def check(self) -> Sample:
        """Ask all that a pull and a recheck ask, read one row, and say what should be looked at.

        That is rights, clocks, a limit in the query, and a `one` that does not bring what the query does.
        """
        sample = self._leniently(self._looked_at)
        return replace(sample, warnings=(*sample.warnings, *self._one_tried(sample.row)))

    def _looked_at(self) -> Sample:
        settings = self._settings
        bound = binds(settings.query, "numbers")
        chunks = self._question.candidates().chunks(_NUMBERS_AT_ONCE) if bound else []
        part = {"numbers": chunks[0] if chunks else ("",)}
        if settings.population is not None:
            with self._reading() as (connection, backend):
                known = self._execute(connection, settings.population, part)
                self._numbers_of(known.fetchmany(SAMPLE_ROWS))
                backend.abandon(connection, known.cursor)
        with self._reading() as (connection, backend):
            warnings = (*backend.warnings(connection), *self._clocks(connection, backend), *self._announced())
            if self._question.as_of:
                self._moment(connection)
            if settings.fingerprint:
                self._told(connection, [part])
            self._refuse_more_than_the_limit(count := self._count(connection, settings.query, part))
            self._refuse_cut_off(settings.query, count)
            backend.charset(connection, partial(self._of_each_column, connection, settings.query, part))
            letters = Letters(self._question.source, self._question.columns, backend.charset_fix, backend.raw_text)
            rows: list[tuple[Cell, ...]] = []
            columns = self._read(connection, backend, settings.query, part, rows, letters, _untold, SAMPLE_ROWS)
        letters.finish(rows, self._question.candidates)
        row = dict(zip(self._question.columns, rows[0], strict=True)) if rows else None
        whole = len(rows) == count and len(chunks) < 2
        return Sample(backend.where, columns, row, (*warnings, *letters.warnings()), rows=rows, whole=whole)

    def _one_tried(self, row: Mapping[str, Cell] | None) -> tuple[str, ...]:
        """Ask about the first row's student alone, and warn where that does not bring what the query has of them."""
        settings = self._settings
        student = "" if row is None else normalise_number(row["student"])
        if settings.one is None or not student:
            return ()
        fix = f"Correct one in {table_of(self._question.source)}; until then no recheck of a student counts."
        asked = {"student": student, "numbers": (student,)}
        try:
            everything = self._asked(settings.one, settings.population, [asked], no_progress)
        except SourceError as error:
            return (f"Asked about one student of the list by one, it fails: {error.what}. {fix}",)
        answer = everything.about(student).rows
        if others := len(everything.rows) - len(answer):
            return (
                (
                    f"Asked about one student of the list by one, it brings {others} rows about others as well. Add a "
                    f"condition on :student to one in {table_of(self._question.source)}."
                ),
            )
        theirs = self.pull_these([student]).about(student).rows
        if missing := [each for each in theirs if each not in answer]:
            what = f"{len(missing)} of the {len(theirs)} rows that the query has about that student"
            return (f"Asked about one student of the list by one, it leaves out {what}. {fix}",)
        return ()

    def _clocks(self, connection: Connection, backend: Backend) -> tuple[str, ...]:
        """Compare the server's clock with ours."""
        theirs, ours = backend.utc(connection), self._question.clock()
        if theirs is None or abs(theirs - ours) <= CLOCKS_DIFFER:
            return ()
        warning = (
            f"the database's clock says {theirs:%Y-%m-%d %H:%M:%S} UTC, and this machine's {ours:%Y-%m-%d %H:%M:%S} "
            "UTC: set the wrong one right, by NTP."
        )
        return (warning,)

    def _announced(self) -> tuple[str, ...]:
        """Announce what limits the rows within the query itself."""
        return tuple(
            f"the query has its own {limit.words}: an answer that may have been cut off there is refused. "
            f"Take it out; limit in {table_of(self._question.source)} guards against too many rows."
            for limit in self._limits(self._settings.query)
        )

    def _refuse_cut_off(self, query: str, rows: int) -> None:
        """Refuse an answer that the query's own limit may have cut off: counted, it would be cut off as well."""
        for limit in self._limits(query):
            if limit.reached(rows):
                how = f"and {rows} rows came" if limit.whole else "in a part of it"
                raise SourceGarbled(
                    f"{self._question.source}: the query has its own {limit.words}, {how}, so nothing shows that no "
                    "row was cut off",
                    f"Take {limit.words} out of the query; limit in {table_of(self._question.source)} guards against "
                    "too many rows.",
                )

    def _moment(self, connection: Connection) -> datetime | None:
        """Ask up to which moment the data reach, in the same read."""
        question = self._question
        if not question.as_of:
            return None
        row = self._execute(connection, question.as_of, {}).first()
        return moment_of(row[0] if row else None, question.zone, question.clock(), question.source)

    def _leniently(self, ask: Callable[[], _Answer]) -> _Answer:
        """Ask; and where some text is broken, once more, with what is no letter replaced."""
        try:
            return ask()
        except Undecodable:
            if self._lenient:
                raise
            self._lenient = True
            return ask()

    def _asked(
        self,
        query: str,
        population: str | None,
        parts: Sequence[Mapping[str, Any]],
        progress: Progress,
        *,
        whole: bool = False,
    ) -> Snapshot:
        """Ask once for each of the `parts`, which differ in what is bound; all of them in one read of one state."""
        return self._leniently(lambda: self._read_whole(query, population, parts, progress, whole=whole))

    def _read_whole(
        self,
        query: str,
        population: str | None,
        parts: Sequence[Mapping[str, Any]],
        progress: Progress,
        *,
        whole: bool,
    ) -> Snapshot:
        tried: list[str] = []
        for _ in range(_ATTEMPTS):
            began = self._question.clock()
            with self._reading() as (connection, backend):
                told = self._told(connection, parts) if whole and self._settings.fingerprint else None
                counts = [self._count(connection, query, part) for part in parts]
                self._refuse_more_than_the_limit(expected := sum(counts))
                for count in counts:
                    self._refuse_cut_off(query, count)
                charset = backend.charset(connection, partial(self._of_each_column, connection, query, parts[0]))
                letters = Letters(self._question.source, self._question.columns, backend.charset_fix, backend.raw_text)
                rows: list[tuple[Cell, ...]] = []
                for part in parts:
                    self._read(connection, backend, query, part, rows, letters, lambda done: progress(done, expected))
                everybody = self._population(connection, population, parts)
                as_of = self._moment(connection)
            if len(rows) == expected:
                letters.finish(rows, self._question.candidates)
                snapshot = self._snapshot(rows, expected, everybody, began, charset if letters.sane else "")
                return replace(snapshot, fingerprint=told, as_of=as_of, warnings=letters.warnings())
            tried.append(f"{len(rows)} of {expected}")
        raise SourceUnavailable(
            f"{self._question.source}: the database gave other rows than it counted: {', then '.join(tried)}",
            "It changes while it is read, so it keeps no consistent state: ask a table or view of an engine that does, "
            "or ask at a quieter hour.",
        )

    def _of_each_column(
        self, connection: Connection, query: str, part: Mapping[str, Any], expression: str
    ) -> Sequence[object]:
        """Evaluate an expression for each mapped column of the query, whether it has rows or not."""
        nothing = self._execute(connection, f"SELECT * FROM ({query}\n) q WHERE 1 = 0", part)  # noqa: S608 - the configured query
        names = _names(nothing)
        nothing.close()
        at = [self._find(field, column, names) for field, column in self._question.columns.items()]
        quote = connection.dialect.identifier_preparer.quote_identifier
        asked = ", ".join(expression.format(f"q.{quote(names[each])}") for each in at)
        question = f"SELECT {asked} FROM (SELECT 1 AS one) o LEFT JOIN ({query}\n) q ON 1 = 1 LIMIT 1"  # noqa: S608 - the configured query
        return tuple(self._execute(connection, question, part).one())

    def _snapshot(
        self,
        rows: list[tuple[Cell, ...]],
        expected: int,
        everybody: list[Cell] | None,
        began: datetime,
        charset: str,
    ) -> Snapshot:
        columns = self._question.columns
        proofs = (
            Proof(ProofKind.TOTAL_AGREES, f"{len(rows)} of {expected} rows, counted in the same read"),
            Proof(ProofKind.COLUMNS_PRESENT, ", ".join(columns.values())),
            Proof(ProofKind.LIMIT_NOT_HIT, f"{len(rows)} rows of at most {self._settings.limit}"),
            *((Proof(ProofKind.CHARSET_SANE, f"every text decoded: {charset}"),) if charset else ()),
        )
        return Snapshot(tuple(columns), rows, began, self._question.clock(), proofs, everybody)

    def _count(self, connection: Connection, query: str, extra: Mapping[str, Any]) -> int:
        counted = self._execute(connection, f"SELECT COUNT(*) FROM ({query}\n) counted", extra)  # noqa: S608 - the configured query
        return int(counted.scalar_one())

    def _refuse_more_than_the_limit(self, expected: int) -> None:
        if expected > self._settings.limit:
            raise SourceGarbled(
                f"{self._question.source}: the query would bring {expected} rows, more than its limit of "
                f"{self._settings.limit}",
                "Look whether the query has lost a condition; if not, raise limit in "
                f"{table_of(self._question.source)}.",
            )

    def _read(
        self,
        connection: Connection,
        backend: Backend,
        query: str,
        extra: Mapping[str, Any],
        rows: list[tuple[Cell, ...]],
        letters: Letters,
        tell: Callable[[int], None],
        most: int = sys.maxsize,
    ) -> tuple[str, ...]:
        """Add what a query brings to `rows`, up to about `most` of them; return its columns."""
        result = self._execute(connection, query, extra)
        try:
            columns = _names(result)
            pick, charset = self._picker(columns), self._settings.bytes_as
            self._refuse_single_precision(backend, result)
            while len(rows) < most and (batch := result.fetchmany(min(BATCH, most))):
                picked = [self._decoded(pick(row)) for row in batch] if charset else [pick(row) for row in batch]
                letters.look(picked, len(rows))
                rows += picked
                tell(len(rows))
        except BaseException:
            backend.abandon(connection, result.cursor)
            raise
        if len(rows) < most:
            result.close()
        else:
            # Whatever rows are left are not waited for.
            backend.abandon(connection, result.cursor)
        if not rows:
            tell(0)
        return columns

    def _refuse_single_precision(self, backend: Backend, result: CursorResult[Any]) -> None:
        """Refuse a column of student numbers that keeps seven digits: a number of more has become another's."""
        at = self._find("student", self._question.columns["student"], _names(result))
        if result.cursor.description[at][1] in backend.single_precision:
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

    def _population(
        self, connection: Connection, query: str | None, parts: Sequence[Mapping[str, Any]]
    ) -> list[Cell] | None:
        if query is None:
            return None
        known: list[Cell] = []
        for part in parts if binds(query, "numbers") or binds(query, "these") else parts[:1]:
            known += self._numbers_of(self._execute(connection, query, part))
        return known

    def _numbers_of(self, rows: Iterable[Any]) -> list[Cell]:
        """Return the numbers that a population lists."""
        known = [cell for row in rows for cell in self._decoded((row[0],)) if cell is not None]
        if any(isinstance(cell, BYTES) for cell in known):
            raise SourceGarbled(
                f"{self._question.source}: the population is numbers in bytes, not text",
                f'Say what they are in {table_of(self._question.source)}, such as bytes_as = "utf-8".',
            )
        return known

    def _told(self, connection: Connection, parts: Sequence[Mapping[str, Any]]) -> bytes:
        """Return the fingerprint, as it stands in this read: of the query, and of the population where there is one."""
        settings, told = self._settings, list[bytes]()
        for query in (settings.query, settings.population) if settings.fingerprint is True else (settings.fingerprint,):
            if not query:
                continue
            for part in parts if binds(query, "numbers") else parts[:1]:
                question = self._ready_made(connection, query, part) if settings.fingerprint is True else query
                told += [repr(tuple(map(str, row))).encode() for row in self._execute(connection, question, part)]
        return digest_of(sorted(told))

    def _ready_made(self, connection: Connection, query: str, part: Mapping[str, Any]) -> str:
        nothing = self._execute(connection, f"SELECT * FROM ({query}\n) q WHERE 1 = 0", part)  # noqa: S608 - the configured query
        names = [str(column[0]) for column in nothing.cursor.description]
        nothing.close()
        question = fingerprints.statement(connection.dialect.name, query, names)
        if question is None:
            raise SourceGarbled(
                f"{self._question.source}: no fingerprint is ready-made for {connection.dialect.name}",
                f"Write a query of your own as fingerprint in {table_of(self._question.source)}, or leave it out.",
            )
        if connection.dialect.name == "sqlite":
            fingerprints.lend_to_sqlite(connection.connection.driver_connection)  # type: ignore[arg-type]  # it is sqlite3's
        return question

    def _execute(self, connection: Connection, query: str, extra: Mapping[str, Any]) -> CursorResult[Any]:
        statement, question = text(query), self._question
        named = set(statement.compile().params)
        days = {name: day for name, day in (("opens", question.opens), ("closes", question.closes)) if day is not None}
        theirs = {"cohort": question.cohort} if question.cohort else {}
        values = {**self._settings.parameters, **days, **theirs, **extra}
        if missing := sorted(named - values.keys()):
            way_out = f"Add it to parameters in {table_of(question.source)}; a colon in a text is written \\:."
            if missing[0] in ("opens", "closes"):
                way_out = "It is a day of the cohort's windows: add windows to its [[cohort]]."
            raise SourceGarbled(
                f"{question.source}: the query names :{', :'.join(missing)}, and no value is given", way_out
            )
        for many in named & {"numbers", "these"}:
            statement = statement.bindparams(bindparam(many, expanding=True))
        return connection.execute(statement, {name: values[name] for name in named})

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

    def _reading(self) -> AbstractContextManager[tuple[Connection, Backend]]:
        patience = Patience(self._settings.connect_timeout, self._settings.timeout)
        options = Options(self._settings.bytes_as, self._settings.oracle_client, self._lenient, self._settings.tls)
        return reading(self._url(), self._question.source, patience, options)

    def _url(self) -> URL:
        """Return where the database is, as it is now. Raises SourceRefused."""
        source, written = self._question.source, reveal(self._settings.url, self._question.source)
        try:
            self._settings.refuse_what_no_driver_does(written)
        except ValueError as error:
            raise SourceRefused(f"{source}: {error}", f"Then try: clearance check {source}.") from None
        url = make_url(written)
        for query in (*self._settings.queries(), *([self._question.as_of] if self._question.as_of else [])):
            self._refuse(query, url.get_backend_name())
        return url

    def _refuse(self, query: str, database: str) -> None:
        """Raise SourceRefused for a query that does more than read, as this database would read it."""
        # A colon is written with a backslash before it where it names no parameter; it is sent without.
        for sent in dict.fromkeys((query, _ESCAPED_COLON.sub(r"\1", query))):
            try:
                refuse(sent, database, self._settings.allows)
            except QueryRefused as error:
                source = self._question.source
                raise SourceRefused(
                    f"{source}: the query is not sent: {error}",
                    f"Correct it in {table_of(source)}, then try: clearance check {source}.",
                ) from None


def _untold(_done: int) -> None:
    """Show nothing."""


def _names(result: CursorResult[Any]) -> tuple[str, ...]:
    return tuple(str(name) for name in result.keys())  # noqa: SIM118 - a result's keys are its columns, not its rows


def connect(settings: Settings, question: Question) -> Sql:
    """Return the connector; it opens nothing yet."""
    return Sql(settings, question)
