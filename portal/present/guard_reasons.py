"""Guard reasons in the reader's language, with the guard's figures."""

from portal.i18n import admin_labels, labels
from portal.i18n.labels import N_
from portal.i18n.languages import Language
from status_db.guard_reasons import GuardReason, GuardReasonKind
from status_db.model import State

_SENTENCES = {
    GuardReasonKind.FIRST_ANSWER: N_("这是该数据源的首次数据，共 %(records)s 条记录。须核对批准后生效。"),
    GuardReasonKind.SETTINGS_CHANGED: N_(
        "该数据源的设置有变更，%(records)s 条记录、%(findings)s 个结论将变动。须核对批准后生效。"
    ),
    GuardReasonKind.NO_ROWS: N_("本次没有数据，此前有 %(before)s 行。"),
    GuardReasonKind.ROWS_FALL: N_("名单内学生的数据行从 %(before)s 行降到 %(rows)s 行，降幅超过限额 %(percent)s%%。"),
    GuardReasonKind.ALL_OF_FEW: N_(
        "“%(now)s”的 %(students)s 名学生将全部变为“%(then)s”（不足 %(all_of)s 名的不受此限）。"
    ),
    GuardReasonKind.GROUP: N_(
        "%(column)s“%(group)s”：“%(now)s”的 %(base)s 名学生中，%(students)s 名将变为“%(then)s”，"
        "其他 %(others_base)s 名中只有 %(others)s 名（限额：%(count)s 名以上的 %(percent)s%%）。"
    ),
    GuardReasonKind.QUALITY: N_(
        "%(rows)s 行数据中 %(poor)s 行有问题：疑似匹配 %(hinted)s 行，无金额 %(no_amount)s 行，"
        "无法识别 %(unreadable)s 行；上次 %(before_rows)s 行中有 %(before)s 行（限额："
        "增加 %(points)s 个百分点和 %(count)s 行）。"
    ),
    GuardReasonKind.OTHER_PEOPLE: N_(
        "%(rows)s 行数据中，名单内学生只有 %(about)s 行，上次 %(before_rows)s 行中有 %(before)s 行。"
        "可能是其他年份的数据。"
    ),
    GuardReasonKind.AT_ONCE: N_(
        "“%(now)s”的 %(base)s 名学生中，%(students)s 名将变为“%(then)s”（限额："
        "%(percent)s%% 与 %(count)s 名，取大者）。"
    ),
    GuardReasonKind.LATELY: N_(
        "自上次批准起（不超过 24 小时），“%(now)s”的 %(base)s 名学生中，"
        "累计 %(students)s 名变为“%(then)s”（限额：%(percent)s%% 与 %(count)s 名，取大者）。"
    ),
    GuardReasonKind.ROSTER_EMPTY: N_("离校名单为空，此前有 %(before)s 名学生。"),
    GuardReasonKind.ROSTER_FALLS: N_("离校名单从 %(before)s 名学生降到 %(rows)s 名，降幅超过限额 %(percent)s%%。"),
    GuardReasonKind.ROSTER_MOVES: N_(
        "今年离校的 %(base)s 名学生中，%(students)s 名将%(what)s（限额：%(percent)s%% 与 %(count)s 名，取大者）。"
    ),
    GuardReasonKind.STEPS_CHANGE: N_(
        "设置变更：%(base)s 名学生中，%(students)s 名的环节将变动，其中 %(clears)s 项变为通过，%(loses)s 项不再通过。"
    ),
    GuardReasonKind.REVIEW_LOOSENED: N_("流程 %(flow)s 的终审 %(review)s 将不再要求这些环节办结：%(steps)s。"),
    GuardReasonKind.UNPLACED: N_("设置变更后，%(students)s 名学生没有适用的流程（第一名：%(first)s）。"),
    GuardReasonKind.ROSTER_GROUP: N_(
        "%(column)s“%(group)s”：今年离校的 %(base)s 名学生中，%(students)s 名将不再离校，"
        "其他 %(others_base)s 名中只有 %(others)s 名（限额：%(count)s 名以上的 %(percent)s%%）。"
    ),
    GuardReasonKind.ROSTER_OTHERS: N_(
        "今年离校的 %(base)s 名学生中，%(students)s 名将不再离校。可能是其他年份的名单。"
    ),
}


def reason_text(language: Language, guard_reason: GuardReason, *, undone: bool = False) -> str:
    """Return a guard reason as a sentence. `undone` is whether the source lists completed acts and not debts."""
    figures: dict[str, object] = dict(guard_reason.figures)
    groups = {**admin_labels.GROUPS, "held": labels.STATES[State.NOT_DONE]} if undone else admin_labels.GROUPS
    for name, table in (
        ("now", groups),
        ("then", groups),
        ("what", admin_labels.ROSTER_MOVES),
        ("column", admin_labels.COLUMNS),
    ):
        if name in figures:
            figures[name] = labels.say(language, table, str(figures[name]))
    sentence = language.gettext(_SENTENCES[guard_reason.kind], **figures)
    if expected_change := guard_reason.figures.get("wave"):
        beyond = language.gettext("已报备的 %(most)s 名不计在内。", most=expected_change)
        return f"{sentence} {beyond}" if language.code == "en" else sentence + beyond
    return sentence
