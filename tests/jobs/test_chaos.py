"""A small run with faults: every promise is kept. `make soak-cluster` does the large one."""

from pathlib import Path

import pytest

from tests.jobs import chaos
from tests.jobs.sizes import Sizes
from tests.services.cluster import skip_unless_installed

pytestmark = pytest.mark.slow

SMALL = Sizes(
    institutions=2, sources=2, schedules=2, workers=2, portals=1, desks=1, minutes=0.3, seed=7, every=30
)  # fmt: skip


def test_nothing_acknowledged_is_lost_and_no_slot_is_left_out(tmp_path: Path) -> None:
    skip_unless_installed()
    journal, wrong, runs = chaos.run(SMALL, tmp_path / "institutions")
    assert not wrong, "\n".join(wrong)
    # Without faults, decisions and runs it would prove nothing.
    assert {name.partition(" ")[0] for name in journal.faults} == {"killed", "suspended", "connections", "server"}
    assert runs["applied"]
    by_whom = {note[0] for notes in journal.decided.values() for note in notes}
    assert by_whom == {"n", "p"}, "by the command, and on a page"
    assert any(journal.rechecks.values())
