"""What each page of a JSON API must keep to, so that the pages together hold every record once."""

import re
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from connectors.http.answers import MISSING, at_path
from connectors.http.client import HttpAnswer
from connectors.http.pages.reading import Doubled, PagesMoved, Reading
from connectors.http.paging import CursorPaging, KeyPaging, LinkPaging, PagePaging, may_slip
from connectors.http.records import AMBIGUOUS, found
from connectors.http.rest_settings import Settings
from connectors.http.unreached import shown
from connectors.port import Cell, SourceGarbled, SourceRefused

#: Digits, and what identifiers such as UUIDs are written with.
_HEX = re.compile(r"[0-9a-fA-F-]+")

#: So many letters of what stands in the place of a number are shown.
_SHOWN = 40


class PageChecks:
    """Compares each page with those before it, and with what the system reports of them.

    A page that cannot be the next one raises SourceGarbled or SourceRefused. Moved is raised where the data changed
    meanwhile, so that the pages must be read again.
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
            return self._number(at_path(answer.body, settings.total), f'total at "{settings.total}"', "total")
        if settings.total_header:
            said = answer.headers.get(settings.total_header, MISSING)
            return self._number(said, f"total in the header {settings.total_header}", "total_header")
        return None

    def refuse_mixed_ages(self, answer: HttpAnswer, reading: Reading) -> None:
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

    def note_total(self, answer: HttpAnswer, reading: Reading, came: int) -> None:
        """Note the total that a page reports. Raises Moved where it differs from that of the pages before."""
        total = self.reported_total(answer)
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
                raise PagesMoved(f"its total went from {reading.total} to {now}")
            reading.total = now
            return
        if None not in (total, reading.total) and reading.total != total:
            raise PagesMoved(f"its total went from {reading.total} to {total}")
        reading.total = total

    def note_last(self, answer: HttpAnswer, reading: Reading) -> None:
        """Note the last page's number. Raises Moved where it differs from that of the pages before."""
        paging = self._settings.paging
        if not isinstance(paging, PagePaging) or not paging.last:
            return
        last = self._number(at_path(answer.body, paging.last), f'last page at "{paging.last}"', "paging.last")
        if reading.last not in (None, last):
            raise PagesMoved(f"its last page went from {reading.last} to {last}")
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

    def refuse_shorter_before(self, came: int, reading: Reading) -> None:
        """Note how many records a page has. Refuse one after a shorter page, where pages are numbered."""
        if reading.pages == 1:
            reading.size = came
        if came and (came > reading.size or reading.short) and isinstance(self._settings.paging, PagePaging):
            raise SourceGarbled(
                f"{self._named}: page {reading.short or 1} is shorter than others, and is not the last",
                "Records have been left out of it: have the office correct its paging, or ask for everything at once.",
            )
        if came < reading.size:
            reading.short = reading.pages

    def note_keys(self, records: list[Any], reading: Reading) -> None:
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

    def refuse_overlap(self, cells: tuple[Cell, ...], mark: int, reading: Reading) -> None:
        """Notice a record that comes on two pages: one has slipped in before it, and another may have slipped out.

        The whole record tells it from others, whatever is mapped; and so do the mapped columns with a reference.
        """
        marks = [mark]
        if self._reference is not None and cells[self._reference] not in (None, ""):
            marks.append(hash(("mapped", cells)))
        for own in marks:
            page = reading.seen.setdefault(own, reading.pages)
            if page != reading.pages:
                raise Doubled(f"a record of page {page} stands on page {reading.pages}, too")

    def refuse_too_many(self, reading: Reading) -> None:
        """Refuse more records or pages than the settings allow."""
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

    def refuse_unmarked_end(self, reading: Reading, paging: LinkPaging | CursorPaging, came: int, mark: str) -> None:
        """Refuse a first page that is full and names no next one: the mark may have been lost, or never be given."""
        counts_the_page = reading.total is None or reading.total == came
        if counts_the_page and reading.pages == 1 and paging.size and came >= paging.per_page:
            raise SourceGarbled(
                f"{self._named}: the first page is full ({came} records) and has no {mark}",
                "That may be the end or not: correct paging, look whether something on the way drops headers, or "
                "change per_page so that the last page is not full.",
            )

    def own_address(self, url: str, before: str) -> str:
        """Return a next page's address, unless it lies with somebody else: our credentials do not go there."""
        ours, theirs = urlsplit(before), urlsplit(url)
        if (ours.scheme, ours.netloc) != (theirs.scheme, theirs.netloc):
            raise SourceGarbled(
                f"{self._named} names a next page elsewhere ({shown(url)})",
                "Have the office correct the addresses its system gives, or write url as they are written.",
            )
        return url

    def refuse_missing(self, reading: Reading) -> None:
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


def _is_before(key: object, last: object) -> bool:
    """Say whether a key surely comes before the one before it; how a system orders other text nobody can tell."""
    if isinstance(key, int) and isinstance(last, int):
        return key < last
    plain = isinstance(key, str) and isinstance(last, str) and len(key) == len(last)
    return plain and bool(_HEX.fullmatch(f"{key}{last}")) and str(key).lower() < str(last).lower()
