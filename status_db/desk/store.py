"""Writing the desk's database: with the ledger's key, with the desk's key, or with neither.

A process with the ledger's key seals the rows it writes (`status_db.desk.seals`), and adds sealed rows to sets.
Each line of the audit log belongs to a chain, and covers the line before it: `desk` is written with the ledger's key;
`pages` with the desk's key, by the students' pages. A chain's head contains its newest line and the digests of the
sets.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import ColumnElement, Connection, Engine, Row, RowMapping, delete, insert, select, update

from foundation.translation import tr
from status_db import tables
from status_db.desk import seals as desk_seals
from status_db.desk.audit_chain import (
    LINES_BEFORE,
    OF_PAGES,
    WITH_LEDGER,
    AuditHead,
    RowAltered,
    any_sealed,
    digest_of_lines_before,
)
from status_db.desk.key import DeskKey
from status_db.desk.seals import ACCOUNT, SEALED, Columns, SealedTable
from status_db.ledger import key as ledger_key
from status_db.ledger.key import LedgerRefused
from status_db.ledger.seals import NOTHING, Seals, moved
from status_db.store.engine import StoreError, reading, writing
from status_db.store.turns import DESK


@dataclass(frozen=True, slots=True)
class DeskStore:
    """One database of the desk, and how this process seals its writes."""

    engine: Engine
    #: The ledger's key file; None for a process that must not have it.
    ledger_key_file: Path | None = None
    #: The desk's key, for a process without the ledger's key.
    key: DeskKey | None = None
    _seals: list[Seals] = field(default_factory=list, repr=False)

    @property
    def chain(self) -> str | None:
        """The chain of its audit lines; None for a store that only reads."""
        if self.ledger_key_file is not None:
            return WITH_LEDGER
        return OF_PAGES if self.key is not None else None

    @property
    def seals_rows(self) -> bool:
        """Whether it has the ledger's key."""
        return self.ledger_key_file is not None

    def seals(self) -> Seals:
        """Return the seals of its chain. Raises LedgerRefused, KeyRefused."""
        if not self._seals:
            if self.ledger_key_file is not None:
                found = ledger_key.read(self.ledger_key_file)
                if found is None:
                    with reading(self.engine) as connection:
                        if any_sealed(connection):
                            raise LedgerRefused(
                                tr(
                                    "The desk's rows are sealed, but the ledger's key {file} is missing. Restore that "
                                    "file from your own copy; no backup of the database contains it.",
                                    file=self.ledger_key_file,
                                )
                            )
                    found = ledger_key.make(self.ledger_key_file)
                self._seals.append(found)
            elif self.key is not None:
                self._seals.append(Seals(self.key.of("audit chain")))
            else:
                raise StoreError(tr("this process has no key for the audit log. Set key_file in [portal]."))
        return self._seals[0]

    @contextmanager
    def writing(self, *, first: bool = False) -> Iterator["DeskEntry"]:
        """Yield the entry for writes to the desk's database; commit at the end, or keep nothing.

        Raises StoreError; LedgerRefused where rows are not sealed yet, unless this is the `first` entry, which seals
        them.
        """
        # Read before the lock is acquired: reading the key may query the database.
        seals = self.seals() if self.chain is not None else None
        with writing(self.engine, DESK, "desk") as connection:
            entry = DeskEntry(connection, self.chain, seals, seals_rows=self.seals_rows)
            if self.seals_rows and not first:
                # Before any write: the stored rows decide whether seals have begun here.
                entry.head()
            yield entry
            head = entry.close()
        if head is not None:
            structlog.get_logger("clearance.audit").info("audit head", chain=head[0], link=head[1], mac=head[2].hex())

    def vouches(self, sealed: SealedTable, row: Row[Any] | RowMapping) -> bool:
        """Return whether a row matches its seal; a process without the ledger's key cannot check it, and returns True.

        A row that does not match is logged.
        """
        if not self.seals_rows:
            return True
        columns = row if isinstance(row, RowMapping) else row._mapping  # noqa: SLF001 - SQLAlchemy's public name
        if sealed.agrees(self.seals(), columns):
            return True
        _log_altered(sealed, columns)
        return False

    def seal_all(self, now: datetime) -> int:
        """Seal every row as it is, once, in a database without seals; return how many.

        Raises LedgerRefused where there are seals already: a new seal would hide an alteration.
        """
        with self.writing(first=True) as entry:
            return entry.begin(now)


def of(desk: Engine | DeskStore) -> DeskStore:
    """Return a store; a store made from an engine alone seals nothing."""
    return desk if isinstance(desk, DeskStore) else DeskStore(desk)


class DeskEntry:
    """One transaction that writes the desk's database."""

    def __init__(self, connection: Connection, chain: str | None, seals: Seals | None, *, seals_rows: bool) -> None:
        self.connection = connection
        self._chain = chain
        self._made = seals
        #: Whether it has the ledger's key.
        self.seals_rows = seals_rows
        self._known: AuditHead | None = None
        self._fresh = False
        self._moved = False
        self._noted = False

    @contextmanager
    def changing(self, sealed: SealedTable, *where: ColumnElement[bool], also: bool = False) -> Iterator[None]:
        """Seal again the rows that this block writes, among those that `where` finds before or after it.

        A row that does not match its seal keeps that seal: a new one would hide that it was altered. `also` seals rows
        that need no seal. A process without the ledger's key raises StoreError where it has changed a sealed row.
        """
        before = self._rows_by_key(sealed, where)
        yield
        self._seal_rows(sealed, before, self._rows_by_key(sealed, where), also=also)

    def added(self, sealed: SealedTable, *key: Any) -> None:  # noqa: ANN401 - any column's value
        """Seal the row with this primary key, which this transaction has added.

        The key prevents that rows of other writers are sealed with it.
        """
        this = [column == value for column, value in zip(sealed.table.primary_key, key, strict=True)]
        self._seal_rows(sealed, {}, self._rows_by_key(sealed, tuple(this)))

    def note(
        self,
        event: str,
        *,
        account: str,
        now: datetime,
        cohort: str | None = None,
        student: str | None = None,
        run: int | None = None,
        address: str = "",
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        """Add a line to the audit log."""
        row: dict[str, Any] = {
            "at": now,
            "account": account[:100],
            "event": str(event),
            "cohort": cohort,
            "student": student,
            "run": run,
            "detail": dict(detail or {}),
            "address": address[:100],
        }
        if self._chain is None:
            self.connection.execute(insert(tables.audit).values(**row))
            return
        head = self.head()
        head.link += 1
        values = desk_seals.line_values(self._chain, head.link, row)
        head.line_mac = self._seals.link(head.line_mac, values)
        self.connection.execute(
            insert(tables.audit).values(**row, chain=self._chain, link=head.link, mac=head.line_mac)
        )
        self._moved = self._noted = True

    def remove_lines(self, before: datetime, most: int) -> int:
        """Remove the oldest lines of this chain, up to the first that is not older; return how many, at most `most`.

        The head keeps the link and the seal of the last removed line, so that the rest can still be verified. A process
        with the ledger's key also removes lines that are older than the chains.
        """
        if self._chain is None:
            return 0
        head, table = self.head(), tables.audit
        mine = table.c.chain == self._chain
        last, mac, count = head.removed_to, head.removed_mac, 0
        oldest = select(table.c.link, table.c.at, table.c.mac).where(mine).order_by(table.c.link).limit(most)
        for row in self.connection.execute(oldest):
            if row.at >= before:
                break
            last, mac, count = row.link, row.mac, count + 1
        if count:
            self.connection.execute(delete(table).where(mine, table.c.link <= last))
            head.removed_to, head.removed_mac = last, mac
            self._moved = True
        if self._chain == WITH_LEDGER and count < most:
            count += self._remove_lines_before(head, before, most - count)
        return count

    def _remove_lines_before(self, head: AuditHead, before: datetime, most: int) -> int:
        """Remove lines that are older than the chains, unless they were altered."""
        table = tables.audit
        if digest_of_lines_before(self.connection, self._seals) != head.sets.get(LINES_BEFORE, ""):
            return 0
        old = (
            select(table.c.line).where(table.c.chain.is_(None), table.c.at < before).order_by(table.c.line).limit(most)
        )
        lines = list(self.connection.execute(old).scalars())
        if lines:
            self.connection.execute(delete(table).where(table.c.line.in_(lines)))
            if left := digest_of_lines_before(self.connection, self._seals):
                head.sets[LINES_BEFORE] = left
            else:
                head.sets.pop(LINES_BEFORE)
            self._moved = True
        return len(lines)

    def begin(self, now: datetime) -> int:
        """Seal every row as it is, and log it in the audit log. Raises LedgerRefused where there are seals already."""
        if self._chain != WITH_LEDGER:
            raise StoreError(tr("this process does not have the ledger's key. Run this where [status_db] names it."))
        if any_sealed(self.connection):
            raise LedgerRefused(
                tr("The desk's rows are sealed already, so rows without a seal were altered. Run: clearance verify")
            )
        self._known = self._blank_head()
        self._fresh = self._moved = True
        count, owners = 0, tables.account.c.account.in_(select(tables.grant.c.account))
        for sealed in SEALED.values():
            self._seal_rows(sealed, {}, self._rows_by_key(sealed, ()))
            count += len(self._rows_by_key(sealed, (sealed.table.c.mac.is_not(None),)))
        with self.changing(ACCOUNT, owners, also=True):
            pass
        self.note("sealed", account="", now=now, detail={"rows": count})
        return count

    def close(self) -> tuple[str, int, bytes] | None:
        """Write the head where it has changed; return chain, newest line and its seal where lines were added."""
        if self._chain is None or not self._moved:
            return None
        head, table = self.head(), tables.audit_head
        columns = head.columns(self._chain)
        mac = self._seals.desk_row("audit_head", desk_seals.head_values(columns))
        if self._fresh:
            self.connection.execute(insert(table).values(**columns, mac=mac))
        else:
            self.connection.execute(update(table).where(table.c.chain == self._chain).values(**columns, mac=mac))
        return (self._chain, head.link, head.line_mac) if self._noted else None

    @property
    def _seals(self) -> Seals:
        assert self._made is not None  # noqa: S101 - a chain has seals
        return self._made

    def head(self) -> AuditHead:
        """Return the head of this chain, or a new one where there is none. Raises LedgerRefused, RowAltered."""
        if self._known is not None:
            return self._known
        table = tables.audit_head
        row = self.connection.execute(select(table).where(table.c.chain == self._chain)).mappings().one_or_none()
        if row is None:
            self._known = self._new_head()
            self._fresh = True
            return self._known
        if self._seals.desk_row("audit_head", desk_seals.head_values(row)) != row["mac"]:
            raise RowAltered(
                tr(
                    "The head of the audit log's chain {chain} does not match its seal: it was altered, or the "
                    "key is another one. See what differs with `clearance verify`, then restore the right key "
                    "file or a backup.",
                    chain=self._chain,
                )
            )
        self._known = AuditHead(row["link"], row["line_mac"], row["removed_to"], row["removed_mac"], dict(row["sets"]))
        return self._known

    def _new_head(self) -> AuditHead:
        """Return the head of a new chain. Raises LedgerRefused where existing rows are not sealed."""
        if self._chain == WITH_LEDGER:
            if any_sealed(self.connection):
                raise LedgerRefused(
                    tr(
                        "The head of the desk's seals is missing, but rows that were sealed under it exist, so an "
                        "altered row cannot be recognised. Restore a backup that verifies: clearance restore FOLDER"
                    )
                )
            if self._has_unsealed():
                raise LedgerRefused(
                    tr(
                        "The accounts and grants here are not sealed yet. Check each of them (clearance accounts "
                        "list), then run: clearance accounts seal"
                    )
                )
        return self._blank_head()

    def _blank_head(self) -> AuditHead:
        sets: dict[str, str] = {}
        if self._chain == WITH_LEDGER and (before := digest_of_lines_before(self.connection, self._seals)):
            sets[LINES_BEFORE] = before
        return AuditHead(0, NOTHING, 0, NOTHING, sets)

    def _has_unsealed(self) -> bool:
        """Return whether there are rows that must be sealed, and are not."""
        for sealed in SEALED.values():
            if any(sealed.when(row) for row in self._rows_by_key(sealed, (sealed.table.c.mac.is_(None),)).values()):
                return True
        return False

    def _rows_by_key(
        self, sealed: SealedTable, where: tuple[ColumnElement[bool], ...]
    ) -> dict[tuple[Any, ...], RowMapping]:
        keys = [c.key for c in sealed.table.primary_key]
        found = self.connection.execute(select(sealed.table).where(*where)).mappings()
        return {tuple(row[key] for key in keys): row for row in found}

    def _seal_rows(
        self,
        sealed: SealedTable,
        before: Mapping[tuple[Any, ...], RowMapping],
        after: Mapping[tuple[Any, ...], RowMapping],
        *,
        also: bool = False,
    ) -> None:
        if not self.seals_rows:
            if any(
                row["mac"] is not None and _is_covered_change(sealed, row, after.get(key))
                for key, row in before.items()
            ):
                raise StoreError(
                    tr(
                        "a sealed row of {table} can be changed only at the desk, which has the key. Change it "
                        "there, or on the command line of the server.",
                        table=sealed.name,
                    )
                )
            return
        weight, by = self._seals.weight, 0
        for key, row in before.items():
            if key not in after and row["mac"] is not None:
                by -= weight(row["mac"])
        for key, row in after.items():
            old = before.get(key)
            if old is not None and not _is_covered_change(sealed, old, row) and not (also and old["mac"] is None):
                continue
            mac = row["mac"]
            # A row that did not exist before is new, unless it has a seal: then its key was changed.
            if (old is None and mac is None) or (old is not None and sealed.agrees(self._seals, old)):
                wanted = also or mac is not None or sealed.when(row) or not sealed.counted
                mac = sealed.seal(self._seals, row) if wanted else None
            else:
                _log_altered(sealed, row)
            if mac == row["mac"]:
                continue
            by += weight(mac) - weight(row["mac"])
            same = [column == value for column, value in zip(sealed.table.primary_key, key, strict=True)]
            self.connection.execute(update(sealed.table).where(*same).values(mac=mac))
        if by and sealed.counted:
            head = self.head()
            before_digest = bytes.fromhex(head.sets.get(sealed.name, NOTHING.hex()))
            head.sets[sealed.name] = moved(before_digest, by).hex()
            self._moved = True


def _is_covered_change(sealed: SealedTable, before: RowMapping, after: RowMapping | None) -> bool:
    """Return whether the values that a seal covers have changed."""
    return after is None or sealed.values(before) != sealed.values(after)


def _log_altered(sealed: SealedTable, row: Columns) -> None:
    structlog.get_logger("clearance.audit").error("sealed row altered", table=sealed.name, key=sealed.key(row))
