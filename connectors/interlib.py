"""图创 Interlib, by its open interface (openlib): loans, or debts, joined with their readers.

Public knowledge, from programs of libraries that use it: `service/barcode/token` returns a token for an `appid` and a
`secret`, which is sent as the parameter `token`; answers are JSON with `success` and, where that is false, an error
text in `messagelist`, as HTTP 200; a reader's `rdid` is not the student number, which is in `workcardno`; `rdcfstate`
is 1 valid, 2 to be verified, 3 lost, 4 paused, 5 cancelled, in newer releases 10 valid on credit;
`service/barcode/currentloan` and `service/reader/searchdebt` answer about one `rdid`;
`service/reader/searchreaderlist` finds readers.

Guesses, each of them a setting: that these addresses also answer about all readers, the names of their lists and their
total, and the columns of a loan and of a debt. Where the interface has no list of all readers, use the database: see
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
from connectors.http.join import JoinWords, id_text, joined
from connectors.http.paging import PagePaging
from connectors.http.records import ASKED_NUMBER
from connectors.http.settings import HttpTimeouts, Ok, TokenAuth, column_key
from connectors.http.worker_pool import OwnPace, Pause, ask_each
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
from foundation.translation import tr
from status_db.model import normalise_number

_COLUMNS = {
    "loans": {"student": "workcardno", "title": "title", "due": "returndate", "reference": "barcode"},
    "debts": {"student": "workcardno", "title": "title", "amount": "money", "reference": "tranid"},
}

#: The path of each question, and the name of its list.
_OWED = {
    "loans": ("service/barcode/currentloan", "loanlist"),
    "debts": ("service/reader/searchdebt", "debtdetails"),
}


class Settings(KnownQuestions, HttpTimeouts):
    """Where the interface is, what is asked, and the names of its addresses and columns."""

    mappings = _COLUMNS

    #: The interface's root, such as https://library.example.edu.cn/openlib.
    url: Text
    appid: Text
    secret: Secret
    asks: Literal["loans", "debts"]
    login: str = "service/barcode/token"
    #: The path of the token in the answer.
    token: str = "messagelist.0.token"  # noqa: S105 - the name of a field
    #: The path of the list of readers, its parameters, and the name of the list in the answer.
    readers: str = "service/reader/searchreaderlist"
    readers_params: dict[str, Text | int] = {}  # noqa: RUF012 - pydantic copies a field's default
    readers_list: str = "readerlist"
    #: The same for what is owed; left out, the defaults for `asks` apply.
    owed: str = ""
    owed_params: dict[str, Text | int] = {}  # noqa: RUF012 - pydantic copies a field's default
    owed_list: str = ""
    #: Parameters that select one student's readers, with {student}, and what a reader owes, with {reader}. Without
    #: them, all records are read and one student's kept.
    one_reader: dict[str, str] = {}  # noqa: RUF012 - pydantic copies a field's default
    one_owed: dict[str, str] = {}  # noqa: RUF012 - pydantic copies a field's default
    #: The column that names the reader in both lists.
    reader: str = "rdid"
    #: The column of a reader's state, and the states of former readers; empty where there is no state.
    state: str = "rdcfstate"
    cancelled: tuple[str, ...] = ("5",)
    #: The parameters of paging, and the name of the number of all records.
    page: str = "page"
    rows: str = "rows"
    per_page: Annotated[int, Field(ge=1)] = 500
    total: str = "total"
    proofs: Annotated[tuple[Literal["total", "end_of_pages", "second_pass"], ...], Field(min_length=1)] = ("total",)
    #: Fields that a record of what is owed can leave out.
    optional: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _keys_fit_together(self) -> Self:
        if "total" in self.proofs and not self.total:
            raise ValueError(
                tr("these settings cannot prove that an answer is whole: set total, or accept other proofs")
            )
        if "student" in self.optional:
            raise ValueError(tr('student cannot be optional: remove "student" from optional'))
        if bool(self.one_reader) != bool(self.one_owed):
            raise ValueError(tr("one_reader and one_owed depend on each other: set both or neither"))
        return self


class Interlib:
    """A connector that joins readers with what they owe; both whole, or nothing."""

    def __init__(self, settings: Settings, question: Question) -> None:
        self._settings = settings
        self._question = question
        self._words = JoinWords("readers", settings.asks)

    def pull(self, progress: Progress = no_progress) -> Snapshot:
        """Return everything owed by its reader's number; without a number, the student cell is empty."""
        readers = self._readers().pull()
        return self._join_readers(readers, self._owed_rest().pull(progress))

    @property
    def one_reads_all(self) -> bool:
        """Return whether the whole answer is read for one student."""
        return not self._settings.one_reader

    def pull_one(self, student: str) -> Snapshot:
        """Return what one student owes: by each of their readers, else from the whole answer."""
        if self.one_reads_all:
            return self.pull().about(student)
        with self._asking_one() as ask:
            return ask(student)

    @contextmanager
    def _asking_one(self, pause: Pause = time.sleep, *, fresh: bool = False) -> Iterator[Callable[[str], Snapshot]]:
        """Open a session and return a function that asks about one student; with `fresh`, never from a cache."""
        settings = self._settings
        one_owed = {name: text.replace("{reader}", ASKED_NUMBER) for name, text in settings.one_owed.items()}
        readers, owed = self._readers(settings.one_reader, fresh=fresh), self._owed_rest(one_owed, fresh=fresh)
        with readers.asking(pause) as find, owed.asking(pause) as ask_reader:
            yield lambda student: self._join_one(student, find(student), ask_reader)

    def _join_one(self, student: str, found: Snapshot, ask_reader: Callable[[str], Snapshot]) -> Snapshot:
        """Join one student's readers with what each of them owes."""
        asked = normalise_number(student)
        readers = replace(found, rows=[row for row in found.rows if normalise_number(id_text(row[1])) == asked])
        rows: list[tuple[Cell, ...]] = []
        proofs_of_each: list[tuple[Proof, ...]] = []
        at = tuple(self._question.columns).index("student")
        for reader in dict.fromkeys(id_text(row[0]) for row in readers.rows):
            owed = ask_reader(reader)
            # If the system ignores the parameter, it returns what others owe, once for each reader.
            rows += [row for row in owed.rows if id_text(row[at]) == reader]
            proofs_of_each.append(owed.proofs)
        proofs = _shared_proofs(proofs_of_each) if proofs_of_each else readers.proofs
        fields = tuple(self._question.columns)
        owed_by_them = Snapshot(fields, rows, readers.began, self._question.clock(), proofs)
        return self._join_readers(readers, owed_by_them).about(student)

    def check(self) -> Sample:
        """Log in, read the readers, return the first record of what is owed, and ask about its student separately."""
        readers = self._readers().pull()
        sample = self._owed_rest().check()
        row = sample.row
        if row is not None:
            numbers = {id_text(reader[0]): reader[1] for reader in readers.rows}
            row = {
                field: numbers.get(id_text(row["reader"])) if field == "student" else row[field]
                for field in self._question.columns
            }
        columns = (self._question.columns["student"], *sample.columns)
        warnings = (*sample.warnings, *self._check_one_reader(row))
        return Sample(sample.where, columns, row, warnings, rows=row_alone(row), whole=sample.whole and row is None)

    def _check_one_reader(self, row: Mapping[str, Cell] | None) -> tuple[str, ...]:
        """Ask about the first record's student, and warn where the answer lacks the record."""
        student = "" if row is None else id_text(row["student"])
        if self.one_reads_all or row is None or not student:
            return ()
        table = f"{table_of(self._question.source)}"
        fix = tr(
            "No recheck of a student counts until this is corrected. Correct one_reader and one_owed in {table}.",
            table=table,
        )
        try:
            found = self.pull_one(student).rows
        except SourceError as error:
            return (tr("A question about one student of the list fails: {what}. {fix}", what=error.what, fix=fix),)
        known = tuple(row.values()) in found
        return () if known else (tr("The answer about one student of the list lacks what they owe. {fix}", fix=fix),)

    def _join_readers(self, readers: Snapshot, owed: Snapshot) -> Snapshot:
        return joined(self._question, readers, owed, self._words, self._is_active)

    def _is_active(self, reader: tuple[Cell, ...]) -> bool:
        return not self._settings.state or id_text(reader[2]) not in self._settings.cancelled

    def _readers(self, one: Mapping[str, str] | None = None, *, fresh: bool = False) -> rest.Rest:
        s = self._settings
        columns = {"reader": s.reader, "number": self._question.columns["student"]}
        columns |= {"state": s.state} if s.state else {}
        columns["reference"] = s.reader
        called = {column_key("number", columns["number"]): "columns.student", column_key("state", s.state): "state"}
        called |= {"records": "readers_list", "params": "readers_params", column_key("reference", s.reader): "reader"}
        optional = ("number",)
        return self._make_rest(s.readers, s.readers_params, s.readers_list, columns, optional, one, called, fresh=fresh)

    def _owed_rest(self, one: Mapping[str, str] | None = None, *, fresh: bool = False) -> rest.Rest:
        s = self._settings
        path, records = _OWED[s.asks]
        columns = {
            "reader" if field == "student" else field: s.reader if field == "student" else column
            for field, column in self._question.columns.items()
        }
        listed = s.owed_list or records
        called = {"records": "owed_list", "params": "owed_params"}
        return self._make_rest(s.owed or path, s.owed_params, listed, columns, s.optional, one, called, fresh=fresh)

    def _make_rest(
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
    """A connector to an interface that also answers about one student's readers, and about what one reader owes."""

    def pull_these(self, numbers: Sequence[str], progress: Progress = no_progress) -> Snapshot:
        """Return what these numbers owe now, each asked separately and never answered from a cache."""
        began = self._question.clock()
        # One after the other: a new token may end the one before; nothing more is public about it.
        limits = OwnPace(at_once=1)
        opening = partial(self._asking_one, fresh=True)
        answers = ask_each(numbers, opening, limits, self._question.source, progress)
        return about_these(self._question, list(answers.values()), began)


def _shared_proofs(proofs_of_each: list[tuple[Proof, ...]]) -> tuple[Proof, ...]:
    """Return the proofs that each of several answers has."""
    by_kind = [{proof.kind: proof.detail for proof in proofs} for proofs in proofs_of_each]
    return tuple(
        Proof(kind, "; ".join(details[kind] for details in by_kind))
        for kind in by_kind[0]
        if all(kind in details for details in by_kind)
    )


def connect(settings: Settings, question: Question) -> Interlib:
    """Return the connector, with `pull_these` where it can ask about one student; it opens nothing yet."""
    return (InterlibByNumber if settings.one_reader else Interlib)(settings, question)
