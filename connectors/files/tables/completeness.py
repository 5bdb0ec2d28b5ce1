"""What the words around a list say of it: that an export broke off, or that other pages hold the rest. Pure."""

import re
import unicodedata

#: What programs write into a file when they break off, and people below a part; without blanks, in small letters.
_BROKE_OFF = re.compile(
    r"ora-\d{5}|msg\d+,level\d+|fatalerror|warning.{0,200}online|lostconnection|goneaway|outofmemory|allowedmemory"
    r"|sqlstate|deadlocked|timedout|timeoutexpired|traceback\(|uncaught|exceptionin|(?:java|javax|org|com|system)\.[\w.]+exception"
    r"|(?:内存不足|内存溢出|(?:导出|查询|读取|执行)(?:失败|异常|超时|出错)|连接(?:超时|中断|断开)|系统异常)"
    r"|(?:仅|只|最多)(?:能)?(?:显示|导出|列出|打印)了?前?\d+|(?:未完)?待续|续下页|转下页|truncated|onlythefirst\d+|\d+morerows"
    r"|还有\d+(?:条|行|笔)|^[.。]{3,}$"
)

#: The page that this is, and how many there are.
_PAGES = (
    re.compile(r"第(?P<this>\d+)页.{0,6}?共(?P<all>\d+)页"),
    re.compile(r"共(?P<all>\d+)页.{0,8}?第(?P<this>\d+)页"),
    re.compile(r"第?(?P<this>\d+)/(?P<all>\d+)页"),
    re.compile(r"page(?P<this>\d+)of(?P<all>\d+)"),
    re.compile(r"第\d+(?:至|到|-)(?P<this>\d+)(?:项|条|行)(?:结果|记录)?,?共(?P<all>\d+)(?:项|条|行)"),
    re.compile(r"showing\d+(?:-|to)(?P<this>\d+)of(?P<all>\d+)"),
)

#: A text of more letters is looked at no further.
_LOOKED_AT = 2_000

#: The way out where a list is a part of one.
ALL_OF_IT = (
    "Have the office export the whole list, on one page or as one file; until then nothing of this one counts. If it "
    "is whole, have that line left out."
)


class SurroundingWords:
    """The words around a list, one after another."""

    def __init__(self) -> None:
        self._this = self._all = 0
        self._said = ""
        #: Whether the last text was about pages.
        self.of_pages = False

    def broke_off(self, text: str) -> bool:
        """Say whether a text tells that the list broke off; remember which of how many pages it names."""
        plain = "".join(unicodedata.normalize("NFKC", text[:_LOOKED_AT]).split()).casefold()
        self.of_pages = False
        for form in _PAGES:
            if found := form.search(plain):
                self._this = max(self._this, int(found["this"]))
                self._all, self._said, self.of_pages = max(self._all, int(found["all"])), shown(text), True
                break
        return _BROKE_OFF.search(plain) is not None

    @property
    def missing(self) -> str:
        """What names pages of which the last was not seen; empty where none are missing."""
        return self._said if self._this < self._all else ""


def shown(text: str) -> str:
    """Return a text on one line, and its beginning alone."""
    return " ".join(text.split())[:80]
