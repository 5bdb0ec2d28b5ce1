"""Reads a JSON API's pages, one after the other, up to its end: every record once, or an error."""

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
from connectors.http.unreached import public_url
from connectors.port import Cell, Progress, Question, SourceGarbled, SourceRefused, SourceUnavailable, table_of
from foundation.translation import N_, tr

#: How many times a system with changing data is read.
_ATTEMPTS = 3

#: The answer about an unknown student, where the settings define that for a 404.
_UNKNOWN_STUDENT = HttpAnswer(None, {}, {})

#: The least pages with which ETags can be seen to differ from page to page.
_LEAST_TAGS = 2

#: Systems that return fewer records than requested mostly return a multiple of this.
_ROUND = 10


class Pages:
    """Reads one API's pages.

    `shape` converts the body of each answer. With `fresh`, no answer from a cache is accepted.
    """

    def __init__(
        self, settings: Settings, question: Question, shape: Callable[[Any], Any] | None = None, *, fresh: bool = False
    ) -> None:
        self._settings = settings
        self._question = question
        self._shape = shape
        self._named = tr(
            "{source}: {where}", source=question.source, where=public_url(settings.url or settings.one_url)
        )
        fields = tuple(question.columns)
        #: The column that identifies the person of a record.
        self.about = fields.index("student") if "student" in fields else 0
        self._reference = fields.index("reference") if "reference" in fields else None
        self._table = table_of(question.source)
        self._mapped = MappedRecord(
            self._named, self._table, question.columns, settings.optional, settings.fix, fields[self.about]
        )
        self._checks = PageChecks(settings, self._named, self._table, self._reference, fresh=fresh)

    def first(self, office: OfficeClient, asked: PageQuestion) -> tuple[list[Any], Reading]:
        """Return the first page's records, and their reading. Raises as `read` does."""
        reading = Reading(asked.student)
        answer = self._get_answer(office, asked.url, first_page(self._settings.paging, asked.params), asked.student)
        records = self._records(answer, reading)
        self._add_page(records, answer, reading)
        if isinstance(self._settings.paging, NoPaging):
            # It is the only page.
            self._checks.refuse_missing(reading)
        return records, reading

    def read(
        self, office: OfficeClient, asked: PageQuestion, progress: Progress, abandoned: list[list[tuple[Cell, ...]]]
    ) -> Reading:
        """Read up to the end; the rows of unfinished readings are added to `abandoned`.

        Raises SourceUnavailable where the data keep changing, SourceGarbled where a page cannot be the next one or
        records are missing, and UnknownStudent.
        """
        for left in range(_ATTEMPTS - 1, -1, -1):
            reading = Reading(asked.student)
            try:
                self._read_once(office, asked, progress, reading)
            except Doubled as doubled:
                if not left:
                    raise SourceGarbled(
                        tr(
                            "{named}: {doubled}, in each of {attempts} readings",
                            named=self._named,
                            doubled=doubled,
                            attempts=_ATTEMPTS,
                        ),
                        self._settings.fix(
                            tr(
                                "A system ignores parameters that it does not know. Check the names in paging; if they "
                                "are right, add a sort order to params. If the system has identical records, ask for "
                                "pages large enough for all of them."
                            ),
                            "paging",
                            "params",
                            otherwise=tr(
                                "Raise per_page, so that all identical records are on one page; if this repeats, have "
                                "the office check how its system sorts its pages."
                            ),
                        ),
                    ) from None
            except PagesMoved as moved:
                if not left:
                    raise SourceUnavailable(
                        tr(
                            "{named} changed during each of {attempts} readings: {moved}",
                            named=self._named,
                            attempts=_ATTEMPTS,
                            moved=moved,
                        ),
                        tr("The next run tries again. Ask at a quieter hour."),
                    ) from None
            else:
                return reading
            abandoned.append(reading.rows)
        raise AssertionError("the last attempt returns or raises")

    def reads_the_same(self, office: OfficeClient, reading: Reading) -> bool:
        """Return whether the system confirms by ETag that each of these pages is unchanged.

        Only a strong ETag means that no byte has changed (RFC 9110, section 8.8.1). An ETag that several pages share
        proves nothing; nor does the ETag of a page that names the next page in its Link header, which no ETag covers.
        """
        tags = [each.tag for each in reading.tagged]
        if len(tags) < _LEAST_TAGS or isinstance(self._settings.paging, LinkPaging):
            return False
        if len(set(tags)) < len(tags) or not all(tag.startswith('"') for tag in tags):
            return False
        return all(office.unchanged(each.url, each.params, each.tag) for each in reading.tagged)

    def _get_answer(self, office: OfficeClient, url: str, params: Mapping[str, Any], student: str | None) -> HttpAnswer:
        unknown_means_outside = student is not None and self._settings.missing == "outside"
        answer = office.get(url, params, _UNKNOWN_STUDENT if unknown_means_outside else None)
        if answer is _UNKNOWN_STUDENT:
            raise UnknownStudent
        return replace(answer, body=self._shape(answer.body)) if self._shape else answer

    def _read_once(self, office: OfficeClient, asked: PageQuestion, progress: Progress, reading: Reading) -> None:
        for answer in self._pages(office, asked, reading):
            self._add_page(self._records(answer, reading), answer, reading)
            progress(len(reading.rows), reading.total)
        self._checks.refuse_missing(reading)

    def _add_page(self, records: list[Any], answer: HttpAnswer, reading: Reading) -> None:
        """Add a page to the reading. Raises where it cannot be the next one."""
        reading.pages += 1
        self._checks.refuse_mixed_ages(answer, reading)
        try:
            self._checks.note_total(answer, reading, len(records))
            self._checks.note_last(answer, reading)
        except PagesMoved:
            # The rows of this page are kept, though the reading is abandoned.
            reading.rows += [self._mapped.cells(record, 0, reading.student, []) for record in records]
            raise
        marks = [hash(repr(record)) for record in records]
        if records and reading.seen_pages.setdefault(hash(tuple(marks)), reading.pages) != reading.pages:
            raise Doubled(
                tr(
                    "page {page} repeats page {before}",
                    page=reading.pages,
                    before=reading.seen_pages[hash(tuple(marks))],
                )
            )
        self._checks.refuse_shorter_before(len(records), reading)
        self._checks.note_keys(records, reading)
        for record, mark in zip(records, marks, strict=True):
            cells = self._mapped.cells(record, len(reading.rows) + 1, reading.student, reading.broken)
            self._checks.refuse_overlap(cells, mark, reading)
            reading.rows.append(cells)
        self._checks.refuse_too_many(reading)

    def _pages(self, office: OfficeClient, asked: PageQuestion, reading: Reading) -> Iterator[HttpAnswer]:
        """Yield each page's answer, up to the last one."""
        paging = self._settings.paging
        url, params = asked.url, first_page(self._settings.paging, asked.params)
        while True:
            before = len(reading.rows)
            # Only the first page can mean that the student is unknown.
            answer = self._get_answer(office, url, params, None if reading.pages else asked.student)
            reading.tagged.append(TaggedPage(url, dict(params), answer.headers.get("ETag", "")))
            yield answer
            count = len(reading.rows) - before
            done = reading.total is not None and len(reading.rows) >= reading.total
            match paging:
                case PagePaging(page=page) if (
                    count and not done if reading.last is None else int(params[page]) < reading.last
                ):
                    params = {**params, page: int(params[page]) + 1}
                case OffsetPaging(offset=offset) if count and not done:
                    params = {**params, offset: len(reading.rows)}
                case LinkPaging():
                    following = answer.links.get("next", {}).get("url", "")
                    if not following:
                        self._checks.refuse_unmarked_end(reading, paging, count, tr("Link header with rel=next"))
                        return
                    url, params = self._checks.own_address(urljoin(url, following), url), {}
                case CursorPaging(cursor=cursor, next=path):
                    word = at_path(answer.body, path)
                    if word in (None, "", MISSING) or word is False:
                        if word is MISSING:
                            self._checks.refuse_unmarked_end(reading, paging, count, f'"{path}"')
                        return
                    if params.get(cursor) == word:
                        raise SourceGarbled(
                            tr("{named} names the same next page more than once", named=self._named),
                            tr("Check next and cursor in paging."),
                        )
                    params = {**params, cursor: word}
                case KeyPaging() if count and (not done or self._is_full(reading, count)):
                    params = {**params, **after(paging, reading.last_key, asked.student)}
                case _:
                    self._check_next_page(office, url, params, reading, count)
                    return

    def _is_full(self, reading: Reading, count: int) -> bool:
        """Return whether a page may be full, so that another may follow."""
        paging = self._settings.paging
        if isinstance(paging, PagePaging | OffsetPaging | KeyPaging) and count >= paging.per_page:
            return True
        return count == reading.size if reading.pages > 1 else count % _ROUND == 0

    def _check_next_page(
        self, office: OfficeClient, url: str, params: Mapping[str, Any], reading: Reading, count: int
    ) -> None:
        """Ask for one more page after a full last one: the total may count only that page.

        Raises PagesMoved where a record was added during the reading, and SourceGarbled where more pages exist.
        """
        paging = self._settings.paging
        missing = reading.total is not None and len(reading.rows) < reading.total
        if not count or missing or not self._is_full(reading, count):
            return
        match paging:
            case PagePaging(page=page):
                params = {**params, page: int(params[page]) + 1}
            case OffsetPaging(offset=offset):
                params = {**params, offset: len(reading.rows)}
            case _:
                return
        try:
            answer = self._get_answer(office, url, params, None)
            reading.tagged.append(TaggedPage(url, dict(params), answer.headers.get("ETag", "")))
            records = self._record_list(answer)
        except SourceRefused:
            # Some systems refuse a page beyond the last one.
            reading.tagged.append(TaggedPage(url, dict(params), ""))
            return
        if not isinstance(records, list) or all(hash(repr(record)) in reading.seen for record in records):
            # Nothing, or the last page once more.
            return
        if (reported := self._checks.reported_total(answer)) != reading.total:
            raise PagesMoved(tr("its total changed from {total} to {now}", total=reading.total, now=reported))
        what = N_("{named} reports page {last} as the last, but the next page has more records")
        if reading.total is not None:
            what = N_("{named} reports a total of {total}, but the next page has more records")
        raise SourceGarbled(
            tr(what, named=self._named, total=reading.total, last=reading.last),
            self._settings.fix(
                tr(
                    "It counts the records of one page, or another page size. Set total to the number of all "
                    "records, or accept the end of paging as proof (proofs)."
                ),
                "total",
                "proofs",
                otherwise=tr(
                    "It counts the records of one page, or another page size. Change per_page; if this repeats, "
                    "have the office correct what its system counts."
                ),
            ),
        )

    def _record_list(self, answer: HttpAnswer) -> Any:  # noqa: ANN401 - whatever JSON holds
        return at_path(answer.body, self._settings.records)

    def _records(self, answer: HttpAnswer, reading: Reading) -> list[Any]:
        records = self._record_list(answer)
        if isinstance(records, list):
            return records
        if isinstance(records, dict) and (self._settings.per_student or self._settings.bare_record):
            return [records]
        try:
            total = self._checks.reported_total(answer)
        except SourceGarbled:
            # Where the list is missing too, the error below is more useful.
            total = None
        if total == 0 and (records is None or records is MISSING or records in ("", {})):
            # Some systems write null or nothing for an empty list; their own total confirms that it is empty.
            return []
        if isinstance(records, dict) and records and total is not None and total - len(reading.rows) == 1:
            # Some converters write a list of one as the bare record; the system's own total confirms it.
            return [records]
        at, found = self._settings.records, described(answer.body)
        if isinstance(records, str) and records.lstrip()[:1] in ("[", "{"):
            raise SourceGarbled(
                tr('{named} has at "{path}" a text that contains JSON, and not a list', named=self._named, path=at)
                if at
                else tr("{named} answered with a text that contains JSON, and not with a list", named=self._named),
                tr("Many frameworks have a setting for it, or another address. Have the office send the list itself."),
            )
        raise SourceGarbled(
            tr('{named} has no list at "{path}" (it has: {found})', named=self._named, path=at, found=found)
            if at
            else tr("{named} did not answer with a list (it has: {found})", named=self._named, found=found),
            self._settings.fix(
                tr(
                    "Correct records in {table}; where the system writes a list of one as the bare record, add "
                    "bare_record = true.",
                    table=self._table,
                ),
                "records",
                "bare_record",
                otherwise=self._settings.fix(tr("Correct {{records}} in {table}.", table=self._table), "records"),
            ),
        )

    def shows_each_page(self, reading: Reading) -> str:
        """Return the proof that no page is missing or duplicate; empty where there is none."""
        if not reading.rows:
            return ""
        if isinstance(self._settings.paging, KeyPaging):
            return tr("{number} keys, each once and sorted", number=len(reading.keys))
        if self._reference is None:
            return ""
        references = {row[self._reference] for row in reading.rows}
        if len(references) != len(reading.rows) or references & {None, ""}:
            return ""
        return tr("{number} references, each once", number=len(references))
