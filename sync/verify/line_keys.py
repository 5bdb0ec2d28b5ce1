"""The keys of a chain of the audit log: which one seals each line, where a line names a new key."""

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, select

from foundation.translation import tr
from status_db import tables
from status_db.desk import seals as desk_seals
from status_db.desk.rekey import KEY_CHANGED
from status_db.ledger import raw_rows
from status_db.ledger.seals import Seals

_LINE = ("link", *desk_seals.LINE, "mac")


class LineKeys:
    """Follows the keys of one chain, line by line."""

    def __init__(
        self, connection: Connection, chain: str, newest: Seals, former: Mapping[str, Seals], before: bytes
    ) -> None:
        self._chain = chain
        self._known = {newest.fingerprint: newest, **former}
        #: Why lines could not be checked; empty where each could.
        self.missing = ""
        self.notes: tuple[str, ...] = ()
        rows = self._changes(connection)
        self._lost_before = max((row["link"] for row in rows if "lost" in _detail(row)), default=0)
        for row in rows:
            if "lost" in (detail := _detail(row)):
                self.notes += (
                    tr(
                        "a key was lost: {by} approved a new beginning at line {link} of the audit log. Rows from "
                        "before were sealed again without a check",
                        by=detail.get("approved_by", ""),
                        link=row["link"],
                    ),
                )
        self._seals: Seals | None = newest
        if rows:
            first = self._rows(connection, tables.audit.c.link.asc())
            self._seals = next((s for s in self._known.values() if first and self._fits(s, before, first[0])), None)

    def agrees(self, last: bytes, row: Mapping[str, Any]) -> bool:
        """Return whether the next line matches its seal; True for lines before a new beginning."""
        detail = _detail(row) if row["event"] == KEY_CHANGED and "of" not in _detail(row) else {}
        if "lost" in detail:
            self._seals = self._known.get(detail.get("key", ""))
        fits = self._seals is None or self._fits(self._seals, last, row)
        if self._seals is None and row["link"] >= self._lost_before:
            self.missing = tr("has lines that are sealed with a key whose file is missing: restore it")
        if detail and "lost" not in detail:
            self._seals = self._known.get(detail.get("key", ""))
        return fits

    def _fits(self, seals: Seals, last: bytes, row: Mapping[str, Any]) -> bool:
        return bool(seals.link(last, desk_seals.line_values(self._chain, row["link"], row)) == row["mac"])

    def _changes(self, connection: Connection) -> list[dict[str, Any]]:
        found = self._rows(connection, tables.audit.c.link.asc(), tables.audit.c.event == KEY_CHANGED, limit=None)
        return [row for row in found if "of" not in _detail(row)]

    def _rows(
        self,
        connection: Connection,
        order: Any,  # noqa: ANN401 - an order of SQLAlchemy
        *where: Any,  # noqa: ANN401 - conditions
        limit: int | None = 1,
    ) -> list[dict[str, Any]]:
        table = tables.audit
        query = select(*(table.c[name] for name in _LINE)).where(table.c.chain == self._chain, *where)
        rows = raw_rows.fetched(connection, query.order_by(order).limit(limit))
        return [dict(zip(_LINE, values, strict=True)) for values in rows]


def _detail(row: Mapping[str, Any]) -> dict[str, str]:
    try:
        detail = row["detail"]
        found = json.loads(detail) if isinstance(detail, str) else detail
        return {str(name): str(value) for name, value in found.items()}
    except (ValueError, AttributeError):
        return {}
