"""The ledger, written: one link for each transaction that applies or confirms a run, or enters a decision.

A link names what the cohort's sets of sealed rows come to after it, and covers the link before it; nobody without the
key can add, alter or drop one unseen, but for the newest. Those go to the log as well. docs/decisions/0006 says why.
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
    #: The settings that a cohort begins with.
    SETTINGS = "settings"
    #: A student number that was corrected.
    RENUMBER = "renumber"
    #: An office's announcement, or its withdrawal.
    EXPECTED = "expected"
    #: A vote on a suspended run.
    APPROVAL = "approval"
    #: Over all that stands, where a ledger begins.
    CHECKPOINT = "checkpoint"


@dataclass(frozen=True, slots=True)
class LedgerHead:
    """The newest link."""

    link: int
    mac: bytes
    #: What it carries on: name → digest as hex.
    words: Mapping[str, str]


class PendingLink:
    """One link in the making: it is told what its transaction writes, and closed last."""

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
        self._says: dict[str, str] = {}
        self._carries: dict[str, str] = {}
        self._log = structlog.get_logger("clearance.ledger")

    def say(self, words: Mapping[str, str]) -> None:
        """Have the link say this, too: name → digest as hex."""
        self._says |= words

    def watch_states(self, sources: Iterable[str]) -> None:
        """Have the link say how these sources' own rows stand when it is closed; called before any of them is written.

        The guard and the freshness go by these rows. One that is not as the last link about it left it is told of in
        this link, for good: once it is written on, nothing else would show that it was altered.
        """
        fresh = set(sources) - self._sources
        self._sources |= fresh
        for source, values in raw_rows.states(self._connection, self._cohort, fresh):
            digest, said = self._seals.digest("source", values), self._before.words.get(state_of(source))
            if (
                self._kind is LinkKind.CHECKPOINT
                or digest == said
                or (said is None and values[2:] == raw_rows.BLANK_STATE)
            ):
                continue
            self._log.error("stored row altered", table="source_state", cohort=self._cohort, source=source)
            self._says[altered(state_of(source))] = digest

    def seal_flip(self, values: bulk.Values) -> bytes:
        """Take in a flip as it goes to the driver."""
        self._flips.add(values)
        return b""

    def sealing(
        self, table: Table, name: str, more: Callable[[bulk.Values], Sequence[str]] = lambda _: ()
    ) -> Callable[[bulk.Values], bytes]:
        """Return what seals new rows of a table as they go to the driver, and counts them into the set.

        `more` gives what a row's seal covers beyond its own columns.
        """
        seals, moves = self._seals, self._moves
        moves.setdefault(name, 0)

        def seal(values: bulk.Values) -> bytes:
            mac = seals.row(table.name, (*values, *more(values)))
            moves[name] += seals.weight(mac)
            return mac

        return seal

    def gone(self, name: str, macs: Iterable[bytes | None]) -> None:
        """Count rows out of a set by the seals they had."""
        self._moves[name] = self._moves.get(name, 0) - sum(map(self._seals.weight, macs))

    def sealed_anew(self, table: str, name: str, stored: raw_rows.SealedRow, values: Sequence[Any]) -> bytes:
        """Return the seal of a stored row that is written in part, and exchange it in the set.

        A row that does not agree with its own seal keeps that seal: a new one would cover up that somebody altered it.
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
        """Seal a decision as it stands now; `stored` is how it stood before, if it did."""
        self._seal(tables.decision, DECISION_SET, number, stored)

    def seal_certificate(self, number: int, stored: raw_rows.SealedRow | None = None) -> None:
        """Seal a certificate likewise."""
        self._seal(tables.certificate, CERTIFICATE_SET, number, stored)

    def seal_behind(self, table: Table, number: int, stored: raw_rows.SealedRow | None = None) -> None:
        """Seal an announced change, a vote or a batch likewise."""
        self._seal(table, BEHIND[table.name], number, stored)

    def begin_sets(self) -> None:
        """Seal what decisions rest on, as it is, in a ledger that is older than those seals."""
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

    def _seal(self, table: Table, name: str, number: int, stored: raw_rows.SealedRow | None) -> None:
        (key,) = table.primary_key
        (now,) = raw_rows.sealed(self._connection, table, raw_rows.SEALED[table.name], key == number)
        if stored is not None:
            mac = self.sealed_anew(table.name, name, stored, now.values)
        else:
            mac = self.sealing(table, name)(now.values)
        self._connection.execute(update(table).where(key == number).values(mac=mac))

    def seal_applied(self, values: bulk.Values) -> bytes:
        """Return the seal of the applied settings' row, and have this link and the later ones say it."""
        mac = self._seals.row("applied_settings", values)
        self._carries[APPLIED_SETTINGS] = mac.hex()
        return mac

    def replace_records(self, source: str, students: Collection[str]) -> None:
        """Count the records that stand about these students out of the source's set: they are about to go."""
        table = tables.record
        where = (table.c.cohort == self._cohort, table.c.source == source)
        self.gone(records_of(source), raw_rows.macs(self._connection, table, students, *where))

    def close(self) -> LedgerHead:
        """Write the link."""
        carried = dict(self._before.words) | self._carries
        for name, by in self._moves.items():
            carried[name] = moved(bytes.fromhex(carried.get(name, NOTHING.hex())), by).hex()
        said = dict(self._says)
        if self._flips.rows:
            said[FLIPS] = self._flips.digest()
        if self.run is not None and self._kind is LinkKind.RUN:
            (row,) = raw_rows.rows(self._connection, tables.run, raw_rows.RUN, tables.run.c.run == self.run)
            said[RUN] = self._seals.digest(RUN, row)
        for source, values in raw_rows.states(self._connection, self._cohort, self._sources):
            carried[state_of(source)] = self._seals.digest("source", values)
        words = dict(sorted((carried | said).items()))
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
        """`key_file` is read, or made for a ledger that has no link yet, when it is first needed."""
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
        """Give the connection that may write this cohort now, as `engine.writing` does, and its link in the making.

        The link is written last in the same transaction; after the commit the head goes to the log.
        Raises LedgerRefused when the key is not the ledger's.
        """
        with writing(engine, self._cohort) as connection:
            entry = PendingLink(
                connection,
                self.seals(connection),
                self._cohort,
                self._head(connection) or self._begin(connection, at),
                at=at,
                kind=kind,
            )
            entry.run = run
            entry.begin_sets()
            yield connection, entry
            head = entry.close()
        self._tell(head)

    def open(self, engine: Engine, at: datetime) -> None:
        """See that the key is the ledger's, and begin the ledger where there is none. Raises LedgerRefused."""
        with reading(engine) as connection:
            if self._head(connection) is not None:
                self.seals(connection)
                return
        with writing(engine, self._cohort) as connection:
            begun = None if self._head(connection) else self._begin(connection, at)
        if begun is not None:
            self._tell(begun)

    def seals(self, connection: Connection) -> Seals:
        """Return what seals with the ledger's key. Raises LedgerRefused."""
        if self._seals is None:
            self._seals = self._agreed(connection)
        return self._seals

    def _agreed(self, connection: Connection) -> Seals:
        first = first_link(connection, self._cohort)
        seals = ledger_key.read(self._file)
        if first is None:
            return seals or ledger_key.make(self._file)
        if seals is None:
            raise LedgerRefused(
                f"The ledger has links, and its key {self._file} is not there. "
                "Put that file back from where you keep it; no backup of the database holds it."
            )
        if seals.link(NOTHING, first.values) != first.mac:
            raise LedgerRefused(
                f"{self._file} is not the key that this ledger was begun with. "
                "Put the right file back, or name it as ledger_key_file in [status_db]; then run: clearance verify"
            )
        return seals

    def _tell(self, head: LedgerHead) -> None:
        self._log.info("ledger head", cohort=self._cohort, link=head.link, mac=head.mac.hex())

    def _head(self, connection: Connection) -> LedgerHead | None:
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

    def _begin(self, connection: Connection, at: datetime) -> LedgerHead:
        """Write the first link: a checkpoint over all that stands, each row of it sealed."""
        seals = self.seals(connection)
        if raw_rows.any_sealed(connection, self._cohort):
            raise LedgerRefused(
                f"The ledger of {self._cohort} is gone, and what it sealed is still there. Restore a backup; "
                "what stands now cannot be told from what somebody has altered."
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
            entry.say({RUNS: over.digest()})
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
        # Over rows it is worth a look: their past is vouched for by nobody.
        tell = self._log.warning if rows else self._log.info
        tell("ledger begun", cohort=self._cohort, over_rows=rows)
        return head

    def _seal_all(self, connection: Connection, entry: PendingLink) -> int:
        """Seal every row that stands and count it into its set; return how many there were."""
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
        """Seal what suspended runs have kept, so that they can still be approved."""
        pending, run = tables.pending, tables.run
        mine = pending.c.run.in_(select(run.c.run).where(run.c.cohort == self._cohort))
        for number, digest, snapshot in raw_rows.rows(connection, pending, ("run", "digest", "snapshot"), mine):
            mac = seals.row("pending", (number, digest, snapshot))
            connection.execute(update(pending).where(pending.c.run == number).values(mac=mac))


def first_link(connection: Connection, cohort: str) -> raw_rows.SealedRow | None:
    """Return the first link of this cohort, or else of any other: the key must be the one that sealed it."""
    table = tables.ledger
    found = raw_rows.sealed(connection, table, raw_rows.LINK, table.c.link == 1)
    mine = [row for row in found if row.values[0] == cohort]
    return next(iter(mine or sorted(found, key=lambda row: str(row.values[0]))), None)
