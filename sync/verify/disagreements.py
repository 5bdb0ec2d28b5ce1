"""Disagreements as text: the first of each kind, and how many more."""

from dataclasses import dataclass, replace

#: The order in which tables are reported: tables that prove others come first.
_ORDER = (
    "ledger", "run", "flip", "applied_settings", "source_state", "student", "record", "decision", "certificate",
    "status", "wave", "opinion", "batch", "audit_head", "audit", "account", "grant", "staff_session", "code", "token",
    "request", "announcement", "objection", "upload", "retention_run",
    "passkey", "recovery_code", "factor_step", "pending_change", "account_address", "source_pause",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Disagreement:
    """One row that is not as it was written, or does not follow from the rows it depends on."""

    table: str
    #: The key of the row, as a person writes it.
    key: str
    what: str
    #: How many more of the same kind.
    more: int = 0


class DisagreementList:
    """Collects disagreements; keeps the first of each kind."""

    def __init__(self) -> None:
        self._kinds: dict[tuple[str, str], Disagreement] = {}

    def add(self, table: str, kind: str, key: str, what: str) -> None:
        """Add one; of a known kind, only count it."""
        known = self._kinds.get((table, kind))
        self._kinds[table, kind] = replace(known, more=known.more + 1) if known else Disagreement(table, key, what)

    def anything_in(self, *tables: str) -> bool:
        """Return whether something in these tables does not agree."""
        return any(table in tables for table, _ in self._kinds)

    def listed(self) -> tuple[Disagreement, ...]:
        """Return the first of each kind, table by table."""
        return tuple(sorted(self._kinds.values(), key=lambda d: _ORDER.index(d.table)))
