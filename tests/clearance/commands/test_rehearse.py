"""`clearance rehearse`: who is known, who is unknown and why; and that nobody is notified meanwhile."""

from collections.abc import Iterator

import pytest

from tests.services.small import OWES, Small
from tests.services.small import small as small_university


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Small]:
    with small_university(tmp_path_factory.mktemp("small")) as made:
        yield made


@pytest.fixture
def small(built: Small) -> Small:
    built.put_back()
    return built


REHEARSED = ('name = "2019届"\n', 'name = "2019届"\nrehearsal = true\n')


def test_the_report_counts_who_is_known_and_who_would_see_what(small: Small) -> None:
    small.change(*REHEARSED)
    found = small.json("rehearse")
    assert found["rehearsal"] is True
    library = next(each for each in found["steps"] if each["step"] == "library")
    assert (library["students"], library["known"], library["unknown"]) == (3, {"held": 1, "cleared": 2}, {})
    assert found["waiting_for_approval"] == []
    said = small.run("rehearse")
    assert "nobody is notified of them" in said
    assert "remove rehearsal from [[cohort]]" in said


def test_who_is_unknown_is_listed_with_the_reason(small: Small) -> None:
    small.change(*REHEARSED)
    small.fees([("学号", "欠费", "项目"), (OWES, "一千元", "学费"), ("2015-001x", "5", "学费")])
    small.ended("sync", "fees")
    found = small.json("rehearse", "--students", "5")
    finance = next(each for each in found["steps"] if each["step"] == "finance")
    assert sum(finance["unknown"].values()) >= 1
    assert OWES in {each["student"] for each in found["unknown"] if each["step"] == "finance"}
    assert "finance" in small.run("rehearse", "--students", "5")


def test_a_rehearsal_changes_no_mark_and_its_end_is_one_key(small: Small) -> None:
    small.change(*REHEARSED)
    before = small.json("status", OWES)["standings"]
    small.run("sync")
    small.change(REHEARSED[1], REHEARSED[0])
    small.run("sync")
    assert [each["step"]["finding"]["verdict"] if each["step"].get("finding") else None for each in before] == [
        each["step"]["finding"]["verdict"] if each["step"].get("finding") else None
        for each in small.json("status", OWES)["standings"]
    ]
    assert "is open to students" in small.run("rehearse")
