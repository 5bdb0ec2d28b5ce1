"""A spot check as a workbook: students to check in the office's own system, with cells to tick."""

from pathlib import Path
from zoneinfo import ZoneInfo

from clearance.output import tables
from clearance.output.code_words import word
from foundation import xlsx
from foundation.translation import tr
from status_db.marks.impact import Impact
from status_db.views import RunView

_COLUMNS = (
    ("学号 student", 16),
    ("姓名 name", 12),
    ("学院 college", 20),
    ("班级 class", 12),
    ("来源的结论 source result", 18),
    ("未结事项 owed", 46),
    ("办公系统一致 same in system (✓/✗)", 24),
    ("备注 note", 24),
)


_UNMATCHED = (("号码 number as written", 24), ("相近之处 match hint", 24), ("可能是 possible student", 24))


def write_spot_check(file: Path, run: RunView, impact: Impact, zone: ZoneInfo) -> None:
    """Write the list, and the unmatched rows on a separate sheet. Numbers are text, and no cell is a formula."""
    people = impact.spot_check
    book = xlsx.workbook(file)
    sheet = book.add_worksheet(tr("spot check"))
    title, head = book.add_format({"bold": True}), book.add_format({"bold": True, "bottom": 1, "text_wrap": True})
    cell = book.add_format({"border": 1, "text_wrap": True, "valign": "top"})
    began = tables.moment(run.began, zone)
    sheet.write_string(0, 0, tr("{source}, run {run}, {at}", source=run.source, run=run.run, at=began), title)
    for at, (name, width) in enumerate(_COLUMNS):
        sheet.set_column(at, at, width)
        sheet.write_string(2, at, name, head)
    for row, one in enumerate(people, 3):
        cells = (one.student, one.name, one.college, one.class_name, word(one.after), tables.owed(one.evidence), "", "")
        for at, text in enumerate(cells):
            sheet.write_string(row, at, text, cell)
    last = 3 + len(people)
    sheet.write_string(last + 1, 0, "核对人 checked by:")
    sheet.write_string(last + 1, 4, "日期 date:")
    xlsx.fit_for_print(sheet, 2)
    if impact.unmatched:
        others = book.add_worksheet(tr("unmatched"))
        others.write_string(0, 0, f"名单外的数据行 rows not matched to the roster: {impact.unmatched_count}", title)
        for at, (name, width) in enumerate(_UNMATCHED):
            others.set_column(at, at, width)
            others.write_string(2, at, name, head)
        for row, key in enumerate(impact.unmatched, 3):
            for at, text in enumerate((key.key, word(key.hint) or "–", key.student)):
                others.write_string(row, at, text, cell)
    book.close()
