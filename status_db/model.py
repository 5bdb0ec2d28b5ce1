"""The values that all packages share.

Pure and frozen: no database, no clock, no settings. Times are aware, amounts are `Decimal` yuan, and the current time
is always passed in.
"""

import hashlib
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum


class Verdict(StrEnum):
    """The result for one student and one step (or one source)."""

    CLEARED = "cleared"
    HELD = "held"
    UNKNOWN = "unknown"
    EXEMPT = "exempt"


#: The verdicts with which nothing is left to do.
CLEAR = (Verdict.CLEARED, Verdict.EXEMPT)


class Reason(StrEnum):
    """The reason for a finding's verdict, as a code."""

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
    """What a source's rows mean: items owed, amounts owed, or the status of a task."""

    ITEMS = "items"
    BALANCE = "balance"
    STATUS = "status"


class StepKind(StrEnum):
    """Who decides a step: its sources, an operator, or a reviewer once the steps before it count as clear."""

    SYNCED = "synced"
    MANUAL = "manual"
    REVIEW = "review"


class State(StrEnum):
    """The state of a step as pages show it to students and operators."""

    CLEARED = "cleared"
    HELD = "held"
    NOT_DONE = "not_done"
    PENDING = "pending"
    CLOSED = "closed"
    OPEN = "open"
    UNKNOWN = "unknown"
    EXEMPT = "exempt"


class RunState(StrEnum):
    """The current or final state of one sync run of one source."""

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
    """The cause of a flip."""

    RUN = "run"
    DECISION = "decision"
    EXPIRY = "expiry"
    ROSTER = "roster"
    SETTINGS = "settings"


#: The reason of a flip whose step is not in the student's new flow.
NOT_IN_FLOW = "not_in_flow"


#: The kind of an alias that was the student's own number before a correction; also the reason of the flips it caused.
RENUMBERED = "renumbered"


#: The source name of the roster's runs and state.
ROSTER = "roster"


#: The source name of the runs that apply settings changes.
SETTINGS = "settings"


def normalise_number(raw: object) -> str:
    """Return a student number or alias in its normal form: NFKC, trimmed, upper case.

    Text, integers and whole floats (also as text) with the same digits give the same result. Invisible characters
    (byte-order mark, zero-width and non-breaking spaces) are removed. Nothing is guessed: the letter O stays a letter.
    """
    if isinstance(raw, str) and raw.isascii() and raw.isalnum():
        # Nearly every number: nothing of it can change but the case.
        return raw.upper()
    if (isinstance(raw, float) and raw.is_integer()) or (isinstance(raw, Decimal) and raw == raw.to_integral_value()):
        raw = int(raw)
    text = unicodedata.normalize("NFKC", str(raw))
    text = "".join(c for c in text if unicodedata.category(c) not in ("Cf", "Cc")).strip().upper()
    whole, point, zeros = text.partition(".")
    # Programs that treat the column as numbers write "2015150001.0" to text files.
    return whole if point and zeros and whole.isdigit() and not zeros.strip("0") else text


#: The clocks of two machines differ by less. A stored time that is further in the future comes from a wrong clock.
CLOCKS_DIFFER = timedelta(minutes=1)


def is_ahead(moment: datetime, now: datetime) -> bool:
    """Return whether a stored time is in the future, so that it cannot be right."""
    return moment > now + CLOCKS_DIFFER


def is_stale(fresh_until: datetime | None, latest: datetime | None, now: datetime) -> bool:
    """Return whether an answer is too old, or whether `latest`, the newest of its times, is in the future."""
    if latest is not None and is_ahead(latest, now):
        return True
    return fresh_until is not None and now >= fresh_until


def yuan(amount: Decimal, *, grouped: bool = False) -> str:
    """Return an amount with two decimals: grouped in thousands for people, plain for programs.

    All amounts are formatted by this function.
    """
    return f"{amount:,.2f}" if grouped else f"{amount:.2f}"


@dataclass(frozen=True, slots=True)
class Obligation:
    """One item that a student owes or has not done."""

    #: The kind of item, from the source's settings: loan, fine, fee, textbook, room …
    kind: str
    #: The office's name for it: a book's title, a fee, a room.
    title: str = ""
    #: The amount owed in yuan; None where the amount does not matter.
    amount: Decimal | None = None
    #: The due date; None if the source has none or it is unreadable.
    due: date | None = None
    #: The office's identifier: barcode, bill number.
    reference: str = ""
    #: The source has a due date, but it cannot be read.
    due_unreadable: bool = False

    @property
    def key(self) -> str:
        """Return what identifies this obligation among the student's; it does not depend on the amount."""
        return f"{self.kind}:{self.reference}" if self.reference else f"{self.kind}:{self.title}:{self.due or ''}"


#: The longest doubt that is stored, in characters.
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
    """The last state that one source reported for one student, as it is stored."""

    student: str
    verdict: Verdict
    reason: Reason
    obligations: tuple[Obligation, ...] = ()
    #: Why the record cannot be trusted; empty if it can.
    doubt: str = ""
    #: Digest of the source rows and of the settings that define their meaning.
    digest: bytes = b""


@dataclass(frozen=True, slots=True)
class Finding:
    """The sync's result for one student and one step."""

    verdict: Verdict
    reason: Reason
    evidence: tuple[Obligation, ...] = ()

    @property
    def keys(self) -> tuple[str, ...]:
        """The sorted keys of its obligations."""
        return tuple(sorted({o.key for o in self.evidence})) if self.evidence else ()


def evidence_behind(verdict: Verdict, records: Iterable[Record]) -> tuple[Obligation, ...]:
    """Return the obligations of the records with this verdict, in the records' order."""
    return tuple(o for record in records if record.verdict is verdict for o in record.obligations)


#: The finding of a synced step before its sources are read.
NOT_ASKED = Finding(Verdict.UNKNOWN, Reason.NOT_ASKED)


#: The first finding of each kind of step, from the time a student joins the roster.
FIRST_FINDING: Mapping[StepKind, Finding] = {
    StepKind.SYNCED: NOT_ASKED,
    StepKind.MANUAL: Finding(Verdict.UNKNOWN, Reason.AWAITING_DECISION),
    StepKind.REVIEW: Finding(Verdict.UNKNOWN, Reason.AWAITING_REVIEW),
}


@dataclass(frozen=True, slots=True)
class Decision:
    """An operator's decision on one student's step; withdrawn, never deleted."""

    id: int
    student: str
    step: str
    verdict: Verdict
    author: str
    #: A code from the step's list of reasons.
    reason: str
    decided_at: datetime
    entered_at: datetime
    #: The verdict and the obligations' keys of the finding that it overrides.
    answered_verdict: Verdict
    answered_keys: tuple[str, ...]
    words: str = ""
    note: str = ""
    until: datetime | None = None
    withdrawn_at: datetime | None = None
    withdrawn_by: str = ""
    #: For a review: step → its `StepStatus.version_tag` when the review was given.
    reviewed_versions: Mapping[str, str] = field(default_factory=dict)
    #: For a review: step → the time (`as_of_text`) of an answer that was too old and was accepted nevertheless.
    accepts: Mapping[str, str] = field(default_factory=dict)
    #: The office's file number.
    file_number: str = ""
    #: The condition of a pass, shown to the student.
    condition: str = ""
    #: The paper form on which it was first written.
    sheet: str = ""
    #: The batch in which it was entered.
    batch: int | None = None

    def active(self, now: datetime) -> bool:
        """Return whether it counts at `now`: not withdrawn and not expired."""
        return (self.withdrawn_at is None or self.withdrawn_at > now) and (self.until is None or self.until > now)

    def disputed_by(self, finding: Finding) -> bool:
        """Return whether the finding's verdict or obligations have changed since this decision."""
        return finding.verdict is not self.answered_verdict or finding.keys != self.answered_keys

    def new_debt_of(self, finding: Finding) -> bool:
        """Return whether the finding now contains debt that did not exist when this decision was made."""
        if finding.verdict is not Verdict.HELD:
            return False
        return self.answered_verdict is not Verdict.HELD or not set(finding.keys) <= set(self.answered_keys)


@dataclass(frozen=True, slots=True)
class Certificate:
    """A student's certificate. Issued only while the review is valid; revoked, never deleted."""

    id: int
    student: str
    #: The number printed on it.
    number: str
    #: The institution's name for its kind: graduation, degree …
    kind: str
    issued_at: datetime
    issued_by: str
    #: How it was collected: self, agent, post; empty until then.
    collected: str
    #: The collector and their authorisation, if that was not the student.
    collector: str = ""
    revoked_at: datetime | None = None
    revoked_by: str = ""
    revoked_because: str = ""
    #: When it was collected; None until then, or if it was collected when issued.
    collected_at: datetime | None = None
    handed_over_by: str = ""


def first_waiting(certificates: Sequence[Certificate]) -> Certificate | None:
    """Return the first certificate that waits to be collected, or the first one if all were; None without one."""
    return next((one for one in certificates if not one.collected), certificates[0] if certificates else None)


def as_of_text(moment: datetime) -> str:
    """Return the time of an answer as text, as a review stores which answer it accepted."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def version_tag_of(run: int | None, decision: Decision | None) -> str:
    """Return the version tag of a step: the run of its finding, and the decision that counts."""
    return f"{run or 0}:{decision.id if decision else 0}"


@dataclass(frozen=True, slots=True)
class Flip:
    """One change of the effective status of one student's step."""

    student: str
    step: str
    before: Verdict
    after: Verdict
    #: The reason of the new finding or decision, or why the step ended.
    reason: str
    evidence: tuple[Obligation, ...] = ()


def digest_of(parts: Iterable[bytes]) -> bytes:
    """Return the 16-byte digest of `parts`; the length of each is part of the digest."""
    hasher = hashlib.blake2b(digest_size=16)
    for part in parts:
        hasher.update(len(part).to_bytes(8, "big"))
        hasher.update(part)
    return hasher.digest()


class VoteKind(StrEnum):
    """A vote on a suspended run."""

    #: The office has checked its own system and confirms the change.
    CONFIRM = "plausible"
    APPROVE = "approve"
    REJECT = "reject"
