"""A library's SIP2 service on a real socket: it answers as 3M's protocol and Koha's public server have it.

What Koha does is kept: zeros and BL=N for a card it does not know, no BV where nothing is owed, one list for the first
Y of the summary, fields with nothing in them beyond a list's end, 96 for a wrong checksum. It fails as a test asks.
"""

import contextlib
import re
import socket
import socketserver
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

#: The time in every answer.
_NOW = "20190525    090000"

#: The length of the fixed part of each question.
_FIXED = {"17": 18, "63": 31, "93": 2, "99": 8}

#: Which messages it answers, as a 98 says.
ALL = "Y" * 16


@dataclass
class Reader:
    """One card."""

    card: str
    #: Barcode, title, and the day it is due, as an 18 has it.
    loans: list[tuple[str, str, str]] = field(default_factory=list)
    fines: list[str] = field(default_factory=list)
    amount: str = ""
    currency: str = ""
    name: str = "张三"
    valid: str = "Y"
    flags: str = " " * 14
    overdue: int = 0


@dataclass(frozen=True, slots=True)
class Asked:
    """One question, as it came."""

    code: str
    fixed: str
    fields: Mapping[str, str]
    raw: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """What is sent in place of the ordinary answer: raw bytes as they are, a text with its tail, or nothing at all."""

    text: str | None = None
    raw: bytes | None = None
    hang_up: bool = False
    sequence: str | None = None


SILENCE = Reply()


def total(data: bytes) -> bytes:
    """Return a checksum: with it the bytes of a message make up nothing, in 16 bits."""
    return format((0x10000 - sum(data) % 0x10000) % 0x10000, "04X").encode()


class SipLibrary:
    """The service at `port`. Enter it to start it; leaving stops it and waits for its threads."""

    def __init__(self, *readers: Reader, certificate: Path | None = None) -> None:
        self.readers = list(readers)
        self.institution = "MAIN"
        self.supports = ALL
        self.version = "2.00"
        self.online = "Y"
        self.account: tuple[str, str, str | None] | None = None
        self.encoding = "utf-8"
        self.ends = b"\r"
        self.detects = True
        #: A list comes in pages of so many.
        self.page: int | None = None
        self.overlooks_pages = False
        self.knows_items = True
        #: It closes each connection after so many answers; None for never.
        self.lasts: int | None = None
        self.asked: list[Asked] = []
        self.connections = 0
        self.befalls: Callable[[Asked], Reply | None] = lambda _asked: None
        #: Changes a whole answer, before its tail is added.
        self.tamper: Callable[[Asked, str], str] = lambda _asked, text: text
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        context: ssl.SSLContext | None = None
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
        library = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                with contextlib.suppress(OSError):
                    wire = context.wrap_socket(self.request, server_side=True) if context else self.request
                    with wire:
                        library._serve(wire)

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = False
            block_on_close = True

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        for wire in self._open:
            # A thread may be waiting for a terminal that says nothing more.
            with contextlib.suppress(OSError):
                wire.shutdown(socket.SHUT_RDWR)
        self._server.server_close()
        self._thread.join()

    def asked_about(self, card: str) -> list[Asked]:
        """Return the questions about one card."""
        return [asked for asked in self.asked if asked.code == "63" and asked.fields.get("AA") == card]

    def _serve(self, wire: socket.socket) -> None:
        with self._lock:
            self.connections += 1
            self._open.append(wire)
        come = b""
        admitted = self.account is None
        left = self.lasts
        while left is None or left > 0:
            left = None if left is None else left - 1
            while b"\r" not in come:
                more = wire.recv(4096)
                if not more:
                    return
                come = (come + more).lstrip(b"\r\n")
            line, _, come = come.partition(b"\r")
            tail = re.search(rb"AY(\d)AZ([0-9A-F]{4})\Z", line)
            if self.detects and tail and total(line[:-4]) != tail[2]:
                wire.sendall(b"96AZFEF6" + self.ends)
                continue
            if line[:2].decode("ascii", "replace") not in _FIXED:
                return
            asked = self._read(line[: tail.start()] if tail else line, line)
            with self._lock:
                self.asked.append(asked)
            reply = self.befalls(asked)
            if reply is None:
                if not admitted and asked.code != "93":
                    return
                text = self._answer(asked)
                admitted = admitted or text == "941"
                reply = Reply(self.tamper(asked, text))
            if reply.hang_up:
                wire.close()
                return
            if reply.raw is not None:
                wire.sendall(reply.raw)
            elif reply.text is not None:
                body = reply.text.encode(self.encoding)
                if self.detects and tail:
                    body += b"AY" + (reply.sequence.encode() if reply.sequence else tail[1]) + b"AZ"
                    body += total(body)
                wire.sendall(body + self.ends)

    def _read(self, body: bytes, raw: bytes) -> Asked:
        text = body.decode(self.encoding)
        code, long = text[:2], _FIXED[text[:2]]
        fields = {part[:2]: part[2:] for part in text[2 + long :].split("|") if part}
        return Asked(code, text[2 : 2 + long], fields, raw)

    def _answer(self, asked: Asked) -> str:
        match asked.code:
            case "93":
                given = (asked.fields.get("CN"), asked.fields.get("CO"), asked.fields.get("CP"))
                return "941" if given == self.account else "940"
            case "99":
                head = f"98{self.online}YYNNN005003{_NOW}{self.version}"
                return f"{head}AO{self.institution}|AM图书馆|BX{self.supports}|"
            case "17":
                return self._item(asked.fields["AB"])
        return self._patron(asked)

    def _item(self, barcode: str) -> str:
        for reader in self.readers:
            for item, title, due in reader.loans if self.knows_items else ():
                if item == barcode:
                    return f"18040001{_NOW}AB{item}|AJ{title}|" + (f"AH{due}|" if due else "")
        return f"18010101{_NOW}AB{barcode}|AJ|"

    def _patron(self, asked: Asked) -> str:
        card, summary = asked.fields["AA"], asked.fixed[21:]
        reader = next((reader for reader in self.readers if reader.card == card), None)
        if reader is None:
            return f"64YYYY{' ' * 10}000{_NOW}{'0000' * 6}AO{self.institution}|AA{card}|AE|BLN|AFInvalid cardnumber|"
        counts = f"0000{reader.overdue:04}{len(reader.loans):04}{len(reader.fines):04}00000000"
        text = (
            f"64{reader.flags}000{_NOW}{counts}AO{self.institution}|AA{reader.card}|AE{reader.name}|BL{reader.valid}|"
        )
        text += f"BH{reader.currency}|" if reader.currency else ""
        text += f"BV{reader.amount}|" if reader.amount else ""
        first = summary.find("Y")
        if first == 2:
            text += self._listed("AU", [item for item, _, _ in reader.loans], asked)
        elif first == 3:
            text += self._listed("AV", reader.fines, asked)
        return text + "AFGreetings from Koha.|"

    def _listed(self, name: str, items: list[str], asked: Asked) -> str:
        first, last = int(asked.fields.get("BP", 1)), int(asked.fields.get("BQ", len(items)))
        if self.overlooks_pages:
            first, last = 1, len(items)
        if self.page is not None:
            last = min(last, first + self.page - 1)
        chosen = [items[at - 1] if at <= len(items) else "" for at in range(first, last + 1)]
        return "".join(f"{name}{item}|" for item in chosen)
