"""A dorm office's sheet with words that the settings lack and rows that contradict each other, by every command."""

from pathlib import Path

import pytest

from tests.services import in_process
from tests.services.in_process import without_options

SETTINGS = """
[institution]
name = "山海大学"

[status_db]
url = "sqlite:///status.db"
ledger_key_file = "ledger.key"

[[cohort]]
key = "2019"
name = "2019届"

[roster]
connector = "sheet"
path = "roster.csv"
every = "1 d"
columns = { student = "学号", name = "姓名", level = "层次", college = "学院" }
levels = { "本科" = "undergraduate" }

[[step]]
key = "dorm"
title = "宿管中心"
office = { name = "宿管中心" }

[[step]]
key = "final_review"
title = "终审"
office = { name = "学院" }

[[flow]]
key = "undergraduate"
levels = ["undergraduate"]
entries = [{ step = "dorm" }, { step = "final_review", kind = "review" }]

[source.rooms]
step = "dorm"
connector = "sheet"
path = "rooms.csv"
means = "status"
absent = "held"
first = "apply"
every = "1 h"
columns = { student = "学号", status = "状态" }
words = { done = ["已退宿"], not_done = ["在住"] }
"""

ONE, TWO, THREE = "2015001", "2015002", "2015003"


class Dorms:
    """An institution with one office, in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "clearance.toml").write_text(SETTINGS, encoding="utf-8")
        rows = [f"{number},学生,本科,文学院" for number in (ONE, TWO, THREE)]
        (folder / "roster.csv").write_text("\n".join(["学号,姓名,层次,学院", *rows]), encoding="utf-8")
        self.run("db", "upgrade")
        self.rooms((ONE, "已退宿"))
        self.run("sync", "roster")

    def rooms(self, *rows: tuple[str, str]) -> None:
        """Have the sheet hold these."""
        text = "\n".join(["学号,状态", *(",".join(row) for row in rows)])
        (self.folder / "rooms.csv").write_text(text, encoding="utf-8")

    def run(self, *words: str, code: int | None = None, lang: str = "en") -> str:
        """Run the command, and return both outputs on one line."""
        environ = {"HOME": str(self.folder), "USER": "test", "PATH": "/usr/bin:/bin", "CLEARANCE_LANG": lang}
        ended = in_process.command(["--config", str(self.folder / "clearance.toml"), *words], environ)
        assert code is None or ended.code == code, ended.err
        assert "Traceback" not in ended.err
        return " ".join(without_options(ended.out + ended.err).split())


@pytest.fixture
def dorms(tmp_path: Path) -> Dorms:
    return Dorms(tmp_path)


def newest_run(dorms: Dorms) -> str:
    return dorms.run("runs", "list", "--source", "rooms", "--limit", "1").split(" by what ")[1].split()[0]


UNKNOWN = '2 rows have the word "待验收", which is not in the settings, for example for 2015002.'
FIX = "Add the word to words in [source.rooms], as done, not_done or exempt."


def test_every_command_about_a_source_names_the_word_that_the_settings_lack(dorms: Dorms) -> None:
    dorms.rooms((ONE, "已退宿"), (TWO, "待验收"), (THREE, "待验收"))
    planned = dorms.run("plan", "rooms")
    synced = dorms.run("sync", "rooms", code=0)
    shown = dorms.run("runs", "show", newest_run(dorms))
    for output in (planned, synced, shown, dorms.run("sources")):
        assert UNKNOWN in output
        assert FIX in output
    # It is still there when a later run could not read the sheet.
    (dorms.folder / "rooms.csv").unlink()
    dorms.run("sync", "rooms")
    assert UNKNOWN in dorms.run("sources")


def test_an_unknown_word_is_named_in_chinese(dorms: Dorms) -> None:
    dorms.rooms((TWO, "待验收"))
    output = dorms.run("sync", "rooms", lang="zh")
    assert "1 行的状态词“待验收”没有写在设置中（如学号 2015002）" in output
    assert "在 [source.rooms] 的 words 中" in output


def test_two_rows_of_a_student_that_disagree_are_named_and_do_not_clear_the_student(dorms: Dorms) -> None:
    dorms.rooms((ONE, "在住"), (ONE, "已退宿"), (TWO, "已退宿"))
    expected = '1 student has rows that contradict each other: "在住" / "已退宿", for example 2015001.'
    assert expected in dorms.run("check", "rooms")
    assert expected in dorms.run("sync", "rooms")
    assert expected in dorms.run("runs", "show", newest_run(dorms))
    assert "宿管中心 (dorm) not yet done" in dorms.run("status", ONE)
    # The order of the rows does not matter.
    dorms.rooms((ONE, "已退宿"), (ONE, "在住"), (TWO, "已退宿"))
    assert expected in dorms.run("sync", "rooms")
    assert "宿管中心 (dorm) not yet done" in dorms.run("status", ONE)


def test_rows_that_agree_and_rows_about_different_rooms_do_not_contradict_each_other(dorms: Dorms) -> None:
    dorms.rooms((ONE, "已退宿"), (ONE, "已退宿"))
    assert "contradict" not in dorms.run("sync", "rooms")
    file = dorms.folder / "clearance.toml"
    with_room = SETTINGS.replace('status = "状态" }', 'status = "状态", reference = "房间" }')
    file.write_text(with_room, encoding="utf-8")
    (dorms.folder / "rooms.csv").write_text(f"学号,状态,房间\n{ONE},已退宿,A1\n{ONE},在住,B2\n", encoding="utf-8")
    assert "contradict" not in dorms.run("sync", "rooms")


def test_an_act_that_is_not_done_is_called_the_same_in_a_plan_a_run_a_history_and_a_status(dorms: Dorms) -> None:
    dorms.rooms((ONE, "在住"), (TWO, "已退宿"), (THREE, "在住"))
    dorms.run("sync", "rooms")
    assert "宿管中心 (dorm) not yet done" in dorms.run("status", ONE)
    dorms.rooms((ONE, "已退宿"), (TWO, "已退宿"), (THREE, "在住"))
    assert "2015001 宿管中心 not yet done cleared" in dorms.run("plan", "rooms", code=3)
    dorms.run("sync", "rooms")
    assert "2015001 宿管中心 not yet done cleared" in dorms.run("runs", "show", newest_run(dorms))
    history = dorms.run("status", ONE)
    assert "宿管中心: not yet done → cleared" in history
    assert "held" not in history


def test_the_proof_of_a_source_is_dated_where_a_later_run_failed(dorms: Dorms) -> None:
    assert "宿管中心 never 0 0 0 0 none none" in dorms.run("sources")
    dorms.run("sync", "rooms")
    assert "(answer of " not in dorms.run("sources")
    (dorms.folder / "rooms.csv").unlink()
    dorms.run("sync", "rooms")
    assert "(answer of 20" in dorms.run("sources")


def test_the_first_row_of_a_check_is_explained_in_chinese(dorms: Dorms) -> None:
    assert "first row: student = '2015001', status = '已退宿'" in dorms.run("check", "rooms")
    assert "学号（student）= '2015001'、状态词（status）= '已退宿'" in dorms.run("check", "rooms", lang="zh").replace(
        "） = ", "）= "
    ).replace("，", "、")
