"""What settings mean: what decides where students stand, and nothing else."""

from pathlib import Path

import pytest

from config.load import load
from config.meaning import Meaning, differences, meaning_of
from connectors import memory
from tests.world import SETTINGS

MANUAL = '{ step = "college_items", kind = "manual" }, '


def meaning(folder: Path, settings: str) -> Meaning:
    file = folder / "clearance.toml"
    file.write_text(settings, encoding="utf-8")
    return meaning_of(load(file, {"memory": memory.Settings}.get, {"STATUS_URL": "sqlite:///x.db"}))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('title = "图书馆"', 'title = "总图书馆"'),
        ('every = "15 min"', 'every = "1 h"'),
        ('first = "apply"', 'first = "suspend"'),
        ('reasons = ["缓交批准", "数据有误"]', 'reasons = ["数据有误"]'),
        ('name = "山海大学"', 'name = "海山大学"'),
        ('means = "items"', 'means = "items"\nabsent = "cleared"\nguard = { clear_percent = 30 }'),
        ('columns = { student = "CARD", amount = "AMOUNT" }', 'columns = { amount = "AMOUNT", student = "CARD" }'),
        ('done = ["已清退"]', 'done = ["已清退"]'),
    ],
    ids=[
        "a title",
        "a schedule",
        "first",
        "reasons",
        "a name",
        "a default written out",
        "the order of columns",
        "nothing",
    ],
)
def test_what_decides_nothing_leaves_the_digest(tmp_path: Path, before: str, after: str) -> None:
    assert before in SETTINGS
    one, other = meaning(tmp_path, SETTINGS), meaning(tmp_path, SETTINGS.replace(before, after))
    assert one.digest == other.digest
    assert differences(one, other) == ()


def test_the_order_of_sources_means_nothing(tmp_path: Path) -> None:
    loans, rest = SETTINGS.index("[source.loans]"), SETTINGS.index("[source.fines]")
    moved = SETTINGS[:loans] + SETTINGS[rest:] + "\n" + SETTINGS[loans:rest]
    assert meaning(tmp_path, SETTINGS).digest == meaning(tmp_path, moved).digest


@pytest.mark.parametrize(
    ("before", "after", "line"),
    [
        ('means = "items"', 'means = "items"\nabsent = "unknown"', "[source] loans absent: was cleared; is unknown"),
        ('obligation = "fine"', 'obligation = "fine"\ntolerance = 5', "[source] fines tolerance: was 0; is 5"),
        ('student = "CARD", amount', 'student = "XH", amount', "[source] fines columns: was"),
        ('done = ["已清退"]', 'done = ["已清退", "是"]', "[source] checkouts words: was"),
        ('"延期" = "staying"', '"延期" = "leaving"', "[roster] categories: was"),
        ('exempt = [{ building = ["校外走读"] }]', "", "[[step]] exempt of dorm: removed"),
        (
            '{ step = "college_items", kind = "manual" }, { step = "library" }',
            '{ step = "library" }',
            "[[flow]] postgraduate: was",
        ),
        (
            'timezone = "Asia/Shanghai"',
            'timezone = "Asia/Urumqi"',
            "[source] loans timezone: was Asia/Shanghai; is Asia/Urumqi",
        ),
        ("[source.fines]", "[source.penalties]", "[source.penalties]: new, decides library"),
        ("[source.fines]", "[source.penalties]", "[source.fines]: removed, decided library"),
    ],
)
def test_what_decides_is_named_with_its_key(tmp_path: Path, before: str, after: str, line: str) -> None:
    assert before in SETTINGS
    one, other = meaning(tmp_path, SETTINGS), meaning(tmp_path, SETTINGS.replace(before, after))
    assert one.digest != other.digest
    assert any(said.startswith(line) for said in differences(one, other)), differences(one, other)


def test_it_comes_back_as_it_was_written(tmp_path: Path) -> None:
    one = meaning(tmp_path, SETTINGS)
    back = Meaning.from_text(one.to_text())
    assert back.digest == one.digest
    assert back.structure == one.structure
    assert differences(back, one) == ()


def test_rows_and_roster_keep_their_meaning_while_the_structure_changes(tmp_path: Path) -> None:
    applied = meaning(tmp_path, SETTINGS)
    words = SETTINGS.replace('done = ["已清退"]', 'done = ["是"]').replace('"延期" = "staying"', '"延期" = "leaving"')
    own = meaning(tmp_path, words.replace('exempt = [{ building = ["校外走读"] }]', ""))
    target = applied.with_structure(own, never_asked=())
    assert target.structure == own.structure
    assert target.sources["checkouts"].rows == applied.sources["checkouts"].rows
    assert target.roster == applied.roster
    fresh = applied.with_structure(own, never_asked=("checkouts", "roster"))
    assert fresh.sources["checkouts"].rows == own.sources["checkouts"].rows
    assert fresh.roster == own.roster
