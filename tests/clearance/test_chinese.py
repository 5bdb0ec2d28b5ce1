"""What the command shows of settings, marks and sync is Chinese where the process is."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass

from tests.services.small import CLEAR, OWES, Small


@dataclass(frozen=True, slots=True)
class _Ended:
    code: int
    out: str
    err: str


def _ended(small: Small, *words: str, lang: str = "zh") -> _Ended:
    """Run the command in a process of its own: a process keeps the language in which a command is imported."""
    ended = subprocess.run(
        [sys.executable, "-m", "clearance", "--config", str(small.file), *words],
        env={**os.environ, **small.environ, "PYTHONIOENCODING": "utf-8", "CLEARANCE_LANG": lang},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    return _Ended(ended.returncode, ended.stdout, ended.stderr)


def _lines(text: str) -> str:
    """Return an output as one line: a terminal wraps long ones."""
    return "".join(line.strip() for line in text.splitlines())


def _both(ended: _Ended) -> str:
    return _lines(ended.out) + _lines(ended.err)


def test_a_check_of_wrong_settings(university_of_three: Small) -> None:
    university_of_three.change('every = "1 d"', 'every = "1 w"')
    ended = _ended(university_of_three, "check")
    assert ended.code == 1
    assert "设置有 1 处错误：" in ended.err
    assert "[roster] every：“1 w”不是时长。处理办法：" in ended.err


def test_a_check_of_rows_that_cannot_be_read(university_of_three: Small) -> None:
    university_of_three.fines([(OWES, "two", "逾期滞纳金")])
    shown = _both(_ended(university_of_three, "check", "fines"))
    assert "1 个学号会成为数据待核：金额 'two' 无法识别。处理办法：检查 [source.fines] 的 columns.amount" in shown


def test_a_run_that_waits_keeps_the_language_of_the_process_that_wrote_it(university_of_three: Small) -> None:
    university_of_three.change('first = "apply"', 'first = "suspend"')
    university_of_three.change('url = "env:FINES_URL:-sqlite:///fines.db"', 'url = "sqlite:///fines.db"')
    university_of_three.change("SELECT reader, amount, title FROM fines", "SELECT reader, amount, title FROM fines f")
    university_of_three.fines([(CLEAR, "3", "逾期滞纳金")])
    assert _ended(university_of_three, "sync", "fines").code == 4
    shown = _lines(_ended(university_of_three, "runs", "list", lang="en").out)
    assert "fines 的设置有变" in shown
    assert "clearance runs approve" in shown


def test_a_source_that_fails_closes_its_run_in_chinese(university_of_three: Small) -> None:
    university_of_three.fees([("学号", "欠费", "项目"), ("", "4500", "学费")])
    shown = _both(_ended(university_of_three, "sync", "fees"))
    assert "fees：1 行没有学号：第 2 行（" in shown
    assert "处理办法：请部门补全学号，或在 [source.fees] 中设 nameless" in shown


def test_what_verify_finds(university_of_three: Small) -> None:
    with closing(sqlite3.connect(university_of_three.folder / "status.db")) as database, database:
        database.execute("UPDATE record SET verdict = 'cleared' WHERE student = ?", (OWES,))
    ended = _ended(university_of_three, "verify")
    assert ended.code == 6
    assert f"fees {OWES} 与校验值不符" in _lines(ended.out)


def test_a_backup_that_is_none(university_of_three: Small) -> None:
    ended = _ended(university_of_three, "restore", str(university_of_three.folder))
    assert ended.code == 1
    assert "不是备份" in ended.err
    assert "处理办法：指定 `clearance backup` 生成的文件夹。" in _lines(ended.err)


def test_a_decision_that_is_refused(university_of_three: Small) -> None:
    ended = _ended(
        university_of_three, "override", "set", OWES, "library", "held", "--as", "librarian", "--reason", "其他"
    )
    assert ended.code == 1
    assert "“其他”不是 library 的原因。处理办法：从以下选择：赔书, 数据有误" in _lines(ended.err)


def test_a_plan_of_other_settings(university_of_three: Small) -> None:
    university_of_three.change('{ step = "finance" }, ', "")
    university_of_three.change('[source.fees]\nstep = "finance"', '[source.fees]\nstep = "library"')
    shown = _lines(_ended(university_of_three, "plan").out)
    assert "[source] fees step：原为 finance；现为 library" in shown
    assert "finance：3 名学生不再有此环节" in shown
    assert "finance：2 名学生由通过变为取消" in shown


def test_the_help_shows_every_text_to_its_end(university_of_three: Small) -> None:
    ended = _ended(university_of_three, "--help")
    assert "…" not in ended.out
    assert "校验未通过时退出码为6" in "".join(ended.out.replace("│", "").split())
    assert "<开关>" in ended.out


def test_a_source_that_fails_states_since_when_and_why(university_of_three: Small) -> None:
    university_of_three.change("SELECT reader, amount, title FROM fines", "SELECT reader, amount, title FROM fine")
    assert _ended(university_of_three, "sync", "fines").code == 1
    shown = _both(_ended(university_of_three, "sources"))
    assert "起已失败 1 次。" in shown
    assert "没有该表或视图" in shown
