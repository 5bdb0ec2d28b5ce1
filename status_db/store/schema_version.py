"""The versions of the tables that this program knows, and the messages about a database at another version."""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from foundation.translation import tr

if TYPE_CHECKING:
    # Every command checks the version, and only an upgrade needs Alembic.
    from alembic.config import Config

Part = Literal["marks", "desk"]

PARTS: tuple[Part, ...] = ("marks", "desk")

_MIGRATIONS = Path(__file__).parents[1] / "migrations"


def migrations(part: Part) -> "Config":
    """Return Alembic's configuration for a part's migrations."""
    from alembic.config import Config  # noqa: PLC0415 - see above

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS / part).replace("%", "%%"))
    return config


def version_table(part: Part) -> str:
    """Return the table with a part's version."""
    return f"version_{part}"


@cache
def newest(part: Part) -> str:
    """Return the version of this program."""
    if not known(part):
        raise RuntimeError(tr("this program has no migrations: its installation is incomplete. Install it again."))
    return max(known(part))


@cache
def known(part: Part) -> frozenset[str]:
    """Return every version that this program can upgrade: the names of its migration files begin with them."""
    files = (_MIGRATIONS / part / "versions").glob("[0-9]*_*.py")
    return frozenset(file.name.partition("_")[0] for file in files)


def newer(part: Part, version: str | None) -> str:
    """Return the message, with the fix, that a database is newer than this program; empty when it is not."""
    if version is None or version in known(part):
        return ""
    return tr(
        "The status database is at version {version}, which this program does not know: a newer "
        "program wrote it. Install the newer program, or restore a backup from before the upgrade.",
        version=version,
    )


def unlike(part: Part, version: str | None, where: str) -> str:
    """Return the message, with the fix, that a database is not at this program's version; empty when it is."""
    if version == newest(part):
        return ""
    if text := newer(part, version):
        return text
    if version:
        return tr(
            "The status database is at version {version}, but this program needs {newest} ({where}). "
            "Run: clearance db upgrade",
            version=version,
            newest=newest(part),
            where=where,
        )
    return tr(
        "The status database is without tables, but this program needs {newest} ({where}). Run: clearance db upgrade",
        newest=newest(part),
        where=where,
    )
