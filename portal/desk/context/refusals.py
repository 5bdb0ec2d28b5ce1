"""Why the desk refused a request: one table of code → sentence with the fix, for all pages.

The text of the exception itself is for the command line.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeAlias

from portal.access.reader_context import ReaderContext
from portal.desk.context.services import SheetCode
from portal.desk.decision_form import FormCode
from portal.i18n import labels
from portal.i18n.labels import N_
from portal.i18n.languages import Language
from status_db.decisions.batch_rows import RowFault
from status_db.decisions.refusals import DecisionCode, DecisionRefused, Overtaken


class Surface(StrEnum):
    """The page that shows the sentence, for codes whose sentence depends on the page."""

    #: The record of one step: it keeps what was typed and shows the current status below.
    RECORD = "record"
    #: Class review and certificates. `%(about)s` is the steps or the number concerned.
    CERTIFICATES = "certificates"
    #: A sheet of results, and an empty cell of it.
    SHEET = "sheet"
    EMPTY_CELL = "empty_cell"
    #: An office's full list.
    LIST = "list"
    #: The entry of a paper sheet.
    PAPER = "paper"


_Sentences: TypeAlias = Mapping[StrEnum, str | Mapping[Surface, str]]

RECORD, CERTIFICATES, SHEET, EMPTY_CELL, LIST, PAPER = Surface

#: Default sentence if neither the code nor the surface has one.
_LOOK_AGAIN = N_("未保存。请重新打开本页，核对后再试。")
_NOT_UNDONE = N_("未撤回：已经撤回过，或其中有学生不在办理范围内。")

#: Default sentence of a surface, for codes without one of their own.
_OTHERWISE: Mapping[Surface, str] = {
    RECORD: N_("未保存：该学生现在的状态不允许这样办理。已填内容保留，请核对以下状态，改正后再提交。"),
    PAPER: N_("未录入：这些办理不符合要求。请再次核对预览。"),
}

_DECISIONS: _Sentences = {
    DecisionCode.NOT_ALLOWED: N_("权限刚刚变更，不能再办理本环节。请重新登录；需要权限的，请联系管理员。"),
    DecisionCode.NO_SUCH_STUDENT: {CERTIFICATES: N_("该学号不在离校名单中，或不在办理范围内。")},
    DecisionCode.NOT_LEAVING: {RECORD: N_("该学生今年不离校，没有需要办理的环节。如有出入，请与教务部门核对名单。")},
    DecisionCode.NO_SUCH_STEP: {RECORD: N_("该学生的办理流程中没有本环节。如有出入，请与教务部门核对名单。")},
    DecisionCode.NO_SUCH_FLOW: {},
    DecisionCode.IS_A_REVIEW: {},
    DecisionCode.NO_SUCH_REVIEW: {},
    DecisionCode.NO_SUCH_VERDICT: {},
    DecisionCode.NO_SUCH_REASON: {RECORD: N_("未保存：办理依据不在本环节的列表中，列表可能刚修改。请重新选择。")},
    DecisionCode.END_IN_PAST: {
        RECORD: N_("未保存：有效期早于今天。请改为今天或以后的日期，或留空。"),
        SHEET: N_("有效期早于今天。请改为今天或以后的日期，或留空。"),
    },
    DecisionCode.DECIDED_LATER: {RECORD: N_("未保存：办理时间晚于现在。请核对纸质单上的时间。")},
    DecisionCode.CONDITION_WITHOUT_PASS: {
        RECORD: N_("未保存：只有“通过”可以附加条件。请删去条件，或写入“告知学生”。"),
        SHEET: N_("只有“通过”可以附加条件。请删去条件，或写入“告知学生”。"),
    },
    DecisionCode.OVERTAKEN: {
        RECORD: N_("未保存：打开本页后，学生状态已变动。已填内容保留，请核对以下状态，仍须这样办理的再提交一次。"),
        CERTIFICATES: N_("该学生的状态刚刚变动，请核对后再办理。"),
        SHEET: N_("未导入：预览后，这些学生的状态有变动。请核对以下新的预览，再确认。"),
        PAPER: N_("预览后，填写的内容或学生状态有变动。请核对新的预览，再确认。"),
    },
    DecisionCode.NOTHING_TO_WITHDRAW: {RECORD: N_("没有可撤回的办理，可能刚由他人撤回。请核对以下状态。")},
    DecisionCode.NOT_OPEN: {
        RECORD: N_("未保存：前面还有环节未办结，不能通过终审。请核对下面所列环节，请学生先办理。"),
        CERTIFICATES: N_("以下环节未办结：%(about)s。请学生先办理，办结后再终审。"),
    },
    DecisionCode.TOO_OLD: {
        RECORD: N_("未保存：前面有环节的数据过期。请等待更新，或勾选采用过期数据并写明原因。"),
        CERTIFICATES: N_("数据刚刚过期：%(about)s。请等待更新，或写明原因并采用现有数据。"),
    },
    DecisionCode.NO_NOTE: {CERTIFICATES: N_("采用过期数据须写明原因。")},
    DecisionCode.SETTINGS: {CERTIFICATES: N_("设置变更尚未生效，暂时不能终审和发证。请管理员查看“同步记录”。")},
    DecisionCode.ISSUED: {
        RECORD: N_("未保存：该学生已发证，终审不能更改。确有错误的，请先由另一人作废证书。"),
        CERTIFICATES: N_("已有证书。"),
    },
    DecisionCode.NOT_REVIEWED: {CERTIFICATES: N_("终审未通过或已失效。请先终审，再发证。")},
    DecisionCode.NO_NUMBER: {CERTIFICATES: N_("未填证书编号。请填写证书上印制的编号。")},
    DecisionCode.USED: {CERTIFICATES: N_("证书编号 %(about)s 已使用。请与证书核对。")},
    DecisionCode.NO_COLLECTOR: {CERTIFICATES: N_("代领须写明代领人和委托书。")},
    DecisionCode.GONE: {CERTIFICATES: N_("该证书已作废。")},
    DecisionCode.LEFT: {CERTIFICATES: N_("该证书已登记领取。")},
    DecisionCode.WHEN: {CERTIFICATES: N_("领取时间早于发证时间，或晚于现在。请改正。")},
    DecisionCode.SAME_PERSON: {CERTIFICATES: N_("该证书由本账号发放，须由另一位有发证权限的人作废。")},
    DecisionCode.NO_REASON: {CERTIFICATES: N_("作废须写明原因。")},
    DecisionCode.NONE_CHOSEN: {},
    DecisionCode.NONE_PASSED: {},
    DecisionCode.WRONG_ROWS: {
        SHEET: N_("未导入：有 %(num)s 行有错。请在表中改正后重新上传，或勾选“跳过有错的行”。"),
        PAPER: N_("有的行有错。请改正或取消勾选，或勾选“跳过有错的行”。"),
    },
    DecisionCode.NO_CHANGE: {
        SHEET: N_("没有可导入的行：各行都不改变现有办理。要导入与现有办理不一致的行，请勾选“替换”。"),
        PAPER: N_("没有可录入的行：与现有办理一致，或不一致但未选择替换。"),
    },
    DecisionCode.NO_SUCH_BATCH: {},
    DecisionCode.UNDONE: {SHEET: N_("该批已整批撤回，结果如下。"), PAPER: _NOT_UNDONE},
    DecisionCode.OF_OTHERS: {
        SHEET: N_("未撤回：该批中有学生不在办理范围内。请由有权限的同事撤回。"),
        PAPER: _NOT_UNDONE,
    },
}

_ROWS: _Sentences = {
    RowFault.NO_SUCH_STUDENT: {
        SHEET: N_("该学号不在离校名单中，或不在办理范围内。请核对学号。"),
        PAPER: N_("该学号不在离校名单中，或不在办理范围内。请核对纸质单。"),
    },
    RowFault.NAME: {
        SHEET: N_("该学号的姓名是“%(name)s”，表中填写“%(said)s”。请核对学号和姓名。"),
        EMPTY_CELL: N_("未填姓名。该学号的姓名是“%(name)s”，请填写姓名。"),
    },
    RowFault.TWICE: {
        SHEET: N_("该学号有多行。请只保留一行。"),
    },
    RowFault.NO_STEP: {
        SHEET: N_("该学生今年不离校，或没有本环节。请删去这一行。"),
        PAPER: N_("该学生今年不离校，或没有本环节。请取消勾选这一行。"),
    },
    RowFault.RESULT: {
        SHEET: N_("办理结果“%(said)s”无法识别。请填“通过”“不通过”或“无需办理”；不办理的留空。"),
        EMPTY_CELL: N_("未填办理结果，但填了其他内容。请填写结果；不办理的，请清空其他内容。"),
    },
    RowFault.REASON: {
        SHEET: N_("“%(said)s”不是本环节的办理依据。请从以下选择：%(reasons)s。"),
        EMPTY_CELL: N_("未填办理依据。请从以下选择：%(reasons)s。"),
        PAPER: N_("办理依据不在本环节的列表中。请重新选择。"),
    },
    RowFault.DATE: {
        SHEET: N_("有效期“%(said)s”无法识别。请写成 2019-06-30，或留空。"),
    },
    RowFault.LONG: {SHEET: N_("“%(column)s”太长。请缩短到 %(most)s 字以内。")},
    RowFault.ISSUED: {
        SHEET: N_("该学生已发证，不能更改。请删去这一行。"),
        PAPER: N_("该学生已发证，不能更改。请取消勾选这一行。"),
    },
    # On a sheet of results, the decision's own code gives the reason.
    RowFault.REFUSED: {PAPER: N_("本环节不能批量办理。请取消勾选这一行，在“离校办理”中单独办理。")},
}

_SHEETS: _Sentences = {
    SheetCode.EMPTY: N_("文件为空，或表头下没有数据。请填写并保存后再上传。"),
    SheetCode.LARGE: N_("文件超过 %(size)s MB。请删去图片和不用的工作表，再上传。"),
    SheetCode.ROWS: {
        SHEET: N_("表格超过 %(most)s 行。请分成几个文件上传，或按班级、学院下载模板。"),
        LIST: N_("名单超过 %(most)s 行。请核对文件；确有这么多行的，请管理员调整设置。"),
    },
    SheetCode.KIND: N_("文件不是 Excel 工作簿，也不是 CSV。请用 Excel 打开，另存为 .xlsx 后再上传。"),
    SheetCode.XLS: N_("文件是旧版 .xls。请用 Excel 打开，另存为 .xlsx 后再上传。"),
    SheetCode.PASSWORD: N_("文件设有密码。请去掉密码，另存为 .xlsx 后再上传。"),
    SheetCode.WEB: N_("文件内容是网页，不是 Excel。请用 Excel 打开，另存为 .xlsx 后再上传。"),
    SheetCode.XML: N_("文件内容是 XML，不是 Excel 工作簿。请用 Excel 打开，另存为 .xlsx 后再上传。"),
    SheetCode.COLUMNS: {
        SHEET: N_("未找到表头：“学号”和“办理结果”两列须在同一行。请用模板填写，不要改表头。"),
        LIST: N_("未找到表头：以下各列须在同一行：%(columns)s。请使用部门原来的表，不要改表头。"),
    },
    SheetCode.TWICE: N_("表头有重复的列名。请删去多余的一列，再上传。"),
    SheetCode.BROKEN: N_("文件不完整，或有公式未算出值。请用 Excel 打开检查，另存为 .xlsx 后再上传。"),
    SheetCode.BUSY: N_("暂时无法读取文件，与文件本身无关。请一分钟后再试。"),
}

_FORMS: _Sentences = {
    FormCode.NO_VERDICT: N_("未选结论。请选择后再提交。"),
    FormCode.NO_REASON: N_("请写明原因，以备查考。"),
    FormCode.NO_NOTE: N_("采用过期数据须在内部备注中写明原因。请填写后再提交。"),
    FormCode.NO_TIME: N_("日期或时间无法识别。有效期请写成 2019-07-01，办理时间请写成 2019-06-05T08:00，或留空。"),
    FormCode.TOO_LONG: N_("内容过长：原因、文号和纸质单号各不超过 100 字，其他各不超过 1000 字。请缩短。"),
}

#: By enumeration: codes of two families can have the same spelling.
SENTENCES: Mapping[type[StrEnum], _Sentences] = {
    DecisionCode: _DECISIONS,
    RowFault: _ROWS,
    SheetCode: _SHEETS,
    FormCode: _FORMS,
}

_FIRST = N_(
    "未保存：%(who)s 已先办理（%(moment)s）：%(verdict)s，“%(reason)s”。已填内容保留，"
    "请核对以下状态，仍须更改的再提交一次。"
)


def unfilled(code: StrEnum, surface: Surface) -> str:
    """Return the Chinese sentence of a code, as the catalogue has it."""
    sentences = SENTENCES[type(code)][code]
    if isinstance(sentences, str):
        return sentences
    if surface is EMPTY_CELL and surface not in sentences:
        # Most codes have the same sentence for an empty cell.
        surface = SHEET
    return sentences.get(surface) or _OTHERWISE.get(surface, _LOOK_AGAIN)


def sentence(language: Language, titles: Mapping[str, str], why: DecisionRefused) -> str:
    """Return why a review or certificate was refused. `titles` are the steps' titles."""
    about = language.listed(titles.get(one, one) for one in why.about)
    return language.gettext(unfilled(why.code, CERTIFICATES), about=about)


def not_entered(reader: ReaderContext, refused: DecisionRefused, seen: int, who: str) -> str:
    """Return why a decision was refused. `seen` is the decision that the page showed, `who` made the newer one."""
    language = reader.language
    first = refused.first if isinstance(refused, Overtaken) else None
    if first is None or first.id == seen:
        return language.gettext(unfilled(refused.code, RECORD))
    return language.gettext(
        _FIRST,
        who=who,
        moment=language.moment(first.entered_at, reader.now),
        verdict=labels.say(language, labels.STATES, first.verdict),
        reason=first.reason,
    )
