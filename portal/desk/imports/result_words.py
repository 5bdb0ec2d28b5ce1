"""Messages about sheets of results and their rows, each with the fix; in Chinese, as `portal.i18n.labels`."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from config.tables.desk import Desk
from portal.desk.context.services import SheetUnreadable
from portal.desk.imports.results import COLUMNS, LONGEST, RESULTS
from portal.i18n import labels
from portal.i18n.labels import later
from portal.i18n.languages import Language
from status_db.decisions.batch_rows import Judged, RowKind, Told, Wrong
from status_db.decisions.batches import BatchKind
from status_db.model import Decision, StepKind

#: Why a sheet cannot be read.
UNREADABLE: Mapping[str, str] = {
    "empty": later("文件是空的，或者表头下面一行也没有。请填好并保存后再上传。"),
    "large": later("文件太大，超过 %(size)s MB。请删去图片和用不到的工作表再上传。"),
    "rows": later("表里超过 %(most)s 行。请分成几个文件上传，或者按班级、学院下载模板。"),
    "kind": later("这不是 Excel 工作簿，也不是 CSV。请用 Excel 打开，另存为 .xlsx 再上传。"),
    "xls": later("这是旧版的 .xls。请用 Excel 打开，另存为 .xlsx 再上传。"),
    "password": later("文件有密码，打不开。请去掉密码，另存为 .xlsx 再上传。"),
    "web": later("这其实是一个网页，只是名字像 Excel。请用 Excel 打开，另存为 .xlsx 再上传。"),
    "xml": later("这其实是一个 XML 文件，只是名字像 Excel。请用 Excel 打开，另存为 .xlsx 再上传。"),
    "columns": later("没有找到表头：要有“学号”和“办理结果”两列，写在同一行。请用模板填写，不要改表头。"),
    "twice": later("同一个列名在表头里出现了两次，不知道该看哪一列。请删去多余的一列再上传。"),
    "broken": later("文件读不完整，或者里面有公式没有算出值。请用 Excel 打开、检查，另存为 .xlsx 再上传。"),
    "busy": later("现在读不了文件，不是文件的问题。请过一分钟再试。"),
}

KINDS: Mapping[str, str] = {
    RowKind.WRONG: later("有错"),
    RowKind.CONFLICT: later("与已有的人工办理不一致"),
    RowKind.NEW: later("新办理"),
    RowKind.SAME: later("与已有的人工办理一致"),
    RowKind.BLANK: later("没有填结果"),
}

#: What stands before each word, and what the stylesheet calls it.
MARKS: Mapping[str, str] = {
    RowKind.WRONG: "✕",
    RowKind.CONFLICT: "!",
    RowKind.NEW: "✓",
    RowKind.SAME: "=",
    RowKind.BLANK: "–",
}
TONES: Mapping[str, str] = {
    RowKind.WRONG: "bad",
    RowKind.CONFLICT: "todo",
    RowKind.NEW: "good",
    RowKind.SAME: "none",
    RowKind.BLANK: "none",
}

BATCHES: Mapping[str, str] = {
    BatchKind.IMPORT: later("导入"),
    BatchKind.PAPER: later("纸面补录"),
    BatchKind.CLASS: later("班级终审"),
}

_WRONG: Mapping[str, str] = {
    Wrong.NOBODY: later("名单上没有这个学号，或者不在你能办理的范围内。请核对学号。"),
    Wrong.NAME: later("这个学号是“%(name)s”，表里写的是“%(said)s”。请核对学号和姓名。"),
    Wrong.TWICE: later("这个学号在表里不止一行。请只留一行。"),
    Wrong.NO_STEP: later("这名学生今年不离校，或者不用办这一项。请删去这一行。"),
    Wrong.RESULT: later("看不懂办理结果“%(said)s”。请填“通过”“不通过”或“无需办理”；不办理就留空。"),
    Wrong.REASON: later("“%(said)s”不是这一项的办理原因。请从这些里选：%(reasons)s。"),
    Wrong.DATE: later("看不懂有效期“%(said)s”。请写成 2019-06-30 这样，或者留空。"),
    Wrong.LONG: later("“%(column)s”太长。请缩短到 %(most)s 字以内。"),
    Wrong.ISSUED: later("这名学生的证书已经发了，不能再改。请删去这一行。"),
}

_NO_NAME = later("没有填姓名，无法核对学号；这个学号是“%(name)s”。请填上姓名。")
_NO_RESULT = later("填了别的内容，却没有填办理结果。请填上；不办理就把这几格都清空。")
_NO_REASON = later("没有填办理原因。请从这些里选：%(reasons)s。")
_PAST = later("有效期已经过去。请写一个以后的日期，或者留空。")
_CONDITION = later("只有“通过”才能附加条件。请删去条件，或者写到“告知学生”里。")

_BECAME: Mapping[str, str] = {
    RowKind.NEW: later("已办理"),
    RowKind.SAME: later("与已有的人工办理一致，没有改动"),
    RowKind.BLANK: later("没有填结果，没有改动"),
}
_REPLACED = later("已办理，替换了原来的：%(before)s")
_NOT_REPLACED = later("没有替换已有的人工办理：%(before)s")
_NOT_ENTERED = later("没有导入：%(why)s")


def unreadable(language: Language, error: SheetUnreadable, limits: Desk) -> str:
    """Say why a sheet cannot be read, and what to do."""
    size = f"{limits.most_bytes / 1_000_000:g}"
    return language.gettext(UNREADABLE[error.word], size=size, most=limits.most_rows)


def result(language: Language, told: Told) -> str:
    """Say a row's result in a word; nothing where it says nothing."""
    return language.gettext(RESULTS[told.verdict][0]) if told.verdict is not None else ""


def decided(language: Language, decision: Decision, now: datetime) -> str:
    """Say what was decided, why, by whom and when."""
    word = labels.say(language, labels.STATES, labels.state_of(decision.verdict))
    parts = (word, decision.reason, decision.author, language.moment(decision.entered_at, now))
    return language.listed(part for part in parts if part)


def stands(language: Language, row: Judged, now: datetime, kind: StepKind) -> str:
    """Say what stands where a row would be entered; nothing where there is nobody."""
    if row.standing is not None:
        return decided(language, row.standing, now)
    if row.found is None:
        return ""
    return labels.say(language, labels.STATES, labels.state_of(row.found, row.found_because, kind))


def why(language: Language, row: Judged, reasons: Sequence[str], now: datetime) -> str:
    """Say what is wrong with a row, and what to do about it; nothing of one with which nothing is."""
    if row.wrong is None:
        return ""
    told, said = row.told, row.said
    if row.wrong is Wrong.LONG:
        return language.gettext(
            _WRONG[Wrong.LONG], column=language.gettext(COLUMNS[said][0]), most=LONGEST.get(said, 0)
        )
    sentence = _WRONG.get(row.wrong, "")
    if not said:
        alone = {Wrong.NAME: _NO_NAME, Wrong.RESULT: _NO_RESULT, Wrong.REASON: _NO_REASON}
        sentence = alone.get(row.wrong, sentence)
    if row.wrong is Wrong.REFUSED:
        sentence = _PAST if told.until is not None and told.until <= now else _CONDITION if told.condition else ""
    # What the door alone knows stands in its own words.
    if not sentence:
        return said
    return language.gettext(sentence, name=row.name, said=said, reasons=language.listed(reasons))


def became(language: Language, row: Judged, reasons: Sequence[str], now: datetime, *, replaced: bool) -> str:
    """Say what has become of a row in a batch that was entered; `replaced` says that conflicts were."""
    if row.kind is RowKind.WRONG:
        return language.gettext(_NOT_ENTERED, why=why(language, row, reasons, now))
    if row.kind is RowKind.CONFLICT and row.standing is not None:
        before = decided(language, row.standing, now)
        return language.gettext(_REPLACED if replaced else _NOT_REPLACED, before=before)
    return language.gettext(_BECAME[row.kind])
