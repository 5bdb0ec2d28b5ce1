"""Any database that SQLAlchemy speaks to, asked one question: a SELECT whose columns are mapped to our fields.

The whole answer is read in one read-only transaction that sees one state, streamed, under a statement timeout. In that
same transaction the database counts the rows of the very same query; unless as many arrive, there is no snapshot.
"""

import codecs
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, model_validator
from sqlalchemy import Connection, CursorResult, bindparam, make_url, text

from config.secrets import DatabaseUrl, FilePath, Text
from config.settings import Table
from config.table import Span
from connectors import fingerprints
from connectors.databases import BATCH, Backend, Options, Patience, reading
from connectors.port import (
    Cell,
    Fingerprint,
    Progress,
    Proof,
    ProofKind,
    Question,
    Sample,
    Snapshot,
    SourceGarbled,
    SourceUnavailable,
    no_progress,
)
from status_db.model import digest_of

#: So often an answer whose count does not fit is asked for once more.
_ATTEMPTS = 2

#: So many numbers are bound into one statement: Oracle takes a thousand, SQL Server two thousand.
_NUMBERS_AT_ONCE = 500

#: Bound by us, where a query names them.
_OURS = frozenset({"student", "numbers", "opens", "closes", "cohort"})

#: What a SELECT may hold that writes, or locks rows that the office works with.
_WRITES_OR_LOCKS = re.compile(
    r"\bINTO\b|\bFOR\s+(?:NO\s+KEY\s+)?UPDATE\b|\bFOR\s+(?:KEY\s+)?SHARE\b|\bLOCK\s+IN\s+SHARE\s+MODE\b", re.IGNORECASE
)

_QUOTED_OR_REMARK = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"|`[^`]*`|--[^\n]*|/\*.*?\*/", re.DOTALL)


def _one_select(query: str) -> str:
    """Refuse what is not one SELECT. It guards against slips; against intent stands the account's missing right."""
    query = query.strip().rstrip(";").rstrip()
    bare = _QUOTED_OR_REMARK.sub(" ", query).strip()
    if not re.match(r"\(?\s*(SELECT|WITH)\b", bare, re.IGNORECASE):
        raise ValueError("this is no query: write one that begins with SELECT or WITH")
    if ";" in bare:
        raise ValueError("these are several statements: write one SELECT, without a semicolon within")
    if found := _WRITES_OR_LOCKS.search(bare):
        words = " ".join(found[0].upper().split())
        raise ValueError(f"{words} writes something, or locks the office's rows: leave it out")
    return query


Query = Annotated[str, AfterValidator(_one_select)]


def _charset(name: str) -> str:
    try:
        return codecs.lookup(name).name if name else ""
    except LookupError:
        raise ValueError(f'"{name}" is no charset: write one such as "gbk"') from None


class Settings(Table):
    """Where the database is, and what is asked."""

    url: DatabaseUrl
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
    #: Text comes as bytes in this charset: for a database that believes itself ASCII, and for columns of bytes.
    bytes_as: Annotated[str, AfterValidator(_charset)] = ""
    #: The folder of Oracle's client; named, its thick mode is used, by the whole program.
    oracle_client: FilePath | None = None
    #: More rows than this are no answer: the query is likely to have lost its condition.
    limit: Annotated[int, Field(ge=1)] = 5_000_000

    @model_validator(mode="after")
    def _binds_safely(self) -> Self:
        if taken := sorted(_OURS & self.parameters.keys()):
            raise ValueError(f":{taken[0]} is bound by the program itself: give the parameter another name")
        if _binds(self.query, "numbers") and self.population is None:
            raise ValueError(
                "a query that binds :numbers misses whoever the office spells otherwise: name a population, which may "
                "bind them too, so that who is not found is unknown and not clear"
            )
        return self


def _binds(query: str, name: str) -> bool:
    return name in text(query).compile().params


class Sql:
    """Asks one database one question."""

    def __init__(self, settings: Settings, question: Question) -> None:
        self._settings = settings
        self._question = question
        self._url = make_url(settings.url.get_secret_value())

    def pull(self, progress: Progress = no_progress) -> Snapshot:
        """Return every row of the query, counted by the database itself in the same read."""
        parts, revision = self._parts()
        snapshot = self._asked(self._settings.query, self._settings.population, parts, progress, whole=True)
        return replace(snapshot, candidates=revision)

    def _parts(self) -> tuple[list[dict[str, Any]], int | None]:
        """Return what is bound for each part of the question, and the roster's revision where its numbers are bound."""
        if not _binds(self._settings.query, "numbers"):
            return [{}], None
        candidates = self._question.candidates()
        if not (chunks := candidates.chunks(_NUMBERS_AT_ONCE)):
            raise SourceUnavailable(
                f"{self._question.source} is asked by number, and nobody is on the roster",
                "Sync the roster first: clearance sync roster",
            )
        return [{"numbers": chunk} for chunk in chunks], candidates.revision

    def pull_one(self, student: str) -> Snapshot:
        """Return the rows about one student: by the query `one`, else by reading all and keeping theirs.

        The database is not left to compare numbers by itself: its blanks and its case are not ours.
        """
        settings = self._settings
        if settings.one is None and not _binds(settings.query, "numbers"):
            return self.pull().about(student)
        asked = {"student": student, "numbers": (student,)}
        return self._asked(settings.one or settings.query, settings.population, [asked], no_progress).about(student)

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
        """Connect, read one row, and say whether the account could write."""
        with self._reading() as (connection, backend):
            warnings = backend.warnings(connection)
            binds = _binds(self._settings.query, "numbers")
            chunks = self._question.candidates().chunks(_NUMBERS_AT_ONCE) if binds else []
            result = self._execute(connection, self._settings.query, {"numbers": chunks[0] if chunks else ("",)})
            columns = _names(result)
            first = result.fetchone()
            # Whatever rows are left are not waited for.
            backend.abandon(connection, result.cursor)
        fields = self._question.columns
        row = None
        if first is not None:
            cells = self._picker(columns)(first)
            row = dict(zip(fields, self._decoded(cells), strict=True))
        return Sample(backend.where, columns, row, warnings)

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
        tried: list[str] = []
        for _ in range(_ATTEMPTS):
            began = self._question.clock()
            with self._reading() as (connection, backend):
                told = self._told(connection, parts) if whole and self._settings.fingerprint else None
                counts = [self._count(connection, query, part) for part in parts]
                self._refuse_more_than_the_limit(expected := sum(counts))
                rows: list[tuple[Cell, ...]] = []
                for part in parts:
                    self._read(connection, backend, query, part, rows, lambda done: progress(done, expected))
                everybody = self._population(connection, population, parts)
            if len(rows) == expected:
                return replace(self._snapshot(rows, expected, everybody, began), fingerprint=told)
            tried.append(f"{len(rows)} of {expected}")
        raise SourceUnavailable(
            f"{self._question.source}: the database gave other rows than it counted: {', then '.join(tried)}",
            "It changes while it is read, so it keeps no consistent state: ask a table or view of an engine that does, "
            "or ask at a quieter hour.",
        )

    def _snapshot(
        self, rows: list[tuple[Cell, ...]], expected: int, everybody: list[Cell] | None, began: datetime
    ) -> Snapshot:
        columns = self._question.columns
        proofs = (
            Proof(ProofKind.TOTAL_AGREES, f"{len(rows)} of {expected} rows, counted in the same read"),
            Proof(ProofKind.COLUMNS_PRESENT, ", ".join(columns.values())),
            Proof(ProofKind.LIMIT_NOT_HIT, f"{len(rows)} rows of at most {self._settings.limit}"),
            Proof(ProofKind.CHARSET_SANE, "every text decoded, no replacement character"),
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
                f"[source.{self._question.source}].",
            )

    def _read(
        self,
        connection: Connection,
        backend: Backend,
        query: str,
        extra: Mapping[str, Any],
        rows: list[tuple[Cell, ...]],
        tell: Callable[[int], None],
    ) -> None:
        """Add what a query brings to `rows`."""
        result = self._execute(connection, query, extra)
        try:
            pick, charset = self._picker(_names(result)), self._settings.bytes_as
            while batch := result.fetchmany(BATCH):
                picked = [self._decoded(pick(row)) for row in batch] if charset else [pick(row) for row in batch]
                self._refuse_broken_text(picked)
                rows += picked
                tell(len(rows))
        except BaseException:
            backend.abandon(connection, result.cursor)
            raise
        result.close()
        if not rows:
            tell(0)

    def _decoded(self, row: tuple[Cell, ...]) -> tuple[Cell, ...]:
        """Turn bytes into text, where a charset was told; what is no letter of it is refused as broken text."""
        charset = self._settings.bytes_as
        if not charset:
            return row
        return tuple(cell.decode(charset, "replace") if isinstance(cell, bytes) else cell for cell in row)

    def _population(
        self, connection: Connection, query: str | None, parts: Sequence[Mapping[str, Any]]
    ) -> list[Cell] | None:
        if query is None:
            return None
        known: list[Cell] = []
        for part in parts if _binds(query, "numbers") else parts[:1]:
            result = self._execute(connection, query, part)
            known += [cell for row in result for cell in self._decoded((row[0],)) if cell is not None]
        return known

    def _told(self, connection: Connection, parts: Sequence[Mapping[str, Any]]) -> bytes:
        """Return the fingerprint, as it stands in this read: of the query, and of the population where there is one."""
        settings, told = self._settings, list[bytes]()
        for query in (settings.query, settings.population) if settings.fingerprint is True else (settings.fingerprint,):
            if not query:
                continue
            for part in parts if _binds(query, "numbers") else parts[:1]:
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
                f"Write a query of your own as fingerprint in [source.{self._question.source}], or leave it out.",
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
            way_out = f"Add it to parameters in [source.{question.source}]; a colon in a text is written \\:."
            if missing[0] in ("opens", "closes"):
                way_out = "It is a day of the cohort's windows: add windows to its [[cohort]]."
            raise SourceGarbled(
                f"{question.source}: the query names :{', :'.join(missing)}, and no value is given", way_out
            )
        if "numbers" in named:
            statement = statement.bindparams(bindparam("numbers", expanding=True))
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
            f"Mend columns.{field} in [source.{self._question.source}], or name the column so in the query with AS.",
        )

    def _refuse_broken_text(self, rows: list[tuple[Cell, ...]]) -> None:
        if "\ufffd" in "".join([cell for row in rows for cell in row if type(cell) is str]):
            raise SourceGarbled(
                f"{self._question.source}: some text arrived broken (it holds the replacement character)",
                "Tell the right charset in the url, such as ?charset=gbk, or have the office mend those rows.",
            )

    def _reading(self) -> AbstractContextManager[tuple[Connection, Backend]]:
        patience = Patience(self._settings.connect_timeout, self._settings.timeout)
        options = Options(self._settings.bytes_as, self._settings.oracle_client)
        return reading(self._url, self._question.source, patience, options)


def _names(result: CursorResult[Any]) -> tuple[str, ...]:
    return tuple(str(name) for name in result.keys())  # noqa: SIM118 - a result's keys are its columns, not its rows


def connect(settings: Settings, question: Question) -> Sql:
    """Return the connector; it opens nothing yet."""
    return Sql(settings, question)
