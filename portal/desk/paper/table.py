"""The table of a paper sheet: what was typed in it, and its lines as a page shows them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from portal.access.reader_context import ReaderContext
from portal.desk.context.desk_context import DeskContext
from portal.desk.context.refusals import PAPER, unfilled
from portal.desk.imports import result_words
from portal.desk.paper import words as paper_words
from portal.i18n.labels import say
from portal.present import list_rows
from portal.present.list_rows import Cell
from status_db.decisions.batch_rows import ImportRow, RowFault, SheetPreview
from status_db.decisions.batches import RosterName
from status_db.model import Decision, Verdict
from status_db.queries.lists import ListedStudent


@dataclass(frozen=True, slots=True)
class TypedSheet:
    """The table as typed, valid or not."""

    numbers: tuple[str, ...] = ()
    #: By number.
    reasons: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    done: frozenset[str] = frozenset()
    sheet: str = ""
    decided: str = ""
    words: str = ""
    with_conflicts: bool = False
    without_wrong: bool = False
    #: The digest of the preview that was shown. Empty before one.
    digest: str = ""

    def import_rows(self, decided_at: datetime) -> list[ImportRow]:
        """Return the ticked rows."""
        return [
            ImportRow(
                line=line,
                student=number,
                name=None,
                verdict=Verdict.CLEARED,
                reason=self.reasons.get(number, ""),
                words=self.words,
                file_number=self.files.get(number, ""),
                decided_at=decided_at,
                sheet=self.sheet,
            )
            for line, number in enumerate(self.numbers, start=1)
            if number in self.done
        ]


@dataclass(frozen=True, slots=True)
class TypedLine:
    """One line as typed, and what would be entered."""

    number: str
    name: str
    class_name: str
    cell: Cell | None
    done: bool
    reason: str
    file: str
    kind: str
    tone: str
    mark: str
    why: str


@dataclass(frozen=True, slots=True)
class EnteredLine:
    """One decision that was entered."""

    number: str
    name: str
    class_name: str
    reason: str
    file: str
    decided: str
    active: bool


def typed_lines(
    at: DeskContext, draft: TypedSheet, people: Mapping[str, ListedStudent], preview: SheetPreview | None
) -> list[TypedLine]:
    """Return the rows of the table, each with what was typed and its result in the preview."""
    reader, cell = at.reader, at.reader.steps.index(at.step)
    judged = {row.imported.student: row for row in preview.rows} if preview is not None else {}
    found: list[TypedLine] = []
    for number in draft.numbers:
        person, row = people.get(number), judged.get(number)
        shown = list_rows.row(reader, person) if person is not None else None
        by = row.effective if row is not None else None
        who = f"{by.author}, {reader.language.moment(by.decided_at, reader.now)}" if by is not None else ""
        found.append(
            TypedLine(
                number=number,
                name=shown.name if shown else "",
                class_name=shown.class_name if shown else "",
                cell=shown.cells[cell] if shown else None,
                done=number in draft.done,
                reason=draft.reasons.get(number, ""),
                file=draft.files.get(number, ""),
                kind=say(reader.language, paper_words.KINDS, row.kind) if row else "",
                tone=result_words.TONES[row.kind] if row else "",
                mark=paper_words.MARKS[row.kind] if row else "",
                why=paper_words.row_text(reader.language, row, who)
                if row
                else ("" if shown else reader.language.gettext(unfilled(RowFault.NO_SUCH_STUDENT, PAPER))),
            )
        )
    return found


def entered_lines(
    reader: ReaderContext, decisions: Sequence[Decision], people: Mapping[str, RosterName]
) -> list[EnteredLine]:
    """Return what was entered from a sheet, line by line."""
    return [
        EnteredLine(
            number=one.student,
            name=people[one.student].name,
            class_name=people[one.student].class_name,
            reason=one.reason,
            file=one.file_number,
            decided=reader.language.moment(one.decided_at, reader.now),
            active=one.active(reader.now),
        )
        for one in decisions
    ]
