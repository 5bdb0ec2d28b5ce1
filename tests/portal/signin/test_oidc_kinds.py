"""What OpenID providers differ in: each is read where it is safe, and what is not read is refused with the fix."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from joserfc.jwk import KeySet, RSAKey

from portal.auth.refusals import SignInRefused
from tests.cast import LIN
from tests.portal.signin.test_oidc_tokens import BACK, JOURNEY, NOW, claims, ours, part, redeemed
from tests.services.openid import ScriptedProvider


@pytest.fixture
def provider() -> Iterator[ScriptedProvider]:
    """A provider that says whatever a test has it say."""
    with ScriptedProvider() as started:
        yield started


def test_an_unverified_address_is_shown_by_what_the_provider_states_of_it(provider: ScriptedProvider) -> None:
    silent = provider.signed(claims(provider, email="lin@example.edu.cn"))
    with pytest.raises(SignInRefused, match=r"lin@example.edu.cn .*set email_without_verified = true"):
        redeemed(provider, silent, claim="email")
    assert redeemed(provider, silent, claim="email", email_without_verified=True).name == "lin@example.edu.cn"
    no = provider.signed(claims(provider, email="lin@example.edu.cn", email_verified=False))
    for trusting in (False, True):
        with pytest.raises(SignInRefused, match=r"lin@example.edu.cn has not been verified"):
            redeemed(provider, no, claim="email", email_without_verified=trusting)


@pytest.mark.parametrize(
    ("info", "enters"),
    [
        ({"email": "lin@example.edu.cn", "email_verified": True}, True),
        ({"email": "other@example.edu.cn", "email_verified": True}, False),
        ({"email": "lin@example.edu.cn", "email_verified": False}, False),
        ({"email": "lin@example.edu.cn"}, False),
    ],
)
def test_only_the_user_info_may_say_that_this_very_address_was_verified(
    provider: ScriptedProvider, info: dict[str, Any], enters: bool
) -> None:
    provider.discovery = {"userinfo_endpoint": f"{provider.issuer}/userinfo"}
    provider.user_info = {"sub": "s-1", **info}
    token = provider.signed(claims(provider, email="lin@example.edu.cn"))
    if enters:
        assert redeemed(provider, token, claim="email").name == "lin@example.edu.cn"
        return
    with pytest.raises(SignInRefused, match="email_verified"):
        redeemed(provider, token, claim="email")


@pytest.mark.parametrize(
    ("number", "name", "as_number"),
    [(20151001, "20151001", True), (["20151001"], "20151001", False), ([20151001], "20151001", True)],
)
def test_a_number_and_a_list_of_one_name_somebody(
    provider: ScriptedProvider, number: Any, name: str, as_number: bool
) -> None:
    signed = redeemed(provider, provider.signed(claims(provider, number=number)))
    assert (signed.name, signed.as_number) == (name, as_number)


def test_a_claim_within_another_is_named_with_a_dot_and_one_with_a_dot_goes_before(provider: ScriptedProvider) -> None:
    token = provider.signed(claims(provider, attributes={"number": LIN.number}))
    assert redeemed(provider, token, claim="attributes.number").name == LIN.number
    token = provider.signed(claims(provider, **{"https://example.edu/number": "7", "attributes": {"number": "8"}}))
    assert redeemed(provider, token, claim="https://example.edu/number").name == "7"
    with pytest.raises(SignInRefused, match="'value' after it with a dot"):
        redeemed(provider, provider.signed(claims(provider, number={"value": "7"})))


@pytest.mark.parametrize(
    ("number", "name"),
    [
        ("2015150001@stu.example.edu", "2015150001"),
        ("2015150001@Stu.Example.EDU", "2015150001"),
        ("2015150001", "2015150001"),
        ("2015150001@example.edu", None),
        ("2015150001@stu.example.edu@evil.example", None),
        ("2015150001_evil.example#EXT#@stu.example.edu.example", None),
    ],
)
def test_the_domain_of_the_settings_is_taken_off_and_no_other(
    provider: ScriptedProvider, number: str, name: str | None
) -> None:
    token = provider.signed(claims(provider, number=number))
    if name is not None:
        assert redeemed(provider, token, strip_domain="stu.example.edu").name == name
        return
    with pytest.raises(SignInRefused, match=r'strip_domain = "stu.example.edu" in \[auth.oidc\]') as refused:
        redeemed(provider, token, strip_domain="stu.example.edu")
    assert number in str(refused.value)


@pytest.mark.parametrize(("calls_itself", "signs_as"), [("/", "/"), ("/", ""), ("", "/")])
def test_an_issuer_is_the_same_with_and_without_a_stroke_at_its_end(
    provider: ScriptedProvider, calls_itself: str, signs_as: str
) -> None:
    provider.discovery = {"issuer": provider.issuer + calls_itself}
    token = provider.signed(claims(provider, iss=provider.issuer + signs_as))
    assert redeemed(provider, token, issuer=f"{provider.issuer}/").name == LIN.number
    assert ours(provider).is_from(provider.issuer, NOW)
    assert not ours(provider).is_from(provider.issuer + "//", NOW)


class TestUserInfoThatIsSigned:
    @pytest.fixture(autouse=True)
    def told_there_alone(self, provider: ScriptedProvider) -> None:
        provider.discovery = {"userinfo_endpoint": f"{provider.issuer}/userinfo"}

    def said(self, provider: ScriptedProvider, signed: Any) -> str:
        provider.user_info = signed.encode() if isinstance(signed, str) else signed
        return redeemed(provider, provider.signed(claims(provider, number=None))).name

    def test_names_somebody(self, provider: ScriptedProvider) -> None:
        for more in ({}, {"iss": f"{provider.issuer}/", "aud": ["clearance", "other"]}):
            info = {"sub": "s-1", "number": LIN.number, **more}
            assert self.said(provider, provider.signed(info)) == LIN.number

    @pytest.mark.parametrize(
        ("info", "told"),
        [
            ({"sub": "s-2", "number": "dean"}, "another person"),
            ({"number": "dean"}, "does not name its person"),
            ({"sub": "s-1", "number": "dean", "aud": "other"}, "another client"),
            ({"sub": "s-1", "number": "dean", "iss": "https://other.example"}, "another issuer"),
            ({"sub": "s-1"}, "sent no claim"),
        ],
    )
    def test_counts_only_for_us_and_about_them(
        self, provider: ScriptedProvider, info: dict[str, Any], told: str
    ) -> None:
        with pytest.raises(SignInRefused, match=told):
            self.said(provider, provider.signed(info))

    def test_is_held_to_its_signature(self, provider: ScriptedProvider) -> None:
        info = {"sub": "s-1", "number": "dean"}
        other = RSAKey.generate_key(2048, {"kid": "one"}, auto_kid=False)
        forged = [provider.signed(info, None, other), f"{part({'alg': 'none'})}.{part(info)}.", "eyJ.eyJ.e", "eyJ"]
        for token in forged:
            with pytest.raises(SignInRefused, match="signature of the user info"):
                self.said(provider, token)
        with pytest.raises(SignInRefused, match="encrypted"):
            self.said(provider, "eyJ.a.b.c.d")


def test_keys_of_unknown_kinds_and_tokens_that_name_no_key_lock_nobody_out(provider: ScriptedProvider) -> None:
    second = RSAKey.generate_key(2048, {"kid": "two"}, auto_kid=False)
    strange = [{"kty": "AKP", "kid": "x", "alg": "ML-DSA-44"}, {"kty": "EC", "crv": "P-999", "kid": "y"}, {"kty": 7}, 8]
    listed = [*strange, *KeySet([second, provider.key]).as_dict(private=False)["keys"]]
    provider.key_set = {"keys": listed}
    assert redeemed(provider, provider.signed(claims(provider))).name == LIN.number
    assert redeemed(provider, provider.signed(claims(provider), {"alg": "RS256"})).name == LIN.number
    with pytest.raises(SignInRefused, match="signature"):
        redeemed(provider, provider.signed(claims(provider), {"alg": "RS256", "kid": "x"}))
    unmatched_key = RSAKey.generate_key(2048, {"kid": "one"}, auto_kid=False)
    with pytest.raises(SignInRefused, match="signature"):
        redeemed(provider, provider.signed(claims(provider), {"alg": "RS256"}, unmatched_key))
    none: tuple[dict[str, Any], ...] = ({"keys": strange}, {"keys": []}, {"keys": 7}, {})
    for nothing in none:
        provider.key_set = nothing
        with pytest.raises(SignInRefused, match="no readable key"):
            redeemed(provider, provider.signed(claims(provider)))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"exp": (NOW - timedelta(minutes=2)).timestamp()}, "its exp is 120 s behind this machine's clock"),
        ({"iat": (NOW + timedelta(minutes=5)).timestamp()}, "its iat is 300 s ahead of this machine's clock"),
        ({"aud": "other"}, 'its audience is "other", but client_id in [auth.oidc] is "clearance"'),
        ({"iss": "http://id.inner"}, 'its issuer is "http://id.inner"'),
        ({"iat": None}, "iat is missing"),
        ({"azp": "other"}, 'azp "other"'),
        ({"number": None}, 'no claim "number" (it sent: aud, exp, iat, iss, nonce, sid, sub) about s-1'),
    ],
)
def test_a_token_that_does_not_hold_is_shown_by_what_is_wrong_with_it(
    provider: ScriptedProvider, changes: dict[str, Any], told: str
) -> None:
    with pytest.raises(SignInRefused) as refused:
        redeemed(provider, provider.signed(claims(provider, **changes)))
    assert told in str(refused.value)
    assert str(refused.value).endswith(".")
    assert JOURNEY.nonce not in str(refused.value)


def test_a_kind_of_signature_that_may_be_allowed_is_shown_with_its_key(provider: ScriptedProvider) -> None:
    token = provider.signed(claims(provider), {"alg": "RS512", "kid": "one"})
    with pytest.raises(SignInRefused, match=r'Add "RS512" there'):
        redeemed(provider, token)
    assert redeemed(provider, token, algorithms=["RS512"]).name == LIN.number


def test_clocks_may_differ_as_far_as_the_settings_say(provider: ScriptedProvider) -> None:
    token = provider.signed(claims(provider, iat=(NOW + timedelta(minutes=4)).timestamp()))
    assert redeemed(provider, token, clock_skew="5 min").name == LIN.number
    with pytest.raises(SignInRefused, match="clock_skew"):
        redeemed(provider, token)


@pytest.mark.parametrize(
    ("discovery", "told"),
    [
        ({"issuer": "https://login.example/{tenantid}/v2.0"}, "your own tenant"),
        ({"issuer": None}, "has no issuer"),
        ({"issuer": "https://id.example/other"}, "If that is your provider, set issuer to the provider's address"),
        ({"token_endpoint": "http://id.example/token"}, "X-Forwarded-Proto"),
    ],
)
def test_a_provider_that_calls_itself_otherwise_is_shown_with_the_fix(
    provider: ScriptedProvider, discovery: dict[str, Any], told: str
) -> None:
    provider.discovery = discovery
    with pytest.raises(SignInRefused) as refused:
        redeemed(provider, provider.signed(claims(provider)))
    assert told in str(refused.value)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ({"error": "invalid_client"}, "Compare client_id and client_secret"),
        ({"error": "invalid_grant"}, "valid once"),
        ({"access_token": "hidden-word"}, '"openid" is in scopes'),
        (b"<html>Sign in</html>", "a web page"),
    ],
)
def test_a_code_without_a_token_is_shown_with_the_fix(provider: ScriptedProvider, answer: Any, told: str) -> None:
    provider.answer = answer
    with pytest.raises(SignInRefused) as refused:
        ours(provider).redeem("hidden-code", BACK, JOURNEY, NOW)
    assert told in str(refused.value)
    assert f"{provider.issuer}/token" in str(refused.value)
    assert not [word for word in ("hidden", "a: b", JOURNEY.verifier) if word in str(refused.value)]
