"""Any database that SQLAlchemy supports, asked with one SELECT whose columns are mapped to fields.

The answer is streamed in one read-only transaction that sees one state, with a statement timeout. In the same
transaction the database counts the rows of the same query. If a different number arrives, there is no snapshot.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import URL, make_url

from connectors.databases.backends import reading
from connectors.databases.base import DatabaseTimeouts, Options, Undecodable
from connectors.databases.read_transaction import ReadTransaction
from connectors.databases.sql_settings import Settings
from connectors.databases.statements import by_number
from connectors.databases.statements.queries import OwnLimit, binds, own_limits
from connectors.databases.statements.query_guard import refuse
from connectors.databases.statements.tokens import QueryRefused
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
    SourceRefused,
    SourceUnavailable,
    no_progress,
    table_of,
)
from foundation.translation import tr
from status_db.model import normalise_number

__all__ = ["Settings", "Sql", "connect"]

#: How many times a query is run before a wrong count is an error.
_ATTEMPTS = 2

#: Numbers bound in one statement: Oracle accepts a thousand, SQL Server two thousand.
_NUMBERS_AT_ONCE = 500

#: An escaped colon, as in SQLAlchemy's text().
_ESCAPED_COLON = re.compile(r"\\(:[\w$]*)(?![:\w$])")

_Answer = TypeVar("_Answer")


class Sql:
    """The connector: asks one database one question."""

    def __init__(self, settings: Settings, question: Question) -> None:
        self._settings = settings
        self._question = question
        #: Whether undecodable characters are replaced: only after some occurred, because it slows drivers down.
        self._lenient = False

    def pull(self, progress: Progress = no_progress) -> Snapshot:
        """Return every row of the query; the database itself counts them in the same read."""
        parts, revision = self._bound_parts()
        snapshot = self._pull_parts(self._settings.query, self._settings.population, parts, progress, whole=True)
        return replace(snapshot, candidates=revision)

    def _bound_parts(self) -> tuple[list[dict[str, Any]], int | None]:
        """Return the parameters of each part of the question, and the roster's revision if its numbers are bound."""
        if not binds(self._settings.query, "numbers"):
            return [{}], None
        candidates = self._question.candidates()
        if not (chunks := candidates.chunks(_NUMBERS_AT_ONCE)):
            raise SourceUnavailable(
                tr("{source} is asked by number, and no student is on the roster", source=self._question.source),
                tr("Sync the roster first: clearance sync roster"),
            )
        return [{"numbers": chunk} for chunk in chunks], candidates.revision

    @property
    def one_reads_all(self) -> bool:
        """Whether one student's rows can only be selected from the complete answer."""
        return self._settings.one is None and not binds(self._settings.query, "numbers")

    def pull_one(self, student: str) -> Snapshot:
        """Return the rows about one student: with the query `one`, or selected from the complete answer.

        The rows are filtered here too, because a database compares blanks and case in its own way.
        """
        settings = self._settings
        if self.one_reads_all:
            return self.pull().about(student)
        asked = {"student": student, "numbers": (student,)}
        return self._pull_parts(settings.one or settings.query, settings.population, [asked], no_progress).about(
            student
        )

    def pull_these(self, numbers: Sequence[str], progress: Progress = no_progress) -> Snapshot:
        """Return the rows about these numbers: the query as a derived table, with every spelling of them bound.

        If the database cannot answer that, read the complete answer and select their rows.
        """
        settings, about = self._settings, by_number.KeyFilter(numbers)
        chunks = by_number.chunks(numbers, _NUMBERS_AT_ONCE)
        if binds(settings.query, "numbers"):
            # The query itself compares, as for the complete answer.
            parts = [{"numbers": chunk} for chunk in chunks]
            snapshot = self._pull_parts(settings.query, settings.population, parts, progress)
        elif self._own_limits(settings.query) or (wrapped := self._queries_by_number()) is None:
            snapshot = self._pull_parts(settings.query, settings.population, [{}], progress)
        else:
            snapshot = self._pull_parts(*wrapped, [{"these": chunk} for chunk in chunks], progress)
        known = snapshot.population
        return replace(
            snapshot,
            rows=[row for row in snapshot.rows if about(row[0])],
            population=None if known is None else [cell for cell in known if about(cell)],
        )

    def _queries_by_number(self) -> tuple[str, str | None] | None:
        """Return the query and the population for `:these` numbers; None if they cannot be asked."""
        settings = self._settings
        with self._reading() as read:
            asked = [read.about_these(settings.query, self._question.columns["student"])]
            if settings.population is not None:
                asked.append(read.about_these(settings.population, None))
        query, *population = asked
        if query is None or None in population:
            return None
        return query, population[0] if population else None

    def _own_limits(self, query: str) -> tuple[OwnLimit, ...]:
        return own_limits(query, self._settings.parameters)

    def fingerprint(self) -> Fingerprint | None:
        """Return a fingerprint of the answer, computed by the database; None if the settings request none."""
        if not self._settings.fingerprint:
            return None
        parts, _ = self._bound_parts()
        began = self._question.clock()
        with self._reading() as read:
            value = read.fingerprint(parts)
        return Fingerprint(value, began, tr("a count and a digest, computed by the database"))

    def check(self) -> Sample:
        """Run every query of a pull and a recheck, read one row, and return it with warnings.

        Warnings are about rights, clocks, a limit in the query, and a `one` that returns other rows than the query.
        """
        sample = self._retry_leniently(self._read_sample)
        return replace(sample, warnings=(*sample.warnings, *self._check_one(sample.row)))

    def _read_sample(self) -> Sample:
        settings = self._settings
        bound = binds(settings.query, "numbers")
        chunks = self._question.candidates().chunks(_NUMBERS_AT_ONCE) if bound else []
        part = {"numbers": chunks[0] if chunks else ("",)}
        if settings.population is not None:
            with self._reading() as read:
                read.check_population(settings.population, part)
        with self._reading() as read:
            warnings = (*read.warnings(), *self._limit_warnings())
            read.as_of()
            if settings.fingerprint:
                read.fingerprint([part])
            count = read.count(settings.query, [part])
            read.charset(settings.query, part)
            letters = read.letters()
            rows: list[tuple[Cell, ...]] = []
            columns = read.rows(settings.query, part, rows, letters, _ignore_progress, SAMPLE_ROWS)
        letters.finish(rows, self._question.candidates)
        row = dict(zip(self._question.columns, rows[0], strict=True)) if rows else None
        whole = len(rows) == count and len(chunks) < 2
        return Sample(read.backend.where, columns, row, (*warnings, *letters.warnings()), rows=rows, whole=whole)

    def _check_one(self, row: Mapping[str, Cell] | None) -> tuple[str, ...]:
        """Ask `one` about the first row's student, and warn if it returns other rows than the query."""
        settings = self._settings
        student = "" if row is None else normalise_number(row["student"])
        if settings.one is None or not student:
            return ()
        fix = tr("So no recheck of a student counts. Correct one in {table}.", table=table_of(self._question.source))
        asked = {"student": student, "numbers": (student,)}
        try:
            everything = self._pull_parts(settings.one, settings.population, [asked], no_progress)
        except SourceError as error:
            return (tr("The query one fails for a student of the list: {what}. {fix}", what=error.what, fix=fix),)
        answer = everything.about(student).rows
        if others := len(everything.rows) - len(answer):
            return (
                (
                    tr(
                        "The query one, for a student of the list, also returns {others} rows about other students. "
                        "Add a condition on :student to one in {table}.",
                        others=others,
                        table=table_of(self._question.source),
                    )
                ),
            )
        theirs = self.pull_these([student]).about(student).rows
        if missing := [each for each in theirs if each not in answer]:
            return (
                tr(
                    "The query one, for a student of the list, omits {missing} of the {theirs} rows that the query "
                    "returns about that student. {fix}",
                    missing=len(missing),
                    theirs=len(theirs),
                    fix=fix,
                ),
            )
        return ()

    def _limit_warnings(self) -> tuple[str, ...]:
        """Return a warning for each limit in the query itself."""
        return tuple(
            tr(
                "the query has its own {words}: an answer that it could have cut off is refused. Remove it, "
                "and set limit in {table} against too many rows.",
                words=limit.words,
                table=table_of(self._question.source),
            )
            for limit in self._own_limits(self._settings.query)
        )

    def _retry_leniently(self, ask: Callable[[], _Answer]) -> _Answer:
        """Call `ask`; if some text cannot be decoded, call it again with undecodable characters replaced."""
        try:
            return ask()
        except Undecodable:
            if self._lenient:
                raise
            self._lenient = True
            return ask()

    def _pull_parts(
        self,
        query: str,
        population: str | None,
        parts: Sequence[Mapping[str, Any]],
        progress: Progress,
        *,
        whole: bool = False,
    ) -> Snapshot:
        """Run the query once for each of the `parts`, with its parameters; all in one read of one state."""
        return self._retry_leniently(lambda: self._read_whole(query, population, parts, progress, whole=whole))

    def _read_whole(
        self,
        query: str,
        population: str | None,
        parts: Sequence[Mapping[str, Any]],
        progress: Progress,
        *,
        whole: bool,
    ) -> Snapshot:
        counts: list[str] = []
        for _ in range(_ATTEMPTS):
            began = self._question.clock()
            with self._reading() as read:
                fingerprint = read.fingerprint(parts) if whole and self._settings.fingerprint else None
                expected = read.count(query, parts)
                charset = read.charset(query, parts[0])
                letters = read.letters()
                rows: list[tuple[Cell, ...]] = []

                def report(done: int, expected: int = expected) -> None:
                    progress(done, expected)

                for part in parts:
                    read.rows(query, part, rows, letters, report)
                known = read.population(population, parts)
                as_of = read.as_of()
            if len(rows) == expected:
                letters.finish(rows, self._question.candidates)
                snapshot = self._snapshot(rows, expected, known, began, charset if letters.sane else "")
                return replace(snapshot, fingerprint=fingerprint, as_of=as_of, warnings=letters.warnings())
            counts.append(tr("{rows} of {expected}", rows=len(rows), expected=expected))
        raise SourceUnavailable(
            tr(
                "{source}: the database returned a different number of rows than it counted: {counts}",
                source=self._question.source,
                counts=tr(", then ").join(counts),
            ),
            tr(
                "It changed while it was read. Read a table or view whose engine supports consistent reads, such as "
                "InnoDB, or sync at a quieter hour."
            ),
        )

    def _snapshot(
        self,
        rows: list[tuple[Cell, ...]],
        expected: int,
        population: list[Cell] | None,
        began: datetime,
        charset: str,
    ) -> Snapshot:
        columns = self._question.columns
        proofs: tuple[Proof, ...] = (
            Proof(
                ProofKind.TOTAL_AGREES,
                tr("{rows} of {expected} rows, counted in the same read", rows=len(rows), expected=expected),
            ),
            Proof(ProofKind.COLUMNS_PRESENT, ", ".join(columns.values())),
            Proof(
                ProofKind.LIMIT_NOT_HIT,
                tr("{count} rows of at most {limit}", count=len(rows), limit=self._settings.limit),
            ),
        )
        if charset:
            proofs = (*proofs, Proof(ProofKind.CHARSET_SANE, tr("every text decoded: {charset}", charset=charset)))
        return Snapshot(tuple(columns), rows, began, self._question.clock(), proofs, population)

    @contextmanager
    def _reading(self) -> Iterator[ReadTransaction]:
        timeouts = DatabaseTimeouts(self._settings.connect_timeout, self._settings.timeout)
        options = Options(self._settings.bytes_as, self._settings.oracle_client, self._lenient, self._settings.tls)
        with reading(self._url(), self._question.source, timeouts, options) as (connection, backend):
            yield ReadTransaction(connection, backend, self._settings, self._question)

    def _url(self) -> URL:
        """Return the database's current URL. Raises SourceRefused."""
        source, written = self._question.source, reveal(self._settings.url, self._question.source)
        try:
            self._settings.refuse_what_no_driver_does(written)
        except ValueError as error:
            raise SourceRefused(
                tr("{source}: {error}", source=source, error=error),
                tr("run clearance check {source}.", source=source),
                has_fix=True,
            ) from None
        url = make_url(written)
        for query in (*self._settings.queries(), *([self._question.as_of] if self._question.as_of else [])):
            self._refuse_query(query, url.get_backend_name())
        return url

    def _refuse_query(self, query: str, database: str) -> None:
        """Raise SourceRefused for a query that does more than read, by the rules of this database."""
        # A colon that is not a parameter is escaped with a backslash, which is not sent.
        for sent in dict.fromkeys((query, _ESCAPED_COLON.sub(r"\1", query))):
            try:
                refuse(sent, database, self._settings.allows)
            except QueryRefused as error:
                source = self._question.source
                raise SourceRefused(
                    tr("{source}: the query is not sent: {error}", source=source, error=error),
                    tr(
                        "Correct it in {table}, then run: clearance check {source}.",
                        table=table_of(source),
                        source=source,
                    ),
                ) from None


def _ignore_progress(_done: int) -> None:
    """Report no progress."""


def connect(settings: Settings, question: Question) -> Sql:
    """Return the connector; it does not connect yet."""
    return Sql(settings, question)
