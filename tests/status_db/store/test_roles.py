"""Promise 10, kept by the server: four roles of a real PostgreSQL, each tried at what it may not do."""

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, MetaData, Table, delete, make_url, select, text, update
from sqlalchemy.exc import ProgrammingError
from starlette.testclient import TestClient
from typer.testing import CliRunner

from clearance.main import app as command_line
from clearance.web import application
from config.load import load
from config.tables.retention import RULES
from connectors import memory
from status_db import tables
from status_db.accounts.api_tokens import hash_of, new_token
from status_db.accounts.audit_log import Audit, AuditEvent
from status_db.decisions.batch_rows import ImportRow
from status_db.decisions.batches import Batches, BatchKind
from status_db.decisions.certificates import CertificateRegister, Handover
from status_db.decisions.class_review import ChosenStudent, ClassReviews
from status_db.decisions.overrides import Overrides
from status_db.decisions.reviews import seen_by_review
from status_db.decisions.writer import DecisionRequest, DecisionWriter
from status_db.desk.retention import RetentionRunner
from status_db.inbox.requests import Requests
from status_db.model import Flip, RunState, Verdict
from status_db.outbox.rows import enter_flips
from status_db.store.engine import StoreError, open_writing, reading, writing
from status_db.store.migrate import check
from status_db.store.roles import Roles, apply, statements
from status_db.store.schema_version import Part
from sync.verify.report import verify
from tests.cast import LIN, QIAN, SUN
from tests.four_roles import FourRoles
from tests.portal.conftest import enter, settle
from tests.status_db.store.test_work_under_roles import hand_over
from tests.world import COHORT, World, serving_of

MARKS = tables.marks.sorted_tables
DESK = tables.desk.sorted_tables


@dataclass(frozen=True, slots=True)
class Manned:
    """A world on PostgreSQL, settled by its owner, and its four roles."""

    world: World
    four: FourRoles

    @property
    def roles(self) -> Roles:
        """The roles' names."""
        return self.four.named

    def url(self, role: str) -> str:
        """Return where a role connects."""
        return self.four.url(self.world.url, role)

    def engine(self, role: str) -> Engine:
        """Return an engine of a role, without any default of ours."""
        return self.four.engine(self.world.url, role)


@pytest.fixture
def manned(roles: FourRoles, postgres_url: str, tmp_path: Path) -> Iterator[Manned]:
    """The cast's university on PostgreSQL, its roles given what each needs."""
    with World(postgres_url, tmp_path) as world:
        settle(world)
        apply(world.url, roles.named, ("marks", "desk"))
        yield Manned(world, roles)


def refused(engine: Engine, statement: Any) -> bool:
    """Return whether the server refuses a statement for want of a right, even to one who would write by all means."""
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql("SET default_transaction_read_only = off")
            connection.commit()
            connection.execute(statement)
            connection.rollback()
    except ProgrammingError as error:
        return "permission denied" in str(error.orig) or "must be owner" in str(error.orig)
    return False


def writes(table: Table) -> dict[str, Any]:
    """Return every kind of statement that changes a table."""
    name = f'"{table.name}"'
    first = next(iter(table.c))
    return {
        "insert": text(f"INSERT INTO {name} DEFAULT VALUES"),
        "update": update(table).values({first.key: first}),
        "delete": delete(table),
        "truncate": text(f"TRUNCATE {name}"),
        "copy": text(f"COPY {name} FROM STDIN"),
        "alter": text(f"ALTER TABLE {name} ADD COLUMN more int"),
        "drop": text(f"DROP TABLE {name} CASCADE"),
        "lock": text(f"LOCK TABLE {name} IN EXCLUSIVE MODE"),
        "index": text(f"CREATE INDEX ON {name} ({first.name})"),
        "trigger": text(
            f"CREATE TRIGGER t BEFORE INSERT ON {name} EXECUTE FUNCTION suppress_redundant_updates_trigger()"
        ),
        "grant": text(f"GRANT ALL ON {name} TO PUBLIC"),
        "select for update": select(first).select_from(table).with_for_update(),
    }


class TestThePortalsRole:
    def test_every_write_to_every_table_of_the_marks_is_refused_by_the_server(self, manned: Manned) -> None:
        engine = manned.engine(manned.roles.portal)
        let_through = [
            f"{what} {table.name}"
            for table in MARKS
            for what, statement in writes(table).items()
            if not refused(engine, statement)
        ]
        # The server says of a GRANT by who may grant nothing only that nothing was granted.
        assert [each for each in let_through if not each.startswith("grant ")] == []
        assert _rights(manned, MARKS, manned.roles.portal) == {"SELECT"}

    def test_neither_may_it_make_anything_of_its_own(self, manned: Manned) -> None:
        engine = manned.engine(manned.roles.portal)
        for statement in (
            "CREATE TABLE mine (a int)",
            "CREATE TEMPORARY TABLE student (a int)",
            "CREATE SCHEMA mine",
            "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "SELECT nextval('run_run_seq')",
            "SELECT setval('run_run_seq', 1)",
            "COPY student TO PROGRAM 'cat'",
            "SET ROLE postgres",
        ):
            assert refused(engine, text(statement)), statement

    def test_it_reads_every_table_of_the_marks_and_none_of_the_desk(self, manned: Manned) -> None:
        engine = manned.engine(manned.roles.portal)
        with engine.connect() as connection:
            for table in MARKS:
                connection.execute(select(table).limit(1)).all()
        assert all(refused(engine, select(table)) for table in DESK)


class TestTheDesksRole:
    def test_it_has_no_right_whatever_on_the_marks(self, manned: Manned) -> None:
        assert _rights(manned, MARKS, manned.roles.desk) == set()
        engine = manned.engine(manned.roles.desk)
        assert all(refused(engine, select(table)) for table in MARKS)

    @pytest.mark.parametrize("which", ["sync", "desk", "portal", "operator"])
    def test_no_one_changes_a_line_of_the_audit_log_and_only_the_sync_deletes(self, manned: Manned, which: str) -> None:
        Audit(manned.world.desk).note(AuditEvent.SIGNED_IN, account="dean", now=manned.world.now)
        role: str = getattr(manned.roles, which)
        engine, audit = manned.engine(role), tables.audit
        statements = {k: v for k, v in writes(audit).items() if k not in ("insert", "copy", "grant")}
        if which == "sync":
            # Retention removes lines; that the server lets it remove no young one is seen below.
            # Whoever may delete may lock.
            for what in ("delete", "select for update", "lock"):
                del statements[what]
        assert [what for what, statement in statements.items() if not refused(engine, statement)] == []
        rights = {"sync": {"SELECT", "INSERT", "DELETE"}, "desk": {"SELECT", "INSERT"}}
        assert _rights(manned, [audit], role) == rights.get(which, set())


class TestTheSyncsRole:
    def test_it_syncs_approves_and_serves(self, manned: Manned) -> None:
        """The whole season's writers run as this role, first load and approval included."""
        url = manned.url(manned.roles.sync)
        world = manned.world
        Requests(world.desk).ask_recheck(
            COHORT, LIN.number, account=LIN.number, now=world.now, pause=timedelta(0), day_limit=9
        )
        check(world.engine, "marks")
        world.engine.dispose()
        world.engine = open_writing(url)
        try:
            for writer in (world.decisions, world.reviews, world.votes, world.expected_changes, world.sync):
                hand_over(writer, world.engine)
            world.says["loans"] = []
            world.says["roster"] = world.says["roster"][:-1]
            ended = world.run_all()
            assert {outcome.state for outcome in ended.values()} <= {
                RunState.APPLIED, RunState.UNCHANGED, RunState.SUSPENDED,
            }  # fmt: skip
            suspended = [name for name, outcome in ended.items() if outcome.state is RunState.SUSPENDED]
            for name in suspended:
                run = ended[name].run
                assert run is not None
                assert world.sync.approve(run, name, by="test").state is RunState.APPLIED
            serving = serving_of(world, world.engine)
            assert serving.serve() == 1
        finally:
            world.engine.dispose()

    def test_it_may_have_the_planner_learn_of_many_rows(self, manned: Manned) -> None:
        with manned.engine(manned.roles.sync).begin() as connection:
            if int(connection.execute(text("SHOW server_version_num")).scalar_one()) < 170000:
                pytest.skip("this server knows no right for it")
            connection.exec_driver_sql("ANALYZE student")
        with manned.world.engine.connect() as connection:
            learned = text("SELECT reltuples FROM pg_class WHERE relname = 'student'")
            assert connection.execute(learned).scalar_one() == 6

    def test_it_carries_out_every_rule_of_retention(self, manned: Manned) -> None:
        engine = open_writing(manned.url(manned.roles.sync))
        spans = {rule: timedelta(days=1) for rule in RULES}
        removed = RetentionRunner(engine, engine, [COHORT], spans)
        far = manned.world.now + timedelta(days=400)
        assert [removed.carry_out(rule, far, "test").rule for rule in removed.rules()] == list(RULES)
        assert set(removed.due(far)) == set()
        engine.dispose()

    def test_no_line_of_the_audit_log_of_the_last_six_months_is_deleted_even_by_it(self, manned: Manned) -> None:
        log, now = Audit(manned.world.desk), datetime.now(UTC)
        for days in (181, 179):
            log.note(AuditEvent.SIGNED_IN, account="dean", now=now - timedelta(days=days))
        with manned.engine(manned.roles.sync).begin() as connection:
            connection.execute(delete(tables.audit))
        assert [line.at for line in log.newest()] == [now - timedelta(days=179)]

    def test_the_pages_cannot_forge_what_retention_did(self, manned: Manned) -> None:
        assert _rights(manned, [tables.retention_run], manned.roles.desk) == {"SELECT"}

    def test_votes_and_audit_events_it_cannot_delete(self, manned: Manned) -> None:
        engine = manned.engine(manned.roles.sync)
        for table in (tables.decision, tables.certificate, tables.flip, tables.ledger, tables.run, tables.student):
            assert refused(engine, delete(table)), table.name
        for table in (tables.account, tables.grant, tables.session, tables.token):
            assert refused(engine, writes(table)["insert"]), table.name


class TestTheOperatorsRole:
    def test_it_decides_reviews_issues_and_takes_back(self, manned: Manned) -> None:
        world = manned.world
        world.says["checkouts"] = [{"学号": SUN.number, "清退状态": "已清退", "房间": "1"}]
        world.run_all()
        now = world.now
        engine = open_writing(manned.url(manned.roles.operator))
        writer = DecisionWriter(engine, world.settings, COHORT, world.ledger)
        batches, class_reviews, register = Batches(writer), ClassReviews(writer), CertificateRegister(writer)
        Overrides(writer).enter(DecisionRequest(SUN.number, "college_items", Verdict.CLEARED, "无借阅"), "college", now)
        rows = [ImportRow(1, LIN.number, None, Verdict.CLEARED, "现场归还")]
        preview = batches.preview("library", rows, now)
        entered = batches.enter_all(
            BatchKind.IMPORT, "library", rows, preview.digest, "librarian", now, title="sheet.xlsx"
        )
        batches.undo(entered.batch.id, "librarian", "the wrong sheet", now)
        (review,) = class_reviews.status_of([SUN.number], now)[SUN.number][-1:]
        chosen = [ChosenStudent(SUN.number, seen_by_review(review), "CERT-1")]
        class_reviews.give("final_review", chosen, "secretary", now, title="021152", kind="毕业证书", reason="通过")
        register.hand_over(Handover("CERT-1", "self"), "secretary", now)
        register.revoke("CERT-1", "dean", "a wrong name", now)
        engine.dispose()
        with reading(world.reading) as connection:
            report = verify(connection, world.settings, COHORT, world.ledger.seals(connection), now, {})
        assert report.disagreements == ()

    def test_what_was_found_and_who_is_on_the_roster_it_cannot_write(self, manned: Manned) -> None:
        engine = manned.engine(manned.roles.operator)
        own = {tables.batch, tables.decision, tables.certificate, tables.flip, tables.ledger, tables.outbox}
        # Of announced changes and votes it seals those of before there were seals.
        for table in set(MARKS) - own - {tables.cohort, tables.expected_change, tables.approval_vote}:
            statements = {k: v for k, v in writes(table).items() if k != "grant"}
            assert [what for what, statement in statements.items() if not refused(engine, statement)] == [], table.name
        for table in own:
            assert refused(engine, delete(table)), table.name
        assert refused(engine, update(tables.decision).values(verdict="cleared"))
        assert refused(engine, update(tables.certificate).values(student="x"))
        assert refused(engine, update(tables.cohort).values(name="x"))
        assert refused(engine, update(tables.expected_change).values(most=9999))
        assert refused(engine, update(tables.approval_vote).values(says="approve"))
        assert refused(engine, update(tables.outbox).values(delivered=manned.world.now))

    def test_it_enters_what_a_student_reads_with_the_decision(self, manned: Manned) -> None:
        flips = [Flip("20151001", "library", Verdict.HELD, Verdict.CLEARED, "现场归还")]
        with writing(manned.engine(manned.roles.operator), COHORT) as connection:
            enter_flips(connection, COHORT, flips, manned.world.now, run=None, decision=1)
        with manned.world.engine.connect() as connection:
            assert connection.execute(select(tables.outbox.c.event)).scalars().all() == ["step_changed"]

    def test_it_sees_nothing_of_the_desk(self, manned: Manned) -> None:
        engine = manned.engine(manned.roles.operator)
        assert all(refused(engine, select(table)) for table in DESK)


class TestThePages:
    def test_they_work_wholly_with_these_roles(self, manned: Manned) -> None:
        """Signing in and out, a student's page, staff's, a request, the API."""
        world = manned.world
        settings = load(
            world.file,
            {"memory": memory.Settings}.get,
            {
                "STATUS_URL": manned.url(manned.roles.portal),
                "CLEARANCE__STATUS_DB__DESK_URL": "env:DESK_URL",
                "DESK_URL": manned.url(manned.roles.desk),
            },
        )
        secret = new_token()
        with TestClient(application(settings, clock=world.clock), follow_redirects=True) as browser:
            assert "2 项要办" in enter(browser, LIN.number).text
            assert "2 项要办" in browser.get("/").text
            world.later(minutes=2)
            assert browser.get("/").status_code == 200
            browser.cookies.clear()
            assert "按学院" in enter(browser, "dean", next="/overview").text
            assert browser.get(f"/students/{QIAN.number}").status_code == 200
            assert browser.get("/sources").status_code == 200
            assert browser.get("/healthz").json() == {"ok": True, "marks": True, "desk": True}
            services = browser.app.state.services  # type: ignore[attr-defined]  # httpx types it as a bare callable
            services.requests.ask_recheck(
                COHORT, LIN.number, account=LIN.number, now=world.now, pause=timedelta(0), day_limit=9
            )
            services.audit.note(AuditEvent.ASKED_RECHECK, account=LIN.number, now=world.now, student=LIN.number)
            services.token_writing.make(
                hash_of(secret), "x", "dean", world.now + timedelta(days=1), by="x", now=world.now
            )
            answer = browser.get(f"/api/v1/students/{LIN.number}", headers={"Authorization": f"Bearer {secret}"})
            assert answer.status_code == 200
        assert Requests(world.desk).last_recheck(COHORT, LIN.number)
        assert [line.event for line in Audit(world.desk).newest(2)] == [
            AuditEvent.SAW_STUDENT,
            AuditEvent.ASKED_RECHECK,
        ]

    def test_a_writer_with_the_portals_role_is_refused_by_the_server(self, manned: Manned) -> None:
        engine = open_writing(manned.url(manned.roles.portal))
        with pytest.raises(ProgrammingError, match="permission denied"), writing(engine, COHORT) as connection:
            connection.execute(update(tables.status).values(verdict="cleared"))
        engine.dispose()


class TestGivingThem:
    def test_again_changes_nothing(self, manned: Manned) -> None:
        before = _everything_granted(manned)
        apply(manned.world.url, manned.roles, ("marks", "desk"))
        assert _everything_granted(manned) == before

    def test_a_right_too_many_is_taken_back(self, manned: Manned) -> None:
        before = _everything_granted(manned)
        with manned.world.engine.begin() as connection:
            connection.exec_driver_sql(f'GRANT ALL ON status, audit TO "{manned.roles.portal}"')
        apply(manned.world.url, manned.roles, ("marks", "desk"))
        assert _everything_granted(manned) == before

    def test_a_table_that_an_upgrade_makes_is_read_by_the_portal_and_written_by_the_sync(self, manned: Manned) -> None:
        with manned.world.engine.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE newer (a int)")
        rights = {name: _rights(manned, [Table("newer", MetaData())], name) for name in manned.roles.names()}
        assert rights == {
            manned.roles.sync: {"SELECT", "INSERT", "UPDATE", "DELETE"},
            manned.roles.desk: set(),
            manned.roles.portal: {"SELECT"},
            manned.roles.operator: {"SELECT"},
            manned.roles.students: set(),
        }

    def test_one_name_may_stand_for_the_portal_and_the_desk(self, manned: Manned) -> None:
        both = Roles(
            manned.roles.sync, manned.roles.desk, manned.roles.desk, manned.roles.operator, manned.roles.students
        )
        apply(manned.world.url, both, ("marks", "desk"))
        assert _rights(manned, MARKS, both.desk) == {"SELECT"}
        assert _rights(manned, [tables.session], both.desk) == {"SELECT", "INSERT", "UPDATE", "DELETE"}

    def test_a_desk_in_a_database_of_its_own_has_no_place_for_the_portal(self) -> None:
        desk_alone: tuple[Part, ...] = ("desk",)
        said = statements(Roles("s", "d", "p", "o", "t"), desk_alone, "desk", "public").owners
        assert not [line for line in said if line.startswith("GRANT") and line.endswith('TO "p"')]
        assert any("DEFAULT PRIVILEGES" in line and line.endswith('TO "d"') for line in said)

    def test_the_owner_of_the_tables_is_refused_as_a_role(self, manned: Manned) -> None:
        owner = make_url(manned.world.url).username
        assert owner
        with pytest.raises(StoreError, match="owns the tables"):
            apply(manned.world.url, replace(manned.roles, portal=owner), ("marks", "desk"))

    def test_a_role_that_is_not_there_is_reported_with_the_fix(self, manned: Manned) -> None:
        with pytest.raises(StoreError, match='CREATE ROLE "nobody" LOGIN'):
            apply(
                manned.world.url,
                Roles(manned.roles.sync, manned.roles.desk, "nobody", manned.roles.operator, manned.roles.students),
                ("marks", "desk"),
            )


class TestTheCommand:
    @pytest.fixture
    def said(self, manned: Manned, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
        """Run `db roles` on this world, with its roles."""
        monkeypatch.setenv("STATUS_URL", manned.world.url)
        named = [word for name in fields(Roles) for word in (f"--{name.name}", getattr(manned.roles, name.name))]

        def say(*words: str, code: int = 0) -> str:
            result = CliRunner().invoke(
                command_line, ["--config", str(manned.world.file), "db", "roles", *named, *words], env=dict(os.environ)
            )
            assert result.exit_code == code, result.output
            return result.output

        return say

    def test_what_it_prints_is_what_it_runs(self, manned: Manned, said: Callable[..., str]) -> None:
        before = _everything_granted(manned)
        printed = [line for line in said("--print").splitlines() if not line.startswith("--")]
        with manned.world.engine.begin() as connection:
            for name in manned.roles.names():
                connection.exec_driver_sql(f'REVOKE ALL ON ALL TABLES IN SCHEMA public FROM "{name}"')
        assert _everything_granted(manned) != before
        with manned.world.engine.begin() as connection:
            for line in printed:
                connection.exec_driver_sql(line.removesuffix(";"))
        assert _everything_granted(manned) == before

    def test_it_reports_how_many_it_ran(self, said: Callable[..., str]) -> None:
        assert re.search(r"clearance_\w+: \d+ statements run", said())


def test_on_sqlite_it_reports_that_there_are_no_roles(sqlite_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATUS_URL", sqlite_world.url)
    result = CliRunner().invoke(command_line, ["--config", str(sqlite_world.file), "db", "roles"])
    assert result.exit_code == 1
    assert "Only PostgreSQL has roles" in result.output


def _rights(manned: Manned, among: list[Table], role: str) -> set[str]:
    """Return what a role may do with any of these tables, as the server reports."""
    kinds = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")
    with manned.world.engine.connect() as connection:
        return {
            kind
            for table in among
            for kind in kinds
            if connection.execute(
                text("SELECT has_any_column_privilege(:role, :name, :kind)")
                if kind in ("SELECT", "INSERT", "UPDATE", "REFERENCES")
                else text("SELECT has_table_privilege(:role, :name, :kind)"),
                {"role": role, "name": f'"{table.name}"', "kind": kind},
            ).scalar_one()
        }


def _everything_granted(manned: Manned) -> list[tuple[Any, ...]]:
    """Return every right there is in this database, as the server keeps them."""

    def listed(connection: Connection, query: str) -> list[tuple[Any, ...]]:
        return [tuple(map(str, row)) for row in connection.execute(text(query))]

    with manned.world.engine.connect() as connection:
        return sorted(
            listed(
                connection,
                "SELECT c.relname, a.grantee::regrole, a.privilege_type FROM pg_class c, aclexplode(c.relacl) a "
                "WHERE c.relnamespace = 'public'::regnamespace AND a.grantee <> 0",
            )
            + listed(
                connection,
                "SELECT d.defaclobjtype, a.grantee::regrole, a.privilege_type FROM pg_default_acl d, "
                "aclexplode(d.defaclacl) a WHERE a.grantee <> 0",
            )
        )
