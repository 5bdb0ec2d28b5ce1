"""The desk's form for one student's step, and the decision request that it makes."""

from collections.abc import Collection
from datetime import date, datetime, time
from enum import StrEnum
from typing import Annotated, TypeAlias
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator

from foundation.refusals import Refused
from portal.access.form_fields import Form, Number, OrNone, Ticked, at_most
from portal.i18n.labels import N_
from portal.web import bounds
from status_db.decisions.writer import DecisionRequest
from status_db.model import Verdict

#: Limits of the database's columns, and of a text that people read to its end.
LONGEST_WORD = 100
LONGEST_TEXT = 1000

#: The possible verdicts of a decision and of a review, in the order of the form.
DECIDED = {Verdict.CLEARED: N_("通过"), Verdict.HELD: N_("不通过"), Verdict.EXEMPT: N_("无需办理")}
REVIEWED = {Verdict.CLEARED: N_("通过"), Verdict.HELD: N_("不通过")}

#: Years that a form accepts, to catch typing mistakes.
_YEARS = range(2000, 2101)


class FormCode(StrEnum):
    """Why a form does not make a decision request."""

    #: No verdict is chosen.
    NO_VERDICT = "no_verdict"
    #: No reason is chosen.
    NO_REASON = "no_reason"
    #: The note is missing.
    NO_NOTE = "no_note"
    #: The end is not a time.
    NO_TIME = "no_time"
    #: A text is too long.
    TOO_LONG = "too_long"


class FormInvalid(Refused[FormCode]):
    """A form that does not make a decision request. Only pages raise it; each code has a sentence."""

    def __init__(self, code: FormCode) -> None:
        super().__init__(code, code.value)


def _clean(text: str) -> str:
    """Remove characters that are not printable, except line ends."""
    lines = text.replace("\r\n", "\n")
    return "".join(letter for letter in lines if letter.isprintable() or letter == "\n").strip()


_Typed: TypeAlias = Annotated[str, BeforeValidator(_clean)]
_Word: TypeAlias = Annotated[_Typed, at_most(LONGEST_WORD)]
_Text: TypeAlias = Annotated[_Typed, at_most(LONGEST_TEXT)]


class TypedDecision(Form):
    """The form as typed, valid or not."""

    #: Long texts: a form encodes each Chinese character as nine bytes.
    longest = 48 * 1024

    verdict: Annotated[Verdict | None, OrNone] = None
    reason: _Word = ""
    condition: _Text = ""
    file_number: _Word = ""
    words: _Text = ""
    note: _Text = ""
    #: The last day on which the decision counts.
    until: _Typed = ""
    #: When it was decided on paper, and on which sheet.
    decided_at: _Typed = ""
    sheet: _Word = ""
    #: A review: accept data that are out of date.
    over: Ticked = False
    #: Why a decision is withdrawn.
    because: _Text = ""
    #: The status that the page showed, and the number of its decision; 0 if there was none.
    saw: _Typed = ""
    decision: Number = None
    #: The newest appeal that the page showed, and the answer to it; the decision answers those shown.
    appeal: Number = None
    answer: _Text = ""

    @property
    def decision_seen(self) -> int:
        """The number of the decision that the page showed; 0 if there was none."""
        return self.decision or 0

    def filled_from(self, blank: "TypedDecision") -> "TypedDecision":
        """Return a copy that has the version tag of `blank` where it has none of its own."""
        decision = self.decision if self.decision is not None else blank.decision
        return self.model_copy(update={"saw": self.saw or blank.saw, "decision": decision})

    def decision_request(
        self, student: str, step: str, verdicts: Collection[Verdict], zone: ZoneInfo
    ) -> DecisionRequest:
        """Return the decision request, with times in this zone. Raise FormInvalid."""
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
        """Raise FormInvalid if a text is longer than its limit."""
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
