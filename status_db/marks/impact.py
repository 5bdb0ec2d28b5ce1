"""The impact of a suspended run: the students it would move by college, some of its changes, whom to check.

The sync computes it when it suspends a run and keeps it beside the run's answer, so that the pages can show it. A seal
covers both: a run with an altered impact cannot be approved.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from status_db.guard_reasons import GuardReason, packed, unpacked
from status_db.model import Obligation, Verdict
from status_db.tables import json_text, obligations_from_text, obligations_to_text


@dataclass(frozen=True, slots=True)
class VerdictChange:
    """How many students of one college would move from one verdict of the source's to another."""

    college: str
    before: Verdict
    after: Verdict
    students: int


@dataclass(frozen=True, slots=True)
class ImpactPerson:
    """One student, the source's verdict before and after, and the evidence."""

    student: str
    name: str
    college: str
    class_name: str
    before: Verdict
    after: Verdict
    evidence: tuple[Obligation, ...]


@dataclass(frozen=True, slots=True)
class Unmatched:
    """A key of the answer that is certainly about no student on the roster."""

    key: str
    #: Why it may still be a roster student, as one word; empty where nothing resembles it.
    hint: str
    #: The student it may mean; empty where none.
    student: str


@dataclass(frozen=True, slots=True)
class Impact:
    """What a suspended run would do."""

    source: str
    #: Why the guard suspends it; empty when it would pass now.
    reasons: tuple[GuardReason, ...]
    moved: tuple[VerdictChange, ...]
    sample: tuple[ImpactPerson, ...]
    #: Students to check in the office's own system: the same ones each time this run is shown.
    spot_check: tuple[ImpactPerson, ...]
    #: For a change of settings: the differences, key by key.
    changes: tuple[str, ...] = ()
    #: Unmatched rows of this very answer by key, those with a match hint first; at most 200 are listed.
    unmatched: tuple[Unmatched, ...] = ()
    #: Unmatched keys in all.
    unmatched_count: int = 0


def impact_to_text(impact: Impact) -> str:
    """Return an impact as JSON text."""
    return json_text(
        {
            "source": impact.source,
            "reasons": packed(impact.reasons),
            "moved": [[m.college, m.before, m.after, m.students] for m in impact.moved],
            "sample": [_person_to_list(one) for one in impact.sample],
            "spot_check": [_person_to_list(one) for one in impact.spot_check],
            "changes": list(impact.changes),
            "unmatched": [[one.key, one.hint, one.student] for one in impact.unmatched],
            "unmatched_count": impact.unmatched_count,
        }
    )


def impact_from_text(text: str) -> Impact:
    """Return the impact that `impact_to_text` wrote."""
    kept = json.loads(text)
    return Impact(
        source=kept["source"],
        reasons=unpacked(kept["reasons"]),
        moved=tuple(
            VerdictChange(college, Verdict(before), Verdict(after), students)
            for college, before, after, students in kept["moved"]
        ),
        sample=tuple(_person_from_list(one) for one in kept["sample"]),
        spot_check=tuple(_person_from_list(one) for one in kept["spot_check"]),
        changes=tuple(kept.get("changes", ())),
        # An impact that was stored before these fields has none.
        unmatched=tuple(Unmatched(*one) for one in kept.get("unmatched", ())),
        unmatched_count=kept.get("unmatched_count", 0),
    )


def _person_to_list(one: ImpactPerson) -> list[Any]:
    evidence = obligations_to_text(one.evidence)
    return [one.student, one.name, one.college, one.class_name, one.before, one.after, evidence]


def _person_from_list(kept: Sequence[Any]) -> ImpactPerson:
    student, name, college, class_name, before, after, evidence = kept
    return ImpactPerson(
        student, name, college, class_name, Verdict(before), Verdict(after), obligations_from_text(evidence)
    )
