"""A student number corrected in the season: everything goes on under the new one, and the ledger agrees."""

import pytest
from typer.testing import CliRunner

from clearance.main import app
from status_db.accounts.audit_log import Audit
from status_db.decisions.writer import DecisionRequest
from status_db.inbox.appeals import Appeals
from status_db.ledger import key as ledger_key
from status_db.marks.renumber import Renumbering, RenumberRefused
from status_db.model import ROSTER, Verdict
from status_db.store.engine import reading
from sync.verify.report import VerifyReport, verify
from tests.cast import GEOLOGY_LOAN, LIN, QIAN, SUN, ZHAO
from tests.portal.conftest import lin_objects
from tests.world import COHORT, World

NEW = "2015159999"


def verified(world: World) -> VerifyReport:
    seals = ledger_key.read(world.settings.status_db.ledger_key_file)
    assert seals is not None
    with reading(world.reading) as connection:
        return verify(connection, world.settings, COHORT, seals, world.now, {})


def renumbering(world: World) -> Renumbering:
    return Renumbering(world.engine, world.desk_engine, COHORT, world.ledger)


def listed_as(world: World, old: str, new: str) -> None:
    """Have the registrar write another number."""
    world.says[ROSTER] = [{**row, "学号": new if row["学号"] == old else row["学号"]} for row in world.says[ROSTER]]


@pytest.fixture
def lived(world: World) -> World:
    """Lin owes a book, her fees are let go by a decision, and she disagrees about the book."""
    world.says["loans"] = [GEOLOGY_LOAN]
    world.says["fees"] = [{"XH": LIN.number, "QFJE": "100.00", "XM": "学费"}]
    world.run_all()
    world.later(minutes=1)
    world.decisions.enter(DecisionRequest(LIN.number, "finance", Verdict.CLEARED, "缓交批准"), "bursar", world.now)
    world.accounts.add(LIN.number, LIN.name, None, student=LIN.number, now=world.now)
    lin_objects(world)
    world.later(minutes=1)
    return world


def test_everything_goes_on_under_the_new_number_and_the_ledger_agrees(lived: World) -> None:
    before = lived.student(LIN.number)
    done = renumbering(lived).renumber(LIN.number, NEW, lived.now)
    assert (done.decisions, done.certificates) == (1, 0)
    assert lived.reader.student(COHORT, LIN.number, lived.now) is None
    after = lived.student(NEW)
    assert [s.at(lived.now).verdict for s in after.steps] == [s.at(lived.now).verdict for s in before.steps]
    assert lived.verdict(NEW, "finance") is Verdict.CLEARED
    # The history of before is still there.
    assert {f.student for f in after.flips} == {LIN.number, NEW}
    assert set(before.flips) <= set(after.flips)
    account = lived.accounts.find(LIN.number)
    assert account is not None
    assert account.student == NEW
    raised = Appeals(lived.desk).of_student(COHORT, NEW)
    assert [one.text for one in raised] == ["书上周就还了。"]
    assert verified(lived).sound, verified(lived).disagreements


def test_offices_may_go_on_with_the_old_number_and_the_registrar_too(lived: World) -> None:
    renumbering(lived).renumber(LIN.number, NEW, lived.now)
    lived.run_all()
    assert lived.verdict(NEW, "library") is Verdict.HELD
    assert lived.reader.student(COHORT, LIN.number, lived.now) is None
    # The registrar follows: nobody leaves and nobody joins, and the old number is still known.
    listed_as(lived, LIN.number, NEW)
    outcome = lived.run(ROSTER)
    assert not outcome.counts.left
    assert not outcome.counts.joined
    for name in lived.settings.source:
        lived.run(name)
    assert lived.verdict(NEW, "library") is Verdict.HELD
    assert lived.verdict(NEW, "finance") is Verdict.CLEARED
    assert verified(lived).sound, verified(lived).disagreements


def test_a_number_that_the_registrar_corrected_first_is_joined_with_the_old_one(lived: World) -> None:
    listed_as(lived, LIN.number, NEW)
    lived.run_all()
    assert lived.verdict(NEW, "finance") is Verdict.UNKNOWN or lived.verdict(NEW, "finance") is Verdict.CLEARED
    renumbering(lived).renumber(LIN.number, NEW, lived.now)
    assert verified(lived).sound, verified(lived).disagreements
    for name in lived.settings.source:
        lived.run(name)
    assert lived.verdict(NEW, "finance") is Verdict.CLEARED
    assert lived.verdict(NEW, "library") is Verdict.HELD
    assert verified(lived).sound, verified(lived).disagreements


def test_two_students_are_not_made_one(lived: World) -> None:
    with pytest.raises(RenumberRefused, match="are both on the roster"):
        renumbering(lived).renumber(LIN.number, SUN.number, lived.now)
    with pytest.raises(RenumberRefused, match="is not on the roster"):
        renumbering(lived).renumber("2015000000", NEW, lived.now)
    with pytest.raises(RenumberRefused, match="are the same"):
        renumbering(lived).renumber(LIN.number, f" {LIN.number} ", lived.now)
    assert verified(lived).sound


def test_decisions_on_both_numbers_are_left_to_a_person(lived: World) -> None:
    listed_as(lived, LIN.number, NEW)
    lived.run_all()
    lived.decisions.enter(DecisionRequest(NEW, "finance", Verdict.CLEARED, "缓交批准"), "bursar", lived.now)
    with pytest.raises(RenumberRefused, match="has decisions of its own"):
        renumbering(lived).renumber(LIN.number, NEW, lived.now)


def test_an_altered_decision_is_not_sealed_over(lived: World) -> None:
    with lived.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE decision SET reason = 'altered'")
    renumbering(lived).renumber(LIN.number, NEW, lived.now)
    assert not verified(lived).sound


def test_the_command_states_what_went_over_and_can_be_run_again(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    sqlite_world.run_all()
    monkeypatch.setenv("STATUS_URL", sqlite_world.url)
    words = ["--config", str(sqlite_world.file), "roster", "renumber", ZHAO.number, NEW, "--as", "registrar"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    assert f"{ZHAO.number} is now {NEW}" in " ".join(done.output.split())
    again = CliRunner().invoke(app, words)
    assert "already" in again.output
    line = Audit(sqlite_world.desk).newest()[0]
    assert line.event == "renumbered"
    assert line.detail["old"] == ZHAO.number
    assert QIAN.number in CliRunner().invoke(app, ["--config", str(sqlite_world.file), "status", QIAN.number]).output
