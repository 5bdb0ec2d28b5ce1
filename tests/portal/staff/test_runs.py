"""Sources, runs and unmatched rows on the pages: understanding what waits, and deciding it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from connectors.port import SourceUnavailable
from status_db.accounts.audit_log import Audit, AuditEvent
from status_db.model import ROSTER, RunState, Verdict, VoteKind
from status_db.queries.runs import RunReader
from tests.cast import LIN, QIAN, SUN
from tests.portal.conftest import settle, token_in
from tests.portal.waiting import another_change, browser, digest_in, held_back, say, serve
from tests.world import COHORT, SETTINGS, World

SignedIn = Callable[[str], TestClient]

STRICT = SETTINGS.replace(
    "[source.fines]", "[source.loans.guard]\noffice_first = true\ntwo_approve = true\n\n[source.fines]"
)


@pytest.fixture
def strict(tmp_path: Path) -> Iterator[World]:
    """A library whose runs need the office's word and two people."""
    with World(f"sqlite:///{tmp_path / 'clearance.db'}", tmp_path, STRICT) as made:
        yield settle(made)


def state_of(world: World, run: int) -> RunState:
    found = world.reader.run(COHORT, run)
    assert found is not None
    return found.state


class TestSources:
    def test_each_states_how_it_does_in_a_word_and_until_when_it_is_fresh(self, signed_in: SignedIn) -> None:
        page = signed_in("admin").get("/sources").text
        assert page.count("正常") == 5
        assert "有效期至 5月25日 12:0" in page

    def test_the_next_run_is_the_timetables(self, university: World, signed_in: SignedIn) -> None:
        page = signed_in("admin").get("/sources").text
        assert "5月25日 08:15" in page
        assert "5月26日 00:00" in page

    def test_what_waits_comes_first_and_states_how_few_rows_there_are(
        self, university: World, signed_in: SignedIn
    ) -> None:
        run = held_back(university)
        page = signed_in("admin").get("/sources").text
        assert page.index("待批准") < page.index("正常")
        card = page[page.index('<article class="card source todo">') :].partition("</article>")[0]
        assert f"/runs/{run}" in card
        assert "▼" in card
        assert "通常 15.5" in card

    def test_what_is_stale_is_distinguished_from_what_has_failed_once(
        self, university: World, signed_in: SignedIn
    ) -> None:
        university.fails["fees"] = SourceUnavailable("fees does not answer", "Ask again.")
        university.run("fees")
        browser = signed_in("admin")
        assert "最近一次同步失败，数据未过期" in browser.get("/sources").text
        university.later(minutes=29)
        for _ in range(10):
            browser.get("/sources")
            university.later(minutes=29)
        assert "数据过期" in browser.get("/sources").text

    def test_a_run_under_way_is_shown(self, university: World, signed_in: SignedIn) -> None:
        university.sync._marks.begin(
            "loans", "library", now=university.now, by="test", owner="o", lease_for=university.sync._lease_for,
            gone=lambda _: False,
        )  # fmt: skip
        page = signed_in("admin").get("/sources").text
        assert "同步进行中" in page


class TestTheList:
    def test_it_is_narrowed_by_source_and_by_state(self, university: World, signed_in: SignedIn) -> None:
        run = held_back(university)
        browser = signed_in("admin")
        waiting = browser.get("/runs", params={"state": "suspended"}).text
        assert f'href="/runs/{run}"' in waiting
        assert waiting.count('<th scope="row">') == 1
        assert f'href="/runs/{run}"' not in browser.get("/runs", params={"source": "fees"}).text
        assert "没有符合条件的同步" in browser.get("/runs", params={"source": "fees", "state": "failed"}).text

    def test_it_goes_on_from_page_to_page(self, university: World, signed_in: SignedIn) -> None:
        for _ in range(12):
            university.run_all()
        browser = signed_in("admin")
        first = browser.get("/runs").text
        more = first.partition('rel="next"')[0].rpartition('href="')[2].partition('"')[0].replace("&amp;", "&")
        second = browser.get(more).text
        shown = [{int(n) for n in page.replace('"', " ").split() if n.isdecimal()} for page in (first, second)]
        assert 'href="/runs/65"' in first
        assert 'href="/runs/1"' not in first
        assert 'href="/runs/1"' in second
        assert shown

    @pytest.mark.parametrize("query", ["before=x", "before=" + "9" * 40, "source=nothing", "state=nothing", "before=²"])
    def test_an_address_that_makes_no_sense_breaks_nothing(self, signed_in: SignedIn, query: str) -> None:
        assert signed_in("admin").get(f"/runs?{query}").status_code == 200

    def test_a_failure_is_shown_in_plain_words(self, university: World, signed_in: SignedIn) -> None:
        university.fails["fees"] = SourceUnavailable("fees does not answer", "Ask again.")
        university.run("fees")
        assert "数据源没有响应" in signed_in("admin").get("/runs?source=fees").text


class TestARunThatWaits:
    def test_it_states_why_whom_it_would_move_and_whom_to_look_up(self, university: World, signed_in: SignedIn) -> None:
        run = held_back(university)
        page = signed_in("admin").get(f"/runs/{run}").text
        assert "“不通过”的 30 名学生中，29 名将变为“通过”（限额：10% 与 20 名，取大者）" in page
        assert "名单内学生的数据行从 15.5 行降到 1 行" in page
        assert "共 29 名学生" in page
        assert "不通过 → 通过" in page
        assert "《唐诗选》" in page
        assert "抽查名单" in page
        assert "地学院" in page

    def test_it_states_so_in_english_too(self, university: World, signed_in: SignedIn) -> None:
        run = held_back(university)
        page = signed_in("admin").get(f"/runs/{run}?lang=en").text
        assert "Of 30 students “Not cleared”, 29 would become “Cleared” at once" in page

    def test_who_looked_at_it_appears_in_the_log(self, university: World, signed_in: SignedIn) -> None:
        run = held_back(university)
        signed_in("admin").get(f"/runs/{run}")
        (line,) = Audit(university.desk).newest(event=AuditEvent.SAW_LIST)
        assert (line.account, line.run) == ("admin", run)

    def test_an_approval_applies_that_very_change(self, world: World) -> None:
        run = held_back(settle(world))
        with browser(world, "admin") as admin:
            assert say(admin, run, "approve")[0] == 200
            page = admin.get(f"/runs/{run}").text
            assert "正在执行" in page
            assert "批准本次变动" not in page
            assert state_of(world, run) is RunState.SUSPENDED, "the page writes no mark"
            assert serve(world) == 1
            page = admin.get(f"/runs/{run}").text
        assert "已执行" in page
        assert "已生效" in page
        assert state_of(world, run) is RunState.APPLIED
        assert world.verdict("20150007", "library") is Verdict.CLEARED
        assert world.verdict("20150000", "library") is Verdict.HELD
        (line,) = Audit(world.desk).newest(event=AuditEvent.SPOKE_ON_RUN)
        assert (line.account, line.run, line.detail["says"]) == ("admin", run, "approve")

    def test_an_approval_of_a_change_that_has_moved_is_refused_kindly(self, university: World) -> None:
        run = held_back(university)
        with browser(university, "admin") as admin:
            looked_at = digest_in(admin.get(f"/runs/{run}").text)
            another_change(university, run)
            status, page = say(admin, run, "approve", digest=looked_at, reason="看过了")
            assert status == 409
            assert "与刚才看到的不同" in page
            assert "看过了" in page
            assert serve(university) == 0
            assert digest_in(page) != looked_at
            assert say(admin, run, "approve")[0] == 200
            serve(university)
        assert state_of(university, run) is RunState.APPLIED

    def test_a_change_that_moves_between_page_and_scheduler_is_not_applied(self, university: World) -> None:
        run = held_back(university)
        with browser(university, "admin") as admin:
            say(admin, run, "approve")
            another_change(university, run)
            serve(university)
            page = admin.get(f"/runs/{run}").text
        assert state_of(university, run) is RunState.SUSPENDED
        assert "未执行：本次同步已变动" in page
        assert "批准本次变动" in page, "it can be looked at and approved again"

    def test_an_approval_that_comes_to_another_change_states_so(self, university: World) -> None:
        run = held_back(university)
        university.says["loans"] = [
            {"CARD": f"2015{i:04}", "TITLE": "唐诗选", "DUE": "2019-06-01", "BARCODE": f"B{i}"} for i in range(30)
        ]
        university.says["loans"].append({"CARD": LIN.number, "TITLE": "a", "DUE": "2019-06-01", "BARCODE": "B77"})
        with browser(university, "admin") as admin:
            say(admin, run, "approve")
            university.later(minutes=1)
            university.sync.recheck("loans", LIN.number, by="test")
            serve(university)
            page = admin.get(f"/runs/{run}").text
        assert state_of(university, run) is RunState.SUSPENDED
        assert "本次同步的变动已不同" in page

    def test_a_rejection_needs_a_reason_and_applies_nothing(self, university: World) -> None:
        run = held_back(university)
        with browser(university, "admin") as admin:
            status, page = say(admin, run, "reject")
            assert status == 409
            assert "否决须写明原因" in page
            assert say(admin, run, "reject", reason="图书馆系统在搬家")[0] == 200
            serve(university)
            page = admin.get(f"/runs/{run}").text
        assert state_of(university, run) is RunState.REJECTED
        assert "已执行" in page
        assert "图书馆系统在搬家" in page
        assert university.verdict("20150007", "library") is Verdict.HELD

    def test_nobody_approves_without_saying_that_they_have_looked(self, university: World) -> None:
        run = held_back(university)
        with browser(university, "admin") as admin:
            status, page = say(admin, run, "approve", checked="")
        assert status == 409
        assert "已核对" in page

    def test_saying_it_twice_before_it_is_carried_out_changes_nothing(self, university: World) -> None:
        run = held_back(university)
        with browser(university, "admin") as admin:
            digest = digest_in(admin.get(f"/runs/{run}").text)
            say(admin, run, "approve")
            status, page = say(admin, run, "approve", digest=digest)
        assert status == 409
        assert "正在执行" in page
        assert serve(university) == 1

    def test_what_is_over_cannot_be_decided_any_more(self, university: World) -> None:
        run = held_back(university)
        with browser(university, "admin") as admin:
            digest = digest_in(admin.get(f"/runs/{run}").text)
            university.sync.reject(run, by="shell", reason="x")
            status, page = say(admin, run, "approve", digest=digest)
        assert status == 409
        assert "已不在等待批准" in page

    def test_a_run_that_was_suspended_before_its_impact_was_stored_names_the_command(
        self, university: World, signed_in: SignedIn
    ) -> None:
        run = held_back(university)
        with university.engine.begin() as connection:
            connection.exec_driver_sql("UPDATE pending SET look = NULL")
        assert f"clearance runs show {run}" in signed_in("admin").get(f"/runs/{run}").text

    def test_what_the_page_shows_is_what_the_command_would_show(self, university: World) -> None:
        run = held_back(university)
        assert RunReader(university.reading).look(COHORT, run) == university.sync.look(run, "loans")


class TestTheOfficeAndTwoPeople:
    def test_the_page_shows_what_is_missing_until_nothing_is(self, strict: World) -> None:
        run = held_back(strict)
        with (
            browser(strict, "admin") as admin,
            browser(strict, "librarian") as office,
            browser(strict, "second") as two,
        ):
            page = admin.get(f"/runs/{run}").text
            assert "须先由部门操作员" in page
            assert "两人分别批准" in page
            say(admin, run, "approve")
            serve(strict)
            page = admin.get(f"/runs/{run}").text
            assert "admin 已批准，还须第二人批准" in page
            assert "批准本次变动" not in page, "the same person cannot approve twice"
            status, _ = say(office, run, "plausible", reason="馆里确实在集中还书")
            assert status == 200
            serve(strict)
            assert "馆里确实在集中还书" in two.get(f"/runs/{run}").text
            assert state_of(strict, run) is RunState.SUSPENDED
            say(two, run, "approve")
            serve(strict)
            assert "已执行" in two.get(f"/runs/{run}").text
            assert "已生效" in office.get(f"/runs/{run}").text, "who spoke sees how it ended"
        assert state_of(strict, run) is RunState.APPLIED

    def test_the_same_person_is_refused_the_second_time(self, strict: World) -> None:
        run = held_back(strict)
        with browser(strict, "admin") as admin:
            digest = digest_in(admin.get(f"/runs/{run}").text)
            say(admin, run, "approve")
            serve(strict)
            status, page = say(admin, run, "approve", digest=digest)
        assert status == 409
        assert "须由另一人办理" in page
        assert len([o for o in strict.votes.of_run(run) if o.kind is VoteKind.APPROVE]) == 1


class TestRights:
    @pytest.mark.parametrize(
        ("account", "sees", "may"),
        [
            ("admin", True, {"approve", "reject"}),
            ("auditor", True, set()),
            ("dean", True, set()),
            ("librarian", True, {"plausible"}),
            ("branch", False, set()),
            ("cashier", False, set()),
            ("counsellor", False, set()),
            ("nobody", False, set()),
            (SUN.number, False, set()),
        ],
    )
    def test_who_sees_a_run_that_waits_and_who_may_say_what(
        self, university: World, account: str, sees: bool, may: set[str]
    ) -> None:
        run = held_back(university)
        known = university.reader.run(COHORT, run)
        assert known is not None
        assert known.digest is not None
        with browser(university, account) as made:
            page = made.get(f"/runs/{run}")
            assert page.status_code == (200 if sees else 403)
            for says in ("approve", "reject", "plausible"):
                shown = f'name="vote" value="{says}"' in page.text
                assert shown is (says in may)
                if says not in may:
                    assert say(made, run, says, digest=known.digest.hex(), reason="x")[0] == 403
        assert serve(university) == 0

    def test_an_operator_sees_the_waiting_runs_of_the_own_office_and_no_others(self, university: World) -> None:
        run = held_back(university)
        with browser(university, "librarian") as made:
            page = made.get("/runs").text
            assert f'href="/runs/{run}"' in page
            assert page.count('<th scope="row">') == 1
            assert made.get("/sources").status_code == 403
            assert made.get("/unmatched").status_code == 403
            assert made.get(f"/runs/{run - 1}").status_code == 403
            assert made.get("/runs/9999").status_code == 403
            assert made.get(f"/runs/{run}").text.count("/sources") == 0

    def test_a_roster_that_waits_is_no_offices(self, university: World) -> None:
        university.says[ROSTER] = university.says[ROSTER][:2]
        run = university.run(ROSTER).run
        with browser(university, "librarian") as made:
            assert made.get(f"/runs/{run}").status_code == 403
        with browser(university, "admin") as made:
            assert "今年离校的 5 名学生中，3 名将不再离校" in made.get(f"/runs/{run}").text

    def test_a_form_from_elsewhere_is_refused(self, university: World) -> None:
        run = held_back(university)
        with browser(university, "admin") as made:
            page = made.get(f"/runs/{run}")
            form = {"vote": "approve", "digest": digest_in(page.text), "checked": "1", "form_token": token_in(page)}
            address = f"/runs/{run}/vote"
            assert made.post(address, data=form, headers={"sec-fetch-site": "cross-site"}).status_code == 403
            assert made.post(address, data={**form, "form_token": "0"}).status_code == 403
        assert serve(university) == 0


class TestUnmatchedRows:
    @pytest.fixture
    def visited(self, university: World) -> World:
        university.says["loans"] += [
            {"CARD": f"9{i:07}", "TITLE": "a", "DUE": "2019-06-01", "BARCODE": f"S{i}"} for i in range(120)
        ]
        university.says["loans"].append({"CARD": "20152O03", "TITLE": "a", "DUE": "2019-06-01", "BARCODE": "N1"})
        university.run("loans")
        return university

    def test_near_misses_come_first_with_what_makes_them_near(self, visited: World, signed_in: SignedIn) -> None:
        page = signed_in("admin").get("/unmatched").text
        assert page.index("20152O03") < page.index("90000000")
        assert "仅一个字符不同" in page
        assert QIAN.number in page

    def test_they_are_shown_source_by_source_and_page_by_page(self, visited: World, signed_in: SignedIn) -> None:
        made = signed_in("auditor")
        first, second = made.get("/unmatched?source=loans").text, made.get("/unmatched?source=loans&page=2").text
        assert 'rel="next"' in first
        assert "20152O03" not in second
        assert "没有未匹配数据" in made.get("/unmatched?source=fees").text
        assert made.get("/unmatched?source=x&page=²").status_code == 200


def test_the_unmatched_rows_of_the_answer_that_waits_are_on_its_page(university: World, signed_in: SignedIn) -> None:
    run = held_back(university)
    university.sync.reject(run, by="admin", reason="x")
    university.says["loans"] += [{"CARD": "2O150003", "TITLE": "a", "DUE": "", "BARCODE": "X<1>"}]
    waits = university.run("loans").run
    page = signed_in("admin").get(f"/runs/{waits}").text
    assert "本次数据中的未匹配数据" in page
    assert "2O150003" in page
    assert "仅一个字符不同" in page
    english = signed_in("admin").get(f"/runs/{waits}", headers={"accept-language": "en"}).text
    assert "Unmatched rows in these data" in english
