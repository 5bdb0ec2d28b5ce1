"""A new key for the desk's rows and for the chains of the audit log. A line of the chain names the new key."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Table, delete, func, insert, or_, select, update

from foundation.translation import tr
from status_db import tables
from status_db.desk import seals as desk_seals
from status_db.desk.audit_chain import LINES_BEFORE, OF_PAGES, WITH_LEDGER, AuditHead, digest_of_lines_before
from status_db.desk.seals import ACCOUNT, SEALED, SealedTable
from status_db.desk.store import DeskStore
from status_db.ledger.key import LedgerRefused
from status_db.ledger.seals import NOTHING, Seals, moved
from status_db.store.engine import writing
from status_db.store.turns import DESK

#: The event of the line that names a new key.
KEY_CHANGED = "key_changed"


def change_ledger_key(engine: Engine, old: Seals, new: Seals, now: datetime, by: str) -> bool:
    """Seal every row and the head again; return False where that was done. Raises LedgerRefused for altered rows."""
    with writing(engine, DESK, "desk") as connection:
        head = _head(connection, WITH_LEDGER)
        if head is None or _sealed_head(connection, WITH_LEDGER, new):
            return False
        if not _sealed_head(connection, WITH_LEDGER, old) or not _rows_agree(connection, old, head):
            raise LedgerRefused(
                tr(
                    "Rows of accounts or grants do not match their seals, and a new key would hide that. See what "
                    "differs with `clearance verify`, restore a backup that verifies, then run this again."
                )
            )
        _add_line(connection, WITH_LEDGER, head, old, now, by, {"key": new.fingerprint})
        _write_head(connection, WITH_LEDGER, head, new, _seal_rows(connection, new))
    return True


def begin_again(engine: Engine, new: Seals, now: datetime, by: str, approved_by: str) -> bool:
    """Seal every row as it is after a key was lost; the new line states who approved it. Return as above."""
    with writing(engine, DESK, "desk") as connection:
        head = _head(connection, WITH_LEDGER)
        if head is None or _sealed_head(connection, WITH_LEDGER, new):
            return False
        detail = {"key": new.fingerprint, "lost": "yes", "approved_by": approved_by}
        _add_line(connection, WITH_LEDGER, head, new, now, by, detail)
        _write_head(connection, WITH_LEDGER, head, new, _seal_rows(connection, new))
    return True


def change_desk_key(
    store: DeskStore, old: Seals, new: Seals, now: datetime, by: str, factor: Callable[[bytes], bytes]
) -> dict[str, int] | None:
    """Have second factors and the pages' chain use a new desk key; None where that was done.

    `factor` turns a sealed secret of a second factor. Keyed hashes cannot be turned: one-time codes, recovery codes and
    identity hashes are removed. Returns how many of each.
    """
    with store.writing() as entry:
        connection = entry.connection
        head = _head(connection, OF_PAGES)
        named = select(tables.audit.c.detail).where(tables.audit.c.event == KEY_CHANGED)
        if any(detail.get("key") == new.fingerprint for detail in connection.execute(named).scalars()):
            return None
        has_secret = or_(tables.account.c.second_factor.is_not(None), tables.account.c.identity.is_not(None))
        done = {
            "second_factor": _count(connection, tables.account, tables.account.c.second_factor.is_not(None)),
            "identity": _count(connection, tables.account, tables.account.c.identity.is_not(None)),
        }
        with entry.changing(ACCOUNT, has_secret):
            for account, sealed in connection.execute(
                select(tables.account.c.account, tables.account.c.second_factor).where(has_secret)
            ).all():
                turned = factor(sealed) if sealed is not None else None
                connection.execute(
                    update(tables.account)
                    .where(tables.account.c.account == account)
                    .values(second_factor=turned, identity=None, identity_at=None)
                )
        for sealed in (SEALED["code"], SEALED["recovery_code"]):
            done[sealed.name] = _count(connection, sealed.table)
            with entry.changing(sealed):
                connection.execute(delete(sealed.table))
        connection.execute(delete(tables.attempt))
        entry.note(KEY_CHANGED, account=by, now=now, detail={"key": new.fingerprint, "of": "desk"})
        if head is not None:
            _add_line(connection, OF_PAGES, head, old, now, by, {"key": new.fingerprint})
            _write_head(connection, OF_PAGES, head, new, head.sets)
    return done


def _count(connection: Connection, table: Table, *where: Any) -> int:  # noqa: ANN401 - conditions
    return connection.execute(select(func.count()).select_from(table).where(*where)).scalar_one()


def _head(connection: Connection, chain: str) -> AuditHead | None:
    table = tables.audit_head
    row = connection.execute(select(table).where(table.c.chain == chain)).one_or_none()
    if row is None:
        return None
    return AuditHead(row.link, row.line_mac, row.removed_to, row.removed_mac, dict(row.sets))


def _sealed_head(connection: Connection, chain: str, seals: Seals) -> bool:
    table = tables.audit_head
    row = connection.execute(select(table).where(table.c.chain == chain)).mappings().one()
    return bool(seals.desk_row("audit_head", desk_seals.head_values(row)) == row["mac"])


def _rows(connection: Connection, sealed: SealedTable) -> Iterator[Mapping[Any, Any]]:
    yield from connection.execute(select(sealed.table).where(sealed.table.c.mac.is_not(None))).mappings().all()


def _rows_agree(connection: Connection, old: Seals, head: AuditHead) -> bool:
    for sealed in SEALED.values():
        weight = 0
        for row in _rows(connection, sealed):
            if not sealed.agrees(old, row):
                return False
            weight += old.weight(row["mac"])
        if sealed.counted and moved(NOTHING, weight).hex() != head.sets.get(sealed.name, NOTHING.hex()):
            return False
    return True


def _seal_rows(connection: Connection, new: Seals) -> dict[str, str]:
    """Seal every sealed row again; return the digests of the sets."""
    sets: dict[str, str] = {}
    for sealed in SEALED.values():
        weight = 0
        for row in _rows(connection, sealed):
            mac = sealed.seal(new, row)
            same = [column == row[column.key] for column in sealed.table.primary_key]
            connection.execute(update(sealed.table).where(*same).values(mac=mac))
            weight += new.weight(mac)
        if sealed.counted and weight:
            sets[sealed.name] = moved(NOTHING, weight).hex()
    if before := digest_of_lines_before(connection, new):
        sets[LINES_BEFORE] = before
    return sets


def _add_line(
    connection: Connection,
    chain: str,
    head: AuditHead,
    seals: Seals,
    now: datetime,
    by: str,
    detail: dict[str, str],
) -> None:
    row: dict[str, Any] = {"at": now, "account": by[:100], "event": KEY_CHANGED, "cohort": None, "student": None}
    row |= {"run": None, "detail": detail, "address": "command line"}
    head.link += 1
    head.line_mac = seals.link(head.line_mac, desk_seals.line_values(chain, head.link, row))
    connection.execute(insert(tables.audit).values(**row, chain=chain, link=head.link, mac=head.line_mac))


def _write_head(connection: Connection, chain: str, head: AuditHead, seals: Seals, sets: Mapping[str, str]) -> None:
    head.sets = dict(sets)
    columns = head.columns(chain)
    mac = seals.desk_row("audit_head", desk_seals.head_values(columns))
    connection.execute(update(tables.audit_head).where(tables.audit_head.c.chain == chain).values(**columns, mac=mac))
