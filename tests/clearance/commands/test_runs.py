"""What people say about runs that wait, and expected changes, by the real command on a copy of the demo."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from openpyxl import load_workbook

from demo.story import notable
from tests.services.university import University

HELD = notable(2019)[0][0]


@pytest.fixture
def waiting(university: University) -> str:
    """The number of a run that waits: the library's program has lost every loan."""
    change(university.offices.folder / "library.sqlite", "DELETE FROM issues")
    (outcome,) = university.json("sync", "loans", code=4)
    return str(outcome["run"])


def change(file: Path, statement: str) -> None:
    """Change a database past its own program."""
    with closing(sqlite3.connect(file)) as database:
        database.execute(statement)
        database.commit()


def state_of(university: University, run: str) -> str:
    """Return the state of a run."""
    return next(str(r["state"]) for r in university.json("runs", "list") if str(r["run"]) == run)


def asks_for(university: University, key: str) -> None:
    """Have approvals of the library's loans need more."""
    text = university.config.read_text(encoding="utf-8")
    before, after = text.split("[source.loans]", 1)
    changed = after.replace("guard = {", f"guard = {{ {key} = true,", 1)
    university.config.write_text(f"{before}[source.loans]{changed}", encoding="utf-8")


class TestWhatWaits:
    def test_it_is_shown_with_its_cause_by_college_and_with_the_ways_out(
        self, university: University, waiting: str
    ) -> None:
        said = university.run("runs", "show", waiting)
        assert "because: no rows at all" in said
        assert "资源学院" in said
        assert f"clearance runs approve {waiting}" in said
        assert f"clearance runs spot-check {waiting} --xlsx FILE" in said

    def test_a_spot_check_is_a_list_and_a_workbook_with_the_same_students(
        self, university: University, waiting: str, tmp_path: Path
    ) -> None:
        listed: list[dict[str, Any]] = university.json("runs", "spot-check", waiting)
        assert len(listed) == 10
        file = tmp_path / "spot-check.xlsx"
        assert str(file) in university.run("runs", "spot-check", waiting, "--xlsx", str(file)).replace("\n", "")
        sheet = load_workbook(file).worksheets[0]
        numbers = [row[0] for row in sheet.iter_rows(min_row=4, max_row=13, values_only=True)]
        assert numbers == [each["student"] for each in listed]
        assert "same in system (✓/✗)" in str(sheet.cell(3, 7).value)

    def test_approved_it_is_applied(self, university: University, waiting: str) -> None:
        university.run("runs", "approve", waiting)
        assert state_of(university, waiting) == "applied"

    def test_approved_by_mistake_it_is_taken_back_in_a_run_that_the_guard_judges(
        self, university: University, waiting: str
    ) -> None:
        held = university.json("status", HELD)["standings"]
        university.run("runs", "approve", waiting)
        said = university.run("runs", "revert", waiting, "--dry-run")
        assert f"revert of run {waiting} of loans" in said
        assert "the guard would suspend this" in said
        assert "The next pull of loans applies as usual" in said
        planned = university.json("runs", "revert", waiting, "--dry-run")
        assert planned["plan"]["counts"]["newly_held"] > 500
        assert university.json("status", HELD)["standings"] != held, "a plan changes nothing"
        assert "give a reason with --reason" in university.run("runs", "revert", waiting, code=2)
        said = university.run("runs", "revert", waiting, "--reason", "视图漏了一半", "--as", "admin", code=4)
        (back,) = re.findall(r"`clearance runs approve (\d+)`", said)
        assert "because: 视图漏了一半" in university.run("runs", "show", back)
        university.run("runs", "approve", back)
        after = university.json("status", HELD)["standings"]
        assert [s["standing"]["verdict"] for s in after] == [s["standing"]["verdict"] for s in held]
        university.run("verify")

    def test_what_was_never_approved_cannot_be_taken_back(self, university: University, waiting: str) -> None:
        unchanged = university.run("runs", "revert", waiting, "--reason", "x", code=1)
        assert "it made no change to revert" in unchanged
        assert "there is no run 999" in university.run("runs", "revert", "999", "--dry-run", code=1)
        university.run("demo", "advance")
        unapproved = str(university.json("sync", "textbooks")[0]["run"])
        assert "only a run of a source that was approved" in university.run(
            "runs", "revert", unapproved, "--dry-run", code=1
        )
        assert "have the registrar correct the list" in university.run("runs", "revert", "1", "--dry-run", code=1)

    def test_the_unmatched_rows_are_shown_and_are_a_sheet_of_the_workbook(
        self, university: University, waiting: str, tmp_path: Path
    ) -> None:
        university.run("runs", "reject", waiting, "--reason", "系统故障")
        library = university.offices.folder / "library.sqlite"
        change(library, "UPDATE borrowers SET cardnumber = 'LIB[/b]7' WHERE borrowernumber = 4300")
        change(library, "INSERT INTO issues VALUES (90001, 4300, 1, '2019-04-01', '2019-06-01')")
        (outcome,) = university.json("sync", "loans", code=4)
        run = str(outcome["run"])
        said = university.run("runs", "show", run)
        assert "rows not matched to the roster" in said
        assert "LIB[/B]7" in said
        file = tmp_path / "spot-check.xlsx"
        university.run("runs", "spot-check", run, "--xlsx", str(file))
        sheet = load_workbook(file)["unmatched"]
        assert "LIB[/B]7" in [row[0] for row in sheet.iter_rows(min_row=4, values_only=True)]
        waits = university.json("runs", "show", run)["waits"]
        assert waits["unmatched"][0]["key"] == "LIB[/B]7"
        assert waits["unmatched_count"] == 1

    def test_rejected_it_is_closed_for_good(self, university: University, waiting: str) -> None:
        before = university.json("status", HELD)["standings"]
        university.run("runs", "reject", waiting, "--reason", "系统故障")
        assert state_of(university, waiting) == "rejected"
        assert university.json("status", HELD)["standings"] == before
        assert f"run {waiting} is rejected" in university.run("runs", "approve", waiting, code=1)

    def test_a_run_that_does_not_wait_shows_where_to_look(self, university: University) -> None:
        assert "clearance runs list" in university.run("runs", "approve", "999", code=1)
        assert "needs no approval" in university.run("runs", "spot-check", "1", code=1)


class TestTheOfficesWord:
    def test_it_is_noted_and_shown_and_approves_nothing(self, university: University, waiting: str) -> None:
        university.run("runs", "confirm", waiting, "--as", "librarian", "--reason", "抽查10人")
        said = university.run("runs", "show", waiting)
        assert "librarian: confirmed" in said
        assert "抽查10人" in said
        assert state_of(university, waiting) == "suspended"

    def test_where_it_must_come_first_an_approval_alone_is_only_noted(
        self, university: University, waiting: str
    ) -> None:
        asks_for(university, "office_first")
        said = university.run("runs", "approve", waiting, "--as", "admin")
        assert f"clearance runs confirm {waiting} --as OPERATOR" in said
        university.run("runs", "confirm", waiting, "--as", "librarian")
        university.run("runs", "approve", waiting, "--as", "admin")
        assert state_of(university, waiting) == "applied"

    def test_it_takes_a_grant_for_the_step_and_an_active_account(self, university: University, waiting: str) -> None:
        assert "no grant to decide library" in university.run("runs", "confirm", waiting, "--as", "dean", code=1)
        assert "no active account" in university.run("runs", "confirm", waiting, "--as", "ghost", code=1)
        desk = university.folder / ".demo" / "clearance-desk.db"
        change(desk, "UPDATE account SET active = 0 WHERE account = 'librarian'")
        assert "no active account" in university.run("runs", "confirm", waiting, "--as", "librarian", code=1)


def test_where_two_must_approve_the_same_person_twice_is_one(university: University, waiting: str) -> None:
    asks_for(university, "two_approve")
    for _ in range(2):
        assert "A second person" in university.run("runs", "approve", waiting, "--as", "admin")
        assert state_of(university, waiting) == "suspended"
    university.run("runs", "approve", waiting, "--as", "head")
    assert state_of(university, waiting) == "applied"


class TestWaves:
    def test_what_was_announced_passes_and_what_was_withdrawn_waits(self, university: University) -> None:
        # What is announced is whom it releases; that the rows fall is judged all the same, but for this library.
        text = university.config.read_text(encoding="utf-8")
        before, after = text.split("[source.loans]", 1)
        after = after.replace("guard = {", "guard = { rows_fall_percent = 100,", 1)
        university.config.write_text(f"{before}[source.loans]{after}", encoding="utf-8")
        library = university.offices.folder / "library.sqlite"
        change(library, "DELETE FROM issues WHERE issue_id % 5 > 0")
        university.json("sync", "loans", code=4)
        university.run("expect", "announce", "loans", "cleared", "--most", "3000", "--until", "2099-06-06")
        (expected_change,) = university.json("expect", "list")
        assert (expected_change["source"], expected_change["towards"], expected_change["most"]) == (
            "loans",
            "cleared",
            3000,
        )
        (outcome,) = university.json("sync", "loans")
        assert outcome["state"] == "applied"
        university.run("expect", "withdraw", str(expected_change["id"]))
        change(library, "DELETE FROM issues WHERE issue_id % 20 > 0")
        university.json("sync", "loans", code=4)

    def test_an_expected_change_is_of_a_source_that_there_is(self, university: University) -> None:
        said = university.run("expect", "announce", "gym", "cleared", "--most", "9", "--until", "2099-06-06", code=2)
        assert "loans" in said
        assert "clearance expect list" in university.run("expect", "withdraw", "7", code=1)
