"""Merged cells of a grid: the cells below the first of a merge get its value."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from connectors.files.tables.table import FileRow, is_nothing
from connectors.port import Cell


@dataclass(frozen=True, slots=True)
class Merge:
    """A merge over several rows; rows from 1, columns from 0, both ends included."""

    first_row: int
    last_row: int
    first_column: int
    last_column: int


class Merges:
    """The merges that begin above a row, and their values in it."""

    def __init__(self) -> None:
        self._begun: list[tuple[Merge, Cell]] = []

    def begin(self, merge: Merge, cells: tuple[Cell, ...]) -> None:
        """Begin a merge in the row of these cells."""
        if merge.last_row > merge.first_row and merge.first_column < len(cells):
            self._begun.append((merge, cells[merge.first_column]))

    def row_with_merges(self, number: int, cells: tuple[Cell, ...]) -> FileRow:
        """Return a row with the values of the merges."""
        if self._begun:
            self._begun = [(merge, cell) for merge, cell in self._begun if merge.last_row >= number]
        if not self._begun:
            return FileRow(number, cells)
        shown = list(cells)
        blank, covered = set[int](), set[int]()
        for merge, cell in self._begun:
            at = merge.first_column
            shown.extend([None] * (at + 1 - len(shown)))
            if is_nothing(cell):
                continue
            if is_nothing(shown[at]):
                shown[at] = cell
                blank.add(at)
            elif shown[at] != cell:
                covered.add(at)
        return FileRow(number, tuple(shown), frozenset(blank), frozenset(covered))


def filled(lines: Iterable[FileRow], merges: Iterable[Merge]) -> Iterator[FileRow]:
    """Yield the lines with the cells of each merge filled from its first cell."""
    waiting = sorted((merge for merge in merges), key=lambda merge: -merge.first_row)
    begun = Merges()
    for line in lines:
        shown = begun.row_with_merges(line.number, line.cells)
        while waiting and waiting[-1].first_row <= line.number:
            merge = waiting.pop()
            # A merge whose first row is not in the file has no value.
            if merge.first_row == line.number:
                begun.begin(merge, line.cells)
        yield shown
