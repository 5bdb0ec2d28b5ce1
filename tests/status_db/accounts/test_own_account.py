"""My account under the roles of a real PostgreSQL: the students' pages tell a student's own, and see nothing else."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from config.tables.portal import Auth
from status_db.accounts.accounts import Accounts, Act, Grant
from status_db.accounts.audit_log import Audit, AuditEvent
from status_db.accounts.own_account import OwnAccount
from status_db.desk.store import DeskStore
from status_db.inbox.pending_changes import AccountChange, ChangeKind, PendingChanges
from status_db.sign_in.one_time_codes import Codes
from status_db.store.roles import apply
from tests.four_roles import FourRoles
from tests.world import COHORT, World

STUDENT, OTHER = "2015150001", "2015150002"
LONG = timedelta(hours=12)


@pytest.fixture
def world(roles: FourRoles, postgres_url: str, tmp_path: Path) -> Iterator[World]:
    """Two administrators, a librarian and two students; the roles have their rights."""
    with World(postgres_url, tmp_path) as made:
        for name in ("first", "second"):
            made.accounts.add(name, name, "hash", grants=[Grant(Act.MANAGE)], now=made.now)
        made.accounts.add("librarian", "馆员", "hash", grants=[Grant(Act.DECIDE)], now=made.now)
        made.accounts.add_students([(STUDENT, "林"), (OTHER, "钱")], made.now)
        apply(made.url, roles.named, ("marks", "desk"))
        yield made


def test_the_students_role_reports_and_ends_what_is_a_students_own(world: World, roles: FourRoles) -> None:
    now, key = world.now, world.desk_key
    codes = Codes(world.desk, key)
    for student in (STUDENT, OTHER):
        codes.make(student, made_by="first", now=now, lasts=LONG)
    store = DeskStore(roles.engine(world.url, roles.named.students), None, key)
    pages, own = Accounts(store), OwnAccount(store)
    pages.set_password(STUDENT, "hash", now=now + LONG)
    Audit(store).note(AuditEvent.PASSWORD_SET, account=STUDENT, now=now + LONG)
    Audit(store).note(AuditEvent.PASSWORD_SET, account=OTHER, now=now + LONG)
    assert [(one.at, one.event) for one in own.events(STUDENT, now + LONG, staff=False)] == [
        (now + LONG, AuditEvent.PASSWORD_SET)
    ], "a password that is set ends the code"
    assert [one.event for one in own.events(OTHER, now + LONG, staff=False)] == [
        AuditEvent.PASSWORD_SET,
        AuditEvent.CODES_MADE,
    ]
    for token, student in ((b"a", STUDENT), (b"b", STUDENT), (b"c", OTHER)):
        pages.open_session(token * 32, student, now, longest=LONG)
        Audit(store).note(AuditEvent.SIGNED_IN, account=student, now=now, address=f"10.0.0.{token.decode()}")
    (one, _) = own.sessions(STUDENT, now, b"a" * 32, idle=LONG, longest=LONG)
    assert one.address == "10.0.0.a"
    assert own.end(STUDENT, b"a" * 32, (b"c" * 32).hex()[:16]) == 0, "it is another's"
    assert own.end(STUDENT, b"a" * 32) == 1
    assert pages.find_session(b"b" * 32, now, idle=LONG, longest=LONG) is None
    assert pages.find_session(b"c" * 32, now, idle=LONG, longest=LONG) is not None
    store.engine.dispose()


def test_the_desks_role_asks_confirms_and_reports(world: World, roles: FourRoles) -> None:
    engine = roles.engine(world.url, roles.named.desk)
    store = DeskStore(engine, world.settings.status_db.ledger_key_file)
    codes = Codes(store, world.desk_key)
    changes = PendingChanges(store, codes, Auth(), [COHORT])
    for kind in (ChangeKind.CODE, ChangeKind.RESET_FACTOR, ChangeKind.OPEN):
        assert changes.carry_out(AccountChange(kind, "librarian"), "first", world.now).waits
    for one in changes.waiting(world.now):
        changes.confirm(one.id, "librarian", "second", world.now)
    events = {one.event for one in OwnAccount(store).events("librarian", world.now, staff=True)}
    assert events == {AuditEvent.CODES_MADE, AuditEvent.ACCOUNT_CHANGED}
    engine.dispose()
