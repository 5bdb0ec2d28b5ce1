"""Checks that the database server keeps acknowledged writes: PostgreSQL can be configured to lose the last seconds.

`status_db.store.engine` configures SQLite itself, which needs no check.
"""

from sqlalchemy import Engine, text

from foundation.translation import N_, tr
from status_db.store.engine import reading

#: Setting → what can be lost while it is off. See "Write Ahead Log" in the PostgreSQL manual.
_LOST_WHEN_OFF = {
    "fsync": N_("a power failure can destroy the whole database"),
    "synchronous_commit": N_("a crash of the server loses decisions and runs that were acknowledged before it"),
    "full_page_writes": N_("a power failure can leave half-written pages, and marks can be lost"),
}


def warnings(engine: Engine) -> tuple[str, ...]:
    """Return a warning, with the fix, for each server setting that puts acknowledged writes at risk.

    Raises StoreError when the database does not answer.
    """
    if engine.dialect.name != "postgresql":
        with reading(engine) as connection:
            # A lost or damaged file is noticed only when it is read.
            connection.execute(text("SELECT count(*) FROM sqlite_master"))
        return ()
    with reading(engine) as connection:
        ask = text("SELECT current_setting(:name)")
        set_to = {name: connection.execute(ask, {"name": name}).scalar() for name in _LOST_WHEN_OFF}
    return tuple(
        tr(
            "PostgreSQL has {name} = off: {loss}. Set {name} = on for the server, or for this database and this role.",
            name=name,
            loss=tr(_LOST_WHEN_OFF[name]),
        )
        for name, value in set_to.items()
        if value == "off"
    )
