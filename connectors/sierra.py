"""Sierra of Innovative, by its REST API: checkouts, fines or blocks of the roster's students, one by one.

From the API's own description, and programs of libraries that use it: `POST /token` with Basic and
`grant_type=client_credentials` returns a token of an hour; an expired token is answered with HTTP 401.
`/patrons/find` returns a patron's id for the content of a field (`varFieldTag`, `varFieldContent`): 404 with the code
107 for no patron, 409 for several. `/patrons/{id}/checkouts` and `/patrons/{id}/fines` are paged (`limit`, `offset`)
with a `total`; `entries` can be missing where there are none. Ids are addresses; the last part is the id. The rest of a
fine is itemCharge + processingFee + billingFee − paidAmount. A checkout has no title: `/items` has the id of the bib
record, `/bibs` the title. There is no list of all patrons' checkouts.
"""

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Literal, Self

from pydantic import Field

from config.tables.secrets import Secret, Text
from connectors import rest
from connectors.by_student.each_patron import EachPatron, EachPatronSettings, changed_on_the_way, optional
from connectors.http.paging import NoPaging, OffsetPaging
from connectors.http.records import ASKED_NUMBER
from connectors.http.refusals import UNKNOWN, Unknown
from connectors.http.settings import Oauth2Auth
from connectors.http.worker_pool import Pause
from connectors.port import (
    Cell,
    Proof,
    ProofKind,
    Question,
    Sample,
    Snapshot,
    SourceError,
    SourceGarbled,
    SourceRefused,
)
from foundation.chunks import chunked
from foundation.translation import tr
from status_db.model import normalise_number

_COLUMNS = {
    "loans": {"student": ASKED_NUMBER, "title": "title", "due": "dueDate", "reference": "barcode"},
    "fines": {
        "student": ASKED_NUMBER,
        "title": "title",
        "kind": "chargeType.display",
        "amount": "balance",
        "reference": "id",
    },
    "blocks": {"student": ASKED_NUMBER, "title": "code", "due": "until"},
}

#: The path of each question, under a patron.
_PATHS = {"loans": "/checkouts", "fines": "/fines", "blocks": ""}

#: Columns that are read besides the mapped ones: the patron of a record, and the description of a fine without an item.
_HIDDEN = {"own patron": "patron", "own description": "description"}

_CHARGES = ("itemCharge", "processingFee", "billingFee")

#: The most ids in one question: its address must not be too long.
_CHUNK = 50

_NO_SUCH_RECORD = 107

#: Sierra's codes for no block.
_NO_BLOCK = frozenset({"", "-", " "})


class Settings(EachPatronSettings):
    """Where Sierra's API is, the account, what is asked, and the field of the student number."""

    mappings = _COLUMNS

    #: The API's address, such as https://library.example.edu/iii/sierra-api, without the version.
    url: Text
    version: Annotated[str, Field(pattern=r"^v[0-9]+$")] = "v6"
    client_id: Text
    client_secret: Secret
    asks: Literal["loans", "fines", "blocks"]
    #: The tag of the patron's field with the student number: u unique id, b bar code.
    tag: Annotated[str, Field(pattern=r"^[a-z0-9]$")] = "u"
    #: Read the titles of loans; without, the key does not need to read items and bibs.
    titles: bool = True
    per_page: Annotated[int, Field(ge=1, le=2_000)] = 200


class _AmbiguousPatron(SourceGarbled):
    """It is not known which patron is meant."""


class SierraPatronReader:
    """Asks about one student at a time: first for the patron, then for what the patron has or owes."""

    def __init__(self, settings: Settings, question: Question, *, fresh: bool = False) -> None:
        self._settings = settings
        self._question = question
        self._fresh = fresh
        self._base = f"{settings.url.rstrip('/')}/{settings.version}"

    def fresh(self) -> Self:
        """Return a reader with the same question that accepts no answer from a cache."""
        return type(self)(self._settings, self._question, fresh=True)

    @contextmanager
    def asking(self, pause: Pause = time.sleep) -> Iterator[Callable[[str], Snapshot]]:
        """Open a session and return a function that asks about one number. The population is that number, or empty."""
        with ExitStack() as stack:
            titles = _Titles()
            if self._settings.titles and self._settings.asks != "blocks":
                items, bibs = (stack.enter_context(part.asking(pause)) for part in (self._items(), self._bibs()))
                titles = _Titles(items, bibs)
            find = stack.enter_context(self._find().asking(pause))
            things = stack.enter_context(self._things().asking(pause))
            yield lambda student: self._answer_about(find, things, titles, student)

    def check_one(self, student: str) -> Sample:
        """Return a sample of the whole answer about one student, with titles."""
        with self._find().asking() as find, self.asking() as ask:
            answer = ask(student)
            patron = self._patron(find(student), student) if answer.rows and not answer.unsettled else ""
        sample = Sample(f"{self._base}/patrons", tuple(self._question.columns.values()), None, answer.warnings)
        if not patron:
            return sample
        listed = self._things().check_one(patron)
        row = dict(zip(self._question.columns, answer.rows[0], strict=True))
        warnings = tuple(w for w in listed.warnings if not any(name in w for name in _HIDDEN))
        return Sample(sample.where, (*listed.columns, "title"), row, warnings, rows=answer.rows)

    def _answer_about(
        self, find: Callable[[str], Snapshot], things: Callable[[str], Snapshot], titles: "_Titles", student: str
    ) -> Snapshot:
        try:
            found = find(student)
            patron = self._patron(found, student)
        except _AmbiguousPatron as doubt:
            return self._ambiguous_answer(student, doubt)
        if not patron:
            return replace(found, fields=tuple(self._question.columns), rows=[], population=[])
        answer = things(patron)
        return replace(
            answer,
            fields=tuple(self._question.columns),
            rows=self._rows_about(student, self._add_titles(answer, patron, titles)),
            began=min(found.began, answer.began),
            # A patron that was deleted in between is unknown.
            population=[student] if answer.population else [],
            unsettled=[student] if answer.unsettled else [],
        )

    def _patron(self, found: Snapshot, student: str) -> str:
        """Return the patron's id; empty where there is none. Raises _AmbiguousPatron for another student's patron."""
        if not found.population or not found.rows:
            return ""
        _, patron, numbers = found.rows[0]
        if normalise_number(student) not in str(numbers).split("\n"):
            raise _AmbiguousPatron(
                tr(
                    '{source}: for {student}, Sierra returned a patron without that number in the field "{tag}"',
                    source=self._question.source,
                    student=student,
                    tag=self._settings.tag,
                ),
                tr("The student is unknown until this is corrected. Check tag, and that patron's record."),
            )
        return str(patron)

    def _ambiguous_answer(self, student: str, doubt: _AmbiguousPatron) -> Snapshot:
        """Return an answer that holds a held student, and does not release a student."""
        now = self._question.clock()
        proofs = (
            Proof(ProofKind.END_REACHED, tr("it is not known which patron is meant")),
            Proof(ProofKind.COLUMNS_PRESENT, tr("no record, so no column to check")),
        )
        fields = tuple(self._question.columns)
        return Snapshot(fields, [], now, now, proofs, [student], unsettled=[student], warnings=(str(doubt),))

    def _rows_about(self, student: str, rows: Iterable[tuple[Cell, ...]]) -> list[tuple[Cell, ...]]:
        at = tuple(self._question.columns).index("student")
        return [tuple(student if i == at else cell for i, cell in enumerate(row)) for row in rows]

    def _add_titles(self, answer: Snapshot, patron: str, titles: "_Titles") -> list[tuple[Cell, ...]]:
        """Return records by our fields, with titles for items. Raises SourceGarbled for those of another patron."""
        count, columns = len(self._question.columns), tuple(self._question.columns.values())
        if self._settings.asks == "blocks":
            return list(answer.rows)
        of_the_item = [at for at, column in enumerate(columns) if column == "title"]
        for row in answer.rows:
            if row[count] is not None and _id(row[count]) != patron:
                raise changed_on_the_way(
                    self._question.source, "Sierra", tr("a record of another patron than the one asked")
                )
        named = titles.of(_id(row[at]) for row in answer.rows for at in of_the_item if row[at] is not None)
        return [
            tuple(
                (named.get(_id(cell)) or row[count + 1]) if at in of_the_item else cell
                for at, cell in enumerate(row[:count])
            )
            for row in answer.rows
        ]

    def _find(self) -> rest.Rest:
        columns = {"student": ASKED_NUMBER, "id": "id", "numbers": "numbers"}
        own = self._exchange("/patrons/find") | {
            "one": {"varFieldTag": self._settings.tag, "varFieldContent": ASKED_NUMBER},
            "params": {"fields": "id,varFields"},
            "records": "patrons",
        }
        return self._make_reader(own, columns, (), self._patron_from)

    def _things(self) -> rest.Rest:
        asks, columns = self._settings.asks, dict(self._question.columns)
        own = self._exchange(f"/patrons/{ASKED_NUMBER}{_PATHS[asks]}")
        columns["student"] = ASKED_NUMBER
        if asks == "blocks":
            own |= {"params": {"fields": "id,blockInfo,expirationDate"}, "records": "blocks"}
            return self._make_reader(own, columns, optional(columns), self._blocks)
        columns = {field: "item" if column == "title" else column for field, column in columns.items()} | _HIDDEN
        own |= {
            "params": {"fields": "default,barcode"} if asks == "loans" else {},
            "records": "entries",
            "total": "total",
            "proofs": ("total",),
            "paging": OffsetPaging(kind="offset", per_page=self._settings.per_page),
        }
        return self._make_reader(own, columns, optional(columns), self._entries)

    def _items(self) -> rest.Rest:
        return self._records_by_id("/items", {"student": "id", "bib": "bib"}, "id,bibIds")

    def _bibs(self) -> rest.Rest:
        return self._records_by_id("/bibs", {"student": "id", "title": "title"}, "id,title")

    def _records_by_id(self, path: str, columns: Mapping[str, str], fields: str) -> rest.Rest:
        own = self._exchange(path) | {
            "one": {"id": ASKED_NUMBER},
            "params": {"fields": fields, "limit": _CHUNK},
            "records": "entries",
        }
        return self._make_reader(own, columns, ("bib", "title"), self._entries_or_none)

    def _exchange(self, path: str) -> dict[str, Any]:
        """Return the settings of every exchange."""
        s = self._settings
        return {
            "one_url" if ASKED_NUMBER in path else "url": f"{self._base}{path}",
            "auth": Oauth2Auth(
                kind="oauth2", url=f"{self._base}/token", client_id=s.client_id, client_secret=s.client_secret
            ),
            "proofs": ("one_answer",),
            "paging": NoPaging(),
            "per_student": s.per_student,
            "missing": "outside",
            **s.patience(),
        }

    def _make_reader(
        self,
        own: Mapping[str, Any],
        columns: Mapping[str, str],
        may_be_missing: tuple[str, ...],
        shape: Callable[[Any], Any],
    ) -> rest.Rest:
        settings = rest.Settings(**own, optional=may_be_missing).set_by(Settings, self._question.columns, {})
        question = Question(self._question.source, columns, self._question.clock)
        return rest.Rest(settings, question, shape, fresh=self._fresh, failing=self._failing)

    def _failing(self, status: int, body: Any) -> SourceError | Unknown | None:  # noqa: ANN401 - whatever JSON holds
        """Return the meaning of a failure, by Sierra's own code."""
        error = body if isinstance(body, dict) else {}
        texts = [str(error.get(name) or "").strip() for name in ("code", "name", "description")]
        words = " ".join(": ".join(text for text in texts if text).split())[:300]
        source, answered = self._question.source, f"{status}, {words}" if words else str(status)
        if status == 404 and error.get("code") == _NO_SUCH_RECORD:
            return UNKNOWN
        if status == 409:
            return _AmbiguousPatron(
                tr(
                    "{source}: several patrons have one number, so it is not known which is meant ({answer})",
                    source=source,
                    answer=words or status,
                ),
                tr("The student is unknown until this is corrected. Have the library merge them."),
            )
        if status == 403:
            return SourceRefused(
                tr("{source}: the key has no right to ask that (HTTP {status})", source=source, status=answered),
                tr(
                    "Have the library give the key the roles Patrons Read and, for titles, Items Read and Bibs "
                    "Read; or set titles = false."
                ),
            )
        if status in (400, 404, 405, 410):
            return SourceRefused(
                tr("{source}: Sierra does not understand the question (HTTP {status})", source=source, status=answered),
                tr("Check url, which ends with /iii/sierra-api, version and tag."),
            )
        return None

    def _patron_from(self, body: Any) -> Any:  # noqa: ANN401 - whatever JSON holds
        """Return the patron of an answer, with the numbers in its field."""
        fields = body.get("varFields") if isinstance(body, dict) else None
        patron = _id(body.get("id")) if isinstance(body, dict) else ""
        if not isinstance(fields, list) or not re.fullmatch(r"[0-9]+", patron):
            raise SourceGarbled(
                tr(
                    "{source}: {base}/patrons/find returns no patron with an id and varFields",
                    source=self._question.source,
                    base=self._base,
                ),
                tr("Check url and version, and that the key is allowed to read the fields of patrons."),
            )
        numbers = [
            normalise_number(field.get("content", ""))
            for field in fields
            if isinstance(field, dict) and field.get("fieldTag") == self._settings.tag
        ]
        return {"patrons": [{"id": patron, "numbers": "\n".join(numbers)}]}

    def _entries(self, body: Any) -> Any:  # noqa: ANN401 - whatever JSON holds
        """Return a page with the rest of each fine, ids without their addresses, and each item's first bib."""
        entries = body.get("entries") if isinstance(body, dict) else None
        if not isinstance(entries, list):
            return body
        if not all(isinstance(entry, dict) for entry in entries):
            raise changed_on_the_way(self._question.source, "Sierra", tr("a list that has other things than records"))
        return {**body, "entries": [self._read_entry(entry) for entry in entries]}

    def _entries_or_none(self, body: Any) -> Any:  # noqa: ANN401 - whatever JSON holds
        # An item without a title is shown without it; the number of titles proves nothing.
        return self._entries({"entries": [], **body} if isinstance(body, dict) else body)

    def _read_entry(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        read = dict(entry)
        if "id" in entry:
            read["id"] = _id(entry["id"])
        bibs = entry.get("bibIds")
        if isinstance(bibs, list) and bibs:
            read["bib"] = _id(bibs[0])
        if any(name in entry for name in _CHARGES):
            try:
                charges = [Decimal(str(entry[name])) for name in _CHARGES if entry.get(name) is not None]
                paid = Decimal(str(entry["paidAmount"])) if entry.get("paidAmount") is not None else Decimal(0)
                read["balance"] = sum(charges, Decimal(0)) - paid
            except InvalidOperation:
                raise SourceGarbled(
                    tr("{source}: a fine has a charge that is not an amount", source=self._question.source),
                    tr("It may be another release of Sierra. Have the library check that patron's fines."),
                ) from None
        return read

    def _blocks(self, body: Any) -> Any:  # noqa: ANN401 - whatever JSON holds
        """Return a patron's block, if there is one. Raises SourceGarbled for another answer."""
        block = body.get("blockInfo", {}) if isinstance(body, dict) else None
        if not isinstance(body, dict) or "id" not in body or not isinstance(block, dict):
            raise SourceGarbled(
                tr("{source}: Sierra did not answer with a patron's record", source=self._question.source),
                tr("Check url and version, and that the key is allowed to read patrons."),
            )
        code = str(block.get("code") or "")
        return {"blocks": [] if code in _NO_BLOCK else [{**block, "id": _id(body["id"])}]}


class _Titles:
    """The titles of items; empty where titles are off."""

    def __init__(
        self, items: Callable[[str], Snapshot] | None = None, bibs: Callable[[str], Snapshot] | None = None
    ) -> None:
        self._items = items
        self._bibs = bibs

    def of(self, items: Iterable[str]) -> Mapping[str, Cell]:
        """Return the titles of these items, as far as Sierra has them."""
        if self._items is None or self._bibs is None:
            return {}
        bib_of = self._values_by_id(self._items, items)
        title_of = self._values_by_id(self._bibs, (str(bib) for bib in bib_of.values() if bib))
        return {item: title_of.get(str(bib)) for item, bib in bib_of.items()}

    def _values_by_id(self, ask: Callable[[str], Snapshot], ids: Iterable[str]) -> dict[str, Cell]:
        # Items of another library have ids that only that library knows.
        known = sorted({one for one in ids if re.fullmatch(r"[0-9]+", one)})
        return {str(row[0]): row[1] for chunk in chunked(known, _CHUNK) for row in ask(",".join(chunk)).rows}


def _id(address: object) -> str:
    """Return the id at the end of an address, or the id as it is."""
    return ("" if address is None else str(address)).rstrip("/").rpartition("/")[2]


def connect(settings: Settings, question: Question) -> EachPatron:
    """Return the connector; it opens nothing yet."""
    return EachPatron(SierraPatronReader(settings, question), settings.per_student, question, settings.unknown)
