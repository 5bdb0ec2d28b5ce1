"""What is typed into the desk's form about one student's step, and the wish that it means."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

from portal.i18n.labels import later
from portal.web import bounds
from status_db.decisions.writer import Wish
from status_db.model import Verdict

#: What fits into the database's columns, and what somebody reads to its end.
LONGEST_WORD = 100
LONGEST_TEXT = 1000

#: Long texts, each letter of which a form writes as nine.
LONGEST_FORM = 48 * 1024

#: Years that somebody can have meant.
_YEARS = range(2000, 2101)

NO_VERDICT = later("还没有选结论。请选一个再提交。")
NO_REASON = later("请写明原因，好让同事和后来的人知道。")
NO_NOTE = later("以旧数据为准，要在内部备注里写明为什么。请写上再提交。")
NO_TIME = later("日期或时间读不懂。有效期请写成 2019-07-01，办理时间请写成 2019-06-05T08:00，或者留空。")
TOO_LONG = later("写得太长了：原因、文号和纸质单号各不能超过 100 字，其他各不能超过 1000 字。请缩短。")


class Unclear(Exception):  # noqa: N818 - named by what is so
    """What was typed makes no wish; `sentence` says why, in Chinese, for the catalogue."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


@dataclass(frozen=True, slots=True)
class Typed:
    """One form, whether it makes sense or not."""

    verdict: str = ""
    reason: str = ""
    condition: str = ""
    file_number: str = ""
    words: str = ""
    note: str = ""
    #: The last day on which it counts.
    until: str = ""
    #: When it was decided on paper, and on which sheet.
    decided_at: str = ""
    sheet: str = ""
    #: A review: over answers that are too old.
    over: str = ""
    #: Why a decision is taken back.
    because: str = ""
    #: What stood there when the page was made, and the number of the decision among it.
    saw: str = ""
    decision: str = ""

    @classmethod
    def of(cls, sent: Mapping[str, str]) -> "Typed":
        """Read a form's fields; what is no letter, and no line's end, is left out."""
        return cls(**{field.name: _clean(sent.get(field.name, "")) for field in fields(cls)})

    @property
    def decision_seen(self) -> int:
        """The number of the decision that the page showed; 0 for none."""
        return bounds.number(self.decision) or 0

    def wish(self, student: str, step: str, verdicts: Collection[Verdict], zone: ZoneInfo) -> Wish:
        """Return what is wished, on clocks of this zone. Raises Unclear."""
        verdict = next((one for one in verdicts if one == self.verdict), None)
        if verdict is None:
            raise Unclear(NO_VERDICT)
        self.refuse_too_long()
        if not self.reason:
            raise Unclear(NO_REASON)
        if self.over and not self.note:
            raise Unclear(NO_NOTE)
        return Wish(
            student,
            step,
            verdict,
            self.reason,
            self.words,
            self.note,
            until=_end_of_day(self.until, zone),
            decided_at=_moment(self.decided_at, zone),
            sheet=self.sheet,
            file_number=self.file_number,
            condition=self.condition,
            saw=self.saw,
        )

    def refuse_too_long(self) -> None:
        """Raise Unclear where something is longer than what is kept."""
        short = (self.reason, self.file_number, self.sheet)
        long = (self.condition, self.words, self.note, self.because)
        if any(len(text) > LONGEST_WORD for text in short) or any(len(text) > LONGEST_TEXT for text in long):
            raise Unclear(TOO_LONG)


def _clean(text: str) -> str:
    lines = text.replace("\r\n", "\n")
    return "".join(letter for letter in lines if letter.isprintable() or letter == "\n").strip()


def _end_of_day(text: str, zone: ZoneInfo) -> datetime | None:
    if not text:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise Unclear(NO_TIME) from None
    return datetime.combine(_sensible(day), time(23, 59, 59), zone)


def _moment(text: str, zone: ZoneInfo) -> datetime | None:
    if not text:
        return None
    try:
        moment = bounds.moment(text, zone)
    except ValueError:
        raise Unclear(NO_TIME) from None
    _sensible(moment.date())
    return moment


def _sensible(day: date) -> date:
    if day.year not in _YEARS:
        raise Unclear(NO_TIME)
    return day
