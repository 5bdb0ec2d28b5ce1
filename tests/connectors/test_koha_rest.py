"""Koha's REST API as it describes itself, on a real socket: pages, ids that lead to numbers, tokens that expire."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs

import pytest
from pydantic import ValidationError

from connectors import koha_rest
from connectors.port import (
    Candidates,
    Connector,
    ProofKind,
    Question,
    SourceError,
    SourceGarbled,
    SourceRefused,
    SourceUnavailable,
    together,
)
from tests.connectors.test_rest import nowhere
from tests.contract import COLUMNS, PagedContract, Ticking
from tests.services.http_office import Call, HttpOffice, Reply, as_json, basic

SECRET = "hidden-word"

#: Three students; Koha knows two of them, the first by a card of her own as well.
ROSTER = Candidates(
    {"20151001": ("20151001", "CARD-1"), "20152003": ("20152003",), "20152004": ("20152004",)}, revision=5
)


def patron(number: int, card: str | None, *attributes: tuple[str, str]) -> dict[str, Any]:
    return {
        "patron_id": number,
        "cardnumber": card,
        "userid": f"user{number}",
        "statistics_1": None,
        "extended_attributes": [{"type": code, "value": value} for code, value in attributes],
    }


def checkout(number: int, of: int, item: int, *, onsite: bool = False) -> dict[str, Any]:
    due = "2019-05-30T23:59:00+08:00"
    return {"checkout_id": number, "patron_id": of, "item_id": item, "due_date": due, "onsite_checkout": onsite}


def line(number: int, owed: object, said: str = "逾期") -> dict[str, Any]:
    return {"account_line_id": number, "description": said, "amount_outstanding": owed, "debit_type": "OVERDUE"}


class Koha(HttpOffice):
    """A library on Koha. It answers what is asked as Koha does, whoever asks."""

    #: What each list may be asked with, besides its pages.
    LISTS: Mapping[str, str] = {"patrons": "patron_id", "checkouts": "checkout_id", "items": "item_id"}

    def __init__(self) -> None:
        super().__init__()
        self.tables: dict[str, list[dict[str, Any]]] = {
            "patrons": [
                patron(1, "20151001", ("STUDENTNO", "S1"), ("HOUSE", "red")),
                patron(2, "20152003", ("STUDENTNO", "S2")),
                patron(3, None),
                patron(11, "20158888", ("STUDENTNO", "S3"), ("STUDENTNO", "S4")),
            ],
            "checkouts": [
                checkout(1, 1, 101),
                checkout(2, 1, 102, onsite=True),
                checkout(3, 3, 103),
                checkout(4, 11, 104),
                checkout(5, 2, 105),
            ],
            "items": [
                {
                    "item_id": number,
                    "external_id": f"B{number}",
                    "biblio_id": number,
                    "biblio": {"title": f"书{number}"},
                }
                for number in (101, 102, 103, 104, 105)
            ],
        }
        self.accounts: dict[int, tuple[list[dict[str, Any]], list[dict[str, Any]]]] = {
            1: ([line(1, 3.2), line(2, 10)], [line(3, -1.2, "预付")]),
            2: ([], []),
            3: ([line(4, 99)], []),
        }
        self.balances: dict[int, float] = {}
        #: A token is good for so many requests.
        self.lasts = 1_000
        self.left: dict[str, int] = {}
        self.forbidden: set[str] = set()
        self.basic_only = False
        self.embeds = True
        self.asked_for: list[Call] = []

    def answer(self, call: Call) -> Reply:
        with self._lock:
            self.calls.append(call)
            if call.path == "/api/v1/oauth/token":
                return self._token(call)
            if not self._comes_in(call.headers.get("Authorization", "")):
                return as_json({"error": "Authentication failure."}, 401)
            self.asked_for.append(call)
            fault = self.befalls(call)
            if fault is not None:
                return fault
            path = call.path.removeprefix("/api/v1/").split("/")
            if path[0] in self.forbidden:
                return as_json({"error": "Authorization failure. Missing required permission(s)."}, 403)
            if path[0] == "patrons" and path[2:] == ["account"]:
                return self._account(int(path[1]))
            return self._list(path[0], call) if path[0] in self.LISTS else as_json({"error": "Not found"}, 404)

    def _token(self, call: Call) -> Reply:
        asked = {name: values[0] for name, values in parse_qs(call.body.decode()).items()}
        if self.basic_only or asked.get("grant_type") != "client_credentials":
            return as_json({"error": "Unimplemented grant type"}, 400)
        if (asked.get("client_id"), asked.get("client_secret")) != ("us", SECRET):
            return as_json({"error": "unauthorized_client"}, 403)
        self.tokens.append(f"token-number-{len(self.tokens) + 1}")
        self.left[self.tokens[-1]] = self.lasts
        return as_json({"access_token": self.tokens[-1], "token_type": "Bearer", "expires_in": 3600})

    def _comes_in(self, header: str) -> bool:
        if self.basic_only:
            return header == basic("us", SECRET)
        token = header.removeprefix("Bearer ")
        self.left[token] = self.left.get(token, 0) - 1
        return self.left[token] >= 0

    def _list(self, name: str, call: Call) -> Reply:
        known = {"_page", "_per_page", "_order_by", "_match", "q", *(self.tables[name] or [{}])[0]}
        unknown = [{"path": f"/query/{p}", "message": "Malformed query string"} for p in call.params if p not in known]
        if unknown:
            return as_json(unknown, 400)
        rows = [row for row in self.tables[name] if self._fits(row, call.params)]
        by = call.params.get("_order_by", "+nothing").lstrip("+")
        rows.sort(key=lambda row: (str(row.get(by) or "").zfill(20), str(row)))
        embedded = call.headers.get("X-Koha-Embed", "") if self.embeds else ""
        hidden = {"extended_attributes", "biblio"} - {embedded}
        rows = [{key: value for key, value in row.items() if key not in hidden} for row in rows]
        size, number = int(call.params.get("_per_page", 20)), int(call.params.get("_page", 1))
        size = len(rows) or 1 if size == -1 else min(size, self.most)
        if (before := self._before(name, call.params)) and size:
            # A page after a key: it is told by its number all the same.
            records = self.tamper(before // size + 1, rows[:size])
        else:
            records = self.tamper(number, rows[(number - 1) * size : number * size])
        # Behind a proxy, Koha writes its own name into its links.
        links = {"Link": f'<http://koha.internal{call.path}?_page={number + 1}>; rel="next"'}
        return as_json(records, headers={"X-Total-Count": str(len(rows)), **links})

    def _before(self, name: str, params: Mapping[str, str]) -> int:
        """Return how many records come before the key that a page is asked for after."""
        ((column, condition),) = [*json.loads(params.get("q", "{}")).items()][-1:] or [("", {})]
        return sum(row[column] <= condition[">"] for row in self.tables[name]) if ">" in condition else 0

    def _fits(self, row: Mapping[str, Any], params: Mapping[str, str]) -> bool:
        for name, value in params.items():
            if not name.startswith("_") and name != "q" and value not in str(row[name]):
                return False
        for name, condition in json.loads(params.get("q", "{}")).items():
            # MariaDB compares regardless of case.
            if str(row[name]).upper() not in [str(wanted).upper() for wanted in condition.get("-in", [row[name]])]:
                return False
            if ">" in condition and not row[name] > condition[">"]:
                return False
        return True

    def _account(self, number: int) -> Reply:
        if number not in self.accounts:
            return as_json({"error": "Patron not found."}, 404)
        debits, credited = self.accounts[number]
        sums = [float(sum(row["amount_outstanding"] for row in rows)) for rows in (debits, credited)]
        balance = self.balances.get(number, sum(sums))
        return as_json(
            {
                "balance": balance,
                "outstanding_debits": {"total": sums[0], "lines": debits},
                "outstanding_credits": {"total": sums[1], "lines": credited},
            }
        )


@pytest.fixture
def library() -> Iterator[Koha]:
    with Koha() as served:
        yield served


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KOHA_SECRET", SECRET)
    monkeypatch.setenv("WRONG_SECRET", "not-the-word")


def ask(library: Koha, asks: str = "loans", roster: Candidates = ROSTER, **own: Any) -> koha_rest.KohaRest:
    columns = own.pop("columns", {})
    given = {
        "url": f"{library.root}/",
        "client_id": "us",
        "client_secret": "env:KOHA_SECRET",
        "asks": asks,
        "per_page": 2,
        "retries": 0,
        "onsite": False,
        "per_student": {"rounds": 1, "per_second": 1000},
        **own,
    }
    settings = koha_rest.Settings.model_validate({key: value for key, value in given.items() if value is not None})
    columns = {**koha_rest.Settings.default_columns(given), **columns}
    return koha_rest.connect(settings, Question("loans", columns, Ticking(), lambda: roster))


def accounts_asked(library: Koha) -> Counter[str]:
    return Counter(call.path.split("/")[4] for call in library.asked_for if call.path.endswith("/account"))


def test_loans_come_by_their_patrons_numbers_with_title_and_bar_code(library: Koha) -> None:
    snapshot = ask(library).pull()
    assert snapshot.fields == ("student", "title", "due", "reference")
    assert sorted(snapshot.rows, key=lambda row: str(row[3])) == [
        ("20151001", "书101", "2019-05-30T23:59:00+08:00", "B101"),
        (None, "书103", "2019-05-30T23:59:00+08:00", "B103"),
        ("20158888", "书104", "2019-05-30T23:59:00+08:00", "B104"),
        ("20152003", "书105", "2019-05-30T23:59:00+08:00", "B105"),
    ]


def test_every_patron_with_a_number_is_known_and_no_one_else(library: Koha) -> None:
    snapshot = ask(library).pull()
    assert sorted(map(str, snapshot.population or ())) == ["20151001", "20152003", "20158888"]
    assert snapshot.candidates is None


def test_what_is_read_in_the_reading_room_counts_unless_it_is_asked_not_to(library: Koha) -> None:
    assert "B102" in {row[3] for row in ask(library, onsite=None).pull().rows}
    assert "B102" not in {row[3] for row in ask(library, onsite=False).pull().rows}


def test_both_totals_are_reported(library: Koha) -> None:
    told = {proof.kind: proof.detail for proof in ask(library).pull().proofs}
    assert told[ProofKind.TOTAL_AGREES] == "patrons: 3 pages, 4 of 4 rows; loans: 3 pages, 5 of 5 rows"
    assert ProofKind.COLUMNS_PRESENT in told


def test_without_the_catalogue_a_loan_is_reported_by_its_items_id(library: Koha) -> None:
    library.forbidden = {"items"}
    rows = {row[3]: row for row in ask(library, titles=False).pull().rows}
    assert rows[101][:2] == ("20151001", None)
    assert not [call for call in library.asked_for if "items" in call.path]


def test_an_account_that_may_not_read_the_catalogue_is_reported(library: Koha) -> None:
    library.forbidden = {"items"}
    with pytest.raises(SourceRefused, match=r"/api/v1/items answered HTTP 403"):
        ask(library).pull()


def test_an_item_that_is_gone_leaves_its_loan(library: Koha) -> None:
    library.tables["items"] = [row for row in library.tables["items"] if row["item_id"] != 101]
    assert ("20151001", None, 101) in {(row[0], row[1], row[3]) for row in ask(library).pull().rows}


@pytest.mark.parametrize("most", [1, 2, 3, 100])
def test_a_server_that_gives_smaller_pages_than_asked_for_is_read_whole(library: Koha, most: int) -> None:
    library.most = most
    assert len(ask(library, per_page=50).pull().rows) == 4


def test_the_number_may_stand_in_another_field_or_in_an_attribute(library: Koha) -> None:
    assert "user1" in {row[0] for row in ask(library, number="userid").pull().rows}
    snapshot = ask(library, attribute="STUDENTNO").pull()
    assert Counter(row[0] for row in snapshot.rows) == {"S1": 1, "S2": 1, None: 2}


def test_a_patron_with_two_numbers_in_one_attribute_is_no_one(library: Koha) -> None:
    snapshot = ask(library, attribute="STUDENTNO").pull()
    assert sorted(map(str, snapshot.population or ())) == ["S1", "S2"]


def test_a_koha_that_embeds_no_attributes_is_named(library: Koha) -> None:
    library.embeds = False
    with pytest.raises(SourceGarbled, match="no extended attributes"):
        ask(library, attribute="STUDENTNO").pull()


def test_one_students_loans_are_asked_for_alone_and_never_another_ones(library: Koha) -> None:
    snapshot = ask(library).pull_one("20151001")
    # Patron 11's id holds a 1, and Koha looks for a parameter of a field's name within the field.
    assert [row[3] for row in snapshot.rows] == ["B101"]
    assert snapshot.population == ["20151001"]
    assert all("q" in call.params for call in library.asked_for)


@pytest.mark.parametrize("asks", ["loans", "fines"])
def test_one_whom_it_does_not_know_is_outside_and_not_clear(library: Koha, asks: str) -> None:
    snapshot = ask(library, asks).pull_one("20159999")
    assert (list(snapshot.rows), snapshot.population) == ([], [])
    assert {proof.kind for proof in snapshot.proofs} & {ProofKind.TOTAL_AGREES, ProofKind.END_REACHED}


@pytest.mark.parametrize("asks", ["loans", "fines"])
def test_answers_about_one_number_and_about_an_unknown_one_have_a_proof_in_common(library: Koha, asks: str) -> None:
    connector = ask(library, asks)
    whole = together([connector.pull_one(number) for number in ("CARD-1", "20151001")])
    assert {proof.kind for proof in whole.proofs} & {ProofKind.TOTAL_AGREES, ProofKind.END_REACHED}
    assert whole.population == ["20151001"]


def test_a_number_with_signs_of_its_own_stays_one_number(library: Koha) -> None:
    sly = 'x"]},"patron_id":{"-in":["1'
    assert list(ask(library).pull_one(sly).rows) == []
    (question,) = [call.params["q"] for call in library.asked_for]
    assert json.loads(question) == {"cardnumber": {"-in": [sly]}}


def test_what_is_owed_comes_for_everybody_on_the_roster_and_no_one_else(library: Koha) -> None:
    snapshot = ask(library, "fines").pull()
    rows = sorted((str(row[0]), str(row[1]), Decimal(str(row[2])), str(row[3])) for row in snapshot.rows)
    assert rows == [
        ("20151001", "逾期", Decimal("3.2"), "1"),
        ("20151001", "逾期", Decimal(10), "2"),
        ("20151001", "预付", Decimal("-1.2"), "3"),
    ]
    assert accounts_asked(library) == {"1": 1, "2": 1}
    assert sorted(map(str, snapshot.population or ())) == ["20151001", "20152003"]
    assert snapshot.candidates == 5


def test_the_whole_of_the_fines_reports_how_many_were_asked_about(library: Koha) -> None:
    told = {proof.kind: proof.detail for proof in ask(library, "fines").pull().proofs}
    assert told[ProofKind.NO_PAGE_LOST] == "3 students, 4 numbers, each asked once; 2 patrons have one of them"
    assert ProofKind.END_REACHED in told
    assert ProofKind.COLUMNS_PRESENT in told


def test_credits_are_taken_off_whichever_sign_they_have(library: Koha) -> None:
    library.accounts[1] = ([line(1, 3.2)], [line(3, 1.2)])
    library.balances[1] = 2.0
    assert sum(Decimal(str(row[2])) for row in ask(library, "fines").pull_one("20151001").rows) == Decimal("2.0")


def test_a_balance_reckoned_in_floating_point_is_close_enough(library: Koha) -> None:
    library.balances[1] = 12.000000000000002
    assert len(ask(library, "fines").pull_one("20151001").rows) == 3


def test_an_account_whose_lines_do_not_make_up_its_balance_is_no_answer(library: Koha) -> None:
    library.balances[1] = 13.0
    with pytest.raises(SourceUnavailable, match=r"a balance of 13\.0, but its lines add up to 12\.0"):
        ask(library, "fines").pull()


@pytest.mark.parametrize("said", [{"balance": 0}, [], {"balance": "x", "outstanding_debits": {}}])
def test_an_account_of_another_shape_is_no_answer(library: Koha, said: object) -> None:
    library.befalls = lambda call: as_json(said) if call.path.endswith("/account") else None
    with pytest.raises(SourceGarbled, match="no balance"):
        ask(library, "fines").pull()


def test_two_patrons_with_one_number_are_both_asked_about(library: Koha) -> None:
    library.tables["patrons"].append(patron(4, "20151001"))
    library.accounts[4] = ([line(9, 5)], [])
    assert {row[3] for row in ask(library, "fines").pull().rows} == {1, 2, 3, 9}


def test_a_patron_who_is_deleted_meanwhile_is_outside_and_not_clear(library: Koha) -> None:
    del library.accounts[2]
    assert ask(library, "fines").pull().population == ["20151001"] * 1
    assert ask(library, "fines").pull_one("20152003").population == []


def test_a_card_is_another_number_of_the_same_student(library: Koha) -> None:
    library.tables["patrons"][0]["cardnumber"] = "card-1"
    snapshot = ask(library, "fines").pull()
    assert {row[0] for row in snapshot.rows} == {"card-1"}


def test_fines_by_an_attribute_read_the_whole_list_of_patrons(library: Koha) -> None:
    roster = Candidates({"S1": ("S1",), "S4": ("S4",)}, 5)
    snapshot = ask(library, "fines", roster, attribute="STUDENTNO").pull()
    assert len(snapshot.rows) == 3
    assert snapshot.population == ["S1"]


def test_three_hundred_numbers_are_asked_for_a_hundred_at_a_time(library: Koha) -> None:
    numbers = [f"2015{n:04d}" for n in range(300)]
    library.tables["patrons"] = [patron(n, number) for n, number in enumerate(numbers, 1)]
    library.accounts = {n: ([line(n, 1)], []) for n in range(1, 301)}
    roster = Candidates({number: (number,) for number in numbers}, 5)
    assert len(ask(library, "fines", roster, per_page=500).pull().rows) == 300
    # A page of a hundred may be a full one: once more for each, and nothing comes.
    assert len([call for call in library.asked_for if call.path.endswith("/patrons")]) == 6


def test_no_one_on_the_roster_is_no_answer(library: Koha) -> None:
    with pytest.raises(SourceUnavailable, match="Sync the roster first"):
        ask(library, "fines", Candidates()).pull()


def test_a_library_that_knows_no_one_on_the_roster_is_no_answer(library: Koha) -> None:
    with pytest.raises(SourceGarbled, match="knows no student on the roster"):
        ask(library, "fines", Candidates({"1": ("1",)}, 5)).pull()


@pytest.mark.parametrize(("asks", "sessions"), [("loans", 3), ("fines", 2)])
def test_a_token_that_expires_midway_is_fetched_again(library: Koha, asks: str, sessions: int) -> None:
    library.lasts = 1
    assert ask(library, asks, per_student={"rounds": 1, "at_once": 1}).pull().rows
    assert len(library.tokens) > sessions


def test_a_fresh_token_that_is_refused_ends_the_pull(library: Koha) -> None:
    library.lasts = 0
    with pytest.raises(SourceRefused, match="HTTP 401"):
        ask(library).pull()


def test_basic_authentication_serves_where_it_is_switched_on(library: Koha) -> None:
    library.basic_only = True
    key: dict[str, Any] = {"client_id": None, "client_secret": None}
    assert len(ask(library, **key, user="us", password="env:KOHA_SECRET").pull().rows) == 4
    with pytest.raises(SourceRefused, match="refused the login"):
        ask(library).pull()


@pytest.mark.parametrize(
    "own", [{"client_id": None}, {"client_secret": None}, {"user": "us", "password": "env:KOHA_SECRET"}]
)
def test_without_one_way_to_come_in_the_settings_are_refused(library: Koha, own: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="client_id and client_secret, or user and password"):
        ask(library, **own)


def test_a_wrong_secret_is_refused_and_not_shown(library: Koha) -> None:
    with pytest.raises(SourceRefused, match="refused the login") as caught:
        ask(library, client_secret="env:WRONG_SECRET").pull()
    assert "not-the-word" not in str(caught.value)


@pytest.mark.parametrize("of", ["patrons", "checkouts", "account"])
@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (as_json({"error": "Authorization failure."}, 403), SourceRefused),
        (as_json([{"message": "Malformed query string"}], 400), SourceRefused),
        (as_json({}, 500), SourceUnavailable),
        (as_json({}, 429, {"Retry-After": "3600"}), SourceUnavailable),
        (as_json({"error": "System is under maintenance."}, 503), SourceUnavailable),
        (Reply(b"<html>", headers={"Content-Type": "text/html"}), SourceRefused),
        (Reply(b'[{"patron_id": 1', length=None), SourceGarbled),
    ],
)
def test_a_fault_anywhere_leaves_nothing(library: Koha, of: str, fault: Reply, error: type[SourceError]) -> None:
    library.befalls = lambda call: fault if call.path.endswith(of) else None
    with pytest.raises(error) as caught:
        ask(library, "fines" if of == "account" else "loans").pull()
    assert SECRET not in str(caught.value)


def test_a_total_that_moves_starts_the_reading_over(library: Koha) -> None:
    def lend_another(number: int, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
        if number == 2 and len(library.tables["checkouts"]) == 5 and "checkout_id" in records[0]:
            library.tables["checkouts"].append(checkout(6, 2, 106))
        return records

    library.tamper = lend_another
    assert len(ask(library).pull().rows) == 5


def test_a_record_that_is_lost_at_the_end_of_a_page_is_asked_for_again(library: Koha) -> None:
    library.tamper = lambda number, records: records[:-1] if number == 2 and "checkout_id" in records[0] else records
    assert len(ask(library).pull().rows) == 4


def test_a_record_that_is_lost_within_a_page_is_no_answer(library: Koha) -> None:
    library.tamper = lambda number, records: records[1:] if number == 2 and "checkout_id" in records[0] else records
    with pytest.raises(SourceUnavailable, match="its total changed from 5 to 4"):
        ask(library).pull()


def test_a_library_out_of_reach_is_unavailable(library: Koha) -> None:
    for asks in ("loans", "fines"):
        with pytest.raises(SourceUnavailable):
            ask(library, asks, url=nowhere()).pull()


def test_a_column_that_koha_does_not_have_is_named(library: Koha) -> None:
    for asks in ("loans", "fines"):
        with pytest.raises(SourceGarbled, match="DUE_DAY"):
            ask(library, asks, columns={"due": "DUE_DAY"}).pull()


@pytest.mark.parametrize(("asks", "column"), [("loans", "due_date"), ("fines", "amount_outstanding")])
def test_a_check_shows_a_record(library: Koha, asks: str, column: str) -> None:
    sample = ask(library, asks).check()
    assert column in sample.columns
    assert sample.row is not None


def test_progress_reports_loans_and_patrons(library: Koha) -> None:
    last: dict[str, tuple[int, int | None]] = {}
    for asks in ("loans", "fines"):
        seen: list[tuple[int, int | None]] = []
        note: Callable[[int, int | None], None] = lambda *figures, seen=seen: seen.append(figures)  # noqa: E731
        ask(library, asks).pull(note)
        last[asks] = seen[-1]
    assert last == {"loans": (5, 5), "fines": (2, 2)}


def test_a_check_finds_what_a_sync_would_that_items_come_without_their_titles(library: Koha) -> None:
    for item in library.tables["items"]:
        del item["biblio"]
    for asked in (lambda: ask(library).check(), lambda: ask(library).pull()):
        with pytest.raises(SourceGarbled, match="items without biblio") as caught:
            asked()
        assert "titles = false" in caught.value.fix_text
    assert ask(library, titles=False).check().row is not None


def test_a_check_finds_that_the_catalogue_may_not_be_read(library: Koha) -> None:
    library.forbidden = {"items"}
    with pytest.raises(SourceRefused, match=r"/api/v1/items answered HTTP 403"):
        ask(library).check()


def test_a_check_shows_the_title_as_a_sync_would_store_it(library: Koha) -> None:
    row = ask(library).check().row
    assert row is not None
    assert (row["title"], row["reference"]) == ("书101", "B101")


def test_a_patron_without_the_attribute_counts_by_the_field_that_is_named_too(library: Koha) -> None:
    library.tables["patrons"].append(patron(12, "20152004", ("HOUSE", "red")))
    library.tables["checkouts"].append(checkout(6, 12, 105))
    alone = ask(library, attribute="STUDENTNO").pull()
    both = ask(library, attribute="STUDENTNO", number="cardnumber").pull()
    assert "20152004" not in map(str, alone.population or ())
    assert sorted(map(str, both.population or ())) == ["20152004", "S1", "S2"], "two attributes are still nobody"
    assert "20152004" in {row[0] for row in both.rows}
    assert ask(library, attribute="STUDENTNO", number="cardnumber").pull_one("20152004").population == ["20152004"]


@pytest.mark.parametrize("asks", ["loans", "fines"])
@pytest.mark.parametrize("own", [{}, {"attribute": "STUDENTNO", "number": "cardnumber"}])
def test_some_students_are_asked_about_together(library: Koha, asks: str, own: dict[str, Any]) -> None:
    mapping = {"20151001": "S1", "20152003": "S2"} if own else {}
    numbers = [mapping.get(number, number) for number in ("20151001", "20152003", "20159999")]
    snapshot = ask(library, asks, **own).pull_these(numbers)
    assert {str(row[0]) for row in snapshot.rows} <= set(numbers[:2])
    assert sorted(map(str, snapshot.population or ())) == sorted(numbers[:2])
    assert len(snapshot.rows) == {"loans": 2, "fines": 3}[asks]
    assert {proof.kind for proof in snapshot.proofs} & {ProofKind.TOTAL_AGREES, ProofKind.END_REACHED}


def test_a_second_look_asks_for_no_other_patrons_loans(library: Koha) -> None:
    ask(library, per_page=50).pull_these(["20151001", "20152003"])
    (question,) = [call.params["q"] for call in library.asked_for if call.path.endswith("/checkouts")]
    assert json.loads(question) == {"patron_id": {"-in": [1, 2]}}


def test_a_second_look_about_no_one_it_knows_is_an_answer(library: Koha) -> None:
    for asks in ("loans", "fines"):
        snapshot = ask(library, asks).pull_these(["20159999"])
        assert (list(snapshot.rows), list(snapshot.population or ())) == ([], [])


class TestKohaRest(PagedContract, of="koha_rest"):
    class Office:
        secret = SECRET

        def __init__(self, served: Koha) -> None:
            self.served = served

        def fill(self, rows: Sequence[Mapping[str, str | None]]) -> None:
            self.numbers = list(dict.fromkeys(row["NUMBER"] for row in rows))
            known = [patron(n, number) for n, number in enumerate(self.numbers, 1)]
            self.served.tables["patrons"] = known or [patron(1, None)]
            self.served.tables["checkouts"] = [self.loan(n, row) for n, row in enumerate(rows, 1)]

        def loan(self, number: int, row: Mapping[str, str | None]) -> dict[str, Any]:
            return {**checkout(number, self.numbers.index(row["NUMBER"]) + 1, number), **row}

        def shift_once(self, gone: int, new: Mapping[str, str | None]) -> None:
            self.served.shift_once(self.served.tables["checkouts"], gone, self.loan(50, new), "/api/v1/checkouts")

        def connector(self, columns: Mapping[str, str] = COLUMNS) -> Connector:
            own = {field: column for field, column in columns.items() if field != "student"}
            return ask(self.served, columns={"due": "due_date", **own, "student": "NUMBER"})

        def out_of_reach(self) -> Connector:
            return ask(self.served, url=nowhere())

    @pytest.fixture
    def office(self, library: Koha) -> Office:
        return self.Office(library)
