"""The values that every room speaks in.

Pure and frozen: no database, no clock, no settings. Times are aware, amounts are `Decimal` yuan, and the time at which
something is judged is always passed in.
"""

import hashlib
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum


class Verdict(StrEnum):
    """What is said about one student and one step (or one source)."""

    CLEARED = "cleared"
    HELD = "held"
    UNKNOWN = "unknown"
    EXEMPT = "exempt"


#: The verdicts with which nothing is left to do.
CLEAR = (Verdict.CLEARED, Verdict.EXEMPT)


class Reason(StrEnum):
    """Why a finding says what it says: one code word each."""

    NOTHING_OWED = "nothing_owed"
    SETTLED = "settled"
    REFUND_DUE = "refund_due"
    DONE = "done"
    OWED = "owed"
    NOT_DONE = "not_done"
    EXEMPT_BY_ROSTER = "exempt_by_roster"
    EXEMPT_BY_OFFICE = "exempt_by_office"
    NOT_ASKED = "not_asked"
    NO_ROW = "no_row"
    OUTSIDE_POPULATION = "outside_population"
    DOUBTFUL = "doubtful"
    AWAITING_DECISION = "awaiting_decision"
    AWAITING_REVIEW = "awaiting_review"


class Means(StrEnum):
    """What a source's rows mean: things owed, sums owed, or words about an act."""

    ITEMS = "items"
    BALANCE = "balance"
    STATUS = "status"


class StepKind(StrEnum):
    """Who decides a step: its sources, an operator, or a reviewer once the steps before it count as clear."""

    SYNCED = "synced"
    MANUAL = "manual"
    REVIEW = "review"


class State(StrEnum):
    """What a page says of a step: one word per state, as students and clerks read it."""

    CLEARED = "cleared"
    HELD = "held"
    NOT_DONE = "not_done"
    PENDING = "pending"
    CLOSED = "closed"
    OPEN = "open"
    UNKNOWN = "unknown"
    EXEMPT = "exempt"


class RunState(StrEnum):
    """How one execution for one source stands or ended."""

    RUNNING = "running"
    APPLIED = "applied"
    UNCHANGED = "unchanged"
    SKIPPED = "skipped"
    SUSPENDED = "suspended"
    SUPERSEDED = "superseded"
    REJECTED = "rejected"
    FAILED = "failed"
    EXPIRED = "expired"
    ABANDONED = "abandoned"


class Cause(StrEnum):
    """What made a flip."""

    RUN = "run"
    DECISION = "decision"
    EXPIRY = "expiry"
    ROSTER = "roster"
    SETTINGS = "settings"


#: Why a step ends for a student who now goes another way, in the place of a finding's reason.
NOT_IN_FLOW = "not_in_flow"


#: The kind of an alias that was a student's own number before it was corrected, and the reason of the flips of then.
RENUMBERED = "renumbered"


#: The name under which the roster's own runs and state are kept beside the sources'.
ROSTER = "roster"


#: The name under which changes of settings are run and wait for approval, beside the sources'.
SETTINGS = "settings"


def normalise_number(raw: object) -> str:
    """Return a student number or alias in its one exact form: NFKC, trimmed, upper case.

    Text, whole numbers and whole floats (as text, too) of the same digits give the same result; invisible characters
    (byte-order mark, zero-width and non-breaking spaces) are dropped. Nothing is guessed: letter O stays a letter.
    """
    if (isinstance(raw, float) and raw.is_integer()) or (isinstance(raw, Decimal) and raw == raw.to_integral_value()):
        raw = int(raw)
    text = unicodedata.normalize("NFKC", str(raw))
    text = "".join(c for c in text if unicodedata.category(c) not in ("Cf", "Cc")).strip().upper()
    whole, point, noughts = text.partition(".")
    # A program that took the column for numbers writes it so into a text file.
    return whole if point and noughts and whole.isdigit() and not noughts.strip("0") else text


#: Clocks of two machines differ by less. A stored moment that lies further ahead was taken under a wrong clock.
CLOCKS_DIFFER = timedelta(minutes=1)


def is_ahead(moment: datetime, now: datetime) -> bool:
    """Say whether a stored moment cannot be right: it is later than now."""
    return moment > now + CLOCKS_DIFFER


def is_stale(fresh_until: datetime | None, latest: datetime | None, now: datetime) -> bool:
    """Say whether an answer is too old, or its moment, the `latest` of several, lies ahead of now."""
    if latest is not None and is_ahead(latest, now):
        return True
    return fresh_until is not None and now >= fresh_until


def yuan(amount: Decimal, *, grouped: bool = False) -> str:
    """Write an amount with two decimals, always; grouped in thousands for people, plain for programs.

    Every place that shows an amount writes it by this.
    """
    return f"{amount:,.2f}" if grouped else f"{amount:.2f}"


@dataclass(frozen=True, slots=True)
class Obligation:
    """One thing owed or undone."""

    #: What kind of thing, in the settings' word for the source: loan, fine, fee, textbook, room …
    kind: str
    #: What it is, as the office calls it: a book's title, a fee's item, a room.
    title: str = ""
    #: What is owed for it, in yuan; None where the amount does not matter.
    amount: Decimal | None = None
    #: The day it was or is due; None where the source does not say, or not readably.
    due: date | None = None
    #: The office's own mark for it: barcode, bill number.
    reference: str = ""
    #: The source gives a day by which it is due, and that day cannot be read.
    due_unreadable: bool = False

    @property
    def key(self) -> str:
        """Tell this obligation from the student's others; an amount that changes leaves it the same obligation."""
        return f"{self.kind}:{self.reference}" if self.reference else f"{self.kind}:{self.title}:{self.due or ''}"


#: So much is kept of why a record cannot be believed.
LONGEST_DOUBT = 200


#: The longest text of a roster column that is kept, in characters; any other column has no bound.
LONGEST_OF_ROSTER: Mapping[str, int] = {
    "name": 200,
    "college": 200,
    "class": 200,
    "campus": 100,
    "building": 100,
    "category": 100,
}


@dataclass(frozen=True, slots=True)
class Record:
    """What is stored for one source and one student: the last thing the source said about them."""

    student: str
    verdict: Verdict
    reason: Reason
    obligations: tuple[Obligation, ...] = ()
    #: Why the record cannot be believed as it stands; empty when it can.
    doubt: str = ""
    #: Digest of the rows it was read from and of the settings that decided their meaning.
    digest: bytes = b""


@dataclass(frozen=True, slots=True)
class Finding:
    """What the machine finds for one student and one step."""

    verdict: Verdict
    reason: Reason
    evidence: tuple[Obligation, ...] = ()

    @property
    def keys(self) -> tuple[str, ...]:
        """The sorted keys of the obligations behind it."""
        return tuple(sorted({o.key for o in self.evidence}))


def evidence_behind(verdict: Verdict, records: Iterable[Record]) -> tuple[Obligation, ...]:
    """Return the obligations of those records that gave the step its verdict, in the records' order."""
    return tuple(o for record in records if record.verdict is verdict for o in record.obligations)


#: What stands for a student's synced step before its sources have been asked.
NOT_ASKED = Finding(Verdict.UNKNOWN, Reason.NOT_ASKED)


#: What stands for each kind of step from the moment a student joins the roster.
FIRST_FINDING: Mapping[StepKind, Finding] = {
    StepKind.SYNCED: NOT_ASKED,
    StepKind.MANUAL: Finding(Verdict.UNKNOWN, Reason.AWAITING_DECISION),
    StepKind.REVIEW: Finding(Verdict.UNKNOWN, Reason.AWAITING_REVIEW),
}


@dataclass(frozen=True, slots=True)
class Decision:
    """What an operator says about one student's step; withdrawn, never deleted."""

    id: int
    student: str
    step: str
    verdict: Verdict
    author: str
    #: A word from the step's list of reasons.
    reason: str
    decided_at: datetime
    entered_at: datetime
    #: The finding it answered: its verdict and its obligations' keys.
    answered_verdict: Verdict
    answered_keys: tuple[str, ...]
    words: str = ""
    note: str = ""
    until: datetime | None = None
    withdrawn_at: datetime | None = None
    withdrawn_by: str = ""
    #: For a review: step → what stood there when it was given, as `StepStatus.version_tag` names it.
    reviewed_versions: Mapping[str, str] = field(default_factory=dict)
    #: For a review: step → the moment of an answer that was too old, and was accepted all the same, as `said_as_of`.
    accepts: Mapping[str, str] = field(default_factory=dict)
    #: The office's own file about it.
    file_number: str = ""
    #: What a pass depends on, for the student to read.
    condition: str = ""
    #: The sheet of paper it was first written on.
    sheet: str = ""
    #: The batch it was entered with.
    batch: int | None = None

    def active(self, now: datetime) -> bool:
        """Say whether it counts at `now`: neither withdrawn nor past its end."""
        return (self.withdrawn_at is None or self.withdrawn_at > now) and (self.until is None or self.until > now)

    def disputed_by(self, finding: Finding) -> bool:
        """Say whether the finding has changed, in verdict or in obligations, since this decision answered it."""
        return finding.verdict is not self.answered_verdict or finding.keys != self.answered_keys

    def new_debt_of(self, finding: Finding) -> bool:
        """Say whether the finding now holds the student for something this decision has never seen."""
        if finding.verdict is not Verdict.HELD:
            return False
        return self.answered_verdict is not Verdict.HELD or not set(finding.keys) <= set(self.answered_keys)


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a student leaves with. Made only when the review stands; revoked, never deleted."""

    id: int
    student: str
    #: The number printed on it.
    number: str
    #: What it is: graduation, degree …, in the institution's words.
    kind: str
    issued_at: datetime
    issued_by: str
    #: How it left: self, agent, post; empty while it waits to be collected.
    collected: str
    #: Who took it, and on what mandate, where that was not the student.
    collector: str = ""
    revoked_at: datetime | None = None
    revoked_by: str = ""
    revoked_because: str = ""
    #: When it left; None while it waits, and where it left as it was issued.
    collected_at: datetime | None = None
    handed_over_by: str = ""


def said_as_of(moment: datetime) -> str:
    """Name the moment of an answer, as a review keeps which one it accepted."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def version_tag_of(run: int | None, decision: Decision | None) -> str:
    """Name what a step stands on: the run that found it, and the decision that counts."""
    return f"{run or 0}:{decision.id if decision else 0}"


@dataclass(frozen=True, slots=True)
class Flip:
    """One change of what counts for one student's step."""

    student: str
    step: str
    before: Verdict
    after: Verdict
    #: The finding's reason after it, or the decision's, or why the step ended.
    reason: str
    evidence: tuple[Obligation, ...] = ()


def digest_of(parts: Iterable[bytes]) -> bytes:
    """Return the 16-byte digest of `parts`, each told apart from its neighbours by its length."""
    hasher = hashlib.blake2b(digest_size=16)
    for part in parts:
        hasher.update(len(part).to_bytes(8, "big"))
        hasher.update(part)
    return hasher.digest()


class VoteKind(StrEnum):
    """What can be said about a suspended run."""

    #: The office has looked at its own system, and it is so.
    CONFIRM = "plausible"
    APPROVE = "approve"
    REJECT = "reject"
