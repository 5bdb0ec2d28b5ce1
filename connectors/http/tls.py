"""TLS to an office's server: what a source may set, what a refused handshake means, and which setting would help.

A server that speaks only old TLS is asked only where the settings say so, source by source, and each run says so, too.
Names of versions and ciphers are OpenSSL's; from OpenSSL 3 on, TLS 1.0 and 1.1 need its security level 0 (its manual
page SSL_CTX_set_security_level).
"""

import re
import socket
import ssl
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, model_validator
from sqlalchemy import make_url

from config.tables.base import Table
from config.tables.secrets import DatabaseUrl
from connectors.port import SourceError, SourceRefused, SourceUnavailable

Version = Literal["1.0", "1.1", "1.2", "1.3"]

_VERSIONS: Mapping[Version, ssl.TLSVersion] = {
    "1.0": ssl.TLSVersion.TLSv1,
    "1.1": ssl.TLSVersion.TLSv1_1,
    "1.2": ssl.TLSVersion.TLSv1_2,
    "1.3": ssl.TLSVersion.TLSv1_3,
}

#: No longer safe (RFC 8996).
_OLD = ("1.0", "1.1")

#: Nobody is asked without a certificate or without encryption, whatever the ciphers are called.
_NEVER = "!aNULL:!eNULL"

#: What a server may want, the least weak first. None for what this machine does by itself.
_TRIED: tuple[tuple[Version | None, str], ...] = (
    (None, ""),
    (None, "DEFAULT:!DHE"),
    (None, "DEFAULT:@SECLEVEL=1"),
    ("1.1", ""),
    ("1.0", ""),
)


@dataclass(frozen=True, slots=True)
class TlsLimits:
    """How weak a connection may be."""

    minimum: Version | None = None
    #: OpenSSL's cipher string; empty for this machine's own.
    ciphers: str = ""

    def __bool__(self) -> bool:
        return bool(self.minimum or self.ciphers)

    @property
    def words(self) -> str:
        """The cipher string that OpenSSL is given; empty for this machine's own."""
        old = self.minimum in _OLD
        if not (self.ciphers or old):
            return ""
        level = ":@SECLEVEL=0" if old and "@SECLEVEL" not in self.ciphers else ""
        return f"{self.ciphers or 'DEFAULT'}{level}:{_NEVER}"

    def apply(self, context: ssl.SSLContext) -> None:
        """Have a client's context keep to these limits; certificates are looked at as before."""
        if self.words:
            context.set_ciphers(self.words)
        if self.minimum is not None:
            context.minimum_version = _VERSIONS[self.minimum]

    def context(self) -> ssl.SSLContext:
        """Return a new client's context with these limits; it trusts nobody yet."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.apply(context)
        return context

    @property
    def weaker(self) -> tuple[str, ...]:
        """Say in which way a connection may be weaker than this machine's own, and what to ask the office for."""
        said: list[str] = []
        if self.minimum in _OLD:
            said.append(
                f'tls_minimum = "{self.minimum}" lets this source be asked over TLS {self.minimum}, which others on '
                "the network may read or change: have the office turn on TLS 1.2, then take tls_minimum out."
            )
        usual = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if self.ciphers and _strength(self.context()) - _strength(usual):
            said.append(
                f'tls_ciphers = "{self.ciphers}" lets this source be asked with weaker encryption than usual: have the '
                "office turn on an ECDHE cipher and use keys of 2048 bits or more, then take tls_ciphers out."
            )
        return tuple(said)


#: As this machine speaks TLS by itself.
UNLOOSENED = TlsLimits()


def _strength(context: ssl.SSLContext) -> set[str]:
    """Return what a context accepts: its ciphers, and each level of security down to its own."""
    levels = {f"level {level}" for level in range(context.security_level, 6)}
    return {str(cipher["name"]) for cipher in context.get_ciphers()} | levels


def _known_ciphers(written: str) -> str:
    """Refuse a cipher string that OpenSSL would not understand as a whole: it overlooks words it does not know."""
    for word in re.split(r"[:, ]+", written.strip()) if written.strip() else ():
        if word.startswith(("@", "!", "-")):
            continue
        if not _selects(word.removeprefix("+")):
            raise ValueError(
                f'OpenSSL on this machine knows no cipher "{word}" of TLS 1.2 or older: see `openssl ciphers -v` for '
                "those it has"
            )
    if written.strip() and not _selects(f"{written}:{_NEVER}"):
        raise ValueError(
            "no cipher is left by it, or it is not written as OpenSSL wants it: write one such as "
            '"AES128-SHA" or "DEFAULT:@SECLEVEL=1"'
        )
    return written.strip()


def _selects(words: str) -> bool:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).set_ciphers(words)
    except ssl.SSLError:
        return False
    return True


class Tls(Table):
    """How weak the connection to a source's server may be; left out, as this machine has it by itself."""

    #: The oldest version of TLS that is spoken with this server.
    tls_minimum: Version | None = None
    #: The ciphers up to TLS 1.2, as OpenSSL writes them.
    tls_ciphers: Annotated[str, AfterValidator(_known_ciphers)] = ""

    @model_validator(mode="after")
    def _has_ciphers(self) -> Self:
        if self.tls_minimum == "1.3" and self.tls_ciphers:
            raise ValueError("TLS 1.3 has ciphers of its own: take tls_ciphers out, or set a lower tls_minimum")
        return self

    @property
    def tls(self) -> TlsLimits:
        """The two as one value."""
        return TlsLimits(self.tls_minimum, self.tls_ciphers)

    @property
    def weaker_connection(self) -> tuple[str, ...]:
        """Say in which way the connection may be weaker than usual; each run says it, too."""
        return self.tls.weaker


class DatabaseTls(Tls):
    """The same for a source in a database: refused where the driver has no way to be told."""

    url: DatabaseUrl

    @model_validator(mode="after")
    def _can_be_told(self) -> Self:
        if self.url.in_the_file:
            self.refuse_what_no_driver_does(self.url.reveal())
        return self

    def refuse_what_no_driver_does(self, url: str) -> None:
        """Raise ValueError, with the reason, where this url's driver has no setting for how weak TLS may be."""
        if self.tls:
            refuse_what_no_driver_does(url, self.tls, thick=getattr(self, "oracle_client", None) is not None)


def refuse_what_no_driver_does(written: str, limits: TlsLimits, *, thick: bool) -> None:
    """Raise ValueError, with the reason, where the url's driver cannot be told these limits."""
    url = make_url(written)
    name, _, driver = url.drivername.partition("+")
    # What SQLAlchemy takes where the url names none; the driver itself may not be installed here.
    driver = driver or {"mysql": "mysqldb", "mariadb": "mysqldb", "oracle": "oracledb"}.get(name, name)
    keys = " and ".join(key for key, set_ in (("tls_minimum", limits.minimum), ("tls_ciphers", limits.ciphers)) if set_)
    why = ""
    if name == "sqlite":
        # A url that could not be looked up stands as one without a file.
        why = "a file is read without any TLS" if url.database else ""
    elif name in ("postgresql", "opengauss", "gaussdb", "kingbase"):
        if limits.ciphers:
            keys, why = "tls_ciphers", "PostgreSQL's client has no setting for ciphers"
        elif limits.minimum in _OLD:
            why = f"PostgreSQL's client speaks no TLS {limits.minimum} any more: have the office turn on TLS 1.2"
    elif name in ("mysql", "mariadb") and driver == "pymysql":
        why = "the url switches TLS off (ssl_disabled)" if "ssl_disabled" in url.query else ""
    elif name == "oracle" and driver == "oracledb":
        if thick:
            why = "Oracle's own client (oracle_client) takes SSL_VERSION and SSL_CIPHER_SUITES from its sqlnet.ora"
        elif "tcps" not in written.lower():
            why = "the url asks for no TLS: write ?dsn=tcps://HOST:PORT/SERVICE after oracle+oracledb://USER:PASSWORD@"
    else:
        why = f"the driver {driver} has no setting for it"
        why += ": write mysql+pymysql:// in the url" if driver == "mysqldb" else ""
    if why:
        raise ValueError(f"{keys} can do nothing here: {why}{'; take the key out' if 'write' not in why else ''}")


#: What TLS libraries say, and databases of TLS → who must do something, what the server did, and the way out. In
#: braces stands what differs from source to source: see `cause_of`.
_CAUSES: tuple[tuple[str, type[SourceError], str, str], ...] = (
    (
        (
            r"wrong.version.number|record.layer.failure|unknown.protocol|packet.length.too.long|http.request"
            r"|(doesn't|does not) support SSL|SSL is required"
        ),
        SourceRefused,
        "does not speak TLS on that port",
        "Name the port where the server speaks TLS; or ask without TLS, if that is meant: {plain}.",
    ),
    (
        r"unsupported.protocol|alert.protocol.version|no.protocols.available|version.too.low|legacy.sigalg",
        SourceRefused,
        "speaks only versions of TLS that are no longer safe",
        "Have the office turn on TLS 1.2{older}.",
    ),
    (
        r"dh.key.too.small|bad.dh.p.length",
        SourceRefused,
        "uses a Diffie-Hellman key that is too small",
        "Have the office use a Diffie-Hellman group of 2048 bits or more, or an ECDHE cipher{small}.",
    ),
    (
        r"\b(ee|ca) certificate key too weak|\bkey.too.(small|weak)|ca.md.too.weak|digest.*too weak",
        SourceRefused,
        "shows a certificate with a key or a digest that is too weak",
        "Have the office get a certificate with a key of 2048 bits or more and SHA-256{weak}.",
    ),
    (
        r"handshake.failure|no.shared.cipher|no.ciphers.available|insufficient.security",
        SourceRefused,
        "has no TLS cipher in common with this machine",
        "Have the office turn on an ECDHE cipher for TLS 1.2{rsa}.",
    ),
    (
        r"certificate.has.expired|alert.certificate.expired",
        SourceRefused,
        "shows a certificate that has expired",
        "Have the office renew it.",
    ),
    (
        r"certificate is not yet valid",
        SourceRefused,
        "shows a certificate that is not valid yet",
        "Look at this machine's clock; if it is right, have the office correct the certificate.",
    ),
    (
        r"(hostname|address) mismatch|certificate is not valid for|does not match host name|DPY-6006",
        SourceRefused,
        "shows a certificate for another name",
        "Write the host in the url by a name that the certificate has, or have the office add this one to it.",
    ),
    (
        r"root certificate file .* does not exist|no.certificate.or.crl.found|could not read root certificate",
        SourceRefused,
        "cannot be looked at: the file with its certificate authority does not exist or holds no certificate",
        "Put the authority's certificate, as PEM, where {authority} names it.",
    ),
    (
        r"self.signed.certificate|unable.to.get.(local.)?issuer",
        SourceRefused,
        "shows a certificate whose authority is not known here",
        "Get the certificate of the authority from the office, and name its file as {authority}.",
    ),
    (
        r"certificate.verify.failed",
        SourceRefused,
        "shows a certificate that is not trusted here",
        (
            "Have the office look whether it has expired and for which name it is; or name its authority's file as "
            "{authority}."
        ),
    ),
    (
        r"unexpected.eof.while.reading|EOF occurred in violation",
        SourceUnavailable,
        "hung up while TLS was agreed on",
        (
            "The next slot tries again; if it stays so, the server may want an older TLS: have the office turn on TLS "
            "1.2{older}."
        ),
    ),
)

#: What is written into the table of the source, where its driver can be told.
_BY_SETTINGS = {
    "older": '; until then write tls_minimum = "1.0" (or "1.1") in the table of this source',
    "small": '; until then write tls_ciphers = "DEFAULT:!DHE", or "DEFAULT:@SECLEVEL=1", in the table of this source',
    "weak": '; until then write tls_ciphers = "DEFAULT:@SECLEVEL=1" in the table of this source',
    "rsa": '; until then write tls_ciphers = "DEFAULT" in the table of this source',
}
_BY_NOBODY = dict.fromkeys(_BY_SETTINGS, "")


@dataclass(frozen=True, slots=True)
class HandshakeFailure:
    """Why a handshake failed: who must do something, what the server did, and the way out."""

    kind: type[SourceError]
    did: str
    fix_text: str


def cause_of(said: str, *, plain: str, authority: str, settings: bool) -> HandshakeFailure | None:
    """Return why a TLS handshake failed; None where it is nothing of TLS.

    `plain` says how the source is asked without TLS, `authority` what names a certificate authority; `settings`,
    whether tls_minimum and tls_ciphers can be set for it.
    """
    fill = {"plain": plain, "authority": authority, **(_BY_SETTINGS if settings else _BY_NOBODY)}
    for words, kind, did, fix_text in _CAUSES:
        if re.search(words, said, re.IGNORECASE):
            return HandshakeFailure(kind, did, fix_text.format(**fill))
    return None


#: Causes that other limits may help against.
_MAY_HELP = re.compile(
    r"unsupported.protocol|alert.protocol.version|legacy.sigalg|dh.key.too.small|handshake.failure|no.shared.cipher"
    r"|no.ciphers.available|version.too.low|insufficient.security",
    re.IGNORECASE,
)


def what_it_takes(host: str, port: int, seconds: float, said: str) -> tuple[TlsLimits, str] | None:
    """Try which limits a server would shake hands under, the least weak first; None where none would help.

    It returns them with the version of TLS that was agreed on, and takes `seconds` at most. Nothing is sent, and
    nobody's certificate is believed: this only finds the setting to name in a message.
    """
    if not _MAY_HELP.search(said):
        return None
    deadline = time.monotonic() + seconds
    for minimum, ciphers in _TRIED:
        if (left := deadline - time.monotonic()) <= 0:
            return None
        limits = TlsLimits(minimum, ciphers)
        context = limits.context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with (
            suppress(OSError),
            socket.create_connection((host, port), timeout=left) as plain,
            context.wrap_socket(plain, server_hostname=host) as secured,
        ):
            spoken = {"TLSv1": "TLS 1.0"}.get(str(secured.version()), str(secured.version()).replace("TLSv", "TLS "))
            return limits, spoken
    return None


def in_settings(limits: TlsLimits) -> str:
    """Return limits as they are written in a table of the settings."""
    written = [f'tls_minimum = "{limits.minimum}"'] if limits.minimum else []
    written += [f'tls_ciphers = "{limits.ciphers}"'] if limits.ciphers else []
    return " and ".join(written)
