"""What a channel is: it sends one message, or returns why it could not."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from config.tables.notify import NotifyEvent
from config.tables.plain_text import plain
from foundation.refusals import Refused

#: The longest part of a server's own words that is kept.
_SHOWN = 200


class DeliveryCode(StrEnum):
    """Why a message was not sent."""

    #: The settings or a secret cannot be used.
    SETTINGS = "settings"
    #: No connection to the server.
    UNREACHABLE = "unreachable"
    #: The server accepted the connection and did not answer in time.
    SILENT = "silent"
    #: The server did not accept the message.
    REFUSED = "refused"
    #: The recipient is wrong: another try will not help.
    RECIPIENT = "recipient"


class DeliveryFailed(Refused[DeliveryCode]):
    """A message that was not sent; the text has the reason and the fix, and no secret."""

    @property
    def final(self) -> bool:
        """Whether another try will not help."""
        return self.code is DeliveryCode.RECIPIENT


@dataclass(frozen=True, slots=True)
class EventText:
    """One event in the words of a language."""

    event: NotifyEvent
    #: The same each time this event is delivered.
    key: str
    title: str
    lines: tuple[str, ...] = ()
    link: str = ""
    #: For programs: cohort, source, run and counts.
    data: tuple[tuple[str, object], ...] = ()


@dataclass(frozen=True, slots=True)
class Message:
    """What one recipient receives at once: one event, or several that came close together."""

    #: The same for the same events to the same recipient.
    id: str
    subject: str
    events: tuple[EventText, ...]

    def text(self, most_bytes: int | None = None) -> str:
        """Return all events as text; at most this many bytes of UTF-8, with the number of those left out."""
        blocks = ["\n".join((one.title, *one.lines, *([one.link] if one.link else []))) for one in self.events]
        text = "\n\n".join(blocks)
        if most_bytes is None or len(text.encode()) <= most_bytes:
            return text
        shown = [one.title for one in self.events]
        text = "\n".join([*shown, *([self.events[0].link] if self.events[0].link else [])])
        return (
            text if len(text.encode()) <= most_bytes else text.encode()[: most_bytes - 3].decode(errors="ignore") + "…"
        )


@dataclass(frozen=True, slots=True)
class Recipient:
    """The recipient of a message, and the channel to it."""

    channel: str
    #: The mail address; empty for a group.
    address: str = ""
    #: Names it in the outbox: an account or a student; empty for a group.
    name: str = ""
    #: The members of a group who are mentioned.
    mentions: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Return the name by which the outbox keeps what this recipient has received."""
        return f"{self.channel}:{self.name}" if self.name else self.channel


class Channel(Protocol):
    """Sends messages."""

    def send(self, message: Message, recipient: Recipient) -> str:
        """Send a message and return what the server answered. Raises DeliveryFailed."""

    def reach(self) -> str:
        """Try to reach the server without sending anything; return how it answered. Raises DeliveryFailed."""


def shown(words: str, secrets: Sequence[str] = ()) -> str:
    """Return a server's words as one short line without these secrets."""
    for secret in secrets:
        if secret:
            words = words.replace(secret, "***")
    return " ".join(plain(words).split())[:_SHOWN]
