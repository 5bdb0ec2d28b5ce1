"""One link of the ledger while its transaction is open: it collects what the transaction writes."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import structlog
from sqlalchemy import Connection, Table, insert, update

from config.log_names import StudentNo
from status_db import tables
from status_db.ledger import raw_rows
from status_db.ledger.seals import NOTHING, Seals, moved
from status_db.ledger.sets import (
    APPLIED_SETTINGS,
    BEHIND,
    CERTIFICATE_SET,
    DECISION_SET,
    FLIPS,
    KEY,
    RUN,
    SEASON,
    altered,
    records_of,
    state_of,
)
from status_db.store import bulk


class LinkKind(StrEnum):
    """What a link was written for."""

    RUN = "run"
    DECISION = "decision"
    #: The first settings of a cohort.
    SETTINGS = "settings"
    #: A student number that was corrected.
    RENUMBER = "renumber"
    #: An office's announcement, or its withdrawal.
    EXPECTED = "expected"
    #: A vote on a suspended run.
    APPROVAL = "approval"
    #: All stored rows, where a ledger begins.
    CHECKPOINT = "checkpoint"
    #: A cohort that is closed, opened again, archived or erased.
    SEASON = "season"
    #: Names the key that seals the links after it; the last link of the key before.
    KEY = "key"
    #: The first link of a new key: all rows, sealed again.
    REKEYED = "rekeyed"
    #: The first link after a key was lost: all rows, sealed without a check, as a person approved.
    BEGINNING = "beginning"


#: These links seal all stored rows, so that nothing before them can be compared.
_OF_ALL_ROWS = (LinkKind.CHECKPOINT, LinkKind.REKEYED, LinkKind.BEGINNING)


@dataclass(frozen=True, slots=True)
class LedgerHead:
    """The newest link."""

    link: int
    mac: bytes
    #: The digests that every link repeats: name → digest as hex.
    words: Mapping[str, str]


class PendingLink:
    """One link while its transaction is open: it collects what the transaction writes, and is closed last."""

    def __init__(
        self, connection: Connection, seals: Seals, cohort: str, before: LedgerHead, *, at: datetime, kind: LinkKind
    ) -> None:
        self.link = before.link + 1
        self.run: int | None = None
        self.decision: int | None = None
        self._connection = connection
        self._seals = seals
        self._cohort = cohort
        self._before = before
        self._at = at
        self._kind = kind
        self._moves: dict[str, int] = {}
        self._flips = seals.running(FLIPS)
        self._sources: set[str] = set()
        self._digests: dict[str, str] = {}
        self._carries: dict[str, str] = {}
        self._log = structlog.get_logger("clearance.ledger")

    def add_digests(self, words: Mapping[str, str]) -> None:
        """Add these digests to the link: name → digest as hex."""
        self._digests |= words

    def watch_states(self, sources: Iterable[str]) -> None:
        """Add the digests of these sources' own rows when the link is closed; call it before any of them is written.

        The guard and the freshness depend on these rows. A row that does not match the last link about it is recorded
        as altered in this link: after the next write, nothing else would show it.
        """
        fresh = set(sources) - self._sources
        self._sources |= fresh
        for source, values in raw_rows.states(self._connection, self._cohort, fresh):
            digest, known = self._seals.digest("source", values), self._before.words.get(state_of(source))
            if self._kind in _OF_ALL_ROWS or digest == known or (known is None and values[2:] == raw_rows.BLANK_STATE):
                continue
            self._log.error("stored row altered", table="source_state", cohort=self._cohort, source=source)
            self._digests[altered(state_of(source))] = digest

    def seal_flip(self, values: bulk.Values) -> bytes:
        """Add a flip as it is passed to the driver."""
        self._flips.add(values)
        return b""

    def sealing(
        self, table: Table, name: str, more: Callable[[bulk.Values], Sequence[str]] = lambda _: ()
    ) -> Callable[[bulk.Values], bytes]:
        """Return a function that seals new rows of a table as they are passed to the driver, and adds them to the set.

        `more` returns the values that a row's seal covers beyond its own columns.
        """
        seals, moves = self._seals, self._moves
        moves.setdefault(name, 0)

        def seal(values: bulk.Values) -> bytes:
            mac = seals.row(table.name, (*values, *more(values)))
            moves[name] += seals.weight(mac)
            return mac

        return seal

    def gone(self, name: str, macs: Iterable[bytes | None]) -> None:
        """Remove rows from a set, by their seals."""
        self._moves[name] = self._moves.get(name, 0) - sum(map(self._seals.weight, macs))

    def seal_again(self, table: str, name: str, stored: raw_rows.SealedRow, values: Sequence[Any]) -> bytes:
        """Return the new seal of a stored row that is partly written, and replace it in the set.

        A row that does not match its seal keeps that seal: a new one would hide that it was altered.
        """
        agrees = stored.mac is not None and self._seals.row(table, stored.values) == stored.mac
        if not agrees:
            row = dict(zip(raw_rows.SEALED[table], stored.values, strict=False))
            who = {"student": StudentNo(row["student"])} if "student" in row else {"key": str(stored.values[0])}
            self._log.error("stored row altered", table=table, cohort=self._cohort, **who)
        mac = self._seals.row(table, values) if agrees else stored.mac or b""
        self.gone(name, [stored.mac])
        self._moves[name] += self._seals.weight(mac)
        return mac

    def seal_decision(self, number: int, stored: raw_rows.SealedRow | None = None) -> None:
        """Seal a decision as it is now; `stored` is the row before, if there was one."""
        self._seal_row(tables.decision, DECISION_SET, number, stored)

    def seal_certificate(self, number: int, stored: raw_rows.SealedRow | None = None) -> None:
        """Seal a certificate in the same way."""
        self._seal_row(tables.certificate, CERTIFICATE_SET, number, stored)

    def seal_behind(self, table: Table, number: int, stored: raw_rows.SealedRow | None = None) -> None:
        """Seal an expected change, a vote or a batch in the same way."""
        self._seal_row(table, BEHIND[table.name], number, stored)

    def begin_sets(self) -> None:
        """Seal the rows that decisions depend on, as they are, in a ledger that is older than those seals."""
        for name, of in BEHIND.items():
            if of in self._before.words:
                continue
            self._moves.setdefault(of, 0)
            table = tables.marks.tables[name]
            (key,) = table.primary_key
            at = raw_rows.SEALED[name].index(key.key)
            for row in raw_rows.sealed(
                self._connection, table, raw_rows.SEALED[name], raw_rows.of_cohort(table, self._cohort)
            ):
                mac = self.sealing(table, of)(row.values)
                self._connection.execute(update(table).where(key == row.values[at]).values(mac=mac))

    def _seal_row(self, table: Table, name: str, number: int, stored: raw_rows.SealedRow | None) -> None:
        (key,) = table.primary_key
        (now,) = raw_rows.sealed(self._connection, table, raw_rows.SEALED[table.name], key == number)
        if stored is not None:
            mac = self.seal_again(table.name, name, stored, now.values)
        else:
            mac = self.sealing(table, name)(now.values)
        self._connection.execute(update(table).where(key == number).values(mac=mac))

    def seal_applied(self, values: bulk.Values) -> bytes:
        """Return the seal of the applied settings' row, and add it to this link and the later ones."""
        mac = self._seals.row("applied_settings", values)
        self._carries[APPLIED_SETTINGS] = mac.hex()
        return mac

    def seal_season(self, values: bulk.Values) -> bytes:
        """Return the seal of the row of a cohort that has ended, in the same way."""
        mac = self._seals.row("season", values)
        self._carries[SEASON] = mac.hex()
        return mac

    def name_key(self) -> None:
        """Have this link and the later ones name the key that seals them."""
        self._carries[KEY] = self._seals.fingerprint

    def replace_records(self, source: str, students: Collection[str]) -> None:
        """Remove the stored records of these students from the source's set, before they are replaced."""
        table = tables.record
        where = (table.c.cohort == self._cohort, table.c.source == source)
        self.gone(records_of(source), raw_rows.macs(self._connection, table, students, *where))

    def close(self) -> LedgerHead:
        """Write the link."""
        carried = dict(self._before.words) | self._carries
        for name, by in self._moves.items():
            carried[name] = moved(bytes.fromhex(carried.get(name, NOTHING.hex())), by).hex()
        once = dict(self._digests)
        if self._flips.rows:
            once[FLIPS] = self._flips.digest()
        if self.run is not None and self._kind is LinkKind.RUN:
            (row,) = raw_rows.rows(self._connection, tables.run, raw_rows.RUN, tables.run.c.run == self.run)
            once[RUN] = self._seals.digest(RUN, row)
        for source, values in raw_rows.states(self._connection, self._cohort, self._sources):
            carried[state_of(source)] = self._seals.digest("source", values)
        words = dict(sorted((carried | once).items()))
        text = tables.json_text(words)
        values = (self._cohort, self.link, str(self._kind), self.run, self.decision, self._at, text)
        mac = self._seals.link(self._before.mac, values)
        self._connection.execute(
            insert(tables.ledger).values(
                cohort=self._cohort,
                link=self.link,
                kind=self._kind,
                run=self.run,
                decision=self.decision,
                at=self._at,
                sets=words,
                mac=mac,
            )
        )
        return LedgerHead(self.link, mac, carried)
