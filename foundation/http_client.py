"""HTTP requests to other systems: only to the address in the settings, within a deadline and a size limit."""

import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import requests
from requests.adapters import HTTPAdapter
from requests.cookies import RequestsCookieJar

_CHUNK = 1 << 16


class AnswerTooLargeError(Exception):
    """The answer has more bytes than the limits allow."""


class AnswerTooSlowError(Exception):
    """The answer was not complete at the deadline."""


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """How long one request may take, and how large its answer may be."""

    #: Seconds to connect, and between two bytes.
    connect: float
    silence: float
    #: Seconds for the answer's body.
    body: float
    #: When the answer must be complete, by `time.monotonic()`.
    deadline: float
    most_bytes: int


class HttpClient:
    """Sends requests over one session, which keeps cookies and connections until `close`.

    It uses no proxy and no password file from the environment, and follows no redirect. Certificates are checked
    against `authority` or, without one, this machine's list; `tls` returns a context with limits of its own.
    """

    def __init__(
        self,
        authority: Path | None = None,
        *,
        proxy: str = "",
        headers: Mapping[str, str] | None = None,
        tls: Callable[[], ssl.SSLContext] | None = None,
    ) -> None:
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.verify = str(authority) if authority else True
        if tls:
            self._session.mount("https://", _TlsAdapter(tls))
        self._session.headers.update(headers or {})
        if proxy:
            self._session.proxies = {"http": proxy, "https": proxy}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def cookies(self) -> RequestsCookieJar:
        """The cookies that were received. They are sent with each request."""
        return self._session.cookies

    def send(self, method: str, url: str, limits: RequestLimits, **sent: Any) -> tuple[requests.Response, bytes]:  # noqa: ANN401 - as requests takes it
        """Return an answer and its body. Raises AnswerTooLargeError, AnswerTooSlowError and what the libraries raise.

        The libraries' messages may contain the whole address, and a secret in it.
        """
        timeout = (limits.connect, limits.silence)
        with self._session.request(
            method, url, timeout=timeout, stream=True, allow_redirects=False, **sent
        ) as response:
            return response, _body(response, limits)

    def close(self) -> None:
        """Close every connection."""
        # A session's own close only drops its connections; an exception that refers to them would keep them open.
        for adapter in self._session.adapters.values():
            if isinstance(adapter, HTTPAdapter):
                for manager in (adapter.poolmanager, *adapter.proxy_manager.values()):
                    for key in manager.pools.keys():  # noqa: SIM118 - this container cannot be iterated
                        manager.pools[key].close()
        self._session.close()


def _body(response: requests.Response, limits: RequestLimits) -> bytes:
    end = min(limits.deadline, time.monotonic() + limits.body)
    content = bytearray()
    # The limits are checked after each read: a slow server may never fill a chunk.
    while chunk := response.raw.read1(_CHUNK, decode_content=True):
        content += chunk
        if len(content) > limits.most_bytes:
            raise AnswerTooLargeError
        if time.monotonic() > end:
            raise AnswerTooSlowError
    return bytes(content)


class _TlsAdapter(HTTPAdapter):
    """Uses TLS within given limits. Certificates are checked as by default."""

    def __init__(self, context: Callable[[], ssl.SSLContext]) -> None:
        self._context = context
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - as requests calls it
        """Use the limits on direct connections."""
        super().init_poolmanager(*args, ssl_context=self._context(), **kwargs)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:  # noqa: ANN401 - as requests calls it
        """Use the limits also through a proxy."""
        return super().proxy_manager_for(proxy, ssl_context=self._context(), **kwargs)
