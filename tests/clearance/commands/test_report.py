"""The report by the real command on a copy of the demo: tables, JSON and an Excel file say the same."""

from openpyxl import load_workbook

from status_db.accounts.audit_log import Audit, AuditEvent
from status_db.store.engine import open_reading
from tests.services.university import University


def test_tables_and_json_tell_the_same_of_each_step(university: University) -> None:
    said, whole = university.run("report"), university.json("report")
    figures = whole["report"]["whole"]
    assert figures["students"] == sum(one["students"] for one in whole["report"]["colleges"])
    assert figures["students"] == sum(figures["by_where"].values())
    assert figures["staying"]["延期"] > 0
    (line,) = (line for line in said.splitlines() if line.startswith("Total "))
    assert line.split()[1] == str(figures["students"])
    library = figures["steps"]["library"]["by_state"]
    rows = [line.split() for line in said.splitlines() if line.startswith("Library ")]
    assert rows[0][3:5] == [str(library["cleared"]), str(library["held"])]
    assert whole["objections"] == []


def test_it_holds_as_many_as_the_sources_do(university: University) -> None:
    figures = university.json("report")["report"]["whole"]
    sources = {view["source"]["source"]: view["source"] for view in university.json("sources")}
    assert figures["steps"]["finance"]["by_state"]["held"] == sources["fees"]["held"] > 0


def test_a_file_is_written_and_noted(university: University) -> None:
    file = university.folder / "report.xlsx"
    assert "the report on 2019 is in" in university.run("report", "--xlsx", str(file), "--as", "registrar")
    book = load_workbook(file)
    assert book.sheetnames[0] == "按学院"
    head = {row[0]: row[1] for row in book.worksheets[0].iter_rows(max_row=5, max_col=2, values_only=True)}
    assert head["导出人"] == "registrar"
    assert head["范围"] == "全校"
    engine = open_reading(f"sqlite:///{university.folder / '.demo' / 'clearance-desk.db'}")
    (line,) = Audit(engine).newest(1)
    engine.dispose()
    assert (line.account, line.event, line.detail["what"]) == ("registrar", AuditEvent.EXPORTED, "report")


def test_a_file_that_cannot_be_written_explains_what_to_do(university: University) -> None:
    said = university.run("report", "--xlsx", str(university.folder / "nowhere" / "report.xlsx"), code=1)
    assert "Choose a file in a folder that you can write to" in said
