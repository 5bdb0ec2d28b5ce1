"""The command rehearse: what a cohort would look like on opening day, before students see it."""

from collections import Counter
from typing import Annotated

import typer

from clearance.context import Json, chosen, ends_well
from clearance.output import tables
from clearance.output.code_words import joined, word
from clearance.output.step_names import named_with_key
from clearance.services import Program
from foundation.translation import tr, tr_n
from status_db.model import RunState, Verdict
from status_db.queries.coverage import NO_FINDING, CoverageReader, StepCoverage


@ends_well
def rehearse(
    context: typer.Context,
    *,
    students: Annotated[int, typer.Option(help="List up to this many unknown students of each step.")] = 0,
    json: Json = False,
) -> None:
    """Report what the sources know of a cohort: who is matched, who is unknown and why, what would be announced.

    With rehearsal = true in [[cohort]], students are shut out and no one is notified of them. Removing it opens the
    cohort. This command only reads.
    """
    program = chosen(context).program()
    reader = CoverageReader(program.reading, program.settings, program.cohort)
    steps, listed = reader.steps(), reader.unknown(students) if students else ()
    keys = Counter((each.source, bool(each.near)) for each in program.reader.unmatched_keys(program.cohort))
    waiting = [run for run in program.reader.runs(program.cohort, limit=200) if run.state is RunState.SUSPENDED]
    shut = program.settings.rehearses(program.cohort)
    if json:
        tables.as_json(
            {
                "cohort": program.cohort,
                "rehearsal": shut,
                "steps": steps,
                "unknown": listed,
                "unmatched": [
                    {"source": source, "hinted": near, "keys": count} for (source, near), count in keys.items()
                ],
                "waiting_for_approval": [run.run for run in waiting],
            }
        )
        return
    _print_state(program, shut=shut)
    tables.table(
        (tr("step"), tr("students"), tr("known"), tr("unknown"), tr("would see: not cleared"), tr("why unknown")),
        ((*_cells(program, each),) for each in steps),
        none=tr("No step is decided by a source."),
    )
    for (source, near), count in sorted(keys.items()):
        text = (
            tr_n("{number} row key of {source} resembles a student's number: clearance unmatched --source {source}",
                 "{number} row keys of {source} resemble a student's number: clearance unmatched --source {source}",
                 count, source=source)
            if near
            else tr_n("{number} row key of {source} is about no one on the roster",
                      "{number} row keys of {source} are about no one on the roster", count, source=source)
        )  # fmt: skip
        tables.OUT.print(text)
    for run in waiting:
        tables.OUT.print(
            tr("Run {run} of {source} waits for approval: clearance runs show {run}", run=run.run, source=run.source),
            style="yellow",
        )
    if listed:
        tables.table(
            (tr("step"), tr("student"), tr("name"), tr("college"), tr("why unknown")),
            ((each.step, each.student, each.name, each.college, _why(each.reason)) for each in listed),
        )


def _print_state(program: Program, *, shut: bool) -> None:
    cohort = program.settings.cohort_named(program.cohort).name
    if shut:
        text = tr(
            "{cohort} is rehearsed: students see that it is not open yet, and no one is notified of them. To open it, "
            "remove rehearsal from [[cohort]] and restart the pages.",
            cohort=cohort,
        )
    else:
        text = tr("{cohort} is open to students. To rehearse it, set rehearsal = true in [[cohort]].", cohort=cohort)
    tables.OUT.print(text, style="bold")


def _cells(program: Program, each: StepCoverage) -> tuple[str, ...]:
    why = joined(f"{_why(reason)}: {count}" for reason, count in sorted(each.unknown.items(), key=lambda one: -one[1]))
    return (
        named_with_key(program.settings, each.step),
        str(each.students),
        str(sum(each.known.values())),
        str(each.unknown_students),
        str(each.known.get(Verdict.HELD, 0)),
        why,
    )


def _why(reason: str) -> str:
    return tr("not synced yet, or outside the source") if reason == NO_FINDING else word(reason)
