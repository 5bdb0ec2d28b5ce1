"""A library that is asked over SIP2, by the real command: who is held, clear, unknown, and who stays as they were."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from clearance.settings_file import schema_of
from config.load import load
from sync import rule_settings
from tests.services.five_students import NUMBERS, FiveStudents, settings
from tests.services.sip_library import Asked, Reader, Reply, SipLibrary

SOURCES = """
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

HELD, CLEAR, FINED, UNKNOWN, SILENT = NUMBERS
WORD = "hidden-word"


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


class University(FiveStudents):
    """The university that asks this library; no command prints the password."""

    secrets = (WORD,)

    def states(self) -> dict[str, str]:
        """Return the state of the library's step of each student."""
        return {number: self.effective(number)["standing"]["state"] for number in NUMBERS}


@pytest.fixture
def university(status_url: str, tmp_path: Path, library: SipLibrary) -> University:
    made = University(tmp_path, status_url, SIP_PASSWORD=WORD)
    made.write(settings(SOURCES.replace("PORT", str(library.port)), step="library"))
    return made


def silent_about(*numbers: str) -> Callable[[Asked], Reply | None]:
    return lambda asked: Reply(hang_up=True) if asked.fields.get("AA") in numbers else None


def test_one_season_of_a_library(university: University, library: SipLibrary) -> None:
    library.befalls = silent_about(SILENT)
    said = university.run("sync")
    assert "1 of 5 numbers: no answer" in said
    first = {HELD: "held", CLEAR: "cleared", FINED: "held", UNKNOWN: "unknown", SILENT: "unknown"}
    assert university.states() == first
    assert "12.50" in university.run("status", FINED)

    # The book is back, and nobody answers about who had it: held as before. The other answers after all.
    library.readers[0].loans.clear()
    library.befalls = silent_about(HELD)
    university.run("sync")
    assert university.states() == {**first, SILENT: "cleared"}

    library.befalls = lambda _asked: None
    university.run("sync")
    assert university.states() == {**first, HELD: "cleared", SILENT: "cleared"}
    assert university.states()[FINED] == "held"

    # Nobody is answered about: nothing changes, and the source is unavailable.
    library.befalls = silent_about(HELD, CLEAR, FINED, UNKNOWN, SILENT)
    assert "closed the connection" in university.run("sync", code=5)
    assert university.states() == {**first, HELD: "cleared", SILENT: "cleared"}
    university.run("verify")


def test_who_is_doubtful_when_asked_again_is_not_released(university: University, library: SipLibrary) -> None:
    university.run("sync")
    library.readers[0].loans.clear()
    asked_about: list[str] = []

    def befalls(asked: Asked) -> Reply | None:
        asked_about.append(asked.fields.get("AA", "")) if asked.code == "63" else None
        # From the second question on, the answers come from another branch.
        again = asked.code == "63" and asked_about.count(HELD) > 1 and asked.fields["AA"] == HELD
        return Reply(f"64{' ' * 14}00020190525    090000{'0000' * 6}AOBRANCH|AA{HELD}|BLY|") if again else None

    library.befalls = befalls
    said = university.run("sync", "loans")
    assert asked_about.count(HELD) == 2
    assert "1 of 1 students have a doubtful answer" in said
    assert university.states()[HELD] == "held"


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
        loans = SOURCES.split("[source.fines]", maxsplit=1)[0].replace("PORT", "6001")
        lines = settings(loans, step="library").splitlines()
        kept = [line for line in lines if line.partition(" =")[0] not in keys]
        (tmp_path / "clearance.toml").write_text("\n".join([*kept, own]), encoding="utf-8")
        environ = {"STATUS_URL": "sqlite:///x.db", "SIP_PASSWORD": WORD}
        loaded = load(tmp_path / "clearance.toml", schema_of, environ)
        return rule_settings.source_rule(loaded, "loans").question, rule_settings.location(loaded.source["loans"])

    before, after = asked(""), asked(changed)
    assert (before[0] == after[0], before[1] == after[1]) == (question == "same", place == "same")


def test_a_check_shows_the_service_and_reports_that_it_is_clear_text(
    university: University, library: SipLibrary
) -> None:
    university.run("sync", "roster")
    said = university.run("check", "loans")
    assert "clear text" in said
    assert "warning: CLEAR TEXT" in said
    assert "SIP 2.00, institution MAIN, supports patron status" in said
    assert "patron information (63) for each of 5 numbers" in said
    assert "构造地质学" in said
    library.account = ("clearance", "another-word", None)
    assert "refused the login" in university.run("check", "loans", code=5)
