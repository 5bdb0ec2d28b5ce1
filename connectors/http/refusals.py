"""What came over the web, read as an answer, or refused in words that end with what to do about it."""

import json
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, TypeAlias

import requests

from connectors.http.answers import MISSING, CharsetError, NotJsonError, at_path, json_of, says_failed, text_of
from connectors.http.credentials import Credentials
from connectors.http.settings import HttpSettings
from connectors.http.unreached import NO_PLAIN_HTTP, SPEAKS_TLS, HttpTarget, proxy_wants_a_password, shown, words_of
from connectors.port import SourceError, SourceGarbled, SourceRefused, SourceUnavailable

#: Answers that may be others in a moment.
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})

#: So much of a failed answer is looked at, and so many letters of its words are shown.
_LOOKED_AT = 4_000
_WORDS = 200

TRY_LATER = "See that it runs and can be reached from here; the next slot tries again."


class Unknown:
    """What a system says of somebody it does not know."""


#: Reads an answer that is no success: its status, and its JSON without any secret, or None where it is none. Returns
#: what to raise; UNKNOWN where it says that there is no such person; None where its status says all.
Failing: TypeAlias = Callable[[int, Any], SourceError | Unknown | None]

UNKNOWN = Unknown()


class Refusals:
    """Reads one source's answers; no secret is in what it returns or raises.

    `failing` reads what a ready-made connector knows of the system's own errors; without it, 404 alone means that there
    is no such thing.
    """

    def __init__(self, exchange: HttpSettings, source: str, credentials: Credentials, failing: Failing | None) -> None:
        self._exchange = exchange
        self._source = source
        self._credentials = credentials
        self._failing = failing

    def knows_nothing(self, response: requests.Response, content: bytes) -> bool:
        """Say whether an answer means that the system knows no such thing, or no such person."""
        if self._failing is None:
            return bool(response.status_code == requests.codes.not_found)
        return self._meaning(response, content) is UNKNOWN

    def _meaning(self, response: requests.Response, content: bytes) -> SourceError | Unknown | None:
        """Return what the system's own words about a failure mean."""
        if self._failing is None or response.status_code < requests.codes.bad_request:
            return None
        try:
            body = json.loads(content, parse_float=Decimal)
        except (ValueError, RecursionError):
            body = None
        return self._failing(response.status_code, self._credentials.masked(body))

    def passing(self, response: requests.Response, content: bytes) -> SourceUnavailable | None:
        """Return what an answer failed by that may be another in a moment; None for every other answer.

        Raises what the system's own words say is wrong, where asking again would not help.
        """
        url = shown(response.url)
        meaning = self._meaning(response, content)
        if isinstance(meaning, SourceUnavailable):
            return meaning
        if isinstance(meaning, SourceError):
            raise meaning
        if response.status_code in _PASSING:
            what = f"{self._source}: {url} answered HTTP {response.status_code}{self.own_words(content)}"
            return SourceUnavailable(what, TRY_LATER)
        ok = self._exchange.ok
        if ok is None or not ok.later or response.status_code != requests.codes.ok:
            return None
        try:
            body = self.json(response, content)
        except SourceError:
            return None
        said = at_path(body, ok.path)
        if isinstance(said, bool) or str(said) not in {str(code) for code in ok.later}:
            return None
        return SourceUnavailable(
            f"{self._source}: {url} cannot answer now, in its own words: {self.not_ok(body)}", TRY_LATER
        )

    def asked(self, url: str, connect: float = 0.0, answer: float = 0.0) -> HttpTarget:
        """Return what was asked and for how long, for messages about an answer that did not come."""
        return HttpTarget(
            f"{self._source}: {shown(url)}", url, self._exchange.proxy, round(connect, 1), round(answer, 1)
        )

    def refuse_status(self, response: requests.Response, content: bytes) -> None:
        """Raise SourceRefused or SourceUnavailable for what HTTP calls no success."""
        status = response.status_code
        if response.ok and not response.is_redirect:
            return
        url = shown(response.url)
        if response.is_redirect:
            elsewhere = shown(response.headers.get("Location", ""))
            raise SourceRefused(
                f"{self._source}: {url} sends us on to {elsewhere}",
                self._exchange.fix(
                    "Write that address as url if it is right; if it is a login page, look at auth.",
                    "auth",
                    otherwise="Write the beginning of that address as url if it is right; if it is a login page, have "
                    "the office look at the account.",
                ),
            )
        whom = f" to {self._credentials.as_whom}" if status in (401, 403) and self._credentials.as_whom else ""
        what = f"{self._source}: {url} answered HTTP {status}{whom}{self.own_words(content)}"
        if status == requests.codes.proxy_authentication_required and self._exchange.proxy:
            raise proxy_wants_a_password(self.asked(response.url))
        if NO_PLAIN_HTTP in content:
            raise SourceRefused(f"{self._source}: {url} {SPEAKS_TLS[0]}", SPEAKS_TLS[1])
        if status in (401, 403):
            raise SourceRefused(what, "Have the office look at the account's name, password and rights.")
        if status in (404, 405, 410):
            raise SourceRefused(what, "Look at the url: nothing is there to be read.")
        if status >= requests.codes.server_error:
            raise SourceUnavailable(what, TRY_LATER)
        fix = self._exchange.fix(
            "Look at the url and {params}: the system does not understand the question.",
            "params",
            otherwise="Look at the url, and ask the office whether its system was updated: it does not understand the "
            "question.",
        )
        raise SourceRefused(what, fix)

    def own_words(self, content: bytes) -> str:
        """Return what an answer to a failed request says of the reason, in a few words and without any secret."""
        text = content[:_LOOKED_AT].decode("utf-8", "replace").strip()
        said = words_of(text)
        masked = re.sub(r"\?\S+", "?…", " ".join(str(self._credentials.masked(said)).split()))
        return f", in its own words: {masked[:_WORDS]}" if masked else ""

    def refuse_part(self, response: requests.Response) -> None:
        """Refuse what is called a success and is not the system's own, whole answer."""
        status = response.status_code
        if status == requests.codes.ok:
            return
        what = f"{self._source}: {shown(response.url)} answered HTTP {status}"
        if status == requests.codes.accepted:
            raise SourceUnavailable(f"{what}: it has taken the question and has no answer yet", TRY_LATER)
        if status == requests.codes.non_authoritative_info:
            raise SourceRefused(
                f"{what}: something on the way has changed the answer",
                "Reach the system directly, or have the proxy on the way pass answers on as they are.",
            )
        if status == requests.codes.partial_content:
            raise SourceGarbled(
                f"{what}: a part of the answer, where all of it was asked for",
                self._exchange.fix(
                    "Look at paging and headers: ask for whole pages, and for no range; have the proxy on the way "
                    "deliver whole answers.",
                    "paging",
                    "headers",
                    otherwise="Have the proxy on the way deliver whole answers.",
                ),
            )
        raise SourceGarbled(
            f"{what}, which holds no answer to read", "Look at the url: it must answer HTTP 200 with JSON."
        )

    def json(self, response: requests.Response, content: bytes) -> Any:  # noqa: ANN401 - whatever JSON holds
        """Return what an answer's JSON holds. Raises SourceGarbled, or SourceRefused for a web page."""
        url = shown(response.url)
        self._refuse_another_form(url, content)
        try:
            text = text_of(content, response.headers.get("Content-Type", ""), self._exchange.charset)
            return json_of(text)
        except CharsetError as error:
            raise SourceGarbled(
                f"{self._source}: the answer of {url} is not in its charset: {error}",
                "Have the office send UTF-8 and say how it is packed, or declare the charset in Content-Type; the "
                "connector rest reads the one that charset names.",
            ) from None
        except NotJsonError as error:
            if error.at == 0:
                raise SourceGarbled(
                    f"{self._source}: the answer of {url} is no whole JSON, nor its beginning{self.own_words(content)}",
                    self._exchange.fix(
                        "Look at the url, {params} and headers (Accept): the system answers in another form.",
                        "params",
                        "headers",
                    ),
                ) from None
            raise SourceGarbled(
                f"{self._source}: the answer of {url} is no whole JSON ({error}; {len(content)} bytes)",
                "It may have been cut off on its way: look at the system and at what stands between; try again."
                if error.cut
                else self._exchange.fix(
                    "Look whether the system has JSON in another form (url, {params}, headers); if not, have the "
                    "office correct what it sends.",
                    "params",
                    "headers",
                    otherwise="Have the office correct what it sends.",
                ),
            ) from None

    def _refuse_another_form(self, url: str, content: bytes) -> None:
        """Refuse XML, a web page, and an empty answer."""
        start = content.lstrip(b"\xef\xbb\xbf \t\r\n")[:_LOOKED_AT]
        if start.startswith(b"<?xml") and b"<html" not in start.lower():
            raise SourceGarbled(
                f"{self._source}: {url} answered with XML, where JSON was asked for",
                self._exchange.fix(
                    "Look whether the system also has JSON: at another address, by a parameter, or by Accept in "
                    "headers.",
                    "headers",
                ),
            )
        if start[:1] == b"<":
            raise SourceRefused(
                f"{self._source}: {url} answered with a web page, where data were asked for{self.own_words(content)}",
                self._exchange.fix(
                    "It is likely a login page: look at the url and at auth.",
                    "auth",
                    otherwise="It is likely a login page: look at the url, and have the office look at the account.",
                ),
            )
        if not start:
            raise SourceGarbled(
                f"{self._source}: the answer of {url} is empty, and so no whole JSON",
                self._exchange.fix(
                    "Look at the url and {params}: the system may have another address for its data, or have broken "
                    "off.",
                    "params",
                    otherwise="Look at the url; the system may have broken off: the next slot tries again.",
                ),
            )

    def not_ok(self, body: object) -> str:
        """Return what an answer says went wrong; empty when it says that all went well, or nothing of either."""
        ok = self._exchange.ok
        if ok is None:
            return says_failed(self._credentials.masked(body) if isinstance(body, dict) else body)[:300]
        said = at_path(body, ok.path)
        if any(type(said) is type(expected) and said == expected for expected in ok.equals):
            return ""
        reason = at_path(body, ok.reason) if ok.reason else None
        masked = self._credentials.masked
        there = "nothing" if said is MISSING else repr(masked(said))
        words = f"{ok.path} is {there}" + (f", {masked(reason)}" if reason not in (None, MISSING) else "")
        return str(masked(words))[:300]
