"""What `verify` and `check` have to do with notifications."""

from collections.abc import Sequence
from datetime import timedelta

from clearance.notify.assembly import channels_of, recipients_of
from clearance.output.code_words import joined
from clearance.services import Program
from config.tables.notify import NotifyEvent
from config.tables.secrets import unusable_in
from foundation.translation import tr, tr_n
from status_db import tables
from status_db.model import digest_of
from status_db.outbox.rows import Notice, close_again, enter
from status_db.store.engine import StoreError, writing
from sync.notify.channels.port import DeliveryFailed
from sync.verify.desk import DeskReport
from sync.verify.report import VerifyReport

#: Deliveries that were given up count as a warning for this long.
_WARNED_FOR = timedelta(days=7)


def enter_verified(program: Program, reports: Sequence[tuple[str | None, VerifyReport | DeskReport]]) -> None:
    """Enter each failed check of a cohort, or of the desk, once; one that succeeds ends it. Raises StoreError."""
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
    notify = program.settings.notify
    if not notify.enabled:
        return []
    lines: list[str] = []
    if not (program.settings.portal.public_url or program.settings.portal.desk_public_url):
        lines.append(tr("messages contain no link. Set public_url in [portal]"))
    for name, channel in channels_of(notify).items():
        if unusable := list(unusable_in(getattr(notify, name))):
            lines += [tr("[notify.{name}] {key}: {why}", name=name, key=key, why=why) for key, why in unusable]
            continue
        try:
            channel.reach()
        except DeliveryFailed as error:
            lines.append(str(error))
    try:
        if notify.mail is not None and (without := recipients_of(program).without_address()):
            lines.append(
                tr(
                    "no mail address: {accounts}. Enter it: clearance accounts addresses ACCOUNT --mail ADDRESS",
                    accounts=joined(without),
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
