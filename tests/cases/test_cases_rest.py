"""What web APIs answer in the field, through the real connector and the real command, on each status database."""

import json
from pathlib import Path

import pytest

from tests.services.five_students import FEES, NUMBERS, FiveStudents, settings
from tests.services.http_office import HttpOffice, Reply, as_json
from tests.services.one_answer import answering

INPUTS = Path(__file__).parent / "inputs"

ONE = NUMBERS[0]
API = FEES + 'means = "balance"\nconnector = "rest"\nretries = 0\n'

ROWS = 'records = "data.rows"\ntotal = "data.total"\ncolumns = { student = "xh", title = "xm", amount = "qf" }\n'


class University(FiveStudents):
    """The university whose one source is a web API."""

    def settings(self, url: str, more: str = ROWS) -> None:
        """Write the settings with this address in them."""
        self.write(settings(f'{API}url = "{url}"\n{more}'))


@pytest.fixture
def university(status_url: str, tmp_path: Path) -> University:
    return University(tmp_path, status_url)


def synced(university: University, body: bytes, kind: str = "application/json", more: str = ROWS) -> list[str]:
    """Return each student's verdict after a sync with one answer to everything."""
    with answering(body, kind) as url:
        university.settings(f"{url}/fees", more)
        university.run("check", "fees")
        university.run("sync")
    return university.verdicts()


def test_a_total_that_is_written_as_a_fraction_is_read(university: University) -> None:
    assert synced(university, (INPUTS / "total_float.json").read_bytes()) == ["held", *["cleared"] * 4]
    assert "5000" in json.dumps(university.finding(ONE))


def test_a_count_of_zero_without_a_list_means_that_nothing_is_owed(university: University) -> None:
    alma = 'records = "item_loan"\ntotal = "total_record_count"\ncolumns = { student = "xh", amount = "qf" }\n'
    assert synced(university, (INPUTS / "alma_nothing.json").read_bytes(), more=alma) == ["cleared"] * 5


def test_a_count_of_two_without_a_list_changes_nothing(university: University) -> None:
    with answering(b'{"data": {"total": 2}}', "application/json") as url:
        university.settings(f"{url}/fees")
        assert "no list" in university.run("sync", code=1)
    assert university.verdicts() == ["unknown"] * 5


OWED = {"xh": ONE, "xm": "学费", "qf": 5000}
LIST = json.dumps({"data": {"total": 1, "rows": [OWED]}}, ensure_ascii=False)


@pytest.mark.parametrize("total", ["1", '"1"', "1.0"])
def test_one_object_where_a_list_is_meant_is_one_row(university: University, total: str) -> None:
    body = json.dumps({"data": {"total": 0, "rows": OWED}}).replace('"total": 0', f'"total": {total}')
    assert synced(university, body.encode()) == ["held", *["cleared"] * 4]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (LIST.encode(), "application/json; charset=utf-8"),
        (b"\xef\xbb\xbf" + LIST.encode(), "application/json"),
        (LIST.encode("gbk"), "application/json;charset=GBK"),
        (LIST.encode(), "application/json; charset=GBK"),
        (LIST.encode(), "application/json; charset=ISO-8859-1"),
    ],
)
def test_json_is_read_in_its_charset_whatever_is_declared(university: University, body: bytes, kind: str) -> None:
    assert synced(university, body, kind) == ["held", *["cleared"] * 4]
    assert "学费" in json.dumps(university.finding(ONE), ensure_ascii=False)


def test_a_wrong_charset_is_named_by_check_and_sync_alike(university: University) -> None:
    with answering(LIST.encode("gbk"), "application/json") as url:
        university.settings(f"{url}/fees")
        for word, code in (("check", 1), ("sync", 1)):
            said = university.run(word, code=code)
            assert "declares no charset and is not UTF-8; its bytes would fit GB18030" in said
    assert university.verdicts() == ["unknown"] * 5


def test_a_payment_and_a_new_fee_while_pages_are_read_clear_no_one_else(university: University) -> None:
    rows = [{"xh": number, "xm": "学费", "qf": 100 + at} for at, number in enumerate(NUMBERS)]
    paged = ROWS + 'paging = { kind = "page", size = "page_size", per_page = 2 }\n'
    with HttpOffice(rows) as office:
        university.settings(office.url, paged)
        university.run("sync")
        assert university.verdicts() == ["held"] * 5
        # The first has paid, which moves the third from the second page to the first, which has been read.
        office.shift_once(office.rows, 0, {"xh": NUMBERS[1], "xm": "住宿费", "qf": 50})
        university.run("sync", "fees")
    assert university.verdicts()[1:] == ["held"] * 4


def test_a_gateway_that_is_busy_leaves_the_source_unavailable_and_the_marks_as_they_are(
    university: University,
) -> None:
    ok = 'ok = { path = "code", equals = [0], reason = "msg", later = [50301] }\n'
    with HttpOffice([OWED]) as office:
        university.settings(office.url, ROWS + ok)
        university.run("sync")
        office.befalls = lambda _call: as_json({"code": 50301, "msg": "限流"})
        assert "cannot answer now" in university.run("sync", "fees", code=5)
        office.befalls = lambda _call: Reply(b"[]", 206)
        assert "only a part of the answer arrived" in university.run("sync", "fees", code=1)
    assert university.verdicts() == ["held", *["cleared"] * 4]
