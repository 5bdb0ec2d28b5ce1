"""One-time codes on paper: a workbook with a slip for each student, each class on separate pages."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from config.settings import Settings
from foundation import xlsx
from portal.web.links import public_link

_WIDTHS = (14, 26, 14, 30)
_LINES = 5

#: The number of whole slips on a page of A4.
_ON_A_PAGE = 8


@dataclass(frozen=True, slots=True)
class HandoutSlip:
    """The slip of one person."""

    account: str
    name: str
    college: str
    class_name: str
    code: str


def write_slips(
    file: Path, slips: Sequence[HandoutSlip], settings: Settings, *, now: datetime, until: datetime, by: str
) -> None:
    """Write the slips in this order, with a page break between classes, and the institution and author on each page."""
    zone = settings.institution.timezone
    book = xlsx.workbook(file)
    sheet = book.add_worksheet("一次性密码 codes")
    sheet.set_paper(9)
    made = f"{now.astimezone(zone):%Y-%m-%d %H:%M}"
    # An ampersand begins a command there.
    title = f"{settings.institution.name} 一次性密码 one-time codes".replace("&", "&&")
    sheet.set_header(f"&L{title}&R{made}, {by.replace('&', '&&')}")
    sheet.set_footer("&L请剪开分发，发完销毁 cut, hand out, destroy&R&P / &N")
    label, text = book.add_format({"font_color": "#555555"}), book.add_format({"bold": True})
    code = book.add_format({"bold": True, "font_name": "Consolas", "font_size": 16})
    cut = book.add_format({"bottom": 3})
    for at, width in enumerate(_WIDTHS):
        sheet.set_column(at, at, width)
    where = public_link(settings.portal.public_url, "/first-password")
    breaks: list[int] = []
    on_this_page = 0
    for index, slip in enumerate(slips):
        row = index * _LINES
        before = slips[index - 1] if index else slip
        if (before.college, before.class_name) != (slip.college, slip.class_name) or on_this_page == _ON_A_PAGE:
            breaks.append(row)
            on_this_page = 0
        on_this_page += 1
        cells = (
            (("账号 account", label), (slip.account, text), ("姓名 name", label), (slip.name, text)),
            (("学院 college", label), (slip.college, text), ("班级 class", label), (slip.class_name, text)),
            (("一次性密码 code", label), (slip.code, code)),
            (
                ("网址 address", label),
                (where, text),
                ("有效至 until", label),
                (f"{until.astimezone(zone):%Y-%m-%d %H:%M}", text),
            ),
        )
        for line, pairs in enumerate(cells):
            for column, (words, how) in enumerate(pairs):
                sheet.write_string(row + line, column, words, how)
        for column in range(len(_WIDTHS)):
            sheet.write_blank(row + _LINES - 1, column, None, cut)
    sheet.set_h_pagebreaks(breaks)
    book.close()
