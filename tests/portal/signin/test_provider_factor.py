"""A provider's own second factor: what it says of one counts where the settings know the word, else ours is asked."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TypeAlias
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from config.tables.providers import Cas, Oidc
from portal.auth.providers import provider_factor
from status_db.accounts.accounts import Act, Grant
from status_db.accounts.audit_log import AuditEvent
from tests.cast import LIN
from tests.portal.arriving import Open, opened
from tests.portal.factors import digits_of, has_app, send
from tests.services.one_answer import answering_anew
from tests.services.openid import ScriptedProvider

PAGE = "/second-factor"


_DEFAULTS = {name: Oidc.model_fields[name].get_default() for name in ("second_factor_amr", "second_factor_acr")}


@pytest.mark.parametrize(
    ("claims", "settings", "counts"),
    [
        ({}, {}, False),
        ({"amr": ["pwd"]}, {}, False),
        ({"amr": ["pwd", "otp"]}, {}, True),
        ({"amr": ["hwk"]}, {}, True),
        ({"amr": "mfa"}, {}, True),
        ({"amr": ["pwd", "sms"]}, {}, False),
        ({"amr": ["pwd", "sms"]}, {"second_factor_amr": ["sms"]}, True),
        ({"amr": ["mfa"]}, {"second_factor_amr": []}, False),
        ({"amr": [["mfa"], {"mfa": 1}, None]}, {}, False),
        ({"amr": {"mfa": True}}, {}, False),
        ({"acr": "gold"}, {}, False),
        ({"acr": "gold"}, {"second_factor_acr": ["gold"]}, True),
        ({"acr": "1"}, {"second_factor_acr": ["2"]}, False),
        ({"acr": ["gold"]}, {"second_factor_acr": ["gold"]}, False),
    ],
)
def test_an_id_token_states_it_in_amr_or_acr(
    claims: Mapping[str, object], settings: dict[str, object], counts: bool
) -> None:
    own = Oidc.model_construct(**(_DEFAULTS | settings))
    assert provider_factor.by_oidc(claims, own) is counts


@pytest.mark.parametrize(
    ("attributes", "settings", "counts"),
    [
        ({"authnContextClass": ["mfa-gauth"]}, {}, False),
        ({"authnContextClass": ["mfa-gauth"]}, {"second_factor_values": ["mfa-gauth"]}, True),
        ({"authnContextClass": ["mfa-sms", "mfa-gauth"]}, {"second_factor_values": ["mfa-gauth"]}, True),
        ({"authnContextClass": ["mfa-sms"]}, {"second_factor_values": ["mfa-gauth"]}, False),
        ({"authnContextClass": [""]}, {"second_factor_values": ["mfa-gauth"]}, False),
        ({"amr": ["mfa"]}, {"second_factor_attribute": "amr", "second_factor_values": ["mfa"]}, True),
        ({}, {"second_factor_values": ["mfa"]}, False),
    ],
)
def test_a_cas_server_states_it_in_the_attribute_of_the_settings(
    attributes: Mapping[str, list[str]], settings: dict[str, object], counts: bool
) -> None:
    assert (
        provider_factor.by_cas(attributes, Cas.model_validate({"url": "https://cas.example.edu"} | settings)) is counts
    )


#: Say who comes, and whether the provider has asked for a second factor; come in; return the answer and the browser.
Comes = Callable[[str, bool], tuple[httpx.Response, httpx.Client]]

ASKED = '\n[auth]\nsecond_factor = "privileged"\n'


@contextmanager
def by_cas(folder: Path) -> Iterator[tuple[Open, Comes]]:
    with answering_anew("text/xml") as answer:
        settings = f'{ASKED}[auth.cas]\nurl = "{answer.address}"\nsecond_factor_values = ["mfa-gauth"]\n'
        with opened(folder, settings) as portal, portal.browser() as browser:
            tickets = iter(range(9))

            def comes(name: str, factor: bool) -> tuple[httpx.Response, httpx.Client]:
                said = "<cas:authnContextClass>mfa-gauth</cas:authnContextClass>" if factor else ""
                answer.body = (
                    '<cas:serviceResponse xmlns:cas="http://www.yale.edu/tp/cas"><cas:authenticationSuccess>'
                    f"<cas:user>{name}</cas:user><cas:attributes>{said}</cas:attributes>"
                    "</cas:authenticationSuccess></cas:serviceResponse>"
                ).encode()
                left = browser.get("/sign-in/cas", follow_redirects=False).headers["location"]
                (service,) = parse_qs(urlsplit(left).query)["service"]
                return browser.get(f"{service}&ticket=ST-{next(tickets)}"), browser

            yield portal, comes


@contextmanager
def by_oidc(folder: Path) -> Iterator[tuple[Open, Comes]]:
    with ScriptedProvider() as provider:
        settings = (
            f'{ASKED}[auth.oidc]\nissuer = "{provider.issuer}"\nclient_id = "c"\nclient_secret = "env:SECRET"\n'
            'claim = "sub"\n'
        )
        with opened(folder, settings, {"SECRET": "x"}) as portal, portal.browser() as browser:

            def comes(name: str, factor: bool) -> tuple[httpx.Response, httpx.Client]:
                left = browser.get("/sign-in/oidc", follow_redirects=False).headers["location"]
                asked, now = httpx.URL(left).params, portal.world.now.timestamp()
                token = {"iss": provider.issuer, "aud": "c", "sub": name, "iat": now, "exp": now + 60}
                token |= {"nonce": asked["nonce"], "sid": "s", "amr": ["pwd", "otp"] if factor else ["pwd"]}
                provider.answer = {"id_token": provider.signed(token)}
                back = browser.get("/sign-in/oidc/back", params={"code": "c", "state": asked["state"]})
                return back, browser

            yield portal, comes


Way: TypeAlias = Callable[[Path], AbstractContextManager[tuple[Open, Comes]]]


@pytest.mark.parametrize("way", [by_cas, by_oidc])
class TestComingByAProvider:
    def test_ours_is_asked_for_where_the_provider_states_nothing(self, tmp_path: Path, way: Way) -> None:
        with way(tmp_path) as (portal, comes):
            portal.world.accounts.add("boss", "boss", None, grants=[Grant(Act.MANAGE)], now=portal.world.now)
            page, browser = comes("boss", False)
            assert page.url.path == PAGE
            assert browser.get("/accounts").url.path == PAGE
            secret = has_app(portal.world, "boss")
            shown = send(browser, browser.get(PAGE), "app", digits=digits_of(secret, portal.world))
            assert shown.url.path == "/sources"

    def test_it_is_not_where_the_provider_has_asked_for_one(self, tmp_path: Path, way: Way) -> None:
        with way(tmp_path) as (portal, comes):
            portal.world.accounts.add("boss", "boss", None, grants=[Grant(Act.MANAGE)], now=portal.world.now)
            page, browser = comes("boss", True)
            assert page.url.path == "/sources"
            assert browser.get("/accounts").url.path == "/accounts"
            assert portal.lines(AuditEvent.SIGNED_IN)[0].detail["second_factor"] == "provider"
            assert "设置码由管理员当面发放" in browser.get(PAGE).text, "one of ours still takes a code"

    def test_students_are_asked_for_none(self, tmp_path: Path, way: Way) -> None:
        with way(tmp_path) as (_portal, comes):
            assert comes(LIN.number, False)[0].url.path == "/"


def test_what_the_provider_ends_stays_ended_after_a_factor_was_shown(tmp_path: Path) -> None:
    with by_cas(tmp_path) as (portal, comes):
        portal.world.accounts.add("boss", "boss", None, grants=[Grant(Act.MANAGE)], now=portal.world.now)
        secret = has_app(portal.world, "boss")
        page, browser = comes("boss", False)
        send(browser, page, "app", digits=digits_of(secret, portal.world))
        assert browser.get("/accounts").url.path == "/accounts"
        logout = (
            '<samlp:LogoutRequest xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol">'
            "<samlp:SessionIndex>ST-0</samlp:SessionIndex></samlp:LogoutRequest>"
        )
        with portal.browser() as server:
            assert server.post("/sign-in/cas/back", data={"logoutRequest": logout}).status_code == 204
        assert browser.get("/accounts").url.path == "/sign-in"
