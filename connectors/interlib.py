"""图创 Interlib, asked through its open interface (openlib): loans, or debts, joined with the readers behind them.

What is public of it, in programs of libraries that use it: `service/barcode/token` gives a token for an `appid` and a
`secret`, which is sent as the parameter `token`; answers are JSON with `success` and, where that is false, words in
`messagelist`, as HTTP 200; a reader's `rdid` is not the student number, which stands in `workcardno`; `rdcfstate` is 1
valid, 2 to be verified, 3 lost, 4 paused, 5 cancelled, in newer releases 10 valid on credit;
`service/barcode/currentloan` and `service/reader/searchdebt` tell of one `rdid`; `service/reader/searchreaderlist`
looks readers up.

Guesses, each of them a setting: that these addresses also tell of everybody, what their lists and their total are
called, and the columns of a loan and of a debt. Where the interface has no list of everybody, the database has: see
`interlib_views`.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from config.tables.secrets import Secret, Text
from connectors import rest
from connectors.by_student.each_student import about_these
from connectors.http.join import JoinWords, joined, plain
from connectors.http.paging import PagePaging
from connectors.http.records import ASKED_NUMBER
from connectors.http.settings import HttpTimeouts, Ok, TokenAuth, column_key
from connectors.http.worker_pool import OwnPace, Pause, walk
from connectors.own_keys.questions import KnownQuestions
from connectors.port import (
    Cell,
    Progress,
    Proof,
    Question,
    Sample,
    Snapshot,
    SourceError,
    no_progress,
    row_alone,
    table_of,
)
from status_db.model import normalise_number

_COLUMNS = {
    "loans": {"student": "workcardno", "title": "title", "due": "returndate", "reference": "barcode"},
    "debts": {"student": "workcardno", "title": "title", "amount": "money", "reference": "tranid"},
}

#: Where each is asked for, and where its list stands.
_OWED = {
    "loans": ("service/barcode/currentloan", "loanlist"),
    "debts": ("service/reader/searchdebt", "debtdetails"),
}


class Settings(KnownQuestions, HttpTimeouts):
    """Where the interface is, what is asked, and what its addresses and columns are called there."""

    mappings = _COLUMNS

    #: The interface's root, such as https://library.example.edu.cn/openlib.
    url: Text
    appid: Text
    secret: Secret
    asks: Literal["loans", "debts"]
    login: str = "service/barcode/token"
    #: Where the token stands in the answer.
    token: str = "messagelist.0.token"  # noqa: S105 - the name of a field
    #: Where readers are listed, with which parameters, and where the list stands in the answer.
    readers: str = "service/reader/searchreaderlist"
    readers_params: dict[str, Text | int] = {}  # noqa: RUF012 - pydantic copies a field's default
    readers_list: str = "readerlist"
    #: The same for what is owed; left out, as `asks` says.
    owed: str = ""
    owed_params: dict[str, Text | int] = {}  # noqa: RUF012 - pydantic copies a field's default
    owed_list: str = ""
    #: Parameters that pick one student's readers, with {student}, and what one of them owes, with {reader}; unless both
    #: are given, everybody is asked for and one is kept.
    one_reader: dict[str, str] = {}  # noqa: RUF012 - pydantic copies a field's default
    one_owed: dict[str, str] = {}  # noqa: RUF012 - pydantic copies a field's default
    #: The column that names the reader in both lists.
    reader: str = "rdid"
    #: The column of a reader's state, and the states that are no longer a reader's; empty where there is none.
    state: str = "rdcfstate"
    cancelled: tuple[str, ...] = ("5",)
    #: The parameters of paging, and where the number of all records stands.
    page: str = "page"
    rows: str = "rows"
    per_page: Annotated[int, Field(ge=1)] = 500
    total: str = "total"
    proofs: Annotated[tuple[Literal["total", "end_of_pages", "second_pass"], ...], Field(min_length=1)] = ("total",)
    #: Fields that a record of what is owed may leave out.
    optional: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if "total" in self.proofs and not self.total:
            raise ValueError("nothing would show that an answer is whole: name total, or accept other proofs")
        if "student" in self.optional:
            raise ValueError('what is nobody\'s cannot be joined: take "student" out of optional')
        if bool(self.one_reader) != bool(self.one_owed):
            raise ValueError("one_reader and one_owed go together: give both or neither")
        return self


class Interlib:
    """Asks for readers and for what they owe, and joins the two; all of both, or nothing."""

    def __init__(self, settings: Settings, question: Question) -> None:
        self._settings = settings
        self._question = question
        self._words = JoinWords("readers", settings.asks)

    def pull(self, progress: Progress = no_progress) -> Snapshot:
        """Return everything owed by its reader's number; what a reader without one owes is nobody's."""
        readers = self._readers().pull()
        return self._joined(readers, self._owed().pull(progress))

    @property
    def one_reads_all(self) -> bool:
        """Say whether one student's records are kept out of the whole answer."""
        return not self._settings.one_reader

    def pull_one(self, student: str) -> Snapshot:
        """Return what one student owes: by each of their readers, else by asking for everybody and keeping theirs."""
        if self.one_reads_all:
            return self.pull().about(student)
        with self._asking_one() as ask:
            return ask(student)

    @contextmanager
    def _asking_one(self, pause: Pause = time.sleep, *, fresh: bool = False) -> Iterator[Callable[[str], Snapshot]]:
        """Open what asks about one student after the other; with `fresh` never out of a cache."""
        settings = self._settings
        one_owed = {name: text.replace("{reader}", ASKED_NUMBER) for name, text in settings.one_owed.items()}
        readers, owed = self._readers(settings.one_reader, fresh=fresh), self._owed(one_owed, fresh=fresh)
        with readers.asking(pause) as find, owed.asking(pause) as ask_reader:
            yield lambda student: self._of_one(student, find(student), ask_reader)

    def _of_one(self, student: str, found: Snapshot, ask_reader: Callable[[str], Snapshot]) -> Snapshot:
        """Join one student's readers with what each of them owes."""
        asked = normalise_number(student)
        readers = replace(found, rows=[row for row in found.rows if normalise_number(plain(row[1])) == asked])
        rows: list[tuple[Cell, ...]] = []
        told: list[tuple[Proof, ...]] = []
        at = tuple(self._question.columns).index("student")
        for reader in dict.fromkeys(plain(row[0]) for row in readers.rows):
            owed = ask_reader(reader)
            # A parameter that the system overlooks would bring what others owe, once for each reader.
            rows += [row for row in owed.rows if plain(row[at]) == reader]
            told.append(owed.proofs)
        proofs = _every(told) if told else readers.proofs
        fields = tuple(self._question.columns)
        owed_by_them = Snapshot(fields, rows, readers.began, self._question.clock(), proofs)
        return self._joined(readers, owed_by_them).about(student)

    def check(self) -> Sample:
        """Log in, read the readers, show the first record of what is owed, and ask about its student alone."""
        readers = self._readers().pull()
        sample = self._owed().check()
        row = sample.row
        if row is not None:
            numbers = {plain(reader[0]): reader[1] for reader in readers.rows}
            row = {
                field: numbers.get(plain(row["reader"])) if field == "student" else row[field]
                for field in self._question.columns
            }
        columns = (self._question.columns["student"], *sample.columns)
        warnings = (*sample.warnings, *self._one_tried(row))
        return Sample(sample.where, columns, row, warnings, rows=row_alone(row))

    def _one_tried(self, row: Mapping[str, Cell] | None) -> tuple[str, ...]:
        """Ask about the first record's student alone, and warn where that does not bring the record."""
        student = "" if row is None else plain(row["student"])
        if self.one_reads_all or row is None or not student:
            return ()
        table = f"{table_of(self._question.source)}"
        fix = f"Correct one_reader and one_owed in {table}; until then no recheck of a student counts."
        try:
            found = self.pull_one(student).rows
        except SourceError as error:
            return (f"Asked about one student of the list alone, it fails: {error.what}. {fix}",)
        known = tuple(row.values()) in found
        return () if known else (f"Asked about one student of the list alone, it leaves out what they owe. {fix}",)

    def _joined(self, readers: Snapshot, owed: Snapshot) -> Snapshot:
        return joined(self._question, readers, owed, self._words, self._counts)

    def _counts(self, reader: tuple[Cell, ...]) -> bool:
        return not self._settings.state or plain(reader[2]) not in self._settings.cancelled

    def _readers(self, one: Mapping[str, str] | None = None, *, fresh: bool = False) -> rest.Rest:
        s = self._settings
        columns = {"reader": s.reader, "number": self._question.columns["student"]}
        columns |= {"state": s.state} if s.state else {}
        columns["reference"] = s.reader
        called = {column_key("number", columns["number"]): "columns.student", column_key("state", s.state): "state"}
        called |= {"records": "readers_list", "params": "readers_params", column_key("reference", s.reader): "reader"}
        optional = ("number",)
        return self._rest(s.readers, s.readers_params, s.readers_list, columns, optional, one, called, fresh=fresh)

    def _owed(self, one: Mapping[str, str] | None = None, *, fresh: bool = False) -> rest.Rest:
        s = self._settings
        path, records = _OWED[s.asks]
        columns = {
            "reader" if field == "student" else field: s.reader if field == "student" else column
            for field, column in self._question.columns.items()
        }
        listed = s.owed_list or records
        called = {"records": "owed_list", "params": "owed_params"}
        return self._rest(s.owed or path, s.owed_params, listed, columns, s.optional, one, called, fresh=fresh)

    def _rest(
        self,
        path: str,
        params: Mapping[str, str | int],
        records: str,
        columns: Mapping[str, str],
        optional: tuple[str, ...],
        one: Mapping[str, str] | None,
        called: Mapping[str, str],
        *,
        fresh: bool,
    ) -> rest.Rest:
        s = self._settings
        root = s.url.rstrip("/")
        own = rest.Settings(
            url=f"{root}/{path}",
            params=dict(params),
            records=records,
            total=s.total,
            proofs=s.proofs,
            paging=PagePaging(kind="page", page=s.page, size=s.rows, per_page=s.per_page),
            ok=Ok(path="success", equals=(True, "true"), reason="messagelist.0.message"),
            auth=TokenAuth(
                kind="token",
                url=f"{root}/{s.login}",
                method="GET",
                send={"appid": s.appid},
                send_secret={"secret": s.secret},
                token=s.token,
                param="token",
            ),
            optional=optional,
            one=dict(one or {}),
            **s.patience(),
        ).set_by(Settings, self._question.columns, {column_key("reader", s.reader): "reader", **called})
        return rest.Rest(own, Question(self._question.source, columns, self._question.clock), fresh=fresh)


class InterlibByNumber(Interlib):
    """Asks an interface that can also be asked about one student's readers, and about what one reader owes."""

    def pull_these(self, numbers: Sequence[str], progress: Progress = no_progress) -> Snapshot:
        """Return what it says now about these numbers, each asked about alone and never out of a cache."""
        began = self._question.clock()
        # One after the other: a new token may end the one before, and no more is public of it.
        limits = OwnPace(at_once=1)
        opening = partial(self._asking_one, fresh=True)
        answers = walk(numbers, opening, limits, self._question.source, progress)
        return about_these(self._question, list(answers.values()), began)


def _every(told: list[tuple[Proof, ...]]) -> tuple[Proof, ...]:
    """Return what each of several answers shows."""
    by_kind = [{proof.kind: proof.detail for proof in proofs} for proofs in told]
    return tuple(
        Proof(kind, "; ".join(details[kind] for details in by_kind))
        for kind in by_kind[0]
        if all(kind in details for details in by_kind)
    )


def connect(settings: Settings, question: Question) -> Interlib:
    """Return the connector, with `pull_these` where it can be asked about one student; it opens nothing yet."""
    return (InterlibByNumber if settings.one_reader else Interlib)(settings, question)
