"""Whom a source's keys mean: what is near is listed for a person, and nobody is held or cleared by it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from status_db.model import Verdict
from tests.cast import LIN, QIAN, SUN, ZHAO, ZHOU
from tests.world import COHORT, SETTINGS, World

NAMED = SETTINGS.replace('due = "DUE", reference', 'due = "DUE", name = "NAME", reference')


@pytest.fixture
def world(status_url: str, tmp_path: Path) -> Iterator[World]:
    """The cast's university, whose library tells readers' names."""
    with World(status_url, tmp_path, NAMED) as made:
        yield made


def near(world: World, *rows: tuple[str, str]) -> dict[str, tuple[str, str]]:
    """Run the loans of these cards and names; return who is listed as whom, and why."""
    world.says["loans"] = [
        {"CARD": card, "TITLE": "地质学", "DUE": "2019-06-01", "BARCODE": f"B{at}", "NAME": name}
        for at, (card, name) in enumerate(rows)
    ]
    world.run_all()
    return {s.key: (s.near, s.student) for s in world.reader.strangers(COHORT)}


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


def test_a_namesake_is_near_only_if_nothing_came_by_the_own_number(world: World) -> None:
    assert near(world, ("20989999", ZHAO.name)) == {"20989999": ("same_name", ZHAO.number)}
    assert near(world, ("20989999", ZHAO.name), (ZHAO.number, ZHAO.name)) == {"20989999": ("", "")}


def test_a_name_that_two_students_bear_is_near_nobody(world: World) -> None:
    world.says["roster"].append({**SUN.listed(), "学号": "20152999"})
    assert near(world, ("20989999", SUN.name)) == {"20989999": ("", "")}


def test_who_is_listed_and_stays_is_no_stranger(world: World) -> None:
    assert near(world, (ZHOU.number, ZHOU.name), ("20989999", "某人")) == {"20989999": ("", "")}
    run = world.reader.runs(COHORT, "loans", 1)[0]
    assert (run.counts["strangers"], run.counts["staying"]) == (1, 1)


def test_near_misses_come_first_in_the_list(world: World) -> None:
    assert next(iter(near(world, ("0001", "a"), ("2O151001", "b")))) == "2O151001"
