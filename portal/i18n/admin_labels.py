"""The words of the administrator's pages for the words of the domain, in Chinese, as in `portal.i18n.labels`."""

from collections.abc import Mapping

from portal.i18n.labels import later
from status_db.accounts.accounts import Act
from status_db.accounts.audit_log import Deed
from status_db.inbox.pending_changes import ChangeKind
from status_db.model import Says

#: What a run's fault means, and what to do about it.
FAULTS: Mapping[str, str] = {
    "unavailable": later("来源没有回应。请该部门看一下系统是否在运行、网络是否通畅；下一次运行会自动重试。"),
    "refused": later("来源拒绝了查询，多半是账号、密码或权限变了。请该部门核对后改好设置。"),
    "garbled": later("来源的回答不完整或读不懂，因此没有采用。请该部门核对这个查询。"),
    "interrupted": later("运行中途被打断，没有写入任何内容。下一次运行会重新开始。"),
    "store": later("状态数据库当时写不进去，没有写入任何内容。请看磁盘空间和数据库是否正常。"),
    "busy": later("状态数据库一直有别的改动，这次没能写入。下一次运行会重试。"),
    "under_way": later("同一来源已有一次运行在进行。"),
    "moved": later("学生状态此后有变动，撤回的结果会与查看时不同，因此没有执行。"),
    "overtaken": later("这次询问还没有答完，来源又被问过一次；以较新的回答为准。"),
    "suspended": later("改变超出限额，没有写入。"),
}

#: What ended a run without a fault.
ENDINGS: Mapping[str, str] = {
    "superseded": later("后来的运行没有超出限额，已经写入，这次不用再决定。"),
    "expired": later("三天之内没有人决定，已经作废。下一次运行会重新判断。"),
    "abandoned": later("进程中途结束或停得太久，没有写入任何内容。下一次运行会重新开始。"),
    "rejected": later("已被否决，没有写入任何内容。"),
}

#: Who an objection says would be what.
GROUPS: Mapping[str, str] = {
    "held": later("不通过"),
    "cleared": later("通过"),
    "cleared_or_unknown": later("通过或数据待核"),
    "known": later("已有结论"),
    "unknown": later("数据待核"),
}

ROSTER_MOVES: Mapping[str, str] = {
    "leave_no_more": later("不再列入今年离校"),
    "begin_anew": later("换到另一套流程，从头办理"),
    "let_off": later("免办某一事项"),
}

#: What the students of a group share.
COLUMNS: Mapping[str, str] = {
    "college": later("学院"),
    "campus": later("校区"),
    "building": later("楼栋"),
    "branch": later("分馆（分部）"),
}

SAYS: Mapping[str, str] = {
    Says.PLAUSIBLE: later("部门核实属实"),
    Says.APPROVE: later("批准"),
    Says.REJECT: later("否决"),
}

#: What makes a stranger near to a student of the roster.
NEAR: Mapping[str, str] = {
    "ambiguous": later("同一个号码对应名单上不止一人"),
    "leading_zero": later("只差开头的 0"),
    "number_within": later("含有名单上的号码"),
    "punctuation": later("只差空格、连字符等符号"),
    "letter_added": later("前后多了一个字母"),
    "other_number": later("是名单上某人的一卡通号或原学号"),
    "one_character": later("只差一个字符"),
    "same_name": later("姓名相同"),
    "": later("名单上没有相近的人"),
}

#: Why a source's record about a student is in doubt, besides the hints of a key.
DOUBT: Mapping[str, str] = {**NEAR, "moved": later("原有事项现在记在名单之外的号码下")}

ACTS: Mapping[str, str] = {
    Act.READ: later("查看"),
    Act.DECIDE: later("办理"),
    Act.REVIEW: later("终审"),
    Act.ISSUE: later("发证"),
    Act.MANAGE: later("管理"),
    Act.AUDIT: later("审计（只看不改）"),
}

#: What takes a second administrator.
CHANGES: Mapping[str, str] = {
    ChangeKind.GRANT: later("增加权限"),
    ChangeKind.HAND_OVER: later("移交全部权限"),
    ChangeKind.CODE: later("生成一次性代码"),
    ChangeKind.FACTOR_CODE: later("生成两步验证的设置码"),
    ChangeKind.RESET_FACTOR: later("重置这个账号的两步验证"),
    ChangeKind.OPEN: later("启用这个账号"),
}

SCOPE_COLUMNS: Mapping[str, str] = {
    "college": later("学院"),
    "class": later("班级"),
    "level": later("培养层次"),
    "campus": later("校区"),
    "building": later("楼栋"),
    "category": later("学籍类别"),
}

#: The roster's levels, as the settings name them.
LEVELS: Mapping[str, str] = {"undergraduate": later("本专科"), "postgraduate": later("研究生")}

DEEDS: Mapping[str, str] = {
    Deed.SIGNED_IN: later("登录"),
    Deed.SIGN_IN_REFUSED: later("登录被拒绝"),
    Deed.SIGNED_OUT: later("退出登录"),
    Deed.PASSWORD_SET: later("设置密码"),
    Deed.CODES_MADE: later("生成一次性代码"),
    Deed.SECOND_FACTOR_SET: later("设置两步验证"),
    Deed.SECOND_FACTOR_REMOVED: later("移除一种两步验证"),
    Deed.SECOND_FACTOR_RESET: later("重置两步验证"),
    Deed.RECOVERY_CODES_MADE: later("生成恢复码"),
    Deed.RECOVERY_CODE_USED: later("使用恢复码"),
    Deed.SAW_STUDENT: later("查看学生"),
    Deed.SAW_LIST: later("查看名单"),
    Deed.EXPORTED: later("导出"),
    Deed.ASKED_RECHECK: later("请求重新核对"),
    Deed.MADE_SLIP: later("生成离校单"),
    Deed.PRINTED_SHEETS: later("打印纸面办理单"),
    Deed.ENTERED_PAPER: later("录入纸面结果"),
    Deed.PAPER_TAKEN_BACK: later("撤回纸面结果"),
    Deed.SPOKE_ON_RUN: later("对暂停的运行表态"),
    Deed.REVERTED_RUN: later("撤回运行"),
    Deed.DECIDED: later("人工办理"),
    Deed.DECISION_WITHDRAWN: later("撤回人工办理"),
    Deed.REVIEWED: later("终审"),
    Deed.REVIEW_WITHDRAWN: later("撤回终审"),
    Deed.SEALED: later("第一次封存账号与权限"),
    Deed.ACCOUNT_MADE: later("新建账号"),
    Deed.ACCOUNT_CHANGED: later("变更账号"),
    Deed.GRANTED: later("授予权限"),
    Deed.GRANT_TAKEN: later("收回权限"),
    Deed.SECOND_ASKED: later("申请由另一位管理员确认"),
    Deed.SECOND_REFUSED: later("拒绝或撤回申请"),
    Deed.RENUMBERED: later("更正学号"),
    Deed.HANDED_OVER: later("移交权限"),
    Deed.ANNOUNCED: later("发布公告"),
    Deed.ANNOUNCEMENT_WITHDRAWN: later("撤回公告"),
    Deed.MORNING_HELD: later("整班终审发证"),
    Deed.ISSUED: later("发放证书"),
    Deed.CERTIFICATE_HANDED_OVER: later("登记领证"),
    Deed.REVOKED: later("撤销证书"),
    Deed.BROUGHT_SHEET: later("上传表格"),
    Deed.CONFIRMED_LIST: later("以新名单取代原名单"),
    Deed.IMPORTED: later("导入办理结果"),
    Deed.IMPORT_UNDONE: later("撤销一批导入"),
    Deed.TOKEN_MADE: later("生成接口令牌"),
    Deed.TOKEN_WITHDRAWN: later("撤销接口令牌"),
    Deed.OBJECTED: later("提出异议"),
    Deed.OBJECTION_WITHDRAWN: later("撤回异议"),
    Deed.OBJECTION_ANSWERED: later("答复异议"),
    Deed.SENT_BACK: later("发回部门重新核对"),
}
