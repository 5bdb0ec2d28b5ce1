"""Promise 10 as a matrix: every route there is × everybody there is × an own, a foreign and a missing student.

A NEW ROUTE NEEDS ONE LINE in `LINES` below: who may ask for it, and for a form what it may hold. Where its address
names something this matrix has never met, `OBJECTS` needs one line, too. Without them the first test fails and says so.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum, auto
from itertools import product
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.testclient import TestClient

from portal.auth.sessions import form_token, hash_of, new_token
from portal.student import recheck
from portal.web.former_addresses import FormerAddress
from status_db.decisions.batch_rows import ImportRow
from status_db.decisions.batches import Batches, BatchKind
from status_db.decisions.certificates import Issue
from status_db.inbox.announcements import Announcements
from status_db.model import Verdict
from tests.cast import LIN, QIAN, SUN
from tests.portal.api.conftest import bearing, give_token
from tests.portal.conftest import PASSWORD, lin_objects, settle
from tests.portal.sheets import a_sheet
from tests.portal.student.test_card import pass_everything
from tests.portal.whole import whole_app
from tests.world import World

#: Everybody there is, with the account of each. The counsellor is of the other student's college alone.
PEOPLE = {
    "student": LIN.number,
    "other student": QIAN.number,
    "counsellor": "counsellor",
    "librarian": "librarian",
    "reviewer": "reviewer",
    "dean": "dean",
    "admin": "admin",
    "auditor": "auditor",
    "nobody": "nobody",
}

STUDENTS = frozenset({"student", "other student"})
READERS = frozenset({"counsellor", "librarian", "dean", "auditor"})
#: Who has a place at the desk.
DESK = frozenset({"librarian", "reviewer"})
#: Of them, who decides.
DECIDERS = frozenset({"librarian"})
#: Who reviews there and issues certificates, of the other student's college alone; and a class of it.
REVIEWERS = frozenset({"reviewer"})
CLASS = {"college": SUN.college, "class": SUN.class_name}
#: Who reads everything, and administrators.
OVERSEERS = frozenset({"dean", "auditor", "admin"})
ADMIN, AUDITOR = frozenset({"admin"}), frozenset({"auditor"})
EVERYBODY = frozenset(PEOPLE)

#: Whom each may read about, of the two students and one who does not exist.
INSIDE: Mapping[str, frozenset[str]] = {
    "student": frozenset({LIN.number}),
    "other student": frozenset({QIAN.number}),
    "counsellor": frozenset({QIAN.number}),
    "librarian": frozenset({LIN.number, QIAN.number}),
    "reviewer": frozenset({QIAN.number}),
    "dean": frozenset({LIN.number, QIAN.number}),
    "auditor": frozenset({LIN.number, QIAN.number}),
}

MISSING = "20990009"


class Door(Enum):
    """How a route is entered."""

    #: By anybody, signed in or not.
    OPEN = auto()
    #: By who has signed in; others are sent to do so.
    SESSION = auto()
    #: By who brings a token; a session is worth nothing here.
    TOKEN = auto()
    #: By nobody: the tests' settings have it switched off, and it looks like a page that does not exist.
    SHUT = auto()


@dataclass(frozen=True, slots=True)
class Line:
    """One route: who may ask for it. Whoever else has signed in is refused, alike for whatever object."""

    method: str
    path: str
    may: frozenset[str] = EVERYBODY
    door: Door = Door.SESSION
    #: What the address asks for, where it must.
    query: Mapping[str, str] = field(default_factory=dict)
    #: For a form: fields that make sense, without the token.
    form: Mapping[str, str] = field(default_factory=dict)
    #: For what is sent by a program, and so brings no form's token: what stands in its place.
    instead_of_a_form: str = ""

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


LINES = (
    Line("GET", "/", EVERYBODY - {"nobody"}),
    Line("GET", "/slip", STUDENTS),
    Line("GET", "/slip.svg", STUDENTS),
    Line("GET", "/slip.pdf", STUDENTS),
    Line("GET", "/trip.ics", STUDENTS),
    Line("GET", "/verify/{token:name}", door=Door.OPEN),
    Line("GET", "/recheck", STUDENTS),
    Line("POST", "/recheck", STUDENTS),
    Line("GET", "/appeal", STUDENTS, query={"step": "dorm"}),
    Line("POST", "/appeal", STUDENTS, form={"step": "dorm", "item": "", "text": "已经退房了。"}),
    Line("POST", "/appeal/{appeal:id}/withdraw", frozenset({"student"})),
    Line("GET", "/appeal/{appeal:id}/record", frozenset({"student"})),
    Line("GET", "/overview", READERS),
    Line("GET", "/overview.xlsx", READERS),
    Line("GET", "/lists", READERS),
    Line("GET", "/lists.xlsx", READERS),
    Line("GET", "/lists/reminder", READERS, query={"college": QIAN.college, "class": QIAN.class_name}),
    Line("POST", "/lists/reminder", READERS, form={"college": QIAN.college, "class": QIAN.class_name}),
    Line("GET", "/report", READERS),
    Line("GET", "/report.xlsx", READERS),
    Line("GET", "/students", READERS),
    Line("GET", "/students/{number:name}", READERS),
    Line("GET", "/desk", DESK),
    Line("POST", "/desk/decide", DECIDERS, form={"verdict": "cleared", "reason": "现场归还"}),
    Line("GET", "/desk/paper", DESK),
    Line("GET", "/desk/paper.pdf", DESK),
    Line("GET", "/desk/paper/slip.pdf", DESK),
    Line("GET", "/desk/paper/entry", DECIDERS),
    Line("POST", "/desk/paper/entry", DECIDERS, form={"pasted": LIN.number}),
    Line("GET", "/desk/paper/entered/{sheet:id}", DECIDERS),
    Line("POST", "/desk/paper/entered/{sheet:id}/undo", DECIDERS, form={"because": "录错了"}),
    Line("GET", "/desk/students/{number:name}", DESK),
    Line("POST", "/desk/students/{number:name}/decide", DECIDERS, form={"verdict": "cleared", "reason": "现场归还"}),
    Line("POST", "/desk/students/{number:name}/withdraw", DECIDERS, form={"because": "看错人"}),
    Line("POST", "/desk/students/{number:name}/review", REVIEWERS, form={"verdict": "held", "reason": "照片不合格"}),
    Line("POST", "/desk/students/{number:name}/withdraw-review", REVIEWERS, form={"because": "看错人"}),
    Line("GET", "/desk/classes", REVIEWERS),
    Line("GET", "/desk/classes/review", REVIEWERS, query=CLASS),
    Line("POST", "/desk/classes/review", REVIEWERS, form={**CLASS, "kind": "毕业证书", "do": "preview"}),
    Line("POST", "/desk/classes/recheck", REVIEWERS, form=CLASS),
    Line("GET", "/desk/certificates", REVIEWERS),
    Line("GET", "/desk/certificates.xlsx", REVIEWERS),
    Line("POST", "/desk/certificates/hand-over", REVIEWERS, form={"certificate": "1"}),
    Line("GET", "/desk/certificates/issue", REVIEWERS),
    Line("POST", "/desk/certificates/issue", REVIEWERS, form={"student": QIAN.number, "number": "C-9"}),
    Line("GET", "/desk/certificates/sign-off", REVIEWERS, query=CLASS),
    Line("GET", "/desk/certificates/{certificate:id}", REVIEWERS),
    Line("POST", "/desk/certificates/{certificate:id}/hand-over", REVIEWERS, form={"collected": "self"}),
    Line("POST", "/desk/certificates/{certificate:id}/revoke", REVIEWERS, form={"because": "印错"}),
    Line("GET", "/desk/review-again", REVIEWERS),
    Line("GET", "/desk/appeals", DESK),
    Line("GET", "/desk/appeals/{appeal:id}", frozenset({"librarian"})),
    Line("GET", "/desk/appeals/{appeal:id}/record", frozenset({"librarian"})),
    Line("POST", "/desk/appeals/{appeal:id}/recheck", frozenset({"librarian"})),
    Line(
        "POST",
        "/desk/appeals/{appeal:id}/answer",
        frozenset({"librarian"}),
        form={"outcome": "explained", "answer": "已核对。"},
    ),
    Line("GET", "/desk/send-back", frozenset({"reviewer"}), query={"student": QIAN.number}),
    Line(
        "POST",
        "/desk/send-back",
        frozenset({"reviewer"}),
        form={"student": QIAN.number, "step": "library", "text": "请再核对。"},
    ),
    Line("GET", "/desk/sent-back", frozenset({"reviewer"})),
    # No office of this university brings its list: tests/portal/desk/test_full_list.py has one that does.
    Line("GET", "/desk/list", frozenset()),
    Line("POST", "/desk/list", frozenset(), form={"source": "loans"}),
    Line("GET", "/desk/list/{upload:id}", frozenset()),
    Line("POST", "/desk/list/{upload:id}", frozenset(), form={"rows": "1"}),
    Line("GET", "/desk/import", DECIDERS),
    Line("POST", "/desk/import", DECIDERS, form={"file": ""}),
    Line("GET", "/desk/import/template.xlsx", DECIDERS),
    Line("GET", "/desk/import/{upload:id}", DECIDERS),
    Line("POST", "/desk/import/{upload:id}", DECIDERS, form={"digest": "00"}),
    Line("GET", "/desk/import/batches", DECIDERS),
    Line("GET", "/desk/import/batches/{batch:id}", DECIDERS),
    Line("GET", "/desk/import/batches/{batch:id}/result.xlsx", DECIDERS),
    Line("POST", "/desk/import/batches/{batch:id}/undo", DECIDERS, form={"reason": "传错了表"}),
    Line("GET", "/sources", OVERSEERS),
    Line("POST", "/sources/{source:name}/sync", ADMIN),
    Line("POST", "/sources/{source:name}/pause", ADMIN, form={"reason": "系统升级"}),
    Line("POST", "/sources/{source:name}/resume", ADMIN),
    Line("GET", "/runs", OVERSEERS | {"librarian"}),
    Line("GET", "/runs/{run:id}", OVERSEERS),
    Line("POST", "/runs/{run:id}/vote", ADMIN, form={"vote": "approve", "digest": "00", "checked": "1"}),
    Line("GET", "/runs/{run:id}/revert-preview", ADMIN),
    Line("POST", "/runs/{run:id}/revert-preview", ADMIN),
    Line("POST", "/runs/{run:id}/revert", ADMIN, form={"digest": "00", "reason": "x"}),
    Line("GET", "/unmatched", OVERSEERS),
    Line("GET", "/unmatched.xlsx", OVERSEERS),
    Line("GET", "/accounts", ADMIN | AUDITOR),
    Line("GET", "/accounts/{account:name}", ADMIN | AUDITOR),
    Line("GET", "/new-account", ADMIN),
    Line("POST", "/new-account", ADMIN, form={"account": "zhao", "name": "赵老师"}),
    Line("POST", "/accounts/{account:name}/grants", ADMIN, form={"act": "read", "step": "library"}),
    Line("POST", "/accounts/{account:name}/revoke-grant", ADMIN, form={"grant": "1"}),
    Line("POST", "/accounts/{account:name}/hand-over", ADMIN, form={"target": "librarian"}),
    Line("POST", "/accounts/{account:name}/active", ADMIN, form={"active": "1"}),
    Line("POST", "/accounts/{account:name}/code", ADMIN),
    Line("POST", "/accounts/{account:name}/factor-code", ADMIN),
    Line("POST", "/accounts/{account:name}/reset-factor", ADMIN),
    Line("POST", "/accounts/{account:name}/addresses", ADMIN, form={"mail": "wang@example.edu.cn"}),
    Line("POST", "/accounts/{account:name}/confirm", ADMIN, form={"change": "1"}),
    Line("POST", "/accounts/{account:name}/refuse", ADMIN, form={"change": "1"}),
    Line("GET", "/announcements", ADMIN | AUDITOR),
    Line("GET", "/announcements/new", ADMIN),
    Line("POST", "/announcements", ADMIN, form={"title": "公告"}),
    Line("POST", "/announcements/{announcement:id}/withdraw", ADMIN),
    Line("GET", "/audit", ADMIN | AUDITOR),
    Line("GET", "/audit.xlsx", ADMIN | AUDITOR),
    Line("GET", "/retention", ADMIN | AUDITOR),
    Line("GET", "/sign-in", door=Door.OPEN),
    Line("POST", "/sign-in", door=Door.OPEN, form={"account": "dean", "password": PASSWORD}),
    Line("POST", "/sign-out"),
    Line("GET", "/first-password", door=Door.OPEN),
    Line("POST", "/first-password", door=Door.OPEN, form={"account": "dean", "code": "0000-0000-0000"}),
    Line("POST", "/first-password/identity", door=Door.SHUT, instead_of_a_form="the settings: it is off"),
    Line("GET", "/new-password"),
    Line("POST", "/new-password", form={"current": "no", "password": "four old green ladders", "again": "other"}),
    Line("GET", "/own"),
    Line("POST", "/own/end", form={"session": "others"}),
    Line("POST", "/own/addresses", EVERYBODY - STUDENTS, form={"mail": "wang@example.edu.cn"}),
    Line("GET", "/second-factor"),
    Line("POST", "/second-factor", form={"digits": "000000"}),
    Line("GET", "/sign-in/cas", door=Door.SHUT),
    Line("GET", "/sign-in/cas/back", door=Door.SHUT),
    Line("POST", "/sign-in/cas/back", door=Door.SHUT, instead_of_a_form="the ticket that the server gave out"),
    Line("GET", "/sign-out/cas", door=Door.SHUT),
    Line("GET", "/sign-in/oidc", door=Door.SHUT),
    Line("GET", "/sign-in/oidc/back", door=Door.SHUT),
    Line("POST", "/sign-in/oidc/ended", door=Door.SHUT, instead_of_a_form="the provider's signature"),
    Line("GET", "/sign-out/oidc", door=Door.SHUT),
    Line("GET", "/healthz", door=Door.OPEN),
    Line("GET", "/readyz", door=Door.OPEN),
    Line("GET", "/livez", door=Door.OPEN),
    Line("GET", "/api/v1/openapi.json", door=Door.OPEN),
    Line("GET", "/api/v1/cohorts", door=Door.TOKEN),
    Line("GET", "/api/v1/students", READERS, Door.TOKEN),
    Line("GET", "/api/v1/students/{number:name}", READERS | STUDENTS, Door.TOKEN),
    Line("GET", "/api/v1/overview", READERS, Door.TOKEN),
    Line("GET", "/api/v1/sources", READERS | {"admin"}, Door.TOKEN),
    # The tokens here have no right to request rechecks: tests/portal/api/test_recheck.py has one.
    Line("POST", "/api/v1/recheck", frozenset(), Door.TOKEN, instead_of_a_form="the token in the header"),
)

#: What an address may name → some that are there, for whoever may ask at all, and one that is not. Students are apart:
#: who may read about whom stands in `INSIDE`.
OBJECTS: Mapping[str, tuple[tuple[str, ...], str]] = {
    "{number:name}": ((LIN.number, QIAN.number), MISSING),
    "{run:id}": (("1",), "999"),
    "{source:name}": (("loans",), "unknown"),
    "{account:name}": (("dean", LIN.number), "unknown"),
    "{announcement:id}": (("1",), "999"),
    "{sheet:id}": (("1",), "999"),
    "{certificate:id}": (("1",), "999"),
    #: The first student's, to the library.
    "{appeal:id}": (("1",), "999"),
    "{token:name}": ((), "forged"),
    "{upload:id}": (("1",), "999"),
    "{batch:id}": (("1",), "999"),
}

#: Which of them are students' numbers.
STUDENTS_NUMBER = "{number:name}"


class Visits:
    """The application over the cast's university, and whoever visits it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.app = whole_app(world)
        self._opened: list[TestClient] = []

    def browser(self, who: str | None, door: Door) -> TestClient:
        """Return a fresh browser: of somebody who has signed in or brings a token, or of nobody."""
        browser = TestClient(self.app, base_url="http://testserver", follow_redirects=False)
        self._opened.append(browser)
        # Forms are bound to a cookie; before anybody has signed in, its token opens nothing.
        cookie = new_token()
        browser.cookies.set("clearance", cookie)
        if who is not None and door is Door.TOKEN:
            browser.headers.update(bearing(give_token(self.world, PEOPLE[who])[0]))
        elif who is not None:
            now, longest = self.world.now, timedelta(hours=12)
            self.world.accounts.open_session(hash_of(cookie), PEOPLE[who], now, longest=longest)
        return browser

    def ask(self, browser: TestClient, line: Line, path: str, **headers: str) -> httpx.Response:
        """Ask as a page of ours would: a form with its token, from our own origin."""
        if line.method == "GET":
            return _asked(browser.get(path, params=line.query or None, headers=headers))
        form = dict(line.form) | {"form_token": form_token(browser.cookies["clearance"])}
        return _asked(browser.request(line.method, path, data=form, headers=headers))

    def close(self) -> None:
        """Close every browser, and the application."""
        for browser in self._opened:
            browser.close()
        self.app.state.services.close()


def _asked(answer: Any) -> httpx.Response:
    assert isinstance(answer, httpx.Response)
    return answer


@pytest.fixture
def visits(sqlite_world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Visits]:
    """Somebody to visit as. Nobody serves what is asked for, so nobody waits for it."""
    monkeypatch.setattr(recheck, "PATIENCE", 0.0)
    made = Visits(settle(sqlite_world, everything_there_is))
    yield made
    made.close()


def everything_there_is(world: World) -> None:
    """Make one of each thing that an address may name."""
    Announcements(world.desk).announce("一条公告", "", author="admin", now=world.now)
    _enter_a_sheet(world)
    pass_everything(world, SUN.number)
    world.register.issue(Issue(SUN.number, "C-1", "毕业证书", ""), "dean", world.now)
    lin_objects(world)
    a_sheet(world)


def _enter_a_sheet(world: World) -> None:
    """Enter what the library has decided on paper: batch 1."""
    batches = Batches(world.writer)
    told = [ImportRow(1, QIAN.number, None, Verdict.CLEARED, "现场归还", sheet="0525-0230-LIB-2-1")]
    digest = batches.preview("library", told, world.now).digest
    batches.enter_all(BatchKind.PAPER, "library", told, digest, "librarian", world.now, title="0525-0230-LIB-2-1")


def routes_of(routes: Sequence[BaseRoute], before: str = "") -> Iterator[tuple[str, str]]:
    """Give the method and the address of every route but those of static files and of former addresses."""
    for route in routes:
        if isinstance(route, Mount):
            if not isinstance(route.app, StaticFiles):
                yield from routes_of(route.routes, before + route.path)
            continue
        if isinstance(route, FormerAddress):
            # It only redirects: see tests/portal/web/test_former_addresses.py.
            continue
        assert isinstance(route, Route), f"this matrix does not know what {route} is"
        for method in sorted((route.methods or set()) - {"HEAD"}):
            yield method, before + route.path


def parameter_of(path: str) -> str | None:
    """Return what an address names; None for nothing."""
    named = [part for part in path.split("/") if part.startswith("{")]
    assert len(named) < 2, f"this matrix does not know how to visit an address that names two things: {path}"
    return named[0] if named else None


def objects_of(line: Line) -> tuple[str, ...]:
    """Return what to put in an address, the missing one last; nothing to put gives one empty text."""
    named = parameter_of(line.path)
    if named is None:
        return ("",)
    there, missing = OBJECTS[named]
    return (*there, missing)


def address(line: Line, thing: str) -> str:
    """Return an address about one thing."""
    named = parameter_of(line.path)
    return line.path if named is None else line.path.replace(named, thing)


def is_inside(line: Line, who: str, thing: str) -> bool:
    """Say whether somebody who may ask is to be shown this."""
    named = parameter_of(line.path)
    if named == STUDENTS_NUMBER:
        return thing in INSIDE.get(who, ())
    return named is None or thing in OBJECTS[named][0]


def sent_to_sign_in(answer: httpx.Response) -> bool:
    """Say whether a browser is sent to sign in."""
    return answer.status_code == 303 and answer.headers["location"].startswith("/sign-in")


def let_in(line: Line, answer: httpx.Response) -> bool:
    """Say whether somebody was let in: shown something, sent on, or shown what a form lacks."""
    if line.method != "GET" and answer.status_code in (400, 401, 409, 422):
        return True
    leaving = line.path == "/sign-out"
    return answer.status_code in (200, 303) and (leaving or not sent_to_sign_in(answer))


every_line = pytest.mark.parametrize("line", LINES, ids=str)
every_form = pytest.mark.parametrize(
    "line", [line for line in LINES if line.method != "GET" and not line.instead_of_a_form], ids=str
)


def test_the_matrix_knows_every_route(visits: Visits) -> None:
    app: Starlette = visits.app
    there, known = set(routes_of(app.routes)), [(line.method, line.path) for line in LINES]
    for method, path in sorted(there - set(known)):
        pytest.fail(
            f"{method} {path} is new to the matrix. Add to LINES in tests/portal/test_matrix.py, with who may ask:\n"
            f'    Line("{method}", "{path}", READERS),\n'
            "READERS, STUDENTS, OVERSEERS, EVERYBODY or names of PEOPLE; door=Door.OPEN where nobody need sign in; for "
            "a POST form={…} with fields that make sense."
        )
    assert sorted(set(known) - there) == [], "there is no such route any more: take its line out of LINES"
    assert len(known) == len(set(known)), "a line stands twice"
    unknown = {named for _, path in known if (named := parameter_of(path)) is not None} - set(OBJECTS)
    assert unknown == set(), "add to OBJECTS what an address may name: some that are there, and one that is not"


@every_line
def test_who_may_is_let_in_to_what_is_inside_and_to_nothing_else(visits: Visits, line: Line) -> None:
    """Foreign and missing are answered alike, with 404; who may not ask at all is refused alike for everything."""
    for who in PEOPLE:
        answers: dict[str, httpx.Response] = {}
        for thing in objects_of(line):
            answers[thing] = visits.ask(visits.browser(who, line.door), line, address(line, thing))
        for thing, answer in answers.items():
            where = f"{line} about {thing or 'nothing'} for {who}: {answer.status_code}"
            if line.door is Door.SHUT:
                assert answer.status_code == 404, where
            elif who not in line.may:
                # What is sent by a program has a body of its own, and another one is refused as such.
                assert answer.status_code in ((403, 404, 415) if line.instead_of_a_form else (403, 404)), where
            elif is_inside(line, who, thing):
                assert let_in(line, answer), where
            else:
                assert answer.status_code == 404, where
        kept_out = [thing for thing in answers if who not in line.may or not is_inside(line, who, thing)]
        if line.door is not Door.OPEN and parameter_of(line.path) is not None:
            _are_alike(visits, line, who, kept_out)


def _are_alike(visits: Visits, line: Line, who: str, things: list[str]) -> None:
    """Ask for each with one and the same browser: nothing in the answers may differ but the number itself."""
    browser = visits.browser(who, line.door)
    told = set()
    for thing in things:
        answer = visits.ask(browser, line, address(line, thing))
        for person in (LIN, QIAN):
            assert person.number == PEOPLE[who] or person.name not in answer.text, f"{line} tells {who} a name"
        text = answer.text.replace(address(line, thing), "ADDRESS")
        if parameter_of(line.path) == STUDENTS_NUMBER:
            text = text.replace(thing, "NUMBER")
        told.add((answer.status_code, text))
    assert len(told) <= 1, f"{line} tells {who} more of one than of another of {things}"


@every_line
def test_who_has_not_signed_in_is_sent_to_do_so(visits: Visits, line: Line) -> None:
    for thing in objects_of(line):
        answer = visits.ask(visits.browser(None, line.door), line, address(line, thing))
        where = f"{line}: {answer.status_code}"
        match line.door:
            case Door.OPEN:
                assert let_in(line, answer) or not is_inside(line, "dean", thing), where
            case Door.SHUT:
                assert answer.status_code == 404, where
            case Door.TOKEN:
                assert answer.status_code == 401, where
                assert answer.headers["www-authenticate"].startswith("Bearer"), where
            case Door.SESSION if line.method == "GET":
                assert sent_to_sign_in(answer), where
            case Door.SESSION:
                assert sent_to_sign_in(answer) or answer.status_code in (401, 403), where


@pytest.mark.parametrize("line", [line for line in LINES if line.door is Door.TOKEN], ids=str)
def test_a_session_is_worth_nothing_where_a_token_is_asked_for(visits: Visits, line: Line) -> None:
    for who, thing in product(PEOPLE, objects_of(line)):
        answer = visits.ask(visits.browser(who, Door.SESSION), line, address(line, thing))
        assert answer.status_code == 401, f"{line} for {who}"


@pytest.mark.parametrize("line", [line for line in LINES if line.door is Door.SESSION], ids=str)
def test_a_token_is_worth_nothing_where_somebody_must_sign_in(visits: Visits, line: Line) -> None:
    answer = visits.ask(visits.browser("dean", Door.TOKEN), line, address(line, objects_of(line)[0]))
    assert sent_to_sign_in(answer) or line.method == "POST", f"{line}: {answer.status_code}"


WRONGLY: Mapping[str, Callable[[str], dict[str, Any]]] = {
    "without the form's token": lambda _: {"data": {"form_token": ""}},
    "with no token at all": lambda _: {"data": {}},
    "with the token of another browser": lambda _: {"data": {"form_token": form_token(new_token())}},
    "from another origin": lambda token: {"data": {"form_token": token}, "headers": {"origin": "https://evil.example"}},
    "from another site": lambda token: {"data": {"form_token": token}, "headers": {"sec-fetch-site": "cross-site"}},
    "from a sister's site": lambda token: {"data": {"form_token": token}, "headers": {"sec-fetch-site": "same-site"}},
}


@every_form
@pytest.mark.parametrize("how", WRONGLY)
def test_a_form_that_no_page_of_ours_has_sent_is_refused(visits: Visits, line: Line, how: str) -> None:
    for who in sorted(line.may) if line.door is Door.SESSION else (None,):
        browser = visits.browser(who, line.door)
        sent = WRONGLY[how](form_token(browser.cookies["clearance"]))
        sent["data"] = {**line.form, **sent["data"]} or {"nothing": ""}
        things = [t for t in objects_of(line) if who is None or is_inside(line, who, t)]
        answer = browser.request(line.method, address(line, (things or objects_of(line))[0]), **sent)
        assert answer.status_code == 403, f"{line} {how} for {who}: {answer.status_code}"


@pytest.mark.parametrize("line", [line for line in LINES if line.instead_of_a_form], ids=str)
def test_what_is_no_form_is_refused_without_what_is_in_its_place(visits: Visits, line: Line) -> None:
    answer = visits.ask(visits.browser(None, line.door), line, address(line, objects_of(line)[-1]))
    assert answer.status_code in (400, 401, 403, 404), f"{line}: {answer.status_code}"


def test_nothing_but_what_is_known_can_be_written(visits: Visits) -> None:
    """No route answers a method that it does not name, whoever asks."""
    for line, method in product(LINES, ("POST", "PUT", "PATCH", "DELETE")):
        if (method, line.path) in [(other.method, other.path) for other in LINES]:
            continue
        browser = visits.browser("dean", line.door)
        answer = browser.request(method, address(line, objects_of(line)[0]))
        assert answer.status_code == 405, f"{method} {line.path}: {answer.status_code}"
