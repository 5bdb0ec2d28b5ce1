"""The HTTP client of the connectors.

Limits of time and size apply to every answer. Temporary failures are tried again. Every failure is raised as
SourceUnavailable, SourceRefused or SourceGarbled. No message contains a secret, or the query of an address.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from email.utils import parsedate_to_datetime
from http.cookiejar import Cookie
from pathlib import Path
from typing import Any, Self, cast
from urllib.parse import urlsplit

import requests
import urllib3
from requests.auth import HTTPBasicAuth

from connectors.http.answers import at_path, cached_for, stale_reason
from connectors.http.backoff import Backoff
from connectors.http.credentials import Credentials
from connectors.http.refusals import Failing, Refusals
from connectors.http.settings import HttpSettings, Oauth2Auth, TokenAuth
from connectors.http.unreached import TRY_LATER, public_url, root_cause_text, tls_failure, unreached_error
from connectors.port import Clock, SourceGarbled, SourceRefused, SourceUnavailable, table_of
from foundation.http_client import AnswerTooLargeError, AnswerTooSlowError, HttpClient, RequestLimits
from foundation.translation import N_, tr

#: The pause before the second try; it doubles with each try.
_FIRST_PAUSE = 0.5

#: A server that requests a longer pause than this is asked again in the next run.
_LONGEST_PAUSE = 60.0

#: A Last-Modified older than this is settled: the data cannot change again in the same second.
_SETTLED = timedelta(seconds=2)


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """An answer: its JSON, with numbers as int and Decimal, and its headers."""

    body: Any
    headers: Mapping[str, str]
    links: Mapping[str, Mapping[str, str]]
    #: How many seconds it has been in a cache, within the time that counts as fresh; 0 for no cache.
    age: float = 0.0


class OfficeClient:
    """A client of one system; one for each pull, closed at its end.

    Clients that share `quiet` all wait when the system asks one of them to wait. With its own `pause`, a client waits
    as long as that allows, within the longest time; else at most a minute at a time. `failing` reads the system's own
    errors for a ready-made connector; without it, only 404 means that the thing does not exist.
    """

    def __init__(
        self,
        exchange: HttpSettings,
        source: str,
        clock: Clock,
        pause: Callable[[float], None] = time.sleep,
        quiet: Backoff | None = None,
        failing: Failing | None = None,
    ) -> None:
        self._exchange = exchange
        self._source = source
        self._clock = clock
        self._longest_pause = _LONGEST_PAUSE if pause is time.sleep else float("inf")
        self._pause = pause
        self._backoff = quiet or Backoff()
        #: The last requested pause that this client has waited for.
        self._waited_until = 0.0
        self.begin()
        self._client = HttpClient(
            exchange.authority,
            proxy=exchange.proxy,
            headers={
                "Accept": "application/json",
                "Cache-Control": "no-cache",
                "Pragma": "no-cache",
                **exchange.headers,
            },
            tls=exchange.tls.context if exchange.tls else None,
        )
        self._credentials = Credentials(exchange.auth, source)
        self._refusals = Refusals(exchange, source, self._credentials, failing)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def begin(self) -> None:
        """Restart the longest time, for a system that is asked many questions in one session."""
        self._deadline = time.monotonic() + self._exchange.longest.total_seconds()

    def get(self, url: str, params: Mapping[str, Any], nothing: HttpAnswer | None = None) -> HttpAnswer:
        """Return the answer to a GET; log in again where the token has expired.

        A thing that does not exist is an error, unless `nothing` is given: then `nothing` is returned.
        """
        refreshed = not self._credentials.log_in
        if not refreshed and not self._credentials.token:
            self._credentials.token, refreshed = self._log_in(), True
        self._refuse_insecure_cookie(url)
        while True:
            response, content = self._send_with_retries(
                "GET", url, params=dict(params), auth=self._credentials.request_auth()
            )
            if response.status_code == requests.codes.unauthorized and not refreshed:
                self._credentials.token, refreshed = self._log_in(), True
                continue
            if nothing is not None and self._refusals.means_unknown(response, content):
                return nothing
            self._refusals.refuse_status(response, content)
            self._refusals.refuse_part(response)
            if stale := stale_reason(response.headers):
                raise SourceRefused(
                    tr(
                        "{source}: {url} is answered from a cache, with old data ({stale})",
                        source=self._source,
                        url=public_url(url),
                        stale=stale,
                    ),
                    tr("Have the operator of the cache or gateway exclude this address."),
                )
            body = self._refusals.json(response, content)
            answer = HttpAnswer(body, response.headers, response.links, cached_for(response.headers))
            failure = self._refusals.failure_reason(answer.body)
            if failure and not refreshed:
                self._credentials.token, refreshed = self._log_in(), True
                continue
            if failure:
                raise SourceRefused(
                    tr(
                        "{source}: {url} reports a failure: {failure}",
                        source=self._source,
                        url=public_url(url),
                        failure=failure,
                    ),
                    tr("The text above is the system's own. Have the office check the account and its rights.")
                    if self._exchange.ok is not None
                    else self._exchange.fix(
                        tr(
                            "The text above is the system's own. Have the office check it. If the answer is a success, "
                            "define in ok how it shows success."
                        ),
                        "ok",
                        otherwise=tr("The text above is the system's own. Have the office check it."),
                    ),
                )
            return answer

    def version(self, url: str, params: Mapping[str, Any]) -> str:
        """Return the version of an answer by HEAD: its ETag, else its Last-Modified.

        Empty where it has neither, or was modified just now: another change within the same second would have the same
        time (RFC 9110, section 8.8.2.2).
        """
        if self._credentials.log_in and not self._credentials.token:
            self._credentials.token = self._log_in()
        response, _ = self._send_with_retries("HEAD", url, params=dict(params), auth=self._credentials.request_auth())
        if response.status_code != requests.codes.ok or stale_reason(response.headers) or cached_for(response.headers):
            return ""
        if tag := response.headers.get("ETag", ""):
            return f"ETag {tag}"
        modified = response.headers.get("Last-Modified", "")
        try:
            age = parsedate_to_datetime(response.headers["Date"]) - parsedate_to_datetime(modified)
        except (KeyError, TypeError, ValueError):
            return ""
        return f"Last-Modified {modified}" if age >= _SETTLED else ""

    def unchanged(self, url: str, params: Mapping[str, Any], tag: str) -> bool:
        """Return whether the system confirms, by HTTP 304, that an answer still has this ETag."""
        sent = {"params": dict(params), "headers": {"If-None-Match": tag}}
        response, _ = self._send_with_retries("GET", url, **sent, auth=self._credentials.request_auth())
        same = response.status_code == requests.codes.not_modified
        return same and not stale_reason(response.headers) and not cached_for(response.headers)

    def _log_in(self) -> str:
        auth = self._exchange.auth
        if isinstance(auth, Oauth2Auth):
            form = {"grant_type": "client_credentials"} | ({"scope": auth.scope} if auth.scope else {})
            basic = HTTPBasicAuth(auth.client_id.encode(), self._credentials.reveal(auth.client_secret).encode())
            response, content = self._send_with_retries("POST", auth.url, data=form, auth=basic)
            url, path = auth.url, "access_token"
        else:
            assert isinstance(auth, TokenAuth)  # noqa: S101 - only these two log in
            self._client.cookies.clear()
            form = {**auth.send, **{name: self._credentials.reveal(word) for name, word in auth.send_secret.items()}}
            how = "params" if auth.method == "GET" else "data" if auth.form else "json"
            response, content = self._send_with_retries(auth.method, auth.url, **{how: form})
            url, path = auth.url, auth.token
        if response.status_code in (400, 401, 403):
            what = N_("{source}: {url} refused the login (HTTP {status}{reason})")
            if self._credentials.account:
                what = N_("{source}: {url} refused the login as {account} (HTTP {status}{reason})")
            raise SourceRefused(
                tr(
                    what,
                    source=self._source,
                    url=public_url(url),
                    account=self._credentials.account,
                    status=response.status_code,
                    reason=self._refusals.quoted_reason(content),
                ),
                tr("Have the office check the account's name, password and rights."),
            )
        self._refusals.refuse_status(response, content)
        if not path:
            return self._cookie(url)
        body = self._refusals.json(response, content)
        token = at_path(body, path)
        if not isinstance(token, str) or not token:
            reason = self._refusals.failure_reason(body) or tr('the answer has no "{path}"', path=path)
            raise SourceRefused(
                tr(
                    "{source}: {url} refused the login: {reason}",
                    source=self._source,
                    url=public_url(url),
                    reason=reason,
                ),
                self._exchange.fix(
                    tr("Have the office check the account; or correct token, the path of the token in the answer."),
                    "token",
                    otherwise=tr("Have the office check the account."),
                ),
            )
        return token

    def _cookie(self, url: str) -> str:
        """Return the cookie that the login has set; the session sends it by itself."""
        left = [str(cookie.value) for cookie in self._client.cookies if cookie.value]
        if not left:
            raise SourceRefused(
                tr("{source}: {url} accepted the login but set no cookie", source=self._source, url=public_url(url)),
                self._exchange.fix(
                    tr("Check url and token in auth."), "auth", otherwise=tr("Check url, and check the account.")
                ),
            )
        return max(left, key=len)

    def _refuse_insecure_cookie(self, url: str) -> None:
        """Refuse to ask over plain http with a login cookie that is sent over https only."""
        auth = self._exchange.auth
        by_cookie = isinstance(auth, TokenAuth) and not auth.token
        cookies = list(cast("Iterable[Cookie]", self._client.cookies)) if by_cookie else []
        if cookies and urlsplit(url).scheme != "https" and all(cookie.secure for cookie in cookies):
            raise self._cookie_needs_https(url)

    def _cookie_needs_https(self, url: str) -> SourceRefused:
        what = tr(
            "{source}: the login sets a cookie that is sent over https only (Secure), but {url} is plain http, so no "
            "question would have the cookie",
            source=self._source,
            url=public_url(url),
        )
        return SourceRefused(what, tr("Write url with https://, at the address where the system uses https."))

    def _send_with_retries(self, method: str, url: str, **sent: Any) -> tuple[requests.Response, bytes]:  # noqa: ANN401 - as requests takes it
        """Send until the answer is not a temporary failure. Raises SourceUnavailable or SourceRefused."""
        pause = _FIRST_PAUSE
        for left in range(self._exchange.retries, -1, -1):
            self._wait_for_backoff(url)
            requested = 0.0
            try:
                response, content = self._send_once(method, url, **sent)
                failed = self._refusals.passing(response, content)
                if failed is None:
                    return response, content
                requested = self._requested_pause(response)
            except SourceUnavailable as error:
                failed = error
            if requested:
                self._backoff.extend(time.monotonic() + requested)
            wait = max(pause, requested)
            if not left or wait > self._longest_pause or time.monotonic() + wait > self._deadline:
                raise failed
            until = self._backoff.until
            self._pause(wait)
            if requested:
                self._waited_until = max(self._waited_until, until)
            pause *= 2
        raise AssertionError("the last try returns or raises")

    def _wait_for_backoff(self, url: str) -> None:
        """Wait where the system has asked another session to wait. Raises SourceUnavailable where that is too long."""
        until = self._backoff.until
        wait = until - time.monotonic()
        if until <= self._waited_until or wait <= 0:
            return
        if wait > self._longest_pause or until > self._deadline:
            raise SourceUnavailable(
                tr(
                    "{source}: {url} has requested a pause of another {wait:.0f} s",
                    source=self._source,
                    url=public_url(url),
                    wait=wait,
                ),
                tr(TRY_LATER),
            )
        self._pause(wait)
        self._waited_until = until

    def _send_once(self, method: str, url: str, **sent: Any) -> tuple[requests.Response, bytes]:  # noqa: ANN401 - as requests takes it
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise self._too_slow(url)
        exchange = self._exchange
        if exchange.authority and not Path(exchange.authority).exists():
            raise SourceRefused(
                tr(
                    "{source}: the file {authority}, which authority names, does not exist",
                    source=self._source,
                    authority=exchange.authority,
                ),
                tr("Put the certificate of the authority there, as PEM, and make it readable by this program."),
            )
        seconds = exchange.timeout.total_seconds()
        connect, silence = min(left, exchange.connect_timeout.total_seconds()), min(left, seconds)
        try:
            return self._client.send(
                method, url, RequestLimits(connect, silence, seconds, self._deadline, exchange.most_bytes), **sent
            )
        except AnswerTooLargeError:
            raise SourceGarbled(
                tr(
                    "{source}: {url} answered with more than {most_bytes} bytes",
                    source=self._source,
                    url=public_url(url),
                    most_bytes=exchange.most_bytes,
                ),
                exchange.fix(
                    tr("Ask for smaller pages, or raise most_bytes."),
                    "most_bytes",
                    otherwise=tr("Ask for smaller pages (per_page), or have the office check what it sends."),
                ),
            ) from None
        except AnswerTooSlowError:
            raise self._too_slow(url) from None
        except requests.exceptions.SSLError as error:
            left = min(self._deadline - time.monotonic(), exchange.connect_timeout.total_seconds())
            asked = self._refusals.asked(url)
            raise tls_failure(root_cause_text(error), asked, table_of(self._source), left) from None
        except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema, requests.exceptions.MissingSchema):
            raise SourceRefused(
                tr("{source}: {url} is not an address", source=self._source, url=public_url(url)),
                tr("Write one such as https://host/path."),
            ) from None
        except ValueError:
            # For a line break or a letter beyond Latin, from requests or from the standard library. The error's text
            # has the header's value, which can be a secret.
            raise SourceRefused(
                tr("{source}: a header cannot be sent to {url}", source=self._source, url=public_url(url)),
                self._exchange.fix(
                    tr(
                        "Remove blanks, line breaks and letters beyond Latin from headers and from the secrets of auth."
                    ),
                    "headers",
                    "auth",
                    otherwise=tr(
                        "Remove blanks, line breaks and letters beyond Latin from the texts and secrets of {table}.",
                        table=table_of(self._source),
                    ),
                ),
            ) from None
        except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError) as error:
            # Their text can contain the whole address, and with it a secret: it is not kept as a cause.
            if (unreached := unreached_error(error, self._refusals.asked(url, connect, silence))) is not None:
                raise unreached from None
            raise SourceUnavailable(
                tr(
                    "{source}: the answer of {url} broke off ({error})",
                    source=self._source,
                    url=public_url(url),
                    error=root_cause_text(error),
                ),
                tr(TRY_LATER),
            ) from None

    def _too_slow(self, url: str) -> SourceUnavailable:
        what = tr("{source}: {url} was too slow to answer", source=self._source, url=public_url(url))
        return SourceUnavailable(what, tr(TRY_LATER))

    def _requested_pause(self, response: requests.Response) -> float:
        """Return the pause that the server requests (RFC 9110, section 10.2.3): seconds, or a date."""
        value = response.headers.get("Retry-After", "").strip()
        if value.isdigit():
            return float(value)
        try:
            return max(0.0, (parsedate_to_datetime(value) - self._clock()).total_seconds())
        except (TypeError, ValueError):
            return 0.0
