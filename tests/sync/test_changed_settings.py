"""Settings that decide what an answer means have changed: everybody is found anew, by a run that is guarded."""

from pathlib import Path

import pytest

from status_db.model import RunState, Verdict
from tests.cast import LIN, QIAN, SUN, ZHAO
from tests.sync.test_verify import verified
from tests.world import SETTINGS, World

EXEMPT = 'exempt = [{ building = ["校外走读"] }]'


@pytest.fixture
def before(status_url: str, tmp_path: Path) -> str:
    """A world that has been synced under the settings of before; return where its marks are."""
    with World(status_url, tmp_path) as world:
        world.says["checkouts"] = [{"学号": LIN.number, "清退状态": "未清退", "房间": "412"}]
        world.run_all()
    return status_url


def after(url: str, folder: Path, settings: str) -> World:
    world = World(url, folder, settings)
    world.says["checkouts"] = [{"学号": LIN.number, "清退状态": "未清退", "房间": "412"}]
    world.later(hours=1)
    return world


def approved(world: World, name: str) -> RunState:
    """Run a source whose question has changed, and approve what waits: no setting waives that."""
    outcome = world.run(name)
    assert outcome.state is RunState.SUSPENDED
    assert outcome.run is not None
    return world.sync.approve(outcome.run, name, by="admin").state


def test_who_is_let_off_by_other_conditions_is_found_anew(before: str, tmp_path: Path) -> None:
    with after(before, tmp_path, SETTINGS.replace(EXEMPT, 'exempt = [{ campus = ["未来城"] }]')) as world:
        assert approved(world, "checkouts") is RunState.APPLIED
        found = {p.number: world.verdict(p.number, "dorm") for p in (LIN, ZHAO, QIAN, SUN)}
        assert found == {
            LIN.number: Verdict.HELD,
            ZHAO.number: Verdict.UNKNOWN,
            QIAN.number: Verdict.EXEMPT,
            SUN.number: Verdict.EXEMPT,
        }
        assert verified(world).sound
        assert world.run("checkouts").state is RunState.UNCHANGED


def test_another_meaning_of_no_row_is_found_for_those_who_have_none(before: str, tmp_path: Path) -> None:
    changed = SETTINGS.replace('columns = { student = "XH"', 'absent = "unknown"\ncolumns = { student = "XH"')
    with after(before, tmp_path, changed) as world:
        assert approved(world, "fees") is RunState.APPLIED
        assert world.verdict(LIN.number, "finance") is Verdict.UNKNOWN
        assert verified(world).sound


def test_it_waits_for_a_person_also_where_first_answers_do_not(before: str, tmp_path: Path) -> None:
    changed = SETTINGS.replace(EXEMPT, 'exempt = [{ campus = ["未来城"] }]')
    with after(before, tmp_path, changed) as world:
        outcome = world.run("checkouts")
        assert outcome.state is RunState.SUSPENDED
        assert "the settings of checkouts have changed, and with them" in outcome.message
        assert world.verdict(QIAN.number, "dorm") is Verdict.UNKNOWN
