"""Bad input at the door: numbers that nobody means, bytes that are not text, and clients that go away."""

import asyncio
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import httpx
import pytest
import structlog
from starlette.convertors import Convertor
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.testclient import TestClient
from structlog.testing import capture_logs

from portal.auth.sessions import form_token, hash_of, new_token
from portal.student import recheck
from portal.web import bounds
from tests.cast import QIAN
from tests.patience import PATIENCE
from tests.portal.api.conftest import bearing, give_token
from tests.portal.conftest import settle
from tests.portal.test_matrix import LINES, PEOPLE, Door, Visits, address, everything_there_is, parameter_of
from tests.world import World

#: More digits than Python reads as a number, and one more than a database stores.
TOO_LARGE = ("9" * 4_400, str(2**63))


@pytest.fixture
def visits(sqlite_world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Visits]:
    """Somebody to visit as."""
    monkeypatch.setattr(recheck, "PATIENCE", 0.0)
    made = Visits(settle(sqlite_world, everything_there_is))
    yield made
    made.close()


def convertors_of(routes: Any, before: str = "") -> Iterator[tuple[str, Convertor[Any]]]:
    """Give each address with each of its convertors; static files have their own way."""
    for route in routes:
        if isinstance(route, Mount):
            if not isinstance(route.app, StaticFiles):
                yield from convertors_of(route.routes, before + route.path)
        elif isinstance(route, Route):
            yield from ((before + route.path, convertor) for convertor in route.param_convertors.values())


class TestNumbers:
    def test_every_address_bounds_what_it_names(self, visits: Visits) -> None:
        found = list(convertors_of(visits.app.routes))
        assert len(found) > 20
        unbounded = [path for path, convertor in found if not isinstance(convertor, bounds.Number | bounds.Name)]
        assert unbounded == [], "write {…:id} for a number and {…:name} for a text: see portal/web/bounds.py"

    def test_a_number_that_no_database_stores_is_an_address_that_is_not_there(self, visits: Visits) -> None:
        for who in (None, "admin"):
            browser = visits.browser(who, Door.SESSION)
            for line in LINES:
                if ":id}" in (parameter_of(line.path) or ""):
                    for number in TOO_LARGE:
                        answer = visits.ask(browser, line, address(line, number))
                        assert answer.status_code == 404, f"{line} for {who}"
            assert browser.get("/students/" + "9" * 301).status_code == 404

    def test_a_number_of_a_query_or_a_form_is_none_when_it_is_too_large(self, visits: Visits) -> None:
        asked = {
            ("admin", "/runs?before="): 200,
            ("admin", "/audit?before="): 200,
            ("admin", "/unmatched?page="): 200,
            ("reviewer", "/desk/certificates?after="): 200,
        }
        for number in TOO_LARGE:
            for (who, path), status in asked.items():
                answer = visits.browser(who, Door.SESSION).get(path + number)
                assert answer.status_code == status, path
            sent = {
                ("reviewer", "/desk/certificates/hand-over"): ({"certificate": number}, (200, 400, 409, 422)),
                ("admin", "/accounts/dean/revoke-grant"): ({"grant": number}, (404, 409, 422)),
                ("admin", "/accounts/dean/confirm"): ({"change": number}, (422,)),
                ("admin", "/accounts/dean/refuse"): ({"change": number}, (422,)),
                ("admin", "/own/end"): ({"session": number}, (303,)),
                ("librarian", f"/desk/students/{QIAN.number}/withdraw"): (
                    {"because": "看错人", "decision": number},
                    (200, 400, 409, 422),
                ),
            }
            for (who, path), (form, statuses) in sent.items():
                assert _sent(visits, who, path, form).status_code in statuses, path
            api = visits.browser("dean", Door.TOKEN).get(f"/api/v1/students?limit={number}")
            assert (api.status_code, api.headers["content-type"]) == (400, "application/problem+json")

    def test_a_moment_at_the_end_of_time_is_the_forms_own_message(self, visits: Visits) -> None:
        for moment in ("0001-01-01T00:00+14:00", "9999-12-31T23:59-12:00"):
            forms = {
                ("admin", "/announcements"): {
                    "title": "公告", "body": "正文", "opens": moment, "closes": moment, "publish": "1",
                },
                ("reviewer", "/desk/certificates/1/hand-over"): {"collected": "self", "when": moment},
            }  # fmt: skip
            for (who, path), form in forms.items():
                answer = _sent(visits, who, path, form)
                assert answer.status_code < 500, path
                assert "时间无法识别" in answer.text, path

    def test_a_promised_length_of_4400_digits_is_too_long(self, visits: Visits) -> None:
        browser = visits.browser("librarian", Door.SESSION)
        sent = {"content-type": "multipart/form-data; boundary=x", "content-length": TOO_LARGE[0]}
        assert browser.post("/desk/import", content=b"", headers=sent).status_code == 413


def _sent(visits: Visits, who: str, path: str, form: dict[str, str]) -> httpx.Response:
    browser = visits.browser(who, Door.SESSION)
    token = form_token(browser.cookies["clearance"])
    answer: httpx.Response = browser.post(path, data={**form, "form_token": token})
    return answer


#: A NUL, a byte that begins nothing, half of a character, and a slash in more bytes than it takes.
NO_TEXT = ("%00", "%ff", "%ed%a0%80", "%c0%af")


class TestText:
    @pytest.mark.parametrize("bad", NO_TEXT)
    def test_what_is_no_text_is_refused_in_the_language_of_the_page(self, visits: Visits, bad: str) -> None:
        browser = visits.browser("dean", Door.SESSION)
        for path in (f"/students/{bad}", f"/{bad}", f"/students?number={bad}", f"/lists?{bad}=1", f"/static/{bad}"):
            answer = browser.get(path)
            assert (answer.status_code, "无法处理该请求" in answer.text) == (400, True), path
            assert answer.headers["cache-control"] != ""
        english = browser.get(f"/lists?lang=en&college={bad}")
        assert (english.status_code, "cannot be processed" in english.text) == (400, True)
        token = form_token(browser.cookies["clearance"])
        for body in (f"account=a&password={bad}", f"{bad}=1"):
            sent = {"content-type": "application/x-www-form-urlencoded"}
            form = browser.post("/sign-in", content=f"form_token={token}&{body}", headers=sent)
            assert form.status_code == 400

    def test_what_is_no_text_in_a_form_with_a_file_is_refused(self, visits: Visits) -> None:
        browser = visits.browser("librarian", Door.SESSION)
        token = form_token(browser.cookies["clearance"]).encode()
        for bad in (b"\0", b"\xff"):
            parts = ((b"form_token", token), (b"step", b"library" + bad))
            body = b"".join(b'--x\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % part for part in parts)
            sent = {"content-type": "multipart/form-data; boundary=x"}
            assert browser.post("/desk/import", content=body + b"--x--\r\n", headers=sent).status_code == 400

    def test_cookies_and_headers_with_a_nul_are_refused_and_those_of_others_are_not_read(self, visits: Visits) -> None:
        def status(*headers: tuple[bytes, bytes]) -> int:
            return int(_raw(visits.app, headers=[(b"host", b"testserver"), *headers])[0]["status"])

        assert status((b"accept-language", b"en\0")) == 400
        assert status((b"cookie", b"clearance=a\0b")) == 400
        assert status((b"cookie", b'clearance="a\\000b"')) == 400
        assert status((b"cookie", b"language=\xff")) == 400
        # Another site of the same domain, and a page whose address is in GBK.
        assert status((b"cookie", b"elsewhere=\xc4\xe3"), (b"referer", b"http://a/\xc4\xe3")) == 200

    @pytest.mark.parametrize("bad", NO_TEXT)
    def test_the_api_refuses_it_as_a_problem(self, visits: Visits, bad: str) -> None:
        bearer = bearing(give_token(visits.world, PEOPLE["dean"])[0])
        with TestClient(visits.app) as browser:
            for path in (f"/api/v1/students/{bad}", f"/api/v1/students?college={bad}", f"/api/v1/{bad}"):
                answer = browser.get(path, headers=bearer)
                assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
                assert "UTF-8" in answer.json()["detail"]


def _raw(app: Any, *, receive: Any = None, **more: Any) -> list[dict[str, Any]]:
    """Ask as no well-behaved client would; return what was sent."""
    sent: list[dict[str, Any]] = []

    async def ended() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/sign-in",
        "raw_path": b"/sign-in",
        "query_string": b"",
        "headers": [(b"host", b"testserver")],
        "client": ("127.0.0.1", 1),
        "server": ("testserver", 80),
        "scheme": "http",
        "http_version": "1.1",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "extensions": {},
        **more,
    }
    # In a thread: a browser that an earlier test has open has this one's event loop.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(lambda: asyncio.run(app(scope, receive or ended, send))).result(PATIENCE)
    return sent


class TestFaults:
    def test_a_value_that_the_database_refuses_is_a_bad_request_and_one_line_of_the_log(
        self, visits: Visits, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(bounds, "number", lambda _text, _digits=0: 2**63)
        with capture_logs() as lines:
            answer = visits.browser("admin", Door.SESSION).get("/runs?before=1")
        assert (answer.status_code, "无法处理该请求" in answer.text) == (400, True)
        (line,) = lines
        assert (line["event"], line["log_level"], line["path"]) == ("value refused by the database", "warning", "/runs")
        assert "exc_info" not in line

    def test_a_client_that_goes_away_leaves_no_traceback(self, visits: Visits) -> None:
        token = new_token()
        visits.world.accounts.open_session(hash_of(token), "dean", visits.world.now, longest=timedelta(hours=1))
        headers = [
            (b"host", b"testserver"),
            (b"cookie", f"clearance={token}".encode()),
            (b"content-type", b"application/x-www-form-urlencoded"),
        ]

        async def gone() -> dict[str, Any]:
            return {"type": "http.disconnect"}

        with capture_logs() as lines:
            for path in ("/sign-in", "/new-password"):
                _raw(visits.app, receive=gone, method="POST", path=path, raw_path=path.encode(), headers=headers)
        assert [(line["event"], line["log_level"]) for line in lines] == [("client went away", "info")] * 2
        assert not any("exc_info" in line for line in lines)

    @pytest.mark.parametrize("door", [Door.SESSION, Door.TOKEN])
    def test_what_breaks_is_noted_once_by_a_thread_of_its_own_and_answered(
        self, visits: Visits, monkeypatch: pytest.MonkeyPatch, door: Door
    ) -> None:
        monkeypatch.setattr(visits.app.state.services.reader, "_engine", None)
        written: list[tuple[str, str]] = []

        def note(_logger: object, _method: str, event: Any) -> Any:
            written.append((event["event"], threading.current_thread().name))
            raise structlog.DropEvent

        structlog.configure(processors=[note])
        try:
            path = "/sources" if door is Door.SESSION else "/api/v1/sources"
            answer = visits.browser("dean", door).get(path)
        finally:
            structlog.reset_defaults()
        assert answer.status_code == 500
        assert answer.headers["cache-control"] == "no-store"
        if door is Door.TOKEN:
            assert json.loads(answer.text)["status"] == 500
        ((event, thread),) = written
        assert event == "page broke"
        assert thread.startswith("faults")

    def test_of_many_faults_at_once_no_more_than_eight_tracebacks_wait(
        self, visits: Visits, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        faults = visits.app.state.services.faults
        monkeypatch.setattr(faults, "_waiting", 8)
        monkeypatch.setattr(visits.app.state.services.reader, "_engine", None)
        with capture_logs() as lines:
            assert visits.browser("dean", Door.SESSION).get("/sources").status_code == 500
        (line,) = lines
        assert (line["error"], "exc_info" in line) == ("AttributeError", False)
