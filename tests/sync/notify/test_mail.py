"""Mail against real servers: TLS from the start or by STARTTLS, a password, and what a server refuses."""

import socket
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

from config.tables.notify import Mail, NotifyEvent
from config.tables.secrets import Secret
from sync.notify.channels.mail import MailChannel
from sync.notify.channels.port import DeliveryCode, DeliveryFailed, EventText, Message, Recipient
from tests.services.mail_server import MailServer
from tests.services.tls_office import Certificate, as_usual, certificate, server_context

WANG = Recipient("mail", "wang@example.edu.cn", "wang")
MESSAGE = Message(
    "0123abcd",
    "图书馆：运行 3 等待批准",
    (EventText(NotifyEvent.RUN_SUSPENDED, "k", "图书馆", ("原因",), "https://x/runs/3"),),
)


def channel(server: MailServer, shown: Certificate, domains: Sequence[str] = (), **more: Any) -> MailChannel:
    settings = {"host": "localhost", "port": server.port, "sender": "clearance@example.edu.cn"}
    return MailChannel(Mail.model_validate({**settings, "authority": shown.authority, **more}), domains=domains)


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
def test_a_mail_arrives_with_subject_text_and_a_number_of_its_own(shown: Certificate, tls: str) -> None:
    with MailServer(shown, tls) as server:  # type: ignore[arg-type]
        assert "accepted the mail for wang@example.edu.cn" in channel(server, shown, tls=tls).send(MESSAGE, WANG)
    (mail,) = server.mails
    assert mail["Subject"] == "图书馆：运行 3 等待批准"
    assert mail["Message-ID"] == "<0123abcd@example.edu.cn>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail.get_content().split() == ["图书馆", "原因", "https://x/runs/3"]


def test_the_password_is_read_when_a_mail_is_sent(
    shown: Certificate, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "password").write_text("old", encoding="utf-8")
    with MailServer(shown, user="clearance", password="new") as server:
        own = Mail.model_validate(
            {
                "host": "localhost",
                "port": server.port,
                "sender": "clearance@example.edu.cn",
                "authority": shown.authority,
                "user": "clearance",
                "password": f"file:{tmp_path / 'password'}",
            }
        )
        with pytest.raises(DeliveryFailed, match="refuses user and password") as refused:
            MailChannel(own).send(MESSAGE, WANG)
        assert "old" not in str(refused.value)
        (tmp_path / "password").write_text("new", encoding="utf-8")
        MailChannel(own).send(MESSAGE, WANG)
        (tmp_path / "password").unlink()
        with pytest.raises(DeliveryFailed, match=r"\[notify.mail\] password: .*could not be read"):
            MailChannel(own).send(MESSAGE, WANG)
    assert len(server.mails) == 1


def test_a_recipient_that_is_refused_for_good_is_not_tried_again(shown: Certificate) -> None:
    with MailServer(shown) as server:
        server.refuses = {WANG.address: "550 5.1.1 no such user"}
        with pytest.raises(DeliveryFailed, match=r"550 5\.1\.1 no such user.*Correct the address") as refused:
            channel(server, shown).send(MESSAGE, WANG)
        assert refused.value.final
        server.refuses = {WANG.address: "450 mailbox busy"}
        with pytest.raises(DeliveryFailed, match="450 mailbox busy") as later:
            channel(server, shown).send(MESSAGE, WANG)
        assert not later.value.final


def test_a_mail_that_is_refused_is_tried_again(shown: Certificate) -> None:
    with MailServer(shown) as server:
        server.answers = ["451 try later"]
        with pytest.raises(DeliveryFailed, match="451 try later") as refused:
            channel(server, shown).send(MESSAGE, WANG)
        assert not refused.value.final


def test_a_server_without_tls_gets_neither_password_nor_mail(shown: Certificate) -> None:
    with MailServer(shown, "none") as server:
        more: dict[str, Any] = {"user": "clearance", "password": Secret.given("secret")}
        with pytest.raises(DeliveryFailed, match="does not offer STARTTLS"):
            channel(server, shown, **more).send(MESSAGE, WANG)
    assert server.mails == []


def test_a_certificate_of_another_authority_is_refused(shown: Certificate, tmp_path: Path) -> None:
    with MailServer(certificate(tmp_path, "localhost", days=9)) as server:
        with pytest.raises(DeliveryFailed, match="TLS fails"):
            channel(server, shown, authority=certificate(tmp_path, "other").authority).send(MESSAGE, WANG)
        with pytest.raises(DeliveryFailed, match="not a file of certificates"):
            channel(server, shown, authority=tmp_path / "missing.pem").send(MESSAGE, WANG)
    assert server.mails == []


def test_a_server_that_never_answers_is_given_up_in_time(shown: Certificate) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        own = {"host": "127.0.0.1", "port": silent.getsockname()[1], "sender": "clearance@example.edu.cn"}
        with pytest.raises(DeliveryFailed) as given_up:
            MailChannel(Mail.model_validate(own), timeout=0.2).send(MESSAGE, WANG)
    assert given_up.value.code is DeliveryCode.SILENT


class Dripping:
    """A mail server that sends a greeting without end, one byte at a time, and counts the bytes."""

    def __init__(self, shown: Certificate | None, most: int) -> None:
        self.sent = 0
        self._most = most
        self._context = server_context(shown, as_usual) if shown is not None else None
        self._over = threading.Event()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over.set()
        self._thread.join()
        self._listening.close()

    def _serve(self) -> None:
        connection, _ = self._listening.accept()
        if self._context is not None:
            connection = self._context.wrap_socket(connection, server_side=True)
        with suppress(OSError), connection:
            while self.sent < self._most and not self._over.wait(0.005):
                connection.sendall(b"220-wait\r\n"[self.sent % 10 :][:1])
                self.sent += 1


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
def test_a_server_that_answers_byte_by_byte_does_not_block_deliveries(shown: Certificate, tls: str) -> None:
    with Dripping(shown if tls == "implicit" else None, most=4000) as server:
        own = {"host": "localhost", "port": server.port, "sender": "clearance@example.edu.cn", "tls": tls}
        channel = MailChannel(Mail.model_validate({**own, "authority": shown.authority}), whole=0.5)
        with pytest.raises(DeliveryFailed, match=r"the conversation takes longer than 0\.5 s\. Check host") as given_up:
            channel.send(MESSAGE, WANG)
    assert given_up.value.code is DeliveryCode.SILENT
    assert 0 < server.sent < 4000


def test_a_server_that_talks_without_end_is_cut_off(shown: Certificate) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        sent = []

        def talk() -> None:
            connection, _ = listening.accept()
            with suppress(OSError), connection:
                for _ in range(4000):
                    connection.sendall(b"220-wait\r\n" * 1000)
                    sent.append(10_000)

        talking = threading.Thread(target=talk)
        talking.start()
        own = {"host": "127.0.0.1", "port": listening.getsockname()[1], "sender": "clearance@example.edu.cn"}
        with pytest.raises(DeliveryFailed, match="Check host and port"):
            MailChannel(Mail.model_validate(own)).send(MESSAGE, WANG)
        talking.join()
    assert len(sent) < 4000


def test_a_mail_larger_than_one_chunk_arrives_whole(shown: Certificate) -> None:
    lines = tuple(f"{number} 林晓" for number in range(4000))
    long = Message("1", "很多", (EventText(NotifyEvent.CLASS_DIGEST, "k", "很多", lines),))
    with MailServer(shown) as server:
        channel(server, shown).send(long, WANG)
    assert server.mails[0].get_content().splitlines()[1:] == list(lines)


@pytest.mark.parametrize("address", ["wang@gmail.example", "wang@mail.example.edu.cn", "wang@xexample.edu.cn"])
def test_no_mail_leaves_for_another_domain(shown: Certificate, address: str) -> None:
    with MailServer(shown) as server:
        sending = channel(server, shown, domains=["example.edu.cn"])
        with pytest.raises(DeliveryFailed, match=f"{address} is outside of example.edu.cn") as refused:
            sending.send(MESSAGE, Recipient("mail", address, "wang"))
        assert refused.value.final
        sending.send(MESSAGE, Recipient("mail", "Wang@Example.EDU.cn", "wang"))
    assert [mail["To"] for mail in server.mails] == ["Wang@Example.EDU.cn"]


def test_a_server_that_is_not_there_is_reported_with_host_and_port(shown: Certificate) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    own = {"host": "127.0.0.1", "port": port, "sender": "clearance@example.edu.cn"}
    with pytest.raises(DeliveryFailed, match=rf"127.0.0.1:{port}: .*Check host and port"):
        MailChannel(Mail.model_validate(own)).send(MESSAGE, WANG)


def test_reaching_it_sends_nothing(shown: Certificate) -> None:
    with MailServer(shown) as server:
        assert "250" in channel(server, shown).reach()
    assert server.mails == []
