"""A sheet of an office's results: its columns and its rows. Pure.

The desk's pages and the command line both use this module, so that they accept the same words.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from foundation.translation import tr
from portal.desk.context.services import ReadsSheets, SheetCode, SheetRead, SheetUnreadable
from portal.i18n.labels import N_
from status_db.decisions.batch_rows import ImportRow, RowFault
from status_db.model import Verdict, normalise_number

#: Field → its column, in Chinese and as the English catalogue has it, in the order of the template.
COLUMNS: Mapping[str, tuple[str, str]] = {
    "student": (N_("学号"), "Student number"),
    "name": (N_("姓名"), "Name"),
    "result": (N_("办理结果"), "Result"),
    "reason": (N_("办理依据"), "Grounds"),
    "file_number": (N_("文号"), "File number"),
    "words": (N_("告知学生"), "Note to the student"),
    "note": (N_("内部备注"), "Internal note"),
    "condition": (N_("附加条件"), "Condition"),
    "until": (N_("有效期至"), "Valid until"),
}

#: The possible results, in the order of the template's choice.
RESULTS: Mapping[Verdict, tuple[str, str]] = {
    Verdict.CLEARED: (N_("通过"), "Cleared"),
    Verdict.HELD: (N_("不通过"), "Not cleared"),
    Verdict.EXEMPT: (N_("无需办理"), "Not required"),
}

#: What columns and results were called before. Sheets that were downloaded then are still read.
_FORMER_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "reason": ("办理原因", "Reason given"),
    "words": ("Words for the student",),
}
_FORMER_RESULTS: Mapping[Verdict, tuple[str, ...]] = {Verdict.EXEMPT: ("Not needed",)}

#: The columns that identify the header, in either language.
_NEEDED = ("student", "result")

#: The longest text, in characters.
LONGEST: Mapping[str, int] = {"reason": 100, "file_number": 100, "words": 1000, "note": 1000, "condition": 1000}

_DAY = re.compile(r"(\d{4})(?:-|/|\.|年)(\d{1,2})(?:-|/|\.|月)(\d{1,2})日?(?: 00:00(?::00)?)?|(\d{4})(\d{2})(\d{2})")

#: A decision counts until this last moment of its day.
_END_OF_DAY = time(23, 59, 59)


@dataclass(frozen=True, slots=True)
class SheetRow:
    """One row of a sheet, with its result after it was entered."""

    line: int
    cells: tuple[str | None, ...]
    #: Language → sentence. Empty before the row is entered.
    became: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ResultSheet:
    """A sheet of results as uploaded."""

    columns: tuple[str, ...]
    rows: tuple[SheetRow, ...]

    def kept(self) -> list[dict[str, Any]]:
        """Return it as JSON. `again` reads that."""
        rows = ({"line": r.line, "cells": list(r.cells), "became": dict(r.became)} for r in self.rows)
        return [{"columns": list(self.columns)}, *rows]


def again(kept: Sequence[Mapping[str, Any]]) -> ResultSheet:
    """Return a stored sheet."""
    head, *rows = kept
    return ResultSheet(
        tuple(head["columns"]), tuple(SheetRow(r["line"], tuple(r["cells"]), dict(r["became"])) for r in rows)
    )


def read(reads: ReadsSheets, content: bytes, name: str) -> ResultSheet:
    """Read a sheet of results, with a header in either language. Raise SheetUnreadable."""
    try:
        found = reads(content, name, [COLUMNS[column][0] for column in _NEEDED])
    except SheetUnreadable as error:
        if error.code is not SheetCode.COLUMNS:
            raise
        try:
            found = reads(content, name, [COLUMNS[column][1] for column in _NEEDED])
        except SheetUnreadable as other:
            raise (error if other.code is SheetCode.COLUMNS else other) from None
    duplicates = [column for column, at in _column_positions(found).items() if len(at) > 1]
    if duplicates:
        raise SheetUnreadable(
            SheetCode.TWICE,
            tr(
                "{name} has the column {column} more than once. Leave one of them.",
                name=name,
                column=COLUMNS[duplicates[0]][0],
            ),
        )
    return ResultSheet(found.columns, tuple(SheetRow(line, cells) for line, cells in found.rows))


def imported_rows(sheet: ResultSheet, zone: ZoneInfo) -> tuple[ImportRow, ...]:
    """Return the rows to import. A day ends at the institution's midnight."""
    at = {column: found[0] for column, found in _column_positions(sheet).items() if found}
    return tuple(
        _import_row(row, {column: row.cells[place] or "" for column, place in at.items()}, zone) for row in sheet.rows
    )


def _import_row(row: SheetRow, cells: Mapping[str, str], zone: ZoneInfo) -> ImportRow:
    texts = {column: cells.get(column, "") for column in COLUMNS}
    verdict = _VERDICTS.get(_folded(texts["result"]))
    until = _parse_day(texts["until"])
    wrong = next(_find_fault(texts, verdict, until), None)
    return ImportRow(
        line=row.line,
        student=normalise_number(texts["student"]),
        name=cells.get("name"),
        verdict=verdict,
        # Reasons are chosen from a list, so blanks inside them do not count.
        reason=" ".join(texts["reason"].split()),
        words=texts["words"],
        note=texts["note"],
        file_number=texts["file_number"],
        condition=texts["condition"],
        until=datetime.combine(until, _END_OF_DAY, zone) if until else None,
        wrong=wrong[0] if wrong else None,
        detail=wrong[1] if wrong else "",
    )


def _find_fault(
    texts: Mapping[str, str], verdict: Verdict | None, until: date | None
) -> Iterator[tuple[RowFault, str]]:
    """Return the fault of a row and the text that causes it."""
    more = any(text for column, text in texts.items() if column not in ("student", "name"))
    if verdict is None and more:
        # A row with any other cell filled in must have a result.
        yield RowFault.RESULT, texts["result"]
    for column, most in LONGEST.items():
        if len(texts[column]) > most:
            yield RowFault.LONG, column
    if texts["until"] and until is None:
        yield RowFault.DATE, texts["until"]


def _parse_day(text: str) -> date | None:
    found = _DAY.fullmatch(" ".join(unicodedata.normalize("NFKC", text).split()))
    if found is None:
        return None
    parts = [int(part) for part in found.groups() if part is not None]
    try:
        return date(*parts)
    except ValueError:
        return None


def _column_positions(sheet: ResultSheet | SheetRead) -> dict[str, list[int]]:
    """Return the position of each column in a sheet. Missing columns are left out."""
    names = [_folded(name) for name in sheet.columns]
    return {
        column: [
            at for at, name in enumerate(names) if name in map(_folded, (*wanted, *_FORMER_COLUMNS.get(column, ())))
        ]
        for column, wanted in COLUMNS.items()
    }


def _folded(word: str) -> str:
    return "".join(unicodedata.normalize("NFKC", word).split()).casefold()


_VERDICTS = {
    _folded(word): verdict
    for verdict, words in RESULTS.items()
    for word in (*words, *_FORMER_RESULTS.get(verdict, ()), verdict.value)
}
