"""FOLIO as its documentation describes it, on a real socket: cookies that expire, estimates, ids for numbers."""

import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from connectors import folio
from connectors.port import Connector, ProofKind, Question, SourceGarbled, SourceRefused
from tests.connectors.test_rest import nowhere
from tests.contract import COLUMNS, ROWS, PagedContract, Ticking
from tests.contract import Office as AnyOffice

USERS = [
    {"id": f"u{i}", "externalSystemId": f"2015{i:04d}", "barcode": f"B{i}", "username": f"s{i}"} for i in range(25)
]
USERS.append({"id": "u99", "username": "staff"})
LOANS = [
    {
        "id": f"l{i}",
        "userId": f"u{i}",
        "dueDate": "2019-05-30T15:59:00.000+00:00",
        "item": {"title": "地质学", "barcode": f"C{i}"},
    }
    for i in range(0, 25, 2)
]
LOANS.append({"id": "l99", "userId": "u99", "dueDate": "2019-05-30T15:59:00.000+00:00", "item": {"title": "工具书"}})
ACCOUNTS = [{"id": "a1", "userId": "u3", "title": "唐诗选", "feeFineType": "Overdue fine", "remaining": 3.2}]


class Gateway(ThreadingHTTPServer):
    """Okapi with three modules behind it."""

    def __init__(self) -> None:
        self.logins = 0
        self.asked: list[str] = []
        #: A token is good for so many requests.
        self.lasts = 1_000
        self.left: dict[str, int] = {}
        self.tables: dict[str, list[dict[str, Any]]] = {"users": USERS, "loans": LOANS, "accounts": ACCOUNTS}
        #: Befalls its data before a page of a table is answered, told by the table and the query.
        self.befalls: Callable[[str, str], None] = lambda _table, _query: None
        #: Added to the cookie that a login leaves.
        self.cookie = ""
        super().__init__(("127.0.0.1", 0), Handler)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Gateway

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.headers.get("x-okapi-tenant") != "diku":
            self._answer(400, {"errors": [{"message": "tenant"}]})
        elif asked != {"username": "reader", "password": "hidden-word"}:
            self._answer(422, {"errors": [{"message": "Password does not match"}]})
        else:
            self.server.logins += 1
            token = f"t{self.server.logins}"
            self.server.left[token] = self.server.lasts
            self._answer(201, {"accessTokenExpiration": "…"}, token)

    def do_GET(self) -> None:
        token = re.search(r"folioAccessToken=(\w+)", self.headers.get("Cookie", ""))
        if token is None:
            self._answer(400, "Missing token")
            return
        if self.server.left.get(token[1], 0) <= 0:
            self._answer(401, "Expired token")
            return
        self.server.left[token[1]] -= 1
        address = urlsplit(self.path)
        asked = {name: values[-1] for name, values in parse_qs(address.query).items()}
        self.server.asked.append(asked["query"])
        name = address.path.rpartition("/")[2]
        self.server.befalls(name, asked["query"])
        found = [row for row in self.server.tables[name] if self._fits(row, asked["query"])]
        if "sortBy id" in asked["query"]:
            found.sort(key=lambda row: str(row["id"]))
        start, size = int(asked.get("offset", 0)), int(asked.get("limit", 10))
        # Unless asked for exactly, a large total is a guess.
        total = len(found) if asked.get("totalRecords") == "exact" else 1_000_000
        self._answer(200, {name: found[start : start + size], "totalRecords": total})

    def _fits(self, row: dict[str, Any], query: str) -> bool:
        number = re.search(r'externalSystemId==(?:"([^"]*)"|\(([^)]*)\))', query)
        users = re.search(r"userId==(?:\(([^)]*)\)|\"\")", query)
        after = re.search(r'id>"([^"]*)"', query)
        if after and row["id"] <= after[1]:
            return False
        if (own := re.search(r'^id=="([^"]*)"', query)) and row["id"] != own[1]:
            return False
        if number and row.get("externalSystemId") not in (number[1] or number[2] or "").replace('"', "").split(" or "):
            return False
        return not users or row["userId"] in (users[1] or "").replace('"', "").split(" or ")

    def _answer(self, status: int, said: object, cookie: str = "") -> None:
        body = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if cookie:
            self.send_header("Set-Cookie", f"folioAccessToken={cookie}; HttpOnly; Path=/{self.server.cookie}")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    with Gateway() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def ask(gateway: Gateway, monkeypatch: pytest.MonkeyPatch, asks: str = "loans", **own: Any) -> folio.Folio:
    monkeypatch.setenv("FOLIO_PASSWORD", own.pop("password", "hidden-word"))
    given = {
        "url": f"http://127.0.0.1:{gateway.server_address[1]}/",
        "tenant": "diku",
        "user": "reader",
        "password": "env:FOLIO_PASSWORD",
        "asks": asks,
        "per_page": 10,
        "retries": 0,
        **own,
    }
    columns = given.pop("columns", None)
    settings = folio.Settings.model_validate(given)
    return folio.connect(settings, Question("loans", columns or folio.Settings.default_columns(given), Ticking()))


def test_loans_come_by_their_users_numbers(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot = ask(gateway, monkeypatch).pull()
    rows = {row[0]: row for row in snapshot.rows}
    assert len(snapshot.rows) == 14
    assert rows["20150002"][1:3] == ("地质学", "2019-05-30T15:59:00.000+00:00")
    assert None in rows, "a user without a number is nobody's, and counted"


def test_everybody_with_a_number_is_known(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(ask(gateway, monkeypatch).pull().population or ()) == 25


def test_both_totals_are_reported(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    told = {proof.kind: proof.detail for proof in ask(gateway, monkeypatch).pull().proofs}
    assert re.findall(r"\d+ of \d+", told[ProofKind.TOTAL_AGREES]) == ["26 of 26", "14 of 14"]


def test_accounts_bring_what_remains(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    (row,) = ask(gateway, monkeypatch, "accounts").pull().rows
    assert (row[0], row[1], row[2], str(row[3])) == ("20150003", "唐诗选", "Overdue fine", "3.2")


def test_a_token_that_expires_between_pages_is_fetched_again(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    gateway.lasts = 2
    assert len(ask(gateway, monkeypatch).pull().rows) == 14
    assert gateway.logins > 2


def test_another_column_may_hold_the_number(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "B2" in {row[0] for row in ask(gateway, monkeypatch, number="barcode").pull().rows}


def test_one_student_is_asked_for_alone(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot = ask(gateway, monkeypatch).pull_one("20150002")
    assert [row[3] for row in snapshot.rows] == ["l2"]
    assert snapshot.population == ["20150002"]
    assert any("userId==(u2)" in query for query in gateway.asked)


def test_a_student_whom_it_does_not_know_is_outside_its_population(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = ask(gateway, monkeypatch).pull_one("20159999")
    assert snapshot.rows == []
    assert snapshot.population == []


def test_a_number_with_signs_of_its_own_is_never_put_into_a_question(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(gateway, monkeypatch).pull_one('2015" or cql.allRecords=1 or "')
    assert not any(" or cql" in query for query in gateway.asked)


def test_a_wrong_password_and_a_wrong_tenant_are_refused(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    for own in ({"password": "not-the-word"}, {"tenant": "elsewhere"}):
        with pytest.raises(SourceRefused) as caught:
            ask(gateway, monkeypatch, **own).pull()
        assert "not-the-word" not in str(caught.value)


def test_a_record_that_is_lost_on_the_way_is_no_answer(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    gateway.tables["loans"] = [*LOANS[:10], *LOANS[:4]]
    with pytest.raises(SourceGarbled):
        ask(gateway, monkeypatch).pull()


def test_a_check_shows_a_record(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    sample = ask(gateway, monkeypatch).check()
    assert "item.title" in sample.columns
    assert sample.row is not None


def test_a_book_that_comes_back_while_pages_are_read_hides_no_one(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    loans = [{**LOANS[0], "id": f"l{n:02}", "userId": f"u{n}"} for n in range(24)]
    gateway.tables["loans"] = loans

    def returned(table: str, query: str) -> None:
        if table == "loans" and 'id>"l09"' in query and loans[1]["id"] == "l01":
            # A book of the first page comes back, and another is lent.
            del loans[1]
            loans.append({**LOANS[0], "id": "l30", "userId": "u24"})

    gateway.befalls = returned
    numbers = {row[0] for row in ask(gateway, monkeypatch).pull().rows}
    assert numbers == {f"2015{n:04d}" for n in range(25)}
    assert len([query for query in gateway.asked if "status" in query]) == 3


def test_over_plain_http_a_cookie_that_is_never_sent_is_named(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway.cookie = "; Secure"
    for asked in (lambda: ask(gateway, monkeypatch).pull(), lambda: ask(gateway, monkeypatch).check()):
        with pytest.raises(SourceRefused, match=r"over https only .* plain http") as caught:
            asked()
        assert "https://" in caught.value.fix_text
    assert not gateway.asked


def test_some_students_are_asked_for_together(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = ["20150002", "20150003", "20159999"]
    snapshot = ask(gateway, monkeypatch).pull_these(numbers)
    assert [row[3] for row in snapshot.rows] == ["l2"]
    assert sorted(map(str, snapshot.population or ())) == ["20150002", "20150003"]
    assert len(gateway.asked) == 2
    assert {proof.kind for proof in snapshot.proofs} >= {ProofKind.TOTAL_AGREES}


def test_a_number_that_is_not_plain_is_looked_for_among_all(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot = ask(gateway, monkeypatch).pull_these(['20150002" or cql.allRecords=1 or "', "20150002"])
    assert not any(" or cql" in query for query in gateway.asked)
    assert {row[0] for row in snapshot.rows} == {"20150002"}


class TestFolio(PagedContract, of="folio"):
    class Office:
        secret = "hidden-word"

        def __init__(self, served: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
            self.served = served
            self.monkeypatch = monkeypatch

        def fill(self, rows: Sequence[Mapping[str, str | None]]) -> None:
            self.numbers = list(dict.fromkeys(row["NUMBER"] for row in rows))
            users = [{"id": f"u{n}", "externalSystemId": number} for n, number in enumerate(self.numbers)]
            self.served.tables["users"] = users
            self.served.tables["loans"] = [self.loan(n, row) for n, row in enumerate(rows)]

        def loan(self, number: int, row: Mapping[str, str | None]) -> dict[str, Any]:
            # FOLIO leaves out what is empty; here it is null.
            return {"id": f"l{number:02}", "userId": f"u{self.numbers.index(row['NUMBER'])}", **row}

        def shift_once(self, gone: int, new: Mapping[str, str | None]) -> None:
            added = self.loan(50, new)

            def shift(table: str, query: str) -> None:
                if table == "loans" and "id>" in query and added not in self.served.tables["loans"]:
                    del self.served.tables["loans"][gone]
                    self.served.tables["loans"].append(added)

            self.served.befalls = shift

        def connector(self, columns: Mapping[str, str] = COLUMNS) -> Connector:
            return ask(self.served, self.monkeypatch, columns=columns, per_page=2)

        def out_of_reach(self) -> Connector:
            return ask(self.served, self.monkeypatch, url=nowhere())

    @pytest.fixture
    def office(self, gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> Office:
        return self.Office(gateway, monkeypatch)

    def test_a_missing_column_is_named_with_the_source_and_the_fix(self, office: AnyOffice) -> None:
        """FOLIO leaves out what is empty, so that a column may be missing in every record: a check reports it."""
        office.fill(ROWS)
        sample = office.connector({**COLUMNS, "due": "DUE_DAY"}).check()
        assert [warning for warning in sample.warnings if "DUE_DAY" in warning and warning.endswith(".")]
