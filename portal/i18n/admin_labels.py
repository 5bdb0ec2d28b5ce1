"""Labels on the administrator's pages for codes of the domain, in Chinese, as in `portal.i18n.labels`."""

from collections.abc import Mapping

from portal.i18n.labels import N_
from status_db.accounts.accounts import Act
from status_db.accounts.audit_log import AuditEvent
from status_db.inbox.pending_changes import ChangeKind
from status_db.model import VoteKind

#: The meaning of each fault of a run, with the fix.
FAULTS: Mapping[str, str] = {
    "unavailable": N_("来源没有回应。请该部门看一下系统是否在运行、网络是否通畅；下一次运行会自动重试。"),
    "refused": N_("来源拒绝了查询，多半是账号、密码或权限变了。请该部门核对后改好设置。"),
    "garbled": N_("来源的回答不完整或读不懂，因此没有采用。请该部门核对这个查询。"),
    "interrupted": N_("运行中途被打断，没有写入任何内容。下一次运行会重新开始。"),
    "store": N_("状态数据库当时写不进去，没有写入任何内容。请看磁盘空间和数据库是否正常。"),
    "busy": N_("状态数据库一直有别的改动，这次没能写入。下一次运行会重试。"),
    "under_way": N_("同一来源已有一次运行在进行。"),
    "moved": N_("学生状态此后有变动，撤回的结果会与查看时不同，因此没有执行。"),
    "overtaken": N_("这次询问还没有答完，来源又被问过一次；以较新的回答为准。"),
    "suspended": N_("改变超出限额，没有写入。"),
}

#: Why a run ended without a fault.
ENDINGS: Mapping[str, str] = {
    "superseded": N_("后来的运行没有超出限额，已经写入，这次不用再决定。"),
    "expired": N_("三天之内没有人决定，已经作废。下一次运行会重新判断。"),
    "abandoned": N_("进程中途结束或停得太久，没有写入任何内容。下一次运行会重新开始。"),
    "rejected": N_("已被否决，没有写入任何内容。"),
}

#: The group of students that a guard reason counts.
GROUPS: Mapping[str, str] = {
    "held": N_("不通过"),
    "cleared": N_("通过"),
    "cleared_or_unknown": N_("通过或数据待核"),
    "known": N_("已有结论"),
    "unknown": N_("数据待核"),
}

ROSTER_MOVES: Mapping[str, str] = {
    "leave_no_more": N_("不再列入今年离校"),
    "begin_anew": N_("换到另一套流程，从头办理"),
    "let_off": N_("免办某一事项"),
}

#: The column whose value the students of a group share.
COLUMNS: Mapping[str, str] = {
    "college": N_("学院"),
    "campus": N_("校区"),
    "building": N_("楼栋"),
    "branch": N_("分馆（分部）"),
}

SAYS: Mapping[str, str] = {
    VoteKind.CONFIRM: N_("部门核实属实"),
    VoteKind.APPROVE: N_("批准"),
    VoteKind.REJECT: N_("否决"),
}

#: Why an unmatched row is similar to a student of the roster (the match hint).
HINT: Mapping[str, str] = {
    "ambiguous": N_("同一个号码对应名单上不止一人"),
    "leading_zero": N_("只差开头的 0"),
    "number_within": N_("含有名单上的号码"),
    "punctuation": N_("只差空格、连字符等符号"),
    "letter_added": N_("前后多了一个字母"),
    "other_number": N_("是名单上某人的一卡通号或原学号"),
    "one_character": N_("只差一个字符"),
    "same_name": N_("姓名相同"),
    "": N_("名单上没有相近的人"),
}

#: Why a source's record about a student is in doubt, besides the hints of a key.
DOUBT: Mapping[str, str] = {**HINT, "moved": N_("原有事项现在记在名单之外的号码下")}

ACTS: Mapping[str, str] = {
    Act.READ: N_("查看"),
    Act.DECIDE: N_("办理"),
    Act.REVIEW: N_("终审"),
    Act.ISSUE: N_("发证"),
    Act.MANAGE: N_("管理"),
    Act.AUDIT: N_("审计（只看不改）"),
}

#: Changes that need a second administrator.
CHANGES: Mapping[str, str] = {
    ChangeKind.GRANT: N_("增加权限"),
    ChangeKind.HAND_OVER: N_("移交全部权限"),
    ChangeKind.CODE: N_("生成一次性代码"),
    ChangeKind.FACTOR_CODE: N_("生成两步验证的设置码"),
    ChangeKind.RESET_FACTOR: N_("重置这个账号的两步验证"),
    ChangeKind.OPEN: N_("启用这个账号"),
}

SCOPE_COLUMNS: Mapping[str, str] = {
    "college": N_("学院"),
    "class": N_("班级"),
    "level": N_("培养层次"),
    "campus": N_("校区"),
    "building": N_("楼栋"),
    "category": N_("学籍类别"),
}

#: The roster's levels, as the settings name them.
LEVELS: Mapping[str, str] = {"undergraduate": N_("本专科"), "postgraduate": N_("研究生")}

EVENTS: Mapping[str, str] = {
    AuditEvent.SIGNED_IN: N_("登录"),
    AuditEvent.SIGN_IN_REFUSED: N_("登录被拒绝"),
    AuditEvent.SIGNED_OUT: N_("退出登录"),
    AuditEvent.PASSWORD_SET: N_("设置密码"),
    AuditEvent.CODES_MADE: N_("生成一次性代码"),
    AuditEvent.SECOND_FACTOR_SET: N_("设置两步验证"),
    AuditEvent.SECOND_FACTOR_REMOVED: N_("移除一种两步验证"),
    AuditEvent.SECOND_FACTOR_RESET: N_("重置两步验证"),
    AuditEvent.RECOVERY_CODES_MADE: N_("生成恢复码"),
    AuditEvent.RECOVERY_CODE_USED: N_("使用恢复码"),
    AuditEvent.SAW_STUDENT: N_("查看学生"),
    AuditEvent.SAW_LIST: N_("查看名单"),
    AuditEvent.EXPORTED: N_("导出"),
    AuditEvent.ASKED_RECHECK: N_("请求重新核对"),
    AuditEvent.MADE_SLIP: N_("生成离校单"),
    AuditEvent.PRINTED_SHEETS: N_("打印纸面办理单"),
    AuditEvent.ENTERED_PAPER: N_("录入纸面结果"),
    AuditEvent.PAPER_TAKEN_BACK: N_("撤回纸面结果"),
    AuditEvent.SPOKE_ON_RUN: N_("对暂停的运行表态"),
    AuditEvent.REVERTED_RUN: N_("撤回运行"),
    AuditEvent.DECIDED: N_("人工办理"),
    AuditEvent.DECISION_WITHDRAWN: N_("撤回人工办理"),
    AuditEvent.REVIEWED: N_("终审"),
    AuditEvent.REVIEW_WITHDRAWN: N_("撤回终审"),
    AuditEvent.SEALED: N_("第一次封存账号与权限"),
    AuditEvent.ACCOUNT_MADE: N_("新建账号"),
    AuditEvent.ACCOUNT_CHANGED: N_("变更账号"),
    AuditEvent.GRANTED: N_("授予权限"),
    AuditEvent.GRANT_TAKEN: N_("收回权限"),
    AuditEvent.SECOND_ASKED: N_("申请由另一位管理员确认"),
    AuditEvent.SECOND_REFUSED: N_("拒绝或撤回申请"),
    AuditEvent.RENUMBERED: N_("更正学号"),
    AuditEvent.HANDED_OVER: N_("移交权限"),
    AuditEvent.ANNOUNCED: N_("发布公告"),
    AuditEvent.ANNOUNCEMENT_WITHDRAWN: N_("撤回公告"),
    AuditEvent.CLASS_REVIEWED: N_("整班终审发证"),
    AuditEvent.ISSUED: N_("发放证书"),
    AuditEvent.CERTIFICATE_HANDED_OVER: N_("登记领证"),
    AuditEvent.REVOKED: N_("撤销证书"),
    AuditEvent.BROUGHT_SHEET: N_("上传表格"),
    AuditEvent.CONFIRMED_LIST: N_("以新名单取代原名单"),
    AuditEvent.IMPORTED: N_("导入办理结果"),
    AuditEvent.IMPORT_UNDONE: N_("撤销一批导入"),
    AuditEvent.TOKEN_MADE: N_("生成接口令牌"),
    AuditEvent.TOKEN_WITHDRAWN: N_("撤销接口令牌"),
    AuditEvent.APPEAL_RAISED: N_("提出异议"),
    AuditEvent.APPEAL_WITHDRAWN: N_("撤回异议"),
    AuditEvent.APPEAL_ANSWERED: N_("答复异议"),
    AuditEvent.SENT_BACK: N_("发回部门重新核对"),
    AuditEvent.NOTIFIED: N_("发出通知"),
    AuditEvent.NOT_NOTIFIED: N_("通知没有发出"),
    AuditEvent.ADDRESSES_CHANGED: N_("更改通知地址"),
}
