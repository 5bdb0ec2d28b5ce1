"""Why a decision, a review or a certificate was not entered."""

from enum import StrEnum

from foundation.refusals import Refused
from status_db.model import Decision


class DecisionCode(StrEnum):
    """The reason as a code."""

    #: The author's grants have changed.
    NOT_ALLOWED = "not_allowed"
    #: The student is not on the roster, or the author is not allowed to decide about them.
    NOBODY = "nobody"
    NOT_LEAVING = "not_leaving"
    NO_SUCH_STEP = "no_such_step"
    #: The student's flow is not configured.
    NO_SUCH_FLOW = "no_such_flow"
    #: A review is not an override, and a step of another kind is not a review.
    IS_A_REVIEW = "is_a_review"
    NO_SUCH_REVIEW = "no_such_review"
    #: The verdict cannot be given here.
    NO_SUCH_VERDICT = "no_such_verdict"
    NO_SUCH_REASON = "no_such_reason"
    END_IN_PAST = "end_in_past"
    DECIDED_LATER = "decided_later"
    CONDITION_WITHOUT_PASS = "condition_without_pass"  # noqa: S105 - a pass as a verdict
    #: Another decision was first, or the finding has changed.
    OVERTAKEN = "overtaken"
    NOTHING_TO_WITHDRAW = "nothing_to_withdraw"
    #: Steps do not count as clear; `about` names them.
    NOT_OPEN = "not_open"
    #: Steps need only a newer answer; `about` names them.
    TOO_OLD = "too_old"
    #: Accepting an answer that is too old needs a note.
    NO_NOTE = "no_note"
    #: The settings of this process differ from the applied ones.
    SETTINGS = "settings"
    #: The student has a certificate; `about` is its number.
    ISSUED = "issued"
    #: There is no valid review.
    NOT_REVIEWED = "not_reviewed"
    #: The certificate number is missing; another certificate has it.
    NO_NUMBER = "no_number"
    USED = "used"
    #: Another person collects it, and the name is missing.
    NO_COLLECTOR = "no_collector"
    #: The certificate does not exist or is revoked; it was already collected; the time of collection is impossible.
    GONE = "gone"
    LEFT = "left"
    WHEN = "when"
    #: The issuer cannot revoke it; the reason is missing.
    SAME_PERSON = "same_person"
    NO_REASON = "no_reason"
    #: Of a class: no student is chosen; no student could be reviewed or given a certificate.
    NOBODY_CHOSEN = "nobody_chosen"
    NOBODY_PASSED = "nobody_passed"
    #: Of a batch: rows are invalid; no row changes anything; it does not exist; it was already withdrawn; the author is
    #: not allowed to decide about its students.
    WRONG_ROWS = "wrong_rows"
    NO_CHANGE = "no_change"
    NO_SUCH_BATCH = "no_such_batch"
    UNDONE = "undone"
    OF_OTHERS = "of_others"


class DecisionRefused(Refused[DecisionCode]):
    """A decision, a review or a certificate that is refused."""

    def __init__(self, code: DecisionCode, text: str, *about: str) -> None:
        super().__init__(code, text)
        #: Steps, or the number of a certificate.
        self.about = about


class Overtaken(DecisionRefused):
    """Another decision was first, or the finding has changed since the operator saw it."""

    def __init__(self, text: str, first: Decision | None) -> None:
        super().__init__(DecisionCode.OVERTAKEN, text)
        #: The decision that is active now; None if a source's data changed.
        self.first = first
