"""Labels on the administrator's pages for codes of the domain, in Chinese, as in `portal.i18n.labels`."""

from collections.abc import Mapping

from portal.i18n.labels import N_
from status_db import doubts
from status_db.accounts.accounts import Act
from status_db.accounts.audit_log import AuditEvent
from status_db.inbox.pending_changes import ChangeKind
from status_db.model import VoteKind

#: The meaning of each fault of a run, with the fix.
FAULTS: Mapping[str, str] = {
    "unavailable": N_("数据源没有响应，学生状态未变。请部门检查系统和网络；下次同步自动重试。"),
    "refused": N_("数据源登录失败或拒绝访问，学生状态未变。请向部门核对账号、密码和权限，再修改设置。"),
    "garbled": N_("数据不完整或无法识别，未采用。请部门核对该查询。"),
    "interrupted": N_("同步中断，学生状态未变。下次同步重新开始。"),
    "store": N_("无法写入状态数据库，学生状态未变。请检查磁盘空间和数据库。"),
    "busy": N_("状态数据库持续有其他改动，本次未写入。下次同步自动重试。"),
    "under_way": N_("该数据源已有同步进行中。"),
    "moved": N_("未执行：预览后学生状态有变动，撤回的结果会不同。"),
    "overtaken": N_("本次查询完成前，该数据源已再次查询；以较新的数据为准。"),
    "suspended": N_("变动超过限额，未写入。"),
}

#: Why a run ended without a fault.
ENDINGS: Mapping[str, str] = {
    "superseded": N_("后续同步未超过限额，已生效，本次无需再批准。"),
    "expired": N_("三天内未批准，已失效。下次同步重新检查。"),
    "abandoned": N_("后台进程结束或停顿过久，学生状态未变。下次同步重新开始。"),
    "rejected": N_("已否决，未写入。"),
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
    "leave_no_more": N_("不再列入离校"),
    "begin_anew": N_("改用其他办理流程，重新办理"),
    "let_off": N_("有环节改为无需办理"),
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
    "ambiguous": N_("号码对应名单中多人"),
    "leading_zero": N_("仅开头的 0 不同"),
    "number_within": N_("含有名单中的号码"),
    "punctuation": N_("仅空格、连字符等符号不同"),
    "letter_added": N_("前后多一个字母"),
    "other_number": N_("是名单中学生的一卡通号或原学号"),
    "one_character": N_("仅一个字符不同"),
    "same_name": N_("姓名相同"),
    "": N_("名单中无疑似匹配"),
}

#: Why a source's record about a student is in doubt, besides the hints of a key.
DOUBT: Mapping[str, str] = {**HINT, "moved": N_("原未结事项现记在未匹配的号码下")}

#: The same for doubts about the rows themselves: stored text → what the page shows.
DOUBT_TEXTS: Mapping[str, str] = {
    doubts.NO_AMOUNT: N_("有一行没有金额"),
    doubts.BOTH_REDUCE: N_("两行相同，各减一次会重复扣减"),
    doubts.SHARED_REFERENCE: N_("两行不同，编号却相同，而设置规定编号不重复"),
    doubts.UNSETTLED: N_("读取期间该学生的数据有变动、缺失或前后矛盾"),
    doubts.UNREADABLE_AMOUNT: N_("金额“%(cell)s”无法识别"),
    doubts.UNKNOWN_WORD: N_("设置中没有状态“%(cell)s”"),
}

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
    ChangeKind.CODE: N_("生成一次性密码"),
    ChangeKind.FACTOR_CODE: N_("生成两步验证的设置码"),
    ChangeKind.RESET_FACTOR: N_("重置该账号的两步验证"),
    ChangeKind.OPEN: N_("启用该账号"),
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
    AuditEvent.SIGN_IN_REFUSED: N_("拒绝登录"),
    AuditEvent.SIGNED_OUT: N_("退出登录"),
    AuditEvent.PASSWORD_SET: N_("设置密码"),
    AuditEvent.CODES_MADE: N_("生成一次性密码"),
    AuditEvent.SECOND_FACTOR_SET: N_("设置两步验证"),
    AuditEvent.SECOND_FACTOR_REMOVED: N_("移除一种两步验证"),
    AuditEvent.SECOND_FACTOR_RESET: N_("重置两步验证"),
    AuditEvent.RECOVERY_CODES_MADE: N_("生成恢复码"),
    AuditEvent.RECOVERY_CODE_USED: N_("使用恢复码"),
    AuditEvent.SAW_STUDENT: N_("查看学生"),
    AuditEvent.SAW_LIST: N_("查看名单"),
    AuditEvent.EXPORTED: N_("导出"),
    AuditEvent.ASKED_RECHECK: N_("请求重新查询"),
    AuditEvent.MADE_SLIP: N_("生成离校单"),
    AuditEvent.PRINTED_SHEETS: N_("打印纸面办理单"),
    AuditEvent.ENTERED_PAPER: N_("补录纸面结果"),
    AuditEvent.PAPER_TAKEN_BACK: N_("撤回纸面结果"),
    AuditEvent.SPOKE_ON_RUN: N_("对暂停的同步表态"),
    AuditEvent.REVERTED_RUN: N_("撤回同步"),
    AuditEvent.ASKED_SYNC: N_("申请立即同步"),
    AuditEvent.SOURCE_PAUSED: N_("停查数据源"),
    AuditEvent.SOURCE_RESUMED: N_("恢复查询数据源"),
    AuditEvent.DECIDED: N_("人工办理"),
    AuditEvent.DECISION_WITHDRAWN: N_("撤回人工办理"),
    AuditEvent.REVIEWED: N_("终审"),
    AuditEvent.REVIEW_WITHDRAWN: N_("撤回终审"),
    AuditEvent.SEALED: N_("首次校验账号与权限"),
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
    AuditEvent.CLASS_REVIEWED: N_("按班终审并发证"),
    AuditEvent.ISSUED: N_("发放证书"),
    AuditEvent.CERTIFICATE_HANDED_OVER: N_("登记领证"),
    AuditEvent.REVOKED: N_("作废证书"),
    AuditEvent.BROUGHT_SHEET: N_("上传表格"),
    AuditEvent.CONFIRMED_LIST: N_("替换全量名单"),
    AuditEvent.IMPORTED: N_("导入办理结果"),
    AuditEvent.IMPORT_UNDONE: N_("整批撤回导入"),
    AuditEvent.TOKEN_MADE: N_("生成接口令牌"),
    AuditEvent.TOKEN_WITHDRAWN: N_("吊销接口令牌"),
    AuditEvent.APPEAL_RAISED: N_("提出异议"),
    AuditEvent.APPEAL_WITHDRAWN: N_("撤回异议"),
    AuditEvent.APPEAL_ANSWERED: N_("答复异议"),
    AuditEvent.SENT_BACK: N_("退回部门核对"),
    AuditEvent.SENT_REMINDER: N_("发送提醒"),
    AuditEvent.NOTIFIED: N_("发出通知"),
    AuditEvent.NOT_NOTIFIED: N_("通知没有发出"),
    AuditEvent.ADDRESSES_CHANGED: N_("更改通知地址"),
}

#: How a session was opened.
METHODS: Mapping[str, str] = {
    "local": N_("密码"),
    "code": N_("一次性密码"),
    "identity": N_("证件号码"),
    "cas": N_("统一身份认证"),
    "oidc": N_("统一身份认证"),
    "ldap": N_("学校统一认证密码"),
}

#: Second factors, as the audit log names them.
FACTORS: Mapping[str, str] = {
    "app": N_("动态口令"),
    "passkey": N_("通行密钥"),
    "recovery": N_("恢复码"),
}
