"""`clearance notify`, and notifications in `check`, `accounts addresses` and the schedule, on the demo."""

import json
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.patience import PATIENCE
from tests.services.mail_server import MailServer
from tests.services.tls_office import Certificate, certificate
from tests.services.university import University
from tests.services.webhook_server import HookReply, WebhookServer

NOTIFY = """
[notify.webhook]
url = "env:HOOK_URL"
secret = "env:HOOK_SECRET"
"""


@pytest.fixture
def hook() -> Iterator[WebhookServer]:
    with WebhookServer() as server:
        yield server


@pytest.fixture
def shown(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return certificate(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def notifying(university: University, hook: WebhookServer) -> University:
    """The demo with a webhook."""
    add(university, NOTIFY)
    university.environ |= {"HOOK_URL": hook.url, "HOOK_SECRET": "a secret of two"}
    return university


def add(university: University, text: str) -> None:
    university.config.write_text(university.config.read_text(encoding="utf-8") + text, encoding="utf-8")


def test_a_test_message_prints_what_the_server_answered(notifying: University, hook: WebhookServer) -> None:
    assert "webhook: accepted" in notifying.run("notify", "test")
    assert hook.events()[0]["title"].endswith("通知测试")
    assert notifying.json("notify", "list") == [], "a test is no event"


def test_a_test_that_fails_states_why_and_names_no_secret(notifying: University, hook: WebhookServer) -> None:
    hook.script.append(HookReply(500, b"out of order"))
    said = notifying.run("notify", "test", "--channel", "webhook", code=1)
    assert "answers HTTP 500: out of order" in said
    assert "ROBOT-KEY" not in said
    assert "there is no channel wecom" in notifying.run("notify", "test", "--channel", "wecom", code=1)
    (found,) = notifying.json("notify", "test")
    assert (found["answer"], found["failed"]) == ("accepted", "")


def test_without_any_channel_the_command_states_how_to_add_one(university: University) -> None:
    said = university.run("notify", "test", code=1)
    assert "docs/notifications.md" in said
    assert "[notify.mail], [notify.wecom], [notify.dingtalk], [notify.webhook]" in " ".join(said.split())


def test_mail_goes_to_who_has_an_address(university: University, shown: Certificate) -> None:
    with MailServer(shown) as server:
        where = f'host = "localhost"\nport = {server.port}\nauthority = "{shown.authority}"\n'
        add(university, f'[notify.mail]\n{where}sender = "clearance@example.edu.cn"\n')
        said = university.run("notify", "test", code=1)
        assert "clearance accounts addresses ACCOUNT --mail ADDRESS" in said
        university.run("accounts", "add", "wang", "--name", "王", "--grant", "manage")
        assert "not a mail address" in university.run("accounts", "addresses", "wang", "--mail", "wang", code=1)
        university.run("accounts", "addresses", "wang", "--mail", "wang@example.edu.cn", "--wecom", "WangWu")
        kept = {"account": "wang", "mail": "wang@example.edu.cn", "wecom": "WangWu", "dingtalk": ""}
        assert university.json("accounts", "addresses", "wang") == kept
        assert "wang@example.edu.cn" in university.run("notify", "test")
    assert [mail["To"] for mail in server.mails] == ["wang@example.edu.cn"]
    with closing(sqlite3.connect(university.folder / ".demo" / "clearance-desk.db")) as desk:
        (detail,) = desk.execute("SELECT detail FROM audit WHERE deed = 'addresses_changed'").fetchone()
    assert json.loads(detail) == {"of": "wang", "fields": ["mail", "wecom"]}


def test_check_warns_of_what_keeps_messages_back(notifying: University, hook: WebhookServer) -> None:
    warnings = next(found for found in notifying.json("check") if "notify" in found)["warnings"]
    assert warnings == ["messages contain no link. Set public_url in [portal]"]
    assert hook.calls == [], "check sends nothing"
    del notifying.environ["HOOK_SECRET"]
    said = notifying.run("check")
    assert "[notify.webhook] secret: the environment variable HOOK_SECRET is not set" in said


def test_a_failed_verify_is_listed_and_the_schedule_delivers_it(notifying: University, hook: WebhookServer) -> None:
    with closing(sqlite3.connect(notifying.folder / ".demo" / "clearance.db")) as marks:
        marks.execute("UPDATE status SET verdict = 'cleared', reason = 'settled' WHERE verdict = 'held'")
        marks.commit()
    for _ in range(2):
        notifying.run("verify", code=6)
    (waiting,) = notifying.json("notify", "list")
    assert (waiting["event"], waiting["state"]) == ("verify_failed", "waits")
    process = notifying.start("schedule")
    try:
        assert hook.called.wait(PATIENCE)
    finally:
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, out + err
    assert "verify_failed" in [event["event"] for event in hook.events()]
    found = {row["key"]: row["state"] for row in notifying.json("notify", "list")}
    assert found[waiting["key"]] == "delivered"
    assert "verify_failed" in notifying.run("notify", "list")
