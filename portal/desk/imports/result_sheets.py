"""Workbooks of results: the template that an office fills in, and the file with the result of each row.

Every cell is text and nothing is a formula: a number keeps its leading zeros, a name that begins with = stays a name.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from foundation import xlsx
from portal.desk.imports.results import COLUMNS, RESULTS
from portal.i18n.labels import N_
from portal.i18n.languages import Language

#: The longest inline list of choices, in characters. A longer one is a range of the second worksheet.
_LONGEST_CHOICE = 255

_STATE, _CLASS = N_("目前状态"), N_("班级")

_WIDTHS = {"student": 16, "name": 14, "reason": 18, "words": 30, "note": 24, "condition": 24, "until": 14}

_HOW = (
    N_("只办理填了“办理结果”的学生，留空的不变。"),
    N_("请勿更改学号、姓名和表头。不用的行可以删去。"),
    N_("“办理结果”和“办理依据”从下拉框中选择。"),
    N_("“文号”填本部门的文件编号；“告知学生”学生可见；“内部备注”仅工作人员可见。"),
    N_("“附加条件”只用于“通过”，学生可见，例如“补交押金，截止 6月30日”。"),
    N_("“有效期至”写成 2019-06-30，当天结束时失效；留空为长期有效。"),
    N_("“目前状态”仅供参考，导入时不读取。"),
    N_("填好后保存为 .xlsx，在“导入办理结果”中上传。上传后先预览，确认后生效。"),
)


@dataclass(frozen=True, slots=True)
class TemplateStudent:
    """One student of a template."""

    student: str
    name: str
    class_name: str
    #: The state of the step, in words.
    state: str


def write_template(
    file: Path,
    language: Language,
    title: str,
    about: Sequence[str],
    people: Iterable[TemplateStudent],
    reasons: Sequence[str],
) -> int:
    """Write a template with these students and return how many. `about` is its description, beside the instructions."""
    with xlsx.workbook(file) as book:
        sheet, second = (
            book.add_worksheet(language.gettext("办理结果")),
            book.add_worksheet(language.gettext("填写说明")),
        )
        head = book.add_format(xlsx.HEADING)
        given, own = book.add_format({"num_format": "@", "font_color": "#555555"}), book.add_format({"num_format": "@"})
        given_columns = ("student", "name")
        asked = [column for column in COLUMNS if column not in given_columns]
        columns = [language.gettext(COLUMNS[column][0]) for column in given_columns]
        columns += [language.gettext(_CLASS), language.gettext(_STATE)]
        columns += [language.gettext(COLUMNS[column][0]) for column in asked]
        for at, width in enumerate(
            [*(_WIDTHS[column] for column in given_columns), 14, 22, *(_WIDTHS.get(column, 14) for column in asked)]
        ):
            sheet.set_column(at, at, width, own)
            sheet.write_string(0, at, columns[at], head)
        written = 0
        for person in people:
            written += 1
            for at, text in enumerate((person.student, person.name, person.class_name, person.state)):
                sheet.write_string(written, at, text, given)
            for at in range(4, len(columns)):
                sheet.write_blank(written, at, None, own)
        last = max(written, 1)
        results = [language.gettext(word) for word, _ in RESULTS.values()]
        first = 4 + asked.index("result")
        _choice(sheet, second, language, first, last, results, "result")
        if reasons:
            _choice(sheet, second, language, 4 + asked.index("reason"), last, reasons, "reason")
        sheet.freeze_panes(1, 2)
        sheet.autofilter(0, 0, last, len(columns) - 1)
        xlsx.fit_for_print(sheet, 0)
        _instructions(book, second, language, title, about, reasons)
    return written


#: The range of each list of words on the second worksheet.
_LISTS = {"result": 3, "reason": 4}


def _choice(
    sheet: Any,  # noqa: ANN401 - XlsxWriter publishes no types
    second: Any,  # noqa: ANN401
    language: Language,
    column: int,
    last: int,
    listed: Sequence[str],
    field: str,
) -> None:
    """Restrict a column's cells to the values of a list."""
    at = _LISTS[field]
    second.write_string(0, at, language.gettext(COLUMNS[field][0]))
    for row, word in enumerate(listed, 1):
        second.write_string(row, at, word)
    short = len(",".join(listed)) <= _LONGEST_CHOICE and not any("," in word for word in listed)
    letter = "ABCDEFG"[at]
    source = list(listed) if short else f"='{second.get_name()}'!${letter}$2:${letter}${len(listed) + 1}"
    message = language.gettext("请从下拉框中选择，或留空。")
    sheet.data_validation(
        1, column, last, column, {"validate": "list", "source": source, "error_message": message, "error_type": "stop"}
    )


def _instructions(
    book: Any,  # noqa: ANN401 - XlsxWriter publishes no types
    sheet: Any,  # noqa: ANN401
    language: Language,
    title: str,
    about: Sequence[str],
    reasons: Sequence[str],
) -> None:
    strong, wrapped = book.add_format({"bold": True}), book.add_format({"text_wrap": True, "valign": "top"})
    sheet.set_column(0, 0, 70)
    sheet.set_column(3, 4, 18)
    sheet.write_string(0, 0, title, strong)
    lines = [*about, "", *(f"{at}. {language.gettext(sentence)}" for at, sentence in enumerate(_HOW, 1))]
    if not reasons:
        lines.append(language.gettext("本环节没有规定办理依据，可自行填写。"))
    for row, line in enumerate(lines, 1):
        sheet.write_string(row, 0, line, wrapped)
