"""Logs: one line an event, for people or for collectors."""

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from config import logs
from config.settings import Log


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    yield
    structlog.reset_defaults()
    logging.basicConfig(handlers=[logging.NullHandler()], level=logging.WARNING, force=True)


def test_as_json_each_line_is_one_object_with_its_keys(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(Log(format="json"))
    structlog.get_logger("clearance.sync").info(
        "run finished", source="loans", state="applied", message="《构造地质学》"
    )
    (line,) = capsys.readouterr().err.splitlines()
    event = json.loads(line)
    assert (event["event"], event["source"], event["level"]) == ("run finished", "loans", "info")
    assert "《构造地质学》" in line


def test_other_libraries_warnings_go_the_same_way_once(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(Log(format="json"))
    logs.configure(Log(format="json"))
    logging.getLogger("apscheduler").warning("a job was missed")
    (line,) = capsys.readouterr().err.splitlines()
    assert json.loads(line)["event"] == "a job was missed"


def test_below_the_level_nothing_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(Log(level="error"))
    structlog.get_logger("clearance.sync").warning("run finished")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("form", ["people", "json"])
def test_a_traceback_holds_no_value_of_any_variable(capsys: pytest.CaptureFixture[str], form: str) -> None:
    logs.configure(Log.model_validate({"format": form}))

    def fail(word: str) -> None:
        raise ValueError(len(word))

    try:
        fail("a-word-" * 3)
    except ValueError:
        structlog.get_logger("clearance.portal").exception("request failed")
    written = capsys.readouterr().err
    assert "in fail" in written
    assert "ValueError: 21" in written
    assert "a-word-a-word" not in written


@pytest.mark.parametrize("form", ["people", "json"])
def test_a_traceback_is_bounded_and_harmless_and_keeps_where_it_broke(
    capsys: pytest.CaptureFixture[str], form: str
) -> None:
    logs.configure(Log.model_validate({"format": form}))

    def sink(depth: int) -> None:
        if depth == 0:
            raise ValueError("\x1b[2J" + "9" * 200_000)
        sink(depth - 1)

    try:
        sink(150)
    except ValueError:
        structlog.get_logger("clearance.portal").exception("page broke")
    written = capsys.readouterr().err
    assert len(written) < 15_000
    assert "in sink" in written
    assert "letters left out" in written
    assert "\x1b[2J" not in written


@pytest.mark.parametrize("form", ["people", "json"])
@pytest.mark.parametrize("value", ["\x1b[31mred\u202e", "in words: \x1b[31mred\u202e"])
def test_a_value_does_nothing_on_a_terminal(capsys: pytest.CaptureFixture[str], form: str, value: str) -> None:
    logs.configure(Log.model_validate({"format": form}))
    structlog.get_logger("clearance.sync").warning("run finished", message=value)
    written = capsys.readouterr().err
    assert "[31mred" in written
    assert written.rstrip("\n").isprintable()
