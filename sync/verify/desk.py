"""The desk's rows: each seal, the digests of their sets, and the chains of the audit log."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Table, select

from foundation.translation import tr
from status_db import tables
from status_db.desk import seals as desk_seals
from status_db.desk.audit_chain import LINES_BEFORE, OF_PAGES, WITH_LEDGER, any_sealed, digest_of_lines_before
from status_db.desk.seals import NOT_SEALED, SEALED, SealedTable
from status_db.ledger import raw_rows
from status_db.ledger.seals import NOTHING, Seals, moved
from sync.verify.disagreements import Disagreement, DisagreementList

_LINE = ("link", *desk_seals.LINE, "mac")
_CHAINED = (WITH_LEDGER, OF_PAGES)


@dataclass(frozen=True, slots=True)
class DeskReport:
    """What was checked in the desk's database, and what does not agree."""

    looked_at: Mapping[str, int]
    #: Chain → its newest line and that line's seal as hex, as the log has them.
    heads: Mapping[str, tuple[int, str]]
    disagreements: tuple[Disagreement, ...]
    notes: tuple[str, ...]

    @property
    def sound(self) -> bool:
        """Return whether everything agrees."""
        return not self.disagreements


def verify_desk(
    connection: Connection, seals: Seals, of_pages: Seals | None, heads: Mapping[tuple[str, int], str] | None = None
) -> DeskReport:
    """Check every sealed row and every audit line of the desk, in the one consistent read of `connection`.

    `seals` are made with the ledger's key, `of_pages` with the desk's. `heads` are chain and line → the line's seal as
    hex, from the log: only they can show that the newest lines were cut off together with the rows they cover.
    """
    check = _DeskCheck(
        connection, {WITH_LEDGER: seals} | ({OF_PAGES: of_pages} if of_pages is not None else {}), heads or {}
    )
    check.check_all()
    return DeskReport(check.looked_at, check.newest, check.found.listed(), check.notes)


class _DeskCheck:
    def __init__(self, connection: Connection, seals: dict[str, Seals], heads: Mapping[tuple[str, int], str]) -> None:
        self._connection = connection
        self._seals = seals
        self._logged = heads
        self.found = DisagreementList()
        self.looked_at: dict[str, int] = {}
        self.newest: dict[str, tuple[int, str]] = {}
        self.notes: tuple[str, ...] = ()

    def check_all(self) -> None:
        heads = {row["chain"]: row for row in self._raw_rows(tables.audit_head)}
        if WITH_LEDGER not in heads:
            if any_sealed(self._connection) or any(chain == WITH_LEDGER for chain, _ in self._logged):
                self.found.add("audit_head", "gone", WITH_LEDGER, tr("is missing, but rows are sealed under it"))
            elif self._any_staff():
                self.notes = (tr("accounts and grants are not sealed yet. Seal them: clearance accounts seal"),)
            return
        for chain in sorted(heads.keys() - set(_CHAINED)):
            self.found.add(
                "audit_head", "unknown", str(chain), tr("is not the head of a chain that this program writes")
            )
        line = tables.audit.c
        for number, chain in raw_rows.fetched(
            self._connection, select(line.line, line.chain).where(line.chain.not_in(_CHAINED)).order_by(line.line)
        ):
            self.found.add(
                "audit",
                "unknown",
                tr("line {number}", number=number),
                tr("is not in a chain that this program writes ({chain})", chain=chain),
            )
        sets = self._check_head(WITH_LEDGER, heads[WITH_LEDGER])
        for sealed in SEALED.values():
            self._check_rows(sealed, sets.get(sealed.name, NOTHING.hex()))
        if (digest_of_lines_before(self._connection, self._seals[WITH_LEDGER]) or None) != sets.get(LINES_BEFORE):
            self.found.add("audit", "before", tr("lines without a chain"), tr("have changed since the chain was begun"))
        for chain in _CHAINED:
            if chain not in self._seals:
                self.notes += (
                    tr("the key of the audit log's chain {chain} is missing: its lines were not checked", chain=chain),
                )
                continue
            if chain in heads and chain != WITH_LEDGER:
                self._check_head(chain, heads[chain])
            self._check_chain(chain, heads.get(chain))
        left_out = tr(", ").join(tr("{table} ({why})", table=table, why=tr(why)) for table, why in NOT_SEALED.items())
        self.notes += (tr("not sealed: {tables}", tables=left_out),)

    def _any_staff(self) -> bool:
        account = tables.account
        query = select(account.c.account).where(account.c.student.is_(None)).limit(1)
        return self._connection.execute(query).first() is not None

    def _raw_rows(self, table: Table) -> list[dict[str, Any]]:
        """Return rows as the driver returns them, so that any altered value shows."""
        columns = tuple(column.key for column in table.columns)
        return [dict(zip(columns, values, strict=True)) for values in raw_rows.rows(self._connection, table, columns)]

    def _check_head(self, chain: str, head: Mapping[str, Any]) -> dict[str, str]:
        values = desk_seals.head_values(head)
        if self._seals[chain].desk_row("audit_head", values) != head["mac"]:
            self.found.add("audit_head", "seal", chain, tr("does not match its seal"))
        try:
            sets = tables.Json().process_result_value(head["sets"], self._connection.dialect)
        except ValueError:
            return {}
        return sets if isinstance(sets, dict) else {}

    def _check_rows(self, sealed: SealedTable, expected: str) -> None:
        seals, weight = self._seals[WITH_LEDGER], 0
        for row in self._raw_rows(sealed.table):
            key = sealed.key(row)
            self.looked_at[sealed.name] = self.looked_at.get(sealed.name, 0) + 1
            weight += seals.weight(row["mac"])
            if row["mac"] is None:
                if sealed.when(row):
                    self.found.add(sealed.name, "unsealed", key, tr("has no seal: another program wrote it"))
            elif not sealed.agrees(seals, row):
                self.found.add(sealed.name, "seal", key, tr("does not match its seal"))
        if sealed.counted and moved(NOTHING, weight).hex() != expected:
            what = tr("do not match the set in the head: rows were removed, added, or restored to an older state")
            self.found.add(sealed.name, "set", tr("rows of {table}", table=sealed.name), what)

    def _check_chain(self, chain: str, head: Mapping[str, Any] | None) -> None:
        removed, before = (head["removed_to"], head["removed_mac"]) if head is not None else (0, NOTHING)
        expected, seals, last = removed + 1, self._seals[chain], before
        for row in self._chain_lines(chain):
            link = row["link"]
            if link != expected:
                self.found.add("audit", "gap", f"{chain} {expected}", tr("is missing"))
            elif seals.link(last, desk_seals.line_values(chain, link, row)) != row["mac"]:
                self.found.add("audit", "seal", f"{chain} {link}", tr("does not match its seal"))
            logged = self._logged.get((chain, link))
            if logged is not None and logged != bytes(row["mac"] or b"").hex():
                self.found.add("audit", "head", f"{chain} {link}", tr("does not match the seal in the log"))
            expected, last = (link if isinstance(link, int) else expected) + 1, row["mac"] or b""
            self.looked_at["audit"] = self.looked_at.get("audit", 0) + 1
        newest = expected - 1
        in_head = (head["link"], head["line_mac"]) if head is not None else (0, NOTHING)
        if (newest, last) != in_head:
            self.found.add(
                "audit", "newest", f"{chain} {in_head[0]}", tr("is not the newest line, but the head names it")
            )
        for at, link in self._logged:
            if at == chain and link > newest:
                self.found.add(
                    "audit", "cut", f"{chain} {link}", tr("is in the log, but missing here: lines were cut off")
                )
        self.newest[chain] = (newest, bytes(last).hex())

    def _chain_lines(self, chain: str) -> Iterator[dict[str, Any]]:
        table = tables.audit
        # Some at a time: a log of three years has many.
        for values in raw_rows.pages(self._connection, table, _LINE, table.c.link, table.c.chain == chain):
            yield dict(zip(_LINE, values, strict=True))
