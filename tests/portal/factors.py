"""Second factors in tests: a portal that asks for them, codes to set one up, and the forms of the page."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import httpx
import pyotp
from starlette.applications import Starlette
from starlette.testclient import TestClient

from clearance.web import application
from config.tables.portal import Auth
from portal.auth import totp
from status_db.sign_in.one_time_codes import CodeKind, Codes
from status_db.sign_in.recovery_codes import RecoveryCodes
from status_db.sign_in.second_factor import SecondFactors
from tests.portal.conftest import enter, token_in
from tests.portal.html_page import Page
from tests.world import World

Worker = Callable[..., TestClient]

ORIGIN = "https://leave.example.edu.cn"


@contextmanager
def workers(world: World) -> Iterator[Worker]:
    """Open browsers on workers of their own, with these settings of [auth]; passkeys are asked for as of ORIGIN."""
    apps: list[Starlette] = []

    def browser(public_url: str = "", **auth: Any) -> TestClient:
        portal = world.settings.portal.model_copy(update={"public_url": public_url})
        settings = world.settings.model_copy(update={"auth": Auth(**auth), "portal": portal})
        apps.append(application(settings, clock=world.clock))
        return TestClient(apps[-1], base_url=public_url or "http://testserver", follow_redirects=True)

    yield browser
    for app in apps:
        app.state.services.close()


def one_administrator_suffices(world: World) -> World:
    """Have nothing wait for a second administrator, as in a small place."""
    auth = world.settings.auth.model_copy(update={"second_administrator": False})
    world.settings = world.settings.model_copy(update={"auth": auth})
    return world


def set_up_code(world: World, account: str) -> str:
    """Return a fresh code to set up the first second factor."""
    codes = Codes(world.desk, world.desk_key)
    return codes.make(account, made_by="boss", now=world.now, lasts=timedelta(days=1), kind=CodeKind.FACTOR)


def has_app(world: World, account: str) -> str:
    """Give an account the app, set up a minute ago; return its secret."""
    secret = totp.new_secret()
    sealed = totp.seal(world.desk_key, account, secret, world.now)
    assert SecondFactors(world.desk).enrol(account, sealed, 0)
    return secret


def has_recovery_codes(world: World, account: str) -> tuple[str, ...]:
    """Give an account recovery codes."""
    return RecoveryCodes(world.desk, world.desk_key).make(account, world.now)


def digits_of(secret: str, world: World, **off: float) -> str:
    """Return the digits an app shows now, or with its clock so far off."""
    return pyotp.TOTP(secret).at(world.now + timedelta(**off))


def send(browser: httpx.Client, page: httpx.Response, do: str, **fields: str) -> httpx.Response:
    """Send one form of the page for second factors."""
    answer: httpx.Response = browser.post("/second-factor", data={"form_token": token_in(page), "do": do, **fields})
    return answer


def secret_in(page: httpx.Response) -> str:
    """Return the secret that a page shows to set up; empty where it shows none."""
    shown = Page(page).all("code", class_="secret")
    return shown[0].text.replace(" ", "") if shown else ""


def sealed_in(page: httpx.Response) -> str:
    """Return the same as the form carries it."""
    return Page(page).fields["sealed"][0]


def options_in(page: httpx.Response) -> dict[str, Any]:
    """Return what the browser is asked for, as the page's script reads it."""
    (asked,) = {part["data-passkey"] for part in Page(page).all() if part["data-passkey"]}
    options: dict[str, Any] = json.loads(asked)
    return options


def recovery_in(page: httpx.Response) -> list[str]:
    """Return the recovery codes that a page shows."""
    return [code.text for item in Page(page).all("li") for code in item.all("code")]


def allowed(browser: TestClient, world: World, account: str) -> httpx.Response:
    """Sign in and give the code for the first second factor; return the page that sets it up."""
    page = enter(browser, account)
    return send(browser, page, "code", code=set_up_code(world, account))
