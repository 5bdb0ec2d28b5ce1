"""Deletes every second account of the demo's textbook centre: `python -m demo.lose_rows FILE`.

The tutorial shows with it how the guard suspends a run.
"""

import sqlite3
import sys
from contextlib import closing
from pathlib import Path


def lose_rows(settings_file: Path) -> int:
    """Delete rows of the textbook centre beside a demo's settings file; return how many. Raises OSError without one."""
    file = settings_file.resolve().parents[1] / ".demo" / "offices" / "textbook.sqlite"
    if not file.exists():
        raise FileNotFoundError(f"there is no textbook centre at {file}. Build it: clearance demo --once")
    with closing(sqlite3.connect(file)) as connection, connection:
        return connection.execute("DELETE FROM book_account WHERE rowid % 2").rowcount


if __name__ == "__main__":
    try:
        sys.stdout.write(f"{lose_rows(Path(sys.argv[1]))} accounts deleted\n")
    except OSError as error:
        sys.exit(str(error))
