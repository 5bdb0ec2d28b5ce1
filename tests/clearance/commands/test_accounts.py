"""`clearance accounts`: who may do what, first passwords by class, and what each command leaves in the audit log."""

import json
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import xlsxwriter
from typer.testing import CliRunner, Result

from clearance.main import app
from status_db.accounts.accounts import Act, Grant
from status_db.accounts.audit_log import Audit, AuditEvent, AuditLine
from status_db.sign_in.identity_numbers import Identities
from status_db.sign_in.one_time_codes import CodeKind, Codes
from status_db.sign_in.recovery_codes import RecoveryCodes
from status_db.sign_in.second_factor import SecondFactors
from tests.cast import LEAVING, LI, LIN, QIAN, SUN, ZHAO
from tests.world import SETTINGS, World

CODE = re.compile(r"[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}")
PASSPORT = "PEE9876543"


class Desk:
    """The command line of one university."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.key = world.desk_key

    def run(self, *words: str, code: int = 0, entered: str | None = None) -> str:
        """Run a command; return all it printed."""
        done = self._invoke("accounts", *words, entered=entered)
        assert done.exit_code == code, (words, done.output, done.exception)
        return done.output

    def check(self, **settings: str) -> str:
        """Return what a check of one source reports, with these settings in the environment."""
        return self._invoke("check", "loans", **settings).output

    def _invoke(self, *words: str, entered: str | None = None, **settings: str) -> Result:
        env = {"STATUS_URL": self.world.url, "COLUMNS": "400", **settings}
        return CliRunner().invoke(app, ["--config", str(self.world.file), *words], env=env, input=entered)

    def json(self) -> dict[str, dict[str, Any]]:
        """Return the listed accounts by name."""
        return {one["account"]: one for one in json.loads(self.run("list", "--json"))}

    def audit(self, event: AuditEvent) -> tuple[AuditLine, ...]:
        """Return the audit log's lines of one kind, the newest first."""
        return Audit(self.world.desk).newest(event=event)

    def opens(self, account: str, code: str) -> bool:
        """Return whether a code opens an account, using it up."""
        return Codes(self.world.desk, self.key).use(account, code, self.world.now)


@pytest.fixture
def desk(sqlite_world: World) -> Desk:
    sqlite_world.run("roster")
    return Desk(sqlite_world)


def workbook(file: Path, *rows: tuple[object, ...]) -> Path:
    with xlsxwriter.Workbook(str(file)) as book:
        sheet = book.add_worksheet()
        for at, row in enumerate(rows):
            for column, cell in enumerate(row):
                if isinstance(cell, str):
                    sheet.write_string(at, column, cell)
                else:
                    sheet.write(at, column, cell)
    return file


class TestMakingAccounts:
    def test_one_made_by_hand_gets_a_code_that_works_once(self, desk: Desk) -> None:
        said = desk.run("add", "Li.Laoshi", "--name", "李老师", "--grant", "read:*:college=资源学院", "--as", "admin")
        (code,) = CODE.findall(said)
        assert desk.opens("li.laoshi", code)
        assert not desk.opens("li.laoshi", code)
        assert [line.account for line in desk.audit(AuditEvent.ACCOUNT_MADE)] == ["admin"]
        assert code not in str(desk.audit(AuditEvent.CODES_MADE))

    def test_a_grant_ends_with_its_cohort(self, desk: Desk) -> None:
        desk.run("add", "x", "--name", "x", "--grant", "review:final_review", "--until-cohort", "2019")
        assert desk.world.accounts.grants("x") == (Grant(Act.REVIEW, "final_review", {}, "2019"),)
        assert "is not a cohort" in desk.run(
            "add", "y", "--name", "y", "--grant", "read", "--until-cohort", "1999", code=2
        )

    @pytest.mark.parametrize("grant", ["own", "read:nostep", "read:*:shoe=42", "read:*:college"])
    def test_a_grant_that_makes_no_sense_makes_no_account(self, desk: Desk, grant: str) -> None:
        desk.run("add", "x", "--name", "x", "--grant", grant, code=2)
        assert desk.world.accounts.find("x") is None

    def test_a_password_that_anybody_would_guess_is_refused(self, desk: Desk) -> None:
        words = ("add", "x", "--name", "x", "--password-from-input")
        assert "too easy to guess" in desk.run(*words, entered="password123\n", code=1)
        desk.run(*words, entered="lampe-birne-treppe\n")
        assert desk.json()["x"]["password"] is True

    def test_every_leaving_student_gets_an_account_once(self, desk: Desk) -> None:
        desk.world.accounts.add("somebody", "林小满", None, student=LIN.number, now=desk.world.now)
        assert "4 accounts are created; 1 of 5" in desk.run("students")
        assert "0 accounts are created; 5 of 5" in desk.run("students")
        students = {one["student"] for one in desk.json().values()}
        assert students == {person.number for person in LEAVING}
        assert not any(one["password"] for one in desk.json().values())

    def test_only_those_of_a_class_where_one_is_named(self, desk: Desk) -> None:
        desk.run("students", "--class", QIAN.class_name)
        assert set(desk.json()) == {QIAN.number, SUN.number}
        assert "no student of this selection leaves" in desk.run("students", "--class", "nowhere", code=1)

    def test_a_number_that_is_another_persons_name_is_reported(self, desk: Desk) -> None:
        desk.world.accounts.add(LIN.number, "x", None, now=desk.world.now)
        assert LIN.number in desk.run("students", code=1)
        assert ZHAO.number in desk.json()


class TestCodesByClass:
    @pytest.fixture(autouse=True)
    def students(self, desk: Desk) -> None:
        desk.run("students")

    def test_they_are_listed_for_who_has_no_password_yet(self, desk: Desk) -> None:
        desk.world.accounts.set_password(SUN.number, "x", now=desk.world.now)
        said = desk.run("codes", "--class", QIAN.class_name)
        (code,) = CODE.findall(said)
        assert QIAN.name in said
        assert SUN.name not in said
        assert desk.opens(QIAN.number, code)
        assert desk.audit(AuditEvent.CODES_MADE)[0].detail == {"class": QIAN.class_name, "count": 1}

    def test_slips_stand_in_a_workbook_each_class_on_its_own_pages(self, desk: Desk, tmp_path: Path) -> None:
        file = tmp_path / "slips.xlsx"
        desk.run("codes", "--college", "资源学院", "--xlsx", str(file))
        sheet = openpyxl.load_workbook(file).worksheets[0]
        cells = [str(cell.value) for row in sheet.iter_rows() for cell in row if cell.value is not None]
        codes = [cell for cell in cells if CODE.fullmatch(cell)]
        assert len(set(codes)) == 3
        assert all(person.number in cells and person.name in cells for person in (QIAN, SUN, LI))
        assert [one.id for one in sheet.row_breaks.brk] == [10], "the class of two, then the class of one"
        assert "资源学院" in cells
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert all(desk.opens(p.number, code) for p, code in zip((QIAN, SUN, LI), codes, strict=True))

    def test_a_file_that_cannot_be_written_costs_no_code(self, desk: Desk, tmp_path: Path) -> None:
        (code,) = CODE.findall(desk.run("codes", LIN.number))
        desk.run("codes", LIN.number, "--xlsx", str(tmp_path / "no" / "slips.xlsx"), code=1)
        assert desk.opens(LIN.number, code)

    def test_a_new_one_ends_the_one_before(self, desk: Desk) -> None:
        (first,) = CODE.findall(desk.run("password", LIN.number))
        (second,) = CODE.findall(desk.run("password", LIN.number))
        assert not desk.opens(LIN.number, first)
        assert desk.opens(LIN.number, second)

    def test_an_unknown_number_is_no_student(self, desk: Desk) -> None:
        desk.run("codes", code=2)
        desk.run("codes", "x", "--class", "y", code=2)
        assert "no active account" in desk.run("codes", "nobody", code=1)
        assert "no active account" in desk.run("password", "nobody", code=1)


class TestGrants:
    @pytest.fixture(autouse=True)
    def people(self, desk: Desk) -> None:
        for name in ("old", "new"):
            desk.world.accounts.add(name, name, None, now=desk.world.now)

    def test_they_are_given_and_taken_back_by_number(self, desk: Desk) -> None:
        desk.run("grant", "old", "review:final_review:college=资源学院,地球科学学院", "issue", "--until-cohort", "2019")
        given = desk.world.accounts.grants("old")
        assert given == (
            Grant(Act.REVIEW, "final_review", {"college": ("资源学院", "地球科学学院")}, "2019"),
            Grant(Act.ISSUE, None, {}, "2019"),
        )
        assert "the account already has these grants" in desk.run("grant", "old", "issue", "--until-cohort", "2019")
        assert f"[{given[0].id}]" in desk.run("list")
        desk.run("revoke-grant", "new", str(given[0].id), code=1)
        desk.run("revoke-grant", "old", str(given[0].id))
        assert desk.world.accounts.grants("old") == given[1:]
        assert len(desk.audit(AuditEvent.GRANTED)) == len(desk.audit(AuditEvent.GRANT_TAKEN)) == 1

    def test_an_office_is_handed_over_whole(self, desk: Desk) -> None:
        desk.run("grant", "old", "decide:library", "read:library")
        desk.run("grant", "new", "read:library")
        desk.run("hand-over", "old", "new")
        assert desk.world.accounts.grants("old") == ()
        had = desk.world.accounts.grants("new")
        assert sorted(g.act for g in had) == [Act.DECIDE, Act.READ], "what both had is not had twice"
        line = desk.audit(AuditEvent.HANDED_OVER)[0].detail
        assert (line["before"], line["after"]) == ("old", "new")
        assert "no grants" in desk.run("hand-over", "old", "new", code=1)

    def test_nothing_is_handed_to_a_shut_account(self, desk: Desk) -> None:
        desk.run("grant", "old", "decide:library")
        desk.run("deactivate", "new")
        assert "is not active" in desk.run("hand-over", "old", "new", code=1)
        assert desk.world.accounts.grants("old") != ()
        desk.run("activate", "new")
        desk.run("hand-over", "old", "new")


class TestAListOfGrants:
    HEAD = ("账号", "姓名", "权限", "环节", "范围", "届别")

    def test_it_is_taken_in_in_chinese_and_in_english(self, desk: Desk, tmp_path: Path) -> None:
        desk.world.accounts.add("old", "老李", None, now=desk.world.now)
        file = workbook(
            tmp_path / "grants.xlsx",
            self.HEAD,
            ("Old", "老李", "终审、发证", "学院终审", "学院=资源学院", "2019届"),
            ("new", "小王", "read", "library", "college=资源学院,地球科学学院；校区=未来城", ""),
            ("new", "小王", "办理", "图书馆", "", "2019"),
        )
        assert "nothing is written" in desk.run("import-grants", str(file), "--dry-run")
        assert set(desk.json()) == {"old"}
        said = desk.run("import-grants", str(file))
        assert "4 grants are given, 1 accounts created" in said
        assert re.search(r"codes --second-factor old$", said, re.MULTILINE), "the other one only reads and decides"
        assert desk.world.accounts.grants("old") == (
            Grant(Act.REVIEW, "final_review", {"college": ("资源学院",)}, "2019"),
            Grant(Act.ISSUE, "final_review", {"college": ("资源学院",)}, "2019"),
        )
        assert desk.world.accounts.grants("new") == (
            Grant(Act.READ, "library", {"college": ("资源学院", "地球科学学院"), "campus": ("未来城",)}),
            Grant(Act.DECIDE, "library", {}, "2019"),
        )
        assert "0 grants are given, 0 accounts created" in desk.run("import-grants", str(file))

    def test_every_mistake_is_reported_and_nothing_is_written(self, desk: Desk, tmp_path: Path) -> None:
        desk.world.accounts.add("old", "老李", None, now=desk.world.now)
        file = workbook(
            tmp_path / "grants.xlsx",
            self.HEAD,
            ("good", "好", "查看", "", "", ""),
            ("old", "别人", "查看", "", "", ""),
            ("a", "甲", "飞行", "", "", ""),
            ("b", "乙", "查看", "没有", "", ""),
            ("c", "丙", "查看", "", "学院=资源学员", ""),
            ("d", "", "查看", "", "", "1999"),
            ("", "丁", "查看", "", "鞋=42", ""),
        )
        said = desk.run("import-grants", str(file), code=1)
        for entry, piece in enumerate(
            ("belongs to 老李 here", '"飞行" is not an act', "没有", "资源学员", '"1999" is not a cohort', "鞋"), 2
        ):
            lines = [line for line in said.splitlines() if f"entry {entry} " in line]
            assert any(piece in line for line in lines), (entry, said)
        assert set(desk.json()) == {"old"}
        assert desk.audit(AuditEvent.ACCOUNT_MADE) == ()


class TestReviewers:
    def test_a_college_with_fewer_than_two_is_reported(self, desk: Desk) -> None:
        for name in ("a", "b"):
            desk.run("add", name, "--name", name, "--grant", "review:final_review:college=资源学院")
        said = desk.run("list")
        assert "地球科学学院 (0)" in said
        assert "资源学院 (" not in said
        desk.run("deactivate", "b")
        assert "资源学院 (1)" in desk.run("list")

    def test_a_class_alone_is_no_college_and_check_reports_it_too(self, desk: Desk) -> None:
        for name in ("a", "b"):
            desk.run("add", name, "--name", name, "--grant", "review:final_review:college=资源学院;class=S0216")
        words = ["--config", str(desk.world.file), "check"]
        done = CliRunner().invoke(app, words, env={"STATUS_URL": desk.world.url, "COLUMNS": "400"})
        assert "资源学院 (0)" in done.output


class TestIdentities:
    @pytest.fixture
    def open_desk(self, tmp_path: Path) -> Iterator[Desk]:
        settings = SETTINGS + '\n[auth]\nidentity = "first"\n'
        with World(f"sqlite:///{tmp_path / 'clearance.db'}", tmp_path, settings) as world:
            world.run("roster")
            made = Desk(world)
            made.run("students")
            yield made

    def test_they_are_kept_as_hashes_alone(self, open_desk: Desk, tmp_path: Path) -> None:
        rows = ((LIN.number, "pee 987-6543"), (QIAN.number, "42010119970101123x"), ("20990009", "M12345678"))
        said = open_desk.run("import-identities", str(workbook(tmp_path / "x.xlsx", ("学号", "证件号码"), *rows)))
        assert "2 students' numbers are stored" in said
        assert "20990009" in said
        identities = Identities(open_desk.world.desk, open_desk.key)
        assert identities.fits(LIN.number, PASSPORT)
        assert identities.fits(QIAN.number, "４２０１０１１９９７０１０１１２３Ｘ")
        assert not identities.fits(LIN.number, "42010119970101123X")
        assert not identities.fits(SUN.number, "")
        everything = b"".join(file.read_bytes() for file in tmp_path.glob("*.db*"))
        assert PASSPORT.encode() not in everything

    def test_no_number_is_in_any_message(self, open_desk: Desk, tmp_path: Path) -> None:
        headless = workbook(tmp_path / "headless.xlsx", (LIN.number, PASSPORT), (QIAN.number, PASSPORT))
        said = open_desk.run("import-identities", str(headless), code=1)
        ruined = workbook(
            tmp_path / "ruined.xlsx",
            ("学号", "证件号码"),
            (LIN.number, 420101199701011230),
            (QIAN.number, "4.2010119970101E+17"),
            ("", PASSPORT),
            (SUN.number, PASSPORT),
            (SUN.number, PASSPORT + "1"),
        )
        said += open_desk.run("import-identities", str(ruined), code=1)
        for entry in (1, 2, 3, 5):
            assert f"entry {entry} (" in said
        assert not re.search(rf"{PASSPORT}|4\.?2010", said)
        assert PASSPORT not in str(Audit(open_desk.world.desk).newest())

    def test_they_are_refused_while_no_one_could_use_them(self, desk: Desk, tmp_path: Path) -> None:
        file = workbook(tmp_path / "x.xlsx", ("学号", "证件号码"), (LIN.number, PASSPORT))
        assert 'identity = "off"' in desk.run("import-identities", str(file), code=1)


class TestSecondFactors:
    def test_a_set_up_code_is_made_on_the_server_and_opens_no_password(self, desk: Desk) -> None:
        said = desk.run("add", "admin", "--name", "admin", "--grant", "manage")
        assert "clearance accounts codes --second-factor admin" in said
        said = desk.run("codes", "--second-factor", "Admin", "--as", "root")
        (code,) = CODE.findall(said)
        assert "in person" in said
        assert not desk.opens("admin", code)
        codes = Codes(desk.world.desk, desk.key)
        assert codes.use("admin", code, desk.world.now, CodeKind.FACTOR)
        line = desk.audit(AuditEvent.CODES_MADE)[0]
        assert (line.account, line.detail["kind"], line.detail["of"]) == ("root", "second factor", ["admin"])
        assert code not in str(line)

    def test_none_is_made_that_would_open_nothing(self, desk: Desk) -> None:
        desk.run("add", "clerk", "--name", "clerk", "--grant", "decide:library")
        assert "no grant to manage, review or issue" in desk.run("codes", "--second-factor", "clerk", code=1)
        assert "no active account" in desk.run("codes", "--second-factor", "nobody", code=1)
        assert "allows no other option" in desk.run("codes", "--second-factor", "--class", "021152", code=2)
        desk.run("add", "admin", "--name", "admin", "--grant", "manage")
        SecondFactors(desk.world.desk).enrol("admin", b"sealed", 1)
        assert "clearance accounts reset-factor admin" in desk.run("codes", "--second-factor", "admin", code=1)
        assert desk.audit(AuditEvent.CODES_MADE)[0].detail["of"] == "admin", "the one for its password"

    def test_the_list_names_who_has_which(self, desk: Desk) -> None:
        desk.run("add", "admin", "--name", "admin", "--grant", "manage")
        desk.run("add", "clerk", "--name", "clerk", "--grant", "decide:library")
        assert desk.run("list").count("none yet") == 3, "two passwords and one second factor"
        listed = desk.json()
        assert [listed[one]["second_factor_asked"] for one in ("admin", "clerk")] == [True, False]
        SecondFactors(desk.world.desk).enrol("admin", b"sealed", 1)
        RecoveryCodes(desk.world.desk, desk.key).make("admin", desk.world.now)
        assert "app, 10 recovery codes" in desk.run("list")

    def test_check_warns_where_no_one_is_asked(self, desk: Desk) -> None:
        assert 'second_factor = "off" in [auth]' in desk.check(CLEARANCE__AUTH__SECOND_FACTOR="off")
        assert "second_factor" not in desk.check(CLEARANCE__AUTH__SECOND_FACTOR="privileged")
        assert "second_factor" not in desk.check(
            CLEARANCE__AUTH__SECOND_FACTOR="off", CLEARANCE__AUTH__PROFILE="strict"
        )

    def test_a_lost_device_is_taken_away(self, desk: Desk) -> None:
        desk.run("add", "admin", "--name", "admin", "--grant", "manage")
        assert "no account" in desk.run("reset-factor", "admin", code=1)
        SecondFactors(desk.world.desk).enrol("admin", b"sealed", 1)
        assert desk.json()["admin"]["second_factor"] is True
        desk.run("reset-factor", "admin", "--as", "boss")
        assert desk.json()["admin"]["second_factor"] is False
        assert desk.audit(AuditEvent.SECOND_FACTOR_RESET)[0].account == "boss"


class TestStaffInNeed:
    def test_unlocking_takes_an_account(self, desk: Desk) -> None:
        assert "no account" in desk.run("unlock", "nobody", code=1)


class TestTwoAdministrators:
    def test_one_alone_is_named_until_there_are_two(self, desk: Desk) -> None:
        desk.run("add", "one", "--name", "One", "--grant", "manage")
        assert "no second one can confirm its changes" in desk.run("list")
        desk.run("add", "brief", "--name", "Brief", "--grant", "manage", "--until-cohort", "2019")
        assert "no second one can confirm its changes" in desk.run("list"), "that one ends with its cohort"
        desk.run("add", "two", "--name", "Two", "--grant", "manage")
        assert "no second one can confirm" not in desk.run("list")
        desk.run("deactivate", "two")
        assert "no second one can confirm its changes" in desk.run("list")

    def test_the_setting_off_is_named(self, desk: Desk) -> None:
        desk.world.file.write_text(SETTINGS + "\n[auth]\nsecond_administrator = false\n", encoding="utf-8")
        assert "second_administrator = false in [auth]" in desk.run("list")

    def test_check_names_both(self, desk: Desk) -> None:
        assert "administrator" not in desk.check()
        desk.run("add", "one", "--name", "One", "--grant", "manage")
        assert "no second one can confirm its changes" in desk.check()
        assert "second_administrator = false in [auth]:" in desk.check(CLEARANCE__AUTH__SECOND_ADMINISTRATOR="false")

    def test_the_command_line_does_alone_what_takes_two_on_the_pages(self, desk: Desk) -> None:
        desk.run("add", "one", "--name", "One", "--grant", "manage")
        desk.run("add", "two", "--name", "Two")
        desk.run("grant", "two", "manage", "--as", "owner")
        assert [one.act for one in desk.world.accounts.grants("two")] == [Act.MANAGE]
        assert Audit(desk.world.desk).newest(1)[0].account == "owner"
