"""`clearance verify` as people and scripts use it: real processes on a copy of the demo."""

import re
import sqlite3
from contextlib import closing

import pytest

from tests.services.university import University


def altered(university: University, statement: str) -> None:
    """Alter the status database past the program."""
    with closing(sqlite3.connect(university.folder / ".demo" / "clearance.db")) as database:
        database.execute(statement)
        database.commit()


def test_what_no_one_has_altered_agrees(university: University) -> None:
    assert "everything agrees" in university.run("verify")
    university.run("demo", "advance")
    university.run("sync")
    said = university.json("verify")
    assert said["sound"]
    assert said["report"]["looked_at"]["students"] > 4000


def test_what_somebody_altered_is_named_with_exit_code_6(university: University) -> None:
    altered(university, "UPDATE status SET verdict = 'cleared', reason = 'settled' WHERE verdict = 'held'")
    said = university.run("verify", code=6)
    assert re.search(r"status \d+ \w+ is cleared .* more like it", said)
    assert "docs/running.md" in said
    told = university.json("verify", code=6)
    assert {found["table"] for found in told["report"]["disagreements"]} == {"status"}


def test_a_head_of_the_log_shows_whether_the_tail_is_there(university: University) -> None:
    head = re.findall(r"^head (\S+)$", university.run("verify"), re.MULTILINE)[0]
    university.run("verify", "--head", head)
    link, mac = head.split(":")
    assert "it was cut off" in university.run("verify", "--head", f"{int(link) + 1}:{mac}", code=6)
    other = mac[:-1] + ("0" if mac[-1] != "0" else "1")
    assert "does not match the seal in the log" in university.run("verify", "--head", f"{link}:{other}", code=6)


@pytest.mark.parametrize("head", ["7", "7:abc", "x:" + "0" * 64])
def test_what_is_no_head_is_a_command_line_that_makes_no_sense(university: University, head: str) -> None:
    university.run("verify", "--head", head, code=2)


def test_without_the_key_nothing_is_verified_or_written(university: University) -> None:
    (university.folder / ".demo" / "ledger.key").unlink()
    assert "rows cannot be verified without it" in university.run("verify", code=1)
    assert "Restore that file from your own copy" in university.run("sync", code=1)
    assert "held" in university.run("sources"), "reading needs no key"
