"""Alma asked about each student of the roster: loans, fees in every state, and what it reports of unknown patrons."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from pydantic import ValidationError

from connectors import alma
from connectors.by_student.each_patron import EachPatron
from connectors.port import (
    AsksByNumber,
    Candidates,
    ProofKind,
    SourceError,
    SourceGarbled,
    SourceRefused,
    SourceUnavailable,
)
from tests.connectors.patrons import EVERY_NUMBER, ROSTER, PatronContract, PatronOffice, known, patrons
from tests.contract import MANY
from tests.services.alma import KEY, Alma, block, failure, fee, loan
from tests.services.http_office import Call, Reply, as_json


@pytest.fixture
def library() -> Iterator[Alma]:
    with Alma() as served:
        served.users = {
            "20151001": {"loans": [loan(1), loan(2, None)], "fees": [fee(1, 3.2), fee(2, 10, "INDISPUTE")]},
            "20152003": {"fees": [fee(3, 99.95, "EXPORTED"), fee(4, -1, type={"desc": "Credit"})]},
            "20152004": {"blocks": [block("超期"), block("旧", "INACTIVE"), block("不明", None)]},
        }
        yield served


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALMA_KEY", KEY)
    monkeypatch.setenv("WRONG_KEY", "not-the-key")


def ask(library: Alma, asks: str = "loans", roster: Candidates = ROSTER, **own: Any) -> EachPatron:
    given = {"url": f"{library.root}/", "key": "env:ALMA_KEY", "asks": asks, "columns": {}, **own}
    return patrons(alma, roster, **given)


def about(number: str, reply: Reply) -> Callable[[Call], Reply | None]:
    """Answer so whatever is asked about one number."""
    return lambda call: reply if number in call.path else None


def test_each_loan_comes_by_the_number_that_was_asked(library: Alma) -> None:
    snapshot = ask(library).pull()
    assert snapshot.fields == ("student", "title", "due", "reference")
    assert sorted(snapshot.rows, key=repr) == [
        ("20151001", "构造地质学", "2019-05-30T15:59:00Z", "B1"),
        ("20151001", None, "2019-05-30T15:59:00Z", "B2"),
    ]
    assert Counter(call.path.split("/")[4] for call in library.asked_for) == Counter(ROSTER.every_number())
    assert {call.params["user_id_type"] for call in library.asked_for} == {"all_unique"}
    assert all("loan_status" in call.params for call in library.asked_for)


def test_the_key_is_in_a_header_and_in_no_address(library: Alma) -> None:
    ask(library).pull()
    assert not [call for call in library.calls if KEY in call.path or KEY in str(call.params)]


def test_whom_alma_does_not_know_is_unknown_and_who_has_nothing_is_known(library: Alma) -> None:
    for leaves_out in (True, False):
        library.leaves_out = leaves_out
        snapshot = ask(library).pull()
        assert known(snapshot) == ["20151001", "20152003", "20152004"]
        assert snapshot.candidates == 7
        told = {proof.kind: proof.detail for proof in snapshot.proofs}
        assert "in each of 3 answers; in the longest: 1 page, 2 of 2 rows" in told[ProofKind.TOTAL_AGREES]
        assert "5 numbers, each asked once" in told[ProofKind.NO_PAGE_LOST]


def test_an_unknown_patron_owes_nothing_only_where_the_settings_say_so_and_alma_knows_somebody(library: Alma) -> None:
    connector = ask(library, unknown="clear")
    assert known(connector.pull()) == sorted(ROSTER.every_number())
    assert known(connector.pull_one("20159999")) == ["20159999"]
    assert known(connector.pull_these(["20159999"])) == ["20159999"]
    library.users = {}
    with pytest.raises(SourceGarbled, match="knows no student on the roster"):
        connector.pull()


@pytest.mark.parametrize("code", ["401861", "401890"])
def test_only_that_very_error_means_an_unknown_patron(library: Alma, code: str) -> None:
    words = "User with identifier 20159999 of type X was not found."
    for reply in (failure(code, words), failure(code, words, 404)):
        library.befalls = about("20159999", reply)
        assert known(ask(library).pull()) == ["20151001", "20152003", "20152004"]
    two = {"errorsExist": True, "errorList": {"error": [{"errorCode": code}, {"errorCode": "402119"}]}}
    for reply in (failure("402119", "General Error"), as_json(two, 400), Reply(b"", 400), Reply(b"{}", 404)):
        library.befalls = about("20159999", reply)
        with pytest.raises(SourceRefused):
            ask(library).pull()


def test_fees_in_dispute_and_exported_are_owed_and_credits_are_taken_off(library: Alma) -> None:
    snapshot = ask(library, "fees").pull()
    assert snapshot.fields == ("student", "title", "kind", "amount", "reference")
    owed = {str(row[4]): (row[0], row[3]) for row in snapshot.rows}
    assert owed == {
        "1": ("20151001", Decimal("3.2")),
        "2": ("20151001", 10),
        "3": ("20152003", Decimal("99.95")),
        "4": ("20152003", -1),
    }
    assert isinstance(owed["1"][1], Decimal)
    assert known(snapshot) == ["20151001", "20152003", "20152004"]
    states = Counter(call.params["status"] for call in library.asked_for)
    assert states["ACTIVE"] == 5
    # A stranger is not asked about again.
    assert states["INDISPUTE"] == states["EXPORTED"] == 3
    assert len(ask(library, "fees", fees=["ACTIVE"]).pull().rows) == 2


def test_a_fee_that_changes_its_state_in_between_is_owed_once(library: Alma) -> None:
    moved = library.users["20151001"]["fees"][0]

    def export(call: Any) -> None:
        if call.path.endswith("20151001/fees") and call.params["status"] == "INDISPUTE":
            moved["status"] = {"value": "EXPORTED"}

    library.befalls = export
    rows = [row for row in ask(library, "fees").pull().rows if row[4] == "1"]
    assert len(rows) == 1


def test_a_user_who_is_deleted_in_between_is_unknown_and_keeps_what_was_found(library: Alma) -> None:
    gone = failure("401861", "User was not found.")
    library.befalls = lambda call: gone if call.params["status"] == "EXPORTED" and "20151001" in call.path else None
    snapshot = ask(library, "fees").pull()
    assert "20151001" not in known(snapshot)


def test_a_fee_without_its_balance_is_no_answer(library: Alma) -> None:
    del library.users["20151001"]["fees"][0]["balance"]
    with pytest.raises(SourceGarbled, match='no "balance"'):
        ask(library, "fees").pull()


def test_blocks_are_asked_for_alone_and_only_those_that_hold(library: Alma) -> None:
    snapshot = ask(library, "blocks").pull()
    assert [(row[0], row[1]) for row in snapshot.rows] == [("20152004", "超期"), ("20152004", "不明")]
    assert known(snapshot) == ["20151001", "20152003", "20152004"]


@pytest.mark.parametrize("most", [1, 2, 3, 100])
def test_many_loans_come_on_several_pages(library: Alma, most: int) -> None:
    library.most = most
    library.users["20151001"]["loans"] = [loan(n) for n in range(7)]
    snapshot = ask(library, per_page=3).pull()
    assert sorted(str(row[3]) for row in snapshot.rows) == [f"B{n}" for n in range(7)]


def test_a_loan_that_slips_past_a_page_is_not_lost(library: Alma) -> None:
    loans = library.users["20151001"]["loans"] = [loan(n) for n in range(7)]
    library.shift_once(loans, 0, loan(9))
    held = {str(row[3]) for row in ask(library, per_page=3).pull().rows}
    assert {f"B{n}" for n in range(1, 7)} | {"B9"} <= held


def test_a_total_that_is_not_met_is_no_answer(library: Alma) -> None:
    library.users["20151001"]["loans"] = [loan(n) for n in range(5)]
    library.tamper = lambda _page, records: records[:-1]
    with pytest.raises(SourceGarbled, match="reports 5 records"):
        ask(library).pull()


def test_the_quota_of_the_day_ends_the_pull_at_once_and_is_reported_in_almas_words(library: Alma) -> None:
    library.quota = 2
    numbers = {str(n): (str(n),) for n in range(100)}
    library.users = {number: {} for number in numbers}
    limits = {"rounds": 3, "per_second": 1000, "at_once": 2}
    with pytest.raises(SourceRefused, match=r"quota .* is used up \(DAILY_THRESHOLD: Daily API") as caught:
        ask(library, roster=Candidates(numbers, 7), per_student=limits, retries=3).pull()
    assert "midnight UTC" in caught.value.fix_text
    assert len(library.calls) <= 2 + 2


def test_too_many_questions_in_a_second_are_asked_again(library: Alma) -> None:
    lock, once = threading.Lock(), ["20151001"]

    def too_fast(call: Any) -> Reply | None:
        with lock:
            if once and once[0] in call.path:
                once.clear()
                return failure("PER_SECOND_THRESHOLD", "HTTP requests are more than allowed per second", 429)
        return None

    library.befalls = too_fast
    assert len(ask(library, retries=1).pull().rows) == 2
    library.befalls = lambda _call: failure("PER_SECOND_THRESHOLD", "more than allowed", 429)
    with pytest.raises(SourceUnavailable, match="too many questions in a second"):
        ask(library).pull()


def test_a_wrong_key_is_reported_without_it(library: Alma) -> None:
    for act in ("pull", "check"):
        with pytest.raises(SourceRefused, match="Alma refused the key") as caught:
            getattr(ask(library, key="env:WRONG_KEY"), act)()
        assert "API-key not defined" in caught.value.what
        assert "not-the-key" not in str(caught.value)
    library.befalls = lambda _call: failure("402119", f"General Error - apikey {KEY}")
    with pytest.raises(SourceRefused, match="402119") as caught:
        ask(library).pull()
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (Reply(b"<html>maintenance</html>", headers={"Content-Type": "text/html"}), SourceRefused),
        (Reply(status=503), SourceUnavailable),
        (Reply(hang_up=True), SourceUnavailable),
        (Reply(b'{"item_loan": [', length=None), SourceGarbled),
        (as_json([]), SourceGarbled),
        (as_json(None), SourceGarbled),
        (as_json({}), SourceGarbled),
        (as_json({"total_record_count": 0, "item_loan": 7}), SourceGarbled),
        (as_json({"total_record_count": "many"}), SourceGarbled),
        (as_json({"total_record_count": 1}), SourceGarbled),
        (as_json({"total_record_count": 1, "item_loan": [7]}), SourceGarbled),
        (as_json({"total_record_count": -1, "item_loan": []}), SourceGarbled),
        (as_json({"errorsExist": True, "errorList": {"error": [{"errorCode": "401861"}]}}), SourceGarbled),
        (as_json({"errorList": {"error": "x"}}, 400), SourceRefused),
        (as_json({"errorList": [1]}, 400), SourceRefused),
        (as_json({"errorList": {"error": [{"errorCode": {"a": 1}, "errorMessage": [2]}]}}, 400), SourceRefused),
        (Reply(b"[" * 100_000, 400), SourceRefused),
        (Reply(b"\xff\xfe\x00", 400), SourceRefused),
    ],
)
def test_a_hostile_answer_about_one_student_is_no_answer(library: Alma, reply: Reply, error: type[SourceError]) -> None:
    library.befalls = about("20152004", reply)
    with pytest.raises(error) as caught:
        ask(library).pull()
    assert caught.value.fix_text.endswith(".")


@pytest.mark.parametrize(
    "body", [[], None, {"user_block": []}, {"primary_id": "x", "user_block": 7}, {"primary_id": "x", "user_block": [7]}]
)
def test_a_record_that_is_no_users_is_no_answer(library: Alma, body: Any) -> None:
    library.befalls = lambda _call: as_json(body)
    with pytest.raises(SourceGarbled):
        ask(library, "blocks").pull()


def test_a_second_look_asks_about_those_numbers_alone(library: Alma) -> None:
    connector = ask(library)
    assert isinstance(connector, AsksByNumber)
    snapshot = connector.pull_these(["20151001", "20159999"])
    assert len(snapshot.rows) == 2
    assert known(snapshot) == ["20151001"]
    assert {call.path.split("/")[4] for call in library.asked_for} == {"20151001", "20159999"}


@pytest.mark.parametrize("asks", ["loans", "fees", "blocks"])
def test_one_student_is_asked_about_alone(library: Alma, asks: str) -> None:
    connector = ask(library, asks)
    for number, there in (("20151001", True), ("20159999", False)):
        snapshot = connector.pull_one(number)
        assert known(snapshot) == ([number] if there else [])
        assert {proof.kind for proof in snapshot.proofs} & {ProofKind.TOTAL_AGREES, ProofKind.END_REACHED}
    assert {call.path.split("/")[4] for call in library.asked_for} == {"20151001", "20159999"}


def test_a_number_with_signs_of_its_own_stays_one_number(library: Alma) -> None:
    sly = "../20151001?limit=0 甲"
    library.users[sly] = {"loans": [loan(5)]}
    assert [row[3] for row in ask(library).pull_one(sly).rows] == ["B5"]


def test_a_check_shows_the_first_record_it_finds(library: Alma) -> None:
    sample = ask(library, "fees", roster=Candidates({"20152003": ("20152003",)}, 7)).check()
    assert sample.row is not None
    assert sample.row["student"] == "20152003"
    assert {"balance", "type.desc"} <= set(sample.columns)
    assert ask(library, roster=Candidates({"20159999": ("20159999",)}, 7)).check().row is None


@pytest.mark.parametrize(
    "own",
    [{"key": KEY}, {"asks": "books"}, {"id_type": "a b"}, {"fees": []}, {"fees": ["CLOSED"]}, {"per_page": 101},
     {"unknown": "held"}, {"colour": "red"}],
)  # fmt: skip
def test_settings_that_make_no_sense_are_refused(library: Alma, own: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        ask(library, **own)
    assert {mistake["loc"][0] for mistake in caught.value.errors()} == set(own)


class TestAlma(PatronContract, of="alma"):
    class Office(PatronOffice):
        """A library whose loans have the contract's columns."""

        secret = KEY

        def __init__(self, served: Alma) -> None:
            super().__init__(partial(ask, served))
            self.served = served

        def fill(self, rows: Sequence[Mapping[str, str | None]]) -> None:
            # Whoever has a row is a user; in an empty library everybody is one who has nothing.
            numbers = [str(row["NUMBER"]) for row in rows] or list(EVERY_NUMBER)
            self.served.users = {number: {"loans": []} for number in numbers}
            for row in rows:
                self.served.users[str(row["NUMBER"])]["loans"].append(dict(row))

        def shift_once(self, gone: int, new: Mapping[str, str | None]) -> None:
            def shift(call: Call) -> None:
                if len(self.served.asked_for) == 2:
                    self.served.users[str(MANY[gone]["NUMBER"])]["loans"] = []
                    self.served.users[str(new["NUMBER"])]["loans"].append(dict(new))

            self.served.befalls = shift

    @pytest.fixture
    def office(self, library: Alma) -> Office:
        return self.Office(library)
