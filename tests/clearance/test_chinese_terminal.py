"""The command line in Chinese: help, usage errors, refusals, tables and states, by the real command."""

import json
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from functools import cache

import pytest

from clearance.output import usage_errors
from tests.services.small import OWES, Small

CHINESE = re.compile(r"[\u4e00-\u9fff]")

# In processes of their own: Typer reads its own texts when it is imported.
_HELP = """
from foundation.translation import use_language
use_language("zh")
from typer import Context
from typer.main import get_command
from clearance.main import app
def walk(command):
    # As the help is shown: first the line of its use, then what the command does.
    command.get_usage(Context(command))
    yield from (text for text in (command.help, command.epilog) if text)
    yield from (each.help for each in command.get_params(Context(command)) if getattr(each, "help", None))
    for inside in dict(getattr(command, "commands", {})).values():
        yield from walk(inside)
print("\\n".join(text.replace("\\n", " ") for text in walk(get_command(app))))
"""

_MANY = """
import io, json, sys
from contextlib import redirect_stderr
from clearance.output import usage_errors
from clearance.main import main
if sys.argv[2] == "as Typer has them":
    usage_errors.TEXTS = ()
for words in json.loads(sys.argv[1]):
    with redirect_stderr(io.StringIO()) as out:
        try:
            main(words)
        except SystemExit as ended:
            code = ended.code
    print(json.dumps([code, out.getvalue()]))
"""


def _run(*words: str, lang: str, **environment: str) -> str:
    """Run Python, and return what it wrote."""
    ended = subprocess.run(
        [sys.executable, *words],
        env={**os.environ, "PYTHONIOENCODING": "utf-8", "COLUMNS": "200", **environment, "CLEARANCE_LANG": lang},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    return ended.stdout + ended.stderr


def test_the_whole_help_is_chinese() -> None:
    lines = _run("-c", _HELP, lang="zh").splitlines()
    assert len(lines) > 150
    assert [line for line in lines if not CHINESE.search(line)] == []


#: Usage errors: the words, and the Chinese text in the box.
_USAGE = (
    (("synk",), "没有命令 'synk'。是否指 'sync'？"),
    (("bogus",), "没有命令 'bogus'。"),
    (("status",), "缺少参数 'student'。"),
    (("override", "set", "1", "library"), "缺少参数 'verdict'。处理办法：从以下选择："),
    (("override", "set", "1", "library", "cleared"), "缺少选项 '--as'。"),
    (("runs", "show", "1", "--jso"), "没有选项 --jso（是否指：--json）"),
    (("sync", "-z"), "没有选项 -z"),
    (("sync", "--student"), "选项 '--student' 后面要写值。"),
    (("sync", "--json=1"), "选项 '--json' 后面不写值。"),
    (("db", "upgrade", "now"), "多出的参数：now"),
    (("runs", "show", "x"), "'run' 的值无效：应为整数"),
    (("serve", "--port", "0"), "'--port' 的值无效：应不小于 1"),
    (("serve", "--port", "70000"), "'--port' 的值无效：应不大于 65535"),
    (("serve", "both"), "'what' 的值无效：'both' 不在以下之列：'all', 'pages', 'desk'。"),
    (("import", "results", "none.csv", "--step", "s", "--as", "a"), "'file' 的值无效：文件 'none.csv' 不存在。"),
    (("verify", "--head", "x"), "值无效：“x”不是链头。"),
)

_ALL_WORDS = tuple(words for words, _ in _USAGE)


@cache
def _usage_errors(lang: str, *, as_typer_has_them: bool = False) -> Sequence[tuple[int, str]]:
    """Return the exit code and the output for each of these words."""
    mode = "as Typer has them" if as_typer_has_them else "ours"
    return [tuple(json.loads(line)) for line in _run("-c", _MANY, json.dumps(_ALL_WORDS), mode, lang=lang).splitlines()]


@pytest.mark.parametrize("at", range(len(_USAGE)), ids=[" ".join(words) for words in _ALL_WORDS])
def test_a_usage_error_is_chinese(at: int) -> None:
    code, output = _usage_errors("zh")[at]
    assert code == 2
    assert _USAGE[at][1] in output
    assert not re.search(r"Usage|Error|Try ", output)


@pytest.mark.parametrize("at", range(len(_USAGE)), ids=[" ".join(words) for words in _ALL_WORDS])
def test_a_usage_error_is_typers_own_where_the_process_is_english(at: int) -> None:
    assert _usage_errors("en")[at] == _usage_errors("en", as_typer_has_them=True)[at]
    assert "Error" in _usage_errors("en")[at][1]


def test_every_text_of_a_usage_error_is_recognised_as_itself() -> None:
    example = {"parameter": "'x'", "known": "'y'", "reason": "bad", "option": "-x", "words": "a b", "name": "'x'"}
    example |= {"value": "'v'", "least": "1", "most": "9", "path": "'p'"}
    for text in usage_errors.TEXTS:
        filled = text.format(**example)
        assert next(known for known in usage_errors.TEXTS if usage_errors.pattern(known).fullmatch(filled)) == text


def test_the_usage_line_is_chinese() -> None:
    assert "用法：clearance runs [选项] 命令 [参数]..." in _run("-m", "clearance", "runs", "--help", lang="zh")


def _clearance(small: Small, *words: str, lang: str = "zh") -> str:
    return _run("-m", "clearance", "--config", str(small.file), *words, lang=lang, **small.environ)


def test_a_refusal_is_chinese_and_ends_with_the_fix(university_of_three: Small) -> None:
    output = _clearance(university_of_three, "status", "999")
    assert output == "2019 届没有学号 999。处理办法：核对学号，或运行：clearance sync roster\n"


def test_the_state_of_a_student_is_chinese(university_of_three: Small) -> None:
    heads, library, *_ = _clearance(university_of_three, "status", OWES).splitlines()[1:]
    assert heads.split() == ["环节", "状态", "原因", "未结事项", "截至", "人工办理"]
    assert library.split()[:4] == ["图书馆", "(library)", "不通过", "未结事项"]


def test_the_runs_are_chinese(university_of_three: Small) -> None:
    listed = _clearance(university_of_three, "runs", "list")
    assert listed.split()[:6] == ["同步", "数据源", "状态", "开始时间", "操作人", "内容"]
    assert "已生效" in listed
    assert not re.search(r"applied|rows|records|flips", listed)


def test_a_grant_is_chinese_and_the_audit_log_keeps_its_codes(university_of_three: Small) -> None:
    given = _clearance(university_of_three, "accounts", "grant", "dean", "decide:finance:college=文学院")
    assert re.fullmatch(r"权限 \d+：办理 finance 学院=文学院\n", given)
    kept = _audit_details(university_of_three)
    assert "decide finance college=文学院" in kept
    assert "办理 finance" not in kept


def _audit_details(small: Small) -> str:
    texts: list[str] = []
    for file in small.folder.glob("*.db"):
        with closing(sqlite3.connect(file)) as database:
            if database.execute("SELECT 1 FROM sqlite_master WHERE name = 'audit'").fetchone():
                details = database.execute("SELECT detail FROM audit").fetchall()
                texts += [json.dumps(json.loads(detail), ensure_ascii=False) for (detail,) in details if detail]
    return "\n".join(texts)


def test_json_is_the_same_in_every_language(university_of_three: Small) -> None:
    chinese, english = (_clearance(university_of_three, "sources", "--json", lang=lang) for lang in ("zh", "en"))
    assert chinese == english
