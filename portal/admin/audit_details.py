"""The details of the audit log's lines in the reader's language: names of people, steps and sources, not their keys."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from portal.access import scope_picker
from portal.i18n import admin_labels, labels
from portal.i18n.labels import N_
from portal.page.account_names import People, people_of
from portal.page.context import Context
from portal.present import run_lines
from portal.present.appeals import OUTCOMES

#: The names of a line's details. Other details are shown by their key.
DETAILS = {
    "source": N_("数据源"),
    "says": N_("表态"),
    "reason": N_("原因"),
    "change": N_("变动摘要码"),
    "to": N_("对象账号"),
    "asked": N_("申请的操作"),
    "asked_by": N_("申请人"),
    "held_by": N_("原账号"),
    "grants": N_("权限"),
    "act": N_("可办理的操作"),
    "step": N_("环节"),
    "scope": N_("范围"),
    "during": N_("届"),
    "what": N_("内容"),
    "announcement": N_("公告"),
    "title": N_("标题"),
    "verdict": N_("结论"),
    "decision": N_("办理编号"),
    "file": N_("文件"),
    "rows": N_("行"),
    "tries": N_("次数"),
    "since": N_("起始时间"),
    "batch": N_("导入批号"),
    "entered": N_("已导入"),
    "wrong": N_("有错"),
    "withdrawn": N_("已撤回"),
    "issued": N_("已发证，不变"),
    "of": N_("账号"),
    "fields": N_("地址"),
    "channel": N_("渠道"),
    "notices": N_("通知"),
    "because": N_("没有发出的原因"),
    "after": N_("此后"),
    "appeal": N_("异议编号"),
    "before": N_("此前"),
    "by": N_("来自"),
    "class_name": N_("班级"),
    "cohort": N_("届"),
    "collected": N_("领证方式"),
    "college": N_("学院"),
    "count": N_("数量"),
    "filter": N_("筛选"),
    "form": N_("形式"),
    "kind": N_("种类"),
    "left": N_("剩余"),
    "left_out": N_("未列入"),
    "method": N_("登录方式"),
    "name": N_("名称"),
    "new": N_("新学号"),
    "number": N_("编号"),
    "old": N_("原学号"),
    "outcome": N_("处理结果"),
    "recheck": N_("可重新查询"),
    "reviewed": N_("已终审"),
    "run": N_("同步"),
    "second_factor": N_("两步验证"),
    "sheet": N_("办理单"),
    "student": N_("学号"),
    "students": N_("人数"),
    "token": N_("令牌"),
    "until": N_("有效期至"),
    "whose": N_("使用人"),
}

#: Details that are accounts: they are shown by the people's names.
_ACCOUNTS = ("to", "of", "asked_by", "held_by", "account")

#: The labels of some details' values.
_WHAT = {
    "activated": N_("启用"),
    "deactivated": N_("停用"),
    "audit": N_("操作日志"),
    "overview": N_("总览"),
    "report": N_("离校报告"),
    "unmatched": N_("未匹配数据"),
    "other sessions": N_("其他登录"),
}

#: Details whose values are codes, with the words of these.
_TABLES: Mapping[str, Mapping[str, str]] = {
    "asked": admin_labels.CHANGES,
    "says": admin_labels.SAYS,
    "what": _WHAT,
    "verdict": labels.STATES,
    "act": admin_labels.ACTS,
    "method": admin_labels.METHODS,
    "kind": admin_labels.FACTORS,
    "second_factor": admin_labels.FACTORS,
    "outcome": OUTCOMES,
    "collected": {"self": N_("本人领取"), "agent": N_("他人代领"), "post": N_("邮寄")},
    "form": {"pdf": N_("PDF 文件"), "page": N_("网页")},
    "by": {"provider": N_("统一身份认证")},
}


@dataclass(frozen=True, slots=True)
class DetailWords:
    """Writes the details of lines, with the names of the people in them."""

    context: Context
    people: People

    def text(self, detail: Mapping[str, object]) -> str:
        """Return a line's details in words, each with its name."""
        language = self.context.language
        between = ": " if language.code == "en" else "："
        return "; ".join(
            f"{labels.say(language, DETAILS, name)}{between}{self._value(name, value)}"
            for name, value in detail.items()
            if value not in ("", None, [], {})
        )

    def _value(self, name: str, value: object) -> str:
        language, text = self.context.language, str(value)
        if name in _ACCOUNTS:
            return self.people.name(text)
        if name in _TABLES:
            return labels.say(language, _TABLES[name], text)
        match name, value:
            case "step", str():
                return labels.step_titles(language, self.context.settings).get(text, text)
            case "source", str():
                return run_lines.title(self.context, text)
            case "scope", list() | tuple():
                return self._scope(map(str, value))
            case (("cohort" | "during"), str()):
                return {one.key: one.name for one in self.context.settings.cohort}.get(text, text)
            case (("since" | "until"), str()):
                return f"{datetime.fromisoformat(text).astimezone(language.zone):%Y-%m-%d %H:%M:%S}"
            case _, bool():
                return language.gettext("是") if value else language.gettext("否")
            case "grants", list() | tuple():
                return language.listed(self._grant(str(one)) for one in value)
            case _, list() | tuple():
                return language.listed(map(str, value))
            case _:
                return text

    def _scope(self, stored: Iterable[str]) -> str:
        """Return a stored scope in words: "college=资源学院" for each value."""
        scope: dict[str, list[str]] = {}
        for one in stored:
            column, _, value = one.partition("=")
            scope.setdefault(column, []).append(value)
        return scope_picker.scope_text(self.context.language, scope)

    def _grant(self, stored: str) -> str:
        """Return a stored grant in words: "decide library college=资源学院"."""
        language = self.context.language
        act, _, rest = stored.partition(" ")
        titles = {"every": language.gettext("所有环节"), **labels.step_titles(language, self.context.settings)}
        words = [labels.say(language, admin_labels.ACTS, act)]
        for part in rest.replace("every step", "every").split():
            column, equals, values = part.partition("=")
            if equals:
                words.append(scope_picker.scope_text(language, {column: values.split(",")}))
            elif column != "until":
                words.append(titles.get(column, column))
        return " · ".join(words)


async def detail_words(context: Context, details: Iterable[Mapping[str, object]]) -> DetailWords:
    """Return what writes these details; the people in them are read in one statement."""
    named = (str(detail[name]) for detail in details for name in _ACCOUNTS if detail.get(name))
    return DetailWords(context, await people_of(context, named))
