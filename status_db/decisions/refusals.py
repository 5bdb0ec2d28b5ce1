"""Why a decision, a review or a certificate was not entered."""

from enum import StrEnum

from foundation.refusals import Refused
from status_db.model import Decision


class DecisionCode(StrEnum):
    """The reason in one word."""

    #: The author's grants have changed.
    NOT_ALLOWED = "not_allowed"
    #: Nobody of that number, or not one whom the author may decide about.
    NOBODY = "nobody"
    NOT_LEAVING = "not_leaving"
    NO_SUCH_STEP = "no_such_step"
    #: The settings have no flow of the student's name.
    NO_SUCH_FLOW = "no_such_flow"
    #: A review is no override, and a step of another kind no review.
    IS_A_REVIEW = "is_a_review"
    NO_SUCH_REVIEW = "no_such_review"
    #: No verdict that can be given here.
    NO_SUCH_VERDICT = "no_such_verdict"
    NO_SUCH_REASON = "no_such_reason"
    END_IN_PAST = "end_in_past"
    DECIDED_LATER = "decided_later"
    CONDITION_WITHOUT_PASS = "condition_without_pass"  # noqa: S105 - a pass as a verdict
    #: Somebody was first, or the finding has moved.
    OVERTAKEN = "overtaken"
    NOTHING_TO_WITHDRAW = "nothing_to_withdraw"
    #: A step does not count as clear; `about` names those.
    NOT_OPEN = "not_open"
    #: A step lacks nothing but a newer answer; `about` names those.
    TOO_OLD = "too_old"
    #: An answer that is too old is accepted with a note that says why.
    NO_NOTE = "no_note"
    #: The settings of this process are not the applied ones.
    SETTINGS = "settings"
    #: The student has a certificate; `about` is its number.
    ISSUED = "issued"
    #: No review stands.
    NOT_REVIEWED = "not_reviewed"
    #: No number is given; the number is another certificate's.
    NO_NUMBER = "no_number"
    USED = "used"
    #: Somebody else takes it, and nobody says who.
    NO_COLLECTOR = "no_collector"
    #: There is no such certificate any more; it has left already; it cannot have left then.
    GONE = "gone"
    LEFT = "left"
    WHEN = "when"
    #: Who issued it cannot revoke it; nobody says why.
    SAME_PERSON = "same_person"
    NO_REASON = "no_reason"
    #: Of a class: nobody was chosen; nobody could be reviewed, nor given a certificate.
    NOBODY_CHOSEN = "nobody_chosen"
    NOBODY_PASSED = "nobody_passed"
    #: Of a batch: rows are wrong; no row changes anything; there is none to take back; it was taken back; it is about
    #: students whom the author may not decide about.
    WRONG_ROWS = "wrong_rows"
    NO_CHANGE = "no_change"
    NO_SUCH_BATCH = "no_such_batch"
    UNDONE = "undone"
    OF_OTHERS = "of_others"


class DecisionRefused(Refused[DecisionCode]):
    """A decision, a review or a certificate that may not be entered."""

    def __init__(self, code: DecisionCode, text: str, *about: str) -> None:
        super().__init__(code, text)
        #: Steps, or the number of a certificate.
        self.about = about


class Overtaken(DecisionRefused):
    """Somebody was first, or the finding has moved since the operator looked."""

    def __init__(self, text: str, first: Decision | None) -> None:
        super().__init__(DecisionCode.OVERTAKEN, text)
        #: What stands there now; None where it was a source that spoke.
        self.first = first
