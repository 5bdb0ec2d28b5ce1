"""What is a changed question, and what is not; and what waits names all that speaks against it."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from clearance.settings_file import schema_of
from config.load import load
from sync import rule_settings
from sync.rule.records import SourceRule
from tests.services.small import OWES, SETTINGS, Small, small


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Small]:
    """A small university of its own."""
    (tmp_path / "site").mkdir()
    with small(tmp_path / "site") as made:
        yield made


def owing(site: Small, amount: str) -> None:
    site.fees([("学号", "欠费", "项目"), (OWES, amount, "学费")])


def test_a_changed_question_waits_and_a_missing_college_is_named_beside_it(site: Small) -> None:
    students = [f"20150{at:02}" for at in range(40)]
    colleges = ["文学院" if at < 12 else "理学院" for at in range(40)]
    site.roster([(s, "某人", "本科", c, "1", f"K{s}") for s, c in zip(students, colleges, strict=True)])
    site.run("sync", "roster")
    site.fines([(student, "2.3", "逾期") for student in students])
    site.run("sync", "fines")
    site.change("title FROM fines", f"title FROM fines WHERE reader > '{students[11]}'")
    said = "".join(site.run("sync", "fines", code=4).split())
    assert "文学院" in said
    waiting = site.run("runs", "show", str(site.json("runs", "list")[0]["run"]))
    assert waiting.count("because:") >= 2
    assert "文学院" in waiting


def test_settings_and_their_files_move_together_and_nothing_waits(site: Small, tmp_path: Path) -> None:
    site.folder = Path(shutil.copytree(site.folder, tmp_path / "moved"))
    site.file = site.folder / "clearance.toml"
    owing(site, "4501")
    site.fines([(OWES, "2.4", "逾期")])
    site.run("sync", "roster", "fees", "fines")
    assert "4,501" in site.run("status", OWES)


def test_another_file_is_another_place_and_waits(site: Small) -> None:
    owing(site, "4501")
    (site.folder / "fees.csv").rename(site.folder / "other.csv")
    site.change('"fees.csv"', '"other.csv"')
    site.run("sync", "fees", code=4)


def test_what_a_former_version_stored_is_the_same_place_and_the_same_question(tmp_path: Path) -> None:
    with ExitStack() as stack:
        with pytest.MonkeyPatch.context() as former:
            location = rule_settings.location
            former.setattr(rule_settings, "location", lambda asked, **_: location(asked, former=True))
            site = stack.enter_context(small(tmp_path))
        for amount in ("4501", "4502"):
            owing(site, amount)
            site.run("sync", "fees")


#: Connectors that ask about one student after the other, and the least that each needs.
ONE_BY_ONE = {
    "alma": 'url = "https://x.example"\nkey = "env:WORD"\nasks = "loans"\n',
    "sierra": 'url = "https://x.example"\nclient_id = "x"\nclient_secret = "env:WORD"\nasks = "loans"\n',
    "koha_rest": 'url = "https://x.example"\nclient_id = "x"\nclient_secret = "env:WORD"\nasks = "loans"\n',
    "rest": 'one_url = "https://x.example/{student}"\nproofs = ["one_answer"]\nper_student = { }\n'
    'columns = { student = "x" }\n',
}


@pytest.mark.parametrize("connector", ONE_BY_ONE)
def test_how_fast_students_are_asked_about_is_no_part_of_the_question(tmp_path: Path, connector: str) -> None:
    def rule(pace: str) -> SourceRule:
        own = ONE_BY_ONE[connector].replace("per_student = { }\n", "") + f"per_student = {{ {pace} }}\n"
        table = f'[source.loans]\nstep = "library"\nconnector = "{connector}"\nmeans = "items"\nevery = "1 h"\n{own}'
        before, _, rest = SETTINGS.partition("[source.loans]")
        after = rest.partition("[source.fines]")[2]
        (tmp_path / "clearance.toml").write_text(before + table + "[source.fines]" + after, encoding="utf-8")
        return rule_settings.source_rule(load(tmp_path / "clearance.toml", schema_of, {"WORD": "x"}), "loans")

    usual, slow = rule(""), rule("per_second = 1, at_once = 2")
    assert usual.digest == slow.digest
    # A version that took the pace for part of the question stored this; the first run after it does not wait.
    assert usual.former_question != slow.former_question
    assert slow.is_known_as(replace(slow, question=slow.former_question).digest)
    assert not slow.is_known_as(replace(slow, question=usual.question, tolerance=Decimal(1)).digest)
