"""First passwords, forgotten ones and weak ones, in real requests; and how little a session does before one is set."""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from argon2 import PasswordHasher, Type, extract_parameters
from sqlalchemy import event
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.testclient import TestClient

from clearance.web import application
from config.tables.portal import Auth
from portal.access.requires import NARROWED
from portal.auth.passwords import Weakness, hash_password, verify_password, weakness
from status_db.accounts.accounts import Act, Grant
from status_db.accounts.audit_log import Audit, AuditEvent
from status_db.sign_in.identity_numbers import Identities
from status_db.sign_in.one_time_codes import Codes
from tests.cast import LIN, QIAN, SUN
from tests.hashing import SHIPPED, SHIPPED_NOBODY
from tests.portal.conftest import PASSWORD, enter, token_in
from tests.world import World

NEW = "lampe-birne-treppe"
DOCUMENT = "42010119970101123X"

Browse = Callable[..., TestClient]


@pytest.fixture
def browse(university: World) -> Iterator[Browse]:
    """Open a browser of its own, on a worker of its own, with these settings of [auth]."""
    apps: list[Starlette] = []

    def browser(**auth: Any) -> TestClient:
        settings = university.settings.model_copy(update={"auth": Auth(**auth)})
        apps.append(application(settings, clock=university.clock))
        return TestClient(apps[-1], base_url="http://testserver", follow_redirects=True)

    yield browser
    for app in apps:
        app.state.services.close()


@pytest.fixture
def codes(university: World) -> Codes:
    """What makes one-time codes."""
    return Codes(university.desk, university.desk_key)


def made(codes: Codes, world: World, account: str = LIN.number, **lasts: float) -> str:
    """Return a fresh code."""
    return codes.make(account, made_by="admin", now=world.now, lasts=timedelta(**(lasts or {"days": 14})))


def give_code(browser: TestClient, account: str, code: str) -> httpx.Response:
    """Fill in the form for a one-time code."""
    form = {"account": account, "code": code, "form_token": token_in(browser.get("/first-password"))}
    answer: httpx.Response = browser.post("/first-password", data=form)
    return answer


def give_document(browser: TestClient, account: str, number: str) -> httpx.Response:
    """Fill in the form for the number of an identity document."""
    form = {"account": account, "document": number, "form_token": token_in(browser.get("/first-password"))}
    answer: httpx.Response = browser.post("/first-password/identity", data=form)
    return answer


def set_password(browser: TestClient, new: str, again: str | None = None, **extra: str) -> httpx.Response:
    """Fill in the form for a new password."""
    form = {"password": new, "again": new if again is None else again, **extra}
    answer: httpx.Response = browser.post(
        "/new-password", data={**form, "form_token": token_in(browser.get("/new-password"))}
    )
    return answer


def plain(answer: httpx.Response, *names: str) -> str:
    """Return a page without what is different each time."""
    text = re.sub(r'name="form_token" value="[^"]*"', "", answer.text)
    for name in names:
        text = text.replace(name, "NAME")
    return text


class TestAOneTimeCode:
    def test_it_leads_to_a_password_and_the_password_to_every_page(
        self, university: World, codes: Codes, browse: Browse
    ) -> None:
        browser = browse()
        page = give_code(browser, LIN.number, made(codes, university)).text
        assert "设置新密码" in page
        assert "密码使用时间过长" not in page
        assert "《构造地质学》" in set_password(browser, NEW).text
        assert "《构造地质学》" in enter(browse(), LIN.number, NEW).text
        assert enter(browse(), LIN.number, PASSWORD).status_code == 401

    @pytest.mark.parametrize("typed", [str.lower, lambda code: code.replace("-", " "), lambda c: c.replace("0", "o")])
    def test_it_may_be_typed_as_people_type(
        self, university: World, codes: Codes, browse: Browse, typed: Callable[[str], str]
    ) -> None:
        assert "设置新密码" in give_code(browse(), f" {LIN.number} ", typed(made(codes, university))).text

    def test_it_works_once(self, university: World, codes: Codes, browse: Browse) -> None:
        code = made(codes, university)
        give_code(browse(), LIN.number, code)
        assert give_code(browse(), LIN.number, code).status_code == 401

    def test_it_ends_by_time_by_a_newer_one_and_by_a_password(
        self, university: World, codes: Codes, browse: Browse
    ) -> None:
        old, sun = made(codes, university, hours=1), made(codes, university, SUN.number)
        university.later(hours=1)
        assert give_code(browse(), LIN.number, old).status_code == 401
        first, second = made(codes, university), made(codes, university)
        assert give_code(browse(), LIN.number, first).status_code == 401
        university.accounts.set_password(SUN.number, hash_password(NEW), now=university.now)
        assert give_code(browse(), SUN.number, sun).status_code == 401
        assert give_code(browse(), LIN.number, second).status_code == 200

    def test_it_opens_no_other_account_and_no_shut_one(self, university: World, codes: Codes, browse: Browse) -> None:
        code = made(codes, university)
        assert give_code(browse(), SUN.number, code).status_code == 401
        university.accounts.deactivate(LIN.number)
        assert give_code(browse(), LIN.number, code).status_code == 401

    def test_a_wrong_one_and_an_unknown_account_are_answered_alike(self, browse: Browse) -> None:
        known, unknown = give_code(browse(), LIN.number, "X"), give_code(browse(), "20159999", "X")
        assert known.status_code == unknown.status_code == 401
        assert plain(known, LIN.number) == plain(unknown, "20159999")

    def test_a_new_password_ends_every_other_session(self, university: World, codes: Codes, browse: Browse) -> None:
        elsewhere, here = browse(), browse()
        enter(elsewhere, LIN.number)
        give_code(here, LIN.number, made(codes, university))
        set_password(here, NEW)
        assert 'name="password"' in elsewhere.get("/").text
        assert "《构造地质学》" in here.get("/").text

    def test_nobody_needs_one_where_there_are_no_passwords(self, browse: Browse) -> None:
        browser = browse(local=False)
        assert browser.get("/first-password").status_code == 404


def every_page(app: Starlette) -> list[tuple[str, str]]:
    """Return each page's method and an address of it."""
    return [
        (method, re.sub(r"\{[^}]*\}", "1", route.path))
        for route in app.routes
        if isinstance(route, Route)
        for method in sorted((route.methods or {"GET"}) - {"HEAD"})
    ]


class TestANarrowedSession:
    def test_it_reaches_no_page_but_its_own(self, university: World, codes: Codes, browse: Browse) -> None:
        """Every other page sends it back, or shows it what it shows to somebody who has not signed in."""
        browser, nobody = browse(), browse()
        give_code(browser, LIN.number, made(codes, university))
        app = browser.app
        assert isinstance(app, Starlette)
        pages = every_page(app)
        assert len(pages) > 12
        seen: list[str] = []
        for method, path in pages:
            if path in ("/new-password", "/sign-out"):
                continue
            answer = browser.request(method, path, follow_redirects=False)
            if answer.headers.get("location") == NARROWED["password"]:
                seen.append(path)
                continue
            others = nobody.request(method, path, follow_redirects=False)
            assert (answer.status_code, plain(answer)) == (others.status_code, plain(others)), (method, path)
        assert {"/", "/overview", "/students", "/students/1", "/sources", "/runs/1", "/second-factor"} <= set(seen)
        assert browser.get("/new-password").status_code == 200

    def test_it_sees_no_rooms(self, university: World, codes: Codes, browse: Browse) -> None:
        browser = browse()
        give_code(browser, "dean", made(codes, university, "dean"))
        assert "/overview" not in browser.get("/new-password").text
        assert "/overview" in set_password(browser, NEW).text

    def test_it_may_sign_out(self, university: World, codes: Codes, browse: Browse) -> None:
        browser = browse()
        page = give_code(browser, LIN.number, made(codes, university))
        browser.post("/sign-out", data={"form_token": token_in(page)})
        assert 'name="account"' in browser.get("/new-password").text


class TestWeakPasswords:
    @pytest.mark.parametrize(
        ("typed", "why"),
        [
            ("kurz", "密码太短"),
            ("x" * 129, "密码太长"),
            ("15927361845", "密码全是数字"),
            ("password123", "已泄露的常见密码"),
            ("P@ssw0rd2019!", "已泄露的常见密码"),
            ("woaini1314520", "已泄露的常见密码"),
            ("20151001林小满", "学号、姓名或校名"),
            ("10015102lin", "学号、姓名或校名"),
            ("山海大学山海大学山海", "重复"),
            ("ababababababab", "重复"),
            ("abcdefghijklm", "连续的字符"),
            ("lxm19970512", "日期或年份"),
        ],
    )
    def test_it_is_refused_with_its_reason(
        self, university: World, codes: Codes, browse: Browse, typed: str, why: str
    ) -> None:
        browser = browse()
        give_code(browser, LIN.number, made(codes, university))
        answer = set_password(browser, typed)
        assert answer.status_code == 401
        assert why in answer.text
        assert typed not in answer.text
        assert "《构造地质学》" in set_password(browser, NEW).text, "nothing is lost"

    @pytest.mark.parametrize(
        "typed", [NEW, "correct horse battery", "床前明月光下的三个土豆", "Tz7-kQw9.mLp2", "graduation in the rain"]
    )
    def test_good_ones_will_do(self, typed: str) -> None:
        assert weakness(typed, (LIN.number, LIN.name, "山海大学")) is None

    def test_the_same_words_are_weak_for_their_owner_alone(self) -> None:
        assert weakness("ouyangnana-ou", ()) is None
        assert weakness("ouyangnana-ou", ("OuyangNana",)) is Weakness.OWN

    def test_a_long_one_takes_no_long_look(self) -> None:
        assert weakness("a@4" * 42, ()) is Weakness.REPEATED

    def test_two_typings_must_agree(self, university: World, codes: Codes, browse: Browse) -> None:
        browser = browse()
        give_code(browser, LIN.number, made(codes, university))
        assert "两次输入的新密码不一致" in set_password(browser, NEW, NEW + "x").text

    def test_a_chinese_keyboards_full_width_is_the_same_password(self) -> None:
        assert verify_password("ｌａｍｐｅ－ｂｉｒｎｅ－ｔｒｅｐｐｅ", hash_password(NEW))

    def test_in_english_it_states_the_same(self, university: World, codes: Codes, browse: Browse) -> None:
        browser = browse()
        give_code(browser, LIN.number, made(codes, university))
        browser.get("/new-password?lang=en")
        assert "list of leaked passwords" in set_password(browser, "password123").text


class TestAPasswordThatIsKnown:
    def test_it_is_changed_by_who_knows_it(self, browse: Browse) -> None:
        browser = browse()
        assert 'href="/new-password"' in enter(browser, LIN.number).text
        assert "现在的密码不正确" in set_password(browser, NEW, current="wrong").text
        assert "与现在的密码相同" in set_password(browser, PASSWORD, current=PASSWORD).text
        assert "《构造地质学》" in set_password(browser, NEW, current=PASSWORD).text
        assert enter(browse(), LIN.number, NEW).status_code == 200

    def test_guessing_it_in_an_open_session_is_slowed_down(self, browse: Browse) -> None:
        browser = browse()
        enter(browser, LIN.number)
        answers = [set_password(browser, NEW, current=f"guess-{i}").status_code for i in range(7)]
        assert answers[-1] == 429

    def test_who_signs_in_elsewhere_sets_none_here(self, university: World, browse: Browse) -> None:
        university.accounts.add("li", "李", None, now=university.now)
        browser = browse()
        enter(browser, "li", "")
        assert browser.get("/new-password").url.path == "/sign-in"

    def test_an_old_hash_becomes_a_new_one_without_a_word(self, university: World, browse: Browse) -> None:
        old = PasswordHasher(time_cost=1, memory_cost=8192).hash(PASSWORD)
        university.accounts.set_password(LIN.number, old, now=university.now)
        browser = browse()
        enter(browser, LIN.number)
        kept = university.accounts.find(LIN.number)
        assert kept is not None
        assert kept.password_hash not in (None, old)
        assert verify_password(PASSWORD, kept.password_hash)
        assert "《构造地质学》" in browser.get("/").text
        assert kept.password_at == university.now


def test_what_ships_is_argon2id_at_its_full_cost_and_as_much_for_accounts_that_do_not_exist() -> None:
    """The tests themselves hash cheaply; RFC 9106 names three rounds over 64 MiB in four lanes."""
    ships = extract_parameters(SHIPPED_NOBODY)
    assert (ships.type, ships.time_cost, ships.memory_cost, ships.parallelism) == (Type.ID, 3, 64 * 1024, 4)
    assert extract_parameters(SHIPPED.hash(PASSWORD)) == ships


class TestANumberOfAnIdentityDocument:
    @pytest.fixture(autouse=True)
    def documents(self, university: World) -> None:
        university.accounts.add("20990002", "新生", None, student="20990002", now=university.now)
        key = university.desk_key
        Identities(university.desk, key).keep({LIN.number: DOCUMENT, "20990002": "M7654321"})

    def test_it_opens_nothing_unless_the_settings_say_so(self, browse: Browse) -> None:
        browser = browse()
        page = browser.get("/first-password")
        assert "证件号码" not in page.text
        form = {"account": "20990002", "document": "M7654321", "form_token": token_in(page)}
        assert browser.post("/first-password/identity", data=form).status_code == 404

    def test_it_sets_a_first_password_and_no_second(self, browse: Browse) -> None:
        browser = browse(identity="first")
        assert "设置新密码" in give_document(browser, "20990002", "m 765-4321").text
        set_password(browser, NEW)
        assert give_document(browse(identity="first"), "20990002", "M7654321").status_code == 401
        assert give_document(browse(identity="first"), LIN.number, DOCUMENT).status_code == 401

    def test_it_replaces_a_forgotten_one_where_that_is_allowed(self, browse: Browse) -> None:
        browser = browse(identity="forgotten")
        assert "设置新密码" in give_document(browser, LIN.number, DOCUMENT.lower()).text
        assert browser.get("/", follow_redirects=False).headers["location"] == "/new-password"

    def test_nobody_with_a_grant_comes_in_by_it(self, university: World, browse: Browse) -> None:
        university.accounts.grant("20990002", [Grant(Act.READ)])
        assert give_document(browse(identity="forgotten"), "20990002", "M7654321").status_code == 401

    def test_wrong_none_and_unknown_are_answered_alike(self, browse: Browse) -> None:
        browser = browse(identity="forgotten")
        wrong = give_document(browser, LIN.number, "M0000000")
        without = give_document(browser, QIAN.number, DOCUMENT)
        unknown = give_document(browser, "20159999", DOCUMENT)
        assert plain(wrong, LIN.number) == plain(without, QIAN.number) == plain(unknown, "20159999")
        assert DOCUMENT not in unknown.text

    def test_five_tries_and_then_long_waits(self, university: World, browse: Browse) -> None:
        browser = browse(identity="forgotten")
        answers = [give_document(browser, LIN.number, f"M{i:07}").status_code for i in range(6)]
        assert answers == [401] * 5 + [429]
        university.later(minutes=14)
        assert give_document(browser, LIN.number, DOCUMENT).status_code == 429
        university.later(minutes=1)
        assert give_document(browser, LIN.number, DOCUMENT).status_code == 200


class TestEqualWork:
    """What is asked of the database says nothing about whether there is such an account."""

    @pytest.mark.parametrize("give", [give_code, give_document, enter])
    def test_a_known_and_an_unknown_account_cost_the_same(
        self, browse: Browse, give: Callable[[TestClient, str, str], httpx.Response]
    ) -> None:
        browser, asked = browse(identity="forgotten"), list[str]()
        give(browser, "20158888", "wrong-password")
        app = browser.app
        assert isinstance(app, Starlette)
        for engine in app.state.services.engines:
            event.listen(engine, "before_cursor_execute", lambda _c, _cu, statement, *_: asked.append(statement))
        assert give(browser, LIN.number, "wrong-password").status_code == 401
        known = asked.copy()
        asked.clear()
        assert give(browser, "20159999", "wrong-password").status_code == 401
        assert known == asked


class TestTheAuditLog:
    def test_it_states_who_came_in_how_and_who_did_not(self, university: World, codes: Codes, browse: Browse) -> None:
        browser = browse()
        enter(browser, LIN.number, "wrong-password")
        give_code(browser, LIN.number, made(codes, university))
        page = set_password(browser, NEW)
        browser.post("/sign-out", data={"form_token": token_in(page)})
        lines = Audit(university.desk).newest(account=LIN.number)
        assert [line.event for line in reversed(lines)] == [
            AuditEvent.SIGN_IN_REFUSED,
            AuditEvent.SIGNED_IN,
            AuditEvent.PASSWORD_SET,
            AuditEvent.SIGNED_IN,
            AuditEvent.SIGNED_OUT,
        ]
        assert lines[-2].detail == {"method": "code", "narrowed": "password"}

    def test_what_is_typed_into_the_wrong_field_is_not_kept(self, university: World, browse: Browse) -> None:
        enter(browse(), "my-secret-password", "x")
        assert "my-secret-password" not in str(Audit(university.desk).newest())
