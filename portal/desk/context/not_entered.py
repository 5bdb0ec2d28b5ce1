"""Why a decision or a review was not entered, in the reader's language; the door's own text is for the command line."""

from collections.abc import Mapping

from portal.access.scenes import Scene
from portal.i18n import labels
from portal.i18n.labels import later
from status_db.decisions.writer import DecisionRefused, Overtaken

#: The door's word → what it means, and what would do.
_SENTENCES: Mapping[str, str] = {
    "end_in_past": later("有效期已经过去了，没有写入。请改成今天或以后的日期，或者留空。"),
    "decided_later": later("办理时间比现在还晚，没有写入。请对一下纸质单上的时间。"),
    "condition_without_pass": later("只有“通过”才能附加条件，没有写入。请去掉条件，或者写进告知学生的话。"),
    "no_such_reason": later("原因不在这一项的清单里，没有写入；清单可能刚改过。请重新选一个。"),
    "not_leaving": later("这名学生今年不离校，没有要办的事项。如果不对，请与教务核对名单。"),
    "no_such_step": later("这名学生的流程里没有这一项。如果不对，请与教务核对名单。"),
    "nothing_to_withdraw": later("这里已经没有可以撤回的决定，可能刚被别人撤回了。请看下面的现状。"),
    "not_open": later("前面还有事项没有办妥，不能通过终审，没有写入。请看下面差哪几项，请学生先去办。"),
    "too_old": later("前面有事项的数据太旧，没有写入。请等来源更新，或者勾选以旧数据为准并写明原因。"),
    "issued": later("这名学生已经发证，终审不能再改，没有写入。确实有误，请先由另一位老师撤销证书。"),
}

#: What is said of everything else: the present state stands beneath.
_OTHERS = later("按这名学生现在的情况不能这样办，没有写入。请看下面的现状，改好再提交；刚才填的都还在。")

_FIRST = later(
    "%(who)s 已先一步办理（%(moment)s）：%(verdict)s，原因“%(reason)s”，所以没有写入。"
    "请看下面的现状，确实还要改再提交一次；刚才填的都还在。"
)
_MOVED = later("您看这一页的时候，情况已经变了，所以没有写入。请看下面的现状，仍要这样办再提交一次；刚才填的都还在。")


def said(here: Scene, refused: DecisionRefused, seen: int, who: str) -> str:
    """Say why, and what would do; `seen` is the decision that was looked at, `who` the name of who was first."""
    language = here.language
    if not isinstance(refused, Overtaken):
        return language.gettext(_SENTENCES.get(refused.word, _OTHERS))
    first = refused.first
    if first is None or first.id == seen:
        return language.gettext(_MOVED)
    return language.gettext(
        _FIRST,
        who=who,
        moment=language.moment(first.entered_at, here.now),
        verdict=labels.say(language, labels.STATES, first.verdict),
        reason=first.reason,
    )
