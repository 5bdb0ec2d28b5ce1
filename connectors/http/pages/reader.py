"""Reading a JSON API's pages, one after the other, up to the end that it shows: every record once, or an error."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urljoin

from connectors.http.answers import MISSING, at_path
from connectors.http.client import HttpAnswer, OfficeClient
from connectors.http.pages.page_checks import PageChecks
from connectors.http.pages.reading import Doubled, PageQuestion, PagesMoved, Reading, TaggedPage, UnknownStudent
from connectors.http.paging import (
    CursorPaging,
    KeyPaging,
    LinkPaging,
    NoPaging,
    OffsetPaging,
    PagePaging,
    after,
    first_page,
)
from connectors.http.records import MappedRecord, described
from connectors.http.rest_settings import Settings
from connectors.http.unreached import shown
from connectors.port import Cell, Progress, Question, SourceGarbled, SourceRefused, SourceUnavailable, table_of

#: How many times a system is read again whose data move while they are read.
_ATTEMPTS = 3

#: What a system says of a student whom it does not know, where the settings have a 404 mean that.
_NOBODY = HttpAnswer(None, {}, {})

#: With so many pages it can be seen that an ETag is one page's own.
_TELLING = 2

#: Systems that give fewer records than asked for mostly give a multiple of this.
_ROUND = 10


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
        self._named = f"{question.source}: {shown(settings.url or settings.one_url)}"
        fields = tuple(question.columns)
        #: The column that says whom a record is about.
        self.about = fields.index("student") if "student" in fields else 0
        self._reference = fields.index("reference") if "reference" in fields else None
        self._table = table_of(question.source)
        self._mapped = MappedRecord(
            self._named, self._table, question.columns, settings.optional, settings.fix, fields[self.about]
        )
        self._checks = PageChecks(settings, self._named, self._table, self._reference, fresh=fresh)

    def first(self, office: OfficeClient, asked: PageQuestion) -> tuple[list[Any], Reading]:
        """Return the first page's records, and what is read of them. Raises as `read` does."""
        reading = Reading(asked.student)
        answer = self._got(office, asked.url, first_page(self._settings.paging, asked.params), asked.student)
        records = self._records(answer, reading)
        self._take(records, answer, reading)
        if isinstance(self._settings.paging, NoPaging):
            # It is the only page.
            self._checks.refuse_missing(reading)
        return records, reading

    def read(
        self, office: OfficeClient, asked: PageQuestion, progress: Progress, abandoned: list[list[tuple[Cell, ...]]]
    ) -> Reading:
        """Read up to the end; the rows of readings that were given up go into `abandoned`.

        Raises SourceUnavailable where the data never rest, SourceGarbled where a page cannot be the next one or records
        are missing, and UnknownStudent.
        """
        for left in range(_ATTEMPTS - 1, -1, -1):
            reading = Reading(asked.student)
            try:
                self._read_once(office, asked, progress, reading)
            except Doubled as doubled:
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
            except PagesMoved as moved:
                if not left:
                    raise SourceUnavailable(
                        f"{self._named} changed each of {_ATTEMPTS} times it was read: {moved}",
                        "Ask at a quieter hour; the next slot tries again.",
                    ) from None
            else:
                return reading
            abandoned.append(reading.rows)
        raise AssertionError("the last attempt returns or raises")

    def reads_the_same(self, office: OfficeClient, reading: Reading) -> bool:
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

    def _got(self, office: OfficeClient, url: str, params: Mapping[str, Any], student: str | None) -> HttpAnswer:
        unknown_means_outside = student is not None and self._settings.missing == "outside"
        answer = office.get(url, params, _NOBODY if unknown_means_outside else None)
        if answer is _NOBODY:
            raise UnknownStudent
        return replace(answer, body=self._shape(answer.body)) if self._shape else answer

    def _read_once(self, office: OfficeClient, asked: PageQuestion, progress: Progress, reading: Reading) -> None:
        for answer in self._pages(office, asked, reading):
            self._take(self._records(answer, reading), answer, reading)
            progress(len(reading.rows), reading.total)
        self._checks.refuse_missing(reading)

    def _take(self, records: list[Any], answer: HttpAnswer, reading: Reading) -> None:
        """Add a page to what has been read, unless it cannot be the next one."""
        reading.pages += 1
        self._checks.refuse_mixed_ages(answer, reading)
        try:
            self._checks.note_total(answer, reading, len(records))
            self._checks.note_last(answer, reading)
        except PagesMoved:
            # What this page has is known, though the reading is given up.
            reading.rows += [self._mapped.cells(record, 0, reading.student, []) for record in records]
            raise
        marks = [hash(repr(record)) for record in records]
        if records and reading.seen_pages.setdefault(hash(tuple(marks)), reading.pages) != reading.pages:
            raise Doubled(f"page {reading.pages} repeats page {reading.seen_pages[hash(tuple(marks))]}")
        self._checks.refuse_shorter_before(len(records), reading)
        self._checks.note_keys(records, reading)
        for record, mark in zip(records, marks, strict=True):
            cells = self._mapped.cells(record, len(reading.rows) + 1, reading.student, reading.broken)
            self._checks.refuse_overlap(cells, mark, reading)
            reading.rows.append(cells)
        self._checks.refuse_too_many(reading)

    def _pages(self, office: OfficeClient, asked: PageQuestion, reading: Reading) -> Iterator[HttpAnswer]:
        """Give each page's answer, up to the one that shows the end."""
        paging = self._settings.paging
        url, params = asked.url, first_page(self._settings.paging, asked.params)
        while True:
            before = len(reading.rows)
            # Only of the first page can it be said that the student is unknown.
            answer = self._got(office, url, params, None if reading.pages else asked.student)
            reading.tagged.append(TaggedPage(url, dict(params), answer.headers.get("ETag", "")))
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
                        self._checks.refuse_unmarked_end(reading, paging, came, "Link header with rel=next")
                        return
                    url, params = self._checks.own_address(urljoin(url, following), url), {}
                case CursorPaging(cursor=cursor, next=path):
                    word = at_path(answer.body, path)
                    if word in (None, "", MISSING) or word is False:
                        if word is MISSING:
                            self._checks.refuse_unmarked_end(reading, paging, came, f'"{path}"')
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

    def _look_beyond(
        self, office: OfficeClient, url: str, params: Mapping[str, Any], reading: Reading, came: int
    ) -> None:
        """Ask for one more page after a full last one: what a total counts may be that page alone.

        Raises Moved where a record was added meanwhile, and SourceGarbled where there was more all the time.
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
            reading.tagged.append(TaggedPage(url, dict(params), answer.headers.get("ETag", "")))
            records = self._listed(answer)
        except SourceRefused:
            # Some systems call a page beyond the last one a mistake.
            reading.tagged.append(TaggedPage(url, dict(params), ""))
            return
        if not isinstance(records, list) or all(hash(repr(record)) in reading.seen for record in records):
            # Nothing, or the last page once more.
            return
        if self._checks.reported_total(answer) != reading.total:
            raise PagesMoved(f"its total went from {reading.total} to {self._checks.reported_total(answer)}")
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

    def _listed(self, answer: HttpAnswer) -> Any:  # noqa: ANN401 - whatever JSON holds
        return at_path(answer.body, self._settings.records)

    def _records(self, answer: HttpAnswer, reading: Reading) -> list[Any]:
        records = self._listed(answer)
        if isinstance(records, list):
            return records
        if isinstance(records, dict) and (self._settings.per_student or self._settings.bare_record):
            return [records]
        try:
            total = self._checks.reported_total(answer)
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
