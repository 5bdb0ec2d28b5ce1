"""Promise 1 in files: a list that was cut off, damaged or changed on its way is whole or changes nothing."""

import csv
import io
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any, Literal

import pytest
import xlsxwriter

from connectors import sheet
from connectors.port import Connector, Progress, Question, no_progress
from status_db.model import RunState
from tests.faults.seeds import case, seeds
from tests.faults.trial import AFTER, COLUMNS, Loan, Trial

CASES = 40

Damage = Callable[[Random, bytes], bytes]


def workbook(rows: Sequence[Loan]) -> bytes:
    """Return a list as Excel keeps it, with the closing row of its office."""
    written = io.BytesIO()
    with xlsxwriter.Workbook(written, {"in_memory": True}) as book:
        page = book.add_worksheet()
        for number, row in enumerate((COLUMNS, *(tuple(row.values()) for row in rows), ("合计", f"{len(rows)} 行"))):
            page.write_row(number, 0, row)
    return written.getvalue()


def text(rows: Sequence[Loan], encoding: str = "utf-8", quoting: Literal[0, 1] = csv.QUOTE_MINIMAL) -> bytes:
    """Return it as text in columns."""
    written = io.StringIO(newline="")
    closing = ("合计", f"{len(rows)} 行", "", "")
    csv.writer(written, quoting=quoting).writerows([COLUMNS, *(tuple(row.values()) for row in rows), closing])
    return written.getvalue().encode(encoding)


def cut_anywhere(chance: Random, whole: bytes) -> bytes:
    """Keep the first bytes."""
    return whole[: chance.randrange(len(whole))]


def cut_near_the_end(chance: Random, whole: bytes) -> bytes:
    """Keep all but a few."""
    return whole[: -chance.randrange(1, 200)]


def blank_to_the_end(chance: Random, whole: bytes) -> bytes:
    """Keep the length, as where room was made before the bytes came."""
    kept = chance.randrange(len(whole))
    return whole[:kept] + bytes(len(whole) - kept)


def blank_within(chance: Random, whole: bytes) -> bytes:
    """Lose a block within."""
    start = chance.randrange(len(whole) - 64)
    return whole[:start] + bytes(64) + whole[start + 64 :]


def cut_at_a_lines_end(chance: Random, whole: bytes) -> bytes:
    """Keep whole lines: each of them looks as it should."""
    lines = whole.splitlines(keepends=True)
    return b"".join(lines[: chance.randrange(len(lines))])


def cut_in_a_lines_last_cell(chance: Random, whole: bytes) -> bytes:
    """Keep whole lines and one whose last cell is shorter."""
    lines = whole.splitlines(keepends=True)
    last = chance.randrange(1, len(lines) - 1)
    return b"".join([*lines[:last], lines[last][: -chance.randrange(2, 6)]])


def lines_lost_within(chance: Random, whole: bytes) -> bytes:
    """Lose a few lines in the middle."""
    lines = whole.splitlines(keepends=True)
    at = chance.randrange(1, len(lines) - 5)
    return b"".join(lines[:at] + lines[at + chance.randrange(1, 5) :])


def part_of_the_package(name: str, change: Callable[[Random, bytes], bytes | None]) -> Damage:
    """Change one part of a workbook, and pack it whole again."""

    def damage(chance: Random, whole: bytes) -> bytes:
        written = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(whole)) as old, zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as new:
            for entry in old.namelist():
                content: bytes | None = old.read(entry)
                if entry == name:
                    content = change(chance, content or b"")
                if content is not None:
                    new.writestr(entry, content)
        return written.getvalue()

    return damage


def rows_lost(chance: Random, xml: bytes) -> bytes:
    """Lose a few rows of a sheet that stays well formed."""
    rows = xml.split(b"<row ")
    at = chance.randrange(2, len(rows) - 6)
    return b"<row ".join(rows[:at] + rows[at + chance.randrange(1, 5) :])


SHEET, STRINGS = "xl/worksheets/sheet1.xml", "xl/sharedStrings.xml"

IN_BOTH: Mapping[str, Damage] = {
    "cut anywhere": cut_anywhere,
    "cut near the end": cut_near_the_end,
    "blank to the end": blank_to_the_end,
    "blank within": blank_within,
    "empty": lambda *_: b"",
}

DAMAGES: dict[str, Mapping[str, Damage]] = {
    "xlsx": {
        **IN_BOTH,
        "the sheet cut": part_of_the_package(SHEET, cut_anywhere),
        "the sheet cut near the end": part_of_the_package(SHEET, cut_near_the_end),
        "the sheet lost": part_of_the_package(SHEET, lambda *_: None),
        "rows of the sheet lost": part_of_the_package(SHEET, rows_lost),
        "the words cut": part_of_the_package(STRINGS, cut_anywhere),
        "the words lost": part_of_the_package(STRINGS, lambda *_: None),
    },
    "csv": {
        **IN_BOTH,
        "cut at a line's end": cut_at_a_lines_end,
        "cut in a line's last cell": cut_in_a_lines_last_cell,
        "lines lost within": lines_lost_within,
    },
}


@pytest.mark.parametrize("kind", ["xlsx", "csv"])
def test_a_list_that_was_damaged_anywhere_is_whole_or_changes_nothing(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"loans.{kind}"

    def fill(rows: Sequence[Loan]) -> None:
        path.write_bytes(workbook(rows) if kind == "xlsx" else text(rows))

    def connect(question: Question) -> Connector:
        own = {"path": str(path), "closing_count": True}
        return sheet.connect(sheet.Settings.model_validate(own), question)

    trial = Trial(tmp_path, connect, fill)
    names = [*DAMAGES[kind], "changed while it is read", "gone"]
    book = workbook(AFTER)
    for seed in seeds(CASES):
        with case(seed) as chance:
            name = names[seed % len(names)]
            progress: Progress = no_progress
            encoding = chance.choice(("utf-8", "utf-8-sig", "gb18030", "utf-16"))
            if name.endswith("cell") or "line" in name:
                encoding = encoding.replace("utf-16", "utf-8")
            whole = book if kind == "xlsx" else text(AFTER, encoding, chance.choice((csv.QUOTE_MINIMAL, csv.QUOTE_ALL)))
            path.write_bytes(whole)
            if name == "gone":
                path.unlink()
            elif name == "changed while it is read":
                progress = Rewritten(path, cut_anywhere(chance, whole))
            else:
                damaged = DAMAGES[kind][name](chance, whole)
                assert damaged != whole
                path.write_bytes(damaged)
            outcome = trial.ask(progress=progress)
            if name not in ("blank within", "cut near the end"):
                # A blank may fall where nothing is written, and a cut may leave every row and the count.
                assert outcome.state is RunState.FAILED, name
    assert trial.ended[RunState.FAILED] >= len(seeds(CASES)) * 3 // 4


def cut_within_a_line(chance: Random, whole: bytes) -> bytes:
    """Keep whole lines and the beginning of one, up to its last separator at most."""
    lines = whole.splitlines(keepends=True)
    last = chance.randrange(1, len(lines) - 1)
    return b"".join([*lines[:last], lines[last][: chance.randrange(1, lines[last].rindex(b","))]])


def test_text_without_a_closing_count_shows_a_cut_within_a_line_and_not_one_at_its_end(tmp_path: Path) -> None:
    """What cannot be seen without a count is left to the guard; docs/connectors/sheet.md explains how to have one."""
    path = tmp_path / "loans.csv"

    def connect(question: Question) -> Connector:
        return sheet.connect(sheet.Settings.model_validate({"path": str(path)}), question)

    def fill(rows: Sequence[Loan]) -> None:
        path.write_bytes(text(rows))

    trial = Trial(tmp_path, connect, fill)
    whole = text(AFTER)
    for seed in seeds(8):
        with case(seed) as chance:
            path.write_bytes(cut_within_a_line(chance, whole))
            assert trial.ask().state is RunState.FAILED
    path.write_bytes(b"".join(whole.splitlines(keepends=True)[: len(AFTER) // 2]))
    assert trial.ask(may_wait=True).state is RunState.SUSPENDED


class Rewritten:
    """Puts other bytes into the file as its rows are read."""

    def __init__(self, path: Path, other: bytes) -> None:
        self._path, self._other = path, other

    def __call__(self, _done: int, _of: Any) -> None:
        self._path.write_bytes(self._other)
