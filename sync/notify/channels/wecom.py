"""WeCom's 企业微信 group robot: a text of at most 2,048 bytes, which may mention members by their userid.

As its document of message push says: POST …/cgi-bin/webhook/send?key=…, 20 messages a minute for each robot.
"""

import json

from config.tables.notify import Webhook
from sync.notify.channels import http
from sync.notify.channels.port import Message, Recipient

TABLE = "notify.wecom"

_MOST_BYTES = 2048


class WecomChannel:
    """Sends to one group."""

    def __init__(self, settings: Webhook, waits: http.Waits = http.Waits()) -> None:  # noqa: B008 - it is frozen
        self._settings = settings
        self._waits = waits

    def send(self, message: Message, recipient: Recipient) -> str:
        """Send one text."""
        url = http.address(TABLE, self._settings.url)
        text: dict[str, object] = {"content": message.text(_MOST_BYTES)}
        if recipient.mentions:
            text["mentioned_list"] = list(recipient.mentions)
        body = json.dumps({"msgtype": "text", "text": text}, ensure_ascii=False).encode()
        answer = http.post(TABLE, url, body, self._settings.authority, self._waits)
        return http.checked_errcode(TABLE, answer, url)

    def reach(self) -> str:
        """Connect to the server."""
        return http.reach(TABLE, self._settings.url, self._settings.authority, self._waits)
