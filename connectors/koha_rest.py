"""Koha, by its REST API: books on loan, or what is owed on the accounts of the roster's students.

As documented in Koha's API (api.koha-community.org): `/api/v1/checkouts` has a patron's and an item's id and no number,
title or bar code; `/api/v1/patrons` has the card number, the user id, or an extended attribute, which must be requested
by the header `x-koha-embed`; `/api/v1/items` has the bar code and, embedded, the title. An account is available only
under its patron, so there is one question for each patron on the roster. Lists are paged (`_per_page`) and have their
total in `X-Total-Count`; Koha refuses an unknown parameter. Each page is requested after the last id (`q`,
`_order_by`), so that no record is missed while others are added or removed. OAuth2 tokens last an hour; when one has
expired, the connector logs in again.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from config.tables.secrets import Secret, Text
from connectors import rest
from connectors.by_student.each_student import joined, roster_candidates
from connectors.http.join import JoinWords, joined_detail
from connectors.http.koha_answers import open_lines, with_numbers, with_titles
from connectors.http.paging import KeyPaging, PagePaging, Paging
from connectors.http.records import ASKED_NUMBER
from connectors.http.settings import Auth, BasicAuth, HttpTimeouts, TokenAuth, column_key
from connectors.http.worker_pool import PerStudent, ask_each
from connectors.own_keys.questions import KnownQuestions
from connectors.port import (
    Cell,
    Progress,
    Proof,
    ProofKind,
    Question,
    Sample,
    Snapshot,
    no_progress,
    row_alone,
    together,
)
from foundation.translation import tr
from status_db.model import normalise_number

_COLUMNS = {
    "loans": {"student": "number", "title": "title", "due": "due_date", "reference": "reference"},
    "fines": {
        "student": "number",
        "title": "description",
        "amount": "amount_outstanding",
        "reference": "account_line_id",
    },
}

#: Columns of a loan that are in the item's record, and not in Koha's list of checkouts.
_OF_THE_ITEM = frozenset({"title", "reference"})

#: The most numbers or ids in one question: its address must not be too long.
_CHUNK = 100

#: The most patrons that a check asks about to find a record.
_SAMPLED = 10


class Settings(KnownQuestions, HttpTimeouts):
    """Where Koha's staff interface is, the account, what is asked, and the field of the student number."""

    mappings = _COLUMNS

    #: The staff interface's address, without `/api/v1`.
    url: Text
    #: An API key of a patron with the rights, as OAuth2 client credentials …
    client_id: Text = ""
    client_secret: Secret | None = None
    #: … or that patron's user and password, where Basic authentication is switched on.
    user: Text = ""
    password: Secret | None = None
    asks: Literal["loans", "fines"]
    #: The field of a patron with the student number …
    number: Literal["cardnumber", "userid", "statistics_1", "statistics_2"] = "cardnumber"
    #: … or the code of the extended attribute with it; where both are set, `number` is for patrons without it.
    attribute: str = ""
    #: Read the title and bar code of loans; without, the account does not need to read the catalogue.
    titles: bool = True
    #: Count books in the reading room as loans, as Koha's own discharge does.
    onsite: bool = True
    per_page: Annotated[int, Field(ge=1, le=10_000)] = 500
    per_student: PerStudent = PerStudent()

    @model_validator(mode="after")
    def _has_one_login(self) -> Self:
        key, basic = bool(self.client_id and self.client_secret), bool(self.user and self.password)
        if key == basic:
            raise ValueError(tr("Koha requires a login: set client_id and client_secret, or user and password"))
        return self

    def auth(self) -> Auth:
        """Return the login."""
        if self.password is not None:
            return BasicAuth(kind="basic", user=self.user, password=self.password)
        assert self.client_secret is not None  # noqa: S101 - checked by the validator
        return TokenAuth(
            kind="token",
            url=f"{self.url.rstrip('/')}/api/v1/oauth/token",
            form=True,
            send={"grant_type": "client_credentials", "client_id": self.client_id},
            send_secret={"client_secret": self.client_secret},
            token="access_token",  # noqa: S106 - the name of a field
        )


class KohaRest:
    """A connector that joins patrons with what they have or owe; both whole, or nothing."""

    def __init__(self, settings: Settings, question: Question) -> None:
        self._settings = settings
        self._question = question

    def pull(self, progress: Progress = no_progress) -> Snapshot:
        """Return every loan by its patron's number; or what every patron on the roster owes."""
        if self._settings.asks == "fines":
            return self._pull_fines(progress)
        patrons = self._patrons_rest().pull()
        return self._join_numbers(_numbers_by_patron(patrons), patrons, self._checkouts_rest().pull(progress))

    def pull_these(self, numbers: Sequence[str], progress: Progress = no_progress) -> Snapshot:
        """Return the loans, or the accounts, of the students with these numbers, never from a cache."""
        patrons = self._patrons_with(numbers, fresh=True)
        known = _patrons_having(patrons, numbers)
        if self._settings.asks == "loans":
            loans = (
                self._records_among(self._checkouts_rest(chosen=True, fresh=True), list(known), progress)
                if known
                else None
            )
            return self._join_numbers(known, patrons, loans)
        limits, source = self._settings.per_student, self._question.source
        answers = ask_each(known, self._accounts_rest(fresh=True).asking, limits, source, progress)
        return self._with_accounts(known, patrons, answers)

    def pull_one(self, student: str) -> Snapshot:
        """Return the loans, or the account, of one student."""
        patrons = self._patrons_with([student])
        numbers = _patrons_having(patrons, [student])
        things = self._accounts_rest() if self._settings.asks == "fines" else self._checkouts_rest(chosen=True)
        with things.asking() as ask:
            answers = {patron: ask(patron) for patron in numbers}
        return self._with_accounts(numbers, patrons, answers)

    def _with_accounts(
        self, numbers: Mapping[str, Cell], patrons: Snapshot, answers: Mapping[str, Snapshot]
    ) -> Snapshot:
        """Join the answers about single patrons; a patron that Koha no longer knows is outside the population."""
        known = {patron: answer for patron, answer in answers.items() if answer.population}
        still = {patron: numbers[patron] for patron in known}
        return self._join_numbers(still, patrons, together(tuple(known.values())) if known else None)

    def check(self) -> Sample:
        """Log in, and read the patrons and the first loans with their items, or accounts of the roster."""
        patrons_sample = self._patrons_rest().check()
        if self._settings.asks == "loans":
            sample, loans = self._checkouts_rest().check_with_rows()
            described = self._add_item_fields(loans)[0]
            row = None if sample.row is None else dict(sample.row)
            if row is not None and described:
                first = dict(zip(self._question.columns, described[0], strict=True))
                row = {**first, "student": self._number_of(row["student"])}
            columns = ("number", *sorted(_OF_THE_ITEM), *sample.columns)
            warnings = (*patrons_sample.warnings, *sample.warnings)
            return replace(
                sample,
                columns=columns,
                row=row,
                warnings=warnings,
                rows=row_alone(row),
                whole=row is None and sample.whole,
            )
        known = _patrons_having(
            patrons := self._patrons_with(numbers := roster_candidates(self._question).every_number()), numbers
        )
        sample = Sample(f"{self._base}/patrons", tuple(patrons.fields), None)
        for patron in list(known)[:_SAMPLED]:
            sample = self._accounts_rest().check_one(patron)
            if sample.row is not None:
                break
        warnings = (*patrons_sample.warnings, *sample.warnings)
        return replace(sample, columns=("number", *sample.columns), warnings=warnings, rows=(), whole=False)

    def _number_of(self, patron: Cell) -> Cell:
        """Return the number of one patron for a check; the id where only the whole list has the number."""
        if self._settings.attribute:
            return patron
        patrons = self._records_among(self._patrons_rest(chosen=True, among="patron_id"), [str(patron)])
        return next(iter(_numbers_by_patron(patrons).values()), None)

    def _pull_fines(self, progress: Progress) -> Snapshot:
        began, candidates = self._question.clock(), roster_candidates(self._question)
        patrons = self._patrons_with(candidates.every_number())
        numbers = _patrons_having(patrons, candidates.every_number())
        limits, source = self._settings.per_student, self._question.source
        answers = ask_each(numbers, self._accounts_rest().asking, limits, source, progress)
        by_number = [
            replace(
                answer,
                rows=self._rows_with_numbers(answer.rows, numbers),
                population=[numbers[patron] for patron in map(str, answer.population or ())],
                unsettled=[numbers.get(patron) for patron in map(str, answer.unsettled)],
            )
            for answer in answers.values()
        ]
        found = tr("{number} patrons have one of them", number=len(numbers))
        return joined(self._question, candidates, by_number, began, found)

    def _join_numbers(self, numbers: Mapping[str, Cell], patrons: Snapshot, things: Snapshot | None) -> Snapshot:
        """Join what patrons have or owe with their numbers; without a number, the student cell is empty."""
        rows: Sequence[tuple[Cell, ...]] = [] if things is None else things.rows
        warnings = patrons.warnings if things is None else (*patrons.warnings, *things.warnings)
        if self._settings.asks == "loans":
            rows, of_items = self._add_item_fields(rows)
            warnings = (*warnings, *of_items)
        words = JoinWords("patrons", self._settings.asks)
        details = {proof.kind: proof.detail for proof in patrons.proofs}
        proofs = [
            Proof(p.kind, joined_detail(words, details.get(p.kind, tr("found")), p.detail))
            for p in (patrons if things is None else things).proofs
            if p.kind is not ProofKind.COLUMNS_PRESENT
        ]
        proofs.append(Proof(ProofKind.COLUMNS_PRESENT, tr(", ").join(self._question.columns.values())))
        if self._settings.asks == "fines":
            # Also without accounts: the answers about a student's several numbers must have a proof in common.
            proofs = [proof for proof in proofs if proof.kind is not ProofKind.END_REACHED]
            every = tr("{number} accounts, of every patron with the number", number=len(numbers))
            proofs.append(Proof(ProofKind.END_REACHED, every))
        known = [number for number in numbers.values() if number not in (None, "")]
        unsettled = [*patrons.unsettled, *(() if things is None else things.unsettled)]
        return Snapshot(
            tuple(self._question.columns),
            self._rows_with_numbers(rows, numbers),
            patrons.began if things is None else min(patrons.began, things.began),
            self._question.clock(),
            tuple(proofs),
            known,
            unsettled=[numbers[patron] for patron in map(str, unsettled) if numbers.get(patron) not in (None, "")],
            warnings=warnings,
        )

    def _rows_with_numbers(
        self, rows: Sequence[tuple[Cell, ...]], numbers: Mapping[str, Cell]
    ) -> list[tuple[Cell, ...]]:
        at = tuple(self._question.columns).index("student")
        return [tuple(numbers.get(str(cell)) if i == at else cell for i, cell in enumerate(row)) for row in rows]

    def _add_item_fields(self, rows: Sequence[tuple[Cell, ...]]) -> tuple[list[tuple[Cell, ...]], tuple[str, ...]]:
        """Return loans with the fields of their items' records, and the warnings about these records."""
        columns = tuple(self._question.columns.values())
        loans = [row[:-1] for row in rows if self._settings.onsite or not row[-1]]
        of_the_item = [at for at, column in enumerate(columns) if column in _OF_THE_ITEM]
        ids = {row[at] for row in loans for at in of_the_item if row[at] is not None}
        found = self._items_by_id(ids) if self._settings.titles and ids else None
        items = {row[0]: (row[1], row[2]) for row in found.rows} if found else {}

        def item_field(column: str, item: Cell) -> Cell:
            title, barcode = items.get(item, (None, None))
            return title if column == "title" else barcode or item

        described = [
            tuple(item_field(columns[at], cell) if at in of_the_item else cell for at, cell in enumerate(row))
            for row in loans
        ]
        return described, found.warnings if found else ()

    def _items_by_id(self, ids: Iterable[Cell]) -> Snapshot:
        """Return the items with these ids: id, title and bar code."""
        columns = {"student": "item_id", "title": "biblio.title", "reference": "external_id"}
        items = self._list_reader(
            "items", columns, order="item_id", among="item_id", chosen=True, embed="biblio", shape=self._with_titles
        )
        return self._records_among(items, sorted(map(str, ids)))

    def _patrons_with(self, numbers: Sequence[str], *, fresh: bool = False) -> Snapshot:
        """Return the patrons with these numbers; all patrons, where the number is in an extended attribute."""
        if self._settings.attribute:
            return self._patrons_rest(fresh=fresh).pull()
        return self._records_among(self._patrons_rest(chosen=True, fresh=fresh), [json.dumps(n) for n in numbers])

    def _records_among(self, asked: rest.Rest, values: Sequence[str], progress: Progress = no_progress) -> Snapshot:
        """Ask for the records with one of these values, a hundred at a time."""
        chunks = [",".join(values[start : start + _CHUNK]) for start in range(0, max(len(values), 1), _CHUNK)]
        answers = ask_each(chunks, asked.asking, self._settings.per_student, self._question.source, progress)
        return together(tuple(answers.values()))

    def _patrons_rest(self, *, chosen: bool = False, among: str = "", fresh: bool = False) -> rest.Rest:
        s = self._settings
        columns = {"student": "patron_id", "name": "number" if s.attribute else s.number, "reference": "patron_id"}
        if not s.attribute:
            among = among or s.number
            return self._list_reader("patrons", columns, order="patron_id", among=among, chosen=chosen, fresh=fresh)
        # Embedded attributes have their own patron id, so sorting by it would be ambiguous.
        shape = self._with_numbers
        return self._list_reader(
            "patrons", columns, order="cardnumber", embed="extended_attributes", shape=shape, fresh=fresh
        )

    def _checkouts_rest(self, *, chosen: bool = False, fresh: bool = False) -> rest.Rest:
        columns = {
            field: "patron_id" if field == "student" else "item_id" if column in _OF_THE_ITEM else column
            for field, column in self._question.columns.items()
        }
        columns["onsite"] = "onsite_checkout"
        return self._list_reader(
            "checkouts", columns, order="checkout_id", among="patron_id", chosen=chosen, fresh=fresh
        )

    def _accounts_rest(self, *, fresh: bool = False) -> rest.Rest:
        columns = {f: "{student}" if f == "student" else column for f, column in self._question.columns.items()}
        own = self._exchange_settings() | {
            "one_url": f"{self._base}/patrons/{{student}}/account",
            "per_student": self._settings.per_student,
            "proofs": ("one_answer",),
            "records": "lines",
            # A patron can be deleted or merged after the list of patrons was read.
            "missing": "outside",
        }
        return self._make_rest(own, columns, lambda account: open_lines(account, self._question.source), fresh=fresh)

    def _list_reader(
        self,
        path: str,
        columns: Mapping[str, str],
        *,
        order: str,
        among: str = "",
        chosen: bool = False,
        embed: str = "",
        shape: Callable[[Any], Any] | None = None,
        fresh: bool = False,
    ) -> rest.Rest:
        """Return the reader of one of Koha's lists: whole, or, with `chosen`, the records with some values in `among`.

        A parameter with the field's own name cannot be used: Koha searches for such a text within the field.
        """
        s = self._settings
        paging: Paging = PagePaging(kind="page", page="_page", size="_per_page", per_page=s.per_page)
        some = f'"-in":[{ASKED_NUMBER}]'
        if order.endswith("_id"):
            later = '">":{key}'
            if not chosen:
                question = f'{{"{order}":{{{later}}}}}'
            elif among == order:
                question = f'{{"{order}":{{{some},{later}}}}}'
            else:
                question = f'{{"{among}":{{{some}}},"{order}":{{{later}}}}}'
            paging = KeyPaging(
                kind="key", after="q", expression=question, key=order, counts="rest", size="_per_page",
                per_page=s.per_page,
            )  # fmt: skip
        own = self._exchange_settings() | {
            "url": f"{self._base}/{path}",
            "params": {"_order_by": f"+{order}"},
            "headers": {"x-koha-embed": embed} if embed else {},
            "total_header": "X-Total-Count",
            "paging": paging,
            "one": {"q": f'{{"{among}":{{{some}}}}}'} if chosen and among else {},
        }
        return self._make_rest(own, columns, shape, fresh=fresh)

    def _exchange_settings(self) -> dict[str, Any]:
        """Return the settings of every exchange."""
        return {"auth": self._settings.auth()} | self._settings.patience()

    def _make_rest(
        self, own: Mapping[str, Any], columns: Mapping[str, str], shape: Callable[[Any], Any] | None, *, fresh: bool
    ) -> rest.Rest:
        called = {column_key("name", self._settings.number): "number"}
        settings = rest.Settings(**own).set_by(Settings, self._question.columns, called)
        question = Question(self._question.source, columns, self._question.clock)
        return rest.Rest(settings, question, shape, fresh=fresh)

    @property
    def _base(self) -> str:
        return f"{self._settings.url.rstrip('/')}/api/v1"

    def _named(self, path: str) -> str:
        return tr("{source}: {where}", source=self._question.source, where=f"{self._base}/{path}")

    def _with_numbers(self, patrons: Any) -> Any:  # noqa: ANN401 - whatever JSON holds
        field = self._settings.number if "number" in self._settings.model_fields_set else ""
        return with_numbers(patrons, self._settings.attribute, field, self._named("patrons"))

    def _with_titles(self, items: Any) -> Any:  # noqa: ANN401 - whatever JSON holds
        return with_titles(items, self._question.source, self._named("items"))


def _patrons_having(patrons: Snapshot, numbers: Iterable[str]) -> dict[str, Cell]:
    """Return the ids of the patrons with one of these numbers, each with the number as Koha writes it."""
    wanted = {normalise_number(number) for number in numbers}
    known = _numbers_by_patron(patrons).items()
    return {patron: number for patron, number in known if number is not None and normalise_number(number) in wanted}


def _numbers_by_patron(patrons: Snapshot) -> dict[str, Cell]:
    """Return every patron's id with its number, or None."""
    return {str(row[0]): row[1] for row in patrons.rows}


def connect(settings: Settings, question: Question) -> KohaRest:
    """Return the connector; it opens nothing yet."""
    return KohaRest(settings, question)
