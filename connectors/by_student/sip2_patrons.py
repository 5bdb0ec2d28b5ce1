"""A library's answers over SIP2 about one reader: loans, money owed, or stopped privileges.

A zero alone does not clear a student. Koha answers about an unknown card with six zero counts, 'YYYY' and BL=N; so a
reader is known only with BL=Y and one of the student's own numbers in AA. A contradiction is a doubt: a count without
its list, a foreign institution, money in another currency. A doubtful answer can hold a student, and releases none.
Koha leaves BV out where nothing is owed, and its older releases count no fines where they have an amount.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Literal, NamedTuple, TypeAlias

from connectors.by_student.sip2_line import can_be_sent
from connectors.by_student.sip2_wire import BrokenLine, Message, Sip2Terminal
from connectors.port import Cell, SourceUnavailable
from foundation.translation import tr
from status_db.model import normalise_number

#: The 14 positions of a patron's status in a 64, and what a Y there means.
FLAGS: Mapping[str, tuple[int, str]] = {
    "charge": (0, "借书权限已停"),
    "renew": (1, "续借权限已停"),
    "recall": (2, "催还权限已停"),
    "hold": (3, "预约权限已停"),
    "card_lost": (4, "读者证已挂失"),
    "too_many_charged": (5, "借书超过限额"),
    "too_many_overdue": (6, "超期图书超过限额"),
    "too_many_renewals": (7, "续借超过限额"),
    "too_many_claims": (8, "声明已还的图书超过限额"),
    "too_many_lost": (9, "遗失图书超过限额"),
    "fines": (10, "罚款超过限额"),
    "fees": (11, "费用超过限额"),
    "recall_overdue": (12, "催还图书已超期"),
    "too_many_billed": (13, "待赔图书超过限额"),
}

Flag: TypeAlias = Literal[
    "charge", "renew", "recall", "hold", "card_lost", "too_many_charged", "too_many_overdue", "too_many_renewals",
    "too_many_claims", "too_many_lost", "fines", "fees", "recall_overdue", "too_many_billed",
]  # fmt: skip

#: The most pages of a list.
_MOST_PAGES = 200

_DATE_FORM = re.compile(r"(\d{8})(?:(    |   Z)(\d{6}))?")


class SummaryField(NamedTuple):
    """A list of a 64: its position in the question's summary, and its field."""

    position: int
    field: str


CHARGED, FINES = SummaryField(2, "AU"), SummaryField(3, "AV")


@dataclass(frozen=True, slots=True)
class PatronQuestion:
    """The question about each reader."""

    question: Literal["loans", "fines", "blocks"]
    flags: Sequence[Flag]
    #: Ask for the lists of loans and fines, and compare them with the counts.
    lists: bool
    #: Ask about each item on loan by 17, for its title and due date.
    titles: bool
    institution: str
    currency: str
    encoding: str
    #: A card that the library does not know has no loans and owes nothing.
    unknown_is_clear: bool


@dataclass(frozen=True, slots=True)
class PatronAnswer:
    """The answer about one number."""

    #: By the source's own columns.
    rows: tuple[Mapping[str, Cell], ...] = ()
    #: The library knows the reader, or the settings define that an unknown reader owes nothing.
    known: bool = False
    #: … only because of the settings.
    assumed: bool = False
    #: Why it releases no student; empty where it can release.
    doubt: str = ""
    warnings: tuple[str, ...] = ()


class Readers:
    """Asks about numbers, one after the other, over one connection."""

    def __init__(self, terminal: Sip2Terminal, asks: PatronQuestion, owners: Mapping[str, frozenset[str]]) -> None:
        """`owners` has for each number every number of the student it belongs to, in our form."""
        self._terminal = terminal
        self._asks = asks
        self._owners = owners
        self._no_titles = not asks.titles

    def about(self, number: str) -> PatronAnswer:
        """Return the answer about a number. Raises SourceUnavailable for a missing or incomplete answer."""
        if not can_be_sent(number, self._asks.encoding):
            return PatronAnswer(
                doubt=tr("numbers that SIP2 cannot send, because of a | or a letter outside its encoding")
            )
        try:
            return self._ask_about(number)
        except BrokenLine as error:
            self._terminal.close()
            raise self._terminal.unavailable(tr("sent {error}", error=error)) from None

    def _ask_about(self, number: str) -> PatronAnswer:
        asks = self._asks
        which = {"loans": CHARGED, "fines": FINES}.get(asks.question) if asks.lists else None
        first = self._ask_patron(number, which)
        if doubt := self._identity_doubt(number, first):
            return PatronAnswer(doubt=doubt)
        counts = _counts(first)
        valid = (first.one("BL") or "").upper()
        if valid == "N" and not any(counts.values()) and not any(map(_owes, first.every("BV"))):
            return PatronAnswer(known=asks.unknown_is_clear, assumed=asks.unknown_is_clear)
        if asks.question == "blocks":
            answer = self._blocks(first)
        else:
            answer = (self._loans if asks.question == "loans" else self._fines)(number, first, counts)
        if valid != "Y" and not answer.doubt:
            invalid = tr("cards that are not valid (BL) but have loans or fines")
            answer = replace(
                answer, doubt=invalid if valid == "N" else tr("cards without the field that they are valid (BL)")
            )
        key = first.one("AA")
        return replace(answer, known=True, rows=tuple({"number": key, **row} for row in answer.rows))

    def _ask_patron(self, number: str, which: SummaryField | None, first: int = 0, last: int = 0) -> Message:
        """Return a 64; with the items `first` to `last` of a list, from 1, if given."""
        summary = "".join("Y" if which and position == which.position else " " for position in range(10))
        fields = [("AO", self._institution()), ("AA", number), *self._terminal.terminal_password()]
        fields += [("BP", str(first)), ("BQ", str(last))] if first else []
        message = self._terminal.ask(f"63000{self._terminal.now()}{summary}", fields, "64")
        if set(message.fixed[:14].upper()) - set("YN "):
            raise BrokenLine(tr("a 64 with a status that is neither Y nor blank"))
        return message

    def _institution(self) -> str:
        return self._asks.institution or self._terminal.status().one("AO") or ""

    def _identity_doubt(self, number: str, message: Message) -> str:
        """Return why an answer may be about another reader, or from another institution; empty where it is not."""
        expected = self._institution()
        if expected and message.one("AO") != expected:
            return tr("answers with another institution (AO) than the one asked")
        key = message.one("AA")
        owned = self._owners.get(number, frozenset()) | {normalise_number(number)}
        if key is None or normalise_number(key) not in owned:
            return tr("answers with another number (AA) than the student's")
        return tr("answers in another encoding than the one in the settings") if message.merged else ""

    def _loans(self, number: str, first: Message, counts: Mapping[str, int | None]) -> PatronAnswer:
        charged, overdue = counts["charged"], counts["overdue"]
        if not self._asks.lists:
            return PatronAnswer(
                tuple({"position": at} for at in range(1, (charged or 0) + 1)), doubt=_count_doubt(charged, overdue)
            )
        items = self._full_list(number, first, CHARGED, charged)
        doubt = _count_doubt(charged, overdue)
        if not doubt and len(items) != charged:
            doubt = tr("lists of loans (AU) that do not match their count")
        warnings: tuple[str, ...] = ()
        described = [{"barcode": item, **self._item_details(item)} for item in items]
        if self._asks.titles and self._no_titles:
            warnings = (
                tr(
                    "The service does not answer about items (17), so titles and due dates are missing: titles = false."
                ),
            )
        return PatronAnswer(tuple(described), doubt=doubt, warnings=warnings)

    def _fines(self, number: str, first: Message, counts: Mapping[str, int | None]) -> PatronAnswer:
        count, amounts = counts["fines"], set(first.every("BV"))
        if len(amounts) > 1:
            raise BrokenLine(tr("a 64 with two different amounts"))
        amount = amounts.pop().strip() if amounts else ""
        listed = self._full_list(number, first, FINES, count) if self._asks.lists else ()
        doubt = ""
        if self._asks.lists and listed and len(listed) != count:
            doubt = tr("lists of fines (AV) that do not match their count")
        if not _owes(amount):
            if count or listed:
                doubt = doubt or tr("a count of fines without an amount (BV)")
            elif not amount and count is None:
                doubt = tr("neither an amount (BV) nor a count of fines")
            return PatronAnswer(doubt=doubt)
        currency = first.one("BH")
        if currency and currency.upper() != self._asks.currency.upper():
            return PatronAnswer(
                doubt=tr("amounts in another currency (BH) than {currency}", currency=self._asks.currency)
            )
        row = {"amount": _amount(amount), "currency": currency or None, "title": "; ".join(listed)[:500] or None}
        return PatronAnswer((row,), doubt=doubt)

    def _blocks(self, first: Message) -> PatronAnswer:
        raised = [flag for flag in self._asks.flags if first.fixed[FLAGS[flag][0]].upper() == "Y"]
        return PatronAnswer(tuple({"flag": flag, "title": FLAGS[flag][1]} for flag in raised))

    def _full_list(self, number: str, first: Message, which: SummaryField, count: int | None) -> tuple[str, ...]:
        """Return a list, page by page, as far as the system returns it."""
        items = _items(first, which)
        for _ in range(_MOST_PAGES):
            if count is None or len(items) >= count:
                break
            page = self._ask_patron(number, which, len(items) + 1, count)
            if self._identity_doubt(number, page) or _counts(page) != _counts(first):
                raise SourceUnavailable(
                    tr("{named} changed an answer while its pages were read", named=self._terminal.named),
                    tr("The next run tries again. If this repeats, call the operator of the system."),
                )
            more = _items(page, which)
            if not more or more == items[: len(more)]:
                # The list has ended; or the system ignores BP and BQ, and begins again.
                break
            items += more
        return items

    def _item_details(self, item: str) -> dict[str, Cell]:
        """Return the title and due date of an item, by 17; the list's own text where titles are off."""
        if not self._asks.titles:
            return {"title": item}
        if self._no_titles or not can_be_sent(item, self._asks.encoding):
            return {}
        fields = [("AO", self._institution()), ("AB", item), *self._terminal.terminal_password()]
        try:
            message = self._terminal.ask(f"17{self._terminal.now()}", fields, "18")
        except SourceUnavailable:
            # A loan counts without its title; each further question would wait for the whole timeout.
            self._no_titles = True
            return {}
        if message.one("AB") != item:
            return {}
        return {"title": message.one("AJ") or None, "due": _due(message.one("AH"))}


def _count_doubt(charged: int | None, overdue: int | None) -> str:
    if charged is None:
        return tr("no count of loans")
    return tr("more loans overdue than on loan") if (overdue or 0) > charged else ""


def _counts(message: Message) -> dict[str, int | None]:
    """Return the six counts of a 64; None where the system does not support one. Raises BrokenLine."""
    names = ("holds", "overdue", "charged", "fines", "recalls", "unavailable")
    counts: dict[str, int | None] = {}
    for at, name in enumerate(names):
        text = message.fixed[35 + 4 * at : 39 + 4 * at]
        if text.strip() and not text.isdecimal():
            raise BrokenLine(tr("a 64 with a count that is not a number"))
        counts[name] = int(text) if text.strip() else None
    return counts


def _items(message: Message, which: SummaryField) -> tuple[str, ...]:
    # Beyond a list's end Koha sends empty fields.
    return tuple(item.strip() for item in message.every(which.field) if item.strip())


def _amount(text: str) -> Cell:
    """Return an amount; the text itself where it is not a number, which the rule then reads or doubts."""
    try:
        amount = Decimal(text.strip())
    except InvalidOperation:
        return text.strip()
    return amount if amount.is_finite() else text.strip()


def _owes(text: str) -> bool:
    """Return whether an amount is not zero; text that cannot be read counts as not zero."""
    return bool(text.strip()) and _amount(text) != 0


def _due(text: str | None) -> Cell:
    """Return the time of an 18-letter date, in UTC for the zone Z; other text unchanged."""
    match = _DATE_FORM.fullmatch(text or "")
    try:
        if match:
            moment = datetime.strptime(match[1] + (match[3] or "000000"), "%Y%m%d%H%M%S")  # noqa: DTZ007 - the system's own zone
            return moment.replace(tzinfo=UTC) if match[2] == "   Z" else moment if match[3] else moment.date()
    except ValueError:
        pass
    return text or None
