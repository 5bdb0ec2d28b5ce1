"""Requests: what people ask for on the pages is taken once, served once, and how it ended stays beside it."""

from datetime import timedelta

import pytest

from status_db.inbox.requests import RequestKind, RequestOutcome, RequestRefused, Requests
from status_db.model import VoteKind
from tests.cast import LIN, MORNING, QIAN
from tests.world import COHORT, World

PAUSE = timedelta(minutes=2)


@pytest.fixture
def requests(world: World) -> Requests:
    return Requests(world.desk)


def ask(requests: Requests, student: str = LIN.number, after: timedelta = timedelta(0), day_limit: int = 3) -> None:
    requests.ask_recheck(COHORT, student, account=student, now=MORNING + after, pause=PAUSE, day_limit=day_limit)


def served(requests: Requests) -> None:
    for one in requests.waiting(COHORT):
        requests.served(one.request, RequestOutcome.DONE, "", MORNING)


class TestRechecks:
    def test_one_waits_until_it_is_served_and_shows_how_it_ended(self, requests: Requests) -> None:
        ask(requests)
        (one,) = requests.waiting(COHORT)
        assert (one.kind, one.student, one.outcome) == (RequestKind.RECHECK, LIN.number, None)
        requests.served(one.request, RequestOutcome.FAILED, "fees does not answer", MORNING + timedelta(seconds=3))
        assert requests.waiting(COHORT) == ()
        last = requests.last_recheck(COHORT, LIN.number)
        assert last is not None
        assert (last.outcome, last.message) == (RequestOutcome.FAILED, "fees does not answer")

    def test_how_it_ended_is_not_written_over(self, requests: Requests) -> None:
        ask(requests)
        (one,) = requests.waiting(COHORT)
        requests.served(one.request, RequestOutcome.DONE, "", MORNING)
        requests.served(one.request, RequestOutcome.FAILED, "late", MORNING)
        last = requests.last_recheck(COHORT, LIN.number)
        assert last is not None
        assert last.outcome is RequestOutcome.DONE

    def test_a_second_one_is_not_taken_while_one_waits(self, requests: Requests) -> None:
        ask(requests)
        with pytest.raises(RequestRefused, match="already"):
            ask(requests, after=timedelta(hours=1))
        ask(requests, QIAN.number)

    def test_it_rests_for_a_while_and_explains_how_long(self, requests: Requests) -> None:
        ask(requests)
        served(requests)
        with pytest.raises(RequestRefused, match="a moment ago") as refused:
            ask(requests, after=timedelta(seconds=30))
        assert refused.value.wait == timedelta(seconds=90)
        ask(requests, after=PAUSE)

    def test_a_day_has_its_limit(self, requests: Requests) -> None:
        for hour in range(3):
            ask(requests, after=timedelta(hours=hour))
            served(requests)
        with pytest.raises(RequestRefused, match="daily limit") as refused:
            ask(requests, after=timedelta(hours=3))
        assert refused.value.wait == timedelta(hours=21)
        ask(requests, after=timedelta(hours=24))


class TestVotes:
    def say(self, requests: Requests, account: str = "admin", run: int = 7, says: VoteKind = VoteKind.APPROVE) -> None:
        requests.ask_vote(COHORT, run, says, b"digest", account=account, reason="seen", now=MORNING)

    def test_one_names_the_run_the_change_and_who_voted(self, requests: Requests) -> None:
        self.say(requests)
        (one,) = requests.about_run(COHORT, 7)
        assert (one.vote, one.digest, one.account, one.reason) == (VoteKind.APPROVE, b"digest", "admin", "seen")
        assert requests.about_run(COHORT, 8) == ()
        assert requests.about_run("2020", 7) == ()

    def test_the_same_person_has_one_vote_at_a_time_on_a_run(self, requests: Requests) -> None:
        self.say(requests)
        with pytest.raises(RequestRefused, match="already running"):
            self.say(requests, says=VoteKind.REJECT)
        self.say(requests, account="second")
        self.say(requests, run=8)
        served(requests)
        self.say(requests)
        assert len(requests.about_run(COHORT, 7)) == 3
