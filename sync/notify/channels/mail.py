"""Mail by SMTP, always over TLS with a checked certificate.

A server that answers 5xx to a recipient (RFC 5321, 4.2.1) will not accept it later either.
"""

import smtplib
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from email.message import EmailMessage
from email.utils import formatdate

from config.tables.notify import Mail, is_allowed_mail
from config.tables.secrets import SecretUnusable
from foundation.translation import tr
from sync.notify.channels.port import DeliveryCode, DeliveryFailed, Message, Recipient, shown
from sync.notify.channels.smtp import BoundedSmtp, BoundedSmtpSsl, DeliveryDeadline

#: Seconds for each step of the conversation, and for the whole of it.
_TIMEOUT = 15.0
_WHOLE = 60.0

#: From here on, an answer is a permanent refusal.
_PERMANENT = 500


class MailChannel:
    """Sends mail through one server."""

    def __init__(
        self, settings: Mail, timeout: float = _TIMEOUT, whole: float = _WHOLE, domains: Sequence[str] = ()
    ) -> None:
        """`timeout` bounds each step of a conversation, `whole` all of them, in seconds.

        Mail goes only to these domains; to any if there is none.
        """
        self._settings = settings
        self._timeout = timeout
        self._whole = whole
        self._domains = domains

    def send(self, message: Message, recipient: Recipient) -> str:
        """Send one mail."""
        if not is_allowed_mail(recipient.address, self._domains):
            raise DeliveryFailed(
                DeliveryCode.RECIPIENT,
                tr(
                    "{address} is outside of {domains}, so nothing was sent. Correct the address, or add its domain to "
                    "mail_domains in [notify].",
                    address=recipient.address,
                    domains=", ".join(self._domains),
                ),
            )
        mail = self._mail(message, recipient)
        with self._connected() as server:
            try:
                server.send_message(mail, self._settings.sender, [recipient.address])
            except smtplib.SMTPRecipientsRefused as error:
                code, words = error.recipients[recipient.address]
                raise self._refused(code, words, recipient.address) from None
            except smtplib.SMTPSenderRefused as error:
                raise DeliveryFailed(
                    DeliveryCode.REFUSED,
                    tr(
                        "the mail server refuses the sender {sender} ({answer}). Correct sender in [notify.mail].",
                        sender=self._settings.sender,
                        answer=_answer(error.smtp_code, error.smtp_error),
                    ),
                ) from None
        return tr("{host} accepted the mail for {address}", host=self._settings.host, address=recipient.address)

    def reach(self) -> str:
        """Connect, encrypt, sign in, and send nothing."""
        with self._connected() as server:
            code, words = server.noop()
        return tr("{host} answers: {answer}", host=self._settings.host, answer=_answer(code, words))

    def _mail(self, message: Message, recipient: Recipient) -> EmailMessage:
        mail = EmailMessage()
        mail["From"] = self._settings.sender
        mail["To"] = recipient.address
        mail["Subject"] = message.subject
        mail["Date"] = formatdate(localtime=False)
        # A mail server may keep only the first of two mails with the same number.
        mail["Message-ID"] = f"<{message.id}@{self._settings.sender.rpartition('@')[2]}>"
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(message.text() + "\n")
        return mail

    @contextmanager
    def _connected(self) -> Iterator[smtplib.SMTP]:
        own = self._settings
        try:
            context = ssl.create_default_context(cafile=str(own.authority) if own.authority else None)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
        except (OSError, ssl.SSLError):
            raise DeliveryFailed(
                DeliveryCode.SETTINGS,
                tr("{file} is not a file of certificates. Correct authority in [notify.mail].", file=own.authority),
            ) from None
        server: smtplib.SMTP | None = None
        deadline = DeliveryDeadline(self._timeout, self._whole)
        try:
            if own.tls == "implicit":
                server = BoundedSmtpSsl(own.host, own.port_used, deadline, context=context)
            else:
                server = BoundedSmtp(own.host, own.port_used, deadline)
                server.starttls(context=context)
            self._sign_in(server)
            yield server
        except DeliveryFailed:
            raise
        except ssl.SSLError as error:
            raise self._failed(
                DeliveryCode.UNREACHABLE,
                tr(
                    "its TLS fails: {why}. Set tls and authority in [notify.mail] as the server needs", why=error.reason
                ),
            ) from None
        except smtplib.SMTPNotSupportedError:
            raise self._failed(
                DeliveryCode.SETTINGS, tr('it does not offer STARTTLS. Set tls = "implicit" in [notify.mail]')
            ) from None
        except smtplib.SMTPResponseException as error:
            raise self._failed(DeliveryCode.REFUSED, _answer(error.smtp_code, error.smtp_error)) from None
        except TimeoutError:
            raise self._silent(deadline) from None
        except (OSError, smtplib.SMTPException) as error:
            if deadline.over or (isinstance(error, smtplib.SMTPServerDisconnected) and "timed out" in str(error)):
                # The library's word for a server that does not greet.
                raise self._silent(deadline) from None
            why = getattr(error, "strerror", None) or type(error).__name__
            raise self._failed(
                DeliveryCode.UNREACHABLE, tr("{why}. Check host and port in [notify.mail]", why=why)
            ) from None
        finally:
            if server is not None:
                with suppress(OSError, smtplib.SMTPException):
                    server.quit()
                server.close()

    def _sign_in(self, server: smtplib.SMTP) -> None:
        own = self._settings
        if own.password is None:
            return
        try:
            password = own.password.reveal()
        except SecretUnusable as error:
            raise DeliveryFailed(DeliveryCode.SETTINGS, tr("[notify.mail] password: {error}", error=error)) from None
        try:
            server.login(own.user, password)
        except smtplib.SMTPAuthenticationError as error:
            raise self._failed(
                DeliveryCode.REFUSED,
                tr(
                    "it refuses user and password ({answer}). Correct them in [notify.mail]",
                    answer=shown(_answer(error.smtp_code, error.smtp_error), (password,)),
                ),
            ) from None

    def _refused(self, code: int, words: bytes | str, address: str) -> DeliveryFailed:
        final = code >= _PERMANENT
        text = tr(
            "the mail server refuses {address} ({answer}). Correct the address of this account or student.",
            address=address,
            answer=_answer(code, words),
        )
        return DeliveryFailed(DeliveryCode.RECIPIENT if final else DeliveryCode.REFUSED, text)

    def _silent(self, deadline: DeliveryDeadline) -> DeliveryFailed:
        if deadline.over:
            why = tr(
                "the conversation takes longer than {seconds} s. Check host and port in [notify.mail]",
                seconds=f"{self._whole:g}",
            )
            return self._failed(DeliveryCode.SILENT, why)
        why = tr(
            "it did not answer within {seconds} s. Check host and port in [notify.mail]", seconds=f"{self._timeout:g}"
        )
        return self._failed(DeliveryCode.SILENT, why)

    def _failed(self, code: DeliveryCode, why: str) -> DeliveryFailed:
        own = self._settings
        return DeliveryFailed(
            code, tr("mail server {host}:{port}: {why}.", host=own.host, port=own.port_used, why=why.rstrip("."))
        )


def _answer(code: int, words: bytes | str) -> str:
    text = words.decode("utf-8", "replace") if isinstance(words, bytes) else words
    return shown(f"{code} {text}")
