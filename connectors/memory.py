"""A source with its rows in the settings file itself: a few keys to a reading room, or a list for a trial.

```toml
[source.keys]
connector = "memory"
rows = [{ number = "20150001", key = "Room 204" }]
```
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from config.tables.base import Table
from connectors.cells.letters import Letters
from connectors.port import (
    Cell,
    Progress,
    Proof,
    ProofKind,
    Question,
    Sample,
    Snapshot,
    SourceGarbled,
    no_progress,
    table_of,
)
from foundation.translation import tr


class Settings(Table):
    """The rows, each by the source's own column names, and the optional list of all students it knows."""

    #: These keys are the answer itself: other rows are another answer, and not another question.
    answers: ClassVar[frozenset[str]] = frozenset({"rows", "population"})

    rows: tuple[dict[str, Any], ...] = ()
    population: tuple[str, ...] | None = None


class Memory:
    """A connector that answers with the rows of its settings."""

    #: For one student, the whole answer is read and filtered.
    one_reads_all = True

    def __init__(self, settings: Settings, question: Question) -> None:
        self._settings = settings
        self._question = question

    def pull(self, progress: Progress = no_progress) -> Snapshot:
        """Return every row. Raises SourceGarbled when one lacks a mapped column, or has a broken student number."""
        began = self._question.clock()
        rows = [self._cells(number, row) for number, row in enumerate(self._settings.rows, 1)]
        letters = Letters(self._question.source, self._question.columns, tr("Write it again in the settings file."))
        letters.look(rows, 0)
        letters.finish(rows, self._question.candidates)
        progress(len(rows), len(rows))
        proofs = (
            Proof(ProofKind.END_REACHED, tr("{rows} rows, as listed", rows=len(rows))),
            Proof(ProofKind.COLUMNS_PRESENT, tr(", ").join(self._question.columns.values())),
        )
        fields, population = tuple(self._question.columns), self._settings.population
        warnings = letters.warnings()
        return Snapshot(fields, rows, began, self._question.clock(), proofs, population, warnings=warnings)

    def pull_one(self, student: str) -> Snapshot:
        """Return the rows of the student with this number."""
        return self.pull().about(student)

    def check(self) -> Sample:
        """Return the columns and the first row."""
        rows = self.pull().rows
        columns = tuple(dict.fromkeys(column for row in self._settings.rows for column in row))
        fields = tuple(self._question.columns)
        row = dict(zip(fields, rows[0], strict=True)) if rows else None
        return Sample(tr("the settings file"), columns, row, rows=rows, whole=True)

    def _cells(self, number: int, row: Mapping[str, Cell]) -> tuple[Cell, ...]:
        for field, column in self._question.columns.items():
            if column not in row:
                raise SourceGarbled(
                    tr(
                        'row {number} of {source} has no "{column}" for {field}',
                        number=number,
                        source=self._question.source,
                        column=column,
                        field=field,
                    ),
                    tr(
                        "Add it to that row, or correct columns.{field} in {table}.",
                        field=field,
                        table=table_of(self._question.source),
                    ),
                )
        return tuple(row[column] for column in self._question.columns.values())


def connect(settings: Settings, question: Question) -> Memory:
    """Return the connector."""
    return Memory(settings, question)
