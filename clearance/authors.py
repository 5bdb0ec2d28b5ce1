"""In whose name a command changes accounts, and the line it leaves in the audit log."""

import getpass
from typing import Annotated

import typer

from clearance.wiring import Program
from status_db.audit import Deed

Author = Annotated[
    str, typer.Option("--as", help="Who does it; the user of this machine when left out.", show_default=False)
]


def author_of(named: str) -> str:
    """Return the account that was named, else the user of this machine."""
    return named or getpass.getuser()


def note(
    program: Program,
    deed: Deed,
    author: str,
    *,
    cohort: str | None = None,
    student: str | None = None,
    **detail: str | int | list[str],
) -> None:
    """Add a line to the audit log: done on the command line."""
    program.audit.note(
        deed,
        account=author,
        now=program.clock(),
        cohort=cohort,
        student=student,
        run=None,
        address="command line",
        **detail,
    )
