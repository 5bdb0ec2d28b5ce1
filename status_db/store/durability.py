"""Whether the database server keeps what it has acknowledged: PostgreSQL can be set to forget the last seconds.

SQLite is set by `status_db.store.engine` itself, and needs no looking at.
"""

from sqlalchemy import Engine, text

from status_db.store.engine import reading

#: Setting → what is lost while it is off. As the PostgreSQL manual has them, under "Write Ahead Log".
_LOST_WHEN_OFF = {
    "fsync": "a power cut may ruin the whole database",
    "synchronous_commit": "a crash of the server loses decisions and runs that were acknowledged before it",
    "full_page_writes": "a power cut may leave half-written pages, and with them lost marks",
}


def warnings(engine: Engine) -> tuple[str, ...]:
    """Say which of the server's settings put acknowledged writes at risk, and how to mend them.

    Raises StoreError when the database does not answer.
    """
    if engine.dialect.name != "postgresql":
        with reading(engine) as connection:
            # A file that is lost or damaged shows itself only when it is read.
            connection.execute(text("SELECT count(*) FROM sqlite_master"))
        return ()
    with reading(engine) as connection:
        ask = text("SELECT current_setting(:name)")
        set_to = {name: connection.execute(ask, {"name": name}).scalar() for name in _LOST_WHEN_OFF}
    return tuple(
        f"PostgreSQL has {name} = off: {_LOST_WHEN_OFF[name]}. Set {name} = on for the server, or for this database "
        "and this role."
        for name, value in set_to.items()
        if value == "off"
    )
