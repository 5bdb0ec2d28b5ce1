"""Asking a provider over HTTP: with limits, and only the provider itself."""

import time
from collections.abc import Mapping
from pathlib import Path

import requests
from requests.auth import AuthBase

from portal.auth.refusals import SignInRefused, Why

#: Seconds to connect, and between two bytes; and for the whole answer.
_PATIENCE = (5.0, 10.0)
_LONGEST = 15.0

#: An answer about one person, or a provider's keys, is never longer, in bytes.
_LARGEST = 256 * 1024


class Asker:
    """Asks one provider. Every answer other than a whole 200 raises SignInRefused."""

    def __init__(self, method: str, ca_file: Path | None) -> None:
        self._method = method
        self._verify: str | bool = str(ca_file) if ca_file else True

    def get(self, url: str, params: Mapping[str, str] | None = None, *, token: str = "") -> bytes:
        """Return the answer to a GET."""
        return self._asked("GET", url, params=params, headers={"Authorization": f"Bearer {token}"} if token else None)

    def post(self, url: str, form: Mapping[str, str], auth: AuthBase | None) -> bytes:
        """Return the answer to a form."""
        return self._asked("POST", url, form=form, auth=auth)

    def _asked(
        self,
        verb: str,
        url: str,
        *,
        params: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        auth: AuthBase | None = None,
    ) -> bytes:
        began = time.monotonic()
        try:
            with requests.Session() as session:
                # Only what the settings say: no proxy, no password file of whoever runs this.
                session.trust_env = False
                with session.request(
                    verb,
                    url,
                    params=params,
                    data=form,
                    headers=headers,
                    auth=auth,
                    timeout=_PATIENCE,
                    verify=self._verify,
                    allow_redirects=False,
                    stream=True,
                ) as response:
                    body = bytearray()
                    for piece in response.iter_content(16 * 1024):
                        body += piece
                        if len(body) > _LARGEST:
                            raise self._refused(Why.REFUSED, f"{url} answered with more than {_LARGEST} bytes")
                        if time.monotonic() - began > _LONGEST:
                            raise self._refused(Why.UNAVAILABLE, f"{url} took longer than {_LONGEST:.0f} s")
                    status = response.status_code
        except (requests.RequestException, OSError) as error:
            # What the library says may hold the address with the ticket in it.
            raise self._refused(Why.UNAVAILABLE, f"{url} does not answer ({type(error).__name__})") from None
        if status != requests.codes.ok:
            why = Why.UNAVAILABLE if status >= requests.codes.server_error else Why.REFUSED
            raise self._refused(why, f"{url} answered with status {status}")
        return bytes(body)

    def _refused(self, why: Why, message: str) -> SignInRefused:
        return SignInRefused(self._method, why, message)
