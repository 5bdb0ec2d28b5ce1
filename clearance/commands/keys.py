"""Commands `keys`: replace the key of the ledger or of the desk, and begin again after a key was lost."""

from typing import Annotated

import typer

from clearance.actor import Author, author_of
from clearance.context import Json, chosen, ends_well, stop_like_ctrl_c
from clearance.keys import rotation
from clearance.output import tables
from foundation.translation import tr


@ends_well
def rotate(
    context: typer.Context,
    *,
    desk: Annotated[bool, typer.Option("--desk", help="Replace the desk's key instead of the ledger's.")] = False,
    author: Author = "",
    json: Json = False,
) -> None:
    """Replace the ledger's key, or the desk's. Run it again after an interruption."""
    program = chosen(context).program()
    stop_like_ctrl_c()
    by = author_of(program, author)
    done = rotation.rotate_desk_key(program, by) if desk else rotation.rotate_ledger_key(program, by)
    if json:
        tables.as_json(done)
        return
    tables.OUT.print(tr("{file} has the new key {new}.", file=done.file, new=done.new[:8]))
    tables.OUT.print(
        tr(
            "The previous key is kept in {former}. `clearance verify` needs it for older links: do not lose it.",
            former=done.former,
        ),
        markup=False,
    )
    if desk:
        tables.OUT.print(
            tr(
                "Second factors stay valid. Removed, create them again: {identity} identity hashes, {code} one-time "
                "codes, {recovery_code} recovery codes. Older slips can no longer be checked.",
                identity=done.counts.get("identity", 0),
                code=done.counts.get("code", 0),
                recovery_code=done.counts.get("recovery_code", 0),
            )
        )
    tables.OUT.print(tr("Copy the new file wherever another process has its own copy, and into your safe."))


@ends_well
def begin_again(
    context: typer.Context,
    *,
    approved_by: Annotated[str, typer.Option("--approved-by", help="The second person, who approved it.")] = "",
    author: Author = "",
    json: Json = False,
) -> None:
    """Begin each ledger again after its key was lost. Rows are sealed without a check, and verify shows it for good."""
    program = chosen(context).program()
    stop_like_ctrl_c()
    by = author_of(program, author)
    done = rotation.begin_again(program, by, approved_by.strip())
    if json:
        tables.as_json(done)
        return
    tables.OUT.print(tr("{file} has the new key {new}.", file=done.file, new=done.new[:8]))
    tables.OUT.print(
        tr("Rows from before were not checked. Compare them with a backup and with the log: clearance verify --head …"),
        markup=False,
    )
