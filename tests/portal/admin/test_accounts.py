"""Accounts and grants on the pages: who may do what, changed by administrators and read by auditors."""

from collections.abc import Callable, Iterator

import pytest
from starlette.testclient import TestClient

from clearance.web import application
from config.tables.portal import Auth
from portal.auth.passwords import hash_password
from status_db.accounts.accounts import Act, Grant
from status_db.accounts.audit_log import Audit, AuditEvent
from status_db.sign_in.one_time_codes import CodeKind, Codes
from status_db.sign_in.second_factor import SecondFactors
from tests.cast import LIN
from tests.portal.conftest import PASSWORD, enter, token_in
from tests.portal.factors import digits_of, has_app, has_recovery_codes, one_administrator_suffices, send, workers
from tests.portal.html_page import Page
from tests.portal.waiting import MORE_STAFF, browser
from tests.world import World

SignedIn = Callable[[str], TestClient]


@pytest.fixture
def university(university: World) -> World:
    """One administrator suffices here; what takes two is tried in test_four_eyes.py."""
    return one_administrator_suffices(university)


def post(made: TestClient, account: str, what: str, **fields: str | list[str]) -> tuple[int, str]:
    token = token_in(made.get("/accounts"))
    answer = made.post(f"/accounts/{account}/{what}", data={"form_token": token, **fields})
    return answer.status_code, answer.text


def grants(world: World, account: str) -> list[tuple[Act, str | None, dict[str, tuple[str, ...]], str | None]]:
    return [
        (g.act, g.step, {name: tuple(values) for name, values in g.scope.items()}, g.cohort)
        for g in world.accounts.grants(account)
    ]


def events(world: World) -> list[AuditEvent]:
    return [line.event for line in Audit(world.desk).newest()]


class TestFinding:
    def test_staff_stand_first_and_students_are_found_by_search_alone(self, signed_in: SignedIn) -> None:
        made = signed_in("admin")
        page = made.get("/accounts").text
        assert "librarian" in page
        assert LIN.name not in page
        for text in (LIN.name, LIN.number, "2015100"):
            assert LIN.name in made.get("/accounts", params={"q": text}).text

    @pytest.mark.parametrize("text", ["%", "_", "' OR 1=1 --", "\\", "没有这个人"])
    def test_a_search_takes_every_sign_as_itself(self, signed_in: SignedIn, text: str) -> None:
        assert "未找到账号" in signed_in("admin").get("/accounts", params={"q": text}).text

    def test_a_college_with_fewer_than_two_reviewers_is_pointed_at(
        self, university: World, signed_in: SignedIn
    ) -> None:
        made = signed_in("admin")
        assert "2 个学院的终审人不足两人" in made.get("/accounts").text
        for name in ("one", "two"):
            university.accounts.add(name, name, None, grants=[Grant(Act.REVIEW, "final_review")], now=university.now)
        assert "终审人不足两人" not in made.get("/accounts").text
        university.accounts.deactivate("two")
        narrow = Grant(Act.REVIEW, "final_review", {"college": ("资源学院",)})
        part = Grant(Act.REVIEW, None, {"college": ("地球科学学院",), "class": ("011151",)})
        university.accounts.add("three", "three", None, grants=[narrow, part], now=university.now)
        page = made.get("/accounts").text
        assert "1 个学院的终审人不足两人" in page
        assert "地球科学学院 · 学院终审 · 1 人" in page


class TestGrants:
    def test_one_is_given_within_a_scope_of_the_rosters_own_values(self, university: World) -> None:
        with browser(university, "admin") as made:
            page = made.get("/accounts/nobody").text
            assert 'value="college=资源学院"' in page
            status, page = post(
                made, "nobody", "grants", act="decide", step="library", cohort="2019",
                scope=["college=资源学院", "level=undergraduate"],
            )  # fmt: skip
        assert status == 200
        assert "办理 · 图书馆 · 学院：资源学院; 培养层次：本专科 · 2019届" in page
        assert grants(university, "nobody") == [
            (Act.DECIDE, "library", {"college": ("资源学院",), "level": ("undergraduate",)}, "2019")
        ]
        (line,) = Audit(university.desk).newest(event=AuditEvent.GRANTED)
        assert (line.account, line.detail["to"], line.detail["act"]) == ("admin", "nobody", "decide")

    @pytest.mark.parametrize(
        ("fields", "says"),
        [
            ({"act": ""}, "请选择要授予的权限"),
            ({"act": "rule"}, "请选择要授予的权限"),
            ({"act": "read", "step": "nothing"}, "没有这个环节或这一届"),
            ({"act": "read", "cohort": "1999"}, "没有这个环节或这一届"),
            ({"act": "read", "scope": "college=没有的学院"}, "名单中没有的值"),
            ({"act": "read", "scope": "name=林小满"}, "名单中没有的值"),
            ({"act": "manage", "scope": "college=资源学院"}, "适用于全部环节和学生"),
            ({"act": "audit", "step": "library"}, "适用于全部环节和学生"),
        ],
    )
    def test_what_makes_no_sense_is_shown_and_nothing_is_given(
        self, university: World, fields: dict[str, str], says: str
    ) -> None:
        with browser(university, "admin") as made:
            status, page = post(made, "nobody", "grants", **fields)
        assert status == 422
        assert says in page
        assert grants(university, "nobody") == []

    def test_the_same_one_is_not_given_twice(self, university: World) -> None:
        with browser(university, "admin") as made:
            assert "该账号已有这项权限" in post(made, "dean", "grants", act="read")[1]
        assert len(grants(university, "dean")) == 1

    def test_one_is_taken_away(self, university: World) -> None:
        (held,) = university.accounts.grants("dean")
        with browser(university, "admin") as made:
            status, _ = post(made, "nobody", "revoke-grant", grant=str(held.id))
            assert status == 422, "it is another account's"
            assert post(made, "dean", "revoke-grant", grant=str(held.id))[0] == 200
            assert "该权限已收回" in post(made, "dean", "revoke-grant", grant=str(held.id))[1]
        assert grants(university, "dean") == []
        assert AuditEvent.GRANT_TAKEN in events(university)

    def test_the_last_one_that_manages_stays(self, university: World) -> None:
        (held,) = university.accounts.grants("admin")
        with browser(university, "admin") as made:
            status, page = post(made, "admin", "revoke-grant", grant=str(held.id))
            assert status == 422
            assert "这是最后一个有“管理”权限的账号" in page
            assert len(grants(university, "admin")) == 1
            post(made, "nobody", "grants", act="manage", cohort="2019")
            assert post(made, "admin", "revoke-grant", grant=str(held.id))[0] == 422, "that one ends with its cohort"
            post(made, "nobody", "grants", act="manage")
            assert post(made, "admin", "revoke-grant", grant=str(held.id))[0] == 403, "revoked; the list is shut"
        assert grants(university, "admin") == []

    def test_all_are_handed_over(self, university: World) -> None:
        with browser(university, "admin") as made:
            for target in ("", "unknown", "librarian"):
                assert "没有这个账号，或账号已停用" in post(made, "librarian", "hand-over", target=target)[1]
            assert post(made, "librarian", "hand-over", target=" Nobody ")[0] == 200
            assert "没有可移交的权限" in post(made, "librarian", "hand-over", target="nobody")[1]
        assert grants(university, "librarian") == []
        assert len(grants(university, "nobody")) == 2
        (line,) = Audit(university.desk).newest(event=AuditEvent.HANDED_OVER)
        assert line.detail["held_by"] == "librarian"


class TestSwitching:
    def test_a_shut_account_is_out_at_once_and_may_be_opened_again(self, university: World) -> None:
        with browser(university, "admin") as made, browser(university, "dean") as dean:
            assert "已停用" in post(made, "dean", "active", active="0")[1]
            assert 'name="password"' in dean.get("/overview").text
            assert "已停用" not in post(made, "dean", "active", active="1")[1]
        assert events(university).count(AuditEvent.ACCOUNT_CHANGED) == 2

    def test_nobody_shuts_the_own_account_or_the_last_that_manages(self, university: World) -> None:
        hashed = hash_password(PASSWORD)
        university.accounts.add("brief", "brief", hashed, grants=[Grant(Act.MANAGE, cohort="2019")], now=university.now)
        with browser(university, "admin") as made:
            assert "不能停用本人正在使用的账号" in post(made, "admin", "active", active="0")[1]
        with browser(university, "brief") as made:
            assert "这是最后一个有“管理”权限的账号" in post(made, "admin", "active", active="0")[1]
        found = university.accounts.find("admin")
        assert found is not None
        assert found.active


class TestCodes:
    def test_one_is_shown_once_and_opens_the_account(self, university: World) -> None:
        with browser(university, "admin") as made:
            status, page = post(made, "dean", "code")
            assert status == 200
            shown = Page(page).one("p", class_="code").text
            assert shown not in made.get("/accounts/dean").text
        codes = Codes(university.desk, university.desk_key)
        assert codes.use("dean", shown, university.now)
        (line,) = Audit(university.desk).newest(event=AuditEvent.CODES_MADE)
        assert shown not in str(line)

    def test_a_shut_account_gets_none(self, university: World) -> None:
        university.accounts.deactivate("dean")
        with browser(university, "admin") as made:
            assert "账号已停用" in post(made, "dean", "code")[1]


class TestSecondFactors:
    @pytest.fixture
    def boss(self, university: World) -> Iterator[TestClient]:
        """The administrator's browser where second factors are asked for, and one was shown."""
        secret = has_app(university, "admin")
        university.later(minutes=1)
        with workers(university) as opened:
            made = opened(second_administrator=False)
            send(made, enter(made, "admin"), "app", digits=digits_of(secret, university))
            yield made

    def test_a_set_up_code_is_shown_once_and_is_no_code_for_a_password(
        self, university: World, boss: TestClient
    ) -> None:
        assert "未设置两步验证" in boss.get("/accounts").text
        assert "未设置" in boss.get("/accounts/reviewer").text
        status, page = post(boss, "reviewer", "factor-code")
        assert status == 200
        shown = Page(page).one("p", class_="code").text
        assert shown not in boss.get("/accounts/reviewer").text
        codes = Codes(university.desk, university.desk_key)
        assert not codes.use("reviewer", shown, university.now)
        assert codes.use("reviewer", shown, university.now, CodeKind.FACTOR)
        (line,) = Audit(university.desk).newest(event=AuditEvent.CODES_MADE)
        assert line.detail == {"to": "reviewer", "kind": "second factor"}

    def test_whoever_has_one_or_is_asked_for_none_gets_no_code(self, university: World, boss: TestClient) -> None:
        has_app(university, "reviewer")
        for account in ("reviewer", "dean"):
            assert "factor-code" not in boss.get(f"/accounts/{account}").text
            status, page = post(boss, account, "factor-code")
            assert (status, "未生成" in page) == (422, True)

    def test_a_reset_takes_everything_and_ends_the_sessions(self, university: World, boss: TestClient) -> None:
        secret = has_app(university, "reviewer")
        has_recovery_codes(university, "reviewer")
        with workers(university) as opened:
            theirs = opened()
            send(theirs, enter(theirs, "reviewer"), "app", digits=digits_of(secret, university))
            assert "验证器 ·" in boss.get("/accounts/reviewer").text
            assert "恢复码还有 10 个" in boss.get("/accounts/reviewer").text
            post(boss, "reviewer", "reset-factor")
            assert theirs.get("/second-factor").url.path == "/sign-in"
        assert "未设置" in boss.get("/accounts/reviewer").text
        (line,) = Audit(university.desk).newest(event=AuditEvent.SECOND_FACTOR_RESET)
        assert (line.account, line.detail) == ("admin", {"to": "reviewer"})

    def test_nobody_resets_the_own_one(self, university: World, boss: TestClient) -> None:
        status, page = post(boss, "admin", "reset-factor")
        assert (status, "不能重置本人的两步验证" in page) == (422, True)
        assert SecondFactors(university.desk).held("admin").app

    def test_the_demos_accounts_are_let_off_and_marked_so(self, university: World) -> None:
        hashed = hash_password(PASSWORD)
        university.accounts.add("show", "show", hashed, grants=[Grant(Act.MANAGE)], now=university.now, demo=True)
        demo = university.settings.demo.model_copy(update={"clock_file": university.file})
        auth = Auth()
        settings = university.settings.model_copy(update={"demo": demo, "auth": auth})
        app = application(settings, clock=university.clock)
        with TestClient(app, base_url="http://testserver", follow_redirects=True) as made:
            assert enter(made, "show").url.path == "/sources"
            assert "演示账号，不要求两步验证" in made.get("/accounts").text
            assert "演示账号，不要求" in made.get("/accounts/show").text


class TestRights:
    POSTS = (
        "grants", "revoke-grant", "hand-over", "active", "code", "factor-code", "reset-factor", "confirm", "refuse",
    )  # fmt: skip

    @pytest.mark.parametrize("account", ["auditor", "dean", "librarian", "counsellor", LIN.number])
    def test_only_who_manages_changes_anything(self, university: World, account: str) -> None:
        for name, given in MORE_STAFF.items():
            university.accounts.add(name, name, None, grants=given, now=university.now)
        reads = account == "auditor"
        with browser(university, account) as made:
            for path in ("/accounts", "/accounts/admin"):
                assert made.get(path).status_code == (200 if reads else 403)
            if reads:
                assert 'method="post" action="/accounts' not in made.get("/accounts/admin").text
            token = token_in(made.get("/overview"))
            for what in self.POSTS:
                answer = made.post(f"/accounts/nobody/{what}", data={"form_token": token, "act": "manage"})
                assert answer.status_code == 403
        assert grants(university, "nobody") == []

    def test_an_account_that_is_not_there_is_not_found(self, signed_in: SignedIn) -> None:
        assert signed_in("admin").get("/accounts/unknown").status_code == 404
