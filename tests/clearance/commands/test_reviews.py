"""Reviews and certificates by the real command on a copy of the demo."""

import sqlite3
from contextlib import closing

import pytest

from demo.clock import DemoClock
from demo.story import notable
from tests.services.university import University

CLEAR = notable(2019)[2][0]


@pytest.fixture
def college(university: University) -> University:
    """A university whose college has an operator, a reviewer and a second one."""
    grants = {
        "reading-room": ("decide:college_items",),
        "of-all-colleges": ("review:final_review", "issue"),
        "successor": ("issue",),
    }
    for account, given in grants.items():
        options = [word for grant in given for word in ("--grant", grant)]
        university.run("accounts", "add", account, "--name", account, *options)
    return university


@pytest.fixture
def ready(college: University) -> University:
    """The same, with everything done of one student but the review."""
    decide = ("override", "set", CLEAR, "college_items", "cleared", "--as", "reading-room", "--reason", "无借阅")
    college.run(*decide)
    return college


def give(university: University, student: str, *, code: int = 0) -> str:
    """Give the final review."""
    return university.run(
        "reviews", "give", student, "final_review", "cleared", "--as", "of-all-colleges", "--reason", "通过", code=code
    )


def issue(university: University, number: str, *, code: int = 0) -> str:
    """Issue a certificate to the student who is clear."""
    return university.run("certificates", "issue", CLEAR, number, "--as", "of-all-colleges", code=code)


class TestReviews:
    def test_one_is_refused_while_a_step_before_it_is_open(self, college: University) -> None:
        assert "college_items does not count as clear" in give(college, CLEAR, code=1)

    def test_one_is_given_and_taken_back(self, ready: University) -> None:
        assert f"the review of {CLEAR} is cleared" in give(ready, CLEAR)
        assert f"{CLEAR} waits for final_review again" in ready.run(
            "reviews", "withdraw", CLEAR, "final_review", "--as", "of-all-colleges"
        )

    def test_over_an_answer_that_is_too_old_it_takes_the_option_and_a_note(self, ready: University) -> None:
        DemoClock(ready.folder / ".demo" / "clock").advance(1)
        assert "is too old" in give(ready, CLEAR, code=1)
        over = ("--as", "of-all-colleges", "--reason", "通过", "--over-old-answers")
        assert "needs a note" in ready.run("reviews", "give", CLEAR, "final_review", "cleared", *over, code=1)
        said = ready.run("reviews", "give", CLEAR, "final_review", "cleared", *over, "--note", "图书馆停电")
        assert f"the review of {CLEAR} is cleared" in said

    def test_it_takes_a_grant(self, ready: University) -> None:
        said = ready.run(
            "reviews", "give", CLEAR, "final_review", "cleared", "--as", "successor", "--reason", "通过", code=1
        )
        assert "no grant to review final_review" in said


class TestCertificates:
    def test_one_is_issued_on_a_review_alone_and_only_once(self, ready: University) -> None:
        assert "no valid review" in issue(ready, "2019-0001", code=1)
        give(ready, CLEAR)
        assert "certificate 2019-0001" in issue(ready, "2019-0001")
        assert "already has certificate 2019-0001" in issue(ready, "2019-0002", code=1)
        (listed,) = (c for c in ready.json("certificates", "list") if c["certificate"]["student"] == CLEAR)
        assert listed["not_clear_since"] == []

    def test_an_agent_has_a_name(self, ready: University) -> None:
        give(ready, CLEAR)
        said = ready.run(
            "certificates", "issue", CLEAR, "2019-0001", "--as", "of-all-colleges", "--collected", "agent", code=1
        )
        assert "--collector" in said

    def test_a_second_person_revokes_it_and_the_number_stays_used(self, ready: University) -> None:
        give(ready, CLEAR)
        issue(ready, "2019-0001")
        revoke = ("certificates", "revoke", "2019-0001", "--reason", "印错", "--as")
        assert "have a second person revoke it" in ready.run(*revoke, "of-all-colleges", code=1)
        assert "is revoked" in ready.run(*revoke, "successor")
        assert "is the number of" in issue(ready, "2019-0001", code=1)
        issue(ready, "2019-0002")

    def test_one_that_there_is_not_shows_where_to_look(self, ready: University) -> None:
        said = ready.run("certificates", "revoke", "nought", "--reason", "印错", "--as", "successor", code=1)
        assert "clearance certificates list" in said

    def test_one_waits_until_it_is_handed_over_and_each_act_is_in_the_log(self, ready: University) -> None:
        give(ready, CLEAR)
        said = ready.run("certificates", "issue", CLEAR, "2019-0001", "--waits", "--as", "of-all-colleges")
        assert "to be collected" in said
        assert [c["certificate"]["number"] for c in ready.json("certificates", "list", "--waiting")] == ["2019-0001"]
        hand_over = ("certificates", "hand-over", "2019-0001", "--as")
        assert "no grant to issue" in ready.run(*hand_over, "reading-room", code=1)
        assert "Enter their name and authorisation" in ready.run(
            *hand_over, "successor", "--collected", "agent", code=1
        )
        assert "is collected (agent)" in ready.run(
            *hand_over, "successor", "--collected", "agent", "--collector", "王五, 委托书"
        )
        assert "was already collected" in ready.run(*hand_over, "successor", code=1)
        assert ready.json("certificates", "list", "--waiting") == []
        (certificate,) = (c["certificate"] for c in ready.json("certificates", "list", CLEAR))
        assert (certificate["collected"], certificate["handed_over_by"]) == ("agent", "successor")
        ready.run("certificates", "revoke", "2019-0001", "--reason", "印错", "--as", "successor")
        with closing(sqlite3.connect(ready.folder / ".demo" / "clearance-desk.db")) as desk:
            told = desk.execute(
                "SELECT deed, account, student FROM audit WHERE deed IN (?, ?, ?) ORDER BY line",
                ("issued", "certificate_handed_over", "revoked"),
            ).fetchall()
        assert told == [
            ("issued", "of-all-colleges", CLEAR),
            ("certificate_handed_over", "successor", CLEAR),
            ("revoked", "successor", CLEAR),
        ]
