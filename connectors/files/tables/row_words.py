"""Kinds of rows by their text: a total, a note below the table, or a row about a student."""

import re
import unicodedata

from connectors.files.tables.table import ShownNumber, is_nothing
from connectors.port import Cell

#: A row of totals: 合计, 总计(元), 文学院小计, Total.
_TOTAL = re.compile(
    r"(.{0,20}(合计|总计|小计|共计|累计|总合计)|(sub|grand)?total|sum)(\((元|人民币|rmb|¥|￥)+\))?(\d+(人|行|条|rows))?"
)

#: What database clients write below a result: (5 rows affected), 5 rows selected., 5 rows in set (0.00 sec),
#: 已选择 5 行。, and the time of completion.
_RESULT = re.compile(
    r"\(?\d+rows?(affected|selected|inset|returned)?[).]*(\([\d.]+sec\))?"
    r"|(已选择|选择了)?\(?\d+(行|条)(受影响|已选择|记录)?[).。]*"
    r"|(completiontime|elapsed|完成时间|已用时间|执行时间):[-\dt:.,+z秒ms]+"
)

#: The beginnings of notes below a list; a title can begin with the same word (会计学), so most need their colon.
_LABEL = re.compile(
    r"((制表|填表|制单|填报|审核|复核|核对|打印|导出|经办|负责|签字|签名|签章|盖章|日期|时间|报表|数据来源|统计|截止|截至|备注|附注|注|"
    r"说明|联系|电话|单位|主管|领导|会计|出纳|printed|exported|prepared|note)[^:]{0,8}:"
    r"|(制表|填表|制单|审核|复核|打印|导出|经办)(人|员|时间|日期|部门|单位)|第\d+页|共\d+页)"
)

#: The shortest drawn line; one or two dashes mean an empty value.
_SHORTEST_RULE = 5

_DATE = re.compile(r"(19|20)\d{2}[-/.年]\d{1,2}[-/.月]\d{1,2}日?([ T]\d{1,2}:\d{2}(:\d{2})?)?")

_AMOUNT = re.compile(r"[(\-+¥￥]*[\d,]*\.?\d+[)\-元]*")


def is_total(student: Cell, cells: tuple[Cell, ...]) -> bool:
    """Return whether a row is a row of totals: it has no student number, and its first text is a word for a total."""
    if is_nothing(student):
        # A serial number can be before the word.
        student = next((cell for cell in cells if not is_nothing(cell) and not is_like_number(cell)), None)
    return isinstance(student, str) and _TOTAL.fullmatch(_compact_text(student)) is not None


def is_result(cells: tuple[Cell, ...]) -> bool:
    """Return whether a row is one cell with a database client's count of rows."""
    filled = [cell for cell in cells if not is_nothing(cell)]
    return len(filled) == 1 and isinstance(filled[0], str) and _RESULT.fullmatch(_compact_text(filled[0])) is not None


def is_rule(cells: tuple[Cell, ...]) -> bool:
    """Return whether a row is a drawn line below a header or around a table: -----, =====, +-----+."""
    text = "".join(str(cell) for cell in cells if not is_nothing(cell))
    return len(text) >= _SHORTEST_RULE and not text.strip("-=+|:_ ─━┼├┤┌┐└┘│")


def is_labelled(cells: tuple[Cell, ...]) -> bool:
    """Return whether a row begins like a note below a list (制表人：…), or is only a date."""
    first = next((cell for cell in cells if not is_nothing(cell)), None)
    if not isinstance(first, str):
        return False
    text = "".join(unicodedata.normalize("NFKC", first).split()).casefold()
    return _LABEL.match(text) is not None or _DATE.fullmatch(first.strip()) is not None


def is_like_number(cell: Cell) -> bool:
    """Return whether a cell may be a student number: a number, a code with a digit, or text with five digits."""
    if isinstance(cell, ShownNumber):
        return True
    if not isinstance(cell, str):
        return not is_nothing(cell)
    text = unicodedata.normalize("NFKC", cell).strip()
    if _DATE.fullmatch(text):
        return False
    code = re.sub(r"[\s\-_./]", "", text)
    return re.search(r"\d{5}", text) is not None or (
        code.isascii() and code.isalnum() and any(letter.isdigit() for letter in code)
    )


def is_like_amount(cell: Cell) -> bool:
    """Return whether a cell may be an amount."""
    if isinstance(cell, str):
        return _AMOUNT.fullmatch("".join(unicodedata.normalize("NFKC", cell).split())) is not None
    return not is_nothing(cell)


def _compact_text(text: str) -> str:
    return "".join(unicodedata.normalize("NFKC", text).split()).strip(":").casefold()
