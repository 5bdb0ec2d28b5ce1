"""Why a decision, a review or a certificate was not entered."""

from enum import StrEnum

from foundation.refusals import Refused
from status_db.model import Decision


class DecisionCode(StrEnum):
    """The reason as a code."""

    #: The author's grants have changed.
    NOT_ALLOWED = "not_allowed"
    #: The student is not on the roster, or the author is not allowed to decide about them.
    NO_SUCH_STUDENT = "no_such_student"
    #: The student no longer leaves in this cohort.
    NOT_LEAVING = "not_leaving"
    #: The student's flow does not have the step.
    NO_SUCH_STEP = "no_such_step"
    #: The student's flow is not configured.
    NO_SUCH_FLOW = "no_such_flow"
    #: The step is a review, which is not decided by an override.
    IS_A_REVIEW = "is_a_review"
    #: The step is not a review.
    NO_SUCH_REVIEW = "no_such_review"
    #: The verdict cannot be given here.
    NO_SUCH_VERDICT = "no_such_verdict"
    #: The reason is not one of the step's reasons.
    NO_SUCH_REASON = "no_such_reason"
    #: The end of the decision is in the past.
    END_IN_PAST = "end_in_past"
    #: The date of the decision is in the future.
    DECIDED_LATER = "decided_later"
    #: Only a decision to clear can have a condition.
    CONDITION_WITHOUT_PASS = "condition_without_pass"  # noqa: S105 - a pass as a verdict
    #: Another decision was first, or the finding has changed.
    OVERTAKEN = "overtaken"
    #: There is no active decision to withdraw.
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
    #: The certificate number is missing.
    NO_NUMBER = "no_number"
    #: Another certificate has the number.
    USED = "used"
    #: Another person collects it, and the name is missing.
    NO_COLLECTOR = "no_collector"
    #: The certificate does not exist or is revoked.
    GONE = "gone"
    #: The certificate was already collected.
    LEFT = "left"
    #: The time of collection is impossible.
    WHEN = "when"
    #: The person who issued the certificate cannot revoke it.
    SAME_PERSON = "same_person"
    #: The reason is missing.
    NO_REASON = "no_reason"
    #: No student of the class is chosen.
    NONE_CHOSEN = "none_chosen"
    #: No student of the class could be reviewed or given a certificate.
    NONE_PASSED = "none_passed"
    #: Rows of the batch are invalid.
    WRONG_ROWS = "wrong_rows"
    #: No row of the batch changes anything.
    NO_CHANGE = "no_change"
    #: The batch does not exist.
    NO_SUCH_BATCH = "no_such_batch"
    #: The batch was already withdrawn.
    UNDONE = "undone"
    #: The author is not allowed to decide about the batch's students.
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
