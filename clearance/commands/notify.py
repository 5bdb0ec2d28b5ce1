"""Commands about notifications: try a channel, list what was sent, and enter where accounts receive them."""

import hashlib
from enum import StrEnum
from typing import Annotated

import typer

from clearance.actor import Author, author_of, note
from clearance.context import ERROR, Json, chosen, ends_well, fail
from clearance.notify.assembly import channels_of, recipients_of
from clearance.output import tables
from clearance.output.code_words import joined, word
from clearance.services import Program
from config.tables.notify import CHANNELS, NotifyEvent
from foundation.translation import in_language, tr
from status_db.accounts.accounts import normalise_account
from status_db.accounts.addresses import NotifyAddresses
from status_db.accounts.audit_log import AuditEvent
from status_db.outbox.rows import Notice
from sync.notify.channels.port import DeliveryFailed, EventText, Message, Recipient
from sync.notify.wording import Wording

ChannelName = StrEnum("ChannelName", {name: name for name in CHANNELS})  # type: ignore[misc]


@ends_well
def try_channels(
    context: typer.Context,
    *,
    channel: Annotated[ChannelName | None, typer.Option("--channel", help="Try only this channel.")] = None,
    to: Annotated[str, typer.Option("--to", help="Mail to this account (default: all that receive events).")] = "",
    json: Json = False,
) -> None:
    """Send a test message on each channel, and print what the server answered."""
    program = chosen(context).program()
    notify = program.settings.notify
    wanted = [channel.value] if channel is not None else list(notify.channels)
    if not wanted or any(name not in notify.channels for name in wanted):
        if not wanted:
            known = joined(f"[notify.{name}]" for name in CHANNELS)
            fail(
                tr(
                    "there is no channel in the settings. Add one of {tables}, as docs/notifications.md shows.",
                    tables=known,
                )
            )
        fail(
            tr(
                "there is no channel {name} in the settings. Add [notify.{name}], as docs/notifications.md shows.",
                name=wanted[0],
            )
        )
    found: list[dict[str, str]] = []
    channels = channels_of(notify)
    for recipient in _recipients(program, to):
        if recipient.channel not in wanted:
            continue
        where = recipient.address or recipient.channel
        try:
            answer, failed = channels[recipient.channel].send(_test_message(program, recipient), recipient), ""
        except DeliveryFailed as error:
            answer, failed = "", str(error)
        found.append({"channel": recipient.channel, "to": where, "answer": answer, "failed": failed})
        if not json:
            head, style = (tr("fails"), "red") if failed else (tr("sent"), "green")
            tables.line(tables.padded(head, 7), style, f" {where}: {failed or answer}")
    lacking = [name for name in wanted if all(one["channel"] != name for one in found)]
    if json:
        tables.as_json(found)
    for name in lacking:
        tables.ERR.print(
            tr(
                "{name}: no account that receives events has an address. Enter one: "
                "clearance accounts addresses ACCOUNT --mail ADDRESS",
                name=name,
            ),
            markup=False,
        )
    if lacking or any(one["failed"] for one in found):
        raise typer.Exit(ERROR)


def _recipients(program: Program, to: str) -> list[Recipient]:
    if to:
        address = program.addresses.of(to).mail
        return [Recipient("mail", address, normalise_account(to))] if address else []
    recipients_now = recipients_of(program).now()
    everybody = [
        one
        for event in program.settings.notify.recipients.__class__.model_fields
        for one in recipients_now(Notice(NotifyEvent(event), "test"))
    ]
    return list({one.key: one for one in everybody}.values())


def _test_message(program: Program, recipient: Recipient) -> Message:
    wording = Wording(program.settings)
    with in_language(wording.language):
        title = tr("Test of the notifications of {name}", name=program.settings.institution.name)
        line = tr("If you can read this, this channel works. Nothing has happened.")
    key = f"test:{recipient.key}:{program.clock().isoformat()}"
    event = EventText(NotifyEvent.SOURCE_BACK, key, title, (line,), wording.staff_link("/", None))
    return Message(hashlib.sha256(key.encode()).hexdigest()[:32], title, (event,))


@ends_well
def list_notices(
    context: typer.Context,
    *,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Show at most this many of each database.")] = 100,
    json: Json = False,
) -> None:
    """List notifications, the newest first: what waits, what was delivered, and what failed."""
    program = chosen(context).program()
    zone = program.settings.institution.timezone
    rows = sorted(
        (row for box in program.outboxes for row in box.listed(limit)), key=lambda row: row.created, reverse=True
    )
    if json:
        tables.as_json(
            [
                {
                    "event": row.notice.event,
                    "key": row.notice.key,
                    "cohort": row.notice.cohort,
                    "source": row.notice.source,
                    "created": row.created,
                    "state": row.state,
                    "due": row.due,
                    "tries": row.tries,
                    "delivered": row.delivered,
                    "failed": row.failed,
                    "recipients": row.progress,
                }
                for row in rows
            ]
        )
        return
    tables.table(
        (tr("created"), tr("event"), tr("about"), tr("state"), tr("tries"), tr("why")),
        (
            (
                tables.moment(row.created, zone),
                word(row.notice.event),
                row.notice.key,
                word(row.state),
                str(row.tries),
                row.failed or next((one.failed for one in row.progress.values() if one.failed), ""),
            )
            for row in rows
        ),
        none=tr("There are no notifications: no event has happened yet, or none is set up to be notified."),
    )


@ends_well
def addresses(
    context: typer.Context,
    account: str,
    *,
    mail: Annotated[str | None, typer.Option("--mail", help='Mail address; "" removes it.')] = None,
    wecom: Annotated[str | None, typer.Option("--wecom", help='WeCom userid; "" removes it.')] = None,
    dingtalk: Annotated[str | None, typer.Option("--dingtalk", help='DingTalk userid; "" removes it.')] = None,
    author: Author = "",
    json: Json = False,
) -> None:
    """Show where an account receives notifications, or change that."""
    program, name = chosen(context).program(), normalise_account(account)
    given = {"mail": mail, "wecom": wecom, "dingtalk": dingtalk}
    wanted = {key: text for key, text in given.items() if text is not None}
    if wanted:
        by = author_of(program, author)
        found, changed = program.addresses.change(name, wanted)
        if changed:
            note(program, AuditEvent.ADDRESSES_CHANGED, by, of=name, fields=changed)
    else:
        if program.accounts.find(name) is None:
            fail(tr('there is no account "{name}". See: clearance accounts list', name=name))
        found = program.addresses.of(name)
    if json:
        tables.as_json({"account": name, **{key: getattr(found, key) for key in NotifyAddresses.__slots__}})
        return
    for key in NotifyAddresses.__slots__:
        tables.OUT.print(f"{key}: {getattr(found, key) or '–'}", markup=False)
