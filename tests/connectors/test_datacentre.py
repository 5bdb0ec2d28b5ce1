"""A data centre's platform over a real socket: every page, every failure that comes as HTTP 200, every old token."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from config.tables.secrets import Origin
from connectors import datacentre, rest
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
from tests.connectors.test_rest import nowhere, proofs
from tests.contract import COLUMNS, PagedContract, Ticking
from tests.services.data_centre import DataCentre, said
from tests.services.http_office import Reply, as_json

SECRET = "hidden-word"
FEES = {"student": "XH", "title": "XMMC", "amount": "QFJE", "reference": "ID"}


def fees(count: int) -> list[dict[str, Any]]:
    """Return so many fees, each another student's."""
    return [{"XH": f"2015{n:06}", "XMMC": "学费", "QFJE": 100 + n, "ID": n} for n in range(count)]


def ask(centre: DataCentre, columns: Mapping[str, str] = FEES, **own: Any) -> rest.Rest:
    """Return a connector for this platform."""
    keys = {
        "url": centre.root, "key": "clearance", "secret": "env:SECRET", "api": "arrears", "per_page": 2, "retries": 0,
    } | own  # fmt: skip
    settings = datacentre.Settings.model_validate(keys, context=Origin(Path(), {"SECRET": SECRET}))
    return datacentre.connect(settings, Question("arrears", columns, Ticking()))


@pytest.fixture
def centre() -> Iterator[DataCentre]:
    with DataCentre(fees(5), secret=SECRET) as made:
        yield made


class TestDataCentre(PagedContract, of="datacentre"):
    class Office:
        secret = SECRET

        def __init__(self, served: DataCentre) -> None:
            self.served = served

        def fill(self, rows: Sequence[Mapping[str, str | None]]) -> None:
            self.served.rows = [dict(row) for row in rows]

        def shift_once(self, gone: int, new: Mapping[str, str | None]) -> None:
            self.served.shift_once(self.served.rows, gone, dict(new))

        def connector(self, columns: Mapping[str, str] = COLUMNS) -> Connector:
            return ask(self.served, columns, one="NUMBER")

        def out_of_reach(self) -> Connector:
            return ask(self.served, COLUMNS, url=nowhere())

    @pytest.fixture
    def office(self) -> Iterator[Office]:
        with DataCentre(secret=SECRET) as served:
            yield self.Office(served)


@pytest.mark.parametrize("login", ["GET", "POST"])
def test_a_token_is_got_once_and_sent_with_each_page(centre: DataCentre, login: str) -> None:
    assert len(ask(centre, login=login).pull().rows) == 5
    assert [call.method for call in centre.logins] == [login]
    assert {call.params["access_token"] for call in centre.asked} == {"token-1"}


def test_both_the_total_and_the_last_page_are_shown(centre: DataCentre) -> None:
    shown = proofs(ask(centre).pull())
    assert shown[ProofKind.TOTAL_AGREES] == "3 pages, 5 of 5 rows"
    assert shown[ProofKind.END_REACHED] == "3 pages, up to page 3, which is reported as the last"


def test_a_platform_that_gives_smaller_pages_than_asked_for_is_read_to_its_own_last_page(centre: DataCentre) -> None:
    centre.rows, centre.most = fees(11), 5
    assert len(ask(centre, per_page=1_000).pull().rows) == 11
    assert [call.params["page"] for call in centre.asked] == ["1", "2", "3"] * 2


def test_a_last_page_counted_by_the_size_that_was_asked_for_is_no_answer(centre: DataCentre) -> None:
    centre.rows, centre.most, centre.max_page = fees(11), 5, 2
    with pytest.raises(SourceGarbled, match="reports 11 records but returned 10") as caught:
        ask(centre, per_page=10).pull()
    assert "lower per_page" in caught.value.fix_text


def test_several_sources_ask_one_platform_for_different_things(centre: DataCentre) -> None:
    centre.offer("rooms", [{"XH": "20151001", "ZT": "0"}])
    rooms = ask(centre, {"student": "XH", "status": "ZT"}, api="rooms").pull()
    assert list(rooms.rows) == [("20151001", "0")]
    assert len(ask(centre).pull().rows) == 5


def test_filters_go_along_with_each_page(centre: DataCentre) -> None:
    for row in centre.rows[:3]:
        row["NJDM"] = "2015"
    assert len(ask(centre, filters={"NJDM": 2015}).pull().rows) == 3
    assert {call.params["NJDM"] for call in centre.asked} == {"2015"}


def test_one_student_is_picked_by_the_platforms_own_parameter(centre: DataCentre) -> None:
    snapshot = ask(centre, one="XH").pull_one("2015000003")
    assert [row[0] for row in snapshot.rows] == ["2015000003"]
    assert len(centre.asked) == 1


def test_a_parameter_that_the_platform_overlooks_brings_no_one_elses(centre: DataCentre) -> None:
    assert {row[0] for row in ask(centre, one="XUEHAO").pull_one("2015000003").rows} == {"2015000003"}


@pytest.mark.parametrize("nothing", [[], None])
def test_an_api_that_holds_nothing_gives_a_whole_snapshot(centre: DataCentre, nothing: list[Any] | None) -> None:
    centre.rows, centre.nothing = [], nothing
    snapshot = ask(centre).pull()
    assert list(snapshot.rows) == []
    assert proofs(snapshot)[ProofKind.TOTAL_AGREES] == "1 page, 0 of 0 rows"


def test_null_where_the_total_differs_is_no_answer(centre: DataCentre) -> None:
    centre.nothing = None
    centre.tamper = lambda _page, _records: []
    with pytest.raises(SourceGarbled, match=r"no list|did not answer with a list"):
        ask(centre).pull()


def test_lower_case_names_find_upper_case_columns(centre: DataCentre) -> None:
    lower = {name: column.lower() for name, column in FEES.items()}
    assert len(ask(centre, lower).pull().rows) == 5


@pytest.mark.parametrize("code", [20013, 40301, 50001, 0, -1])
def test_a_failure_that_comes_as_200_is_never_an_empty_answer(centre: DataCentre, code: int) -> None:
    centre.script.extend([said(code, "查询失败", {"data": [], "total": 0, "max_page": 0})] * 2)
    with pytest.raises(SourceRefused, match="查询失败"):
        ask(centre).pull()


def test_a_failure_on_a_later_page_is_no_answer_either(centre: DataCentre) -> None:
    centre.script.extend([None, said(50001, "busy"), said(50001, "busy")])
    with pytest.raises(SourceRefused, match="busy"):
        ask(centre).pull()


@pytest.mark.parametrize("expired", [said(40101, "expired"), said(20007, "expired"), as_json({"code": 401}, 401)])
def test_a_token_that_runs_out_midway_is_got_again(centre: DataCentre, expired: Reply) -> None:
    centre.lasts, centre.expired = 2, expired
    snapshot = ask(centre).pull()
    assert len(snapshot.rows) == 5
    assert [call.params["access_token"] for call in centre.asked][:4] == ["token-1", "token-1", "token-1", "token-2"]


@pytest.mark.parametrize("expired", [said(40101, "expired"), as_json({"code": 401}, 401)])
def test_a_token_that_is_not_good_even_when_new_is_refused_after_one_more_login(
    centre: DataCentre, expired: Reply
) -> None:
    centre.script.extend([None, expired, expired])
    with pytest.raises(SourceRefused):
        ask(centre).pull()
    assert len(centre.logins) == 2


def test_a_wrong_secret_is_refused_and_never_shown() -> None:
    with (
        DataCentre(fees(1), secret="another") as centre,
        pytest.raises(SourceRefused, match="refused the login") as caught,
    ):
        ask(centre).pull()
    assert not centre.asked
    assert SECRET not in str(caught.value)


def test_a_total_that_moves_is_read_again(centre: DataCentre) -> None:
    def owe_another(page: int, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
        if page == 1:
            centre.rows = fees(6)
        return records

    centre.tamper = owe_another
    assert proofs(ask(centre).pull())[ProofKind.TOTAL_AGREES] == "3 pages, 6 of 6 rows"


def test_a_total_that_never_rests_is_unavailable_at_last(centre: DataCentre) -> None:
    def owe_another(_page: int, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
        centre.rows.append(fees(len(centre.rows) + 1)[-1])
        return records

    centre.tamper = owe_another
    with pytest.raises(SourceUnavailable, match="each of 3 readings"):
        ask(centre).pull()


def test_a_record_that_slips_from_one_page_to_the_next_is_found_out(centre: DataCentre) -> None:
    centre.tamper = lambda page, records: [fees(2)[1], *records[1:]] if page == 2 else records
    with pytest.raises(SourceGarbled, match="a record of page 1 is also on page 2"):
        ask(centre).pull()


def test_a_page_that_leaves_records_out_is_no_answer(centre: DataCentre) -> None:
    centre.tamper = lambda page, records: records[1:] if page == 3 else records
    with pytest.raises(SourceGarbled, match="reports 5 records but returned 4"):
        ask(centre).pull()


WHOLE = json.dumps({"code": 10000, "result": {"data": fees(2), "total": 2, "max_page": 1}}).encode()


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (Reply(b"<!DOCTYPE html><title>CAS</title>", headers={"Content-Type": "text/html"}), SourceRefused),
        (Reply(status=302, headers={"Location": "/cas/login"}), SourceRefused),
        (as_json({"message": "no"}, 403), SourceRefused),
        (as_json({"message": "no such api"}, 404), SourceRefused),
        (Reply(status=429, headers={"Retry-After": "3600"}), SourceUnavailable),
        (Reply(status=500), SourceUnavailable),
        (Reply(WHOLE[:-9], length=len(WHOLE)), SourceUnavailable),
        (Reply(WHOLE[:-9], length=None), SourceGarbled),
        (Reply(hang_up=True), SourceUnavailable),
        (as_json({"code": 10000, "result": {"data": [], "max_page": 0}}), SourceGarbled),
        (as_json({"code": 10000, "result": {"data": [], "total": 0}}), SourceGarbled),
        (as_json({"code": 10000, "result": None}), SourceGarbled),
        (as_json({"result": {"data": [], "total": 0, "max_page": 0}}), SourceRefused),
    ],
)
@pytest.mark.parametrize("page", [1, 2])
def test_what_is_no_whole_answer_names_who_must_act(
    centre: DataCentre, page: int, reply: Reply, error: type[SourceError]
) -> None:
    # The second is for a reader who has signed in anew.
    centre.script.extend([*[None] * (page - 1), reply, reply])
    with pytest.raises(error) as caught:
        ask(centre).pull()
    assert caught.value.fix_text.endswith(".")


def test_a_platform_that_is_busy_for_a_moment_is_asked_again(centre: DataCentre, pauses: list[float]) -> None:
    centre.script.extend([Reply(status=500), Reply(status=429, headers={"Retry-After": "7"})])
    assert len(ask(centre, retries=2).pull().rows) == 5
    assert pauses == [0.5, 7.0]


@pytest.mark.parametrize(
    "own",
    [{"filters": {"page": 1}}, {"filters": {"access_token": "x"}}, {"one": "per_page"}, {"api": "a/../b"},
     {"optional": ["student"]}, {"secret": SECRET}, {"proofs": []}],
)  # fmt: skip
def test_settings_that_make_no_sense_are_refused(centre: DataCentre, own: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ask(centre, **own)


def test_a_code_for_later_is_unavailable_and_tried_again(centre: DataCentre, pauses: list[float]) -> None:
    centre.script.extend([said(50301, "busy"), None])
    assert len(ask(centre, later=[50301], retries=1).pull().rows) == 5
    assert pauses == [0.5]
    centre.script.append(said(50301, "busy"))
    with pytest.raises(SourceUnavailable, match="busy"):
        ask(centre, later=[50301]).pull()


def test_only_with_a_parameter_for_one_student_can_some_be_asked_about(centre: DataCentre) -> None:
    assert not isinstance(ask(centre), AsksByNumber)
    connector = ask(centre, one="XH")
    assert isinstance(connector, AsksByNumber)
    assert {row[0] for row in connector.pull_these(["2015000003", "2015000009"]).rows} == {"2015000003"}
