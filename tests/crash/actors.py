"""What the processes do that are killed, stopped or raced."""

from multiprocessing.connection import Connection

from status_db.engine import StoreError
from tests.crash.stage import Stage

#: Said once a run is acknowledged; a write to be found among the calls.
DONE = "acknowledged"


def sync_once(there: Connection, stage: Stage, source: str) -> None:
    """Run one source once, acknowledge it, and let go of the database; or tell the error."""
    with stage.sync() as sync:
        try:
            sync.run(source, by="test")
        except StoreError as error:
            there.send(str(error))
        else:
            there.send(DONE)
