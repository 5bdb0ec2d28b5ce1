"""Command `retention`: remove rows that are older than [retention] allows."""

from typing import Annotated

import typer

from clearance.context import Json, chosen, ends_well, stop_like_ctrl_c, system_user
from clearance.output import tables
from clearance.output.code_words import joined
from foundation.translation import tr
from status_db.desk.retention import RetentionRun


@ends_well
def retention(
    context: typer.Context,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count the rows; remove nothing.")] = False,
    history: Annotated[bool, typer.Option("--history", help="Show past runs.")] = False,
    json: Json = False,
) -> None:
    """Remove rows that are older than the settings allow. The schedule runs it daily."""
    program = chosen(context).program()
    stop_like_ctrl_c()
    if history:
        runs = program.retention_runs.listed()
    else:
        now, by = program.clock(), system_user()
        runs = tuple(program.retention.carry_out(rule, now, by, dry_run=dry_run) for rule in program.retention.rules())
    if json:
        tables.as_json({"dry_run": dry_run, "runs": runs})
        return
    zone = program.settings.institution.timezone
    tables.table(
        (
            tr("rule"),
            tr("when"),
            tr("older than"),
            tr("would be removed") if dry_run else tr("removed"),
            tr("oldest kept"),
            tr("by"),
        ),
        (
            (
                run.rule,
                tables.moment(run.at, zone),
                tables.moment(run.cutoff, zone),
                _removed_text(run),
                tables.moment(run.oldest, zone) if run.oldest else tr("none"),
                run.by,
            )
            for run in runs
        ),
        none=tr("Nothing has been removed by retention yet.") if history else tr("No retention rule is set."),
    )
    if not history and (kept := program.retention.kept_forever()):
        tables.OUT.print(tr("never removed: {rules}", rules=joined(kept)))


def _removed_text(run: RetentionRun) -> str:
    return tr("{rows:,}, more next time", rows=run.removed) if run.unfinished else f"{run.removed:,}"
