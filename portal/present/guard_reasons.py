"""Guard reasons in the reader's language, with the guard's figures."""

from portal.i18n import admin_labels, labels
from portal.i18n.labels import N_
from portal.i18n.languages import Language
from status_db.guard_reasons import GuardReason, GuardReasonKind
from status_db.model import State

_SENTENCES = {
    GuardReasonKind.FIRST_ANSWER: N_("这是该来源的第一份数据，共 %(records)s 条记录。先要有人看过，才会生效。"),
    GuardReasonKind.SETTINGS_CHANGED: N_(
        "该来源的设置改过，因此 %(records)s 条记录、%(findings)s 个结果会跟着改变，先要有人看过。"
    ),
    GuardReasonKind.NO_ROWS: N_("来源这次一行数据也没有，而此前有 %(before)s 行。"),
    GuardReasonKind.ROWS_FALL: N_("名单内学生的数据行从 %(before)s 行降到 %(rows)s 行，降幅超过限额 %(percent)s%%。"),
    GuardReasonKind.ALL_OF_FEW: N_(
        "“%(now)s”的 %(students)s 名学生会一次全部变为“%(then)s”（不到 %(all_of)s 名时不受此限）。"
    ),
    GuardReasonKind.GROUP: N_(
        "%(column)s“%(group)s”里“%(now)s”的 %(base)s 名学生中，有 %(students)s 名会一次变为“%(then)s”，"
        "而其他 %(others_base)s 名中只有 %(others)s 名（限额是 %(count)s 名以上的群体的 %(percent)s%%）。"
    ),
    GuardReasonKind.QUALITY: N_(
        "%(rows)s 行数据中有 %(poor)s 行不好：只是与名单上的人相近 %(hinted)s 行，没有金额 %(no_amount)s 行，"
        "读不懂 %(unreadable)s 行；上次 %(before_rows)s 行中有 %(before)s 行"
        "（限额是增加 %(points)s 个百分点和 %(count)s 行）。"
    ),
    GuardReasonKind.OTHER_PEOPLE: N_(
        "%(rows)s 行数据中只有 %(about)s 行是名单内学生的，而上次 %(before_rows)s 行中有 %(before)s 行。"
        "这可能是另一年的数据。"
    ),
    GuardReasonKind.AT_ONCE: N_(
        "“%(now)s”的 %(base)s 名学生中，有 %(students)s 名会一次变为“%(then)s”"
        "（限额是 %(percent)s%% 和 %(count)s 名中较大的一个）。"
    ),
    GuardReasonKind.LATELY: N_(
        "自上次批准以来（至多 24 小时），“%(now)s”的 %(base)s 名学生中，累计有 %(students)s 名变为“%(then)s”"
        "（限额是 %(percent)s%% 和 %(count)s 名中较大的一个）。"
    ),
    GuardReasonKind.ROSTER_EMPTY: N_("离校名单是空的，而此前有 %(before)s 名学生。"),
    GuardReasonKind.ROSTER_FALLS: N_("离校名单从 %(before)s 名学生降到 %(rows)s 名，降幅超过限额 %(percent)s%%。"),
    GuardReasonKind.ROSTER_MOVES: N_(
        "今年离校的 %(base)s 名学生中，有 %(students)s 名会%(what)s"
        "（限额是 %(percent)s%% 和 %(count)s 名中较大的一个）。"
    ),
    GuardReasonKind.STEPS_CHANGE: N_(
        "设置改过：%(base)s 名学生中有 %(students)s 名的环节会改变，"
        "其中 %(clears)s 项变为通过，%(loses)s 项不再是通过。"
    ),
    GuardReasonKind.REVIEW_LOOSENED: N_("流程 %(flow)s 的终审 %(review)s 将不再等这些环节：%(steps)s。"),
    GuardReasonKind.UNPLACED: N_("改过的设置里没有适合 %(students)s 名学生的流程（第一名是 %(first)s）。"),
    GuardReasonKind.ROSTER_GROUP: N_(
        "%(column)s“%(group)s”今年离校的 %(base)s 名学生中，有 %(students)s 名会不再列入今年离校，"
        "而其他 %(others_base)s 名中只有 %(others)s 名（限额是 %(count)s 名以上的群体的 %(percent)s%%）。"
    ),
    GuardReasonKind.ROSTER_OTHERS: N_(
        "今年离校的 %(base)s 名学生中，有 %(students)s 名会不再列入今年离校。这可能是另一年的名单。"
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
        beyond = language.gettext("已预告的 %(most)s 名不计在内。", most=expected_change)
        return f"{sentence} {beyond}" if language.code == "en" else sentence + beyond
    return sentence
