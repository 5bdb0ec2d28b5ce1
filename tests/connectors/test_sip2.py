"""A library asked over SIP2, on a real socket: what is lent, owed and stopped, and what a check shows."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from connectors.port import (
    AsksByNumber,
    Candidates,
    Connector,
    ProofKind,
    SourceUnavailable,
)
from tests.connectors import sip2_office
from tests.connectors.sip2_office import LENT, PLACE, ROSTER, SECRET, ask, people
from tests.contract import COLUMNS, ROWS, ConnectorContract, Office
from tests.services.sip_library import Reader, Reply, SipLibrary
from tests.services.university import free_port


class ContractOffice:
    """The service in the hands of the contract; its account has a password, and a location that no one may read."""

    secret = SECRET

    def __init__(self, served: SipLibrary) -> None:
        self.served = served
        served.account = ("clearance", SECRET, PLACE)

    def fill(self, rows: Sequence[Mapping[str, str | None]]) -> None:
        loans: dict[str, list[tuple[str, str, str]]] = {"20151001": [], "20159999": []}
        for row in rows:
            item = (str(row["BARCODE"] or ""), row["TITLE"] or "", "")
            loans.setdefault(str(row["NUMBER"]), []).append(item)
        self.served.readers = [Reader(number, theirs) for number, theirs in loans.items()]

    def connector(self, columns: Mapping[str, str] = COLUMNS, port: int = 0) -> Connector:
        named = {"NUMBER": "number", "TITLE": "title", "BARCODE": "barcode"}
        numbers = dict.fromkeys([*(str(row["NUMBER"]) for row in ROWS), "20159999"])
        login: dict[str, Any] = {"user": "clearance", "password": "env:SECRET", "location": "env:PLACE"}
        roster = Candidates({number: (number,) for number in numbers}, 5)
        mapped = {field: named.get(column, column) for field, column in columns.items()}
        return ask(port or self.served.port, roster, columns=mapped, **login)

    def out_of_reach(self) -> Connector:
        return self.connector(port=free_port())


#: Of three students the first has two books and owes a fine, the second owes nothing, the third has no card.
library = sip2_office.library


class TestSip2(ConnectorContract, of="sip2"):
    asked_by_number = True

    @pytest.fixture
    def office(self, library: SipLibrary) -> ContractOffice:
        return ContractOffice(library)

    def test_progress_counts_numbers(self, office: Office) -> None:
        office.fill(ROWS)
        seen: list[tuple[int, int | None]] = []
        office.connector().pull(lambda *figures: seen.append(figures))
        assert seen[-1] == (4, 4)


class TestLoans:
    def test_are_listed_with_title_and_due_day_by_the_students_number(self, library: SipLibrary) -> None:
        snapshot = ask(library).pull()
        assert list(snapshot.rows) == [
            ("20151001", "构造地质学", datetime.fromisoformat("2019-05-30T23:59"), "B1"),
            ("20151001", "普通地质学", None, "B2"),
        ]
        # The unknown card is outside, and a card of a known reader is not missed.
        assert people(snapshot)[1:] == ({"20151001", "20152003"}, set())
        assert snapshot.candidates == 5
        assert [asked.fields["AA"] for asked in library.asked if asked.code == "63"] == sorted(ROSTER.every_number())

    @pytest.mark.parametrize(
        ("text", "due"),
        [
            ("20190530   Z163000", datetime(2019, 5, 30, 16, 30, tzinfo=UTC)),
            ("20190530", date(2019, 5, 30)),
            ("30/05/2019", "30/05/2019"),
            ("20191330    000000", "20191330    000000"),
        ],
    )
    def test_due_days_are_read_where_they_are_the_protocols_and_left_alone_else(
        self, library: SipLibrary, text: str, due: object
    ) -> None:
        library.readers[0].loans[:] = [("B1", "书", text)]
        assert [row[2] for row in ask(library).pull().rows] == [due]

    @pytest.mark.parametrize("page", [1, 2, 3])
    def test_come_page_by_page_and_whole(self, library: SipLibrary, page: int) -> None:
        library.readers[0].loans[:] = [(f"B{n}", f"书{n}", "") for n in range(7)]
        library.page = page
        snapshot = ask(library, titles=False).pull()
        assert [row[3] for row in snapshot.rows] == [f"B{n}" for n in range(7)]
        assert people(snapshot)[2] == set()
        pages = [(asked.fields.get("BP"), asked.fields.get("BQ")) for asked in library.asked_about("20151001")]
        assert pages[:2] == [(None, None), (str(page + 1), "7")]

    def test_a_list_that_begins_again_for_each_page_is_a_doubt_and_holds(self, library: SipLibrary) -> None:
        library.readers[0].loans += [("B3", "书", ""), ("B4", "书", "")]
        library.page, library.overlooks_pages = 2, True
        snapshot = ask(library, titles=False).pull()
        assert people(snapshot) == ({"20151001"}, {"20151001", "20152003"}, {"20151001"})
        assert len(library.asked_about("20151001")) == 2

    def test_only_one_y_is_in_each_summary(self, library: SipLibrary) -> None:
        ask(library).pull()
        ask(library, asks="fines").pull()
        assert {asked.fixed[21:] for asked in library.asked if asked.code == "63"} == {"  Y       ", "   Y      "}

    def test_without_lists_are_counted(self, library: SipLibrary) -> None:
        snapshot = ask(library, lists=False).pull()
        assert [row[3] for row in snapshot.rows] == ["20151001/1", "20151001/2"]
        assert ProofKind.TOTAL_AGREES not in {proof.kind for proof in snapshot.proofs}
        assert {asked.code for asked in library.asked} == {"99", "63"}

    def test_come_without_titles_where_items_are_not_answered_about(self, library: SipLibrary) -> None:
        library.befalls = lambda asked: Reply(hang_up=True) if asked.code == "17" else None
        snapshot = ask(library).pull()
        assert [row[1:] for row in snapshot.rows] == [(None, None, "B1"), (None, None, "B2")]
        assert "titles = false" in snapshot.warnings[0]
        # Over an old connection and a new one; the second item is not waited for.
        assert [asked.fields["AB"] for asked in library.asked if asked.code == "17"] == ["B1", "B1"]

    def test_take_no_title_of_another_item(self, library: SipLibrary) -> None:
        library.tamper = lambda asked, text: text.replace("ABB1|", "ABB2|") if asked.code == "17" else text
        assert [row[1] for row in ask(library).pull().rows] == [None, "普通地质学"]

    def test_two_cards_of_one_reader_are_one(self, library: SipLibrary) -> None:
        library.readers.append(Reader("CARD-1", list(LENT)))
        assert len(ask(library).pull().rows) == 2
        assert len(ask(library, lists=False).pull().rows) == 2

    def test_a_system_that_answers_with_another_of_the_students_numbers_is_understood(
        self, library: SipLibrary
    ) -> None:
        library.tamper = lambda _asked, text: text.replace("|AACARD-1|", "|AA20151001|").replace("BLN", "BLY")
        assert people(ask(library).pull())[2] == set()
        library.tamper = lambda _asked, text: text.replace("AA20151001|", "AAcard-1|")
        assert people(ask(library).pull()) == ({"20151001"}, {"20151001", "20152003"}, set())


class TestFines:
    def test_are_the_amount_of_the_account(self, library: SipLibrary) -> None:
        snapshot = ask(library, asks="fines").pull()
        assert list(snapshot.rows) == [("20151001", "超期 B7", Decimal("12.50"))]
        assert people(snapshot)[1:] == ({"20151001", "20152003"}, set())

    @pytest.mark.parametrize("amount", ["", "0", "0.00"])
    def test_that_are_counted_without_an_amount_are_a_doubt(self, library: SipLibrary, amount: str) -> None:
        library.readers[0].amount = amount
        assert people(ask(library, asks="fines").pull()) == (set(), {"20151001", "20152003"}, {"20151001"})

    def test_that_are_not_counted_beside_an_amount_hold(self, library: SipLibrary) -> None:
        """An older Koha never lists fines."""
        library.readers[0].fines.clear()
        assert people(ask(library, asks="fines").pull()) == ({"20151001"}, {"20151001", "20152003"}, set())

    def test_that_are_neither_counted_nor_an_amount_are_a_doubt(self, library: SipLibrary) -> None:
        blank = "090000" + "0" * 12 + " " * 4 + "0" * 8
        library.tamper = lambda _asked, text: text.replace(
            "090000" + "0" * 24 + "AOMAIN|AA20152003", f"{blank}AOMAIN|AA20152003"
        )
        assert people(ask(library, asks="fines").pull())[2] == {"20152003"}

    def test_in_another_currency_are_a_doubt_and_no_yuan(self, library: SipLibrary) -> None:
        library.readers[0].currency = "USD"
        assert people(ask(library, asks="fines").pull()) == (set(), {"20151001", "20152003"}, {"20151001"})
        assert len(ask(library, asks="fines", currency="USD").pull().rows) == 1

    @pytest.mark.parametrize(("text", "cell"), [("-3.00", Decimal("-3.00")), ("1,200.00", "1,200.00"), ("x", "x")])
    def test_that_are_no_plain_amount_are_left_to_the_rule(self, library: SipLibrary, text: str, cell: object) -> None:
        library.readers[0].amount = text
        assert [row[2] for row in ask(library, asks="fines").pull().rows] == [cell]

    def test_with_two_amounts_are_no_answer(self, library: SipLibrary) -> None:
        library.tamper = lambda _asked, text: text.replace("BV12.50|", "BV12.50|BV0.00|")
        assert "20151001" in people(ask(library, asks="fines").pull())[2]


class TestBlocks:
    def test_count_where_they_are_asked_for(self, library: SipLibrary) -> None:
        library.readers[1].flags = "Y   Y" + " " * 9
        snapshot = ask(library, asks="blocks", flags=["card_lost", "fines"]).pull()
        assert list(snapshot.rows) == [("20152003", "读者证已挂失", "card_lost")]
        assert people(snapshot)[1:] == ({"20151001", "20152003"}, set())
        # The four of a card that is not known are nobody's.
        assert people(ask(library, asks="blocks", flags=["charge"]).pull())[0] == {"20152003"}
        assert people(ask(library).pull())[0] == {"20151001"}

    @pytest.mark.parametrize("own", [{"asks": "blocks"}, {"flags": ["charge"]}, {"asks": "blocks", "flags": ["hat"]}])
    def test_go_with_their_flags(self, library: SipLibrary, own: dict[str, Any]) -> None:
        with pytest.raises(ValidationError, match="flags"):
            ask(library, **own)


class TestASecondLook:
    def test_asks_about_these_alone(self, library: SipLibrary) -> None:
        connector = ask(library)
        assert isinstance(connector, AsksByNumber)
        snapshot = connector.pull_these(["20151001", "20152004"])
        assert people(snapshot) == ({"20151001"}, {"20151001"}, set())
        assert snapshot.candidates is None
        assert {asked.fields["AA"] for asked in library.asked if asked.code == "63"} == {"20151001", "20152004"}
        assert connector.pull_these([]).rows == []

    def test_states_of_one_what_the_whole_answer_states(self, library: SipLibrary) -> None:
        for asks in ("loans", "fines"):
            connector = ask(library, asks=asks)
            assert list(connector.pull_one("20151001").rows) == list(connector.pull().rows)


class TestACheck:
    def test_shows_what_is_supported_what_is_asked_and_one_reader(self, library: SipLibrary) -> None:
        library.supports = "NNNNYYYYNNNNNNNN"
        sample = ask(library).check()
        assert sample.row is not None
        assert (sample.row["student"], sample.row["title"]) == ("20151001", "构造地质学")
        assert "supports status, resend, login, patron information" in sample.notes[0]
        assert "patron information (63) for each of 4 numbers with the list of loans (AU)" in sample.notes[1]
        assert "last visit" in sample.notes[2]
        said = " ".join(sample.warnings)
        assert "CLEAR TEXT" in said
        assert "titles = false" in said

    def test_finds_another_institution_and_no_reader(self, library: SipLibrary) -> None:
        said = " ".join(ask(library, institution="OTHER").check().warnings)
        assert 'reports the institution (AO) "MAIN"' in said
        assert "another institution" in said
        assert "None of the roster's first 4 numbers" in said

    def test_without_a_roster_explains_what_to_do(self, library: SipLibrary) -> None:
        for act in ("check", "pull"):
            with pytest.raises(SourceUnavailable, match="Sync the roster first"):
                getattr(ask(library, Candidates(revision=1)), act)()
