"""Command `log-name`: find a student's lines in the log."""

from typing import Annotated

import typer

from clearance.context import Json, chosen, ends_well
from clearance.output import tables
from config.log_names import log_name


@ends_well
def name_in_log(
    context: typer.Context,
    numbers: Annotated[list[str], typer.Argument(metavar="NO...", help="Student numbers.")],
    *,
    json: Json = False,
) -> None:
    """Print the name that replaces a student number in the log."""
    key = chosen(context).program().key.of("log")
    names = {number: log_name(key, number) for number in numbers}
    if json:
        tables.as_json(names)
        return
    for number, name in names.items():
        tables.OUT.print(f"{number} {name}" if len(names) > 1 else name, markup=False, highlight=False)
