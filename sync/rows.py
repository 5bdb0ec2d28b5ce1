"""From the rows of a snapshot to records: what each office's cells mean. Pure.

Reading is split in two, so that cost follows change: `group` and `digest_of_rows` touch every row and do no more than
they must; `record_from_rows` reads amounts, dates and words, and runs only for students whose digest has changed.
"""

import hashlib
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import TypeAlias
from zoneinfo import ZoneInfo

from connectors.port import Cell, Snapshot
from status_db.model import Means, Obligation, Reason, Record, Verdict, digest_of

Rows: TypeAlias = list[tuple[Cell, ...]]

#: Changes when the meaning of rows changes in this code: then every record is read again.
RULE_VERSION = 1

_FEN = Decimal("0.01")

#: What lessens or raises the amount of a row: paid and let off, paid back.
_BESIDES = {"paid": -1, "waived": -1, "refunded": 1}


@dataclass(frozen=True, slots=True)
class SourceRule:
    """What the settings say about the meaning of one source's rows."""

    source: str
    step: str
    means: Means
    #: What no row means: CLEARED or UNKNOWN; for a status also HELD.
    absent: Verdict
    #: What kind of thing a row is.
    obligation: str
    #: A title for rows that bring none.
    item_title: str
    tolerance: Decimal
    #: What amounts are multiplied with to become yuan.
    yuan: Decimal
    #: The office's word, normalised → CLEARED (done), HELD (not done) or EXEMPT; only for a status.
    words: Mapping[str, Verdict]
    #: The zone of times without one.
    zone: ZoneInfo
    #: The zone whose days are shown.
    institution_zone: ZoneInfo
    #: Digest of the query and mapping behind it: another one is another question.
    question: bytes
    #: Digest of the roster conditions that let students off its step.
    exempt: bytes = b""

    @property
    def digest(self) -> bytes:
        """Digest of everything that decides what a row means."""
        words = ",".join(f"{w}={v}" for w, v in sorted(self.words.items()))
        parts = (
            RULE_VERSION, self.means, self.absent, self.obligation, self.item_title, self.tolerance, self.yuan, words,
            self.zone, self.institution_zone,
        )  # fmt: skip
        return digest_of([*(str(part).encode() for part in parts), self.question, self.exempt])


def group(snapshot: Snapshot) -> dict[Cell, Rows]:
    """Return the rows by the student cell as the source wrote it."""
    groups: dict[Cell, Rows] = {}
    for row in snapshot.rows:
        rows = groups.get(row[0])
        if rows is None:
            groups[row[0]] = [row]
        else:
            rows.append(row)
    return groups


def digest_of_rows(salt: bytes, rows: Rows) -> bytes:
    """Return the digest of one student's rows, whatever their order, under the rule whose digest is `salt`."""
    text = repr(rows[0]) if len(rows) == 1 else "\n".join(sorted(map(repr, rows)))
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16, key=salt).digest()


def record_from_rows(
    rule: SourceRule, fields: Sequence[str], student: str, rows: Rows, digest: bytes, doubt: str = ""
) -> Record:
    """Return what `rows` say about one student.

    `doubt` says why there may be more about this student than these rows: then they may hold, but not clear.
    """
    record = _plain_record(rule, fields, student, rows, digest)
    if doubt and record.verdict is not Verdict.HELD:
        return Record(student, Verdict.UNKNOWN, Reason.DOUBTFUL, (), doubt, digest)
    return record


def _plain_record(rule: SourceRule, fields: Sequence[str], student: str, rows: Rows, digest: bytes) -> Record:
    if not rows:
        return Record(student, Verdict.UNKNOWN, Reason.OUTSIDE_POPULATION, (), "", digest)
    # In an order of their own: which of two words is told as the doubtful one must not hang on the office's.
    cells = [dict(zip(fields, row, strict=True)) for row in sorted(_once(fields, rows), key=repr)]
    match rule.means:
        case Means.ITEMS:
            owed = tuple(_obligation(rule, cell, _amount_or_none(rule, cell.get("amount"))) for cell in cells)
            return Record(student, Verdict.HELD, Reason.OWED, _in_order(owed), "", digest)
        case Means.BALANCE:
            return _balance(rule, student, cells, digest)
        case Means.STATUS:
            return _status(rule, student, cells, digest)


def _once(fields: Sequence[str], rows: Rows) -> Rows:
    """Drop rows that a join has doubled: the same in every cell, with a reference that tells one thing from another."""
    if len(rows) == 1 or "reference" not in fields:
        return rows
    at = list(fields).index("reference")
    seen: set[tuple[Cell, ...]] = set()
    kept: Rows = []
    for row in rows:
        if row[at] in (None, "") or row not in seen:
            kept.append(row)
        seen.add(row)
    return kept


def _balance(rule: SourceRule, student: str, cells: list[dict[str, Cell]], digest: bytes) -> Record:
    amounts: list[Decimal] = []
    for cell in cells:
        amount = Decimal(0)
        for field, sign in {"amount": 1, **_BESIDES}.items():
            part = amount_in_yuan(rule, cell.get(field))
            if part is None:
                doubt = f"the amount {str(cell[field])[:40]!r} cannot be read"
                return Record(student, Verdict.UNKNOWN, Reason.DOUBTFUL, (), doubt, digest)
            amount += sign * part
        amounts.append(amount)
    total = sum(amounts, Decimal(0)).quantize(_FEN, ROUND_HALF_UP)
    parts = _in_order(tuple(_obligation(rule, c, a) for c, a in zip(cells, amounts, strict=True) if a))
    if total > rule.tolerance:
        return Record(student, Verdict.HELD, Reason.OWED, parts, "", digest)
    if total < 0:
        return Record(student, Verdict.CLEARED, Reason.REFUND_DUE, parts, "", digest)
    return Record(student, Verdict.CLEARED, Reason.SETTLED, (), "", digest)


def _status(rule: SourceRule, student: str, cells: list[dict[str, Cell]], digest: bytes) -> Record:
    said = [(rule.words.get(normalise_word(cell["status"])), cell) for cell in cells]
    undone = tuple(_obligation(rule, cell, None) for verdict, cell in said if verdict is Verdict.HELD)
    if undone:
        return Record(student, Verdict.HELD, Reason.NOT_DONE, _in_order(undone), "", digest)
    for verdict, cell in said:
        if verdict is None:
            doubt = f"the word {str(cell['status'])[:40]!r} is not in the settings' words"
            return Record(student, Verdict.UNKNOWN, Reason.DOUBTFUL, (), doubt, digest)
    if all(verdict is Verdict.EXEMPT for verdict, _ in said):
        return Record(student, Verdict.EXEMPT, Reason.EXEMPT_BY_OFFICE, (), "", digest)
    return Record(student, Verdict.CLEARED, Reason.DONE, (), "", digest)


def _obligation(rule: SourceRule, cell: Mapping[str, Cell], amount: Decimal | None) -> Obligation:
    return Obligation(
        kind=_text(cell.get("kind")) or rule.obligation,
        title=_text(cell.get("title")) or rule.item_title,
        amount=amount,
        due=day(cell.get("due"), rule.zone, rule.institution_zone),
        reference=_text(cell.get("reference")),
    )


def _in_order(obligations: tuple[Obligation, ...]) -> tuple[Obligation, ...]:
    return tuple(sorted(obligations, key=lambda o: (o.due or date.max, o.title, o.reference, o.amount or Decimal(0))))


def _text(value: Cell) -> str:
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return " ".join(str(value).split())


def normalise_word(value: Cell) -> str:
    """Return a status word in its one form: NFKC, no surrounding blanks, lower case."""
    return unicodedata.normalize("NFKC", _text(value)).strip().lower()


_NOT_A_NUMBER = re.compile(r"[¥￥元,\s]|RMB|CNY", re.IGNORECASE)


def amount_in_yuan(rule: SourceRule, value: Cell) -> Decimal | None:
    """Return an amount in yuan; nothing at all is 0, and what cannot be read is None."""
    if value is None:
        return Decimal(0)
    if isinstance(value, bool):
        return None
    if isinstance(value, int | Decimal):
        number = Decimal(value)
    elif isinstance(value, float):
        number = Decimal(repr(value))
    else:
        text = unicodedata.normalize("NFKC", str(value)).strip()
        scale = rule.yuan
        if text.endswith("分"):
            text, scale = text[:-1], _FEN
        elif text.endswith("元"):
            scale = Decimal(1)
        text = _NOT_A_NUMBER.sub("", text).replace("−", "-")
        if not text:
            return Decimal(0) if not str(value).strip() else None
        try:
            number = Decimal(text)
        except InvalidOperation:
            return None
        return number * scale if number.is_finite() else None
    return number * rule.yuan if number.is_finite() else None


def _amount_or_none(rule: SourceRule, value: Cell) -> Decimal | None:
    return None if value is None else amount_in_yuan(rule, value)


_DAY = re.compile(r"(\d{4})(?:[-/.年](\d{1,2})[-/.月](\d{1,2})日?|(\d{2})(\d{2}))")


def day(value: Cell, zone: ZoneInfo, institution_zone: ZoneInfo) -> date | None:
    """Return the day a due date falls on where the institution is; None when there is none or it cannot be read."""
    if isinstance(value, str):
        match = _DAY.match(value.strip())
        if not match:
            return None
        rest = value.strip()[match.end() :]
        if rest.startswith(("T", " ")) and zone != institution_zone:
            try:
                return day(datetime.fromisoformat(value.strip()), zone, institution_zone)
            except ValueError:
                pass
        year, month, number = match[1], match[2] or match[4], match[3] or match[5]
        try:
            return date(int(year), int(month), int(number))
        except ValueError:
            return None
    if isinstance(value, datetime):
        aware = value if value.tzinfo else value.replace(tzinfo=zone)
        return aware.astimezone(institution_zone).date()
    return value if isinstance(value, date) else None
