"""How a run ended, and what one would change."""

from dataclasses import dataclass

from connectors.port import SourceError, SourceGarbled, SourceRefused, SourceUnavailable
from status_db.guard_reasons import GuardReason
from status_db.model import Flip, RunState
from status_db.stored_counts import NO_COUNTS, RunCounts

_FAULTS = {SourceUnavailable: "unavailable", SourceRefused: "refused", SourceGarbled: "garbled"}


def fault_of(error: SourceError) -> str:
    """Return the word for a source's failure, as runs record it."""
    return _FAULTS[type(error)]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one run ended."""

    source: str
    state: RunState
    #: None when no run was opened: a plan, or a source held by another run.
    run: int | None = None
    message: str = ""
    fault: str | None = None
    counts: RunCounts = NO_COUNTS
    flips: tuple[Flip, ...] = ()
    #: Of which cohort, where there are several.
    cohort: str = ""


@dataclass(frozen=True, slots=True)
class RunPreview:
    """What a sync of one source would change now."""

    source: str
    #: The fault of the source where it failed; else None.
    fault: str | None
    message: str
    counts: RunCounts
    flips: tuple[Flip, ...]
    #: Why the guard would suspend it.
    reasons: tuple[GuardReason, ...]
    #: For a change of settings: the differences, key by key, and what it does to steps.
    changes: tuple[str, ...] = ()
    #: Nothing else is planned or applied before it.
    blocks: bool = False
    #: Of which cohort, where there are several.
    cohort: str = ""

    @property
    def pending(self) -> bool:
        """Return whether there is something to apply."""
        counts = self.counts
        return bool(self.changes) or (
            self.fault is None and any((counts.records, counts.flips, counts.joined, counts.changed, counts.left))
        )
