"""A sheet of results that the library's clerk has brought, and a batch that was entered from one."""

from portal.desk.results import COLUMNS, ResultSheet, Row, told_of
from status_db.batches import Batches, BatchKind
from status_db.uploads import UploadKind, Uploads
from tests.cast import LIN, Person
from tests.world import COHORT, World


def sheet_of(*people: Person) -> ResultSheet:
    """Return a sheet in which these people pass."""
    columns = tuple(words[0] for words in COLUMNS.values())
    cells = ((p.number, p.name, "通过", "现场归还", None, None, None, None, None) for p in people)
    return ResultSheet(columns, tuple(Row(line, one) for line, one in enumerate(cells, 2)))


def a_sheet(world: World) -> int:
    """Have the clerk bring a sheet about Lin; return its number."""
    kept = sheet_of(LIN).kept()
    how = {"account": "librarian", "file": "结果.xlsx", "content": b"", "rows": kept, "now": world.now}
    return Uploads(world.desk_engine).keep(COHORT, UploadKind.RESULTS, "library", **how)


def a_batch(world: World, *people: Person) -> int:
    """Have the clerk enter a batch about these people; return its number."""
    doors = Batches(world.engine, world.settings, COHORT, world.ledger)
    rows = told_of(sheet_of(*people), world.settings.institution.timezone)
    digest = doors.preview("library", rows, world.now).digest
    entered = doors.enter_all(BatchKind.IMPORT, "library", rows, digest, "librarian", world.now, title="结果.xlsx")
    return entered.batch.id
