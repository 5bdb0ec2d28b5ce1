"""The pages below paths of another host, behind a real nginx with our own site: links, files, cookies, returns."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from playwright.sync_api import Browser

from tests.browser.serving import running as served
from tests.cast import LIN
from tests.deploy.nginx import needs_nginx
from tests.deploy.nginx import running as nginx
from tests.patience import PATIENCE
from tests.portal.conftest import PASSWORD, settle
from tests.services.university import COMMAND, ROOT, free_port
from tests.world import World

SETTINGS = """
[portal]
proxies = ["127.0.0.1"]

[auth.cas]
url = "https://cas.example.edu.cn/cas"
"""


@pytest.fixture
def site(sqlite_world: World, tmp_path: Path) -> Iterator[str]:
    """The real program, as students' pages and desk, behind nginx; the address of the host."""
    world = settle(sqlite_world)
    public, pages, desk = free_port(), free_port(), free_port()
    address = f"http://localhost:{public}"
    with world.file.open("a", encoding="utf-8") as file:
        file.write(SETTINGS)
    environ = {
        "PATH": "/usr/bin:/bin",
        "STATUS_URL": world.url,
        "CLEARANCE__AUTH__SECOND_FACTOR": "off",
        "CLEARANCE__PORTAL__PUBLIC_URL": f"{address}/leave",
        "CLEARANCE__PORTAL__DESK_PUBLIC_URL": f"{address}/leave-office",
    }
    text = (ROOT / "deploy" / "nginx" / "clearance-prefix.conf").read_text(encoding="utf-8")
    text = text.replace("127.0.0.1:8000", f"127.0.0.1:{pages}").replace("127.0.0.1:8001", f"127.0.0.1:{desk}")
    # Redirects keep the port that only a test has.
    text = f"server {{ listen 127.0.0.1:{public}; absolute_redirect off; {text} }}"
    folder = tmp_path / "nginx"
    folder.mkdir()
    with ExitStack() as stack:
        for what, port in (("pages", pages), ("desk", desk)):
            command = [str(COMMAND), "--config", str(world.file), "serve", what, "--port", str(port)]
            stack.enter_context(served(command, environ, port))
        stack.enter_context(nginx(folder, text, public))
        yield address


@needs_nginx
def test_all_of_it_stays_below_the_path(site: str, chromium: Browser) -> None:
    context = chromium.new_context(locale="zh-CN")
    context.set_default_timeout(PATIENCE * 1000)
    page = context.new_page()
    asked: list[str] = []
    failed: list[str] = []
    page.on("request", lambda request: asked.append(urlsplit(request.url).path))
    page.on("response", lambda answer: failed.append(answer.url) if answer.status >= 400 else None)

    page.goto(f"{site}/leave")
    page.fill('input[name="account"]', LIN.number)
    page.fill('input[name="password"]', PASSWORD)
    page.press('input[name="password"]', "Enter")
    page.wait_for_url(lambda url: "/sign-in" not in url)
    assert LIN.name in page.inner_text("main")
    assert page.evaluate("getComputedStyle(document.body).fontFamily") != "", "the style is there"
    (cookie,) = [each for each in context.cookies() if each["name"] == "clearance"]
    assert cookie["path"] == "/leave"
    page.click('a[lang="en"], a[hreflang="en"]')
    assert "/leave/" in page.url
    assert {path.split("/")[1] for path in asked} == {"leave"}

    # The desk, in the same browser: it has a path, a cookie and a visitor of its own.
    page.goto(f"{site}/leave-office/sign-in")
    page.fill('input[name="account"]', "librarian")
    page.fill('input[name="password"]', PASSWORD)
    page.press('input[name="password"]', "Enter")
    page.wait_for_url(lambda url: "/sign-in" not in url)
    assert urlsplit(page.url).path.startswith("/leave-office/")
    page.goto(f"{site}/leave/")
    assert LIN.name in page.inner_text("main"), "the student is still signed in"
    assert failed == []
    context.close()


@needs_nginx
def test_what_leads_back_from_elsewhere_names_the_path(site: str) -> None:
    with httpx.Client(base_url=site, trust_env=False) as client:
        assert client.get("/leave").headers["location"] == "/leave/"
        # A provider returns there.
        sent = client.get("/leave/sign-in/cas")
        service = parse_qs(urlsplit(sent.headers["location"]).query)["service"][0]
        assert service.startswith(f"{site}/leave/sign-in/cas/back?state=")
        # A page without a sign-in leads to the sign-in below the same path, and back.
        sent = client.get("/leave-office/overview")
        assert sent.headers["location"].startswith("/leave-office/sign-in?next=%2Fleave-office%2Foverview")
        # The other entrance is the other path.
        assert f'href="{site}/leave-office"' in client.get("/leave/sign-in").text
        assert client.get("/leave-office/api/v1/openapi.json").json()["servers"] == [
            {"url": f"{site}/leave-office/api/v1"}
        ]
        assert client.get("/leave/static/portal.css").status_code == 200
        assert client.get("/leave/overview/").status_code == 404, "not a redirect out of the path"
