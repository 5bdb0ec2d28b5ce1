"""DingTalk's 钉钉 group robot. With a secret, the address carries a timestamp and a signature over it.

As its document of custom robots says: the signature is the HMAC-SHA256 of "timestamp\\nsecret" with the secret as its
key, in base64; the timestamp is in milliseconds and valid for an hour; 20 messages a minute for each robot.
"""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from urllib.parse import quote_plus

from config.tables.notify import DingTalk
from sync.notify.channels import http
from sync.notify.channels.port import Message, Recipient

TABLE = "notify.dingtalk"

#: Longer texts are cut on a phone anyway.
_MOST_BYTES = 4096


def signed(url: str, secret: str, milliseconds: int) -> str:
    """Return the address with timestamp and signature."""
    mac = hmac.new(secret.encode(), f"{milliseconds}\n{secret}".encode(), hashlib.sha256).digest()
    joined = "&" if "?" in url else "?"
    return f"{url}{joined}timestamp={milliseconds}&sign={quote_plus(base64.b64encode(mac))}"


class DingtalkChannel:
    """Sends to one group."""

    def __init__(
        self,
        settings: DingTalk,
        waits: http.Waits = http.Waits(),  # noqa: B008 - it is frozen
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`clock` returns the real time in seconds, by which the server checks the signature."""
        self._settings = settings
        self._waits = waits
        self._clock = clock

    def send(self, message: Message, recipient: Recipient) -> str:
        """Send one text."""
        url = http.address(TABLE, self._settings.url)
        if self._settings.secret is not None:
            secret = http.reveal(TABLE, "secret", self._settings.secret)
            url = signed(url, secret, int(self._clock() * 1000))
        text = message.text(_MOST_BYTES)
        at: dict[str, object] = {"isAtAll": False}
        if recipient.mentions:
            at["atUserIds"] = list(recipient.mentions)
        body = json.dumps({"msgtype": "text", "text": {"content": text}, "at": at}, ensure_ascii=False).encode()
        answer = http.post(TABLE, url, body, self._settings.authority, self._waits)
        return http.checked_errcode(TABLE, answer, url)

    def reach(self) -> str:
        """Connect to the server."""
        return http.reach(TABLE, self._settings.url, self._settings.authority, self._waits)
