"""What does not agree, in words: the first of each kind, and how many more."""

from dataclasses import dataclass, replace

#: The order in which tables are told: what vouches for others comes first.
_ORDER = (
    "ledger", "run", "flip", "applied_settings", "source_state", "student", "record", "decision", "certificate",
    "status", "wave", "opinion", "batch", "audit_head", "audit", "account", "grant", "staff_session", "code", "token",
    "request", "announcement", "objection", "upload", "retention_run",
    "passkey", "recovery_code", "factor_step", "pending_change",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Disagreement:
    """One row, or one place, that is not as it was written, or does not follow from what it rests on."""

    table: str
    #: Which row: its key, as a person writes it.
    key: str
    what: str
    #: So many more of the same kind.
    more: int = 0


class DisagreementList:
    """Collects what does not agree; keeps the first of each kind."""

    def __init__(self) -> None:
        self._kinds: dict[tuple[str, str], Disagreement] = {}

    def add(self, table: str, kind: str, key: str, what: str) -> None:
        """Note one; of a kind that was noted before, only that there is one more."""
        known = self._kinds.get((table, kind))
        self._kinds[table, kind] = replace(known, more=known.more + 1) if known else Disagreement(table, key, what)

    def anything_in(self, *tables: str) -> bool:
        """Say whether something in these tables does not agree."""
        return any(table in tables for table, _ in self._kinds)

    def listed(self) -> tuple[Disagreement, ...]:
        """Return the first of each kind, table by table."""
        return tuple(sorted(self._kinds.values(), key=lambda d: _ORDER.index(d.table)))
