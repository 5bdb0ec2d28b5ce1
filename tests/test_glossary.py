"""The pages and the Chinese documents keep to docs/glossary.md: no word that it has replaced comes back."""

import re
from pathlib import Path

import pytest

from tests.catalogue import page_texts
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

#: How many texts of the pages have such a word still. The numbers only fall; a word that is gone is taken off.
KNOWN = {
    "办妥": 24, "跑腿": 13, "重新核对": 11, "发回": 10, "领走": 9, "离校手续单": 6, "读不懂": 6,
    "一次性代码": 3, "办理台": 2, "给学生的话": 2, "复看": 2, "名单外的人": 2, "看不懂": 2, "改判": 1,
    "拦截": 1, "宿舍未结": 1, "已应用": 1, "账本": 1, "没有回答": 1, "拒绝了查询": 1,
}  # fmt: skip

CHINESE = [ROOT / "README.zh.md", *sorted((ROOT / "docs" / "zh").rglob("*.md"))]


def replaced() -> set[str]:
    """Return the Chinese words of the glossary's last column."""
    text = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\|.*\| ([^|]+) \|$", text, re.MULTILINE)
    return {word.strip() for row in rows for word in row.split(",") if re.search(r"[\u4e00-\u9fff]", word)}


TESTED = sorted(replaced() - LEFT_TO_READING)


def test_the_glossary_replaces_every_word_that_is_left_to_reading_or_known() -> None:
    assert replaced() >= LEFT_TO_READING
    assert set(TESTED) >= set(KNOWN)


def test_the_pages_have_no_replaced_word_but_those_that_are_known() -> None:
    found = {word: sorted(text for text in page_texts() if word in text) for word in TESTED}
    assert {word: texts for word, texts in found.items() if len(texts) != KNOWN.get(word, 0)} == {}


@pytest.mark.parametrize("document", CHINESE, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_chinese_document_has_no_replaced_word(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    assert [word for word in TESTED if word in text] == []
