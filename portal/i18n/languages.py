"""Languages: the pages are written in Chinese, and `locale/en` has each of their sentences in English.

A language has one catalogue, which Babel compiles when the program starts. A language without one shows each sentence
as it is in the code. Dates, times and amounts have the form of each language.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from gettext import GNUTranslations, NullTranslations
from io import BytesIO
from pathlib import Path
from zoneinfo import ZoneInfo

from babel.dates import format_date
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from status_db.model import yuan

LOCALE = Path(__file__).parents[1] / "locale"


@dataclass(frozen=True, slots=True)
class Language:
    """One language: its translations, punctuation and number formats, in the institution's time zone."""

    code: str
    #: Its name in the language itself.
    name: str
    #: For the page's `lang`.
    tag: str
    translations: NullTranslations
    zone: ZoneInfo
    #: The separators of a sentence's parts, and of a list's items.
    comma: str
    list_comma: str
    stop: str

    def gettext(self, text: str, **values: object) -> str:
        """Return a Chinese sentence in this language, with the values filled in."""
        translated = self.translations.gettext(text)
        return translated % values if values else translated

    def ngettext(self, text: str, number: int, **values: object) -> str:
        """Return a sentence in the plural form of a number; `%(num)s` is the number."""
        return self.translations.ngettext(text, text, number) % {"num": number, **values}

    def pick(self, chinese: str, english: str) -> str:
        """Return the wording of the settings in this language; the Chinese one if there is no other."""
        return english if self.code == "en" and english else chinese

    def day(self, day: date, now: datetime) -> str:
        """Return a day as text, with its year only if it is not this year."""
        same_year = day.year == now.astimezone(self.zone).year
        if self.code == "en":
            return format_date(day, "d MMMM" if same_year else "d MMMM y", locale="en")
        return f"{day.month}月{day.day}日" if same_year else f"{day.year}年{day.month}月{day.day}日"

    def moment(self, at: datetime, now: datetime) -> str:
        """Return a moment as text, to the minute, in the institution's time zone."""
        local = at.astimezone(self.zone)
        between = ", " if self.code == "en" else " "
        return f"{self.day(local.date(), now)}{between}{local:%H:%M}"

    def dated(self, at: datetime) -> str:
        """Return a moment as text with its year, for paper and for pages that are compared with paper."""
        local = at.astimezone(self.zone)
        if self.code == "en":
            return f"{format_date(local.date(), 'd MMMM y', locale='en')}, {local:%H:%M}"
        return f"{local.year}年{local.month}月{local.day}日 {local:%H:%M}"

    def money(self, amount: Decimal) -> str:
        """Return an amount in yuan as text for a sentence."""
        written = yuan(abs(amount), grouped=True)
        return f"{_sign(amount)}¥{written}" if self.code == "en" else f"{_sign(amount)}{written} 元"

    def percent(self, part: int, whole: int) -> str:
        """Return a share with one decimal, rounded down: 100 only for all, and 0 only for none."""
        if not whole:
            return "–"
        tenths = part * 1000 // whole or int(part > 0)
        return f"{tenths / 10:.1f}%" if tenths % 1000 else f"{tenths // 10}%"

    def listed(self, things: Iterable[str]) -> str:
        """Join the items of a list."""
        return self.list_comma.join(things)

    def sentence(self, parts: Iterable[str]) -> str:
        """Join parts to a sentence with a full stop; empty if all parts are empty."""
        joined = self.comma.join(part for part in parts if part)
        return joined + self.stop if joined else ""


def catalogue_file(code: str) -> Path:
    """Return the path of a language's catalogue."""
    return LOCALE / code / "LC_MESSAGES" / "messages.po"


def load(codes: Sequence[str], zone: ZoneInfo) -> dict[str, Language]:
    """Return the languages of these codes, in their order."""
    known = {
        "zh": Language("zh", "中文", "zh-CN", _translations(catalogue_file("zh")), zone, "，", "、", "。"),
        "en": Language("en", "English", "en", _translations(catalogue_file("en")), zone, ", ", ", ", "."),
    }
    return {code: known[code] for code in codes}


def choose(languages: Sequence[str], asked: str | None, cookie: str | None, accept: str) -> str:
    """Return the language requested in the address, else the cookie's, else the browser's first one that we have."""
    for requested in (asked, cookie):
        if requested in languages:
            return str(requested)
    accepted: list[tuple[float, str]] = []
    for part in accept.split(","):
        name, _, quality = part.strip().partition(";q=")
        try:
            weight = float(quality) if quality else 1.0
        except ValueError:
            continue
        accepted.append((-weight, name.split("-")[0].lower()))
    return next(
        (code for weight, code in sorted(accepted, key=lambda w: w[0]) if weight and code in languages), languages[0]
    )


@cache
def _translations(file: Path) -> NullTranslations:
    if not file.is_file():
        return NullTranslations()
    compiled = BytesIO()
    with file.open("rb") as opened:
        write_mo(compiled, read_po(opened, abort_invalid=True))
    compiled.seek(0)
    return GNUTranslations(compiled)


def _sign(amount: Decimal) -> str:
    return "−" if amount < 0 else ""
