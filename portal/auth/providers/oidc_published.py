"""What an OpenID provider publishes: its addresses and its keys. Each is asked for again once it is old."""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry, KeySet

from config.tables.providers import is_loopback
from portal.auth.providers.http import ProviderClient
from portal.auth.providers.oidc_words import another_issuer, described_party
from portal.auth.refusals import SignInCode, SignInRefused

METHOD = "oidc"

#: The provider's own description is asked for again after this long.
_FRESH = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Provider:
    """Where a provider is asked for what, as it publishes that."""

    issuer: str
    authorization: str
    token: str
    jwks: str
    userinfo: str
    end_session: str
    basic: bool
    at: datetime


class Published:
    """Asks a provider for what it publishes. Every method raises SignInRefused."""

    def __init__(self, issuer: str, asker: ProviderClient) -> None:
        self._issuer = issuer
        self._asker = asker
        self._provider: Provider | None = None
        self._keys: tuple[KeySet, datetime] | None = None

    def provider(self, now: datetime) -> Provider:
        """Return the provider's addresses."""
        # Two threads may ask at once: nobody waits for the other's answer.
        provider = self._provider
        if provider is None or now - provider.at >= _FRESH:
            provider = self._provider = self._discovered(now)
        return provider

    def keys(self, now: datetime, older_than: timedelta = _FRESH) -> KeySet:
        """Return the provider's keys, asked for again where they are older."""
        address = self.provider(now).jwks
        keys = self._keys
        if keys is None or now - keys[1] >= older_than:
            keys = self._keys = _read_keys(json_object(self._asker.get(address), address), address), now
        return keys[0]

    def _discovered(self, now: datetime) -> Provider:
        asked = f"{self._issuer}/.well-known/openid-configuration"
        said = json_object(self._asker.get(asked), asked)
        itself = said.get("issuer")
        if not isinstance(itself, str) or itself.rstrip("/") != self._issuer:
            raise sign_in_refused(another_issuer(itself, self._issuer))
        address = _addresses(said)
        methods = said.get("token_endpoint_auth_methods_supported")
        if not isinstance(methods, list):
            methods = ["client_secret_basic"]
        return Provider(
            issuer=itself,
            authorization=address("authorization_endpoint"),
            token=address("token_endpoint"),
            jwks=address("jwks_uri"),
            userinfo=address("userinfo_endpoint", needed=False),
            end_session=address("end_session_endpoint", needed=False),
            basic="client_secret_basic" in methods or "client_secret_post" not in methods,
            at=now,
        )


def _addresses(said: Mapping[str, Any]) -> Callable[..., str]:
    def address(name: str, *, needed: bool = True) -> str:
        url = said.get(name)
        if url is None and not needed:
            return ""
        if not isinstance(url, str) or not (url.startswith("https://") or is_loopback(url)):
            raise sign_in_refused(
                f"the provider says that its {name} is {described_party(url)}, which is not an https address. Behind a "
                "proxy, give the provider its own https address (host name, X-Forwarded-Proto)"
            )
        return url

    return address


def _read_keys(said: Mapping[str, Any], address: str) -> KeySet:
    """Return the provider's keys, without those of a kind that is not known here (RFC 7517, section 5)."""
    listed = said.get("keys")
    keys: list[Any] = []
    for data in listed if isinstance(listed, list) else ():
        with suppress(JoseError, ValueError, KeyError, TypeError, AttributeError):
            keys.append(JWKRegistry.import_key(data))
    if not keys:
        raise sign_in_refused(f"{address} shows no key that can be read. Look into the provider's own log")
    return KeySet(keys)


def json_object(body: bytes, address: str) -> dict[str, Any]:
    """Read an answer of the provider's as a JSON object. Raises SignInRefused."""
    try:
        said = json.loads(body)
    except ValueError:
        said = None
    if not isinstance(said, dict):
        begins = body[:20].lstrip().lower()
        page = ", but with a web page" if begins.startswith((b"<!doctype", b"<html")) else ""
        raise sign_in_refused(f"{address} did not answer with a JSON object{page}. Compare issuer in [auth.oidc]")
    return said


def sign_in_refused(message: str, name: str = "") -> SignInRefused:
    """Return the refusal of a sign-in; `message` gives the cause and the fix."""
    return SignInRefused(METHOD, SignInCode.REFUSED, f"{message}.", name)
