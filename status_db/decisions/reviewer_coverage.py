"""Whether each college has enough reviewers: a single one may be ill on the day the certificates are handed out."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from status_db.accounts.accounts import Account, Act, Grant

#: The smallest number of active reviewers of a college without a warning.
ENOUGH = 2


@dataclass(frozen=True, slots=True)
class ReviewerShortage:
    """A college with too few reviewers."""

    cohort: str
    college: str
    reviewers: int


def short_of_reviewers(
    accounts: Iterable[Account], colleges: Mapping[str, Collection[str]], reviews: Collection[str]
) -> tuple[ReviewerShortage, ...]:
    """Return the colleges of each cohort with fewer than ENOUGH active accounts that can give the review.

    `reviews` are the steps of that kind. A grant for a part of a college, such as one class, does not count.
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
    """Return whether a grant allows one of these reviews for a whole college; a part of it is not enough."""
    return (
        grant.act is Act.REVIEW
        and (grant.step is None or grant.step in reviews)
        and grant.cohort in (None, cohort)
        and set(grant.scope) <= {"college"}
        and college in grant.scope.get("college", (college,))
    )
