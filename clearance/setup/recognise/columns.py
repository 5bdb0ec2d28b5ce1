"""Which column of an office is which of our fields: by its name, and by what its cells look like."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal, InvalidOperation

#: Our field → the names that offices give its column, without blanks and underscores, in lower case. An earlier name
#: is preferred to a later one.
NAMES: Mapping[str, tuple[str, ...]] = {
    "student": (
        "学号", "学生学号", "xh", "xuehao", "studentno", "studentnumber", "stuno", "sno", "studentid", "stuid", "xsxh",
        "学生编号", "学籍号", "读者证号", "借书证号", "证号", "读者号", "cardnumber", "cardno", "workcardno",
        "redrcertid", "readerno", "reader", "number", "rdid",
    ),
    "name": ("姓名", "学生姓名", "xsxm", "studentname", "stuname", "xingming", "name", "xm"),
    "level": ("培养层次", "层次", "学历层次", "pycc", "pyccmc", "xslevel", "level", "degreelevel"),
    "college": (
        "学院", "院系", "所在学院", "所属学院", "学院名称", "xymc", "yxmc", "xy", "yx", "college", "department",
    ),
    "class": ("班级", "行政班", "班级名称", "bjmc", "bj", "classname", "class"),
    "campus": ("校区", "校区名称", "xqmc", "campus"),
    "building": ("宿舍楼栋", "楼栋", "宿舍楼", "公寓楼", "ssld", "ssl", "building"),
    "category": ("学生类别", "类别", "毕业类别", "毕业结论", "xslb", "bylb", "category"),
    "amount": (
        "欠费", "欠费金额", "欠缴", "欠缴金额", "未缴", "未缴金额", "欠款", "欠款金额", "qf", "qfje", "qfe", "wjje",
        "qk", "qkje", "amountoutstanding", "outstanding", "owed", "amountowed", "debt", "滞纳金", "ye", "余额",
        "balance", "money", "amount", "je", "金额", "qffen", "amountfen", "qfjefen",
    ),
    "payable": ("应缴", "应缴金额", "应收", "应收金额", "yj", "yjje", "ysje", "payable", "amountdue"),
    "paid": ("实缴", "实缴金额", "已缴", "已缴金额", "实收", "sj", "sjje", "yjiaoje", "paid", "amountpaid"),
    "waived": ("减免", "减免金额", "jm", "jmje", "waived"),
    "refunded": ("退费", "退费金额", "tf", "tfje", "refunded"),
    "due": (
        "应还日期", "应还时间", "到期日期", "应还", "datedue", "duedate", "normretdate", "returndate", "yhrq", "due",
    ),
    "title": (
        "题名", "书名", "图书名称", "title", "mtitle", "收费项目", "收费项目名称", "项目", "项目名称", "sfxm", "sfxmmc",
        "xmmc", "费用名称", "item", "itemname", "description", "宿舍房间号", "房间号", "房间", "fjh", "room",
        "学期", "xnxq",
    ),
    "reference": ("条码", "条码号", "图书条码", "barcode", "propno", "财产号", "billno", "单号", "流水号", "lsh"),
    "status": (
        "清退状态", "是否已清退", "是否清退", "退宿状态", "是否退宿", "办理状态", "离校状态", "状态", "tszt", "qtzt",
        "zt", "status", "state",
    ),
}  # fmt: skip

#: Names of columns that have the number of an identity document, which settings refuse.
_IDENTITY = ("身份证号", "身份证", "证件号", "证件号码", "sfzh", "sfzjh", "idcard", "idnumber")

_LIKE_NUMBER = re.compile(r"(?=.*\d)[A-Za-z0-9]{5,20}")
_LIKE_IDENTITY = re.compile(r"\d{17}[\dXx]")
_LIKE_NAME = re.compile(r"[\u3400-\u9fff]{2,4}|[\u3400-\u9fff]{1,8}·[\u3400-\u9fff]{1,8}")
_LIKE_DATE = re.compile(r"\d{4}[-/.年]\d{1,2}[-/.月]\d{1,2}.*|(19|20)\d{6}")
_CHARGES = ("费", "款", "金", "书", "学期")

#: A share of cells that is "nearly all".
_NEARLY_ALL = 0.8

#: Fen: amounts are whole, end with 00 and are at least this large.
_LARGE = 10_000


def folded(name: str) -> str:
    """Return a column's name in the form for comparison."""
    return re.sub(r"[\s_\-/（）()]", "", name).casefold()


def guess(columns: Sequence[str], rows: Sequence[Mapping[str, object]], fields: Sequence[str]) -> dict[str, str]:
    """Return field → column, for these fields in their order. Each column is used once.

    A name decides first; its cells can contradict it: a column XM is a person's name only where its cells look like
    names, and a student number is never a date or a single word.
    """
    by_name = {folded(column): column for column in reversed(columns)}
    taken: set[str] = set()
    mapped: dict[str, str] = {}
    for field in fields:
        candidates = (by_name[name] for name in NAMES[field] if name in by_name)
        for column in candidates:
            if column not in taken and fits(field, cells_of(column, rows)):
                mapped[field] = column
                taken.add(column)
                break
    if "title" in fields and "title" not in mapped:
        # XM is 姓名 in one office and 项目 in the next.
        for column in columns:
            if column not in taken and folded(column) == "xm" and not fits("name", cells_of(column, rows)):
                mapped["title"] = column
    return mapped


def cells_of(column: str, rows: Sequence[Mapping[str, object]]) -> list[object]:
    """Return the cells of a column that are not empty."""
    return [cell for row in rows if (cell := row.get(column)) not in (None, "")]


def fits(field: str, cells: Sequence[object]) -> bool:
    """Return whether cells can be this field; an empty column fits every field."""
    if not cells:
        return True
    texts = [_text(cell) for cell in cells]
    match field:
        case "student":
            return _most(bool(_LIKE_NUMBER.fullmatch(text)) and not _LIKE_IDENTITY.fullmatch(text) for text in texts)
        case "name":
            return _most(
                not any(ch.isdigit() for ch in text) and not (_LIKE_NAME.fullmatch(text) and text.endswith(_CHARGES))
                for text in texts
            )
        case "amount" | "payable" | "paid" | "waived" | "refunded":
            return _most(amount_of(cell) is not None for cell in cells)
        case "due":
            return _most(
                isinstance(cell, date | datetime) or bool(_LIKE_DATE.fullmatch(_text(cell))) or _is_serial(cell)
                for cell in cells
            )
        case _:
            return True


def amount_of(cell: object) -> Decimal | None:
    """Return a cell as an amount, as far as a guess needs it; None for anything else."""
    if isinstance(cell, bool):
        return None
    if isinstance(cell, int | float | Decimal):
        return Decimal(str(cell))
    text = str(cell).strip().replace(",", "").removeprefix("¥").removeprefix("￥").removesuffix("元")
    try:
        return Decimal(text)
    except InvalidOperation:
        return None


def looks_like_fen(column: str, cells: Sequence[object]) -> bool:
    """Return whether amounts look like fen: by the column's name, or whole, large, and all divisible by 100."""
    if re.search(r"(?i)fen$|_fen|分\)?）?$", column):
        return True
    amounts = [amount for cell in cells if (amount := amount_of(cell)) is not None and amount != 0]
    whole = all(amount == amount.to_integral_value() and amount % 100 == 0 for amount in amounts)
    return len(amounts) >= 5 and whole and max(abs(amount) for amount in amounts) >= _LARGE * 10


def contradicts(field: str, cells: Sequence[object]) -> str:
    """Return the field that a mapped column looks like instead; empty where it looks right."""
    if not cells or fits(field, cells):
        return ""
    texts = [_text(cell) for cell in cells]
    if _most(bool(_LIKE_IDENTITY.fullmatch(text)) for text in texts):
        return "identity"
    if _most(bool(_LIKE_NAME.fullmatch(text)) for text in texts):
        return "name"
    for other in ("due", "amount", "student"):
        if other != field and fits(other, cells):
            return other
    return "other"


def identity_columns(columns: Sequence[str], rows: Sequence[Mapping[str, object]]) -> list[str]:
    """Return the columns with numbers of identity documents: no source may read them."""
    return [
        column
        for column in columns
        if folded(column) in _IDENTITY
        or ((cells := cells_of(column, rows)) and _most(bool(_LIKE_IDENTITY.fullmatch(_text(cell))) for cell in cells))
    ]


def _text(cell: object) -> str:
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell).strip()


def _is_serial(cell: object) -> bool:
    amount = amount_of(cell)
    return amount is not None and amount == amount.to_integral_value() and 20_000 <= amount <= 80_000


def _most(flags: Iterable[bool]) -> bool:
    found = list(flags)
    return bool(found) and sum(found) >= _NEARLY_ALL * len(found)
