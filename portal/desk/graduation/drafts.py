"""The draft of a class review: what was ticked and typed, its errors, and what it would do.

Pure: the class, the time and the used numbers are passed in.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from portal.desk.graduation import numbers
from portal.i18n.labels import N_
from portal.i18n.languages import Language
from status_db.queries.classes import ClassMember, Roll, Stage

#: The longest note, and the longest typed reason.
LONGEST_NOTE = 500
LONGEST_REASON = 100

#: How certificates of a whole class are collected. A single one can also be collected by another person.
LEAVES: Mapping[str, str] = {"": N_("待领取"), "self": N_("本人当场领取"), "post": N_("邮寄")}

_UNMATCHED = N_("以下学号不在本班，或不在办理范围内：%(numbers)s。请改正或删去。")
_NOT_ISSUED = N_("以下学号不能发证：%(numbers)s。请改正或删去。")
_BOTH = N_("证书编号只能用一种方式填写：粘贴各列，或从首号连续编号。请清空其中一种。")
_UNREADABLE = N_("证书编号第 %(places)s 行无法识别。每行填一个学号和一个证书编号，用空格或制表符隔开。")
_REPEATED = N_("有重复：%(numbers)s。每个学号、每个证书编号只填一次。")
_ROUNDED = N_("证书编号在表格中变成了 %(numbers)s，末尾几位已丢失。请将该列设为“文本”，重新填写后再复制。")
_UNCOUNTABLE = N_("首号须以数字结尾，位数须足够编到最后一个。请改正。")
_USED = N_("以下证书编号已使用（含已作废的）：%(numbers)s。请与证书核对。")
_NONE_CHOSEN = N_("未选学生。请至少勾选一名。")
_NOTHING = N_("没有变动：所选学生都已终审。要发证，请填写证书编号。")
_OLD = N_("所选学生中有人的数据过期。请勾选“采用现有数据”并写明原因，或取消勾选这些学生。")
_NO_NOTE = N_("采用过期数据须写明原因。")
_LONG = N_("备注不超过 500 字，办理依据不超过 100 字。请缩短。")
_CHOICE = N_("选项已失效，设置可能刚修改。请重新选择。")


@dataclass(frozen=True, slots=True)
class ClassDraft:
    """What was ticked and typed, valid or not."""

    #: The ticked students. None before the first submission.
    picked: frozenset[str] | None = None
    #: Students to leave out.
    leave: str = ""
    #: Certificate numbers: pasted columns, or the first number of each kind, in the order of the kinds.
    pasted: str = ""
    first: tuple[str, ...] = ()
    #: The kind of a single column of numbers, and of a single first number.
    kind: str = ""
    collected: str = ""
    reason: str = ""
    note: str = ""
    over_old: bool = False

    def first_of(self, kind: str, kinds: Sequence[str]) -> str:
        """Return the first number of a kind. A single one belongs to the chosen kind."""
        if len(self.first) == 1:
            return self.first[0].strip() if kind == self.kind else ""
        return dict(zip(kinds, self.first, strict=False)).get(kind, "").strip()

    def ticked(self, member: ClassMember, stage: Stage) -> bool:
        """Return whether a student is ticked. By default, students that are clear or reviewed are."""
        if self.picked is not None:
            return member.student in self.picked
        return stage in (Stage.CLEAR, Stage.REVIEWED)


@dataclass(frozen=True, slots=True)
class PassingStudent:
    """One student that is to pass."""

    member: ClassMember
    stage: Stage
    #: Kind → certificate number. Empty if only the review is given.
    numbers: Mapping[str, str]

    @property
    def reviews(self) -> bool:
        """Whether a review is given. Otherwise the student already has one."""
        return self.stage is not Stage.REVIEWED

    def sent(self, saw: str, kind: str) -> str:
        """Return the student as a preview sends them: number, version tag, the numbers of this kind and of others."""
        others = (part for one, number in self.numbers.items() if one != kind for part in (one, number))
        return "\t".join((f"{self.member.student} {saw} {self.numbers.get(kind, '')}", *others))


@dataclass(frozen=True, slots=True)
class DraftPlan:
    """What a draft would do."""

    passing: tuple[PassingStudent, ...]
    #: All other students of the class without a certificate.
    left: tuple[tuple[ClassMember, Stage], ...]
    #: All numbers in the box of students to leave out, of this class or not.
    named: frozenset[str]
    #: How many students were chosen, including those for which nothing changes.
    chosen: int
    #: A first number cannot be counted up that far.
    uncountable: bool

    @property
    def reviewed(self) -> int:
        """The number of reviews it would give."""
        return sum(one.reviews for one in self.passing)

    @property
    def issued(self) -> int:
        """The number of certificates it would issue."""
        return sum(len(one.numbers) for one in self.passing)

    def issued_of(self, kind: str) -> int:
        """Return the number of certificates of a kind that it would issue."""
        return sum(kind in one.numbers for one in self.passing)


def choosable(member: ClassMember, stage: Stage) -> bool:
    """Return whether the account can tick a student."""
    if stage in (Stage.CLEAR, Stage.OLD):
        return member.may_review
    return stage is Stage.REVIEWED and member.may_issue


def planned(roll: Roll, step: str, draft: ClassDraft, kinds: Sequence[str], now: datetime) -> DraftPlan:
    """Return what a draft would do. If it is not valid, return as much as is clear."""
    named = frozenset(numbers.mentioned(draft.leave))
    staged = [(member, member.stage(step, now)) for member in roll.members]
    chosen = [
        (member, stage)
        for member, stage in staged
        if choosable(member, stage) and draft.ticked(member, stage) and member.student not in named
    ]
    issuable = [member.student for member, _ in chosen if member.may_issue]
    given, uncountable = _assigned_numbers(draft, kinds, issuable)
    passing = [
        PassingStudent(member, stage, given.get(member.student, {}) if member.may_issue else {})
        for member, stage in chosen
    ]
    # Students for which nothing changes are left out, too.
    kept = tuple(one for one in passing if one.reviews or one.numbers)
    passes = {one.member.student for one in kept}
    left = tuple((m, s) for m, s in staged if m.student not in passes and m.certificate is None)
    return DraftPlan(kept, left, named, len(chosen), uncountable)


def _assigned_numbers(
    draft: ClassDraft, kinds: Sequence[str], students: Sequence[str]
) -> tuple[Mapping[str, Mapping[str, str]], bool]:
    """Return student → kind → certificate number, and whether a first number cannot be counted up."""
    if draft.pasted.strip():
        read = numbers.pairs(draft.pasted, len(kinds)).numbers
        single = max(map(len, read.values()), default=0) == 1
        own = (draft.kind,) if single else kinds
        return {
            student: {kind: number for kind, number in zip(own, row, strict=False) if number}
            for student, row in read.items()
        }, False
    found: dict[str, dict[str, str]] = {student: {} for student in students}
    for kind in kinds:
        first = draft.first_of(kind, kinds)
        try:
            counted = numbers.counted_up(first, students) if first else {}
        except numbers.Uncountable:
            return {}, True
        for student, number in counted.items():
            found[student][kind] = number
    return found, False


def mistakes(
    language: Language,
    roll: Roll,
    draft: ClassDraft,
    plan: DraftPlan,
    *,
    used: Collection[str],
    kinds: Sequence[str],
    reasons: Sequence[str],
) -> tuple[str, ...]:
    """Return all errors of a draft, each with its fix. Empty if it can be confirmed."""
    choices = of_choices(language, draft, kinds, reasons)
    found = [*_of_numbers(language, roll, draft, plan, used, len(kinds)), *choices]
    if any(one.stage is Stage.OLD for one in plan.passing):
        if not draft.over_old:
            found.append(language.gettext(_OLD))
        elif not draft.note.strip():
            found.append(language.gettext(_NO_NOTE))
    if not plan.passing and not found:
        found.append(language.gettext(_NOTHING if plan.chosen else _NONE_CHOSEN))
    return tuple(found)


def of_choices(language: Language, draft: ClassDraft, kinds: Sequence[str], reasons: Sequence[str]) -> tuple[str, ...]:
    """Return the errors that do not depend on the students."""
    found: list[str] = []
    unknown = draft.kind not in kinds or draft.collected not in LEAVES or (reasons and draft.reason not in reasons)
    if unknown or not draft.reason:
        found.append(language.gettext(_CHOICE))
    if len(draft.note) > LONGEST_NOTE or len(draft.reason) > LONGEST_REASON:
        found.append(language.gettext(_LONG))
    return tuple(found)


def _of_numbers(
    language: Language, roll: Roll, draft: ClassDraft, plan: DraftPlan, used: Collection[str], kinds: int
) -> list[str]:
    members = {member.student: member for member in roll.members}
    found: list[str] = []

    def add_error(text: str, name: str, values: Sequence[str]) -> None:
        if values:
            found.append(language.gettext(text, **{name: language.listed(values)}))

    add_error(_UNMATCHED, "numbers", [number for number in sorted(plan.named) if number not in members])
    if draft.pasted.strip() and any(map(str.strip, draft.first)):
        found.append(language.gettext(_BOTH))
    if draft.pasted.strip():
        read = numbers.pairs(draft.pasted, kinds)
        add_error(_UNREADABLE, "places", [str(place) for place in read.unreadable])
        add_error(_REPEATED, "numbers", read.duplicates)
        add_error(_ROUNDED, "numbers", read.rounded)
        add_error(_NOT_ISSUED, "numbers", [s for s in read.numbers if s not in members or not members[s].may_issue])
    elif plan.uncountable:
        found.append(language.gettext(_UNCOUNTABLE))
    planned_numbers = [number for one in plan.passing for number in one.numbers.values()]
    repeated = [number for number, times in Counter(planned_numbers).items() if times > 1]
    if not draft.pasted.strip():
        add_error(_REPEATED, "numbers", repeated)
    add_error(_USED, "numbers", [number for number in planned_numbers if number in used])
    return found
