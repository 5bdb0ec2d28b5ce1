"""HTTP requests to a sign-in provider, within limits. Redirects are not followed."""

import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

import requests
from requests.auth import AuthBase
from urllib3.exceptions import HTTPError, ReadTimeoutError

from foundation.http_client import AnswerTooLargeError, AnswerTooSlowError, HttpClient, RequestLimits
from foundation.translation import tr
from portal.auth.refusals import SignInCode, SignInRefused

#: Seconds to connect, and between two bytes; and for the whole answer.
_TIMEOUTS = (5.0, 10.0)
_LONGEST = 15.0

#: An answer about one person, or a provider's keys, is never longer, in bytes.
_LARGEST = 256 * 1024


class ProviderClient:
    """The HTTP client of one provider. Every answer other than a complete 200 raises SignInRefused.

    Its messages name the address, the cause and the fix. They never repeat the request, which has tickets and secrets.
    """

    def __init__(self, method: str, ca_file: Path | None) -> None:
        self._method = method
        self._current_ca = tr(' ("{ca_file}" now)', ca_file=ca_file) if ca_file else ""
        self._authority = ca_file

    def get(self, url: str, params: Mapping[str, str] | None = None, *, token: str = "") -> bytes:
        """Send a GET request and return the body of the answer."""
        return self._request("GET", url, params=params, headers={"Authorization": f"Bearer {token}"} if token else None)

    def post(self, url: str, form: Mapping[str, str], auth: AuthBase | None) -> bytes:
        """Send a form and return the body of the answer."""
        return self._request("POST", url, form=form, auth=auth)

    def _request(
        self,
        verb: str,
        url: str,
        *,
        params: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        auth: AuthBase | None = None,
    ) -> bytes:
        limits = RequestLimits(*_TIMEOUTS, _LONGEST, time.monotonic() + _LONGEST, _LARGEST)
        try:
            with HttpClient(self._authority) as client:
                response, body = client.send(verb, url, limits, params=params, data=form, headers=headers, auth=auth)
        except AnswerTooLargeError:
            raise self._refused(
                SignInCode.REFUSED,
                tr(
                    "{url} answered with more than {largest} bytes. Compare the addresses in [auth.{method}].",
                    url=url,
                    largest=_LARGEST,
                    method=self._method,
                ),
            ) from None
        except AnswerTooSlowError:
            raise self._refused(
                SignInCode.UNAVAILABLE,
                tr(
                    "{url} took longer than {longest:.0f} s. Check whether the server is overloaded.",
                    url=url,
                    longest=_LONGEST,
                ),
            ) from None
        except requests.exceptions.SSLError as error:
            # The library's message may contain the address with the ticket in it.
            raise self._refused(SignInCode.UNAVAILABLE, self._untrusted(url, str(error))) from None
        except FileNotFoundError:
            raise self._refused(SignInCode.UNAVAILABLE, self._no_authority()) from None
        except (requests.exceptions.ConnectTimeout, requests.exceptions.ReadTimeout, ReadTimeoutError):
            raise self._refused(
                SignInCode.UNAVAILABLE,
                tr(
                    "{url} did not respond in time. Check that the server is running and that no firewall blocks it.",
                    url=url,
                ),
            ) from None
        except (requests.RequestException, HTTPError, OSError) as error:
            raise self._refused(
                SignInCode.UNAVAILABLE,
                self._no_authority() if "CA certificate bundle" in str(error) else _unreachable_text(url, error),
            ) from None
        if response.status_code != requests.codes.ok:
            sent_on = response.headers.get("Location", "")
            raise self._refused(*_status_error(url, response.status_code, sent_on, self._method))
        return body

    def _no_authority(self) -> str:
        return tr(
            "ca_file in [auth.{method}]{current_ca} has no certificates. Set it to a file in PEM.",
            method=self._method,
            current_ca=self._current_ca,
        )

    def _untrusted(self, url: str, text: str) -> str:
        if "NO_CERTIFICATE_OR_CRL_FOUND" in text or "invalid path" in text:
            return self._no_authority()
        if "CERTIFICATE_VERIFY_FAILED" in text or "doesn't match" in text:
            cause = (
                tr("is not for this host")
                if "mismatch" in text or "doesn't match" in text
                else _certificate_error(text)
            )
            return tr(
                "{url} has a certificate that {cause}. Have the certificate corrected, or set ca_file in "
                "[auth.{method}]{current_ca} to the file of the authority that signed it.",
                url=url,
                cause=cause,
                method=self._method,
                current_ca=self._current_ca,
            )
        return tr(
            "{url} and this machine have no TLS version in common. Check that the port is for https and "
            "that the server supports TLS 1.2 or later.",
            url=url,
        )

    def _refused(self, why: SignInCode, message: str) -> SignInRefused:
        return SignInRefused(self._method, why, message)


def _certificate_error(text: str) -> str:
    known = {
        "expired": tr("has expired"),
        "self-signed": tr("is signed by an authority that is not known here"),
        "self signed": tr("is signed by an authority that is not known here"),
        "unable to get": tr("is signed by an authority that is not known here, or has no intermediate certificates"),
        "not yet valid": tr("is not valid yet by the clock of this machine"),
    }
    return next((what for part, what in known.items() if part in text), tr("is not trusted here"))


def _unreachable_text(url: str, error: Exception) -> str:
    return tr(
        "{url} did not respond ({error}). Check that the server is running, that this machine can "
        "resolve its name, and that no firewall blocks it.",
        url=url,
        error=_connection_error(error),
    )


def _connection_error(error: Exception) -> str:
    text = str(error)
    known = {
        "Name or service not known": tr("no such host"),
        "Temporary failure in name resolution": tr("the name service did not respond"),
        "No address associated": tr("no such host"),
        "Connection refused": tr("connection refused"),
        "No route to host": tr("no route to host"),
        "Network is unreachable": tr("network unreachable"),
    }
    return next((what for part, what in known.items() if part in text), type(error).__name__)


def _status_error(url: str, status: int, sent_on: str, method: str) -> tuple[SignInCode, str]:
    """Return the code of an answer's status, and a message with the cause and the fix."""
    setting = tr("{key} in [auth.{method}]", key="issuer" if method == "oidc" else "url", method=method)
    if status >= requests.codes.server_error:
        return SignInCode.UNAVAILABLE, _check_the_log(url, status)
    if requests.codes.multiple_choices <= status < requests.codes.bad_request:
        return SignInCode.REFUSED, _redirect_text(url, status, urlsplit(sent_on), setting)
    if status == requests.codes.not_found:
        message = tr(
            "{url} answered with status {status}: the address does not exist. Compare {setting} with the "
            "provider's own.",
            url=url,
            status=status,
            setting=setting,
        )
    elif status in (requests.codes.unauthorized, requests.codes.forbidden):
        message = tr(
            "{url} answered with status {status}. Have the provider allow this machine's address and this client, "
            "with its id and secret.",
            url=url,
            status=status,
        )
    else:
        message = _check_the_log(url, status)
    return SignInCode.REFUSED, message


def _check_the_log(url: str, status: int) -> str:
    return tr("{url} answered with status {status}. Check the provider's own log.", url=url, status=status)


def _redirect_text(url: str, status: int, target: SplitResult, setting: str) -> str:
    if not target.netloc:
        return tr(
            "{url} answered with status {status}: it redirects, and redirects are not followed. Set {setting} to the "
            "final address.",
            url=url,
            status=status,
            setting=setting,
        )
    return tr(
        "{url} answered with status {status}: it redirects to {host}, and redirects are not followed. Set {setting} to "
        "the final address.",
        url=url,
        status=status,
        host=f"{target.scheme}://{target.netloc}",
        setting=setting,
    )
