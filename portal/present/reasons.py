"""Reasons as sentences: obligations, amounts and due dates."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import groupby

from portal.i18n.labels import N_
from portal.i18n.languages import Language
from status_db.model import Obligation, Reason, Verdict

#: The most obligations of a kind in a sentence. The list below it has them all.
_NAMED = 3


@dataclass(frozen=True, slots=True)
class ObligationLine:
    """One obligation, as a line of a list."""

    what: str
    #: Empty if the source gives none.
    due: str
    overdue: bool
    #: Empty if it does not matter.
    amount: str
    reference: str


_KINDS: Mapping[str, str] = {
    "loan": N_("未还图书"),
    "fine": N_("滞纳金"),
    "fee": N_("欠费"),
    "textbook": N_("教材费"),
    "room": N_("宿舍"),
    "item": N_("未结事项"),
}


def kind_word(language: Language, kind: str) -> str:
    """Return the word for a kind of obligation. A kind defined in the settings is its own word."""
    return language.gettext(_KINDS[kind]) if kind in _KINDS else kind


def owed(language: Language, obligations: Iterable[Obligation], now: datetime) -> tuple[ObligationLine, ...]:
    """Return obligations as the lines of a list."""
    today = now.astimezone(language.zone).date()
    return tuple(
        ObligationLine(
            what=_obligation_title(language, o) or kind_word(language, o.kind),
            due=language.day(o.due, now) if o.due else _due_unclear(language, o),
            overdue=o.due is not None and o.due < today,
            amount=language.money(o.amount) if o.amount is not None else "",
            reference=o.reference,
        )
        for o in obligations
    )


def total(obligations: Iterable[Obligation]) -> Decimal | None:
    """Return the sum of the amounts. None if there is none."""
    amounts = [o.amount for o in obligations if o.amount is not None]
    return sum(amounts, Decimal(0)) if amounts else None


def sentence(
    language: Language,
    obligations: Sequence[Obligation],
    now: datetime,
    *,
    undone: bool = False,
    named: bool = True,
) -> str:
    """Return the obligations as text, kind by kind: "2 册未还（《…》应还 5月30日），滞纳金 3.20 元。".

    `undone` means that they are ordinary acts that can still be done in time. Without `named`, a list beside the text
    has their titles and dates. Without obligations the text is empty.
    """
    kinds = [o.kind for o in obligations]
    ordered = sorted(obligations, key=lambda o: kinds.index(o.kind))
    parts = [
        _part(language, kind, tuple(things), now, undone=undone, named=named)
        for kind, things in groupby(ordered, key=lambda o: o.kind)
    ]
    return language.sentence(parts)


def _part(
    language: Language, kind: str, things: tuple[Obligation, ...], now: datetime, *, undone: bool, named: bool
) -> str:
    amount = total(things)
    titles = _obligation_texts(language, things, now) if named else ""
    money = language.money(amount) if amount is not None else ""
    number = len(things)
    match kind:
        case "loan":
            head = language.ngettext("%(num)s 册未还", number)
        case "fine":
            head = language.gettext("滞纳金 %(amount)s", amount=money) if money else language.gettext("滞纳金未缴")
            money = ""
        case "fee":
            head = language.gettext("欠费 %(amount)s", amount=money) if money else language.gettext("有欠费")
            money = ""
        case "textbook":
            head = language.gettext("教材费 %(amount)s", amount=money) if money else language.gettext("教材费未结清")
            money = ""
        case "room":
            head = language.gettext("未退宿") if undone else language.gettext("退宿未办结")
        case _:
            word = (
                language.ngettext("%(num)s 项未办理", number) if undone else language.ngettext("%(num)s 项未结", number)
            )
            head = word if kind in _KINDS else f"{kind} {word}"
    inside = language.listed(part for part in (titles, money) if part)
    if not inside:
        return head
    return f"{head} ({inside})" if language.code == "en" else f"{head}（{inside}）"


def _obligation_texts(language: Language, things: tuple[Obligation, ...], now: datetime) -> str:
    titles: list[str] = []
    for thing in things[:_NAMED]:
        title = _obligation_title(language, thing)
        due = _due_unclear(language, thing)
        if thing.due:
            due = _DUE.get(thing.kind, _due_by)(language, language.day(thing.due, now))
        if title or due:
            titles.append(
                f"{title} {due}".strip() if language.code == "en" or not title.endswith("》") else title + due
            )
    if not titles:
        return ""
    more = len(things) - _NAMED
    return language.listed(titles) + (language.gettext("等") if more > 0 else "")


def _due_unclear(language: Language, thing: Obligation) -> str:
    """Return that the office gives an unreadable due date. Empty if it gives none."""
    return language.gettext("应还日期不明") if thing.due_unreadable else ""


def _due_back(language: Language, day: str) -> str:
    return language.gettext("应还 %(day)s", day=day)


def _due_by(language: Language, day: str) -> str:
    return language.gettext("截止 %(day)s", day=day)


_DUE: Mapping[str, Callable[[Language, str], str]] = {"loan": _due_back}


def _obligation_title(language: Language, thing: Obligation) -> str:
    if not thing.title or thing.kind != "loan":
        return thing.title
    if language.code == "en":
        return f"“{thing.title}”"
    return thing.title if thing.title.startswith("《") else f"《{thing.title}》"


_SETTLED: Mapping[Reason, str] = {
    Reason.NOTHING_OWED: N_("没有未结事项。"),
    Reason.SETTLED: N_("已结清。"),
    Reason.DONE: N_("已办理。"),
    Reason.REFUND_DUE: N_("已结清。"),
    Reason.EXEMPT_BY_ROSTER: N_("按学籍信息，本环节无需办理。"),
    Reason.EXEMPT_BY_OFFICE: N_("该部门已确认，本环节无需办理。"),
    Reason.NOT_ASKED: N_("学校暂无本环节的数据。"),
    Reason.NO_ROW: N_("该部门的系统中暂无相关数据，学校正在核对。"),
    Reason.OUTSIDE_POPULATION: N_("该部门的系统中暂无相关数据，学校正在核对。"),
    Reason.DOUBTFUL: N_("该记录须由工作人员核对。"),
    Reason.NOT_DONE: N_("尚未办理。"),
    Reason.OWED: N_("有未结事项。"),
}


def plain(language: Language, reason: Reason) -> str:
    """Return a reason without obligations as text. Empty if the reason needs more than its word."""
    return language.gettext(_SETTLED[reason]) if reason in _SETTLED else ""


def refund(language: Language, obligations: Sequence[Obligation]) -> str:
    """Return the refund of the student as text. Empty if it is zero."""
    amount = total(obligations)
    if amount is None or amount >= 0:
        return ""
    return language.gettext("应退 %(amount)s。", amount=language.money(-amount))


def owing(verdict: Verdict, evidence: Sequence[Obligation]) -> tuple[Obligation, ...]:
    """Return the obligations that are still open: those of a finding that holds."""
    return tuple(evidence) if verdict is Verdict.HELD else ()
