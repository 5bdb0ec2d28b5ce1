"""One pass of delivery: claim what is due, make one message for each recipient, send it, and record it at once.

A recipient who has just received a message waits for the end of the digest window; what comes meanwhile is one message.
Each channel sends in a thread of its own, so that a silent server delays no other.
"""

import hashlib
import threading
from collections.abc import Callable, Mapping, Sequence
from contextvars import copy_context
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from foundation.translation import in_language, tr, tr_n
from status_db.accounts.audit_log import Audit, AuditEvent
from status_db.outbox.delivery import Outbox, OutboxRow, RecipientState
from status_db.outbox.rows import Notice
from status_db.store.engine import StoreError
from sync.notify.channels.port import Channel, DeliveryFailed, EventText, Message, Recipient
from sync.notify.recipients import OF_STUDENTS

#: How long after each failed try the next one follows. After the last one the delivery is given up.
DELAYS = tuple(timedelta(seconds=seconds) for seconds in (30, 60, 120, 300, 900, 1800, 3600, 7200, 14400, 28800, 43200))

#: A pass ends well before its claims do.
_PASS_LASTS = 120.0

#: The most keys that a line of the audit log names.
_MOST_KEYS = 20


@dataclass(frozen=True, slots=True)
class Parcel:
    """The rows that one recipient receives as one message."""

    recipient: Recipient
    rows: tuple[tuple[Outbox, OutboxRow], ...]


@dataclass
class _Results:
    """What the channels' threads have done in a pass."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    #: Outbox and row → recipient → its state.
    states: dict[tuple[str, int], dict[str, RecipientState]] = field(default_factory=dict)
    sent: int = 0

    def note(self, row: OutboxRow, key: str, state: RecipientState) -> None:
        with self.lock:
            self.states.setdefault((row.part, row.number), {})[key] = state
            self.sent += state.sent is not None


class Delivery:
    """Delivers the notices of both outboxes."""

    def __init__(
        self,
        outboxes: Sequence[Outbox],
        recipients: Callable[[], Callable[[Notice], tuple[Recipient, ...]]],
        word: Callable[[OutboxRow, datetime], EventText | None],
        channels: Mapping[str, Channel],
        audit: Audit,
        clock: Callable[[], datetime],
        window: timedelta,
        language: str,
        owner: Callable[[], str],
        gone: Callable[[str], bool],
    ) -> None:
        """`word` returns a notice's text, or None when there is nothing to tell any more."""
        self._outboxes = outboxes
        self._recipients = recipients
        self._word = word
        self._channels = channels
        self._audit = audit
        self._clock = clock
        self._window = window
        self._language = language
        self._owner = owner
        self._gone = gone
        self._log = structlog.get_logger("clearance.notify")
        #: Channel → the thread that still sends there.
        self._busy: dict[str, threading.Thread] = {}

    def run(self) -> int:
        """Deliver what is due; return how many notices reached a recipient. Raises StoreError."""
        now, owner = self._clock(), self._owner()
        claimed = [(box, row) for box in self._outboxes for row in box.claim(now, owner, self._gone)]
        if not claimed:
            return 0
        results = _Results()
        wanted = self._wanted(claimed)
        waits: dict[tuple[str, int], datetime] = {}
        parcels = self._parcels(claimed, wanted, waits, now)
        threads = [self._begin(name, own, owner, results) for name, own in parcels.items() if not self._is_busy(name)]
        for thread in threads:
            thread.join(_PASS_LASTS)
        for box, row in claimed:
            self._settle(box, row, wanted[row.part, row.number], results, waits, owner)
        return results.sent

    def _wanted(self, claimed: Sequence[tuple[Outbox, OutboxRow]]) -> dict[tuple[str, int], tuple[Recipient, ...]]:
        recipients_of = self._recipients()
        return {(row.part, row.number): recipients_of(row.notice) for _, row in claimed}

    def _parcels(
        self,
        claimed: Sequence[tuple[Outbox, OutboxRow]],
        wanted: Mapping[tuple[str, int], tuple[Recipient, ...]],
        waits: dict[tuple[str, int], datetime],
        now: datetime,
    ) -> dict[str, list[Parcel]]:
        """Return channel → its parcels; `waits` gets when a row continues whose recipient waits for the window."""
        last: dict[str, datetime] = {}
        for box in self._outboxes:
            for key, sent in box.last_sent(now - self._window).items():
                last[key] = max(sent, last.get(key, sent))
        together: dict[str, tuple[Recipient, list[tuple[Outbox, OutboxRow]]]] = {}
        for box, row in claimed:
            for recipient in wanted[row.part, row.number]:
                state = row.progress.get(recipient.key)
                if state is not None and (state.over or (state.due is not None and state.due > now)):
                    continue
                if recipient.key in last:
                    until = last[recipient.key] + self._window
                    place = (row.part, row.number)
                    waits[place] = min(until, waits.get(place, until))
                    continue
                _, rows = together.setdefault(recipient.key, (recipient, []))
                rows.append((box, row))
        parcels: dict[str, list[Parcel]] = {}
        for recipient, rows in together.values():
            parcels.setdefault(recipient.channel, []).append(Parcel(recipient, tuple(rows)))
        return parcels

    def _is_busy(self, name: str) -> bool:
        thread = self._busy.get(name)
        return thread is not None and thread.is_alive()

    def _begin(self, name: str, parcels: Sequence[Parcel], owner: str, results: _Results) -> threading.Thread:
        def send_all() -> None:
            for parcel in parcels:
                try:
                    self._send(parcel, owner, results)
                except StoreError as error:
                    self._log.error("delivery not recorded", recipient=parcel.recipient.key, message=str(error))
                except Exception:  # noqa: BLE001 - the other recipients still get theirs
                    self._log.exception("delivery broke", recipient=parcel.recipient.key)

        thread = threading.Thread(target=copy_context().run, args=(send_all,), name=f"notify {name}", daemon=True)
        self._busy[name] = thread
        thread.start()
        return thread

    def _send(self, parcel: Parcel, owner: str, results: _Results) -> None:
        now, key = self._clock(), parcel.recipient.key
        texts = [(box, row, self._word(row, now)) for box, row in parcel.rows]
        shown = tuple(text for _, _, text in texts if text is not None)
        failed: DeliveryFailed | None = None
        if shown:
            try:
                answer = self._channels[parcel.recipient.channel].send(self._message(parcel, shown), parcel.recipient)
            except DeliveryFailed as error:
                failed = error
                self._log.warning("not delivered", recipient=key, message=str(error))
            else:
                self._log.info("delivered", recipient=key, notices=len(shown), answer=answer)
        states = {(row.part, row.number): self._state(row, key, failed, now) for _, row in parcel.rows}
        given_up = failed is not None and any(state.over for state in states.values())
        if shown and (failed is None or given_up):
            # Before the outbox, so that no delivery is without its line, even if this process is killed in between.
            self._note(parcel, failed, now)
        for box in self._outboxes:
            own = [row for other, row in parcel.rows if other is box]
            for row in own:
                state = states[row.part, row.number]
                box.record([row.number], owner, key, state)
                results.note(row, key, state)

    @staticmethod
    def _state(row: OutboxRow, key: str, failed: DeliveryFailed | None, now: datetime) -> RecipientState:
        before = row.progress.get(key, RecipientState())
        if failed is None:
            return RecipientState(sent=now, tries=before.tries + 1)
        last = failed.final or before.tries >= len(DELAYS)
        due = None if last else now + DELAYS[before.tries]
        return RecipientState(tries=before.tries + 1, due=due, failed=str(failed))

    def _message(self, parcel: Parcel, texts: tuple[EventText, ...]) -> Message:
        keys = "\n".join([parcel.recipient.key, *sorted(text.key for text in texts)])
        subject = texts[0].title
        if len(texts) > 1:
            with in_language(self._language):
                more = tr_n("and {number} more message", "and {number} more messages", len(texts) - 1)
            subject = f"{subject} ({more})"
        return Message(hashlib.sha256(keys.encode()).hexdigest()[:32], subject, texts)

    def _note(self, parcel: Parcel, failed: DeliveryFailed | None, now: datetime) -> None:
        """Add the line of the audit log."""
        rows = [row for _, row in parcel.rows]
        students = {row.notice.student for row in rows if row.notice.event in OF_STUDENTS}
        about = rows[0].notice
        detail: dict[str, str] = {"channel": parcel.recipient.channel}
        if parcel.recipient.name and not students:
            detail["to"] = parcel.recipient.name
        if failed is not None:
            detail["because"] = str(failed)
        self._audit.note(
            AuditEvent.NOTIFIED if failed is None else AuditEvent.NOT_NOTIFIED,
            account="",
            now=now,
            cohort=about.cohort,
            student=about.student if students else None,
            run=None,
            address="",
            notices=[row.notice.key for row in rows[:_MOST_KEYS]],
            count=len(rows),
            **detail,
        )

    def _settle(
        self,
        box: Outbox,
        row: OutboxRow,
        recipients: tuple[Recipient, ...],
        results: _Results,
        waits: Mapping[tuple[str, int], datetime],
        owner: str,
    ) -> None:
        """Close a row that is delivered to all, or release it until its next try."""
        now, place = self._clock(), (row.part, row.number)
        states = {**row.progress, **results.states.get(place, {})}
        own = [states.get(recipient.key) for recipient in recipients]
        if all(state is not None and state.over for state in own):
            failed = next((state.failed for state in own if state is not None and state.sent is None), "")
            if not recipients:
                failed = tr("nobody receives it: no account with this grant has an address, and no group is set up")
            box.close(row.number, owner, now, failed)
            return
        later = [state.due for state in own if state is not None and state.due is not None]
        later += [waits[place]] if place in waits else []
        box.release([(row.number, min(later, default=now + DELAYS[0]))], owner)
