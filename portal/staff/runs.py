"""Runs: the list, one run with its changes, and the votes on a run that waits for a person.

Accounts that oversee the sources can read all runs. An operator that decides a source's step without a limit can read
that source's run while it waits, to confirm it for the office.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from config.cohorts import naming
from portal.access import forms
from portal.access.form_fields import Form, Line, OrNone, Ticked, at_most
from portal.access.requires import for_visitors
from portal.auth.permissions import oversees, speaks_for
from portal.i18n import labels
from portal.i18n.labels import N_
from portal.i18n.languages import Language
from portal.i18n.stored_texts import in_language
from portal.page.account_names import People, people_of
from portal.page.context import Context, SignedIn
from portal.present import reverting, run_lines
from portal.staff import vote_lines
from portal.web import bounds
from portal.web.links import link, see_other
from status_db.accounts.accounts import Act
from status_db.accounts.audit_log import AuditEvent
from status_db.inbox.requests import RequestRefused
from status_db.marks.approvals import APPROVAL_OPEN_FOR, ApprovalVote, Missing, approvers, missing
from status_db.marks.impact import Impact
from status_db.model import ROSTER, SETTINGS, RunState, VoteKind
from status_db.views import RunView

_PAGE = 50
_FLIPS = 200
LONGEST_REASON = 500

#: The states in the filter, those that wait for a person first.
_STATES = (
    RunState.SUSPENDED,
    RunState.FAILED,
    RunState.RUNNING,
    RunState.APPLIED,
    RunState.UNCHANGED,
    RunState.SKIPPED,
    RunState.SUPERSEDED,
    RunState.REJECTED,
    RunState.EXPIRED,
    RunState.ABANDONED,
)

#: Why a vote is refused, each with the fix.
MOVED = N_("未执行：本次同步的变动与刚才看到的不同。请再次核对以下内容。")
DECIDED = N_("未执行：本次同步已不在等待批准。结果如下。")
NO_REASON = N_("否决须写明原因。请填写后再提交。")
TOO_LONG = N_("原因不超过 500 字。请缩短。")
VOTE_REPEATED = N_("同一人不能重复表态，须由另一人办理。")
UNDER_WAY = N_("表态正在执行，请几秒后再看。")
NOT_LOOKED = N_("请先将抽查名单与部门系统核对，再勾选“已核对”。")


@dataclass(frozen=True, slots=True)
class VoteRights:
    """The votes that the account can give, and the one that it tried to give."""

    #: The votes that this account can give on the run now.
    may: tuple[VoteKind, ...]
    #: Why the submitted vote is refused. Empty if none was submitted.
    refused: str = ""
    #: The submitted reason, so that it is not lost.
    reason: str = ""


class VoteForm(Form):
    """The form of a vote on a run."""

    vote: Annotated[VoteKind | None, OrNone] = None
    #: The digest of the change that was shown.
    digest: str = ""
    checked: Ticked = False
    reason: Annotated[Line, at_most(LONGEST_REASON)] = ""


@dataclass(frozen=True, slots=True)
class NewestPull:
    """The newest pull after a run that waits, and whether it would do the same."""

    number: int
    at: str
    #: True or False; None where its answer did not arrive.
    same: bool | None


def own_sources(context: SignedIn, cohort: str) -> tuple[str, ...]:
    """Return the sources whose office the account can speak for."""
    account = context.account
    return tuple(name for name, s in context.settings.source.items() if speaks_for(account, s.step, cohort))


async def run_list_page(context: SignedIn) -> Response:
    """Show runs, the newest first, by source and state. Operators see those of their own step that wait."""
    cohort, asked = context.cohort.key, context.request.query_params
    everything = oversees(context.account)
    sources = (ROSTER, SETTINGS, *context.settings.source) if everything else own_sources(context, cohort)
    if not sources:
        raise HTTPException(403)
    language = context.language
    source = asked.get("source") if asked.get("source") in sources else None
    state = next((s for s in _STATES if s == asked.get("state")), None) if everything else RunState.SUSPENDED
    before = bounds.number(asked.get("before", ""))
    chosen = [source] if source else (None if everything else sources)
    found = await context.ask(
        context.services.runs.listed, cohort, sources=chosen, state=state, before=before, limit=_PAGE + 1
    )
    kept = {"source": source or "", "state": state or ""}
    more = found[_PAGE - 1].run if len(found) > _PAGE else 0
    return context.page(
        "runs.html",
        runs=[run_lines.run_line(context, view) for view in found[:_PAGE]],
        sources=[(name, run_lines.title(context, name), name == source) for name in sources],
        states=[(s.value, labels.say(language, labels.RUN_STATES, s), s is state) for s in _STATES],
        everything=everything,
        later_ones=before is not None,
        kept=kept,
        more=more,
    )


async def run_page(context: SignedIn) -> Response:
    """Show one run."""
    return await _show_run(*await run_of(context))


async def speak(context: SignedIn) -> Response:
    """Record a vote on a run that waits. The scheduler carries it out."""
    form = await forms.read_form(context, VoteForm)
    account = context.account
    if not (account.may(Act.MANAGE) or any(own_sources(context, key) for key in context.settings.cohort_keys())):
        raise HTTPException(403)
    context, found = await run_of(context)
    vote = form.vote if form.vote in _rights(context, found) else None
    if vote is None:
        raise HTTPException(403)
    reason = form.reason
    refused = await _refusal(context, found, vote, form)
    if not refused:
        assert found.digest is not None  # noqa: S101 - a run that waits has one, and it was compared
        try:
            await context.ask_long(
                context.services.requests.ask_vote,
                context.cohort.key,
                found.run,
                vote,
                found.digest,
                account=account.account,
                reason=reason,
                now=context.now,
            )
        except RequestRefused:
            refused = UNDER_WAY
    if refused:
        return await _show_run(context, found, refused=refused, reason=reason)
    await context.audit(
        AuditEvent.SPOKE_ON_RUN,
        cohort=context.cohort.key,
        run=found.run,
        source=found.source,
        says=vote.value,
        change=found.digest.hex() if found.digest else "",
        reason=reason,
    )
    return see_other(link(f"/runs/{found.run}"))


async def run_of(context: SignedIn) -> tuple[SignedIn, RunView]:
    """Return the run in the address, and the context of its cohort: run numbers are unique across cohorts.

    Raise HTTPException: 403 if the account cannot read it, whether it exists or not.
    """
    account, number = context.account, context.request.path_params["run"]
    found: RunView | None = None
    for key in context.settings.cohort_keys():
        view = await context.ask(context.services.reader.run, key, number)
        if view is not None:
            context, found = context.about(key), view
    if oversees(account):
        if found is None:
            raise HTTPException(404)
        return context, found
    if found is None or found.source not in own_sources(context, context.cohort.key):
        raise HTTPException(403)
    if found.state is not RunState.SUSPENDED:
        asked = await context.ask(context.services.requests.about_run, context.cohort.key, found.run)
        if all(one.account != account.account for one in asked):
            raise HTTPException(403)
    return context, found


def _rights(context: SignedIn, found: RunView) -> tuple[VoteKind, ...]:
    """Return the votes that the account can give on a run, whether it waits or not."""
    may: list[VoteKind] = []
    if found.source in own_sources(context, context.cohort.key):
        may.append(VoteKind.CONFIRM)
    if context.account.may(Act.MANAGE):
        may += [VoteKind.APPROVE, VoteKind.REJECT]
    return tuple(may)


async def _refusal(context: SignedIn, found: RunView, vote: VoteKind, form: VoteForm) -> str:
    """Return why the vote is refused. Empty if it is accepted."""
    if found.state is not RunState.SUSPENDED or found.digest is None:
        return DECIDED
    if form.digest != found.digest.hex():
        return MOVED
    if vote is VoteKind.REJECT and not form.reason:
        return NO_REASON
    if form.too_long:
        return TOO_LONG
    if vote is VoteKind.APPROVE and not form.checked:
        return NOT_LOOKED
    votes, own = await context.ask(context.services.runs.votes, context.cohort.key, found.run), context.visitor
    return VOTE_REPEATED if any(o.kind is vote and o.author == own.account.account for o in votes) else ""


async def _show_run(
    context: SignedIn,
    found: RunView,
    *,
    refused: str = "",
    reason: str = "",
) -> Response:
    language, now, cohort = context.language, context.now, context.cohort.key
    flips = await context.ask(context.services.reader.flips_of_run, cohort, found.run, _FLIPS)
    waits = found.state is RunState.SUSPENDED
    look = await context.ask(context.services.runs.look, cohort, found.run) if waits else None
    newest = await context.ask(context.services.runs.newest_pull, cohort, found.source, found.run) if waits else None
    votes = await context.ask(context.services.runs.votes, cohort, found.run) if waits else ()
    asked = await context.ask(context.services.requests.about_run, cohort, found.run)
    under_way = [one for one in asked if one.served_at is None]
    own = context.account.account
    may = _rights(context, found) if waits else ()
    given = {o.kind for o in votes if o.author == own} | {one.vote for one in under_way if one.account == own}
    spoken = VoteRights(tuple(s for s in may if s not in given), language.gettext(refused) if refused else "", reason)
    if any(one.account == own for one in under_way):
        spoken = replace(spoken, may=())
    if look is not None and (look.sample or look.spot_check or look.unmatched):
        await context.audit(AuditEvent.SAW_LIST, cohort=cohort, run=found.run, source=found.source)
    kept = await reverting.kept(context, found)
    accounts = (found.by, found.decided_by, *(o.author for o in votes), *(one.account for one in asked))
    people = await people_of(context, accounts)
    stored = await context.ask_long(_stored_texts, found, look, language.code)
    back = await context.ask(context.services.runs.reverting, cohort, found.source, found.run) if kept else None
    return context.page(
        "run.html",
        status=409 if refused else 200,
        run=run_lines.run_line(context, found, people),
        lead=run_lines.lead(context, found),
        nothing=waits and run_lines.returned_nothing(found),
        waits=waits,
        until=language.moment(found.ended + APPROVAL_OPEN_FOR, now) if waits and found.ended else "",
        newest=_newest_pull(language, found, newest, now) if newest else None,
        digest=found.digest.hex() if found.digest else "",
        command=naming(context.settings, cohort, f"clearance runs show {found.run}"),
        look=run_lines.looked_at(context, look) if look else None,
        lacks=_missing_approvals(context, found, votes, people),
        votes=[vote_lines.vote_line(language, o, now, people) for o in votes],
        asked=[vote_lines.request_line(language, found, one, now, people) for one in asked],
        spoken=spoken,
        overseer=oversees(context.account),
        warnings=stored.warnings,
        changes=stored.changes,
        of_settings=found.source == SETTINGS,
        counts=run_lines.counts(language, found.counts),
        reverts=found.counts.reverts,
        may_revert=kept and reverting.may_revert(context, found),
        back=run_lines.run_line(context, back) if back is not None else None,
        proofs=[(labels.say(language, labels.PROOFS, kind), detail) for kind, detail in stored.proofs],
        flips=run_lines.flip_lines(context, flips),
        more=len(flips) == _FLIPS,
    )


@dataclass(frozen=True, slots=True)
class StoredTexts:
    """What the core stored about a run as text, in the reader's language."""

    proofs: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]
    changes: tuple[str, ...]


def _stored_texts(found: RunView, look: Impact | None, code: str) -> StoredTexts:
    return StoredTexts(
        tuple((kind, in_language(detail, code)) for kind, detail in found.proofs),
        tuple(in_language(text, code) for text in found.counts.warnings),
        tuple(in_language(text, code) for text in look.changes) if look is not None else (),
    )


def _newest_pull(language: Language, found: RunView, newest: RunView, now: datetime) -> NewestPull:
    """Return whether the newest pull would do the same as the run that waits."""
    same = newest.digest == found.digest if newest.digest is not None else None
    return NewestPull(newest.run, language.moment(newest.began, now), same)


#: Conditions missing before a run is approved. The buttons themselves show that an approval is missing.
_MISSING: Mapping[Missing, str] = {
    Missing.OFFICE: N_("该数据源的变动须先由部门操作员核实属实。"),
    Missing.TWO_APPROVALS: N_("该数据源须由两人分别批准。"),
    Missing.SECOND_APPROVAL: N_("%(who)s 已批准，还须第二人批准。"),
}


def _missing_approvals(context: Context, found: RunView, votes: Sequence[ApprovalVote], people: People) -> list[str]:
    """Return the conditions that are missing before a run is approved."""
    if found.state is not RunState.SUSPENDED:
        return []
    settings = context.settings
    asked = settings.roster if found.source == ROSTER else settings.source.get(found.source)
    who = people.name(next(iter(approvers(votes)), ""))
    lacks = missing(votes, asked.guard if asked is not None else None)
    return [context.language.gettext(_MISSING[one], who=who) for one in lacks if one in _MISSING]


ROUTES = (
    Route("/runs", for_visitors(run_list_page)),
    Route("/runs/{run:id}", for_visitors(run_page)),
    Route("/runs/{run:id}/vote", for_visitors(speak), methods=["POST"]),
)
