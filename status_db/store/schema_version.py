"""Which versions of the tables this program knows, and what is wrong with a database that is at another."""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    # Every command looks at the version, and only an upgrade needs Alembic.
    from alembic.config import Config

Part = Literal["marks", "desk"]

PARTS: tuple[Part, ...] = ("marks", "desk")

_MIGRATIONS = Path(__file__).parents[1] / "migrations"


def migrations(part: Part) -> "Config":
    """Return where a part's migrations are, as Alembic asks for it."""
    from alembic.config import Config  # noqa: PLC0415 - see above

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS / part).replace("%", "%%"))
    return config


def version_table(part: Part) -> str:
    """Return the table that holds a part's version."""
    return f"version_{part}"


@cache
def newest(part: Part) -> str:
    """Return the version this program works with."""
    if not known(part):
        raise RuntimeError("this program has no migrations: it was not installed whole")
    return max(known(part))


@cache
def known(part: Part) -> frozenset[str]:
    """Return every version this program can bring to its own: its migrations' files begin with them."""
    files = (_MIGRATIONS / part / "versions").glob("[0-9]*_*.py")
    return frozenset(file.name.partition("_")[0] for file in files)


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
