"""Why an HTTP exchange came to nothing: whether the name, the port, the way, the proxy or the system was at fault.

The libraries' own texts repeat addresses with what follows their `?`, and a proxy's with its password: of them only the
causes at the bottom are told.
"""

import json
import re
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from requests import exceptions

from connectors.port import SourceError, SourceRefused, SourceUnavailable

_TRY_LATER = "The next slot tries again."

#: How a TLS server's alert begins, which it sends to whoever speaks plain HTTP to it.
_TLS_ALERT = "\x15\x03"

#: What nginx, and what is made of it, says to the same.
NO_PLAIN_HTTP = b"plain HTTP request was sent to HTTPS port"

SPEAKS_TLS = (
    "speaks TLS on that port, and was asked over plain http",
    "Write https:// in place of http:// in url.",
)


@dataclass(frozen=True, slots=True)
class HttpTarget:
    """Whom we asked, and for how long."""

    #: Begins each message: the source's name and the address, without what may be secret.
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


def why_unreached(error: BaseException, asked: HttpTarget) -> SourceError | None:
    """Return what kept an answer from coming; None where the answer broke off."""
    chain = list(_chain(error))
    said = " ".join(str(each) for each in chain if isinstance(each, OSError))
    if any(isinstance(each, exceptions.ProxyError) for each in chain):
        return _by_proxy(said, asked)
    names = {type(each).__name__ for each in chain}
    if "NameResolutionError" in names:
        return SourceUnavailable(
            f"{asked.named}: the name {urlsplit(asked.url).hostname} cannot be resolved",
            f"Look at the host in url, and at this machine's name servers (DNS). {_TRY_LATER}",
        )
    if "ConnectTimeout" in names or "ConnectTimeoutError" in names:
        return SourceUnavailable(
            f"{asked.named}: {asked.where} could not be reached within {asked.connect_seconds:g} s",
            f"Look at host and port in url; a firewall on the way may have to let this machine through. {_TRY_LATER}",
        )
    if "Connection refused" in said:
        return SourceUnavailable(
            f"{asked.named}: nobody listens on {asked.where} (connection refused)",
            f"See that the system runs, and that url has its port. {_TRY_LATER}",
        )
    if found := re.search(r"No route to host|Network is unreachable|Host is down", said):
        return SourceUnavailable(
            f"{asked.named}: there is no way to {asked.where} from here ({found[0].lower()})",
            f"Look at this machine's network, and at the host in url. {_TRY_LATER}",
        )
    if "ReadTimeout" in names or "ReadTimeoutError" in names:
        return SourceUnavailable(
            f"{asked.named} was too slow to answer: nothing came for {asked.seconds:g} s",
            f"{_TRY_LATER} If the system needs longer, raise timeout, or ask for smaller pages.",
        )
    if any(_TLS_ALERT in str(each) or r"\x15\x03" in str(each) for each in chain):
        return SourceRefused(f"{asked.named} {SPEAKS_TLS[0]}", SPEAKS_TLS[1])
    if names & {"RemoteDisconnected", "ConnectionResetError", "BrokenPipeError"}:
        return SourceUnavailable(
            f"{asked.named} hung up before it answered",
            f"See that the system runs, and whether what stands on the way cuts it off. {_TRY_LATER}",
        )
    return None


def _by_proxy(said: str, asked: HttpTarget) -> SourceError:
    if found := re.search(r"Tunnel connection failed: (\d{3})", said):
        if found[1] == "407":
            return proxy_wants_a_password(asked)
        return SourceUnavailable(
            f"{asked.named}: the proxy {asked.by_proxy} did not let us through (HTTP {found[1]})",
            f"Have whoever runs the proxy look at {asked.where}. {_TRY_LATER}",
        )
    cause = re.search(r"Connection refused|timed out|Failed to resolve|No route to host", said)
    return SourceUnavailable(
        f"{asked.named}: the proxy {asked.by_proxy} could not be reached{f' ({cause[0].lower()})' if cause else ''}",
        f"See that the proxy runs, and look at proxy in the settings. {_TRY_LATER}",
    )


def proxy_wants_a_password(asked: HttpTarget) -> SourceError:
    """Return the refusal of a proxy that lets in nobody without a name."""
    return SourceRefused(
        f"{asked.named}: the proxy {asked.by_proxy} wants another name and password (HTTP 407)",
        "Write them into proxy, as http://USER:PASSWORD@HOST:PORT, by env: or file:.",
    )


def shown(url: str) -> str:
    """Return an address without what might be secret in it: user, password, query."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}{parts.path}"


def _host_and_port(url: str) -> str:
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return f"{parts.hostname or ''}:{port}"


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Give an error and everything that it was made of."""
    yield error
    inner = [getattr(error, "reason", None), getattr(error, "original_error", None), *error.args]
    for each in inner:
        if isinstance(each, BaseException) and each is not error:
            yield from _chain(each)


def said_by(error: BaseException) -> str:
    """Say what went wrong at the bottom, without the address and its query, which the libraries like to repeat."""
    while True:
        if isinstance(error, ssl.SSLError) and error.args:
            # Its reason is one word; what it says has the cause.
            return re.sub(r"\s*\(_ssl\.c:\d+\)", "", str(error.args[-1])).rstrip(".")[:200]
        inner = getattr(error, "reason", None) or (error.args[0] if error.args else None)
        if not isinstance(inner, BaseException):
            break
        error = inner
    said = str(inner) if isinstance(inner, str) else type(error).__name__
    said = said.rpartition(">: ")[2]
    return type(error).__name__ if "?" in said or "://" in said else said[:200]


#: Where failed answers have their words: in JSON, by the names of the fields.
_WORDS_OF_FAILURE = frozenset(
    {"error", "error_description", "errors", "message", "msg", "detail", "details", "reason", "title", "parameters",
     "required_permissions", "errormessage", "error_message", "errmsg"}
)  # fmt: skip

_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)


def words_of(text: str) -> str:
    """Return the words in which a failed answer gives its reason: a page's title, fields of JSON, a line of text."""
    if text.startswith("<"):
        return found[1] if (found := _TITLE.search(text)) else ""
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        return "" if text[:1] in ("{", "[") else text.partition("\n")[0]
    return "; ".join(_said_in(body, told=False)) if isinstance(body, dict | list) else str(body)


def _said_in(body: object, *, told: bool) -> Iterator[str]:
    if isinstance(body, dict):
        for name, value in body.items():
            yield from _said_in(value, told=told or str(name).casefold() in _WORDS_OF_FAILURE)
    elif isinstance(body, list):
        for value in body[:3]:
            yield from _said_in(value, told=told)
    elif told and isinstance(body, str) and body:
        yield body
