"""Commands that read: status, runs, unmatched."""

from dataclasses import replace
from datetime import datetime
from typing import Annotated
from zoneinfo import ZoneInfo

import typer
from rich.text import Text

from clearance import completion
from clearance.commands.runs import show_waiting
from clearance.context import Json, chosen, ends_well, fail
from clearance.output import tables
from status_db.decisions.writer import not_configured
from status_db.effective_status import StepStatus
from status_db.model import CLEAR, RunState, normalise_number
from status_db.views import RunView

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
        fail(f"there is no student {number} in {program.cohort}. Check the number, or run: clearance sync roster")
    if json:
        effective_statuses = [
            {"step": s, "standing": s.at(now), "counts_as_clear": s.counts_as_clear(now)} for s in found.steps
        ]
        tables.as_json({"student": found, "at": now, "standings": effective_statuses})
        return
    where = " ".join(filter(None, (found.college, found.class_name)))
    person = ", ".join(filter(None, (f"{found.student} {found.name}".strip(), where, found.category)))
    title = f"{person} ({found.cohort})"
    tables.OUT.print(title, markup=False, style="bold")
    if not found.active:
        tables.OUT.print("no longer on the registrar's list")
    elif found.flow is None:
        tables.OUT.print("on the registrar's list, but not leaving with this cohort")
    elif program.settings.flow_named(found.flow) is None:
        tables.OUT.print(not_configured(found.student, found.flow))
    if found.steps:
        columns = ("step", "state", "why", "owed", "as of", "decided")
        tables.table(columns, (_step_row(step, now, zone) for step in found.steps))
    for flip in found.flips[:10]:
        change = f"{flip.step}: {flip.before} → {flip.after} ({flip.reason}, {flip.cause})"
        tables.OUT.print(f"  {tables.moment(flip.at, zone)}  {change}", markup=False)


def _step_row(step: StepStatus, now: datetime, zone: ZoneInfo) -> tuple[str | Text, ...]:
    effective, decision = step.at(now), step.decision
    word, style = tables.STATES[effective.state]
    marks = [m for m, so in (("stale", effective.stale), ("disputed", effective.disputed)) if so]
    decided = decision if effective.by_decision else None
    # A decision to clear or exempt replaces the finding: its debts and its reason are not shown.
    settled = decided is not None and decided.verdict in CLEAR and not effective.overtaken_by_debt
    return (
        step.step,
        Text.assemble((word, style), f" ({', '.join(marks)})" if marks else ""),
        decided.reason if decided else step.finding.reason.value,
        "" if settled else tables.owed(step.finding.evidence),
        tables.moment(step.as_of, zone) if step.as_of else "",
        f"by {decided.author}" if decided else "",
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
        ("run", "source", "state", "began", "by", "what"),
        ((r.run, r.source, r.state.value, tables.moment(r.began, zone), r.by, _run_summary(r)) for r in runs),
    )


def _run_summary(run: RunView) -> str:
    about = f"student {run.student}; " if run.student else ""
    return about + (run.message or tables.figures(run.counts))


@ends_well
def show_run(context: typer.Context, run: int, *, json: Json = False) -> None:
    """Show one run: figures, proofs, votes, and the flips it caused."""
    program = chosen(context).program()
    found = program.reader.run(program.cohort, run)
    if found is None:
        fail(f"there is no run {run}. See: clearance runs list")
    flips = program.reader.flips_of_run(program.cohort, run)
    votes = program.votes.of_run(run)
    if json:
        waits = program.sync.look(run, found.source) if found.state is RunState.SUSPENDED else None
        tables.as_json({"run": found, "flips": flips, "opinions": votes, "waits": waits})
        return
    zone = program.settings.institution.timezone
    tables.OUT.print(f"run {found.run} of {found.source}: {found.state.value}", style="bold")
    tables.OUT.print(
        f"  began {tables.moment(found.began, zone)}, ended {tables.moment(found.ended, zone)}, by {found.by}"
    )
    if found.message:
        tables.OUT.print(f"  {found.message}")
    if found.decided_by:
        tables.OUT.print(f"  decided by {found.decided_by}, {tables.moment(found.decided_at, zone)}")
    for line in found.counts.warnings:
        tables.OUT.print(f"  {line}")
    for key, value in replace(found.counts, warnings=()).stored().items():
        tables.OUT.print(f"  {key}: {value}")
    for kind, detail in found.proofs:
        tables.OUT.print(f"  proof {kind}: {detail}")
    if flips:
        tables.table(
            ("student", "step", "before", "after", "because", "evidence"),
            ((f.student, f.step, f.before, f.after, f.reason, tables.owed(f.evidence)) for f in flips[:40]),
        )
    if found.state is RunState.SUSPENDED:
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
        ("source", "key", "match hint", "possible student"), ((s.source, s.key, s.near, s.student) for s in found)
    )
