"""The chains of the audit log, and their heads: the newest line, and the digests of the sets of sealed rows."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, exists, select

from status_db import tables
from status_db.desk import seals as desk_seals
from status_db.desk.seals import SEALED
from status_db.ledger import raw_rows
from status_db.ledger.seals import Seals
from status_db.store.engine import StoreCode, StoreError

#: The two chains.
WITH_LEDGER, OF_PAGES = "desk", "pages"

#: The audit lines that are older than the chains; the head of `desk` covers them in order.
LINES_BEFORE = "lines before"


class RowAltered(StoreError):  # noqa: N818 - named by what is so
    """A sealed row does not match its seal: another program has written it."""

    code = StoreCode.ALTERED


@dataclass(slots=True)
class AuditHead:
    """The head of a chain: its newest line, its last removed line, and the digests of the sets."""

    link: int
    line_mac: bytes
    removed_to: int
    removed_mac: bytes
    sets: dict[str, str]

    def columns(self, chain: str) -> dict[str, Any]:
        """Return the columns of its row, without the seal."""
        return {
            "chain": chain,
            "link": self.link,
            "line_mac": self.line_mac,
            "removed_to": self.removed_to,
            "removed_mac": self.removed_mac,
            "sets": dict(sorted(self.sets.items())),
        }


def any_sealed(connection: Connection) -> bool:
    """Return whether any row is sealed with the ledger's key."""
    if connection.execute(select(exists().where(tables.audit_head.c.chain == WITH_LEDGER))).scalar_one():
        return True
    found = (select(exists().where(each.table.c.mac.is_not(None))) for each in SEALED.values())
    return any(connection.execute(query).scalar_one() for query in found)


def digest_of_lines_before(connection: Connection, seals: Seals) -> str:
    """Return the digest of the audit lines that belong to no chain, in their order; empty where there are none."""
    over, table = seals.running("lines"), tables.audit
    columns = ("line", *desk_seals.LINE)
    for values in raw_rows.pages(connection, table, columns, table.c.line, table.c.chain.is_(None)):
        over.add(values)
    return over.digest() if over.rows else ""
