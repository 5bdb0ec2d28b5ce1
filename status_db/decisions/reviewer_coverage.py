"""Whether each college has reviewers enough: one alone may be ill on the day the certificates are handed out."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from status_db.accounts.accounts import Account, Act, Grant

#: So many active accounts may give a college's final review, or a warning is due.
ENOUGH = 2


@dataclass(frozen=True, slots=True)
class ReviewerShortage:
    """A college with too few."""

    cohort: str
    college: str
    reviewers: int


def short_of_reviewers(
    accounts: Iterable[Account], colleges: Mapping[str, Collection[str]], reviews: Collection[str]
) -> tuple[ReviewerShortage, ...]:
    """Return the colleges, of each cohort, whose review fewer than ENOUGH active accounts may give.

    `reviews` are the steps of that kind. A grant for a part of a college, one class of it, is none for the college.
    """
    active = [account for account in accounts if account.active]
    counted = (
        ReviewerShortage(
            cohort, college, sum(any(covers(g, cohort, college, reviews) for g in a.grants) for a in active)
        )
        for cohort, theirs in colleges.items()
        for college in sorted(theirs)
    )
    return tuple(short for short in counted if reviews and short.reviewers < ENOUGH)


def covers(grant: Grant, cohort: str, college: str, reviews: Collection[str]) -> bool:
    """Say whether a grant allows one of these reviews for a whole college: a part of it is not enough."""
    return (
        grant.act is Act.REVIEW
        and (grant.step is None or grant.step in reviews)
        and grant.cohort in (None, cohort)
        and set(grant.scope) <= {"college"}
        and college in grant.scope.get("college", (college,))
    )
