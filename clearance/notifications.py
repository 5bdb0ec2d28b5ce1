"""The notifications of one settings file, put together: channels, delivery, the background thread, and checks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from config.tables.notify import NotifyEvent
from config.tables.secrets import unusable_in
from foundation.translation import tr, tr_n
from status_db.model import digest_of
from status_db.store.engine import StoreError

if TYPE_CHECKING:
    from clearance.services import Program
    from config.tables.notify import Notify
    from status_db.outbox.delivery import OutboxRow
    from sync.notify.channels.port import Channel, EventText
    from sync.notify.deliver import Delivery
    from sync.notify.recipients import Recipients
    from sync.notify.service import NotifyService
    from sync.notify.watch import Watch
    from sync.verify.desk import DeskReport
    from sync.verify.report import VerifyReport

#: Deliveries that were given up count as a warning for this long.
_WARNED_FOR = timedelta(days=7)


def channels_of(notify: Notify) -> dict[str, Channel]:
    """Return the channels that are set up, by name."""
    from sync.notify.channels.dingtalk import DingtalkChannel
    from sync.notify.channels.mail import MailChannel
    from sync.notify.channels.webhook import WebhookChannel
    from sync.notify.channels.wecom import WecomChannel

    found: dict[str, Channel] = {}
    if notify.mail is not None:
        found["mail"] = MailChannel(notify.mail)
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


def enter_verified(program: Program, reports: Sequence[tuple[str | None, VerifyReport | DeskReport]]) -> None:
    """Enter each failed check of a cohort, or of the desk, once; one that succeeds ends it. Raises StoreError."""
    from status_db import tables
    from status_db.outbox.rows import Notice, close_again, enter
    from status_db.store.engine import writing

    now = program.clock()
    with writing(program.writing, "outbox") as connection:
        for cohort, report in reports:
            if report.sound:
                close_again(connection, NotifyEvent.VERIFY_FAILED, cohort, now)
                continue
            found = [f"{one.table} {one.key} {one.what}".encode() for one in report.disagreements]
            faults = sum(1 + one.more for one in report.disagreements)
            key = f"verify-failed:{cohort or 'accounts'}:{digest_of(found).hex()[:16]}"
            notice = Notice(NotifyEvent.VERIFY_FAILED, key, cohort, data={"faults": faults})
            enter(connection, tables.outbox, [notice], now)


def notify_warnings(program: Program) -> list[str]:
    """Return what keeps notifications from their recipients, each with the fix. It sends nothing."""
    from sync.notify.channels.port import DeliveryFailed

    notify = program.settings.notify
    if not notify.enabled:
        return []
    lines: list[str] = []
    if not (program.settings.portal.public_url or program.settings.portal.desk_public_url):
        lines.append(tr("messages contain no link. Set public_url in [portal]"))
    for name, channel in channels_of(notify).items():
        if unusable := list(unusable_in(getattr(notify, name))):
            lines += [f"[notify.{name}] {key}: {why}" for key, why in unusable]
            continue
        try:
            channel.reach()
        except DeliveryFailed as error:
            lines.append(f"[notify.{name}]: {error}")
    try:
        if notify.mail is not None and (without := recipients_of(program).without_address()):
            lines.append(
                tr(
                    "no mail address: {accounts}. Enter it: clearance accounts addresses ACCOUNT --mail ADDRESS",
                    accounts=", ".join(without),
                )
            )
        since = program.clock() - _WARNED_FOR
        if failed := sum(box.failed_since(since) for box in program.outboxes):
            lines.append(
                tr_n(
                    "{number} notification could not be delivered in the last 7 days. See: clearance notify list",
                    "{number} notifications could not be delivered in the last 7 days. See: clearance notify list",
                    failed,
                )
            )
    except StoreError as error:
        lines.append(str(error))
    return lines
