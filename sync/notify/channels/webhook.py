"""A webhook of the institution's own: JSON, signed with HMAC-SHA256 over the timestamp, a full stop, and the body.

Each event has a key that stays the same when it is delivered again, by which the receiver drops a repetition.
"""

import hashlib
import hmac

from config.tables.notify import SignedWebhook
from foundation.translation import tr
from sync.notify.channels import http
from sync.notify.channels.port import Message, Recipient


def signature(secret: str, timestamp: int, body: bytes) -> str:
    """Return the value of the header X-Clearance-Signature."""
    return "sha256=" + hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()


class WebhookChannel(http.HttpChannel[SignedWebhook]):
    """Sends to one address."""

    table = "notify.webhook"

    def send(self, message: Message, recipient: Recipient) -> str:  # noqa: ARG002 - as of the port
        """Send the events as one JSON object."""
        url = self._address()
        secret = self._secret(self._settings.secret)
        events = [
            {"event": one.event.value, "key": one.key, "title": one.title, "lines": list(one.lines), "link": one.link}
            | dict(one.data)
            for one in message.events
        ]
        body = http.json_bytes({"id": message.id, "subject": message.subject, "events": events})
        timestamp = int(self._clock())
        headers = {
            "X-Clearance-Timestamp": str(timestamp),
            "X-Clearance-Signature": signature(secret, timestamp, body),
            "Idempotency-Key": message.id,
        }
        http.post(self.table, url, body, self._settings.authority, self._waits, headers)
        return tr("accepted")
