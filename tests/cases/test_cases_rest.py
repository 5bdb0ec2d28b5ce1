"""What web APIs answer in the field, through the real connector and the real command, on each status database."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.services.http_office import HttpOffice, Reply, as_json
from tests.services.in_process import command
from tests.services.one_answer import answering

INPUTS = Path(__file__).parent / "inputs"

#: Number and name of everybody on the roster.
STUDENTS = (
    ("2015150001", "张一"),
    ("2015150002", "李二"),
    ("2015150003", "王三"),
    ("2015150004", "赵四"),
    ("0015150005", "钱五"),
)
ONE = STUDENTS[0][0]

UNIVERSITY = """
[institution]
name = "山海大学"
timezone = "Asia/Shanghai"
[status_db]
url = "env:STATUS_URL"
[[cohort]]
key = "2019"
name = "2019届"
[roster]
connector = "memory"
every = "1 d"
levels = {{ "本科" = "undergraduate" }}
columns = {{ student = "学号", name = "姓名", level = "层次", college = "学院" }}
rows = [{people}]
[[step]]
key = "finance"
title = "校计财处"
office = {{ name = "校计财处" }}
[[flow]]
key = "undergraduate"
levels = ["undergraduate"]
entries = [{{ step = "finance" }}]
[source.fees]
step = "finance"
every = "1 h"
first = "apply"
means = "balance"
connector = "rest"
retries = 0
{source}
"""

FEES = 'records = "data.rows"\ntotal = "data.total"\ncolumns = { student = "xh", title = "xm", amount = "qf" }\n'
PEOPLE = ", ".join(
    f'{{ "学号" = "{number}", "姓名" = "{name}", "层次" = "本科", "学院" = "资源学院" }}' for number, name in STUDENTS
)


class University:
    """A university whose one source is a web API, and the commands that are run on it."""

    def __init__(self, folder: Path, url: str) -> None:
        self.file = folder / "clearance.toml"
        self._url = url
        self._upgraded = False

    def settings(self, url: str, more: str = FEES) -> None:
        """Write the settings with this address in them."""
        self.file.write_text(UNIVERSITY.format(people=PEOPLE, source=f'url = "{url}"\n{more}'), encoding="utf-8")
        if not self._upgraded:
            self.run("db", "upgrade")
            self._upgraded = True

    def run(self, *words: str, code: int = 0) -> str:
        """Run a command; return what it printed."""
        environ = os.environ | {"STATUS_URL": self._url, "COLUMNS": "300"}
        ended = command(["--config", str(self.file), *words], environ)
        assert ended.code == code, ended.out + ended.err
        return ended.out + ended.err

    def finding(self, number: str) -> dict[str, Any]:
        """Return the finding about one student's step."""
        ((step),) = json.loads(self.run("status", number, "--json"))["standings"]
        return dict(step["step"]["finding"])

    def verdicts(self) -> list[str]:
        """Return the verdict about each student, in the roster's order."""
        return [self.finding(number)["verdict"] for number, _ in STUDENTS]


@pytest.fixture
def university(status_url: str, tmp_path: Path) -> University:
    return University(tmp_path, status_url)


def synced(university: University, body: bytes, kind: str = "application/json", more: str = FEES) -> list[str]:
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


def test_a_payment_and_a_new_fee_while_pages_are_read_clear_nobody_else(university: University) -> None:
    rows = [{"xh": number, "xm": "学费", "qf": 100 + at} for at, (number, _) in enumerate(STUDENTS)]
    paged = FEES + 'paging = { kind = "page", size = "page_size", per_page = 2 }\n'
    with HttpOffice(rows) as office:
        university.settings(office.url, paged)
        university.run("sync")
        assert university.verdicts() == ["held"] * 5
        # The first has paid, which moves the third from the second page to the first, which has been read.
        office.shift_once(office.rows, 0, {"xh": STUDENTS[1][0], "xm": "住宿费", "qf": 50})
        university.run("sync", "fees")
    assert university.verdicts()[1:] == ["held"] * 4


def test_a_gateway_that_is_busy_leaves_the_source_unavailable_and_the_marks_as_they_are(
    university: University,
) -> None:
    ok = 'ok = { path = "code", equals = [0], reason = "msg", later = [50301] }\n'
    with HttpOffice([OWED]) as office:
        university.settings(office.url, FEES + ok)
        university.run("sync")
        office.befalls = lambda _call: as_json({"code": 50301, "msg": "限流"})
        assert "cannot answer now" in university.run("sync", "fees", code=5)
        office.befalls = lambda _call: Reply(b"[]", 206)
        assert "a part of the answer" in university.run("sync", "fees", code=1)
    assert university.verdicts() == ["held", *["cleared"] * 4]
