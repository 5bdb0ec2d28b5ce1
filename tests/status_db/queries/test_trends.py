"""Trends: what the flips say of each day agrees with what students' pages say of today."""

from collections import Counter
from datetime import date

from status_db.decisions.writer import DecisionRequest
from status_db.effective.visible import Visibility, everything
from status_db.model import CLEAR, Verdict
from status_db.queries.student import Reader
from status_db.queries.trends import Day, Span, Trend
from tests.cast import GEOLOGY_LOAN, LEAVING, LI, SUN, ZHAO, Person
from tests.world import COHORT, World

STEPS = ("library", "finance", "dorm", "college_items", "final_review")


def trend(world: World) -> Trend:
    return world.reader.trend(everything(world.settings, COHORT), world.now)


def clear(world: World, person: Person, *steps: str) -> None:
    for step in steps:
        world.decisions.enter(DecisionRequest(person.number, step, Verdict.CLEARED, "无借阅"), "college", world.now)


def review(world: World, person: Person) -> None:
    world.reviews.review(
        DecisionRequest(person.number, "final_review", Verdict.CLEARED, "通过"), "secretary", world.now
    )


def live(world: World) -> None:
    """Three days: loans and checkouts on the first, a student finished on each of the next two, one falls back."""
    world.says["loans"] = [GEOLOGY_LOAN]
    world.says["checkouts"] = [{"学号": p.number, "清退状态": "已清退", "房间": "1"} for p in (SUN, LI)]
    world.run_all()
    world.later(days=1)
    world.run_all()
    clear(world, SUN, "college_items")
    review(world, SUN)
    world.later(days=1)
    world.run_all()
    clear(world, LI, "college_items")
    review(world, LI)
    world.later(hours=1)
    world.says["loans"] = [GEOLOGY_LOAN, {**GEOLOGY_LOAN, "CARD": SUN.number, "BARCODE": "B7"}]
    world.run("loans")


def test_each_day_ends_with_as_many_clear_as_the_flips_of_that_day_left(world: World) -> None:
    live(world)
    found = trend(world)
    assert [day.day for day in found.days] == [date(2019, 5, 25), date(2019, 5, 26), date(2019, 5, 27)]
    assert [day.clear for day in found.days] == [0, 1, 1]
    assert [day.by_step["library"] for day in found.days] == [4, 4, 3]
    assert [day.by_step["college_items"] for day in found.days] == [0, 1, 2]
    assert found.students == len(LEAVING)
    assert found.with_step == dict.fromkeys(STEPS, len(LEAVING))


def test_today_is_what_the_students_pages_say_today(world: World) -> None:
    live(world)
    today = Counter(s.step for p in LEAVING for s in world.student(p.number).steps if s.at(world.now).verdict in CLEAR)
    last = trend(world).days[-1]
    # The review of who fell back has lapsed; a lapse is no flip.
    assert today["final_review"] == last.by_step["final_review"] - 1
    assert {s: n for s, n in last.by_step.items() if s != "final_review"} == {
        s: n for s, n in today.items() if s != "final_review"
    }


def test_a_day_is_the_institutions_and_begins_at_its_midnight(world: World) -> None:
    world.run_all()
    # 23:59 in Shanghai, then 00:01.
    world.now = world.now.replace(hour=15, minute=59)
    clear(world, SUN, "college_items")
    world.later(minutes=2)
    clear(world, ZHAO, "college_items")
    assert [day.by_step["college_items"] for day in trend(world).days] == [1, 2]


def test_days_to_clear_count_from_the_first_list_where_there_is_no_window(world: World) -> None:
    live(world)
    assert trend(world).spans == (
        Span("", 5, 1, (2, 2, 2)),
        Span("地球科学学院", 2, 0, None),
        Span("资源学院", 3, 1, (2, 2, 2)),
    )


def test_days_to_clear_count_from_the_windows_first_day_and_never_below_zero(world: World) -> None:
    live(world)
    windows = {"postgraduate": {"opens": "2019-05-26", "closes": "2019-06-20"}}
    cohort = world.settings.cohort[0].model_validate({"key": COHORT, "name": "x", "windows": windows})
    settings = world.settings.model_copy(update={"cohort": [cohort]})
    reader = Reader(world.reading, settings)
    assert reader.trend(everything(settings, COHORT), world.now).spans[0].quartiles == (1, 1, 1)
    windows["postgraduate"]["opens"] = "2019-06-10"
    cohort = cohort.model_validate({"key": COHORT, "name": "x", "windows": windows})
    reader = Reader(world.reading, settings.model_copy(update={"cohort": [cohort]}))
    assert reader.trend(everything(settings, COHORT), world.now).spans[0].quartiles == (0, 0, 0)


def test_only_what_may_be_read_is_reported(world: World) -> None:
    live(world)
    own = Visibility(COHORT, {"library": ({"college": ("资源学院",)},)})
    found = world.reader.trend(own, world.now)
    assert found.students == 3
    assert found.with_step == {"library": 3}
    # All that may be read is clear, that is all clear.
    assert [day.clear for day in found.days] == [3, 3, 2]
    assert [span.college for span in found.spans] == ["", "资源学院"]
    assert world.reader.trend(own, world.now, "地球科学学院").students == 0


def test_who_left_the_list_and_came_back_is_counted_again(world: World) -> None:
    live(world)
    listed = world.says["roster"]
    world.says["roster"] = [row for row in listed if row["学号"] != LI.number]
    world.run("roster")
    assert trend(world).days[-1].clear == 0
    world.says["roster"] = listed
    world.run("roster")
    assert trend(world).days[-1].by_step["dorm"] == world_counts(world, "dorm")


def world_counts(world: World, step: str) -> int:
    return sum(world.verdict(person.number, step) in CLEAR for person in LEAVING)


def test_before_there_is_a_list_there_is_nothing_to_tell(world: World) -> None:
    assert trend(world) == Trend(0, {}, (), ())
    world.run("roster")
    only = trend(world).days
    assert only == (Day(world.now.date(), 0, dict.fromkeys(STEPS, 0) | {"dorm": world_counts(world, "dorm")}),)
    world.later(days=2)
    assert len(trend(world).days) == 3


def test_zones_of_quarters_of_an_hour_have_their_own_midnight(world: World) -> None:
    zone = world.settings.institution.model_validate({"name": "x", "timezone": "Asia/Kathmandu"})
    settings = world.settings.model_copy(update={"institution": zone})
    world.run_all()
    # Midnight there is 18:15 UTC.
    world.now = world.now.replace(hour=18, minute=14)
    clear(world, SUN, "college_items")
    world.later(minutes=1)
    clear(world, ZHAO, "college_items")
    days = Reader(world.reading, settings).trend(everything(settings, COHORT), world.now).days
    assert [day.by_step["college_items"] for day in days] == [1, 2]
