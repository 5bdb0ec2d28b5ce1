"""Every address of our own is made by one function: with a prefix set there, every page keeps to it."""

import ast
import re
from collections.abc import Iterator
from html import unescape
from http.cookies import SimpleCookie
from itertools import product
from pathlib import Path

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response

from config.tables.portal import Portal
from portal.access.requires import safe_next
from portal.auth.sessions import Cookie
from portal.auth.sso_state import SignInState
from portal.student import recheck
from portal.web import links
from tests.portal.conftest import settle
from tests.portal.test_matrix import LINES, Door, Line, Visits, address, everything_there_is, objects_of
from tests.world import World

PREFIX = "/graduation"

_ADDRESS = re.compile(r"""\s(?:href|action|src|formaction)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>"']+))""")

#: What leads away from the portal, or nowhere.
_ELSEWHERE = ("#", "tel:", "https://", "http://")
_OWN_HOST = "http://testserver"

#: Pages that nobody of the matrix is shown: for each it takes a state of its own. Their templates are read below.
_NOT_SHOWN = {
    "/slip",
    "/recheck",
    "/second-factor",
    "/desk/list",
    "/desk/list/{upload:id}",
    "/runs/{run:id}/revert-preview",
}


@pytest.fixture
def prefix(monkeypatch: pytest.MonkeyPatch) -> str:
    """Give the portal a prefix. The proxy before it takes the prefix off, so requests come without."""
    monkeypatch.setattr(links, "PREFIX", PREFIX)
    return PREFIX


@pytest.fixture
def visits(prefix: str, sqlite_world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Visits]:
    """Somebody to visit as. Nobody serves what is asked for, so nobody waits for it."""
    monkeypatch.setattr(recheck, "PATIENCE", 0.0)
    made = Visits(settle(sqlite_world, everything_there_is))
    yield made
    made.close()


def addresses_of(answer: httpx.Response) -> Iterator[str]:
    """Give every address of ours that an answer sends a browser to."""
    found = [answer.headers["location"]] if "location" in answer.headers else []
    if "refresh" in answer.headers:
        found.append(answer.headers["refresh"].partition("url=")[2])
    if is_page(answer):
        found += [unescape("".join(groups)) for groups in _ADDRESS.findall(answer.text)]
    for one in found:
        own = one.removeprefix(_OWN_HOST)
        if own != one or not one.startswith(_ELSEWHERE):
            yield own


def cookie_paths_of(answer: httpx.Response) -> list[str]:
    """Return the path of every cookie that an answer sets."""
    lines = answer.headers.get_list("set-cookie")
    return [morsel["path"] for line in lines for morsel in SimpleCookie(line).values()]


def is_page(answer: httpx.Response) -> bool:
    """Say whether an answer is HTML."""
    return bool(answer.headers.get("content-type", "").startswith("text/html"))


def answers_of(visits: Visits, line: Line) -> Iterator[httpx.Response]:
    """Ask for a route as everybody who may, and as somebody who may not; about each thing that there is, and is not."""
    for who, thing in product((None, "nobody", *sorted(line.may)), objects_of(line)):
        yield visits.ask(visits.browser(who, line.door), line, address(line, thing))


def test_every_address_and_every_cookie_has_the_prefix(visits: Visits, prefix: str) -> None:
    lines, shown = [line for line in LINES if line.door is not Door.TOKEN], set()
    # Forms come last: they shut accounts, and end sessions.
    for line in sorted(lines, key=lambda line: line.method):
        for answer in answers_of(visits, line):
            for own in addresses_of(answer):
                assert re.match(rf"{prefix}[/?]", own), f"{line}: {own!r}"
            for path in cookie_paths_of(answer):
                assert re.match(rf"{prefix}(/|$)", path), f"{line}: a cookie for {path!r}"
            if answer.status_code == 200 and is_page(answer):
                shown.add(line.path)
    pages = {line.path for line in lines if line.method == "GET" and line.door is Door.SESSION and "." not in line.path}
    assert pages - shown == _NOT_SHOWN


def test_the_cookies_of_a_journey_and_of_a_device_have_it_too(visits: Visits, prefix: str) -> None:
    services, answer = visits.app.state.services, Response()
    services.sign_in_states.begin(answer, "oidc", SignInState("/"), visits.world.now)
    services.sign_in_states.end(answer, "oidc")
    services.devices.remember(Request({"type": "http", "headers": []}), answer, "dean")
    services.cookie.drop(answer)
    assert cookie_paths_of(httpx.Response(200, headers=answer.raw_headers)) == [prefix] * 4


def test_a_page_to_go_on_to_after_signing_in_is_below_it(prefix: str) -> None:
    assert safe_next(f"{prefix}/overview") == f"{prefix}/overview"
    for elsewhere in ("/overview", "//example.org", f"{prefix}/sign-out", f"{prefix}x/", "https://example.org"):
        assert safe_next(elsewhere) == f"{prefix}/"


def test_a_name_binds_a_cookie_to_the_host_only_without_a_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    """Browsers drop a cookie whose name begins with __Host- and whose path is not /."""
    secure = Portal(public_url="https://clearance.example.edu.cn", proxies=["127.0.0.1"])
    assert Cookie.of(secure).name == "__Host-clearance"
    monkeypatch.setattr(links, "PREFIX", PREFIX)
    assert Cookie.of(secure).name == "__Secure-clearance"


def test_the_prefix_is_the_path_of_the_public_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(links, "PREFIX", "")
    for public, path in (("", ""), ("https://x.edu", ""), ("https://x.edu/", ""), ("https://x.edu/a/b/", "/a/b")):
        links.set_prefix(public)
        assert links.link("/overview") == f"{path}/overview"


def test_an_address_for_others_has_the_path_of_its_own_process(prefix: str) -> None:
    """The desk prints the students' address, which can be below another path."""
    assert links.public_link("https://x.edu/leave/", "/verify/abc") == "https://x.edu/leave/verify/abc"
    assert links.public_link("https://x.edu", "/verify/abc", cohort="2019") == "https://x.edu/verify/abc?cohort=2019"


def test_no_template_writes_an_address_itself() -> None:
    for file in sorted(Path("portal/templates").rglob("*.html")):
        for groups in _ADDRESS.findall(file.read_text(encoding="utf-8")):
            written = "".join(groups)
            assert written.startswith(("{{", "#", "tel:")), f"{file}: {written!r}: write {{{{ link('/…') }}}}"


#: Whatever takes a path makes a link of it, or compares it with a request's.
_TAKES_A_PATH = {
    "link", "public_link", "cookie_path", "redirect", "at_cohort", "naming", "address", "class_address",
    "by_college", "by_building", "Route", "Mount", "Room", "startswith",
}  # fmt: skip

#: Paths that are written elsewhere: constants that one of those is given, and what a request's path is compared with.
_ELSEWHERE_WRITTEN = {
    ("portal/access/requires.py", "/new-password"),
    ("portal/access/requires.py", "/second-factor"),
    ("portal/admin/accounts.py", "/accounts/"),
    ("portal/admin/own_account.py", "/own/addresses"),
    ("portal/app.py", "/first-password"),
    ("portal/app.py", "/first-password/identity"),
    ("portal/app.py", "/sign-in"),
    ("portal/desk/step_record.py", "/desk/students/"),
    ("portal/page/cohorts.py", "/runs"),
    ("portal/page/cohorts.py", "/slip"),
    ("portal/page/cohorts.py", "/students"),
    ("portal/signin/by_oidc.py", "/sign-in/oidc/back"),
    ("portal/signin/by_oidc.py", "/sign-out"),
    ("portal/web/own_script.py", "/lists/reminder"),
    ("portal/web/own_script.py", "/second-factor"),
}


def paths_in(source: str) -> Iterator[str]:
    """Give each path that a module writes without handing it to something that makes a link of it."""
    tree, linked = ast.parse(source), set[ast.AST]()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in _TAKES_A_PATH:
                linked |= {inner for argument in node.args for inner in ast.walk(argument)}
        elif isinstance(node, ast.JoinedStr):
            # What follows an expression is the end of a path.
            linked |= set(node.values[1:])
    for node in ast.walk(tree):
        text = node.value if isinstance(node, ast.Constant) and node not in linked else None
        if isinstance(text, str) and re.match(r"/[a-z]", text):
            yield text


def test_no_module_writes_an_address_itself() -> None:
    """Those of the API go to no browser; the others are tables of routes, and what uses them makes links of them."""
    tables = (
        "portal/api",
        "portal/web/former_addresses.py",
        "portal/page/navigation.py",
        "portal/page/look.py",
        "portal/by_host.py",
    )
    modules = [file for file in Path("portal").rglob("*.py") if not any(map(file.is_relative_to, tables))]
    written = {(file.as_posix(), path) for file in modules for path in paths_in(file.read_text(encoding="utf-8"))}
    assert written == _ELSEWHERE_WRITTEN, "make a link of it: portal/web/links.py"


def test_a_path_that_is_no_link_is_found() -> None:
    assert list(paths_in('def way(run):\n    return f"/runs/{run}/revert-preview"')) == ["/runs/"]
    assert list(paths_in('link(f"/runs/{run}/revert-preview" if run else "/runs")')) == []
