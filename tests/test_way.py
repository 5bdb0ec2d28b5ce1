"""One loan, from the library's table to the student's status, passes each stage once and few files."""

import pytest

from benchmarks.way import STAGES, Way, follow
from status_db.model import Verdict


@pytest.fixture(scope="module")
def way(tmp_path_factory: pytest.TempPathFactory) -> Way:
    """The way of one loan."""
    return follow(tmp_path_factory.mktemp("way"))


def test_a_loan_is_held_against_the_student(way: Way) -> None:
    assert way.verdict is Verdict.HELD


def test_a_loan_visits_each_stage_once_and_in_order(way: Way) -> None:
    assert way.visits == list(STAGES)


def test_a_loan_passes_at_most_sixteen_files(way: Way) -> None:
    assert len(way.files) <= 16, way.files


def test_a_loan_returns_to_one_file_for_the_plan_alone(way: Way) -> None:
    # Whom the office is asked about again follows from the changes; the plan is made of those that are left.
    assert way.returns == [("plan", "sync/rule/reconcile.py")]
