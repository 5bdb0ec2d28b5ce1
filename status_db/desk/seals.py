"""The desk's tables that are sealed with the ledger's key: access to the database alone grants no right.

A seal covers a row's columns as the driver accepts and returns them; the columns in `moves` are left out, because
processes without the key write them. Pure: rows in, seals out.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from sqlalchemy import Table

from foundation.translation import N_
from status_db import tables
from status_db.ledger.seals import Seals
from status_db.tables import Json, json_text

Columns: TypeAlias = Mapping[Any, Any]


def _always(_row: Columns) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class SealedTable:
    """How the rows of one table of the desk are sealed."""

    table: Table
    #: Columns that a process without the key is allowed to write.
    moves: frozenset[str] = frozenset()
    #: Whether a row must be sealed. The students' pages, which have no key, write the students' own rows.
    when: Callable[[Columns], bool] = _always
    #: Columns that are newer than the table's first seals: a seal covers them where they are not NULL.
    later: frozenset[str] = frozenset()
    #: Whether the sealed rows are counted as a set, so that a missing row shows.
    counted: bool = True

    @property
    def name(self) -> str:
        """The table's name, which is also the name of its set."""
        return self.table.name

    @property
    def covered(self) -> tuple[str, ...]:
        """The columns that a seal covers, in the table's order."""
        return tuple(c.key for c in self.table.columns if c.name != "mac" and c.name not in self.moves)

    def key(self, row: Columns) -> str:
        """Return the key of a row, for the log and for reports; of a long key its beginning."""
        values = (row[column.key] for column in self.table.primary_key)
        return "/".join(value.hex()[:12] if isinstance(value, bytes) else str(value) for value in values)

    def values(self, row: Columns) -> tuple[Any, ...]:
        """Return the values of a row that its seal covers, as the driver returns them."""
        added = self.later.intersection(name for name in self.covered if row[name] is None)
        return tuple(_as_driven(self.table, name, row[name]) for name in self.covered if name not in added)

    def seal(self, seals: Seals, row: Columns) -> bytes:
        """Return the seal of a row."""
        return seals.desk_row(self.name, self.values(row))

    def agrees(self, seals: Seals, row: Columns) -> bool:
        """Return whether a row matches its seal; True for a row that needs no seal and has none."""
        if row["mac"] is None:
            return not self.when(row)
        return bool(self.seal(seals, row) == row["mac"])


def _as_driven(table: Table, name: str, value: Any) -> Any:  # noqa: ANN401 - any column's value
    if value is not None and isinstance(table.c[name].type, Json) and not isinstance(value, str):
        return json_text(value)
    return value


def _of_staff(row: Columns) -> bool:
    return row["student"] is None


def _decides(row: Columns) -> bool:
    return bool(row["kind"] != "recheck")


def _by_staff(row: Columns) -> bool:
    return row["kind"] == "sent_back" or (row["answered_at"] is not None and row["outcome"] != "withdrawn")


ACCOUNT = SealedTable(tables.account, when=_of_staff)
GRANT = SealedTable(tables.grant)
STAFF_SESSION = SealedTable(tables.staff_session, moves=frozenset({"seen_at"}))
#: A student redeems a code on the students' pages; a deleted code only cannot be used.
CODE = SealedTable(tables.code, moves=frozenset({"used_at"}), when=lambda _row: False, counted=False)
TOKEN = SealedTable(tables.token, moves=frozenset({"used_at"}), later=frozenset({"recheck"}))
#: The sync records when it began, and how it ended.
REQUEST = SealedTable(
    tables.request,
    moves=frozenset({"begun_at", "served_at", "outcome", "message", "found"}),
    when=_decides,
    later=frozenset({"source"}),
)
SOURCE_PAUSE = SealedTable(tables.source_pause)
ANNOUNCEMENT = SealedTable(tables.announcement)
APPEAL = SealedTable(tables.appeal, when=_by_staff)
UPLOAD = SealedTable(tables.upload)

PASSKEY = SealedTable(tables.passkey)
RECOVERY_CODE = SealedTable(tables.recovery_code)
#: After a deletion, the second factor is only asked for again.
FACTOR_STEP = SealedTable(tables.factor_step, counted=False)
RETENTION_RUN = SealedTable(tables.retention_run)
PENDING_CHANGE = SealedTable(tables.pending_change)
ACCOUNT_ADDRESS = SealedTable(tables.account_address)

SEALED: Mapping[str, SealedTable] = {
    each.name: each
    for each in (
        *(ACCOUNT, GRANT, STAFF_SESSION, CODE, TOKEN, REQUEST, ANNOUNCEMENT, APPEAL, UPLOAD),
        *(PASSKEY, RECOVERY_CODE, FACTOR_STEP, RETENTION_RUN, PENDING_CHANGE, ACCOUNT_ADDRESS, SOURCE_PAUSE),
    )
}

#: The desk's tables that are not sealed, and why: `clearance verify` cannot find a change there.
NOT_SEALED: Mapping[str, str] = {
    "session": N_("students' own sessions: the students' pages open them, and have no key"),
    "attempt": N_("counters of failed sign-ins: they only delay further attempts"),
    "draft": N_("forms that were being filled when a session ended: each is shown to its own account, and sent by it"),
    "used_ticket": N_("used tickets of a provider, which forgets them within minutes"),
    "desk_outbox": N_("notifications: students' messages are entered by pages without the key; a row gives no right"),
    "version_desk": N_("the version of the tables: another version stops every process"),
}

#: The columns that an audit line's seal covers, after its chain and its link.
LINE = ("at", "account", "event", "cohort", "student", "run", "detail", "address")


def line_values(chain: str, link: int, row: Columns) -> tuple[Any, ...]:
    """Return the values that the seal of an audit line covers."""
    return (chain, link, *(_as_driven(tables.audit, name, row[name]) for name in LINE))


def head_values(row: Columns) -> tuple[Any, ...]:
    """Return the values that the seal of a chain's head covers."""
    return tuple(
        _as_driven(tables.audit_head, c.name, row[c.name]) for c in tables.audit_head.columns if c.name != "mac"
    )
