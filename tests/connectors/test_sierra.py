"""Sierra asked about each student of the roster: checkouts, fines, and its answer about unknown patrons."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from pydantic import ValidationError

from connectors import sierra
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
from tests.services.http_office import Call, Reply, as_json
from tests.services.sierra import SECRET, Sierra, checkout, failure, fine


@pytest.fixture
def library() -> Iterator[Sierra]:
    with Sierra() as served:
        served.patrons = {
            11: [("u", "20151001"), ("b", "CARD-1")],
            13: [("u", "20152003"), ("n", "ZHAO")],
            14: [("u", "20152004"), ("u", "OLD-4")],
        }
        served.checkouts = {11: [checkout(1, 11), checkout(2, 11, "77@abc"), checkout(3, 11)]}
        served.fines = {
            11: [fine(1, 11, 10, 2.5, 0, 0.05, item="https://sierra.inner/v6/items/1001"), fine(2, 11, 5, 0, 0, 5)],
            13: [fine(3, 13, 1.1, description="旧账"), fine(4, 13, 0, 0, 0, 3)],
        }
        served.titles = {"1001": "构造地质学"}
        yield served


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIERRA_SECRET", SECRET)
    monkeypatch.setenv("WRONG_SECRET", "not-the-word")


def ask(library: Sierra, asks: str = "loans", roster: Candidates = ROSTER, **own: Any) -> EachPatron:
    url = f"{library.root}/iii/sierra-api/"
    given = {"url": url, "client_id": "us", "client_secret": "env:SIERRA_SECRET", "asks": asks, "columns": {}, **own}
    return patrons(sierra, roster, **given)


def about(place: str, reply: Reply) -> Callable[[Call], Reply | None]:
    """Answer so whatever is asked at a place."""
    return lambda call: reply if place in f"{call.path}?{call.params}" else None


def test_each_checkout_comes_by_the_number_with_its_title(library: Sierra) -> None:
    snapshot = ask(library).pull()
    assert snapshot.fields == ("student", "title", "due", "reference")
    assert sorted(snapshot.rows, key=repr) == [
        ("20151001", "构造地质学", "2019-05-30T15:59:00Z", "B1"),
        ("20151001", None, "2019-05-30T15:59:00Z", "B2"),
        ("20151001", None, "2019-05-30T15:59:00Z", "B3"),
    ]
    assert snapshot.candidates == 7
    told = {proof.kind: proof.detail for proof in snapshot.proofs}
    assert "1 page, 3 of 3 rows" in told[ProofKind.TOTAL_AGREES]
    # What another library has lent has an id that nobody here knows.
    assert [call.params["id"] for call in library.asked_for if call.path.endswith("/items")] == ["1001,1003"]


def test_each_number_is_looked_for_once_and_only_patrons_are_asked_about(library: Sierra) -> None:
    ask(library).pull()
    looked_for = Counter(c.params["varFieldContent"] for c in library.asked_for if c.path.endswith("/find"))
    assert looked_for == Counter(ROSTER.every_number())
    assert sum(call.path.endswith("/checkouts") for call in library.asked_for) == 3


def test_whom_sierra_does_not_know_is_unknown_and_who_has_nothing_is_known(library: Sierra) -> None:
    for asks in ("loans", "fines", "blocks"):
        assert known(ask(library, asks).pull()) == ["20151001", "20152003", "20152004"]


def test_an_unknown_patron_owes_nothing_only_where_the_settings_say_so_and_sierra_knows_somebody(
    library: Sierra,
) -> None:
    connector = ask(library, unknown="clear")
    assert known(connector.pull()) == sorted(ROSTER.every_number())
    assert known(connector.pull_one("20159999")) == ["20159999"]
    library.patrons = {}
    with pytest.raises(SourceGarbled, match="knows no student on the roster"):
        connector.pull()


@pytest.mark.parametrize(
    "reply",
    [failure(108, "Not found", 404), Reply(b"<html>", 404), as_json({}, 404), as_json([107], 404), Reply(b"", 400)],
)
def test_only_that_very_error_means_an_unknown_patron(library: Sierra, reply: Reply) -> None:
    library.befalls = about("20159999", reply)
    with pytest.raises(SourceRefused):
        ask(library).pull()


@pytest.mark.parametrize("unmatched_keys", ["unknown", "clear"])
def test_a_number_of_two_patrons_is_no_ones_and_releases_no_one(library: Sierra, unmatched_keys: str) -> None:
    library.patrons[15] = [("u", "20152004")]
    snapshot = ask(library, unknown=unmatched_keys).pull()
    assert list(snapshot.unsettled) == ["20152004"]
    (warning,) = snapshot.warnings
    assert "several patrons have one number" in warning
    assert "Duplicate patrons found for the specified varFieldTag[u]." in warning
    assert len(snapshot.rows) == 3
    assert list(ask(library, unknown=unmatched_keys).pull_one("20152004").unsettled) == ["20152004"]


def test_a_patron_who_has_not_that_number_is_not_the_one_who_was_meant(library: Sierra) -> None:
    library.befalls = about("20151001", as_json({"id": 13, "varFields": [{"fieldTag": "u", "content": "20152003"}]}))
    snapshot = ask(library).pull()
    assert list(snapshot.unsettled) == ["20151001"]
    assert "without that number in the field" in snapshot.warnings[0]
    assert not [row for row in snapshot.rows if row[0] == "20151001"]


def test_the_number_may_stand_in_another_field(library: Sierra) -> None:
    roster = Candidates({"20151001": ("20151001", "card-1")}, 7)
    snapshot = ask(library, roster=roster, tag="b").pull()
    assert known(snapshot) == ["card-1"]
    assert len(snapshot.rows) == 3
    assert known(ask(library).pull_one("OLD-4")) == ["OLD-4"]


def test_what_is_left_of_a_fine_is_its_charges_less_what_was_paid(library: Sierra) -> None:
    snapshot = ask(library, "fines").pull()
    assert snapshot.fields == ("student", "title", "kind", "amount", "reference")
    owed = {str(row[4]): row[:4] for row in snapshot.rows}
    assert owed == {
        "1": ("20151001", "构造地质学", "Overdue", Decimal("12.45")),
        "2": ("20151001", None, "Overdue", Decimal(0)),
        "3": ("20152003", "旧账", "Overdue", Decimal("1.1")),
        "4": ("20152003", None, "Overdue", Decimal(-3)),
    }
    assert all(isinstance(row[3], Decimal) for row in owed.values())


@pytest.mark.parametrize("changed", [{"itemCharge": "much"}, {"paidAmount": [1]}, {"itemCharge": {}}])
def test_a_charge_that_is_no_amount_is_no_answer(library: Sierra, changed: dict[str, Any]) -> None:
    library.fines[11][0] |= changed
    with pytest.raises(SourceGarbled, match="not an amount"):
        ask(library, "fines").pull()


def test_a_fine_without_any_charge_is_no_answer(library: Sierra) -> None:
    library.fines[11][0] = {"id": "x/1", "patron": "x/11", "paidAmount": 3}
    with pytest.raises(SourceGarbled, match='no "balance"'):
        ask(library, "fines").pull()


def test_blocks_are_asked_for_alone_and_only_those_that_hold(library: Sierra) -> None:
    library.blocked = {11: {"code": "g", "until": "2019-07-01"}, 13: {"code": "-"}, 14: {"code": ""}}
    snapshot = ask(library, "blocks").pull()
    assert snapshot.rows == [("20151001", "g", "2019-07-01")]


@pytest.mark.parametrize("most", [1, 2, 3, 100])
def test_many_checkouts_come_on_several_pages(library: Sierra, most: int) -> None:
    library.most = most
    library.checkouts[11] = [checkout(n, 11) for n in range(7)]
    snapshot = ask(library, per_page=3).pull()
    assert sorted(str(row[3]) for row in snapshot.rows) == [f"B{n}" for n in range(7)]


def test_a_checkout_that_slips_past_a_page_is_not_lost(library: Sierra) -> None:
    loans = library.checkouts[11] = [checkout(n, 11) for n in range(7)]
    library.shift_once(loans, 0, checkout(9, 11))
    held = {str(row[3]) for row in ask(library, per_page=3).pull().rows}
    assert {f"B{n}" for n in range(1, 7)} | {"B9"} <= held


def test_a_record_of_another_patron_is_no_answer(library: Sierra) -> None:
    library.checkouts[11].append(checkout(4, 13))
    with pytest.raises(SourceGarbled, match="a record of another"):
        ask(library).pull()


def test_a_token_that_has_ended_is_got_again_once(library: Sierra) -> None:
    library.lasts = 1
    limits = {"rounds": 1, "per_second": 1000, "at_once": 1}
    assert len(ask(library, per_student=limits).pull().rows) == 3
    library.lasts = 0
    with pytest.raises(SourceRefused):
        ask(library).pull()


def test_a_wrong_secret_is_refused_and_never_shown(library: Sierra) -> None:
    for act in ("pull", "check"):
        with pytest.raises(SourceRefused, match="refused the login") as caught:
            getattr(ask(library, client_secret="env:WRONG_SECRET"), act)()
        assert "not-the-word" not in str(caught.value)
    library.befalls = lambda call: failure(130, f"{call.headers['Authorization']} {SECRET}", 400)
    with pytest.raises(SourceRefused) as caught:
        ask(library).pull()
    assert not [word for word in (SECRET, *library.tokens) if word in str(caught.value)]


@pytest.mark.parametrize("kind", ["items", "bibs"])
def test_a_key_that_may_not_read_the_catalogue_is_reported_and_may_do_without(library: Sierra, kind: str) -> None:
    library.forbidden = {kind}
    with pytest.raises(SourceRefused, match="has no right to ask that") as caught:
        ask(library).pull()
    assert "titles = false" in caught.value.fix_text
    assert {row[1] for row in ask(library, titles=False).pull().rows} == {None}


@pytest.mark.parametrize("place", ["/find", "/checkouts"])
@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (Reply(b"<html>maintenance</html>", headers={"Content-Type": "text/html"}), SourceRefused),
        (Reply(status=503), SourceUnavailable),
        (Reply(hang_up=True), SourceUnavailable),
        (Reply(b'{"total": 3, "entr', length=None), SourceGarbled),
        (as_json([]), SourceGarbled),
        (as_json(None), SourceGarbled),
        (as_json({}), SourceGarbled),
        (as_json({"id": {}, "varFields": [], "total": 0, "entries": 7}), SourceGarbled),
        (as_json({"id": "../13", "varFields": 7, "total": "many"}), SourceGarbled),
        (as_json({"id": None, "varFields": [], "total": 1}), SourceGarbled),
        (as_json({"id": [1], "varFields": [1], "total": 1, "entries": [7]}), SourceGarbled),
        (as_json({"code": {"a": 1}, "name": [2], "description": 3}, 400), SourceRefused),
        (Reply(b"[" * 100_000, 400), SourceRefused),
        (Reply(b"\xff\xfe\x00", 404), SourceRefused),
    ],
)
def test_a_hostile_answer_is_no_answer(library: Sierra, place: str, reply: Reply, error: type[SourceError]) -> None:
    library.befalls = about(place, reply)
    with pytest.raises(error) as caught:
        ask(library).pull()
    assert caught.value.fix_text.endswith(".")


@pytest.mark.parametrize("body", [[], None, {}, {"id": 1, "blockInfo": 7}, {"blockInfo": {}}])
def test_a_record_that_is_no_patrons_is_no_answer(library: Sierra, body: Any) -> None:
    library.befalls = lambda call: None if call.path.endswith("/find") else as_json(body)
    with pytest.raises(SourceGarbled):
        ask(library, "blocks").pull()


@pytest.mark.parametrize(
    "body", [{}, {"entries": []}, {"entries": [{"id": {}, "bibIds": 7}]}, {"entries": [{"id": 1}]}]
)
def test_an_item_without_a_title_costs_no_checkout(library: Sierra, body: Any) -> None:
    library.befalls = about("/items", as_json(body))
    assert len(ask(library).pull().rows) == 3


@pytest.mark.parametrize("body", [[], None, {"entries": [7]}, {"entries": 7}])
def test_strange_titles_are_no_answer(library: Sierra, body: Any) -> None:
    library.befalls = about("/items", as_json(body))
    with pytest.raises(SourceGarbled):
        ask(library).pull()


def test_a_second_look_asks_about_those_numbers_alone(library: Sierra) -> None:
    connector = ask(library)
    assert isinstance(connector, AsksByNumber)
    snapshot = connector.pull_these(["20151001", "20159999"])
    assert len(snapshot.rows) == 3
    assert known(snapshot) == ["20151001"]
    looked_for = {c.params["varFieldContent"] for c in library.asked_for if c.path.endswith("/find")}
    assert looked_for == {"20151001", "20159999"}


@pytest.mark.parametrize("asks", ["loans", "fines", "blocks"])
def test_one_student_is_asked_about_alone(library: Sierra, asks: str) -> None:
    connector = ask(library, asks)
    for number, there in (("20151001", True), ("20159999", False)):
        snapshot = connector.pull_one(number)
        assert known(snapshot) == ([number] if there else [])
        assert {proof.kind for proof in snapshot.proofs} & {ProofKind.TOTAL_AGREES, ProofKind.END_REACHED}


def test_a_check_shows_the_first_record_it_finds_with_its_number(library: Sierra) -> None:
    sample = ask(library, "fines").check()
    assert sample.row is not None
    assert sample.row["student"] == "20151001"
    assert not [warning for warning in sample.warnings if "own" in warning]
    library.patrons[15] = [("u", "20152004")]
    doubtful = ask(library, roster=Candidates({"20152004": ("20152004",)}, 7)).check()
    assert doubtful.row is None
    assert "several patrons" in doubtful.warnings[0]


@pytest.mark.parametrize(
    "own",
    [
        {"client_secret": SECRET},
        {"asks": "books"},
        {"tag": "uu"},
        {"version": "6"},
        {"per_page": 0},
        {"unknown": "held"},
    ],
)
def test_settings_that_make_no_sense_are_refused(library: Sierra, own: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        ask(library, **own)
    assert {mistake["loc"][0] for mistake in caught.value.errors()} == set(own)


class TestSierra(PatronContract, of="sierra"):
    class Office(PatronOffice):
        """A library whose checkouts have the contract's columns."""

        secret = SECRET

        def __init__(self, served: Sierra) -> None:
            super().__init__(partial(ask, served))
            self.served = served

        def fill(self, rows: Sequence[Mapping[str, str | None]]) -> None:
            # Whoever has a row is a patron; in an empty library everybody is one who has nothing.
            numbers = list(dict.fromkeys(str(row["NUMBER"]) for row in rows)) or list(EVERY_NUMBER)
            self.served.patrons = {patron: [("u", number)] for patron, number in enumerate(numbers, 1)}
            self.served.checkouts = {
                patron: [dict(row) for row in rows if row["NUMBER"] == number]
                for patron, number in enumerate(numbers, 1)
            }

        def shift_once(self, gone: int, new: Mapping[str, str | None]) -> None:
            def shift(call: Call) -> None:
                if len(self.served.asked_for) == 3:
                    self.served.checkouts[gone + 1] = []
                    self.served.checkouts[1].append(dict(new))

            self.served.befalls = shift

    @pytest.fixture
    def office(self, library: Sierra) -> Office:
        return self.Office(library)
