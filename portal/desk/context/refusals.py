"""Why the door of reviews and certificates refused, as a sentence for whoever stands before the page."""

from collections.abc import Mapping

from portal.i18n.labels import later
from portal.i18n.languages import Language
from status_db.decisions.reviews import Hindrance, ReviewRefused
from status_db.decisions.writer import DecisionRefused

#: Word → sentence; `%(about)s` is filled with the steps or the number it is about.
_SENTENCES: Mapping[str, str] = {
    Hindrance.NOT_OPEN: later("还有事项没有办妥：%(about)s。请学生先去办理，办妥后再终审。"),
    Hindrance.TOO_OLD: later("数据刚刚过期：%(about)s。请等新的数据，或者写明原因、以现有数据为准。"),
    Hindrance.NO_NOTE: later("以过期的数据为准，要写明原因。"),
    Hindrance.ISSUED: later("已经有证书了。"),
    Hindrance.NOT_REVIEWED: later("终审没有通过，或者已经失效。请先终审，再发证。"),
    Hindrance.NO_NUMBER: later("没有证书号。请填写印在证书上的号。"),
    Hindrance.USED: later("证书号 %(about)s 已经用过了。请核对印在证书上的号。"),
    Hindrance.NOBODY: later("名单上没有这个学号，或者不在你的范围内。"),
    Hindrance.NO_COLLECTOR: later("代领要写明代领人和委托书。"),
    Hindrance.GONE: later("这本证书已经撤销了。"),
    Hindrance.LEFT: later("这本证书已经登记领走了。"),
    Hindrance.WHEN: later("领走的时间早于发证，或者晚于现在。请改正。"),
    Hindrance.SETTINGS: later("设置改过，还没有生效，暂时不能终审和发证。请管理员在“运行”页看一看。"),
    Hindrance.SAME_PERSON: later("这本证书是你发的，要由另一个有发证权限的人来撤销。"),
    Hindrance.NO_REASON: later("撤销要写明原因。"),
    "not_allowed": later("你的权限刚刚变了，不能再办理这一项。请重新登录；需要权限请联系管理员。"),
    "overtaken": later("这名学生的情况刚刚有了变化，请重新看过再决定。"),
}

_OTHERWISE = later("没有办成。请重新打开这一页，看过再试。")


def sentence(language: Language, titles: Mapping[str, str], why: DecisionRefused) -> str:
    """Say why it was refused, and what would do; `titles` are the steps'."""
    about = why.about if isinstance(why, ReviewRefused) else ()
    text = _SENTENCES.get(why.word, _OTHERWISE)
    return language.gettext(text, about=language.listed(titles.get(one, one) for one in about))
