"""Robots and webhooks against a real web server: what is sent, how it is signed, and what a bad answer leads to."""

import base64
import hashlib
import hmac
from collections.abc import Callable
from functools import partial
from urllib.parse import parse_qs, urlsplit

import pytest

from config.tables.notify import DingTalk, NotifyEvent, SignedWebhook, Webhook
from config.tables.secrets import Secret
from sync.notify.channels.dingtalk import DingtalkChannel
from sync.notify.channels.http import Waits
from sync.notify.channels.port import Channel, DeliveryFailed, EventText, Message, Recipient
from sync.notify.channels.webhook import WebhookChannel
from sync.notify.channels.wecom import WecomChannel
from tests.services.tls_office import Certificate, TlsOffice
from tests.services.webhook_server import HookReply, WebhookServer

SHORT = Waits(connect=2.0, answer=0.3)
SECRET = "SEC-of-the-robot"
EVENT = EventText(
    NotifyEvent.RUN_SUSPENDED,
    "run-suspended:3:ab",
    "运行 3 等待批准",
    ("原因",),
    "https://x/runs/3",
    (("cohort", "2019"),),
)
MESSAGE = Message("0123abcd", "运行 3 等待批准", (EVENT,))
GROUP = Recipient("any", mentions=("WangWu",))


def wecom(url: str) -> Channel:
    return WecomChannel(Webhook(url=Secret.given(url)), SHORT)


def dingtalk(url: str) -> Channel:
    return DingtalkChannel(
        DingTalk(url=Secret.given(url), secret=Secret.given(SECRET)), SHORT, lambda: 1_560_000_000.25
    )


def webhook(url: str) -> Channel:
    return WebhookChannel(
        SignedWebhook(url=Secret.given(url), secret=Secret.given(SECRET)), SHORT, lambda: 1_560_000_000.25
    )


every_channel = pytest.mark.parametrize("channel", [wecom, dingtalk, webhook])
robots = pytest.mark.parametrize("channel", [wecom, dingtalk])


def test_wecom_gets_a_text_that_mentions_members(hook: WebhookServer) -> None:
    assert wecom(hook.url).send(MESSAGE, GROUP) == "errcode 0 ok"
    (call,) = hook.calls
    assert call.path == "/send?key=ROBOT-KEY"
    assert call.json == {
        "msgtype": "text",
        "text": {"content": "运行 3 等待批准\n原因\nhttps://x/runs/3", "mentioned_list": ["WangWu"]},
    }


def test_a_text_for_wecom_has_at_most_2048_bytes(hook: WebhookServer) -> None:
    many = tuple(EventText(NotifyEvent.SOURCE_FAILING, str(i), f"来源 {i} 不回答", ("很长" * 200,)) for i in range(200))
    wecom(hook.url).send(Message("0", "x", many), GROUP)
    text = hook.calls[0].json["text"]["content"]
    assert len(text.encode()) <= 2048
    assert text.startswith("来源 0 不回答\n来源 1 不回答\n")


def test_dingtalk_gets_a_text_and_a_signature_as_its_document_states(hook: WebhookServer) -> None:
    dingtalk(hook.url).send(MESSAGE, GROUP)
    (call,) = hook.calls
    sent = parse_qs(urlsplit(call.path).query)
    mac = hmac.new(SECRET.encode(), f"1560000000250\n{SECRET}".encode(), hashlib.sha256).digest()
    assert sent == {"key": ["ROBOT-KEY"], "timestamp": ["1560000000250"], "sign": [base64.b64encode(mac).decode()]}
    assert call.json["at"] == {"isAtAll": False, "atUserIds": ["WangWu"]}
    assert call.json["text"]["content"].startswith("运行 3 等待批准")


def test_the_signature_of_a_webhook_covers_timestamp_and_body(hook: WebhookServer) -> None:
    webhook(hook.url).send(MESSAGE, GROUP)
    (call,) = hook.calls
    signed = hmac.new(SECRET.encode(), b"1560000000." + call.body, hashlib.sha256).hexdigest()
    assert call.headers["X-Clearance-Signature"] == f"sha256={signed}"
    assert call.headers["X-Clearance-Timestamp"] == "1560000000"
    assert call.headers["Idempotency-Key"] == "0123abcd"
    assert call.json["events"] == [
        {
            "event": "run_suspended",
            "key": "run-suspended:3:ab",
            "title": "运行 3 等待批准",
            "lines": ["原因"],
            "link": "https://x/runs/3",
            "cohort": "2019",
        }
    ]


@every_channel
@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (HookReply(500, b"broken"), "answers HTTP 500: broken"),
        (HookReply(404, b"<html>"), "answers HTTP 404"),
        (HookReply(302, b"", "http://127.0.0.1:1/elsewhere"), "redirects to another address"),
        (HookReply(silent=True), "did not answer within"),
        (HookReply(200, b"x" * 200_000), "too large"),
    ],
    ids=["500", "404", "redirect", "silent", "too large"],
)
def test_a_bad_answer_is_an_error_that_ends_with_the_fix_and_names_no_secret(
    hook: WebhookServer, channel: Callable[[str], Channel], reply: HookReply, why: str
) -> None:
    hook.script.append(reply)
    with pytest.raises(DeliveryFailed, match=why) as failed:
        channel(hook.url).send(MESSAGE, GROUP)
    assert not failed.value.final
    for secret in ("ROBOT-KEY", SECRET):
        assert secret not in str(failed.value)
    assert len(hook.calls) == 1


@robots
@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b'{"errcode":93000,"errmsg":"invalid webhook url, key ROBOT-KEY"}', "errcode 93000, invalid webhook url"),
        (b"not json", "has no errcode"),
        (b"[]", "has no errcode"),
    ],
)
def test_a_robot_that_refuses_with_http_200_is_a_failure(
    hook: WebhookServer, channel: Callable[[str], Channel], body: bytes, why: str
) -> None:
    hook.script.append(HookReply(200, body))
    with pytest.raises(DeliveryFailed, match=why) as failed:
        channel(hook.url).send(MESSAGE, GROUP)
    assert "key=ROBOT-KEY" not in str(failed.value)


@every_channel
@pytest.mark.parametrize("url", ["http://robot.example.com/send?key=ROBOT-KEY", "robot", "ftp://x", "http://[::1"])
def test_an_address_without_tls_is_refused_before_anything_is_sent(channel: Callable[[str], Channel], url: str) -> None:
    with pytest.raises(DeliveryFailed, match=r"url: .*https://") as failed:
        channel(url).send(MESSAGE, GROUP)
    assert "ROBOT-KEY" not in str(failed.value)


@every_channel
def test_a_server_that_is_not_there_is_a_clear_error(channel: Callable[[str], Channel]) -> None:
    with WebhookServer() as gone:
        url = gone.url
    robot = channel(url)
    for what in (partial(robot.send, MESSAGE, GROUP), robot.reach):
        with pytest.raises(DeliveryFailed, match="cannot be reached") as failed:
            what()
        assert "ROBOT-KEY" not in str(failed.value)


def test_a_certificate_is_checked(shown: Certificate) -> None:
    with TlsOffice(shown) as office:
        robot = WecomChannel(Webhook(url=Secret.given(office.root)), SHORT)
        for what in (partial(robot.send, MESSAGE, GROUP), robot.reach):
            with pytest.raises(DeliveryFailed, match="certificate cannot be checked"):
                what()
        known = WecomChannel(Webhook(url=Secret.given(office.root), authority=shown.authority), SHORT)
        assert known.reach() == "127.0.0.1 can be reached"


@every_channel
def test_reaching_it_sends_nothing(hook: WebhookServer, channel: Callable[[str], Channel]) -> None:
    assert "can be reached" in channel(hook.url).reach()
    assert hook.calls == []
