"""From the rows of a snapshot to records: the meaning of each office's cells. Pure.

Reading has two parts, so that cost follows change: `group` and `digest_of_rows` process every row, and do only what is
needed; `record_from_rows` reads amounts, dates and words, and runs only for students with a changed digest.
"""

import hashlib
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from functools import cached_property
from typing import Literal, TypeAlias
from zoneinfo import ZoneInfo

from connectors.port import Cell, Snapshot, SourceGarbled
from foundation.translation import tr
from status_db.doubts import BOTH_REDUCE, NO_AMOUNT, SHARED_REFERENCE, UNKNOWN_WORD, UNREADABLE_AMOUNT
from status_db.model import LONGEST_DOUBT, Means, Obligation, Reason, Record, Verdict, digest_of
from sync.rule.cells import DateOrder, Unreadable, amount_in_yuan, day

Rows: TypeAlias = list[tuple[Cell, ...]]

#: Increase it when the meaning of rows changes in this code: then every record is read again.
RULE_VERSION = 2

_FEN = Decimal("0.01")

#: Fields that reduce or raise the amount of a row → sign.
_BESIDES = {"paid": -1, "waived": -1, "refunded": 1}


@dataclass(frozen=True)
class SourceRule:
    """The meaning of one source's rows, from the settings."""

    source: str
    step: str
    means: Means
    #: The meaning of no row: CLEARED or UNKNOWN; for a status also HELD.
    absent: Verdict
    #: The kind of obligation of a row.
    obligation: str
    #: The title for rows without one.
    item_title: str
    tolerance: Decimal
    #: The factor from the source's amounts to yuan.
    yuan: Decimal
    #: The office's word, normalised → CLEARED (done), HELD (not done) or EXEMPT; for a status only.
    words: Mapping[str, Verdict]
    #: The zone of times without one.
    zone: ZoneInfo
    #: The zone in which days are shown.
    institution_zone: ZoneInfo
    #: Digest of the query and the mapping: another digest is another question.
    question: bytes
    #: The same digest as former versions computed it, including the pace.
    former_question: bytes = b""
    #: It sends students' own numbers only: never a card or a former number.
    own_numbers: bool = False
    #: What a row without a number does: refuse the answer, belong to the student of the row above, or nothing.
    nameless: Literal["refuse", "above", "ignore"] = "refuse"
    #: A reference names one obligation only, so that a row that repeats another is a duplicate.
    unique_reference: bool = False
    #: The order of dates with the year last.
    date_order: DateOrder = "ymd"

    @cached_property
    def digest(self) -> bytes:
        """Digest of everything that decides the meaning of a row. It is computed once, and used for every row."""
        return self._digest_with(self.question)

    def is_known_as(self, digest: bytes | None) -> bool:
        """Return whether a stored digest is of this question, computed by this or a former version."""
        return digest in (self.digest, self._digest_with(self.former_question or self.question))

    def _digest_with(self, question: bytes) -> bytes:
        words = ",".join(f"{w}={v}" for w, v in sorted(self.words.items()))
        parts = (
            RULE_VERSION, self.means, self.absent, self.obligation, self.item_title, self.tolerance, self.yuan, words,
            self.zone, self.institution_zone, self.own_numbers, self.nameless, self.unique_reference, self.date_order,
        )  # fmt: skip
        return digest_of([*(str(part).encode() for part in parts), question])


def group(snapshot: Snapshot) -> dict[Cell, Rows]:
    """Return the rows by the student cell as the source wrote it.

    Raises SourceGarbled where such a cell is a list or a table.
    """
    groups: dict[Cell, Rows] = {}
    row: tuple[Cell, ...] = (None,)
    try:
        for row in snapshot.rows:
            rows = groups.get(row[0])
            if rows is None:
                groups[row[0]] = [row]
            else:
                rows.append(row)
    except TypeError:
        raise SourceGarbled(
            tr("a student number is a {kind} ({key})", kind=type(row[0]).__name__, key=str(row[0])[:40]),
            tr("Map columns.student to a column that holds one number as text."),
        ) from None
    return groups


def digest_of_rows(salt: bytes, rows: Rows) -> bytes:
    """Return the digest of one student's rows, independent of their order; `salt` is the rule's digest."""
    text = repr(rows[0]) if len(rows) == 1 else "\n".join(sorted(map(repr, rows)))
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16, key=salt).digest()


def record_from_rows(
    rule: SourceRule,
    fields: Sequence[str],
    student: str,
    rows: Rows,
    digest: bytes,
    doubt: str = "",
    moved: tuple[Obligation, ...] = (),
) -> Record:
    """Return the record of one student from `rows`.

    `doubt` is why there may be more rows about this student: then these rows can hold, but not clear. `moved` are the
    obligations that are now under an unmatched key: they stay part of the record.
    """
    record = _plain_record(rule, fields, student, rows, digest)
    if doubt and record.verdict is not Verdict.HELD:
        return Record(student, Verdict.UNKNOWN, Reason.DOUBTFUL, moved, doubt, digest)
    if moved:
        return replace(record, obligations=_in_due_order((*record.obligations, *moved)), doubt=doubt)
    return record


def _plain_record(rule: SourceRule, fields: Sequence[str], student: str, rows: Rows, digest: bytes) -> Record:
    if not rows:
        return Record(student, Verdict.UNKNOWN, Reason.OUTSIDE_POPULATION, (), "", digest)
    # Sorted: which of two words is reported as the doubtful one must not depend on the office's order.
    ordered = sorted(rows, key=repr)
    match rule.means:
        case Means.ITEMS:
            cells = [dict(zip(fields, row, strict=True)) for row in _shown_once(rule, fields, ordered)]
            owed = tuple(_obligation(rule, cell, _amount_if_any(rule, cell.get("amount"))) for cell in cells)
            return Record(student, Verdict.HELD, Reason.OWED, _in_due_order(owed), "", digest)
        case Means.BALANCE:
            return _balance_record(rule, fields, student, ordered, digest)
        case Means.STATUS:
            cells = [dict(zip(fields, row, strict=True)) for row in _shown_once(rule, fields, ordered)]
            return _status_record(rule, student, cells, digest)


def _shown_once(rule: SourceRule, fields: Sequence[str], rows: Rows) -> Rows:
    """Drop duplicates of an item: they do not change the verdict, and a page shows the item once.

    A row with an amount is dropped only where the settings declare its reference unique.
    """
    if "amount" in fields and not rule.unique_reference:
        return rows
    return _without_repeats(fields, rows)


def _without_repeats(fields: Sequence[str], rows: Rows) -> Rows:
    """Return the rows without duplicates: rows with a reference that are equal in every mapped column."""
    if len(rows) == 1 or "reference" not in fields:
        return rows
    at = list(fields).index("reference")
    kept: Rows = []
    seen: set[str] = set()
    for row in rows:
        if not text_of(row[at]) or _duplicate_key(row) not in seen:
            kept.append(row)
        seen.add(_duplicate_key(row))
    return kept


def _duplicate_key(row: tuple[Cell, ...]) -> str:
    """Return the key by which rows of one student are duplicates; the number in the row does not matter."""
    return repr(row[1:])


def _balance_record(rule: SourceRule, fields: Sequence[str], student: str, rows: Rows, digest: bytes) -> Record:
    """Sum the rows. An amount that can only hold always counts; a doubtful amount never releases the student."""
    if rule.unique_reference:
        rows = _without_repeats(fields, rows)
    doubts: list[str] = []
    parts: list[Obligation] = []
    total = Decimal(0)
    counted = Counter(map(_duplicate_key, rows))
    for row in rows:
        cell = dict(zip(fields, row, strict=True))
        try:
            amount = _sum_of_row(rule, cell)
        except _UnreadableAmountError as error:
            return Record(student, Verdict.UNKNOWN, Reason.DOUBTFUL, (), str(error), digest)
        if amount is None:
            doubts.append(NO_AMOUNT)
        elif amount < 0 and counted[_duplicate_key(row)] > 1:
            doubts.append(BOTH_REDUCE)
        if amount is None or amount:
            parts.append(_obligation(rule, cell, amount))
        total += amount or Decimal(0)
    if rule.unique_reference and _shared_reference(fields, rows):
        doubts.append(SHARED_REFERENCE)
    total = total.quantize(_FEN, ROUND_HALF_UP)
    owed = _in_due_order(tuple(parts))
    if total > rule.tolerance:
        return Record(student, Verdict.HELD, Reason.OWED, owed, "", digest)
    if doubts:
        doubt = "; ".join(sorted(set(doubts)))
        return Record(student, Verdict.UNKNOWN, Reason.DOUBTFUL, (), doubt[:LONGEST_DOUBT], digest)
    if total < 0:
        return Record(student, Verdict.CLEARED, Reason.REFUND_DUE, owed, "", digest)
    return Record(student, Verdict.CLEARED, Reason.SETTLED, (), "", digest)


class _UnreadableAmountError(Exception):
    """An amount in a row of a balance cannot be read."""


def _sum_of_row(rule: SourceRule, cell: Mapping[str, Cell]) -> Decimal | None:
    """Return what a row adds to the balance; None where it has no amount.

    An empty amount is not 0: it is unknown. An empty paid, waived or refunded field is 0, because rows without such a
    payment leave it empty.
    """
    total: Decimal | None = Decimal(0)
    for field, sign in {"amount": 1, **_BESIDES}.items():
        try:
            part = amount_in_yuan(cell.get(field), rule.yuan)
        except Unreadable:
            raise _UnreadableAmountError(UNREADABLE_AMOUNT.format(cell=repr(str(cell[field])[:40]))) from None
        if part is None and field == "amount":
            total = None
        if total is not None:
            total += sign * (part or Decimal(0))
    return total


def _shared_reference(fields: Sequence[str], rows: Rows) -> bool:
    """Return whether two rows have the same reference."""
    if "reference" not in fields:
        return False
    at = list(fields).index("reference")
    references = [reference for row in rows if (reference := text_of(row[at]))]
    return len(set(references)) < len(references)


def _status_record(rule: SourceRule, student: str, cells: list[dict[str, Cell]], digest: bytes) -> Record:
    verdicts = [(rule.words.get(normalise_word(cell["status"])), cell) for cell in cells]
    undone = tuple(_obligation(rule, cell, None) for verdict, cell in verdicts if verdict is Verdict.HELD)
    if undone:
        return Record(student, Verdict.HELD, Reason.NOT_DONE, _in_due_order(undone), "", digest)
    for verdict, cell in verdicts:
        if verdict is None:
            doubt = UNKNOWN_WORD.format(cell=repr(str(cell["status"])[:40]))
            return Record(student, Verdict.UNKNOWN, Reason.DOUBTFUL, (), doubt, digest)
    if all(verdict is Verdict.EXEMPT for verdict, _ in verdicts):
        return Record(student, Verdict.EXEMPT, Reason.EXEMPT_BY_OFFICE, (), "", digest)
    return Record(student, Verdict.CLEARED, Reason.DONE, (), "", digest)


def _obligation(rule: SourceRule, cell: Mapping[str, Cell], amount: Decimal | None) -> Obligation:
    due, unreadable = due_of(rule, cell.get("due"))
    return Obligation(
        kind=text_of(cell.get("kind")) or rule.obligation,
        title=text_of(cell.get("title")) or rule.item_title,
        amount=amount,
        due=due,
        reference=text_of(cell.get("reference")),
        due_unreadable=unreadable,
    )


def due_of(rule: SourceRule, cell: Cell) -> tuple[date | None, bool]:
    """Return the day of a due date, if any, and whether the cell cannot be read."""
    try:
        return day(cell, rule.zone, rule.institution_zone, rule.date_order), False
    except Unreadable:
        return None, True


def _in_due_order(obligations: tuple[Obligation, ...]) -> tuple[Obligation, ...]:
    return tuple(sorted(obligations, key=lambda o: (o.due or date.max, o.title, o.reference, o.amount or Decimal(0))))


def text_of(value: Cell) -> str:
    """Return a cell as text on one line.

    Half of a surrogate pair, which no database stores, becomes a "?"; a NUL, which some do not store, U+FFFD.
    """
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = " ".join(str(value).split()).replace("\0", "\ufffd")
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def normalise_word(value: Cell) -> str:
    """Return a status word in its normal form: NFKC, no surrounding blanks, lower case."""
    return unicodedata.normalize("NFKC", text_of(value)).strip().lower()


def _amount_if_any(rule: SourceRule, value: Cell) -> Decimal | None:
    """Return the amount of an item; one that cannot be read is left out."""
    try:
        return amount_in_yuan(value, rule.yuan)
    except Unreadable:
        return None
