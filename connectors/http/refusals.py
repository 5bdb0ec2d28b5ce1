"""Reads HTTP responses as answers, or refuses them with an error text that ends with the fix."""

import json
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, TypeAlias

import requests

from connectors.http.answers import MISSING, CharsetError, NotJsonError, at_path, failure_text, json_of, text_of
from connectors.http.credentials import Credentials
from connectors.http.settings import HttpSettings
from connectors.http.unreached import (
    NO_PLAIN_HTTP,
    TRY_LATER,
    HttpTarget,
    expects_tls,
    failure_words,
    proxy_needs_login,
    public_url,
)
from connectors.port import SourceError, SourceGarbled, SourceRefused, SourceUnavailable
from foundation.translation import N_, tr

#: Temporary failures.
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})

#: How many bytes of a failed answer are read, and how many letters of its reason are shown.
_MOST_READ = 4_000
_WORDS = 200


class Unknown:
    """The answer about a person that the system does not know."""


#: Reads a failed answer: its status, and its JSON without secrets, or None where it is not JSON. Returns the error to
#: raise; UNKNOWN where there is no such person; None where the status alone decides.
Failing: TypeAlias = Callable[[int, Any], SourceError | Unknown | None]

UNKNOWN = Unknown()


class Refusals:
    """Reads one source's answers; its results and errors contain no secret.

    `failing` reads the system's own errors for a ready-made connector; without it, only 404 means that the thing does
    not exist.
    """

    def __init__(self, exchange: HttpSettings, source: str, credentials: Credentials, failing: Failing | None) -> None:
        self._exchange = exchange
        self._source = source
        self._credentials = credentials
        self._failing = failing

    def means_unknown(self, response: requests.Response, content: bytes) -> bool:
        """Return whether an answer means that the thing, or the person, does not exist."""
        if self._failing is None:
            return bool(response.status_code == requests.codes.not_found)
        return self._failure_meaning(response, content) is UNKNOWN

    def _failure_meaning(self, response: requests.Response, content: bytes) -> SourceError | Unknown | None:
        """Return the meaning of the system's own error."""
        if self._failing is None or response.status_code < requests.codes.bad_request:
            return None
        try:
            body = json.loads(content, parse_float=Decimal)
        except (ValueError, RecursionError):
            body = None
        return self._failing(response.status_code, self._credentials.masked(body))

    def passing(self, response: requests.Response, content: bytes) -> SourceUnavailable | None:
        """Return the error of an answer that failed temporarily; None for every other answer.

        Raises the system's own error where asking again would not help.
        """
        url = public_url(response.url)
        meaning = self._failure_meaning(response, content)
        if isinstance(meaning, SourceUnavailable):
            return meaning
        if isinstance(meaning, SourceError):
            raise meaning
        if response.status_code in _PASSING:
            what = tr(
                "{source}: {url} answered HTTP {status}{reason}",
                source=self._source,
                url=url,
                status=response.status_code,
                reason=self.quoted_reason(content),
            )
            return SourceUnavailable(what, tr(TRY_LATER))
        ok = self._exchange.ok
        if ok is None or not ok.later or response.status_code != requests.codes.ok:
            return None
        try:
            body = self.json(response, content)
        except SourceError:
            return None
        value = at_path(body, ok.path)
        if isinstance(value, bool) or str(value) not in {str(code) for code in ok.later}:
            return None
        return SourceUnavailable(
            tr(
                "{source}: {url} cannot answer now. It reports: {reason}",
                source=self._source,
                url=url,
                reason=self.failure_reason(body),
            ),
            tr(TRY_LATER),
        )

    def asked(self, url: str, connect: float = 0.0, answer: float = 0.0) -> HttpTarget:
        """Return the address and the time limits, for messages about a missing answer."""
        return HttpTarget(
            tr("{source}: {where}", source=self._source, where=public_url(url)),
            url,
            self._exchange.proxy,
            round(connect, 1),
            round(answer, 1),
        )

    def refuse_status(self, response: requests.Response, content: bytes) -> None:
        """Raise SourceRefused or SourceUnavailable for an HTTP status that is not a success."""
        status = response.status_code
        if response.ok and not response.is_redirect:
            return
        url = public_url(response.url)
        if response.is_redirect:
            elsewhere = public_url(response.headers.get("Location", ""))
            raise SourceRefused(
                tr("{source}: {url} redirects to {elsewhere}", source=self._source, url=url, elsewhere=elsewhere),
                self._exchange.fix(
                    tr("Write that address as url if it is right; if it is a login page, check auth."),
                    "auth",
                    otherwise=tr(
                        "Write the beginning of that address as url if it is right; if it is a login page, have the "
                        "office check the account."
                    ),
                ),
            )
        what = N_("{source}: {url} answered HTTP {status}{reason}")
        if status in (401, 403) and self._credentials.account:
            what = N_("{source}: {url} answered HTTP {status} to {account}{reason}")
        what = tr(
            what,
            source=self._source,
            url=url,
            status=status,
            account=self._credentials.account,
            reason=self.quoted_reason(content),
        )
        if status == requests.codes.proxy_authentication_required and self._exchange.proxy:
            raise proxy_needs_login(self.asked(response.url))
        if NO_PLAIN_HTTP in content:
            raise expects_tls(tr("{source}: {where}", source=self._source, where=url))
        if status in (401, 403):
            raise SourceRefused(what, tr("Have the office check the account's name, password and rights."))
        if status in (404, 405, 410):
            raise SourceRefused(what, tr("There is nothing to read at this address. Check url."))
        if status >= requests.codes.server_error:
            raise SourceUnavailable(what, tr(TRY_LATER))
        fix = self._exchange.fix(
            tr("The system does not understand the question. Check url and {params}."),
            "params",
            otherwise=tr(
                "The system does not understand the question. Check url, and ask the office whether its "
                "system was updated."
            ),
        )
        raise SourceRefused(what, fix)

    def quoted_reason(self, content: bytes) -> str:
        """Return the reason in a failed answer, in a few words and without secrets."""
        text = content[:_MOST_READ].decode("utf-8", "replace").strip()
        reason = failure_words(text)
        masked = re.sub(r"\?\S+", "?…", " ".join(str(self._credentials.masked(reason)).split()))
        return tr(", in its own words: {words}", words=masked[:_WORDS].rstrip(".。")) if masked else ""

    def refuse_part(self, response: requests.Response) -> None:
        """Refuse a success that is not the system's own, whole answer."""
        status = response.status_code
        if status == requests.codes.ok:
            return
        what = tr(
            "{source}: {url} answered HTTP {status}", source=self._source, url=public_url(response.url), status=status
        )
        if status == requests.codes.accepted:
            raise SourceUnavailable(
                tr("{what}: the system accepted the request but has no answer yet", what=what), tr(TRY_LATER)
            )
        if status == requests.codes.non_authoritative_info:
            raise SourceRefused(
                tr("{what}: a proxy has changed the answer", what=what),
                tr("Connect to the system directly, or have the proxy forward answers unchanged."),
            )
        if status == requests.codes.partial_content:
            raise SourceGarbled(
                tr("{what}: only a part of the answer arrived", what=what),
                self._exchange.fix(
                    tr(
                        "Check paging and headers: ask for whole pages, and not for a range; have the proxy forward "
                        "whole answers."
                    ),
                    "paging",
                    "headers",
                    otherwise=tr("Have the proxy forward whole answers."),
                ),
            )
        raise SourceGarbled(
            tr("{what}, which has no answer to read", what=what), tr("It must answer HTTP 200 with JSON. Check url.")
        )

    def json(self, response: requests.Response, content: bytes) -> Any:  # noqa: ANN401 - whatever JSON holds
        """Return the JSON of an answer. Raises SourceGarbled, or SourceRefused for a web page."""
        url = public_url(response.url)
        self._refuse_another_form(url, content)
        try:
            text = text_of(content, response.headers.get("Content-Type", ""), self._exchange.charset)
            return json_of(text)
        except CharsetError as error:
            raise SourceGarbled(
                tr(
                    "{source}: the answer of {url} is not in its charset: {error}",
                    source=self._source,
                    url=url,
                    error=error,
                ),
                tr(
                    "Have the office send UTF-8 with the right Content-Encoding, or declare the charset in "
                    "Content-Type; with the connector rest, set charset."
                ),
            ) from None
        except NotJsonError as error:
            if error.at == 0:
                raise SourceGarbled(
                    tr(
                        "{source}: the answer of {url} is not JSON{reason}",
                        source=self._source,
                        url=url,
                        reason=self.quoted_reason(content),
                    ),
                    self._exchange.fix(
                        tr("The system answers in another form. Check url, {params} and headers (Accept)."),
                        "params",
                        "headers",
                    ),
                ) from None
            raise SourceGarbled(
                tr(
                    "{source}: the answer of {url} is not valid JSON ({error}; {size} bytes)",
                    source=self._source,
                    url=url,
                    error=error,
                    size=len(content),
                ),
                tr("It may have been cut off. Check the system and the network in between; try again.")
                if error.cut
                else self._exchange.fix(
                    tr(
                        "Check whether the system has another form of JSON (url, {params}, headers); if not, have the "
                        "office correct what it sends."
                    ),
                    "params",
                    "headers",
                    otherwise=tr("Have the office correct what it sends."),
                ),
            ) from None

    def _refuse_another_form(self, url: str, content: bytes) -> None:
        """Refuse XML, a web page, and an empty answer."""
        start = content.lstrip(b"\xef\xbb\xbf \t\r\n")[:_MOST_READ]
        if start.startswith(b"<?xml") and b"<html" not in start.lower():
            raise SourceGarbled(
                tr("{source}: {url} answered with XML, where JSON was asked for", source=self._source, url=url),
                self._exchange.fix(
                    tr(
                        "Check whether the system also has JSON: at another address, by a parameter, or by Accept in "
                        "headers."
                    ),
                    "headers",
                ),
            )
        if start[:1] == b"<":
            raise SourceRefused(
                tr(
                    "{source}: {url} answered with a web page, and not with data{reason}",
                    source=self._source,
                    url=url,
                    reason=self.quoted_reason(content),
                ),
                self._exchange.fix(
                    tr("It is likely a login page. Check url and auth."),
                    "auth",
                    otherwise=tr("It is likely a login page. Check url, and have the office check the account."),
                ),
            )
        if not start:
            raise SourceGarbled(
                tr("{source}: the answer of {url} is empty and is not JSON", source=self._source, url=url),
                self._exchange.fix(
                    tr("The system may have another address for its data, or have stopped. Check url and {params}."),
                    "params",
                    otherwise=tr("The system may have stopped; the next run tries again. Check url."),
                ),
            )

    def failure_reason(self, body: object) -> str:
        """Return why an answer reports a failure; empty where it reports success, or nothing."""
        ok = self._exchange.ok
        if ok is None:
            return failure_text(self._credentials.masked(body) if isinstance(body, dict) else body)[:300]
        value = at_path(body, ok.path)
        if any(type(value) is type(expected) and value == expected for expected in ok.equals):
            return ""
        reason = at_path(body, ok.reason) if ok.reason else None
        masked = self._credentials.masked
        there = tr("nothing") if value is MISSING else repr(masked(value))
        words = tr("{path} is {there}", path=ok.path, there=there)
        if reason not in (None, MISSING):
            words = tr("{words}, {reason}", words=words, reason=masked(reason))
        return str(masked(words))[:300].rstrip(".。")
