"""Answers of web APIs as people report them, by the real command; docs/connectors/tried.md has them in words."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from tests.cases.tried import Tried, held_to
from tests.services.one_answer import answering

SOURCE = """connector = "rest"
retries = 0
means = "balance"
url = "{url}/fees"
records = "data.rows"
total = "data.total"
columns = {{ student = "xh", title = "xm", amount = "qf"{due} }}
"""

OWES = {"xh": "2015150001", "xm": "学费", "qf": 5000}
TEXT = '{{"data":{{"total":1,"rows":[{{{}}}]}}}}'


def rows(*records: dict[str, Any], **top: Any) -> str:
    """Return an answer with these records; `top` is beside them."""
    return json.dumps({**top, "data": {"total": len(records), "rows": records}}, ensure_ascii=False)


def other(**cells: Any) -> dict[str, Any]:
    """Return a record about another student."""
    return {"xh": "2015150002", "xm": "学费", "qf": 700, **cells}


#: What a system answers with HTTP 200, and what is right: a letter for each of the five, or the refusal.
ANSWERS: dict[str, tuple[str | bytes, str]] = {
    "an amount that stands twice": (
        TEXT.format('"xh":"2015150001","xm":"学费","qf":5000,"qf":0'),
        '1: "qf" is a duplicate name in one object',
    ),
    "a list that stands twice": (
        '{"data":{"total":1,"rows":[{"xh":"2015150001","xm":"学费","qf":5000}],"rows":[]}}',
        '1: "rows" is a duplicate name in one object',
    ),
    "null as a word": (rows(OWES, other(xh="null")), "1: 1 row without a student number: row 2 (学费, 700)"),
    "undefined": (rows(OWES, other(xh="undefined")), "1: 1 row without a student number"),
    "a number that lost digits": (
        TEXT.format('"xh":2.01515E9,"xm":"学费","qf":700'),
        "1: student numbers in scientific notation (2.01515E+9)",
    ),
    "a number that did not": (TEXT.format('"xh":2.015150001E9,"xm":"学费","qf":1.2E3'), "hcccc"),
    "scientific notation as text": (rows(OWES, other(xh="2.01515E+09")), "1: in scientific notation (2.01515E+09)"),
    "separators of thousands": (rows(OWES, other(xh="2,015,150,002", qf="￥ 1,200.00")), "huccc"),
    "code 500": (rows(code=500, msg="系统异常"), "5: reports a failure: code is 500, 系统异常. The text above"),
    "success is false": (rows(success=False, message="无权限"), "5: success is False, 无权限"),
    "an errcode": (rows(errcode=40001, errmsg="invalid credential"), "5: errcode is 40001, invalid credential"),
    "errors beside data": (rows(errors=[{"message": "timeout"}]), "5: errors is"),
    "code 0, and nothing owed": (rows(code=0, msg="ok", success=True, errors=[]), "ccccc"),
    "one value after another": ("\n".join([json.dumps(OWES)] * 2), "1: several JSON values, one after another"),
    "a comma too many": (
        TEXT.format('"xh":"2015150001","xm":"学费","qf":1},'),
        "1: Check whether the system has another form of JSON",
    ),
    "NaN": (TEXT.format('"xh":"2015150001","xm":"学费","qf":NaN'), "1: NaN is not a number in JSON"),
    "an answer that was cut": (rows(OWES)[:-9], "1: It may have been cut off"),
    "a list as text": (
        json.dumps({"data": {"total": 1, "rows": json.dumps([OWES])}}),
        '1: has at "data.rows" a text that contains JSON',
    ),
    "gzip that no header names": (
        gzip.compress(rows(OWES).encode()),
        "1: it is packed with gzip, without a Content-Enc",
    ),
    "JSONP": (f"cb({rows(OWES)});", "1: is not JSON, in its own words: cb({"),
}


@pytest.mark.parametrize(("body", "right"), ANSWERS.values(), ids=ANSWERS)
def test_an_answer_is_read_as_it_is_meant_or_refused_by_its_cause(
    tmp_path: Path, body: str | bytes, right: str
) -> None:
    content = body if isinstance(body, bytes) else body.encode()
    with answering(content, "application/json") as url:
        held_to(Tried(tmp_path, SOURCE.format(url=url, due="")), right)


def test_days_are_read_as_java_and_dot_net_write_them_and_one_that_is_none_stops_no_one(tmp_path: Path) -> None:
    written = {
        "2015150001": "/Date(1559232000000+0800)/",
        "2015150002": [2019, 5, 31, 0, 0],
        "2015150003": "2019-05-31T00:00:00.123456789+08:00[Asia/Shanghai]",
        "2015150004": [2019, 13, 31],
    }
    answer = rows(*(other(xh=number, hk=day) for number, day in written.items()))
    with answering(answer.encode(), "application/json") as url:
        tried = Tried(tmp_path, SOURCE.format(url=url, due=', due = "hk"'))
        assert tried.synced()[0] == 0
    owed = [tried.finding(number)["evidence"][0] for number in written]
    assert [one["due"] for one in owed] == ["2019-05-31"] * 3 + [None]
    assert [one["due_unreadable"] for one in owed] == [False, False, False, True]
