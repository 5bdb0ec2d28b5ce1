"""OpenID Connect: the authorization code flow with PKCE, and what an ID token or a logout token must say to count."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet
from requests.auth import AuthBase, HTTPBasicAuth

from config.providers import Oidc, is_loopback
from portal.auth.asking import Asker
from portal.auth.journeys import Journey
from portal.auth.refusals import SignInRefused, Why

METHOD = "oidc"

#: What the provider says of itself is asked anew after this long.
_FRESH = timedelta(hours=1)
#: An unknown key has its keys asked anew, but no more often than this.
_PAUSE = timedelta(minutes=1)

#: Clocks differ by as much.
_LEEWAY = 60

#: A logout token is for now.
_LOGOUT_AGE = 300
_LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"


@dataclass(frozen=True, slots=True)
class Signed:
    """Somebody whom the provider has signed in."""

    name: str
    #: What the provider may end the session by.
    key: str
    #: The token itself: the provider asks for it when they leave.
    id_token: str


@dataclass(frozen=True, slots=True)
class _Provider:
    issuer: str
    authorization: str
    token: str
    jwks: str
    userinfo: str
    end_session: str
    basic: bool
    at: datetime


class OidcProvider:
    """The OpenID provider of the settings. Every method that asks it raises SignInRefused."""

    def __init__(self, settings: Oidc) -> None:
        self.issuer = settings.issuer
        self._settings = settings
        self._asker = Asker(METHOD, settings.ca_file)
        self._provider: _Provider | None = None
        self._keys: tuple[KeySet, datetime] | None = None

    def login_address(self, back: str, journey: Journey, now: datetime) -> str:
        """Return where people sign in, to be sent back with a code."""
        address: str = prepare_grant_uri(
            self._known(now).authorization,
            self._settings.client_id,
            "code",
            back,
            " ".join(self._settings.scopes),
            journey.state,
            nonce=journey.nonce,
            code_challenge=create_s256_code_challenge(journey.verifier),
            code_challenge_method="S256",
        )
        return address

    def logout_address(self, back: str, id_token: str, now: datetime) -> str:
        """Return where people sign out; empty where the provider has no such place."""
        address = self._known(now).end_session
        if not address:
            return ""
        asked = {"client_id": self._settings.client_id, "post_logout_redirect_uri": back}
        if id_token:
            asked["id_token_hint"] = id_token
        return f"{address}{'&' if urlsplit(address).query else '?'}{urlencode(asked)}"

    def is_from(self, issuer: str, now: datetime) -> bool:
        """Say whether an answer that names its issuer comes from this provider."""
        return issuer == self._known(now).issuer

    def redeem(self, code: str, back: str, journey: Journey, now: datetime) -> Signed:
        """Return whom a code stands for, by the ID token that the provider gives for it."""
        provider = self._known(now)
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": back,
            "code_verifier": journey.verifier,
        }
        client, secret = self._settings.client_id, self._settings.client_secret.get_secret_value()
        auth: AuthBase | None = None
        if provider.basic:
            # The protocol has both spelt as in a form before they are put together.
            auth = HTTPBasicAuth(quote(client, safe=""), quote(secret, safe=""))
        else:
            form |= {"client_id": client, "client_secret": secret}
        said = _object(self._asker.post(provider.token, form, auth))
        id_token = said.get("id_token")
        if not isinstance(id_token, str):
            raise _refused("the provider gave no ID token for the code")
        claims = self._checked(id_token, now)
        if claims.get("nonce") != journey.nonce:
            raise _refused("the ID token is for another sign-in: its nonce is not ours")
        subject = claims.get("sub")
        if not isinstance(subject, str) or not subject:
            raise _refused("the ID token has no subject")
        if not isinstance(claims.get("exp"), int | float):
            raise _refused("the ID token never ends")
        known = claims
        if self._settings.claim not in claims and provider.userinfo and isinstance(said.get("access_token"), str):
            known = _object(self._asker.get(provider.userinfo, token=said["access_token"]))
            if known.get("sub") != subject:
                raise _refused("the user info is about somebody else")
        key = claims.get("sid")
        return Signed(self._name(known), key if isinstance(key, str) and key else subject, id_token)

    def ended(self, logout_token: str, now: datetime) -> tuple[str, str]:
        """Return what session a logout token ends, and the token's own key. Raises SignInRefused."""
        claims = self._checked(logout_token, now)
        events, key = claims.get("events"), claims.get("sid") or claims.get("sub")
        if not isinstance(events, Mapping) or not isinstance(events.get(_LOGOUT_EVENT), Mapping) or "nonce" in claims:
            raise _refused("it is no logout token")
        if abs(now.timestamp() - claims["iat"]) > _LOGOUT_AGE:
            raise _refused("the logout token is old")
        own = claims.get("jti")
        if not isinstance(key, str) or not isinstance(own, str) or not key or not own:
            raise _refused("the logout token names no session, or not itself")
        return key, own

    def _name(self, claims: Mapping[str, Any]) -> str:
        claim = self._settings.claim
        name = claims.get(claim)
        if not isinstance(name, str) or not name:
            raise _refused(
                f'the provider says no claim "{claim}". Have it release that claim to this client, add its scope, '
                "or name another claim in [auth.oidc]."
            )
        if claim == "email" and claims.get("email_verified") is not True:
            raise _refused("the e-mail address has not been verified by the provider")
        return name

    def _checked(self, token: str, now: datetime) -> dict[str, Any]:
        """Return a token's claims, once its signature, issuer, audience and times have been found good."""
        try:
            decoded = self._decoded(token, now)
            jwt.JWTClaimsRegistry(
                now=int(now.timestamp()),
                leeway=_LEEWAY,
                iss={"essential": True, "value": self._known(now).issuer},
                aud={"essential": True, "value": self._settings.client_id},
                iat={"essential": True},
            ).validate(decoded.claims)
        except (JoseError, ValueError) as error:
            raise _refused(f"a token does not hold ({type(error).__name__}: {error})") from None
        claims: dict[str, Any] = decoded.claims
        party = claims.get("azp", self._settings.client_id)
        several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
        if party != self._settings.client_id or (several and "azp" not in claims):
            raise _refused("a token is for another client, too")
        return claims

    def _decoded(self, token: str, now: datetime) -> jwt.Token:
        algorithms = list(self._settings.algorithms)
        try:
            return jwt.decode(token, self._key_set(now), algorithms=algorithms)
        except (InvalidKeyIdError, ValueError):
            # Providers change their keys now and then.
            return jwt.decode(token, self._key_set(now, older_than=_PAUSE), algorithms=algorithms)

    def _known(self, now: datetime) -> _Provider:
        # Two threads may ask at once: nobody waits for the other's answer.
        provider = self._provider
        if provider is None or now - provider.at >= _FRESH:
            provider = self._provider = self._discovered(now)
        return provider

    def _discovered(self, now: datetime) -> _Provider:
        said = _object(self._asker.get(f"{self.issuer}/.well-known/openid-configuration"))
        if str(said.get("issuer", "")).rstrip("/") != self.issuer:
            raise _refused(
                f"the provider calls itself {said.get('issuer')!r}, and [auth.oidc] issuer says {self.issuer}"
            )
        address = _addresses(said)
        methods = said.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        return _Provider(
            issuer=said["issuer"],
            authorization=address("authorization_endpoint"),
            token=address("token_endpoint"),
            jwks=address("jwks_uri"),
            userinfo=address("userinfo_endpoint", needed=False),
            end_session=address("end_session_endpoint", needed=False),
            basic="client_secret_basic" in methods or "client_secret_post" not in methods,
            at=now,
        )

    def _key_set(self, now: datetime, older_than: timedelta = _FRESH) -> KeySet:
        address = self._known(now).jwks
        keys = self._keys
        if keys is None or now - keys[1] >= older_than:
            said = _object(self._asker.get(address))
            try:
                keys = self._keys = KeySet.import_key_set(said), now  # type: ignore[arg-type]  # checked as it is read
            except (JoseError, ValueError, KeyError, TypeError, AttributeError) as error:
                raise _refused(f"the provider's keys cannot be read ({type(error).__name__})") from None
        return keys[0]


def _addresses(said: Mapping[str, Any]) -> Callable[..., str]:
    def address(name: str, *, needed: bool = True) -> str:
        url = said.get(name)
        if url is None and not needed:
            return ""
        if not isinstance(url, str) or not (url.startswith("https://") or is_loopback(url)):
            raise _refused(f"the provider's {name} is no https address")
        return url

    return address


def _object(body: bytes) -> dict[str, Any]:
    try:
        said = json.loads(body)
    except ValueError:
        said = None
    if not isinstance(said, dict):
        raise _refused("the provider answered with something that is no JSON object")
    return said


def _refused(message: str) -> SignInRefused:
    return SignInRefused(METHOD, Why.REFUSED, message)
