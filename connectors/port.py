"""What a connector is: something that asks one office system one question and brings back a whole Snapshot, or raises.

A connector is one module of this package with two names in it:

- `Settings`: a frozen pydantic model of the connector's own keys in a `[source.NAME]` table;
- `connect(settings, question) -> Connector`: makes one; it opens nothing yet.

There are three ways to fail, named by what somebody must do about it: `SourceUnavailable` (try again),
`SourceRefused` (call someone), `SourceGarbled` (mend the mapping, or the source).
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, tzinfo
from enum import StrEnum
from typing import Protocol, TypeAlias, runtime_checkable

from foundation.refusals import Refused
from status_db.model import ROSTER, normalise_number
from status_db.student_numbers import is_empty, may_mean

#: One cell as the driver gives it: text, number, Decimal, date, datetime, bytes or None.
Cell: TypeAlias = object

#: Called while rows arrive, with the number read so far and the number expected, if that is known.
Progress: TypeAlias = Callable[[int, int | None], None]

#: Tells the time, aware.
Clock: TypeAlias = Callable[[], datetime]


def no_progress(_done: int, _expected: int | None) -> None:
    """Show nothing."""


class ProofKind(StrEnum):
    """What a proof shows about a pull."""

    #: As many rows arrived as the source itself counted, in the same consistent read.
    TOTAL_AGREES = "total_agrees"
    #: The source's own end was seen: the last page, the end of the file's structure.
    END_REACHED = "end_reached"
    #: Every page came once: none lost, none doubled.
    NO_PAGE_LOST = "no_page_lost"
    #: Reading ended before any row limit.
    LIMIT_NOT_HIT = "limit_not_hit"
    #: Every mapped column is there.
    COLUMNS_PRESENT = "columns_present"
    #: The text decodes without replacement characters.
    CHARSET_SANE = "charset_sane"
    #: The settings accept a weaker proof in place of a total, by its name.
    ACCEPTED = "accepted"
    #: The source's own fingerprint is the one of the last answer that was read whole, so nothing was brought.
    FINGERPRINT_SAME = "fingerprint_same"
    #: Asking about some held students one by one gave what the whole answer gave.
    ONE_AGREES = "one_agrees"
    #: A second pass brought the same rows.
    SECOND_PASS_AGREES = "second_pass_agrees"  # noqa: S105 - a pass over rows, not a word to enter with


@dataclass(frozen=True, slots=True)
class Proof:
    """One thing that was shown about a pull, with the figures it rests on."""

    kind: ProofKind
    detail: str


@dataclass(frozen=True, slots=True)
class Candidates:
    """Who may be asked about by number: the roster's students who have the source's step, at one of its revisions."""

    #: Student → every number of theirs, the student's own first.
    numbers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    #: The roster's revision they were read at; None when there is no roster to read.
    revision: int | None = None

    def every_number(self) -> tuple[str, ...]:
        """Return all numbers, each once, in order."""
        return tuple(sorted({number for theirs in self.numbers.values() for number in theirs}))

    def chunks(self, most: int) -> list[tuple[str, ...]]:
        """Return every number, about `most` at a time; all of one student's stand in one chunk, each once."""
        chunks: list[dict[str, None]] = []
        for _, theirs in sorted(self.numbers.items()):
            if not chunks or len(chunks[-1]) + len(theirs) > most:
                chunks.append({})
            chunks[-1].update(dict.fromkeys(theirs))
        return [tuple(chunk) for chunk in chunks]


def nobody() -> Candidates:
    """Name no candidates, where a question is asked without a roster."""
    return Candidates()


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, in words that every connector understands."""

    #: The source's name in the settings, for messages.
    source: str
    #: Our field → the source's column, as mapped in the settings. `student` is always among them.
    columns: Mapping[str, str]
    #: Tells `began` and `ended`.
    clock: Clock
    #: Reads whom it is about, for a source that is asked by number and not for everybody.
    candidates: Callable[[], Candidates] = nobody
    #: The first and the last day of the cohort's windows, for a source that is asked by date; None without a window.
    opens: date | None = None
    closes: date | None = None
    #: The key of the cohort it is about, for a query that binds it; empty for a question about several.
    cohort: str = ""
    #: A query for the moment up to which the data reach, for a database; empty where the settings name none.
    as_of: str = ""
    #: The zone of times that name none.
    zone: tzinfo = UTC


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that a source says between `began` and `ended`; complete, or it does not exist.

    `rows` hold one cell per field, in the order of `fields`, as the driver gave them; `fields[0]` is `"student"`.
    Their order carries no meaning. Rows whose student cell is empty are kept: the reconciler counts them.
    """

    fields: tuple[str, ...]
    rows: Sequence[tuple[Cell, ...]]
    began: datetime
    ended: datetime
    proofs: tuple[Proof, ...]
    #: Student numbers, as the source writes them, of everybody the source knows; None when it names no population.
    population: Sequence[Cell] | None = None
    #: The roster's revision whose students alone it was asked about; None for an answer about everybody.
    candidates: int | None = None
    #: The source's fingerprint of this very answer, or of one not later; None where it has none.
    fingerprint: bytes | None = None
    #: Student numbers, as the source writes them, whose rows differed between the readings of this pull, or about whom
    #: the answer did not come or does not add up: it may hold these students, and releases none of them.
    unsettled: Sequence[Cell] = ()
    #: The moment up to which the source itself says that its data reach; None where the settings name none.
    as_of: datetime | None = None
    #: Where each row is in the office's own list (a row of the sheet, from 1), in the order of `rows`; None elsewhere.
    places: Sequence[int] | None = None
    #: What was read with a reservation, such as a letter that could not be decoded, for the run's record.
    warnings: tuple[str, ...] = ()

    def about(self, student: str) -> "Snapshot":
        """Return as much of it as may be about one student, by our own form of the number and not by the source's.

        Rows that may only turn out to be theirs are kept, such as one whose key contains the number, and rows without
        a key below one of theirs: the reconciler decides about each as it does for the whole answer.
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
    """Return several answers of one source to the same question, each about somebody else, as one.

    It shows what each of them shows, in the words of the first; it knows a population when each of them does. A row
    that several of them hold counts as often as in the one that holds it most: an office that is asked by one number
    may answer about another of the same person, too.
    """
    first, last = answers[0], answers[-1]
    shown = set.intersection(*({proof.kind for proof in answer.proofs} for answer in answers))
    known = [answer.population for answer in answers if answer.population is not None]
    return replace(
        first,
        rows=_each_once(answers),
        ended=last.ended,
        proofs=tuple(proof for proof in first.proofs if proof.kind in shown),
        population=[cell for cells in known for cell in cells] if len(known) == len(answers) else None,
        unsettled=tuple(cell for answer in answers for cell in answer.unsettled),
        places=None,
        warnings=tuple(dict.fromkeys(warning for answer in answers for warning in answer.warnings)),
    )


def _each_once(answers: Sequence[Snapshot]) -> list[tuple[Cell, ...]]:
    """Return the rows of all answers, without those that an earlier answer holds already."""
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
    """Give each row together with those below it that have no key of their own."""
    block: list[tuple[Cell, ...]] = []
    for row in rows:
        if block and not is_empty(row[0]):
            yield block
            block = []
        block.append(row)
    if block:
        yield block


#: A check reads at most so many rows.
SAMPLE_ROWS = 10_000


@dataclass(frozen=True, slots=True)
class Sample:
    """What `clearance check` shows of a source that answers."""

    #: Where it was found, without any secret: host and database, address, file.
    where: str
    #: The columns the source offers, in its own order.
    columns: tuple[str, ...]
    #: One row by our fields; None when there is no row at all.
    row: Mapping[str, Cell] | None
    #: What works but should be looked at, each ending with the way out.
    warnings: tuple[str, ...] = ()
    #: What else it says of itself, and what a sync will ask; nothing to be mended.
    notes: tuple[str, ...] = ()
    #: The rows that were read, as a pull brings them; empty where a check reads none in that form.
    rows: Sequence[tuple[Cell, ...]] = ()
    #: Where each of them is in the office's own list; None elsewhere.
    places: Sequence[int] | None = None
    #: Whether they are all there are.
    whole: bool = False

    def answer(self, began: datetime) -> Snapshot | None:
        """Return what was read in the form of an answer, without its proofs; None where there is no row."""
        if self.row is None or not self.rows:
            return None
        return Snapshot(tuple(self.row), self.rows, began, began, (), places=self.places)


def row_alone(row: Mapping[str, Cell] | None) -> tuple[tuple[Cell, ...], ...]:
    """Return a sample's row as the only one that was read; none where a check does not find out whose it is."""
    return () if row is None or is_empty(row["student"]) else (tuple(row.values()),)


class Connector(Protocol):
    """Asks one question. It keeps nothing open between calls and may be called again after any error.

    A connector whose `pull_one` reads the whole answer and keeps one student's rows says so with an attribute
    `one_reads_all = True`; any other is shown to say the same of one student before a recheck may clear.
    """

    def pull(self, progress: Progress = no_progress) -> Snapshot:
        """Return everything the source says now.

        Raises SourceUnavailable, SourceRefused or SourceGarbled; never returns a part.
        """
        ...

    def pull_one(self, student: str) -> Snapshot:
        """Return everything the source says now about the student with this number, proofs included.

        `population` then holds at most that student. Raises as `pull` does.
        """
        ...

    def check(self) -> Sample:
        """Connect, look at the columns and the first rows, and say what was found. Raises as `pull` does."""
        ...


def reads_all_for_one(connector: Connector) -> bool:
    """Say whether a connector answers about one student out of the whole answer: then there is nothing to prove."""
    return bool(getattr(connector, "one_reads_all", False))


@runtime_checkable
class AsksByNumber(Protocol):
    """A connector that can ask about some students alone, for less than the whole answer costs."""

    def pull_these(self, numbers: Sequence[str], progress: Progress = no_progress) -> Snapshot:
        """Return everything the source says now about these numbers, proofs included.

        It is a second look: no cache may answer it. `population` then holds at most these numbers. Raises as `pull`
        does; never returns a part.
        """
        ...


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What tells a source's answer from another one, without bringing it."""

    value: bytes
    #: When it was asked for: the answer it stands for is not older.
    began: datetime
    #: What it rests on, for the run's record.
    detail: str


@runtime_checkable
class Fingerprinted(Protocol):
    """A connector that can tell whether its source still says the same, for less than the whole answer costs."""

    def fingerprint(self) -> Fingerprint | None:
        """Return the fingerprint of what `pull` would bring now; None where the settings want none.

        Raises as `pull` does.
        """
        ...


def table_of(source: str) -> str:
    """Return the table of the settings that a source has, for messages."""
    return f"[{source}]" if source == ROSTER else f"[source.{source}]"


class SourceCode(StrEnum):
    """Who can do something about a source's failure: time, the office, or whoever wrote the settings."""

    UNAVAILABLE = "unavailable"
    REFUSED = "refused"
    GARBLED = "garbled"


class SourceError(Refused[SourceCode]):
    """A source did not give a whole answer. The text says what happened, then what to do."""

    def __init__(self, what: str, fix_text: str) -> None:
        self.what = what
        self.fix_text = fix_text
        super().__init__(self.code, f"{what}. {fix_text}")


class SourceUnavailable(SourceError):  # noqa: N818 - named by the reaction, not by the rank
    """Nobody answered, or not in time: trying again later may help."""

    code = SourceCode.UNAVAILABLE


class SourceRefused(SourceError):  # noqa: N818 - named by the reaction, not by the rank
    """The source answered and said no: somebody must change an account, a right or an address."""

    code = SourceCode.REFUSED


class SourceGarbled(SourceError):  # noqa: N818 - named by the reaction, not by the rank
    """The source answered something else than was asked for: the mapping, or the source, must be mended."""

    code = SourceCode.GARBLED
