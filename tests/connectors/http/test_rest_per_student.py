"""An API that answers about one student at a time, on a real web server: each is asked about, or there is no answer."""

import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from config.tables.secrets import Origin
from connectors import rest
from connectors.by_student.each_student import EachStudent
from connectors.http import client
from connectors.http.worker_pool import PerStudent, Timer
from connectors.port import (
    AsksByNumber,
    Candidates,
    Connector,
    ProofKind,
    Question,
    SourceGarbled,
    SourceRefused,
    SourceUnavailable,
)
from tests.connectors.http.test_worker_pool import Time
from tests.connectors.patrons import ROSTER
from tests.connectors.test_rest import SECRET, nowhere, proofs, token_auth
from tests.contract import COLUMNS, ROWS, ConnectorContract, Office, Ticking
from tests.services.http_office import Call, HttpOffice, as_json, basic

NUMBERS = 5


def ask(
    office: HttpOffice,
    columns: Mapping[str, str] = COLUMNS,
    roster: Candidates = ROSTER,
    time: Time | None = None,
    **own: Any,
) -> Connector:
    """Return a connector that asks about each student; a key given as None is left out."""
    keys = {
        "url": office.url,
        "one": {"number": "{student}"},
        "records": "data.rows",
        "total": "data.total",
        "retries": 0,
        "per_student": {"rounds": 1, "per_second": 1000},
        **own,
    }
    settings = rest.Settings.model_validate(
        {key: value for key, value in keys.items() if value is not None}, context=Origin(Path(), {"SECRET": SECRET})
    )
    question = Question("loans", columns, Ticking(), lambda: roster)
    connected = rest.connect(settings, question)
    if time is None:
        return connected
    assert settings.per_student is not None
    return EachStudent(rest.Rest(settings, question), settings.per_student, question, Timer(time.now, time.wait))


def by_address(office: HttpOffice, **own: Any) -> dict[str, Any]:
    """Return the keys for the address of one student."""
    return {"url": None, "one": None, "one_url": f"{office.root}/api/students/{{student}}/loans", **own}


def number_of(call: Call) -> str:
    """Return the number a call asks about."""
    return call.params.get("number") or call.path.split("/")[3]


@pytest.fixture
def office() -> Iterator[HttpOffice]:
    """A filled office that looks for one number."""
    with HttpOffice(ROWS, style="none") as made:
        yield made


class ContractOffice:
    """The web server in the hands of the contract."""

    secret = SECRET

    def __init__(self, served: HttpOffice) -> None:
        self.served = served

    def fill(self, rows: Sequence[Mapping[str, str | None]]) -> None:
        self.served.rows = [dict(row) for row in rows]

    def connector(self, columns: Mapping[str, str] = COLUMNS) -> Connector:
        return ask(self.served, columns, auth={"kind": "basic", "user": "reader", "password": "env:SECRET"})

    def out_of_reach(self) -> Connector:
        auth = {"kind": "basic", "user": "reader", "password": "env:SECRET"}
        return ask(self.served, url=nowhere(), auth=auth)


class TestEachStudent(ConnectorContract, of="rest"):
    asked_by_number = True

    @pytest.fixture
    def office(self) -> Iterator[ContractOffice]:
        with HttpOffice(style="none") as served:
            served.admits = lambda call: call.headers.get("Authorization") == basic("reader", SECRET)
            yield ContractOffice(served)

    def test_progress_counts_numbers(self, office: Office) -> None:
        office.fill(ROWS)
        seen: list[tuple[int, int | None]] = []
        office.connector().pull(lambda *figures: seen.append(figures))
        assert seen[-1] == (NUMBERS, NUMBERS)


def test_each_number_is_asked_about_once(office: HttpOffice) -> None:
    snapshot = ask(office).pull()
    assert Counter(map(number_of, office.asked)) == Counter(ROSTER.every_number())
    assert sorted(str(row[0]) for row in snapshot.rows) == ["20151001", "20151001", "20152003", "20152004"]


def test_the_snapshot_is_about_this_roster_and_no_one_else(office: HttpOffice) -> None:
    snapshot = ask(office).pull()
    assert snapshot.candidates == 7
    assert set(snapshot.population or ()) == set(ROSTER.every_number())


def test_the_whole_shows_what_each_answer_shows(office: HttpOffice) -> None:
    shown = proofs(ask(office).pull())
    assert shown[ProofKind.NO_PAGE_LOST] == "4 students, 5 numbers, each asked once"
    assert "5 answers" in shown[ProofKind.END_REACHED]
    assert "in each of 5 answers; in the longest: 1 page, 2 of 2 rows" in shown[ProofKind.TOTAL_AGREES]
    assert ProofKind.COLUMNS_PRESENT in shown


def test_no_one_on_the_roster_is_no_answer(office: HttpOffice) -> None:
    for act in ("pull", "check"):
        with pytest.raises(SourceUnavailable, match="Sync the roster first: clearance sync roster"):
            getattr(ask(office, roster=Candidates(revision=1)), act)()
    assert not office.calls


def test_the_number_may_stand_in_the_address(office: HttpOffice) -> None:
    roster = Candidates({"2015/1 甲": ("2015/1 甲",)}, 1)
    office.rows = [{**ROWS[0], "NUMBER": "2015/1 甲"}]
    assert len(ask(office, roster=roster, **by_address(office)).pull().rows) == 1
    assert office.asked[0].path == "/api/students/2015%2F1%20%E7%94%B2/loans"


def test_one_student_alone_may_have_an_address_of_their_own(office: HttpOffice) -> None:
    snapshot = ask(office, **by_address(office, url=office.url, per_student=None)).pull_one("20151001")
    assert [call.path for call in office.asked] == ["/api/students/20151001/loans"]
    assert len(snapshot.rows) == 2


def test_an_answer_that_does_not_repeat_the_number_is_about_whom_was_asked(office: HttpOffice) -> None:
    snapshot = ask(office, {**COLUMNS, "student": "{student}"}).pull()
    assert Counter(row[0] for row in snapshot.rows) == {"20151001": 2, "20152003": 1, "20152004": 1}


@pytest.mark.parametrize("columns", [COLUMNS, {**COLUMNS, "student": "{student}"}])
def test_a_record_may_name_another_number_of_the_same_student(office: HttpOffice, columns: Mapping[str, str]) -> None:
    office.befalls = lambda call: (
        as_json({"data": {"rows": [dict(ROWS[2])], "total": 1}})
        if number_of(call) == "CARD-3"
        else as_json({"data": {"rows": [], "total": 0}})
    )
    connector = ask(office, columns)
    (row,) = connector.pull().rows
    assert row[0] == ("CARD-3" if columns["student"] == "{student}" else "20152003")
    assert len(connector.pull_one("CARD-3").rows) == 1


@pytest.mark.parametrize("whom", ["20159999", None])
def test_an_answer_about_somebody_else_or_no_one_is_no_answer(office: HttpOffice, whom: str | None) -> None:
    about = as_json({"data": {"rows": [{**ROWS[0], "NUMBER": whom}], "total": 1}})
    office.befalls = lambda call: about if number_of(call) == "20151001" else None
    with pytest.raises(SourceGarbled, match=r"another student|without a student") as caught:
        ask(office).pull()
    assert "{student}" in caught.value.fix_text
    with pytest.raises(SourceGarbled, match=r"another student|without a student"):
        ask(office).pull_one("20151001")


def test_a_parameter_that_the_system_overlooks_clears_no_one(office: HttpOffice) -> None:
    own: dict[str, Any] = {"one": {"no": "{student}"}, "proofs": ["one_answer"], "total": None}
    with pytest.raises(SourceGarbled, match="another student"):
        ask(office, **own).pull()


def test_without_total_and_pages_one_answer_may_be_taken_for_everything() -> None:
    with HttpOffice(ROWS, "none", total="") as office:
        connector = ask(office, proofs=["one_answer"], total=None)
        assert len(connector.pull().rows) == 4
        shown = proofs(connector.pull_one("20151001"))
    assert shown[ProofKind.END_REACHED] == "one answer, 2 rows, accepted as all about one student"


def test_one_record_may_come_without_a_list(office: HttpOffice) -> None:
    office.befalls = lambda call: as_json({"NUMBER": number_of(call), "TITLE": "未退宿", "BARCODE": "1"})
    assert len(ask(office, records="", total=None, proofs=["one_answer"]).pull().rows) == NUMBERS


def test_about_everybody_one_record_without_a_list_is_no_answer(office: HttpOffice) -> None:
    office.script.append(as_json({"NUMBER": "20151001", "TITLE": "未退宿", "BARCODE": "1"}))
    with pytest.raises(SourceGarbled, match=r"no list|did not answer with a list"):
        ask(office, records="", per_student=None, total=None, total_header="X-Total-Count").pull()


def test_answers_about_one_student_may_come_in_pages(office: HttpOffice) -> None:
    office.style = "page"
    assert len(ask(office, paging={"kind": "page", "per_page": 1}).pull().rows) == 4
    assert {call.params["page"] for call in office.asked if number_of(call) == "20151001"} == {"1", "2", "3"}


def test_a_404_about_one_student_is_refused_unless_it_is_declared_to_mean_unknown(office: HttpOffice) -> None:
    office.known = {"20151001", "20152003", "20152004"}
    with pytest.raises(SourceRefused, match="HTTP 404"):
        ask(office, **by_address(office)).pull()
    snapshot = ask(office, **by_address(office, missing="outside")).pull()
    assert set(snapshot.population or ()) == office.known
    assert len(snapshot.rows) == 4
    # What is unknown there takes no proof from the others.
    assert ProofKind.TOTAL_AGREES in proofs(snapshot)


def test_one_student_who_is_unknown_there_is_outside_and_not_clear(office: HttpOffice) -> None:
    office.known = set()
    connector = ask(office, **by_address(office, missing="outside"))
    snapshot = connector.pull_one("20151001")
    assert (list(snapshot.rows), snapshot.population) == ([], [])
    assert connector.check().row is None


def test_a_system_that_knows_no_one_on_the_roster_is_at_a_wrong_address(office: HttpOffice) -> None:
    office.known = set()
    with pytest.raises(SourceGarbled, match="knows no student on the roster"):
        ask(office, **by_address(office, missing="outside")).pull()


def test_a_404_on_a_later_page_is_refused_all_the_same(office: HttpOffice) -> None:
    office.style = "page"
    office.befalls = lambda call: as_json({}, 404) if call.params["page"] == "2" else None
    with pytest.raises(SourceRefused, match="HTTP 404"):
        ask(office, paging={"kind": "page", "per_page": 1}, missing="outside").pull()


def test_those_who_failed_are_asked_again_while_the_others_answers_are_kept(office: HttpOffice) -> None:
    ailing, seen, lock = {"20151001", "CARD-3"}, Counter[str](), threading.Lock()

    def befalls(call: Call) -> Any:
        with lock:
            seen[number_of(call)] += 1
        return as_json({}, 500) if number_of(call) in ailing and seen[number_of(call)] < 3 else None

    office.befalls = befalls
    time = Time()
    assert len(ask(office, time=time, per_student={}).pull().rows) == 4
    assert {number for number, times in seen.items() if times > 1} == ailing
    assert time.pauses == [10, 20]


def test_a_system_that_asks_for_patience_gets_it_from_the_walk(office: HttpOffice) -> None:
    office.script.append(as_json({}, 429, {"Retry-After": "7"}))
    time = Time()
    assert len(ask(office, time=time, retries=1).pull().rows) == 4
    # Whoever else had a question to ask waited for the same moment.
    assert {round(pause) for pause in time.pauses} == {7}


def test_four_workers_leave_a_system_alone_that_asks_one_of_them_to(office: HttpOffice) -> None:
    office.befalls = lambda _call: as_json({}, 429, {"Retry-After": "3600"})
    roster = Candidates({f"2015{n:04}": (f"2015{n:04}",) for n in range(40)}, 7)
    with pytest.raises(SourceUnavailable, match="40 of 40 questions"):
        ask(office, roster=roster, time=Time(), per_student={"at_once": 4, "per_second": 1000, "rounds": 1}).pull()
    # Those that were under way, and none besides.
    assert len(office.asked) <= 4


def test_a_second_look_asks_about_these_and_knows_no_one_else(office: HttpOffice) -> None:
    office.known = {"20151001", "20152004"}
    connector = ask(office, **by_address(office, missing="outside"))
    assert isinstance(connector, AsksByNumber)
    snapshot = connector.pull_these(["20151001", "20159999"])
    assert {row[0] for row in snapshot.rows} == {"20151001"}
    assert snapshot.population == ["20151001"]
    assert {ProofKind.END_REACHED} <= {proof.kind for proof in snapshot.proofs}
    assert connector.pull_these(["20159999"]).population == []
    assert connector.pull_these([]).rows == []


def test_one_who_is_never_answered_about_leaves_nothing_of_the_others(office: HttpOffice) -> None:
    office.befalls = lambda call: as_json({}, 500) if number_of(call) == "CARD-3" else None
    with pytest.raises(SourceUnavailable, match=r"HTTP 500; 1 of 5 questions .* in 3 rounds"):
        ask(office, time=Time(), per_student={}).pull()


@pytest.mark.parametrize(("status", "error"), [(403, SourceRefused), (400, SourceRefused)])
def test_a_refusal_ends_the_pull_at_once(office: HttpOffice, status: int, error: type[Exception]) -> None:
    office.befalls = lambda call: as_json({}, status) if number_of(call) == "20151001" else None
    with pytest.raises(error, match=f"HTTP {status}"):
        ask(office, per_student={"at_once": 1}).pull()
    assert [number_of(call) for call in office.asked] == ["20151001"]


def test_a_cut_or_wrong_total_about_one_student_is_no_answer(office: HttpOffice) -> None:
    office.befalls = lambda call: (
        as_json({"data": {"rows": [dict(ROWS[0])], "total": 2}}) if number_of(call) == "20151001" else None
    )
    with pytest.raises(SourceGarbled, match="2 records but returned 1"):
        ask(office).pull()


def test_each_worker_logs_in_once_and_again_when_its_token_runs_out(office: HttpOffice) -> None:
    office.admits = lambda call: call.headers.get("X-Access-Token") in office.tokens[-1:]
    office.befalls = lambda call: (
        office.tokens.clear() if number_of(call) == "20152004" and len(office.logins) == 1 else None
    )
    assert len(ask(office, auth=token_auth(office), per_student={"at_once": 1}).pull().rows) == 4
    assert len(office.logins) == 2


def test_the_longest_time_of_an_exchange_begins_again_with_each_student(
    office: HttpOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[int] = []

    class Counting(client.OfficeClient):
        def begin(self) -> None:
            begun.append(1)
            super().begin()

    monkeypatch.setattr(rest, "OfficeClient", Counting)
    ask(office, per_student={"at_once": 1}).pull()
    assert len(begun) == 1 + NUMBERS


def test_no_thread_stays_when_a_pull_fails(office: HttpOffice) -> None:
    before = {thread for thread in threading.enumerate() if "Thread-" in thread.name and "_work" in thread.name}
    office.befalls = lambda call: as_json({}, 403) if number_of(call) == "20152004" else None
    with pytest.raises(SourceRefused):
        ask(office).pull()
    after = {thread for thread in threading.enumerate() if "_work" in thread.name}
    assert after <= before


def test_a_check_looks_for_somebody_with_a_record(office: HttpOffice) -> None:
    office.rows = [dict(ROWS[3])]
    sample = ask(office).check()
    assert sample.row is not None
    assert sample.row["student"] == "20152004"


@pytest.mark.parametrize(
    ("own", "says"),
    [
        ({"one": None}, "name one or one_url"),
        ({"one": {"number": "20151001"}}, "name one or one_url"),
        ({"one_url": "http://office/api/students"}, "the same for all students"),
        ({"per_student": None, "proofs": ["one_answer"]}, "set per_student"),
        ({"per_student": None, "missing": "outside"}, "set per_student"),
        ({"per_student": None, "url": None}, "set url"),
        ({"proofs": ["one_answer"], "paging": {"kind": "page"}}, "one page is not the whole"),
        ({"proofs": []}, "cannot prove that an answer is whole"),
        ({"per_student": {"at_once": 0}}, "at_once"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(office: HttpOffice, own: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        ask(office, **own)


def test_defaults_are_gentle() -> None:
    assert PerStudent() == PerStudent(at_once=4, per_second=20, rounds=3)
