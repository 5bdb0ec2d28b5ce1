"""Bringing a status database to this program's tables, and refusing one that is newer or older than they are."""

from pathlib import Path
from typing import Literal

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine

from status_db.engine import StoreError, open_writing, store_errors

Part = Literal["marks", "desk"]

_MIGRATIONS = Path(__file__).parent / "migrations"


def _config(part: Part) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS / part).replace("%", "%%"))
    return config


def _version_table(part: Part) -> str:
    return f"version_{part}"


def upgrade(url: str, part: Part) -> tuple[str | None, str]:
    """Bring one part to the newest tables; return its version before and after. Raises StoreError."""
    engine = open_writing(url)
    try:
        with store_errors(engine), engine.connect() as connection:
            before = _version(connection.engine, part)
            _refuse_newer(before, part)
            if before == _newest(part):
                return before, before
            config = _config(part)
            config.attributes["connection"] = connection
            config.attributes["version_table"] = _version_table(part)
            command.upgrade(config, "head")
            connection.commit()
            return before, _newest(part)
    finally:
        engine.dispose()


def check(engine: Engine, part: Part) -> None:
    """Raise StoreError unless the tables are exactly this program's."""
    version = _version(engine, part)
    _refuse_newer(version, part)
    if version != _newest(part):
        stands = f"at version {version}" if version else "without tables"
        where = engine.url.render_as_string(hide_password=True)
        raise StoreError(
            f"The status database is {stands}, and this program needs {_newest(part)} ({where}). "
            "Run: clearance db upgrade"
        )


def _version(engine: Engine, part: Part) -> str | None:
    with store_errors(engine), engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": _version_table(part)})
        return context.get_current_revision()


def _newest(part: Part) -> str:
    head = ScriptDirectory.from_config(_config(part)).get_current_head()
    if head is None:
        raise RuntimeError("this program has no migrations: it was not installed whole")
    return head


def _refuse_newer(version: str | None, part: Part) -> None:
    if version is None:
        return
    known = {script.revision for script in ScriptDirectory.from_config(_config(part)).walk_revisions()}
    if version not in known:
        raise StoreError(
            f"The status database is at version {version}, which this program does not know. "
            "It was written by a newer one: install that, or restore a backup of before."
        )
