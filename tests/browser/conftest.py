"""The cast's university served to a browser, and visitors of every kind."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from clearance.web import application
from tests.browser.browsers import DESK
from tests.patience import PATIENCE
from tests.portal.conftest import PASSWORD, settle
from tests.services.pages import served
from tests.services.university import free_port
from tests.world import World

_AXE = Axe()


@dataclass
class Visit:
    """One person's browser: a page, and everything that went wrong on it."""

    page: Page
    address: str
    troubles: list[str]

    def open(self, path: str) -> Page:
        """Go to a page of the portal."""
        self.page.goto(self.address + path)
        return self.page

    def sign_in(self, account: str) -> Page:
        """Sign in as somebody of the cast or the staff."""
        self.open("/sign-in")
        self.page.fill('input[name="account"]', account)
        self.page.fill('input[name="password"]', PASSWORD)
        self.page.press('input[name="password"]', "Enter")
        self.page.wait_for_url(lambda url: "/sign-in" not in url)
        return self.page

    def text(self) -> str:
        """Return what a person reads on the page."""
        return self.page.inner_text("main")

    def barriers(self) -> list[str]:
        """Return what keeps people out by WCAG 2.2, levels A and AA: each rule and the places that break it."""
        rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
        only = {"runOnly": {"type": "tag", "values": rules}, "resultTypes": ["violations"]}
        found = _AXE.run(self.page, options=only)
        return [
            f"{broken['id']}: {node['html']} {node.get('failureSummary', '')}"
            for broken in found.response["violations"]
            for node in broken["nodes"]
        ]

    def wider_than_the_screen(self) -> bool:
        """Return whether one has to push the page sideways to read it."""
        return bool(self.page.evaluate("document.documentElement.scrollWidth > window.innerWidth"))


Visits = Callable[..., Visit]


@pytest.fixture
def university(sqlite_world: World) -> World:
    """The cast's university, synced, everybody with an account."""
    return settle(sqlite_world)


@pytest.fixture
def visits(chromium: Browser, university: World) -> Iterator[Visits]:
    """Give browsers on the served pages; at the end, none of them may have had trouble."""
    with visiting(chromium, university) as opened:
        yield opened


@contextmanager
def visiting(chromium: Browser, university: World, host: str = "127.0.0.1") -> Iterator[Visits]:
    """The same under a host name of this machine, which is the public address where it is not the usual one."""
    opened: list[Visit] = []
    # The pages' clock stands still, whatever the test does to the world's.
    now, port, settings = university.now, free_port(), university.settings
    if host != "127.0.0.1":
        portal = settings.portal.model_copy(update={"public_url": f"http://{host}:{port}"})
        settings = settings.model_copy(update={"portal": portal})
    app = application(settings, clock=lambda: now, desk=True)
    with served(app, port):

        def visit(
            size: dict[str, int] = DESK,
            *,
            language: str = "zh",
            scripts: bool = True,
            scheme: Literal["light", "dark"] = "light",
        ) -> Visit:
            context: Any = chromium.new_context(
                viewport=size,  # type: ignore[arg-type]  # two whole numbers by name
                locale={"zh": "zh-CN", "en": "en-GB"}[language],
                java_script_enabled=scripts,
                color_scheme=scheme,
            )
            context.set_default_timeout(PATIENCE * 1000)
            page = context.new_page()
            made = Visit(page, f"http://{host}:{port}", [])
            page.on("console", lambda said: made.troubles.append(said.text) if said.type == "error" else None)
            page.on("pageerror", lambda error: made.troubles.append(str(error)))
            opened.append(made)
            return made

        yield visit
        troubles = [trouble for made in opened for trouble in made.troubles]
        for made in opened:
            made.page.context.close()
    assert troubles == []
