"""HTTP requests to other systems: only what the settings say, within a deadline and up to a size."""

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
    """The answer had not come whole at the deadline."""


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """How long one request may take, and how large its answer may be."""

    #: Seconds to connect, and between two bytes.
    connect: float
    silence: float
    #: Seconds for the answer's body.
    body: float
    #: When the whole answer must be there, by `time.monotonic()`.
    deadline: float
    most_bytes: int


class HttpClient:
    """Sends requests over one session: cookies and connections are kept from one to the next, up to `close`.

    No proxy and no password file is taken from the environment, and no redirect is followed. Certificates are checked
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
            self._session.mount("https://", _WithTls(tls))
        self._session.headers.update(headers or {})
        if proxy:
            self._session.proxies = {"http": proxy, "https": proxy}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def cookies(self) -> RequestsCookieJar:
        """What the systems have left; it is sent along."""
        return self._session.cookies

    def send(self, method: str, url: str, limits: RequestLimits, **sent: Any) -> tuple[requests.Response, bytes]:  # noqa: ANN401 - as requests takes it
        """Return an answer and its body. Raises AnswerTooLargeError, AnswerTooSlowError and what the libraries raise.

        The libraries' texts may hold the whole address, and with it a secret.
        """
        timeout = (limits.connect, limits.silence)
        with self._session.request(
            method, url, timeout=timeout, stream=True, allow_redirects=False, **sent
        ) as response:
            return response, _body(response, limits)

    def close(self) -> None:
        """Close every connection."""
        # Closing a session only forgets its connections; whoever keeps an error would keep them open.
        for adapter in self._session.adapters.values():
            if isinstance(adapter, HTTPAdapter):
                for manager in (adapter.poolmanager, *adapter.proxy_manager.values()):
                    for key in manager.pools.keys():  # noqa: SIM118 - this container cannot be iterated
                        manager.pools[key].close()
        self._session.close()


def _body(response: requests.Response, limits: RequestLimits) -> bytes:
    end = min(limits.deadline, time.monotonic() + limits.body)
    content = bytearray()
    # What has come is looked at as it comes: waiting for a full chunk, a server that drips would never be late.
    while chunk := response.raw.read1(_CHUNK, decode_content=True):
        content += chunk
        if len(content) > limits.most_bytes:
            raise AnswerTooLargeError
        if time.monotonic() > end:
            raise AnswerTooSlowError
    return bytes(content)


class _WithTls(HTTPAdapter):
    """Speaks TLS within given limits; certificates are checked as by default."""

    def __init__(self, context: Callable[[], ssl.SSLContext]) -> None:
        self._context = context
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - as requests calls it
        """Use them on the direct way."""
        super().init_poolmanager(*args, ssl_context=self._context(), **kwargs)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:  # noqa: ANN401 - as requests calls it
        """Use them through a proxy, too."""
        return super().proxy_manager_for(proxy, ssl_context=self._context(), **kwargs)
