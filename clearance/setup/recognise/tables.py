"""What a database offers, as values: its tables and views, their columns, and some rows of each."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

#: One row: column → cell.
Row = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class FoundTable:
    """A table or view, with the beginning of its rows where they were read."""

    name: str
    columns: tuple[str, ...]
    is_view: bool = False
    #: The owner, where it is not the account's own schema.
    schema: str = ""
    rows: Sequence[Row] = ()

    @property
    def folded(self) -> str:
        """The name for comparison: databases write it in different cases."""
        return self.name.casefold()

    def has(self, *columns: str) -> bool:
        """Return whether it has all of these columns, in any case."""
        own = {column.casefold() for column in self.columns}
        return all(column.casefold() in own for column in columns)

    def first_of(self, *columns: str) -> str:
        """Return the first of these columns that it has, as it writes it; empty without one."""
        own = {column.casefold(): column for column in self.columns}
        return next((own[column.casefold()] for column in columns if column.casefold() in own), "")


def _select(found: FoundTable, columns: Sequence[str]) -> str:
    return f"SELECT {', '.join(columns)} FROM {found.name}"  # noqa: S608 - a text for a person, without a database


@dataclass(frozen=True, slots=True)
class FoundDatabase:
    """What the account may see of a database."""

    #: The back end: `mysql`, `postgresql`, `oracle`, `mssql`, `sqlite` …
    kind: str
    #: The location, without a password.
    where: str
    tables: tuple[FoundTable, ...]
    #: Writes the SELECT for some columns of a table, in this database's own quoting.
    select: Callable[[FoundTable, Sequence[str]], str] = _select

    def table(self, *names: str) -> FoundTable | None:
        """Return the first of these tables that it has, in any case."""
        by_name = {table.folded: table for table in reversed(self.tables)}
        return next((by_name[name.casefold()] for name in names if name.casefold() in by_name), None)
