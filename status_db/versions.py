"""Which versions of the tables this program knows, and what is wrong with a database that is at another."""

from functools import cache
from pathlib import Path
from typing import Literal

from alembic.config import Config
from alembic.script import ScriptDirectory

Part = Literal["marks", "desk"]

PARTS: tuple[Part, ...] = ("marks", "desk")

_MIGRATIONS = Path(__file__).parent / "migrations"


def migrations(part: Part) -> Config:
    """Return where a part's migrations are, as Alembic asks for it."""
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS / part).replace("%", "%%"))
    return config


def version_table(part: Part) -> str:
    """Return the table that holds a part's version."""
    return f"version_{part}"


@cache
def newest(part: Part) -> str:
    """Return the version this program works with."""
    head = ScriptDirectory.from_config(migrations(part)).get_current_head()
    if head is None:
        raise RuntimeError("this program has no migrations: it was not installed whole")
    return head


@cache
def known(part: Part) -> frozenset[str]:
    """Return every version this program can bring to its own."""
    return frozenset(script.revision for script in ScriptDirectory.from_config(migrations(part)).walk_revisions())


def newer(part: Part, version: str | None) -> str:
    """Say, with the way out, that a database is newer than this program; nothing when it is not."""
    if version is None or version in known(part):
        return ""
    return (
        f"The status database is at version {version}, which this program does not know. "
        "It was written by a newer one: install that, or restore a backup of before."
    )


def unlike(part: Part, version: str | None, where: str) -> str:
    """Say, with the way out, that a database is not at this program's version; nothing when it is."""
    if version == newest(part):
        return ""
    stands = f"at version {version}" if version else "without tables"
    return newer(part, version) or (
        f"The status database is {stands}, and this program needs {newest(part)} ({where}). Run: clearance db upgrade"
    )
