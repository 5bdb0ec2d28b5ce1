"""What is typed into the desk's form about one student's step, and the wish that it means."""

from collections.abc import Collection
from datetime import date, datetime, time
from enum import StrEnum
from typing import Annotated, TypeAlias
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator

from foundation.refusals import Refused
from portal.access.form_fields import Form, Number, OrNone, Ticked, at_most
from portal.web import bounds
from status_db.decisions.writer import DecisionRequest
from status_db.model import Verdict

#: What fits into the database's columns, and what somebody reads to its end.
LONGEST_WORD = 100
LONGEST_TEXT = 1000

#: Years that somebody can have meant.
_YEARS = range(2000, 2101)


class FormCode(StrEnum):
    """What of a form makes no wish."""

    NO_VERDICT = "no_verdict"
    NO_REASON = "no_reason"
    NO_NOTE = "no_note"
    NO_TIME = "no_time"
    TOO_LONG = "too_long"


class FormInvalid(Refused[FormCode]):
    """What was typed makes no wish. Only a page can meet it, and has a sentence for every code."""

    def __init__(self, code: FormCode) -> None:
        super().__init__(code, code.value)


def _clean(text: str) -> str:
    """Leave out what is no letter, and no line's end."""
    lines = text.replace("\r\n", "\n")
    return "".join(letter for letter in lines if letter.isprintable() or letter == "\n").strip()


_Typed: TypeAlias = Annotated[str, BeforeValidator(_clean)]
_Word: TypeAlias = Annotated[_Typed, at_most(LONGEST_WORD)]
_Text: TypeAlias = Annotated[_Typed, at_most(LONGEST_TEXT)]


class TypedDecision(Form):
    """One form, whether it makes sense or not."""

    #: Long texts, each letter of which a form writes as nine.
    longest = 48 * 1024

    verdict: Annotated[Verdict | None, OrNone] = None
    reason: _Word = ""
    condition: _Text = ""
    file_number: _Word = ""
    words: _Text = ""
    note: _Text = ""
    #: The last day on which it counts.
    until: _Typed = ""
    #: When it was decided on paper, and on which sheet.
    decided_at: _Typed = ""
    sheet: _Word = ""
    #: A review: over answers that are too old.
    over: Ticked = False
    #: Why a decision is taken back.
    because: _Text = ""
    #: What stood there when the page was made, and the number of the decision among it; 0 for none.
    saw: _Typed = ""
    decision: Number = None

    @property
    def decision_seen(self) -> int:
        """The number of the decision that the page showed; 0 for none."""
        return self.decision or 0

    def filled_from(self, blank: "TypedDecision") -> "TypedDecision":
        """Return the same, bound to what `blank` shows where it is bound to nothing."""
        decision = self.decision if self.decision is not None else blank.decision
        return self.model_copy(update={"saw": self.saw or blank.saw, "decision": decision})

    def decision_request(
        self, student: str, step: str, verdicts: Collection[Verdict], zone: ZoneInfo
    ) -> DecisionRequest:
        """Return what is wished, on clocks of this zone. Raises Unclear."""
        verdict = self.verdict
        if verdict is None or verdict not in verdicts:
            raise FormInvalid(FormCode.NO_VERDICT)
        self.refuse_too_long()
        if not self.reason:
            raise FormInvalid(FormCode.NO_REASON)
        if self.over and not self.note:
            raise FormInvalid(FormCode.NO_NOTE)
        return DecisionRequest(
            student,
            step,
            verdict,
            self.reason,
            self.words,
            self.note,
            until=_end_of_day(self.until, zone),
            decided_at=_parse_moment(self.decided_at, zone),
            sheet=self.sheet,
            file_number=self.file_number,
            condition=self.condition,
            saw=self.saw,
        )

    def refuse_too_long(self) -> None:
        """Raise Unclear where something is longer than what is kept."""
        if self.too_long:
            raise FormInvalid(FormCode.TOO_LONG)


def _end_of_day(text: str, zone: ZoneInfo) -> datetime | None:
    if not text:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise FormInvalid(FormCode.NO_TIME) from None
    return datetime.combine(_sensible(day), time(23, 59, 59), zone)


def _parse_moment(text: str, zone: ZoneInfo) -> datetime | None:
    if not text:
        return None
    try:
        moment = bounds.moment(text, zone)
    except ValueError:
        raise FormInvalid(FormCode.NO_TIME) from None
    _sensible(moment.date())
    return moment


def _sensible(day: date) -> date:
    if day.year not in _YEARS:
        raise FormInvalid(FormCode.NO_TIME)
    return day
