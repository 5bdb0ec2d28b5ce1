"""A run as it is written: its lease, its ending, what its answer stores, and why it cannot begin or continue."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from foundation.refusals import Refused
from foundation.translation import tr
from status_db.marks.reversals import ReplacedRecord
from status_db.model import Finding, Flip, Record, RunState, Verdict
from status_db.stored_counts import NO_COUNTS, RunCounts


class LeaseCode(StrEnum):
    """Why a run cannot ask its source, or cannot write."""

    #: Another process runs the same source.
    UNDER_WAY = "under_way"
    #: Another process closed the run or took over its source.
    LOST = "lost"


class RunUnderWay(Refused[LeaseCode]):
    """Another run holds the source."""

    def __init__(self, source: str, run: int, owner: str, since: datetime) -> None:
        self.run = run
        super().__init__(
            LeaseCode.UNDER_WAY,
            tr(
                "{source} is being asked already, by run {run} since {since:%H:%M:%S} UTC ({owner}). Wait "
                "until it ends, or stop that process, then run this again.",
                source=source,
                run=run,
                since=since,
                owner=owner,
            ),
        )


class SlotTaken(Exception):  # noqa: N818 - named by what is so
    """The slot has its run already."""


class BaseMoved(Exception):  # noqa: N818 - named by what is so
    """The marks are no longer the ones the plan was made on: plan the same snapshot again."""


class AnswerOvertaken(Exception):  # noqa: N818 - named by what is so
    """The marks hold a later answer than the one to be written: it stays."""


class LeaseLost(Refused[LeaseCode]):
    """Another process closed the run or took over its source: this process must not write any more."""

    def __init__(self, source: str, run: int) -> None:
        super().__init__(
            LeaseCode.LOST,
            tr(
                "run {run} of {source} lost its lease: it exceeded its time and another run took over, or a "
                "person closed it. No changes were written. Run it again.",
                run=run,
                source=source,
            ),
        )


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to write a source's marks, for one run."""

    cohort: str
    source: str
    run: int
    #: The process that holds it, and in which turn; empty for a recheck.
    owner: str = ""
    #: A recheck of one student; it holds no source, so a full run need not wait for it.
    student: str | None = None


@dataclass(frozen=True, slots=True)
class RunEnding:
    """How a run ended, as stored in its row."""

    state: RunState
    at: datetime
    message: str = ""
    fault: str | None = None
    counts: RunCounts = NO_COUNTS
    proofs: Sequence[Sequence[str]] = ()
    plan_digest: bytes | None = None


@dataclass(frozen=True, slots=True)
class Pull:
    """What a good snapshot stores on its source, whether it changed anything or not."""

    began: datetime
    ended: datetime
    fresh_for: timedelta
    settings_digest: bytes
    #: Digest of the whole answer, to recognise the same one later; None when the stored records differ from it.
    fingerprint: bytes | None
    #: Digest of the source's own fingerprint of that answer; None where it has none.
    reported_fingerprint: bytes | None
    #: When the answer was read whole; None where the source only reported that it is unchanged.
    compared_at: datetime | None
    #: Rows about roster students; None for a recheck, which is not about the whole, and for an answer that came
    #: before the roster: it is not recorded.
    roster_rows: int | None
    unmatched_keys: Sequence[tuple[str, str, str]] | None = None
    unmatched_key_count: int = 0
    #: The source's revision it was compared with; None for the roster, which only its own runs change.
    source_base: int | None = None
    #: Students with a recheck after it began, as known when it was planned: they were left alone.
    asked_later: frozenset[str] = frozenset()
    #: Digest of where and as which user the source was asked.
    location: bytes | None = None
    #: The question for which asking about one student was shown to give the same; None leaves what is stored.
    one_proven: bytes | None = None
    #: The quality of its rows, as plain values for the guard; None to leave what is stored.
    quality: Mapping[str, Any] | None = None
    #: The time by which stored moments lie in the future; None where none is left out.
    judged_at: datetime | None = None
    #: The source's own moment of the answer, from which its freshness counts; None where it names none.
    as_of: datetime | None = None


@dataclass(frozen=True, slots=True)
class Writes:
    """What a plan writes about one source, spelled out as rows."""

    base: int
    step: str
    records: Sequence[Record]
    removed: Sequence[str]
    findings: Sequence[tuple[str, Finding]]
    flips: Sequence[Flip]
    #: How the counts of held, unknown, exempt and done records move.
    moves: Mapping[Verdict, int]
    #: What an approved run replaces, kept for a revert.
    replaced: Sequence[ReplacedRecord] = ()
