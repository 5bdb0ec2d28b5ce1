"""The same promises over a real web server that pages in every way, and what goes wrong with each."""

import json
import re
import socket
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import timedelta
from decimal import Decimal
from email.utils import format_datetime, formatdate
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from config.tables.secrets import Origin
from config.tables.sources import Source
from connectors import rest
from connectors.port import (
    Connector,
    ProofKind,
    Question,
    Snapshot,
    SourceError,
    SourceGarbled,
    SourceRefused,
    SourceUnavailable,
)
from tests.cast import MORNING
from tests.contract import COLUMNS, ROWS, PagedContract, Ticking
from tests.patience import PATIENCE
from tests.services.http_office import Call, HttpOffice, Reply, Style, as_json, basic

STYLES: tuple[Style, ...] = ("none", "page", "offset", "link", "cursor")
PAGE = Path(__file__).parents[2] / "docs" / "connectors" / "rest.md"
SECRET = "hidden-word"


def paging(style: str, per_page: int = 2) -> dict[str, Any]:
    """Return the keys that fit an office of this style."""
    sized = {"size": "page_size"} if style in ("link", "cursor") else {}
    extra: dict[str, Any] = {"cursor": {"next": "data.next"}}.get(style, {})
    return {"kind": style} | ({} if style == "none" else {"per_page": per_page}) | sized | extra


def ask(office: HttpOffice, columns: Mapping[str, str] = COLUMNS, **own: Any) -> rest.Rest:
    """Return a connector for this office; a key given as None is left out."""
    told = {"body": {"total": "data.total"}, "header": {"total_header": "X-Total-Count"}}.get(office.total, {})
    keys = {"url": office.url, "records": "data.rows", "paging": paging(office.style), "retries": 0, **told, **own}
    settings = rest.Settings.model_validate(
        {key: value for key, value in keys.items() if value is not None},
        context=Origin(Path(), {"SECRET": SECRET}),
    )
    return rest.Rest(settings, Question("loans", columns, Ticking()))


def proofs(snapshot: Snapshot) -> dict[ProofKind, str]:
    """Return what a snapshot shows."""
    return {proof.kind: proof.detail for proof in snapshot.proofs}


def loans(count: int) -> list[dict[str, Any]]:
    """Return so many rows, each about somebody else."""
    return [{"NUMBER": f"2015{n:06}", "TITLE": f"书{n}", "BARCODE": f"B{n:06}"} for n in range(count)]


@pytest.fixture
def office() -> Iterator[HttpOffice]:
    """A filled office with numbered pages and its total in the body."""
    with HttpOffice(ROWS) as made:
        yield made


class ContractOffice:
    """The web server in the hands of the contract."""

    secret = SECRET

    def __init__(self, served: HttpOffice, **own: Any) -> None:
        self.served = served
        self.own = own

    def fill(self, rows: Sequence[Mapping[str, str | None]]) -> None:
        self.served.rows = [dict(row) for row in rows]

    def shift_once(self, gone: int, new: Mapping[str, str | None]) -> None:
        self.served.shift_once(self.served.rows, gone, dict(new))

    def connector(self, columns: Mapping[str, str] = COLUMNS) -> Connector:
        return ask(self.served, columns, **self.own)

    def out_of_reach(self) -> Connector:
        return ask(self.served, **{**self.own, "url": nowhere()})


def nowhere() -> str:
    """Return an address where no one listens."""
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}/api/loans"


class TestNumberedPages(PagedContract, of="rest"):
    @pytest.fixture
    def office(self) -> Iterator[ContractOffice]:
        with HttpOffice() as served:
            served.admits = lambda call: call.headers.get("Authorization") == basic("reader", SECRET)
            auth = {"kind": "basic", "user": "reader", "password": "env:SECRET"}
            yield ContractOffice(served, auth=auth, one={"number": "{student}"})


class TestCursorReadTwice(PagedContract, of="rest"):
    @pytest.fixture
    def office(self) -> Iterator[ContractOffice]:
        with HttpOffice(style="cursor", total="") as served:
            served.admits = lambda call: call.headers.get("X-Api-Key") == SECRET
            yield ContractOffice(
                served, proofs=["second_pass"], auth={"kind": "header", "name": "X-Api-Key", "value": "env:SECRET"}
            )


@pytest.mark.parametrize("total", ["body", "header"])
@pytest.mark.parametrize("style", STYLES)
def test_every_way_of_paging_agrees_with_either_place_of_the_total(style: Style, total: str) -> None:
    with HttpOffice(loans(7), style, total) as office:
        snapshot = ask(office).pull()
    pages = "1 page" if style == "none" else "4 pages"
    assert len({row[0] for row in snapshot.rows}) == 7
    assert proofs(snapshot)[ProofKind.TOTAL_AGREES] == f"{pages}, 7 of 7 rows"


@pytest.mark.parametrize("count", [0, 1, 2, 3, 6])
@pytest.mark.parametrize("style", STYLES[1:])
def test_without_a_total_reading_goes_on_to_the_end_of_paging(style: Style, count: int) -> None:
    with HttpOffice(loans(count), style, "") as office:
        # A full first page without a next one is another test's matter: here the size is left to the system.
        office.most = 2
        own = paging(style) | ({"size": ""} if style in ("link", "cursor") else {})
        snapshot = ask(office, proofs=["end_of_pages"], paging=own).pull()
    assert len(snapshot.rows) == count
    assert f"{count} rows up to the end" in proofs(snapshot)[ProofKind.END_REACHED]


@pytest.mark.parametrize("style", STYLES)
def test_without_a_total_a_second_reading_that_brings_the_same_is_proof(style: Style) -> None:
    with HttpOffice(loans(5), style, "") as office:
        snapshot = ask(office, proofs=["second_pass"]).pull()
        asked = len(office.asked)
    assert "5 rows, the same in both readings" in proofs(snapshot)[ProofKind.SECOND_PASS_AGREES]
    assert asked == {"none": 2, "page": 8, "offset": 8}.get(style, 6)


def test_a_second_reading_that_brings_something_else_is_no_answer() -> None:
    with HttpOffice(loans(4), "none", "") as office:
        office.tamper = lambda _page, records: records[: -len(office.asked)]
        with pytest.raises(SourceGarbled, match=r"\(3 and 2 and 1\)"):
            ask(office, proofs=["second_pass"]).pull()


def test_a_total_is_compared_even_when_a_second_reading_is_asked_for(office: HttpOffice) -> None:
    shown = proofs(ask(office, proofs=["second_pass"]).pull())
    assert {ProofKind.TOTAL_AGREES, ProofKind.SECOND_PASS_AGREES} <= set(shown)


def test_without_any_proof_the_settings_are_refused_with_what_to_set(office: HttpOffice) -> None:
    with pytest.raises(ValidationError, match=r"total_header, or accept proofs = \[.second_pass"):
        ask(office, total=None)


def test_proofs_may_not_be_left_empty(office: HttpOffice) -> None:
    with pytest.raises(ValidationError, match="proofs"):
        ask(office, proofs=[])


def test_each_proof_that_is_named_is_shown(office: HttpOffice) -> None:
    shown = proofs(ask(office, proofs=["total", "end_of_pages", "second_pass"]).pull())
    assert {ProofKind.TOTAL_AGREES, ProofKind.END_REACHED, ProofKind.SECOND_PASS_AGREES} <= set(shown)


def test_one_answer_alone_shows_no_end(office: HttpOffice) -> None:
    with pytest.raises(ValidationError, match="without paging, the system may stop"):
        ask(office, total=None, proofs=["end_of_pages"], paging={"kind": "none"})


@pytest.mark.parametrize(("style", "mark"), [("link", "Link header"), ("cursor", "data.next")])
def test_a_full_first_page_without_any_mark_of_the_next_is_doubted(style: Style, mark: str) -> None:
    with HttpOffice(loans(2), style, "") as office:
        bare = as_json({"data": {"rows": loans(2)}})
        office.script.append(bare)
        with pytest.raises(SourceGarbled, match=mark):
            ask(office, proofs=["end_of_pages"]).pull()


def test_a_system_that_gives_smaller_pages_than_asked_for_is_read_whole() -> None:
    for style in STYLES[1:]:
        with HttpOffice(loans(10), style) as office:
            office.most = 3
            assert len(ask(office, paging=paging(style, 50)).pull().rows) == 10


def test_pages_may_be_counted_from_zero(office: HttpOffice) -> None:
    office.rows = []
    ask(office, paging={"kind": "page", "page": "p", "size": "", "first": 0}).pull()
    assert office.asked[0].params == {"p": "0"}


def test_ten_thousand_rows_come_page_by_page() -> None:
    with HttpOffice(loans(10_000)) as office:
        seen: list[tuple[int, int | None]] = []
        snapshot = ask(office, paging=paging("page", 100)).pull(lambda *figures: seen.append(figures))
    assert proofs(snapshot)[ProofKind.TOTAL_AGREES] == "100 pages, 10000 of 10000 rows"
    assert seen[0] == (100, 10_000)
    assert seen[-1] == (10_000, 10_000)


@pytest.mark.parametrize("style", ["none", "page", "link", "cursor"])
def test_a_page_one_row_short_is_no_answer(style: Style) -> None:
    with HttpOffice(loans(7), style) as office:
        office.tamper = lambda page, records: records[:-1] if page == 1 else records
        with pytest.raises(SourceGarbled, match=r"7 records but returned 6|page 1 is shorter"):
            ask(office).pull()


def test_offsets_ask_again_for_what_a_short_page_left_out() -> None:
    with HttpOffice(loans(7), "offset") as office:
        office.tamper = lambda _page, records: records[:-1] if len(records) == 2 else records
        snapshot = ask(office).pull()
    assert {row[0] for row in snapshot.rows} == {row["NUMBER"] for row in loans(7)}


@pytest.mark.parametrize("short", [1, 2])
def test_a_short_page_before_the_last_is_seen_without_a_total(short: int) -> None:
    with HttpOffice(loans(6), "page", "") as office:
        office.tamper = lambda page, records: records[:-1] if page == short else records
        with pytest.raises(SourceGarbled, match=f"page {short} is shorter"):
            ask(office, proofs=["end_of_pages"]).pull()


def test_a_lost_page_is_no_answer() -> None:
    with HttpOffice(loans(8), "link") as office:
        office.tamper = lambda page, records: [] if page == 2 else records
        with pytest.raises(SourceGarbled, match="8 records but returned 6 on 4 pages"):
            ask(office).pull()


@pytest.mark.parametrize("again", [2, 3])
def test_a_page_that_comes_twice_is_no_answer(again: int) -> None:
    with HttpOffice(loans(8)) as office:
        office.tamper = lambda page, records: loans(2) if page == again else records
        with pytest.raises(SourceGarbled, match=f"page {again} repeats page 1") as caught:
            ask(office).pull()
        assert len(office.asked) == 3 * again
    assert "names in paging" in caught.value.fix_text


def test_a_page_doubled_once_by_accident_is_read_again() -> None:
    with HttpOffice(loans(4)) as office:
        office.tamper = lambda _page, records: loans(2) if len(office.asked) == 2 else records
        assert len(ask(office).pull().rows) == 4


def test_a_record_on_two_pages_is_no_answer() -> None:
    with HttpOffice(loans(6)) as office:
        office.tamper = lambda page, records: [loans(1)[0], records[1]] if page == 3 else records
        with pytest.raises(SourceGarbled, match="a record of page 1 is also on page 3"):
            ask(office).pull()


def test_two_alike_records_on_one_page_are_two() -> None:
    with HttpOffice([loans(1)[0]] * 2) as office:
        assert len(ask(office).pull().rows) == 2


def test_more_records_than_the_total_are_no_answer() -> None:
    with HttpOffice(loans(4), "none") as office:
        office.tamper = lambda _page, records: [*records, {**records[0], "BARCODE": "X"}]
        with pytest.raises(SourceGarbled, match="reports 4 records but returned 5"):
            ask(office).pull()


def test_a_total_that_moves_while_pages_are_read_starts_the_reading_over() -> None:
    with HttpOffice(loans(6)) as office:

        def lend_another(_page: int, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
            office.rows = loans(7)
            return records

        office.tamper = lend_another
        snapshot = ask(office).pull()
    assert proofs(snapshot)[ProofKind.TOTAL_AGREES] == "4 pages, 7 of 7 rows"


def test_a_total_that_never_rests_is_given_up_after_three_readings() -> None:
    with HttpOffice(loans(6)) as office:

        def lend_another(_page: int, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
            office.rows.append(loans(len(office.rows) + 1)[-1])
            return records

        office.tamper = lend_another
        with pytest.raises(SourceUnavailable, match="each of 3 readings"):
            ask(office).pull()


def told_last(office: HttpOffice, page: str, rows: Any, total: int, last: object) -> None:
    """Have the office tell a last page once."""
    office.script.append(as_json({"data": {"rows": rows, "total": total, "pages": last, "page": page}}))


def to_last(**own: Any) -> dict[str, Any]:
    """Return the keys for numbered pages that tell which is the last."""
    return {"paging": {**paging("page"), "last": "data.pages", **own}}


def test_reading_goes_on_to_the_last_page_that_is_reported_and_shows_it(office: HttpOffice) -> None:
    for _ in range(2):
        told_last(office, "1", loans(4)[:2], 4, 3)
        told_last(office, "2", loans(4)[2:], 4, 3)
        told_last(office, "3", [], 4, 3)
    shown = proofs(ask(office, **to_last()).pull())
    assert [call.params["page"] for call in office.asked] == ["1", "2", "3"] * 2
    assert shown[ProofKind.END_REACHED] == "3 pages, up to page 3, which is reported as the last"
    assert ProofKind.TOTAL_AGREES in shown


def test_a_last_page_that_comes_before_the_total_is_reached_is_no_answer(office: HttpOffice) -> None:
    told_last(office, "1", loans(4)[:2], 4, 1)
    with pytest.raises(SourceGarbled, match="reports 4 records but returned 2") as caught:
        ask(office, **to_last()).pull()
    assert "lower per_page" in caught.value.fix_text


def test_a_last_page_that_moves_starts_the_reading_over(office: HttpOffice) -> None:
    told_last(office, "1", loans(4)[:2], 4, 2)
    told_last(office, "2", loans(4)[2:], 4, 3)
    for _ in range(2):
        told_last(office, "1", loans(3)[:2], 3, 2)
        told_last(office, "2", loans(3)[2:], 3, 2)
    snapshot = ask(office, **to_last()).pull()
    assert len(snapshot.rows) == 3
    assert [call.params["page"] for call in office.asked] == ["1", "2"] * 3
    # The reading that was given up had a fourth book.
    assert list(snapshot.unsettled) == ["2015000003"]


@pytest.mark.parametrize("said", [None, "many", True, 4.5])
def test_a_last_page_that_is_no_number_is_no_answer(office: HttpOffice, said: object) -> None:
    told_last(office, "1", [], 0, said)
    with pytest.raises(SourceGarbled, match=r"has (no|a|no usable) last page .*Correct paging\.last"):
        ask(office, **to_last()).pull()


def test_null_is_an_empty_list_where_the_total_is_zero_and_nowhere_else(office: HttpOffice) -> None:
    for total, whole in ((0, True), (4, False)):
        office.script.append(as_json({"data": {"rows": None, "total": total}}))
        if whole:
            assert list(ask(office).pull().rows) == []
        else:
            with pytest.raises(SourceGarbled, match=r"no list|did not answer with a list"):
                ask(office).pull()


def test_null_is_no_list_where_no_total_is_reported(office: HttpOffice) -> None:
    office.script.append(as_json({"data": {"rows": None}}))
    with pytest.raises(SourceGarbled, match=r"no list|did not answer with a list"):
        ask(office, total=None, proofs=["end_of_pages"]).pull()


@pytest.mark.parametrize("said", [None, "many", True, 4.5, [4]])
def test_a_total_that_is_no_number_is_no_answer(office: HttpOffice, said: object) -> None:
    office.script.append(as_json({"data": {"rows": [], "total": said}}))
    with pytest.raises(SourceGarbled, match="Correct total"):
        ask(office).pull()


@pytest.mark.parametrize("said", [1, 1.0, "1", " 1 ", "1.0", "01"])
def test_a_total_is_read_however_its_number_is_written(office: HttpOffice, said: object) -> None:
    office.script.append(as_json({"data": {"rows": [ROWS[0]], "total": said}}))
    assert len(ask(office).pull().rows) == 1


@pytest.mark.parametrize("said", ["", "1,000", "1e3", "-1", -1, "1_0", "１", 1.5])
def test_a_total_that_is_no_count_is_no_answer(office: HttpOffice, said: object) -> None:
    office.script.append(as_json({"data": {"rows": [], "total": said}}))
    with pytest.raises(SourceGarbled, match=r"has (no|a|no usable) total .*Correct total"):
        ask(office).pull()


NOTHING: list[dict[str, Any]] = [{}, {"rows": None}, {"rows": ""}, {"rows": {}}, {"rows": []}]


@pytest.mark.parametrize("nothing", NOTHING)
@pytest.mark.parametrize("total", [0, 0.0, "0"])
def test_a_total_of_zero_needs_no_list(office: HttpOffice, nothing: dict[str, Any], total: object) -> None:
    office.script.append(as_json({"data": {**nothing, "total": total}}))
    snapshot = ask(office).pull()
    assert (list(snapshot.rows), proofs(snapshot)[ProofKind.TOTAL_AGREES]) == ([], "1 page, 0 of 0 rows")


@pytest.mark.parametrize("nothing", NOTHING)
def test_any_other_total_without_a_list_is_refused(office: HttpOffice, nothing: dict[str, Any]) -> None:
    office.script.append(as_json({"data": {**nothing, "total": 2}}))
    with pytest.raises(SourceGarbled):
        ask(office).pull()


def test_a_bare_record_is_a_list_of_one_where_the_total_reports_that_one_is_left(office: HttpOffice) -> None:
    office.script.append(as_json({"data": {"rows": dict(ROWS[0]), "total": 1}}))
    assert list(ask(office).pull().rows) == [("20151001", "构造地质学", "B0001")]
    for _ in range(2):
        office.script.append(as_json({"data": {"rows": loans(2), "total": 3}}))
        office.script.append(as_json({"data": {"rows": loans(3)[2], "total": 3}}))
    assert len(ask(office).pull().rows) == 3


@pytest.mark.parametrize("total", [0, 2, 3])
def test_a_bare_record_where_the_total_differs_is_no_answer(office: HttpOffice, total: int) -> None:
    office.script.append(as_json({"data": {"rows": dict(ROWS[0]), "total": total}}))
    with pytest.raises(SourceGarbled, match="bare_record"):
        ask(office).pull()


def test_without_a_total_the_settings_may_allow_a_bare_record(office: HttpOffice) -> None:
    bare = as_json({"data": {"rows": dict(ROWS[0])}})
    own: dict[str, Any] = {"total": None, "proofs": ["second_pass"], "paging": {"kind": "none"}}
    office.script.extend([bare] * 2)
    assert len(ask(office, **own, bare_record=True).pull().rows) == 1
    office.script.append(bare)
    with pytest.raises(SourceGarbled, match=r"no list|did not answer with a list"):
        ask(office, **own).pull()


@pytest.mark.parametrize("style", ["page", "offset"])
def test_a_total_that_counts_one_page_is_found_out_by_asking_for_one_more(style: Style) -> None:
    with HttpOffice(loans(7), style, "") as office:
        office.befalls = lambda call: as_json({"data": {"total": 2, "rows": loans(7)[(at := start(call)) : at + 2]}})
        with pytest.raises(SourceGarbled, match="a total of 2, but the next page has more"):
            ask(office, total="data.total", total_header=None).pull()


def start(call: Call) -> int:
    return int(call.params.get("offset", 2 * (int(call.params.get("page", 1)) - 1)))


def test_nor_is_a_smaller_page_than_asked_for_taken_for_everything() -> None:
    with HttpOffice(loans(25), "page", "") as office:
        office.befalls = lambda call: as_json(
            {"data": {"total": 10, "rows": loans(25)[10 * (int(call.params["page"]) - 1) :][:10]}}
        )
        with pytest.raises(SourceGarbled, match="a total of 10, but the next page has more"):
            ask(office, total="data.total", paging=paging("page", 500)).pull()


@pytest.mark.parametrize("style", ["link", "cursor"])
def test_a_total_that_counts_a_full_page_without_a_next_one_is_doubted(style: Style) -> None:
    with HttpOffice(loans(2), style) as office:
        office.script.append(as_json({"data": {"rows": loans(2), "total": 2}}))
        with pytest.raises(SourceGarbled, match="the first page is full"):
            ask(office).pull()


@pytest.mark.parametrize(
    "beyond",
    [
        as_json({"message": "no such page"}, 404),
        as_json({"message": "no such page"}, 400),
        as_json({"data": {"rows": loans(4)[2:], "total": 4}}),
        as_json({"data": {"rows": None, "total": 4}}),
        as_json({"data": {"total": 4}}),
    ],
)
def test_beyond_the_last_page_a_system_may_say_what_it_likes_but_more(office: HttpOffice, beyond: Reply) -> None:
    office.rows = loans(4)
    office.befalls = lambda call: beyond if call.params["page"] == "3" else None
    assert len(ask(office).pull().rows) == 4


def test_a_record_that_is_added_while_the_end_is_looked_for_starts_the_reading_over(office: HttpOffice) -> None:
    office.rows = loans(4)

    def lent(call: Call) -> None:
        if call.params["page"] == "3" and len(office.rows) == 4:
            office.rows.append(loans(5)[-1])

    office.befalls = lent
    assert len(ask(office).pull().rows) == 5


CACHED = {"Age": "40", "Cache-Control": "max-age=60"}


def test_an_answer_out_of_a_cache_counts_from_when_it_was_given(office: HttpOffice) -> None:
    office.versions = CACHED
    fresh = ask(office, paging=paging("page", 100)).pull()
    assert MORNING - timedelta(seconds=41) < fresh.began < MORNING - timedelta(seconds=30)
    assert [warning for warning in fresh.warnings if "40 s old" in warning]


@pytest.mark.parametrize("own", [{}, {"proofs": ["second_pass"], "paging": {"kind": "none"}}])
def test_pages_out_of_a_cache_are_not_put_together(office: HttpOffice, own: dict[str, Any]) -> None:
    office.versions = CACHED
    with pytest.raises(SourceRefused, match="different times"):
        ask(office, **own).pull()


def test_a_second_look_takes_nothing_out_of_a_cache(office: HttpOffice) -> None:
    one: dict[str, Any] = {"one": {"number": "{student}"}, "paging": paging("page", 100)}
    connector = by_number(office, **one)
    assert len(connector.pull_these(["20151001", "20152003"]).rows) == 3
    office.versions = CACHED
    with pytest.raises(SourceRefused, match="from a cache"):
        connector.pull_these(["20151001"])


def by_number(office: HttpOffice, **own: Any) -> rest.RestByNumber:
    asked = ask(office, **own)
    return rest.RestByNumber(asked._settings, asked._question)


def test_some_students_are_each_asked_about_alone_and_no_one_else_comes(office: HttpOffice) -> None:
    snapshot = by_number(office, one={"number": "{student}"}, paging=paging("page", 100)).pull_these(
        ["20151001", "20159999"]
    )
    assert sorted(call.params["number"] for call in office.asked) == ["20151001", "20159999"]
    assert {row[0] for row in snapshot.rows} == {"20151001"}
    assert snapshot.population is None
    assert {ProofKind.TOTAL_AGREES, ProofKind.END_REACHED} <= set(proofs(snapshot))
    overlooked = by_number(office, one={"nummer": "{student}"}).pull_these(["20151001"])
    assert {row[0] for row in overlooked.rows} == {"20151001"}


def test_a_second_look_that_one_is_not_answered_in_is_no_answer(office: HttpOffice) -> None:
    office.befalls = lambda call: as_json({}, 500) if call.params.get("number") == "20152003" else None
    limits = {"rounds": 1}
    connector = by_number(office, one={"number": "{student}"}, paging=paging("page", 100), per_student=limits)
    with pytest.raises(SourceUnavailable, match="1 of 2 questions"):
        connector.pull_these(["20151001", "20152003"])


@pytest.mark.parametrize(
    ("own", "warns"),
    [({"number": "{student}"}, ""), ({"nummer": "{student}"}, ""), ({"number": "x{student}"}, "lacks 2 of the 2")],
)
def test_a_check_tries_one_with_a_student_of_the_list(office: HttpOffice, own: dict[str, str], warns: str) -> None:
    sample = ask(office, one=own, paging=paging("page", 100)).check()
    asked = office.asked[1].params
    assert asked.get("number", asked.get("nummer")) in ("20151001", "x20151001")
    assert bool([w for w in sample.warnings if "lacks 2 of the 2" in w and "Correct one" in w]) is bool(warns)


def test_a_check_states_where_one_fails(office: HttpOffice) -> None:
    office.befalls = lambda call: as_json({}, 403) if "number" in call.params else None
    sample = ask(office, one={"number": "{student}"}).check()
    assert [w for w in sample.warnings if "HTTP 403" in w and "No recheck of a student counts" in w]


def test_a_check_looks_at_the_whole_page_as_a_pull_does(office: HttpOffice) -> None:
    del office.rows[2]["TITLE"]
    with pytest.raises(SourceGarbled, match='record 3 has no "TITLE"'):
        ask(office, paging=paging("page", 100)).check()


def test_a_missing_total_header_is_named(office: HttpOffice) -> None:
    with pytest.raises(SourceGarbled, match="header X-Count"):
        ask(office, total=None, total_header="X-Count").pull()


def test_a_cursor_that_does_not_move_is_no_answer() -> None:
    with HttpOffice(loans(4), "cursor", "") as office:
        office.script.extend([as_json({"data": {"rows": loans(2), "next": "again"}})])
        office.script.extend([as_json({"data": {"rows": [], "next": "again"}})])
        with pytest.raises(SourceGarbled, match="same next page"):
            ask(office, proofs=["end_of_pages"]).pull()


def test_a_next_page_with_somebody_else_gets_no_credentials(office: HttpOffice) -> None:
    office.style = "link"
    with HttpOffice(ROWS) as unmatched_key:
        office.script.append(
            as_json({"data": {"rows": loans(2), "total": 4}}, headers={"Link": f'<{unmatched_key.url}>; rel="next"'})
        )
        with pytest.raises(SourceGarbled, match="next page on another host"):
            ask(office, auth={"kind": "bearer", "token": "env:SECRET"}).pull()
        assert not unmatched_key.calls


@pytest.mark.parametrize(("key", "fix_text"), [("limit", "raise limit"), ("most_pages", "raise most_pages")])
def test_too_much_is_no_answer(office: HttpOffice, key: str, fix_text: str) -> None:
    too_few: dict[str, Any] = {key: 1}
    with pytest.raises(SourceGarbled, match=fix_text):
        ask(office, **too_few).pull()


def test_a_column_missing_in_any_record_is_named_with_that_record(office: HttpOffice) -> None:
    del office.rows[2]["TITLE"]
    with pytest.raises(SourceGarbled, match='record 3 has no "TITLE"') as caught:
        ask(office).pull()
    assert 'add "title" to optional' in caught.value.fix_text


def test_null_is_a_value_and_no_missing_column(office: HttpOffice) -> None:
    office.rows = [dict.fromkeys(("NUMBER", "TITLE", "BARCODE"))]
    assert list(ask(office).pull().rows) == [(None, None, None)]


def test_an_optional_field_may_be_left_out(office: HttpOffice) -> None:
    del office.rows[2]["TITLE"]
    assert ("20152003", None, "B0003") in ask(office, optional=["title"]).pull().rows


def test_no_record_may_leave_out_its_student(office: HttpOffice) -> None:
    with pytest.raises(ValidationError, match="student cannot be optional"):
        ask(office, optional=["student"])


def test_a_check_warns_of_an_optional_column_that_no_record_has(office: HttpOffice) -> None:
    sample = ask(office, {**COLUMNS, "due": "DUE_DAY"}, optional=["due"]).check()
    assert [warning for warning in sample.warnings if "DUE_DAY" in warning and warning.endswith(".")]


def test_columns_lie_at_dotted_paths(office: HttpOffice) -> None:
    office.rows = [{"student": {"no": "20151001"}, "fee.owed": 3}, {"student": None, "fee": {"owed": 4}}]
    connector = ask(office, {"student": "student.no", "amount": "fee.owed"})
    assert list(connector.pull().rows) == [("20151001", 3), (None, 4)]
    assert set(connector.check().columns) == {"student.no", "fee.owed", "student"}


def test_a_column_that_differs_only_in_case_is_found(office: HttpOffice) -> None:
    office.rows = [{"NUMBER": "20151001", "Fee": {"OWED": 3}}]
    connector = ask(office, {"student": "number", "amount": "fee.owed"})
    assert list(connector.pull().rows) == [("20151001", 3)]


def test_the_column_as_it_is_written_goes_before_one_in_another_case(office: HttpOffice) -> None:
    office.rows = [{"Number": "20152003", "number": "20151001", "NUMBER": "20152004"}]
    assert list(ask(office, {"student": "number"}).pull().rows) == [("20151001",)]


def test_of_two_columns_that_differ_only_in_case_none_is_taken(office: HttpOffice) -> None:
    office.rows = [{"Number": "20152003", "NUMBER": "20152004"}]
    with pytest.raises(SourceGarbled, match=r"two names that differ from .number. only in case") as caught:
        ask(office, {"student": "number"}).pull()
    assert "columns.student" in caught.value.fix_text


def test_nor_is_one_within_another(office: HttpOffice) -> None:
    office.rows = [{"NUMBER": "20151001", "fee": {"Owed": 1, "OWED": 2}}]
    with pytest.raises(SourceGarbled, match="only in case"):
        ask(office, {"student": "NUMBER", "amount": "fee.owed"}, optional=["amount"]).pull()


def test_a_check_warns_where_nothing_sets_two_records_apart(office: HttpOffice) -> None:
    assert any("columns.reference" in warning for warning in ask(office, {"student": "NUMBER"}).check().warnings)
    assert not ask(office).check().warnings


def test_a_column_that_holds_more_than_one_value_is_no_answer(office: HttpOffice) -> None:
    office.rows[0]["TITLE"] = {"zh": "构造地质学"}
    with pytest.raises(SourceGarbled, match="not a single value"):
        ask(office).pull()


def test_amounts_are_exact(office: HttpOffice) -> None:
    body = b'{"data": {"rows": [{"NUMBER": 20151001, "owed": 0.10}, {"NUMBER": 20151002, "owed": 12}], "total": 2}}'
    office.script.append(Reply(body))
    rows = ask(office, {"student": "NUMBER", "amount": "owed"}, paging={"kind": "none"}).pull().rows
    assert [repr(row[1]) for row in rows] == ["Decimal('0.10')", "12"]
    assert isinstance(rows[0][1], Decimal)


BROKEN = pytest.mark.parametrize("broken", [r"\ufffd", r"\ud83d"], ids=["replacement", "half a pair"])


@BROKEN
def test_a_broken_letter_in_a_title_is_replaced_and_reported(office: HttpOffice, broken: str) -> None:
    whole = json.dumps({"data": {"rows": [ROWS[0]], "total": 1}}, ensure_ascii=False)
    office.script.append(Reply(whole.replace("地质", broken).encode()))
    snapshot = ask(office).pull()
    assert snapshot.rows[0] == ("20151001", "构造\ufffd学", "B0001")
    assert [warning for warning in snapshot.warnings if 'record 1: "TITLE" has letters' in warning]
    assert ProofKind.CHARSET_SANE not in proofs(snapshot)


@BROKEN
def test_a_broken_letter_in_a_number_is_no_answer(office: HttpOffice, broken: str) -> None:
    whole = json.dumps({"data": {"rows": [ROWS[0]], "total": 1}}, ensure_ascii=False)
    office.script.append(Reply(whole.replace("20151001", f"2015{broken}001").encode()))
    with pytest.raises(SourceGarbled, match="so its student is unknown"):
        ask(office).pull()


def test_text_cut_within_a_letter_is_replaced_and_the_rest_is_read(office: HttpOffice) -> None:
    body = json.dumps({"data": {"rows": [ROWS[0]], "total": 1}}, ensure_ascii=False).encode()
    office.script.append(Reply(body.replace("学".encode(), "学".encode()[:2])))
    assert ask(office).pull().rows[0][1] == "构造地质\ufffd"


def test_text_in_a_charset_that_is_named_is_read(office: HttpOffice) -> None:
    body = json.dumps({"data": {"rows": [ROWS[0]], "total": 1}}, ensure_ascii=False).encode("gb18030")
    office.script.append(Reply(body, headers={"Content-Type": "application/json; charset=GB18030"}))
    assert ask(office).pull().rows[0][1] == "构造地质学"


def test_text_in_a_charset_that_is_not_named_is_no_answer(office: HttpOffice) -> None:
    body = json.dumps({"data": {"rows": [ROWS[0]], "total": 1}}, ensure_ascii=False).encode("gb18030")
    office.script.append(Reply(body, headers={"Content-Type": "application/json"}))
    with pytest.raises(SourceGarbled, match="not in its charset"):
        ask(office).pull()


@pytest.mark.parametrize("body", [{"data": {"rows": {}}}, {"data": {"list": []}}, [], 7, None])
def test_no_list_where_records_should_be_is_no_answer(office: HttpOffice, body: object) -> None:
    office.script.append(as_json(body))
    with pytest.raises(SourceGarbled, match=r'no list at "data\.rows"'):
        ask(office).pull()


def test_the_body_itself_may_be_the_list(office: HttpOffice) -> None:
    office.script.append(as_json(ROWS, headers={"X-Total-Count": "4"}))
    own: dict[str, Any] = {"records": "", "total": None, "total_header": "X-Total-Count", "paging": {"kind": "none"}}
    assert len(ask(office, **own).pull().rows) == 4


def test_one_student_is_asked_for_by_number(office: HttpOffice) -> None:
    snapshot = ask(office, one={"number": "{student}"}, paging=paging("page", 10)).pull_one("20151001")
    assert [call.params["number"] for call in office.asked] == ["20151001"]
    assert proofs(snapshot)[ProofKind.TOTAL_AGREES] == "1 page, 2 of 2 rows"


def test_what_comes_about_others_is_dropped(office: HttpOffice) -> None:
    assert {row[0] for row in ask(office, one={"unknown": "{student}"}).pull_one("20151001").rows} == {"20151001"}


def test_one_student_is_found_however_the_number_is_written(office: HttpOffice) -> None:
    office.rows = [{**ROWS[0], "NUMBER": " s２０15 "}]
    assert len(ask(office).pull_one("s2015").rows) == 1


def by_key(office: HttpOffice, **own: Any) -> rest.Rest:
    paging = {"kind": "key", "after": "after", "key": "BARCODE", "size": "limit", "per_page": 10}
    made = ask(office, **{"paging": paging, "total": None, "proofs": ["end_of_pages"], **own})
    assert isinstance(made, rest.Rest)
    return made


def test_by_key_nothing_slips_when_a_record_before_it_goes() -> None:
    with HttpOffice(loans(35), style="key", total="") as office:

        def returned(page: int, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
            if page == 2:
                # A book of the first page comes back while the second is read.
                office.rows = [row for row in office.rows if row["BARCODE"] != "B000003"]
            return records

        office.tamper = returned
        barcodes = {str(row[2]) for row in by_key(office).pull().rows}
    assert barcodes == {f"B{n:06}" for n in range(35)}


@pytest.mark.parametrize(
    ("keys", "cause"),
    [
        (["B1", "B2", "B2", "B3"], 'repeats the "BARCODE" of an earlier record'),
        ([1, 3, 2, 4], 'has a smaller "BARCODE" than the one before'),
        (["00a0", "00c0", "00b0", "00d0"], 'has a smaller "BARCODE" than the one before'),
        (["B1", None, "B3", "B4"], 'has no "BARCODE" to continue from'),
    ],
)
def test_keys_that_lose_records_are_no_answer(keys: list[Any], cause: str) -> None:
    rows = [{**row, "BARCODE": key} for row, key in zip(loans(4), keys, strict=True)]
    with HttpOffice(rows, style="key", total="") as office, pytest.raises(SourceGarbled, match=cause):
        by_key(office).pull()


def test_a_key_may_be_sent_within_an_expression_and_a_total_count_what_is_left(office: HttpOffice) -> None:
    rows = loans(5)

    def answer(call: Call) -> Reply:
        after = call.params.get("q", "after:").removeprefix("after:")
        left = [row for row in rows if row["BARCODE"] > after]
        return as_json({"data": {"rows": left[:2], "total": len(left)}})

    office.befalls = answer
    own = {"kind": "key", "after": "q", "expression": "after:{key}", "key": "BARCODE", "counts": "rest", "per_page": 2}
    snapshot = ask(office, paging={**own, "size": "limit"}).pull()
    assert proofs(snapshot)[ProofKind.TOTAL_AGREES] == "3 pages, 5 of 5 rows"
    assert [call.params.get("q") for call in office.asked] == [None, "after:B000001", "after:B000003"]


@pytest.mark.parametrize("count", [0, 9, 10, 20, 35])
def test_by_key_reading_goes_on_to_an_empty_page(count: int) -> None:
    with HttpOffice(loans(count), style="key", total="") as office:
        assert len(by_key(office).pull().rows) == count
        assert len(office.asked) == -(-count // 10) + 1


def test_a_key_that_does_not_move_or_is_missing_is_no_answer() -> None:
    with HttpOffice(loans(35), style="none", total="") as office, pytest.raises(SourceGarbled):
        by_key(office).pull()
    with HttpOffice(loans(35), style="key", total="") as office, pytest.raises(SourceGarbled, match="key and after"):
        by_key(office, paging={"kind": "key", "key": "ID", "size": "limit", "per_page": 10}).pull()


class TestFingerprint:
    @pytest.fixture
    def office(self) -> Iterator[HttpOffice]:
        with HttpOffice(ROWS, style="none") as made:
            yield made

    def told(self, office: HttpOffice) -> bytes | None:
        connector = ask(office, paging={"kind": "none"}, fingerprint=True)
        assert isinstance(connector, rest.Rest)
        found = connector.fingerprint()
        return found.value if found else None

    def test_an_etag_distinguishes_one_answer_from_another(self, office: HttpOffice) -> None:
        office.versions = {"ETag": '"a"'}
        first = self.told(office)
        assert first == self.told(office)
        office.versions = {"ETag": '"b"'}
        assert first not in (None, self.told(office))
        assert {call.method for call in office.asked} == {"HEAD"}

    def test_a_pull_brings_the_fingerprint_of_before(self, office: HttpOffice) -> None:
        office.versions = {"ETag": '"a"'}
        snapshot = ask(office, paging={"kind": "none"}, fingerprint=True).pull()
        assert snapshot.fingerprint == self.told(office)
        assert [call.method for call in office.asked][:2] == ["HEAD", "GET"]

    def test_a_change_of_long_ago_is_reported_and_one_of_this_moment_is_not(self, office: HttpOffice) -> None:
        office.versions = {"Last-Modified": "Thu, 30 May 2019 08:00:00 GMT"}
        assert self.told(office)
        office.versions = {"Last-Modified": formatdate(usegmt=True)}
        assert self.told(office) is None

    def test_a_system_that_reports_nothing_is_read_and_a_check_reports_it(self, office: HttpOffice) -> None:
        connector = ask(office, paging={"kind": "none"}, fingerprint=True)
        assert connector.pull().fingerprint is None
        assert any("leave out fingerprint" in warning for warning in connector.check().warnings)

    def test_pages_have_none(self, office: HttpOffice) -> None:
        with pytest.raises(ValidationError, match="a fingerprint needs one answer with everything"):
            ask(office, fingerprint=True, paging={"kind": "page"})


def test_a_bearer_token_is_sent_with_each_page(office: HttpOffice) -> None:
    office.admits = lambda call: call.headers.get("Authorization") == f"Bearer {SECRET}"
    assert len(ask(office, auth={"kind": "bearer", "token": "env:SECRET"}).pull().rows) == 4


def test_basic_credentials_may_be_chinese(office: HttpOffice) -> None:
    office.admits = lambda call: call.headers.get("Authorization") == basic("图书馆", SECRET)
    assert len(ask(office, auth={"kind": "basic", "user": "图书馆", "password": "env:SECRET"}).pull().rows) == 4


def token_auth(office: HttpOffice, **own: Any) -> dict[str, Any]:
    """Return the keys for the office's token."""
    return {
        "kind": "token", "url": f"{office.root}/api/token", "send": {"user": "reader"},
        "send_secret": {"password": "env:SECRET"}, "token": "data.token", "header": "X-Access-Token", "prefix": "",
        **own,
    }  # fmt: skip


def holds_token(office: HttpOffice, header: str = "X-Access-Token", prefix: str = "") -> Callable[[Call], bool]:
    """Say who may come in: who holds the latest token."""
    return lambda call: bool(office.tokens) and call.headers.get(header) == prefix + office.tokens[-1]


@pytest.mark.parametrize(
    ("own", "sent"),
    [
        ({}, b'{"user": "reader", "password": "hidden-word"}'),
        ({"form": True}, b"user=reader&password=hidden-word"),
        ({"method": "GET"}, b""),
    ],
)
def test_a_token_is_fetched_once_and_sent_with_each_page(office: HttpOffice, own: Any, sent: bytes) -> None:
    office.admits = holds_token(office)
    assert len(ask(office, auth=token_auth(office, **own)).pull().rows) == 4
    (login,) = office.logins
    assert login.body == sent
    assert (login.params == {"user": "reader", "password": SECRET}) is (not sent)


def test_oauth2_sends_the_clients_own_credentials(office: HttpOffice) -> None:
    office.admits = holds_token(office, "Authorization", "Bearer ")
    auth = {"kind": "oauth2", "url": f"{office.root}/api/token", "client_id": "us", "client_secret": "env:SECRET"}
    assert len(ask(office, auth={**auth, "scope": "read"}).pull().rows) == 4
    (login,) = office.logins
    assert login.body == b"grant_type=client_credentials&scope=read"
    assert login.headers["Authorization"] == basic("us", SECRET)


def test_a_token_that_runs_out_between_pages_is_fetched_again() -> None:
    with HttpOffice(loans(8)) as office:
        good = holds_token(office)

        def admits(call: Call) -> bool:
            if call.params["page"] in ("2", "4") and len(office.tokens) < int(call.params["page"]) / 2 + 1:
                return False
            return good(call)

        office.admits = admits
        assert len(ask(office, auth=token_auth(office)).pull().rows) == 8
        assert len(office.logins) == 3


def test_a_fresh_token_that_is_refused_ends_the_pull(office: HttpOffice) -> None:
    office.admits = lambda _call: False
    with pytest.raises(SourceRefused, match="HTTP 401"):
        ask(office, auth=token_auth(office)).pull()
    assert len(office.logins) == 1


@pytest.mark.parametrize(
    "reply", [as_json({"message": "wrong"}, 401), as_json({"code": 4001}), as_json({"data": {"token": None}})]
)
def test_a_login_that_is_refused_is_refused(office: HttpOffice, reply: Reply) -> None:
    office.login_script.append(reply)
    with pytest.raises(SourceRefused, match="refused the login"):
        ask(office, auth=token_auth(office)).pull()
    assert not office.asked


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, SourceRefused), (401, SourceRefused), (403, SourceRefused), (404, SourceRefused), (410, SourceRefused),
        (429, SourceUnavailable), (500, SourceUnavailable), (501, SourceUnavailable), (503, SourceUnavailable),
    ],
)  # fmt: skip
def test_each_status_names_who_must_act(office: HttpOffice, status: int, error: type[SourceError]) -> None:
    office.script.append(as_json({"message": "no"}, status))
    with pytest.raises(error, match=f"HTTP {status}") as caught:
        ask(office).pull()
    assert caught.value.fix_text.endswith(".")


def test_a_failure_that_comes_as_200_is_refused_with_the_systems_own_words(office: HttpOffice) -> None:
    ok = {"path": "code", "equals": [0], "reason": "msg"}
    assert len(ask(office, ok=ok).pull().rows) == 4
    for body in ({"code": 4003, "msg": "无权限"}, {"code": "0", "msg": "无权限"}, {"code": False, "msg": "无权限"}):
        office.script.append(as_json(body))
        with pytest.raises(SourceRefused, match=r"code is .*无权限"):
            ask(office, ok=ok).pull()


def test_a_failure_that_comes_as_200_may_be_an_old_token(office: HttpOffice) -> None:
    ok = {"path": "code", "equals": [0], "reason": "msg"}
    office.admits = holds_token(office)
    office.script.extend([None, as_json({"code": 4010, "msg": "token expired"})])
    assert len(ask(office, ok=ok, auth=token_auth(office)).pull().rows) == 4
    assert len(office.logins) == 2


@pytest.mark.parametrize("body", [b"<!DOCTYPE html><title>Sign in</title>", b"\n <html>"])
def test_a_login_page_instead_of_data_is_refused(office: HttpOffice, body: bytes) -> None:
    office.script.append(Reply(body, headers={"Content-Type": "text/html"}))
    with pytest.raises(SourceRefused, match="login page"):
        ask(office).pull()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_one_is_followed_elsewhere(office: HttpOffice, status: int) -> None:
    with HttpOffice(ROWS) as unmatched_key:
        office.script.append(Reply(status=status, headers={"Location": f"{unmatched_key.url}?ticket=abc"}))
        with pytest.raises(SourceRefused, match="redirects to") as caught:
            ask(office, auth={"kind": "bearer", "token": "env:SECRET"}).pull()
        assert not unmatched_key.calls
    assert "ticket" not in str(caught.value)


def test_a_cut_answer_is_no_answer(office: HttpOffice) -> None:
    whole = json.dumps({"data": {"rows": [dict(row) for row in ROWS], "total": 4}}).encode()
    office.script.append(Reply(whole[:-20], length=len(whole)))
    with pytest.raises(SourceUnavailable, match="broke off"):
        ask(office).pull()


def test_an_answer_cut_without_a_word_about_its_length_is_no_answer(office: HttpOffice) -> None:
    whole = json.dumps({"data": {"rows": [dict(row) for row in ROWS], "total": 4}}).encode()
    for cut in (0, 1, 20, len(whole) // 2, len(whole) - 1):
        office.script.append(Reply(whole[:cut], length=None))
        with pytest.raises(SourceGarbled, match=r"is not (valid )?JSON"):
            ask(office).pull()


def test_an_answer_too_large_is_given_up_while_it_comes(office: HttpOffice) -> None:
    office.script.append(Reply(b'"' + b"x" * 3_000_000, length=10**12))
    with pytest.raises(SourceGarbled, match="more than 1000000 bytes"):
        ask(office, most_bytes=1_000_000).pull()


def test_a_server_that_hangs_up_is_unavailable(office: HttpOffice) -> None:
    office.script.append(Reply(hang_up=True))
    with pytest.raises(SourceUnavailable):
        ask(office).pull()


def test_a_server_that_does_not_answer_in_time_is_unavailable(office: HttpOffice) -> None:
    office.script.append(Reply(late=2 * PATIENCE))
    started = time.monotonic()
    with pytest.raises(SourceUnavailable):
        ask(office, timeout=timedelta(seconds=0.1)).pull()
    assert time.monotonic() - started < PATIENCE


@pytest.mark.parametrize("fault", [Reply(status=503), Reply(status=429), Reply(status=502), Reply(hang_up=True)])
def test_what_may_pass_is_tried_again(office: HttpOffice, pauses: list[float], fault: Reply) -> None:
    office.script.extend([fault, fault, fault])
    assert len(ask(office, retries=3).pull().rows) == 4
    assert pauses == [0.5, 1.0, 2.0]


def test_tries_come_to_an_end(office: HttpOffice, pauses: list[float]) -> None:
    office.script.extend([Reply(status=503)] * 3)
    with pytest.raises(SourceUnavailable, match="HTTP 503"):
        ask(office, retries=2).pull()
    assert len(office.asked) == 3


def test_what_will_not_pass_is_not_tried_again(office: HttpOffice, pauses: list[float]) -> None:
    office.script.append(Reply(status=403))
    with pytest.raises(SourceRefused):
        ask(office, retries=3).pull()
    assert len(office.asked) == 1


@pytest.mark.parametrize("said", ["7", format_datetime(MORNING + timedelta(seconds=9), usegmt=True)])
def test_the_pause_a_server_asks_for_is_made(office: HttpOffice, pauses: list[float], said: str) -> None:
    office.script.append(Reply(status=429, headers={"Retry-After": said}))
    ask(office, retries=1).pull()
    assert pauses == [7.0]


def test_a_pause_too_long_is_left_to_the_next_slot(office: HttpOffice, pauses: list[float]) -> None:
    office.script.append(Reply(status=503, headers={"Retry-After": "3600"}))
    with pytest.raises(SourceUnavailable):
        ask(office, retries=3).pull()
    assert not pauses


def test_no_pause_goes_beyond_the_longest_time(office: HttpOffice, pauses: list[float]) -> None:
    office.script.append(Reply(status=503, headers={"Retry-After": "30"}))
    with pytest.raises(SourceUnavailable):
        ask(office, retries=3, longest="20 s").pull()
    assert not pauses


@pytest.mark.parametrize(
    "fault", [Reply(status=403), Reply(status=500), Reply(b"{"), Reply(b"<html>"), Reply(hang_up=True)]
)
def test_no_secret_and_no_token_is_in_a_message(office: HttpOffice, fault: Reply) -> None:
    connector = ask(office, auth=token_auth(office, method="GET"), params={"key": "env:SECRET"})
    office.script.append(fault)
    with pytest.raises(SourceError) as caught:
        connector.pull()
    told = "".join([str(caught.value), repr(caught.value), repr(connector)])
    assert SECRET not in told
    assert office.tokens[-1] not in told


def test_the_environments_proxy_is_not_used(office: HttpOffice, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", nowhere())
    monkeypatch.setenv("http_proxy", nowhere())
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert len(ask(office).pull().rows) == 4


def test_a_proxy_that_is_named_is_used(office: HttpOffice) -> None:
    with pytest.raises(SourceUnavailable):
        ask(office, proxy=nowhere()).pull()
    assert not office.asked


def test_no_connection_stays_open(office: HttpOffice) -> None:
    ask(office).pull()
    office.script.append(Reply(status=403))
    with pytest.raises(SourceRefused):
        ask(office).pull()
    deadline = time.monotonic() + PATIENCE
    while office.connections and time.monotonic() < deadline:
        time.sleep(0.01)
    assert office.connections == 0


def test_an_unknown_key_is_refused(office: HttpOffice) -> None:
    with pytest.raises(ValidationError, match="retry"):
        ask(office, retry=3)


def test_a_secret_does_not_stand_in_the_file(office: HttpOffice) -> None:
    with pytest.raises(ValidationError, match="a secret must not be in the settings file"):
        ask(office, auth={"kind": "bearer", "token": SECRET})


def _examples() -> list[str]:
    return re.findall(r"^```toml\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def test_the_page_has_its_three_examples() -> None:
    assert len(_examples()) >= 3


@pytest.mark.parametrize("example", _examples())
def test_every_example_of_the_page_loads(example: str, tmp_path: Path) -> None:
    for name in re.findall(r'"file:([^"]+)"', example):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x", encoding="utf-8")
    environ = dict.fromkeys(re.findall(r"env:([A-Z0-9_]+)", example), "x")
    for name, table in tomllib.loads(example)["source"].items():
        own = {key: value for key, value in table.items() if key not in Source.model_fields}
        assert table["connector"] == "rest", name
        rest.Settings.model_validate(own, context=Origin(tmp_path, environ))
        Source.model_validate({key: table[key] for key in table if key in Source.model_fields} | {"own": None})


def test_every_key_is_on_the_page() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert [key for key in rest.Settings.model_fields if f"`{key}`" not in text] == []
