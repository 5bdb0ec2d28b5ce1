"""The students of a class, as the form of its review shows them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import quote

from portal.desk.context.desk_context import DeskContext
from portal.desk.graduation import drafts
from portal.desk.graduation.drafts import ClassDraft
from portal.present import list_rows
from status_db.model import Certificate, State
from status_db.queries.classes import ClassMember, Stage

#: A step's title, its state, and the time of its data.
Lack: TypeAlias = tuple[str, list_rows.Cell, str]


@dataclass(frozen=True, slots=True)
class MemberLine:
    """One student."""

    student: str
    name: str
    record: str
    choosable: bool
    ticked: bool
    lapsed: bool
    given: bool
    over_old: bool
    lacks: tuple[Lack, ...]
    certificates: tuple[Certificate, ...]


def member_line(at: DeskContext, draft: ClassDraft, member: ClassMember, stage: Stage) -> MemberLine:
    """Return a student as the form shows it."""
    review = member.review(at.step).at(at.reader.now)
    return MemberLine(
        student=member.student,
        name=member.name,
        record=at.address(f"/desk/students/{quote(member.student)}"),
        choosable=drafts.choosable(member, stage),
        ticked=draft.ticked(member, stage),
        # A review that only waits for newer data counts again when they arrive.
        lapsed=review.lapsed and stage is Stage.CLEAR,
        given=review.lapsed and stage is Stage.OLD,
        over_old=bool(review.by_decision and stage is Stage.REVIEWED and _accepts(at, member)),
        lacks=() if member.certificates else lacking(at, member),
        certificates=member.certificates,
    )


def _accepts(at: DeskContext, member: ClassMember) -> Mapping[str, str]:
    decision = member.review(at.step).decision
    return decision.accepts if decision else {}


def lacking(at: DeskContext, member: ClassMember) -> tuple[Lack, ...]:
    """Return the steps that do not count as clear, each with its state and the time of its data."""
    reader = at.reader
    review = member.review(at.step)
    steps = {one.step: one for one in member.steps}
    steps_lacking = [steps[name] for name in review.waits_for]
    if review.at(reader.now).state is State.HELD:
        steps_lacking.append(review)
    return tuple(
        (
            reader.titles[one.step],
            list_rows.cell(reader, one),
            reader.language.moment(one.as_of, reader.now) if one.as_of is not None else "",
        )
        for one in steps_lacking
    )
