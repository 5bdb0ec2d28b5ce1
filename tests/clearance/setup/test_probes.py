"""Probes of real systems: Koha's tables on MariaDB, a finance view on PostgreSQL, sheets, and an API on a socket."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from clearance.setup.answers import Where
from clearance.setup.proposal import Proposal, SetupRefused
from clearance.setup.propose import Surroundings, propose_roster, propose_sources
from connectors.port import SourceError
from tests.connectors.test_koha import ROWS, TABLES
from tests.services.http_office import HttpOffice
from tests.services.libreoffice import converted

NUMBER = "20151001"


def fill(url: str, statements: str) -> None:
    engine = create_engine(url, poolclass=NullPool)
    with engine.begin() as connection:
        for statement in filter(str.strip, statements.split(";")):
            connection.execute(text(statement))
    engine.dispose()


@pytest.fixture
def around(tmp_path: Path) -> Callable[..., Surroundings]:
    def of(**environ: str) -> Surroundings:
        return Surroundings(lambda: datetime(2027, 5, 1, tzinfo=UTC), tmp_path, environ)

    return of


Around = Callable[..., Surroundings]


def test_koha_on_mariadb_is_recognised_and_its_attribute_found(mariadb_url: str, around: Around) -> None:
    columns = "accountlines_id INT, borrowernumber INT, description TEXT, amountoutstanding DECIMAL(28,6)"
    accounts = f"CREATE TABLE accountlines ({columns})"
    fill(mariadb_url, TABLES + accounts + ";" + ROWS)
    where = Where(database="env:KOHA_URL", step="library")
    loans, fines = propose_sources(where, around(KOHA_URL=mariadb_url), {NUMBER})
    assert loans.connector == {"connector": "koha", "url": "env:KOHA_URL", "asks": "loans", "attribute": "STUDENTNO"}
    assert fines.connector["asks"] == "fines"


def test_a_finance_view_on_postgresql_is_proposed_with_its_query(postgres_url: str, around: Around) -> None:
    fill(
        postgres_url,
        'CREATE TABLE sf ("XH" TEXT, "XM" TEXT, "QF" NUMERIC, "SFZH" TEXT);'
        "INSERT INTO sf VALUES ('2015150001', '学费', 1200.5, '110101199001011234');"
        'CREATE VIEW "V_SFQF" AS SELECT * FROM sf; CREATE TABLE log (id INT, line TEXT)',
    )
    where = Where(database="env:FIN", step="finance", table="V_SFQF", name="fees")
    (fees,) = propose_sources(where, around(FIN=postgres_url))
    assert fees.columns == {"student": "XH", "amount": "QF", "title": "XM"}
    assert fees.connector["query"] == 'SELECT "XH", "QF", "XM" FROM "V_SFQF"'
    assert fees.sample == {"student": "******0001", "amount": "1200.5", "title": "学费"}
    assert "SFZH" in " ".join(fees.doubts)


def test_two_views_that_could_be_meant_are_named(postgres_url: str, around: Around) -> None:
    fill(postgres_url, "CREATE VIEW v_a AS SELECT '2015150001' AS xh, 1 AS qf; CREATE VIEW v_b AS SELECT * FROM v_a")
    with pytest.raises(SetupRefused, match=r"v_a, v_b\. Name one: as table"):
        propose_sources(Where(database="env:FIN", step="finance"), around(FIN=postgres_url))


def test_a_view_that_fails_does_not_hide_the_others(postgres_url: str, around: Around) -> None:
    fill(
        postgres_url,
        "CREATE VIEW a_broken AS SELECT '1' AS xh, 1 / (random() * 0)::int AS qf;"
        "CREATE VIEW v_dorm AS SELECT '2015150001' AS xh, '在住' AS zt",
    )
    (rooms,) = propose_sources(Where(database="env:DORM", step="dorm"), around(DORM=postgres_url))
    assert rooms.more["words"] == {"not_done": ["在住"]}


def test_a_database_that_refuses_is_reported_with_the_fix_and_no_password(around: Around) -> None:
    url = "mysql+pymysql://reader:s3cretword@127.0.0.1:1/koha"
    with pytest.raises(SourceError) as caught:
        propose_sources(Where(database="env:KOHA_URL"), around(KOHA_URL=url))
    assert "No server listens there" in str(caught.value)
    assert "s3cretword" not in str(caught.value)


def test_an_address_with_a_password_in_the_answers_is_refused(around: Around) -> None:
    with pytest.raises(SetupRefused, match="has a password") as caught:
        propose_sources(Where(database="mysql+pymysql://reader:s3cretword@127.0.0.1/koha"), around())
    assert "s3cretword" not in str(caught.value)


HEADS = ["学号", "姓名", "培养层次", "学院", "班级"]
STUDENTS = [["2015150001", "张一", "本科", "文学院", "15001"], ["2015150002", "李二", "本科", "文学院", "15001"]]


def write_xlsx(file: Path, rows: list[list[Any]], *, sheets: tuple[str, ...] = ("Sheet1",)) -> Path:
    book = openpyxl.Workbook()
    assert book.active is not None
    book.remove(book.active)
    for name in sheets:
        page = book.create_sheet(name)
        for row in rows:
            page.append(row)
    book.save(file)
    return file


def test_a_roster_is_found_in_a_workbook_below_its_title(tmp_path: Path, around: Around) -> None:
    write_xlsx(tmp_path / "roster.xlsx", [["2027届毕业生名单"], [], HEADS, *STUDENTS])
    found = propose_roster(Where(sheet="roster.xlsx"), around())
    assert found.numbers == {"2015150001", "2015150002"}
    assert found.proposal.columns["class"] == "班级"
    assert found.proposal.connector == {"connector": "sheet", "path": str(tmp_path / "roster.xlsx")}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", "\t", ";"])
def test_a_roster_is_found_in_text_of_any_kind(tmp_path: Path, around: Around, encoding: str, delimiter: str) -> None:
    rows = [["2027届毕业生名单"], HEADS, *STUDENTS]
    lines = "\r\n".join(delimiter.join(row) for row in rows) + "\r\n"
    (tmp_path / "roster.csv").write_bytes(lines.encode(encoding))
    found = propose_roster(Where(sheet="roster.csv"), around())
    assert found.proposal.sample == {
        "student": "******0001", "name": "张*", "level": "本科", "college": "文学院", "class": "15001",
    }  # fmt: skip


def test_a_workbook_of_libreoffice_is_read(tmp_path: Path, around: Around) -> None:
    lines = ["学号,宿舍房间号,清退状态", "2015150001,北 12-301,在住", "0015150002,北 12-302,已清退"]
    (tmp_path / "dorm.csv").write_text("\n".join(lines), encoding="utf-8")
    (file,) = converted([tmp_path / "dorm.csv"], "xls", tmp_path)
    (rooms,) = propose_sources(Where(sheet=file.name), around())
    assert (rooms.step, rooms.means) == ("dorm", "status")
    assert rooms.more["words"] == {"done": ["已清退"], "not_done": ["在住"]}


def test_of_two_worksheets_with_a_list_one_must_be_named(tmp_path: Path, around: Around) -> None:
    write_xlsx(tmp_path / "r.xlsx", [HEADS, *STUDENTS], sheets=("本科", "研究生"))
    with pytest.raises(SetupRefused, match="本科, 研究生"):
        propose_roster(Where(sheet="r.xlsx"), around())
    found = propose_roster(Where(sheet="r.xlsx", sheet_name="研究生"), around())
    assert found.proposal.connector["sheet"] == "研究生"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "empty"),
        (b"%PDF-1.7 ...", "a PDF document"),
        (b"PK\x03\x04 broken", "roster.xlsx"),
        ("编号,备注\n1,x\n".encode(), "no row among the first 30"),
    ],
)
def test_an_unreadable_sheet_is_refused_with_the_fix(tmp_path: Path, around: Around, content: bytes, why: str) -> None:
    (tmp_path / "roster.xlsx").write_bytes(content)
    with pytest.raises((SetupRefused, SourceError), match=why) as caught:
        propose_roster(Where(sheet="roster.xlsx"), around())
    assert str(caught.value).endswith(".")


def test_a_missing_sheet_is_refused(around: Around) -> None:
    with pytest.raises(SourceError, match="is not a file"):
        propose_roster(Where(sheet="none.xlsx"), around())


ROWS_OF_API = [
    {"NUMBER": f"20151500{n:02}", "TITLE": f"书 {n}", "DUE": "2027-05-30", "BARCODE": f"B{n}"} for n in range(7)
]


def proposed(office: HttpOffice, around: Surroundings) -> Proposal:
    (one,) = propose_sources(Where(url=office.url, step="library"), around)
    return one


def test_a_list_in_one_answer_needs_no_paging(around: Around) -> None:
    with HttpOffice(ROWS_OF_API, "none") as office:
        found = proposed(office, around())
    assert found.columns == {"student": "NUMBER", "title": "TITLE", "due": "DUE", "reference": "BARCODE"}
    assert "paging" not in found.connector


@pytest.mark.parametrize("style", ["page", "offset"])
def test_the_paging_of_an_api_is_found_by_asking(around: Around, style: Any) -> None:
    with HttpOffice(ROWS_OF_API, style) as office:
        office.most = 3
        found = proposed(office, around())
    paging = found.connector["paging"]
    assert isinstance(paging, dict)
    assert (paging["kind"], paging["per_page"]) == (style, 3)


def test_a_total_in_a_header_is_found(around: Around) -> None:
    with HttpOffice(ROWS_OF_API, "none", total="header") as office:
        found = proposed(office, around())
    assert found.connector["total_header"] == "X-Total-Count"


def test_an_answer_without_a_total_is_a_doubt(around: Around) -> None:
    with HttpOffice(ROWS_OF_API, "none", total="") as office:
        found = proposed(office, around())
    assert found.connector["proofs"] == ["second_pass"]
    assert "no total" in found.doubts[0]


def test_an_address_that_has_no_list_is_refused(around: Around) -> None:
    with HttpOffice() as office, pytest.raises(SourceError):
        propose_sources(Where(url=f"{office.root}/nothing"), around())
