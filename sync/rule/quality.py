"""The quality of an answer's rows (matched, with an amount, readable), and the held students by branch. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from connectors.port import Cell
from status_db.model import Means, Verdict
from sync.rule.cells import Unreadable, amount_in_yuan
from sync.rule.records import SourceRule, normalise_word

#: The fields of a balance that hold an amount.
_AMOUNTS = ("amount", "paid", "waived", "refunded")

#: How many branches are kept, the largest first.
_BRANCHES = 200


@dataclass(frozen=True, slots=True)
class Quality:
    """How many of one answer's rows are poor, by the reason."""

    #: In all.
    rows: int
    #: About a roster student.
    about: int
    #: Not certainly about a roster student, with a match hint.
    hinted: int
    #: In a balance, without an amount.
    no_amount: int
    #: With an amount or a word that cannot be read.
    unreadable: int
    #: Poor for any of these three reasons.
    poor: int
    #: Branch → how many students it holds; empty where the source names none.
    branches: Mapping[str, int] = field(default_factory=dict)

    @property
    def poor_percent(self) -> Decimal:
        """Return the percentage of poor rows."""
        return Decimal(100 * self.poor) / self.rows if self.rows else Decimal(0)


def to_json(quality: Quality) -> dict[str, Any]:
    """Return it as plain values, to be stored as JSON."""
    return {
        "rows": quality.rows,
        "about": quality.about,
        "hinted": quality.hinted,
        "no_amount": quality.no_amount,
        "unreadable": quality.unreadable,
        "poor": quality.poor,
        "branches": dict(sorted(quality.branches.items())),
    }


def from_json(kept: Mapping[str, Any] | None) -> Quality | None:
    """Return the quality that `to_json` wrote; None for nothing."""
    return Quality(**kept) if kept else None


def quality_of(
    rule: SourceRule,
    fields: Sequence[str],
    rows: Iterable[tuple[Cell, ...]],
    hinted: Collection[Cell],
    about: int,
    branches: Mapping[str, int],
) -> Quality:
    """Return the quality of these rows. `hinted` are the number cells, as the source writes them, with a hint."""
    fields = list(fields)
    amount = fields.index("amount") if rule.means is Means.BALANCE else None
    amounts = [fields.index(name) for name in _AMOUNTS if name in fields] if amount is not None else []
    word = fields.index("status") if rule.means is Means.STATUS else None
    cells = amounts if word is None else [word]
    total = near = none = unreadable = poor = 0
    readable: dict[tuple[type, Cell], bool] = {}
    for row in rows:
        total += 1
        if not (hinted or cells):
            continue
        hint = row[0] in hinted
        missing = amount is not None and (row[amount] is None or not str(row[amount]).strip())
        garbled = False
        for at in cells:
            cell = row[at]
            known = readable.get((type(cell), cell))
            if known is None:
                known = readable[type(cell), cell] = _is_readable(rule, cell)
            garbled = garbled or not known
        near, none, unreadable = near + hint, none + missing, unreadable + garbled
        poor += hint or missing or garbled
    return Quality(total, about, near, none, unreadable, poor, branches)


def _is_readable(rule: SourceRule, cell: Cell) -> bool:
    if rule.means is Means.STATUS:
        return normalise_word(cell) in rule.words
    try:
        amount_in_yuan(cell, rule.yuan)
    except Unreadable:
        return False
    return True


def held_by_branch(at_branches: Mapping[str, Collection[str]], held: Collection[str]) -> dict[str, int]:
    """Return branch → how many of the held students have a row there; only branches with some."""
    counted = {branch: len([s for s in students if s in held]) for branch, students in at_branches.items()}
    largest = sorted(counted.items(), key=lambda each: (-each[1], each[0]))[:_BRANCHES]
    return {branch: students for branch, students in largest if students}


def held_after(held: Iterable[str], changes: Iterable[tuple[str, Verdict]]) -> frozenset[str]:
    """Return the held students after these changes of the source's verdicts."""
    after = set(held)
    for student, verdict in changes:
        (after.add if verdict is Verdict.HELD else after.discard)(student)
    return frozenset(after)
