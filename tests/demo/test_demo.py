"""The demo as a newcomer runs it: real processes, real offices, the ordinary command."""

import signal
import sqlite3
import subprocess
import time
import urllib.request
from collections import Counter
from contextlib import closing, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from clearance.demo_university.people import PASSWORD
from clearance.services import Program
from clearance.settings_file import load_settings
from demo.story import LIBRARY_SHARE, Debt, Life, Loan, lives, notable
from demo.university import GRADUATES
from status_db import tables
from status_db.effective.step_status import freshness, steps_of_many
from status_db.inbox.requests import RequestOutcome, Requests
from tests.demo import by_hand
from tests.patience import PATIENCE
from tests.services.university import ROOT, University, free_port

COUNTED = ("library", "textbook", "finance", "dorm")


def stands(university: University, monkeypatch: pytest.MonkeyPatch) -> dict[tuple[str, str], str]:
    """Return what the program's marks say counts, for every student and synced step."""
    for name, value in university.environ.items():
        monkeypatch.setenv(name, value)
    with closing(Program(load_settings(university.config), "2019")) as program, program.writing.connect() as connection:
        now, settings = program.clock(), program.settings
        person = tables.student
        listed = connection.execute(select(person.c.student, person.c.flow).where(person.c.active)).all()
        flows = {row.student: flow for row in listed if (flow := settings.flow_named(row.flow))}
        everybody = steps_of_many(connection, "2019", flows, freshness(connection, settings, "2019"), now)
        # What one student's page says is what all of them together say; so it is asked about some.
        for number in sorted(flows)[::200]:
            view = program.reader.student("2019", number, now)
            assert view
            assert [(s.step, s.at(now)) for s in view.steps] == [(s.step, s.at(now)) for s in everybody[number]]
    return {(n, s.step): s.at(now).verdict.value for n, steps in everybody.items() for s in steps if s.step in COUNTED}


def stored(university: University, monkeypatch: pytest.MonkeyPatch) -> dict[tuple[str, str], str]:
    """Return the findings as they lie in the status database, whichever it is."""
    for name, value in university.environ.items():
        monkeypatch.setenv(name, value)
    with closing(Program(load_settings(university.config), "2019")) as program, program.writing.connect() as connection:
        rows = connection.execute(select(tables.status.c.student, tables.status.c.step, tables.status.c.verdict))
        return {(row.student, row.step): row.verdict for row in rows}


def marks(university: University) -> list[tuple[Any, ...]]:
    """Return every finding and record as stored, to see that nothing has changed."""
    with closing(sqlite3.connect(university.folder / ".demo" / "clearance.db")) as database:
        findings = database.execute("SELECT student, step, verdict, reason, since FROM status ORDER BY 1, 2").fetchall()
        records = database.execute("SELECT source, student, digest, run FROM record ORDER BY 1, 2").fetchall()
    return [*findings, *records]


class TestTheDemo:
    def test_it_reports_who_is_where_what_it_cost_and_whom_to_sign_in_as(self, tmp_path: Path) -> None:
        with University(tmp_path) as university:
            said = university.run_apart("demo", "--once", "--finance-port", str(university.port))
            assert "4,215 students of 2019" in said
            assert "synced in" in said
            assert PASSWORD in said
            assert "dean" in said
            again = university.run_apart("demo", "--once", "--finance-port", str(university.port))
            assert again.count("unchanged") == 6

    def test_its_shares_on_the_first_day_are_those_of_the_facts(
        self, university: University, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        found = stands(university, monkeypatch)
        counts = Counter((step, verdict) for (_, step), verdict in found.items())
        assert sum(counts["library", v] for v in ("held", "cleared")) == GRADUATES
        assert counts["library", "held"] == round(GRADUATES * LIBRARY_SHARE)
        assert counts["finance", "held"] == 198
        assert counts["dorm", "held"] > GRADUATES * 0.9

    def test_every_one_of_4215_students_has_the_status_worked_out_by_hand(
        self, university: University, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for day in (0, 3, 11):
            if day:
                university.run("demo", "advance", "--days", str(day - (university.offices.day() or 0)))
                # So many days at once are more than the guard lets pass unseen.
                for outcome in university.json("sync", code=4 if day > 5 else 0):
                    if outcome["state"] == "suspended":
                        university.run("runs", "approve", str(outcome["run"]))
            worked_out = by_hand.verdicts(university.offices.folder, university.port)
            assert len({student for student, _ in worked_out}) >= GRADUATES - 2
            assert stands(university, monkeypatch) == worked_out

    def test_the_plan_after_a_day_prints_the_very_flips_that_the_sync_then_makes(self, university: University) -> None:
        university.run("demo", "advance")
        planned = university.json("plan", code=3)
        outcomes = university.json("sync")
        for preview, outcome in zip(planned, outcomes, strict=True):
            assert outcome["flips"] == preview["flips"], preview["source"]
        made = {(f["student"], f["step"], f["before"], f["after"]) for p in planned for f in p["flips"]}
        assert made
        stored = {
            (f["student"], f["step"], f["before"], f["after"])
            for outcome in outcomes
            for f in university.json("runs", "show", str(outcome["run"]))["flips"]
        }
        assert stored == made

    def test_each_first_answer_is_approved_visibly(self, tmp_path: Path) -> None:
        with University(tmp_path) as university:
            said = university.run_apart("demo", "--once", "--finance-port", str(university.port))
            assert "The demo's administrator approved: loans (run 2), fines (run 3)" in " ".join(said.split())
            shown = university.json("runs", "show", "2")
            assert [vote["author"] for vote in shown["opinions"]] == ["admin"]

    def test_days_pass_up_to_a_date_with_the_work_of_the_colleges(self, university: University) -> None:
        said = university.run("demo", "advance", "--to", "2019-05-27", "--finance-port", str(university.port))
        assert "2019-05-26: reading rooms cleared" in said
        assert "4,215 students of 2019" in said
        assert university.offices.day() == 2
        # Two students have their first results on the first day, from the reading room of their own college.
        first = {each["student"] for each in university.json("override", "list") if each["author"] == "college"}
        assert len(first) == 2
        leaving = [life for life in lives(2019) if life.student.leaving and life.student.number not in first]
        waiting = sum(life.reading_room_on > 2 for life in leaving)
        (items,) = [line.split() for line in said.splitlines() if line.startswith("college_items")]
        assert {f"{waiting:,}", f"{GRADUATES - waiting:,}"} <= set(items)

    @pytest.mark.parametrize("day", ["2019-05-25", "2019-07-01", "tomorrow"])
    def test_a_day_that_the_story_does_not_have_is_refused_and_nothing_moves(
        self, university: University, day: str
    ) -> None:
        said = university.run("demo", "advance", "--to", day, code=2 if day == "tomorrow" else 1)
        assert "2019-06-12" in said
        assert university.offices.day() == 0

    def test_a_second_sync_changes_nothing(self, university: University) -> None:
        before = marks(university)
        assert {o["state"] for o in university.json("sync")} == {"unchanged"}
        assert marks(university) == before

    def test_an_emptied_table_suspends_the_run_clears_no_one_and_heals_by_itself(self, university: University) -> None:
        before = marks(university)
        with closing(sqlite3.connect(university.offices.folder / "library.sqlite")) as library:
            kept = library.execute("SELECT * FROM issues").fetchall()
            library.execute("DELETE FROM issues")
            library.commit()
            said = university.run("sync", "loans", code=4)
            assert "no rows at all" in said
            assert "clearance runs approve" in said
            assert marks(university) == before
            library.executemany("INSERT INTO issues VALUES (?, ?, ?, ?, ?)", kept)
            library.commit()
        university.run("sync", "loans")
        assert marks(university) == before
        states = [run["state"] for run in university.json("runs", "list", "--source", "loans")]
        assert states == ["unchanged", "superseded", "applied"]

    def test_a_closed_finance_office_is_exit_code_5_and_no_flip(self, university: University) -> None:
        before = marks(university)
        university.run("demo", "advance")
        university.close_finance()
        said = university.run("sync", "fees", code=5)
        assert "Check that the system runs" in said
        assert marks(university) == before
        university.open_finance()
        university.run("sync", "fees")
        assert marks(university) != before

    def test_an_override_survives_the_next_sync(self, university: University) -> None:
        number = notable(2019)[0][0]
        said = university.run(
            "override",
            "set",
            number,
            "library",
            "cleared",
            "--as",
            "librarian",
            "--reason",
            "现场归还",
            "--words",
            "已在总馆归还",
        )
        assert "is cleared" in said
        university.run("demo", "advance")
        university.run("sync")
        steps = {s["step"]["step"]: s for s in university.json("status", number)["standings"]}
        assert steps["library"]["standing"]["verdict"] == "cleared"
        assert steps["library"]["standing"]["by_decision"] is True
        assert steps["library"]["step"]["finding"]["verdict"] == "held"
        university.run("override", "withdraw", number, "library", "--as", "librarian")
        steps = {s["step"]["step"]: s for s in university.json("status", number)["standings"]}
        assert steps["library"]["standing"]["verdict"] == "held"

    def test_a_sync_killed_midway_leaves_the_old_state_and_the_next_one_heals(self, university: University) -> None:
        university.run("demo", "advance")
        before = marks(university)
        # Held up by a writer of the library, the sync is under way and cannot end; killed there, it cannot tidy up.
        with closing(sqlite3.connect(university.offices.folder / "library.sqlite", isolation_level=None)) as library:
            library.execute("BEGIN EXCLUSIVE")
            process = university.start("sync", "loans")
            _wait_until(lambda: _running(university))
            process.kill()
            process.communicate()
        assert marks(university) == before
        assert university.json("runs", "list", "--source", "loans")[0]["state"] == "running"
        university.run("sync", "loans")
        assert marks(university) != before
        assert [r["state"] for r in university.json("runs", "list", "--source", "loans")][:2] == [
            "applied",
            "abandoned",
        ]

    def test_ctrl_c_in_the_middle_reports_it_and_loses_nothing(self, university: University) -> None:
        before = marks(university)
        with closing(sqlite3.connect(university.offices.folder / "library.sqlite", isolation_level=None)) as library:
            library.execute("BEGIN EXCLUSIVE")
            process = university.start("sync", "loans")
            _wait_until(lambda: _running(university))
            process.send_signal(signal.SIGINT)
            # The database's own wait is let end; nothing is left to wait for.
            library.execute("ROLLBACK")
            _, err = process.communicate(timeout=PATIENCE)
        assert process.returncode == 1, err
        assert "Interrupted. The change in progress was not written" in err
        assert marks(university) == before
        last = university.json("runs", "list", "--source", "loans")[0]
        assert (last["state"], last["fault"]) == ("failed", "interrupted")
        university.run("sync", "loans")

    def test_a_second_run_at_the_same_time_waits_for_no_one_and_names_who_is_first(
        self, university: University
    ) -> None:
        with closing(sqlite3.connect(university.offices.folder / "library.sqlite", isolation_level=None)) as library:
            library.execute("BEGIN EXCLUSIVE")
            first = university.start("sync", "loans")
            _wait_until(lambda: _running(university))
            said = university.run("sync", "loans", code=1)
            assert "is being asked already" in said
            library.execute("ROLLBACK")
            first.communicate(timeout=PATIENCE)
        assert first.returncode == 0


class TestTheDemoAsItIsLookedAt:
    def test_its_schedule_serves_what_is_asked_on_the_pages_and_ctrl_c_leaves_no_process(
        self, university: University, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name, value in university.environ.items():
            monkeypatch.setenv(name, value)
        # The demo then opens its own, which must end with it, too.
        university.close_finance()
        pages = free_port()
        demo = university.start("demo", "--port", str(pages), "--finance-port", str(university.port))
        started: set[int] = set()
        try:
            _wait_until(lambda: _answers(f"http://127.0.0.1:{pages}/healthz"))
            started = _descendants(demo.pid)
            _wait_until(lambda: any("schedule" in _command(pid) for pid in started))
            number = notable(2019)[0][0]
            with closing(Program(load_settings(university.config), "2019")) as program:
                requests = Requests(program.desk)
                span = timedelta(minutes=10)
                requests.ask_recheck("2019", number, account=number, now=program.clock(), pause=span, day_limit=10)
                _wait_until(lambda: requests.waiting("2019") == ())
                asked = requests.last_recheck("2019", number)
            assert asked is not None
            assert asked.outcome is RequestOutcome.DONE
            started |= _descendants(demo.pid)
        finally:
            demo.send_signal(signal.SIGINT)
            out, err = demo.communicate(timeout=PATIENCE)
        assert demo.returncode in (0, 1), out + err
        assert len(started) >= 3
        assert not [pid for pid in started if _command(pid)]


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _descendants(process: int) -> set[int]:
    """Return every process that this one has started, and those have."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parents[int(entry.parent.name)] = int(entry.read_text().rpartition(")")[2].split()[1])
    found = {process}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {process}


def _command(process: int) -> str:
    """Return what a process runs; nothing once it has ended."""
    try:
        return Path(f"/proc/{process}/cmdline").read_text()
    except OSError:
        return ""


def _running(university: University) -> bool:
    with closing(sqlite3.connect(university.folder / ".demo" / "clearance.db")) as database:
        return bool(database.execute("SELECT 1 FROM run WHERE state = 'running'").fetchall())


def _wait_until(so: Any) -> None:
    deadline = time.monotonic() + PATIENCE
    while not so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_on_mariadb_it_is_the_very_same_demo(
    tmp_path: Path, mariadb_url: str, synced: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_files = stored(University(synced), monkeypatch)
    with University(tmp_path / "maria", {"DEMO_LIBRARY_URL": mariadb_url}) as university:
        university.run_apart("demo", "--once", "--finance-port", str(university.port))
        assert stored(university, monkeypatch) == on_files


def test_with_its_marks_on_postgresql_it_is_the_very_same_demo(
    tmp_path: Path, postgres_url: str, synced: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_files = stored(University(synced), monkeypatch)
    with University(tmp_path / "postgres", {"DEMO_STATUS_URL": postgres_url}) as university:
        university.run_apart("demo", "--once", "--finance-port", str(university.port))
        assert stored(university, monkeypatch) == on_files
        university.run("demo", "advance")
        university.open_finance()
        assert university.run("plan", code=3)
        university.run("sync")


def test_its_offices_are_the_same_for_the_same_day(tmp_path: Path) -> None:
    one, two = University(tmp_path / "one"), University(tmp_path / "two")
    one.offices.write(5)
    two.offices.write(1)
    two.offices.write(5)
    for file in ("roster.csv", "finance-password"):
        assert (one.offices.folder / file).read_bytes() == (two.offices.folder / file).read_bytes()


def test_the_roster_comes_in_the_registrars_own_encoding(synced: Path) -> None:
    raw = (synced / ".demo" / "offices" / "roster.csv").read_bytes()
    with pytest.raises(UnicodeDecodeError):
        raw.decode("utf-8")
    assert raw.decode("gb18030").startswith("学号")


def test_make_help_names_every_target() -> None:
    said = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    targets = [line.split(":")[0] for line in (ROOT / "Makefile").read_text().splitlines() if line.startswith(".PHONY")]
    assert targets
    for target in ("demo", "test", "lint", "format", "soak", "bench", "docs"):
        assert f"make {target} " in said


class TestTheStory:
    def test_on_the_last_day_as_many_are_clear_as_at_the_real_place(self) -> None:
        leaving = [life for life in lives(2019) if life.student.leaving]
        clear = sum(_has_settled_all(life, 12) for life in leaving)
        assert len(leaving) == GRADUATES
        # 98.74 % in 2009, at the university whose figures the demo has.
        assert f"{clear / GRADUATES:.1%}" == "98.7%"

    def test_reading_rooms_and_dormitories_take_the_whole_window(self) -> None:
        leaving = [life for life in lives(2019) if life.student.leaving]
        by_day = [sum(_has_settled_all(life, day) for life in leaving) for day in range(13)]
        assert by_day == sorted(by_day)
        assert by_day[0] == 0
        assert by_day[8] < GRADUATES // 10


def _has_settled_all(life: Life, day: int) -> bool:
    owed: list[Loan | Debt] = [*life.loans, *life.fines, *life.fees, *life.textbooks]
    room = life.student.commuter or life.checked_out_on <= day
    return room and life.reading_room_on <= day and not any(one.from_day <= day < one.until_day for one in owed)
