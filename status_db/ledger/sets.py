"""What a link of the ledger names: the sets of sealed rows, and what else it says of a cohort."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Table

from status_db import tables
from status_db.ledger import raw_rows

#: The sets of sealed rows; each source's records are one more.
ROSTER_SET, DECISION_SET, CERTIFICATE_SET = "roster", "decisions", "certificates"

#: What decisions rest on: announced changes, votes on suspended runs, and batches. Table → its set.
BEHIND: Mapping[str, str] = {"wave": "expected changes", "opinion": "approvals", "batch": "batches"}

#: How the settings stand that were last applied.
APPLIED_SETTINGS = "settings"

#: What a link says of this transaction alone, and the cohort's sets never are named.
FLIPS, RUN, RUNS = "flips", "run", "runs"


def records_of(source: str) -> str:
    """Return the name of the set of a source's records."""
    return f"records:{source}"


def state_of(source: str) -> str:
    """Return the name under which a link says how a source's own row stands."""
    return f"source:{source}"


def is_set(name: str) -> bool:
    """Say whether a link's word is about a set of sealed rows."""
    return name in (ROSTER_SET, DECISION_SET, CERTIFICATE_SET, *BEHIND.values()) or name.startswith("records:")


def is_carried(name: str) -> bool:
    """Say whether a link's word stands in every later link, too, until that one has another."""
    return is_set(name) or name.startswith("source:") or name == APPLIED_SETTINGS


def altered(name: str) -> str:
    """Return the name under which a link says that something was not as the links before it had left it."""
    return f"altered:{name}"


def set_of(table: Table, values: Sequence[Any]) -> str:
    """Return the set that a sealed row belongs to."""
    if table is tables.record:
        return records_of(values[raw_rows.RECORD.index("source")])
    return {"student": ROSTER_SET, "decision": DECISION_SET, "certificate": CERTIFICATE_SET}[table.name]
