"""A JSON API, asked page by page over HTTP with GET; all of it, or nothing.

An answer shows that it is whole by the total that the system itself tells, in the body or in a header, and that total
may not move while the pages are read. Where no total is told, the settings name what else is to count as proof.
An API that answers about one student at a time only is asked about each student of the roster (`per_student`).
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Annotated, Any, Literal, Self
from urllib.parse import quote, urljoin, urlsplit

from pydantic import Field, model_validator

from config.secrets import Text
from connectors.each_student import EachStudent
from connectors.paging import (
    CursorPaging,
    KeyPaging,
    LinkPaging,
    NoPaging,
    OffsetPaging,
    PagePaging,
    Paging,
    first_page,
)
from connectors.port import (
    Cell,
    Connector,
    Fingerprint,
    Progress,
    Proof,
    ProofKind,
    Question,
    Sample,
    Snapshot,
    SourceGarbled,
    SourceUnavailable,
    no_progress,
)
from connectors.records import AMBIGUOUS, ASKED_NUMBER, Mapped, described, found, paths
from connectors.walk import Pause, PerStudent
from connectors.web import MISSING, Answer, Exchange, Office, at_path, shown
from status_db.model import digest_of

_NO_REFERENCE = (
    "No reference is mapped, so a record that slips from one page to another would not be seen: map what tells two "
    "records apart as columns.reference, or see that the system sorts its pages."
)

_NO_FINGERPRINT = (
    "The system tells no ETag, and no Last-Modified older than a moment, so everything is read each time: leave out "
    "fingerprint, or have the office's system tell one."
)

#: A system whose data move while they are read is read again so often.
_ATTEMPTS = 3

#: What a system says of a student whom it does not know, where the settings have a 404 mean that.
_NOBODY = Answer(None, {}, {})


class Settings(Exchange):
    """Where the API is, how it pages, and how an answer shows that it is whole."""

    #: The address of all records; may be left out where only `one_url` is asked.
    url: Text = ""
    params: dict[str, Text | int] = {}  # noqa: RUF012 - pydantic copies a field's default
    #: Where the list of records stands in the answer; the answer itself when left out.
    records: str = ""
    paging: Paging = NoPaging()
    #: Where the system tells how many records there are: in the body, or in a header.
    total: str = ""
    total_header: str = ""
    #: What is to show that an answer is whole, each of them: its total; or, where none is told, that paging came to its
    #: end, or that a second reading brings the same; or, about one student, that a single answer holds all of theirs.
    proofs: tuple[Literal["total", "end_of_pages", "second_pass", "one_answer"], ...] = ("total",)
    #: Parameters for one student, with {student} for the number; left out, everybody is asked for and one is kept.
    one: dict[str, str] = {}  # noqa: RUF012 - pydantic copies a field's default
    #: The address for one student, with {student} for the number, where it is another.
    one_url: Text = ""
    #: Each student of the roster is asked about, because nobody else can be.
    per_student: PerStudent | None = None
    #: What a 404 about one student means: that something is wrong, or that the system does not know the number.
    missing: Literal["refused", "outside"] = "refused"
    #: Fields that a record may leave out.
    optional: tuple[str, ...] = ()
    #: Whether its one answer is still the last one is asked first: by HEAD, for an ETag or Last-Modified.
    fingerprint: bool = False
    #: More records than this are no answer, nor are more pages.
    limit: Annotated[int, Field(ge=1)] = 1_000_000
    most_pages: Annotated[int, Field(ge=1)] = 100_000

    @model_validator(mode="after")
    def _proves_something(self) -> Self:
        if "student" in self.optional:
            raise ValueError('a record without its student is about nobody: take "student" out of optional')
        if "end_of_pages" in self.proofs and isinstance(self.paging, NoPaging):
            raise ValueError(
                "one answer shows no end that could be reached, the system may stop at a default of its own: "
                'name total or total_header, set paging, or accept proofs = ["second_pass"]'
            )
        if not self.proofs or ("total" in self.proofs and not (self.total or self.total_header)):
            raise ValueError(
                "nothing would show that an answer is whole: name total or total_header, "
                'or accept proofs = ["second_pass"] or proofs = ["end_of_pages"]'
            )
        return self

    @model_validator(mode="after")
    def _has_one_fingerprint(self) -> Self:
        if self.fingerprint and (self.per_student or not isinstance(self.paging, NoPaging)):
            raise ValueError("a fingerprint is told of one answer: leave it out, or ask for everything at once")
        return self

    @model_validator(mode="after")
    def _asks_about_one_rightly(self) -> Self:
        if self.one_url and ASKED_NUMBER not in self.one_url:
            raise ValueError("one_url is the same for everybody: write {student} where the number belongs")
        names_one = self.one_url or any(ASKED_NUMBER in text for text in self.one.values())
        if self.per_student is None:
            if not self.url:
                raise ValueError("nobody is asked: name url")
            if "one_answer" in self.proofs or self.missing == "outside":
                raise ValueError(
                    'proofs = ["one_answer"] and missing = "outside" are about single students: set per_student, too'
                )
        elif not names_one:
            raise ValueError("per_student asks about each student: name one or one_url, with {student} for the number")
        elif "one_answer" in self.proofs and not isinstance(self.paging, NoPaging):
            raise ValueError('a single page is not everything: leave out paging, or accept proofs = ["end_of_pages"]')
        return self


class _Moved(Exception):  # noqa: N818 - named by what has happened
    """The data moved while the pages were read: read them again."""


class _Doubled(_Moved):
    """The same came twice, which also happens when paging is set wrongly."""


class _Unknown(Exception):  # noqa: N818 - named by what was said
    """The system says that it does not know the student."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is asked: for everybody's records, or for those of one student."""

    url: str
    params: Mapping[str, Any]
    student: str | None = None


@dataclass(slots=True)
class _Reading:
    """What has been read so far."""

    #: The number that was asked about, if it was one.
    student: str | None = None
    rows: list[tuple[Cell, ...]] = field(default_factory=list)
    pages: int = 0
    total: int | None = None
    #: The number of the last page, where the system tells it.
    last: int | None = None
    #: How many records the first page held, and which page held fewer.
    size: int = 0
    short: int = 0
    #: Which page each page's records, and each record that can be told apart, came on; by hash, to be small.
    seen_pages: dict[int, int] = field(default_factory=dict)
    seen: dict[int, int] = field(default_factory=dict)


class Rest:
    """Asks one API one question.

    A ready-made connector may hand in `shape`: it is given the body of each answer, and returns the one to be read.
    """

    def __init__(self, settings: Settings, question: Question, shape: Callable[[Any], Any] | None = None) -> None:
        self._settings = settings
        self._question = question
        self._shape = shape

    def pull(self, progress: Progress = no_progress) -> Snapshot:
        """Return every record."""
        with self._office() as office:
            told = self._told(office)
            snapshot = self._pulled(office, self._everybody(), progress)
        return replace(snapshot, fingerprint=told.value if told else None)

    def fingerprint(self) -> Fingerprint | None:
        """Return the system's own word on whether its answer is another one; None where it tells none."""
        with self._office() as office:
            return self._told(office)

    def _told(self, office: Office) -> Fingerprint | None:
        if not self._settings.fingerprint:
            return None
        began, asked = self._question.clock(), self._everybody()
        told = office.version(asked.url, asked.params)
        return Fingerprint(digest_of([told.encode()]), began, told) if told else None

    def pull_one(self, student: str) -> Snapshot:
        """Return the records about one student: by `one` and `one_url`, else by reading all and keeping theirs."""
        with self._office() as office:
            return self._pulled(office, self._one(student), no_progress).about(student)

    @contextmanager
    def asking(self, pause: Pause = time.sleep) -> Iterator[Callable[[str], Snapshot]]:
        """Open what asks about one number after the other, over one session; `longest` holds for each.

        The population of an answer is that number, or nobody where the system does not know it.
        """
        with self._office(pause) as office:

            def ask(student: str) -> Snapshot:
                office.begin()
                began = self._question.clock()
                try:
                    return replace(self._pulled(office, self._one(student), no_progress), population=[student])
                except _Unknown:
                    return self._nobody(began)

            yield ask

    def check(self) -> Sample:
        """Log in, and look at the first page."""
        return self._looked_at(self._everybody())

    def check_one(self, student: str) -> Sample:
        """Log in, and look at the first page about one student."""
        return self._looked_at(self._one(student))

    def _looked_at(self, asked: _Asked) -> Sample:
        with self._office() as office:
            try:
                answer = self._got(office, asked.url, first_page(self._settings.paging, asked.params), asked.student)
            except _Unknown:
                return Sample(self._where, tuple(self._question.columns.values()), None)
        told = _Reading()
        self._note_total(answer, told)
        self._note_last(answer, told)
        records = self._records(answer)
        offered = dict.fromkeys(path for record in records for path in paths(record))
        columns = tuple(offered) or tuple(self._question.columns.values())
        row = (
            dict(zip(self._question.columns, self._mapped.cells(records[0], 1, asked.student), strict=True))
            if records
            else None
        )
        warnings = tuple(
            f'"{path}" is in no record of the first page, and {name} may be left out: look whether '
            f"columns.{name} is written as the system writes it."
            for name, path in self._question.columns.items()
            if records and name in self._settings.optional and all(found(r, path) is MISSING for r in records)
        )
        if self._settings.fingerprint and self.fingerprint() is None:
            warnings += (_NO_FINGERPRINT,)
        if "reference" not in self._question.columns and not isinstance(self._settings.paging, NoPaging):
            warnings += (_NO_REFERENCE,)
        return Sample(self._where, columns, row, warnings)

    def _office(self, pause: Pause = time.sleep) -> Office:
        return Office(self._settings, self._question.source, self._question.clock, pause)

    def _everybody(self) -> _Asked:
        return _Asked(self._settings.url, self._settings.params)

    def _one(self, student: str) -> _Asked:
        settings = self._settings
        url = settings.one_url.replace(ASKED_NUMBER, quote(student, safe="")) or settings.url
        own = {name: text.replace(ASKED_NUMBER, student) for name, text in settings.one.items()}
        return _Asked(url, {**settings.params, **own}, student)

    def _got(self, office: Office, url: str, params: Mapping[str, Any], student: str | None) -> Answer:
        unknown_means_outside = student is not None and self._settings.missing == "outside"
        answer = office.get(url, params, _NOBODY if unknown_means_outside else None)
        if answer is _NOBODY:
            raise _Unknown
        return replace(answer, body=self._shape(answer.body)) if self._shape else answer

    def _pulled(self, office: Office, asked: _Asked, progress: Progress) -> Snapshot:
        began = self._question.clock()
        reading = self._read(office, asked, progress)
        if "second_pass" in self._settings.proofs:
            again = self._read(office, asked, no_progress)
            if Counter(again.rows) != Counter(reading.rows):
                raise SourceGarbled(
                    f"{self._named}: two readings brought different records ({len(reading.rows)} and "
                    f"{len(again.rows)})",
                    "It changes while it is read, or keeps no order: add a sort order to params, ask at a quieter "
                    "hour, or have the office tell a total.",
                )
        return self._snapshot(reading, began)

    def _nobody(self, began: datetime) -> Snapshot:
        proofs = (
            Proof(ProofKind.END_REACHED, "the system does not know the number (HTTP 404)"),
            Proof(ProofKind.COLUMNS_PRESENT, self._present([])),
        )
        return Snapshot(tuple(self._question.columns), [], began, self._question.clock(), proofs, [])

    @property
    def _mapped(self) -> Mapped:
        told_in = f"[source.{self._question.source}]"
        return Mapped(self._named, told_in, self._question.columns, self._settings.optional)

    @property
    def _where(self) -> str:
        return shown(self._settings.url or self._settings.one_url)

    @property
    def _named(self) -> str:
        return f"{self._question.source}: {self._where}"

    def _snapshot(self, reading: _Reading, began: datetime) -> Snapshot:
        count, settings = len(reading.rows), self._settings
        pages = f"{reading.pages} page{'s' if reading.pages != 1 else ''}"
        proofs = [
            Proof(ProofKind.NO_PAGE_LOST, f"{pages}, each once"),
            Proof(ProofKind.LIMIT_NOT_HIT, f"{count} rows of at most {settings.limit}"),
            Proof(ProofKind.COLUMNS_PRESENT, self._present(reading.rows)),
            Proof(ProofKind.CHARSET_SANE, f"{count} rows decoded, no replacement character"),
        ]
        if reading.total is not None:
            proofs.append(Proof(ProofKind.TOTAL_AGREES, f"{pages}, {count} of {reading.total} rows"))
        if "second_pass" in settings.proofs:
            proofs.append(Proof(ProofKind.SECOND_PASS_AGREES, f"{pages}, {count} rows, the same twice"))
        if reading.last is not None:
            proofs.append(
                Proof(ProofKind.END_REACHED, f"{pages}, up to page {reading.last}, which is told as the last")
            )
        elif "end_of_pages" in settings.proofs:
            proofs.append(Proof(ProofKind.END_REACHED, f"{pages}, {count} rows up to the end of paging"))
        if "one_answer" in settings.proofs:
            proofs.append(Proof(ProofKind.END_REACHED, f"one answer, {count} rows, taken for all about one student"))
        return Snapshot(tuple(self._question.columns), reading.rows, began, self._question.clock(), tuple(proofs))

    def _present(self, rows: list[tuple[Cell, ...]]) -> str:
        if not rows:
            return "no record came, so there was none to look at"
        names = ", ".join(
            path
            for name, path in self._question.columns.items()
            if name not in self._settings.optional and path != ASKED_NUMBER
        )
        return f"{names} in each of {len(rows)} rows"

    def _read(self, office: Office, asked: _Asked, progress: Progress) -> _Reading:
        for left in range(_ATTEMPTS - 1, -1, -1):
            try:
                return self._read_once(office, asked, progress)
            except _Doubled as doubled:
                if not left:
                    raise SourceGarbled(
                        f"{self._named}: {doubled}, each of {_ATTEMPTS} times it was read",
                        "Look at the names in paging: a system overlooks those it does not know; if they are right, "
                        "add a sort order to params.",
                    ) from None
            except _Moved as moved:
                if not left:
                    raise SourceUnavailable(
                        f"{self._named} changed each of {_ATTEMPTS} times it was read: {moved}",
                        "Ask at a quieter hour; the next slot tries again.",
                    ) from None
        raise AssertionError("the last attempt returns or raises")

    def _read_once(self, office: Office, asked: _Asked, progress: Progress) -> _Reading:
        reading = _Reading(asked.student)
        for answer in self._pages(office, asked, reading):
            self._take(self._records(answer), answer, reading)
            progress(len(reading.rows), reading.total)
        if reading.total is not None and len(reading.rows) != reading.total:
            raise SourceGarbled(
                f"{self._named} tells of {reading.total} records and gave {len(reading.rows)} on {reading.pages} pages",
                "A page has been lost, cut short or doubled, or paging is set wrongly: look at paging and total; a "
                "system that gives fewer records to a page than it is asked for may want a smaller per_page.",
            )
        return reading

    def _take(self, records: list[Any], answer: Answer, reading: _Reading) -> None:
        """Add a page to what has been read, unless it cannot be the next one."""
        reading.pages += 1
        self._note_total(answer, reading)
        self._note_last(answer, reading)
        if records and reading.seen_pages.setdefault(hash(repr(records)), reading.pages) != reading.pages:
            raise _Doubled(f"page {reading.pages} repeats page {reading.seen_pages[hash(repr(records))]}")
        if reading.pages == 1:
            reading.size = len(records)
        grown = len(records) > reading.size
        if records and (grown or reading.short) and isinstance(self._settings.paging, PagePaging):
            raise SourceGarbled(
                f"{self._named}: page {reading.short or 1} is shorter than others, and is not the last",
                "Records have been left out of it: have the office mend its paging, or ask for everything at once.",
            )
        if len(records) < reading.size:
            reading.short = reading.pages
        mapped = self._mapped
        for record in records:
            cells = mapped.cells(record, len(reading.rows) + 1, reading.student)
            self._refuse_overlap(cells, reading)
            reading.rows.append(cells)
        for what, count, most, key in (
            ("records", len(reading.rows), self._settings.limit, "limit"),
            ("pages", reading.pages, self._settings.most_pages, "most_pages"),
        ):
            if count > most:
                raise SourceGarbled(
                    f"{self._named} brings more {what} than its limit of {most}",
                    "Look whether params have lost a condition, and whether paging ends; if all is right, raise "
                    f"{key} in [source.{self._question.source}].",
                )

    def _pages(self, office: Office, asked: _Asked, reading: _Reading) -> Iterator[Answer]:
        """Give each page's answer, up to the one that shows the end."""
        paging = self._settings.paging
        url, params = asked.url, first_page(self._settings.paging, asked.params)
        while True:
            before = len(reading.rows)
            # Only of the first page can it be said that the student is unknown.
            answer = self._got(office, url, params, None if reading.pages else asked.student)
            yield answer
            came = len(reading.rows) - before
            done = reading.total is not None and len(reading.rows) >= reading.total
            match paging:
                case PagePaging(page=page) if (
                    came and not done if reading.last is None else int(params[page]) < reading.last
                ):
                    params = {**params, page: int(params[page]) + 1}
                case OffsetPaging(offset=offset) if came and not done:
                    params = {**params, offset: len(reading.rows)}
                case LinkPaging():
                    following = answer.links.get("next", {}).get("url", "")
                    if not following:
                        self._refuse_unmarked_end(reading, paging, came, "Link header with rel=next")
                        return
                    url, params = self._own(urljoin(url, following), url), {}
                case CursorPaging(cursor=cursor, next=path):
                    word = at_path(answer.body, path)
                    if word in (None, "", MISSING) or word is False:
                        if word is MISSING:
                            self._refuse_unmarked_end(reading, paging, came, f'"{path}"')
                        return
                    if params.get(cursor) == word:
                        raise SourceGarbled(
                            f"{self._named} names the same next page again and again",
                            "Look at paging: next and cursor.",
                        )
                    params = {**params, cursor: word}
                case KeyPaging(after=after, key=path) if came and not done:
                    params = {**params, after: self._last_key(answer, path, params.get(after))}
                case _:
                    return

    def _last_key(self, answer: Answer, path: str, before: object) -> object:
        """Return the key that the next page begins after. Raises SourceGarbled where there is none, or no other one."""
        key = found(self._records(answer)[-1], path)
        if key in (None, "", MISSING, AMBIGUOUS) or key == before:
            raise SourceGarbled(
                f'{self._named}: the last record of a page has no "{path}" to go on from, or that of the page before',
                "Look at paging: key and after; and whether records come in the order of that key.",
            )
        return key

    def _refuse_unmarked_end(self, reading: _Reading, paging: LinkPaging | CursorPaging, came: int, mark: str) -> None:
        """Refuse a first page that is full and names no next one: the mark may have been lost, or never be given."""
        if reading.total is None and reading.pages == 1 and paging.size and came >= paging.per_page:
            raise SourceGarbled(
                f"{self._named}: the first page is full ({came} records) and has no {mark}",
                "That may be the end or not: mend paging, look whether something on the way drops headers, or change "
                "per_page so that the last page is not full.",
            )

    def _own(self, url: str, before: str) -> str:
        """Return a next page's address, unless it lies with somebody else: our credentials do not go there."""
        ours, theirs = urlsplit(before), urlsplit(url)
        if (ours.scheme, ours.netloc) != (theirs.scheme, theirs.netloc):
            raise SourceGarbled(
                f"{self._named} names a next page elsewhere ({shown(url)})",
                "Have the office mend the addresses its system gives, or write url as they are written.",
            )
        return url

    def _records(self, answer: Answer) -> list[Any]:
        records = at_path(answer.body, self._settings.records)
        if isinstance(records, dict) and self._settings.per_student:
            return [records]
        if records is None and self._told_total(answer) == 0:
            # Some systems write null for an empty list; their own count says that this is one.
            return []
        if not isinstance(records, list):
            place = f'at "{self._settings.records}"' if self._settings.records else "as the answer itself"
            raise SourceGarbled(
                f"{self._named} has no list {place} (there is: {described(answer.body)})",
                f"Mend records in [source.{self._question.source}].",
            )
        return records

    def _note_total(self, answer: Answer, reading: _Reading) -> None:
        total = self._told_total(answer)
        if None not in (total, reading.total) and reading.total != total:
            raise _Moved(f"its total went from {reading.total} to {total}")
        reading.total = total

    def _told_total(self, answer: Answer) -> int | None:
        """Return how many records the system says there are; None where it is not to say so."""
        settings = self._settings
        if settings.total:
            return self._number(at_path(answer.body, settings.total), f'total at "{settings.total}"', "total")
        if settings.total_header:
            said = answer.headers.get(settings.total_header, MISSING)
            return self._number(said, f"total in the header {settings.total_header}", "total_header")
        return None

    def _note_last(self, answer: Answer, reading: _Reading) -> None:
        paging = self._settings.paging
        if not isinstance(paging, PagePaging) or not paging.last:
            return
        last = self._number(at_path(answer.body, paging.last), f'last page at "{paging.last}"', "paging.last")
        if reading.last not in (None, last):
            raise _Moved(f"its last page went from {reading.last} to {last}")
        reading.last = last

    def _number(self, said: object, what: str, key: str) -> int:
        try:
            return int(str(said))
        except ValueError:
            raise SourceGarbled(
                f"{self._named} tells no {what}",
                f"Mend {key} in [source.{self._question.source}].",
            ) from None

    def _refuse_overlap(self, cells: tuple[Cell, ...], reading: _Reading) -> None:
        """Notice a record that comes on two pages: one has slipped in before it, and another may have slipped out."""
        fields = tuple(self._question.columns)
        if "reference" not in fields or cells[fields.index("reference")] in (None, ""):
            return
        page = reading.seen.setdefault(hash(cells), reading.pages)
        if page != reading.pages:
            raise _Doubled(f"a record of page {page} stands on page {reading.pages}, too")


def connect(settings: Settings, question: Question) -> Connector:
    """Return the connector; it opens nothing yet."""
    about_all_or_one = Rest(settings, question)
    if settings.per_student is None:
        return about_all_or_one
    return EachStudent(about_all_or_one, settings.per_student, question)
