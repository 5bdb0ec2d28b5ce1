"""Commands that commands suggest: where there are several cohorts, each names the one it is about."""

import ast
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.main import get_command

from clearance import main
from config.cohorts import OF_A_COHORT
from tests.clearance.test_cohorts import SETTINGS, TwoCohorts
from tests.services.in_process import command

COHORT = "2019w"

#: With what has people speak of a suspended run.
STRICT = SETTINGS.replace("rows_fall_percent = 60", "office_first = true, two_approve = true")

#: What works on no cohort, or serves all of them until it is stopped.
OF_NONE = {
    "accounts",
    "backup",
    "db",
    "demo",
    "log-name",
    "notify",
    "institutions",
    "restore",
    "retention",
    "schedule",
    "serve",
    "tokens",
    "up",
    "worker",
}

ROOT = Path(main.__file__).parent.parent
_SUGGESTED = re.compile(r"(?<![\w/.-])clearance ((?:--\w+ \S+ )*)([a-z][a-z-]*)(?: ([a-z][a-z-]*))?")


def commands() -> dict[str, tuple[str, ...]]:
    """Return each command with the commands of its group; none for one that has no group."""
    whole = get_command(main.app)
    assert isinstance(whole, typer.core.TyperGroup)
    return {
        name: tuple(one.commands) if isinstance(one, typer.core.TyperGroup) else ()
        for name, one in ((name, whole.commands[name]) for name in whole.commands)
    }


def test_every_command_is_known_to_be_of_a_cohort_or_of_none() -> None:
    of_a_cohort = {name.split()[0] for name in OF_A_COHORT}
    assert of_a_cohort - {"accounts"} - main.RENAMED.keys() == commands().keys() - OF_NONE
    assert {name.split()[1] for name in OF_A_COHORT if " " in name} <= set(commands()["accounts"])


def test_every_command_that_a_message_suggests_is_there() -> None:
    known, missing = commands(), list[str]()
    for folder in ("clearance", "config", "connectors", "foundation", "portal", "status_db", "sync"):
        for file in sorted((ROOT / folder).rglob("*.py")):
            for text in _texts(file):
                for _, name, more in _SUGGESTED.findall(text):
                    there = name in known and (not known[name] or not more or more in known[name])
                    # A word before the command's own: "clearance sync roster", and prose such as "the clearance of".
                    if not there and (name in known or f"clearance {name}: " in text):
                        missing.append(f"{file.relative_to(ROOT)}: clearance {name} {more}")
    assert missing == []


def _texts(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


class Season(TwoCohorts):
    """Two cohorts whose first answer of the library waits, in December and in summer."""

    def __init__(self, folder: Path, environ: dict[str, str]) -> None:
        super().__init__(folder)
        self.file.write_text(STRICT, encoding="utf-8")
        self.environ = environ
        self.driven: set[str] = set()
        self.suggested: list[tuple[str, str]] = []

    def say(self, line: str, *more: str, cohort: str = COHORT) -> str:
        """Run a command; note which one it was, and what it suggests."""
        chosen = ["--cohort", cohort] if cohort else []
        ended = command(["--config", str(self.file), *chosen, *line.split(), *more], self.environ)
        output = " ".join((ended.out + ended.err).split())
        assert "Traceback" not in output, output
        assert ended.code != 2, f"{line}: {output}"
        first, *rest = line.split()
        self.driven.add(f"{first} {rest[0]}" if rest and rest[0] in commands()[first] else first)
        self.suggested += [(line, found) for found in _of_a_cohort(output)]
        return output


def _of_a_cohort(output: str) -> list[str]:
    found = [match[0] for match in _SUGGESTED.finditer(output)]
    return [one for one in found if re.search(rf" ({'|'.join(OF_A_COHORT)})\b", one)]


@pytest.fixture
def season(tmp_path: Path) -> Season:
    environ = {
        "STATUS_URL": f"sqlite:///{tmp_path / 'marks.db'}",
        "DESK_URL": f"sqlite:///{tmp_path / 'desk.db'}",
        "HOME": str(tmp_path),
        "USER": "test",
    }
    made = Season(tmp_path, environ)
    made.say("db upgrade", cohort="")
    return made


def test_whatever_a_command_suggests_names_the_cohort_it_is_about(season: Season) -> None:
    say = season.say
    for grants in (["decide:library"], ["review:final", "issue:*"], ["manage"]):
        name = {"decide": "librarian", "review": "dean", "manage": "admin"}[grants[0].split(":")[0]]
        say(f"accounts add {name} --name x", *(word for grant in grants for word in ("--grant", grant)))
    # Before anything is pulled.
    say("verify")
    say("status 2016101")
    say("accounts students")
    say("sync loans")
    _, waiting = re.findall(r"runs approve (\d+)", say("sync", cohort=""))
    say("plan")
    say("check")
    say("sources")
    for what in ("pause loans --reason x", "pause loans --reason x", "resume loans", "resume loans"):
        say(f"sources {what}")
    say("unmatched")
    say("report")
    say("verify --head", "1:" + "0" * 64)
    # Runs that are there, that wait, and that are not.
    say("runs list")
    for what in ("show", "spot-check", "confirm", "approve", "revert"):
        options = {"confirm": " --as librarian", "revert": " --reason x"}.get(what, "")
        say(f"runs {what} 999{options}")
        say(f"runs {what} 1{options}")
    say('runs reject 999 --reason "x"')
    say(f"runs show {waiting}")
    say(f"runs spot-check {waiting}")
    say(f"runs confirm {waiting} --as dean")
    say(f"runs approve {waiting} --as admin")
    say(f"runs confirm {waiting} --as librarian")
    say(f"runs confirm {waiting} --as librarian")
    say(f"runs approve {waiting} --as admin")
    say(f"runs approve {waiting} --as second")
    say("status 9999999")
    say(f"runs reject {waiting} --reason x")
    say(f"runs revert {waiting} --dry-run")
    say("runs revert 2 --dry-run")
    # Students: decisions, reviews, certificates, numbers.
    say("override list")
    for what in ("set 2016101 library cleared --reason 现场归还", "withdraw 2016102 library", "withdraw 2016101 final"):
        say(f"override {what} --as librarian")
        say(f"override {what} --as nobody")
        say(f"override {what} --as dean")
    say("reviews give 2016102 final cleared --as librarian --reason 齐备")
    say("reviews give 2016102 final cleared --as dean --reason 齐备")
    say("certificates issue 2016102 104911 --as dean")
    say("reviews withdraw 2016102 final --as dean")
    say("reviews withdraw 2016103 final --as dean")
    say("certificates list")
    say("certificates hand-over 999 --as dean")
    say("certificates hand-over 104911 --as dean")
    say("certificates revoke 999 --as admin --reason x")
    say("certificates revoke 104911 --as dean --reason x")
    say("roster renumber 2016101 2016101")
    say("roster renumber 9999999 2016199")
    say("roster renumber 2016103 2016193")
    say("expect list")
    say("expect withdraw 9")
    say("expect announce loans cleared --most 5 --until 2030-01-01")
    # Sheets.
    say("paper")
    say(f"paper {season.folder} --class 999")
    results = season.folder / "results.csv"
    results.write_text("学号,结果,原因\n2016102,通过,现场归还\n", encoding="utf-8")
    say(f"import results {results} --step library --as librarian")
    say("import list")
    say("import undo 999 --as librarian --reason x")
    say(f"import template {season.folder / 'template.xlsx'} --step library --as librarian")
    say("accounts codes --class 999")
    identities = season.folder / "identities.csv"
    identities.write_text("学号,证件号\n2016101,110101199001011234\n", encoding="utf-8")
    say(f"accounts import-identities {identities}")
    # Settings that are not applied yet.
    season.file.write_text(
        STRICT.replace('{ step = "library" }, { step = "final"', '{ step = "final"'), encoding="utf-8"
    )
    for one in ("check", "verify", "plan", "sync", "sync loans"):
        say(one)
        say(one, cohort="")
    # What is kept of a run that waits was altered: the cohort is named even where none was chosen.
    with sqlite3.connect(season.folder / "marks.db") as marks:
        marks.execute("UPDATE pending SET digest = x'00'")
    assert "clearance --cohort 2019s runs reject" in say("sync", cohort="")
    say("reviews give 2016103 final cleared --as dean --reason 齐备")
    # A secret that is not there.
    broken = STRICT.replace('path = "books.csv"', 'path = "nowhere.csv"')
    season.file.write_text(broken.replace("sqlite:///library.db", "env:NOT_SET"), encoding="utf-8")
    say("check loans")
    say("sync loans")

    unnamed = {(line, found) for line, found in season.suggested if f"--cohort {COHORT} " not in found}
    of_all = {"check", "verify", "plan", "sync"}
    astray = {
        (line, found)
        for line, found in unnamed
        # A command that serves every cohort may suggest another one that does.
        if not (line.split()[0] in of_all and set(found.split()) & of_all) and "--cohort 2019s " not in found
    }
    assert astray == set()
    kinds = {" ".join(word for word in found.split()[3:5] if word.isalpha()) for _, found in season.suggested}
    assert kinds >= {"runs show", "runs list", "runs confirm", "runs approve", "runs reject", "sync", "plan"}
    expected = {
        f"{name} {one}" if more else name
        for name, more in commands().items()
        for one in more or ("",)
        if name not in OF_NONE
    }
    assert expected - season.driven == set()
