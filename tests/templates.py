"""Databases that are made once in each process, then copied.

Alembic's upgrade and a first sync cost a hundred times what a copy costs. A template is the databases of one world with
its ledger's key: both are copied together, since a ledger opens with its own key alone.
"""

from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import (
    CompoundSelect,
    Engine,
    MetaData,
    create_engine,
    func,
    inspect,
    literal,
    make_url,
    select,
    union_all,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from status_db import tables
from status_db.store.migrate import upgrade
from tests.cast import MORNING
from tests.services import databases

#: What each source of a world says: its rows.
VoteKind = dict[str, list[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Places:
    """Where one world keeps what a template holds: two SQLite files or one PostgreSQL database, and its key."""

    marks: str
    desk: str
    key: Path

    @property
    def sqlite(self) -> bool:
        """Whether the databases are files."""
        return make_url(self.marks).get_backend_name() == "sqlite"

    @property
    def copyable(self) -> bool:
        """Whether a template fits here: two files, or one PostgreSQL database."""
        if self.sqlite:
            return make_url(self.desk).get_backend_name() == "sqlite" and ":memory:" not in self.marks + self.desk
        return make_url(self.marks).get_backend_name() == "postgresql" and self.marks == self.desk

    def files(self) -> tuple[Path, ...]:
        """Return the files of SQLite, then the key; of PostgreSQL the key alone."""
        own = (Path(make_url(url).database or "") for url in (self.marks, self.desk)) if self.sqlite else ()
        return (*own, self.key)

    def empty(self) -> bool:
        """Return whether nothing is here yet."""
        if any(file.exists() for file in self.files()):
            return False
        if self.sqlite:
            return True
        engine = create_engine(self.marks, poolclass=NullPool)
        return not inspect(engine).get_table_names()


@dataclass(frozen=True, slots=True)
class Template:
    """One world's databases at rest."""

    #: What each file holds; None where there is no such file.
    files: tuple[bytes | None, ...]
    #: The name of the PostgreSQL database to copy; empty on SQLite.
    database: str
    #: The world's time, and what its sources say by then.
    now: datetime
    says: VoteKind

    @classmethod
    def of(cls, places: Places, now: datetime, says: VoteKind) -> "Template":
        """Keep what is here now. No connection to it may be open."""
        left = [log for file in places.files() if (log := file.with_name(file.name + "-wal")).exists()]
        assert left == [], f"somebody still has a database open that is to be copied: {left}"
        files = tuple(file.read_bytes() if file.exists() else None for file in places.files())
        return cls(files, "" if places.sqlite else databases.keep(make_url(places.marks)), now, deepcopy(says))

    def lay(self, places: Places) -> bool:
        """Put a copy there, in place of what is there; return whether that was possible.

        No connection to it may be open. PostgreSQL refuses while there is one, and nothing is changed then.
        """
        if self.database:
            try:
                databases.replace(make_url(places.marks), self.database)
            except DBAPIError:
                return False
        for file, held in zip(places.files(), self.files, strict=True):
            for leftover in (file, *(file.with_name(file.name + tail) for tail in ("-wal", "-shm"))):
                leftover.unlink(missing_ok=True)
            if held is not None:
                file.touch(mode=0o600)
                file.write_bytes(held)
        return True


#: (kind of database, settings, state) → the template; what was asked for once; how many rows a world has when it opens.
_Shape = tuple[str, str, str]
_TEMPLATES: dict[_Shape, Template] = {}
_ASKED: set[_Shape] = set()
_OPENED: dict[_Shape, dict[str, int]] = {}


class Home:
    """Where one world's databases are, and the states of it that this process has templates of.

    A world without settings to compare shares the tables alone.
    """

    def __init__(self, places: Places, settings: str | None) -> None:
        self._places = places
        self._settings = settings
        # A PostgreSQL database is copied on its own server alone, and some tests have one of their own.
        self._kind = "sqlite" if places.sqlite else make_url(places.marks).set(database="").render_as_string()
        #: Whether this world began here: one that is opened for the second time is no template, and takes none.
        self._new = False

    def migrate(self) -> bool:
        """Bring the tables here; return whether the cohort is open in them already."""
        self._new = self._places.copyable and self._places.empty()
        if self._new and self._settings is not None and self._lay(self._shape("opened")):
            return True
        tables_alone = (self._kind, "", "migrated")
        if self._new and self._lay(tables_alone):
            return False
        upgrade(self._places.marks, "marks")
        upgrade(self._places.desk, "desk")
        if self._new:
            _TEMPLATES[tables_alone] = Template.of(self._places, MORNING, {})
        return False

    def untouched(self, marks: Engine, desk: Engine) -> bool:
        """Return whether nothing has been written since the cohort was opened."""
        if not self._new or self._settings is None:
            return False
        rows = _rows(marks, tables.marks) | _rows(desk, tables.desk)
        return rows == _OPENED.get(self._shape("opened"))

    def opened(self, marks: Engine, desk: Engine) -> None:
        """Note how many rows there are now that the cohort is open."""
        if self._new and self._settings is not None and self._shape("opened") not in _OPENED:
            _OPENED[self._shape("opened")] = _rows(marks, tables.marks) | _rows(desk, tables.desk)

    def copy(self, state: str, engines: Iterable[Engine]) -> tuple[datetime, VoteKind] | None:
        """Put a state in place of what is here; return its time and what its sources say.

        None where that state has no template.
        """
        shape = self._shape(state)
        if shape not in _TEMPLATES:
            return None
        for engine in engines:
            engine.dispose()
        template = _TEMPLATES[shape]
        return (template.now, deepcopy(template.says)) if self._lay(shape) else None

    def keep(self, state: str, engines: Iterable[Engine], now: datetime, says: VoteKind) -> None:
        """Keep this state as a template, when it is asked for a second time: most settings are one test's own."""
        if not self._new or self._settings is None:
            return
        shape = self._shape(state)
        if shape in _ASKED:
            for engine in engines:
                engine.dispose()
            _TEMPLATES[shape] = Template.of(self._places, now, says)
        _ASKED.add(shape)

    def _shape(self, state: str) -> _Shape:
        return self._kind, self._settings or "", state

    def _lay(self, shape: _Shape) -> bool:
        template = _TEMPLATES.get(shape)
        return template is not None and template.lay(self._places)


def _rows(engine: Engine, metadata: MetaData) -> dict[str, int]:
    """Return how many rows each table has, asked at once."""
    with engine.connect() as connection:
        return {str(name): int(number) for name, number in connection.execute(_counts(metadata))}


@cache
def _counts(metadata: MetaData) -> CompoundSelect[str, int]:
    return union_all(
        *(select(literal(table.name), func.count()).select_from(table) for table in metadata.sorted_tables)
    )
