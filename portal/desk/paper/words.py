"""What is said of the rows of a paper sheet: what each would do, and what is wrong with it, with the way out."""

from collections.abc import Mapping

from portal.i18n.labels import later, say
from portal.i18n.languages import Language
from status_db.decisions.batch_rows import Judged, RowKind, Wrong

#: What a row would do.
KINDS: Mapping[str, str] = {
    RowKind.NEW: later("录入"),
    RowKind.SAME: later("系统里已是这样"),
    RowKind.CONFLICT: later("与系统里的决定不同"),
    RowKind.WRONG: later("有错误"),
}

MARKS: Mapping[RowKind, str] = {RowKind.NEW: "✓", RowKind.SAME: "–", RowKind.CONFLICT: "!", RowKind.WRONG: "✕"}

WRONG: Mapping[str, str] = {
    Wrong.NOBODY: later("名单上没有这个学号，或者不归您办理。请核对纸上的学号。"),
    Wrong.NAME: later("学号和姓名对不上。请核对纸上的学号。"),
    Wrong.TWICE: later("这个学号出现了两次。请去掉一行。"),
    Wrong.NO_STEP: later("这名学生今年不离校，或没有这一项。请去掉这一行的勾。"),
    Wrong.RESULT: later("结果读不懂。请重新选。"),
    Wrong.REASON: later("原因不在这一事项的列表里。请重新选。"),
    Wrong.DATE: later("日期读不懂。请重新填。"),
    Wrong.ISSUED: later("已经发证，不能再改。请去掉这一行的勾。"),
    Wrong.REFUSED: later("这一项不能这样办理。请去掉这一行的勾，到办理台单独办理。"),
}


def said_of(language: Language, row: Judged, author_at: str) -> str:
    """Say why a row is wrong or in conflict; `author_at` names who decided what stands there, and when."""
    if row.wrong is not None:
        return say(language, WRONG, row.wrong)
    if row.standing is not None and row.kind is RowKind.CONFLICT:
        return language.gettext("现有决定：%(reason)s（%(who)s）", reason=row.standing.reason, who=author_at)
    return ""
