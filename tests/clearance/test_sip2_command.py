"""A library that is asked over SIP2, by the real command: who is held, clear, unknown, and who stays as they were."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from clearance.wiring import schema_of
from config.settings import load
from sync import rules
from tests.services.in_process import command
from tests.services.sip_library import Asked, Reader, Reply, SipLibrary

SETTINGS = """
[institution]
name = "试验大学"
timezone = "Asia/Shanghai"
[status_db]
url = "env:STATUS_URL"
ledger_key_file = "ledger.key"
[[cohort]]
key = "2019"
name = "2019届"
[roster]
connector = "memory"
every = "1 h"
columns = { student = "学号", name = "姓名", level = "层次", college = "学院" }
levels = { "本科生" = "undergraduate" }
rows = [ROWS]
[[step]]
key = "library"
title = "图书馆"
office = { name = "图书馆", places = { "*" = { where = "总馆" } } }
[[flow]]
key = "u"
levels = ["undergraduate"]
entries = [ { step = "library" } ]
[source.loans]
step = "library"
connector = "sip2"
host = "127.0.0.1"
port = PORT
user = "clearance"
password = "env:SIP_PASSWORD"
institution = "MAIN"
asks = "loans"
most_doubtful = 0.2
per_student = { rounds = 1, per_second = 1000 }
means = "items"
obligation = "loan"
first = "apply"
every = "1 h"
[source.fines]
step = "library"
connector = "sip2"
host = "127.0.0.1"
port = PORT
user = "clearance"
password = "env:SIP_PASSWORD"
asks = "fines"
per_student = { rounds = 1, per_second = 1000 }
means = "balance"
obligation = "fine"
item_title = "滞纳金"
first = "apply"
every = "1 h"
"""

HELD, CLEAR, FINED, UNKNOWN, SILENT = (f"201515000{n}" for n in range(1, 6))
WORD = "hidden-word"

Run = Callable[..., str]


@pytest.fixture
def library() -> Iterator[SipLibrary]:
    """Four of five students have a card; one has a book, one a fine, and one is not answered about."""
    readers = (
        Reader(HELD, [("B1", "构造地质学", "20190530    235900")]),
        Reader(CLEAR),
        Reader(FINED, [], ["超期"], "12.50"),
        Reader(SILENT),
    )
    with SipLibrary(*readers) as served:
        served.account = ("clearance", WORD, None)
        yield served


@pytest.fixture
def run(status_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: SipLibrary) -> Run:
    """Run a command of this university; no run says the password, or gives a traceback."""
    monkeypatch.setenv("STATUS_URL", status_url)
    monkeypatch.setenv("SIP_PASSWORD", WORD)
    rows = ", ".join(
        f'{{ "学号" = "{number}", "姓名" = "学生", "层次" = "本科生", "学院" = "文学院" }}'
        for number in (HELD, CLEAR, FINED, UNKNOWN, SILENT)
    )
    settings = tmp_path / "clearance.toml"
    settings.write_text(SETTINGS.replace("ROWS", rows).replace("PORT", str(library.port)), encoding="utf-8")

    def say(*words: str, code: int = 0) -> str:
        ended = command(["--config", str(settings), *words], os.environ)
        said = ended.out + ended.err
        assert ended.code == code, said
        assert "Traceback" not in said
        assert WORD not in said
        return ended.out if "--json" in words else said

    say("db", "upgrade")
    return say


def stands(run: Run) -> dict[str, str]:
    """Return how the library's step stands for each student."""
    found: dict[str, str] = {}
    for number in (HELD, CLEAR, FINED, UNKNOWN, SILENT):
        (step,) = json.loads(run("status", number, "--json"))["standings"]
        found[number] = step["standing"]["state"]
    return found


def silent_about(*numbers: str) -> Callable[[Asked], Reply | None]:
    return lambda asked: Reply(hang_up=True) if asked.fields.get("AA") in numbers else None


def test_one_season_of_a_library(run: Run, library: SipLibrary) -> None:
    library.befalls = silent_about(SILENT)
    said = run("sync")
    assert "1 of 5 numbers: no answer" in said
    first = {HELD: "held", CLEAR: "cleared", FINED: "held", UNKNOWN: "unknown", SILENT: "unknown"}
    assert stands(run) == first
    assert "12.50" in run("status", FINED)

    # The book is back, and nobody answers about who had it: held as before. The other answers after all.
    library.readers[0].loans.clear()
    library.befalls = silent_about(HELD)
    run("sync")
    assert stands(run) == {**first, SILENT: "cleared"}

    library.befalls = lambda _asked: None
    run("sync")
    assert stands(run) == {**first, HELD: "cleared", SILENT: "cleared"}
    assert stands(run)[FINED] == "held"

    # Nobody is answered about: nothing changes, and the source is unavailable.
    library.befalls = silent_about(HELD, CLEAR, FINED, UNKNOWN, SILENT)
    assert "closed the connection" in run("sync", code=5)
    assert stands(run) == {**first, HELD: "cleared", SILENT: "cleared"}
    run("verify")


def test_who_is_doubtful_when_asked_again_is_not_released(run: Run, library: SipLibrary) -> None:
    run("sync")
    library.readers[0].loans.clear()
    asked_about: list[str] = []

    def befalls(asked: Asked) -> Reply | None:
        asked_about.append(asked.fields.get("AA", "")) if asked.code == "63" else None
        # From the second question on, the answers come from another branch.
        again = asked.code == "63" and asked_about.count(HELD) > 1 and asked.fields["AA"] == HELD
        return Reply(f"64{' ' * 14}00020190525    090000{'0000' * 6}AOBRANCH|AA{HELD}|BLY|") if again else None

    library.befalls = befalls
    said = run("sync", "loans")
    assert asked_about.count(HELD) == 2
    assert "1 of 1 are answered about doubtfully" in said
    assert stands(run)[HELD] == "held"


@pytest.mark.parametrize(
    ("changed", "question", "place"),
    [
        ('host = "localhost"', "same", "other"),
        ("port = 1", "same", "other"),
        ("tls = true", "same", "same"),
        ("resends = 1\nper_student = { per_second = 1 }", "same", "same"),
        ('missing = "nothing"', "other", "same"),
        ("lists = false", "other", "same"),
    ],
)
def test_where_and_how_it_is_asked_are_no_part_of_the_question(
    tmp_path: Path, changed: str, question: str, place: str
) -> None:
    def asked(own: str) -> tuple[bytes, bytes]:
        keys = {line.partition(" =")[0] for line in own.splitlines()}
        lines = SETTINGS.split("[source.fines]", maxsplit=1)[0].replace("ROWS", "").replace("PORT", "6001").splitlines()
        kept = [line for line in lines if line.partition(" =")[0] not in keys]
        (tmp_path / "clearance.toml").write_text("\n".join([*kept, own]), encoding="utf-8")
        environ = {"STATUS_URL": "sqlite:///x.db", "SIP_PASSWORD": WORD}
        settings = load(tmp_path / "clearance.toml", schema_of, environ)
        return rules.source_rule(settings, "loans").question, rules.location(settings.source["loans"])

    before, after = asked(""), asked(changed)
    assert (before[0] == after[0], before[1] == after[1]) == (question == "same", place == "same")


def test_a_check_shows_the_service_and_says_that_it_is_clear_text(run: Run, library: SipLibrary) -> None:
    run("sync", "roster")
    said = run("check", "loans")
    assert "clear text" in said
    assert "look at this: CLEAR TEXT" in said
    assert "SIP 2.00, institution MAIN, supports patron status" in said
    assert "patron information (63) for each of 5 numbers" in said
    assert "构造地质学" in said
    library.account = ("clearance", "another-word", None)
    assert "did not let us log in" in run("check", "loans", code=5)
