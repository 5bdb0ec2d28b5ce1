"""Refused sign-ins in the audit log, combined so that many guesses do not hide other events.

The first try of an account from an address is written at once. Further tries within ten minutes are counted, and
written as lines with their number: each time the total has doubled, when the ten minutes are over, and when the pages
stop. The numbers add up to all tries; a process that is killed loses at most as many as it has written.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from anyio import to_thread

from foundation.metrics import count_sign_in_failure
from status_db.accounts.audit_log import Audit, AuditEvent
from status_db.store.engine import StoreError

#: Tries are summed up for this long.
PERIOD = timedelta(minutes=10)

#: At most this many pairs of account and address are counted at once. Above it, the oldest is written.
_MOST = 1_000


@dataclass(slots=True)
class _Tries:
    account: str
    address: str
    detail: Mapping[str, str]
    began: datetime
    written: int = 0
    waiting: int = 0
    since: datetime | None = None


@dataclass(slots=True)
class RefusedTries:
    """Counts the refused tries of one process."""

    audit: Audit
    clock: Callable[[], datetime]
    _tries: dict[tuple[str, ...], _Tries] = field(default_factory=dict)

    async def note(self, name: str, account: str, address: str, /, **detail: str) -> None:
        """Count a refused try. `name` is as typed; `account` is empty if no account has it. Raises StoreError.

        Every name is counted separately, even if it has no account, so that both kinds take the same work.
        """
        count_sign_in_failure(detail.get("method", "other"))
        now, key = self.clock(), (name[:100], address, *detail.values())
        found = self._tries.get(key)
        if found is not None and now - found.began >= PERIOD:
            await self._end(key)
            found = None
        if found is None:
            while len(self._tries) >= _MOST:
                await self._end(next(iter(self._tries)))
            found = self._tries[key] = _Tries(account, address, detail, now)
            loop = asyncio.get_running_loop()
            loop.call_later(PERIOD.total_seconds(), lambda: loop.create_task(self._period_over(key, found)))
        found.waiting += 1
        found.since = found.since or now
        if found.waiting >= found.written:
            await self._add_line(found)

    async def _period_over(self, key: tuple[str, ...], tries: _Tries) -> None:
        """Stop counting under a key, unless counting began again meanwhile."""
        if self._tries.get(key) is tries:
            # What cannot be written now is written with the next try, or when the process stops.
            with suppress(StoreError):
                await self._end(key)

    async def _end(self, key: tuple[str, ...]) -> None:
        """Stop counting under a key, and write what is left. Raises StoreError: then the count is kept."""
        ended = self._tries.pop(key, None)
        if ended is None:
            return
        try:
            await self._add_line(ended)
        except StoreError:
            kept = self._tries.setdefault(key, ended)
            if kept is not ended:
                kept.waiting, kept.since = kept.waiting + ended.waiting, ended.since
            raise

    async def _add_line(self, tries: _Tries) -> None:
        if not tries.waiting:
            return
        count, since = tries.waiting, tries.since
        # Tries during this write wait for the next line.
        tries.waiting, tries.since, tries.written = 0, None, tries.written + count
        try:
            await to_thread.run_sync(self._write, tries, count, since)
        except StoreError:
            tries.waiting, tries.since, tries.written = tries.waiting + count, since, tries.written - count
            raise

    def _write(self, tries: _Tries, count: int, since: datetime | None) -> None:
        detail: dict[str, str | int | list[str]] = {**tries.detail}
        if count > 1 and since is not None:
            detail |= {"tries": count, "since": since.isoformat()}
        self.audit.note(
            AuditEvent.SIGN_IN_REFUSED,
            account=tries.account,
            now=self.clock(),
            cohort=None,
            student=None,
            run=None,
            address=tries.address,
            **detail,
        )

    def close(self) -> None:
        """Write what is left. Raises StoreError."""
        left, self._tries = self._tries, {}
        for tries in left.values():
            if tries.waiting:
                self._write(tries, tries.waiting, tries.since)
