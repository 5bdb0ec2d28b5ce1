"""What an OpenID provider says is checked: a token that is not whole and ours lets nobody in, and ends nothing."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc.jwk import ECKey, KeySet, OctKey, RSAKey
from structlog.testing import capture_logs

from config.tables.providers import Oidc
from config.tables.secrets import Secret
from portal.auth.providers.oidc import OidcProvider, OidcSignIn
from portal.auth.refusals import SignInCode, SignInRefused
from portal.auth.sso_state import SignInState
from status_db.accounts.audit_log import AuditEvent
from tests.cast import LIN
from tests.portal.arriving import opened
from tests.services.openid import ScriptedProvider

NOW = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)
BACK = "http://127.0.0.1/sign-in/oidc/back"
JOURNEY = SignInState("/")
EVENT = "http://schemas.openid.net/event/backchannel-logout"


@pytest.fixture
def provider() -> Iterator[ScriptedProvider]:
    """A provider that says whatever a test has it say."""
    with ScriptedProvider() as started:
        yield started


def ours(provider: ScriptedProvider, **settings: Any) -> OidcProvider:
    """Return our side of it."""
    own = {"issuer": provider.issuer, "client_id": "clearance", "claim": "number"} | settings
    return OidcProvider(Oidc.model_validate(own | {"client_secret": Secret.given("a: b")}))


def claims(provider: ScriptedProvider, **changes: Any) -> dict[str, Any]:
    """Return a good token's claims, with changes; None takes one out."""
    good = {
        "iss": provider.issuer,
        "aud": "clearance",
        "sub": "s-1",
        "iat": NOW.timestamp(),
        "exp": (NOW + timedelta(minutes=5)).timestamp(),
        "nonce": JOURNEY.nonce,
        "number": LIN.number,
        "sid": "session-1",
    }
    return {name: value for name, value in (good | changes).items() if value is not None}


def redeemed(provider: ScriptedProvider, token: Any, **settings: Any) -> OidcSignIn:
    """Return whom a code stands for, when the provider gives this token for it."""
    provider.answer = {"access_token": "a", "token_type": "Bearer", "id_token": token}
    return ours(provider, **settings).redeem("code", BACK, JOURNEY, NOW)


def test_a_good_token_names_somebody(provider: ScriptedProvider) -> None:
    token = provider.signed(claims(provider))
    assert redeemed(provider, token) == OidcSignIn(LIN.number, "session-1", token)
    (form,) = provider.forms
    assert form["code_verifier"] == JOURNEY.verifier
    assert form["redirect_uri"] == BACK
    assert base64.b64decode(provider.credentials[0].removeprefix("Basic ")) == b"clearance:a%3A%20b"


def test_a_secret_goes_into_the_form_where_the_provider_takes_it_only_there(provider: ScriptedProvider) -> None:
    provider.discovery = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
    redeemed(provider, provider.signed(claims(provider)))
    assert provider.forms[0]["client_secret"] == "a: b"
    assert provider.credentials == [""]


BAD: dict[str, dict[str, Any]] = {
    "another nonce": {"nonce": "another"},
    "no nonce": {"nonce": None},
    "another audience": {"aud": "other"},
    "several audiences without ours": {"aud": ["other", "more"]},
    "several audiences and no party": {"aud": ["clearance", "other"]},
    "another party": {"aud": ["clearance", "other"], "azp": "other"},
    "no audience": {"aud": None},
    "an audience that is a number": {"aud": 7},
    "a part of our name as audience": {"aud": "clear"},
    "another issuer": {"iss": "https://other.example"},
    "no issuer": {"iss": None},
    "expired": {"exp": (NOW - timedelta(minutes=2)).timestamp()},
    "without end": {"exp": None},
    "an end that is a word": {"exp": "later"},
    "from the future": {"iat": (NOW + timedelta(minutes=5)).timestamp()},
    "without a time": {"iat": None},
    "not yet good": {"nbf": (NOW + timedelta(minutes=5)).timestamp()},
    "no subject": {"sub": None},
    "an empty subject": {"sub": ""},
    "no number": {"number": None},
    "an empty number": {"number": ""},
    "two numbers": {"number": [LIN.number, LIN.number]},
    "no number in a list": {"number": []},
    "a number in a list in a list": {"number": [[LIN.number]]},
    "a number with a fraction": {"number": 20151001.0},
    "a number that is a yes": {"number": True},
    "a number within": {"number": {"value": LIN.number}},
}


@pytest.mark.parametrize("changes", BAD.values(), ids=BAD.keys())
def test_a_token_that_does_not_hold_lets_nobody_in(provider: ScriptedProvider, changes: dict[str, Any]) -> None:
    with pytest.raises(SignInRefused) as refused:
        redeemed(provider, provider.signed(claims(provider, **changes)))
    assert refused.value.code is SignInCode.REFUSED


def test_our_own_party_among_several_audiences_is_good(provider: ScriptedProvider) -> None:
    changes = {"aud": ["clearance", "other"], "azp": "clearance"}
    assert redeemed(provider, provider.signed(claims(provider, **changes))).name == LIN.number


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def unsigned(provider: ScriptedProvider) -> str:
    return f"{part({'alg': 'none'})}.{part(claims(provider))}."


def with_the_public_key_as_secret(provider: ScriptedProvider) -> str:
    signed = f"{part({'alg': 'HS256', 'kid': 'one'})}.{part(claims(provider))}"
    secret = provider.key.as_pem(private=False)
    mac = hmac.digest(secret, signed.encode(), hashlib.sha256)
    return f"{signed}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def with_the_client_secret(provider: ScriptedProvider) -> str:
    return provider.signed(claims(provider), {"alg": "HS256"}, OctKey.import_key(b"a: b" * 8))


def by_another_key(provider: ScriptedProvider) -> str:
    key = RSAKey.generate_key(2048, {"kid": "one"}, auto_kid=False)
    return provider.signed(claims(provider), None, key)


def by_a_key_it_brings_along(provider: ScriptedProvider) -> str:
    key = RSAKey.generate_key(2048, {"kid": "mine"}, auto_kid=False)
    header = {"alg": "RS256", "kid": "mine", "jwk": key.as_dict(private=False)}
    return provider.signed(claims(provider), header, key)


def by_another_way_than_allowed(provider: ScriptedProvider) -> str:
    return provider.signed(claims(provider), {"alg": "RS512", "kid": "one"})


def changed_after_signing(provider: ScriptedProvider) -> str:
    head, _, signature = provider.signed(claims(provider)).split(".")
    return f"{head}.{part(claims(provider, number='dean'))}.{signature}"


@pytest.mark.parametrize(
    "forged",
    [
        unsigned,
        with_the_public_key_as_secret,
        with_the_client_secret,
        by_another_key,
        by_a_key_it_brings_along,
        by_another_way_than_allowed,
        changed_after_signing,
        lambda _: "",
        lambda _: "a.b.c",
        lambda _: 7,
        lambda _: None,
    ],
)
def test_a_token_that_the_provider_did_not_sign_lets_nobody_in(
    provider: ScriptedProvider, forged: Callable[[ScriptedProvider], Any]
) -> None:
    with pytest.raises(SignInRefused) as refused:
        redeemed(provider, forged(provider))
    assert refused.value.code is SignInCode.REFUSED


def test_a_new_key_of_the_provider_is_learnt(provider: ScriptedProvider) -> None:
    side = ours(provider)
    provider.answer = {"id_token": provider.signed(claims(provider))}
    side.redeem("code", BACK, JOURNEY, NOW)
    fresh = ECKey.generate_key("P-256", {"kid": "two", "use": "sig", "alg": "ES256"}, auto_kid=False)
    provider.keys = KeySet([fresh])
    provider.answer = {"id_token": provider.signed(claims(provider), {"alg": "ES256", "kid": "two"}, fresh)}
    with pytest.raises(SignInRefused):
        side.redeem("code", BACK, JOURNEY, NOW + timedelta(seconds=10))
    later = NOW + timedelta(minutes=2)
    assert side.redeem("code", BACK, JOURNEY, later).name == LIN.number
    assert provider.asked.count("/jwks") == 2


@pytest.mark.parametrize(
    "said",
    [
        {"issuer": "https://other.example"},
        {"token_endpoint": "http://other.example/token"},
        {"jwks_uri": None},
        {"authorization_endpoint": 7},
    ],
)
def test_a_provider_that_states_strange_things_of_itself_is_not_asked_more(
    provider: ScriptedProvider, said: dict[str, Any]
) -> None:
    provider.discovery = said
    with pytest.raises(SignInRefused):
        redeemed(provider, provider.signed(claims(provider)))
    assert provider.forms == []


@pytest.mark.parametrize("answer", [b"", b"<html>", [], {"error": "invalid_grant"}, b"{" + b" " * 400_000 + b"}"])
def test_an_answer_without_a_token_lets_nobody_in(provider: ScriptedProvider, answer: Any) -> None:
    provider.answer = answer
    with pytest.raises(SignInRefused):
        ours(provider).redeem("code", BACK, JOURNEY, NOW)


def test_user_info_about_somebody_else_is_refused(provider: ScriptedProvider) -> None:
    provider.discovery = {"userinfo_endpoint": f"{provider.issuer}/userinfo"}
    token = provider.signed(claims(provider, number=None))
    provider.user_info = {"sub": "s-1", "number": LIN.number}
    assert redeemed(provider, token).name == LIN.number
    provider.user_info = {"sub": "s-2", "number": "dean"}
    with pytest.raises(SignInRefused):
        redeemed(provider, token)


@pytest.mark.parametrize(
    ("verified", "good"),
    [
        (True, True),
        ("true", True),
        ("True", True),
        (False, False),
        (None, False),
        ("false", False),
        (1, False),
        ("", False),
    ],
)
def test_an_e_mail_address_counts_only_once_verified(provider: ScriptedProvider, verified: Any, good: bool) -> None:
    token = provider.signed(claims(provider, email="lin@example.edu.cn", email_verified=verified))
    if good:
        assert redeemed(provider, token, claim="email").name == "lin@example.edu.cn"
        return
    with pytest.raises(SignInRefused):
        redeemed(provider, token, claim="email")


class TestLogoutTokens:
    def of(self, provider: ScriptedProvider, now: datetime, **changes: Any) -> str:
        said: dict[str, Any] = {"events": {EVENT: {}}, "jti": "one", "nonce": None, "iat": now.timestamp(), "exp": None}
        return provider.signed(claims(provider, **(said | changes)))

    @pytest.mark.parametrize(
        "changes",
        [
            {"events": None},
            {"events": {}},
            {"events": [EVENT]},
            {"nonce": "x"},
            {"aud": "other"},
            {"iss": "https://other.example"},
            {"iat": NOW.timestamp() - 1000},
            {"jti": None},
            {"sid": None, "sub": None},
            {"exp": NOW.timestamp() - 100},
        ],
    )
    def test_that_do_not_hold_end_nothing(self, provider: ScriptedProvider, changes: dict[str, Any]) -> None:
        assert ours(provider).ended(self.of(provider, NOW), NOW) == ("session-1", "one")
        with pytest.raises(SignInRefused):
            ours(provider).ended(self.of(provider, NOW, **changes), NOW)

    def test_an_id_token_ends_nothing(self, provider: ScriptedProvider) -> None:
        with pytest.raises(SignInRefused):
            ours(provider).ended(provider.signed(claims(provider, jti="one")), NOW)

    def test_end_the_session_they_name_once(self, provider: ScriptedProvider, tmp_path: Path) -> None:
        auth = (
            f'[auth.oidc]\nissuer = "{provider.issuer}"\nclient_id = "clearance"\nclient_secret = "env:SECRET"\n'
            'claim = "number"\n'
        )
        with opened(tmp_path, auth, {"SECRET": "x"}) as portal, portal.browser() as browser:
            now = portal.world.now
            browser.follow_redirects = False
            asked = httpx.URL(browser.get("/sign-in/oidc").headers["location"]).params
            times = {"iat": now.timestamp(), "exp": now.timestamp() + 300}
            provider.answer = {"id_token": provider.signed(claims(provider, nonce=asked["nonce"], **times))}
            back = browser.get("/sign-in/oidc/back", params={"code": "c", "state": asked["state"]})
            assert back.headers["location"] == "/"
            assert LIN.name in browser.get("/").text

            def tell(token: str) -> int:
                return httpx.post(
                    f"{portal.address}/sign-in/oidc/ended", data={"logout_token": token}, trust_env=False
                ).status_code

            assert tell(self.of(provider, now, sid="another", jti="zero")) == 200
            assert browser.get("/").status_code == 200
            assert tell(self.of(provider, now)) == 200
            assert browser.get("/").status_code == 303
            assert tell(self.of(provider, now)) == 400
            with capture_logs() as said:
                assert tell("a.b.c") == 400
            (entry,) = [entry for entry in said if entry["event"] == "sign-out refused"]
            assert entry["provider"] == provider.issuer
            assert "signature of the logout token" in entry["message"]
            (line,) = portal.lines(AuditEvent.SIGNED_OUT)
            assert line.detail == {"method": "oidc", "by": "provider"}
