"""Whom a provider has vouched for, and who that is here: names, tickets, and several arrivals at once."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from status_db.accounts import Act, Grant
from status_db.audit import Deed
from tests.cast import LIN, ZHOU
from tests.portal.arriving import Open, opened
from tests.services.one_answer import answering


def vouching(name: str) -> bytes:
    """Return the answer of a CAS server that says the same of every ticket."""
    return (
        '<cas:serviceResponse xmlns:cas="http://www.yale.edu/tp/cas"><cas:authenticationSuccess>'
        f"<cas:user>{name}</cas:user></cas:authenticationSuccess></cas:serviceResponse>"
    ).encode()


def arrive(portal: Open, ticket: str = "ST-1") -> httpx.Response:
    """Leave with a fresh browser, and come back with a ticket."""
    with portal.browser() as browser:
        browser.follow_redirects = False
        (service,) = parse_qs(urlsplit(browser.get("/sign-in/cas").headers["location"]).query)["service"]
        return browser.get(f"{service}&ticket={ticket}")


def test_a_ticket_opens_once_even_where_the_server_would_say_yes_again(tmp_path: Path) -> None:
    with answering(vouching(LIN.number)) as url, opened(tmp_path, f'[auth.cas]\nurl = "{url}"\n') as portal:
        assert arrive(portal).status_code == 303
        assert arrive(portal).status_code == 403
        assert arrive(portal, "ST-2").status_code == 303


@pytest.mark.parametrize(
    ("name", "enters"),
    [
        ("dean", True),
        ("DEAN", True),
        (" dean\n", True),
        ("ｄean", False),
        ("dean\u200b", False),
        ("de\u0430n", False),
        ("dean/x", False),
        ("d" * 101, False),
        ("ſtudent", False),
    ],
)
def test_a_name_is_somebodys_only_as_it_is_written(tmp_path: Path, name: str, enters: bool) -> None:
    with answering(vouching(name)) as url, opened(tmp_path, f'[auth.cas]\nurl = "{url}"\n') as portal:
        for account in ("dean", "student"):
            portal.world.accounts.add(account, account, None, grants=[Grant(Act.READ)], now=portal.world.now)
        assert arrive(portal).status_code == (303 if enters else 403)
        assert len(portal.world.accounts.listed()) == 2


def test_several_windows_of_one_student_make_one_account(tmp_path: Path) -> None:
    with answering(vouching(LIN.number)) as url, opened(tmp_path, f'[auth.cas]\nurl = "{url}"\n') as portal:
        with ThreadPoolExecutor(4) as threads:
            answers = list(threads.map(lambda n: arrive(portal, f"ST-{n}").status_code, range(4)))
        assert answers == [303] * 4
        assert [account.account for account in portal.world.accounts.listed()] == [LIN.number]
        assert len(portal.lines(Deed.SIGNED_IN)) == 4


def test_a_student_who_stays_may_come_in_to_read_why(tmp_path: Path) -> None:
    with answering(vouching(ZHOU.number)) as url, opened(tmp_path, f'[auth.cas]\nurl = "{url}"\n') as portal:
        assert arrive(portal).status_code == 303


@pytest.mark.parametrize("path", ["/sign-in/cas", "/sign-in/oidc", "/sign-out/cas", "/sign-out/oidc"])
def test_a_way_that_the_settings_do_not_name_is_not_there(tmp_path: Path, path: str) -> None:
    with opened(tmp_path, "") as portal, portal.browser() as browser:
        assert browser.get(path).status_code == 404
        assert browser.post("/sign-in/cas/back", data={"logoutRequest": "x"}).status_code == 404
        assert browser.post("/sign-in/oidc/ended", data={"logout_token": "x"}).status_code == 404
