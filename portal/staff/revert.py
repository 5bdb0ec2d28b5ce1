"""Revert a run that was approved by mistake: plan what the revert would change, then apply that very change.

These pages plan nothing and write no mark: the scheduler makes the plan and applies it. Accounts that can approve a run
can revert it.
"""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Annotated

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from portal.access import forms
from portal.access.form_fields import Form, Line, at_most
from portal.access.requires import for_visitors
from portal.i18n import labels
from portal.i18n.labels import N_
from portal.i18n.languages import Language
from portal.page.context import Context, SignedIn
from portal.present import reverting, run_lines
from portal.staff import runs
from portal.student import recheck
from portal.web.links import link, see_other
from status_db.accounts.accounts import Act
from status_db.accounts.audit_log import AuditEvent
from status_db.inbox.requests import Request as Asked
from status_db.inbox.requests import RequestKind, RequestOutcome, RequestRefused
from status_db.marks.revert_plans import LaterReview, WayBackPlan, plan_from_json
from status_db.views import RunView

#: Why a request is refused, each with the fix.
NO_REASON = N_("撤回须写明原因。请填写后再提交。")
OTHER_PLAN = N_("未执行：撤回带来的变动与预览时不同。请再次核对以下内容。")
MOVED = N_("未执行：预览后学生状态有变动，撤回的结果会不同。请重新预览。")
NOT_DONE = N_("未执行。原因见技术说明，排除后请重新预览。")
UNDER_WAY = N_("提交的操作正在执行，请几秒后再看。")


@dataclass(frozen=True, slots=True)
class RevertibleRun:
    """A run that can be reverted, and the context of its cohort."""

    context: SignedIn
    run: RunView

    @property
    def address(self) -> str:
        """The address of its revert page."""
        return link(f"/runs/{self.run.run}/revert-preview")


class RevertForm(Form):
    """The form: the plan that was shown, and the reason."""

    digest: str = ""
    reason: Annotated[Line, at_most(runs.LONGEST_REASON)] = ""


@dataclass(frozen=True, slots=True)
class PlanShown:
    """What a revert would change."""

    digest: str
    empty: bool
    look: run_lines.ImpactShown
    guard: tuple[str, ...]
    left_alone: int
    reviews: tuple[tuple[str, ...], ...]
    certificates: tuple[tuple[str, ...], ...]
    review_count: int
    certificate_count: int


async def revert_page(context: SignedIn) -> Response:
    """Show what the revert would change, as last planned, or how the last revert ended."""
    found = await _find_run(context)
    return await _show_revert(found) if isinstance(found, RevertibleRun) else see_other(found)


async def plan_revert(context: SignedIn) -> Response:
    """Request a plan of the revert from the current marks."""
    await forms.read_form(context, Form)
    found = await _find_run(context)
    if not isinstance(found, RevertibleRun):
        return see_other(found)
    context, run = found.context, found.run.run
    # If a plan is already requested, show its result.
    with suppress(RequestRefused):
        await context.ask_long(
            context.services.requests.ask_way_back,
            context.cohort.key,
            run,
            account=context.account.account,
            now=context.now,
        )
    await recheck.until_served(partial(_last, found))
    return see_other(found.address)


async def revert_run(context: SignedIn) -> Response:
    """Request the revert, by the plan that was shown and no other."""
    form = await forms.read_form(context, RevertForm)
    found = await _find_run(context)
    if not isinstance(found, RevertibleRun):
        return see_other(found)
    context = found.context
    reason, planned = form.reason, _plan_of(await _last(found))
    refused = _refusal(planned, form)
    if not refused:
        assert planned is not None  # noqa: S101 - its digest was compared
        try:
            await context.ask_long(
                context.services.requests.ask_revert,
                context.cohort.key,
                found.run.run,
                planned.digest,
                account=context.account.account,
                reason=reason,
                now=context.now,
            )
        except RequestRefused:
            refused = UNDER_WAY
    if refused:
        return await _show_revert(found, refused=refused, reason=reason)
    await context.audit(
        AuditEvent.REVERTED_RUN,
        cohort=context.cohort.key,
        run=found.run.run,
        source=found.run.source,
        change=form.digest,
        reason=reason,
    )
    await recheck.until_served(partial(_last, found))
    return see_other(found.address)


def _refusal(planned: WayBackPlan | None, form: RevertForm) -> str:
    """Return why the revert is refused. Empty if it is accepted."""
    if planned is None or form.digest != planned.digest.hex():
        return OTHER_PLAN
    if not form.reason:
        return NO_REASON
    return runs.TOO_LONG if form.too_long else ""


async def _find_run(context: SignedIn) -> RevertibleRun | str:
    """Return the run in the address. Redirect to the run's page if it cannot be reverted. Raise HTTPException."""
    if not context.account.may(Act.MANAGE):
        raise HTTPException(403)
    context, run = await runs.run_of(context)
    if not (reverting.may_revert(context, run) and await reverting.kept(context, run)):
        return link(f"/runs/{run.run}")
    return RevertibleRun(context, run)


async def _last(found: RevertibleRun) -> Asked | None:
    """Return the newest request about the revert. Another one is accepted only after it is served."""
    about_run, cohort = found.context.services.requests.about_run, found.context.cohort.key
    asked = await found.context.ask(about_run, cohort, found.run.run, RequestKind.WAY_BACK, RequestKind.REVERT)
    return asked[-1] if asked else None


def _plan_of(last: Asked | None) -> WayBackPlan | None:
    """Return the plan to show: the newest one, unless a revert was requested since."""
    if (
        last is None
        or last.kind is not RequestKind.WAY_BACK
        or last.outcome is not RequestOutcome.DONE
        or last.found is None
    ):
        return None
    return plan_from_json(last.found)


async def _show_revert(found: RevertibleRun, *, refused: str = "", reason: str = "") -> Response:
    context, run = found.context, found.run
    language, now, cohort = context.language, context.now, context.cohort.key
    last = await _last(found)
    planned = _plan_of(last)
    if planned is not None and (planned.look.sample or planned.reviews or planned.certificates):
        await context.audit(AuditEvent.SAW_LIST, cohort=cohort, run=run.run, source=run.source)
    back = await context.ask(context.services.runs.reverting, cohort, run.source, run.run)
    return context.page(
        "revert.html",
        status=409 if refused else 200,
        run=run_lines.run_line(context, run),
        back=run_lines.run_line(context, back) if back is not None else None,
        refused=language.gettext(refused) if refused else "",
        reason=reason,
        waits=last is not None and last.served_at is None,
        failed=_failed(language, last),
        message=last.message if last is not None else "",
        planned=_plan_lines(context, planned) if planned is not None else None,
        planned_at=language.moment(last.at, now) if last is not None else "",
    )


def _failed(language: Language, last: Asked | None) -> str:
    """Return why the last request failed. Empty if it succeeded or waits."""
    if last is None or last.outcome in (None, RequestOutcome.DONE):
        return ""
    match last.found:
        case {"fault": "suspended", "run": int()}:
            # The waiting run is named above.
            return ""
        case {"fault": "moved"}:
            return language.gettext(MOVED)
        case _:
            return language.gettext(NOT_DONE)


def _plan_lines(context: Context, planned: WayBackPlan) -> PlanShown:
    titles = labels.step_titles(context.language, context.settings)
    return PlanShown(
        digest=planned.digest.hex(),
        empty=planned.empty,
        look=run_lines.looked_at(context, planned.look),
        guard=tuple(run_lines.held_back(context, planned.look.source, one) for one in planned.look.reasons),
        left_alone=planned.left_alone,
        reviews=tuple(
            _later_review_row(context.language, one, titles.get(one.what, one.what), context.now)
            for one in planned.reviews
        ),
        certificates=tuple(
            _later_review_row(context.language, one, one.what, context.now) for one in planned.certificates
        ),
        review_count=planned.review_count,
        certificate_count=planned.certificate_count,
    )


def _later_review_row(language: Language, one: LaterReview, what: str, now: datetime) -> tuple[str, ...]:
    return one.student, what, one.by, language.moment(one.at, now)


ROUTES = (
    Route("/runs/{run:id}/revert-preview", for_visitors(revert_page), methods=["GET"]),
    Route("/runs/{run:id}/revert-preview", for_visitors(plan_revert), methods=["POST"]),
    Route("/runs/{run:id}/revert", for_visitors(revert_run), methods=["POST"]),
)
