"""An honest season seldom waits for a person, at any pace; the full size is `python -m benchmarks.season_paces`."""

from pathlib import Path

import pytest

from benchmarks.season_paces import DAYS, PACES, Season, live
from tests import sizes


@pytest.mark.parametrize(
    ("pace", "days"), [("night", DAYS), ("1 h", DAYS if sizes.SOAK else 3), ("15 min", 3 if sizes.SOAK else 1)]
)
def test_nothing_waits_before_the_last_three_days_and_at_most_once_a_source_in_them(
    pace: str, days: int, tmp_path: Path
) -> None:
    counts = live(Season("daily", seed=7, students=600 if sizes.SOAK else 250), PACES[pace], tmp_path, days)
    assert counts.applied > days, "something must change each day"
    assert not counts.early, counts.why
    assert all(suspended <= 1 for suspended in counts.late.values()), counts.why
