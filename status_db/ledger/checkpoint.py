"""Links over all stored rows of a cohort: where a ledger begins, where its key is changed, and after a key was lost."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime

import structlog
from sqlalchemy import Connection, Table, func, select, update

from foundation.translation import tr
from status_db import tables
from status_db.ledger import raw_rows
from status_db.ledger.key import LedgerRefused
from status_db.ledger.pending_link import LedgerHead, LinkKind, PendingLink
from status_db.ledger.raw_rows import SealedRow
from status_db.ledger.seals import NOTHING, Seals, moved
from status_db.ledger.sets import (
    BEHIND,
    DECISION_SET,
    FLIPS_BEFORE,
    ROSTER_SET,
    RUNS,
    RUNS_BEFORE,
    is_set,
    set_of,
    state_of,
)
from status_db.store import bulk


def begin(connection: Connection, seals: Seals, cohort: str, at: datetime) -> LedgerHead:
    """Write the first link: a checkpoint over all stored rows, each of them sealed. Raises LedgerRefused."""
    if raw_rows.any_sealed(connection, cohort):
        raise LedgerRefused(
            tr(
                "The ledger of {cohort} is missing, but rows with its seals exist, so altered rows cannot be "
                "recognised. Restore a backup.",
                cohort=cohort,
            )
        )
    entry = PendingLink(connection, seals, cohort, LedgerHead(0, NOTHING, {}), at=at, kind=LinkKind.CHECKPOINT)
    rows = _seal_all(connection, entry, cohort)
    entry.run = newest_run(connection, cohort)
    over = seals.running(RUNS)
    for values in raw_rows.pages(
        connection, tables.run, raw_rows.RUN, tables.run.c.run, *raw_rows.past_runs(cohort, entry.run or 0)
    ):
        over.add(values)
    if over.rows:
        entry.add_digests({RUNS: over.digest()})
    for values in _flips(connection, cohort):
        entry.seal_flip(values[1:])
    _finish(connection, entry, seals, cohort)
    head = entry.close()
    # With rows it is a warning: nothing proves their past.
    log = structlog.get_logger("clearance.ledger")
    write_log = log.warning if rows else log.info
    write_log("ledger begun", cohort=cohort, over_rows=rows)
    return head


def change_key(
    connection: Connection, old: Seals, new: Seals, cohort: str, head: LedgerHead, at: datetime
) -> LedgerHead:
    """Write two links: the old key's last, which names the new key, and the new key's first, over all rows.

    Raises LedgerRefused where a row does not match its seal: a new seal would hide that it was altered.
    """
    _refuse_altered(connection, old, cohort, head)
    last = PendingLink(connection, old, cohort, head, at=at, kind=LinkKind.KEY)
    last.add_digests({"next key": new.fingerprint})
    sealed = last.close()
    first = PendingLink(connection, new, cohort, LedgerHead(sealed.link, sealed.mac, {}), at=at, kind=LinkKind.REKEYED)
    first.name_key()
    _seal_all(connection, first, cohort)
    _finish(connection, first, new, cohort)
    return first.close()


def begin_again(
    connection: Connection, new: Seals, cohort: str, before: LedgerHead, at: datetime, approved_by: str
) -> LedgerHead:
    """Write the first link after a key was lost: it seals all rows as they are, without a check.

    It covers the seal of the link before, every flip and every finished run. `approved_by` stays in the link.
    """
    entry = PendingLink(
        connection, new, cohort, LedgerHead(before.link, before.mac, {}), at=at, kind=LinkKind.BEGINNING
    )
    entry.name_key()
    _seal_all(connection, entry, cohort)
    entry.run = newest_run(connection, cohort)
    flips, runs = new.running(FLIPS_BEFORE), new.running(RUNS_BEFORE)
    for values in _flips(connection, cohort):
        flips.add(values[1:])
    for values in raw_rows.finished_runs(connection, cohort, entry.run or 0):
        runs.add(values)
    approved = {f"approved by {approved_by}": new.fingerprint}
    entry.add_digests(approved | {FLIPS_BEFORE: flips.digest(), RUNS_BEFORE: runs.digest()})
    _finish(connection, entry, new, cohort)
    return entry.close()


def newest_run(connection: Connection, cohort: str) -> int | None:
    """Return the newest run of a cohort; None where there is none."""
    run = tables.run
    return connection.execute(select(func.max(run.c.run)).where(run.c.cohort == cohort)).scalar()


def _flips(connection: Connection, cohort: str) -> Iterator[raw_rows.Values]:
    flip = tables.flip
    return raw_rows.pages(connection, flip, ("flip", *raw_rows.FLIP), flip.c.flip, flip.c.cohort == cohort)


def _finish(connection: Connection, entry: PendingLink, seals: Seals, cohort: str) -> None:
    """Add the sources' own rows and seal the rows that are in no set of students."""
    sources = connection.execute(select(tables.source_state.c.source).where(tables.source_state.c.cohort == cohort))
    entry.watch_states(sources.scalars())
    _seal_kept(connection, seals, cohort)
    for row in raw_rows.sealed(
        connection, tables.applied_settings, raw_rows.APPLIED, tables.applied_settings.c.cohort == cohort
    ):
        if row.mac is not None:
            _store(connection, tables.applied_settings, cohort, entry.seal_applied(row.values))
    for row in raw_rows.sealed(connection, tables.season, raw_rows.SEASON, tables.season.c.cohort == cohort):
        _store(connection, tables.season, cohort, entry.seal_season(row.values))
    entry.begin_sets()


def _store(connection: Connection, table: Table, cohort: str, mac: bytes) -> None:
    connection.execute(update(table).where(table.c.cohort == cohort).values(mac=mac))


def _seal_all(connection: Connection, entry: PendingLink, cohort: str) -> int:
    """Seal every row about students and add it to its set; return how many there were."""
    entry.gone(ROSTER_SET, ())
    entry.gone(DECISION_SET, ())
    count = 0
    for table, found in _rows_of_students(connection, cohort):
        keys = [c.key for c in table.primary_key]
        at = [raw_rows.SEALED[table.name].index(key) for key in keys]
        rows: list[bulk.Values] = []
        for row in found:
            mac = entry.sealing(table, set_of(table, row.values))(row.values)
            rows.append((*(row.values[i] for i in at), mac))
        bulk.update(connection, table, [*keys, "mac"], rows)
        count += len(rows)
    return count


def _rows_of_students(connection: Connection, cohort: str) -> Iterator[tuple[Table, list[SealedRow]]]:
    for low, high in raw_rows.shares(connection, cohort):
        share = raw_rows.share(connection, cohort, low, high)
        yield tables.student, share.people
        yield tables.record, share.records
        yield tables.decision, share.decisions
        yield tables.certificate, share.certificates


#: The rows kept for runs, and the columns that their seals cover.
_KEPT = {tables.pending: ("run", "digest", "snapshot", "look"), tables.reversal: ("run", "records")}


def _kept_values(values: raw_rows.Values) -> raw_rows.Values:
    """Return the values that a seal covers: an answer from before its impact was stored has none."""
    return tuple(value for value in values if value is not None)


def _seal_kept(connection: Connection, seals: Seals, cohort: str) -> None:
    """Seal the kept answers of suspended runs and the replaced records, so that they can still be used."""
    for table, columns in _KEPT.items():
        for values in raw_rows.rows(connection, table, columns, raw_rows.of_cohort(table, cohort)):
            mac = seals.row(table.name, _kept_values(values))
            connection.execute(update(table).where(table.c.run == values[0]).values(mac=mac))


def _refuse_altered(connection: Connection, old: Seals, cohort: str, head: LedgerHead) -> None:
    """Raise LedgerRefused unless every row, set and source matches the ledger's head."""
    weights: Counter[str] = Counter()
    altered = False
    groups = (*_rows_of_students(connection, cohort), *_rows_behind(connection, cohort))
    for table, found in groups:
        for row in found:
            name = BEHIND.get(table.name) or set_of(table, row.values)
            altered = altered or row.mac is None or old.row(table.name, row.values) != row.mac
            weights[name] += old.weight(row.mac)
    sets = {*weights, *(name for name in head.words if is_set(name))}
    altered = altered or any(
        moved(NOTHING, weights[name]).hex() != head.words.get(name, NOTHING.hex()) for name in sets
    )
    for table, columns in _KEPT.items():
        for row in raw_rows.sealed(connection, table, columns, raw_rows.of_cohort(table, cohort)):
            altered = altered or old.row(table.name, _kept_values(row.values)) != row.mac
    state = tables.source_state
    for values in raw_rows.rows(connection, state, raw_rows.STATE, state.c.cohort == cohort):
        known = head.words.get(state_of(values[1]))
        altered = altered or (old.digest("source", values) != known and values[2:] != raw_rows.BLANK_STATE)
    if altered:
        raise LedgerRefused(
            tr(
                "Rows of {cohort} do not match the ledger, and a new key would hide that. See what differs with "
                "`clearance verify`, restore a backup that verifies, then run this again.",
                cohort=cohort,
            )
        )


def _rows_behind(connection: Connection, cohort: str) -> Iterator[tuple[Table, list[SealedRow]]]:
    for name in BEHIND:
        table = tables.marks.tables[name]
        yield table, raw_rows.sealed(connection, table, raw_rows.SEALED[name], raw_rows.of_cohort(table, cohort))
