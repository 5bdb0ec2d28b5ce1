"""What one answer would change, whoever gave it: a source's answer and the registrar's list are proposed alike.

A proposal was decided in full on one read of the marks, says whether the guard lets it go, and is written whole.
"""

from collections.abc import Mapping
from typing import Any, Protocol

from config.meaning import Meaning
from config.settings import Settings
from connectors.port import Snapshot
from status_db.guard_reasons import Objection
from status_db.marks.apply import Ending, Lease, Pull
from status_db.marks.current import Stored
from status_db.marks.settings import SettingsMarks
from status_db.model import Flip, Verdict
from sync.rule import reconcile


class Plan(Protocol):
    """A difference from the marks, and what it was made on."""

    @property
    def base(self) -> int:
        """The cohort's revision it was made on."""
        ...

    @property
    def empty(self) -> bool:
        """Nothing would change."""
        ...

    @property
    def digest(self) -> bytes:
        """What an approval approves."""
        ...


class Proposal(Protocol):
    """A plan with what it takes to judge and to carry it out."""

    @property
    def plan(self) -> Plan:
        """What would change."""
        ...

    @property
    def clears(self) -> bool:
        """Whether it makes anything clear that was not."""
        ...

    @property
    def flips(self) -> tuple[Flip, ...]:
        """What counts before and after, for everybody for whom that changes."""
        ...

    @property
    def reasons(self) -> tuple[Objection, ...]:
        """Why the guard holds it back; empty when it does not."""
        ...

    @property
    def counts(self) -> Mapping[str, Any]:
        """Figures for the run."""
        ...

    @property
    def pull(self) -> Pull:
        """What the snapshot leaves on its source."""
        ...

    @property
    def snapshot(self) -> Snapshot:
        """What it was made of."""
        ...

    def kept(self) -> Snapshot:
        """Return the snapshot as far as it may be kept: without strangers."""
        ...

    def apply(self, marks: SettingsMarks, lease: Lease, ending: Ending, *, approved: bool) -> None:
        """Write it whole. Raises BaseMoved or LeaseLost."""
        ...


def others_of(
    stored: Stored, settings: Settings, step: str, name: str, meaning: Meaning | None
) -> dict[str, reconcile.SourceAnswered]:
    """Return the step's sources besides `name`, as stored; `meaning` is that of the applied settings.

    What no row of another source means follows from the settings in which its own answer was applied.
    """
    return {
        other: reconcile.SourceAnswered(_absent(settings, other, meaning), stored.source(other).began)
        for other in settings.sources_of(step)
        if other != name
    }


def _absent(settings: Settings, source: str, meaning: Meaning | None) -> Verdict:
    applied = meaning.sources.get(source) if meaning is not None else None
    return Verdict(applied.absent if applied is not None else settings.source[source].absent_means)
