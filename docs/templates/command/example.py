"""The command that lists the steps of the settings file."""

import typer

from clearance.context import Json, chosen, ends_well
from clearance.output import tables


@ends_well
def example(context: typer.Context, *, json: Json = False) -> None:
    """List the steps of the settings file with their titles."""
    steps = chosen(context).program().settings.step
    if json:
        tables.as_json({step.key: step.title for step in steps})
        return
    tables.table(("step", "title"), ((step.key, step.title) for step in steps))
