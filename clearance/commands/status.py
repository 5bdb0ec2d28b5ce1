"""Commands that read: status, runs, unmatched."""

from dataclasses import replace
from datetime import datetime
from typing import Annotated
from zoneinfo import ZoneInfo

import typer
from rich.text import Text

from clearance import completion
from clearance.context import Json, chosen, ends_well, fail
from clearance.output import tables
from clearance.output.code_words import joined, word
from clearance.output.step_names import named_with_key, step_name
from config.settings import Settings
from foundation.translation import tr
from status_db.effective_status import StepStatus
from status_db.model import CLEAR, RunState, normalise_number
from status_db.views import RunView

#: The most flips that are printed.
_MOST_FLIPS = 40

SourceName = Annotated[
    str | None, typer.Option("--source", help="Show this source only.", autocompletion=completion.sources)
]


@ends_well
def status(context: typer.Context, student: str, *, json: Json = False) -> None:
    """Show the status of a student: each step, its reason and date, and recent changes."""
    program = chosen(context).program()
    now, zone = program.clock(), program.settings.institution.timezone
    number = normalise_number(student)
    found = program.reader.student(program.cohort, number, now)
    if found is None:
        fail(
            tr(
                "there is no student {number} in {cohort}. Check the number, or run: clearance sync roster",
                number=number,
                cohort=program.cohort,
            )
        )
    if json:
        effective_statuses = [
            {"step": s, "standing": s.at(now), "counts_as_clear": s.counts_as_clear(now)} for s in found.steps
        ]
        tables.as_json({"student": found, "at": now, "standings": effective_statuses})
        return
    where = " ".join(filter(None, (found.college, found.class_name)))
    person = joined(filter(None, (f"{found.student} {found.name}".strip(), where, found.category)))
    tables.OUT.print(tr("{person} ({cohort})", person=person, cohort=found.cohort), markup=False, style="bold")
    if not found.active:
        tables.OUT.print(tr("no longer on the registrar's list"))
    elif found.flow is None:
        tables.OUT.print(tr("on the registrar's list, but not leaving with this cohort"))
    elif program.settings.flow_named(found.flow) is None:
        from status_db.decisions.writer import not_configured  # noqa: PLC0415 - most students need no writer's texts

        tables.OUT.print(not_configured(found.student, found.flow))
    if found.steps:
        columns = (tr("step"), tr("state"), tr("why"), tr("owed"), tr("as of"), tr("decided"))
        tables.table(columns, (_step_row(program.settings, step, now, zone) for step in found.steps))
    for flip in found.flips[:10]:
        change = tr(
            "  {at}  {step}: {before} → {after} ({reason}, {cause})",
            at=tables.moment(flip.at, zone),
            step=step_name(program.settings, flip.step),
            before=word(flip.before),
            after=word(flip.after),
            reason=word(flip.reason),
            cause=word(flip.cause),
        )
        tables.OUT.print(change, markup=False)


def _step_row(settings: Settings, step: StepStatus, now: datetime, zone: ZoneInfo) -> tuple[str | Text, ...]:
    effective, decision = step.at(now), step.decision
    state, style = tables.STATES[effective.state]
    marks = [m for m, so in ((tr("stale"), effective.stale), (tr("disputed"), effective.disputed)) if so]
    decided = decision if effective.by_decision else None
    # A decision to clear or exempt replaces the finding: its debts and its reason are not shown.
    settled = decided is not None and decided.verdict in CLEAR and not effective.overtaken_by_debt
    return (
        named_with_key(settings, step.step),
        Text.assemble((tr(state), style), tr(" ({marks})", marks=joined(marks)) if marks else ""),
        decided.reason if decided else word(step.finding.reason),
        "" if settled else tables.owed(step.finding.evidence),
        tables.moment(step.as_of, zone) if step.as_of else "",
        tr("by {author}", author=decided.author) if decided else "",
    )


@ends_well
def list_runs(
    context: typer.Context,
    *,
    source: SourceName = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Show at most this many.")] = 20,
    json: Json = False,
) -> None:
    """List runs, the newest first."""
    program = chosen(context).program()
    runs = program.reader.runs(program.cohort, source, limit)
    if json:
        tables.as_json(runs)
        return
    zone = program.settings.institution.timezone
    tables.table(
        (tr("run"), tr("source"), tr("state"), tr("began"), tr("by"), tr("what")),
        ((r.run, r.source, word(r.state), tables.moment(r.began, zone), r.by, _run_summary(r)) for r in runs),
        none=_no_runs_text(source),
    )


def _no_runs_text(source: str | None) -> str:
    return (
        tr("{source} has no runs yet.", source=source) if source else tr("There are no runs yet. Run: clearance sync")
    )


def _run_summary(run: RunView) -> str:
    what = run.message or tables.figures(run.counts)
    return tr("student {student}; {what}", student=run.student, what=what) if run.student else what


@ends_well
def show_run(context: typer.Context, run: int, *, json: Json = False) -> None:
    """Show one run: figures, proofs, votes, and the flips it caused."""
    program = chosen(context).program()
    found = program.reader.run(program.cohort, run)
    if found is None:
        fail(tr("there is no run {run}. See: clearance runs list", run=run))
    flips = program.reader.flips_of_run(program.cohort, run)
    votes = program.votes.of_run(run)
    if json:
        waits = program.sync.look(run, found.source) if found.state is RunState.SUSPENDED else None
        # `opinions` is the former name of `votes`, for one release.
        tables.as_json({"run": found, "flips": flips, "votes": votes, "opinions": votes, "waits": waits})
        return
    zone = program.settings.institution.timezone
    head = tr("run {run} of {source}: {state}", run=found.run, source=found.source, state=word(found.state))
    tables.OUT.print(head, style="bold")
    tables.OUT.print(
        tr(
            "  began {began}, ended {ended}, by {author}",
            began=tables.moment(found.began, zone),
            ended=tables.moment(found.ended, zone),
            author=found.by,
        )
    )
    if found.message:
        tables.OUT.print(f"  {found.message}")
    if found.decided_by:
        tables.OUT.print(
            tr("  decided by {author}, {at}", author=found.decided_by, at=tables.moment(found.decided_at, zone))
        )
    for line in found.counts.warnings:
        tables.OUT.print(f"  {line}")
    for key, value in replace(found.counts, warnings=()).stored().items():
        tables.OUT.print(tr("  {key}: {value}", key=word(key), value=tr("True") if value is True else value))
    for kind, detail in found.proofs:
        tables.OUT.print(tr("  proof {kind}: {detail}", kind=word(kind), detail=detail))
    if flips:
        tables.flips(program.settings, flips, _MOST_FLIPS)
    if found.state is RunState.SUSPENDED:
        from clearance.commands.runs import show_waiting  # noqa: PLC0415 - a waiting run needs the sync

        show_waiting(program, found, votes)


@ends_well
def unmatched_keys(context: typer.Context, *, source: SourceName = None, json: Json = False) -> None:
    """List rows that match no student on the roster, those with a match hint first."""
    program = chosen(context).program()
    found = program.reader.unmatched_keys(program.cohort, source)
    if json:
        tables.as_json(found)
        return
    tables.table(
        (tr("source"), tr("key"), tr("match hint"), tr("possible student")),
        ((s.source, s.key, word(s.near), s.student) for s in found),
        none=tr("There are no unmatched rows."),
    )
