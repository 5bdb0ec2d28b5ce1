"""The text around a list: whether an export broke off, or other pages have the rest. Pure."""

import re
import unicodedata

from foundation.translation import N_

#: What programs write when they break off, and people below a part; without blanks, in lower case.
_BROKE_OFF = re.compile(
    r"ora-\d{5}|msg\d+,level\d+|fatalerror|warning.{0,200}online|lostconnection|goneaway|outofmemory|allowedmemory"
    r"|sqlstate|deadlocked|timedout|timeoutexpired|traceback\(|uncaught|exceptionin|(?:java|javax|org|com|system)\.[\w.]+exception"
    r"|(?:内存不足|内存溢出|(?:导出|查询|读取|执行)(?:失败|异常|超时|出错)|连接(?:超时|中断|断开)|系统异常)"
    r"|(?:仅|只|最多)(?:能)?(?:显示|导出|列出|打印)了?前?\d+|(?:未完)?待续|续下页|转下页|truncated|onlythefirst\d+|\d+morerows"
    r"|还有\d+(?:条|行|笔)|^[.。]{3,}$"
)

#: The number of this page, and of all pages.
_PAGES = (
    re.compile(r"第(?P<this>\d+)页.{0,6}?共(?P<all>\d+)页"),
    re.compile(r"共(?P<all>\d+)页.{0,8}?第(?P<this>\d+)页"),
    re.compile(r"第?(?P<this>\d+)/(?P<all>\d+)页"),
    re.compile(r"page(?P<this>\d+)of(?P<all>\d+)"),
    re.compile(r"第\d+(?:至|到|-)(?P<this>\d+)(?:项|条|行)(?:结果|记录)?,?共(?P<all>\d+)(?:项|条|行)"),
    re.compile(r"showing\d+(?:-|to)(?P<this>\d+)of(?P<all>\d+)"),
)

#: How many letters of a text are read.
_MOST_READ = 2_000

#: The fix for a partial list.
ALL_OF_IT = N_(
    "Nothing of this list counts. Have the office export the whole list, on one page or as one file; if it is whole, "
    "have that line left out."
)


class SurroundingWords:
    """The texts around a list, one after another."""

    def __init__(self) -> None:
        self._this = self._all = 0
        self._text = ""
        #: Whether the last text was about pages.
        self.of_pages = False

    def broke_off(self, text: str) -> bool:
        """Return whether a text means that the list broke off; note the page numbers in it."""
        plain = "".join(unicodedata.normalize("NFKC", text[:_MOST_READ]).split()).casefold()
        self.of_pages = False
        for form in _PAGES:
            if found := form.search(plain):
                self._this = max(self._this, int(found["this"]))
                self._all, self._text, self.of_pages = max(self._all, int(found["all"])), one_line(text), True
                break
        return _BROKE_OFF.search(plain) is not None

    @property
    def missing(self) -> str:
        """The text with page numbers whose last page was not found; empty where no page is missing."""
        return self._text if self._this < self._all else ""


def one_line(text: str) -> str:
    """Return the beginning of a text on one line."""
    return " ".join(text.split())[:80]
