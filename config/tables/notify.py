"""Settings of the notifications: the channels, who receives which event, and when.

Secrets are read when a message is sent, by the process that sends it.
"""

import ipaddress
import re
from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from config.tables.base import CronLine, ShortKey, Span, Table
from config.tables.secrets import FilePath, Secret, Text
from foundation.translation import tr


class NotifyEvent(StrEnum):
    """The events that people are notified of."""

    RUN_SUSPENDED = "run_suspended"
    #: The first answer of a source waits for approval.
    FIRST_ANSWER = "first_answer"
    #: A suspended run expires soon.
    APPROVAL_LAPSES = "approval_lapses"
    SOURCE_FAILING = "source_failing"
    SOURCE_BACK = "source_back"
    SOURCE_STALE = "source_stale"
    VERIFY_FAILED = "verify_failed"
    BACKUP_OLD = "backup_old"
    #: To class teachers: their students with something to do.
    CLASS_DIGEST = "class_digest"
    #: To a student.
    STEP_CHANGED = "step_changed"
    APPEAL_ANSWERED = "appeal_answered"
    #: To a student with something to do, sent by the class teacher.
    REMINDER = "reminder"


#: Events about the system. Messages about them contain counts and no student.
Operational = Literal[
    "run_suspended", "first_answer", "approval_lapses", "source_failing", "source_back", "source_stale",
    "verify_failed", "backup_old",
]  # fmt: skip

OPERATIONAL: tuple[Operational, ...] = (
    "run_suspended", "first_answer", "approval_lapses", "source_failing", "source_back", "source_stale",
    "verify_failed", "backup_old",
)  # fmt: skip

_MAIL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,250}[A-Za-z0-9])?")


def is_mail_address(text: str) -> bool:
    """Return whether this is one plain mail address: no name, no list, ASCII only."""
    return _MAIL.fullmatch(text) is not None


def is_allowed_mail(address: str, domains: Sequence[str]) -> bool:
    """Return whether a mail address is in one of these domains, which are lower case; True if there is none."""
    return not domains or address.rpartition("@")[2].lower() in domains


def _checked_domain(text: str) -> str:
    domain = text.lower()
    if not is_mail_address(f"x@{domain}"):
        raise ValueError(
            tr('"{text}" is not a domain of mail addresses: write one such as "example.edu.cn", without @', text=text)
        )
    return domain


def _checked_sender(text: str) -> str:
    if not is_mail_address(text):
        raise ValueError(tr('"{text}" is not a mail address: write one such as "clearance@example.edu.cn"', text=text))
    return text


def wrong_address(url: str) -> str:
    """Return why a webhook's address cannot be used, with the fix; empty if it can. The text has no part of it."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return tr("the address is not a URL: write one that begins with https://")
    if parts.scheme == "https" and host:
        return ""
    if parts.scheme == "http" and (host == "localhost" or _is_loopback(host)):
        return ""
    return tr("the address does not begin with https://, so others could read the messages: write an https:// address")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Mail(Table):
    """The mail server. The connection is always encrypted."""

    #: The mail server.
    host: Text
    #: The server's port. By default 587 for `"starttls"` and 465 for `"implicit"`.
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    #: `"starttls"`: encryption begins with the STARTTLS command. `"implicit"`: it begins with the connection.
    tls: Literal["starttls", "implicit"] = "starttls"
    #: A file with the certificates of the server's authority. By default this machine's list of authorities.
    authority: FilePath | None = None
    #: The user name at the mail server. Leave it out if the server accepts mail of this machine without a password.
    user: Text = ""
    #: The password of `user`; set both, or neither.
    password: Secret | None = None
    #: The address that the messages come from.
    sender: Annotated[Text, AfterValidator(_checked_sender)]

    @property
    def port_used(self) -> int:
        """The port: the given one, or the usual one of the kind of TLS."""
        return self.port or (465 if self.tls == "implicit" else 587)


class Webhook(Table):
    """A robot of a WeCom group."""

    #: The whole address: https, or http on this machine. It contains the robot's key, so it is a secret.
    url: Secret
    #: The events that are sent here; by default all events about the system.
    events: list[Operational] = list(OPERATIONAL)
    #: A file with the certificates of the server's authority. By default this machine's list of authorities.
    authority: FilePath | None = None


class DingTalk(Webhook):
    """A robot of a DingTalk group. With a secret, each message is signed."""

    #: The key with which each message is signed. Without it, messages are not signed.
    secret: Secret | None = None


class SignedWebhook(Webhook):
    """An address of the institution's own that receives JSON with a signature."""

    #: The whole address: https, or http on this machine. It is a secret, because it can contain a key.
    url: Secret
    #: The key with which each request is signed; see [the signature](notifications.md#receive-the-webhook).
    secret: Secret


class Recipients(Table):
    """Event → the acts whose holders receive it by mail and are mentioned in groups. An empty list: no account."""

    #: A run is suspended.
    run_suspended: list[Literal["manage", "audit"]] = ["manage"]
    #: The first answer of a source waits for approval.
    first_answer: list[Literal["manage", "audit"]] = ["manage"]
    #: A suspended run expires in less than `approval_reminder`.
    approval_lapses: list[Literal["manage", "audit"]] = ["manage"]
    #: A source fails: see `failing_after_tries`.
    source_failing: list[Literal["manage", "audit"]] = ["manage"]
    #: A failing source answers again.
    source_back: list[Literal["manage", "audit"]] = ["manage"]
    #: The data of a source are out of date, and it is not known to fail.
    source_stale: list[Literal["manage", "audit"]] = ["manage"]
    #: `clearance verify` found altered or lost rows.
    verify_failed: list[Literal["manage", "audit"]] = ["manage"]
    #: The newest backup is older than `backup_within`.
    backup_old: list[Literal["manage", "audit"]] = ["manage"]


class Students(Table):
    """Messages to students: off unless a column with their addresses is named."""

    #: The roster field with the mail address, as in [roster] columns.
    mail: ShortKey
    #: The events that a student is notified of: a step becomes, or is no longer, not cleared; an appeal is answered; a
    #: class teacher sends a reminder.
    events: list[Literal["step_changed", "appeal_answered", "reminder"]] = [
        "step_changed",
        "appeal_answered",
        "reminder",
    ]


class Notify(Table):
    """Who is notified of what, and how."""

    #: The language of the messages; by default the institution's first.
    language: Literal["zh", "en"] | None = None
    #: The channel to each account and student, at their own mail address.
    mail: Mail | None = None
    #: The domains that mail is sent to, such as `["example.edu.cn"]`; a subdomain is a domain of its own. An address
    #: elsewhere is refused where it is entered, and when a mail is sent. By default every domain is allowed.
    mail_domains: list[Annotated[Text, AfterValidator(_checked_domain)]] = []
    #: The channel to a WeCom group.
    wecom: Webhook | None = None
    #: The channel to a DingTalk group.
    dingtalk: DingTalk | None = None
    #: The channel to a program of the institution's own.
    webhook: SignedWebhook | None = None
    #: Who receives each event about the system.
    recipients: Recipients = Recipients()
    #: Messages to students; they need `mail`. Without this table, students get none.
    students: Students | None = None
    #: After a message, further ones to the same recipient are collected for this long and sent as one.
    digest_window: Annotated[Span, Field(ge=timedelta(seconds=10))] = timedelta(minutes=5)
    #: A source counts as failing after this many failed tries in a row, or after `failing_after`.
    failing_after_tries: Annotated[int, Field(ge=1)] = 3
    #: A source counts as failing when it has failed for this long, or after `failing_after_tries`.
    failing_after: Annotated[Span, Field(ge=timedelta(minutes=1))] = timedelta(hours=2)
    #: A suspended run is mentioned again this long before it expires.
    approval_reminder: Annotated[Span, Field(ge=timedelta(hours=1), le=timedelta(hours=71))] = timedelta(hours=12)
    #: The folder that `clearance backup` writes to; without it, old backups are not reported.
    backups: FilePath | None = None
    #: The newest backup must not be older than this.
    backup_within: Annotated[Span, Field(ge=timedelta(hours=1))] = timedelta(hours=26)
    #: When class teachers get their digest, such as `"30 7 * * 1-5"`, in the institution's time zone; it needs `mail`.
    #: Without it, they get none.
    class_digest: CronLine | None = None

    @property
    def enabled(self) -> bool:
        """Whether there is a channel. Without one, nothing is entered."""
        return bool(self.channels)

    @property
    def channels(self) -> tuple[str, ...]:
        """The names of the channels that are set up, mail first."""
        return tuple(name for name in CHANNELS if getattr(self, name) is not None)

    @property
    def student_events(self) -> frozenset[str]:
        """The events that students are notified of; none unless there is mail and a column with their addresses."""
        return frozenset(self.students.events) if self.students is not None and self.mail is not None else frozenset()

    def acts_of(self, event: NotifyEvent) -> tuple[str, ...]:
        """Return the acts whose holders receive an event about the system."""
        return tuple(getattr(self.recipients, event.value, ()))


#: The channels, in the order in which they are listed.
CHANNELS = ("mail", "wecom", "dingtalk", "webhook")
