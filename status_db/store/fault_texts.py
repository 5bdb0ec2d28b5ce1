"""What is wrong when the status database fails, and the fix, by what its driver reports."""

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from foundation.translation import tr

#: Words of the databases' errors for a statement that was interrupted.
_INTERRUPTED = ("statement timeout", "interrupted")


def interrupted(reported: str) -> bool:
    """Return whether a query exceeded its time limit."""
    return any(word in reported for word in _INTERRUPTED)


def value_refusal(error: Exception) -> str:
    """Return that a value cannot be stored, with the fix."""
    lines = str(error.orig if isinstance(error, DBAPIError) else error).strip().splitlines()
    return tr(
        "The status database cannot store a value ({reported}): a number or a text is too large. Check "
        "the numbers and texts that were given.",
        reported=lines[0] if lines else type(error).__name__,
    )


def damaged(engine: Engine, reported: str) -> bool:
    """Return whether SQLite reports that the file itself is damaged; it has separate errors for that."""
    return engine.dialect.name == "sqlite" and ("malformed" in reported or "not a database" in reported)


def failure(engine: Engine, reported: str, *, busy_seconds: int, stalled_seconds: int) -> str:
    """Return what a driver has reported, in words and with the fix. The numbers are the limits of waits."""
    where = engine.url.render_as_string(hide_password=True)
    reported = reported.strip().splitlines()[0] if reported.strip() else tr("no reason given")
    if damaged(engine, reported):
        what = tr("its file is damaged")
        fix_text = tr(
            "Stop the services, keep that file, and restore a backup in its place: clearance restore FOLDER --replace"
        )
    elif "full" in reported or "No space" in reported or "disk I/O" in reported:
        what, fix_text = tr("its disk is full or failing"), tr("Free space there, then run this again.")
    elif "idle-in-transaction" in reported:
        what, fix_text = (
            tr("this process was idle for {seconds} s in a transaction", seconds=stalled_seconds),
            tr("Run this again."),
        )
    elif interrupted(reported):
        what, fix_text = tr("a query exceeded its time limit"), tr("Run ANALYZE on the database, then try again.")
    elif "locked" in reported or "busy" in reported or "lock timeout" in reported:
        what, fix_text = (
            tr("another writer has locked it for {seconds} s", seconds=busy_seconds),
            tr("Try again when that one has ended."),
        )
    elif 'database "' in reported and "does not exist" in reported:
        what, fix_text = tr("there is no database of that name"), tr("Create it on the server, then run this again.")
    elif "no such table" in reported or "does not exist" in reported:
        what, fix_text = tr("some of its tables are missing"), tr("Run: clearance db upgrade")
    elif "unable to open" in reported:
        what, fix_text = tr("it cannot be opened"), tr("Run `clearance db upgrade` as the user that owns its folder.")
    else:
        what, fix_text = tr("it did not answer"), tr("Check that it runs, and that [status_db] url is right.")
    return tr(
        "The status database failed: {what} ({reported}; {where}). {fix}",
        what=what,
        reported=reported,
        where=where,
        fix=fix_text,
    )
