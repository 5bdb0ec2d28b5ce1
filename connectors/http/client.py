"""One HTTP exchange with an office's system, for the connectors that ask over the web.

Limits of time and size hold for every answer, what may pass is tried again, and every failure comes out as
SourceUnavailable, SourceRefused or SourceGarbled. No secret, and nothing that follows a `?`, is ever told.
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

from connectors.http.answers import at_path, cached_for, why_stale
from connectors.http.backoff import Backoff
from connectors.http.credentials import Credentials
from connectors.http.refusals import TRY_LATER, Failing, Refusals
from connectors.http.settings import HttpSettings, Oauth2Auth, TokenAuth
from connectors.http.tls import cause_of, in_settings, what_it_takes
from connectors.http.unreached import said_by, shown, why_unreached
from connectors.port import Clock, SourceError, SourceGarbled, SourceRefused, SourceUnavailable, table_of
from foundation.http_client import AnswerTooLargeError, AnswerTooSlowError, HttpClient, RequestLimits

#: The pause before the second try; it doubles with each.
_FIRST_PAUSE = 0.5

#: A server that asks for a longer pause than this is asked again at the next slot.
_LONGEST_PAUSE = 60.0

#: What was modified longer ago than this can have been modified only once in that second.
_SETTLED = timedelta(seconds=2)


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What came back: JSON, with numbers as int and Decimal, and the headers."""

    body: Any
    headers: Mapping[str, str]
    links: Mapping[str, Mapping[str, str]]
    #: For how many seconds it has been in a cache on its way, within the time that counts as fresh; 0 for none.
    age: float = 0.0


class OfficeClient:
    """A system that answers over the web; one for each pull, closed at its end.

    Several that share `quiet` all wait where the system asks one of them to. One that is given a `pause` of its own
    waits as long as that allows, within the longest time; else no longer than a minute at a time. `failing` reads what
    a ready-made connector knows of the system's own errors; without it, 404 alone means that there is no such thing.
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
        self._quiet = quiet or Backoff()
        #: The last wish to be left alone that has been kept.
        self._kept = 0.0
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
        """Let the longest time begin anew: for a system that is asked many questions over one session."""
        self._deadline = time.monotonic() + self._exchange.longest.total_seconds()

    def get(self, url: str, params: Mapping[str, Any], nothing: HttpAnswer | None = None) -> HttpAnswer:
        """Return the answer to a GET; with a fresh token where the one at hand is no longer good.

        Where the system says that it knows no such thing, that is an error, unless `nothing` is to stand for it.
        """
        refreshed = not self._credentials.log_in
        if not refreshed and not self._credentials.token:
            self._credentials.token, refreshed = self._log_in(), True
        self._refuse_cookie_kept_back(url)
        while True:
            response, content = self._tried("GET", url, params=dict(params), auth=self._credentials.of_request())
            if response.status_code == requests.codes.unauthorized and not refreshed:
                self._credentials.token, refreshed = self._log_in(), True
                continue
            if nothing is not None and self._refusals.knows_nothing(response, content):
                return nothing
            self._refusals.refuse_status(response, content)
            self._refusals.refuse_part(response)
            if stale := why_stale(response.headers):
                raise SourceRefused(
                    f"{self._source}: {shown(url)} is answered out of a cache with what is out of date ({stale})",
                    "Have whoever runs the cache or gateway on the way leave this address out of it.",
                )
            body = self._refusals.json(response, content)
            answer = HttpAnswer(body, response.headers, response.links, cached_for(response.headers))
            said = self._refusals.not_ok(answer.body)
            if said and not refreshed:
                self._credentials.token, refreshed = self._log_in(), True
                continue
            if said:
                raise SourceRefused(
                    f"{self._source}: {shown(url)} answered that it failed: {said}",
                    "Have the office look at the account and its rights; the words above are its own."
                    if self._exchange.ok is not None
                    else self._exchange.fix(
                        "Have the office look at it; the words above are its own. If all went well, say in ok how the "
                        "answer shows that.",
                        "ok",
                        otherwise="Have the office look at it; the words above are its own.",
                    ),
                )
            return answer

    def version(self, url: str, params: Mapping[str, Any]) -> str:
        """Return what the system tells of an answer's version by HEAD: its ETag, else when it was last modified.

        Empty where it tells neither, or was modified a moment ago: another change within the same second would show
        the same time (RFC 9110, section 8.8.2.2).
        """
        if self._credentials.log_in and not self._credentials.token:
            self._credentials.token = self._log_in()
        response, _ = self._tried("HEAD", url, params=dict(params), auth=self._credentials.of_request())
        if response.status_code != requests.codes.ok or why_stale(response.headers) or cached_for(response.headers):
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
        """Say whether the system itself says that an answer still has this ETag (HTTP 304), without its body."""
        sent = {"params": dict(params), "headers": {"If-None-Match": tag}}
        response, _ = self._tried("GET", url, **sent, auth=self._credentials.of_request())
        same = response.status_code == requests.codes.not_modified
        return same and not why_stale(response.headers) and not cached_for(response.headers)

    def _log_in(self) -> str:
        auth = self._exchange.auth
        if isinstance(auth, Oauth2Auth):
            form = {"grant_type": "client_credentials"} | ({"scope": auth.scope} if auth.scope else {})
            basic = HTTPBasicAuth(auth.client_id.encode(), self._credentials.reveal(auth.client_secret).encode())
            response, content = self._tried("POST", auth.url, data=form, auth=basic)
            url, path = auth.url, "access_token"
        else:
            assert isinstance(auth, TokenAuth)  # noqa: S101 - only these two log in
            self._client.cookies.clear()
            words = {**auth.send, **{name: self._credentials.reveal(word) for name, word in auth.send_secret.items()}}
            how = "params" if auth.method == "GET" else "data" if auth.form else "json"
            response, content = self._tried(auth.method, auth.url, **{how: words})
            url, path = auth.url, auth.token
        if response.status_code in (400, 401, 403):
            whom = f" as {self._credentials.as_whom}" if self._credentials.as_whom else ""
            raise SourceRefused(
                f"{self._source}: {shown(url)} did not let us log in{whom} (HTTP {response.status_code}"
                f"{self._refusals.own_words(content)})",
                "Have the office look at the account's name, password and rights.",
            )
        self._refusals.refuse_status(response, content)
        if not path:
            return self._cookie(url)
        body = self._refusals.json(response, content)
        token = at_path(body, path)
        if not isinstance(token, str) or not token:
            said = self._refusals.not_ok(body) or f'it has no "{path}"'
            raise SourceRefused(
                f"{self._source}: {shown(url)} did not let us log in: {said}",
                self._exchange.fix(
                    "Have the office look at the account; or correct token: where the token is in the answer.",
                    "token",
                    otherwise="Have the office look at the account.",
                ),
            )
        return token

    def _cookie(self, url: str) -> str:
        """Return what the login has left; the session sends it along by itself."""
        left = [str(cookie.value) for cookie in self._client.cookies if cookie.value]
        if not left:
            raise SourceRefused(
                f"{self._source}: {shown(url)} let us in and left no cookie",
                self._exchange.fix(
                    "Look at the url of its auth, and at token.", "auth", otherwise="Look at url, and at the account."
                ),
            )
        return max(left, key=len)

    def _refuse_cookie_kept_back(self, url: str) -> None:
        """Refuse to ask over plain http with a login whose cookie may travel over https alone."""
        auth = self._exchange.auth
        by_cookie = isinstance(auth, TokenAuth) and not auth.token
        cookies = list(cast("Iterable[Cookie]", self._client.cookies)) if by_cookie else []
        if cookies and urlsplit(url).scheme != "https" and all(cookie.secure for cookie in cookies):
            raise self._kept_back(url)

    def _kept_back(self, url: str) -> SourceRefused:
        return SourceRefused(
            f"{self._source}: the login leaves a cookie that is sent over https only (Secure), and {shown(url)} is "
            "plain http, so every question would come without it",
            "Write url with https://, at the address where the system is reached that way.",
        )

    def _tried(self, method: str, url: str, **sent: Any) -> tuple[requests.Response, bytes]:  # noqa: ANN401 - as requests takes it
        """Send until there is an answer that is not just passing. Raises SourceUnavailable or SourceRefused."""
        pause = _FIRST_PAUSE
        for left in range(self._exchange.retries, -1, -1):
            self._keep_quiet(url)
            wished = 0.0
            try:
                response, content = self._sent(method, url, **sent)
                failed = self._refusals.passing(response, content)
                if failed is None:
                    return response, content
                wished = self._wished_pause(response)
            except SourceUnavailable as error:
                failed = error
            if wished:
                self._quiet.wish(time.monotonic() + wished)
            wait = max(pause, wished)
            if not left or wait > self._longest_pause or time.monotonic() + wait > self._deadline:
                raise failed
            wish = self._quiet.until
            self._pause(wait)
            if wished:
                self._kept = max(self._kept, wish)
            pause *= 2
        raise AssertionError("the last try returns or raises")

    def _keep_quiet(self, url: str) -> None:
        """Wait where another has been asked to. Raises SourceUnavailable where that would take too long."""
        until = self._quiet.until
        wait = until - time.monotonic()
        if until <= self._kept or wait <= 0:
            return
        if wait > self._longest_pause or until > self._deadline:
            raise SourceUnavailable(
                f"{self._source}: {shown(url)} has asked to be left alone for another {wait:.0f} s", TRY_LATER
            )
        self._pause(wait)
        self._kept = until

    def _sent(self, method: str, url: str, **sent: Any) -> tuple[requests.Response, bytes]:  # noqa: ANN401 - as requests takes it
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise SourceUnavailable(f"{self._source}: {shown(url)} was too slow to answer", TRY_LATER)
        exchange = self._exchange
        if exchange.authority and not Path(exchange.authority).exists():
            raise SourceRefused(
                f"{self._source}: there is no file {exchange.authority}, which authority names",
                "Put the certificate of the authority there, as PEM, readable by this program.",
            )
        seconds = exchange.timeout.total_seconds()
        connect, silence = min(left, exchange.connect_timeout.total_seconds()), min(left, seconds)
        try:
            return self._client.send(
                method, url, RequestLimits(connect, silence, seconds, self._deadline, exchange.most_bytes), **sent
            )
        except AnswerTooLargeError:
            raise SourceGarbled(
                f"{self._source}: {shown(url)} answered with more than {exchange.most_bytes} bytes",
                exchange.fix(
                    "Ask for smaller pages, or raise most_bytes.",
                    "most_bytes",
                    otherwise="Ask for smaller pages (per_page), or have the office look at what it sends.",
                ),
            ) from None
        except AnswerTooSlowError:
            raise SourceUnavailable(f"{self._source}: {shown(url)} was too slow to answer", TRY_LATER) from None
        except requests.exceptions.SSLError as error:
            raise self._no_tls(url, said_by(error)) from None
        except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema, requests.exceptions.MissingSchema):
            raise SourceRefused(
                f"{self._source}: {shown(url)} is no address", "Write one such as https://host/path."
            ) from None
        except ValueError:
            # For a line break or a letter beyond Latin, from requests or from the standard library: the error's text
            # holds the header's value, which may be a secret.
            raise SourceRefused(
                f"{self._source}: a header cannot be sent to {shown(url)}",
                self._exchange.fix(
                    "Look for blanks, line breaks and letters beyond Latin in headers and in the secrets of auth.",
                    "headers",
                    "auth",
                    otherwise="Look for blanks, line breaks and letters beyond Latin in the texts and secrets of "
                    f"{table_of(self._source)}.",
                ),
            ) from None
        except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError) as error:
            # Their text may hold the whole address, and with it a secret: it is not kept as a cause.
            if (unreached := why_unreached(error, self._refusals.asked(url, connect, silence))) is not None:
                raise unreached from None
            raise SourceUnavailable(
                f"{self._source}: {shown(url)} did not answer whole ({said_by(error)})", TRY_LATER
            ) from None

    def _no_tls(self, url: str, said: str) -> SourceError:
        """Return why TLS was not agreed on, and what would help."""
        exchange = self._exchange
        cause = cause_of(said, plain="http:// in url", authority="authority", settings=True)
        if cause is None:
            what = f"{self._source}: TLS to {shown(url)} failed ({said})"
            return SourceUnavailable(what, f"{TRY_LATER} If it stays so, show the office the words in brackets.")
        what = f"{self._source}: {shown(url)} {cause.did} ({said})"
        parts = urlsplit(url)
        left = min(self._deadline - time.monotonic(), exchange.connect_timeout.total_seconds())
        if exchange.proxy or not parts.hostname or left <= 0:
            return cause.kind(what, cause.fix_text)
        found = what_it_takes(parts.hostname, parts.port or 443, left, said)
        if found is None:
            return cause.kind(what, cause.fix_text)
        limits, version = found
        what += f"; tried just now, it speaks {version}"
        if not limits:
            return cause.kind(
                what, "It does so by itself: take tls_minimum and tls_ciphers out of this source's table."
            )
        return cause.kind(
            what,
            f"Have the office turn on TLS 1.2 with an ECDHE cipher and keys of 2048 bits or more; until then write "
            f"{in_settings(limits)} in {table_of(self._source)}, and every run will say that it is weaker than usual.",
        )

    def _wished_pause(self, response: requests.Response) -> float:
        """Return how long the server asks us to wait (RFC 9110, section 10.2.3): seconds, or a date."""
        said = response.headers.get("Retry-After", "").strip()
        if said.isdigit():
            return float(said)
        try:
            return max(0.0, (parsedate_to_datetime(said) - self._clock()).total_seconds())
        except (TypeError, ValueError):
            return 0.0
