"""Delivery: at least once with the same key, tried again with back-off, and given up in the end."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from config.tables.notify import NotifyEvent
from status_db import tables
from status_db.accounts.audit_log import Audit, AuditEvent
from status_db.outbox.delivery import CLAIM_FOR, Outbox, RecipientState
from status_db.outbox.rows import Notice
from sync.notify.deliver import DELAYS
from tests.patience import PATIENCE
from tests.services.mail_server import MailServer
from tests.services.tls_office import Certificate
from tests.services.webhook_server import HookReply, WebhookServer
from tests.sync.notify.notified import WEBHOOK, Notified

MAIL = """
[notify.mail]
host = "localhost"
port = {port}
authority = "{authority}"
sender = "clearance@example.edu.cn"
"""


def stale(world: Notified, number: int = 1) -> Notice:
    """Enter that a source is out of date, in words of no matter."""
    data = {"as_of": world.now.isoformat()}
    notice = Notice(NotifyEvent.SOURCE_STALE, f"source-stale:loans:{number}", "2019", "loans", data=data)
    world.program.outboxes[0].enter([notice], world.now)
    return notice


@pytest.fixture
def posted(
    status_url: str, tmp_path: Path, hook: WebhookServer, shown: Certificate
) -> Iterator[tuple[Notified, MailServer]]:
    """A university that notifies a webhook, and two administrators by mail."""
    with MailServer(shown) as server:
        notify = WEBHOOK + MAIL.format(port=server.port, authority=shown.authority)
        with Notified(status_url, tmp_path, hook, notify) as world:
            world.run_all()
            world.administrator("admin", mail="admin@example.edu.cn")
            world.administrator("second", mail="second@example.edu.cn")
            yield world, server


def lines(world: Notified, event: AuditEvent) -> list[dict[str, object]]:
    """Return the details of the lines of the audit log, the oldest first."""
    return [dict(line.detail) for line in Audit(world.desk).newest(event=event)][::-1]


class TestTryingAgain:
    def test_a_webhook_that_fails_is_tried_again_and_gets_the_same_key(self, notified: Notified) -> None:
        notified.hook.script.extend([HookReply(500), HookReply(500)])
        notice = stale(notified)
        for wait in (timedelta(0), DELAYS[0], DELAYS[1]):
            notified.now += wait
            notified.parts[0].run()
            notified.parts[0].run()
        assert notified.hook.keys() == [notice.key] * 3
        assert len({call.headers["Idempotency-Key"] for call in notified.hook.calls}) == 1
        notified.later(days=3)
        notified.parts[0].run()
        assert len(notified.hook.calls) == 3, "what was delivered is not sent again"

    def test_after_the_last_try_it_is_given_up_and_reported(self, notified: Notified) -> None:
        notified.hook.script.extend([HookReply(500)] * 50)
        stale(notified)
        for wait in (timedelta(0), *DELAYS, timedelta(days=1), timedelta(days=1)):
            notified.now += wait
            notified.parts[0].run()
        assert len(notified.hook.calls) == len(DELAYS) + 1
        (row,) = notified.program.outboxes[0].listed(10)
        assert row.state == "failed"
        assert "answers HTTP 500" in row.failed
        assert notified.program.outboxes[0].failed_since(notified.now - timedelta(days=7)) == 1
        (line,) = lines(notified, AuditEvent.NOT_NOTIFIED)
        assert line["channel"] == "webhook"
        assert "ROBOT-KEY" not in json.dumps(line)

    def test_a_wrong_recipient_keeps_nothing_from_the_others_and_is_not_tried_again(
        self, posted: tuple[Notified, MailServer]
    ) -> None:
        world, server = posted
        server.refuses = {"second@example.edu.cn": "550 no such user"}
        stale(world)
        for _ in range(3):
            world.parts[0].run()
            world.later(hours=1)
        assert len(server.to("admin@example.edu.cn")) == 1
        assert len(world.hook.calls) == 1
        (row,) = world.program.outboxes[0].listed(10)
        assert "550 no such user" in row.failed
        assert [line["to"] for line in lines(world, AuditEvent.NOT_NOTIFIED)] == ["second"]

    def test_a_silent_webhook_is_sent_nothing_twice_to_others(self, posted: tuple[Notified, MailServer]) -> None:
        world, server = posted
        world.hook.script.extend([HookReply(503), HookReply(503)])
        stale(world)
        world.parts[0].run()
        assert len(server.mails) == 2
        for wait in DELAYS[:3]:
            world.now += wait
            world.parts[0].run()
        assert len(server.mails) == 2
        assert len(world.hook.calls) == 3

    def test_a_secret_that_is_missing_delays_and_loses_nothing(
        self, status_url: str, tmp_path: Path, hook: WebhookServer
    ) -> None:
        secret = tmp_path / "secret"
        notify = WEBHOOK.replace("env:HOOK_SECRET", f"file:{secret}")
        with Notified(status_url, tmp_path, hook, notify) as world:
            stale(world)
            world.parts[0].run()
            (row,) = world.program.outboxes[0].listed(10)
            assert row.state == "waits"
            assert "could not be read" in next(iter(row.progress.values())).failed
            secret.write_text("now", encoding="utf-8")
            world.later(minutes=1)
            world.parts[0].run()
        assert len(hook.calls) == 1


class TestRecipients:
    def test_each_administrator_gets_a_mail_and_each_delivery_is_in_the_audit_log(
        self, posted: tuple[Notified, MailServer]
    ) -> None:
        world, server = posted
        notice = stale(world)
        world.parts[0].run()
        assert sorted(mail["To"] for mail in server.mails) == ["admin@example.edu.cn", "second@example.edu.cn"]
        noted = lines(world, AuditEvent.NOTIFIED)
        assert sorted(f"{line['channel']} {line.get('to', '')}" for line in noted) == [
            "mail admin", "mail second", "webhook ",
        ]  # fmt: skip
        assert all(line["notices"] == [notice.key] for line in noted)

    def test_who_was_deactivated_or_lost_the_grant_gets_none(self, posted: tuple[Notified, MailServer]) -> None:
        world, server = posted
        world.accounts.deactivate("second")
        stale(world)
        world.parts[0].run()
        assert [mail["To"] for mail in server.mails] == ["admin@example.edu.cn"]

    def test_an_address_that_was_altered_past_the_program_gets_none(self, posted: tuple[Notified, MailServer]) -> None:
        world, server = posted
        with world.desk_engine.begin() as connection:
            connection.execute(update(tables.account_address).values(mail="thief@example.com"))
        stale(world)
        world.parts[0].run()
        assert server.mails == []

    def test_an_event_that_is_sent_to_nobody_states_so(
        self, status_url: str, tmp_path: Path, hook: WebhookServer
    ) -> None:
        notify = WEBHOOK + "events = []\n"
        with Notified(status_url, tmp_path, hook, notify) as world:
            stale(world)
            world.parts[0].run()
            (row,) = world.program.outboxes[0].listed(10)
        assert "nobody receives it" in row.failed
        assert hook.calls == []


class TestTwoProcesses:
    def test_what_one_has_claimed_the_other_leaves_alone(self, notified: Notified) -> None:
        stale(notified)
        box = notified.program.outboxes[0]
        assert len(box.claim(notified.now, "one", lambda _: False)) == 1
        assert box.claim(notified.now, "two", lambda _: False) == ()

    def test_a_claim_passes_on_when_its_process_has_ended(self, notified: Notified) -> None:
        stale(notified)
        box = notified.program.outboxes[0]
        box.claim(notified.now, "one", lambda _: False)
        assert len(box.claim(notified.now, "two", lambda owner: owner == "one")) == 1

    def test_a_claim_passes_on_when_its_time_is_over_by_the_databases_clock(self, notified: Notified) -> None:
        stale(notified)
        box = notified.program.outboxes[0]
        box.claim(notified.now, "one", lambda _: False)
        with notified.engine.begin() as connection:
            until = connection.execute(select(tables.outbox.c.claimed_until)).scalar_one()
            connection.execute(update(tables.outbox).values(claimed_until=until - CLAIM_FOR - timedelta(minutes=1)))
        assert len(box.claim(notified.now, "two", lambda _: False)) == 1

    def test_a_late_one_records_nothing_over_the_other(self, notified: Notified) -> None:
        stale(notified)
        box = notified.program.outboxes[0]
        (row,) = box.claim(notified.now, "one", lambda _: False)
        box.claim(notified.now, "two", lambda _: True)
        box.record([row.number], "one", "webhook", RecipientState(sent=notified.now))
        assert not box.close(row.number, "one", notified.now, "")
        assert box.listed(1)[0].progress == {}


KILLED = """
import os, signal, sys
from pathlib import Path
from clearance.notify.assembly import delivery_and_watch
from clearance.services import Program
from config.load import load
from connectors import memory
from status_db.outbox import delivery

def killed(*_):
    os.kill(os.getpid(), signal.SIGKILL)

delivery.Outbox.record = killed
settings = load(Path(sys.argv[1]), {"memory": memory.Settings}.get)
from datetime import datetime
now = datetime.fromisoformat(sys.argv[2])
delivery_and_watch(Program(settings, "2019", lambda: now))[0].run()
"""


def test_a_process_killed_between_sending_and_recording_delivers_again_with_the_same_key(notified: Notified) -> None:
    notice = stale(notified)
    environ = {
        **os.environ,
        "STATUS_URL": notified.url,
        "HOOK_URL": notified.hook.url,
        "HOOK_SECRET": "a secret of two",
    }
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(notified.file), notified.now.isoformat()],
        env=environ, capture_output=True, timeout=PATIENCE, text=True, cwd=Path(__file__).parents[3], check=False,
    )  # fmt: skip
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert notified.hook.keys() == [notice.key]
    notified.parts[0].run()
    assert notified.hook.keys() == [notice.key] * 2
    assert len({call.headers["Idempotency-Key"] for call in notified.hook.calls}) == 1
    notified.later(hours=1)
    notified.parts[0].run()
    assert len(notified.hook.calls) == 2


def test_what_was_delivered_long_ago_is_removed(notified: Notified) -> None:
    stale(notified)
    notified.parts[0].run()
    box: Outbox = notified.program.outboxes[0]
    notified.later(days=89)
    assert box.prune(notified.now) == 0
    notified.later(days=2)
    assert box.prune(notified.now) == 1
    assert box.listed(10) == ()
