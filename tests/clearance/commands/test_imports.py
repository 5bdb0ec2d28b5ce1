"""Importing on the command line: the same rows, the same check and the same word as on the desk's pages."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from typer.testing import CliRunner

from clearance.main import app as command_line
from portal.desk.imports.results import COLUMNS
from status_db.accounts.accounts import Act, Grant
from status_db.accounts.audit_log import Audit, AuditEvent
from status_db.model import Verdict
from tests.cast import LEAVING, LI, LIN, QIAN, SUN, Person
from tests.clearance.files.test_sheets import book
from tests.portal.conftest import settle
from tests.status_db.decisions.test_batches import decided
from tests.sync.verify.test_report import verified
from tests.world import COHORT, World

HEAD = [words[0] for words in COLUMNS.values()]
FILE = "结果.xlsx"
WRONG = [LI.number, "李伟", "通过", "赔书"]


@pytest.fixture
def university(sqlite_world: World) -> World:
    """The cast's university, synced, everybody with an account."""
    return settle(sqlite_world)


@pytest.fixture
def run(university: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Run a command in this world, at its time, and expect its exit code."""
    monkeypatch.setenv("STATUS_URL", university.url)
    monkeypatch.setattr("clearance.context.clock_of", lambda _settings: university.clock)
    monkeypatch.chdir(tmp_path)

    def say(*words: str, code: int = 0) -> str:
        result = CliRunner().invoke(command_line, ["--config", str(university.file), "import", *words])
        assert result.exit_code == code, result.output
        return result.output

    return say


def write(*rows: Sequence[str]) -> None:
    """Write the sheet that the command is to read."""
    Path(FILE).write_bytes(book(HEAD, *rows))


def row(person: Person, result: str = "通过", reason: str = "现场归还") -> list[str]:
    return [person.number, person.name, result, reason if result else ""]


def results(*more: str) -> tuple[str, ...]:
    return ("results", FILE, "--step", "library", "--as", "librarian", *more)


def verdict(world: World, person: Person) -> Verdict:
    return world.verdict(person.number, "library")


def test_what_it_would_do_is_shown_and_nothing_is_entered(university: World, run: Callable[..., str]) -> None:
    decided(university, QIAN, Verdict.HELD)
    write(row(LIN), row(QIAN), row(SUN, ""), WRONG)
    said = run(*results("--dry-run"), code=3)
    assert "This number belongs to “李维”, but the sheet has “李伟”. Check the number and the name." in said
    assert "Not cleared, 赔书, somebody" in said
    assert "4 rows: 1 new, 0 same, 1 conflict, 1 blank, 1 wrong" in said
    assert verdict(university, LIN) is Verdict.HELD
    write(row(LIN, ""))
    assert "1 blank" in run(*results("--dry-run"))


def test_it_enters_the_rows_and_reports_how_to_take_them_back(university: World, run: Callable[..., str]) -> None:
    write(row(LIN))
    said = run(*results("--title", "六月第一批"))
    assert "batch 1: 1 decisions on library are entered" in said
    assert "clearance import undo 1 --as librarian" in said
    assert verdict(university, LIN) is Verdict.CLEARED
    line = Audit(university.desk).newest(1)[0]
    assert (line.event, line.account, line.address) == (AuditEvent.IMPORTED, "librarian", "command line")
    assert "六月第一批" in run("list")
    assert "no row changes anything" in run(*results(), code=1)
    assert verified(university).sound


def test_wrong_rows_and_conflicts_wait_for_the_operators_word(university: World, run: Callable[..., str]) -> None:
    decided(university, QIAN, Verdict.HELD)
    write(row(LIN), row(QIAN), WRONG)
    assert "--without-wrong" in run(*results(), code=1)
    assert verdict(university, LIN) is Verdict.HELD
    run(*results("--without-wrong"))
    assert (verdict(university, LIN), verdict(university, QIAN)) == (Verdict.CLEARED, Verdict.HELD)
    assert "--with-conflicts" in run(*results("--without-wrong"), code=1)
    run(*results("--without-wrong", "--with-conflicts"))
    assert verdict(university, QIAN) is Verdict.CLEARED


def test_a_batch_is_taken_back_with_a_reason(university: World, run: Callable[..., str]) -> None:
    write(row(LIN), row(QIAN, "不通过"))
    run(*results())
    university.later(minutes=1)
    assert "needs a reason" in run("undo", "1", "--as", "librarian", "--reason", " ", code=1)
    assert "2 decisions are withdrawn" in run("undo", "1", "--as", "librarian", "--reason", "传错了表")
    assert (verdict(university, LIN), verdict(university, QIAN)) == (Verdict.HELD, Verdict.CLEARED)
    assert "already withdrew" in run("undo", "1", "--as", "librarian", "--reason", "传错了表", code=1)
    assert "no batch 9" in run("undo", "9", "--as", "librarian", "--reason", "传错了表", code=1)
    assert Audit(university.desk).newest(1)[0].event is AuditEvent.IMPORT_UNDONE


def test_only_a_grant_to_decide_the_step_lets_in_and_only_inside_its_scope(
    university: World, run: Callable[..., str]
) -> None:
    write(row(LIN), row(QIAN))
    for who, says in (("dean", "has no grant to decide library"), ("nobody-here", "no active account")):
        assert says in run("results", FILE, "--step", "library", "--as", who, code=1)
    assert "is a review" in run("results", FILE, "--step", "final_review", "--as", "librarian", code=1)
    run("results", FILE, "--step", "nowhere", "--as", "librarian", code=2)
    inside = (Grant(Act.DECIDE, "library", {"college": (QIAN.college,)}),)
    university.accounts.add("narrow", "narrow", None, grants=inside, now=university.now)
    said = run("results", FILE, "--step", "library", "--as", "narrow", code=1)
    assert "This student number is not on the roster or not in your scope" in said
    assert LIN.class_name not in said
    run(*results())
    assert "is not allowed to decide about" in run("undo", "1", "--as", "narrow", "--reason", "x", code=1)


def test_a_template_comes_back_filled_in(university: World, run: Callable[..., str]) -> None:
    said = run("template", FILE, "--step", "library", "--as", "librarian")
    assert f"{len(LEAVING)} students are in" in said
    made = openpyxl.load_workbook(FILE)
    for line in made.worksheets[0].iter_rows(min_row=2):
        if line[0].value == LIN.number:
            line[4].value, line[5].value = "通过", "赔书"
    made.save(FILE)
    assert "1 new, 0 same, 0 conflict, 4 blank, 0 wrong" in run(*results())
    assert verdict(university, LIN) is Verdict.CLEARED
    assert "2 students" in run("template", FILE, "--step", "library", "--as", "librarian", "--class", QIAN.class_name)
    refused = run("template", FILE, "--step", "library", "--as", "librarian", "--class", "x", code=1)
    assert "no student of this selection" in refused


def test_what_is_no_sheet_ends_with_the_fix(run: Callable[..., str]) -> None:
    Path(FILE).write_bytes(b"\xd0\xcf\x11\xe0" + bytes(600))
    assert "另存为 .xlsx" in run(*results(), code=1)
    Path(FILE).write_bytes(book(["姓名"], ["林小满"]))
    assert "Use the template" in run(*results(), code=1)


def test_programs_read_every_row(university: World, run: Callable[..., str]) -> None:
    write(row(LIN), WRONG)
    told: dict[str, Any] = json.loads(run(*results("--json", "--without-wrong")))
    assert told["batch"]["counts"] == {"new": 1, "wrong": 1, "entered": 1}
    assert [(one["row"]["kind"], bool(one["why"])) for one in told["rows"]] == [("new", False), ("wrong", True)]
    (listed,) = json.loads(run("list", "--json"))
    assert (listed["id"], listed["title"]) == (1, FILE)
    assert university.reader.decisions(COHORT)[0].author == "librarian"
