"""A webhook of the institution's own: JSON, signed with HMAC-SHA256 over the timestamp, a full stop, and the body.

Each event has a key that stays the same when it is delivered again, by which the receiver drops a repetition.
"""

import hashlib
import hmac
import json
import time
from collections.abc import Callable

from config.tables.notify import SignedWebhook
from foundation.translation import tr
from sync.notify.channels import http
from sync.notify.channels.port import Message, Recipient

TABLE = "notify.webhook"


def signature(secret: str, timestamp: int, body: bytes) -> str:
    """Return the value of the header X-Clearance-Signature."""
    return "sha256=" + hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()


class WebhookChannel:
    """Sends to one address."""

    def __init__(
        self,
        settings: SignedWebhook,
        waits: http.Waits = http.Waits(),  # noqa: B008 - it is frozen
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`clock` returns the real time in seconds, by which the receiver checks the timestamp."""
        self._settings = settings
        self._waits = waits
        self._clock = clock

    def send(self, message: Message, recipient: Recipient) -> str:  # noqa: ARG002 - as of the port
        """Send the events as one JSON object."""
        url = http.address(TABLE, self._settings.url)
        secret = http.reveal(TABLE, "secret", self._settings.secret)
        events = [
            {"event": one.event.value, "key": one.key, "title": one.title, "lines": list(one.lines), "link": one.link}
            | dict(one.data)
            for one in message.events
        ]
        body = json.dumps({"id": message.id, "subject": message.subject, "events": events}, ensure_ascii=False).encode()
        timestamp = int(self._clock())
        headers = {
            "X-Clearance-Timestamp": str(timestamp),
            "X-Clearance-Signature": signature(secret, timestamp, body),
            "Idempotency-Key": message.id,
        }
        http.post(TABLE, url, body, self._settings.authority, self._waits, headers)
        return tr("accepted")

    def reach(self) -> str:
        """Connect to the server."""
        return http.reach(TABLE, self._settings.url, self._settings.authority, self._waits)
