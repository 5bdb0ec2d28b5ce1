"""SIP2's messages, and one connection to a library's system, as a self-check machine uses it.

As defined in the 3M Standard Interchange Protocol 2.00: a message is two digits, a fixed part, fields of two letters
each ended by `|`, then with error detection `AY` and a sequence digit, `AZ` and a checksum (the bytes up to and
including `AZ`, summed, negated, 16 bits, four hexadecimal digits), and a carriage return; some systems send CR and LF.
`96` requests the last message again. After a damaged answer, the question is sent again, and `97` is not used: Koha
answers it with another sequence number than the question's. Questions about readers and items change no loan, so they
can be sent again.
"""

import contextlib
import re
import socket
import ssl
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Self

from config.tables.secrets import Secret
from connectors.by_student.sip2_line import Sip2Line, can_be_sent
from connectors.own_keys.secrets import reveal
from connectors.port import Question, SourceRefused, SourceUnavailable, table_of
from foundation.translation import N_, tr

#: The length of the fixed part of each answer, in characters, after its two digits.
_FIXED = {"18": 24, "64": 59, "94": 1, "98": 34}

#: Fields with a meaning in their absence, or their number: a wrong encoding must not hide one.
_WEIGHTY = ("AA", "AT", "AU", "AV", "BL", "BV")

_TAIL = re.compile(rb"AY([0-9])AZ([0-9A-Fa-f]{4})\Z")

#: The longest answer, in bytes: it has room for hundreds of books.
_LONGEST = 1 << 18

_CHUNK = 1 << 14

_TRY_LATER = N_("The next run tries again. Check that the service runs and can be reached from here.")


class BrokenLine(Exception):  # noqa: N818 - named by its cause
    """A line that is not a whole answer; the text has the reason, and nothing of the line."""


class _ResendLimit(SourceUnavailable):
    """No valid answer after all resends."""


class _ConnectionLost(SourceUnavailable):
    """The other end closed the connection before it sent an answer."""


@dataclass(frozen=True, slots=True)
class Message:
    """One answer: its kind, its fixed part and its fields, in their order."""

    code: str
    fixed: str = ""
    fields: tuple[tuple[str, str], ...] = ()
    #: The sequence digit; empty without error detection.
    sequence: str = ""
    #: A letter has swallowed the field after it: the encoding is wrong.
    merged: bool = False

    def every(self, code: str) -> tuple[str, ...]:
        """Return the value of each field with this name."""
        return tuple(value for name, value in self.fields if name == code)

    def one(self, code: str) -> str | None:
        """Return the value of a field; None where it is missing. Raises BrokenLine for two different values."""
        values = {value.strip() for value in self.every(code)}
        if len(values) > 1:
            raise BrokenLine(tr("an answer has two different fields {code}", code=code))
        return values.pop() if values else None


def checksum(text: bytes) -> bytes:
    """Return the checksum of a message up to and including its `AZ`."""
    return b"%04X" % (-sum(text) & 0xFFFF)


def parse_message(line: bytes, encoding: str, *, checksums: bool) -> Message:
    """Return the message in a line. Raises BrokenLine where it is not a whole answer."""
    if line[:2] == b"96":
        return Message("96")
    tail = _TAIL.search(line)
    if checksums:
        if tail is None:
            raise BrokenLine(tr("an answer without a sequence number and a checksum"))
        if int(tail[2], 16) != int(checksum(line[:-4]), 16):
            raise BrokenLine(tr("an answer with a wrong checksum"))
    body = line[: tail.start()] if tail else line
    text = body.decode(encoding, "replace")
    code, rest = text[:2], text[2:]
    if code not in _FIXED:
        raise BrokenLine(
            tr("an answer of the kind {code}", code=code)
            if code.isdecimal() and code.isascii()
            else tr("no SIP2 answer")
        )
    fixed, variable = rest[: _FIXED[code]], rest[_FIXED[code] :]
    if len(fixed) < _FIXED[code] or not (fixed.isascii() and fixed.isprintable()):
        raise BrokenLine(tr("an answer {code} with a fixed part that is cut off or unreadable", code=code))
    fields = tuple((part[:2], part[2:]) for part in variable.split("|") if part.strip())
    later = [name for name, _ in fields[1:]]
    merged = any(body.count(b"|" + name.encode()) > later.count(name) for name in _WEIGHTY)
    return Message(code, fixed, fields, tail[1].decode() if tail else "", merged)


class Sip2Terminal:
    """One connection; it is opened and logged in with the first question, and opened again after a failure.

    Its errors, SourceUnavailable or SourceRefused, contain no secret and nothing of an answer.
    """

    def __init__(self, line: Sip2Line, question: Question) -> None:
        self._line = line
        self._question = question
        self._socket: socket.socket | None = None
        self._unread = b""
        self._sequence = 9
        self._status: Message | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def named(self) -> str:
        """The beginning of each message: the source and its address."""
        return tr("{source}: {where}", source=self._question.source, where=f"{self._line.host}:{self._line.port}")

    def close(self) -> None:
        """Close the connection."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.close()
        self._socket, self._unread, self._status = None, b"", None

    def status(self) -> Message:
        """Return the system's status (98), asked once for each connection."""
        if self._status is None:
            with self._closed_by_failure():
                self._open()
                try:
                    self._log_in()
                    # 0: this terminal works; it prints 80 letters a line and uses version 2.00.
                    self._status = self._send_and_receive("9900802.00", (), "98")
                except _ResendLimit as error:
                    # It fails with the first message: no later round and no other student can change that.
                    raise SourceRefused(error.what, error.fix_text) from None
                self._check_status(self._status)
        return self._status

    def ask(self, head: str, fields: Sequence[tuple[str, str]], wanted: str) -> Message:
        """Return the answer of the kind `wanted` to a question. Raises SourceUnavailable or SourceRefused.

        Some services close a connection after each answer, or after some time: then it asks once more over a new one.
        """
        used = self._status is not None
        self.status()
        try:
            with self._closed_by_failure():
                return self._send_and_receive(head, fields, wanted)
        except _ConnectionLost:
            if not used:
                raise
        self.status()
        with self._closed_by_failure():
            return self._send_and_receive(head, fields, wanted)

    def now(self) -> str:
        """Return the time in the form of a message: date, four blanks for the local zone, time."""
        return self._question.clock().astimezone(self._question.zone).strftime("%Y%m%d    %H%M%S")

    def terminal_password(self) -> tuple[tuple[str, str], ...]:
        """Return the field for the terminal's password, which the protocol requires."""
        return (("AC", self._secret_text("terminal_password")),)

    def unavailable(self, what: str, fix_text: str = "") -> SourceUnavailable:
        """Return the error for a missing or incomplete answer."""
        return SourceUnavailable(tr("{named} {what}", named=self.named, what=what), fix_text or tr(_TRY_LATER))

    @contextlib.contextmanager
    def _closed_by_failure(self) -> Iterator[None]:
        """Close the connection on a failure: a late answer would count as the answer to the next question."""
        try:
            yield
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        line = self._line
        try:
            plain = socket.create_connection((line.host, line.port), line.connect_timeout.total_seconds())
        except (UnicodeError, ValueError):
            raise SourceRefused(
                tr("{named} is not an address", named=self.named), tr("Write the service's name as host.")
            ) from None
        except OSError as error:
            raise self.unavailable(tr("cannot be reached ({error})", error=_system_error_text(error))) from None
        self._socket = plain
        if not line.tls:
            return
        try:
            trusted = ssl.create_default_context(cafile=str(line.authority) if line.authority else None)
            self._socket = trusted.wrap_socket(plain, server_hostname=line.host)
        except ssl.SSLCertVerificationError as error:
            raise SourceRefused(
                tr(
                    "{named} shows a certificate that is not trusted here ({reason})",
                    named=self.named,
                    reason=error.verify_message,
                ),
                tr("Have the library correct it, or set authority to its authority's file."),
            ) from None
        except (ssl.SSLError, ValueError) as error:
            raise SourceRefused(
                tr("{named} does not answer with TLS ({error})", named=self.named, error=_system_error_text(error)),
                tr(
                    "Check port, and that the library has TLS (stunnel) in front of its service; for clear text, "
                    "set tls = false."
                ),
            ) from None
        except OSError as error:
            raise self.unavailable(tr("cannot be reached ({error})", error=_system_error_text(error))) from None

    def _secret_text(self, key: Literal["password", "location", "terminal_password"]) -> str:
        """Return a secret as it is now, empty where it is not set. Raises SourceRefused."""
        secret: Secret | None = getattr(self._line, key)
        word = reveal(secret, self._question.source) if secret else ""
        if word and not can_be_sent(word, self._line.encoding):
            source = self._question.source
            raise SourceRefused(
                tr(
                    "{source}: {key} contains a | or a control character, which SIP2 cannot send",
                    source=source,
                    key=key,
                ),
                tr("Correct what {key} in {table} refers to.", key=key, table=table_of(source)),
            )
        return word

    def _log_in(self) -> None:
        line = self._line
        if not line.user:
            return
        fields = [("CN", line.user), ("CO", self._secret_text("password"))]
        fields += [("CP", self._secret_text("location"))] if line.location else []
        # 00: name and password are sent in plain text; no known system accepts another form.
        if self._send_and_receive("9300", fields, "94").fixed != "1":
            raise SourceRefused(
                tr("{named} refused the login", named=self.named),
                tr(
                    "Have the library check the account (user, password, location), and that this machine's "
                    "address is allowed to use it."
                ),
            )

    def _check_status(self, status: Message) -> None:
        online, version = status.fixed[0], status.fixed[30:34]
        try:
            # Later readers of these fields must not fail.
            status.one("AO"), status.one("BX")
        except BrokenLine as error:
            raise self.unavailable(tr("sent {error}", error=error)) from None
        if online != "Y":
            raise self.unavailable(tr("reports that it is not online"))
        if version.startswith("1"):
            raise SourceRefused(
                tr("{named} uses version 1 of SIP, which has no question about a reader's loans", named=self.named),
                tr("Have the library turn on SIP 2.00 for this account."),
            )

    def _send_and_receive(self, head: str, fields: Sequence[tuple[str, str]], wanted: str) -> Message:
        text = head + "".join(f"{name}{value}|" for name, value in fields)
        body = text.encode(self._line.encoding)
        self._sequence = (self._sequence + 1) % 10
        failed = ""
        for _ in range(self._line.resends + 1):
            self._send(body)
            try:
                message = parse_message(self._receive_line(), self._line.encoding, checksums=self._line.checksums)
            except BrokenLine as error:
                failed = tr("sent {error}", error=error)
                self._sequence = (self._sequence + 1) % 10
                continue
            if message.code == "96":
                failed = tr("did not understand a question")
                continue
            if self._line.checksums and message.sequence != str(self._sequence):
                raise self.unavailable(tr("answered with the sequence number of another question"))
            if message.code != wanted:
                raise self.unavailable(
                    tr("answered with a {code} in place of a {wanted}", code=message.code, wanted=wanted)
                )
            return message
        fix_text = tr("The next run tries again. Check checksums, encoding and terminator with the library.")
        if self._line.checksums:
            fix_text = tr(
                "The next run tries again. Check checksums, encoding and terminator with the library; for a service "
                "without checksums, set checksums = false."
            )
        raise _ResendLimit(
            tr("{named} {failed}, {times} times", named=self.named, failed=failed, times=self._line.resends + 1),
            fix_text,
        )

    def _send(self, body: bytes) -> None:
        if self._unread.strip(b"\r\n\0 "):
            raise self.unavailable(tr("sent a line without a question"))
        self._unread = b""
        if self._line.checksums:
            body += b"AY%dAZ" % self._sequence
            body += checksum(body)
        assert self._socket is not None  # noqa: S101 - it was opened before
        try:
            self._socket.settimeout(self._line.timeout.total_seconds())
            self._socket.sendall(body + (b"\r" if self._line.terminator == "cr" else b"\r\n"))
        except OSError as error:
            raise _ConnectionLost(
                tr("{named} did not accept a question ({error})", named=self.named, error=_system_error_text(error)),
                tr(_TRY_LATER),
            ) from None

    def _receive_line(self) -> bytes:
        """Return one line, without its terminator."""
        deadline = time.monotonic() + self._line.timeout.total_seconds()
        assert self._socket is not None  # noqa: S101 - it was opened before
        while b"\r" not in (come := self._unread.lstrip(b"\r\n\0 ")):
            if len(come) > _LONGEST:
                raise self.unavailable(tr("answered with a line of more than {most} bytes", most=_LONGEST))
            left = deadline - time.monotonic()
            if left <= 0:
                raise self.unavailable(tr("accepted a question and did not answer in time"))
            try:
                self._socket.settimeout(left)
                more = self._socket.recv(_CHUNK)
            except TimeoutError:
                raise self.unavailable(tr("accepted a question and did not answer in time")) from None
            except OSError as error:
                more, how = b"", tr("broke off the connection ({error})", error=_system_error_text(error))
            else:
                how = tr("closed the connection without an answer")
            if not more:
                raise (SourceUnavailable if come else _ConnectionLost)(
                    tr("{named} {what}", named=self.named, what=how), tr(_TRY_LATER)
                )
            self._unread = come + more
        line, _, self._unread = come.partition(b"\r")
        return line


def _system_error_text(error: Exception) -> str:
    """Return the operating system's text of an error."""
    if isinstance(error, TimeoutError):
        return tr("timed out")
    text = getattr(error, "strerror", None) or getattr(error, "reason", None)
    return str(text) if text else type(error).__name__
