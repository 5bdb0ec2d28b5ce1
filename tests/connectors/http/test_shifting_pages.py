"""A book comes back and another is lent while pages are read: no one who still owes is missing, in any connector."""

from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from config.tables.secrets import Origin
from connectors import datacentre, rest
from connectors.http.pages.agreement import keep_no_order, united
from connectors.port import AsksByNumber, Connector, ProofKind, Question, Snapshot, SourceGarbled
from tests.connectors.test_datacentre import FEES, fees
from tests.connectors.test_datacentre import SECRET as CENTRE_SECRET
from tests.connectors.test_interlib import SECRET as OPENLIB_SECRET
from tests.connectors.test_interlib import ask as ask_interlib
from tests.connectors.test_interlib import loan, reader
from tests.connectors.test_koha_rest import Koha, checkout, patron
from tests.connectors.test_koha_rest import ask as ask_koha
from tests.connectors.test_koha_rest import secrets as koha_secrets
from tests.connectors.test_rest import STYLES, ask, loans, paging, proofs
from tests.contract import Ticking
from tests.services.data_centre import DataCentre
from tests.services.http_office import HttpOffice, Reply, Style
from tests.services.openlib import LOANS, Openlib

Rows = list[dict[str, Any]]

#: Koha's secret is in the environment of each test here, too.
secrets = koha_secrets

#: Whose book is the first of the second page, and who brings a book of the first page back.
STILL_OWES, BRINGS_BACK = "2015000004", "2015000001"


def holds(snapshot: Snapshot, *numbers: str) -> bool:
    return set(numbers) <= {str(row[0]) for row in snapshot.rows}


def released(snapshot: Snapshot, number: str) -> bool:
    """Return whether an answer releases a student whose record was held."""
    return not holds(snapshot, number) and number not in map(str, snapshot.unsettled)


@pytest.mark.parametrize("total", ["body", "header"])
@pytest.mark.parametrize("style", STYLES[1:])
@pytest.mark.parametrize("reference", [True, False])
def test_rest_misses_no_one(style: Style, total: str, *, reference: bool) -> None:
    columns = {"student": "NUMBER", "title": "TITLE"} | ({"reference": "BARCODE"} if reference else {})
    with HttpOffice(loans(11), style, total) as office:
        office.shift_once(office.rows, 1, loans(12)[-1])
        snapshot = ask(office, columns, paging=paging(style, 4)).pull()
    assert holds(snapshot, *(row["NUMBER"] for row in loans(11) if row["NUMBER"] != BRINGS_BACK))
    assert STILL_OWES in snapshot.unsettled
    assert [warning for warning in snapshot.warnings if "releases none of them" in warning]


@pytest.mark.parametrize("style", ["page", "offset"])
def test_a_quiet_list_is_read_twice_and_no_one_is_unsettled(style: Style) -> None:
    with HttpOffice(loans(11), style) as office:
        snapshot = ask(office, paging=paging(style, 4)).pull()
        asked = len(office.asked)
    assert (len(snapshot.rows), list(snapshot.unsettled), asked) == (11, [], 6)
    assert ProofKind.SECOND_PASS_AGREES in proofs(snapshot)


def strong(body: bytes) -> str:
    return f'"{hash(body)}"'


def conditional(office: HttpOffice) -> list[str]:
    """Return which pages were asked for once more by their ETag alone."""
    return [call.params.get("page", "") for call in office.asked if "If-None-Match" in call.headers]


@pytest.mark.parametrize("style", ["page", "offset", "cursor"])
def test_a_quiet_list_with_etags_is_brought_once_and_proven_by_them(style: Style) -> None:
    with HttpOffice(loans(11), style) as office:
        office.tags = strong
        snapshot = ask(office, paging=paging(style, 4)).pull()
        assert (len(snapshot.rows), len(office.asked), len(conditional(office))) == (11, 6, 3)
    assert proofs(snapshot)[ProofKind.SECOND_PASS_AGREES].endswith("by the ETag of each page")
    assert list(snapshot.unsettled) == []


@pytest.mark.parametrize(
    "tags",
    [
        lambda body: f'W/"{hash(body)}"',
        lambda _body: '"the same"',
        lambda body: "" if b"2015000001" in body else strong(body),
    ],
    ids=["weak", "one for all", "not on every page"],
)
def test_an_etag_that_states_too_little_spares_no_reading(tags: Callable[[bytes], str]) -> None:
    with HttpOffice(loans(11)) as office:
        office.tags = tags
        snapshot = ask(office, paging=paging("page", 4)).pull()
        assert (len(office.asked), conditional(office)) == (6, [])
    assert proofs(snapshot)[ProofKind.SECOND_PASS_AGREES].endswith("the same in both readings")


def test_a_next_page_that_a_header_names_is_looked_at_again_whatever_the_etags_say() -> None:
    with HttpOffice(loans(11), "link") as office:
        office.tags = strong
        ask(office, paging=paging("link", 4)).pull()
        assert (len(office.asked), conditional(office)) == (6, [])


@pytest.mark.parametrize(("gone", "again"), [(1, ["1"]), (9, ["1", "2", "3"])])
def test_a_page_whose_etag_has_changed_has_everything_read_again(gone: int, again: list[str]) -> None:
    with HttpOffice(loans(11)) as office:
        office.tags = strong
        office.shift_once(office.rows, gone, loans(12)[-1])
        snapshot = ask(office, paging=paging("page", 4)).pull()
        # Up to the first page that has changed; what changed before its page was read has changed no page.
        assert conditional(office) == again
    assert holds(snapshot, *(row["NUMBER"] for at, row in enumerate(loans(11)) if at != gone))
    assert not released(snapshot, STILL_OWES)


def test_a_304_out_of_a_cache_proves_nothing() -> None:
    with HttpOffice(loans(11)) as office:
        office.tags = strong
        aged = Reply(status=304, headers={"Age": "30", "Cache-Control": "max-age=60"})
        office.befalls = lambda call: aged if "If-None-Match" in call.headers else None
        snapshot = ask(office, paging=paging("page", 4)).pull()
        assert len(conditional(office)) == 1
    assert proofs(snapshot)[ProofKind.SECOND_PASS_AGREES].endswith("the same in both readings")


def test_a_list_that_moves_is_read_three_times_and_no_more() -> None:
    with HttpOffice(loans(11)) as office:

        def another_each_time(page: int, records: Rows) -> Rows:
            if page == 1:
                del office.rows[0]
                office.rows.append({**loans(1)[0], "BARCODE": f"N{len(office.calls)}"})
            return records

        office.tamper = another_each_time
        ask(office, paging=paging("page", 4)).pull()
        assert len(office.asked) == 9


def test_one_answer_is_read_once() -> None:
    with HttpOffice(loans(11), "none") as office:
        ask(office).pull()
        assert len(office.asked) == 1


def test_a_page_that_holds_everything_is_read_once() -> None:
    with HttpOffice(loans(11)) as office:
        ask(office, paging=paging("page", 100)).pull()
        assert len(office.asked) == 1


@pytest.mark.parametrize("style", ["link", "cursor"])
def test_pages_that_go_on_from_a_record_are_read_once_where_that_is_assured(style: Style) -> None:
    with HttpOffice(loans(11), style) as office:
        ask(office, paging={**paging(style, 4), "steady": True}).pull()
        assert len(office.asked) == 3


def without_order(office: HttpOffice) -> Callable[[int, Rows], Rows]:
    """Answer each page from a list in another order, as a database without ORDER BY may."""

    def pages(page: int, records: Rows) -> Rows:
        mixed = list(office.rows)
        Random(len(office.calls)).shuffle(mixed)
        return [dict(row) for row in mixed[(page - 1) * 10 : (page - 1) * 10 + len(records)]]

    return pages


@pytest.mark.parametrize("volatile", [False, True])
def test_pages_without_order_release_no_one_though_nothing_sets_records_apart(*, volatile: bool) -> None:
    with HttpOffice(loans(43)) as office:
        pages = without_order(office)

        def numbered(page: int, records: Rows) -> Rows:
            # With a row's number in each record, the same record looks like another one on another page.
            return [{**row, "RN": f"{page}-{at}"} if volatile else row for at, row in enumerate(pages(page, records))]

        office.tamper = numbered
        columns = {"student": "NUMBER", "title": "TITLE"}
        with pytest.raises(SourceGarbled, match="sort order"):
            ask(office, columns, paging=paging("page", 10)).pull()


def test_no_page_lost_is_claimed_only_where_references_show_it() -> None:
    with HttpOffice(loans(11)) as office:
        shown = proofs(ask(office, paging=paging("page", 4)).pull())
        bare = proofs(ask(office, {"student": "NUMBER"}, paging=paging("page", 4)).pull())
        office.rows[1]["BARCODE"] = office.rows[0]["BARCODE"]
        alike = proofs(ask(office, paging=paging("page", 4)).pull())
    assert shown[ProofKind.NO_PAGE_LOST] == "3 pages, 11 references, each once"
    assert ProofKind.NO_PAGE_LOST not in bare
    assert ProofKind.NO_PAGE_LOST not in alike


@pytest.mark.parametrize("reference", [True, False])
def test_datacentre_misses_no_one(*, reference: bool) -> None:
    columns = {name: column for name, column in FEES.items() if reference or name != "reference"}
    with DataCentre(fees(11), secret=CENTRE_SECRET) as centre:
        centre.shift_once(centre.rows, 1, fees(12)[-1])
        keys = {"url": centre.root, "key": "clearance", "secret": "env:S", "api": "arrears", "per_page": 4}
        settings = datacentre.Settings.model_validate(keys, context=Origin(Path(), {"S": CENTRE_SECRET}))
        snapshot = datacentre.connect(settings, Question("arrears", columns, Ticking())).pull()
    assert holds(snapshot, *(row["XH"] for row in fees(11) if row["XH"] != BRINGS_BACK))


def test_interlib_misses_no_one() -> None:
    readers = [reader(f"R{n}", f"2015{n:06}") for n in range(12)]
    books = [loan(f"R{n}", f"书{n}", f"B{n}") for n in range(12)]
    with Openlib(OPENLIB_SECRET, readers, books[:11]) as library:
        library.shift_once(library.tables[LOANS], 1, books[11], LOANS)
        snapshot = ask_interlib(library, per_page=4).pull()
    assert holds(snapshot, *(f"2015{n:06}" for n in range(11) if n != 1))
    assert not released(snapshot, STILL_OWES)
    assert STILL_OWES in snapshot.unsettled, "what is said of an id is said of the number behind it"


@pytest.fixture
def koha() -> Iterator[Koha]:
    with Koha() as served:
        served.tables["patrons"] = [patron(n + 1, f"2015{n:06}", ("NO", f"A{n}")) for n in range(11)]
        served.tables["checkouts"] = [checkout(n + 1, n + 1, 101) for n in range(11)]
        yield served


def test_koha_rest_misses_no_one_and_reads_once(koha: Koha) -> None:
    new = checkout(20, 1, 102)
    koha.shift_once(koha.tables["checkouts"], 1, new, "/api/v1/checkouts")
    snapshot = ask_koha(koha, per_page=4, titles=False).pull()
    assert holds(snapshot, *(f"2015{n:06}" for n in range(11)))
    assert len([call for call in koha.asked_for if call.path.endswith("/checkouts")]) == 4


def test_koha_rest_misses_no_patron_whose_number_is_in_an_attribute(koha: Koha) -> None:
    gone = koha.tables["patrons"][1]
    koha.shift_once(koha.tables["patrons"], 1, patron(30, "2015000030", ("NO", "A30")), "/api/v1/patrons")
    snapshot = ask_koha(koha, per_page=4, titles=False, attribute="NO").pull()
    assert gone not in koha.tables["patrons"]
    assert {f"A{n}" for n in range(11) if n != 1} <= {str(row[0]) for row in snapshot.rows}


class TestUnited:
    def test_each_row_comes_as_often_as_the_reading_with_most_of_it_has_it(self) -> None:
        whole = united([[("a", 1), ("a", 1), ("b", 2)], [("a", 1), ("c", 3)]])
        assert sorted(whole.rows) == [("a", 1), ("a", 1), ("b", 2), ("c", 3)]
        assert sorted(map(str, whole.unsettled)) == ["a", "b", "c"]

    def test_who_has_the_same_in_each_reading_in_whatever_order_is_settled(self) -> None:
        assert united([[("a", 1), ("b", 2)], [("b", 2), ("a", 1)]]).unsettled == []

    def test_what_a_reading_had_that_was_given_up_is_not_counted_and_unsettles(self) -> None:
        whole = united([[("a", 1)], [("a", 1)]], [[("a", 1), ("b", 2)]])
        assert (whole.rows, whole.unsettled) == ([("a", 1)], ["b"])

    def test_a_row_about_no_one_unsettles_no_one(self) -> None:
        assert united([[(None, 1)], [("", 2)]]).unsettled == []

    @pytest.mark.parametrize(("differing", "disorder"), [(3, False), (4, True)])
    def test_more_differences_than_business_makes_are_disorder(self, differing: int, *, disorder: bool) -> None:
        rows = [(str(number),) for number in range(40)]
        other = [(f"x{number}",) if number < differing else row for number, row in enumerate(rows)]
        assert keep_no_order([rows, other]) is disorder


def test_a_connector_that_can_ask_by_number_is_known_by_it(koha: Koha) -> None:
    with HttpOffice(loans(3)) as office:
        settings: dict[str, Any] = {"url": office.url, "records": "data.rows", "total": "data.total"}
        question = Question("loans", {"student": "NUMBER"}, Ticking())

        def connector(**own: Any) -> Connector:
            return rest.connect(rest.Settings.model_validate(settings | own), question)

        assert not isinstance(connector(), AsksByNumber)
        assert isinstance(connector(one={"number": "{student}"}), AsksByNumber)
    assert isinstance(ask_koha(koha), AsksByNumber)
