"""Retention: each rule removes exactly the rows whose time is over, leaves a row as proof, and touches no other."""

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import Table, func, insert, select, update
from structlog.testing import capture_logs

from config.tables.retention import RULES, Retention, warnings
from status_db import tables
from status_db.accounts.accounts import Act, Grant
from status_db.accounts.audit_log import Audit, AuditEvent
from status_db.desk import retention
from status_db.desk.retention import RetentionRuns
from status_db.desk.seals import SEALED
from status_db.desk.store import DeskEntry
from status_db.model import RunState
from status_db.sign_in.passkeys import Passkeys
from status_db.sign_in.recovery_codes import RecoveryCodes
from status_db.sign_in.second_factor import SecondFactors
from status_db.store.engine import reading, writing
from status_db.store.turns import DESK
from sync.service.schedule import Schedule
from tests.cast import GEOLOGY_LOANS, LIN, MORNING, QIAN, SUN
from tests.world import COHORT, World, season_of

OLD, YOUNG = MORNING - timedelta(days=10, minutes=1), MORNING - timedelta(days=9)
TEN_DAYS = timedelta(days=10)

FACTORS = (tables.passkey, tables.recovery_code, tables.factor_step)


def keeper(world: World, **spans: timedelta | None) -> retention.RetentionRunner:
    """Return what keeps everything for ten days, but for what is given otherwise."""
    return retention.RetentionRunner(world.desk, world.engine, [COHORT], dict.fromkeys(RULES, TEN_DAYS) | spans)


def count(world: World, table: Table) -> int:
    engine = world.engine if table.metadata is tables.marks else world.desk_engine
    with reading(engine) as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()


def put(world: World, table: Table, *rows: dict[str, Any]) -> None:
    sealed = SEALED.get(table.name)
    (key,) = table.primary_key
    with world.desk.writing() as entry:
        for row in rows:
            if table is tables.audit:
                entry.note(row["deed"], account=row["account"], now=row["at"])
                continue
            number = entry.connection.execute(insert(table).values(row).returning(key)).scalar_one()
            if sealed is not None:
                entry.added(sealed, number)


def _upload(at: Any, number: int) -> dict[str, Any]:
    named = {"upload": number, "cohort": COHORT, "kind": "results", "step": "library", "account": "dean"}
    return {**named, "file": "x.xlsx", "content": b"x", "rows": [], "at": at, "confirmed_at": at}


def _request(served: Any, number: int) -> dict[str, Any]:
    return {
        "request": number, "cohort": COHORT, "kind": "ask", "account": "dean", "at": OLD, "served_at": served,
        "outcome": "done" if served else None,
    }  # fmt: skip


def _token(key: bytes, until: Any, withdrawn: Any = None) -> dict[str, Any]:
    named = {"token_hash": key, "title": "x", "account": "dean", "made_by": "x"}
    return {**named, "made_at": OLD, "until": until, "withdrawn_at": withdrawn}


def _code(key: bytes, until: Any, used: Any = None) -> dict[str, Any]:
    return {"code_hash": key, "account": "dean", "made_at": OLD, "made_by": "x", "until": until, "used_at": used}


def _line(at: Any) -> dict[str, Any]:
    return {"at": at, "account": "dean", "deed": AuditEvent.SIGNED_IN, "detail": {}, "address": ""}


SESSION = {"account": "dean", "seen_at": MORNING}

#: Rule → the table, the rows whose time is over, and those that stay.
ROWS: dict[str, tuple[Table, list[dict[str, Any]], list[dict[str, Any]]]] = {
    "sessions": (
        tables.session,
        [{**SESSION, "token_hash": b"1", "created_at": OLD}],
        [{**SESSION, "token_hash": b"2", "created_at": YOUNG}],
    ),
    "login_attempts": (
        tables.attempt,
        [{"what": b"1", "failures": 9, "last": OLD}],
        [{"what": b"2", "failures": 9, "last": YOUNG}],
    ),
    "used_tickets": (
        tables.used_ticket,
        [{"ticket_hash": b"1", "at": OLD}],
        [{"ticket_hash": b"2", "at": YOUNG}],
    ),
    "one_time_codes": (
        tables.code,
        [_code(b"1", OLD), _code(b"2", MORNING, OLD)],
        [_code(b"3", YOUNG), _code(b"4", MORNING)],
    ),
    "tokens": (
        tables.token,
        [_token(b"1", OLD), _token(b"2", MORNING + TEN_DAYS, OLD)],
        [_token(b"3", YOUNG), _token(b"4", MORNING + TEN_DAYS)],
    ),
    "uploads": (tables.upload, [_upload(OLD, 1)], [_upload(YOUNG, 2)]),
    "requests": (tables.request, [_request(OLD, 1)], [_request(YOUNG, 2), _request(None, 3)]),
    "audit": (tables.audit, [_line(OLD), _line(OLD)], [_line(YOUNG)]),
}


@pytest.fixture
def manned(world: World) -> World:
    """A world with one member of staff."""
    world.accounts.add("dean", "dean", None, grants=[Grant(Act.READ)], now=MORNING)
    return world


@pytest.mark.parametrize("rule", ROWS)
def test_a_rule_removes_what_is_older_and_nothing_else_and_proves_it(manned: World, rule: str) -> None:
    table, over, stays = ROWS[rule]
    put(manned, table, *over, *stays)
    others = {t.name: count(manned, t) for t in tables.desk.sorted_tables if t is not table}
    counted = keeper(manned).carry_out(rule, MORNING, "test", dry_run=True)
    assert (counted.removed, count(manned, table)) == (len(over), len(over) + len(stays))
    run = keeper(manned).carry_out(rule, MORNING, "test")
    assert (run.removed, count(manned, table)) == (len(over), len(stays))
    assert run.oldest is not None
    assert run.oldest >= run.cutoff == MORNING - TEN_DAYS
    assert run.oldest == counted.oldest
    assert RetentionRuns(manned.desk_engine).listed() == (run,)
    others["retention_run"] = 1
    assert {t.name: count(manned, t) for t in tables.desk.sorted_tables if t is not table} == others


def test_batches_are_bounded_and_the_next_run_goes_on(manned: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "AT_ONCE", 2)
    monkeypatch.setattr(retention, "_BATCHES", 2)
    put(manned, tables.audit, *(_line(OLD) for _ in range(5)))
    first = keeper(manned).carry_out("audit", MORNING, "test")
    assert (first.removed, first.unfinished, count(manned, tables.audit)) == (4, True, 1)
    second = keeper(manned).carry_out("audit", MORNING, "test")
    assert (second.removed, second.unfinished, count(manned, tables.audit)) == (1, False, 0)
    assert RetentionRuns(manned.desk_engine).removed() == {"audit": 5}


def test_of_the_audit_log_only_the_beginning_goes_whatever_a_clock_showed(manned: World) -> None:
    put(manned, tables.audit, _line(OLD), _line(YOUNG), _line(OLD))
    with manned.desk.writing() as entry:
        assert entry.remove_lines(MORNING - TEN_DAYS, 10) == 1
    assert [line.at for line in Audit(manned.desk).newest()] == [OLD, YOUNG]


def test_a_list_that_waits_for_the_scheduler_keeps_its_upload(manned: World) -> None:
    put(manned, tables.upload, _upload(OLD, 1))
    put(manned, tables.request, {**_request(None, 1), "kind": "list", "upload": 1})
    assert keeper(manned).carry_out("uploads", MORNING, "test").removed == 0


class TestAccounts:
    def test_a_closed_student_goes_with_all_that_opens_and_who_may_act_stays(self, manned: World) -> None:
        manned.accounts.add(LIN.number, "Lin", None, student=LIN.number, now=MORNING)
        manned.accounts.add(QIAN.number, "Qian", None, student=QIAN.number, now=MORNING)
        manned.accounts.add("other", "other", None, grants=[Grant(Act.READ)], now=MORNING)
        manned.accounts.add(SUN.number, "Sun", None, student=SUN.number, grants=[Grant(Act.READ)], now=MORNING)
        manned.accounts.deactivate(LIN.number)
        manned.accounts.deactivate("other")
        manned.accounts.deactivate(SUN.number)
        put(manned, tables.token, {**_token(b"1", MORNING + TEN_DAYS), "account": LIN.number})
        # Its time begins with the first run that finds it closed …
        assert keeper(manned).carry_out("closed_accounts", MORNING, "test").removed == 0
        assert keeper(manned).carry_out("closed_accounts", MORNING + TEN_DAYS, "test").removed == 0
        over = MORNING + TEN_DAYS + timedelta(seconds=1)
        assert keeper(manned).carry_out("closed_accounts", over, "test").removed == 1
        assert {account.account for account in manned.accounts.listed()} == {"dean", QIAN.number, "other", SUN.number}
        assert count(manned, tables.token) == 0

    def test_the_second_factors_of_a_former_helper_go_with_the_account(self, manned: World) -> None:
        manned.accounts.add(LIN.number, "Lin", None, student=LIN.number, now=MORNING)
        Passkeys(manned.desk).add(LIN.number, b"1", b"key", 0, name="phone", transports=["usb"], now=MORNING)
        RecoveryCodes(manned.desk, manned.desk_key).make(LIN.number, MORNING)
        SecondFactors(manned.desk).allow_set_up(b"1", LIN.number, MORNING)
        manned.accounts.deactivate(LIN.number)
        assert min(count(manned, table) for table in FACTORS) > 0
        keeper(manned).carry_out("closed_accounts", MORNING, "test")
        over = MORNING + TEN_DAYS + timedelta(seconds=1)
        assert keeper(manned).carry_out("closed_accounts", over, "test").removed == 1
        assert [count(manned, table) for table in FACTORS] == [0, 0, 0]

    def test_the_time_of_an_account_that_was_opened_again_begins_again(self, manned: World) -> None:
        manned.accounts.add(LIN.number, "Lin", None, student=LIN.number, now=MORNING)
        manned.accounts.deactivate(LIN.number)
        keeper(manned).carry_out("closed_accounts", MORNING, "test")
        manned.accounts.activate(LIN.number)
        over = MORNING + TEN_DAYS + timedelta(seconds=1)
        assert keeper(manned).carry_out("closed_accounts", over, "test").removed == 0
        manned.accounts.deactivate(LIN.number)
        assert keeper(manned).carry_out("closed_accounts", over, "test").removed == 0

    def test_a_documents_hash_goes_and_the_account_stays(self, manned: World) -> None:
        manned.accounts.add(LIN.number, "Lin", None, student=LIN.number, now=MORNING)
        hers = tables.account.c.student == LIN.number
        with writing(manned.desk_engine, DESK, "desk") as connection:
            connection.execute(update(tables.account).where(hers).values(identity=b"x"))
        assert keeper(manned).carry_out("identities", MORNING, "test").removed == 0
        over = MORNING + TEN_DAYS + timedelta(seconds=1)
        assert keeper(manned).carry_out("identities", over, "test").removed == 1
        with reading(manned.desk_engine) as connection:
            row = connection.execute(select(tables.account).where(hers)).one()
        assert (row.identity, row.identity_at, row.active) == (None, None, True)


def test_an_answer_kept_for_a_run_goes_only_once_the_run_is_over(world: World) -> None:
    world.says["loans"] = GEOLOGY_LOANS
    world.run_all()
    world.says["loans"] = []
    waits = world.run("loans")
    assert waits.state is RunState.SUSPENDED
    later = world.now + timedelta(days=400)
    assert keeper(world).carry_out("kept_snapshots", later, "test").removed == 0
    with writing(world.engine, COHORT) as connection:
        # As a program of before left it.
        connection.execute(update(tables.run).where(tables.run.c.run == waits.run).values(state=RunState.EXPIRED))
    assert keeper(world).carry_out("kept_snapshots", world.now + TEN_DAYS, "test").removed == 0
    run = keeper(world).carry_out("kept_snapshots", later, "test")
    assert (run.removed, run.oldest, count(world, tables.pending)) == (1, None, 0)


class TestTheSchedule:
    def schedule(self, world: World, **spans: timedelta | None) -> Schedule:
        return Schedule(
            world.settings, season_of(world), world.clock, lambda _: 0, lambda: 0, None, lambda: keeper(world, **spans)
        )

    def test_each_rule_runs_once_a_day_whoever_runs_it(self, world: World) -> None:
        runs = RetentionRuns(world.desk_engine)
        schedule = self.schedule(world, tokens=None)
        schedule.retain()
        schedule.retain()
        assert sorted(run.rule for run in runs.listed()) == sorted(set(RULES) - {"tokens"})
        world.later(days=1)
        self.schedule(world, tokens=None).retain()
        assert len(runs.listed()) == 2 * (len(RULES) - 1)

    def test_a_rule_that_fails_stops_no_other(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*_: Any) -> int:
            raise ValueError("broken")

        monkeypatch.setattr(DeskEntry, "remove_lines", fail)
        with capture_logs() as logged:
            self.schedule(world).retain()
        assert {entry["rule"] for entry in logged if entry["log_level"] == "error"} == {"audit"}
        assert {run.rule for run in RetentionRuns(world.desk_engine).listed()} == set(RULES) - {"audit"}


class TestTheSettings:
    @pytest.mark.parametrize("never", ["never", 0, "0", "0 d", "0 h"])
    def test_never_and_zero_keep_for_ever_and_are_warned_about(self, never: object) -> None:
        settings = Retention.model_validate({"audit": never})
        assert settings.audit is None
        (line,) = warnings(settings)
        assert "PIPL article 19" in line

    @pytest.mark.parametrize("never", ["never", 0, "0 d"])
    def test_what_has_a_shortest_time_may_be_kept_for_ever_too(self, never: object) -> None:
        bounded = ("login_attempts", "used_tickets", "uploads", "requests")
        settings = Retention.model_validate(dict.fromkeys(bounded, never))
        assert [getattr(settings, rule) for rule in bounded] == [None] * len(bounded)
        with pytest.raises(ValidationError, match="greater than or equal to"):
            Retention.model_validate({"login_attempts": "29 d"})

    def test_the_defaults_break_no_law(self) -> None:
        assert list(warnings(Retention())) == []
        assert all(span is not None for span in Retention().spans(session_longest=timedelta(hours=12)).values())

    def test_logs_shorter_than_six_months_are_warned_about(self) -> None:
        assert list(warnings(Retention(audit=timedelta(days=180)))) == []
        (line,) = warnings(Retention(audit=timedelta(days=179)))
        assert "article 21" in line

    def test_a_session_that_is_open_is_under_no_rule(self) -> None:
        longest = timedelta(days=30)
        assert Retention(sessions=timedelta(days=1)).spans(session_longest=longest)["sessions"] == longest

    def test_a_throttle_outlives_no_rule(self) -> None:
        with pytest.raises(ValueError, match=r"greater than or equal to .*days=30"):
            Retention.model_validate({"login_attempts": "29 d"})
