"""The content of paper sheets: the students of a class, a building or a step, at the time of printing."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from itertools import groupby

from config.settings import Settings
from portal.access.reader_context import ReaderContext
from portal.documents.paper_pdf import Fill, PaperColumn, PaperRow, PaperSection, PrintSet, Wording
from portal.documents.sheet_numbers import EVERY_STEP, SLIP, building_mark, class_mark, set_number, step_codes
from portal.i18n.languages import Language
from portal.present import list_rows, reasons
from status_db.effective.visible import Visibility, everything
from status_db.effective_status import StepStatus
from status_db.model import StepKind, Verdict
from status_db.queries.lists import Filter, ListedStudent, Lists, ListSelection
from status_db.views import Scope, StepSource, StudentView

#: The most characters of obligations. The office's own system has the rest.
_OWED = 60

#: The widths of the columns that every sheet has, in mm.
_NUMBER, _NAME, _CLASS, _STATE, _TICK, _TIME = 25, 25, 26, 26, 11, 18
_REASON, _SIGNATURE = 22, 24

#: On a slip.
_STEP = 34


def visibility_of(settings: Settings, cohort: str, step: str, scopes: Sequence[Scope]) -> Visibility:
    """Return the visibility that paper for a step needs: the step alone, or a review with all steps before it."""
    steps = {step}
    for flow in settings.flow:
        if any(entry.step == step and entry.kind == StepKind.REVIEW.value for entry in flow.entries):
            steps |= set(flow.after(step))
    return Visibility(cohort, {one.key: scopes for one in settings.step if one.key in steps})


class PaperWriter:
    """Makes the sheets of one cohort as it is now, in one language. Raises StoreError."""

    def __init__(self, lists: Lists, settings: Settings, language: Language, cohort: str, now: datetime) -> None:
        self._lists = lists
        self._settings = settings
        self._language = language
        self._cohort = settings.cohort_named(cohort)
        self._now = now
        self._printed = now.astimezone(language.zone)
        self._codes = step_codes([step.key for step in settings.step])

    @cached_property
    def classes(self) -> tuple[tuple[str, str], ...]:
        """Every class of the cohort, as college and name, in order."""
        found = self._lists.groups(everything(self._settings, self._cohort.key), ("college", "class"))
        return tuple((college, name) for college, name in found)

    @cached_property
    def buildings(self) -> tuple[str, ...]:
        """Every building of the cohort, in order."""
        found = self._lists.groups(everything(self._settings, self._cohort.key), ("building",))
        return tuple(name for (name,) in found)

    @cached_property
    def _fresh(self) -> Mapping[str, StepSource]:
        return self._lists.freshness(self._cohort.key)

    def of_step(self, step: str, visibility: Visibility, columns: Mapping[str, str] | None = None) -> PrintSet | None:
        """Return the sheets of one step, one group for each class. None if there is no student.

        `columns` narrows them to a class, with its college, or to a building, which is one group then.
        """
        chosen = Filter(ListSelection.ALL, step, columns or {})
        return self._make_set(step, visibility, chosen)

    def of_class(self, college: str, class_name: str, visibility: Visibility) -> PrintSet | None:
        """Return the sheets of a class with every visible step. None if there is no student."""
        return self._make_set(
            None, visibility, Filter(ListSelection.ALL, columns={"college": college, "class": class_name})
        )

    def _make_set(self, step: str | None, visibility: Visibility, chosen: Filter) -> PrintSet | None:
        reader = ReaderContext(self._settings, self._language, self._now, self._cohort, visibility)
        building = chosen.columns.get("building")
        alone = len(reader.steps) == 1
        listed = self._lists.whole(visibility, chosen, self._now, reader.steps if alone else ())
        code = self._codes[step] if step else EVERY_STEP
        parts: list[PaperSection] = []
        if building is not None:
            group = list(listed)
            # A student that moved in meanwhile can have a building that is not in the list yet.
            mark = building_mark(self.buildings.index(building) + 1) if building in self.buildings else building
            title = self._set_title(reader, step, building or "–")
            parts += [self._part(reader, title, code, mark, group, with_class=True)] if group else []
        else:
            for (college, name), group_of in groupby(listed, key=lambda one: (one.college, one.class_name)):
                known = (college, name) in self.classes
                mark = class_mark(self.classes.index((college, name)) + 1) if known else name
                title = self._set_title(reader, step, f"{college} {name or '–'}")
                parts.append(self._part(reader, title, code, mark, list(group_of), with_class=False))
        if not parts:
            return None
        return self._set(reader, parts, step, upright=alone and building is None)

    def _set_title(self, reader: ReaderContext, step: str | None, whose: str) -> str:
        what = reader.titles[step] if step else self._language.gettext("各环节")
        return f"{what} · {whose}"

    def _part(
        self,
        reader: ReaderContext,
        title: str,
        code: str,
        mark: str,
        listed: Sequence[ListedStudent],
        *,
        with_class: bool,
    ) -> PaperSection:
        gettext = self._language.gettext
        alone = len(reader.steps) == 1
        shown = [s for s in reader.steps if any(status.step == s for one in listed for status in one.steps)]
        columns = [PaperColumn(gettext("学号"), _NUMBER), PaperColumn(gettext("姓名"), _NAME)]
        columns += [PaperColumn(gettext("班级"), _CLASS)] if with_class else []
        if alone:
            columns += [PaperColumn(gettext("状态"), _STATE), PaperColumn(gettext("未结内容"))]
        else:
            columns += [PaperColumn(reader.titles[step]) for step in shown]
        lines: list[PaperRow] = []
        for one in listed:
            who = [one.student, one.name, *([one.class_name or "–"] if with_class else [])]
            by_step = {status.step: status for status in one.steps}
            if alone:
                (step,) = reader.steps
                states = [list_rows.cell(reader, by_step[step]).text, self._owed_text(by_step[step])]
            else:
                states = [list_rows.cell(reader, by_step[s]).text if s in by_step else "–" for s in shown]
            lines.append(PaperRow([*who, *states], open=not all(s.counts_as_clear(self._now) for s in one.steps)))
        return PaperSection(title, set_number(self._printed, code, mark), [*columns, *self._by_hand()], lines)

    def _by_hand(self) -> Iterator[PaperColumn]:
        gettext = self._language.gettext
        yield PaperColumn(gettext("办理"), _TICK, Fill.TICK)
        yield PaperColumn(gettext("办理依据"), _REASON, Fill.BLANK)
        yield PaperColumn(gettext("经手人签字"), _SIGNATURE, Fill.BLANK)
        yield PaperColumn(gettext("办理时间"), _TIME, Fill.BLANK)

    def _owed_text(self, status: StepStatus) -> str:
        effective = status.at(self._now)
        owing = status.finding.verdict is Verdict.HELD and (not effective.by_decision or effective.overtaken_by_debt)
        owed_text = reasons.sentence(self._language, status.finding.evidence, self._now) if owing else ""
        return owed_text if len(owed_text) <= _OWED else f"{owed_text[: _OWED - 1]}…"

    def slip(self, student: StudentView, visibility: Visibility) -> PrintSet:
        """Return the slip of one student: each step of the flow, with its state if it is visible."""
        reader = ReaderContext(self._settings, self._language, self._now, self._cohort, visibility)
        lines = [
            PaperRow(
                [
                    reader.titles[status.step],
                    list_rows.cell(reader, status).text if status.step in visibility.steps else "",
                    self._owed_text(status) if status.step in visibility.steps else "",
                ],
                open=status.step not in visibility.steps or not status.counts_as_clear(self._now),
            )
            for status in student.steps
        ]
        facts = (student.student, student.name, student.college, student.class_name, student.building)
        number = set_number(self._printed, SLIP, student.student)
        return self._slip(reader, lines, facts, number)

    def blank_slip(self) -> PrintSet:
        """Return a blank slip, for students that are not on any list."""
        reader = ReaderContext(
            self._settings, self._language, self._now, self._cohort, Visibility(self._cohort.key, {})
        )
        lines = [PaperRow([reader.titles[step.key], "", ""]) for step in self._settings.step]
        return self._slip(reader, lines, ("", "", "", "", ""), "")

    def _slip(self, reader: ReaderContext, lines: Sequence[PaperRow], facts: Sequence[str], number: str) -> PrintSet:
        gettext = self._language.gettext
        words = (gettext("学号"), gettext("姓名"), gettext("学院"), gettext("班级"), gettext("楼栋"))
        columns = (
            PaperColumn(gettext("环节"), _STEP),
            PaperColumn(gettext("状态"), _STATE),
            PaperColumn(gettext("未结内容")),
            *self._by_hand(),
        )
        title = gettext("离校手续（个人）")
        part = PaperSection(title, number, columns, lines, tuple(zip(words, facts, strict=True)))
        return self._set(reader, [part], None, upright=True)

    def _set(
        self, reader: ReaderContext, parts: Sequence[PaperSection], step: str | None, *, upright: bool
    ) -> PrintSet:
        gettext, language = self._language.gettext, self._language
        as_of = reader.as_of(self._fresh)
        notices = [gettext("数据截至 %(moment)s", moment=as_of)] if as_of else []
        notices += reader.stale(self._fresh)
        notices.append(gettext("打印于 %(moment)s", moment=language.dated(self._now)))
        how = [gettext("办结的，在“办理”格打勾，写明办理依据，签字并写时间。系统恢复后按纸质单号补录。")]
        listed = self._settings.step_named(step).reasons if step else []
        if listed:
            numbered = (f"{at} {reason}" for at, reason in enumerate(listed, start=1))
            how.append(gettext("办理依据可只写编号：%(reasons)s", reasons=language.listed(numbered)))
        return PrintSet(
            institution=" · ".join((self._settings.institution.name, self._cohort.name, gettext("纸面办理单"))),
            notices=notices,
            parts=parts,
            how=how,
            wording=Wording(
                number=gettext("纸质单号"),
                page=gettext("第 %(page)s 页，共 %(pages)s 页"),
                lacks=gettext("字库缺字以〓代替，依次是："),
                language=language.tag,
            ),
            printed_at=self._now,
            upright=upright,
        )
