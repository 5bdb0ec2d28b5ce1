"""Who may speak is sealed: writing to the desk's database alone gives no one a say, and every change there is found."""

import random
import string
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    DateTime,
    Integer,
    LargeBinary,
    Table,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import BigInteger

from config.tables.portal import Auth
from status_db import tables
from status_db.accounts.accounts import AccountRefused, Accounts, Act, Grant
from status_db.accounts.addresses import Addresses
from status_db.accounts.api_tokens import Tokens, hash_of
from status_db.accounts.audit_log import Audit, AuditEvent
from status_db.desk.audit_chain import RowAltered
from status_db.desk.retention import RetentionRunner
from status_db.desk.seals import NOT_SEALED, SEALED
from status_db.desk.store import DeskStore
from status_db.inbox.announcements import Announcements
from status_db.inbox.appeal_rows import AppealOutcome
from status_db.inbox.appeals import Appeals
from status_db.inbox.pauses import Pauses
from status_db.inbox.pending_changes import AccountChange, ChangeKind, PendingChanges
from status_db.inbox.requests import Requests
from status_db.inbox.uploads import UploadKind, Uploads
from status_db.ledger.key import LedgerRefused
from status_db.ledger.seals import Seals
from status_db.model import VoteKind
from status_db.sign_in.one_time_codes import CodeKind, Codes
from status_db.sign_in.passkeys import Passkeys
from status_db.sign_in.recovery_codes import RecoveryCodes
from status_db.sign_in.second_factor import SecondFactors
from status_db.store.engine import StoreError, reading, writing
from status_db.store.turns import DESK
from sync.verify.desk import DeskReport, verify_desk
from tests import sizes
from tests.status_db.inbox.test_appeals import SEEN
from tests.world import COHORT, World

LONG = timedelta(hours=12)
TOKEN = b"t" * 32


@pytest.fixture
def world(world: World) -> World:
    """A desk at work: each sealed table has rows, and the audit log lines of both chains."""
    at_work(world)
    return world


def pages_store(world: World) -> DeskStore:
    """Return the store of a process that serves students alone."""
    return DeskStore(world.desk_engine, key=world.desk_key)


def at_work(world: World) -> None:
    """Have staff and students do one of everything."""
    now, desk = world.now, world.desk
    accounts = Accounts(desk)
    accounts.add("librarian", "馆员", "hash", grants=[Grant(Act.DECIDE, "library"), Grant(Act.READ)], now=now)
    accounts.add("admin", "管理员", "hash", grants=[Grant(Act.MANAGE)], now=now)
    accounts.add_students([("2015150001", "林")], now)
    accounts.open_session(TOKEN, "librarian", now, longest=LONG)
    Codes(desk, world.desk_key).make("admin", made_by="root", now=now, lasts=LONG)
    Tokens(desk).make(hash_of("clr_1"), "screen", "librarian", now + LONG, by="admin", now=now)
    Requests(desk).ask_vote(COHORT, 1, VoteKind.APPROVE, b"d", account="admin", now=now)
    Announcements(desk).announce("一条", "", author="admin", now=now)
    uploads = Uploads(desk)
    uploads.keep(
        COHORT, UploadKind.LIST, "dorm", account="librarian", file="a.csv", content=b"1", rows=[], now=now, source="x"
    )
    Addresses(desk).change("admin", {"mail": "admin@example.edu.cn", "wecom": "GuanLi", "dingtalk": "0123"})
    Passkeys(desk).add("admin", b"id", b"key", 1, name="钥匙", transports=["usb"], now=now)
    RecoveryCodes(desk, world.desk_key).make("admin", now)
    SecondFactors(desk).show(TOKEN, "librarian", now, longest=LONG)
    appeals = Appeals(pages_store(world))
    due = now + LONG
    raised = appeals.raise_(
        COHORT, "2015150001", "library", "", "还了", account="2015150001", seen=SEEN, due=due, now=now, limit=5
    )
    Appeals(desk).answer(raised.appeal, AppealOutcome.EXPLAINED, "没有还", account="librarian", now=now)
    waits = PendingChanges(desk, Codes(desk, world.desk_key), Auth(), [COHORT])
    waits.carry_out(AccountChange(ChangeKind.OPEN, "librarian"), "admin", now)
    RetentionRunner(desk, world.engine, [COHORT], {"sessions": LONG}).carry_out("sessions", now, "test")
    Requests(desk).ask_sync(COHORT, "loans", account="admin", now=now)
    Pauses(desk).pause("fines", reason="upgrade", account="admin", now=now)
    for store in (desk, pages_store(world)):
        for _ in range(3):
            Audit(store).note(AuditEvent.SIGNED_IN, account="librarian", now=now, method="local")


def verified(world: World, heads: dict[tuple[str, int], str] | None = None) -> DeskReport:
    """Look at everything."""
    seals = world.desk.seals()
    with reading(world.desk_engine) as connection:
        return verify_desk(connection, seals, Seals(world.desk_key.of("audit chain")), heads)


def found(world: World) -> set[str]:
    """Return the tables in which something does not agree."""
    return {each.table for each in verified(world).disagreements}


def test_what_the_program_writes_agrees(world: World) -> None:
    report = verified(world)
    assert report.sound, report.disagreements
    assert {name for name in SEALED if report.looked_at.get(name)} == set(SEALED)
    assert {chain: link for chain, (link, _) in report.heads.items()} == {"desk": 4, "pages": 3}


def test_what_the_program_changes_and_removes_agrees(world: World) -> None:
    accounts, now = Accounts(world.desk), world.now
    accounts.set_password("librarian", "another", now=now)
    (first, *_) = accounts.grants("librarian")
    assert first.id is not None
    accounts.take_grant(first.id)
    accounts.hand_over("librarian", "admin")
    accounts.open_session(b"u" * 32, "admin", now, longest=LONG)
    accounts.close_session(b"u" * 32)
    accounts.open_session(b"v" * 32, "admin", now + 2 * LONG, longest=LONG)
    (token,) = Tokens(world.desk).listed()
    Tokens(world.desk).withdraw(token.id, now)
    Announcements(world.desk).withdraw(1, author="admin", now=now)
    Uploads(world.desk).confirmed(1, now)
    Codes(world.desk, world.desk_key).make("admin", made_by="root", now=now, lasts=LONG)
    (key,) = Passkeys(world.desk).of("admin")
    assert Passkeys(world.desk).use(key.id, 2, now)
    RecoveryCodes(world.desk, world.desk_key).make("admin", now)
    SecondFactors(world.desk).reset("admin")
    accounts.deactivate("librarian")
    report = verified(world)
    assert report.sound, report.disagreements


@pytest.mark.parametrize("name", SEALED)
def test_no_column_of_a_sealed_row_is_left_out(world: World, name: str) -> None:
    sealed, chance = SEALED[name], random.Random(name)
    for column in sealed.table.columns:
        if column.key == "mac" or column.primary_key or column.foreign_keys:
            continue
        with suppress(UndoResult), writing(world.desk_engine, DESK, "desk") as connection:
            row = connection.execute(select(sealed.table).where(sealed.table.c.mac.is_not(None))).mappings().all()[-1]
            here = [key == row[key.key] for key in sealed.table.primary_key]
            changed = {column.key: other(column, row[column.key], chance)}
            connection.execute(update(sealed.table).where(*here).values(changed))
            report = verify_desk(connection, world.desk.seals(), None)
            assert report.sound is (column.key in sealed.moves), column.key
            raise UndoResult


def test_every_table_is_sealed_or_listed_with_the_reason() -> None:
    named = {*SEALED, *NOT_SEALED, "audit", "audit_head"}
    assert {table.name for table in tables.desk.sorted_tables} <= named


class UndoResult(Exception):  # noqa: N818 - it ends a transaction
    """Nothing of this is to be kept."""


def other(column: Column[Any], value: Any, chance: random.Random) -> Any:
    """Return another value that the column takes."""
    kind = column.type
    if isinstance(kind, Boolean):
        return not value
    if isinstance(kind, BigInteger | Integer):
        return (value or 0) + chance.randint(1, 9)
    if isinstance(kind, LargeBinary):
        old = value or bytes(16)
        at = chance.randrange(len(old))
        return old[:at] + bytes([old[at] ^ chance.randint(1, 255)]) + old[at + 1 :]
    if isinstance(kind, tables.Instant | DateTime):
        return (value or datetime(2019, 6, 1, tzinfo=UTC)) + timedelta(seconds=chance.randint(1, 10**7))
    if isinstance(kind, tables.Json):
        return {"altered": chance.randint(1, 10**9)}
    return "".join(chance.choices(string.ascii_lowercase, k=5))


def tamper(connection: Connection, table: Table, chance: random.Random) -> str:
    """Alter, remove, copy or forge one row, past the program; say what was done."""
    row = chance.choice(connection.execute(select(table).where(table.c.mac.is_not(None))).mappings().all())
    here = [column == row[column.key] for column in table.primary_key]
    moves = SEALED[table.name].moves if table.name in SEALED else frozenset()
    how = chance.choice(("alter", "alter", "alter", "remove", "forge"))
    if how == "remove" and table.name in SEALED and not SEALED[table.name].counted:
        how = "alter"
    if how == "alter":
        columns = [c for c in table.columns if not c.primary_key and c.key not in moves and not c.foreign_keys]
        column = chance.choice(columns)
        connection.execute(update(table).where(*here).values({column.key: other(column, row[column.key], chance)}))
        return f"{table.name}.{column.key} altered"
    if how == "remove":
        connection.execute(delete(table).where(*here))
        return f"a row of {table.name} removed"
    fresh = {
        c.key: other(c, row[c.key], chance) if c.primary_key or c.unique or c.key == "link" else row[c.key]
        for c in table.columns
    }
    connection.execute(insert(table).values(**fresh))
    return f"a row of {table.name} forged"


def test_every_change_past_the_program_is_found(world: World, chance: random.Random) -> None:
    everything = [t for t in tables.desk.sorted_tables if t.name in {*SEALED, "audit", "audit_head"}]
    tried = 0
    while tried < sizes.times(100):
        table = chance.choice(everything)
        with suppress(UndoResult), writing(world.desk_engine, DESK, "desk") as connection:
            try:
                what = tamper(connection, table, chance)
            except DBAPIError:
                # What the database itself refuses is not tried.
                raise UndoResult from None
            tried += 1
            report = verify_desk(connection, world.desk.seals(), Seals(world.desk_key.of("audit chain")))
            assert not report.sound, what
            raise UndoResult
    assert verified(world).sound


def forge(world: World, statement: Callable[[Connection], object]) -> None:
    """Write to the desk's database past the program."""
    with world.desk_engine.begin() as connection:
        statement(connection)


def session_opens(world: World, token: bytes = TOKEN, now: datetime | None = None) -> bool:
    """Return whether a session of the desk opens anything."""
    return Accounts(world.desk).find_session(token, now or world.now, idle=LONG, longest=LONG) is not None


class TestWhoeverWritesTheDatabaseAlone:
    """They have no say."""

    def test_opens_no_session_of_staff(self, world: World) -> None:
        values = {"account": "librarian", "created_at": world.now, "seen_at": world.now, "method": "local"}
        for token, table in ((b"x" * 32, tables.staff_session), (b"y" * 32, tables.session)):
            opened = insert(table).values(token_hash=token, **values)
            with world.desk_engine.begin() as connection:
                connection.execute(opened)
            assert not session_opens(world, token)
        assert session_opens(world)

    def test_gets_no_grant(self, world: World) -> None:
        forge(world, lambda c: c.execute(insert(tables.grant).values(account="librarian", act="issue", scope={})))
        assert [grant.act for grant in Accounts(world.desk).grants("librarian")] == [Act.DECIDE, Act.READ]

    def test_widens_no_grant(self, world: World) -> None:
        forge(world, lambda c: c.execute(update(tables.grant).where(tables.grant.c.act == "decide").values(step=None)))
        assert [grant.act for grant in Accounts(world.desk).grants("librarian")] == [Act.READ]

    def test_cannot_sign_in_with_a_password_of_their_own(self, world: World) -> None:
        mine = update(tables.account).where(tables.account.c.account == "librarian").values(password_hash="mine")
        forge(world, lambda c: c.execute(mine))
        account = Accounts(world.desk).find("librarian")
        assert account is not None
        assert not account.active
        assert not session_opens(world)
        with pytest.raises(AccountRefused, match=r"the seal of .* is wrong"):
            Accounts(world.desk).open_session(b"y" * 32, "librarian", world.now, longest=LONG)

    def test_makes_no_code_that_opens_an_account_of_staff(self, world: World) -> None:
        codes = Codes(world.desk, world.desk_key)
        code = codes.make("admin", made_by="root", now=world.now, lasts=LONG)
        later = world.now + 2 * LONG
        forge(world, lambda c: c.execute(update(tables.code).values(until=later + LONG)))
        assert not codes.use("admin", code, later)

    def test_has_no_code_sealed_beside_one_that_is_made(self, world: World) -> None:
        codes, later = Codes(world.desk, world.desk_key), world.now + LONG
        mine = {"code_hash": world.desk_key.hashed("factor code", "ABC admin"), "account": "admin", "kind": "factor"}
        made = {"made_at": world.now, "made_by": "x", "until": later}
        forge(world, lambda c: c.execute(insert(tables.code).values(**mine, **made)))
        codes.make("admin", made_by="root", now=world.now, lasts=LONG)
        assert not codes.use("admin", "ABC", world.now, CodeKind.FACTOR)

    def test_has_no_session_sealed_that_was_altered_before_it_was_opened_wholly(self, world: World) -> None:
        forge(world, lambda c: c.execute(update(tables.staff_session).values(account="admin")))
        assert not SecondFactors(world.desk).pass_on(TOKEN, b"w" * 32, "admin", world.now, longest=LONG)

    def test_has_no_second_factor_of_their_own(self, world: World) -> None:
        mine = {"account": "librarian", "public_key": b"k", "sign_count": 0, "name": "x", "transports": []}
        made = {"credential_id": b"mine", "made_at": world.now}
        forge(world, lambda c: c.execute(insert(tables.passkey).values(**mine, **made)))
        assert Passkeys(world.desk).of("librarian") == ()
        hashed = world.desk_key.hashed("recovery code", "ABC librarian")
        code = {"code_hash": hashed, "account": "librarian", "made_at": world.now}
        forge(world, lambda c: c.execute(insert(tables.recovery_code).values(**code)))
        assert not RecoveryCodes(world.desk, world.desk_key).use("librarian", "ABC", world.now)
        later = world.now + LONG
        forge(world, lambda c: c.execute(update(tables.factor_step).values(at=later)))
        assert SecondFactors(world.desk).shown_at(TOKEN) is None

    def test_makes_no_request_that_counts(self, world: World) -> None:
        values = {"cohort": COHORT, "kind": "opinion", "run": 1, "says": "approve", "account": "admin", "at": world.now}
        forge(world, lambda c: c.execute(insert(tables.request).values(**values)))
        assert [request.altered for request in Requests(world.desk).waiting(COHORT)] == [False, False, True]

    def test_cannot_put_another_list_in_the_place_of_an_uploaded_one(self, world: World) -> None:
        assert Uploads(world.desk).list_of(1) == ("x", b"1")
        forge(world, lambda c: c.execute(update(tables.upload).values(content=b"2")))
        assert Uploads(world.desk).list_of(1) is None

    def test_gets_nothing_vouched_for_by_a_later_change(self, world: World) -> None:
        forge(world, lambda c: c.execute(update(tables.account).values(name="另一个人")))
        Accounts(world.desk).set_password("librarian", "other", now=world.now)
        assert "account" in found(world)
        account = Accounts(world.desk).find("librarian")
        assert account is not None
        assert not account.active

    def test_has_nothing_written_over_an_altered_head(self, world: World) -> None:
        forge(world, lambda c: c.execute(update(tables.audit_head).values(removed_to=1)))
        for store in (world.desk, pages_store(world)):
            with pytest.raises(RowAltered, match="does not match its seal"):
                Audit(store).note(AuditEvent.SIGNED_IN, account="x", now=world.now)

    def test_cannot_have_the_seals_begin_again(self, world: World) -> None:
        forge(world, lambda c: c.execute(delete(tables.audit_head)))
        with pytest.raises(LedgerRefused, match="is missing"):
            Audit(world.desk).note(AuditEvent.SIGNED_IN, account="x", now=world.now)
        with pytest.raises(LedgerRefused, match="sealed already"):
            world.desk.seal_all(world.now)
        assert "audit_head" in found(world)


class TestTheStudentsPages:
    """Their process holds no key of the ledger."""

    def test_open_no_session_of_staff(self, world: World) -> None:
        accounts = Accounts(pages_store(world))
        assert accounts.find_session(TOKEN, world.now, idle=LONG, longest=LONG) is None
        with pytest.raises(AccountRefused, match="pages: sign in at the desk"):
            accounts.open_session(b"z" * 32, "librarian", world.now, longest=LONG)

    def test_change_no_account_of_staff(self, world: World) -> None:
        with pytest.raises(StoreError, match="only at the desk"):
            Accounts(pages_store(world)).set_password("librarian", "mine", now=world.now)
        assert verified(world).sound

    def test_open_a_students_session_that_has_no_grants(self, world: World) -> None:
        Accounts(world.desk).grant("2015150001", [Grant(Act.READ)])
        accounts = Accounts(pages_store(world))
        accounts.open_session(b"z" * 32, "2015150001", world.now, longest=LONG)
        session = accounts.find_session(b"z" * 32, world.now, idle=LONG, longest=LONG)
        assert session is not None
        assert session.account.grants == ()

    def test_sign_a_student_in_and_change_the_password(self, world: World) -> None:
        accounts = Accounts(pages_store(world))
        accounts.set_password("2015150001", "fresh", now=world.now)
        accounts.open_session(b"z" * 32, "2015150001", world.now, longest=LONG)
        assert accounts.find_session(b"z" * 32, world.now, idle=LONG, longest=LONG) is not None
        assert verified(world).sound


class TestTheAuditLog:
    """Lines are chained, and its heads are in the log."""

    @pytest.mark.parametrize("chain", ["desk", "pages"])
    def test_lines_that_were_cut_off_with_their_head_are_missed_by_the_heads_in_the_log(
        self, world: World, chain: str
    ) -> None:
        store = world.desk if chain == "desk" else pages_store(world)
        with world.desk_engine.connect() as connection:
            before = connection.execute(select(tables.audit_head).where(tables.audit_head.c.chain == chain)).one()
        Audit(store).note(AuditEvent.GRANTED, account="admin", now=world.now)
        link, mac = verified(world).heads[chain]
        line, head = tables.audit, tables.audit_head
        forge(world, lambda c: c.execute(delete(line).where(line.c.chain == chain, line.c.link == link)))
        back = update(head).where(head.c.chain == chain).values(before._asdict())
        forge(world, lambda c: c.execute(back))
        assert verified(world).sound
        assert [each.table for each in verified(world, {(chain, link): mac}).disagreements] == ["audit"]

    def test_lines_removed_at_the_end_of_their_time_leave_the_rest_vouched_for(self, world: World) -> None:
        world.later(hours=1)
        Audit(world.desk).note(AuditEvent.GRANTED, account="admin", now=world.now)
        with world.desk.writing() as entry:
            assert entry.remove_lines(world.now, 10) == 4
        assert verified(world).sound
        forge(world, lambda c: c.execute(delete(tables.audit).where(tables.audit.c.chain == "desk")))
        assert found(world) == {"audit"}


def test_rows_of_before_are_sealed_once_by_hand(tmp_path: Path) -> None:
    with World(f"sqlite:///{tmp_path / 'clearance.db'}", tmp_path) as world:
        unsealed = DeskStore(world.desk_engine)
        old = Accounts(unsealed)
        old.add("librarian", "馆员", "hash", grants=[Grant(Act.DECIDE, "library")], now=world.now)
        Audit(unsealed).note(AuditEvent.ACCOUNT_MADE, account="root", now=world.now)
        assert verified(world).notes == ("accounts and grants are not sealed yet. Seal them: clearance accounts seal",)
        account = Accounts(world.desk).find("librarian")
        assert account is not None
        assert not account.active
        with pytest.raises(LedgerRefused, match="clearance accounts seal"):
            Audit(world.desk).note(AuditEvent.SIGNED_IN, account="librarian", now=world.now)
        assert world.desk.seal_all(world.now) == 2
        account = Accounts(world.desk).find("librarian")
        assert account is not None
        assert account.active
        assert verified(world).sound
        forge(
            world, lambda c: c.execute(update(tables.audit).where(tables.audit.c.chain.is_(None)).values(account="x"))
        )
        assert found(world) == {"audit"}
