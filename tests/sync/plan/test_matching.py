"""Whom a source's keys mean: what is near is listed for a person, and no one is held or cleared by it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from status_db.model import ROSTER, RunState, Verdict
from sync.rule.answer import shown_students
from tests.cast import LI, LIN, QIAN, SUN, ZHAO, ZHOU
from tests.world import COHORT, SETTINGS, World

NAMED = SETTINGS.replace('due = "DUE", reference', 'due = "DUE", name = "NAME", reference')


@pytest.fixture
def world(status_url: str, tmp_path: Path) -> Iterator[World]:
    """The cast's university, whose library sends readers' names."""
    with World(status_url, tmp_path, NAMED) as made:
        yield made


def near(world: World, *rows: tuple[str, str]) -> dict[str, tuple[str, str]]:
    """Run the loans of these cards and names, not as the first answer; return who is listed as whom, and why."""
    if not world.reader.runs(COHORT, "loans", 1):
        # A first answer that is about nobody is refused, as its keys are wrong.
        world.run(ROSTER)
        world.run("loans")
    world.says["loans"] = [
        {"CARD": card, "TITLE": "地质学", "DUE": "2019-06-01", "BARCODE": f"B{at}", "NAME": name}
        for at, (card, name) in enumerate(rows)
    ]
    world.run_all()
    return {s.key: (s.near, s.student) for s in world.reader.unmatched_keys(COHORT)}


@pytest.mark.parametrize(
    ("card", "whom"),
    [
        ("2O151001", LIN.number),
        ("20I51001", LIN.number),
        ("2015100", ""),
        ("2015100l", LIN.number),
        ("201510011", LIN.number),
        ("2015203", QIAN.number),
        ("20151009", ""),
        ("S-77", ""),
    ],
)
def test_a_letter_for_a_digit_or_a_character_too_many_or_too_few_is_near(world: World, card: str, whom: str) -> None:
    assert near(world, (card, "某人"))[card.upper()] == (("one_character", whom) if whom else ("", ""))
    assert world.verdict(LIN.number, "library") is Verdict.CLEARED


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        (f"0{LIN.number}", "leading_zero"),
        (f"000{LIN.number}", "leading_zero"),
        (f"S{LIN.number}", "letter_added"),
        (f"{LIN.number}A", "letter_added"),
        (f"读者 S{LIN.number}", "letter_added"),
    ],
)
def test_a_zero_or_a_letter_too_many_leaves_the_owner_unknown(world: World, key: str, hint: str) -> None:
    assert near(world, (key, "某人"), (SUN.number, "某人"))[key] == (hint, LIN.number)
    assert world.verdict(LIN.number, "library") is Verdict.UNKNOWN
    assert world.verdict(SUN.number, "library") is Verdict.HELD
    assert near(world, (LIN.number, "某人"), (SUN.number, "某人")) == {}
    assert world.verdict(LIN.number, "library") is Verdict.HELD


@pytest.mark.parametrize("key", [f"0000{LIN.number}", f"AB{LIN.number}", f"{LIN.number}99"])
def test_what_has_more_around_it_is_no_ones(world: World, key: str) -> None:
    assert near(world, (key, "某人"), (SUN.number, "某人")) == {key: ("", "")}
    assert world.verdict(LIN.number, "library") is Verdict.CLEARED


@pytest.mark.parametrize(("key", "alike"), [(f"S{LIN.number}", "B20139999"), (f"0{LIN.number}", "020139999")])
def test_where_others_on_the_roster_have_such_numbers_it_is_a_hint_alone(world: World, key: str, alike: str) -> None:
    world.says["roster"].append({**ZHOU.listed(), "学号": alike, "姓名": "留校生"})
    assert near(world, (key, "某人"), (SUN.number, "某人"))[key][1] == LIN.number
    assert world.verdict(LIN.number, "library") is Verdict.CLEARED


def test_all_students_that_a_key_may_mean_are_named(world: World) -> None:
    key = f"{LIN.number}、S{SUN.number}"
    assert near(world, (key, "某人")) == {key: ("number_within", ", ".join(sorted((LIN.number, SUN.number))))}
    assert {world.verdict(p.number, "library") for p in (LIN, SUN)} == {Verdict.UNKNOWN}


def test_where_there_is_no_room_for_all_they_are_counted() -> None:
    many = [f"20151500{at:02}" for at in range(30)]
    assert shown_students(many[:2]) == "2015150000, 2015150001"
    assert shown_students(many) == "2015150000, 2015150001, 2015150002, 2015150003, 2015150004 (+25)"
    assert shown_students(["x" * 64, "y" * 64]) == "x" * 64


def test_a_namesake_is_near_only_if_nothing_came_by_the_own_number(world: World) -> None:
    assert near(world, ("20989999", ZHAO.name)) == {"20989999": ("same_name", ZHAO.number)}
    assert near(world, ("20989999", ZHAO.name), (ZHAO.number, ZHAO.name)) == {"20989999": ("", "")}


def test_a_name_that_two_students_bear_is_near_no_one(world: World) -> None:
    world.says["roster"].append({**SUN.listed(), "学号": "20152999"})
    assert near(world, ("20989999", SUN.name)) == {"20989999": ("", "")}


def test_who_is_listed_and_stays_is_matched(world: World) -> None:
    assert near(world, (ZHOU.number, ZHOU.name), ("20989999", "某人")) == {"20989999": ("", "")}
    run = world.reader.runs(COHORT, "loans", 1)[0]
    assert (run.counts.unmatched_keys, run.counts.staying) == (1, 1)


def test_near_misses_come_first_in_the_list(world: World) -> None:
    assert next(iter(near(world, ("0001", "a"), ("2O151001", "b")))) == "2O151001"


def test_a_key_with_words_or_punctuation_around_a_number_makes_its_student_unknown(world: World) -> None:
    world.says["roster"].append({**SUN.listed(), "学号": "研-77", "姓名": "周七", "一卡通": "K/9"})
    listed = near(
        world,
        (f"{LIN.number} 林", "某人"),
        (f"{QIAN.number[:4]}-{QIAN.number[4:]}", "某人"),
        ("20152004（资源学院）", "某人"),
        ("K9", "某人"),
        ("读者 1201610005 / 20151002", "某人"),
        ("98765432 张", "某人"),
        (f"{ZHOU.number} 周", "某人"),
    )
    assert {key: why for key, (why, _) in listed.items()} == {
        f"{LIN.number} 林": "number_within",
        "2015-2003": "punctuation",
        "20152004(资源学院)": "number_within",
        "K9": "punctuation",
        "读者 1201610005 / 20151002": "number_within",
        "98765432 张": "",
        f"{ZHOU.number} 周": "",
    }
    unknown = {LIN.number, QIAN.number, SUN.number, "研-77", LI.number, ZHAO.number}
    people = [row["学号"] for row in world.says["roster"] if row["学号"] != ZHOU.number]
    assert {n for n in people if world.verdict(n, "library") is Verdict.UNKNOWN} == unknown


def test_an_alias_with_words_around_it_is_its_owners_too(world: World) -> None:
    assert near(world, ("卡 C-1001", "某人"), (f"原 {QIAN.former}", "某人")) == {
        "卡 C-1001": ("number_within", LIN.number),
        f"原 {QIAN.former}": ("number_within", QIAN.number),
    }
    assert world.verdict(LIN.number, "library") is Verdict.UNKNOWN
    assert world.verdict(QIAN.number, "library") is Verdict.UNKNOWN


@pytest.mark.parametrize("turn", [1, -1])
def test_a_number_that_is_anothers_card_is_doubtful_for_both_whatever_is_stored(world: World, turn: int) -> None:
    world.says["roster"] = [{**p.listed(), "一卡通": LIN.number if p is SUN else ""} for p in (LIN, SUN, ZHAO)]
    both = ("ambiguous", f"{LIN.number}, {SUN.number}")
    for loans in ([(LIN.number, "a")], [(LIN.number, "a"), (ZHAO.number, "b")], [(LIN.number, "a"), (SUN.number, "c")]):
        assert near(world, *loans[::turn])[LIN.number] == both
        assert world.verdict(LIN.number, "library") is Verdict.UNKNOWN
    assert world.verdict(SUN.number, "library") is Verdict.HELD
    assert near(world, (LIN.number, "a"), (ZHAO.number, "b"))[LIN.number] == (
        "ambiguous",
        f"{LIN.number}, {SUN.number}",
    )
    assert world.verdict(SUN.number, "library") is Verdict.UNKNOWN


def test_a_source_that_sends_students_numbers_only_has_no_card_in_it(status_url: str, tmp_path: Path) -> None:
    own = NAMED.replace('obligation = "loan"', 'obligation = "loan"\nkeys = "student"')
    with World(status_url, tmp_path, own) as world:
        world.says["roster"] = [{**p.listed(), "一卡通": LIN.number if p is SUN else p.card} for p in (LIN, SUN, QIAN)]
        assert near(world, (LIN.number, "a"), (QIAN.former, "b"), (f"卡 {QIAN.former}", "c")) == {
            QIAN.former: ("other_number", QIAN.number),
            f"卡 {QIAN.former}": ("", ""),
        }
        assert world.verdict(LIN.number, "library") is Verdict.HELD
        assert world.verdict(SUN.number, "library") is Verdict.CLEARED
        assert world.verdict(QIAN.number, "library") is Verdict.CLEARED


def test_a_card_in_a_population_that_is_anothers_number_shows_neither_as_known(world: World) -> None:
    world.says["roster"] = [{**p.listed(), "一卡通": LIN.number if p is SUN else ""} for p in (LIN, SUN, ZHAO)]
    world.population["loans"] = [LIN.number, ZHAO.number]
    world.run_all()
    assert [world.verdict(p.number, "library") for p in (LIN, SUN, ZHAO)] == [
        Verdict.UNKNOWN,
        Verdict.UNKNOWN,
        Verdict.CLEARED,
    ]


def test_a_recheck_sees_the_rows_that_may_be_the_students_as_a_full_run_does(world: World) -> None:
    near(world, (f"{LIN.number} 林", "某人"))
    world.later(minutes=5)
    assert world.sync.recheck("loans", LIN.number, by="test").state is RunState.UNCHANGED
    assert world.verdict(LIN.number, "library") is Verdict.UNKNOWN
