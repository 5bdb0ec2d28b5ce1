"""TLS to an office's server: the settings of a source, the causes of a failed handshake, and the setting that helps.

A server with only old TLS is asked only where the settings of the source allow it, and each run warns about it. Names
of versions and ciphers are OpenSSL's; from OpenSSL 3 on, TLS 1.0 and 1.1 need its security level 0 (its manual page
SSL_CTX_set_security_level).
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
from foundation.translation import N_, tr

Version = Literal["1.0", "1.1", "1.2", "1.3"]

_VERSIONS: Mapping[Version, ssl.TLSVersion] = {
    "1.0": ssl.TLSVersion.TLSv1,
    "1.1": ssl.TLSVersion.TLSv1_1,
    "1.2": ssl.TLSVersion.TLSv1_2,
    "1.3": ssl.TLSVersion.TLSv1_3,
}

#: No longer safe (RFC 8996).
_OLD = ("1.0", "1.1")

#: No server is asked without a certificate or without encryption, whatever the ciphers are.
_NEVER = "!aNULL:!eNULL"

#: The limits that are tried, the least weak first. None means this machine's own.
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
        """Apply these limits to a client's context; certificates are checked as before."""
        if self.words:
            context.set_ciphers(self.words)
        if self.minimum is not None:
            context.minimum_version = _VERSIONS[self.minimum]

    def context(self) -> ssl.SSLContext:
        """Return a new client's context with these limits; it trusts no authority yet."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.apply(context)
        return context

    @property
    def weaker(self) -> tuple[str, ...]:
        """Return warnings about a connection that can be weaker than this machine's own, each with the fix."""
        warnings: list[str] = []
        if self.minimum in _OLD:
            warnings.append(
                tr(
                    'tls_minimum = "{minimum}" allows TLS {minimum} for this source, which others on the network '
                    "can read or change: have the office turn on TLS 1.2, then remove tls_minimum.",
                    minimum=self.minimum,
                )
            )
        usual = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if self.ciphers and _strength(self.context()) - _strength(usual):
            warnings.append(
                tr(
                    'tls_ciphers = "{ciphers}" allows weaker encryption than usual for this source: have the '
                    "office turn on an ECDHE cipher and use keys of 2048 bits or more, then remove tls_ciphers.",
                    ciphers=self.ciphers,
                )
            )
        return tuple(warnings)


#: This machine's own limits.
UNLOOSENED = TlsLimits()


def _strength(context: ssl.SSLContext) -> set[str]:
    """Return what a context accepts: its ciphers, and the security levels from its own upwards."""
    levels = {f"level {level}" for level in range(context.security_level, 6)}
    return {str(cipher["name"]) for cipher in context.get_ciphers()} | levels


def _known_ciphers(written: str) -> str:
    """Refuse a cipher string with a part that OpenSSL does not know: OpenSSL ignores such parts."""
    for word in re.split(r"[:, ]+", written.strip()) if written.strip() else ():
        if word.startswith(("@", "!", "-")):
            continue
        if not _selects(word.removeprefix("+")):
            raise ValueError(
                tr(
                    'OpenSSL on this machine has no cipher "{word}" for TLS 1.2 or older: to list its ciphers, run '
                    "`openssl ciphers -v`",
                    word=word,
                )
            )
    if written.strip() and not _selects(f"{written}:{_NEVER}"):
        raise ValueError(
            tr(
                'no cipher is left, or this is not in OpenSSL\'s form: write one such as "AES128-SHA" or '
                '"DEFAULT:@SECLEVEL=1"'
            )
        )
    return written.strip()


def _selects(words: str) -> bool:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).set_ciphers(words)
    except ssl.SSLError:
        return False
    return True


class Tls(Table):
    """How weak the connection to a source's server can be; left out, this machine's own limits apply."""

    #: The oldest version of TLS that is accepted from this server.
    tls_minimum: Version | None = None
    #: The ciphers up to TLS 1.2, as OpenSSL writes them.
    tls_ciphers: Annotated[str, AfterValidator(_known_ciphers)] = ""

    @model_validator(mode="after")
    def _has_ciphers(self) -> Self:
        if self.tls_minimum == "1.3" and self.tls_ciphers:
            raise ValueError(tr("TLS 1.3 has ciphers of its own: remove tls_ciphers, or set a lower tls_minimum"))
        return self

    @property
    def tls(self) -> TlsLimits:
        """The two as one value."""
        return TlsLimits(self.tls_minimum, self.tls_ciphers)

    @property
    def weaker_connection(self) -> tuple[str, ...]:
        """Return the warnings about a weaker connection; each run repeats them."""
        return self.tls.weaker


class DatabaseTls(Tls):
    """The same for a source in a database; refused where the driver has no such setting."""

    url: DatabaseUrl

    @model_validator(mode="after")
    def _driver_has_limits(self) -> Self:
        if self.url.in_the_file:
            self.refuse_what_no_driver_does(self.url.reveal())
        return self

    def refuse_what_no_driver_does(self, url: str) -> None:
        """Raise ValueError, with the reason, where this url's driver has no setting for these limits."""
        if self.tls:
            refuse_what_no_driver_does(url, self.tls, thick=getattr(self, "oracle_client", None) is not None)


def refuse_what_no_driver_does(written: str, limits: TlsLimits, *, thick: bool) -> None:
    """Raise ValueError, with the reason, where the url's driver has no setting for these limits."""
    url = make_url(written)
    name, _, driver = url.drivername.partition("+")
    # SQLAlchemy's default where the url names no driver; the driver itself may not be installed here.
    driver = driver or {"mysql": "mysqldb", "mariadb": "mysqldb", "oracle": "oracledb"}.get(name, name)
    keys = [key for key, value in (("tls_minimum", limits.minimum), ("tls_ciphers", limits.ciphers)) if value]
    why = ""
    if name == "sqlite":
        # A url that could not be read is replaced by one without a file.
        why = tr("a file is read without TLS; remove the key") if url.database else ""
    elif name in ("postgresql", "opengauss", "gaussdb", "kingbase"):
        if limits.ciphers:
            keys, why = ["tls_ciphers"], tr("PostgreSQL's client has no setting for ciphers; remove the key")
        elif limits.minimum in _OLD:
            why = tr(
                "PostgreSQL's client no longer supports TLS {version}: have the office turn on TLS 1.2; remove the key",
                version=limits.minimum,
            )
    elif name in ("mysql", "mariadb") and driver == "pymysql":
        why = tr("the url switches TLS off (ssl_disabled); remove the key") if "ssl_disabled" in url.query else ""
    elif name == "oracle" and driver == "oracledb":
        if thick:
            why = tr(
                "Oracle's own client (oracle_client) reads SSL_VERSION and SSL_CIPHER_SUITES from its sqlnet.ora; "
                "remove the key"
            )
        elif "tcps" not in written.lower():
            why = tr(
                "the url does not use TLS: write ?dsn=tcps://HOST:PORT/SERVICE after oracle+oracledb://USER:PASSWORD@"
            )
    elif driver == "mysqldb":
        why = tr("the driver {driver} has no setting for it: write mysql+pymysql:// in the url", driver=driver)
    else:
        why = tr("the driver {driver} has no setting for it; remove the key", driver=driver)
    if why:
        raise ValueError(tr("{keys} cannot take effect here: {why}", keys=tr(" and ").join(keys), why=why))


#: The texts of TLS libraries and databases → the error, what the server did, and the fix. What differs from source to
#: source is in braces: see `cause_of`.
_CAUSES: tuple[tuple[str, type[SourceError], str, str], ...] = (
    (
        (
            r"wrong.version.number|record.layer.failure|unknown.protocol|packet.length.too.long|http.request"
            r"|(doesn't|does not) support SSL|SSL is required"
        ),
        SourceRefused,
        N_("does not use TLS on that port"),
        N_("Set the port where the server uses TLS; or, to ask without TLS, write {plain}."),
    ),
    (
        r"unsupported.protocol|alert.protocol.version|no.protocols.available|version.too.low|legacy.sigalg",
        SourceRefused,
        N_("supports only versions of TLS that are no longer safe"),
        N_("Have the office turn on TLS 1.2{older}."),
    ),
    (
        r"dh.key.too.small|bad.dh.p.length",
        SourceRefused,
        N_("uses a Diffie-Hellman key that is too small"),
        N_("Have the office use a Diffie-Hellman group of 2048 bits or more, or an ECDHE cipher{small}."),
    ),
    (
        r"\b(ee|ca) certificate key too weak|\bkey.too.(small|weak)|ca.md.too.weak|digest.*too weak",
        SourceRefused,
        N_("shows a certificate with a key or a digest that is too weak"),
        N_("Have the office get a certificate with a key of 2048 bits or more and SHA-256{weak}."),
    ),
    (
        r"handshake.failure|no.shared.cipher|no.ciphers.available|insufficient.security",
        SourceRefused,
        N_("has no TLS cipher in common with this machine"),
        N_("Have the office turn on an ECDHE cipher for TLS 1.2{rsa}."),
    ),
    (
        r"certificate.has.expired|alert.certificate.expired",
        SourceRefused,
        N_("shows a certificate that has expired"),
        N_("Have the office renew it."),
    ),
    (
        r"certificate is not yet valid",
        SourceRefused,
        N_("shows a certificate that is not valid yet"),
        N_("Check this machine's clock; if it is right, have the office correct the certificate."),
    ),
    (
        r"(hostname|address) mismatch|certificate is not valid for|does not match host name|DPY-6006",
        SourceRefused,
        N_("shows a certificate for another name"),
        N_("Write the host in the url by a name in the certificate, or have the office add this name to it."),
    ),
    (
        r"root certificate file .* does not exist|no.certificate.or.crl.found|could not read root certificate",
        SourceRefused,
        N_("cannot be verified: the file of its certificate authority does not exist or has no certificate"),
        N_("Put the authority's certificate, as PEM, in the file that {authority} names."),
    ),
    (
        r"self.signed.certificate|unable.to.get.(local.)?issuer",
        SourceRefused,
        N_("shows a certificate whose authority is not known here"),
        N_("Get the certificate of the authority from the office, and set {authority} to its file."),
    ),
    (
        r"certificate.verify.failed",
        SourceRefused,
        N_("shows a certificate that is not trusted here"),
        (
            N_(
                "Have the office check whether it has expired, and for which name it is; or set {authority} "
                "to its authority's file."
            )
        ),
    ),
    (
        r"unexpected.eof.while.reading|EOF occurred in violation",
        SourceUnavailable,
        N_("closed the connection during the TLS handshake"),
        (
            N_(
                "The next run tries again. If this repeats, the server may need an older TLS: have the office "
                "turn on TLS 1.2{older}."
            )
        ),
    ),
)

#: What can be written into the table of the source, where its driver has such a setting.
_BY_SETTINGS = {
    "older": N_('; until then write tls_minimum = "1.0" (or "1.1") in the table of this source'),
    "small": N_(
        '; until then write tls_ciphers = "DEFAULT:!DHE", or "DEFAULT:@SECLEVEL=1", in the table of this source'
    ),
    "weak": N_('; until then write tls_ciphers = "DEFAULT:@SECLEVEL=1" in the table of this source'),
    "rsa": N_('; until then write tls_ciphers = "DEFAULT" in the table of this source'),
}


@dataclass(frozen=True, slots=True)
class HandshakeFailure:
    """Why a handshake failed: the error, what the server did, and the fix."""

    kind: type[SourceError]
    did: str
    fix_text: str


def cause_of(text: str, *, plain: str, authority: str, settings: bool) -> HandshakeFailure | None:
    """Return why a TLS handshake failed; None where TLS is not the cause.

    `plain` is how to ask the source without TLS, `authority` the key for a certificate authority; `settings` is
    whether tls_minimum and tls_ciphers can be set for the source.
    """
    ways = {key: tr(text) if settings else "" for key, text in _BY_SETTINGS.items()}
    fill = {"plain": plain, "authority": authority, **ways}
    for words, kind, did, fix_text in _CAUSES:
        if re.search(words, text, re.IGNORECASE):
            return HandshakeFailure(kind, tr(did), tr(fix_text, **fill))
    return None


#: Causes that other limits can resolve.
_MAY_HELP = re.compile(
    r"unsupported.protocol|alert.protocol.version|legacy.sigalg|dh.key.too.small|handshake.failure|no.shared.cipher"
    r"|no.ciphers.available|version.too.low|insufficient.security",
    re.IGNORECASE,
)


def find_accepted_limits(host: str, port: int, seconds: float, text: str) -> tuple[TlsLimits, str] | None:
    """Return the first limits that a server accepts, the least weak first; None where it accepts none.

    Returns them with the agreed version of TLS, after at most `seconds`. Nothing is sent, and no certificate is
    trusted: this only finds the setting to name in a message.
    """
    if not _MAY_HELP.search(text):
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
            agreed = {"TLSv1": "TLS 1.0"}.get(str(secured.version()), str(secured.version()).replace("TLSv", "TLS "))
            return limits, agreed
    return None


def in_settings(limits: TlsLimits) -> str:
    """Return limits in the form of the settings file."""
    written = [f'tls_minimum = "{limits.minimum}"'] if limits.minimum else []
    written += [f'tls_ciphers = "{limits.ciphers}"'] if limits.ciphers else []
    return tr(" and ").join(written)
