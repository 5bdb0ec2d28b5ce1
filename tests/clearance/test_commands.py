"""The command line as people and scripts use it: real processes on a copy of the demo."""

import re
import signal
import socket
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest

from config.tables.retention import RULES
from demo.story import notable
from status_db.accounts.audit_log import Audit, AuditEvent
from status_db.store.engine import open_reading
from tests.patience import PATIENCE
from tests.services.university import University, free_port

HELD = notable(2019)[0][0]
COMMUTER = notable(2019)[2][0]
STAYS = notable(2019)[4][0]


def step(university: University, number: str, key: str) -> dict[str, Any]:
    """Return one step's standing."""
    said = university.json("status", number)["standings"]
    found: dict[str, Any] = next(s for s in said if s["step"]["step"] == key)
    return found


class TestReading:
    def test_status_states_what_is_owed_and_as_of_when(self, university: University) -> None:
        # On a narrow terminal the cells are folded.
        said = university.run("status", HELD)
        assert "held" in said
        assert "逾期滞纳金 ¥" in said
        assert "due 2019-" in said

    def test_status_of_who_stays_reports_it(self, university: University) -> None:
        assert "not leaving with this cohort" in university.run("status", STAYS)

    def test_status_of_an_unknown_student_shows_where_to_look(self, university: University) -> None:
        assert "Check the number" in university.run("status", "20990001", code=1)

    def test_a_number_is_read_however_it_is_typed(self, university: University) -> None:
        assert HELD in university.run("status", f" {HELD} ")

    def test_sources_shows_each_with_its_last_run(self, university: University) -> None:
        found = university.json("sources")
        assert [s["source"]["source"] for s in found] == ["roster", "loans", "fines", "textbooks", "fees", "checkouts"]
        assert not any(s["stale"] for s in found)
        assert "applied" in university.run("sources")

    def test_runs_are_listed_and_shown_with_proofs(self, university: University) -> None:
        runs = university.json("runs", "list")
        assert [r["source"] for r in runs] == ["checkouts", "fees", "textbooks", "fines", "loans", "roster"]
        said = university.run("runs", "show", str(runs[-2]["run"]))
        assert "proof total_agrees" in said
        assert "unknown" in said
        assert "clearance runs list" in university.run("runs", "show", "999", code=1)

    def test_unmatched_rows_are_listed_by_key(self, university: University) -> None:
        assert university.json("unmatched", "--source", "loans")
        assert "loans" in university.run("unmatched")

    def test_check_shows_columns_and_a_row_of_each(self, university: University) -> None:
        said = university.run("check")
        # The roster, five sources, and the accounts, of which most colleges have too few reviewers.
        assert said.count("answers") == 7
        assert "cardnumber" in said
        assert "first row" in said

    def test_plan_reports_that_nothing_would_change_when_nothing_would(self, university: University) -> None:
        assert university.run("plan").count("nothing would change") == 6

    def test_help_reports_the_exit_codes(self, university: University) -> None:
        said = " ".join(university.run("--help").split())
        for word in (
            "0 ok",
            "1 error",
            "2 usage",
            "3 changes pending",
            "4 suspended",
            "5 source unavailable or refused",
        ):
            assert word in said


class TestOneStudent:
    def test_a_recheck_asks_about_them_alone(self, university: University) -> None:
        outcomes = university.json("sync", "--student", HELD)
        assert {o["source"] for o in outcomes} == {"loans", "fines", "textbooks", "fees", "checkouts"}
        assert {o["state"] for o in outcomes} == {"unchanged"}

    def test_of_no_one_it_reports_it(self, university: University) -> None:
        assert "Check the number" in university.run("sync", "--student", "20990001", code=1)


class TestDeciding:
    def test_an_operator_needs_a_grant(self, university: University) -> None:
        said = university.run(
            "override", "set", HELD, "finance", "cleared", "--as", "librarian", "--reason", "缓交批准", code=1
        )
        assert "no grant to decide finance" in said
        assert "no active account" in university.run(
            "override", "set", HELD, "library", "cleared", "--as", "ghost", "--reason", "赔书", code=1
        )

    def test_a_reason_is_one_of_the_steps_list(self, university: University) -> None:
        said = university.run(
            "override", "set", HELD, "library", "cleared", "--as", "librarian", "--reason", "x", code=1
        )
        assert "Choose one of: 现场归还, 赔书, 数据有误" in said

    def test_a_verdict_is_one_of_ours(self, university: University) -> None:
        university.run("override", "set", HELD, "library", "maybe", "--as", "librarian", "--reason", "赔书", code=2)

    def test_a_decision_is_listed_withdrawn_and_still_listed(self, university: University) -> None:
        university.run("override", "set", HELD, "library", "exempt", "--as", "librarian", "--reason", "数据有误")
        assert step(university, HELD, "library")["standing"]["verdict"] == "exempt"
        university.run("override", "withdraw", HELD, "library", "--as", "librarian")
        (decision,) = university.json("override", "list", HELD)
        assert decision["withdrawn_by"] == "librarian"
        assert "nothing" not in university.run("override", "list")
        assert "no decision" in university.run("override", "withdraw", HELD, "library", "--as", "librarian", code=1)

    def test_an_end_date_is_on_the_institutions_clocks(self, university: University) -> None:
        university.run(
            "override",
            "set",
            HELD,
            "library",
            "cleared",
            "--as",
            "librarian",
            "--reason",
            "赔书",
            "--until",
            "2099-06-30",
        )
        assert university.json("override", "list", HELD)[0]["until"].startswith("2099-06-29T16:00")

    def test_what_was_decided_on_paper_is_entered_with_all_that_is_there_and_noted(
        self, university: University
    ) -> None:
        university.run(
            "override", "set", HELD, "library", "cleared", "--as", "librarian", "--reason", "赔书",
            "--file", "图借7号", "--condition", "月底前补齐", "--decided-at", "2019-05-01T09:30", "--sheet", "P-12",
        )  # fmt: skip
        (decision,) = university.json("override", "list", HELD)
        assert (decision["file_number"], decision["condition"]) == ("图借7号", "月底前补齐")
        assert (decision["sheet"], decision["decided_at"][:16]) == ("P-12", "2019-05-01T01:30")
        engine = open_reading(f"sqlite:///{university.folder / '.demo' / 'clearance-desk.db'}")
        (line,) = Audit(engine).newest(1, event=AuditEvent.DECIDED)
        engine.dispose()
        assert (line.account, line.student, line.address) == ("librarian", HELD, "command line")
        assert line.detail["decision"] == decision["id"]
        said = university.run(
            "override", "set", HELD, "library", "held", "--as", "librarian", "--reason", "赔书",
            "--condition", "月底前补齐", code=1,
        )  # fmt: skip
        assert "only a pass can have a condition" in said


class TestAccounts:
    def test_one_is_made_with_a_grant_and_a_scope(self, university: University) -> None:
        said = university.run(
            "accounts",
            "add",
            "li.laoshi",
            "--name",
            "李老师",
            "--grant",
            "read:*:college=资源学院",
            "--grant",
            "decide:library",
        )
        assert "one-time code, shown only once" in said
        listed = {a["account"]: a for a in university.json("accounts", "list")}
        grants = [{key: g[key] for key in ("act", "step", "scope", "cohort")} for g in listed["li.laoshi"]["grants"]]
        assert grants == [
            {"act": "read", "step": None, "scope": {"college": ["资源学院"]}, "cohort": None},
            {"act": "decide", "step": "library", "scope": {}, "cohort": None},
        ]
        assert "Choose another name" in university.run("accounts", "add", "li.laoshi", "--name", "x", code=1)

    def test_what_makes_no_sense_is_refused(self, university: University) -> None:
        university.run("accounts", "add", "x", "--name", "x", "--grant", "own", code=2)
        assert "a scope cannot name" in university.run(
            "accounts", "add", "x", "--name", "x", "--grant", "read:*:shoe=42", code=2
        )


class TestServices:
    def test_pages_are_served_until_asked_to_stop(self, university: University) -> None:
        port = free_port()
        process = university.start("serve", "--port", str(port))
        try:
            assert b'"ok":true' in asked(f"http://127.0.0.1:{port}/healthz")
            assert "登录" in asked(f"http://127.0.0.1:{port}/").decode()
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=PATIENCE)

    def test_the_desk_is_served_in_a_process_of_its_own(self, university: University) -> None:
        port = free_port()
        process = university.start("serve", "desk", "--port", str(port))
        try:
            assert "登录" in asked(f"http://127.0.0.1:{port}/desk").decode()
            assert "登录" in asked(f"http://127.0.0.1:{port}/overview").decode()
            with pytest.raises(HTTPError, match="404"):
                asked(f"http://127.0.0.1:{port}/slip")
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=PATIENCE)

    def test_pages_alone_have_no_desk_and_need_no_key_of_the_ledger(self, university: University) -> None:
        (university.folder / ".demo" / "ledger.key").unlink()
        port = free_port()
        process = university.start("serve", "pages", "--port", str(port))
        try:
            assert "登录" in asked(f"http://127.0.0.1:{port}/slip").decode()
            for path in ("/desk", "/overview"):
                with pytest.raises(HTTPError, match="404"):
                    asked(f"http://127.0.0.1:{port}{path}")
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=PATIENCE)
        assert not (university.folder / ".demo" / "ledger.key").exists()

    def test_a_desk_that_is_switched_off_is_not_served(self, university: University) -> None:
        said = university.run("serve", "desk", code=1, CLEARANCE__DESK__ENABLED="false")
        assert "clearance serve pages" in said

    def test_a_port_that_is_taken_is_reported_with_the_fix(self, university: University) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = str(taken.getsockname()[1])
            said = university.run("serve", "--port", port, code=1)
        assert "Choose another port" in said
        assert "Traceback" not in said

    def test_the_schedule_catches_up_at_its_start_and_ends_in_order(self, university: University) -> None:
        university.run("demo", "advance")
        process = university.start("schedule", CLEARANCE__LOG__FORMAT="json")
        deadline = time.monotonic() + PATIENCE
        while len([r for r in university.json("runs", "list") if r["by"] == "schedule" and r["ended"]]) < 6:
            assert time.monotonic() < deadline
        while len(university.json("retention", "--history")["runs"]) < len(RULES):
            assert time.monotonic() < deadline
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, err
        assert {run["by"] for run in university.json("retention", "--history")["runs"]} == {"schedule"}
        assert '"event": "schedule started"' in err
        assert '"event": "schedule stopped"' in err
        slots = [r["slot"] for r in university.json("runs", "list") if r["by"] == "schedule"]
        assert all(slots)

    def test_a_second_schedule_runs_no_slot_again(self, university: University) -> None:
        for _ in range(2):
            process = university.start("schedule")
            deadline = time.monotonic() + PATIENCE
            while True:
                runs = [r for r in university.json("runs", "list") if r["by"] == "schedule" and r["ended"]]
                if len(runs) >= 6:
                    break
                assert time.monotonic() < deadline
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=PATIENCE)
        runs = [r for r in university.json("runs", "list", "--limit", "100") if r["by"] == "schedule"]
        keys = [(r["source"], r["slot"]) for r in runs]
        assert len(keys) == len(set(keys))

    def test_db_upgrade_may_be_run_again(self, university: University) -> None:
        assert re.search(r"marks: at \d{4}\n", university.run("db", "upgrade"))


def asked(url: str) -> bytes:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
                body: bytes = answer.read()
                return body
        except HTTPError:
            # It answers; so nothing is left to wait for.
            raise
        except urllib.error.URLError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["sync", "--nonsense"], ["sync", "nonsense"], ["runs", "show", "x"], []]
)
def test_a_command_line_that_makes_no_sense_is_exit_code_2(university: University, arguments: list[str]) -> None:
    university.run(*arguments, code=2)


def test_without_a_settings_file_it_explains_how_to_name_one(tmp_path: Path) -> None:
    university = University(tmp_path)
    university.config.unlink()
    assert "--config" in university.run("sources", code=1)


def test_without_tables_it_explains_how_to_make_them(tmp_path: Path) -> None:
    university = University(tmp_path)
    university.offices.write(0)
    assert "clearance db upgrade" in university.run("sources", code=1)
    university.run("db", "upgrade")
    university.run("sources")


def test_a_cohort_that_is_not_there_is_named(university: University) -> None:
    assert "write one of 2019" in university.run("--cohort", "2018", "sources", code=1)
