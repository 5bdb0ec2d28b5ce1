"""What the API answers: the same states, words, reasons and rights as the pages."""

import json
from datetime import datetime
from itertools import product
from typing import Any

import pytest
from starlette.testclient import TestClient

from clearance.web import application
from status_db import tables
from status_db.accounts.accounts import Act, Grant
from status_db.accounts.api_tokens import Tokens, hash_of
from status_db.accounts.audit_log import Audit, AuditEvent
from status_db.decisions.writer import DecisionRequest
from status_db.effective.visible import Visibility
from status_db.model import State, Verdict
from status_db.queries.lists import Filter, Lists, ListSelection, Order
from status_db.store.engine import writing
from status_db.views import EVERYBODY
from tests.cast import LEAVING, LI, LIN, MORNING, POETRY_LOAN, QIAN, SUN, ZHAO, ZHOU
from tests.portal.api.conftest import Ask, bearing, give_token
from tests.portal.conftest import enter, settle
from tests.world import COHORT, World


def step_of(answer: dict[str, Any], step: str) -> dict[str, Any]:
    """Return one step of a student's answer."""
    found: dict[str, Any] = next(each for each in answer["steps"] if each["step"] == step)
    return found


class TestOneStudent:
    def test_a_reader_sees_the_count_and_the_place_without_titles_and_amounts(self, ask: Ask) -> None:
        said = ask("dean", f"/students/{LIN.number}").json()
        assert said["name"] == LIN.name
        assert said["class"] == LIN.class_name
        assert said["headline"]["text"] == "还有 2 项要办"
        library = step_of(said, "library")
        assert (library["state"], library["word"], library["clear"]) == ("held", "不通过", False)
        assert library["sentence"].startswith("2 项未结")
        assert (library["owed"], library["total"]) == ([], None)
        assert library["place"]["where"] == "总馆一楼"
        assert library["updates"] == "办理后约 15 分钟更新"
        assert datetime.fromisoformat(library["as_of"]) > MORNING
        assert step_of(said, "dorm")["state"] == "not_done"
        assert step_of(said, "final_review")["waits_for"] == 3

    def test_the_office_reads_titles_and_amounts_too(self, ask: Ask) -> None:
        library = step_of(ask("librarian", f"/students/{LIN.number}").json(), "library")
        assert library["sentence"].startswith("1 册未还，滞纳金 3.20 元。")
        assert {thing["kind"]: thing["amount"] for thing in library["owed"]} == {"loan": None, "fine": "3.20"}
        assert library["owed"][0]["due"] == "2019-05-30"
        assert library["total"] == "3.20"

    def test_it_is_shown_in_the_language_that_is_asked_for(self, ask: Ask) -> None:
        by_parameter = ask("dean", f"/students/{LIN.number}", lang="en")
        by_header = ask("dean", f"/students/{LIN.number}", headers={"Accept-Language": "en-GB"})
        assert by_parameter.json() == by_header.json()
        assert by_parameter.json()["headline"]["text"] == "2 steps to do"
        assert by_parameter.headers["content-language"] == "en"

    def test_a_librarian_reads_the_library_alone_and_no_word_about_the_whole(self, ask: Ask) -> None:
        answer = ask("librarian", f"/students/{QIAN.number}")
        said = answer.json()
        assert [each["step"] for each in said["steps"]] == ["library"]
        assert (said["whole"], said["headline"], said["certificate"]) == (False, None, None)
        assert "学费" not in answer.text

    def test_what_a_person_decided_is_shown_without_the_person(self, university: World, ask: Ask) -> None:
        wish = DecisionRequest(
            LIN.number, "library", Verdict.CLEARED, "现场归还", words="已在总馆还清", note="internal"
        )
        university.decisions.enter(wish, "librarian", university.now)
        answer = ask("dean", f"/students/{LIN.number}")
        library = step_of(answer.json(), "library")
        assert (library["by_decision"], library["clear"], library["said"]) == (True, True, "已在总馆还清")
        assert library["owed"] == []
        assert "internal" not in answer.text
        assert "librarian" not in answer.text

    def test_who_is_held_by_a_person_is_shown_that_persons_reason_first(self, university: World, ask: Ask) -> None:
        university.decisions.enter(
            DecisionRequest(LIN.number, "library", Verdict.HELD, "赔书"), "librarian", university.now
        )
        library = step_of(ask("librarian", f"/students/{LIN.number}").json(), "library")
        assert library["sentence"].startswith("赔书。1 册未还")

    def test_something_new_after_a_decision_is_owed_again(self, university: World, ask: Ask) -> None:
        university.decisions.enter(
            DecisionRequest(QIAN.number, "library", Verdict.CLEARED, "现场归还"), "librarian", university.now
        )
        university.says["loans"].append(POETRY_LOAN)
        university.run("loans")
        library = step_of(ask("librarian", f"/students/{QIAN.number}").json(), "library")
        assert (library["overtaken_by_debt"], library["clear"]) == (True, False)
        assert [thing["title"] for thing in library["owed"]] == ["《唐诗选》"]

    def test_who_stays_has_no_steps_and_no_headline(self, ask: Ask) -> None:
        said = ask("dean", f"/students/{ZHOU.number}").json()
        assert (said["leaving"], said["steps"], said["headline"]) == (False, [], None)

    def test_who_is_outside_and_who_is_nowhere_are_answered_alike(self, ask: Ask) -> None:
        outside, nowhere = (ask("counsellor", f"/students/{number}") for number in (LIN.number, "20990009"))
        assert outside.status_code == nowhere.status_code == 404
        assert outside.content == nowhere.content
        of_request = {"x-request-id"}
        assert outside.headers.keys() == nowhere.headers.keys()
        assert all(outside.headers[name] == nowhere.headers[name] for name in outside.headers.keys() - of_request)

    def test_a_student_reads_the_own_steps_and_nobody_elses(self, ask: Ask) -> None:
        own = ask(LIN.number, f"/students/{LIN.number}")
        assert own.json()["whole"] is True
        assert ask(LIN.number, f"/students/{ZHAO.number}").status_code == 404
        assert ask(LIN.number, "/students").status_code == 403
        assert ask(LIN.number, "/overview").status_code == 403

    def test_a_number_is_found_however_it_is_typed(self, ask: Ask) -> None:
        assert ask("dean", "/students/ ２０１５２００３ ").json()["name"] == QIAN.name

    def test_the_tag_states_whether_it_is_still_so(self, university: World, ask: Ask) -> None:
        path = f"/students/{QIAN.number}"
        tag = ask("dean", path).headers["etag"]
        again = ask("dean", path, headers={"If-None-Match": f'"other", W/{tag}'})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
        assert ask("dean", path, headers={"If-None-Match": tag}, lang="en").status_code == 200
        university.says["loans"].append(POETRY_LOAN)
        university.run("loans")
        changed = ask("dean", path, headers={"If-None-Match": tag})
        assert changed.status_code == 200
        assert changed.headers["etag"] != tag


class TestTheList:
    def test_it_holds_everybody_who_leaves_in_the_order_of_their_numbers(self, ask: Ask) -> None:
        said = ask("dean", "/students").json()
        assert [each["number"] for each in said["students"]] == sorted(p.number for p in LEAVING)
        assert said["next"] is None

    @pytest.mark.parametrize("limit", [1, 2, 3, 5])
    def test_page_by_page_everybody_comes_once_whoever_joins_meanwhile(
        self, university: World, ask: Ask, limit: int
    ) -> None:
        seen: list[str] = []
        after: dict[str, str] = {}
        while True:
            said = ask("dean", "/students", limit=limit, **after).json()
            seen += [each["number"] for each in said["students"]]
            assert len(said["students"]) <= limit
            if said["next"] is None:
                break
            after = {"after": said["next"]}
            # Somebody joins before the place where the reader is, somebody leaves behind it.
            roster = university.says["roster"]
            if not any(row["学号"] == "1000000000" for row in roster):
                roster.append({**LIN.listed(), "学号": "1000000000", "一卡通": ""})
                university.run("roster")
        assert seen == sorted(p.number for p in LEAVING)

    def test_a_state_finds_whom_the_single_answers_show_in_it(self, university: World, ask: Ask) -> None:
        for who, step, verdict in (
            (SUN, "college_items", Verdict.CLEARED),
            (LIN, "library", Verdict.EXEMPT),
            (QIAN, "library", Verdict.HELD),
        ):
            university.decisions.enter(
                DecisionRequest(who.number, step, verdict, "无借阅" if step == "college_items" else "数据有误"),
                "x",
                university.now,
            )
        singly = {who.number: ask("dean", f"/students/{who.number}").json() for who in LEAVING}
        for step, state in product(("library", "finance", "dorm", "college_items", "final_review"), State):
            found = ask("dean", "/students", state=state, step=step).json()["students"]
            expected = {number for number, said in singly.items() if step_of(said, step)["state"] == state}
            assert {each["number"] for each in found} == expected, (step, state)
            assert all([each["step"] for each in line["steps"]] == [step] for line in found)

    def test_it_stays_within_the_grants(self, ask: Ask) -> None:
        listed = ask("counsellor", "/students").json()["students"]
        assert {each["number"] for each in listed} == {QIAN.number, SUN.number, LI.number}
        assert {s["step"] for each in ask("librarian", "/students").json()["students"] for s in each["steps"]} == {
            "library"
        }
        assert ask("librarian", "/students", step="finance").json()["students"] == []

    def test_steps_with_scopes_of_their_own_are_distinguished_for_each_student(
        self, university: World, ask: Ask
    ) -> None:
        mixed = (Grant(Act.READ, "library"), Grant(Act.READ, "finance", {"college": ("资源学院",)}))
        university.accounts.add("mixed", "mixed", None, grants=mixed, now=university.now)
        listed = {each["number"]: each["steps"] for each in ask("mixed", "/students").json()["students"]}
        assert [s["step"] for s in listed[LIN.number]] == ["library"]
        assert [s["step"] for s in listed[QIAN.number]] == ["library", "finance"]

    def test_it_is_narrowed_by_college_and_class(self, ask: Ask) -> None:
        by_class = ask("dean", "/students", **{"class": "021152", "college": "资源学院"}).json()["students"]
        assert [each["number"] for each in by_class] == [QIAN.number, SUN.number]
        assert ask("dean", "/students", college="没有的学院").json()["students"] == []

    def test_a_state_that_nobody_has_by_now_is_looked_for_past_many(self, world: World) -> None:
        """More students than are looked at together, on both databases; the last alone is in that state."""
        people = [{**LIN.listed(), "学号": f"3{number:09d}", "一卡通": "", "原学号": ""} for number in range(450)]
        world.says["roster"] = people
        world.says["loans"] = [{"CARD": p["学号"], "TITLE": "书", "DUE": "", "BARCODE": p["学号"]} for p in people]
        world.run("roster")
        world.run("loans")
        for person in people[:-1]:
            world.decisions.enter(
                DecisionRequest(person["学号"], "library", Verdict.CLEARED, "数据有误"), "x", world.now
            )
        lists, visibility = Lists(world.reading, world.settings), Visibility(COHORT, {"library": EVERYBODY})
        found = lists.leaf(visibility, Filter(State.HELD, order=Order.NUMBER), world.now, 10)
        assert [row.student for row in found.rows] == [people[-1]["学号"]]
        assert found.more is False
        everybody: list[str] = []
        after: tuple[str, ...] | None = None
        while True:
            page = lists.leaf(visibility, Filter(ListSelection.ALL, order=Order.NUMBER), world.now, 200, after=after)
            everybody += [row.student for row in page.rows]
            if not page.more:
                break
            after = page.rows[-1].key
        assert everybody == [p["学号"] for p in people]


class TestTheOthers:
    def test_cohorts_are_shown(self, ask: Ask) -> None:
        assert ask("nobody", "/cohorts").json() == {"cohorts": [{"cohort": "2019", "name": "2019届", "windows": {}}]}

    def test_the_overview_states_what_the_page_states(self, ask: Ask) -> None:
        said = ask("dean", "/overview").json()
        library = next(each for each in said["steps"] if each["step"] == "library")
        assert (library["total"], library["settled"], library["by_state"]["held"]) == (5, 4, 1)
        assert {each["college"] for each in said["colleges"]} == {"地球科学学院", "资源学院"}
        assert {each["college"] for each in ask("counsellor", "/overview").json()["colleges"]} == {"资源学院"}

    def test_sources_are_those_of_the_steps_that_may_be_read(self, ask: Ask) -> None:
        def named(account: str) -> list[str]:
            return [each["source"] for each in ask(account, "/sources").json()["sources"]]

        assert named("dean") == named("admin") == ["roster", "loans", "fines", "fees", "checkouts"]
        assert named("librarian") == ["roster", "loans", "fines"]
        assert ask("nobody", "/sources").status_code == 403


class TestTokens:
    def test_without_one_nothing_is_shown(self, client: TestClient) -> None:
        answer = client.get("/api/v1/cohorts")
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == 'Bearer realm="clearance"'
        assert answer.headers["content-type"] == "application/problem+json"

    def test_a_cookie_opens_nothing(self, client: TestClient) -> None:
        enter(client, "dean")
        assert client.get("/api/v1/students").status_code == 401

    def test_neither_does_one_in_the_address(self, university: World, client: TestClient) -> None:
        secret, _ = give_token(university, "dean")
        answer = client.get("/api/v1/students", params={"access_token": secret})
        assert answer.status_code == 401

    def test_nor_one_that_was_withdrawn_has_ended_or_is_made_up(self, university: World, client: TestClient) -> None:
        secret, token = give_token(university, "dean")
        assert client.get("/api/v1/cohorts", headers=bearing(secret)).status_code == 200
        for other in (secret[:-1] + "x", "clr_", secret.upper()):
            refused = client.get("/api/v1/cohorts", headers=bearing(other))
            assert refused.status_code == 401
            assert 'error="invalid_token"' in refused.headers["www-authenticate"]
        Tokens(university.desk).withdraw(token.id, university.now)
        assert client.get("/api/v1/cohorts", headers=bearing(secret)).status_code == 401
        lasting, _ = give_token(university, "dean")
        university.later(days=399)
        assert client.get("/api/v1/cohorts", headers=bearing(lasting)).status_code == 200
        university.later(days=2)
        assert client.get("/api/v1/cohorts", headers=bearing(lasting)).status_code == 401

    def test_one_of_a_shut_account_opens_nothing(self, university: World, client: TestClient) -> None:
        secret, _ = give_token(university, "dean")
        university.accounts.deactivate("dean")
        assert client.get("/api/v1/cohorts", headers=bearing(secret)).status_code == 401

    def test_it_has_the_grants_its_account_has_now(self, university: World, ask: Ask) -> None:
        assert ask("dean", "/overview").status_code == 200
        with writing(university.desk_engine, "desk", "desk") as connection:
            connection.execute(tables.grant.delete())
        assert ask("dean", "/overview").status_code == 403

    def test_it_is_known_by_its_digest_and_found_by_its_beginning(self, university: World) -> None:
        secret, token = give_token(university, "dean")
        assert secret.startswith("clr_")
        assert len(secret) == 4 + 64
        with university.desk_engine.connect() as connection:
            (row,) = connection.execute(tables.token.select())
        assert row.token_hash == hash_of(secret)
        assert secret[4:].encode() not in b"".join(str(cell).encode() for cell in row)
        assert token.id == row.token_hash.hex()[:12]

    def test_that_it_is_in_use_is_noted_once_an_hour(self, university: World, ask: Ask) -> None:
        def used() -> datetime | None:
            (token,) = Tokens(university.desk).listed()
            return token.used_at

        ask("dean", "/cohorts")
        first = used()
        assert first == university.now
        university.later(minutes=59)
        ask("dean", "/cohorts")
        assert used() == first
        university.later(minutes=1)
        ask("dean", "/cohorts")
        assert used() == university.now

    def test_each_has_so_many_requests_a_minute(self, university: World) -> None:
        few = university.settings.model_copy(update={"api": university.settings.api.model_copy(update={"rate": 3})})
        with TestClient(application(few, clock=university.clock)) as browser:
            one, other = give_token(university, "dean")[0], give_token(university, "dean", "other")[0]
            answers = [browser.get("/api/v1/cohorts", headers=bearing(one)) for _ in range(4)]
            assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
            assert answers[-1].headers["retry-after"] == "20"
            assert browser.get("/api/v1/cohorts", headers=bearing(other)).status_code == 200
            university.later(seconds=20)
            assert browser.get("/api/v1/cohorts", headers=bearing(one)).status_code == 200


class TestTheAuditLog:
    @pytest.fixture
    def lines(self, university: World) -> Any:
        """Return how many lines say that a student, or a list, was looked at."""
        audit = Audit(university.desk)
        return lambda event: [(line.account, line.student) for line in audit.newest(event=event)]

    def test_a_look_at_a_student_is_noted_once_an_hour_for_each_token(
        self, university: World, ask: Ask, lines: Any, client: TestClient
    ) -> None:
        for _ in range(3):
            ask("dean", f"/students/{LIN.number}")
        assert lines(AuditEvent.SAW_STUDENT) == [("dean", LIN.number)]
        ask("dean", f"/students/{QIAN.number}")
        ask("auditor", f"/students/{QIAN.number}")
        assert len(lines(AuditEvent.SAW_STUDENT)) == 3
        university.later(minutes=61)
        ask("dean", f"/students/{LIN.number}")
        assert len(lines(AuditEvent.SAW_STUDENT)) == 4

    def test_another_worker_notes_it_no_second_time(self, university: World, lines: Any) -> None:
        secret, token = give_token(university, "dean")
        for _ in range(2):
            with TestClient(application(university.settings, clock=university.clock)) as browser:
                browser.get(f"/api/v1/students/{LIN.number}", headers=bearing(secret))
        assert lines(AuditEvent.SAW_STUDENT) == [("dean", LIN.number)]
        (line,) = Audit(university.desk).newest(event=AuditEvent.SAW_STUDENT)
        assert line.detail == {"token": token.id}

    def test_what_was_not_shown_is_not_noted_and_neither_is_the_own_page(self, ask: Ask, lines: Any) -> None:
        ask("counsellor", f"/students/{LIN.number}")
        ask(LIN.number, f"/students/{LIN.number}")
        assert lines(AuditEvent.SAW_STUDENT) == []

    def test_a_list_is_noted_with_what_was_asked(self, university: World, ask: Ask) -> None:
        for after in ("", LIN.number):
            ask("dean", "/students", state="held", **({"after": after} if after else {}))
        (line,) = Audit(university.desk).newest(event=AuditEvent.SAW_LIST)
        assert line.detail["asked"] == "state=held"


class TestProblems:
    @pytest.mark.parametrize(
        ("path", "parameters", "known"),
        [
            ("/students", {"stat": "held"}, "state"),
            ("/cohorts", {"cohort": "2019"}, None),
            ("/students", {"state": "lost"}, "held"),
            ("/students", {"step": "gym"}, "library"),
            ("/overview", {"cohort": "1999"}, "2019"),
            ("/overview", {"lang": "fr"}, "zh"),
        ],
    )
    def test_what_is_unknown_is_shown_with_what_is_known(
        self, ask: Ask, path: str, parameters: dict[str, str], known: str | None
    ) -> None:
        answer = ask("dean", path, **parameters)
        problem = answer.json()
        assert (answer.status_code, problem["status"], problem["title"]) == (400, 400, "Bad Request")
        assert answer.headers["content-type"] == "application/problem+json"
        assert known in problem["known"] if known else problem["known"] == []

    @pytest.mark.parametrize("limit", ["0", "501", "-1", "1.0", " 5", "many", "٥"])
    def test_a_limit_that_makes_no_sense_is_refused(self, ask: Ask, limit: str) -> None:
        assert ask("dean", "/students", limit=limit).status_code == 400

    def test_a_parameter_given_twice_is_refused(self, university: World, client: TestClient) -> None:
        secret, _ = give_token(university, "dean")
        answer = client.get("/api/v1/students?state=held&state=cleared", headers=bearing(secret))
        assert answer.status_code == 400

    def test_what_is_not_there_and_what_cannot_be_done_are_problems_too(self, client: TestClient) -> None:
        nowhere, post = client.get("/api/v1/nowhere"), client.post("/api/v1/students")
        assert (nowhere.status_code, post.status_code) == (404, 405)
        assert nowhere.headers["content-type"] == post.headers["content-type"] == "application/problem+json"
        assert "GET" in post.headers["allow"]

    def test_a_database_that_fails_is_a_503_and_reveals_nothing_of_itself(self, university: World, ask: Ask) -> None:
        ask("dean", "/cohorts")
        with university.engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE student RENAME TO gone")
        answer = ask("dean", f"/students/{LIN.number}")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")
        assert "student" not in answer.json()["detail"]

    def test_what_breaks_is_a_problem_and_reveals_nothing_of_itself(
        self, university: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def breaks(*_: object) -> None:
            raise RuntimeError("the inner workings")

        monkeypatch.setattr("portal.api.wording.student", breaks)
        secret, _ = give_token(university, "dean")
        with TestClient(
            application(university.settings, clock=university.clock), raise_server_exceptions=False
        ) as browser:
            answer = browser.get(f"/api/v1/students/{LIN.number}", headers=bearing(secret))
        assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
        assert "inner" not in answer.text
        assert answer.headers["cache-control"] == "no-store"


class TestHowItIsServed:
    def test_nothing_is_kept_and_no_cookie_is_set(self, ask: Ask) -> None:
        for path in ("/cohorts", "/students", f"/students/{LIN.number}", "/openapi.json", "/nowhere"):
            answer = ask("dean", path)
            assert answer.headers["cache-control"] == "no-store"
            assert "set-cookie" not in answer.headers
            assert "access-control-allow-origin" not in answer.headers

    def test_other_origins_may_ask_only_where_the_settings_name_them(self, university: World) -> None:
        named = university.settings.api.model_copy(update={"origins": ["https://portal.example"]})
        settings = university.settings.model_copy(update={"api": named})
        secret, _ = give_token(university, "dean")
        with TestClient(application(settings, clock=university.clock)) as browser:
            ours = browser.get("/api/v1/cohorts", headers=bearing(secret) | {"Origin": "https://portal.example"})
            assert ours.headers["access-control-allow-origin"] == "https://portal.example"
            assert "access-control-allow-credentials" not in ours.headers
            theirs = browser.get("/api/v1/cohorts", headers=bearing(secret) | {"Origin": "https://evil.example"})
            assert "access-control-allow-origin" not in theirs.headers
            page = browser.get("/sign-in", headers={"Origin": "https://portal.example"})
            assert "access-control-allow-origin" not in page.headers

    def test_it_can_be_off(self, university: World) -> None:
        off = university.settings.model_copy(
            update={"api": university.settings.api.model_copy(update={"enabled": False})}
        )
        with TestClient(application(off, clock=university.clock)) as browser:
            assert browser.get("/api/v1/openapi.json").status_code == 404


def test_on_both_databases_everything_is_answered(world: World) -> None:
    settle(world)
    secret, _ = give_token(world, "dean")
    with TestClient(application(world.settings, clock=world.clock)) as browser:
        for path in (
            "/cohorts",
            f"/students/{LIN.number}",
            "/students?state=held&step=library",
            "/overview",
            "/sources",
        ):
            answer = browser.get(f"/api/v1{path}", headers=bearing(secret))
            assert answer.status_code == 200, answer.text
            assert json.loads(answer.content)
            browser.get(f"/api/v1{path}", headers=bearing(secret))
    assert len(Audit(world.desk).newest(event=AuditEvent.SAW_STUDENT)) == 1
