"""Checks of each page of a JSON API, so that the pages together have every record once."""

import re
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from connectors.http.answers import MISSING, at_path
from connectors.http.client import HttpAnswer
from connectors.http.pages.reading import Doubled, PagesMoved, Reading
from connectors.http.paging import CursorPaging, KeyPaging, LinkPaging, PagePaging, may_slip
from connectors.http.records import AMBIGUOUS, value_at
from connectors.http.rest_settings import Settings
from connectors.http.unreached import public_url
from connectors.port import Cell, SourceGarbled, SourceRefused
from foundation.translation import N_, tr

#: The characters of hexadecimal identifiers such as UUIDs.
_HEX = re.compile(r"[0-9a-fA-F-]+")

#: How many letters of a value that is not a number are shown.
_SHOWN = 40


class PageChecks:
    """Compares each page with the pages before it, and with the numbers that the system reports.

    A page that cannot be the next one raises SourceGarbled or SourceRefused. Where the data changed during the
    reading, PagesMoved is raised, and the pages are read again.
    """

    def __init__(
        self, settings: Settings, named: str, table: str, reference: int | None, *, fresh: bool = False
    ) -> None:
        self._settings = settings
        self._named = named
        self._table = table
        self._reference = reference
        self._fresh = fresh

    def reported_total(self, answer: HttpAnswer) -> int | None:
        """Return how many records the system reports; None where the settings name no total."""
        settings = self._settings
        if settings.total:
            return self._count_from(
                at_path(answer.body, settings.total), tr('total at "{path}"', path=settings.total), "total"
            )
        if settings.total_header:
            value = answer.headers.get(settings.total_header, MISSING)
            return self._count_from(
                value, tr("total in the header {header}", header=settings.total_header), "total_header"
            )
        return None

    def refuse_mixed_ages(self, answer: HttpAnswer, reading: Reading) -> None:
        """Refuse pages from a cache where pages of different times cannot be combined."""
        reading.oldest = max(reading.oldest, answer.age)
        second_pass = "second_pass" in self._settings.proofs
        slips = reading.pages > 1 and may_slip(self._settings.paging)
        if reading.oldest and (self._fresh or second_pass or slips):
            raise SourceRefused(
                tr(
                    "{named} is answered from a cache (Age: {oldest:.0f} s), so answers of different times would "
                    "be combined",
                    named=self._named,
                    oldest=reading.oldest,
                ),
                tr("Have the operator of the cache or gateway exclude this address."),
            )

    def note_total(self, answer: HttpAnswer, reading: Reading, count: int) -> None:
        """Note the total that a page reports. Raises PagesMoved where it differs from the pages before."""
        total = self.reported_total(answer)
        paging = self._settings.paging
        if total is not None and isinstance(paging, KeyPaging) and paging.counts == "rest":
            if total < count:
                raise SourceGarbled(
                    tr(
                        "{named} reports {total} records but returned {count} on page {pages}",
                        named=self._named,
                        total=total,
                        count=count,
                        pages=reading.pages,
                    ),
                    self._settings.fix(tr("Check total in {table}.", table=self._table), "total"),
                )
            # Records can be added after the key during the reading. With fewer, records were removed or left out.
            now = len(reading.rows) + total
            if reading.total is not None and now < reading.total:
                raise PagesMoved(tr("its total changed from {total} to {now}", total=reading.total, now=now))
            reading.total = now
            return
        if None not in (total, reading.total) and reading.total != total:
            raise PagesMoved(tr("its total changed from {total} to {now}", total=reading.total, now=total))
        reading.total = total

    def note_last(self, answer: HttpAnswer, reading: Reading) -> None:
        """Note the last page's number. Raises PagesMoved where it differs from the pages before."""
        paging = self._settings.paging
        if not isinstance(paging, PagePaging) or not paging.last:
            return
        last = self._count_from(
            at_path(answer.body, paging.last), tr('last page at "{path}"', path=paging.last), "paging.last"
        )
        if reading.last not in (None, last):
            raise PagesMoved(tr("its last page changed from {last} to {now}", last=reading.last, now=last))
        reading.last = last

    def _count_from(self, value: object, what: str, key: str) -> int:
        """Return a count, which some systems write as 1.0 or "1". Raises SourceGarbled."""
        text = value.strip() if isinstance(value, str) else str(value) if isinstance(value, int | Decimal) else ""
        whole, _, fraction = text.partition(".")
        if isinstance(value, bool) or not (whole.isascii() and whole.isdecimal()) or fraction.strip("0"):
            fault = N_("{named} has no usable {what}: {value!r} was found")
            if value is MISSING:
                fault = N_("{named} has no {what}")
            elif whole.isdecimal() and fraction.isdecimal():
                fault = N_("{named} has a {what} that is not a whole number: {value!r}")
            raise SourceGarbled(
                tr(fault, named=self._named, what=what, value=str(value)[:_SHOWN]),
                self._settings.fix(tr("Correct {key} in {table}.", key=key, table=self._table), key.partition(".")[0]),
            )
        return int(whole)

    def refuse_shorter_before(self, count: int, reading: Reading) -> None:
        """Note how many records a page has. Refuse one after a shorter page, where pages are numbered."""
        if reading.pages == 1:
            reading.size = count
        if count and (count > reading.size or reading.short) and isinstance(self._settings.paging, PagePaging):
            raise SourceGarbled(
                tr(
                    "{named}: page {page} is shorter than others, and is not the last",
                    named=self._named,
                    page=reading.short or 1,
                ),
                tr("Records are missing from it. Have the office correct its paging, or ask for everything at once."),
            )
        if count < reading.size:
            reading.short = reading.pages

    def note_keys(self, records: list[Any], reading: Reading) -> None:
        """Refuse keys after which the next page would miss a record. Raises SourceGarbled."""
        paging = self._settings.paging
        if not isinstance(paging, KeyPaging):
            return
        for record in records:
            key = value_at(record, paging.key)
            why = ""
            if key in (None, "", MISSING, AMBIGUOUS) or isinstance(key, dict | list | bool):
                why = N_('{named}: record {number} has no "{key}" to continue from')
            elif key in reading.keys:
                why = N_('{named}: record {number} repeats the "{key}" of an earlier record')
            elif _is_before(key, reading.last_key):
                why = N_('{named}: record {number} has a smaller "{key}" than the one before')
            if why:
                raise SourceGarbled(
                    tr(why, named=self._named, number=len(reading.keys) + 1, key=paging.key),
                    self._settings.fix(
                        tr(
                            "Each record needs its own key, and records must be sorted by it. Check key and after in "
                            "paging, and add the sort order to params."
                        ),
                        "paging",
                        "params",
                    ),
                )
            reading.keys.add(key)
            reading.last_key = key

    def refuse_overlap(self, cells: tuple[Cell, ...], mark: int, reading: Reading) -> None:
        """Refuse a record that is on two pages: a record was added before it, and another may have been missed.

        Records are compared as a whole; and by the mapped columns, where they have a reference.
        """
        marks = [mark]
        if self._reference is not None and cells[self._reference] not in (None, ""):
            marks.append(hash(("mapped", cells)))
        for own in marks:
            page = reading.seen.setdefault(own, reading.pages)
            if page != reading.pages:
                raise Doubled(tr("a record of page {page} is also on page {pages}", page=page, pages=reading.pages))

    def refuse_too_many(self, reading: Reading) -> None:
        """Refuse more records or pages than the settings allow."""
        for what, count, most, key in (
            (
                N_("{named} returns more records than its limit of {most}"),
                len(reading.rows),
                self._settings.limit,
                "limit",
            ),
            (
                N_("{named} returns more pages than its limit of {most}"),
                reading.pages,
                self._settings.most_pages,
                "most_pages",
            ),
        ):
            if count > most:
                raise SourceGarbled(
                    tr(what, named=self._named, most=most),
                    self._settings.fix(
                        tr(
                            "Check that params have every condition, and that paging ends; if both are right, raise "
                            "{key} in {table}.",
                            key=key,
                            table=self._table,
                        ),
                        "params",
                        key,
                        otherwise=tr("Have the office check that its pages end, and why there are that many records."),
                    ),
                )

    def refuse_unmarked_end(self, reading: Reading, paging: LinkPaging | CursorPaging, count: int, mark: str) -> None:
        """Refuse a full first page that names no next page: the mark may be lost, or the system never sends it."""
        counts_the_page = reading.total is None or reading.total == count
        if counts_the_page and reading.pages == 1 and paging.size and count >= paging.per_page:
            raise SourceGarbled(
                tr(
                    "{named}: the first page is full ({count} records) and has no {mark}",
                    named=self._named,
                    count=count,
                    mark=mark,
                ),
                tr(
                    "It is not known whether this is the end. Correct paging, check that no proxy drops headers, "
                    "or change per_page so that the last page is not full."
                ),
            )

    def own_address(self, url: str, before: str) -> str:
        """Return the next page's address. Refuse another host: our credentials are not sent there."""
        ours, theirs = urlsplit(before), urlsplit(url)
        if (ours.scheme, ours.netloc) != (theirs.scheme, theirs.netloc):
            raise SourceGarbled(
                tr("{named} names a next page on another host ({url})", named=self._named, url=public_url(url)),
                tr("Have the office correct the addresses that its system returns, or write url in the same form."),
            )
        return url

    def refuse_missing(self, reading: Reading) -> None:
        """Refuse an answer with fewer records than the system reports, or more."""
        if reading.total is not None and len(reading.rows) != reading.total:
            raise SourceGarbled(
                tr(
                    "{named} reports {total} records but returned {count} on {pages} pages",
                    named=self._named,
                    total=reading.total,
                    count=len(reading.rows),
                    pages=reading.pages,
                ),
                self._settings.fix(
                    tr(
                        "A page is missing, cut off or duplicate, or paging is wrong. Check paging and total; if the "
                        "system returns fewer records per page than requested, lower per_page."
                    ),
                    "paging",
                    "total",
                    otherwise=tr(
                        "A page is missing, cut off or duplicate. If the system returns fewer records per page than "
                        "requested, lower per_page; if this repeats, have the office check it."
                    ),
                ),
            )


def _is_before(key: object, last: object) -> bool:
    """Return whether a key is surely smaller than the last one; the order of other text is unknown."""
    if isinstance(key, int) and isinstance(last, int):
        return key < last
    plain = isinstance(key, str) and isinstance(last, str) and len(key) == len(last)
    return plain and bool(_HEX.fullmatch(f"{key}{last}")) and str(key).lower() < str(last).lower()
