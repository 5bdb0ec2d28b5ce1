"""What an OpenID provider publishes: its addresses and its keys. Each is requested again when it is old."""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry, KeySet

from config.tables.providers import is_loopback
from foundation.translation import tr
from portal.auth.providers.http import ProviderClient
from portal.auth.providers.oidc_words import another_issuer, described_party
from portal.auth.refusals import SignInCode, SignInRefused

METHOD = "oidc"

#: The provider's own description is requested again after this long.
_FRESH = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Provider:
    """The addresses of a provider, as it publishes them."""

    issuer: str
    authorization: str
    token: str
    jwks: str
    userinfo: str
    end_session: str
    basic: bool
    at: datetime


class ProviderMetadata:
    """Reads what a provider publishes. Every method raises SignInRefused."""

    def __init__(self, issuer: str, asker: ProviderClient) -> None:
        self._issuer = issuer
        self._asker = asker
        self._provider: Provider | None = None
        self._keys: tuple[KeySet, datetime] | None = None

    def provider(self, now: datetime) -> Provider:
        """Return the provider's addresses."""
        # Two threads may ask at once: neither waits for the other's answer.
        provider = self._provider
        if provider is None or now - provider.at >= _FRESH:
            provider = self._provider = self._discovered(now)
        return provider

    def keys(self, now: datetime, older_than: timedelta = _FRESH) -> KeySet:
        """Return the provider's keys, requested again if they are older than `older_than`."""
        address = self.provider(now).jwks
        keys = self._keys
        if keys is None or now - keys[1] >= older_than:
            keys = self._keys = _read_keys(json_object(self._asker.get(address), address), address), now
        return keys[0]

    def _discovered(self, now: datetime) -> Provider:
        asked = f"{self._issuer}/.well-known/openid-configuration"
        published = json_object(self._asker.get(asked), asked)
        itself = published.get("issuer")
        if not isinstance(itself, str) or itself.rstrip("/") != self._issuer:
            raise sign_in_refused(another_issuer(itself, self._issuer))
        address = _addresses(published)
        methods = published.get("token_endpoint_auth_methods_supported")
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


def _addresses(published: Mapping[str, Any]) -> Callable[..., str]:
    def address(name: str, *, needed: bool = True) -> str:
        url = published.get(name)
        if url is None and not needed:
            return ""
        if not isinstance(url, str) or not (url.startswith("https://") or is_loopback(url)):
            raise sign_in_refused(
                tr(
                    "the provider's {name} is {url}, which is not an https address. Behind a proxy, set the "
                    "provider's own https address (host name, X-Forwarded-Proto)",
                    name=name,
                    url=described_party(url),
                )
            )
        return url

    return address


def _read_keys(published: Mapping[str, Any], address: str) -> KeySet:
    """Return the provider's keys, without those of an unknown kind (RFC 7517, section 5)."""
    listed = published.get("keys")
    keys: list[Any] = []
    for data in listed if isinstance(listed, list) else ():
        with suppress(JoseError, ValueError, KeyError, TypeError, AttributeError):
            keys.append(JWKRegistry.import_key(data))
    if not keys:
        raise sign_in_refused(tr("{address} has no readable key. Check the provider's own log", address=address))
    return KeySet(keys)


def json_object(body: bytes, address: str) -> dict[str, Any]:
    """Return a provider's answer as a JSON object. Raises SignInRefused."""
    try:
        answer = json.loads(body)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        begins = body[:20].lstrip().lower()
        if begins.startswith((b"<!doctype", b"<html")):
            text = tr(
                "{address} did not answer with a JSON object, but with a web page. Check issuer in [auth.oidc]",
                address=address,
            )
        else:
            text = tr("{address} did not answer with a JSON object. Check issuer in [auth.oidc]", address=address)
        raise sign_in_refused(text)
    return answer


def sign_in_refused(message: str, name: str = "") -> SignInRefused:
    """Return the refusal of a sign-in; `message` gives the cause and the fix."""
    return SignInRefused(METHOD, SignInCode.REFUSED, tr("{message}.", message=message), name)
