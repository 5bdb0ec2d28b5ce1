"""What reverting an approved run would change: planned by the sync, and shown on a page before it is done."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from status_db.marks.impact import Impact, impact_from_text, impact_to_text

#: At most this many reviews, and this many certificates, are kept for a page.
_LISTED = 200


@dataclass(frozen=True, slots=True)
class LaterReview:
    """A review or a certificate that a student was given after a run."""

    student: str
    #: The review's step, or the certificate's number.
    what: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class WayBackPlan:
    """What reverting a run would change, on the marks as they were when it was planned."""

    #: Digest of the plan: only exactly this change is made.
    digest: bytes
    #: Nothing would change: every record that the run wrote has changed since, or is as it was before.
    empty: bool
    #: Why the guard would suspend it, the students it moves by college, and some of its changes.
    look: Impact
    #: Students whose records are left as they are: they have changed since the run.
    left_alone: int
    #: Given after the run to students that it cleared. A plan read from JSON lists at most 200 of each.
    reviews: tuple[LaterReview, ...]
    certificates: tuple[LaterReview, ...]
    #: How many there are, listed or not.
    review_count: int
    certificate_count: int


def plan_to_json(plan: WayBackPlan) -> dict[str, Any]:
    """Return a plan as JSON values."""
    return {
        "digest": plan.digest.hex(),
        "empty": plan.empty,
        "look": impact_to_text(plan.look),
        "left_alone": plan.left_alone,
        "reviews": _given_to_lists(plan.reviews),
        "certificates": _given_to_lists(plan.certificates),
        "review_count": plan.review_count,
        "certificate_count": plan.certificate_count,
    }


def plan_from_json(kept: dict[str, Any]) -> WayBackPlan:
    """Return the plan that `plan_to_json` wrote."""
    return WayBackPlan(
        digest=bytes.fromhex(kept["digest"]),
        empty=kept["empty"],
        look=impact_from_text(kept["look"]),
        left_alone=kept["left_alone"],
        reviews=_given_from_lists(kept["reviews"]),
        certificates=_given_from_lists(kept["certificates"]),
        review_count=kept["review_count"],
        certificate_count=kept["certificate_count"],
    )


def _given_to_lists(given: Sequence[LaterReview]) -> list[list[str]]:
    return [[one.student, one.what, one.by, one.at.isoformat()] for one in given[:_LISTED]]


def _given_from_lists(kept: Sequence[Sequence[str]]) -> tuple[LaterReview, ...]:
    return tuple(LaterReview(student, what, by, datetime.fromisoformat(at)) for student, what, by, at in kept)
