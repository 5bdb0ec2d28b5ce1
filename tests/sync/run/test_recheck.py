"""An answer about one student writes nothing about anybody else."""

from status_db.model import ROSTER, RunState, Verdict
from status_db.store.engine import reading
from sync.verify.report import verify
from tests.cast import LIN, QIAN
from tests.world import COHORT, World


def sound(world: World) -> bool:
    """Return whether everything stored agrees with the ledger and the rule."""
    with reading(world.engine) as connection:
        seals = world.ledger.seals(connection)
        return verify(connection, world.settings, COHORT, seals, world.now).sound


def test_a_number_that_two_students_have_is_in_doubt_for_both_with_the_next_full_answer(world: World) -> None:
    listed = world.says[ROSTER]
    world.says[ROSTER] = [row | {"一卡通": QIAN.number} if row["学号"] == LIN.number else row for row in listed]
    world.run_all()
    world.later(minutes=1)
    world.says["loans"] = [{"CARD": QIAN.number, "TITLE": "唐诗选", "DUE": "2019-06-01", "BARCODE": "B1"}]
    outcome = world.sync.recheck("loans", QIAN.number, by=QIAN.number)
    assert outcome.state is RunState.APPLIED
    assert outcome.counts.records == 1
    assert [world.verdict(one.number, "library") for one in (QIAN, LIN)] == [Verdict.UNKNOWN, Verdict.CLEARED]
    assert sound(world)
    world.later(minutes=1)
    world.run("loans")
    assert [world.verdict(one.number, "library") for one in (QIAN, LIN)] == [Verdict.UNKNOWN, Verdict.UNKNOWN]
    assert sound(world)
