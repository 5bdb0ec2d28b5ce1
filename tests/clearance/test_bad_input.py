"""Bad input: a clear error, the documented exit code, no mark changed, and the next run heals it."""

import resource
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from tests.demo.test_demo import marks
from tests.patience import PATIENCE
from tests.services.one_answer import answering
from tests.services.university import COMMAND, University


@pytest.fixture
def unharmed(university: University) -> Iterator[University]:
    """A university a day on, whose marks must be the same after the test; then the next run heals it."""
    university.run("demo", "advance")
    before = marks(university)
    yield university
    assert marks(university) == before


def rewritten(university: University, old: str, new: str) -> None:
    """Change the settings file."""
    text = university.config.read_text(encoding="utf-8")
    assert old in text, old
    university.config.write_text(text.replace(old, new), encoding="utf-8")


def last_run(university: University, source: str) -> Any:
    """Return the newest run of a source."""
    return university.json("runs", "list", "--source", source)[0]


def test_an_unknown_settings_key_is_named_with_a_near_one(unharmed: University) -> None:
    rewritten(unharmed, 'obligation = "loan"', 'obligatoin = "loan"')
    said = unharmed.run("sync", "loans", code=1)
    assert '[source.loans] obligatoin: unknown key: write "obligation", or remove it' in said


def test_a_source_that_is_down(unharmed: University) -> None:
    unharmed.close_finance()
    assert "no program listens on 127.0.0.1" in unharmed.run("sync", "fees", code=5)
    assert last_run(unharmed, "fees")["fault"] == "unavailable"


def test_a_source_that_refuses_the_login(unharmed: University) -> None:
    unharmed.offices.finance_password.write_text("not-the-word\n", encoding="ascii")
    word = unharmed.folder / "another-word"
    word.write_text("not-the-right-one\n", encoding="ascii")
    rewritten(unharmed, "file:../.demo/offices/finance-password", f"file:{word}")
    said = unharmed.run("sync", "fees", code=5)
    assert "refused the login" in said
    assert "user or password is wrong" in said
    assert "not-the-right-one" not in said
    assert last_run(unharmed, "fees")["fault"] == "refused"


def test_a_source_that_answers_a_web_page(unharmed: University) -> None:
    with answering("<html>统一身份认证</html>".encode()) as address:
        said = unharmed.run(
            "sync", "fees", code=5, DEMO_FINANCE_ARREARS_URL=f"{address}/a", DEMO_FINANCE_TOKEN_URL=f"{address}/t"
        )
    assert "login page" in said


def test_a_source_one_page_short(unharmed: University) -> None:
    """It reports more than it gives: the one page that comes is no answer."""
    row = '{"number": "2015120001", "item": "x", "owed": "1", "bill": "b"}'
    body = f'{{"code": 0, "data": {{"token": "t", "total": 101, "rows": [{", ".join([row] * 100)}]}}}}'
    with answering(body.encode(), "application/json") as address:
        urls = {"DEMO_FINANCE_ARREARS_URL": f"{address}/a", "DEMO_FINANCE_TOKEN_URL": f"{address}/t"}
        said = unharmed.run("sync", "fees", code=1, **urls)
    assert "page 2 repeats page 1" in said
    assert last_run(unharmed, "fees")["fault"] == "garbled"


def test_a_source_with_no_rows_where_it_had_many(unharmed: University) -> None:
    with closing(sqlite3.connect(unharmed.offices.finance)) as database:
        database.execute("DELETE FROM arrears")
        database.commit()
    assert "no rows at all, where there were" in unharmed.run("sync", "fees", code=4)
    assert last_run(unharmed, "fees")["state"] == "suspended"


def test_a_mapped_column_that_is_missing(unharmed: University) -> None:
    rewritten(unharmed, 'due = "date_due"', 'due = "due_date"')
    said = unharmed.run("sync", "loans", code=1)
    assert 'has no column "due_date"' in said
    assert "columns.due in [source.loans]" in said
    assert last_run(unharmed, "loans")["fault"] == "garbled"


def test_a_list_that_the_dormitory_office_has_cut_off(unharmed: University) -> None:
    path = unharmed.offices.folder / "dorm.xlsx"
    path.write_bytes(path.read_bytes()[:50_000])
    assert "not a whole Excel workbook" in unharmed.run("sync", "checkouts", code=1)


def test_a_disk_that_is_full(unharmed: University) -> None:
    """A process that may write no file beyond a size meets what it would meet on a full disk."""
    size = (unharmed.folder / ".demo" / "clearance.db").stat().st_size

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size // 60, size // 60))

    process = subprocess.run(
        [COMMAND, "--config", unharmed.config, "sync", "loans"],
        env=unharmed.environ,
        capture_output=True,
        text=True,
        encoding="utf-8",
        preexec_fn=limit,
        timeout=PATIENCE,
    )
    assert process.returncode == 1, process.stdout + process.stderr
    assert "Free space there, then run this again" in process.stderr


def test_after_any_of_these_the_next_run_heals(university: University) -> None:
    university.run("demo", "advance")
    university.close_finance()
    university.run("sync", code=5)
    university.open_finance()
    university.run("sync")
    assert {s["last_run"]["state"] for s in (v["source"] for v in university.json("sources"))} <= {
        "applied",
        "unchanged",
    }
    assert university.run("plan").count("nothing would change") == 6
