"""WeCom's 企业微信 group robot: a text of at most 2,048 bytes, which may mention members by their userid.

By its document of message push: POST …/cgi-bin/webhook/send?key=…, 20 messages a minute for each robot.
"""

from config.tables.notify import Webhook
from sync.notify.channels import http
from sync.notify.channels.port import Message, Recipient

_MOST_BYTES = 2048


class WecomChannel(http.HttpChannel[Webhook]):
    """Sends to one group."""

    table = "notify.wecom"

    def send(self, message: Message, recipient: Recipient) -> str:
        """Send one text."""
        url = self._address()
        text: dict[str, object] = {"content": message.text(_MOST_BYTES)}
        if recipient.mentions:
            text["mentioned_list"] = list(recipient.mentions)
        return self._post(url, {"msgtype": "text", "text": text})
