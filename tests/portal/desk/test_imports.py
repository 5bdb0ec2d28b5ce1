"""Importing an office's results on the desk: from the template to the undoing, as the library's clerk does it."""

import asyncio
import io
import re
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import openpyxl
import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.testclient import TestClient

from portal.access import forms
from portal.access.form_fields import Form
from portal.access.multipart import FormBroken, Parts
from portal.auth.sessions import hash_of, new_token
from portal.desk.imports.results import COLUMNS, RESULTS
from portal.i18n import languages
from portal.page.context import context_of
from status_db import tables
from status_db.accounts.accounts import Act, Grant
from status_db.accounts.audit_log import Audit, AuditEvent
from status_db.desk.seals import GRANT
from status_db.inbox.uploads import Uploads
from status_db.model import Verdict
from tests.cast import LEAVING, LI, LIN, QIAN, SUN, ZHAO, Person
from tests.clearance.files.test_sheets import book, text
from tests.portal.conftest import STAFF, token_in
from tests.portal.html_page import Page
from tests.portal.whole import whole_app
from tests.services.libreoffice import converted
from tests.status_db.decisions.test_batches import decided
from tests.world import COHORT, World

HEAD = [words[0] for words in COLUMNS.values()]
KIND = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


@contextmanager
def browser(world: World, account: str) -> Iterator[TestClient]:
    """A browser of somebody who has signed in."""
    token = new_token()
    world.accounts.open_session(hash_of(token), account, world.now, longest=timedelta(hours=12))
    with TestClient(whole_app(world), base_url="http://testserver", follow_redirects=True) as made:
        made.cookies.set("clearance", token)
        yield made


@pytest.fixture
def clerk(university: World) -> Iterator[TestClient]:
    """The library's clerk, signed in."""
    with browser(university, "librarian") as made:
        yield made


def row(person: Person, result: str = "通过", reason: str = "现场归还", **more: str) -> list[str]:
    """Return a row as a clerk fills it in."""
    cells = {"student": person.number, "name": person.name, "result": result, "reason": reason} | more
    return [cells.get(column, "") for column in COLUMNS]


def bring(made: TestClient, content: bytes, name: str = "结果.xlsx", query: str = "", **fields: str) -> httpx.Response:
    """Bring a sheet as the page's own form does."""
    form = {"form_token": token_in(made.get("/desk/import"))} | fields
    answer: httpx.Response = made.post(f"/desk/import{query}", data=form, files={"file": (name, content, KIND)})
    return answer


def brought(made: TestClient, *rows: Sequence[str]) -> httpx.Response:
    """Bring these rows, and return the preview."""
    page = bring(made, book(HEAD, *rows))
    assert page.status_code == 200, page.text
    assert re.fullmatch(r"/desk/import/\d+", page.url.path)
    return page


def confirm(made: TestClient, page: httpx.Response, **ticks: str) -> httpx.Response:
    """Confirm the preview that this page shows."""
    form = {"form_token": token_in(page), "digest": Page(page).fields["digest"][0], **ticks}
    answer: httpx.Response = made.post(page.url.path, data=form)
    return answer


def words(page: httpx.Response) -> str:
    """Return what a page says."""
    return Page(page).text


def section(page: httpx.Response, kind: str) -> str:
    """Return what a preview says of the rows of one kind."""
    return " ".join(cell for row in Page(page).table(kind) for cell in row)


def sheets(answer: httpx.Response) -> list[list[tuple[Any, ...]]]:
    """Return the rows of each worksheet of a workbook that was sent."""
    assert answer.status_code == 200, answer.text
    return [list(sheet.iter_rows(values_only=True)) for sheet in openpyxl.load_workbook(io.BytesIO(answer.content))]


def verdict(world: World, person: Person) -> Verdict:
    return world.verdict(person.number, "library")


class TestTheTemplate:
    def test_it_holds_the_own_students_as_text_with_the_state_and_nothing_filled_in(self, clerk: TestClient) -> None:
        rows, said = sheets(clerk.get("/desk/import/template.xlsx"))
        assert rows[0][:6] == ("学号", "姓名", "班级", "目前状态", "办理结果", "办理依据")
        assert {(r[0], r[1]) for r in rows[1:]} == {(p.number, p.name) for p in LEAVING}
        assert all(isinstance(r[0], str) for r in rows[1:])
        assert next(r[3] for r in rows if r[0] == LIN.number) == "不通过 2 项"
        assert all(cell is None for r in rows[1:] for cell in r[4:])
        assert "只办理填了“办理结果”的学生" in str(said)

    def test_words_are_a_choice_and_nothing_is_a_formula(self, clerk: TestClient) -> None:
        made = openpyxl.load_workbook(io.BytesIO(clerk.get("/desk/import/template.xlsx").content))
        choices = {str(v.sqref).split(":")[0]: v.formula1 for v in made.worksheets[0].data_validations.dataValidation}
        assert choices == {"E2": '"通过,不通过,无需办理"', "F2": '"现场归还,赔书,数据有误"'}
        assert made.worksheets[0].freeze_panes == "C2"
        cells = [cell for sheet in made for line in sheet.iter_rows() for cell in line]
        assert all(cell.data_type != "f" for cell in cells)
        assert {cell.number_format for cell in made.worksheets[0]["A"][1:]} == {"@"}

    def test_reasons_too_long_for_a_choice_are_a_range_of_the_second_sheet(
        self, university: World, tmp_path: Path
    ) -> None:
        step = next(step for step in university.settings.step if step.key == "library")
        step.reasons[:] = [f"第{at}种原因" + "很长" * 15 for at in range(9)]
        with browser(university, "librarian") as made:
            book_ = openpyxl.load_workbook(io.BytesIO(made.get("/desk/import/template.xlsx").content))
        choices = [v.formula1 for v in book_.worksheets[0].data_validations.dataValidation]
        assert "'填写说明'!$E$2:$E$10" in choices
        assert [cell.value for cell in book_["填写说明"]["E"][1:10]] == step.reasons

    def test_it_is_narrowed_to_a_class_and_to_the_scopes(self, university: World, clerk: TestClient) -> None:
        rows, _ = sheets(clerk.get("/desk/import/template.xlsx", params={"class": QIAN.class_name}))
        assert {r[0] for r in rows[1:]} == {QIAN.number, SUN.number}
        narrow(university, "college", QIAN.college)
        rows, _ = sheets(clerk.get("/desk/import/template.xlsx"))
        assert {r[0] for r in rows[1:]} == {QIAN.number, SUN.number, LI.number}

    def test_more_than_there_is_room_for_or_nobody_leads_to_a_choice(
        self, university: World, clerk: TestClient
    ) -> None:
        object.__setattr__(university.settings.desk, "most_rows", 3)
        page = clerk.get("/desk/import/template.xlsx")
        assert (page.status_code, "请按学院或班级下载" in page.text) == (422, True)
        page = clerk.get("/desk/import/template.xlsx", params={"class": "没有的班"})
        assert (page.status_code, "没有符合条件的学生" in page.text) == (422, True)

    @pytest.mark.parametrize("language", ["zh", "en"])
    def test_filled_in_it_comes_back_in_either_language(
        self, university: World, clerk: TestClient, language: str
    ) -> None:
        made = openpyxl.load_workbook(
            io.BytesIO(clerk.get("/desk/import/template.xlsx", params={"lang": language}).content)
        )
        sheet = made.worksheets[0]
        for line in sheet.iter_rows(min_row=2):
            if line[0].value == LIN.number:
                line[4].value = {"zh": "通过", "en": "Cleared"}[language]
                line[5].value = "赔书"
        file = io.BytesIO()
        made.save(file)
        page = bring(clerk, file.getvalue())
        assert confirm(clerk, page).status_code == 200
        assert verdict(university, LIN) is Verdict.CLEARED
        assert verdict(university, QIAN) is Verdict.CLEARED
        assert len(university.reader.decisions(COHORT)) == 1


def narrow(world: World, column: str, value: str) -> None:
    """Have the librarian decide for a part of the university alone."""
    table = tables.grant
    own = table.c.account == "librarian"
    with world.desk.writing() as entry, entry.changing(GRANT, own):
        entry.connection.execute(table.update().where(own).values(scope={column: [value]}))


#: A row as a clerk may fill it in, and what is said of it.
WRONG = (
    ([*row(LIN)[:1], *row(LIN)[1:2], "已还"], "办理结果“已还”无法识别"),
    (row(LIN, ""), "未填办理结果"),
    (row(LIN, reason="不知道"), "“不知道”不是本环节的办理依据。请从以下选择：现场归还、赔书、数据有误"),
    (row(LIN, reason=""), "未填办理依据"),
    (row(LIN, until="明天"), "有效期“明天”无法识别"),
    (row(LIN, until="2019-02-30"), "有效期“2019-02-30”无法识别"),
    (row(LIN, until="2019-05-01"), "有效期早于今天"),
    (row(LIN, "不通过", condition="补交押金"), "只有“通过”可以附加条件"),
    (row(LIN, words="长" * 1001), "“告知学生”太长。请缩短到 1000 字以内"),
    (row(LIN, file_number="长" * 101), "“文号”太长。请缩短到 100 字以内"),
    ([LIN.number, "", "通过", "赔书"], "未填姓名"),
    (["20990009", "某某", "通过", "赔书"], "该学号不在离校名单中"),
)


class TestThePreview:
    def test_each_row_appears_under_its_kind_with_what_it_states_and_what_appears(
        self, university: World, clerk: TestClient
    ) -> None:
        decided(university, QIAN, Verdict.HELD)
        decided(university, SUN, reason="现场归还")
        page = brought(
            clerk,
            row(LIN, words="已在总馆还清", until="2019-06-30"),
            row(QIAN),
            row(SUN),
            row(ZHAO, "", ""),
            [LI.number, "李伟", "通过", "赔书"],
        )
        assert "现场归还" in section(page, "new")
        assert "告知学生 已在总馆还清" in section(page, "new")
        assert "有效期至 6月30日 23:59" in section(page, "new")
        assert f"{LIN.number} {LIN.name} {LIN.class_name}" in section(page, "new")
        assert "不通过" in section(page, "new").rpartition("23:59")[2]
        assert re.search(r"不通过、赔书、somebody、5月25日 08:\d\d", section(page, "conflict"))
        assert SUN.name in section(page, "same")
        assert ZHAO.name in section(page, "blank")
        assert "该学号的姓名是“李维”，表中填写“李伟”。请核对学号和姓名。" in section(page, "wrong")
        assert page.text.index('id="wrong"') < page.text.index('id="conflict"') < page.text.index('id="new"')
        assert len(university.reader.decisions(COHORT)) == 2

    def test_what_is_wrong_is_shown_with_the_fix(self, clerk: TestClient) -> None:
        for line, says in WRONG:
            said = section(brought(clerk, line), "wrong")
            assert says in said
            assert "请" in said, says

    def test_a_sheet_in_which_nothing_can_be_entered_offers_nothing(self, clerk: TestClient) -> None:
        page = brought(clerk, [LIN.number, "别人", "通过", "赔书"])
        assert 'name="digest"' not in page.text
        assert "请在表中改正有错的行" in page.text

    def test_it_is_its_authors_alone(self, university: World, clerk: TestClient) -> None:
        path = brought(clerk, row(LIN)).url.path
        university.accounts.add("second", "second", None, grants=STAFF["librarian"], now=university.now)
        with browser(university, "second") as other:
            assert other.get(path).status_code == 404

    def test_who_is_outside_the_scope_is_nobody(self, university: World, clerk: TestClient) -> None:
        narrow(university, "college", QIAN.college)
        page = brought(clerk, row(LIN), row(QIAN))
        assert "不在办理范围内" in section(page, "wrong")
        assert QIAN.name in section(page, "new")

    def test_it_escapes_what_a_sheet_holds(self, clerk: TestClient) -> None:
        page = brought(clerk, row(LIN, words="<script>alert(1)</script>"))
        assert "<script>" not in page.text


class TestConfirming:
    def test_what_was_shown_is_entered_and_every_row_is_answered_for(
        self, university: World, clerk: TestClient
    ) -> None:
        decided(university, QIAN, Verdict.HELD)
        rows = (row(LIN, note="柜台"), row(QIAN), row(ZHAO, "", ""), [LI.number, "李伟", "通过", "赔书"])
        preview = brought(clerk, *rows)
        page = confirm(clerk, preview, without_wrong="1")
        assert page.url.path == "/desk/import/batches/1"
        assert "已导入 1" in words(page)
        assert "有错，未导入 1" in words(page)
        assert verdict(university, LIN) is Verdict.CLEARED
        assert verdict(university, QIAN) is Verdict.HELD
        (result,) = sheets(clerk.get("/desk/import/batches/1/result.xlsx"))
        became = {line[1]: line[-1] for line in result if line[0] and str(line[0]).isdecimal()}
        assert became[LIN.number] == "已办理"
        assert became[ZHAO.number] == "未填结果，未更改"
        assert became[LI.number] == "未导入：该学号的姓名是“李维”，表中填写“李伟”。请核对学号和姓名。"
        assert became[QIAN.number].startswith("未替换现有人工办理：不通过、赔书、somebody")
        events = [line.event for line in Audit(university.desk).newest(4)]
        assert events[:3] == [AuditEvent.EXPORTED, AuditEvent.IMPORTED, AuditEvent.BROUGHT_SHEET]

    def test_the_audit_log_states_so_in_words(self, university: World, clerk: TestClient) -> None:
        confirm(clerk, brought(clerk, row(LIN)))
        with browser(university, "auditor") as made:
            log = words(made.get("/audit"))
        assert "导入办理结果" in log
        assert "环节：图书馆; 导入批号：1; 文件：结果.xlsx; 已导入：1; 有错：0" in log
        assert "上传表格" in log

    def test_neither_tick_is_set_beforehand(self, university: World, clerk: TestClient) -> None:
        decided(university, QIAN, Verdict.HELD)
        page = brought(clerk, row(LIN), row(QIAN), [LI.number, "李伟", "通过", "赔书"])
        assert 'name="with_conflicts" value="1">' in page.text
        assert 'name="without_wrong" value="1">' in page.text

    def test_wrong_rows_are_never_left_out_in_silence(self, university: World, clerk: TestClient) -> None:
        decided(university, QIAN, Verdict.HELD)
        page = brought(clerk, row(LIN), row(QIAN), [LI.number, "李伟", "通过", "赔书"])
        again = confirm(clerk, page, with_conflicts="1")
        assert again.status_code == 409
        assert "未导入：有 1 行有错" in again.text
        assert 'name="with_conflicts" value="1" checked' in again.text
        assert verdict(university, LIN) is Verdict.HELD
        confirm(clerk, again, with_conflicts="1", without_wrong="1")
        assert verdict(university, QIAN) is Verdict.CLEARED

    def test_conflicts_alone_go_in_only_when_ticked(self, university: World, clerk: TestClient) -> None:
        decided(university, QIAN, Verdict.HELD)
        page = brought(clerk, row(QIAN))
        again = confirm(clerk, page)
        assert (again.status_code, "没有可导入的行" in again.text) == (409, True)
        assert confirm(clerk, again, with_conflicts="1").url.path == "/desk/import/batches/1"
        (result,) = sheets(clerk.get("/desk/import/batches/1/result.xlsx"))
        assert str(result[-1][-1]).startswith("已办理，替换原办理：不通过、赔书")

    def test_what_has_moved_since_is_shown_again_and_nothing_is_entered(
        self, university: World, clerk: TestClient
    ) -> None:
        page = brought(clerk, row(LIN), row(QIAN))
        decided(university, QIAN, Verdict.HELD)
        again = confirm(clerk, page, with_conflicts="1")
        assert again.status_code == 409
        assert "预览后，这些学生的状态有变动" in again.text
        assert "somebody" in section(again, "conflict")
        assert "checked" not in again.text
        assert verdict(university, LIN) is Verdict.HELD

    def test_a_sheet_is_confirmed_once_also_from_two_browsers(self, university: World, clerk: TestClient) -> None:
        page = brought(clerk, row(LIN), row(QIAN))
        with browser(university, "librarian") as other:
            second = other.get(page.url.path)
            assert confirm(clerk, page).url.path == "/desk/import/batches/1"
            assert confirm(other, second).url.path == "/desk/import/batches/1"
            assert other.get(page.url.path).url.path == "/desk/import/batches/1"
        assert len(university.reader.decisions(COHORT)) == 2

    def test_it_stays_confirmed_after_its_batch_was_undone(self, university: World, clerk: TestClient) -> None:
        page = brought(clerk, row(LIN))
        undo(clerk, confirm(clerk, page))
        assert confirm(clerk, page).url.path == "/desk/import/batches/1"
        assert verdict(university, LIN) is Verdict.HELD

    def test_one_that_was_entered_and_not_noted_so_is_not_entered_twice(
        self, university: World, clerk: TestClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Whoever is killed between the two databases leaves a batch; the sheet then has nothing more to say."""
        page = brought(clerk, row(LIN))
        monkeypatch.setattr(Uploads, "confirmed", lambda *_, **__: None)
        confirm(clerk, page)
        again = confirm(clerk, page)
        assert again.status_code == 409
        assert LIN.name in section(again, "same")
        assert len(university.reader.decisions(COHORT)) == 1
        (result,) = sheets(clerk.get("/desk/import/batches/1/result.xlsx"))
        assert result[-1][:3] == (LIN.number, LIN.name, LIN.class_name)


def undo(made: TestClient, page: httpx.Response, reason: str = "传错了表") -> httpx.Response:
    form = {"form_token": token_in(page), "reason": reason}
    answer: httpx.Response = made.post(f"{page.url.path}/undo", data=form)
    return answer


class TestTakingItBack:
    def test_it_takes_a_reason_and_states_what_became_of_each(self, university: World, clerk: TestClient) -> None:
        was = university.verdicts()
        page = confirm(clerk, brought(clerk, row(LIN), row(QIAN, "不通过")))
        refused = undo(clerk, page, " ")
        assert (refused.status_code, "整批撤回须写明原因" in refused.text) == (409, True)
        university.later(minutes=1)
        university.decisions.withdraw(QIAN.number, "library", "somebody", university.now)
        university.later(minutes=1)
        done = undo(clerk, page)
        assert "已随整批撤回 1" in words(done)
        assert "此前已替换、撤回或失效 1" in words(done)
        assert "传错了表" in done.text
        assert 'name="reason"' not in done.text
        assert university.verdicts() == was
        again = undo(clerk, page)
        assert (again.status_code, "已整批撤回" in again.text) == (409, True)
        line = Audit(university.desk).newest(1)[0]
        assert (line.event, line.detail["withdrawn"]) == (AuditEvent.IMPORT_UNDONE, 1)

    def test_batches_are_listed_for_who_decides_the_step_for_everybody_and_for_their_author(
        self, university: World, clerk: TestClient
    ) -> None:
        page = confirm(clerk, brought(clerk, row(LIN)))
        assert "结果.xlsx" in clerk.get("/desk/import/batches").text
        inside = (Grant(Act.DECIDE, "library", {"college": (QIAN.college,)}),)
        university.accounts.add("narrow", "narrow", None, grants=inside, now=university.now)
        university.accounts.add("second", "second", None, grants=STAFF["librarian"], now=university.now)
        with browser(university, "narrow") as other:
            assert "结果.xlsx" not in other.get("/desk/import/batches").text
            for path in (page.url.path, f"{page.url.path}/result.xlsx"):
                assert other.get(path).status_code == 404
        with browser(university, "second") as other:
            assert LIN.name in other.get(page.url.path).text
            (result,) = sheets(other.get(f"{page.url.path}/result.xlsx"))
            assert result[-1][:2] == (LIN.number, LIN.name)

    def test_whoever_may_not_decide_for_all_of_it_may_not_undo_it(self, university: World, clerk: TestClient) -> None:
        page = confirm(clerk, brought(clerk, row(LIN), row(QIAN)))
        narrow(university, "college", QIAN.college)
        assert LIN.name not in clerk.get(page.url.path).text
        refused = undo(clerk, page)
        assert (refused.status_code, "有学生不在办理范围内" in refused.text) == (409, True)
        assert verdict(university, LIN) is Verdict.CLEARED


class TestBringing:
    @pytest.mark.parametrize(
        ("content", "name", "says"),
        [
            (b"", "结果.xlsx", "文件为空"),
            (b"\xd0\xcf\x11\xe0" + bytes(600), "结果.xls", "旧版 .xls。请用 Excel 打开，另存为 .xlsx"),
            (b"<html><table>", "结果.xls", "文件内容是网页"),
            (b"PK\x03\x04 cut off", "结果.xlsx", "文件不完整"),
            (b"\x89PNG", "图.png", "不是 Excel 工作簿"),
        ],
    )
    def test_what_is_no_sheet_is_shown_with_the_fix(
        self, university: World, clerk: TestClient, content: bytes, name: str, says: str
    ) -> None:
        page = bring(clerk, content, name)
        assert page.status_code == 422
        assert says in page.text
        assert 'type="file"' in page.text

    def test_no_file_and_a_column_that_appears_two_times(self, clerk: TestClient) -> None:
        assert "未选文件" in bring(clerk, b"", "").text
        page = bring(clerk, book([*HEAD, "办理结果"], [*row(LIN), "不通过"]))
        assert "有重复的列名" in page.text

    def test_csv_is_a_sheet(self, university: World, clerk: TestClient) -> None:
        page = bring(clerk, text(HEAD, row(LIN), encoding="gb18030"), "结果.csv")
        assert confirm(clerk, page).url.path == "/desk/import/batches/1"

    def test_more_than_is_allowed_is_shown_and_not_read(self, university: World, clerk: TestClient) -> None:
        object.__setattr__(university.settings.desk, "most_bytes", 20_000)
        page = bring(clerk, bytes(40_000))
        assert (page.status_code, "文件超过" in page.text) == (413, True)

    @pytest.mark.parametrize(
        ("sent", "headers", "code"),
        [
            ({"form_token": ""}, {}, 403),
            ({"form_token": "of another browser"}, {}, 403),
            ({}, {"origin": "https://evil.example"}, 403),
            ({}, {"sec-fetch-site": "cross-site"}, 403),
        ],
    )
    def test_a_file_that_no_page_of_ours_has_sent_is_refused(
        self, university: World, clerk: TestClient, sent: Mapping[str, str], headers: Mapping[str, str], code: int
    ) -> None:
        form = {"form_token": token_in(clerk.get("/desk/import"))} | dict(sent)
        files = {"file": ("结果.xlsx", book(HEAD, row(LIN)), KIND)}
        assert clerk.post("/desk/import", data=form, files=files, headers=dict(headers)).status_code == code
        assert Uploads(university.desk).find(1, "librarian") is None

    def test_a_step_of_others_is_none(self, clerk: TestClient) -> None:
        assert clerk.get("/desk/import?step=finance").status_code == 404
        assert bring(clerk, book(HEAD, row(LIN)), query="?step=finance").status_code == 404

    def test_a_reviewer_has_no_sheet_to_upload(self, university: World) -> None:
        with browser(university, "reviewer") as made:
            assert made.get("/desk/import").status_code == 403
            assert "/desk/import" not in made.get("/desk").text

    def test_a_real_spreadsheet_programs_file_goes_all_the_way(
        self, university: World, clerk: TestClient, tmp_path: Path
    ) -> None:
        source = tmp_path / "template.csv"
        source.write_bytes(text(HEAD, row(LIN, until="2019-06-30"), row(QIAN, "")[:3] + [""] * 6))
        (file,) = converted([source], "xlsx", tmp_path)
        page = confirm(clerk, bring(clerk, file.read_bytes()))
        assert page.url.path == "/desk/import/batches/1"
        assert verdict(university, LIN) is Verdict.CLEARED
        assert verdict(university, QIAN) is Verdict.CLEARED
        university.now = university.now.replace(month=6, day=30, hour=16, minute=0)
        assert verdict(university, LIN) is Verdict.HELD


class TestTheForm:
    """What takes a form apart as it arrives."""

    BODY = (
        b'--x\r\nContent-Disposition: form-data; name="form_token"\r\n\r\nt\r\n'
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="C:\\folder\\\xe8\xa1\xa8.xlsx"\r\n'
        b"Content-Type: application/x\r\n\r\nPK\x00\r\n--y\r\n\r\n--x--\r\n"
    )

    @pytest.mark.parametrize("size", [1, 7, 1000])
    def test_in_whatever_pieces_it_comes(self, size: int) -> None:
        parts = Parts("multipart/form-data; boundary=x")
        for at in range(0, len(self.BODY), size):
            parts.take(self.BODY[at : at + size])
        file = parts.file()
        assert parts.fields == {"form_token": "t"}
        assert file is not None
        assert (file.name, file.content) == ("表.xlsx", b"PK\x00\r\n--y\r\n")

    @pytest.mark.parametrize("body", [BODY[:-6], BODY[:120], b"", b"nothing of the kind"])
    def test_one_that_is_cut_off_is_none(self, body: bytes) -> None:
        parts = Parts("multipart/form-data; boundary=x")
        with pytest.raises(FormBroken):  # noqa: PT012 - it may show at either
            parts.take(body)
            parts.file()

    def test_fields_have_their_limit_too(self) -> None:
        for body in (
            b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n' + bytes(9000),
            b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n' * 21,
        ):
            with pytest.raises(FormBroken):
                Parts("multipart/form-data; boundary=x").take(body)


def awaited(waits: Coroutine[Any, Any, Any]) -> Any:
    """Wait for it in a thread of its own: a browser that an earlier test left open holds this one's loop."""
    with ThreadPoolExecutor(1) as own:
        return own.submit(asyncio.run, waits).result()


def test_no_more_of_a_body_is_read_than_the_limit(university: World) -> None:
    taken = 0

    async def receive() -> dict[str, Any]:
        nonlocal taken
        taken += 1
        head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' if taken == 1 else b""
        return {"type": "http.request", "body": head + bytes(1000), "more_body": taken < 50}

    headers = [(b"content-type", b"multipart/form-data; boundary=x"), (b"host", b"testserver")]
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/",
        "headers": headers,
        "query_string": b"",
        "server": None,
        "app": whole_app(university),
    }
    with pytest.raises(HTTPException) as raised:
        awaited(forms.read_form_with_file(context_of(Request(scope, receive)), Form, longest=5_000))
    assert raised.value.status_code == 413
    assert taken < 20


@pytest.mark.parametrize(
    ("head", "result"),
    [
        (["学号", "姓名", "办理结果", "办理原因", "告知学生"], "无需办理"),
        (["Student number", "Name", "Result", "Reason given", "Words for the student"], "Not needed"),
    ],
)
def test_a_template_that_was_downloaded_before_its_columns_were_renamed_is_read(
    clerk: TestClient, university: World, head: list[str], result: str
) -> None:
    page = bring(clerk, book(head, [LIN.number, LIN.name, result, "现场归还", "请带收据。"]))
    confirm(clerk, page)
    (decision,) = university.reader.decisions(COHORT)
    assert (decision.verdict, decision.reason, decision.words) == (Verdict.EXEMPT, "现场归还", "请带收据。")


def test_the_templates_form_offers_a_choice_that_works_and_names_the_limit_before(
    clerk: TestClient, university: World
) -> None:
    object.__setattr__(university.settings.desk, "most_rows", 3)
    page = Page(clerk.get("/desk/import?step=library"))
    assert "全部学生超过 3 名" in page.text
    (offered,) = [part["value"] for part in page.one("select", name="college").all("option") if "selected" in part]
    file = clerk.get("/desk/import/template.xlsx", params={"step": "library", "college": offered, "class": ""})
    assert file.headers["content-type"].endswith("sheet")


def test_english_headers_are_those_of_the_catalogue() -> None:
    english = languages.load(("en",), ZoneInfo("Asia/Shanghai"))["en"]
    for chinese, word in (*COLUMNS.values(), *RESULTS.values()):
        assert english.gettext(chinese) == word


def test_a_file_is_sent_before_it_is_deleted(university: World) -> None:
    """A server that is given only the path of the file comes for it too late."""
    token = new_token()
    university.accounts.open_session(hash_of(token), "librarian", university.now, longest=timedelta(hours=12))
    sent: list[Any] = []

    received: list[dict[str, Any]] = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> dict[str, Any]:
        if not received:
            await asyncio.Event().wait()
        return received.pop()

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/desk/import/template.xlsx",
        "query_string": b"",
        "headers": [(b"cookie", f"clearance={token}".encode()), (b"host", b"testserver")],
        "client": ("127.0.0.1", 1),
        "server": ("testserver", 80),
        "scheme": "http",
        "http_version": "1.1",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "extensions": {"http.response.pathsend": {}},
    }
    awaited(whole_app(university)(scope, receive, send))
    assert sent[0]["status"] == 200
    assert b"".join(message.get("body", b"") for message in sent).startswith(b"PK")
