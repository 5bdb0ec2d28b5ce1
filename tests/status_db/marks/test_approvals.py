"""What a run still needs before it is approved, as codes; the command line and the pages word them."""

from datetime import UTC, datetime

import pytest

from clearance.commands import runs as commands
from config.tables.sources import Guard
from portal.staff import runs as pages
from status_db.marks.approvals import ApprovalVote, Missing, missing
from status_db.model import VoteKind

NOW = datetime(2019, 6, 1, tzinfo=UTC)
STRICT = Guard(office_first=True, two_approve=True)
OFFICE = (VoteKind.CONFIRM, "librarian")
ONE, TWO = (VoteKind.APPROVE, "one"), (VoteKind.APPROVE, "two")


@pytest.mark.parametrize(
    ("said", "guard", "lacks"),
    [
        ([], None, (Missing.APPROVAL,)),
        ([ONE], None, ()),
        ([], Guard(), (Missing.APPROVAL,)),
        ([ONE], Guard(), ()),
        ([], STRICT, (Missing.OFFICE, Missing.TWO_APPROVALS)),
        ([OFFICE], STRICT, (Missing.TWO_APPROVALS,)),
        ([ONE], STRICT, (Missing.OFFICE, Missing.SECOND_APPROVAL)),
        ([OFFICE, ONE], STRICT, (Missing.SECOND_APPROVAL,)),
        ([OFFICE, ONE, ONE], STRICT, (Missing.SECOND_APPROVAL,)),
        ([ONE, TWO], STRICT, (Missing.OFFICE,)),
        ([OFFICE, ONE, TWO], STRICT, ()),
    ],
)
def test_what_is_missing(said: list[tuple[VoteKind, str]], guard: Guard | None, lacks: tuple[Missing, ...]) -> None:
    votes = [ApprovalVote(1, "loans", says, author, "", NOW, b"") for says, author in said]
    assert missing(votes, guard) == lacks


def test_each_surface_words_every_code_that_it_can_meet() -> None:
    # A page's buttons say that an approval is missing.
    assert commands._MISSING.keys() == set(Missing)
    assert pages._MISSING.keys() == set(Missing) - {Missing.APPROVAL}
