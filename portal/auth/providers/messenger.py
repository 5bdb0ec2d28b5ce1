"""What WeCom and DingTalk have in common: OAuth 2 with a code, JSON with an error code, a token for the program.

Neither documents PKCE, a nonce or a signed token, so the `state` of the browser is the only protection of a sign-in
against another site's; it is long, random and used once. A code is exchanged once, by this server.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock
from typing import Any, Protocol

from config.tables.secrets import Secret, SecretUnusable
from foundation.translation import tr
from portal.auth.refusals import SignInCode, SignInRefused, printable

#: A token is requested again this long before it ends.
_EARLY = timedelta(minutes=5)


class Messenger(Protocol):
    """A messenger's sign-in."""

    #: The name of its table, and of its pages.
    method: str
    #: The parameter of the code, where the browser comes back.
    code: str

    def login_address(self, back: str, state: str, agent: str) -> str:
        """Return the address to sign in at. `agent` is the browser's own description."""

    def redeem(self, code: str, now: datetime) -> str:
        """Return the name here of the person of a code. Raises SignInRefused."""

    def reach(self, public_url: str, now: datetime, /) -> None:
        """Request the program's own token. Raises SignInRefused."""


@dataclass(slots=True)
class ProgramToken:
    """The program's own token, kept until shortly before its end."""

    value: str = ""
    until: datetime | None = None


class TokenKeeper:
    """Keeps the token for all threads. One of them requests it; none waits for another's request."""

    def __init__(self) -> None:
        self._token = ProgramToken()
        self._lock = Lock()

    def current(self, now: datetime) -> str:
        """Return the token; empty when it must be requested."""
        with self._lock:
            token = self._token
            return token.value if token.until is not None and now < token.until else ""

    def keep(self, value: str, lasts: object, now: datetime) -> str:
        """Keep a token that lasts this many seconds, and return it."""
        seconds = int(lasts) if isinstance(lasts, int | str) and str(lasts).isdigit() else 0
        with self._lock:
            self._token = ProgramToken(value, now + timedelta(seconds=seconds) - _EARLY)
        return value

    def forget(self) -> None:
        """Forget the token: the messenger no longer accepts it."""
        with self._lock:
            self._token = ProgramToken()


def revealed(method: str, secret: Secret) -> str:
    """Return a secret of the settings. Raises SignInRefused where this process cannot read it."""
    try:
        return secret.reveal()
    except SecretUnusable as error:
        raise SignInRefused(
            method, SignInCode.UNAVAILABLE, tr("[auth.{method}]: {why}", method=method, why=error)
        ) from None


def object_of(method: str, body: bytes, url: str) -> Mapping[str, Any]:
    """Return an answer's JSON object. Raises SignInRefused."""
    try:
        found = json.loads(body)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise SignInRefused(
            method,
            SignInCode.REFUSED,
            tr("{url} did not answer with JSON. Compare the addresses in [auth.{method}].", url=url, method=method),
        )
    return found


def text_of(found: Mapping[str, Any], key: str) -> str:
    """Return a text of an answer; empty where it is missing or no text."""
    value = found.get(key)
    return value.strip() if isinstance(value, str) else ""


def failure(method: str, url: str, code: object, message: object, fix: str) -> SignInRefused:
    """Return the refusal for an answer's error code, with the messenger's own words."""
    return SignInRefused(
        method,
        SignInCode.REFUSED,
        tr(
            "{url} answers with {code} ({message}). {fix}",
            url=url,
            code=printable(str(code), 80),
            message=printable(str(message or ""), 160),
            fix=fix,
        ),
    )
