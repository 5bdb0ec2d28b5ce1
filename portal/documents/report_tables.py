"""The tables of a cohort's report, with the same words on the page, in the Excel file and on the command line."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeAlias

from portal.access.reader_context import NONE, STATES, WHERE, ReaderContext
from portal.i18n import labels as words
from portal.i18n.labels import N_
from status_db.model import State
from status_db.queries.appeal_report import AppealCounts
from status_db.queries.lists import ListSelection
from status_db.queries.report import CohortReport, CollegeCounts, DecidedFor
from status_db.views import StepCounts, Where

Value: TypeAlias = str | int | Decimal | None


@dataclass(frozen=True, slots=True)
class ReportCell:
    """One figure or word. None if there is no value."""

    value: Value
    #: The list of exactly these students. Empty if no list shows them.
    address: str = ""
    #: Whether the data of the line are out of date, which the value states.
    stale: bool = False


@dataclass(frozen=True, slots=True)
class ReportColumn:
    """A column's head, and whether its cells are words."""

    title: str
    words: bool = False


@dataclass(frozen=True, slots=True)
class ReportTable:
    """One table of the report."""

    key: str
    title: str
    #: What is counted, if the heads do not state it.
    notes: tuple[str, ...]
    columns: tuple[ReportColumn, ...]
    rows: tuple[tuple[ReportCell, ...], ...]
    #: The sums of the columns. Empty if sums have no meaning.
    sums: tuple[ReportCell, ...] = ()

    @property
    def lines(self) -> tuple[tuple[ReportCell, ...], ...]:
        """The rows, and the sums after them."""
        return (*self.rows, self.sums) if self.sums else self.rows


#: Kinds of appeal, by whom they are raised.
_KINDS: Mapping[str, str] = {"objection": N_("学生异议"), "sent_back": N_("终审退回")}

#: The outcomes of appeals.
_OUTCOMES: Mapping[str, str] = {
    "rechecked": N_("重新查询后答复"),
    "decided": N_("人工办理后答复"),
    "explained": N_("解释说明"),
    "withdrawn": N_("自行撤回"),
}

#: How a certificate was collected.
_LEFT: Mapping[str, str] = {"self": N_("本人领取"), "agent": N_("他人代领"), "post": N_("邮寄")}


def tables(
    reader: ReaderContext, found: CohortReport, appealed: Sequence[AppealCounts], college: str | None = None
) -> tuple[ReportTable, ...]:
    """Return the tables in the order of the page. Empty tables are left out.

    `college` is the one that the report was narrowed to.
    """
    made = (
        _colleges(reader, found),
        _step_table(reader, found, college),
        _origins(reader, found, college),
        _decisions(reader, found.decisions),
        _appeals(reader, appealed),
        _certificates(reader, found),
    )
    return tuple(table for table in made if table.rows)


def colleges_by_step(reader: ReaderContext, found: CohortReport) -> ReportTable:
    """Return each step of each college, for the Excel file, which has room for a long table."""
    return ReportTable(
        key="colleges-by-step",
        title=reader.language.gettext("学院与环节"),
        notes=(),
        columns=(
            ReportColumn(reader.language.gettext("学院"), words=True),
            ReportColumn(reader.language.gettext("环节"), words=True),
            *_state_columns(reader),
        ),
        rows=tuple(
            (
                ReportCell(_column_value(one.college)),
                ReportCell(reader.titles[step]),
                *_state_cells(reader, step, step_counts, one.college),
            )
            for one in found.colleges
            for step, step_counts in _in_order(reader, one.steps)
        ),
    )


def _colleges(reader: ReaderContext, found: CohortReport) -> ReportTable:
    language = reader.language
    categories = sorted(found.whole.staying)
    notes = [language.gettext("应离校学生每人计一次，与总览一致。无需办理按项次计，一人两项计两次。")]
    if categories:
        kinds = language.listed(map(_column_value, categories))
        notes.append(language.gettext("%(categories)s：在离校名单中但今年不离校，不计入应离校。", categories=kinds))

    def line(one: CollegeCounts, title: ReportCell, college: str | None) -> tuple[ReportCell, ...]:
        wheres = (
            _linked_count(reader, one.by_where.get(where, 0), college, wanted)
            for where, (_, _, _, wanted) in WHERE.items()
        )
        return (
            title,
            _linked_count(reader, one.students, college, ListSelection.ALL),
            ReportCell(reader.language.percent(one.by_where.get(Where.CLEAR, 0), one.students)),
            *wheres,
            ReportCell(one.exempt),
            *(ReportCell(one.staying.get(category, 0)) for category in categories),
        )

    return ReportTable(
        key="colleges",
        title=language.gettext("按学院"),
        notes=tuple(notes),
        columns=(
            ReportColumn(language.gettext("学院"), words=True),
            ReportColumn(language.gettext("应离校")),
            ReportColumn(language.gettext("办结率")),
            *(ReportColumn(language.gettext(word)) for word, *_ in WHERE.values()),
            ReportColumn(language.gettext("无需办理（项次）")),
            *(ReportColumn(_column_value(category)) for category in categories),
        ),
        rows=tuple(
            line(
                one,
                ReportCell(_column_value(one.college), reader.address("/report", college=one.college or NONE)),
                one.college,
            )
            for one in found.colleges
        ),
        sums=line(found.whole, ReportCell(language.gettext("合计")), None) if len(found.colleges) > 1 else (),
    )


def _step_table(reader: ReaderContext, found: CohortReport, college: str | None) -> ReportTable:
    language = reader.language

    def line(step: str, step_counts: StepCounts) -> tuple[ReportCell, ...]:
        fresh = found.freshness.get(step)
        as_of = reader.language.moment(fresh.as_of, reader.now) if fresh and fresh.as_of else ""
        stale = fresh is not None and fresh.stale(reader.now)
        as_of_text = language.gettext("数据过期（截至 %(moment)s）", moment=as_of) if stale else as_of
        return (
            ReportCell(reader.titles[step]),
            *_state_cells(reader, step, step_counts, college),
            ReportCell(as_of_text or None, stale=stale),
        )

    return ReportTable(
        key="steps",
        title=language.gettext("按环节"),
        notes=(language.gettext("每名学生的每个环节计一次；已办结含通过和无需办理。"),),
        columns=(
            ReportColumn(language.gettext("环节"), words=True),
            *_state_columns(reader),
            ReportColumn(language.gettext("数据截至"), words=True),
        ),
        rows=tuple(line(step, step_counts) for step, step_counts in _in_order(reader, found.whole.steps)),
    )


def _state_columns(reader: ReaderContext) -> tuple[ReportColumn, ...]:
    language = reader.language
    return (
        ReportColumn(language.gettext("人数")),
        ReportColumn(language.gettext("已办结")),
        *(ReportColumn(words.say(reader.language, words.STATES, state)) for state in STATES),
    )


def _state_cells(
    reader: ReaderContext, step: str, step_counts: StepCounts, college: str | None
) -> tuple[ReportCell, ...]:
    settled = step_counts.by_state.get(State.CLEARED, 0) + step_counts.by_state.get(State.EXEMPT, 0)
    return (
        _linked_count(reader, step_counts.total, college, ListSelection.ALL, step),
        ReportCell(reader.language.percent(settled, step_counts.total)),
        *(_linked_count(reader, step_counts.by_state.get(state, 0), college, state, step) for state in STATES),
    )


def _origins(reader: ReaderContext, found: CohortReport, college: str | None) -> ReportTable:
    language = reader.language

    def line(step: str, step_counts: StepCounts) -> tuple[ReportCell, ...]:
        cleared = step_counts.by_state.get(State.CLEARED, 0)
        automatic = cleared - step_counts.cleared_by_decision
        return (
            ReportCell(reader.titles[step]),
            _linked_count(reader, cleared, college, State.CLEARED, step),
            ReportCell(automatic),
            ReportCell(step_counts.cleared_by_decision),
            ReportCell(reader.language.percent(automatic, cleared)),
            _linked_count(reader, step_counts.disputed, college, ListSelection.DISPUTED, step),
        )

    return ReportTable(
        key="origins",
        title=language.gettext("自动与人工"),
        notes=(language.gettext("通过的环节中，按数据自动通过和人工通过的各有多少。"),),
        columns=(
            ReportColumn(language.gettext("环节"), words=True),
            ReportColumn(words.say(reader.language, words.STATES, State.CLEARED)),
            ReportColumn(language.gettext("自动通过")),
            ReportColumn(language.gettext("人工通过")),
            ReportColumn(language.gettext("自动比例")),
            ReportColumn(language.gettext("人工办理后数据有变动")),
        ),
        rows=tuple(line(step, step_counts) for step, step_counts in _in_order(reader, found.whole.steps)),
    )


def _decisions(reader: ReaderContext, decided: Sequence[DecidedFor]) -> ReportTable:
    language = reader.language
    return ReportTable(
        key="decisions",
        title=language.gettext("人工办理及依据"),
        notes=(
            language.gettext(
                "有效的含附条件、凭纸质单、成批录入和数据有变动的。终审后所依据的环节有变动的，终审失效。"
            ),
        ),
        columns=(
            ReportColumn(language.gettext("环节"), words=True),
            ReportColumn(language.gettext("结果"), words=True),
            ReportColumn(language.gettext("办理依据"), words=True),
            ReportColumn(language.gettext("有效")),
            ReportColumn(language.gettext("附条件")),
            ReportColumn(language.gettext("凭纸质单")),
            ReportColumn(language.gettext("成批录入")),
            ReportColumn(language.gettext("数据有变动")),
            ReportColumn(language.gettext("终审失效")),
            ReportColumn(language.gettext("已失效")),
            ReportColumn(language.gettext("已撤回")),
        ),
        rows=tuple(
            (
                ReportCell(reader.titles[one.step]),
                ReportCell(words.say(reader.language, words.STATES, one.verdict)),
                ReportCell(one.reason or None),
                *map(ReportCell, (one.stand, one.conditional, one.on_paper, one.in_batches, one.disputed)),
                *map(ReportCell, (one.lapsed, one.ended, one.withdrawn)),
            )
            for one in decided
        ),
    )


def _appeals(reader: ReaderContext, appealed: Sequence[AppealCounts]) -> ReportTable:
    language = reader.language
    return ReportTable(
        key="appeals",
        title=language.gettext("异议"),
        notes=(language.gettext("待答复含逾期。答复用时从提出计到答复，不含自行撤回的。"),),
        columns=(
            ReportColumn(language.gettext("环节"), words=True),
            ReportColumn(language.gettext("类别"), words=True),
            ReportColumn(language.gettext("提出")),
            ReportColumn(language.gettext("待答复")),
            ReportColumn(language.gettext("逾期未答复")),
            *(ReportColumn(language.gettext(word)) for word in _OUTCOMES.values()),
            ReportColumn(language.gettext("答复用时中位数（小时）")),
        ),
        rows=tuple(
            (
                ReportCell(reader.titles[one.step]),
                ReportCell(words.say(reader.language, _KINDS, one.kind)),
                *map(ReportCell, (one.raised, one.waiting, one.overdue)),
                *(ReportCell(one.outcomes.get(outcome, 0)) for outcome in _OUTCOMES),
                ReportCell(one.median_hours),
            )
            for one in appealed
        ),
    )


def _certificates(reader: ReaderContext, found: CohortReport) -> ReportTable:
    language = reader.language

    def line(one: CollegeCounts, title: str) -> tuple[ReportCell, ...]:
        made = one.certificates
        left = (made.collected.get(how, 0) for how in _LEFT)
        return (ReportCell(title), *map(ReportCell, (made.issued, made.unclaimed, *left, made.revoked)))

    with_some = [one for one in found.colleges if one.certificates.issued or one.certificates.revoked]
    return ReportTable(
        key="certificates",
        title=language.gettext("证书"),
        notes=(language.gettext("已发证不含作废的，含后来离开名单的学生的。"),),
        columns=(
            ReportColumn(language.gettext("学院"), words=True),
            ReportColumn(language.gettext("已发证")),
            ReportColumn(language.gettext("未领取")),
            *(ReportColumn(language.gettext(word)) for word in _LEFT.values()),
            ReportColumn(language.gettext("已作废")),
        ),
        rows=tuple(line(one, _column_value(one.college)) for one in with_some),
        sums=line(found.whole, language.gettext("合计")) if len(with_some) > 1 else (),
    )


def _linked_count(
    reader: ReaderContext, count: int, college: str | None, wanted: ListSelection | State, step: str = ""
) -> ReportCell:
    """Return a figure with a link to the list of exactly these students. A zero has no link."""
    if not count:
        return ReportCell(0)
    word = f"state-{wanted}" if isinstance(wanted, State) else wanted.value
    own = "" if college is None else college or NONE
    return ReportCell(count, reader.address("/lists", wanted=word, step=step, college=own))


def _in_order(reader: ReaderContext, steps: Mapping[str, StepCounts]) -> list[tuple[str, StepCounts]]:
    return [(step, steps[step]) for step in reader.steps if step in steps]


def _column_value(name: str) -> str:
    """Return a roster column's value, or the text for an empty one."""
    return name or NONE
