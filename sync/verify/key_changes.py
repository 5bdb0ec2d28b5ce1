"""The keys of a ledger: which one seals each link, where the key was changed or begun again after it was lost."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from foundation.translation import tr
from status_db.ledger import raw_rows
from status_db.ledger.pending_link import LinkKind
from status_db.ledger.reader import LedgerReader
from status_db.ledger.seals import NOTHING, Seals
from status_db.ledger.sets import KEY
from sync.verify.disagreements import DisagreementList

_NUMBER, _KIND, _AT, _SETS = (raw_rows.LINK.index(name) for name in ("link", "kind", "at", "sets"))
_APPROVED = "approved by "


class KeyChanges:
    """Which key seals which link. A key that is missing without an approved new beginning is a disagreement."""

    def __init__(self, reader: LedgerReader, newest: Seals, former: Mapping[str, Seals]) -> None:
        self.newest = newest
        self._known = {newest.fingerprint: newest, **former}
        changes = reader.key_changes()
        first = next(reader.links())
        start = next((s for s in self._known.values() if s.link(NOTHING, first.values) == first.mac), None)
        #: The first link of each key, and the key; None where its file is missing.
        # Where no key was ever changed, an altered first link is reported by its seal.
        start = start or (None if changes else newest)
        self._parts: list[tuple[int, Seals | None]] = [(1, start)]
        self._missing: list[tuple[int, str]] = [] if start is not None else [(1, "")]
        self._beginnings: list[tuple[int, str, Any]] = []
        for link in changes:
            words = _words(link.values[_SETS])
            begins = link.values[_KIND] == LinkKind.BEGINNING
            number, fingerprint = link.values[_NUMBER], words.get(KEY if begins else "next key", "")
            number = number if begins else number + 1
            self._parts.append((number, self._known.get(fingerprint)))
            if fingerprint not in self._known:
                self._missing.append((number, fingerprint))
            if begins:
                by = next((n.removeprefix(_APPROVED) for n in words if n.startswith(_APPROVED)), "")
                self._beginnings.append((number, by, link.values[_AT]))

    def of_link(self, number: int) -> Seals | None:
        """Return the key of a link; None where its file is missing."""
        return [seals for first, seals in self._parts if first <= number][-1]

    def covered_by_beginning(self, number: int) -> bool:
        """Return whether a link is before a new beginning, which covers its flips."""
        return bool(self._beginnings) and number < self._beginnings[-1][0]

    def of_beginning(self) -> Seals:
        """Return the key of the last new beginning; the newest one where there is none."""
        return (self.of_link(self._beginnings[-1][0]) if self._beginnings else None) or self.newest

    def report(self, found: DisagreementList) -> None:
        """Add a disagreement for each key whose file is missing, unless a new beginning covers its links."""
        for number, fingerprint in self._missing:
            if not self.covered_by_beginning(number):
                found.add(
                    "ledger",
                    "former key",
                    tr("link {number}", number=number),
                    tr(
                        "and the next ones are sealed with the key {key}, whose file is missing: restore it beside "
                        "the ledger's key",
                        key=fingerprint[:8] or "?",
                    ),
                )

    def notes(self, zone: ZoneInfo) -> tuple[str, ...]:
        """Return a line for each new beginning, which stays visible for good."""
        return tuple(
            tr(
                "a key was lost: {by} approved a new beginning at link {number} on {at}. Rows from before were sealed "
                "again without a check",
                by=by,
                number=number,
                at=_moment(at, zone),
            )
            for number, by, at in self._beginnings
        )


def _words(text: object) -> dict[str, str]:
    try:
        return {str(name): str(value) for name, value in json.loads(str(text)).items()}
    except (ValueError, AttributeError):
        # The check of the link's seal reports that it was altered.
        return {}


def _moment(at: object, zone: ZoneInfo) -> str:
    if isinstance(at, str):
        try:
            at = datetime.fromisoformat(at)
        except ValueError:
            return str(at)
    return f"{at.astimezone(zone):%Y-%m-%d}" if isinstance(at, datetime) else ""
