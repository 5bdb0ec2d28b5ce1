"""The pages and the Chinese documents keep to docs/glossary.md: no word that it has replaced comes back."""

import re
from pathlib import Path

import pytest

from tests.catalogue import page_places, page_texts
from tests.services.university import ROOT

#: Words that are right for another thing, or part of a longer word. Whether they are meant is left to reading.
LEFT_TO_READING = {
    "事项", "问题", "合格", "成功", "已完成", "覆盖", "被拒", "冻结", "未完成", "欠", "锁定", "未知", "异常",
    "失效", "完成", "理由", "债", "已过期", "前", "窗口", "去哪里", "开门", "刷新", "反馈", "回应", "证件",
    "消息", "新闻", "队列", "决定", "处置", "原因", "过期", "撤销", "取消", "收回", "录入", "不管", "忽略",
    "冲突", "吊销", "线下", "纸上办", "日志", "落后", "曲线", "警告", "来源", "运行", "作业", "通过", "同意",
    "确认", "合理", "计划", "方案", "指纹", "预告", "证明", "凭证", "相近", "审计", "批次", "流", "读取",
    "密钥", "撤回", "槽", "工人", "排队", "前台", "指令", "开关",
}  # fmt: skip

#: What reads as translated, or is an old word of the pages, and what to write instead.
NOT_WRITTEN = {
    r"(?<!未结)事项": "环节, or 未结事项",
    r"来源": "数据源, or the system's name",
    r"运行": "同步",
    r"撤销": "撤回, 作废 (a certificate), 吊销 (a token) or 收回 (a grant)",
    r"已过期": "已逾期 (books, answers), 已失效 (codes, slips)",
    r"自何时起": "办结时间",
    r"办理原因": "办理依据",
    r"证书号": "证书编号",
    r"纸号": "纸质单号",
    r"批次": "批",
    r"被": "the active voice",
    r"进行(?!中)": "the verb itself",
    r"[！…]|抱歉": "a plain sentence",
    r"[\u4e00-\u9fff][,;:?!()]|[,;:?!()][\u4e00-\u9fff]": "full-width punctuation",
}

#: Where a student is 你; pages of staff use no pronoun.
STUDENTS = ("portal/student/", "portal/templates/student.html", "portal/templates/appeal.html")

#: The longest clause of a sentence, in characters; a placeholder counts as two.
LONGEST_CLAUSE = 50

CHINESE = [ROOT / "README.zh.md", *sorted((ROOT / "docs" / "zh").rglob("*.md"))]


def replaced() -> set[str]:
    """Return the Chinese words of the glossary's last column."""
    text = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\|.*\| ([^|]+) \|$", text, re.MULTILINE)
    return {word.strip() for row in rows for word in row.split(",") if re.search(r"[\u4e00-\u9fff]", word)}


TESTED = sorted(replaced() - LEFT_TO_READING)


def test_the_glossary_replaces_every_word_that_is_left_to_reading() -> None:
    assert replaced() >= LEFT_TO_READING


def test_the_pages_have_no_replaced_word() -> None:
    found = {word: sorted(text for text in page_texts() if word in text) for word in TESTED}
    assert {word: texts for word, texts in found.items() if texts} == {}


@pytest.mark.parametrize("pattern", NOT_WRITTEN)
def test_the_pages_are_written_as_a_registrars_clerk_writes(pattern: str) -> None:
    found = sorted(text for text in page_texts() if re.search(pattern, text))
    assert found == [], f"write {NOT_WRITTEN[pattern]}"


def test_only_students_are_addressed_with_a_pronoun() -> None:
    found = {text: places for text, places in page_places().items() if re.search("[你您]", text)}
    assert found, "nothing would be tested"
    assert [text for text in found if "您" in text] == []
    assert {text: places for text, places in found.items() if not all(p.startswith(STUDENTS) for p in places)} == {}


def test_no_clause_is_too_long_to_read_once() -> None:
    clauses = [clause for text in page_texts() for clause in re.split("[。；：]", re.sub(r"%\(\w+\)\w", "XX", text))]
    assert [clause for clause in clauses if len(clause) > LONGEST_CLAUSE] == []


def test_a_figure_is_apart_from_the_characters_beside_it() -> None:
    """Except in dates, as 6月6日."""
    close = re.compile(r"[\u4e00-\u9fff](?<![年月])[A-Za-z0-9]|[A-Za-z0-9](?![月日年届])[\u4e00-\u9fff]")
    assert [text for text in page_texts() if close.search(re.sub(r"%\(\w+\)\w", "〇", text))] == []


@pytest.mark.parametrize("document", CHINESE, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_chinese_document_has_no_replaced_word(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    assert [word for word in TESTED if word in text] == []
