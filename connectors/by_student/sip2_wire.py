"""SIP2's messages, and one connection to a library's system that speaks them: what a self-check machine does.

As the 3M Standard Interchange Protocol 2.00 has it: a message is two digits, a fixed part, fields of two letters each
ended by `|`, then with error detection `AY` and a sequence digit, `AZ` and a checksum (the bytes up to and with `AZ`,
summed, negated, 16 bits, four hexadecimal digits), and a carriage return; some systems send CR and LF. `96` asks for
the last message again. A damaged answer is asked for by putting the question again, not by `97`: Koha answers that
with another sequence number than the question's. Questions about readers and items change no loan, so that they may
be put again.
"""

import codecs
import contextlib
import re
import socket
import ssl
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from config.tables.base import Span, Table
from config.tables.secrets import FilePath, Secret, Text
from connectors.own_keys.secrets import reveal
from connectors.port import Question, SourceRefused, SourceUnavailable, table_of

#: The length of the fixed part of each answer, in characters, behind its two digits.
_FIXED = {"18": 24, "64": 59, "94": 1, "98": 34}

#: Fields whose absence, or number, means something: none may be lost to a wrong encoding.
_WEIGHTY = ("AA", "AT", "AU", "AV", "BL", "BV")

_TAIL = re.compile(rb"AY([0-9])AZ([0-9A-Fa-f]{4})\Z")

#: No answer is longer, in bytes: hundreds of books fit in.
_LONGEST = 1 << 18

_CHUNK = 1 << 14

_TRY_LATER = "See that it runs and can be reached from here; the next slot tries again."


def _encoding(name: str) -> str:
    try:
        plain = "AZ|".encode(name) == b"AZ|" and bool(codecs.lookup(name))
    except (LookupError, UnicodeError):
        plain = False
    if not plain:
        raise ValueError(f'"{name}" is no encoding that SIP2 can be written in: write one such as "utf-8" or "gb18030"')
    return name


def can_be_sent(text: str, encoding: str) -> bool:
    """Say whether a text can be a field's: not empty, no `|`, no control character, and in this encoding."""
    try:
        text.encode(encoding)
    except UnicodeError:
        return False
    return bool(text.strip()) and "|" not in text and all(letter.isprintable() for letter in text)


class Sip2Line(Table):
    """Where a library's SIP2 service is, how it is spoken to, and how patiently."""

    host: Annotated[Text, Field(min_length=1)]
    port: Annotated[int, Field(ge=1, le=65_535)] = 6001
    #: Without it everything travels in the open: numbers, titles and the password.
    tls: bool = False
    #: The authority that has signed the service's certificate; left out, those this machine knows.
    authority: FilePath | None = None
    #: The account (CN) and its password (CO), where the service wants a login.
    user: Text = ""
    password: Secret | None = None
    #: The location code of the login (CP).
    location: Secret | None = None
    #: The password of the terminal (AC), where the service wants one with each question.
    terminal_password: Secret | None = None
    #: Sequence numbers and checksums.
    checksums: bool = True
    terminator: Literal["cr", "crlf"] = "cr"
    encoding: Annotated[str, AfterValidator(_encoding)] = "utf-8"
    #: How often a question is put again over the same connection, after a damaged answer or a 96.
    resends: Annotated[int, Field(ge=0, le=10)] = 3
    connect_timeout: Span = timedelta(seconds=10)
    #: For each answer.
    timeout: Span = timedelta(seconds=30)

    @model_validator(mode="after")
    def _can_log_in(self) -> Self:
        if (self.password or self.location) and not self.user:
            raise ValueError("password and location are those of a login: name its user, too")
        if self.user and not can_be_sent(self.user, self.encoding):
            raise ValueError(f"user {_CANNOT_BE_SENT}: have the library choose another")
        return self


_CANNOT_BE_SENT = "holds a | or a control character, which SIP2 cannot send"


class BrokenLine(Exception):  # noqa: N818 - named by what it is
    """A line that is no whole answer; the text says why, and nothing of what it holds."""


class _NotUnderstood(SourceUnavailable):
    """One of the two did not understand the other, as often as it was tried."""


class _Closed(SourceUnavailable):
    """The other end has closed the connection, and nothing of an answer has come."""


@dataclass(frozen=True, slots=True)
class Message:
    """One answer: its kind, its fixed part and its fields, in their order."""

    code: str
    fixed: str = ""
    fields: tuple[tuple[str, str], ...] = ()
    #: The sequence digit; empty without error detection.
    sequence: str = ""
    #: A field was swallowed by a letter before it: this is not the encoding it was written in.
    merged: bool = False

    def every(self, code: str) -> tuple[str, ...]:
        """Return what stands in each field of this name."""
        return tuple(value for name, value in self.fields if name == code)

    def one(self, code: str) -> str | None:
        """Return what stands in a field; None where there is none. Raises BrokenLine where it comes with two values."""
        values = {value.strip() for value in self.every(code)}
        if len(values) > 1:
            raise BrokenLine(f"an answer has two different fields {code}")
        return values.pop() if values else None


def checksum(text: bytes) -> bytes:
    """Return the checksum of a message up to and with its `AZ`."""
    return b"%04X" % (-sum(text) & 0xFFFF)


def read(line: bytes, encoding: str, *, checksums: bool) -> Message:
    """Return what a line says. Raises BrokenLine for whatever is no whole answer."""
    if line[:2] == b"96":
        return Message("96")
    tail = _TAIL.search(line)
    if checksums:
        if tail is None:
            raise BrokenLine("an answer without a sequence number and a checksum")
        if int(tail[2], 16) != int(checksum(line[:-4]), 16):
            raise BrokenLine("an answer with a wrong checksum")
    body = line[: tail.start()] if tail else line
    text = body.decode(encoding, "replace")
    code, rest = text[:2], text[2:]
    if code not in _FIXED:
        raise BrokenLine(f"an answer of the kind {code}" if code.isdecimal() and code.isascii() else "no SIP2 answer")
    fixed, variable = rest[: _FIXED[code]], rest[_FIXED[code] :]
    if len(fixed) < _FIXED[code] or not (fixed.isascii() and fixed.isprintable()):
        raise BrokenLine(f"an answer {code} whose fixed part is cut off or unreadable")
    fields = tuple((part[:2], part[2:]) for part in variable.split("|") if part.strip())
    later = [name for name, _ in fields[1:]]
    merged = any(body.count(b"|" + name.encode()) > later.count(name) for name in _WEIGHTY)
    return Message(code, fixed, fields, tail[1].decode() if tail else "", merged)


class Sip2Terminal:
    """One connection, opened and logged in when first asked over, and opened anew after any failure.

    What it raises, SourceUnavailable or SourceRefused, holds no secret and nothing of what a system has answered.
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
        """Begins each message: the source and where it is asked."""
        return f"{self._question.source}: {self._line.host}:{self._line.port}"

    def close(self) -> None:
        """Let go of the connection."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.close()
        self._socket, self._unread, self._status = None, b"", None

    def status(self) -> Message:
        """Return what the system says of itself (98), asked once for each connection."""
        if self._status is None:
            with self._closed_by_failure():
                self._open()
                try:
                    self._log_in()
                    # 0: all is well with this terminal; it prints 80 letters a line and speaks version 2.00.
                    self._status = self._asked("9900802.00", (), "98")
                except _NotUnderstood as error:
                    # From the first word on: no later round and no other student will change that.
                    raise SourceRefused(error.what, error.fix_text) from None
                self._refuse_status(self._status)
        return self._status

    def ask(self, head: str, fields: Sequence[tuple[str, str]], wanted: str) -> Message:
        """Return the answer of the kind `wanted` to a question. Raises SourceUnavailable or SourceRefused.

        Some services close a connection after each answer, or after a while: then it is asked once more over a new one.
        """
        used = self._status is not None
        self.status()
        try:
            with self._closed_by_failure():
                return self._asked(head, fields, wanted)
        except _Closed:
            if not used:
                raise
        self.status()
        with self._closed_by_failure():
            return self._asked(head, fields, wanted)

    def now(self) -> str:
        """Return the time as a message has it: day, four blanks for the local zone, time."""
        return self._question.clock().astimezone(self._question.zone).strftime("%Y%m%d    %H%M%S")

    def terminal_password(self) -> tuple[tuple[str, str], ...]:
        """Return the field for the terminal's password, which the protocol wants to be there."""
        return (("AC", self._word("terminal_password")),)

    def unavailable(self, what: str, fix_text: str = _TRY_LATER) -> SourceUnavailable:
        """Return the error for no, or no whole, answer."""
        return SourceUnavailable(f"{self.named} {what}", fix_text)

    @contextlib.contextmanager
    def _closed_by_failure(self) -> Iterator[None]:
        """Close where something fails: what comes late would be taken for the answer to the next question."""
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
            raise SourceRefused(f"{self.named} is no address", "Write the service's name as host.") from None
        except OSError as error:
            raise self.unavailable(f"cannot be reached ({_plainly(error)})") from None
        self._socket = plain
        if not line.tls:
            return
        try:
            trusted = ssl.create_default_context(cafile=str(line.authority) if line.authority else None)
            self._socket = trusted.wrap_socket(plain, server_hostname=line.host)
        except ssl.SSLCertVerificationError as error:
            raise SourceRefused(
                f"{self.named} shows a certificate that is not trusted here ({error.verify_message})",
                "Have the library mend it, or name its authority's file as authority.",
            ) from None
        except (ssl.SSLError, ValueError) as error:
            raise SourceRefused(
                f"{self.named} does not answer in TLS ({_plainly(error)})",
                "Look at port, and whether the library has put TLS (stunnel) before its service; tls = false asks in "
                "clear text.",
            ) from None
        except OSError as error:
            raise self.unavailable(f"cannot be reached ({_plainly(error)})") from None

    def _word(self, key: Literal["password", "location", "terminal_password"]) -> str:
        """Return a secret of the line as it is now, empty where it has none. Raises SourceRefused."""
        secret: Secret | None = getattr(self._line, key)
        word = reveal(secret, self._question.source) if secret else ""
        if word and not can_be_sent(word, self._line.encoding):
            source = self._question.source
            raise SourceRefused(
                f"{source}: {key} {_CANNOT_BE_SENT}", f"Correct what {key} in {table_of(source)} refers to."
            )
        return word

    def _log_in(self) -> None:
        line = self._line
        if not line.user:
            return
        fields = [("CN", line.user), ("CO", self._word("password"))]
        fields += [("CP", self._word("location"))] if line.location else []
        # 00: name and password are sent as they are; no system is known that takes another way.
        if self._asked("9300", fields, "94").fixed != "1":
            raise SourceRefused(
                f"{self.named} did not let us log in",
                "Have the library look at the account (user, password, location) and whether this machine's address "
                "may use it.",
            )

    def _refuse_status(self, status: Message) -> None:
        online, version = status.fixed[0], status.fixed[30:34]
        try:
            # Whoever looks at these later finds them readable.
            status.one("AO"), status.one("BX")
        except BrokenLine as error:
            raise self.unavailable(f"gave {error}") from None
        if online != "Y":
            raise self.unavailable("answers that it is not online")
        if version.startswith("1"):
            raise SourceRefused(
                f"{self.named} speaks version 1 of SIP, which has no question about a reader's loans",
                "Have the library switch SIP 2.00 on for this account.",
            )

    def _asked(self, head: str, fields: Sequence[tuple[str, str]], wanted: str) -> Message:
        text = head + "".join(f"{name}{value}|" for name, value in fields)
        body = text.encode(self._line.encoding)
        self._sequence = (self._sequence + 1) % 10
        failed = ""
        for _ in range(self._line.resends + 1):
            self._send(body)
            try:
                message = read(self._received(), self._line.encoding, checksums=self._line.checksums)
            except BrokenLine as error:
                failed = f"gave {error}"
                self._sequence = (self._sequence + 1) % 10
                continue
            if message.code == "96":
                failed = "did not understand a question"
                continue
            if self._line.checksums and message.sequence != str(self._sequence):
                raise self.unavailable("answered with the sequence number of another question")
            if message.code != wanted:
                raise self.unavailable(f"answered with a {message.code} where a {wanted} was due")
            return message
        hint = "; a service without checksums is asked with checksums = false" if self._line.checksums else ""
        raise _NotUnderstood(
            f"{self.named} {failed}, {self._line.resends + 1} times",
            f"Look at checksums, encoding and terminator with the library{hint}; the next slot tries again.",
        )

    def _send(self, body: bytes) -> None:
        if self._unread.strip(b"\r\n\0 "):
            raise self.unavailable("sent a line that nobody had asked for")
        self._unread = b""
        if self._line.checksums:
            body += b"AY%dAZ" % self._sequence
            body += checksum(body)
        assert self._socket is not None  # noqa: S101 - it was opened before
        try:
            self._socket.settimeout(self._line.timeout.total_seconds())
            self._socket.sendall(body + (b"\r" if self._line.terminator == "cr" else b"\r\n"))
        except OSError as error:
            raise _Closed(f"{self.named} did not take a question ({_plainly(error)})", _TRY_LATER) from None

    def _received(self) -> bytes:
        """Return one line, without what ends it."""
        deadline = time.monotonic() + self._line.timeout.total_seconds()
        assert self._socket is not None  # noqa: S101 - it was opened before
        while b"\r" not in (come := self._unread.lstrip(b"\r\n\0 ")):
            if len(come) > _LONGEST:
                raise self.unavailable(f"answered with a line of more than {_LONGEST} bytes")
            left = deadline - time.monotonic()
            if left <= 0:
                raise self.unavailable("accepted a question and did not answer in time")
            try:
                self._socket.settimeout(left)
                more = self._socket.recv(_CHUNK)
            except TimeoutError:
                raise self.unavailable("accepted a question and did not answer in time") from None
            except OSError as error:
                more, how = b"", f"broke the connection off ({_plainly(error)})"
            else:
                how = "closed the connection without an answer"
            if not more:
                raise (SourceUnavailable if come else _Closed)(f"{self.named} {how}", _TRY_LATER)
            self._unread = come + more
        line, _, self._unread = come.partition(b"\r")
        return line


def _plainly(error: Exception) -> str:
    """Say what went wrong on the way, in the operating system's words."""
    if isinstance(error, TimeoutError):
        return "timed out"
    said = getattr(error, "strerror", None) or getattr(error, "reason", None)
    return str(said) if said else type(error).__name__
