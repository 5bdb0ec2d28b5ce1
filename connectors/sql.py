"""Any database that SQLAlchemy speaks to, asked one question: a SELECT whose columns are mapped to our fields.

The whole answer is read in one read-only transaction that sees one state, streamed, under a statement timeout. In that
same transaction the database counts the rows of the very same query; unless as many arrive, there is no snapshot.
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
from status_db.model import normalise_number

__all__ = ["Settings", "Sql", "connect"]

#: How many times an answer is asked for again whose count does not fit.
_ATTEMPTS = 2

#: So many numbers are bound into one statement: Oracle takes a thousand, SQL Server two thousand.
_NUMBERS_AT_ONCE = 500

#: As SQLAlchemy's text() has it.
_ESCAPED_COLON = re.compile(r"\\(:[\w$]*)(?![:\w$])")

_Answer = TypeVar("_Answer")


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
        settings, about = self._settings, by_number.KeyFilter(numbers)
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
        with self._reading() as read:
            asked = [read.about_these(settings.query, self._question.columns["student"])]
            if settings.population is not None:
                asked.append(read.about_these(settings.population, None))
        query, *population = asked
        if query is None or None in population:
            return None
        return query, population[0] if population else None

    def _limits(self, query: str) -> tuple[OwnLimit, ...]:
        return own_limits(query, self._settings.parameters)

    def fingerprint(self) -> Fingerprint | None:
        """Return the database's own word on whether the answer is another one; None where the settings want none."""
        if not self._settings.fingerprint:
            return None
        parts, _ = self._parts()
        began = self._question.clock()
        with self._reading() as read:
            value = read.fingerprint(parts)
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
            with self._reading() as read:
                read.check_population(settings.population, part)
        with self._reading() as read:
            warnings = (*read.warnings(), *self._announced())
            read.as_of()
            if settings.fingerprint:
                read.fingerprint([part])
            count = read.count(settings.query, [part])
            read.charset(settings.query, part)
            letters = read.letters()
            rows: list[tuple[Cell, ...]] = []
            columns = read.rows(settings.query, part, rows, letters, _untold, SAMPLE_ROWS)
        letters.finish(rows, self._question.candidates)
        row = dict(zip(self._question.columns, rows[0], strict=True)) if rows else None
        whole = len(rows) == count and len(chunks) < 2
        return Sample(read.backend.where, columns, row, (*warnings, *letters.warnings()), rows=rows, whole=whole)

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

    def _announced(self) -> tuple[str, ...]:
        """Announce what limits the rows within the query itself."""
        return tuple(
            f"the query has its own {limit.words}: an answer that may have been cut off there is refused. "
            f"Take it out; limit in {table_of(self._question.source)} guards against too many rows."
            for limit in self._limits(self._settings.query)
        )

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
            with self._reading() as read:
                fingerprint = read.fingerprint(parts) if whole and self._settings.fingerprint else None
                expected = read.count(query, parts)
                charset = read.charset(query, parts[0])
                letters = read.letters()
                rows: list[tuple[Cell, ...]] = []

                def so_far(done: int, expected: int = expected) -> None:
                    progress(done, expected)

                for part in parts:
                    read.rows(query, part, rows, letters, so_far)
                everybody = read.population(population, parts)
                as_of = read.as_of()
            if len(rows) == expected:
                letters.finish(rows, self._question.candidates)
                snapshot = self._snapshot(rows, expected, everybody, began, charset if letters.sane else "")
                return replace(snapshot, fingerprint=fingerprint, as_of=as_of, warnings=letters.warnings())
            tried.append(f"{len(rows)} of {expected}")
        raise SourceUnavailable(
            f"{self._question.source}: the database gave other rows than it counted: {', then '.join(tried)}",
            "It changes while it is read, so it keeps no consistent state: ask a table or view of an engine that does, "
            "or ask at a quieter hour.",
        )

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

    @contextmanager
    def _reading(self) -> Iterator[ReadTransaction]:
        patience = DatabaseTimeouts(self._settings.connect_timeout, self._settings.timeout)
        options = Options(self._settings.bytes_as, self._settings.oracle_client, self._lenient, self._settings.tls)
        with reading(self._url(), self._question.source, patience, options) as (connection, backend):
            yield ReadTransaction(connection, backend, self._settings, self._question)

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


def connect(settings: Settings, question: Question) -> Sql:
    """Return the connector; it opens nothing yet."""
    return Sql(settings, question)
