"""Sending JSON to a webhook. Its address is a secret, so no text contains it."""

import json
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar
from urllib.parse import urlsplit

import requests
import urllib3

from config.tables.notify import Webhook, wrong_address
from config.tables.secrets import Secret, SecretUnusable
from foundation.http_client import AnswerTooLargeError, AnswerTooSlowError, HttpClient, RequestLimits
from foundation.translation import tr
from sync.notify.channels.port import DeliveryCode, DeliveryFailed, shown

_OK, _REDIRECT, _WRONG = 200, 300, 400


@dataclass(frozen=True, slots=True)
class Waits:
    """How long a webhook has to connect and to answer, in seconds."""

    connect: float = 5.0
    answer: float = 10.0


_MOST_BYTES = 100_000


def reveal(table: str, key: str, secret: Secret) -> str:
    """Return a secret's value now. Raises DeliveryFailed."""
    try:
        return secret.reveal()
    except SecretUnusable as error:
        raise DeliveryFailed(
            DeliveryCode.SETTINGS, tr("[{table}] {key}: {error}", table=table, key=key, error=error)
        ) from None


def address(table: str, secret: Secret) -> str:
    """Return a webhook's address now. Raises DeliveryFailed."""
    url = reveal(table, "url", secret)
    if why := wrong_address(url):
        raise DeliveryFailed(DeliveryCode.SETTINGS, tr("[{table}] url: {why}.", table=table, why=why))
    return url


def post(
    table: str, url: str, body: bytes, authority: Path | None, waits: Waits, headers: dict[str, str] | None = None
) -> bytes:
    """Send a body of JSON and return the answer's body. Raises DeliveryFailed unless the answer is 2xx."""
    host = urlsplit(url).hostname
    limits = RequestLimits(waits.connect, waits.answer, waits.answer, time.monotonic() + waits.answer, _MOST_BYTES)
    sent = {"Content-Type": "application/json; charset=utf-8", **(headers or {})}
    with HttpClient(authority) as client:
        try:
            response, answer = client.send("POST", url, limits, data=body, headers=sent)
        except (requests.exceptions.SSLError, ssl.SSLError):
            why = tr("its certificate cannot be checked. Set authority to its issuer's certificates")
            raise _failed(table, host, DeliveryCode.UNREACHABLE, why) from None
        except (requests.exceptions.Timeout, urllib3.exceptions.TimeoutError, AnswerTooSlowError, TimeoutError):
            why = tr("it did not answer within {seconds} s. Check url", seconds=f"{waits.answer:g}")
            raise _failed(table, host, DeliveryCode.SILENT, why) from None
        except AnswerTooLargeError:
            why = tr("its answer is too large to be one of a webhook. Check url")
            raise _failed(table, host, DeliveryCode.REFUSED, why) from None
        except urllib3.exceptions.HTTPError:
            # What breaks while a body is read is not one of requests' own errors.
            why = tr("its answer broke off. Check url")
            raise _failed(table, host, DeliveryCode.REFUSED, why) from None
        except (requests.exceptions.RequestException, OSError, ValueError):
            why = tr("it cannot be reached. Check url, and whether this machine can connect to it")
            raise _failed(table, host, DeliveryCode.UNREACHABLE, why) from None
    if _REDIRECT <= response.status_code < _WRONG:
        why = tr(
            "it redirects to another address (HTTP {status}). Set url to the final one", status=response.status_code
        )
        raise _failed(table, host, DeliveryCode.REFUSED, why)
    if not _OK <= response.status_code < _REDIRECT:
        words = shown(answer.decode("utf-8", "replace"), (url, url.partition("?")[2]))
        why = tr("it answers HTTP {status}: {words}. Check url", status=response.status_code, words=words or "–")
        raise _failed(table, host, DeliveryCode.REFUSED, why)
    return answer


def checked_errcode(table: str, answer: bytes, url: str) -> str:
    """Return how a robot answered. WeCom and DingTalk answer HTTP 200 also to errors, with an `errcode` other than 0.

    Raises DeliveryFailed.
    """
    try:
        found: Any = json.loads(answer)
        code, words = found["errcode"], str(found.get("errmsg", ""))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise _failed(
            table, urlsplit(url).hostname, DeliveryCode.REFUSED, tr("its answer has no errcode. Check url")
        ) from None
    words = shown(words, (url, url.partition("?")[2]))
    if code != 0:
        why = tr(
            "it refuses the message: errcode {code}, {words}. Check url, and the robot's security",
            code=code,
            words=words,
        )
        raise _failed(table, urlsplit(url).hostname, DeliveryCode.REFUSED, why)
    return f"errcode 0 {words}".strip()


S = TypeVar("S", bound=Webhook)


class HttpChannel(Generic[S]):
    """What the channels by webhook share: the settings of one table, its secrets, and what a request may take."""

    #: The table of the settings.
    table: ClassVar[str]

    def __init__(
        self,
        settings: S,
        waits: Waits = Waits(),
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`clock` returns the real time in seconds, by which the receiver checks a signature."""
        self._settings = settings
        self._waits = waits
        self._clock = clock

    def reach(self) -> str:
        """Connect to the server, without a request; return what to show. Raises DeliveryFailed."""
        return _reach(self.table, self._address(), self._settings.authority, self._waits)

    def _address(self) -> str:
        return address(self.table, self._settings.url)

    def _secret(self, secret: Secret) -> str:
        return reveal(self.table, "secret", secret)

    def _post(self, url: str, content: Mapping[str, object]) -> str:
        """Send JSON to a robot; return its answer. Raises DeliveryFailed."""
        answer = post(self.table, url, json_bytes(content), self._settings.authority, self._waits)
        return checked_errcode(self.table, answer, url)


def json_bytes(content: Mapping[str, object]) -> bytes:
    """Return a body of JSON, in which Chinese stays readable."""
    return json.dumps(content, ensure_ascii=False).encode()


def _reach(table: str, url: str, authority: Path | None, waits: Waits) -> str:
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    host = parts.hostname or ""
    try:
        with socket.create_connection((host, port), waits.connect) as plain_socket:
            if parts.scheme == "https":
                context = ssl.create_default_context(cafile=str(authority) if authority else None)
                with context.wrap_socket(plain_socket, server_hostname=host):
                    pass
    except ssl.SSLError:
        why = tr("its certificate cannot be checked. Set authority to its issuer's certificates")
        raise _failed(table, host, DeliveryCode.UNREACHABLE, why) from None
    except OSError:
        why = tr("it cannot be reached. Check url, and whether this machine can connect to it")
        raise _failed(table, host, DeliveryCode.UNREACHABLE, why) from None
    return tr("{host} can be reached", host=host)


def _failed(table: str, host: str | None, code: DeliveryCode, why: str) -> DeliveryFailed:
    return DeliveryFailed(code, tr("[{table}] {host}: {why}.", table=table, host=host, why=why.rstrip(".")))
