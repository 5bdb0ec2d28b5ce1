"""A file with one JSON object on each line, and the number of these objects on its last line.

```toml
[source.boxes]
connector = "example"
path = "owed.jsonl"
```
"""

import json
from collections.abc import Mapping, Sequence

from config.tables.base import Table
from config.tables.secrets import FilePath
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
    SourceRefused,
    SourceUnavailable,
    no_progress,
    table_of,
)
from foundation.translation import N_, tr

#: What the office does about a file that makes no sense.
_EXPORT_AGAIN = N_("Have the office export it again, as UTF-8.")


class Settings(Table):
    """This connector's own keys in [source.NAME]. Each has a row in the table of docs/connectors/example.md."""

    path: FilePath


class Example:
    """Reads the whole file each time."""

    #: One student's rows are kept out of the whole answer.
    one_reads_all = True

    def __init__(self, settings: Settings, question: Question) -> None:
        self._settings = settings
        self._question = question

    def pull(self, progress: Progress = no_progress) -> Snapshot:
        """Return every row, or raise. Never return a part."""
        question, began = self._question, self._question.clock()
        rows = [self._cells(number, row) for number, row in enumerate(self._ask(), 1)]
        letters = Letters(question.source, question.columns, tr(_EXPORT_AGAIN))
        letters.look(rows, 0)
        letters.finish(rows, question.candidates)
        progress(len(rows), len(rows))
        proofs = (
            Proof(ProofKind.TOTAL_AGREES, tr("{count} rows, the number on the last line", count=len(rows))),
            Proof(ProofKind.COLUMNS_PRESENT, ", ".join(question.columns.values())),
        )
        return Snapshot(tuple(question.columns), rows, began, question.clock(), proofs, warnings=letters.warnings())

    def pull_one(self, student: str) -> Snapshot:
        """Return the rows of one student."""
        return self.pull().about(student)

    def check(self) -> Sample:
        """Return the columns and the first row."""
        columns = tuple(dict.fromkeys(column for row in self._ask() for column in row))
        rows = self.pull().rows
        row = dict(zip(self._question.columns, rows[0], strict=True)) if rows else None
        return Sample(str(self._settings.path), columns, row, rows=rows, whole=True)

    def _ask(self) -> Sequence[Mapping[str, Cell]]:
        """Ask the office, and return all rows by its own columns. This is the part that you replace."""
        path = self._settings.path
        try:
            # A byte that is not UTF-8 becomes U+FFFD, which `Letters` finds.
            lines = path.read_text("utf-8", "replace").rstrip("\n").split("\n")
        except PermissionError as error:
            raise SourceRefused(
                tr("{path} may not be read", path=path), tr("Ask its owner for the right to read it.")
            ) from error
        except OSError as error:
            raise SourceUnavailable(
                tr("{path} cannot be read ({why})", path=path, why=error.strerror), tr("Check that it is mounted.")
            ) from error
        try:
            *rows, total = [json.loads(line) for line in lines]
        except (ValueError, RecursionError) as error:
            raise SourceGarbled(
                tr("{path} is not one JSON value on each line", path=path), tr(_EXPORT_AGAIN)
            ) from error
        if not all(isinstance(row, dict) for row in rows) or type(total) is not int or total != len(rows):
            raise SourceGarbled(
                tr("{path} holds {count} rows and ends with {total!r}", path=path, count=len(rows), total=total),
                tr(_EXPORT_AGAIN),
            )
        return rows

    def _cells(self, number: int, row: Mapping[str, Cell]) -> tuple[Cell, ...]:
        source = self._question.source
        for field, column in self._question.columns.items():
            if column not in row:
                raise SourceGarbled(
                    tr(
                        'row {number} of {source} has no "{column}" for {field}',
                        number=number,
                        source=source,
                        column=column,
                        field=field,
                    ),
                    tr(
                        "Correct columns.{field} in {table}, or ask the office for the column.",
                        field=field,
                        table=table_of(source),
                    ),
                )
        return tuple(row[column] for column in self._question.columns.values())


def connect(settings: Settings, question: Question) -> Example:
    """Return the connector. It opens nothing yet."""
    return Example(settings, question)
