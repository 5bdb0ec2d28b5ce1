"""Replaced keys: verify follows them, running processes read the new file or refuse with the fix, a loss stays seen."""

import shutil
from pathlib import Path

import pytest
from sqlalchemy import text

from clearance.keys import rotation
from clearance.services import Program
from portal.auth import totp
from status_db.accounts.audit_log import Audit, AuditEvent
from status_db.desk import rekey
from status_db.desk.key import DeskKey
from status_db.desk.seals import ACCOUNT
from status_db.desk.store import DeskStore
from status_db.ledger import checkpoint
from status_db.ledger import key as ledger_key
from status_db.ledger.chain import Ledger, newest_head
from status_db.ledger.key import LedgerRefused
from status_db.model import RunState
from tests.cast import GEOLOGY_LOANS, LIN, POETRY_LOAN, QIAN
from tests.status_db.ledger.test_chain import decided, links
from tests.world import COHORT, World


def program(world: World) -> Program:
    return Program(world.settings, COHORT, clock=world.clock)


def sound(world: World) -> bool:
    """Verify marks and desk as the command does."""
    one = program(world)
    try:
        marks, desk = one.verified({}), one.desk_verified({})
        assert marks.sound, marks.disagreements
        assert desk.sound, desk.disagreements
        return bool(marks.looked_at["links"])
    finally:
        one.close()


def filled(world: World) -> Path:
    """Sync, decide, suspend a run and open an account; return the key's file."""
    world.says["loans"] = [*GEOLOGY_LOANS, POETRY_LOAN]
    world.run_all()
    decided(world, LIN.number)
    world.accounts.add("librarian", "图书馆", None, now=world.now)
    world.says["loans"] = []
    assert world.run("loans").state is RunState.SUSPENDED
    return world.settings.status_db.ledger_key_file


def rotated(world: World) -> rotation.KeyRotation:
    one = program(world)
    try:
        return rotation.rotate_ledger_key(one, "admin")
    finally:
        one.close()


def test_the_ledger_names_the_new_key_and_everything_still_verifies(world: World) -> None:
    file = filled(world)
    before, old = len(links(world)), file.read_text(encoding="ascii")
    done = rotated(world)
    assert [kind for _, kind in links(world)[before:]] == ["key", "rekeyed"]
    assert file.read_text(encoding="ascii") != old
    assert done.former is not None
    assert done.former.read_text(encoding="ascii") == old
    assert sound(world)
    rotated(world)
    assert sound(world)


def test_a_running_process_reads_the_new_key_and_an_old_suspension_can_be_approved(world: World) -> None:
    filled(world)
    rotated(world)
    decided(world, QIAN.number)
    (waiting,) = [run for run, state in runs(world) if state == "suspended"]
    assert world.sync.approve(waiting, "loans", by="admin").state is RunState.APPLIED
    assert world.accounts.find("librarian") is not None
    assert sound(world)


def runs(world: World) -> list[tuple[int, str]]:
    with world.engine.connect() as connection:
        return [(row.run, row.state) for row in connection.execute(text("SELECT run, state FROM run"))]


def test_a_process_with_its_own_copy_of_the_old_key_refuses_and_names_the_fix(
    sqlite_world: World, tmp_path: Path
) -> None:
    file = filled(sqlite_world)
    copy = tmp_path / "copy.key"
    shutil.copy(file, copy)
    own = Ledger(copy, COHORT)
    own.open(sqlite_world.engine, sqlite_world.now)
    rotated(sqlite_world)
    sqlite_world.writer._ledger = own
    with pytest.raises(LedgerRefused, match="Copy the new key file here"):
        decided(sqlite_world, QIAN.number)
    shutil.copy(file, copy)
    decided(sqlite_world, QIAN.number)
    assert sound(sqlite_world)


def test_an_interrupted_rotation_is_finished_by_the_next_one(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    file = filled(world)
    with monkeypatch.context() as patch:

        def crash(*_: object) -> None:
            raise KeyboardInterrupt

        patch.setattr(rekey, "change_ledger_key", crash)
        with pytest.raises(KeyboardInterrupt):
            rotated(world)
    waiting = ledger_key.next_file(file).read_text(encoding="ascii")
    with pytest.raises(LedgerRefused, match="was interrupted, run it again"):
        decided(world, QIAN.number)
    rotated(world)
    assert file.read_text(encoding="ascii") == waiting
    assert not ledger_key.next_file(file).exists()
    assert [kind for _, kind in links(world)].count("key") == 1
    assert sound(world)


def test_without_the_key_of_before_verify_fails(sqlite_world: World) -> None:
    filled(sqlite_world)
    former = rotated(sqlite_world).former
    assert former is not None
    former.rename(former.with_name("elsewhere"))
    one = program(sqlite_world)
    assert [found.table for found in one.verified({}).disagreements] == ["ledger"]
    assert not one.desk_verified({}).sound
    one.close()


def test_a_link_from_before_that_was_altered_is_found(sqlite_world: World) -> None:
    filled(sqlite_world)
    rotated(sqlite_world)
    with sqlite_world.engine.begin() as connection:
        connection.execute(text("UPDATE ledger SET at = '2001-01-01T00:00:00.000000+00:00' WHERE link = 3"))
    one = program(sqlite_world)
    assert not one.verified({}).sound
    one.close()


@pytest.mark.parametrize("change", ["UPDATE record SET reason = 'x'", "DELETE FROM decision"])
def test_altered_rows_are_not_sealed_again(sqlite_world: World, change: str) -> None:
    file = filled(sqlite_world)
    old = file.read_text(encoding="ascii")
    with sqlite_world.engine.begin() as connection:
        connection.execute(text(change))
    with pytest.raises(LedgerRefused, match="would hide that"):
        rotated(sqlite_world)
    assert file.read_text(encoding="ascii") == old
    seals = ledger_key.read(file)
    assert seals is not None
    with sqlite_world.engine.begin() as connection:
        head = newest_head(connection, COHORT)
        assert head is not None
        with pytest.raises(LedgerRefused, match="would hide that"):
            checkpoint.change_key(connection, seals, seals, COHORT, head, sqlite_world.now)


def test_after_a_lost_key_a_second_person_approves_a_new_beginning_that_stays_visible(world: World) -> None:
    file = filled(world)
    one = program(world)
    with pytest.raises(LedgerRefused, match="is here, so it is not lost"):
        rotation.begin_again(one, "admin", "dean")
    file.unlink()
    with pytest.raises(LedgerRefused, match="a second person approves it"):
        rotation.begin_again(one, "admin", "admin")
    assert not file.exists()
    rotation.begin_again(one, "admin", "dean")
    assert [kind for _, kind in links(world)][-1] == "beginning"
    for notes in (one.verified({}).notes, one.desk_verified({}).notes):
        assert any("a key was lost: dean approved a new beginning" in note for note in notes)
    one.close()
    assert sound(world)
    decided(world, QIAN.number)
    rotated(world)
    assert sound(world)


def test_flips_from_before_a_new_beginning_are_covered_by_it(sqlite_world: World) -> None:
    file = filled(sqlite_world)
    file.unlink()
    one = program(sqlite_world)
    rotation.begin_again(one, "admin", "dean")
    with sqlite_world.engine.begin() as connection:
        connection.execute(text("UPDATE flip SET reason = 'x' WHERE flip = 1"))
    assert not one.verified({}).sound
    one.close()


def test_a_new_desk_key_keeps_second_factors_and_removes_what_is_hashed(world: World) -> None:
    filled(world)
    one = program(world)
    key = DeskKey(world.settings.portal.key_file)
    secret = totp.new_secret()
    sealed = totp.seal(key, "librarian", secret, world.now)
    pages = DeskStore(world.desk_engine, key=key)
    Audit(pages).note(AuditEvent.SIGNED_IN, account="20151000001", now=world.now)
    entry_values = {"sealed": sealed, "identity": b"hash"}
    with world.desk.writing() as entry, entry.changing(ACCOUNT):
        entry.connection.execute(text("UPDATE account SET second_factor = :sealed, identity = :identity"), entry_values)
    done = rotation.rotate_desk_key(one, "admin")
    assert done.counts["second_factor"] == done.counts["identity"] == 1
    with world.desk_engine.connect() as connection:
        row = connection.execute(text("SELECT second_factor, identity FROM account")).one()
    assert totp.unseal(DeskKey(world.settings.portal.key_file), "librarian", row.second_factor) == secret
    assert row.identity is None
    Audit(pages).note(AuditEvent.SIGNED_OUT, account="20151000001", now=world.now)
    one.close()
    assert sound(world)
