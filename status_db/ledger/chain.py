"""Writing the ledger: one link for each transaction that applies or confirms a run, or enters a decision.

A link contains the digests of the cohort's sets of sealed rows after it, and covers the link before it. Without the
key, no link except the newest can be added, altered or dropped unnoticed. The newest are also in the log. For the
reasons, see docs/decisions/0006.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import Connection, Engine, Table, func, insert, select, update

from config.log_names import StudentNo
from foundation.translation import tr
from status_db import tables
from status_db.ledger import key as ledger_key
from status_db.ledger import raw_rows
from status_db.ledger.key import LedgerRefused
from status_db.ledger.seals import NOTHING, Seals, moved
from status_db.ledger.sets import (
    APPLIED_SETTINGS,
    BEHIND,
    CERTIFICATE_SET,
    DECISION_SET,
    FLIPS,
    ROSTER_SET,
    RUN,
    RUNS,
    altered,
    is_carried,
    records_of,
    set_of,
    state_of,
)
from status_db.store import bulk
from status_db.store.engine import reading, writing


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
            if (
                self._kind is LinkKind.CHECKPOINT
                or digest == known
                or (known is None and values[2:] == raw_rows.BLANK_STATE)
            ):
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


class Ledger:
    """Writes one cohort's ledger."""

    def __init__(self, key_file: Path, cohort: str) -> None:
        """`key_file` is read on first use; for a ledger without links it is created then."""
        self._file = key_file
        self._cohort = cohort
        self._seals: Seals | None = None
        self._log = structlog.get_logger("clearance.ledger")

    def __repr__(self) -> str:
        return f"Ledger({str(self._file)!r}, {self._cohort!r})"

    @contextmanager
    def linking(
        self, engine: Engine, *, at: datetime, kind: LinkKind, run: int | None = None
    ) -> Iterator[tuple[Connection, PendingLink]]:
        """Yield the connection for writes to this cohort, as `engine.writing` does, and its pending link.

        The link is written last in the same transaction; after the commit the head is logged.
        Raises LedgerRefused when the key is not the ledger's.
        """
        with writing(engine, self._cohort) as connection:
            entry = PendingLink(
                connection,
                self.seals(connection),
                self._cohort,
                self._newest_head(connection) or self._begin_ledger(connection, at),
                at=at,
                kind=kind,
            )
            entry.run = run
            entry.begin_sets()
            yield connection, entry
            head = entry.close()
        self._log_head(head)

    def open(self, engine: Engine, at: datetime) -> None:
        """Check that the key is the ledger's, and begin the ledger where there is none. Raises LedgerRefused."""
        with reading(engine) as connection:
            if self._newest_head(connection) is not None:
                self.seals(connection)
                return
        with writing(engine, self._cohort) as connection:
            begun = None if self._newest_head(connection) else self._begin_ledger(connection, at)
        if begun is not None:
            self._log_head(begun)

    def seals(self, connection: Connection) -> Seals:
        """Return the seals of the ledger's key. Raises LedgerRefused."""
        if self._seals is None:
            self._seals = self._checked_seals(connection)
        return self._seals

    def _checked_seals(self, connection: Connection) -> Seals:
        first = first_link(connection, self._cohort)
        seals = ledger_key.read(self._file)
        if first is None:
            return seals or ledger_key.make(self._file)
        if seals is None:
            raise ledger_key.missing(self._file)
        if seals.link(NOTHING, first.values) != first.mac:
            raise ledger_key.of_another(self._file)
        return seals

    def _log_head(self, head: LedgerHead) -> None:
        self._log.info("ledger head", cohort=self._cohort, link=head.link, mac=head.mac.hex())

    def _newest_head(self, connection: Connection) -> LedgerHead | None:
        table = tables.ledger
        row = connection.execute(
            select(table.c.link, table.c.mac, table.c.sets)
            .where(table.c.cohort == self._cohort)
            .order_by(table.c.link.desc())
            .limit(1)
        ).one_or_none()
        if row is None:
            return None
        return LedgerHead(row.link, row.mac, {name: digest for name, digest in row.sets.items() if is_carried(name)})

    def _begin_ledger(self, connection: Connection, at: datetime) -> LedgerHead:
        """Write the first link: a checkpoint over all stored rows, each of them sealed."""
        seals = self.seals(connection)
        if raw_rows.any_sealed(connection, self._cohort):
            raise LedgerRefused(
                tr(
                    "The ledger of {cohort} is missing, but rows with its seals exist, so altered rows cannot be "
                    "recognised. Restore a backup.",
                    cohort=self._cohort,
                )
            )
        entry = PendingLink(
            connection, seals, self._cohort, LedgerHead(0, NOTHING, {}), at=at, kind=LinkKind.CHECKPOINT
        )
        rows = self._seal_all(connection, entry)
        run = tables.run
        entry.run = connection.execute(select(func.max(run.c.run)).where(run.c.cohort == self._cohort)).scalar()
        over = seals.running(RUNS)
        for values in raw_rows.pages(
            connection, run, raw_rows.RUN, run.c.run, *raw_rows.past_runs(self._cohort, entry.run or 0)
        ):
            over.add(values)
        if over.rows:
            entry.add_digests({RUNS: over.digest()})
        flip = tables.flip
        for values in raw_rows.pages(
            connection, flip, ("flip", *raw_rows.FLIP), flip.c.flip, flip.c.cohort == self._cohort
        ):
            entry.seal_flip(values[1:])
        sources = connection.execute(
            select(tables.source_state.c.source).where(tables.source_state.c.cohort == self._cohort)
        )
        entry.watch_states(sources.scalars())
        self._seal_pending(connection, seals)
        entry.begin_sets()
        head = entry.close()
        # With rows it is a warning: nothing proves their past.
        write_log = self._log.warning if rows else self._log.info
        write_log("ledger begun", cohort=self._cohort, over_rows=rows)
        return head

    def _seal_all(self, connection: Connection, entry: PendingLink) -> int:
        """Seal every stored row and add it to its set; return how many there were."""
        entry.gone(ROSTER_SET, ())
        entry.gone(DECISION_SET, ())
        count = 0
        for low, high in raw_rows.shares(connection, self._cohort):
            share = raw_rows.share(connection, self._cohort, low, high)
            for table, found in (
                (tables.student, share.people),
                (tables.record, share.records),
                (tables.decision, share.decisions),
                (tables.certificate, share.certificates),
            ):
                keys = [c.key for c in table.primary_key]
                at = [raw_rows.SEALED[table.name].index(key) for key in keys]
                rows: list[bulk.Values] = []
                for row in found:
                    mac = entry.sealing(table, set_of(table, row.values))(row.values)
                    rows.append((*(row.values[i] for i in at), mac))
                bulk.update(connection, table, [*keys, "mac"], rows)
                count += len(rows)
        return count

    def _seal_pending(self, connection: Connection, seals: Seals) -> None:
        """Seal the kept answers of suspended runs, so that they can still be approved."""
        pending, run = tables.pending, tables.run
        mine = pending.c.run.in_(select(run.c.run).where(run.c.cohort == self._cohort))
        for number, digest, snapshot in raw_rows.rows(connection, pending, ("run", "digest", "snapshot"), mine):
            mac = seals.row("pending", (number, digest, snapshot))
            connection.execute(update(pending).where(pending.c.run == number).values(mac=mac))


def first_link(connection: Connection, cohort: str) -> raw_rows.SealedRow | None:
    """Return the first link of this cohort, or of another: the key must be the one that sealed it."""
    table = tables.ledger
    found = raw_rows.sealed(connection, table, raw_rows.LINK, table.c.link == 1)
    mine = [row for row in found if row.values[0] == cohort]
    return next(iter(mine or sorted(found, key=lambda row: str(row.values[0]))), None)
