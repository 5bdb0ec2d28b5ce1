"""OpenID Connect: the authorization code flow with PKCE, and the checks of ID tokens and logout tokens.

Providers differ where the standard leaves a choice. These variants are accepted: an issuer with and without a `/` at
its end (authentik, Auth0); user info as a signed token (Keycloak and Apereo CAS, if a client is set so), or with its
claims below `attributes` (Apereo CAS); a key set with keys of unknown kinds; tokens that name no key.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from joserfc import jws, jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet
from requests.auth import AuthBase, HTTPBasicAuth

from config.tables.providers import Oidc
from config.tables.secrets import SecretUnusable
from foundation.translation import tr
from portal.auth.domains import without_domain
from portal.auth.providers import provider_factor
from portal.auth.providers.http import ProviderClient
from portal.auth.providers.oidc_published import METHOD, ProviderMetadata, json_object, sign_in_refused
from portal.auth.providers.oidc_words import (
    about_signature,
    described,
    described_party,
    kind,
    no_claim,
    not_one_text,
    other_person,
    spellings,
    why_no_token,
    why_not,
)
from portal.auth.refusals import printable
from portal.auth.sso_state import SignInState

#: After a token with an unknown key, the keys are requested again, at most this often.
_PAUSE = timedelta(minutes=1)

#: An encrypted token has this many dots.
_ENCRYPTED = 4

#: A logout token is at most this old, in seconds.
_LOGOUT_AGE = 300
_LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"


@dataclass(frozen=True, slots=True)
class OidcSignIn:
    """A person that the provider has signed in."""

    name: str
    #: The key by which the provider may end the session.
    key: str
    #: The token itself: the provider asks for it at sign-out.
    id_token: str
    #: The provider sent the name as a number instead of text.
    as_number: bool = False
    #: The provider has asked for a second factor.
    second_factor: bool = False


class OidcProvider:
    """The OpenID provider of the settings. Every method that sends it a request raises SignInRefused."""

    def __init__(self, settings: Oidc) -> None:
        self.issuer = settings.issuer
        self._settings = settings
        self._asker = ProviderClient(METHOD, settings.ca_file)
        self._published = ProviderMetadata(self.issuer, self._asker)

    def login_address(self, back: str, sign_in_state: SignInState, now: datetime) -> str:
        """Return the address to sign in at. The provider redirects back with a code."""
        address: str = prepare_grant_uri(
            self._published.provider(now).authorization,
            self._settings.client_id,
            "code",
            back,
            " ".join(self._settings.scopes),
            sign_in_state.state,
            nonce=sign_in_state.nonce,
            code_challenge=create_s256_code_challenge(sign_in_state.verifier),
            code_challenge_method="S256",
        )
        return address

    def logout_address(self, back: str, id_token: str, now: datetime) -> str:
        """Return the address to sign out at; empty if the provider has none."""
        address = self._published.provider(now).end_session
        if not address:
            return ""
        asked = {"client_id": self._settings.client_id, "post_logout_redirect_uri": back}
        if id_token:
            asked["id_token_hint"] = id_token
        return f"{address}{'&' if urlsplit(address).query else '?'}{urlencode(asked)}"

    def is_from(self, issuer: str, now: datetime) -> bool:
        """Return whether the issuer in an answer is this provider."""
        return issuer in spellings(self._published.provider(now).issuer)

    def redeem(self, code: str, back: str, sign_in_state: SignInState, now: datetime) -> OidcSignIn:
        """Exchange a code for an ID token, and return the person that it names."""
        provider = self._published.provider(now)
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": back,
            "code_verifier": sign_in_state.verifier,
        }
        try:
            client, secret = self._settings.client_id, self._settings.client_secret.reveal()
        except SecretUnusable as error:
            raise sign_in_refused(tr("client_secret cannot be used: {error}", error=error)) from None
        auth: AuthBase | None = None
        if provider.basic:
            # The protocol requires both to be form-encoded before they are joined.
            auth = HTTPBasicAuth(quote(client, safe=""), quote(secret, safe=""))
        else:
            form |= {"client_id": client, "client_secret": secret}
        answer = json_object(self._asker.post(provider.token, form, auth), provider.token)
        id_token = answer.get("id_token")
        if not isinstance(id_token, str):
            raise sign_in_refused(why_no_token(answer, provider.token))
        claims = self._checked(id_token, tr("the ID token"), now)
        if claims.get("nonce") != sign_in_state.nonce:
            raise sign_in_refused(tr("the ID token is for another sign-in: its nonce is not ours. Sign in again"))
        subject = claims.get("sub")
        if not isinstance(subject, str) or not subject:
            raise sign_in_refused(tr('the ID token has no subject ("sub"). Have the provider include it'))
        if not isinstance(claims.get("exp"), int | float):
            raise sign_in_refused(tr('the ID token never expires (no "exp"). Have the provider include it'))
        known: Mapping[str, Any] = claims
        asked = provider.issuer
        if _claim(claims, self._settings.claim) is None and provider.userinfo:
            asked = provider.userinfo
            known = self._user_info(provider.userinfo, answer.get("access_token"), subject, now)
        elif self._settings.claim == "email" and self._verified_elsewhere(claims) and provider.userinfo:
            info = self._user_info(provider.userinfo, answer.get("access_token"), subject, now)
            if info.get("email") == claims["email"]:
                known = {**claims, "email_verified": info.get("email_verified")}
        key = claims.get("sid")
        name, as_number = self._claimed_name(known, claims, asked)
        factor = provider_factor.by_oidc(claims, self._settings)
        return OidcSignIn(name, key if isinstance(key, str) and key else subject, id_token, as_number, factor)

    def _user_info(self, address: str, access_token: object, subject: str, now: datetime) -> Mapping[str, Any]:
        """Return the provider's user info: JSON, or the claims of a token that it has signed."""
        if not isinstance(access_token, str):
            return {}
        body = self._asker.get(address, token=access_token).strip()
        if body.startswith(b"eyJ"):
            info = self._signed_info(body.decode("ascii", "replace"), address, now)
        else:
            info = json_object(body, address)
        own = info.get("sub")
        if own != subject:
            raise sign_in_refused(other_person(address, named=own is not None))
        return info

    def _signed_info(self, token: str, address: str, now: datetime) -> dict[str, Any]:
        if token.count(".") == _ENCRYPTED:
            raise sign_in_refused(
                tr(
                    "the user info of {address} is encrypted. Have the provider send it signed, or as plain JSON",
                    address=address,
                )
            )
        try:
            claims: dict[str, Any] = self._decoded(token, now).claims
        except (JoseError, ValueError) as error:
            raise sign_in_refused(
                tr(
                    "the signature of the user info of {address} is not valid ({error}). Compare algorithms in "
                    "[auth.oidc] with the provider's signing algorithm",
                    address=address,
                    error=kind(error),
                )
            ) from None
        audience = claims.get("aud", self._settings.client_id)
        meant = self._settings.client_id in (audience if isinstance(audience, list) else [audience])
        issuer = self._published.provider(now).issuer
        if not meant or claims.get("iss", issuer) not in spellings(issuer):
            raise sign_in_refused(
                tr(
                    "the user info of {address} is for another client, or from another issuer. Compare issuer and "
                    "client_id in [auth.oidc] with the provider's",
                    address=address,
                )
            )
        return claims

    def ended(self, logout_token: str, now: datetime) -> tuple[str, str]:
        """Return the key of the session that a logout token ends, and the token's own key. Raises SignInRefused."""
        claims = self._checked(logout_token, tr("the logout token"), now)
        events, key = claims.get("events"), claims.get("sid") or claims.get("sub")
        if not isinstance(events, Mapping) or not isinstance(events.get(_LOGOUT_EVENT), Mapping) or "nonce" in claims:
            raise sign_in_refused(
                tr("it is not a logout token. Have the provider send one with the back-channel logout event")
            )
        if abs(now.timestamp() - claims["iat"]) > _LOGOUT_AGE:
            raise sign_in_refused(
                tr(
                    "the logout token is {seconds:.0f} s off this machine's clock. Set both clocks by NTP",
                    seconds=abs(now.timestamp() - claims["iat"]),
                )
            )
        own = claims.get("jti")
        if not isinstance(key, str) or not isinstance(own, str) or not key or not own:
            raise sign_in_refused(
                tr("the logout token has no session (sid or sub), or no own key (jti). Have the provider include them")
            )
        return key, own

    def _claimed_name(self, claims: Mapping[str, Any], token: Mapping[str, Any], asked: str) -> tuple[str, bool]:
        """Return the name in the claim, and whether it was a number."""
        own = self._settings
        value = _claim(claims, own.claim)
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        as_number = isinstance(value, int) and not isinstance(value, bool)
        name = str(value) if as_number else value
        if not isinstance(name, str) or not name.strip():
            there = ", ".join(sorted({printable(claim, 40) for claim in (*token, *claims)})[:40])
            who = printable(str(token["sub"]), 100)
            raise sign_in_refused(
                no_claim(asked, own.claim, there, who)
                if value is None
                else not_one_text(asked, own.claim, described(value), who),
                who,
            )
        if own.claim == "email":
            self._refuse_unverified(claims.get("email_verified"), name)
        return without_domain(METHOD, name, own.strip_domain), as_number

    def _verified_elsewhere(self, claims: Mapping[str, Any]) -> bool:
        """Return whether only the user info can state that the token's address has been verified."""
        return "email_verified" not in claims and not self._settings.email_without_verified

    def _refuse_unverified(self, verified: object, address: str) -> None:
        if verified is True or (isinstance(verified, str) and verified.lower() == "true"):
            return
        shown = printable(address, 100)
        if verified is not None:
            raise sign_in_refused(
                tr(
                    "the provider reports that the e-mail address {shown} has not been verified (email_verified). "
                    "Have the person verify it there, or set claim in [auth.oidc] to a claim that the university "
                    "assigns",
                    shown=shown,
                ),
                address,
            )
        if not self._settings.email_without_verified:
            raise sign_in_refused(
                tr(
                    "the provider does not report whether the e-mail address {shown} has been verified (no "
                    "email_verified), so it can belong to another person. Set claim in [auth.oidc] to a claim "
                    "that the university assigns; if people cannot choose their address, set "
                    "email_without_verified = true",
                    shown=shown,
                ),
                address,
            )

    def _checked(self, token: str, what: str, now: datetime) -> dict[str, Any]:
        """Return a token's claims after checking its signature, issuer, audience and times."""
        known = self._published.provider(now)
        skew = int(self._settings.clock_skew.total_seconds())
        try:
            decoded = self._decoded(token, now)
        except (JoseError, ValueError) as error:
            raise sign_in_refused(
                tr(
                    "the signature of {what} is not valid ({error}). {advice}",
                    what=what,
                    error=kind(error),
                    advice=about_signature(token, self._settings.algorithms),
                )
            ) from None
        claims: dict[str, Any] = decoded.claims
        try:
            jwt.JWTClaimsRegistry(
                now=int(now.timestamp()),
                leeway=skew,
                iss={"essential": True, "values": spellings(known.issuer)},
                aud={"essential": True, "value": self._settings.client_id},
                iat={"essential": True},
            ).validate(claims)
        except (JoseError, ValueError) as error:
            raise sign_in_refused(
                tr(
                    "{what} is not valid: {why}",
                    what=what,
                    why=why_not(claims, known.issuer, self._settings.client_id, now, error),
                )
            ) from None
        party = claims.get("azp", self._settings.client_id)
        several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
        if party != self._settings.client_id or (several and "azp" not in claims):
            raise sign_in_refused(
                tr(
                    "{what} is also for another client (aud {audience}, azp {party}). Have the provider issue it "
                    'for client_id "{client_id}" alone',
                    what=what,
                    audience=described_party(claims.get("aud")),
                    party=described_party(claims.get("azp")),
                    client_id=self._settings.client_id,
                )
            )
        return claims

    def _decoded(self, token: str, now: datetime) -> jwt.Token:
        try:
            return self._with_keys(token, self._published.keys(now))
        except (JoseError, ValueError):
            # Providers change their keys, and some give the new key the old name.
            return self._with_keys(token, self._published.keys(now, older_than=_PAUSE))

    def _with_keys(self, token: str, keys: KeySet) -> jwt.Token:
        algorithms = list(self._settings.algorithms)
        try:
            return jwt.decode(token, keys, algorithms=algorithms)
        except InvalidKeyIdError:
            if jws.extract_compact(token.encode()).headers().get("kid"):
                raise
        # It names no key: one of them must match.
        for key in keys.keys:
            with suppress(JoseError, ValueError):
                return jwt.decode(token, key, algorithms=algorithms)
        raise InvalidKeyIdError("no key fits")


def _claim(claims: Mapping[str, Any], name: str) -> Any:  # noqa: ANN401 - whatever JSON holds
    """Return a claim, or None. A name with dots that is not a claim itself is the path of a nested claim."""
    if name in claims:
        return claims[name]
    first, dot, rest = name.partition(".")
    below = claims.get(first)
    return _claim(below, rest) if dot and isinstance(below, Mapping) else None
