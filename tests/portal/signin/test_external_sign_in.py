"""Whom a provider has vouched for, and who that is here: names, tickets, and several arrivals at once."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from structlog.testing import capture_logs

from config.log_names import StudentNo
from status_db.accounts.accounts import Act, Grant
from status_db.accounts.audit_log import AuditEvent
from tests.cast import LIN, ZHOU
from tests.portal.arriving import Open, opened
from tests.services.one_answer import answering
from tests.services.openid import ScriptedProvider


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
        assert len(portal.lines(AuditEvent.SIGNED_IN)) == 4


def test_a_student_who_stays_may_come_in_to_read_why(tmp_path: Path) -> None:
    with answering(vouching(ZHOU.number)) as url, opened(tmp_path, f'[auth.cas]\nurl = "{url}"\n') as portal:
        assert arrive(portal).status_code == 303


def test_a_name_with_a_domain_comes_in_where_the_settings_take_it_off_and_else_reads_how(tmp_path: Path) -> None:
    with answering(vouching(f"{LIN.number}@Stu.example.edu")) as url:
        settings = f'[auth.cas]\nurl = "{url}"\n'
        with opened(tmp_path / "without", settings) as portal, capture_logs() as said:
            assert arrive(portal).status_code == 403
            assert portal.world.accounts.listed() == ()
            (line,) = portal.lines(AuditEvent.SIGN_IN_REFUSED)
            assert line.detail["reason"] == "unknown"
        (told,) = [str(entry["message"]) for entry in said if entry["event"] == "sign-in refused"]
        assert f'"{LIN.number}@Stu.example.edu" is neither an account nor a student number' in told
        assert f'"{LIN.number}" is known here.' in told
        assert 'set strip_domain = "Stu.example.edu" in [auth.cas]' in told
        with opened(tmp_path / "with", f'{settings}strip_domain = "stu.example.edu"\n') as portal:
            assert arrive(portal).status_code == 303
            assert [account.account for account in portal.world.accounts.listed()] == [LIN.number]
        with opened(tmp_path / "other", f'{settings}strip_domain = "example.edu"\n') as portal:
            with capture_logs() as said:
                page = arrive(portal)
            assert page.status_code == 403
            assert f"已确认“{LIN.number}@Stu.example.edu”" in page.text
            assert portal.world.accounts.listed() == ()
        (entry,) = [entry for entry in said if entry["event"] == "sign-in refused"]
        assert 'strip_domain = "example.edu" in [auth.cas]' in entry["message"]
        named = StudentNo(f"{LIN.number}@Stu.example.edu")
        assert (entry["provider"], str(entry["name"])) == (url, str(named))


def test_a_number_that_came_without_its_noughts_is_nobodys_where_it_could_be_another_ones(tmp_path: Path) -> None:
    with ScriptedProvider() as provider:
        auth = (
            f'[auth.oidc]\nissuer = "{provider.issuer}"\nclient_id = "c"\nclient_secret = "env:SECRET"\nclaim = "n"\n'
        )
        with opened(tmp_path, auth, {"SECRET": "x"}) as portal:

            def comes_in(number: int | str) -> int:
                with portal.browser() as browser:
                    browser.follow_redirects = False
                    asked = httpx.URL(browser.get("/sign-in/oidc").headers["location"]).params
                    now = portal.world.now.timestamp()
                    token = {"iss": provider.issuer, "aud": "c", "sub": "s", "iat": now, "exp": now + 60, "n": number}
                    provider.answer = {"id_token": provider.signed(token | {"nonce": asked["nonce"]})}
                    return browser.get("/sign-in/oidc/back", params={"code": "c", "state": asked["state"]}).status_code

            assert comes_in(int(LIN.number)) == 303
            portal.world.accounts.add(f"00{LIN.number}", "another", None, now=portal.world.now)
            with capture_logs() as said:
                assert comes_in(int(LIN.number)) == 403
            assert [entry for entry in said if f"00{LIN.number} is a person here" in str(entry.get("message"))]
            assert comes_in(LIN.number) == 303


@pytest.mark.parametrize("path", ["/sign-in/cas", "/sign-in/oidc", "/sign-out/cas", "/sign-out/oidc"])
def test_a_way_that_the_settings_do_not_name_is_not_there(tmp_path: Path, path: str) -> None:
    with opened(tmp_path, "") as portal, portal.browser() as browser:
        assert browser.get(path).status_code == 404
        assert browser.post("/sign-in/cas/back", data={"logoutRequest": "x"}).status_code == 404
        assert browser.post("/sign-in/oidc/ended", data={"logout_token": "x"}).status_code == 404
