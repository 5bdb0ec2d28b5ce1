"""Command `runs revert`: revert a run that was approved by mistake."""

import time
from collections.abc import Sequence
from typing import Annotated

import typer

from clearance.actor import Author, author_of
from clearance.commands.sync import exit_code
from clearance.context import Json, chosen, ends_well, fail, stop_like_ctrl_c
from clearance.output import tables
from clearance.output.code_words import word
from clearance.services import Program
from foundation.translation import tr
from status_db.accounts.audit_log import AuditEvent
from status_db.marks.revert_plans import LaterReview
from status_db.model import ROSTER, RunState
from status_db.views import RunView
from sync.run.outcome import RunPreview

#: The most flips that are printed.
_MOST_FLIPS = 20


@ends_well
def revert(
    context: typer.Context,
    run: int,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the changes; change nothing.")] = False,
    reason: Annotated[str, typer.Option("--reason", help="Record this reason.")] = "",
    author: Author = "",
    json: Json = False,
) -> None:
    """Revert a run that was approved by mistake. The guard checks the change as any other."""
    if not (dry_run or reason.strip()):
        raise typer.BadParameter(tr('give a reason with --reason "…", or show the changes first with --dry-run'))
    program = chosen(context).program()
    stop_like_ctrl_c()
    found = _applied_run(program, run)
    preview, reversal = program.sync.reverting.preview(run, found.source)
    reviews, certificates = program.sync.reverting.given_since(reversal)
    if json and dry_run:
        tables.as_json({"plan": preview, "reviews": reviews, "certificates": certificates})
        return
    if not json:
        _print_reversal(program, preview, found, reviews, certificates)
    if dry_run:
        return
    began = time.monotonic()
    by = author_of(program, author)
    outcome = program.sync.revert(run, found.source, by=by, because=reason.strip())
    program.audit.note(
        AuditEvent.REVERTED_RUN,
        account=by,
        now=program.clock(),
        cohort=program.cohort,
        run=run,
        address="command line",
        source=found.source,
        reason=reason.strip(),
    )
    if json:
        tables.as_json({"outcome": outcome, "reviews": reviews, "certificates": certificates})
    else:
        tables.outcome(outcome, time.monotonic() - began)
    if code := exit_code([outcome]):
        raise typer.Exit(code)


def _applied_run(program: Program, run: int) -> RunView:
    found = program.reader.run(program.cohort, run)
    if found is None:
        fail(tr("there is no run {run}. See: clearance runs list", run=run))
    if found.source == ROSTER:
        fail(tr("the roster cannot be reverted: have the registrar correct the list, then: clearance sync roster"))
    if found.state is not RunState.APPLIED:
        fail(
            tr(
                "run {run} is {state}: it made no change to revert. See: clearance runs list",
                run=run,
                state=word(found.state),
            )
        )
    return found


def _print_reversal(
    program: Program,
    preview: RunPreview,
    found: RunView,
    reviews: Sequence[LaterReview],
    certificates: Sequence[LaterReview],
) -> None:
    what = tables.figures(preview.counts) if preview.pending else tr("nothing would change")
    tables.OUT.print(tr("revert of run {run} of {source}: {what}", run=found.run, source=found.source, what=what))
    if left_alone := preview.counts.left_alone:
        tables.OUT.print(
            tr("  {left_alone} records stay: a later pull contained them", left_alone=left_alone), markup=False
        )
    for why in preview.reasons:
        tables.OUT.print(tr("  the guard would suspend this: {why}", why=why), style="yellow")
    if preview.flips:
        tables.flips(program.settings, preview.flips, _MOST_FLIPS)
    _print_reviews(program, tr("reviews passed since, of students that it cleared"), reviews)
    _print_reviews(program, tr("certificates issued since, to students that it cleared"), certificates)
    if certificates:
        tables.OUT.print(
            tr("A certificate stays until it is revoked: clearance certificates revoke NUMBER --as REGISTRAR")
        )
    tables.OUT.print(
        tr("The next pull of {source} applies as usual: correct the source first, or pause it.", source=found.source)
    )


def _print_reviews(program: Program, title: str, given: Sequence[LaterReview]) -> None:
    if given:
        zone = program.settings.institution.timezone
        tables.table(
            (tr("student"), tr("what"), tr("by"), tr("at")),
            ((g.student, g.what, g.by, tables.moment(g.at, zone)) for g in given),
            title=title,
        )
