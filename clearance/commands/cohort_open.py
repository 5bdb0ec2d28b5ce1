"""The command cohort open: prints what is worth copying from an earlier cohort."""

from typing import Annotated

import typer
from rich.text import Text

from clearance.context import chosen, ends_well
from clearance.output import tables
from clearance.settings_file import load_settings
from clearance.setup.next_cohort import next_cohort_text
from config.tables.plain_text import json_plain


@ends_well
def open_like(
    context: typer.Context,
    *,
    like: Annotated[str, typer.Option("--like", help="The key of the earlier cohort, such as 2026.")],
    key: Annotated[str, typer.Option("--key", help="The key of the next one; left out, the next year.")] = "",
) -> None:
    """Print the settings of the next cohort, like an earlier one: days, places, contacts. It writes nothing."""
    here = chosen(context)
    text = next_cohort_text(load_settings(here.file, here.one), like, key)
    # A text would be printed as one line. TOML has the escapes of JSON.
    tables.OUT.print(Text(json_plain(text)), end="")
