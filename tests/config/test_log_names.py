"""Logs name no student: whatever way a number takes into a line, what is written is its keyed hash."""

import ast
import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from config import logs
from config.log_names import PERSONAL, StudentNo, log_name, without_numbers
from config.settings import Log

KEY = b"k" * 32
NUMBER = "20151001234"
NAME = log_name(KEY, NUMBER)
ROOMS = ("clearance", "config", "connectors", "foundation", "status_db", "sync", "portal")
ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    yield
    structlog.reset_defaults()
    logging.basicConfig(handlers=[logging.NullHandler()], level=logging.WARNING, force=True)


@pytest.fixture(params=["people", "json"])
def written(request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> Callable[[], str]:
    """Set the log up, and return what reads it."""
    logs.configure(Log.model_validate({"format": request.param}), lambda: KEY)
    return lambda: capsys.readouterr().err


WAYS: dict[str, dict[str, Any]] = {
    "a wrapped number": {"student": StudentNo("A1")},
    "a number in a personal field, however short": {"student": "A1"},
    "a whole number in a personal field": {"number": 4711},
    "a list of them": {"students": ["A1", "4711"]},
    "one within a table": {"figures": {"student": "A1"}},
    "one that looks like it": {"message": f"would clear {NUMBER}, but not 4"},
    "one in an address": {"path": f"/students/{NUMBER}/recheck"},
    "one as a key": {"figures": {NUMBER: 1}},
    "one in an object": {"because": ValueError(f"twice: {NUMBER}")},
    "one with letters": {"message": "about M2015001X."},
    "one written wide": {"message": "about ２０１５１００１２３４."},
    "a name": {"name": "林小满"},
    "a document": {"message": "42011119990101987X"},
}


@pytest.mark.parametrize("way", WAYS)
def test_no_way_into_an_event_shows_a_number(written: Callable[[], str], way: str) -> None:
    structlog.get_logger("clearance.sync").warning("run finished", **WAYS[way])
    text = written()
    assert "#" in text
    for shown in ("A1", "4711", "林小满", NUMBER, "M2015001X", "２０１５１００１２３４", "42011119990101987X"):
        assert shown not in text


def test_an_event_a_traceback_and_another_librarys_line_show_none(written: Callable[[], str]) -> None:
    structlog.get_logger("clearance.sync").warning(f"about {NUMBER}")
    try:
        int(f"{NUMBER} in 2019")
    except ValueError:
        structlog.get_logger("clearance.sync").exception("broke")
        logging.getLogger("apscheduler").exception("job about %s", NUMBER)
    text = written()
    assert NUMBER not in text
    assert text.count(NAME) == 4
    assert "in 2019" in text


def test_moments_counts_addresses_of_memory_and_digests_stay(written: Callable[[], str]) -> None:
    mac = "0123456789" * 6 + "abcd"
    moment = "2019-05-25T00:40:00.123456+00:00"
    structlog.get_logger("clearance.ledger").warning(
        "ledger head", mac=mac, rows=1234567, slot=moment, where="<object at 0x7f29dadf9550>"
    )
    text = written()
    for kept in (mac, "1234567", moment, "0x7f29dadf9550"):
        assert kept in text


def test_a_password_in_an_address_is_left_out(written: Callable[[], str]) -> None:
    structlog.get_logger("clearance.sync").warning("refused", message="mysql://sync:s3cret-word@db.example/x says no")
    text = written()
    assert "s3cret-word" not in text
    assert "db.example" in text


def test_a_wrapped_number_cannot_be_printed() -> None:
    number = StudentNo("A1")
    for text in (str(number), repr(number), f"{number}", f"{number:>20}", "%s" % number, str([number])):  # noqa: UP031
        assert "A1" not in text


def test_the_same_number_has_one_name_however_it_is_written() -> None:
    assert log_name(KEY, " m2015001x\u200b") == log_name(KEY, "Ｍ2015001X") != log_name(b"x" * 32, "M2015001X")
    assert without_numbers(NAME) == NAME


def test_without_a_key_lines_of_a_process_agree_and_no_other_finds_them(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> bytes:
        raise OSError("no key")

    said = []
    for key in (lambda: None, fail):
        logs.configure(Log(format="json"), key)
        for _ in range(2):
            structlog.get_logger("x").warning("x", student=NUMBER)
        lines = [json.loads(line)["student"] for line in capsys.readouterr().err.splitlines()]
        assert lines[0] == lines[1]
        said.append(lines[0])
    assert said[0] != said[1]
    assert all(name.startswith("~") and name[1:] != NAME[1:] for name in said)


def test_a_key_that_comes_later_is_used_from_then_on(capsys: pytest.CaptureFixture[str]) -> None:
    keys = iter([None, KEY])
    logs.configure(Log(format="json"), lambda: next(keys))
    for _ in range(3):
        structlog.get_logger("x").warning("x", student=NUMBER)
    lines = [json.loads(line)["student"] for line in capsys.readouterr().err.splitlines()]
    assert lines[1:] == [NAME, NAME]
    assert lines[0] != NAME


def _calls() -> Iterator[tuple[str, ast.Call]]:
    """Give each call of a logger in the program, with its place."""
    levels = {"debug", "info", "warning", "error", "exception", "critical", "bind"}
    for room in ROOMS:
        for file in sorted((ROOT / room).rglob("*.py")):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in levels:
                    yield f"{file.relative_to(ROOT)}:{node.lineno}", node


def test_every_log_call_wraps_what_names_a_person_and_has_a_constant_event() -> None:
    calls = list(_calls())
    assert len(calls) > 30
    bare = [
        f"{place} {keyword.arg}"
        for place, call in calls
        for keyword in call.keywords
        if keyword.arg in PERSONAL
        and not (isinstance(keyword.value, ast.Call) and ast.unparse(keyword.value.func) == "StudentNo")
    ]
    assert bare == []
    varying = [place for place, call in calls if call.args and isinstance(call.args[0], ast.JoinedStr)]
    assert varying == []
