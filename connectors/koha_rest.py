"""Koha, asked through its REST API: books on loan, or what is owed on the accounts of the roster's students.

As Koha's own description of its API has it (api.koha-community.org): `/api/v1/checkouts` names a patron's and an item's
id and no number, title or bar code; `/api/v1/patrons` leads from there to the card number, the user id, or an extended
attribute, which must be asked for by the header `x-koha-embed`; `/api/v1/items` leads to bar code and, embedded, title.
An account stands under each patron, and only there, so that it is asked for once for each patron on the roster. Lists
come in pages (`_per_page`) and tell their total in `X-Total-Count`; a parameter that Koha does not know is refused. A
page is asked for after the last id that came (`q`, `_order_by`), so that no record slips while others come and go.
OAuth2 tokens last an hour; one that has expired is answered by logging in anew.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from config.tables.secrets import Secret, Text
from connectors import rest
from connectors.by_student.each_student import joined, on_the_roster
from connectors.http.koha_answers import open_lines, with_numbers, with_titles
from connectors.http.paging import KeyPaging, PagePaging, Paging
from connectors.http.records import ASKED_NUMBER
from connectors.http.settings import Auth, BasicAuth, HttpTimeouts, TokenAuth, column_key
from connectors.http.worker_pool import PerStudent, walk
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

#: Columns of a loan that Koha's list of checkouts does not have, and an item's own record does.
_OF_THE_ITEM = frozenset({"title", "reference"})

#: So many numbers or ids stand in one question: its address must not grow too long.
_CHUNK = 100

#: A check looks for a record with so many patrons.
_SAMPLED = 10


class Settings(KnownQuestions, HttpTimeouts):
    """Where Koha's staff interface is, who asks, what is asked, and where the student number stands."""

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
    #: … or the code of the extended attribute that holds it; where both are given, `number` is for patrons without it.
    attribute: str = ""
    #: Loans come with title and bar code; without, the account need not read the catalogue.
    titles: bool = True
    #: Books read in the reading room count as loans, too, as in Koha's own discharge.
    onsite: bool = True
    per_page: Annotated[int, Field(ge=1, le=10_000)] = 500
    per_student: PerStudent = PerStudent()

    @model_validator(mode="after")
    def _somebody_asks(self) -> Self:
        key, basic = bool(self.client_id and self.client_secret), bool(self.user and self.password)
        if key == basic:
            raise ValueError(
                "Koha lets nobody in without a name: give client_id and client_secret, or user and password"
            )
        return self

    def auth(self) -> Auth:
        """Return how to come in."""
        if self.password is not None:
            return BasicAuth(kind="basic", user=self.user, password=self.password)
        assert self.client_secret is not None  # noqa: S101 - the validator has seen to it
        return TokenAuth(
            kind="token",
            url=f"{self.url.rstrip('/')}/api/v1/oauth/token",
            form=True,
            send={"grant_type": "client_credentials", "client_id": self.client_id},
            send_secret={"client_secret": self.client_secret},
            token="access_token",  # noqa: S106 - the name of a field
        )


class KohaRest:
    """Asks for patrons and for what they have or owe, and joins the two; all of both, or nothing."""

    def __init__(self, settings: Settings, question: Question) -> None:
        self._settings = settings
        self._question = question

    def pull(self, progress: Progress = no_progress) -> Snapshot:
        """Return every loan by its patron's number; or what every patron on the roster owes."""
        if self._settings.asks == "fines":
            return self._fines(progress)
        patrons = self._patrons_rest().pull()
        return self._with(_numbers(patrons), patrons, self._checkouts_rest().pull(progress))

    def pull_these(self, numbers: Sequence[str], progress: Progress = no_progress) -> Snapshot:
        """Return the loans, or the accounts, of the students with these numbers, never out of a cache."""
        patrons = self._patrons_with(numbers, fresh=True)
        known = _of(patrons, numbers)
        if self._settings.asks == "loans":
            loans = self._among(self._checkouts_rest(chosen=True, fresh=True), list(known), progress) if known else None
            return self._with(known, patrons, loans)
        limits, source = self._settings.per_student, self._question.source
        answers = walk(known, self._accounts_rest(fresh=True).asking, limits, source, progress)
        return self._with_accounts(known, patrons, answers)

    def pull_one(self, student: str) -> Snapshot:
        """Return the loans, or the account, of one student."""
        patrons = self._patrons_with([student])
        numbers = _of(patrons, [student])
        things = self._accounts_rest() if self._settings.asks == "fines" else self._checkouts_rest(chosen=True)
        with things.asking() as ask:
            answers = {patron: ask(patron) for patron in numbers}
        return self._with_accounts(numbers, patrons, answers)

    def _with_accounts(
        self, numbers: Mapping[str, Cell], patrons: Snapshot, answers: Mapping[str, Snapshot]
    ) -> Snapshot:
        """Join what was said of each patron alone; one whom Koha does not know any more is outside."""
        known = {patron: answer for patron, answer in answers.items() if answer.population}
        still = {patron: numbers[patron] for patron in known}
        return self._with(still, patrons, together(tuple(known.values())) if known else None)

    def check(self) -> Sample:
        """Log in, look at the patrons and at the first loans with their items, or at accounts of the roster."""
        everybody = self._patrons_rest().check()
        if self._settings.asks == "loans":
            sample, loans = self._checkouts_rest().look()
            described = self._described(loans)[0]
            row = None if sample.row is None else dict(sample.row)
            if row is not None and described:
                shown = dict(zip(self._question.columns, described[0], strict=True))
                row = {**shown, "student": self._number_of(row["student"])}
            columns = ("number", *sorted(_OF_THE_ITEM), *sample.columns)
            warnings = (*everybody.warnings, *sample.warnings)
            return replace(sample, columns=columns, row=row, warnings=warnings, rows=row_alone(row), whole=False)
        known = _of(patrons := self._patrons_with(numbers := on_the_roster(self._question).every_number()), numbers)
        sample = Sample(f"{self._base}/patrons", tuple(patrons.fields), None)
        for patron in list(known)[:_SAMPLED]:
            sample = self._accounts_rest().check_one(patron)
            if sample.row is not None:
                break
        warnings = (*everybody.warnings, *sample.warnings)
        return replace(sample, columns=("number", *sample.columns), warnings=warnings, rows=(), whole=False)

    def _number_of(self, patron: Cell) -> Cell:
        """Return the number of one patron for a check to show; the id where only the whole list would tell it."""
        if self._settings.attribute:
            return patron
        patrons = self._among(self._patrons_rest(chosen=True, among="patron_id"), [str(patron)])
        return next(iter(_numbers(patrons).values()), None)

    def _fines(self, progress: Progress) -> Snapshot:
        began, candidates = self._question.clock(), on_the_roster(self._question)
        patrons = self._patrons_with(candidates.every_number())
        numbers = _of(patrons, candidates.every_number())
        limits, source = self._settings.per_student, self._question.source
        answers = walk(numbers, self._accounts_rest().asking, limits, source, progress)
        by_number = [
            replace(
                answer,
                rows=self._numbered(answer.rows, numbers),
                population=[numbers[patron] for patron in map(str, answer.population or ())],
                unsettled=[numbers.get(patron) for patron in map(str, answer.unsettled)],
            )
            for answer in answers.values()
        ]
        found = f"; {len(numbers)} patrons have one of them"
        return joined(self._question, candidates, by_number, began, found)

    def _with(self, numbers: Mapping[str, Cell], patrons: Snapshot, things: Snapshot | None) -> Snapshot:
        """Join what patrons have or owe with their numbers; what one without a number has is nobody's."""
        rows: Sequence[tuple[Cell, ...]] = [] if things is None else things.rows
        warnings = patrons.warnings if things is None else (*patrons.warnings, *things.warnings)
        if self._settings.asks == "loans":
            rows, of_items = self._described(rows)
            warnings = (*warnings, *of_items)
        told = {proof.kind: proof.detail for proof in patrons.proofs}
        proofs = [
            Proof(p.kind, f"patrons: {told.get(p.kind, 'found')}; {self._settings.asks}: {p.detail}")
            for p in (patrons if things is None else things).proofs
            if p.kind is not ProofKind.COLUMNS_PRESENT
        ]
        proofs.append(Proof(ProofKind.COLUMNS_PRESENT, ", ".join(self._question.columns.values())))
        if self._settings.asks == "fines":
            # Also where there are none: what is said of a student's several numbers must have a proof in common.
            proofs = [proof for proof in proofs if proof.kind is not ProofKind.END_REACHED]
            proofs.append(Proof(ProofKind.END_REACHED, f"{len(numbers)} accounts, of every patron with the number"))
        known = [number for number in numbers.values() if number not in (None, "")]
        unsettled = [*patrons.unsettled, *(() if things is None else things.unsettled)]
        return Snapshot(
            tuple(self._question.columns),
            self._numbered(rows, numbers),
            patrons.began if things is None else min(patrons.began, things.began),
            self._question.clock(),
            tuple(proofs),
            known,
            unsettled=[numbers[patron] for patron in map(str, unsettled) if numbers.get(patron) not in (None, "")],
            warnings=warnings,
        )

    def _numbered(self, rows: Sequence[tuple[Cell, ...]], numbers: Mapping[str, Cell]) -> list[tuple[Cell, ...]]:
        at = tuple(self._question.columns).index("student")
        return [tuple(numbers.get(str(cell)) if i == at else cell for i, cell in enumerate(row)) for row in rows]

    def _described(self, rows: Sequence[tuple[Cell, ...]]) -> tuple[list[tuple[Cell, ...]], tuple[str, ...]]:
        """Return loans with what their items' records tell, and the reservations these were read with."""
        columns = tuple(self._question.columns.values())
        loans = [row[:-1] for row in rows if self._settings.onsite or not row[-1]]
        of_the_item = [at for at, column in enumerate(columns) if column in _OF_THE_ITEM]
        ids = {row[at] for row in loans for at in of_the_item if row[at] is not None}
        found = self._items(ids) if self._settings.titles and ids else None
        items = {row[0]: (row[1], row[2]) for row in found.rows} if found else {}

        def told(column: str, item: Cell) -> Cell:
            title, barcode = items.get(item, (None, None))
            return title if column == "title" else barcode or item

        described = [
            tuple(told(columns[at], cell) if at in of_the_item else cell for at, cell in enumerate(row))
            for row in loans
        ]
        return described, found.warnings if found else ()

    def _items(self, ids: Iterable[Cell]) -> Snapshot:
        """Return the items with these ids: id, title and bar code."""
        columns = {"student": "item_id", "title": "biblio.title", "reference": "external_id"}
        items = self._rest(
            "items", columns, order="item_id", among="item_id", chosen=True, embed="biblio", shape=self._with_titles
        )
        return self._among(items, sorted(map(str, ids)))

    def _patrons_with(self, numbers: Sequence[str], *, fresh: bool = False) -> Snapshot:
        """Return the patrons with these numbers; everybody, where the number stands in an extended attribute."""
        if self._settings.attribute:
            return self._patrons_rest(fresh=fresh).pull()
        return self._among(self._patrons_rest(chosen=True, fresh=fresh), [json.dumps(n) for n in numbers])

    def _among(self, asked: rest.Rest, values: Sequence[str], progress: Progress = no_progress) -> Snapshot:
        """Ask for the records with one of these values, a hundred at a time."""
        chunks = [",".join(values[start : start + _CHUNK]) for start in range(0, max(len(values), 1), _CHUNK)]
        answers = walk(chunks, asked.asking, self._settings.per_student, self._question.source, progress)
        return together(tuple(answers.values()))

    def _patrons_rest(self, *, chosen: bool = False, among: str = "", fresh: bool = False) -> rest.Rest:
        s = self._settings
        columns = {"student": "patron_id", "name": "number" if s.attribute else s.number, "reference": "patron_id"}
        if not s.attribute:
            among = among or s.number
            return self._rest("patrons", columns, order="patron_id", among=among, chosen=chosen, fresh=fresh)
        # Embedded attributes have a patron's id of their own, so that an order by it would be ambiguous.
        shape = self._with_numbers
        return self._rest("patrons", columns, order="cardnumber", embed="extended_attributes", shape=shape, fresh=fresh)

    def _checkouts_rest(self, *, chosen: bool = False, fresh: bool = False) -> rest.Rest:
        columns = {
            field: "patron_id" if field == "student" else "item_id" if column in _OF_THE_ITEM else column
            for field, column in self._question.columns.items()
        }
        columns["onsite"] = "onsite_checkout"
        return self._rest("checkouts", columns, order="checkout_id", among="patron_id", chosen=chosen, fresh=fresh)

    def _accounts_rest(self, *, fresh: bool = False) -> rest.Rest:
        columns = {f: "{student}" if f == "student" else column for f, column in self._question.columns.items()}
        own = self._told() | {
            "one_url": f"{self._base}/patrons/{{student}}/account",
            "per_student": self._settings.per_student,
            "proofs": ("one_answer",),
            "records": "lines",
            # A patron may have been deleted or merged since the list of patrons was read.
            "missing": "outside",
        }
        return self._made(own, columns, lambda account: open_lines(account, self._question.source), fresh=fresh)

    def _rest(
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
        """Return what reads one of Koha's lists, whole, or, `chosen`, the records whose field `among` has some values.

        A parameter of the field's own name would do for neither: Koha looks for such a text within the field.
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
        own = self._told() | {
            "url": f"{self._base}/{path}",
            "params": {"_order_by": f"+{order}"},
            "headers": {"x-koha-embed": embed} if embed else {},
            "total_header": "X-Total-Count",
            "paging": paging,
            "one": {"q": f'{{"{among}":{{{some}}}}}'} if chosen and among else {},
        }
        return self._made(own, columns, shape, fresh=fresh)

    def _told(self) -> dict[str, Any]:
        """Return what every exchange is told."""
        return {"auth": self._settings.auth()} | self._settings.patience()

    def _made(
        self, own: Mapping[str, Any], columns: Mapping[str, str], shape: Callable[[Any], Any] | None, *, fresh: bool
    ) -> rest.Rest:
        called = {column_key("name", self._settings.number): "number"}
        settings = rest.Settings(**own).set_by(Settings, self._question.columns, called)
        question = Question(self._question.source, columns, self._question.clock)
        return rest.Rest(settings, question, shape, fresh=fresh)

    @property
    def _base(self) -> str:
        return f"{self._settings.url.rstrip('/')}/api/v1"

    def _with_numbers(self, patrons: Any) -> Any:  # noqa: ANN401 - whatever JSON holds
        field = self._settings.number if "number" in self._settings.model_fields_set else ""
        return with_numbers(patrons, self._settings.attribute, field, f"{self._question.source}: {self._base}/patrons")

    def _with_titles(self, items: Any) -> Any:  # noqa: ANN401 - whatever JSON holds
        return with_titles(items, self._question.source, f"{self._question.source}: {self._base}/items")


def _of(patrons: Snapshot, numbers: Iterable[str]) -> dict[str, Cell]:
    """Return the ids of the patrons who have one of these numbers, each with it as Koha writes it."""
    wanted = {normalise_number(number) for number in numbers}
    return {patron: n for patron, n in _numbers(patrons).items() if n is not None and normalise_number(n) in wanted}


def _numbers(patrons: Snapshot) -> dict[str, Cell]:
    """Return every patron's id, with the number, if there is one."""
    return {str(row[0]): row[1] for row in patrons.rows}


def connect(settings: Settings, question: Question) -> KohaRest:
    """Return the connector; it opens nothing yet."""
    return KohaRest(settings, question)
