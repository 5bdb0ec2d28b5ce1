"""The manifest of a backup: a backup is a folder with one file for each database, and `manifest.json`."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, TypeAdapter, ValidationError
from sqlalchemy import make_url

from config.settings import StatusDb
from foundation.translation import tr
from status_db import tables
from status_db.desk.address import desk_url
from status_db.store.engine import StoreCode, StoreError
from status_db.store.schema_version import PARTS, Part, version_table

#: The manifest's file name, and its format that this program writes and reads.
MANIFEST, FORMAT = "manifest.json", 1

_NAME = re.compile(r"clearance-\d{8}T\d{6}Z")

#: Tables of former versions that this one does not have, for each part: a backup of such a database has them too.
FORMER_TABLES: Mapping[Part, tuple[str, ...]] = {"marks": (), "desk": ()}

#: A restore must not reopen sessions: no backup contains open sessions and their second-factor steps.
LEFT_OUT = ("session", "factor_step")


class BackupError(StoreError):
    """A backup could not be made or restored; nothing incomplete is left. The text ends with the fix."""

    code = StoreCode.BACKUP


@dataclass(frozen=True, slots=True)
class BackedUpDatabase:
    """One database of the settings, and its parts: the marks, the desk, or both."""

    url: str
    parts: tuple[Part, ...]

    @property
    def kind(self) -> Literal["sqlite", "postgresql"]:
        """The kind of database."""
        return "sqlite" if make_url(self.url).get_backend_name() == "sqlite" else "postgresql"

    @property
    def file(self) -> Path:
        """The file of an SQLite database."""
        return Path(make_url(self.url).database or "")

    @property
    def name(self) -> str:
        """Its address for messages, without the password."""
        return make_url(self.url).render_as_string(hide_password=True)

    @property
    def member(self) -> str:
        """The name of its file in a backup."""
        return self.parts[0] + (".db" if self.kind == "sqlite" else ".dump")


Word = Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_]{0,62}$")]


@dataclass(frozen=True, slots=True)
class BackupMember:
    """One database in a backup."""

    file: Annotated[str, Field(pattern=r"^[a-z]+\.(db|dump)$")]
    database: Literal["sqlite", "postgresql"]
    #: The version of the database server, or of SQLite's library.
    server: str
    #: The version of the tables of each part in it.
    versions: dict[Part, str]
    #: The schema of its tables, on PostgreSQL.
    schema: str
    #: How many rows each table had at the moment of the copy.
    rows: dict[Word, Annotated[int, Field(ge=0)]]
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """A whole backup."""

    format: int
    what: str
    made_at: AwareDatetime
    #: The program's version.
    program: str
    members: list[BackupMember]

    @property
    def rows(self) -> int:
        """How many rows it has."""
        return sum(sum(member.rows.values()) for member in self.members)


_ADAPTER = TypeAdapter(Manifest)


def databases(status_db: StatusDb) -> list[BackedUpDatabase]:
    """Return the databases that the settings name: one that holds both parts, or one for each."""
    marks, desk = status_db.url.reveal(), desk_url(status_db)
    found = (
        [BackedUpDatabase(marks, PARTS)]
        if marks == desk
        else [BackedUpDatabase(marks, ("marks",)), BackedUpDatabase(desk, ("desk",))]
    )
    for database in found:
        if database.kind == "sqlite" and str(database.file) in (".", ":memory:"):
            raise BackupError(
                tr(
                    "{database} is not a file, and ends with its process. Name a file in [status_db] url.",
                    database=database.name,
                )
            )
    return found


def tables_of(parts: tuple[Part, ...]) -> list[str]:
    """Return every table that these parts have, or had in a former version, with the version tables."""
    names: list[str] = []
    for part in parts:
        metadata = tables.marks if part == "marks" else tables.desk
        names += [version_table(part), *sorted(metadata.tables), *FORMER_TABLES[part]]
    return names


def name_of(made_at: datetime) -> str:
    """Return the folder name of a backup made then; names sort as the times do."""
    return f"clearance-{made_at.astimezone(UTC):%Y%m%dT%H%M%SZ}"


def is_name(name: str) -> bool:
    """Return whether a folder has the name of a backup."""
    return bool(_NAME.fullmatch(name))


def digest(file: Path) -> str:
    """Return a file's SHA-256. Raises OSError."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def write(manifest: Manifest, folder: Path) -> Path:
    """Write the manifest and return its file. Raises OSError."""
    file = folder / MANIFEST
    file.write_bytes(_ADAPTER.dump_json(manifest, indent=2) + b"\n")
    return file


def read(folder: Path) -> Manifest:
    """Return the manifest of a backup. Raises BackupError when it is not a backup, or one of a newer program."""
    file = folder / MANIFEST
    try:
        text = file.read_bytes()
    except OSError as error:
        raise BackupError(
            tr(
                "{folder} is not a backup: {file} in it cannot be read ({error}). Name the folder that "
                "`clearance backup` made.",
                folder=folder,
                file=file.name,
                error=error.strerror,
            )
        ) from error
    try:
        manifest = _ADAPTER.validate_json(text)
    except ValidationError as error:
        raise BackupError(
            tr(
                "{folder} is damaged, or from a newer program: {manifest} is invalid. Use another backup.",
                folder=folder,
                manifest=MANIFEST,
            )
        ) from error
    if manifest.format != FORMAT:
        raise BackupError(
            tr(
                "{folder} was made by a newer program ({program}). Restore it with that one.",
                folder=folder,
                program=manifest.program,
            )
        )
    return manifest


def refuse_damaged(folder: Path, manifest: Manifest) -> None:
    """Raise BackupError unless every file exists, byte for byte as it was written."""
    for member in manifest.members:
        file = folder / member.file
        try:
            whole = file.stat().st_size == member.size and digest(file) == member.sha256
        except OSError as error:
            raise BackupError(
                tr("{file} cannot be read ({error}). Use another backup.", file=file, error=error.strerror)
            ) from error
        if not whole:
            raise BackupError(tr("{file} is damaged: its checksum differs. Use another backup.", file=file))
