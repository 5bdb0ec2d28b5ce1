"""The texts of settings, marks, sync and sign-in: each is marked for translation, and Chinese where the process is."""

import ast
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from pydantic_core import _pydantic_core

from clearance.settings_file import load_settings
from config import pydantic_texts
from config.load import SettingsError
from foundation import translation
from status_db import doubts
from status_db.code_words import code_word
from status_db.guard_reasons import GuardReason, GuardReasonKind
from status_db.model import Means, RunState, Verdict
from sync.rule.doubts import doubt_text
from sync.rule.records import SourceRule, record_from_rows
from tests.services.small import SETTINGS
from tests.services.university import ROOT
from tests.services.written import text_of

FOLDERS = ("config", "status_db", "sync", "portal/auth", "portal/signin")

#: Texts for programmers, whose call has a fault, and for the programs that read the metrics.
FOR_PROGRAMMERS = frozenset({"GaugeMetricFamily", "InvalidKeyIdError", "LookupError", "TypeError"})
OF_PROGRAMMERS = (
    "a ledger's key must have X bytes. Restore the right file.",
    "a time without a zone cannot be stored. Pass an aware datetime.",
    "votes need the ledger's key. Run this where [status_db] names it.",
)

#: How SQL begins.
_SQL = re.compile(r"(?:SELECT|CREATE|ALTER|GRANT|REVOKE|DO) ")

#: Functions, besides errors and values, that are called with a text for a person.
_SHOWN = frozenset({"add", "append", "fail", "literal", "sign_in_refused", "_refused", "_unavailable"})

_WORD = re.compile(r"[a-z]{2,}")
_CHINESE = re.compile(r"[\u4e00-\u9fff]")
_ENGLISH = re.compile(r"[a-z]{2,} [a-z]{2,}")

MODULES = sorted(
    path.relative_to(ROOT).as_posix()
    for folder in FOLDERS
    for path in (ROOT / folder).rglob("*.py")
    if "migrations" not in path.parts
)


def _unmarked(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield each sentence that is given to an error or a value, or returned, and that no translator sees."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=args) if _is_shown(name):
                given = args
            case ast.Return(value=ast.expr() as value) | ast.Yield(value=ast.expr() as value):
                given = value.elts if isinstance(value, ast.List | ast.Tuple) else [value]
            case _:
                continue
        for each in given:
            text = text_of(each)
            if (
                len(_WORD.findall(text)) > 2
                and _ENGLISH.search(text)
                and text not in OF_PROGRAMMERS
                and not _SQL.match(text)
            ):
                yield each.lineno, text


def _is_shown(name: str) -> bool:
    return name in _SHOWN or (name[0].isupper() and name != "N_" and name not in FOR_PROGRAMMERS)


@pytest.mark.parametrize("module", MODULES)
def test_every_text_of_a_module_is_marked_for_translation(module: str) -> None:
    assert list(_unmarked(ast.parse((ROOT / module).read_text(encoding="utf-8")))) == []


@pytest.mark.parametrize(
    "code",
    [
        'raise StoreError(f"there is no run {run}. See: clearance runs list")',
        'found.append(f"{at}: there is no such step: write another")',
        'def check():\n    return "the list is not whole"',
        'def check():\n    yield "the list " + name + " is not whole"',
        'self._found.add("run", "row", key, "does not match the link")',
        'raise Untrusted("it has no user" if none else tr("it has many users"))',
    ],
)
def test_a_text_that_is_not_marked_is_found(code: str) -> None:
    assert len(list(_unmarked(ast.parse(code)))) == 1


@pytest.mark.parametrize(
    "code",
    [
        'raise StoreError(tr("there is no run {run}. See: clearance runs list", run=run))',
        'raise TypeError("the answer is not an object")',
        'def sql():\n    return f"GRANT SELECT on all tables to {role}"',
    ],
)
def test_a_text_that_is_marked_or_not_for_people_is_not_found(code: str) -> None:
    assert list(_unmarked(ast.parse(code))) == []


@pytest.fixture
def chinese(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have this process speak Chinese for one test."""
    monkeypatch.setattr(translation, "_chosen", ["zh"])


@pytest.fixture
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have this process speak English for one test."""
    monkeypatch.setattr(translation, "_chosen", ["en"])


#: A mistake in the settings → what the Chinese error says of it.
MISTAKES = {
    ('every = "1 d"', 'every = "1 w"'): "[roster] every：“1 w”不是时长。处理办法：写整数加 s、min、h 或 d",
    ('key = "2019"', 'keys = "2019"'): '[[cohort]] "1" keys：没有这个设置项。处理办法：写成 "key"，或删去它',
    ('url = "sqlite:///roster.db"\n', ""): "[roster] url：缺少。处理办法：加上它",
    ('first = "apply"', 'first = "now"'): "first：应为 'suspend' 或 'apply'。处理办法：改正这个值",
    ('aliases = ["card"]', 'aliases = "card"'): "[roster] aliases：应为列表（方括号）。处理办法：改正这个值",
    ('name = "2019届"', "name = 2019"): '[[cohort]] "2019" name：应为文字（加引号）。处理办法：改正这个值',
    ('means = "items"', 'means = "items"\ntolerance = "a"'): "tolerance：应为数字。处理办法：改正这个值",
    ('step = "finance"\nconnector', 'step = "cash"\nconnector'): "没有“cash”这个环节。处理办法：写成 library、finance",
}


@pytest.mark.usefixtures("chinese")
@pytest.mark.parametrize("change", MISTAKES, ids=[new.replace("\n", " ") or "left out" for _, new in MISTAKES])
def test_a_mistake_in_the_settings_is_chinese(change: tuple[str, str], tmp_path: Path) -> None:
    assert change[0] in SETTINGS
    file = tmp_path / "clearance.toml"
    file.write_text(SETTINGS.replace(*change), encoding="utf-8")
    with pytest.raises(SettingsError) as raised:
        load_settings(file)
    assert f"{file}：设置有 " in str(raised.value)
    assert MISTAKES[change] in str(raised.value).replace(", ", "、")
    assert not _ENGLISH.search(str(raised.value).replace("clearance", ""))


def _pydantic_errors() -> dict[str, str]:
    listed = _pydantic_core.list_all_errors()
    return {error["type"]: error["message_template_python"] for error in listed}


def test_each_text_of_pydantic_is_one_that_pydantic_has() -> None:
    assert pydantic_texts.TEXTS.keys() <= _pydantic_errors().keys()


def test_the_values_of_a_text_of_pydantic_are_those_that_pydantic_gives() -> None:
    templates = _pydantic_errors()
    for kind, text in pydantic_texts.TEXTS.items():
        assert set(re.findall(r"\{\w+\}", text)) <= set(re.findall(r"\{\w+\}", templates[kind])), kind


@pytest.mark.usefixtures("chinese")
@pytest.mark.parametrize("kind", pydantic_texts.TEXTS)
def test_what_pydantic_refuses_is_chinese(kind: str) -> None:
    values = dict.fromkeys(re.findall(r"\{(\w+)\}", _pydantic_errors()[kind]), 3)
    shown = pydantic_texts.pydantic_text({"type": kind, "msg": "Input should be another", "ctx": values})
    assert _CHINESE.search(shown)
    assert not _ENGLISH.search(shown)


@pytest.mark.usefixtures("english")
def test_english_keeps_the_text_of_pydantic() -> None:
    error = {"type": "int_parsing", "msg": "Input should be a valid integer, unable to parse string as an integer"}
    assert pydantic_texts.pydantic_text(error) == error["msg"][0].lower() + error["msg"][1:]


_NUMBERS = (
    "about", "all_of", "base", "before", "before_rows", "clears", "count", "findings", "hinted", "loses", "no_amount",
    "others", "others_base", "percent", "points", "poor", "records", "rows", "students", "unreadable", "wave",
)  # fmt: skip

_FIGURES: Mapping[str, str | int] = {
    **dict.fromkeys(_NUMBERS, 7),
    "column": "college",
    "first": "2015001",
    "flow": "本科",
    "group": "文学院",
    "now": "held",
    "review": "终审",
    "source": "图书馆",
    "steps": "宿管",
    "then": "cleared_or_unknown",
    "what": "let_off",
}


@pytest.mark.usefixtures("chinese")
@pytest.mark.parametrize("kind", GuardReasonKind)
def test_a_guard_reason_is_chinese(kind: GuardReasonKind) -> None:
    shown = str(GuardReason(kind, _FIGURES))
    assert _CHINESE.search(shown)
    assert not _WORD.search(shown)


@pytest.mark.usefixtures("chinese")
def test_a_guard_reason_reads_as_the_glossary_has_it() -> None:
    figures: Mapping[str, str | int] = {
        "students": 290,
        "base": 370,
        "now": "held",
        "then": "cleared",
        "percent": "10",
        "count": 37,
        "wave": 0,
    }
    shown = str(GuardReason(GuardReasonKind.AT_ONCE, figures))
    assert shown == "370 名不通过的学生中，290 名将一次变为通过（限额：超过 10%，且超过 37 名）"


@pytest.mark.usefixtures("english")
def test_a_group_keeps_its_name() -> None:
    figures: Mapping[str, str | int] = {**_FIGURES, "group": "held"}
    assert "college held" in str(GuardReason(GuardReasonKind.GROUP, figures))


@pytest.mark.usefixtures("chinese")
@pytest.mark.parametrize("code", [*Verdict, *RunState])
def test_a_code_in_a_sentence_is_chinese(code: Verdict | RunState) -> None:
    assert _CHINESE.search(code_word(code))


_RULE = SourceRule(
    source="dorm",
    step="dorm",
    means=Means.STATUS,
    absent=Verdict.UNKNOWN,
    obligation="room",
    item_title="",
    tolerance=Decimal(0),
    yuan=Decimal(1),
    words={"已退": Verdict.CLEARED},
    zone=ZoneInfo("Asia/Shanghai"),
    institution_zone=ZoneInfo("Asia/Shanghai"),
    question=b"",
)


@pytest.mark.usefixtures("chinese")
def test_a_doubt_is_stored_the_same_in_every_language_and_shown_in_chinese() -> None:
    """A stored record is compared with the next one, which a process of another language may have read."""
    record = record_from_rows(_RULE, ("student", "status"), "2015001", [("2015001", "退")], b"")
    assert record.doubt == "the word '退' is not in the settings' words"
    assert doubt_text(record.doubt) == "设置的 words 中没有 '退' 这个词"


@pytest.mark.usefixtures("chinese")
def test_several_doubts_are_shown_in_chinese_and_what_is_not_known_stays() -> None:
    stored = f"{doubts.NO_AMOUNT}; {doubts.BOTH_REDUCE}; leading_zero 15001"
    assert doubt_text(stored) == "有一行没有金额；有两行相同，都会减少总额；leading_zero 15001"
