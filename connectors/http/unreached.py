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

from connectors.port import SourceError, SourceRefused, SourceUnavailable

#: The first bytes of the alert that a TLS server sends to a client of plain HTTP.
_TLS_ALERT = "\x15\x03"

#: The text that nginx, and servers based on it, send in the same case.
NO_PLAIN_HTTP = b"plain HTTP request was sent to HTTPS port"

SPEAKS_TLS = (
    "expects TLS on that port, but was asked over plain http",
    "Write https:// in place of http:// in url.",
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
            f"{asked.named}: the name {urlsplit(asked.url).hostname} cannot be resolved",
            "The next run tries again. Check the host in url, and this machine's name servers (DNS).",
        )
    if "ConnectTimeout" in names or "ConnectTimeoutError" in names:
        return SourceUnavailable(
            f"{asked.named}: {asked.where} could not be reached within {asked.connect_seconds:g} s",
            "The next run tries again. Check the host and port in url, and that no firewall blocks this machine.",
        )
    if "Connection refused" in text:
        return SourceUnavailable(
            f"{asked.named}: no program listens on {asked.where} (connection refused)",
            "The next run tries again. Check that the system runs, and that url has its port.",
        )
    if found := re.search(r"No route to host|Network is unreachable|Host is down", text):
        return SourceUnavailable(
            f"{asked.named}: {asked.where} cannot be reached from here ({found[0].lower()})",
            "The next run tries again. Check this machine's network, and the host in url.",
        )
    if "ReadTimeout" in names or "ReadTimeoutError" in names:
        return SourceUnavailable(
            f"{asked.named} was too slow to answer: no data for {asked.seconds:g} s",
            "The next run tries again. If the system needs longer, raise timeout, or ask for smaller pages.",
        )
    if any(_TLS_ALERT in str(each) or r"\x15\x03" in str(each) for each in chain):
        return SourceRefused(f"{asked.named} {SPEAKS_TLS[0]}", SPEAKS_TLS[1])
    if names & {"RemoteDisconnected", "ConnectionResetError", "BrokenPipeError"}:
        return SourceUnavailable(
            f"{asked.named} closed the connection before it answered",
            "The next run tries again. Check that the system runs, and that no proxy or firewall closes connections.",
        )
    return None


def _proxy_failure(text: str, asked: HttpTarget) -> SourceError:
    if found := re.search(r"Tunnel connection failed: (\d{3})", text):
        if found[1] == "407":
            return proxy_needs_login(asked)
        return SourceUnavailable(
            f"{asked.named}: the proxy {asked.by_proxy} refused the connection (HTTP {found[1]})",
            f"The next run tries again. Have the operator of the proxy allow {asked.where}.",
        )
    cause = re.search(r"Connection refused|timed out|Failed to resolve|No route to host", text)
    return SourceUnavailable(
        f"{asked.named}: the proxy {asked.by_proxy} could not be reached{f' ({cause[0].lower()})' if cause else ''}",
        "The next run tries again. Check that the proxy runs, and check proxy in the settings.",
    )


def proxy_needs_login(asked: HttpTarget) -> SourceError:
    """Return the error for a proxy that requires a login."""
    return SourceRefused(
        f"{asked.named}: the proxy {asked.by_proxy} requires a valid name and password (HTTP 407)",
        "Set them in proxy, as http://USER:PASSWORD@HOST:PORT, by env: or file:.",
    )


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
