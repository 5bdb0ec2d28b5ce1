"""Alma and Sierra by the real command: who is held, who is clear, who stays unknown, and what a failure changes."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services.alma import KEY, Alma, block, failure, fee, loan
from tests.services.five_students import FEES, NUMBERS, FiveStudents, settings
from tests.services.sierra import SECRET, Sierra, checkout, fine

ONE, TWO, THREE, FOUR, STRANGER = NUMBERS

OWN = {"loans": 'means = "items"\nobligation = "loan"', "fines": 'means = "balance"\nobligation = "fine"'}
OWN |= {"fees": OWN["fines"], "blocks": 'means = "items"\nobligation = "other"'}


class Commands(FiveStudents):
    """The university whose library is asked by a connector."""

    secrets = (KEY, SECRET)

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, KEY=KEY, SECRET=SECRET)

    def ask(self, connector: str, asks: str, more: str) -> None:
        """Write the settings, make the tables and read the roster."""
        self.write(settings(f'{FEES}connector = "{connector}"\nasks = "{asks}"\n{OWN[asks]}\nretries = 0\n{more}'))
        self.run("sync", "roster")

    def evidence(self, number: str) -> str:
        """Return the finding about a student as it is printed."""
        return json.dumps(self.finding(number), ensure_ascii=False)


@pytest.fixture
def commands(tmp_path: Path) -> Commands:
    return Commands(tmp_path)


@pytest.fixture
def alma() -> Iterator[Alma]:
    with Alma() as served:
        served.users = {number: {} for number in (ONE, TWO, THREE, FOUR)}
        yield served


@pytest.fixture
def sierra() -> Iterator[Sierra]:
    with Sierra() as served:
        served.patrons = {n: [("u", number)] for n, number in enumerate((ONE, TWO, THREE, FOUR), 1)}
        yield served


def of_alma(served: Alma, more: str = "") -> str:
    return f'url = "{served.root}"\nkey = "env:KEY"\n{more}'


def of_sierra(served: Sierra, more: str = "") -> str:
    url = f"{served.root}/iii/sierra-api"
    return f'url = "{url}"\nclient_id = "us"\nclient_secret = "env:SECRET"\n{more}'


def test_alma_holds_for_loans_clears_who_has_none_and_leaves_unknown_patrons_unknown(
    alma: Alma, commands: Commands
) -> None:
    alma.users[ONE] = {"loans": [loan(1)]}
    commands.ask("alma", "loans", of_alma(alma))
    assert "构造地质学" in commands.run("check", "fees")
    commands.run("sync")
    assert commands.verdicts() == ["held", "cleared", "cleared", "cleared", "unknown"]
    evidence = commands.evidence(ONE)
    assert "构造地质学" in evidence
    assert "2019-05-30" in evidence
    # The book comes back, and somebody else takes one.
    alma.users[ONE], alma.users[TWO] = {}, {"loans": [loan(2)]}
    commands.run("sync")
    assert commands.verdicts() == ["cleared", "held", "cleared", "cleared", "unknown"]


def test_alma_holds_for_fees_that_it_hides_unless_asked(alma: Alma, commands: Commands) -> None:
    alma.users[ONE] = {"fees": [fee(1, 3.2, "INDISPUTE")]}
    alma.users[TWO] = {"fees": [fee(2, 99.95, "EXPORTED")]}
    alma.users[THREE] = {"fees": [fee(3, 5), fee(4, -5)]}
    commands.ask("alma", "fees", of_alma(alma, 'unknown = "clear"'))
    commands.run("sync")
    assert commands.verdicts() == ["held", "held", "cleared", "cleared", "cleared"]
    assert "99.95" in commands.evidence(TWO)


def test_a_quota_that_is_used_up_changes_nothing_and_is_reported(alma: Alma, commands: Commands) -> None:
    alma.users[ONE] = {"loans": [loan(1)]}
    commands.ask("alma", "loans", of_alma(alma))
    commands.run("sync")
    before = commands.verdicts()
    alma.users[ONE], alma.quota = {}, len(alma.calls) + 2
    said = commands.run("sync", code=5)
    assert "DAILY_THRESHOLD" in said
    assert "midnight UTC" in said
    assert commands.verdicts() == before == ["held", "cleared", "cleared", "cleared", "unknown"]


def test_a_key_that_is_not_let_in_is_reported_by_check(alma: Alma, commands: Commands) -> None:
    alma.befalls = lambda _call: failure("UNAUTHORIZED", "API-key not defined")
    commands.ask("alma", "loans", of_alma(alma))
    assert "API-key not defined" in commands.run("check", "fees", code=5)


def test_blocks_hold_only_where_somebody_asks_for_them(alma: Alma, tmp_path: Path) -> None:
    alma.users[ONE] = {"blocks": [block("校外借阅停用")]}
    for asks, verdict in (("loans", "cleared"), ("blocks", "held")):
        (tmp_path / asks).mkdir()
        commands = Commands(tmp_path / asks)
        commands.ask("alma", asks, of_alma(alma))
        commands.run("sync")
        assert commands.finding(ONE)["verdict"] == verdict
        assert ("校外借阅停用" in commands.evidence(ONE)) == (asks == "blocks")


def test_sierra_holds_clears_and_leaves_unknown_and_double_patrons_unknown(sierra: Sierra, commands: Commands) -> None:
    sierra.checkouts = {1: [checkout(1, 1)]}
    sierra.titles = {"1001": "构造地质学"}
    sierra.patrons[9] = [("u", FOUR)]
    commands.ask("sierra", "loans", of_sierra(sierra))
    assert "构造地质学" in commands.run("check", "fees")
    commands.run("sync")
    assert "several patrons have one number" in commands.run("runs", "show", "3")
    assert commands.verdicts() == ["held", "cleared", "cleared", "unknown", "unknown"]
    assert "构造地质学" in commands.evidence(ONE)


def test_sierra_holds_for_what_is_left_of_fines(sierra: Sierra, commands: Commands) -> None:
    sierra.fines = {1: [fine(1, 1, 10, 2.5, 0, 0.05)], 2: [fine(2, 2, 5, 0, 0, 5)]}
    commands.ask("sierra", "fines", of_sierra(sierra, 'unknown = "clear"'))
    commands.run("sync")
    assert commands.verdicts() == ["held", "cleared", "cleared", "cleared", "cleared"]
    assert "12.45" in commands.evidence(ONE)
