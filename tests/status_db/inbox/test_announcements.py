"""The board on both databases: what is announced, to whom, when it is active, and how it is withdrawn."""

from datetime import timedelta

import pytest

from status_db.inbox.announcements import AnnouncementRefused, Announcements
from tests.cast import MORNING
from tests.world import COHORT, World

HOUR = timedelta(hours=1)


@pytest.fixture
def board(world: World) -> Announcements:
    return Announcements(world.desk)


def test_what_is_announced_is_read_back_whole(board: Announcements) -> None:
    made = board.announce(
        " 延长开馆 ",
        "周末也开。",
        author="admin",
        now=MORNING,
        cohort=COHORT,
        step="library",
        scope={"college": ("资源学院",)},
        title_en="Longer hours",
        body_en="Open at weekends, too.",
        contact="027-1",
        opens=MORNING + HOUR,
        closes=MORNING + 2 * HOUR,
    )
    assert made.title == "延长开馆"
    assert board.listed(COHORT) == (made,)
    assert (made.step, made.scope, made.contact) == ("library", {"college": ("资源学院",)}, "027-1")
    assert (made.title_en, made.body_en) == ("Longer hours", "Open at weekends, too.")
    assert (made.opens, made.closes, made.at) == (MORNING + HOUR, MORNING + 2 * HOUR, MORNING)


def test_it_is_active_from_its_first_moment_until_before_its_last(board: Announcements) -> None:
    opens, closes = MORNING + HOUR, MORNING + 2 * HOUR
    made = board.announce("一", "", author="admin", now=MORNING, opens=opens, closes=closes)
    moment = timedelta(microseconds=1)
    for at, stands in ((opens - moment, False), (opens, True), (closes - moment, True), (closes, False)):
        assert bool(board.effective(COHORT, at)) is stands
        assert made.is_active(at) is stands


def test_one_without_an_end_stays(board: Announcements) -> None:
    board.announce("一", "", author="admin", now=MORNING)
    assert board.effective(COHORT, MORNING + timedelta(days=400))


def test_another_cohorts_is_not_shown_and_one_to_every_cohort_is(board: Announcements) -> None:
    for title, cohort in (("全部", None), ("本届", COHORT), ("下届", "2020")):
        board.announce(title, "", author="admin", now=MORNING, cohort=cohort)
    assert [one.title for one in board.effective(COHORT, MORNING)] == ["本届", "全部"]
    assert [one.title for one in board.listed(COHORT)] == ["本届", "全部"]
    assert [one.title for one in board.listed("2020")] == ["下届", "全部"]


def test_withdrawn_it_is_shown_no_more_and_is_listed_still(board: Announcements) -> None:
    made = board.announce("一", "", author="admin", now=MORNING)
    taken = board.withdraw(made.announcement, author="boss", now=MORNING + HOUR)
    assert (taken.withdrawn_by, taken.withdrawn_at) == ("boss", MORNING + HOUR)
    assert board.effective(COHORT, MORNING + 2 * HOUR) == ()
    assert board.listed(COHORT) == (taken,)
    assert not taken.is_active(MORNING + 2 * HOUR)


@pytest.mark.parametrize("twice", [True, False])
def test_what_is_not_there_or_is_down_already_is_not_withdrawn(board: Announcements, twice: bool) -> None:
    number = board.announce("一", "", author="admin", now=MORNING).announcement if twice else 99
    if twice:
        board.withdraw(number, author="admin", now=MORNING)
    with pytest.raises(AnnouncementRefused, match="Check the list again"):
        board.withdraw(number, author="admin", now=MORNING)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"title": "  "}, "needs a title"),
        ({"title": "长" * 201}, "shorter"),
        ({"body": "长" * 4001}, "shorter"),
        ({"closes": MORNING}, "before it begins"),
        ({"scope": {"shoes": ("42",)}}, "Use one of"),
        ({"scope": {"college": ()}}, "lists no values"),
    ],
)
def test_nonsense_is_refused_with_the_fix(sqlite_world: World, wrong: dict[str, object], says: str) -> None:
    board = Announcements(sqlite_world.desk)
    values: dict[str, object] = {"title": "一", "body": "", "author": "admin", "now": MORNING, **wrong}
    with pytest.raises(AnnouncementRefused, match=says):
        board.announce(**values)  # type: ignore[arg-type]  # one of them is wrong on purpose
    assert board.listed(COHORT) == ()
