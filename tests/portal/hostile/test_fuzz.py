"""Every route, method and field with what no page of ours sends, as everybody: no fault, and no secret in the log.

The routes, the people and what an address may name are the tables of the matrix; which fields a route reads is found in
the code of its page. The API's own description is played with in tests/portal/api/test_description.py; here its routes
get what the description does not know.
"""

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, is_dataclass
from datetime import timedelta
from functools import cache
from random import Random
from types import CodeType, FunctionType
from typing import Any, TypeAlias
from urllib.parse import quote_from_bytes

import httpx
import pytest
import structlog
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.testclient import TestClient

from config import logs
from config.settings import Log
from portal.auth.sessions import form_token, hash_of, new_token
from portal.student import recheck
from tests.cast import LIN, QIAN, SUN
from tests.portal.api.conftest import bearing, give_token
from tests.portal.conftest import PASSWORD, settle
from tests.portal.test_matrix import (
    LINES,
    PEOPLE,
    Door,
    Line,
    Visits,
    address,
    everything_there_is,
    objects_of,
    sent_to_sign_in,
)
from tests.sizes import DAILY, times
from tests.world import World

#: Names and values, in the order in which they are sent.
Fields: TypeAlias = tuple[tuple[str, bytes], ...]

#: What was typed as a password, and must not be found in the log either.
TYPED = "a-word-typed-by-somebody"

#: Forms that end sessions and take accounts away are played last, or nobody could go anywhere afterwards.
LAST = ("/accounts", "/own", "/second-factor", "/new-password", "/sign-out")

HOSTILE = (
    *(
        text.encode("utf-8", "surrogatepass")
        for text in ("\r\n",
        "", "0", "-1", "1", "2", "999", "9" * 4_400, str(2**31), str(2**63), "1e999", "NaN", "Infinity", "0x10", "1_0",
        "१२", "²", "１", " 1 ", "+1", "true", "null", "[]", "{}", "a\0b", "\ud800", "\u202e", "\ufeff", "\u2028",
        "\x1b[2J", "x" * 3_000, "图" * 300, "'", '"', "';--", "%", "_", "\\", "{{7*7}}", "%(x)s", "%s", "<script>",
        "../../etc/passwd", "//evil.example", "https://evil.example", "javascript:1", "0001-01-01", "9999-12-31",
        "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2019-06-05T08:00", "2019-06-05", "2019-02-30",
        "10000-01-01", "2019-06-05T08:00:00+00:00", "2019", "2018", "-", "on", "all", "state-held", "held", "cleared",
        "unknown", "library", "finance", "dorm", "college_items", "final_review", "loans", "fines", "fees", "roster",
        "settings", "preview", "publish", "毕业证书", "self", "read", "decide", "review", "issue", "manage", "audit",
        "en", "zh", "dean", "librarian", "college=资源学院", LIN.number, QIAN.number, SUN.number, SUN.college,
        SUN.class_name, f"{LIN.number}\n{QIAN.number}", f"{LIN.number}\tC-1", "C-1", TYPED, PASSWORD,
    )),
    b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xc4\xe3\xba\xc3", b"\xf4\x90\x80\x80",
)  # fmt: skip

#: Every page may be asked for in a language, a cohort, a step and a part of the roster.
EVERYWHERE = ("lang", "cohort", "step", "state", "college", "class", "next")


def is_text(value: bytes) -> bool:
    """Say whether the door lets a value pass."""
    try:
        return "\0" not in value.decode()
    except UnicodeDecodeError:
        return False


TEXTS = tuple(value for value in HOSTILE if is_text(value))
NO_TEXTS = tuple(value for value in HOSTILE if not is_text(value))

#: No form has more fields, and an address may have many.
FIELDS_OF_A_FORM, FIELDS_OF_AN_ADDRESS = 12, 40

texts = st.one_of(
    st.sampled_from(TEXTS),
    st.text(max_size=20).map(lambda text: text.replace("\0", "").encode()),
    st.integers().map(lambda number: str(number).encode()),
    st.datetimes().map(lambda moment: moment.isoformat().encode()),
)
values = st.one_of(texts, texts, st.sampled_from(NO_TEXTS))


def fields(sensible: Mapping[str, str], names: tuple[str, ...], most: int) -> st.SearchStrategy[Fields]:
    """Return what makes sense, and after it hostile values for up to so many fields: the last of a name counts."""

    def drawn(seed: int, one: bytes, *, with_no_text: bool) -> Fields:
        chance = Random(seed)
        several = chance.sample(names, chance.randint(0, min(most, len(names))))
        hostile = [(name, chance.choice((*TEXTS, one))) for name in several]
        if with_no_text and names:
            hostile.append((chance.choice(names), chance.choice(NO_TEXTS)))
        return (*((name, text.encode()) for name, text in sensible.items()), *hostile)

    return st.builds(drawn, st.integers(0, 2**32), texts, with_no_text=st.sampled_from([False] * 9 + [True]))


@cache
def fields_of(page: FunctionType) -> tuple[str, ...]:
    """Return every word in the code of a page's module that could be a field's name, and its dataclasses' fields."""
    found = set(EVERYWHERE)
    module = inspect.getmodule(page)
    for thing in vars(module).values():
        if isinstance(thing, FunctionType) and thing.__module__.startswith("portal"):
            found |= set(_words(thing.__code__))
        elif is_dataclass(thing) and isinstance(thing, type):
            found |= set(thing.__dataclass_fields__)
    return tuple(sorted(found))


def _words(code: CodeType) -> Iterator[str]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _words(constant)
        elif isinstance(constant, str) and constant.replace("-", "_").isidentifier() and constant.isascii():
            yield constant
        elif isinstance(constant, tuple):
            yield from (word for word in constant if isinstance(word, str) and word.isidentifier())


def page_of(handler: Any) -> FunctionType:
    """Return the page behind a route's handler: what lets visitors in holds it in its closure."""
    held = [cell.cell_contents for cell in handler.__closure__ or ()]
    pages = [thing for thing in held if isinstance(thing, FunctionType) and thing.__module__.startswith("portal")]
    return pages[0] if pages else handler


def handlers_of(routes: Any, before: str = "") -> Iterator[tuple[tuple[str, str], FunctionType]]:
    """Give the page of every method and address."""
    for route in routes:
        if isinstance(route, Mount) and not isinstance(route.app, StaticFiles):
            yield from handlers_of(route.routes, before + route.path)
        elif isinstance(route, Route):
            for method in route.methods or ():
                yield (method, before + route.path), page_of(route.endpoint)


@dataclass(frozen=True)
class Request:
    """One request that nobody of good will sends."""

    line: Line
    who: str | None
    thing: bytes | None
    query: Fields
    form: Fields
    headers: Fields
    with_file: bool
    with_token: bool


def requests_for(line: Line, names: tuple[str, ...]) -> st.SearchStrategy[Request]:
    """Return requests for one line of the matrix: what makes sense there, with some of it exchanged."""
    may = sorted(line.may)
    return st.builds(
        Request,
        st.just(line),
        st.sampled_from([*(may * 3), *PEOPLE, None]),
        st.one_of(st.none(), st.none(), st.none(), values),
        fields(line.query, names, 2 if line.door is Door.TOKEN else FIELDS_OF_AN_ADDRESS),
        fields(line.form, names, FIELDS_OF_A_FORM),
        st.lists(
            st.tuples(
                st.sampled_from(
                    ["accept-language", "origin", "referer", "cookie", "if-none-match", "x-forwarded-for", "range"]
                ),
                values.filter(lambda value: b"\r" not in value and b"\n" not in value),
            ),
            max_size=1,
        ).map(tuple),
        st.booleans(),
        st.sampled_from([True, True, True, True, False]),
    )


class Fuzzing:
    """Everybody's browser, and what must not be found in the log."""

    def __init__(self, world: World) -> None:
        self.visits = Visits(settle(world, everything_there_is))
        app = self.visits.app
        self.world, self.pages = world, dict(handlers_of(app.routes))
        self.secrets = {PASSWORD, TYPED}
        self.browser = TestClient(app, base_url="http://testserver", follow_redirects=False)
        #: Who, at the pages or at the API → the cookie of the browser, and the token.
        self.known: dict[tuple[str | None, bool], tuple[str, str]] = {}

    def sign_in(self, who: str | None, door: Door) -> None:
        """Give somebody a fresh cookie, and a session or a token."""
        cookie, secret = new_token(), ""
        if who is not None:
            # An administrator's request may have shut the account.
            self.world.accounts.activate(PEOPLE[who])
        if who is not None and door is Door.TOKEN:
            secret, _ = give_token(self.world, PEOPLE[who])
        elif who is not None:
            self.world.accounts.open_session(hash_of(cookie), PEOPLE[who], self.world.now, longest=timedelta(hours=12))
        self.known[who, door is Door.TOKEN] = cookie, secret
        self.secrets |= {cookie, form_token(cookie), *([secret] if secret else [])}

    def ask(self, request: Request) -> httpx.Response:
        """Ask; who is sent to sign in, or is given another cookie, signs in again."""
        line, kind = request.line, (request.who, request.line.door is Door.TOKEN)
        if kind not in self.known:
            self.sign_in(request.who, line.door)
        cookie, secret = self.known[kind]
        thing = quote_from_bytes(request.thing, safe="") if request.thing is not None else objects_of(line)[0]
        path = address(line, thing or "x") + (f"?{_coded(request.query)}" if request.query else "")
        headers = [(b"cookie", f"clearance={cookie}".encode())]
        headers += [(name.encode(), value) for name, value in request.headers]
        headers += [(name.encode(), value.encode()) for name, value in bearing(secret).items() if secret]
        token = (("form_token", form_token(cookie).encode()),) if request.with_token else ()
        self.browser.cookies.clear()
        if line.method == "GET":
            answer: httpx.Response = self.browser.get(path, headers=headers)
        else:
            encoding, body = (_parts if request.with_file else _form)((*request.form, *token))
            headers.append((b"content-type", encoding))
            answer = self.browser.request(line.method, path, content=body, headers=headers)
        given_now = {kept.value for kept in self.browser.cookies.jar if kept.name == "clearance" and kept.value}
        if given_now - {cookie} or sent_to_sign_in(answer):
            self.secrets |= given_now
            self.sign_in(request.who, line.door)
        return answer


def _coded(pairs: Fields) -> str:
    return "&".join(f"{name}={quote_from_bytes(value)}" for name, value in pairs)


def _form(pairs: Fields) -> tuple[bytes, bytes]:
    return b"application/x-www-form-urlencoded", _coded(pairs).encode()


def _parts(pairs: Fields) -> tuple[bytes, bytes]:
    named = [(f'form-data; name="{name}"'.encode(), value) for name, value in pairs]
    # A list of a line that says nothing: what a sheet may hold is played with elsewhere.
    named += [(b'form-data; name="file"; filename="a.csv"', value) for name, value in pairs if name == "file"]
    parts = (b"--xyz\r\nContent-Disposition: " + how + b"\r\n\r\n" + value + b"\r\n" for how, value in named)
    return b"multipart/form-data; boundary=xyz", b"".join(parts) + b"--xyz--\r\n"


@pytest.fixture
def fuzzing(sqlite_world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fuzzing]:
    """Everybody, with the log as the program has it, and as many requests as anybody likes."""
    monkeypatch.setattr(recheck, "PATIENCE", 0.0)
    api = sqlite_world.settings.api.model_copy(update={"rate": 10**9})
    monkeypatch.setattr(sqlite_world, "settings", sqlite_world.settings.model_copy(update={"api": api}))
    made = Fuzzing(sqlite_world)
    logs.configure(Log(format="json", level="info"))
    yield made
    structlog.reset_defaults()
    made.visits.close()


@pytest.mark.property
def test_nothing_that_anybody_sends_breaks_a_page_or_puts_a_secret_into_the_log(
    fuzzing: Fuzzing, capsys: pytest.CaptureFixture[str]
) -> None:
    answered: set[int] = set()
    structlog.get_logger("clearance.portal").info("the log is read here")
    assert "the log is read here" in capsys.readouterr().err
    for line in sorted(LINES, key=lambda one: one.path.startswith(LAST)):
        page = fuzzing.pages[line.method, line.path]
        names = _parameters(line) or tuple(sorted({*fields_of(page), *line.form, *line.query} - {"form_token"}))

        @given(requests_for(line, names))
        @settings(
            max_examples=times(3),
            database=None,
            deadline=None,
            derandomize=DAILY,
            phases=(Phase.generate,),
            suppress_health_check=list(HealthCheck),
        )
        def play(request: Request) -> None:
            answer = fuzzing.ask(request)
            written = capsys.readouterr().err
            assert answer.status_code < 500, f"{request}: {answer.status_code}\n{written}"
            answered.add(answer.status_code)
            assert [secret for secret in fuzzing.secrets if secret in written] == [], f"{request}\n{written}"

        play()
    # It comes to the pages, and not only to the door.
    assert {200, 303, 400, 403, 404} <= answered


def _parameters(line: Line) -> tuple[str, ...]:
    """Return what the API knows, which refuses every other name; nothing for a page."""
    return ("cohort", "lang", "step", "state", "college", "class", "after", "limit") if line.door is Door.TOKEN else ()
