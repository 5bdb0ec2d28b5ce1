"""A library, by SIP2, the protocol of its self-check machines: loans, money owed, or stopped privileges.

Nearly every library's system supports SIP2 (3M Standard Interchange Protocol 2.00), and answers about one reader at a
time: each number on the roster is asked about by 63, and the answer is a 64. A student without an answer, or with a
doubtful one, stays as before or unknown, and is never cleared; with too many of them, the pull fails. Koha records each
question as the reader's last visit.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from math import ceil
from typing import Annotated, ClassVar, Literal, Self, TypeAlias

from pydantic import Field, model_validator

from config.tables.secrets import Text
from connectors.by_student.each_student import owners_of, roster_candidates
from connectors.by_student.sip2_line import Sip2Line
from connectors.by_student.sip2_patrons import Flag, PatronAnswer, PatronQuestion, Readers
from connectors.by_student.sip2_service import pull_summary, refuse_unsupported, service_summary, service_warnings
from connectors.by_student.sip2_wire import Sip2Terminal
from connectors.cells.letters import Letters
from connectors.http.worker_pool import Pause, PerStudent, Timer, ask_each
from connectors.own_keys.questions import KnownQuestions
from connectors.port import (
    Candidates,
    Cell,
    Progress,
    Proof,
    ProofKind,
    Question,
    Sample,
    Snapshot,
    SourceGarbled,
    SourceUnavailable,
    no_progress,
    together,
)
from foundation.translation import N_, tr, tr_n
from status_db.model import normalise_number

#: The columns of each question.
_OFFERED = {
    "loans": ("number", "title", "due", "barcode"),
    "fines": ("number", "title", "amount", "currency"),
    "blocks": ("number", "title", "flag"),
}

_COLUMNS = {
    "loans": {"student": "number", "title": "title", "due": "due", "reference": "barcode"},
    "fines": {"student": "number", "title": "title", "amount": "amount"},
    "blocks": {"student": "number", "title": "title", "reference": "flag"},
}

#: The most numbers that a check asks about to find a record.
_SAMPLED = 10

_ENCODING = N_("Mostly it is utf-8 or gb18030. Ask the library which encoding its service sends, and correct encoding.")


class Sip2Pace(PerStudent):
    """The pace of SIP2: few services accept more connections than they have self-check machines."""

    at_once: Annotated[int, Field(ge=1, le=32)] = 1
    per_second: Annotated[float, Field(gt=0, le=1_000)] = 10


class Settings(KnownQuestions, Sip2Line):
    """Where the service is, its protocol options, and what is asked."""

    mappings = _COLUMNS
    #: Keys about how to ask, and not about what: a change of these does not change the question.
    how: ClassVar[frozenset[str]] = frozenset({"tls", "terminator", "resends", "per_student"})

    asks: Literal["loans", "fines", "blocks"]
    #: With asks = "blocks": the flags of a reader's status that count.
    flags: tuple[Flag, ...] = ()
    #: The institution (AO); left out, the one that the service reports.
    institution: Text = ""
    #: Ask for the lists of loans and fines, and compare them with the counts.
    lists: bool = True
    #: Ask about each item on loan, for its title and due date.
    titles: bool = True
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")] = "CNY"
    #: The meaning of a card that the library does not know: unknown, or nothing is owed.
    missing: Literal["outside", "nothing"] = "outside"
    #: The largest share of numbers without a sure answer; these are not released.
    most_doubtful: Annotated[float, Field(ge=0, le=0.5)] = 0.05
    per_student: Sip2Pace = Sip2Pace()

    @model_validator(mode="after")
    def _names_flags_rightly(self) -> Self:
        if (self.asks == "blocks") != bool(self.flags):
            raise ValueError(
                tr(
                    'asks = "blocks" requires flags, and no other question uses them: '
                    'write flags = ["charge"] or the like'
                )
            )
        return self


class Sip2:
    """A connector that asks about every number of every student on the roster."""

    def __init__(self, settings: Settings, question: Question, timer: Timer | None = None) -> None:
        self._settings = settings
        self._question = question
        self._timer = timer
        s = settings
        titles = s.titles and not {"title", "due"}.isdisjoint(question.columns.values())
        self._asks = PatronQuestion(
            s.asks, s.flags, s.lists, titles, s.institution, s.currency, s.encoding, s.missing == "nothing"
        )

    def pull(self, progress: Progress = no_progress) -> Snapshot:
        """Return the answers about all students on the roster; `progress` counts numbers."""
        self._refuse_columns()
        began, candidates = self._question.clock(), roster_candidates(self._question)
        numbers = candidates.every_number()
        answers = self._ask_numbers(numbers, candidates, progress)
        if not any(answer.known and not answer.assumed for answer in answers.values()):
            raise SourceGarbled(
                tr(
                    "{source} knows no student on the roster ({numbers} numbers; {cause})",
                    source=self._question.source,
                    numbers=len(numbers),
                    cause=_main_doubt(_doubts(numbers, answers)) or tr("cards that it does not know"),
                ),
                tr("Check that the roster has the numbers on the readers' cards: run clearance check."),
            )
        return self._snapshot(numbers, answers, candidates, began)

    def pull_these(self, numbers: Sequence[str], progress: Progress = no_progress) -> Snapshot:
        """Return the answers about these numbers; none of them is from a cache."""
        self._refuse_columns()
        began, candidates = self._question.clock(), self._question.candidates()
        return self._snapshot(numbers, self._ask_numbers(numbers, candidates, progress), candidates, began, some=True)

    def pull_one(self, student: str) -> Snapshot:
        """Return the answer about one number."""
        self._refuse_columns()
        began, candidates = self._question.clock(), self._question.candidates()
        with self._opening(candidates)(_no_pause) as ask:
            return self._snapshot([student], {student: ask(student)}, candidates, began, some=True)

    def check(self) -> Sample:
        """Log in, read the service's status, and ask about the roster's first numbers until one has a row."""
        self._refuse_columns()
        with Sip2Terminal(self._settings, self._question) as terminal:
            status = terminal.status()
            refuse_unsupported(terminal, status)
        candidates = roster_candidates(self._question)
        numbers, answer, known = candidates.every_number()[:_SAMPLED], PatronAnswer(), 0
        doubts: dict[str, None] = {}
        with self._opening(candidates)(_no_pause) as ask:
            for number in numbers:
                answer = ask(number)
                known += answer.known and not answer.assumed
                doubts |= dict.fromkeys([answer.doubt] if answer.doubt else [])
                if answer.rows:
                    break
        rows = self._rows_of_answer(numbers[0], answer, {})
        row = dict(zip(self._question.columns, rows[0], strict=True)) if rows else None
        items = self._asks.titles and self._settings.asks == "loans"
        warnings = [
            *service_warnings(status, self._settings, self._settings.institution, items=items),
            *answer.warnings,
            *(tr("{doubt}: such an answer releases no student.", doubt=doubt) for doubt in doubts),
        ]
        if not known:
            warnings.append(
                tr(
                    "None of the roster's first {numbers} numbers is a reader's: check which number is on the "
                    "readers' cards, and add that column to the roster as an alias.",
                    numbers=len(numbers),
                )
            )
        where = tr("{host}:{port}, clear text", host=self._settings.host, port=self._settings.port)
        if self._settings.tls:
            where = f"{self._settings.host}:{self._settings.port}, TLS"
        lists = self._settings.asks if self._settings.lists else ""
        notes = (
            service_summary(status),
            pull_summary(
                self._settings, lists, self._settings.per_student, len(candidates.every_number()), items=items
            ),
            tr("Koha records each of these questions as the reader's last visit."),
        )
        return Sample(where, _OFFERED[self._settings.asks], row, tuple(warnings), notes, rows)

    def _ask_numbers(
        self, numbers: Sequence[str], candidates: Candidates, progress: Progress
    ) -> dict[str, PatronAnswer]:
        """Return the answers. Raises SourceUnavailable where too many numbers have no answer or a doubtful one."""
        most = ceil(self._settings.most_doubtful * len(numbers))
        limits, source = self._settings.per_student, self._question.source
        answers = ask_each(numbers, self._opening(candidates), limits, source, progress, self._timer, most)
        doubts = _doubts(numbers, answers)
        if len(doubts) > most and len(numbers) > 1:
            raise SourceUnavailable(
                tr(
                    "{source}: {doubts} of {numbers} numbers have no sure answer, mostly because of {doubt}",
                    source=source,
                    doubts=len(doubts),
                    numbers=len(numbers),
                    doubt=_main_doubt(doubts),
                ),
                tr(
                    "The largest share that is accepted is most_doubtful. The next run tries again. Check "
                    "institution, encoding, currency and lists with clearance check."
                ),
            )
        return answers

    def _opening(self, candidates: Candidates) -> "_Opening":
        owners = owners_of(candidates)

        @contextmanager
        def opening(_pause: Pause) -> Iterator[Callable[[str], PatronAnswer]]:
            with Sip2Terminal(self._settings, self._question) as terminal:
                readers = Readers(terminal, self._asks, owners)

                def ask(number: str) -> PatronAnswer:
                    refuse_unsupported(terminal, terminal.status())
                    return readers.about(number)

                yield ask

        return opening

    def _snapshot(
        self,
        numbers: Sequence[str],
        answers: Mapping[str, PatronAnswer],
        candidates: Candidates,
        began: datetime,
        *,
        some: bool = False,
    ) -> Snapshot:
        """Return all answers as one, with the proofs that no student was left out."""
        doubts, ended, fields = _doubts(numbers, answers), self._question.clock(), tuple(self._question.columns)
        owner = _one_owner(candidates)
        parts = [
            Snapshot(
                fields, self._rows_of_answer(number, answer, owner), began, ended, (), [number] if answer.known else []
            )
            for number, answer in answers.items()
        ]
        whole = together(parts or [Snapshot(fields, [], began, ended, (), [])])
        letters = Letters(self._question.source, self._question.columns, tr(_ENCODING))
        letters.look(whole.rows, 0)
        letters.finish(whole.rows, self._question.candidates)
        asked = tr_n("{number} number, each asked separately", "{number} numbers, each asked separately", len(numbers))
        proofs = [
            Proof(ProofKind.NO_PAGE_LOST, tr("{asked}, {doubts} of them in doubt", asked=asked, doubts=len(doubts))),
            Proof(ProofKind.END_REACHED, tr("{number} answers, up to the last number", number=len(answers))),
            Proof(ProofKind.COLUMNS_PRESENT, tr(", ").join(self._question.columns.values())),
        ]
        if self._asks.question != "blocks" and self._asks.lists:
            proofs.append(
                Proof(
                    ProofKind.TOTAL_AGREES,
                    tr("each list has as many entries as its count, except {doubts} in doubt", doubts=len(doubts)),
                )
            )
        if letters.sane:
            proofs.append(
                Proof(
                    ProofKind.CHARSET_SANE, tr("{count} rows decoded, no replacement character", count=len(whole.rows))
                )
            )
        warnings = list(dict.fromkeys(warning for answer in answers.values() for warning in answer.warnings))
        warnings += [
            tr(
                "{count} of {numbers} numbers: {doubt}; this answer releases none of them.",
                count=count,
                numbers=len(numbers),
                doubt=doubt,
            )
            for doubt, count in Counter(doubts.values()).most_common()
        ]
        warnings += _assumed(candidates, answers)
        return Snapshot(
            fields,
            whole.rows,
            began,
            ended,
            tuple(proofs),
            whole.population,
            candidates=None if some else candidates.revision,
            unsettled=tuple(doubts),
            warnings=(*warnings, *letters.warnings()),
        )

    def _rows_of_answer(self, asked: str, answer: PatronAnswer, owner: Mapping[str, str]) -> list[tuple[Cell, ...]]:
        """Return rows in the question's order, with the student's own number where the number has one owner.

        A system that is asked by two cards of one reader can answer with each of them; the two answers are then one.
        """
        number = owner.get(asked)
        rows: list[tuple[Cell, ...]] = []
        for row in answer.rows:
            owner_number = number or row["number"]
            # Where only the count is known, a loan has no other identifier; loans of two readers must differ.
            reference = {"barcode": f"{owner_number}/{row['position']}"} if "position" in row else {}
            own = {**row, "number": owner_number, **reference}
            rows.append(tuple(own.get(column) for column in self._question.columns.values()))
        return rows

    def _refuse_columns(self) -> None:
        offered = _OFFERED[self._settings.asks]
        for field, column in self._question.columns.items():
            if column not in offered:
                raise SourceGarbled(
                    tr(
                        '{source}: {asks} over SIP2 have no column "{column}" (they have {columns})',
                        source=self._question.source,
                        asks=self._settings.asks,
                        column=column,
                        columns=tr(", ").join(offered),
                    ),
                    tr("Correct columns.{field} in [source.{source}].", field=field, source=self._question.source),
                )


#: Opens a session and returns the function that asks about one number.
_Opening: TypeAlias = Callable[[Pause], AbstractContextManager[Callable[[str], PatronAnswer]]]


def _no_pause(_seconds: float) -> None:
    """Do not wait: one number is not paced."""


def _doubts(numbers: Sequence[str], answers: Mapping[str, PatronAnswer]) -> dict[str, str]:
    """Return the numbers with a doubtful answer, each with its doubt."""
    silent = PatronAnswer(doubt=tr("no answer"))
    found = {number: answers.get(number, silent).doubt for number in numbers}
    return {number: doubt for number, doubt in found.items() if doubt}


def _assumed(candidates: Candidates, answers: Mapping[str, PatronAnswer]) -> list[str]:
    """Return a warning with the number of students that are clear only because the library does not know them."""
    nothing = PatronAnswer()
    theirs = [[answers.get(number, nothing) for number in numbers] for numbers in candidates.numbers.values()]
    count = sum(any(a.assumed for a in each) and not any(a.known and not a.assumed for a in each) for each in theirs)
    if not count:
        return []
    return [
        tr(
            "{count} of {theirs} students have no card that the library knows; they owe nothing, because of "
            'missing = "nothing".',
            count=count,
            theirs=len(theirs),
        )
    ]


def _main_doubt(doubts: Mapping[str, str]) -> str:
    """Return the most frequent doubt."""
    return Counter(doubts.values()).most_common(1)[0][0] if doubts else ""


def _one_owner(candidates: Candidates) -> dict[str, str]:
    """Return the student of each number that has one owner."""
    owners: dict[str, set[str]] = {}
    for student, theirs in candidates.numbers.items():
        for number in theirs:
            owners.setdefault(normalise_number(number), set()).add(student)
    return {
        number: next(iter(owners[normalise_number(number)]))
        for number in candidates.every_number()
        if len(owners[normalise_number(number)]) == 1
    }


def connect(settings: Settings, question: Question) -> Sip2:
    """Return the connector; it opens nothing yet."""
    return Sip2(settings, question)
