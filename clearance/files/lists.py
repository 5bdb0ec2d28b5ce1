"""Lists of administrators, Excel or CSV. They are read in a separate process with limits, as a source's list is."""

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from connectors import sheet
from connectors.port import Cell, Question


def rows_in(file: Path, columns: Sequence[str], clock: Callable[[], datetime]) -> list[tuple[str, ...]]:
    """Return each row's cells as text, in the order of these columns. Raises SourceError."""
    return [tuple("" if cell is None else str(cell) for cell in row) for row in cells_in(file, columns, clock)]


def cells_in(file: Path, columns: Sequence[str], clock: Callable[[], datetime]) -> list[tuple[Cell, ...]]:
    """Return the unconverted cells of each row. Raises SourceError."""
    first, *rest = columns
    question = Question("list", {"student": first} | {column: column for column in rest}, clock)
    return list(sheet.connect(sheet.Settings(path=file.resolve()), question).pull().rows)
