"""What the guard must say, worked out again from the design alone: over whole lists, knowing nothing of plans."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Literal

#: What one source can say about one student, by what it means, and what that comes to.
ANSWERS: Mapping[str, Mapping[str, str]] = {
    "items": {"nothing": "cleared", "1 row": "held", "2 rows": "held", "no reader": "unknown"},
    "balance": {"nothing": "cleared", "nought": "cleared", "owes": "held", "unreadable": "unknown"},
    "status": {"nothing": "unknown", "done": "cleared", "not done": "held", "let off": "exempt", "new word": "unknown"},
}
_ROWS = {"nothing": 0, "no reader": 0, "2 rows": 2}

Way = Literal["cleared", "held", "unknown"]
#: What is too much: one way at once or in sum, how many, of how many; or the rows.
Reason = tuple[str, ...]
Answers = dict[str, str]


@dataclass
class Limits:
    """Count and percentage for each way, and what the sum and the rows may do."""

    count: dict[Way, int]
    percent: dict[Way, int]
    sum_percent: int = 30
    rows_fall_percent: int = 30


@dataclass
class ExpectedChange:
    """What an office has announced, and how many of them have come."""

    most: int
    until: datetime
    came: int = 0

    def left(self, now: datetime) -> int:
        """How many more may come."""
        return max(0, self.most - self.came) if self.until > now else 0


@dataclass
class Waiting:
    """A suspended run: its whole answer, and what it was made on."""

    run: int
    answers: Answers
    at: datetime
    suspended_at: datetime
    revision: int
    differs: Answers


@dataclass
class Source:
    """One source as it must be: what it has reported of everybody, and what of that the guard has counted."""

    means: str
    limits: Limits
    stands: Answers
    rows: list[int] = field(default_factory=list)
    counted: list[tuple[datetime, dict[Way, int]]] = field(default_factory=list)
    approved_at: datetime | None = None
    #: When the last good full pull began.
    good_at: datetime | None = None
    expected_changes: dict[Way, ExpectedChange] = field(default_factory=dict)
    revision: int = 0
    waiting: Waiting | None = None
    #: How each full run ended, in order of their numbers.
    full_runs: dict[int, str] = field(default_factory=dict)
    rechecked: dict[str, datetime] = field(default_factory=dict)

    def verdicts(self, answers: Answers) -> dict[str, str]:
        """Return what the source's own verdict is about everybody."""
        return {who: ANSWERS[self.means][said] for who, said in answers.items()}

    def number_of_rows(self, answers: Answers) -> int:
        """Return how many rows an answer has."""
        return sum(_ROWS.get(said, 1) for said in answers.values())

    def moves(self, answers: Answers, now: datetime) -> tuple[dict[Way, int], dict[Way, int]]:
        """Return how many are moved each way, and how many of them are counted."""
        before, after = self.verdicts(self.stands), self.verdicts(answers)
        pairs = [(before[who], after[who]) for who in before]
        clear = ("cleared", "exempt")
        freed = sum(was == "held" and becomes in clear for was, becomes in pairs)
        seized = sum(was in clear and becomes == "held" for was, becomes in pairs)
        lost = sum(was == "held" and becomes == "unknown" for was, becomes in pairs)
        unknown = sum(was != "unknown" and becomes == "unknown" for was, becomes in pairs)
        # A status clears by a row that says so: shown, not limited.
        limited = 0 if self.means == "status" else freed
        counted: dict[Way, int] = {
            "cleared": max(0, limited - self._left("cleared", now)) + lost,
            "held": max(0, seized - self._left("held", now)),
            "unknown": unknown,
        }
        return {"cleared": freed, "held": seized, "unknown": unknown}, counted

    def _left(self, way: Way, now: datetime) -> int:
        return self.expected_changes[way].left(now) if way in self.expected_changes else 0

    def reasons(
        self, answers: Answers, now: datetime, *, whole: Answers | None, judged_at: datetime | None = None
    ) -> set[Reason]:
        """Return every reason to hold an answer back that was read `now`, judged then or later.

        Its rows are those of the `whole`, None for a recheck.
        """
        if answers == self.stands:
            return set()
        found: set[Reason] = set()
        _, counted = self.moves(answers, now)
        night = whole is not None and self.good_at is not None and now - self.good_at > timedelta(hours=12)
        if whole is not None and self.rows:
            middle, rows = _median(self.rows), self.number_of_rows(whole)
            if not rows:
                found |= {("no rows",)} if middle >= 5 else set()
            middle = min(middle, Fraction(self.rows[-1])) if night else middle
            if not rows:
                pass
            elif middle - rows > 10 and rows < middle * (100 - self.limits.rows_fall_percent) / 100:
                found.add(("rows fall",))
        # Two nightly runs are two nights, also when the later one begins some minutes earlier.
        a_day_ago = (judged_at or now) - timedelta(hours=23, minutes=45)
        since = max(a_day_ago, self.approved_at or a_day_ago)
        stands = list(self.verdicts(self.stands).values())
        held, clear = stands.count("held"), stands.count("cleared") + stands.count("exempt")
        of: dict[Way, int] = {"cleared": held, "held": clear, "unknown": held + clear}
        for way, base in of.items():
            lately = sum(each[way] for at, each in self.counted if at > since)
            count, percent = self.limits.count[way], self.limits.percent[way]
            if not night and counted[way] > max(Fraction(count), Fraction(base * percent, 100)):
                found.add((way, "at once", str(counted[way]), str(base)))
                continue
            total, before = counted[way] + lately, base + lately
            if counted[way] and total > max(Fraction(count), Fraction(before * self.limits.sum_percent, 100)):
                found.add((way, "in sum", str(total), str(before)))
        gone = self.released(answers)
        if 5 <= held <= gone:
            found.add(("all of a few", str(gone)))
        return found

    def released(self, answers: Answers) -> int:
        """Return how many are held no more, but for those whom an explicit word of a status lets go."""
        before, after = self.verdicts(self.stands), self.verdicts(answers)
        free = ("unknown",) if self.means == "status" else ("cleared", "exempt", "unknown")
        return sum(before[who] == "held" and after[who] in free for who in before)

    def apply(self, answers: Answers, now: datetime, *, at: datetime, approved: bool = False) -> None:
        """Let an answer stand."""
        moved, counted = self.moves(answers, now)
        for way, expected_change in self.expected_changes.items():
            expected_change.came += moved[way]
        if not approved:
            self.counted.append((at, counted))
        self.stands = dict(answers)
        self.revision += 1

    def note(
        self, run: int, state: str, rows: int, at: datetime, *, approved: bool = False, began: datetime | None = None
    ) -> None:
        """Note a full run that was good: whatever waited is over."""
        self.good_at = began or at
        self.rows = [rows] if approved else [*self.rows, rows][-5:]
        if approved:
            self.approved_at = at
        if self.waiting is not None and self.waiting.run != run:
            self.full_runs[self.waiting.run] = "superseded"
        self.waiting = None
        self.full_runs[run] = state

    def differs(self, answers: Answers) -> Answers:
        """Return what an answer reports of the students whose state differs."""
        return {who: said for who, said in answers.items() if said != self.stands[who]}

    def expire(self, now: datetime) -> None:
        """No one has spoken of what waits for more than three days."""
        if self.waiting is not None and now - self.waiting.suspended_at > timedelta(hours=72):
            self.full_runs[self.waiting.run] = "expired"
            self.waiting = None

    def last_full_run_stands(self) -> bool:
        """Return whether the latest full run was good."""
        return bool(self.full_runs) and self.full_runs[max(self.full_runs)] in ("applied", "unchanged")


def _median(numbers: Sequence[int]) -> Fraction:
    ordered, half = sorted(numbers), len(numbers) // 2
    return Fraction(ordered[half] + ordered[-half - 1], 2) if len(ordered) % 2 == 0 else Fraction(ordered[half])
