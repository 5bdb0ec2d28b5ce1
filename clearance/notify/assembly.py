"""The notifications of one settings file, put together: channels, recipients, delivery, and the background thread."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from config.tables.notify import NotifyEvent

if TYPE_CHECKING:
    from clearance.services import Program
    from config.tables.notify import Notify
    from status_db.outbox.delivery import OutboxRow
    from sync.notify.channels.port import Channel, EventText
    from sync.notify.deliver import Delivery
    from sync.notify.recipients import Recipients
    from sync.notify.service import NotifyService
    from sync.notify.watch import Watch


def channels_of(notify: Notify) -> dict[str, Channel]:
    """Return the channels that are set up, by name."""
    from sync.notify.channels.dingtalk import DingtalkChannel
    from sync.notify.channels.mail import MailChannel
    from sync.notify.channels.webhook import WebhookChannel
    from sync.notify.channels.wecom import WecomChannel

    found: dict[str, Channel] = {}
    if notify.mail is not None:
        found["mail"] = MailChannel(notify.mail, domains=notify.mail_domains)
    if notify.wecom is not None:
        found["wecom"] = WecomChannel(notify.wecom)
    if notify.dingtalk is not None:
        found["dingtalk"] = DingtalkChannel(notify.dingtalk)
    if notify.webhook is not None:
        found["webhook"] = WebhookChannel(notify.webhook)
    return found


def recipients_of(program: Program) -> Recipients:
    """Return who receives what."""
    from sync.notify.recipients import Recipients

    return Recipients(program.settings, program.accounts, program.addresses, program.reading)


def delivery_and_watch(program: Program, clock: Callable[[], datetime] | None = None) -> tuple[Delivery, Watch]:
    """Return the delivery of both outboxes, and the watch over conditions. This opens both databases."""
    from sync.notify.deliver import Delivery
    from sync.notify.digest import ClassDigests
    from sync.notify.watch import Watch
    from sync.notify.wording import Wording
    from sync.run import process_id

    settings, now = program.settings, clock or program.clock
    wording = Wording(settings)
    digests = ClassDigests(settings, program.accounts, program.lists, wording)

    def word(row: OutboxRow, at: datetime) -> EventText | None:
        if row.notice.event is NotifyEvent.CLASS_DIGEST:
            return digests.text(row.notice, at)
        return wording.of(row.notice, row.created)

    delivery = Delivery(
        program.outboxes,
        recipients_of(program).now,
        word,
        channels_of(settings.notify),
        program.audit,
        now,
        settings.notify.digest_window,
        wording.language,
        process_id.next_turn,
        process_id.is_gone,
    )
    return delivery, Watch(settings, program.reading, *program.outboxes, digests, now)


def notify_service(program: Program) -> NotifyService | None:
    """Return the background thread; None where no channel is set up."""
    from sync.notify.service import NotifyService

    if not program.settings.notify.enabled:
        return None
    delivery, watch = delivery_and_watch(program)
    return NotifyService(delivery.run, watch.look, lambda: sum(box.prune(program.clock()) for box in program.outboxes))
