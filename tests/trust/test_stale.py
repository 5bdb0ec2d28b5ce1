"""Promise 7: stale is shown as stale, everywhere.

The library's loans answer once and then no more, while every other source goes on. At four ages of that answer each
page of the portal, in both languages, and each command that reads is opened: it is marked, with its time, wherever it
shows the step, and nowhere before.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from io import BytesIO
from itertools import product
from typing import Any

import pytest
import typer
from openpyxl import load_workbook
from sqlalchemy import insert
from starlette.routing import Mount, Route
from starlette.testclient import TestClient
from typer.testing import CliRunner

from clearance.main import app as command_line
from connectors.port import SourceUnavailable
from portal.api.routes import ENDPOINTS
from portal.documents import clearance_slip
from portal.web.former_addresses import FormerAddress
from status_db import tables
from status_db.decisions.writer import DecisionRequest
from status_db.inbox.appeal_rows import AppealEvidence
from status_db.inbox.appeals import Appeals
from status_db.model import ROSTER, RunState, State, Verdict
from status_db.store.engine import writing
from tests.cast import LIN, QIAN, SUN, ZHAO
from tests.portal import pdf_text
from tests.portal.api.conftest import bearing, give_token
from tests.portal.conftest import enter, lin_objects, settle
from tests.portal.html_page import Page
from tests.portal.sheets import a_sheet
from tests.portal.whole import whole_app
from tests.world import COHORT, World

#: Addresses that show what was, or nobody's steps. Every other one must say of a stale step that it is stale.
SAYS_NOTHING_OF_NOW = {
    "/sign-in", "/sign-out", "/first-password", "/new-password", "/second-factor", "/own", "/students", "/runs",
    "/runs/{run:id}", "/runs/{run:id}/revert-preview", "/unmatched", "/unmatched.xlsx", "/accounts",
    "/accounts/{account:name}", "/new-account", "/recheck", "/trip.ics", "/announcements", "/announcements/new",
    "/audit", "/audit.xlsx", "/retention", "/healthz", "/livez", "/readyz", "/static", "/desk/paper/entered/{sheet:id}",
    "/desk/certificates", "/desk/certificates.xlsx",
    "/desk/certificates/issue", "/desk/certificates/sign-off", "/desk/certificates/{certificate:id}",
    "/desk/import", "/desk/import/batches",
    "/desk/import/batches/{batch:id}", "/desk/import/batches/{batch:id}/result.xlsx",
}  # fmt: skip

#: Made of what is fresh alone, for who is done with everything; tried apart.
FOR_WHO_IS_DONE = {"/slip", "/slip.pdf", "/slip.svg"}

#: Of providers that this university has not, and of lists that none of its offices brings.
NOT_HERE = {
    "/desk/list", "/desk/list/{upload:id}",
    "/sign-in/cas", "/sign-in/cas/back", "/sign-out/cas", "/sign-in/oidc", "/sign-in/oidc/back", "/sign-out/oidc",
}  # fmt: skip

#: What an address must ask for.
ASKED = {
    "/lists/reminder": {"college": LIN.college, "class": LIN.class_name},
    "/desk/paper/slip.pdf": {"number": LIN.number},
    "/desk/paper/entry": {"college": LIN.college, "class": LIN.class_name},
    "/desk/classes/review": {"college": SUN.college, "class": SUN.class_name},
    "/appeal": {"step": "library"},
    "/desk/send-back": {"student": SUN.number},
}

#: Who reviews sees no step but the review itself, and what it waits for on these.
REVIEWERS_OWN = {
    "/desk/classes", "/desk/classes/review", "/desk/review-again", "/desk/send-back", "/desk/sent-back",
}  # fmt: skip

#: The same of commands: what was, what is only proposed, or nobody's steps.
COMMANDS_SAY_NOTHING_OF_NOW = {
    "check", "plan", "sync", "unmatched", "runs list", "runs show", "runs revert", "runs spot-check", "expect list",
    "override list", "accounts list", "import results", "import list", "certificates list", "tokens list", "backup",
    "verify", "retention", "log-name", "notify list", "notify test", "accounts addresses",
    "institutions list", "institutions add",
}  # fmt: skip

WORDS = {"zh": "数据过期（截至 {}）", "en": "Out of date (as of {})"}
ANY_WORD = re.compile(r"数据过期|Out of date|\bstale\)")


@dataclass(frozen=True, slots=True)
class Age:
    """How old the library's answer is, against its limit."""

    name: str
    of: Callable[[timedelta], timedelta]
    stale: bool


AGES = (
    Age("fresh", lambda _: timedelta(minutes=20), stale=False),
    Age("a minute before its limit", lambda limit: limit - timedelta(minutes=1), stale=False),
    Age("at its limit", lambda limit: limit, stale=True),
    Age("long after its limit", lambda limit: 10 * limit, stale=True),
)


class Frozen:
    """A world whose library answered once, at `as_of`; `age` moves on and keeps every other source fresh."""

    def __init__(self, world: World) -> None:
        self.world = world
        settle(world)
        # Everything of Zhao's is done, Sun waits for the review alone, Qian's library step was decided by a person.
        for who in (ZHAO, SUN):
            self._decide(who.number, "college_items", "无借阅")
        self._review(ZHAO.number)
        self._decide(QIAN.number, "library", "现场归还")
        lin_objects(world)
        self._send_back(SUN.number)
        view = next(view for view in world.reader.sources(COHORT) if view.source == "loans")
        assert view.as_of is not None
        assert view.fresh_until is not None
        self.as_of: datetime = view.as_of
        self.limit = view.fresh_until - view.as_of

        a_sheet(world)

    def _decide(self, student: str, step: str, reason: str) -> None:
        self.world.decisions.enter(DecisionRequest(student, step, Verdict.CLEARED, reason), "somebody", self.world.now)

    def _send_back(self, student: str) -> None:
        now, status = self.world.now, self.world.student(student).steps[0]
        Appeals(self.world.desk).send_back(
            COHORT,
            student,
            status.step,
            "请再核对。",
            account="reviewer",
            seen=AppealEvidence.of(status, now),
            due=now,
            now=now,
        )

    def _review(self, student: str) -> None:
        """Enter a review as its reviewer's act leaves it: resting on what is stored now."""
        review = next(s for s in self.world.student(student).steps if s.step == "final_review")
        assert review.at(self.world.now).state is State.OPEN
        now = self.world.now
        given = {"verdict": Verdict.CLEARED, "author": "reviewer", "reason": "", "words": "", "note": ""}
        seen = {
            "answered_verdict": Verdict.UNKNOWN,
            "answered_keys": [],
            "reviewed_versions": dict(review.reviewable_versions),
        }
        with writing(self.world.engine, COHORT) as connection:
            connection.execute(
                insert(tables.decision).values(
                    cohort=COHORT, student=student, step=review.step, decided_at=now, entered_at=now, **given, **seen
                )
            )

    def age(self, age: Age) -> None:
        """Come to this age: the library is asked, and does not answer; the others do."""
        at = self.as_of + age.of(self.limit)
        self.world.now = at - timedelta(minutes=10)
        self.world.fails["loans"] = SourceUnavailable("the library does not answer", "Wait.")
        for name in self.world.sync.names():
            frozen = name == "loans"
            assert (self.world.run(name).state is RunState.FAILED) is frozen, name
        self.world.now = at

    def moment(self, language: str) -> str:
        """Write when the library last answered, as the pages do."""
        local = self.as_of.astimezone(self.world.settings.institution.timezone)
        return f"{local.day} May, {local:%H:%M}" if language == "en" else f"5月{local.day}日 {local:%H:%M}"


@pytest.fixture
def frozen(sqlite_world: World) -> Frozen:
    """The library has answered once."""
    return Frozen(sqlite_world)


every_age = pytest.mark.parametrize("age", AGES, ids=lambda age: age.name)


@pytest.fixture
def browser(frozen: Frozen) -> Iterator[TestClient]:
    """A browser before the portal."""
    portal = whole_app(frozen.world)
    with TestClient(portal, base_url="http://testserver", follow_redirects=True) as opened:
        yield opened


def token_of_one_who_was_done(frozen: Frozen) -> str:
    """Return the token of a slip that was made while everything was fresh."""
    was = frozen.as_of + timedelta(minutes=20)
    student = frozen.world.reader.student(COHORT, ZHAO.number, was)
    assert student is not None
    return clearance_slip.seal(clearance_slip.make(student, was), frozen.world.desk_key.of(clearance_slip.USE))


def addresses(browser: TestClient, token: str) -> dict[str, list[str]]:
    """Return each of the portal's routes that can be read, with addresses to visit it at."""
    found: dict[str, list[str]] = {}
    for route in browser.app.routes:  # type: ignore[attr-defined]  # httpx types the application as a bare callable
        assert isinstance(route, Route | Mount), route
        if isinstance(route, Mount | FormerAddress) or "GET" not in (route.methods or ()):
            continue
        if route.path in FOR_WHO_IS_DONE | NOT_HERE:
            continue
        path = re.sub(r"\{\w+:id\}", "1", route.path)
        path = path.replace("{token:name}", token).replace("{account:name}", "dean")
        people = (LIN.number, SUN.number) if "{number:name}" in path else ("",)
        found[route.path] = [path.replace("{number:name}", who) for who in people]
        assert "{" not in found[route.path][0], f"this test does not know how to visit {route.path}"
    return found


def words_of(answer: Any) -> str:
    """Return the words of a page, of a workbook's cells, or of a sheet of paper."""
    if "pdf" in answer.headers["content-type"]:
        return pdf_text.text_of(answer.content)
    if "spreadsheet" not in answer.headers["content-type"]:
        return text_of(answer.text)
    sheets = load_workbook(BytesIO(answer.content)).worksheets
    rows = (row for sheet in sheets for row in sheet.iter_rows(values_only=True))
    return " ".join(str(cell) for row in rows for cell in row if cell is not None)


def text_of(page: str) -> str:
    """Return a page's words, without what was, the history of a student's steps, and what may be asked for."""
    page = re.sub(r'<details class="history">.*?</details>|<select.*?</select>', "", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


class TestPages:
    @every_age
    def test_every_page_that_shows_the_step_reports_it_with_its_time(
        self, frozen: Frozen, browser: TestClient, age: Age
    ) -> None:
        # Read back then: what was answered later than its moment would be stale, as no answer comes from tomorrow.
        token = token_of_one_who_was_done(frozen)
        frozen.age(age)
        words = {language: said.format(frozen.moment(language)) for language, said in WORDS.items()}
        seen: set[str] = set()
        for account in ("dean", "librarian", "admin", "reviewer", LIN.number, SUN.number):
            browser.cookies.clear()
            enter(browser, account)
            visits = [(route, path) for route, paths in addresses(browser, token).items() for path in paths]
            for (route, path), language in product(visits, WORDS):
                if account == "reviewer" and route not in REVIEWERS_OWN:
                    continue
                answer = browser.get(path, params={"lang": language, **ASKED.get(route, {})})
                if answer.status_code != 200 or answer.url.path != path:
                    continue
                seen.add(route)
                page, where = words_of(answer), f"{path} for {account}, {language}"
                if age.stale and route not in SAYS_NOTHING_OF_NOW:
                    # In the middle of a sentence it begins with a small letter.
                    assert words[language].lower() in page.lower(), where
                else:
                    assert not ANY_WORD.search(page), where
        assert set(addresses(browser, token)) - SAYS_NOTHING_OF_NOW <= seen

    @every_age
    def test_the_overview_reports_it_beside_each_figure_of_the_step_and_no_other(
        self, frozen: Frozen, browser: TestClient, age: Age
    ) -> None:
        """Once at the head, once in the step's own line, once over its column in the table by college."""
        frozen.age(age)
        enter(browser, "dean")
        page = browser.get("/overview").text
        assert len(ANY_WORD.findall(page)) == (3 if age.stale else 0)
        heads = [head.text for head in Page(page).one("table", class_="heat").all("th", scope="col")]
        (column,) = (head for head in heads if head.startswith("图书馆"))
        assert bool(ANY_WORD.search(column)) is age.stale

    @every_age
    def test_nothing_stale_is_called_done(self, frozen: Frozen, browser: TestClient, age: Age) -> None:
        frozen.age(age)
        enter(browser, ZHAO.number)
        assert ("可领证" in browser.get("/").text) is not age.stale
        assert (browser.get("/slip").url.path == "/slip") is not age.stale

    def test_what_a_person_decided_is_never_stale(self, frozen: Frozen, browser: TestClient) -> None:
        frozen.age(AGES[-1])
        enter(browser, QIAN.number)
        page = browser.get("/").text
        assert "通过·人工办理" in page
        assert not ANY_WORD.search(page)


class TestTheApi:
    def test_every_endpoint_is_known_here(self) -> None:
        """A new one is either looked at below, or shows nothing of what counts now."""
        assert {endpoint.path for endpoint, _ in ENDPOINTS} == {
            "/cohorts", "/students/{number}", "/students", "/overview", "/sources", "/recheck",
        }  # fmt: skip

    @pytest.fixture
    def said(self, frozen: Frozen, browser: TestClient) -> Callable[..., Any]:
        """Ask with a dean's token."""
        secret, _ = give_token(frozen.world, "dean")
        return lambda path, **asked: browser.get(f"/api/v1{path}", params=asked, headers=bearing(secret)).json()

    @every_age
    def test_each_step_of_a_student_reports_it_with_its_time(
        self, frozen: Frozen, said: Callable[..., Any], age: Age
    ) -> None:
        frozen.age(age)
        for language, words in WORDS.items():
            whole = said(f"/students/{LIN.number}", lang=language)
            for step in whole["steps"]:
                stale = age.stale and step["step"] == "library"
                assert step["stale"] is stale, step["step"]
                assert step["stale_word"] == (words.format(frozen.moment(language)) if stale else "")
                if step["step"] == "library":
                    assert datetime.fromisoformat(step["as_of"]) == frozen.as_of

    @every_age
    def test_nothing_stale_is_called_clear(self, frozen: Frozen, said: Callable[..., Any], age: Age) -> None:
        frozen.age(age)
        done = said(f"/students/{ZHAO.number}")
        assert (done["headline"]["text"] == "可领证") is not age.stale
        assert all(step["clear"] for step in done["steps"]) is not age.stale
        decided = next(s for s in said(f"/students/{QIAN.number}")["steps"] if s["step"] == "library")
        assert (decided["stale"], decided["clear"]) == (False, True)

    @every_age
    def test_lists_figures_and_sources_say_so(self, frozen: Frozen, said: Callable[..., Any], age: Age) -> None:
        frozen.age(age)
        for line in said("/students")["students"]:
            told = {step["step"] for step in line["steps"] if step["stale"]}
            assert told == ({"library"} if age.stale and line["number"] != QIAN.number else set())
            assert all(bool(step["stale_word"]) is step["stale"] for step in line["steps"])
        overview = said("/overview")
        for tallies in (overview["steps"], *(college["steps"] for college in overview["colleges"])):
            assert {each["step"] for each in tallies if each["stale"]} == ({"library"} if age.stale else set())
        sources = {each["source"]: each["stale"] for each in said("/sources")["sources"]}
        assert sources == dict.fromkeys((ROSTER, *frozen.world.settings.source), False) | {"loans": age.stale}


class TestCommands:
    @pytest.fixture
    def said(self, frozen: Frozen, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
        """Run a command in this world, at its time."""
        monkeypatch.setenv("STATUS_URL", frozen.world.url)
        monkeypatch.setattr("clearance.context.clock_of", lambda _settings: frozen.world.clock)

        def say(*words: str) -> str:
            result = CliRunner().invoke(command_line, ["--config", str(frozen.world.file), *words])
            assert result.exit_code == 0, result.output
            return result.output

        return say

    def test_every_command_that_reads_is_known_here(self) -> None:
        """A new one is either looked at below, or shows nothing of what counts now."""
        reading = set(_that_read(typer.main.get_command(command_line)))
        assert reading == COMMANDS_SAY_NOTHING_OF_NOW | {"status", "sources", "report"}

    @every_age
    def test_status_reports_it(self, frozen: Frozen, said: Callable[..., str], age: Age) -> None:
        frozen.age(age)
        for who in (LIN.number, SUN.number):
            effective_statuses = json.loads(said("status", who, "--json"))["standings"]
            for each in effective_statuses:
                stale = age.stale and each["step"]["step"] == "library"
                assert each["standing"]["stale"] is stale, each["step"]["step"]
                if stale:
                    assert each["counts_as_clear"] is False
                    assert datetime.fromisoformat(each["step"]["as_of"]) == frozen.as_of
            lines = [line for line in said("status", who).splitlines() if ANY_WORD.search(line)]
            assert ["(library)" in line for line in lines] == ([True] if age.stale else [])
            assert all(self._moment(frozen) in line for line in lines)

    @every_age
    def test_sources_reports_it(self, frozen: Frozen, said: Callable[..., str], age: Age) -> None:
        frozen.age(age)
        told: dict[str, Any] = {
            each["source"]["source"]: each["stale"] for each in json.loads(said("sources", "--json"))
        }
        assert told == dict.fromkeys((ROSTER, *frozen.world.settings.source), False) | {"loans": age.stale}
        lines = [line for line in said("sources").splitlines() if ANY_WORD.search(line)]
        assert [line.split()[0] for line in lines] == (["loans"] if age.stale else [])
        assert all(self._moment(frozen) in line for line in lines)

    @every_age
    def test_the_report_reports_it(self, frozen: Frozen, said: Callable[..., str], age: Age) -> None:
        frozen.age(age)
        whole = json.loads(said("report", "--json"))
        assert whole["stale"] == (["library"] if age.stale else [])
        assert datetime.fromisoformat(whole["report"]["freshness"]["library"]["as_of"]) == frozen.as_of
        lines = [line for line in said("report").splitlines() if ANY_WORD.search(line)]
        assert [line.split()[0] for line in lines] == (["Library"] if age.stale else [])
        assert all(frozen.moment("en") in line for line in lines)

    @staticmethod
    def _moment(frozen: Frozen) -> str:
        return f"{frozen.as_of.astimezone(frozen.world.settings.institution.timezone):%Y-%m-%d %H:%M}"


def _that_read(command: Any, name: str = "") -> Iterator[str]:
    """Give the commands with a --json option, by name."""
    for sub, inner in getattr(command, "commands", {}).items():
        yield from _that_read(inner, f"{name} {sub}".strip())
    if any("--json" in option.opts for option in command.params):
        yield name


class TestWhatRestsOnIt:
    @every_age
    def test_a_review_does_not_open_on_it(self, frozen: Frozen, age: Age) -> None:
        frozen.age(age)
        world = frozen.world
        steps = {step.step: step for step in world.student(SUN.number).steps}
        assert steps["library"].counts_as_clear(world.now) is not age.stale
        assert steps["final_review"].at(world.now).state is (State.CLOSED if age.stale else State.OPEN)
        counted = world.reader.overview(COHORT, world.now).by_step["final_review"].by_state
        assert counted.get(State.OPEN, 0) == (0 if age.stale else 1)

    @every_age
    def test_a_review_that_was_given_lapses_with_it(self, frozen: Frozen, age: Age) -> None:
        frozen.age(age)
        review = next(s for s in frozen.world.student(ZHAO.number).steps if s.step == "final_review")
        assert review.counts_as_clear(frozen.world.now) is not age.stale

    def test_and_heals_with_the_next_answer(self, frozen: Frozen) -> None:
        frozen.age(AGES[-1])
        frozen.world.fails.clear()
        assert frozen.world.run("loans").state is RunState.UNCHANGED
        assert all(not step.at(frozen.world.now).stale for step in frozen.world.student(LIN.number).steps)
