"""DingTalk's 钉钉 group robot. With a secret, the address carries a timestamp and a signature over it.

By its document of custom robots: the signature is the HMAC-SHA256 of "timestamp\\nsecret" with the secret as its
key, in base64; the timestamp is in milliseconds and valid for an hour; 20 messages a minute for each robot.
"""

import base64
import hashlib
import hmac
from urllib.parse import quote_plus

from config.tables.notify import DingTalk
from sync.notify.channels import http
from sync.notify.channels.port import Message, Recipient

#: Longer texts are cut on a phone anyway.
_MOST_BYTES = 4096


def signed(url: str, secret: str, milliseconds: int) -> str:
    """Return the address with timestamp and signature."""
    mac = hmac.new(secret.encode(), f"{milliseconds}\n{secret}".encode(), hashlib.sha256).digest()
    joined = "&" if "?" in url else "?"
    return f"{url}{joined}timestamp={milliseconds}&sign={quote_plus(base64.b64encode(mac))}"


class DingtalkChannel(http.HttpChannel[DingTalk]):
    """Sends to one group."""

    table = "notify.dingtalk"

    def send(self, message: Message, recipient: Recipient) -> str:
        """Send one text."""
        url = self._address()
        if self._settings.secret is not None:
            secret = self._secret(self._settings.secret)
            url = signed(url, secret, int(self._clock() * 1000))
        text = message.text(_MOST_BYTES)
        at: dict[str, object] = {"isAtAll": False}
        if recipient.mentions:
            at["atUserIds"] = list(recipient.mentions)
        return self._post(url, {"msgtype": "text", "text": {"content": text}, "at": at})
