"""What the exchange with a web server must withstand, whoever uses it."""

import gzip
import json
import re
import socket
import threading
import time
import traceback
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from config.tables.secrets import Secret
from connectors import rest
from connectors.http.backoff import Backoff
from connectors.http.client import OfficeClient
from connectors.http.settings import HttpSettings
from connectors.port import Question, SourceError, SourceGarbled, SourceRefused, SourceUnavailable
from tests.cast import MORNING
from tests.contract import Ticking
from tests.patience import PATIENCE
from tests.services.http_office import HttpOffice, Reply, as_json, basic
from tests.services.university import free_port

SECRET = "hidden-word"


@pytest.fixture
def office() -> Iterator[HttpOffice]:
    """A server with nothing to tell."""
    with HttpOffice(style="none") as made:
        yield made


def exchange(**own: Any) -> HttpSettings:
    """Return settings that try once."""
    return HttpSettings.model_validate({"retries": 0, **own})


def get(office: HttpOffice, **own: Any) -> Any:
    """Return the body of one answer."""
    with OfficeClient(exchange(**own), "loans", lambda: MORNING) as asking:
        return asking.get(office.url, {}).body


@pytest.mark.parametrize("length", ["right", None])
def test_a_server_that_drips_hits_the_longest_time(office: HttpOffice, length: Any) -> None:
    office.script.append(Reply(b" " * 100_000 + b"[]", drip=0.02, length=length))
    started = time.monotonic()
    with pytest.raises(SourceUnavailable, match="too slow"):
        get(office, longest=timedelta(seconds=0.3))
    assert time.monotonic() - started < PATIENCE


def test_a_server_that_drips_hits_the_time_for_an_answer(office: HttpOffice) -> None:
    office.script.append(Reply(b" " * 100_000 + b"[]", drip=0.02))
    started = time.monotonic()
    with pytest.raises(SourceUnavailable, match="too slow"):
        get(office, timeout=timedelta(seconds=0.3))
    assert time.monotonic() - started < PATIENCE


def test_waiting_for_an_answer_does_not_go_beyond_the_longest_time(office: HttpOffice) -> None:
    office.script.append(Reply(b"[]", late=2 * PATIENCE))
    started = time.monotonic()
    with pytest.raises(SourceUnavailable):
        get(office, longest=timedelta(seconds=0.3))
    assert time.monotonic() - started < PATIENCE


def test_an_answer_in_drops_that_ends_in_time_is_whole(office: HttpOffice) -> None:
    office.script.append(Reply(b"[1, 2]", drip=0.01))
    assert get(office) == [1, 2]


@pytest.mark.parametrize("secret", [f"{SECRET}\nX: y", f"{SECRET}密", f"{SECRET}\udcff"])
@pytest.mark.parametrize("kind", ["bearer", "header"])
def test_a_secret_that_cannot_be_sent_is_refused_and_not_shown(office: HttpOffice, kind: str, secret: str) -> None:
    key = {"bearer": "token", "header": "value"}[kind]
    name = {"name": "X-Api-Key"} if kind == "header" else {}
    with pytest.raises(SourceRefused, match="cannot be sent") as caught:
        get(office, auth={"kind": kind, key: Secret.given(secret), **name})
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_no_traceback_shows_what_follows_the_question_mark(office: HttpOffice) -> None:
    for reply in (Reply(hang_up=True), Reply(b"[", length=9), Reply(late=2 * PATIENCE), Reply(b"{")):
        office.script.append(reply)
        with (
            OfficeClient(exchange(timeout=timedelta(seconds=0.1)), "loans", lambda: MORNING) as asking,
            pytest.raises(SourceError) as caught,
        ):
            asking.get(office.url, {"password": SECRET})
        assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_no_traceback_shows_it_when_no_one_answers(office: HttpOffice) -> None:
    with socket.socket() as taken, OfficeClient(exchange(), "loans", lambda: MORNING) as asking:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(SourceUnavailable) as caught:
            asking.get(f"http://127.0.0.1:{taken.getsockname()[1]}/", {"password": SECRET})
    assert SECRET not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("size", [1, 3, 100_000])
def test_a_packed_answer_is_unpacked_whole(office: HttpOffice, size: int) -> None:
    said = [f"{number:064x}" for number in range(size)]
    packed = gzip.compress(json.dumps(said).encode())
    office.script.append(Reply(packed, headers={"Content-Encoding": "gzip"}))
    assert get(office) == said
    office.script.append(Reply(packed[:200], drip=0.0005, headers={"Content-Encoding": "gzip"}))
    if len(packed) > 200:
        with pytest.raises(SourceError):
            get(office)
    else:
        assert get(office) == said


def test_a_small_packed_answer_that_grows_too_large_is_given_up(office: HttpOffice) -> None:
    packed = gzip.compress(b" " * 50_000_000)
    office.script.append(Reply(packed, headers={"Content-Encoding": "gzip"}))
    with pytest.raises(SourceGarbled, match="more than 1000000 bytes"):
        get(office, most_bytes=1_000_000)


def test_an_answer_in_chunks_is_read_whole_and_a_cut_one_is_not(office: HttpOffice) -> None:
    chunked = {"Transfer-Encoding": "chunked"}
    office.script.append(Reply(b"3\r\n[1,\r\n2\r\n2]\r\n0\r\n\r\n", headers=chunked, length=None))
    assert get(office) == [1, 2]
    # What came is JSON already, but the end was not announced.
    office.script.append(Reply(b"3\r\n[1]\r\n", headers=chunked, length=None))
    with pytest.raises(SourceUnavailable, match="broke off"):
        get(office)


def test_a_server_that_repeats_our_secret_does_not_have_it_shown(office: HttpOffice) -> None:
    office.script.append(as_json({"code": f"bad {SECRET}", "msg": f"{SECRET} is wrong"}))
    ok = {"path": "code", "equals": [0], "reason": "msg"}
    with pytest.raises(SourceRefused) as caught:
        get(office, ok=ok, auth={"kind": "bearer", "token": Secret.given(SECRET)})
    assert SECRET not in str(caught.value)
    assert "is wrong" in str(caught.value)


def test_a_fetched_token_is_not_shown_either(office: HttpOffice) -> None:
    ok = {"path": "code", "equals": [0], "reason": "msg"}
    auth = {"kind": "token", "url": f"{office.root}/api/token", "token": "data.token"}
    office.script.append(as_json({"code": 1, "msg": "token-number-1 has no rights"}))
    with pytest.raises(SourceRefused) as caught:
        get(office, ok=ok, auth=auth)
    assert "token-number" not in str(caught.value)


def test_a_byte_order_mark_is_no_fault(office: HttpOffice) -> None:
    office.script.append(Reply(b"\xef\xbb\xbf[1]", headers={"Content-Type": "application/json; charset=utf-8"}))
    assert get(office) == [1]


@pytest.mark.parametrize("body", [b"[NaN]", b"[Infinity]", b"[-Infinity]", b"[" * 100_000])
def test_what_only_looks_like_json_is_no_answer(office: HttpOffice, body: bytes) -> None:
    office.script.append(Reply(body))
    with pytest.raises(SourceGarbled, match=r"is not (valid )?JSON"):
        get(office)


def test_no_connection_stays_open_while_an_error_is_kept(office: HttpOffice) -> None:
    office.script.append(Reply(status=403))
    with pytest.raises(SourceRefused) as kept:
        get(office)
    deadline = time.monotonic() + PATIENCE
    while office.connections and time.monotonic() < deadline:
        threading.Event().wait(0.01)
    assert office.connections == 0
    assert kept.value.what


def test_a_token_may_be_sent_as_a_parameter_and_is_still_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """As data centres want it: got with GET, sent with each question, shown in no message."""
    seen: list[str] = []

    class Centre(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.path)
            said: dict[str, object] = {"code": 10000, "result": {"access_token": "tok-en+1/2"}}
            if "token" not in self.path.partition("?")[0]:
                right = "access_token=tok-en%2B1%2F2" in self.path
                rows = {"total": 1, "data": [{"XH": "20151001"}]}
                said = {"code": 10000, "result": rows} if right else {"code": 40001, "message": f"no {self.path}"}
            body = json.dumps(said).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    monkeypatch.setenv("CENTRE_SECRET", "hidden-word")
    with ThreadingHTTPServer(("127.0.0.1", 0), Centre) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        base = f"http://127.0.0.1:{server.server_address[1]}"
        auth = {
            "kind": "token", "url": f"{base}/get_access_token", "method": "GET", "send": {"key": "clearance"},
            "send_secret": {"secret": "env:CENTRE_SECRET"}, "token": "result.access_token", "param": "access_token",
        }  # fmt: skip
        own = {
            "url": f"{base}/full", "records": "result.data", "total": "result.total", "auth": auth, "retries": 0,
            "ok": {"path": "code", "equals": [10000], "reason": "message"},
        }  # fmt: skip
        question = Question("arrears", {"student": "XH"}, Ticking())
        try:
            rows = rest.connect(rest.Settings.model_validate(own), question).pull().rows
            wrong = rest.Settings.model_validate(own | {"auth": auth | {"param": "token_of_access"}})
            with pytest.raises(SourceRefused) as caught:
                rest.connect(wrong, question).pull()
        finally:
            server.shutdown()
            thread.join()
    assert list(rows) == [("20151001",)]
    assert "secret=hidden-word" in seen[0]
    assert "hidden-word" not in str(caught.value)
    assert "tok-en" not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "error", "cause"),
    [
        (201, SourceGarbled, "has no answer to read"),
        (202, SourceUnavailable, "has no answer yet"),
        (203, SourceRefused, "a proxy has changed the answer"),
        (204, SourceGarbled, "has no answer to read"),
        (206, SourceGarbled, "only a part of the answer arrived"),
        (226, SourceGarbled, "has no answer to read"),
        (304, SourceGarbled, "has no answer to read"),
    ],
)
def test_what_is_called_a_success_and_is_not_the_whole_answer_is_named(
    office: HttpOffice, status: int, error: type[SourceError], cause: str
) -> None:
    office.script.append(Reply(b"" if status in (204, 304) else b"[1]", status))
    with pytest.raises(error, match=f"HTTP {status}.*{cause}") as caught:
        get(office)
    assert caught.value.fix_text.endswith(".")


STALE = [
    {"Age": "601", "Cache-Control": "max-age=600"},
    {"Age": "61", "Cache-Control": "public, s-maxage=60, max-age=600"},
    {"Age": "90", "Cache-Control": "no-cache, max-age=600"},
    {"Age": "90"},
    {"Age": "90", "Date": "Thu, 30 May 2019 08:00:00 GMT", "Expires": "Thu, 30 May 2019 08:01:00 GMT"},
    {"Warning": '110 proxy "Response is Stale"'},
    {"Warning": '199 - "Miscellaneous", 111 proxy "Revalidation Failed"'},
    {"X-Cache-Status": "STALE"},
    {"X-Cache-Status": "UPDATING"},
    {"X-Cache": "HIT"},
    {"X-Cache": "TCP_HIT from gateway"},
    {"Cache-Status": "gateway; hit"},
]
NOT_STALE = [
    {"Age": "0"},
    {"Age": "3"},
    {"Age": "nonsense"},
    {"Age": "90", "Cache-Control": "max-age=600"},
    {"Age": "90", "X-Cache": "HIT", "Cache-Control": "max-age=600"},
    {"X-Cache": "MISS from gateway"},
    {"X-Cache-Status": "EXPIRED"},
    {"Cache-Status": "gateway; fwd=stale"},
    {"Warning": '214 proxy "Transformation applied"'},
]


@pytest.mark.parametrize("headers", STALE)
def test_an_answer_of_the_past_is_refused(office: HttpOffice, headers: dict[str, str]) -> None:
    office.script.append(as_json([1], headers=headers))
    with pytest.raises(SourceRefused, match="from a cache") as caught:
        get(office)
    assert "exclude this address" in caught.value.fix_text


@pytest.mark.parametrize("headers", NOT_STALE)
def test_an_answer_that_is_fresh_is_taken(office: HttpOffice, headers: dict[str, str]) -> None:
    office.script.append(as_json([1], headers=headers))
    assert get(office) == [1]


def test_caches_are_asked_to_look_again(office: HttpOffice) -> None:
    office.script.append(as_json([1]))
    get(office)
    assert office.calls[0].headers["Cache-Control"] == "no-cache"


BUSY = {"path": "code", "equals": [0], "reason": "msg", "later": [50301]}


@pytest.mark.parametrize("code", [50301, "50301"])
def test_a_code_for_later_is_unavailable_and_tried_again(office: HttpOffice, code: object) -> None:
    pauses: list[float] = []
    office.script.extend([as_json({"code": code, "msg": "busy"}), as_json({"code": 0})])
    with OfficeClient(exchange(ok=BUSY, retries=1), "loans", lambda: MORNING, pauses.append) as asking:
        assert asking.get(office.url, {}).body == {"code": 0}
    assert pauses == [0.5]
    office.script.append(as_json({"code": code, "msg": "busy"}))
    with pytest.raises(SourceUnavailable, match=r"cannot answer now.*busy"):
        get(office, ok=BUSY)


@pytest.mark.parametrize("code", [50302, 1, True, None])
def test_any_other_code_is_a_refusal_as_ever(office: HttpOffice, code: object) -> None:
    office.script.append(as_json({"code": code, "msg": "no"}))
    with pytest.raises(SourceRefused):
        get(office, ok=BUSY)


def test_a_secret_that_is_spelt_otherwise_in_quotes_is_not_shown(office: HttpOffice) -> None:
    secret = "hid\"den\\wo'rd"
    office.script.append(as_json({"code": f"bad {secret}", "msg": [{"given": secret}]}))
    ok = {"path": "code", "equals": [0], "reason": "msg"}
    with pytest.raises(SourceRefused) as caught:
        get(office, ok=ok, auth={"kind": "bearer", "token": Secret.given(secret)})
    assert "den" not in str(caught.value)


def test_basic_credentials_are_not_shown_as_they_travel(office: HttpOffice) -> None:
    auth = {"kind": "basic", "user": "reader", "password": Secret.given(SECRET)}
    office.script.append(as_json({"code": 1, "msg": f"who is {basic('reader', SECRET)}"}))
    with pytest.raises(SourceRefused) as caught:
        get(office, ok={"path": "code", "equals": [0], "reason": "msg"}, auth=auth)
    assert basic("reader", SECRET)[6:] not in str(caught.value)


CHINESE = json.dumps(["构造地质学", "唐诗选"], ensure_ascii=False)


@pytest.mark.parametrize("charset", ["utf-8", "UTF8", '"utf-8"', "GBK", "gb2312", "ISO-8859-1", "us-ascii", "x-odd"])
def test_utf_8_is_read_as_that_whatever_is_declared(office: HttpOffice, charset: str) -> None:
    office.script.append(Reply(CHINESE.encode(), headers={"Content-Type": f"application/json;charset={charset}"}))
    assert get(office) == json.loads(CHINESE)


@pytest.mark.parametrize("charset", ["GBK", "gb18030", '"GB18030"', "gbk;boundary=x"])
def test_a_declared_charset_is_read(office: HttpOffice, charset: str) -> None:
    office.script.append(Reply(CHINESE.encode("gbk"), headers={"Content-Type": f"application/json; charset={charset}"}))
    assert get(office) == json.loads(CHINESE)


@pytest.mark.parametrize("mark", [b"\xef\xbb\xbf", b"\xef\xbb\xbf" * 2])
@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=GBK"])
def test_marks_before_utf_8_are_no_fault(office: HttpOffice, mark: bytes, kind: str) -> None:
    office.script.append(Reply(mark + CHINESE.encode(), headers={"Content-Type": kind}))
    assert get(office) == json.loads(CHINESE)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32"])
def test_wider_text_is_known_by_itself(office: HttpOffice, encoding: str) -> None:
    office.script.append(Reply(CHINESE.encode(encoding), headers={"Content-Type": "application/json"}))
    assert get(office) == json.loads(CHINESE)


@pytest.mark.parametrize(
    ("kind", "cause"),
    [
        ("application/json", "declares no charset and is not UTF-8; its bytes would fit GB18030"),
        ("application/json; charset=utf-8", "declares UTF-8, but is not UTF-8; its bytes would fit GB18030"),
        ("application/json; charset=x-odd", 'the charset "x-odd" is not known here'),
        ("application/json; charset=ascii", "declares ascii, but is neither ascii nor UTF-8"),
    ],
)
def test_a_wrong_charset_is_named(office: HttpOffice, kind: str, cause: str) -> None:
    office.script.append(Reply(CHINESE.encode("gbk"), headers={"Content-Type": kind}))
    with pytest.raises(SourceGarbled, match=cause) as caught:
        get(office)
    assert "charset" in caught.value.fix_text


def test_the_settings_charset_goes_before_what_is_declared(office: HttpOffice) -> None:
    for kind in ("application/json", "application/json; charset=utf-8"):
        office.script.append(Reply(CHINESE.encode("gbk"), headers={"Content-Type": kind}))
        assert get(office, charset="gb18030") == json.loads(CHINESE)


def asking(pauses: list[float], quiet: Backoff, **own: Any) -> OfficeClient:
    """Return one of several that ask a system during one pull."""
    return OfficeClient(exchange(**own), "loans", lambda: MORNING, pauses.append, quiet)


def test_one_is_asked_to_wait_and_all_wait_once(office: HttpOffice) -> None:
    quiet, first, second = Backoff(), list[float](), list[float]()
    office.script.append(Reply(status=429, headers={"Retry-After": "7"}))
    office.script.extend([as_json([])] * 3)
    with asking(first, quiet, retries=1) as one, asking(second, quiet) as other:
        one.get(office.url, {})
        assert (first, second) == ([7.0], [])
        other.get(office.url, {})
        other.get(office.url, {})
    assert [round(pause) for pause in second] == [7]
    assert first == [7.0]


def test_no_one_asks_while_the_pause_is_longer_than_the_longest_time(office: HttpOffice) -> None:
    quiet, pauses = Backoff(), list[float]()
    office.script.append(Reply(status=503, headers={"Retry-After": "3600"}))
    with asking(pauses, quiet, retries=3) as one, asking(pauses, quiet) as other:
        with pytest.raises(SourceUnavailable, match="HTTP 503"):
            one.get(office.url, {})
        with pytest.raises(SourceUnavailable, match=r"a pause of another 3[56]"):
            other.get(office.url, {})
    assert (len(office.asked), pauses) == (1, [])


def test_who_may_wait_longer_than_a_minute_does(office: HttpOffice) -> None:
    pauses: list[float] = []
    office.script.extend([Reply(status=503, headers={"Retry-After": "120"}), as_json([])])
    with asking(pauses, Backoff(), retries=1) as one:
        one.get(office.url, {})
    assert pauses == [120.0]


class TestTrueCauses:
    """An attempt that failed is reported by its cause, with host and port, and without what may be secret."""

    def refusal(self, url: str, kind: type[SourceError], **own: Any) -> SourceError:
        with OfficeClient(exchange(**own), "loans", lambda: MORNING) as asking, pytest.raises(kind) as caught:
            asking.get(url, {"password": SECRET})
        assert SECRET not in str(caught.value)
        return caught.value

    def test_a_name_that_no_one_knows(self) -> None:
        error = self.refusal("http://no-such-office.invalid/api", SourceUnavailable)
        assert "the name no-such-office.invalid cannot be resolved" in error.what
        assert "DNS" in error.fix_text

    def test_a_port_where_no_one_listens(self) -> None:
        port = free_port()
        error = self.refusal(f"http://127.0.0.1:{port}/api", SourceUnavailable)
        assert f"no program listens on 127.0.0.1:{port}" in error.what

    def test_a_server_that_hangs_up_and_one_that_sends_nothing(self, office: HttpOffice) -> None:
        office.script.append(Reply(hang_up=True))
        assert "closed the connection before it answered" in self.refusal(office.url, SourceUnavailable).what
        office.script.append(Reply(late=2 * PATIENCE))
        error = self.refusal(office.url, SourceUnavailable, timeout=timedelta(seconds=0.2))
        assert "too slow to answer: no data for 0.2 s" in error.what
        assert "raise timeout" in error.fix_text

    def test_a_proxy_is_named_without_its_password(self, office: HttpOffice) -> None:
        port = free_port()
        proxy = f"http://us:{SECRET}@127.0.0.1:{port}"
        for scheme in ("http", "https"):
            error = self.refusal(f"{scheme}://office.invalid/api", SourceUnavailable, proxy=proxy)
            assert f"the proxy 127.0.0.1:{port} could not be reached (connection refused)" in error.what
        # The office acts as a proxy that wants a name.
        office.script.append(Reply(status=407))
        by = office.root.replace("http://", f"http://us:{SECRET}@")
        office.data_paths = ("http://office.invalid/api", "/api")
        error = self.refusal("http://office.invalid/api", SourceRefused, proxy=by)
        assert "requires a valid name and password (HTTP 407)" in error.what
        assert "http://USER:PASSWORD@HOST:PORT" in error.fix_text

    @pytest.mark.parametrize(
        "reply",
        [
            Reply(b"<html><title>400 The plain HTTP request was sent to HTTPS port</title></html>", 400),
            Reply(b"The plain HTTP request was sent to HTTPS port", 400),
        ],
    )
    def test_a_port_that_speaks_tls_and_is_asked_over_plain_http(self, office: HttpOffice, reply: Reply) -> None:
        office.script.append(reply)
        error = self.refusal(office.url, SourceRefused)
        assert "expects TLS on that port" in error.what
        assert "https://" in error.fix_text

    @pytest.mark.parametrize(
        ("reply", "kind", "words"),
        [
            (as_json({"error": "Missing required permission: circulate"}, 403), SourceRefused, "permission: circulate"),
            (as_json({"errors": [{"message": "no such parameter: pg"}], "id": 7}, 400), SourceRefused, "parameter: pg"),
            (
                Reply(b"Module circulation-storage is not enabled\n at x.java:7", 500),
                SourceUnavailable,
                "is not enabled",
            ),
            (Reply(b"<html><head><title>Maintenance</title>", 503), SourceUnavailable, "own words: Maintenance"),
            (Reply(b"<html><head><title>Sign in</title>"), SourceRefused, "web page.*Sign in"),
            (Reply(b"<?xml version='1.0'?><rows/>"), SourceGarbled, "answered with XML"),
            (Reply(b""), SourceGarbled, "is empty"),
            (Reply(b"OK, but no data"), SourceGarbled, "is not JSON.*OK, but no data"),
        ],
    )
    def test_a_failed_answer_is_reported_in_its_own_words(
        self, office: HttpOffice, reply: Reply, kind: type[SourceError], words: str
    ) -> None:
        office.script.append(reply)
        error = self.refusal(office.url, kind)
        assert re.search(words, error.what)
        assert "x.java" not in error.what

    def test_a_failed_answers_words_never_repeat_a_secret(self, office: HttpOffice) -> None:
        for said in (f"bad token {SECRET}", f"no route for /api?password={SECRET}&x=1", "z" * 190 + SECRET):
            for reply in (as_json({"error": said}, 403), Reply(said.encode(), 403)):
                office.script.append(reply)
                error = self.refusal(office.url, SourceRefused, auth={"kind": "bearer", "token": Secret.given(SECRET)})
                assert "hidden" not in error.what

    def test_who_asks_learns_where_it_is_refused(self, office: HttpOffice) -> None:
        auth: dict[str, Any] = {"kind": "basic", "user": "reader", "password": Secret.given(SECRET)}
        office.script.append(Reply(status=403))
        assert "answered HTTP 403 to reader" in self.refusal(office.url, SourceRefused, auth=auth).what
        office.login_script.append(Reply(status=401))
        auth = {"kind": "token", "url": f"{office.root}/api/token", "send": {"user": "clearance"}}
        auth["send_secret"] = {"password": Secret.given(SECRET)}
        assert "refused the login as clearance (HTTP 401" in self.refusal(office.url, SourceRefused, auth=auth).what

    def test_a_login_is_refused_in_its_own_words(self, office: HttpOffice) -> None:
        office.login_script.append(as_json({"error": "invalid_client"}, 401))
        auth = {
            "kind": "oauth2",
            "url": f"{office.root}/api/token",
            "client_id": "us",
            "client_secret": Secret.given("x"),
        }
        assert "invalid_client" in self.refusal(office.url, SourceRefused, auth=auth).what
