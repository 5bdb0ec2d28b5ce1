"""A sheet of results that the library's clerk has uploaded."""

from portal.desk.imports.results import COLUMNS, ResultSheet, SheetRow
from status_db.inbox.uploads import UploadKind, Uploads
from tests.cast import LIN, Person
from tests.world import COHORT, World


def sheet_of(*people: Person) -> ResultSheet:
    """Return a sheet in which these people pass."""
    columns = tuple(words[0] for words in COLUMNS.values())
    cells = ((p.number, p.name, "通过", "现场归还", None, None, None, None, None) for p in people)
    return ResultSheet(columns, tuple(SheetRow(line, one) for line, one in enumerate(cells, 2)))


def a_sheet(world: World) -> int:
    """Have the clerk bring a sheet about Lin; return its number."""
    return Uploads(world.desk).keep(
        COHORT,
        UploadKind.RESULTS,
        "library",
        account="librarian",
        file="结果.xlsx",
        content=b"",
        rows=sheet_of(LIN).kept(),
        now=world.now,
    )
