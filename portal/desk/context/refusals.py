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
_LOOK_AGAIN = N_("没有办成。请重新打开这一页，看过再试。")
_NOT_UNDONE = N_("没有撤回：它已经撤回过，或其中有不归您办理的学生。")

#: Default sentence of a surface, for codes without one of their own.
_OTHERWISE: Mapping[Surface, str] = {
    RECORD: N_("按这名学生现在的情况不能这样办，没有写入。请看下面的现状，改好再提交；刚才填的都还在。"),
    PAPER: N_("没有录入：系统没有接受这些决定。请再看一遍预览。"),
}

_DECISIONS: _Sentences = {
    DecisionCode.NOT_ALLOWED: N_("你的权限刚刚变了，不能再办理这一项。请重新登录；需要权限请联系管理员。"),
    DecisionCode.NO_SUCH_STUDENT: {CERTIFICATES: N_("名单上没有这个学号，或者不在你的范围内。")},
    DecisionCode.NOT_LEAVING: {RECORD: N_("这名学生今年不离校，没有要办的事项。如果不对，请与教务核对名单。")},
    DecisionCode.NO_SUCH_STEP: {RECORD: N_("这名学生的流程里没有这一项。如果不对，请与教务核对名单。")},
    DecisionCode.NO_SUCH_FLOW: {},
    DecisionCode.IS_A_REVIEW: {},
    DecisionCode.NO_SUCH_REVIEW: {},
    DecisionCode.NO_SUCH_VERDICT: {},
    DecisionCode.NO_SUCH_REASON: {RECORD: N_("原因不在这一项的清单里，没有写入；清单可能刚改过。请重新选一个。")},
    DecisionCode.END_IN_PAST: {
        RECORD: N_("有效期已经过去了，没有写入。请改成今天或以后的日期，或者留空。"),
        SHEET: N_("有效期已经过去。请写一个以后的日期，或者留空。"),
    },
    DecisionCode.DECIDED_LATER: {RECORD: N_("办理时间比现在还晚，没有写入。请对一下纸质单上的时间。")},
    DecisionCode.CONDITION_WITHOUT_PASS: {
        RECORD: N_("只有“通过”才能附加条件，没有写入。请去掉条件，或者写进告知学生的话。"),
        SHEET: N_("只有“通过”才能附加条件。请删去条件，或者写到“告知学生”里。"),
    },
    DecisionCode.OVERTAKEN: {
        RECORD: N_(
            "您看这一页的时候，情况已经变了，所以没有写入。请看下面的现状，仍要这样办再提交一次；刚才填的都还在。"
        ),
        CERTIFICATES: N_("这名学生的情况刚刚有了变化，请重新看过再决定。"),
        SHEET: N_("预览之后，这些学生的状态有了变动，所以什么也没有导入。下面是新的预览，请重新看一遍再确认。"),
        PAPER: N_("预览之后有改动（您改了内容，或系统里的状态变了）。请看一遍新的预览，再确认。"),
    },
    DecisionCode.NOTHING_TO_WITHDRAW: {RECORD: N_("这里已经没有可以撤回的决定，可能刚被别人撤回了。请看下面的现状。")},
    DecisionCode.NOT_OPEN: {
        RECORD: N_("前面还有事项没有办妥，不能通过终审，没有写入。请看下面差哪几项，请学生先去办。"),
        CERTIFICATES: N_("还有事项没有办妥：%(about)s。请学生先去办理，办妥后再终审。"),
    },
    DecisionCode.TOO_OLD: {
        RECORD: N_("前面有事项的数据太旧，没有写入。请等来源更新，或者勾选以旧数据为准并写明原因。"),
        CERTIFICATES: N_("数据刚刚过期：%(about)s。请等新的数据，或者写明原因、以现有数据为准。"),
    },
    DecisionCode.NO_NOTE: {CERTIFICATES: N_("以过期的数据为准，要写明原因。")},
    DecisionCode.SETTINGS: {CERTIFICATES: N_("设置改过，还没有生效，暂时不能终审和发证。请管理员在“运行”页看一看。")},
    DecisionCode.ISSUED: {
        RECORD: N_("这名学生已经发证，终审不能再改，没有写入。确实有误，请先由另一位老师撤销证书。"),
        CERTIFICATES: N_("已经有证书了。"),
    },
    DecisionCode.NOT_REVIEWED: {CERTIFICATES: N_("终审没有通过，或者已经失效。请先终审，再发证。")},
    DecisionCode.NO_NUMBER: {CERTIFICATES: N_("没有证书号。请填写印在证书上的号。")},
    DecisionCode.USED: {CERTIFICATES: N_("证书号 %(about)s 已经用过了。请核对印在证书上的号。")},
    DecisionCode.NO_COLLECTOR: {CERTIFICATES: N_("代领要写明代领人和委托书。")},
    DecisionCode.GONE: {CERTIFICATES: N_("这本证书已经撤销了。")},
    DecisionCode.LEFT: {CERTIFICATES: N_("这本证书已经登记领走了。")},
    DecisionCode.WHEN: {CERTIFICATES: N_("领走的时间早于发证，或者晚于现在。请改正。")},
    DecisionCode.SAME_PERSON: {CERTIFICATES: N_("这本证书是你发的，要由另一个有发证权限的人来撤销。")},
    DecisionCode.NO_REASON: {CERTIFICATES: N_("撤销要写明原因。")},
    DecisionCode.NONE_CHOSEN: {},
    DecisionCode.NONE_PASSED: {},
    DecisionCode.WRONG_ROWS: {
        SHEET: N_(
            "还有 %(num)s 行有错，所以什么也没有导入。请在表里改好重新上传；或者勾选“不管有错的行”，只导入其余的。"
        ),
        PAPER: N_("有错误的行。请改正或去掉勾，或者勾选“有错误的行先不录”。"),
    },
    DecisionCode.NO_CHANGE: {
        SHEET: N_("没有要导入的行：没有一行会带来改动。与已有办理不一致的，勾选“替换”才会导入。"),
        PAPER: N_("没有可以录入的行：系统里都已是这样，或与现有决定不同而没有选择替换。"),
    },
    DecisionCode.NO_SUCH_BATCH: {},
    DecisionCode.UNDONE: {SHEET: N_("这一批已经撤销过了。结果见下面。"), PAPER: _NOT_UNDONE},
    DecisionCode.OF_OTHERS: {
        SHEET: N_("这一批里有你不能办理的学生，所以没有撤销。请由能办理他们的人来撤销。"),
        PAPER: _NOT_UNDONE,
    },
}

_ROWS: _Sentences = {
    RowFault.NO_SUCH_STUDENT: {
        SHEET: N_("名单上没有这个学号，或者不在你能办理的范围内。请核对学号。"),
        PAPER: N_("名单上没有这个学号，或者不归您办理。请核对纸上的学号。"),
    },
    RowFault.NAME: {
        SHEET: N_("这个学号是“%(name)s”，表里写的是“%(said)s”。请核对学号和姓名。"),
        EMPTY_CELL: N_("没有填姓名，无法核对学号；这个学号是“%(name)s”。请填上姓名。"),
    },
    RowFault.TWICE: {
        SHEET: N_("这个学号在表里不止一行。请只留一行。"),
    },
    RowFault.NO_STEP: {
        SHEET: N_("这名学生今年不离校，或者不用办这一项。请删去这一行。"),
        PAPER: N_("这名学生今年不离校，或没有这一项。请去掉这一行的勾。"),
    },
    RowFault.RESULT: {
        SHEET: N_("看不懂办理结果“%(said)s”。请填“通过”“不通过”或“无需办理”；不办理就留空。"),
        EMPTY_CELL: N_("填了别的内容，却没有填办理结果。请填上；不办理就把这几格都清空。"),
    },
    RowFault.REASON: {
        SHEET: N_("“%(said)s”不是这一项的办理原因。请从这些里选：%(reasons)s。"),
        EMPTY_CELL: N_("没有填办理原因。请从这些里选：%(reasons)s。"),
        PAPER: N_("原因不在这一事项的列表里。请重新选。"),
    },
    RowFault.DATE: {
        SHEET: N_("看不懂有效期“%(said)s”。请写成 2019-06-30 这样，或者留空。"),
    },
    RowFault.LONG: {SHEET: N_("“%(column)s”太长。请缩短到 %(most)s 字以内。")},
    RowFault.ISSUED: {
        SHEET: N_("这名学生的证书已经发了，不能再改。请删去这一行。"),
        PAPER: N_("已经发证，不能再改。请去掉这一行的勾。"),
    },
    # On a sheet of results, the decision's own code gives the reason.
    RowFault.REFUSED: {PAPER: N_("这一项不能这样办理。请去掉这一行的勾，到办理台单独办理。")},
}

_SHEETS: _Sentences = {
    SheetCode.EMPTY: N_("文件是空的，或者表头下面一行也没有。请填好并保存后再上传。"),
    SheetCode.LARGE: N_("文件太大，超过 %(size)s MB。请删去图片和用不到的工作表再上传。"),
    SheetCode.ROWS: {
        SHEET: N_("表里超过 %(most)s 行。请分成几个文件上传，或者按班级、学院下载模板。"),
        LIST: N_("名单超过 %(most)s 行。请确认是不是选错了文件；确实有这么长，请管理员在设置里放宽。"),
    },
    SheetCode.KIND: N_("这不是 Excel 工作簿，也不是 CSV。请用 Excel 打开，另存为 .xlsx 再上传。"),
    SheetCode.XLS: N_("这是旧版的 .xls。请用 Excel 打开，另存为 .xlsx 再上传。"),
    SheetCode.PASSWORD: N_("文件有密码，打不开。请去掉密码，另存为 .xlsx 再上传。"),
    SheetCode.WEB: N_("这其实是一个网页，只是名字像 Excel。请用 Excel 打开，另存为 .xlsx 再上传。"),
    SheetCode.XML: N_("这其实是一个 XML 文件，只是名字像 Excel。请用 Excel 打开，另存为 .xlsx 再上传。"),
    SheetCode.COLUMNS: {
        SHEET: N_("没有找到表头：要有“学号”和“办理结果”两列，写在同一行。请用模板填写，不要改表头。"),
        LIST: N_("没有找到表头：要有这几列，写在同一行：%(columns)s。请照部门原来的表填写，不要改表头。"),
    },
    SheetCode.TWICE: N_("同一个列名在表头里出现了两次，不知道该看哪一列。请删去多余的一列再上传。"),
    SheetCode.BROKEN: N_("文件读不完整，或者里面有公式没有算出值。请用 Excel 打开、检查，另存为 .xlsx 再上传。"),
    SheetCode.BUSY: N_("现在读不了文件，不是文件的问题。请过一分钟再试。"),
}

_FORMS: _Sentences = {
    FormCode.NO_VERDICT: N_("还没有选结论。请选一个再提交。"),
    FormCode.NO_REASON: N_("请写明原因，好让同事和后来的人知道。"),
    FormCode.NO_NOTE: N_("以旧数据为准，要在内部备注里写明为什么。请写上再提交。"),
    FormCode.NO_TIME: N_("日期或时间读不懂。有效期请写成 2019-07-01，办理时间请写成 2019-06-05T08:00，或者留空。"),
    FormCode.TOO_LONG: N_("写得太长了：原因、文号和纸质单号各不能超过 100 字，其他各不能超过 1000 字。请缩短。"),
}

#: By enumeration: codes of two families can have the same spelling.
SENTENCES: Mapping[type[StrEnum], _Sentences] = {
    DecisionCode: _DECISIONS,
    RowFault: _ROWS,
    SheetCode: _SHEETS,
    FormCode: _FORMS,
}

_FIRST = N_(
    "%(who)s 已先一步办理（%(moment)s）：%(verdict)s，原因“%(reason)s”，所以没有写入。"
    "请看下面的现状，确实还要改再提交一次；刚才填的都还在。"
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
