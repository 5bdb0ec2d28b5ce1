"""Commands that query the sources: plan, sync."""

import time
from typing import Annotated

import typer

from clearance.cli import completion
from clearance.context import (
    ERROR,
    PENDING,
    SUSPENDED,
    UNAVAILABLE,
    Json,
    ServedCohorts,
    chosen,
    ends_well,
    fail,
    stop_like_ctrl_c,
    system_user,
)
from clearance.output import tables
from clearance.output.code_words import joined
from clearance.services import Program
from config.processes import Process
from config.renames import stored_name
from config.settings import Settings
from foundation.translation import tr
from status_db.model import ROSTER, normalise_number
from sync.run.outcome import Outcome, RunPreview
from sync.run.season import Season

Sources = Annotated[
    list[str] | None,
    typer.Argument(help="Query only these sources.", show_default=False, autocompletion=completion.sources),
]

#: The most flips that are printed.
_MOST_FLIPS = 40


@ends_well
def plan(context: typer.Context, sources: Sources = None, *, json: Json = False) -> None:
    """Show what a sync would change, and change nothing. Exit with 3 when there are changes."""
    served = chosen(context).season(Process.SYNC)
    stop_like_ctrl_c()
    previews: list[RunPreview] = []
    names = source_names(served.first, sources)
    changes = (program.sync.preview_change() for program in served.each())
    previews += [change for change in changes if change is not None]
    blocked = {p.cohort for p in previews if p.blocks}
    for name in names:
        # Changes by the sources can be planned only after the students have their new steps.
        turns = [turn for turn in served.season.turns(name) if turn.sync.named not in blocked]
        with tables.bar(name) as progress:
            previews += [turn.sync.preview(name, progress, turn.shared) for turn in turns]
    if json:
        tables.as_json(previews)
    else:
        for preview in previews:
            _show_preview(served.first.settings, preview)
    if any(preview.fault for preview in previews):
        raise typer.Exit(UNAVAILABLE if any(p.fault in _UNAVAILABLE for p in previews) else ERROR)
    if any(preview.pending for preview in previews):
        raise typer.Exit(PENDING)


def _show_preview(settings: Settings, preview: RunPreview) -> None:
    if preview.fault:
        tables.line(tables.padded(tr("fails"), 9), "red", f" {preview.source}{_cohort_in_brackets(preview.cohort)}")
        tables.ERR.print(f"          {preview.message}")
        return
    what = tables.figures(preview.counts) if preview.pending else tr("nothing would change")
    if preview.changes and not what:
        what = tr("changed, without an effect on stored data")
    tables.line(preview.source, "bold", tr("{cohort}: {what}", cohort=_cohort_in_brackets(preview.cohort), what=what))
    for line in preview.changes:
        tables.OUT.print(f"  {line}")
    for reason in preview.reasons:
        why = reason.sentence(acts=settings.lists_acts(preview.source))
        tables.OUT.print(tr("  would be suspended: {reason}", reason=why), style="yellow")
    for line in preview.counts.warnings:
        tables.ERR.print(tr("warning: {source}: {text}", source=preview.source, text=line))
    if preview.flips:
        tables.flips(settings, preview.flips, _MOST_FLIPS)


def _cohort_in_brackets(cohort: str) -> str:
    return f" ({cohort})" if cohort else ""


_UNAVAILABLE = ("unavailable", "refused")


@ends_well
def sync(
    context: typer.Context,
    sources: Sources = None,
    *,
    student: Annotated[str, typer.Option("--student", help="Query only this student.")] = "",
    json: Json = False,
) -> None:
    """Query the sources, and apply the changes. A source that fails does not stop the others."""
    served = chosen(context).season(Process.SYNC)
    stop_like_ctrl_c()
    by = system_user()
    ended = [why for program in served.each() if (why := program.naming(program.ended()))]
    if len(ended) == len(served.programs):
        fail(ended[0])
    for why in ended:
        tables.ERR.print(tr("warning: {why}", why=why))
    changed = served.season.open_cohorts(by=by)
    names = source_names(served.first, sources)
    if not json:
        for outcome in changed:
            tables.outcome(outcome, 0)
    if student:
        number = normalise_number(student)
        outcomes = recheck(served, [n for n in names if n != ROSTER], number, by, quiet=json)
    else:
        outcomes = run_all(served.season, names, by, quiet=json)
    outcomes = [*changed, *outcomes]
    if json:
        tables.as_json(outcomes)
    code = exit_code(outcomes)
    if code:
        raise typer.Exit(code)


def run_all(season: Season, names: list[str], by: str, *, quiet: bool = False) -> list[Outcome]:
    """Run the sources one by one, each for every cohort, and print each result."""
    outcomes: list[Outcome] = []
    for name in names:
        for turn in season.turns(name):
            began = time.monotonic()
            with tables.bar(name) as progress:
                outcome = turn.run(name, by=by, progress=progress)
            outcomes.append(outcome)
            if not quiet:
                tables.outcome(outcome, time.monotonic() - began)
    return outcomes


def recheck(served: ServedCohorts, names: list[str], number: str, by: str, *, quiet: bool = False) -> list[Outcome]:
    """Query the sources of one student's steps about this student, in each cohort of the student."""
    outcomes: list[Outcome] = []
    leaves = False
    for program in served.each():
        student = program.reader.student(program.cohort, number, program.clock())
        own = {status.step for status in student.steps} if student is not None else set()
        leaves = leaves or bool(own)
        for name in names:
            if program.settings.source[name].step in own:
                began = time.monotonic()
                outcomes.append(program.sync.recheck(name, number, by=by))
                if not quiet:
                    tables.outcome(outcomes[-1], time.monotonic() - began)
    if not leaves:
        fail(
            tr(
                "{student} does not leave with {cohorts}, so no source is queried. Check the number.",
                student=number,
                cohorts=joined(program.cohort for program in served.programs),
            )
        )
    return outcomes


def exit_code(outcomes: list[Outcome]) -> int:
    """Return the documented exit code of the worst result."""
    faults = {outcome.fault for outcome in outcomes if outcome.fault}
    if faults & set(_UNAVAILABLE):
        return UNAVAILABLE
    if faults - {"suspended"}:
        return ERROR
    return SUSPENDED if faults else 0


def source_names(program: Program, sources: list[str] | None) -> list[str]:
    """Return the roster and the sources to ask, in the file's order; refuse a name that the settings do not have."""
    every = [ROSTER, *program.settings.source]
    sources = [stored_name(program.settings, name) for name in sources or ()]
    for name in sources:
        if name not in every:
            raise typer.BadParameter(
                tr('there is no source "{name}": write one of {known}', name=name, known=", ".join(every))
            )
    return [name for name in every if not sources or name in sources]
