"""Asking a provider over HTTP: with limits, and only the provider itself."""

import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import requests
from requests.auth import AuthBase
from urllib3.exceptions import HTTPError, ReadTimeoutError

from foundation.http_client import AnswerTooLargeError, AnswerTooSlowError, HttpClient, RequestLimits
from portal.auth.refusals import SignInCode, SignInRefused

#: Seconds to connect, and between two bytes; and for the whole answer.
_PATIENCE = (5.0, 10.0)
_LONGEST = 15.0

#: An answer about one person, or a provider's keys, is never longer, in bytes.
_LARGEST = 256 * 1024


class ProviderClient:
    """Asks one provider. Every answer other than a whole 200 raises SignInRefused.

    Its messages name the address, the cause and what may help; never what was sent, which holds tickets and secrets.
    """

    def __init__(self, method: str, ca_file: Path | None) -> None:
        self._method = method
        self._current_ca = f' ("{ca_file}" now)' if ca_file else ""
        self._authority = ca_file

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
        limits = RequestLimits(*_PATIENCE, _LONGEST, time.monotonic() + _LONGEST, _LARGEST)
        try:
            with HttpClient(self._authority) as client:
                response, body = client.send(verb, url, limits, params=params, data=form, headers=headers, auth=auth)
        except AnswerTooLargeError:
            raise self._refused(
                SignInCode.REFUSED,
                f"{url} answered with more than {_LARGEST} bytes. Compare the addresses in [auth.{self._method}].",
            ) from None
        except AnswerTooSlowError:
            raise self._refused(
                SignInCode.UNAVAILABLE, f"{url} took longer than {_LONGEST:.0f} s: see whether it is overloaded"
            ) from None
        except requests.exceptions.SSLError as error:
            # What the library says may hold the address with the ticket in it.
            raise self._refused(SignInCode.UNAVAILABLE, self._untrusted(url, str(error))) from None
        except FileNotFoundError:
            raise self._refused(SignInCode.UNAVAILABLE, self._no_authority()) from None
        except (requests.exceptions.ConnectTimeout, requests.exceptions.ReadTimeout, ReadTimeoutError):
            raise self._refused(
                SignInCode.UNAVAILABLE,
                f"{url} does not answer in time. See whether it runs, and whether a firewall is in between.",
            ) from None
        except (requests.RequestException, HTTPError, OSError) as error:
            raise self._refused(
                SignInCode.UNAVAILABLE,
                self._no_authority() if "CA certificate bundle" in str(error) else _silent(url, error),
            ) from None
        if response.status_code != requests.codes.ok:
            sent_on = response.headers.get("Location", "")
            raise self._refused(*_status(url, response.status_code, sent_on, self._method))
        return body

    def _no_authority(self) -> str:
        return f"ca_file in [auth.{self._method}]{self._current_ca} holds no certificates: name a file of them, in PEM."

    def _untrusted(self, url: str, said: str) -> str:
        if "NO_CERTIFICATE_OR_CRL_FOUND" in said or "invalid path" in said:
            return self._no_authority()
        if "CERTIFICATE_VERIFY_FAILED" in said or "doesn't match" in said:
            cause = "is not for this host" if "mismatch" in said or "doesn't match" in said else _certificate(said)
            return (
                f"{url} shows a certificate that {cause}. Have it corrected, or name the file of the authority that "
                f"signed it as ca_file in [auth.{self._method}]{self._current_ca}."
            )
        return (
            f"{url} does not speak TLS as this machine does. See whether the port is one for https, and whether the "
            "server knows TLS 1.2 or later."
        )

    def _refused(self, why: SignInCode, message: str) -> SignInRefused:
        return SignInRefused(self._method, why, message)


def _certificate(said: str) -> str:
    known = {
        "expired": "has expired",
        "self-signed": "is signed by an authority that is not known here",
        "self signed": "is signed by an authority that is not known here",
        "unable to get": "is signed by an authority that is not known here, or comes without those in between",
        "not yet valid": "is not valid yet by the clock of this machine",
    }
    return next((what for part, what in known.items() if part in said), "is not trusted here")


def _silent(url: str, error: Exception) -> str:
    return (
        f"{url} does not answer ({_cause(error)}). See whether it runs, whether this machine knows its name, and "
        "whether a firewall is in between."
    )


def _cause(error: Exception) -> str:
    said = str(error)
    known = {
        "Name or service not known": "no such host",
        "Temporary failure in name resolution": "the name service does not answer",
        "No address associated": "no such host",
        "Connection refused": "connection refused",
        "No route to host": "no route to host",
        "Network is unreachable": "network unreachable",
    }
    return next((what for part, what in known.items() if part in said), type(error).__name__)


def _status(url: str, status: int, sent_on: str, method: str) -> tuple[SignInCode, str]:
    """Say what an answer's status means, and what helps."""
    key = "issuer" if method == "oidc" else "url"
    said = f"{url} answered with status {status}"
    if status >= requests.codes.server_error:
        return SignInCode.UNAVAILABLE, f"{said}. Look into the provider's own log."
    if requests.codes.multiple_choices <= status < requests.codes.bad_request:
        place = urlsplit(sent_on)
        host = f" to {place.scheme}://{place.netloc}" if place.netloc else ""
        said += f": it sends on{host}, and is not followed. Write as {key} in [auth.{method}] where it answers itself."
    elif status == requests.codes.not_found:
        said += f": the address does not exist. Compare {key} in [auth.{method}] with the provider's own."
    elif status in (requests.codes.unauthorized, requests.codes.forbidden):
        said += ". Have the provider let in this machine's address and this client, with its id and secret."
    else:
        said += ". Look into the provider's own log."
    return SignInCode.REFUSED, said
