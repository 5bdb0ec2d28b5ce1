"""A real mail server on loopback: with STARTTLS or TLS from the start, a password, and recipients that it refuses."""

import ssl
from email import message_from_bytes, policy
from email.message import EmailMessage
from types import TracebackType
from typing import Any, Literal, Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from tests.services.tls_office import Certificate, as_usual, server_context
from tests.services.university import free_port


class MailServer:
    """Keeps the mails that it accepts."""

    def __init__(
        self,
        shown: Certificate,
        tls: Literal["starttls", "implicit", "none"] = "starttls",
        *,
        user: str = "",
        password: str = "",
    ) -> None:
        self.mails: list[EmailMessage] = []
        #: Address → the answer to it.
        self.refuses: dict[str, str] = {}
        #: The answers to the next mails, one each; then they are accepted.
        self.answers: list[str] = []
        self.port = free_port()
        self._user = user
        #: The right password; it can be changed.
        self.password = password
        context: ssl.SSLContext | None = None if tls == "none" else server_context(shown, as_usual)
        more: dict[str, Any] = {"ssl_context": context} if tls == "implicit" else {}
        if tls == "starttls":
            more |= {"tls_context": context, "require_starttls": True}
        if user:
            more |= {"authenticator": self._authenticate, "auth_required": True}
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port, server_hostname="localhost", **more)

    def __enter__(self) -> Self:
        self._controller.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._controller.stop()

    def to(self, address: str) -> list[EmailMessage]:
        """Return the mails to one address."""
        return [mail for mail in self.mails if mail["To"] == address]

    def _authenticate(self, _server: object, _session: object, _envelope: object, _how: str, given: Any) -> AuthResult:
        right = (given.login, given.password) == (self._user.encode(), self.password.encode())
        return AuthResult(success=right, handled=False)

    async def handle_RCPT(  # noqa: N802 - as the library calls it
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        """Accept a recipient, or refuse one."""
        if address in self.refuses:
            return self.refuses[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - likewise
        """Keep a mail."""
        if self.answers:
            return self.answers.pop(0)
        content = envelope.content
        assert isinstance(content, bytes)
        mail = message_from_bytes(content, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        return "250 OK"
