"""Where `clearance check` is green, `clearance sync` refuses nothing: both key and read the rows by the same code."""

from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import URL

from tests.services import databases
from tests.services.small import CLEAR, OWES, Small, small

RowFault = Callable[[Small], None]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Small]:
    """A small university whose marks are on either database."""
    folder = tmp_path_factory.mktemp("site")
    if request.param == "sqlite":
        with small(folder) as made:
            yield made
        return
    server: URL = request.getfixturevalue("postgres_server")
    with databases.fresh_database(server) as url, small(folder, url.render_as_string(hide_password=False)) as made:
        yield made


@pytest.fixture
def site(built: Small) -> Small:
    """The same, its offices and settings as they were; no test here changes a mark."""
    built.put_back()
    return built


def bytes_as_keys(site: Small) -> None:
    site.fines([(OWES.encode(), "2.3", "逾期")])


def no_number_far_down(site: Small) -> None:
    site.fines([(OWES, "2.3", "逾期")] * 6_000 + [(None, "9", "赔书")])


def no_number_in_a_list(site: Small) -> None:
    site.fees([("学号", "欠费", "项目"), (OWES, "4500", "学费"), ("", "100", "住宿费")])


def a_number_with_lost_digits(site: Small) -> None:
    site.fees([("学号", "欠费", "项目"), ("2.015E+06", "4500", "学费")])


def nobody_of_ours(site: Small) -> None:
    site.fines([("99", "2.3", "逾期")])
    site.change("title FROM fines", "title FROM fines f")


def no_number_from_an_api(site: Small) -> None:
    site.loans([{"reader": "", "title": "x", "due": "2019-05-24", "barcode": "B1"}])


def fewer_records_than_its_total(site: Small) -> None:
    site.loans_text('{"total": 2, "rows": []}')


def a_level_nobody_knows(site: Small) -> None:
    site.roster([(OWES, "张一", "本科", "文学院", "15001", "A1"), (CLEAR, "李二", "博士", "文学院", "15001", "A2")])


def the_same_student_twice(site: Small) -> None:
    site.roster([(OWES, "张一", "本科", "文学院", "15001", "A1"), (OWES, "张二", "本科", "文学院", "15001", "A1")])


REFUSED: list[tuple[str, RowFault]] = [
    ("fines", bytes_as_keys),
    ("fines", no_number_far_down),
    ("fees", no_number_in_a_list),
    ("fees", a_number_with_lost_digits),
    ("loans", no_number_from_an_api),
    ("loans", fewer_records_than_its_total),
    ("roster", a_level_nobody_knows),
    ("roster", the_same_student_twice),
]


@pytest.mark.parametrize(("source", "wrong"), REFUSED, ids=[wrong.__name__ for _, wrong in REFUSED])
def test_what_a_sync_refuses_a_check_refuses_in_the_same_words(site: Small, source: str, wrong: RowFault) -> None:
    assert site.ended("check", source).code == 0
    wrong(site)
    checked, synced = site.ended("check", source), site.ended("sync", source)
    assert checked.code == synced.code == 1, (checked, synced)
    (said,) = [line.strip() for line in checked.err.splitlines() if source in line]
    assert said in (synced.out + synced.err).replace("\n", " "), (said, synced)


def test_a_first_answer_about_no_one_is_refused_by_both(site: Small) -> None:
    nobody_of_ours(site)
    checked = site.ended("check", "fines")
    assert checked.code, checked
    assert "none is about a student on the roster" in checked.err
    assert "none is about a student on the roster" in site.ended("sync", "fines").err


def test_rows_about_no_one_are_named_where_no_sync_refuses_them(site: Small) -> None:
    site.fines([("99", "2.3", "逾期")])
    checked = site.ended("check", "fines")
    assert checked.code == 0
    assert "None of the rows is about a student on the roster. Compare the first row" in checked.err


def test_what_would_leave_students_unknown_is_named_with_the_fix(site: Small) -> None:
    site.fines([(OWES, "两元", "逾期"), (CLEAR, None, "逾期")])
    checked = site.ended("check", "fines")
    assert checked.code == 0
    assert (
        "1 number would be unknown: the amount '两元' cannot be read. Check columns.amount in [source.fines]"
        in checked.err
    )
    assert "1 number would be unknown: a row has no amount" in checked.err


def test_days_that_cannot_be_read_are_named_with_one_of_them(site: Small) -> None:
    site.loans([{"reader": OWES, "title": "x", "due": "24.05.2019", "barcode": "B1"}])
    checked = site.ended("check", "loans")
    assert checked.code == 0
    assert "1 row has a due date that cannot be read, such as '24.05.2019'. Set date_order" in checked.err


def test_how_many_rows_were_read_is_reported_and_none_but_the_first_is_shown(site: Small) -> None:
    site.fines([(OWES, "2.3", "逾期"), (CLEAR, "1.5", "secret row")])
    said = site.run("check", "fines")
    assert "all 2 rows were read" in said
    assert "secret row" not in said
    (sample,) = [found["sample"] for found in site.json("check", "fines") if found.get("source") == "fines"]
    assert (sample["rows_read"], sample["whole"]) == (2, True)
    assert "secret row" not in str(sample)


def test_of_a_long_answer_the_first_rows_are_read(site: Small) -> None:
    site.fines([(OWES, "2.3", "逾期")] * 12_000)
    assert "the first 10000 rows were read" in site.run("check", "fines")
