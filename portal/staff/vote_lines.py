"""Votes on a run that waits, and requests about it, as its page shows them."""

from dataclasses import dataclass
from datetime import datetime

from portal.i18n import admin_labels, labels
from portal.i18n.labels import N_
from portal.i18n.languages import Language
from portal.page.account_names import People
from status_db.inbox.requests import Request as Asked
from status_db.inbox.requests import RequestOutcome
from status_db.marks.approvals import ApprovalVote
from status_db.model import RunState, VoteKind
from status_db.views import RunView

#: The result of a request made on a page.
_WAITING = N_("正在执行，几秒内完成。")
_CARRIED_OUT = N_("已执行。")
_NOTED = N_("已记录。")
_NOT_DONE = N_("未执行：本次同步已变动，或已由他人处理。")
_WENT_WRONG = N_("未执行：发生错误，请再试一次。")
_CHANGED_SINCE = N_("学生状态此后有变动，本次同步的变动已不同，请重新批准或否决。")


@dataclass(frozen=True, slots=True)
class VoteLine:
    """One vote on a run."""

    who: str
    vote: str
    at: str
    reason: str


@dataclass(frozen=True, slots=True)
class RequestLine:
    """One request about a run, and its state."""

    who: str
    vote: str
    at: str
    reason: str
    outcome: str
    tone: str
    message: str


def vote_line(language: Language, vote: ApprovalVote, now: datetime, people: People) -> VoteLine:
    """Return a vote as the run's page shows it."""
    return VoteLine(
        who=people.name(vote.author),
        vote=labels.say(language, admin_labels.SAYS, vote.kind),
        at=language.moment(vote.at, now),
        reason=vote.reason,
    )


def request_line(language: Language, found: RunView, asked: Asked, now: datetime, people: People) -> RequestLine:
    """Return a request about a run, and what became of it."""
    decided = {VoteKind.APPROVE: (RunState.APPLIED, RunState.UNCHANGED), VoteKind.REJECT: (RunState.REJECTED,)}
    match asked.outcome:
        case None:
            outcome, tone = _WAITING, "wait"
        case RequestOutcome.REFUSED:
            outcome, tone = _NOT_DONE, "todo"
        case RequestOutcome.FAILED:
            outcome, tone = _WENT_WRONG, "bad"
        case _ if asked.vote and found.state in decided.get(asked.vote, ()):
            outcome, tone = _CARRIED_OUT, "good"
        case _ if found.state is RunState.SUSPENDED and asked.digest != found.digest:
            outcome, tone = _CHANGED_SINCE, "todo"
        case _:
            outcome, tone = _NOTED, "good"
    return RequestLine(
        who=people.name(asked.account),
        vote=labels.say(language, admin_labels.SAYS, asked.vote or ""),
        at=language.moment(asked.at, now),
        reason=asked.reason,
        outcome=language.gettext(outcome),
        tone=tone,
        message=asked.message if asked.outcome in (RequestOutcome.REFUSED, RequestOutcome.FAILED) else "",
    )
