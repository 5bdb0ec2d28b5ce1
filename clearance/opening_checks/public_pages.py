"""The public addresses: whether they answer from here, and when their certificates end."""

import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import HTTPError

from clearance.services import Program
from foundation.http_client import AnswerTooLargeError, AnswerTooSlowError, HttpClient, RequestLimits
from foundation.translation import tr

#: A certificate must be valid for this long.
_LASTS = timedelta(days=21)

_SECONDS = 5.0


def warnings(program: Program) -> Iterator[str]:
    """Yield what keeps people from the pages, each with the fix."""
    portal = program.settings.portal
    if not portal.public_url:
        yield tr("no address is known by which people reach the pages. Set public_url in [portal]")
    for key in ("public_url", "desk_public_url"):
        address = getattr(portal, key)
        if address:
            yield from _about(key, address, program.clock())


def _about(key: str, address: str, now: datetime) -> Iterator[str]:
    parts = urlsplit(address)
    if parts.scheme == "http" and parts.hostname not in ("localhost", "127.0.0.1", "::1"):
        yield tr(
            "{key}: {address} is not encrypted. Use https, with a certificate at the proxy", key=key, address=address
        )
    if parts.scheme == "https" and parts.hostname:
        end = _certificate_end(parts.hostname, parts.port or 443)
        if end is not None and end - now < _LASTS:
            yield tr(
                "{key}: the certificate of {host} ends on {day}. Renew it at the proxy",
                key=key,
                host=parts.hostname,
                day=end.date(),
            )
    limits = RequestLimits(_SECONDS, _SECONDS, _SECONDS, time.monotonic() + 2 * _SECONDS, 65_536)
    try:
        with HttpClient() as client:
            response, _body = client.send("GET", f"{address.rstrip('/')}/healthz", limits)
    except requests.exceptions.SSLError:
        yield tr(
            "{key}: the certificate of {address} is not trusted from here. Install it with its intermediate "
            "certificates at the proxy",
            key=key,
            address=address,
        )
    except (requests.RequestException, HTTPError, OSError, AnswerTooLargeError, AnswerTooSlowError):
        yield tr(
            "{key}: {address} does not answer from this machine. Start the proxy and the service, and check the name, "
            "the firewall and the port",
            key=key,
            address=address,
        )
    else:
        if response.status_code >= requests.codes.bad_request and response.status_code != requests.codes.forbidden:
            yield tr(
                "{key}: {address}/healthz answers with status {status}. Check that the service runs, and that the "
                "proxy leads to it",
                key=key,
                address=address.rstrip("/"),
                status=response.status_code,
            )


def _certificate_end(host: str, port: int) -> datetime | None:
    """Return the end of a host's certificate; None where it is not trusted or cannot be reached."""
    with (
        suppress(OSError),
        socket.create_connection((host, port), _SECONDS) as plain,
        ssl.create_default_context().wrap_socket(plain, server_hostname=host) as secure,
    ):
        found = secure.getpeercert()
        if found and "notAfter" in found:
            return datetime.fromtimestamp(ssl.cert_time_to_seconds(str(found["notAfter"])), UTC)
    return None
