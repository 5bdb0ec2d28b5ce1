"""Offices on loopback with TLS as old or as bad as a test wants: over HTTP, and as a MySQL that lets no one in."""

import ipaddress
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.patience import PATIENCE
from tests.services.http_office import HttpOffice

#: Sets up the server's side of TLS.
Setup = Callable[[ssl.SSLContext], None]

#: Oakley group 2 of RFC 2409, 1024 bits, as a file of PEM.
_DH_1024 = """-----BEGIN DH PARAMETERS-----
MIGHAoGBAP//////////yQ/aoiFowjTExmKLgNwc0SkCTgiKZ8x0Agu+pjsTmyJR
Sgh5jjQE3e+VGbPNOkMbMCsKbfJfFDdP4TVtbVHCReSFtXZiXn7G9ExC6aY37WsL
/1y29Aa37e44a/taiZ+lrp8kEXxLH+ZJKGZR7OZTgf//////////AgEC
-----END DH PARAMETERS-----
"""


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate with its key in one file, and by itself in another, as an authority to trust."""

    with_key: Path
    authority: Path


@cache
def _key(bits: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


def certificate(
    folder: Path, host: str = "localhost", *, bits: int = 2048, days: int = 10, since: int = -1
) -> Certificate:
    """Make a certificate for a host and 127.0.0.1 (for the host alone where it is another), good for some days."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    now, key = datetime.now(UTC), _key(bits)
    also = [x509.IPAddress(ipaddress.ip_address("127.0.0.1"))] if host == "localhost" else []
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=since))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host), *also]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    plain = made.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    found = Certificate(folder / f"{host}-{bits}-{days}.key.pem", folder / f"{host}-{bits}-{days}.pem")
    found.with_key.write_bytes(plain + secret)
    found.authority.write_bytes(plain)
    return found


def as_usual(_context: ssl.SSLContext) -> None:
    """Speak TLS as servers do today."""


def only(version: ssl.TLSVersion) -> Setup:
    """Speak one version alone."""

    def setup(context: ssl.SSLContext) -> None:
        context.minimum_version = context.maximum_version = version

    return setup


def rsa_only(context: ssl.SSLContext) -> None:
    """Know no ciphers but those whose key is sent under RSA."""
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("AES128-SHA:@SECLEVEL=0")


def short_dh(*also: str) -> Setup:
    """Agree on a key by Diffie-Hellman of 1024 bits, or by the other ciphers."""

    def setup(context: ssl.SSLContext) -> None:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
        context.set_ciphers(":".join(("DHE-RSA-AES128-GCM-SHA256", *also, "@SECLEVEL=0")))
        context.load_dh_params(str(_dh_file()))

    return setup


@cache
def _dh_file() -> Path:
    import tempfile  # noqa: PLC0415 - for this file alone

    file = Path(tempfile.mkdtemp(prefix="dh")) / "dh1024.pem"
    file.write_text(_DH_1024, encoding="ascii")
    return file


def server_context(shown: Certificate, setup: Setup) -> ssl.SSLContext:
    """Return a server's side of TLS that takes part in whatever the test asks for."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.load_cert_chain(shown.with_key)
    setup(context)
    return context


class TlsOffice(HttpOffice):
    """An office's JSON API over https."""

    def __init__(self, shown: Certificate, setup: Setup = as_usual) -> None:
        super().__init__([{"NUMBER": "20151001", "TITLE": "地质学", "BARCODE": "B1"}], style="none")
        # The thread that answers shakes hands, and not the one that lets in.
        self._server.socket = server_context(shown, setup).wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False
        )

    @property
    def root(self) -> str:
        """The address of the server itself."""
        return super().root.replace("http://", "https://")


@contextmanager
def mysql_office(shown: Certificate, setup: Setup, spoken: list[str]) -> Iterator[int]:
    """Give the port of a MySQL that agrees on TLS, notes what was spoken, and denies access."""
    context = server_context(shown, setup)
    version, challenge = b"5.5.62-old\0", b"12345678\0"
    flags = 0x1 | 0x200 | 0x800 | 0x8000 | 0x80000
    greeting = b"\x0a" + version + struct.pack("<I", 1) + challenge
    greeting += struct.pack("<HBHH", flags & 0xFFFF, 45, 2, flags >> 16) + bytes([21]) + b"\0" * 10
    greeting += b"901234567890\0" + b"mysql_native_password\0"
    denied = b"\xff" + struct.pack("<H", 1045) + b"#28000Access denied for user 'reader'"

    def answer(caller: socket.socket) -> None:
        caller.settimeout(PATIENCE)
        caller.sendall(struct.pack("<I", len(greeting))[:3] + b"\0" + greeting)
        caller.recv(36, socket.MSG_WAITALL)
        with context.wrap_socket(caller, server_side=True) as secured:
            spoken.append(f"{secured.version()}")
            secured.recv(4096)
            secured.sendall(struct.pack("<I", len(denied))[:3] + b"\x03" + denied)

    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    caller, _ = listening.accept()
                except OSError:
                    return
                with caller, suppress(OSError):
                    answer(caller)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join(PATIENCE)
