"""Reading a JSON API's pages, one after the other, up to the end that it shows: every record once, or an error."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any
from urllib.parse import urljoin, urlsplit

from connectors.http.answers import MISSING, at_path
from connectors.http.client import Answer, Office
from connectors.http.paging import (
    CursorPaging,
    KeyPaging,
    LinkPaging,
    NoPaging,
    OffsetPaging,
    PagePaging,
    after,
    first_page,
    may_slip,
)
from connectors.http.records import AMBIGUOUS, Mapped, described, found
from connectors.http.rest_settings import Settings
from connectors.http.unreached import shown
from connectors.port import Cell, Progress, Question, SourceGarbled, SourceRefused, SourceUnavailable, table_of

#: A system whose data move while they are read is read again so often.
_ATTEMPTS = 3

#: What a system says of a student whom it does not know, where the settings have a 404 mean that.
_NOBODY = Answer(None, {}, {})

#: Digits, and what identifiers such as UUIDs are written with.
_HEX = re.compile(r"[0-9a-fA-F-]+")

#: With so many pages it can be seen that an ETag is one page's own.
_TELLING = 2

#: So many letters of what stands in the place of a number are shown.
_SHOWN = 40

#: Systems that give fewer records than asked for mostly give a multiple of this.
_ROUND = 10


class UnknownStudent(Exception):  # noqa: N818 - named by what was said
    """The system says that it does not know the student."""


class _Moved(Exception):  # noqa: N818 - named by what has happened
    """The data moved while the pages were read: read them again."""


class _Doubled(_Moved):
    """The same came twice, which also happens when paging is set wrongly."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked: for everybody's records, or for those of one student."""

    url: str
    params: Mapping[str, Any]
    student: str | None = None


@dataclass(frozen=True, slots=True)
class Tagged:
    """One question of a reading, and the ETag that its answer had."""

    url: str
    params: Mapping[str, Any]
    tag: str


@dataclass(slots=True)
class Reading:
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
    #: The keys that came, where a page begins after a key.
    keys: set[object] = field(default_factory=set)
    last_key: object = None
    #: Places of letters that could not be read.
    broken: list[str] = field(default_factory=list)
    #: For how many seconds an answer has been in a cache, at most.
    oldest: float = 0.0
    #: Each question, with the ETag of its answer.
    tagged: list[Tagged] = field(default_factory=list)


class Pages:
    """Reads one API's pages.

    `shape` is given the body of each answer, and returns the one to be read. `fresh` takes no answer out of a cache.
    """

    def __init__(
        self, settings: Settings, question: Question, shape: Callable[[Any], Any] | None = None, *, fresh: bool = False
    ) -> None:
        self._settings = settings
        self._question = question
        self._shape = shape
        self._fresh = fresh
        self._named = f"{question.source}: {shown(settings.url or settings.one_url)}"
        fields = tuple(question.columns)
        #: The column that says whom a record is about.
        self.about = fields.index("student") if "student" in fields else 0
        self._reference = fields.index("reference") if "reference" in fields else None
        self._table = table_of(question.source)
        self._mapped = Mapped(
            self._named, self._table, question.columns, settings.optional, settings.fix, fields[self.about]
        )

    def first(self, office: Office, asked: Asked) -> tuple[list[Any], Reading]:
        """Return the first page's records, and what is read of them. Raises as `read` does."""
        reading = Reading(asked.student)
        answer = self._got(office, asked.url, first_page(self._settings.paging, asked.params), asked.student)
        records = self._records(answer, reading)
        self._take(records, answer, reading)
        if isinstance(self._settings.paging, NoPaging):
            # It is the only page.
            self._refuse_missing(reading)
        return records, reading

    def read(
        self, office: Office, asked: Asked, progress: Progress, abandoned: list[list[tuple[Cell, ...]]]
    ) -> Reading:
        """Read up to the end; the rows of readings that were given up go into `abandoned`.

        Raises SourceUnavailable where the data never rest, SourceGarbled where a page cannot be the next one or records
        are missing, and UnknownStudent.
        """
        for left in range(_ATTEMPTS - 1, -1, -1):
            reading = Reading(asked.student)
            try:
                self._read_once(office, asked, progress, reading)
            except _Doubled as doubled:
                if not left:
                    raise SourceGarbled(
                        f"{self._named}: {doubled}, each of {_ATTEMPTS} times it was read",
                        self._settings.fix(
                            "Look at the names in paging: a system overlooks those it does not know; if they are "
                            "right, add a sort order to params. Where the system has records that are alike in "
                            "everything, ask for pages large enough to hold them all.",
                            "paging",
                            "params",
                            otherwise="Raise per_page, so that a page holds all records that are alike in everything; "
                            "if it stays so, have the office check how its system sorts its pages.",
                        ),
                    ) from None
            except _Moved as moved:
                if not left:
                    raise SourceUnavailable(
                        f"{self._named} changed each of {_ATTEMPTS} times it was read: {moved}",
                        "Ask at a quieter hour; the next slot tries again.",
                    ) from None
            else:
                return reading
            abandoned.append(reading.rows)
        raise AssertionError("the last attempt returns or raises")

    def reads_the_same(self, office: Office, reading: Reading) -> bool:
        """Say whether reading these pages once more would bring the same, by the system's own word on each of them.

        Only a strong ETag says that not a byte has changed (RFC 9110, section 8.8.1). One that is the same for several
        pages says nothing; nor does one of a page whose Link header, which no ETag covers, says what comes next.
        """
        tags = [each.tag for each in reading.tagged]
        if len(tags) < _TELLING or isinstance(self._settings.paging, LinkPaging):
            return False
        if len(set(tags)) < len(tags) or not all(tag.startswith('"') for tag in tags):
            return False
        return all(office.unchanged(each.url, each.params, each.tag) for each in reading.tagged)

    def told_total(self, answer: Answer) -> int | None:
        """Return how many records the system says there are; None where it is not to say so."""
        settings = self._settings
        if settings.total:
            return self._number(at_path(answer.body, settings.total), f'total at "{settings.total}"', "total")
        if settings.total_header:
            said = answer.headers.get(settings.total_header, MISSING)
            return self._number(said, f"total in the header {settings.total_header}", "total_header")
        return None

    def _got(self, office: Office, url: str, params: Mapping[str, Any], student: str | None) -> Answer:
        unknown_means_outside = student is not None and self._settings.missing == "outside"
        answer = office.get(url, params, _NOBODY if unknown_means_outside else None)
        if answer is _NOBODY:
            raise UnknownStudent
        return replace(answer, body=self._shape(answer.body)) if self._shape else answer

    def _read_once(self, office: Office, asked: Asked, progress: Progress, reading: Reading) -> None:
        for answer in self._pages(office, asked, reading):
            self._take(self._records(answer, reading), answer, reading)
            progress(len(reading.rows), reading.total)
        self._refuse_missing(reading)

    def _refuse_missing(self, reading: Reading) -> None:
        """Refuse an answer with fewer records than the system reports, or more."""
        if reading.total is not None and len(reading.rows) != reading.total:
            raise SourceGarbled(
                f"{self._named} tells of {reading.total} records and gave {len(reading.rows)} on {reading.pages} pages",
                self._settings.fix(
                    "A page has been lost, cut short or doubled, or paging is set wrongly: look at paging and total; a "
                    "system that gives fewer records to a page than it is asked for may want a smaller per_page.",
                    "paging",
                    "total",
                    otherwise="A page has been lost, cut short or doubled: a system that gives fewer records to a page "
                    "than it is asked for may want a smaller per_page; if it stays so, have the office look at it.",
                ),
            )

    def _take(self, records: list[Any], answer: Answer, reading: Reading) -> None:
        """Add a page to what has been read, unless it cannot be the next one."""
        reading.pages += 1
        self._refuse_mixed_ages(answer, reading)
        try:
            self._note_total(answer, reading, len(records))
            self._note_last(answer, reading)
        except _Moved:
            # What this page has is known, though the reading is given up.
            reading.rows += [self._mapped.cells(record, 0, reading.student, []) for record in records]
            raise
        marks = [hash(repr(record)) for record in records]
        if records and reading.seen_pages.setdefault(hash(tuple(marks)), reading.pages) != reading.pages:
            raise _Doubled(f"page {reading.pages} repeats page {reading.seen_pages[hash(tuple(marks))]}")
        if reading.pages == 1:
            reading.size = len(records)
        grown = len(records) > reading.size
        if records and (grown or reading.short) and isinstance(self._settings.paging, PagePaging):
            raise SourceGarbled(
                f"{self._named}: page {reading.short or 1} is shorter than others, and is not the last",
                "Records have been left out of it: have the office correct its paging, or ask for everything at once.",
            )
        if len(records) < reading.size:
            reading.short = reading.pages
        self._note_keys(records, reading)
        for record, mark in zip(records, marks, strict=True):
            cells = self._mapped.cells(record, len(reading.rows) + 1, reading.student, reading.broken)
            self._refuse_overlap(cells, mark, reading)
            reading.rows.append(cells)
        for what, count, most, key in (
            ("records", len(reading.rows), self._settings.limit, "limit"),
            ("pages", reading.pages, self._settings.most_pages, "most_pages"),
        ):
            if count > most:
                raise SourceGarbled(
                    f"{self._named} brings more {what} than its limit of {most}",
                    self._settings.fix(
                        "Look whether params have lost a condition, and whether paging ends; if all is right, raise "
                        f"{key} in {self._table}.",
                        "params",
                        key,
                        otherwise="Have the office look whether its pages end, and why there are so many records.",
                    ),
                )

    def _pages(self, office: Office, asked: Asked, reading: Reading) -> Iterator[Answer]:
        """Give each page's answer, up to the one that shows the end."""
        paging = self._settings.paging
        url, params = asked.url, first_page(self._settings.paging, asked.params)
        while True:
            before = len(reading.rows)
            # Only of the first page can it be said that the student is unknown.
            answer = self._got(office, url, params, None if reading.pages else asked.student)
            reading.tagged.append(Tagged(url, dict(params), answer.headers.get("ETag", "")))
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
                case KeyPaging() if came and (not done or self._is_full(reading, came)):
                    params = {**params, **after(paging, reading.last_key, asked.student)}
                case _:
                    self._look_beyond(office, url, params, reading, came)
                    return

    def _is_full(self, reading: Reading, came: int) -> bool:
        """Say whether a page may be as large as the system makes them, so that another may follow."""
        paging = self._settings.paging
        if isinstance(paging, PagePaging | OffsetPaging | KeyPaging) and came >= paging.per_page:
            return True
        return came == reading.size if reading.pages > 1 else came % _ROUND == 0

    def _look_beyond(self, office: Office, url: str, params: Mapping[str, Any], reading: Reading, came: int) -> None:
        """Ask for one more page after a full last one: what a total counts may be that page alone.

        Raises _Moved where a record was added meanwhile, and SourceGarbled where there was more all the time.
        """
        paging = self._settings.paging
        missing = reading.total is not None and len(reading.rows) < reading.total
        if not came or missing or not self._is_full(reading, came):
            return
        match paging:
            case PagePaging(page=page):
                params = {**params, page: int(params[page]) + 1}
            case OffsetPaging(offset=offset):
                params = {**params, offset: len(reading.rows)}
            case _:
                return
        try:
            answer = self._got(office, url, params, None)
            reading.tagged.append(Tagged(url, dict(params), answer.headers.get("ETag", "")))
            records = self._listed(answer)
        except SourceRefused:
            # Some systems call a page beyond the last one a mistake.
            reading.tagged.append(Tagged(url, dict(params), ""))
            return
        if not isinstance(records, list) or all(hash(repr(record)) in reading.seen for record in records):
            # Nothing, or the last page once more.
            return
        if self.told_total(answer) != reading.total:
            raise _Moved(f"its total went from {reading.total} to {self.told_total(answer)}")
        what = f"a total of {reading.total}" if reading.total is not None else f"page {reading.last} as the last"
        raise SourceGarbled(
            f"{self._named} names {what} and has more on the page after that",
            self._settings.fix(
                "It counts the records of one page, or another size of page: name where the number of all records is "
                "as total, or take the end of paging as proof (proofs).",
                "total",
                "proofs",
                otherwise="It counts the records of one page, or another size of page: change per_page; if it stays "
                "so, have the office correct what its system counts.",
            ),
        )

    def _note_keys(self, records: list[Any], reading: Reading) -> None:
        """Notice keys after which nothing can be asked for without losing a record. Raises SourceGarbled."""
        paging = self._settings.paging
        if not isinstance(paging, KeyPaging):
            return
        for record in records:
            key = found(record, paging.key)
            why = ""
            if key in (None, "", MISSING, AMBIGUOUS) or isinstance(key, dict | list | bool):
                why = f'has no "{paging.key}" to go on from'
            elif key in reading.keys:
                why = f'has a "{paging.key}" that came before'
            elif _is_before(key, reading.last_key):
                why = f'has a smaller "{paging.key}" than the one before'
            if why:
                raise SourceGarbled(
                    f"{self._named}: record {len(reading.keys) + 1} {why}",
                    self._settings.fix(
                        "Look at paging: key and after; each record needs a key of its own, and records must come in "
                        "its order: add that order to params.",
                        "paging",
                        "params",
                    ),
                )
            reading.keys.add(key)
            reading.last_key = key

    def _refuse_mixed_ages(self, answer: Answer, reading: Reading) -> None:
        """Refuse pages out of a cache where pages of two moments do not fit together."""
        reading.oldest = max(reading.oldest, answer.age)
        twice = "second_pass" in self._settings.proofs
        slips = reading.pages > 1 and may_slip(self._settings.paging)
        if reading.oldest and (self._fresh or twice or slips):
            raise SourceRefused(
                f"{self._named} is answered out of a cache (Age: {reading.oldest:.0f} s), so that answers of different "
                "moments would be put together",
                "Have whoever runs the cache or gateway on the way leave this address out of it.",
            )

    def _refuse_unmarked_end(self, reading: Reading, paging: LinkPaging | CursorPaging, came: int, mark: str) -> None:
        """Refuse a first page that is full and names no next one: the mark may have been lost, or never be given."""
        counts_the_page = reading.total is None or reading.total == came
        if counts_the_page and reading.pages == 1 and paging.size and came >= paging.per_page:
            raise SourceGarbled(
                f"{self._named}: the first page is full ({came} records) and has no {mark}",
                "That may be the end or not: correct paging, look whether something on the way drops headers, or "
                "change per_page so that the last page is not full.",
            )

    def _own(self, url: str, before: str) -> str:
        """Return a next page's address, unless it lies with somebody else: our credentials do not go there."""
        ours, theirs = urlsplit(before), urlsplit(url)
        if (ours.scheme, ours.netloc) != (theirs.scheme, theirs.netloc):
            raise SourceGarbled(
                f"{self._named} names a next page elsewhere ({shown(url)})",
                "Have the office correct the addresses its system gives, or write url as they are written.",
            )
        return url

    def _listed(self, answer: Answer) -> Any:  # noqa: ANN401 - whatever JSON holds
        return at_path(answer.body, self._settings.records)

    def _records(self, answer: Answer, reading: Reading) -> list[Any]:
        records = self._listed(answer)
        if isinstance(records, list):
            return records
        if isinstance(records, dict) and (self._settings.per_student or self._settings.bare_record):
            return [records]
        try:
            total = self.told_total(answer)
        except SourceGarbled:
            # Where the list is missing too, that is what is wrong.
            total = None
        if total == 0 and (records is None or records is MISSING or records in ("", {})):
            # Some systems write null or nothing for an empty list; their own count says that this is one.
            return []
        if isinstance(records, dict) and records and total is not None and total - len(reading.rows) == 1:
            # What a converter makes of a list of one; the system's own count says that this is one.
            return [records]
        place = f'at "{self._settings.records}"' if self._settings.records else "as the answer itself"
        if isinstance(records, str) and records.lstrip()[:1] in ("[", "{"):
            raise SourceGarbled(
                f"{self._named} has its list {place} as a text that holds JSON, and not as JSON",
                "Have the office send the list itself; many frameworks have a setting for it, or another address.",
            )
        raise SourceGarbled(
            f"{self._named} has no list {place} (there is: {described(answer.body)})",
            self._settings.fix(
                f"Correct records in {self._table}; where the system writes a list of one as the bare record, add "
                "bare_record = true.",
                "records",
                "bare_record",
                otherwise=self._settings.fix(f"Correct {{records}} in {self._table}.", "records"),
            ),
        )

    def _note_total(self, answer: Answer, reading: Reading, came: int) -> None:
        total = self.told_total(answer)
        paging = self._settings.paging
        if total is not None and isinstance(paging, KeyPaging) and paging.counts == "rest":
            if total < came:
                raise SourceGarbled(
                    f"{self._named} tells of {total} records and gave {came} on page {reading.pages}",
                    self._settings.fix(f"Look at total in {self._table}.", "total"),
                )
            # More may come while it is read, after the key. Fewer may have come back, or have been left out of a page.
            now = len(reading.rows) + total
            if reading.total is not None and now < reading.total:
                raise _Moved(f"its total went from {reading.total} to {now}")
            reading.total = now
            return
        if None not in (total, reading.total) and reading.total != total:
            raise _Moved(f"its total went from {reading.total} to {total}")
        reading.total = total

    def _note_last(self, answer: Answer, reading: Reading) -> None:
        paging = self._settings.paging
        if not isinstance(paging, PagePaging) or not paging.last:
            return
        last = self._number(at_path(answer.body, paging.last), f'last page at "{paging.last}"', "paging.last")
        if reading.last not in (None, last):
            raise _Moved(f"its last page went from {reading.last} to {last}")
        reading.last = last

    def _number(self, said: object, what: str, key: str) -> int:
        """Return a count, which some systems write as 1.0 or "1". Raises SourceGarbled."""
        text = said.strip() if isinstance(said, str) else str(said) if isinstance(said, int | Decimal) else ""
        whole, _, fraction = text.partition(".")
        if isinstance(said, bool) or not (whole.isascii() and whole.isdecimal()) or fraction.strip("0"):
            there = "nothing is there" if said is MISSING else f"{str(said)[:_SHOWN]!r} is there"
            tells = f"a {what} that is no whole number" if whole.isdecimal() and fraction.isdecimal() else f"no {what}"
            raise SourceGarbled(
                f"{self._named} tells {tells} ({there})",
                self._settings.fix(f"Correct {key} in {self._table}.", key.partition(".")[0]),
            )
        return int(whole)

    def _refuse_overlap(self, cells: tuple[Cell, ...], mark: int, reading: Reading) -> None:
        """Notice a record that comes on two pages: one has slipped in before it, and another may have slipped out.

        The whole record tells it from others, whatever is mapped; and so do the mapped columns with a reference.
        """
        marks = [mark]
        if self._reference is not None and cells[self._reference] not in (None, ""):
            marks.append(hash(("mapped", cells)))
        for own in marks:
            page = reading.seen.setdefault(own, reading.pages)
            if page != reading.pages:
                raise _Doubled(f"a record of page {page} stands on page {reading.pages}, too")

    def shows_each_page(self, reading: Reading) -> str:
        """Return what shows that no page was lost or doubled; empty where nothing does."""
        if not reading.rows:
            return ""
        if isinstance(self._settings.paging, KeyPaging):
            return f"{len(reading.keys)} keys, each once and in their order"
        if self._reference is None:
            return ""
        references = {row[self._reference] for row in reading.rows}
        if len(references) != len(reading.rows) or references & {None, ""}:
            return ""
        return f"{len(references)} references, each once"


def _is_before(key: object, last: object) -> bool:
    """Say whether a key surely comes before the one before it; how a system orders other text nobody can tell."""
    if isinstance(key, int) and isinstance(last, int):
        return key < last
    plain = isinstance(key, str) and isinstance(last, str) and len(key) == len(last)
    return plain and bool(_HEX.fullmatch(f"{key}{last}")) and str(key).lower() < str(last).lower()
