"""Writing the ledger: one link for each transaction that applies or confirms a run, or enters a decision.

A link contains the digests of the cohort's sets of sealed rows after it, and covers the link before it. Without the
key, no link except the newest can be added, altered or dropped unnoticed. The newest are also in the log. For the
reasons, see docs/decisions/0006.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import structlog
from sqlalchemy import Connection, Engine, select

from status_db import tables
from status_db.ledger import checkpoint, raw_rows
from status_db.ledger import key as ledger_key
from status_db.ledger.ended import refuse_ended
from status_db.ledger.pending_link import LedgerHead, LinkKind, PendingLink
from status_db.ledger.seals import NOTHING, Seals
from status_db.ledger.sets import KEY, SEASON, is_carried
from status_db.store.engine import reading, writing

__all__ = ["Ledger", "LedgerHead", "LinkKind", "PendingLink", "first_link", "newest_head"]


class Ledger:
    """Writes one cohort's ledger."""

    def __init__(self, key_file: Path, cohort: str) -> None:
        """`key_file` is read on first use and after it was replaced; for a ledger without links it is created then."""
        self._file = ledger_key.KeyFile(key_file)
        self._cohort = cohort
        self._seals: Seals | None = None
        self._log = structlog.get_logger("clearance.ledger")

    def __repr__(self) -> str:
        return f"Ledger({str(self._file.path)!r}, {self._cohort!r})"

    @contextmanager
    def linking(
        self, engine: Engine, *, at: datetime, kind: LinkKind, run: int | None = None
    ) -> Iterator[tuple[Connection, PendingLink]]:
        """Yield the connection for writes to this cohort, as `engine.writing` does, and its pending link.

        The link is written last in the same transaction; after the commit the head is logged.
        Raises LedgerRefused when the key is not the ledger's, CohortEnded for a cohort that is closed.
        """
        with writing(engine, self._cohort) as connection:
            known = newest_head(connection, self._cohort)
            seals = self.seals(connection, known)
            head = known or checkpoint.begin(connection, seals, self._cohort, at)
            if SEASON in head.words and kind is not LinkKind.SEASON:
                refuse_ended(connection, self._cohort)
            entry = PendingLink(connection, seals, self._cohort, head, at=at, kind=kind)
            entry.run = run
            entry.begin_sets()
            yield connection, entry
            head = entry.close()
        self._log_head(head)

    def open(self, engine: Engine, at: datetime) -> None:
        """Check that the key is the ledger's, and begin the ledger where there is none. Raises LedgerRefused."""
        with reading(engine) as connection:
            if newest_head(connection, self._cohort) is not None:
                self.seals(connection)
                return
        with writing(engine, self._cohort) as connection:
            known = newest_head(connection, self._cohort)
            begun = None if known else checkpoint.begin(connection, self.seals(connection), self._cohort, at)
        if begun is not None:
            self._log_head(begun)

    def seals(self, connection: Connection, head: LedgerHead | None = None) -> Seals:
        """Return the seals of the ledger's key; of the new one after it was changed. Raises LedgerRefused.

        `head` is the newest link, where it is known.
        """
        named = head.words.get(KEY) if head is not None else key_named(connection, self._cohort)
        if self._seals is None or self._file.replaced() or named not in (None, self._seals.fingerprint):
            self._seals = self._checked_seals(connection, named)
        return self._seals

    def _checked_seals(self, connection: Connection, named: str | None) -> Seals:
        first = first_link(connection, self._cohort)
        seals = self._file.read()
        if first is None:
            return seals or self._file.make()
        if seals is None:
            raise ledger_key.missing(self._file.path)
        if named is not None and named != seals.fingerprint:
            raise ledger_key.changed(self._file.path, named)
        if named is None and seals.link(NOTHING, first.values) != first.mac:
            raise ledger_key.of_another(self._file.path)
        return seals

    def _log_head(self, head: LedgerHead) -> None:
        self._log.info("ledger head", cohort=self._cohort, link=head.link, mac=head.mac.hex())


def newest_head(connection: Connection, cohort: str) -> LedgerHead | None:
    """Return the newest link of a cohort; None where there is no ledger."""
    table = tables.ledger
    row = connection.execute(
        select(table.c.link, table.c.mac, table.c.sets)
        .where(table.c.cohort == cohort)
        .order_by(table.c.link.desc())
        .limit(1)
    ).one_or_none()
    if row is None:
        return None
    return LedgerHead(row.link, row.mac, {name: digest for name, digest in row.sets.items() if is_carried(name)})


def key_named(connection: Connection, cohort: str) -> str | None:
    """Return the fingerprint of the key that the cohort's newest link names, else another cohort's; None for none."""
    head = newest_head(connection, cohort)
    if head is not None:
        return head.words.get(KEY)
    others = select(tables.ledger.c.cohort).distinct().order_by(tables.ledger.c.cohort)
    for other in connection.execute(others).scalars().all():
        found = newest_head(connection, other)
        return found.words.get(KEY) if found is not None else None
    return None


def first_link(connection: Connection, cohort: str) -> raw_rows.SealedRow | None:
    """Return the first link of this cohort, or of another: the key must be the one that sealed it."""
    table = tables.ledger
    found = raw_rows.sealed(connection, table, raw_rows.LINK, table.c.link == 1)
    mine = [row for row in found if row.values[0] == cohort]
    return next(iter(mine or sorted(found, key=lambda row: str(row.values[0]))), None)
