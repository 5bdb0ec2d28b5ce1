"""What a connector is: it asks one office system one question and returns a whole Snapshot, or raises.

A connector is one module of this package with two names in it:

- `Settings`: a frozen pydantic model of the connector's own keys in a `[source.NAME]` table;
- `connect(settings, question) -> Connector`: returns the connector; it opens nothing yet.

There are three errors, named by the reaction to them: `SourceUnavailable` (try again), `SourceRefused` (change an
account, a right or an address), `SourceGarbled` (correct the mapping, or the source).
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, tzinfo
from enum import StrEnum
from typing import Protocol, TypeAlias, runtime_checkable

from foundation.refusals import Refused
from foundation.translation import N_, tr
from status_db.model import ROSTER, normalise_number
from status_db.student_numbers import is_empty, may_mean

#: One cell as the driver gives it: text, number, Decimal, date, datetime, bytes or None.
Cell: TypeAlias = object

#: Called while rows arrive, with the number read so far and the number expected, if that is known.
Progress: TypeAlias = Callable[[int, int | None], None]

#: Returns the current time, with its zone.
Clock: TypeAlias = Callable[[], datetime]


def no_progress(_done: int, _expected: int | None) -> None:
    """Show nothing."""


class ProofKind(StrEnum):
    """What a proof shows about a pull."""

    #: As many rows arrived as the source itself counted, in the same consistent read.
    TOTAL_AGREES = "total_agrees"
    #: The source's own end was seen: the last page, the end of the file's structure.
    END_REACHED = "end_reached"
    #: Every page arrived once: no page is missing, none is a duplicate.
    NO_PAGE_LOST = "no_page_lost"
    #: Reading ended before any row limit.
    LIMIT_NOT_HIT = "limit_not_hit"
    #: Every mapped column is there.
    COLUMNS_PRESENT = "columns_present"
    #: The text decodes without replacement characters.
    CHARSET_SANE = "charset_sane"
    #: The settings accept a weaker proof in place of a total, by its name.
    ACCEPTED = "accepted"
    #: The source's own fingerprint equals that of the last answer that was read whole, so nothing was read.
    FINGERPRINT_SAME = "fingerprint_same"
    #: Questions about single held students returned the same as the whole answer.
    ONE_AGREES = "one_agrees"
    #: A second pass returned the same rows.
    SECOND_PASS_AGREES = "second_pass_agrees"  # noqa: S105 - a pass over rows, not a word to enter with


@dataclass(frozen=True, slots=True)
class Proof:
    """One fact that a pull has shown, with its figures."""

    kind: ProofKind
    detail: str


@dataclass(frozen=True, slots=True)
class Candidates:
    """The students that a source is asked about by number: those on the roster that have the source's step."""

    #: Student → every number of theirs, the student's own first.
    numbers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    #: The roster's revision at which they were read; None when there is no roster.
    revision: int | None = None

    def every_number(self) -> tuple[str, ...]:
        """Return all numbers, each once, in order."""
        return tuple(sorted({number for theirs in self.numbers.values() for number in theirs}))

    def chunks(self, most: int) -> list[tuple[str, ...]]:
        """Return every number once, in chunks of about `most`; all numbers of one student are in one chunk."""
        chunks: list[dict[str, None]] = []
        for _, theirs in sorted(self.numbers.items()):
            if not chunks or len(chunks[-1]) + len(theirs) > most:
                chunks.append({})
            chunks[-1].update(dict.fromkeys(theirs))
        return [tuple(chunk) for chunk in chunks]


def no_candidates() -> Candidates:
    """Return no candidates, for a question that is asked without a roster."""
    return Candidates()


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, in a form that every connector understands."""

    #: The source's name in the settings, for messages.
    source: str
    #: Our field → the source's column, as mapped in the settings. `student` is always among them.
    columns: Mapping[str, str]
    #: Returns the times `began` and `ended`.
    clock: Clock
    #: Reads the students to ask about, for a source that is asked by number and not for all students.
    candidates: Callable[[], Candidates] = no_candidates
    #: The first and the last day of the cohort's windows, for a source that is asked by date; None without a window.
    opens: date | None = None
    closes: date | None = None
    #: The key of the cohort, for a query that binds it; empty for a question about several cohorts.
    cohort: str = ""
    #: A query for the moment up to which the data reach, for a database; empty where the settings name none.
    as_of: str = ""
    #: The zone of times without a zone.
    zone: tzinfo = UTC


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that a source returns between `began` and `ended`; complete, or it does not exist.

    `rows` have one cell per field, in the order of `fields`, as the driver returns them; `fields[0]` is `"student"`.
    Their order has no meaning. Rows with an empty student cell are kept: the reconciler counts them.
    """

    fields: tuple[str, ...]
    rows: Sequence[tuple[Cell, ...]]
    began: datetime
    ended: datetime
    proofs: tuple[Proof, ...]
    #: The numbers of all students that the source knows, as it writes them; None when it names no population.
    population: Sequence[Cell] | None = None
    #: The roster's revision, if the source was asked only about its students; None for an answer about all.
    candidates: int | None = None
    #: The source's fingerprint of this answer, or of one not later; None where it has none.
    fingerprint: bytes | None = None
    #: Student numbers, as the source writes them, without a sure answer: their rows differ between the readings of
    #: this pull, or their answer is missing or contradictory. It may hold these students, and releases none of them.
    unsettled: Sequence[Cell] = ()
    #: The moment up to which the data reach, as the source itself reports; None where the settings name none.
    as_of: datetime | None = None
    #: Where each row is in the office's own list (a row of the sheet, from 1), in the order of `rows`; None elsewhere.
    places: Sequence[int] | None = None
    #: What is doubtful in the answer, such as a letter that could not be decoded, for the run's record.
    warnings: tuple[str, ...] = ()

    def about(self, student: str) -> "Snapshot":
        """Return the rows that may be about one student, compared by our own form of the number.

        Uncertain rows are kept too: a row whose key contains the number, and a row without a key below one of the
        student's. The reconciler decides about each as it does for the whole answer.
        """
        asked = normalise_number(student)
        known = None if self.population is None else [cell for cell in self.population if may_mean(cell, asked)]
        kept: list[int] = []
        below = False
        for at, row in enumerate(self.rows):
            below = below if is_empty(row[0]) else may_mean(row[0], asked)
            if below:
                kept.append(at)
        places = None if self.places is None else [self.places[at] for at in kept]
        return replace(self, rows=[self.rows[at] for at in kept], population=known, places=places)


def together(answers: Sequence[Snapshot]) -> Snapshot:
    """Return several answers of one source to the same question, each about another student, as one.

    It has the proofs that each answer has, with the details of the first; it has a population when each answer has
    one. A row that is in several answers counts as often as in the answer that has it most often: an office that is
    asked by one number may also answer about another number of the same student.
    """
    first, last = answers[0], answers[-1]
    shown = set.intersection(*({proof.kind for proof in answer.proofs} for answer in answers))
    known = [answer.population for answer in answers if answer.population is not None]
    return replace(
        first,
        rows=_rows_once(answers),
        ended=last.ended,
        proofs=tuple(proof for proof in first.proofs if proof.kind in shown),
        population=[cell for cells in known for cell in cells] if len(known) == len(answers) else None,
        unsettled=tuple(cell for answer in answers for cell in answer.unsettled),
        places=None,
        warnings=tuple(dict.fromkeys(warning for answer in answers for warning in answer.warnings)),
    )


def _rows_once(answers: Sequence[Snapshot]) -> list[tuple[Cell, ...]]:
    """Return the rows of all answers, without those that an earlier answer already has."""
    rows = list(answers[0].rows)
    if len(answers) == 1:
        return rows
    taken = Counter(map(repr, _blocks(rows)))
    for answer in answers[1:]:
        theirs = Counter[str]()
        for block in _blocks(answer.rows):
            written = repr(block)
            theirs[written] += 1
            if theirs[written] > taken[written]:
                taken[written] += 1
                rows += block
    return rows


def _blocks(rows: Iterable[tuple[Cell, ...]]) -> Iterator[list[tuple[Cell, ...]]]:
    """Yield each row together with the rows below it that have no key."""
    block: list[tuple[Cell, ...]] = []
    for row in rows:
        if block and not is_empty(row[0]):
            yield block
            block = []
        block.append(row)
    if block:
        yield block


#: The most rows that a check reads.
SAMPLE_ROWS = 10_000


@dataclass(frozen=True, slots=True)
class Sample:
    """The result of `clearance check` for a source that answers."""

    #: The location without secrets: host and database, address, file.
    where: str
    #: The columns the source offers, in its own order.
    columns: tuple[str, ...]
    #: One row by our fields; None when there is no row at all.
    row: Mapping[str, Cell] | None
    #: What works but needs attention, each ending with the fix.
    warnings: tuple[str, ...] = ()
    #: What else the source reports, and what a sync will ask; nothing to fix.
    notes: tuple[str, ...] = ()
    #: The rows that were read, as a pull returns them; empty where a check reads none in that form.
    rows: Sequence[tuple[Cell, ...]] = ()
    #: Where each of them is in the office's own list; None elsewhere.
    places: Sequence[int] | None = None
    #: Whether these are all rows.
    whole: bool = False

    def answer(self, began: datetime) -> Snapshot | None:
        """Return the rows as a Snapshot without proofs; None where there is no row."""
        if self.row is None or not self.rows:
            return None
        return Snapshot(tuple(self.row), self.rows, began, began, (), places=self.places)


def row_alone(row: Mapping[str, Cell] | None) -> tuple[tuple[Cell, ...], ...]:
    """Return a sample's row as the only row; no row where the check does not find its student."""
    return () if row is None or is_empty(row["student"]) else (tuple(row.values()),)


class Connector(Protocol):
    """A client that asks one question. It keeps nothing open between calls; you can call it again after any error.

    A connector whose `pull_one` reads the whole answer and keeps one student's rows has the attribute
    `one_reads_all = True`. Any other must return the same for single students as in the whole answer before a recheck
    can clear.
    """

    def pull(self, progress: Progress = no_progress) -> Snapshot:
        """Return everything the source has now.

        Raises SourceUnavailable, SourceRefused or SourceGarbled; never returns a part.
        """
        ...

    def pull_one(self, student: str) -> Snapshot:
        """Return everything the source has now about the student with this number, with proofs.

        `population` then holds at most that student. Raises as `pull` does.
        """
        ...

    def check(self) -> Sample:
        """Connect, read the columns and the first rows, and return what was found. Raises as `pull` does."""
        ...


def reads_all_for_one(connector: Connector) -> bool:
    """Return whether a connector reads the whole answer for one student: then there is nothing to prove."""
    return bool(getattr(connector, "one_reads_all", False))


@runtime_checkable
class AsksByNumber(Protocol):
    """A connector that can ask about some students only, at a lower cost than the whole answer."""

    def pull_these(self, numbers: Sequence[str], progress: Progress = no_progress) -> Snapshot:
        """Return everything the source has now about these numbers, with proofs.

        It is a second look: no cache may answer it. `population` then holds at most these numbers. Raises as `pull`
        does; never returns a part.
        """
        ...


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """A value that identifies a source's answer without reading it."""

    value: bytes
    #: When it was requested: its answer is not older.
    began: datetime
    #: What the value is made from, for the run's record.
    detail: str


@runtime_checkable
class Fingerprinted(Protocol):
    """A connector that can detect an unchanged answer, at a lower cost than the whole answer."""

    def fingerprint(self) -> Fingerprint | None:
        """Return the fingerprint of what `pull` would return now; None where the settings use none.

        Raises as `pull` does.
        """
        ...


def table_of(source: str) -> str:
    """Return the table of the settings that a source has, for messages."""
    return f"[{source}]" if source == ROSTER else f"[source.{source}]"


class SourceCode(StrEnum):
    """What resolves a source's failure: time, the office, or a change of the settings."""

    #: The source did not answer, or not in time. A later attempt may succeed.
    UNAVAILABLE = "unavailable"
    #: The source refused the question: an account, a right or an address must be changed.
    REFUSED = "refused"
    #: The answer is not what was asked for: the mapping, or the source, must be corrected.
    GARBLED = "garbled"


class SourceError(Refused[SourceCode]):
    """The failure of a source to return a whole answer. The text states what happened, then the fix."""

    def __init__(self, what: str, fix_text: str, *, has_fix: bool = False) -> None:
        """`has_fix`: `what` ends with a fix already, and `fix_text` is what to do after it."""
        self.what = what
        self.fix_text = fix_text
        text = N_("{what}. Afterwards: {fix_text}") if has_fix else N_("{what}. {fix_text}")
        super().__init__(self.code, tr(text, what=what, fix_text=fix_text))


class SourceUnavailable(SourceError):  # noqa: N818 - named by the reaction, not by the rank
    """No answer, or not in time: trying again later may help."""

    code = SourceCode.UNAVAILABLE


class SourceRefused(SourceError):  # noqa: N818 - named by the reaction, not by the rank
    """The source refused the question: an account, a right or an address must be changed."""

    code = SourceCode.REFUSED


class SourceGarbled(SourceError):  # noqa: N818 - named by the reaction, not by the rank
    """The answer is not what was asked for: the mapping, or the source, must be corrected."""

    code = SourceCode.GARBLED
