"""Signing in against a directory: a real slapd, behind the same form as passwords of our own."""

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from ldap3.protocol import rfc4511
from ldap3.utils.asn1 import decoder, encode

from config.tables.providers import Ldap
from config.tables.secrets import Secret
from portal.auth.passwords import hash_password
from portal.auth.providers.ldap import LdapDirectory
from portal.auth.refusals import SignInCode, SignInRefused
from status_db.accounts.audit_log import AuditEvent
from tests.cast import LIN, SUN, ZHAO
from tests.portal.arriving import Open, fields_of, opened
from tests.services.directory import BASE, SEARCHER, SEARCHERS_WORD, Served, directory

WORD = "a word of the directory"
PEOPLE = {
    LIN.number: {"userPassword": WORD, "employeeNumber": LIN.number},
    ZHAO.number: {"userPassword": WORD},
    "visitor": {"userPassword": WORD},
    "twin-a": {"userPassword": WORD, "mail": "twins@example.edu"},
    "twin-b": {"userPassword": WORD, "mail": "twins@example.edu"},
    "sun": {"userPassword": WORD, "employeeNumber": SUN.number},
    "wordless": {},
    "zhou": {"userPassword": WORD, "mail": "2015150001@stu.example.edu"},
    f"{LIN.number}x": {"userPassword": WORD},
}


@pytest.fixture(scope="module")
def slapd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A directory that anybody may search."""
    with directory(tmp_path_factory.mktemp("ldap"), PEOPLE) as served:
        yield served


def asked(served: Served, **settings: Any) -> LdapDirectory:
    """Return our side of it."""
    return LdapDirectory(Ldap.model_validate({"url": f"ldap://localhost:{served.port}", "base": BASE} | settings))


@pytest.fixture
def portal(slapd: Served, tmp_path: Path) -> Iterator[Open]:
    """The pages, with that directory beside passwords of our own."""
    with opened(tmp_path, f'[auth.ldap]\nurl = "ldap://127.0.0.1:{slapd.port}"\nbase = "{BASE}"\n') as made:
        yield made


def enter(browser: httpx.Client, account: str, password: str = WORD) -> httpx.Response:
    """Sign in through the form."""
    form = fields_of(browser.get("/sign-in"))
    return browser.post("/sign-in", data=form | {"account": account, "password": password})


class TestTheForm:
    def test_lets_in_a_student_whom_the_directory_knows(self, portal: Open) -> None:
        with portal.browser() as browser:
            page = enter(browser, f" {LIN.number} ")
            assert LIN.name in page.text
            token = fields_of(page)["form_token"]
            assert browser.post("/sign-out", data={"form_token": token}).url.path == "/sign-in"
        account = portal.world.accounts.find(LIN.number)
        assert account is not None
        assert account.password_hash is None
        (line,) = portal.lines(AuditEvent.SIGNED_IN)
        assert (line.account, line.detail) == (LIN.number, {"method": "ldap"})
        (line,) = portal.lines(AuditEvent.SIGNED_OUT)
        assert line.detail == {"method": "ldap"}

    def test_shows_whom_to_ask_to_somebody_else_only_for_the_right_password(self, portal: Open) -> None:
        with portal.browser() as browser:
            assert enter(browser, "visitor", "wrong").status_code == 401
            page = enter(browser, "visitor")
            assert page.status_code == 403
            assert "请联系本系统的管理员开通账号" in page.text
        assert portal.world.accounts.find("visitor") is None

    @pytest.mark.parametrize("account", ["nobody", "*", "2015*", f"{LIN.number})(uid=*", "uid=*", "\\2a", "wordless"])
    def test_answers_alike_to_a_wrong_name_and_a_wrong_password(self, portal: Open, account: str) -> None:
        with portal.browser() as browser:
            answers = {enter(browser, name, word).status_code for name, word in ((account, WORD), (LIN.number, "x"))}
            assert answers == {401}

    def test_asks_nobody_else_about_an_account_with_a_password_of_our_own(self, portal: Open) -> None:
        portal.world.accounts.add(
            ZHAO.number, ZHAO.name, hash_password("our own"), student=ZHAO.number, now=portal.world.now
        )
        with portal.browser() as browser:
            assert enter(browser, ZHAO.number, WORD).status_code == 401
            assert ZHAO.name in enter(browser, ZHAO.number, "our own").text
        assert [line.detail["method"] for line in portal.lines(AuditEvent.SIGNED_IN)] == ["local"]

    def test_keeps_a_shut_account_out(self, portal: Open) -> None:
        portal.world.accounts.add(LIN.number, LIN.name, None, student=LIN.number, now=portal.world.now)
        portal.world.accounts.deactivate(LIN.number)
        with portal.browser() as browser:
            assert enter(browser, LIN.number).status_code == 403
            assert "登录" in browser.get("/").text

    def test_asks_the_directory_about_everybody_where_our_own_passwords_do_not_count(
        self, slapd: Served, tmp_path: Path
    ) -> None:
        auth = f'[auth]\nlocal = false\n[auth.ldap]\nurl = "ldap://127.0.0.1:{slapd.port}"\nbase = "{BASE}"\n'
        with opened(tmp_path, auth) as portal, portal.browser() as browser:
            hashed = hash_password("our own")
            portal.world.accounts.add(ZHAO.number, ZHAO.name, hashed, student=ZHAO.number, now=portal.world.now)
            assert enter(browser, ZHAO.number, "our own").status_code == 401
            assert ZHAO.name in enter(browser, ZHAO.number).text

    def test_states_kindly_that_the_directory_is_down(self, tmp_path: Path) -> None:
        auth = f'[auth.ldap]\nurl = "ldap://127.0.0.1:9"\nbase = "{BASE}"\n'
        with opened(tmp_path, auth) as portal, portal.browser() as browser:
            assert enter(browser, LIN.number).status_code == 503
            portal.world.accounts.add("dean", "院长", hash_password("our own"), now=portal.world.now)
            assert "院长" in enter(browser, "dean", "our own").text


class TestTheDirectory:
    def test_is_not_even_asked_with_an_empty_password(self, slapd: Served) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            nobody = asked(replace(slapd, port=listener.getsockname()[1]))
            assert nobody.name_of(LIN.number, "") is None
            assert nobody.name_of("", WORD) is None
            listener.settimeout(0.1)
            with pytest.raises(TimeoutError):
                listener.accept()

    def test_shows_the_name_by_an_attribute(self, slapd: Served) -> None:
        assert asked(slapd, attribute="employeeNumber").name_of("sun", WORD) == SUN.number
        with pytest.raises(SignInRefused) as refused:
            asked(slapd, attribute="employeeNumber").name_of("visitor", WORD)
        assert refused.value.code is SignInCode.UNAVAILABLE

    def test_takes_off_the_domain_of_the_settings_and_no_other(self, slapd: Served) -> None:
        by_mail = {"search": "(uid={account})", "attribute": "mail"}
        assert asked(slapd, **by_mail, strip_domain="Stu.example.edu").name_of("zhou", WORD) == "2015150001"
        with pytest.raises(
            SignInRefused, match=r'"twins@example.edu".*strip_domain = "stu.example.edu" in \[auth.ldap\]'
        ):
            asked(slapd, **by_mail, strip_domain="stu.example.edu").name_of("twin-a", WORD)
        assert asked(slapd, **by_mail).name_of("zhou", WORD) == "2015150001@stu.example.edu"

    def test_that_fails_is_shown_with_its_address_the_cause_and_what_helps(self, slapd: Served) -> None:
        own = {"bind_dn": SEARCHER, "bind_password": Secret.given("a wrong word")}
        for settings, told in (
            (own, f"Compare bind_dn ({SEARCHER}) and bind_password"),
            ({"base": "dc=elsewhere"}, "Compare base in [auth.ldap], dc=elsewhere"),
            ({"url": "ldap://127.0.0.1:9"}, "Check that it is running"),
            ({"url": f"ldaps://127.0.0.1:{slapd.tls_port}", "ca_file": slapd.ca_file}, "ca_file"),
            ({"attribute": "employeeNumber"}, f'returned 0 values of "employeeNumber" for uid={LIN.number}x'),
        ):
            with pytest.raises(SignInRefused) as refused:
                asked(slapd, **settings).name_of(f"{LIN.number}x", WORD)
            assert told in str(refused.value)
            assert f"the directory {settings.get('url', f'ldap://localhost:{slapd.port}')} " in str(refused.value)
            assert not [word for word in (WORD, "a wrong word") if word in str(refused.value)]

    def test_lets_nobody_in_whom_two_entries_fit(self, slapd: Served) -> None:
        with pytest.raises(SignInRefused, match="several"):
            asked(slapd, search="(mail={account})").name_of("twins@example.edu", WORD)

    def test_may_be_searched_by_somebody_of_its_own(self, tmp_path: Path) -> None:
        with directory(tmp_path, PEOPLE, anonymous=False) as served:
            with pytest.raises(SignInRefused, match="insufficientAccessRights"):
                asked(served).name_of(LIN.number, WORD)
            own = {"bind_dn": SEARCHER, "bind_password": Secret.given(SEARCHERS_WORD)}
            assert asked(served, **own).name_of(LIN.number, WORD) == LIN.number
            assert asked(served, **own).name_of(LIN.number, "wrong") is None
            with pytest.raises(SignInRefused, match="invalidCredentials"):
                asked(served, **own | {"bind_password": Secret.given("wrong")}).name_of(LIN.number, WORD)

    def test_that_accepts_and_states_nothing_is_not_waited_for(self, slapd: Served) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            silent = asked(replace(slapd, port=listener.getsockname()[1]), timeout="1 s")
            with pytest.raises(SignInRefused) as refused:
                silent.name_of(LIN.number, WORD)
        assert refused.value.code is SignInCode.UNAVAILABLE


#: What Active Directory says of a password that opens nothing.
AD = "80090308: LdapErr: DSID-0C09044E, comment: AcceptSecurityContext error, data {}, v2580\0"


@contextmanager
def active_directory(said: str) -> Iterator[int]:
    """Serve a directory that finds one person and answers their password so; give its port."""

    def answered(asked: Any) -> Iterator[tuple[str, Any]]:
        kind = asked["protocolOp"].getName()
        if kind == "bindRequest":
            mine = bool(str(asked["protocolOp"]["bindRequest"]["name"]))
            response = rfc4511.BindResponse()
            response["resultCode"], response["matchedDN"] = 49 if mine else 0, ""
            response["diagnosticMessage"] = said if mine else ""
            yield "bindResponse", response
        elif kind == "searchRequest":
            found, done = rfc4511.SearchResultEntry(), rfc4511.SearchResultDone()
            found["object"] = "cn=lin,dc=example"
            found["attributes"][0]["type"] = "uid"
            found["attributes"][0]["vals"][0] = LIN.number
            yield "searchResEntry", found
            done["resultCode"], done["matchedDN"], done["diagnosticMessage"] = 0, "", ""
            yield "searchResDone", done

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            while piece := self.request.recv(4096):
                asked, _ = decoder.decode(piece, asn1Spec=rfc4511.LDAPMessage())
                for name, operation in answered(asked):
                    message = rfc4511.LDAPMessage()
                    message["messageID"] = asked["messageID"]
                    message["protocolOp"] = rfc4511.ProtocolOp().setComponentByName(name, operation)
                    self.request.sendall(encode(message))

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (AD.format("52e"), None),
        (AD.format("775"), None),
        ("", None),
        (AD.format("532"), "the password has expired"),
        (AD.format("773"), "the person must set a new password there first"),
        (AD.format("533"), "the account is disabled"),
    ],
)
def test_a_right_password_that_opens_nothing_is_shown_by_active_directorys_own_reason(
    said: str, reason: str | None
) -> None:
    with active_directory(said) as port:
        server = LdapDirectory(Ldap(url=f"ldap://127.0.0.1:{port}", base="dc=example"))
        if reason is None:
            assert server.name_of(LIN.number, WORD) is None
            return
        with pytest.raises(SignInRefused, match=f"refused cn=lin,dc=example: {reason}") as refused:
            server.name_of(LIN.number, WORD)
    assert (refused.value.code, refused.value.name) == (SignInCode.REFUSED, LIN.number)


class TestEncryption:
    def test_with_ldaps(self, slapd: Served) -> None:
        safe = {"url": f"ldaps://localhost:{slapd.tls_port}", "ca_file": slapd.ca_file}
        assert asked(slapd, **safe).name_of(LIN.number, WORD) == LIN.number

    def test_with_start_tls(self, slapd: Served) -> None:
        assert asked(slapd, start_tls=True, ca_file=slapd.ca_file).name_of(LIN.number, WORD) == LIN.number

    def test_by_somebody_unknown_is_refused(self, slapd: Served) -> None:
        for settings in ({"url": f"ldaps://localhost:{slapd.tls_port}"}, {"start_tls": True}):
            with pytest.raises(SignInRefused):
                asked(slapd, **settings).name_of(LIN.number, WORD)

    def test_by_another_host_is_refused(self, slapd: Served) -> None:
        for settings in (
            {"url": f"ldaps://127.0.0.1:{slapd.tls_port}"},
            {"url": f"ldap://127.0.0.1:{slapd.port}", "start_tls": True},
        ):
            with pytest.raises(SignInRefused):
                asked(slapd, **settings, ca_file=slapd.ca_file).name_of(LIN.number, WORD)

    def test_that_does_not_begin_sends_no_password(self, slapd: Served) -> None:
        """A server, or somebody in between, that says no to StartTLS."""
        heard = bytearray()
        no = bytes.fromhex("300c02010178070a0102040004 00".replace(" ", ""))
        with socket.create_server(("127.0.0.1", 0)) as listener:

            def answer() -> None:
                connection, _ = listener.accept()
                with connection:
                    heard.extend(connection.recv(4096))
                    connection.sendall(no)
                    while piece := connection.recv(4096):
                        heard.extend(piece)

            thread = threading.Thread(target=answer)
            thread.start()
            settings = {"bind_dn": SEARCHER, "bind_password": Secret.given(SEARCHERS_WORD), "start_tls": True}
            with pytest.raises(SignInRefused):
                asked(replace(slapd, port=listener.getsockname()[1]), timeout="2 s", **settings).name_of("x", WORD)
            thread.join(10)
        assert b"1.3.6.1.4.1.1466.20037" in heard
        assert SEARCHERS_WORD.encode() not in heard
