"""The names in a link of the ledger: the sets of sealed rows, and the other digests."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Table

from status_db import tables
from status_db.ledger import raw_rows

#: The sets of sealed rows; each source's records are one more.
ROSTER_SET, DECISION_SET, CERTIFICATE_SET = "roster", "decisions", "certificates"

#: The rows that decisions depend on: expected changes, votes on suspended runs, and batches. Table → its set.
BEHIND: Mapping[str, str] = {"wave": "expected changes", "opinion": "approvals", "batch": "batches"}

#: The applied settings.
APPLIED_SETTINGS = "settings"

#: Digests of one transaction alone; they are never names of sets.
FLIPS, RUN, RUNS = "flips", "run", "runs"


def records_of(source: str) -> str:
    """Return the name of the set of a source's records."""
    return f"records:{source}"


def state_of(source: str) -> str:
    """Return the name of the digest of a source's own row."""
    return f"source:{source}"


def is_set(name: str) -> bool:
    """Return whether a name is that of a set of sealed rows."""
    return name in (ROSTER_SET, DECISION_SET, CERTIFICATE_SET, *BEHIND.values()) or name.startswith("records:")


def is_carried(name: str) -> bool:
    """Return whether every later link repeats the digest of this name, until it changes."""
    return is_set(name) or name.startswith("source:") or name == APPLIED_SETTINGS


def altered(name: str) -> str:
    """Return the name under which a link records that a row did not match the links before it."""
    return f"altered:{name}"


def set_of(table: Table, values: Sequence[Any]) -> str:
    """Return the set that a sealed row belongs to."""
    if table is tables.record:
        return records_of(values[raw_rows.RECORD.index("source")])
    return {"student": ROSTER_SET, "decision": DECISION_SET, "certificate": CERTIFICATE_SET}[table.name]
