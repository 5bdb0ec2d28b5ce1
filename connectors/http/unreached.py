"""Why an HTTP request failed: the host name, the port, the network, the proxy or the system.

The libraries' own texts repeat addresses with their query, and a proxy's address with its password: messages contain
only the root cause.
"""

import json
import re
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from requests import exceptions

from connectors.http.tls import cause_of, find_accepted_limits, in_settings
from connectors.port import SourceError, SourceRefused, SourceUnavailable
from foundation.translation import N_, tr

#: The first bytes of the alert that a TLS server sends to a client of plain HTTP.
_TLS_ALERT = "\x15\x03"

#: The text that nginx, and servers based on it, send in the same case.
NO_PLAIN_HTTP = b"plain HTTP request was sent to HTTPS port"

TRY_LATER = N_("The next run tries again. Check that the system runs and can be reached from here.")


def expects_tls(named: str) -> SourceRefused:
    """Return the error for a server that expects TLS; `named` is the source and its address."""
    return SourceRefused(
        tr("{named} expects TLS on that port, but was asked over plain http", named=named),
        tr("Write https:// in place of http:// in url."),
    )


@dataclass(frozen=True, slots=True)
class HttpTarget:
    """The address of a request, and its time limits."""

    #: The beginning of each message: the source's name and the address, without secrets.
    named: str
    url: str
    proxy: str
    connect_seconds: float
    seconds: float

    @property
    def where(self) -> str:
        """The host and the port."""
        return _host_and_port(self.url)

    @property
    def by_proxy(self) -> str:
        """The proxy's host and port."""
        return _host_and_port(self.proxy)


def unreached_error(error: BaseException, asked: HttpTarget) -> SourceError | None:
    """Return why there is no answer; None where the answer was cut off."""
    chain = list(_chain(error))
    text = " ".join(str(each) for each in chain if isinstance(each, OSError))
    if any(isinstance(each, exceptions.ProxyError) for each in chain):
        return _proxy_failure(text, asked)
    names = {type(each).__name__ for each in chain}
    if "NameResolutionError" in names:
        return SourceUnavailable(
            tr(
                "{named}: the name {hostname} cannot be resolved",
                named=asked.named,
                hostname=urlsplit(asked.url).hostname,
            ),
            tr("The next run tries again. Check the host in url, and this machine's name servers (DNS)."),
        )
    if "ConnectTimeout" in names or "ConnectTimeoutError" in names:
        return SourceUnavailable(
            tr(
                "{named}: {where} could not be reached within {seconds:g} s",
                named=asked.named,
                where=asked.where,
                seconds=asked.connect_seconds,
            ),
            tr("The next run tries again. Check the host and port in url, and that no firewall blocks this machine."),
        )
    if "Connection refused" in text:
        return SourceUnavailable(
            tr("{named}: no program listens on {where} (connection refused)", named=asked.named, where=asked.where),
            tr("The next run tries again. Check that the system runs, and that url has its port."),
        )
    if found := re.search(r"No route to host|Network is unreachable|Host is down", text):
        return SourceUnavailable(
            tr(
                "{named}: {where} cannot be reached from here ({cause})",
                named=asked.named,
                where=asked.where,
                cause=found[0].lower(),
            ),
            tr("The next run tries again. Check this machine's network, and the host in url."),
        )
    if "ReadTimeout" in names or "ReadTimeoutError" in names:
        return SourceUnavailable(
            tr("{named} was too slow to answer: no data for {seconds:g} s", named=asked.named, seconds=asked.seconds),
            tr("The next run tries again. If the system needs longer, raise timeout, or ask for smaller pages."),
        )
    if any(_TLS_ALERT in str(each) or r"\x15\x03" in str(each) for each in chain):
        return expects_tls(asked.named)
    if names & {"RemoteDisconnected", "ConnectionResetError", "BrokenPipeError"}:
        return SourceUnavailable(
            tr("{named} closed the connection before it answered", named=asked.named),
            tr(
                "The next run tries again. Check that the system runs, and that no proxy or firewall closes "
                "connections."
            ),
        )
    return None


def _proxy_failure(text: str, asked: HttpTarget) -> SourceError:
    if found := re.search(r"Tunnel connection failed: (\d{3})", text):
        if found[1] == "407":
            return proxy_needs_login(asked)
        return SourceUnavailable(
            tr(
                "{named}: the proxy {proxy} refused the connection (HTTP {status})",
                named=asked.named,
                proxy=asked.by_proxy,
                status=found[1],
            ),
            tr("The next run tries again. Have the operator of the proxy allow {where}.", where=asked.where),
        )
    cause = re.search(r"Connection refused|timed out|Failed to resolve|No route to host", text)
    what = N_("{named}: the proxy {proxy} could not be reached")
    if cause:
        what = N_("{named}: the proxy {proxy} could not be reached ({cause})")
    return SourceUnavailable(
        tr(what, named=asked.named, proxy=asked.by_proxy, cause=cause[0].lower() if cause else ""),
        tr("The next run tries again. Check that the proxy runs, and check proxy in the settings."),
    )


def proxy_needs_login(asked: HttpTarget) -> SourceError:
    """Return the error for a proxy that requires a login."""
    return SourceRefused(
        tr(
            "{named}: the proxy {proxy} requires a valid name and password (HTTP 407)",
            named=asked.named,
            proxy=asked.by_proxy,
        ),
        tr("Set them in proxy, as http://USER:PASSWORD@HOST:PORT, by env: or file:."),
    )


def tls_failure(text: str, asked: HttpTarget, table: str, seconds: float) -> SourceError:
    """Return the error for a failed TLS handshake, with the fix; `text` is the TLS library's.

    It tries for at most `seconds` which limits the server accepts. `table` is the source's table in the settings.
    """
    cause = cause_of(text, plain=tr("http:// in url"), authority="authority", settings=True)
    if cause is None:
        return SourceUnavailable(
            tr("{named}: TLS failed ({text})", named=asked.named, text=text),
            tr("{try_later} If this repeats, send the office the text in brackets.", try_later=tr(TRY_LATER)),
        )
    what = tr("{named} {did} ({text})", named=asked.named, did=cause.did, text=text)
    parts = urlsplit(asked.url)
    if asked.proxy or not parts.hostname or seconds <= 0:
        return cause.kind(what, cause.fix_text)
    found = find_accepted_limits(parts.hostname, parts.port or 443, seconds, text)
    if found is None:
        return cause.kind(what, cause.fix_text)
    limits, version = found
    what = tr("{what}; in a test just now, it accepted {version}", what=what, version=version)
    fix_text = tr("No weaker limit is needed. Remove tls_minimum and tls_ciphers from this source's table.")
    if limits:
        fix_text = tr(
            "Have the office turn on TLS 1.2 with an ECDHE cipher and keys of 2048 bits or more; until then write "
            "{keys} in {table}. Every run then warns of the weaker connection.",
            keys=in_settings(limits),
            table=table,
        )
    return cause.kind(what, fix_text)


def public_url(url: str) -> str:
    """Return an address without possible secrets: user, password, query."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}{parts.path}"


def _host_and_port(url: str) -> str:
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return f"{parts.hostname or ''}:{port}"


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and all its causes."""
    yield error
    inner = [getattr(error, "reason", None), getattr(error, "original_error", None), *error.args]
    for each in inner:
        if isinstance(each, BaseException) and each is not error:
            yield from _chain(each)


def root_cause_text(error: BaseException) -> str:
    """Return the root cause, without the address and its query, which the libraries repeat."""
    while True:
        if isinstance(error, ssl.SSLError) and error.args:
            # Its reason is one word; its text has the cause.
            return re.sub(r"\s*\(_ssl\.c:\d+\)", "", str(error.args[-1])).rstrip(".")[:200]
        inner = getattr(error, "reason", None) or (error.args[0] if error.args else None)
        if not isinstance(inner, BaseException):
            break
        error = inner
    text = str(inner) if isinstance(inner, str) else type(error).__name__
    text = text.rpartition(">: ")[2]
    return type(error).__name__ if "?" in text or "://" in text else text[:200]


#: The JSON fields that have the reason of a failed answer.
_WORDS_OF_FAILURE = frozenset(
    {"error", "error_description", "errors", "message", "msg", "detail", "details", "reason", "title", "parameters",
     "required_permissions", "errormessage", "error_message", "errmsg"}
)  # fmt: skip

_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)


def failure_words(text: str) -> str:
    """Return the reason in a failed answer: a page's title, fields of JSON, a line of text."""
    if text.startswith("<"):
        return found[1] if (found := _TITLE.search(text)) else ""
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        return "" if text[:1] in ("{", "[") else text.partition("\n")[0]
    return "; ".join(_reason_texts(body, in_reason=False)) if isinstance(body, dict | list) else str(body)


def _reason_texts(body: object, *, in_reason: bool) -> Iterator[str]:
    if isinstance(body, dict):
        for name, value in body.items():
            yield from _reason_texts(value, in_reason=in_reason or str(name).casefold() in _WORDS_OF_FAILURE)
    elif isinstance(body, list):
        for value in body[:3]:
            yield from _reason_texts(value, in_reason=in_reason)
    elif in_reason and isinstance(body, str) and body:
        yield body
