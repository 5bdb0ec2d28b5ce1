"""Interlib's open interface over a real socket: readers and loans joined, cancelled readers, failures that are 200."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from config.tables.secrets import Origin
from connectors import interlib
from connectors.port import (
    AsksByNumber,
    Connector,
    ProofKind,
    Question,
    SourceError,
    SourceGarbled,
    SourceRefused,
    SourceUnavailable,
)
from tests.cast import LIN, QIAN, SUN, ZHAO
from tests.connectors.test_rest import nowhere, proofs
from tests.contract import COLUMNS, PagedContract, Ticking
from tests.services.http_office import Reply, as_json
from tests.services.openlib import DEBTS, LOANS, READERS, Openlib, failed

SECRET = "hidden-word"
ONE: dict[str, Any] = {
    "one_reader": {"selecttype": "workcardno", "queryvalue": "{student}"},
    "one_owed": {"rdid": "{reader}"},
}


def reader(rdid: str, number: str | None, state: object = 1) -> dict[str, Any]:
    return {"rdid": rdid, "workcardno": number, "rdcfstate": state, "rdname": "…"}


def loan(rdid: object, title: str, barcode: str) -> dict[str, Any]:
    return {"rdid": rdid, "title": title, "returndate": "2019-05-30", "barcode": barcode}


@pytest.fixture
def library() -> Iterator[Openlib]:
    readers = [
        reader("R1", LIN.number),
        reader("R2", ZHAO.number, 4),
        reader("R3", QIAN.number, 5),
        reader("R4", None),
        reader("R5", SUN.number, "5"),
        reader("R6", SUN.number, 10),
    ]
    loans = [
        loan("R1", "构造地质学", "B1"),
        loan("R3", "唐诗选", "B2"),
        loan("R4", "工具书", "B3"),
        loan("R5", "词典", "B4"),
    ]
    debts = [{"rdid": "R1", "title": "超期", "money": 3.2, "tranid": 7}]
    with Openlib(SECRET, readers, loans, debts) as served:
        yield served


def ask(
    library: Openlib, asks: str = "loans", columns: Mapping[str, str] | None = None, **own: Any
) -> interlib.Interlib:
    keys = {
        "url": f"{library.root}/openlib/", "appid": "clearance", "secret": "env:SECRET", "asks": asks, "per_page": 2,
        "retries": 0,
    } | own  # fmt: skip
    settings = interlib.Settings.model_validate(keys, context=Origin(Path(), {"SECRET": SECRET}))
    mapped = interlib.Settings.default_columns(keys) if columns is None else columns
    return interlib.connect(settings, Question("loans", mapped, Ticking()))


class TestInterlib(PagedContract, of="interlib"):
    class Office:
        secret = SECRET

        def __init__(self, served: Openlib, **own: Any) -> None:
            self.served = served
            self.own = own

        def fill(self, rows: Sequence[Mapping[str, str | None]]) -> None:
            numbers = list(dict.fromkeys([row["NUMBER"] for row in rows]))
            self.ids = ids = {number: f"R{index}" for index, number in enumerate(numbers)}
            self.served.tables[READERS] = [{"rdid": ids[n], "NUMBER": n, "rdcfstate": 1} for n in numbers]
            self.served.tables[LOANS] = [
                {"rdid": ids[row["NUMBER"]], "TITLE": row["TITLE"], "BARCODE": row["BARCODE"]} for row in rows
            ]

        def shift_once(self, gone: int, new: Mapping[str, str | None]) -> None:
            row = {"rdid": self.ids[new["NUMBER"]], "TITLE": new["TITLE"], "BARCODE": new["BARCODE"]}
            self.served.shift_once(self.served.tables[LOANS], gone, row, LOANS)

        def connector(self, columns: Mapping[str, str] = COLUMNS) -> Connector:
            return ask(self.served, columns=columns, **self.own)

        def out_of_reach(self) -> Connector:
            return ask(self.served, columns=COLUMNS, url=nowhere())

    @pytest.fixture(params=["all", "one"])
    def office(self, request: pytest.FixtureRequest) -> Iterator[Office]:
        one = {**ONE, "one_reader": {"selecttype": "NUMBER", "queryvalue": "{student}"}}
        with Openlib(SECRET, [], []) as served:
            yield self.Office(served, **(one if request.param == "one" else {}))


def test_loans_come_by_the_number_on_the_work_card(library: Openlib) -> None:
    rows = {row[3]: row for row in ask(library).pull().rows}
    assert rows["B1"] == (LIN.number, "构造地质学", "2019-05-30", "B1")
    assert rows["B3"][0] is None, "a reader without a number is nobody's"


def test_the_population_is_every_reader_with_a_number_who_is_not_cancelled(library: Openlib) -> None:
    assert sorted(map(str, ask(library).pull().population or ())) == [LIN.number, ZHAO.number, SUN.number]


def test_what_a_cancelled_reader_still_has_is_still_theirs(library: Openlib) -> None:
    owed = {row[3]: row[0] for row in ask(library).pull().rows}
    assert (owed["B2"], owed["B4"]) == (QIAN.number, SUN.number)


def test_a_library_states_itself_which_states_have_left(library: Openlib) -> None:
    assert QIAN.number in (ask(library, cancelled=[]).pull().population or ())
    assert ZHAO.number not in (ask(library, cancelled=["4", "5"]).pull().population or ())
    assert QIAN.number in (ask(library, state="").pull().population or ())


def test_debts_bring_their_amount(library: Openlib) -> None:
    (row,) = ask(library, "debts").pull().rows
    assert (row[0], str(row[2])) == (LIN.number, "3.2")


def test_both_totals_are_reported(library: Openlib) -> None:
    told = proofs(ask(library).pull())[ProofKind.TOTAL_AGREES]
    assert told == "readers: 3 pages, 6 of 6 rows; loans: 2 pages, 4 of 4 rows"


def test_an_interface_that_reports_no_total_is_read_to_the_end_of_its_pages(library: Openlib) -> None:
    library.total = ""
    with pytest.raises(SourceGarbled, match="has no total"):
        ask(library).pull()
    snapshot = ask(library, total="", proofs=["end_of_pages"]).pull()
    assert len(snapshot.rows) == 4
    assert ProofKind.END_REACHED in proofs(snapshot)


@pytest.mark.parametrize("path", [READERS, LOANS])
def test_either_list_being_short_is_no_answer(library: Openlib, path: str) -> None:
    library.tamper = lambda _page, records: (
        records[:-1] if library.calls[-1].path == path and library.calls[-1].params["page"] == "2" else records
    )
    with pytest.raises(SourceGarbled, match=r"records but returned|page 2 is shorter"):
        ask(library).pull()


def test_a_reader_who_slips_from_one_page_to_the_next_is_found_out(library: Openlib) -> None:
    first = library.tables[READERS][1]
    library.tamper = lambda page, records: (
        [first, *records[1:]] if library.calls[-1].path == READERS and page == 2 else records
    )
    with pytest.raises(SourceGarbled, match="a record of page 1 is also on page 2"):
        ask(library).pull()


@pytest.mark.parametrize("lists", [0, 8], ids=["readers", "loans"])
@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (failed("系统繁忙"), SourceRefused),
        (as_json({"success": "false", "loanlist": [], "readerlist": [], "total": 0}), SourceRefused),
        (as_json({"loanlist": [], "readerlist": [], "total": 0}), SourceRefused),
        (Reply(b"<html>login</html>", headers={"Content-Type": "text/html"}), SourceRefused),
        (as_json({}, 403), SourceRefused),
        (Reply(status=429, headers={"Retry-After": "600"}), SourceUnavailable),
        (Reply(status=500), SourceUnavailable),
        (Reply(hang_up=True), SourceUnavailable),
        (Reply(b'{"success": true, "loanl', length=None), SourceGarbled),
        (Reply(b'{"success": true, "loanl', length=900), SourceUnavailable),
        (as_json({"success": True, "total": 2}), SourceGarbled),
    ],
)
def test_either_list_failing_is_no_answer(library: Openlib, lists: int, reply: Reply, error: type[SourceError]) -> None:
    # The second is for a reader who has signed in anew.
    library.script.extend([*[None] * lists, reply, reply])
    with pytest.raises(error):
        ask(library).pull()


def test_a_failure_is_reported_in_the_librarys_own_words(library: Openlib) -> None:
    library.script.extend([failed("系统繁忙")] * 2)
    with pytest.raises(SourceRefused, match="系统繁忙"):
        ask(library).pull()


def test_a_token_that_ends_between_pages_is_got_again(library: Openlib) -> None:
    library.lasts = 2
    assert len(ask(library).pull().rows) == 4
    # Three and two pages, each twice, and a look beyond the last one where it is full.
    assert len(library.logins) == 7


def test_a_wrong_secret_is_refused_and_never_shown() -> None:
    with Openlib("another", [], []) as library, pytest.raises(SourceRefused, match="refused the login") as caught:
        ask(library).pull()
    assert SECRET not in str(caught.value)


def test_ids_written_as_numbers_or_padded_are_the_same(library: Openlib) -> None:
    library.tables[READERS] = [reader("17", LIN.number), reader("18  ", ZHAO.number)]
    library.tables[LOANS] = [loan(17, "构造地质学", "B1"), loan("18", "词典", "B2")]
    assert {row[0] for row in ask(library).pull().rows} == {LIN.number, ZHAO.number}


def test_loans_that_name_readers_by_another_id_clear_no_one(library: Openlib) -> None:
    library.tables[LOANS] = [loan("CARD-1", "构造地质学", "B1")]
    with pytest.raises(SourceGarbled, match="none of 1 loans belongs to any"):
        ask(library).pull()


def test_a_column_of_numbers_that_is_not_there_is_no_answer(library: Openlib) -> None:
    columns = {**interlib.Settings.default_columns({"asks": "loans"}), "student": "xuehao"}
    with pytest.raises(SourceGarbled, match="none of 6 readers has a student number"):
        ask(library, columns=columns).pull()


@pytest.mark.parametrize(("missing", "key"), [("rdid", "reader"), ("rdcfstate", "state")])
def test_a_readers_missing_column_is_named_by_its_key(library: Openlib, missing: str, key: str) -> None:
    for row in library.tables[READERS]:
        del row[missing]
    with pytest.raises(SourceGarbled, match=rf'no "{missing}"') as caught:
        ask(library).pull()
    assert key in caught.value.fix_text


def test_one_student_is_asked_for_by_each_of_their_readers(library: Openlib) -> None:
    library.tables[LOANS].append(loan("R6", "地图集", "B5"))
    snapshot = ask(library, **ONE).pull_one(SUN.number)
    assert sorted(str(row[3]) for row in snapshot.rows) == ["B4", "B5"]
    assert snapshot.population == [SUN.number]
    assert [call.params["rdid"] for call in library.asked_of(LOANS)] == ["R5", "R6"]
    assert proofs(snapshot)[ProofKind.TOTAL_AGREES].endswith("1 page, 1 of 1 rows; 1 page, 1 of 1 rows")


def test_a_student_who_is_no_reader_is_outside_the_population(library: Openlib) -> None:
    snapshot = ask(library, **ONE).pull_one("20159999")
    assert (list(snapshot.rows), snapshot.population) == ([], [])
    assert not library.asked_of(LOANS)


def test_parameters_that_the_library_overlooks_bring_no_one_elses_and_nothing_twice(library: Openlib) -> None:
    library.knows = set()
    assert [row[3] for row in ask(library, **ONE).pull_one(SUN.number).rows] == ["B4"]
    assert {call.params["rdid"] for call in library.asked_of(LOANS)} == {"R5", "R6"}


def test_a_failure_about_one_reader_is_no_answer(library: Openlib) -> None:
    library.script.extend([None, None, failed("系统繁忙"), failed("系统繁忙")])
    with pytest.raises(SourceRefused):
        ask(library, **ONE).pull_one(SUN.number)


def test_some_students_are_asked_about_alone_and_past_every_cache(library: Openlib) -> None:
    connector = ask(library, **ONE)
    assert isinstance(connector, AsksByNumber)
    snapshot = connector.pull_these([SUN.number, LIN.number, "20159999"])
    assert sorted((row[0], row[3]) for row in snapshot.rows) == [(LIN.number, "B1"), (SUN.number, "B4")]
    assert sorted(map(str, snapshot.population or ())) == [LIN.number, SUN.number]
    assert proofs(snapshot)[ProofKind.END_REACHED] == "3 numbers, each asked separately"
    assert ProofKind.COLUMNS_PRESENT in proofs(snapshot)
    asked = [call.params.get("queryvalue") for call in library.asked_of(READERS)]
    assert list(dict.fromkeys(asked)) == [SUN.number, LIN.number, "20159999"]
    assert list(connector.pull_these([]).rows) == []
    aged = as_json(
        {"success": True, "readerlist": [], "total": 0}, headers={"Age": "30", "Cache-Control": "max-age=60"}
    )
    library.script.append(aged)
    with pytest.raises(SourceRefused, match="from a cache"):
        connector.pull_these([SUN.number])


def test_a_library_that_cannot_be_asked_about_one_has_no_second_look(library: Openlib) -> None:
    assert not isinstance(ask(library), AsksByNumber)


def test_a_check_asks_about_one_student_and_warns_where_that_brings_less(library: Openlib) -> None:
    def told(**own: Any) -> list[str]:
        return [warning for warning in ask(library, **own).check().warnings if "one student" in warning]

    assert told(**ONE) == []
    (less,) = told(**{**ONE, "one_owed": {"rdid": "X{reader}"}})
    assert "lacks what they owe." in less
    assert "Correct one_reader and one_owed in [source.loans]" in less
    library.befalls = lambda call: failed("没有权限") if "queryvalue" in call.params else None
    (fails,) = told(**ONE)
    assert "没有权限" in fails


def test_a_library_may_call_everything_otherwise() -> None:
    class Elsewhere(Openlib):
        def _page(self, call: Any) -> Reply:
            assert call.params["pageNo"] == "1"
            assert call.params["pageSize"] == "50"
            assert call.params["lib"] == "P1A"
            rows = [{"ID": 1, "XH": LIN.number, "TITLE": "书", "DUE": None, "CODE": "B1"}]
            return as_json({"success": "true", "pagedata": {"list": rows, "count": 1}})

    columns = {"title": "TITLE", "student": "XH", "due": "DUE", "reference": "CODE"}
    own: dict[str, Any] = {
        "readers": DEBTS.removeprefix("/openlib/"), "owed": LOANS.removeprefix("/openlib/"),
        "readers_list": "pagedata.list", "owed_list": "pagedata.list", "readers_params": {"lib": "P1A"},
        "owed_params": {"lib": "P1A"}, "reader": "ID", "state": "", "page": "pageNo", "rows": "pageSize",
        "per_page": 50, "total": "pagedata.count",
    }  # fmt: skip
    with Elsewhere(SECRET, [], []) as library:
        snapshot = ask(library, columns=columns, **own).pull()
    assert snapshot.rows == [("书", LIN.number, None, "B1")]


@pytest.mark.parametrize(
    "own",
    [{"total": ""}, {"optional": ["student"]}, {"one_reader": {"rdid": "{student}"}}, {"secret": SECRET},
     {"proofs": []}, {"asks": "books"}],
)  # fmt: skip
def test_settings_that_make_no_sense_are_refused(library: Openlib, own: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ask(library, **own)
