"""A small test server that speaks Oracle's TNS and TTC to the python-oracledb thin driver.

It answers SELECTs from an SQLite file (see sql.py) and can misbehave on demand.
For tests on a loopback address only: no encryption, one thread a connection.

    with OracleListener("x.sqlite", "schema.json", users={"CLEARANCE": "secret"}) as server:
        oracledb.connect(user="clearance", password="secret", dsn=server.dsn)
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import logging
import re
import secrets
import select
import socket
import sqlite3
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from tests.oracle_listener.sql import (
    LOBS,
    Column,
    Engine,
    OraError,
    OraType,
    Plan,
    Rights,
    Schema,
    Settings,
    Translator,
    canonical,
    number_binds,
)

log = logging.getLogger("oracle_listener")

# packet types
CONNECT, ACCEPT, REFUSE, DATA, MARKER = 1, 2, 4, 6, 12
# markers
BREAK, RESET, INTERRUPT = 1, 2, 3
# message types
(
    MSG_PROTOCOL,
    MSG_DATA_TYPES,
    MSG_FUNCTION,
    MSG_ERROR,
    MSG_ROW_HEADER,
    MSG_ROW_DATA,
    MSG_PARAMETER,
    MSG_STATUS,
    MSG_LOB_DATA,
    MSG_WARNING,
    MSG_DESCRIBE,
    MSG_PIGGYBACK,
) = 1, 2, 3, 4, 6, 7, 8, 9, 14, 15, 16, 17
# functions
(
    FN_REEXECUTE,
    FN_FETCH,
    FN_LOGOFF,
    FN_COMMIT,
    FN_ROLLBACK,
    FN_REEXECUTE_FETCH,
    FN_EXECUTE,
    FN_LOB,
    FN_CLOSE,
    FN_AUTH_TWO,
    FN_AUTH_ONE,
    FN_END_TO_END,
    FN_PING,
    FN_SCHEMA,
    FN_KEY_VALUE,
) = (4, 5, 9, 14, 15, 78, 94, 96, 105, 115, 118, 135, 147, 152, 154)
# execute options
OPT_PARSE, OPT_EXECUTE, OPT_FETCH, EXEC_SCROLLABLE = 0x01, 0x20, 0x40, 0x02

NO_NATIVE_SERVICES = 0x04  # no native encryption and checksumming
UTF8, UTF16 = 873, 2000
PROTOCOL_VERSION = 318  # 18c and later: large packets; below 319, so no end-of-response marks
FIELD_VERSION = 12  # TTC fields as of 19.1
VERSION, VERSION_NUMBER = "19.0.0.0.0", 19 << 24
VERIFIERS, ITERATIONS = {"12c": 0x4815, "11g": 0x1B25, "10g": 0x0939}, 4096
LOB_READ, LOB_LENGTH, LOB_CHUNK_SIZE, LOB_OPEN, LOB_CLOSE, LOB_IS_OPEN = 2, 1, 0x4000, 0x8000, 0x10000, 0x11000
TYPE_NUMBERS = {
    "VARCHAR2": 1,
    "NVARCHAR2": 1,
    "NUMBER": 2,
    "LONG": 8,
    "DATE": 12,
    "RAW": 23,
    "CHAR": 96,
    "NCHAR": 96,
    "BINARY_FLOAT": 100,
    "BINARY_DOUBLE": 101,
    "CLOB": 112,
    "NCLOB": 112,
    "BLOB": 113,
    "TIMESTAMP": 180,
    "TIMESTAMP WITH TIME ZONE": 181,
}
FIXED_SIZES = {
    "NUMBER": 22,
    "DATE": 7,
    "TIMESTAMP": 11,
    "TIMESTAMP WITH TIME ZONE": 13,
    "BINARY_DOUBLE": 8,
    "BINARY_FLOAT": 4,
    "CLOB": 4000,
    "NCLOB": 4000,
    "BLOB": 4000,
    "LONG": 2**31 - 1,
}
BIND_TYPES = {
    1: "VARCHAR2",
    96: "CHAR",
    8: "VARCHAR2",
    2: "NUMBER",
    3: "NUMBER",
    12: "DATE",
    180: "TIMESTAMP",
    181: "TIMESTAMP WITH TIME ZONE",
    231: "TIMESTAMP",
    23: "RAW",
    24: "RAW",
    100: "BINARY_DOUBLE",
    101: "BINARY_DOUBLE",
}


class Disconnected(Exception):
    """The client has gone, or a fault has closed the connection."""


# ---------------------------------------------------------------- encoding


class Out(bytearray):
    """A response under construction: TTC's integers are a length byte and that many bytes."""

    def ub1(self, *values: int) -> Out:
        self.extend(values)
        return self

    def ub(self, *values: int) -> Out:
        for value in values:
            body = value.to_bytes((value.bit_length() + 7) // 8, "big")
            size = len(body)
            body = body.rjust(4 if size == 3 else 8 if size > 4 else size, b"\0")
            self.append(len(body))
            self.extend(body)
        return self

    def short(self, value: bytes) -> Out:
        """Bytes after their length; long ones in chunks."""
        if len(value) <= 252:
            self.append(len(value))
            self.extend(value)
            return self
        self.append(254)
        for start in range(0, len(value), 32767):
            chunk = value[start : start + 32767]
            self.ub(len(chunk)).extend(chunk)
        return self.ub(0)

    def text(self, value: str) -> Out:
        """Text after two lengths, the empty one as a single zero."""
        body = value.encode()
        self.ub(len(body))
        return self.short(body) if body else self


def encode_number(value: Decimal) -> bytes:
    """Oracle's NUMBER: a base-100 exponent byte and base-100 digits, complemented if negative."""
    sign, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int)
    text = "".join(map(str, digits)).lstrip("0")
    if not text:
        return b"\x80"
    point = len(text) + exponent
    if point % 2:
        text, point = "0" + text, point + 1
    text = text.rstrip("0")
    text += "0" * (len(text) % 2)
    pairs = [int(text[i : i + 2]) for i in range(0, len(text), 2)][:20]
    if not -64 <= point // 2 <= 63:
        raise OraError(1426)
    first = point // 2 + 192
    if not sign:
        return bytes([first, *(p + 1 for p in pairs)])
    return bytes([first ^ 0xFF, *(101 - p for p in pairs)]) + (b"\x66" if len(pairs) < 20 else b"")


def decode_number(body: bytes) -> int | float:
    if body == b"\x80":
        return 0
    positive = bool(body[0] & 0x80)
    exponent = (body[0] if positive else body[0] ^ 0xFF) - 193
    rest = body[1:-1] if not positive and body[-1] == 102 else body[1:]
    digits = [b - 1 if positive else 101 - b for b in rest]
    number = Decimal(0)
    for i, digit in enumerate(digits):
        number += Decimal(digit).scaleb(2 * (exponent - i))
    result = canonical(number if positive else -number)
    assert isinstance(result, (int, float))
    return result


def encode_date(when: datetime, name: str) -> bytes:
    body = bytes(
        [
            when.year // 100 + 100,
            when.year % 100 + 100,
            when.month,
            when.day,
            when.hour + 1,
            when.minute + 1,
            when.second + 1,
        ]
    )
    if name == "TIMESTAMP WITH TIME ZONE":
        return body + struct.pack(">I", when.microsecond * 1000) + bytes([20, 60])
    if name == "TIMESTAMP" and when.microsecond:
        return body + struct.pack(">I", when.microsecond * 1000)
    return body


def decode_date(body: bytes) -> datetime:
    micro = struct.unpack(">I", body[7:11])[0] // 1000 if len(body) >= 11 else 0
    return datetime(
        (body[0] - 100) * 100 + body[1] - 100, body[2], body[3], body[4] - 1, body[5] - 1, body[6] - 1, micro
    )


def encode_binary(value: float, double: bool) -> bytes:
    body = struct.pack(">d" if double else ">f", value)
    return bytes(b ^ 0xFF for b in body) if body[0] & 0x80 else bytes([body[0] | 0x80]) + body[1:]


def decode_binary(body: bytes) -> float:
    raw = bytes([body[0] & 0x7F]) + body[1:] if body[0] & 0x80 else bytes(b ^ 0xFF for b in body)
    return float(struct.unpack(">d" if len(body) == 8 else ">f", raw)[0])


def number_of(value: Any, kind: OraType) -> Decimal:
    try:
        number = Decimal(f"{value:.15g}") if isinstance(value, float) else Decimal(str(value).strip())
        if kind.scale not in (-127, 0) and number.as_tuple().exponent < -kind.scale:  # type: ignore[operator]
            number = round(number, kind.scale)
    except ArithmeticError as error:
        raise OraError(1722) from error
    return number


def encode_value(value: Any, kind: OraType) -> bytes:
    """One column value as its wire bytes; b'' is NULL."""
    name = kind.name
    if value is None:
        return b""
    if name == "NUMBER":
        return encode_number(number_of(value, kind))
    if name in ("DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE"):
        try:
            return encode_date(datetime.fromisoformat(str(value)), name)
        except ValueError as error:
            raise OraError(1861) from error
    if name in ("BINARY_DOUBLE", "BINARY_FLOAT"):
        return encode_binary(float(value), name == "BINARY_DOUBLE")
    if isinstance(value, bytes):
        return value
    return kind.pad(str(value)).encode("utf-16-be" if name.startswith("N") else "utf-8")


def describe(columns: list[Column]) -> Out:
    out = Out().ub1(MSG_DESCRIBE).short(secrets.token_bytes(16)).ub(0, len(columns)).ub1(0)
    for place, column in enumerate(columns, 1):
        kind, name = column.type, column.type.name
        form = (
            2 if name.startswith("N") and name != "NUMBER" else 1 if name in ("VARCHAR2", "CHAR", "CLOB", "LONG") else 0
        )
        size = FIXED_SIZES.get(name) or kind.size * (2 if form == 2 else 4 if kind.char_semantics else 1) or 1
        out.ub1(TYPE_NUMBERS[name], 0, kind.precision, kind.scale & 0xFF).ub(size, 0, 0, 0, 0)
        out.ub({0: 0, 1: UTF8, 2: UTF16}[form]).ub1(form)
        out.ub(0 if name in FIXED_SIZES else max(kind.size, 1), 0).ub1(kind.nullable, min(len(column.name), 255))
        out.text(column.name).text("").text("").ub(place, 0)
    return out.ub(0, 0, 0, 0, 0, 0)


# ---------------------------------------------------------------- faults and accounts


CONNECTING = ("refuse", "silent", "logon")


@dataclass
class Fault:
    """One misbehaviour, ``times`` times over, for statements whose text has ``sql``.

    drop    close the connection (RST) after ``rows`` rows or ``octets`` bytes of a result
    error   answer ORA-``code`` once ``rows`` rows of the result have been sent
    stall   send nothing for ``seconds`` once ``rows`` rows have been sent
    drip    send results ``octets`` bytes at a time, ``seconds`` apart
    refuse  have the listener refuse the next connection with ORA-``code``
    silent  accept the next connection and say nothing for ``seconds``
    logon   refuse the next logon with ORA-``code``
    """

    action: Literal["drop", "error", "stall", "drip", "refuse", "silent", "logon"]
    rows: int = 0
    octets: int | None = None
    code: int = 3113
    seconds: float = 0.0
    sql: str = ""
    times: int = 1


@dataclass
class Account:
    """A user; ``verifier`` 10g is what the thin driver refuses with DPY-3015."""

    password: str
    status: Literal["open", "locked", "expired", "grace"] = "open"
    verifier: Literal["12c", "11g", "10g"] = "12c"
    rights: Rights = field(default_factory=Rights)


@dataclass
class Executed:
    """A statement that the server has run, for tests to look at."""

    user: str
    sql: str
    binds: list[object]
    rows: int = 0


@dataclass
class Cursor:
    sql: str
    plan: Plan | None = None
    bind_types: list[tuple[int, int, int]] = field(default_factory=list)
    rows: Iterator[tuple[Any, ...]] = field(default_factory=lambda: iter(()))
    sent: int = 0
    long_lobs: set[int] = field(default_factory=set)
    record: Executed | None = None
    fault: Fault | None = None


# ---------------------------------------------------------------- reading


class Request:
    """Reads one client message, over as many packets as it takes."""

    def __init__(self, body: bytes, more: Callable[[], bytes]) -> None:
        self.body, self.pos, self.more = body, 0, more

    def raw(self, size: int) -> bytes:
        while len(self.body) - self.pos < size:
            self.body, self.pos = self.body[self.pos :] + self.more(), 0
        self.pos += size
        return self.body[self.pos - size : self.pos]

    def ub1(self) -> int:
        return self.raw(1)[0]

    def ub(self) -> int:
        return int.from_bytes(self.raw(self.ub1() & 0x7F), "big")

    def skip(self, plan: str) -> None:
        """Skip fields: 1 a byte, u an integer."""
        for kind in plan:
            if kind == "1":
                self.ub1()
            else:
                self.ub()

    def short(self) -> bytes | None:
        size = self.ub1()
        if size in (0, 255):
            return None
        if size != 254:
            return self.raw(size)
        body = b""
        while chunk := self.ub():
            body += self.raw(chunk)
        return body

    def sized(self) -> bytes:
        return (self.short() or b"") if self.ub() else b""

    def pairs(self, count: int) -> dict[str, str]:
        found = {}
        for _ in range(count):
            key = self.sized().decode()
            found[key] = self.sized().decode()
            self.ub()
        return found


# ---------------------------------------------------------------- a session


class Session:
    """One client connection, served by its own thread."""

    def __init__(self, server: OracleListener, sock: socket.socket, number: int) -> None:
        self.server, self.sock, self.number = server, sock, number
        self.sdu, self.large = 8192, False
        self.user = ""
        self.engine: Engine | None = None
        self.cursors: dict[int, Cursor] = {}
        self.lobs: dict[int, bytes] = {}
        self.challenge: tuple[bytes, bytes, bytes] = (b"", b"", b"")
        self.sent_octets = 0
        self.fault: Fault | None = None

    # -- packets

    def receive(self, size: int) -> bytes:
        body = b""
        while len(body) < size:
            chunk = self.sock.recv(size - len(body))
            if not chunk:
                raise Disconnected
            body += chunk
        return body

    def read_packet(self) -> tuple[int, bytes]:
        header = self.receive(8)
        size = struct.unpack(">I", header[:4])[0] if self.large else struct.unpack(">H", header[:2])[0]
        if not 8 <= size <= 2**21:
            raise Disconnected
        return header[4], self.receive(size - 8)

    def more(self) -> bytes:
        kind, body = self.read_packet()
        if kind != DATA:
            raise Disconnected
        return body[2:]

    def send_packet(self, kind: int, body: bytes | bytearray) -> None:
        size = len(body) + 8
        head = struct.pack(">I", size) if self.large else struct.pack(">HH", size, 0)
        self.transmit(head + bytes([kind, 0, 0, 0]) + body)

    def transmit(self, packet: bytes) -> None:
        fault = self.fault
        if fault is not None and fault.action == "drip" and fault.octets:
            for start in range(0, len(packet), fault.octets):
                self.sock.sendall(packet[start : start + fault.octets])
                time.sleep(fault.seconds)
        elif fault is not None and fault.action == "drop" and fault.octets is not None:
            left = max(0, fault.octets - self.sent_octets)
            self.sock.sendall(packet[:left])
            self.sent_octets += len(packet)
            if left < len(packet):
                self.drop()
        else:
            self.sock.sendall(packet)

    def send(self, body: bytes | bytearray) -> None:
        room = self.sdu - 10
        for start in range(0, len(body), room):
            self.send_packet(DATA, b"\0\0" + body[start : start + room])

    def drop(self) -> None:
        """Close as a killed server process does: at once, with a reset."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()
        raise Disconnected

    def marker(self, kind: int) -> None:
        self.send_packet(MARKER, bytes([1, 0, kind]))

    def break_off(self) -> None:
        """The server's half of a break: tell it, reset, and wait for the client's reset."""
        self.marker(BREAK)
        self.marker(RESET)
        while True:
            kind, body = self.read_packet()
            if kind == MARKER and body[2] == RESET:
                return

    def pause(self, seconds: float) -> None:
        """Wait, yet heed a client that cancels or leaves."""
        ready, _, _ = select.select([self.sock], [], [], seconds)
        if ready:
            kind, _body = self.read_packet()
            if kind != MARKER:
                raise Disconnected
            raise OraError(1013)

    # -- connecting

    def run(self) -> None:
        try:
            if self.connect():
                self.serve()
        except (Disconnected, OSError):
            pass
        except Exception:
            log.exception("session %d ended by an error of the server's own", self.number)
        finally:
            if self.engine is not None:
                self.engine.close()
            self.sock.close()
            self.server.sessions.pop(self.number, None)

    def connect(self) -> bool:
        kind, body = self.read_packet()
        if kind != CONNECT or len(body) < 66:
            return False
        length, offset = struct.unpack(">HH", body[16:20])
        text = body[offset - 8 : offset - 8 + length]
        if len(text) < length:
            text = self.more()
        descriptor = text.decode(errors="replace")
        fault = self.server.take(lambda f: f.action in ("refuse", "silent"))
        if fault is not None and fault.action == "silent":
            self.pause(fault.seconds or 3600)
            return False
        service = re.search(r"SERVICE_NAME=([^)]*)", descriptor, re.IGNORECASE)
        sid = re.search(r"\(SID=([^)]*)", descriptor, re.IGNORECASE)
        code = fault.code if fault else 12514 if service else 12505
        if service:
            known = service[1].upper() == self.server.service
        else:
            known = sid is not None and sid[1].upper() == self.server.sid
        if fault is not None or not known:
            reason = (
                f"(DESCRIPTION=(TMP=)(VSNNUM={VERSION_NUMBER})(ERR={code})(ERROR_STACK=(ERROR=(CODE={code})(EMFI=4))))"
            ).encode()
            self.send_packet(REFUSE, b"\x22\0" + struct.pack(">H", len(reason)) + reason)
            return False
        self.sdu = min(struct.unpack(">I", body[50:54])[0] or 8192, 65535)
        accept = struct.pack(">HHHHHHH", self.server.protocol_version, 0, min(self.sdu, 65535), 65535, 1, 0, 0)
        accept += bytes([NO_NATIVE_SERVICES]) + bytes(9)
        accept += struct.pack(">IIBI", self.sdu, 65535, 0, 0)  # SDU, TDU, compression, flags
        self.send_packet(ACCEPT, accept)
        self.large = True
        return True

    def serve(self) -> None:
        while True:
            kind, body = self.read_packet()
            if kind == MARKER:
                if body[2] != RESET:
                    self.break_off()
                    self.send(self.error(OraError(1013)))
                continue
            if kind != DATA or body[:2] == b"\0\x40" or len(body) == 2:
                return
            request, self.fault = Request(body[2:], self.more), None
            try:
                if not self.message(request):
                    return
            except OraError as error:
                self.fault = None
                if self.server.break_on_error or error.code == 1013:
                    self.break_off()
                self.send(self.error(error))

    def message(self, request: Request) -> bool:
        """Handle one message with its piggybacks; false when the session ends."""
        while (kind := request.ub1()) == MSG_PIGGYBACK:
            self.piggyback(request)
        if kind == MSG_PROTOCOL:
            self.send(self.protocol())
        elif kind == MSG_DATA_TYPES:
            request.raw(5)
            request.short()
            zone = (request.short() or b"")[1:2] == b"\1"  # the client wants the time zones exchanged
            request.raw(11 if zone else 0)
            while request.raw(2) != b"\0\0":
                request.raw(6)
            utc = b"\x80\0\0\0\x3c\x3c\x3c\x80\0\0\0" if zone else b""
            self.send(bytes([MSG_DATA_TYPES]) + utc + b"\0\0")
        elif kind == MSG_FUNCTION:
            function = request.raw(2)[0]
            if self.engine is None and function not in (FN_AUTH_ONE, FN_AUTH_TWO):
                return False
            handler = {
                FN_AUTH_ONE: self.auth_one,
                FN_AUTH_TWO: self.auth_two,
                FN_EXECUTE: self.execute,
                FN_REEXECUTE: self.reexecute,
                FN_REEXECUTE_FETCH: self.reexecute_fetch,
                FN_FETCH: self.fetch,
                FN_LOB: self.lob,
            }.get(function)
            if handler is not None:
                handler(request)
            elif function in (FN_PING, FN_COMMIT, FN_ROLLBACK, FN_LOGOFF):
                self.send(Out().ub1(MSG_STATUS).ub(0, 0))
                return function != FN_LOGOFF
            else:
                raise OraError(3115)
        else:
            return False
        return True

    def piggyback(self, request: Request) -> None:
        function = request.raw(2)[0]
        if function == FN_CLOSE:
            request.ub1()
            for _ in range(request.ub()):
                self.cursors.pop(request.ub(), None)
        elif function == FN_SCHEMA:
            request.ub1()
            assert self.engine is not None
            self.engine.settings.schema = request.sized().decode().upper()
        elif function == FN_END_TO_END:
            request.skip("11u")
            present = []
            for plan in ("1u", "1u", "1u", "1u1u", "1u", "1u1u", "1u"):
                request.ub1()
                present.append(request.ub())
                request.skip(plan[2:])
            for size in present:
                if size:
                    request.short()
        elif function == FN_KEY_VALUE:
            request.skip("1u1")
            count = request.ub()
            request.skip("u1")
            request.short()
            request.pairs(count)
        else:
            raise Disconnected

    @staticmethod
    def protocol() -> Out:
        capabilities = bytearray(45)
        capabilities[7] = FIELD_VERSION
        out = Out().ub1(MSG_PROTOCOL, 6, 0)
        out += b"x86_64/Linux 2.4.xx\0" + struct.pack("<HBH", UTF8, 1, 0)
        out += struct.pack(">H", 11) + bytes(9) + struct.pack(">H", UTF16)
        return out.short(bytes(capabilities)).short(bytes([2, 1, 0, 0, 0, 0, 0]))

    # -- authentication: both sides prove that they know the password

    def auth_head(self, request: Request) -> tuple[str, dict[str, str]]:
        has_user, _, _ = request.ub1(), request.ub(), request.ub()
        request.ub1()
        count = request.ub()
        request.skip("11")
        user = (request.short() or b"").decode().upper() if has_user else ""
        return user, request.pairs(count)

    def auth_one(self, request: Request) -> None:
        self.user, _ = self.auth_head(request)
        account = self.server.users.get(self.user)
        verifier = account.verifier if account else "12c"
        password = (account.password if account else secrets.token_hex(16)).encode()
        old, csk = verifier != "12c", secrets.token_bytes(16)
        salt, half = secrets.token_bytes(10 if old else 16), secrets.token_bytes(48 if old else 32)
        if old:
            key = hashlib.sha1(password + salt).digest() + bytes(4)
        else:
            key = hashlib.pbkdf2_hmac("sha512", password, salt + b"AUTH_PBKDF2_SPEEDY_KEY", ITERATIONS, 64)
            key = hashlib.sha512(key + salt).digest()[:32]
        self.challenge = key, half, csk
        values = {"AUTH_SESSKEY": aes(key, half).hex().upper(), "AUTH_VFR_DATA": salt.hex().upper()}
        if not old:
            values |= {
                "AUTH_PBKDF2_CSK_SALT": csk.hex().upper(),
                "AUTH_PBKDF2_VGEN_COUNT": str(ITERATIONS),
                "AUTH_PBKDF2_SDER_COUNT": "3",
            }
        values["AUTH_GLOBALLY_UNIQUE_DBID\0"] = secrets.token_hex(16).upper()
        self.send(self.parameters(values, VERIFIERS[verifier]) + Out().ub1(MSG_STATUS).ub(0, 0))

    @staticmethod
    def parameters(values: Mapping[str, str], verifier: int = 0) -> Out:
        out = Out().ub1(MSG_PARAMETER).ub(len(values))
        for key, value in values.items():
            out.text(key).text(value).ub(verifier if key == "AUTH_VFR_DATA" else 0)
        return out

    def session_key(self, sealed: bytes) -> bytes:
        """Both halves of the key mixed: PBKDF2 for the 12c verifier, MD5 for the 11g one."""
        key, half, csk = self.challenge
        theirs = aes(key, sealed, decrypt=True)
        if len(half) == 32:
            return hashlib.pbkdf2_hmac("sha512", (theirs + half).hex().upper().encode(), csk, 3, 32)
        mixed = bytes(a ^ b for a, b in zip(half[16:40], theirs[16:40], strict=True))
        return (hashlib.md5(mixed[:16]).digest() + hashlib.md5(mixed[16:]).digest())[:24]

    def auth_two(self, request: Request) -> None:
        user, given = self.auth_head(request)
        account = self.server.users.get(self.user)
        fault = self.server.take(lambda f: f.action == "logon")
        if fault is not None:
            raise OraError(fault.code)
        if account is None or user != self.user or not self.challenge[0]:
            raise OraError(1017)
        try:
            session_key = self.session_key(bytes.fromhex(given["AUTH_SESSKEY"]))
            self.challenge = (b"", b"", b"")
            password = aes(session_key, bytes.fromhex(given["AUTH_PASSWORD"]), decrypt=True)[16:]
            password = password[: -password[-1]]
        except (KeyError, ValueError, IndexError) as error:
            raise OraError(1017) from error
        if account.status == "locked":
            raise OraError(28000)
        if not secrets.compare_digest(password, account.password.encode()):
            raise OraError(1017)
        if account.status == "expired":
            raise OraError(28001)
        settings = Settings(self.user, self.user, clock=self.server.clock)
        self.engine = Engine(
            self.server.path, self.server.schema, settings, self.server.service, VERSION, account.rights
        )
        proof = aes(session_key, secrets.token_bytes(16) + b"SERVER_TO_CLIENT" + b"\x10" * 16)
        values = {
            "AUTH_VERSION_STRING": "- Production",
            "AUTH_VERSION_NO": str(VERSION_NUMBER),
            "AUTH_SESSION_ID": str(self.number),
            "AUTH_SERIAL_NUM": "1",
            "AUTH_SC_DB_DOMAIN": "",
            "AUTH_SC_DBUNIQUE_NAME": "WIRE",
            "AUTH_SC_REAL_DBUNIQUE_NAME": "wire",
            "AUTH_SC_SERVICE_NAME": self.server.service,
            "AUTH_INSTANCENAME": self.server.sid,
            "AUTH_MAX_OPEN_CURSORS": "300",
            "AUTH_MAX_IDEN_LENGTH": "128",
            "AUTH_NLS_LXLAN": "AMERICAN",
            "AUTH_NLS_LXCTERRITORY": "AMERICA",
            "AUTH_NLS_LXCCHARSET": "AL32UTF8",
            "AUTH_SVR_RESPONSE": proof.hex().upper(),
        }
        out = self.parameters(values)
        if account.status == "grace":
            text = OraError(28002).text.encode()
            out += Out().ub1(MSG_WARNING).ub(28002, len(text), 0).short(text)
        self.send(out + Out().ub1(MSG_STATUS).ub(0, 0))

    # -- statements

    def execute(self, request: Request) -> None:
        options, number = request.ub(), request.ub()
        has_sql = request.ub1()
        request.skip("u1u11u")
        count = request.ub()
        request.skip("u1")
        binds = request.ub()
        request.skip("11111")
        defining = request.ub1()
        columns = request.ub()
        request.skip("u111u1uu1u11u1u11u")  # ids, lists, row counts, signature, chunks
        sql = (request.short() or b"").decode() if has_sql else ""
        vector = [request.ub() for _ in range(13)]
        fresh = bool(options & OPT_PARSE)
        cursor = Cursor(sql) if fresh else self.cursor(number)
        if defining:
            kinds = [self.bind_type(request) for _ in range(columns)]
            cursor.long_lobs = {i for i, (kind, _, _) in enumerate(kinds) if kind in (8, 24)}
        values: list[object] = []
        if binds:
            cursor.bind_types = [self.bind_type(request) for _ in range(binds)]
            for _ in range(max(1, vector[1] if not vector[7] else 1)):
                values = self.bind_values(request, cursor)
        if fresh and self.command(sql):
            return
        if vector[9] & EXEC_SCROLLABLE:
            raise OraError(3001, "scrollable cursor")
        out = Out()
        if fresh:
            cursor.plan = self.translate(cursor, described_only=not options & OPT_EXECUTE)
            number = next(n for n in range(1, 65536) if n not in self.cursors)
            self.cursors[number] = cursor
            out = describe(cursor.plan.columns)
        if options & OPT_EXECUTE:
            known = cursor.plan
            self.start(cursor, values, again=not fresh)
            if known and cursor.plan and [c.type for c in cursor.plan.columns] != [c.type for c in known.columns]:
                out = describe(cursor.plan.columns)  # other bind types have changed the result's
        lobs = fresh and any(c.type.name in LOBS for c in (cursor.plan.columns if cursor.plan else ()))
        fetch = options & OPT_FETCH and options & OPT_EXECUTE and not lobs
        self.rows(number, cursor, count if fetch else 0, out)

    def cursor(self, number: int) -> Cursor:
        if number not in self.cursors:
            raise OraError(1001)
        return self.cursors[number]

    @staticmethod
    def bind_type(request: Request) -> tuple[int, int, int]:
        kind, flag = request.ub1(), request.ub1()
        request.skip("11")
        size = request.ub()
        request.skip("uu")
        if request.ub() or flag & 0x40:
            raise Disconnected  # objects and arrays: not spoken here
        request.skip("uu")
        form = request.ub1()
        request.skip("uu")
        return kind, size, form

    def bind_values(self, request: Request, cursor: Cursor) -> list[object]:
        if not cursor.bind_types:
            return []
        if request.ub1() != MSG_ROW_DATA:
            raise Disconnected
        values: list[object] = [None] * len(cursor.bind_types)
        long = {i for i, (_, size, _) in enumerate(cursor.bind_types) if size > 4000}  # sent after the others
        for i in [i for i in range(len(values)) if i not in long] + sorted(long):
            kind, _, form = cursor.bind_types[i]
            if kind not in BIND_TYPES:
                raise Disconnected
            body, name = request.short(), BIND_TYPES[kind]
            if body is None:
                continue
            if name == "NUMBER":
                values[i] = decode_number(body)
            elif name in ("DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE"):
                values[i] = canonical(decode_date(body))
            elif name == "BINARY_DOUBLE":
                values[i] = decode_binary(body)
            else:
                values[i] = body if name == "RAW" else body.decode("utf-16-be" if form == 2 else "utf-8")
        return values

    def command(self, sql: str) -> bool:
        """Statements that change the session only; true when it was one."""
        words = " ".join(sql.split()).rstrip()
        assert self.engine is not None
        settings = self.engine.settings
        if re.match(r"SET TRANSACTION READ ONLY|COMMIT$|ROLLBACK$", words, re.IGNORECASE):
            pass
        elif match := re.match(r"ALTER SESSION SET (.*)", words, re.IGNORECASE):
            for name, quoted, plain in re.findall(r"(\w+)\s*=\s*(?:'([^']*)'|(\S+))", match[1]):
                if name.upper() == "CURRENT_SCHEMA":
                    settings.schema = plain.strip('"').upper()
                elif name.upper() not in ("TIME_ZONE", "ISOLATION_LEVEL", "STATISTICS_LEVEL", *settings.nls):
                    raise OraError(2248)
                else:
                    settings.nls[name.upper()] = quoted or plain
        else:
            return False
        self.send(self.error(None))
        return True

    def translate(self, cursor: Cursor, described_only: bool = False) -> Plan:
        assert self.engine is not None
        kinds = [
            OraType(BIND_TYPES[kind], size, scale=-127 if BIND_TYPES[kind] == "NUMBER" else 0)
            for kind, size, _ in cursor.bind_types
        ]
        if described_only:  # a parse comes without binds
            kinds = [OraType("VARCHAR2", 4000, scale=0)] * number_binds(cursor.sql)[1]
        plan = Translator(self.engine, kinds, self.server.require_owner).translate(cursor.sql)
        log.debug("session %d: %s => %s", self.number, cursor.sql, plan.sql)
        return plan

    def start(self, cursor: Cursor, values: list[object], again: bool = True) -> None:
        assert self.engine is not None
        if cursor.plan is None or again:
            cursor.plan = self.translate(cursor)  # bind types or session settings may have changed
        cursor.record = Executed(self.user, cursor.sql, values)
        self.server.executed.append(cursor.record)
        cursor.fault = self.server.take(lambda f: f.action not in CONNECTING and f.sql in cursor.sql)
        cursor.sent, self.sent_octets = 0, 0
        try:
            cursor.rows = self.engine.db.execute(cursor.plan.sql, {f"p{i}": v for i, v in enumerate(values)})
        except sqlite3.Error as error:
            raise self.engine.error(error) from error

    def reexecute(self, request: Request) -> None:
        self.again(request, fetch=False)

    def reexecute_fetch(self, request: Request) -> None:
        self.again(request, fetch=True)

    def again(self, request: Request, fetch: bool) -> None:
        number, count = request.ub(), request.ub()
        request.skip("uu")
        cursor = self.cursor(number)
        self.start(cursor, self.bind_values(request, cursor))
        self.rows(number, cursor, count if fetch else 0, Out())

    def fetch(self, request: Request) -> None:
        number, count = request.ub(), request.ub()
        self.rows(number, self.cursor(number), count, Out())

    def rows(self, number: int, cursor: Cursor, count: int, out: Out) -> None:
        """Send up to ``count`` rows, with whatever fault has been ordered, and the status."""
        assert self.engine is not None
        assert cursor.plan is not None
        kinds, done = [c.type for c in cursor.plan.columns], False
        self.fault = fault = cursor.fault
        if count:
            out.ub1(MSG_ROW_HEADER, 0).ub(len(kinds), 0, count, 0, 0, 0)
        for _ in range(count):
            if fault is not None and fault.octets is None and fault.action != "drip" and cursor.sent == fault.rows:
                self.misbehave(fault, number, cursor, out)
                cursor.fault = fault = None
            try:
                row = next(cursor.rows, None)
            except sqlite3.Error as error:
                raise self.engine.error(error) from error
            if row is None:
                done = True
                break
            out.append(MSG_ROW_DATA)
            for i, (value, kind) in enumerate(zip(row, kinds, strict=True)):
                self.column(out, value, kind, i in cursor.long_lobs)
            cursor.sent += 1
            if len(out) > self.sdu * 8:
                self.send(out)
                out.clear()
        if cursor.record is not None:
            cursor.record.rows = cursor.sent
        self.send(out + self.error(OraError(1403) if done else None, number, cursor.sent))

    def misbehave(self, fault: Fault, number: int, cursor: Cursor, out: Out) -> None:
        if fault.action == "error":
            if fault.code != 3113:
                raise OraError(fault.code)
            self.send(out + self.error(OraError(3113), number, cursor.sent))
            self.sock.shutdown(socket.SHUT_RDWR)
            raise Disconnected
        self.send(out)
        out.clear()
        if fault.action == "drop":
            time.sleep(0.05)  # let what was sent arrive before the reset
            self.drop()
        self.pause(fault.seconds)

    def column(self, out: Out, value: Any, kind: OraType, as_long: bool) -> None:
        if kind.name in LOBS and not as_long:
            if value is None:
                out.ub(0)
                return
            body = value if isinstance(value, bytes) else str(value).encode("utf-16-be")
            key = len(self.lobs) + 1
            self.lobs[key] = body
            locator = struct.pack(">HHBBBB", 38, 4, 1 if kind.name == "BLOB" else 2, 8, 0x80, 0)
            locator += struct.pack(">Q", key) + bytes(24)
            out.ub(40, len(body) // (1 if kind.name == "BLOB" else 2), 8132).short(locator)
            return
        out.short(encode_value(value, kind))
        if as_long or kind.name == "LONG":
            out.ub(0, 0)

    def lob(self, request: Request) -> None:
        request.ub1()
        size = request.ub()
        request.skip("1uuu111")
        operation = request.ub()
        request.skip("11")
        offset, _ = request.ub(), request.ub()
        has_amount = request.ub1()
        request.raw(6)
        locator = request.raw(size)
        amount = request.ub() if has_amount else 0
        body = self.lobs.get(struct.unpack(">Q", locator[8:16])[0])
        if body is None or operation not in (LOB_READ, LOB_LENGTH, LOB_CHUNK_SIZE, LOB_OPEN, LOB_CLOSE, LOB_IS_OPEN):
            raise OraError(3001, f"LOB operation {operation:#x}")
        unit, out = 1 if locator[4] & 1 else 2, Out()
        if operation == LOB_READ:
            part = body[(offset - 1) * unit : (offset - 1 + amount) * unit]
            amount = len(part) // unit
            if part:
                out.ub1(MSG_LOB_DATA).short(part)
        elif operation == LOB_LENGTH:
            amount = len(body) // unit
        elif operation == LOB_CHUNK_SIZE:
            amount = 8132
        out.append(MSG_PARAMETER)
        out += locator
        if has_amount:
            out.ub(amount)
        if operation == LOB_IS_OPEN:
            out.ub1(0)
        self.send(out + self.error(None))

    @staticmethod
    def error(error: OraError | None, cursor: int = 0, rows: int = 0) -> Out:
        """The message that ends a response: an error, or number 0 for success."""
        code, offset = (error.code, error.offset) if error else (0, 0)
        out = Out().ub1(MSG_ERROR).ub(0, 0, rows, min(code, 65535), 0, 0, cursor, min(offset, 32767))
        out.ub1(3, 0, 0, 0, 0, 0).ub(0, 0).ub1(0).ub(0, 0)  # flags, rowid
        out.ub(0).ub1(0, 0).ub(0, 0, 0, 0, 0, 0).ub(code, rows)  # no batch errors
        return out.short((error.text + "\n").encode()) if error else out


def aes(key: bytes, body: bytes, decrypt: bool = False) -> bytes:
    """AES in CBC mode with a zero vector, as the O5LOGON exchange uses it."""
    cipher = Cipher(algorithms.AES(key), modes.CBC(bytes(16)))
    context = cipher.decryptor() if decrypt else cipher.encryptor()
    return context.update(body) + context.finalize()


# ---------------------------------------------------------------- the server


class OracleListener:
    """The listener. As a context manager it runs in threads of this process."""

    def __init__(
        self,
        db: str | Path,
        schema: Schema | Mapping[str, Mapping[str, str]] | str | Path,
        *,
        users: Mapping[str, str | Account],
        service: str = "LIBSYS",
        sid: str = "ORCL",
        owner: str = "LIBSYS",
        host: str = "127.0.0.1",
        port: int = 0,
        require_owner: bool = False,
        break_on_error: bool = True,
        protocol_version: int = PROTOCOL_VERSION,
        clock: Callable[[], datetime] = datetime.now,
    ) -> None:
        self.path, self.schema = Path(db), Schema.of(schema, owner)
        self.users = {name.upper(): Account(a) if isinstance(a, str) else a for name, a in users.items()}
        self.service, self.sid = service.upper(), sid.upper()
        self.require_owner, self.break_on_error, self.clock = require_owner, break_on_error, clock
        self.host, self.port, self.protocol_version = host, port, protocol_version
        self.faults: list[Fault] = []
        self.executed: list[Executed] = []
        self.sessions: dict[int, Session] = {}
        self.connections = 0
        self._lock = threading.Lock()
        self._listener: socket.socket

    @property
    def dsn(self) -> str:
        return f"{self.host}:{self.port}/{self.service}"

    def inject(self, fault: Fault) -> Fault:
        """Order a fault; it is used up after ``fault.times`` uses."""
        with self._lock:
            self.faults.append(fault)
        return fault

    def take(self, wanted: Callable[[Fault], bool]) -> Fault | None:
        with self._lock:
            fault = next((f for f in self.faults if wanted(f)), None)
            if fault is not None:
                fault.times -= 1
                if fault.times <= 0:
                    self.faults.remove(fault)
            return fault

    def kill_sessions(self) -> int:
        """Reset every open connection, as ALTER SYSTEM KILL SESSION … IMMEDIATE does."""
        sessions = list(self.sessions.values())
        for session in sessions:
            try:
                session.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                session.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        return len(sessions)

    def start(self) -> Self:
        self._listener = socket.create_server((self.host, self.port), backlog=64)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, name="oracle-wire", daemon=True).start()
        return self

    def stop(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.kill_sessions()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections += 1
            session = Session(self, sock, self.connections)
            self.sessions[session.number] = session
            threading.Thread(target=session.run, name=f"oracle-wire-{session.number}", daemon=True).start()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--db", required=True, help="SQLite file with the data")
    parser.add_argument("--schema", required=True, help='JSON: {"TABLE": {"COLUMN": "VARCHAR2(20) NOT NULL"}}')
    parser.add_argument("--user", required=True)
    parser.add_argument("--password", required=True)
    parser.add_argument("--service", default="LIBSYS")
    parser.add_argument("--owner", default="LIBSYS", help="the schema that owns the tables")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one; it is printed")
    parser.add_argument("--require-owner", action="store_true", help="no synonyms: READER must be LIBSYS.READER")
    parser.add_argument("--verbose", action="store_true")
    args = parser.parse_args()
    logging.basicConfig(level=logging.DEBUG if args.verbose else logging.WARNING)
    server = OracleListener(
        args.db,
        args.schema,
        users={args.user: args.password},
        service=args.service,
        owner=args.owner,
        host=args.host,
        port=args.port,
        require_owner=args.require_owner,
    )
    with server, contextlib.suppress(KeyboardInterrupt):
        print(server.port, flush=True)  # noqa: T201 - whoever started it reads its port here
        threading.Event().wait()


if __name__ == "__main__":
    main()
